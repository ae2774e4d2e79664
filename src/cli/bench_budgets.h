/* Tasks of `muster bench budgets`: what a device trains that may spend so much of the whole network's multiply-accumulates, by one rule. */
#ifndef MUSTER_CLI_BENCH_BUDGETS_H
#define MUSTER_CLI_BENCH_BUDGETS_H

#include "cli/bench_net.h"

#include "muster/method.h"

/* Each task has so many mini-batches. */
enum { CLI_BUDGET_STEPS = 10, CLI_BUDGET_BATCH = 10, CLI_BUDGET_EXAMPLES = CLI_BUDGET_STEPS * CLI_BUDGET_BATCH };

/* A rule, as one of the methods has it. */
typedef struct cli_budget_rule cli_budget_rule;
const cli_budget_rule *cli_budget_rule_at(size_t index); /* the first one trains everything, whatever the budget; NULL: there are no more */
const char            *cli_budget_rule_name(const cli_budget_rule *rule);

typedef struct cli_budget_task {
    const cli_budget_rule *rule;
    mu_model   *model;
    mu_units   *units;
    void       *state; /* the method's */
    mu_conf    *conf;  /* what the state was read from */
    mu_plan     plan;
    bool       *kept;  /* [unit_count] the plan's, where it keeps a part */
    mu_local    local;
    double      afford_macs; /* of a mini-batch, for a rule that asks */
    mu_trainer *trainer;
    float      *start, *delta;
    mu_examples examples;
    mu_status   status; /* of the last training */
    /* counted */
    double      macs; /* of an example, forward and backward, on average */
    size_t      planned_bytes;
    uint64_t    bytes_down, bytes_up;
} cli_budget_task;

/* The widest part that keeps within `budget` times the whole network's multiply-accumulates, or the narrowest there is. `examples` are borrowed. */
mu_status cli_budget_task_create(const cli_budget_rule *rule, const cli_bench_case *network, double budget, mu_examples examples,
                                 cli_budget_task *out, mu_error *err);
void      cli_budget_task_release(cli_budget_task *task); /* zeroed is fine */
/* Carries it out, as a device does. For cli_bench_work: `task` is a cli_budget_task. */
void      cli_budget_task_run(void *task);

#endif
