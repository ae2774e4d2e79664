/* Rows of fields to values, labels and ids. */
#include "data/csv_table.h"

#include "base/csv.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    mu_csv               csv;
    const mu_csv_config *config;
    size_t               label_column, id_column, column_count; /* SIZE_MAX: there is none */
    size_t               row_capacity;
    mu_intern           *labels, *ids;
    mu_csv_table        *out;
    mu_error            *err;
} reader;

/* The column that `text` means, by its number; SIZE_MAX when it is no number or not below the count. */
static size_t column_by_number(const char *text, size_t count)
{
    size_t length = strlen(text), sign = text[0] == '-';
    if (length == sign || length > 9 || strspn(text + sign, "0123456789") != length - sign)
        return SIZE_MAX;
    int64_t number = strtol(text, NULL, 10);
    if (number < 0)
        number += (int64_t)count;
    return number >= 0 && number < (int64_t)count ? (size_t)number : SIZE_MAX;
}

/* In the first row: by the name in the header, or by number. */
static mu_status find_column(reader *r, const char *what, const char *text, size_t *column)
{
    *column = r->config->header ? mu_csv_find(&r->csv, text) : SIZE_MAX;
    if (*column == SIZE_MAX)
        *column = column_by_number(text, r->csv.count);
    if (*column != SIZE_MAX)
        return MU_OK;
    return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_PARSE, "there is no column '%s' for '%s' among the %zu; give %sits number from 0 (-1 is the last)",
                        text, what, r->csv.count, r->config->header ? "a name of the header or " : "");
}

static mu_status settle_columns(reader *r)
{
    r->column_count = r->csv.count;
    r->id_column = SIZE_MAX;
    mu_status status = find_column(r, "label", r->config->label, &r->label_column);
    if (!status && r->config->id[0])
        status = find_column(r, "id", r->config->id, &r->id_column);
    if (status)
        return status;
    size_t taken = r->id_column == SIZE_MAX ? 1 : 2;
    if (r->label_column == r->id_column)
        return mu_csv_error(&r->csv, r->id_column, r->err, MU_E_CONFIG, "label and id are the same column");
    if (r->column_count == taken)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_PARSE, "no column is left for the values");
    r->out->columns = (uint32_t)(r->column_count - taken);
    return MU_OK;
}

static mu_status make_room(reader *r)
{
    mu_csv_table *t = r->out;
    if (t->rows < r->row_capacity)
        return MU_OK;
    if (t->rows >= MU_LIMIT_EXAMPLES)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_LIMIT, "more than %zu rows", MU_LIMIT_EXAMPLES);
    size_t capacity = r->row_capacity ? 2 * r->row_capacity : 16;
    bool with_ids = r->id_column != SIZE_MAX;
    float *values = realloc(t->values, capacity * t->columns * sizeof *values);
    if (values)
        t->values = values;
    uint32_t *labels = realloc(t->labels, capacity * sizeof *labels);
    if (labels)
        t->labels = labels;
    uint32_t *ids = with_ids ? realloc(t->ids, capacity * sizeof *ids) : NULL;
    if (ids)
        t->ids = ids;
    if (!values || !labels || (with_ids && !ids))
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_MEMORY, "no memory for %zu rows", capacity);
    r->row_capacity = capacity;
    return MU_OK;
}

static mu_status take_text(reader *r, size_t column, mu_intern *intern, uint32_t limit, const char *what, uint32_t *out)
{
    const mu_csv_field *field = &r->csv.fields[column];
    if (field->length == 0)
        return mu_csv_error(&r->csv, column, r->err, MU_E_PARSE, "the %s is empty", what);
    mu_error why;
    mu_status status = mu_intern_add(intern, field->text, field->length, limit, what, out, &why);
    return status ? mu_csv_error(&r->csv, column, r->err, status, "%s", why.message) : MU_OK;
}

static mu_status take_row(reader *r)
{
    mu_csv_table *t = r->out;
    if (r->csv.count != r->column_count)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_PARSE, "the row has %zu columns, expected %zu", r->csv.count, r->column_count);
    mu_status status = make_room(r);
    float *value = status ? NULL : t->values + (size_t)t->rows * t->columns;
    for (size_t column = 0; column < r->column_count && !status; column++) {
        double number;
        if (column == r->label_column) {
            status = take_text(r, column, r->labels, MU_LIMIT_CLASSES, "label", &t->labels[t->rows]);
        } else if (column == r->id_column) {
            status = take_text(r, column, r->ids, MU_LIMIT_DEVICES, "id", &t->ids[t->rows]);
        } else {
            status = mu_csv_real(&r->csv, column, &number, r->err);
            if (!status && !isfinite((float)number))
                status = mu_csv_error(&r->csv, column, r->err, MU_E_PARSE, "%g is more than a float can hold", number);
            if (!status)
                *value++ = (float)number;
        }
    }
    t->rows += !status;
    return status;
}

mu_status mu_csv_table_read(const char *name, const unsigned char *data, size_t size_bytes, const mu_csv_config *config, mu_intern *labels,
                            mu_intern *ids, mu_csv_table *out, mu_error *err)
{
    static const char delimiters[] = { ',', ';', '\t', ' ' };
    reader r = { .config = config, .labels = labels, .ids = ids, .out = out, .err = err };
    *out = (mu_csv_table){ 0 };
    mu_csv_init(&r.csv, name, data, size_bytes, delimiters[config->delimiter]);
    bool more = false;
    mu_status status = mu_csv_next(&r.csv, &more, err);
    if (!status && !more)
        status = mu_error_set(err, MU_E_PARSE, "%s: an empty file", name);
    if (!status)
        status = settle_columns(&r);
    if (!status && config->header)
        status = mu_csv_next(&r.csv, &more, err);
    while (!status && more) {
        status = take_row(&r);
        if (!status)
            status = mu_csv_next(&r.csv, &more, err);
    }
    if (!status && out->rows == 0)
        status = mu_error_set(err, MU_E_PARSE, "%s: no examples, only a header", name);
    mu_csv_release(&r.csv);
    return status;
}

void mu_csv_table_release(mu_csv_table *table)
{
    free(table->values);
    free(table->labels);
    free(table->ids);
    *table = (mu_csv_table){ 0 };
}
