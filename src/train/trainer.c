/* The local trainer: carries out a plan on a device's own examples. */
#include "muster/train.h"

#include "muster/platform.h"

#include "tensor/kernels.h"
#include "train/choosing.h"
#include "train/place.h"
#include "train/step_config.h"

#include <math.h>
#include <string.h>

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
    mu_choosing_release(&trainer->choosing);
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

mu_status mu_trainer_grow(mu_trainer *trainer, size_t size_bytes, mu_error *err)
{
    trainer->step = NULL;
    if (size_bytes <= trainer->block_bytes)
        return MU_OK;
    mu_arena_block_free(trainer->block);
    trainer->block_bytes = 0;
    trainer->block = mu_arena_block(size_bytes);
    if (!trainer->block)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a training step of %zu bytes", size_bytes);
    trainer->block_bytes = size_bytes;
    return MU_OK;
}

/* Make the block hold a step of this configuration and the order of that many examples. *used_bytes: what they take. */
static mu_status prepare(mu_trainer *trainer, const mu_step_config *config, uint32_t num_examples, mu_error *err)
{
    if (trainer->step && same_step(&trainer->step_config, config) && num_examples <= trainer->order_capacity)
        return MU_OK;
    mu_arena arena = mu_arena_measuring();
    mu_status status = walk(trainer, config, num_examples, &arena, err);
    trainer->step = NULL;
    if (!status)
        status = mu_trainer_grow(trainer, arena.used_bytes, err);
    if (status)
        return status;
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
    trainer->part_start = mu_arena_take(arena, mu_model_state_count(trainer->model), sizeof *trainer->part_start);
    trainer->factors = mu_arena_take(arena, mu_model_layer_count(trainer->model), sizeof *trainer->factors);
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
static double take_delta(const mu_trainer *trainer, const mu_plan *plan, const float *state, const float *start, float *delta)
{
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

/* ---- a task ---- */

void mu_training_find_classes(mu_training *t, mu_step *step)
{
    if (!t->manner.masked || t->classes)
        return;
    bool *classes = t->local->classes;
    const uint32_t n = t->examples->count, batch_size = t->plan->train.batch_size, class_count = mu_model_classes(t->trainer->model);
    const size_t targets = mu_model_targets(t->trainer->model);
    MU_ASSERT(classes);
    memset(classes, 0, class_count * sizeof *classes);
    for (uint32_t first = 0; first < n; first += batch_size) {
        uint32_t count = n - first < batch_size ? n - first : batch_size;
        const int32_t *labels = mu_step_labels(step);
        t->examples->read(t->examples->self, t->trainer->order + first, count, mu_step_input(step), mu_step_labels(step));
        for (size_t i = 0; i < count * targets; i++) {
            MU_ASSERT(labels[i] >= 0 && (uint32_t)labels[i] < class_count);
            classes[labels[i]] = true;
        }
    }
    t->classes = classes;
}

/* Memory, and where the weights that it begins with are. */
static mu_status begin(mu_training *t, const float *start, uint64_t seed, uint64_t device, mu_error *err)
{
    mu_trainer *trainer = t->trainer;
    const mu_plan *plan = t->plan;
    uint32_t n = t->examples->count;
    if (t->how && t->how->manner)
        t->how->manner(t->local->state, &t->manner);
    bool chooses = mu_training_chooses(t);
    mu_status status = choose_model(trainer, plan, err);
    if (!status)
        status = chooses ? mu_choosing_begin(t, err) : prepare_within(trainer, mu_plan_step_config_within(trainer->trained, plan, n), n, err);
    if (status)
        return status;
    if (!chooses)
        note_peak(trainer, n);
    if (plan->kept) {
        mu_submodel_gather(trainer->part, MU_EXTENT_STATE, start, trainer->part_start);
        start = trainer->part_start;
        if (t->manner.scaled) {
            mu_submodel_factors(trainer->part, trainer->factors);
            t->factors = trainer->factors;
        }
    }
    t->view = (mu_step_view){
        .model = trainer->trained, .plan = plan, .seed = seed, .device = device, .round_start = start,
        .params = chooses ? mu_choosing_state(&trainer->choosing) : mu_step_state(trainer->step), .count = mu_model_param_count(trainer->trained),
        .received = t->local->received, .own = t->local->own, .sent = t->local->sent,
    };
    return MU_OK;
}

static void begin_afresh(mu_training *t)
{
    memcpy(t->view.params, t->view.round_start, mu_model_state_count(t->trainer->trained) * sizeof(float));
    if (mu_training_chooses(t)) {
        mu_choosing_reset(t);
    } else {
        mu_step_reset(t->trainer->step);
        mu_step_use_statistics(t->trainer->step, 0); /* mu_trainer_statistics may have used this step, with others */
    }
    if (t->how && t->how->begin)
        t->how->begin(t->local->state, &t->view);
}

static mu_step_result plain_batch(mu_training *t, const uint32_t *indices, uint32_t count)
{
    mu_step *step = t->trainer->step;
    mu_training_find_classes(t, step);
    t->examples->read(t->examples->self, indices, count, mu_step_input(step), mu_step_labels(step));
    const mu_step_manner manner = { .held = t->classes, .factors = t->factors };
    mu_step_result result = mu_step_gradient_as(step, &manner, count, &t->dropout);
    if (t->how && t->how->gradient) {
        t->view.gradient = mu_step_gradients(step);
        t->how->gradient(t->local->state, &t->view);
        t->view.gradient = NULL;
    }
    mu_step_update(step, t->plan->learning_rate);
    return result;
}

static void begin_order(mu_training *t)
{
    const uint32_t n = t->examples->count;
    for (uint32_t i = 0; i < n; i++)
        t->trainer->order[i] = i;
    t->position = n;
}

/* To the end of the next mini-batch; returns how many examples it has. */
static uint32_t advance(mu_training *t)
{
    const uint32_t n = t->examples->count, batch_size = t->plan->train.batch_size;
    if (t->position == n) {
        mu_random_shuffle(&t->shuffle, t->trainer->order, n);
        t->position = 0;
        t->pass = (mu_tally){ 0 };
    }
    const uint32_t left = n - t->position, count = left < batch_size ? left : batch_size;
    t->position += count;
    return count;
}

/* Where it was left, if it was. */
static void go_on(mu_training *t)
{
    if (!t->local->keeper || mu_plan_steps(t->plan, t->examples->count) == 0)
        return;
    t->task = mu_place_task(t);
    if (!mu_place_take(t)) {
        begin_afresh(t); /* some of what was no good lies over it */
        return;
    }
    const mu_tally pass = t->pass;
    for (uint32_t step = 0; step < t->view.step; step++)
        advance(t); /* the same order again */
    t->pass = pass;
}

static mu_status train_batch(mu_training *t, mu_error *err)
{
    const uint32_t count = advance(t), *indices = t->trainer->order + t->position - count;
    mu_step_result result;
    mu_status status = MU_OK;
    if (mu_training_chooses(t))
        status = mu_choosing_batch(t, indices, count, &result, err);
    else
        result = plain_batch(t, indices, count);
    if (status)
        return status;
    t->pass.sums.loss_sum += result.loss_sum;
    t->pass.sums.squared_loss_sum += result.squared_loss_sum;
    t->pass.sums.correct += result.correct;
    t->pass.seen += (uint64_t)count * mu_model_targets(t->trainer->trained);
    return MU_OK;
}

static mu_status train(mu_training *t, const atomic_bool *stop, mu_error *err)
{
    const mu_keeper *keeper = t->local->keeper;
    const uint32_t steps = mu_plan_steps(t->plan, t->examples->count);
    uint32_t kept = t->view.step; /* how far the task is in the last place that was kept */
    while (t->view.step < steps) {
        if (is_stopped(stop)) {
            mu_status status = keeper && kept < t->view.step ? mu_place_keep(t, err) : MU_OK;
            return status ? status : mu_error_set(err, MU_E_INTERRUPTED, "training stopped after %u of %u steps", t->view.step, steps);
        }
        mu_status status = train_batch(t, err);
        if (status)
            return status;
        t->view.step++;
        if (keeper && keeper->is_due(keeper->self, t->view.step, steps)) {
            status = mu_place_keep(t, err);
            if (status)
                return status;
            kept = t->view.step;
        }
    }
    return MU_OK;
}

mu_status mu_trainer_run(mu_trainer *trainer, const mu_plan *plan, const mu_examples *examples, const float *start, uint64_t seed,
                         uint64_t device, const mu_local *local, const atomic_bool *stop, float *delta, mu_update *out, mu_error *err)
{
    const mu_local plain = { 0 };
    local = local ? local : &plain;
    if (examples->count == 0)
        return mu_error_set(err, MU_E_RANGE, "device %llu has no examples to train on", (unsigned long long)device);
    mu_training t = {
        .trainer = trainer, .plan = plan, .examples = examples, .local = local,
        .how = plan->train.local_epochs ? local->how : NULL, /* what is only carried is not trained */
        .shuffle = mu_random_stream(seed, MU_RANDOM_BATCH, plan->ordinal, device),
        .dropout = mu_random_stream(seed, MU_RANDOM_DROPOUT, plan->ordinal, device),
    };
    mu_status status = begin(&t, start, seed, device, err);
    if (status)
        return status;
    begin_order(&t);
    begin_afresh(&t);
    go_on(&t);
    status = train(&t, stop, err);
    if (status)
        return status;
    if (t.how && t.how->end)
        t.how->end(local->state, &t.view);

    double squared_norm = take_delta(trainer, plan, t.view.params, t.view.round_start, delta);
    const mu_step_result *last = &t.pass.sums;
    const double seen = t.pass.seen ? (double)t.pass.seen : NAN;
    *out = (mu_update){
        .delta = delta, .start = start, .kept = plan->kept, .classes = t.classes, .count = mu_model_state_count(trainer->model),
        .num_examples = examples->count, .steps = t.view.step, .squared_norm = squared_norm, .train_loss = last->loss_sum / seen,
        .train_accuracy = (double)last->correct / seen, .train_squared_loss = last->squared_loss_sum / seen,
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

/* The whole model's weights into the step that is planned for its part. */
static void load_state(mu_trainer *trainer, const bool *kept, const float *state)
{
    if (kept)
        mu_submodel_gather(trainer->part, MU_EXTENT_STATE, state, mu_step_state(trainer->step));
    else
        memcpy(mu_step_state(trainer->step), state, mu_model_state_count(trainer->model) * sizeof(float));
}

mu_status mu_trainer_evaluate(mu_trainer *trainer, const mu_examples *examples, uint32_t first, uint32_t count, const float *state,
                              mu_evaluation *out, mu_error *err)
{
    return mu_trainer_evaluate_part(trainer, NULL, 0, NULL, examples, first, count, state, out, err);
}

mu_status mu_trainer_evaluate_part(mu_trainer *trainer, const bool *kept, uint32_t statistics, const bool *classes,
                                   const mu_examples *examples, uint32_t first, uint32_t count, const float *state, mu_evaluation *out,
                                   mu_error *err)
{
    enum { BATCH = 50 };
    mu_step_config config = mu_step_config_default();
    config.training = false;
    config.batch_size = BATCH;
    mu_status status = choose_model(trainer, &(mu_plan){ .kept = kept }, err);
    if (!status)
        status = prepare(trainer, &config, BATCH, err);
    if (status)
        return status;
    mu_step *step = trainer->step;
    load_state(trainer, kept, state);
    mu_step_use_statistics(step, statistics);
    *out = (mu_evaluation){ .count = (uint64_t)count * mu_model_targets(trainer->model) };
    for (uint32_t done = 0; done < count; done += BATCH) {
        uint32_t batch = count - done < BATCH ? count - done : BATCH;
        read_run(trainer, examples, first + done, batch);
        mu_step_result result = mu_step_evaluate_held(step, classes, batch);
        out->loss_sum += result.loss_sum;
        out->correct += result.correct;
    }
    return MU_OK;
}

mu_status mu_trainer_statistics(mu_trainer *trainer, const bool *kept, uint32_t statistics, const mu_examples *examples, uint32_t first,
                                uint32_t count, uint32_t batch_size, const float *state, float *out, mu_error *err)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = batch_size < count ? batch_size : count;
    mu_status status = choose_model(trainer, &(mu_plan){ .kept = kept }, err);
    if (!status)
        status = prepare(trainer, &config, config.batch_size, err);
    if (status)
        return status;
    mu_step *step = trainer->step;
    load_state(trainer, kept, state);
    mu_step_use_statistics(step, statistics);
    const size_t params = mu_model_param_count(trainer->trained), all = mu_model_state_count(trainer->trained) - params;
    const size_t set = all / mu_model_statistic_sets(trainer->trained);
    float *running = mu_step_state(step) + params;
    memset(running + statistics * set, 0, set * sizeof(float)); /* a share of 0 of what was there is to be nothing, were it infinite */
    for (uint32_t done = 0; done < count; done += config.batch_size) {
        uint32_t batch = count - done < config.batch_size ? count - done : config.batch_size;
        read_run(trainer, examples, first + done, batch);
        mu_step_statistics(step, batch, batch / (double)(done + batch));
    }
    if (!kept) {
        memcpy(out, running, all * sizeof(float));
        return MU_OK;
    }
    memcpy(out, state + mu_model_param_count(trainer->model),
           (mu_model_state_count(trainer->model) - mu_model_param_count(trainer->model)) * sizeof(float));
    mu_submodel_scatter(trainer->part, MU_EXTENT_STATISTICS_ALONE, running, out);
    return MU_OK;
}
