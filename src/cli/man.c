/* The manual page, muster(1), as troff, from the same tables as --help. */
#include "cli/help.h"

#include "cli/exit_code.h"
#include "muster/version.h"

#include <string.h>

/* A text in which nothing is taken for a request: backslashes and hyphens escaped, a dot or quote never first on a line. An empty line
 * divides paragraphs. */
static void put(FILE *file, const char *text)
{
    bool line_begins = true;
    for (; *text; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", file);
            line_begins = true;
            text++;
            continue;
        }
        if (line_begins && (*text == '.' || *text == '\''))
            fputs("\\&", file);
        line_begins = *text == '\n';
        if (*text == '\\')
            fputs("\\e", file);
        else if (*text == '-')
            fputs("\\-", file);
        else
            fputc(*text, file);
    }
}

static void put_line(FILE *file, const char *before, const char *text)
{
    fputs(before, file);
    put(file, text);
    fputc('\n', file);
}

static void put_entry(FILE *file, const char *label, const char *help)
{
    fputs(".TP\n.B ", file);
    put_line(file, "", label);
    put_line(file, "", help);
}

static void put_verb(FILE *file, const cli_verb *verb)
{
    char label[CLI_LABEL_BYTES];
    const cli_arguments *arguments = &verb->arguments;
    fputs(".SS muster ", file);
    put_line(file, "", verb->name);
    fputs("muster ", file);
    put(file, verb->name);
    for (size_t i = 0; i < arguments->word_count; i++) {
        cli_label_usage(&arguments->words[i], false, label);
        fputc(' ', file);
        put(file, label);
    }
    put_line(file, " [options]\n.PP\n", verb->about);
    for (size_t i = 0; i < arguments->word_count; i++)
        put_entry(file, arguments->words[i].name, arguments->words[i].help);
    for (size_t i = 0; i < arguments->flag_count; i++) {
        cli_label_flag(&arguments->flags[i], label);
        put_entry(file, label, arguments->flags[i].help);
    }
}

static void put_examples(FILE *file, const cli_verb *verb)
{
    for (size_t i = 0; i < verb->example_count; i++)
        put_entry(file, verb->examples[i].command, verb->examples[i].what);
}

void cli_help_man(FILE *file)
{
    size_t verb_count, code_count, variable_count;
    const cli_verb *const *verbs = cli_verbs(&verb_count);
    const cli_exit_code *codes = cli_exit_codes(&code_count);
    const cli_variable *variables = cli_variables(&variable_count);
    fprintf(file, ".TH MUSTER 1 \"\" \"Muster %s\" \"User Commands\"\n", MU_VERSION);
    fputs(".SH NAME\nmuster \\- federated learning on whatever each device can muster\n"
          ".SH SYNOPSIS\n.B muster\n.I VERB\n[arguments]\n.SH DESCRIPTION\n"
          "Muster trains one model across devices that differ in processor, memory, energy, radio and in how long they stay. "
          "It runs a whole federation in virtual time on one machine.\n.SH VERBS\n", file);
    for (size_t i = 0; i < verb_count; i++)
        put_verb(file, verbs[i]);
    fputs(".SH EXAMPLES\n", file);
    for (size_t i = 0; i < verb_count; i++)
        put_examples(file, verbs[i]);
    fputs(".SH EXIT STATUS\n", file);
    for (size_t i = 0; i < code_count; i++) {
        char label[16];
        snprintf(label, sizeof label, "%d", codes[i].code);
        put_entry(file, label, codes[i].help);
    }
    fputs(".SH ENVIRONMENT\n", file);
    for (size_t i = 0; i < variable_count; i++)
        put_entry(file, variables[i].name, variables[i].help);
}
