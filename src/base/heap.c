/* One block handed out like a stack, for programs without a heap. */
#include "muster/platform.h"

#include <string.h>

/* In front of every piece, at a multiple of the alignment. */
typedef struct mu_heap_piece {
    struct mu_heap_piece *before;
    bool                  given;
} mu_heap_piece;

enum { HEADER_BYTES = MU_ARENA_ALIGNMENT_BYTES };
_Static_assert(sizeof(mu_heap_piece) <= HEADER_BYTES, "a piece's header fits in front of it");

mu_heap mu_heap_over(void *memory, size_t size_bytes)
{
    MU_ASSERT((uintptr_t)memory % MU_ARENA_ALIGNMENT_BYTES == 0);
    return (mu_heap){ .memory = memory, .size_bytes = size_bytes };
}

void *mu_heap_take(mu_heap *heap, size_t size_bytes)
{
    size_t there_bytes = heap->size_bytes - heap->used_bytes;
    if (there_bytes < HEADER_BYTES || size_bytes > there_bytes - HEADER_BYTES)
        return NULL;
    size_t rounded = (size_bytes + MU_ARENA_ALIGNMENT_BYTES - 1) / MU_ARENA_ALIGNMENT_BYTES * MU_ARENA_ALIGNMENT_BYTES;
    if (rounded > there_bytes - HEADER_BYTES)
        rounded = there_bytes - HEADER_BYTES; /* the end of a block of odd size */
    mu_heap_piece *piece = (void *)(heap->memory + heap->used_bytes);
    *piece = (mu_heap_piece){ .before = heap->last };
    heap->last = piece;
    heap->used_bytes += HEADER_BYTES + rounded;
    if (heap->used_bytes > heap->peak_bytes)
        heap->peak_bytes = heap->used_bytes;
    return memset((unsigned char *)piece + HEADER_BYTES, 0, rounded);
}

void mu_heap_give(mu_heap *heap, void *memory)
{
    if (!memory)
        return;
    mu_heap_piece *piece = (void *)((unsigned char *)memory - HEADER_BYTES);
    MU_ASSERT(!piece->given);
    piece->given = true;
    for (; heap->last && heap->last->given; heap->last = heap->last->before)
        heap->used_bytes = (size_t)((unsigned char *)heap->last - heap->memory);
}
