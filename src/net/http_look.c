/* The listener for people: reading only, plain HTTP, everything from config.look. */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { NAME_BYTES = 256 };

/* The host of "host:port", "[host]:port" or "host". False: it is longer than any, or empty. */
static bool host_of(const char *said, char host[NAME_BYTES])
{
    bool   in_brackets = said[0] == '[';
    size_t bytes = strcspn(said + in_brackets, in_brackets ? "]" : ":");
    if (bytes == 0 || bytes >= NAME_BYTES)
        return false;
    memcpy(host, said + in_brackets, bytes);
    host[bytes] = 0;
    return true;
}

/* Whoever owns a name may say that it is 127.0.0.1, and have somebody's browser read what is here as a page of his (DNS rebinding). So people ask by an address, by
 * "localhost", by the machine's name, or by the one that serve.status_address has. A program without a browser may leave it out. */
static bool is_own_name(const mu_http *http, const char *said)
{
    char host[NAME_BYTES], own[NAME_BYTES], machine[NAME_BYTES] = "";
    unsigned char address[16];
    if (!said)
        return true;
    if (!host_of(said, host))
        return false;
    gethostname(machine, sizeof machine - 1);
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1 || !strcasecmp(host, "localhost") || !strcasecmp(host, machine) ||
           (host_of(http->serve.status_address, own) && !strcasecmp(host, own));
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response, const char *media_type)
{
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, media_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_word(struct MHD_Connection *connection, unsigned status, const char *word)
{
    return send_text(connection, status, MHD_create_response_from_buffer(strlen(word), (void *)(uintptr_t)word, MHD_RESPMEM_PERSISTENT), "text/plain");
}

static enum MHD_Result look(void *self, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *data,
                            size_t *data_bytes, void **own)
{
    (void)version, (void)data, (void)own;
    const mu_http *http = self;
    const mu_http_config *config = &http->config;
    *data_bytes = 0;
    if (!is_own_name(http, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST)))
        return send_word(connection, MHD_HTTP_MISDIRECTED_REQUEST, "not by that name: ask by an IP address, by localhost, or by the name in serve.status_address\n");
    if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
        return send_word(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only for looking\n");
    const char *media_type = NULL, *from = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "from");
    size_t size_bytes = 0;
    char path[128];
    snprintf(path, sizeof path, "%s%s%s", url, from ? "?from=" : "", from ? from : "");
    char *text = config->look(config->look_self, path, &media_type, &size_bytes);
    if (!text)
        return media_type ? send_word(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory\n") : send_word(connection, MHD_HTTP_NOT_FOUND, "there is nothing here\n");
    struct MHD_Response *response = MHD_create_response_from_buffer(size_bytes, text, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(text);
    return send_text(connection, MHD_HTTP_OK, response, media_type);
}

mu_status mu_http_look_start(mu_http *http, mu_error *err)
{
    const char *address = http->serve.status_address;
    if (!address || !*address || !http->config.look)
        return MU_OK;
    int fd;
    mu_status status = mu_http_listen(address, "http", false, &fd, 1, &http->status_url, err);
    if (status)
        return status;
    http->people = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, look, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, 64u,
                                    MHD_OPTION_CONNECTION_TIMEOUT, 30u, MHD_OPTION_END);
    return http->people ? MU_OK : mu_error_set(err, MU_E_NETWORK, "the listener for people on %s cannot be started", address);
}
