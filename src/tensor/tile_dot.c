/* Tiles whose rows lie anywhere and are read along: convolution forward and input gradient, most matrix products. */
#include "tensor/tile_body.h"

MU_INLINE void dot_tile(const mu_tile *t, const int rows, const int vectors)
{
    const mu_walk w = t->walk;
    const vec_mask last = vec_first(t->columns - (uint32_t)(vectors - 1) * VEC_LANES);
    mu_sums   sum;
    ptrdiff_t row[MU_TILE_ROWS]; /* from the first row: then only one pointer moves */
    MU_UNROLL
    for (int r = 0; r < rows; r++)
        row[r] = t->a[r] - t->a[0];
    mu_tile_start(t, rows, vectors, last, sum);
    for (uint32_t outer = 0; outer < w.outer; outer++) {
        for (uint32_t inner = 0; inner < w.inner; inner++) {
            const float *b = t->b + outer * w.b_outer + inner * w.b_inner;
            const float *a = t->a[0] + (w.a_start + outer * w.a_outer + inner * w.a_inner), *end = a + w.run;
            for (; a != end; a++, b += w.b_run) {
                vec column[MU_TILE_VECTORS];
                MU_UNROLL
                for (int v = 0; v < vectors; v++)
                    column[v] = mu_load_column(b, v, vectors, last);
                MU_UNROLL
                for (int r = 0; r < rows; r++) {
                    vec scalar = vec_all(a[row[r]]);
                    MU_UNROLL
                    for (int v = 0; v < vectors; v++)
                        sum[r][v] = vec_fma(scalar, column[v], sum[r][v]);
                }
            }
        }
    }
    mu_tile_end(t, rows, vectors, last, sum);
}

#define DEFINE(rows, vectors)                                                                                                    \
    static void dot_##rows##_by_##vectors(const mu_tile *tile)                                                                   \
    {                                                                                                                            \
        dot_tile(tile, rows, vectors);                                                                                           \
    }
#define ENTRY(rows, vectors) [vectors][rows] = dot_##rows##_by_##vectors,

MU_TILES(DEFINE)

mu_tile_function *MU_KERNEL(dot_tile)(uint32_t rows, uint32_t vectors)
{
    static mu_tile_function *const tiles[MU_TILE_VECTORS + 1][MU_TILE_ROWS + 1] = { MU_TILES(ENTRY) };
    return tiles[vectors][rows];
}
