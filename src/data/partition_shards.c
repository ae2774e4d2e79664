/* shards: the examples sorted by label and cut into equal pieces, of which every device is dealt a few. */
#include "data/partition.h"

#include <stdlib.h>

enum { PART_DEAL = 30 };

typedef struct shards_config {
    uint32_t per_device;
} shards_config;

static const mu_option options[] = {
    { "per_device", MU_OPTION_COUNT, offsetof(shards_config, per_device), 1, 10000, "2", NULL, "shards", "that each device is dealt" },
};

static mu_status assign(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    const shards_config *c = config;
    (void)out;
    uint64_t shards = (uint64_t)c->per_device * input->devices;
    if (shards > input->count)
        return mu_error_set(err, MU_E_CONFIG, "partition: %u devices with %u shards each are %llu shards, the training set has only %u examples",
                            input->devices, c->per_device, (unsigned long long)shards, input->count);
    uint32_t *begins = malloc(((size_t)input->classes + 1) * sizeof *begins);
    uint32_t *sorted = begins ? mu_partition_by_label(input, begins) : NULL;
    uint32_t *deal = malloc((size_t)shards * sizeof *deal);
    mu_status status = MU_OK;
    if (!sorted || !deal) {
        status = mu_error_set(err, MU_E_MEMORY, "no memory to partition %u examples into %llu shards", input->count, (unsigned long long)shards);
    } else {
        for (uint32_t s = 0; s < shards; s++)
            deal[s] = s;
        mu_random random = mu_partition_stream(input, PART_DEAL, 0);
        mu_random_shuffle(&random, deal, (size_t)shards);
        for (uint32_t s = 0; s < shards; s++) {
            uint32_t begin = (uint32_t)((uint64_t)input->count * deal[s] / shards);
            uint32_t end = (uint32_t)((uint64_t)input->count * (deal[s] + 1ull) / shards);
            for (uint32_t i = begin; i < end; i++)
                owners[sorted[i]] = s / c->per_device;
        }
    }
    free(deal);
    free(sorted);
    free(begins);
    return status;
}

const mu_partition_kind mu_partition_shards = {
    .info = { "shards", "examples sorted by label, cut into shards, some to each device", "McMahan et al. 2017, arXiv:1602.05629" },
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(shards_config),
    .assign = assign,
};
