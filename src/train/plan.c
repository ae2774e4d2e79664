/* A plan's counts: steps, samples, multiply-accumulates, and the exact memory that it takes. */
#include "muster/train.h"

#include "train/step_config.h"

mu_step_config mu_plan_step_config(const mu_plan *plan)
{
    const mu_train_config *train = &plan->train;
    return (mu_step_config){
        .batch_size = train->batch_size,
        .training = true,
        .optimizer = (mu_optimizer)train->optimizer,
        .momentum = train->momentum,
        .dampening = train->dampening,
        .weight_decay = train->weight_decay,
        .beta1 = train->beta1,
        .beta2 = train->beta2,
        .epsilon = train->epsilon,
        .nesterov = train->nesterov,
    };
}

static uint64_t steps_in_pass(const mu_plan *plan, uint32_t num_examples)
{
    return ((uint64_t)num_examples + plan->train.batch_size - 1) / plan->train.batch_size;
}

uint32_t mu_plan_steps(const mu_plan *plan, uint32_t num_examples)
{
    uint64_t steps = steps_in_pass(plan, num_examples) * plan->train.local_epochs;
    uint32_t most = plan->train.max_steps ? plan->train.max_steps : UINT32_MAX;
    return steps < most ? (uint32_t)steps : most;
}

uint64_t mu_plan_samples(const mu_plan *plan, uint32_t num_examples)
{
    if (num_examples == 0)
        return 0;
    uint64_t a_pass = steps_in_pass(plan, num_examples), steps = mu_plan_steps(plan, num_examples);
    return steps / a_pass * num_examples + steps % a_pass * plan->train.batch_size;
}

uint64_t mu_plan_macs(const mu_model *model, const mu_plan *plan, uint32_t num_examples)
{
    mu_cost one = mu_model_cost(model, 1);
    return mu_plan_samples(plan, num_examples) * (one.macs_forward + one.macs_backward);
}

mu_status mu_plan_peak_memory(const mu_model *model, const mu_plan *plan, uint32_t num_examples, bool plain_kernels, size_t *size_bytes,
                              mu_error *err)
{
    mu_arena arena = mu_arena_measuring();
    mu_step_config config = mu_plan_step_config(plan);
    config.plain_kernels = plain_kernels;
    mu_step *step;
    mu_status status = mu_step_plan(model, &config, &arena, &step, err);
    if (status)
        return status;
    mu_arena_take(&arena, num_examples, sizeof(uint32_t));             /* the order of the examples */
    mu_arena_take(&arena, mu_model_state_count(model), sizeof(float)); /* the weights it began with; the delta goes over them */
    if (arena.overflowed)
        return mu_error_set(err, MU_E_LIMIT, "a training step at batch size %u takes more memory than an address can reach",
                            plan->train.batch_size);
    *size_bytes = arena.used_bytes;
    return MU_OK;
}
