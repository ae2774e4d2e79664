/* What the verbs `muster bench ...` measure with: things called in turn, in rounds, so that a disturbance of the machine strikes all of
 * them; medians; and the flags and lists of names that these verbs share. */
#ifndef MUSTER_CLI_BENCH_MEASURE_H
#define MUSTER_CLI_BENCH_MEASURE_H

#include "cli/arguments.h"

#define CLI_BENCH_MOST_REPEATS 1000u

/* One thing that is measured. */
typedef struct cli_bench_work {
    void (*call)(void *self); /* once */
    void *self;
    /* filled in */
    double median_s; /* of one call: the median of the rounds' medians */
    double best_s;   /* the fastest call of all */
} cli_bench_work;

/* How long it may take; what is 0 is filled in by cli_bench_effort_or. */
typedef struct cli_bench_effort {
    uint32_t repeats; /* rounds; in each, every work has its turn */
    double   seconds; /* of a turn, at least */
} cli_bench_effort;

cli_bench_effort cli_bench_effort_or(const cli_bench_effort *asked, uint32_t repeats, double seconds);

/* A turn begins with calls that are not counted, two of them and at least a tenth of its seconds: caches and branches are the
 * neighbour's. Then it is called until the seconds are over, three times at least where a call is short, once where it is not. */
mu_status cli_bench_measure(cli_bench_work *works, size_t count, const cli_bench_effort *effort, mu_error *err);

double cli_bench_median(double *values, size_t count); /* sorts them; count > 0 */
double cli_bench_seconds_of(void (*call)(void *self), void *self); /* of a single call */

/* A float vector that begins on a cache line, with reproducible values in [-0.5, 0.5); NULL: no memory. Freed with
 * mu_arena_block_free. */
float *cli_bench_floats(size_t count);

/* Is `name` in the list "a,b" that somebody asked for? NULL: everything is. */
bool cli_bench_is_asked(const char *asked, const char *name);
/* Is everything that was asked for there? `what` is one of them, as in "task"; `names` ends with NULL. */
mu_status cli_bench_check_asked(const char *bench, const char *what, const char *asked, const char *const *names, mu_error *err);

/* The rows of --repeats and --seconds, into the cli_bench_effort at `member` of `type`. */
#define CLI_BENCH_EFFORT_FLAGS(type, member, repeats_help, seconds_help)                                                            \
    { .name = "repeats", .letter = 'r', .kind = CLI_COUNT, .offset = offsetof(type, member.repeats), .value = "N", .min = 1,        \
      .max = CLI_BENCH_MOST_REPEATS, .help = repeats_help },                                                                        \
    { .name = "seconds", .kind = CLI_REAL, .offset = offsetof(type, member.seconds), .value = "S", .min = 1e-6, .max = 3600,        \
      .help = seconds_help }

#endif
