/* report.html. */
#include "report/run_page.h"

#include "base/file.h"
#include "report/fairness.h"
#include "report/figure.h"
#include "report/number.h"
#include "report/page.h"
#include "report/run_folder.h"
#include "report/run_reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */

static void row(mu_page *page, const char *name, const char *value)
{
    mu_page_table_row(page, (const char *const[]){ name, value }, 2, false);
}

static void row_whole(mu_page *page, const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    row(page, name, text);
}

static void row_fixed(mu_page *page, const char *name, double value, int digits)
{
    char text[MU_NUMBER_BYTES];
    mu_show_fixed(value, digits, text);
    row(page, name, text);
}

static void row_scaled(mu_page *page, const char *name, double value, const char *unit)
{
    char text[MU_NUMBER_BYTES];
    mu_show_scaled(value, unit, text);
    row(page, name, text);
}

static void row_duration(mu_page *page, const char *name, double seconds)
{
    char text[MU_NUMBER_BYTES];
    mu_show_span(seconds, text);
    row(page, name, text);
}

/* What everybody asks first. */
static void put_headline(mu_page *page, const mu_run_summary *s)
{
    char texts[6][MU_NUMBER_BYTES];
    mu_show_fixed(s->final_accuracy, 4, texts[0]);
    snprintf(texts[1], sizeof texts[1], "%llu", (unsigned long long)s->rounds);
    mu_show_span(s->virtual_time_s, texts[2]);
    mu_show_scaled((double)s->bytes_up + (double)s->bytes_down, "B", texts[3]);
    mu_show_scaled(s->energy_j, "J", texts[4]);
    mu_show_scaled((double)s->peak_memory_bytes, "B", texts[5]);
    const mu_page_fact facts[] = { { "final accuracy", texts[0] }, { "rounds", texts[1] },           { "virtual time", texts[2] },
                                   { "traffic", texts[3] },        { "energy on devices", texts[4] }, { "peak memory of a device", texts[5] } };
    mu_page_facts(page, facts, MU_COUNT(facts));
}

/* Over single devices, where any was looked at. */
static void put_fairness(mu_page *page, const mu_run_summary *s)
{
    if (!s->devices_evaluated)
        return;
    row_whole(page, "devices looked at", s->devices_evaluated);
    row_fixed(page, "their accuracy, mean", s->device_accuracy_mean, 4);
    row_fixed(page, "their accuracy, standard deviation", s->device_accuracy_sd, 4);
    row_fixed(page, "their accuracy, mean of the worst tenth", s->device_accuracy_worst_decile, 4);
}

static void put_summary(mu_page *page, const mu_run_summary *s)
{
    mu_page_heading(page, "Summary");
    mu_page_table_begin(page);
    row(page, "recipe", s->recipe);
    row(page, "model", s->model);
    row_whole(page, "parameters", s->parameters);
    row(page, "data set", s->dataset);
    row_whole(page, "devices", s->devices);
    if (s->cohort)
        row_whole(page, "devices a round", s->cohort);
    row_whole(page, "rounds", s->rounds);
    row_fixed(page, "final accuracy", s->final_accuracy, 4);
    row_fixed(page, "best accuracy", s->best_accuracy, 4);
    row_fixed(page, "final loss", s->final_loss, 4);
    put_fairness(page, s);
    row_duration(page, "virtual time", s->virtual_time_s);
    row_duration(page, "real time", s->wall_time_s);
    row_scaled(page, "sent by devices", (double)s->bytes_up, "B");
    row_scaled(page, "sent to devices", (double)s->bytes_down, "B");
    row_scaled(page, "sent between devices", (double)s->bytes_peer, "B");
    row_scaled(page, "energy on devices", s->energy_j, "J");
    row_scaled(page, "energy while idle", s->idle_energy_j, "J");
    row_scaled(page, "multiply-accumulates", (double)s->macs, "");
    if (isfinite(s->budget_used))
        row_fixed(page, "used of what devices could afford", s->budget_used, 3);
    row_duration(page, "time of all devices", s->device_time_s);
    row_duration(page, "of it wasted", s->wasted_time_s);
    row_scaled(page, "peak memory of a device", (double)s->peak_memory_bytes, "B");
    row_whole(page, "updates merged", s->updates_merged);
    row_whole(page, "updates lost", s->updates_lost);
    row_whole(page, "updates late", s->updates_late);
    row_whole(page, "updates refused", s->updates_refused);
    row_whole(page, "updates discarded", s->updates_discarded);
    row_fixed(page, "staleness of merged updates, mean", s->mean_staleness, 2);
    row_whole(page, "staleness of merged updates, most", s->max_staleness);
    row_whole(page, "workers", s->workers);
    row_scaled(page, "updates merged a real second", s->updates_per_s, "");
    row_scaled(page, "examples trained a real second", s->samples_per_s, "");
    row(page, "SHA-256 of the model", s->model_sha256);
    row(page, "Muster", s->muster_version);
    mu_page_table_end(page);
}

