/* What the tests built with libmuster-device give it for a platform: the C library's. */
#include "muster/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mu_platform_take(size_t size_bytes)
{
    size_t rounded = (size_bytes + MU_ARENA_ALIGNMENT_BYTES) / MU_ARENA_ALIGNMENT_BYTES * MU_ARENA_ALIGNMENT_BYTES;
    void  *memory = aligned_alloc(MU_ARENA_ALIGNMENT_BYTES, rounded);
    return memory ? memset(memory, 0, rounded) : NULL;
}

void mu_platform_give(void *memory)
{
    free(memory);
}

_Noreturn void mu_assert_failed(const char *condition, const char *file, int line)
{
    printf("%s:%d: !(%s)\n", file, line, condition);
    abort();
}
