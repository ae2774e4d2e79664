/* The public face of a data set: opening by name, and handing every call to the kind of set that it is. */
#include "muster/data.h"

#include "base/limits.h"
#include "data/set.h"
#include "data/sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for the data set");
}

/* A copy of the section, which may be just a name; it is read from, written to with the defaults, and lives as long as the data. */
static mu_status copy_section(mu_data *data, const mu_conf_node *section, mu_error *err)
{
    mu_status status = mu_conf_parse("data", "", 0, &data->conf, err);
    if (status)
        return status;
    const char *short_form = mu_conf_text(section);
    mu_conf_node *root = mu_conf_root(data->conf);
    if (short_form) {
        mu_conf_node *map = mu_conf_make_map(data->conf, root, "data");
        if (!map)
            return no_memory(err);
        status = mu_conf_put(data->conf, map, "name", short_form, err);
    } else {
        if (!section || mu_conf_kind_of(section) != MU_CONF_MAP)
            return mu_conf_error(err, MU_E_CONFIG, section, "data: expected a name, or a map such as {name: writers, devices: 100}");
        status = mu_conf_put_copy(data->conf, root, "data", section, err);
    }
    data->section = mu_conf_make_map(data->conf, root, "data");
    return status || data->section ? status : no_memory(err);
}

/* Data sets whose classes have no names call them by their numbers. */
static mu_status number_classes(mu_data *data, mu_error *err)
{
    if (data->class_names)
        return MU_OK;
    data->class_numbers = malloc(data->classes * sizeof *data->class_numbers);
    if (!data->class_numbers)
        return no_memory(err);
    for (uint32_t i = 0; i < data->classes; i++)
        snprintf(data->class_numbers[i], sizeof data->class_numbers[i], "%u", i);
    return MU_OK;
}

mu_status mu_data_open(const mu_conf_node *section, uint64_t seed, mu_data **out, mu_error *err)
{
    mu_data *data = calloc(1, sizeof *data);
    if (!data)
        return no_memory(err);
    data->targets = 1;
    mu_status status = copy_section(data, section, err);
    const char *name = status ? NULL : mu_conf_text(mu_conf_get(data->section, "name"));
    if (!status && !name)
        status = mu_conf_error(err, MU_E_CONFIG, data->section, "data: 'name' is missing: a known data set, or a name for your own files");
    if (!status && !(data->name = strdup(name)))
        status = no_memory(err);
    if (!status)
        status = strcmp(name, "writers") == 0     ? mu_writers_open(data, seed, err)
                 : strcmp(name, "elsewhere") == 0 ? mu_elsewhere_open(data, seed, err)
                                                  : mu_table_open(data, seed, err);
    if (!status)
        status = number_classes(data, err);
    if (status) {
        mu_data_close(data);
        return status;
    }
    *out = data;
    return MU_OK;
}

void mu_data_close(mu_data *data)
{
    if (!data)
        return;
    if (data->set)
        data->kind->close(data->set);
    mu_conf_destroy(data->conf);
    free(data->told);
    free(data->class_numbers);
    free(data->name);
    free(data);
}

mu_status mu_data_resolve(const mu_data *data, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < mu_conf_count(data->section) && !status; i++)
        status = mu_conf_put_copy(conf, map, mu_conf_key(data->section, i), mu_conf_item(data->section, i), err);
    return status;
}

const char *mu_data_name(const mu_data *data) { return data->name; }
mu_shape mu_data_shape(const mu_data *data) { return data->shape; }
uint32_t mu_data_classes(const mu_data *data) { return data->classes; }
uint32_t mu_data_targets(const mu_data *data) { return data->targets; }
uint32_t mu_data_symbols(const mu_data *data) { return data->symbols; }
uint32_t mu_data_device_count(const mu_data *data) { return data->devices; }
uint32_t mu_data_test_count(const mu_data *data) { return data->test_count; }

static mu_status check_symbols(const mu_data *data, const mu_model *model, mu_error *err)
{
    uint32_t wanted = mu_model_symbols(model);
    if (wanted && !data->symbols)
        return mu_error_set(err, MU_E_CONFIG, "model '%s' reads symbols, but the values of data '%s' are quantities%s", mu_model_name(model),
                            data->name, mu_conf_get(data->section, "normalize") ? ", or have become so by 'normalize'" : "");
    if (wanted && data->symbols > wanted)
        return mu_error_set(err, MU_E_CONFIG, "data '%s' has %u different symbols, the embedding of model '%s' only %u", data->name,
                            data->symbols, mu_model_name(model), wanted);
    return MU_OK;
}

