/* Two-dimensional convolution, grouped and depthwise too, and along a single row, as for sensors. Weights are
 * [kernel_h][kernel_w][in / groups][out] here and [out][in / groups][kernel_h][kernel_w] in PyTorch, without kernel_h in a row. */
#include "nn/layers.h"
#include "nn/units.h"
#include "nn/work.h"
#include "tensor/winograd.h"

#include <string.h>

enum { MOST = 1024 }; /* kernel, stride and padding: far above what is useful, far below what could overflow */

/* One table: conv has all rows but the last, depthwise_conv all but the first two. */
static const mu_option options[] = {
    { "channels", MU_OPTION_COUNT, offsetof(mu_conv_config, channels), 1, 65536, NULL, NULL, NULL, "channels of the output" },
    { "groups", MU_OPTION_COUNT, offsetof(mu_conv_config, groups), 1, 65536, "1", NULL, NULL,
      "channels fall into so many parts, each convolved on its own" },
    { "kernel", MU_OPTION_COUNT, offsetof(mu_conv_config, kernel), 1, MOST, "3", NULL, "pixels",
      "height of the window, and its width" },
    { "kernel_width", MU_OPTION_COUNT, offsetof(mu_conv_config, kernel_width), 0, MOST, "0", NULL, "pixels",
      "width of the window; 0: as its height" },
    { "stride", MU_OPTION_COUNT, offsetof(mu_conv_config, stride), 1, MOST, "1", NULL, "pixels", "from one window to the next" },
    { "stride_width", MU_OPTION_COUNT, offsetof(mu_conv_config, stride_width), 0, MOST, "0", NULL, "pixels",
      "the same along a row; 0: as stride" },
    { "padding", MU_OPTION_TEXT, offsetof(mu_conv_config, padding), 0, 0, "0", NULL, "pixels",
      "zeros on all four sides, or 'same': outputs = inputs / stride, rounded up" },
    { "bias", MU_OPTION_BOOL, offsetof(mu_conv_config, bias), 0, 0, "true", NULL, NULL, "add a trained constant to each channel" },
    { "init", MU_OPTION_CHOICE, offsetof(mu_conv_config, init), 0, 0, "model", mu_init_words, NULL, "first weights" },
    { "multiplier", MU_OPTION_COUNT, offsetof(mu_conv_config, multiplier), 1, 256, "1", NULL, NULL, "outputs of each input channel" },
};

/* Along a row there is one of each; these mean the width. */
static const mu_option options_1d[] = {
    { "channels", MU_OPTION_COUNT, offsetof(mu_conv_config, channels), 1, 65536, NULL, NULL, NULL, "channels of the output" },
    { "groups", MU_OPTION_COUNT, offsetof(mu_conv_config, groups), 1, 65536, "1", NULL, NULL,
      "channels fall into so many parts, each convolved on its own" },
    { "kernel", MU_OPTION_COUNT, offsetof(mu_conv_config, kernel_width), 1, MOST, "3", NULL, "pixels", "length of the window" },
    { "stride", MU_OPTION_COUNT, offsetof(mu_conv_config, stride_width), 1, MOST, "1", NULL, "pixels", "from one window to the next" },
    { "padding", MU_OPTION_TEXT, offsetof(mu_conv_config, padding), 0, 0, "0", NULL, "pixels",
      "zeros on both sides, or 'same': outputs = inputs / stride, rounded up" },
    { "bias", MU_OPTION_BOOL, offsetof(mu_conv_config, bias), 0, 0, "true", NULL, NULL, "add a trained constant to each channel" },
    { "init", MU_OPTION_CHOICE, offsetof(mu_conv_config, init), 0, 0, "model", mu_init_words, NULL, "first weights" },
};

static bool parse_padding(const char *text, uint32_t *out)
{
    uint32_t number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || (number = 10 * number + (uint32_t)(*text - '0')) > MOST)
            return false;
    }
    *out = number;
    return true;
}

/* "same": ceil(size / stride) outputs; where the zeros cannot be shared evenly, the odd one goes below (or right). */
static uint32_t same_count(uint32_t size, uint32_t kernel, uint32_t stride, uint32_t *pad)
{
    uint32_t count = (size + stride - 1) / stride;
    uint32_t reach = (count - 1) * stride + kernel;
    *pad = reach > size ? (reach - size) / 2 : 0;
    return count;
}

static bool is_1d(const mu_node *node)
{
    return node->layer == &mu_layer_conv1d;
}

