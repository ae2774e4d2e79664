/* A coordinator: the federation of an experiment, carried to real devices over HTTPS. What `muster serve` runs.
 *
 * Its folder holds all that it must not forget: store.db, the federation's checkpoint, blobs/ (what tasks start from), updates/ (what devices have sent),
 * tls/ (the certificate made at the first start). Killed at any moment, it goes on from there. */
#ifndef MUSTER_SERVE_H
#define MUSTER_SERVE_H

#include "muster/experiment.h"

/* The `serve:` section of an experiment. */
typedef struct mu_serve_config {
    const char *address;          /* where devices come in, "0.0.0.0:8443"; port 0: any free one */
    const char *status_address;   /* where people look, "127.0.0.1:8444"; empty: nowhere */
    const char *certificate, *key; /* PEM files, beside the experiment's file; empty: a certificate is made */
    bool        tls;              /* false: plain HTTP, on loopback addresses only */
    uint32_t    wait_for_devices; /* the first round begins when so many are there */
    double      presence_s;       /* a device that was not heard of for so long is not there */
    double      lease_s;          /* a task whose device was not heard of for so long is given up */
    double      hold_s;           /* a poll is held for so long at most */
    double      again_s;          /* a device that was told nothing asks again after so long, when its poll is not held */
    uint32_t    held_max;         /* polls that are held at once; further devices are told to ask again */
    uint32_t    connections_max;
    double      address_share;    /* of connections_max, that one address may have */
    double      request_s;        /* a request must have come within so long, and a second for each KiB; its answer must be taken so, too */
    double      session_s;        /* a session is valid for so long */
    double      requests_per_s;   /* of one device, and of one address that has no session; more are told to wait */
    double      update_norm_max;  /* an update whose change is longer than this is refused */
    bool        planned_order;    /* where a round waits for all its devices, updates are merged in the order in which the simulator would */
    bool        look_at_devices;  /* evaluate.tier_examples and evaluate.devices are looked for on devices, too */
    bool        reported_profiles; /* devices are priced by what they report of themselves, not by the experiment's fleet */
} mu_serve_config;

MU_API const mu_option *mu_serve_options(size_t *count);
/* From the section of that experiment; defaults where it has none. Texts point into the experiment. */
MU_API mu_status mu_serve_config_read(const mu_experiment *experiment, mu_serve_config *out, mu_error *err);

typedef struct mu_coordinator mu_coordinator;

/* `folder` is there, and belongs to this federation alone; what it has from before is gone on with. Listens when it returns: the first answers are given when it
 * runs. The experiment's data and fleet take in what devices tell. */
MU_API mu_status mu_coordinator_create(mu_experiment *experiment, const mu_serve_config *config, const char *folder, const mu_observer *observer,
                                       mu_coordinator **out, mu_error *err);
MU_API void      mu_coordinator_destroy(mu_coordinator *coordinator); /* NULL is fine */
/* Until all rounds are made or the observer stops it, which is asked about once a second; then devices are told for `linger_s` that it is over. */
MU_API mu_status mu_coordinator_run(mu_coordinator *coordinator, double linger_s, mu_error *err);
MU_API mu_federation *mu_coordinator_federation(mu_coordinator *coordinator);
MU_API const char *mu_coordinator_url(const mu_coordinator *coordinator);         /* "https://127.0.0.1:8443" */
MU_API const char *mu_coordinator_status_url(const mu_coordinator *coordinator);  /* NULL: none */
MU_API const char *mu_coordinator_fingerprint(const mu_coordinator *coordinator); /* SHA-256 of the certificate, hexadecimal; NULL: no TLS */
/* Less than was asked for where the process may not open so many files (RLIMIT_NOFILE). */
MU_API uint32_t mu_coordinator_connections_max(const mu_coordinator *coordinator);

MU_API size_t mu_coordinator_peak_memory_bytes(mu_coordinator *coordinator); /* the most that a device reported one training to have held */

/* ---- a federation's folder, from outside: whether or not it is being served ---- */

/* One-time tokens for `count` further devices, each handed to `take` in hexadecimal with the number that its device will have. */
MU_API mu_status mu_serve_make_tokens(const char *folder, uint32_t count, double valid_s,
                                      mu_status (*take)(void *self, uint32_t device, const char *token_hex, mu_error *err), void *self, mu_error *err);
/* A device that is shut out is refused from its next request on; its tasks are given up in time. */
MU_API mu_status mu_serve_revoke(const char *folder, uint32_t device, bool revoked, mu_error *err);

typedef struct mu_served_device {
    uint32_t    number;
    const char *name;
    bool        revoked;
    int64_t     enrolled_at_s, seen_at_s; /* UTC; seen: to within some minutes */
} mu_served_device;
MU_API mu_status mu_serve_each_device(const char *folder, mu_status (*take)(void *self, const mu_served_device *device, mu_error *err), void *self,
                                      mu_error *err);

#endif
