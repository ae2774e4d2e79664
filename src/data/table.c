/* Data sets that lie in files: found, read, perhaps split into train and test, partitioned over the devices, and handed out
 * normalised. */
#include "base/limits.h"
#include "data/normalize.h"
#include "data/partition.h"
#include "data/set.h"
#include "data/sets.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART_HOLD_OUT = 0, SHADES = 256 };

typedef struct table {
    mu_corpus    corpus;
    mu_normalize normalize;
    float       *shades;     /* [channels that differ][256]: every byte normalised; NULL for floats */
    uint32_t    *rows;       /* which rows of corpus.train are for training, then those held out; NULL: all, in order */
    uint32_t     row_count;  /* of both */
    uint32_t     train_count;
    mu_partition partition;
} table;

/* ---- handing out ---- */

/* How many labels an example has. */
static uint32_t targets_of(const table *t)
{
    return t->corpus.every_label ? (uint32_t)mu_shape_values(t->corpus.train.shape) : 1;
}

static void copy_labels(const table *t, const mu_example_pool *from, uint32_t row, int32_t *labels)
{
    const uint8_t *symbols = from->bytes ? from->bytes + (size_t)row * from->stride : NULL;
    uint32_t last = targets_of(t) - 1;
    for (uint32_t i = 0; i < last; i++)
        labels[i] = symbols[i + 1];
    labels[last] = from->labels[row];
}

/* `restrict`, because a value written could otherwise be a shade, and every shade would be loaded anew. */
static void copy_shades(const float *restrict shades, const uint8_t *restrict bytes, size_t pixels, size_t channels, float *restrict x)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t p = 0; p < pixels; p++)
            x[p * channels + c] = shades[c * SHADES + bytes[p * channels + c]];
}

static void copy_example(const table *t, const mu_example_pool *from, uint32_t row, float *x, int32_t *labels)
{
    size_t channels = from->shape.channels, pixels = (size_t)from->shape.height * from->shape.width, at = (size_t)row * from->stride;
    bool alike = t->normalize.mean.count <= 1 && t->normalize.sd.count <= 1; /* one table of shades for all channels */
    copy_labels(t, from, row, labels);
    if (from->bytes)
        copy_shades(t->shades, from->bytes + at, alike ? pixels * channels : pixels, alike ? 1 : channels, x);
    else
        for (size_t i = 0; i < pixels * channels; i++)
            x[i] = mu_normalize_value(&t->normalize, (uint32_t)(i % channels), from->floats[at + i]);
}

static uint32_t row_of(const table *t, uint32_t number)
{
    return t->rows ? t->rows[number] : number;
}

static uint32_t num_examples(const void *set, uint32_t device)
{
    const mu_partition *p = &((const table *)set)->partition;
    return p->starts[device + 1] - p->starts[device];
}

static uint32_t source_index(const void *set, uint32_t device, uint32_t index)
{
    const table *t = set;
    return row_of(t, t->partition.items[t->partition.starts[device] + index]);
}

static void read_examples(const void *set, uint32_t device, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const table *t = set;
    size_t values = mu_shape_values(t->corpus.train.shape), targets = targets_of(t);
    for (size_t i = 0; i < count; i++)
        copy_example(t, &t->corpus.train, source_index(set, device, indices[i]), x + i * values, labels + i * targets);
}

static void label_counts(const void *set, uint32_t device, uint32_t *counts)
{
    const table *t = set;
    uint32_t examples = num_examples(set, device);
    for (uint32_t i = 0; i < examples; i++)
        counts[t->corpus.train.labels[source_index(set, device, i)]]++;
}

static const char *device_name(const void *set, uint32_t device)
{
    const table *t = set;
    if (!t->partition.device_ids || !t->corpus.id_names.count)
        return NULL;
    return t->corpus.id_names.names[t->partition.device_ids[device]];
}

