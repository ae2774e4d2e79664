/* How a step keeps within its memory limit: which outputs are recomputed, and in how many parts the batch comes. */
#ifndef MUSTER_NN_MEMORY_SCHEDULE_H
#define MUSTER_NN_MEMORY_SCHEDULE_H

#include "nn/memory_plan.h"

typedef struct mu_memory_schedule {
    mu_memory_plan plan;        /* settled: lives and places */
    uint32_t       micro_batch; /* examples that pass through the network at a time */
    size_t         lease_bytes; /* what the leases take together */
    size_t         total_bytes; /* the whole step */
    uint64_t       extra_macs, extra_moved_bytes; /* of a whole batch, over the plain way */

    /* the search's own */
    uint64_t      *again_cost;  /* of each node: what it would cost to run its forward once more */
    uint32_t      *candidates;  /* nodes that could be recomputed */
    uint32_t       candidate_count;
    bool          *best;        /* of each node: recomputed in the best schedule so far */
} mu_memory_schedule;

/* What a test asks for in place of the search. */
typedef struct mu_memory_wish {
    bool        apart;       /* every buffer has bytes of its own */
    uint32_t    micro_batch; /* 0: what is found, and the flags with it */
    const bool *recompute;   /* of each node; where that cannot be, it is not */
} mu_memory_wish;

/* Room for the search, all of it from the arena. With a measuring arena there is no schedule, but its size. */
void mu_memory_schedule_take(mu_memory_schedule *schedule, const mu_model *model, mu_arena *arena);

/* The plain way where it keeps within config->memory_limit_bytes, or there is no limit; else the cheapest found. MU_E_MEMORY when nothing fits;
 * schedule->total_bytes is then the smallest limit that would do. `wish` is NULL but for tests. */
mu_status mu_memory_schedule_settle(mu_memory_schedule *schedule, const mu_step_config *config, const mu_memory_wish *wish, mu_error *err);

#endif
