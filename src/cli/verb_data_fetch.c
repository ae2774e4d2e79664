/* muster data fetch: a known data set, from its public home to this disk. */
#include "cli/files.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/file.h"
#include "data/fetch.h"
#include "muster/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fetch_options {
    const char *name, *to;
    bool        quiet;
    int         format;
} fetch_options;

/* ---- what can be downloaded ---- */

static const cli_column set_columns[] = { { "name", "name", false }, { "size_bytes", "size", true }, { "home", "home", false } };

static void print_sets(cli_format format)
{
    size_t count;
    const mu_fetch_set *sets = mu_fetch_sets(&count);
    cli_table *table = cli_table_create(set_columns, MU_COUNT(set_columns));
    for (size_t i = 0; i < count; i++) {
        char text[CLI_NUMBER_BYTES];
        uint64_t size_bytes = 0;
        for (size_t f = 0; f < sets[i].file_count; f++)
            size_bytes += sets[i].files[f].size_bytes;
        cli_table_text(table, sets[i].name);
        cli_table_count(table, size_bytes, cli_format_bytes(size_bytes, text));
        cli_table_text(table, sets[i].home);
    }
    if (format == CLI_FORMAT_JSON)
        fputs("{\"sets\":", stdout);
    cli_table_print(table, format, stdout);
    if (format == CLI_FORMAT_JSON)
        fputs("}\n", stdout);
    cli_table_destroy(table);
}

static mu_status unknown_set(const char *name, mu_error *err)
{
    enum { MOST = 64 };
    const char *names[MOST + 1] = { NULL };
    char hint[CLI_HINT_BYTES];
    size_t count;
    const mu_fetch_set *sets = mu_fetch_sets(&count);
    for (size_t i = 0; i < count && i < MOST; i++)
        names[i] = sets[i].name;
    return mu_error_set(err, MU_E_CONFIG, "data fetch: '%s' is no data set that can be downloaded%s", name,
                        cli_hint(name, names, "muster data fetch", hint));
}

/* ---- while it downloads ---- */

/* The line on the terminal, drawn anew whenever a hundredth more is there. */
typedef struct watch {
    const mu_fetch_file *file;
    uint64_t             drawn_share;
} watch;

static bool draw(void *context, const mu_fetch_file *file, uint64_t done_bytes)
{
    watch *w = context;
    char done[CLI_NUMBER_BYTES], size[CLI_NUMBER_BYTES];
    uint64_t share = file->size_bytes ? done_bytes * 100 / file->size_bytes : 100;
    if (w->file == file && w->drawn_share == share)
        return true;
    *w = (watch){ file, share };
    fprintf(stderr, "\r\033[K%s: %s of %s (%llu %%)", file->name, cli_format_bytes(done_bytes, done),
            cli_format_bytes(file->size_bytes, size), (unsigned long long)share);
    return true;
}

static const cli_column file_columns[] = {
    { "file", "file", false }, { "size_bytes", "size", true }, { "sha256", NULL, false }, { "url", NULL, false }
};

static void print_files(const mu_fetch_set *set, const char *folder, cli_format format)
{
    char text[CLI_NUMBER_BYTES];
    cli_table *table = cli_table_create(file_columns, MU_COUNT(file_columns));
    for (size_t i = 0; i < set->file_count; i++) {
        cli_table_text(table, set->files[i].name);
        cli_table_count(table, set->files[i].size_bytes, cli_format_bytes(set->files[i].size_bytes, text));
        cli_table_text(table, set->files[i].sha256);
        cli_table_text(table, set->files[i].url);
    }
    if (format == CLI_FORMAT_JSON) {
        fputs("{\"folder\":", stdout);
        cli_print_json_text(stdout, folder);
        fputs(",\"files\":", stdout);
    }
    cli_table_print(table, format, stdout);
    if (format == CLI_FORMAT_JSON)
        fputs("}\n", stdout);
    else
        printf("in %s\n", folder);
    cli_table_destroy(table);
}

static mu_status find_folder(const fetch_options *o, const mu_fetch_set *set, char **out, mu_error *err)
{
    char *all = o->to ? NULL : mu_data_folder();
    *out = o->to ? strdup(o->to) : all ? mu_path_join(all, set->folder) : NULL;
    free(all);
    return *out ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for the folder's name");
}

static mu_status verb_data_fetch(const void *options, mu_error *err)
{
    const fetch_options *o = options;
    if (!o->name) {
        print_sets((cli_format)o->format);
        return MU_OK;
    }
    const mu_fetch_set *set = mu_fetch_find(o->name);
    if (!set)
        return unknown_set(o->name, err);
    char *folder;
    mu_status status = find_folder(o, set, &folder, err);
    if (status)
        return status;
    watch w = { 0 };
    bool live = !o->quiet && cli_terminal_width(stderr) > 0;
    mu_fetch_config config = mu_fetch_config_default();
    config.progress = live ? draw : NULL;
    config.context = &w;
    status = mu_fetch_all(set, folder, &config, err);
    if (live)
        fputs("\r\033[K", stderr);
    if (!status && !(o->quiet && o->format == CLI_FORMAT_TEXT))
        print_files(set, folder, (cli_format)o->format);
    free(folder);
    return status;
}

static const cli_argument words[] = {
    { .name = "NAME", .kind = CLI_TEXT, .offset = offsetof(fetch_options, name), .offer = CLI_OFFER_DATASETS,
      .help = "the data set; without it, those that can be downloaded" },
};

static const cli_argument flags[] = {
    { .name = "to", .kind = CLI_TEXT, .offset = offsetof(fetch_options, to), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "folder for its files; otherwise where they are looked for: $MUSTER_DATA/NAME, or ~/.local/share/muster/data/NAME" },
    { .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .offset = offsetof(fetch_options, quiet),
      .help = "no progress, and no list of the files" },
    CLI_FORMAT_FLAG(fetch_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster data fetch", "the data sets that can be downloaded, and how large they are" },
    { "muster data fetch mnist", "from then on, data: mnist works in every experiment" },
};

const cli_verb cli_verb_data_fetch = {
    .name = "data fetch",
    .summary = "download a known data set",
    .about = "Downloads over HTTPS from the set's public home. Size and SHA-256 of every file are checked before it gets its name; a download "
             "that broke off goes on where it ended; files that are there already are left alone.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(fetch_options) },
    .run = verb_data_fetch,
};
