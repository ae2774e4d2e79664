/* A listening socket for an address as people write it. */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "host:port", "[::1]:port". */
static mu_status split(const char *address, char host[256], char port[8], mu_error *err)
{
    const char *colon = strrchr(address, ':');
    const char *begin = address, *end = colon;
    if (colon && address[0] == '[' && colon > address + 1 && colon[-1] == ']') {
        begin = address + 1;
        end = colon - 1;
    }
    size_t host_bytes = colon ? (size_t)(end - begin) : 0, digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!host_bytes || host_bytes >= 256 || !digits || digits > 5 || colon[1 + digits] || strtoul(colon + 1, NULL, 10) > 65535)
        return mu_error_set(err, MU_E_CONFIG, "'%s' is no address to listen on; one is written host:port, as in 0.0.0.0:8443 or [::1]:8443", address);
    memcpy(host, begin, host_bytes);
    host[host_bytes] = 0;
    memcpy(port, colon + 1, digits + 1);
    return MU_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static bool is_any(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return v4.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

/* The port may have been 0; who listens on all addresses is reached by the machine's name. */
static char *make_url(const char *scheme, const char *host, const struct addrinfo *at, int fd)
{
    struct sockaddr_storage bound;
    socklen_t bytes = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &bytes))
        return NULL;
    struct sockaddr_in6 as6;
    struct sockaddr_in as4;
    memcpy(&as6, &bound, sizeof as6);
    memcpy(&as4, &bound, sizeof as4);
    unsigned port = ntohs(bound.ss_family == AF_INET6 ? as6.sin6_port : as4.sin_port);
    char name[256];
    if (is_any(at->ai_addr) && gethostname(name, sizeof name) == 0)
        host = name;
    name[sizeof name - 1] = 0;
    char *url = malloc(strlen(scheme) + strlen(host) + 16);
    if (url)
        sprintf(url, strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", scheme, host, port);
    return url;
}

/* `shares`: others may listen there too, and the kernel spreads connections over them. */
static int listen_at(const struct sockaddr *address, socklen_t bytes, bool shares)
{
    int yes = 1, no = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (shares)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(fd, address, bytes) || listen(fd, 4096)) {
        int problem = errno;
        close(fd);
        errno = problem;
        return -1;
    }
    return fd;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* Whoever else listens there must be found out first: among those who share it the kernel would give a second coordinator a part of the devices. */
static bool is_free(const struct addrinfo *at)
{
    int alone = listen_at(at->ai_addr, at->ai_addrlen, false);
    if (alone >= 0)
        close(alone);
    return alone >= 0;
}

static bool listen_often(const struct addrinfo *at, int *fds, size_t count)
{
    struct sockaddr_storage bound;
    socklen_t bytes = sizeof bound;
    bool shares = count > 1;
    if (shares && !is_free(at))
        return false;
    fds[0] = listen_at(at->ai_addr, at->ai_addrlen, shares);
    size_t done = fds[0] >= 0;
    if (done && getsockname(fds[0], (struct sockaddr *)&bound, &bytes) == 0) /* the port may have been 0 */
        while (done < count && (fds[done] = listen_at((struct sockaddr *)&bound, bytes, shares)) >= 0)
            done++;
    if (done == count)
        return true;
    int problem = errno;
    close_all(fds, done);
    errno = problem;
    return false;
}

mu_status mu_http_listen(const char *address, const char *scheme, bool loopback_only, int *fds, size_t count, char **url, mu_error *err)
{
    char host[256], port[8];
    mu_status status = split(address, host, port, err);
    if (status)
        return status;
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *found;
    int problem = getaddrinfo(host, port, &hints, &found);
    if (problem)
        return mu_error_set(err, MU_E_CONFIG, "'%s': no address is known for '%s': %s", address, host, gai_strerror(problem));
    if (loopback_only && !is_loopback(found->ai_addr))
        status = mu_error_set(err, MU_E_CONFIG, "without TLS the coordinator listens on loopback addresses only, and '%s' is none: take 'tls: off' away, "
                              "or listen on 127.0.0.1", address);
    else if (!listen_often(found, fds, count))
        status = mu_error_set(err, MU_E_NETWORK, "cannot listen on %s: %s", address, strerror(errno));
    else if (!(*url = make_url(scheme, host, found, fds[0]))) {
        close_all(fds, count);
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the address of %s", address);
    }
    freeaddrinfo(found);
    return status;
}
