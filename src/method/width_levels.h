/* HeteroFL's levels of complexity: a, b, c, d, e train 1, 1/2, 1/4, 1/8, 1/16 of the width of every hidden layer (Diao, Ding and Tarokh 2021,
 * arXiv:2010.01264); how many units those are and which: MU_WIDTH_UP and mu_width_ordered (width_rules.h). Level 0 is a. */
#ifndef MUSTER_METHOD_WIDTH_LEVELS_H
#define MUSTER_METHOD_WIDTH_LEVELS_H

#include "muster/random.h"

enum { MU_WIDTH_LEVELS = 5 };

/* 2^-level; level < MU_WIDTH_LEVELS */
double mu_level_width(uint32_t level);

/* What a device can afford: the first of `count` levels, widest first, with costs[level] <= budget; the last one where nothing fits (our choice:
 * whether a device takes part at all is decided elsewhere, by its memory). Cost and budget are in one unit, of the caller's choice. */
uint32_t mu_level_within(const double *costs, uint32_t count, double budget);

/* "Dynamic" assignment: level l with probability shares[l] / (sum of all shares), for each device of each round anew; "fix", when the stream
 * is the device's alone and not the round's. The authors' mode a1-e1 is shares 1, 0, 0, 0, 1. Shares are not below 0, their sum is above. */
uint32_t mu_level_draw(const double *shares, uint32_t count, mu_random *random);

#endif
