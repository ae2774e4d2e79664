/* Reading the header of a safetensors file, from which nothing is believed before it is checked. */
#include "nn/safetensors.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* ---- one entry ---- */

/* A whole number in [0, 2^53]: as far as JSON's numbers are exact. */
static bool whole_number(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 9007199254740992.0))
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

static mu_status read_shape(const char *name, const cJSON *entry, mu_safetensor *out, mu_error *err)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *axis;
    if (!cJSON_IsArray(shape))
        return mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' has no list 'shape'", name, out->name);
    cJSON_ArrayForEach(axis, shape) {
        if (out->rank == MU_LIMIT_SAFETENSORS_RANK)
            return mu_error_set(err, MU_E_LIMIT, "%s: tensor '%s' has more than %u axes", name, out->name, MU_LIMIT_SAFETENSORS_RANK);
        if (!whole_number(axis, &out->shape[out->rank++]))
            return mu_error_set(err, MU_E_PARSE, "%s: the shape of tensor '%s' holds something that is no size", name, out->name);
    }
    return MU_OK;
}

static mu_status read_offsets(const char *name, const cJSON *entry, const unsigned char *data, size_t data_bytes, mu_safetensor *out,
                              mu_error *err)
{
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    uint64_t begin, end;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || !whole_number(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !whole_number(cJSON_GetArrayItem(offsets, 1), &end))
        return mu_error_set(err, MU_E_PARSE, "%s: 'data_offsets' of tensor '%s' must be two whole numbers", name, out->name);
    if (begin > end || end > data_bytes)
        return mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' lies at bytes %llu to %llu of %zu", name, out->name,
                            (unsigned long long)begin, (unsigned long long)end, data_bytes);
    out->data = data + begin;
    out->size_bytes = (size_t)(end - begin);
    return MU_OK;
}

static mu_status read_entry(const char *name, const cJSON *entry, const unsigned char *data, size_t data_bytes, mu_safetensor *out,
                            mu_error *err)
{
    *out = (mu_safetensor){ .name = entry->string };
    if (!cJSON_IsObject(entry) || cJSON_GetArraySize(entry) != 3)
        return mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' must have dtype, shape and data_offsets, and nothing else", name,
                            out->name);
    out->dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "dtype"));
    if (!out->dtype)
        return mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' has no text 'dtype'", name, out->name);
    mu_status status = read_shape(name, entry, out, err);
    return status ? status : read_offsets(name, entry, data, data_bytes, out, err);
}

static mu_status check_metadata(const char *name, const cJSON *metadata, mu_error *err)
{
    const cJSON *item;
    if (!cJSON_IsObject(metadata))
        return mu_error_set(err, MU_E_PARSE, "%s: '__metadata__' is not a map", name);
    cJSON_ArrayForEach(item, metadata)
        if (!cJSON_IsString(item))
            return mu_error_set(err, MU_E_PARSE, "%s: the metadata '%s' is not a text", name, item->string);
    return MU_OK;
}

/* ---- all of them ---- */

static int by_place(const void *a, const void *b)
{
    const mu_safetensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return x->size_bytes < y->size_bytes ? -1 : x->size_bytes > y->size_bytes; /* an empty one lies before what starts at its place */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const mu_safetensor *)a)->name, ((const mu_safetensor *)b)->name);
}

static mu_status check_places(const char *name, const mu_safetensors *file, const unsigned char *data, size_t data_bytes, mu_error *err)
{
    const unsigned char *expected = data;
    for (size_t i = 0; i < file->count; i++) {
        const mu_safetensor *tensor = &file->tensors[i];
        if (tensor->data != expected)
            return mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' begins at byte %zu of the data, expected %zu: the tensors %s",
                                name, tensor->name, (size_t)(tensor->data - data), (size_t)(expected - data),
                                tensor->data < expected ? "overlap" : "leave a hole");
        expected += tensor->size_bytes;
    }
    if (expected != data + data_bytes)
        return mu_error_set(err, MU_E_PARSE, "%s: %zu bytes behind the last tensor", name, (size_t)(data + data_bytes - expected));
    return MU_OK;
}

