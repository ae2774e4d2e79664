/* `elsewhere`: the examples lie on the devices, real ones, and nobody but they will see them. What is known here is what an example looks like, and
 * perhaps a test set of the coordinator's own, which is that of any other data set. */
#include "base/limits.h"
#include "data/examples.h"
#include "data/set.h"
#include "muster/option.h"

#include <math.h>
#include <stdlib.h>

typedef struct elsewhere_config {
    uint32_t devices, classes, targets, symbols;
    mu_reals shape;
} elsewhere_config;

typedef struct elsewhere {
    elsewhere_config config;
    mu_data         *test; /* NULL: there is none */
} elsewhere;

#define ROW(member) offsetof(elsewhere_config, member)
static const mu_option options[] = {
    { "devices", MU_OPTION_COUNT, ROW(devices), 1, MU_LIMIT_DEVICES, "100", NULL, NULL, "how many may take part" },
    { "shape", MU_OPTION_REALS, ROW(shape), 1, (double)MU_LIMIT_EXAMPLE_VALUES, "", NULL, NULL,
      "of an example: [height, width, channels]; none: that of `test`" },
    { "classes", MU_OPTION_COUNT, ROW(classes), 0, MU_LIMIT_CLASSES, "0", NULL, NULL, "that a label may be of; 0: as many as `test` has" },
    { "targets", MU_OPTION_COUNT, ROW(targets), 0, (double)MU_LIMIT_EXAMPLE_VALUES, "0", NULL, "labels",
      "of one example; 0: as many as in `test`, or 1" },
    { "symbols", MU_OPTION_COUNT, ROW(symbols), 0, MU_LIMIT_SYMBOLS, "0", NULL, NULL,
      "values are numbers of symbols, below this; 0: as in `test`, or quantities" },
};

const mu_option *mu_elsewhere_options(size_t *count)
{
    *count = MU_COUNT(options);
    return options;
}

static void close_elsewhere(void *set)
{
    elsewhere *e = set;
    mu_data_close(e->test);
    free(e);
}

static void read_test(const void *set, uint32_t first, uint32_t count, float *x, int32_t *labels)
{
    mu_data_read_test(((const elsewhere *)set)->test, first, count, x, labels);
}

static const mu_set_kind kind = { .close = close_elsewhere, .read_test = read_test };

static mu_status check_shape(const mu_data *data, const mu_reals *shape, mu_error *err)
{
    const mu_conf_node *node = mu_conf_get(data->section, "shape");
    bool good = shape->count == 3;
    for (uint32_t i = 0; i < shape->count; i++)
        good &= shape->values[i] == floor(shape->values[i]);
    if (!good)
        return mu_conf_error(err, MU_E_CONFIG, node, "data: 'shape' is three whole numbers, the height, width and channels of an example, such as "
                             "[28, 28, 1]");
    mu_shape asked = { (uint32_t)shape->values[0], (uint32_t)shape->values[1], (uint32_t)shape->values[2] };
    return mu_shape_check("data: shape", asked, err);
}

/* The test set is opened as any other; its section is put back as it was understood. */
static mu_status open_test(mu_data *data, elsewhere *e, uint64_t seed, mu_error *err)
{
    const mu_conf_node *section = mu_conf_get(data->section, "test");
    if (!section)
        return MU_OK;
    mu_status status = mu_data_open(section, seed, &e->test, err);
    if (status)
        return status;
    if (!mu_data_test_count(e->test))
        return mu_conf_error(err, MU_E_CONFIG, section, "data: test: '%s' has no test set", mu_data_name(e->test));
    mu_conf_remove(data->section, "test");
    mu_conf_node *map = mu_conf_make_map(data->conf, data->section, "test");
    return map ? mu_data_resolve(e->test, data->conf, map, err) : mu_error_set(err, MU_E_MEMORY, "no memory for the data set 'elsewhere'");
}

