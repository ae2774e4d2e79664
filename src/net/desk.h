/* The desk between the network and the federation: what each device is to be told, and what has come in from devices. In memory; whoever is to rely on it
 * writes to the store first. The network's side may be called from any thread; the federation's side from the one that runs the federation. */
#ifndef MUSTER_NET_DESK_H
#define MUSTER_NET_DESK_H

#include "muster/device.h"
#include "muster/status.h"

typedef struct mu_desk mu_desk;

/* Someone who waits for something to be told to a device: `wake` is called once, from any thread, without the desk's lock held; it must not call the desk. */
typedef struct mu_desk_waiter {
    void (*wake)(struct mu_desk_waiter *waiter);
} mu_desk_waiter;

mu_status mu_desk_create(uint32_t devices, mu_desk **out, mu_error *err);
void      mu_desk_destroy(mu_desk *desk); /* NULL is fine; nobody waits any more */
uint32_t  mu_desk_devices(const mu_desk *desk);

/* ---- the network's side ----
 * A device whose number is not below mu_desk_devices is nobody: nothing happens, and there is nothing to tell it. */

/* What a device says of itself when it comes. */
typedef struct mu_desk_report {
    mu_profile profile;      /* name: NULL or of the catalogue; 0: not known */
    uint32_t   num_examples;
    bool       can_look;     /* it may be asked to look at a model */
} mu_desk_report;
/* The device has opened a session, or is heard of again. `now_s`: mu_clock_monotonic_s. `report` NULL: as it was. */
void mu_desk_heard(mu_desk *desk, uint32_t device, double now_s, const mu_desk_report *report);
void mu_desk_left(mu_desk *desk, uint32_t device); /* it says that it goes, or was revoked */

#define MU_DESK_LIST_MAX 32
typedef struct mu_desk_answer {
    unsigned char *task;       /* a packed Task, malloc'ed, the caller's; NULL: none */
    size_t         task_bytes;
    uint64_t       settled[MU_DESK_LIST_MAX], cancelled[MU_DESK_LIST_MAX];
    uint32_t       settled_count, cancelled_count;
    bool           finished;
} mu_desk_answer;
/* What there is to tell the device. `working_on` [count]: tasks that it has; those that are over are `cancelled`; its open task is told unless it is
 * among them. One that has arrived, or is to be settled, is not cancelled: the answer to its update may have been lost, and the device asks again.
 * `settled_seen` [seen_count]: not told again. The last 32 that were settled are told until then. `waiter` (may be NULL) takes the place of the device's last one,
 * which is woken; where the answer is false, there is nothing to tell, and it is woken when there is something. */
bool mu_desk_poll(mu_desk *desk, uint32_t device, const uint64_t *working_on, uint32_t count, const uint64_t *settled_seen, uint32_t seen_count,
                  mu_desk_waiter *waiter, mu_desk_answer *answer);
/* The waiter goes away by itself. After this returns it is not woken any more (if it was just being woken, this waits). */
void mu_desk_forget(mu_desk *desk, uint32_t device, mu_desk_waiter *waiter);

typedef enum mu_desk_task_state {
    MU_DESK_TASK_UNKNOWN, /* never sent, or long over */
    MU_DESK_TASK_OPEN,
    MU_DESK_TASK_ARRIVED, /* its update is in */
} mu_desk_task_state;
/* What a task asks for that trains nothing and only looks at a model. */
typedef struct mu_desk_look {
    uint32_t examples_most, targets; /* targets: predictions of each example */
    uint64_t statistics;             /* floats that are to come back; 0: loss and accuracy are */
} mu_desk_look;
typedef struct mu_desk_task_info {
    uint32_t device;
    uint64_t floats_up;  /* of its update: the change of the plan's part, then the vectors sent */
    uint64_t change_floats; /* of these, the change's; 0: not told */
    uint32_t classes;    /* of the model: bounds UpdateHead.classes */
    bool     looks;      /* there is no update, but an answer: */
    mu_desk_look look;
    char     start_digest_hex[65]; /* what it starts from; while it is open */
} mu_desk_task_info;
mu_desk_task_state mu_desk_find_task(mu_desk *desk, uint64_t task, mu_desk_task_info *info);
/* The file a start lies in: by digest and encoding; false: no open task has it. The path is malloc'ed. */
bool mu_desk_find_start(mu_desk *desk, const char *digest_hex, char **path);

/* Its update is durable. Nothing when the task is not open (any more). */
void mu_desk_arrived(mu_desk *desk, uint64_t task);
/* What a look came to; checked by whoever brings it. In memory only: after a restart the device is asked again. */
typedef struct mu_desk_looked {
    uint32_t num_examples;
    double   loss_sum;
    uint64_t correct, count;
    float   *statistics; /* malloc'ed; NULL: none */
} mu_desk_looked;
/* Takes `looked->statistics`. Nothing, but that they are freed, when the task is not open (any more). */
void mu_desk_has_looked(mu_desk *desk, uint64_t task, const mu_desk_looked *looked);
/* The device cannot do it, or what it sent was refused: the task is not known any more, but for the event. Nothing when it is not open. `reason` is copied, cut
 * at 199 bytes. */
void mu_desk_failed(mu_desk *desk, uint64_t task, const char *reason);

/* ---- the federation's side ---- */

typedef enum mu_desk_event_kind { MU_DESK_CAME, MU_DESK_WENT, MU_DESK_ARRIVED, MU_DESK_FAILED } mu_desk_event_kind;
typedef struct mu_desk_event {
    mu_desk_event_kind kind;
    uint32_t           device;
    uint64_t           task;
    mu_desk_report     report;      /* CAME; profile.name NULL or of the catalogue */
    char               reason[200]; /* FAILED */
} mu_desk_event;
/* The next thing that came in, waiting for it up to `wait_s`. false: nothing did. A device that was not heard of for `presence_s` WENT. */
bool mu_desk_take(mu_desk *desk, double wait_s, double presence_s, mu_desk_event *event);

typedef struct mu_desk_task {
    uint64_t             id;
    uint32_t             device;
    const unsigned char *packed; /* a Task; copied */
    size_t               packed_bytes;
    uint64_t             floats_up, change_floats; /* change_floats may be 0: not told */
    uint32_t             classes;
    const mu_desk_look  *look; /* NULL: it is a training */
    const char          *start_digest_hex, *start_path; /* copied */
} mu_desk_task;
mu_status mu_desk_put_task(mu_desk *desk, const mu_desk_task *task, mu_error *err); /* MU_E_STATE: it is there already */
void      mu_desk_drop_task(mu_desk *desk, uint64_t task); /* over, whichever way; no event comes for it any more */
/* The answer of a look that has ARRIVED, statistics now the caller's. false: there is none, or it was taken. */
bool      mu_desk_take_looked(mu_desk *desk, uint64_t task, mu_desk_looked *out);
mu_status mu_desk_settle(mu_desk *desk, uint32_t device, uint64_t task, mu_error *err); /* told until the device has seen it */
void      mu_desk_finish(mu_desk *desk); /* everybody is told that it is over */

/* ---- for people ---- */
typedef struct mu_desk_counts {
    uint32_t known, present, working, waiting; /* waiting: with a poll that is held */
    uint32_t tasks_open, tasks_arrived;
} mu_desk_counts;
mu_desk_counts mu_desk_count(mu_desk *desk);
/* A device's state for the page: "absent", "idle", "working". And seconds since it was heard of; negative: never. */
const char *mu_desk_state_of(mu_desk *desk, uint32_t device, double now_s, double *silent_s);

#endif
