/* Depthwise convolution: every channel by itself, so vectors run across channels, and there is nothing to share between them.
 *
 * Forward and input gradient take one vector of channels and a strip of neighbouring pixels that see the same taps: each tap's weights
 * are loaded once for the strip. The weight gradient takes one vector of channels and several taps, whose sums stay in registers along
 * a row of pixels, and rest in dw from row to row. Both go through the image row by row, so that it is read once. */
#include "tensor/conv_axis.h"
#include "tensor/conv_vector.h"
#include "tensor/tile.h"
#include "tensor/tile_body.h"

#define STRIP 8       /* pixels */
#define MOST_GROUPS 32 /* of columns, in one pass over the images: more than any common window has */
#define MOST_TAPS 9   /* sums of the weight gradient in registers */

typedef struct pass {
    const mu_conv *conv;
    mu_axis        rows, columns;
    size_t         in_height, in_width, in_stride, out_height, out_width, out_stride;
    const float   *w, *bias, *in;
    float         *out;
    bool           relu, accumulate;
    mu_axis_group  groups[MOST_GROUPS];
    uint32_t       group_count;
} pass;

/* The next groups of columns; false when there are no more. */
static bool next_groups(pass *p, uint32_t *phase, uint32_t *at)
{
    p->group_count = 0;
    while (p->group_count < MOST_GROUPS && mu_axis_next(&p->columns, phase, at, &p->groups[p->group_count]))
        p->group_count++;
    return p->group_count > 0;
}

MU_INLINE vec load(const float *from, vec_mask mask, const bool whole)
{
    return whole ? vec_load(from) : vec_load_first(from, mask);
}

MU_INLINE void strip(const pass *p, const mu_axis_group *rows, const mu_axis_group *columns, const float *in, float *out,
                     uint32_t channel, vec_mask mask, const bool whole, const int pixels)
{
    const size_t in_step = columns->in_step * p->in_stride, out_step = columns->out_step * p->out_stride;
    const ptrdiff_t tap_row = rows->in_tap_step * (ptrdiff_t)(p->in_width * p->in_stride);
    const ptrdiff_t tap_column = columns->in_tap_step * (ptrdiff_t)p->in_stride;
    const size_t channels = p->conv->in_channels;
    vec sum[STRIP];
    MU_UNROLL
    for (int i = 0; i < pixels; i++)
        sum[i] = vec_zero();
    for (uint32_t r = 0; r < rows->taps; r++) {
        const float *from = in + r * tap_row + channel;
        const float *w = p->w + ((rows->tap_first + r * rows->tap_step) * p->conv->kernel_w + columns->tap_first) * channels + channel;
        for (uint32_t c = 0; c < columns->taps; c++, from += tap_column, w += columns->tap_step * channels) {
            vec weights = load(w, mask, whole);
            MU_UNROLL
            for (int i = 0; i < pixels; i++)
                sum[i] = vec_fma(load(from + (size_t)i * in_step, mask, whole), weights, sum[i]);
        }
    }
    MU_UNROLL
    for (int i = 0; i < pixels; i++) {
        float *to = out + (size_t)i * out_step + channel;
        if (p->bias)
            sum[i] = vec_add(sum[i], load(p->bias + channel, mask, whole));
        if (p->relu)
            sum[i] = vec_relu(sum[i]);
        if (p->accumulate)
            sum[i] = vec_add(load(to, mask, whole), sum[i]);
        if (whole)
            vec_store(to, sum[i]);
        else
            vec_store_first(to, mask, sum[i]);
    }
}

#define STRIPS(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#define STRIP_CASE(pixels)                                                                                                       \
    case pixels:                                                                                                                 \
        strip(p, rows, columns, in, out, channel, mask, whole, pixels);                                                          \
        break;

/* The pixels of one group of columns in one row, for one vector of channels. */
MU_INLINE void run_group(const pass *p, const mu_axis_group *rows, const mu_axis_group *columns, const float *in, float *out,
                         uint32_t channel, vec_mask mask, const bool whole)
{
    for (uint32_t left = columns->count; left > 0;) {
        uint32_t count = mu_next_rows(left, STRIP);
        switch (count) {
            STRIPS(STRIP_CASE)
        }
        in += count * (size_t)columns->in_step * p->in_stride;
        out += count * (size_t)columns->out_step * p->out_stride;
        left -= count;
    }
}

