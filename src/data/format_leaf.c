/* `leaf`: LEAF's JSON files, whose users are the natural devices. */
#include "base/limits.h"
#include "data/format.h"
#include "data/leaf.h"

#include <stdlib.h>

typedef struct leaf_config {
    uint32_t height, width;
    int      labels;
} leaf_config;

enum { FILE_TRAIN, FILE_TEST };

static const mu_option options[] = {
    { "height", MU_OPTION_COUNT, offsetof(leaf_config, height), 0, 65536, "0", NULL, "pixels", "of pictures, where x are lists of numbers; 0: plain vectors" },
    { "width", MU_OPTION_COUNT, offsetof(leaf_config, width), 0, 65536, "0", NULL, "pixels", "of pictures" },
    { "labels", MU_OPTION_CHOICE, offsetof(leaf_config, labels), 0, 0, "next", mu_labels_words, NULL,
      "of texts: the character after the text, or after every character of it" },
};

static mu_status read_files(const mu_file_list *list, mu_intern *users, mu_intern *labels, mu_leaf *leaf, mu_error *err)
{
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < list->count && !status; i++) {
        mu_bytes bytes = { 0 };
        status = mu_bytes_open(list->paths[i], MU_LIMIT_JSON_BYTES, &bytes, err);
        if (!status)
            status = mu_leaf_read(list->paths[i], bytes.data, bytes.size_bytes, users, labels, leaf, err);
        mu_bytes_close(&bytes);
    }
    if (!status && list->count && leaf->count == 0)
        status = mu_error_set(err, MU_E_PARSE, "%s: no examples at all", list->paths[0]);
    return status;
}

/* Numbers: the values as they are. Labels stand for themselves or are names. */
static mu_status finish_numbers(mu_leaf *const leaves[2], mu_example_pool *const parts[2], mu_intern *labels, mu_corpus *out, mu_error *err)
{
    int32_t *map = malloc(((size_t)labels->names.count + 1) * sizeof *map);
    if (!map)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u labels", labels->names.count);
    mu_status status = mu_intern_to_labels(labels, MU_LIMIT_CLASSES, map, &out->class_names, err);
    for (size_t k = 0; k < 2 && !status; k++) {
        parts[k]->owned = leaves[k]->values;
        parts[k]->floats = leaves[k]->values;
        leaves[k]->values = NULL;
        for (uint32_t i = 0; i < leaves[k]->count; i++)
            parts[k]->labels[i] = map[leaves[k]->labels[i]];
    }
    free(map);
    return status;
}

/* Texts: characters become symbols of one vocabulary, which holds the labels too. */
static mu_status finish_texts(const char *name, mu_leaf *const leaves[2], mu_example_pool *const parts[2], mu_corpus *out, mu_error *err)
{
    mu_vocabulary vocabulary = { .count = 0 };
    mu_status status = MU_OK;
    for (size_t k = 0; k < 2 && !status; k++) {
        status = mu_vocabulary_add(&vocabulary, name, &leaves[k]->inputs, err);
        if (!status)
            status = mu_vocabulary_add(&vocabulary, name, &(mu_codes){ leaves[k]->labels, leaves[k]->count, leaves[k]->count }, err);
    }
    for (size_t k = 0; k < 2 && !status; k++) {
        uint8_t *symbols = malloc(leaves[k]->inputs.count + 1);
        if (!symbols)
            return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %zu symbols", name, leaves[k]->inputs.count);
        for (size_t i = 0; i < leaves[k]->inputs.count; i++)
            symbols[i] = mu_vocabulary_symbol(&vocabulary, leaves[k]->inputs.codes[i]);
        for (uint32_t i = 0; i < leaves[k]->count; i++)
            parts[k]->labels[i] = mu_vocabulary_symbol(&vocabulary, leaves[k]->labels[i]);
        parts[k]->owned = symbols;
        parts[k]->bytes = symbols;
    }
    return status ? status : mu_vocabulary_names(&vocabulary, &out->class_names, err);
}

