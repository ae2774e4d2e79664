/* Pooling with vectors along the channels. The windows along each axis fall into few shapes (all of them the same away from the
 * borders), so the places of a window's taps are found once for a shape, not once for a window. */
#include "tensor/variant.h"
#include "tensor/vec.h"
#include "tensor/window.h"

#define INLINE static inline __attribute__((always_inline))

#define MOST_TAPS 256

/* The taps of a window that lie in the image: how far from the window's corner, and their numbers. */
typedef struct taps {
    mu_span   rows, columns;
    uint32_t  count;
    ptrdiff_t place[MOST_TAPS];
    uint8_t   id[MOST_TAPS];
} taps;

static bool same_span(mu_span a, mu_span b)
{
    return a.first == b.first && a.end == b.end;
}

/* The taps of a window with these spans; nothing is done where they are those of the window before. */
static void find_taps(const mu_pool2d *p, mu_span rows, mu_span columns, taps *t)
{
    if (same_span(rows, t->rows) && same_span(columns, t->columns))
        return;
    t->rows = rows;
    t->columns = columns;
    t->count = 0;
    for (uint32_t kr = rows.first; kr < rows.end; kr++)
        for (uint32_t kc = columns.first; kc < columns.end; kc++, t->count++) {
            t->place[t->count] = ((ptrdiff_t)kr * p->in_width + kc) * (ptrdiff_t)p->in_stride;
            t->id[t->count] = (uint8_t)(kr * p->kernel_w + kc);
        }
}

static mu_span rows_of(const mu_pool2d *p, uint32_t out_row)
{
    return mu_window_taps(out_row, p->stride_h, p->pad_h, p->kernel_h, p->in_height);
}

static mu_span columns_of(const mu_pool2d *p, uint32_t out_column)
{
    return mu_window_taps(out_column, p->stride_w, p->pad_w, p->kernel_w, p->in_width);
}

/* How far a window's corner lies from its image's first pixel; before it, where there is padding. */
static ptrdiff_t corner(const mu_pool2d *p, uint32_t out_row, uint32_t out_column)
{
    ptrdiff_t row = (ptrdiff_t)out_row * p->stride_h - p->pad_h, column = (ptrdiff_t)out_column * p->stride_w - p->pad_w;
    return (row * p->in_width + column) * (ptrdiff_t)p->in_stride;
}

/* The largest of one window in `lanes` channels; x + place is the window's corner. */
INLINE void max_of_taps(const taps *t, const uint32_t count, const float *x, ptrdiff_t place, uint32_t lanes, bool relu, float *y,
                        uint8_t *winner)
{
    const vec_mask mask = vec_first(lanes);
    vec     best = vec_load_first(x + (place + t->place[0]), mask);
    vec_ids who = vec_ids_all(t->id[0]);
    for (uint32_t i = 1; i < count; i++) {
        vec      from = vec_load_first(x + (place + t->place[i]), mask);
        vec_bool larger = vec_either(vec_greater(from, best), vec_is_nan(from));
        best = vec_choose(larger, from, best);
        who = vec_ids_choose(larger, vec_ids_all(t->id[i]), who);
    }
    if (relu) {
        best = vec_relu(best);
        who = vec_ids_choose(vec_at_most(best, vec_zero()), vec_ids_all(MU_POOL_NOBODY), who);
    }
    vec_store_first(y, mask, best);
    vec_ids_store(winner, lanes, who);
}

/* Four taps, the usual window, get a loop of their own. */
INLINE void max_of_window(const mu_pool2d *p, const taps *t, const uint32_t count, const float *x, ptrdiff_t place, bool relu,
                          float *y, uint8_t *winner)
{
    uint32_t c = 0;
    for (; c + VEC_LANES <= p->channels; c += VEC_LANES)
        max_of_taps(t, count, x, place + c, VEC_LANES, relu, y + c, winner + c);
    if (c < p->channels)
        max_of_taps(t, count, x, place + c, p->channels - c, relu, y + c, winner + c);
}

void MU_KERNEL(max_pool_forward)(const mu_pool2d *p, const float *x, bool relu, float *y, uint8_t *winner)
{
    taps t = { .count = 0 };
    for (uint32_t image = 0; image < p->batch; image++, x += (size_t)p->in_height * p->in_width * p->in_stride)
        for (uint32_t out_row = 0; out_row < p->out_height; out_row++) {
            mu_span rows = rows_of(p, out_row);
            for (uint32_t out_column = 0; out_column < p->out_width; out_column++, y += p->out_stride, winner += p->channels) {
                find_taps(p, rows, columns_of(p, out_column), &t);
                if (t.count == 4)
                    max_of_window(p, &t, 4, x, corner(p, out_row, out_column), relu, y, winner);
                else
                    max_of_window(p, &t, t.count, x, corner(p, out_row, out_column), relu, y, winner);
            }
        }
}

