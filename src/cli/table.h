/* A table that is written for people (columns), for programs (JSON) or for a spreadsheet (CSV): one description, three forms. */
#ifndef MUSTER_CLI_TABLE_H
#define MUSTER_CLI_TABLE_H

#include "muster/status.h"

#include <stdio.h>

typedef enum cli_format { CLI_FORMAT_TEXT, CLI_FORMAT_JSON, CLI_FORMAT_CSV } cli_format;
/* "text", "json", and with the second one "csv" */
extern const char *const cli_formats_text_json[];
extern const char *const cli_formats_text_json_csv[];

typedef struct cli_column {
    const char *key;   /* in JSON and CSV: "macs_forward" */
    const char *title; /* for people; NULL: not shown to them */
    bool        right; /* aligned right */
} cli_column;

typedef struct cli_table cli_table; /* grows as cells are added; a program that has no memory for that ends here, with its exit code */

cli_table *cli_table_create(const cli_column *columns, size_t column_count);
void       cli_table_destroy(cli_table *table);

/* The next cell, from left to right, then the next row. */
void cli_table_text(cli_table *table, const char *text);
/* A value and how people see it. */
void cli_table_words(cli_table *table, const char *text, const char *seen);
void cli_table_count(cli_table *table, uint64_t count, const char *seen);
void cli_table_real(cli_table *table, double value, const char *seen);
void cli_table_bool(cli_table *table, bool value, const char *seen);

size_t cli_table_rows(const cli_table *table);

/* JSON: an array of objects. Text: the last column is wrapped where a terminal is too narrow for it. */
void cli_table_print(const cli_table *table, cli_format format, FILE *file);

#endif
