/* What comes next: gathered from the desk, the timers and the leases; written to the journal; handed to the federation. After a restart, first what the journal
 * has. */
#include "net/network_internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_S 1.0 /* at leases, and whether to stop */

/* An event's kind in the journal, and above it its epoch: a checkpoint that was written just before the coordinator fell over has what the journal still holds, so
 * events of an epoch before it are passed over. */
#define KIND_BITS 8
#define EPOCH_MASK (UINT32_MAX >> KIND_BITS)

/* ---- the queue ---- */

static mu_status enqueue(mu_network *network, mu_waiting event, const void *extra, size_t extra_bytes, mu_error *err)
{
    if (network->queue_count == network->queue_capacity) {
        size_t capacity = network->queue_capacity ? 2 * network->queue_capacity : 64;
        mu_waiting *queue = realloc(network->queue, capacity * sizeof *queue);
        if (!queue)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %zu events", capacity);
        network->queue = queue;
        network->queue_capacity = capacity;
    }
    if (extra_bytes) {
        event.extra_bytes = extra_bytes;
        event.extra = malloc(extra_bytes);
        if (!event.extra)
            return mu_error_set(err, MU_E_MEMORY, "no memory for an event");
        memcpy(event.extra, extra, extra_bytes);
    }
    network->queue[network->queue_count++] = event;
    return MU_OK;
}

void mu_network_release_events(mu_network *network)
{
    for (size_t i = network->queue_first; i < network->queue_count; i++)
        free(network->queue[i].extra);
    free(network->queue);
}

static mu_status take_from_journal(void *self, const mu_store_event *event, mu_error *err)
{
    mu_network *network = self;
    const uint32_t kind = event->kind & ((1u << KIND_BITS) - 1);
    bool good = kind >= MU_WAITING_ARRIVED && kind <= MU_WAITING_LOOKED && event->device < mu_desk_devices(network->config.desk);
    if (good && kind == MU_WAITING_CAME)
        good = event->extra_bytes == sizeof(mu_told) && memchr((const char *)event->extra + offsetof(mu_told, class_name), '\0', MU_TOLD_CLASS_BYTES);
    if (good && kind == MU_WAITING_LOST)
        good = event->extra_bytes > 0 && event->extra[event->extra_bytes - 1] == '\0';
    if (!good)
        return mu_error_set(err, MU_E_STATE, "the store's journal has an event that this federation cannot have had");
    const mu_waiting waiting = { .kind = (mu_waiting_kind)kind, .epoch = event->kind >> KIND_BITS, .at = event->at, .task = event->task, .label = event->label,
                                 .device = event->device, .is_replayed = true };
    mu_status status = enqueue(network, waiting, event->extra, event->extra_bytes, err);
    network->queue_written = network->queue_count;
    return status;
}

mu_status mu_network_load_journal(mu_network *network, mu_error *err)
{
    network->is_replaying = true;
    return mu_store_each_event(network->config.store, take_from_journal, network, err);
}

/* ---- gathering ---- */

static mu_status lose(mu_network *network, mu_sent *sent, mu_time_us now, const char *reason, mu_error *err)
{
    const mu_waiting event = { .kind = MU_WAITING_LOST, .at = now, .task = sent->number, .device = sent->device };
    sent->is_queued = true;
    return enqueue(network, event, reason, strlen(reason) + 1, err);
}

static mu_status take_report(mu_network *network, const mu_desk_event *from, mu_time_us now, mu_error *err)
{
    bool came = from->kind == MU_DESK_CAME;
    const mu_told told = mu_told_of(from->device, &from->report);
    const mu_waiting event = { .kind = came ? MU_WAITING_CAME : MU_WAITING_WENT, .at = now, .device = from->device };
    return enqueue(network, event, &told, came ? sizeof told : 0, err);
}

/* Everything that is at the desk. Waits for the first thing up to `wait_s`. */
mu_status mu_network_take_from_desk(mu_network *network, double wait_s, mu_error *err)
{
    mu_desk_event from;
    mu_status status = MU_OK;
    while (!status && mu_desk_take(network->config.desk, wait_s, network->config.serve->presence_s, &from)) {
        wait_s = 0;
        mu_sent *sent = from.kind == MU_DESK_ARRIVED || from.kind == MU_DESK_FAILED ? mu_network_find(network, from.task) : NULL;
        mu_time_us now = mu_network_now(network);
        if (from.kind == MU_DESK_CAME || from.kind == MU_DESK_WENT)
            status = take_report(network, &from, now, err);
        else if (!sent)
            mu_network_answered(network, from.task, from.kind == MU_DESK_FAILED);
        else if (from.kind == MU_DESK_ARRIVED && !sent->arrival)
            sent->arrival = ++network->arrivals;
        else if (from.kind == MU_DESK_FAILED && !sent->arrival && !sent->is_queued)
            status = lose(network, sent, now, from.reason, err);
    }
    return status;
}

