/* `rates:` of a device class. */
#ifndef MUSTER_DEVICE_RATES_H
#define MUSTER_DEVICE_RATES_H

#include "muster/device.h"

/* `macs_per_s`: of the class, where the map does not say to what speed the rates belong. `where` begins the sentence. */
mu_status mu_rates_read(const mu_conf_node *map, double macs_per_s, const char *where, mu_rates *out, mu_error *err);
/* As `rates` of `map`, every option written out. */
mu_status mu_rates_write(const mu_rates *rates, mu_conf *conf, mu_conf_node *map, mu_error *err);

#endif
