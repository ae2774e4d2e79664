/* From PyTorch's order of a tensor's elements to ours and back. */
#ifndef MUSTER_NN_LAYOUT_H
#define MUSTER_NN_LAYOUT_H

#include "muster/model.h"

/* Every layout is a walk over four axes: the element at PyTorch's place ((i0 * size[1] + i1) * size[2] + i2) * size[3] + i3 lies at
 * sum of i[k] * stride[k] here. */
typedef struct mu_layout_walk {
    uint32_t size[4];
    size_t   stride[4];
} mu_layout_walk;

mu_layout_walk mu_layout_walk_of(const mu_tensor *tensor);

/* The tensor's elements in PyTorch's order, as little-endian float32, from `state`, and the other way round. `bytes`: 4 * count of
 * them. */
void mu_tensor_write(const mu_tensor *tensor, const float *state, unsigned char *bytes);
void mu_tensor_read(const mu_tensor *tensor, const unsigned char *bytes, float *state);

#endif
