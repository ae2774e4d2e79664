/* One row of pick.c: `whole` is the row in the whole matrix, `part` its picked columns side by side; `part_end` is where the part's last
 * row ends. One element after the other; or, where the processor moves the lanes of a vector as it is told, a block of MU_LANES columns
 * at a time. */
#ifndef MUSTER_TENSOR_PICK_ROW_H
#define MUSTER_TENSOR_PICK_ROW_H

#include "tensor/variant.h"

#include <math.h>
#include <string.h>

static inline void gather_each(const mu_pick *pick, const float *restrict whole, float *restrict part)
{
    const uint32_t columns = pick->columns, *column = pick->column;
    for (uint32_t j = 0; j < columns; j++)
        part[j] = whole[column[j]];
}

static inline void scatter_each(const mu_pick *pick, const float *restrict part, float *restrict whole)
{
    const uint32_t columns = pick->columns, *column = pick->column;
    for (uint32_t j = 0; j < columns; j++)
        whole[column[j]] = part[j];
}

static inline void scatter_add_each(const mu_pick *pick, float alpha, const float *restrict part, float *restrict whole)
{
    const uint32_t columns = pick->columns, *column = pick->column;
    for (uint32_t j = 0; j < columns; j++)
        whole[column[j]] = fmaf(alpha, part[j], whole[column[j]]);
}

#if defined(__AVX512F__)

#include <immintrin.h>

/* Where few columns are picked, there is more to a block than to its elements. */
static inline bool in_blocks(const mu_pick *pick)
{
    return pick->columns > pick->width / 8;
}

static inline __mmask16 first_lanes(uint32_t count)
{
    return (__mmask16)(count >= MU_LANES ? 0xFFFFu : (1u << count) - 1u);
}

static inline void gather_block(const mu_pick_block *block, __m512 x, float *part, const float *part_end)
{
    const __m512i lanes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)block->lanes));
    const __m512  kept = _mm512_permutexvar_ps(lanes, x);
    float        *to = part + block->before;
    /* What is written too much is written again by what comes, as long as something comes. */
    if (part_end - to >= MU_LANES)
        _mm512_storeu_ps(to, kept);
    else
        _mm512_mask_storeu_ps(to, first_lanes((uint32_t)__builtin_popcount(block->marks)), kept);
}

static inline void gather_columns(const mu_pick *pick, const float *whole, float *part, const float *part_end)
{
    if (!in_blocks(pick)) {
        gather_each(pick, whole, part);
        return;
    }
    const mu_pick_block *block = pick->blocks;
    uint32_t             left = pick->width;
    for (; left >= MU_LANES; left -= MU_LANES, whole += MU_LANES, block++)
        gather_block(block, _mm512_loadu_ps(whole), part, part_end);
    if (left)
        gather_block(block, _mm512_maskz_loadu_ps(first_lanes(left), whole), part, part_end);
}

/* The part's values for a block, the first ones. */
static inline __m512 part_of_block(const mu_pick_block *block, const float *part, const float *part_end)
{
    const float *from = part + block->before;
    if (part_end - from >= MU_LANES)
        return _mm512_loadu_ps(from);
    return _mm512_maskz_loadu_ps(first_lanes((uint32_t)__builtin_popcount(block->marks)), from);
}

/* Whole blocks are read and written back, which is faster than writing some of their lanes. */
static inline void scatter_columns(const mu_pick *pick, const float *part, const float *part_end, float *whole)
{
    if (!in_blocks(pick)) {
        scatter_each(pick, part, whole);
        return;
    }
    const mu_pick_block *block = pick->blocks;
    uint32_t             left = pick->width;
    for (; left >= MU_LANES; left -= MU_LANES, whole += MU_LANES, block++) {
        const __m512 values = part_of_block(block, part, part_end);
        _mm512_storeu_ps(whole, _mm512_mask_expand_ps(_mm512_loadu_ps(whole), block->marks, values));
    }
    if (left)
        _mm512_mask_storeu_ps(whole, block->marks, _mm512_maskz_expand_ps(block->marks, part_of_block(block, part, part_end)));
}

static inline void scatter_add_columns(const mu_pick *pick, float alpha, const float *part, const float *part_end, float *whole)
{
    if (!in_blocks(pick)) {
        scatter_add_each(pick, alpha, part, whole);
        return;
    }
    const __m512         factor = _mm512_set1_ps(alpha);
    const mu_pick_block *block = pick->blocks;
    uint32_t             left = pick->width;
    for (; left >= MU_LANES; left -= MU_LANES, whole += MU_LANES, block++) {
        const __m512 old = _mm512_loadu_ps(whole);
        const __m512 values = _mm512_maskz_expand_ps(block->marks, part_of_block(block, part, part_end));
        _mm512_storeu_ps(whole, _mm512_mask3_fmadd_ps(factor, values, old, block->marks));
    }
    if (left) {
        const __m512 old = _mm512_maskz_loadu_ps(block->marks, whole);
        const __m512 values = _mm512_maskz_expand_ps(block->marks, part_of_block(block, part, part_end));
        _mm512_mask_storeu_ps(whole, block->marks, _mm512_fmadd_ps(factor, values, old));
    }
}

#else

static inline void gather_columns(const mu_pick *pick, const float *whole, float *part, const float *part_end)
{
    (void)part_end;
    gather_each(pick, whole, part);
}

static inline void scatter_columns(const mu_pick *pick, const float *part, const float *part_end, float *whole)
{
    (void)part_end;
    scatter_each(pick, part, whole);
}

static inline void scatter_add_columns(const mu_pick *pick, float alpha, const float *part, const float *part_end, float *whole)
{
    (void)part_end;
    scatter_add_each(pick, alpha, part, whole);
}

#endif

static inline void gather_row(const mu_pick *pick, const float *whole, float *part, const float *part_end)
{
    if (pick->column)
        gather_columns(pick, whole, part, part_end);
    else
        memcpy(part, whole, pick->columns * sizeof *part);
}

static inline void scatter_row(const mu_pick *pick, const float *part, const float *part_end, float *whole)
{
    if (pick->column)
        scatter_columns(pick, part, part_end, whole);
    else
        memcpy(whole, part, pick->columns * sizeof *part);
}

static inline void scatter_add_row(const mu_pick *pick, float alpha, const float *restrict part, const float *part_end,
                                   float *restrict whole)
{
    if (pick->column)
        scatter_add_columns(pick, alpha, part, part_end, whole);
    else
        for (uint32_t j = 0; j < pick->columns; j++)
            whole[j] = fmaf(alpha, part[j], whole[j]);
}

#endif
