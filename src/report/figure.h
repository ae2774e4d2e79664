/* Figures as SVG, drawn by gnuplot. Every axis is labelled with its unit. Statuses as of mu_gnuplot_run. */
#ifndef MUSTER_REPORT_FIGURE_H
#define MUSTER_REPORT_FIGURE_H

#include "report/text.h"

typedef struct mu_axes {
    const char *title; /* for the page: it stands above the picture, not in it */
    const char *x_label, *y_label;
} mu_axes;

/* ---- a unit that keeps the numbers on an axis short ---- */

typedef struct mu_unit {
    const char *name;
    double      size; /* of one, in the base unit */
} mu_unit;

mu_unit mu_unit_of_time(double most_s);       /* s, min, h, days */
mu_unit mu_unit_of_bytes(double most_bytes);  /* bytes, kB, MB, ... */
mu_unit mu_unit_of_energy(double most_j);     /* J, kJ, MJ, ... */

/* ---- curves ---- */

typedef struct mu_curve {
    const char   *label;
    const double *x, *y; /* [count], x going up; a y that is NAN is left out */
    size_t        count;
} mu_curve;

/* Long curves are thinned to about a thousand points, which is more than the picture can show. */
mu_status mu_figure_curves(const mu_axes *axes, const mu_curve *curves, size_t count, mu_text *svg, mu_error *err);

/* ---- bars, side by side in each category ---- */

typedef struct mu_bars {
    const char   *label;
    const double *values; /* [categories]; NAN: no bar */
} mu_bars;

mu_status mu_figure_bars(const mu_axes *axes, const char *const *categories, size_t category_count, const mu_bars *bars, size_t count,
                         mu_text *svg, mu_error *err);

/* ---- a heat map: one column an x, one row a name ---- */

typedef struct mu_heat {
    const char *const *row_names; /* [rows], the first at the bottom */
    size_t             rows, columns;
    const double      *values;    /* [rows][columns], 0 or more */
    const char        *unit;      /* of the values */
} mu_heat;

mu_status mu_figure_heat(const mu_axes *axes, const mu_heat *heat, mu_text *svg, mu_error *err);

#endif
