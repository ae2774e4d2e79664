/* Register tiles: the inner loops of convolution and matrix product.
 *
 * A tile is `rows` outputs (pixels, or rows of a matrix) by `vectors` vectors of columns (channels). Its sums stay in registers
 * while it walks along its products, in three nested loops:
 *
 *     sum[row][column] = fma(a[row][place], b[place][column], sum[row][column])     place = outer, inner, run
 *
 * b is read as vectors, a as scalars. Two kinds, by how the rows of `a` lie: mu_dot_tile has a pointer for each (pixels anywhere), and
 * they are read along; mu_outer_tile's lie side by side, and it steps from place to place. */
#ifndef MUSTER_TENSOR_TILE_H
#define MUSTER_TENSOR_TILE_H

#include "tensor/variant.h"
#include "tensor/vec.h"

#define MU_TILE_ROWS 16 /* at most */
#if VEC_REGISTERS >= 32
#define MU_TILE_VECTORS 4
#else
#define MU_TILE_VECTORS 2
#endif
#define MU_PANEL_COLUMNS (MU_TILE_VECTORS * VEC_LANES)

/* How many places there are, and how far it is in floats from one to the next. */
typedef struct mu_walk {
    uint32_t  outer, inner, run;
    ptrdiff_t a_start;                 /* from a row's pointer to its first place */
    ptrdiff_t a_outer, a_inner, a_run; /* a_run: 1 for dot tiles */
    ptrdiff_t b_outer, b_inner, b_run;
} mu_walk;

/* What becomes of the sums. `held` are the rows that keep them between two walks of one tile; `c` the rows of the result. */
typedef struct mu_tile {
    mu_walk             walk;
    const float *const *a; /* dot: one pointer a row; outer: a[0] alone */
    const float        *b;
    uint32_t            columns; /* how many of the tile's columns there are; the rest is neither read nor written */
    float *const       *held;
    float *const       *c;
    bool                resume, finish; /* go on from `held`; the sums are complete: write `c`, else `held` */
    const float        *bias;           /* of the tile's columns, or NULL */
    bool                relu, accumulate;
    /* outer tiles over merged kernel columns: the first `left` and the last `right` places of a run have only some of the rows:
     * rows i with edge_first[place] <= row_offset + i < edge_end[place], counted left, then right */
    uint32_t        left, right, row_offset;
    const uint32_t *edge_first, *edge_end;
} mu_tile;

typedef void mu_tile_function(const mu_tile *tile);

/* The tile with this many rows (1 .. mu_tile_rows(vectors), mu_outer_rows(vectors)) and vectors (1 .. MU_TILE_VECTORS). */
mu_tile_function *MU_KERNEL(dot_tile)(uint32_t rows, uint32_t vectors);
mu_tile_function *MU_KERNEL(outer_tile)(uint32_t rows, uint32_t vectors);

/* Rows that are worked on together: the tiles of one block follow each other before the next part of the walk begins. */
#define MU_BLOCK_ROWS 192
typedef struct mu_block {
    uint32_t     rows;
    const float *a[MU_BLOCK_ROWS];
    float       *held[MU_BLOCK_ROWS], *c[MU_BLOCK_ROWS];
} mu_block;

/* Run all tiles of a block over the whole walk; `tile` is what they have in common (its walk, b, columns, bias, resume, ...). The walk is
 * cut into parts short enough for that part of b to stay in the cache while all tiles read it. */
void MU_KERNEL(run_block)(const mu_block *block, mu_tile tile, mu_tile_function *(*kind)(uint32_t rows, uint32_t vectors));

/* The most rows that fit into the registers beside so many vectors. */
static inline uint32_t mu_tile_rows(uint32_t vectors)
{
#if VEC_REGISTERS >= 32
    static const uint32_t rows[] = { 0, 12, 12, 8, 6 };
#else
    static const uint32_t rows[] = { 0, 12, 6 };
#endif
    return rows[vectors];
}

/* Rows side by side need one pointer, not one each: a narrow tile may have more of them. */
static inline uint32_t mu_outer_rows(uint32_t vectors)
{
    return VEC_REGISTERS >= 32 && vectors == 1 ? MU_TILE_ROWS : mu_tile_rows(vectors);
}

/* Columns are cut into panels of at most MU_TILE_VECTORS vectors. No panel of one vector at the end of wide ones: a narrow tile
 * loads more than it multiplies. */
static inline uint32_t mu_panel_vectors(uint32_t columns_left)
{
    uint32_t vectors = (columns_left + VEC_LANES - 1) / VEC_LANES;
    if (vectors == MU_TILE_VECTORS + 1 && MU_TILE_VECTORS > 2)
        return MU_TILE_VECTORS - 1;
    return vectors < MU_TILE_VECTORS ? vectors : MU_TILE_VECTORS;
}

/* `left` rows are cut into tiles of nearly the same height. */
static inline uint32_t mu_next_rows(uint32_t left, uint32_t most)
{
    uint32_t tiles = (left + most - 1) / most;
    return (left + tiles - 1) / tiles;
}

#endif
