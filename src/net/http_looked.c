/* What a look at a model came to: one signed message, small enough to be checked at once. It is put on the desk and not kept: a coordinator that was restarted asks
 * again. */
#include "net/http_internal.h"

#include "base/limits.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Is it signed, of this device, and of this task's model? */
static bool is_genuine(mu_http_request *request, const Muster__Looked *message, const Muster__LookedHead *head, const mu_desk_task_info *info)
{
    mu_blob_digest start;
    if (head->task != request->task || !info->looks)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "the head is of task %llu; expected that of the address, task %llu, and a task that looks",
                       (unsigned long long)head->task, (unsigned long long)request->task);
    else if (head->device != request->device)
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "not-your-task", 0, "the head is of device %u, and the session of device %u", head->device, request->device);
    else if (!mu_wire_is_signed(MU_WIRE_LOOKED, message->head.data, message->head.len, request->public_key, message->signature.data, message->signature.len))
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "bad-signature", 0, "the head is not signed by the key of device %u", request->device);
    else if (*info->start_digest_hex && (!mu_blob_digest_from_hex(info->start_digest_hex, &start) || memcmp(start.bytes, head->start.data, sizeof start.bytes)))
        mu_http_task_reject(request, "not-acceptable", "another model was looked at than was asked for");
    return !request->status;
}

/* The floats that were asked for, malloc'ed. NULL: no memory, or *wrong says what is wrong. */
static float *read_statistics(const Muster__Looked *message, const Muster__LookedHead *head, uint64_t wanted, const char **wrong)
{
    unsigned char digest[MU_BLOB_DIGEST_BYTES];
    const ProtobufCBinaryData *bytes = &message->statistics;
    *wrong = NULL;
    if (bytes->len != wanted * sizeof(float) || head->statistics.len != sizeof digest)
        *wrong = "there is another number of statistics than the task asks for";
    else if (crypto_generichash(digest, sizeof digest, bytes->data, bytes->len, NULL, 0), memcmp(digest, head->statistics.data, sizeof digest))
        *wrong = "the statistics are not those that were signed";
    float *floats = *wrong ? NULL : malloc(bytes->len);
    for (uint64_t i = 0; floats && !*wrong && i < wanted; i++) {
        const unsigned char *at = bytes->data + i * sizeof(float);
        const uint32_t bits = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        memcpy(&floats[i], &bits, sizeof bits);
        if (!isfinite(floats[i]))
            *wrong = "a statistic is not finite";
    }
    if (floats && *wrong) {
        free(floats);
        floats = NULL;
    }
    return floats;
}

/* NULL: it may count. */
static const char *wrong_head(const mu_http_request *request, const Muster__Looked *message, const Muster__LookedHead *head, const mu_desk_look *look)
{
    const uint32_t most = request->num_examples && request->num_examples < look->examples_most ? request->num_examples : look->examples_most;
    if (head->num_examples == 0 || head->num_examples > most)
        return "another number of examples was looked at than the task asks for and the device has reported";
    if (look->statistics)
        return head->count || head->correct ? "predictions were counted, and statistics were asked for" : NULL;
    if (message->statistics.len || head->statistics.len)
        return "there are statistics that nobody has asked for";
    if (head->count != (uint64_t)head->num_examples * look->targets || head->correct > head->count)
        return "the predictions are not as many as the examples have, or more of them are right than there are";
    return NULL;
}

static void take(mu_http_request *request, const Muster__Looked *message, const Muster__LookedHead *head, const mu_desk_look *look)
{
    const char *wrong = wrong_head(request, message, head, look);
    mu_desk_looked looked = { .num_examples = head->num_examples, .loss_sum = head->loss_sum, .correct = head->correct, .count = head->count };
    if (!wrong && look->statistics)
        looked.statistics = read_statistics(message, head, look->statistics, &wrong);
    if (wrong)
        mu_http_task_reject(request, "not-acceptable", wrong);
    else if (look->statistics && !looked.statistics)
        mu_http_refuse_trouble(request, &(mu_error){ .status = MU_E_MEMORY });
    else {
        mu_desk_has_looked(request->http->config.desk, request->task, &looked);
        mu_http_answer_nothing(request);
    }
}

/* One that is in already is answered as it was: the answer may have been lost. */
static void look_at(mu_http_request *request, const Muster__Looked *message, const Muster__LookedHead *head)
{
    mu_desk_task_info info;
    mu_desk_task_state state = mu_desk_find_task(request->http->config.desk, request->task, &info);
    bool has_arrived = state == MU_DESK_TASK_ARRIVED && info.device == request->device;
    if (!has_arrived && !mu_http_task_is_open(request, &info))
        return;
    if (!is_genuine(request, message, head, &info))
        return;
    if (has_arrived)
        mu_http_answer_nothing(request);
    else
        take(request, message, head, &info.look);
}

void mu_http_task_looked(mu_http_request *request)
{
    ProtobufCMessage *outer, *inner;
    if (!mu_http_unpack_body(request, &muster__looked__descriptor, &outer))
        return;
    const Muster__Looked *message = (const Muster__Looked *)(const void *)outer;
    mu_error err;
    mu_status status = mu_wire_unpack(&muster__looked_head__descriptor, message->head.data, message->head.len, &inner, &err);
    if (status == MU_E_MEMORY)
        mu_http_refuse_trouble(request, &err);
    else if (status)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "%s", err.message);
    else
        look_at(request, message, (const Muster__LookedHead *)(const void *)inner);
    mu_wire_free(status ? NULL : inner);
    mu_wire_free(outer);
}
