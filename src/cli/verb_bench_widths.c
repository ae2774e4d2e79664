/* muster bench widths: one network at seventeen widths, as a federation of submodels meets it. */
#include "cli/bench_measure.h"
#include "cli/bench_net.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/clock.h"
#include "muster/build.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdio.h>

enum { WIDTHS = 17, BATCH = 32 };

typedef struct widths_options {
    cli_bench_effort effort;
    int              format;
} widths_options;

typedef struct width {
    mu_model     *model;
    cli_bench_net net;
    double        prepare_s;    /* from a number of channels to a step that can run, once for a new width */
    double        first_step_s; /* the first time: its memory is new to the processor */
} width;

typedef struct bench {
    width          widths[WIDTHS];
    cli_bench_work works[WIDTHS];
} bench;

static void release(bench *b)
{
    for (size_t i = 0; i < WIDTHS; i++) {
        cli_bench_net_release(&b->widths[i].net);
        mu_model_destroy(b->widths[i].model);
    }
}

/* `whole` * part / WIDTHS, rounded up. */
static uint32_t part_of(uint32_t whole, uint32_t part)
{
    return (whole * part + WIDTHS - 1) / WIDTHS;
}

static void add_conv(mu_builder *builder, const char *name, uint32_t channels)
{
    const mu_conv_config config = { .channels = channels, .kernel = 5, .stride = 1, .padding = "2", .groups = 1, .bias = true };
    mu_builder_add_next(builder, &mu_layer_conv, name, &config);
    mu_builder_add_next(builder, &mu_layer_relu, NULL, NULL);
    mu_builder_add_next(builder, &mu_layer_max_pool, NULL, &(mu_pool_config){ .size = 2 });
}

/* The built-in fedavg-cnn, with `part` seventeenths of its channels and units. */
static mu_status create_model(uint32_t part, mu_model **out, mu_error *err)
{
    mu_builder builder = mu_builder_begin("fedavg-cnn", (mu_shape){ 28, 28, 1 }, 10, err);
    add_conv(&builder, "conv1", part_of(32, part));
    add_conv(&builder, "conv2", part_of(64, part));
    mu_builder_add_next(&builder, &mu_layer_flatten, NULL, NULL);
    mu_builder_add_next(&builder, &mu_layer_dense, "fc1", &(mu_dense_config){ .units = part_of(512, part), .bias = true });
    mu_builder_add_next(&builder, &mu_layer_relu, NULL, NULL);
    mu_builder_add_next(&builder, &mu_layer_dense, "fc2", &(mu_dense_config){ .bias = true });
    return mu_builder_finish(&builder, out);
}

static mu_status add(bench *b, uint32_t index, mu_error *err)
{
    const mu_step_config config = cli_bench_step_config(BATCH);
    width *w = &b->widths[index];
    double began_s = mu_clock_monotonic_s();
    mu_status status = create_model(index + 1, &w->model, err);
    if (!status)
        status = cli_bench_net_create(w->model, &config, &w->net, err);
    if (status)
        return status;
    w->prepare_s = mu_clock_monotonic_s() - began_s;
    cli_bench_net_fill(&w->net);
    w->first_step_s = cli_bench_seconds_of(cli_bench_net_step, &w->net);
    b->works[index] = (cli_bench_work){ .call = cli_bench_net_step, .self = &w->net };
    return MU_OK;
}

/* ---- results ---- */

static const cli_column columns[] = {
    { "case", "width", false },
    { "channels", "channels", false },
    { "parameters", "parameters", true },
    { "macs", "MACs", true },
    { "prepare_s", "prepared in", true },
    { "first_step_s", "first step", true },
    { "median_s", "a step takes", true },
    { "best_s", "at best", true },
    { "gflop_per_s", "GFLOP/s", true },
    { "planned_memory_bytes", "peak memory", true },
    { "by_next", "by the next", true },
};

/* Above 1: slower than the next larger width. The last has none. */
static double by_next(const bench *b, size_t i)
{
    return i + 1 < WIDTHS ? b->works[i].median_s / b->works[i + 1].median_s : NAN;
}

