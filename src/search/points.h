/* Points: to be put into groups, with a measure of how well it went, or the objectives of what a search has tried. All in double and in the
 * order of the points, so that the same points give the same groups and fronts on every machine. */
#ifndef MUSTER_SEARCH_POINTS_H
#define MUSTER_SEARCH_POINTS_H

#include "muster/status.h"

typedef struct mu_points {
    const double *values; /* [count][dimensions], finite */
    uint32_t      count, dimensions;
} mu_points;

/* A group's number for each point: from 0, or MU_NOISE where it belongs to none. */
#define MU_NOISE (-1)

/* Puts `count` numbers of points in the order of the dimension `first`; where that is equal, of the next one ..., in the end of their numbers. */
void mu_points_sort(mu_points points, uint32_t first, uint32_t *numbers, uint32_t count);

double mu_points_squared_distance(const double *a, const double *b, uint32_t dimensions);

/* Each dimension to mean 0 and (population) standard deviation 1; one that is the same for all points becomes 0. `out`
 * [count][dimensions], may be the points' own values. */
void mu_points_standardise(mu_points points, double *out);

/* How many different labels there are; noise counts as one. */
uint32_t mu_points_label_count(const int32_t *labels, uint32_t count);

/* Calinski and Harabasz 1974: (B / (k - 1)) / (W / (n - k)), B = sum over groups of n_g |m_g - m|^2, W = sum of the squared distances to the own
 * group's centre m_g. Larger is better; 1 where W is 0. Noise counts as one group. Needs 2 <= k <= n - 1 groups. */
mu_status mu_points_calinski_harabasz(mu_points points, const int32_t *labels, double *score, mu_error *err);

#endif
