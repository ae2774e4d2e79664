/* From a section to the paths of its files: which format, which folder, which files. */
#include "data/sets.h"

#include "base/conf_path.h"
#include "base/file.h"
#include "base/limits.h"
#include "data/fetch.h"
#include "data/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const section_keys[] = { "name", "path", "format", "files", "partition", "normalize", NULL };

/* What every set in files has of its own, beside what its format asks. */
enum { OPTION_DEVICES, OPTION_FRACTION, OPTION_SKIP, OPTION_TAKE };
static const mu_option section_options[] = {
    [OPTION_DEVICES] = { "devices", MU_OPTION_COUNT, offsetof(mu_files, devices), 0, MU_LIMIT_DEVICES, "0", NULL, NULL,
      "devices that share the training set; 0: one for each natural id, or 100" },
    [OPTION_FRACTION] = { "test_fraction", MU_OPTION_REAL, offsetof(mu_files, test_fraction), 0.0001, 0.9999, "0.1", NULL, NULL,
      "part of the examples that becomes the test set; only for data that has none" },
    [OPTION_SKIP] = { "skip", MU_OPTION_COUNT, offsetof(mu_files, skip), 0, MU_LIMIT_EXAMPLES, "0", NULL, "examples",
      "so many training examples are left out, the first ones of the files" },
    [OPTION_TAKE] = { "take", MU_OPTION_COUNT, offsetof(mu_files, take), 0, MU_LIMIT_EXAMPLES, "0", NULL, "examples",
      "so many of the training examples behind them are used; 0: all" },
};

const mu_option *mu_files_options(size_t *count)
{
    *count = MU_COUNT(section_options);
    return section_options;
}

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for the paths of the data set");
}