static void put_tiers(mu_page *page, const mu_run_summary *s)
{
    if (!s->tiers.count)
        return;
    mu_page_heading(page, "Devices by tier");
    mu_page_table_begin(page);
    const char *const heading[] = { "tier", "devices", "trained", "accuracy", "tasks sent", "done", "lost", "late", "computing", "radio",
                                    "wasted", "sent", "received", "energy" };
    mu_page_table_row(page, heading, MU_COUNT(heading), true);
    for (uint32_t i = 0; i < s->tiers.count; i++) {
        const mu_tier_summary *tier = &s->by_tier[i];
        char texts[MU_COUNT(heading)][MU_NUMBER_BYTES];
        const char *cells[MU_COUNT(heading)] = { s->tiers.names[i] };
        const uint64_t counts[] = { tier->devices, tier->devices_trained, 0, tier->tasks_sent, tier->tasks_done, tier->tasks_lost,
                                    tier->tasks_late };
        for (size_t c = 0; c < MU_COUNT(counts); c++)
            snprintf(texts[c + 1], sizeof texts[0], "%llu", (unsigned long long)counts[c]);
        mu_show_fixed(tier->accuracy, 4, texts[3]);
        mu_show_span(tier->compute_s, texts[8]);
        mu_show_span(tier->radio_s, texts[9]);
        mu_show_span(tier->wasted_s, texts[10]);
        mu_show_scaled((double)tier->bytes_up, "B", texts[11]);
        mu_show_scaled((double)tier->bytes_down, "B", texts[12]);
        mu_show_scaled(tier->energy_j, "J", texts[13]);
        for (size_t c = 1; c < MU_COUNT(heading); c++)
            cells[c] = texts[c];
        mu_page_table_row(page, cells, MU_COUNT(heading), false);
    }
    mu_page_table_end(page);
    mu_page_paragraph(page, "Times and energy are those of all devices of a tier together. Wasted: computing and radio of tasks whose update "
                            "was not merged, because the device went away, the round was over, or the update was not sound or came too late.");
}

/* The parts that are used by themselves. */
static void put_widths(mu_page *page, const mu_run_summary *s)
{
    if (!s->width_count)
        return;
    mu_page_heading(page, "Networks by width");
    mu_page_table_begin(page);
    const char *const heading[] = { "width", "parameters", "multiply-accumulates an example", "loss", "accuracy" };
    mu_page_table_row(page, heading, MU_COUNT(heading), true);
    for (uint32_t i = 0; i < s->width_count; i++) {
        const mu_width_report *part = &s->widths[i];
        char texts[MU_COUNT(heading)][MU_NUMBER_BYTES];
        const char *cells[MU_COUNT(heading)];
        mu_number_real(part->width, texts[0]);
        snprintf(texts[1], sizeof texts[1], "%llu", (unsigned long long)part->parameters);
        mu_show_scaled((double)part->macs, "", texts[2]);
        mu_show_fixed(part->loss, 4, texts[3]);
        mu_show_fixed(part->accuracy, 4, texts[4]);
        for (size_t c = 0; c < MU_COUNT(heading); c++)
            cells[c] = texts[c];
        mu_page_table_row(page, cells, MU_COUNT(heading), false);
    }
    mu_page_table_end(page);
    mu_page_paragraph(page, "Parts of the last version that can be used by themselves, on the test set: muster extract cuts them out. The first one is what "
                            "the run is judged by.");
}

/* ---- figures ---- */

/* Columns of rounds.csv as arrays, which is what curves are made of. */
typedef struct columns {
    double *round, *time_s, *accuracy, *train_accuracy, *loss, *train_loss, *bytes_up, *bytes_down, *bytes_peer, *mean_staleness, *max_staleness;
    double *tiers[MU_TIERS_MAX];
    double *all; /* the memory of all of them */
} columns;

