/* CSV text cut into rows and fields, one row at a time; the bytes stay where they are.
 *
 * RFC 4180, as files in the field are written: rows end in \n or \r\n (the last one may go without), a field in double quotes may hold
 * separators, line ends and "" for one quote; a quote further on in a plain field is a quote like any other letter. Empty lines are passed
 * over, and so is a byte order mark. Spaces belong to the field. Rows may differ in length: who wants them equal
 * compares `count` and complains with mu_csv_error.
 *
 *     mu_csv csv;
 *     mu_csv_init(&csv, path, file.data, file.size_bytes, ',');
 *     bool more;
 *     while (!(status = mu_csv_next(&csv, &more, err)) && more)
 *         ... csv.fields[i].text, csv.count, mu_csv_real(&csv, i, &value, err) ...
 *     mu_csv_release(&csv);
 */
#ifndef MUSTER_BASE_CSV_H
#define MUSTER_BASE_CSV_H

#include "muster/status.h"

typedef struct mu_csv_field {
    const char *text;         /* without its quotes, ended by a zero byte */
    size_t      length;       /* in bytes, without the zero; there is no other zero in it */
    size_t      line, column; /* where it begins, both from 1; columns count bytes */
    bool        quoted;       /* tells "" from nothing at all */
} mu_csv_field;

typedef struct mu_csv {
    const mu_csv_field *fields; /* [count]: the current row, until the next call */
    size_t              count;
    size_t              line;   /* the row begins there */

    /* the reader's own */
    const char          *name;
    const unsigned char *data;
    size_t               size_bytes, at, line_at, line_begin;
    char                 separator;
    mu_csv_field        *row;
    char                *text;
    size_t               row_capacity, text_capacity, text_used;
} mu_csv;

/* `name` (what messages call the text: its path) and `data` are borrowed until mu_csv_release. Cannot fail, reads nothing yet. */
void mu_csv_init(mu_csv *csv, const char *name, const void *data, size_t size_bytes, char separator);

/* Read the next row. *more is false when there is none; then and after a failure `count` is 0.
 * MU_E_PARSE: a quote that nobody closes, something between a closing quote and the separator, a zero byte. MU_E_LIMIT: more than
 * MU_LIMIT_CSV_COLUMNS fields or MU_LIMIT_LINE_BYTES in a row. MU_E_MEMORY. The sentence begins with name:line:column. */
mu_status mu_csv_next(mu_csv *csv, bool *more, mu_error *err);

/* Frees the row; fine after any outcome, and twice. */
void mu_csv_release(mu_csv *csv);

/* mu_error_set with "name:line:column: " of field `index` of the current row in front; with an index past the row's end, of the row. */
mu_status mu_csv_error(const mu_csv *csv, size_t index, mu_error *err, mu_status status, const char *format, ...) MU_PRINTF(5, 6);

/* Field `index` as a finite number, spaces around it allowed. MU_E_PARSE when there is no such field, or it is no number. */
mu_status mu_csv_real(const mu_csv *csv, size_t index, double *out, mu_error *err);

/* Field `index`, which must be there, as a whole number up to `most`: digits alone. MU_E_PARSE otherwise. */
mu_status mu_csv_whole(const mu_csv *csv, size_t index, uint64_t most, uint64_t *out, mu_error *err);

/* Which field of the current row (the header) is called `name`; SIZE_MAX: none. */
size_t mu_csv_find(const mu_csv *csv, const char *name);

#endif
