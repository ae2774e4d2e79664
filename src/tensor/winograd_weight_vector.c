/* Winograd's weight gradient from register tiles: rows are input channels, columns output channels, and the walk goes over the
 * tiles of one image. In blocks of channels and of tiles whose planes stay in the cache. */
#include "tensor/winograd_vector.h"

#include <string.h>

#define BLOCK_TILES 64

typedef struct gradient {
    const mu_conv  *conv;
    const float    *x, *dy;
    float          *dw;
    winograd_grid   grid;
    winograd_planes data, outputs, sums;
} gradient;

/* The channels of a block: input channels are its rows, output channels its columns. */
typedef struct channels {
    uint32_t row, rows, column, columns;
} channels;

static uint32_t block_tiles(const winograd_grid *g)
{
    return winograd_at_most(g->count, BLOCK_TILES);
}

static uint32_t block_of(uint32_t count, uint32_t most)
{
    return (uint32_t)winograd_round_up(winograd_at_most(count, most));
}

size_t MU_KERNEL(winograd_weight_work_floats)(const mu_conv *c)
{
    const winograd_grid g = winograd_grid_forward(c);
    const size_t rows = block_of(c->in_channels, MU_WINOGRAD_WEIGHT_CHANNELS), columns = block_of(c->out_channels, MU_WINOGRAD_WEIGHT_CHANNELS);
    return winograd_planes_floats(block_tiles(&g), rows) + winograd_planes_floats(block_tiles(&g), columns) +
           winograd_planes_floats(rows, columns);
}

static void gradient_tiles(const gradient *g, const channels *at, size_t first, uint32_t tiles)
{
    const mu_conv *c = g->conv;
    for (uint32_t t = 0; t < tiles; t++) {
        const winograd_place p = winograd_output_place(&g->grid, first + t);
        for (uint32_t k = 0; k < at->columns; k += VEC_LANES) {
            vec data[6][6], planes[6][6];
            winograd_load(g->dy + at->column + k, c->out_height, c->out_width, c->out_stride, p, MU_WINOGRAD_TILE,
                          vec_first(at->columns - k), data);
            winograd_turn_gradient(data, planes);
            winograd_store_planes(&g->outputs, t * g->outputs.row + k, planes);
        }
    }
}

/* One plane: sums[row][column] (+)= the sum over `tiles` tiles of data[tile][row] * outputs[tile][column]. */
static void multiply(const gradient *g, const channels *at, size_t plane, uint32_t tiles, bool resume)
{
    const float *data = g->data.at + plane * g->data.plane, *outputs = g->outputs.at + plane * g->outputs.plane;
    float       *sums = g->sums.at + plane * g->sums.plane;
    for (uint32_t column = 0, lanes; column < at->columns; column += lanes) {
        const uint32_t vectors = mu_panel_vectors(at->columns - column);
        lanes = vectors * VEC_LANES;
        mu_tile tile = { .walk = { .outer = 1, .inner = 1, .run = tiles, .a_run = (ptrdiff_t)g->data.row,
                                   .b_run = (ptrdiff_t)g->outputs.row },
                         .columns = lanes, .b = outputs + column, .resume = resume, .finish = true };
        for (uint32_t row = 0; row < at->rows;) {
            const uint32_t high = mu_next_rows(at->rows - row, mu_outer_rows(vectors));
            const float   *a = data + row;
            float         *to[MU_TILE_ROWS];
            for (uint32_t r = 0; r < high; r++)
                to[r] = sums + (row + r) * g->sums.row + column;
            tile.a = &a;
            tile.c = tile.held = to;
            MU_KERNEL(outer_tile)(high, vectors)(&tile);
            row += high;
        }
    }
}

static void add_sums(const gradient *g, const channels *at)
{
    const mu_conv *c = g->conv;
    for (uint32_t r = 0; r < at->rows; r++)
        for (uint32_t k = 0; k < at->columns; k += VEC_LANES) {
            vec planes[6][6], result[6][6];
            const vec_mask mask = vec_first(at->columns - k);
            winograd_load_planes(&g->sums, r * g->sums.row + k, planes);
            winograd_turn_weight(planes, result);
            WINOGRAD_UNROLL
            for (uint32_t i = 0; i < 3; i++)
                WINOGRAD_UNROLL
                for (uint32_t j = 0; j < 3; j++) {
                    float *to = g->dw + ((size_t)(3 * i + j) * c->in_channels + at->row + r) * c->out_channels + at->column + k;
                    vec_store_first(to, mask, vec_add(vec_load_first(to, mask), result[i][j]));
                }
        }
}

static void run_image(const gradient *g, const channels *at, size_t image)
{
    const uint32_t block = block_tiles(&g->grid);
    for (uint32_t first = 0; first < g->grid.count; first += block) {
        const uint32_t tiles = winograd_at_most(g->grid.count - first, block);
        const size_t   tile = image * g->grid.count + first;
        winograd_data_tiles(&g->grid, g->x + at->row, g->conv->in_stride, tile, tiles, at->rows, &g->data);
        gradient_tiles(g, at, tile, tiles);
        for (size_t plane = 0; plane < MU_WINOGRAD_PLANES; plane++)
            multiply(g, at, plane, tiles, first > 0);
    }
    add_sums(g, at);
}

void MU_KERNEL(winograd_grad_weight)(const mu_conv *c, const float *x, const float *dy, float *dw, float *work)
{
    const size_t rows = block_of(c->in_channels, MU_WINOGRAD_WEIGHT_CHANNELS), columns = block_of(c->out_channels, MU_WINOGRAD_WEIGHT_CHANNELS);
    gradient g = { .conv = c, .x = x, .dy = dy, .dw = dw, .grid = winograd_grid_forward(c) };
    const uint32_t tiles = block_tiles(&g.grid);
    g.data = winograd_planes_of(work, tiles, rows);
    g.outputs = winograd_planes_of(work + winograd_planes_floats(tiles, rows), tiles, columns);
    g.sums = winograd_planes_of(g.outputs.at + winograd_planes_floats(tiles, columns), rows, columns);
    if (!c->resume)
        memset(dw, 0, (size_t)9 * c->in_channels * c->out_channels * sizeof(float));
    for (channels at = { 0 }; at.row < c->in_channels; at.row += MU_WINOGRAD_WEIGHT_CHANNELS)
        for (at.column = 0; at.column < c->out_channels; at.column += MU_WINOGRAD_WEIGHT_CHANNELS) {
            at.rows = winograd_at_most(c->in_channels - at.row, MU_WINOGRAD_WEIGHT_CHANNELS);
            at.columns = winograd_at_most(c->out_channels - at.column, MU_WINOGRAD_WEIGHT_CHANNELS);
            for (size_t image = 0; image < c->batch; image++)
                run_image(&g, &at, image);
        }
}
