/* What libmuster-device, which knows no operating system, asks of the program that it is linked into; docs/device-library.md shows one.
 *
 * The program defines
 *
 *     mu_platform_take, mu_platform_give     memory for set-up (below)
 *     mu_assert_failed                       what to do about a mistake of ours (muster/status.h): say so and stop
 *
 * and its C library has memcpy, memmove, memset, strlen, strcmp, strcpy, strcat and sqrt (rounded as IEEE 754 says), the compiler its own
 * helpers (libgcc). fmaf is the processor's instruction; where there is none (a Cortex-M0 or M3), the C library's must round once. Nothing
 * else is called: no stdio, no files, no clock, no threads. Floating point is IEEE 754 with denormals, as processors are after a reset.
 *
 * Memory is asked for while a model, a step or a trainer is made: mu_builder_*, mu_trainer_create, and within mu_trainer_run and
 * mu_trainer_evaluate before their first step, or, where a method trains another part of the model in each mini-batch, before a step that takes more than those
 * before it. mu_step_plan lays out its own in the caller's arena and takes only what it needs for planning,
 * which it gives back before it returns. A training step takes nothing. */
#ifndef MUSTER_PLATFORM_H
#define MUSTER_PLATFORM_H

#include "muster/arena.h"
#include "muster/status.h"

/* Zeroed memory, aligned to MU_ARENA_ALIGNMENT_BYTES; NULL when there is none. */
void *mu_platform_take(size_t size_bytes);
void  mu_platform_give(void *memory); /* NULL is fine */

/* An answer for both over one block, which is handed out like a stack: what is given back can be taken again once everything that was taken
 * after it is given back too. That is how Muster takes and gives. Each piece has 64 bytes in front of it. */
typedef struct mu_heap {
    unsigned char        *memory; /* the program's, aligned to MU_ARENA_ALIGNMENT_BYTES */
    size_t                size_bytes, used_bytes;
    size_t                peak_bytes; /* the most that was ever used */
    struct mu_heap_piece *last;
} mu_heap;

mu_heap mu_heap_over(void *memory, size_t size_bytes);
void   *mu_heap_take(mu_heap *heap, size_t size_bytes);
void    mu_heap_give(mu_heap *heap, void *memory);

#endif