static int by_time(const void *a, const void *b)
{
    const mu_network_timer *x = a, *y = b;
    if (x->at != y->at)
        return (x->at > y->at) - (x->at < y->at);
    return (x->label > y->label) - (x->label < y->label);
}

/* A timer's label is its order, so ties go by that. */
static mu_status take_due_timers(mu_network *network, mu_error *err)
{
    mu_time_us now = mu_network_now(network);
    if (network->timer_count)
        qsort(network->timers, network->timer_count, sizeof *network->timers, by_time);
    for (uint32_t i = 0; i < network->timer_count && network->timers[i].at <= now; i++) {
        mu_status status = enqueue(network, (mu_waiting){ .kind = MU_WAITING_TIMER, .at = now, .label = network->timers[i].label }, NULL, 0, err);
        if (status)
            return status;
    }
    return MU_OK;
}

/* A task whose device is silent for too long is given up. */
static mu_status check_leases(mu_network *network, mu_error *err)
{
    double now_s = mu_clock_monotonic_s();
    if (now_s - network->leases_checked_s < LOOK_EVERY_S)
        return MU_OK;
    network->leases_checked_s = now_s;
    for (uint32_t i = 0; i < network->sent_count; i++) {
        mu_sent *sent = network->sent[i];
        double silent_s, lease_s = network->config.serve->lease_s;
        if (sent->arrival || sent->is_queued)
            continue;
        mu_desk_state_of(network->config.desk, sent->device, now_s, &silent_s);
        double since_began_s = now_s - network->began_monotonic_s, waited_s = mu_time_to_s(mu_network_now(network) - sent->sent_at);
        if (silent_s < 0 || silent_s > since_began_s)
            silent_s = since_began_s; /* not heard of since this process began: it may not have known yet */
        if (silent_s <= lease_s || waited_s <= lease_s)
            continue;
        char reason[96];
        snprintf(reason, sizeof reason, "the device was not heard of for %.0f s", lease_s);
        mu_status status = lose(network, sent, mu_network_now(network), reason, err);
        if (status)
            return status;
    }
    return MU_OK;
}

static int by_plan(const void *a, const void *b)
{
    const mu_sent *x = *(mu_sent *const *)a, *y = *(mu_sent *const *)b;
    if (x->planned_end != y->planned_end)
        return (x->planned_end > y->planned_end) - (x->planned_end < y->planned_end);
    return (x->number > y->number) - (x->number < y->number);
}

