/* Requests by libcurl. */
#include "net/client.h"

#include "base/limits.h"
#include "muster/version.h"
#include "net/client_authorities.h"
#include "net/client_certificate.h"
#include "net/wire.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mu_client {
    CURL             *curl;
    char             *url;
    mu_client_config  config; /* without the texts */
    mu_client_pin     pin;
    char              session[128]; /* "Authorization: Bearer ..."; empty: none */
};

/* One request while it is under way. */
typedef struct exchange {
    mu_client               *client;
    const mu_client_request *request;
    mu_client_answer        *answer;
    mu_error                *err;
    mu_status                failed;  /* what one of our own functions ended it with */
    bool                     is_stranger, is_too_long, sink_began;
    uint64_t                 upload_at;
    size_t                   body_capacity, body_max;
    char                     why[CURL_ERROR_SIZE];
} exchange;

/* ---- life ---- */

mu_client_config mu_client_config_default(void)
{
    return (mu_client_config){ .connect_s = 30, .stall_s = 60 };
}

static bool is_this_machine(const char *host)
{
    static const char *const names[] = { "127.", "localhost:", "localhost/", "[::1]" };
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (strncmp(host, names[i], strlen(names[i])) == 0)
            return true;
    return strcmp(host, "localhost") == 0;
}

static mu_status check_url(const char *url, const char *fingerprint, mu_error *err)
{
    static const char https[] = "https://", http[] = "http://";
    bool is_tls = strncmp(url, https, sizeof https - 1) == 0, is_plain = strncmp(url, http, sizeof http - 1) == 0;
    const char *host = is_tls ? url + sizeof https - 1 : is_plain ? url + sizeof http - 1 : "";
    if (!*host || *host == '/' || strpbrk(host, "@ ?#"))
        return mu_error_set(err, MU_E_CONFIG, "'%s' is no coordinator's address: expected something like https://host:8443", url);
    const char *slash = strchr(host, '/');
    if (slash && slash[1])
        return mu_error_set(err, MU_E_CONFIG, "%s: a coordinator's address has no path; expected something like https://host:8443", url);
    if (is_plain && !is_this_machine(host))
        return mu_error_set(err, MU_E_CONFIG, "%s: without TLS devices join on this machine alone (127.0.0.1); expected https://", url);
    if (is_plain && fingerprint)
        return mu_error_set(err, MU_E_CONFIG, "%s: there is no certificate without TLS, so none with a fingerprint; expected https://", url);
    return MU_OK;
}

