/* Matrix product, the reference. */
#include "tensor/variant.h"

#include <math.h>

size_t MU_KERNEL(gemm_work_floats)(const mu_gemm *gemm)
{
    (void)gemm;
    return 0;
}

void MU_KERNEL(gemm)(const mu_gemm *g, const float *a, const float *b, const float *bias, bool relu, float *c, bool accumulate,
                     float *work)
{
    (void)work;
    size_t a_row = g->a_transposed ? 1 : g->a_stride, a_step = g->a_transposed ? g->a_stride : 1;
    size_t b_column = g->b_transposed ? g->b_stride : 1, b_step = g->b_transposed ? 1 : g->b_stride;
    for (uint32_t i = 0; i < g->rows; i++) {
        for (uint32_t j = 0; j < g->columns; j++) {
            float *out = c + i * g->c_stride + j;
            float  sum = g->resume ? *out : 0.0f;
            for (uint32_t k = 0; k < g->depth; k++)
                sum = fmaf(a[i * a_row + k * a_step], b[j * b_column + k * b_step], sum);
            if (bias)
                sum += bias[j];
            if (relu)
                sum = mu_relu(sum);
            *out = accumulate ? *out + sum : sum;
        }
    }
}
