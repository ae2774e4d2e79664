/* How much of the coordinator one device or one address may take: token buckets in tables of a fixed size, and connections. */
#ifndef MUSTER_NET_HTTP_LIMITS_H
#define MUSTER_NET_HTTP_LIMITS_H

#include "muster/status.h"

#include <sys/socket.h>

#define MU_HTTP_SERVING_THREADS 4u                   /* each with its own listening socket */
#define MU_HTTP_PROBLEMS 64
#define MU_HTTP_UPLOADS_MAX 1024u                    /* in progress at once: each has a file open */
#define MU_HTTP_FAST_UPLOADS_MAX 64u                 /* among them, but for those that are slow: so much is under way to the disk, and each comes to an end soon */
#define MU_HTTP_STALLED_S 5                          /* so long is nothing sent, or little, until an upload is slow; and so long is a place kept for who has announced one */
#define MU_HTTP_BYTES_PER_S_MIN 1024.0               /* whoever is slower for long is cut off */
#define MU_HTTP_BODIES_BYTES_MAX ((size_t)64 << 20)  /* messages that are gathered, all together */
#define MU_HTTP_DRAINED_BYTES_MAX ((uint64_t)1 << 16) /* a refused request's body up to this size is read to its end, so that its connection lives on */
#define MU_HTTP_CHALLENGE_VALID_S 60u

/* Fills up at `per_s` to `burst`; a request takes one. */
typedef struct mu_http_bucket {
    double left, at_s; /* zero: never used, and full */
    bool   used;
} mu_http_bucket;
/* 0: taken. Else nothing is taken, and there will be one after so many seconds. */
double mu_http_bucket_take(mu_http_bucket *bucket, double now_s, double per_s, double burst);

/* Buckets of addresses that have no session. That table does not grow: where it is full, the one that was not heard of for longest goes. And how many connections each
 * address has. IPv6 counts by the network of 64 bits. */
typedef struct mu_http_addresses mu_http_addresses;
mu_status mu_http_addresses_create(mu_http_addresses **out, mu_error *err);
void      mu_http_addresses_destroy(mu_http_addresses *addresses);
/* One request of that address; an enrolment is rarer. 0, or seconds to wait. */
double mu_http_addresses_take(mu_http_addresses *addresses, const struct sockaddr *from, bool enrols, double now_s, double per_s);

/* Those who come from one address. */
typedef struct mu_http_neighbours mu_http_neighbours;
uint32_t            mu_http_addresses_connections(mu_http_addresses *addresses, const struct sockaddr *from);
mu_http_neighbours *mu_http_addresses_connect(mu_http_addresses *addresses, const struct sockaddr *from); /* one more; NULL: no memory */
void                mu_http_addresses_disconnect(mu_http_addresses *addresses, mu_http_neighbours *neighbours);

#endif
