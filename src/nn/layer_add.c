/* The sum of two or more values of one shape: where a residual connection comes back. */
#include "nn/layers.h"
#include "nn/units.h"

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    node->output = node->inputs[0].shape;
    for (uint32_t i = 1; i < node->input_count; i++) {
        mu_shape a = node->output, b = node->inputs[i].shape;
        if (!mu_shape_equal(a, b))
            return mu_error_set(err, MU_E_SHAPE, "add '%s': input 1 is %u x %u x %u, input %u is %u x %u x %u; they must be equal",
                                node->name, a.height, a.width, a.channels, i + 1, b.height, b.width, b.channels);
    }
    return MU_OK;
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)node;
    (void)kernels;
    (void)batch;
    (void)training;
    out->in_place = true;
}

/* The output may lie over any one input, so that one is read first. */
static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    uint32_t first = 0;
    for (uint32_t i = 1; i < call->node->input_count; i++)
        if (call->inputs[i].x == call->y)
            first = i;
    const float *sum = call->inputs[first].x;
    for (uint32_t i = 0; i < call->node->input_count; i++) {
        if (i == first)
            continue;
        call->kernels->add(rows, sum, rows.stride, call->inputs[i].x, rows.stride, call->y);
        sum = call->y;
    }
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    for (uint32_t i = 0; i < call->node->input_count; i++) {
        const mu_layer_input *input = &call->inputs[i];
        if (input->dx && input->dx != call->dy)
            call->kernels->copy(rows, call->dy, rows.stride, input->dx, input->accumulate);
    }
}

static void units(const mu_node *node, mu_unit_walk *walk)
{
    for (uint32_t i = 1; i < node->input_count; i++)
        mu_units_tie(walk, mu_units_input(walk, 0), mu_units_input(walk, i));
    mu_units_output(walk, mu_units_input(walk, 0));
}

const mu_layer mu_layer_add = {
    .kind = "add", .help = "the sum of several layers of one shape", .inputs_min = 2, .inputs_max = MU_LAYER_INPUTS_MAX,
    .flat = MU_FLAT_PASSES, .shape = shape, .needs = needs, .forward = forward, .backward = backward, .units = units,
};
