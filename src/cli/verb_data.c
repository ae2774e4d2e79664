/* muster data: which examples lie on which device, in figures and drawn. */
#include "cli/files.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/file.h"
#include "base/limits.h"
#include "muster/experiment.h"
#include "report/draw_partition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_DEFAULT = 10 };

typedef struct data_options {
    const char *data, *export_path, *draw_path;
    cli_texts   settings;
    uint32_t    show;
    int         format;
} data_options;

/* Data by itself or of an experiment. */
typedef struct subject {
    mu_conf       *conf;
    mu_experiment *experiment;
    mu_data       *own;
    const mu_data *data;
} subject;

static void release(subject *s)
{
    mu_data_close(s->own);
    mu_conf_destroy(s->conf);
    mu_experiment_destroy(s->experiment);
}

/* What `--set` may change of data that stand alone. */
typedef struct alone {
    uint64_t seed;
} alone;
static const mu_option alone_rows[] = {
    { .name = "seed", .kind = MU_OPTION_SEED, .offset = offsetof(alone, seed), .fallback = "1", .help = "same seed, same data" },
};
static const char *const alone_sections[] = { "data", NULL };

static mu_status check_name(const char *name, mu_error *err)
{
    enum { MOST = 256 };
    const char *names[MOST + 1];
    char hint[CLI_HINT_BYTES];
    size_t count;
    const mu_dataset_info *datasets = mu_datasets(&count);
    for (size_t i = 0; i < count && i < MOST; i++) {
        if (strcmp(datasets[i].name, name) == 0)
            return MU_OK;
        names[i] = datasets[i].name;
    }
    names[count < MOST ? count : MOST] = NULL;
    return mu_error_set(err, MU_E_CONFIG, "data: there is no data set '%s'%s", name, cli_hint(name, names, "muster list datasets", hint));
}

static mu_status open_by_name(const data_options *o, subject *s, mu_error *err)
{
    alone general;
    char assignment[256];
    mu_status status = check_name(o->data, err);
    if (!status)
        status = mu_conf_parse("muster data", "", 0, &s->conf, err);
    if (status)
        return status;
    snprintf(assignment, sizeof assignment, "data.name=%s", o->data);
    status = mu_conf_set(s->conf, assignment, err);
    for (size_t i = 0; i < o->settings.count && !status; i++)
        status = mu_conf_set(s->conf, o->settings.items[i], err);
    const mu_conf_node *root = mu_conf_root(s->conf);
    if (!status)
        status = mu_options_read(alone_rows, MU_COUNT(alone_rows), root, alone_sections, "data without an experiment", &general, err);
    if (!status)
        status = mu_data_open(mu_conf_get(root, "data"), general.seed, &s->own, err);
    s->data = s->own;
    return status;
}

static mu_status open_subject(const data_options *o, subject *s, mu_error *err)
{
    bool is_file;
    mu_status status = cli_is_file(o->data, &is_file, err);
    if (status)
        return status;
    if (!is_file)
        return open_by_name(o, s, err);
    status = mu_experiment_load(o->data, NULL, o->settings.items, o->settings.count, &s->experiment, err);
    if (!status)
        s->data = mu_experiment_data(s->experiment);
    return status;
}

/* {"devices": [[numbers of the examples in the training set], ...]} */
static void write_export(const mu_data *data, FILE *file)
{
    fputs("{\"devices\": [", file);
    for (uint32_t device = 0; device < mu_data_device_count(data); device++) {
        fputs(device ? ",\n[" : "\n[", file);
        for (uint32_t i = 0; i < mu_data_num_examples(data, device); i++)
            fprintf(file, "%s%u", i ? "," : "", mu_data_source_index(data, device, i));
        fputc(']', file);
    }
    fputs("\n]}\n", file);
}

static mu_status export(const mu_data *data, const char *path, mu_error *err)
{
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *memory = open_memstream(&text, &size_bytes);
    if (memory)
        write_export(data, memory);
    bool good = memory && !ferror(memory);
    if (memory)
        good = fclose(memory) == 0 && good;
    mu_status status = good ? mu_file_write(path, text, size_bytes, err)
                            : mu_error_set(err, MU_E_MEMORY, "no memory to export %u devices", mu_data_device_count(data));
    free(text);
    return status;
}

static mu_status print(const mu_partition_view *partition, const data_options *o, mu_error *err)
{
    char *text = o->format == CLI_FORMAT_JSON ? mu_partition_view_json(partition)
                                              : mu_partition_view_text(partition, (uint32_t)cli_terminal_width(stdout));
    if (!text)
        return mu_error_set(err, MU_E_MEMORY, "no memory to print the partition");
    if (o->format == CLI_FORMAT_JSON) {
        cli_print_json_compact(stdout, text, strlen(text));
        putchar('\n');
    } else {
        fputs(text, stdout);
    }
    free(text);
    return MU_OK;
}

static mu_status show(const mu_data *data, const data_options *o, mu_error *err)
{
    mu_partition_view partition = { 0 };
    mu_status status = mu_partition_look(data, o->show ? o->show : SHOWN_DEFAULT, &partition, err);
    if (!status && o->draw_path)
        status = mu_partition_view_page(&partition, o->draw_path, err);
    if (!status && o->export_path)
        status = export(data, o->export_path, err);
    if (!status)
        status = print(&partition, o, err);
    mu_partition_view_release(&partition);
    if (!status && o->format == CLI_FORMAT_TEXT) {
        if (o->draw_path)
            printf("drawn: %s\n", o->draw_path);
        if (o->export_path)
            printf("exported: %s\n", o->export_path);
    }
    return status;
}

static mu_status verb_data(const void *options, mu_error *err)
{
    const data_options *o = options;
    subject s = { 0 };
    mu_status status = open_subject(o, &s, err);
    if (!status)
        status = show(s.data, o, err);
    release(&s);
    return status;
}

static const cli_argument words[] = {
    { .name = "DATA", .kind = CLI_TEXT, .offset = offsetof(data_options, data), .needed = true, .offer = CLI_OFFER_DATASETS,
      .help = "an experiment, or a data set by name (muster list datasets)" },
};

static const cli_argument flags[] = {
    { .name = "set", .letter = 's', .kind = CLI_TEXTS, .offset = offsetof(data_options, settings), .value = "KEY=VALUE",
      .help = "change a key, as in --set data.devices=20 or --set seed=7; may be given again" },
    { .name = "show", .kind = CLI_COUNT, .offset = offsetof(data_options, show), .value = "N", .min = 1, .max = MU_LIMIT_DEVICES,
      .help = "devices that are shown one by one; otherwise 10" },
    { .name = "draw", .kind = CLI_TEXT, .offset = offsetof(data_options, draw_path), .value = "FILE.html", .offer = CLI_OFFER_FILES,
      .help = "draw it, as a page" },
    { .name = "export", .kind = CLI_TEXT, .offset = offsetof(data_options, export_path), .value = "FILE.json", .offer = CLI_OFFER_FILES,
      .help = "write which example lies on which device: {\"devices\": [[0, 7], ...]}, numbered as in the training set" },
    CLI_FORMAT_FLAG(data_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster data writers --set data.devices=20", "the data set that needs no files, on twenty devices" },
    { "muster data examples/first.yaml --draw data.html", "what the experiment's devices have, with figures" },
    { "muster data mnist --set data.partition=shards --export devices.json", "a partition for another program to use" },
};

const cli_verb cli_verb_data = {
    .name = "data",
    .summary = "show how a data set lies on its devices",
    .about = "How many examples the devices have, of how many classes, and how far their mixes of classes are from the whole.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(data_options) },
    .run = verb_data,
};
