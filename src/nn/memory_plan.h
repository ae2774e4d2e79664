/* Which buffers a step needs, how long each lives, and so where it lies. One walk over the graph, forward and backward. */
#ifndef MUSTER_NN_MEMORY_PLAN_H
#define MUSTER_NN_MEMORY_PLAN_H

#include "nn/graph.h"
#include "nn/lease.h"

#include "muster/arena.h"

#define MU_LEASE_NONE UINT32_MAX

/* What the step is that is planned. */
typedef struct mu_memory_request {
    const mu_kernel_table *kernels;
    uint32_t batch;    /* examples that pass through the network at a time */
    bool     whole;    /* that is the whole batch: input and logits are the caller's too. Else what goes in and comes out is a copy. */
    bool     training;
    bool     share;    /* false: every buffer has bytes of its own, for the test that compares */
} mu_memory_request;

typedef struct mu_node_leases {
    uint32_t saved, forward_work, backward_work;
    uint32_t saved_again, work_again; /* of the forward that runs once more */
} mu_node_leases;

/* A node whose forward runs once more, right before the backward of another. */
typedef struct mu_again {
    uint32_t node, before;
} mu_again;

typedef struct mu_memory_plan {
    const mu_model   *model;
    mu_memory_request request;
    bool             *recompute; /* of each node, for the caller to set: its output is not kept from forward to backward */
    mu_layer_needs   *needs;     /* of each node */
    bool             *read_late; /* of each value: the backward pass reads its output */
    uint32_t         *root;      /* of each value: itself, or what it is a view of */

    mu_lease         *leases;
    uint32_t          lease_count;
    uint32_t         *outputs, *outputs_again, *gradients; /* of each value that is its own root; of each value. Several may have one lease. */
    mu_node_leases   *nodes;
    bool             *accumulate; /* of each input of each node, one node's behind the other's */
    uint32_t          input_count; /* how many these are */
    mu_again         *again;      /* in the order in which they run */
    uint32_t          again_count;
    uint32_t          losses, correct;

    /* the walk's own */
    uint32_t         *last_read, *last_again; /* of each root: of its output, and of that computed again */
    uint32_t         *again_time, *backward_time; /* of each node; 0: never */
    uint32_t          end_time;
    bool             *there, *wanted; /* of each root, as the walk goes back */
    uint32_t         *order;
    size_t           *alive_bytes; /* at each time */
} mu_memory_plan;

/* Room for any plan of this model, all of it from the arena. With a measuring arena there is no plan, but its size. */
void mu_memory_plan_take(mu_memory_plan *plan, const mu_model *model, mu_arena *arena);
/* Ask every layer what it needs. Nothing is to be recomputed. */
void mu_memory_plan_ask(mu_memory_plan *plan, const mu_memory_request *request);
/* May `recompute` be set for this node, and does it save anything? */
bool mu_memory_plan_can_recompute(const mu_memory_plan *plan, uint32_t node);
/* Settle all lives, with `recompute` as it is. */
void mu_memory_plan_live(mu_memory_plan *plan);
/* The most bytes that are alive at one time: what mu_memory_plan_place can reach at best. */
size_t mu_memory_plan_most_alive(mu_memory_plan *plan);
/* Settle all places, and return the bytes that they need together. */
size_t mu_memory_plan_place(mu_memory_plan *plan);

/* The lease of a value's output as the backward pass finds it. */
static inline uint32_t mu_memory_plan_late(const mu_memory_plan *plan, uint32_t value)
{
    uint32_t root = plan->root[value], again = plan->outputs_again[root];
    return again == MU_LEASE_NONE ? plan->outputs[root] : again;
}

#endif
