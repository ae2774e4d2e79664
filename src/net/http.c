/* The coordinator's network side: listening, and its life. */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WORKERS 8u                         /* they wait for the disk most of the time, so that several commits are made durable together */
#define IDLE_S 30u                         /* a connection on which nothing moves for so long is closed, unless its poll is held */
#define CONNECTION_MEMORY_BYTES ((size_t)8192) /* headers, and the pieces that bodies are read in */
#define OWN_FILES 256u                     /* descriptors that are not connections */

static const char tls_priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/* No address has anything in it that would be written as %XX, so such a one is what it says, and unknown: "%00" ends nothing. */
static size_t leave_as_it_is(void *self, struct MHD_Connection *connection, char *text)
{
    (void)self, (void)connection;
    return strlen(text);
}

/* Never more than there are descriptors for: one for each connection, and one for each update that comes in. */
static void share_descriptors(mu_http *http)
{
    struct rlimit files;
    uint64_t connections = http->serve.connections_max, uploads = MU_HTTP_UPLOADS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY && files.rlim_cur < connections + uploads + OWN_FILES) {
        uint64_t left = files.rlim_cur > 2 * OWN_FILES ? files.rlim_cur - OWN_FILES : files.rlim_cur / 2;
        if (uploads > left / 4)
            uploads = left / 4;
        if (connections > left - uploads)
            connections = left - uploads;
    }
    http->uploads_max = uploads > 1 ? (unsigned)uploads : 1;
    http->connections_max = connections > MU_HTTP_SERVING_THREADS ? (unsigned)connections : MU_HTTP_SERVING_THREADS;
    double of_one = ceil(http->serve.address_share * http->connections_max);
    http->connections_per_address_max = of_one > 1 ? (unsigned)of_one : 1;
}

/* One serving thread. By poll, which looks at active connections alone: held polls are suspended. By epoll libmicrohttpd 0.9.75 turns in circles for as long as a TLS
 * handshake waits for its other side: a whole core, for as long as anybody likes. `fd` is taken. */
static struct MHD_Daemon *serve_from(mu_http *http, int fd, char *certificate, char *key)
{
    const struct MHD_OptionItem tls[] = { { MHD_OPTION_HTTPS_MEM_CERT, 0, certificate }, { MHD_OPTION_HTTPS_MEM_KEY, 0, key },
                                          { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities }, { MHD_OPTION_END, 0, NULL } };
    return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (http->serve.tls ? MHD_USE_TLS : 0), 0, mu_http_has_room, http, mu_http_on_request,
                            http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, http->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, MHD_OPTION_NOTIFY_COMPLETED, mu_http_on_completed, NULL,
                            MHD_OPTION_NOTIFY_CONNECTION, mu_http_note_connection, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, http->serve.tls ? tls : tls + MU_COUNT(tls) - 1, MHD_OPTION_END);
}

static mu_status start(mu_http *http, mu_error *err)
{
    char *certificate = NULL, *key = NULL;
    int fds[MU_HTTP_SERVING_THREADS];
    mu_status status = http->serve.tls ? mu_http_tls_load(&http->config, &certificate, &key, http->fingerprint, err) : MU_OK;
    if (!status)
        status = mu_http_listen(http->serve.address, http->serve.tls ? "https" : "http", !http->serve.tls, fds, MU_HTTP_SERVING_THREADS, &http->url, err);
    for (size_t i = 0; !status && i < MU_HTTP_SERVING_THREADS; i++)
        http->devices[i] = serve_from(http, fds[i], certificate, key);
    for (size_t i = 0; !status && i < MU_HTTP_SERVING_THREADS; i++)
        if (!http->devices[i])
            status = mu_error_set(err, MU_E_NETWORK, "the server on %s cannot be started", http->serve.address);
    if (key)
        sodium_memzero(key, strlen(key));
    free(key);
    free(certificate);
    return status;
}

static mu_status make_folders(const char *folder, mu_error *err)
{
    char *updates = mu_path_join(folder, "updates");
    mu_status status = updates ? mu_folder_make(updates, err) : mu_error_set(err, MU_E_MEMORY, "no memory for a path");
    free(updates);
    return status;
}

