/* What a training step is made of, by kind. Counted as the kernels do it, with whole vectors and Winograd's products, because this is for predicting their
 * time; mu_model_cost says what a model asks for, whoever computes it. */
#include "nn/work.h"

#include "nn/graph.h"

static const char *const names[] = {
    [MU_WORK_STEPS] = "steps", [MU_WORK_LAYERS] = "layers", [MU_WORK_DENSE] = "dense_macs", [MU_WORK_CONV] = "conv_macs",
    [MU_WORK_CONV_READS] = "conv_reads", [MU_WORK_WINOGRAD] = "winograd_macs", [MU_WORK_WINOGRAD_FLOATS] = "winograd_floats",
    [MU_WORK_WINOGRAD_WEIGHTS] = "winograd_weights", [MU_WORK_DEPTHWISE] = "depthwise_macs", [MU_WORK_DEPTHWISE_ROWS] = "depthwise_rows",
    [MU_WORK_RECURRENT] = "recurrent_macs", [MU_WORK_GATES] = "gates", [MU_WORK_NORM] = "norm_floats", [MU_WORK_POOL] = "pool_floats",
    [MU_WORK_DROPOUT] = "dropout_floats", [MU_WORK_LOSS] = "loss_floats", [MU_WORK_PREDICTIONS] = "predictions", [MU_WORK_MOVED] = "moved_floats",
    [MU_WORK_WEIGHTS] = "weight_floats", [MU_WORK_NEAR] = "near_floats", [MU_WORK_NEAR_WEIGHTS] = "near_weights", [MU_WORK_FAR] = "far_floats",
    [MU_WORK_FAR_WEIGHTS] = "far_weights",
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

mu_step_work mu_model_work(const mu_model *model, uint32_t batch_size, uint32_t lanes, uint64_t near_bytes, uint64_t cache_bytes)
{
    mu_step_work work = { .lanes = lanes ? lanes : 1 };
    work.of[MU_WORK_STEPS] = 1;
    work.of[MU_WORK_PREDICTIONS] = (uint64_t)batch_size * mu_model_targets(model);
    work.of[MU_WORK_LOSS] = work.of[MU_WORK_PREDICTIONS] * model->classes;
    for (uint32_t i = 0; i < model->node_count; i++)
        if (!model->nodes[i].view)
            count_node(model, &model->nodes[i], batch_size, &work);
    mu_work_count_traffic(model, batch_size, near_bytes, cache_bytes, &work);
    return work;
}
