/* What happens next: a binary heap of moments, ties in the order in which they were put in. */
#ifndef MUSTER_SIM_EVENT_QUEUE_H
#define MUSTER_SIM_EVENT_QUEUE_H

#include "muster/device.h"

typedef struct mu_queued {
    mu_time_us at;
    uint64_t   sequence; /* the queue's own */
    uint64_t   label;    /* the owner's: what this is */
    void      *item;     /* the owner's; may be NULL */
} mu_queued;

typedef struct mu_event_queue {
    mu_queued *heap;
    size_t     count, capacity;
    uint64_t   next_sequence;
} mu_event_queue;

void      mu_event_queue_release(mu_event_queue *queue); /* a zeroed queue is an empty one */
mu_status mu_event_queue_put(mu_event_queue *queue, mu_time_us at, uint64_t label, void *item, mu_error *err);
bool      mu_event_queue_take(mu_event_queue *queue, mu_queued *out); /* the earliest; false: empty */
const mu_queued *mu_event_queue_peek(const mu_event_queue *queue);    /* NULL: empty */

#endif
