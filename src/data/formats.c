/* The registry of formats. */
#include "data/format.h"

#include <string.h>

static const mu_format *const formats[] = {
    &mu_format_arrays, &mu_format_npz, &mu_format_cifar10, &mu_format_cifar100, &mu_format_csv, &mu_format_leaf, &mu_format_text,
};

const mu_format *mu_format_find(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(formats); i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

size_t mu_format_names(const char **names, size_t capacity)
{
    size_t count = 0;
    for (; count < MU_COUNT(formats) && count + 1 < capacity; count++)
        names[count] = formats[count]->name;
    names[count] = NULL;
    return count;
}
