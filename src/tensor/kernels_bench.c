/* How fast the kernels are on this processor: GFLOP/s of each layer of some networks, per direction and per table, and nanoseconds per
 * element of everything else; the best and the median of several runs. FLOPs are nominal: taps in the padding count too.
 *
 *     kernels_bench [seconds per measurement] [only lines whose name contains this] */
#include "tensor/kernels.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct layer {
    const char *name;
    uint32_t    size, in_channels, out_channels, kernel, pad, stride; /* size 0: dense */
    uint32_t    groups;                                               /* 0: 1 */
} layer;

static const layer layers[] = {
    { "conv 5x5 28x28 1-32", 28, 1, 32, 5, 2, 1 },     { "conv 5x5 14x14 32-64", 14, 32, 64, 5, 2, 1 },
    { "dense 3136-512", 0, 3136, 512, 0, 0, 0 },       { "dense 512-10", 0, 512, 10, 0, 0, 0 },
    { "conv 3x3 32x32 3-32", 32, 3, 32, 3, 1, 1 },     { "conv 3x3 32x32 32-64", 32, 32, 64, 3, 1, 1 },
    { "conv 3x3 32x32 16-16", 32, 16, 16, 3, 1, 1 },   { "conv 3x3 16x16 16-32 s2", 32, 16, 32, 3, 1, 2 },
    { "conv 3x3 8x8 64-64", 8, 64, 64, 3, 1, 1 },      { "conv 3x3 4x4 512-512", 4, 512, 512, 3, 1, 1 },
    { "conv 5x5 14x14 17-33", 14, 17, 33, 5, 2, 1 },   { "conv 1x1 16x16 32-192", 16, 32, 192, 1, 0, 1 },
    { "conv 1x1 8x8 384-64", 8, 384, 64, 1, 0, 1 },    { "depthwise 3x3 32x32 96", 32, 96, 96, 3, 1, 1, 96 },
    { "depthwise 3x3 8x8 384", 8, 384, 384, 3, 1, 1, 384 },
};

enum { FORWARD, GRAD_INPUT, GRAD_WEIGHT, DIRECTIONS };
static const char *const direction_names[DIRECTIONS] = { "forward", "grad input", "grad weight" };

typedef struct buffers {
    float *x, *w, *y, *dx, *dw, *dy, *bias, *work;
} buffers;

static float *filled(size_t count)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, count * sizeof(float) + 64))
        abort();
    float   *x = memory;
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    return x;
}

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

static void run(const mu_kernel_table *table, const layer *l, uint32_t batch, int direction, const buffers *b)
{
    if (l->size == 0) {
        mu_gemm g = gemm_of(l, batch, direction);
        if (direction == FORWARD)
            table->gemm(&g, b->x, b->w, b->bias, true, b->y, false, b->work);
        else if (direction == GRAD_INPUT)
            table->gemm(&g, b->dy, b->w, NULL, false, b->dx, false, b->work);
        else
            table->gemm(&g, b->x, b->dy, NULL, false, b->dw, false, b->work);
        return;
    }
    mu_conv c = conv_of(l, batch);
    if (direction == FORWARD)
        table->conv_forward(&c, b->x, b->w, b->bias, true, b->y, b->work);
    else if (direction == GRAD_INPUT)
        table->conv_grad_input(&c, b->dy, b->w, b->dx, false, b->work);
    else
        table->conv_grad_weight(&c, b->x, b->dy, b->dw, b->work);
}

static size_t work_floats(const mu_kernel_table *table, const layer *l, uint32_t batch)
{
    if (l->size > 0) {
        mu_conv c = conv_of(l, batch);
        return table->conv_work_floats(&c);
    }
    size_t most = 0;
    for (int direction = 0; direction < DIRECTIONS; direction++) {
        mu_gemm g = gemm_of(l, batch, direction);
        size_t  floats = table->gemm_work_floats(&g);
        most = floats > most ? floats : most;
    }
    return most;
}

static const char *const table_names[] = { "avx512", "avx2", "neon", "plain" };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Best and median seconds of one call; `call` gets `context`. */
typedef struct timing {
    double best_s, median_s;
} timing;

static timing time_calls(void (*call)(const void *context), const void *context, double seconds)
{
    enum { MOST = 10000 };
    static double times[MOST];
    size_t        count = 0;
    call(context);
    for (double start = mu_clock_monotonic_s(); count < 3 || (count < MOST && mu_clock_monotonic_s() - start < seconds); count++) {
        double before = mu_clock_monotonic_s();
        call(context);
        times[count] = mu_clock_monotonic_s() - before;
    }
    qsort(times, count, sizeof times[0], by_value);
    return (timing){ times[0], times[count / 2] };
}

