/* What a carrier with real devices says: who has come and gone, and what a task really cost. */
#include "fl/federation_internal.h"

#include <math.h>

/* ---- coming and going ---- */

/* Of those who came, when each last did: so that a run that waits can say for what. */
static void note_lacking(mu_control *control, uint32_t device, mu_lacking lacking)
{
    mu_totals *totals = &control->totals;
    uint32_t *counts[] = { [MU_LACKS_EXAMPLES] = &totals->devices_without_examples, [MU_LACKS_MEMORY] = &totals->devices_without_memory };
    if (control->lacking[device] != MU_LACKS_NOTHING)
        --*counts[control->lacking[device]];
    if (lacking != MU_LACKS_NOTHING)
        ++*counts[lacking];
    control->lacking[device] = (unsigned char)lacking;
}

mu_status mu_told_came(mu_control *control, uint32_t device, mu_error *err)
{
    MU_ASSERT(control->carrier.tells_presence && device < control->device_count);
    mu_presence_advance(&control->presence, control->now);
    if (mu_presence_is_there(&control->presence, device))
        return MU_OK;
    mu_lacking lacking;
    mu_status status = mu_tasks_lacking(control, device, &lacking, err);
    if (status)
        return status;
    note_lacking(control, device, lacking);
    if (lacking != MU_LACKS_NOTHING)
        return MU_OK;
    mu_presence_come(&control->presence, device);
    for (uint32_t i = 0; i < control->kept_count && !status; i++)
        if (control->kept[i].method->came)
            status = control->kept[i].method->came(control, control->kept[i].state, device, err);
    return status;
}

void mu_told_went(mu_control *control, uint32_t device)
{
    MU_ASSERT(control->carrier.tells_presence && device < control->device_count);
    mu_presence_advance(&control->presence, control->now);
    mu_presence_go(&control->presence, device);
}

/* ---- what a task really cost ---- */

/* The device's word, where it is one. */
static bool take(double *planned, double measured, double most)
{
    bool known = measured > 0.0 && measured <= most; /* also false of what is not a number */
    if (known)
        *planned = measured;
    return known;
}

static void take_count(uint64_t *planned, uint64_t measured, uint64_t most)
{
    if (measured > 0 && measured <= most)
        *planned = measured;
}

void mu_told_measured(mu_control *control, mu_task *task, const mu_price *measured)
{
    mu_price *price = &task->price;
    take(&price->download_s, measured->download_s, MU_MEASURED_TIME_MAX_S);
    take(&price->compute_s, measured->compute_s, MU_MEASURED_TIME_MAX_S);
    take(&price->upload_s, measured->upload_s, MU_MEASURED_TIME_MAX_S);
    take(&price->compute_j, measured->compute_j, MU_MEASURED_ENERGY_MAX_J);
    bool all_known = take(&price->energy_j, measured->energy_j, MU_MEASURED_ENERGY_MAX_J);
    if (all_known)
        price->compute_j = fmin(price->compute_j, price->energy_j); /* it is a part of all of it */
    else
        price->energy_j = fmax(price->compute_j, price->energy_j);
    take_count(&price->bytes_down, measured->bytes_down, MU_MEASURED_BYTES_MAX);
    take_count(&price->bytes_up, measured->bytes_up, MU_MEASURED_BYTES_MAX);
    take_count(&price->peak_memory_bytes, measured->peak_memory_bytes, MU_MEASURED_BYTES_MAX);
    take_count(&price->macs, measured->macs, MU_MEASURED_MACS_MAX);
    if (price->peak_memory_bytes > control->totals.peak_memory_bytes)
        control->totals.peak_memory_bytes = price->peak_memory_bytes;
}