void MU_KERNEL(average_pool_forward)(const mu_pool2d *p, const float *x, float *y)
{
    for (uint32_t image = 0; image < p->batch; image++, x += (size_t)p->in_height * p->in_width * p->in_stride)
        for (uint32_t out_row = 0; out_row < p->out_height; out_row++) {
            mu_span rows = rows_of(p, out_row);
            for (uint32_t out_column = 0; out_column < p->out_width; out_column++, y += p->out_stride) {
                mu_span columns = columns_of(p, out_column);
                ptrdiff_t place = corner(p, out_row, out_column);
                vec       count = vec_all((float)((rows.end - rows.first) * (columns.end - columns.first)));
                for (uint32_t c = 0; c < p->channels; c += VEC_LANES) {
                    vec_mask mask = vec_first(p->channels - c);
                    vec      sum = vec_zero();
                    for (uint32_t kr = rows.first; kr < rows.end; kr++)
                        for (uint32_t kc = columns.first; kc < columns.end; kc++) {
                            ptrdiff_t tap = ((ptrdiff_t)kr * p->in_width + kc) * (ptrdiff_t)p->in_stride;
                            sum = vec_add(sum, vec_load_first(x + (place + tap + c), mask));
                        }
                    vec_store_first(y + c, mask, vec_divide(sum, count));
                }
            }
        }
}

INLINE void put(float *dx, vec_mask mask, vec gradient, bool accumulate)
{
    vec_store_first(dx, mask, accumulate ? vec_add(vec_load_first(dx, mask), gradient) : gradient);
}

/* What an input gets back from the windows that hold it: those of out_rows and out_columns. */
typedef struct holder {
    uint32_t image, row, column;
    mu_span  out_rows, out_columns;
} holder;

static size_t out_pixel(const mu_pool2d *p, const holder *at, uint32_t out_row, uint32_t out_column)
{
    return ((size_t)at->image * p->out_height + out_row) * p->out_width + out_column;
}

INLINE vec max_gather(const mu_pool2d *p, const holder *at, uint32_t channel, uint32_t lanes, const float *dy, const uint8_t *winner)
{
    vec sum = vec_zero();
    for (uint32_t out_row = at->out_rows.first; out_row < at->out_rows.end; out_row++) {
        uint32_t kr = at->row + p->pad_h - out_row * p->stride_h;
        for (uint32_t out_column = at->out_columns.first; out_column < at->out_columns.end; out_column++) {
            uint32_t kc = at->column + p->pad_w - out_column * p->stride_w;
            size_t   pixel = out_pixel(p, at, out_row, out_column);
            vec_bool won = vec_ids_equal(vec_ids_load(winner + pixel * p->channels + channel, lanes),
                                         vec_ids_all((uint8_t)(kr * p->kernel_w + kc)));
            vec from = vec_load_first(dy + pixel * p->out_stride + channel, vec_first(lanes));
            sum = vec_add(sum, vec_choose(won, from, vec_zero()));
        }
    }
    return sum;
}

INLINE vec average_gather(const mu_pool2d *p, const holder *at, uint32_t channel, uint32_t lanes, const float *dy,
                          const uint8_t *winner)
{
    (void)winner;
    vec sum = vec_zero();
    for (uint32_t out_row = at->out_rows.first; out_row < at->out_rows.end; out_row++) {
        mu_span rows = rows_of(p, out_row);
        for (uint32_t out_column = at->out_columns.first; out_column < at->out_columns.end; out_column++) {
            mu_span columns = columns_of(p, out_column);
            float   count = (float)((rows.end - rows.first) * (columns.end - columns.first));
            vec from = vec_load_first(dy + out_pixel(p, at, out_row, out_column) * p->out_stride + channel, vec_first(lanes));
            sum = vec_add(sum, vec_divide(from, vec_all(count)));
        }
    }
    return sum;
}

typedef vec gather(const mu_pool2d *p, const holder *at, uint32_t channel, uint32_t lanes, const float *dy, const uint8_t *winner);

