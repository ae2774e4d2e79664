/* A look at a model on the device's own examples: loss and accuracy, or batch norms' statistics found anew; answered with one signed message. Nothing is trained, and
 * nothing is kept: one that was cut off is done again, or is over. */
#include "net/agent.h"

#include "base/clock.h"
#include "muster/arena.h"
#include "net/blob.h"
#include "nn/step.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct looking {
    mu_agent    *agent;
    uint32_t     part_of_data;
    mu_submodel *part;    /* of the model; NULL: the whole */
    float       *state;   /* [state_count] */
    float       *found;   /* [statistics of all sets], and of the part behind them */
    bool        *classes; /* NULL: all count */
    double       began_s, beat_at_s;
    bool         is_over; /* nobody wants it any more */
    mu_status    failed;  /* what ends the agent */
    mu_error     error;
    uint32_t      examples;
    mu_evaluation evaluation;
} looking;

/* ---- what it looks at ---- */

/* A word to the coordinator between two mini-batches. The look itself goes on to its end: it is short beside a training. */
static void beat(looking *l)
{
    Muster__Polled *polled = NULL;
    mu_agent *agent = l->agent;
    char why[256];
    if (mu_agent_limits_allow(&agent->limits, MU_AGENT_SENDS, mu_clock_local_minute(), why, sizeof why))
        l->failed = mu_agent_poll(agent, 0, true, &polled, &l->error);
    if (polled) {
        l->is_over = polled->finished || mu_agent_is_in(agent->work.task.id, polled->cancelled, polled->n_cancelled);
        mu_wire_free(&polled->base);
    }
    l->beat_at_s = mu_clock_monotonic_s() + mu_agent_beat_every_s(agent);
}

static void read_examples(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    looking *l = (looking *)(uintptr_t)self;
    if (!l->failed && !l->is_over && mu_clock_monotonic_s() >= l->beat_at_s)
        beat(l);
    mu_data_read(l->agent->config->data, l->part_of_data, indices, count, x, labels);
}

static mu_status find_classes(looking *l, mu_error *err)
{
    const mu_data *data = l->agent->config->data;
    const uint32_t classes = mu_model_classes(l->agent->job.model), here = mu_data_classes(data);
    uint32_t *counts = calloc(here + 1, sizeof *counts);
    l->classes = calloc(classes + 1, sizeof *l->classes);
    if (!counts || !l->classes) {
        free(counts);
        return mu_error_set(err, MU_E_MEMORY, "no memory for a list of %u classes", classes);
    }
    mu_data_label_counts(data, l->part_of_data, counts);
    for (uint32_t c = 0; c < classes && c < here; c++)
        l->classes[c] = counts[c] > 0;
    free(counts);
    return MU_OK;
}

/* The part's floats into their places; what the part leaves out stays 0, and is not looked at. */
static mu_status read_start(looking *l, mu_error *err)
{
    const mu_wire_task *task = &l->agent->work.task;
    char path[MU_AGENT_PATH_BYTES];
    mu_blob_digest digest;
    bool is_digest = mu_blob_digest_from_hex(task->start_digest, &digest);
    MU_ASSERT(is_digest); /* mu_wire_parse_task has looked */
    mu_agent_folder_name(l->agent->folder, "start", path);
    if (!l->part)
        return mu_blob_read_file(path, &digest, l->state, task->start_floats, err);
    float *floats = malloc(task->start_floats * sizeof *floats);
    if (!floats)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the %llu numbers of the model's part", (unsigned long long)task->start_floats);
    mu_status status = mu_blob_read_file(path, &digest, floats, task->start_floats, err);
    if (!status)
        mu_submodel_scatter(l->part, MU_EXTENT_STATE, floats, l->state);
    free(floats);
    return status;
}

/* Within the owner's limit, or it is given back. */
static mu_status check_memory(const looking *l, mu_error *err)
{
    const mu_agent *agent = l->agent;
    mu_step_config config = mu_step_config_default();
    mu_arena arena = mu_arena_measuring();
    mu_step *step;
    config.training = agent->work.task.look.statistics;
    config.batch_size = l->examples < MU_STATISTICS_BATCH ? l->examples : MU_STATISTICS_BATCH;
    mu_status status = mu_step_plan(l->part ? mu_submodel_model(l->part) : agent->job.model, &config, &arena, &step, err);
    if (!status && agent->config->memory_bytes && arena.used_bytes > agent->config->memory_bytes)
        status = mu_error_set(err, MU_E_MEMORY, "a look takes %zu bytes of memory, and the device gives %llu", arena.used_bytes,
                              (unsigned long long)agent->config->memory_bytes);
    return status;
}

