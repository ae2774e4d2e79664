/* Every kind of layer: a new one is one more line here. */
#include "nn/layers.h"

#include <string.h>

static const mu_layer *const layers[] = {
    &mu_layer_dense,
    &mu_layer_conv,
    &mu_layer_conv1d,
    &mu_layer_depthwise_conv,
    &mu_layer_max_pool,
    &mu_layer_average_pool,
    &mu_layer_global_average_pool,
    &mu_layer_batch_norm,
    &mu_layer_group_norm,
    &mu_layer_layer_norm,
    &mu_layer_relu,
    &mu_layer_leaky_relu,
    &mu_layer_relu6,
    &mu_layer_sigmoid,
    &mu_layer_tanh,
    &mu_layer_flatten,
    &mu_layer_add,
    &mu_layer_concat,
    &mu_layer_dropout,
    &mu_layer_embedding,
    &mu_layer_lstm,
    &mu_layer_gru,
};

const mu_layer *const *mu_layers(size_t *count)
{
    *count = MU_COUNT(layers);
    return layers;
}

const mu_layer *mu_layer_find(const char *kind)
{
    for (size_t i = 0; i < MU_COUNT(layers); i++)
        if (strcmp(layers[i]->kind, kind) == 0)
            return layers[i];
    return NULL;
}
