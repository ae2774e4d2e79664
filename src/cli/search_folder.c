/* Tables, summary and figure of a search. */
#include "cli/search_folder.h"

#include "base/file.h"
#include "method/distreal_table.h"
#include "report/figure.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

mu_status cli_search_write(const char *folder, const char *name, const void *bytes, size_t size_bytes, mu_error *err)
{
    char *path = mu_path_join(folder, name);
    mu_status status = path ? mu_file_write(path, bytes, size_bytes, err) : mu_error_set(err, MU_E_MEMORY, "no memory for the path of %s", name);
    free(path);
    return status;
}

static mu_status write_text(const char *folder, const char *name, mu_text *text, mu_error *err)
{
    mu_status status = text->failed ? mu_error_set(err, MU_E_MEMORY, "no memory for %s", name)
                                    : cli_search_write(folder, name, text->bytes, text->size_bytes, err);
    mu_text_release(text);
    return status;
}

/* ---- the table that devices carry ---- */

mu_status cli_search_write_table(const char *folder, const cli_search_results *results, mu_error *err)
{
    const cli_search_points *points = results->points;
    mu_distreal_table *table = malloc(sizeof *table);
    unsigned char *bytes = NULL;
    size_t size_bytes = 0;
    mu_status status = table ? mu_distreal_table_init(table, results->units, err) : mu_error_set(err, MU_E_MEMORY, "no memory for the table");
    for (uint32_t i = 0; i < points->found_count && !status; i++)
        status = mu_distreal_table_add(table, results->units, points->found[i].counts, points->found[i].gain, 1e6 * points->found[i].step_s, err);
    if (!status)
        status = mu_distreal_table_encode(table, results->units, &bytes, &size_bytes, err);
    if (!status)
        status = cli_search_write(folder, CLI_SEARCH_TABLE, bytes, size_bytes, err);
    free(bytes);
    free(table);
    return status;
}

/* ---- everything that is known of each point ---- */

static void put_row(mu_text *text, const cli_search_results *results, const char *kind, const cli_search_point *point)
{
    mu_text_put(text, kind);
    mu_text_put(text, ",");
    mu_text_whole(text, point->work.macs);
    const double numbers[] = { point->share, point->gain };
    for (size_t i = 0; i < MU_COUNT(numbers); i++) {
        mu_text_put(text, ",");
        mu_text_real(text, numbers[i], "");
    }
    mu_text_put(text, ",");
    mu_text_whole(text, point->tries);
    for (uint32_t i = 0; i < results->points->held_out; i++) {
        mu_text_put(text, ",");
        mu_text_real(text, point->held_out[i], "");
    }
    mu_text_put(text, ",");
    mu_text_real(text, point->step_s, "");
    for (uint32_t g = 0; g < results->points->groups; g++) {
        mu_text_put(text, ",");
        mu_text_real(text, 1 - (double)point->counts[g] / mu_units_group(results->units, g)->count, "");
    }
    mu_text_put(text, "\n");
}

mu_status cli_search_write_points(const char *folder, const cli_search_results *results, mu_error *err)
{
    mu_text text = { 0 };
    mu_text_put(&text, "kind,macs,share,gain,tries");
    for (uint32_t i = 0; i < results->points->held_out; i++)
        mu_text_format(&text, ",held_out_%u", i + 1);
    mu_text_put(&text, ",step_s");
    for (uint32_t g = 0; g < results->points->groups; g++) {
        mu_text_put(&text, ",");
        mu_text_csv(&text, mu_units_group(results->units, g)->name);
    }
    mu_text_put(&text, "\n");
    for (uint32_t i = 0; i < results->points->found_count; i++)
        put_row(&text, results, "found", &results->points->found[i]);
    for (uint32_t i = 0; i < results->points->uniform_count; i++)
        put_row(&text, results, "uniform", &results->points->uniform[i]);
    return write_text(folder, CLI_SEARCH_POINTS, &text, err);
}

/* ---- summary ---- */

static void put_figure(mu_text *text, const char *name, const cli_search_figure *figure, uint32_t count, const char *end)
{
    mu_text_format(text, "    \"%s\": {\"mean\": ", name);
    mu_text_real(text, figure->mean, "null");
    mu_text_put(text, ", \"sd\": ");
    mu_text_real(text, figure->sd, "null");
    mu_text_put(text, ", \"values\": [");
    for (uint32_t i = 0; i < count; i++) {
        mu_text_put(text, i ? ", " : "");
        mu_text_real(text, figure->values[i], "null");
    }
    mu_text_format(text, "]}%s\n", end);
}

