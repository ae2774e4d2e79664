/* The plan of a training step: all of its memory from one arena, settled before it runs. */
#include "nn/step.h"

#include "base/limits.h"
#include "nn/cost.h"

#include <string.h>

mu_step_config mu_step_config_default(void)
{
    return (mu_step_config){ .batch_size = 32, .training = true, .optimizer = MU_OPTIMIZER_SGD, .beta1 = 0.9, .beta2 = 0.999,
                             .epsilon = 1e-8 };
}

static bool within(double value, double low, double high)
{
    return value >= low && value <= high; /* and so not NaN */
}

static mu_status check_config(const mu_model *model, const mu_step_config *config, mu_error *err)
{
    if (config->batch_size < 1 || config->batch_size > MU_LIMIT_BATCH)
        return mu_error_set(err, MU_E_RANGE, "batch size %u, expected 1 to %u", config->batch_size, MU_LIMIT_BATCH);
    if (!within(config->momentum, 0, 1) || !within(config->dampening, 0, 1))
        return mu_error_set(err, MU_E_RANGE, "momentum %g, dampening %g: expected 0 to 1", config->momentum, config->dampening);
    if (!within(config->weight_decay, 0, 1e6) || !within(config->epsilon, 0, 1))
        return mu_error_set(err, MU_E_RANGE, "weight decay %g, epsilon %g: expected 0 to 1e6 and 0 to 1", config->weight_decay,
                            config->epsilon);
    if (!within(config->beta1, 0, 0.9999999) || !within(config->beta2, 0, 0.9999999))
        return mu_error_set(err, MU_E_RANGE, "beta1 %g, beta2 %g: expected 0 to below 1", config->beta1, config->beta2);
    if (config->optimizer == MU_OPTIMIZER_SGD && config->nesterov && (config->momentum == 0 || config->dampening != 0))
        return mu_error_set(err, MU_E_RANGE, "Nesterov momentum needs a momentum above 0 and no dampening; they are %g and %g",
                            config->momentum, config->dampening);
    /* Every buffer is of the order of one value of one batch, and there are a few for each value: with this, no size and no sum of sizes can
     * overflow, not even where an address has 32 bits. */
    size_t left = SIZE_MAX / 64 / config->batch_size;
    for (uint32_t v = 0; v < mu_value_count(model); v++) {
        size_t size = mu_shape_size(mu_value_shape(model, v));
        if (size > left)
            return mu_error_set(err, MU_E_MEMORY, "a batch of %u examples of model '%s' is more than this processor can address",
                                config->batch_size, model->name);
        left -= size;
    }
    return MU_OK;
}

/* Everything that a step consists of, in one order, from a counting arena or a real one. */
typedef struct pieces {
    mu_step        *step;
    mu_layer_call  *calls, *late_calls;
    mu_layer_input *inputs, *late_inputs;
    mu_again       *again;
    float          *state, *gradients, *first, *second, *input, *logits;
    int32_t        *labels;
} pieces;

/* All but what is leased. The input and the logits of a whole batch have leases, where it passes through the network at once. */
static pieces take_pieces(const mu_step_config *config, const mu_memory_plan *plan, mu_arena *arena)
{
    const mu_model *model = plan->model;
    const size_t    predictions = (size_t)config->batch_size * mu_model_targets(model);
    pieces p = { 0 };
    p.step = mu_arena_take(arena, 1, sizeof *p.step);
    p.calls = p.late_calls = mu_arena_take(arena, model->node_count, sizeof *p.calls);
    p.inputs = p.late_inputs = mu_arena_take(arena, plan->input_count, sizeof *p.inputs);
    if (plan->again_count) {
        p.late_calls = mu_arena_take(arena, model->node_count, sizeof *p.late_calls);
        p.late_inputs = mu_arena_take(arena, plan->input_count, sizeof *p.late_inputs);
        p.again = mu_arena_take(arena, plan->again_count, sizeof *p.again);
    }
    p.state = mu_arena_take(arena, model->state_count, sizeof(float));
    if (config->training)
        p.gradients = mu_arena_take(arena, model->trainable_count, sizeof(float));
    if (mu_step_moment_count(config) > 0)
        p.first = mu_arena_take(arena, model->trainable_count, sizeof(float));
    if (mu_step_moment_count(config) > 1)
        p.second = mu_arena_take(arena, model->trainable_count, sizeof(float));
    if (!plan->request.whole) {
        p.input = mu_arena_take(arena, config->batch_size * mu_shape_size(model->input), sizeof(float));
        p.logits = mu_arena_take(arena, predictions * model->classes, sizeof(float));
    }
    p.labels = mu_arena_take(arena, predictions, sizeof(int32_t));
    return p;
}