static void add_row(cli_table *table, const bench *b, uint32_t i)
{
    const width *w = &b->widths[i];
    const cli_bench_work *work = &b->works[i];
    const uint32_t part = i + 1;
    char text[CLI_NUMBER_BYTES];
    uint64_t macs = cli_bench_macs(w->model, BATCH);
    double gflop_per_s = 2e-9 * (double)macs / work->median_s;
    snprintf(text, sizeof text, "%u/%u", part, WIDTHS);
    cli_table_text(table, text);
    snprintf(text, sizeof text, "%u-%u-%u", part_of(32, part), part_of(64, part), part_of(512, part));
    cli_table_text(table, text);
    cli_table_count(table, mu_model_param_count(w->model), cli_format_count(mu_model_param_count(w->model), text));
    cli_table_count(table, macs, cli_format_metric((double)macs, text));
    cli_table_real(table, w->prepare_s, cli_format_seconds(w->prepare_s, text));
    cli_table_real(table, w->first_step_s, cli_format_seconds(w->first_step_s, text));
    cli_table_real(table, work->median_s, cli_format_seconds(work->median_s, text));
    cli_table_real(table, work->best_s, cli_format_seconds(work->best_s, text));
    snprintf(text, sizeof text, "%.1f", gflop_per_s);
    cli_table_real(table, gflop_per_s, text);
    cli_table_count(table, w->net.planned_bytes, cli_format_bytes(w->net.planned_bytes, text));
    snprintf(text, sizeof text, "%.3f", by_next(b, i));
    cli_table_real(table, by_next(b, i), part < WIDTHS ? text : "");
}

static void print(const bench *b, const cli_bench_effort *effort, int format)
{
    char sum[CLI_NUMBER_BYTES], worst[CLI_NUMBER_BYTES];
    double sum_s = 0, worst_by_next = 0;
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    for (uint32_t i = 0; i < WIDTHS; i++) {
        add_row(table, b, i);
        sum_s += b->works[i].median_s;
        worst_by_next = fmax(worst_by_next, by_next(b, i));
    }
    if (format == CLI_FORMAT_JSON) {
        printf("{\"bench\":\"widths\",\"kernels\":\"%s\",\"repeats\":%u,\"batch_size\":%u,\"sum_s\":%s,\"worst_by_next\":%s,\"cases\":",
               mu_kernels()->name, effort->repeats, (unsigned)BATCH, cli_format_exact(sum_s, sum), cli_format_exact(worst_by_next, worst));
        cli_table_print(table, CLI_FORMAT_JSON, stdout);
        fputs("}\n", stdout);
    } else if (format == CLI_FORMAT_CSV) {
        cli_table_print(table, CLI_FORMAT_CSV, stdout);
    } else {
        printf("fedavg-cnn with all of its layers scaled, batch %u, on one thread with the %s kernels, medians of %u turns:\n\n",
               (unsigned)BATCH, mu_kernels()->name, effort->repeats);
        cli_table_print(table, CLI_FORMAT_TEXT, stdout);
        printf("\nall %u widths together: %s; the slowest by its next larger one: %.3f\n", (unsigned)WIDTHS, cli_format_seconds(sum_s, sum),
               worst_by_next);
    }
    cli_table_destroy(table);
}

static mu_status verb_bench_widths(const void *options, mu_error *err)
{
    const widths_options *o = options;
    const cli_bench_effort effort = cli_bench_effort_or(&o->effort, 9, 0.05);
    bench b = { 0 };
    mu_status status = mu_kernels_check(err);
    for (uint32_t i = 0; i < WIDTHS && !status; i++)
        status = add(&b, i, err);
    if (!status)
        status = cli_bench_measure(b.works, WIDTHS, &effort, err);
    if (!status)
        print(&b, &effort, o->format);
    release(&b);
    return status;
}

static const cli_argument flags[] = {
    CLI_BENCH_EFFORT_FLAGS(widths_options, effort, "turns that each width has; otherwise 9", "how long a turn is; otherwise 0.05"),
    CLI_FORMAT_FLAG(widths_options, format, cli_formats_text_json_csv),
};

static const cli_example examples[] = {
    { "muster bench widths", "the table, and whether any width is slower than the next larger one" },
    { "muster bench widths --format csv > widths.csv", "for a spreadsheet" },
};

const cli_verb cli_verb_bench_widths = {
    .name = "bench widths",
    .summary = "time a network at seventeen widths",
    .about = "The built-in fedavg-cnn with i/17 of the channels and units of every layer, i = 1 to 17, rounded up: most widths fit no vector. "
             "A federation of submodels meets new widths all the time, so the table also says what one costs when it is met for the first "
             "time: the model and the plan of its step (prepared in), and the first step in memory that is new. The last column is "
             "its time by that of the next larger width: above 1, the narrower network is the slower one.\n\n"
             "bench/peers/compare widths measures other systems on the same widths.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_FLAGS(flags), .options_bytes = sizeof(widths_options) },
    .run = verb_bench_widths,
};
