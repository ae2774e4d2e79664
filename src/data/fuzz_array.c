/* Any bytes as an IDX and as an NPY file. What is accepted lies within the bytes, to the last value. */
#include "base/limits.h"
#include "data/idx.h"
#include "data/npy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const mu_array *array, const uint8_t *data, size_t size)
{
    MU_ASSERT(array->data >= data && array->data + array->count * mu_element_bytes(array->element) == data + size);
    if (array->count == 0 || array->count > 100000)
        return;
    int32_t *labels = malloc(array->count * sizeof *labels);
    float *floats = malloc(array->count * sizeof *floats);
    MU_ASSERT(labels && floats);
    mu_array_floats(array, 0, array->count, floats);
    if (!mu_array_labels(array, MU_LIMIT_CLASSES, labels, NULL))
        for (size_t i = 0; i < array->count; i++)
            MU_ASSERT((float)labels[i] == floats[i]);
    free(floats);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_array array;
    mu_error err;
    if (!mu_idx_read("fuzz", data, size, &array, &err))
        use(&array, data, size);
    if (!mu_npy_read("fuzz", data, size, &array, &err))
        use(&array, data, size);
    return 0;
}
