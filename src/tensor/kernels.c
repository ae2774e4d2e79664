/* Which table: by what the processor can do, or by MUSTER_KERNELS. */
#include "tensor/kernels.h"

#include <stdatomic.h>
#include <string.h>

#if !defined(MUSTER_FREESTANDING)
#include <stdlib.h>
#endif

static bool always(void)
{
    return true;
}

#if defined(MUSTER_KERNELS_X86)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

extern const mu_kernel_table mu_avx512_table, mu_avx2_table;
#endif
#if defined(MUSTER_KERNELS_NEON)
extern const mu_kernel_table mu_neon_table;
#endif
extern const mu_kernel_table mu_plain_table;

/* The tables of this build, fastest first. */
static const struct {
    const mu_kernel_table *table;
    bool (*supported)(void);
} tables[] = {
#if defined(MUSTER_KERNELS_X86)
    { &mu_avx512_table, has_avx512 },
    { &mu_avx2_table, has_avx2 },
#endif
#if defined(MUSTER_KERNELS_NEON)
    { &mu_neon_table, always }, /* part of every aarch64 */
#endif
    { &mu_plain_table, always },
};

const mu_kernel_table *mu_kernels_plain(void)
{
    return &mu_plain_table;
}

const mu_kernel_table *mu_kernels_named(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(tables); i++)
        if (strcmp(tables[i].table->name, name) == 0)
            return tables[i].supported() ? tables[i].table : NULL;
    return NULL;
}

static const mu_kernel_table *fastest(void)
{
    size_t i = 0;
    while (!tables[i].supported())
        i++;
    return tables[i].table;
}

/* What MUSTER_KERNELS asks for; NULL when it asks for nothing. */
static const char *wanted(void)
{
#if defined(MUSTER_FREESTANDING)
    return NULL;
#else
    const char *name = getenv("MUSTER_KERNELS");
    return name && name[0] ? name : NULL;
#endif
}

static const mu_kernel_table *choose(void)
{
    const char *name = wanted();
    if (!name)
        return fastest();
    const mu_kernel_table *table = mu_kernels_named(name);
    return table ? table : mu_kernels_plain();
}

const mu_kernel_table *mu_kernels(void)
{
    /* Threads that meet here for the first time all find the same table. */
    static _Atomic(const mu_kernel_table *) chosen;
    const mu_kernel_table *table = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!table) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_relaxed);
    }
    return table;
}

static void list_supported(char *list, size_t capacity)
{
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < MU_COUNT(tables); i++) {
        const char *name = tables[i].table->name;
        size_t      length = strlen(name);
        if (!tables[i].supported() || used + length + 3 > capacity)
            continue;
        if (used > 0) {
            memcpy(list + used, ", ", 2);
            used += 2;
        }
        memcpy(list + used, name, length + 1);
        used += length;
    }
}

mu_status mu_kernels_check(mu_error *err)
{
    const char *name = wanted();
    if (!name || mu_kernels_named(name))
        return MU_OK;
    char supported[64];
    list_supported(supported, sizeof supported);
    return mu_error_set(err, MU_E_CONFIG, "MUSTER_KERNELS is '%s', but this program on this processor has: %s", name, supported);
}
