/* Option rows, printed where they are what `muster help options` looks for. */
#ifndef MUSTER_CLI_HELP_ROWS_H
#define MUSTER_CLI_HELP_ROWS_H

#include "muster/option.h"

#include <stdio.h>

#define CLI_NAMES_MAX 512

/* What is being looked for, and what there was. */
typedef struct cli_search {
    const char *name; /* NULL: everything */
    FILE       *file;
    const char *known[CLI_NAMES_MAX + 1];
    size_t      known_count;
    bool        found;
} cli_search;

/* Rows under a heading: all of them when the heading, or its short name, is what is looked for, else those that are. `short_name` lives
 * as long as the search. */
void cli_print_rows(cli_search *search, const char *heading, const char *short_name, const char *help, const mu_option *rows, size_t count);

/* Those of `data:`: formats of one's own files, and the ways to spread them. */
void cli_print_data_rows(cli_search *search);

#endif