/* Once for the process; libcurl keeps count of it and needs no end. */
static void begin_libraries(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

mu_status mu_client_create(const mu_client_config *config, mu_client **out, mu_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    mu_status status = check_url(config->url, config->fingerprint, err);
    if (status)
        return status;
    pthread_once(&once, begin_libraries);
    mu_client *client = sodium_init() < 0 ? NULL : calloc(1, sizeof *client);
    if (!client)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a connection");
    client->config = *config;
    client->config.url = client->config.fingerprint = NULL;
    if (config->fingerprint && (status = mu_fingerprint_read(config->fingerprint, client->pin.hex, err))) {
        mu_client_destroy(client);
        return status;
    }
    client->url = strdup(config->url);
    client->curl = curl_easy_init();
    if (!client->url || !client->curl) {
        mu_client_destroy(client);
        return mu_error_set(err, MU_E_MEMORY, "no memory for a connection to %s", config->url);
    }
    size_t length = strlen(client->url);
    if (client->url[length - 1] == '/')
        client->url[length - 1] = '\0';
    *out = client;
    return MU_OK;
}

void mu_client_destroy(mu_client *client)
{
    if (!client)
        return;
    if (client->curl)
        curl_easy_cleanup(client->curl);
    free(client->url);
    sodium_memzero(client->session, sizeof client->session);
    free(client);
}

mu_status mu_client_set_session(mu_client *client, const void *token, size_t size_bytes, mu_error *err)
{
    static const char head[] = "Authorization: Bearer ";
    client->session[0] = '\0';
    if (!token)
        return MU_OK;
    if (sizeof head + 2 * size_bytes > sizeof client->session)
        return mu_error_set(err, MU_E_LIMIT, "a session's token of %zu bytes is too long", size_bytes);
    memcpy(client->session, head, sizeof head);
    sodium_bin2hex(client->session + sizeof head - 1, 2 * size_bytes + 1, token, size_bytes);
    return MU_OK;
}

void mu_client_answer_release(mu_client_answer *answer)
{
    free(answer->body);
    *answer = (mu_client_answer){ 0 };
}

/* ---- what libcurl calls ---- */

static bool is_stopped(const mu_client *client)
{
    return client->config.stop && atomic_load_explicit(client->config.stop, memory_order_relaxed);
}

static int look_at_connection(void *self, char *their_ip, char *our_ip, int their_port, int our_port)
{
    exchange *x = self;
    (void)their_ip, (void)our_ip, (void)their_port, (void)our_port;
    x->is_stranger = !mu_client_pin_holds(&x->client->pin, x->client->curl);
    return x->is_stranger ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static int look_at_stop(void *self, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    (void)down_all, (void)down, (void)up_all, (void)up;
    return is_stopped(((const exchange *)self)->client);
}

static mu_status keep_bytes(exchange *x, const char *bytes, size_t size_bytes)
{
    mu_client_answer *answer = x->answer;
    if (size_bytes > x->body_max - answer->body_bytes) {
        x->is_too_long = true;
        return mu_error_set(x->err, MU_E_LIMIT, "%s%s: an answer of more than %zu bytes", x->client->url, x->request->path, x->body_max);
    }
    if (answer->body_bytes + size_bytes > x->body_capacity) {
        size_t capacity = 2 * (answer->body_bytes + size_bytes);
        unsigned char *body = realloc(answer->body, capacity);
        if (!body)
            return mu_error_set(x->err, MU_E_MEMORY, "%s%s: no memory for an answer of %zu bytes", x->client->url, x->request->path, capacity);
        answer->body = body;
        x->body_capacity = capacity;
    }
    memcpy(answer->body + answer->body_bytes, bytes, size_bytes);
    answer->body_bytes += size_bytes;
    return MU_OK;
}

static mu_status hand_on(exchange *x, const char *bytes, size_t size_bytes, long http_status)
{
    const mu_client_sink *sink = x->request->sink;
    if (!x->sink_began) {
        x->sink_began = true;
        mu_status status = sink->begin(sink->self, http_status == 206 ? x->request->first : 0, x->err);
        if (status)
            return status;
    }
    return sink->take(sink->self, bytes, size_bytes, x->err);
}

static size_t take_bytes(char *bytes, size_t one, size_t count, void *self)
{
    exchange *x = self;
    long http_status = 0;
    curl_easy_getinfo(x->client->curl, CURLINFO_RESPONSE_CODE, &http_status);
    x->answer->received_bytes += one * count;
    bool is_for_sink = x->request->sink && (http_status == 200 || http_status == 206);
    x->failed = is_for_sink ? hand_on(x, bytes, one * count, http_status) : keep_bytes(x, bytes, one * count);
    return x->failed ? 0 : one * count;
}

static size_t give_bytes(char *into, size_t one, size_t count, void *self)
{
    exchange *x = self;
    const mu_client_request *request = x->request;
    uint64_t left = request->upload_bytes - x->upload_at;
    size_t wanted = one * count < left ? one * count : (size_t)left;
    ssize_t got;
    do
        got = wanted ? pread(request->upload, into, wanted, (off_t)x->upload_at) : 0;
    while (got < 0 && errno == EINTR);
    if (got < 0 || (wanted && got == 0)) {
        x->failed = mu_error_set(x->err, MU_E_IO, "%s%s: what is to be sent cannot be read: %s", x->client->url, request->path,
                                 got < 0 ? strerror(errno) : "the file has become shorter");
        return CURL_READFUNC_ABORT;
    }
    x->upload_at += (uint64_t)got;
    return (size_t)got;
}

/* libcurl sends what it has read once more, on another connection, when the one that it had kept is found dead. */
static int give_from(void *self, curl_off_t offset, int origin)
{
    exchange *x = self;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    x->upload_at = x->request->upload_first + (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- one request ---- */

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static struct curl_slist *headers_of(const mu_client *client, const mu_client_request *request)
{
    struct curl_slist *list = NULL;
    bool good = add_header(&list, "Accept: " MU_WIRE_MEDIA_TYPE);
    if (good && *client->session)
        good = add_header(&list, client->session);
    if (good && request->body)
        good = add_header(&list, "Content-Type: " MU_WIRE_MEDIA_TYPE);
    if (good && request->upload_bytes)
        good = add_header(&list, "Content-Type: application/octet-stream");
    if (!good)
        curl_slist_free_all(list);
    return good ? list : NULL;
}

static void set_up_connection(mu_client *client)
{
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https"); /* check_url has seen which */
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" MU_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(1e3 * client->config.connect_s));
    mu_client_authorities_set_up(curl);
    mu_client_pin_set_up(&client->pin, curl);
}

static void set_up_request(exchange *x)
{
    const mu_client_request *request = x->request;
    CURL *curl = x->client->curl;
    double stall_s = x->client->config.stall_s + request->hold_s;
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)stall_s + 1);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(1e3 * request->within_s));
    if (request->upload_bytes) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(request->upload_bytes - request->upload_first));
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_bytes);
        curl_easy_setopt(curl, CURLOPT_READDATA, x);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, give_from);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
    } else if (request->body) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)request->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
    }
    if (request->sink && request->first) {
        char range[32];
        snprintf(range, sizeof range, "%llu-", (unsigned long long)request->first);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, look_at_connection);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, x);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_at_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->why);
}

