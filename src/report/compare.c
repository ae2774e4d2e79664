/* Several runs: read, and brought to a common target. compare_tables.c and compare_page.c show them. */
#include "report/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the runs are called ---- */

static const char *last_part(const char *path, size_t *length)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    *length = end - begin;
    return path + begin;
}

static bool is_unique(const mu_comparison *c, size_t i)
{
    for (size_t k = 0; k < c->count; k++)
        if (k != i && strcmp(c->labels[k], c->labels[i]) == 0)
            return false;
    return true;
}

static void name_runs(mu_comparison *c)
{
    bool unique = true;
    for (size_t i = 0; i < c->count; i++)
        mu_text_copy(c->labels[i], sizeof c->labels[i], c->runs[i].summary.name);
    for (size_t i = 0; i < c->count; i++)
        unique &= is_unique(c, i);
    if (unique)
        return;
    /* runs of one experiment have one name, but lie in folders of their own */
    for (size_t i = 0; i < c->count; i++) {
        size_t length;
        const char *part = last_part(c->runs[i].path, &length);
        char name[256];
        snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : (int)sizeof name - 1, part);
        mu_text_copy(c->labels[i], sizeof c->labels[i], name);
    }
    bool twice[MU_COMPARE_RUNS_MAX];
    for (size_t i = 0; i < c->count; i++)
        twice[i] = !is_unique(c, i);
    for (size_t i = 0; i < c->count; i++)
        if (twice[i]) {
            char name[48];
            mu_text_copy(name, sizeof name, c->labels[i]);
            snprintf(c->labels[i], sizeof c->labels[i], "%s #%u", name, (unsigned)(i + 1));
        }
}

/* ---- reaching the target ---- */

static double default_target(const mu_comparison *c)
{
    double lowest = NAN;
    for (size_t i = 0; i < c->count; i++)
        lowest = fmin(lowest, c->runs[i].summary.final_accuracy); /* a NAN is passed over */
    /* 0.29 * 100 is a little less than 29 */
    return floor(lowest * 100 + 1e-9) / 100;
}

static mu_reach reach_of(const mu_run *run, double target)
{
    mu_reach reach = { 0 };
    for (size_t i = 0; i < run->round_count; i++) {
        const mu_round_report *round = &run->rounds[i];
        reach.energy_j += round->energy_j;
        reach.bytes += round->bytes_up + round->bytes_down;
        if (round->accuracy >= target) {
            reach.reached = true;
            reach.round = round->round;
            reach.time_s = (double)round->time / 1e6;
            return reach;
        }
    }
    return (mu_reach){ 0 };
}

/* ---- reading ---- */

static mu_status gather_tiers(mu_comparison *c, mu_error *err)
{
    for (size_t i = 0; i < c->count; i++)
        for (uint32_t t = 0; t < c->runs[i].summary.tiers.count; t++)
            if (mu_tier_names_add(&c->tiers, c->runs[i].summary.tiers.names[t]) == MU_TIERS_MAX)
                return mu_error_set(err, MU_E_LIMIT, "the runs have more than %d different tiers together", MU_TIERS_MAX);
    return MU_OK;
}

mu_status mu_comparison_read(const char *const *paths, size_t count, double target, mu_comparison *out, mu_error *err)
{
    if (count == 0 || count > MU_COMPARE_RUNS_MAX)
        return mu_error_set(err, MU_E_LIMIT, "%zu runs cannot be compared, expected 1 to %d", count, MU_COMPARE_RUNS_MAX);
    mu_comparison c = { .runs = calloc(count, sizeof *c.runs), .labels = calloc(count, sizeof *c.labels),
                        .reach = calloc(count, sizeof *c.reach) };
    mu_status status = c.runs && c.labels && c.reach ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for %zu runs", count);
    while (!status && c.count < count) {
        status = mu_run_read(paths[c.count], &c.runs[c.count], err);
        c.count += !status;
    }
    if (!status)
        status = gather_tiers(&c, err);
    if (status) {
        mu_comparison_release(&c);
        return status;
    }
    name_runs(&c);
    c.target = isnan(target) ? default_target(&c) : target;
    for (size_t i = 0; i < count; i++)
        c.reach[i] = reach_of(&c.runs[i], c.target);
    *out = c;
    return MU_OK;
}

void mu_comparison_release(mu_comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++)
        mu_run_release(&comparison->runs[i]);
    free(comparison->runs);
    free(comparison->labels);
    free(comparison->reach);
    *comparison = (mu_comparison){ 0 };
}

double mu_comparison_tier_accuracy(const mu_comparison *comparison, size_t run, uint32_t tier)
{
    const mu_run_summary *summary = &comparison->runs[run].summary;
    for (uint32_t i = 0; i < summary->tiers.count; i++)
        if (strcmp(summary->tiers.names[i], comparison->tiers.names[tier]) == 0)
            return summary->by_tier[i].accuracy;
    return NAN;
}
