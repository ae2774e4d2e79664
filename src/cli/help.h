/* What help texts are made from: the tables of verbs, flags, exit codes and environment variables. */
#ifndef MUSTER_CLI_HELP_H
#define MUSTER_CLI_HELP_H

#include "cli/verb.h"

#include <stdio.h>

/* What help knows in every program: no word at all, exit-codes, environment, a verb, or the first word of several. */
mu_status cli_help_topic(const char *const *words, size_t count, FILE *file, mu_error *err);
void cli_help_program(FILE *file);
void cli_help_verb(const cli_verb *verb, FILE *file);
/* The verbs of two words that begin with `word`. False: there are none, and nothing was written. */
bool cli_help_family(const char *word, FILE *file);
void cli_help_exit_codes(FILE *file);
void cli_help_environment(FILE *file);
/* Every configuration key, from the option rows; `name` (may be NULL) picks a section, a method or a key. */
mu_status cli_help_options(const char *name, FILE *file, mu_error *err);
/* The manual page, as troff. */
void cli_help_man(FILE *file);

typedef struct cli_variable {
    const char *name, *help;
} cli_variable;
const cli_variable *cli_variables(size_t *count);

/* What `muster help` knows besides the verbs, ended by NULL. */
extern const char *const cli_help_topics[];

/* "-o, --out DIR" */
#define CLI_LABEL_BYTES 128
void cli_label_flag(const cli_argument *flag, char label[CLI_LABEL_BYTES]);
/* "[--set KEY=VALUE]...", "CONFIG.yaml", "[NAME]" */
void cli_label_usage(const cli_argument *argument, bool is_flag, char label[CLI_LABEL_BYTES]);

#endif
