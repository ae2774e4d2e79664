/* The training step, running: forward, loss, backward, update. */
#include "nn/step.h"

#include <string.h>

float *mu_step_state(mu_step *step) { return step->state; }
float *mu_step_gradients(mu_step *step) { return step->gradients; }
float *mu_step_input(mu_step *step) { return step->input; }
int32_t *mu_step_labels(mu_step *step) { return step->labels; }
const float *mu_step_logits(const mu_step *step) { return step->logits; }

float *mu_step_moment(mu_step *step, uint32_t index) { return index == 0 ? step->first : index == 1 ? step->second : NULL; }
mu_step_progress mu_step_get_progress(const mu_step *step) { return step->progress; }
void mu_step_set_progress(mu_step *step, mu_step_progress progress) { step->progress = progress; }

void mu_step_use_statistics(mu_step *step, uint32_t set)
{
    const mu_model *model = step->model;
    MU_ASSERT(set < model->statistic_sets);
    float *statistics = step->state + set * mu_model_set_floats(model);
    for (uint32_t i = 0; i < model->node_count; i++)
        step->calls[i].statistics = step->late_calls[i].statistics = statistics + model->nodes[i].statistic_offset;
}

void mu_step_reset(mu_step *step)
{
    const size_t bytes = step->model->trainable_count * sizeof(float);
    step->progress = (mu_step_progress){ .power1 = 1, .power2 = 1 };
    if (step->first)
        memset(step->first, 0, bytes);
    if (step->second)
        memset(step->second, 0, bytes);
}

/* What the plan knows nothing of: the loss, and factors of outputs. */
typedef struct manner {
    mu_loss      loss;
    const float *factors; /* of each node, or NULL */
} manner;

/* Outputs and their gradients are multiplied where they lie. */
static void apply_factor(const mu_layer_call *call, const mu_pass *pass, const float *factor, float *values)
{
    if (!factor || *factor == 1.0f)
        return;
    MU_ASSERT(*factor > 0 && call->node->layer->takes_factor);
    call->kernels->scale(pass->count * mu_shape_size(call->node->output), *factor, values);
}

static void forward_node(const mu_layer_call *call, const mu_pass *pass, const float *factor)
{
    call->node->layer->forward(call, pass);
    apply_factor(call, pass, factor, call->y);
}

static void run_forward(mu_step *step, const mu_pass *pass, const float *factors)
{
    for (uint32_t i = 0; i < step->model->node_count; i++)
        if (!step->calls[i].node->view)
            forward_node(&step->calls[i], pass, factors ? &factors[i] : NULL);
}

/* A view's two gradients lie at one address, unless somebody else has written to the input's before. */
static void view_backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_layer_input *input = &call->inputs[0];
    mu_shape shape = call->node->output;
    if (input->dx && input->dx != call->dy)
        call->kernels->copy(mu_pixels(pass->count, shape), call->dy, shape.channels, input->dx, input->accumulate);
}

static void run_backward(mu_step *step, mu_pass pass, const float *factors)
{
    const mu_again *again = step->again, *again_end = again + step->again_count;
    for (uint32_t i = step->model->node_count; i-- > 0;) {
        const mu_layer_call *call = &step->late_calls[i];
        if (!call->node->needs_gradient)
            continue;
        pass.again = true;
        for (; again < again_end && again->before == i; again++)
            forward_node(&step->late_calls[again->node], &pass, factors ? &factors[again->node] : NULL);
        pass.again = false;
        if (call->node->view) {
            view_backward(call, &pass);
            continue;
        }
        apply_factor(call, &pass, factors ? &factors[i] : NULL, call->dy);
        call->node->layer->backward(call, &pass);
    }
}

/* The loss of one part of the batch, added to `result` example by example: so the sum does not depend on the parts. */
static void run_loss(mu_step *step, const mu_pass *pass, mu_loss loss, float *dlogits, mu_step_result *result)
{
    const uint32_t classes = step->model->classes;
    const size_t   targets = mu_model_targets(step->model), predictions = pass->count * targets;
    const int32_t *labels = step->labels + pass->first * targets;
    for (size_t i = 0; i < predictions; i++)
        MU_ASSERT(labels[i] >= 0 && (uint32_t)labels[i] < classes);
    loss.classes = classes;
    loss.stride = classes;
    loss.gradient_scale = 1.0f / (float)(pass->whole * targets);
    if (loss.teacher)
        loss.teacher += pass->first * targets * classes;
    step->kernels->softmax_cross_entropy(&loss, predictions, step->part_logits, labels, dlogits, step->losses, step->correct);
    for (size_t i = 0; i < predictions; i++) {
        result->loss_sum += (double)step->losses[i];
        result->squared_loss_sum += (double)step->losses[i] * (double)step->losses[i];
        result->correct += step->correct[i];
    }
    if (step->part_logits != step->logits)
        memcpy(step->logits + pass->first * targets * classes, step->part_logits, predictions * classes * sizeof(float));
}

