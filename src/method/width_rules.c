#include "method/width_rules.h"

#include <math.h>
#include <string.h>

/* ---- how many ---- */

static uint32_t rounded(double exact, uint32_t all, mu_width_rounding rounding)
{
    double nearest = floor(exact + 0.5), count = nearest;
    if (fabs(exact - nearest) > 1e-9 * all && rounding != MU_WIDTH_NEAREST)
        count = rounding == MU_WIDTH_UP ? ceil(exact) : floor(exact);
    return count < 1 ? 1 : (uint32_t)count;
}

void mu_width_counts(const mu_units *units, double width, mu_width_rounding rounding, uint32_t *counts)
{
    MU_ASSERT(width > 0 && width <= 1);
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        uint32_t all = mu_units_group(units, g)->count;
        counts[g] = rounded(width * all, all, rounding);
    }
}

void mu_width_counts_of_rates(const mu_units *units, const double *rates, uint32_t *counts)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        uint32_t all = mu_units_group(units, g)->count;
        MU_ASSERT(rates[g] >= 0 && rates[g] < 1);
        counts[g] = rounded((1 - rates[g]) * all, all, MU_WIDTH_NEAREST);
    }
}

/* ---- which ---- */

void mu_width_ordered(const mu_units *units, const uint32_t *counts, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++)
        mu_units_keep_first(units, g, counts[g], kept);
}

void mu_width_prefix(const mu_units *units, double width, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++)
        mu_units_keep_first(units, g, mu_units_of_width(units, g, width), kept);
}

/* Knuth, The Art of Computer Programming, vol. 2, 3.4.2, algorithm S: a unit is taken with probability (still wanted) / (still to come). */
void mu_width_random(const mu_units *units, const uint32_t *counts, mu_random *random, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        uint32_t wanted = counts[g];
        MU_ASSERT(wanted >= 1 && wanted <= group->count);
        for (uint32_t u = 0; u < group->count; u++) {
            bool keep = wanted && mu_random_below(random, group->count - u) < wanted;
            kept[group->first + u] = keep;
            wanted -= keep;
        }
    }
}

void mu_width_rolling(const mu_units *units, const uint32_t *counts, uint32_t round, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        uint32_t start = round % group->count;
        MU_ASSERT(counts[g] >= 1 && counts[g] <= group->count);
        for (uint32_t u = 0; u < group->count; u++)
            kept[group->first + u] = (u + group->count - start) % group->count < counts[g];
    }
}

/* Whole numbers in the same order as the scores; 0 and -0 are equal. */
static uint64_t order_of(double score)
{
    uint64_t bits;
    score += 0.0;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}

/* The order of the count-th highest score, found bit by bit: the greatest number that at least `count` scores reach. */
static uint64_t bar_of(const double *scores, uint32_t all, uint32_t count)
{
    uint64_t bar = 0;
    for (uint64_t bit = 1ull << 63; bit; bit >>= 1) {
        uint32_t reach = 0;
        for (uint32_t u = 0; u < all; u++)
            reach += order_of(scores[u]) >= (bar | bit);
        if (reach >= count)
            bar |= bit;
    }
    return bar;
}

void mu_width_highest(const mu_units *units, const uint32_t *counts, const double *scores, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        const double *score = scores + group->first;
        MU_ASSERT(counts[g] >= 1 && counts[g] <= group->count);
        uint64_t bar = bar_of(score, group->count, counts[g]);
        uint32_t equal = counts[g]; /* how many that just reach the bar are kept */
        for (uint32_t u = 0; u < group->count; u++)
            equal -= order_of(score[u]) > bar;
        for (uint32_t u = 0; u < group->count; u++) {
            bool tie = order_of(score[u]) == bar && equal;
            kept[group->first + u] = order_of(score[u]) > bar || tie;
            equal -= tie;
        }
    }
}
