/* A request from its headers to its answer. */
#include "net/http_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPEN_SOON_S 1.5

/* ---- suspended connections: on a worker, held, waiting for a file ---- */

bool mu_http_suspend(mu_http_request *request)
{
    mu_http *http = request->http;
    pthread_mutex_lock(&http->lock);
    bool may = !http->stopping;
    http->suspended += may;
    pthread_mutex_unlock(&http->lock);
    if (may) {
        mu_http_stop_time(request);
        MHD_suspend_connection(request->connection);
    }
    return may;
}

void mu_http_resume(mu_http_request *request)
{
    mu_http *http = request->http;
    MHD_resume_connection(request->connection);
    pthread_mutex_lock(&http->lock);
    if (--http->suspended == 0)
        pthread_cond_signal(&http->nothing_suspended);
    pthread_mutex_unlock(&http->lock);
}

static void run_on_worker(mu_job *job, uint32_t worker)
{
    (void)worker;
    mu_http_request *request = mu_link_around((mu_link *)(void *)job, offsetof(mu_http_request, job));
    request->work(request);
    mu_http_resume(request);
}

/* False: it was refused. Else the worker has the request, and nobody else may look at it. */
static bool send_to_worker(mu_http_request *request, mu_http_phase phase, void (*work)(mu_http_request *request))
{
    mu_http *http = request->http;
    request->phase = phase;
    if (!mu_http_suspend(request)) {
        mu_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", mu_http_spread(http->serve.again_s), "the coordinator is being stopped");
        return false;
    }
    request->work = work;
    request->job = (mu_job){ .run = run_on_worker };
    mu_pool_submit(http->workers, &request->job);
    return true;
}

/* ---- the body ---- */

static void drop_body(mu_http_request *request)
{
    free(request->body);
    atomic_fetch_sub(&request->http->bodies_bytes, request->body_capacity);
    request->body = NULL;
    request->body_capacity = request->body_bytes = 0;
}

/* Room for a message, as it was announced or twice what there was; of all messages together there is never more than MU_HTTP_BODIES_BYTES_MAX. */
static bool reserve_body(mu_http_request *request, size_t capacity)
{
    mu_http *http = request->http;
    size_t   more = capacity - request->body_capacity;
    if (atomic_fetch_add(&http->bodies_bytes, more) + more <= MU_HTTP_BODIES_BYTES_MAX) {
        unsigned char *body = realloc(request->body, capacity);
        if (body) {
            request->body = body;
            request->body_capacity = capacity;
            return true;
        }
    }
    atomic_fetch_sub(&http->bodies_bytes, more);
    mu_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", mu_http_spread(http->serve.again_s), "too many messages are being received at once");
    return false;
}

static void refuse_size(mu_http_request *request)
{
    mu_http_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large", 0, "the body of this request may have at most %zu bytes", request->route->body_bytes_max);
}

static void gather(mu_http_request *request, const void *bytes, size_t size_bytes)
{
    size_t needed = request->body_bytes + size_bytes, most = request->route->body_bytes_max;
    if (needed > most) {
        refuse_size(request);
        return;
    }
    if (needed > request->body_capacity) {
        size_t capacity = request->body_announced <= most && request->body_announced >= needed ? (size_t)request->body_announced : 2 * needed;
        if (!reserve_body(request, capacity < most ? capacity : most))
            return;
    }
    memcpy(request->body + request->body_bytes, bytes, size_bytes);
    request->body_bytes = needed;
}

bool mu_http_unpack_body(mu_http_request *request, const ProtobufCMessageDescriptor *type, ProtobufCMessage **out)
{
    mu_error err;
    mu_status status = mu_wire_unpack(type, request->body ? (const void *)request->body : "", request->body_bytes, out, &err);
    drop_body(request);
    if (status == MU_E_MEMORY)
        mu_http_refuse_trouble(request, &err);
    else if (status)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "%s", err.message);
    return status == MU_OK;
}

bool mu_http_argument(mu_http_request *request, const char *name, const char **value)
{
    *value = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    return *value != NULL;
}

/* ---- the headers ---- */

static enum MHD_Result count_length(void *self, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind, (void)value;
    *(unsigned *)self += !strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) || !strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return MHD_YES;
}

/* What the headers say of the body: UINT64_MAX where its length is not said. False: they say it twice, so that a proxy in between may see another end of it, and the
 * next request elsewhere, than is seen here. */
static bool look_for_body(mu_http_request *request)
{
    unsigned said = 0;
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_length, &said);
    const char *length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *encoding = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    request->body_announced = encoding ? UINT64_MAX : length ? strtoull(length, NULL, 10) : 0; /* libmicrohttpd has checked that it is a number */
    request->has_body = request->body_announced > 0;
    if (said <= 1)
        return true;
    request->has_body = true;
    request->body_announced = UINT64_MAX; /* it is not read: nobody knows where it ends */
    mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "the headers say more than once how long the body is");
    return false;
}

/* Requests without a session count for the address that they come from. */
static bool is_within_rate(mu_http_request *request)
{
    mu_http *http = request->http;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return true;
    double wait_s = mu_http_addresses_take(http->addresses, info->client_addr, request->route && request->route->enrols, mu_clock_monotonic_s(),
                                           http->serve.requests_per_s);
    if (wait_s > 0)
        mu_http_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS, "too-many", mu_http_spread(wait_s), "this address asks more often than the coordinator takes");
    return wait_s <= 0;
}

