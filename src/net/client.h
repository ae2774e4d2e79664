/* The device's side of HTTPS: requests to one coordinator over one connection that is kept, by libcurl. Bodies are messages in memory or streams; a transfer that
 * was cut is gone on with by whoever asked for it. One thread at a time.
 *
 * Who answers is known before a byte of a request is sent: by the system's certificate authorities, or by a pinned fingerprint, and then by nothing else. The
 * fingerprint is that of the whole certificate; libcurl shows it (CURLINFO_CERTINFO) when the handshake is over and the request still waits
 * (CURLOPT_PREREQFUNCTION), and does so whichever TLS library it was built with. */
#ifndef MUSTER_NET_CLIENT_H
#define MUSTER_NET_CLIENT_H

#include "muster/status.h"

#include <stdatomic.h>

typedef struct mu_client mu_client;

typedef struct mu_client_config {
    const char        *url;         /* "https://host:8443"; http:// to this machine alone. Copied */
    const char        *fingerprint; /* SHA-256 of the certificate, 64 hexadecimal digits; NULL: the system's authorities decide. Copied */
    double             connect_s;   /* a connection that does not stand after so long is given up */
    double             stall_s;     /* so is a transfer in which nothing moves */
    const atomic_bool *stop;        /* may be NULL: ends a transfer, within about a second */
} mu_client_config;
mu_client_config mu_client_config_default(void);

mu_status mu_client_create(const mu_client_config *config, mu_client **out, mu_error *err); /* nobody is asked yet */
void      mu_client_destroy(mu_client *client); /* NULL is fine */
/* What goes with every further request; NULL: nothing does. */
mu_status mu_client_set_session(mu_client *client, const void *token, size_t size_bytes, mu_error *err);

typedef enum mu_client_outcome {
    MU_CLIENT_DONE,
    MU_CLIENT_UNREACHED,  /* nobody answers, or not to the end: again, later */
    MU_CLIENT_BUSY,       /* again, later; the answer may say when */
    MU_CLIENT_STRANGER,   /* whoever answers cannot show the right certificate; nothing was sent. The network may be to blame for it: again, much later */
    MU_CLIENT_NO_SESSION, /* a new one is wanted (401) */
    MU_CLIENT_OUTDATED,   /* the coordinator speaks another version of the protocol (426) */
    MU_CLIENT_REFUSED,    /* as it is, this request is never granted */
    MU_CLIENT_STOPPED,
    MU_CLIENT_FAILED,     /* something of our own: memory, disk, or whoever takes the bytes does not like them */
} mu_client_outcome;

/* Where a long answer goes. */
typedef struct mu_client_sink {
    void *self;
    mu_status (*begin)(void *self, uint64_t first, mu_error *err); /* the bytes that follow begin there: at what was asked for, or at 0 */
    mu_status (*take)(void *self, const void *bytes, size_t size_bytes, mu_error *err);
} mu_client_sink;

typedef struct mu_client_request {
    const char *path;         /* "/v1/poll" */
    const void *body;         /* sent with POST; NULL, and no upload: GET */
    size_t      body_bytes;
    double      hold_s;       /* the answer may wait for so long */
    double      within_s;     /* all of it at most; 0: as long as something moves */
    int         upload;       /* with upload_bytes: a file whose bytes from upload_first to its end at upload_bytes are sent, with PUT */
    uint64_t    upload_first, upload_bytes;
    const mu_client_sink *sink; /* NULL: the answer is kept in memory */
    uint64_t    first;        /* with a sink: go on from there */
    size_t      answer_max_bytes; /* without one; 0: MU_LIMIT_MESSAGE_BYTES */
} mu_client_request;

typedef struct mu_client_answer {
    long           status;     /* of HTTP; 0: there was none */
    unsigned char *body;       /* NULL where there is none, or a sink took it */
    size_t         body_bytes;
    char           code[64];   /* of a Refusal; else empty */
    double         again_s;    /* after which the coordinator wants to be asked again; 0: it did not say */
    uint64_t       sent_bytes, received_bytes; /* of bodies */
} mu_client_answer;

/* `answer` is filled in either way, and released by the caller; `err` has a sentence unless the outcome is DONE. */
mu_client_outcome mu_client_ask(mu_client *client, const mu_client_request *request, mu_client_answer *answer, mu_error *err);
void              mu_client_answer_release(mu_client_answer *answer);

/* 64 hexadecimal digits of a fingerprint, with or without colons between bytes, as 64 small ones. */
#define MU_FINGERPRINT_HEX_BYTES 65
mu_status mu_fingerprint_read(const char *text, char hex[MU_FINGERPRINT_HEX_BYTES], mu_error *err);

#endif
