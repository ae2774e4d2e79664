/* What a training step is made of, by kind. Counted as the kernels do it, with whole vectors and Winograd's products, because this is for predicting their
 * time; mu_model_cost says what a model asks for, whoever computes it. */
#include "nn/work.h"

#include "nn/cost.h"

static const char *const names[] = {
    [MU_WORK_STEPS] = "steps", [MU_WORK_LAYERS] = "layers", [MU_WORK_DENSE] = "dense_macs", [MU_WORK_CONV] = "conv_macs",
    [MU_WORK_CONV_READS] = "conv_reads", [MU_WORK_WINOGRAD] = "winograd_macs", [MU_WORK_WINOGRAD_FLOATS] = "winograd_floats",
    [MU_WORK_DEPTHWISE] = "depthwise_macs", [MU_WORK_RECURRENT] = "recurrent_macs", [MU_WORK_GATES] = "gates", [MU_WORK_NORM] = "norm_floats",
    [MU_WORK_POOL] = "pool_floats", [MU_WORK_DROPOUT] = "dropout_floats", [MU_WORK_LOSS] = "loss_floats", [MU_WORK_MOVED] = "moved_floats",
    [MU_WORK_WEIGHTS] = "weight_floats", [MU_WORK_FAR] = "far_floats", [MU_WORK_FAR_WEIGHTS] = "far_weights",
};
_Static_assert(MU_COUNT(names) == MU_WORK_KIND_COUNT, "every kind of work has its name");

const char *mu_work_kind_name(mu_work_kind kind)
{
    return names[kind];
}

static void count_node(const mu_model *model, const mu_node *node, uint32_t batch, mu_step_work *work)
{
    const bool input_gradient = mu_value_needs_gradient(model, node->inputs[0].value);
    const uint64_t in = mu_work_floats(node->inputs[0].shape, batch, work->lanes), out = mu_work_floats(node->output, batch, work->lanes);
    work->of[MU_WORK_LAYERS]++;
    work->of[MU_WORK_WEIGHTS] += node->param_count;
    if (node->layer->work)
        node->layer->work(node, batch, input_gradient, work);
    if (node->layer->elementwise)
        work->of[node->layer->elementwise] += in > out ? in : out;
    else /* forward reads and writes; backward reads both again, and their gradients */
        work->of[MU_WORK_MOVED] += (input_gradient ? 3 : 2) * in + 3 * out;
}

mu_step_work mu_model_work(const mu_model *model, uint32_t batch_size, uint32_t lanes, uint64_t cache_bytes)
{
    mu_step_work work = { .lanes = lanes ? lanes : 1 };
    uint64_t kept = 0, cache = cache_bytes / sizeof(float);
    work.of[MU_WORK_STEPS] = 1;
    work.of[MU_WORK_LOSS] = (uint64_t)batch_size * mu_model_targets(model) * model->classes;
    for (uint32_t i = 0; i < model->node_count; i++) {
        if (model->nodes[i].view)
            continue;
        mu_layer_info layer;
        mu_model_layer(model, i, batch_size, &layer);
        kept += layer.cost.activation_bytes / sizeof(float);
        count_node(model, &model->nodes[i], batch_size, &work);
    }
    /* What is kept for the backward pass has left the cache by then, and weights by their next use, as far as all of the step does not fit into it. */
    const uint64_t weights = model->trainable_count, all = kept + 3 * weights;
    if (all > cache) {
        const double share = 1.0 - (double)cache / (double)all;
        work.of[MU_WORK_FAR] = (uint64_t)((double)kept * share);
        work.of[MU_WORK_FAR_WEIGHTS] = (uint64_t)((double)weights * share);
    }
    return work;
}
