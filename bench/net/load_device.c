/* One device: which request comes next, and what its answer means. */
#define _GNU_SOURCE
#include "load.h"

#include "base/clock.h"
#include "net/blob.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { RECORD_BYTES = 16384, HEAD_BYTES = 512, ANSWER_BYTES_MAX = 1 << 20 };

static void give_up(const char *what)
{
    fprintf(stderr, "net_load: %s\n", what);
    exit(1);
}

bool load_add_sample(load_samples *samples, double value)
{
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity ? 2 * samples->capacity : 1024;
        double *values = realloc(samples->values, capacity * sizeof *values);
        if (!values)
            return false;
        samples->values = values;
        samples->capacity = capacity;
    }
    samples->values[samples->count++] = value;
    return true;
}

/* ---- requests ---- */

static const char *const methods[LOAD_STEPS] = {
    [LOAD_ENROL] = "POST", [LOAD_HELLO] = "GET", [LOAD_SESSION] = "POST", [LOAD_POLL] = "POST", [LOAD_START] = "GET", [LOAD_ANNOUNCE] = "POST",
    [LOAD_UPLOAD] = "PUT",
};

static void path_of(const load_device *device, char path[128])
{
    unsigned long long task = device->task;
    switch (device->step) {
    case LOAD_ENROL: snprintf(path, 128, "/v1/enrol"); break;
    case LOAD_HELLO: snprintf(path, 128, "/v1/hello"); break;
    case LOAD_SESSION: snprintf(path, 128, "/v1/session"); break;
    case LOAD_POLL: snprintf(path, 128, "/v1/poll"); break;
    case LOAD_START: snprintf(path, 128, "/v1/blobs/%s", device->start); break;
    case LOAD_ANNOUNCE: snprintf(path, 128, "/v1/tasks/%llu/update", task); break;
    case LOAD_UPLOAD: snprintf(path, 128, "/v1/tasks/%llu/update?offset=%llu", task, (unsigned long long)device->offset); break;
    case LOAD_OVER:
    case LOAD_STEPS: path[0] = '\0'; break;
    }
}

/* `message` NULL: none; a blob's bytes follow from device->body_at on where sends_blob says so. */
static void ask(const load *l, load_device *device, const ProtobufCMessage *message)
{
    unsigned char *packed = NULL;
    size_t packed_bytes = 0;
    mu_error err;
    if (message && mu_wire_pack(message, &packed, &packed_bytes, &err))
        give_up(err.message);
    device->sends_blob = device->step == LOAD_UPLOAD;
    device->body_at = device->sends_blob ? (size_t)device->offset : l->blob_bytes;
    char path[128], session[96] = "";
    path_of(device, path);
    if (device->is_open)
        snprintf(session, sizeof session, "Authorization: Bearer %s\r\n", device->session);
    device->request = malloc(HEAD_BYTES + packed_bytes);
    if (!device->request)
        give_up("no memory for a request");
    int head = snprintf(device->request, HEAD_BYTES, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\nContent-Type: %s\r\n\r\n", methods[device->step], path,
                        l->host, session, device->sends_blob ? l->blob_bytes - device->body_at : packed_bytes,
                        device->sends_blob ? "application/octet-stream" : MU_WIRE_MEDIA_TYPE);
    if (packed_bytes)
        memcpy(device->request + head, packed, packed_bytes);
    free(packed);
    device->request_bytes = (size_t)head + packed_bytes;
    device->request_at = 0;
    device->asked = true;
}

static void ask_enrol(const load *l, load_device *device)
{
    Muster__Enrol enrol;
    unsigned char proof[MU_WIRE_SIGNATURE_BYTES];
    muster__enrol__init(&enrol);
    if (mu_wire_sign(MU_WIRE_ENROL, device->token, sizeof device->token, device->secret_key, proof, NULL))
        give_up("a token cannot be signed");
    enrol.protocol = MU_WIRE_PROTOCOL;
    enrol.token = (ProtobufCBinaryData){ sizeof device->token, device->token };
    enrol.public_key = (ProtobufCBinaryData){ sizeof device->public_key, device->public_key };
    enrol.proof = (ProtobufCBinaryData){ sizeof proof, proof };
    ask(l, device, &enrol.base);
}