static mu_status resolve_window(mu_node *node, mu_error *err)
{
    mu_conv_config *config = node->config;
    mu_shape input = node->inputs[0].shape;
    if (config->kernel_width == 0)
        config->kernel_width = config->kernel;
    if (config->stride_width == 0)
        config->stride_width = config->stride;
    if (strcmp(config->padding, "same") == 0) {
        node->output.height = same_count(input.height, config->kernel, config->stride, &config->pad_top);
        node->output.width = same_count(input.width, config->kernel_width, config->stride_width, &config->pad_left);
        return MU_OK;
    }
    if (!parse_padding(config->padding, &config->pad_top))
        return mu_error_set(err, MU_E_CONFIG, "%s '%s': padding is '%s', expected 'same' or a number of pixels up to %d",
                            node->layer->kind, node->name, config->padding, MOST);
    config->pad_left = config->pad_top;
    if (is_1d(node))
        config->pad_top = 0;
    node->output.height = mu_window_count(input.height, config->kernel, config->stride, config->pad_top);
    node->output.width = mu_window_count(input.width, config->kernel_width, config->stride_width, config->pad_left);
    if (node->output.height == 0 || node->output.width == 0)
        return mu_error_set(err, MU_E_SHAPE, "%s '%s': a window of %u x %u pixels does not fit into %u x %u with padding %u",
                            node->layer->kind, node->name, config->kernel, config->kernel_width, input.height, input.width,
                            config->pad_left);
    return MU_OK;
}

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    mu_conv_config *config = node->config;
    uint32_t in_channels = node->inputs[0].shape.channels;
    if (in_channels % config->groups || config->channels % config->groups)
        return mu_error_set(err, MU_E_SHAPE, "%s '%s': %u groups do not divide both its %u input and %u output channels",
                            node->layer->kind, node->name, config->groups, in_channels, config->channels);
    node->output.channels = config->channels;
    return resolve_window(node, err);
}

static mu_status depthwise_shape(mu_node *node, uint32_t classes, mu_error *err)
{
    mu_conv_config *config = node->config;
    config->groups = node->inputs[0].shape.channels;
    if (config->groups > 65536)
        return mu_error_set(err, MU_E_LIMIT, "depthwise_conv '%s': %u channels, at most 65536", node->name, config->groups);
    config->channels = config->groups * config->multiplier;
    return shape(node, classes, err);
}

static mu_status shape_1d(mu_node *node, uint32_t classes, mu_error *err)
{
    mu_conv_config *config = node->config;
    mu_shape input = node->inputs[0].shape;
    if (input.height != 1)
        return mu_error_set(err, MU_E_SHAPE, "conv1d '%s': input is %u x %u x %u, expected a single row; 'conv' is for images",
                            node->name, input.height, input.width, input.channels);
    config->kernel = config->stride = 1;
    return shape(node, classes, err);
}

static size_t weight_count(const mu_node *node)
{
    const mu_conv_config *config = node->config;
    return (size_t)config->kernel * config->kernel_width * (node->inputs[0].shape.channels / config->groups) * config->channels;
}

static void declare(const mu_node *node, mu_builder *builder)
{
    const mu_conv_config *config = node->config;
    uint32_t in_channels = node->inputs[0].shape.channels / config->groups;
    double taps = (double)config->kernel * config->kernel_width;
    mu_tensor weight = { .rank = 4, .shape = { config->channels, in_channels, config->kernel, config->kernel_width },
                         .layout = MU_LAYOUT_CONV };
    if (is_1d(node))
        weight = (mu_tensor){ .rank = 3, .shape = { config->channels, in_channels, config->kernel_width }, .layout = MU_LAYOUT_CONV };
    mu_builder_declare_weight(builder, node, weight, config->bias, (mu_init)config->init, in_channels * taps, config->channels * taps);
}

