/* `writers`: handwriting-like digits drawn on the fly, a device being a writer. Nothing is stored, so a federation of a million
 * devices costs no memory, and any example can be had at any time. */
#include "base/limits.h"
#include "data/normalize.h"
#include "data/set.h"
#include "data/writers_hand.h"
#include "data/writers_pen.h"
#include "muster/option.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = MU_PEN_SIDE, PIXELS = SIDE * SIDE, TEST_DIGITS_PER_WRITER = MU_GLYPH_CLASSES };

typedef struct writers {
    mu_writers_config config;
    uint64_t          seed;
    float             mean, sd;
} writers;

#define ROW(member) offsetof(mu_writers_config, member)
static const mu_option options[] = {
    { "devices", MU_OPTION_COUNT, ROW(devices), 1, MU_LIMIT_DEVICES, "100", NULL, NULL, "writers, each on a device" },
    { "examples_per_device", MU_OPTION_COUNT, ROW(examples_per_device), 1, 1e6, "200", NULL, "examples", "mean over devices" },
    { "size_spread", MU_OPTION_REAL, ROW(size_spread), 0, 3, "0.5", NULL, NULL,
      "standard deviation of ln(examples) over devices (log-normal); 0: all have the mean" },
    { "class_alpha", MU_OPTION_REAL, ROW(class_alpha), 1e-3, INFINITY, "5", NULL, NULL,
      "Dirichlet parameter of a writer's class mix: small, few classes each; inf, all alike" },
    { "test_examples", MU_OPTION_COUNT, ROW(test_examples), 1, 1e7, "2000", NULL, "examples", "of writers that are not in the federation" },
    { "hand_spread", MU_OPTION_REAL, ROW(hand_spread), 0, 2, "1", NULL, NULL, "how much hands differ; 0: all write alike" },
    { "sample_spread", MU_OPTION_REAL, ROW(sample_spread), 0, 2, "1", NULL, NULL, "how much one writer's digits differ" },
    { "noise", MU_OPTION_REAL, ROW(noise), 0, 1, "0.1", NULL, NULL, "amplitude of the paper's noise; full ink is 1" },
};

const mu_option *mu_writers_options(size_t *count)
{
    *count = MU_COUNT(options);
    return options;
}

static void normalise(const writers *w, float *image)
{
    for (size_t i = 0; i < PIXELS; i++)
        image[i] = (image[i] - w->mean) / w->sd;
}

static uint32_t num_examples(const void *set, uint32_t device)
{
    const writers *w = set;
    return mu_writers_num_examples(&w->config, w->seed, device);
}

static void read_examples(const void *set, uint32_t device, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const writers *w = set;
    mu_hand hand;
    mu_hand_make(&hand, &w->config, w->seed, device);
    for (size_t i = 0; i < count; i++) {
        mu_random random = mu_hand_example_stream(&hand, indices[i]);
        uint32_t label = mu_hand_choose_class(&hand, &random);
        labels[i] = (int32_t)label;
        mu_hand_draw(&hand, &w->config, label, &random, x + i * PIXELS);
        normalise(w, x + i * PIXELS);
    }
}

static void label_counts(const void *set, uint32_t device, uint32_t *counts)
{
    const writers *w = set;
    mu_hand hand;
    mu_hand_make(&hand, &w->config, w->seed, device);
    uint32_t examples = num_examples(set, device);
    for (uint32_t i = 0; i < examples; i++) {
        mu_random random = mu_hand_example_stream(&hand, i);
        counts[mu_hand_choose_class(&hand, &random)]++;
    }
}

static uint32_t source_index(const void *set, uint32_t device, uint32_t index)
{
    (void)set;
    (void)device;
    return index;
}

/* Each test writer writes every class once. */
static void read_test(const void *set, uint32_t first, uint32_t count, float *x, int32_t *labels)
{
    const writers *w = set;
    mu_hand hand = { 0 };
    for (size_t i = 0; i < count; i++) {
        uint32_t number = first + (uint32_t)i, label = number % TEST_DIGITS_PER_WRITER;
        uint64_t writer = MU_WRITERS_TEST_FIRST + number / TEST_DIGITS_PER_WRITER;
        if (hand.writer != writer)
            mu_hand_make(&hand, &w->config, w->seed, writer);
        mu_random random = mu_hand_example_stream(&hand, label);
        labels[i] = (int32_t)label;
        mu_hand_draw(&hand, &w->config, label, &random, x + i * PIXELS);
        normalise(w, x + i * PIXELS);
    }
}

static const mu_set_kind kind = {
    .close = free,
    .num_examples = num_examples,
    .read = read_examples,
    .label_counts = label_counts,
    .source_index = source_index,
    .read_test = read_test,
};

mu_status mu_writers_open(mu_data *data, uint64_t seed, mu_error *err)
{
    static const char *const also[] = { "name", "normalize", NULL };
    writers *w = calloc(1, sizeof *w);
    if (!w)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the data set 'writers'");
    data->kind = &kind;
    data->set = w; /* whatever happens now, mu_data_close frees it */
    w->seed = seed;
    mu_status status = mu_options_read(options, MU_COUNT(options), data->section, also, "data", &w->config, err);
    if (!status)
        status = mu_options_write(options, MU_COUNT(options), &w->config, data->conf, data->section, err);
    mu_normalize normalize;
    if (!status)
        status = mu_normalize_read(data->conf, data->section, "0.1137", "0.2381", 1, &normalize, err);
    if (status)
        return status;
    w->mean = (float)normalize.mean.values[0];
    w->sd = (float)normalize.sd.values[0];
    data->shape = (mu_shape){ SIDE, SIDE, 1 };
    data->classes = MU_GLYPH_CLASSES;
    data->devices = w->config.devices;
    data->test_count = w->config.test_examples;
    return MU_OK;
}
