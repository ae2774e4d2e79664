/* Figures of runs, and their means. */
#include "report/outcome.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- reaching the target ---- */

double mu_target_from_best(double best)
{
    /* 0.29 * 100 is a little less than 29 */
    return floor(0.9 * best * 100 + 1e-9) / 100;
}

mu_reach mu_reach_of(const mu_run *run, double target)
{
    mu_reach reach = { 0 };
    for (size_t i = 0; i < run->round_count; i++) {
        const mu_round_report *round = &run->rounds[i];
        reach.evaluated |= isfinite(round->accuracy) != 0;
        reach.energy_j += round->energy_j;
        reach.device_time_s += round->device_time_s;
        reach.bytes += round->bytes_up + round->bytes_down + round->bytes_peer;
        if (round->accuracy >= target) {
            reach.reached = true;
            reach.round = round->round;
            reach.time_s = mu_time_to_s(round->time);
            return reach;
        }
    }
    return (mu_reach){ .evaluated = reach.evaluated };
}

/* ---- the list ---- */

#define OF_SUMMARY(member, from)                                                          \
    static double of_##member(const mu_run_summary *summary, const mu_reach *reach)       \
    {                                                                                     \
        (void)reach;                                                                      \
        return (double)summary->from;                                                     \
    }
OF_SUMMARY(rounds, rounds)
OF_SUMMARY(devices, devices)
OF_SUMMARY(final_accuracy, final_accuracy)
OF_SUMMARY(best_accuracy, best_accuracy)
OF_SUMMARY(final_loss, final_loss)
OF_SUMMARY(device_accuracy_mean, device_accuracy_mean)
OF_SUMMARY(device_accuracy_sd, device_accuracy_sd)
OF_SUMMARY(device_accuracy_worst_decile, device_accuracy_worst_decile)
OF_SUMMARY(virtual_time, virtual_time_s)
OF_SUMMARY(wall_time, wall_time_s)
OF_SUMMARY(device_hours, device_time_s / 3600)
OF_SUMMARY(wasted_hours, wasted_time_s / 3600)
OF_SUMMARY(bytes_up, bytes_up)
OF_SUMMARY(bytes_down, bytes_down)
OF_SUMMARY(bytes_peer, bytes_peer)
OF_SUMMARY(macs, macs)
OF_SUMMARY(budget_used, budget_used)
OF_SUMMARY(energy, energy_j)
OF_SUMMARY(idle_energy, idle_energy_j)
OF_SUMMARY(peak_memory, peak_memory_bytes)
OF_SUMMARY(mean_staleness, mean_staleness)
OF_SUMMARY(max_staleness, max_staleness)
OF_SUMMARY(updates_merged, updates_merged)
OF_SUMMARY(updates_lost, updates_lost)
OF_SUMMARY(updates_late, updates_late)
OF_SUMMARY(updates_refused, updates_refused)
OF_SUMMARY(updates_discarded, updates_discarded)

/* Of the smallest network that comes out. */
static double of_narrowest_accuracy(const mu_run_summary *summary, const mu_reach *reach)
{
    (void)reach;
    return summary->width_count ? summary->widths[summary->width_count - 1].accuracy : (double)NAN;
}

#define OF_REACH(member, from)                                                            \
    static double reach_##member(const mu_run_summary *summary, const mu_reach *reach)    \
    {                                                                                     \
        (void)summary;                                                                    \
        return reach->reached ? (double)reach->from : (double)NAN;                        \
    }
OF_REACH(round, round)
OF_REACH(time, time_s)
OF_REACH(device_hours, device_time_s / 3600)
OF_REACH(energy, energy_j)
OF_REACH(bytes, bytes)

