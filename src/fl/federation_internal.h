/* What the files of src/fl share: the federation's own struct. */
#ifndef MUSTER_FL_FEDERATION_INTERNAL_H
#define MUSTER_FL_FEDERATION_INTERNAL_H

#include "fl/presence.h"
#include "fl/usable.h"
#include "muster/federation.h"

typedef enum mu_lacking { MU_LACKS_NOTHING, MU_LACKS_EXAMPLES, MU_LACKS_MEMORY } mu_lacking;

struct mu_version {
    uint32_t references; /* of the federation, of tasks and of held updates; only the federation's thread counts */
    uint32_t vector_count;
    uint32_t place;      /* in the list of the checkpoint that is being made */
    size_t   state_count;
    float    state[];    /* [1 + vector_count][state_count] */
};

/* A distinct method among the six answers, with what it keeps. */
typedef struct mu_kept {
    const mu_method *method;
    void            *state;
    mu_vectors       counts;
    float           *vectors; /* [counts.server][state_count] */
    unsigned char   *devices; /* [device_count][device_bytes] */
} mu_kept;

typedef struct mu_task_slot {
    mu_task     task;
    bool        used;
    uint32_t    next_free;
    uint64_t    order;   /* among tasks and timers, as they were sent and set */
    mu_version *start;
    bool       *kept;    /* the plan's, its own copy; NULL: the whole model */
    mu_held_id  carried; /* the update that a task which trains nothing brings */
} mu_task_slot;

typedef struct mu_timer {
    uint64_t   order, label;
    mu_time_us at;
} mu_timer;

typedef struct mu_held_slot {
    mu_held     held;
    const void *owner;
    mu_version *start;
    float      *memory; /* [1 + sent][state_count]; NULL in a dry run */
    bool       *kept;   /* the plan's and the update's, its own copy; NULL: the whole model */
    bool       *classes; /* the update's, its own copy; NULL: it says nothing of them */
} mu_held_slot;

/* What a plan takes on a device that must make it fit: found once. */
#define MU_FITTED_MAX 256
typedef struct mu_fitted {
    mu_train_config train;
    uint64_t        memory_bytes; /* the device's; 0: nothing here yet */
    uint32_t        num_examples;
    size_t          peak_bytes;
    mu_plan_extra   extra;
} mu_fitted;

/* The time of a step of the whole model by a class's rates. */
typedef struct mu_rated {
    const mu_rates *rates; /* NULL: nothing here yet */
    uint32_t        batch;
    double          step_s;
} mu_rated;

/* What a part of the model takes: by how many units each group keeps, whichever they are. */
#define MU_PRICED_PARTS_MAX 256
typedef struct mu_priced_part {
    mu_train_config train;
    uint64_t        digest; /* of the numbers of kept units and of what is priced; 0: nothing here yet */
    uint64_t        macs_per_example;
    size_t          bytes;
} mu_priced_part;

struct mu_control {
    mu_federation_config config;
    mu_carrier           carrier;
    mu_observer          observer;
    size_t               state_count;
    uint32_t             device_count;

    mu_version *version;
    uint32_t    version_number;
    mu_time_us  now;
    bool        checkpoint_due;
    bool        is_started; /* `when` is; before that, devices that tell are waited for */

    mu_kept    kept[MU_QUESTION_COUNT];
    uint32_t   kept_count;
    mu_vectors crossing; /* those of the method that answers `how` */

    mu_history     *history;
    mu_presence     presence;
    unsigned char  *lacking; /* [device_count] what a device that came lacks to take part (a mu_lacking); NULL: presence is not told */
    const mu_among *among; /* while `who` is asked: only these are ready */
    uint64_t        tasks_sent, orders, updates_held;

    mu_task_slot *slots;
    uint32_t      slot_count, first_free, tasks_open;
    mu_timer     *timers;
    uint32_t      timer_count, timer_capacity;
    mu_held_slot *held;
    uint32_t      held_count, held_capacity;
    mu_version   *handled; /* what the update that is being handled started from */
    float        *scratch; /* [state_count] for the change of a relayed update; made when the first one comes */

    mu_round_report round; /* being gathered */
    double          round_examples, round_loss, round_accuracy, round_staleness; /* sums */
    double          idle_energy_before_j; /* up to the beginning of the round */
    uint32_t        refused_in_a_row;
    mu_totals       totals;
    mu_usable_parts usable;
    float           *looked;         /* [state_count] the version as it is looked at, where that is not as it is; made when it is needed */
    uint32_t         looked_version; /* + 1; 0: none yet */
    const mu_usable *looked_part;    /* whose statistics were found last */

