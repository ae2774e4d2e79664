/* How much of the coordinator one device or one address may take: token buckets, in tables of a fixed size. */
#ifndef MUSTER_NET_HTTP_LIMITS_H
#define MUSTER_NET_HTTP_LIMITS_H

#include "muster/status.h"

#include <sys/socket.h>

#define MU_HTTP_PROBLEMS 64
#define MU_HTTP_UPLOADS_MAX 64u                      /* in progress at once: each takes about a MiB while it does */
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

/* Buckets of addresses that have no session. The table does not grow: where it is full, the one that was not heard of for longest goes. */
typedef struct mu_http_addresses mu_http_addresses;
mu_status mu_http_addresses_create(mu_http_addresses **out, mu_error *err);
void      mu_http_addresses_destroy(mu_http_addresses *addresses);
/* One request of that address; an enrolment is rarer. IPv6 counts by the network of 64 bits. 0, or seconds to wait. */
double mu_http_addresses_take(mu_http_addresses *addresses, const struct sockaddr *from, bool enrols, double now_s, double per_s);

#endif
