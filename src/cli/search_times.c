/* Timing vectors in turns, and the line through their times. */
#include "cli/search_times.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* A task begins and ends with a copy of all weights, which is no part of a mini-batch: what a longer task takes more is. Processor time, and the least of some
 * rounds: what else the machine is doing only adds to that. */
enum { ROUNDS = 5, SHORT_STEPS = 4, LONG_STEPS = 20 };

static mu_status time_task(mu_proxy *proxy, const uint32_t *counts, uint32_t steps, double *seconds, mu_error *err)
{
    const double began_s = mu_clock_cpu_s();
    mu_status status = mu_proxy_train(proxy, counts, steps, err);
    *seconds = mu_clock_cpu_s() - began_s;
    return status;
}

mu_status cli_search_time(mu_proxy *proxy, const uint32_t *counts, uint32_t count, uint32_t groups, double *step_s, mu_error *err)
{
    double *best = calloc(2 * (size_t)count, sizeof *best); /* [vector]: of a short and of a long task */
    if (!best)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the times of %u vectors", count);
    mu_status status = MU_OK;
    for (uint32_t turn = 0; turn < ROUNDS * count && !status; turn++) {
        const uint32_t i = turn % count;
        for (int k = 0; k < 2 && !status; k++) {
            double seconds;
            status = time_task(proxy, counts + (size_t)i * groups, k ? LONG_STEPS : SHORT_STEPS, &seconds, err);
            if (turn < count || seconds < best[2 * i + (size_t)k])
                best[2 * i + (size_t)k] = seconds;
        }
    }
    for (uint32_t i = 0; i < count && !status; i++)
        step_s[i] = (best[2 * i + 1] - best[2 * i]) / (LONG_STEPS - SHORT_STEPS);
    free(best);
    return status;
}

/* ---- the line ---- */

enum { TERMS = 3 };

static void terms_of(const mu_width_work *work, double terms[TERMS])
{
    terms[0] = 1;
    terms[1] = (double)work->macs;
    terms[2] = (double)work->bytes;
}

/* Solve a symmetric system in which some terms take part (Gauss with pivots on the diagonal, which is enough for a positive one). False: it has no one solution. */
static bool solve(double matrix[TERMS][TERMS + 1], const bool *used, double *out)
{
    for (int k = 0; k < TERMS; k++) {
        out[k] = 0;
        if (!used[k])
            continue;
        if (!(matrix[k][k] > 0))
            return false;
        for (int row = k + 1; row < TERMS; row++) {
            const double factor = used[row] ? matrix[row][k] / matrix[k][k] : 0;
            for (int column = k; column <= TERMS; column++)
                matrix[row][column] -= factor * matrix[k][column];
        }
    }
    for (int k = TERMS - 1; k >= 0; k--) {
        double left = matrix[k][TERMS];
        for (int column = k + 1; column < TERMS; column++)
            left -= used[column] ? matrix[k][column] * out[column] : 0;
        out[k] = used[k] ? left / matrix[k][k] : 0;
        if (!isfinite(out[k]))
            return false;
    }
    return true;
}

/* Each term counts by its largest, so that numbers of all sizes meet as equals. */
static bool fit_terms(const mu_width_work *works, const double *step_s, uint32_t count, const bool *used, double *out)
{
    double matrix[TERMS][TERMS + 1] = { { 0 } }, most[TERMS] = { 1, 1, 1 }, terms[TERMS];
    for (uint32_t i = 0; i < count; i++) {
        terms_of(&works[i], terms);
        for (int k = 0; k < TERMS; k++)
            most[k] = terms[k] > most[k] ? terms[k] : most[k];
    }
    for (uint32_t i = 0; i < count; i++) {
        terms_of(&works[i], terms);
        for (int k = 0; k < TERMS; k++) {
            for (int j = 0; j < TERMS; j++)
                matrix[k][j] += terms[k] / most[k] * (terms[j] / most[j]) / (step_s[i] * step_s[i]);
            matrix[k][TERMS] += terms[k] / most[k] / step_s[i];
        }
    }
    if (!solve(matrix, used, out))
        return false;
    for (int k = 0; k < TERMS; k++)
        out[k] /= most[k];
    return true;
}

static double explained(const mu_width_work *works, const double *step_s, uint32_t count, const mu_width_cost *line)
{
    double mean = 0, rest = 0, all = 0;
    for (uint32_t i = 0; i < count; i++)
        mean += step_s[i] / count;
    for (uint32_t i = 0; i < count; i++) {
        const double fitted = line->base + line->per_mac * (double)works[i].macs + line->per_byte * (double)works[i].bytes;
        rest += (step_s[i] - fitted) * (step_s[i] - fitted);
        all += (step_s[i] - mean) * (step_s[i] - mean);
    }
    return all > 0 ? 1 - rest / all : 0;
}

mu_status cli_search_fit(const mu_width_work *works, const double *step_s, uint32_t count, mu_width_cost *out, double *r_squared, mu_error *err)
{
    /* the fullest line that has no negative part: time is never given back */
    static const bool lines[][TERMS] = { { true, true, true }, { true, true, false }, { false, true, true }, { false, true, false } };
    if (count < 4)
        return mu_error_set(err, MU_E_RANGE, "%u times are too few for a line with three parts", count);
    for (uint32_t i = 0; i < count; i++)
        if (!(step_s[i] > 0))
            return mu_error_set(err, MU_E_RANGE, "a mini-batch of %llu multiply-accumulates took %g s: the clock was too coarse, or the machine too busy",
                                (unsigned long long)works[i].macs, step_s[i]);
    for (size_t i = 0; i < MU_COUNT(lines); i++) {
        double parts[TERMS];
        if (fit_terms(works, step_s, count, lines[i], parts) && parts[0] >= 0 && parts[1] > 0 && parts[2] >= 0) {
            *out = (mu_width_cost){ parts[0], parts[1], parts[2] };
            *r_squared = explained(works, step_s, count, out);
            return MU_OK;
        }
    }
    return mu_error_set(err, MU_E_RANGE, "the times of %u mini-batches do not grow with their multiply-accumulates", count);
}
