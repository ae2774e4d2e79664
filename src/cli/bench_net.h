/* A network with a training step and examples made up for it: what the benchmarks of steps call. */
#ifndef MUSTER_CLI_BENCH_NET_H
#define MUSTER_CLI_BENCH_NET_H

#include "muster/model.h"

/* One of the networks that are measured. */
typedef struct cli_bench_case {
    const char *name;    /* "fedavg-cnn-b32" */
    const char *model;   /* built in */
    mu_shape    input;
    uint32_t    classes;
    uint32_t    batch;
} cli_bench_case;

const cli_bench_case *cli_bench_cases(size_t *count);
const char *const    *cli_bench_case_names(void); /* ended by NULL */

typedef struct cli_bench_net {
    const mu_model *model;
    mu_step        *step;
    void           *memory; /* of the step */
    size_t          planned_bytes;
    uint32_t        batch;
    mu_random       dropout;
    mu_step_result  result; /* of the last step */
} cli_bench_net;

/* Plans a step in memory of its own, fresh from the system: what a step does not touch takes none. Borrows the model. */
mu_status cli_bench_net_create(const mu_model *model, const mu_step_config *config, cli_bench_net *out, mu_error *err);
void      cli_bench_net_release(cli_bench_net *net); /* zeroed is fine */
/* First weights, and a batch that was drawn; the batch alone. Always the same ones. */
void cli_bench_net_fill(cli_bench_net *net);
void cli_bench_net_fill_batch(cli_bench_net *net);

/* Plain SGD, as all of them are measured with. */
mu_step_config cli_bench_step_config(uint32_t batch);

/* Forward, loss, backward, SGD. For cli_bench_work: `net` is a cli_bench_net. */
void   cli_bench_net_step(void *net);
double cli_bench_net_loss(const cli_bench_net *net); /* of the last step, mean over its predictions */

/* Multiply-accumulates of a step. */
uint64_t cli_bench_macs(const mu_model *model, uint32_t batch);

#endif
