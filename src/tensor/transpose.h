/* Transposing through squares of vectors. */
#ifndef MUSTER_TENSOR_TRANSPOSE_H
#define MUSTER_TENSOR_TRANSPOSE_H

#include "tensor/vec.h"

#include <stddef.h>

/* Up to VEC_LANES rows of up to VEC_LANES columns, turned; what is not there is 0. */
static inline void mu_load_turned(const float *from, size_t stride, uint32_t rows, uint32_t columns, vec square[VEC_LANES])
{
    const vec_mask mask = vec_first(columns);
    for (uint32_t i = 0; i < VEC_LANES; i++)
        square[i] = i < rows ? vec_load_first(from + i * stride, mask) : vec_zero();
    vec_transpose(square);
}

/* to[j][i] = from[i][j] for i < rows, j < columns, and 0 for rows <= i < padded_rows. */
static inline void mu_transpose(uint32_t rows, uint32_t columns, const float *from, size_t from_stride, uint32_t padded_rows, float *to,
                                size_t to_stride)
{
    for (uint32_t i = 0; i < padded_rows; i += VEC_LANES) {
        const vec_mask mask = vec_first(padded_rows - i);
        for (uint32_t j = 0; j < columns; j += VEC_LANES) {
            vec square[VEC_LANES];
            mu_load_turned(from + i * from_stride + j, from_stride, rows > i ? rows - i : 0, columns - j, square);
            for (uint32_t k = 0; k < VEC_LANES && j + k < columns; k++)
                vec_store_first(to + (j + k) * to_stride + i, mask, square[k]);
        }
    }
}

#endif
