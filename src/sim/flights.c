/* The carrier in virtual time: tasks sent, trained by workers, and arriving when the price list says.
 *
 *   send ----> waiting ----> admitted (a worker trains it) ----> its moment comes: next() waits for the worker, if need be
 *      \-----> doomed (the device goes away first) ------------> its moment comes: lost
 *
 * Results are large, a model each, so only `window` of them exist at once. They are admitted in the order in which they will be
 * asked for; among those admitted, the pool runs the longest first. */
#include "sim/simulator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_FLIGHT, LABEL_TIMER_FIRST };

static void read_device_examples(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const mu_device_examples *source = self;
    mu_data_read(source->data, source->device, indices, count, x, labels);
}

mu_examples mu_device_examples_of(const mu_device_examples *source)
{
    return (mu_examples){ .self = source, .count = mu_data_num_examples(source->data, source->device), .read = read_device_examples };
}

/* ---- on a worker ---- */

/* Floats of a result: the change, and what the method's half on the device sends. */
static size_t result_count(const mu_simulator *sim)
{
    return (1 + (size_t)sim->crossing.sent) * mu_model_state_count(sim->model);
}

/* Behind them: which classes the device has. */
static bool *classes_behind(const mu_simulator *sim, float *delta)
{
    return (bool *)(delta + result_count(sim));
}

/* What the device would measure of itself: its speed at the moment that it has come to. */
static double afford(const void *clock, const mu_plan *plan, uint64_t done_macs)
{
    const mu_flight *flight = clock;
    const mu_task *task = &flight->task;
    mu_work done = { .macs = { done_macs }, .bytes_down = task->work.bytes_down };
    return mu_fleet_afford(flight->simulator->fleet, task->device, task->sent_at, &done, plan->step_time_s);
}

static void train(mu_job *job, uint32_t worker)
{
    mu_flight *flight = (mu_flight *)job;
    mu_simulator *sim = flight->simulator;
    mu_device_examples source = { sim->data, flight->task.device };
    mu_examples examples = mu_device_examples_of(&source);
    const float *received[MU_VECTORS_MAX], *own[MU_VECTORS_MAX];
    float *sent[MU_VECTORS_MAX];
    for (uint32_t i = 0; i < sim->crossing.received; i++)
        received[i] = mu_version_received(flight->start, i);
    mu_simulator_own_of(sim, flight->task.device, own);
    for (uint32_t i = 0; i < sim->crossing.sent; i++)
        sent[i] = flight->delta + (1 + (size_t)i) * mu_model_state_count(sim->model);
    mu_local local = { .how = sim->how.method->how, .state = sim->how.state, .received = received, .own = own, .sent = sent,
                       .classes = classes_behind(sim, flight->delta), .afford = afford, .clock = flight };
    flight->status = mu_trainer_run(sim->trainers[worker], &flight->task.plan, &examples, mu_version_state(flight->start), sim->seed,
                                    flight->task.device, &local, &flight->stop, flight->delta, &flight->update, &flight->error);
    for (uint32_t i = 0; i < sim->crossing.sent; i++)
        flight->update.sent[i] = sent[i];
}

/* ---- open flights by task ---- */

static uint32_t bucket_of(const mu_simulator *sim, mu_task_id id)
{
    return (uint32_t)(id.value * 0x9E3779B97F4A7C15ull >> 32) & sim->by_task_mask;
}

static mu_status grow_table(mu_simulator *sim, mu_error *err)
{
    uint32_t size = sim->by_task ? 2 * (sim->by_task_mask + 1) : 64;
    mu_flight **old = sim->by_task, **table = calloc(size, sizeof(mu_flight *));
    if (!table)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u tasks in flight", size);
    uint32_t old_size = old ? sim->by_task_mask + 1 : 0;
    sim->by_task = table;
    sim->by_task_mask = size - 1;
    for (uint32_t i = 0; i < old_size; i++)
        for (mu_flight *flight = old[i], *next; flight; flight = next) {
            next = flight->next;
            uint32_t bucket = bucket_of(sim, flight->task.id);
            flight->next = table[bucket];
            table[bucket] = flight;
        }
    free(old);
    return MU_OK;
}

static mu_status open_flight(mu_simulator *sim, mu_flight *flight, mu_error *err)
{
    if (!sim->by_task || sim->open_count > sim->by_task_mask) {
        mu_status status = grow_table(sim, err);
        if (status)
            return status;
    }
    uint32_t bucket = bucket_of(sim, flight->task.id);
    flight->next = sim->by_task[bucket];
    sim->by_task[bucket] = flight;
    sim->open_count++;
    return MU_OK;
}

static mu_flight *close_flight(mu_simulator *sim, mu_task_id id)
{
    mu_flight **at = &sim->by_task[bucket_of(sim, id)];
    while (*at && (*at)->task.id.value != id.value)
        at = &(*at)->next;
    mu_flight *flight = *at;
    MU_ASSERT(flight);
    *at = flight->next;
    sim->open_count--;
    return flight;
}

