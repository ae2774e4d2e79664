/* Memory of examples and names. */
#include "data/examples.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

mu_status mu_names_add(mu_names *names, const char *name, size_t length, mu_error *err)
{
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity ? 2 * names->capacity : 16;
        char **larger = realloc(names->names, capacity * sizeof *larger);
        if (!larger)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %u names", capacity);
        names->names = larger;
        names->capacity = capacity;
    }
    char *copy = malloc(length + 1);
    if (!copy)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a name of %zu bytes", length);
    memcpy(copy, name, length);
    copy[length] = '\0';
    names->names[names->count++] = copy;
    return MU_OK;
}

void mu_names_release(mu_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (mu_names){ 0 };
}

static void release_examples(mu_example_pool *examples)
{
    free(examples->labels);
    free(examples->ids);
    free(examples->owned);
    mu_bytes_close(&examples->file);
}

void mu_corpus_release(mu_corpus *corpus)
{
    release_examples(&corpus->train);
    release_examples(&corpus->test);
    mu_names_release(&corpus->class_names);
    mu_names_release(&corpus->id_names);
    *corpus = (mu_corpus){ 0 };
}

size_t mu_shape_values(mu_shape shape)
{
    return (size_t)shape.height * shape.width * shape.channels;
}

mu_status mu_shape_check(const char *name, mu_shape shape, mu_error *err)
{
    size_t height = shape.height, width = shape.width, channels = shape.channels;
    bool good = height && width && channels && height <= MU_LIMIT_EXAMPLE_VALUES && width <= MU_LIMIT_EXAMPLE_VALUES / height &&
                channels <= MU_LIMIT_EXAMPLE_VALUES / (height * width);
    if (good)
        return MU_OK;
    return mu_error_set(err, MU_E_LIMIT, "%s: examples of %zu x %zu x %zu values; expected at least one and at most %zu in all", name,
                        height, width, channels, MU_LIMIT_EXAMPLE_VALUES);
}

uint32_t mu_corpus_count_labels(const mu_corpus *corpus)
{
    int32_t highest = -1;
    const mu_example_pool *both[] = { &corpus->train, &corpus->test };
    for (size_t k = 0; k < MU_COUNT(both); k++)
        for (uint32_t i = 0; i < both[k]->count; i++)
            highest = both[k]->labels[i] > highest ? both[k]->labels[i] : highest;
    return (uint32_t)(highest + 1);
}

void mu_bytes_channels_last(const uint8_t *from, uint8_t *to, uint32_t pixels, uint32_t channels)
{
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++)
            to[p * channels + c] = from[c * pixels + p];
}

void mu_floats_channels_last(const float *from, float *to, uint32_t pixels, uint32_t channels)
{
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++)
            to[p * channels + c] = from[c * pixels + p];
}
