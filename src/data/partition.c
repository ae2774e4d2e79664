/* The registry of partitioners, and what all of them need. */
#include "data/partition.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

static const mu_partition_kind *const partitioners[] = {
    &mu_partition_iid,          &mu_partition_dirichlet, &mu_partition_dirichlet_sizes, &mu_partition_shards,
    &mu_partition_pathological, &mu_partition_lognormal, &mu_partition_natural,
};

enum { PART_ORDER = 1 };

size_t mu_partitioner_count(void)
{
    return MU_COUNT(partitioners);
}

const mu_partitioner_info *mu_partitioner(size_t index)
{
    return index < MU_COUNT(partitioners) ? &partitioners[index]->info : NULL;
}

mu_random mu_partition_stream(const mu_partition_input *input, uint32_t part, uint64_t item)
{
    return mu_random_stream(input->seed, MU_RANDOM_PARTITION, part, item);
}

uint32_t *mu_partition_shuffled(const mu_partition_input *input)
{
    uint32_t *order = malloc(((size_t)input->count + 1) * sizeof *order);
    if (!order)
        return NULL;
    for (uint32_t i = 0; i < input->count; i++)
        order[i] = i;
    mu_random random = mu_partition_stream(input, PART_ORDER, 0);
    mu_random_shuffle(&random, order, input->count);
    return order;
}

uint32_t *mu_partition_by_label(const mu_partition_input *input, uint32_t *begins)
{
    uint32_t *order = mu_partition_shuffled(input);
    uint32_t *sorted = malloc(((size_t)input->count + 1) * sizeof *sorted);
    if (!order || !sorted) {
        free(sorted);
        free(order);
        return NULL;
    }
    memset(begins, 0, ((size_t)input->classes + 1) * sizeof *begins);
    for (uint32_t i = 0; i < input->count; i++)
        begins[input->labels[i] + 1]++;
    for (uint32_t c = 0; c < input->classes; c++)
        begins[c + 1] += begins[c];
    for (uint32_t i = 0; i < input->count; i++) /* moves each begin to its end, which is the next one's begin */
        sorted[begins[input->labels[order[i]]]++] = order[i];
    memmove(begins + 1, begins, input->classes * sizeof *begins);
    begins[0] = 0;
    free(order);
    return sorted;
}

mu_status mu_partition_deal(const mu_partition_input *input, const double *shares, uint32_t min_examples, uint32_t *owners, mu_error *err)
{
    uint64_t promised = (uint64_t)min_examples * input->devices;
    if (promised > input->count)
        return mu_error_set(err, MU_E_CONFIG, "partition: %u devices with at least %u examples each take %llu examples, the training set has %u",
                            input->devices, min_examples, (unsigned long long)promised, input->count);
    uint32_t *order = mu_partition_shuffled(input);
    if (!order)
        return mu_error_set(err, MU_E_MEMORY, "no memory to partition %u examples", input->count);
    uint32_t spare = input->count - (uint32_t)promised, at = 0, spare_used = 0;
    double sum = 0.0;
    for (uint32_t d = 0; d < input->devices; d++) {
        uint32_t spare_end = (uint32_t)((uint64_t)spare * (d + 1) / input->devices);
        if (shares && d + 1 < input->devices) {
            sum += shares[d];
            double end = (double)spare * sum + 0.5;
            spare_end = end < (double)spare ? (uint32_t)end : spare;
        }
        uint32_t size = min_examples + (spare_end > spare_used ? spare_end - spare_used : 0);
        spare_used = spare_end;
        for (uint32_t i = 0; i < size; i++)
            owners[order[at++]] = d;
    }
    free(order);
    return MU_OK;
}

