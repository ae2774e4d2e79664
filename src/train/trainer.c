/* The local trainer: carries out a plan on a device's own examples. */
#include "muster/train.h"

#include "muster/platform.h"

#include "tensor/kernels.h"
#include "train/step_config.h"

#include <math.h>
#include <string.h>

/* One block holds what the current plan needs; a plan with the same step configuration finds its step as it left it. */
struct mu_trainer {
    const mu_model *model;
    const mu_units *units;
    const mu_model *trained; /* the model, or the part of it that the step is planned for */
    unsigned char  *part_block; /* made for the first plan that keeps a part */
    mu_submodel    *part;       /* in it */
    float          *part_start; /* behind it: [state_count of the model] what a part began with, then how it changed */
    unsigned char  *block;
    size_t          block_bytes, peak_bytes;
    mu_step        *step; /* in the block; NULL: none planned */
    mu_step_config  step_config;
    uint32_t       *order; /* in the block, behind the step */
    uint32_t        order_capacity;
};

mu_status mu_trainer_create(const mu_model *model, const mu_units *units, mu_trainer **out, mu_error *err)
{
    mu_trainer *trainer = mu_platform_take(sizeof *trainer);
    if (!trainer)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a trainer");
    trainer->model = trainer->trained = model;
    trainer->units = units;
    *out = trainer;
    return MU_OK;
}

void mu_trainer_destroy(mu_trainer *trainer)
{
    if (!trainer)
        return;
    mu_arena_block_free(trainer->block);
    mu_arena_block_free(trainer->part_block);
    mu_platform_give(trainer);
}

size_t mu_trainer_peak_bytes(const mu_trainer *trainer)
{
    return trainer->peak_bytes;
}

static bool same_step(const mu_step_config *a, const mu_step_config *b)
{
    return a->batch_size == b->batch_size && a->training == b->training && a->optimizer == b->optimizer && a->momentum == b->momentum &&
           a->dampening == b->dampening && a->weight_decay == b->weight_decay && a->beta1 == b->beta1 && a->beta2 == b->beta2 &&
           a->epsilon == b->epsilon && a->nesterov == b->nesterov && a->plain_kernels == b->plain_kernels &&
           a->memory_limit_bytes == b->memory_limit_bytes;
}

/* Step and order out of one arena: the walk that measures and the walk that hands out are the same. */
static mu_status walk(mu_trainer *trainer, const mu_step_config *config, uint32_t num_examples, mu_arena *arena, mu_error *err)
{
    mu_status status = mu_step_plan(trainer->trained, config, arena, &trainer->step, err);
    if (status)
        return status;
    trainer->order = mu_arena_take(arena, num_examples, sizeof *trainer->order);
    return arena->overflowed ? mu_error_set(err, MU_E_MEMORY, "a training step at batch size %u does not fit", config->batch_size) : MU_OK;
}

/* Make the block hold a step of this configuration and the order of that many examples. *used_bytes: what they take. */
static mu_status prepare(mu_trainer *trainer, const mu_step_config *config, uint32_t num_examples, mu_error *err)
{
    if (trainer->step && same_step(&trainer->step_config, config) && num_examples <= trainer->order_capacity)
        return MU_OK;
    mu_arena arena = mu_arena_measuring();
    mu_status status = walk(trainer, config, num_examples, &arena, err);
    trainer->step = NULL;
    if (status)
        return status;
    if (arena.used_bytes > trainer->block_bytes) {
        mu_arena_block_free(trainer->block);
        trainer->block_bytes = 0;
        trainer->block = mu_arena_block(arena.used_bytes);
        if (!trainer->block)
            return mu_error_set(err, MU_E_MEMORY, "no memory for a training step of %zu bytes", arena.used_bytes);
        trainer->block_bytes = arena.used_bytes;
    }
    arena = mu_arena_over(trainer->block, trainer->block_bytes);
    status = walk(trainer, config, num_examples, &arena, err);
    if (status) {
        trainer->step = NULL;
        return status;
    }
    trainer->step_config = *config;
    trainer->order_capacity = num_examples;
    return MU_OK;
}

/* Within a limit the fastest kernels may want more scratch than there is; the plain ones give the same bits without. */
static mu_status prepare_within(mu_trainer *trainer, mu_step_config config, uint32_t num_examples, mu_error *err)
{
    mu_status status = prepare(trainer, &config, num_examples, err);
    if (status != MU_E_MEMORY || config.memory_limit_bytes == 0)
        return status;
    config.plain_kernels = true;
    return prepare(trainer, &config, num_examples, err);
}

