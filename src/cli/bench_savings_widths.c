/* Width submodels against the whole network: time over counted multiply-accumulates, memory touched over memory planned. */
#include "cli/bench_savings.h"
#include "cli/text.h"

#include "muster/arena.h"

#include <stdio.h>
#include <string.h>

enum { WIDTHS = 8 };

typedef struct part {
    mu_submodel  *submodel;
    cli_bench_net net;
    uint64_t      touched_bytes;
} part;

/* Memory of this process that lies in no file, in use: what a step's memory adds when it is touched. 0: this system does not say. */
static uint64_t anonymous_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long long kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Anonymous: %llu kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kib * 1024;
}

static mu_status create(cli_bench_whole *whole, uint32_t eighths, part *p, mu_error *err)
{
    const mu_step_config config = cli_bench_step_config(whole->named->batch);
    mu_status status = mu_submodel_create(whole->units, &p->submodel, err);
    for (size_t group = 0; group < mu_units_group_count(whole->units); group++)
        mu_units_keep_first(whole->units, group, mu_units_of_width(whole->units, group, (double)eighths / WIDTHS), whole->kept);
    if (!status)
        status = mu_submodel_form(p->submodel, whole->kept, err);
    uint64_t before = anonymous_bytes();
    if (!status)
        status = cli_bench_net_create(mu_submodel_model(p->submodel), &config, &p->net, err);
    if (status)
        return status;
    mu_submodel_gather(p->submodel, MU_EXTENT_STATE, whole->weights, mu_step_state(p->net.step));
    cli_bench_net_fill_batch(&p->net);
    cli_bench_net_step(&p->net);
    uint64_t after = anonymous_bytes();
    p->touched_bytes = after > before ? after - before : 0;
    return MU_OK;
}

const cli_column cli_savings_width_columns[CLI_SAVINGS_WIDTH_COLUMNS] = {
    { "case", "case", false },
    { "width", "width", false },
    { "macs", "MACs", true },
    { "median_s", "a step takes", true },
    { "best_s", "at best", true },
    { "time_ratio", "of the whole's", true },
    { "macs_ratio", "MACs", true },
    { "moved_ratio", "bytes", true },
    { "time_over_macs", "time by MACs", true },
    { "planned_memory_bytes", "planned", true },
    { "touched_memory_bytes", "touched", true },
    { "touched_over_planned", "by planned", true },
};

static void add_ratio(cli_table *table, double ratio)
{
    char text[CLI_NUMBER_BYTES];
    snprintf(text, sizeof text, "%.3f", ratio);
    cli_table_real(table, ratio, text);
}

static double moved_bytes(const part *p)
{
    return (double)mu_model_cost(p->net.model, p->net.batch).moved_bytes;
}

static void add_row(const cli_bench_whole *whole, const part *parts, const cli_bench_work *works, uint32_t at, cli_table *table)
{
    const part *p = &parts[at];
    char text[CLI_NUMBER_BYTES];
    const uint64_t macs = cli_bench_macs(p->net.model, p->net.batch);
    const double time_ratio = works[at].median_s / works[WIDTHS - 1].median_s;
    const double macs_ratio = (double)macs / (double)cli_bench_macs(parts[WIDTHS - 1].net.model, p->net.batch);
    cli_table_text(table, whole->named->name);
    snprintf(text, sizeof text, "%u/%u", at + 1, (unsigned)WIDTHS);
    cli_table_text(table, text);
    cli_table_count(table, macs, cli_format_metric((double)macs, text));
    cli_table_real(table, works[at].median_s, cli_format_seconds(works[at].median_s, text));
    cli_table_real(table, works[at].best_s, cli_format_seconds(works[at].best_s, text));
    add_ratio(table, time_ratio);
    add_ratio(table, macs_ratio);
    add_ratio(table, moved_bytes(p) / moved_bytes(&parts[WIDTHS - 1]));
    add_ratio(table, time_ratio / macs_ratio);
    cli_table_count(table, p->net.planned_bytes, cli_format_bytes(p->net.planned_bytes, text));
    cli_table_count(table, p->touched_bytes, cli_format_bytes(p->touched_bytes, text));
    add_ratio(table, (double)p->touched_bytes / (double)p->net.planned_bytes);
}

mu_status cli_savings_widths(cli_bench_whole *whole, const cli_bench_effort *effort, cli_table *table, mu_error *err)
{
    part parts[WIDTHS];
    cli_bench_work works[WIDTHS];
    mu_status status = MU_OK;
    memset(parts, 0, sizeof parts);
    for (uint32_t i = 0; i < WIDTHS && !status; i++) {
        status = create(whole, i + 1, &parts[i], err);
        works[i] = (cli_bench_work){ .call = cli_bench_net_step, .self = &parts[i].net };
    }
    if (!status)
        status = cli_bench_measure(works, WIDTHS, effort, err);
    for (uint32_t i = 0; i < WIDTHS && !status; i++)
        add_row(whole, parts, works, i, table);
    for (uint32_t i = 0; i < WIDTHS; i++) {
        cli_bench_net_release(&parts[i].net);
        mu_submodel_destroy(parts[i].submodel);
    }
    return status;
}
