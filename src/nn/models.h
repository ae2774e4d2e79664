/* What the built-in models are written with, and how they are found. */
#ifndef MUSTER_NN_MODELS_H
#define MUSTER_NN_MODELS_H

#include "nn/builder.h"
#include "nn/layers.h"

/* The functions that build them are declared in muster/build.h. */

/* The model's kind of normalisation. Two groups: Hsieh et al. 2020, arXiv:1910.00189, and Reddi et al. 2021, arXiv:2003.00295. */
static inline uint32_t mu_build_norm(mu_builder *builder, const mu_layer *norm, const char *name)
{
    const mu_batch_norm_config batch = { .epsilon = 1e-5, .momentum = 0.1 };
    const mu_group_norm_config group = { .groups = 2, .epsilon = 1e-5 };
    const void *config = norm == &mu_layer_group_norm ? (const void *)&group : (const void *)&batch;
    return mu_builder_add_next(builder, norm, name, config);
}

#endif
