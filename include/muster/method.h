/* The six questions that every federated method answers, as one interface.
 *
 *   who    takes part now?                    how    does it train?             when   are results taken?
 *   what   does this device train?            wire   what crosses it?           merge  into what?
 *
 * A method is one file under src/method/: options, state, the functions that answer, and one const mu_method at its end that fills in
 * the questions it has an answer to; and one line in method_registry.c. A question left out is answered by FedAvg. A method
 * that answers several has one state for all of them. docs/adding-a-method.md walks through one.
 *
 * No method reads a clock, opens a socket or starts a thread: time is what mu_control_now says, and randomness is a stream. */
#ifndef MUSTER_METHOD_H
#define MUSTER_METHOD_H

#include "muster/device.h"
#include "muster/model.h"
#include "muster/option.h"
#include "muster/random.h"
#include "muster/train.h"

typedef enum mu_question { MU_WHO, MU_WHAT, MU_HOW, MU_WIRE, MU_WHEN, MU_MERGE, MU_QUESTION_COUNT } mu_question;
MU_API const char *mu_question_name(mu_question question);

/* What is known of a device, common property of all methods. */
typedef struct mu_history {
    uint32_t   tasks_sent, tasks_done, tasks_lost, tasks_late; /* trainings; late: stopped because nobody waited any more */
    uint32_t   last_version;  /* that it trained on */
    float      last_loss;     /* its own training loss then; NAN before */
    mu_time_us last_duration; /* of its last finished task; 0 before */
    mu_time_us compute_time, radio_time, wasted_time; /* sums; wasted: spent on tasks whose result was not merged */
    uint64_t   bytes_up, bytes_down; /* to and from other devices too */
    double     energy_j, compute_energy_j; /* all of it; what of it computing took, the rest is the radio's */
} mu_history;

typedef struct mu_task_id { uint64_t value; } mu_task_id;

/* Where a task's model comes from and goes to. */
typedef enum mu_leg {
    MU_LEG_SERVER,
    MU_LEG_PEER, /* another device, by this device's own link and at its price */
    MU_LEG_NONE, /* it is there already; it stays there */
} mu_leg;

/* A task that a device is at work on, or has finished. */
typedef struct mu_task {
    mu_task_id id;
    uint32_t   device;
    mu_leg     down, up;
    bool       relayed; /* it did not start from a version of the server's, but from what another task came to */
    uint64_t   label;   /* of whoever sent it */
    mu_plan    plan;
    mu_work    work;  /* counted */
    mu_price   price; /* what that costs this device */
    mu_time_us sent_at;
    mu_time_us battery_ends_at; /* when the device's battery runs out in the middle of it; 0: it holds */
} mu_task;

/* An update that waits. */
typedef struct mu_held_id { uint64_t value; } mu_held_id; /* 0: none */
typedef struct mu_held {
    mu_held_id id;
    mu_task    task;
    mu_update  update; /* its vectors are copies, or kept for as long as it is held */
} mu_held;

/* ---- what a method may ask of the federation. Implemented by src/fl; the first argument of every answer. ---- */
typedef struct mu_control mu_control;

/* looking */
MU_API mu_time_us        mu_control_now(const mu_control *control);
MU_API uint64_t          mu_control_seed(const mu_control *control);
MU_API uint32_t          mu_control_version(const mu_control *control); /* of the model: rounds finished */
MU_API uint32_t          mu_control_total_rounds(const mu_control *control);
MU_API bool              mu_control_is_finished(const mu_control *control); /* all rounds are made: nobody is selected any more */
/* Schedule only (`train: none`): nothing is trained, updates have no vectors and no loss, and are not merged. */
MU_API bool              mu_control_is_dry(const mu_control *control);
MU_API uint32_t          mu_control_device_count(const mu_control *control);
MU_API const mu_model   *mu_control_model(const mu_control *control);
MU_API const mu_units   *mu_control_units(const mu_control *control);
/* The part of the model with these units, until it is asked for another one; `kept` NULL: the whole as a part. For those who merge parts. NULL: no
 * memory. */
