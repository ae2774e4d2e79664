/* What the program's exit code says. One table for the program, `muster help exit-codes` and the man page. */
#ifndef MUSTER_CLI_EXIT_CODE_H
#define MUSTER_CLI_EXIT_CODE_H

#include "muster/status.h"

typedef struct cli_exit_code {
    int         code;
    const char *name, *help;
} cli_exit_code;

#define CLI_EXIT_INTERRUPTED 130

const cli_exit_code *cli_exit_codes(size_t *count); /* ascending */
int                  cli_exit_code_of(mu_status status);

/* For what the user points at: a folder in the wrong state (a run already, none yet, not ended) is wrong input, not failed work. */
mu_status cli_as_input(mu_status status);

#endif
