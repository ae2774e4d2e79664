/* --help and `muster help`: text from tables. */
#include "cli/help.h"

#include "cli/exit_code.h"
#include "cli/files.h"
#include "cli/text.h"

#include <muster/version.h>
#include <string.h>

enum { NAME_WIDTH = 20 };

static const cli_variable variables[] = {
    { "MUSTER_DATA", "folder that data sets are looked for in, one folder each: $MUSTER_DATA/fashion-mnist" },
    { "MUSTER_KERNELS", "kernels to compute with instead of the fastest ones, by a name from `muster list kernels`. "
                        "Results do not depend on it." },
    { "NO_COLOR", "when set, nothing is written in colour" },
};

const char *const cli_help_topics[] = { "options", "exit-codes", "environment", NULL };

const cli_variable *cli_variables(size_t *count)
{
    *count = MU_COUNT(variables);
    return variables;
}

static void heading(FILE *file, const char *text)
{
    bool colours = cli_colours(file);
    fprintf(file, "\n%s%s:%s\n", colours ? "\033[1m" : "", text, colours ? "\033[0m" : "");
}

static void write_value(const cli_argument *argument, char *text, size_t capacity_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    if (argument->value)
        snprintf(text, capacity_bytes, "%s", argument->value);
    else
        for (size_t i = 0; argument->choices && argument->choices[i] && used < capacity_bytes; i++)
            used += (size_t)snprintf(text + used, capacity_bytes - used, "%s%s", i ? "|" : "", argument->choices[i]);
}

void cli_label_flag(const cli_argument *flag, char label[CLI_LABEL_BYTES])
{
    char value[64], letter[8] = "";
    write_value(flag, value, sizeof value);
    if (flag->letter)
        snprintf(letter, sizeof letter, "-%c, ", flag->letter);
    snprintf(label, CLI_LABEL_BYTES, "%s--%s%s%s", letter, flag->name, *value ? " " : "", value);
}

void cli_label_usage(const cli_argument *argument, bool is_flag, char label[CLI_LABEL_BYTES])
{
    char value[64] = "";
    if (is_flag)
        write_value(argument, value, sizeof value);
    snprintf(label, CLI_LABEL_BYTES, "%s%s%s%s%s%s%s", argument->needed ? "" : "[", is_flag ? "--" : "", argument->name,
             *value ? " " : "", value, argument->needed ? "" : "]", argument->kind == CLI_TEXTS ? "..." : "");
}

/* Labels are not broken: one goes to the next line whole. */
static void print_usage(const cli_verb *verb, FILE *file)
{
    size_t indent = (size_t)fprintf(file, "usage: muster %s", verb->name), column = indent;
    const cli_arguments *arguments = &verb->arguments;
    for (size_t i = 0; i < arguments->word_count + arguments->flag_count; i++) {
        char label[CLI_LABEL_BYTES];
        bool is_flag = i >= arguments->word_count;
        cli_label_usage(is_flag ? &arguments->flags[i - arguments->word_count] : &arguments->words[i], is_flag, label);
        if (column + 1 + strlen(label) > CLI_TEXT_WIDTH) {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
        }
        column += (size_t)fprintf(file, " %s", label);
    }
    fputc('\n', file);
}

static size_t widest_label(const cli_verb *verb)
{
    size_t widest = strlen("-h, --help");
    char label[CLI_LABEL_BYTES];
    for (size_t i = 0; i < verb->arguments.flag_count; i++) {
        cli_label_flag(&verb->arguments.flags[i], label);
        if (strlen(label) > widest)
            widest = strlen(label);
    }
    return widest < 26 ? widest : 26;
}

