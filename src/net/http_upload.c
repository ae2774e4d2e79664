/* Updates coming in: announced by a signed head, then sent from the byte on that is wanted, and acknowledged when they are durable.
 *
 * On the disk: updates/TASK.head is the announcement as it was signed, TASK.part what has come, TASK.blob all of it; then a row in the store, and only then the
 * answer. A kill between any two of these steps loses nothing that was acknowledged, and the device is told where to go on. One request at a time works on a
 * task's files, the one that has the place for it (http_places.h). */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "net/http_places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- refusing ---- */

static void remove_files(mu_http_request *request)
{
    mu_transfer_remove(request->http->config.folder, request->task, ".part");
    mu_transfer_remove(request->http->config.folder, request->task, ".head");
}

/* Understood, and nothing that may touch the model: the task has failed. */
void mu_http_task_reject(mu_http_request *request, const char *code, const char *message)
{
    mu_http_refuse(request, MHD_HTTP_UNPROCESSABLE_CONTENT, code, 0, "%s", message);
    mu_desk_failed(request->http->config.desk, request->task, message);
    remove_files(request);
}

static void refuse_not_yours(mu_http_request *request)
{
    mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "not-your-task", 0, "task %llu is not one of device %u", (unsigned long long)request->task, request->device);
}

/* What went wrong while the blob came. */
static void refuse_blob(mu_http_request *request, const mu_error *err)
{
    switch (err->status) {
    case MU_E_CHECKSUM: mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "damaged", mu_http_spread(1), "%s", err->message); break;
    case MU_E_LIMIT: mu_http_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large", 0, "%s", err->message); break;
    case MU_E_RANGE: mu_http_task_reject(request, "not-acceptable", err->message); break;
    case MU_E_PARSE: mu_http_task_reject(request, "not-the-blob", err->message); break;
    default: mu_http_refuse_trouble(request, err);
    }
}

/* ---- what is there ---- */

/* Is it acknowledged already? Then, or when that cannot be found out, there is an answer. `digest` NULL: whichever it is. */
static bool is_answered_by_store(mu_http_request *request, const ProtobufCBinaryData *digest)
{
    mu_http *http = request->http;
    mu_store_update stored = { 0 };
    bool found = false;
    mu_error err;
    if (mu_store_find_update(http->config.store, request->task, &stored, &found, &err)) {
        mu_http_refuse_trouble(request, &err);
        return true;
    }
    if (!found)
        return false;
    Muster__UpdateHead *head = muster__update_head__unpack(NULL, stored.head_bytes, stored.head);
    bool same = head && (!digest || (head->digest.len == digest->len && !memcmp(head->digest.data, digest->data, digest->len)));
    if (stored.device != request->device)
        refuse_not_yours(request);
    else if (!same)
        mu_http_refuse(request, MHD_HTTP_CONFLICT, "another-update", 0, "another update of task %llu is complete", (unsigned long long)request->task);
    else {
        mu_desk_arrived(http->config.desk, request->task);
        mu_http_answer_state(request, MHD_HTTP_OK, head->blob_bytes, true);
    }
    if (head)
        muster__update_head__free_unpacked(head, NULL);
    free((void *)(uintptr_t)stored.head);
    return true;
}

/* Nobody takes over what is another device's. */
static bool is_mine(mu_http_request *request)
{
    mu_desk_task_info info;
    if (mu_desk_find_task(request->http->config.desk, request->task, &info) != MU_DESK_TASK_UNKNOWN && info.device != request->device)
        refuse_not_yours(request);
    return !request->status;
}

/* Is it open, and this device's? */
bool mu_http_task_is_open(mu_http_request *request, mu_desk_task_info *info)
{
    mu_desk_task_state state = mu_desk_find_task(request->http->config.desk, request->task, info);
    if (state != MU_DESK_TASK_UNKNOWN && info->device != request->device)
        refuse_not_yours(request);
    else if (state != MU_DESK_TASK_OPEN) {
        mu_http_refuse(request, MHD_HTTP_GONE, "task-over", 0, "nobody waits for task %llu any more", (unsigned long long)request->task);
        if (state == MU_DESK_TASK_UNKNOWN)
            remove_files(request);
    }
    return !request->status;
}

