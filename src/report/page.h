/* Pages: HTML that needs nothing but itself. */
#ifndef MUSTER_REPORT_PAGE_H
#define MUSTER_REPORT_PAGE_H

#include "report/text.h"

typedef struct mu_page {
    mu_text text;
    bool    no_gnuplot; /* said once on the page, not in the place of each figure */
} mu_page;

void mu_page_begin(mu_page *page, const char *title, const char *lead);
/* Write it to a file. Releases the page, whatever comes out. */
mu_status mu_page_end(mu_page *page, const char *path, mu_error *err);

void mu_page_heading(mu_page *page, const char *words);
void mu_page_paragraph(mu_page *page, const char *words);
void mu_page_preformatted(mu_page *page, const char *words);

/* A few figures in large print. */
typedef struct mu_page_fact {
    const char *name, *value;
} mu_page_fact;
void mu_page_facts(mu_page *page, const mu_page_fact *facts, size_t count);

void mu_page_table_begin(mu_page *page);
/* The first cell names the row. */
void mu_page_table_row(mu_page *page, const char *const *cells, size_t count, bool heading);
void mu_page_table_end(mu_page *page);

/* Between begin and end figures stand side by side where there is room. `status` is what drawing `svg` came to, and `err` its sentence: a
 * figure that could not be drawn is said so in its place. Takes and empties `svg`. */
void mu_page_figures_begin(mu_page *page);
void mu_page_figure(mu_page *page, const char *title, mu_status status, mu_text *svg, const mu_error *err);
void mu_page_figures_end(mu_page *page);

#endif
