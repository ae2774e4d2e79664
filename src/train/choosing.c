/* Mini-batches that train parts. The weights, what the optimiser remembers and, where it teaches, a whole step of the held network are there
 * all the time; a mini-batch's part gets a step of its own in the trainer's block, which grows when a wider one comes. A choice of everything
 * goes the same way, through copies of all weights, and comes to the same bits as plain training. */
#include "train/choosing.h"

#include "nn/step.h"
#include "train/step_config.h"

#include <math.h>
#include <string.h>

/* ---- the shape of what is held ---- */

static const mu_units *held_units(const mu_trainer *trainer)
{
    return trainer->choosing.part_units ? trainer->choosing.part_units : trainer->units;
}

static uint32_t held_count(const mu_unit_group *group, const bool *kept)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->count; i++)
        count += !kept || kept[group->first + i];
    return count;
}

static bool is_shape(const mu_trainer *trainer, const bool *kept)
{
    const mu_choosing *choosing = &trainer->choosing;
    bool same = choosing->shape_block && !choosing->part_units == !kept;
    for (size_t g = 0; same && g < mu_units_group_count(trainer->units); g++)
        same = choosing->has[g] == held_count(mu_units_group(trainer->units, g), kept);
    return same;
}

static mu_status walk_shape(mu_trainer *trainer, mu_arena *arena, mu_error *err)
{
    mu_choosing *choosing = &trainer->choosing;
    const size_t groups = mu_units_group_count(trainer->units);
    mu_status status = mu_submodel_plan(held_units(trainer), arena, &choosing->part, err);
    choosing->has = mu_arena_take(arena, groups, sizeof *choosing->has);
    choosing->counts = mu_arena_take(arena, groups, sizeof *choosing->counts);
    choosing->kept = mu_arena_take(arena, mu_units_count(trainer->units), sizeof *choosing->kept);
    choosing->inner = mu_arena_take(arena, mu_units_count(held_units(trainer)), sizeof *choosing->inner);
    choosing->factors = mu_arena_take(arena, mu_model_layer_count(trainer->model), sizeof *choosing->factors);
    return status;
}

static void release_shape(mu_choosing *choosing)
{
    mu_units_destroy(choosing->part_units);
    mu_arena_block_free(choosing->shape_block);
    choosing->part_units = NULL;
    choosing->shape_block = NULL;
}

static mu_status make_shape(mu_trainer *trainer, const bool *kept, mu_error *err)
{
    mu_choosing *choosing = &trainer->choosing;
    release_shape(choosing);
    mu_arena arena = mu_arena_measuring();
    mu_status status = kept ? mu_units_create(trainer->trained, &choosing->part_units, err) : MU_OK;
    if (!status)
        status = walk_shape(trainer, &arena, err);
    if (!status && !(choosing->shape_block = mu_arena_block(arena.used_bytes)))
        status = mu_error_set(err, MU_E_MEMORY, "no memory for parts of the model: %zu bytes", arena.used_bytes);
    if (!status) {
        arena = mu_arena_over(choosing->shape_block, arena.used_bytes);
        status = walk_shape(trainer, &arena, err);
    }
    if (status) {
        release_shape(choosing);
        return status;
    }
    /* What is kept of a group is a group of the part: units that lie in the same places do so still, and their order is the same. */
    MU_ASSERT(mu_units_group_count(held_units(trainer)) == mu_units_group_count(trainer->units));
    for (size_t g = 0; g < mu_units_group_count(trainer->units); g++) {
        choosing->has[g] = held_count(mu_units_group(trainer->units, g), kept);
        MU_ASSERT(mu_units_group(held_units(trainer), g)->count == choosing->has[g]);
    }
    return MU_OK;
}

/* ---- what is there all the time ---- */

mu_status mu_choosing_walk(mu_choosing *choosing, const mu_model *held, const mu_plan *plan, bool teaches, bool plain_kernels,
                           uint32_t num_examples, mu_arena *arena, uint32_t **order, mu_error *err)
{
    mu_step_config config = mu_plan_step_config(plan);
    config.plain_kernels = plain_kernels;
    choosing->teacher = NULL;
    choosing->state = choosing->moments[0] = choosing->moments[1] = NULL;
    if (teaches) {
        mu_status status = mu_step_plan(held, &config, arena, &choosing->teacher, err);
        if (status)
            return status;
    } else {
        choosing->state = mu_arena_take(arena, mu_model_state_count(held), sizeof(float));
        for (uint32_t i = 0; i < mu_step_moment_count(&config); i++)
            choosing->moments[i] = mu_arena_take(arena, mu_model_param_count(held), sizeof(float));
    }
    *order = mu_arena_take(arena, num_examples, sizeof **order);
    return MU_OK;
}

