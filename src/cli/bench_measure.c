/* Timing in rounds. */
#include "cli/bench_measure.h"

#include "cli/files.h"

#include "base/clock.h"
#include "muster/arena.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cli_bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

double cli_bench_seconds_of(void (*call)(void *self), void *self)
{
    double began_s = mu_clock_monotonic_s();
    call(self);
    return mu_clock_monotonic_s() - began_s;
}

cli_bench_effort cli_bench_effort_or(const cli_bench_effort *asked, uint32_t repeats, double seconds)
{
    return (cli_bench_effort){ .repeats = asked->repeats ? asked->repeats : repeats,
                               .seconds = asked->seconds > 0 ? asked->seconds : seconds };
}

/* One turn; returns its median and lowers *best_s. */
static double take_turn(const cli_bench_work *work, double seconds, double *best_s)
{
    enum { MOST_CALLS = 4096, WARM_UP_CALLS = 2, SHORT_CALLS = 3 };
    double times[MOST_CALLS], began_s = mu_clock_monotonic_s();
    for (size_t i = 0; i < WARM_UP_CALLS || mu_clock_monotonic_s() - began_s < 0.1 * seconds; i++)
        work->call(work->self);
    size_t count = 0;
    began_s = mu_clock_monotonic_s();
    for (;;) {
        /* more calls than there is room for: the last ones stand for all, and the best is kept */
        double took_s = cli_bench_seconds_of(work->call, work->self), spent_s = mu_clock_monotonic_s() - began_s;
        times[count++ % MOST_CALLS] = took_s;
        *best_s = took_s < *best_s ? took_s : *best_s;
        if (spent_s >= seconds && (count >= SHORT_CALLS || took_s >= seconds))
            break;
    }
    return cli_bench_median(times, count < MOST_CALLS ? count : MOST_CALLS);
}

mu_status cli_bench_measure(cli_bench_work *works, size_t count, const cli_bench_effort *effort, mu_error *err)
{
    size_t repeats = effort->repeats;
    double *turns = malloc(count * repeats * sizeof *turns); /* [work][round] */
    if (!turns)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the times of %zu rounds", repeats);
    for (size_t i = 0; i < count; i++)
        works[i].best_s = INFINITY;
    for (size_t round = 0; round < repeats; round++)
        for (size_t i = 0; i < count; i++)
            turns[i * repeats + round] = take_turn(&works[i], effort->seconds, &works[i].best_s);
    for (size_t i = 0; i < count; i++)
        works[i].median_s = cli_bench_median(turns + i * repeats, repeats);
    free(turns);
    return MU_OK;
}

float *cli_bench_floats(size_t count)
{
    float *x = mu_arena_block(count * sizeof *x);
    uint32_t state = 1;
    for (size_t i = 0; x && i < count; i++) {
        state = state * 1664525u + 1013904223u; /* Knuth's; a hundred million of them should not take long */
        x[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    return x;
}

/* ---- lists of names ---- */

static const char *next_in_list(const char *at)
{
    at = strchr(at, ',');
    return at ? at + 1 : NULL;
}

bool cli_bench_is_asked(const char *asked, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = asked; at; at = next_in_list(at))
        if (strcspn(at, ",") == length && strncmp(at, name, length) == 0)
            return true;
    return !asked;
}

mu_status cli_bench_check_asked(const char *bench, const char *what, const char *asked, const char *const *names, mu_error *err)
{
    for (const char *at = asked; at; at = next_in_list(at)) {
        char word[128], help[64], hint[CLI_HINT_BYTES];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        size_t i = 0;
        while (names[i] && strcmp(names[i], word) != 0)
            i++;
        snprintf(help, sizeof help, "muster %s --help", bench);
        if (!names[i])
            return mu_error_set(err, MU_E_CONFIG, "%s: there is no %s '%s'%s", bench, what, word, cli_hint(word, names, help, hint));
    }
    return MU_OK;
}
