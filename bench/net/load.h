/* A load on a coordinator: one process and one thread that plays thousands of devices over the wire of docs/wire.md. Devices enrol, sign in, hold their polls, take
 * tasks, fetch what these start from (and pass over it), and send a signed update that was made once. Nobody trains.
 *
 *   load.c          options, the loop over all connections, what is reported
 *   load_device.c   one device: which request comes next, and what its answer means
 *   load_link.c     one connection, plain or TLS, that never blocks */
#ifndef MUSTER_BENCH_NET_LOAD_H
#define MUSTER_BENCH_NET_LOAD_H

#include "net/wire.h"

#include <gnutls/gnutls.h>
#include <netinet/in.h>

/* ---- a connection ---- */

typedef struct load_link {
    int              fd; /* -1: none */
    gnutls_session_t tls; /* NULL: plain */
    bool             is_ready; /* connected, and hands were shaken */
} load_link;

typedef enum load_progress { LOAD_MOVED, LOAD_WAITS, LOAD_BROKE } load_progress;

/* Begins to connect; the first 20,000 devices from one address, as behind a router, which has ports for few more. `credentials` NULL: plain. False: no socket. */
bool          load_link_open(load_link *link, const struct sockaddr_in *to, uint32_t device, gnutls_certificate_credentials_t credentials);
void          load_link_close(load_link *link);
load_progress load_link_get_ready(load_link *link);
load_progress load_link_send(load_link *link, const void *bytes, size_t size_bytes, size_t *sent_bytes);
load_progress load_link_receive(load_link *link, void *bytes, size_t size_bytes, size_t *got_bytes);

/* ---- a device ---- */

typedef enum load_step { LOAD_ENROL, LOAD_HELLO, LOAD_SESSION, LOAD_POLL, LOAD_START, LOAD_ANNOUNCE, LOAD_UPLOAD, LOAD_OVER, LOAD_STEPS } load_step;

typedef struct load_device {
    uint32_t      number;
    load_link     link;
    load_step     step;
    bool          is_open;   /* signed in */
    bool          has_turn;  /* counts among those that exchange a task's data */
    bool          queued;    /* waits for its turn */
    bool          asked;     /* its request is under way */
    double        rests_until_s; /* 0: it does not */
    unsigned char token[32], public_key[32], secret_key[64], challenge[32];
    char          session[65];

    uint64_t      task;
    char          start[65];
    uint64_t      offset;     /* from where on the blob is wanted */
    double        announced_s; /* when the update was first announced */

    char         *request;      /* head and message; NULL: nothing to send */
    size_t        request_bytes, request_at;
    size_t        body_at;      /* in the blob */
    bool          sends_blob;
    double        sent_all_s;

    char         *answer; /* head, and body where it is not passed over; NULL: none has begun */
    size_t        answer_bytes, answer_capacity, head_bytes;
    uint64_t      body_bytes, body_have;
    unsigned      status;
    bool          closes; /* after this answer */
} load_device;

typedef struct load_samples {
    double *values;
    size_t  count, capacity;
} load_samples;

typedef struct load {
    /* as asked */
    struct sockaddr_in to;
    const char        *host;
    gnutls_certificate_credentials_t credentials; /* NULL: plain HTTP */
    uint32_t           device_count, opening_max, turns_max, hold_s;
    bool               fetches_starts;
    double             seconds;

    load_device *devices;
    int          epoll;
    double       now_s;
    uint32_t     opened;  /* devices that began to come in */
    uint32_t     coming;  /* and are not in yet */
    uint32_t     held;    /* whose poll is under way */
    uint32_t     turns;
    load_device **queue;  /* ring of those who wait for their turn */
    uint32_t     queue_first, queue_count;

    unsigned char *blob; /* the update of all, made for the first task */
    size_t         blob_bytes;
    uint64_t       blob_floats;
    unsigned char  blob_digest[32];

    bool         is_measuring; /* since all are in */
    uint64_t     updates, bytes_up, bytes_down, refused, broken;
    uint64_t     refusals[600];  /* by status */
    load_samples acknowledged_s; /* from the announcement to "complete" */
    load_samples durable_s;      /* from the last byte sent to "complete" */
    uint32_t     finished;
} load;

/* Something may be possible now: go on until it is not. */
void load_device_go_on(load *l, load_device *device);
void load_device_come_in(load *l, load_device *device);
bool load_add_sample(load_samples *samples, double value);

#endif
