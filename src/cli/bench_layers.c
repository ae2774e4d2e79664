/* Convolutions, dense layers and LSTMs of the networks of the field, each direction by itself. */
#include "cli/bench_kernels.h"
#include "cli/text.h"

#include "muster/arena.h"

#include <stdio.h>
#include <string.h>

typedef struct layer {
    const char *name;
    uint32_t    size, in_channels, out_channels, kernel, pad, stride; /* size 0: dense */
    uint32_t    groups;                                               /* 0: one */
    uint32_t    items;                                                /* above 0: an LSTM of out_channels units, over that many */
} layer;

static const layer layers[] = {
    { "conv 5x5 28x28 1-32", 28, 1, 32, 5, 2, 1, 0, 0 },
    { "conv 5x5 14x14 32-64", 14, 32, 64, 5, 2, 1, 0, 0 },
    { "conv 5x5 14x14 17-33", 14, 17, 33, 5, 2, 1, 0, 0 },
    { "conv 3x3 32x32 3-32", 32, 3, 32, 3, 1, 1, 0, 0 },
    { "conv 3x3 32x32 32-64", 32, 32, 64, 3, 1, 1, 0, 0 },
    { "conv 3x3 32x32 16-16", 32, 16, 16, 3, 1, 1, 0, 0 },
    { "conv 3x3 16x16 16-32 s2", 32, 16, 32, 3, 1, 2, 0, 0 },
    { "conv 3x3 8x8 64-64", 8, 64, 64, 3, 1, 1, 0, 0 },
    { "conv 3x3 4x4 512-512", 4, 512, 512, 3, 1, 1, 0, 0 },
    { "conv 1x1 25x25 64-64", 25, 64, 64, 1, 0, 1, 0, 0 },
    { "conv 1x1 16x16 32-192", 16, 32, 192, 1, 0, 1, 0, 0 },
    { "conv 1x1 8x8 384-64", 8, 384, 64, 1, 0, 1, 0, 0 },
    { "depthwise 3x3 25x25 64", 25, 64, 64, 3, 1, 1, 64, 0 },
    { "depthwise 3x3 32x32 96", 32, 96, 96, 3, 1, 1, 96, 0 },
    { "depthwise 3x3 16x16 144 s2", 32, 144, 144, 3, 1, 2, 144, 0 },
    { "depthwise 3x3 8x8 384", 8, 384, 384, 3, 1, 1, 384, 0 },
    { "dense 3136-512", 0, 3136, 512, 0, 0, 0, 0, 0 },
    { "dense 512-10", 0, 512, 10, 0, 0, 0, 0, 0 },
    { "dense 64-128", 0, 64, 128, 0, 0, 0, 0, 0 },
    { "lstm 256 over 80", 0, 256, 256, 0, 0, 0, 0, 80 },
};

enum { FORWARD, GRAD_INPUT, GRAD_WEIGHT, DIRECTIONS };
static const char *const direction_names[DIRECTIONS] = { "forward", "grad input", "grad weight" };
static const uint32_t batches[] = { 10, 32 };

/* What one layer works on. An LSTM has gates in x, its cells in y and what it gives on in dx. */
typedef struct buffers {
    float *x, *w, *y, *dx, *dw, *dy, *bias;
} buffers;

typedef struct layer_run {
    const mu_kernel_table *table;
    const layer           *layer;
    uint32_t               batch;
    int                    direction;
    const buffers         *buffers;
    float                 *work;
} layer_run;

static mu_conv conv_of(const layer *l, uint32_t batch)
{
    uint32_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
    return (mu_conv){ .batch = batch, .in_height = l->size, .in_width = l->size, .in_channels = l->in_channels, .out_height = out,
                      .out_width = out, .out_channels = l->out_channels, .kernel_h = l->kernel, .kernel_w = l->kernel,
                      .stride_h = l->stride, .stride_w = l->stride, .pad_h = l->pad, .pad_w = l->pad, .groups = l->groups ? l->groups : 1,
                      .in_stride = l->in_channels, .out_stride = l->out_channels };
}

