/* Devices in tiers of equal size, by how long a task is expected to take. */
#include "method/speed_tiers.h"

#include <stdlib.h>

typedef struct expected {
    double   takes_s;
    uint32_t device;
} expected;

static int compare(const void *a, const void *b)
{
    const expected *x = a, *y = b;
    if (x->takes_s != y->takes_s)
        return x->takes_s < y->takes_s ? -1 : 1;
    return (x->device > y->device) - (x->device < y->device);
}

/* What a task is expected to take. */
static mu_status expect(mu_control *control, uint32_t device, expected *out, bool *fits, mu_error *err)
{
    mu_task task;
    mu_status status = mu_control_price(control, device, &task, err);
    if (status)
        return status;
    *out = (expected){ task.price.download_s + task.price.compute_s + task.price.upload_s, device };
    *fits = task.price.fits;
    return MU_OK;
}

mu_status mu_speed_tiers_deal(mu_control *control, uint32_t tiers, void (*put)(mu_control *control, void *self, uint32_t device, uint32_t tier),
                              void *self, mu_error *err)
{
    uint32_t devices = mu_control_device_count(control), able = 0;
    expected *list = malloc(devices * sizeof *list);
    if (!list)
        return mu_error_set(err, MU_E_MEMORY, "no memory to sort %u devices by speed", devices);
    mu_status status = MU_OK;
    for (uint32_t device = 0; device < devices && !status; device++) {
        bool fits = false;
        if (mu_control_num_examples(control, device) == 0 ||
            mu_fleet_comes_on(mu_control_fleet(control), device, mu_control_now(control)) == MU_TIME_NEVER)
            continue;
        status = expect(control, device, &list[able], &fits, err);
        able += fits;
    }
    qsort(list, able, sizeof *list, compare);
    for (uint32_t i = 0; i < able && !status; i++)
        put(control, self, list[i].device, (uint32_t)((uint64_t)i * tiers / able));
    free(list);
    return status;
}

mu_status mu_speed_tiers_join(mu_control *control, uint32_t device, bool (*tier_of)(mu_control *control, void *self, uint32_t device, uint32_t *tier),
                              void *self, uint32_t *tier, mu_error *err)
{
    expected own = { 0 }, nearest = { .takes_s = -1.0 };
    bool fits;
    mu_status status = expect(control, device, &own, &fits, err);
    *tier = 0;
    for (uint32_t other = 0; other < mu_control_device_count(control) && !status; other++) {
        expected its;
        uint32_t its_tier;
        if (other == device || !tier_of(control, self, other, &its_tier))
            continue;
        status = expect(control, other, &its, &fits, err);
        if (status || compare(&its, &own) > 0 || compare(&its, &nearest) < 0)
            continue;
        nearest = its;
        *tier = its_tier;
    }
    return status;
}
