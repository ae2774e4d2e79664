/* Least squares with no rate below 0: by one rate at a time, over and over (Lawson and Hanson 1974 have the problem; with two dozen unknowns the simplest way does). */
#include "device/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PER_S 1e18 /* what is faster takes no time; what a class may have ends there too */

enum { KINDS = MU_WORK_KIND_COUNT, ROUNDS = 1500 };

/* Normal equations of sum over networks of (sum over kinds of share[kind] * seconds[kind] - 1)^2, with share = work / measured time. A kind is scaled by its largest
 * share, because a count of steps and one of MACs are many powers of ten apart. */
typedef struct equations {
    double products[KINDS][KINDS], sides[KINDS], scale[KINDS];
} equations;

static void set_up(const mu_timed *timed, size_t count, const mu_rates *how, equations *e)
{
    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < count; i++) {
        const mu_step_work work = mu_model_work(timed[i].model, timed[i].batch, how->lanes, how->near_bytes, how->cache_bytes);
        double shares[KINDS];
        for (int kind = 0; kind < KINDS; kind++) {
            shares[kind] = (double)work.of[kind] / timed[i].step_s;
            e->scale[kind] = fmax(e->scale[kind], shares[kind]);
        }
        for (int a = 0; a < KINDS; a++) {
            e->sides[a] += shares[a];
            for (int b = 0; b < KINDS; b++)
                e->products[a][b] += shares[a] * shares[b];
        }
    }
    for (int a = 0; a < KINDS; a++) {
        if (e->scale[a] == 0.0)
            continue;
        e->sides[a] /= e->scale[a];
        for (int b = 0; b < KINDS; b++)
            e->products[a][b] = e->scale[b] > 0.0 ? e->products[a][b] / (e->scale[a] * e->scale[b]) : 0.0;
    }
}

/* Scaled seconds of one unit of each kind. Returns the sum of squares that is left. */
static double solve(const equations *e, size_t count, double seconds[KINDS])
{
    memset(seconds, 0, KINDS * sizeof *seconds);
    for (int round = 0; round < ROUNDS; round++)
        for (int a = 0; a < KINDS; a++) {
            double rest = e->sides[a];
            for (int b = 0; b < KINDS; b++)
                rest -= b == a ? 0.0 : e->products[a][b] * seconds[b];
            seconds[a] = e->products[a][a] > 0.0 ? fmax(0.0, rest / e->products[a][a]) : 0.0;
        }
    double left = (double)count;
    for (int a = 0; a < KINDS; a++) {
        left -= 2.0 * e->sides[a] * seconds[a];
        for (int b = 0; b < KINDS; b++)
            left += seconds[a] * e->products[a][b] * seconds[b];
    }
    return left;
}

/* Takes these lanes and caches, where they explain the times better than the best so far. */
static void try_out(const mu_timed *timed, size_t count, mu_rates how, double *least, mu_rates *best)
{
    equations e;
    double seconds[KINDS];
    set_up(timed, count, &how, &e);
    const double left = solve(&e, count, seconds);
    if (left >= *least)
        return;
    for (int kind = 0; kind < KINDS; kind++) {
        const double per_s = seconds[kind] > 0.0 ? e.scale[kind] / seconds[kind] : INFINITY;
        how.per_s[kind] = per_s <= MOST_PER_S ? per_s : 0.0;
    }
    *least = left;
    *best = how;
}

/* Lanes first, as if there were one cache; with them, both caches. */
void mu_rates_fit(const mu_timed *timed, size_t count, mu_rates *out)
{
    static const uint32_t lanes[] = { 1, 4, 8, 16 };
    const uint64_t none = UINT64_MAX, smallest = 256 << 10, largest = 64 << 20;
    double least = INFINITY;
    *out = (mu_rates){ .lanes = 1 };
    for (size_t l = 0; l < MU_COUNT(lanes); l++)
        for (uint64_t cache = smallest; cache <= largest; cache *= 2)
            try_out(timed, count, (mu_rates){ .lanes = lanes[l], .near_bytes = none, .cache_bytes = cache }, &least, out);
    const uint32_t found = out->lanes;
    least = INFINITY;
    for (uint64_t near = 32 << 10; near <= 4 << 20; near *= 2)
        for (uint64_t cache = smallest; cache <= largest; cache *= 2)
            for (uint64_t bytes = cache; bytes <= cache + cache / 2 && bytes <= largest; bytes += cache / 2)
                if (bytes > near)
                    try_out(timed, count, (mu_rates){ .lanes = found, .near_bytes = near, .cache_bytes = bytes }, &least, out);
    double log_sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const mu_cost cost = mu_model_cost(timed[i].model, timed[i].batch);
        log_sum += log((double)(cost.macs_forward + cost.macs_backward) / timed[i].step_s);
    }
    out->macs_per_s = exp(log_sum / (double)count);
}