/* Everything that can be refused before the body is there. */
static void look_at_headers(mu_http_request *request, const char *method, const char *path)
{
    mu_http *http = request->http;
    request->route = mu_http_find_route(method, path, &request->task, request->digest_hex);
    if (!atomic_load(&http->is_open)) {
        /* As a rule it takes a moment only; where it takes longer, those who ask come less often. */
        double again_s = fmin(http->serve.again_s, fmax(OPEN_SOON_S, (mu_clock_monotonic_s() - http->began_s) / 2));
        mu_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "not-open", mu_http_spread(again_s), "the coordinator is being started");
        return;
    }
    if ((!request->route || request->route->without_session) && !is_within_rate(request))
        return;
    if (!request->route) {
        mu_http_refuse(request, MHD_HTTP_NOT_FOUND, "no-such-request", 0, "there is no %.16s %.128s here", method, path);
        return;
    }
    if (!request->route->without_session && !mu_http_authenticate(request)) {
        if (!request->status && is_within_rate(request))
            mu_http_refuse(request, MHD_HTTP_UNAUTHORIZED, "no-session", 0, "there is no such session; open one");
        return;
    }
    if (!request->route->take && request->body_announced != UINT64_MAX && request->body_announced > request->route->body_bytes_max)
        refuse_size(request);
}

static mu_http_request *request_create(mu_http *http, struct MHD_Connection *connection)
{
    mu_http_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->http = http;
    request->connection = connection;
    request->on = mu_http_connection_of(connection);
    request->device = MU_STORE_ANY_DEVICE;
    atomic_fetch_add(&http->requests, 1);
    return request;
}

/* ---- its life ---- */

static enum MHD_Result send_answer(mu_http_request *request)
{
    struct MHD_Response *response = request->response;
    mu_http_give_time(request, request->answer_bytes);
    enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);
    if (response != request->http->no_memory)
        MHD_destroy_response(response);
    request->response = NULL;
    return result;
}

/* A refusal that comes before the body. A small body is read to its end first: answering now would close the connection. */
static enum MHD_Result go_on_receiving(mu_http_request *request)
{
    request->phase = MU_HTTP_RECEIVES;
    mu_http_give_time(request, 0);
    return request->status && request->has_body && request->body_announced > MU_HTTP_DRAINED_BYTES_MAX ? send_answer(request) : MHD_YES;
}

static enum MHD_Result receive(mu_http_request *request, const char *data, size_t *data_bytes)
{
    request->phase = MU_HTTP_RECEIVES;
    atomic_fetch_add(&request->http->bytes_in, *data_bytes);
    mu_http_put_time_off(request, *data_bytes);
    if (!request->status) {
        if (request->route->take)
            request->route->take(request, data, *data_bytes);
        else
            gather(request, data, *data_bytes);
    }
    *data_bytes = 0; /* what was refused is read all the same: only then is there room for the answer */
    return MHD_YES;
}

static enum MHD_Result answer(mu_http_request *request)
{
    if (request->status)
        return send_answer(request);
    if (request->route->on_worker)
        return send_to_worker(request, MU_HTTP_WORKS, request->route->answer) ? MHD_YES : send_answer(request);
    request->phase = MU_HTTP_HELD;
    request->route->answer(request);
    return request->response ? send_answer(request) : MHD_YES;
}

enum MHD_Result mu_http_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                   const char *data, size_t *data_bytes, void **own)
{
    (void)version;
    mu_http_request *request = *own;
    if (!request) {
        *own = request = request_create(self, connection);
        if (!request)
            return MHD_NO;
        if (look_for_body(request))
            look_at_headers(request, method, url);
        bool on_worker = !request->status && request->route->begin && send_to_worker(request, MU_HTTP_BEGINS, request->route->begin);
        return on_worker ? MHD_YES : go_on_receiving(request);
    }
    if (request->work) {
        mu_pool_wait(request->http->workers, &request->job); /* it has resumed us, and is about to put the job down */
        request->work = NULL;
    }
    if (*data_bytes)
        return receive(request, data, data_bytes);
    switch (request->phase) {
    case MU_HTTP_BEGINS: return go_on_receiving(request);
    case MU_HTTP_RECEIVES: return answer(request);
    case MU_HTTP_WORKS: return send_answer(request);
    case MU_HTTP_HELD:
        request->route->resumed(request);
        return request->response ? send_answer(request) : MHD_YES;
    }
    return MHD_NO;
}

void mu_http_on_completed(void *self, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode how)
{
    (void)self, (void)connection, (void)how;
    mu_http_request *request = *own;
    if (!request)
        return;
    mu_http_give_time(request, 0); /* for the next one */
    if (request->work)
        mu_pool_wait(request->http->workers, &request->job);
    if (request->poll)
        mu_desk_forget(request->http->config.desk, request->device, &request->waiter);
    mu_wire_free(request->poll ? &request->poll->base : NULL);
    mu_http_upload_close(request);
    drop_body(request);
    if (request->response && request->response != request->http->no_memory)
        MHD_destroy_response(request->response);
    free(request);
    *own = NULL;
}
