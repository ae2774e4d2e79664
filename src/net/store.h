/* What a coordinator must not forget: who may come in, who has, which updates it has acknowledged, and what it has told the federation since its last
 * checkpoint. One narrow interface; SQLite behind it (store_sqlite.c). All calls may be made from any thread at once; when one that changes something returns MU_OK,
 * the change survives kill -9 and a power cut. Changes that are asked for by several threads at the same time are made durable together. */
#ifndef MUSTER_NET_STORE_H
#define MUSTER_NET_STORE_H

#include "muster/device.h"
#include "muster/status.h"

#define MU_STORE_KEY_BYTES 32
#define MU_STORE_NAME_BYTES 128 /* with the zero at the end */
#define MU_STORE_ANY_DEVICE UINT32_MAX

typedef struct mu_store mu_store;

/* One process at a time owns a store: a second one gets MU_E_STATE, naming the file. Guests may come at any time, beside the owner too: they add tokens, revoke
 * devices and look (all but updates, events and checkpoints); what they change the owner sees at its next call. */
typedef enum mu_store_role { MU_STORE_OWNER, MU_STORE_GUEST } mu_store_role;
/* Open `path`, or make it. */
mu_status mu_store_open(const char *path, mu_store_role role, mu_store **out, mu_error *err);
void      mu_store_close(mu_store *store); /* NULL is fine */

/* ---- single values, by name: what the run is ("experiment", "started_at_s", "tls_fingerprint" ...) ---- */
mu_status mu_store_set(mu_store *store, const char *name, const void *value, size_t size_bytes, mu_error *err);
/* malloc'ed, the caller's; *value NULL: there is none. */
mu_status mu_store_get(mu_store *store, const char *name, void **value, size_t *size_bytes, mu_error *err);

/* ---- who may come in ---- */
/* Tokens are kept as digests (BLAKE2b-256 of the token). `device`: the number that its holder will have; MU_STORE_ANY_DEVICE: the next free one.
 * `devices`: how many there can be. *given: the number, which is settled here. A number is taken by its device, and spoken for by a token until it expires; that
 * of a revoked device may be had again by asking for it. MU_E_LIMIT: all numbers are taken or spoken for; MU_E_STATE: the one asked for is; MU_E_RANGE: it is
 * not below `devices`. */
mu_status mu_store_add_token(mu_store *store, const unsigned char digest[MU_STORE_KEY_BYTES], uint32_t device, uint32_t devices, int64_t now_s,
                             int64_t expires_at_s, uint32_t *given, mu_error *err);

typedef struct mu_store_device {
    uint32_t      number;
    unsigned char public_key[MU_STORE_KEY_BYTES];
    char          name[MU_STORE_NAME_BYTES];
    bool          revoked;
    int64_t       enrolled_at_s, seen_at_s; /* UTC */
} mu_store_device;

typedef enum mu_store_enrolment {
    MU_STORE_ENROLLED,
    MU_STORE_ENROLLED_BEFORE, /* this token by this very key: the answer was lost on its way */
    MU_STORE_TOKEN_UNKNOWN,
    MU_STORE_TOKEN_USED,
    MU_STORE_TOKEN_EXPIRED,
} mu_store_enrolment;
/* One transaction: the token is used and the device is there, or neither. Of `device`, key and name are taken; the rest is filled in where it is enrolled now or
 * was before. */
mu_status mu_store_enrol(mu_store *store, const unsigned char token_digest[MU_STORE_KEY_BYTES], int64_t now_s, mu_store_device *device,
                         mu_store_enrolment *outcome, mu_error *err);
mu_status mu_store_find_device(mu_store *store, uint32_t number, mu_store_device *out, bool *found, mu_error *err);
mu_status mu_store_revoke(mu_store *store, uint32_t number, bool revoked, mu_error *err); /* MU_E_RANGE: there is no such device */
/* Not durable at once: when a device was last seen is for people. */
void      mu_store_note_seen(mu_store *store, uint32_t number, int64_t now_s);
/* In the order of their numbers; a status other than MU_OK ends it. */
mu_status mu_store_each_device(mu_store *store, mu_status (*take)(void *self, const mu_store_device *device, mu_error *err), void *self,
                               mu_error *err);

/* ---- updates that were acknowledged: the record here, the floats in a file that was synced before ---- */
typedef struct mu_store_update {
    uint64_t       task;
    uint32_t       device;
    const unsigned char *head; /* an UpdateHead, as it was signed */
    size_t         head_bytes;
} mu_store_update;
/* MU_OK also when that very update is there already. MU_E_STATE: another one for this task is. Tasks are below 2^63. */
mu_status mu_store_put_update(mu_store *store, const mu_store_update *update, mu_error *err);
/* out->head is malloc'ed, the caller's. */
mu_status mu_store_find_update(mu_store *store, uint64_t task, mu_store_update *out, bool *found, mu_error *err);
mu_status mu_store_each_update(mu_store *store, mu_status (*take)(void *self, const mu_store_update *update, mu_error *err), void *self,
                               mu_error *err); /* by task */

/* ---- the journal: events that were handed to the federation since its last checkpoint, in their order ---- */
typedef struct mu_store_event {
    uint32_t   kind;
    mu_time_us at;
    uint64_t   task, label;
    uint32_t   device;
    const unsigned char *extra; /* what else belongs to it; may be NULL */
    size_t     extra_bytes;
} mu_store_event;
mu_status mu_store_append_events(mu_store *store, const mu_store_event *events, size_t count, mu_error *err); /* all or none */
mu_status mu_store_each_event(mu_store *store, mu_status (*take)(void *self, const mu_store_event *event, mu_error *err), void *self, mu_error *err);
/* The federation's checkpoint is durable: the journal is empty again, and the updates of these tasks are forgotten. One transaction. */
mu_status mu_store_checkpoint(mu_store *store, const uint64_t *tasks, size_t count, mu_error *err);

#endif
