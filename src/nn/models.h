/* What the built-in models are written with, and how they are found. */
#ifndef MUSTER_NN_MODELS_H
#define MUSTER_NN_MODELS_H

#include "nn/builder.h"
#include "nn/layers.h"

/* Add every layer of the model to the builder. `norm` is the layer for normalisation, for models that have one. */
typedef void mu_model_build(mu_builder *builder, const mu_layer *norm);

mu_model_build mu_build_softmax_regression, mu_build_mlp, mu_build_lenet5, mu_build_fedavg_cnn, mu_build_pfl_cnn, mu_build_resnet20,
    mu_build_resnet18;

#endif
