/* Rows of kept units: counted, put in order, read and written. */
#include "method/distreal_table.h"

#include "base/csv.h"
#include "method/width_rules.h"
#include "muster/option.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_MACS, COLUMN_GAIN, COLUMN_STEP, FIRST_GROUP };
static const char *const own_columns[] = { [COLUMN_MACS] = "macs", [COLUMN_GAIN] = "gain", [COLUMN_STEP] = "step_us" };
_Static_assert(MU_COUNT(own_columns) == FIRST_GROUP, "every column of the table's own has its name");

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for a table of DISTREAL's");
}

/* ---- rows ---- */

static mu_status count_macs(mu_submodel *part, bool *kept, const mu_units *units, const uint32_t *counts, uint64_t *macs, mu_error *err)
{
    mu_width_ordered(units, counts, kept);
    mu_status status = mu_submodel_form(part, kept, err);
    if (status)
        return status;
    mu_cost one = mu_model_cost(mu_submodel_model(part), 1);
    *macs = one.macs_forward + one.macs_backward;
    return MU_OK;
}

mu_status mu_distreal_macs(const mu_units *units, const uint32_t *counts, uint64_t *macs, mu_error *err)
{
    mu_submodel *part;
    mu_status status = mu_submodel_create(units, &part, err);
    bool *kept = malloc(mu_units_count(units) + 1);
    if (!status)
        status = kept ? count_macs(part, kept, units, counts, macs, err) : no_memory(err);
    free(kept);
    mu_submodel_destroy(part);
    return status;
}

uint32_t mu_distreal_table_choose(const mu_distreal_table *table, double afford_macs)
{
    uint32_t row = table->row_count - 1;
    while (row && !((double)table->macs[row] <= afford_macs))
        row--;
    return row;
}

static void fill_row(mu_distreal_table *table, uint32_t row, uint64_t macs, const uint32_t *counts, double gain, double step_us)
{
    table->macs[row] = macs;
    table->gain[row] = (float)gain;
    table->step_us[row] = (float)step_us;
    memcpy(table->kept + (size_t)row * table->group_count, counts, table->group_count * sizeof *counts);
}

/* All rows from there on move up by one. */
static void make_place(mu_distreal_table *table, uint32_t row)
{
    size_t above = table->row_count - row, groups = table->group_count;
    memmove(table->macs + row + 1, table->macs + row, above * sizeof *table->macs);
    memmove(table->gain + row + 1, table->gain + row, above * sizeof *table->gain);
    memmove(table->step_us + row + 1, table->step_us + row, above * sizeof *table->step_us);
    memmove(table->kept + (row + 1) * groups, table->kept + row * groups, above * groups * sizeof *table->kept);
    table->row_count++;
}

static mu_status check_room(const mu_distreal_table *table, mu_error *err)
{
    if (table->row_count == MU_LIMIT_DISTREAL_ROWS)
        return mu_error_set(err, MU_E_LIMIT, "the table has %u rows already, the most that it can have", MU_LIMIT_DISTREAL_ROWS);
    if ((size_t)(table->row_count + 1) * table->group_count > MU_LIMIT_DISTREAL_COUNTS)
        return mu_error_set(err, MU_E_LIMIT, "%u rows for a model with %u unit groups: the table has room for %u numbers", table->row_count + 1,
                            table->group_count, MU_LIMIT_DISTREAL_COUNTS);
    return MU_OK;
}

mu_status mu_distreal_table_add(mu_distreal_table *table, const mu_units *units, const uint32_t *counts, double gain, double step_us,
                                mu_error *err)
{
    uint64_t macs = 0;
    mu_status status = mu_distreal_macs(units, counts, &macs, err);
    if (status)
        return status;
    uint32_t row = 0;
    while (row < table->row_count && table->macs[row] < macs)
        row++;
    if (row < table->row_count && table->macs[row] == macs) {
        bool better = gain > (double)table->gain[row] || (isfinite(gain) && isnan(table->gain[row]));
        if (better)
            fill_row(table, row, macs, counts, gain, step_us);
        return MU_OK;
    }
    status = check_room(table, err);
    if (status)
        return status;
    make_place(table, row);
    fill_row(table, row, macs, counts, gain, step_us);
    return MU_OK;
}

static mu_status init_empty(mu_distreal_table *table, const mu_units *units, mu_error *err)
{
    size_t groups = mu_units_group_count(units);
    *table = (mu_distreal_table){ 0 };
    if (groups > MU_LIMIT_DISTREAL_COUNTS)
        return mu_error_set(err, MU_E_LIMIT, "the model has %zu unit groups, DISTREAL's table takes %u", groups, MU_LIMIT_DISTREAL_COUNTS);
    table->group_count = (uint32_t)groups;
    return MU_OK;
}

/* A row with one rate for all groups. */
static mu_status add_uniform(mu_distreal_table *table, const mu_units *units, double rate, mu_error *err)
{
    uint32_t *counts = calloc(table->group_count + 1, sizeof *counts);
    if (!counts)
        return no_memory(err);
    mu_width_counts(units, 1 - rate, MU_WIDTH_NEAREST, counts);
    mu_status status = mu_distreal_table_add(table, units, counts, (double)NAN, (double)NAN, err);
    free(counts);
    return status;
}