static mu_status create_parts(mu_http *http, mu_error *err)
{
    http->no_memory = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    mu_status status = http->no_memory ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for the network's side");
    if (!status)
        status = mu_pool_create(WORKERS, &http->workers, err);
    if (!status)
        status = mu_http_addresses_create(&http->addresses, err);
    if (!status)
        status = mu_http_connections_create(http, &http->connections, err);
    if (!status)
        status = mu_http_sessions_create(http, &http->sessions, err);
    if (!status)
        status = mu_http_blobs_create(&http->blobs, err);
    if (!status)
        status = mu_http_transfers_create(http, &http->transfers, err);
    if (!status)
        status = mu_http_polls_create(&http->polls, err);
    return status;
}

mu_status mu_http_create(const mu_http_config *config, mu_http **out, mu_error *err)
{
    if (sodium_init() < 0)
        return mu_error_set(err, MU_E_UNSUPPORTED, "libsodium cannot be used here: there are no good random numbers");
    mu_http *http = calloc(1, sizeof *http);
    if (!http)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the network's side");
    http->config = *config;
    http->serve = *config->serve;
    http->began_s = mu_clock_monotonic_s();
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->nothing_suspended, NULL);
    unsigned char digest[32];
    crypto_generichash(digest, sizeof digest, config->job, config->job_bytes, NULL, 0);
    sodium_bin2hex(http->job_digest, sizeof http->job_digest, digest, sizeof digest);
    share_descriptors(http);
    mu_status status = make_folders(config->folder, err);
    if (!status)
        status = create_parts(http, err);
    if (!status)
        status = start(http, err);
    if (!status)
        status = mu_http_look_start(http, err);
    if (status) {
        mu_http_destroy(http);
        return status;
    }
    *out = http;
    return MU_OK;
}

void mu_http_open(mu_http *http) { atomic_store(&http->is_open, true); }

/* libmicrohttpd is not stopped while connections are suspended: from now on none is, those that are held go on, and workers come to an end. */
static void let_all_go_on(mu_http *http)
{
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    pthread_mutex_unlock(&http->lock);
    mu_http_polls_stop(http->polls);
    pthread_mutex_lock(&http->lock);
    while (http->suspended)
        pthread_cond_wait(&http->nothing_suspended, &http->lock);
    pthread_mutex_unlock(&http->lock);
}

void mu_http_destroy(mu_http *http)
{
    if (!http)
        return;
    let_all_go_on(http);
    for (size_t i = 0; i < MU_HTTP_SERVING_THREADS; i++)
        if (http->devices[i])
            MHD_stop_daemon(http->devices[i]);
    if (http->people)
        MHD_stop_daemon(http->people);
    mu_http_polls_destroy(http->polls);
    mu_http_blobs_destroy(http->blobs, http->workers);
    mu_pool_destroy(http->workers);
    mu_http_transfers_destroy(http->transfers);
    mu_http_sessions_destroy(http->sessions);
    mu_http_connections_destroy(http->connections);
    mu_http_addresses_destroy(http->addresses);
    if (http->no_memory)
        MHD_destroy_response(http->no_memory);
    pthread_cond_destroy(&http->nothing_suspended);
    pthread_mutex_destroy(&http->lock);
    free(http->url);
    free(http->status_url);
    free(http);
}

const char *mu_http_url(const mu_http *http) { return http->url; }
const char *mu_http_status_url(const mu_http *http) { return http->status_url; }
const char *mu_http_fingerprint(const mu_http *http) { return *http->fingerprint ? http->fingerprint : NULL; }

uint32_t mu_http_connections_max(const mu_http *http) { return http->connections_max; }

mu_http_counts mu_http_count(mu_http *http)
{
    return (mu_http_counts){ .requests = atomic_load(&http->requests), .refused = atomic_load(&http->refused), .bytes_in = atomic_load(&http->bytes_in),
                             .bytes_out = atomic_load(&http->bytes_out), .sessions_opened = atomic_load(&http->sessions_opened),
                             .updates_complete = atomic_load(&http->updates_complete), .connections = mu_http_connections_count(http->connections),
                             .held = mu_http_polls_held(http->polls) };
}
