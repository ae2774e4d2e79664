/* Feed-forward layers. Layouts of weights and activations are oneDNN's choice; what two primitives want differently is reordered. */
#include "net_internal.h"

#include <math.h>

static api_layout any(const net_value *v)
{
    return api_layout_of(v->rank, v->dims, dnnl_format_tag_any);
}

static net_value *image_like(const net_value *x, int channels, int height, int width)
{
    return net_value_new(4, (int)x->dims[0], channels, height, width);
}

/* The memory of a value that a primitive writes. */
static void place(net_value *y, api_desc desc)
{
    y->memory = tape_new(api_chosen(desc, dnnl_query_dst_md, 0));
}

/* dy of a layer with a fused ReLU, before the ReLU. */
static void back_through_relu(net_value *y)
{
    y->gradient = tape_in_layout(&y->gradient, y->memory.layout);
    tape_loop_over(TAPE_RELU_BACKWARD, &y->memory, &y->gradient, NULL);
}

/* ---- convolution ---- */

static api_layout any_weights(const net_layer *layer)
{
    const dnnl_dims_t dims = { layer->y->dims[1], layer->x->dims[1], layer->window.kernel[0], layer->window.kernel[1] };
    return api_layout_of(4, dims, dnnl_format_tag_any);
}

static void conv_weight_gradient(const net_layer *layer)
{
    api_layout bias = layer->bias.memory ? layer->bias.layout : NULL;
    api_desc desc = api_conv_backward_weights(any(layer->x), any_weights(layer), bias, any(layer->y), &layer->window, layer->desc);
    tape_memory x = tape_in_layout(&layer->x_seen, api_chosen(desc, dnnl_query_src_md, 0));
    tape_memory dy = tape_in_layout(&layer->y->gradient, api_chosen(desc, dnnl_query_diff_dst_md, 0));
    tape_memory dw = tape_new(api_chosen(desc, dnnl_query_diff_weights_md, 0));
    tape_command *command = tape_primitive(desc);
    tape_argument(command, DNNL_ARG_SRC, &x);
    tape_argument(command, DNNL_ARG_DIFF_DST, &dy);
    tape_argument(command, DNNL_ARG_DIFF_WEIGHTS, &dw);
    net_train(&layer->w, &dw);
    if (bias) {
        tape_memory dbias = tape_new(bias);
        tape_argument(command, DNNL_ARG_DIFF_BIAS, &dbias);
        net_train(&layer->bias, &dbias);
    }
}

static void conv_backward(net_layer *layer)
{
    if (layer->relu)
        back_through_relu(layer->y);
    conv_weight_gradient(layer);
    if (layer->x->is_input)
        return;
    api_desc desc = api_conv_backward_data(any(layer->x), any_weights(layer), any(layer->y), &layer->window, layer->desc);
    tape_memory w = tape_in_layout(&layer->w, api_chosen(desc, dnnl_query_weights_md, 0));
    tape_memory dy = tape_in_layout(&layer->y->gradient, api_chosen(desc, dnnl_query_diff_dst_md, 0));
    tape_memory dx = tape_new(api_chosen(desc, dnnl_query_diff_src_md, 0));
    tape_command *command = tape_primitive(desc);
    tape_argument(command, DNNL_ARG_WEIGHTS, &w);
    tape_argument(command, DNNL_ARG_DIFF_DST, &dy);
    tape_argument(command, DNNL_ARG_DIFF_SRC, &dx);
    net_give_gradient(layer->x, dx);
}

net_value *net_conv(net_value *x, const net_conv_config *c)
{
    int height = ((int)x->dims[2] + 2 * c->pad - c->kernel) / c->stride + 1, width = ((int)x->dims[3] + 2 * c->pad - c->kernel) / c->stride + 1;
    net_value *y = image_like(x, c->channels, height, width);
    net_layer *layer = net_add(x, y, conv_backward);
    layer->relu = c->relu;
    layer->window = (api_window){ .kernel = { c->kernel, c->kernel }, .stride = { c->stride, c->stride }, .pad = { c->pad, c->pad } };
    const dnnl_dims_t w_dims = { c->channels, x->dims[1], c->kernel, c->kernel };
    if (c->bias)
        layer->bias = net_vector(c->channels, 0.0f);
    layer->desc = api_conv_forward(any(x), any_weights(layer), c->bias ? layer->bias.layout : NULL, any(y), &layer->window, c->relu);
    float bound = sqrtf(6.0f / (float)(c->kernel * c->kernel * (int)x->dims[1]));
    layer->w = net_weights(api_chosen(layer->desc, dnnl_query_weights_md, 0), 4, w_dims, dnnl_oihw, bound);
    layer->x_seen = tape_in_layout(&x->memory, api_chosen(layer->desc, dnnl_query_src_md, 0));
    place(y, layer->desc);
    tape_command *command = tape_primitive(layer->desc);
    tape_argument(command, DNNL_ARG_SRC, &layer->x_seen);
    tape_argument(command, DNNL_ARG_WEIGHTS, &layer->w);
    tape_argument(command, DNNL_ARG_DST, &y->memory);
    if (c->bias)
        tape_argument(command, DNNL_ARG_BIAS, &layer->bias);
    return y;
}

