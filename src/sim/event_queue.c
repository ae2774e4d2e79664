/* A binary heap of moments. */
#include "sim/event_queue.h"

#include <stdlib.h>

void mu_event_queue_release(mu_event_queue *queue)
{
    free(queue->heap);
    *queue = (mu_event_queue){ 0 };
}

static bool goes_before(const mu_queued *a, const mu_queued *b)
{
    if (a->at != b->at)
        return a->at < b->at;
    /* Ties fire in the order in which they were put in. Heap order would do for a single run, but then adding a device that never
     * reports would change every other device's results. */
    return a->sequence < b->sequence;
}

mu_status mu_event_queue_put(mu_event_queue *queue, mu_time_us at, uint64_t label, void *item, mu_error *err)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity ? 2 * queue->capacity : 64;
        mu_queued *heap = realloc(queue->heap, capacity * sizeof *heap);
        if (!heap)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %zu events", capacity);
        queue->heap = heap;
        queue->capacity = capacity;
    }
    mu_queued entry = { .at = at, .sequence = queue->next_sequence++, .label = label, .item = item };
    size_t i = queue->count++;
    while (i > 0 && goes_before(&entry, &queue->heap[(i - 1) / 2])) {
        queue->heap[i] = queue->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    queue->heap[i] = entry;
    return MU_OK;
}

bool mu_event_queue_take(mu_event_queue *queue, mu_queued *out)
{
    if (queue->count == 0)
        return false;
    *out = queue->heap[0];
    mu_queued last = queue->heap[--queue->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && goes_before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!goes_before(&queue->heap[child], &last))
            break;
        queue->heap[i] = queue->heap[child];
        i = child;
    }
    if (queue->count)
        queue->heap[i] = last;
    return true;
}

const mu_queued *mu_event_queue_peek(const mu_event_queue *queue)
{
    return queue->count ? &queue->heap[0] : NULL;
}
