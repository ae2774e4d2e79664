/* Whose own examples the tiers are looked at with: devices in random order, a few examples of each, until each tier has enough. The same in every look, as long as the
 * same devices are there; and wherever the devices are, simulated or real. */
#ifndef MUSTER_FL_TIER_SAMPLE_H
#define MUSTER_FL_TIER_SAMPLE_H

#include "muster/data.h"
#include "muster/device.h"

/* The first so many examples of a device. */
typedef struct mu_tier_share {
    uint32_t device, tier, examples;
} mu_tier_share;

typedef struct mu_tier_sample {
    mu_tier_share *shares; /* [count] malloc'ed */
    uint32_t       count;
} mu_tier_sample;

/* `wanted` examples of each tier, or what there are. is_there NULL: all devices are. */
mu_status mu_tier_sample_draw(const mu_fleet *fleet, const mu_data *data, uint64_t seed, uint32_t wanted, bool (*is_there)(const void *self, uint32_t device),
                              const void *self, mu_tier_sample *out, mu_error *err);
void      mu_tier_sample_release(mu_tier_sample *sample); /* zeroed is fine */

#endif
