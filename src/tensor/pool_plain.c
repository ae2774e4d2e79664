/* Pooling, the reference. Backward gathers: each input looks at the windows that hold it, so that overlapping windows need no order of
 * their own and nothing has to be cleared first. The inner loops run over channels. */
#include "tensor/variant.h"
#include "tensor/window.h"

#include <math.h>

static mu_span taps_of_row(const mu_pool2d *p, uint32_t out_row)
{
    return mu_window_taps(out_row, p->stride_h, p->pad_h, p->kernel_h, p->in_height);
}

static mu_span taps_of_column(const mu_pool2d *p, uint32_t out_column)
{
    return mu_window_taps(out_column, p->stride_w, p->pad_w, p->kernel_w, p->in_width);
}

static size_t in_pixel(const mu_pool2d *p, uint32_t image, uint32_t row, uint32_t column)
{
    return ((size_t)image * p->in_height + row) * p->in_width + column;
}

static size_t out_pixel(const mu_pool2d *p, uint32_t image, uint32_t row, uint32_t column)
{
    return ((size_t)image * p->out_height + row) * p->out_width + column;
}

/* What one window is to the functions below. */
typedef struct window {
    uint32_t image, out_row, out_column;
    mu_span  rows, columns; /* taps inside of the image */
} window;

/* The input under tap (kr, kc) of the window. */
static const float *under(const mu_pool2d *p, const window *at, const float *x, uint32_t kr, uint32_t kc)
{
    return x + in_pixel(p, at->image, at->out_row * p->stride_h + kr - p->pad_h, at->out_column * p->stride_w + kc - p->pad_w) *
                   p->in_stride;
}

/* Call `each` for all windows in order. */
static void for_windows(const mu_pool2d *p, const float *x, float *y, uint8_t *winner,
                        void (*each)(const mu_pool2d *, const window *, const float *, float *restrict, uint8_t *restrict))
{
    window at = { 0 };
    for (at.image = 0; at.image < p->batch; at.image++)
        for (at.out_row = 0; at.out_row < p->out_height; at.out_row++) {
            at.rows = taps_of_row(p, at.out_row);
            for (at.out_column = 0; at.out_column < p->out_width; at.out_column++) {
                at.columns = taps_of_column(p, at.out_column);
                size_t pixel = out_pixel(p, at.image, at.out_row, at.out_column);
                each(p, &at, x, y + pixel * p->out_stride, winner ? winner + pixel * p->channels : NULL);
            }
        }
}

static void max_window(const mu_pool2d *p, const window *at, const float *x, float *restrict best, uint8_t *restrict winner)
{
    uint32_t first_tap = at->rows.first * p->kernel_w + at->columns.first;
    const float *first = under(p, at, x, at->rows.first, at->columns.first);
    for (uint32_t c = 0; c < p->channels; c++) {
        best[c] = first[c];
        winner[c] = (uint8_t)first_tap;
    }
    for (uint32_t kr = at->rows.first; kr < at->rows.end; kr++) {
        for (uint32_t kc = at->columns.first; kc < at->columns.end; kc++) {
            const float *restrict from = under(p, at, x, kr, kc);
            uint8_t tap = (uint8_t)(kr * p->kernel_w + kc);
            if (tap == (uint8_t)first_tap)
                continue;
            for (uint32_t c = 0; c < p->channels; c++) {
                bool larger = (from[c] > best[c]) | (from[c] != from[c]);
                best[c] = larger ? from[c] : best[c];
                winner[c] = larger ? tap : winner[c];
            }
        }
    }
}

static void max_window_relu(const mu_pool2d *p, const window *at, const float *x, float *restrict best, uint8_t *restrict winner)
{
    max_window(p, at, x, best, winner);
    for (uint32_t c = 0; c < p->channels; c++) {
        best[c] = mu_relu(best[c]);
        winner[c] = best[c] <= 0.0f ? MU_POOL_NOBODY : winner[c];
    }
}

void MU_KERNEL(max_pool_forward)(const mu_pool2d *p, const float *x, bool relu, float *y, uint8_t *winner)
{
    for_windows(p, x, y, winner, relu ? max_window_relu : max_window);
}

