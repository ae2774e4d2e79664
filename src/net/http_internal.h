/* What the files of the coordinator's network side share: a request, how it is answered, and the parts of mu_http.
 *
 * A request's life (http_request.c). libmicrohttpd calls from a few threads that serve all connections, so nothing there may wait: what touches the disk runs on
 * a worker while its connection is suspended, and a poll that is held is nothing but a suspended connection in a list.
 *
 *     headers -> route, limits, session -> [begin, on a worker] -> body -> answer (there, or on a worker, or held) -> sent
 *
 * Locks are taken in this order: polls or blobs, then `lock`, then libmicrohttpd's own. Those of connections and addresses are held for themselves alone. */
#ifndef MUSTER_NET_HTTP_INTERNAL_H
#define MUSTER_NET_HTTP_INTERNAL_H

#include "base/pool.h"
#include "net/blob.h"
#include "net/http.h"
#include "net/http_limits.h"
#include "net/link.h"
#include "net/wire.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct mu_http_request   mu_http_request;
typedef struct mu_http_sessions  mu_http_sessions;
typedef struct mu_http_polls     mu_http_polls;
typedef struct mu_http_blobs     mu_http_blobs;
typedef struct mu_http_transfers mu_http_transfers;
typedef struct mu_http_upload    mu_http_upload;
typedef struct mu_http_connection  mu_http_connection;
typedef struct mu_http_connections mu_http_connections;

/* ---- routes (http_routes.c) ---- */

typedef struct mu_http_route {
    const char *method, *path; /* in the path, '#' stands for a task's number and '$' for a blob's digest */
    bool        without_session, enrols, on_worker;
    size_t      body_bytes_max; /* of the message; 0: there is none */
    void      (*begin)(mu_http_request *request);                                      /* once the headers are there, on a worker; may be NULL */
    void      (*take)(mu_http_request *request, const void *bytes, size_t size_bytes); /* a piece of the body; NULL: it is gathered in request->body */
    void      (*answer)(mu_http_request *request);  /* sets request->response, or suspends it */
    void      (*resumed)(mu_http_request *request); /* after `answer` has suspended it */
} mu_http_route;
/* NULL: there is none. Task and digest are put where they belong. */
const mu_http_route *mu_http_find_route(const char *method, const char *path, uint64_t *task, char digest_hex[MU_BLOB_DIGEST_HEX_BYTES]);

/* ---- a request ---- */

typedef enum mu_http_phase { MU_HTTP_BEGINS, MU_HTTP_RECEIVES, MU_HTTP_WORKS, MU_HTTP_HELD } mu_http_phase;
struct mu_http_request {
    mu_http               *http;
    struct MHD_Connection *connection;
    mu_http_connection    *on; /* what is known of the connection; NULL: it is shut down already */
    const mu_http_route   *route;
    mu_http_phase          phase;
    bool                   has_body;
    uint64_t               body_announced; /* by Content-Length; UINT64_MAX: not said */

    uint64_t task; /* of the path */
    char     digest_hex[MU_BLOB_DIGEST_HEX_BYTES];

    uint32_t      device; /* of the session; MU_STORE_ANY_DEVICE: none */
    unsigned char public_key[MU_STORE_KEY_BYTES];
    uint32_t      num_examples; /* that the device has reported */
    double        heard_s;

    unsigned char  *body;
    size_t          body_bytes, body_capacity;
    mu_http_upload *upload;

    mu_job  job;
    void  (*work)(mu_http_request *request);
    mu_link link; /* in the list of whoever has suspended it */

    Muster__Poll  *poll;
    mu_desk_waiter waiter;
    double         until_s; /* it is held */
    bool           woken, timed_out;

    unsigned             status; /* 0: no answer yet */
    struct MHD_Response *response;
    uint64_t             answer_bytes; /* of the body */
};

/* Take the connection out of its thread's hands; what `route->resumed` does comes after mu_http_resume. False: the server stops; answer now. */
bool mu_http_suspend(mu_http_request *request);
void mu_http_resume(mu_http_request *request); /* the request may be gone when this returns */
bool mu_http_unpack_body(mu_http_request *request, const ProtobufCMessageDescriptor *type, ProtobufCMessage **out); /* false: it was refused */
bool mu_http_argument(mu_http_request *request, const char *name, const char **value); /* of the address, after '?' */

enum MHD_Result mu_http_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                   const char *data, size_t *data_bytes, void **own);
void            mu_http_on_completed(void *self, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode how);

/* ---- connections (http_connections.c) ---- */

mu_status mu_http_connections_create(mu_http *http, mu_http_connections **out, mu_error *err);
void      mu_http_connections_destroy(mu_http_connections *connections);
uint32_t  mu_http_connections_count(mu_http_connections *connections);
enum MHD_Result     mu_http_has_room(void *self, const struct sockaddr *from, socklen_t address_bytes); /* MHD_AcceptPolicyCallback */
void                mu_http_note_connection(void *self, struct MHD_Connection *connection, void **own, enum MHD_ConnectionNotificationCode what);
mu_http_connection *mu_http_connection_of(struct MHD_Connection *connection);
/* The request's connection has serve.request_s from now on, and a second for each KiB of these bytes; no limit; a second more for each KiB. */
void mu_http_give_time(mu_http_request *request, uint64_t bytes);
void mu_http_stop_time(mu_http_request *request);
void mu_http_put_time_off(mu_http_request *request, uint64_t bytes);

/* ---- answers (http_answer.c): each sets status and response; with no memory for one, an empty 503 ---- */

