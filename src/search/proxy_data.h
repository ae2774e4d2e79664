/* The examples that a search trains and judges by: those of all devices of a data set as one source, a random part of them held out to judge
 * by. A data set's own test examples are never looked at: what is found with their help would do better on them than on others. */
#ifndef MUSTER_SEARCH_PROXY_DATA_H
#define MUSTER_SEARCH_PROXY_DATA_H

#include "muster/data.h"
#include "muster/train.h"

typedef struct mu_proxy_data mu_proxy_data; /* immutable once made, shared by all threads */

/* `held_out` of the examples of `data` (borrowed, and must outlive it), drawn with `seed`, are for validation. MU_E_RANGE when that leaves fewer than
 * as many for training. */
mu_status mu_proxy_data_create(const mu_data *data, uint32_t held_out, uint64_t seed, mu_proxy_data **out, mu_error *err);
void      mu_proxy_data_destroy(mu_proxy_data *data); /* NULL is fine */

mu_examples mu_proxy_data_training(const mu_proxy_data *data);
mu_examples mu_proxy_data_validation(const mu_proxy_data *data);

#endif