/* ---- memory of flights and results ---- */

static mu_flight *take_flight(mu_simulator *sim)
{
    mu_flight *flight = sim->free_flights;
    if (flight) {
        sim->free_flights = flight->next;
        memset(flight, 0, sizeof *flight);
        return flight;
    }
    return calloc(1, sizeof *flight);
}

static void give_back_delta(mu_simulator *sim, mu_flight *flight)
{
    if (flight->delta)
        sim->free_deltas[sim->free_delta_count++] = flight->delta;
    flight->delta = NULL;
}

static void recycle(mu_simulator *sim, mu_flight *flight)
{
    give_back_delta(sim, flight);
    mu_version_release(flight->start);
    flight->start = NULL;
    flight->next = sim->free_flights;
    sim->free_flights = flight;
}

static mu_status take_delta(mu_simulator *sim, float **out, mu_error *err)
{
    if (sim->free_delta_count == 0) {
        float **list = realloc(sim->free_deltas, (sim->delta_count + 1) * sizeof *list);
        if (list)
            sim->free_deltas = list;
        float *delta = list ? mu_arena_block(result_count(sim) * sizeof(float) + mu_model_classes(sim->model) * sizeof(bool)) : NULL;
        if (!delta)
            return mu_error_set(err, MU_E_MEMORY, "no memory for an update of %zu parameters", mu_model_state_count(sim->model));
        sim->delta_count++;
        sim->free_deltas[sim->free_delta_count++] = delta;
    }
    *out = sim->free_deltas[--sim->free_delta_count];
    return MU_OK;
}

static mu_status admit(mu_simulator *sim, mu_flight *flight, mu_error *err)
{
    mu_status status = take_delta(sim, &flight->delta, err);
    if (status)
        return status;
    flight->state = MU_FLIGHT_ADMITTED;
    flight->job = (mu_job){ .run = train, .expected_cost = (double)flight->task.price.macs };
    mu_pool_submit(sim->pool, &flight->job);
    return MU_OK;
}

/* Fill the window. Entries whose flight was cancelled, or admitted ahead of its turn, are met here and passed over. */
static mu_status admit_waiting(mu_simulator *sim, mu_error *err)
{
    while (sim->delta_count - sim->free_delta_count < sim->window) {
        mu_queued entry;
        if (!mu_event_queue_take(&sim->waiting, &entry))
            return MU_OK;
        mu_flight *flight = entry.item;
        if (flight->state != MU_FLIGHT_QUEUED || flight->task.id.value != entry.label)
            continue;
        mu_status status = admit(sim, flight, err);
        if (status)
            return status;
    }
    return MU_OK;
}

/* ---- the carrier ---- */

static mu_status sim_send(void *self, const mu_task *task, mu_version *start, mu_error *err)
{
    mu_simulator *sim = self;
    mu_flight *flight = take_flight(sim);
    if (!flight)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a task");
    flight->simulator = sim;
    flight->task = *task;
    mu_time_us duration = mu_time_from_s(task->price.download_s + task->price.compute_s + task->price.upload_s);
    flight->ends_at = duration < MU_TIME_NEVER - task->sent_at ? task->sent_at + duration : MU_TIME_NEVER;
    mu_time_us goes_off = mu_fleet_goes_off(sim->fleet, task->device, task->sent_at);
    flight->lost_because = "the device went away";
    if (task->battery_ends_at && task->battery_ends_at < goes_off) {
        goes_off = task->battery_ends_at;
        flight->lost_because = "the battery ran out";
    }
    if (goes_off < flight->ends_at) {
        flight->state = MU_FLIGHT_DOOMED;
        flight->spent_share = (double)(goes_off - task->sent_at) / (double)duration;
        flight->ends_at = goes_off;
    }
    mu_status status = open_flight(sim, flight, err);
    if (status) {
        recycle(sim, flight);
        return status;
    }
    mu_version_retain(start);
    flight->start = start;
    status = mu_event_queue_put(&sim->events, flight->ends_at, LABEL_FLIGHT, flight, err);
    if (status) {
        recycle(sim, close_flight(sim, task->id));
        return status;
    }
    /* From here on its entry among the events is what it will be found by, and freed. */
    if (flight->state == MU_FLIGHT_QUEUED && !sim->dry)
        status = mu_event_queue_put(&sim->waiting, flight->ends_at, task->id.value, flight, err);
    return status;
}

/* Make sure that no worker holds the flight. */
static void take_from_workers(mu_simulator *sim, mu_flight *flight)
{
    atomic_store_explicit(&flight->stop, true, memory_order_relaxed);
    if (!mu_pool_withdraw(sim->pool, &flight->job))
        mu_pool_wait(sim->pool, &flight->job);
}

