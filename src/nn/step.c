/* The training step: all of its memory from one arena, settled before it runs; forward, loss, backward, update. */
#include "nn/step.h"

#include "base/limits.h"
#include "nn/memory_plan.h"

#include <string.h>

struct mu_step {
    const mu_model        *model;
    const mu_kernel_table *kernels;
    mu_step_config         config;
    mu_layer_call         *calls; /* of each node */
    float                 *state, *gradients;
    float                 *first, *second; /* SGD: velocity; Adam: both moments. NULL where there are none. */
    float                 *input, *dlogits, *losses;
    const float           *logits;
    int32_t               *labels;
    uint8_t               *correct;
    uint64_t               updates;      /* since the last reset */
    double                 power1, power2; /* beta1 and beta2 to the number of updates */
};

mu_step_config mu_step_config_default(void)
{
    return (mu_step_config){ .batch_size = 32, .training = true, .optimizer = MU_OPTIMIZER_SGD, .beta1 = 0.9, .beta2 = 0.999,
                             .epsilon = 1e-8 };
}

/* ---- planning ---- */

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
    /* Every buffer is of the order of one value of one batch: with this, no size can overflow. */
    size_t most = SIZE_MAX / 64 / config->batch_size;
    for (uint32_t v = 0; v < mu_value_count(model); v++)
        if (mu_shape_size(mu_value_shape(model, v)) > most)
            return mu_error_set(err, MU_E_MEMORY, "a batch of %u examples of model '%s' is more than this processor can address",
                                config->batch_size, model->name);
    return MU_OK;
}

/* Everything that a step consists of, in one order, from a counting arena or a real one. */
typedef struct pieces {
    mu_step        *step;
    mu_layer_call  *calls;
    mu_layer_input *inputs;
    float          *state, *gradients, *first, *second;
    int32_t        *labels;
    unsigned char  *shared;
} pieces;

static bool has_first(const mu_step_config *config)
{
    return config->training && (config->optimizer != MU_OPTIMIZER_SGD || config->momentum != 0);
}

static bool has_second(const mu_step_config *config)
{
    return config->training && config->optimizer != MU_OPTIMIZER_SGD;
}

static pieces take_pieces(const mu_model *model, const mu_step_config *config, const mu_memory_plan *plan, mu_arena *arena)
{
    pieces p = { 0 };
    p.step = mu_arena_take(arena, 1, sizeof *p.step);
    p.calls = mu_arena_take(arena, model->node_count, sizeof *p.calls);
    p.inputs = mu_arena_take(arena, plan->input_count, sizeof *p.inputs);
    p.state = mu_arena_take(arena, model->state_count, sizeof(float));
    if (config->training)
        p.gradients = mu_arena_take(arena, model->trainable_count, sizeof(float));
    if (has_first(config))
        p.first = mu_arena_take(arena, model->trainable_count, sizeof(float));
    if (has_second(config))
        p.second = mu_arena_take(arena, model->trainable_count, sizeof(float));
    p.labels = mu_arena_take(arena, config->batch_size, sizeof(int32_t));
    p.shared = mu_arena_take(arena, plan->total_bytes, 1);
    return p;
}

static const mu_kernel_table *kernels_of(const mu_step_config *config)
{
    return config->plain_kernels ? mu_kernels_plain() : mu_kernels();
}

static void *place_of(const mu_memory_plan *plan, unsigned char *shared, uint32_t lease)
{
    return lease == MU_LEASE_NONE ? NULL : shared + plan->leases[lease].offset;
}

static void bind_nodes(const mu_model *model, const mu_step_config *config, const mu_memory_plan *plan, const pieces *p)
{
    uint32_t edge = 0;
    for (uint32_t i = 0; i < model->node_count; i++) {
        const mu_node *node = &model->nodes[i];
        mu_layer_input *inputs = p->inputs + edge;
        for (uint32_t k = 0; k < node->input_count; k++) {
            uint32_t value = node->inputs[k].value;
            inputs[k] = (mu_layer_input){ .x = place_of(plan, p->shared, plan->outputs[value]),
                                          .dx = place_of(plan, p->shared, plan->gradients[value]),
                                          .accumulate = plan->accumulate[edge + k] };
        }
        p->calls[i] = (mu_layer_call){
            .node = node, .kernels = kernels_of(config), .inputs = inputs,
            .y = place_of(plan, p->shared, plan->outputs[i + 1]), .dy = place_of(plan, p->shared, plan->gradients[i + 1]),
            .params = p->state + node->param_offset, .gradients = p->gradients ? p->gradients + node->param_offset : NULL,
            .statistics = p->state + node->statistic_offset, .saved = place_of(plan, p->shared, plan->nodes[i].saved),
            .forward_work = place_of(plan, p->shared, plan->nodes[i].forward_work),
            .backward_work = place_of(plan, p->shared, plan->nodes[i].backward_work),
        };
        edge += node->input_count;
    }
}

static mu_step *bind_step(const mu_model *model, const mu_step_config *config, const mu_memory_plan *plan, const pieces *p)
{
    bind_nodes(model, config, plan, p);
    uint32_t last = model->node_count;
    *p->step = (mu_step){
        .model = model, .kernels = kernels_of(config), .config = *config, .calls = p->calls,
        .state = p->state, .gradients = p->gradients, .first = p->first, .second = p->second, .labels = p->labels,
        .input = place_of(plan, p->shared, plan->outputs[0]), .logits = place_of(plan, p->shared, plan->outputs[last]),
        .dlogits = place_of(plan, p->shared, plan->gradients[last]), .losses = place_of(plan, p->shared, plan->losses),
        .correct = place_of(plan, p->shared, plan->correct),
    };
    mu_step_reset(p->step);
    return p->step;
}

