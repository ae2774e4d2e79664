/* What `muster price` looks at: a built-in model, a model file, or the model of an experiment, with the settings of its training step. */
#ifndef MUSTER_CLI_PRICE_SUBJECT_H
#define MUSTER_CLI_PRICE_SUBJECT_H

#include "cli/arguments.h"

#include "muster/experiment.h"
#include "muster/submodel.h"

typedef struct cli_price_question {
    const char *model;    /* a name or a file */
    cli_texts   settings; /* for an experiment only */
    const char *input;    /* "28x28x1"; NULL: that. As are the next three, for a model by itself only */
    uint32_t    classes;  /* 0: 10 */
    int         optimizer;
    double      momentum;
    uint32_t    batch;    /* 0: the experiment's, or 32 */
    double      width;    /* of the submodel that is looked at; 0: the whole model */
} cli_price_question;

typedef struct cli_price_subject {
    const mu_model *model; /* the one to look at: `whole`, or a submodel of it */
    const mu_model *whole;
    mu_step_config  step;
    mu_experiment  *experiment; /* NULL: a model by itself */
    mu_model       *own;        /* NULL: the experiment's */
    mu_units       *units;      /* of the submodel, and ... */
    mu_submodel    *narrow;     /* ... itself; NULL: the whole model is looked at */
} cli_price_subject;

extern const char *const cli_price_optimizers[]; /* in the order of mu_optimizer, ended by NULL */

mu_status cli_price_subject_open(const cli_price_question *question, cli_price_subject *out, mu_error *err);
void      cli_price_subject_release(cli_price_subject *subject); /* zeroed is fine */

/* Exact bytes of a step as `config` says. */
mu_status cli_price_peak(const mu_model *model, const mu_step_config *config, size_t *size_bytes, mu_error *err);
/* The schedule that keeps a step within the memory, with a flag for each layer that runs again ([mu_model_layer_count]). Where none does,
 * out->micro_batch is 0 and out->peak_bytes the least memory that would do. */
mu_status cli_price_schedule(const mu_model *model, const mu_step_config *config, uint64_t memory_bytes, mu_step_schedule *out, bool *again,
                             mu_error *err);
/* The largest batch whose step fits into the memory as it is; 0: not even one example. */
mu_status cli_price_largest_batch(const mu_model *model, const mu_step_config *config, uint64_t memory_bytes, uint32_t *batch, mu_error *err);

#endif
