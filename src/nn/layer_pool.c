/* Maximum, average and global average of windows. Averages divide by the taps inside the image. */
#include "nn/layers.h"
#include "nn/units.h"

enum { MOST = 1024, MOST_TAPS = 256 }; /* the largest tap's index is kept in a byte */

static const mu_option options[] = {
    { "size", MU_OPTION_COUNT, offsetof(mu_pool_config, size), 1, MOST, "2", NULL, "pixels",
      "height of the window, and its width" },
    { "size_width", MU_OPTION_COUNT, offsetof(mu_pool_config, size_width), 0, MOST, "0", NULL, "pixels",
      "its width; 0: as its height" },
    { "stride", MU_OPTION_COUNT, offsetof(mu_pool_config, stride), 0, MOST, "0", NULL, "pixels",
      "from one window to the next; 0: as the size" },
    { "stride_width", MU_OPTION_COUNT, offsetof(mu_pool_config, stride_width), 0, MOST, "0", NULL, "pixels",
      "the same along a row; 0: as stride, or as the size where stride is 0" },
    { "padding", MU_OPTION_COUNT, offsetof(mu_pool_config, padding), 0, MOST, "0", NULL, "pixels",
      "on all four sides, at most half of the window; never the largest, never counted in an average" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    mu_pool_config *config = node->config;
    mu_shape input = node->inputs[0].shape;
    const char *kind = node->layer->kind;
    if (config->size_width == 0)
        config->size_width = config->size;
    if (config->stride_width == 0)
        config->stride_width = config->stride ? config->stride : config->size_width;
    if (config->stride == 0)
        config->stride = config->size;
    if (2 * config->padding > config->size || 2 * config->padding > config->size_width)
        return mu_error_set(err, MU_E_SHAPE, "%s '%s': padding %u is more than half of its window of %u x %u", kind, node->name,
                            config->padding, config->size, config->size_width);
    if (node->layer == &mu_layer_max_pool && config->size * config->size_width > MOST_TAPS)
        return mu_error_set(err, MU_E_LIMIT, "%s '%s': a window of %u x %u has more than %d pixels", kind, node->name, config->size,
                            config->size_width, MOST_TAPS);
    node->output =
        (mu_shape){ mu_window_count(input.height, config->size, config->stride, config->padding),
                    mu_window_count(input.width, config->size_width, config->stride_width, config->padding), input.channels };
    if (node->output.height == 0 || node->output.width == 0)
        return mu_error_set(err, MU_E_SHAPE, "%s '%s': a window of %u x %u pixels does not fit into %u x %u", kind, node->name,
                            config->size, config->size_width, input.height, input.width);
    return MU_OK;
}

static mu_status global_shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    (void)err;
    mu_shape input = node->inputs[0].shape;
    mu_pool_config *config = node->config;
    *config = (mu_pool_config){ .size = input.height, .size_width = input.width, .stride = input.height, .stride_width = input.width };
    node->output = (mu_shape){ 1, 1, input.channels };
    return MU_OK;
}

static mu_pool2d pool_of(const mu_node *node, uint32_t count)
{
    const mu_pool_config *config = node->config;
    mu_shape in = node->inputs[0].shape, out = node->output;
    return (mu_pool2d){
        .batch = count, .in_height = in.height, .in_width = in.width, .channels = in.channels,
        .out_height = out.height, .out_width = out.width,
        .kernel_h = config->size, .kernel_w = config->size_width,
        .stride_h = config->stride, .stride_w = config->stride_width,
        .pad_h = config->padding, .pad_w = config->padding,
        .in_stride = in.channels, .out_stride = out.channels,
    };
}

/* Without a backward pass nobody reads who won, but the kernel notes it down all the same. */
static void max_needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)kernels;
    (void)training;
    out->saved_bytes = batch * mu_shape_size(node->output);
}

static void max_forward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_pool2d pool = pool_of(call->node, pass->count);
    call->kernels->max_pool_forward(&pool, call->inputs[0].x, call->node->relu, call->y, call->saved);
}

static void max_backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_pool2d pool = pool_of(call->node, pass->count);
    call->kernels->max_pool_backward(&pool, call->dy, call->saved, call->inputs[0].dx, call->inputs[0].accumulate);
}

static void average_forward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_pool2d pool = pool_of(call->node, pass->count);
    call->kernels->average_pool_forward(&pool, call->inputs[0].x, call->y);
}

static void average_backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_pool2d pool = pool_of(call->node, pass->count);
    call->kernels->average_pool_backward(&pool, call->dy, call->inputs[0].dx, call->inputs[0].accumulate);
}

const mu_layer mu_layer_max_pool = {
    .kind = "max_pool", .help = "the largest value of each window",
    .config_bytes = sizeof(mu_pool_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1,
    .shape = shape, .needs = max_needs, .forward = max_forward, .backward = max_backward, .elementwise = MU_WORK_POOL,
    .units = mu_units_pass,
};

const mu_layer mu_layer_average_pool = {
    .kind = "average_pool", .help = "the mean of each window",
    .config_bytes = sizeof(mu_pool_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1,
    .shape = shape, .forward = average_forward, .backward = average_backward, .elementwise = MU_WORK_POOL,
    .units = mu_units_pass,
};

const mu_layer mu_layer_global_average_pool = {
    .kind = "global_average_pool", .help = "the mean of each channel over the whole image",
    .config_bytes = sizeof(mu_pool_config), .inputs_min = 1, .inputs_max = 1,
    .shape = global_shape, .forward = average_forward, .backward = average_backward, .elementwise = MU_WORK_POOL,
    .units = mu_units_pass,
};
