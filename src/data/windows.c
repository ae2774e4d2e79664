/* Examples that are views into one text. */
#include "data/windows.h"

#include "base/limits.h"

#include <stdlib.h>

mu_status mu_windows_make(const char *name, uint8_t *symbols, size_t count, uint32_t length, uint32_t step, mu_example_pool *out, mu_error *err)
{
    out->owned = symbols;
    out->bytes = symbols;
    if (count <= length)
        return mu_error_set(err, MU_E_RANGE, "%s: %zu characters are too few for a window of %u and the character after it", name, count, length);
    size_t windows = (count - length - 1) / step + 1;
    if (windows > MU_LIMIT_EXAMPLES)
        return mu_error_set(err, MU_E_LIMIT, "%s: %zu windows, more than %zu; take a larger step", name, windows, MU_LIMIT_EXAMPLES);
    out->labels = malloc(windows * sizeof *out->labels);
    if (!out->labels)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for the labels of %zu windows", name, windows);
    for (size_t i = 0; i < windows; i++)
        out->labels[i] = symbols[i * step + length];
    out->shape = (mu_shape){ 1, 1, length };
    out->stride = step;
    out->count = (uint32_t)windows;
    return MU_OK;
}