static mu_conv conv_of(const mu_node *node, uint32_t count)
{
    const mu_conv_config *config = node->config;
    mu_shape in = node->inputs[0].shape, out = node->output;
    return (mu_conv){
        .batch = count,
        .in_height = in.height, .in_width = in.width, .in_channels = in.channels,
        .out_height = out.height, .out_width = out.width, .out_channels = out.channels,
        .kernel_h = config->kernel, .kernel_w = config->kernel_width,
        .stride_h = config->stride, .stride_w = config->stride_width,
        .pad_h = config->pad_top, .pad_w = config->pad_left, .groups = config->groups,
        .in_stride = in.channels, .out_stride = out.channels,
    };
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    mu_conv conv = conv_of(node, batch);
    out->forward_work_floats = kernels->conv_work_floats(&conv);
    if (!training)
        return;
    out->backward_work_floats = out->forward_work_floats;
    out->input_in_backward = true;
    out->output_in_backward = node->relu;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_conv_config *config = call->node->config;
    mu_conv conv = conv_of(call->node, pass->count);
    const float *bias = config->bias ? call->params + weight_count(call->node) : NULL;
    call->kernels->conv_forward(&conv, call->inputs[0].x, call->params, bias, call->node->relu, call->y, call->forward_work);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_conv_config *config = call->node->config;
    const mu_layer_input *input = &call->inputs[0];
    mu_conv conv = conv_of(call->node, pass->count);
    conv.resume = mu_pass_resumes(pass);
    if (call->node->relu)
        mu_layer_undo_relu(call, pass->count);
    call->kernels->conv_grad_weight(&conv, input->x, call->dy, call->gradients, call->backward_work);
    if (config->bias)
        call->kernels->sum_rows(mu_pixels(pass->count, call->node->output), call->dy, call->gradients + weight_count(call->node),
                                mu_pass_resumes(pass));
    if (input->dx)
        call->kernels->conv_grad_input(&conv, call->dy, call->params, input->dx, input->accumulate, call->backward_work);
}

/* Taps inside the image along one axis, over all outputs. */
static uint64_t taps(uint32_t size, uint32_t outputs, uint32_t kernel, uint32_t stride, uint32_t pad)
{
    uint64_t sum = 0;
    for (uint32_t o = 0; o < outputs; o++) {
        uint32_t first = o * stride, last = first + kernel; /* in padded pixels */
        uint32_t low = first > pad ? first : pad, high = last < size + pad ? last : size + pad;
        sum += high > low ? high - low : 0;
    }
    return sum;
}

static uint64_t macs(const mu_node *node)
{
    const mu_conv_config *config = node->config;
    mu_shape in = node->inputs[0].shape, out = node->output;
    return taps(in.height, out.height, config->kernel, config->stride, config->pad_top) *
           taps(in.width, out.width, config->kernel_width, config->stride_width, config->pad_left) *
           (in.channels / config->groups) * out.channels;
}

/* One of the three passes, which writes `width` channels a group, by direct sums. */
static void count_direct(mu_step_work *out, uint64_t sums, uint32_t width)
{
    const uint64_t padded = mu_work_padded(width, out->lanes), panel = 4 * (uint64_t)out->lanes;
    out->of[MU_WORK_CONV] += sums / width * padded;
    out->of[MU_WORK_CONV_READS] += sums / width * ((padded + panel - 1) / panel);
}

static uint64_t parts_of(uint64_t count, uint64_t each)
{
    return (count + each - 1) / each;
}

/* By Winograd's algorithm, in so many tiles, from `depth` channels to `width`. */
static void count_winograd(mu_step_work *out, uint64_t tiles, uint64_t depth, uint64_t width)
{
    const uint64_t padded = mu_work_padded(width, out->lanes), row = mu_work_padded(depth, out->lanes);
    const uint64_t weights = MU_WINOGRAD_PLANES * depth * padded;
    uint64_t block = MU_WINOGRAD_BLOCK_FLOATS / (MU_WINOGRAD_PLANES * row);
    block = block < 1 ? 1 : block < MU_WINOGRAD_BLOCK_TILES ? block : MU_WINOGRAD_BLOCK_TILES;
    out->of[MU_WORK_WINOGRAD] += MU_WINOGRAD_PLANES * tiles * depth * padded;
    out->of[MU_WORK_WINOGRAD_FLOATS] += MU_WINOGRAD_PLANES * tiles * (row + padded);
    out->of[MU_WORK_WINOGRAD_WEIGHTS] += weights <= MU_WINOGRAD_KEPT_FLOATS ? weights : weights * parts_of(tiles, block);
}

/* The weight gradient meets tiles, in blocks of channels on both sides: those of one side are transformed again for each block of the other. */
static void count_winograd_weight(mu_step_work *out, uint64_t tiles, uint64_t depth, uint64_t width)
{
    const uint64_t padded = mu_work_padded(width, out->lanes), row = mu_work_padded(depth, out->lanes), block = MU_WINOGRAD_WEIGHT_CHANNELS;
    out->of[MU_WORK_WINOGRAD] += MU_WINOGRAD_PLANES * tiles * depth * padded;
    out->of[MU_WORK_WINOGRAD_FLOATS] += MU_WINOGRAD_PLANES * tiles * (row * parts_of(width, block) + padded * parts_of(depth, block));
}

