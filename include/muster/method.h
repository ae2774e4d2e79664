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
    uint32_t   tasks_sent, tasks_done, tasks_lost, tasks_late; /* late: still at work when nobody waited any more */
    uint32_t   last_version;  /* that it trained on */
    float      last_loss;     /* its own training loss then; NAN before */
    mu_time_us last_duration; /* of its last finished task; 0 before */
    mu_time_us compute_time, radio_time, wasted_time; /* sums; wasted: spent on tasks whose result was not merged */
    uint64_t   bytes_up, bytes_down;
    double     energy_j;
} mu_history;

typedef struct mu_task_id { uint64_t value; } mu_task_id;

/* A task that a device is at work on, or has finished. */
typedef struct mu_task {
    mu_task_id id;
    uint32_t   device;
    mu_plan    plan;
    mu_work    work;  /* counted */
    mu_price   price; /* what that costs this device */
    mu_time_us sent_at;
} mu_task;

/* ---- what a method may ask of the federation. Implemented by src/fl; the first argument of every answer. ---- */
typedef struct mu_control mu_control;

/* looking */
MU_API mu_time_us        mu_control_now(const mu_control *control);
MU_API uint64_t          mu_control_seed(const mu_control *control);
MU_API uint32_t          mu_control_version(const mu_control *control); /* of the model: rounds finished */
MU_API uint32_t          mu_control_total_rounds(const mu_control *control);
MU_API uint32_t          mu_control_device_count(const mu_control *control);
MU_API const mu_model   *mu_control_model(const mu_control *control);
MU_API const mu_fleet   *mu_control_fleet(const mu_control *control);
MU_API const mu_history *mu_control_history(const mu_control *control, uint32_t device);
MU_API uint32_t          mu_control_num_examples(const mu_control *control, uint32_t device);
MU_API const float      *mu_control_state(const mu_control *control); /* [state_count], the current version */
/* There, idle, with examples, and with the memory that its plan needs. */
MU_API bool mu_control_is_ready(mu_control *control, uint32_t device);
/* The next moment after now at which a device that is not ready could be; MU_TIME_NEVER: none ever. */
MU_API mu_time_us mu_control_next_ready(mu_control *control);
MU_API uint32_t   mu_control_tasks_open(const mu_control *control);
MU_API uint64_t   mu_control_tasks_sent(const mu_control *control); /* since the run began */
MU_API float     *mu_control_vector(mu_control *control, const void *state, uint32_t index); /* one of the method's server vectors */

/* doing; only `when` may */
MU_API mu_status mu_control_select(mu_control *control, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err); /* asks `who` */
MU_API mu_status mu_control_send(mu_control *control, uint32_t device, mu_error *err); /* asks `what`, and sends the plan */
MU_API mu_status mu_control_cancel_all(mu_control *control, mu_error *err); /* whoever is still at work stops; its effort is waste */
MU_API mu_status mu_control_set_timer(mu_control *control, mu_time_us at, uint64_t label, mu_error *err);
MU_API mu_status mu_control_fold(mu_control *control, const mu_task *task, const mu_update *update, mu_error *err); /* asks `merge` */
MU_API mu_status mu_control_commit(mu_control *control, mu_error *err); /* next version: merge's result, evaluation, report, checkpoint */
MU_API uint32_t  mu_control_folded(const mu_control *control); /* updates since the last commit */

/* ---- the questions ---- */

/* Fill in up to `wanted` distinct ready devices; fewer when there are not more. */
typedef struct mu_who {
    mu_status (*select)(mu_control *control, void *state, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err);
} mu_who;

/* The plan arrives filled in from the `train:` section; change what differs for this device. */
typedef struct mu_what {
    mu_status (*plan)(mu_control *control, void *state, uint32_t device, mu_plan *plan, mu_error *err);
} mu_what;

/* What crosses the wire. bytes_*: exact, before anything is sent. encode/decode NULL: float32 as it is. */
typedef struct mu_wire {
    uint64_t (*bytes_down)(const mu_model *model, void *state, const mu_plan *plan);
    uint64_t (*bytes_up)(const mu_model *model, void *state, const mu_plan *plan);
} mu_wire;

/* A state machine. `started` is called once, and again after a resume; the others as things happen. */
typedef struct mu_when {
    mu_status (*started)(mu_control *control, void *state, mu_error *err);
    mu_status (*arrived)(mu_control *control, void *state, const mu_task *task, const mu_update *update, mu_error *err);
    mu_status (*lost)(mu_control *control, void *state, const mu_task *task, mu_error *err);
    mu_status (*timer)(mu_control *control, void *state, uint64_t label, mu_error *err);
} mu_when;

typedef struct mu_merge {
    mu_status (*fold)(mu_control *control, void *state, const mu_task *task, const mu_update *update, mu_error *err);
    /* Put the next version into `model` [state_count], which holds the current one; then begin afresh. */
    mu_status (*finish)(mu_control *control, void *state, float *model, mu_error *err);
} mu_merge;

typedef struct mu_method {
    const char *name, *paper, *help;
    size_t           state_bytes; /* zeroed, then the options; saved in checkpoints byte by byte, so no pointers but TEXT options */
    uint32_t         server_vectors; /* of state_count floats each, zeroed, saved in checkpoints: mu_control_vector */
    const mu_option *options;
    size_t           option_count;
    mu_status (*check)(const void *state, mu_error *err); /* options that do not go together; may be NULL */
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
