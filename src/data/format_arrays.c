/* `arrays`: one file of inputs, one of labels and perhaps one of ids, each an IDX or an NPY file. */
#include "data/format_arrays.h"

#include "base/limits.h"
#include "data/format.h"
#include "data/idx.h"
#include "data/npy.h"

#include <stdlib.h>
#include <string.h>

static mu_status shape_of(const mu_arrays *arrays, mu_shape *out, mu_error *err)
{
    const mu_array *x = arrays->x;
    size_t side[4] = { 0 };
    if (arrays->channels_first && x->rank != 4)
        return mu_error_set(err, MU_E_CONFIG, "%s: 'channels: first' is for arrays of four dimensions, this one has %u", x->name, x->rank);
    for (uint32_t i = 1; i < x->rank && i < MU_COUNT(side); i++) {
        if (x->shape[i] > MU_LIMIT_EXAMPLE_VALUES)
            return mu_error_set(err, MU_E_LIMIT, "%s: an example has a side of %zu values, at most %zu are allowed", x->name, x->shape[i],
                                MU_LIMIT_EXAMPLE_VALUES);
        side[i] = x->shape[i];
    }
    uint32_t a = (uint32_t)side[1], b = (uint32_t)side[2], c = (uint32_t)side[3];
    switch (x->rank) {
    case 1: *out = (mu_shape){ 1, 1, 1 }; break;
    case 2: *out = (mu_shape){ 1, 1, a }; break;
    case 3: *out = (mu_shape){ a, b, 1 }; break;
    case 4: *out = arrays->channels_first ? (mu_shape){ b, c, a } : (mu_shape){ a, b, c }; break;
    default:
        return mu_error_set(err, MU_E_SHAPE, "%s: an array of %u dimensions; inputs have 1 to 4: examples, then values, or height and width, or "
                                             "height, width and channels",
                            x->name, x->rank);
    }
    return mu_shape_check(x->name, *out, err);
}

static mu_status check_counts(const mu_arrays *arrays, mu_error *err)
{
    const mu_array *x = arrays->x, *others[] = { arrays->y, arrays->ids };
    if (x->shape[0] == 0 || x->shape[0] > MU_LIMIT_EXAMPLES)
        return mu_error_set(err, MU_E_LIMIT, "%s: has %zu examples, expected 1 to %zu", x->name, x->shape[0], MU_LIMIT_EXAMPLES);
    for (size_t i = 0; i < MU_COUNT(others); i++)
        if (others[i] && (others[i]->shape[0] != x->shape[0] || others[i]->count != x->shape[0]))
            return mu_error_set(err, MU_E_SHAPE, "%s: has %zu values, expected one for each of the %zu examples of %s", others[i]->name,
                                others[i]->count, x->shape[0], x->name);
    return MU_OK;
}

/* Bytes stay bytes, and where they already lie as wanted they stay where they are; anything else becomes floats. */
static mu_status take_values(const mu_arrays *arrays, mu_example_pool *out, bool *borrows, mu_error *err)
{
    const mu_array *x = arrays->x;
    bool turn = arrays->channels_first && x->rank == 4 && out->shape.channels > 1, bytes = x->element == MU_ELEMENT_U1;
    size_t values = out->stride, pixels = values / out->shape.channels;
    *borrows = bytes && !turn;
    if (*borrows) {
        out->bytes = x->data;
        return MU_OK;
    }
    unsigned char *block = malloc(x->count * (bytes ? 1 : sizeof(float)));
    float *one = malloc(values * sizeof *one);
    out->owned = block;
    if (!block || !one) {
        free(one);
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %zu values", x->name, x->count);
    }
    float *floats = (float *)(void *)block;
    for (size_t i = 0; i < out->count; i++) {
        if (bytes) {
            mu_bytes_channels_last(x->data + i * values, block + i * values, (uint32_t)pixels, out->shape.channels);
        } else if (turn) {
            mu_array_floats(x, i * values, values, one);
            mu_floats_channels_last(one, floats + i * values, (uint32_t)pixels, out->shape.channels);
        } else {
            mu_array_floats(x, i * values, values, floats + i * values);
        }
    }
    free(one);
    out->bytes = bytes ? block : NULL;
    out->floats = bytes ? NULL : floats;
    return MU_OK;
}

