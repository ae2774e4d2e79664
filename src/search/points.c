/* Sorted and standardised points, and the Calinski-Harabasz score of their groups. */
#include "search/points.h"

#include <math.h>
#include <stdlib.h>

/* ---- sorting: by heap, since qsort cannot be told how many dimensions there are ---- */

static bool comes_before(mu_points points, uint32_t first, uint32_t a, uint32_t b)
{
    for (uint32_t d = first; d < points.dimensions; d++) {
        double x = points.values[(size_t)a * points.dimensions + d], y = points.values[(size_t)b * points.dimensions + d];
        if (x != y)
            return x < y;
    }
    return a < b;
}

static void sift_down(mu_points points, uint32_t first, uint32_t *heap, uint32_t count, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && comes_before(points, first, heap[child], heap[child + 1]))
            child++;
        if (!comes_before(points, first, heap[at], heap[child]))
            return;
        uint32_t kept = heap[at];
        heap[at] = heap[child];
        heap[child] = kept;
    }
}

void mu_points_sort(mu_points points, uint32_t first, uint32_t *numbers, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(points, first, numbers, count, i);
    for (uint32_t left = count; left-- > 1;) {
        uint32_t largest = numbers[0];
        numbers[0] = numbers[left];
        numbers[left] = largest;
        sift_down(points, first, numbers, left, 0);
    }
}

/* ---- standardising and scoring ---- */

double mu_points_squared_distance(const double *a, const double *b, uint32_t dimensions)
{
    double sum = 0.0;
    for (uint32_t d = 0; d < dimensions; d++)
        sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
}

void mu_points_standardise(mu_points points, double *out)
{
    for (uint32_t d = 0; d < points.dimensions; d++) {
        const double *first = points.values + d;
        double mean = 0.0, variance = 0.0;
        for (uint32_t i = 0; i < points.count; i++)
            mean += first[(size_t)i * points.dimensions];
        mean /= points.count;
        for (uint32_t i = 0; i < points.count; i++) {
            double off = first[(size_t)i * points.dimensions] - mean;
            variance += off * off;
        }
        double deviation = sqrt(variance / points.count);
        /* The mean of equal values may be off by a rounding: what is left of them then is no deviation. */
        bool constant = deviation <= 1e-14 * fabs(mean);
        for (uint32_t i = 0; i < points.count; i++)
            out[(size_t)i * points.dimensions + d] = constant ? 0.0 : (first[(size_t)i * points.dimensions] - mean) / deviation;
    }
}

static int32_t largest_label(const int32_t *labels, uint32_t count)
{
    int32_t largest = MU_NOISE;
    for (uint32_t i = 0; i < count; i++)
        largest = labels[i] > largest ? labels[i] : largest;
    return largest;
}

uint32_t mu_points_label_count(const int32_t *labels, uint32_t count)
{
    bool noise = false;
    for (uint32_t i = 0; i < count && !noise; i++)
        noise = labels[i] == MU_NOISE;
    return (uint32_t)(largest_label(labels, count) + 1) + noise;
}

mu_status mu_points_calinski_harabasz(mu_points points, const int32_t *labels, double *score, mu_error *err)
{
    uint32_t dimensions = points.dimensions, groups = mu_points_label_count(labels, points.count);
    MU_ASSERT(groups >= 2 && groups < points.count);
    uint32_t slots = (uint32_t)(largest_label(labels, points.count) + 2); /* noise has the first, empty where there is none */
    double *centres = calloc((size_t)(slots + 1) * dimensions, sizeof *centres), *mean = centres + (size_t)slots * dimensions;
    uint32_t *members = calloc(slots, sizeof *members);
    if (!centres || !members) {
        free(members);
        free(centres);
        return mu_error_set(err, MU_E_MEMORY, "no memory for the centres of %u groups", groups);
    }
    for (uint32_t i = 0; i < points.count; i++) {
        uint32_t slot = (uint32_t)(labels[i] + 1);
        members[slot]++;
        for (uint32_t d = 0; d < dimensions; d++) {
            centres[(size_t)slot * dimensions + d] += points.values[(size_t)i * dimensions + d];
            mean[d] += points.values[(size_t)i * dimensions + d];
        }
    }
    for (uint32_t d = 0; d < dimensions; d++)
        mean[d] /= points.count;
    double between = 0.0, within = 0.0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        double *centre = centres + (size_t)slot * dimensions;
        for (uint32_t d = 0; d < dimensions && members[slot]; d++)
            centre[d] /= members[slot];
        between += members[slot] * mu_points_squared_distance(centre, mean, dimensions);
    }
    for (uint32_t i = 0; i < points.count; i++)
        within += mu_points_squared_distance(points.values + (size_t)i * dimensions, centres + (size_t)(labels[i] + 1) * dimensions, dimensions);
    *score = within > 0.0 ? between * (points.count - groups) / (within * (groups - 1)) : 1.0;
    free(members);
    free(centres);
    return MU_OK;
}