size_t mu_step_lasting_bytes(const mu_step_config *config, const mu_memory_plan *plan)
{
    mu_arena counting = mu_arena_measuring();
    take_pieces(config, plan, &counting);
    return counting.overflowed ? SIZE_MAX : counting.used_bytes;
}

/* ---- binding: the plan's leases become addresses ---- */

typedef struct binding {
    const mu_memory_plan *plan;
    const pieces         *pieces;
    unsigned char        *leased;
} binding;

static void *place_of(const binding *b, uint32_t lease)
{
    return lease == MU_LEASE_NONE ? NULL : b->leased + b->plan->leases[lease].offset;
}

/* An output as the forward pass leaves it, or (`late`) as the backward pass finds it. */
static void *output_of(const binding *b, uint32_t value, bool late)
{
    return place_of(b, late ? mu_memory_plan_late(b->plan, value) : b->plan->outputs[b->plan->root[value]]);
}

static void bind_nodes(const binding *b, bool late)
{
    const mu_model *model = b->plan->model;
    const pieces   *p = b->pieces;
    size_t edge = 0, draws = 0;
    for (uint32_t i = 0; i < model->node_count; i++) {
        const mu_node *node = &model->nodes[i];
        const mu_node_leases *leases = &b->plan->nodes[i];
        bool again = late && b->plan->again_time[i];
        mu_layer_input *inputs = (late ? p->late_inputs : p->inputs) + edge;
        for (uint32_t k = 0; k < node->input_count; k++) {
            uint32_t value = node->inputs[k].value;
            inputs[k] = (mu_layer_input){ .x = output_of(b, value, late), .dx = place_of(b, b->plan->gradients[value]),
                                          .accumulate = b->plan->accumulate[edge + k] };
        }
        (late ? p->late_calls : p->calls)[i] = (mu_layer_call){
            .node = node, .kernels = b->plan->request.kernels, .inputs = inputs, .y = output_of(b, i + 1, late),
            .dy = place_of(b, b->plan->gradients[i + 1]), .params = p->state + node->param_offset,
            .gradients = p->gradients ? p->gradients + node->param_offset : NULL, .statistics = p->state + node->statistic_offset,
            .saved = place_of(b, again && leases->saved_again != MU_LEASE_NONE ? leases->saved_again : leases->saved),
            .forward_work = place_of(b, again ? leases->work_again : leases->forward_work),
            .backward_work = place_of(b, leases->backward_work), .earlier_draws = draws,
        };
        edge += node->input_count;
        draws += b->plan->needs[i].draws;
    }
}

static mu_step *bind_step(const mu_step_config *config, const mu_memory_plan *plan, const pieces *p, unsigned char *leased)
{
    const binding b = { .plan = plan, .pieces = p, .leased = leased };
    const uint32_t last = plan->model->node_count;
    bind_nodes(&b, false);
    if (plan->again_count) {
        bind_nodes(&b, true);
        memcpy(p->again, plan->again, plan->again_count * sizeof *p->again);
    }
    float *part_input = output_of(&b, 0, false), *part_logits = output_of(&b, last, false);
    *p->step = (mu_step){
        .model = plan->model, .kernels = plan->request.kernels, .config = *config, .micro_batch = plan->request.batch,
        .calls = p->calls, .late_calls = p->late_calls, .again = p->again, .again_count = plan->again_count,
        .state = p->state, .gradients = p->gradients, .first = p->first, .second = p->second, .labels = p->labels,
        .input = p->input ? p->input : part_input, .logits = p->logits ? p->logits : part_logits,
        .part_input = part_input, .part_logits = part_logits, .dlogits = place_of(&b, plan->gradients[last]),
        .losses = place_of(&b, plan->losses), .correct = place_of(&b, plan->correct),
    };
    for (uint32_t i = 0; i < last; i++)
        p->step->draws += plan->needs[i].draws;
    mu_step_reset(p->step);
    return p->step;
}

/* ---- planning ---- */

/* Where the planner works: the end of the arena's memory, where nothing that is bound can reach; or a block of its own, while
 * measuring, or where the step is too small for that. So planning anew for a submodel of every mini-batch allocates nothing. */
