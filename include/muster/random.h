/* Random streams that do not depend on each other or on who asks first.
 *
 * A stream is named by (run seed, purpose, round, device). Its numbers come from Philox4x32-10 (Salmon et al. 2011,
 * "Parallel random numbers: as easy as 1, 2, 3"): the name is the key and three words of the counter, the position is the fourth,
 * so a stream is 64 bytes of plain data that can be copied, kept and started anywhere. Same name, same numbers, on every
 * processor and any number of threads. */
#ifndef MUSTER_RANDOM_H
#define MUSTER_RANDOM_H

#include "muster/status.h"

/* What the numbers are for. New purposes go to the end: the value is part of every stream's name. */
typedef enum mu_random_purpose {
    MU_RANDOM_INIT,         /* first weights of a model */
    MU_RANDOM_SELECT,       /* who takes part */
    MU_RANDOM_BATCH,        /* order of a device's examples */
    MU_RANDOM_DROPOUT,      /* dropout masks */
    MU_RANDOM_PARTITION,    /* which example lies on which device */
    MU_RANDOM_WRITER,       /* a writer's hand */
    MU_RANDOM_SAMPLE,       /* one drawn example */
    MU_RANDOM_FLEET,        /* which device is of which class */
    MU_RANDOM_AVAILABILITY, /* when a device is there */
    MU_RANDOM_METHOD,       /* a method's own draws */
    MU_RANDOM_TEST,         /* tests and benchmarks */
    MU_RANDOM_EVALUATE,     /* which devices a model is looked at on */
    MU_RANDOM_CHOICE,       /* which part of a model a mini-batch trains */
    MU_RANDOM_SEARCH,       /* of a search, and of the trainings that it judges by */
} mu_random_purpose;

typedef struct mu_random {
    uint32_t key[2];
    uint32_t counter[4]; /* position, device low, device high, round */
    uint32_t block[4];   /* the four numbers of the current position */
    uint32_t unused;     /* how many of them are still to be handed out */
} mu_random;

MU_API mu_random mu_random_stream(uint64_t seed, mu_random_purpose purpose, uint32_t round, uint64_t device);

MU_API uint32_t mu_random_u32(mu_random *random);
MU_API uint64_t mu_random_u64(mu_random *random);
/* As if so many numbers had been drawn by mu_random_u32. */
MU_API void     mu_random_skip(mu_random *random, uint64_t count);
MU_API uint32_t mu_random_below(mu_random *random, uint32_t bound); /* uniform in [0, bound), without bias; bound > 0 */
MU_API float    mu_random_unit_float(mu_random *random);            /* uniform in [0, 1), 24 bits */
MU_API double   mu_random_unit(mu_random *random);                  /* uniform in [0, 1), 53 bits */
MU_API double   mu_random_normal(mu_random *random);                /* mean 0, variance 1 (polar method) */
MU_API double   mu_random_gamma(mu_random *random, double shape);   /* scale 1, shape > 0 (Marsaglia and Tsang 2000) */

/* Symmetric Dirichlet: `count` shares, each >= 0, with sum 1. Small alpha, uneven shares. alpha > 0, count > 0. */
MU_API void mu_random_dirichlet(mu_random *random, double alpha, size_t count, double *shares);

/* Put `count` items in random order (Fisher and Yates). */
MU_API void mu_random_shuffle(mu_random *random, uint32_t *items, size_t count);

/* One Philox4x32-10 block: the tests hold it against the known answers. */
MU_API void mu_random_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

#endif
