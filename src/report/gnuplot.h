/* gnuplot as a child process: a script goes in, an SVG comes out. No shell, no file, no network. */
#ifndef MUSTER_REPORT_GNUPLOT_H
#define MUSTER_REPORT_GNUPLOT_H

#include "report/text.h"

/* Run `script` and add what gnuplot draws to `svg`. MU_E_UNSUPPORTED: gnuplot is not installed. MU_E_STATE: it complained; the sentence
 * has its first line. MU_E_LIMIT: more than MU_LIMIT_FIGURE_BYTES. */
mu_status mu_gnuplot_run(const char *script, size_t size_bytes, mu_text *svg, mu_error *err);

#endif
