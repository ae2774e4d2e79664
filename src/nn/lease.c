/* Greedy best fit by size. */
#include "nn/lease.h"

static void insert(uint32_t *list, uint32_t at, uint32_t count, uint32_t value)
{
    for (uint32_t i = count; i > at; i--)
        list[i] = list[i - 1];
    list[at] = value;
}

/* `placed`: those that have a place, in the order of their offsets. */
static size_t find_place(const mu_lease *leases, const uint32_t *placed, uint32_t placed_count, const mu_lease *lease)
{
    size_t size = mu_lease_bytes(lease), low = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
    for (uint32_t i = 0; i < placed_count; i++) {
        const mu_lease *other = &leases[placed[i]];
        if (other->begin > lease->end || other->end < lease->begin)
            continue;
        if (other->offset >= low + size && other->offset - low < best_gap) {
            best_gap = other->offset - low;
            best = low;
        }
        size_t end = other->offset + mu_lease_bytes(other);
        low = end > low ? end : low;
    }
    return best == SIZE_MAX ? low : best;
}

size_t mu_leases_place(mu_lease *leases, uint32_t count, uint32_t *order)
{
    /* `order` holds first the placed ones by offset, behind them those to come, largest first, the earlier asked for first. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        while (at > 0 && leases[order[at - 1]].size_bytes < leases[i].size_bytes)
            at--;
        insert(order, at, i, i);
    }
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = order[i];
        mu_lease *lease = &leases[index];
        lease->offset = find_place(leases, order, i, lease);
        uint32_t at = i;
        while (at > 0 && leases[order[at - 1]].offset > lease->offset)
            at--;
        insert(order, at, i, index);
        size_t end = lease->offset + mu_lease_bytes(lease);
        total = end > total ? end : total;
    }
    return total;
}