mu_status mu_distreal_table_init(mu_distreal_table *table, const mu_units *units, mu_error *err)
{
    mu_status status = init_empty(table, units, err);
    return status ? status : add_uniform(table, units, 0, err);
}

mu_status mu_distreal_table_uniform(mu_distreal_table *table, const mu_units *units, double most_rate, mu_error *err)
{
    MU_ASSERT(most_rate >= 0 && most_rate < 1);
    mu_status status = mu_distreal_table_init(table, units, err);
    for (int tenths = 1; tenths / 10.0 <= most_rate && !status; tenths++)
        status = add_uniform(table, units, tenths / 10.0, err);
    return status;
}

/* ---- from text ---- */

typedef struct reader {
    mu_csv             csv;
    const mu_units    *units;
    mu_distreal_table *table;
    uint32_t          *group_of; /* [columns] */
    double            *rates;    /* [groups] */
    uint32_t          *counts;   /* [groups] */
    mu_error          *err;
} reader;

static uint32_t group_named(const mu_units *units, const char *name)
{
    uint32_t group = 0, count = (uint32_t)mu_units_group_count(units);
    while (group < count && strcmp(mu_units_group(units, group)->name, name) != 0)
        group++;
    return group;
}

static mu_status unknown_group(const reader *r, size_t column)
{
    size_t count = mu_units_group_count(r->units);
    const char **names = calloc(count + 1, sizeof *names), *given = r->csv.fields[column].text;
    if (!names)
        return no_memory(r->err);
    for (size_t g = 0; g < count; g++)
        names[g] = mu_units_group(r->units, g)->name;
    const char *nearest = mu_nearest_name(given, names);
    mu_status status = mu_csv_error(&r->csv, column, r->err, MU_E_CONFIG, "the model has no unit group '%s'%s%s%s", given,
                                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return status;
}

/* The header: which column is of which group, and that every group has one. */
static mu_status take_header(reader *r)
{
    uint32_t groups = r->table->group_count;
    for (size_t column = 0; column < FIRST_GROUP; column++)
        if (column >= r->csv.count || strcmp(r->csv.fields[column].text, own_columns[column]) != 0)
            return mu_csv_error(&r->csv, column, r->err, MU_E_PARSE, "expected the column '%s': a table begins with macs,gain,step_us",
                                own_columns[column]);
    bool *seen = calloc(groups + 1, sizeof *seen);
    r->group_of = calloc(r->csv.count, sizeof *r->group_of);
    mu_status status = seen && r->group_of ? MU_OK : no_memory(r->err);
    for (size_t column = FIRST_GROUP; column < r->csv.count && !status; column++) {
        uint32_t group = group_named(r->units, r->csv.fields[column].text);
        if (group == groups)
            status = unknown_group(r, column);
        else if (seen[group])
            status = mu_csv_error(&r->csv, column, r->err, MU_E_PARSE, "the group '%s' has a column already", r->csv.fields[column].text);
        else
            seen[r->group_of[column] = group] = true;
    }
    for (uint32_t g = 0; g < groups && !status; g++)
        if (!seen[g])
            status = mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_CONFIG, "there is no column for the model's unit group '%s'",
                                  mu_units_group(r->units, g)->name);
    free(seen);
    return status;
}

/* NAN where nothing is said. */
static mu_status take_measured(const reader *r, size_t column, double *out)
{
    *out = (double)NAN;
    if (r->csv.fields[column].length == 0)
        return MU_OK;
    mu_status status = mu_csv_real(&r->csv, column, out, r->err);
    if (!status && !isfinite((float)*out))
        status = mu_csv_error(&r->csv, column, r->err, MU_E_PARSE, "%g is more than a float can hold", *out);
    return status;
}

static mu_status take_rates(reader *r)
{
    for (size_t column = FIRST_GROUP; column < r->csv.count; column++) {
        double rate = 0;
        mu_status status = mu_csv_real(&r->csv, column, &rate, r->err);
        if (!status && !(rate >= 0 && rate < 1))
            status = mu_csv_error(&r->csv, column, r->err, MU_E_PARSE, "expected the part of the group's units that is left out, from 0 to below 1, found %g",
                                  rate);
        if (status)
            return status;
        r->rates[r->group_of[column]] = rate;
    }
    mu_width_counts_of_rates(r->units, r->rates, r->counts);
    return MU_OK;
}

