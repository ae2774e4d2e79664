/* The whole network with half of the memory for its activations, against all of it: the time, and the same gradients bit for bit. */
#include "cli/bench_savings.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

enum { ALL, HALF, STEPS };

const cli_column cli_savings_memory_columns[CLI_SAVINGS_MEMORY_COLUMNS] = {
    { "case", "case", false },
    { "all_memory_bytes", "memory", true },
    { "all_activation_bytes", "activations", true },
    { "half_memory_bytes", "with half", true },
    { "half_activation_bytes", "activations", true },
    { "micro_batch", "micro-batch", true },
    { "recomputed", "recomputed", true },
    { "all_median_s", "a step takes", true },
    { "half_median_s", "with half", true },
    { "time_ratio", "ratio", true },
    { "same_gradients", "same gradients", false },
};

typedef struct result {
    mu_step_schedule schedules[STEPS];
    cli_bench_work   works[STEPS];
    bool             same;
} result;

static void add_row(const cli_bench_whole *whole, const result *r, cli_table *table)
{
    char text[CLI_NUMBER_BYTES];
    const mu_step_schedule *half = &r->schedules[HALF];
    const double ratio = r->works[HALF].median_s / r->works[ALL].median_s;
    cli_table_text(table, whole->named->name);
    for (int i = 0; i < STEPS; i++) {
        cli_table_count(table, r->schedules[i].peak_bytes, cli_format_bytes(r->schedules[i].peak_bytes, text));
        cli_table_count(table, r->schedules[i].activation_bytes, cli_format_bytes(r->schedules[i].activation_bytes, text));
    }
    cli_table_count(table, half->micro_batch, cli_format_count(half->micro_batch, text));
    cli_table_count(table, half->recomputed, cli_format_count(half->recomputed, text));
    cli_table_real(table, r->works[ALL].median_s, cli_format_seconds(r->works[ALL].median_s, text));
    cli_table_real(table, r->works[HALF].median_s, cli_format_seconds(r->works[HALF].median_s, text));
    snprintf(text, sizeof text, "%.3f", ratio);
    cli_table_real(table, ratio, text);
    cli_table_bool(table, r->same, r->same ? "yes" : "NO");
}

/* The first step of both, from the same weights on the same batch. */
static bool is_same(const mu_model *model, cli_bench_net *nets)
{
    for (int i = 0; i < STEPS; i++) {
        cli_bench_net_fill(&nets[i]);
        cli_bench_net_step(&nets[i]);
    }
    return nets[ALL].result.loss_sum == nets[HALF].result.loss_sum &&
           memcmp(mu_step_gradients(nets[ALL].step), mu_step_gradients(nets[HALF].step), mu_model_param_count(model) * sizeof(float)) == 0 &&
           memcmp(mu_step_state(nets[ALL].step), mu_step_state(nets[HALF].step), mu_model_state_count(model) * sizeof(float)) == 0;
}

/* Half of the activations' memory, or the least that the network can be trained with. */
static mu_status find_half(const mu_model *model, const mu_step_schedule *all, mu_step_config *config, mu_step_schedule *out, mu_error *err)
{
    config->memory_limit_bytes = all->peak_bytes - all->activation_bytes / 2;
    mu_status status = mu_step_schedule_find(model, config, out, NULL, err);
    if (status != MU_E_MEMORY)
        return status;
    config->memory_limit_bytes = out->peak_bytes;
    return mu_step_schedule_find(model, config, out, NULL, err);
}

mu_status cli_savings_memory(const cli_bench_whole *whole, const cli_bench_effort *effort, cli_table *table, mu_error *err)
{
    mu_step_config configs[STEPS] = { cli_bench_step_config(whole->named->batch), cli_bench_step_config(whole->named->batch) };
    cli_bench_net nets[STEPS] = { 0 };
    result r = { 0 };
    mu_status status = mu_step_schedule_find(whole->model, &configs[ALL], &r.schedules[ALL], NULL, err);
    if (!status)
        status = find_half(whole->model, &r.schedules[ALL], &configs[HALF], &r.schedules[HALF], err);
    for (int i = 0; i < STEPS && !status; i++) {
        status = cli_bench_net_create(whole->model, &configs[i], &nets[i], err);
        r.works[i] = (cli_bench_work){ .call = cli_bench_net_step, .self = &nets[i] };
    }
    if (!status) {
        r.same = is_same(whole->model, nets);
        status = cli_bench_measure(r.works, STEPS, effort, err);
    }
    if (!status)
        add_row(whole, &r, table);
    for (int i = 0; i < STEPS; i++)
        cli_bench_net_release(&nets[i]);
    return status;
}
