/* Models written down in C: a graph built layer by layer, or a built-in one named by its function. Nothing is looked up by name, so a
 * program on a microcontroller holds the layers that it names and no others.
 *
 * The first mistake is kept and everything after it does nothing, so there is no check after each line:
 *
 *     mu_builder builder = mu_builder_begin("lenet", input, classes, err);
 *     mu_builder_add_next(&builder, &mu_layer_conv, "conv1", &(mu_conv_config){ .channels = 6, .kernel = 5, .stride = 1, .groups = 1,
 *                                                                               .padding = "0", .bias = true });
 *     mu_builder_add_next(&builder, &mu_layer_relu, NULL, NULL);
 *     ...
 *     return mu_builder_finish(&builder, out);
 *
 * or, for a built-in one:
 *
 *     mu_builder builder = mu_builder_begin("mlp", input, classes, err);
 *     mu_build_mlp(&builder, NULL);
 *     return mu_builder_finish(&builder, out);
 */
#ifndef MUSTER_BUILD_H
#define MUSTER_BUILD_H

#include "muster/model.h"

/* A kind of layer. */
typedef struct mu_layer mu_layer;

#define MU_VALUE_NONE UINT32_MAX

/* First weights: PyTorch's defaults, Glorot and Bengio 2010, He et al. 2015; a layer that says "model" has the model's. */
typedef enum mu_init { MU_INIT_MODEL, MU_INIT_PYTORCH, MU_INIT_GLOROT, MU_INIT_HE } mu_init;

typedef struct mu_builder {
    mu_model *model;
    mu_status status;
    mu_error *err;      /* the caller's; may be NULL */
    uint32_t  last;     /* the value that the next layer reads when it names none */
    mu_init   init;     /* of layers that say "model" */
    bool      unfused;  /* leave ReLU where it stands: for the test that compares */
} mu_builder;

MU_API mu_builder mu_builder_begin(const char *model_name, mu_shape input, uint32_t classes, mu_error *err);

/* Add a layer that reads `inputs`; its config (the struct named for it below; NULL where there are none) is copied. `name` NULL: the kind
 * and how many of it there are by then, as in "relu2". Returns its value, or MU_VALUE_NONE. */
MU_API uint32_t mu_builder_add(mu_builder *builder, const mu_layer *layer, const char *name, const void *config, const uint32_t *inputs,
                               uint32_t input_count);
/* The same, reading the layer added last (at first: the model's input). */
MU_API uint32_t mu_builder_add_next(mu_builder *builder, const mu_layer *layer, const char *name, const void *config);

/* The value of that name; "input" is the model's input. MU_VALUE_NONE: there is none. */
MU_API uint32_t mu_builder_find(const mu_builder *builder, const char *name);

/* Check what can only be seen at the end, do the ReLUs where they can be done in passing, and hand over. Whatever it returns, the
 * builder is empty afterwards. */
MU_API mu_status mu_builder_finish(mu_builder *builder, mu_model **out);

/* ---- the layers and their configs. What a config leaves out is 0, which is not the default of the YAML option: docs/models.md has
 * those, and what each option means. ---- */

typedef struct mu_dense_config {
    uint32_t units; /* 0: as many as there are classes */
    bool     bias;
    bool     each;  /* of each pixel, or item of a sequence, on its own */
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

typedef struct mu_layer_norm_config {
    double epsilon;
} mu_layer_norm_config;

typedef struct mu_embedding_config {
    uint32_t channels;
    uint32_t symbols; /* 0: as many as there are classes */
} mu_embedding_config;

typedef struct mu_recurrent_config {
    uint32_t units;
    int      last; /* 0: every item's output, 1: the last one's alone */
} mu_recurrent_config;

typedef struct mu_dropout_config {
    double rate;
} mu_dropout_config;

MU_API extern const mu_layer mu_layer_dense;
MU_API extern const mu_layer mu_layer_conv;
MU_API extern const mu_layer mu_layer_conv1d;
MU_API extern const mu_layer mu_layer_depthwise_conv;
MU_API extern const mu_layer mu_layer_max_pool;
MU_API extern const mu_layer mu_layer_average_pool;
MU_API extern const mu_layer mu_layer_global_average_pool;
MU_API extern const mu_layer mu_layer_batch_norm;
MU_API extern const mu_layer mu_layer_group_norm;
MU_API extern const mu_layer mu_layer_layer_norm;
MU_API extern const mu_layer mu_layer_embedding;
MU_API extern const mu_layer mu_layer_lstm;
MU_API extern const mu_layer mu_layer_gru;
MU_API extern const mu_layer mu_layer_relu;
MU_API extern const mu_layer mu_layer_leaky_relu;
MU_API extern const mu_layer mu_layer_relu6;
MU_API extern const mu_layer mu_layer_sigmoid;
MU_API extern const mu_layer mu_layer_tanh;
MU_API extern const mu_layer mu_layer_flatten;
MU_API extern const mu_layer mu_layer_add;
MU_API extern const mu_layer mu_layer_concat;
MU_API extern const mu_layer mu_layer_dropout;

/* ---- built-in models: add every layer of it to the builder. `norm` is the layer for normalisation, for models that have one: batch or
 * group norm; it is not looked at by the others. ---- */
typedef void mu_model_build(mu_builder *builder, const mu_layer *norm);

MU_API mu_model_build mu_build_softmax_regression;
MU_API mu_model_build mu_build_mlp;
MU_API mu_model_build mu_build_lenet5;
MU_API mu_model_build mu_build_fedavg_cnn;
MU_API mu_model_build mu_build_pfl_cnn;
MU_API mu_model_build mu_build_cifar_cnn;
MU_API mu_model_build mu_build_femnist_cnn;
MU_API mu_model_build mu_build_resnet20;
MU_API mu_model_build mu_build_resnet18;
MU_API mu_model_build mu_build_mobilenetv2;
MU_API mu_model_build mu_build_ds_cnn;
MU_API mu_model_build mu_build_motion_cnn;
MU_API mu_model_build mu_build_char_lstm;
MU_API mu_model_build mu_build_char_lstm_every;
MU_API mu_model_build mu_build_char_gru;
MU_API mu_model_build mu_build_char_gru_every;

#endif
