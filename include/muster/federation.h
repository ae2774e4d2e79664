/* The federation: an event-driven state machine over a carrier. It cannot tell whether devices are simulated or real: what differs, the carrier
 * declares (tells_presence, and the calls that it leaves out). */
#ifndef MUSTER_FEDERATION_H
#define MUSTER_FEDERATION_H

#include "muster/data.h"
#include "muster/device.h"
#include "muster/method.h"
#include "muster/model.h"

/* Which method answers a question, and its state (shared where one method answers several). */
typedef struct mu_answer {
    const mu_method *method;
    void            *state;
} mu_answer;

/* ---- the carrier: takes plans to devices and brings events back ---- */

/* CAME, WENT: only from a carrier that tells presence. A device may go and come back while it is busy; its task goes on until it is lost. CAME
 * for one that is there and WENT for one that is not change nothing. */
typedef enum mu_event_kind { MU_EVENT_ARRIVED, MU_EVENT_LOST, MU_EVENT_TIMER, MU_EVENT_CAME, MU_EVENT_WENT } mu_event_kind;

typedef struct mu_event {
    mu_event_kind kind;
    mu_time_us    at;
    mu_task_id    task;        /* ARRIVED, LOST */
    mu_update     update;      /* ARRIVED: valid until the next call of `next` */
    double        spent_share; /* LOST: how much of the task's price was spent */
    const char   *reason;      /* LOST */
    uint64_t      label;       /* TIMER */
    uint32_t      device;      /* CAME, WENT */
    /* ARRIVED: what the task really cost its device: it takes the place of the planned price in all accounts. NULL: not measured. A member that
     * is 0, below 0, not finite or above the bound of its kind is not known: the planned one stands. `fits` says nothing. */
    const mu_price *measured;
} mu_event;

/* What a device may say of a task that it has done: more is nonsense, and could spoil sums. */
#define MU_MEASURED_TIME_MAX_S   1e6                 /* each leg; eleven days */
#define MU_MEASURED_ENERGY_MAX_J 1e9
#define MU_MEASURED_BYTES_MAX    ((uint64_t)1 << 44) /* of traffic, and of memory */
#define MU_MEASURED_MACS_MAX     ((uint64_t)1 << 60)

/* A model that tasks in flight started from, with the vectors that go down with it. Counted: the last one to release it frees it. */
typedef struct mu_version mu_version;
MU_API const float *mu_version_state(const mu_version *version);
MU_API const float *mu_version_received(const mu_version *version, uint32_t index);
MU_API void         mu_version_retain(mu_version *version);
MU_API void         mu_version_release(mu_version *version);

typedef struct mu_carrier {
    void *self;
    /* Nobody is present at first, and then who the carrier says came (MU_EVENT_CAME) and has not gone (MU_EVENT_WENT). After a resume nobody is
     * present again until it says so. false: who is there is computed from the fleet. With it, the fleet may not have an availability, a
     * variation or batteries of its own. */
    bool tells_presence;
    mu_status (*send)(void *self, const mu_task *task, mu_version *start, mu_error *err);
    /* The update of a task was merged: the device may settle what it keeps (mu_how.settled). NULL: devices keep nothing. */
    mu_status (*settled)(void *self, const mu_task *task, const mu_update *update, mu_error *err);
    /* Stop a task; no event comes for it any more. *spent_share says how much of its price it had cost. */
    mu_status (*cancel)(void *self, const mu_task *task, double *spent_share, mu_error *err);
    mu_status (*set_timer)(void *self, mu_time_us at, uint64_t label, mu_error *err);
    /* The next event, in the order of time, ties as they were sent. MU_E_STATE: nothing is under way, so nothing will ever come. */
    mu_status (*next)(void *self, mu_event *event, mu_error *err);
    /* The server's look at a model, or at parts of it (only where the data have a test set, or tiers are asked for): each of `parts` [part_count, at least 1] on the test set (tests [part_count]), and the first one on up
     * to `tier_examples` local examples per tier (tiers may be NULL, and are where there is no evaluate_devices); of tiers only the counts are used. */
    mu_status (*evaluate)(void *self, const float *state, const mu_usable *parts, uint32_t part_count, uint32_t tier_examples,
                          mu_evaluation *tests, mu_evaluation *tiers, mu_error *err);
    /* A part of the current model on up to `examples_each` own examples of each device; with `own_classes`, logits of classes that a device has no
     * example of count as 0. A device that is not there, or does not answer, has looked at none. NULL: devices' examples are not here, and nobody
     * looks at them. */
    mu_status (*evaluate_devices)(void *self, const float *state, const mu_usable *part, bool own_classes, const uint32_t *devices,
                                  uint32_t count, uint32_t examples_each, mu_evaluation *each, mu_error *err);
    /* Batch norms' running statistics of a part of `state` [state_count], found anew over up to `examples_each` (0: all) own examples of each device
     * and put there; over nobody's, they stay. NULL: devices' examples are not here; then MU_NORM_STATISTICS_DEVICES is refused. */
    mu_status (*statistics)(void *self, const mu_usable *part, const uint32_t *devices, uint32_t count, uint32_t examples_each, float *state,
                            mu_error *err);
    size_t (*peak_memory_bytes)(void *self); /* the most that one local training has taken */
    /* What devices keep, for a carrier that plays them itself: tasks and timers are sent again after a resume. NULL: nothing.
     * `save` with `into` NULL only says how many bytes. */
    size_t (*save)(void *self, unsigned char *into);
    mu_status (*restore)(void *self, const unsigned char *from, size_t size_bytes, mu_error *err);
    /* A checkpoint is on the disk, for good: what led to it will not be asked for again. NULL: nobody wants to know. */
    mu_status (*saved)(void *self, mu_error *err);
} mu_carrier;

