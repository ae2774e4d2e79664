/* widths.csv: a row for each evaluated version and each part of the model that is used by itself; docs/results.md explains the columns. */
#ifndef MUSTER_REPORT_WIDTH_TABLE_H
#define MUSTER_REPORT_WIDTH_TABLE_H

#include "muster/federation.h"
#include "report/text.h"

/* Whole lines, with their ends. */
void mu_width_table_header(mu_text *text);
void mu_width_table_rows(mu_text *text, const mu_round_report *report); /* none where the report has no widths */

typedef struct mu_width_row {
    uint32_t        round;
    mu_width_report part;
} mu_width_row;

/* Read it back; `name` is what messages call it. Rounds go up, and in each of them widths go down. *rows [*count] is malloc'ed, the caller's. */
mu_status mu_width_table_parse(const char *name, const void *data, size_t size_bytes, mu_width_row **rows, size_t *count, mu_error *err);

#endif