static mu_status sim_cancel(void *self, const mu_task *task, double *spent_share, mu_error *err)
{
    mu_simulator *sim = self;
    (void)err;
    mu_flight *flight = close_flight(sim, task->id);
    if (flight->state == MU_FLIGHT_ADMITTED)
        take_from_workers(sim, flight);
    give_back_delta(sim, flight);
    double whole_s = task->price.download_s + task->price.compute_s + task->price.upload_s;
    double spent_s = mu_time_to_s(sim->now - task->sent_at);
    *spent_share = whole_s > 0 && spent_s < whole_s ? spent_s / whole_s : 1.0;
    mu_version_release(flight->start);
    flight->start = NULL;
    flight->state = MU_FLIGHT_CANCELLED; /* its event still points to it */
    return MU_OK;
}

static mu_status sim_set_timer(void *self, mu_time_us at, uint64_t label, mu_error *err)
{
    mu_simulator *sim = self;
    return mu_event_queue_put(&sim->events, at, LABEL_TIMER_FIRST + label, NULL, err);
}

static mu_status deliver(mu_simulator *sim, mu_flight *flight, mu_event *event, mu_error *err)
{
    sim->delivered = close_flight(sim, flight->task.id);
    event->task = flight->task.id;
    if (flight->state == MU_FLIGHT_DOOMED) {
        event->kind = MU_EVENT_LOST;
        event->spent_share = flight->spent_share;
        event->reason = flight->lost_because;
        return MU_OK;
    }
    if (sim->dry) {
        event->kind = MU_EVENT_ARRIVED;
        event->update = (mu_update){
            .num_examples = mu_data_num_examples(sim->data, flight->task.device), .train_loss = NAN, .train_accuracy = NAN,
            .train_squared_loss = NAN,
        };
        return MU_OK;
    }
    if (flight->state == MU_FLIGHT_QUEUED) { /* the window was full of others: this one is due, so it goes past them */
        mu_status status = admit(sim, flight, err);
        if (status)
            return status;
    }
    mu_pool_wait(sim->pool, &flight->job);
    if (flight->status) {
        if (err)
            *err = flight->error;
        return mu_error_prefix(err, flight->status, "device %u: ", flight->task.device);
    }
    event->kind = MU_EVENT_ARRIVED;
    event->update = flight->update;
    return MU_OK;
}

static mu_status sim_next(void *self, mu_event *event, mu_error *err)
{
    mu_simulator *sim = self;
    if (sim->delivered) {
        recycle(sim, sim->delivered);
        sim->delivered = NULL;
    }
    mu_status status = admit_waiting(sim, err);
    mu_queued entry;
    while (!status) {
        if (!mu_event_queue_take(&sim->events, &entry))
            return mu_error_set(err, MU_E_STATE, "nothing is under way and nothing will happen any more");
        mu_flight *flight = entry.item;
        if (flight && flight->state == MU_FLIGHT_CANCELLED) {
            recycle(sim, flight);
            continue;
        }
        sim->now = event->at = entry.at;
        if (flight)
            return deliver(sim, flight, event, err);
        event->kind = MU_EVENT_TIMER;
        event->label = entry.label - LABEL_TIMER_FIRST;
        return MU_OK;
    }
    return status;
}

static size_t sim_peak_memory_bytes(void *self)
{
    const mu_simulator *sim = self;
    size_t peak = 0;
    for (uint32_t i = 0; i < sim->workers; i++)
        if (mu_trainer_peak_bytes(sim->trainers[i]) > peak)
            peak = mu_trainer_peak_bytes(sim->trainers[i]);
    return peak;
}

mu_carrier mu_simulator_carrier(mu_simulator *sim)
{
    return (mu_carrier){
        .self = sim, .send = sim_send, .cancel = sim_cancel, .set_timer = sim_set_timer, .next = sim_next,
        .settled = mu_simulator_settled, .save = mu_simulator_save_own, .restore = mu_simulator_restore_own,
        .evaluate = mu_simulator_evaluate, .evaluate_devices = mu_simulator_evaluate_devices,
        .statistics = mu_simulator_statistics, .peak_memory_bytes = sim_peak_memory_bytes,
    };
}

void mu_simulator_release_flights(mu_simulator *sim)
{
    if (sim->delivered)
        recycle(sim, sim->delivered);
    for (mu_queued entry; mu_event_queue_take(&sim->events, &entry);) {
        mu_flight *flight = entry.item;
        if (!flight)
            continue;
        if (flight->state == MU_FLIGHT_ADMITTED)
            take_from_workers(sim, flight);
        recycle(sim, flight);
    }
    for (mu_flight *flight = sim->free_flights, *next; flight; flight = next) {
        next = flight->next;
        free(flight);
    }
    for (uint32_t i = 0; i < sim->free_delta_count; i++)
        mu_arena_block_free(sim->free_deltas[i]);
    free(sim->free_deltas);
    free(sim->by_task);
    mu_event_queue_release(&sim->events);
    mu_event_queue_release(&sim->waiting);
}
