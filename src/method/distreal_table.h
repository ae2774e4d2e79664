/* The table that DISTREAL's devices carry (Rapp et al. 2022, arXiv:2112.08761): which parts of a model are worth training, from the cheapest to all of
 * it, as the search for them left it (`muster search distreal`). A row says how many units of each group are kept, K_g of C_g; dearer rows teach more. On disk it
 * is a CSV with the paper's dropout rates d_g = 1 - K_g / C_g:
 *
 *     macs,gain,step_us,conv1,conv2,fc1
 *     1032960,0.104,,0.75,0.5,0.875            macs     multiply-accumulates of training on one example, forward and backward
 *     2580480,0.187,,0.5,0.5,0.75              gain     what the search hopes for from a training with this row; may be empty
 *     8257536,0.201,,0,0,0                     step_us  measured time of a mini-batch; may be empty. Both are for whoever reads the file
 *
 * Behind those three, a column for each unit group of the model, in any order. Rows come by macs, each more than the one before, and the last
 * one keeps everything. Which units a row keeps is drawn for every mini-batch; macs follow from the numbers alone.
 *
 * Plain data of a fixed size without pointers: it is part of a method's state, and so of checkpoints. */
#ifndef MUSTER_METHOD_DISTREAL_TABLE_H
#define MUSTER_METHOD_DISTREAL_TABLE_H

#include "base/limits.h"
#include "muster/submodel.h"

typedef struct mu_distreal_table {
    uint32_t row_count, group_count;
    uint64_t macs[MU_LIMIT_DISTREAL_ROWS];   /* increasing */
    float    gain[MU_LIMIT_DISTREAL_ROWS];   /* NAN: not known */
    float    step_us[MU_LIMIT_DISTREAL_ROWS]; /* NAN: not measured */
    uint32_t kept[MU_LIMIT_DISTREAL_COUNTS]; /* [row_count][group_count]: 1 to all units of the group */
} mu_distreal_table;

/* How many units of each group a row keeps: [group_count]. */
static inline const uint32_t *mu_distreal_table_row(const mu_distreal_table *table, uint32_t row)
{
    return table->kept + (size_t)row * table->group_count;
}

/* The last row with at most `afford_macs`, the first one where there is none. */
uint32_t mu_distreal_table_choose(const mu_distreal_table *table, double afford_macs);

/* The row that keeps everything, and no other. MU_E_LIMIT when the model has more groups than MU_LIMIT_DISTREAL_COUNTS. */
mu_status mu_distreal_table_init(mu_distreal_table *table, const mu_units *units, mu_error *err);
/* A row at its place, with its macs counted: counts[group_count], each at least 1. A row with as many macs as one that is there takes its place if its gain
 * is known and higher, and otherwise is dropped. MU_E_LIMIT when the table is full; it is then as before. */
mu_status mu_distreal_table_add(mu_distreal_table *table, const mu_units *units, const uint32_t *counts, double gain, double step_us,
                                mu_error *err);
/* Without a search: the same rate for all groups, 0, 0.1 ... as far as `most_rate`, which is below 1. */
mu_status mu_distreal_table_uniform(mu_distreal_table *table, const mu_units *units, double most_rate, mu_error *err);

/* Multiply-accumulates of training on one example with so many units of each group, forward and backward: what such a step is priced with. */
mu_status mu_distreal_macs(const mu_units *units, const uint32_t *counts, uint64_t *macs, mu_error *err);

/* From a CSV in memory; `name` is what messages call it. MU_E_PARSE when it is no such table, MU_E_LIMIT when it has more rows or counts than limits.h says,
 * MU_E_CONFIG when it is one of another model: other groups, or other macs for these rates. */
mu_status mu_distreal_table_decode(mu_distreal_table *table, const mu_units *units, const char *name, const void *data, size_t size_bytes,
                                   mu_error *err);
/* Back to text (malloc'ed, the caller's). Decoded it is the same table. */
mu_status mu_distreal_table_encode(const mu_distreal_table *table, const mu_units *units, unsigned char **out, size_t *size_bytes,
                                   mu_error *err);

#endif