/* ---- what came of it ---- */

static mu_client_outcome stranger(const exchange *x)
{
    const mu_client *client = x->client;
    if (!*client->pin.hex)
        mu_error_set(x->err, MU_E_NETWORK, "%s: no authority that this system knows vouches for its certificate (%s); a coordinator that made its own is "
                     "joined with the fingerprint that it prints", client->url, x->why);
    else
        mu_error_set(x->err, MU_E_NETWORK, "%s: the certificate there has fingerprint %s, not the pinned %s: it is another machine, or somebody is "
                     "in between; nothing was sent", client->url, *client->pin.seen ? client->pin.seen : "(none)", client->pin.hex);
    return MU_CLIENT_STRANGER;
}

static mu_client_outcome of_transfer(const exchange *x, CURLcode code)
{
    if (x->failed && x->is_too_long)
        return MU_CLIENT_UNREACHED; /* whatever that was, it was not the coordinator */
    if (x->failed)
        return MU_CLIENT_FAILED;
    if (is_stopped(x->client)) {
        mu_error_set(x->err, MU_E_INTERRUPTED, "%s%s: stopped", x->client->url, x->request->path);
        return MU_CLIENT_STOPPED;
    }
    if (x->is_stranger || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return stranger(x);
    if (code == CURLE_OUT_OF_MEMORY) {
        mu_error_set(x->err, MU_E_MEMORY, "%s%s: no memory for a request", x->client->url, x->request->path);
        return MU_CLIENT_FAILED;
    }
    mu_error_set(x->err, MU_E_NETWORK, "%s: %s", x->client->url, x->why[0] ? x->why : curl_easy_strerror(code));
    return MU_CLIENT_UNREACHED;
}

/* What the coordinator says is the matter. */
static void read_refusal(const exchange *x, mu_status as)
{
    mu_client_answer *answer = x->answer;
    ProtobufCMessage *message = NULL;
    if (answer->body_bytes && !mu_wire_unpack(&muster__refusal__descriptor, answer->body, answer->body_bytes, &message, NULL)) {
        const Muster__Refusal *refusal = (const Muster__Refusal *)message;
        snprintf(answer->code, sizeof answer->code, "%s", refusal->code);
        if (refusal->again_s > answer->again_s)
            answer->again_s = refusal->again_s;
        mu_error_set(x->err, as, "%s%s: %s (%s, HTTP %ld)", x->client->url, x->request->path, refusal->message, refusal->code, answer->status);
        mu_wire_free(message);
        return;
    }
    mu_error_set(x->err, as, "%s%s: answered with HTTP %ld", x->client->url, x->request->path, answer->status);
}

static mu_client_outcome of_answer(const exchange *x)
{
    static const struct { long status; mu_client_outcome outcome; mu_status as; } rows[] = {
        { 401, MU_CLIENT_NO_SESSION, MU_E_STATE },   { 426, MU_CLIENT_OUTDATED, MU_E_UNSUPPORTED }, { 408, MU_CLIENT_BUSY, MU_E_NETWORK },
        { 425, MU_CLIENT_BUSY, MU_E_NETWORK },       { 429, MU_CLIENT_BUSY, MU_E_NETWORK },
    };
    long status = x->answer->status;
    if (status >= 200 && status < 300)
        return MU_CLIENT_DONE;
    mu_client_outcome outcome = status >= 400 && status < 500 ? MU_CLIENT_REFUSED : MU_CLIENT_BUSY;
    mu_status as = outcome == MU_CLIENT_REFUSED ? MU_E_STATE : MU_E_NETWORK;
    for (size_t i = 0; i < MU_COUNT(rows); i++)
        if (rows[i].status == status) {
            outcome = rows[i].outcome;
            as = rows[i].as;
        }
    read_refusal(x, as);
    return outcome == MU_CLIENT_REFUSED && x->answer->again_s > 0 ? MU_CLIENT_BUSY : outcome; /* it is worth another try, as the coordinator says */
}

static mu_client_outcome perform(exchange *x, struct curl_slist *headers)
{
    CURL *curl = x->client->curl;
    curl_off_t again_s = 0, sent_bytes = 0;
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &x->answer->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &again_s);
    curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent_bytes);
    x->answer->again_s = (double)again_s;
    x->answer->sent_bytes = (uint64_t)sent_bytes;
    /* A refusal may come before all of an upload is sent; then the connection breaks, and what counts is what was said before. */
    bool was_refused = x->request->upload_bytes && x->answer->status >= 400 && !x->failed && !is_stopped(x->client);
    return code && !was_refused ? of_transfer(x, code) : of_answer(x);
}

mu_client_outcome mu_client_ask(mu_client *client, const mu_client_request *request, mu_client_answer *answer, mu_error *err)
{
    exchange x = { .client = client, .request = request, .answer = answer, .err = err, .upload_at = request->upload_first,
                   .body_max = request->answer_max_bytes ? request->answer_max_bytes : MU_LIMIT_MESSAGE_BYTES };
    *answer = (mu_client_answer){ 0 };
    size_t url_bytes = strlen(client->url) + strlen(request->path) + 1;
    char *url = malloc(url_bytes);
    struct curl_slist *headers = headers_of(client, request);
    mu_client_outcome outcome = MU_CLIENT_FAILED;
    if (url && headers) {
        snprintf(url, url_bytes, "%s%s", client->url, request->path);
        curl_easy_reset(client->curl); /* options only: the connection is kept */
        set_up_connection(client);
        set_up_request(&x);
        curl_easy_setopt(client->curl, CURLOPT_URL, url);
        outcome = perform(&x, headers);
    } else {
        mu_error_set(err, MU_E_MEMORY, "%s%s: no memory for a request", client->url, request->path);
    }
    curl_slist_free_all(headers);
    free(url);
    return outcome;
}