static void read_test(const void *set, uint32_t first, uint32_t count, float *x, int32_t *labels)
{
    const table *t = set;
    bool own = t->corpus.test.count > 0;
    size_t values = mu_shape_values(t->corpus.train.shape), targets = targets_of(t);
    for (size_t i = 0; i < count; i++) {
        uint32_t number = first + (uint32_t)i;
        if (own)
            copy_example(t, &t->corpus.test, number, x + i * values, labels + i * targets);
        else
            copy_example(t, &t->corpus.train, t->rows[t->train_count + number], x + i * values, labels + i * targets);
    }
}

static void close_table(void *set)
{
    table *t = set;
    mu_partition_release(&t->partition);
    mu_corpus_release(&t->corpus);
    free(t->shades);
    free(t->rows);
    free(t);
}

static const mu_set_kind kind = {
    .close = close_table,
    .num_examples = num_examples,
    .read = read_examples,
    .label_counts = label_counts,
    .source_index = source_index,
    .device_name = device_name,
    .read_test = read_test,
};

/* ---- making it ready ---- */

/* `skip` and `take`: some of the training rows, in the files' order. So two experiments share a set of files without sharing an example. */
static mu_status cut(table *t, const mu_files *files, mu_error *err)
{
    const uint32_t count = t->corpus.train.count;
    t->row_count = t->train_count = count;
    if (files->skip == 0 && files->take == 0)
        return MU_OK;
    if (files->skip >= count || files->take > count - files->skip)
        return mu_error_set(err, MU_E_RANGE, "data: 'skip' %u and 'take' %u: there are %u training examples", files->skip, files->take, count);
    t->row_count = t->train_count = files->take ? files->take : count - files->skip;
    t->rows = malloc(t->row_count * sizeof *t->rows);
    if (!t->rows)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u examples", t->row_count);
    for (uint32_t i = 0; i < t->row_count; i++)
        t->rows[i] = files->skip + i;
    return MU_OK;
}

/* A test set for data that has none: so large a part of the training rows, drawn at random. Both parts keep the file's order. */
static mu_status hold_out(table *t, double fraction, uint64_t seed, mu_error *err)
{
    const uint32_t count = t->row_count, held = (uint32_t)floor(fraction * (double)count + 0.5);
    if (held == 0 || held >= count)
        return mu_error_set(err, MU_E_RANGE, "data: 'test_fraction' %g of %u examples leaves nothing for %s", fraction, count,
                            held ? "training" : "the test");
    uint32_t *rows = malloc(count * sizeof *rows), *order = malloc(count * sizeof *order);
    bool *is_held = calloc(count, sizeof *is_held);
    const bool made = rows && order && is_held;
    if (made) {
        for (uint32_t i = 0; i < count; i++)
            order[i] = i;
        mu_random random = mu_random_stream(seed, MU_RANDOM_PARTITION, PART_HOLD_OUT, 0);
        mu_random_shuffle(&random, order, count);
        for (uint32_t i = 0; i < held; i++)
            is_held[order[i]] = true;
        uint32_t train_at = 0, test_at = t->train_count = count - held;
        for (uint32_t i = 0; i < count; i++)
            rows[is_held[i] ? test_at++ : train_at++] = row_of(t, i);
        free(t->rows);
        t->rows = rows;
    } else {
        free(rows);
    }
    free(is_held);
    free(order);
    return made ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory to split %u examples", count);
}

/* See to it that there is a test set. A fraction that the user gave and nobody uses is an error. */
static mu_status split(mu_data *data, table *t, const mu_files *files, uint64_t seed, mu_error *err)
{
    const mu_conf_node *given = mu_conf_get(data->section, "test_fraction");
    data->test_count = t->corpus.test.count;
    if (data->test_count && given && !t->corpus.used_fraction)
        return mu_conf_error(err, MU_E_CONFIG, given, "data: 'test_fraction' is only for data without a test set; this has one of %u examples",
                             data->test_count);
    mu_status status = cut(t, files, err);
    if (!status && data->test_count == 0) {
        status = hold_out(t, files->test_fraction, seed, err);
        data->test_count = t->row_count - t->train_count;
    } else if (!t->corpus.used_fraction) {
        return status;
    }
    return status ? status : mu_files_write_fraction(data->conf, data->section, files, err);
}