MU_API const mu_submodel *mu_control_part(mu_control *control, const bool *kept);
MU_API const mu_fleet   *mu_control_fleet(const mu_control *control);
MU_API const mu_history *mu_control_history(const mu_control *control, uint32_t device);
MU_API uint32_t          mu_control_num_examples(const mu_control *control, uint32_t device);
MU_API const float      *mu_control_state(const mu_control *control); /* [state_count], the current version */
/* Present, idle, with examples, with the memory that its plan needs, and among those asked for (mu_among). */
MU_API bool mu_control_is_ready(mu_control *control, uint32_t device);
/* Those that are present, have examples and could hold the plan, busy or not: what is not ready now. Order: as they came, the same in every
 * run. So choosing costs nothing for those who are not there, and does not change when they are added. Where a carrier tells who is there, who came
 * first is chance: then by their numbers. */
MU_API uint32_t   mu_control_present_count(mu_control *control);
MU_API uint32_t   mu_control_present(mu_control *control, uint32_t index);
/* The next moment after now at which a device that is not present could be; MU_TIME_NEVER: none ever. Where a carrier tells who is there, nobody
 * knows: then it is when to look again, a second from now. */
MU_API mu_time_us mu_control_next_ready(mu_control *control);
MU_API bool       mu_control_presence_is_told(const mu_control *control); /* by the carrier: who will ever come, and what it is, is known when it comes */
MU_API uint32_t   mu_control_tasks_open(const mu_control *control);
/* Those of them that should have come in by then, going by their price; overdue ones count. */
MU_API uint32_t   mu_control_tasks_due(const mu_control *control, mu_time_us by);
MU_API uint64_t   mu_control_tasks_sent(const mu_control *control); /* since the run began */
MU_API uint32_t   mu_control_folded(const mu_control *control);     /* updates since the last commit */
/* What a plan that is sent to the device now would take, everything counted and priced. */
MU_API mu_status  mu_control_price(mu_control *control, uint32_t device, mu_task *task, mu_error *err);
/* Current version, up to `examples_each` own examples of each device: each [count]. Slow; not in a dry run. */
MU_API mu_status  mu_control_evaluate(mu_control *control, const uint32_t *devices, uint32_t count, uint32_t examples_each,
                                      mu_evaluation *each, mu_error *err);

/* What a method keeps: its own, by its state. Saved in checkpoints. */
MU_API float *mu_control_vector(mu_control *control, const void *state, uint32_t index);   /* mu_vectors.server */
MU_API float *mu_control_received(mu_control *control, const void *state, uint32_t index); /* mu_vectors.received: of the version being made */
MU_API void  *mu_control_device(mu_control *control, const void *state, uint32_t device);  /* [device_bytes], zeroed at first */

/* Updates that wait until it is time to fold them: copied here, in the order in which they came. Also inside `fold` and `finish`. */
MU_API mu_status mu_control_hold(mu_control *control, const void *state, const mu_task *task, const mu_update *update, mu_held_id *id,
                                 mu_error *err);
MU_API uint32_t       mu_control_held_count(const mu_control *control, const void *state);
MU_API const mu_held *mu_control_held(const mu_control *control, const void *state, uint32_t index); /* valid until the next hold or drop */
MU_API const mu_held *mu_control_held_named(const mu_control *control, mu_held_id id);               /* NULL: it is not held (any more) */
MU_API void           mu_control_drop(mu_control *control, mu_held_id id);

/* Only some devices: `has` is asked of each. */
typedef struct mu_among {
    bool (*has)(mu_control *control, const void *self, uint32_t device);
    const void *self;
} mu_among;

