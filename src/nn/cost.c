/* What a training step costs, layer by layer. Counted from the same `needs` that the step plan is made from. */
#include "nn/cost.h"

uint64_t mu_cost_forward_macs(const mu_node *node, uint32_t batch)
{
    return node->layer->macs ? batch * node->layer->macs(node) : 0;
}

/* The weight gradient and the input gradient each take the multiplications of the forward pass once more; the first layer computes no
 * input gradient, but a recurrent one still that of its state. */
static uint64_t backward_macs(const mu_model *model, const mu_node *node, uint32_t batch)
{
    uint64_t macs = node->param_count ? mu_cost_forward_macs(node, batch) : 0;
    if (mu_value_needs_gradient(model, node->inputs[0].value))
        macs += mu_cost_forward_macs(node, batch);
    else if (node->layer->state_macs)
        macs += batch * node->layer->state_macs(node);
    return macs;
}

static uint64_t shape_bytes(mu_shape shape, uint32_t batch)
{
    return sizeof(float) * (uint64_t)batch * mu_shape_size(shape);
}

static uint64_t input_bytes(const mu_node *node, uint32_t batch)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < node->input_count; i++)
        bytes += shape_bytes(node->inputs[i].shape, batch);
    return bytes;
}

/* Read the inputs and weights, write the output and what is saved. A view moves nothing. */
mu_work_done mu_cost_forward(const mu_node *node, uint32_t batch, const mu_layer_needs *needs)
{
    if (node->view)
        return (mu_work_done){ 0 };
    const uint64_t weights = sizeof(float) * (uint64_t)(node->param_count + node->statistic_count);
    return (mu_work_done){ .macs = mu_cost_forward_macs(node, batch),
                           .moved_bytes = input_bytes(node, batch) + weights + shape_bytes(node->output, batch) + needs->saved_bytes };
}

/* Backward: read the output's gradient, what was kept and the weights, write gradients. */
static mu_work_done backward_work(const mu_model *model, const mu_node *node, uint32_t batch, const mu_layer_needs *needs)
{
    if (node->view || !node->needs_gradient)
        return (mu_work_done){ 0 };
    const uint64_t trained = sizeof(float) * (uint64_t)node->param_count, output = shape_bytes(node->output, batch);
    uint64_t moved = output + needs->saved_bytes + trained + trained;
    for (uint32_t i = 0; i < node->input_count; i++)
        if (mu_value_needs_gradient(model, node->inputs[i].value))
            moved += shape_bytes(node->inputs[i].shape, batch);
    moved += (needs->input_in_backward ? input_bytes(node, batch) : 0) + (needs->output_in_backward ? output : 0);
    return (mu_work_done){ .macs = backward_macs(model, node, batch), .moved_bytes = moved };
}

uint64_t mu_cost_weight_bytes(const mu_model *model, uint32_t index, bool training)
{
    const mu_node *node = &model->nodes[index];
    const uint64_t weights = sizeof(float) * (uint64_t)node->param_count;
    uint64_t uses = training ? 3 + (mu_value_needs_gradient(model, node->inputs[0].value) ? 1 : 0) : 1;
    return uses * weights;
}

static mu_layer_needs needs_of(const mu_node *node, uint32_t batch, bool training)
{
    mu_layer_needs needs = { 0 };
    if (!node->view && node->layer->needs)
        node->layer->needs(node, mu_kernels_plain(), batch, training, &needs);
    return needs;
}

/* Update (plain SGD): read weight and gradient, write the weight. */
static uint64_t update_bytes(const mu_node *node)
{
    return 3 * sizeof(float) * (uint64_t)node->param_count;
}

mu_work_done mu_cost_step(const mu_model *model, uint32_t batch, bool training)
{
    mu_work_done sum = { 0 };
    for (uint32_t i = 0; i < model->node_count; i++) {
        const mu_node *node = &model->nodes[i];
        mu_layer_needs needs = needs_of(node, batch, training);
        mu_work_done forward = mu_cost_forward(node, batch, &needs), backward = { 0 };
        if (training) {
            backward = backward_work(model, node, batch, &needs);
            backward.moved_bytes += update_bytes(node);
        }
        sum.macs += forward.macs + backward.macs;
        sum.moved_bytes += forward.moved_bytes + backward.moved_bytes;
    }
    return sum;
}

size_t mu_model_layer_count(const mu_model *model)
{
    return model->node_count;
}

void mu_model_layer(const mu_model *model, size_t index, uint32_t batch_size, mu_layer_info *out)
{
    MU_ASSERT(index < model->node_count);
    const mu_node *node = &model->nodes[index];
    *out = (mu_layer_info){ .name = node->name, .kind = node->layer->kind, .output = node->output };
    if (node->view)
        return;
    const mu_layer_needs needs = needs_of(node, batch_size, true);
    const mu_work_done forward = mu_cost_forward(node, batch_size, &needs), backward = backward_work(model, node, batch_size, &needs);
    out->cost = (mu_cost){
        .macs_forward = forward.macs,
        .macs_backward = backward.macs,
        .param_bytes = sizeof(float) * (uint64_t)(node->param_count + node->statistic_count),
        .activation_bytes = shape_bytes(node->output, batch_size) + needs.saved_bytes,
        .moved_bytes = forward.moved_bytes + backward.moved_bytes + update_bytes(node),
    };
}

mu_cost mu_model_cost(const mu_model *model, uint32_t batch_size)
{
    mu_cost sum = { 0 };
    for (size_t i = 0; i < model->node_count; i++) {
        mu_layer_info layer;
        mu_model_layer(model, i, batch_size, &layer);
        sum.macs_forward += layer.cost.macs_forward;
        sum.macs_backward += layer.cost.macs_backward;
        sum.param_bytes += layer.cost.param_bytes;
        sum.activation_bytes += layer.cost.activation_bytes;
        sum.moved_bytes += layer.cost.moved_bytes;
    }
    return sum;
}

uint64_t mu_model_macs_forward(const mu_model *model, uint32_t batch_size)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < model->node_count; i++)
        sum += mu_cost_forward_macs(&model->nodes[i], batch_size);
    return sum;
}
