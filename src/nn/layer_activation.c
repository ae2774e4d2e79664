/* Functions of one element: the ReLU family, sigmoid, tanh. Their slope is computed from the output, so they can work in place. */
#include "nn/layers.h"
#include "nn/units.h"

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    (void)err;
    node->output = node->inputs[0].shape;
    return MU_OK;
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)node;
    (void)kernels;
    (void)batch;
    out->in_place = true;
    out->output_in_backward = training;
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    call->kernels->activation_forward((mu_activation)call->node->layer->variant, rows, call->inputs[0].x, rows.stride, call->y);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    mu_rows rows = mu_pixels(pass->count, call->node->output);
    call->kernels->activation_backward((mu_activation)call->node->layer->variant, rows, call->y, rows.stride, call->dy, rows.stride,
                                       call->inputs[0].dx, call->inputs[0].accumulate);
}

void mu_layer_undo_relu(const mu_layer_call *call, uint32_t count)
{
    mu_rows rows = mu_pixels(count, call->node->output);
    call->kernels->activation_backward(MU_ACTIVATION_RELU, rows, call->y, rows.stride, call->dy, rows.stride, call->dy, false);
}

#define ACTIVATION(kind_name, variant_of, help_text)                                                                 \
    { .kind = kind_name, .help = help_text, .variant = variant_of, .inputs_min = 1, .inputs_max = 1,                 \
      .flat = MU_FLAT_PASSES, .shape = shape, .needs = needs, .forward = forward, .backward = backward, .units = mu_units_pass }

const mu_layer mu_layer_relu = ACTIVATION("relu", MU_ACTIVATION_RELU, "max(x, 0)");
const mu_layer mu_layer_leaky_relu = ACTIVATION("leaky_relu", MU_ACTIVATION_LEAKY_RELU, "x above 0, 0.01 x below");
const mu_layer mu_layer_relu6 = ACTIVATION("relu6", MU_ACTIVATION_RELU6, "x between 0 and 6");
const mu_layer mu_layer_sigmoid = ACTIVATION("sigmoid", MU_ACTIVATION_SIGMOID, "1 / (1 + exp(-x))");
const mu_layer mu_layer_tanh = ACTIVATION("tanh", MU_ACTIVATION_TANH, "hyperbolic tangent");
