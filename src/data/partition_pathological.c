/* pathological: every device has exactly so many classes, and a class is shared evenly by the devices that have it. */
#include "data/partition.h"

#include "base/limits.h"

#include <stdlib.h>

enum { PART_CLASSES = 40 };

typedef struct pathological_config {
    uint32_t classes_per_device;
} pathological_config;

static const mu_option options[] = {
    { "classes_per_device", MU_OPTION_COUNT, offsetof(pathological_config, classes_per_device), 1, MU_LIMIT_CLASSES, "2", NULL, "classes",
      "that each device has examples of" },
};

/* Put the classes that the device takes, the least taken first and ties in random order, into chosen[0 .. k). */
static void choose_classes(const mu_partition_input *input, uint32_t device, uint32_t k, const uint32_t *taken, uint32_t *chosen)
{
    mu_random random = mu_partition_stream(input, PART_CLASSES, device);
    for (uint32_t c = 0; c < input->classes; c++)
        chosen[c] = c;
    mu_random_shuffle(&random, chosen, input->classes);
    for (uint32_t i = 0; i < k; i++) {
        uint32_t best = i;
        for (uint32_t j = i + 1; j < input->classes; j++)
            if (taken[chosen[j]] < taken[chosen[best]])
                best = j;
        uint32_t class = chosen[best];
        chosen[best] = chosen[i];
        chosen[i] = class;
    }
}

/* The example number `n` of a class goes to the class's taker number n * takers / total: even shares, in the partition's random order. */
static void deal(const mu_partition_input *input, const uint32_t *order, const uint32_t *totals, const size_t *begins,
                 const uint32_t *takers, uint32_t *seen, uint32_t *owners)
{
    for (uint32_t i = 0; i < input->count; i++) {
        uint32_t class = (uint32_t)input->labels[order[i]];
        size_t count = begins[class + 1] - begins[class];
        owners[order[i]] = takers[begins[class] + (size_t)((uint64_t)seen[class]++ * count / totals[class])];
    }
}

static mu_status assign(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    uint32_t k = ((const pathological_config *)config)->classes_per_device, classes = input->classes;
    (void)out;
    size_t slots = (size_t)k * input->devices;
    if (k > classes || slots < classes)
        return mu_error_set(err, MU_E_CONFIG,
                            "partition: %u devices with %u classes each cannot share out %u classes: each device can have at most all of them, "
                            "and together they must have every one",
                            input->devices, k, classes);
    uint32_t *order = mu_partition_shuffled(input), *chosen = malloc(slots * sizeof *chosen), *takers = malloc(slots * sizeof *takers);
    uint32_t *counts = calloc((size_t)classes * 4, sizeof *counts); /* taken, totals, seen, candidates */
    size_t *begins = calloc((size_t)classes + 1, sizeof *begins);
    mu_status status = MU_OK;
    if (!order || !chosen || !takers || !counts || !begins) {
        status = mu_error_set(err, MU_E_MEMORY, "no memory to partition %u examples over %u devices", input->count, input->devices);
    } else {
        uint32_t *taken = counts, *totals = counts + classes, *seen = totals + classes, *candidates = seen + classes;
        for (uint32_t d = 0; d < input->devices; d++) {
            choose_classes(input, d, k, taken, candidates);
            for (uint32_t i = 0; i < k; i++)
                taken[chosen[(size_t)d * k + i] = candidates[i]]++;
        }
        for (uint32_t c = 0; c < classes; c++)
            begins[c + 1] = begins[c] + taken[c];
        for (size_t s = slots; s-- > 0;) /* from the back, so that counting `taken` down leaves the takers in ascending order */
            takers[begins[chosen[s]] + --taken[chosen[s]]] = (uint32_t)(s / k);
        for (uint32_t i = 0; i < input->count; i++)
            totals[input->labels[i]]++;
        deal(input, order, totals, begins, takers, seen, owners);
    }
    free(begins);
    free(counts);
    free(takers);
    free(chosen);
    free(order);
    return status;
}

const mu_partition_kind mu_partition_pathological = {
    .info = { "pathological", "exactly k classes on each device", "Zhang et al. 2023 (PFLlib), arXiv:2312.04992" },
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(pathological_config),
    .assign = assign,
};
