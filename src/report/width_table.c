/* widths.csv, written and read. */
#include "report/width_table.h"

#include "base/csv.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND, WIDTH, PARAMETERS, MACS, LOSS, ACCURACY, COLUMN_COUNT };
static const char *const columns[] = {
    [ROUND] = "round", [WIDTH] = "width", [PARAMETERS] = "parameters", [MACS] = "macs_per_example", [LOSS] = "loss", [ACCURACY] = "accuracy",
};
_Static_assert(MU_COUNT(columns) == COLUMN_COUNT, "every column has its name");

/* ---- writing ---- */

void mu_width_table_header(mu_text *text)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        mu_text_format(text, "%s%s", i ? "," : "", columns[i]);
    mu_text_put(text, "\n");
}

static void put_row(mu_text *text, uint32_t round, const mu_width_report *part)
{
    mu_text_whole(text, round);
    mu_text_put(text, ",");
    mu_text_real(text, part->width, "");
    mu_text_put(text, ",");
    mu_text_whole(text, part->parameters);
    mu_text_put(text, ",");
    mu_text_whole(text, part->macs);
    mu_text_put(text, ",");
    mu_text_real(text, part->loss, "");
    mu_text_put(text, ",");
    mu_text_real(text, part->accuracy, "");
    mu_text_put(text, "\n");
}

void mu_width_table_rows(mu_text *text, const mu_round_report *report)
{
    for (uint32_t i = 0; i < report->width_count; i++)
        put_row(text, report->round, &report->widths[i]);
}

/* ---- reading ---- */

static mu_status parse_header(const mu_csv *csv, mu_error *err)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (i >= csv->count || strcmp(csv->fields[i].text, columns[i]) != 0)
            return mu_csv_error(csv, i, err, MU_E_PARSE, "expected the column '%s'", columns[i]);
    return csv->count == COLUMN_COUNT ? MU_OK : mu_csv_error(csv, COLUMN_COUNT, err, MU_E_PARSE, "column '%.80s' is not known here",
                                                             csv->fields[COLUMN_COUNT].text);
}

/* An empty one is NAN. */
static mu_status parse_measured(const mu_csv *csv, size_t index, double *out, mu_error *err)
{
    *out = NAN;
    return csv->fields[index].length ? mu_csv_real(csv, index, out, err) : MU_OK;
}

static mu_status parse_row(const mu_csv *csv, mu_width_row *row, mu_error *err)
{
    if (csv->count != COLUMN_COUNT)
        return mu_csv_error(csv, csv->count, err, MU_E_PARSE, "the row has %zu fields, the header %d", csv->count, COLUMN_COUNT);
    uint64_t round = 0;
    mu_status status = mu_csv_whole(csv, ROUND, MU_LIMIT_ROUNDS, &round, err);
    row->round = (uint32_t)round;
    if (!status)
        status = mu_csv_real(csv, WIDTH, &row->part.width, err);
    if (!status && !(row->part.width > 0 && row->part.width <= 1))
        status = mu_csv_error(csv, WIDTH, err, MU_E_RANGE, "width is %g, expected more than 0 and at most 1", row->part.width);
    if (!status)
        status = mu_csv_whole(csv, PARAMETERS, UINT64_MAX, &row->part.parameters, err);
    if (!status)
        status = mu_csv_whole(csv, MACS, UINT64_MAX, &row->part.macs, err);
    if (!status)
        status = parse_measured(csv, LOSS, &row->part.loss, err);
    return status ? status : parse_measured(csv, ACCURACY, &row->part.accuracy, err);
}

static mu_status append(mu_width_row **rows, size_t *count, size_t *capacity, const mu_csv *csv, const mu_width_row *row, mu_error *err)
{
    const mu_width_row *before = *count ? &(*rows)[*count - 1] : NULL;
    if (before && (row->round < before->round || (row->round == before->round && row->part.width >= before->part.width)))
        return mu_csv_error(csv, 0, err, MU_E_PARSE, "round %u at width %g stands behind round %u at width %g", row->round, row->part.width,
                            before->round, before->part.width);
    if (*count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 64;
        mu_width_row *grown = realloc(*rows, more * sizeof *grown);
        if (!grown)
            return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %zu rows", csv->name, more);
        *rows = grown;
        *capacity = more;
    }
    (*rows)[(*count)++] = *row;
    return MU_OK;
}

mu_status mu_width_table_parse(const char *name, const void *data, size_t size_bytes, mu_width_row **rows, size_t *count, mu_error *err)
{
    *rows = NULL;
    *count = 0;
    size_t capacity = 0;
    bool more = false;
    mu_csv csv;
    mu_csv_init(&csv, name, data, size_bytes, ',');
    mu_status status = mu_csv_next(&csv, &more, err);
    if (!status && !more)
        status = mu_error_set(err, MU_E_PARSE, "%s: is empty, expected a header", name);
    if (!status)
        status = parse_header(&csv, err);
    while (!status && !(status = mu_csv_next(&csv, &more, err)) && more) {
        mu_width_row row = { 0 };
        status = parse_row(&csv, &row, err);
        if (!status)
            status = append(rows, count, &capacity, &csv, &row, err);
    }
    mu_csv_release(&csv);
    if (status) {
        free(*rows);
        *rows = NULL;
        *count = 0;
    }
    return status;
}
