/* muster completion: what a shell offers after TAB, from the same tables as --help. */
#include "cli/help.h"

#include "muster/experiment.h"

#include <string.h>

typedef enum shell { SHELL_BASH, SHELL_ZSH, SHELL_FISH } shell;

typedef struct completion_options {
    int shell;
} completion_options;

/* ---- the words that are offered for a value ---- */

static void put_recipes(FILE *file)
{
    size_t count;
    const mu_recipe *recipes = mu_recipes(&count);
    for (size_t i = 0; i < count; i++)
        fprintf(file, " %s", recipes[i].name);
}

static void put_models(FILE *file)
{
    size_t count;
    const mu_model_builtin *models = mu_model_builtins(&count);
    for (size_t i = 0; i < count; i++)
        fprintf(file, " %s", models[i].name);
}

static void put_datasets(FILE *file)
{
    size_t count;
    const mu_dataset_info *datasets = mu_datasets(&count);
    for (size_t i = 0; i < count; i++)
        fprintf(file, " %s", datasets[i].name);
}

static void put_devices(FILE *file)
{
    size_t count;
    const mu_profile *profiles = mu_profiles(&count);
    for (size_t i = 0; i < count; i++)
        fprintf(file, " %s", profiles[i].name);
}

static void put_verbs(FILE *file)
{
    size_t count;
    const cli_verb *const *verbs = cli_verbs(&count);
    for (size_t i = 0; i < count; i++)
        if (!strchr(verbs[i]->name, ' '))
            fprintf(file, " %s", verbs[i]->name);
}

static void put_topics(FILE *file)
{
    put_verbs(file);
    for (size_t i = 0; cli_help_topics[i]; i++)
        fprintf(file, " %s", cli_help_topics[i]);
}

static const struct {
    void (*put)(FILE *file); /* NULL: none */
    bool files, folders;
} offers[] = {
    [CLI_OFFER_NOTHING] = { NULL, false, false },        [CLI_OFFER_FILES] = { NULL, true, false },
    [CLI_OFFER_FOLDERS] = { NULL, false, true },         [CLI_OFFER_RECIPES] = { put_recipes, false, false },
    [CLI_OFFER_MODELS] = { put_models, true, false },    [CLI_OFFER_DATASETS] = { put_datasets, true, false },
    [CLI_OFFER_DEVICES] = { put_devices, false, false }, [CLI_OFFER_VERBS] = { put_topics, false, false },
};

static void put_values(const cli_argument *argument, FILE *file)
{
    for (size_t i = 0; argument->choices && argument->choices[i]; i++)
        fprintf(file, " %s", argument->choices[i]);
    if (offers[argument->offer].put)
        offers[argument->offer].put(file);
}

static bool offers_files(const cli_argument *argument) { return offers[argument->offer].files; }
static bool offers_folders(const cli_argument *argument) { return offers[argument->offer].folders; }

/* Text for between single quotes of any of the three shells. */
static void put_quoted(FILE *file, const char *text)
{
    fputc('\'', file);
    for (; *text; text++)
        fputs(*text == '\'' ? "'\\''" : (char[]){ *text, '\0' }, file);
    fputc('\'', file);
}

/* ---- bash, and zsh, which reads bash's ---- */

/* One arm of "what comes after the word before": a flag's values, or nothing but whatever the user thinks of. */
static void bash_flag(FILE *file, const cli_verb *verb, const cli_argument *flag)
{
    if (flag->kind == CLI_SWITCH)
        return;
    fprintf(file, "    '%s --%s'", verb->name, flag->name);
    if (flag->letter)
        fprintf(file, "|'%s -%c'", verb->name, flag->letter);
    fputs(") offered='", file);
    put_values(flag, file);
    fprintf(file, "' kind='%s' ;;\n", offers_files(flag) ? "-f" : offers_folders(flag) ? "-d" : "");
}

/* What may follow the first word of two-word verbs. */
static void put_second_words(FILE *file, const char *first)
{
    size_t count;
    const cli_verb *const *verbs = cli_verbs(&count);
    for (size_t i = 0; i < count; i++)
        if (cli_verb_is_begun_by(verbs[i], first))
            fprintf(file, " %s", verbs[i]->name + strlen(first) + 1);
}

