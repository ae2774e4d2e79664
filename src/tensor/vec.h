/* One vector of floats and the few things that the kernels do with it, for each processor:
 *
 *   VEC_LANES floats in a vector, VEC_REGISTERS vectors in the processor
 *   vec_first(n)                the mask of the first n lanes (all, when n is larger)
 *   vec_load_first, _store_first   touch only the lanes of the mask; the others load as 0
 *   vec_fma(a, b, c)            a * b + c, fused
 *   vec_relu(x)                 mu_relu of each lane
 *   vec_transpose(rows)         VEC_LANES vectors, a square: rows[i][j] and rows[j][i] change places
 *   vec_greater(a, b), vec_at_most(a, b), vec_is_nan(x)   comparisons, false where one is NaN (the last: true there)
 *   vec_either(p, q), vec_choose(p, yes, no)
 *   vec_wide, vec_widen(x)      the lanes as doubles; vec_wide_load, _store, _add, _fma
 *   vec_ids                     a small whole number in each lane, kept in memory as bytes
 */
#ifndef MUSTER_TENSOR_VEC_H
#define MUSTER_TENSOR_VEC_H

#include <stdint.h>

#if defined(__AVX512F__)
#include "tensor/vec_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__)
#include "tensor/vec_avx2.h"
#elif defined(__ARM_NEON)
#include "tensor/vec_neon.h"
#else
#error "no vectors on this processor: it runs the plain kernels"
#endif

#endif
