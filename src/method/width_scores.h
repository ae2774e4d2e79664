/* Adaptive Federated Dropout: units that were in use when the loss fell are likely to be in use again (Bouacida, Hou, Zang and Liu 2020,
 * arXiv:2011.04050). A score map is one number a unit, 0 at first. In each round:
 *
 *     if (!mu_scores_reward(units, kept, loss_before, loss, scores))       loss fell: scores rise, and the choice stays
 *         mu_scores_draw(units, counts, scores, 0, random, kept);          it did not: another choice, by the scores
 *
 * Two variants. One map and one choice for all devices, with the mean of the losses that a round's devices report ("single model"); or a map, a
 * choice and a last loss for each device ("multi-model").
 *
 * The paper was not read again: that scores rise by the relative improvement and that the draw is weighted by them is recalled; the sums
 * (an implementation by others overwrites the score instead) and `base` are our choice. */
#ifndef MUSTER_METHOD_WIDTH_SCORES_H
#define MUSTER_METHOD_WIDTH_SCORES_H

#include "muster/submodel.h"

/* loss < loss_before: scores[u] += (loss_before - loss) / loss_before for each kept unit, and true. Otherwise nothing, and false; so, too, in a
 * first round, which has loss_before = INFINITY or NAN, and where a loss is not a number or loss_before is not above 0. */
bool mu_scores_reward(const mu_units *units, const bool *kept, double loss_before, double loss, double *scores);

/* Of each group `count` units, one after the other, each with probability (base + score) / (the sum of those not yet drawn). Units of weight 0
 * come last, all equally likely: with base = 0 a map of zeros gives Federated Dropout's choice, and units that were never rewarded are in use only
 * while there are too few others. Then a first reward, which goes to exactly `count` units, brings the same choice again whatever the loss does:
 * who wants another one takes base > 0. Scores are finite and not below 0. Takes a time of count * N. */
void mu_scores_draw(const mu_units *units, const uint32_t *counts, const double *scores, double base, mu_random *random, bool *kept);

#endif
