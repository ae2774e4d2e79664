/* Tiles whose rows lie side by side: weight gradients, and matrix products with the first matrix transposed. */
#include "tensor/tile_body.h"

/* `place` and a row together lie in the array; `place` alone may lie before it. */
MU_INLINE void step(const float *a, ptrdiff_t place, const float *b, int rows, int vectors, vec_mask last, mu_sums sum)
{
    vec column[MU_TILE_VECTORS];
    MU_UNROLL
    for (int v = 0; v < vectors; v++)
        column[v] = mu_load_column(b, v, vectors, last);
    MU_UNROLL
    for (int r = 0; r < rows; r++) {
        vec scalar = vec_all(a[place + r]);
        MU_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vec_fma(scalar, column[v], sum[r][v]);
    }
}

/* The same for the rows first <= r < end alone; the others' scalars lie outside of the image. */
MU_INLINE void edge_step(const mu_tile *t, uint32_t edge, ptrdiff_t place, const float *b, int rows, int vectors, vec_mask last,
                         mu_sums sum)
{
    const float *a = t->a[0];
    int first = (int)t->edge_first[edge] - (int)t->row_offset, end = (int)t->edge_end[edge] - (int)t->row_offset;
    vec column[MU_TILE_VECTORS];
    MU_UNROLL
    for (int v = 0; v < vectors; v++)
        column[v] = mu_load_column(b, v, vectors, last);
    MU_UNROLL
    for (int r = 0; r < rows; r++) {
        if (r >= first && r < end) {
            vec scalar = vec_all(a[place + r]);
            MU_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vec_fma(scalar, column[v], sum[r][v]);
        }
    }
}

MU_INLINE void outer_tile(const mu_tile *t, const int rows, const int vectors)
{
    const mu_walk w = t->walk;
    const vec_mask last = vec_first(t->columns - (uint32_t)(vectors - 1) * VEC_LANES);
    mu_sums sum;
    mu_tile_start(t, rows, vectors, last, sum);
    for (uint32_t outer = 0; outer < w.outer; outer++) {
        for (uint32_t inner = 0; inner < w.inner; inner++) {
            ptrdiff_t    place = w.a_start + outer * w.a_outer + inner * w.a_inner;
            const float *b = t->b + outer * w.b_outer + inner * w.b_inner;
            for (uint32_t edge = 0; edge < t->left; edge++, place += w.a_run, b += w.b_run)
                edge_step(t, edge, place, b, rows, vectors, last, sum);
            for (uint32_t k = 0; k < w.run; k++, place += w.a_run, b += w.b_run)
                step(t->a[0], place, b, rows, vectors, last, sum);
            for (uint32_t edge = t->left; edge < t->left + t->right; edge++, place += w.a_run, b += w.b_run)
                edge_step(t, edge, place, b, rows, vectors, last, sum);
        }
    }
    mu_tile_end(t, rows, vectors, last, sum);
}

#define DEFINE(rows, vectors)                                                                                                    \
    static void outer_##rows##_by_##vectors(const mu_tile *tile)                                                                 \
    {                                                                                                                            \
        outer_tile(tile, rows, vectors);                                                                                         \
    }
#define ENTRY(rows, vectors) [vectors][rows] = outer_##rows##_by_##vectors,

MU_OUTER_TILES(DEFINE)

mu_tile_function *MU_KERNEL(outer_tile)(uint32_t rows, uint32_t vectors)
{
    static mu_tile_function *const tiles[MU_TILE_VECTORS + 1][MU_TILE_ROWS + 1] = { MU_OUTER_TILES(ENTRY) };
    return tiles[vectors][rows];
}
