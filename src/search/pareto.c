/* Domination, fronts, crowding and hypervolume. */
#include "search/pareto.h"

#include <math.h>
#include <stdlib.h>

static const double *objectives(mu_points points, uint32_t index)
{
    return points.values + (size_t)index * points.dimensions;
}

bool mu_pareto_dominates(const double *a, const double *b, uint32_t dimensions)
{
    bool better = false;
    for (uint32_t d = 0; d < dimensions; d++) {
        if (a[d] > b[d])
            return false;
        better |= a[d] < b[d];
    }
    return better;
}

/* Deb's sort keeps a list of whom each point dominates: n^2 numbers. We compare once more instead: a front is taken away by telling
 * everybody it dominates that they have one fewer above them. */
void mu_pareto_rank(mu_points points, uint32_t *ranks, uint32_t *scratch)
{
    uint32_t *above = scratch, *sorted = scratch + points.count; /* sorted: front after front */
    uint32_t begin = 0, end = 0;
    for (uint32_t i = 0; i < points.count; i++) {
        above[i] = 0;
        for (uint32_t j = 0; j < points.count; j++)
            above[i] += mu_pareto_dominates(objectives(points, j), objectives(points, i), points.dimensions);
        if (above[i] == 0)
            sorted[end++] = i;
    }
    for (uint32_t rank = 0; begin < end; rank++) {
        uint32_t front_end = end;
        for (; begin < front_end; begin++) {
            ranks[sorted[begin]] = rank;
            for (uint32_t j = 0; j < points.count; j++)
                if (mu_pareto_dominates(objectives(points, sorted[begin]), objectives(points, j), points.dimensions) && --above[j] == 0)
                    sorted[end++] = j;
        }
    }
}

void mu_pareto_crowding(mu_points points, uint32_t *members, uint32_t count, double *distances)
{
    for (uint32_t i = 0; i < count; i++)
        distances[members[i]] = 0.0;
    for (uint32_t d = 0; d < points.dimensions && count > 0; d++) {
        mu_points_sort(points, d, members, count);
        double range = objectives(points, members[count - 1])[d] - objectives(points, members[0])[d];
        if (range == 0.0)
            continue;
        for (uint32_t i = 1; i + 1 < count; i++)
            distances[members[i]] += (objectives(points, members[i + 1])[d] - objectives(points, members[i - 1])[d]) / range;
        distances[members[0]] = distances[members[count - 1]] = INFINITY;
    }
}

static bool is_beaten(mu_points points, uint32_t index)
{
    for (uint32_t j = 0; j < points.count; j++)
        if (mu_pareto_dominates(objectives(points, j), objectives(points, index), points.dimensions))
            return true;
    return false;
}

static bool are_equal(mu_points points, uint32_t a, uint32_t b)
{
    for (uint32_t d = 0; d < points.dimensions; d++)
        if (objectives(points, a)[d] != objectives(points, b)[d])
            return false;
    return true;
}

void mu_pareto_front(mu_points points, uint32_t *members, uint32_t *count)
{
    uint32_t found = 0, distinct = 0;
    for (uint32_t i = 0; i < points.count; i++)
        if (!is_beaten(points, i))
            members[found++] = i;
    mu_points_sort(points, 0, members, found);
    for (uint32_t i = 0; i < found; i++)
        if (distinct == 0 || !are_equal(points, members[distinct - 1], members[i]))
            members[distinct++] = members[i];
    *count = distinct;
}

/* ---- hypervolume ---- */

/* What the members dominate of the rectangle below the first two objectives of the reference. By rising first objective, each point that is
 * lower in the second than all before adds the strip between them. With three objectives only those that are at most `level` in the
 * third count. */
static double area(mu_points points, const uint32_t *by_first, uint32_t count, const double *reference, double level)
{
    double sum = 0.0, lowest = reference[1];
    for (uint32_t i = 0; i < count; i++) {
        const double *at = objectives(points, by_first[i]);
        if (at[1] >= lowest || (points.dimensions == 3 && at[2] > level))
            continue;
        sum += (reference[0] - at[0]) * (lowest - at[1]);
        lowest = at[1];
    }
    return sum;
}

/* Slices between one point's third objective and the next one's. */
static double volume_of_slices(mu_points points, const uint32_t *by_first, const uint32_t *by_third, uint32_t count, const double *reference)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        double low = objectives(points, by_third[i])[2];
        double high = i + 1 < count ? objectives(points, by_third[i + 1])[2] : reference[2];
        if (high > low)
            sum += area(points, by_first, count, reference, low) * (high - low);
    }
    return sum;
}

mu_status mu_pareto_hypervolume(mu_points points, const double *reference, double *volume, mu_error *err)
{
    if (points.dimensions != 2 && points.dimensions != 3)
        return mu_error_set(err, MU_E_UNSUPPORTED, "the hypervolume is computed for 2 and 3 objectives, not for %u", points.dimensions);
    uint32_t *by_first = malloc((2 * (size_t)points.count + 1) * sizeof *by_first);
    if (!by_first)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the hypervolume of %u points", points.count);
    uint32_t *by_third = by_first + points.count, count = 0;
    for (uint32_t i = 0; i < points.count; i++) {
        const double *at = objectives(points, i);
        bool below = true;
        for (uint32_t d = 0; d < points.dimensions; d++)
            below &= at[d] < reference[d];
        if (below)
            by_first[count++] = i;
    }
    for (uint32_t i = 0; i < count; i++)
        by_third[i] = by_first[i];
    mu_points_sort(points, 0, by_first, count);
    if (points.dimensions == 3) {
        mu_points_sort(points, 2, by_third, count);
        *volume = volume_of_slices(points, by_first, by_third, count, reference);
    } else {
        *volume = area(points, by_first, count, reference, 0.0);
    }
    free(by_first);
    return MU_OK;
}
