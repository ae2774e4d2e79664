/* `npz`: NumPy's archive of arrays; train and test in one file or in two. */
#include "base/limits.h"
#include "data/format.h"
#include "data/format_arrays.h"
#include "data/npy.h"
#include "data/zip.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct npz_config {
    const char *inputs, *labels, *ids;
    int         channels;
} npz_config;

enum { FILE_TRAIN, FILE_TEST };

static const char *const channel_orders[] = { "last", "first", NULL };
static const mu_option options[] = {
    { "inputs", MU_OPTION_TEXT, offsetof(npz_config, inputs), 0, 0, "x", NULL, NULL,
      "name of the array of inputs; in one file with train and test, what stands before _train and _test" },
    { "labels", MU_OPTION_TEXT, offsetof(npz_config, labels), 0, 0, "y", NULL, NULL, "name of the array of labels, likewise" },
    { "ids", MU_OPTION_TEXT, offsetof(npz_config, ids), 0, 0, "", NULL, NULL, "name of the array that says who made each example; empty: none" },
    { "channels", MU_OPTION_CHOICE, offsetof(npz_config, channels), 0, 0, "last", channel_orders, NULL,
      "where the channels stand in an array of four dimensions" },
};

/* An array taken out of the archive, and the memory that it lies in. */
typedef struct member {
    char           label[512]; /* what messages call it */
    mu_zip_content content;
    mu_array       array;
} member;

static void member_file(const char *name, const char *suffix, char *file, size_t capacity_bytes)
{
    snprintf(file, capacity_bytes, "%s%s.npy", name, suffix);
}

static mu_status read_member(const mu_zip *zip, const char *name, const char *suffix, member *out, mu_error *err)
{
    char file[256];
    member_file(name, suffix, file, sizeof file);
    snprintf(out->label, sizeof out->label, "%s(%s)", zip->name, file);
    mu_status status = mu_zip_read(zip, file, MU_LIMIT_UNPACKED_BYTES, &out->content, err);
    return status ? status : mu_npy_read(out->label, out->content.data, out->content.size_bytes, &out->array, err);
}

/* The arrays NAME + suffix of the archive. An array that the examples borrow becomes theirs, or keeps its archive open. */
static mu_status read_part(const mu_zip *zip, const npz_config *config, const char *suffix, bool with_ids, mu_example_pool *out, bool *borrows_file,
                           mu_error *err)
{
    member x = { 0 }, y = { 0 }, ids = { 0 };
    bool borrows = false;
    mu_status status = read_member(zip, config->inputs, suffix, &x, err);
    if (!status)
        status = read_member(zip, config->labels, suffix, &y, err);
    if (!status && with_ids)
        status = read_member(zip, config->ids, suffix, &ids, err);
    if (!status)
        status = mu_examples_from_arrays(&(mu_arrays){ &x.array, &y.array, with_ids ? &ids.array : NULL, config->channels == 1 }, out, &borrows,
                                         err);
    free(ids.content.owned);
    free(y.content.owned);
    if (borrows)
        out->owned = x.content.owned;
    else
        free(x.content.owned);
    *borrows_file = borrows && !x.content.owned;
    return status;
}

/* A stored array is used where it lies, in a mapping of its own; two parts of one file map it twice, which costs nothing. */
static mu_status open_part(const char *path, const npz_config *config, bool is_test, bool own_file, mu_example_pool *out, mu_error *err)
{
    mu_bytes bytes = { 0 };
    mu_zip zip;
    mu_status status = mu_bytes_open(path, MU_LIMIT_UNPACKED_BYTES, &bytes, err);
    if (!status)
        status = mu_zip_open(path, bytes.data, bytes.size_bytes, &zip, err);
    bool borrows_file = false;
    if (!status) {
        char both[256];
        member_file(config->inputs, "_test", both, sizeof both);
        bool holds_both = !own_file && mu_zip_has(&zip, both);
        if (!is_test || own_file || holds_both)
            status = read_part(&zip, config, holds_both ? is_test ? "_test" : "_train" : "", !is_test && config->ids[0], out, &borrows_file, err);
    }
    if (borrows_file)
        out->file = bytes;
    else
        mu_bytes_close(&bytes);
    return status;
}

static mu_status load(const mu_load *request, mu_corpus *out, mu_error *err)
{
    const mu_file_list *files = request->files;
    for (size_t i = FILE_TRAIN; i <= FILE_TEST; i++)
        if (files[i].count > 1)
            return mu_error_set(err, MU_E_CONFIG, "files: '%s' is one of %u paths where one is expected", files[i].paths[0], files[i].count);
    bool own_file = files[FILE_TEST].count > 0;
    const char *train = files[FILE_TRAIN].paths[0];
    mu_status status = open_part(train, request->config, false, own_file, &out->train, err);
    if (!status)
        status = open_part(own_file ? files[FILE_TEST].paths[0] : train, request->config, true, own_file, &out->test, err);
    return status ? status : mu_corpus_finish(train, out, err);
}

const mu_format mu_format_npz = {
    .name = "npz",
    .help = "NumPy archives with an array of inputs and one of labels",
    .files = { "train", "test" },
    .needed = 1,
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(npz_config),
    .load = load,
};
