/* Places for buffers that live at different times: two that never live together may share bytes. */
#ifndef MUSTER_NN_LEASE_H
#define MUSTER_NN_LEASE_H

#include "muster/arena.h"

typedef struct mu_lease {
    size_t   size_bytes;
    uint32_t begin, end; /* first and last moment of its life, both included */
    size_t   offset;     /* of the place, a multiple of MU_ARENA_ALIGNMENT_BYTES */
} mu_lease;

/* What it takes of the memory. */
static inline size_t mu_lease_bytes(const mu_lease *lease)
{
    return (lease->size_bytes + MU_ARENA_ALIGNMENT_BYTES - 1) / MU_ARENA_ALIGNMENT_BYTES * MU_ARENA_ALIGNMENT_BYTES;
}

/* Settle every offset and return the bytes that all need together. The largest is placed first, each in the tightest gap that is
 * free during its life, or behind everything. Depends on nothing but `leases`. `order` is scratch for `count` indices. */
size_t mu_leases_place(mu_lease *leases, uint32_t count, uint32_t *order);

#endif
