/* What batch norm computes once for a channel; the same for all variants. */
#ifndef MUSTER_TENSOR_BATCH_NORM_H
#define MUSTER_TENSOR_BATCH_NORM_H

#include "tensor/variant.h"

#include <math.h>

static inline float mu_inverse_deviation(double variance, float epsilon)
{
    return (float)(1.0 / sqrt(variance + (double)epsilon));
}

static inline float mu_norm_activate(mu_activation kind, float x)
{
    if (kind != MU_ACTIVATION_NONE)
        x = mu_relu(x);
    return kind == MU_ACTIVATION_RELU6 && x > 6.0f ? 6.0f : x;
}

/* Settle a channel's saved and running statistics, from the sums of x and of x * x. */
static inline void mu_batch_norm_settle(const mu_batch_norm *norm, uint32_t channel, size_t rows, double sum, double squares)
{
    double count = (double)rows, mean = sum / count;
    double deviations = mu_fma(-mean, sum, squares); /* the sum of (x - mean)^2 */
    deviations = deviations < 0.0 ? 0.0 : deviations;
    float unbiased = rows > 1 ? (float)(deviations / (count - 1.0)) : 0.0f, keep = 1.0f - norm->momentum;
    norm->saved_mean[channel] = (float)mean;
    norm->saved_inv_std[channel] = mu_inverse_deviation(deviations / count, norm->epsilon);
    norm->running_mean[channel] = fmaf(norm->momentum, (float)mean, keep * norm->running_mean[channel]);
    norm->running_var[channel] = fmaf(norm->momentum, unbiased, keep * norm->running_var[channel]);
}

/* What a channel's input gradient is made of: the mean of dy, and minus the mean of dy * (x - mean) / std. */
typedef struct mu_norm_slopes {
    float dscale, mean_dy, slope;
} mu_norm_slopes;

static inline mu_norm_slopes mu_batch_norm_slopes(size_t rows, double shift_sum, double scale_sum, float inv_std)
{
    double product_sum = scale_sum * (double)inv_std, count = (double)rows;
    return (mu_norm_slopes){ .dscale = (float)product_sum, .mean_dy = (float)(shift_sum / count),
                             .slope = (float)(-product_sum / count) };
}

#endif
