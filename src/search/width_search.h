/* The search for parts of a network that are worth training: NSGA-II over vectors of dropout rates, one rate for each unit group, as DISTREAL (Rapp et al.
 * 2022, arXiv:2112.08761) searches before the federation begins. Two objectives: what a mini-batch costs, and what is gained in a short training (proxy.h).
 *
 *     mu_width_search_create(&config, &search, err);
 *     while (mu_width_search_generation(search) < generations)
 *         mu_width_search_advance(search, proxy, err);             and save it: mu_width_search_encode
 *     mu_width_search_member(search, 0, &member), ...              who survived
 *
 * In each generation the survivors are tried again, with other mini-batches and draws than before, and the mean of all their gains counts: otherwise the front
 * would fill with those that were lucky once. The first generation has the uniform vectors 0, 0.1 ... 0.9 (as far as they go and there is room), and random
 * ones. */
#ifndef MUSTER_SEARCH_WIDTH_SEARCH_H
#define MUSTER_SEARCH_WIDTH_SEARCH_H

#include "search/nsga2.h"
#include "search/proxy.h"

/* What a mini-batch costs, from what the part is made of: macs of one example, forward and backward, and bytes of weights that are gathered. With {0, 1, 0} it is
 * the multiply-accumulates; with a line through measured times it is seconds. */
typedef struct mu_width_cost {
    double base, per_mac, per_byte;
} mu_width_cost;

typedef struct mu_width_work {
    uint64_t macs, bytes;
} mu_width_work;

typedef struct mu_width_search_config {
    const mu_units *units; /* of a model with at least one group */
    void (*counts_of)(const mu_units *units, const double *rates, uint32_t *counts); /* mu_width_counts_of_rates */
    mu_width_cost   cost;
    uint64_t        seed;
    uint32_t        population; /* even, at least 2 */
    uint32_t        repeats;    /* of a trial from each snapshot, in a generation */
    double          most_rate;  /* rates are from 0 to this */
    bool            by_loss;    /* the gain is what is removed of the loss; otherwise what is added to the accuracy */
} mu_width_search_config;

typedef struct mu_width_search mu_width_search;

mu_status mu_width_search_create(const mu_width_search_config *config, mu_width_search **out, mu_error *err);
void      mu_width_search_destroy(mu_width_search *search); /* NULL is fine */

uint32_t mu_width_search_generation(const mu_width_search *search); /* those that are done */

/* One generation: tries the new vectors and the survivors, chooses. MU_E_INTERRUPTED from the proxy's watch: the search is as before. */
mu_status mu_width_search_advance(mu_width_search *search, mu_proxy *proxy, mu_error *err);

/* A vector that survived. */
typedef struct mu_width_member {
    const double   *rates;  /* [group_count] */
    const uint32_t *counts; /* [group_count], both until the search changes */
    mu_width_work   work;
    double          cost;   /* over that of the whole network */
    double          gain;   /* mean over the generations that it was tried in */
    uint32_t        tries;  /* how many these were */
} mu_width_member;

uint32_t        mu_width_search_member_count(const mu_width_search *search); /* 0 before the first generation */
mu_width_member mu_width_search_member(mu_width_search *search, uint32_t index);
/* Before rows are chosen among the survivors: all are tried again, as often as in `tries` generations, because the front is where luck gathers. gains[member_count]
 * are the means of all tries, old and new. The search itself does not change. */
mu_status mu_width_search_review(mu_width_search *search, mu_proxy *proxy, uint32_t tries, double *gains, mu_error *err);
/* How much of the plane the front covers, from a cost of 1 and a gain of 0. */
mu_status mu_width_search_hypervolume(const mu_width_search *search, double *volume, mu_error *err);

/* What a part of these numbers of units is made of. */
mu_status mu_width_search_work(mu_width_search *search, const uint32_t *counts, mu_width_work *work, mu_error *err);

/* ---- saved ---- */

/* The search in bytes (malloc'ed, the caller's), to go on from in another process on the same machine. `settings` is a text that says what was asked for: its
 * digest is saved. */
mu_status mu_width_search_encode(const mu_width_search *search, const char *settings, unsigned char **out, size_t *size_bytes, mu_error *err);
/* Go on from there. The cost is the saved one, whatever the configuration says: measured times would come out otherwise a second time. MU_E_CONFIG when it
 * was saved with other settings, MU_E_PARSE when it is no saved search, MU_E_CHECKSUM when it is damaged. `name` is what messages call it. */
mu_status mu_width_search_decode(const mu_width_search_config *config, const char *settings, const char *name, const void *data, size_t size_bytes,
                                 mu_width_search **out, mu_error *err);

#endif
