/* A model's weights as a safetensors file, with PyTorch's names and shapes. */
#include "base/file.h"
#include "nn/graph.h"
#include "nn/layout.h"
#include "nn/safetensors.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static bool add_metadata(cJSON *header, const char *const *metadata)
{
    cJSON *map = cJSON_AddObjectToObject(header, "__metadata__");
    bool good = map && cJSON_AddStringToObject(map, "format", "pt"); /* what Hugging Face asks for before it believes the layout */
    for (size_t i = 0; good && metadata && metadata[i]; i += 2)
        good = cJSON_AddStringToObject(map, metadata[i], metadata[i + 1]);
    return good;
}

static bool add_tensor(cJSON *header, const mu_tensor *tensor, uint64_t begin)
{
    cJSON *entry = cJSON_AddObjectToObject(header, tensor->name);
    bool good = entry && cJSON_AddStringToObject(entry, "dtype", "F32");
    cJSON *shape = good ? cJSON_AddArrayToObject(entry, "shape") : NULL;
    good = good && shape;
    for (uint32_t i = 0; good && i < tensor->rank; i++)
        good = cJSON_AddItemToArray(shape, cJSON_CreateNumber(tensor->shape[i]));
    cJSON *offsets = good ? cJSON_AddArrayToObject(entry, "data_offsets") : NULL;
    return good && offsets && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
           cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + 4 * (uint64_t)tensor->count)));
}

/* The header's text, or NULL when there is no memory. */
static char *make_header(const mu_model *model, const char *const *metadata)
{
    cJSON *header = cJSON_CreateObject();
    bool good = header && add_metadata(header, metadata);
    uint64_t offset = 0;
    for (uint32_t i = 0; good && i < model->param_count; i++) {
        good = add_tensor(header, &model->params[i].tensor, offset);
        offset += 4 * (uint64_t)model->params[i].tensor.count;
    }
    char *text = good ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    return text;
}

mu_status mu_model_encode(const mu_model *model, const float *state, const char *const *metadata, unsigned char **out,
                          size_t *size_bytes, mu_error *err)
{
    char *header = make_header(model, metadata);
    size_t text_bytes = header ? strlen(header) : 0;
    size_t header_bytes = (text_bytes + 7) / 8 * 8; /* spaces behind it, so that the tensors are aligned */
    size_t total = 8 + header_bytes + 4 * model->state_count;
    unsigned char *bytes = header ? malloc(total) : NULL;
    if (!bytes) {
        cJSON_free(header);
        return mu_error_set(err, MU_E_MEMORY, "no memory for the file of model '%s'", model->name);
    }
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)header_bytes >> 8 * i);
    memset(bytes + 8, ' ', header_bytes);
    memcpy(bytes + 8, header, text_bytes);
    cJSON_free(header);
    unsigned char *at = bytes + 8 + header_bytes;
    for (uint32_t i = 0; i < model->param_count; i++) {
        mu_tensor_write(&model->params[i].tensor, state, at);
        at += 4 * model->params[i].tensor.count;
    }
    MU_ASSERT(at == bytes + total);
    *out = bytes;
    *size_bytes = total;
    return MU_OK;
}

mu_status mu_model_save(const mu_model *model, const float *state, const char *const *metadata, const char *path, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    mu_status status = mu_model_encode(model, state, metadata, &bytes, &size_bytes, err);
    if (status)
        return status;
    status = mu_file_write(path, bytes, size_bytes, err);
    free(bytes);
    return status;
}

/* ---- reading ---- */

static const mu_tensor *find_tensor(const mu_model *model, const char *name, size_t length)
{
    for (uint32_t i = 0; i < model->param_count; i++) {
        const mu_tensor *tensor = &model->params[i].tensor;
        if (strncmp(tensor->name, name, length) == 0 && tensor->name[length] == '\0')
            return tensor;
    }
    return NULL;
}

