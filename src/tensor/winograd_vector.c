/* Winograd's convolution from register tiles, forward and input gradient: one pass, from x through w to y or from dy through
 * the turned w to dx. Tiles are taken in blocks whose planes stay in the cache while all weights meet them. */
#include "tensor/transpose.h"
#include "tensor/winograd_vector.h"

#define PART_DEPTH 128 /* channels of a part of the weights' planes, made again for each block */
#define KEPT_TILES 24 /* of a block, where the weights are kept */

typedef struct pass {
    winograd_grid grid;
    size_t        tiles; /* of all images */
    bool          input_gradient;
    size_t        in_stride, out_stride;
    uint32_t      depth, width; /* channels read, written */
    const float  *in, *w, *bias;
    bool          relu, accumulate;
    float        *out;
} pass;

/* How a pass is cut, and where its parts lie in the scratch. */
typedef struct cut {
    uint32_t block, part; /* tiles, channels read */
    bool     keep;
    size_t   results, turned, weights, end; /* offsets; the block's data is in front */
} cut;

static cut cut_of(size_t tiles, uint32_t depth, uint32_t width)
{
    const size_t row = winograd_round_up(depth), kept = winograd_planes_floats(depth, winograd_round_up(width));
    cut s = { .keep = kept <= MU_WINOGRAD_KEPT_FLOATS };
    const size_t most = s.keep ? KEPT_TILES : MU_WINOGRAD_BLOCK_FLOATS / (MU_WINOGRAD_PLANES * row);
    s.part = s.keep ? depth : winograd_at_most(PART_DEPTH, depth);
    s.block = winograd_at_most(most > 0 ? most : 1, MU_WINOGRAD_BLOCK_TILES);
    s.block = winograd_at_most(tiles, s.block);
    s.results = winograd_planes_floats(s.block, row);
    s.turned = s.results + winograd_planes_floats(s.block, MU_PANEL_COLUMNS);
    s.weights = s.turned + 9 * (size_t)s.part * MU_PANEL_COLUMNS;
    const size_t panels = (width + VEC_LANES - 1) / VEC_LANES; /* at most; each has its gaps */
    s.end = s.weights + (s.keep ? kept + panels * MU_WINOGRAD_PLANES * WINOGRAD_GAP : winograd_planes_floats(s.part, MU_PANEL_COLUMNS));
    return s;
}

size_t MU_KERNEL(winograd_work_floats)(const mu_conv *c)
{
    const winograd_grid forward = winograd_grid_forward(c), backward = winograd_grid_backward(c);
    const size_t y = cut_of((size_t)c->batch * forward.count, c->in_channels, c->out_channels).end;
    const size_t dx = cut_of((size_t)c->batch * backward.count, c->out_channels, c->in_channels).end;
    return y > dx ? y : dx;
}

/* Nine matrices `tap` floats apart, `row` floats a row; columns from `columns` on become 0. */
static void turn_weights(const float *w, size_t tap, size_t row, bool turn_around, uint32_t rows, uint32_t columns, winograd_planes to)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < columns; c += VEC_LANES) {
            vec kernel[6][6], planes[6][6];
            const vec_mask mask = vec_first(columns - c);
            for (uint32_t i = 0; i < 9; i++)
                kernel[i / 3][i % 3] = vec_load_first(w + (turn_around ? 8 - i : i) * tap + r * row + c, mask);
            winograd_turn_kernel(kernel, planes);
            winograd_store_planes(&to, r * to.row + c, planes);
        }
}

/* The planes of the weights from channels k .. k + depth - 1 to a panel. */
static void make_weights(const pass *p, uint32_t k, uint32_t depth, uint32_t column, uint32_t columns, float *turned, winograd_planes to)
{
    if (!p->input_gradient) {
        turn_weights(p->w + (size_t)k * p->width + column, (size_t)p->depth * p->width, p->width, false, depth, columns, to);
        return;
    }
    const uint32_t lanes = (uint32_t)to.row;
    for (uint32_t i = 0; i < 9; i++) /* [tap][width][depth]: what are rows there are columns here */
        mu_transpose(columns, depth, p->w + ((size_t)i * p->width + column) * p->depth + k, p->depth, lanes,
                     turned + (size_t)i * depth * lanes, lanes);
    turn_weights(turned, (size_t)depth * lanes, lanes, true, depth, lanes, to);
}

/* m[tile][column] (+)= the sum over `depth` channels of v[tile][channel] * u[channel][column]. */
static void multiply(uint32_t tiles, uint32_t depth, const float *v, size_t v_row, const float *u, float *m, size_t width, bool resume)
{
    const uint32_t vectors = (uint32_t)width / VEC_LANES;
    mu_tile tile = { .walk = { .outer = 1, .inner = 1, .run = depth, .a_run = 1, .b_run = (ptrdiff_t)width },
                     .columns = (uint32_t)width, .b = u, .resume = resume, .finish = true };
    for (uint32_t t = 0; t < tiles;) {
        const float   *a[MU_TILE_ROWS];
        float         *c[MU_TILE_ROWS];
        const uint32_t rows = mu_next_rows(tiles - t, mu_tile_rows(vectors));
        for (uint32_t r = 0; r < rows; r++) {
            a[r] = v + (t + r) * v_row;
            c[r] = m + (t + r) * width;
        }
        tile.a = a;
        tile.c = tile.held = c;
        MU_KERNEL(dot_tile)(rows, vectors)(&tile);
        t += rows;
    }
}