/* Not a number and infinity are no input that a network could learn from. */
static mu_status check_finite(const char *name, const mu_example_pool *examples, mu_error *err)
{
    for (size_t i = 0; examples->floats && i < (size_t)examples->count * examples->stride; i++)
        if (!(examples->floats[i] - examples->floats[i] == 0.0f))
            return mu_error_set(err, MU_E_PARSE, "%s: value %zu of example %zu is not a finite number", name, i % examples->stride,
                                i / examples->stride);
    return MU_OK;
}

mu_status mu_examples_from_arrays(const mu_arrays *arrays, mu_example_pool *out, bool *borrows, mu_error *err)
{
    *out = (mu_example_pool){ 0 };
    mu_status status = check_counts(arrays, err);
    if (!status)
        status = shape_of(arrays, &out->shape, err);
    if (status)
        return status;
    out->count = (uint32_t)arrays->x->shape[0];
    out->stride = mu_shape_values(out->shape);
    out->labels = malloc(out->count * sizeof *out->labels);
    if (arrays->ids)
        out->ids = malloc(out->count * sizeof *out->ids);
    if (!out->labels || (arrays->ids && !out->ids))
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %u labels", arrays->y->name, out->count);
    status = mu_array_labels(arrays->y, MU_LIMIT_CLASSES, out->labels, err);
    if (!status && arrays->ids) {
        int32_t *ids = malloc(out->count * sizeof *ids);
        status = ids ? mu_array_labels(arrays->ids, MU_LIMIT_DEVICES, ids, err)
                     : mu_error_set(err, MU_E_MEMORY, "%s: no memory for %u ids", arrays->ids->name, out->count);
        for (uint32_t i = 0; !status && i < out->count; i++)
            out->ids[i] = (uint32_t)ids[i];
        free(ids);
    }
    if (!status)
        status = take_values(arrays, out, borrows, err);
    if (!status)
        status = check_finite(arrays->x->name, out, err);
    return status;
}

mu_status mu_corpus_finish(const char *name, mu_corpus *corpus, mu_error *err)
{
    const mu_example_pool *train = &corpus->train, *test = &corpus->test;
    mu_shape a = train->shape, b = test->shape;
    if (test->count && (a.height != b.height || a.width != b.width || a.channels != b.channels))
        return mu_error_set(err, MU_E_SHAPE, "%s: training examples are %u x %u x %u, test examples %u x %u x %u", name, a.height, a.width,
                            a.channels, b.height, b.width, b.channels);
    if (test->count && !train->bytes != !test->bytes)
        return mu_error_set(err, MU_E_SHAPE, "%s: training examples are %s, test examples %s; both must be one or the other", name,
                            train->bytes ? "bytes" : "numbers", test->bytes ? "bytes" : "numbers");
    corpus->classes = mu_corpus_count_labels(corpus);
    for (uint32_t i = 0; train->ids && i < train->count; i++)
        if (train->ids[i] >= corpus->id_count)
            corpus->id_count = train->ids[i] + 1;
    corpus->unit = train->bytes ? 255.0f : 1.0f;
    return MU_OK;
}

/* ---- the format ---- */

typedef struct arrays_config {
    int channels;
} arrays_config;

enum { FILE_TRAIN_X, FILE_TRAIN_Y, FILE_TRAIN_IDS, FILE_TEST_X, FILE_TEST_Y, FILE_ID_NAMES };

static mu_status open_array(const mu_file_list *list, mu_bytes *bytes, mu_array *out, mu_error *err)
{
    const char *path = list->paths[0];
    if (list->count > 1)
        return mu_error_set(err, MU_E_CONFIG, "files: '%s' is one of %u paths where one is expected", path, list->count);
    mu_status status = mu_bytes_open(path, MU_LIMIT_UNPACKED_BYTES, bytes, err);
    if (status)
        return status;
    if (mu_is_npy(bytes->data, bytes->size_bytes))
        return mu_npy_read(path, bytes->data, bytes->size_bytes, out, err);
    if (mu_is_idx(bytes->data, bytes->size_bytes))
        return mu_idx_read(path, bytes->data, bytes->size_bytes, out, err);
    return mu_error_set(err, MU_E_PARSE, "%s: neither an IDX file (which begins with two zero bytes, type and rank) nor an NPY file (\\x93NUMPY)",
                        path);
}