/* PyTorch's batch norms count their batches in an I64 of no use to us: with a fixed momentum nobody reads it. */
static bool is_batch_counter(const mu_model *model, const mu_safetensor *entry)
{
    static const char counter[] = "num_batches_tracked", mean[] = "running_mean";
    size_t length = strlen(entry->name), tail = sizeof counter - 1;
    if (length <= tail || strcmp(entry->name + length - tail, counter) || strcmp(entry->dtype, "I64") || entry->rank != 0)
        return false;
    size_t stem = length - tail; /* with the dot */
    for (uint32_t i = 0; i < model->param_count; i++)
        if (strncmp(model->params[i].tensor.name, entry->name, stem) == 0 && strcmp(model->params[i].tensor.name + stem, mean) == 0)
            return true;
    return false;
}

static void format_shape(const mu_safetensor *entry, char *text, size_t capacity_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < entry->rank && used < capacity_bytes; i++)
        used += (size_t)snprintf(text + used, capacity_bytes - used, "%s%llu", i ? ", " : "", (unsigned long long)entry->shape[i]);
}

static mu_status check_tensor(const char *name, const mu_tensor *tensor, const mu_safetensor *entry, mu_error *err)
{
    if (strcmp(entry->dtype, "F32"))
        return mu_error_set(err, MU_E_UNSUPPORTED, "%s: tensor '%s' is %s; only F32 is read: save it as float32", name, entry->name,
                            entry->dtype);
    bool same = entry->rank == tensor->rank;
    for (uint32_t i = 0; same && i < tensor->rank; i++)
        same = entry->shape[i] == tensor->shape[i];
    if (!same) {
        mu_safetensor expected = { .rank = tensor->rank };
        for (uint32_t i = 0; i < tensor->rank; i++)
            expected.shape[i] = tensor->shape[i];
        char is[128], should_be[128];
        format_shape(entry, is, sizeof is);
        format_shape(&expected, should_be, sizeof should_be);
        return mu_error_set(err, MU_E_SHAPE, "%s: tensor '%s' has shape [%s], the model's has [%s]", name, entry->name, is, should_be);
    }
    if (entry->size_bytes != 4 * tensor->count)
        return mu_error_set(err, MU_E_PARSE, "%s: tensor '%s' has %zu bytes, its shape takes %zu", name, entry->name, entry->size_bytes,
                            4 * tensor->count);
    return MU_OK;
}

static mu_status check_file(const mu_model *model, const char *name, const mu_safetensors *file, mu_error *err)
{
    for (size_t i = 0; i < file->count; i++) {
        const mu_safetensor *entry = &file->tensors[i];
        if (!find_tensor(model, entry->name, strlen(entry->name)) && !is_batch_counter(model, entry))
            return mu_error_set(err, MU_E_SHAPE, "%s: the model '%s' has no tensor '%s'", name, model->name, entry->name);
    }
    for (uint32_t i = 0; i < model->param_count; i++) {
        const mu_tensor *tensor = &model->params[i].tensor;
        const mu_safetensor *entry = mu_safetensors_find(file, tensor->name);
        if (!entry)
            return mu_error_set(err, MU_E_SHAPE, "%s: there is no tensor '%s', which the model '%s' has", name, tensor->name,
                                model->name);
        mu_status status = check_tensor(name, tensor, entry, err);
        if (status)
            return status;
    }
    return MU_OK;
}

mu_status mu_model_decode(const mu_model *model, const char *name, const unsigned char *data, size_t size_bytes, float *state,
                          mu_error *err)
{
    mu_safetensors file;
    mu_status status = mu_safetensors_open(name, data, size_bytes, &file, err);
    if (status)
        return status;
    status = check_file(model, name, &file, err);
    for (uint32_t i = 0; i < model->param_count && !status; i++) {
        const mu_tensor *tensor = &model->params[i].tensor;
        mu_tensor_read(tensor, mu_safetensors_find(&file, tensor->name)->data, state);
    }
    mu_safetensors_release(&file);
    return status;
}

mu_status mu_model_load(const mu_model *model, const char *path, float *state, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    status = mu_model_decode(model, path, file.data, file.size_bytes, state, err);
    mu_file_unmap(&file);
    return status;
}
