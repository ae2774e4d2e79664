/* The job, as a device understands it. */
#include "net/agent_job.h"

#include "base/file.h"
#include "net/blob.h"
#include "net/wire.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mu_agent_job_digest(const unsigned char *packed, size_t packed_bytes, char hex[65])
{
    mu_blob_digest digest;
    crypto_generichash(digest.bytes, sizeof digest.bytes, packed, packed_bytes, NULL, 0);
    mu_blob_digest_hex(&digest, hex);
}

/* ---- the model ---- */

static mu_status make_model(const Muster__Job *message, mu_agent_job *job, mu_error *err)
{
    mu_conf *conf = NULL;
    if (!message->input)
        return mu_error_set(err, MU_E_PARSE, "Job: field 'input' is not there");
    mu_shape input = { message->input->height, message->input->width, message->input->channels };
    mu_status status = mu_conf_parse("the job's model", message->model_yaml, strlen(message->model_yaml), &conf, err);
    if (!status)
        status = mu_model_create_layers(mu_conf_root(conf), input, message->classes, &job->model, err);
    mu_conf_destroy(conf);
    if (!status && message->statistic_sets > 1)
        status = mu_model_add_statistics(job->model, message->statistic_sets, err);
    if (!status)
        status = mu_units_create(job->model, &job->units, err);
    return status;
}

static int by_offset(const void *a, const void *b)
{
    const mu_tensor *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

static bool is_tensor(const mu_tensor *ours, const Muster__Tensor *theirs)
{
    uint64_t count = 1;
    for (size_t i = 0; i < theirs->n_shape; i++)
        count *= theirs->shape[i]; /* as many as MU_LIMIT_MODEL_RANK: what overflows is none of ours */
    return strcmp(ours->name, theirs->name) == 0 && ours->rank == theirs->n_shape && ours->count == count && ours->trainable == !theirs->statistic;
}

/* Both sides must read the same floats in the state vector: tensor by tensor, in its order. */
static mu_status check_tensors(const Muster__Job *message, const mu_model *model, mu_error *err)
{
    size_t count = mu_model_tensor_count(model);
    if (message->state_count != mu_model_state_count(model) || message->parameter_count != mu_model_param_count(model) || message->n_tensors != count)
        return mu_error_set(err, MU_E_SHAPE, "the coordinator's model has %llu parameters and %llu numbers in %zu tensors, but here its text gives %zu, %zu "
                            "and %zu: another version of muster?", (unsigned long long)message->parameter_count,
                            (unsigned long long)message->state_count, message->n_tensors, mu_model_param_count(model), mu_model_state_count(model), count);
    const mu_tensor **ours = calloc(count, sizeof *ours);
    if (!ours)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a list of %zu tensors", count);
    for (size_t i = 0; i < count; i++)
        ours[i] = mu_model_tensor(model, i);
    qsort(ours, count, sizeof *ours, by_offset);
    mu_status status = MU_OK;
    for (size_t i = 0; i < count && !status; i++)
        if (!is_tensor(ours[i], message->tensors[i]))
            status = mu_error_set(err, MU_E_SHAPE, "tensor %zu of the coordinator's model is '%s', but here it is '%s' of %zu numbers: another version of "
                                  "muster?", i, message->tensors[i]->name, ours[i]->name, ours[i]->count);
    free(ours);
    return status;
}

/* ---- the method's half ---- */

static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 128;
}

/* `path`: where the options would stand, beside which names of files are sought. */
static mu_status put_files(const Muster__Job *message, const char *folder, char **path, mu_error *err)
{
    mu_status status = mu_folder_make(folder, err);
    for (size_t i = 0; i < message->n_files && !status; i++) {
        const Muster__NamedFile *file = message->files[i];
        char *at = is_plain_name(file->name) ? mu_path_join(folder, file->name) : NULL;
        if (at)
            status = mu_file_write(at, file->content.data, file->content.len, err);
        else
            status = mu_error_set(err, MU_E_PARSE, "Job: '%s' cannot be a file's name", file->name);
        free(at);
    }
    if (!status && !(*path = mu_path_join(folder, "how.yaml")))
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the options of method '%s'", message->how_method);
    return status;
}

static mu_status read_options(const Muster__Job *message, mu_agent_job *job, mu_error *err)
{
    const mu_method *method = job->method;
    mu_status status = mu_conf_parse("the job's method", message->how_yaml, strlen(message->how_yaml), &job->options, err);
    if (status)
        return status;
    job->state = calloc(1, method->state_bytes ? method->state_bytes : 1);
    if (!job->state)
        return mu_error_set(err, MU_E_MEMORY, "no memory for method '%s'", method->name);
    status = mu_options_read(method->options, method->option_count, mu_conf_root(job->options), NULL, "the job's method", job->state, err);
    return status || !method->check ? status : method->check(job->state, err);
}

static mu_status make_method(const Muster__Job *message, const char *folder, mu_agent_job *job, mu_error *err)
{
    char *path = NULL;
    job->method = mu_method_named(message->how_method);
    if (!job->method || !mu_method_answers(job->method, MU_HOW))
        return mu_error_set(err, MU_E_UNSUPPORTED, "devices are to train by method '%s', which this build %s", message->how_method,
                            job->method ? "has no training in" : "does not have");
    mu_status status = read_options(message, job, err);
    if (!status)
        status = put_files(message, folder, &path, err);
    if (!status && job->method->prepare)
        status = job->method->prepare(job->state, job->model, job->units, path, err);
    free(path);
    if (status)
        return mu_error_prefix(err, status, "method %s: ", message->how_method);
    if (job->method->vectors)
        job->vectors = job->method->vectors(job->state);
    if (job->vectors.received != message->vectors_received || job->vectors.own != message->vectors_own || job->vectors.sent != message->vectors_sent)
        return mu_error_set(err, MU_E_SHAPE, "method %s receives, keeps and sends %u, %u and %u vectors here, but %u, %u and %u at the coordinator's: another "
                            "version of muster?", job->method->name, job->vectors.received, job->vectors.own, job->vectors.sent,
                            message->vectors_received, message->vectors_own, message->vectors_sent);
    return MU_OK;
}

/* ---- all of it ---- */

static mu_status read_message(const Muster__Job *message, const char *folder, const mu_data *data, mu_agent_job *job, mu_error *err)
{
    job->seed = message->seed;
    mu_status status = make_model(message, job, err);
    if (!status)
        status = check_tensors(message, job->model, err);
    if (!status)
        status = mu_data_check_own(data, job->model, err);
    return status ? status : make_method(message, folder, job, err);
}

mu_status mu_agent_job_read(const unsigned char *packed, size_t packed_bytes, const char *folder, const mu_data *data, mu_agent_job *out, mu_error *err)
{
    ProtobufCMessage *message = NULL;
    mu_agent_job job = { 0 };
    mu_status status = mu_wire_unpack(&muster__job__descriptor, packed, packed_bytes, &message, err);
    if (!status)
        status = read_message((const Muster__Job *)message, folder, data, &job, err);
    mu_wire_free(message);
    if (status) {
        mu_agent_job_release(&job);
        return status;
    }
    *out = job;
    return MU_OK;
}

void mu_agent_job_release(mu_agent_job *job)
{
    mu_units_destroy(job->units);
    mu_model_destroy(job->model);
    free(job->state);
    mu_conf_destroy(job->options);
    *job = (mu_agent_job){ 0 };
}