static mu_status load_part(const mu_file_list *x_file, const mu_file_list *y_file, const mu_file_list *ids_file, bool channels_first,
                           mu_example_pool *out, mu_error *err)
{
    mu_bytes x_bytes = { 0 }, y_bytes = { 0 }, ids_bytes = { 0 };
    mu_array x, y, ids;
    bool borrows = false;
    mu_status status = open_array(x_file, &x_bytes, &x, err);
    if (!status)
        status = open_array(y_file, &y_bytes, &y, err);
    if (!status && ids_file->count)
        status = open_array(ids_file, &ids_bytes, &ids, err);
    if (!status)
        status = mu_examples_from_arrays(&(mu_arrays){ &x, &y, ids_file->count ? &ids : NULL, channels_first }, out, &borrows, err);
    mu_bytes_close(&ids_bytes);
    mu_bytes_close(&y_bytes);
    if (borrows)
        out->file = x_bytes;
    else
        mu_bytes_close(&x_bytes);
    return status;
}

/* One name a line. */
static mu_status read_id_names(const mu_file_list *list, mu_corpus *corpus, mu_error *err)
{
    mu_bytes bytes;
    mu_status status = mu_bytes_open(list->paths[0], MU_LIMIT_LINE_BYTES, &bytes, err);
    if (status)
        return status;
    const char *at = (const char *)bytes.data, *end = at + bytes.size_bytes;
    while (!status && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at), kept = length && at[length - 1] == '\r' ? length - 1 : length;
        status = mu_names_add(&corpus->id_names, at, kept, err);
        at += length + (stop != NULL);
    }
    mu_bytes_close(&bytes);
    if (!status && corpus->id_names.count < corpus->id_count)
        return mu_error_set(err, MU_E_SHAPE, "%s: has %u names, but there is an id %u", list->paths[0], corpus->id_names.count,
                            corpus->id_count - 1);
    corpus->id_count = corpus->id_names.count;
    return status;
}

static mu_status load(const mu_load *request, mu_corpus *out, mu_error *err)
{
    const mu_file_list *files = request->files;
    bool channels_first = ((const arrays_config *)request->config)->channels == 1;
    const mu_file_list none = { 0 };
    if (!files[FILE_TEST_X].count != !files[FILE_TEST_Y].count)
        return mu_error_set(err, MU_E_CONFIG, "files: test_images and test_labels are given both or not at all");
    mu_status status = load_part(&files[FILE_TRAIN_X], &files[FILE_TRAIN_Y], &files[FILE_TRAIN_IDS], channels_first, &out->train, err);
    if (!status && files[FILE_TEST_X].count)
        status = load_part(&files[FILE_TEST_X], &files[FILE_TEST_Y], &none, channels_first, &out->test, err);
    if (!status)
        status = mu_corpus_finish(files[FILE_TRAIN_X].paths[0], out, err);
    if (!status && files[FILE_ID_NAMES].count)
        status = read_id_names(&files[FILE_ID_NAMES], out, err);
    return status;
}

static const char *const channel_orders[] = { "last", "first", NULL };
static const mu_option options[] = {
    { "channels", MU_OPTION_CHOICE, offsetof(arrays_config, channels), 0, 0, "last", channel_orders, NULL,
      "where the channels stand in an array of four dimensions" },
};

const mu_format mu_format_arrays = {
    .name = "arrays",
    .help = "a file of inputs and a file of labels, each IDX or NPY",
    .files = { "train_images", "train_labels", "train_ids", "test_images", "test_labels", "id_names" },
    .needed = 2,
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(arrays_config),
    .load = load,
};
