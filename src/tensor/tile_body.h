/* What the two kinds of tiles share. Every function here is inlined with `rows` and `vectors` constant, so that the loops unroll and
 * the sums become registers. */
#ifndef MUSTER_TENSOR_TILE_BODY_H
#define MUSTER_TENSOR_TILE_BODY_H

#include "tensor/tile.h"

#define MU_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define MU_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MU_UNROLL _Pragma("GCC unroll 16")
#endif

typedef vec mu_sums[MU_TILE_ROWS][MU_TILE_VECTORS];

/* One of `vectors` vectors, the last of which may be cut. */
MU_INLINE vec mu_load_column(const float *from, int v, int vectors, vec_mask last)
{
    return v == vectors - 1 ? vec_load_first(from + v * VEC_LANES, last) : vec_load(from + v * VEC_LANES);
}

MU_INLINE void mu_store_rows(float *const *to, int rows, int vectors, vec_mask last, bool cut, mu_sums sum)
{
    MU_UNROLL
    for (int r = 0; r < rows; r++) {
        MU_UNROLL
        for (int v = 0; v < vectors; v++) {
            if (v == vectors - 1 && cut)
                vec_store_first(to[r] + v * VEC_LANES, last, sum[r][v]);
            else
                vec_store(to[r] + v * VEC_LANES, sum[r][v]);
        }
    }
}

MU_INLINE void mu_tile_start(const mu_tile *t, int rows, int vectors, vec_mask last, mu_sums sum)
{
    MU_UNROLL
    for (int r = 0; r < rows; r++) {
        MU_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vec_zero();
    }
    if (!t->resume)
        return;
    MU_UNROLL
    for (int r = 0; r < rows; r++) {
        MU_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = mu_load_column(t->held[r], v, vectors, last);
    }
}

MU_INLINE void mu_tile_end(const mu_tile *t, int rows, int vectors, vec_mask last, mu_sums sum)
{
    bool          cut = t->columns != (uint32_t)(vectors * VEC_LANES);
    float *const *to = t->finish ? t->c : t->held;
    if (t->finish && t->bias) {
        MU_UNROLL
        for (int v = 0; v < vectors; v++) {
            vec bias = mu_load_column(t->bias, v, vectors, last);
            MU_UNROLL
            for (int r = 0; r < rows; r++)
                sum[r][v] = vec_add(sum[r][v], bias);
        }
    }
    if (t->finish && t->relu) {
        MU_UNROLL
        for (int r = 0; r < rows; r++) {
            MU_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vec_relu(sum[r][v]);
        }
    }
    if (t->finish && t->accumulate) {
        MU_UNROLL
        for (int r = 0; r < rows; r++) {
            MU_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vec_add(mu_load_column(to[r], v, vectors, last), sum[r][v]);
        }
    }
    if (cut)
        mu_store_rows(to, rows, vectors, last, true, sum);
    else
        mu_store_rows(to, rows, vectors, last, false, sum);
}

/* All tiles there are, for the tables: TILE(rows, vectors), in order. */
#define MU_TILES_16(TILE, vectors)                                                                                               \
    MU_TILES_12(TILE, vectors) TILE(13, vectors) TILE(14, vectors) TILE(15, vectors) TILE(16, vectors)
#define MU_TILES_12(TILE, vectors)                                                                                               \
    MU_TILES_8(TILE, vectors) TILE(9, vectors) TILE(10, vectors) TILE(11, vectors) TILE(12, vectors)
#define MU_TILES_8(TILE, vectors) MU_TILES_6(TILE, vectors) TILE(7, vectors) TILE(8, vectors)
#define MU_TILES_6(TILE, vectors)                                                                                                \
    TILE(1, vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)
#if VEC_REGISTERS >= 32
#define MU_TILES(TILE) MU_TILES_12(TILE, 1) MU_TILES_12(TILE, 2) MU_TILES_8(TILE, 3) MU_TILES_6(TILE, 4)
#define MU_OUTER_TILES(TILE) MU_TILES_16(TILE, 1) MU_TILES_12(TILE, 2) MU_TILES_8(TILE, 3) MU_TILES_6(TILE, 4)
#else
#define MU_OUTER_TILES(TILE) MU_TILES(TILE)
#define MU_TILES(TILE) MU_TILES_12(TILE, 1) MU_TILES_6(TILE, 2)
#endif

#endif
