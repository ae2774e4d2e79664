/* Masks of dropout: Philox many blocks at a time. The numbers are those that mu_random_u32 would hand out one by one. */
#include "tensor/variant.h"

enum { BLOCKS = 32 }; /* of four numbers each: enough for two of the longest vectors side by side */

/* mu_random_philox for BLOCKS positions from counter[0] on: words[k][i] is word k of block i. */
static void draw_blocks(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4][BLOCKS])
{
    uint32_t *restrict c0 = words[0], *restrict c1 = words[1], *restrict c2 = words[2], *restrict c3 = words[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (uint32_t i = 0; i < BLOCKS; i++) {
        c0[i] = counter[0] + i;
        c1[i] = counter[1];
        c2[i] = counter[2];
        c3[i] = counter[3];
    }
    for (int round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < BLOCKS; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void MU_KERNEL(dropout_mask)(mu_random *random, uint32_t dropped_below, float kept, size_t count, float *mask)
{
    size_t done = 0;
    for (; done < count && random->unused; done++)
        mask[done] = mu_random_u32(random) < dropped_below ? 0.0f : kept;
    for (; count - done >= 4 * BLOCKS; done += 4 * BLOCKS) {
        uint32_t words[4][BLOCKS];
        draw_blocks(random->key, random->counter, words);
        for (size_t i = 0; i < BLOCKS; i++)
            for (size_t k = 0; k < 4; k++)
                mask[done + 4 * i + k] = words[k][i] < dropped_below ? 0.0f : kept;
        random->counter[0] += BLOCKS;
    }
    for (; done < count; done++)
        mask[done] = mu_random_u32(random) < dropped_below ? 0.0f : kept;
}