/* The part of the announcement that says what its blob must be. */
static mu_status open_transfer(mu_http_request *request, const mu_desk_task_info *info, mu_error *err)
{
    mu_http_upload *upload = request->upload;
    mu_transfer_config config = {
        .folder = request->http->config.folder, .task = request->task, .floats = upload->head->floats,
        .change_floats = info->change_floats ? info->change_floats : info->floats_up, .norm_max = request->http->serve.update_norm_max,
        .blob_bytes = upload->head->blob_bytes,
    };
    memcpy(config.digest.bytes, upload->head->digest.data, sizeof config.digest.bytes);
    return mu_transfer_open(&config, &upload->transfer, err);
}

/* All is there: make it durable, then say so. */
static void complete(mu_http_request *request)
{
    mu_http *http = request->http;
    mu_http_upload *upload = request->upload;
    mu_desk_task_info info;
    if (!mu_http_task_is_open(request, &info))
        return;
    mu_error err;
    if (mu_transfer_finish(upload->transfer, &err)) {
        refuse_blob(request, &err);
        return;
    }
    const mu_store_update update = { .task = request->task, .device = request->device, .head = upload->announced->head.data,
                                     .head_bytes = upload->announced->head.len };
    mu_status status = mu_store_put_update(http->config.store, &update, &err);
    if (status == MU_E_STATE)
        mu_http_refuse(request, MHD_HTTP_CONFLICT, "another-update", 0, "another update of task %llu is complete", (unsigned long long)request->task);
    else if (status)
        mu_http_refuse_trouble(request, &err);
    else {
        mu_desk_arrived(http->config.desk, request->task);
        mu_transfer_remove(http->config.folder, request->task, ".head");
        atomic_fetch_add(&http->updates_complete, 1);
        mu_http_answer_state(request, MHD_HTTP_OK, upload->head->blob_bytes, true);
    }
}

/* ---- the announcement ---- */

/* NULL: it may come. Else what is wrong with it. */
static const char *wrong_head(const mu_http_request *request, const Muster__UpdateHead *head, const mu_desk_task_info *info)
{
    size_t class_bytes = (info->classes + 7u) / 8;
    unsigned used_bits = info->classes % 8;
    if (info->looks)
        return "the task asks for a look at a model, and not for an update";
    if (head->floats != info->floats_up)
        return "the update has another number of floats than its task asks for";
    if (head->blob_bytes < MU_BLOB_HEAD_BYTES || head->blob_bytes > mu_blob_bytes_max(info->floats_up))
        return "no blob of that many floats has so many bytes";
    if (head->num_examples == 0)
        return "the update was trained on no example";
    if (head->num_examples > (request->num_examples ? request->num_examples : MU_LIMIT_EXAMPLES))
        return "the update was trained on more examples than the device has reported";
    if (head->classes.len && head->classes.len != class_bytes)
        return "there is not one bit for each of the model's classes";
    if (head->classes.len && used_bits && head->classes.data[class_bytes - 1] >> used_bits)
        return "a class is named that the model does not have";
    return NULL;
}

/* Whose is it, and is it signed? */
static bool is_genuine(mu_http_request *request, const Muster__SignedUpdate *announced, const Muster__UpdateHead *head)
{
    if (head->task != request->task || head->digest.len != MU_BLOB_DIGEST_BYTES)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "the head is of task %llu with a digest of %zu bytes; expected task %llu and 32",
                       (unsigned long long)head->task, head->digest.len, (unsigned long long)request->task);
    else if (head->device != request->device)
        refuse_not_yours(request);
    else if (!mu_wire_is_signed(MU_WIRE_UPDATE, announced->head.data, announced->head.len, request->public_key, announced->signature.data,
                                announced->signature.len))
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "bad-signature", 0, "the head is not signed by the key of device %u", request->device);
    return !request->status;
}

