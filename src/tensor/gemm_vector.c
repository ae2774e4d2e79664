/* Matrix product from register tiles.
 *
 * Vectors run along the rows of b where these lie in memory as they are needed. Where b is transposed they run along the rows of the
 * batch instead: c is computed as its transpose, from the rows of b as scalars and a, packed by columns, as vectors. So
 * a large b, the weights of a dense layer, is read once and where it lies, in both directions. */
#include "tensor/tile.h"
#include "tensor/transpose.h"

#define SCRATCH_FLOATS ((size_t)MU_BLOCK_ROWS * MU_PANEL_COLUMNS) /* sums held between two parts of a walk */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t panel_width(uint32_t columns_left)
{
    return mu_panel_vectors(columns_left) * VEC_LANES;
}

size_t MU_KERNEL(gemm_work_floats)(const mu_gemm *g)
{
    size_t packed = g->b_transposed && !g->a_transposed ? (size_t)g->depth * panel_width(g->rows) : 0;
    /* The last panel may be wider than the first: rows = 5 vectors are cut into 3 and 2. */
    return SCRATCH_FLOATS + (g->rows > MU_PANEL_COLUMNS ? (packed ? (size_t)g->depth * MU_PANEL_COLUMNS : 0) : packed);
}

/* c as it is: rows of a, panels of b. */
static void multiply_straight(const mu_gemm *g, const float *a, const float *b, const float *bias, bool relu, float *c,
                              bool accumulate, float *work)
{
    mu_tile tile = { .walk = { .outer = 1, .inner = 1, .run = g->depth, .a_run = g->a_transposed ? (ptrdiff_t)g->a_stride : 1,
                               .b_run = (ptrdiff_t)g->b_stride },
                     .resume = g->resume, .relu = relu, .accumulate = accumulate };
    size_t   a_row = g->a_transposed ? 1 : g->a_stride;
    mu_block block;
    for (uint32_t first = 0; first < g->rows; first += MU_BLOCK_ROWS) {
        block.rows = smaller(g->rows - first, MU_BLOCK_ROWS);
        for (uint32_t column = 0; column < g->columns; column += tile.columns) {
            tile.columns = smaller(g->columns - column, panel_width(g->columns - column));
            tile.b = b + column;
            tile.bias = bias ? bias + column : NULL;
            for (uint32_t r = 0; r < block.rows; r++) {
                block.a[r] = a + (first + r) * a_row;
                block.c[r] = c + (first + r) * g->c_stride + column;
                block.held[r] = accumulate ? work + r * (size_t)MU_PANEL_COLUMNS : block.c[r];
            }
            MU_KERNEL(run_block)(&block, tile, g->a_transposed ? MU_KERNEL(outer_tile) : MU_KERNEL(dot_tile));
        }
    }
}

/* c[i][j] from sums[j][i], j < rows of the block, i < columns. */
static void finish_transposed(const mu_block *block, uint32_t columns, size_t sums_stride, size_t c_stride, const float *bias, bool relu,
                              float *c, bool accumulate)
{
    for (uint32_t j = 0; j < block->rows; j += VEC_LANES) {
        const vec_mask mask = vec_first(block->rows - j);
        const vec      biases = bias ? vec_load_first(bias + j, mask) : vec_zero();
        for (uint32_t i = 0; i < columns; i += VEC_LANES) {
            vec square[VEC_LANES];
            mu_load_turned(block->c[j] + i, sums_stride, block->rows - j, columns - i, square);
            for (uint32_t k = 0; k < VEC_LANES && i + k < columns; k++) {
                float *to = c + (i + k) * c_stride + j;
                vec    sum = bias ? vec_add(square[k], biases) : square[k];
                if (relu)
                    sum = vec_relu(sum);
                if (accumulate)
                    sum = vec_add(vec_load_first(to, mask), sum);
                vec_store_first(to, mask, sum);
            }
        }
    }
}

static void multiply_transposed(const mu_gemm *g, const float *a, const float *b, const float *bias, bool relu, float *c,
                                bool accumulate, float *work)
{
    float   *packed = work + SCRATCH_FLOATS;
    mu_tile  tile = { .walk = { .outer = 1, .inner = 1, .run = g->depth, .a_run = 1 } };
    mu_block block;
    for (uint32_t i = 0; i < g->rows; i += tile.columns) {
        uint32_t width = panel_width(g->rows - i);
        tile.columns = smaller(g->rows - i, width);
        if (g->a_transposed) {
            tile.b = a + i;
            tile.walk.b_run = (ptrdiff_t)g->a_stride;
        } else {
            mu_transpose(tile.columns, g->depth, a + i * g->a_stride, g->a_stride, width, packed, width);
            tile.b = packed;
            tile.walk.b_run = (ptrdiff_t)width;
        }
        for (uint32_t first = 0; first < g->columns; first += MU_BLOCK_ROWS) {
            block.rows = smaller(g->columns - first, MU_BLOCK_ROWS);
            for (uint32_t r = 0; r < block.rows; r++) {
                block.a[r] = b + (first + r) * g->b_stride;
                block.c[r] = block.held[r] = work + r * (size_t)width;
            }
            MU_KERNEL(run_block)(&block, tile, MU_KERNEL(dot_tile));
            finish_transposed(&block, tile.columns, width, g->c_stride, bias ? bias + first : NULL, relu, c + i * g->c_stride + first,
                              accumulate);
        }
    }
}

void MU_KERNEL(gemm)(const mu_gemm *g, const float *a, const float *b, const float *bias, bool relu, float *c, bool accumulate,
                     float *work)
{
    if (g->b_transposed)
        multiply_transposed(g, a, b, bias, relu, c, accumulate, work);
    else
        multiply_straight(g, a, b, bias, relu, c, accumulate, work);
}
