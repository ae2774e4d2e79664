#include "method/width_scores.h"

#include <math.h>

bool mu_scores_reward(const mu_units *units, const bool *kept, double loss_before, double loss, double *scores)
{
    if (!isfinite(loss_before) || loss_before <= 0 || !(loss < loss_before) || !isfinite(loss))
        return false;
    for (size_t u = 0; u < mu_units_count(units); u++)
        scores[u] += kept[u] ? (loss_before - loss) / loss_before : 0;
    return true;
}

/* The k-th of those not yet drawn. */
static uint32_t other(const bool *kept, uint32_t k)
{
    uint32_t u = 0;
    for (; kept[u] || k; u++)
        k -= !kept[u];
    return u;
}

/* One of those not yet drawn. */
static uint32_t draw(const double *scores, uint32_t all, uint32_t drawn, double base, mu_random *random, const bool *kept)
{
    double total = 0;
    for (uint32_t u = 0; u < all; u++)
        total += kept[u] ? 0 : base + scores[u];
    if (!(total > 0))
        return other(kept, mu_random_below(random, all - drawn));
    double mark = mu_random_unit(random) * total;
    uint32_t last = 0; /* where the mark ends up when rounding carries it past the end */
    for (uint32_t u = 0; u < all; u++) {
        double weight = kept[u] ? 0 : base + scores[u];
        if (mark < weight)
            return u;
        mark -= weight;
        last = weight > 0 ? u : last;
    }
    return last;
}

void mu_scores_draw(const mu_units *units, const uint32_t *counts, const double *scores, double base, mu_random *random, bool *kept)
{
    MU_ASSERT(base >= 0);
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        MU_ASSERT(counts[g] >= 1 && counts[g] <= group->count);
        bool *flags = kept + group->first;
        for (uint32_t u = 0; u < group->count; u++)
            flags[u] = false;
        for (uint32_t drawn = 0; drawn < counts[g]; drawn++)
            flags[draw(scores + group->first, group->count, drawn, base, random, flags)] = true;
    }
}