static bool columns_init(columns *c, const mu_run *run)
{
    enum { FIXED = 11 };
    size_t n = run->round_count, stride = n ? n : 1;
    c->all = calloc((FIXED + MU_TIERS_MAX) * stride, sizeof(double));
    if (!c->all)
        return false;
    double **each[FIXED] = { &c->round, &c->time_s, &c->accuracy, &c->train_accuracy, &c->loss, &c->train_loss, &c->bytes_up, &c->bytes_down,
                               &c->bytes_peer, &c->mean_staleness, &c->max_staleness };
    for (size_t i = 0; i < FIXED; i++)
        *each[i] = c->all + i * stride;
    for (size_t t = 0; t < MU_TIERS_MAX; t++)
        c->tiers[t] = c->all + (FIXED + t) * stride;
    double up = 0, down = 0, peer = 0;
    for (size_t i = 0; i < n; i++) {
        const mu_round_report *r = &run->rounds[i];
        c->round[i] = r->round;
        c->time_s[i] = (double)r->time / 1e6;
        c->accuracy[i] = r->accuracy;
        c->train_accuracy[i] = r->train_accuracy;
        c->loss[i] = r->loss;
        c->train_loss[i] = r->train_loss;
        c->bytes_up[i] = up += (double)r->bytes_up;
        c->bytes_down[i] = down += (double)r->bytes_down;
        c->bytes_peer[i] = peer += (double)r->bytes_peer;
        c->mean_staleness[i] = r->merged ? r->mean_staleness : (double)NAN;
        c->max_staleness[i] = r->merged ? r->max_staleness : (double)NAN;
        for (uint32_t t = 0; t < run->tiers.count; t++)
            c->tiers[t][i] = r->tier_accuracy[t];
    }
    return true;
}

/* In place: the caller has no more use for the base unit. */
static void scale(double *values, size_t count, mu_unit unit)
{
    for (size_t i = 0; i < count; i++)
        values[i] /= unit.size;
}

static double last_of(const double *values, size_t count)
{
    return count ? values[count - 1] : 0;
}

static void draw_curves(mu_page *page, const mu_axes *axes, const mu_curve *curves, size_t count)
{
    mu_text svg = { 0 };
    mu_error err = { 0 };
    mu_status status = mu_figure_curves(axes, curves, count, &svg, &err);
    mu_page_figure(page, axes->title, status, &svg, &err);
}

static void draw_accuracy(mu_page *page, const columns *c, size_t n, const char *time_label)
{
    const mu_axes by_round = { "Accuracy over rounds", "round", "accuracy (fraction of examples)" };
    const mu_axes by_time = { "Accuracy over virtual time", time_label, "accuracy on the test set" };
    const mu_axes losses = { "Loss over rounds", "round", "loss (cross-entropy, nats)" };
    const mu_curve accuracy[] = { { "test set", c->round, c->accuracy, n }, { "training, on the devices", c->round, c->train_accuracy, n } };
    const mu_curve over_time = { "test set", c->time_s, c->accuracy, n };
    const mu_curve loss[] = { { "test set", c->round, c->loss, n }, { "training, on the devices", c->round, c->train_loss, n } };
    draw_curves(page, &by_round, accuracy, MU_COUNT(accuracy));
    draw_curves(page, &by_time, &over_time, 1);
    draw_curves(page, &losses, loss, MU_COUNT(loss));
}

static void draw_tiers(mu_page *page, const mu_run *run, const columns *c)
{
    const mu_axes axes = { "Accuracy by tier", "round", "accuracy on the devices' own data" };
    mu_curve curves[MU_TIERS_MAX];
    bool any = false;
    for (uint32_t t = 0; t < run->tiers.count; t++) {
        curves[t] = (mu_curve){ run->tiers.names[t], c->round, c->tiers[t], run->round_count };
        for (size_t i = 0; i < run->round_count; i++)
            any |= isfinite(c->tiers[t][i]) != 0;
    }
    if (any)
        draw_curves(page, &axes, curves, run->tiers.count);
}

