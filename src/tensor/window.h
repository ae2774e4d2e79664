/* Sliding windows along one axis, for convolution and pooling: output position `out` sees the input positions
 * out * stride - pad + tap, tap = 0 .. kernel - 1; what lies outside of the image is left out. */
#ifndef MUSTER_TENSOR_WINDOW_H
#define MUSTER_TENSOR_WINDOW_H

#include "muster/status.h"

typedef struct mu_span {
    uint32_t first, end; /* first <= i < end; empty when they are equal */
} mu_span;

static inline mu_span mu_span_of(int64_t first, int64_t end, uint32_t limit)
{
    if (first < 0)
        first = 0;
    if (end > (int64_t)limit)
        end = (int64_t)limit;
    if (end <= first)
        return (mu_span){ 0, 0 };
    return (mu_span){ (uint32_t)first, (uint32_t)end };
}

/* The taps of the window at `out` that lie in the image. */
static inline mu_span mu_window_taps(uint32_t out, uint32_t stride, uint32_t pad, uint32_t kernel, uint32_t in_size)
{
    int64_t start = (int64_t)out * stride - pad;
    return mu_span_of(-start, (int64_t)in_size - start, kernel);
}

/* The outputs whose windows hold input position `in`. */
static inline mu_span mu_window_outputs(uint32_t in, uint32_t stride, uint32_t pad, uint32_t kernel, uint32_t out_size)
{
    int64_t last_start = (int64_t)in + pad, first_start = last_start - kernel + 1;
    int64_t first = first_start > 0 ? (first_start + stride - 1) / stride : 0;
    return mu_span_of(first, last_start / stride + 1, out_size);
}

#endif
