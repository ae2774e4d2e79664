/* A server for tests that says what it is told to say, and notes what it hears: one thread, one connection at a time, with or without TLS. */
#ifndef MUSTER_NET_SCRIPTED_SERVER_SUPPORT_H
#define MUSTER_NET_SCRIPTED_SERVER_SUPPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRIPT_MAX = 16, HEARD_BYTES = 65536 };

/* What is said to the next request. */
typedef struct scripted {
    const char *head;       /* all lines of the answer's head but the last, empty one; NULL: nothing is said, the connection is closed */
    const void *body;
    size_t      body_bytes, said_bytes; /* said_bytes: of the body, then the connection is closed; 0: all of it */
    bool        closes;
    size_t      hears_bytes; /* of the request's body, before it closes; 0: all of it */
} scripted;

typedef struct scripted_server {
    int             listening;
    uint16_t        port;
    pthread_t       thread;
    atomic_bool     stop;
    const scripted *script;
    size_t          count;
    atomic_size_t   done, connections; /* requests; connections that were accepted */
    char            heads[SCRIPT_MAX][4096]; /* of the requests */
    unsigned char   heard[HEARD_BYTES];      /* bodies, one after the other */
    size_t          body_bytes[SCRIPT_MAX], heard_bytes;
    atomic_size_t   raw_bytes; /* everything that was heard, under TLS what was in it */
    gnutls_certificate_credentials_t credentials; /* NULL: no TLS */
    gnutls_session_t session;
    int             fd;
} scripted_server;

static ssize_t scripted_read(scripted_server *s, void *bytes, size_t size_bytes)
{
    ssize_t got = s->session ? gnutls_record_recv(s->session, bytes, size_bytes) : recv(s->fd, bytes, size_bytes, 0);
    if (got > 0)
        atomic_fetch_add(&s->raw_bytes, (size_t)got);
    return got;
}

static void scripted_write(scripted_server *s, const void *bytes, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        const char *at = (const char *)bytes + done;
        ssize_t sent = s->session ? gnutls_record_send(s->session, at, size_bytes - done) : send(s->fd, at, size_bytes - done, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        done += (size_t)sent;
    }
}

/* false: the connection is over. */
static bool scripted_hear(scripted_server *s, size_t index)
{
    char *head = s->heads[index];
    size_t used = 0;
    while (used + 1 < sizeof s->heads[0] && !strstr(head, "\r\n\r\n")) {
        if (scripted_read(s, head + used, 1) <= 0)
            return false;
        head[++used] = '\0';
    }
    const char *length = strstr(head, "Content-Length: ");
    size_t wanted = length ? strtoul(length + 16, NULL, 10) : 0;
    if (strstr(head, "Expect: 100-continue"))
        scripted_write(s, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (s->script[index].hears_bytes)
        wanted = s->script[index].hears_bytes;
    for (size_t i = 0; i < wanted && s->heard_bytes < HEARD_BYTES; i++) {
        if (scripted_read(s, s->heard + s->heard_bytes, 1) <= 0)
            return false;
        s->heard_bytes++;
        s->body_bytes[index]++;
    }
    return true;
}

/* false: the connection is to be closed. */
static bool scripted_say(scripted_server *s, const scripted *what)
{
    char line[64];
    size_t said = what->said_bytes ? what->said_bytes : what->body_bytes;
    if (!what->head || what->hears_bytes)
        return false;
    scripted_write(s, what->head, strlen(what->head));
    snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", what->body_bytes);
    scripted_write(s, line, strlen(line));
    scripted_write(s, what->body, said);
    return said == what->body_bytes && !what->closes;
}

static void scripted_serve(scripted_server *s)
{
    size_t index = atomic_load(&s->done);
    if (s->credentials) {
        gnutls_init(&s->session, GNUTLS_SERVER);
        gnutls_set_default_priority(s->session);
        gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->credentials);
        gnutls_transport_set_int(s->session, s->fd);
        if (gnutls_handshake(s->session) < 0)
            index = s->count;
    }
    while (index < s->count && scripted_hear(s, index)) {
        bool goes_on = scripted_say(s, &s->script[index]);
        atomic_store(&s->done, ++index);
        if (!goes_on)
            break;
    }
    if (s->session)
        gnutls_deinit(s->session);
    s->session = NULL;
}

static void *scripted_run(void *self)
{
    scripted_server *s = self;
    while (!atomic_load(&s->stop)) {
        struct pollfd wait = { .fd = s->listening, .events = POLLIN };
        if (poll(&wait, 1, 20) != 1 || (s->fd = accept(s->listening, NULL, NULL)) < 0)
            continue;
        struct timeval patience = { .tv_sec = 5 };
        setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        atomic_fetch_add(&s->connections, 1);
        scripted_serve(s);
        close(s->fd);
    }
    return NULL;
}

static inline void scripted_start(scripted_server *s, const scripted *script, size_t count)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof address;
    s->script = script;
    s->count = count;
    s->listening = socket(AF_INET, SOCK_STREAM, 0);
    if (s->listening < 0 || bind(s->listening, (struct sockaddr *)&address, sizeof address) || listen(s->listening, 8) ||
        getsockname(s->listening, (struct sockaddr *)&address, &length) || pthread_create(&s->thread, NULL, scripted_run, s))
        abort();
    s->port = ntohs(address.sin_port);
}

static inline void scripted_stop(scripted_server *s)
{
    atomic_store(&s->stop, true);
    shutdown(s->listening, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listening);
}

#endif