mu_status mu_step_plan_sharing(const mu_model *model, const mu_step_config *config, bool share, mu_arena *arena, mu_step **out,
                               mu_error *err)
{
    mu_status status = check_config(model, config, err);
    mu_memory_plan plan;
    if (!status)
        status = mu_memory_plan_make(model, kernels_of(config), config->batch_size, config->training, share, &plan, err);
    if (status)
        return status;
    size_t there_bytes = arena->capacity_bytes - arena->used_bytes;
    pieces taken = take_pieces(model, config, &plan, arena);
    if (arena->overflowed) {
        mu_arena counting = mu_arena_measuring();
        take_pieces(model, config, &plan, &counting);
        status = mu_error_set(err, MU_E_MEMORY, "a step of model '%s' with batch size %u takes %zu bytes, there are %zu", model->name,
                              config->batch_size, counting.used_bytes, there_bytes);
    } else
        *out = arena->memory ? bind_step(model, config, &plan, &taken) : NULL;
    mu_memory_plan_release(&plan);
    return status;
}

mu_status mu_step_plan(const mu_model *model, const mu_step_config *config, mu_arena *arena, mu_step **out, mu_error *err)
{
    return mu_step_plan_sharing(model, config, true, arena, out, err);
}

/* ---- running ---- */

float *mu_step_state(mu_step *step) { return step->state; }
float *mu_step_gradients(mu_step *step) { return step->gradients; }
float *mu_step_input(mu_step *step) { return step->input; }
int32_t *mu_step_labels(mu_step *step) { return step->labels; }
const float *mu_step_logits(const mu_step *step) { return step->logits; }

void mu_step_reset(mu_step *step)
{
    const size_t bytes = step->model->trainable_count * sizeof(float);
    step->updates = 0;
    step->power1 = step->power2 = 1;
    if (step->first)
        memset(step->first, 0, bytes);
    if (step->second)
        memset(step->second, 0, bytes);
}

static void run_forward(mu_step *step, const mu_pass *pass)
{
    for (uint32_t i = 0; i < step->model->node_count; i++)
        if (!step->calls[i].node->view)
            step->calls[i].node->layer->forward(&step->calls[i], pass);
}

/* A view's two gradients lie at one address, unless somebody else has written to the input's before. */
static void view_backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_layer_input *input = &call->inputs[0];
    mu_shape shape = call->node->output;
    if (input->dx && input->dx != call->dy)
        call->kernels->copy(mu_pixels(pass->count, shape), call->dy, shape.channels, input->dx, input->accumulate);
}

static void run_backward(mu_step *step, const mu_pass *pass)
{
    for (uint32_t i = step->model->node_count; i-- > 0;) {
        const mu_layer_call *call = &step->calls[i];
        if (!call->node->needs_gradient)
            continue;
        if (call->node->view)
            view_backward(call, pass);
        else
            call->node->layer->backward(call, pass);
    }
}

static mu_step_result run_loss(mu_step *step, uint32_t count, float *dlogits)
{
    const uint32_t classes = step->model->classes;
    mu_step_result result = { 0 };
    for (uint32_t i = 0; i < count; i++)
        MU_ASSERT(step->labels[i] >= 0 && (uint32_t)step->labels[i] < classes);
    step->kernels->softmax_cross_entropy(count, classes, classes, step->logits, step->labels, 1.0f / (float)count, dlogits,
                                         step->losses, step->correct);
    for (uint32_t i = 0; i < count; i++) {
        result.loss_sum += (double)step->losses[i];
        result.correct += step->correct[i];
    }
    return result;
}

mu_step_result mu_step_gradient(mu_step *step, uint32_t count, mu_random *dropout)
{
    MU_ASSERT(step->config.training && count >= 1 && count <= step->config.batch_size);
    mu_pass pass = { .count = count, .training = true, .dropout = dropout };
    run_forward(step, &pass);
    mu_step_result result = run_loss(step, count, step->dlogits);
    run_backward(step, &pass);
    return result;
}

mu_step_result mu_step_evaluate(mu_step *step, uint32_t count)
{
    MU_ASSERT(count >= 1 && count <= step->config.batch_size);
    mu_pass pass = { .count = count };
    run_forward(step, &pass);
    return run_loss(step, count, NULL);
}

static void update_sgd(mu_step *step, double learning_rate)
{
    const mu_step_config *config = &step->config;
    mu_sgd sgd = { .learning_rate = (float)learning_rate,
                   .momentum = (float)config->momentum,
                   .weight_decay = (float)config->weight_decay,
                   .dampening = (float)config->dampening,
                   .nesterov = config->nesterov,
                   .first_step = step->updates == 0 };
    step->kernels->sgd(&sgd, step->model->trainable_count, step->gradients, step->first, step->state);
}

static void update_adam(mu_step *step, double learning_rate)
{
    const mu_step_config *config = &step->config;
    step->power1 *= config->beta1;
    step->power2 *= config->beta2;
    mu_adam adam = { .learning_rate = learning_rate, .beta1 = config->beta1, .beta2 = config->beta2, .epsilon = config->epsilon,
                     .weight_decay = config->weight_decay, .decoupled = config->optimizer == MU_OPTIMIZER_ADAMW,
                     .correction1 = 1 - step->power1, .correction2 = 1 - step->power2 };
    step->kernels->adam(&adam, step->model->trainable_count, step->gradients, step->first, step->second, step->state);
}

void mu_step_update(mu_step *step, double learning_rate)
{
    MU_ASSERT(step->config.training);
    if (step->config.optimizer == MU_OPTIMIZER_SGD)
        update_sgd(step, learning_rate);
    else
        update_adam(step, learning_rate);
    step->updates++;
}
