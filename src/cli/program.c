/* muster: everything. */
#include "cli/verb.h"

static const cli_verb *const verbs[] = {
    &cli_verb_run,
    &cli_verb_serve,
    &cli_verb_devices,
    &cli_verb_join,
    &cli_verb_sweep,
    &cli_verb_search_distreal,
    &cli_verb_list,
    &cli_verb_price,
    &cli_verb_profile,
    &cli_verb_data,
    &cli_verb_data_fetch,
    &cli_verb_compare,
    &cli_verb_report,
    &cli_verb_extract,
    &cli_verb_status,
    &cli_verb_bench_step,
    &cli_verb_bench_widths,
    &cli_verb_bench_kernels,
    &cli_verb_bench_savings,
    &cli_verb_bench_budgets,
    &cli_verb_bench_simulate,
    &cli_verb_bench_scale,
    &cli_verb_version,
    &cli_verb_completion,
    &cli_verb_help,
};

static const cli_example first_steps[] = {
    { "muster run examples/first.yaml", "train a network on 100 unequal devices, in virtual time" },
    { "muster list recipes", "what else it can start from" },
};

static const cli_example more[] = {
    { "muster help VERB", "what a verb takes, with examples; so does muster VERB --help" },
    { "muster help options", "every key that a configuration may have" },
    { "muster help exit-codes", "what the exit codes say" },
    { "muster help environment", "the environment variables that are looked at" },
};

const cli_program_kind cli_program = {
    .verbs = verbs, .verb_count = MU_COUNT(verbs),
    .first_steps = first_steps, .first_step_count = MU_COUNT(first_steps),
    .more = more, .more_count = MU_COUNT(more),
};
