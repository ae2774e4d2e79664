/* Lloyd's algorithm from centres at even quantiles. */
#include "search/kmeans.h"

#include <stdlib.h>
#include <string.h>

/* Each pass lowers the sum of squared distances, so there is an end; rounding could make two assignments take turns. */
enum { PASSES_MAX = 1000 };

static bool assign(mu_points points, uint32_t groups, const double *centres, int32_t *labels)
{
    bool changed = false;
    for (uint32_t i = 0; i < points.count; i++) {
        const double *point = points.values + (size_t)i * points.dimensions;
        uint32_t nearest = 0;
        double least = mu_points_squared_distance(point, centres, points.dimensions);
        for (uint32_t g = 1; g < groups; g++) {
            double distance = mu_points_squared_distance(point, centres + (size_t)g * points.dimensions, points.dimensions);
            if (distance < least) {
                least = distance;
                nearest = g;
            }
        }
        changed |= labels[i] != (int32_t)nearest;
        labels[i] = (int32_t)nearest;
    }
    return changed;
}

/* A centre that nobody is near stays where it is. */
static void move_centres(mu_points points, uint32_t groups, const int32_t *labels, double *centres, double *sums, uint32_t *members)
{
    memset(sums, 0, (size_t)groups * points.dimensions * sizeof *sums);
    memset(members, 0, groups * sizeof *members);
    for (uint32_t i = 0; i < points.count; i++) {
        members[labels[i]]++;
        for (uint32_t d = 0; d < points.dimensions; d++)
            sums[(size_t)labels[i] * points.dimensions + d] += points.values[(size_t)i * points.dimensions + d];
    }
    for (uint32_t g = 0; g < groups; g++)
        for (uint32_t d = 0; d < points.dimensions && members[g]; d++)
            centres[(size_t)g * points.dimensions + d] = sums[(size_t)g * points.dimensions + d] / members[g];
}

/* Numbers without gaps, in the same order. `numbers` [groups] is for scratch. */
static uint32_t close_gaps(uint32_t count, uint32_t groups, const uint32_t *members, uint32_t *numbers, int32_t *labels)
{
    uint32_t used = 0;
    for (uint32_t g = 0; g < groups; g++)
        numbers[g] = members[g] ? used++ : 0;
    for (uint32_t i = 0; i < count; i++)
        labels[i] = (int32_t)numbers[labels[i]];
    return used;
}

static uint32_t group(mu_points points, uint32_t groups, const uint32_t *order, double *centres, uint32_t *members, int32_t *labels)
{
    double *sums = centres + (size_t)groups * points.dimensions;
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t seed = order[(2 * (uint64_t)g + 1) * points.count / (2 * (uint64_t)groups)];
        memcpy(centres + (size_t)g * points.dimensions, points.values + (size_t)seed * points.dimensions,
               points.dimensions * sizeof *centres);
    }
    for (uint32_t i = 0; i < points.count; i++)
        labels[i] = MU_NOISE;
    for (int pass = 0; pass < PASSES_MAX && assign(points, groups, centres, labels); pass++)
        move_centres(points, groups, labels, centres, sums, members);
    return close_gaps(points.count, groups, members, members + groups, labels);
}

mu_status mu_kmeans(mu_points points, uint32_t groups, int32_t *labels, uint32_t *group_count, mu_error *err)
{
    MU_ASSERT(groups > 0 && points.count > 0 && points.dimensions > 0);
    if (groups > points.count)
        groups = points.count;
    uint32_t *order = malloc(points.count * sizeof *order), *members = malloc(2 * (size_t)groups * sizeof *members);
    double *centres = malloc(2 * (size_t)groups * points.dimensions * sizeof *centres);
    mu_status status = MU_OK;
    if (!order || !members || !centres) {
        status = mu_error_set(err, MU_E_MEMORY, "no memory to put %u points into %u groups", points.count, groups);
    } else {
        for (uint32_t i = 0; i < points.count; i++)
            order[i] = i;
        mu_points_sort(points, 0, order, points.count);
        if (groups == points.count) {
            for (uint32_t i = 0; i < points.count; i++)
                labels[order[i]] = (int32_t)i;
            *group_count = groups;
        } else {
            *group_count = group(points, groups, order, centres, members, labels);
        }
    }
    free(centres);
    free(members);
    free(order);
    return status;
}
