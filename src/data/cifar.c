/* Rows of labels and planes to rows of pixels. */
#include "data/cifar.h"

#include "base/limits.h"
#include "data/examples.h"

mu_status mu_cifar_check(const char *name, const unsigned char *data, size_t size_bytes, size_t label_bytes, uint32_t classes,
                         uint32_t *rows, mu_error *err)
{
    size_t row_bytes = label_bytes + MU_CIFAR_VALUES, count = size_bytes / row_bytes;
    if (size_bytes == 0 || size_bytes % row_bytes)
        return mu_error_set(err, MU_E_PARSE, "%s: has %zu bytes, expected rows of %zu (%zu of label, 3072 of pixels): row %zu ends after %zu",
                            name, size_bytes, row_bytes, label_bytes, count, size_bytes % row_bytes);
    if (count > MU_LIMIT_EXAMPLES)
        return mu_error_set(err, MU_E_LIMIT, "%s: has %zu rows, more than %zu", name, count, MU_LIMIT_EXAMPLES);
    for (size_t i = 0; i < count; i++) {
        size_t at = i * row_bytes + label_bytes - 1;
        if (data[at] >= classes)
            return mu_error_set(err, MU_E_PARSE, "%s: byte %zu, the label of row %zu, is %u, expected 0 to %u", name, at, i, data[at],
                                classes - 1);
    }
    *rows = (uint32_t)count;
    return MU_OK;
}

void mu_cifar_read(const unsigned char *data, size_t label_bytes, uint32_t rows, unsigned char *pixels, int32_t *labels)
{
    for (size_t i = 0; i < rows; i++) {
        const unsigned char *row = data + i * (label_bytes + MU_CIFAR_VALUES);
        labels[i] = row[label_bytes - 1];
        mu_bytes_channels_last(row + label_bytes, pixels + i * MU_CIFAR_VALUES, MU_CIFAR_SIDE * MU_CIFAR_SIDE, MU_CIFAR_CHANNELS);
    }
}
