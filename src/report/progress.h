/* What the user watches while a run goes on.
 *
 * On a terminal one live line, drawn again at most ten times a second:
 *
 *   round 12/50 | accuracy 0.9312 | virtual 1d 02:03:04 | 10 at work | 231 updates/s | 0:45 left
 *
 * elsewhere one line a round, in the form that people look for in logs:
 *
 *   INFO :      [ROUND 12/50] accuracy 0.9312, loss 0.2210, train_loss 0.3051, sampled 10, received 9 results and 1 failures, ... */
#ifndef MUSTER_REPORT_PROGRESS_H
#define MUSTER_REPORT_PROGRESS_H

#include "muster/federation.h"

#include <stdio.h>

typedef struct mu_progress mu_progress;

typedef struct mu_progress_config {
    FILE    *out;         /* borrowed; NULL: quiet, nothing is ever written */
    bool     is_terminal; /* of `out` */
    uint32_t columns;     /* of the terminal; 0: 80. What does not fit is left out, the least important first. */
    uint32_t rounds;
    bool     real_time;   /* the federation's time is the clock's, not virtual */
} mu_progress_config;

mu_status mu_progress_create(const mu_progress_config *config, mu_progress **out, mu_error *err);
void      mu_progress_destroy(mu_progress *progress); /* NULL is fine */

const mu_observer *mu_progress_observer(mu_progress *progress);

/* Take the live line away, so that something else can be written. */
void mu_progress_clear(mu_progress *progress);

#endif
