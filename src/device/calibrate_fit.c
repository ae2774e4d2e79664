/* Least squares with no rate below 0: by one rate at a time, over and over (Lawson and Hanson 1974 have the problem; with 18 unknowns the simplest way does). */
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

static void shares_of(const mu_timed *timed, uint32_t lanes, uint64_t cache_bytes, double shares[KINDS])
{
    const mu_step_work work = mu_model_work(timed->model, timed->batch, lanes, cache_bytes);
    for (int kind = 0; kind < KINDS; kind++)
        shares[kind] = (double)work.of[kind] / timed->step_s;
}

static void set_up(const mu_timed *timed, size_t count, uint32_t lanes, uint64_t cache_bytes, equations *e)
{
    double shares[KINDS];
    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < count; i++) {
        shares_of(&timed[i], lanes, cache_bytes, shares);
        for (int a = 0; a < KINDS; a++)
            e->scale[a] = fmax(e->scale[a], shares[a]);
    }
    for (size_t i = 0; i < count; i++) {
        shares_of(&timed[i], lanes, cache_bytes, shares);
        for (int a = 0; a < KINDS; a++) {
            if (e->scale[a] == 0.0)
                continue;
            e->sides[a] += shares[a] / e->scale[a];
            for (int b = 0; b < KINDS; b++)
                e->products[a][b] += e->scale[b] > 0.0 ? shares[a] / e->scale[a] * (shares[b] / e->scale[b]) : 0.0;
        }
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

void mu_rates_fit(const mu_timed *timed, size_t count, mu_rates *out)
{
    static const uint32_t lanes[] = { 1, 4, 8, 16 };
    double least = INFINITY;
    *out = (mu_rates){ .lanes = 1 };
    for (size_t l = 0; l < MU_COUNT(lanes); l++)
        for (uint64_t cache_bytes = 256 << 10; cache_bytes <= 64 << 20; cache_bytes *= 2) {
            equations e;
            double seconds[KINDS];
            set_up(timed, count, lanes[l], cache_bytes, &e);
            double left = solve(&e, count, seconds);
            if (left >= least)
                continue;
            least = left;
            *out = (mu_rates){ .lanes = lanes[l], .cache_bytes = cache_bytes };
            for (int kind = 0; kind < KINDS; kind++) {
                const double per_s = seconds[kind] > 0.0 ? e.scale[kind] / seconds[kind] : INFINITY;
                out->per_s[kind] = per_s <= MOST_PER_S ? per_s : 0.0;
            }
        }
    double log_sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const mu_cost cost = mu_model_cost(timed[i].model, timed[i].batch);
        log_sum += log((double)(cost.macs_forward + cost.macs_backward) / timed[i].step_s);
    }
    out->macs_per_s = exp(log_sum / (double)count);
}