/* The three products of a dense layer. */
static mu_gemm gemm_of(const layer *l, uint32_t batch, int direction)
{
    size_t in = l->in_channels, out = l->out_channels;
    if (direction == FORWARD)
        return (mu_gemm){ .rows = batch, .columns = l->out_channels, .depth = l->in_channels, .a_stride = in, .b_stride = out,
                          .c_stride = out };
    if (direction == GRAD_INPUT)
        return (mu_gemm){ .rows = batch, .columns = l->in_channels, .depth = l->out_channels, .b_transposed = true,
                          .a_stride = out, .b_stride = out, .c_stride = in };
    return (mu_gemm){ .rows = l->in_channels, .columns = l->out_channels, .depth = batch, .a_transposed = true, .a_stride = in,
                      .b_stride = out, .c_stride = out };
}

static mu_recurrence recurrence_of(const layer *l, uint32_t batch)
{
    return (mu_recurrence){ .batch = batch, .items = l->items, .hidden = l->out_channels, .gates = 4, .gates_stride = 4 * l->out_channels };
}

/* ---- sizes, in floats ---- */

typedef struct sizes {
    size_t in, weights, out;
    double flops; /* nominal: taps in the padding count too */
} sizes;

static sizes sizes_of(const layer *l, uint32_t batch)
{
    if (l->items) {
        size_t rows = (size_t)batch * l->items, hidden = l->out_channels;
        return (sizes){ rows * 4 * hidden, hidden * 4 * hidden, rows * hidden, 2.0 * (double)rows * 4.0 * (double)(hidden * hidden) };
    }
    if (l->size == 0) {
        size_t weights = (size_t)l->in_channels * l->out_channels;
        return (sizes){ (size_t)batch * l->in_channels, weights, (size_t)batch * l->out_channels, 2.0 * batch * (double)weights };
    }
    mu_conv c = conv_of(l, batch);
    size_t weights = (size_t)l->kernel * l->kernel * (l->in_channels / c.groups) * l->out_channels;
    size_t pixels = (size_t)batch * c.out_height * c.out_width;
    return (sizes){ (size_t)batch * l->size * l->size * l->in_channels, weights, pixels * l->out_channels,
                    2.0 * (double)weights * (double)pixels };
}

static size_t work_floats(const mu_kernel_table *table, const layer *l, uint32_t batch)
{
    if (l->items) {
        mu_recurrence r = recurrence_of(l, batch);
        return table->recurrent_work_floats(&r);
    }
    if (l->size > 0) {
        mu_conv c = conv_of(l, batch);
        return table->conv_work_floats(&c);
    }
    size_t most = 0;
    for (int direction = 0; direction < DIRECTIONS; direction++) {
        mu_gemm g = gemm_of(l, batch, direction);
        size_t floats = table->gemm_work_floats(&g);
        most = floats > most ? floats : most;
    }
    return most;
}

/* ---- calls ---- */

static void call_dense(const layer_run *r)
{
    const buffers *b = r->buffers;
    mu_gemm g = gemm_of(r->layer, r->batch, r->direction);
    if (r->direction == FORWARD)
        r->table->gemm(&g, b->x, b->w, b->bias, true, b->y, false, r->work);
    else if (r->direction == GRAD_INPUT)
        r->table->gemm(&g, b->dy, b->w, NULL, false, b->dx, false, r->work);
    else
        r->table->gemm(&g, b->x, b->dy, NULL, false, b->dw, false, r->work);
}

static void call_conv(const layer_run *r)
{
    const buffers *b = r->buffers;
    mu_conv c = conv_of(r->layer, r->batch);
    if (r->direction == FORWARD)
        r->table->conv_forward(&c, b->x, b->w, b->bias, true, b->y, r->work);
    else if (r->direction == GRAD_INPUT)
        r->table->conv_grad_input(&c, b->dy, b->w, b->dx, false, r->work);
    else
        r->table->conv_grad_weight(&c, b->x, b->dy, b->dw, r->work);
}

/* The walk back through time leaves gradients where the gates were: they are put back each time, which takes a hundredth of it. */
static void call_lstm(const layer_run *r)
{
    const buffers *b = r->buffers;
    mu_recurrence recurrence = recurrence_of(r->layer, r->batch);
    const size_t gates = recurrence.gates_stride;
    memcpy(b->dx, b->x, sizes_of(r->layer, r->batch).in * sizeof(float));
    if (r->direction == FORWARD)
        r->table->lstm_forward(&recurrence, b->w, b->bias, b->dx, b->y, b->dy, r->work);
    else if (r->direction == GRAD_INPUT)
        r->table->lstm_backward(&recurrence, false, b->w, b->y, b->dy, b->dx, r->work);
    else
        r->table->recurrent_grad_weight(&recurrence, b->y, (uint32_t)gates, gates, b->x, gates, b->dw);
}