static mu_status get_ready(looking *l, mu_error *err)
{
    mu_agent *agent = l->agent;
    const mu_model *model = agent->job.model;
    const size_t count = mu_model_state_count(model), statistics = count - mu_model_param_count(model);
    l->state = calloc(count, sizeof *l->state);
    l->found = malloc((2 * statistics + 1) * sizeof *l->found);
    if (!l->state || !l->found)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the %zu numbers of the model", count);
    mu_status status = agent->work.task.plan.kept ? mu_submodel_create(agent->job.units, &l->part, err) : MU_OK;
    if (!status && l->part)
        status = mu_submodel_form(l->part, agent->work.task.plan.kept, err);
    if (!status)
        status = check_memory(l, err);
    if (!status && agent->work.task.look.own_classes)
        status = find_classes(l, err);
    if (!status && !agent->trainer)
        status = mu_trainer_create(model, agent->job.units, &agent->trainer, err);
    return status;
}

static mu_status look(looking *l, mu_error *err)
{
    const mu_agent *agent = l->agent;
    const mu_wire_look *asked = &agent->work.task.look;
    const bool *kept = agent->work.task.plan.kept;
    const mu_examples examples = { .self = l, .count = mu_data_num_examples(agent->config->data, l->part_of_data), .read = read_examples };
    l->beat_at_s = l->began_s + mu_agent_beat_every_s(agent);
    if (asked->statistics)
        return mu_trainer_statistics(agent->trainer, kept, asked->statistic_set, &examples, 0, l->examples, MU_STATISTICS_BATCH, l->state, l->found, err);
    return mu_trainer_evaluate_part(agent->trainer, kept, asked->statistic_set, l->classes, &examples, 0, l->examples, l->state, &l->evaluation, err);
}

/* ---- the answer ---- */

/* That set of the part's statistics as they cross. */
static void pack_statistics(const looking *l, ProtobufCBinaryData *out)
{
    const mu_agent *agent = l->agent;
    const mu_model *whole = agent->job.model, *model = l->part ? mu_submodel_model(l->part) : whole;
    const size_t all = mu_model_state_count(model) - mu_model_param_count(model), set = all / mu_model_statistic_sets(model);
    float *own = l->found;
    if (l->part) {
        own = l->found + (mu_model_state_count(whole) - mu_model_param_count(whole));
        mu_submodel_gather(l->part, MU_EXTENT_STATISTICS_ALONE, l->found, own);
    }
    const float *first = own + agent->work.task.look.statistic_set * set;
    unsigned char *bytes = out->data;
    out->len = set * sizeof(float);
    for (size_t i = 0; i < set; i++) {
        uint32_t bits;
        memcpy(&bits, &first[i], sizeof bits);
        for (int k = 0; k < 4; k++)
            bytes[4 * i + (size_t)k] = (unsigned char)(bits >> 8 * k);
    }
}

static mu_status pack_answer(const looking *l, unsigned char *statistics, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    const mu_agent *agent = l->agent;
    const mu_wire_task *task = &agent->work.task;
    unsigned char signature[MU_WIRE_SIGNATURE_BYTES], digest[MU_BLOB_DIGEST_BYTES], *packed;
    mu_blob_digest start;
    size_t packed_bytes;
    Muster__LookedHead head;
    Muster__Looked message;
    muster__looked_head__init(&head);
    muster__looked__init(&message);
    mu_blob_digest_from_hex(task->start_digest, &start);
    head.task = task->id;
    head.device = agent->identity.device;
    head.start = (ProtobufCBinaryData){ sizeof start.bytes, start.bytes };
    head.num_examples = l->examples;
    head.loss_sum = l->evaluation.loss_sum;
    head.correct = l->evaluation.correct;
    head.count = l->evaluation.count;
    message.statistics.data = statistics;
    if (task->look.statistics) {
        pack_statistics(l, &message.statistics);
        crypto_generichash(digest, sizeof digest, statistics, message.statistics.len, NULL, 0);
        head.statistics = (ProtobufCBinaryData){ sizeof digest, digest };
    }
    mu_status status = mu_wire_pack(&head.base, &packed, &packed_bytes, err);
    if (status)
        return status;
    status = mu_wire_sign(MU_WIRE_LOOKED, packed, packed_bytes, agent->identity.secret_key, signature, err);
    if (!status) {
        message.head = (ProtobufCBinaryData){ packed_bytes, packed };
        message.signature = (ProtobufCBinaryData){ sizeof signature, signature };
        status = mu_wire_pack(&message.base, bytes, size_bytes, err);
    }
    free(packed);
    return status;
}

