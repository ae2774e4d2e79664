/* dirichlet-sizes, lognormal: devices of unequal size whose examples are otherwise alike. */
#include "data/partition.h"

#include "base/limits.h"
#include "muster/math.h"

#include <stdlib.h>

enum { PART_SHARES = 10 };

typedef struct sizes_config {
    double   spread; /* of the distribution that the shares are drawn from */
    uint32_t min_examples;
} sizes_config;

#define MIN_EXAMPLES_ROW                                                                                               \
    { "min_examples", MU_OPTION_COUNT, offsetof(sizes_config, min_examples), 0, MU_LIMIT_EXAMPLES, "1", NULL, "examples", \
      "that every device has; the rest is dealt out in proportion" }

static mu_status deal(const mu_partition_input *input, const sizes_config *config, uint32_t *owners,
                      void (*draw)(mu_random *random, double spread, size_t count, double *shares), mu_error *err)
{
    double *shares = malloc(input->devices * sizeof *shares);
    if (!shares)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the sizes of %u devices", input->devices);
    mu_random random = mu_partition_stream(input, PART_SHARES, 0);
    draw(&random, config->spread, input->devices, shares);
    mu_status status = mu_partition_deal(input, shares, config->min_examples, owners, err);
    free(shares);
    return status;
}

static mu_status assign_dirichlet(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    (void)out;
    return deal(input, config, owners, mu_random_dirichlet, err);
}

static void draw_lognormal(mu_random *random, double sigma, size_t count, double *shares)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += shares[i] = mu_exp(sigma * mu_random_normal(random));
    for (size_t i = 0; i < count; i++)
        shares[i] /= sum;
}

static mu_status assign_lognormal(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    (void)out;
    return deal(input, config, owners, draw_lognormal, err);
}

static const mu_option dirichlet_options[] = {
    { "alpha", MU_OPTION_REAL, offsetof(sizes_config, spread), 1e-3, 1e6, "0.5", NULL, NULL, "Dirichlet parameter: small, very unequal sizes" },
    MIN_EXAMPLES_ROW,
};

const mu_partition_kind mu_partition_dirichlet_sizes = {
    .info = { "dirichlet-sizes", "sizes from one Dirichlet draw over the devices, contents alike", "Li et al. 2022, arXiv:2102.02079" },
    .options = dirichlet_options,
    .option_count = MU_COUNT(dirichlet_options),
    .config_bytes = sizeof(sizes_config),
    .assign = assign_dirichlet,
};

static const mu_option lognormal_options[] = {
    { "sigma", MU_OPTION_REAL, offsetof(sizes_config, spread), 0, 5, "0.5", NULL, NULL, "standard deviation of ln(size)" },
    MIN_EXAMPLES_ROW,
};

const mu_partition_kind mu_partition_lognormal = {
    .info = { "lognormal", "sizes log-normal over the devices, contents alike", "Acar et al. 2021, arXiv:2111.04263" },
    .options = lognormal_options,
    .option_count = MU_COUNT(lognormal_options),
    .config_bytes = sizeof(sizes_config),
    .assign = assign_lognormal,
};
