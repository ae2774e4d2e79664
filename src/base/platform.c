/* What a device's program defines (muster/platform.h), where there is an operating system. */
#include "muster/platform.h"

#include <stdio.h>
#include <stdlib.h>

/* calloc's alignment is all that is asked for here: mu_arena_block, which needs more, does not come this way. */
void *mu_platform_take(size_t size_bytes)
{
    return calloc(1, size_bytes ? size_bytes : 1);
}

void mu_platform_give(void *memory)
{
    free(memory);
}

_Noreturn void mu_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: this cannot happen, and it did: !(%s). Please report it.\n", file, line, condition);
    abort();
}
