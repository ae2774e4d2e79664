/* The folder that a search writes: where it stands, and what it found. */
#ifndef MUSTER_CLI_SEARCH_FOLDER_H
#define MUSTER_CLI_SEARCH_FOLDER_H

#include "cli/search_points.h"

#define CLI_SEARCH_STATE "search.state"      /* to go on from */
#define CLI_SEARCH_EXPERIMENT "experiment.yaml" /* what the proxies train, every default filled in */
#define CLI_SEARCH_TABLE "table.csv"         /* what devices carry: method/distreal_table.h */
#define CLI_SEARCH_POINTS "points.csv"       /* its rows and the uniform vectors, with all that was measured of them */
#define CLI_SEARCH_SUMMARY "search.json"
#define CLI_SEARCH_FIGURE "front.svg"

/* What is said of a search that is over. */
typedef struct cli_search_results {
    const char               *name; /* of the experiment */
    const mu_units           *units;
    const cli_search_points  *points;
    const cli_search_verdict *verdict;
    uint64_t      seed;
    uint32_t      population, generations, snapshots, repeats, steps, training, validation;
    const char   *cost, *gain; /* as on the command line */
    mu_width_cost line;        /* through the rows' step times */
    double        r_squared;   /* of it; NAN: there is none */
} cli_search_results;

/* Each is written whole or not at all. */
mu_status cli_search_write_table(const char *folder, const cli_search_results *results, mu_error *err);
mu_status cli_search_write_points(const char *folder, const cli_search_results *results, mu_error *err);
mu_status cli_search_write_summary(const char *folder, const cli_search_results *results, mu_error *err);
/* MU_E_UNSUPPORTED: gnuplot is not installed. */
mu_status cli_search_write_figure(const char *folder, const cli_search_results *results, mu_error *err);

/* `bytes` under this name, in place of what was there. */
mu_status cli_search_write(const char *folder, const char *name, const void *bytes, size_t size_bytes, mu_error *err);

#endif