static void ask_session(const load *l, load_device *device)
{
    Muster__OpenSession open;
    unsigned char signature[MU_WIRE_SIGNATURE_BYTES], signed_bytes[36];
    muster__open_session__init(&open);
    memcpy(signed_bytes, device->challenge, 32);
    for (int i = 0; i < 4; i++)
        signed_bytes[32 + i] = (unsigned char)(device->number >> 8 * i);
    if (mu_wire_sign(MU_WIRE_SESSION, signed_bytes, sizeof signed_bytes, device->secret_key, signature, NULL))
        give_up("a challenge cannot be signed");
    open.protocol = MU_WIRE_PROTOCOL;
    open.device = device->number;
    open.challenge = (ProtobufCBinaryData){ 32, device->challenge };
    open.signature = (ProtobufCBinaryData){ sizeof signature, signature };
    open.num_examples = 600;
    ask(l, device, &open.base);
}

static void ask_poll(load *l, load_device *device)
{
    Muster__Poll poll;
    muster__poll__init(&poll);
    poll.hold_s = l->hold_s;
    poll.battery_share = -1;
    l->held++;
    ask(l, device, &poll.base);
}

static void ask_announce(const load *l, load_device *device)
{
    Muster__UpdateHead head;
    Muster__SignedUpdate announced;
    unsigned char signature[MU_WIRE_SIGNATURE_BYTES], *packed, digest[32];
    size_t packed_bytes;
    muster__update_head__init(&head);
    muster__signed_update__init(&announced);
    memcpy(digest, l->blob_digest, sizeof digest);
    head.task = device->task;
    head.device = device->number;
    head.digest = (ProtobufCBinaryData){ sizeof digest, digest };
    head.blob_bytes = l->blob_bytes;
    head.floats = l->blob_floats;
    head.num_examples = 600;
    head.steps = 60;
    head.train_loss = 1;
    head.train_accuracy = 0.5;
    head.train_squared_loss = 1;
    mu_error err;
    if (mu_wire_pack(&head.base, &packed, &packed_bytes, &err) ||
        mu_wire_sign(MU_WIRE_UPDATE, packed, packed_bytes, device->secret_key, signature, &err))
        give_up(err.message);
    announced.head = (ProtobufCBinaryData){ packed_bytes, packed };
    announced.signature = (ProtobufCBinaryData){ sizeof signature, signature };
    if (device->announced_s == 0)
        device->announced_s = l->now_s;
    ask(l, device, &announced.base);
    free(packed);
}

static void ask_next(load *l, load_device *device)
{
    switch (device->step) {
    case LOAD_ENROL: ask_enrol(l, device); break;
    case LOAD_SESSION: ask_session(l, device); break;
    case LOAD_POLL: ask_poll(l, device); break;
    case LOAD_ANNOUNCE: ask_announce(l, device); break;
    case LOAD_HELLO:
    case LOAD_START:
    case LOAD_UPLOAD: ask(l, device, NULL); break;
    case LOAD_OVER:
    case LOAD_STEPS: break;
    }
}

/* ---- turns: at most so many exchange a task's data at once ---- */

static void take_turn(load *l, load_device *device)
{
    device->has_turn = l->turns < l->turns_max;
    if (device->has_turn) {
        l->turns++;
        return;
    }
    device->queued = true;
    l->queue[(l->queue_first + l->queue_count++) % l->device_count] = device;
}

