/* Any damage to a saved search: it is refused with a sentence, or goes on within its bounds. What is not damaged is accepted. Each three bytes
 * of the input are a place in the block (two) and what is written there. */
#include "search/nsga2.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMBERS = 4, GENES = 3 };

static const mu_gene genes[GENES] = { { 0.0, 1.0, false }, { -2, 5, true }, { 0.5, 0.5, false } };

static void finish_generation(mu_nsga2 *search)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        const double *genome = mu_nsga2_genome(search, i);
        for (int g = 0; g < GENES; g++)
            MU_ASSERT(mu_gene_holds(genes[g], genome[g]));
        if (!mu_nsga2_is_told(search, i))
            MU_ASSERT(mu_nsga2_tell(search, i, (double[]){ genome[0], genome[1] - genome[0] }, NULL) == MU_OK);
    }
    mu_status status = mu_nsga2_next(search, NULL);
    MU_ASSERT(status == MU_OK || status == MU_E_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_nsga2_config config = mu_nsga2_config_default();
    config.population = MEMBERS;
    config.gene_count = GENES;
    config.genes = genes;
    size_t size_bytes;
    MU_ASSERT(mu_nsga2_size(&config, &size_bytes, NULL) == MU_OK);
    unsigned char *block = malloc(size_bytes), *saved = malloc(size_bytes);
    MU_ASSERT(block && saved);
    mu_nsga2 *search;
    MU_ASSERT(mu_nsga2_init(&config, mu_random_stream(1, MU_RANDOM_TEST, 0, 0), NULL, 0, block, &search, NULL) == MU_OK);
    for (uint8_t generation = 0; size > 0 && generation < data[0] % 4; generation++)
        finish_generation(search);
    MU_ASSERT(mu_nsga2_tell(search, 1, (double[]){ 1, 2 }, NULL) == MU_OK);
    memcpy(saved, block, size_bytes);
    for (size_t i = 1; i + 2 < size; i += 3)
        block[(data[i] * 256u + data[i + 1]) % size_bytes] = data[i + 2];
    mu_error err = { 0 };
    bool same = memcmp(saved, block, size_bytes) == 0;
    mu_status status = mu_nsga2_restore(&config, block, size_bytes, &search, &err);
    MU_ASSERT(!same || status == MU_OK);
    MU_ASSERT(status == MU_OK || err.message[0]);
    for (int generation = 0; !status && generation < 2; generation++)
        finish_generation(search);
    free(saved);
    free(block);
    return 0;
}