/* The most a task has held: step, order, and the weights it began with. Counted as mu_plan_peak_memory does, from what was handed out. */
static void note_peak(mu_trainer *trainer, uint32_t num_examples)
{
    const unsigned char *order_end = (const unsigned char *)(trainer->order + num_examples);
    size_t used = (size_t)(order_end - trainer->block), a = MU_ARENA_ALIGNMENT_BYTES;
    used = (used + a - 1) / a * a + (mu_model_state_count(trainer->trained) * sizeof(float) + a - 1) / a * a;
    if (used > trainer->peak_bytes)
        trainer->peak_bytes = used;
}

/* ---- parts ---- */

static mu_status walk_part(mu_trainer *trainer, mu_arena *arena, mu_error *err)
{
    mu_status status = mu_submodel_plan(trainer->units, arena, &trainer->part, err);
    trainer->part_start = status ? NULL : mu_arena_take(arena, mu_model_state_count(trainer->model), sizeof *trainer->part_start);
    return status;
}

static mu_status make_part(mu_trainer *trainer, mu_error *err)
{
    MU_ASSERT(trainer->units);
    mu_arena arena = mu_arena_measuring();
    mu_status status = walk_part(trainer, &arena, err);
    if (status)
        return status;
    trainer->part_block = mu_arena_block(arena.used_bytes);
    if (!trainer->part_block)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a part of the model: %zu bytes", arena.used_bytes);
    arena = mu_arena_over(trainer->part_block, arena.used_bytes);
    return walk_part(trainer, &arena, err);
}

/* The model that this plan trains. A step that was planned for another one is void. */
static mu_status choose_model(mu_trainer *trainer, const mu_plan *plan, mu_error *err)
{
    if (!plan->kept) {
        if (trainer->trained != trainer->model)
            trainer->step = NULL;
        trainer->trained = trainer->model;
        return MU_OK;
    }
    mu_status status = trainer->part_block ? MU_OK : make_part(trainer, err);
    if (!status)
        status = mu_submodel_form(trainer->part, plan->kept, err);
    trainer->step = NULL;
    if (!status)
        trainer->trained = mu_submodel_model(trainer->part);
    return status;
}

