/* muster bench kernels: each kernel by itself, against what this processor could do at best. */
#include "cli/bench_kernels.h"
#include "cli/text.h"
#include "cli/verb.h"

#include <stdio.h>
#include <string.h>

typedef struct kernels_options {
    bool             all;
    const char      *only;
    cli_bench_effort effort;
    int              format;
} kernels_options;

typedef struct results {
    cli_table *layers, *elementwise, *merging;
} results;

/* Every table there may be, the fastest first. */
static const char *const table_names[] = { "avx512", "avx2", "neon", "plain" };

static void choose_tables(bool all, cli_kernel_question *q)
{
    q->tables[q->table_count++] = mu_kernels();
    for (size_t i = 0; i < MU_COUNT(table_names) && all; i++) {
        const mu_kernel_table *table = mu_kernels_named(table_names[i]);
        if (table && table != mu_kernels())
            q->tables[q->table_count++] = table;
    }
}

static mu_status measure(cli_kernel_question *q, results *r, mu_error *err)
{
    mu_status status = cli_bench_machine_measure(q->tables[0]->name, &q->effort, &q->machine, err);
    if (!status)
        status = cli_bench_layers(q, &r->layers, err);
    if (!status)
        status = cli_bench_elementwise(q, &r->elementwise, err);
    if (!status)
        status = cli_bench_merging(q, &r->merging, err);
    return status;
}

static void print_text(const cli_kernel_question *q, const results *r)
{
    const cli_table *const tables[] = { r->layers, r->elementwise, r->merging };
    char flop[CLI_NUMBER_BYTES], read[CLI_NUMBER_BYTES], copy[CLI_NUMBER_BYTES], triad[CLI_NUMBER_BYTES];
    if (q->machine.flop_per_s > 0)
        printf("multiply-adds of %s vectors in registers: %sFLOP/s\n", q->tables[0]->name, cli_format_metric(q->machine.flop_per_s, flop));
    printf("memory: %sB/s read; %sB/s copied, read and written; %sB/s for a = b + s * c\n", cli_format_metric(q->machine.read_byte_per_s, read),
           cli_format_metric(q->machine.copy_byte_per_s, copy), cli_format_metric(q->machine.triad_byte_per_s, triad));
    for (size_t i = 0; i < MU_COUNT(tables); i++)
        if (cli_table_rows(tables[i])) {
            putchar('\n');
            cli_table_print(tables[i], CLI_FORMAT_TEXT, stdout);
        }
}

static void print_json(const cli_kernel_question *q, const results *r)
{
    const struct {
        const char *name;
        double      value;
    } figures[] = { { "peak_gflop_per_s", q->machine.flop_per_s * 1e-9 }, { "read_gbyte_per_s", q->machine.read_byte_per_s * 1e-9 },
                    { "copy_gbyte_per_s", q->machine.copy_byte_per_s * 1e-9 }, { "triad_gbyte_per_s", q->machine.triad_byte_per_s * 1e-9 } };
    const struct {
        const char      *name;
        const cli_table *table;
    } tables[] = { { "layers", r->layers }, { "elementwise", r->elementwise }, { "merging", r->merging } };
    char text[CLI_NUMBER_BYTES];
    printf("{\"bench\":\"kernels\",\"kernels\":\"%s\",\"repeats\":%u", q->tables[0]->name, q->effort.repeats);
    for (size_t i = 0; i < MU_COUNT(figures); i++)
        printf(",\"%s\":%s", figures[i].name, cli_format_exact(figures[i].value, text));
    for (size_t i = 0; i < MU_COUNT(tables); i++) {
        printf(",\"%s\":", tables[i].name);
        cli_table_print(tables[i].table, CLI_FORMAT_JSON, stdout);
    }
    fputs("}\n", stdout);
}

static mu_status verb_bench_kernels(const void *options, mu_error *err)
{
    const kernels_options *o = options;
    cli_kernel_question q = { .only = o->only ? o->only : "", .effort = cli_bench_effort_or(&o->effort, 5, 0.02) };
    results r = { 0 };
    mu_status status = mu_kernels_check(err);
    if (!status) {
        choose_tables(o->all, &q);
        status = measure(&q, &r, err);
    }
    if (!status && cli_table_rows(r.layers) + cli_table_rows(r.elementwise) + cli_table_rows(r.merging) == 0)
        status = mu_error_set(err, MU_E_CONFIG, "bench kernels: nothing that is measured has '%s' in its name", o->only);
    if (!status && o->format == CLI_FORMAT_JSON)
        print_json(&q, &r);
    else if (!status)
        print_text(&q, &r);
    cli_table_destroy(r.layers);
    cli_table_destroy(r.elementwise);
    cli_table_destroy(r.merging);
    return status;
}

static const cli_argument flags[] = {
    { .name = "all", .letter = 'a', .kind = CLI_SWITCH, .offset = offsetof(kernels_options, all),
      .help = "all the kernels that this processor runs, beside those in use" },
    { .name = "only", .letter = 'o', .kind = CLI_TEXT, .offset = offsetof(kernels_options, only), .value = "TEXT",
      .help = "only what has this in its name, as in --only 'conv 3x3'" },
    CLI_BENCH_EFFORT_FLAGS(kernels_options, effort, "turns that each has; otherwise 5", "how long a turn is; otherwise 0.02"),
    CLI_FORMAT_FLAG(kernels_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster bench kernels", "the kernels in use, which are the fastest that the processor runs" },
    { "muster bench kernels --only depthwise --all", "some of them, beside their slower variants and the plain reference" },
    { "MUSTER_KERNELS=avx2 muster bench kernels --format json", "other kernels, as JSON" },
};

const cli_verb cli_verb_bench_kernels = {
    .name = "bench kernels",
    .summary = "time each kernel, against the processor's own limits",
    .about = "Convolutions, dense layers and LSTMs, each direction by itself: GFLOP/s, with the taps in the padding counted, and their share "
             "of what multiply-adds in registers reach on this processor. Then what memory bounds, by the bytes that go in and out. Then the "
             "merging of updates: by the bytes of the updates alone, against reading from memory; and with the mean read and written in every "
             "fold, as STREAM counts, against STREAM's triad. The mean of a small model stays in the cache, so that this may be above "
             "100 %.\n\nOne thread; medians of the turns' medians.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_FLAGS(flags), .options_bytes = sizeof(kernels_options) },
    .run = verb_bench_kernels,
};
