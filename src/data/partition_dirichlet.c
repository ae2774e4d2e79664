/* dirichlet: every class is cut over the devices by a Dirichlet draw of its own, so that devices differ in both class mix and size. */
#include "data/partition.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum { PART_SHARES = 20, TRIES = 1000 };

typedef struct dirichlet_config {
    double   alpha;
    uint32_t min_examples;
} dirichlet_config;

static const mu_option options[] = {
    { "alpha", MU_OPTION_REAL, offsetof(dirichlet_config, alpha), 1e-3, 1e6, "0.5", NULL, NULL,
      "Dirichlet parameter: small, few classes on a device; large, nearly iid" },
    { "min_examples", MU_OPTION_COUNT, offsetof(dirichlet_config, min_examples), 0, MU_LIMIT_EXAMPLES, "1", NULL, "examples",
      "that every device has; drawn again, up to 1000 times, until it holds" },
};

/* What one try works on. */
typedef struct cutting {
    const uint32_t *sorted, *begins; /* examples by class, in random order within */
    double         *shares;          /* [devices] */
    uint32_t       *sizes;           /* [devices] */
} cutting;

/* Cut every class where the running sum of its shares falls; returns the size of the smallest device. */
static uint32_t try_assign(const mu_partition_input *input, double alpha, uint32_t try, const cutting *cut, uint32_t *owners)
{
    memset(cut->sizes, 0, input->devices * sizeof *cut->sizes);
    for (uint32_t class = 0; class < input->classes; class++) {
        const uint32_t *members = cut->sorted + cut->begins[class];
        uint32_t total = cut->begins[class + 1] - cut->begins[class], device = 0;
        if (total == 0)
            continue;
        mu_random random = mu_partition_stream(input, PART_SHARES + try, class);
        mu_random_dirichlet(&random, alpha, input->devices, cut->shares);
        double sum = cut->shares[0];
        for (uint32_t i = 0; i < total; i++) {
            while (device + 1 < input->devices && (double)i + 0.5 >= sum * (double)total)
                sum += cut->shares[++device];
            owners[members[i]] = device;
            cut->sizes[device]++;
        }
    }
    uint32_t smallest = UINT32_MAX;
    for (uint32_t d = 0; d < input->devices; d++)
        smallest = cut->sizes[d] < smallest ? cut->sizes[d] : smallest;
    return smallest;
}

static mu_status assign(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    const dirichlet_config *c = config;
    (void)out;
    if ((uint64_t)c->min_examples * input->devices > input->count)
        return mu_error_set(err, MU_E_CONFIG, "partition: %u devices with at least %u examples each take more than the %u of the training set",
                            input->devices, c->min_examples, input->count);
    uint32_t *begins = malloc(((size_t)input->classes + 1) * sizeof *begins);
    uint32_t *sorted = begins ? mu_partition_by_label(input, begins) : NULL;
    cutting cut = { .sorted = sorted, .begins = begins };
    cut.shares = malloc(input->devices * sizeof *cut.shares);
    cut.sizes = malloc(input->devices * sizeof *cut.sizes);
    mu_status status = MU_OK;
    if (!sorted || !cut.shares || !cut.sizes)
        status = mu_error_set(err, MU_E_MEMORY, "no memory to partition %u examples over %u devices", input->count, input->devices);
    bool good = false;
    for (uint32_t try = 0; !status && !good && try < TRIES; try++)
        good = try_assign(input, c->alpha, try, &cut, owners) >= c->min_examples;
    if (!status && !good)
        status = mu_error_set(err, MU_E_CONFIG,
                              "partition: in %d draws with alpha %g some of the %u devices always had fewer than min_examples = %u; "
                              "set min_examples: 0, a larger alpha or fewer devices",
                              TRIES, c->alpha, input->devices, c->min_examples);
    free(cut.sizes);
    free(cut.shares);
    free(sorted);
    free(begins);
    return status;
}

const mu_partition_kind mu_partition_dirichlet = {
    .info = { "dirichlet", "each class cut over the devices by a Dirichlet draw", "Hsu et al. 2019, arXiv:1909.06335; Li et al. 2022, arXiv:2102.02079" },
    .options = options,
    .option_count = MU_COUNT(options),
    .config_bytes = sizeof(dirichlet_config),
    .assign = assign,
};