static void call(void *self)
{
    const layer_run *r = self;
    if (r->layer->items)
        call_lstm(r);
    else if (r->layer->size)
        call_conv(r);
    else
        call_dense(r);
}

/* ---- results ---- */

static const cli_column columns[] = {
    { "layer", "layer", false },       { "batch_size", "batch", true },         { "direction", "direction", false },
    { "kernels", "kernels", false },   { "median_s", "time", true },            { "best_s", "at best", true },
    { "gflop_per_s", "GFLOP/s", true }, { "share_of_peak", "of the peak", true },
};

static void add_row(cli_table *table, const layer_run *r, const cli_bench_work *work, double peak_flop_per_s)
{
    char text[CLI_NUMBER_BYTES];
    double flop_per_s = sizes_of(r->layer, r->batch).flops / work->median_s;
    cli_table_text(table, r->layer->name);
    snprintf(text, sizeof text, "%u", r->batch);
    cli_table_count(table, r->batch, text);
    cli_table_text(table, direction_names[r->direction]);
    cli_table_text(table, r->table->name);
    cli_table_real(table, work->median_s, cli_format_seconds(work->median_s, text));
    cli_table_real(table, work->best_s, cli_format_seconds(work->best_s, text));
    snprintf(text, sizeof text, "%.1f", flop_per_s * 1e-9);
    cli_table_real(table, flop_per_s * 1e-9, text);
    snprintf(text, sizeof text, "%.0f %%", 100.0 * flop_per_s / peak_flop_per_s);
    cli_table_real(table, peak_flop_per_s > 0 ? flop_per_s / peak_flop_per_s : 0.0, peak_flop_per_s > 0 ? text : "");
}

static mu_status measure_direction(const cli_kernel_question *q, const layer_run *what, cli_table *table, mu_error *err)
{
    layer_run runs[CLI_BENCH_MOST_TABLES];
    cli_bench_work works[CLI_BENCH_MOST_TABLES];
    mu_status status = MU_OK;
    for (size_t i = 0; i < q->table_count && !status; i++) {
        runs[i] = *what;
        runs[i].table = q->tables[i];
        runs[i].work = cli_bench_floats(work_floats(q->tables[i], what->layer, what->batch) + 1);
        works[i] = (cli_bench_work){ .call = call, .self = &runs[i] };
        if (!runs[i].work)
            status = mu_error_set(err, MU_E_MEMORY, "no memory for the scratch of '%s'", what->layer->name);
    }
    if (!status)
        status = cli_bench_measure(works, q->table_count, &q->effort, err);
    for (size_t i = 0; i < q->table_count && !status; i++)
        add_row(table, &runs[i], &works[i], q->machine.flop_per_s);
    for (size_t i = 0; i < q->table_count && runs[i].work; i++)
        mu_arena_block_free(runs[i].work);
    return status;
}

static mu_status measure_layer(const cli_kernel_question *q, const layer *l, uint32_t batch, cli_table *table, mu_error *err)
{
    const sizes s = sizes_of(l, batch);
    buffers b = { cli_bench_floats(s.in),      cli_bench_floats(s.weights), cli_bench_floats(s.out), cli_bench_floats(s.in),
                  cli_bench_floats(s.weights), cli_bench_floats(s.out),     cli_bench_floats(4 * (size_t)l->out_channels) };
    float *const all[] = { b.x, b.w, b.y, b.dx, b.dw, b.dy, b.bias };
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNT(all) && !status; i++)
        if (!all[i])
            status = mu_error_set(err, MU_E_MEMORY, "no memory for the tensors of '%s'", l->name);
    for (int direction = 0; direction < DIRECTIONS && !status; direction++)
        status = measure_direction(q, &(layer_run){ .layer = l, .batch = batch, .direction = direction, .buffers = &b }, table, err);
    for (size_t i = 0; i < MU_COUNT(all); i++)
        mu_arena_block_free(all[i]);
    return status;
}

mu_status cli_bench_layers(const cli_kernel_question *question, cli_table **out, mu_error *err)
{
    cli_table *table = *out = cli_table_create(columns, MU_COUNT(columns));
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNT(layers); i++)
        for (size_t k = 0; k < MU_COUNT(batches) && strstr(layers[i].name, question->only) && !status; k++)
            status = measure_layer(question, &layers[i], batches[k], table, err);
    return status;
}
