/* Layer norm: every row (a pixel, an item of a sequence) over its own channels. */
#include "tensor/variant.h"

#include <math.h>

typedef struct lanes {
    double sum[MU_LANES];
} lanes;

static double add_lanes(lanes *l)
{
    for (size_t half = MU_LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            l->sum[lane] += l->sum[lane + half];
    return l->sum[0];
}

static float mean_of(uint32_t count, const float *x)
{
    lanes    l = { { 0.0 } };
    uint32_t i = 0;
    for (; i + MU_LANES <= count; i += MU_LANES)
        for (size_t lane = 0; lane < MU_LANES; lane++)
            l.sum[lane] += (double)x[i + lane];
    for (size_t lane = 0; i + lane < count; lane++)
        l.sum[lane] += (double)x[i + lane];
    return (float)(add_lanes(&l) / count);
}

static double variance_of(uint32_t count, const float *x, float mean)
{
    lanes    l = { { 0.0 } };
    uint32_t i = 0;
    for (; i + MU_LANES <= count; i += MU_LANES) {
        for (size_t lane = 0; lane < MU_LANES; lane++) {
            double off = (double)x[i + lane] - (double)mean;
            l.sum[lane] = mu_fma(off, off, l.sum[lane]);
        }
    }
    for (size_t lane = 0; i + lane < count; lane++) {
        double off = (double)x[i + lane] - (double)mean;
        l.sum[lane] = mu_fma(off, off, l.sum[lane]);
    }
    return add_lanes(&l) / count;
}

void MU_KERNEL(layer_norm_forward)(mu_rows rows, const float *x, const float *scale, const float *shift, float epsilon, float *saved_mean,
                                   float *saved_inv_std, size_t y_stride, float *y)
{
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride, y += y_stride) {
        float mean = mean_of(rows.channels, x);
        float inv_std = (float)(1.0 / sqrt(variance_of(rows.channels, x, mean) + (double)epsilon));
        saved_mean[row] = mean;
        saved_inv_std[row] = inv_std;
        MU_INDEPENDENT
        for (uint32_t c = 0; c < rows.channels; c++)
            y[c] = fmaf(x[c] - mean, inv_std * scale[c], shift[c]);
    }
}

/* What a row's gradient loses to the mean and to the standard deviation. */
typedef struct row_means {
    float plain, with_normal;
} row_means;

static void add_terms(double s, float x, float mean, float inv_std, double *plain, double *with_normal)
{
    float normal = (x - mean) * inv_std;
    *plain += s;
    *with_normal = mu_fma(s, (double)normal, *with_normal);
}

static row_means means_of(uint32_t count, const float *x, const float *scale, const float *dy, float mean, float inv_std)
{
    lanes    plain = { { 0.0 } }, with_normal = { { 0.0 } };
    uint32_t i = 0;
    for (; i + MU_LANES <= count; i += MU_LANES)
        for (size_t lane = 0; lane < MU_LANES; lane++)
            add_terms((double)(scale[i + lane] * dy[i + lane]), x[i + lane], mean, inv_std, &plain.sum[lane], &with_normal.sum[lane]);
    for (size_t lane = 0; i + lane < count; lane++)
        add_terms((double)(scale[i + lane] * dy[i + lane]), x[i + lane], mean, inv_std, &plain.sum[lane], &with_normal.sum[lane]);
    return (row_means){ (float)(add_lanes(&plain) / count), (float)(add_lanes(&with_normal) / count) };
}

/* Columns in chunks, so that the sums stay in registers while the rows pass. */
static void gradients_of_parameters(mu_rows rows, const float *x, const float *saved_mean, const float *saved_inv_std, size_t dy_stride,
                                    const float *dy, float *dscale, float *dshift, bool resume)
{
    for (uint32_t first = 0; first < rows.channels; first += MU_LANES) {
        uint32_t width = rows.channels - first < MU_LANES ? rows.channels - first : MU_LANES;
        float    scale_sum[MU_LANES] = { 0.0f }, shift_sum[MU_LANES] = { 0.0f };
        for (uint32_t c = 0; resume && c < width; c++) {
            scale_sum[c] = dscale[first + c];
            shift_sum[c] = dshift[first + c];
        }
        for (size_t row = 0; row < rows.rows; row++) {
            const float *from = x + row * rows.stride + first, *slope = dy + row * dy_stride + first;
            for (uint32_t c = 0; c < width; c++) {
                float normal = (from[c] - saved_mean[row]) * saved_inv_std[row];
                shift_sum[c] += slope[c];
                scale_sum[c] = fmaf(slope[c], normal, scale_sum[c]);
            }
        }
        for (uint32_t c = 0; c < width; c++) {
            dscale[first + c] = scale_sum[c];
            dshift[first + c] = shift_sum[c];
        }
    }
}

void MU_KERNEL(layer_norm_backward)(mu_rows rows, const float *x, const float *scale, const float *saved_mean, const float *saved_inv_std,
                                    size_t dy_stride, const float *dy, float *dscale, float *dshift, size_t dx_stride, float *dx,
                                    bool accumulate, bool resume)
{
    gradients_of_parameters(rows, x, saved_mean, saved_inv_std, dy_stride, dy, dscale, dshift, resume);
    for (size_t row = 0; dx && row < rows.rows; row++, x += rows.stride, dy += dy_stride, dx += dx_stride) {
        float     mean = saved_mean[row], inv_std = saved_inv_std[row];
        row_means means = means_of(rows.channels, x, scale, dy, mean, inv_std);
        MU_INDEPENDENT
        for (uint32_t c = 0; c < rows.channels; c++) {
            float slope = fmaf((x[c] - mean) * inv_std, -means.with_normal, scale[c] * dy[c] - means.plain) * inv_std;
            dx[c] = accumulate ? dx[c] + slope : slope;
        }
    }
}
