/* Concatenation: the channels of several values of one height and width, side by side. */
#include "nn/layers.h"
#include "nn/units.h"

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    uint64_t channels = 0;
    node->output = node->inputs[0].shape;
    for (uint32_t i = 0; i < node->input_count; i++) {
        mu_shape a = node->output, b = node->inputs[i].shape;
        if (a.height != b.height || a.width != b.width)
            return mu_error_set(err, MU_E_SHAPE, "concat '%s': input 1 is %u x %u pixels, input %u is %u x %u; they must be equal",
                                node->name, a.height, a.width, i + 1, b.height, b.width);
        channels += b.channels;
    }
    if (channels > UINT32_MAX)
        return mu_error_set(err, MU_E_LIMIT, "concat '%s': %llu channels are too many", node->name, (unsigned long long)channels);
    node->output.channels = (uint32_t)channels;
    return MU_OK;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    uint32_t channels = call->node->output.channels;
    float *y = call->y;
    for (uint32_t i = 0; i < call->node->input_count; i++) {
        mu_rows rows = mu_pixels(pass->count, call->node->inputs[i].shape);
        call->kernels->copy(rows, call->inputs[i].x, channels, y, false);
        y += rows.channels;
    }
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    const float *dy = call->dy;
    for (uint32_t i = 0; i < call->node->input_count; i++) {
        mu_rows rows = mu_pixels(pass->count, call->node->inputs[i].shape);
        rows.stride = call->node->output.channels;
        if (call->inputs[i].dx)
            call->kernels->copy(rows, dy, rows.channels, call->inputs[i].dx, call->inputs[i].accumulate);
        dy += rows.channels;
    }
}

static void units(const mu_node *node, mu_unit_walk *walk)
{
    mu_units_output(walk, mu_units_join(walk, node));
}

const mu_layer mu_layer_concat = {
    .kind = "concat", .help = "the channels of several layers side by side", .inputs_min = 2, .inputs_max = MU_LAYER_INPUTS_MAX,
    .shape = shape, .forward = forward, .backward = backward, .units = units,
};
