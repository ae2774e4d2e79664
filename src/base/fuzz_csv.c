/* Any bytes as CSV: cut into fields, written again with every field in quotes, cut again: the same fields. */
#include "base/csv.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* At most twice the bytes, and quotes and a separator for each of at most size + 1 fields. */
static size_t encode(mu_csv *csv, char *out)
{
    size_t used = 0;
    bool more;
    while (!mu_csv_next(csv, &more, NULL) && more) {
        MU_ASSERT(csv->count > 0);
        for (size_t i = 0; i < csv->count; i++) {
            const mu_csv_field *field = &csv->fields[i];
            MU_ASSERT(strlen(field->text) == field->length && field->line >= csv->line && field->column >= 1);
            out[used++] = '"';
            for (size_t n = 0; n < field->length; n++) {
                if (field->text[n] == '"')
                    out[used++] = '"';
                out[used++] = field->text[n];
            }
            out[used++] = '"';
            out[used++] = i + 1 < csv->count ? ',' : '\n';
        }
        double value;
        mu_csv_real(csv, 0, &value, NULL);
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_csv csv;
    char *once = malloc(5 * size + 8), *twice = malloc(5 * size + 8);
    MU_ASSERT(once && twice);
    mu_csv_init(&csv, "fuzz", data, size, ',');
    size_t used = encode(&csv, once);
    mu_csv_release(&csv);
    mu_csv_init(&csv, "fuzz", once, used, ',');
    size_t used_again = encode(&csv, twice);
    mu_csv_release(&csv);
    MU_ASSERT(used == used_again && memcmp(once, twice, used) == 0);
    free(once);
    free(twice);
    return 0;
}