void mu_http_answer_message(mu_http_request *request, unsigned status, const ProtobufCMessage *message);
void mu_http_answer_bytes(mu_http_request *request, const void *bytes, size_t size_bytes, const char *media_type); /* borrowed while it listens */
void mu_http_answer_nothing(mu_http_request *request);
void mu_http_answer_state(mu_http_request *request, unsigned status, uint64_t have_bytes, bool complete);
void mu_http_answer_with(mu_http_request *request, unsigned status, struct MHD_Response *response); /* taken; NULL: no memory */
/* A Refusal, counted and remembered. `again_s` 0: do not try again as it is. */
void mu_http_refuse(mu_http_request *request, unsigned status, const char *code, double again_s, const char *format, ...) MU_PRINTF(5, 6);
/* What is our own trouble (no memory, a disk that is full): 503. */
void mu_http_refuse_trouble(mu_http_request *request, const mu_error *err);

/* ---- sessions (http_session.c) ---- */

mu_status mu_http_sessions_create(mu_http *http, mu_http_sessions **out, mu_error *err);
void      mu_http_sessions_destroy(mu_http_sessions *sessions);
bool      mu_http_authenticate(mu_http_request *request); /* false: it was refused, or, where it has no status, is of no session */
void      mu_http_hello(mu_http_request *request);
void      mu_http_enrol(mu_http_request *request);
void      mu_http_open_session(mu_http_request *request);
void      mu_http_job(mu_http_request *request);
void      mu_http_leave(mu_http_request *request);

/* ---- polls (http_poll.c) ---- */

mu_status mu_http_polls_create(mu_http_polls **out, mu_error *err);
void      mu_http_polls_destroy(mu_http_polls *polls);
void      mu_http_polls_stop(mu_http_polls *polls); /* all that are held go on */
uint32_t  mu_http_polls_held(mu_http_polls *polls);
void      mu_http_poll(mu_http_request *request);
void      mu_http_poll_resumed(mu_http_request *request);

/* ---- blobs (http_blob.c) ---- */

mu_status mu_http_blobs_create(mu_http_blobs **out, mu_error *err);
void      mu_http_blobs_destroy(mu_http_blobs *blobs, mu_pool *workers);
void      mu_http_blob(mu_http_request *request);
void      mu_http_blob_resumed(mu_http_request *request);

/* ---- updates (http_upload.c; their places: http_places.c) ---- */

mu_status mu_http_transfers_create(const mu_http *http, mu_http_transfers **out, mu_error *err);
void      mu_http_transfers_destroy(mu_http_transfers *transfers);
void      mu_http_update_announced(mu_http_request *request);
void      mu_http_upload_begin(mu_http_request *request);
void      mu_http_upload_take(mu_http_request *request, const void *bytes, size_t size_bytes);
void      mu_http_upload_end(mu_http_request *request);
void      mu_http_upload_close(mu_http_request *request); /* however it ended; nothing where there is none */
void      mu_http_task_failed(mu_http_request *request);
bool      mu_http_task_is_open(mu_http_request *request, mu_desk_task_info *info); /* and this device's; otherwise it is refused */
/* Understood, and nothing that may touch the model: the task has failed. */
void      mu_http_task_reject(mu_http_request *request, const char *code, const char *message);

/* ---- looks (http_looked.c) ---- */

void mu_http_task_looked(mu_http_request *request);

/* ---- all of it (http.c) ---- */

struct mu_http {
    mu_http_config config;
    mu_serve_config serve;
    char          *url, *status_url;
    char           fingerprint[65]; /* empty: no TLS */
    char           job_digest[65];
    struct MHD_Daemon   *devices[MU_HTTP_SERVING_THREADS], *people;
    struct MHD_Response *no_memory;
    mu_pool           *workers;
    mu_http_sessions  *sessions;
    mu_http_polls     *polls;
    mu_http_blobs     *blobs;
    mu_http_transfers *transfers;
    mu_http_addresses *addresses;
    mu_http_connections *connections;

    double               began_s; /* monotonic */
    atomic_bool          is_open;
    atomic_size_t        bodies_bytes; /* gathered messages that are in memory */
    atomic_uint_fast64_t requests, refused, bytes_in, bytes_out, sessions_opened, updates_complete;
    unsigned             connections_max, connections_per_address_max, uploads_max;

    pthread_mutex_t lock;
    pthread_cond_t  nothing_suspended;
    bool            stopping;
    uint32_t        suspended;
    mu_http_problem problems[MU_HTTP_PROBLEMS];
    uint64_t        problem_count;
};

void mu_http_note_problem(mu_http *http, uint32_t device, unsigned status, const char *code);
/* `seconds`, spread by up to a fifth to either side, so that those who were told the same do not come back together. */
double mu_http_spread(double seconds);

/* ---- listening (http_listen.c) and TLS (http_tls.c) ---- */

/* `count` sockets that listen on "host:port", over which the kernel spreads those who connect, and the address that others reach them by, "https://host:port"
 * (malloc'ed). `loopback_only`: any other is refused. */
mu_status mu_http_listen(const char *address, const char *scheme, bool loopback_only, int *fds, size_t count, char **url, mu_error *err);
/* PEM texts (malloc'ed) of certificate and key, and the fingerprint: those that are named, or those in folder/tls, made when they are not there. */
mu_status mu_http_tls_load(const mu_http_config *config, char **certificate, char **key, char fingerprint[65], mu_error *err);

/* ---- for people (http_look.c) ---- */
mu_status mu_http_look_start(mu_http *http, mu_error *err);

#endif
