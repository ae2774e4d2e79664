/* The job, made from an experiment. */
#include "net/job.h"

#include "base/file.h"
#include "net/wire.h"

#include <stdlib.h>
#include <string.h>

/* ---- tensors, as they lie in the state vector ---- */

typedef struct placed {
    Muster__Tensor message;
    size_t         offset;
    uint32_t       shape[4];
} placed;

static int by_offset(const void *a, const void *b)
{
    size_t x = ((const placed *)a)->offset, y = ((const placed *)b)->offset;
    return (x > y) - (x < y);
}

/* The shape in C order as it lies here. */
static void shape_here(const mu_tensor *tensor, uint32_t shape[4])
{
    const uint32_t *theirs = tensor->shape, rank = tensor->rank;
    memcpy(shape, theirs, sizeof tensor->shape);
    if (tensor->layout == MU_LAYOUT_DENSE) {
        shape[0] = theirs[1];
        shape[1] = theirs[0];
    } else if (tensor->layout == MU_LAYOUT_CONV) {
        for (uint32_t i = 2; i < rank; i++)
            shape[i - 2] = theirs[i];
        shape[rank - 2] = theirs[1];
        shape[rank - 1] = theirs[0];
    }
}

static mu_status list_tensors(const mu_model *model, placed **places, Muster__Tensor ***list, mu_error *err)
{
    size_t count = mu_model_tensor_count(model);
    placed *all = *places = calloc(count, sizeof *all);
    *list = calloc(count, sizeof **list);
    if (!all || !*list)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a list of %zu tensors", count);
    for (size_t i = 0; i < count; i++) {
        const mu_tensor *tensor = mu_model_tensor(model, i);
        muster__tensor__init(&all[i].message);
        all[i].offset = tensor->offset;
        shape_here(tensor, all[i].shape);
        all[i].message.name = (char *)(uintptr_t)tensor->name;
        all[i].message.n_shape = tensor->rank;
        all[i].message.statistic = !tensor->trainable;
    }
    qsort(all, count, sizeof *all, by_offset);
    for (size_t i = 0; i < count; i++) {
        all[i].message.shape = all[i].shape; /* only now do they stay where they are */
        (*list)[i] = &all[i].message;
    }
    return MU_OK;
}

/* ---- the device's half of a method ---- */

#define FILES_MAX 8

/* Files that options name, and the options with those names alone. */
typedef struct half {
    mu_conf           *options;
    char              *yaml;
    mu_file            maps[FILES_MAX];
    Muster__NamedFile  messages[FILES_MAX], *list[FILES_MAX];
    size_t             count;
} half;

static void release_half(half *h)
{
    for (size_t i = 0; i < h->count; i++)
        mu_file_unmap(&h->maps[i]);
    free(h->yaml);
    mu_conf_destroy(h->options);
}

static mu_status add_file(half *h, const mu_option *option, const char *path, mu_error *err)
{
    if (h->count == FILES_MAX)
        return mu_error_set(err, MU_E_LIMIT, "the options of a method name more than %d files", FILES_MAX);
    mu_status status = mu_file_map(path, &h->maps[h->count], err);
    if (status)
        return status;
    Muster__NamedFile *message = h->list[h->count] = &h->messages[h->count];
    muster__named_file__init(message);
    message->name = (char *)(uintptr_t)option->name; /* the option's own: no two files are called alike */
    message->content.data = (uint8_t *)(uintptr_t)h->maps[h->count].data;
    message->content.len = h->maps[h->count].size_bytes;
    h->count++;
    return mu_conf_put(h->options, mu_conf_root(h->options), option->name, option->name, err);
}

static mu_status pack_half(const mu_method *method, const void *state, half *h, mu_error *err)
{
    mu_status status = mu_conf_parse("options", "", 0, &h->options, err);
    if (!status)
        status = mu_options_write(method->options, method->option_count, state, h->options, mu_conf_root(h->options), err);
    for (size_t i = 0; i < method->option_count && !status; i++) {
        const mu_option *option = &method->options[i];
        const char *text = option->kind == MU_OPTION_TEXT ? *(const char *const *)((const char *)state + option->offset) : NULL;
        if (text && text[0] == '/')
            status = add_file(h, option, text, err);
    }
    h->yaml = status ? NULL : mu_conf_write(mu_conf_root(h->options));
    return status || h->yaml ? status : mu_error_set(err, MU_E_MEMORY, "no memory for the options of method '%s'", method->name);
}

/* ---- all of it ---- */

static mu_status pack(const mu_experiment *experiment, const half *h, char *model_yaml, Muster__Tensor **tensors, unsigned char **bytes,
                      size_t *size_bytes, mu_error *err)
{
    const mu_federation_config *config = mu_experiment_config(experiment);
    const mu_model *model = config->model;
    mu_answer how = config->answers[MU_HOW];
    mu_vectors vectors = how.method->vectors ? how.method->vectors(how.state) : (mu_vectors){ 0 };
    mu_shape input = mu_model_input(model);
    Muster__Shape shape;
    muster__shape__init(&shape);
    shape.height = input.height;
    shape.width = input.width;
    shape.channels = input.channels;
    Muster__Job job;
    muster__job__init(&job);
    job.model_yaml = model_yaml;
    job.input = &shape;
    job.classes = mu_model_classes(model);
    job.targets = mu_model_targets(model);
    job.symbols = mu_model_symbols(model);
    job.state_count = mu_model_state_count(model);
    job.parameter_count = mu_model_param_count(model);
    job.n_tensors = mu_model_tensor_count(model);
    job.tensors = tensors;
    job.statistic_sets = mu_model_statistic_sets(model);
    job.seed = config->seed;
    job.how_method = (char *)(uintptr_t)how.method->name;
    job.how_yaml = h->yaml;
    job.n_files = h->count;
    job.files = (Muster__NamedFile **)(uintptr_t)h->list;
    job.vectors_received = vectors.received;
    job.vectors_own = vectors.own;
    job.vectors_sent = vectors.sent;
    return mu_wire_pack(&job.base, bytes, size_bytes, err);
}

mu_status mu_job_pack(const mu_experiment *experiment, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    const mu_federation_config *config = mu_experiment_config(experiment);
    half h = { 0 };
    char *model_yaml = NULL;
    placed *places = NULL;
    Muster__Tensor **tensors = NULL;
    mu_status status = mu_model_write(config->model, &model_yaml, err);
    if (!status)
        status = list_tensors(config->model, &places, &tensors, err);
    if (!status)
        status = pack_half(config->answers[MU_HOW].method, config->answers[MU_HOW].state, &h, err);
    if (!status)
        status = pack(experiment, &h, model_yaml, tensors, bytes, size_bytes, err);
    release_half(&h);
    free(tensors);
    free(places);
    free(model_yaml);
    return status;
}
