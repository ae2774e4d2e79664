/* Batch norm, the reference: channel by channel, without scratch. */
#include "tensor/batch_norm.h"
#include "tensor/variant.h"

size_t MU_KERNEL(batch_norm_work_floats)(uint32_t channels)
{
    (void)channels;
    return 0;
}

static void normalise(const mu_batch_norm *norm, mu_rows rows, uint32_t channel, float mean, float inv_std, const float *x,
                      size_t y_stride, float *y)
{
    float factor = inv_std * norm->scale[channel];
    for (size_t row = 0; row < rows.rows; row++)
        y[row * y_stride + channel] =
            mu_norm_activate(norm->activation, fmaf(x[row * rows.stride + channel] - mean, factor, norm->shift[channel]));
}

void MU_KERNEL(batch_norm_forward)(const mu_batch_norm *norm, mu_rows rows, const float *x, size_t y_stride, float *y, float *work)
{
    (void)work;
    for (uint32_t c = 0; c < rows.channels; c++) {
        double sum = 0.0, squares = 0.0;
        for (size_t row = 0; row < rows.rows; row++) {
            double value = (double)x[row * rows.stride + c];
            sum += value;
            squares = mu_fma(value, value, squares);
        }
        mu_batch_norm_settle(norm, c, rows.rows, sum, squares);
        normalise(norm, rows, c, norm->saved_mean[c], norm->saved_inv_std[c], x, y_stride, y);
    }
}

void MU_KERNEL(batch_norm_infer)(const mu_batch_norm *norm, mu_rows rows, const float *x, size_t y_stride, float *y)
{
    for (uint32_t c = 0; c < rows.channels; c++)
        normalise(norm, rows, c, norm->running_mean[c], mu_inverse_deviation((double)norm->running_var[c], norm->epsilon), x, y_stride,
                  y);
}

void MU_KERNEL(batch_norm_again)(const mu_batch_norm *norm, mu_rows rows, const float *x, size_t y_stride, float *y)
{
    for (uint32_t c = 0; c < rows.channels; c++)
        normalise(norm, rows, c, norm->saved_mean[c], norm->saved_inv_std[c], x, y_stride, y);
}

/* What comes back through the activation at one place. */
static float before_activation(const mu_batch_norm *norm, uint32_t c, float x, float dy)
{
    if (norm->activation == MU_ACTIVATION_NONE)
        return dy;
    float y = fmaf(x - norm->saved_mean[c], norm->saved_inv_std[c] * norm->scale[c], norm->shift[c]);
    return y <= 0.0f || (norm->activation == MU_ACTIVATION_RELU6 && y >= 6.0f) ? 0.0f : dy;
}

void MU_KERNEL(batch_norm_backward)(const mu_batch_norm *norm, mu_rows rows, const float *x, size_t dy_stride, const float *dy,
                                    float *dscale, float *dshift, size_t dx_stride, float *dx, bool accumulate, float *work)
{
    (void)work;
    for (uint32_t c = 0; c < rows.channels; c++) {
        float  mean = norm->saved_mean[c], inv_std = norm->saved_inv_std[c];
        double shift_sum = 0.0, scale_sum = 0.0;
        for (size_t row = 0; row < rows.rows; row++) {
            float from = x[row * rows.stride + c], gradient = before_activation(norm, c, from, dy[row * dy_stride + c]);
            shift_sum += (double)gradient;
            scale_sum = mu_fma((double)gradient, (double)(from - mean), scale_sum);
        }
        mu_norm_slopes slopes = mu_batch_norm_slopes(rows.rows, shift_sum, scale_sum, inv_std);
        dshift[c] = (float)shift_sum;
        dscale[c] = slopes.dscale;
        for (size_t row = 0; row < rows.rows; row++) {
            float from = x[row * rows.stride + c], gradient = before_activation(norm, c, from, dy[row * dy_stride + c]);
            float normal = (from - mean) * inv_std, *to = &dx[row * dx_stride + c];
            gradient = fmaf(normal, slopes.slope, gradient - slopes.mean_dy) * (inv_std * norm->scale[c]);
            *to = accumulate ? *to + gradient : gradient;
        }
    }
}
