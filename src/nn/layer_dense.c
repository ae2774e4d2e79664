/* Dense: y = x W + b. W is [inputs][units] here and [units][inputs] in PyTorch. */
#include "nn/layers.h"
#include "nn/units.h"
#include "nn/work.h"

#include "base/limits.h"

static const mu_option options[] = {
    { "units", MU_OPTION_COUNT, offsetof(mu_dense_config, units), 0, MU_LIMIT_EXAMPLE_VALUES, "0", NULL, NULL,
      "outputs; 0: one for each class" },
    { "bias", MU_OPTION_BOOL, offsetof(mu_dense_config, bias), 0, 0, "true", NULL, NULL, "add a trained constant to each output" },
    { "each", MU_OPTION_BOOL, offsetof(mu_dense_config, each), 0, 0, "false", NULL, NULL,
      "of each pixel, or item of a sequence, on its own" },
    { "init", MU_OPTION_CHOICE, offsetof(mu_dense_config, init), 0, 0, "model", mu_init_words, NULL, "first weights" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    mu_dense_config *config = node->config;
    mu_shape input = node->inputs[0].shape;
    if (input.height * input.width != 1 && !config->each)
        return mu_error_set(err, MU_E_SHAPE,
                            "dense '%s': its input is an image of %u x %u pixels; put a flatten before it, or say 'each: true' for "
                            "each of them on its own", node->name, input.height, input.width);
    if ((uint64_t)input.height * input.width > MU_LIMIT_POSITIONS)
        return mu_error_set(err, MU_E_LIMIT, "dense '%s': its input has %u x %u positions, at most %u", node->name, input.height,
                            input.width, MU_LIMIT_POSITIONS);
    if (config->units == 0)
        config->units = classes;
    node->output = (mu_shape){ input.height, input.width, config->units };
    return MU_OK;
}

static void declare(const mu_node *node, mu_builder *builder)
{
    const mu_dense_config *config = node->config;
    uint32_t inputs = node->inputs[0].shape.channels;
    mu_tensor weight = { .rank = 2, .shape = { config->units, inputs }, .layout = MU_LAYOUT_DENSE,
                         .flattened = node->inputs[0].flattened };
    mu_builder_declare_weight(builder, node, weight, config->bias, (mu_init)config->init, inputs, config->units);
}

/* Rows of the products: examples, or the pixels of them all. */
static uint32_t rows_of(const mu_node *node, uint32_t count)
{
    return count * node->output.height * node->output.width;
}

/* The three products, all over the same numbers of rows, inputs and units. */
static mu_gemm forward_gemm(const mu_node *node, uint32_t count)
{
    uint32_t inputs = node->inputs[0].shape.channels, units = node->output.channels;
    return (mu_gemm){ .rows = rows_of(node, count), .columns = units, .depth = inputs, .a_stride = inputs, .b_stride = units, .c_stride = units };
}

static mu_gemm weight_gemm(const mu_node *node, uint32_t count)
{
    uint32_t inputs = node->inputs[0].shape.channels, units = node->output.channels;
    return (mu_gemm){ .rows = inputs, .columns = units, .depth = rows_of(node, count), .a_transposed = true,
                      .a_stride = inputs, .b_stride = units, .c_stride = units };
}

static mu_gemm input_gemm(const mu_node *node, uint32_t count)
{
    uint32_t inputs = node->inputs[0].shape.channels, units = node->output.channels;
    return (mu_gemm){ .rows = rows_of(node, count), .columns = inputs, .depth = units, .b_transposed = true,
                      .a_stride = units, .b_stride = units, .c_stride = inputs };
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    mu_gemm gemm = forward_gemm(node, batch);
    out->forward_work_floats = kernels->gemm_work_floats(&gemm);
    if (!training)
        return;
    out->input_in_backward = true;
    out->output_in_backward = node->relu;
    gemm = weight_gemm(node, batch);
    size_t weight_floats = kernels->gemm_work_floats(&gemm);
    gemm = input_gemm(node, batch);
    size_t input_floats = kernels->gemm_work_floats(&gemm);
    out->backward_work_floats = weight_floats > input_floats ? weight_floats : input_floats;
}

static const float *bias_of(const mu_layer_call *call)
{
    const mu_dense_config *config = call->node->config;
    return config->bias ? call->params + (size_t)call->node->inputs[0].shape.channels * config->units : NULL;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_gemm gemm = forward_gemm(call->node, pass->count);
    call->kernels->gemm(&gemm, call->inputs[0].x, call->params, bias_of(call), call->node->relu, call->y, false, call->forward_work);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_layer_input *input = &call->inputs[0];
    const float *bias = bias_of(call);
    if (call->node->relu)
        mu_layer_undo_relu(call, pass->count);
    mu_gemm gemm = weight_gemm(call->node, pass->count);
    gemm.resume = mu_pass_resumes(pass);
    call->kernels->gemm(&gemm, input->x, call->dy, NULL, false, call->gradients, false, call->backward_work);
    if (bias)
        call->kernels->sum_rows(mu_pixels(pass->count, call->node->output), call->dy, call->gradients + (bias - call->params),
                                mu_pass_resumes(pass));
    if (input->dx) {
        gemm = input_gemm(call->node, pass->count);
        call->kernels->gemm(&gemm, call->dy, call->params, NULL, false, input->dx, input->accumulate, call->backward_work);
    }
}

static uint64_t macs(const mu_node *node)
{
    return (uint64_t)node->inputs[0].shape.channels * mu_shape_size(node->output);
}

static void work(const mu_node *node, uint32_t batch, bool input_gradient, mu_step_work *out)
{
    const uint64_t inputs = node->inputs[0].shape.channels, outputs = node->output.channels, rows = rows_of(node, batch);
    out->of[MU_WORK_DENSE] += 2 * rows * inputs * mu_work_padded(outputs, out->lanes);
    if (input_gradient)
        out->of[MU_WORK_DENSE] += rows * outputs * mu_work_padded(inputs, out->lanes);
}

static void units(const mu_node *node, mu_unit_walk *walk)
{
    const mu_dense_config *config = node->config;
    mu_axis out = mu_units_new(walk, config->units, offsetof(mu_dense_config, units));
    mu_units_slice(walk, 0, MU_SIDE_INPUT, mu_units_input(walk, 0));
    mu_units_slice(walk, 0, MU_SIDE_OUTPUT, out);
    if (config->bias)
        mu_units_slice(walk, 1, MU_SIDE_OUTPUT, out);
    mu_units_output(walk, out);
}

const mu_layer mu_layer_dense = {
    .kind = "dense", .help = "every output is a weighted sum of all inputs",
    .config_bytes = sizeof(mu_dense_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_ENDS, .takes_relu = true, .takes_factor = true, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .macs = macs, .work = work,
    .units = units,
};
