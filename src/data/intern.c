/* A hash table of texts (FNV-1a, open addressing, at most half full). */
#include "data/intern.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(const char *text, size_t length)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3ull;
    return (size_t)(h ^ h >> 32);
}

/* The slot where the text is, or the free one where it would go. */
static size_t slot_of(const mu_intern *intern, const char *text, size_t length)
{
    size_t at = hash(text, length) & (intern->slot_count - 1);
    while (intern->slots[at]) {
        const char *name = intern->names.names[intern->slots[at] - 1];
        if (strlen(name) == length && memcmp(name, text, length) == 0)
            break;
        at = (at + 1) & (intern->slot_count - 1);
    }
    return at;
}

static mu_status grow(mu_intern *intern, mu_error *err)
{
    size_t count = intern->slot_count ? 2 * intern->slot_count : 64;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %zu names", count / 2);
    free(intern->slots);
    intern->slots = slots;
    intern->slot_count = count;
    for (uint32_t i = 0; i < intern->names.count; i++)
        slots[slot_of(intern, intern->names.names[i], strlen(intern->names.names[i]))] = i + 1;
    return MU_OK;
}

bool mu_intern_find(const mu_intern *intern, const char *text, size_t length, uint32_t *number)
{
    if (intern->slot_count == 0)
        return false;
    uint32_t found = intern->slots[slot_of(intern, text, length)];
    *number = found - 1;
    return found > 0;
}

mu_status mu_intern_add(mu_intern *intern, const char *text, size_t length, uint32_t limit, const char *what, uint32_t *number, mu_error *err)
{
    if (mu_intern_find(intern, text, length, number))
        return MU_OK;
    if (intern->names.count >= limit)
        return mu_error_set(err, MU_E_LIMIT, "more than %u different %s", limit, what);
    if (memchr(text, '\0', length))
        return mu_error_set(err, MU_E_PARSE, "a zero byte in a name among the %s", what);
    mu_status status = MU_OK;
    if (2 * ((size_t)intern->names.count + 1) > intern->slot_count)
        status = grow(intern, err);
    if (!status)
        status = mu_names_add(&intern->names, text, length, err);
    if (status)
        return status;
    *number = intern->names.count - 1;
    intern->slots[slot_of(intern, text, length)] = intern->names.count;
    return MU_OK;
}

void mu_intern_release(mu_intern *intern)
{
    mu_names_release(&intern->names);
    free(intern->slots);
    *intern = (mu_intern){ 0 };
}

/* "0", "17": digits without a needless zero in front. False: anything else, or not below the limit. */
static bool is_label(const char *text, uint32_t limit, int32_t *out)
{
    size_t length = strlen(text);
    if (length == 0 || length > 9 || strspn(text, "0123456789") != length || (text[0] == '0' && length > 1))
        return false;
    long value = strtol(text, NULL, 10);
    *out = (int32_t)value;
    return value < (long)limit;
}

typedef struct named {
    char    *name;
    uint32_t number;
} named;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

mu_status mu_intern_to_labels(mu_intern *intern, uint32_t limit, int32_t *map, mu_names *names, mu_error *err)
{
    uint32_t count = intern->names.count;
    bool numbers = true;
    for (uint32_t i = 0; i < count && numbers; i++)
        numbers = is_label(intern->names.names[i], limit, &map[i]);
    if (numbers)
        return MU_OK;
    named *order = malloc(((size_t)count + 1) * sizeof *order);
    if (!order)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u names", count);
    for (uint32_t i = 0; i < count; i++)
        order[i] = (named){ intern->names.names[i], i };
    qsort(order, count, sizeof *order, compare_names);
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < count && !status; i++) {
        map[order[i].number] = (int32_t)i;
        status = mu_names_add(names, order[i].name, strlen(order[i].name), err);
    }
    free(order);
    return status;
}
