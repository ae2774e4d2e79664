/* For tests of the coordinator's network side: a server on a free port of 127.0.0.1 with a folder of its own, and devices that speak to it by libcurl. */
#ifndef MUSTER_NET_TEST_HTTP_H
#define MUSTER_NET_TEST_HTTP_H

#include "net/http.h"
#include "net/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST_DEVICES 80u

typedef struct test_server {
    char            folder[64];
    mu_serve_config serve; /* plain HTTP, port 0; to be changed before test_server_listen */
    double          stalled_s; /* 0: as a rule */
    mu_store       *store;
    mu_desk        *desk;
    mu_http        *http;
    const char *const *capabilities;
} test_server;

void test_server_init(test_server *server);   /* folder, store and desk */
void test_server_listen(test_server *server); /* open at once */
void test_server_stop(test_server *server);   /* as a kill would leave it: store and desk are made anew by the next listen */
void test_server_release(test_server *server);

/* ---- requests ---- */

typedef struct test_reply {
    long           status; /* 0: no answer came */
    unsigned char *body;
    size_t         bytes;
    double         retry_after_s; /* 0: not said */
    char           range[96], tag[96];
} test_reply;

typedef struct test_request {
    const char *method, *path;
    const char *session; /* in hexadecimal; NULL: none */
    const void *body;
    size_t      bytes;
    const char *header; /* one more; NULL: none */
    bool        chunked;
    long        timeout_ms; /* 0: 20 s */
    size_t      cut_after;  /* hang up after so many bytes of the body; 0: do not */
    long       *connections; /* that had to be opened for it; may be NULL */
    void       *curl; /* a handle to use again; NULL: a new one */
} test_request;
test_reply test_ask(const test_server *server, const test_request *request);
void       test_reply_release(test_reply *reply);
/* The status, and what the body says: a message that must be of that type (freed with mu_wire_free). */
ProtobufCMessage *test_ask_message(const test_server *server, const test_request *request, long status, const ProtobufCMessageDescriptor *type);
/* Must be refused like this. Gives again_s. */
double test_refused(const test_server *server, const test_request *request, long status, const char *code);
test_request test_post(const char *path, const char *session, const ProtobufCMessage *message, unsigned char **packed);

/* ---- devices ---- */

typedef struct test_device {
    uint32_t      number;
    unsigned char public_key[32], secret_key[64], token[32];
    char          session[65];
    uint32_t      num_examples;
} test_device;
void test_device_make(test_device *device);
void test_device_give_token(const test_server *server, test_device *device);
test_request test_device_enrolment(const test_device *device, unsigned char **packed); /* by its token; `packed` is the caller's */
void test_device_enrol(const test_server *server, test_device *device); /* with a token that it is given */
void test_device_sign_in(const test_server *server, test_device *device);
/* An OpenSession of that device; the challenge is of a Hello. Free with free(). */
unsigned char *test_device_session_message(const test_device *device, const unsigned char challenge[32], uint32_t protocol, size_t *bytes);
void test_hello(const test_server *server, unsigned char challenge[32]);

/* ---- tasks and updates ---- */

void test_put_task(const test_server *server, uint64_t task, uint32_t device, uint64_t floats); /* its start is a blob of 100000 floats */
const char *test_start_digest(void);
typedef struct test_update {
    uint64_t       task;
    float         *floats;
    uint64_t       count;
    unsigned char *blob;
    size_t         blob_bytes;
    unsigned char  digest[32];
} test_update;
void test_update_make(const test_server *server, test_update *update, uint64_t task, uint64_t count, uint32_t seed);
void test_update_encode(const test_server *server, test_update *update); /* again, after its floats were changed */
void test_update_release(test_update *update);
/* The SignedUpdate; `change` (may be NULL) may spoil the head before it is signed. */
unsigned char *test_update_announcement(const test_update *update, const test_device *device, void (*change)(Muster__UpdateHead *head), size_t *bytes);

#endif
