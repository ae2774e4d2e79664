/* The simulator's inside: the carrier in virtual time. Devices train for real, on worker threads; only time is virtual. */
#ifndef MUSTER_SIM_SIMULATOR_H
#define MUSTER_SIM_SIMULATOR_H

#include "base/pool.h"
#include "muster/experiment.h"
#include "sim/event_queue.h"

#include <stdatomic.h>

typedef struct mu_simulator mu_simulator;

/* A task on its way through virtual time. Its end is known when it is sent, by the price list; its result is computed sometime
 * before that end is reached. */
typedef struct mu_flight {
    mu_job        job; /* first: the pool hands it back */
    mu_simulator *simulator;
    mu_task       task;
    mu_version   *start;
    mu_time_us    ends_at;
    double        spent_share;  /* when lost */
    const char   *lost_because; /* the same */
    enum {
        MU_FLIGHT_QUEUED,    /* will arrive; not yet handed to a worker */
        MU_FLIGHT_ADMITTED,  /* has a place for its result, and is with the workers */
        MU_FLIGHT_DOOMED,    /* the device will be gone before it is done: nothing is trained */
        MU_FLIGHT_CANCELLED, /* nobody waits for it; its entry in the queue is still to be met */
    } state;
    float            *delta; /* and behind it what the method's half on the device sends, and which classes the device has */
    atomic_bool       stop;
    mu_update         update;
    mu_status         status;
    mu_error          error;
    struct mu_flight *next; /* in the list of flights by task, or of free ones */
} mu_flight;

typedef struct mu_tier_examples mu_tier_examples; /* own.c: what the simulated devices keep from task to task. */
mu_status mu_simulator_create_own(mu_simulator *simulator, mu_error *err);
void      mu_simulator_release_own(mu_simulator *simulator);
void      mu_simulator_own_of(const mu_simulator *simulator, uint32_t device, const float *own[MU_VECTORS_MAX]);
mu_status mu_simulator_settled(void *self, const mu_task *task, const mu_update *update, mu_error *err);
size_t    mu_simulator_save_own(void *self, unsigned char *into);
mu_status mu_simulator_restore_own(void *self, const unsigned char *from, size_t size_bytes, mu_error *err);

/* evaluate.c */

struct mu_simulator {
    const mu_model      *model;
    const mu_units      *units;
    const mu_data       *data;
    const mu_fleet      *fleet;
    uint64_t             seed;
    bool                 dry;
    mu_answer            how;
    mu_vectors           crossing; /* how's */
    float              **own;      /* [device_count] what devices keep, once they have something; NULL when the method keeps nothing there */
    const float         *nothing;  /* [crossing.own * state_count] zeros: what a device keeps before its first task */
    uint32_t             workers;
    mu_pool             *pool;
    mu_trainer         **trainers;   /* [workers] */
    mu_trainer         **evaluators; /* [workers]; apart, so that neither plan pushes out the other, nor counts in its peak */

    mu_time_us      now;
    mu_event_queue  events;  /* all there is to come */
    mu_event_queue  waiting; /* flights that are still to be admitted, by when they end */
    mu_flight     **by_task; /* hash of open flights by task id */
    uint32_t        by_task_mask, open_count;
    mu_flight      *free_flights;
    mu_flight      *delivered; /* what the last event handed out; its memory is free at the next call */

    float  **free_deltas;
    uint32_t free_delta_count, delta_count, window; /* results that may exist at once: bounded by workers, not by devices */

    mu_tier_examples *tiers; /* [tier_count], made at the first evaluation */
};

/* flights.c */
mu_carrier mu_simulator_carrier(mu_simulator *simulator);
void       mu_simulator_release_flights(mu_simulator *simulator);

/* evaluate.c */
mu_status mu_simulator_evaluate(void *self, const float *state, const mu_usable *parts, uint32_t part_count, uint32_t tier_examples,
                                mu_evaluation *tests, mu_evaluation *tiers, mu_error *err);
mu_status mu_simulator_evaluate_devices(void *self, const float *state, const mu_usable *part, bool own_classes, const uint32_t *devices,
                                        uint32_t count, uint32_t examples_each, mu_evaluation *each, mu_error *err);
void      mu_simulator_release_tiers(mu_simulator *simulator);

/* statistics.c */
mu_status mu_simulator_statistics(void *self, const mu_usable *part, const uint32_t *devices, uint32_t count, uint32_t examples_each,
                                  float *state, mu_error *err);

/* A device's own examples, as the trainer asks for them. */
typedef struct mu_device_examples {
    const mu_data *data;
    uint32_t       device;
} mu_device_examples;
mu_examples mu_device_examples_of(const mu_device_examples *source);

#endif
