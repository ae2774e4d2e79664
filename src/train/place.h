/* Where a task stands, kept in a mu_keeper's hands and taken again: what the rest of the task depends on, and nothing else. */
#ifndef MUSTER_TRAIN_PLACE_H
#define MUSTER_TRAIN_PLACE_H

#include "train/trainer_internal.h"

/* What tells this task from others: so a place of another one is known. Once the manner is known and the weights that the task begins with are there. */
uint64_t mu_place_task(const mu_training *training);

/* After training->view.step mini-batches, at least one. */
mu_status mu_place_keep(mu_training *training, mu_error *err);

/* Before the first mini-batch. false: there was no place of this task, or not all of it; weights and what the optimiser remembers may then be
 * anything, and the rest of `training` is as it was. The order of the examples is not in a place: it follows from the step. */
bool mu_place_take(mu_training *training);

#endif
