/* Batch norm (Ioffe and Szegedy 2015): each channel to mean 0 and variance 1 over the batch and all pixels, then a trained scale
 * and shift. For inference the running mean and variance take the batch's place. */
#include "nn/layers.h"

static const mu_option options[] = {
    { "epsilon", MU_OPTION_REAL, offsetof(mu_batch_norm_config, epsilon), 1e-12, 1, "1e-5", NULL, NULL, "added to the variance" },
    { "momentum", MU_OPTION_REAL, offsetof(mu_batch_norm_config, momentum), 0, 1, "0.1", NULL, NULL,
      "share of the newest batch in the running mean and variance" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    (void)err;
    node->output = node->inputs[0].shape;
    return MU_OK;
}

static mu_param channel_vector(const mu_node *node, const char *name, bool trainable, double first_value)
{
    mu_tensor tensor = { .name = name, .rank = 1, .shape = { node->output.channels }, .layout = MU_LAYOUT_VECTOR,
                         .trainable = trainable, .flattened = node->inputs[0].flattened };
    return (mu_param){ .tensor = tensor, .fill = MU_FILL_CONSTANT, .scale = first_value };
}

static void declare(const mu_node *node, mu_builder *builder)
{
    mu_builder_declare(builder, node, channel_vector(node, "weight", true, 1));
    mu_builder_declare(builder, node, channel_vector(node, "bias", true, 0));
    mu_builder_declare(builder, node, channel_vector(node, "running_mean", false, 0));
    mu_builder_declare(builder, node, channel_vector(node, "running_var", false, 1));
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)kernels;
    (void)batch;
    out->in_place = true;
    if (!training)
        return;
    out->input_in_backward = true;
    out->saved_bytes = 2 * sizeof(float) * (size_t)node->output.channels; /* mean, 1 / standard deviation */
    out->backward_work_floats = 2 * (size_t)node->output.channels;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_batch_norm_config *config = call->node->config;
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    const float *scale = call->params, *shift = scale + rows.channels;
    float *running_mean = call->statistics, *running_var = running_mean + rows.channels;
    if (pass->training) {
        float *saved = call->saved;
        call->kernels->batch_norm_forward(rows, call->inputs[0].x, scale, shift, (float)config->epsilon, (float)config->momentum,
                                          running_mean, running_var, saved, saved + rows.channels, rows.stride, call->y);
    } else
        call->kernels->batch_norm_infer(rows, call->inputs[0].x, scale, shift, (float)config->epsilon, running_mean, running_var,
                                        rows.stride, call->y);
}

/* Where the gradient of the input is not wanted, the trained scale's and shift's still are: it is then written over `dy`, which nobody
 * reads any more. */
static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    const mu_layer_input *input = &call->inputs[0];
    const float *saved = call->saved;
    float *dx = input->dx ? input->dx : call->dy;
    call->kernels->batch_norm_backward(rows, input->x, call->params, saved, saved + rows.channels, rows.stride, call->dy,
                                       call->gradients, call->gradients + rows.channels, rows.stride, dx, input->accumulate,
                                       call->backward_work);
}

const mu_layer mu_layer_batch_norm = {
    .kind = "batch_norm", .help = "each channel to mean 0 and variance 1 over the batch",
    .config_bytes = sizeof(mu_batch_norm_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_PASSES,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward,
};
