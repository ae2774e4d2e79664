/* The update: written, signed, sent until it is acknowledged. */
#include "net/agent.h"

#include "base/limits.h"
#include "net/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- writing ---- */

/* The change of the plan's part: a vector of its own, in `*own`, where the plan leaves something out. */
static mu_status part_of_change(const mu_agent *agent, const float *delta, float **own, const float **out, mu_error *err)
{
    const mu_plan *plan = &agent->work.task.plan;
    mu_submodel *part;
    *own = NULL;
    *out = delta;
    if (!plan->kept)
        return MU_OK;
    mu_status status = mu_submodel_create(agent->job.units, &part, err);
    if (status)
        return status;
    status = mu_submodel_form(part, plan->kept, err);
    if (!status && !(*own = malloc(agent->work.part_count * sizeof **own)))
        status = mu_error_set(err, MU_E_MEMORY, "no memory for an update of %zu numbers", agent->work.part_count);
    if (!status)
        mu_submodel_gather(part, MU_EXTENT_STATE, delta, *own);
    mu_submodel_destroy(part);
    *out = *own;
    return status;
}

static mu_status write_blob(const mu_agent *agent, const float *change, float *const *sent, Muster__UpdateHead *head, mu_blob_digest *digest, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    mu_blob_part parts[1 + MU_VECTORS_MAX] = { { change, agent->work.part_count } };
    size_t count = 1;
    head->floats = agent->work.part_count;
    for (uint32_t i = 0; i < agent->job.vectors.sent; i++) {
        parts[count++] = (mu_blob_part){ sent[i], mu_model_state_count(agent->job.model) };
        head->floats += mu_model_state_count(agent->job.model);
    }
    mu_agent_folder_name(agent->folder, "update.blob", path);
    mu_status status = mu_blob_write_file(path, parts, count, MU_BLOB_ZSTD, digest, &head->blob_bytes, err);
    head->digest = (ProtobufCBinaryData){ sizeof digest->bytes, digest->bytes };
    return status;
}

static mu_status sign_and_put(const mu_agent *agent, const Muster__UpdateHead *head, mu_error *err)
{
    unsigned char signature[MU_WIRE_SIGNATURE_BYTES], *bytes = NULL, *all = NULL;
    size_t size_bytes, all_bytes;
    Muster__SignedUpdate update = MUSTER__SIGNED_UPDATE__INIT;
    mu_status status = mu_wire_pack(&head->base, &bytes, &size_bytes, err);
    if (!status)
        status = mu_wire_sign(MU_WIRE_UPDATE, bytes, size_bytes, agent->identity.secret_key, signature, err);
    if (!status) {
        update.head = (ProtobufCBinaryData){ size_bytes, bytes };
        update.signature = (ProtobufCBinaryData){ sizeof signature, signature };
        status = mu_wire_pack(&update.base, &all, &all_bytes, err);
    }
    if (!status)
        status = mu_agent_folder_put(agent->folder, "update", &(mu_agent_piece){ all, all_bytes }, 1, err);
    free(all);
    free(bytes);
    return status;
}

mu_status mu_agent_write_update(mu_agent *agent, const mu_update *update, float *const *sent, mu_error *err)
{
    const mu_agent_cost *spent = &agent->work.cost;
    const uint32_t classes = update->classes ? mu_model_classes(agent->job.model) : 0;
    Muster__UpdateHead head = MUSTER__UPDATE_HEAD__INIT;
    Muster__Cost cost = MUSTER__COST__INIT;
    mu_blob_digest digest;
    const float *change;
    float *own;
    unsigned char *bits = calloc(1, (classes + 7) / 8 + 1);
    if (!bits)
        return mu_error_set(err, MU_E_MEMORY, "no memory for an update");
    if (classes)
        mu_wire_bits_from_flags(update->classes, classes, bits);
    head.task = agent->work.task.id;
    head.device = agent->identity.device;
    head.num_examples = update->num_examples;
    head.steps = update->steps;
    head.train_loss = update->train_loss;
    head.train_accuracy = update->train_accuracy;
    head.train_squared_loss = update->train_squared_loss;
    head.classes = (ProtobufCBinaryData){ (classes + 7) / 8, bits };
    head.cost = &cost;
    mu_status status = part_of_change(agent, update->delta, &own, &change, err);
    if (!status)
        status = write_blob(agent, change, sent, &head, &digest, err);
    cost.download_s = spent->download_s;
    cost.compute_s = spent->compute_s;
    cost.peak_memory_bytes = spent->peak_memory_bytes;
    cost.energy_j = spent->energy_j;
    cost.bytes_down = spent->bytes_down;
    cost.bytes_up = head.blob_bytes;
    if (!status)
        status = sign_and_put(agent, &head, err);
    agent->work.is_finished = !status;
    free(own);
    free(bits);
    return status;
}

/* ---- sending ---- */