static void bash_verb(FILE *file, const cli_verb *verb)
{
    fprintf(file, "    '%s') flags='", verb->name);
    for (size_t i = 0; i < verb->arguments.flag_count; i++)
        fprintf(file, "--%s ", verb->arguments.flags[i].name);
    fputs("--help' offered='", file);
    const char *kind = "";
    put_second_words(file, verb->name); /* "fetch" after "data" */
    for (size_t i = 0; i < verb->arguments.word_count; i++) {
        const cli_argument *word = &verb->arguments.words[i];
        put_values(word, file);
        kind = offers_files(word) ? "-f" : offers_folders(word) ? "-d" : kind;
    }
    fprintf(file, "' kind='%s' ;;\n", kind);
}

/* The first words of two-word verbs that are no verbs themselves, each once, with what may follow: "bench" and "simulate". */
static void put_first_words(FILE *file, bool with_arms)
{
    size_t count, taken;
    const cli_verb *const *verbs = cli_verbs(&count);
    for (size_t i = 0; i < count; i++) {
        char first[64];
        size_t length = strcspn(verbs[i]->name, " ");
        snprintf(first, sizeof first, "%.*s", (int)length, verbs[i]->name);
        const char *word = first;
        bool seen = i > 0 && cli_verb_is_begun_by(verbs[i - 1], first); /* they stand together */
        if (!verbs[i]->name[length] || seen || cli_verb_named(&word, 1, &taken))
            continue;
        fprintf(file, with_arms ? "    '%s') flags='--help' offered='" : " %s", first);
        if (with_arms) {
            put_second_words(file, first);
            fputs("' kind='' ;;\n", file);
        }
    }
}