/* One number of an example: as it is given, or as the test set has it. */
static mu_status agree(const mu_data *data, const char *key, uint32_t of_test, uint32_t *value, mu_error *err)
{
    if (*value && of_test && *value != of_test)
        return mu_conf_error(err, MU_E_CONFIG, mu_conf_get(data->section, key), "data: '%s' is %u, but that of the test set is %u", key, *value,
                             of_test);
    *value = *value ? *value : of_test;
    return MU_OK;
}

static mu_status take_from_test(const mu_data *data, elsewhere *e, mu_error *err)
{
    if (!e->test)
        return MU_OK;
    elsewhere_config *config = &e->config;
    mu_shape shape = mu_data_shape(e->test);
    const double sides[] = { shape.height, shape.width, shape.channels };
    for (uint32_t i = 0; i < 3 && config->shape.count; i++)
        if (config->shape.values[i] != sides[i])
            return mu_conf_error(err, MU_E_CONFIG, mu_conf_get(data->section, "shape"), "data: 'shape' is %g x %g x %g, but the examples of the test set "
                                 "are %u x %u x %u", config->shape.values[0], config->shape.values[1], config->shape.values[2],
                                 shape.height, shape.width, shape.channels);
    config->shape = (mu_reals){ .count = 3, .values = { sides[0], sides[1], sides[2] } };
    mu_status status = agree(data, "classes", mu_data_classes(e->test), &config->classes, err);
    if (!status)
        status = agree(data, "targets", mu_data_targets(e->test), &config->targets, err);
    return status ? status : agree(data, "symbols", mu_data_symbols(e->test), &config->symbols, err);
}

static mu_status check_said(const mu_data *data, const elsewhere_config *config, mu_error *err)
{
    const char *missing = !config->shape.count ? "shape" : !config->classes ? "classes" : NULL;
    if (missing)
        return mu_conf_error(err, MU_E_CONFIG, data->section, "data: '%s' is missing: the examples lie elsewhere, so say what one looks like, as in "
                             "{name: elsewhere, shape: [28, 28, 1], classes: 10}, or give a 'test' set, which says it", missing);
    return MU_OK;
}

static mu_status read_section(mu_data *data, elsewhere *e, uint64_t seed, mu_error *err)
{
    static const char *const also[] = { "name", "test", NULL };
    elsewhere_config *config = &e->config;
    mu_status status = mu_options_read(options, MU_COUNT(options), data->section, also, "data", config, err);
    if (!status && config->shape.count)
        status = check_shape(data, &config->shape, err);
    if (!status)
        status = open_test(data, e, seed, err);
    if (!status)
        status = take_from_test(data, e, err);
    if (!status)
        status = check_said(data, config, err);
    if (status)
        return status;
    config->targets = config->targets ? config->targets : 1;
    for (size_t i = 0; i < MU_COUNT(options); i++) /* they come in one order, whatever the section was before: the same data give the same text */
        mu_conf_remove(data->section, options[i].name);
    return mu_options_write(options, MU_COUNT(options), config, data->conf, data->section, err);
}

mu_status mu_elsewhere_open(mu_data *data, uint64_t seed, mu_error *err)
{
    elsewhere *e = calloc(1, sizeof *e);
    if (!e)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the data set 'elsewhere'");
    data->kind = &kind;
    data->set = e; /* whatever happens now, mu_data_close frees it */
    mu_status status = read_section(data, e, seed, err);
    if (status)
        return status;
    const double *sides = e->config.shape.values;
    data->shape = (mu_shape){ (uint32_t)sides[0], (uint32_t)sides[1], (uint32_t)sides[2] };
    data->classes = e->config.classes;
    data->targets = e->config.targets;
    data->symbols = e->config.symbols;
    data->devices = e->config.devices;
    data->test_count = e->test ? mu_data_test_count(e->test) : 0;
    data->class_names = e->test ? e->test->class_names : NULL;
    return MU_OK;
}
