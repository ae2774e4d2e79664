/* x = (value / unit - mean) / sd, per channel or one for all: the `normalize:` map. */
#ifndef MUSTER_DATA_NORMALIZE_H
#define MUSTER_DATA_NORMALIZE_H

#include "muster/conf.h"
#include "muster/option.h"

typedef struct mu_normalize {
    mu_reals mean, sd; /* as many as each other: 1, or one per channel */
    float    unit;     /* 255 where bytes are shades, 1 where values are taken as they are */
} mu_normalize;

/* From `normalize:` of the section, or the given defaults (texts like ".4914, .4822, .4465"); written back as understood. */
mu_status mu_normalize_read(mu_conf *conf, mu_conf_node *section, const char *mean, const char *sd, uint32_t channels,
                            mu_normalize *out, mu_error *err);

/* One value of channel `channel`, the same operations in the same order as torchvision's ToTensor and Normalize. */
float mu_normalize_value(const mu_normalize *normalize, uint32_t channel, float value);

#endif
