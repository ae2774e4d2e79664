/* What mini-batches of parts take on this machine, and the line through it. */
#ifndef MUSTER_CLI_SEARCH_TIMES_H
#define MUSTER_CLI_SEARCH_TIMES_H

#include "search/width_search.h"

/* Seconds of a mini-batch of each of `count` vectors counts[count][group_count]: forming and planning the part, gathering its weights, training, putting them
 * back. Processor time, the least of rounds in which each vector has its turn. */
mu_status cli_search_time(mu_proxy *proxy, const uint32_t *counts, uint32_t count, uint32_t groups, double *step_s, mu_error *err);

/* seconds = base + per_mac * macs + per_byte * bytes by least squares of the relative errors; none of the three below 0. *r_squared: the part of the times'
 * variance that it explains. MU_E_RANGE with fewer than 4 vectors. */
mu_status cli_search_fit(const mu_width_work *works, const double *step_s, uint32_t count, mu_width_cost *out, double *r_squared, mu_error *err);

#endif