/* One row of what is written; in_row: the row that its first tap reads. */
static void run_row(const pass *p, const mu_axis_group *rows, size_t in_row, size_t out_row)
{
    for (uint32_t channel = 0; channel < p->conv->in_channels; channel += VEC_LANES) {
        const uint32_t left = p->conv->in_channels - channel;
        const vec_mask mask = vec_first(left);
        for (uint32_t g = 0; g < p->group_count; g++) {
            const mu_axis_group *columns = &p->groups[g];
            const float *in = p->in + (in_row * p->in_width + (size_t)columns->in_first) * p->in_stride;
            float       *out = p->out + (out_row * p->out_width + columns->out_first) * p->out_stride;
            if (left >= VEC_LANES)
                run_group(p, rows, columns, in, out, channel, mask, true);
            else
                run_group(p, rows, columns, in, out, channel, mask, false);
        }
    }
}

static void run_pass(pass *p)
{
    for (uint32_t column_phase = 0, column = 0; next_groups(p, &column_phase, &column);)
        for (size_t image = 0; image < p->conv->batch; image++) {
            mu_axis_group rows;
            for (uint32_t row_phase = 0, row_at = 0; mu_axis_next(&p->rows, &row_phase, &row_at, &rows);)
                for (uint32_t row = 0; row < rows.count; row++)
                    run_row(p, &rows, image * p->in_height + (size_t)(rows.in_first + (int64_t)row * rows.in_step),
                            image * p->out_height + rows.out_first + row * rows.out_step);
        }
}

void MU_KERNEL(depthwise_forward)(const mu_conv *c, const float *x, const float *w, const float *bias, bool relu, float *y)
{
    pass p = { .conv = c, .w = w, .bias = bias, .relu = relu, .in = x, .out = y,
               .in_height = c->in_height, .in_width = c->in_width, .in_stride = c->in_stride,
               .out_height = c->out_height, .out_width = c->out_width, .out_stride = c->out_stride,
               .rows = { c->in_height, c->out_height, c->kernel_h, c->stride_h, c->pad_h, false },
               .columns = { c->in_width, c->out_width, c->kernel_w, c->stride_w, c->pad_w, false } };
    run_pass(&p);
}

void MU_KERNEL(depthwise_grad_input)(const mu_conv *c, const float *dy, const float *w, float *dx, bool accumulate)
{
    pass p = { .conv = c, .w = w, .accumulate = accumulate, .in = dy, .out = dx,
               .in_height = c->out_height, .in_width = c->out_width, .in_stride = c->out_stride,
               .out_height = c->in_height, .out_width = c->in_width, .out_stride = c->in_stride,
               .rows = { c->in_height, c->out_height, c->kernel_h, c->stride_h, c->pad_h, true },
               .columns = { c->in_width, c->out_width, c->kernel_w, c->stride_w, c->pad_w, true } };
    run_pass(&p);
}

/* `taps` taps of a group of columns: from[i] is what the first pixel sees under tap i, to[i] its weights' gradient. */
MU_INLINE void add_taps(const pass *p, const mu_axis_group *columns, const float *const *from, const float *dy, float *const *to,
                        vec_mask mask, const bool whole, const int taps)
{
    const size_t in_step = columns->in_step * p->in_stride;
    vec          sum[MOST_TAPS];
    MU_UNROLL
    for (int i = 0; i < taps; i++)
        sum[i] = load(to[i], mask, whole);
    for (size_t pixel = 0, place = 0; pixel < columns->count; pixel++, place += in_step, dy += p->out_stride) {
        vec gradient = load(dy, mask, whole);
        MU_UNROLL
        for (int i = 0; i < taps; i++)
            sum[i] = vec_fma(load(from[i] + place, mask, whole), gradient, sum[i]);
    }
    MU_UNROLL
    for (int i = 0; i < taps; i++) {
        if (whole)
            vec_store(to[i], sum[i]);
        else
            vec_store_first(to[i], mask, sum[i]);
    }
}

