/* Several objectives at once, all to be minimised: who is better than whom, which fronts that makes, how crowded a place on a front is,
 * and how much a front covers. The values of a point are its objectives, each at most MU_OBJECTIVE_MAX in magnitude. */
#ifndef MUSTER_SEARCH_PARETO_H
#define MUSTER_SEARCH_PARETO_H

#include "search/points.h"

#define MU_OBJECTIVE_MAX 1e100 /* products of three differences are finite */

/* a is nowhere worse than b and somewhere better. */
bool mu_pareto_dominates(const double *a, const double *b, uint32_t dimensions);

/* Which front each point is in: front 0 is dominated by nobody, front 1 by nobody once front 0 is taken away, ... (Deb et al. 2002, section
 * III-A). `scratch` [2 * points.count]. Takes a time of n^2. */
void mu_pareto_rank(mu_points points, uint32_t *ranks, uint32_t *scratch);

/* How much room there is around each of `count` points of one front: for each objective the distance between the next lower and the next
 * higher of them as a share of the front's range, summed; INFINITY for the lowest and the highest (Deb et al. 2002, section III-B). An
 * objective that is the same for all adds nothing. Lower and higher are as mu_points_sort has them.
 *   members    [count], which points; put into another order
 *   distances  [points.count]: those of the members are written */
void mu_pareto_crowding(mu_points points, uint32_t *members, uint32_t count, double *distances);

/* The points that nobody dominates, in the order of their objectives (as mu_points_sort); of equal points the first one. So with two
 * objectives the first rises and the second falls strictly. `members` [points.count], *count of them are written. */
void mu_pareto_front(mu_points points, uint32_t *members, uint32_t *count);

/* How much of the space below `reference` [dimensions] the points dominate: exactly, for 2 and 3 objectives. A point that is not below it in
 * every objective adds nothing. Takes a time of n log n with 2 objectives, of n^2 with 3. MU_E_UNSUPPORTED for another number of them,
 * MU_E_MEMORY. */
mu_status mu_pareto_hypervolume(mu_points points, const double *reference, double *volume, mu_error *err);

#endif