    /* the last plan priced for memory, and MACs of one example: the same for most devices most of the time */
    mu_train_config priced_train;
    size_t          priced_step_bytes;
    uint64_t        macs_per_example;
    mu_rated        rated; /* likewise */
    bool           *kept_units; /* [mu_units_count] of the plan that is being made */
    bool           *chosen_units;  /* [mu_units_count] and ... */
    uint32_t       *chosen_counts; /* ... [mu_units_group_count] of the mini-batch that is being priced */
    mu_submodel    *part; /* made when the first one is asked for */
    mu_priced_part  parts[MU_PRICED_PARTS_MAX]; /* by digest, each in its place */
    mu_fitted       fitted[MU_FITTED_MAX]; /* by device memory and number of examples, each in its place */
};

/* The federation and what methods may ask of it are one thing seen from two sides. */
struct mu_federation {
    mu_control control;
};

/* version.c */
mu_version *mu_version_create(mu_control *control); /* its content is the caller's to fill in; NULL: no memory */
size_t      mu_version_bytes(const mu_version *version); /* of its content */

/* checkpoint.c: everything that what comes next depends on, written whole, read back with every size checked. */
mu_status mu_checkpoint_save(mu_control *control, mu_error *err);
mu_status mu_checkpoint_load(mu_control *control, mu_error *err);

/* part.c: parts of the model. */
bool *mu_part_copy(const mu_control *control, const bool *kept); /* malloc'ed; NULL: no memory */
/* The model that the plan trains, its MACs and the memory of its step without the order of examples; the submodel is formed. */
mu_status mu_part_price(mu_control *control, const mu_plan *plan, const mu_model **model, uint64_t *macs_per_example, size_t *step_bytes,
                        mu_error *err);
/* Where `how` chooses a part for every mini-batch: adds up the task's MACs, as the trainer will come to them, and what there was to spend; and the
 * memory without the order of examples. bytes_down must be counted. held_macs: of one example of what the plan has. */
mu_status mu_part_price_choices(mu_control *control, mu_task *task, uint32_t num_examples, uint64_t held_macs, size_t *size_bytes, mu_error *err);

/* look.c: up to `wanted` devices that have examples, drawn once for all, ascending; malloc'ed, the caller's. */
mu_status mu_look_draw(const mu_control *control, uint32_t wanted, uint32_t **devices, uint32_t *count, mu_error *err);

/* static_norm.c: the weights that one of the usable parts of the current version is looked at with, until another one is asked for; and every
 * part on the test set, the first one on examples of each tier too (tiers may be NULL). */
bool      mu_looks_by_devices(const mu_control *control); /* are statistics of norms found on them before a look? */
mu_status mu_looked_state(mu_control *control, const mu_usable *part, const float **state, mu_error *err);
mu_status mu_look_at_parts(mu_control *control, mu_evaluation *tests, mu_evaluation *tiers, mu_error *err);

/* told.c: a device has come or gone, says the carrier; and what a task really cost its device takes the place of what it was to cost. */
mu_status mu_told_came(mu_control *control, uint32_t device, mu_error *err);
void      mu_told_went(mu_control *control, uint32_t device);
void      mu_told_measured(mu_control *control, mu_task *task, const mu_price *measured);

/* price.c: what a plan costs a device, and who could take one. */
mu_status mu_tasks_lacking(mu_control *control, uint32_t device, mu_lacking *out, mu_error *err);
mu_status mu_tasks_price(mu_control *control, const mu_sending *sending, mu_task *task, mu_error *err);

/* held.c */
mu_held_slot *mu_held_append(mu_control *control, mu_error *err); /* zeroed; NULL: no memory */
mu_status     mu_held_take_memory(mu_control *control, mu_held_slot *slot, mu_error *err); /* and points its update there */
void          mu_held_release(mu_control *control);

/* tasks.c: sending, and what becomes of a task. */
mu_status mu_tasks_take_slot(mu_control *control, mu_task_slot **out, mu_error *err);
mu_status mu_tasks_add_timer(mu_control *control, mu_timer timer, mu_error *err);
mu_status mu_tasks_handle(mu_control *control, const mu_event *event, mu_error *err);
mu_status mu_tasks_tell(mu_control *control, mu_happening happening, const mu_task *task, const mu_update *update, const char *reason,
                        mu_error *err);
void      mu_tasks_release(mu_control *control);

#endif