static const mu_outcome outcomes[] = {
    { "devices", "devices", MU_OUTCOME_WHOLE, false, of_devices },
    { "rounds", "rounds", MU_OUTCOME_WHOLE, false, of_rounds },
    { "final_accuracy", "final accuracy", MU_OUTCOME_FRACTION, false, of_final_accuracy },
    { "best_accuracy", "best accuracy", MU_OUTCOME_FRACTION, false, of_best_accuracy },
    { "final_loss", "final loss", MU_OUTCOME_FRACTION, false, of_final_loss },
    { "narrowest_accuracy", "accuracy, narrowest", MU_OUTCOME_FRACTION, false, of_narrowest_accuracy },
    { "device_accuracy_mean", "accuracy over devices", MU_OUTCOME_FRACTION, false, of_device_accuracy_mean },
    { "device_accuracy_sd", "  its spread", MU_OUTCOME_FRACTION, false, of_device_accuracy_sd },
    { "device_accuracy_worst_decile", "  its worst decile", MU_OUTCOME_FRACTION, false, of_device_accuracy_worst_decile },
    /* accuracy by tier and the target go here */
    { "rounds_to_target", "rounds to target", MU_OUTCOME_WHOLE, true, reach_round },
    { "time_to_target_s", "virtual time to target", MU_OUTCOME_SECONDS, true, reach_time },
    { "device_hours_to_target", "device hours to target", MU_OUTCOME_HOURS, true, reach_device_hours },
    { "energy_to_target_j", "energy to target", MU_OUTCOME_JOULES, true, reach_energy },
    { "bytes_to_target", "traffic to target", MU_OUTCOME_BYTES, true, reach_bytes },
    { "virtual_time_s", "virtual time", MU_OUTCOME_SECONDS, false, of_virtual_time },
    { "device_hours", "device hours", MU_OUTCOME_HOURS, false, of_device_hours },
    { "wasted_device_hours", "device hours wasted", MU_OUTCOME_HOURS, false, of_wasted_hours },
    { "bytes_up", "sent by devices", MU_OUTCOME_BYTES, false, of_bytes_up },
    { "bytes_down", "sent to devices", MU_OUTCOME_BYTES, false, of_bytes_down },
    { "bytes_peer", "sent between devices", MU_OUTCOME_BYTES, false, of_bytes_peer },
    { "energy_j", "energy on devices", MU_OUTCOME_JOULES, false, of_energy },
    { "idle_energy_j", "energy while idle", MU_OUTCOME_JOULES, false, of_idle_energy },
    { "macs", "multiply-accumulates", MU_OUTCOME_PLAIN, false, of_macs },
    { "budget_used", "used of the budget", MU_OUTCOME_FRACTION, false, of_budget_used },
    { "peak_memory_bytes", "peak memory of a device", MU_OUTCOME_BYTES, false, of_peak_memory },
    { "mean_staleness", "staleness, mean", MU_OUTCOME_FRACTION, false, of_mean_staleness },
    { "max_staleness", "staleness, most", MU_OUTCOME_WHOLE, false, of_max_staleness },
    { "updates_merged", "updates merged", MU_OUTCOME_WHOLE, false, of_updates_merged },
    { "updates_lost", "updates lost", MU_OUTCOME_WHOLE, false, of_updates_lost },
    { "updates_late", "updates late", MU_OUTCOME_WHOLE, false, of_updates_late },
    { "updates_refused", "updates refused", MU_OUTCOME_WHOLE, false, of_updates_refused },
    { "updates_discarded", "updates discarded", MU_OUTCOME_WHOLE, false, of_updates_discarded },
    { "wall_time_s", "real time", MU_OUTCOME_SECONDS, false, of_wall_time },
};
_Static_assert(MU_COUNT(outcomes) <= MU_OUTCOMES_MAX, "there is room for all of them");
enum { BEFORE_TIERS = 9 };

const mu_outcome *mu_outcomes(size_t *count, size_t *before_tiers)
{
    *count = MU_COUNT(outcomes);
    *before_tiers = BEFORE_TIERS;
    return outcomes;
}

/* ---- over several runs ---- */

mu_spread mu_spread_of(const double *values, size_t count)
{
    mu_spread spread = { .mean = NAN, .sd = NAN };
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            spread.count++;
        }
    if (!spread.count)
        return spread;
    spread.mean = sum / (double)spread.count;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            squares += (values[i] - spread.mean) * (values[i] - spread.mean);
    if (spread.count > 1)
        spread.sd = sqrt(squares / (double)(spread.count - 1));
    return spread;
}

static void show(mu_outcome_kind kind, double value, char text[MU_NUMBER_BYTES])
{
    switch (kind) {
    case MU_OUTCOME_WHOLE: mu_show_fixed(value, value == floor(value) ? 0 : 1, text); return;
    case MU_OUTCOME_FRACTION: mu_show_fixed(value, 4, text); return;
    case MU_OUTCOME_SECONDS: mu_show_span(value, text); return;
    case MU_OUTCOME_BYTES: mu_show_scaled(value, "B", text); return;
    case MU_OUTCOME_JOULES: mu_show_scaled(value, "J", text); return;
    case MU_OUTCOME_HOURS: mu_show_fixed(value, value < 10 ? 4 : 2, text); return;
    case MU_OUTCOME_PLAIN: mu_show_scaled(value, "", text); return;
    }
}

void mu_outcome_show(const mu_outcome *outcome, const mu_spread *spread, size_t runs, bool evaluated, char text[MU_SPREAD_BYTES])
{
    char mean[MU_NUMBER_BYTES], sd[MU_NUMBER_BYTES];
    if (!spread->count) {
        snprintf(text, MU_SPREAD_BYTES, "%s", outcome->to_target && evaluated ? "never" : "-");
        return;
    }
    show(outcome->kind, spread->mean, mean);
    show(outcome->kind, spread->sd, sd);
    /* that there were always 50 rounds needs no " ± 0" */
    bool varies = spread->count > 1 && !(outcome->kind == MU_OUTCOME_WHOLE && spread->sd <= 0);
    size_t used = (size_t)snprintf(text, MU_SPREAD_BYTES, "%s%s%s", mean, varies ? " ± " : "", varies ? sd : "");
    if (spread->count < runs)
        snprintf(text + used, MU_SPREAD_BYTES - used, " (%zu of %zu)", spread->count, runs);
}

void mu_outcome_put(mu_text *out, const mu_outcome *outcome, double value, const char *otherwise)
{
    bool counts = outcome->kind == MU_OUTCOME_WHOLE || outcome->kind == MU_OUTCOME_BYTES || outcome->kind == MU_OUTCOME_PLAIN;
    if (counts && isfinite(value) && value == floor(value))
        mu_text_format(out, "%.0f", value);
    else
        mu_text_real(out, value, otherwise);
}
