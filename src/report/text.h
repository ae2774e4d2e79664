/* A text that grows, and the ways to put foreign words into it safely.
 *
 * Running out of memory is remembered, not returned: whoever takes the text looks once, at the end. */
#ifndef MUSTER_REPORT_TEXT_H
#define MUSTER_REPORT_TEXT_H

#include "muster/status.h"

typedef struct mu_text {
    char  *bytes; /* ended by a zero; NULL while empty */
    size_t size_bytes, capacity_bytes;
    bool   failed;
} mu_text;

void mu_text_release(mu_text *text); /* zeroed is fine */
/* The text, malloc'ed and now the caller's; NULL when memory ran out on the way. */
char *mu_text_take(mu_text *text);
void  mu_text_clear(mu_text *text); /* empty, memory kept */

void mu_text_put(mu_text *text, const char *words);
void mu_text_put_bytes(mu_text *text, const char *bytes, size_t size_bytes);
void mu_text_format(mu_text *text, const char *format, ...) MU_PRINTF(2, 3);

void mu_text_whole(mu_text *text, uint64_t value);
/* mu_number_real, and `otherwise` for what is not finite. */
void mu_text_real(mu_text *text, double value, const char *otherwise);

/* A JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD. */
void mu_text_json(mu_text *text, const char *words);
/* Text of an HTML element or attribute. */
void mu_text_html(mu_text *text, const char *words);
/* A CSV field: in quotes where it has to be. */
void mu_text_csv(mu_text *text, const char *words);
/* A gnuplot string, quotes included, in which nothing is evaluated: quotes become ‘ and ’, control characters spaces. */
void mu_text_gnuplot(mu_text *text, const char *words);

/* Into `out`, cut between characters where it is too long. Bytes that are not UTF-8 become U+FFFD. */
void mu_text_copy(char *out, size_t capacity_bytes, const char *words);

#endif
