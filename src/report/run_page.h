/* report.html: a run's folder as a page, made from the other files of the folder alone. */
#ifndef MUSTER_REPORT_RUN_PAGE_H
#define MUSTER_REPORT_RUN_PAGE_H

#include "muster/status.h"

/* Write PATH/report.html anew. Where gnuplot is not installed the page says so in the place of the figures. */
mu_status mu_run_page_write(const char *path, mu_error *err);

#endif