/* ---- what the federation tells whoever watches ---- */

#define MU_TIERS_MAX 16

/* A part of the model that is used by itself (mu_what.usable). */
typedef struct mu_width_report {
    double   width;            /* what its method calls it by */
    uint64_t parameters, macs; /* trainable ones; multiply-accumulates of one example, forward */
    double   loss, accuracy;   /* on the test set; NAN: not evaluated */
} mu_width_report;

/* Once for each version of the model; round 0 is the model before any training. Accuracy and loss are those of the first of the parts that
 * are used by themselves: of the whole model, where its method names none. */
typedef struct mu_round_report {
    uint32_t   round, rounds;
    mu_time_us time;
    uint32_t   selected, merged, lost, late, refused, discarded; /* in this round */
    double     train_loss, train_accuracy;          /* means over merged updates, weighted by examples; NAN when none */
    bool       evaluated;
    double     loss, accuracy;                      /* on the test set; NAN when not evaluated */
    uint32_t   tier_count;
    double     tier_accuracy[MU_TIERS_MAX];         /* on the devices' own examples; NAN when not evaluated */
    uint32_t   width_count;                         /* when evaluated, those that the method names; 0: it names none */
    const mu_width_report *widths;                  /* [width_count] widest first; borrowed for the call */
    double     mean_staleness;                      /* of merged updates, in versions */
    uint32_t   max_staleness;
    uint32_t   tasks_open;                          /* when the round ended */
    uint64_t   bytes_up, bytes_down, bytes_peer, macs; /* in this round; peer: from device to device, beside the others */
    double     energy_j, device_time_s, wasted_time_s; /* in this round, all devices together */
    double     idle_energy_j;                       /* of devices that were present and had nothing to do; not in energy_j */
} mu_round_report;

typedef enum mu_happening {
    MU_HAPPENED_SENT,
    MU_HAPPENED_MERGED,
    MU_HAPPENED_LOST,      /* the device went away in the middle */
    MU_HAPPENED_CANCELLED, /* still at work when the round was over; counted as late */
    MU_HAPPENED_REFUSED,   /* the update was not sound */
    MU_HAPPENED_DISCARDED, /* it came too late to be of use */
} mu_happening;
MU_API const char *mu_happening_name(mu_happening happening); /* "sent", "merged", ... */

typedef struct mu_event_report {
    mu_happening   happening;
    mu_time_us     at;
    uint32_t       round; /* being worked on: version + 1 */
    const mu_task *task;
    const char    *reason; /* LOST, REFUSED, DISCARDED; else NULL */
    double         train_loss; /* MERGED */
    uint32_t       staleness;  /* MERGED: versions made since it was sent */
    uint32_t       num_examples;
} mu_event_report;

/* All may be NULL. A status other than MU_OK ends the run with it. */
typedef struct mu_observer {
    void *self;
    mu_status (*round)(void *self, const mu_round_report *report, mu_error *err);
    mu_status (*event)(void *self, const mu_event_report *report, mu_error *err);
    /* A device came or went, as the carrier tells it: also one that cannot take part. After a resume those who are there come again. */
    mu_status (*presence)(void *self, mu_time_us at, uint32_t device, bool came, mu_error *err);
    bool (*stop)(void *self); /* asked after every event: true ends the run with MU_E_INTERRUPTED, at the last checkpoint */
    /* The observer's own place (lengths of its files ...), kept in the checkpoint and handed back on resume. */
    mu_status (*save)(void *self, uint8_t place[256], mu_error *err);
    mu_status (*restore)(void *self, const uint8_t place[256], mu_error *err);
} mu_observer;