/* The inputs of row at->row from `first_column` on. */
INLINE void for_inputs_of_row(const mu_pool2d *p, holder at, uint32_t first_column, const float *dy, const uint8_t *winner, float *dx,
                              bool accumulate, gather *add_windows)
{
    at.out_rows = mu_window_outputs(at.row, p->stride_h, p->pad_h, p->kernel_h, p->out_height);
    for (at.column = first_column; at.column < p->in_width; at.column++) {
        at.out_columns = mu_window_outputs(at.column, p->stride_w, p->pad_w, p->kernel_w, p->out_width);
        float   *to = dx + (((size_t)at.image * p->in_height + at.row) * p->in_width + at.column) * p->in_stride;
        uint32_t c = 0;
        for (; c + VEC_LANES <= p->channels; c += VEC_LANES)
            put(to + c, vec_first(VEC_LANES), add_windows(p, &at, c, VEC_LANES, dy, winner), accumulate);
        if (c < p->channels)
            put(to + c, vec_first(p->channels - c), add_windows(p, &at, c, p->channels - c, dy, winner), accumulate);
    }
}

INLINE void for_inputs(const mu_pool2d *p, const float *dy, const uint8_t *winner, float *dx, bool accumulate, gather *add_windows)
{
    holder at = { 0 };
    for (at.image = 0; at.image < p->batch; at.image++)
        for (at.row = 0; at.row < p->in_height; at.row++)
            for_inputs_of_row(p, at, 0, dy, winner, dx, accumulate, add_windows);
}

/* One window of a pooling without overlaps: its taps get dy or 0. The sum of +0 and dy turns -0 into +0. */
INLINE void spread_window(const taps *t, const uint32_t count, uint32_t channel, uint32_t lanes, const float *dy,
                          const uint8_t *winner, float *dx, bool accumulate)
{
    const vec_mask mask = vec_first(lanes);
    vec     from = vec_add(vec_zero(), vec_load_first(dy + channel, mask));
    vec_ids won = vec_ids_load(winner + channel, lanes);
    for (uint32_t i = 0; i < count; i++)
        put(dx + t->place[i] + channel, mask, vec_choose(vec_ids_equal(won, vec_ids_all(t->id[i])), from, vec_zero()), accumulate);
}

INLINE void spread_row(const mu_pool2d *p, const taps *t, const uint32_t count, size_t out_row, const float *dy,
                       const uint8_t *winner, float *dx, bool accumulate)
{
    dy += out_row * p->out_width * p->out_stride;
    winner += out_row * p->out_width * p->channels;
    for (uint32_t column = 0; column < p->out_width; column++, dy += p->out_stride, winner += p->channels,
                  dx += p->kernel_w * p->in_stride) {
        uint32_t c = 0;
        for (; c + VEC_LANES <= p->channels; c += VEC_LANES)
            spread_window(t, count, c, VEC_LANES, dy, winner, dx, accumulate);
        if (c < p->channels)
            spread_window(t, count, c, p->channels - c, dy, winner, dx, accumulate);
    }
}

/* Windows side by side: each is looked at once. What no window holds gets 0, as any input. */
static void max_spread(const mu_pool2d *p, const float *dy, const uint8_t *winner, float *dx, bool accumulate)
{
    taps   t = { .count = 0 };
    holder at = { 0 };
    find_taps(p, (mu_span){ 0, p->kernel_h }, (mu_span){ 0, p->kernel_w }, &t);
    for (at.image = 0; at.image < p->batch; at.image++) {
        float *image = dx + (size_t)at.image * p->in_height * p->in_width * p->in_stride;
        for (at.row = 0; at.row < p->in_height; at.row++) {
            uint32_t out_row = at.row / p->kernel_h, done = 0;
            if (out_row < p->out_height) {
                size_t from = (size_t)at.image * p->out_height + out_row;
                float *to = image + (size_t)at.row * p->in_width * p->in_stride;
                done = p->out_width * p->kernel_w;
                if (at.row % p->kernel_h == 0 && t.count == 4)
                    spread_row(p, &t, 4, from, dy, winner, to, accumulate);
                else if (at.row % p->kernel_h == 0)
                    spread_row(p, &t, t.count, from, dy, winner, to, accumulate);
            }
            for_inputs_of_row(p, at, done, dy, winner, dx, accumulate, max_gather);
        }
    }
}

void MU_KERNEL(max_pool_backward)(const mu_pool2d *p, const float *dy, const uint8_t *winner, float *dx, bool accumulate)
{
    bool side_by_side = p->stride_h == p->kernel_h && p->stride_w == p->kernel_w && p->pad_h == 0 && p->pad_w == 0;
    if (side_by_side)
        max_spread(p, dy, winner, dx, accumulate);
    else
        for_inputs(p, dy, winner, dx, accumulate, max_gather);
}

void MU_KERNEL(average_pool_backward)(const mu_pool2d *p, const float *dy, float *dx, bool accumulate)
{
    for_inputs(p, dy, NULL, dx, accumulate, average_gather);
}