static mu_status unknown_set(const mu_conf_node *section, const char *name, mu_error *err)
{
    enum { MOST = 32 };
    const char *names[MOST];
    char list[512] = "";
    size_t count, used = 0;
    const mu_dataset_info *infos = mu_datasets(&count);
    MU_ASSERT(count < MOST);
    for (size_t i = 0; i < count; i++) {
        names[i] = infos[i].name;
        used += (size_t)snprintf(list + used, used < sizeof list ? sizeof list - used : 0, "%s%s", i ? ", " : "", names[i]);
    }
    names[count] = NULL;
    const char *nearest = mu_nearest_name(name, names);
    return mu_conf_error(err, MU_E_CONFIG, mu_conf_get(section, "name"),
                         "data: no set is known as '%s' (known: %s); your own files need a 'format'%s%s%s", name, list,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static mu_status find_format(const mu_conf_node *section, const char *name, mu_files *out, mu_error *err)
{
    const mu_conf_node *node = mu_conf_get(section, "format");
    const char *format = mu_conf_text(node);
    out->known = mu_known_set_find(name);
    if (out->known && node)
        return mu_conf_error(err, MU_E_CONFIG, node, "data: '%s' is a known set with a format of its own; give your own files another name", name);
    if (out->known) {
        out->format = out->known->format;
        return MU_OK;
    }
    if (!node)
        return unknown_set(section, name, err);
    out->format = format ? mu_format_find(format) : NULL;
    if (out->format)
        return MU_OK;
    const char *names[16];
    char list[256] = "";
    size_t count = mu_format_names(names, MU_COUNT(names)), used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(list + used, used < sizeof list ? sizeof list - used : 0, "%s%s", i ? ", " : "", names[i]);
    const char *nearest = format ? mu_nearest_name(format, names) : NULL;
    return mu_conf_error(err, MU_E_CONFIG, node, "data: 'format' is '%s', expected one of: %s%s%s%s", format ? format : "no word", list,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* The section's own rows and the format's, each told of the other's names. */
static mu_status read_options(mu_conf *conf, mu_conf_node *section, mu_files *out, mu_error *err)
{
    const mu_format *format = out->format;
    const char *also[32];
    size_t count = 0;
    for (size_t i = 0; section_keys[i]; i++)
        also[count++] = section_keys[i];
    for (size_t i = 0; i < format->option_count; i++)
        also[count++] = format->options[i].name;
    also[count] = NULL;
    MU_ASSERT(count < MU_COUNT(also));
    mu_status status = mu_options_read(section_options, MU_COUNT(section_options), section, also, "data", out, err);
    if (status)
        return status;
    count = 0;
    for (size_t i = 0; section_keys[i]; i++)
        also[count++] = section_keys[i];
    for (size_t i = 0; i < MU_COUNT(section_options); i++)
        also[count++] = section_options[i].name;
    also[count] = NULL;
    out->config = calloc(1, format->config_bytes + 1);
    if (!out->config)
        return no_memory(err);
    status = mu_options_read(format->options, format->option_count, section, also, "data", out->config, err);
    return status ? status : mu_options_write(format->options, format->option_count, out->config, conf, section, err);
}

/* The known set's own folder; or `path:`, and without one the folder of the configuration. What the user named is written back as an
 * absolute path, so that the resolved section means the same anywhere on this machine. */
static mu_status find_folder(mu_conf *conf, mu_conf_node *section, const char *name, mu_files *out, mu_error *err)
{
    mu_status status = MU_OK;
    if (out->known && !mu_conf_get(section, "path")) {
        char *base = mu_data_folder();
        out->folder = base ? mu_path_join(base, out->known->folder ? out->known->folder : name) : NULL;
        free(base);
        return out->folder ? MU_OK : no_memory(err);
    }
    if (!mu_conf_get(section, "path"))
        status = mu_conf_put(conf, section, "path", ".", err);
    if (!status)
        status = mu_conf_path(mu_conf_get(section, "path"), &out->folder, err);
    if (status)
        return status;
    return mu_conf_put(conf, section, "path", out->folder, err);
}

/* What the user wrote under `files:` for one name: a path or a list of them. */
static mu_status take_paths(const mu_conf_node *node, const char *folder, mu_file_list *out, mu_error *err)
{
    bool list = mu_conf_kind_of(node) == MU_CONF_LIST;
    size_t count = list ? mu_conf_count(node) : 1;
    if (count == 0)
        return mu_conf_error(err, MU_E_CONFIG, node, "files: an empty list, expected paths");
    mu_status status = MU_OK;
    for (size_t i = 0; i < count && !status; i++) {
        const mu_conf_node *item = list ? mu_conf_item(node, i) : node;
        const char *text = mu_conf_text(item);
        if (!text || !*text)
            return mu_conf_error(err, MU_E_CONFIG, item, "files: expected a path or a list of paths");
        status = mu_file_list_add(out, folder, text, err);
    }
    return status;
}

static mu_status find_given_files(const mu_conf_node *given, mu_files *out, mu_error *err)
{
    mu_status status = mu_conf_check_keys(given, out->format->files, "files", err);
    for (size_t i = 0; out->format->files[i] && !status; i++) {
        const mu_conf_node *node = mu_conf_get(given, out->format->files[i]);
        if (node)
            status = take_paths(node, out->folder, &out->lists[i], err);
        else if (i < out->format->needed)
            status = mu_conf_error(err, MU_E_CONFIG, given, "files: '%s' is missing; the format '%s' needs it", out->format->files[i],
                                   out->format->name);
    }
    return status;
}

static mu_status find_known_files(const mu_conf_node *section, const char *name, mu_files *out, mu_error *err)
{
    const mu_known_set *known = out->known;
    if (!known)
        return mu_conf_error(err, MU_E_CONFIG, section, "data: 'files' is missing: which files '%s' is made of", name);
    for (size_t i = 0; i < MU_FORMAT_FILES_MAX; i++) {
        if (!known->files[i].choices[0] || mu_set_find_files(out->folder, &known->files[i], &out->lists[i]))
            continue;
        bool offered = mu_fetch_find(name) != NULL;
        return mu_conf_error(err, MU_E_IO, section, "data: '%s' is not in %s (looked for %s, also as .gz, .xz or .zst); %s%s%s'path:' says where else it lies",
                             name, out->folder, known->files[i].choices[0], offered ? "`muster data fetch " : "", offered ? name : "",
                             offered ? "` downloads it, and " : "");
    }
    return MU_OK;
}

mu_status mu_files_find(mu_conf *conf, mu_conf_node *section, const char *name, mu_files *out, mu_error *err)
{
    *out = (mu_files){ 0 };
    mu_status status = find_format(section, name, out, err);
    if (!status)
        status = read_options(conf, section, out, err);
    if (!status)
        status = find_folder(conf, section, name, out, err);
    if (status)
        return status;
    const mu_conf_node *given = mu_conf_get(section, "files");
    return given ? find_given_files(given, out, err) : find_known_files(section, name, out, err);
}

mu_status mu_files_write_fraction(mu_conf *conf, mu_conf_node *section, const mu_files *files, mu_error *err)
{
    return mu_options_write(&section_options[OPTION_FRACTION], 1, files, conf, section, err);
}

void mu_files_release(mu_files *files)
{
    for (size_t i = 0; i < MU_FORMAT_FILES_MAX; i++)
        mu_file_list_release(&files->lists[i]);
    free(files->folder);
    free(files->config);
    *files = (mu_files){ 0 };
}
