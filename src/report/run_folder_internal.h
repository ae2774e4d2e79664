/* What the files of a run's folder share. */
#ifndef MUSTER_REPORT_RUN_FOLDER_INTERNAL_H
#define MUSTER_REPORT_RUN_FOLDER_INTERNAL_H

#include "report/round_table.h"
#include "report/run_folder.h"

#include <stdio.h>

/* A file that grows while the run goes on. */
typedef struct mu_grown {
    char    *path;
    FILE    *stream;
    uint64_t size_bytes; /* what is in the stream's buffer included */
} mu_grown;

struct mu_run_folder {
    char          *path;
    mu_run_subject subject;
    mu_observer    observer;
    mu_tier_names  tiers;
    mu_grown       rounds, events, widths; /* widths: open only where the subject has them */
    bool           ready;   /* the files are as long as the federation believes */
    mu_text        line;    /* the one being written; its memory is used again */
    uint64_t       samples; /* trained by updates that were merged */
    double         wall_time_before_s, opened_at_s;
    mu_run_summary summary; /* once it is finished */
};

/* Everything told so far is with the operating system. */
mu_status mu_run_folder_flush(mu_run_folder *folder, mu_error *err);

#endif
