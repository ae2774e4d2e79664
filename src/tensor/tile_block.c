/* The tiles of a block, and the walk in parts. */
#include "tensor/tile.h"

#define PART_FLOATS (48 * 1024) /* of b, in one part of the walk: a fifth of the smallest L2 cache in use */

static uint32_t at_most(size_t a, uint32_t b)
{
    return a < b ? (a ? (uint32_t)a : 1) : b;
}

static void run_part(const mu_block *block, mu_tile *tile, uint32_t vectors, mu_tile_function *(*kind)(uint32_t, uint32_t))
{
    for (uint32_t row = 0; row < block->rows;) {
        uint32_t rows = mu_next_rows(block->rows - row, mu_tile_rows(vectors));
        tile->a = block->a + row;
        tile->held = block->held + row;
        tile->c = block->c + row;
        kind(rows, vectors)(tile);
        row += rows;
    }
}

void MU_KERNEL(run_block)(const mu_block *block, mu_tile tile, mu_tile_function *(*kind)(uint32_t rows, uint32_t vectors))
{
    const mu_walk whole = tile.walk;
    const float  *b = tile.b;
    uint32_t      vectors = mu_panel_vectors(tile.columns);
    size_t        places = PART_FLOATS / (vectors * VEC_LANES);
    tile.finish = true;
    if (whole.outer == 0 || whole.inner == 0 || whole.run == 0 || (size_t)whole.outer * whole.inner * whole.run <= places) {
        run_part(block, &tile, vectors, kind);
        return;
    }
    uint32_t run = at_most(places, whole.run);
    uint32_t inner = at_most(places / whole.run, whole.inner);
    uint32_t outer = at_most(places / ((size_t)whole.run * whole.inner), whole.outer);
    for (uint32_t o = 0; o < whole.outer; o += outer) {
        for (uint32_t i = 0; i < whole.inner; i += inner) {
            for (uint32_t k = 0; k < whole.run; k += run) {
                tile.walk.outer = at_most(outer, whole.outer - o);
                tile.walk.inner = at_most(inner, whole.inner - i);
                tile.walk.run = at_most(run, whole.run - k);
                tile.walk.a_start = whole.a_start + o * whole.a_outer + i * whole.a_inner + k * whole.a_run;
                tile.b = b + o * whole.b_outer + i * whole.b_inner + k * whole.b_run;
                tile.finish = o + tile.walk.outer == whole.outer && i + tile.walk.inner == whole.inner &&
                              k + tile.walk.run == whole.run;
                run_part(block, &tile, vectors, kind);
                tile.resume = true;
            }
        }
    }
}
