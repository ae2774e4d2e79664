/* Memory that is counted before it is used. One walk asks an arena for everything it needs; with a measuring arena the
 * walk gives the size, with an arena over real memory the same walk gives the addresses. */
#ifndef MUSTER_ARENA_H
#define MUSTER_ARENA_H

#include "muster/status.h"

/* Every address that an arena hands out is a multiple of this: one cache line, and the widest vector there is. */
#define MU_ARENA_ALIGNMENT_BYTES 64

typedef struct mu_arena {
    unsigned char *memory;         /* NULL while measuring */
    size_t         capacity_bytes; /* SIZE_MAX while measuring */
    size_t         used_bytes;     /* after alignment; never more than capacity */
    bool           overflowed;     /* asked for more than there is, or for more than a size can say */
} mu_arena;

/* Counts and hands out nothing. */
MU_API mu_arena mu_arena_measuring(void);

/* Hands out `memory`, which the caller owns and which must be aligned to MU_ARENA_ALIGNMENT_BYTES. */
MU_API mu_arena mu_arena_over(void *memory, size_t capacity_bytes);

/* `count` elements of `element_bytes` each, uninitialised. NULL while measuring, and, with `overflowed` set, when there is not
 * enough; after that everything else is refused too, so a walk may check once at its end. */
MU_API void *mu_arena_take(mu_arena *arena, size_t count, size_t element_bytes);

/* A block that the arena's memory can live in, aligned; NULL when there is none. Free it with mu_arena_block_free. */
MU_API void *mu_arena_block(size_t size_bytes);
MU_API void mu_arena_block_free(void *block);

#endif