/* What a pixel becomes, in place of its sum. */
WINOGRAD_INLINE vec finish_pixel(const pass *p, const float *old, vec_mask mask, vec bias, vec value)
{
    if (p->bias)
        value = vec_add(value, bias);
    if (p->relu)
        value = vec_relu(value);
    return p->accumulate ? vec_add(vec_load_first(old, mask), value) : value;
}

/* A panel's sums, transformed back. */
static void write_tiles(const pass *p, winograd_planes sums, size_t first, uint32_t tiles, uint32_t column, uint32_t columns)
{
    const winograd_grid *g = &p->grid;
    for (uint32_t t = 0; t < tiles; t++) {
        const winograd_place at = winograd_output_place(g, first + t);
        const size_t start = (at.image * g->out_height + (size_t)at.row) * g->out_width + (size_t)at.column;
        const uint32_t rows = g->out_height - (uint32_t)at.row, places = g->out_width - (uint32_t)at.column;
        for (uint32_t c = 0; c < columns; c += VEC_LANES) {
            vec planes[6][6], result[6][6];
            const vec_mask mask = vec_first(columns - c);
            const vec bias = p->bias ? vec_load_first(p->bias + column + c, mask) : vec_zero();
            winograd_load_planes(&sums, t * sums.row + c, planes);
            winograd_turn_result(planes, result);
            float *to = p->out + start * p->out_stride + column + c;
            const size_t line = (size_t)g->out_width * p->out_stride;
            WINOGRAD_UNROLL
            for (uint32_t i = 0; i < MU_WINOGRAD_TILE; i++)
                WINOGRAD_UNROLL
                for (uint32_t j = 0; j < MU_WINOGRAD_TILE; j++)
                    if (i < rows && j < places)
                        result[i][j] = finish_pixel(p, to + i * line + j * p->out_stride, mask, bias, result[i][j]);
            /* Only now: a store of a part of a vector holds up a load of what lies under its other part, the next pixel. */
            WINOGRAD_UNROLL
            for (uint32_t i = 0; i < MU_WINOGRAD_TILE; i++)
                WINOGRAD_UNROLL
                for (uint32_t j = 0; j < MU_WINOGRAD_TILE; j++)
                    if (i < rows && j < places)
                        vec_store_first(to + i * line + j * p->out_stride, mask, result[i][j]);
        }
    }
}

static void run_block(const pass *p, const cut *s, size_t first, uint32_t tiles, float *work)
{
    const winograd_planes data = winograd_planes_of(work, s->block, winograd_round_up(p->depth));
    float *weights = work + s->weights;
    winograd_data_tiles(&p->grid, p->in, p->in_stride, first, tiles, p->depth, &data);
    for (uint32_t column = 0, lanes; column < p->width; column += lanes) {
        lanes = mu_panel_vectors(p->width - column) * VEC_LANES;
        const uint32_t columns = winograd_at_most(lanes, p->width - column);
        const winograd_planes sums = winograd_planes_of(work + s->results, s->block, lanes);
        for (uint32_t k = 0; k < p->depth; k += s->part) {
            const uint32_t depth = winograd_at_most(s->part, p->depth - k);
            const winograd_planes u = winograd_planes_of(weights, depth, lanes);
            if (!s->keep || first == 0)
                make_weights(p, k, depth, column, columns, work + s->turned, u);
            for (size_t i = 0; i < MU_WINOGRAD_PLANES; i++)
                multiply(tiles, depth, data.at + i * data.plane + k, data.row, u.at + i * u.plane, sums.at + i * sums.plane, lanes,
                         k > 0);
            if (s->keep)
                weights += winograd_planes_floats(depth, lanes);
        }
        write_tiles(p, sums, first, tiles, column, columns);
    }
}

static void run_pass(const pass *p, float *work)
{
    const cut s = cut_of(p->tiles, p->depth, p->width);
    for (size_t first = 0; first < p->tiles; first += s.block)
        run_block(p, &s, first, winograd_at_most(p->tiles - first, s.block), work);
}

void MU_KERNEL(winograd_forward)(const mu_conv *c, const float *x, const float *w, const float *bias, bool relu, float *y, float *work)
{
    pass p = { .grid = winograd_grid_forward(c), .in_stride = c->in_stride, .out_stride = c->out_stride, .depth = c->in_channels,
               .width = c->out_channels, .in = x, .w = w, .bias = bias, .relu = relu, .out = y };
    p.tiles = (size_t)c->batch * p.grid.count;
    run_pass(&p, work);
}

void MU_KERNEL(winograd_grad_input)(const mu_conv *c, const float *dy, const float *w, float *dx, bool accumulate, float *work)
{
    pass p = { .grid = winograd_grid_backward(c), .input_gradient = true, .in_stride = c->out_stride, .out_stride = c->in_stride,
               .depth = c->out_channels, .width = c->in_channels, .in = dy, .w = w, .accumulate = accumulate, .out = dx };
    p.tiles = (size_t)c->batch * p.grid.count;
    run_pass(&p, work);
}