static mu_status read_head_file(mu_http_request *request, Muster__SignedUpdate **announced, Muster__UpdateHead **head, mu_error *err)
{
    *announced = NULL;
    *head = NULL;
    char *path = mu_transfer_path(request->http->config.folder, request->task, ".head");
    if (!path)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the name of an update's head");
    mu_file file;
    ProtobufCMessage *outer = NULL, *inner = NULL;
    mu_status status = mu_file_map(path, &file, err);
    free(path);
    if (status)
        return status;
    status = mu_wire_unpack(&muster__signed_update__descriptor, file.data, file.size_bytes, &outer, err);
    mu_file_unmap(&file);
    if (status)
        return status;
    const Muster__SignedUpdate *read = (const Muster__SignedUpdate *)(const void *)outer;
    status = mu_wire_is_signed(MU_WIRE_UPDATE, read->head.data, read->head.len, request->public_key, read->signature.data, read->signature.len)
                 ? mu_wire_unpack(&muster__update_head__descriptor, read->head.data, read->head.len, &inner, err)
                 : mu_error_set(err, MU_E_CHECKSUM, "the head of task %llu is torn", (unsigned long long)request->task);
    if (status) {
        mu_wire_free(outer);
        return status;
    }
    *announced = (Muster__SignedUpdate *)(void *)outer;
    *head = (Muster__UpdateHead *)(void *)inner;
    return MU_OK;
}

/* Is what has come until now of this very update? */
static bool is_same_as_before(mu_http_request *request, const Muster__UpdateHead *head)
{
    Muster__SignedUpdate *announced;
    Muster__UpdateHead *before;
    if (read_head_file(request, &announced, &before, NULL))
        return false;
    bool same = before->digest.len == head->digest.len && !memcmp(before->digest.data, head->digest.data, head->digest.len) &&
                before->blob_bytes == head->blob_bytes && before->floats == head->floats;
    mu_wire_free(&announced->base);
    mu_wire_free(&before->base);
    return same;
}

/* Not synced: it is for as long as the blob comes. One that a power cut has torn is not signed, and the device announces its update again. */
static mu_status write_head_file(mu_http_request *request, const Muster__SignedUpdate *announced, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    mu_status status = mu_wire_pack(&announced->base, &bytes, &size_bytes, err);
    if (status)
        return status;
    char *path = mu_transfer_path(request->http->config.folder, request->task, ".head");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!path)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the name of an update's head");
    else if (!file || fwrite(bytes, 1, size_bytes, file) != size_bytes)
        status = mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (file && fclose(file) && !status)
        status = mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    free(path);
    free(bytes);
    return status;
}

/* The head is good. What has come of another one goes: the device has trained the task again. */
static void take_head(mu_http_request *request, const mu_desk_task_info *info)
{
    mu_http_upload *upload = request->upload;
    mu_error err;
    mu_status status = MU_OK;
    if (!is_same_as_before(request, upload->head)) {
        mu_transfer_remove(request->http->config.folder, request->task, ".part");
        mu_transfer_remove(request->http->config.folder, request->task, ".blob");
        status = write_head_file(request, upload->announced, &err);
    }
    if (!status)
        status = open_transfer(request, info, &err);
    if (status)
        mu_http_refuse_trouble(request, &err);
    else if (mu_transfer_is_whole(upload->transfer))
        complete(request);
    else {
        mu_http_place_promise(request);
        mu_http_answer_state(request, MHD_HTTP_OK, mu_transfer_have_bytes(upload->transfer), false);
    }
}

static void announce(mu_http_request *request, Muster__SignedUpdate *announced, Muster__UpdateHead *head)
{
    mu_desk_task_info info;
    if (!is_genuine(request, announced, head) || !is_mine(request) || !mu_http_place_take(request))
        return;
    request->upload->announced = announced;
    request->upload->head = head;
    if (!is_answered_by_store(request, &head->digest) && mu_http_task_is_open(request, &info)) {
        const char *wrong = wrong_head(request, head, &info);
        if (wrong)
            mu_http_task_reject(request, "not-acceptable", wrong);
        else
            take_head(request, &info);
    }
    mu_http_place_put_down(request);
}

