/* What happens in a federation as JSON, one object a line, for whoever gathers logs: the lines of events.jsonl (mu_event_line), and
 *
 *   {"event":"round","round":3,"time_s":12.5,"selected":10, ...}    the columns of rounds.csv that have a value
 *   {"event":"came","time_s":12.5,"device":7,"class":"phone-low"}   and "went": only where devices are real
 *
 * A line is written at once. Whoever does not read on stops nothing. */
#ifndef MUSTER_REPORT_LOG_LINES_H
#define MUSTER_REPORT_LOG_LINES_H

#include "report/round_table.h"

#include <stdio.h>

/* Placed by the caller; must not move while in use. */
typedef struct mu_log_lines {
    FILE           *out;
    const mu_fleet *fleet; /* NULL: classes and tiers are not said */
    mu_tier_names   tiers;
    mu_observer     observer; /* hand this one to the federation */
} mu_log_lines;

void mu_log_lines_init(mu_log_lines *log, FILE *out);
/* Once the fleet is there; borrowed. */
mu_status mu_log_lines_know(mu_log_lines *log, const mu_fleet *fleet, mu_error *err);

#endif
