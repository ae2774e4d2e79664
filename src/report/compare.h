/* Several runs side by side. */
#ifndef MUSTER_REPORT_COMPARE_H
#define MUSTER_REPORT_COMPARE_H

#include "report/run_reader.h"

#define MU_COMPARE_RUNS_MAX 32

/* What it took a run to reach the target for the first time, at a round that was evaluated. */
typedef struct mu_reach {
    bool     reached;
    uint32_t round;
    double   time_s;
    double   energy_j;
    uint64_t bytes; /* up and down */
} mu_reach;

typedef struct mu_comparison {
    mu_run   *runs; /* [count] */
    char    (*labels)[64]; /* [count] what a run is called here: its name; where two have the same, all go by their folders */
    mu_reach *reach; /* [count] */
    size_t    count;
    double    target; /* accuracy; NAN: no run was ever evaluated */
    mu_tier_names tiers; /* of all runs, in order of first appearance */
} mu_comparison;

/* Read the folders. `target`: an accuracy, or NAN for the lowest final accuracy of the runs, rounded down to a whole percent. */
mu_status mu_comparison_read(const char *const *paths, size_t count, double target, mu_comparison *out, mu_error *err);
void      mu_comparison_release(mu_comparison *comparison); /* zeroed is fine */

/* Accuracy of a run on one of `tiers`; NAN: it has no such tier. */
double mu_comparison_tier_accuracy(const mu_comparison *comparison, size_t run, uint32_t tier);

/* malloc'ed texts, the caller's; NULL: no memory. */
char *mu_comparison_text(const mu_comparison *comparison, uint32_t columns); /* tables no wider than the terminal; 0: 80 */
char *mu_comparison_csv(const mu_comparison *comparison);                    /* one row a run */
char *mu_comparison_json(const mu_comparison *comparison);

/* The rows of the table, one after the other: a title and one cell a run. The first is the heading. */
void mu_comparison_each_row(const mu_comparison *comparison, void (*visit)(void *self, const char *const *cells, size_t count, bool heading),
                            void *self);

/* The page, with the figures. */
mu_status mu_comparison_page(const mu_comparison *comparison, const char *path, mu_error *err);

#endif