static void average_window(const mu_pool2d *p, const window *at, const float *x, float *restrict mean, uint8_t *restrict unused)
{
    (void)unused;
    for (uint32_t c = 0; c < p->channels; c++)
        mean[c] = 0.0f;
    for (uint32_t kr = at->rows.first; kr < at->rows.end; kr++) {
        for (uint32_t kc = at->columns.first; kc < at->columns.end; kc++) {
            const float *restrict from = under(p, at, x, kr, kc);
            for (uint32_t c = 0; c < p->channels; c++)
                mean[c] += from[c];
        }
    }
    float count = (float)((at->rows.end - at->rows.first) * (at->columns.end - at->columns.first));
    for (uint32_t c = 0; c < p->channels; c++)
        mean[c] /= count;
}

void MU_KERNEL(average_pool_forward)(const mu_pool2d *p, const float *x, float *y)
{
    for_windows(p, x, y, NULL, average_window);
}

/* What an input at (row, column) gets back from the windows that hold it. */
typedef struct holder {
    uint32_t image, row, column;
    mu_span  out_rows, out_columns;
} holder;

static float max_gather(const mu_pool2d *p, const holder *at, uint32_t channel, const float *dy, const uint8_t *winner)
{
    float sum = 0.0f;
    for (uint32_t out_row = at->out_rows.first; out_row < at->out_rows.end; out_row++) {
        uint32_t kr = at->row + p->pad_h - out_row * p->stride_h;
        for (uint32_t out_column = at->out_columns.first; out_column < at->out_columns.end; out_column++) {
            uint32_t kc = at->column + p->pad_w - out_column * p->stride_w;
            size_t   pixel = out_pixel(p, at->image, out_row, out_column);
            sum += winner[pixel * p->channels + channel] == kr * p->kernel_w + kc ? dy[pixel * p->out_stride + channel] : 0.0f;
        }
    }
    return sum;
}

static float average_gather(const mu_pool2d *p, const holder *at, uint32_t channel, const float *dy, const uint8_t *winner)
{
    (void)winner;
    float sum = 0.0f;
    for (uint32_t out_row = at->out_rows.first; out_row < at->out_rows.end; out_row++) {
        mu_span rows = taps_of_row(p, out_row);
        for (uint32_t out_column = at->out_columns.first; out_column < at->out_columns.end; out_column++) {
            mu_span columns = taps_of_column(p, out_column);
            float   count = (float)((rows.end - rows.first) * (columns.end - columns.first));
            sum += dy[out_pixel(p, at->image, out_row, out_column) * p->out_stride + channel] / count;
        }
    }
    return sum;
}

static void for_inputs(const mu_pool2d *p, const float *dy, const uint8_t *winner, float *dx, bool accumulate,
                       float (*gather)(const mu_pool2d *, const holder *, uint32_t, const float *, const uint8_t *))
{
    holder at = { 0 };
    for (at.image = 0; at.image < p->batch; at.image++)
        for (at.row = 0; at.row < p->in_height; at.row++) {
            at.out_rows = mu_window_outputs(at.row, p->stride_h, p->pad_h, p->kernel_h, p->out_height);
            for (at.column = 0; at.column < p->in_width; at.column++) {
                at.out_columns = mu_window_outputs(at.column, p->stride_w, p->pad_w, p->kernel_w, p->out_width);
                float *to = dx + in_pixel(p, at.image, at.row, at.column) * p->in_stride;
                for (uint32_t c = 0; c < p->channels; c++) {
                    float sum = gather(p, &at, c, dy, winner);
                    to[c] = accumulate ? to[c] + sum : sum;
                }
            }
        }
}

void MU_KERNEL(max_pool_backward)(const mu_pool2d *p, const float *dy, const uint8_t *winner, float *dx, bool accumulate)
{
    for_inputs(p, dy, winner, dx, accumulate, max_gather);
}

void MU_KERNEL(average_pool_backward)(const mu_pool2d *p, const float *dy, float *dx, bool accumulate)
{
    for_inputs(p, dy, NULL, dx, accumulate, average_gather);
}