#define TAPS_CASE(taps)                                                                                                          \
    case taps:                                                                                                                   \
        add_taps(p, columns, from, dy, to, mask, whole, taps);                                                                   \
        break;

/* All taps that a group of columns sees in one row of dy. `in` is the place of its first pixel under the first of them. */
MU_INLINE void weight_group(const pass *p, const mu_axis_group *rows, const mu_axis_group *columns, const float *in, const float *dy,
                            uint32_t channel, vec_mask mask, const bool whole)
{
    const size_t channels = p->conv->in_channels;
    const float *from[MOST_TAPS];
    float       *to[MOST_TAPS];
    int          count = 0;
    for (uint32_t left = rows->taps * columns->taps, r = 0, c = 0; left > 0; left--) {
        from[count] = in + (r * p->in_width + c) * p->in_stride;
        to[count] = p->out + ((size_t)(rows->tap_first + r) * p->conv->kernel_w + columns->tap_first + c) * channels + channel;
        if (++count == MOST_TAPS || left == 1) {
            switch (count) {
                STRIPS(TAPS_CASE)
                TAPS_CASE(9)
            }
            count = 0;
        }
        if (++c == columns->taps) {
            c = 0;
            r++;
        }
    }
}

static void weight_row(const pass *p, const mu_axis_group *rows, size_t in_row, size_t out_row, const float *dy)
{
    for (uint32_t channel = 0; channel < p->conv->in_channels; channel += VEC_LANES) {
        const uint32_t left = p->conv->in_channels - channel;
        const vec_mask mask = vec_first(left);
        for (uint32_t g = 0; g < p->group_count; g++) {
            const mu_axis_group *columns = &p->groups[g];
            const float *in = p->in + (in_row * p->in_width + (size_t)columns->in_first) * p->in_stride + channel;
            const float *gradient = dy + (out_row * p->out_width + columns->out_first) * p->out_stride + channel;
            if (left >= VEC_LANES)
                weight_group(p, rows, columns, in, gradient, channel, mask, true);
            else
                weight_group(p, rows, columns, in, gradient, channel, mask, false);
        }
    }
}

/* A weight meets its pixels in order although the groups of columns are taken in turn: those of one row ascend. */
void MU_KERNEL(depthwise_grad_weight)(const mu_conv *c, const float *x, const float *dy, float *dw)
{
    pass p = { .conv = c, .in = x, .out = dw, .in_height = c->in_height, .in_width = c->in_width, .in_stride = c->in_stride,
               .out_height = c->out_height, .out_width = c->out_width, .out_stride = c->out_stride,
               .rows = { c->in_height, c->out_height, c->kernel_h, c->stride_h, c->pad_h, false },
               .columns = { c->in_width, c->out_width, c->kernel_w, c->stride_w, c->pad_w, false } };
    uint32_t column_phase = 0, column = 0;
    for (size_t i = 0; !c->resume && i < (size_t)c->kernel_h * c->kernel_w * c->in_channels; i++)
        dw[i] = 0.0f;
    next_groups(&p, &column_phase, &column);
    const bool all_groups = p.group_count < MOST_GROUPS;
    for (size_t image = 0; image < c->batch; image++) {
        mu_axis_group rows;
        for (uint32_t row_phase = 0, row_at = 0; mu_axis_next(&p.rows, &row_phase, &row_at, &rows);)
            for (uint32_t row = 0; row < rows.count; row++) {
                size_t in_row = image * c->in_height + (size_t)(rows.in_first + (int64_t)row * rows.in_step);
                size_t out_row = image * c->out_height + rows.out_first + row;
                if (all_groups) {
                    weight_row(&p, &rows, in_row, out_row, dy);
                    continue;
                }
                for (column_phase = column = 0; next_groups(&p, &column_phase, &column);)
                    weight_row(&p, &rows, in_row, out_row, dy);
            }
    }
}
