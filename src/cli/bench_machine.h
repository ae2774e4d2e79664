/* What this processor could do at best: measured, to hold the kernels against. */
#ifndef MUSTER_CLI_BENCH_MACHINE_H
#define MUSTER_CLI_BENCH_MACHINE_H

#include "cli/bench_measure.h"

typedef struct cli_bench_machine {
    double flop_per_s;       /* fused multiply-adds of the widest vectors that the kernels in use have, two operations each; 0: not known */
    double read_byte_per_s;  /* a sum over an array far larger than the caches */
    double copy_byte_per_s;  /* memcpy between two such arrays; read and written bytes */
    double triad_byte_per_s; /* a = b + s * c with such arrays; three are counted, as STREAM does */
} cli_bench_machine;

/* `kernels`: the table's name. */
mu_status cli_bench_machine_measure(const char *kernels, const cli_bench_effort *effort, cli_bench_machine *out, mu_error *err);

#endif
