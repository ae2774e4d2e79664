/* Mini-batches that train parts of the network that a plan has: mu_how.choose. */
#ifndef MUSTER_TRAIN_CHOOSING_H
#define MUSTER_TRAIN_CHOOSING_H

#include "train/trainer_internal.h"

/* What is there all the time, for a network and a plan, of which `choosing` then knows where it lies; `order` is that of the examples. */
mu_status mu_choosing_walk(mu_choosing *choosing, const mu_model *held, const mu_plan *plan, bool teaches, bool plain_kernels,
                           uint32_t num_examples, mu_arena *arena, uint32_t **order, mu_error *err);

/* Memory for a task with the network trainer->trained. */
mu_status mu_choosing_begin(mu_training *training, mu_error *err);
/* Before its first mini-batch: nothing is done yet, and the optimiser remembers nothing. The weights are still to be filled in. */
void      mu_choosing_reset(mu_training *training);
float    *mu_choosing_state(mu_choosing *choosing); /* [state_count] the held network's */

/* One mini-batch: ask for a part, train it. */
mu_status mu_choosing_batch(mu_training *training, const uint32_t *indices, uint32_t count, mu_step_result *result, mu_error *err);

void mu_choosing_release(mu_choosing *choosing);

#endif