static mu_status shape_of(const char *name, const leaf_config *config, const mu_leaf *leaf, mu_shape *out, mu_error *err)
{
    size_t pixels = (size_t)config->height * config->width;
    *out = (mu_shape){ 1, 1, (uint32_t)leaf->length };
    if (config->height || config->width) {
        if (pixels == 0 || leaf->length % pixels || leaf->is_text)
            return mu_error_set(err, MU_E_SHAPE, "%s: examples of %zu %s are no pictures of %u x %u pixels", name, leaf->length,
                                leaf->is_text ? "characters" : "values", config->height, config->width);
        *out = (mu_shape){ config->height, config->width, (uint32_t)(leaf->length / pixels) };
    }
    return mu_shape_check(name, *out, err);
}

static mu_status fill_parts(const char *name, const leaf_config *config, mu_leaf *const leaves[2], mu_example_pool *const parts[2], mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t k = 0; k < 2 && !status; k++) {
        if (leaves[k]->count == 0)
            continue;
        status = shape_of(name, config, leaves[k], &parts[k]->shape, err);
        parts[k]->count = leaves[k]->count;
        parts[k]->stride = leaves[k]->length;
        parts[k]->ids = leaves[k]->users;
        leaves[k]->users = NULL;
        parts[k]->labels = malloc(leaves[k]->count * sizeof *parts[k]->labels);
        if (!status && !parts[k]->labels)
            status = mu_error_set(err, MU_E_MEMORY, "%s: no memory for %u labels", name, leaves[k]->count);
    }
    bool unlike = leaves[1]->count && (leaves[0]->length != leaves[1]->length || leaves[0]->is_text != leaves[1]->is_text);
    if (!status && unlike)
        status = mu_error_set(err, MU_E_SHAPE, "%s: training examples are %zu %s, test examples %zu %s", name, leaves[0]->length,
                              leaves[0]->is_text ? "characters" : "numbers", leaves[1]->length, leaves[1]->is_text ? "characters" : "numbers");
    return status;
}

static mu_status load(const mu_load *request, mu_corpus *out, mu_error *err)
{
    const char *name = request->files[FILE_TRAIN].paths[0];
    const leaf_config *config = request->config;
    mu_intern users = { 0 }, labels = { 0 };
    mu_leaf train = { 0 }, test = { 0 };
    mu_leaf *const leaves[2] = { &train, &test };
    mu_example_pool *const parts[2] = { &out->train, &out->test };
    mu_status status = read_files(&request->files[FILE_TRAIN], &users, &labels, &train, err);
    if (!status)
        status = read_files(&request->files[FILE_TEST], &users, &labels, &test, err);
    if (!status)
        status = fill_parts(name, config, leaves, parts, err);
    out->symbolic = train.is_text;
    out->every_label = config->labels == MU_LABELS_EVERY;
    if (!status && out->every_label && !train.is_text)
        status = mu_error_set(err, MU_E_CONFIG, "%s: 'labels: every' is for texts; these examples are numbers", name);
    if (!status)
        status = train.is_text ? finish_texts(name, leaves, parts, out, err) : finish_numbers(leaves, parts, &labels, out, err);
    if (!status)
        out->classes = out->class_names.count ? out->class_names.count : mu_corpus_count_labels(out);
    out->unit = 1.0f;
    out->id_count = users.names.count;
    out->id_names = users.names;
    users.names = (mu_names){ 0 };
    mu_leaf_release(&test);
    mu_leaf_release(&train);
    mu_intern_release(&labels);
    mu_intern_release(&users);
    return status;
}

const mu_format mu_format_leaf = {
    .name = "leaf",
    .help = "LEAF's JSON: users with lists of numbers or texts",
    .files = { "train", "test" },
    .needed = 1,
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(leaf_config),
    .load = load,
};