static bool is_stopped(const atomic_bool *stop)
{
    return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

static void subtract(size_t count, const float *after, const float *before, float *change)
{
    for (size_t i = 0; i < count; i++)
        change[i] = after[i] - before[i];
}

/* Returns its squared norm. */
static double take_delta(const mu_trainer *trainer, const mu_plan *plan, const float *start, float *delta)
{
    const float *state = mu_step_state(trainer->step);
    size_t count = mu_model_state_count(trainer->trained), whole = mu_model_state_count(trainer->model);
    if (plan->kept) {
        subtract(count, state, start, trainer->part_start);
        memset(delta, 0, whole * sizeof *delta);
        mu_submodel_scatter(trainer->part, MU_EXTENT_STATE, trainer->part_start, delta);
    } else {
        subtract(count, state, start, delta);
    }
    return mu_kernels()->squared_norm(whole, delta);
}

mu_status mu_trainer_run(mu_trainer *trainer, const mu_plan *plan, const mu_examples *examples, const float *start, uint64_t seed,
                         uint64_t device, const mu_local *local, const atomic_bool *stop, float *delta, mu_update *out, mu_error *err)
{
    const mu_local plain = { 0 };
    local = local ? local : &plain;
    const mu_how *how = plan->train.local_epochs ? local->how : NULL; /* what is only carried is not trained */
    uint32_t n = examples->count, batch_size = plan->train.batch_size;
    if (n == 0)
        return mu_error_set(err, MU_E_RANGE, "device %llu has no examples to train on", (unsigned long long)device);
    mu_status status = choose_model(trainer, plan, err);
    if (!status)
        status = prepare_within(trainer, mu_plan_step_config_within(trainer->trained, plan, n), n, err);
    if (status)
        return status;
    note_peak(trainer, n);
    const float *whole_start = start;
    if (plan->kept) {
        mu_submodel_gather(trainer->part, MU_EXTENT_STATE, start, trainer->part_start);
        start = trainer->part_start;
    }

    mu_step *step = trainer->step;
    memcpy(mu_step_state(step), start, mu_model_state_count(trainer->trained) * sizeof(float));
    mu_step_reset(step);
    mu_random shuffle = mu_random_stream(seed, MU_RANDOM_BATCH, plan->ordinal, device);
    mu_random dropout = mu_random_stream(seed, MU_RANDOM_DROPOUT, plan->ordinal, device);
    mu_step_view view = {
        .model = trainer->trained, .plan = plan, .seed = seed, .device = device, .round_start = start,
        .params = mu_step_state(step), .count = mu_model_param_count(trainer->trained),
        .received = local->received, .own = local->own, .sent = local->sent,
    };
    if (how && how->begin)
        how->begin(local->state, &view);

    for (uint32_t i = 0; i < n; i++)
        trainer->order[i] = i;
    uint32_t steps = mu_plan_steps(plan, n);
    uint32_t position = n; /* in this pass; n: begin the next one */
    double loss_sum = 0.0, squared_loss_sum = 0.0;
    uint64_t correct = 0, seen = 0, targets = mu_model_targets(trainer->trained);
    for (view.step = 0; view.step < steps; view.step++) {
        if (is_stopped(stop))
            return mu_error_set(err, MU_E_INTERRUPTED, "training stopped after %u of %u steps", view.step, steps);
        if (position == n) {
            mu_random_shuffle(&shuffle, trainer->order, n);
            position = 0;
            loss_sum = squared_loss_sum = 0.0;
            correct = seen = 0;
        }
        uint32_t count = n - position < batch_size ? n - position : batch_size;
        examples->read(examples->self, trainer->order + position, count, mu_step_input(step), mu_step_labels(step));
        mu_step_result result = mu_step_gradient(step, count, &dropout);
        if (how && how->gradient) {
            view.gradient = mu_step_gradients(step);
            how->gradient(local->state, &view);
        }
        mu_step_update(step, plan->learning_rate);
        loss_sum += result.loss_sum;
        squared_loss_sum += result.squared_loss_sum;
        correct += result.correct;
        seen += count * targets;
        position += count;
    }
    view.gradient = NULL;
    if (how && how->end)
        how->end(local->state, &view);

    double squared_norm = take_delta(trainer, plan, start, delta);
    *out = (mu_update){
        .delta = delta, .start = whole_start, .kept = plan->kept, .count = mu_model_state_count(trainer->model), .num_examples = n, .steps = steps, .squared_norm = squared_norm,
        .train_loss = seen ? loss_sum / (double)seen : NAN, .train_accuracy = seen ? (double)correct / (double)seen : NAN,
        .train_squared_loss = seen ? squared_loss_sum / (double)seen : NAN,
    };
    return MU_OK;
}

/* The examples first .. first+count-1 into the step. */
static void read_run(mu_trainer *trainer, const mu_examples *examples, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        trainer->order[i] = first + i;
    examples->read(examples->self, trainer->order, count, mu_step_input(trainer->step), mu_step_labels(trainer->step));
}

mu_status mu_trainer_evaluate(mu_trainer *trainer, const mu_examples *examples, uint32_t first, uint32_t count, const float *state,
                              mu_evaluation *out, mu_error *err)
{
    enum { BATCH = 50 };
    mu_step_config config = mu_step_config_default();
    config.training = false;
    config.batch_size = BATCH;
    mu_status status = choose_model(trainer, &(mu_plan){ 0 }, err);
    if (!status)
        status = prepare(trainer, &config, BATCH, err);
    if (status)
        return status;
    mu_step *step = trainer->step;
    memcpy(mu_step_state(step), state, mu_model_state_count(trainer->model) * sizeof(float));
    *out = (mu_evaluation){ .count = (uint64_t)count * mu_model_targets(trainer->model) };
    for (uint32_t done = 0; done < count; done += BATCH) {
        uint32_t batch = count - done < BATCH ? count - done : BATCH;
        read_run(trainer, examples, first + done, batch);
        mu_step_result result = mu_step_evaluate(step, batch);
        out->loss_sum += result.loss_sum;
        out->correct += result.correct;
    }
    return MU_OK;
}

mu_status mu_trainer_statistics(mu_trainer *trainer, const mu_examples *examples, uint32_t first, uint32_t count, uint32_t batch_size,
                                float *state, mu_error *err)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = batch_size < count ? batch_size : count;
    mu_status status = choose_model(trainer, &(mu_plan){ 0 }, err);
    if (!status)
        status = prepare(trainer, &config, config.batch_size, err);
    if (status)
        return status;
    const size_t params = mu_model_param_count(trainer->model), statistics = mu_model_state_count(trainer->model) - params;
    float *running = mu_step_state(trainer->step) + params;
    memcpy(mu_step_state(trainer->step), state, params * sizeof(float));
    memset(running, 0, statistics * sizeof(float)); /* a share of 0 of what was there is to be nothing, were it infinite */
    for (uint32_t done = 0; done < count; done += config.batch_size) {
        uint32_t batch = count - done < config.batch_size ? count - done : config.batch_size;
        read_run(trainer, examples, first + done, batch);
        mu_step_statistics(trainer->step, batch, batch / (double)(done + batch));
    }
    memcpy(state + params, running, statistics * sizeof(float));
    return MU_OK;
}
