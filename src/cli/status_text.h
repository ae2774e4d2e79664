/* What a coordinator says of itself in status.json, in a few lines for people. */
#ifndef MUSTER_CLI_STATUS_TEXT_H
#define MUSTER_CLI_STATUS_TEXT_H

#include "cli/table.h"

/* For people, or as it came. Control characters, which could play with a terminal, become spaces for people; JSON has none. MU_E_PARSE: it is no status;
 * nothing is written then. */
mu_status cli_status_print(FILE *file, cli_format format, const char *text, size_t size_bytes, mu_error *err);

#endif
