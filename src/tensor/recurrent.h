/* What the recurrent kernels need of a matrix product: one matrix against many small ones, a time step each. The vector tables
 * rearrange it once, so that every step reads it from one end to the other (recurrent_vector.c); the reference reads it where it lies. */
#ifndef MUSTER_TENSOR_RECURRENT_H
#define MUSTER_TENSOR_RECURRENT_H

#include "tensor/variant.h"

/* The matrix [depth][columns]; transposed: `array` holds [columns][depth]. Rows of the array have no gaps. */
typedef struct mu_recurrent_matrix {
    uint32_t     depth, columns;
    bool         transposed;
    const float *array;
    float       *packed; /* mu_recurrent_matrix_floats of it */
} mu_recurrent_matrix;

size_t MU_KERNEL(recurrent_matrix_floats)(uint32_t depth, uint32_t columns);
void   MU_KERNEL(recurrent_matrix_pack)(const mu_recurrent_matrix *m);

/* c[i][j] = sum over k, ascending, of a[i][k] * m[k][j], then + bias[j] (NULL: none); c [rows][columns] without gaps. `odd`: go through
 * the columns from the last to the first: when every other step does so, what the step before left in the cache is used. */
void MU_KERNEL(recurrent_multiply)(const mu_recurrent_matrix *m, uint32_t rows, const float *a, size_t a_stride, const float *bias,
                                   bool odd, float *c);

#endif
