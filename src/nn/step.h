/* What a mu_step is inside, and its plan with every choice open, for the planner and for tests. */
#ifndef MUSTER_NN_STEP_H
#define MUSTER_NN_STEP_H

#include "nn/memory_schedule.h"

struct mu_step {
    const mu_model        *model;
    const mu_kernel_table *kernels;
    mu_step_config         config;
    uint32_t               micro_batch;  /* examples that pass through the network at a time */
    mu_layer_call         *calls;        /* of each node, as the forward pass makes it */
    mu_layer_call         *late_calls;   /* and as the backward pass does; the same array where nothing is recomputed */
    mu_again              *again;        /* what the backward pass recomputes, in its order */
    uint32_t               again_count;
    size_t                 draws;        /* numbers of the dropout stream that an example takes */
    float                 *state, *gradients;
    float                 *first, *second; /* SGD: velocity; Adam: both moments. NULL where there are none. */
    float                 *input, *logits; /* of the whole batch */
    float                 *part_input, *dlogits, *losses; /* of a micro-batch; part_input is `input` where that is the whole batch */
    const float           *part_logits;
    int32_t               *labels;
    uint8_t               *correct;
    mu_step_progress       progress;
};

/* Vectors [param_count] that the optimiser remembers: those of mu_step_moment. */
static inline uint32_t mu_step_moment_count(const mu_step_config *config)
{
    if (!config->training)
        return 0;
    return config->optimizer == MU_OPTIMIZER_SGD ? config->momentum != 0 : 2;
}

/* mu_step_plan with a test's wish, or NULL. */
mu_status mu_step_plan_as(const mu_model *model, const mu_step_config *config, const mu_memory_wish *wish, mu_arena *arena, mu_step **out,
                          mu_error *err);

/* What a step takes from its arena: everything but the leases of `plan`, which has its lives settled. */
size_t mu_step_lasting_bytes(const mu_step_config *config, const mu_memory_plan *plan);

#endif
