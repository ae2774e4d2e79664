/* Tiers' samples. */
#include "fl/tier_sample.h"

#include "muster/random.h"

#include <stdlib.h>

enum { EXAMPLES_OF_ONE_DEVICE = 20 };

/* A device's place in the order in which devices are looked at: its own, so that another device changes nobody's. */
typedef struct lot {
    uint64_t number;
    uint32_t device;
} lot;

static int compare_lots(const void *a, const void *b)
{
    const lot *x = a, *y = b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number) : (x->device > y->device) - (x->device < y->device);
}

static void draw_lots(lot *order, uint32_t devices, uint64_t seed)
{
    for (uint32_t device = 0; device < devices; device++) {
        mu_random random = mu_random_stream(seed, MU_RANDOM_EVALUATE, 0, device);
        order[device] = (lot){ mu_random_u64(&random), device };
    }
    qsort(order, devices, sizeof *order, compare_lots);
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

mu_status mu_tier_sample_draw(const mu_fleet *fleet, const mu_data *data, uint64_t seed, uint32_t wanted, bool (*is_there)(const void *self, uint32_t device),
                              const void *self, mu_tier_sample *out, mu_error *err)
{
    const uint32_t tiers = mu_fleet_tier_count(fleet), devices = mu_fleet_device_count(fleet);
    uint32_t full = 0;
    lot *order = malloc(devices * sizeof *order);
    uint32_t *have = calloc(tiers, sizeof *have);
    *out = (mu_tier_sample){ .shares = malloc(devices * sizeof *out->shares) };
    if (!order || !have || !out->shares) {
        free(order);
        free(have);
        mu_tier_sample_release(out);
        return mu_error_set(err, MU_E_MEMORY, "no memory to evaluate %u examples a tier", wanted);
    }
    draw_lots(order, devices, seed);
    for (uint32_t i = 0; i < devices && full < tiers; i++) {
        const uint32_t device = order[i].device, tier = mu_fleet_tier_of(fleet, device);
        const uint32_t examples = least(least(mu_data_num_examples(data, device), EXAMPLES_OF_ONE_DEVICE), wanted - have[tier]);
        if (!examples || (is_there && !is_there(self, device)))
            continue;
        out->shares[out->count++] = (mu_tier_share){ device, tier, examples };
        have[tier] += examples;
        full += have[tier] == wanted;
    }
    free(order);
    free(have);
    return MU_OK;
}

void mu_tier_sample_release(mu_tier_sample *sample)
{
    free(sample->shares);
    *sample = (mu_tier_sample){ 0 };
}
