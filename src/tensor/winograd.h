/* Convolution by Winograd's algorithm, F(4x4, 3x3): 4x4 outputs from 6x6 inputs with 36 products a pair of channels where the direct
 * sum has 144. kernels.h states which convolutions are computed so and in which order; winograd_axis.h has the transforms.
 *
 * All three passes have one form. Tiles of what is read are transformed (36 planes), each plane is a matrix product, and
 * the products are transformed back: Lavin and Gray 2015, arXiv:1509.09308. */
#ifndef MUSTER_TENSOR_WINOGRAD_H
#define MUSTER_TENSOR_WINOGRAD_H

#include "tensor/variant.h"

#define MU_WINOGRAD_TILE 4   /* outputs along one axis */
#define MU_WINOGRAD_SQUARE 6 /* inputs along one axis: what these outputs see */
#define MU_WINOGRAD_PLANES (MU_WINOGRAD_SQUARE * MU_WINOGRAD_SQUARE)
#define MU_WINOGRAD_CHANNELS 9      /* with fewer the transforms cost what the products save */
#define MU_WINOGRAD_WEIGHT_TILES 16 /* so many an image repay the transform of each image's weight gradient */

/* How the vector kernels cut a pass, which says what is transformed anew. Of the planes of a block of tiles: a few MB, whatever the number of channels. */
#define MU_WINOGRAD_BLOCK_FLOATS ((size_t)1024 * 1024)
#define MU_WINOGRAD_BLOCK_TILES 128
/* Weights whose planes are this small are transformed once and kept; then a block is small too, and all its planes in the cache. */
#define MU_WINOGRAD_KEPT_FLOATS ((size_t)640 * 1024)
#define MU_WINOGRAD_WEIGHT_CHANNELS 64 /* of a block of the weight gradient: both sides */

static inline uint64_t mu_winograd_tiles(uint32_t height, uint32_t width)
{
    return (uint64_t)((height + MU_WINOGRAD_TILE - 1) / MU_WINOGRAD_TILE) * ((width + MU_WINOGRAD_TILE - 1) / MU_WINOGRAD_TILE);
}

/* At least half of what the tiles cover is image. */
static inline bool mu_winograd_covers(uint32_t height, uint32_t width)
{
    return MU_WINOGRAD_TILE * MU_WINOGRAD_TILE * mu_winograd_tiles(height, width) <= 2 * (uint64_t)height * width;
}

/* The rule, forward and for the input gradient. By the shape of one image alone: results must not depend on the batch, which
 * may come in parts, nor on the processor. So a batch of one pays where an image has few tiles and the weights are large: 512 channels
 * at 4x4 take 1.35 times the direct sums' time, from a batch of four on less than it. */
static inline bool mu_winograd_fits(const mu_conv *c)
{
    return c->kernel_h == 3 && c->kernel_w == 3 && c->stride_h == 1 && c->stride_w == 1 && c->groups == 1 && c->pad_h <= 2 &&
           c->pad_w == c->pad_h && c->in_channels >= MU_WINOGRAD_CHANNELS && c->out_channels >= MU_WINOGRAD_CHANNELS &&
           mu_winograd_covers(c->in_height, c->in_width) && mu_winograd_covers(c->out_height, c->out_width);
}

/* The rule for the weight gradient. */
static inline bool mu_winograd_fits_weight(const mu_conv *c)
{
    return mu_winograd_fits(c) && mu_winograd_tiles(c->out_height, c->out_width) >= MU_WINOGRAD_WEIGHT_TILES;
}

/* As the kernels of the same names, for convolutions that fit. The plain ones need no scratch. */
void MU_KERNEL(winograd_forward)(const mu_conv *c, const float *x, const float *w, const float *bias, bool relu, float *y, float *work);
void MU_KERNEL(winograd_grad_input)(const mu_conv *c, const float *dy, const float *w, float *dx, bool accumulate, float *work);
void MU_KERNEL(winograd_grad_weight)(const mu_conv *c, const float *x, const float *dy, float *dw, float *work);

/* Floats of scratch: for the first two; for the weight gradient. */
size_t MU_KERNEL(winograd_work_floats)(const mu_conv *c);
size_t MU_KERNEL(winograd_weight_work_floats)(const mu_conv *c);

#endif