static mu_status take_row(reader *r)
{
    mu_distreal_table *table = r->table;
    size_t expected = (size_t)FIRST_GROUP + table->group_count;
    if (r->csv.count != expected)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_PARSE, "the row has %zu columns, expected %zu", r->csv.count, expected);
    mu_error why;
    mu_status status = check_room(table, &why);
    if (status)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, status, "%s", why.message);
    double said = 0, gain = 0, step_us = 0;
    uint64_t macs = 0;
    status = mu_csv_real(&r->csv, COLUMN_MACS, &said, r->err);
    if (!status)
        status = take_measured(r, COLUMN_GAIN, &gain);
    if (!status)
        status = take_measured(r, COLUMN_STEP, &step_us);
    if (!status)
        status = take_rates(r);
    if (!status)
        status = mu_distreal_macs(r->units, r->counts, &macs, r->err);
    if (status)
        return status;
    if (said != (double)macs)
        return mu_csv_error(&r->csv, COLUMN_MACS, r->err, MU_E_CONFIG,
                            "%.17g MACs, but with these rates this model has %" PRIu64 ": the table was made for another model or input", said, macs);
    if (table->row_count && macs <= table->macs[table->row_count - 1])
        return mu_csv_error(&r->csv, COLUMN_MACS, r->err, MU_E_PARSE, "expected more MACs than the %" PRIu64 " of the row before",
                            table->macs[table->row_count - 1]);
    fill_row(table, table->row_count++, macs, r->counts, gain, step_us);
    return MU_OK;
}

static mu_status check_last_row(const reader *r)
{
    const mu_distreal_table *table = r->table;
    if (table->row_count == 0)
        return mu_error_set(r->err, MU_E_PARSE, "%s: no rows, only a header", r->csv.name);
    for (uint32_t g = 0; g < table->group_count; g++)
        if (mu_distreal_table_row(table, table->row_count - 1)[g] != mu_units_group(r->units, g)->count)
            return mu_error_set(r->err, MU_E_PARSE, "%s: the last row leaves out units of '%s': there must be one that keeps everything (rates 0)",
                                r->csv.name, mu_units_group(r->units, g)->name);
    return MU_OK;
}

static mu_status read_rows(reader *r)
{
    bool more = false;
    mu_status status = mu_csv_next(&r->csv, &more, r->err);
    if (!status && !more)
        status = mu_error_set(r->err, MU_E_PARSE, "%s: an empty file; expected the header macs,gain,step_us and a column for each unit group", r->csv.name);
    if (!status)
        status = take_header(r);
    while (!status && !(status = mu_csv_next(&r->csv, &more, r->err)) && more)
        status = take_row(r);
    return status ? status : check_last_row(r);
}

mu_status mu_distreal_table_decode(mu_distreal_table *table, const mu_units *units, const char *name, const void *data, size_t size_bytes,
                                   mu_error *err)
{
    reader r = { .units = units, .table = table, .err = err };
    mu_status status = init_empty(table, units, err);
    if (status)
        return status;
    mu_csv_init(&r.csv, name, data, size_bytes, ',');
    r.rates = calloc(table->group_count + 1, sizeof *r.rates);
    r.counts = calloc(table->group_count + 1, sizeof *r.counts);
    status = r.rates && r.counts ? read_rows(&r) : no_memory(err);
    mu_csv_release(&r.csv);
    free(r.group_of);
    free(r.rates);
    free(r.counts);
    return status;
}

/* ---- to text ---- */

typedef struct writer {
    char  *text;
    size_t used, capacity_bytes;
} writer;

static void put(writer *w, const char *format, ...) MU_PRINTF(2, 3);
static void put(writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(w->text + w->used, w->capacity_bytes - w->used, format, arguments);
    va_end(arguments);
    MU_ASSERT(length >= 0 && (size_t)length < w->capacity_bytes - w->used);
    w->used += (size_t)length;
}

/* With as few digits as give the same float again; nothing for NAN. */
static void put_measured(writer *w, float value)
{
    char digits[32] = "";
    for (int precision = 1; !isnan(value) && precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value)
            break;
    }
    put(w, ",%s", digits);
}

static void put_table(writer *w, const mu_distreal_table *table, const mu_units *units)
{
    put(w, "%s,%s,%s", own_columns[COLUMN_MACS], own_columns[COLUMN_GAIN], own_columns[COLUMN_STEP]);
    for (uint32_t g = 0; g < table->group_count; g++)
        put(w, ",%s", mu_units_group(units, g)->name); /* letters, digits and _-.@ */
    for (uint32_t row = 0; row < table->row_count; row++) {
        const uint32_t *kept = mu_distreal_table_row(table, row);
        put(w, "\n%" PRIu64, table->macs[row]);
        put_measured(w, table->gain[row]);
        put_measured(w, table->step_us[row]);
        for (uint32_t g = 0; g < table->group_count; g++)
            put(w, ",%.9g", 1 - (double)kept[g] / mu_units_group(units, g)->count);
    }
    put(w, "\n");
}

mu_status mu_distreal_table_encode(const mu_distreal_table *table, const mu_units *units, unsigned char **out, size_t *size_bytes,
                                   mu_error *err)
{
    enum { NUMBER_BYTES = 32 }; /* more than any of them takes, with its comma */
    writer w = { .capacity_bytes = 64 + (size_t)table->row_count * (FIRST_GROUP + table->group_count) * NUMBER_BYTES };
    for (uint32_t g = 0; g < table->group_count; g++)
        w.capacity_bytes += 1 + strlen(mu_units_group(units, g)->name);
    w.text = malloc(w.capacity_bytes);
    if (!w.text)
        return no_memory(err);
    put_table(&w, table, units);
    *out = (unsigned char *)w.text;
    *size_bytes = w.used;
    return MU_OK;
}
