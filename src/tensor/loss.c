/* Softmax cross-entropy. */
#include "tensor/elementary.h"
#include "tensor/variant.h"

#include "muster/math.h"

/* NaN is passed over; a row of nothing else has -INFINITY. */
static float largest(uint32_t count, const float *x)
{
    float lanes[MU_LANES];
    for (size_t lane = 0; lane < MU_LANES; lane++)
        lanes[lane] = -INFINITY;
    uint32_t i = 0;
    for (; i + MU_LANES <= count; i += MU_LANES)
        for (size_t lane = 0; lane < MU_LANES; lane++)
            lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    for (size_t lane = 0; i + lane < count; lane++)
        lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    for (size_t lane = 1; lane < MU_LANES; lane++)
        lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
    return lanes[0];
}

/* The sum of exp(x - top), by lanes; the terms are kept in `terms` unless that is NULL. */
static float sum_exponentials(uint32_t count, const float *x, float top, float *restrict terms)
{
    float lanes[MU_LANES] = { 0.0f };
    for (uint32_t i = 0; i < count; i += MU_LANES) {
        size_t width = count - i < MU_LANES ? count - i : MU_LANES;
        float  term[MU_LANES];
        for (size_t lane = 0; lane < width; lane++)
            term[lane] = mu_expf_inline(x[i + lane] - top);
        for (size_t lane = 0; lane < width; lane++)
            lanes[lane] += term[lane];
        for (size_t lane = 0; terms && lane < width; lane++)
            terms[i + lane] = term[lane];
    }
    return mu_sum_lanes(lanes);
}

static bool is_first_largest(const float *x, uint32_t label, float top)
{
    for (uint32_t i = 0; i < label; i++)
        if (x[i] == top)
            return false;
    return x[label] == top;
}

void MU_KERNEL(softmax_cross_entropy)(size_t rows, uint32_t classes, size_t stride, const float *logits, const int32_t *labels,
                                      float gradient_scale, float *dlogits, float *losses, uint8_t *correct)
{
    for (size_t row = 0; row < rows; row++) {
        const float *x = logits + row * stride;
        float       *dx = dlogits ? dlogits + row * stride : NULL;
        uint32_t     label = (uint32_t)labels[row];
        float        top = largest(classes, x);
        float        at_label = x[label];
        correct[row] = is_first_largest(x, label, top);
        float sum = sum_exponentials(classes, x, top, dx);
        losses[row] = mu_logf(sum) - (at_label - top);
        if (!dx)
            continue;
        float inverse = 1.0f / sum, term = dx[label];
        for (uint32_t i = 0; i < classes; i++)
            dx[i] = dx[i] * inverse * gradient_scale;
        dx[label] = (term * inverse - 1.0f) * gradient_scale;
    }
}
