/* Any bytes as a table of DISTREAL's, and as the rows of one. What is accepted is written and read again: the same table. */
#include "method/distreal_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char network[] = "layers:\n"
                              "  - {dense: a, units: 5}\n"
                              "  - {dense: b, units: 3}\n"
                              "  - {dense: out}\n";

static void check_again(const mu_distreal_table *table, const mu_units *units)
{
    static mu_distreal_table again;
    unsigned char *text = NULL;
    size_t size_bytes = 0;
    MU_ASSERT(mu_distreal_table_encode(table, units, &text, &size_bytes, NULL) == MU_OK);
    MU_ASSERT(mu_distreal_table_decode(&again, units, "again", text, size_bytes, NULL) == MU_OK);
    MU_ASSERT(memcmp(table, &again, sizeof again) == 0);
    for (uint32_t row = 0; row < table->row_count; row++)
        MU_ASSERT(mu_distreal_table_choose(table, (double)table->macs[row]) == row);
    free(text);
}

/* Each row is four bytes: how many of each group, a gain, a time. */
static void check_rows(const uint8_t *data, size_t size, const mu_units *units)
{
    static mu_distreal_table table;
    MU_ASSERT(mu_distreal_table_init(&table, units, NULL) == MU_OK);
    for (; size >= 4; data += 4, size -= 4) {
        uint32_t counts[] = { 1 + data[0] % 5, 1 + data[1] % 3 };
        double gain = data[2] ? data[2] / 7.0 - 10 : (double)NAN, step_us = data[3] ? 1e6 / data[3] : (double)NAN;
        MU_ASSERT(mu_distreal_table_add(&table, units, counts, gain, step_us, NULL) == MU_OK);
    }
    check_again(&table, units);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mu_distreal_table table;
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    mu_units *units = NULL;
    MU_ASSERT(mu_conf_parse("fuzz", network, strlen(network), &conf, NULL) == MU_OK);
    MU_ASSERT(mu_model_create_layers(mu_conf_root(conf), (mu_shape){ 1, 1, 2 }, 2, &model, NULL) == MU_OK);
    MU_ASSERT(mu_units_create(model, &units, NULL) == MU_OK);
    mu_error err;
    if (!mu_distreal_table_decode(&table, units, "fuzz", data, size, &err))
        check_again(&table, units);
    check_rows(data, size, units);
    mu_units_destroy(units);
    mu_model_destroy(model);
    mu_conf_destroy(conf);
    return 0;
}
