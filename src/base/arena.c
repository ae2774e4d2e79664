/* The measuring and the real arena: one counter. */
#include "muster/arena.h"

#if defined(MUSTER_FREESTANDING)
#include "muster/platform.h"
#else
#include <stdlib.h>
#endif

mu_arena mu_arena_measuring(void)
{
    return (mu_arena){ .capacity_bytes = SIZE_MAX };
}

mu_arena mu_arena_over(void *memory, size_t capacity_bytes)
{
    MU_ASSERT((uintptr_t)memory % MU_ARENA_ALIGNMENT_BYTES == 0);
    return (mu_arena){ .memory = memory, .capacity_bytes = capacity_bytes };
}

void *mu_arena_take(mu_arena *arena, size_t count, size_t element_bytes)
{
    size_t bytes = 0, rounded = 0, end = 0;
    if (arena->overflowed || __builtin_mul_overflow(count, element_bytes, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)MU_ARENA_ALIGNMENT_BYTES - 1, &rounded)) {
        arena->overflowed = true;
        return NULL;
    }
    rounded -= rounded % MU_ARENA_ALIGNMENT_BYTES;
    if (__builtin_add_overflow(arena->used_bytes, rounded, &end) || end > arena->capacity_bytes) {
        arena->overflowed = true;
        return NULL;
    }
    void *address = arena->memory ? arena->memory + arena->used_bytes : NULL;
    arena->used_bytes = end;
    return address;
}

#if defined(MUSTER_FREESTANDING)
void *mu_arena_block(size_t size_bytes)
{
    return mu_platform_take(size_bytes);
}

void mu_arena_block_free(void *block)
{
    mu_platform_give(block);
}
#else
void *mu_arena_block(size_t size_bytes)
{
    void *block = NULL;
    size_t size = size_bytes ? size_bytes : 1;
    return posix_memalign(&block, MU_ARENA_ALIGNMENT_BYTES, size) ? NULL : block;
}

void mu_arena_block_free(void *block)
{
    free(block);
}
#endif
