/* Compiled with -Ofast for this processor, so that exp is the vector library's. */
#include "loops.h"

#include <math.h>
#include <string.h>

#define LEARNING_RATE 0.01f

void loop_relu_backward(size_t count, float *restrict a, float *restrict b, float *c)
{
    (void)c;
    for (size_t i = 0; i < count; i++)
        b[i] = a[i] > 0.0f ? b[i] : 0.0f;
}

void loop_add_relu(size_t count, float *restrict a, float *restrict b, float *restrict c)
{
    for (size_t i = 0; i < count; i++) {
        float sum = a[i] + b[i];
        c[i] = sum > 0.0f ? sum : 0.0f;
    }
}

void loop_add(size_t count, float *restrict a, float *restrict b, float *c)
{
    (void)c;
    for (size_t i = 0; i < count; i++)
        a[i] += b[i];
}

void loop_copy(size_t count, float *a, float *b, float *c)
{
    (void)c;
    memcpy(b, a, count * sizeof *a);
}

void loop_clear(size_t count, float *a, float *b, float *c)
{
    (void)b;
    (void)c;
    memset(a, 0, count * sizeof *a);
}

void loop_sgd(size_t count, float *restrict a, float *restrict b, float *c)
{
    (void)c;
    for (size_t i = 0; i < count; i++)
        a[i] -= LEARNING_RATE * b[i];
}

float loop_loss(const float *restrict logits, float *restrict gradient, const int32_t *labels, size_t rows, size_t classes)
{
    float total = 0.0f;
    for (size_t row = 0; row < rows; row++, logits += classes, gradient += classes) {
        float top = logits[0], sum = 0.0f;
        for (size_t i = 1; i < classes; i++)
            top = logits[i] > top ? logits[i] : top;
        for (size_t i = 0; i < classes; i++) {
            gradient[i] = expf(logits[i] - top);
            sum += gradient[i];
        }
        float share = 1.0f / (sum * (float)rows);
        for (size_t i = 0; i < classes; i++)
            gradient[i] *= share;
        gradient[labels[row]] -= 1.0f / (float)rows;
        total += logf(sum) + top - logits[labels[row]];
    }
    return total / (float)rows;
}

void loop_gather(const float *table, float *y, const int32_t *tokens, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++)
        memcpy(y + i * width, table + (size_t)tokens[i] * width, width * sizeof *y);
}

void loop_gather_backward(const float *dy, float *dtable, const int32_t *tokens, size_t count, size_t width, size_t table_floats)
{
    memset(dtable, 0, table_floats * sizeof *dtable);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < width; k++)
            dtable[(size_t)tokens[i] * width + k] += dy[i * width + k];
}
