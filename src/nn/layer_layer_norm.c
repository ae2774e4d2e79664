/* Layer norm (Ba et al. 2016): every pixel, or item of a sequence, over its own channels. The same in training and inference. */
#include "nn/layers.h"
#include "nn/units.h"

static const mu_option options[] = {
    { "epsilon", MU_OPTION_REAL, offsetof(mu_layer_norm_config, epsilon), 1e-12, 1, "1e-5", NULL, NULL, "added to the variance" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    (void)err;
    node->output = node->inputs[0].shape;
    return MU_OK;
}

static void declare(const mu_node *node, mu_builder *builder)
{
    mu_tensor tensor = { .name = "weight", .rank = 1, .shape = { node->output.channels }, .layout = MU_LAYOUT_VECTOR,
                         .trainable = true, .flattened = node->inputs[0].flattened };
    mu_builder_declare(builder, node, (mu_param){ .tensor = tensor, .fill = MU_FILL_CONSTANT, .scale = 1 });
    tensor.name = "bias";
    mu_builder_declare(builder, node, (mu_param){ .tensor = tensor, .fill = MU_FILL_CONSTANT, .scale = 0 });
}

/* The statistics are written in inference too, so they are asked for in any case; without a backward they die at once. */
static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)kernels;
    out->in_place = true;
    out->input_in_backward = training;
    out->saved_bytes = 2 * sizeof(float) * mu_pixels(batch, node->output).rows;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_layer_norm_config *config = call->node->config;
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    float *mean = call->saved, *inv_std = mean + rows.rows;
    call->kernels->layer_norm_forward(rows, call->inputs[0].x, call->params, call->params + rows.channels, (float)config->epsilon, mean,
                                      inv_std, rows.stride, call->y);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    const mu_layer_input *input = &call->inputs[0];
    const float *mean = call->saved, *inv_std = mean + rows.rows;
    call->kernels->layer_norm_backward(rows, input->x, call->params, mean, inv_std, rows.stride, call->dy, call->gradients,
                                       call->gradients + rows.channels, rows.stride, input->dx, input->accumulate,
                                       mu_pass_resumes(pass));
}

const mu_layer mu_layer_layer_norm = {
    .kind = "layer_norm", .help = "the channels of each pixel or item to mean 0 and variance 1",
    .config_bytes = sizeof(mu_layer_norm_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_PASSES, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .elementwise = MU_WORK_NORM,
    .units = mu_units_pass,
};
