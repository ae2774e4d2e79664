/* The parts of `muster bench savings`: each makes one table of what less costs, on the clock and in memory. */
#ifndef MUSTER_CLI_BENCH_SAVINGS_H
#define MUSTER_CLI_BENCH_SAVINGS_H

#include "cli/bench_measure.h"
#include "cli/bench_net.h"
#include "cli/table.h"

#include "muster/submodel.h"

/* A network whose parts are trained. */
typedef struct cli_bench_whole {
    const cli_bench_case *named;
    mu_model             *model;
    mu_units             *units;
    float                *weights; /* [mu_model_state_count] */
    bool                 *kept;    /* [mu_units_count] */
} cli_bench_whole;

mu_status cli_bench_whole_create(const cli_bench_case *named, cli_bench_whole *out, mu_error *err);
void      cli_bench_whole_release(cli_bench_whole *whole); /* zeroed is fine */

/* Each adds the rows of one network to its table. */
extern const cli_column cli_savings_width_columns[], cli_savings_submodel_columns[], cli_savings_memory_columns[];
enum { CLI_SAVINGS_WIDTH_COLUMNS = 12, CLI_SAVINGS_SUBMODEL_COLUMNS = 12, CLI_SAVINGS_MEMORY_COLUMNS = 11 };

/* The first channels of every layer, an eighth of them to all. */
mu_status cli_savings_widths(cli_bench_whole *whole, const cli_bench_effort *effort, cli_table *table, mu_error *err);
/* Random channels, others in every mini-batch. */
mu_status cli_savings_submodels(cli_bench_whole *whole, const cli_bench_effort *effort, cli_table *table, mu_error *err);
/* The whole network with half of the memory for its activations. */
mu_status cli_savings_memory(const cli_bench_whole *whole, const cli_bench_effort *effort, cli_table *table, mu_error *err);

#endif
