/* Which units a device trains: rules that turn a number of units for each group into a choice (muster/submodel.h). None of them has a
 * state: what changes from round to round, or from device to device, is an argument.
 *
 *     uint32_t counts[mu_units_group_count(units)];
 *     bool     kept[mu_units_count(units)];
 *     mu_width_counts(units, 0.5, MU_WIDTH_UP, counts);           how many: at least one of each group
 *     mu_width_rolling(units, counts, round, kept);               which: exactly so many
 *
 * A group that a method leaves alone (an embedding in FjORD) has counts[g] = all of its units. Groups are dealt with in their order, and
 * take their random numbers in it.
 *
 *     who                                                       how many                which
 *     Federated Dropout, Caldas et al. 2018, arXiv:1812.07210   floor(r N)              mu_width_random
 *     HeteroFL, Diao et al. 2021, arXiv:2010.01264              ceil(r N)               mu_width_ordered (widths: width_levels.h)
 *     FjORD, Horvath et al. 2021, arXiv:2102.13451              ceil(p N)               mu_width_ordered
 *     FedRolex, Alam et al. 2022, arXiv:2212.01548              floor(r N)              mu_width_rolling
 *     DISTREAL, Rapp et al. 2022, arXiv:2112.08761              round((1 - d_g) N)      mu_width_random
 *     FLuID, Wang et al. 2023, arXiv:2307.02623                 floor(p N)              mu_invariant_keep (width_invariant.h)
 *     AFD, Bouacida et al. 2020, arXiv:2011.04050               floor(r N)              mu_scores_keep (width_scores.h)
 *     by magnitude                                              any                     mu_width_highest of mu_unit_norms (width_elements.h)
 *
 * HeteroFL's and FjORD's ceilings are in the authors' code and in the paper; the floors of Federated Dropout, FedRolex and FLuID are those
 * of code: k1l1/SLT for the first two, the authors' own for FLuID. DISTREAL's rounding is recalled, not read again. */
#ifndef MUSTER_METHOD_WIDTH_RULES_H
#define MUSTER_METHOD_WIDTH_RULES_H

#include "muster/submodel.h"

/* ---- how many ---- */

/* What becomes of width * N that is no whole number. What misses a whole number by a rounding error only is that number: 0.6 of 5 are
 * 3 and 0.29 of 100 are 29, whichever way. Never 0. */
typedef enum mu_width_rounding { MU_WIDTH_UP, MU_WIDTH_DOWN, MU_WIDTH_NEAREST } mu_width_rounding;

/* One width in (0, 1] for all groups. */
void mu_width_counts(const mu_units *units, double width, mu_width_rounding rounding, uint32_t *counts);

/* DISTREAL's dropout vector: rates[g] in [0, 1) is the part of group g that is left out; counts[g] = max(1, round((1 - rates[g]) N)), and a
 * half is rounded up. */
void mu_width_counts_of_rates(const mu_units *units, const double *rates, uint32_t *counts);

/* ---- which ---- */

/* Units 0 .. count - 1. Narrow choices lie within wider ones. */
void mu_width_ordered(const mu_units *units, const uint32_t *counts, bool *kept);

/* The same of one width: the first width * N of each group, rounded up. */
void mu_width_prefix(const mu_units *units, double width, bool *kept);

/* Any `count` distinct units, all such sets equally likely. One draw for each unit up to the last that is kept. */
void mu_width_random(const mu_units *units, const uint32_t *counts, mu_random *random, bool *kept);

/* Units (round + 0 .. count - 1) mod N: a window that moves on by one each round, and keeps each unit `count` times in N rounds, whichever
 * round is the first. In one round narrow choices lie within wider ones. */
void mu_width_rolling(const mu_units *units, const uint32_t *counts, uint32_t round, bool *kept);

/* The `count` units with the highest score; of equal ones, those with the lower number. scores[mu_units_count]. Takes a time of 64 looks at
 * each score and no memory. */
void mu_width_highest(const mu_units *units, const uint32_t *counts, const double *scores, bool *kept);

#endif
