/* CSV text to fields: one pass, each row copied once so that its fields are ended by a zero. */
#include "base/csv.h"

#include "base/limits.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mu_csv_init(mu_csv *csv, const char *name, const void *data, size_t size_bytes, char separator)
{
    *csv = (mu_csv){ .name = name, .data = data, .size_bytes = size_bytes, .separator = separator, .line = 1, .line_at = 1 };
    if (size_bytes >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
        csv->at = csv->line_begin = 3;
}

void mu_csv_release(mu_csv *csv)
{
    free(csv->row);
    free(csv->text);
    csv->fields = csv->row = NULL;
    csv->text = NULL;
    csv->count = csv->row_capacity = csv->text_capacity = 0;
}

static mu_status fail(const mu_csv *csv, size_t at, mu_error *err, mu_status status, const char *what)
{
    return mu_error_set(err, status, "%s:%zu:%zu: %s", csv->name, csv->line_at, at - csv->line_begin + 1, what);
}

static mu_status no_memory(const mu_csv *csv, mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "%s: no memory for the row at line %zu", csv->name, csv->line);
}

static mu_status put_byte(mu_csv *csv, char byte, mu_error *err)
{
    if (csv->text_used == MU_LIMIT_LINE_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "%s:%zu: a row of more than 64 MiB", csv->name, csv->line);
    if (csv->text_used == csv->text_capacity) {
        size_t capacity = csv->text_capacity ? 2 * csv->text_capacity : 256;
        char *larger = realloc(csv->text, capacity);
        if (!larger)
            return no_memory(csv, err);
        csv->text = larger;
        csv->text_capacity = capacity;
    }
    csv->text[csv->text_used++] = byte;
    return MU_OK;
}

static mu_status add_field(mu_csv *csv, mu_csv_field field, mu_error *err)
{
    if (csv->count == MU_LIMIT_CSV_COLUMNS)
        return mu_error_set(err, MU_E_LIMIT, "%s:%zu:%zu: more than %u fields in a row", csv->name, field.line, field.column,
                            MU_LIMIT_CSV_COLUMNS);
    if (csv->count == csv->row_capacity) {
        size_t capacity = csv->row_capacity ? 2 * csv->row_capacity : 16;
        mu_csv_field *larger = realloc(csv->row, capacity * sizeof *larger);
        if (!larger)
            return no_memory(csv, err);
        csv->row = larger;
        csv->row_capacity = capacity;
    }
    csv->row[csv->count++] = field;
    return MU_OK;
}

static void begin_line(mu_csv *csv)
{
    csv->line_at++;
    csv->line_begin = csv->at;
}

/* From behind the opening quote to behind the closing one. */
static mu_status read_quoted(mu_csv *csv, mu_error *err)
{
    size_t open_column = csv->at - csv->line_begin, open_line = csv->line_at;
    while (csv->at < csv->size_bytes) {
        size_t at = csv->at++;
        char byte = (char)csv->data[at];
        if (byte == '"') {
            if (csv->at == csv->size_bytes || csv->data[csv->at] != '"')
                return MU_OK;
            csv->at++;
        } else if (byte == '\0') {
            return fail(csv, at, err, MU_E_PARSE, "a zero byte inside of a field; is this a text file?");
        } else if (byte == '\n') {
            begin_line(csv);
        }
        mu_status status = put_byte(csv, byte, err);
        if (status)
            return status;
    }
    return mu_error_set(err, MU_E_PARSE, "%s:%zu:%zu: the quote that begins here is not closed", csv->name, open_line, open_column);
}

/* Is there the end of a row at `at`? Its length in bytes; 0: no. */
static size_t row_end_at(const mu_csv *csv, size_t at)
{
    if (csv->data[at] == '\n')
        return 1;
    return csv->data[at] == '\r' && at + 1 < csv->size_bytes && csv->data[at + 1] == '\n' ? 2 : 0;
}

