/* A plan's counts: steps, samples, multiply-accumulates, and the exact memory that it takes. */
#include "muster/train.h"

#include "train/choosing.h"
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

/* What a trainer holds beside the step. */
static void take_beside(const mu_model *model, uint32_t num_examples, mu_arena *arena)
{
    mu_arena_take(arena, num_examples, sizeof(uint32_t));             /* the order of the examples */
    mu_arena_take(arena, mu_model_state_count(model), sizeof(float)); /* the weights it began with; the delta goes over them */
}

mu_step_config mu_plan_step_config_within(const mu_model *model, const mu_plan *plan, uint32_t num_examples)
{
    mu_step_config config = mu_plan_step_config(plan);
    if (plan->memory_limit_bytes == 0)
        return config;
    mu_arena beside = mu_arena_measuring();
    take_beside(model, num_examples, &beside);
    const uint64_t limit = plan->memory_limit_bytes;
    const uint64_t left = limit > beside.used_bytes && !beside.overflowed ? limit - beside.used_bytes : 1;
    config.memory_limit_bytes = left < SIZE_MAX ? (size_t)left : SIZE_MAX;
    return config;
}

/* extra_macs and extra_moved_bytes are of a whole batch; a pass ends with a smaller one, which costs at most as much. */
static mu_plan_extra extra_of(const mu_step_schedule *schedule, const mu_plan *plan, uint32_t num_examples)
{
    return (mu_plan_extra){ .macs = schedule->extra_macs / plan->train.batch_size * mu_plan_samples(plan, num_examples),
                            .moved_bytes = schedule->extra_moved_bytes * mu_plan_steps(plan, num_examples) };
}

mu_status mu_plan_peak_memory(const mu_model *model, const mu_plan *plan, uint32_t num_examples, bool plain_kernels, size_t *size_bytes,
                              mu_plan_extra *extra, mu_error *err)
{
    mu_step_config config = mu_plan_step_config_within(model, plan, num_examples);
    config.plain_kernels = plain_kernels;
    mu_step_schedule schedule;
    mu_status status = mu_step_schedule_find(model, &config, &schedule, NULL, err);
    if (status && !(status == MU_E_MEMORY && schedule.peak_bytes))
        return status;
    mu_arena arena = mu_arena_measuring();
    mu_arena_take(&arena, schedule.peak_bytes, 1);
    take_beside(model, num_examples, &arena);
    if (arena.overflowed)
        return mu_error_set(err, MU_E_LIMIT, "a training step at batch size %u takes more memory than an address can reach",
                            plan->train.batch_size);
    *size_bytes = arena.used_bytes;
    if (extra)
        *extra = extra_of(&schedule, plan, num_examples);
    return MU_OK;
}

/* ---- where `how` chooses a part for every mini-batch ---- */

mu_status mu_plan_step_bytes(const mu_model *part, const mu_plan *plan, bool plain_kernels, size_t *size_bytes, mu_error *err)
{
    mu_step_config config = mu_plan_step_config(plan);
    config.plain_kernels = plain_kernels;
    mu_arena arena = mu_arena_measuring();
    mu_step *step;
    mu_status status = mu_step_plan(part, &config, &arena, &step, err);
    if (!status)
        *size_bytes = arena.used_bytes;
    return status;
}

mu_status mu_plan_peak_memory_choosing(const mu_model *held, const mu_plan *plan, const mu_manner *manner, uint32_t num_examples,
                                       size_t part_step_bytes, bool plain_kernels, size_t *size_bytes, mu_error *err)
{
    mu_arena arena = mu_arena_measuring();
    mu_choosing nowhere;
    uint32_t *order;
    mu_status status = mu_choosing_walk(&nowhere, held, plan, manner->teaches, plain_kernels, num_examples, &arena, &order, err);
    if (status)
        return status;
    mu_arena_take(&arena, part_step_bytes, 1);
    mu_arena_take(&arena, mu_model_state_count(held), sizeof(float)); /* the weights it began with */
    if (arena.overflowed)
        return mu_error_set(err, MU_E_LIMIT, "a training step at batch size %u takes more memory than an address can reach",
                            plan->train.batch_size);
    *size_bytes = arena.used_bytes;
    return MU_OK;
}
