/* Measured devices: CSV rows to speeds, and thirds of them to tiers. */
#include "device/measured.h"

#include "base/csv.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The tiers' names in the order of their speed. */
static const struct { const char *name, *tier, *help; } thirds[MU_MEASURED_TIERS] = {
    { "measured-low", "low", "the slowest third of the measured devices" },
    { "measured-mid", "mid", "the middle third of the measured devices" },
    { "measured-high", "high", "the fastest third of the measured devices" },
};

/* While reading, macs_per_s holds compute_ms, and NAN stands for an empty field. */
typedef struct reader {
    mu_csv       csv;
    mu_measured *out;
    size_t       capacity, column_count;
    size_t       compute_column, down_column, up_column; /* SIZE_MAX: not there */
    mu_error    *err;
} reader;

static mu_status read_positive(reader *r, size_t column, double scale, double *out)
{
    *out = NAN;
    if (column == SIZE_MAX || !*r->csv.fields[column].text)
        return MU_OK;
    mu_status status = mu_csv_real(&r->csv, column, out, r->err);
    if (!status && !(*out >= 1e-6 && *out <= 1e12))
        status = mu_csv_error(&r->csv, column, r->err, MU_E_RANGE,
                              "%g, expected a number from 1e-6 to 1e12, or nothing where it is unknown", *out);
    *out *= scale;
    return status;
}

static mu_status read_row(reader *r)
{
    if (r->csv.count != r->column_count)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_PARSE, "%zu fields, the header has %zu", r->csv.count, r->column_count);
    if (r->out->count == MU_LIMIT_DEVICES)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_LIMIT, "more than %u devices", MU_LIMIT_DEVICES);
    mu_measured_row row = { 0 };
    mu_status status = read_positive(r, r->compute_column, 1.0, &row.macs_per_s);
    if (!status)
        status = read_positive(r, r->down_column, 1000.0, &row.download_bit_per_s);
    if (!status)
        status = read_positive(r, r->up_column, 1000.0, &row.upload_bit_per_s);
    if (status)
        return status;
    if (r->out->count == r->capacity) {
        size_t capacity = 2 * r->capacity + 64;
        mu_measured_row *larger = realloc(r->out->rows, capacity * sizeof *larger);
        if (!larger)
            return mu_error_set(r->err, MU_E_MEMORY, "%s: no memory for %zu devices", r->csv.name, capacity);
        r->out->rows = larger;
        r->capacity = capacity;
    }
    r->out->rows[r->out->count++] = row;
    return MU_OK;
}

static mu_status read_all(reader *r)
{
    bool more;
    mu_status status = mu_csv_next(&r->csv, &more, r->err);
    if (status)
        return status;
    r->compute_column = mu_csv_find(&r->csv, "compute_ms");
    r->down_column = mu_csv_find(&r->csv, "down_kbps");
    r->up_column = mu_csv_find(&r->csv, "up_kbps");
    r->column_count = r->csv.count;
    if (r->compute_column == SIZE_MAX)
        return mu_csv_error(&r->csv, SIZE_MAX, r->err, MU_E_PARSE,
                            "measured devices begin with a header that has the column compute_ms, perhaps down_kbps and up_kbps");
    while (!(status = mu_csv_next(&r->csv, &more, r->err)) && more && !(status = read_row(r)))
        ;
    if (!status && r->out->count == 0)
        status = mu_error_set(r->err, MU_E_PARSE, "%s: no devices below the header", r->csv.name);
    return status;
}

/* ---- from rows to speeds, tiers and classes ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of the values that are numbers; they are sorted in place. `none` when there are none. */
static double median(double *values, size_t count, double none)
{
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            values[known++] = values[i];
    if (known == 0)
        return none;
    qsort(values, known, sizeof *values, by_value);
    return known % 2 ? values[known / 2] : 0.5 * (values[known / 2 - 1] + values[known / 2]);
}

typedef struct ranked {
    double speed;
    size_t row;
} ranked;

static int by_speed(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->speed != y->speed)
        return x->speed > y->speed ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

