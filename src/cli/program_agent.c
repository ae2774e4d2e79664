/* muster-agent: what a device needs. */
#include "cli/verb.h"

static const cli_verb *const verbs[] = { &cli_verb_join, &cli_verb_profile, &cli_verb_version, &cli_verb_help_agent };

static const cli_example first_steps[] = {
    { "muster help join", "how a device joins a federation" },
    { "muster profile --models none --out me.yaml", "measures this device; muster join --profile me.yaml says so" },
};

static const cli_example more[] = {
    { "muster help VERB", "what a verb takes, with examples; so does muster VERB --help" },
    { "muster help exit-codes", "what the exit codes say" },
    { "muster help environment", "the environment variables that are looked at" },
};

const cli_program_kind cli_program = {
    .verbs = verbs, .verb_count = MU_COUNT(verbs),
    .first_steps = first_steps, .first_step_count = MU_COUNT(first_steps),
    .more = more, .more_count = MU_COUNT(more),
};
