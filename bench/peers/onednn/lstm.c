/* An LSTM layer over whole sequences, from a state of zeros. */
#include "net_internal.h"

#include <math.h>

enum { GATES = 4 };

typedef struct lstm_shape {
    int steps, n, inputs, units;
} lstm_shape;

static lstm_shape shape_of(const net_layer *layer)
{
    return (lstm_shape){ (int)layer->x->dims[0] / layer->sequences, layer->sequences, (int)layer->x->dims[1], (int)layer->y->dims[1] };
}

static api_layout sequence(const lstm_shape *s, int width)
{
    const dnnl_dims_t dims = { s->steps, s->n, width };
    return api_layout_of(3, dims, dnnl_tnc);
}

static api_layout any_weights(const lstm_shape *s, int inputs)
{
    const dnnl_dims_t dims = { 1, 1, inputs, GATES, s->units };
    return api_layout_of(5, dims, dnnl_format_tag_any);
}

static void train(const tape_memory *w, const tape_memory *gradient, tape_command *command, int argument)
{
    tape_argument(command, argument, gradient);
    net_train(w, gradient);
}

static void lstm_backward(net_layer *layer)
{
    const lstm_shape s = shape_of(layer);
    api_layout x = sequence(&s, s.inputs), y = sequence(&s, s.units);
    api_desc desc = api_lstm_backward(x, any_weights(&s, s.inputs), any_weights(&s, s.units), layer->bias.layout, y, layer->desc);
    tape_memory x_seen = tape_over(x, &layer->x->memory), y_seen = tape_over(y, &layer->y->memory);
    tape_memory dy = tape_over(y, &layer->y->gradient);
    tape_memory w = tape_in_layout(&layer->w, api_chosen(desc, dnnl_query_weights_md, 0));
    tape_memory w_iter = tape_in_layout(&layer->w_iter, api_chosen(desc, dnnl_query_weights_md, 1));
    tape_memory dw = tape_new(api_chosen(desc, dnnl_query_diff_weights_md, 0));
    tape_memory dw_iter = tape_new(api_chosen(desc, dnnl_query_diff_weights_md, 1));
    tape_memory dbias = tape_new(layer->bias.layout), dx = tape_new(layer->x->memory.layout), dx_seen = tape_over(x, &dx);
    tape_loop_over(TAPE_CLEAR, &dw, NULL, NULL); /* the primitive adds to them */
    tape_loop_over(TAPE_CLEAR, &dw_iter, NULL, NULL);
    tape_loop_over(TAPE_CLEAR, &dbias, NULL, NULL);
    tape_command *command = tape_primitive(desc);
    tape_argument(command, DNNL_ARG_SRC_LAYER, &x_seen);
    tape_argument(command, DNNL_ARG_WEIGHTS_LAYER, &w);
    tape_argument(command, DNNL_ARG_WEIGHTS_ITER, &w_iter);
    tape_argument(command, DNNL_ARG_BIAS, &layer->bias);
    tape_argument(command, DNNL_ARG_DST_LAYER, &y_seen);
    tape_argument(command, DNNL_ARG_WORKSPACE, &layer->workspace);
    tape_argument(command, DNNL_ARG_DIFF_DST_LAYER, &dy);
    tape_argument(command, DNNL_ARG_DIFF_SRC_LAYER, &dx_seen);
    train(&layer->w, &dw, command, DNNL_ARG_DIFF_WEIGHTS_LAYER);
    train(&layer->w_iter, &dw_iter, command, DNNL_ARG_DIFF_WEIGHTS_ITER);
    train(&layer->bias, &dbias, command, DNNL_ARG_DIFF_BIAS);
    net_give_gradient(layer->x, dx);
}

net_value *net_lstm(net_value *x, int steps, int n, int units)
{
    const lstm_shape s = { steps, n, (int)x->dims[1], units };
    const dnnl_dims_t w_dims = { 1, 1, s.inputs, GATES, units }, w_iter_dims = { 1, 1, units, GATES, units }, bias_dims = { 1, 1, GATES, units };
    const float bound = 1.0f / sqrtf((float)units);
    api_layout x_layout = sequence(&s, s.inputs), y_layout = sequence(&s, units), bias_layout = api_layout_of(4, bias_dims, dnnl_ldgo);
    net_value *y = net_value_new(2, steps * n, units, 0, 0);
    net_layer *layer = net_add(x, y, lstm_backward);
    layer->sequences = n;
    layer->desc = api_lstm_forward(x_layout, any_weights(&s, s.inputs), any_weights(&s, units), bias_layout, y_layout);
    layer->w = net_weights(api_chosen(layer->desc, dnnl_query_weights_md, 0), 5, w_dims, dnnl_ldigo, bound);
    layer->w_iter = net_weights(api_chosen(layer->desc, dnnl_query_weights_md, 1), 5, w_iter_dims, dnnl_ldigo, bound);
    layer->bias = net_weights(bias_layout, 4, bias_dims, dnnl_ldgo, bound);
    layer->workspace = tape_new(api_chosen(layer->desc, dnnl_query_workspace_md, 0));
    y->memory = tape_new(api_layout_of(2, y->dims, dnnl_nc));
    tape_memory x_seen = tape_over(x_layout, &x->memory), y_seen = tape_over(y_layout, &y->memory);
    tape_command *command = tape_primitive(layer->desc);
    tape_argument(command, DNNL_ARG_SRC_LAYER, &x_seen);
    tape_argument(command, DNNL_ARG_WEIGHTS_LAYER, &layer->w);
    tape_argument(command, DNNL_ARG_WEIGHTS_ITER, &layer->w_iter);
    tape_argument(command, DNNL_ARG_BIAS, &layer->bias);
    tape_argument(command, DNNL_ARG_DST_LAYER, &y_seen);
    tape_argument(command, DNNL_ARG_WORKSPACE, &layer->workspace);
    return y;
}
