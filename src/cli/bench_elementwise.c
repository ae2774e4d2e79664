/* Kernels that do little with each number: norms, activations, pooling, loss, optimisers, merging. Memory bounds most of them. */
#include "cli/bench_kernels.h"
#include "cli/text.h"

#include "muster/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of them work on as many numbers as a step has after its first convolution: PIXELS pixels of CHANNELS channels. */
enum { IMAGES = 32, SIDE = 28, CHANNELS = 32, PIXELS = IMAGES * SIDE * SIDE, ELEMENTS = PIXELS * CHANNELS, CLASSES = 1000 };

typedef struct run {
    const mu_kernel_table *table;
    const struct entry    *entry;
    float                 *a, *b, *c, *d, *work, *channel[8];
    uint8_t               *bytes;
    int32_t               *labels;
    double                 sink; /* keeps results alive */
} run;

typedef struct entry {
    const char *name;
    uint32_t    bytes; /* read and written for each element */
    void (*call)(run *r);
} entry;

static const mu_rows pixels = { PIXELS, CHANNELS, CHANNELS };
static const mu_pool2d pool = { .batch = IMAGES, .in_height = SIDE, .in_width = SIDE, .channels = CHANNELS, .out_height = SIDE / 2,
                                .out_width = SIDE / 2, .kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2,
                                .in_stride = CHANNELS, .out_stride = CHANNELS };

static mu_batch_norm norm_of(const run *r)
{
    return (mu_batch_norm){ .scale = r->channel[0], .shift = r->channel[1], .epsilon = 1e-5f, .momentum = 0.1f,
                            .activation = MU_ACTIVATION_RELU, .running_mean = r->channel[2], .running_var = r->channel[3],
                            .saved_mean = r->channel[4], .saved_inv_std = r->channel[5] };
}

static void relu_forward(run *r)
{
    r->table->activation_forward(MU_ACTIVATION_RELU, pixels, r->a, CHANNELS, r->b);
}

static void relu_backward(run *r)
{
    r->table->activation_backward(MU_ACTIVATION_RELU, pixels, r->a, CHANNELS, r->b, CHANNELS, r->c, false);
}

static void sigmoid_forward(run *r)
{
    r->table->activation_forward(MU_ACTIVATION_SIGMOID, pixels, r->a, CHANNELS, r->b);
}

static void tanh_forward(run *r)
{
    r->table->activation_forward(MU_ACTIVATION_TANH, pixels, r->a, CHANNELS, r->b);
}

static void add(run *r)
{
    r->table->add(pixels, r->a, CHANNELS, r->b, CHANNELS, r->c);
}

static void sum_rows(run *r)
{
    r->table->sum_rows(pixels, r->a, r->channel[0], false);
}

static void max_pool_forward(run *r)
{
    r->table->max_pool_forward(&pool, r->a, true, r->b, r->bytes);
}

static void max_pool_backward(run *r)
{
    r->table->max_pool_backward(&pool, r->b, r->bytes, r->c, false);
}

static void average_pool_forward(run *r)
{
    r->table->average_pool_forward(&pool, r->a, r->b);
}

static void average_pool_backward(run *r)
{
    r->table->average_pool_backward(&pool, r->b, r->c, false);
}

static void batch_norm_forward(run *r)
{
    const mu_batch_norm norm = norm_of(r);
    r->table->batch_norm_forward(&norm, pixels, r->a, CHANNELS, r->b, r->work);
}

static void batch_norm_backward(run *r)
{
    const mu_batch_norm norm = norm_of(r);
    r->table->batch_norm_backward(&norm, pixels, r->a, CHANNELS, r->b, r->channel[6], r->channel[7], CHANNELS, r->c, false, r->work);
}

static void group_norm_forward(run *r)
{
    r->table->group_norm_forward(IMAGES, (mu_rows){ PIXELS / IMAGES, CHANNELS, CHANNELS }, 8, r->a, r->channel[0], r->channel[1], 1e-5f,
                                 r->channel[4], r->channel[5], CHANNELS, r->b);
}

static void group_norm_backward(run *r)
{
    r->table->group_norm_backward(IMAGES, (mu_rows){ PIXELS / IMAGES, CHANNELS, CHANNELS }, 8, r->a, r->channel[0], r->channel[4],
                                  r->channel[5], CHANNELS, r->b, r->channel[2], r->channel[3], CHANNELS, r->c, false, false);
}

static void softmax_cross_entropy(run *r)
{
    const mu_loss loss = { .classes = CLASSES, .stride = CLASSES, .gradient_scale = 0.1f };
    r->table->softmax_cross_entropy(&loss, ELEMENTS / CLASSES, r->a, r->labels, r->c, r->d, r->bytes);
}

static void sgd(run *r)
{
    r->table->sgd(&(mu_sgd){ .learning_rate = 0.01f, .weight_decay = 1e-4f }, ELEMENTS, r->a, NULL, r->c);
}

static void sgd_momentum(run *r)
{
    r->table->sgd(&(mu_sgd){ .learning_rate = 0.01f, .momentum = 0.9f, .weight_decay = 1e-4f }, ELEMENTS, r->a, r->b, r->c);
}

static void adam(run *r)
{
    const mu_adam settings = { .learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .correction1 = 0.1, .correction2 = 0.001 };
    r->table->adam(&settings, ELEMENTS, r->a, r->b, r->d, r->c);
}

