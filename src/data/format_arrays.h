/* What the formats that are made of arrays share: an array of inputs and an array of labels become examples. */
#ifndef MUSTER_DATA_FORMAT_ARRAYS_H
#define MUSTER_DATA_FORMAT_ARRAYS_H

#include "data/array.h"
#include "data/examples.h"

typedef struct mu_arrays {
    const mu_array *x, *y, *ids; /* ids may be NULL */
    bool            channels_first;
} mu_arrays;

/* x is [count], [count][values], [count][height][width], or with channels, last or first. Fills in everything but `file`; sets
 * *borrows when the examples lie in the memory of x, which then has to stay. */
mu_status mu_examples_from_arrays(const mu_arrays *arrays, mu_example_pool *out, bool *borrows, mu_error *err);

/* Train and test must have the same shape and the same kind of values; classes, ids and unit follow from them. */
mu_status mu_corpus_finish(const char *name, mu_corpus *corpus, mu_error *err);

#endif
