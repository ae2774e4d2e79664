/* What of a fleet changes over time: who is there, how much of a device a task gets, how full its battery is. */
#include "device/fleet_internal.h"

#include "device/time.h"

mu_status mu_fleet_read_time(mu_fleet *fleet, const mu_conf_node *section, mu_error *err)
{
    mu_status status = mu_availability_create(mu_conf_get(section, "availability"), fleet->seed, MU_DRAWN_PRESENCE, "fleet: availability",
                                              &fleet->availability, err);
    if (!status)
        status = mu_variation_read(section, fleet->seed, &fleet->variation, err);
    return status ? status : mu_battery_create(mu_conf_get(section, "battery"), fleet->seed, fleet->availability, &fleet->battery, err);
}

mu_status mu_fleet_write_time(const mu_fleet *fleet, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    mu_status status = mu_availability_write(fleet->availability, conf, map, "availability", err);
    if (!status)
        status = mu_variation_write(&fleet->variation, conf, map, err);
    return status ? status : mu_battery_write(fleet->battery, conf, map, err);
}

void mu_fleet_release_time(mu_fleet *fleet)
{
    mu_availability_destroy(fleet->availability);
    mu_battery_destroy(fleet->battery);
}

const char *mu_fleet_varies_by(const mu_fleet *fleet)
{
    return fleet->availability                               ? "availability"
           : fleet->variation.of[MU_VARYING_COMPUTE].varies   ? "compute_share"
           : fleet->variation.of[MU_VARYING_BANDWIDTH].varies ? "bandwidth_variation"
           : fleet->battery                                   ? "battery"
                                                              : NULL;
}

static mu_place place_of(const mu_fleet *fleet, uint32_t device)
{
    return (mu_place){ .device = device, .row = mu_fleet_row_of(fleet, device) };
}

/* ---- presence ---- */

bool mu_fleet_is_on(const mu_fleet *fleet, uint32_t device, mu_time_us at)
{
    return mu_availability_is_on(fleet->availability, place_of(fleet, device), at);
}

mu_time_us mu_fleet_goes_off(const mu_fleet *fleet, uint32_t device, mu_time_us at)
{
    return mu_availability_goes_off(fleet->availability, place_of(fleet, device), at);
}

mu_time_us mu_fleet_comes_on(const mu_fleet *fleet, uint32_t device, mu_time_us at)
{
    return mu_availability_comes_on(fleet->availability, place_of(fleet, device), at);
}

double mu_fleet_on_share(const mu_fleet *fleet, uint32_t device, mu_time_us from, mu_time_us to)
{
    return mu_availability_on_share(fleet->availability, place_of(fleet, device), from, to);
}

/* ---- speed ---- */

mu_profile mu_fleet_profile_at(const mu_fleet *fleet, uint32_t device, mu_time_us at)
{
    mu_profile profile = mu_fleet_profile(fleet, device);
    double share = mu_variation_level(&fleet->variation, MU_VARYING_COMPUTE, device, at);
    double bandwidth = mu_variation_level(&fleet->variation, MU_VARYING_BANDWIDTH, device, at);
    for (int precision = 0; precision < MU_PRECISION_COUNT; precision++)
        profile.macs_per_s[precision] *= share;
    profile.download_bit_per_s *= bandwidth;
    profile.upload_bit_per_s *= bandwidth;
    return profile;
}

mu_price mu_fleet_price(const mu_fleet *fleet, uint32_t device, mu_time_us at, const mu_work *work)
{
    mu_profile profile = mu_fleet_profile(fleet, device);
    return mu_variation_price(&fleet->variation, device, &profile, at, work);
}

double mu_fleet_afford(const mu_fleet *fleet, uint32_t device, mu_time_us at, const mu_work *done, double time_s)
{
    mu_price price = mu_fleet_price(fleet, device, at, done);
    mu_time_us now = mu_time_later(at, mu_time_from_s(price.download_s + price.compute_s));
    return time_s * mu_fleet_profile_at(fleet, device, now).macs_per_s[MU_PRECISION_FP32];
}

/* ---- batteries ---- */

bool mu_fleet_has_batteries(const mu_fleet *fleet)
{
    return fleet->battery != NULL;
}

mu_charge mu_fleet_first_charge(const mu_fleet *fleet, uint32_t device)
{
    return mu_battery_first(fleet->battery, place_of(fleet, device));
}

void mu_fleet_pass(const mu_fleet *fleet, uint32_t device, mu_charge *charge, mu_time_us to, double draw_w)
{
    mu_battery_pass(fleet->battery, place_of(fleet, device), charge, to, draw_w);
}

mu_time_us mu_fleet_charge_changes(const mu_fleet *fleet, uint32_t device, mu_charge charge, mu_time_us until, double draw_w)
{
    return mu_battery_pass_to_change(fleet->battery, place_of(fleet, device), &charge, until, draw_w) ? charge.at : MU_TIME_NEVER;
}

/* What a task draws, leg by leg: the radio, the processor, the radio, and then nothing for ever. */
enum { LEGS = 4 };
typedef struct leg {
    mu_time_us until;
    double     watts;
} leg;

static void find_legs(const mu_fleet *fleet, uint32_t device, mu_time_us sent_at, const mu_price *price, leg legs[LEGS])
{
    double radio_w = mu_fleet_class(fleet, mu_fleet_class_of(fleet, device))->radio_w;
    double active_w = price->compute_s > 0.0 ? price->compute_j / price->compute_s : 0.0;
    double down_s = price->download_s, work_s = down_s + price->compute_s, up_s = work_s + price->upload_s;
    legs[0] = (leg){ mu_time_later(sent_at, mu_time_from_s(down_s)), radio_w };
    legs[1] = (leg){ mu_time_later(sent_at, mu_time_from_s(work_s)), active_w };
    legs[2] = (leg){ mu_time_later(sent_at, mu_time_from_s(up_s)), radio_w };
    legs[3] = (leg){ MU_TIME_NEVER, 0.0 };
}

void mu_fleet_pass_task(const mu_fleet *fleet, uint32_t device, mu_charge *charge, mu_time_us sent_at, const mu_price *price, mu_time_us to)
{
    leg legs[LEGS];
    find_legs(fleet, device, sent_at, price, legs);
    for (int i = 0; i < LEGS; i++)
        mu_fleet_pass(fleet, device, charge, legs[i].until < to ? legs[i].until : to, legs[i].watts);
}

mu_time_us mu_fleet_task_drains(const mu_fleet *fleet, uint32_t device, mu_charge charge, mu_time_us sent_at, const mu_price *price)
{
    leg legs[LEGS];
    find_legs(fleet, device, sent_at, price, legs);
    if (charge.drained)
        return sent_at;
    for (int i = 0; i < LEGS - 1; i++)
        if (mu_battery_pass_to_change(fleet->battery, place_of(fleet, device), &charge, legs[i].until, legs[i].watts))
            return charge.at;
    return MU_TIME_NEVER;
}
