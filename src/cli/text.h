/* Text for people and for programs: wrapped lines, sizes with their unit, JSON strings. */
#ifndef MUSTER_CLI_TEXT_H
#define MUSTER_CLI_TEXT_H

#include "muster/status.h"

#include <stdio.h>

#define CLI_TEXT_WIDTH 80 /* of help, wherever it goes, so that it reads the same everywhere */

/* Words of `text`, each line after the first indented by `indent`, none wider than `width`. An empty line divides paragraphs. Ends the
 * line. `column`: where the first word begins, the cursor being there already. */
void cli_print_wrapped(FILE *file, size_t column, size_t indent, size_t width, const char *text);

/* "  NAME   help ..." with the help wrapped in a column of its own; a longer name gets a line of its own. */
void cli_print_entry(FILE *file, size_t name_width, const char *name, const char *help);

/* Columns that the terminal behind `file` has; 0: it is none. */
size_t cli_terminal_width(FILE *file);
/* May colours be used? Only on a terminal, and not where NO_COLOR is set. */
bool cli_colours(FILE *file);

#define CLI_NUMBER_BYTES 32
/* "0 B", "212.5 KiB", "6.2 MiB" */
const char *cli_format_bytes(uint64_t bytes, char text[CLI_NUMBER_BYTES]);
/* "950", "7,850", "1,663,370" */
const char *cli_format_count(uint64_t count, char text[CLI_NUMBER_BYTES]);
/* "1.23 k", "99.5 M", "4.0 T" and the like, for rates: the unit follows */
const char *cli_format_metric(double value, char text[CLI_NUMBER_BYTES]);
/* "310 us", "12.4 ms", "3.2 s", "4 min 10 s", "1 h 02 min" */
const char *cli_format_seconds(double seconds, char text[CLI_NUMBER_BYTES]);

/* `text` as a JSON string, quotes and all. */
void cli_print_json_text(FILE *file, const char *text);
/* JSON on one line: what is between values and no part of a text is left out. */
void cli_print_json_compact(FILE *file, const char *json, size_t size_bytes);
/* The shortest form that reads back as the same number; what JSON cannot say is "null". */
const char *cli_format_exact(double value, char text[CLI_NUMBER_BYTES]);

#endif
