/* muster bench budgets: what each width method really spends of a budget, in time, memory and bytes. */
#include "cli/bench_budgets.h"
#include "cli/bench_measure.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "muster/arena.h"
#include "tensor/kernels.h"

#include <stdio.h>
#include <string.h>

enum { RULES_MAX = 16 };

typedef struct budgets_options {
    const char      *models;
    cli_bench_effort effort;
    int              format;
} budgets_options;

static const cli_bench_case networks[] = {
    { "lenet5", "lenet5", { 28, 28, 1 }, 10, CLI_BUDGET_BATCH },
    { "cifar-cnn", "cifar-cnn", { 32, 32, 3 }, 10, CLI_BUDGET_BATCH },
    { "resnet20", "resnet20", { 32, 32, 3 }, 10, CLI_BUDGET_BATCH },
    { "char-lstm-every", "char-lstm-every", { 1, 1, 80 }, 80, CLI_BUDGET_BATCH },
};

static const char *const network_names[] = { "lenet5", "cifar-cnn", "resnet20", "char-lstm-every", NULL };
_Static_assert(MU_COUNT(network_names) == MU_COUNT(networks) + 1, "every network can be asked for");

static const struct {
    const char *text;
    double      share;
} budgets[] = { { "1", 1 }, { "3/4", 0.75 }, { "1/2", 0.5 }, { "1/4", 0.25 }, { "1/8", 0.125 } };

/* ---- examples ---- */

typedef struct drawn {
    const cli_bench_case *network;
    mu_model             *model;
    float                *values; /* [CLI_BUDGET_EXAMPLES][height][width][channels] */
} drawn;

static size_t example_floats(const drawn *d)
{
    return (size_t)d->network->input.height * d->network->input.width * d->network->input.channels;
}

static void read_drawn(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const drawn   *d = self;
    const size_t   floats = example_floats(d);
    const uint32_t targets = mu_model_targets(d->model);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(x + i * floats, d->values + indices[i] * floats, floats * sizeof *x);
        for (uint32_t k = 0; k < targets; k++)
            labels[i * targets + k] = (int32_t)((indices[i] + k) % d->network->classes);
    }
}

static mu_status draw(const cli_bench_case *network, drawn *d, mu_error *err)
{
    *d = (drawn){ .network = network };
    mu_status status = mu_model_create_builtin(network->model, NULL, network->input, network->classes, &d->model, err);
    if (status)
        return status;
    d->values = cli_bench_floats(CLI_BUDGET_EXAMPLES * example_floats(d));
    if (!d->values)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for examples", network->name);
    const uint32_t symbols = mu_model_symbols(d->model);
    for (size_t i = 0; symbols && i < CLI_BUDGET_EXAMPLES * example_floats(d); i++)
        d->values[i] = (float)(uint32_t)((d->values[i] + 0.5f) * (float)symbols);
    return MU_OK;
}

/* ---- one budget ---- */

static const cli_column columns[] = {
    { "model", "model", false },
    { "budget", "budget", true },
    { "rule", "rule", false },
    { "macs_per_example", NULL, true },
    { "macs_ratio", "MACs", true },
    { "median_s", "a mini-batch takes", true },
    { "time_ratio", "of the whole's", true },
    { "best_s", "at best", true },
    { "best_ratio", "of the whole's", true },
    { "planned_memory_bytes", "planned", true },
    { "held_memory_bytes", "held", true },
    { "memory_ratio", "of the whole's", true },
    { "bytes_down", "down", true },
    { "down_ratio", "of the whole's", true },
    { "bytes_up", "up", true },
    { "up_ratio", "of the whole's", true },
};

static void add_ratio(cli_table *table, double ratio)
{
    char text[CLI_NUMBER_BYTES];
    snprintf(text, sizeof text, "%.3f", ratio);
    cli_table_real(table, ratio, text);
}

static void add_bytes(cli_table *table, uint64_t size_bytes)
{
    char text[CLI_NUMBER_BYTES];
    cli_table_count(table, size_bytes, cli_format_bytes(size_bytes, text));
}

static void add_seconds(cli_table *table, double seconds)
{
    char text[CLI_NUMBER_BYTES];
    cli_table_real(table, seconds, cli_format_seconds(seconds, text));
}

/* Task and work 0 are the whole network's. */
static void add_row(const char *network, const char *budget, const cli_budget_task *tasks, const cli_bench_work *works, size_t at, cli_table *table)
{
    const cli_budget_task *t = &tasks[at];
    char text[CLI_NUMBER_BYTES];
    cli_table_text(table, network);
    cli_table_text(table, budget);
    cli_table_text(table, cli_budget_rule_name(t->rule));
    cli_table_real(table, t->macs, cli_format_metric(t->macs, text));
    add_ratio(table, t->macs / tasks[0].macs);
    add_seconds(table, works[at].median_s / CLI_BUDGET_STEPS);
    add_ratio(table, works[at].median_s / works[0].median_s);
    add_seconds(table, works[at].best_s / CLI_BUDGET_STEPS);
    add_ratio(table, works[at].best_s / works[0].best_s);
    add_bytes(table, t->planned_bytes);
    add_bytes(table, mu_trainer_peak_bytes(t->trainer));
    add_ratio(table, (double)mu_trainer_peak_bytes(t->trainer) / (double)mu_trainer_peak_bytes(tasks[0].trainer));
    add_bytes(table, t->bytes_down);
    add_ratio(table, (double)t->bytes_down / (double)tasks[0].bytes_down);
    add_bytes(table, t->bytes_up);
    add_ratio(table, (double)t->bytes_up / (double)tasks[0].bytes_up);
}

