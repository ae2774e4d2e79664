/* The table of one variant; compiled once for each. */
#include "tensor/variant.h"

#define MU_TABLE_ROW(entry) .entry = MU_KERNEL(entry),

const mu_kernel_table MU_KERNEL(table) = { .name = MU_STRING(MU_VARIANT), MU_KERNEL_LIST(MU_TABLE_ROW) };