typedef struct mu_totals {
    uint64_t   afforded_macs; /* by tasks with a pace (mu_work.afforded_macs); 0: there were none */
    uint64_t   bytes_up, bytes_down, bytes_peer, macs, updates_merged, updates_lost, updates_late, updates_refused, updates_discarded;
    uint64_t   events; /* arrivals, losses, timers, comings and goings that were told */
    double     energy_j, idle_energy_j, device_time_s, wasted_time_s;
    double     staleness_sum; /* over merged updates */
    uint32_t   max_staleness;
    mu_time_us time;
    uint32_t   rounds;
    double     best_accuracy, final_accuracy, final_loss;
    double     tier_accuracy[MU_TIERS_MAX];
    uint32_t   width_count; /* as in mu_round_report */
    mu_width_report widths[MU_USABLE_MAX];
    uint64_t   peak_memory_bytes; /* the most that one device's training was planned to take, or measured to */
    uint32_t   devices_without_memory; /* for the plan that they would get at the start: they are not asked */
    uint32_t   devices_without_examples; /* both: with told presence, of those that have come, when each last came */
} mu_totals;

/* Which statistics batch norms have when a version is looked at. */
typedef enum mu_norm_statistics {
    MU_NORM_STATISTICS_TRAINED, /* those that were merged with the weights */
    MU_NORM_STATISTICS_DEVICES, /* found anew over devices' own examples. Training goes on with those that were merged; the last version keeps what was found */
} mu_norm_statistics;

typedef struct mu_federation_config {
    const mu_model *model;
    const mu_units *units; /* the model's; NULL: no plan keeps a part of it */
    const mu_data  *data;
    const mu_fleet *fleet;
    mu_answer       answers[MU_QUESTION_COUNT];
    mu_train_config train;
    uint64_t        seed;
    uint32_t        rounds;
    uint32_t        start_devices; /* with told presence: the first round begins once so many who can take part are there; 0: one. Without: as it is */
    uint32_t        evaluate_every_rounds; /* 0: only the last one */
    uint32_t        tier_examples;
    uint32_t        look_devices;          /* mu_federation_look_at_devices; 0: none */
    uint32_t        look_examples;         /* of each of them, at most */
    bool            look_own_classes;      /* by the classes that it has */
    int             norm_statistics;       /* a mu_norm_statistics */
    uint32_t        statistics_devices;    /* on whose examples they are found, at most ... */
    uint32_t        statistics_examples;   /* ... and on how many of each; 0: all */
    uint32_t        checkpoint_every_rounds; /* at least 1 */
    const char     *checkpoint_path;       /* NULL: none is written */
    bool            resume;                /* from checkpoint_path */
    const float    *start;                 /* first weights [state_count]; NULL: initialised from the seed */
} mu_federation_config;

typedef struct mu_federation mu_federation;

MU_API mu_status mu_federation_create(const mu_federation_config *config, const mu_carrier *carrier, const mu_observer *observer,
                                      mu_federation **out, mu_error *err);
MU_API void      mu_federation_destroy(mu_federation *federation); /* NULL is fine */
/* Does what becomes of a round not depend on which of its tasks comes in first (mu_when.waits_for_all)? Then a carrier that hands out what has come in
 * the order in which it was planned to makes the same model whatever the network does. */
MU_API bool mu_federation_waits_for_all(const mu_federation_config *config);
/* Until `rounds` versions are there, the observer stops it, or nothing can go on. */
MU_API mu_status mu_federation_run(mu_federation *federation, mu_error *err);
/* The last version on up to config.look_examples own examples of config.look_devices devices, drawn once for all from those that have
 * examples. *devices [*count], ascending, and *each [*count] are malloc'ed, the caller's; *count is 0 in a dry run. */
MU_API mu_status mu_federation_look_at_devices(mu_federation *federation, uint32_t **devices, mu_evaluation **each, uint32_t *count,
                                               mu_error *err);
MU_API const mu_totals  *mu_federation_totals(const mu_federation *federation);
MU_API const float      *mu_federation_state(const mu_federation *federation);
MU_API const mu_history *mu_federation_history(const mu_federation *federation, uint32_t device);
MU_API mu_time_us        mu_federation_idle_time(const mu_federation *federation, uint32_t device); /* present, with nothing to do */

#endif
