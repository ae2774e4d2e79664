/* A verb: what it is called, what it takes, what --help says about it, and the function that does it. */
#ifndef MUSTER_CLI_VERB_H
#define MUSTER_CLI_VERB_H

#include "cli/arguments.h"

typedef struct cli_example {
    const char *command, *what;
} cli_example;

typedef struct cli_verb {
    const char        *name;    /* one word, or two: "data fetch" */
    const char        *summary; /* one line, for the list of verbs */
    const char        *about;   /* paragraphs divided by an empty line */
    const cli_example *examples;
    size_t             example_count;
    cli_arguments      arguments;
    /* Writes to standard output. What goes wrong is said by whoever called. */
    mu_status (*run)(const void *options, mu_error *err);
} cli_verb;

/* Two programs are made of these files: muster (program.c), and muster-agent for devices alone (program_agent.c), which calls itself muster too, so that what is
 * written about the one holds for the other. */
typedef struct cli_program_kind {
    const cli_verb *const *verbs; /* in the order in which help names them */
    size_t                 verb_count;
    const cli_example     *first_steps, *more; /* that its help ends with */
    size_t                 first_step_count, more_count;
} cli_program_kind;
extern const cli_program_kind cli_program;
#define CLI_VERBS_MAX 63

/* All of them. */
const cli_verb *const *cli_verbs(size_t *count);
/* The verb that `words` begin with, and how many words its name took; NULL when there is none. */
const cli_verb *cli_verb_named(const char *const *words, size_t count, size_t *taken);
/* Does `verb` have two words, of which this is the first? "bench simulate" does, for "bench". */
bool cli_verb_is_begun_by(const cli_verb *verb, const char *word);
/* The verbs' names, ended by NULL. */
const char *const *cli_verb_names(void);

/* Each verb is one file. */
extern const cli_verb cli_verb_run, cli_verb_serve, cli_verb_devices, cli_verb_join, cli_verb_sweep, cli_verb_search_distreal, cli_verb_list, cli_verb_price, cli_verb_profile, cli_verb_data,
    cli_verb_data_fetch, cli_verb_compare, cli_verb_report, cli_verb_extract, cli_verb_status, cli_verb_bench_simulate, cli_verb_bench_scale,
    cli_verb_bench_step, cli_verb_bench_widths, cli_verb_bench_kernels, cli_verb_bench_savings, cli_verb_bench_budgets, cli_verb_version,
    cli_verb_completion, cli_verb_help, cli_verb_help_agent;

/* The arrays of a verb's rows, with their lengths. */
#define CLI_WORDS(rows) .words = (rows), .word_count = MU_COUNT(rows)
#define CLI_FLAGS(rows) .flags = (rows), .flag_count = MU_COUNT(rows)
#define CLI_EXAMPLES(rows) .examples = (rows), .example_count = MU_COUNT(rows)

#endif
