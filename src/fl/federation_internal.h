/* What the files of src/fl share: the federation's own struct. */
#ifndef MUSTER_FL_FEDERATION_INTERNAL_H
#define MUSTER_FL_FEDERATION_INTERNAL_H

#include "muster/federation.h"

struct mu_version {
    uint32_t references; /* of the federation and of tasks; only the federation's thread counts */
    float    state[];
};

/* A distinct method among the six answers, with what it keeps. */
typedef struct mu_kept {
    const mu_method *method;
    void            *state;
    float           *vectors; /* [server_vectors][state_count] */
} mu_kept;

typedef struct mu_task_slot {
    mu_task  task;
    bool     used;
    uint32_t next_free;
} mu_task_slot;

/* What a plan takes on a device that must make it fit: found once. */
#define MU_FITTED_MAX 256
typedef struct mu_fitted {
    mu_train_config train;
    uint64_t        memory_bytes; /* the device's; 0: nothing here yet */
    uint32_t        num_examples;
    size_t          peak_bytes;
    mu_plan_extra   extra;
} mu_fitted;

struct mu_control {
    mu_federation_config config;
    mu_carrier           carrier;
    mu_observer          observer;
    size_t               state_count;
    uint32_t             device_count;

    mu_version *version;
    uint32_t    version_number;
    mu_time_us  now;

    mu_kept  kept[MU_QUESTION_COUNT];
    uint32_t kept_count;

    mu_history *history;
    bool       *busy;
    uint64_t    tasks_sent;

    mu_task_slot *slots;
    uint32_t      slot_count, first_free, tasks_open;

    mu_round_report round; /* being gathered */
    double          round_examples, round_loss, round_accuracy, round_staleness; /* sums */
    uint32_t        refused_in_a_row;
    mu_totals       totals;

    /* the last plan priced for memory, and MACs of one example: the same for most devices most of the time */
    mu_train_config priced_train;
    size_t          priced_step_bytes;
    uint64_t        macs_per_example;
    mu_fitted       fitted[MU_FITTED_MAX]; /* by device memory and number of examples, each in its place */
};

/* The federation and what methods may ask of it are one thing seen from two sides. */
struct mu_federation {
    mu_control control;
};

/* checkpoint.c: everything that the next round depends on, written whole, read back with every size checked. */
mu_status mu_checkpoint_save(mu_control *control, mu_error *err);
mu_status mu_checkpoint_load(mu_control *control, mu_error *err);

/* tasks.c: pricing, sending, and what becomes of a task. */
mu_status mu_tasks_price(mu_control *control, uint32_t device, mu_task *task, mu_error *err);
mu_status mu_tasks_handle(mu_control *control, const mu_event *event, mu_error *err);
mu_status mu_tasks_tell(mu_control *control, mu_happening happening, const mu_task *task, const mu_update *update, const char *reason,
                        mu_error *err);

#endif