typedef struct layer_run {
    const mu_kernel_table *table;
    const layer           *layer;
    uint32_t               batch;
    int                    direction;
    const buffers         *buffers;
} layer_run;

static void call_layer(const void *context)
{
    const layer_run *r = context;
    run(r->table, r->layer, r->batch, r->direction, r->buffers);
}

static void measure(const layer_run *r, double flops, double seconds)
{
    timing t = time_calls(call_layer, r, seconds);
    printf("%-24s %3u  %-12s %-8s %9.1f %9.1f %11.4f\n", r->layer->name, r->batch, direction_names[r->direction], r->table->name,
           flops / t.best_s * 1e-9, flops / t.median_s * 1e-9, t.best_s * 1e3);
    fflush(stdout);
}

static void measure_layer(const layer *l, uint32_t batch, double seconds)
{
    mu_conv c = l->size ? conv_of(l, batch) : (mu_conv){ .in_height = 1, .in_width = 1, .out_height = 1, .out_width = 1 };
    size_t  in = (size_t)batch * c.in_height * c.in_width * l->in_channels;
    size_t  out = (size_t)batch * c.out_height * c.out_width * l->out_channels;
    size_t  weights = (size_t)l->in_channels * l->out_channels * (l->size ? l->kernel * l->kernel : 1) / (l->groups ? l->groups : 1);
    double  flops = 2.0 * (double)weights * batch * c.out_height * c.out_width;
    buffers b = { filled(in), filled(weights), filled(out), filled(in), filled(weights), filled(out), filled(l->out_channels), NULL };
    for (int direction = 0; direction < DIRECTIONS; direction++) {
        for (size_t t = 0; t < MU_COUNT(table_names); t++) {
            const mu_kernel_table *table = mu_kernels_named(table_names[t]);
            if (!table || (strcmp(table_names[t], "plain") == 0 && flops > 5e8))
                continue; /* the reference would take seconds */
            b.work = filled(work_floats(table, l, batch));
            measure(&(layer_run){ table, l, batch, direction, &b }, flops, seconds);
            free(b.work);
        }
    }
    float *all[] = { b.x, b.w, b.y, b.dx, b.dw, b.dy, b.bias };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]);
}

/* ---- everything else, on PIXELS pixels of CHANNELS channels ---- */
enum { IMAGES = 32, SIDE = 28, CHANNELS = 32, PIXELS = IMAGES * SIDE * SIDE, ELEMENTS = PIXELS * CHANNELS, CLASSES = 1000 };

typedef struct element_run {
    const mu_kernel_table *table;
    float                 *a, *b, *c, *d, *channel[8];
    uint8_t               *bytes;
    int32_t               *labels;
    int                    entry;
} element_run;

static const mu_rows   pixels = { PIXELS, CHANNELS, CHANNELS };
static const mu_pool2d pool = { .batch = IMAGES, .in_height = SIDE, .in_width = SIDE, .channels = CHANNELS, .out_height = SIDE / 2,
                                .out_width = SIDE / 2, .kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2,
                                .in_stride = CHANNELS, .out_stride = CHANNELS };
static const mu_sgd    sgd = { .learning_rate = 0.01f, .momentum = 0.9f, .weight_decay = 1e-4f };
static const mu_adam   adam = { .learning_rate = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .correction1 = 0.1,
                                .correction2 = 0.001 };
static double          sink; /* keeps results alive */

static const char *const entry_names[] = {
    "relu forward", "relu backward", "sigmoid forward", "tanh forward", "add", "sum rows", "max pool forward", "max pool backward",
    "average pool forward", "average pool backward", "batch norm forward", "batch norm backward", "group norm forward",
    "group norm backward", "softmax cross-entropy", "sgd", "sgd momentum", "adam", "axpy", "mean step", "squared norm", "all finite",
};

