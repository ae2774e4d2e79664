/* What a training step costs, layer by layer. Counted from the same `needs` that the step plan is made from. */
#include "nn/graph.h"

static uint64_t forward_macs(const mu_node *node, uint32_t batch)
{
    return node->layer->macs ? batch * node->layer->macs(node) : 0;
}

/* The weight gradient and the input gradient each take the multiplications of the forward pass once more; the first layer computes no
 * input gradient. */
static uint64_t backward_macs(const mu_model *model, const mu_node *node, uint32_t batch)
{
    uint64_t passes = (node->param_count ? 1 : 0) + (mu_value_needs_gradient(model, node->inputs[0].value) ? 1 : 0);
    return passes * forward_macs(node, batch);
}

/* Forward: read the inputs and weights, write the output and what is saved. Backward: read the output's gradient, what was kept and the
 * weights, write gradients. Update (plain SGD): read weight and gradient, write the weight. A view moves nothing. */
static uint64_t moved_bytes(const mu_model *model, const mu_node *node, uint32_t batch, const mu_layer_needs *needs)
{
    const uint64_t weights = sizeof(float) * (uint64_t)(node->param_count + node->statistic_count);
    const uint64_t trained = sizeof(float) * (uint64_t)node->param_count;
    const uint64_t output = sizeof(float) * (uint64_t)batch * mu_shape_size(node->output);
    uint64_t input = 0, input_gradient = 0;
    for (uint32_t i = 0; i < node->input_count; i++) {
        uint64_t bytes = sizeof(float) * (uint64_t)batch * mu_shape_size(node->inputs[i].shape);
        input += bytes;
        if (mu_value_needs_gradient(model, node->inputs[i].value))
            input_gradient += bytes;
    }
    uint64_t moved = input + weights + output + needs->saved_bytes;
    if (node->needs_gradient) {
        moved += output + needs->saved_bytes + trained + trained + input_gradient;
        moved += (needs->input_in_backward ? input : 0) + (needs->output_in_backward ? output : 0);
    }
    return moved + 3 * trained;
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
    mu_layer_needs needs = { 0 };
    if (node->layer->needs)
        node->layer->needs(node, mu_kernels_plain(), batch_size, true, &needs);
    out->cost = (mu_cost){
        .macs_forward = forward_macs(node, batch_size),
        .macs_backward = backward_macs(model, node, batch_size),
        .param_bytes = sizeof(float) * (uint64_t)(node->param_count + node->statistic_count),
        .activation_bytes = sizeof(float) * (uint64_t)batch_size * mu_shape_size(node->output) + needs.saved_bytes,
        .moved_bytes = moved_bytes(model, node, batch_size, &needs),
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
        sum += forward_macs(&model->nodes[i], batch_size);
    return sum;
}
