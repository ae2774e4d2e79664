/* UTF-8 to code points, and code points to symbols. */
#include "data/symbols.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const mu_labels_words[] = { "next", "every", NULL };

/* One character from `at` on: its length in bytes, or 0 when it is no UTF-8 (cut short, overlong, a surrogate, beyond U+10FFFF). */
static size_t decode(const unsigned char *at, size_t left, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned first = at[0];
    size_t length = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    *code = length == 1 ? first : first & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (at[i] & 0x3Fu);
    }
    bool good = *code >= least[length] && *code <= 0x10FFFF && !(*code >= 0xD800 && *code <= 0xDFFF);
    return good ? length : 0;
}

mu_status mu_codes_add(mu_codes *codes, const char *name, const char *text, size_t size_bytes, size_t *added, mu_error *err)
{
    if (size_bytes > codes->capacity - codes->count) { /* there are never more characters than bytes */
        size_t capacity = 2 * codes->capacity > codes->count + size_bytes ? 2 * codes->capacity : codes->count + size_bytes;
        uint32_t *larger = realloc(codes->codes, capacity * sizeof *larger);
        if (!larger)
            return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %zu characters", name, capacity);
        codes->codes = larger;
        codes->capacity = capacity;
    }
    size_t before = codes->count;
    for (size_t at = 0; at < size_bytes;) {
        size_t length = decode((const unsigned char *)text + at, size_bytes - at, &codes->codes[codes->count]);
        if (length == 0)
            return mu_error_set(err, MU_E_PARSE, "%s: byte %zu of the text (0x%02x) is not UTF-8", name, at, (unsigned char)text[at]);
        codes->count++;
        at += length;
    }
    *added = codes->count - before;
    return MU_OK;
}

void mu_codes_release(mu_codes *codes)
{
    free(codes->codes);
    *codes = (mu_codes){ 0 };
}

/* How many symbols are below `code`: where it is, or would be. */
static uint32_t rank(const mu_vocabulary *vocabulary, uint32_t code)
{
    uint32_t low = 0, high = vocabulary->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (vocabulary->codes[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

mu_status mu_vocabulary_add(mu_vocabulary *vocabulary, const char *name, const mu_codes *codes, mu_error *err)
{
    _Static_assert(MU_COUNT(vocabulary->codes) == MU_LIMIT_SYMBOLS, "as many as the limit says");
    for (size_t i = 0; i < codes->count; i++) {
        uint32_t code = codes->codes[i], at = rank(vocabulary, code);
        if (at < vocabulary->count && vocabulary->codes[at] == code)
            continue;
        if (vocabulary->count == MU_LIMIT_SYMBOLS)
            return mu_error_set(err, MU_E_LIMIT, "%s: more than %u different characters; character %zu is a new one, U+%04X", name,
                                MU_LIMIT_SYMBOLS, i, code);
        memmove(vocabulary->codes + at + 1, vocabulary->codes + at, (vocabulary->count - at) * sizeof vocabulary->codes[0]);
        vocabulary->codes[at] = code;
        vocabulary->count++;
    }
    return MU_OK;
}

uint8_t mu_vocabulary_symbol(const mu_vocabulary *vocabulary, uint32_t code)
{
    return (uint8_t)rank(vocabulary, code);
}

mu_status mu_vocabulary_names(const mu_vocabulary *vocabulary, mu_names *out, mu_error *err)
{
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < vocabulary->count && !status; i++) {
        char name[16];
        uint32_t code = vocabulary->codes[i];
        if (code == ' ')
            snprintf(name, sizeof name, "space");
        else if (code > ' ' && code < 0x7F)
            snprintf(name, sizeof name, "%c", (char)code);
        else
            snprintf(name, sizeof name, "U+%04X", code);
        status = mu_names_add(out, name, strlen(name), err);
    }
    return status;
}
