/* oneDNN 2: an operation is described by a struct first, memory descriptors are structs. */
#include "api.h"

#include <stdlib.h>

static dnnl_primitive_attr_t attributes(bool relu)
{
    dnnl_primitive_attr_t made;
    api_check(dnnl_primitive_attr_create(&made), "attributes");
    api_check(dnnl_primitive_attr_set_scratchpad_mode(made, dnnl_scratchpad_mode_user), "attributes");
    if (relu) {
        dnnl_post_ops_t after;
        api_check(dnnl_post_ops_create(&after), "post-operations");
        api_check(dnnl_post_ops_append_eltwise(after, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f), "a fused ReLU");
        api_check(dnnl_primitive_attr_set_post_ops(made, after), "a fused ReLU");
        dnnl_post_ops_destroy(after);
    }
    return made;
}

static api_desc create(const void *operation, bool relu, api_desc forward, const char *what)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(relu);
    api_check(dnnl_primitive_desc_create(&desc, operation, attr, api_engine(), forward), what);
    dnnl_primitive_attr_destroy(attr);
    return desc;
}

api_layout api_layout_of(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t *made = malloc(sizeof *made);
    api_check(made ? dnnl_memory_desc_init_by_tag(made, rank, dims, dnnl_f32, tag) : dnnl_out_of_memory, "memory descriptor");
    return made;
}

api_desc api_reorder(api_layout from, api_layout to)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    api_check(dnnl_reorder_primitive_desc_create(&desc, from, api_engine(), to, api_engine(), attr), "reorder");
    dnnl_primitive_attr_destroy(attr);
    return desc;
}

api_desc api_conv_forward(api_layout x, api_layout w, api_layout bias, api_layout y, const api_window *window, bool relu)
{
    dnnl_convolution_desc_t o;
    api_check(dnnl_convolution_forward_desc_init(&o, dnnl_forward_training, api_convolution(), x, w, bias, y, window->stride,
                                                 window->pad, window->pad), "convolution");
    return create(&o, relu, NULL, "convolution");
}

api_desc api_conv_backward_data(api_layout dx, api_layout w, api_layout dy, const api_window *window, api_desc forward)
{
    dnnl_convolution_desc_t o;
    api_check(dnnl_convolution_backward_data_desc_init(&o, api_convolution(), dx, w, dy, window->stride, window->pad, window->pad),
              "convolution's input gradient");
    return create(&o, false, forward, "convolution's input gradient");
}

api_desc api_conv_backward_weights(api_layout x, api_layout dw, api_layout dbias, api_layout dy, const api_window *window, api_desc forward)
{
    dnnl_convolution_desc_t o;
    api_check(dnnl_convolution_backward_weights_desc_init(&o, api_convolution(), x, dw, dbias, dy, window->stride, window->pad,
                                                          window->pad), "convolution's weight gradient");
    return create(&o, false, forward, "convolution's weight gradient");
}

api_desc api_dense_forward(api_layout x, api_layout w, api_layout bias, api_layout y, bool relu)
{
    dnnl_inner_product_desc_t o;
    api_check(dnnl_inner_product_forward_desc_init(&o, dnnl_forward_training, x, w, bias, y), "inner product");
    return create(&o, relu, NULL, "inner product");
}

api_desc api_dense_backward_data(api_layout dx, api_layout w, api_layout dy, api_desc forward)
{
    dnnl_inner_product_desc_t o;
    api_check(dnnl_inner_product_backward_data_desc_init(&o, dx, w, dy), "inner product's input gradient");
    return create(&o, false, forward, "inner product's input gradient");
}

api_desc api_dense_backward_weights(api_layout x, api_layout dw, api_layout dbias, api_layout dy, api_desc forward)
{
    dnnl_inner_product_desc_t o;
    api_check(dnnl_inner_product_backward_weights_desc_init(&o, x, dw, dbias, dy), "inner product's weight gradient");
    return create(&o, false, forward, "inner product's weight gradient");
}

static dnnl_alg_kind_t pooling(bool average)
{
    return average ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max;
}

api_desc api_pool_forward(bool average, api_layout x, api_layout y, const api_window *window)
{
    dnnl_pooling_desc_t o;
    api_check(dnnl_pooling_forward_desc_init(&o, dnnl_forward_training, pooling(average), x, y, window->stride, window->kernel, window->pad,
                                             window->pad), "pooling");
    return create(&o, false, NULL, "pooling");
}

api_desc api_pool_backward(bool average, api_layout dx, api_layout dy, const api_window *window, api_desc forward)
{
    dnnl_pooling_desc_t o;
    api_check(dnnl_pooling_backward_desc_init(&o, pooling(average), dx, dy, window->stride, window->kernel, window->pad, window->pad),
              "pooling's gradient");
    return create(&o, false, forward, "pooling's gradient");
}

const bool api_batch_norm_gradient_takes_shift = true;

static unsigned norm_flags(bool relu)
{
    return (unsigned)dnnl_use_scale | dnnl_use_shift | (relu ? dnnl_fuse_norm_relu : 0u);
}

api_desc api_batch_norm_forward(api_layout x, bool relu)
{
    dnnl_batch_normalization_desc_t o;
    api_check(dnnl_batch_normalization_forward_desc_init(&o, dnnl_forward_training, x, 1e-5f, norm_flags(relu)), "batch norm");
    return create(&o, false, NULL, "batch norm");
}

api_desc api_batch_norm_backward(api_layout dx, api_layout x, bool relu, api_desc forward)
{
    dnnl_batch_normalization_desc_t o;
    api_check(dnnl_batch_normalization_backward_desc_init(&o, dnnl_backward, dx, x, 1e-5f, norm_flags(relu)), "batch norm's gradient");
    return create(&o, false, forward, "batch norm's gradient");
}

api_desc api_lstm_forward(api_layout x, api_layout w_layer, api_layout w_iter, api_layout bias, api_layout y)
{
    dnnl_rnn_desc_t o;
    api_check(dnnl_lstm_forward_desc_init(&o, dnnl_forward_training, dnnl_unidirectional_left2right, x, NULL, NULL, w_layer, w_iter, bias, y,
                                          NULL, NULL, 0), "LSTM");
    return create(&o, false, NULL, "LSTM");
}

api_desc api_lstm_backward(api_layout x, api_layout w_layer, api_layout w_iter, api_layout bias, api_layout y, api_desc forward)
{
    dnnl_rnn_desc_t o;
    api_check(dnnl_lstm_backward_desc_init(&o, dnnl_backward, dnnl_unidirectional_left2right, x, NULL, NULL, w_layer, w_iter, bias, y, NULL,
                                           NULL, x, NULL, NULL, w_layer, w_iter, bias, y, NULL, NULL, 0), "LSTM's gradient");
    return create(&o, false, forward, "LSTM's gradient");
}
