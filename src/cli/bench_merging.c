/* Merging: updates that lie in memory are folded into the running mean, one after the other, as the federation does it. */
#include "cli/bench_kernels.h"
#include "cli/text.h"

#include "muster/arena.h"

#include <stdio.h>
#include <string.h>

typedef struct merging {
    const char *name;
    size_t      parameters;
    uint32_t    updates;
} merging;

static const merging mergings[] = {
    { "fold 100 of fedavg-cnn", 1663370, 100 },
    { "fold 16 of resnet18", 11173962, 16 },
};

typedef struct run {
    const mu_kernel_table *table;
    const merging         *merging;
    float                 *updates, *mean;
} run;

static void call(void *self)
{
    run *r = self;
    const size_t count = r->merging->parameters;
    for (uint32_t i = 0; i < r->merging->updates; i++)
        r->table->mean_step(count, 1.0f / (float)(i + 1), r->updates + i * count, r->mean);
}

static const cli_column columns[] = {
    { "merge", "merging", false },
    { "kernels", "kernels", false },
    { "median_s", "time", true },
    { "best_s", "at best", true },
    { "update_gbyte_per_s", "updates GB/s", true },
    { "share_of_read", "of reading", true },
    { "stream_gbyte_per_s", "as STREAM counts GB/s", true },
    { "share_of_triad", "of the triad", true },
};

static void add_rate(cli_table *table, double byte_per_s, double limit_byte_per_s)
{
    char text[CLI_NUMBER_BYTES];
    snprintf(text, sizeof text, "%.1f", byte_per_s * 1e-9);
    cli_table_real(table, byte_per_s * 1e-9, text);
    snprintf(text, sizeof text, "%.0f %%", 100.0 * byte_per_s / limit_byte_per_s);
    cli_table_real(table, byte_per_s / limit_byte_per_s, text);
}

/* Bytes of the updates alone, read once, which nobody can do without; and those that STREAM would count: an update read, the mean read and
 * written, in every fold, wherever they lie. */
static void add_row(cli_table *table, const cli_kernel_question *q, const run *r, const cli_bench_work *work)
{
    char text[CLI_NUMBER_BYTES];
    double update_bytes = (double)r->merging->updates * (double)r->merging->parameters * sizeof(float);
    cli_table_text(table, r->merging->name);
    cli_table_text(table, r->table->name);
    cli_table_real(table, work->median_s, cli_format_seconds(work->median_s, text));
    cli_table_real(table, work->best_s, cli_format_seconds(work->best_s, text));
    add_rate(table, update_bytes / work->median_s, q->machine.read_byte_per_s);
    add_rate(table, 3.0 * update_bytes / work->median_s, q->machine.triad_byte_per_s);
}

static mu_status measure(const cli_kernel_question *q, const merging *m, cli_table *table, mu_error *err)
{
    run runs[CLI_BENCH_MOST_TABLES];
    cli_bench_work works[CLI_BENCH_MOST_TABLES];
    float *updates = cli_bench_floats(m->parameters * m->updates), *mean = cli_bench_floats(m->parameters);
    for (size_t i = 0; i < q->table_count; i++) {
        runs[i] = (run){ q->tables[i], m, updates, mean };
        works[i] = (cli_bench_work){ .call = call, .self = &runs[i] };
    }
    mu_status status = updates && mean ? cli_bench_measure(works, q->table_count, &q->effort, err)
                                       : mu_error_set(err, MU_E_MEMORY, "no memory for %u updates", m->updates);
    for (size_t i = 0; i < q->table_count && !status; i++)
        add_row(table, q, &runs[i], &works[i]);
    mu_arena_block_free(updates);
    mu_arena_block_free(mean);
    return status;
}

mu_status cli_bench_merging(const cli_kernel_question *question, cli_table **out, mu_error *err)
{
    *out = cli_table_create(columns, MU_COUNT(columns));
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNT(mergings) && !status; i++)
        if (strstr(mergings[i].name, question->only))
            status = measure(question, &mergings[i], *out, err);
    return status;
}