typedef struct sending {
    char           path[96];
    unsigned char *head; /* a SignedUpdate */
    size_t         head_bytes;
    int            fd;   /* of the blob */
    uint64_t       blob_bytes, sent_bytes;
    uint64_t       have_bytes; /* at the coordinator */
    bool           is_complete, is_over;
    bool           is_late; /* it is over because nobody waits for it any more: it may have been merged */
} sending;

static mu_status open_update(mu_agent *agent, sending *s, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    snprintf(s->path, sizeof s->path, "/v1/tasks/%llu/update", (unsigned long long)agent->work.task.id);
    mu_status status = mu_agent_folder_get(agent->folder, "update", MU_LIMIT_MESSAGE_BYTES, &s->head, &s->head_bytes, err);
    if (status)
        return status;
    mu_agent_folder_name(agent->folder, "update.blob", path);
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t end = s->fd < 0 ? -1 : lseek(s->fd, 0, SEEK_END);
    if (!s->head || end < 0)
        return mu_error_set(err, MU_E_IO, "%s: the update that is to be sent cannot be read: %s", path, strerror(errno));
    s->blob_bytes = (uint64_t)end;
    return MU_OK;
}

static void read_state(sending *s, const mu_client_answer *answer)
{
    ProtobufCMessage *message = NULL;
    if (mu_wire_unpack(&muster__update_state__descriptor, answer->body, answer->body_bytes, &message, NULL))
        return; /* then it is asked again */
    const Muster__UpdateState *state = (const Muster__UpdateState *)message;
    s->is_complete = state->complete;
    s->have_bytes = state->have_bytes;
    mu_wire_free(message);
}

/* Say what comes, and learn how much of it is there. */
static mu_status announce(mu_agent *agent, sending *s, mu_error *err)
{
    mu_client_request request = { .path = s->path, .body = s->head, .body_bytes = s->head_bytes };
    mu_client_answer answer;
    bool granted;
    s->have_bytes = s->blob_bytes;
    mu_status status = mu_agent_ask(agent, &request, MU_AGENT_SENDS, &answer, &granted, err);
    if (!status && granted)
        read_state(s, &answer);
    s->is_over = !status && !granted;
    s->is_late = s->is_over && answer.status == 410;
    mu_client_answer_release(&answer);
    return status;
}

/* Whether it went well or not is found out by announcing it again, unless the answer says that it is over, or complete. */
static mu_status send_rest(mu_agent *agent, sending *s, mu_error *err)
{
    char path[128];
    mu_client_answer answer;
    mu_agent_reply reply;
    snprintf(path, sizeof path, "%s?offset=%llu", s->path, (unsigned long long)s->have_bytes);
    mu_client_request request = { .path = path, .upload = s->fd, .upload_first = s->have_bytes, .upload_bytes = s->blob_bytes };
    mu_status status = mu_agent_ask_once(agent, &request, &answer, &reply, err);
    s->sent_bytes += answer.sent_bytes;
    bool is_out_of_step = answer.status == 409 || answer.status == 404; /* another offset is wanted, or the announcement was lost */
    bool is_late = answer.status == 410;
    double again_s = answer.again_s;
    if (!status && reply == MU_AGENT_GRANTED)
        read_state(s, &answer);
    mu_client_answer_release(&answer);
    s->is_over = !status && reply == MU_AGENT_REFUSED && !is_out_of_step;
    s->is_late = s->is_over && is_late;
    if (!status && !s->is_complete && !s->is_over)
        status = mu_agent_back_off(agent, reply == MU_AGENT_LATER ? again_s : 0, err);
    return status;
}

static mu_status send(mu_agent *agent, sending *s, mu_error *err)
{
    mu_status status = announce(agent, s, err);
    while (!status && !s->is_complete && !s->is_over) {
        if (s->have_bytes < s->blob_bytes)
            status = send_rest(agent, s, err);
        else
            status = mu_agent_back_off(agent, 0, err); /* all is there, and yet it is not complete */
        if (!status && !s->is_complete && !s->is_over)
            status = announce(agent, s, err);
    }
    return status;
}

mu_status mu_agent_send(mu_agent *agent, mu_error *err)
{
    sending s = { .fd = -1 };
    mu_status status = open_update(agent, &s, err);
    if (!status)
        status = send(agent, &s, err);
    if (s.fd >= 0)
        close(s.fd);
    free(s.head);
    if (status)
        return status;
    if (s.is_over) {
        mu_agent_say(agent, MU_JOIN_CANCELLED, "%s", err->message);
        /* The word that it was acknowledged may have been lost, and it may have been merged since: then the device will be told. */
        status = s.is_late ? mu_agent_own_expect(agent, agent->work.task.id, err) : MU_OK;
        return status ? status : mu_agent_work_drop(agent, err);
    }
    mu_agent_tell(agent, MU_JOIN_SENT, &(mu_join_event){ .loss = NAN, .bytes = s.sent_bytes });
    return mu_agent_acknowledged(agent, err);
}

mu_status mu_agent_acknowledged(mu_agent *agent, mu_error *err)
{
    agent->tasks_done++;
    mu_status status = mu_agent_own_expect(agent, agent->work.task.id, err);
    return status ? status : mu_agent_work_drop(agent, err);
}
