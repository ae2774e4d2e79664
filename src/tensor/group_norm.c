/* Group norm. Channels are taken in spans: as many whole groups as fit into CHUNK channels, or one larger group in several chunks. A
 * chunk's channels are summed side by side over the pixels, in double, then added to their groups one after the other. */
#include "tensor/variant.h"

#include <math.h>

#define CHUNK 64

typedef struct span {
    uint32_t width;                          /* channels of one group */
    uint32_t first_group, groups;            /* groups <= CHUNK */
    uint32_t first_channel, end_channel;     /* their channels */
} span;

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static span span_from(uint32_t first_group, uint32_t groups, uint32_t channels)
{
    span s = { .width = channels / groups, .first_group = first_group };
    s.groups = s.width < CHUNK ? smaller(groups - first_group, CHUNK / s.width) : 1;
    s.first_channel = first_group * s.width;
    s.end_channel = s.first_channel + s.groups * s.width;
    return s;
}

/* sum[group of the span] = over its channels, each over its pixels, of x or of (x - mean of the group)^2 */
static void sum_span(const span *s, mu_rows rows, const float *x, const float *mean, double *sum)
{
    for (uint32_t g = 0; g < s->groups; g++)
        sum[g] = 0.0;
    for (uint32_t first = s->first_channel; first < s->end_channel; first += CHUNK) {
        uint32_t channels = smaller(s->end_channel - first, CHUNK);
        double   chunk[CHUNK];
        float    center[CHUNK];
        for (uint32_t c = 0; c < channels; c++) {
            chunk[c] = 0.0;
            center[c] = mean ? mean[(first + c) / s->width] : 0.0f;
        }
        const float *from = x + first;
        for (size_t row = 0; row < rows.rows; row++, from += rows.stride) {
            if (mean) {
                for (uint32_t c = 0; c < channels; c++) {
                    double deviation = (double)from[c] - (double)center[c];
                    chunk[c] = mu_fma(deviation, deviation, chunk[c]);
                }
            } else {
                for (uint32_t c = 0; c < channels; c++)
                    chunk[c] += (double)from[c];
            }
        }
        for (uint32_t c = 0; c < channels; c++)
            sum[(first + c - s->first_channel) / s->width] += chunk[c];
    }
}

static void normalise(const span *s, mu_rows rows, const float *x, const float *mean, const float *inv_std, const float *scale,
                      const float *shift, size_t y_stride, float *y)
{
    for (uint32_t first = s->first_channel; first < s->end_channel; first += CHUNK) {
        uint32_t channels = smaller(s->end_channel - first, CHUNK);
        float    center[CHUNK], factor[CHUNK];
        for (uint32_t c = 0; c < channels; c++) {
            uint32_t group = (first + c) / s->width;
            center[c] = mean[group];
            factor[c] = inv_std[group] * scale[first + c];
        }
        const float *from = x + first;
        float       *to = y + first;
        for (size_t row = 0; row < rows.rows; row++, from += rows.stride, to += y_stride) {
            MU_INDEPENDENT
            for (uint32_t c = 0; c < channels; c++)
                to[c] = fmaf(from[c] - center[c], factor[c], shift[first + c]);
        }
    }
}

void MU_KERNEL(group_norm_forward)(uint32_t batch, mu_rows rows, uint32_t groups, const float *x, const float *scale,
                                   const float *shift, float epsilon, float *saved_mean, float *saved_inv_std, size_t y_stride,
                                   float *y)
{
    double count = (double)rows.rows * (double)(rows.channels / groups);
    for (uint32_t image = 0; image < batch; image++) {
        for (uint32_t group = 0; group < groups;) {
            span   s = span_from(group, groups, rows.channels);
            double sum[CHUNK];
            sum_span(&s, rows, x, NULL, sum);
            for (uint32_t g = 0; g < s.groups; g++)
                saved_mean[group + g] = (float)(sum[g] / count);
            sum_span(&s, rows, x, saved_mean, sum);
            for (uint32_t g = 0; g < s.groups; g++)
                saved_inv_std[group + g] = (float)(1.0 / sqrt(sum[g] / count + (double)epsilon));
            normalise(&s, rows, x, saved_mean, saved_inv_std, scale, shift, y_stride, y);
            group += s.groups;
        }
        x += rows.rows * rows.stride;
        y += rows.rows * y_stride;
        saved_mean += groups;
        saved_inv_std += groups;
    }
}

/* One image's arrays in backward. */
typedef struct image_view {
    mu_rows      rows;
    const float *x, *scale, *mean, *inv_std;
    size_t       dy_stride, dx_stride;
    const float *dy;
    float       *dx;
} image_view;