/* The batch goes through the network in parts of micro_batch examples, most often one. */
static mu_step_result run_batch(mu_step *step, uint32_t count, mu_pass pass, const manner *how)
{
    MU_ASSERT(count >= 1 && count <= step->config.batch_size);
    const size_t example = mu_shape_size(step->model->input);
    mu_step_result result = { 0 };
    pass.whole = count;
    for (; pass.first < count; pass.first += step->micro_batch) {
        uint32_t left = count - pass.first;
        pass.count = left < step->micro_batch ? left : step->micro_batch;
        if (step->part_input != step->input)
            memcpy(step->part_input, step->input + pass.first * example, pass.count * example * sizeof(float));
        run_forward(step, &pass, how->factors);
        run_loss(step, &pass, how->loss, pass.training ? step->dlogits : NULL, &result);
        if (pass.training)
            run_backward(step, pass, how->factors);
    }
    return result;
}

mu_step_result mu_step_gradient_as(mu_step *step, const mu_step_manner *asked, uint32_t count, mu_random *dropout)
{
    MU_ASSERT(step->config.training);
    manner how = { .loss = { .held = asked->held, .teacher = asked->teacher }, .factors = asked->factors };
    if (asked->teacher) {
        MU_ASSERT(asked->label_weight >= 0 && asked->teacher_weight >= 0 && asked->temperature > 0);
        how.loss.label_weight = (float)asked->label_weight;
        how.loss.teacher_weight = (float)asked->teacher_weight;
        how.loss.inverse_temperature = (float)(1 / asked->temperature);
    }
    mu_step_result result = run_batch(step, count, (mu_pass){ .training = true, .dropout = dropout }, &how);
    if (dropout)
        mu_random_skip(dropout, (uint64_t)count * step->draws);
    return result;
}

mu_step_result mu_step_gradient(mu_step *step, uint32_t count, mu_random *dropout)
{
    return mu_step_gradient_as(step, &(mu_step_manner){ 0 }, count, dropout);
}

mu_step_result mu_step_evaluate_held(mu_step *step, const bool *held, uint32_t count)
{
    return run_batch(step, count, (mu_pass){ 0 }, &(manner){ .loss = { .held = held } });
}

mu_step_result mu_step_evaluate(mu_step *step, uint32_t count)
{
    return mu_step_evaluate_held(step, NULL, count);
}

void mu_step_statistics(mu_step *step, uint32_t count, double share)
{
    MU_ASSERT(step->config.training && share > 0 && share <= 1 && count >= 1 && count <= step->config.batch_size);
    if (step->model->state_count == step->model->trainable_count)
        return;
    MU_ASSERT(step->micro_batch == step->config.batch_size); /* a batch norm keeps the batch together */
    run_forward(step, &(mu_pass){ .count = count, .whole = count, .share = (float)share }, NULL);
}

static void update_sgd(mu_step *step, double learning_rate)
{
    const mu_step_config *config = &step->config;
    mu_sgd sgd = { .learning_rate = (float)learning_rate,
                   .momentum = (float)config->momentum,
                   .weight_decay = (float)config->weight_decay,
                   .dampening = (float)config->dampening,
                   .nesterov = config->nesterov,
                   .first_step = step->progress.updates == 0 };
    step->kernels->sgd(&sgd, step->model->trainable_count, step->gradients, step->first, step->state);
}

static void update_adam(mu_step *step, double learning_rate)
{
    const mu_step_config *config = &step->config;
    step->progress.power1 *= config->beta1;
    step->progress.power2 *= config->beta2;
    mu_adam adam = { .learning_rate = learning_rate, .beta1 = config->beta1, .beta2 = config->beta2, .epsilon = config->epsilon,
                     .weight_decay = config->weight_decay, .decoupled = config->optimizer == MU_OPTIMIZER_ADAMW,
                     .correction1 = 1 - step->progress.power1, .correction2 = 1 - step->progress.power2 };
    step->kernels->adam(&adam, step->model->trainable_count, step->gradients, step->first, step->second, step->state);
}

void mu_step_update(mu_step *step, double learning_rate)
{
    MU_ASSERT(step->config.training);
    if (step->config.optimizer == MU_OPTIMIZER_SGD)
        update_sgd(step, learning_rate);
    else
        update_adam(step, learning_rate);
    step->progress.updates++;
}
