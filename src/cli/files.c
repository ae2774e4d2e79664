/* Words that may be a name or a file. */
#include "cli/files.h"

#include "muster/option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_in(const char *word, const char *ending)
{
    size_t length = strlen(word), ending_length = strlen(ending);
    return length > ending_length && strcmp(word + length - ending_length, ending) == 0;
}

mu_status cli_is_file(const char *word, bool *is_file, mu_error *err)
{
    struct stat info;
    bool there = stat(word, &info) == 0;
    *is_file = there && S_ISREG(info.st_mode);
    if (*is_file || !(strchr(word, '/') || ends_in(word, ".yaml") || ends_in(word, ".yml")))
        return MU_OK;
    return mu_error_set(err, MU_E_IO, "%s: %s", word, there ? "not a regular file" : strerror(errno));
}

const char *cli_hint(const char *word, const char *const *names, const char *otherwise, char text[CLI_HINT_BYTES])
{
    const char *nearest = mu_nearest_name(word, names);
    if (nearest)
        snprintf(text, CLI_HINT_BYTES, "; did you mean '%s'?", nearest);
    else
        snprintf(text, CLI_HINT_BYTES, "; see %s", otherwise);
    return text;
}
