/* Depthwise convolution: every channel by itself, so vectors run across channels and there is nothing to multiply twice. */
#include "tensor/conv_axis.h"
#include "tensor/conv_vector.h"
#include "tensor/vec.h"

#define CHUNK (4 * VEC_LANES) /* channels whose sums are in registers together */

/* One chunk of channels, whole vectors with a mask for each. */
typedef struct chunk {
    uint32_t first, channels;
    vec_mask mask[4];
} chunk;

static chunk chunk_at(uint32_t first, uint32_t channels)
{
    chunk c = { .first = first, .channels = channels - first < CHUNK ? channels - first : CHUNK };
    for (uint32_t v = 0; v < 4; v++)
        c.mask[v] = vec_first(c.channels > v * VEC_LANES ? c.channels - v * VEC_LANES : 0);
    return c;
}

/* sum[v] = fma(a, b, sum[v]) for the vectors of the chunk. */
static inline void add_products(const chunk *c, const float *a, const float *b, vec sum[4])
{
    for (uint32_t v = 0; v < 4; v++)
        if (v * VEC_LANES < c->channels)
            sum[v] = vec_fma(vec_load_first(a + v * VEC_LANES, c->mask[v]), vec_load_first(b + v * VEC_LANES, c->mask[v]), sum[v]);
}

typedef struct pass {
    const mu_conv *conv;
    mu_axis        rows, columns;
    size_t         in_width, in_stride;
    const float   *w;
    const float   *bias;
    bool           relu, accumulate;
} pass;

static void run_pixel(const pass *p, const mu_axis_group *rows, const mu_axis_group *columns, const float *in, float *out)
{
    uint32_t channels = p->conv->in_channels;
    for (uint32_t first = 0; first < channels; first += CHUNK) {
        chunk c = chunk_at(first, channels);
        vec   sum[4] = { vec_zero(), vec_zero(), vec_zero(), vec_zero() };
        for (uint32_t i = 0; i < rows->taps; i++)
            for (uint32_t j = 0; j < columns->taps; j++) {
                ptrdiff_t pixel = (ptrdiff_t)i * rows->in_tap_step * (ptrdiff_t)p->in_width + (ptrdiff_t)j * columns->in_tap_step;
                size_t tap = (size_t)(rows->tap_first + i * rows->tap_step) * p->conv->kernel_w + columns->tap_first +
                             j * columns->tap_step;
                add_products(&c, in + pixel * (ptrdiff_t)p->in_stride + first, p->w + tap * channels + first, sum);
            }
        for (uint32_t v = 0; v * VEC_LANES < c.channels; v++) {
            float *to = out + first + v * VEC_LANES;
            if (p->bias)
                sum[v] = vec_add(sum[v], vec_load_first(p->bias + first + v * VEC_LANES, c.mask[v]));
            if (p->relu)
                sum[v] = vec_relu(sum[v]);
            if (p->accumulate)
                sum[v] = vec_add(vec_load_first(to, c.mask[v]), sum[v]);
            vec_store_first(to, c.mask[v], sum[v]);
        }
    }
}

static void run_pass(const pass *p, size_t in_height, size_t out_height, size_t out_width, size_t out_stride, const float *in,
                     float *out)
{
    mu_axis_group rows, columns;
    for (uint32_t row_phase = 0, row_at = 0; mu_axis_next(&p->rows, &row_phase, &row_at, &rows);)
        for (uint32_t column_phase = 0, column_at = 0; mu_axis_next(&p->columns, &column_phase, &column_at, &columns);)
            for (size_t image = 0; image < p->conv->batch; image++)
                for (uint32_t row = 0; row < rows.count; row++)
                    for (uint32_t column = 0; column < columns.count; column++) {
                        size_t from = (image * in_height + (size_t)(rows.in_first + (int64_t)row * rows.in_step)) * p->in_width +
                                      (size_t)(columns.in_first + (int64_t)column * columns.in_step);
                        size_t to = (image * out_height + rows.out_first + row * rows.out_step) * out_width + columns.out_first +
                                    column * columns.out_step;
                        run_pixel(p, &rows, &columns, in + from * p->in_stride, out + to * out_stride);
                    }
}

void MU_KERNEL(depthwise_forward)(const mu_conv *c, const float *x, const float *w, const float *bias, bool relu, float *y)
{
    pass p = { .conv = c, .in_width = c->in_width, .in_stride = c->in_stride, .w = w, .bias = bias, .relu = relu,
               .rows = { c->in_height, c->out_height, c->kernel_h, c->stride_h, c->pad_h, false },
               .columns = { c->in_width, c->out_width, c->kernel_w, c->stride_w, c->pad_w, false } };
    run_pass(&p, c->in_height, c->out_height, c->out_width, c->out_stride, x, y);
}

void MU_KERNEL(depthwise_grad_input)(const mu_conv *c, const float *dy, const float *w, float *dx, bool accumulate)
{
    pass p = { .conv = c, .in_width = c->out_width, .in_stride = c->out_stride, .w = w, .accumulate = accumulate,
               .rows = { c->in_height, c->out_height, c->kernel_h, c->stride_h, c->pad_h, true },
               .columns = { c->in_width, c->out_width, c->kernel_w, c->stride_w, c->pad_w, true } };
    run_pass(&p, c->out_height, c->in_height, c->in_width, c->in_stride, dy, dx);
}

/* One tap, one chunk: over all pixels that it meets. */
static void weight_chunk(const mu_conv *c, uint32_t kr, uint32_t kc, const chunk *channels, const float *x, const float *dy, float *dw)
{
    vec sum[4] = { vec_zero(), vec_zero(), vec_zero(), vec_zero() };
    for (size_t image = 0; image < c->batch; image++) {
        for (uint32_t row = 0; row < c->out_height; row++) {
            mu_span rows = mu_window_taps(row, c->stride_h, c->pad_h, c->kernel_h, c->in_height);
            if (kr < rows.first || kr >= rows.end)
                continue;
            size_t in_row = (image * c->in_height + row * c->stride_h + kr - c->pad_h) * c->in_width;
            size_t out_row = (image * c->out_height + row) * c->out_width;
            for (uint32_t column = 0; column < c->out_width; column++) {
                int64_t in_column = (int64_t)column * c->stride_w + kc - c->pad_w;
                if (in_column < 0 || in_column >= c->in_width)
                    continue;
                add_products(channels, x + (in_row + (size_t)in_column) * c->in_stride + channels->first,
                             dy + (out_row + column) * c->out_stride + channels->first, sum);
            }
        }
    }
    for (uint32_t v = 0; v * VEC_LANES < channels->channels; v++)
        vec_store_first(dw + channels->first + v * VEC_LANES, channels->mask[v], sum[v]);
}

void MU_KERNEL(depthwise_grad_weight)(const mu_conv *c, const float *x, const float *dy, float *dw)
{
    for (uint32_t kr = 0; kr < c->kernel_h; kr++)
        for (uint32_t kc = 0; kc < c->kernel_w; kc++)
            for (uint32_t first = 0; first < c->in_channels; first += CHUNK) {
                chunk channels = chunk_at(first, c->in_channels);
                weight_chunk(c, kr, kc, &channels, x, dy, dw + ((size_t)kr * c->kernel_w + kc) * c->in_channels);
            }
}
