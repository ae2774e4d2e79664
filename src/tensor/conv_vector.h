/* The parts of convolution with vectors: conv_vector.c forward and input gradient, conv_weight_vector.c weight gradient,
 * conv_depthwise_vector.c all three where each channel has kernels of its own. */
#ifndef MUSTER_TENSOR_CONV_VECTOR_H
#define MUSTER_TENSOR_CONV_VECTOR_H

#include "tensor/variant.h"

static inline bool mu_conv_is_depthwise(const mu_conv *conv)
{
    return conv->groups > 1 && conv->groups == conv->in_channels && conv->groups == conv->out_channels;
}

void MU_KERNEL(depthwise_forward)(const mu_conv *conv, const float *x, const float *w, const float *bias, bool relu, float *y);
void MU_KERNEL(depthwise_grad_input)(const mu_conv *conv, const float *dy, const float *w, float *dx, bool accumulate);
void MU_KERNEL(depthwise_grad_weight)(const mu_conv *conv, const float *x, const float *dy, float *dw);

#endif