static void set_tiers(mu_measured *m, ranked *order)
{
    for (size_t i = 0; i < m->count; i++)
        order[i] = (ranked){ m->rows[i].macs_per_s, i };
    qsort(order, m->count, sizeof *order, by_speed);
    for (size_t rank = 0; rank < m->count; rank++)
        m->rows[order[rank].row].tier = (uint8_t)(rank * MU_MEASURED_TIERS / m->count);
}

/* One figure of the rows of a tier. */
static double tier_median(const mu_measured *m, size_t tier, size_t offset, double *values, double none)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->rows[i].tier == tier)
            values[count++] = *(const double *)(const void *)((const char *)&m->rows[i] + offset);
    return median(values, count, none);
}

static void set_classes(mu_measured *m, const mu_profile *like, double *values)
{
    for (size_t tier = 0; tier < MU_MEASURED_TIERS; tier++) {
        mu_profile *class = &m->classes[tier];
        *class = *like;
        class->name = thirds[tier].name;
        class->tier = thirds[tier].tier;
        class->help = thirds[tier].help;
        class->source = "compute and bandwidths from the fleet's CSV, the rest of the class it is like";
        double fp32 = like->macs_per_s[MU_PRECISION_FP32];
        double faster = tier_median(m, tier, offsetof(mu_measured_row, macs_per_s), values, fp32) / fp32;
        for (int precision = 0; precision < MU_PRECISION_COUNT; precision++)
            class->macs_per_s[precision] *= faster;
        class->download_bit_per_s =
            tier_median(m, tier, offsetof(mu_measured_row, download_bit_per_s), values, like->download_bit_per_s);
        class->upload_bit_per_s = tier_median(m, tier, offsetof(mu_measured_row, upload_bit_per_s), values, like->upload_bit_per_s);
    }
}

static mu_status set_speeds(mu_measured *m, const mu_profile *like, double reference_macs_per_s, double reference_ms, mu_error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        mu_measured_row *row = &m->rows[i];
        double compute_ms = row->macs_per_s;
        row->macs_per_s = isnan(compute_ms) ? reference_macs_per_s : reference_macs_per_s * reference_ms / compute_ms;
        if (!(row->macs_per_s >= 1.0 && row->macs_per_s <= 1e18))
            return mu_error_set(err, MU_E_RANGE,
                                "fleet: measured device %zu takes %g ms where reference_macs_per_s (%g) takes reference_ms (%g): "
                                "that is %g MAC/s, expected 1 to 1e18",
                                i, compute_ms, reference_macs_per_s, reference_ms, row->macs_per_s);
        if (isnan(row->download_bit_per_s))
            row->download_bit_per_s = like->download_bit_per_s;
        if (isnan(row->upload_bit_per_s))
            row->upload_bit_per_s = like->upload_bit_per_s;
    }
    return MU_OK;
}

static mu_status understand(mu_measured *m, const mu_profile *like, double reference_macs_per_s, double *reference_ms, mu_error *err)
{
    double *values = malloc(m->count * sizeof *values);
    ranked *order = malloc(m->count * sizeof *order);
    if (!values || !order) {
        free(values);
        free(order);
        return mu_error_set(err, MU_E_MEMORY, "no memory for %zu measured devices", m->count);
    }
    for (size_t i = 0; i < m->count; i++)
        values[i] = m->rows[i].macs_per_s;
    if (*reference_ms == 0.0)
        *reference_ms = median(values, m->count, 1.0);
    mu_status status = set_speeds(m, like, reference_macs_per_s, *reference_ms, err);
    if (!status) {
        set_tiers(m, order);
        set_classes(m, like, values);
    }
    free(values);
    free(order);
    return status;
}

mu_status mu_measured_parse(const char *name, const void *data, size_t size_bytes, const mu_profile *like, double reference_macs_per_s,
                            double *reference_ms, mu_measured *out, mu_error *err)
{
    *out = (mu_measured){ 0 };
    reader r = { .out = out, .err = err };
    mu_csv_init(&r.csv, name, data, size_bytes, ',');
    mu_status status = read_all(&r);
    mu_csv_release(&r.csv);
    if (!status)
        status = understand(out, like, reference_macs_per_s, reference_ms, err);
    if (status)
        mu_measured_release(out);
    return status;
}

void mu_measured_release(mu_measured *measured)
{
    free(measured->rows);
    measured->rows = NULL;
    measured->count = 0;
}
