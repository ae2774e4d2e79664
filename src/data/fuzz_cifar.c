/* Any bytes as CIFAR rows: what is accepted has only labels that there are. */
#include "data/cifar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct { size_t label_bytes; uint32_t classes; } kinds[] = { { 1, 10 }, { 2, 100 } };
    for (size_t k = 0; k < MU_COUNT(kinds); k++) {
        uint32_t rows = 0;
        mu_error err;
        if (mu_cifar_check("fuzz", data, size, kinds[k].label_bytes, kinds[k].classes, &rows, &err))
            continue;
        MU_ASSERT(rows * (kinds[k].label_bytes + MU_CIFAR_VALUES) == size);
        unsigned char *pixels = malloc((size_t)rows * MU_CIFAR_VALUES);
        int32_t *labels = malloc(rows * sizeof *labels);
        MU_ASSERT(pixels && labels);
        mu_cifar_read(data, kinds[k].label_bytes, rows, pixels, labels);
        for (uint32_t i = 0; i < rows; i++)
            MU_ASSERT(labels[i] >= 0 && (uint32_t)labels[i] < kinds[k].classes);
        free(labels);
        free(pixels);
    }
    return 0;
}
