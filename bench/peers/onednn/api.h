/* The part of oneDNN's C interface that this program uses, in one form for versions 2 and 3, which name and pass the same things
 * differently: api_2.c and api_3.c. Whatever fails ends the program with a sentence. Descriptors and primitives live until it ends. */
#ifndef ONEDNN_API_H
#define ONEDNN_API_H

#include <oneapi/dnnl/dnnl.h>

#include <stdbool.h>
#include <stddef.h>

/* How a tensor lies in memory. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t api_layout;
#else
typedef const dnnl_memory_desc_t *api_layout;
#endif

typedef dnnl_primitive_desc_t api_desc; /* of a primitive */

/* `automatic`: convolutions by whichever algorithm the library finds best, Winograd's among them; else all of them direct. */
void          api_begin(bool automatic);
dnnl_engine_t api_engine(void);
dnnl_stream_t api_stream(void);
dnnl_alg_kind_t api_convolution(void);
void          api_check(dnnl_status_t status, const char *what);

/* ---- layouts ---- */
api_layout api_layout_of(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag); /* dnnl_format_tag_any: the library's choice */
bool       api_layout_same(api_layout a, api_layout b);
size_t     api_layout_bytes(api_layout layout);
/* What a primitive chose: dnnl_query_src_md, dnnl_query_weights_md, ...; `index` counts those of a kind. */
api_layout api_chosen(const_dnnl_primitive_desc_t desc, dnnl_query_t what, int index);

/* ---- primitives; `relu` fuses one behind it; a backward one is made for its forward one ---- */
typedef struct api_window {
    dnnl_dims_t kernel, stride, pad; /* two of each */
} api_window;

api_desc api_reorder(api_layout from, api_layout to);
api_desc api_conv_forward(api_layout x, api_layout w, api_layout bias, api_layout y, const api_window *window, bool relu);
api_desc api_conv_backward_data(api_layout dx, api_layout w, api_layout dy, const api_window *window, api_desc forward);
api_desc api_conv_backward_weights(api_layout x, api_layout dw, api_layout dbias, api_layout dy, const api_window *window, api_desc forward);
api_desc api_dense_forward(api_layout x, api_layout w, api_layout bias, api_layout y, bool relu);
api_desc api_dense_backward_data(api_layout dx, api_layout w, api_layout dy, api_desc forward);
api_desc api_dense_backward_weights(api_layout x, api_layout dw, api_layout dbias, api_layout dy, api_desc forward);
api_desc api_pool_forward(bool average, api_layout x, api_layout y, const api_window *window);
api_desc api_pool_backward(bool average, api_layout dx, api_layout dy, const api_window *window, api_desc forward);
api_desc api_batch_norm_forward(api_layout x, bool relu);
api_desc api_batch_norm_backward(api_layout dx, api_layout x, bool relu, api_desc forward);
extern const bool api_batch_norm_gradient_takes_shift; /* among its arguments, although it has no use for it */
/* One layer, left to right, from a state of zeros. */
api_desc api_lstm_forward(api_layout x, api_layout w_layer, api_layout w_iter, api_layout bias, api_layout y);
api_desc api_lstm_backward(api_layout x, api_layout w_layer, api_layout w_iter, api_layout bias, api_layout y, api_desc forward);

#endif