static mu_status find_room(const mu_model *model, const mu_step_config *config, const mu_arena *arena, mu_store *store,
                           mu_memory_schedule *out, mu_error *err)
{
    const size_t alignment = MU_ARENA_ALIGNMENT_BYTES;
    mu_arena counting = mu_arena_measuring();
    mu_memory_schedule_take(out, model, &counting);
    size_t room_bytes = counting.used_bytes, free_bytes = 0;
    if (arena->memory) {
        /* Bound at most: everything twice, for a batch in parts. */
        mu_memory_plan largest = out->plan;
        largest.again_count = model->node_count;
        size_t bound_bytes = mu_step_lasting_bytes(config, &largest), there_bytes = arena->capacity_bytes - arena->used_bytes;
        free_bytes = there_bytes > bound_bytes ? there_bytes - bound_bytes : 0;
    }
    unsigned char *room;
    if (free_bytes >= room_bytes + alignment) {
        size_t at = arena->capacity_bytes - room_bytes;
        room = arena->memory + at - at % alignment;
    } else {
        room = counting.overflowed ? NULL : mu_store_take(store, room_bytes + alignment, 1);
        if (!room)
            return mu_error_set(err, MU_E_MEMORY, "no memory to plan a step of model '%s'", model->name);
        room += (alignment - (uintptr_t)room % alignment) % alignment;
    }
    mu_arena over = mu_arena_over(room, room_bytes);
    mu_memory_schedule_take(out, model, &over);
    return MU_OK;
}

static mu_status settle(const mu_model *model, const mu_step_config *config, const mu_memory_wish *wish, const mu_arena *arena, mu_store *store,
                        mu_memory_schedule *out, mu_error *err)
{
    mu_status status = check_config(model, config, err);
    if (!status)
        status = find_room(model, config, arena, store, out, err);
    return status ? status : mu_memory_schedule_settle(out, config, wish, err);
}

mu_status mu_step_plan_as(const mu_model *model, const mu_step_config *config, const mu_memory_wish *wish, mu_arena *arena, mu_step **out,
                          mu_error *err)
{
    mu_store store = { 0 };
    mu_memory_schedule schedule = { 0 };
    mu_status status = settle(model, config, wish, arena, &store, &schedule, err);
    if (!status) {
        size_t there_bytes = arena->capacity_bytes - arena->used_bytes;
        pieces taken = take_pieces(config, &schedule.plan, arena);
        unsigned char *leased = mu_arena_take(arena, schedule.lease_bytes, 1);
        if (arena->overflowed)
            status = mu_error_set(err, MU_E_MEMORY, "a step of model '%s' with batch size %u takes %zu bytes, there are %zu", model->name,
                                  config->batch_size, schedule.total_bytes, there_bytes);
        else
            *out = arena->memory ? bind_step(config, &schedule.plan, &taken, leased) : NULL;
    }
    mu_store_release(&store);
    return status;
}

mu_status mu_step_plan(const mu_model *model, const mu_step_config *config, mu_arena *arena, mu_step **out, mu_error *err)
{
    return mu_step_plan_as(model, config, NULL, arena, out, err);
}

mu_status mu_step_schedule_find(const mu_model *model, const mu_step_config *config, mu_step_schedule *out, bool *recomputed, mu_error *err)
{
    mu_store store = { 0 };
    mu_memory_schedule schedule = { 0 };
    const mu_arena nowhere = mu_arena_measuring();
    mu_status status = settle(model, config, NULL, &nowhere, &store, &schedule, err);
    *out = (mu_step_schedule){ .peak_bytes = schedule.total_bytes };
    if (!status) {
        const mu_work_done extra = { .macs = schedule.extra_macs, .moved_bytes = schedule.extra_moved_bytes };
        double whole = (double)mu_cost_of_work(mu_cost_step(model, config->batch_size, config->training));
        *out = (mu_step_schedule){
            .micro_batch = schedule.micro_batch, .recomputed = schedule.plan.again_count, .extra_macs = extra.macs,
            .extra_moved_bytes = extra.moved_bytes, .time_factor = 1 + (whole > 0 ? (double)mu_cost_of_work(extra) / whole : 0),
            .peak_bytes = schedule.total_bytes, .activation_bytes = schedule.lease_bytes,
        };
        for (uint32_t i = 0; recomputed && i < model->node_count; i++)
            recomputed[i] = schedule.plan.again_time[i] > 0;
    }
    mu_store_release(&store);
    return status;
}
