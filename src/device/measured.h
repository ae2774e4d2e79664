/* Devices that somebody measured, one a row of a CSV. */
#ifndef MUSTER_DEVICE_MEASURED_H
#define MUSTER_DEVICE_MEASURED_H

#include "muster/device.h"

enum { MU_MEASURED_TIERS = 3 }; /* low, mid, high: thirds of the rows by speed */

typedef struct mu_measured_row {
    double  macs_per_s, download_bit_per_s, upload_bit_per_s;
    uint8_t tier;
} mu_measured_row;

typedef struct mu_measured {
    mu_measured_row *rows;
    size_t           count;
    mu_profile       classes[MU_MEASURED_TIERS]; /* each with the median figures of its rows */
} mu_measured;

/* CSV with a header and the columns `compute_ms` and perhaps `down_kbps` and `up_kbps`; others are not looked at.
 *     macs_per_s = reference_macs_per_s * reference_ms / compute_ms         kbps: 1000 bit/s
 * What a row leaves empty, and all that such a file does not say, is `like`'s. *reference_ms 0 stands for the median of the file, which
 * is put there. Tiers are thirds by rank, ties by row. `like` is borrowed by the classes (their texts, not the struct). */
mu_status mu_measured_parse(const char *name, const void *data, size_t size_bytes, const mu_profile *like, double reference_macs_per_s,
                            double *reference_ms, mu_measured *out, mu_error *err);
void      mu_measured_release(mu_measured *measured);

#endif
