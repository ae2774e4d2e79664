/* An update that was acknowledged, read back as the federation takes it. */
#include "net/network_internal.h"

#include "base/file.h"
#include "net/wire.h"
#include "tensor/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mu_status take_memory(mu_network *network, mu_error *err)
{
    if (network->delta)
        return MU_OK;
    size_t state_count = mu_model_state_count(network->model);
    /* the vectors of the whole model, and behind them room for one vector of a part */
    network->delta = mu_arena_block((2 + (size_t)network->crossing.sent) * state_count * sizeof(float));
    network->classes = malloc(mu_model_classes(network->model) * sizeof(bool));
    return network->delta && network->classes ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for an update of %zu parameters", state_count);
}

/* Where floats of the file go: straight into their vector, or, of a part, into the room behind all and from there to their places. */
typedef struct landing {
    mu_network        *network;
    const mu_submodel *part; /* NULL: the whole model */
    size_t             count; /* of one vector in the file */
} landing;

static mu_status land(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    (void)err;
    landing *l = self;
    const size_t whole = mu_model_state_count(l->network->model);
    float *room = l->network->delta + (1 + (size_t)l->network->crossing.sent) * whole;
    if (!l->part) {
        memcpy(l->network->delta + first, floats, count * sizeof *floats);
        return MU_OK;
    }
    while (count > 0) {
        size_t vector = first / l->count, at = first % l->count, now = l->count - at < count ? l->count - at : count;
        memcpy(room + at, floats, now * sizeof *floats);
        if (at + now == l->count)
            mu_submodel_scatter(l->part, MU_EXTENT_STATE, room, l->network->delta + vector * whole);
        first += now;
        floats += now;
        count -= now;
    }
    return MU_OK;
}

static mu_status read_floats(mu_network *network, const mu_sent *sent, const Muster__UpdateHead *head, mu_error *err)
{
    landing l = { .network = network };
    mu_status status = mu_starts_part(network->config.starts, sent->kept, &l.part, &l.count, err);
    const uint64_t floats = (1 + (uint64_t)network->crossing.sent) * l.count;
    if (!status && head->floats != floats)
        status = mu_error_set(err, MU_E_SHAPE, "it has %llu floats, and %llu are wanted", (unsigned long long)head->floats, (unsigned long long)floats);
    if (status)
        return status;
    if (l.part)
        memset(network->delta, 0, (1 + (size_t)network->crossing.sent) * mu_model_state_count(network->model) * sizeof(float));
    char name[32];
    snprintf(name, sizeof name, "%llu.blob", (unsigned long long)sent->number);
    char *path = mu_path_join(network->config.updates_folder, name);
    mu_file file = { 0 };
    mu_blob_reader *reader = NULL;
    status = path ? mu_file_map(path, &file, err) : mu_error_set(err, MU_E_MEMORY, "no memory for a path");
    free(path);
    if (status)
        return status;
    status = mu_blob_reader_create(floats, land, &l, &reader, err);
    if (!status) {
        mu_blob_reader_skip_digest(reader); /* it was compared before the file was given its name and acknowledged */
        status = mu_blob_reader_push(reader, file.data, file.size_bytes, err);
    }
    if (!status)
        status = mu_blob_reader_finish(reader, NULL, NULL, err);
    mu_blob_reader_destroy(reader);
    mu_file_unmap(&file);
    return status;
}

static mu_price measured_of(const Muster__Cost *cost)
{
    if (!cost)
        return (mu_price){ 0 };
    return (mu_price){ .download_s = cost->download_s, .compute_s = cost->compute_s, .upload_s = cost->upload_s, .energy_j = cost->energy_j,
                       .bytes_down = cost->bytes_down, .bytes_up = cost->bytes_up, .peak_memory_bytes = cost->peak_memory_bytes };
}

static mu_status understand(mu_network *network, const mu_sent *sent, const Muster__UpdateHead *head, mu_update *out, mu_error *err)
{
    mu_status status = read_floats(network, sent, head, err);
    if (status)
        return status;
    const size_t state_count = mu_model_state_count(network->model), classes = mu_model_classes(network->model);
    bool has_classes = head->classes.len > 0;
    if (has_classes && !mu_wire_flags_from_bits(head->classes.data, head->classes.len, network->classes, classes))
        return mu_error_set(err, MU_E_SHAPE, "its classes are not those of the model");
    network->measured = measured_of(head->cost);
    if (network->measured.peak_memory_bytes > network->peak_memory_bytes && network->measured.peak_memory_bytes < MU_MEASURED_BYTES_MAX)
        network->peak_memory_bytes = network->measured.peak_memory_bytes;
    *out = (mu_update){
        .delta = network->delta, .classes = has_classes ? network->classes : NULL, .count = state_count, .num_examples = head->num_examples,
        .steps = head->steps, .train_loss = head->train_loss, .train_accuracy = head->train_accuracy,
        .train_squared_loss = head->train_squared_loss, .squared_norm = mu_kernels()->squared_norm(state_count, network->delta),
    };
    for (uint32_t i = 0; i < network->crossing.sent; i++)
        out->sent[i] = network->delta + (1 + (size_t)i) * state_count;
    return MU_OK;
}

mu_status mu_network_read_update(mu_network *network, const mu_sent *sent, mu_update *out, mu_error *err)
{
    mu_store_update record;
    bool found = false;
    mu_status status = take_memory(network, err);
    if (!status)
        status = mu_store_find_update(network->config.store, sent->number, &record, &found, err);
    if (status)
        return status;
    if (!found)
        return mu_error_set(err, MU_E_IO, "the store has no update of task %llu", (unsigned long long)sent->number);
    ProtobufCMessage *message;
    status = mu_wire_unpack(&muster__update_head__descriptor, record.head, record.head_bytes, &message, err);
    free((void *)(uintptr_t)record.head);
    if (status)
        return status;
    status = understand(network, sent, (const Muster__UpdateHead *)message, out, err);
    mu_wire_free(message);
    return status;
}