/* A curve for each width, over the rounds that were evaluated. */
static mu_status draw_widths(mu_page *page, const mu_run *run, mu_error *err)
{
    static const mu_axes axes = { "Accuracy by width", "round", "accuracy on the test set" };
    const uint32_t width_count = run->summary.width_count;
    const size_t row_count = run->width_row_count, evaluated = row_count / width_count;
    char labels[MU_USABLE_MAX][MU_NUMBER_BYTES];
    mu_curve curves[MU_USABLE_MAX];
    if (evaluated * width_count != row_count)
        return mu_error_set(err, MU_E_PARSE, "%s/%s: has %zu rows, which is not so many for each of %u widths", run->path, MU_RUN_WIDTHS, row_count,
                            width_count);
    double *round = calloc(2 * row_count + 1, sizeof *round), *accuracy = round + row_count;
    if (!round)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for the figure of %zu rows", run->path, row_count);
    for (uint32_t w = 0; w < width_count; w++) {
        mu_number_real(run->summary.widths[w].width, labels[w]);
        curves[w] = (mu_curve){ labels[w], round + w * evaluated, accuracy + w * evaluated, evaluated };
        for (size_t i = 0; i < evaluated; i++) {
            const mu_width_row *row_of = &run->widths[i * width_count + w];
            round[w * evaluated + i] = row_of->round;
            accuracy[w * evaluated + i] = row_of->part.accuracy;
        }
    }
    draw_curves(page, &axes, curves, width_count);
    free(round);
    return MU_OK;
}

/* Where the time and the energy of all devices went. */
static void draw_costs(mu_page *page, const mu_run_summary *s)
{
    const char *names[MU_TIERS_MAX];
    double times[3][MU_TIERS_MAX], energies[2][MU_TIERS_MAX], most_s = 0, most_j = 0;
    for (uint32_t i = 0; i < s->tiers.count; i++) {
        const mu_tier_summary *tier = &s->by_tier[i];
        names[i] = s->tiers.names[i];
        times[0][i] = tier->compute_s;
        times[1][i] = tier->radio_s;
        times[2][i] = tier->wasted_s;
        energies[0][i] = tier->compute_energy_j;
        energies[1][i] = fmax(tier->energy_j - tier->compute_energy_j, 0);
        most_s = fmax(most_s, fmax(tier->compute_s, tier->radio_s));
        most_j = fmax(most_j, fmax(energies[0][i], energies[1][i]));
    }
    mu_unit time = mu_unit_of_time(most_s), energy = mu_unit_of_energy(most_j);
    for (int k = 0; k < 3; k++)
        scale(times[k], s->tiers.count, time);
    for (int k = 0; k < 2; k++)
        scale(energies[k], s->tiers.count, energy);
    char time_label[64], energy_label[64];
    snprintf(time_label, sizeof time_label, "time of all devices (%s)", time.name);
    snprintf(energy_label, sizeof energy_label, "energy of all devices (%s)", energy.name);
    const mu_axes time_axes = { "Where the time went", "tier", time_label }, energy_axes = { "Where the energy went", "tier", energy_label };
    const mu_bars time_bars[] = { { "computing", times[0] }, { "radio", times[1] }, { "of both wasted", times[2] } };
    const mu_bars energy_bars[] = { { "computing", energies[0] }, { "radio", energies[1] } };
    mu_text svg = { 0 };
    mu_error err = { 0 };
    mu_status status = mu_figure_bars(&time_axes, names, s->tiers.count, time_bars, MU_COUNT(time_bars), &svg, &err);
    mu_page_figure(page, time_axes.title, status, &svg, &err);
    status = mu_figure_bars(&energy_axes, names, s->tiers.count, energy_bars, MU_COUNT(energy_bars), &svg, &err);
    mu_page_figure(page, energy_axes.title, status, &svg, &err);
}

static void draw_bytes(mu_page *page, const columns *c, size_t n)
{
    bool between = last_of(c->bytes_peer, n) > 0;
    mu_unit unit = mu_unit_of_bytes(fmax(fmax(last_of(c->bytes_up, n), last_of(c->bytes_down, n)), last_of(c->bytes_peer, n)));
    scale(c->bytes_up, n, unit);
    scale(c->bytes_down, n, unit);
    scale(c->bytes_peer, n, unit);
    char label[64];
    snprintf(label, sizeof label, "sent so far (%s)", unit.name);
    const mu_axes axes = { "Traffic", "round", label };
    const mu_curve curves[] = { { "by the devices", c->round, c->bytes_up, n }, { "to the devices", c->round, c->bytes_down, n },
                                { "between devices", c->round, c->bytes_peer, n } };
    draw_curves(page, &axes, curves, MU_COUNT(curves) - !between);
}

