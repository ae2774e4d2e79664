/* Which buffers a step needs, how long each lives, and so where it lies. One walk over the graph, forward and backward. */
#ifndef MUSTER_NN_MEMORY_PLAN_H
#define MUSTER_NN_MEMORY_PLAN_H

#include "nn/graph.h"
#include "nn/lease.h"

#define MU_LEASE_NONE UINT32_MAX

typedef struct mu_node_leases {
    uint32_t saved, forward_work, backward_work;
} mu_node_leases;

typedef struct mu_memory_plan {
    mu_store        store; /* owns the rest */
    mu_lease       *leases;
    uint32_t        lease_count;
    uint32_t       *outputs, *gradients; /* of each value; several values may have one lease */
    mu_node_leases *nodes;
    bool           *accumulate; /* of each input of each node, one node's behind the other's */
    uint32_t        input_count; /* how many these are */
    uint32_t        losses, correct;
    size_t          total_bytes;
} mu_memory_plan;

/* `share` false: every buffer has bytes of its own, for the test that compares. MU_E_MEMORY when there is none for the plan itself. */
mu_status mu_memory_plan_make(const mu_model *model, const mu_kernel_table *kernels, uint32_t batch, bool training, bool share,
                              mu_memory_plan *out, mu_error *err);
void      mu_memory_plan_release(mu_memory_plan *plan);

#endif
