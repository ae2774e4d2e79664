/* Which random numbers a search of parts takes: one place that names its streams, so that no two of them meet. */
#ifndef MUSTER_SEARCH_STREAMS_H
#define MUSTER_SEARCH_STREAMS_H

#include "muster/random.h"

typedef enum mu_search_use {
    MU_SEARCH_HOLD_OUT, /* which examples are held out */
    MU_SEARCH_GENOMES,  /* what the genetic algorithm draws */
    MU_SEARCH_PROXY,    /* the seed of a proxy: first weights, and all that is drawn in its trainings */
    MU_SEARCH_SAMPLE,   /* vectors that are timed before the search */
} mu_search_use;

/* `number`: of several for the same use, such as proxies. */
static inline mu_random mu_search_stream(uint64_t seed, mu_search_use use, uint64_t number)
{
    return mu_random_stream(seed, MU_RANDOM_SEARCH, (uint32_t)use, number);
}

#endif
