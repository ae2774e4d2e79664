/* Group norm (Wu and He 2018): like batch norm, but over the pixels and channels of one group within one example. So it does the
 * same in training and inference, and keeps no statistics that devices could disagree on. */
#include "nn/layers.h"
#include "nn/units.h"

static const mu_option options[] = {
    { "groups", MU_OPTION_COUNT, offsetof(mu_group_norm_config, groups), 1, 65536, "2", NULL, NULL,
      "parts that the channels fall into" },
    { "epsilon", MU_OPTION_REAL, offsetof(mu_group_norm_config, epsilon), 1e-12, 1, "1e-5", NULL, NULL, "added to the variance" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    const mu_group_norm_config *config = node->config;
    node->output = node->inputs[0].shape;
    if (node->output.channels % config->groups)
        return mu_error_set(err, MU_E_SHAPE, "group_norm '%s': %u groups do not divide its %u channels", node->name, config->groups,
                            node->output.channels);
    return MU_OK;
}

static void declare(const mu_node *node, mu_builder *builder)
{
    mu_tensor tensor = { .name = "weight", .rank = 1, .shape = { node->output.channels }, .layout = MU_LAYOUT_VECTOR,
                         .trainable = true };
    mu_builder_declare(builder, node, (mu_param){ .tensor = tensor, .fill = MU_FILL_CONSTANT, .scale = 1 });
    tensor.name = "bias";
    mu_builder_declare(builder, node, (mu_param){ .tensor = tensor, .fill = MU_FILL_CONSTANT, .scale = 0 });
}

/* The statistics are written in inference too, so they are asked for in any case; without a backward they die at once. */
static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)kernels;
    const mu_group_norm_config *config = node->config;
    out->in_place = true;
    out->input_in_backward = training;
    out->saved_bytes = 2 * sizeof(float) * (size_t)batch * config->groups;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_group_norm_config *config = call->node->config;
    mu_rows image = mu_pixels(1, call->node->output);
    float *mean = call->saved, *inv_std = mean + (size_t)pass->count * config->groups;
    call->kernels->group_norm_forward(pass->count, image, config->groups, call->inputs[0].x, call->params,
                                      call->params + image.channels, (float)config->epsilon, mean, inv_std, image.stride, call->y);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_group_norm_config *config = call->node->config;
    mu_rows image = mu_pixels(1, call->node->output);
    const mu_layer_input *input = &call->inputs[0];
    const float *mean = call->saved, *inv_std = mean + (size_t)pass->count * config->groups;
    float *dx = input->dx ? input->dx : call->dy; /* not wanted: written over what nobody reads any more */
    call->kernels->group_norm_backward(pass->count, image, config->groups, input->x, call->params, mean, inv_std, image.stride,
                                       call->dy, call->gradients, call->gradients + image.channels, image.stride, dx,
                                       input->accumulate, mu_pass_resumes(pass));
}

/* The groups stay as they are, each with the same number of channels. */
static void units(const mu_node *node, mu_unit_walk *walk)
{
    const mu_group_norm_config *config = node->config;
    mu_units_tie_blocks(walk, mu_units_input(walk, 0), config->groups);
    mu_units_pass(node, walk);
}

const mu_layer mu_layer_group_norm = {
    .kind = "group_norm", .help = "groups of channels to mean 0 and variance 1 within each example",
    .config_bytes = sizeof(mu_group_norm_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .elementwise = MU_WORK_NORM,
    .units = units,
};
