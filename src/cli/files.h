/* Words that may be a name or a file. */
#ifndef MUSTER_CLI_FILES_H
#define MUSTER_CLI_FILES_H

#include "muster/status.h"

/* *is_file: the word is a regular file that is there. MU_E_IO when it is none but can be nothing else, for it has a slash or ends in .yaml. */
mu_status cli_is_file(const char *word, bool *is_file, mu_error *err);

/* "; did you mean 'x'?" for the nearest of `names` (ended by NULL), or "; see `otherwise`", into `text`. */
#define CLI_HINT_BYTES 160
const char *cli_hint(const char *word, const char *const *names, const char *otherwise, char text[CLI_HINT_BYTES]);

#endif
