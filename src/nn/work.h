/* A step's work by kind: what a layer counts of its own in mu_layer.work. include/muster/model.h has the kinds. */
#ifndef MUSTER_NN_WORK_H
#define MUSTER_NN_WORK_H

#include "nn/layer.h"

/* What is done in vectors of `lanes` takes a whole vector where there is less. */
static inline uint64_t mu_work_padded(uint64_t count, uint32_t lanes)
{
    return (count + lanes - 1) / lanes * lanes;
}

/* Channels lie side by side: those of an image's pixels are padded each; a vector's only example by example, which is nothing. */
static inline uint64_t mu_work_floats(mu_shape shape, uint32_t batch, uint32_t lanes)
{
    const uint64_t pixels = (uint64_t)shape.height * shape.width;
    return batch * pixels * (pixels > 1 ? mu_work_padded(shape.channels, lanes) : shape.channels);
}

/* What leaves the caches between two uses: traffic.c. */
void mu_work_count_traffic(const mu_model *model, uint32_t batch, uint64_t near_bytes, uint64_t cache_bytes, mu_step_work *out);

#endif
