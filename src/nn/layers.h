/* The layers that C code builds models from, and their options. A kind that only YAML files use need not be here. */
#ifndef MUSTER_NN_LAYERS_H
#define MUSTER_NN_LAYERS_H

#include "nn/layer.h"

typedef struct mu_dense_config {
    uint32_t units; /* 0: as many as there are classes */
    bool     bias;
    int      init;  /* a mu_init */
} mu_dense_config;

typedef struct mu_conv_config {
    uint32_t    channels;
    uint32_t    kernel, kernel_width; /* width 0: as the height */
    uint32_t    stride, stride_width;
    const char *padding; /* a number, or "same": as many outputs as inputs / stride, rounded up */
    uint32_t    groups;
    bool        bias;
    int         init;
    uint32_t    multiplier; /* depthwise_conv only: outputs of each input channel */
    uint32_t    pad_top, pad_left; /* resolved from `padding` */
} mu_conv_config;

typedef struct mu_pool_config {
    uint32_t size, size_width;
    uint32_t stride, stride_width; /* 0: as the size */
    uint32_t padding;
} mu_pool_config;

typedef struct mu_batch_norm_config {
    double epsilon, momentum;
} mu_batch_norm_config;

typedef struct mu_group_norm_config {
    uint32_t groups;
    double   epsilon;
} mu_group_norm_config;

typedef struct mu_dropout_config {
    double rate;
} mu_dropout_config;

extern const mu_layer mu_layer_dense, mu_layer_conv, mu_layer_depthwise_conv;
extern const mu_layer mu_layer_max_pool, mu_layer_average_pool, mu_layer_global_average_pool;
extern const mu_layer mu_layer_batch_norm, mu_layer_group_norm;
extern const mu_layer mu_layer_relu, mu_layer_leaky_relu, mu_layer_relu6, mu_layer_sigmoid, mu_layer_tanh;
extern const mu_layer mu_layer_flatten, mu_layer_add, mu_layer_concat, mu_layer_dropout;

#endif
