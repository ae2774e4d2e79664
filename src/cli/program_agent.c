/* muster-agent: what a device needs. */
#include "cli/verb.h"

static const cli_verb *const verbs[] = { &cli_verb_join, &cli_verb_version, &cli_verb_help };

static const cli_example first_steps[] = {
    { "muster help join", "how a device joins a federation" },
};

const cli_program_kind cli_program = { verbs, MU_COUNT(verbs), first_steps, MU_COUNT(first_steps) };