/* ---- dense; of an image it takes every pixel, in the image's own layout ---- */

static void dense_backward(net_layer *layer)
{
    net_value *x = layer->x, *y = layer->y;
    if (layer->relu)
        back_through_relu(y);
    const dnnl_dims_t w_dims = { y->dims[1], x->dims[1], x->dims[2], x->dims[3] };
    api_layout any_w = api_layout_of(x->rank, w_dims, dnnl_format_tag_any);
    api_desc desc = api_dense_backward_weights(layer->x_seen.layout, any_w, layer->bias.layout, y->gradient.layout, layer->desc);
    tape_memory dw = tape_new(api_chosen(desc, dnnl_query_diff_weights_md, 0)), dbias = tape_new(layer->bias.layout);
    tape_command *command = tape_primitive(desc);
    tape_argument(command, DNNL_ARG_SRC, &layer->x_seen);
    tape_argument(command, DNNL_ARG_DIFF_DST, &y->gradient);
    tape_argument(command, DNNL_ARG_DIFF_WEIGHTS, &dw);
    tape_argument(command, DNNL_ARG_DIFF_BIAS, &dbias);
    net_train(&layer->w, &dw);
    net_train(&layer->bias, &dbias);
    if (x->is_input)
        return;
    desc = api_dense_backward_data(layer->x_seen.layout, any_w, y->gradient.layout, layer->desc);
    tape_memory w = tape_in_layout(&layer->w, api_chosen(desc, dnnl_query_weights_md, 0));
    tape_memory dx = tape_new(layer->x_seen.layout);
    command = tape_primitive(desc);
    tape_argument(command, DNNL_ARG_WEIGHTS, &w);
    tape_argument(command, DNNL_ARG_DIFF_DST, &y->gradient);
    tape_argument(command, DNNL_ARG_DIFF_SRC, &dx);
    net_give_gradient(x, dx);
}

net_value *net_dense(net_value *x, int units, bool relu)
{
    net_value *y = net_value_new(2, (int)x->dims[0], units, 0, 0);
    net_layer *layer = net_add(x, y, dense_backward);
    layer->relu = relu;
    layer->bias = net_vector(units, 0.0f);
    const dnnl_dims_t w_dims = { units, x->dims[1], x->dims[2], x->dims[3] };
    int inputs = (int)(x->rank == 4 ? x->dims[1] * x->dims[2] * x->dims[3] : x->dims[1]);
    layer->desc = api_dense_forward(x->memory.layout, api_layout_of(x->rank, w_dims, dnnl_format_tag_any), layer->bias.layout,
                                    api_layout_of(2, y->dims, dnnl_nc), relu);
    layer->w = net_weights(api_chosen(layer->desc, dnnl_query_weights_md, 0), x->rank, w_dims, x->rank == 4 ? dnnl_oihw : dnnl_oi,
                           sqrtf(6.0f / (float)inputs));
    layer->x_seen = tape_in_layout(&x->memory, api_chosen(layer->desc, dnnl_query_src_md, 0));
    place(y, layer->desc);
    tape_command *command = tape_primitive(layer->desc);
    tape_argument(command, DNNL_ARG_SRC, &layer->x_seen);
    tape_argument(command, DNNL_ARG_WEIGHTS, &layer->w);
    tape_argument(command, DNNL_ARG_BIAS, &layer->bias);
    tape_argument(command, DNNL_ARG_DST, &y->memory);
    return y;
}

/* ---- pooling ---- */

static void pool_backward(net_layer *layer)
{
    net_value *x = layer->x, *y = layer->y;
    tape_memory dy = tape_in_layout(&y->gradient, y->memory.layout), dx = tape_new(x->memory.layout);
    tape_command *command = tape_primitive(api_pool_backward(layer->average, dx.layout, dy.layout, &layer->window, layer->desc));
    tape_argument(command, DNNL_ARG_DIFF_DST, &dy);
    tape_argument(command, DNNL_ARG_DIFF_SRC, &dx);
    if (layer->workspace.memory)
        tape_argument(command, DNNL_ARG_WORKSPACE, &layer->workspace);
    net_give_gradient(x, dx);
}