static void put_bash(FILE *file)
{
    size_t count;
    const cli_verb *const *verbs = cli_verbs(&count);
    fputs("# Completion for muster, made by `muster completion bash`.\n"
          "_muster()\n{\n"
          "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" verb=\"${COMP_WORDS[1]}\"\n"
          "  local flags='' offered='' kind=''\n"
          "  COMPREPLY=()\n"
          "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "    COMPREPLY=($(compgen -W '--help --version", file);
    put_verbs(file);
    put_first_words(file, false);
    fputs("' -- \"$word\"))\n    return\n  fi\n"
          "  case \"$verb ${COMP_WORDS[2]}\" in\n", file);
    fputs("  ", file);
    bool first = true;
    for (size_t i = 0; i < count; i++)
        if (strchr(verbs[i]->name, ' ')) {
            fprintf(file, "%s'%s'", first ? "" : "|", verbs[i]->name);
            first = false;
        }
    fputs(") [ \"$COMP_CWORD\" -gt 2 ] && verb=\"$verb ${COMP_WORDS[2]}\" ;;\n  esac\n"
          "  if [ \"$before\" = = ]; then before=\"${COMP_WORDS[COMP_CWORD-2]}\"; fi\n"
          "  if [ \"$word\" = = ]; then word=''; fi\n"
          "  case \"$verb $before\" in\n", file);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < verbs[i]->arguments.flag_count; j++)
            bash_flag(file, verbs[i], &verbs[i]->arguments.flags[j]);
    fputs("    *) case \"$verb\" in\n", file);
    for (size_t i = 0; i < count; i++)
        bash_verb(file, verbs[i]);
    put_first_words(file, true);
    fputs("    esac ;;\n  esac\n"
          "  if [ \"${word#-}\" != \"$word\" ]; then offered=\"$flags\" kind=''; fi\n"
          "  COMPREPLY=($(compgen -W \"$offered\" -- \"$word\"))\n"
          "  if [ -n \"$kind\" ]; then\n"
          "    compopt -o filenames 2>/dev/null\n"
          "    COMPREPLY+=($(compgen $kind -- \"$word\"))\n"
          "    [ \"$kind\" = -f ] && COMPREPLY+=($(compgen -d -- \"$word\"))\n"
          "  fi\n}\ncomplete -F _muster muster\n", file);
}

static void put_zsh(FILE *file)
{
    fputs("#compdef muster\nautoload -U +X bashcompinit && bashcompinit\n", file);
    put_bash(file);
    /* zsh loads the file at the first TAB, and wants that answered too */
    fputs("if [ \"${funcstack[1]}\" = _muster ]; then _bash_complete -F _muster; fi\n", file);
}

/* ---- fish: one line a thing ---- */

/* "__fish_seen_subcommand_from data; and __fish_seen_subcommand_from fetch" */
static void fish_condition(FILE *file, const char *name)
{
    fputs(" -n '", file);
    while (true) {
        size_t length = strcspn(name, " ");
        fprintf(file, "__fish_seen_subcommand_from %.*s", (int)length, name);
        if (!name[length])
            break;
        fputs("; and ", file);
        name += length + 1;
    }
    fputs("'", file);
}

static void fish_argument(FILE *file, const cli_verb *verb, const cli_argument *argument, bool is_flag)
{
    fputs("complete -c muster", file);
    fish_condition(file, verb->name);
    if (is_flag)
        fprintf(file, " -l %s", argument->name);
    if (is_flag && argument->letter)
        fprintf(file, " -s %c", argument->letter);
    if (argument->kind != CLI_SWITCH) {
        fprintf(file, "%s%s -a '", is_flag ? " -r" : "", offers_files(argument) ? " -F" : " -f");
        put_values(argument, file);
        fputs(offers_folders(argument) ? " (__fish_complete_directories)'" : "'", file);
    }
    fputs(" -d ", file);
    put_quoted(file, argument->help);
    fputc('\n', file);
}

static void fish_verb(FILE *file, const cli_verb *verb)
{
    const char *second = strchr(verb->name, ' ');
    fputs("complete -c muster -f", file);
    if (second)
        fprintf(file, " -n '__fish_seen_subcommand_from %.*s' -a %s -d ", (int)(second - verb->name), verb->name, second + 1);
    else
        fprintf(file, " -n __fish_use_subcommand -a %s -d ", verb->name);
    put_quoted(file, verb->summary);
    fputc('\n', file);
    for (size_t i = 0; i < verb->arguments.word_count; i++)
        fish_argument(file, verb, &verb->arguments.words[i], false);
    for (size_t i = 0; i < verb->arguments.flag_count; i++)
        fish_argument(file, verb, &verb->arguments.flags[i], true);
}

static void put_fish(FILE *file)
{
    size_t count;
    const cli_verb *const *verbs = cli_verbs(&count);
    fputs("# Completion for muster, made by `muster completion fish`.\ncomplete -c muster -f -n __fish_use_subcommand -a '", file);
    put_first_words(file, false);
    fputs("'\ncomplete -c muster -s h -l help -d 'explain'\n", file);
    for (size_t i = 0; i < count; i++)
        fish_verb(file, verbs[i]);
}

/* ---- the verb ---- */

static mu_status verb_completion(const void *options, mu_error *err)
{
    static void (*const puts_of[])(FILE *file) = { [SHELL_BASH] = put_bash, [SHELL_ZSH] = put_zsh, [SHELL_FISH] = put_fish };
    (void)err;
    puts_of[((const completion_options *)options)->shell](stdout);
    return MU_OK;
}

static const char *const shells[] = { [SHELL_BASH] = "bash", [SHELL_ZSH] = "zsh", [SHELL_FISH] = "fish", NULL };

static const cli_argument words[] = {
    { .name = "SHELL", .kind = CLI_CHOICE, .offset = offsetof(completion_options, shell), .choices = shells, .needed = true,
      .help = "bash, zsh or fish" },
};

static const cli_example examples[] = {
    { "muster completion bash > ~/.local/share/bash-completion/completions/muster", "for bash, from the next shell on" },
    { "muster completion fish > ~/.config/fish/completions/muster.fish", "for fish" },
};

const cli_verb cli_verb_completion = {
    .name = "completion",
    .summary = "write a shell's completion of muster's words",
    .about = "What a shell offers after TAB: verbs, flags, and the names of recipes, models, data sets and devices. An installed Muster has "
             "bash's already.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), .options_bytes = sizeof(completion_options) },
    .run = verb_completion,
};