/* Owners to lists, by counting. Walking the examples in their order leaves each list in ascending order. */
static mu_status list_items(const mu_partition_input *input, const uint32_t *owners, mu_partition *out, mu_error *err)
{
    out->starts = calloc((size_t)out->devices + 2, sizeof *out->starts);
    out->items = malloc(((size_t)input->count + 1) * sizeof *out->items);
    if (!out->starts || !out->items)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a partition of %u examples over %u devices", input->count, out->devices);
    uint32_t *ends = out->starts + 1; /* first the begin of each list, moved along to its end */
    for (uint32_t i = 0; i < input->count; i++)
        if (owners[i] != MU_PARTITION_NOBODY)
            ends[owners[i] + 1]++;
    for (uint32_t d = 0; d < out->devices; d++)
        ends[d + 1] += ends[d];
    for (uint32_t i = 0; i < input->count; i++)
        if (owners[i] != MU_PARTITION_NOBODY)
            out->items[ends[owners[i]]++] = i;
    return MU_OK;
}

static mu_status find_partitioner(const mu_partition_input *input, const mu_conf_node *node, const mu_partition_kind **out, mu_error *err)
{
    const mu_conf_node *name_node = mu_conf_text(node) ? node : mu_conf_get(node, "name");
    const char *name = mu_conf_text(name_node);
    const char *names[MU_COUNT(partitioners) + 1] = { NULL };
    if (!node)
        name = input->ids ? "natural" : "iid";
    if (!name)
        return mu_conf_error(err, MU_E_CONFIG, node, "partition: expected a name, or a map such as {name: dirichlet, alpha: 0.3}");
    for (size_t i = 0; i < MU_COUNT(partitioners); i++) {
        names[i] = partitioners[i]->info.name;
        if (strcmp(name, names[i]) == 0) {
            *out = partitioners[i];
            return MU_OK;
        }
    }
    const char *nearest = mu_nearest_name(name, names);
    return mu_conf_error(err, MU_E_CONFIG, name_node,
                         "partition: there is no '%s'; there are iid, dirichlet, dirichlet-sizes, shards, pathological, lognormal, natural%s%s%s",
                         name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* `partition:` as a map with the name and every option. */
static mu_status resolve(const mu_partition_kind *partitioner, const void *config, mu_conf *conf, mu_conf_node *section, mu_error *err)
{
    mu_conf_node *map = mu_conf_make_map(conf, section, "partition");
    if (!map)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
    mu_status status = mu_conf_put(conf, map, "name", partitioner->info.name, err);
    return status ? status : mu_options_write(partitioner->options, partitioner->option_count, config, conf, map, err);
}

mu_status mu_partition_make(const mu_partition_input *input, mu_conf *conf, mu_conf_node *section, mu_partition *out, mu_error *err)
{
    static const char *const also[] = { "name", NULL };
    const mu_conf_node *node = mu_conf_get(section, "partition");
    const mu_partition_kind *partitioner = NULL;
    mu_status status = find_partitioner(input, node, &partitioner, err);
    if (status)
        return status;
    mu_partition_input asked = *input;
    if (asked.devices == 0 && !partitioner->finds_devices)
        asked.devices = MU_PARTITION_DEVICES_DEFAULT;
    out->devices = asked.devices;
    uint32_t *owners = malloc(((size_t)input->count + 1) * sizeof *owners);
    void *config = calloc(1, partitioner->config_bytes + 1);
    if (!owners || !config)
        status = mu_error_set(err, MU_E_MEMORY, "no memory to partition %u examples", input->count);
    if (!status)
        status = mu_options_read(partitioner->options, partitioner->option_count, mu_conf_text(node) ? NULL : node, also, "partition",
                                 config, err);
    if (!status)
        status = resolve(partitioner, config, conf, section, err);
    if (!status)
        status = partitioner->assign(&asked, config, owners, out, err);
    if (!status)
        status = list_items(&asked, owners, out, err);
    free(config);
    free(owners);
    if (status)
        mu_partition_release(out);
    return status;
}

void mu_partition_release(mu_partition *partition)
{
    free(partition->starts);
    free(partition->items);
    free(partition->device_ids);
    *partition = (mu_partition){ 0 };
}
