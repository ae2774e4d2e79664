/* One connection that never blocks. */
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

bool load_link_open(load_link *link, const struct sockaddr_in *to, uint32_t device, gnutls_certificate_credentials_t credentials)
{
    int yes = 1;
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + device / 20000) };
    *link = (load_link){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
    if (link->fd < 0)
        return false;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(link->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    bool good = bind(link->fd, (const struct sockaddr *)&from, sizeof from) == 0 &&
                (connect(link->fd, (const struct sockaddr *)to, sizeof *to) == 0 || errno == EINPROGRESS);
    if (good && credentials)
        good = gnutls_init(&link->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL) >= 0 && gnutls_set_default_priority(link->tls) >= 0 &&
               gnutls_credentials_set(link->tls, GNUTLS_CRD_CERTIFICATE, credentials) >= 0;
    if (!good) {
        load_link_close(link);
        return false;
    }
    if (link->tls)
        gnutls_transport_set_int(link->tls, link->fd);
    return true;
}

void load_link_close(load_link *link)
{
    if (link->tls)
        gnutls_deinit(link->tls);
    if (link->fd >= 0)
        close(link->fd);
    *link = (load_link){ .fd = -1 };
}

static bool has_connected(const load_link *link)
{
    struct sockaddr_in peer;
    socklen_t bytes = sizeof peer;
    return getpeername(link->fd, (struct sockaddr *)&peer, &bytes) == 0;
}

static bool has_failed(const load_link *link)
{
    int problem = 0;
    socklen_t bytes = sizeof problem;
    return getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &problem, &bytes) || problem;
}

load_progress load_link_get_ready(load_link *link)
{
    if (link->is_ready)
        return LOAD_MOVED;
    if (!has_connected(link))
        return has_failed(link) ? LOAD_BROKE : LOAD_WAITS;
    int shaken = link->tls ? gnutls_handshake(link->tls) : GNUTLS_E_SUCCESS;
    if (shaken < 0)
        return gnutls_error_is_fatal(shaken) ? LOAD_BROKE : LOAD_WAITS;
    link->is_ready = true;
    return LOAD_MOVED;
}

static load_progress plain_progress(ssize_t moved, size_t *bytes)
{
    if (moved > 0) {
        *bytes = (size_t)moved;
        return LOAD_MOVED;
    }
    return moved < 0 && (errno == EAGAIN || errno == EINTR) ? LOAD_WAITS : LOAD_BROKE;
}

static load_progress tls_progress(ssize_t moved, size_t *bytes)
{
    if (moved > 0) {
        *bytes = (size_t)moved;
        return LOAD_MOVED;
    }
    return moved == GNUTLS_E_AGAIN || moved == GNUTLS_E_INTERRUPTED ? LOAD_WAITS : LOAD_BROKE;
}

load_progress load_link_send(load_link *link, const void *bytes, size_t size_bytes, size_t *sent_bytes)
{
    if (!link->tls)
        return plain_progress(send(link->fd, bytes, size_bytes, MSG_NOSIGNAL), sent_bytes);
    /* a record that did not fit is sent again as it was: the caller comes back with the same bytes */
    return tls_progress(gnutls_record_send(link->tls, bytes, size_bytes), sent_bytes);
}

load_progress load_link_receive(load_link *link, void *bytes, size_t size_bytes, size_t *got_bytes)
{
    if (!link->tls)
        return plain_progress(recv(link->fd, bytes, size_bytes, 0), got_bytes);
    return tls_progress(gnutls_record_recv(link->tls, bytes, size_bytes), got_bytes);
}
