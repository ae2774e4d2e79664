/* Sums over the rows of a matrix, the reference. */
#include "tensor/variant.h"

void MU_KERNEL(sum_rows)(mu_rows rows, const float *x, float *sums, bool resume)
{
    for (uint32_t c = 0; c < rows.channels; c++) {
        float sum = resume ? sums[c] : 0.0f;
        for (size_t row = 0; row < rows.rows; row++)
            sum += x[row * rows.stride + c];
        sums[c] = sum;
    }
}
