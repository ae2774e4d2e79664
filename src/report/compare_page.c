/* Runs side by side, drawn. */
#include "report/compare.h"

#include "report/figure.h"
#include "report/number.h"
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What accuracy is drawn over. */
typedef struct scale {
    const char *title, *label; /* the label without its unit */
    mu_unit (*unit)(double most);                 /* one without a name: a plain count */
    double (*step)(const mu_round_report *round); /* added up over rounds ... */
    bool    adds;                                 /* ... or taken as it is */
} scale;

static mu_unit unit_of_rounds(double most) { (void)most; return (mu_unit){ NULL, 1 }; }
static double step_round(const mu_round_report *round) { return round->round; }
static double step_time(const mu_round_report *round) { return (double)round->time / 1e6; }
static double step_bytes(const mu_round_report *round) { return (double)round->bytes_up + (double)round->bytes_down; }
static double step_energy(const mu_round_report *round) { return round->energy_j; }

static const scale scales[] = {
    { "Accuracy over rounds", "round", unit_of_rounds, step_round, false },
    { "Accuracy over virtual time", "virtual time", mu_unit_of_time, step_time, false },
    { "Accuracy over traffic", "sent by and to the devices", mu_unit_of_bytes, step_bytes, true },
    { "Accuracy over energy", "energy on devices", mu_unit_of_energy, step_energy, true },
};

static double most_of(const mu_comparison *c, const scale *over)
{
    double most = 0;
    for (size_t i = 0; i < c->count; i++) {
        double sum = 0;
        for (size_t r = 0; r < c->runs[i].round_count; r++)
            sum = (over->adds ? sum : 0) + over->step(&c->runs[i].rounds[r]);
        most = fmax(most, sum);
    }
    return most;
}

static mu_status draw_over(mu_page *page, const mu_comparison *c, const scale *over, mu_error *err)
{
    size_t points = 1;
    for (size_t i = 0; i < c->count; i++)
        points += c->runs[i].round_count;
    double *values = calloc(points, 2 * sizeof *values);
    if (!values)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the figures of %zu runs", c->count);
    double *x = values, *y = values + points;
    mu_unit unit = over->unit(most_of(c, over));
    mu_curve curves[MU_COMPARE_RUNS_MAX];
    for (size_t i = 0; i < c->count; i++) {
        const mu_run *run = &c->runs[i];
        double sum = 0;
        curves[i] = (mu_curve){ c->labels[i], x, y, run->round_count };
        for (size_t r = 0; r < run->round_count; r++) {
            sum = (over->adds ? sum : 0) + over->step(&run->rounds[r]);
            *x++ = sum / unit.size;
            *y++ = run->rounds[r].accuracy;
        }
    }
    char label[96];
    if (unit.name)
        snprintf(label, sizeof label, "%s (%s)", over->label, unit.name);
    else
        snprintf(label, sizeof label, "%s", over->label);
    const mu_axes axes = { over->title, label, "accuracy on the test set" };
    mu_text svg = { 0 };
    mu_error trouble = { 0 };
    mu_status status = mu_figure_curves(&axes, curves, c->count, &svg, &trouble);
    mu_page_figure(page, axes.title, status, &svg, &trouble);
    free(values);
    return MU_OK;
}

static void draw_bars(mu_page *page, const mu_comparison *c, const mu_axes *axes, const mu_bars *bars, size_t count)
{
    const char *names[MU_COMPARE_RUNS_MAX];
    for (size_t i = 0; i < c->count; i++)
        names[i] = c->labels[i];
    mu_text svg = { 0 };
    mu_error trouble = { 0 };
    mu_status status = mu_figure_bars(axes, names, c->count, bars, count, &svg, &trouble);
    mu_page_figure(page, axes->title, status, &svg, &trouble);
}

static void draw_tiers(mu_page *page, const mu_comparison *c)
{
    static const mu_axes axes = { "Accuracy by tier, at the end", "run", "accuracy on the devices' own data" };
    double values[MU_TIERS_MAX][MU_COMPARE_RUNS_MAX];
    mu_bars bars[MU_TIERS_MAX];
    for (uint32_t t = 0; t < c->tiers.count; t++) {
        bars[t] = (mu_bars){ c->tiers.names[t], values[t] };
        for (size_t i = 0; i < c->count; i++)
            values[t][i] = mu_comparison_tier_accuracy(c, i, t);
    }
    if (c->tiers.count)
        draw_bars(page, c, &axes, bars, c->tiers.count);
}

static void draw_device_time(mu_page *page, const mu_comparison *c)
{
    double used[MU_COMPARE_RUNS_MAX], wasted[MU_COMPARE_RUNS_MAX], most_s = 0;
    for (size_t i = 0; i < c->count; i++)
        most_s = fmax(most_s, c->runs[i].summary.device_time_s);
    mu_unit unit = mu_unit_of_time(most_s);
    for (size_t i = 0; i < c->count; i++) {
        used[i] = c->runs[i].summary.device_time_s / unit.size;
        wasted[i] = c->runs[i].summary.wasted_time_s / unit.size;
    }
    char label[64];
    snprintf(label, sizeof label, "time of all devices (%s)", unit.name);
    const mu_axes axes = { "Device time", "run", label };
    const mu_bars bars[] = { { "used", used }, { "of it wasted", wasted } };
    draw_bars(page, c, &axes, bars, MU_COUNT(bars));
}

static void visit_row(void *self, const char *const *cells, size_t count, bool heading)
{
    mu_page_table_row(self, cells, count, heading);
}

mu_status mu_comparison_page(const mu_comparison *c, const char *path, mu_error *err)
{
    mu_page page;
    char lead[128], target[MU_NUMBER_BYTES];
    mu_show_fixed(c->target, 4, target);
    snprintf(lead, sizeof lead, "%zu run%s side by side; the target is an accuracy of %s", c->count, c->count == 1 ? "" : "s", target);
    mu_page_begin(&page, "Runs compared", lead);
    mu_page_figures_begin(&page);
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNT(scales) && !status; i++)
        status = draw_over(&page, c, &scales[i], err);
    draw_tiers(&page, c);
    draw_device_time(&page, c);
    mu_page_figures_end(&page);
    mu_page_heading(&page, "Figures");
    mu_page_table_begin(&page);
    mu_comparison_each_row(c, visit_row, &page);
    mu_page_table_end(&page);
    if (!status)
        return mu_page_end(&page, path, err);
    mu_text_release(&page.text);
    return status;
}
