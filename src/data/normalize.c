/* Per-channel mean and standard deviation. */
#include "data/normalize.h"

#include <math.h>

mu_status mu_normalize_read(mu_conf *conf, mu_conf_node *section, const char *mean, const char *sd, uint32_t channels,
                            mu_normalize *out, mu_error *err)
{
    const mu_option rows[] = {
        { "mean", MU_OPTION_REALS, offsetof(mu_normalize, mean), -1e30, 1e30, mean, NULL, NULL, "subtracted; one number, or one per channel" },
        { "sd", MU_OPTION_REALS, offsetof(mu_normalize, sd), 1e-30, 1e30, sd, NULL, NULL, "divided by; one number, or one per channel" },
    };
    const mu_conf_node *map = mu_conf_get(section, "normalize");
    mu_status status = mu_options_read(rows, MU_COUNT(rows), map, NULL, "normalize", out, err);
    const mu_reals *both[] = { &out->mean, &out->sd };
    for (size_t i = 0; i < MU_COUNT(both) && !status; i++)
        if (both[i]->count != 1 && both[i]->count != channels)
            status = mu_conf_error(err, MU_E_SHAPE, map ? map : section, "normalize: '%s' has %u numbers, expected 1 or one for each of the %u channels",
                                   rows[i].name, both[i]->count, channels);
    if (status)
        return status;
    mu_conf_node *written = mu_conf_make_map(conf, section, "normalize");
    if (!written)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
    return mu_options_write(rows, MU_COUNT(rows), out, conf, written, err);
}

float mu_normalize_value(const mu_normalize *normalize, uint32_t channel, float value)
{
    float mean = (float)normalize->mean.values[normalize->mean.count > 1 ? channel : 0];
    float sd = (float)normalize->sd.values[normalize->sd.count > 1 ? channel : 0];
    return (value / normalize->unit - mean) / sd;
}