static void work(const mu_node *node, uint32_t batch, bool input_gradient, mu_step_work *out)
{
    const mu_conv c = conv_of(node, batch);
    const uint64_t sums = batch * macs(node);
    if (!mu_winograd_fits(&c)) {
        for (int pass = 0; pass < (input_gradient ? 3 : 2); pass++)
            count_direct(out, sums, (pass == 2 ? c.in_channels : c.out_channels) / c.groups);
        return;
    }
    const uint64_t tiles = batch * mu_winograd_tiles(c.out_height, c.out_width);
    count_winograd(out, tiles, c.in_channels, c.out_channels);
    if (mu_winograd_fits_weight(&c))
        count_winograd_weight(out, tiles, c.in_channels, c.out_channels);
    else
        count_direct(out, sums, c.out_channels);
    if (input_gradient)
        count_winograd(out, batch * mu_winograd_tiles(c.in_height, c.in_width), c.out_channels, c.in_channels);
}

static void depthwise_work(const mu_node *node, uint32_t batch, bool input_gradient, mu_step_work *out)
{
    const uint32_t channels = node->output.channels;
    const uint64_t padded = mu_work_padded(channels, out->lanes), rows = 2 * (uint64_t)node->output.height;
    out->of[MU_WORK_DEPTHWISE] += (input_gradient ? 3 : 2) * batch * (macs(node) / channels) * padded;
    out->of[MU_WORK_DEPTHWISE_ROWS] += batch * (rows + (input_gradient ? node->inputs[0].shape.height : 0)) * (padded / out->lanes);
}

static void slice(mu_unit_walk *walk, const mu_node *node, mu_axis out)
{
    const mu_conv_config *config = node->config;
    mu_units_slice(walk, 0, MU_SIDE_OUTPUT, out);
    if (config->bias)
        mu_units_slice(walk, 1, MU_SIDE_OUTPUT, out);
    mu_units_output(walk, out);
}

/* The outputs of each channel go with it; the weight's input side has one place only. */
static void depthwise_units(const mu_node *node, mu_unit_walk *walk)
{
    const mu_conv_config *config = node->config;
    slice(walk, node, mu_units_stretch(walk, mu_units_input(walk, 0), config->channels / config->groups));
}

/* Groups stay as they are, all with the same number of inputs and outputs: so the i-th channels of all go together. */
static void units(const mu_node *node, mu_unit_walk *walk)
{
    const mu_conv_config *config = node->config;
    mu_axis in = mu_units_input(walk, 0), out = mu_units_new(walk, config->channels, offsetof(mu_conv_config, channels));
    mu_units_tie_blocks(walk, in, config->groups);
    mu_units_tie_blocks(walk, out, config->groups);
    in.count /= config->groups;
    mu_units_slice(walk, 0, MU_SIDE_INPUT, in);
    slice(walk, node, out);
}

const mu_layer mu_layer_conv = {
    .kind = "conv", .help = "two-dimensional convolution",
    .config_bytes = sizeof(mu_conv_config), .options = options, .option_count = MU_COUNT(options) - 1,
    .inputs_min = 1, .inputs_max = 1, .takes_relu = true, .takes_factor = true, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .macs = macs, .work = work,
    .units = units,
};

const mu_layer mu_layer_conv1d = {
    .kind = "conv1d", .help = "convolution along a single row",
    .config_bytes = sizeof(mu_conv_config), .options = options_1d, .option_count = MU_COUNT(options_1d),
    .inputs_min = 1, .inputs_max = 1, .takes_relu = true, .takes_factor = true, .splits = true,
    .shape = shape_1d, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .macs = macs, .work = work,
    .units = units,
};

const mu_layer mu_layer_depthwise_conv = {
    .kind = "depthwise_conv", .help = "convolution of each channel on its own",
    .config_bytes = sizeof(mu_conv_config), .options = options + 2, .option_count = MU_COUNT(options) - 2,
    .inputs_min = 1, .inputs_max = 1, .takes_relu = true, .takes_factor = true, .splits = true,
    .shape = depthwise_shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .macs = macs, .work = depthwise_work,
    .units = depthwise_units,
};
