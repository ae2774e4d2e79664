/* What the files of the carrier share. */
#ifndef MUSTER_NET_NETWORK_INTERNAL_H
#define MUSTER_NET_NETWORK_INTERNAL_H

#include "net/carrier.h"

/* A task that was sent and is not over. */
typedef struct mu_sent {
    uint64_t        number;
    mu_task_id      id;
    uint32_t        device;
    mu_time_us      sent_at, planned_end;
    double          planned_s, planned_compute_s;
    bool           *kept;     /* its own copy; NULL: the whole model */
    const mu_start *start;
    uint64_t        arrival;  /* how many had come before it did, + 1; 0: its update is not in yet */
    bool            is_queued; /* its end is among the events that will be handed out */
} mu_sent;

/* An event on its way: in the journal, or about to be. */
typedef enum mu_waiting_kind {
    MU_WAITING_ARRIVED = 1, MU_WAITING_LOST, MU_WAITING_TIMER, MU_WAITING_CAME, MU_WAITING_WENT,
    MU_WAITING_LOOKED, /* no event: what an ask came to. It stands behind the event that it was asked in, and is found there when that is handed out again */
} mu_waiting_kind;
typedef struct mu_waiting {
    mu_waiting_kind kind;
    uint32_t        epoch; /* of the federation's checkpoints: how many there were when it was written */
    mu_time_us      at;
    uint64_t        task, label;
    uint32_t        device;
    unsigned char  *extra; /* LOST: the reason; CAME: a mu_told; LOOKED: a digest of what was asked, and the outcome. malloc'ed */
    size_t          extra_bytes;
    bool            is_replayed; /* it is from the journal */
} mu_waiting;

/* What a device has told of itself, and what it was told last. As it lies in checkpoints and in the journal. */
#define MU_TOLD_CLASS_BYTES 64
typedef struct mu_told {
    uint32_t device, num_examples;
    uint64_t settled; /* the last of its tasks that was settled; 0: none */
    char     class_name[MU_TOLD_CLASS_BYTES];
    double   macs_per_s, download_bit_per_s, upload_bit_per_s, latency_s, active_w, idle_w, radio_w;
    uint64_t memory_bytes;
    double   speed; /* seen in its tasks: how many times as fast in computing as it was said to be; 0: nothing seen yet */
    uint32_t is_there, is_known, can_look, reserved;
} mu_told;

typedef struct mu_network_timer {
    mu_time_us at;
    uint64_t   label;
} mu_network_timer;

struct mu_network {
    mu_network_config config;
    const mu_model   *model;
    mu_vectors        crossing;
    bool              planned_order;
    mu_trainer       *evaluator; /* made when the first version is looked at */

    double     began_monotonic_s; /* when this process began, and ... */
    mu_time_us began_at;          /* ... how long the federation had run then, pauses included */
    mu_time_us last_at;           /* of an event */

    mu_sent          **sent; /* by number */
    uint32_t           sent_count, sent_capacity;
    uint64_t           arrivals;
    mu_network_timer  *timers;
    uint32_t           timer_count, timer_capacity;
    mu_told           *told; /* [devices] */

    mu_waiting *queue; /* of events to be handed out, all in the journal */
    size_t      queue_first, queue_count, queue_capacity;
    size_t      queue_written; /* events before this one are in the journal */
    bool        is_replaying;  /* the journal is not behind it */
    bool        is_open;       /* devices may come in */
    uint32_t    epoch; /* checkpoints until now */
    uint32_t    told_again, tell_again; /* devices up to here ... of those up to there have been told of again after a resume */
    double      leases_checked_s;

    struct mu_ask *ask;        /* that is waited for; NULL: none */
    uint64_t       next_look;  /* the number of the next task that only looks */
    unsigned char *looked;     /* what was asked last, and its outcome: as LOOKED has it */
    size_t         looked_bytes;

    /* the update that was handed out last */
    float   *delta; /* [1 + crossing.sent][state_count]; behind it, room for a part's */
    bool    *classes;
    mu_price measured;
    char     reason[200];
    uint64_t peak_memory_bytes; /* the most that a device has reported */
};

mu_time_us mu_network_now(const mu_network *network);
mu_sent   *mu_network_find(const mu_network *network, uint64_t number); /* NULL: it is not open */
void       mu_network_end_task(mu_network *network, mu_sent *sent);     /* off the desk, its start let go, freed */

/* network_update.c: what was acknowledged for a task, as an update. MU_E_CHECKSUM, MU_E_PARSE, MU_E_IO: the file is not what it was. */
mu_status mu_network_read_update(mu_network *network, const mu_sent *sent, mu_update *out, mu_error *err);

/* network_events.c */
mu_status mu_network_load_journal(mu_network *network, mu_error *err);
mu_status mu_network_next(void *self, mu_event *event, mu_error *err);
void      mu_network_release_events(mu_network *network);
/* For an ask. Devices may come in from now on, though some of the journal is still to be handed out. */
mu_status mu_network_open_up(mu_network *network, mu_error *err);
mu_status mu_network_begin_epoch(mu_network *network, mu_error *err); /* a checkpoint is written, and the store knows */
/* Wait up to `wait_s` for something to come in and take what there is: events are kept for `next`, answers go to network->ask. */
mu_status mu_network_take_from_desk(mu_network *network, double wait_s, mu_error *err);
/* What an ask came to into the journal, behind what has come in meanwhile. */
mu_status mu_network_keep_looked(mu_network *network, const void *bytes, size_t size_bytes, mu_error *err);
/* The outcome that the journal had when this process began, for what this digest is of; NULL: none. It is given once. */
const mu_waiting *mu_network_find_looked(mu_network *network, const unsigned char *digest, size_t digest_bytes);

/* network_told.c: devices' word of themselves, in the checkpoint and in events. */
mu_told   mu_told_of(uint32_t device, const mu_desk_report *report);
mu_desk_report mu_told_report(const mu_told *told);
mu_status mu_told_apply(mu_network *network, const mu_told *told, mu_error *err);
/* A task of its has come in: how long it was planned to compute, and did. What its next ones are planned with follows, where devices' word counts. */
mu_status mu_told_learn(mu_network *network, const mu_sent *sent, double measured_compute_s, mu_error *err);
size_t    mu_network_save(void *self, unsigned char *into);
mu_status mu_network_restore(void *self, const unsigned char *from, size_t size_bytes, mu_error *err);

/* network_ask.c: looks at a model on devices' own examples. */
/* A look that was put on the desk has come in, or will not. */
void      mu_network_answered(mu_network *network, uint64_t task, bool has_failed);
mu_status mu_network_evaluate_devices(void *self, const float *state, const mu_usable *part, bool own_classes, const uint32_t *devices, uint32_t count,
                                      uint32_t examples_each, mu_evaluation *each, mu_error *err);
mu_status mu_network_statistics(void *self, const mu_usable *part, const uint32_t *devices, uint32_t count, uint32_t examples_each, float *state,
                                mu_error *err);

/* A part on devices' examples of each tier, as far as they are there: tiers [tier_count]. */
mu_status mu_network_evaluate_tiers(mu_network *network, const float *state, const mu_usable *part, uint32_t tier_examples, mu_evaluation *tiers, mu_error *err);

/* network_evaluate.c */
mu_status mu_network_evaluate(void *self, const float *state, const mu_usable *parts, uint32_t part_count, uint32_t tier_examples,
                              mu_evaluation *tests, mu_evaluation *tiers, mu_error *err);

#endif
