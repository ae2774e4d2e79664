/* The matrix products of the recurrent kernels, the reference. */
#include "tensor/recurrent.h"

#include <math.h>

size_t MU_KERNEL(recurrent_matrix_floats)(uint32_t depth, uint32_t columns)
{
    (void)depth;
    (void)columns;
    return 0;
}

void MU_KERNEL(recurrent_matrix_pack)(const mu_recurrent_matrix *m)
{
    (void)m;
}

void MU_KERNEL(recurrent_multiply)(const mu_recurrent_matrix *m, uint32_t rows, const float *a, size_t a_stride, const float *bias,
                                   bool odd, float *c)
{
    (void)odd;
    size_t step = m->transposed ? 1 : m->columns, next_column = m->transposed ? m->depth : 1;
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t j = 0; j < m->columns; j++) {
            const float *column = m->array + j * next_column;
            float        sum = 0.0f;
            for (uint32_t k = 0; k < m->depth; k++)
                sum = fmaf(a[i * a_stride + k], column[k * step], sum);
            c[(size_t)i * m->columns + j] = bias ? sum + bias[j] : sum;
        }
    }
}

void MU_KERNEL(recurrent_grad_weight)(const mu_recurrence *r, const float *h, uint32_t columns, size_t d_stride, const float *d,
                                      size_t dw_stride, float *dw)
{
    for (uint32_t i = 0; i < r->hidden; i++) {
        for (uint32_t j = 0; j < columns; j++) {
            float sum = r->resume ? dw[i * dw_stride + j] : 0.0f;
            for (uint32_t b = 0; b < r->batch; b++) {
                size_t row = (size_t)b * r->items;
                for (uint32_t t = 1; t < r->items; t++)
                    sum = fmaf(h[(row + t - 1) * r->hidden + i], d[(row + t) * d_stride + j], sum);
            }
            dw[i * dw_stride + j] = sum;
        }
    }
}
