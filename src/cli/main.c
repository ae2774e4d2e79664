/* The program: finds the verb, reads its arguments, runs it, and says what went wrong. */
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "muster/option.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const cli_verb *const *cli_verbs(size_t *count)
{
    *count = cli_program.verb_count;
    return cli_program.verbs;
}

const char *const *cli_verb_names(void)
{
    static const char *names[CLI_VERBS_MAX + 1];
    MU_ASSERT(cli_program.verb_count <= CLI_VERBS_MAX);
    for (size_t i = 0; i < cli_program.verb_count; i++)
        names[i] = cli_program.verbs[i]->name;
    return names;
}

/* Words of `words` that `name` (one word, or several with blanks between) is made of; 0 when they do not begin with it. */
static size_t words_matched(const char *name, const char *const *words, size_t count)
{
    size_t matched = 0;
    while (matched < count) {
        size_t length = strcspn(name, " ");
        if (strlen(words[matched]) != length || strncmp(words[matched], name, length) != 0)
            return 0;
        matched++;
        if (!name[length])
            return matched;
        name += length + 1;
    }
    return 0;
}

const cli_verb *cli_verb_named(const char *const *words, size_t count, size_t *taken)
{
    const cli_verb *best = NULL;
    *taken = 0;
    for (size_t i = 0; i < cli_program.verb_count; i++) {
        size_t matched = words_matched(cli_program.verbs[i]->name, words, count);
        if (matched > *taken) { /* "data fetch" goes before "data" */
            best = cli_program.verbs[i];
            *taken = matched;
        }
    }
    return best;
}

bool cli_verb_is_begun_by(const cli_verb *verb, const char *word)
{
    size_t length = strlen(word);
    return strncmp(verb->name, word, length) == 0 && verb->name[length] == ' ';
}

/* "'muster bench step', 'muster bench widths'": those that begin with `word`; empty: none do. */
static void list_begun_by(const char *word, char *list, size_t capacity_bytes)
{
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < cli_program.verb_count; i++)
        if (cli_verb_is_begun_by(cli_program.verbs[i], word) && used < capacity_bytes)
            used += (size_t)snprintf(list + used, capacity_bytes - used, "%s'muster %s'", used ? ", " : "", cli_program.verbs[i]->name);
}

static mu_status unknown_verb(const char *const *words, size_t count, mu_error *err)
{
    const char *nearest = mu_nearest_name(words[0], cli_verb_names());
    char begun[256];
    list_begun_by(words[0], begun, sizeof begun);
    if (*begun && count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)) {
        cli_help_family(words[0], stdout);
        return MU_OK;
    }
    if (*begun)
        return mu_error_set(err, MU_E_CONFIG, "%s%s%s: there is no such verb; there is %s", words[0], count > 1 ? " " : "",
                            count > 1 ? words[1] : "", begun);
    if (words[0][0] == '-')
        return mu_error_set(err, MU_E_CONFIG, "%s: expected a verb first, as in muster run CONFIG.yaml; see muster --help", words[0]);
    return mu_error_set(err, MU_E_CONFIG, "there is no verb '%s'; %s%s%s", words[0], nearest ? "did you mean '" : "see muster --help",
                        nearest ? nearest : "", nearest ? "'?" : "");
}

static mu_status run_verb(const cli_verb *verb, const char *const *words, size_t count, mu_error *err)
{
    bool help = false;
    void *options = calloc(1, verb->arguments.options_bytes ? verb->arguments.options_bytes : 1);
    const char **texts = calloc(CLI_LISTS_MAX * (count + 1), sizeof *texts);
    mu_status status = MU_OK;
    if (!options || !texts)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the arguments");
    else
        status = cli_arguments_read(&verb->arguments, verb->name, words, count, texts, options, &help, err);
    if (!status && help)
        cli_help_verb(verb, stdout);
    else if (!status)
        status = verb->run(options, err);
    free(texts);
    free(options);
    return status;
}

static mu_status dispatch(const char *const *words, size_t count, mu_error *err)
{
    static const char *const shorthands[][2] = { { "--help", "help" }, { "-h", "help" }, { "--version", "version" }, { "-V", "version" } };
    const char *first = words[0];
    size_t taken;
    for (size_t i = 0; i < MU_COUNT(shorthands); i++)
        if (strcmp(first, shorthands[i][0]) == 0)
            first = shorthands[i][1];
    const cli_verb *verb = first == words[0] ? cli_verb_named(words, count, &taken) : cli_verb_named(&first, 1, &taken);
    return verb ? run_verb(verb, words + taken, count - taken, err) : unknown_verb(words, count, err);
}

/* Whoever reads our output may stop reading, as `head` does: that is no failure. A full disk is. */
static bool reader_is_gone(void)
{
    struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };
    return poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP));
}

static mu_status finish_output(mu_error *err)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    int reason = errno;
    if (!failed || reason == EPIPE || reader_is_gone())
        return MU_OK;
    return mu_error_set(err, MU_E_IO, "standard output cannot be written%s%s", reason ? ": " : "", reason ? strerror(reason) : "");
}

static void complain(const mu_error *err)
{
    bool colours = cli_colours(stderr);
    fprintf(stderr, "%smuster:%s %s\n", colours ? "\033[1;31m" : "", colours ? "\033[0m" : "", err->message);
}

int main(int argc, char **argv)
{
    mu_error err = { .status = MU_OK };
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        cli_help_program(stderr);
        return cli_exit_code_of(MU_E_CONFIG);
    }
    mu_status status = dispatch((const char *const *)(argv + 1), (size_t)argc - 1, &err);
    mu_error output_err;
    mu_status output_status = finish_output(&output_err);
    if (status)
        complain(&err);
    else if (output_status) {
        complain(&output_err);
        status = output_status;
    }
    return cli_exit_code_of(status);
}
