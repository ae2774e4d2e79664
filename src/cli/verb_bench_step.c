/* muster bench step: whole training steps of the networks of the field. */
#include "cli/bench_measure.h"
#include "cli/bench_net.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "tensor/kernels.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct step_options {
    const char      *cases;
    cli_bench_effort effort;
    int              format;
} step_options;

/* What is measured together, `works[i]` being a step of `nets[i]`. */
typedef struct bench {
    const cli_bench_case **cases;
    mu_model             **models;
    cli_bench_net         *nets;
    cli_bench_work        *works;
    size_t                 count;
} bench;

static void release(bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        cli_bench_net_release(&b->nets[i]);
        mu_model_destroy(b->models[i]);
    }
    free(b->cases);
    free(b->models);
    free(b->nets);
    free(b->works);
}

static mu_status add(bench *b, const cli_bench_case *c, mu_error *err)
{
    const mu_step_config config = cli_bench_step_config(c->batch);
    size_t at = b->count++; /* whatever of it is made is released */
    b->cases[at] = c;
    mu_status status = mu_model_create_builtin(c->model, NULL, c->input, c->classes, &b->models[at], err);
    if (!status)
        status = cli_bench_net_create(b->models[at], &config, &b->nets[at], err);
    if (!status)
        cli_bench_net_fill(&b->nets[at]);
    b->works[at] = (cli_bench_work){ .call = cli_bench_net_step, .self = &b->nets[at] };
    return status;
}

static mu_status prepare(bench *b, const char *asked, mu_error *err)
{
    size_t count;
    const cli_bench_case *cases = cli_bench_cases(&count);
    b->cases = calloc(count, sizeof *b->cases);
    b->models = calloc(count, sizeof *b->models);
    b->nets = calloc(count, sizeof *b->nets);
    b->works = calloc(count, sizeof *b->works);
    if (!b->cases || !b->models || !b->nets || !b->works)
        return mu_error_set(err, MU_E_MEMORY, "bench step: no memory for %zu networks", count);
    mu_status status = cli_bench_check_asked("bench step", "case", asked, cli_bench_case_names(), err);
    for (size_t i = 0; i < count && !status; i++)
        if (cli_bench_is_asked(asked, cases[i].name))
            status = add(b, &cases[i], err);
    return status;
}

/* ---- results ---- */

static const cli_column columns[] = {
    { "case", "case", false },
    { "model", NULL, false },
    { "batch_size", NULL, true },
    { "parameters", "parameters", true },
    { "macs", "MACs", true },
    { "median_s", "a step takes", true },
    { "best_s", "at best", true },
    { "gflop_per_s", "GFLOP/s", true },
    { "planned_memory_bytes", "peak memory", true },
    { "loss", NULL, true },
};

static cli_table *make_table(const bench *b)
{
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    char text[CLI_NUMBER_BYTES];
    for (size_t i = 0; i < b->count; i++) {
        const cli_bench_case *c = b->cases[i];
        const cli_bench_work *work = &b->works[i];
        uint64_t macs = cli_bench_macs(b->models[i], c->batch);
        double gflop_per_s = 2e-9 * (double)macs / work->median_s;
        cli_table_text(table, c->name);
        cli_table_text(table, c->model);
        cli_table_count(table, c->batch, "");
        cli_table_count(table, mu_model_param_count(b->models[i]), cli_format_count(mu_model_param_count(b->models[i]), text));
        cli_table_count(table, macs, cli_format_metric((double)macs, text));
        cli_table_real(table, work->median_s, cli_format_seconds(work->median_s, text));
        cli_table_real(table, work->best_s, cli_format_seconds(work->best_s, text));
        snprintf(text, sizeof text, "%.1f", gflop_per_s);
        cli_table_real(table, gflop_per_s, text);
        cli_table_count(table, b->nets[i].planned_bytes, cli_format_bytes(b->nets[i].planned_bytes, text));
        cli_table_real(table, cli_bench_net_loss(&b->nets[i]), "");
    }
    return table;
}

static void print(const bench *b, const cli_bench_effort *effort, int format)
{
    cli_table *table = make_table(b);
    if (format == CLI_FORMAT_JSON) {
        char seconds[CLI_NUMBER_BYTES];
        printf("{\"bench\":\"step\",\"kernels\":\"%s\",\"repeats\":%u,\"seconds\":%s,\"cases\":", mu_kernels()->name, effort->repeats,
               cli_format_exact(effort->seconds, seconds));
        cli_table_print(table, CLI_FORMAT_JSON, stdout);
        fputs("}\n", stdout);
    } else if (format == CLI_FORMAT_CSV) {
        cli_table_print(table, CLI_FORMAT_CSV, stdout);
    } else {
        printf("training steps on one thread with the %s kernels, medians of %u turns:\n\n", mu_kernels()->name, effort->repeats);
        cli_table_print(table, CLI_FORMAT_TEXT, stdout);
    }
    cli_table_destroy(table);
}

static mu_status verb_bench_step(const void *options, mu_error *err)
{
    const step_options *o = options;
    const cli_bench_effort effort = cli_bench_effort_or(&o->effort, 5, 0.5);
    bench b = { 0 };
    mu_status status = mu_kernels_check(err);
    if (!status)
        status = prepare(&b, o->cases, err);
    if (!status)
        status = cli_bench_measure(b.works, b.count, &effort, err);
    if (!status)
        print(&b, &effort, o->format);
    release(&b);
    return status;
}

static const cli_argument flags[] = {
    { .name = "cases", .letter = 'c', .kind = CLI_TEXT, .offset = offsetof(step_options, cases), .value = "A,B",
      .help = "only these, by the names in the first column; otherwise all" },
    CLI_BENCH_EFFORT_FLAGS(step_options, effort, "turns that each case has; otherwise 5", "how long a turn is; otherwise 0.5"),
    CLI_FORMAT_FLAG(step_options, format, cli_formats_text_json_csv),
};

static const cli_example examples[] = {
    { "muster bench step", "all of them" },
    { "muster bench step --cases fedavg-cnn-b32,mlp-b16 --format json", "two of them, as JSON" },
    { "MUSTER_KERNELS=avx2 muster bench step --cases resnet20-b32", "with other kernels (muster list kernels)" },
    { "taskset -c 1 muster bench step --repeats 11 --seconds 0.2", "on one core of one's choice, in more and shorter turns" },
};

const cli_verb cli_verb_bench_step = {
    .name = "bench step",
    .summary = "time whole training steps of the networks of the field",
    .about = "A step is forward, loss, backward and SGD in fp32 on one thread, on a batch that was drawn beforehand. The cases take turns, so "
             "that what disturbs the machine strikes all of them; a time is the median of the turns' medians. GFLOP/s are two for each "
             "multiply-accumulate that is counted: none for the padding, none for the gradient of the first layer's input.\n\n"
             "bench/peers/compare step measures other systems on the same networks.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_FLAGS(flags), .options_bytes = sizeof(step_options) },
    .run = verb_bench_step,
};