void cli_help_verb(const cli_verb *verb, FILE *file)
{
    size_t width = widest_label(verb);
    fprintf(file, "muster %s: %s\n\n", verb->name, verb->summary);
    print_usage(verb, file);
    if (verb->about) {
        fputc('\n', file);
        cli_print_wrapped(file, 0, 0, CLI_TEXT_WIDTH, verb->about);
    }
    if (verb->arguments.word_count)
        heading(file, "arguments");
    for (size_t i = 0; i < verb->arguments.word_count; i++)
        cli_print_entry(file, width, verb->arguments.words[i].name, verb->arguments.words[i].help);
    heading(file, "options");
    for (size_t i = 0; i < verb->arguments.flag_count; i++) {
        char label[CLI_LABEL_BYTES];
        cli_label_flag(&verb->arguments.flags[i], label);
        cli_print_entry(file, width, label, verb->arguments.flags[i].help);
    }
    cli_print_entry(file, width, "-h, --help", "this text");
    heading(file, verb->example_count > 1 ? "examples" : "example");
    for (size_t i = 0; i < verb->example_count; i++) {
        fprintf(file, "  %s\n      ", verb->examples[i].command);
        cli_print_wrapped(file, 6, 6, CLI_TEXT_WIDTH, verb->examples[i].what);
    }
}

bool cli_help_family(const char *word, FILE *file)
{
    size_t count, found = 0;
    const cli_verb *const *verbs = cli_verbs(&count);
    for (size_t i = 0; i < count; i++) {
        if (!cli_verb_is_begun_by(verbs[i], word))
            continue;
        if (found++ == 0) {
            fprintf(file, "usage: muster %s WHAT [arguments]\n", word);
            heading(file, "verbs");
        }
        cli_print_entry(file, NAME_WIDTH, verbs[i]->name, verbs[i]->summary);
    }
    if (found)
        fprintf(file, "\nmuster %s WHAT --help says what each of them takes.\n", word);
    return found > 0;
}

void cli_help_program(FILE *file)
{
    size_t count;
    const cli_verb *const *verbs = cli_verbs(&count);
    fprintf(file, "Muster %s: federated learning on whatever each device can muster\n\nusage: muster VERB [arguments]\n", MU_VERSION);
    heading(file, "verbs");
    for (size_t i = 0; i < count; i++)
        cli_print_entry(file, NAME_WIDTH, verbs[i]->name, verbs[i]->summary);
    heading(file, "first steps");
    for (size_t i = 0; i < cli_program.first_step_count; i++)
        cli_print_entry(file, NAME_WIDTH + 10, cli_program.first_steps[i].command, cli_program.first_steps[i].what);
    heading(file, "more");
    for (size_t i = 0; i < cli_program.more_count; i++)
        cli_print_entry(file, NAME_WIDTH + 10, cli_program.more[i].command, cli_program.more[i].what);
}

void cli_help_exit_codes(FILE *file)
{
    size_t count;
    const cli_exit_code *codes = cli_exit_codes(&count);
    fputs("exit codes:\n", file);
    for (size_t i = 0; i < count; i++) {
        char label[32];
        snprintf(label, sizeof label, "%3d  %s", codes[i].code, codes[i].name);
        cli_print_entry(file, NAME_WIDTH, label, codes[i].help);
    }
}

void cli_help_environment(FILE *file)
{
    fputs("environment variables:\n", file);
    for (size_t i = 0; i < MU_COUNT(variables); i++)
        cli_print_entry(file, NAME_WIDTH, variables[i].name, variables[i].help);
}

static mu_status unknown_topic(const char *word, mu_error *err)
{
    enum { MOST = 64 };
    const char *names[MOST];
    size_t count = 0;
    for (size_t i = 0; cli_help_topics[i]; i++)
        names[count++] = cli_help_topics[i];
    for (size_t i = 0; cli_verb_names()[i] && count + 1 < MOST; i++)
        names[count++] = cli_verb_names()[i];
    names[count] = NULL;
    char hint[CLI_HINT_BYTES];
    return mu_error_set(err, MU_E_CONFIG, "help: there is nothing about '%s'%s", word, cli_hint(word, names, "muster help", hint));
}

mu_status cli_help_topic(const char *const *words, size_t count, FILE *file, mu_error *err)
{
    size_t taken;
    const cli_verb *verb = cli_verb_named(words, count, &taken);
    if (!count)
        cli_help_program(file);
    else if (strcmp(words[0], "exit-codes") == 0 && count == 1)
        cli_help_exit_codes(file);
    else if (strcmp(words[0], "environment") == 0 && count == 1)
        cli_help_environment(file);
    else if (verb && taken == count)
        cli_help_verb(verb, file);
    else if (verb || count > 1 || !cli_help_family(words[0], file))
        return unknown_topic(words[verb ? taken : 0], err);
    return MU_OK;
}
