/* Option rows: text to member and back. */
#include "muster/option.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the nearest name ---- */

/* Levenshtein's distance with neighbouring swaps; names longer than the buffer are never near. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    size_t before[LONGEST + 1], last[LONGEST + 1], row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        memcpy(before, last, sizeof last);
        memcpy(last, row, sizeof row);
    }
    return last[m];
}

const char *mu_nearest_name(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2; /* farther than this it would be a guess */
    for (size_t i = 0; names[i]; i++) {
        size_t distance = edit_distance(word, names[i]);
        bool begins = strlen(word) >= 3 && strncmp(word, names[i], strlen(word)) == 0;
        if (begins && distance >= best)
            distance = best - 1;
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* ---- text to value ---- */

static const struct { const char *suffix; double bytes; } byte_units[] = {
    { "", 1 },   { "B", 1 },   { "KiB", 1024 }, { "MiB", 1048576 }, { "GiB", 1073741824 }, { "TiB", 1099511627776 },
    { "kB", 1e3 }, { "KB", 1e3 }, { "MB", 1e6 },   { "GB", 1e9 },      { "TB", 1e12 },
};

static bool parse_real(const char *text, double *out)
{
    if (strcmp(text, "inf") == 0 || strcmp(text, ".inf") == 0) {
        *out = INFINITY;
        return true;
    }
    char *end;
    errno = 0;
    if (!*text || strchr(text, 'x') || strchr(text, 'X') || strchr(text, 'n') || strchr(text, ' '))
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_bytes(const char *text, double *out)
{
    char *end;
    if (strspn(text, "0123456789.") == 0 || strchr(text, 'x') || strchr(text, 'X'))
        return false;
    double number = strtod(text, &end);
    end += strspn(end, " ");
    for (size_t i = 0; i < MU_COUNT(byte_units); i++)
        if (strcmp(end, byte_units[i].suffix) == 0) {
            *out = floor(number * byte_units[i].bytes);
            return true;
        }
    return false;
}

static bool parse_seed(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    if (strspn(text, "0123456789") != strlen(text) || !*text)
        return false;
    *out = strtoull(text, &end, 10);
    return errno == 0;
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };
    for (size_t i = 0; i < MU_COUNT(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

static mu_status bad(const mu_option *row, const mu_conf_node *node, const char *where, const char *text, const char *expected,
                     mu_error *err)
{
    return mu_conf_error(err, MU_E_CONFIG, node, "%s: '%s' is '%s', expected %s%s%s", where, row->name, text, expected,
                         row->unit ? " in " : "", row->unit ? row->unit : "");
}

static mu_status check_range(const mu_option *row, double value, const mu_conf_node *node, const char *where, mu_error *err)
{
    if (value >= row->min && value <= row->max)
        return MU_OK;
    char range[128];
    mu_option_describe_range(row, range, sizeof range);
    return mu_conf_error(err, MU_E_RANGE, node, "%s: '%s' is %.10g, expected %s%s%s", where, row->name, value, range,
                         row->unit ? " in " : "", row->unit ? row->unit : "");
}

static mu_status read_number(const mu_option *row, const char *text, const mu_conf_node *node, const char *where, void *member,
                             mu_error *err)
{
    double value = 0;
    bool good = row->kind == MU_OPTION_BYTES ? parse_bytes(text, &value) : parse_real(text, &value);
    if (!good)
        return bad(row, node, where, text, row->kind == MU_OPTION_BYTES ? "a size such as 4096, 256KiB or 1.5GiB" : "a number", err);
    if (row->kind == MU_OPTION_COUNT && value != floor(value))
        return bad(row, node, where, text, "a whole number", err);
    mu_status status = check_range(row, value, node, where, err);
    if (status)
        return status;
    if (row->kind == MU_OPTION_COUNT) {
        MU_ASSERT(row->min >= 0 && row->max <= (double)UINT32_MAX);
        *(uint32_t *)member = (uint32_t)value;
    } else if (row->kind == MU_OPTION_BYTES) {
        MU_ASSERT(row->min >= 0 && row->max < 18446744073709551616.0);
        *(uint64_t *)member = (uint64_t)value;
    } else {
        *(double *)member = value;
    }
    return MU_OK;
}

static mu_status read_choice(const mu_option *row, const char *text, const mu_conf_node *node, const char *where, int *member,
                             mu_error *err)
{
    for (int i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], text) == 0) {
            *member = i;
            return MU_OK;
        }
    char range[512];
    mu_option_describe_range(row, range, sizeof range);
    const char *nearest = mu_nearest_name(text, row->choices);
    return mu_conf_error(err, MU_E_CONFIG, node, "%s: '%s' is '%s', expected %s%s%s%s", where, row->name, text, range,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static mu_status read_scalar(const mu_option *row, const char *text, const mu_conf_node *node, const char *where, void *config,
                             mu_error *err)
{
    void *member = (char *)config + row->offset;
    switch (row->kind) {
    case MU_OPTION_BOOL: return parse_bool(text, member) ? MU_OK : bad(row, node, where, text, "true or false", err);
    case MU_OPTION_SEED: return parse_seed(text, member) ? MU_OK : bad(row, node, where, text, "a whole number below 2^64", err);
    case MU_OPTION_CHOICE: return read_choice(row, text, node, where, member, err);
    case MU_OPTION_TEXT: *(const char **)member = text; return MU_OK;
    case MU_OPTION_COUNT:
    case MU_OPTION_BYTES:
    case MU_OPTION_REAL: return read_number(row, text, node, where, member, err);
    case MU_OPTION_REALS: break;
    }
    /* a single number is a list of one; a default may be written "1, 2, 3" */
    mu_reals *list = member;
    list->count = 0;
    while (*text) {
        char number[64];
        size_t length = strcspn(text, ",");
        if (length >= sizeof number || list->count == MU_OPTION_REALS_MAX)
            return bad(row, node, where, text, "a list of at most 64 numbers", err);
        memcpy(number, text, length);
        number[length] = '\0';
        if (!parse_real(number + strspn(number, " "), &list->values[list->count]))
            return bad(row, node, where, text, "a list of numbers", err);
        mu_status status = check_range(row, list->values[list->count++], node, where, err);
        if (status)
            return status;
        text += length;
        text += strspn(text, ", ");
    }
    return MU_OK;
}

mu_status mu_option_read(const mu_option *row, const mu_conf_node *node, const char *where, void *config, mu_error *err)
{
    const char *text = mu_conf_text(node);
    if (text)
        return read_scalar(row, text, node, where, config, err);
    if (row->kind != MU_OPTION_REALS || mu_conf_kind_of(node) != MU_CONF_LIST)
        return mu_conf_error(err, MU_E_CONFIG, node, "%s: '%s' is a %s, expected %s", where, row->name,
                             mu_conf_kind_of(node) == MU_CONF_LIST ? "list" : "map",
                             row->kind == MU_OPTION_REALS ? "a list of numbers" : "a single value");
    mu_reals *list = (void *)((char *)config + row->offset);
    if (mu_conf_count(node) > MU_OPTION_REALS_MAX)
        return mu_conf_error(err, MU_E_LIMIT, node, "%s: '%s' has more than 64 numbers", where, row->name);
    list->count = 0;
    for (size_t i = 0; i < mu_conf_count(node); i++) {
        const mu_conf_node *item = mu_conf_item(node, i);
        const char *number = mu_conf_text(item);
        double value = 0;
        if (!number || !parse_real(number, &value))
            return mu_conf_error(err, MU_E_CONFIG, item, "%s: '%s' holds something that is not a number", where, row->name);
        mu_status status = check_range(row, value, item, where, err);
        if (status)
            return status;
        list->values[list->count++] = value;
    }
    return MU_OK;
}

mu_status mu_options_read(const mu_option *rows, size_t row_count, const mu_conf_node *map, const char *const *also,
                          const char *where, void *config, mu_error *err)
{
    enum { MOST = 128 };
    const char *names[MOST];
    size_t name_count = 0;
    for (size_t i = 0; i < row_count; i++)
        names[name_count++] = rows[i].name;
    for (size_t i = 0; also && also[i]; i++)
        names[name_count++] = also[i];
    MU_ASSERT(name_count < MOST);
    names[name_count] = NULL;
    mu_status status = mu_conf_check_keys(map, names, where, err);
    for (size_t i = 0; i < row_count && !status; i++) {
        const mu_conf_node *node = mu_conf_get(map, rows[i].name);
        if (node)
            status = mu_option_read(&rows[i], node, where, config, err);
        else if (rows[i].fallback)
            status = read_scalar(&rows[i], rows[i].fallback, NULL, where, config, err);
        else
            status = mu_conf_error(err, MU_E_CONFIG, map, "%s: '%s' is missing (%s)", where, rows[i].name, rows[i].help);
    }
    return status;
}

/* ---- value to text ---- */

/* The shortest of the usual forms that reads back as the same number. */
static void format_real(double value, char *text, size_t capacity_bytes)
{
    if (isinf(value)) {
        snprintf(text, capacity_bytes, "%s", value > 0 ? "inf" : "-inf");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, capacity_bytes, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void mu_option_format(const mu_option *row, const void *config, char *text, size_t capacity_bytes)
{
    const void *member = (const char *)config + row->offset;
    switch (row->kind) {
    case MU_OPTION_BOOL: snprintf(text, capacity_bytes, "%s", *(const bool *)member ? "true" : "false"); return;
    case MU_OPTION_COUNT: snprintf(text, capacity_bytes, "%u", *(const uint32_t *)member); return;
    case MU_OPTION_SEED:
    case MU_OPTION_BYTES: snprintf(text, capacity_bytes, "%llu", (unsigned long long)*(const uint64_t *)member); return;
    case MU_OPTION_REAL: format_real(*(const double *)member, text, capacity_bytes); return;
    case MU_OPTION_CHOICE: snprintf(text, capacity_bytes, "%s", row->choices[*(const int *)member]); return;
    case MU_OPTION_TEXT: {
        const char *value = *(const char *const *)member;
        snprintf(text, capacity_bytes, "%s", value ? value : "");
        return;
    }
    case MU_OPTION_REALS: break;
    }
    const mu_reals *list = member;
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < list->count && used + 32 < capacity_bytes; i++) {
        char number[32];
        format_real(list->values[i], number, sizeof number);
        used += (size_t)snprintf(text + used, capacity_bytes - used, "%s%s", i ? ", " : "", number);
    }
}

mu_status mu_options_write(const mu_option *rows, size_t row_count, const void *config, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < row_count && !status; i++) {
        if (rows[i].kind == MU_OPTION_REALS) {
            const mu_reals *list = (const void *)((const char *)config + rows[i].offset);
            mu_conf_remove(map, rows[i].name);
            mu_conf_node *node = mu_conf_make_list(conf, map, rows[i].name);
            if (!node)
                status = mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
            for (uint32_t n = 0; n < list->count && !status; n++) {
                char number[32];
                format_real(list->values[n], number, sizeof number);
                status = mu_conf_append(conf, node, number, err);
            }
        } else if (rows[i].kind == MU_OPTION_TEXT) { /* of any length */
            const char *value = *(const char *const *)((const char *)config + rows[i].offset);
            status = mu_conf_put(conf, map, rows[i].name, value ? value : "", err);
        } else {
            char text[4096];
            mu_option_format(&rows[i], config, text, sizeof text);
            status = mu_conf_put(conf, map, rows[i].name, text, err);
        }
    }
    return status;
}

void mu_option_describe_range(const mu_option *row, char *text, size_t capacity_bytes)
{
    char low[32], high[32];
    format_real(row->min, low, sizeof low);
    format_real(row->max, high, sizeof high);
    switch (row->kind) {
    case MU_OPTION_BOOL: snprintf(text, capacity_bytes, "true or false"); return;
    case MU_OPTION_TEXT: snprintf(text, capacity_bytes, "text"); return;
    case MU_OPTION_SEED: snprintf(text, capacity_bytes, "a whole number below 2^64"); return;
    case MU_OPTION_CHOICE: {
        size_t used = (size_t)snprintf(text, capacity_bytes, "one of: ");
        for (size_t i = 0; row->choices[i] && used < capacity_bytes; i++)
            used += (size_t)snprintf(text + used, capacity_bytes - used, "%s%s", i ? ", " : "", row->choices[i]);
        return;
    }
    default: break;
    }
    bool open_above = isinf(row->max) || (row->kind == MU_OPTION_COUNT && row->max >= 4294967295.0) ||
                      (row->kind == MU_OPTION_BYTES && row->max >= 1e15);
    const char *kind = row->kind == MU_OPTION_COUNT ? "a whole number, " : row->kind == MU_OPTION_BYTES ? "a size, " : "";
    if (open_above)
        snprintf(text, capacity_bytes, "%sat least %s", kind, low);
    else
        snprintf(text, capacity_bytes, "%s%s to %s", kind, low, high);
}
