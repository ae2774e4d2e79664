/* When devices are there: always, or as in a recorded trace that all of them share. */
#ifndef MUSTER_DEVICE_AVAILABILITY_H
#define MUSTER_DEVICE_AVAILABILITY_H

#include "muster/device.h"

/* NULL stands for "always on" everywhere below. Immutable once made. */
typedef struct mu_availability mu_availability;

/* From `availability:` of a fleet: NULL or "always", or {trace: availability.csv, ...}. */
mu_status mu_availability_create(const mu_conf_node *node, uint64_t seed, mu_availability **out, mu_error *err);
void      mu_availability_destroy(mu_availability *availability);
/* Puts `availability` into `map`, all options written out. */
mu_status mu_availability_write(const mu_availability *availability, mu_conf *conf, mu_conf_node *map, mu_error *err);

/* `place` is the device's number, or its row in the CSV that the fleet came from: equal places in two files belong together. */
bool       mu_availability_is_on(const mu_availability *availability, uint32_t place, mu_time_us at);
mu_time_us mu_availability_goes_off(const mu_availability *availability, uint32_t place, mu_time_us at);
mu_time_us mu_availability_comes_on(const mu_availability *availability, uint32_t place, mu_time_us at);

#endif