static void end_turn(load *l, load_device *device)
{
    if (!device->has_turn)
        return;
    device->has_turn = false;
    l->turns--;
    while (l->queue_count && l->turns < l->turns_max) {
        load_device *next = l->queue[l->queue_first];
        l->queue_first = (l->queue_first + 1) % l->device_count;
        l->queue_count--;
        next->queued = false;
        next->has_turn = true;
        next->rests_until_s = l->now_s; /* the loop goes on with it */
        l->turns++;
    }
}

/* ---- the update that all send ---- */

static mu_status into_memory(void *self, const void *bytes, size_t size_bytes, mu_error *err)
{
    (void)err;
    load *l = self;
    unsigned char *blob = realloc(l->blob, l->blob_bytes + size_bytes);
    if (!blob)
        give_up("no memory for the update");
    memcpy(blob + l->blob_bytes, bytes, size_bytes);
    l->blob = blob;
    l->blob_bytes += size_bytes;
    return MU_OK;
}

/* Small numbers of either sign, so that weights stay finite however often they are added. */
static void make_update(load *l, uint64_t floats)
{
    mu_blob_writer *writer;
    mu_blob_digest digest;
    uint64_t size_bytes, state = 1;
    mu_error err;
    if (mu_blob_writer_create(floats, MU_BLOB_PLAIN, into_memory, l, &writer, &err))
        give_up(err.message);
    for (uint64_t i = 0; i < floats; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        float change = ((float)(state >> 40) / 16777216.0f - 0.5f) * 1e-4f;
        if (mu_blob_writer_put(writer, &change, 1, &err))
            give_up(err.message);
    }
    if (mu_blob_writer_finish(writer, &digest, &size_bytes, &err))
        give_up(err.message);
    mu_blob_writer_destroy(writer);
    memcpy(l->blob_digest, digest.bytes, sizeof l->blob_digest);
    l->blob_floats = floats;
}

/* ---- answers ---- */

static void rest(load *l, load_device *device, double seconds) { device->rests_until_s = l->now_s + seconds; }

static void note_complete(load *l, load_device *device)
{
    if (l->is_measuring) {
        l->updates++;
        if (!load_add_sample(&l->acknowledged_s, l->now_s - device->announced_s) || !load_add_sample(&l->durable_s, l->now_s - device->sent_all_s))
            give_up("no memory for what was measured");
    }
    device->announced_s = 0;
    device->step = LOAD_POLL;
    end_turn(l, device);
}

static void take_state(load *l, load_device *device, const Muster__UpdateState *state)
{
    device->offset = state->have_bytes;
    if (state->complete)
        note_complete(l, device);
    else
        device->step = device->step == LOAD_ANNOUNCE ? LOAD_UPLOAD : LOAD_ANNOUNCE;
}

static void take_polled(load *l, load_device *device, const Muster__Polled *polled)
{
    if (polled->finished) {
        device->step = LOAD_OVER;
        l->finished++;
    } else if (polled->task) {
        if (!l->blob)
            make_update(l, polled->task->start_floats);
        device->task = polled->task->id;
        snprintf(device->start, sizeof device->start, "%s", polled->task->start);
        device->step = l->fetches_starts ? LOAD_START : LOAD_ANNOUNCE;
        take_turn(l, device);
    } else if (polled->again_s > 0)
        rest(l, device, polled->again_s);
}

