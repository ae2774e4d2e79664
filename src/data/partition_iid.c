/* iid: the examples in random order, dealt out evenly. */
#include "data/partition.h"

static mu_status assign(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err)
{
    (void)config;
    (void)out;
    return mu_partition_deal(input, NULL, 1, owners, err);
}

const mu_partition_kind mu_partition_iid = {
    .info = { "iid", "examples in random order, dealt out evenly", "McMahan et al. 2017, arXiv:1602.05629" },
    .assign = assign,
};
