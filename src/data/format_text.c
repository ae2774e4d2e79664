/* `text`: plain text for character models, cut into windows. */
#include "base/limits.h"
#include "data/format.h"
#include "data/windows.h"

#include <stdlib.h>

typedef struct text_config {
    uint32_t window, step;
    int      labels;
} text_config;

enum { FILE_TRAIN, FILE_TEST };

static const mu_option options[] = {
    { "window", MU_OPTION_COUNT, offsetof(text_config, window), 1, 1e6, "80", NULL, "characters", "of an example; the label is the next one" },
    { "step", MU_OPTION_COUNT, offsetof(text_config, step), 1, 1e6, "20", NULL, "characters", "from the begin of one window to the next" },
    { "labels", MU_OPTION_CHOICE, offsetof(text_config, labels), 0, 0, "next", mu_labels_words, NULL,
      "the character after the window, or after every character of it" },
};

static mu_status read_codes(const mu_file_list *list, mu_codes *codes, mu_error *err)
{
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < list->count && !status; i++) {
        mu_bytes bytes = { 0 };
        size_t added;
        status = mu_bytes_open(list->paths[i], MU_LIMIT_UNPACKED_BYTES, &bytes, err);
        if (!status)
            status = mu_codes_add(codes, list->paths[i], (const char *)bytes.data, bytes.size_bytes, &added, err);
        mu_bytes_close(&bytes);
    }
    return status;
}

static mu_status make_windows(const char *name, const mu_vocabulary *vocabulary, const uint32_t *codes, size_t count, const text_config *config,
                              mu_example_pool *out, mu_error *err)
{
    uint8_t *symbols = malloc(count + 1);
    if (!symbols)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %zu symbols", name, count);
    for (size_t i = 0; i < count; i++)
        symbols[i] = mu_vocabulary_symbol(vocabulary, codes[i]);
    return mu_windows_make(name, symbols, count, config->window, config->step, out, err);
}

/* Without a test file the end of the text is the test: a random part of overlapping windows would give the training text away. */
static mu_status load(const mu_load *request, mu_corpus *out, mu_error *err)
{
    const mu_file_list *files = request->files;
    const text_config *config = request->config;
    const char *name = files[FILE_TRAIN].paths[0];
    mu_codes train = { 0 }, test = { 0 };
    mu_vocabulary vocabulary = { .count = 0 };
    mu_status status = read_codes(&files[FILE_TRAIN], &train, err);
    if (!status)
        status = read_codes(&files[FILE_TEST], &test, err);
    if (!status)
        status = mu_vocabulary_add(&vocabulary, name, &train, err);
    if (!status)
        status = mu_vocabulary_add(&vocabulary, name, &test, err);
    out->used_fraction = files[FILE_TEST].count == 0;
    size_t train_count = train.count;
    if (out->used_fraction)
        train_count -= (size_t)(request->test_fraction * (double)train.count);
    if (!status)
        status = make_windows(name, &vocabulary, train.codes, train_count, config, &out->train, err);
    if (!status && out->used_fraction)
        status = make_windows(name, &vocabulary, train.codes + train_count, train.count - train_count, config, &out->test, err);
    else if (!status)
        status = make_windows(files[FILE_TEST].paths[0], &vocabulary, test.codes, test.count, config, &out->test, err);
    if (!status)
        status = mu_vocabulary_names(&vocabulary, &out->class_names, err);
    out->classes = vocabulary.count;
    out->unit = 1.0f;
    out->symbolic = true;
    out->every_label = config->labels == MU_LABELS_EVERY;
    mu_codes_release(&test);
    mu_codes_release(&train);
    return status;
}

const mu_format mu_format_text = {
    .name = "text",
    .help = "plain text in UTF-8, cut into windows of which the next character is the label",
    .files = { "train", "test" },
    .needed = 1,
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(text_config),
    .load = load,
};
