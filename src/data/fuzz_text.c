/* Any bytes as UTF-8: decoded and encoded again they are the same bytes. Then a vocabulary of it, and windows over it. */
#include "data/windows.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t encode(uint32_t code, unsigned char *out)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3F));
    out[0] = (unsigned char)(0xF0u << (4 - length) | code);
    return length;
}

static void use(const mu_codes *codes)
{
    mu_vocabulary vocabulary = { .count = 0 };
    mu_error err;
    if (mu_vocabulary_add(&vocabulary, "fuzz", codes, &err))
        return;
    uint8_t *symbols = malloc(codes->count + 1);
    MU_ASSERT(symbols);
    for (size_t i = 0; i < codes->count; i++) {
        symbols[i] = mu_vocabulary_symbol(&vocabulary, codes->codes[i]);
        MU_ASSERT(vocabulary.codes[symbols[i]] == codes->codes[i]);
    }
    mu_corpus corpus = { 0 };
    if (!mu_windows_make("fuzz", symbols, codes->count, 3, 2, &corpus.train, &err))
        MU_ASSERT((size_t)(corpus.train.count - 1) * 2 + 3 < codes->count);
    mu_corpus_release(&corpus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_codes codes = { 0 };
    size_t added = 0;
    mu_error err;
    if (!mu_codes_add(&codes, "fuzz", (const char *)data, size, &added, &err)) {
        unsigned char *again = malloc(4 * size + 1);
        size_t used = 0;
        MU_ASSERT(again);
        for (size_t i = 0; i < added; i++)
            used += encode(codes.codes[i], again + used);
        MU_ASSERT(used == size && memcmp(again, data, size) == 0);
        free(again);
        use(&codes);
    }
    mu_codes_release(&codes);
    return 0;
}