/* Adds the image's part to dscale and dshift, and sums what dx needs: over the group of scale * dy, and of that * normal. */
static void sum_gradients(const span *s, const image_view *v, float *dscale, float *dshift, double *sum_dy, double *sum_product)
{
    for (uint32_t g = 0; g < s->groups; g++)
        sum_dy[g] = sum_product[g] = 0.0;
    for (uint32_t first = s->first_channel; first < s->end_channel; first += CHUNK) {
        uint32_t channels = smaller(s->end_channel - first, CHUNK);
        double   plain[CHUNK], product[CHUNK];
        float    center[CHUNK];
        for (uint32_t c = 0; c < channels; c++) {
            plain[c] = product[c] = 0.0;
            center[c] = v->mean[(first + c) / s->width];
        }
        const float *from = v->x + first, *dy = v->dy + first;
        for (size_t row = 0; row < v->rows.rows; row++, from += v->rows.stride, dy += v->dy_stride)
            for (uint32_t c = 0; c < channels; c++) {
                plain[c] += (double)dy[c];
                product[c] = mu_fma((double)dy[c], (double)(from[c] - center[c]), product[c]);
            }
        for (uint32_t c = 0; c < channels; c++) {
            uint32_t group = (first + c) / s->width;
            double   scale = (double)v->scale[first + c];
            product[c] *= (double)v->inv_std[group];
            dshift[first + c] += (float)plain[c];
            dscale[first + c] += (float)product[c];
            sum_dy[group - s->first_group] = mu_fma(scale, plain[c], sum_dy[group - s->first_group]);
            sum_product[group - s->first_group] = mu_fma(scale, product[c], sum_product[group - s->first_group]);
        }
    }
}

/* offset and slope: minus the means over the group of scale * dy and of scale * dy * normal */
static void input_gradient(const span *s, const image_view *v, const float *offset, const float *slope, bool accumulate)
{
    for (uint32_t first = s->first_channel; first < s->end_channel; first += CHUNK) {
        uint32_t channels = smaller(s->end_channel - first, CHUNK);
        float    center[CHUNK], inv_std[CHUNK], offsets[CHUNK], slopes[CHUNK];
        for (uint32_t c = 0; c < channels; c++) {
            uint32_t group = (first + c) / s->width;
            center[c] = v->mean[group];
            inv_std[c] = v->inv_std[group];
            offsets[c] = offset[group - s->first_group];
            slopes[c] = slope[group - s->first_group];
        }
        const float *x = v->x + first, *dy = v->dy + first, *scale = v->scale + first;
        float       *dx = v->dx + first;
        for (size_t row = 0; row < v->rows.rows; row++, x += v->rows.stride, dy += v->dy_stride, dx += v->dx_stride) {
            MU_INDEPENDENT
            for (uint32_t c = 0; c < channels; c++) {
                float normal = (x[c] - center[c]) * inv_std[c];
                float gradient = fmaf(normal, slopes[c], fmaf(scale[c], dy[c], offsets[c])) * inv_std[c];
                dx[c] = accumulate ? dx[c] + gradient : gradient;
            }
        }
    }
}

void MU_KERNEL(group_norm_backward)(uint32_t batch, mu_rows rows, uint32_t groups, const float *x, const float *scale,
                                    const float *saved_mean, const float *saved_inv_std, size_t dy_stride, const float *dy,
                                    float *dscale, float *dshift, size_t dx_stride, float *dx, bool accumulate, bool resume)
{
    double     count = (double)rows.rows * (double)(rows.channels / groups);
    image_view v = { .rows = rows, .x = x, .scale = scale, .mean = saved_mean, .inv_std = saved_inv_std, .dy_stride = dy_stride,
                     .dx_stride = dx_stride, .dy = dy, .dx = dx };
    for (uint32_t c = 0; !resume && c < rows.channels; c++)
        dscale[c] = dshift[c] = 0.0f;
    for (uint32_t image = 0; image < batch; image++) {
        for (uint32_t group = 0; group < groups;) {
            span   s = span_from(group, groups, rows.channels);
            double sum_dy[CHUNK], sum_product[CHUNK];
            float  offset[CHUNK], slope[CHUNK];
            sum_gradients(&s, &v, dscale, dshift, sum_dy, sum_product);
            for (uint32_t g = 0; g < s.groups; g++) {
                offset[g] = (float)(-sum_dy[g] / count);
                slope[g] = (float)(-sum_product[g] / count);
            }
            input_gradient(&s, &v, offset, slope, accumulate);
            group += s.groups;
        }
        v.x += rows.rows * rows.stride;
        v.dy += rows.rows * dy_stride;
        v.dx += rows.rows * dx_stride;
        v.mean += groups;
        v.inv_std += groups;
    }
}
