/* What a search for parts found, held against what needs no search: the rows of its table and vectors with one rate for all groups, judged by proxies that the
 * search has not seen. */
#ifndef MUSTER_CLI_SEARCH_POINTS_H
#define MUSTER_CLI_SEARCH_POINTS_H

#include "search/width_search.h"

#define CLI_SEARCH_MOST_HELD_OUT 32u

typedef struct cli_search_point {
    const uint32_t *counts; /* [group_count] */
    mu_width_work   work;
    double          share;  /* macs over the whole network's */
    double          gain;   /* mean over all tries in the search and its review; NAN: there was none */
    uint32_t        tries;
    double          held_out[CLI_SEARCH_MOST_HELD_OUT]; /* gain by each proxy that the search has not seen */
    double          step_s; /* measured; NAN: it was not */
} cli_search_point;

/* From the cheapest; each has more macs than the one before. The last one is the whole network, in both. */
typedef struct cli_search_points {
    cli_search_point *found, *uniform;
    uint32_t          found_count, uniform_count, groups, held_out;
    uint32_t         *counts; /* [found_count + uniform_count][groups], those of all points */
} cli_search_points;

typedef struct cli_search_asked {
    mu_width_search *search;
    mu_proxy        *proxy; /* that of the search */
    const mu_units  *units;
    void (*counts_of)(const mu_units *units, const double *rates, uint32_t *counts);
    double           most_rate;
    uint32_t         most_rows; /* at least 2 */
} cli_search_asked;

/* The front of the survivors, reviewed (mu_width_search_review), with the whole network; spread evenly where the front has too many. And as many uniform vectors, or
 * as many as differ, of rates from 0 to `most_rate`. So luck has as many chances here as there. */
#define CLI_SEARCH_REVIEW_TRIES 4u
mu_status cli_search_points_init(const cli_search_asked *asked, cli_search_points *out, mu_error *err);
void      cli_search_points_release(cli_search_points *points); /* zeroed is fine */

/* Fills in held_out[number] of all by this proxy. */
mu_status cli_search_points_judge(cli_search_points *points, mu_proxy *proxy, uint32_t repeats, bool by_loss, uint32_t number, mu_error *err);

/* One number for each proxy, and what they come to. */
typedef struct cli_search_figure {
    double values[CLI_SEARCH_MOST_HELD_OUT], mean, sd; /* of the sample; NAN for one proxy */
} cli_search_figure;

typedef struct cli_search_verdict {
    /* The part of the plane that is covered, from all multiply-accumulates and no gain on. */
    cli_search_figure covered_found, covered_uniform, covered_more;
    /* What a device gains whose budget is anything from the cheapest vector that both have room for to the whole network, and which trains the dearest
     * vector that it can pay: luck of single vectors adds nothing here. */
    cli_search_figure gain_found, gain_uniform, gain_more;
} cli_search_verdict;

mu_status cli_search_verdict_of(const cli_search_points *points, cli_search_verdict *out, mu_error *err);

#endif