static void draw_staleness(mu_page *page, const columns *c, size_t n)
{
    const mu_axes axes = { "Staleness of merged updates", "round", "versions" };
    const mu_curve curves[] = { { "mean", c->round, c->mean_staleness, n }, { "most", c->round, c->max_staleness, n } };
    draw_curves(page, &axes, curves, MU_COUNT(curves));
}

/* How many devices the model serves how well, from devices.csv. */
static mu_status draw_devices(mu_page *page, const mu_run *run, mu_error *err)
{
    static const char *const names[MU_FAIRNESS_STEPS] = { "0+", "0.1+", "0.2+", "0.3+", "0.4+", "0.5+", "0.6+", "0.7+", "0.8+", "0.9+" };
    static const mu_axes axes = { "Accuracy over the devices, at the end", "accuracy on the device's own data", "devices" };
    uint64_t devices[MU_FAIRNESS_STEPS];
    double values[MU_FAIRNESS_STEPS];
    mu_file file;
    char *path = mu_path_join(run->path, MU_RUN_DEVICES);
    mu_status status = path ? mu_file_map(path, &file, err) : mu_error_set(err, MU_E_MEMORY, "%s: no memory", run->path);
    if (!status) {
        status = mu_fairness_steps(path, file.data, file.size_bytes, devices, err);
        mu_file_unmap(&file);
    }
    free(path);
    if (status)
        return status;
    for (size_t i = 0; i < MU_FAIRNESS_STEPS; i++)
        values[i] = (double)devices[i];
    const mu_bars bars = { "devices", values };
    mu_text svg = { 0 };
    mu_error trouble = { 0 };
    mu_status drawn = mu_figure_bars(&axes, names, MU_FAIRNESS_STEPS, &bars, 1, &svg, &trouble);
    mu_page_figure(page, axes.title, drawn, &svg, &trouble);
    return MU_OK;
}

static mu_status put_figures(mu_page *page, const mu_run *run, mu_error *err)
{
    columns c = { 0 };
    if (!columns_init(&c, run))
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for the figures of %zu rounds", run->path, run->round_count);
    mu_unit time = mu_unit_of_time(last_of(c.time_s, run->round_count));
    scale(c.time_s, run->round_count, time);
    char time_label[64];
    snprintf(time_label, sizeof time_label, "virtual time (%s)", time.name);
    mu_page_figures_begin(page);
    draw_accuracy(page, &c, run->round_count, time_label);
    draw_tiers(page, run, &c);
    mu_status status = run->summary.width_count ? draw_widths(page, run, err) : MU_OK;
    if (run->summary.tiers.count)
        draw_costs(page, &run->summary);
    draw_bytes(page, &c, run->round_count);
    if (run->summary.max_staleness)
        draw_staleness(page, &c, run->round_count);
    if (!status && run->summary.devices_evaluated)
        status = draw_devices(page, run, err);
    mu_page_figures_end(page);
    free(c.all);
    return status;
}

/* ---- the page ---- */

mu_status mu_run_page_write(const char *path, mu_error *err)
{
    mu_run run;
    mu_status status = mu_run_read(path, &run, err);
    if (status)
        return status;
    const mu_run_summary *s = &run.summary;
    char *file = mu_path_join(path, MU_RUN_REPORT), lead[3 * MU_SUMMARY_TEXT_BYTES + 64];
    snprintf(lead, sizeof lead, "%s on %llu devices with %s, %s", s->recipe, (unsigned long long)s->devices, s->dataset, s->model);
    mu_page page;
    mu_page_begin(&page, s->name, lead);
    put_headline(&page, s);
    status = file ? put_figures(&page, &run, err) : mu_error_set(err, MU_E_MEMORY, "%s: no memory", path);
    if (!status) {
        put_tiers(&page, s);
        put_widths(&page, s);
        put_summary(&page, s);
        mu_page_heading(&page, "Configuration");
        mu_page_preformatted(&page, run.config);
        status = mu_page_end(&page, file, err);
    } else {
        mu_text_release(&page.text);
    }
    free(file);
    mu_run_release(&run);
    return status;
}
