/* Batch norm (Ioffe and Szegedy 2015): each channel to mean 0 and variance 1 over the batch and all pixels, then a trained scale
 * and shift. For inference the running mean and variance take the batch's place. */
#include "nn/layers.h"
#include "nn/units.h"

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
    (void)batch;
    out->in_place = true;
    if (!training)
        return;
    out->input_in_backward = true;
    out->forward_work_floats = out->backward_work_floats = kernels->batch_norm_work_floats(node->output.channels);
    out->saved_bytes = 2 * sizeof(float) * (size_t)node->output.channels; /* mean, 1 / standard deviation */
    out->saved_stays = true; /* nor may the running statistics move twice */
}

static mu_batch_norm norm_of(const mu_layer_call *call)
{
    const mu_batch_norm_config *config = call->node->config;
    const uint32_t channels = call->node->output.channels;
    float *saved = call->saved;
    return (mu_batch_norm){
        .scale = call->params, .shift = call->params + channels,
        .epsilon = (float)config->epsilon, .momentum = (float)config->momentum,
        .activation = call->node->relu ? MU_ACTIVATION_RELU : call->node->relu6 ? MU_ACTIVATION_RELU6 : MU_ACTIVATION_NONE,
        .running_mean = call->statistics, .running_var = call->statistics + channels,
        .saved_mean = saved, .saved_inv_std = saved ? saved + channels : NULL,
    };
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    mu_batch_norm norm = norm_of(call);
    if (pass->share > 0)
        norm.momentum = pass->share;
    if (pass->again)
        call->kernels->batch_norm_again(&norm, rows, call->inputs[0].x, rows.stride, call->y);
    else if (pass->training || pass->share > 0)
        call->kernels->batch_norm_forward(&norm, rows, call->inputs[0].x, rows.stride, call->y, call->forward_work);
    else
        call->kernels->batch_norm_infer(&norm, rows, call->inputs[0].x, rows.stride, call->y);
}

/* Where the gradient of the input is not wanted, the trained scale's and shift's still are: it is then written over `dy`, which nobody
 * reads any more. */
static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    const mu_layer_input *input = &call->inputs[0];
    const mu_batch_norm norm = norm_of(call);
    float *dx = input->dx ? input->dx : call->dy;
    call->kernels->batch_norm_backward(&norm, rows, input->x, rows.stride, call->dy, call->gradients, call->gradients + rows.channels,
                                       rows.stride, dx, input->accumulate, call->backward_work);
}

const mu_layer mu_layer_batch_norm = {
    .kind = "batch_norm", .help = "each channel to mean 0 and variance 1 over the batch",
    .config_bytes = sizeof(mu_batch_norm_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_PASSES, .takes_relu = true, .takes_relu6 = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .elementwise = MU_WORK_NORM,
    .units = mu_units_pass,
};
