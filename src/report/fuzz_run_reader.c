/* What is read back of a run, from any bytes: no crash, and what was understood is written and understood again as the same. */
#include "report/fairness.h"
#include "report/round_table.h"
#include "report/summary.h"
#include "report/width_table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static char *write_rounds(const mu_tier_names *tiers, const mu_round_report *rounds, size_t count)
{
    mu_text text = { 0 };
    mu_round_table_header(&text, tiers);
    for (size_t i = 0; i < count; i++)
        mu_round_table_row(&text, &rounds[i], tiers);
    return mu_text_take(&text);
}

static void try_rounds(const uint8_t *data, size_t size_bytes)
{
    mu_tier_names tiers;
    mu_round_report *rounds;
    size_t count;
    mu_error err;
    if (mu_round_table_parse("rounds.csv", data, size_bytes, &tiers, &rounds, &count, &err))
        return;
    char *once = write_rounds(&tiers, rounds, count);
    free(rounds);
    if (once && mu_round_table_parse("again", once, strlen(once), &tiers, &rounds, &count, &err) == MU_OK) {
        char *twice = write_rounds(&tiers, rounds, count);
        MU_ASSERT(twice && strcmp(once, twice) == 0);
        free(twice);
        free(rounds);
    }
    free(once);
}

static void try_summary(const uint8_t *data, size_t size_bytes)
{
    mu_run_summary summary;
    mu_error err;
    if (mu_summary_parse("summary.json", data, size_bytes, &summary, &err))
        return;
    char *once = mu_summary_write(&summary);
    if (once && mu_summary_parse("again", once, strlen(once), &summary, &err) == MU_OK) {
        char *twice = mu_summary_write(&summary);
        MU_ASSERT(twice && strcmp(once, twice) == 0);
        free(twice);
    }
    free(once);
}

static void try_devices(const uint8_t *data, size_t size_bytes)
{
    uint64_t devices[MU_FAIRNESS_STEPS], sum = 0;
    if (mu_fairness_steps("devices.csv", data, size_bytes, devices, NULL))
        return;
    for (size_t i = 0; i < MU_FAIRNESS_STEPS; i++)
        sum += devices[i];
    MU_ASSERT(sum <= size_bytes); /* a row for each, with a byte at least */
}

static void try_widths(const uint8_t *data, size_t size_bytes)
{
    mu_width_row *rows;
    size_t count;
    if (mu_width_table_parse("widths.csv", data, size_bytes, &rows, &count, NULL))
        return;
    MU_ASSERT(count <= size_bytes);
    for (size_t i = 0; i < count; i++)
        MU_ASSERT(rows[i].part.width > 0 && rows[i].part.width <= 1);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    try_widths(data, size_bytes);
    try_devices(data, size_bytes);
    try_rounds(data, size_bytes);
    try_summary(data, size_bytes);
    return 0;
}
