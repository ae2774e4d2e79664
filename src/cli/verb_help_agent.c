/* muster help, in the program for devices. */
#include "cli/help.h"

typedef struct help_options {
    cli_texts topic;
} help_options;

static mu_status verb_help(const void *options, mu_error *err)
{
    const help_options *o = options;
    return cli_help_topic(o->topic.items, o->topic.count, stdout, err);
}

static const cli_argument words[] = {
    { .name = "TOPIC", .kind = CLI_TEXTS, .offset = offsetof(help_options, topic), .offer = CLI_OFFER_VERBS, .help = "a verb; or exit-codes, environment" },
};

static const cli_example examples[] = { { "muster help join", "what join takes, with examples" } };

const cli_verb cli_verb_help_agent = {
    .name = "help",
    .summary = "explain a verb or the exit codes",
    .about = "This program has what a device needs. The whole of Muster explains the configuration too.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), .options_bytes = sizeof(help_options) },
    .run = verb_help,
};
