/* The parts of `muster bench kernels`: each makes one table of measured kernels. */
#ifndef MUSTER_CLI_BENCH_KERNELS_H
#define MUSTER_CLI_BENCH_KERNELS_H

#include "cli/bench_machine.h"
#include "cli/table.h"

#include "tensor/kernels.h"

enum { CLI_BENCH_MOST_TABLES = 8 };

typedef struct cli_kernel_question {
    const mu_kernel_table *tables[CLI_BENCH_MOST_TABLES]; /* of kernels; they take turns */
    size_t                 table_count;
    const char            *only; /* names that this stands in; "": all */
    cli_bench_effort       effort;
    cli_bench_machine      machine;
} cli_kernel_question;

/* *out is made even where it stays empty; it is the caller's. */
mu_status cli_bench_layers(const cli_kernel_question *question, cli_table **out, mu_error *err);      /* convolutions and products */
mu_status cli_bench_elementwise(const cli_kernel_question *question, cli_table **out, mu_error *err); /* everything that memory bounds */
mu_status cli_bench_merging(const cli_kernel_question *question, cli_table **out, mu_error *err);     /* updates folded into a mean */

#endif
