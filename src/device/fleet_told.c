/* What devices tell of themselves: laid over what the fleet would say of them. */
#include "device/fleet_internal.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of a profile, by their option rows: what a class may not have, no device has. */
static bool is_told(const mu_option *row, const mu_profile *profile)
{
    const char *member = (const char *)profile + row->offset;
    if (row->kind == MU_OPTION_BYTES) {
        uint64_t bytes;
        memcpy(&bytes, member, sizeof bytes);
        return bytes > 0 && (double)bytes <= row->max;
    }
    double value;
    memcpy(&value, member, sizeof value);
    return value > 0.0 && value >= row->min && value <= row->max; /* also false of what is not a number */
}

static void lay_over(mu_profile *profile, const mu_profile *told)
{
    size_t count;
    const mu_option *rows = mu_profile_options(&count);
    for (size_t i = 0; i < count; i++) {
        bool is_number = rows[i].kind == MU_OPTION_REAL || rows[i].kind == MU_OPTION_BYTES;
        if (!is_number || !is_told(&rows[i], told))
            continue;
        size_t size_bytes = rows[i].kind == MU_OPTION_BYTES ? sizeof(uint64_t) : sizeof(double);
        memcpy((char *)profile + rows[i].offset, (const char *)told + rows[i].offset, size_bytes);
    }
}

void mu_fleet_told_profile(const mu_fleet *fleet, uint32_t device, mu_profile *profile)
{
    const mu_profile *told = &fleet->told[device];
    double fp32 = profile->macs_per_s[MU_PRECISION_FP32];
    double factor = told->macs_per_s[MU_PRECISION_FP32] > 0.0 ? told->macs_per_s[MU_PRECISION_FP32] / fp32 : 1.0;
    for (int precision = 0; precision < MU_PRECISION_COUNT; precision++)
        profile->macs_per_s[precision] *= factor;
    lay_over(profile, told);
}

/* Which class of the fleet a device is of that says it is a `name`. */
static uint32_t class_named(const mu_fleet *fleet, uint32_t device, const char *name)
{
    uint32_t now = mu_fleet_class_of(fleet, device);
    for (uint32_t i = 0; name && i < fleet->class_count; i++)
        if (strcmp(fleet->classes[i].name, name) == 0)
            return i;
    const mu_profile *known;
    if (!name || mu_profile_find(name, &known, NULL) || strcmp(fleet->classes[now].tier, known->tier) == 0)
        return now;
    for (uint32_t i = 0; i < fleet->class_count; i++)
        if (strcmp(fleet->classes[i].tier, known->tier) == 0)
            return i;
    return now;
}

static mu_status take_memory(mu_fleet *fleet, mu_error *err)
{
    if (fleet->told)
        return MU_OK;
    mu_profile *told = calloc(fleet->devices, sizeof *told);
    uint16_t *class_of = malloc(fleet->devices * sizeof *class_of);
    if (!told || !class_of) {
        free(told);
        free(class_of);
        return mu_error_set(err, MU_E_MEMORY, "no memory for what %u devices tell of themselves", fleet->devices);
    }
    for (uint32_t device = 0; device < fleet->devices; device++)
        class_of[device] = (uint16_t)mu_fleet_class_of(fleet, device);
    fleet->told = told;
    fleet->told_class = class_of;
    return MU_OK;
}

static mu_status check_varies(const mu_fleet *fleet, uint32_t device, mu_error *err)
{
    const char *varies_by = mu_fleet_varies_by(fleet);
    return varies_by ? mu_error_set(err, MU_E_STATE, "device %u tells what it is, but the fleet has '%s': its devices are made up", device, varies_by) : MU_OK;
}

mu_status mu_fleet_correct_speed(mu_fleet *fleet, uint32_t device, double factor, mu_error *err)
{
    MU_ASSERT(device < fleet->devices && factor > 0.0);
    mu_status status = check_varies(fleet, device, err);
    if (status)
        return status;
    if (!fleet->speed_seen && !(fleet->speed_seen = calloc(fleet->devices, sizeof *fleet->speed_seen)))
        return mu_error_set(err, MU_E_MEMORY, "no memory for how fast %u devices were seen to be", fleet->devices);
    fleet->speed_seen[device] = factor;
    return MU_OK;
}

mu_status mu_fleet_tell(mu_fleet *fleet, uint32_t device, const mu_profile *profile, mu_error *err)
{
    MU_ASSERT(device < fleet->devices);
    mu_status status = check_varies(fleet, device, err);
    if (!status)
        status = take_memory(fleet, err);
    if (status)
        return status;
    fleet->told_class[device] = (uint16_t)class_named(fleet, device, profile->name);
    lay_over(&fleet->told[device], profile);
    return MU_OK;
}
