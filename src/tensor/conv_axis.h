/* One axis of a convolution, cut into groups of outputs whose windows have the same taps inside of the image.
 *
 * "Out" is what is computed and "in" what is read: y from x forward, dx from dy for the input gradient. Output number p of a group
 * (p = 0 .. count - 1) lies at out_first + p * out_step; under tap number j (0 .. taps - 1), which is row tap_first + j * tap_step of
 * the kernel, it reads position in_first + p * in_step + j * in_tap_step. Taps ascend. */
#ifndef MUSTER_TENSOR_CONV_AXIS_H
#define MUSTER_TENSOR_CONV_AXIS_H

#include "tensor/window.h"

typedef struct mu_axis {
    uint32_t in_size, out_size, kernel, stride, pad; /* as in the forward direction */
    bool     input_gradient;
} mu_axis;

typedef struct mu_axis_group {
    uint32_t out_first, out_step, count;
    uint32_t tap_first, tap_step, taps;
    int64_t  in_first;
    int32_t  in_step, in_tap_step;
} mu_axis_group;

/* The group that begins at y position `first`; neighbours follow as long as their taps are the same. */
static inline mu_axis_group mu_axis_group_forward(const mu_axis *axis, uint32_t first)
{
    mu_span taps = mu_window_taps(first, axis->stride, axis->pad, axis->kernel, axis->in_size);
    mu_axis_group group = { .out_first = first, .out_step = 1, .count = 1, .tap_first = taps.first, .tap_step = 1,
                            .taps = taps.end - taps.first, .in_step = (int32_t)axis->stride, .in_tap_step = 1,
                            .in_first = (int64_t)first * axis->stride - axis->pad + taps.first };
    for (uint32_t out = first + 1; out < axis->out_size; out++, group.count++) {
        mu_span next = mu_window_taps(out, axis->stride, axis->pad, axis->kernel, axis->in_size);
        if (next.first != taps.first || next.end != taps.end)
            break;
    }
    return group;
}

/* The taps through which x position `in` was seen: those with (in + pad - tap) a multiple of the stride and in range. */
static inline mu_axis_group mu_axis_taps_of_input(const mu_axis *axis, uint32_t in)
{
    mu_span outs = mu_window_outputs(in, axis->stride, axis->pad, axis->kernel, axis->out_size);
    mu_axis_group group = { .out_first = in, .out_step = axis->stride, .count = 1, .tap_step = axis->stride,
                            .taps = outs.end - outs.first, .in_step = 1, .in_tap_step = -1 };
    if (group.taps > 0) {
        group.in_first = outs.end - 1; /* the last output sees it under the first tap */
        group.tap_first = (uint32_t)((int64_t)in + axis->pad - group.in_first * axis->stride);
    }
    return group;
}

/* The group that begins at x position `first`: its neighbours are a stride apart, where the same taps meet them. */
static inline mu_axis_group mu_axis_group_input(const mu_axis *axis, uint32_t first)
{
    mu_axis_group group = mu_axis_taps_of_input(axis, first);
    for (uint64_t in = (uint64_t)first + axis->stride; in < axis->in_size; in += axis->stride, group.count++) {
        mu_axis_group next = mu_axis_taps_of_input(axis, (uint32_t)in);
        if (next.taps != group.taps || next.tap_first != group.tap_first)
            break;
    }
    return group;
}

/* Group after group; begin with *at = 0 and *phase = 0. Returns false when there are no more. */
static inline bool mu_axis_next(const mu_axis *axis, uint32_t *phase, uint32_t *at, mu_axis_group *group)
{
    uint32_t size = axis->input_gradient ? axis->in_size : axis->out_size;
    uint32_t phases = axis->input_gradient ? axis->stride : 1;
    while (*at >= size) {
        if (++*phase >= phases)
            return false;
        *at = *phase;
    }
    *group = axis->input_gradient ? mu_axis_group_input(axis, *at) : mu_axis_group_forward(axis, *at);
    *at += group->count * group->out_step;
    return true;
}

#endif
