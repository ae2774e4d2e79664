/* Batch norm. Sums run over the rows in double, a chunk of channels at a time, so that they need no scratch. */
#include "tensor/variant.h"

#include <math.h>

#define CHUNK 64

/* sum[c] += over rows of (x - center)^power, for `channels` <= CHUNK channels. */
static void sum_deviations(mu_rows rows, const float *x, uint32_t channels, const float *center, bool squared, double *restrict sum)
{
    for (uint32_t c = 0; c < channels; c++)
        sum[c] = 0.0;
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride) {
        if (squared) {
            for (uint32_t c = 0; c < channels; c++) {
                double deviation = (double)x[c] - (double)center[c];
                sum[c] = fma(deviation, deviation, sum[c]);
            }
        } else {
            for (uint32_t c = 0; c < channels; c++)
                sum[c] += (double)x[c];
        }
    }
}

static void normalise(mu_rows rows, const float *x, uint32_t channels, const float *mean, const float *factor, const float *shift,
                      size_t y_stride, float *y)
{
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride, y += y_stride) {
        MU_INDEPENDENT
        for (uint32_t c = 0; c < channels; c++)
            y[c] = fmaf(x[c] - mean[c], factor[c], shift[c]);
    }
}

static float inverse_deviation(double variance, float epsilon)
{
    return (float)(1.0 / sqrt(variance + (double)epsilon));
}

static float step_towards(float running, float momentum, float now)
{
    return fmaf(momentum, now, (1.0f - momentum) * running);
}

void MU_KERNEL(batch_norm_forward)(mu_rows rows, const float *x, const float *scale, const float *shift, float epsilon, float momentum,
                                   float *running_mean, float *running_var, float *saved_mean, float *saved_inv_std,
                                   size_t y_stride, float *y)
{
    double count = (double)rows.rows;
    for (uint32_t first = 0; first < rows.channels; first += CHUNK) {
        uint32_t channels = rows.channels - first < CHUNK ? rows.channels - first : CHUNK;
        double   sum[CHUNK];
        float    factor[CHUNK], *mean = saved_mean + first;
        sum_deviations(rows, x + first, channels, NULL, false, sum);
        for (uint32_t c = 0; c < channels; c++)
            mean[c] = (float)(sum[c] / count);
        sum_deviations(rows, x + first, channels, mean, true, sum);
        for (uint32_t c = 0; c < channels; c++) {
            double unbiased = rows.rows > 1 ? sum[c] / (count - 1.0) : 0.0;
            saved_inv_std[first + c] = inverse_deviation(sum[c] / count, epsilon);
            running_mean[first + c] = step_towards(running_mean[first + c], momentum, mean[c]);
            running_var[first + c] = step_towards(running_var[first + c], momentum, (float)unbiased);
            factor[c] = saved_inv_std[first + c] * scale[first + c];
        }
        normalise(rows, x + first, channels, mean, factor, shift + first, y_stride, y + first);
    }
}

void MU_KERNEL(batch_norm_infer)(mu_rows rows, const float *x, const float *scale, const float *shift, float epsilon,
                                 const float *running_mean, const float *running_var, size_t y_stride, float *y)
{
    for (uint32_t first = 0; first < rows.channels; first += CHUNK) {
        uint32_t channels = rows.channels - first < CHUNK ? rows.channels - first : CHUNK;
        float    factor[CHUNK];
        for (uint32_t c = 0; c < channels; c++)
            factor[c] = inverse_deviation((double)running_var[first + c], epsilon) * scale[first + c];
        normalise(rows, x + first, channels, running_mean + first, factor, shift + first, y_stride, y + first);
    }
}

/* shift_sum = over rows of dy, scale_sum = over rows of dy * (x - mean) */
static void sum_gradients(mu_rows rows, const float *x, const float *mean, size_t dy_stride, const float *dy, uint32_t channels,
                          double *restrict shift_sum, double *restrict scale_sum)
{
    for (uint32_t c = 0; c < channels; c++)
        shift_sum[c] = scale_sum[c] = 0.0;
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride, dy += dy_stride)
        for (uint32_t c = 0; c < channels; c++) {
            shift_sum[c] += (double)dy[c];
            scale_sum[c] = fma((double)dy[c], (double)(x[c] - mean[c]), scale_sum[c]);
        }
}

void MU_KERNEL(batch_norm_backward)(mu_rows rows, const float *x, const float *scale, const float *saved_mean,
                                    const float *saved_inv_std, size_t dy_stride, const float *dy, float *dscale, float *dshift,
                                    size_t dx_stride, float *dx, bool accumulate, float *work)
{
    double count = (double)rows.rows;
    float *mean_dy = work, *slope = work + rows.channels; /* per channel: mean of dy; minus the mean of dy * (x - mean) / std */
    for (uint32_t first = 0; first < rows.channels; first += CHUNK) {
        uint32_t channels = rows.channels - first < CHUNK ? rows.channels - first : CHUNK;
        double   shift_sum[CHUNK], scale_sum[CHUNK];
        sum_gradients(rows, x + first, saved_mean + first, dy_stride, dy + first, channels, shift_sum, scale_sum);
        for (uint32_t c = 0; c < channels; c++) {
            double product_sum = scale_sum[c] * (double)saved_inv_std[first + c];
            dshift[first + c] = (float)shift_sum[c];
            dscale[first + c] = (float)product_sum;
            mean_dy[first + c] = (float)(shift_sum[c] / count);
            slope[first + c] = (float)(-product_sum / count);
        }
    }
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride, dy += dy_stride, dx += dx_stride) {
        MU_INDEPENDENT
        for (uint32_t c = 0; c < rows.channels; c++) {
            float normal = (x[c] - saved_mean[c]) * saved_inv_std[c];
            float gradient = fmaf(normal, slope[c], dy[c] - mean_dy[c]) * (saved_inv_std[c] * scale[c]);
            dx[c] = accumulate ? dx[c] + gradient : gradient;
        }
    }
}
