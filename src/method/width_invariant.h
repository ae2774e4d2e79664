/* Invariant dropout: who has to leave units out leaves out those that hardly change for anybody else (FLuID: Wang, Nair and Mahajan 2023,
 * arXiv:2307.02623; read in the authors' code, iwang05/FLuID). What belongs to a unit is in width_elements.h. In a round
 *
 *     for each device that trained the whole model (a straggler's left-out units would look perfectly stable):
 *         mu_invariant_note(units, sent, change, thresholds, restless, unit_change);
 *     mu_invariant_units(units, restless, devices, 0.75, invariant);
 *     mu_invariant_calibrate(units, &calibration, round, unit_change, invariant, counts, thresholds, frozen);
 *
 * and for the straggler of the next one
 *
 *     mu_invariant_keep(units, counts, invariant, kept_before, random, kept);
 *
 * Rounds count from 1. The first two are for calibration: nobody leaves out anything before the third. Who the straggler is, and how much of
 * the width he trains: width_straggler.h. */
#ifndef MUSTER_METHOD_WIDTH_INVARIANT_H
#define MUSTER_METHOD_WIDTH_INVARIANT_H

#include "muster/submodel.h"

/* What one device's update says. With w the weight it was sent and dw its change, both [mu_model_param_count]:
 *     restless[side][e] += 1 where |dw| > th |w|, th being the threshold of the unit that e belongs to by that side;
 *     unit_change[u] = max(unit_change[u], |dw| / |w|) over all e that belong to u.
 * A weight of exactly 0 (a fresh bias) has no relative change and is passed over; the authors' division gives infinity there (our choice).
 *   thresholds   [mu_units_count], the same for all units of a group
 *   restless     [2][mu_model_param_count] by mu_side, 0 before the round's first device; 65535 devices at most
 *   unit_change  [mu_units_count], 0 before the round's first device */
void mu_invariant_note(const mu_units *units, const float *sent, const float *change, const float *thresholds, uint16_t *restless,
                       float *unit_change);

/* A weight is stable if on at least share * devices (the paper's code: 0.75) its change was within the threshold; invariant[mu_units_count]: every
 * weight of the unit is stable. Found anew each round (the authors' FEMNIST code keeps the first layer's for good). No devices: none. */
void mu_invariant_units(const mu_units *units, const uint16_t *restless, uint32_t devices, double share, bool *invariant);

/* How a threshold comes about: `start` in rounds 1 and 2; after round 2 the least change of any unit in the group; after round 3 the mean of
 * that and the least change in round 3; from round raise_from on, in the raise_every-th round and each raise_every-th after that, `raise`
 * more, until enough units are invariant. As published, but that the authors' FEMNIST program looks at the first layer alone where `shared` takes
 * the mean and asks for enough in all of them, as is our choice: */
typedef struct mu_invariant_calibration {
    double   start, raise;
    uint32_t raise_from, raise_every;
    bool     shared; /* one threshold for the whole model, by the mean over groups of the least changes */
} mu_invariant_calibration;
extern const mu_invariant_calibration mu_invariant_cifar;       /* 1.5, from round 11 on 0.2 more every 2 rounds, each layer its own */
extern const mu_invariant_calibration mu_invariant_femnist;     /* 0.1, from round 126 on 0.01 more every 10, shared */
extern const mu_invariant_calibration mu_invariant_shakespeare; /* 30, from round 21 on 1 more every 3, shared */

/* The threshold of round + 1. least: in this round, of the group or the mean over groups. */
double mu_invariant_threshold(const mu_invariant_calibration *calibration, uint32_t round, double threshold, double least, bool frozen);

/* After a round: thresholds[mu_units_count] for the next one. frozen[mu_units_group_count], false at first, becomes true when a group has as many
 * invariant units as it has to leave out by `counts` (shared: when all groups have), and then stays: that threshold is final. counts: NULL
 * while nobody leaves out anything. Before round 1 fill thresholds with calibration->start. */
void mu_invariant_calibrate(const mu_units *units, const mu_invariant_calibration *calibration, uint32_t round, const float *unit_change,
                            const bool *invariant, const uint32_t *counts, float *thresholds, bool *frozen);

/* A choice of counts[g] units of each group. Left out are first units that are invariant and were left out before, then other invariant ones, then
 * others; at random among those of a kind where not all are needed. kept_before: the straggler's last choice; NULL: none. It may be `kept`. */
void mu_invariant_keep(const mu_units *units, const uint32_t *counts, const bool *invariant, const bool *kept_before, mu_random *random,
                       bool *kept);

#endif
