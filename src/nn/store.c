/* Memory of networks: small requests share a block, and all blocks hang in one list. */
#include "nn/store.h"

#include "muster/platform.h"

#include <string.h>

enum { BLOCK_BYTES = 4096 };

struct mu_store_block {
    struct mu_store_block *next;
    size_t                 used_bytes, size_bytes;
    max_align_t            memory[];
};

void *mu_store_take(mu_store *store, size_t count, size_t element_bytes)
{
    size_t bytes = 0, rounded = 0, whole = 0;
    if (__builtin_mul_overflow(count, element_bytes, &bytes) || __builtin_add_overflow(bytes, sizeof(max_align_t) - 1, &rounded))
        return NULL;
    rounded -= rounded % sizeof(max_align_t);
    struct mu_store_block *block = store->blocks;
    if (!block || block->size_bytes - block->used_bytes < rounded) {
        size_t size = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        if (__builtin_add_overflow(size, sizeof *block, &whole) || !(block = mu_platform_take(whole)))
            return NULL;
        block->size_bytes = size;
        block->next = store->blocks;
        store->blocks = block;
    }
    void *memory = (unsigned char *)block->memory + block->used_bytes;
    block->used_bytes += rounded;
    return memory;
}

char *mu_store_text(mu_store *store, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mu_store_take(store, size, 1);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void mu_store_release(mu_store *store)
{
    for (struct mu_store_block *block = store->blocks; block;) {
        struct mu_store_block *next = block->next;
        mu_platform_give(block);
        block = next;
    }
    store->blocks = NULL;
}
