/* Measuring the device at hand: what calibrate.c, calibrate_probes.c and calibrate_fit.c share. */
#ifndef MUSTER_DEVICE_CALIBRATE_H
#define MUSTER_DEVICE_CALIBRATE_H

#include "muster/device.h"

/* A network to be timed. */
typedef struct mu_probe {
    const char *name;
    mu_shape    input;
    uint32_t    classes, batch;
    const char *head, *block; /* layers as in a model file; the block `repeats` times, its # being 0, 1, ... and its @ one more */
    uint32_t    repeats;
    const char *tail;
} mu_probe;

const mu_probe *mu_probes(size_t *count);
mu_status       mu_probe_model(const mu_probe *probe, mu_model **out, mu_error *err);

/* One that was timed. */
typedef struct mu_timed {
    mu_model *model;
    uint32_t  batch;
    double    step_s;
} mu_timed;

/* The rates, none below 0, whose times for `timed` differ least from those measured: least sum of squares of predicted / measured - 1. The
 * lanes and caches are those that explain them best, of those that processors have. */
void mu_rates_fit(const mu_timed *timed, size_t count, mu_rates *out);

#endif
