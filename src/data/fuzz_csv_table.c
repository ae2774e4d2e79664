/* Any bytes as a table; the first says with which options. Every number is finite, and every label has a name. */
#include "data/csv_table.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const columns[] = { "label", "0", "-1", "x" }, *const id_columns[] = { "", "1", "id", "-2" };
    if (size == 0)
        return 0;
    mu_csv_config config = { .delimiter = data[0] & 3, .header = data[0] & 4, .label = columns[data[0] >> 3 & 3], .id = id_columns[data[0] >> 5 & 3] };
    mu_intern labels = { 0 }, ids = { 0 };
    mu_csv_table table;
    mu_error err;
    if (!mu_csv_table_read("fuzz", data + 1, size - 1, &config, &labels, &ids, &table, &err)) {
        MU_ASSERT(table.rows > 0 && table.columns > 0);
        for (size_t i = 0; i < (size_t)table.rows * table.columns; i++)
            MU_ASSERT(isfinite(table.values[i]));
        for (uint32_t i = 0; i < table.rows; i++)
            MU_ASSERT(table.labels[i] < labels.names.count && (!table.ids || table.ids[i] < ids.names.count));
    }
    mu_csv_table_release(&table);
    mu_intern_release(&labels);
    mu_intern_release(&ids);
    return 0;
}