static mu_status partition(mu_data *data, table *t, uint32_t devices, uint64_t seed, mu_error *err)
{
    const mu_example_pool *train = &t->corpus.train;
    mu_partition_input input = { .seed = seed, .count = t->train_count, .classes = t->corpus.classes, .devices = devices,
                                 .labels = train->labels, .ids = train->ids, .id_count = t->corpus.id_count };
    int32_t *labels = NULL;
    uint32_t *ids = NULL;
    mu_status status = MU_OK;
    if (t->rows) { /* what is held out is not there for the partitioner */
        labels = malloc(t->train_count * sizeof *labels);
        ids = malloc(t->train_count * sizeof *ids);
        if (!labels || !ids)
            status = mu_error_set(err, MU_E_MEMORY, "no memory to partition %u examples", t->train_count);
        for (uint32_t i = 0; !status && i < t->train_count; i++) {
            labels[i] = train->labels[t->rows[i]];
            ids[i] = train->ids ? train->ids[t->rows[i]] : 0;
        }
        input.labels = labels;
        input.ids = train->ids ? ids : NULL;
    }
    if (!status)
        status = mu_partition_make(&input, data->conf, data->section, &t->partition, err);
    free(ids);
    free(labels);
    data->devices = t->partition.devices;
    return status;
}

static mu_status make_shades(table *t, mu_error *err)
{
    if (!t->corpus.train.bytes)
        return MU_OK;
    uint32_t means = t->normalize.mean.count, sds = t->normalize.sd.count, tables = means > sds ? means : sds;
    t->shades = malloc((size_t)tables * SHADES * sizeof *t->shades);
    if (!t->shades)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the data set");
    for (uint32_t channel = 0; channel < tables; channel++)
        for (uint32_t shade = 0; shade < SHADES; shade++)
            t->shades[channel * SHADES + shade] = mu_normalize_value(&t->normalize, channel, (float)shade);
    return MU_OK;
}

static bool is_identity(const mu_normalize *n)
{
    return n->unit == 1.0f && n->mean.count == 1 && n->mean.values[0] == 0 && n->sd.count == 1 && n->sd.values[0] == 1;
}

static mu_status finish(mu_data *data, table *t, const mu_files *files, uint64_t seed, mu_error *err)
{
    const mu_known_set *known = files->known;
    data->shape = t->corpus.train.shape;
    data->classes = t->corpus.classes;
    if (t->corpus.class_names.count)
        data->class_names = (const char *const *)t->corpus.class_names.names;
    if (known && known->class_names) {
        if (data->classes > known->class_count)
            return mu_error_set(err, MU_E_PARSE, "%s: has a label %u, but the set has %u classes", data->name, data->classes - 1,
                                known->class_count);
        data->classes = known->class_count;
        data->class_names = known->class_names;
    }
    t->corpus.classes = data->classes;
    t->normalize.unit = t->corpus.unit;
    mu_status status = mu_normalize_read(data->conf, data->section, known ? known->mean : "0", known ? known->sd : "1",
                                         data->shape.channels, &t->normalize, err);
    data->symbols = !status && t->corpus.symbolic && is_identity(&t->normalize) ? data->classes : 0;
    data->targets = targets_of(t);
    if (!status)
        status = make_shades(t, err);
    if (!status)
        status = split(data, t, files, seed, err);
    if (!status)
        status = partition(data, t, files->devices, seed, err);
    return status;
}

mu_status mu_table_open(mu_data *data, uint64_t seed, mu_error *err)
{
    table *t = calloc(1, sizeof *t);
    if (!t)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the data set '%s'", data->name);
    data->kind = &kind;
    data->set = t; /* whatever happens now, mu_data_close frees it */
    mu_files files;
    mu_status status = mu_files_find(data->conf, data->section, data->name, &files, err);
    if (!status)
        status = files.format->load(&(mu_load){ files.config, files.lists, files.test_fraction }, &t->corpus, err);
    if (!status)
        status = finish(data, t, &files, seed, err);
    char number[16];
    if (!status) {
        snprintf(number, sizeof number, "%u", data->devices);
        status = mu_conf_put(data->conf, data->section, "devices", number, err);
    }
    mu_files_release(&files);
    return status;
}
