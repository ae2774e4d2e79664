/* Any bytes as LEAF's JSON, twice into the same set. */
#include "data/leaf.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_intern users = { 0 }, labels = { 0 };
    mu_leaf leaf = { 0 };
    mu_error err;
    mu_status first = mu_leaf_read("fuzz", data, size, &users, &labels, &leaf, &err);
    uint32_t count = leaf.count, user_count = users.names.count;
    if (!first) {
        MU_ASSERT(!mu_leaf_read("fuzz", data, size, &users, &labels, &leaf, &err));
        MU_ASSERT(leaf.count == 2 * count && users.names.count == user_count);
        for (uint32_t i = 0; i < leaf.count; i++)
            MU_ASSERT(leaf.users[i] < user_count && (leaf.is_text || leaf.labels[i] < labels.names.count));
        MU_ASSERT(!leaf.is_text || leaf.inputs.count == leaf.count * leaf.length);
        for (size_t i = 0; !leaf.is_text && i < leaf.count * leaf.length; i++)
            MU_ASSERT(isfinite(leaf.values[i]));
    }
    mu_leaf_release(&leaf);
    mu_intern_release(&users);
    mu_intern_release(&labels);
    return 0;
}
