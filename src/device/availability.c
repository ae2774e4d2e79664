/* Presence: the kinds of it, and which row of a trace a device follows. */
#include "device/availability.h"

#include "base/conf_path.h"
#include "base/file.h"
#include "device/trace.h"
#include "muster/option.h"
#include "muster/random.h"

#include <stdlib.h>
#include <string.h>

enum { ASSIGN_ORDER, ASSIGN_RANDOM };
enum { ALIGN_START, ALIGN_CLOCK };
static const char *const assign_words[] = { "order", "random", NULL };
static const char *const align_words[] = { "start", "clock", NULL };

typedef struct config {
    const char *path;
    int         assign, align;
    double      begin_s;
} config;

static const mu_option rows[] = {
    { "trace", MU_OPTION_TEXT, offsetof(config, path), 0, 0, NULL, NULL, NULL, "CSV of when phones were there" },
    { "assign", MU_OPTION_CHOICE, offsetof(config, assign), 0, 0, "order", assign_words, NULL,
      "device i follows row i, or a row drawn at random; from the first again when there are more devices" },
    { "align", MU_OPTION_CHOICE, offsetof(config, align), 0, 0, "start", align_words, NULL,
      "all traces begin with the run, or at the time of day when they were recorded (the run begins at midnight)" },
    { "begin_s", MU_OPTION_REAL, offsetof(config, begin_s), 0, 1e9, "0", NULL, "s", "how far into the traces the run begins" },
};

struct mu_availability {
    config     config; /* path: absolute, our own */
    char      *path;
    mu_trace   trace;
    uint32_t  *order; /* of rows, when they are assigned at random; else NULL */
    mu_time_us begin;
};

const mu_option *mu_availability_options(size_t *count)
{
    *count = MU_COUNT(rows);
    return rows;
}

/* ---- making ---- */

static mu_status load_trace(mu_availability *a, const mu_conf_node *node, uint64_t seed, mu_error *err)
{
    mu_file file;
    mu_status status = mu_conf_path(node, &a->path, err);
    if (status || (status = mu_file_map(a->path, &file, err)))
        return status;
    a->config.path = a->path;
    status = mu_trace_parse(a->path, file.data, file.size_bytes, &a->trace, err);
    mu_file_unmap(&file);
    for (size_t i = 0; i < a->trace.row_count && !status && a->config.align == ALIGN_CLOCK; i++)
        if (a->trace.rows[i].count && a->trace.rows[i].begin < 0)
            status = mu_conf_error(err, MU_E_CONFIG, node,
                                   "fleet: availability: 'align: clock' needs trace_start_s, which row %zu of %s lacks", i + 1, a->path);
    if (status || a->config.assign == ASSIGN_ORDER)
        return status;
    a->order = malloc(a->trace.row_count * sizeof *a->order);
    if (!a->order)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the order of %zu traces", a->trace.row_count);
    for (size_t i = 0; i < a->trace.row_count; i++)
        a->order[i] = (uint32_t)i;
    mu_random random = mu_random_stream(seed, MU_RANDOM_AVAILABILITY, 0, 0);
    mu_random_shuffle(&random, a->order, a->trace.row_count);
    return MU_OK;
}

mu_status mu_availability_create(const mu_conf_node *node, uint64_t seed, mu_availability **out, mu_error *err)
{
    *out = NULL;
    if (!node || (mu_conf_text(node) && strcmp(mu_conf_text(node), "always") == 0))
        return MU_OK;
    if (mu_conf_kind_of(node) != MU_CONF_MAP)
        return mu_conf_error(err, MU_E_CONFIG, node, "fleet: 'availability' is either always or {trace: FILE, ...}");
    mu_availability *a = calloc(1, sizeof *a);
    if (!a)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the availability of devices");
    mu_status status = mu_options_read(rows, MU_COUNT(rows), node, NULL, "fleet: availability", &a->config, err);
    if (!status) {
        a->begin = mu_time_from_s(a->config.begin_s);
        status = load_trace(a, mu_conf_get(node, "trace"), seed, err);
    }
    if (status)
        mu_availability_destroy(a);
    else
        *out = a;
    return status;
}

void mu_availability_destroy(mu_availability *availability)
{
    if (!availability)
        return;
    mu_trace_release(&availability->trace);
    free(availability->order);
    free(availability->path);
    free(availability);
}

mu_status mu_availability_write(const mu_availability *availability, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    if (!availability)
        return mu_conf_put(conf, map, "availability", "always", err);
    mu_conf_remove(map, "availability");
    mu_conf_node *section = mu_conf_make_map(conf, map, "availability");
    if (!section)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
    return mu_options_write(rows, MU_COUNT(rows), &availability->config, conf, section, err);
}

/* ---- asking ---- */

static const mu_trace_row *row_of(const mu_availability *a, uint32_t place)
{
    size_t row = place % a->trace.row_count;
    return &a->trace.rows[a->order ? a->order[row] : row];
}

/* Where in the row's trace the run is at `at`. Only for rows with a length. */
static mu_time_us position(const mu_availability *a, const mu_trace_row *row, mu_time_us at)
{
    mu_time_us shift = a->begin % row->length;
    if (a->config.align == ALIGN_CLOCK)
        shift = (shift + row->length - row->begin % row->length) % row->length;
    return (at % row->length + shift) % row->length;
}

static mu_time_us later(mu_time_us at, mu_time_us by)
{
    mu_time_us sum;
    return by == MU_TIME_NEVER || __builtin_add_overflow(at, by, &sum) ? MU_TIME_NEVER : sum;
}

static mu_time_us on_for(const mu_availability *a, uint32_t place, mu_time_us at)
{
    MU_ASSERT(at >= 0);
    const mu_trace_row *row = row_of(a, place);
    return row->count ? mu_trace_on_for(&a->trace, row, position(a, row, at)) : 0;
}

bool mu_availability_is_on(const mu_availability *availability, uint32_t place, mu_time_us at)
{
    return !availability || on_for(availability, place, at) > 0;
}

mu_time_us mu_availability_goes_off(const mu_availability *availability, uint32_t place, mu_time_us at)
{
    if (!availability || at == MU_TIME_NEVER)
        return MU_TIME_NEVER;
    return later(at + 1, on_for(availability, place, at + 1));
}

mu_time_us mu_availability_comes_on(const mu_availability *availability, uint32_t place, mu_time_us at)
{
    if (!availability || at == MU_TIME_NEVER)
        return at;
    MU_ASSERT(at >= 0);
    const mu_trace_row *row = row_of(availability, place);
    return row->count ? later(at, mu_trace_off_for(&availability->trace, row, position(availability, row, at))) : MU_TIME_NEVER;
}