static mu_status answer(looking *l, mu_error *err)
{
    mu_agent *agent = l->agent;
    const size_t statistics = mu_model_state_count(agent->job.model) - mu_model_param_count(agent->job.model);
    unsigned char *bytes = NULL, *room = malloc(statistics * sizeof(float) + 1);
    char path[64];
    mu_client_request request = { .path = path };
    mu_client_answer said;
    bool granted = false;
    if (!room)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %zu statistics", statistics);
    snprintf(path, sizeof path, "/v1/tasks/%llu/looked", (unsigned long long)agent->work.task.id);
    mu_status status = pack_answer(l, room, &bytes, &request.body_bytes, err);
    free(room);
    if (status)
        return status;
    request.body = bytes;
    const double seconds = mu_clock_monotonic_s() - l->began_s;
    status = mu_agent_ask(agent, &request, MU_AGENT_SENDS, &said, &granted, err);
    mu_client_answer_release(&said);
    free(bytes);
    if (status)
        return status;
    if (granted)
        mu_agent_tell(agent, MU_JOIN_LOOKED, &(mu_join_event){ .loss = l->evaluation.count ? l->evaluation.loss_sum / (double)l->evaluation.count : NAN,
                                                               .seconds = seconds, .steps = l->examples });
    else
        mu_agent_say(agent, MU_JOIN_CANCELLED, "%s", err->message);
    return mu_agent_work_drop(agent, err);
}

/* ---- all of it ---- */

static mu_status do_look(looking *l, mu_error *err)
{
    mu_agent *agent = l->agent;
    mu_status status = get_ready(l, err);
    if (!status) {
        status = read_start(l, err);
        if (status == MU_E_CHECKSUM || status == MU_E_PARSE)
            return mu_agent_folder_remove(agent->folder, "start", err); /* it is fetched again */
    }
    if (status == MU_E_IO)
        return status;
    if (!status)
        status = look(l, err);
    if (l->failed) {
        *err = l->error;
        return l->failed;
    }
    if (status) { /* too much for this device */
        char reason[sizeof err->message];
        memcpy(reason, err->message, sizeof reason);
        return mu_agent_work_fail(agent, reason, err);
    }
    if (mu_agent_is_stopped(agent))
        return mu_error_set(err, MU_E_INTERRUPTED, "stopped while it looked at a model; the folder %s has what is needed to go on", agent->config->folder);
    if (!l->is_over)
        return answer(l, err);
    mu_agent_say(agent, MU_JOIN_CANCELLED, "nobody waits for it any more");
    return mu_agent_work_drop(agent, err);
}

mu_status mu_agent_look(mu_agent *agent, mu_error *err)
{
    const mu_join_config *config = agent->config;
    looking l = { .agent = agent, .began_s = mu_clock_monotonic_s(), .part_of_data = config->part == MU_JOIN_OWN_PART ? agent->identity.device : config->part };
    const uint32_t own = mu_data_num_examples(config->data, l.part_of_data), asked = agent->work.task.look.examples;
    char why[256];
    l.examples = asked && asked < own ? asked : own;
    /* Whoever waits for it does not wait for the evening. */
    if (!mu_agent_limits_allow(&agent->limits, MU_AGENT_TRAINS, mu_clock_local_minute(), why, sizeof why))
        return mu_agent_work_fail(agent, why, err);
    if (l.examples == 0)
        return mu_agent_work_fail(agent, "the device has no examples", err);
    mu_status status = do_look(&l, err);
    mu_submodel_destroy(l.part);
    free(l.classes);
    free(l.found);
    free(l.state);
    return status;
}
