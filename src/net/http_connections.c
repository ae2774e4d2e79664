/* Connections: how many there are, of one address and of all, and how long each may take.
 *
 * A connection that says nothing for a while libmicrohttpd closes by itself, but whoever sends a byte now and then, or takes one, could keep his for ever. So each
 * has a moment by which the request that it is at must have come, or its answer gone, and every byte that moves puts that off: by a second for each KiB. One
 * thread looks now and then, and shuts those down whose time is over; libmicrohttpd finds them closed. While a request is with a worker or held, time stands still. */
#include "net/http_internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LOOKS_A_REQUEST 8 /* so often is looked in the time that a request has */

struct mu_http_connection {
    mu_link             link;
    mu_http_neighbours *from;
    int                 fd;
    _Atomic double      until_s; /* INFINITY: time stands still */
};

struct mu_http_connections {
    mu_http        *http;
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    mu_link         all;
    uint32_t        count;
    bool            stopping;
    pthread_t       thread;
};

static mu_http_connection *connection_at(mu_link *at) { return mu_link_around(at, offsetof(mu_http_connection, link)); }

/* ---- time ---- */

static uint32_t shut_slow_down(mu_http_connections *connections, double now_s)
{
    uint32_t slow = 0;
    for (mu_link *at = connections->all.next; at != &connections->all; at = at->next) {
        mu_http_connection *each = connection_at(at);
        if (atomic_load(&each->until_s) > now_s)
            continue;
        atomic_store(&each->until_s, INFINITY);
        shutdown(each->fd, SHUT_RDWR); /* it is open: whoever closes it takes it out of the list before */
        slow++;
    }
    return slow;
}

static void *look_after(void *argument)
{
    mu_http_connections *connections = argument;
    double every_s = connections->http->serve.request_s / LOOKS_A_REQUEST;
    pthread_mutex_lock(&connections->lock);
    while (!connections->stopping) {
        double now_s = mu_clock_monotonic_s(), next_s = now_s + every_s;
        uint32_t slow = shut_slow_down(connections, now_s);
        pthread_mutex_unlock(&connections->lock);
        for (; slow; slow--)
            mu_http_note_problem(connections->http, MU_STORE_ANY_DEVICE, MHD_HTTP_REQUEST_TIMEOUT, "too-slow");
        pthread_mutex_lock(&connections->lock);
        struct timespec at = { .tv_sec = (time_t)next_s };
        at.tv_nsec = (long)((next_s - (double)at.tv_sec) * 1e9);
        if (!connections->stopping)
            pthread_cond_timedwait(&connections->changed, &connections->lock, &at);
    }
    pthread_mutex_unlock(&connections->lock);
    return NULL;
}

void mu_http_give_time(mu_http_request *request, uint64_t bytes)
{
    if (request->on)
        atomic_store(&request->on->until_s, mu_clock_monotonic_s() + request->http->serve.request_s + (double)bytes / MU_HTTP_BYTES_PER_S_MIN);
}

void mu_http_stop_time(mu_http_request *request)
{
    if (request->on)
        atomic_store(&request->on->until_s, INFINITY);
}

/* The thread that looks may have shut it down meanwhile; then it stays so. */
void mu_http_put_time_off(mu_http_request *request, uint64_t bytes)
{
    if (request->on)
        atomic_store(&request->on->until_s, atomic_load(&request->on->until_s) + (double)bytes / MU_HTTP_BYTES_PER_S_MIN);
}

/* ---- their life ---- */

mu_status mu_http_connections_create(mu_http *http, mu_http_connections **out, mu_error *err)
{
    mu_http_connections *connections = calloc(1, sizeof *connections);
    if (!connections)
        return mu_error_set(err, MU_E_MEMORY, "no memory for connections");
    connections->http = http;
    mu_link_list_init(&connections->all);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&connections->lock, NULL);
    pthread_cond_init(&connections->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&connections->thread, NULL, look_after, connections)) {
        pthread_cond_destroy(&connections->changed);
        pthread_mutex_destroy(&connections->lock);
        free(connections);
        return mu_error_set(err, MU_E_MEMORY, "the thread that looks after connections cannot be started");
    }
    *out = connections;
    return MU_OK;
}

void mu_http_connections_destroy(mu_http_connections *connections)
{
    if (!connections)
        return;
    pthread_mutex_lock(&connections->lock);
    connections->stopping = true;
    pthread_cond_signal(&connections->changed);
    pthread_mutex_unlock(&connections->lock);
    pthread_join(connections->thread, NULL);
    pthread_cond_destroy(&connections->changed);
    pthread_mutex_destroy(&connections->lock);
    free(connections);
}

uint32_t mu_http_connections_count(mu_http_connections *connections)
{
    pthread_mutex_lock(&connections->lock);
    uint32_t count = connections->count;
    pthread_mutex_unlock(&connections->lock);
    return count;
}

/* ---- what libmicrohttpd asks and tells ---- */

/* libmicrohttpd has limits of its own, but for each of its threads, and of an address all 128 bits. */
enum MHD_Result mu_http_has_room(void *self, const struct sockaddr *from, socklen_t address_bytes)
{
    (void)address_bytes;
    mu_http *http = self;
    return mu_http_connections_count(http->connections) < http->connections_max &&
                   mu_http_addresses_connections(http->addresses, from) < http->connections_per_address_max
               ? MHD_YES : MHD_NO;
}

static void begin(mu_http *http, struct MHD_Connection *connection, mu_http_connection **own)
{
    mu_http_connections *connections = http->connections;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *from = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    mu_http_connection *made = calloc(1, sizeof *made);
    if (!made || !(made->from = mu_http_addresses_connect(http->addresses, from))) {
        free(made);
        shutdown(fd, SHUT_RDWR); /* nobody would look after it */
        return;
    }
    made->fd = fd;
    atomic_init(&made->until_s, mu_clock_monotonic_s() + http->serve.request_s);
    pthread_mutex_lock(&connections->lock);
    mu_link_append(&connections->all, &made->link);
    connections->count++;
    pthread_mutex_unlock(&connections->lock);
    *own = made;
}

void mu_http_note_connection(void *self, struct MHD_Connection *connection, void **own, enum MHD_ConnectionNotificationCode what)
{
    mu_http *http = self;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *own = NULL;
        begin(http, connection, (mu_http_connection **)own);
        return;
    }
    mu_http_connection *over = *own;
    if (!over)
        return;
    pthread_mutex_lock(&http->connections->lock);
    mu_link_remove(&over->link);
    http->connections->count--;
    pthread_mutex_unlock(&http->connections->lock);
    mu_http_addresses_disconnect(http->addresses, over->from);
    free(over);
    *own = NULL;
}

mu_http_connection *mu_http_connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}
