/* Element by element: activations, sums, copies, masks. */
#include "tensor/elementary.h"
#include "tensor/variant.h"

#define LEAKY_SLOPE 0.01f

/* Rows without gaps are one long row. */
static size_t row_length(mu_rows *rows, bool gapless)
{
    size_t length = rows->channels;
    if (gapless) {
        length *= rows->rows;
        rows->rows = 1;
    }
    return length;
}

static void activate_row(mu_activation kind, size_t count, const float *x, float *y)
{
    switch (kind) {
    case MU_ACTIVATION_RELU:
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = mu_relu(x[i]);
        break;
    case MU_ACTIVATION_LEAKY_RELU:
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] > 0.0f ? x[i] : x[i] * LEAKY_SLOPE;
        break;
    case MU_ACTIVATION_RELU6:
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++) {
            float up = mu_relu(x[i]);
            y[i] = up > 6.0f ? 6.0f : up;
        }
        break;
    case MU_ACTIVATION_SIGMOID:
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = mu_sigmoidf_inline(x[i]);
        break;
    case MU_ACTIVATION_TANH:
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = mu_tanhf_inline(x[i]);
        break;
    default:
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = x[i];
        break;
    }
}

void MU_KERNEL(activation_forward)(mu_activation kind, mu_rows rows, const float *x, size_t y_stride, float *y)
{
    size_t length = row_length(&rows, rows.stride == rows.channels && y_stride == rows.channels);
    for (size_t row = 0; row < rows.rows; row++)
        activate_row(kind, length, x + row * rows.stride, y + row * y_stride);
}

/* One loop for each kind, with and without what was there; `gradient` is an expression in y[i] and dy[i]. */
#define BACKWARD_LOOPS(gradient)                                                                                                 \
    if (accumulate) {                                                                                                            \
        MU_INDEPENDENT                                                                                                           \
        for (size_t i = 0; i < count; i++)                                                                                       \
            dx[i] = dx[i] + (gradient);                                                                                          \
    } else {                                                                                                                     \
        MU_INDEPENDENT                                                                                                           \
        for (size_t i = 0; i < count; i++)                                                                                       \
            dx[i] = (gradient);                                                                                                  \
    }                                                                                                                            \
    break

static void slope_row(mu_activation kind, size_t count, const float *y, const float *dy, float *dx, bool accumulate)
{
    switch (kind) {
    case MU_ACTIVATION_RELU: BACKWARD_LOOPS(y[i] <= 0.0f ? 0.0f : dy[i]);
    case MU_ACTIVATION_LEAKY_RELU: BACKWARD_LOOPS(y[i] > 0.0f ? dy[i] : dy[i] * LEAKY_SLOPE);
    case MU_ACTIVATION_RELU6: BACKWARD_LOOPS(((y[i] <= 0.0f) | (y[i] >= 6.0f)) ? 0.0f : dy[i]);
    case MU_ACTIVATION_SIGMOID: BACKWARD_LOOPS(dy[i] * (1.0f - y[i]) * y[i]);
    case MU_ACTIVATION_TANH: BACKWARD_LOOPS(dy[i] * (1.0f - y[i] * y[i]));
    default: BACKWARD_LOOPS(dy[i]);
    }
}

void MU_KERNEL(activation_backward)(mu_activation kind, mu_rows rows, const float *y, size_t dy_stride, const float *dy,
                                    size_t dx_stride, float *dx, bool accumulate)
{
    bool   gapless = rows.stride == rows.channels && dy_stride == rows.channels && dx_stride == rows.channels;
    size_t length = row_length(&rows, gapless);
    for (size_t row = 0; row < rows.rows; row++)
        slope_row(kind, length, y + row * rows.stride, dy + row * dy_stride, dx + row * dx_stride, accumulate);
}

void MU_KERNEL(add)(mu_rows rows, const float *a, size_t b_stride, const float *b, size_t y_stride, float *y)
{
    size_t length = row_length(&rows, rows.stride == rows.channels && b_stride == rows.channels && y_stride == rows.channels);
    for (size_t row = 0; row < rows.rows; row++, a += rows.stride, b += b_stride, y += y_stride) {
        MU_INDEPENDENT
        for (size_t i = 0; i < length; i++)
            y[i] = a[i] + b[i];
    }
}

void MU_KERNEL(copy)(mu_rows rows, const float *x, size_t y_stride, float *y, bool accumulate)
{
    size_t length = row_length(&rows, rows.stride == rows.channels && y_stride == rows.channels);
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride, y += y_stride)
        slope_row(MU_ACTIVATION_NONE, length, x, x, y, accumulate);
}

void MU_KERNEL(multiply)(size_t count, const float *a, const float *b, float *y, bool accumulate)
{
    if (accumulate) {
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = y[i] + a[i] * b[i];
    } else {
        MU_INDEPENDENT
        for (size_t i = 0; i < count; i++)
            y[i] = a[i] * b[i];
    }
}