typedef struct mu_sending {
    uint32_t   device;
    mu_leg     down, up;
    uint64_t   label; /* comes back in mu_task.label */
    mu_held_id from;  /* train what this update came to (its start plus its delta) instead of the current version; then the update that comes
                       * back is that of both: the change from the current version at the time of fold */
    bool       carry; /* train nothing: only take the model from `down` to `up` */
} mu_sending;
#define MU_ANY_LABEL UINT64_MAX

/* doing; only `when` may */
/* Asks `who` for up to `wanted` devices among those (NULL: all). None when all rounds are made. */
MU_API mu_status mu_control_select(mu_control *control, const mu_among *among, uint32_t wanted, uint32_t *devices, uint32_t *count,
                                   mu_error *err);
MU_API uint32_t  mu_control_target(mu_control *control, uint32_t cohort); /* how many updates to wait for: `who` may lower it */
/* Asks `what`, and sends the plan. */
MU_API mu_status mu_control_send(mu_control *control, const mu_sending *sending, mu_error *err);
/* Whoever is still at work on a task with that label stops; the effort is waste. */
MU_API mu_status mu_control_cancel(mu_control *control, uint64_t label, mu_error *err);
MU_API mu_status mu_control_set_timer(mu_control *control, mu_time_us at, uint64_t label, mu_error *err);
/* An update that arrived is folded, now or after it was held; or it is discarded, and what it cost is waste. */
MU_API mu_status mu_control_fold(mu_control *control, const mu_task *task, const mu_update *update, mu_error *err); /* asks `merge` */
MU_API mu_status mu_control_discard(mu_control *control, const mu_task *task, const char *reason, mu_error *err);
/* Next version: merge's result, evaluation, report; a checkpoint when the event is dealt with. With the last version all tasks still open
 * are cancelled. */
MU_API mu_status mu_control_commit(mu_control *control, mu_error *err);

/* ---- the questions ---- */

typedef struct mu_who {
    /* Fill in up to `wanted` distinct ready devices; fewer when there are not more. */
    mu_status (*select)(mu_control *control, void *state, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err);
    /* How many updates a round that wants `cohort` should wait for: 1 to cohort. NULL: as many. */
    uint32_t (*target)(mu_control *control, void *state, uint32_t cohort);
    /* An update came in, or a task was lost (update NULL) or cancelled: to learn from. May be NULL. */
    void (*seen)(mu_control *control, void *state, const mu_task *task, const mu_update *update);
} mu_who;

/* The plan arrives filled in from the `train:` section; change what differs for this device. `kept` [mu_units_count of mu_control_units] arrives all
 * true: clear the flags of the units that this device leaves out, and it becomes plan->kept. At least one of each group stays. */
#define MU_USABLE_MAX 64
/* A part of the model that is meant to be used by itself. */
typedef struct mu_usable {
    double   width;      /* what the method calls it by; in (0, 1] */
    bool    *kept;       /* [unit_count] arrives all true; whoever is handed one: NULL is all */
    uint32_t statistics; /* which set of norm statistics; arrives 0 */
} mu_usable;

typedef struct mu_what {
    mu_status (*plan)(mu_control *control, void *state, uint32_t device, mu_plan *plan, bool *kept, mu_error *err);
    /* The parts that come out of a training, widest first. The first one is what the run is judged by. false: there are no more. NULL: the whole model
     * alone. At most MU_USABLE_MAX. */
    bool (*usable)(const void *state, const mu_units *units, uint32_t index, mu_usable *part);
    uint32_t (*statistic_sets)(const void *state); /* sets of norm statistics that the model has, one for each width; NULL: 1 */
    bool keeps_parts; /* clears flags of `kept`; not together with vectors that a `how` sends or keeps, which are of the whole model */
} mu_what;

/* What crosses the wire. bytes_*: exact, before anything is sent, of the model itself; vectors beside it are counted by the federation.
 * encode/decode NULL: float32 as it is. */
