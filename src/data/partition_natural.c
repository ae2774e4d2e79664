/* natural: a device is whoever made the examples: a writer, a role, a user. */
#include "data/partition.h"

#include "base/limits.h"

#include <stdlib.h>

typedef struct natural_config {
    uint32_t min_examples;
} natural_config;

static const mu_option options[] = {
    { "min_examples", MU_OPTION_COUNT, offsetof(natural_config, min_examples), 0, MU_LIMIT_EXAMPLES, "1", NULL, "examples",
      "ids with fewer are left out" },
};

static mu_status assign(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    uint32_t min_examples = ((const natural_config *)config)->min_examples;
    if (!input->ids)
        return mu_error_set(err, MU_E_CONFIG, "partition: 'natural' needs data that says who made each example; this set does not "
                                              "(files with train_ids, a CSV with an id column, LEAF and femnist do)");
    uint32_t *sizes = calloc((size_t)input->id_count + 1, sizeof *sizes);
    uint32_t *device_of = malloc(((size_t)input->id_count + 1) * sizeof *device_of);
    out->device_ids = malloc(((size_t)input->id_count + 1) * sizeof *out->device_ids);
    mu_status status = MU_OK;
    uint32_t devices = 0;
    if (!sizes || !device_of || !out->device_ids) {
        status = mu_error_set(err, MU_E_MEMORY, "no memory for %u ids", input->id_count);
    } else {
        for (uint32_t i = 0; i < input->count; i++)
            sizes[input->ids[i]]++;
        for (uint32_t id = 0; id < input->id_count; id++) {
            bool kept = sizes[id] >= min_examples && (input->devices == 0 || devices < input->devices);
            device_of[id] = kept ? devices : MU_PARTITION_NOBODY;
            if (kept)
                out->device_ids[devices++] = id;
        }
        for (uint32_t i = 0; i < input->count; i++)
            owners[i] = device_of[input->ids[i]];
        out->devices = devices;
        if (devices == 0 || devices < input->devices)
            status = mu_error_set(err, MU_E_CONFIG, "partition: %u devices were asked for, but only %u of the %u ids have %u examples or more",
                                  input->devices, devices, input->id_count, min_examples);
    }
    free(device_of);
    free(sizes);
    return status;
}

const mu_partition_kind mu_partition_natural = {
    .info = { "natural", "by who made the examples: writers, roles, users", "Caldas et al. 2018 (LEAF), arXiv:1812.01097" },
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(natural_config),
    .finds_devices = true,
    .assign = assign,
};