static void axpy(run *r)
{
    r->table->axpy(ELEMENTS, 0.1f, r->a, r->c);
}

static void mean_step(run *r)
{
    r->table->mean_step(ELEMENTS, 0.1f, r->a, r->c);
}

static void squared_norm(run *r)
{
    r->sink += r->table->squared_norm(ELEMENTS, r->a);
}

static const entry entries[] = {
    { "relu forward", 8, relu_forward },
    { "relu backward", 12, relu_backward },
    { "sigmoid forward", 8, sigmoid_forward },
    { "tanh forward", 8, tanh_forward },
    { "add", 12, add },
    { "sum rows", 4, sum_rows },
    { "max pool forward", 5, max_pool_forward },
    { "max pool backward", 5, max_pool_backward },
    { "average pool forward", 5, average_pool_forward },
    { "average pool backward", 5, average_pool_backward },
    { "batch norm forward", 8, batch_norm_forward },
    { "batch norm backward", 12, batch_norm_backward },
    { "group norm forward", 8, group_norm_forward },
    { "group norm backward", 12, group_norm_backward },
    { "softmax cross-entropy", 8, softmax_cross_entropy },
    { "sgd", 12, sgd },
    { "sgd momentum", 20, sgd_momentum },
    { "adam", 28, adam },
    { "axpy", 12, axpy },
    { "mean step", 12, mean_step },
    { "squared norm", 4, squared_norm },
};

static void call(void *self)
{
    run *r = self;
    r->entry->call(r);
}

/* ---- results ---- */

static const cli_column columns[] = {
    { "kernel", "kernel", false },
    { "kernels", "kernels", false },
    { "median_s", "time", true },
    { "best_s", "at best", true },
    { "ns_per_element", "ns an element", true },
    { "gbyte_per_s", "GB/s", true },
};

static void add_row(cli_table *table, const run *r, const cli_bench_work *work)
{
    char text[CLI_NUMBER_BYTES];
    double ns_per_element = work->median_s * 1e9 / ELEMENTS, gbyte_per_s = r->entry->bytes / ns_per_element;
    cli_table_text(table, r->entry->name);
    cli_table_text(table, r->table->name);
    cli_table_real(table, work->median_s, cli_format_seconds(work->median_s, text));
    cli_table_real(table, work->best_s, cli_format_seconds(work->best_s, text));
    snprintf(text, sizeof text, "%.3f", ns_per_element);
    cli_table_real(table, ns_per_element, text);
    snprintf(text, sizeof text, "%.1f", gbyte_per_s);
    cli_table_real(table, gbyte_per_s, text);
}

static mu_status measure_entry(const cli_kernel_question *q, run *r, const entry *e, cli_table *table, mu_error *err)
{
    run runs[CLI_BENCH_MOST_TABLES];
    cli_bench_work works[CLI_BENCH_MOST_TABLES];
    for (size_t k = 0; k < ELEMENTS; k++) /* optimisers must not run into denormals or NaN */
        r->b[k] = r->d[k] = 0.5f + (float)(k % 16);
    for (size_t i = 0; i < q->table_count; i++) {
        runs[i] = *r;
        runs[i].table = q->tables[i];
        runs[i].entry = e;
        works[i] = (cli_bench_work){ .call = call, .self = &runs[i] };
    }
    mu_status status = cli_bench_measure(works, q->table_count, &q->effort, err);
    for (size_t i = 0; i < q->table_count && !status; i++)
        add_row(table, &runs[i], &works[i]);
    return status;
}

static void release(run *r)
{
    for (size_t i = 0; i < MU_COUNT(r->channel); i++)
        mu_arena_block_free(r->channel[i]);
    mu_arena_block_free(r->work);
    mu_arena_block_free(r->d);
    mu_arena_block_free(r->c);
    mu_arena_block_free(r->b);
    mu_arena_block_free(r->a);
    free(r->labels);
    free(r->bytes);
}

static mu_status prepare(const cli_kernel_question *q, run *r, mu_error *err)
{
    size_t work_floats = 1;
    for (size_t i = 0; i < q->table_count; i++) {
        size_t floats = q->tables[i]->batch_norm_work_floats(CHANNELS);
        work_floats = floats > work_floats ? floats : work_floats;
    }
    *r = (run){ .a = cli_bench_floats(ELEMENTS), .b = cli_bench_floats(ELEMENTS), .c = cli_bench_floats(ELEMENTS),
                .d = cli_bench_floats(ELEMENTS), .work = cli_bench_floats(work_floats), .bytes = calloc(ELEMENTS, 1),
                .labels = calloc(ELEMENTS, sizeof(int32_t)) };
    bool fine = r->a && r->b && r->c && r->d && r->work && r->bytes && r->labels;
    for (size_t i = 0; i < MU_COUNT(r->channel); i++)
        fine = (r->channel[i] = cli_bench_floats(IMAGES * CHANNELS)) && fine;
    return fine ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for %d numbers", (int)ELEMENTS);
}

mu_status cli_bench_elementwise(const cli_kernel_question *question, cli_table **out, mu_error *err)
{
    run r;
    *out = cli_table_create(columns, MU_COUNT(columns));
    mu_status status = prepare(question, &r, err);
    for (size_t i = 0; i < MU_COUNT(entries) && !status; i++)
        if (strstr(entries[i].name, question->only))
            status = measure_entry(question, &r, &entries[i], *out, err);
    release(&r);
    return status;
}