static mu_status check_model(const mu_data *data, const mu_model *model, bool may_lack_classes, mu_error *err)
{
    mu_shape own = data->shape, wanted = mu_model_input(model);
    uint32_t targets = mu_model_targets(model);
    if (own.height != wanted.height || own.width != wanted.width || own.channels != wanted.channels)
        return mu_error_set(err, MU_E_SHAPE, "model '%s' is made for inputs of %u x %u x %u, the examples of data '%s' are %u x %u x %u",
                            mu_model_name(model), wanted.height, wanted.width, wanted.channels, data->name, own.height, own.width,
                            own.channels);
    if (data->classes != mu_model_classes(model) && !(may_lack_classes && data->classes < mu_model_classes(model)))
        return mu_error_set(err, MU_E_SHAPE, "model '%s' is made for %u classes, data '%s' has %u", mu_model_name(model),
                            mu_model_classes(model), data->name, data->classes);
    if (data->targets != targets)
        return mu_error_set(err, MU_E_CONFIG,
                            "model '%s' predicts %u label%s of each example, data '%s' has %u; texts have one for every character with "
                            "'labels: every', else one", mu_model_name(model), targets, targets == 1 ? "" : "s", data->name,
                            data->targets);
    return check_symbols(data, model, err);
}

mu_status mu_data_check_model(const mu_data *data, const mu_model *model, mu_error *err)
{
    return check_model(data, model, false, err);
}

mu_status mu_data_check_own(const mu_data *data, const mu_model *model, mu_error *err)
{
    return check_model(data, model, !data->class_names, err);
}

const char *mu_data_class_name(const mu_data *data, uint32_t label)
{
    if (label >= data->classes)
        return "?";
    return data->class_names ? data->class_names[label] : data->class_numbers[label];
}

bool mu_data_is_elsewhere(const mu_data *data) { return !data->kind->num_examples; }

/* Those that lie here. */
static uint32_t num_here(const mu_data *data, uint32_t device)
{
    MU_ASSERT(device < data->devices);
    return mu_data_is_elsewhere(data) ? 0 : data->kind->num_examples(data->set, device);
}

uint32_t mu_data_num_examples(const mu_data *data, uint32_t device)
{
    MU_ASSERT(device < data->devices);
    return data->told && data->told[device] ? data->told[device] - 1 : num_here(data, device);
}

mu_status mu_data_tell_num_examples(mu_data *data, uint32_t device, uint32_t count, mu_error *err)
{
    MU_ASSERT(device < data->devices);
    if (count > MU_LIMIT_EXAMPLES)
        return mu_error_set(err, MU_E_RANGE, "device %u says that it has %u examples, more than %zu", device, count, MU_LIMIT_EXAMPLES);
    if (!data->told && !(data->told = calloc(data->devices, sizeof *data->told)))
        return mu_error_set(err, MU_E_MEMORY, "no memory for how many examples %u devices have", data->devices);
    data->told[device] = count + 1;
    return MU_OK;
}

void mu_data_read(const mu_data *data, uint32_t device, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    uint32_t examples = num_here(data, device);
    MU_ASSERT(!mu_data_is_elsewhere(data));
    for (uint32_t i = 0; i < count; i++)
        MU_ASSERT(indices[i] < examples);
    data->kind->read(data->set, device, indices, count, x, labels);
}

void mu_data_label_counts(const mu_data *data, uint32_t device, uint32_t *counts)
{
    MU_ASSERT(device < data->devices);
    memset(counts, 0, data->classes * sizeof *counts);
    if (!mu_data_is_elsewhere(data))
        data->kind->label_counts(data->set, device, counts);
}

uint32_t mu_data_source_index(const mu_data *data, uint32_t device, uint32_t index)
{
    MU_ASSERT(index < num_here(data, device));
    return data->kind->source_index(data->set, device, index);
}

const char *mu_data_device_name(const mu_data *data, uint32_t device)
{
    MU_ASSERT(device < data->devices);
    return data->kind->device_name ? data->kind->device_name(data->set, device) : NULL;
}

void mu_data_read_test(const mu_data *data, uint32_t first, uint32_t count, float *x, int32_t *labels)
{
    MU_ASSERT(first <= data->test_count && count <= data->test_count - first);
    data->kind->read_test(data->set, first, count, x, labels);
}
