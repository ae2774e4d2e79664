/* Token buckets, and those of addresses in sets of eight: an address has its set, and in it the place of whoever was silent for longest. Beside each set is the chain of
 * the addresses that have connections. */
#include "net/http_limits.h"

#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

double mu_http_bucket_take(mu_http_bucket *bucket, double now_s, double per_s, double burst)
{
    double left = bucket->used ? fmin(burst, bucket->left + (now_s - bucket->at_s) * per_s) : burst;
    *bucket = (mu_http_bucket){ .left = left, .at_s = now_s, .used = true };
    if (left < 1)
        return (1 - left) / per_s;
    bucket->left -= 1;
    return 0;
}

enum { SETS = 512, PLACES = 8, ADDRESS_BYTES = 16 };

typedef struct place {
    unsigned char  address[ADDRESS_BYTES]; /* an IPv4 address as ::ffff:a.b.c.d */
    double         heard_s;
    mu_http_bucket any, enrolments;
} place;

struct mu_http_neighbours {
    mu_http_neighbours *next;
    unsigned char       address[ADDRESS_BYTES];
    size_t              set;
    uint32_t            connections; /* never 0 */
};

struct mu_http_addresses {
    pthread_mutex_t     lock;
    unsigned char       hash_key[crypto_shorthash_KEYBYTES]; /* so that nobody can choose addresses that meet in one set */
    place               sets[SETS][PLACES];
    mu_http_neighbours *connected[SETS];
};

mu_status mu_http_addresses_create(mu_http_addresses **out, mu_error *err)
{
    mu_http_addresses *addresses = calloc(1, sizeof *addresses);
    if (!addresses)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the addresses that requests come from");
    pthread_mutex_init(&addresses->lock, NULL);
    crypto_shorthash_keygen(addresses->hash_key);
    *out = addresses;
    return MU_OK;
}

void mu_http_addresses_destroy(mu_http_addresses *addresses)
{
    if (!addresses)
        return;
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

/* Whoever has an IPv6 address has 2^64 of them. */
static void normal_address(const struct sockaddr *from, unsigned char out[ADDRESS_BYTES])
{
    memset(out, 0, ADDRESS_BYTES);
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        out[10] = out[11] = 0xFF;
        memcpy(out + 12, &v4.sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(out, &v6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? 16 : 8);
    }
}

static size_t find_set(const mu_http_addresses *addresses, const unsigned char address[ADDRESS_BYTES])
{
    unsigned char hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, address, ADDRESS_BYTES, addresses->hash_key);
    return (size_t)(hash[0] | hash[1] << 8) % SETS;
}

static place *find_place(mu_http_addresses *addresses, const unsigned char address[ADDRESS_BYTES])
{
    place *set = addresses->sets[find_set(addresses, address)], *oldest = set;
    for (place *at = set; at < set + PLACES; at++) {
        if (at->any.used && !memcmp(at->address, address, ADDRESS_BYTES))
            return at;
        if (at->heard_s < oldest->heard_s)
            oldest = at;
    }
    *oldest = (place){ 0 };
    memcpy(oldest->address, address, ADDRESS_BYTES);
    return oldest;
}

double mu_http_addresses_take(mu_http_addresses *addresses, const struct sockaddr *from, bool enrols, double now_s, double per_s)
{
    unsigned char address[ADDRESS_BYTES];
    normal_address(from, address);
    pthread_mutex_lock(&addresses->lock);
    place *at = find_place(addresses, address);
    at->heard_s = now_s;
    double wait_s = mu_http_bucket_take(&at->any, now_s, per_s, fmax(10, 5 * per_s));
    if (wait_s == 0 && enrols)
        wait_s = mu_http_bucket_take(&at->enrolments, now_s, per_s / 10, fmax(10, per_s / 2));
    pthread_mutex_unlock(&addresses->lock);
    return wait_s;
}

/* ---- connections ---- */

static mu_http_neighbours *find_neighbours(const mu_http_addresses *addresses, size_t set, const unsigned char address[ADDRESS_BYTES])
{
    mu_http_neighbours *at = addresses->connected[set];
    while (at && memcmp(at->address, address, ADDRESS_BYTES))
        at = at->next;
    return at;
}

uint32_t mu_http_addresses_connections(mu_http_addresses *addresses, const struct sockaddr *from)
{
    unsigned char address[ADDRESS_BYTES];
    normal_address(from, address);
    pthread_mutex_lock(&addresses->lock);
    const mu_http_neighbours *at = find_neighbours(addresses, find_set(addresses, address), address);
    uint32_t connections = at ? at->connections : 0;
    pthread_mutex_unlock(&addresses->lock);
    return connections;
}

mu_http_neighbours *mu_http_addresses_connect(mu_http_addresses *addresses, const struct sockaddr *from)
{
    unsigned char address[ADDRESS_BYTES];
    normal_address(from, address);
    size_t set = find_set(addresses, address);
    pthread_mutex_lock(&addresses->lock);
    mu_http_neighbours *at = find_neighbours(addresses, set, address);
    if (!at && (at = calloc(1, sizeof *at))) {
        *at = (mu_http_neighbours){ .next = addresses->connected[set], .set = set };
        memcpy(at->address, address, ADDRESS_BYTES);
        addresses->connected[set] = at;
    }
    if (at)
        at->connections++;
    pthread_mutex_unlock(&addresses->lock);
    return at;
}

void mu_http_addresses_disconnect(mu_http_addresses *addresses, mu_http_neighbours *neighbours)
{
    pthread_mutex_lock(&addresses->lock);
    if (--neighbours->connections == 0) {
        mu_http_neighbours **at = &addresses->connected[neighbours->set];
        while (*at != neighbours)
            at = &(*at)->next;
        *at = neighbours->next;
        free(neighbours);
    }
    pthread_mutex_unlock(&addresses->lock);
}
