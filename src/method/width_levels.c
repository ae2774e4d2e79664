#include "method/width_levels.h"

double mu_level_width(uint32_t level)
{
    MU_ASSERT(level < MU_WIDTH_LEVELS);
    return 1.0 / (1u << level);
}

uint32_t mu_level_within(const double *costs, uint32_t count, double budget)
{
    MU_ASSERT(count > 0);
    uint32_t level = 0;
    while (level + 1 < count && !(costs[level] <= budget))
        level++;
    return level;
}

uint32_t mu_level_draw(const double *shares, uint32_t count, mu_random *random)
{
    double total = 0;
    for (uint32_t l = 0; l < count; l++)
        total += shares[l];
    MU_ASSERT(total > 0);
    double mark = mu_random_unit(random) * total;
    uint32_t last = 0; /* where the mark ends up when rounding carries it past the end */
    for (uint32_t l = 0; l < count; l++) {
        if (mark < shares[l])
            return l;
        mark -= shares[l];
        last = shares[l] > 0 ? l : last;
    }
    return last;
}