static mu_status measure_budget(const drawn *d, size_t budget, const cli_bench_effort *effort, cli_table *table, mu_error *err)
{
    const mu_examples examples = { d, CLI_BUDGET_EXAMPLES, read_drawn };
    cli_budget_task tasks[RULES_MAX];
    cli_bench_work  works[RULES_MAX];
    size_t    count = 0;
    mu_status status = MU_OK;
    memset(tasks, 0, sizeof tasks);
    for (; !status && cli_budget_rule_at(count); count++) {
        MU_ASSERT(count < RULES_MAX);
        status = cli_budget_task_create(cli_budget_rule_at(count), d->network, budgets[budget].share, examples, &tasks[count], err);
        works[count] = (cli_bench_work){ .call = cli_budget_task_run, .self = &tasks[count] };
    }
    if (!status)
        status = cli_bench_measure(works, count, effort, err);
    for (size_t i = 0; i < count && !status; i++)
        if (tasks[i].status)
            status = mu_error_set(err, tasks[i].status, "%s: training by %s failed", d->network->name, cli_budget_rule_name(tasks[i].rule));
        else if (i > 0 || budget == 0)
            add_row(d->network->name, budgets[budget].text, tasks, works, i, table);
    for (size_t i = 0; i < count; i++)
        cli_budget_task_release(&tasks[i]);
    return status;
}

static mu_status measure_network(const cli_bench_case *network, const cli_bench_effort *effort, cli_table *table, mu_error *err)
{
    drawn     d;
    mu_status status = draw(network, &d, err);
    for (size_t i = 0; i < MU_COUNT(budgets) && !status; i++)
        status = measure_budget(&d, i, effort, table, err);
    mu_arena_block_free(d.values);
    mu_model_destroy(d.model);
    return status;
}

static mu_status verb_bench_budgets(const void *options, mu_error *err)
{
    const budgets_options *o = options;
    const cli_bench_effort effort = cli_bench_effort_or(&o->effort, 3, 0.05);
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    mu_status  status = mu_kernels_check(err);
    if (!status)
        status = cli_bench_check_asked("bench budgets", "model", o->models, network_names, err);
    for (size_t i = 0; i < MU_COUNT(networks) && !status; i++)
        if (cli_bench_is_asked(o->models, networks[i].name))
            status = measure_network(&networks[i], &effort, table, err);
    if (!status && o->format == CLI_FORMAT_JSON) {
        printf("{\"bench\":\"budgets\",\"kernels\":\"%s\",\"repeats\":%u,\"batch\":%d,\"mini_batches\":%d,\"rows\":", mu_kernels()->name,
               effort.repeats, CLI_BUDGET_BATCH, CLI_BUDGET_STEPS);
        cli_table_print(table, CLI_FORMAT_JSON, stdout);
        fputs("}\n", stdout);
    } else if (!status) {
        printf("on one thread with the %s kernels, medians of %u turns; tasks of %d mini-batches of %d\n\n", mu_kernels()->name, effort.repeats,
               CLI_BUDGET_STEPS, CLI_BUDGET_BATCH);
        cli_table_print(table, CLI_FORMAT_TEXT, stdout);
    }
    cli_table_destroy(table);
    return status;
}

static const cli_argument flags[] = {
    { .name = "models", .letter = 'm', .kind = CLI_TEXT, .offset = offsetof(budgets_options, models), .value = "A,B",
      .help = "these of lenet5, cifar-cnn, resnet20 and char-lstm-every" },
    CLI_BENCH_EFFORT_FLAGS(budgets_options, effort, "turns that each task has; otherwise 3", "how long a turn is; otherwise 0.05"),
    CLI_FORMAT_FLAG(budgets_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster bench budgets", "all four networks" },
    { "muster bench budgets --models lenet5 --format json", "one of them, as JSON" },
};

const cli_verb cli_verb_bench_budgets = {
    .name = "bench budgets",
    .summary = "time what width methods make of a budget",
    .about = "A device that can spend a part of the whole network's multiply-accumulates trains the widest part that keeps within it, by the rule of each "
             "width method. Measured is the whole task, as a device carries it out: with the forming of parts, the planning of their steps and the copying "
             "of weights. Beside it stand what is counted, planned, sent down and sent up. Ratios are to the whole network's (fedavg), whose "
             "task takes turns with the others.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_FLAGS(flags), .options_bytes = sizeof(budgets_options) },
    .run = verb_bench_budgets,
};
