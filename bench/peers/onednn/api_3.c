/* oneDNN 3: a primitive is described in one call, memory descriptors are handles. */
#include "api.h"

static dnnl_primitive_attr_t attributes(bool relu)
{
    dnnl_primitive_attr_t made;
    api_check(dnnl_primitive_attr_create(&made), "attributes");
    api_check(dnnl_primitive_attr_set_scratchpad_mode(made, dnnl_scratchpad_mode_user), "attributes");
    if (relu) {
        dnnl_post_ops_t after;
        api_check(dnnl_post_ops_create(&after), "post-operations");
        api_check(dnnl_post_ops_append_eltwise(after, dnnl_eltwise_relu, 0.0f, 0.0f), "a fused ReLU");
        api_check(dnnl_primitive_attr_set_post_ops(made, after), "a fused ReLU");
        dnnl_post_ops_destroy(after);
    }
    return made;
}

/* The attributes belong to the call that makes the descriptor. */
static api_desc made(dnnl_status_t status, api_desc desc, dnnl_primitive_attr_t attr, const char *what)
{
    api_check(status, what);
    dnnl_primitive_attr_destroy(attr);
    return desc;
}

static const dnnl_dims_t undilated = { 0, 0 };

api_layout api_layout_of(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t layout;
    api_check(dnnl_memory_desc_create_with_tag(&layout, rank, dims, dnnl_f32, tag), "memory descriptor");
    return layout;
}

api_desc api_reorder(api_layout from, api_layout to)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&desc, from, api_engine(), to, api_engine(), attr);
    return made(status, desc, attr, "reorder");
}

api_desc api_conv_forward(api_layout x, api_layout w, api_layout bias, api_layout y, const api_window *window, bool relu)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(relu);
    dnnl_status_t status = dnnl_convolution_forward_primitive_desc_create(&desc, api_engine(), dnnl_forward_training, api_convolution(), x, w, bias,
                                                                          y, window->stride, undilated, window->pad, window->pad, attr);
    return made(status, desc, attr, "convolution");
}

api_desc api_conv_backward_data(api_layout dx, api_layout w, api_layout dy, const api_window *window, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_convolution_backward_data_primitive_desc_create(
        &desc, api_engine(), api_convolution(), dx, w, dy, window->stride, undilated, window->pad, window->pad, forward, attr);
    return made(status, desc, attr, "convolution's input gradient");
}

api_desc api_conv_backward_weights(api_layout x, api_layout dw, api_layout dbias, api_layout dy, const api_window *window, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_convolution_backward_weights_primitive_desc_create(
        &desc, api_engine(), api_convolution(), x, dw, dbias, dy, window->stride, undilated, window->pad, window->pad, forward, attr);
    return made(status, desc, attr, "convolution's weight gradient");
}

api_desc api_dense_forward(api_layout x, api_layout w, api_layout bias, api_layout y, bool relu)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(relu);
    dnnl_status_t status = dnnl_inner_product_forward_primitive_desc_create(&desc, api_engine(), dnnl_forward_training, x, w, bias, y, attr);
    return made(status, desc, attr, "inner product");
}

api_desc api_dense_backward_data(api_layout dx, api_layout w, api_layout dy, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_inner_product_backward_data_primitive_desc_create(&desc, api_engine(), dx, w, dy, forward, attr);
    return made(status, desc, attr, "inner product's input gradient");
}

api_desc api_dense_backward_weights(api_layout x, api_layout dw, api_layout dbias, api_layout dy, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_inner_product_backward_weights_primitive_desc_create(&desc, api_engine(), x, dw, dbias, dy, forward, attr);
    return made(status, desc, attr, "inner product's weight gradient");
}

static dnnl_alg_kind_t pooling(bool average)
{
    return average ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max;
}

api_desc api_pool_forward(bool average, api_layout x, api_layout y, const api_window *window)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_pooling_forward_primitive_desc_create(&desc, api_engine(), dnnl_forward_training, pooling(average), x, y,
                                                                      window->stride, window->kernel, undilated, window->pad, window->pad,
                                                                      attr);
    return made(status, desc, attr, "pooling");
}

api_desc api_pool_backward(bool average, api_layout dx, api_layout dy, const api_window *window, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_pooling_backward_primitive_desc_create(&desc, api_engine(), pooling(average), dx, dy, window->stride,
                                                                       window->kernel, undilated, window->pad, window->pad, forward, attr);
    return made(status, desc, attr, "pooling's gradient");
}

const bool api_batch_norm_gradient_takes_shift = false;

static unsigned norm_flags(bool relu)
{
    return (unsigned)dnnl_use_scale | dnnl_use_shift | (relu ? dnnl_fuse_norm_relu : 0u);
}

api_desc api_batch_norm_forward(api_layout x, bool relu)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_batch_normalization_forward_primitive_desc_create(&desc, api_engine(), dnnl_forward_training, x, x, 1e-5f,
                                                                                  norm_flags(relu), attr);
    return made(status, desc, attr, "batch norm");
}

api_desc api_batch_norm_backward(api_layout dx, api_layout x, bool relu, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_batch_normalization_backward_primitive_desc_create(&desc, api_engine(), dnnl_backward, dx, dx, x, 1e-5f,
                                                                                   norm_flags(relu), forward, attr);
    return made(status, desc, attr, "batch norm's gradient");
}

api_desc api_lstm_forward(api_layout x, api_layout w_layer, api_layout w_iter, api_layout bias, api_layout y)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_lstm_forward_primitive_desc_create(&desc, api_engine(), dnnl_forward_training, dnnl_unidirectional_left2right, x,
                                                                   NULL, NULL, w_layer, w_iter, NULL, NULL, bias, y, NULL, NULL, 0, attr);
    return made(status, desc, attr, "LSTM");
}

api_desc api_lstm_backward(api_layout x, api_layout w_layer, api_layout w_iter, api_layout bias, api_layout y, api_desc forward)
{
    api_desc desc;
    dnnl_primitive_attr_t attr = attributes(false);
    dnnl_status_t status = dnnl_lstm_backward_primitive_desc_create(
        &desc, api_engine(), dnnl_backward, dnnl_unidirectional_left2right, x, NULL, NULL, w_layer, w_iter, NULL, NULL, bias, y, NULL, NULL, x,
        NULL, NULL, w_layer, w_iter, NULL, NULL, bias, y, NULL, NULL, 0, forward, attr);
    return made(status, desc, attr, "LSTM's gradient");
}
