/* Embedding: rows of a table by number. */
#include "tensor/variant.h"

#include <string.h>

void MU_KERNEL(embedding_forward)(size_t rows, uint32_t channels, const float *ids, const float *table, float *y)
{
    for (size_t row = 0; row < rows; row++, y += channels)
        memcpy(y, table + (size_t)ids[row] * channels, channels * sizeof *y);
}

void MU_KERNEL(embedding_backward)(size_t rows, uint32_t channels, uint32_t symbols, const float *ids, const float *dy, float *dtable,
                                   bool resume)
{
    if (!resume)
        memset(dtable, 0, (size_t)symbols * channels * sizeof *dtable);
    for (size_t row = 0; row < rows; row++, dy += channels) {
        float *sums = dtable + (size_t)ids[row] * channels;
        for (uint32_t c = 0; c < channels; c++)
            sums[c] += dy[c];
    }
}
