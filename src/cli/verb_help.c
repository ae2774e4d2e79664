/* muster help. */
#include "cli/help.h"

#include <string.h>

typedef struct help_options {
    cli_texts topic;
    bool      man;
} help_options;

static mu_status verb_help(const void *options, mu_error *err)
{
    const help_options *o = options;
    const char *const *words = o->topic.items;
    size_t count = o->topic.count;
    if (o->man) {
        cli_help_man(stdout);
        return MU_OK;
    }
    if (count && strcmp(words[0], "options") == 0 && count <= 2)
        return cli_help_options(count == 2 ? words[1] : NULL, stdout, err);
    return cli_help_topic(words, count, stdout, err);
}

static const cli_argument words[] = {
    { .name = "TOPIC", .kind = CLI_TEXTS, .offset = offsetof(help_options, topic), .offer = CLI_OFFER_VERBS,
      .help = "a verb; or options (and then a section, a method or a key), exit-codes, environment" },
};

static const cli_argument flags[] = {
    { .name = "man", .kind = CLI_SWITCH, .offset = offsetof(help_options, man), .help = "write the manual page, as troff" },
};

static const cli_example examples[] = {
    { "muster help run", "what run takes, with examples" },
    { "muster help options", "every key that a configuration may have" },
    { "muster help options train", "those of one section; so does a method's name, or a key's" },
    { "muster help --man > muster.1", "the manual page" },
};

const cli_verb cli_verb_help = {
    .name = "help",
    .summary = "explain a verb, the configuration keys or the exit codes",
    .about = "Everything here is made from the tables that the program itself reads its words and its configuration with.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(help_options) },
    .run = verb_help,
};
