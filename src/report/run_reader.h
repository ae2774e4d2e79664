/* A run's folder, read back. */
#ifndef MUSTER_REPORT_RUN_READER_H
#define MUSTER_REPORT_RUN_READER_H

#include "muster/federation.h"
#include "report/round_table.h"
#include "report/summary.h"
#include "report/width_table.h"

typedef struct mu_run {
    char            *path;
    char            *config; /* the text of config.yaml */
    mu_run_summary   summary;
    mu_tier_names    tiers;  /* columns accuracy_TIER of rounds.csv, in their order */
    mu_round_report *rounds; /* [round_count], by round */
    size_t           round_count;
    mu_width_row    *widths; /* [width_row_count]; none where the summary has none */
    size_t           width_row_count;
} mu_run;

/* MU_E_STATE: there is a run, but it has not ended. */
mu_status mu_run_read(const char *path, mu_run *out, mu_error *err);
void      mu_run_release(mu_run *run); /* zeroed is fine */

#endif