static void call_entry(const void *context)
{
    const element_run     *r = context;
    const mu_kernel_table *t = r->table;
    float *const          *ch = r->channel;
    const mu_batch_norm    norm = { .scale = ch[0], .shift = ch[1], .epsilon = 1e-5f, .momentum = 0.1f, .activation = MU_ACTIVATION_RELU,
                                    .running_mean = ch[2], .running_var = ch[3], .saved_mean = ch[4], .saved_inv_std = ch[5] };
    switch (r->entry) {
    case 0: t->activation_forward(MU_ACTIVATION_RELU, pixels, r->a, CHANNELS, r->b); break;
    case 1: t->activation_backward(MU_ACTIVATION_RELU, pixels, r->a, CHANNELS, r->b, CHANNELS, r->c, false); break;
    case 2: t->activation_forward(MU_ACTIVATION_SIGMOID, pixels, r->a, CHANNELS, r->b); break;
    case 3: t->activation_forward(MU_ACTIVATION_TANH, pixels, r->a, CHANNELS, r->b); break;
    case 4: t->add(pixels, r->a, CHANNELS, r->b, CHANNELS, r->c); break;
    case 5: t->sum_rows(pixels, r->a, ch[0], false); break;
    case 6: t->max_pool_forward(&pool, r->a, true, r->b, r->bytes); break;
    case 7: t->max_pool_backward(&pool, r->b, r->bytes, r->c, false); break;
    case 8: t->average_pool_forward(&pool, r->a, r->b); break;
    case 9: t->average_pool_backward(&pool, r->b, r->c, false); break;
    case 10:
        t->batch_norm_forward(&norm, pixels, r->a, CHANNELS, r->b, ch[6]);
        break;
    case 11:
        t->batch_norm_backward(&norm, pixels, r->a, CHANNELS, r->b, ch[7], ch[7], CHANNELS, r->c, false, ch[6]);
        break;
    case 12:
        t->group_norm_forward(IMAGES, (mu_rows){ PIXELS / IMAGES, CHANNELS, CHANNELS }, 8, r->a, ch[0], ch[1], 1e-5f, ch[4], ch[5],
                              CHANNELS, r->b);
        break;
    case 13:
        t->group_norm_backward(IMAGES, (mu_rows){ PIXELS / IMAGES, CHANNELS, CHANNELS }, 8, r->a, ch[0], ch[4], ch[5], CHANNELS,
                               r->b, ch[2], ch[3], CHANNELS, r->c, false, false);
        break;
    case 14:
        t->softmax_cross_entropy(ELEMENTS / CLASSES, CLASSES, CLASSES, r->a, r->labels, 0.1f, r->c, r->d, r->bytes);
        break;
    case 15: t->sgd(&sgd, ELEMENTS, r->a, NULL, r->c); break;
    case 16: t->sgd(&sgd, ELEMENTS, r->a, r->b, r->c); break;
    case 17: t->adam(&adam, ELEMENTS, r->a, r->b, r->d, r->c); break;
    case 18: t->axpy(ELEMENTS, 0.1f, r->a, r->c); break;
    case 19: t->mean_step(ELEMENTS, 0.1f, r->a, r->c); break;
    case 20: sink += t->squared_norm(ELEMENTS, r->a); break;
    default: sink += t->all_finite(ELEMENTS, r->a); break;
    }
}

static void measure_entries(double seconds, const char *only)
{
    element_run r = { .a = filled(ELEMENTS), .b = filled(ELEMENTS), .c = filled(ELEMENTS), .d = filled(ELEMENTS),
                      .bytes = calloc(ELEMENTS, 1), .labels = calloc(ELEMENTS, sizeof(int32_t)) };
    for (size_t i = 0; i < MU_COUNT(r.channel); i++)
        r.channel[i] = filled(IMAGES * CHANNELS);
    for (size_t i = 0; r.bytes && r.labels && i < MU_COUNT(entry_names); i++) {
        for (size_t t = 0; t < MU_COUNT(table_names); t++) {
            r.entry = (int)i;
            r.table = mu_kernels_named(table_names[t]);
            if (!r.table || !strstr(entry_names[i], only))
                continue;
            for (size_t k = 0; k < ELEMENTS; k++) /* optimisers must not run into denormals or NaN */
                r.b[k] = r.d[k] = 0.5f + (float)(k % 16);
            timing timed = time_calls(call_entry, &r, seconds);
            printf("%-24s %-8s %9.4f %9.4f\n", entry_names[i], r.table->name, timed.best_s * 1e9 / ELEMENTS,
                   timed.median_s * 1e9 / ELEMENTS);
            fflush(stdout);
        }
    }
    for (size_t i = 0; i < MU_COUNT(r.channel); i++)
        free(r.channel[i]);
    free(r.labels);
    free(r.bytes);
    free(r.d);
    free(r.c);
    free(r.b);
    free(r.a);
}

int main(int argc, char **argv)
{
    double      seconds = argc > 1 ? atof(argv[1]) : 0.2;
    const char *only = argc > 2 ? argv[2] : "";
    printf("%-24s %3s  %-12s %-8s %9s %9s %11s\n", "layer", "b", "direction", "table", "best GF/s", "median", "best ms");
    for (size_t i = 0; i < MU_COUNT(layers); i++)
        for (uint32_t batch = 10; strstr(layers[i].name, only) && batch <= 32; batch += 22)
            measure_layer(&layers[i], batch, seconds);
    printf("\n%-24s %-8s %9s %9s\n", "others, ns per element", "table", "best", "median");
    measure_entries(seconds, only);
    return 0;
}
