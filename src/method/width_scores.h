/* Adaptive Federated Dropout: units that were in use when the loss fell are likely to be in use again (Bouacida, Hou, Zang and Liu 2020,
 * arXiv:2011.04050). A score map is one number a unit, 0 at first. In each round:
 *
 *     if (!mu_scores_reward(units, used, loss_before, loss, scores))       loss fell: scores rise, and the choice stays
 *         mu_scores_order(units, scores, 0, random, order);                it did not: another choice, by the scores
 *     mu_scores_keep(units, counts, order, kept);
 *
 * Two variants. One map and one choice for all devices, with the mean of the losses that a round's devices report ("single model"); or a map, a
 * choice and a last loss for each device ("multi-model").
 *
 * A choice is an order, of which a device keeps the front, so that devices of different widths share one and the narrow ones' units are among those
 * of the wide ones (our choice: the paper's devices are of one width).
 *
 * The paper was not read again: that scores rise by the relative improvement and that the draw is weighted by them is recalled; the sums
 * (an implementation by others overwrites the score instead) and `base` are our choice. */
#ifndef MUSTER_METHOD_WIDTH_SCORES_H
#define MUSTER_METHOD_WIDTH_SCORES_H

#include "muster/submodel.h"

/* loss < loss_before: scores[u] += used[u] * (loss_before - loss) / loss_before, where used[u] is the part of the round's devices that had the unit in
 * use, and true. Otherwise nothing, and false; so, too, in a first round, which has loss_before = INFINITY, NAN or 0, and where a loss is not a
 * number. */
bool mu_scores_reward(const mu_units *units, const float *used, double loss_before, double loss, float *scores);

/* An order of each group's units: order[u] is how many of its group come before u. They are drawn one after the other, each with probability (base +
 * score) / (the sum of those not yet drawn). Units of weight 0 come last, all equally likely: with base = 0 a map of zeros gives Federated
 * Dropout's choice, and units that were never rewarded are in use only while there are too few others. Then a first reward of devices of one width,
 * which goes to exactly the units that they have, brings the same choice again whatever the loss does: who wants another one takes base > 0.
 * Scores are finite and not below 0. Takes a time of N * N. */
void mu_scores_order(const mu_units *units, const float *scores, double base, mu_random *random, uint32_t *order);

/* The first counts[g] of each group. Narrow choices lie within wider ones. */
void mu_scores_keep(const mu_units *units, const uint32_t *counts, const uint32_t *order, bool *kept);

#endif