static mu_status read_entries(const char *name, const unsigned char *data, size_t data_bytes, mu_safetensors *file, mu_error *err)
{
    const cJSON *entry;
    bool metadata = false;
    cJSON_ArrayForEach(entry, file->header) {
        mu_status status;
        if (strcmp(entry->string, "__metadata__") == 0) {
            status = metadata ? mu_error_set(err, MU_E_PARSE, "%s: '__metadata__' is there twice", name)
                              : check_metadata(name, entry, err);
            metadata = true;
        } else
            status = read_entry(name, entry, data, data_bytes, &file->tensors[file->count++], err);
        if (status)
            return status;
    }
    if (file->count == 0)
        return data_bytes == 0 ? MU_OK : mu_error_set(err, MU_E_PARSE, "%s: %zu bytes of data, but no tensor", name, data_bytes);
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    mu_status status = check_places(name, file, data, data_bytes, err);
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    for (size_t i = 1; i < file->count && !status; i++)
        if (by_name(&file->tensors[i - 1], &file->tensors[i]) == 0)
            status = mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' is there twice", name, file->tensors[i].name);
    return status;
}

mu_status mu_safetensors_open(const char *name, const unsigned char *data, size_t size_bytes, mu_safetensors *out, mu_error *err)
{
    uint64_t header_bytes = 0;
    if (size_bytes < 8)
        return mu_error_set(err, MU_E_PARSE,
                            "%s: %zu bytes are no safetensors file; it begins with 8 bytes that give the size of its header", name,
                            size_bytes);
    for (int i = 0; i < 8; i++)
        header_bytes |= (uint64_t)data[i] << 8 * i;
    if (header_bytes > MU_LIMIT_SAFETENSORS_HEADER_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "%s: a header of %llu bytes, at most %zu (or this is no safetensors file)", name,
                            (unsigned long long)header_bytes, MU_LIMIT_SAFETENSORS_HEADER_BYTES);
    if (header_bytes > size_bytes - 8)
        return mu_error_set(err, MU_E_PARSE, "%s: a header of %llu bytes in a file of %zu; it was cut, or is no safetensors file", name,
                            (unsigned long long)header_bytes, size_bytes);
    mu_safetensors file = { 0 };
    const char *end = NULL, *text = (const char *)data + 8;
    file.header = cJSON_ParseWithLengthOpts(text, (size_t)header_bytes, &end, 0);
    size_t parsed = file.header && end ? (size_t)(end - text) : 0;
    while (parsed < header_bytes && text[parsed] == ' ')
        parsed++;
    if (!cJSON_IsObject(file.header) || parsed != header_bytes) {
        cJSON_Delete(file.header);
        return mu_error_set(err, MU_E_PARSE, "%s: its header of %llu bytes is not one JSON map (or there is no memory for it)", name,
                            (unsigned long long)header_bytes);
    }
    file.tensors = calloc((size_t)cJSON_GetArraySize(file.header) + 1, sizeof *file.tensors);
    mu_status status = file.tensors ? read_entries(name, data + 8 + header_bytes, size_bytes - 8 - (size_t)header_bytes, &file, err)
                                    : mu_error_set(err, MU_E_MEMORY, "%s: no memory for its header", name);
    if (status)
        mu_safetensors_release(&file);
    else
        *out = file;
    return status;
}

void mu_safetensors_release(mu_safetensors *file)
{
    cJSON_Delete(file->header);
    free(file->tensors);
    *file = (mu_safetensors){ 0 };
}

/* ---- looking ---- */

const mu_safetensor *mu_safetensors_find(const mu_safetensors *file, const char *name)
{
    mu_safetensor wanted = { .name = name };
    return file->count ? bsearch(&wanted, file->tensors, file->count, sizeof *file->tensors, by_name) : NULL;
}

const char *mu_safetensors_metadata(const mu_safetensors *file, const char *key)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, key));
}

const char *mu_safetensors_metadata_key(const mu_safetensors *file, size_t index)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    const cJSON *item = index <= INT32_MAX ? cJSON_GetArrayItem(metadata, (int)index) : NULL;
    return item ? item->string : NULL;
}
