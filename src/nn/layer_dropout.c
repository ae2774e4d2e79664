/* Dropout, inverted (Srivastava et al. 2014): in training each element is 0 with probability `rate`, else divided by 1 - rate, so that
 * nothing is to be done in inference. */
#include "nn/layers.h"
#include "nn/units.h"

static const mu_option options[] = {
    { "rate", MU_OPTION_REAL, offsetof(mu_dropout_config, rate), 0, 0.99, "0.5", NULL, NULL, "probability of being dropped" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    (void)err;
    node->output = node->inputs[0].shape;
    return MU_OK;
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)kernels;
    out->in_place = true;
    if (training) {
        out->draws = mu_shape_size(node->output);
        out->saved_bytes = sizeof(float) * batch * out->draws; /* the mask */
    }
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_dropout_config *config = call->node->config;
    size_t count = pass->count * mu_shape_size(call->node->output);
    const float *x = call->inputs[0].x;
    if (pass->training) {
        MU_ASSERT(pass->dropout);
        mu_random random = *pass->dropout;
        mu_random_skip(&random, (uint64_t)pass->whole * call->earlier_draws + (uint64_t)pass->first * mu_shape_size(call->node->output));
        call->kernels->dropout_mask(&random, (uint32_t)(config->rate * 4294967296.0), (float)(1.0 / (1.0 - config->rate)), count,
                                    call->saved);
        call->kernels->multiply(count, x, call->saved, call->y, false);
    } else if (x != call->y)
        call->kernels->copy(mu_pixels(pass->count, call->node->output), x, call->node->output.channels, call->y, false);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    size_t count = pass->count * mu_shape_size(call->node->output);
    call->kernels->multiply(count, call->dy, call->saved, call->inputs[0].dx, call->inputs[0].accumulate);
}

const mu_layer mu_layer_dropout = {
    .kind = "dropout", .help = "in training, some values at random become 0",
    .config_bytes = sizeof(mu_dropout_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_PASSES,
    .shape = shape, .needs = needs, .forward = forward, .backward = backward, .elementwise = MU_WORK_DROPOUT,
    .units = mu_units_pass,
};