void mu_http_update_announced(mu_http_request *request)
{
    ProtobufCMessage *outer, *inner;
    if (!mu_http_unpack_body(request, &muster__signed_update__descriptor, &outer))
        return;
    Muster__SignedUpdate *announced = (Muster__SignedUpdate *)(void *)outer;
    mu_error err;
    mu_status status = mu_wire_unpack(&muster__update_head__descriptor, announced->head.data, announced->head.len, &inner, &err);
    if (status == MU_E_MEMORY)
        mu_http_refuse_trouble(request, &err);
    else if (status)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "%s", err.message);
    else
        announce(request, announced, (Muster__UpdateHead *)(void *)inner);
    if (request->upload) { /* it has the messages */
        mu_http_upload_close(request);
        return;
    }
    mu_wire_free(status ? NULL : inner);
    mu_wire_free(outer);
}

/* ---- the blob ---- */

static bool read_offset(mu_http_request *request, uint64_t *offset)
{
    const char *said;
    *offset = 0;
    if (!mu_http_argument(request, "offset", &said))
        return true;
    char *end;
    *offset = strtoull(said, &end, 10);
    if (*said >= '0' && *said <= '9' && !*end)
        return true;
    mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "'%.32s' is no offset", said);
    return false;
}

void mu_http_upload_begin(mu_http_request *request)
{
    uint64_t offset;
    mu_desk_task_info info;
    if (!read_offset(request, &offset) || !is_mine(request) || !mu_http_place_take(request))
        return;
    mu_http_upload *upload = request->upload;
    mu_error err;
    if (is_answered_by_store(request, NULL) || !mu_http_task_is_open(request, &info)) {
        /* that is the answer */
    } else if (read_head_file(request, &upload->announced, &upload->head, &err))
        mu_http_refuse(request, MHD_HTTP_NOT_FOUND, "not-announced", 0, "the update of task %llu was not announced: POST its head first",
                       (unsigned long long)request->task);
    else if (open_transfer(request, &info, &err))
        mu_http_refuse_trouble(request, &err);
    else if (offset != mu_transfer_have_bytes(upload->transfer))
        mu_http_answer_state(request, MHD_HTTP_CONFLICT, mu_transfer_have_bytes(upload->transfer), false);
    else if (request->body_announced != UINT64_MAX && request->body_announced > upload->head->blob_bytes - offset)
        mu_http_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too-large", 0, "%llu bytes are wanted from there on, not %llu",
                       (unsigned long long)(upload->head->blob_bytes - offset), (unsigned long long)request->body_announced);
    mu_http_place_put_down(request);
    if (request->status)
        mu_http_upload_close(request);
}

void mu_http_upload_take(mu_http_request *request, const void *bytes, size_t size_bytes)
{
    mu_error err;
    if (mu_http_place_go_on(request, size_bytes)) {
        if (mu_transfer_push(request->upload->transfer, bytes, size_bytes, &err))
            refuse_blob(request, &err);
        mu_http_place_put_down(request);
    }
    if (request->status)
        mu_http_upload_close(request);
    double now_s = mu_clock_monotonic_s();
    if (now_s - request->heard_s > 1) { /* a long upload is a sign of life, too */
        mu_desk_heard(request->http->config.desk, request->device, now_s, NULL);
        request->heard_s = now_s;
    }
}

void mu_http_upload_end(mu_http_request *request)
{
    if (mu_http_place_go_on(request, 0)) {
        if (mu_transfer_is_whole(request->upload->transfer))
            complete(request);
        else
            mu_http_answer_state(request, MHD_HTTP_OK, mu_transfer_have_bytes(request->upload->transfer), false);
        mu_http_place_put_down(request);
    }
    mu_http_upload_close(request);
}

void mu_http_task_failed(mu_http_request *request)
{
    ProtobufCMessage *message;
    mu_desk_task_info info;
    if (!mu_http_unpack_body(request, &muster__failed__descriptor, &message))
        return;
    const Muster__Failed *failed = (const Muster__Failed *)(const void *)message;
    if (failed->task != request->task)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "the message is of task %llu, and its address of task %llu",
                       (unsigned long long)failed->task, (unsigned long long)request->task);
    else if (mu_http_task_is_open(request, &info)) {
        mu_desk_failed(request->http->config.desk, request->task, failed->reason);
        remove_files(request);
        mu_http_answer_nothing(request);
    }
    mu_wire_free(message);
}
