/* Any damage to a saved search for parts, its digest put right again: it is refused with a sentence, or goes on within its bounds. What is not damaged is
 * accepted. Each three bytes of the input are a place (two) and what is written there. */
#include "base/digest.h"
#include "method/width_rules.h"
#include "search/width_search.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char settings[] = "settings";

/* A saved search is decoded; what it says is within bounds, and saving it again gives its bytes. */
static void look(const mu_width_search_config *config, const unsigned char *bytes, size_t size_bytes, bool damaged)
{
    mu_error err = { 0 };
    mu_width_search *search;
    mu_status status = mu_width_search_decode(config, settings, "fuzz", bytes, size_bytes, &search, &err);
    MU_ASSERT(damaged || status == MU_OK);
    MU_ASSERT(status == MU_OK || err.message[0]);
    if (status)
        return;
    for (uint32_t i = 0; i < mu_width_search_member_count(search); i++) {
        const mu_width_member member = mu_width_search_member(search, i);
        MU_ASSERT(member.counts[0] >= 1 && member.work.macs > 0);
    }
    unsigned char *again;
    size_t again_bytes;
    MU_ASSERT(mu_width_search_encode(search, settings, &again, &again_bytes, NULL) == MU_OK);
    MU_ASSERT(again_bytes == size_bytes && memcmp(again, bytes, size_bytes) == 0);
    free(again);
    mu_width_search_destroy(search);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_model *model;
    mu_units *units;
    MU_ASSERT(mu_model_create_builtin("lenet5", NULL, (mu_shape){ 28, 28, 1 }, 10, &model, NULL) == MU_OK);
    MU_ASSERT(mu_units_create(model, &units, NULL) == MU_OK);
    const mu_width_search_config config = { .units = units, .counts_of = mu_width_counts_of_rates, .cost = { 0, 1, 0 }, .seed = 1, .population = 4,
                                            .repeats = 1, .most_rate = 0.9 };
    mu_width_search *search;
    unsigned char *bytes;
    size_t size_bytes;
    MU_ASSERT(mu_width_search_create(&config, &search, NULL) == MU_OK);
    MU_ASSERT(mu_width_search_encode(search, settings, &bytes, &size_bytes, NULL) == MU_OK);
    mu_width_search_destroy(search);
    const size_t content_bytes = size_bytes - (MU_SHA256_HEX_BYTES - 1);
    char digest[MU_SHA256_HEX_BYTES];
    bool damaged = false;
    for (size_t i = 0; i + 2 < size; i += 3) {
        unsigned char *place = &bytes[(data[i] * 256u + data[i + 1]) % content_bytes];
        damaged |= *place != data[i + 2];
        *place = data[i + 2];
    }
    mu_sha256_hex(bytes, content_bytes, digest);
    memcpy(bytes + content_bytes, digest, sizeof digest - 1);
    look(&config, bytes, size_bytes, damaged);
    look(&config, data, size, true);
    free(bytes);
    mu_units_destroy(units);
    mu_model_destroy(model);
    return 0;
}
