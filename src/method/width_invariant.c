#include "method/width_invariant.h"

#include "method/width_elements.h"
#include "nn/units.h"

#include <math.h>

const mu_invariant_calibration mu_invariant_cifar = { .start = 1.5, .raise = 0.2, .raise_from = 11, .raise_every = 2 };
const mu_invariant_calibration mu_invariant_femnist = { .start = 0.1, .raise = 0.01, .raise_from = 126, .raise_every = 10, .shared = true };
const mu_invariant_calibration mu_invariant_shakespeare = { .start = 30, .raise = 1, .raise_from = 21, .raise_every = 3, .shared = true };

/* ---- which units hardly change ---- */

void mu_invariant_note(const mu_units *units, const float *sent, const float *change, const float *thresholds, uint16_t *restless,
                       float *unit_change)
{
    uint16_t *by_input = restless + MU_SIDE_INPUT * mu_model_param_count(units->model);
    uint16_t *by_output = restless + MU_SIDE_OUTPUT * mu_model_param_count(units->model);
    for (mu_unit_rows row = { .units = units }; mu_unit_rows_next(&row);)
        for (uint32_t i = 0; i < row.count; i++) {
            size_t e = row.first + i;
            double w = fabs((double)sent[e]), dw = fabs((double)change[e]);
            uint32_t output = mu_unit_rows_output(&row, i);
            if (w == 0)
                continue;
            if (row.input != MU_UNIT_NONE) {
                by_input[e] += dw > thresholds[row.input] * w;
                unit_change[row.input] = fmaxf(unit_change[row.input], (float)(dw / w));
            }
            if (output != MU_UNIT_NONE) {
                by_output[e] += dw > thresholds[output] * w;
                unit_change[output] = fmaxf(unit_change[output], (float)(dw / w));
            }
        }
}

void mu_invariant_units(const mu_units *units, const uint16_t *restless, uint32_t devices, double share, bool *invariant)
{
    const uint16_t *by_input = restless + MU_SIDE_INPUT * mu_model_param_count(units->model);
    const uint16_t *by_output = restless + MU_SIDE_OUTPUT * mu_model_param_count(units->model);
    double needed = share * devices;
    MU_ASSERT(devices <= UINT16_MAX);
    for (uint32_t u = 0; u < mu_units_count(units); u++)
        invariant[u] = devices > 0;
    for (mu_unit_rows row = { .units = units }; mu_unit_rows_next(&row);)
        for (uint32_t i = 0; i < row.count; i++) {
            size_t e = row.first + i;
            uint32_t output = mu_unit_rows_output(&row, i);
            if (row.input != MU_UNIT_NONE)
                invariant[row.input] &= devices - by_input[e] >= needed;
            if (output != MU_UNIT_NONE)
                invariant[output] &= devices - by_output[e] >= needed;
        }
}

/* ---- thresholds ---- */

double mu_invariant_threshold(const mu_invariant_calibration *calibration, uint32_t round, double threshold, double least, bool frozen)
{
    uint32_t next = round + 1;
    if (frozen)
        return threshold;
    if (round == 2)
        threshold = least;
    else if (round == 3)
        threshold = (threshold + least) / 2;
    bool raised = next >= calibration->raise_from && (next - calibration->raise_from + 1) % calibration->raise_every == 0;
    return raised ? threshold + calibration->raise : threshold;
}

static double least_change(const mu_unit_group *group, const float *unit_change)
{
    double least = INFINITY;
    for (uint32_t u = group->first; u < group->first + group->count; u++)
        least = unit_change[u] < least ? unit_change[u] : least; /* gcc 12 for aarch64 breaks off at fmin here */
    return least;
}

static bool has_enough(const mu_unit_group *group, uint32_t count, const bool *invariant)
{
    uint32_t found = 0;
    for (uint32_t u = group->first; u < group->first + group->count; u++)
        found += invariant[u];
    return found >= group->count - count;
}

void mu_invariant_calibrate(const mu_units *units, const mu_invariant_calibration *calibration, uint32_t round, const float *unit_change,
                            const bool *invariant, const uint32_t *counts, float *thresholds, bool *frozen)
{
    size_t groups = mu_units_group_count(units);
    double sum = 0;
    bool all_enough = counts;
    for (size_t g = 0; g < groups; g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        bool enough = counts && has_enough(group, counts[g], invariant);
        sum += least_change(group, unit_change);
        all_enough &= enough;
        frozen[g] |= enough && !calibration->shared;
    }
    for (size_t g = 0; g < groups; g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        frozen[g] |= all_enough && calibration->shared;
        double least = calibration->shared ? sum / (double)groups : least_change(group, unit_change);
        double threshold = mu_invariant_threshold(calibration, round, thresholds[group->first], least, frozen[g]);
        for (uint32_t u = group->first; u < group->first + group->count; u++)
            thresholds[u] = (float)threshold;
    }
}

/* ---- which units are left out ---- */

enum { AGAIN, INVARIANT, OTHER, KINDS }; /* in the order in which they are left out */

static uint32_t kind_of(uint32_t unit, const bool *invariant, const bool *kept_before)
{
    if (!invariant[unit])
        return OTHER;
    return kept_before && !kept_before[unit] ? AGAIN : INVARIANT;
}

void mu_invariant_keep(const mu_units *units, const uint32_t *counts, const bool *invariant, const bool *kept_before, mu_random *random,
                       bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        MU_ASSERT(counts[g] >= 1 && counts[g] <= group->count);
        uint32_t left[KINDS] = { 0 }, wanted[KINDS]; /* still to come, of those still to be left out */
        for (uint32_t u = group->first; u < group->first + group->count; u++)
            left[kind_of(u, invariant, kept_before)]++;
        uint32_t surplus = group->count - counts[g];
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            wanted[kind] = surplus < left[kind] ? surplus : left[kind];
            surplus -= wanted[kind];
        }
        for (uint32_t u = group->first; u < group->first + group->count; u++) {
            uint32_t kind = kind_of(u, invariant, kept_before);
            bool out = wanted[kind] && mu_random_below(random, left[kind]) < wanted[kind];
            left[kind]--;
            wanted[kind] -= out;
            kept[u] = !out;
        }
    }
}