static mu_status walk(mu_training *t, mu_arena *arena, mu_error *err)
{
    mu_trainer *trainer = t->trainer;
    return mu_choosing_walk(&trainer->choosing, trainer->trained, t->plan, t->manner.teaches, false, t->examples->count, arena, &trainer->order,
                            err);
}

static mu_status take_block(mu_training *t, mu_error *err)
{
    mu_choosing *choosing = &t->trainer->choosing;
    mu_arena arena = mu_arena_measuring();
    mu_status status = walk(t, &arena, err);
    if (status)
        return status;
    if (arena.overflowed)
        return mu_error_set(err, MU_E_LIMIT, "%u examples and what an optimiser remembers take more memory than an address can reach",
                            t->examples->count);
    if (arena.used_bytes > choosing->block_bytes) {
        mu_arena_block_free(choosing->block);
        choosing->block_bytes = 0;
        choosing->block = mu_arena_block(arena.used_bytes);
        if (!choosing->block)
            return mu_error_set(err, MU_E_MEMORY, "no memory for weights and what an optimiser remembers: %zu bytes", arena.used_bytes);
        choosing->block_bytes = arena.used_bytes;
    }
    choosing->used_bytes = arena.used_bytes;
    arena = mu_arena_over(choosing->block, choosing->block_bytes);
    return walk(t, &arena, err);
}

static uint64_t macs_of(const mu_model *model)
{
    mu_cost one = mu_model_cost(model, 1);
    return one.macs_forward + one.macs_backward;
}

/* By a clock that somebody looks at. */
static bool is_paced(const mu_training *t)
{
    return t->plan->step_time_s > 0 && t->local->afford;
}

/* As mu_plan_peak_memory_choosing counts. */
static void note_peak(mu_trainer *trainer, size_t part_step_bytes)
{
    mu_arena all = mu_arena_measuring();
    mu_arena_take(&all, trainer->choosing.used_bytes, 1);
    mu_arena_take(&all, part_step_bytes, 1);
    mu_arena_take(&all, mu_model_state_count(trainer->trained), sizeof(float));
    if (all.used_bytes > trainer->peak_bytes)
        trainer->peak_bytes = all.used_bytes;
}

mu_status mu_choosing_begin(mu_training *t, mu_error *err)
{
    mu_trainer *trainer = t->trainer;
    mu_choosing *choosing = &trainer->choosing;
    MU_ASSERT(trainer->units);
    trainer->step = NULL; /* the block is the parts' */
    choosing->step = NULL;
    mu_status status = is_shape(trainer, t->plan->kept) ? MU_OK : make_shape(trainer, t->plan->kept, err);
    if (!status)
        status = take_block(t, err);
    if (status)
        return status;
    note_peak(trainer, 0);
    choosing->held_macs = is_paced(t) ? macs_of(trainer->trained) : 0;
    return MU_OK;
}

void mu_choosing_reset(mu_training *t)
{
    mu_choosing *choosing = &t->trainer->choosing;
    choosing->done_macs = 0;
    if (choosing->teacher)
        mu_step_reset(choosing->teacher);
    choosing->progress = (mu_step_progress){ .power1 = 1, .power2 = 1 }; /* and moments of 0: as mu_step_reset */
    for (int i = 0; i < 2; i++)
        if (choosing->moments[i])
            memset(choosing->moments[i], 0, mu_model_param_count(t->trainer->trained) * sizeof(float));
}

float *mu_choosing_state(mu_choosing *choosing)
{
    return choosing->teacher ? mu_step_state(choosing->teacher) : choosing->state;
}

void mu_choosing_release(mu_choosing *choosing)
{
    release_shape(choosing);
    mu_arena_block_free(choosing->block);
}

/* ---- a mini-batch's part ---- */

