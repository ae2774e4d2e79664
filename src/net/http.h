/* The coordinator's network side: HTTPS for devices (docs/wire.md), read-only HTTP for people. Requests go to the desk and the store; nothing here knows the
 * federation. */
#ifndef MUSTER_NET_HTTP_H
#define MUSTER_NET_HTTP_H

#include "muster/serve.h"
#include "net/desk.h"
#include "net/store.h"

typedef struct mu_http mu_http;

typedef struct mu_http_config {
    const mu_serve_config *serve;
    const char *beside;     /* the experiment's file, for relative names of certificate and key; NULL: they are relative to the working folder */
    const char *folder;     /* updates/ and tls/ in it are made */
    const char *federation; /* its name */
    const unsigned char *job; /* a packed Job; borrowed for as long as it listens */
    size_t      job_bytes;
    const char *const *capabilities; /* that a device must have to be given this job, ended by NULL; NULL: none */
    mu_store   *store;
    mu_desk    *desk;
    double      stalled_s; /* an upload that has sent little for so long is slow; 0: MU_HTTP_STALLED_S */
    /* Texts for people, made anew for each request, malloc'ed, *size_bytes set; NULL: no memory. Called from the network's threads. `path`: "/status.json", "/metrics", "/",
     * and whatever else the page asks for, with "?from=N" behind it where that was asked; *media_type is set. NULL as answer with *media_type NULL: there is nothing by that name. */
    char     *(*look)(void *self, const char *path, const char **media_type, size_t *size_bytes);
    void       *look_self;
} mu_http_config;

mu_status   mu_http_create(const mu_http_config *config, mu_http **out, mu_error *err); /* listens, and answers "busy" until it is opened */
void        mu_http_open(mu_http *http);
void        mu_http_destroy(mu_http *http); /* NULL is fine. No request is under way when it returns */
const char *mu_http_url(const mu_http *http);
const char *mu_http_status_url(const mu_http *http);  /* NULL: none */
const char *mu_http_fingerprint(const mu_http *http); /* NULL: no TLS */
uint32_t    mu_http_connections_max(const mu_http *http); /* less than serve.connections_max where there are not so many descriptors */

/* Counted since it listens; for metrics. Bytes are those of bodies. */
typedef struct mu_http_counts {
    uint64_t requests, refused, bytes_in, bytes_out, sessions_opened, updates_complete;
    uint32_t connections, held;
} mu_http_counts;
mu_http_counts mu_http_count(mu_http *http);

/* What was refused lately, for the page. */
typedef struct mu_http_problem {
    int64_t  at_us;    /* UTC */
    uint32_t device;   /* MU_STORE_ANY_DEVICE: not known */
    unsigned status;   /* of HTTP */
    char     code[32]; /* of the Refusal */
} mu_http_problem;
/* The newest first; how many. */
size_t mu_http_problems(mu_http *http, mu_http_problem *out, size_t most);

#endif