static int by_arrival(const void *a, const void *b)
{
    const mu_sent *x = *(mu_sent *const *)a, *y = *(mu_sent *const *)b;
    return (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

/* Updates that are in: in the order in which they came; in planned order those before which none is missing. */
static mu_status take_arrived(mu_network *network, mu_error *err)
{
    mu_sent **list = malloc((network->sent_count + 1) * sizeof *list);
    if (!list)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u tasks", network->sent_count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < network->sent_count; i++)
        if (!network->sent[i]->is_queued && (network->planned_order || network->sent[i]->arrival))
            list[count++] = network->sent[i];
    qsort(list, count, sizeof *list, network->planned_order ? by_plan : by_arrival);
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < count && list[i]->arrival && !status; i++) {
        const mu_waiting event = { .kind = MU_WAITING_ARRIVED, .at = mu_network_now(network), .task = list[i]->number, .device = list[i]->device };
        status = enqueue(network, event, NULL, 0, err);
        list[i]->is_queued = true;
    }
    free(list);
    return status;
}

/* What of the queue is not there yet. */
static mu_status write_journal(mu_network *network, mu_error *err)
{
    const size_t count = network->queue_count - network->queue_written;
    mu_store_event *events = calloc(count + 1, sizeof *events);
    if (!events)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %zu events", count);
    for (size_t i = 0; i < count; i++) {
        const mu_waiting *from = &network->queue[network->queue_written + i];
        events[i] = (mu_store_event){ .kind = (uint32_t)from->kind | (network->epoch & EPOCH_MASK) << KIND_BITS, .at = from->at, .task = from->task, .label = from->label, .device = from->device,
                                      .extra = from->extra, .extra_bytes = from->extra_bytes };
    }
    mu_status status = mu_store_append_events(network->config.store, events, count, err);
    free(events);
    if (!status)
        network->queue_written = network->queue_count;
    return status;
}

/* After a checkpoint the journal is empty. What is left of the queue was in it, and what the federation makes of that must come again after a crash, in that order. */
mu_status mu_network_begin_epoch(mu_network *network, mu_error *err)
{
    network->epoch++;
    for (size_t i = network->queue_first; i < network->queue_count; i++)
        network->queue[i].epoch = network->epoch & EPOCH_MASK;
    network->queue_written = network->queue_first;
    return network->queue_first < network->queue_count ? write_journal(network, err) : MU_OK;
}

static double until_next_s(const mu_network *network)
{
    double wait_s = LOOK_EVERY_S;
    for (uint32_t i = 0; i < network->timer_count; i++)
        wait_s = fmin(wait_s, fmax(0.0, mu_time_to_s(network->timers[i].at - mu_network_now(network))));
    return wait_s;
}

/* Until there is something. */
static mu_status gather(mu_network *network, mu_error *err)
{
    network->queue_first = network->queue_count = network->queue_written = 0;
    double wait_s = 0;
    for (;;) {
        mu_status status = mu_network_take_from_desk(network, wait_s, err);
        if (!status)
            status = take_due_timers(network, err);
        if (!status)
            status = check_leases(network, err);
        if (!status)
            status = take_arrived(network, err);
        if (status)
            return status;
        if (network->queue_count)
            return write_journal(network, err);
        if (network->config.stop && network->config.stop(network->config.self))
            return mu_error_set(err, MU_E_INTERRUPTED, "stopped while waiting for devices");
        wait_s = until_next_s(network);
    }
}

/* ---- the journal is behind it ---- */

static mu_status note_arrived(void *self, const mu_store_update *update, mu_error *err)
{
    (void)err;
    mu_network *network = self;
    mu_sent *sent = mu_network_find(network, update->task);
    if (sent && !sent->arrival) {
        sent->arrival = ++network->arrivals;
        mu_desk_arrived(network->config.desk, sent->number);
    }
    return MU_OK;
}

/* Whoever was there and is not heard of any more will be found to have gone. */
static void seed_desk(mu_network *network)
{
    for (uint32_t device = 0; device < mu_desk_devices(network->config.desk); device++) {
        const mu_told *told = &network->told[device];
        mu_desk_report report = mu_told_report(told);
        if (told->is_there)
            mu_desk_heard(network->config.desk, device, mu_clock_monotonic_s(), &report);
    }
}

mu_status mu_network_open_up(mu_network *network, mu_error *err)
{
    if (network->is_open)
        return MU_OK;
    network->is_open = true;
    seed_desk(network);
    mu_status status = mu_store_each_update(network->config.store, note_arrived, network, err);
    if (!status && network->config.live)
        network->config.live(network->config.self);
    return status;
}

/* Once more for tasks that were sent since it was opened up. */
static mu_status go_live(mu_network *network, mu_error *err)
{
    network->is_replaying = false;
    return network->is_open ? mu_store_each_update(network->config.store, note_arrived, network, err) : mu_network_open_up(network, err);
}

/* ---- what asks came to ---- */

mu_status mu_network_keep_looked(mu_network *network, const void *bytes, size_t size_bytes, mu_error *err)
{
    mu_status status = enqueue(network, (mu_waiting){ .kind = MU_WAITING_LOOKED, .at = mu_network_now(network) }, bytes, size_bytes, err);
    return status ? status : write_journal(network, err);
}

static bool is_stale(const mu_network *network, const mu_waiting *event)
{
    return event->is_replayed && event->epoch != (network->epoch & EPOCH_MASK);
}

const mu_waiting *mu_network_find_looked(mu_network *network, const unsigned char *digest, size_t digest_bytes)
{
    for (size_t i = network->queue_first; i < network->queue_count; i++) {
        mu_waiting *event = &network->queue[i];
        if (event->kind != MU_WAITING_LOOKED || !event->is_replayed || is_stale(network, event) || event->extra_bytes < digest_bytes ||
            memcmp(event->extra, digest, digest_bytes) != 0)
            continue;
        event->is_replayed = false; /* from now on it is one that was only kept */
        return event;
    }
    return NULL;
}

/* ---- handing out ---- */

static mu_status hand_lost(mu_network *network, mu_sent *sent, const char *reason, mu_event *event)
{
    size_t length = strlen(reason) < sizeof network->reason ? strlen(reason) : sizeof network->reason - 1;
    memcpy(network->reason, reason, length);
    network->reason[length] = '\0';
    double spent_s = mu_time_to_s(event->at - sent->sent_at);
    event->kind = MU_EVENT_LOST;
    event->reason = network->reason;
    event->spent_share = sent->planned_s > 0 && spent_s < sent->planned_s ? spent_s / sent->planned_s : 1.0;
    mu_network_end_task(network, sent);
    return MU_OK;
}

/* What was acknowledged is there, or the disk has lost it: then the federation does without it. */
static mu_status hand_arrived(mu_network *network, mu_sent *sent, mu_event *event, mu_error *err)
{
    mu_error why = { 0 };
    event->kind = MU_EVENT_ARRIVED;
    mu_status status = mu_network_read_update(network, sent, &event->update, &why);
    if (status == MU_E_MEMORY) {
        if (err)
            *err = why;
        return status;
    }
    if (status)
        return hand_lost(network, sent, why.message, event);
    event->measured = &network->measured;
    status = mu_told_learn(network, sent, network->measured.compute_s, err);
    mu_network_end_task(network, sent);
    return status;
}

/* A device that is there and comes again has nothing new to say, or it goes first: what it told is taken back and told anew. */
static mu_status hand_presence(mu_network *network, const mu_waiting *from, mu_event *event, bool *handed, bool *again, mu_error *err)
{
    mu_told *told = &network->told[from->device];
    event->kind = MU_EVENT_WENT;
    event->device = from->device;
    if (from->kind == MU_WAITING_WENT) {
        *handed = told->is_there;
        told->is_there = false;
        return MU_OK;
    }
    mu_told now;
    memcpy(&now, from->extra, sizeof now);
    now.device = from->device;
    now.settled = told->settled;
    now.speed = told->speed;
    now.is_known = now.is_there = true;
    if (told->is_there) {
        *handed = *again = memcmp(told, &now, sizeof now) != 0;
        told->is_there = !*again;
        return MU_OK;
    }
    *told = now;
    event->kind = MU_EVENT_CAME;
    return mu_told_apply(network, told, err);
}

static bool drop_timer(mu_network *network, uint64_t label)
{
    for (uint32_t i = 0; i < network->timer_count; i++)
        if (network->timers[i].label == label) {
            network->timers[i] = network->timers[--network->timer_count];
            return true;
        }
    return false;
}

/* *handed false: what it was about is over. It was overtaken by an event before it, and will be again. *again: there is more to it, so it comes next too. */
static mu_status hand_out(mu_network *network, const mu_waiting *from, mu_event *event, bool *handed, bool *again, mu_error *err)
{
    *handed = true;
    *again = false;
    *event = (mu_event){ .at = from->at > network->last_at ? from->at : network->last_at };
    mu_sent *sent = from->kind <= MU_WAITING_LOST ? mu_network_find(network, from->task) : NULL;
    if (from->kind <= MU_WAITING_LOST && !sent) {
        *handed = false;
        return MU_OK;
    }
    if (sent)
        event->task = sent->id;
    switch (from->kind) {
    case MU_WAITING_ARRIVED: return hand_arrived(network, sent, event, err);
    case MU_WAITING_LOST: return hand_lost(network, sent, (const char *)from->extra, event);
    case MU_WAITING_TIMER:
        event->kind = MU_EVENT_TIMER;
        event->label = from->label;
        *handed = drop_timer(network, from->label);
        return MU_OK;
    case MU_WAITING_CAME:
    case MU_WAITING_WENT: return hand_presence(network, from, event, handed, again, err);
    case MU_WAITING_LOOKED: *handed = false; return MU_OK;
    }
    return MU_OK;
}

/* After a resume, the devices that were there when the checkpoint was made. */
static bool tell_again(mu_network *network, mu_event *event)
{
    while (network->told_again < network->tell_again) {
        uint32_t device = network->told_again++;
        if (!network->told[device].is_there)
            continue;
        *event = (mu_event){ .kind = MU_EVENT_CAME, .at = network->last_at, .device = device };
        return true;
    }
    return false;
}

mu_status mu_network_next(void *self, mu_event *event, mu_error *err)
{
    mu_network *network = self;
    if (tell_again(network, event))
        return MU_OK;
    for (;;) {
        mu_status status = MU_OK;
        if (network->queue_first == network->queue_count) {
            if (network->is_replaying)
                status = go_live(network, err);
            if (!status)
                status = gather(network, err);
        }
        if (status)
            return status;
        mu_waiting from = network->queue[network->queue_first++];
        bool handed = false, again = false;
        if (!is_stale(network, &from))
            status = hand_out(network, &from, event, &handed, &again, err);
        if (again)
            network->queue_first--;
        else
            free(from.extra);
        if (status || handed) {
            network->last_at = event->at;
            return status;
        }
    }
}
