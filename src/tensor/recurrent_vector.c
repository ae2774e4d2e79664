/* The matrix products of the recurrent kernels from register tiles. The matrix is packed into panels of a few columns, one behind the
 * other: [panel][depth][columns of the panel]. A time step has only a batch of rows, so panels are as narrow as lets most rows share
 * one tile. */
#include "tensor/recurrent.h"
#include "tensor/tile.h"

#include <string.h>

#define PANEL_VECTORS 2
#define PANEL (PANEL_VECTORS * VEC_LANES)

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t panel_count(uint32_t columns)
{
    return (columns + PANEL - 1) / PANEL;
}

size_t MU_KERNEL(recurrent_matrix_floats)(uint32_t depth, uint32_t columns)
{
    return (size_t)panel_count(columns) * depth * PANEL;
}

/* to[k][j] = from[j][k], in squares that stay in the cache. */
static void pack_transposed(uint32_t depth, uint32_t columns, const float *from, float *to)
{
    enum { SIDE = 16 };
    for (uint32_t first = 0; first < depth; first += SIDE) {
        uint32_t end = smaller(depth, first + SIDE);
        for (uint32_t j = 0; j < columns; j++)
            for (uint32_t k = first; k < end; k++)
                to[(size_t)k * PANEL + j] = from[(size_t)j * depth + k];
    }
}

void MU_KERNEL(recurrent_matrix_pack)(const mu_recurrent_matrix *m)
{
    float *to = m->packed;
    for (uint32_t column = 0; column < m->columns; column += PANEL, to += (size_t)m->depth * PANEL) {
        uint32_t columns = smaller(m->columns - column, PANEL);
        if (m->transposed) {
            pack_transposed(m->depth, columns, m->array + (size_t)column * m->depth, to);
        } else {
            for (size_t k = 0; k < m->depth; k++)
                memcpy(to + k * PANEL, m->array + k * m->columns + column, columns * sizeof *to);
        }
    }
}

static void multiply_panel(const mu_recurrent_matrix *m, uint32_t panel, uint32_t rows, const float *a, size_t a_stride,
                           const float *bias, float *c)
{
    uint32_t column = panel * PANEL;
    mu_tile  tile = { .walk = { .outer = 1, .inner = 1, .run = m->depth, .a_run = 1, .b_run = PANEL },
                      .b = m->packed + (size_t)panel * m->depth * PANEL, .columns = smaller(m->columns - column, PANEL),
                      .bias = bias ? bias + column : NULL };
    mu_block block;
    for (uint32_t first = 0; first < rows; first += MU_BLOCK_ROWS) {
        block.rows = smaller(rows - first, MU_BLOCK_ROWS);
        for (uint32_t i = 0; i < block.rows; i++) {
            block.a[i] = a + (first + i) * a_stride;
            block.c[i] = block.held[i] = c + (size_t)(first + i) * m->columns + column;
        }
        MU_KERNEL(run_block)(&block, tile, MU_KERNEL(dot_tile));
    }
}

void MU_KERNEL(recurrent_multiply)(const mu_recurrent_matrix *m, uint32_t rows, const float *a, size_t a_stride, const float *bias,
                                   bool odd, float *c)
{
    uint32_t panels = panel_count(m->columns);
    for (uint32_t i = 0; i < panels; i++)
        multiply_panel(m, odd ? panels - 1 - i : i, rows, a, a_stride, bias, c);
}

/* Products of (example, item) pairs: tiles whose rows, units of h, lie side by side. */
void MU_KERNEL(recurrent_grad_weight)(const mu_recurrence *r, const float *h, uint32_t columns, size_t d_stride, const float *d,
                                      size_t dw_stride, float *dw)
{
    const ptrdiff_t hidden = r->hidden, stride = (ptrdiff_t)d_stride, items = r->items;
    mu_tile  tile = { .walk = { .outer = r->batch, .inner = 1, .run = r->items - 1, .a_run = hidden, .b_run = stride,
                                .a_outer = items * hidden, .b_outer = items * stride },
                     .resume = r->resume };
    mu_block block;
    for (uint32_t first = 0; first < r->hidden; first += MU_BLOCK_ROWS) {
        block.rows = smaller(r->hidden - first, MU_BLOCK_ROWS);
        for (uint32_t column = 0; column < columns; column += tile.columns) {
            tile.columns = smaller(columns - column, mu_panel_vectors(columns - column) * VEC_LANES);
            tile.b = d + column + (r->items > 1 ? d_stride : 0);
            for (uint32_t i = 0; i < block.rows; i++) {
                block.a[i] = h + first + i;
                block.c[i] = block.held[i] = dw + (first + i) * dw_stride + column;
            }
            MU_KERNEL(run_block)(&block, tile, MU_KERNEL(outer_tile));
        }
    }
}