static mu_choice ask(mu_training *t, uint32_t count)
{
    mu_choosing *choosing = &t->trainer->choosing;
    mu_choice choice = { .units = t->trainer->units, .plan = t->plan, .seed = t->view.seed, .device = t->view.device, .step = t->view.step,
                         .afford_macs = INFINITY, .counts = choosing->counts, .kept = choosing->kept };
    if (is_paced(t))
        choice.afford_macs = t->local->afford(t->local->clock, t->plan, choosing->done_macs) / count;
    t->how->choose(t->local->state, &choice);
    return choice;
}

/* The choice, of the held network's units: they are those of the plan, in their order. Returns whether it is all of them. */
static bool translate(const mu_training *t)
{
    const mu_choosing *choosing = &t->trainer->choosing;
    const mu_units *units = t->trainer->units;
    const bool *held = t->plan->kept;
    bool everything = true;
    size_t next = 0;
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        uint32_t count = 0;
        for (uint32_t u = group->first; u < group->first + group->count; u++) {
            MU_ASSERT(!choosing->kept[u] || !held || held[u]);
            count += choosing->kept[u];
            if (!held || held[u])
                choosing->inner[next++] = choosing->kept[u];
        }
        MU_ASSERT(count == choosing->counts[g]);
        everything &= count == choosing->has[g];
    }
    return everything;
}

static mu_status plan_in_block(mu_training *t, mu_error *err)
{
    mu_trainer *trainer = t->trainer;
    const mu_step_config config = mu_plan_step_config(t->plan);
    mu_arena arena = mu_arena_over(trainer->block, trainer->block_bytes);
    mu_status status = mu_step_plan(mu_submodel_model(trainer->choosing.part), &config, &arena, &trainer->choosing.step, err);
    if (status)
        return status;
    note_peak(trainer, arena.used_bytes);
    return MU_OK;
}

/* Most parts fit where an earlier one was. */
static mu_status plan_step(mu_training *t, mu_error *err)
{
    mu_trainer *trainer = t->trainer;
    if (trainer->block && plan_in_block(t, NULL) == MU_OK)
        return MU_OK;
    const mu_step_config config = mu_plan_step_config(t->plan);
    mu_arena arena = mu_arena_measuring();
    mu_status status = mu_step_plan(mu_submodel_model(trainer->choosing.part), &config, &arena, &trainer->choosing.step, err);
    if (!status)
        status = mu_trainer_grow(trainer, arena.used_bytes, err);
    return status ? status : plan_in_block(t, err);
}

/* Relative to the whole model, of which the held network may be a part. */
static const float *part_factors(mu_training *t)
{
    if (!t->manner.scaled)
        return NULL;
    mu_choosing *choosing = &t->trainer->choosing;
    const mu_model *whole = t->trainer->model, *part = mu_submodel_model(choosing->part);
    mu_submodel_factors(choosing->part, choosing->factors);
    for (uint32_t i = 0; i < whole->node_count; i++)
        if (choosing->factors[i] != 1.0f || (t->factors && t->factors[i] != 1.0f))
            choosing->factors[i] = (float)((double)whole->nodes[i].output.channels / part->nodes[i].output.channels);
    return choosing->factors;
}

/* ---- training it ---- */

/* The method's look at the gradient that is about to be taken: of the mini-batch's part, or, where it is to teach, of all that the plan has. */
static void show_gradient(mu_training *t, mu_step *step, const mu_model *model)
{
    if (!t->how->gradient)
        return;
    mu_step_view view = t->view;
    view.model = model;
    view.params = mu_step_state(step);
    view.gradient = mu_step_gradients(step);
    view.count = mu_model_param_count(model);
    if (model != t->trainer->trained)
        view.round_start = NULL;
    t->how->gradient(t->local->state, &view);
}