static net_value *add_pool(net_value *x, int size, bool average)
{
    net_value *y = image_like(x, (int)x->dims[1], (int)x->dims[2] / size, (int)x->dims[3] / size);
    net_layer *layer = net_add(x, y, pool_backward);
    layer->average = average;
    layer->window = (api_window){ .kernel = { size, size }, .stride = { size, size } };
    layer->desc = api_pool_forward(average, x->memory.layout, any(y), &layer->window);
    place(y, layer->desc);
    tape_command *command = tape_primitive(layer->desc);
    tape_argument(command, DNNL_ARG_SRC, &x->memory);
    tape_argument(command, DNNL_ARG_DST, &y->memory);
    if (!average) {
        layer->workspace = tape_new(api_chosen(layer->desc, dnnl_query_workspace_md, 0));
        tape_argument(command, DNNL_ARG_WORKSPACE, &layer->workspace);
    }
    return y;
}

net_value *net_max_pool(net_value *x, int size)
{
    return add_pool(x, size, false);
}

net_value *net_average_pool(net_value *x, int size)
{
    return add_pool(x, size, true);
}

/* ---- batch norm, with ReLU where it is fused ---- */

/* What both directions are given. */
static void batch_norm_arguments(const net_layer *layer, tape_command *command)
{
    tape_argument(command, DNNL_ARG_SRC, &layer->x->memory);
    tape_argument(command, DNNL_ARG_MEAN, &layer->mean);
    tape_argument(command, DNNL_ARG_VARIANCE, &layer->variance);
    tape_argument(command, DNNL_ARG_SCALE, &layer->w);
    if (layer->workspace.memory)
        tape_argument(command, DNNL_ARG_WORKSPACE, &layer->workspace);
}

static void batch_norm_backward(net_layer *layer)
{
    net_value *x = layer->x, *y = layer->y;
    tape_memory dy = tape_in_layout(&y->gradient, y->memory.layout), dx = tape_new(x->memory.layout);
    tape_memory dscale = tape_new(layer->w.layout), dshift = tape_new(layer->bias.layout);
    tape_command *command = tape_primitive(api_batch_norm_backward(dx.layout, x->memory.layout, layer->relu, layer->desc));
    batch_norm_arguments(layer, command);
    if (api_batch_norm_gradient_takes_shift)
        tape_argument(command, DNNL_ARG_SHIFT, &layer->bias);
    tape_argument(command, DNNL_ARG_DIFF_DST, &dy);
    tape_argument(command, DNNL_ARG_DIFF_SRC, &dx);
    tape_argument(command, DNNL_ARG_DIFF_SCALE, &dscale);
    tape_argument(command, DNNL_ARG_DIFF_SHIFT, &dshift);
    net_train(&layer->w, &dscale);
    net_train(&layer->bias, &dshift);
    net_give_gradient(x, dx);
}

net_value *net_batch_norm(net_value *x, bool relu)
{
    net_value *y = image_like(x, (int)x->dims[1], (int)x->dims[2], (int)x->dims[3]);
    net_layer *layer = net_add(x, y, batch_norm_backward);
    layer->relu = relu;
    layer->w = net_vector((int)x->dims[1], 1.0f);
    layer->bias = net_vector((int)x->dims[1], 0.0f);
    layer->mean = tape_new(layer->w.layout);
    layer->variance = tape_new(layer->w.layout);
    layer->desc = api_batch_norm_forward(x->memory.layout, relu);
    place(y, layer->desc);
    if (relu)
        layer->workspace = tape_new(api_chosen(layer->desc, dnnl_query_workspace_md, 0));
    tape_command *command = tape_primitive(layer->desc);
    batch_norm_arguments(layer, command);
    tape_argument(command, DNNL_ARG_SHIFT, &layer->bias);
    tape_argument(command, DNNL_ARG_DST, &y->memory);
    return y;
}

/* ---- residual addition, with ReLU behind it ---- */

static void add_relu_backward(net_layer *layer)
{
    net_value *y = layer->y;
    back_through_relu(y);
    /* One side gets the gradient itself, the other a copy: to a shortcut that is the block's input somebody will add. */
    tape_memory copy = tape_new(y->gradient.layout);
    tape_loop_over(TAPE_COPY, &y->gradient, &copy, NULL);
    net_give_gradient(layer->x, y->gradient);
    net_give_gradient(layer->x2, copy);
}

net_value *net_add_relu(net_value *a, net_value *b)
{
    net_value *y = image_like(a, (int)a->dims[1], (int)a->dims[2], (int)a->dims[3]);
    net_layer *layer = net_add(a, y, add_relu_backward);
    layer->x2 = b;
    y->memory = tape_new(a->memory.layout);
    tape_memory same = tape_in_layout(&b->memory, a->memory.layout);
    tape_loop_over(TAPE_ADD_RELU, &a->memory, &same, &y->memory);
    return y;
}