typedef struct mu_wire {
    uint64_t (*bytes_down)(const mu_model *model, void *state, const mu_plan *plan);
    uint64_t (*bytes_up)(const mu_model *model, void *state, const mu_plan *plan);
} mu_wire;

/* A state machine. `started` is called once in a run; the others as things happen. A checkpoint is taken between two calls and brings
 * back all tasks and timers, so a resumed run goes on as if nothing had been. */
typedef struct mu_when {
    mu_status (*started)(mu_control *control, void *state, mu_error *err);
    mu_status (*arrived)(mu_control *control, void *state, const mu_task *task, const mu_update *update, mu_error *err);
    mu_status (*lost)(mu_control *control, void *state, const mu_task *task, mu_error *err);
    mu_status (*timer)(mu_control *control, void *state, uint64_t label, mu_error *err);
    /* What the schedule has to say about every plan, before `what` is asked; may be NULL. */
    void (*plan)(mu_control *control, void *state, mu_plan *plan);
    /* With these options: does a round wait for every task that was sent in it, until it has come or is lost, before it commits or sends others?
     * Then its result does not depend on which of them comes first. NULL: it does not. */
    bool (*waits_for_all)(const void *state);
} mu_when;

typedef struct mu_merge {
    mu_status (*fold)(mu_control *control, void *state, const mu_task *task, const mu_update *update, mu_error *err);
    /* Put the next version into `model` [state_count], which holds the current one; then begin afresh. At least one update was folded. */
    mu_status (*finish)(mu_control *control, void *state, float *model, mu_error *err);
} mu_merge;

/* Vectors of the model's length [state_count] that a method keeps, or sends beside the weights: priced, counted and saved. All begin as
 * zeros. received, own and sent are of the method that answers `how`, at most MU_VECTORS_MAX each. */
typedef struct mu_vectors {
    uint32_t server;   /* on the server */
    uint32_t received; /* go down with every model and belong to its version; changed in `finish` */
    uint32_t own;      /* stay on each device; there from the first task that has come in */
    uint32_t sent;     /* come up with every update */
} mu_vectors;

/* What an experiment has put together, for a method to say whether it can work in it. */
typedef struct mu_setting {
    const struct mu_method *answers[MU_QUESTION_COUNT];
    const void             *states[MU_QUESTION_COUNT];
    const mu_train_config  *train;
} mu_setting;

typedef struct mu_method {
    const char *name, *paper, *help;
    size_t           state_bytes;  /* zeroed, then the options; saved in checkpoints byte by byte, so no pointers but TEXT options */
    size_t           device_bytes; /* for every device: mu_control_device */
    mu_vectors (*vectors)(const void *state); /* NULL: none */
    const mu_option *options;
    size_t           option_count;
    mu_status (*check)(const void *state, mu_error *err); /* options that do not go together; may be NULL */
    /* Answers by others that this method cannot work with, or its own that need each other; says why. May be NULL. */
    mu_status (*check_setting)(const void *state, const mu_setting *setting, mu_error *err);
    /* Once the model is known, before anything else is asked: take in what the options name (tables ...) and what follows from the model. `conf_path` is the
     * experiment's file, beside which names of files are sought. May be NULL. */
    mu_status (*prepare)(void *state, const mu_model *model, const mu_units *units, const char *conf_path, mu_error *err);
    /* A device that could take part has come: every time that it does, and only where presence is told. For methods that sort devices before any of them
     * has worked: it may be one that nothing was known of then. May be NULL. */
    mu_status (*came)(mu_control *control, void *state, uint32_t device, mu_error *err);
    const mu_who   *who;
    const mu_what  *what;
    const mu_how   *how;
    const mu_wire  *wire;
    const mu_when  *when;
    const mu_merge *merge;
} mu_method;

MU_API const mu_method *const *mu_methods(size_t *count);
MU_API const mu_method *mu_method_named(const char *name); /* NULL: there is none */
MU_API bool             mu_method_answers(const mu_method *method, mu_question question);

#endif