/* One field, up to the separator or row end behind it, which is left. */
static mu_status read_field(mu_csv *csv, mu_error *err)
{
    mu_csv_field field = { .line = csv->line_at, .column = csv->at - csv->line_begin + 1 };
    size_t begin = csv->text_used;
    mu_status status = MU_OK;
    if (csv->at < csv->size_bytes && csv->data[csv->at] == '"') {
        field.quoted = true;
        csv->at++;
        status = read_quoted(csv, err);
    }
    while (!status && csv->at < csv->size_bytes && (char)csv->data[csv->at] != csv->separator && !row_end_at(csv, csv->at)) {
        char byte = (char)csv->data[csv->at];
        if (field.quoted)
            return fail(csv, csv->at, err, MU_E_PARSE, "expected a separator or the line's end behind the closing quote");
        if (byte == '\0')
            return fail(csv, csv->at, err, MU_E_PARSE, "a zero byte inside of a field; is this a text file?");
        csv->at++;
        status = put_byte(csv, byte, err);
    }
    field.length = csv->text_used - begin;
    if (!status)
        status = put_byte(csv, '\0', err);
    return status ? status : add_field(csv, field, err);
}

static mu_status read_row(mu_csv *csv, mu_error *err)
{
    for (;;) {
        mu_status status = read_field(csv, err);
        if (status)
            return status;
        if (csv->at == csv->size_bytes)
            return MU_OK;
        size_t end_bytes = row_end_at(csv, csv->at);
        if (end_bytes) {
            csv->at += end_bytes;
            begin_line(csv);
            return MU_OK;
        }
        csv->at++; /* the separator */
    }
}

mu_status mu_csv_next(mu_csv *csv, bool *more, mu_error *err)
{
    csv->count = csv->text_used = 0;
    *more = false;
    for (size_t bytes; csv->at < csv->size_bytes && (bytes = row_end_at(csv, csv->at)); begin_line(csv))
        csv->at += bytes;
    csv->line = csv->line_at;
    if (csv->at == csv->size_bytes)
        return MU_OK;
    mu_status status = read_row(csv, err);
    if (status) {
        csv->count = 0;
        csv->at = csv->size_bytes; /* what comes behind a broken row would be a guess */
        return status;
    }
    /* The text may have moved while it grew, so addresses are given out last. */
    size_t used = 0;
    for (size_t i = 0; i < csv->count; i++) {
        csv->row[i].text = csv->text + used;
        used += csv->row[i].length + 1;
    }
    csv->fields = csv->row;
    *more = true;
    return MU_OK;
}

mu_status mu_csv_error(const mu_csv *csv, size_t index, mu_error *err, mu_status status, const char *format, ...)
{
    char sentence[sizeof err->message + 1]; /* one more, so that what is cut here is marked as cut below */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (length < 0)
        sentence[0] = '\0';
    if (index >= csv->count)
        return mu_error_set(err, status, "%s:%zu: %s", csv->name, csv->line, sentence);
    const mu_csv_field *field = &csv->fields[index];
    return mu_error_set(err, status, "%s:%zu:%zu: %s", csv->name, field->line, field->column, sentence);
}

mu_status mu_csv_real(const mu_csv *csv, size_t index, double *out, mu_error *err)
{
    if (index >= csv->count)
        return mu_csv_error(csv, index, err, MU_E_PARSE, "expected a number in field %zu, the row has %zu fields", index + 1,
                            csv->count);
    const char *text = csv->fields[index].text + strspn(csv->fields[index].text, " \t");
    /* strtod also reads "nan", "0x1p3" and the like, which no data set means */
    size_t digits = strspn(text, "0123456789+-.eE");
    char *end = NULL;
    double value = digits ? strtod(text, &end) : 0.0;
    if (!digits || end == text || (size_t)(end - text) > digits || end[strspn(end, " \t")] != '\0' || !isfinite(value))
        return mu_csv_error(csv, index, err, MU_E_PARSE, "expected a number, found '%.40s'", csv->fields[index].text);
    *out = value;
    return MU_OK;
}

mu_status mu_csv_whole(const mu_csv *csv, size_t index, uint64_t most, uint64_t *out, mu_error *err)
{
    const char *text = csv->fields[index].text;
    uint64_t value = 0;
    for (const char *at = text; *at; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*at < '0' || *at > '9' || value > (most - digit) / 10)
            return mu_csv_error(csv, index, err, MU_E_PARSE, "'%.40s' is no whole number from 0 to %llu", text, (unsigned long long)most);
        value = value * 10 + digit;
    }
    if (!*text)
        return mu_csv_error(csv, index, err, MU_E_PARSE, "a whole number is missing");
    *out = value;
    return MU_OK;
}

size_t mu_csv_find(const mu_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->count; i++)
        if (strcmp(csv->fields[i].text, name) == 0)
            return i;
    return SIZE_MAX;
}