static void take_message(load *l, load_device *device)
{
    static const ProtobufCMessageDescriptor *const types[LOAD_STEPS] = {
        [LOAD_ENROL] = &muster__enrolled__descriptor, [LOAD_HELLO] = &muster__hello__descriptor, [LOAD_SESSION] = &muster__session__descriptor,
        [LOAD_POLL] = &muster__polled__descriptor, [LOAD_ANNOUNCE] = &muster__update_state__descriptor, [LOAD_UPLOAD] = &muster__update_state__descriptor,
    };
    ProtobufCMessage *message;
    mu_error err;
    if (mu_wire_unpack(types[device->step], device->answer + device->head_bytes, (size_t)device->body_bytes, &message, &err))
        give_up(err.message);
    switch (device->step) {
    case LOAD_ENROL: device->step = LOAD_HELLO; break;
    case LOAD_HELLO:
        memcpy(device->challenge, ((const Muster__Hello *)(const void *)message)->challenge.data, sizeof device->challenge);
        device->step = LOAD_SESSION;
        break;
    case LOAD_SESSION:
        sodium_bin2hex(device->session, sizeof device->session, ((const Muster__Session *)(const void *)message)->token.data, 32);
        device->is_open = true;
        device->step = LOAD_POLL;
        l->coming--;
        break;
    case LOAD_POLL: take_polled(l, device, (const Muster__Polled *)(const void *)message); break;
    case LOAD_ANNOUNCE:
    case LOAD_UPLOAD: take_state(l, device, (const Muster__UpdateState *)(const void *)message); break;
    case LOAD_START:
    case LOAD_OVER:
    case LOAD_STEPS: break;
    }
    mu_wire_free(message);
}

/* What is refused for now is asked again; what is refused for good ends the task. */
static void take_refusal(load *l, load_device *device)
{
    l->refused++;
    if (device->status < MU_COUNT(l->refusals))
        l->refusals[device->status]++;
    if (l->refused <= 5)
        fprintf(stderr, "net_load: device %u: status %u: %.*s\n", device->number, device->status, (int)device->body_bytes, device->answer + device->head_bytes);
    bool of_task = device->step == LOAD_START || device->step == LOAD_ANNOUNCE || device->step == LOAD_UPLOAD;
    if (device->status == 409 && device->step == LOAD_UPLOAD)
        device->step = LOAD_ANNOUNCE;
    else if (of_task && device->status < 500 && device->status != 429) {
        device->announced_s = 0;
        device->step = LOAD_POLL;
        end_turn(l, device);
    } else {
        if (device->step == LOAD_UPLOAD)
            device->step = LOAD_ANNOUNCE;
        rest(l, device, 0.2);
    }
}

static void take_answer(load *l, load_device *device)
{
    device->asked = false;
    l->held -= device->step == LOAD_POLL;
    if (device->status >= 400)
        take_refusal(l, device);
    else if (device->step == LOAD_START)
        device->step = LOAD_ANNOUNCE;
    else
        take_message(l, device);
    free(device->answer);
    device->answer = NULL;
    device->answer_bytes = device->answer_capacity = device->head_bytes = 0;
    if (device->closes)
        load_link_close(&device->link);
}

/* ---- bytes ---- */

static void add_to_answer(load_device *device, const char *bytes, size_t size_bytes)
{
    if (device->answer_bytes + size_bytes >= device->answer_capacity) {
        device->answer_capacity = 2 * (device->answer_bytes + size_bytes) + 256;
        device->answer = device->answer_capacity <= ANSWER_BYTES_MAX ? realloc(device->answer, device->answer_capacity) : NULL;
        if (!device->answer)
            give_up("no memory for an answer");
    }
    memcpy(device->answer + device->answer_bytes, bytes, size_bytes);
    device->answer_bytes += size_bytes;
    device->answer[device->answer_bytes] = '\0';
}

/* Status, length, and whether the connection ends. */
static void read_head(load_device *device)
{
    const char *end = strstr(device->answer, "\r\n\r\n");
    if (!end)
        return;
    device->head_bytes = (size_t)(end - device->answer) + 4;
    const char *length = strcasestr(device->answer, "\r\nContent-Length:"), *connection = strcasestr(device->answer, "\r\nConnection: close");
    if (strncmp(device->answer, "HTTP/1.1 ", 9) || !length || length > end)
        give_up("an answer without a length");
    device->status = (unsigned)strtoul(device->answer + 9, NULL, 10);
    device->body_bytes = strtoull(length + 17, NULL, 10);
    device->body_have = device->answer_bytes - device->head_bytes;
    device->closes = connection && connection < end;
}

