/* Devices in tiers of equal size, by how long a task is expected to take: the price list, before anything has run. */
#ifndef MUSTER_METHOD_SPEED_TIERS_H
#define MUSTER_METHOD_SPEED_TIERS_H

#include "muster/method.h"

/* `put` is told the tier of each device that can ever take part; 0 is the fastest tier, and of two equally fast devices the one with the smaller
 * number goes first. A device that is never there, has no examples or cannot hold its plan has no tier and changes nobody else's. Takes
 * O(n log n) once, and 16 bytes a device meanwhile. */
mu_status mu_speed_tiers_deal(mu_control *control, uint32_t tiers, void (*put)(mu_control *control, void *self, uint32_t device, uint32_t tier),
                              void *self, mu_error *err);
/* The tier of a device that came when they were dealt already: that of the slowest one that is not slower than it, of those for whom `tier_of` knows one (it
 * says true); the fastest tier when there is none. Takes O(n). */
mu_status mu_speed_tiers_join(mu_control *control, uint32_t device, bool (*tier_of)(mu_control *control, void *self, uint32_t device, uint32_t *tier),
                              void *self, uint32_t *tier, mu_error *err);

#endif
