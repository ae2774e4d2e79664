#include "method/width_scores.h"

#include <math.h>

bool mu_scores_reward(const mu_units *units, const float *used, double loss_before, double loss, float *scores)
{
    if (!isfinite(loss_before) || loss_before <= 0 || !(loss < loss_before) || !isfinite(loss))
        return false;
    for (size_t u = 0; u < mu_units_count(units); u++)
        scores[u] += (float)(used[u] * ((loss_before - loss) / loss_before));
    return true;
}

/* A unit that is not drawn yet. */
#define NOT_DRAWN UINT32_MAX

/* The k-th of those not yet drawn. */
static uint32_t other(const uint32_t *order, uint32_t k)
{
    uint32_t u = 0;
    for (; order[u] != NOT_DRAWN || k; u++)
        k -= order[u] == NOT_DRAWN;
    return u;
}

/* One of those not yet drawn. */
static uint32_t draw(const float *scores, uint32_t all, uint32_t drawn, double base, mu_random *random, const uint32_t *order)
{
    double total = 0;
    for (uint32_t u = 0; u < all; u++)
        total += order[u] == NOT_DRAWN ? base + scores[u] : 0;
    if (!(total > 0))
        return other(order, mu_random_below(random, all - drawn));
    double mark = mu_random_unit(random) * total;
    uint32_t last = NOT_DRAWN; /* where the mark ends up when rounding carries it past the end */
    for (uint32_t u = 0; u < all; u++) {
        double weight = order[u] == NOT_DRAWN ? base + scores[u] : 0;
        if (mark < weight)
            return u;
        mark -= weight;
        last = weight > 0 ? u : last;
    }
    return last;
}

void mu_scores_order(const mu_units *units, const float *scores, double base, mu_random *random, uint32_t *order)
{
    MU_ASSERT(base >= 0);
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        uint32_t *places = order + group->first;
        for (uint32_t u = 0; u < group->count; u++)
            places[u] = NOT_DRAWN;
        for (uint32_t drawn = 0; drawn < group->count; drawn++)
            places[draw(scores + group->first, group->count, drawn, base, random, places)] = drawn;
    }
}

void mu_scores_keep(const mu_units *units, const uint32_t *counts, const uint32_t *order, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        MU_ASSERT(counts[g] >= 1 && counts[g] <= group->count);
        for (uint32_t u = group->first; u < group->first + group->count; u++)
            kept[u] = order[u] < counts[g];
    }
}
