/* A device's agent: joins a federation, trains what it is given on its own examples, and sends back what came of it. What `muster join` runs; also a call for
 * programs that embed it.
 *
 * Its folder holds who it is (key, number, the coordinator's fingerprint), and what it is doing: the task, its start, where the training stands, an update that is
 * not yet acknowledged. Killed or switched off at any moment, it goes on from there. */
#ifndef MUSTER_JOIN_H
#define MUSTER_JOIN_H

#include "muster/data.h"
#include "muster/device.h"
#include "muster/status.h"

#include <stdatomic.h>

typedef enum mu_join_happening {
    MU_JOIN_ENROLLED, MU_JOIN_CONNECTED, MU_JOIN_TASK, MU_JOIN_DOWNLOADED, MU_JOIN_TRAINED, MU_JOIN_SENT, MU_JOIN_CANCELLED, MU_JOIN_REFUSED,
    MU_JOIN_LOOKED,  /* at a model, without training it */
    MU_JOIN_WAITING, /* a limit holds it back, or the coordinator cannot be reached: text says which and for how long */
    MU_JOIN_FINISHED,
} mu_join_happening;
MU_API const char *mu_join_happening_name(mu_join_happening happening); /* "enrolled", ... */

typedef struct mu_join_event {
    mu_join_happening happening;
    uint32_t          device;
    uint64_t          task;    /* 0: none */
    uint32_t          round;   /* of the task: its version + 1; 0: of none, it looks at a model */
    uint32_t          steps;   /* TRAINED: mini-batches; LOOKED: examples */
    double            loss, seconds; /* TRAINED, LOOKED; NAN, 0 otherwise */
    uint64_t          bytes;   /* DOWNLOADED, SENT: that crossed */
    const char       *text;    /* more for people, or NULL */
} mu_join_event;

typedef struct mu_join_config {
    const char *url;           /* https://host:8443 */
    const char *token_hex;     /* one-time; NULL: the folder knows the device */
    const char *fingerprint;   /* SHA-256 of the certificate, hexadecimal; NULL: what the folder has pinned, else the system's certificate authorities */
    const char *folder;
    const char *name;          /* for people; NULL: the host's */
    const mu_data *data;
    uint32_t    part;          /* whose examples of it: a device's number in it; MU_JOIN_OWN_PART: that of the device in the federation */
    mu_profile  profile;       /* what it says of itself; 0: not known; name NULL: none */
    /* limits */
    uint64_t    memory_bytes;  /* 0: none. A task that needs more is refused, unless its plan can keep within it */
    double      battery_min_share; /* no work below it unless charging; 0: none */
    bool        metered_ok;    /* false: while the network is metered it asks for no work, fetches and sends nothing; what it has it trains */
    bool      (*is_metered)(void *self); /* asked now and again, on the thread of mu_join; NULL: it never is */
    const char *hours;         /* local time in which it works, "22:00-06:30"; NULL: always */
    double      keep_every_s;  /* how often a training is kept on disk; INFINITY: only when it is stopped */
    const char *machine_root;  /* in front of /sys and /proc, which tell of batteries and energy; NULL: nothing */
    /* watching */
    void       *self;
    void      (*happened)(void *self, const mu_join_event *event); /* may be NULL */
    const atomic_bool *stop;   /* may be NULL: true ends it, in the middle of a training too, with MU_E_INTERRUPTED */
    uint32_t    tasks_max;     /* leave after so many, not counting looks; 0: no limit */
} mu_join_config;
#define MU_JOIN_OWN_PART UINT32_MAX

MU_API mu_join_config mu_join_config_default(void);
/* Until the federation is over (MU_OK), it is stopped, or nothing can come of going on. Losing the coordinator is no error: it is sought for as long as it takes. */
MU_API mu_status mu_join(const mu_join_config *config, mu_error *err);

#endif