static mu_step_result learn(mu_training *t, const mu_choice *choice, const uint32_t *indices, uint32_t count)
{
    mu_choosing *choosing = &t->trainer->choosing;
    mu_step *step = choosing->step;
    mu_training_find_classes(t, step);
    mu_submodel_gather(choosing->part, MU_EXTENT_STATE, choosing->state, mu_step_state(step));
    for (uint32_t i = 0; i < 2 && choosing->moments[i]; i++)
        mu_submodel_gather(choosing->part, MU_EXTENT_PARAMS, choosing->moments[i], mu_step_moment(step, i));
    mu_step_set_progress(step, choosing->progress);
    mu_step_use_statistics(step, choice->statistics);
    t->examples->read(t->examples->self, indices, count, mu_step_input(step), mu_step_labels(step));
    const mu_step_manner manner = { .held = t->classes, .factors = part_factors(t) };
    mu_step_result result = mu_step_gradient_as(step, &manner, count, &t->dropout);
    show_gradient(t, step, mu_submodel_model(choosing->part));
    mu_step_update(step, t->plan->learning_rate);
    choosing->progress = mu_step_get_progress(step);
    mu_submodel_scatter(choosing->part, MU_EXTENT_STATE, mu_step_state(step), choosing->state);
    for (uint32_t i = 0; i < 2 && choosing->moments[i]; i++)
        mu_submodel_scatter(choosing->part, MU_EXTENT_PARAMS, mu_step_moment(step, i), choosing->moments[i]);
    return result;
}

/* The part's gradient into the held network's, whose forward pass was just made; the part's statistics beside it. */
static void learn_from(mu_training *t, mu_step *teacher, const mu_choice *choice, uint32_t count)
{
    mu_choosing *choosing = &t->trainer->choosing;
    mu_step *step = choosing->step;
    mu_submodel_gather(choosing->part, MU_EXTENT_STATE, mu_step_state(teacher), mu_step_state(step));
    mu_step_use_statistics(step, choice->statistics);
    const mu_step_manner manner = { .held = t->classes, .factors = part_factors(t), .teacher = mu_step_logits(teacher),
                                    .label_weight = t->manner.label_weight, .teacher_weight = t->manner.teacher_weight,
                                    .temperature = t->manner.temperature };
    mu_step_gradient_as(step, &manner, count, &t->dropout);
    mu_submodel_add(choosing->part, MU_EXTENT_PARAMS, 1.0f, mu_step_gradients(step), mu_step_gradients(teacher));
    mu_submodel_scatter(choosing->part, MU_EXTENT_STATISTICS, mu_step_state(step), mu_step_state(teacher));
}

/* `part`: of the choice, or it is everything and there is nobody to teach. */
static mu_step_result teach(mu_training *t, const mu_choice *choice, bool everything, const uint32_t *indices, uint32_t count)
{
    mu_step *teacher = t->trainer->choosing.teacher, *step = t->trainer->choosing.step;
    const mu_model *model = t->trainer->trained;
    mu_training_find_classes(t, teacher);
    mu_step_use_statistics(teacher, choice->plan_statistics);
    t->examples->read(t->examples->self, indices, count, mu_step_input(teacher), mu_step_labels(teacher));
    if (!everything) { /* the same examples, which are read but once */
        const mu_shape shape = mu_model_input(model);
        memcpy(mu_step_input(step), mu_step_input(teacher), (size_t)count * shape.height * shape.width * shape.channels * sizeof(float));
        memcpy(mu_step_labels(step), mu_step_labels(teacher), (size_t)count * mu_model_targets(model) * sizeof(int32_t));
    }
    const mu_step_manner manner = { .held = t->classes, .factors = t->factors };
    mu_step_result result = mu_step_gradient_as(teacher, &manner, count, &t->dropout);
    if (!everything)
        learn_from(t, teacher, choice, count);
    show_gradient(t, teacher, model);
    mu_step_update(teacher, t->plan->learning_rate);
    return result;
}

static void count_macs(mu_training *t, bool everything, uint32_t count)
{
    mu_choosing *choosing = &t->trainer->choosing;
    if (!is_paced(t))
        return;
    uint64_t macs = everything || choosing->teacher ? choosing->held_macs : 0;
    macs += everything ? 0 : macs_of(mu_submodel_model(choosing->part));
    choosing->done_macs += count * macs;
}

mu_status mu_choosing_batch(mu_training *t, const uint32_t *indices, uint32_t count, mu_step_result *result, mu_error *err)
{
    mu_choosing *choosing = &t->trainer->choosing;
    const mu_choice choice = ask(t, count);
    const bool everything = translate(t);
    mu_status status = mu_submodel_form(choosing->part, choosing->inner, err);
    if (!status && !(choosing->teacher && everything))
        status = plan_step(t, err);
    if (status)
        return status;
    *result = choosing->teacher ? teach(t, &choice, everything, indices, count) : learn(t, &choice, indices, count);
    count_macs(t, everything, count);
    return MU_OK;
}