static void put_verdict(mu_text *text, const cli_search_results *r)
{
    const struct {
        const char              *name;
        const cli_search_figure *found, *uniform, *more;
    } parts[] = { { "hypervolume", &r->verdict->covered_found, &r->verdict->covered_uniform, &r->verdict->covered_more },
                  { "gain_over_budgets", &r->verdict->gain_found, &r->verdict->gain_uniform, &r->verdict->gain_more } };
    for (size_t i = 0; i < MU_COUNT(parts); i++) {
        mu_text_format(text, "  \"%s\": {\n", parts[i].name);
        put_figure(text, "found", parts[i].found, r->points->held_out, ",");
        put_figure(text, "uniform", parts[i].uniform, r->points->held_out, ",");
        put_figure(text, "difference", parts[i].more, r->points->held_out, "");
        mu_text_put(text, "  },\n");
    }
}

mu_status cli_search_write_summary(const char *folder, const cli_search_results *r, mu_error *err)
{
    mu_text text = { 0 };
    mu_text_put(&text, "{\n  \"name\": ");
    mu_text_json(&text, r->name);
    mu_text_format(&text, ",\n  \"seed\": %llu,\n  \"population\": %u,\n  \"generations\": %u,\n  \"snapshots\": %u,\n  \"seeds\": %u,\n",
                   (unsigned long long)r->seed, r->population, r->generations, r->snapshots, r->repeats);
    mu_text_format(&text, "  \"steps\": %u,\n  \"training\": %u,\n  \"validation\": %u,\n  \"cost\": \"%s\",\n  \"gain\": \"%s\",\n", r->steps, r->training,
                   r->validation, r->cost, r->gain);
    mu_text_format(&text, "  \"rows\": %u,\n  \"uniform_vectors\": %u,\n  \"held_out_proxies\": %u,\n", r->points->found_count,
                   r->points->uniform_count, r->points->held_out);
    put_verdict(&text, r);
    const struct { const char *name; double value; } line[] = {
        { "base_s", r->line.base }, { "per_mac_s", r->line.per_mac }, { "per_byte_s", r->line.per_byte }, { "r_squared", r->r_squared } };
    mu_text_put(&text, "  \"step_time\": {");
    for (size_t i = 0; i < MU_COUNT(line); i++) {
        mu_text_format(&text, "%s\"%s\": ", i ? ", " : "", line[i].name);
        mu_text_real(&text, isnan(r->r_squared) ? (double)NAN : line[i].value, "null");
    }
    mu_text_put(&text, "}\n}\n");
    return write_text(folder, CLI_SEARCH_SUMMARY, &text, err);
}

/* ---- figure ---- */

static mu_status draw(const cli_search_results *r, double *x[2], double *y[2], mu_text *svg, mu_error *err)
{
    const cli_search_points *p = r->points;
    const struct { const cli_search_point *points; uint32_t count; const char *label; } of[2] = {
        { p->found, p->found_count, "found by the search" }, { p->uniform, p->uniform_count, "one rate for all groups" } };
    mu_curve curves[2];
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < of[k].count; i++) {
            double sum = 0;
            for (uint32_t h = 0; h < p->held_out; h++)
                sum += of[k].points[i].held_out[h];
            x[k][i] = 100 * of[k].points[i].share;
            y[k][i] = sum / p->held_out;
        }
        curves[k] = (mu_curve){ of[k].label, x[k], y[k], of[k].count };
    }
    char label[128];
    snprintf(label, sizeof label, "gain of %s in %u mini-batches", r->gain, r->steps);
    const mu_axes axes = { "What a training gains, by what it costs", "multiply-accumulates of a mini-batch, % of the whole network's", label };
    return mu_figure_curves(&axes, curves, 2, svg, err);
}

mu_status cli_search_write_figure(const char *folder, const cli_search_results *results, mu_error *err)
{
    const size_t most = results->points->found_count + results->points->uniform_count;
    double *numbers = calloc(4 * most, sizeof *numbers);
    mu_text svg = { 0 };
    if (!numbers)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the figure");
    mu_text_put(&svg, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    mu_status status = draw(results, (double *[]){ numbers, numbers + most }, (double *[]){ numbers + 2 * most, numbers + 3 * most }, &svg, err);
    free(numbers);
    if (!status)
        return write_text(folder, CLI_SEARCH_FIGURE, &svg, err);
    mu_text_release(&svg);
    return status;
}
