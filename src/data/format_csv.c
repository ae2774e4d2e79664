/* `csv`: tables of numbers with a label column. */
#include "base/limits.h"
#include "data/csv_table.h"
#include "data/format.h"

#include <stdlib.h>

enum { FILE_TRAIN, FILE_TEST };

static const char *const delimiters[] = { "comma", "semicolon", "tab", "space", NULL };
static const mu_option options[] = {
    { "label", MU_OPTION_TEXT, offsetof(mu_csv_config, label), 0, 0, "label", NULL, NULL,
      "column of the label: its name in the header, or its number from 0 (-1: the last)" },
    { "id", MU_OPTION_TEXT, offsetof(mu_csv_config, id), 0, 0, "", NULL, NULL, "column that says who made the example, likewise; empty: none" },
    { "header", MU_OPTION_BOOL, offsetof(mu_csv_config, header), 0, 0, "true", NULL, NULL, "the first line holds the columns' names" },
    { "delimiter", MU_OPTION_CHOICE, offsetof(mu_csv_config, delimiter), 0, 0, "comma", delimiters, NULL, "between two fields" },
    { "height", MU_OPTION_COUNT, offsetof(mu_csv_config, height), 0, 65536, "0", NULL, "pixels", "of pictures, row by row in a line; 0: plain vectors" },
    { "width", MU_OPTION_COUNT, offsetof(mu_csv_config, width), 0, 65536, "0", NULL, "pixels", "of pictures" },
};

static mu_status shape_of(const char *name, const mu_csv_config *config, uint32_t columns, mu_shape *out, mu_error *err)
{
    uint64_t pixels = (uint64_t)config->height * config->width;
    if (!config->height && !config->width)
        *out = (mu_shape){ 1, 1, columns };
    else if (pixels == 0 || columns % pixels)
        return mu_error_set(err, MU_E_SHAPE, "%s: %u values in a line are no pictures of %u x %u pixels", name, columns, config->height,
                            config->width);
    else
        *out = (mu_shape){ config->height, config->width, (uint32_t)(columns / pixels) };
    return mu_shape_check(name, *out, err);
}

/* The labels stay interned numbers until both files are read. */
static mu_status load_part(const char *path, const mu_csv_config *config, mu_intern *labels, mu_intern *ids, mu_example_pool *out, mu_error *err)
{
    mu_bytes bytes = { 0 };
    mu_csv_table table = { 0 };
    mu_status status = mu_bytes_open(path, MU_LIMIT_UNPACKED_BYTES, &bytes, err);
    if (!status)
        status = mu_csv_table_read(path, bytes.data, bytes.size_bytes, config, labels, ids, &table, err);
    if (!status)
        status = shape_of(path, config, table.columns, &out->shape, err);
    mu_bytes_close(&bytes);
    out->labels = status ? NULL : malloc(table.rows * sizeof *out->labels);
    if (!status && !out->labels)
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory for %u labels", path, table.rows);
    if (status) {
        mu_csv_table_release(&table);
        return status;
    }
    for (uint32_t i = 0; i < table.rows; i++)
        out->labels[i] = (int32_t)table.labels[i];
    free(table.labels);
    out->count = table.rows;
    out->stride = table.columns;
    out->owned = table.values;
    out->floats = table.values;
    out->ids = table.ids;
    return MU_OK;
}

static mu_status settle_labels(mu_intern *labels, mu_corpus *out, mu_error *err)
{
    int32_t *map = malloc(((size_t)labels->names.count + 1) * sizeof *map);
    if (!map)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u labels", labels->names.count);
    mu_status status = mu_intern_to_labels(labels, MU_LIMIT_CLASSES, map, &out->class_names, err);
    mu_example_pool *both[] = { &out->train, &out->test };
    for (size_t k = 0; k < MU_COUNT(both) && !status; k++)
        for (uint32_t i = 0; i < both[k]->count; i++)
            both[k]->labels[i] = map[both[k]->labels[i]];
    free(map);
    out->classes = out->class_names.count ? out->class_names.count : mu_corpus_count_labels(out);
    return status;
}

static mu_status load(const mu_load *request, mu_corpus *out, mu_error *err)
{
    const mu_file_list *files = request->files;
    mu_intern labels = { 0 }, ids = { 0 };
    mu_status status = MU_OK;
    for (size_t i = FILE_TRAIN; i <= FILE_TEST && !status; i++) {
        if (files[i].count > 1)
            status = mu_error_set(err, MU_E_CONFIG, "files: '%s' is one of %u paths where one is expected", files[i].paths[0], files[i].count);
        else if (files[i].count)
            status = load_part(files[i].paths[0], request->config, &labels, &ids, i == FILE_TRAIN ? &out->train : &out->test, err);
    }
    if (!status && out->test.count && out->test.stride != out->train.stride)
        status = mu_error_set(err, MU_E_SHAPE, "%s: lines have %zu values, in %s %zu", files[FILE_TEST].paths[0], out->test.stride,
                              files[FILE_TRAIN].paths[0], out->train.stride);
    if (!status)
        status = settle_labels(&labels, out, err);
    out->unit = 1.0f;
    out->id_count = ids.names.count;
    out->id_names = ids.names;
    ids.names = (mu_names){ 0 };
    mu_intern_release(&ids);
    mu_intern_release(&labels);
    return status;
}

const mu_format mu_format_csv = {
    .name = "csv",
    .help = "tables: a column with the label, numbers in the others",
    .files = { "train", "test" },
    .needed = 1,
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(mu_csv_config),
    .load = load,
};
