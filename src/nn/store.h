/* The one place where networks ask for memory: pieces that live together and go together. A model hangs on one of these; so does
 * what the planner notes down while it plans. A training step takes nothing from here. */
#ifndef MUSTER_NN_STORE_H
#define MUSTER_NN_STORE_H

#include "muster/status.h"

typedef struct mu_store {
    struct mu_store_block *blocks;
} mu_store;

/* `count` elements, all zero, aligned for any type; NULL when there is no memory. */
void *mu_store_take(mu_store *store, size_t count, size_t element_bytes);
char *mu_store_text(mu_store *store, const char *text);
void  mu_store_release(mu_store *store);

#endif