/* A start's bytes are counted, everything else is kept. */
static void take_bytes(load *l, load_device *device, const char *bytes, size_t size_bytes)
{
    l->bytes_down += l->is_measuring ? size_bytes : 0;
    bool passes_over = device->head_bytes && device->step == LOAD_START && device->status < 400;
    if (passes_over)
        device->body_have += size_bytes;
    else {
        add_to_answer(device, bytes, size_bytes);
        if (!device->head_bytes)
            read_head(device);
        else
            device->body_have += size_bytes;
    }
    if (device->head_bytes && device->body_have >= device->body_bytes)
        take_answer(l, device);
}

static load_progress send_request(load *l, load_device *device)
{
    while (device->request && device->request_at < device->request_bytes) {
        size_t sent;
        load_progress progress = load_link_send(&device->link, device->request + device->request_at, device->request_bytes - device->request_at, &sent);
        if (progress != LOAD_MOVED)
            return progress;
        device->request_at += sent;
    }
    free(device->request);
    device->request = NULL;
    while (device->sends_blob && device->body_at < l->blob_bytes) {
        size_t left = l->blob_bytes - device->body_at, sent;
        load_progress progress = load_link_send(&device->link, l->blob + device->body_at, left < RECORD_BYTES ? left : RECORD_BYTES, &sent);
        if (progress != LOAD_MOVED)
            return progress;
        device->body_at += sent;
        l->bytes_up += l->is_measuring ? sent : 0;
    }
    if (device->sends_blob) {
        device->sends_blob = false;
        device->sent_all_s = mu_clock_monotonic_s();
    }
    return LOAD_WAITS;
}

/* The connection is gone. What was asked is asked again, by another one. */
static void break_off(load *l, load_device *device)
{
    l->broken += device->asked;
    l->held -= device->asked && device->step == LOAD_POLL;
    load_link_close(&device->link);
    free(device->request);
    free(device->answer);
    device->request = device->answer = NULL;
    device->answer_bytes = device->answer_capacity = device->head_bytes = 0;
    device->sends_blob = device->asked = false;
    if (device->step == LOAD_UPLOAD)
        device->step = LOAD_ANNOUNCE;
    rest(l, device, 0.2);
}

static bool connect_again(load *l, load_device *device)
{
    if (!load_link_open(&device->link, &l->to, device->number, l->credentials))
        return false;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = device };
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, device->link.fd, &event) == 0;
}

static load_progress step_on(load *l, load_device *device)
{
    static char piece[1 << 16]; /* one thread */
    load_progress progress = load_link_get_ready(&device->link);
    if (progress != LOAD_MOVED)
        return progress;
    if (!device->asked && !device->queued && device->rests_until_s == 0)
        ask_next(l, device);
    if (device->request || device->sends_blob)
        if (send_request(l, device) == LOAD_BROKE)
            return LOAD_BROKE;
    size_t got;
    progress = load_link_receive(&device->link, piece, sizeof piece, &got);
    if (progress == LOAD_MOVED && device->asked)
        take_bytes(l, device, piece, got);
    return progress;
}

void load_device_go_on(load *l, load_device *device)
{
    if (device->rests_until_s > l->now_s)
        return;
    device->rests_until_s = 0;
    load_progress progress = LOAD_MOVED;
    while (progress == LOAD_MOVED && device->step != LOAD_OVER && device->rests_until_s == 0) {
        if (device->link.fd < 0) {
            if (device->queued) /* it connects when it is its turn */
                return;
            if (!connect_again(l, device))
                give_up("no socket: are there enough descriptors (ulimit -n)?");
        }
        progress = step_on(l, device);
    }
    if (progress == LOAD_BROKE)
        break_off(l, device);
}

void load_device_come_in(load *l, load_device *device)
{
    crypto_sign_keypair(device->public_key, device->secret_key);
    device->link.fd = -1;
    device->step = LOAD_ENROL;
    load_device_go_on(l, device);
}
