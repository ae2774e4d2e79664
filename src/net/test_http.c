/* A server, and devices that speak to it, for tests. */
#include "net/test_http.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/blob.h"

#include <curl/curl.h>
#include <dirent.h>
#include <sodium.h>
#include <unistd.h>

static const char job[] = "\x0a\x04test";

/* ---- the server ---- */

static char *in_folder(const test_server *server, const char *name)
{
    char *path = mu_path_join(server->folder, name);
    assert_non_null(path);
    return path;
}

void test_server_init(test_server *server)
{
    *server = (test_server){ .folder = "/tmp/muster_http_XXXXXX" };
    assert_int_not_equal(sodium_init(), -1);
    assert_non_null(mkdtemp(server->folder));
    size_t count;
    mu_error err;
    const mu_option *rows = mu_serve_options(&count);
    assert_int_equal(mu_options_read(rows, count, NULL, NULL, "serve", &server->serve, &err), MU_OK);
    server->serve.address = "127.0.0.1:0";
    server->serve.status_address = "";
    server->serve.tls = false;
    server->serve.requests_per_s = 1000;
    server->serve.again_s = 0.5;
    char *blobs = in_folder(server, "blobs");
    assert_int_equal(mu_folder_make(blobs, &err), MU_OK);
    free(blobs);
}

static char *look(void *self, const char *path, const char **media_type, size_t *size_bytes)
{
    (void)self;
    *media_type = NULL;
    if (strcmp(path, "/status.json"))
        return NULL;
    *media_type = "application/json";
    *size_bytes = 2;
    return strdup("{}");
}

void test_server_listen(test_server *server)
{
    mu_error err;
    char *path = in_folder(server, "store.db");
    if (!server->store)
        assert_int_equal(mu_store_open(path, MU_STORE_OWNER, &server->store, &err), MU_OK);
    free(path);
    if (!server->desk)
        assert_int_equal(mu_desk_create(TEST_DEVICES, &server->desk, &err), MU_OK);
    const mu_http_config config = { .serve = &server->serve, .folder = server->folder, .federation = "test", .job = (const unsigned char *)job,
                                    .job_bytes = sizeof job - 1, .capabilities = server->capabilities, .store = server->store, .desk = server->desk, .stalled_s = server->stalled_s,
                                    .look = look };
    mu_status status = mu_http_create(&config, &server->http, &err);
    if (status)
        fail_msg("%s", err.message);
    mu_http_open(server->http);
}

void test_server_stop(test_server *server)
{
    mu_http_destroy(server->http);
    mu_desk_destroy(server->desk);
    mu_store_close(server->store);
    server->http = NULL;
    server->desk = NULL;
    server->store = NULL;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *file; folder && (file = readdir(folder));) {
        if (!strcmp(file->d_name, ".") || !strcmp(file->d_name, ".."))
            continue;
        char *inside = mu_path_join(path, file->d_name);
        if (unlink(inside))
            remove_folder(inside);
        free(inside);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

void test_server_release(test_server *server)
{
    test_server_stop(server);
    remove_folder(server->folder);
}

/* ---- requests ---- */

typedef struct sending {
    const unsigned char *at;
    size_t               left, until_cut;
    bool                 cut;
} sending;

static size_t take_body(char *data, size_t size, size_t count, void *self)
{
    test_reply *reply = self;
    reply->body = realloc(reply->body, reply->bytes + size * count + 1);
    assert_non_null(reply->body);
    memcpy(reply->body + reply->bytes, data, size * count);
    reply->bytes += size * count;
    return size * count;
}

static size_t take_header(char *data, size_t size, size_t count, void *self)
{
    test_reply *reply = self;
    char line[256] = "";
    memcpy(line, data, size * count < sizeof line ? size * count : sizeof line - 1);
    sscanf(line, "Retry-After: %lf", &reply->retry_after_s);
    sscanf(line, "Content-Range: %95[^\r\n]", reply->range);
    sscanf(line, "ETag: %95[^\r\n]", reply->tag);
    return size * count;
}

static size_t give_body(char *into, size_t size, size_t count, void *self)
{
    sending *s = self;
    size_t now = size * count < s->left ? size * count : s->left;
    if (s->cut && !s->until_cut)
        return CURL_READFUNC_ABORT;
    if (s->cut && now > s->until_cut)
        now = s->until_cut;
    if (now)
        memcpy(into, s->at, now);
    s->at += now;
    s->left -= now;
    s->until_cut -= s->cut ? now : 0;
    return now;
}

test_reply test_ask(const test_server *server, const test_request *request)
{
    test_reply reply = { 0 };
    sending body = { .at = request->body, .left = request->bytes, .until_cut = request->cut_after, .cut = request->cut_after > 0 };
    CURL *curl = request->curl ? request->curl : curl_easy_init();
    assert_non_null(curl);
    char url[512], bearer[128];
    snprintf(url, sizeof url, "%s%s", mu_http_url(server->http), request->path);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    if (request->session) {
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", request->session);
        headers = curl_slist_append(headers, bearer);
    }
    if (request->header)
        headers = curl_slist_append(headers, request->header);
    if (request->chunked)
        headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms ? request->timeout_ms : 20000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    if (strcmp(request->method, "GET")) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(curl, CURLOPT_READDATA, &body);
        if (!request->chunked)
            curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->bytes);
    }
    if (curl_easy_perform(curl) == CURLE_OK || !request->cut_after)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    if (request->connections)
        curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, request->connections);
    curl_slist_free_all(headers);
    if (!request->curl)
        curl_easy_cleanup(curl);
    return reply;
}

void test_reply_release(test_reply *reply)
{
    free(reply->body);
    *reply = (test_reply){ 0 };
}

ProtobufCMessage *test_ask_message(const test_server *server, const test_request *request, long status, const ProtobufCMessageDescriptor *type)
{
    test_reply reply = test_ask(server, request);
    if (reply.status != status) {
        Muster__Refusal *said = muster__refusal__unpack(NULL, reply.bytes, reply.body);
        fail_msg("%s %s: status %ld (%s: %s), expected %ld", request->method, request->path, reply.status, said ? said->code : "", said ? said->message : "",
                 status);
    }
    ProtobufCMessage *message = NULL;
    mu_error err;
    if (mu_wire_unpack(type, reply.body ? (const void *)reply.body : "", reply.bytes, &message, &err))
        fail_msg("%s %s: %s", request->method, request->path, err.message);
    test_reply_release(&reply);
    return message;
}

double test_refused(const test_server *server, const test_request *request, long status, const char *code)
{
    test_reply reply = test_ask(server, request);
    Muster__Refusal *said = muster__refusal__unpack(NULL, reply.bytes, reply.body);
    if (reply.status != status || !said || strcmp(said->code, code))
        fail_msg("%s %s: status %ld (%s: %s), expected %ld (%s)", request->method, request->path, reply.status, said ? said->code : "-",
                 said ? said->message : "-", status, code);
    double again_s = said->again_s;
    assert_true(strlen(said->message) > 10);
    assert_true(again_s > 0 ? reply.retry_after_s >= again_s && reply.retry_after_s < again_s + 1 : reply.retry_after_s == 0);
    muster__refusal__free_unpacked(said, NULL);
    test_reply_release(&reply);
    return again_s;
}

test_request test_post(const char *path, const char *session, const ProtobufCMessage *message, unsigned char **packed)
{
    size_t bytes;
    mu_error err;
    assert_int_equal(mu_wire_pack(message, packed, &bytes, &err), MU_OK);
    return (test_request){ .method = "POST", .path = path, .session = session, .body = *packed, .bytes = bytes };
}

/* ---- devices ---- */

void test_device_make(test_device *device)
{
    *device = (test_device){ .number = MU_STORE_ANY_DEVICE, .num_examples = 100 };
    crypto_sign_keypair(device->public_key, device->secret_key);
}

void test_device_give_token(const test_server *server, test_device *device)
{
    unsigned char digest[32];
    randombytes_buf(device->token, sizeof device->token);
    crypto_generichash(digest, sizeof digest, device->token, sizeof device->token, NULL, 0);
    int64_t now_s = mu_clock_utc_us() / 1000000;
    mu_error err;
    assert_int_equal(mu_store_add_token(server->store, digest, MU_STORE_ANY_DEVICE, TEST_DEVICES, now_s, now_s + 3600, &device->number, &err), MU_OK);
}

test_request test_device_enrolment(const test_device *device, unsigned char **packed)
{
    unsigned char proof[64], token[32], public_key[32];
    mu_error err;
    memcpy(token, device->token, 32);
    memcpy(public_key, device->public_key, 32);
    assert_int_equal(mu_wire_sign(MU_WIRE_ENROL, device->token, 32, device->secret_key, proof, &err), MU_OK);
    Muster__Enrol enrol;
    muster__enrol__init(&enrol);
    enrol.protocol = MU_WIRE_PROTOCOL;
    enrol.token = (ProtobufCBinaryData){ .len = 32, .data = token };
    enrol.public_key = (ProtobufCBinaryData){ .len = 32, .data = public_key };
    enrol.proof = (ProtobufCBinaryData){ .len = 64, .data = proof };
    char name[] = "a test";
    enrol.name = name;
    return test_post("/v1/enrol", NULL, &enrol.base, packed);
}

void test_device_enrol(const test_server *server, test_device *device)
{
    unsigned char *packed;
    test_device_give_token(server, device);
    test_request request = test_device_enrolment(device, &packed);
    ProtobufCMessage *answer = test_ask_message(server, &request, 200, &muster__enrolled__descriptor);
    assert_int_equal(((Muster__Enrolled *)(void *)answer)->device, device->number);
    mu_wire_free(answer);
    free(packed);
}

void test_hello(const test_server *server, unsigned char challenge[32])
{
    ProtobufCMessage *answer = test_ask_message(server, &(test_request){ .method = "GET", .path = "/v1/hello" }, 200, &muster__hello__descriptor);
    const Muster__Hello *hello = (const Muster__Hello *)(const void *)answer;
    assert_int_equal(hello->protocol, MU_WIRE_PROTOCOL);
    assert_string_equal(hello->federation, "test");
    assert_int_equal(hello->challenge.len, 32);
    memcpy(challenge, hello->challenge.data, 32);
    mu_wire_free(answer);
}

unsigned char *test_device_session_message(const test_device *device, const unsigned char challenge[32], uint32_t protocol, size_t *bytes)
{
    unsigned char text[36], signature[64], copy[32], *packed;
    memcpy(text, challenge, 32);
    memcpy(copy, challenge, 32);
    for (int i = 0; i < 4; i++)
        text[32 + i] = (unsigned char)(device->number >> 8 * i);
    mu_error err;
    assert_int_equal(mu_wire_sign(MU_WIRE_SESSION, text, sizeof text, device->secret_key, signature, &err), MU_OK);
    Muster__OpenSession open;
    Muster__Profile profile;
    muster__open_session__init(&open);
    muster__profile__init(&profile);
    char class_name[] = "phone-mid";
    profile.class_name = class_name;
    profile.macs_per_s = 5e9;
    open.protocol = protocol;
    open.device = device->number;
    open.challenge = (ProtobufCBinaryData){ .len = 32, .data = copy };
    open.signature = (ProtobufCBinaryData){ .len = 64, .data = signature };
    open.profile = &profile;
    open.num_examples = device->num_examples;
    assert_int_equal(mu_wire_pack(&open.base, &packed, bytes, &err), MU_OK);
    return packed;
}

void test_device_sign_in(const test_server *server, test_device *device)
{
    unsigned char challenge[32];
    size_t bytes;
    test_hello(server, challenge);
    unsigned char *packed = test_device_session_message(device, challenge, MU_WIRE_PROTOCOL, &bytes);
    ProtobufCMessage *answer = test_ask_message(
        server, &(test_request){ .method = "POST", .path = "/v1/session", .body = packed, .bytes = bytes }, 200, &muster__session__descriptor);
    const Muster__Session *session = (const Muster__Session *)(const void *)answer;
    assert_int_equal(session->token.len, 32);
    assert_int_equal(strlen(session->job), 64);
    sodium_bin2hex(device->session, sizeof device->session, session->token.data, session->token.len);
    mu_wire_free(answer);
    free(packed);
}

/* ---- tasks and updates ---- */

static char start_digest[MU_BLOB_DIGEST_HEX_BYTES];
const char *test_start_digest(void) { return start_digest; }

static char *write_start(const test_server *server)
{
    enum { FLOATS = 100000 };
    float *floats = malloc(FLOATS * sizeof *floats);
    assert_non_null(floats);
    for (size_t i = 0; i < FLOATS; i++)
        floats[i] = (float)(i % 1000) / 1024;
    mu_blob_digest digest;
    mu_blob_part part = { .floats = floats, .count = FLOATS };
    mu_blob_digest_of(&part, 1, &digest);
    mu_blob_digest_hex(&digest, start_digest);
    char name[128];
    snprintf(name, sizeof name, "blobs/%s.plain", start_digest);
    char *path = in_folder(server, name);
    uint64_t size_bytes;
    mu_error err;
    if (!mu_file_exists(path))
        assert_int_equal(mu_blob_write_file(path, &part, 1, MU_BLOB_PLAIN, &digest, &size_bytes, &err), MU_OK);
    free(floats);
    return path;
}

void test_put_task(const test_server *server, uint64_t task, uint32_t device, uint64_t floats)
{
    char *path = write_start(server);
    Muster__Task message;
    muster__task__init(&message);
    message.id = task;
    message.start = start_digest;
    unsigned char packed[256];
    size_t bytes = muster__task__pack(&message, packed);
    mu_error err;
    const mu_desk_task put = { .id = task, .device = device, .packed = packed, .packed_bytes = bytes, .floats_up = floats, .change_floats = floats / 2,
                               .classes = 10, .start_digest_hex = start_digest, .start_path = path };
    assert_int_equal(mu_desk_put_task(server->desk, &put, &err), MU_OK);
    free(path);
}

void test_update_encode(const test_server *server, test_update *update)
{
    char *path = in_folder(server, "update.tmp.blob");
    mu_blob_digest digest;
    uint64_t size_bytes;
    mu_blob_part part = { .floats = update->floats, .count = update->count };
    mu_error err;
    assert_int_equal(mu_blob_write_file(path, &part, 1, MU_BLOB_PLAIN, &digest, &size_bytes, &err), MU_OK);
    mu_file file;
    assert_int_equal(mu_file_map(path, &file, &err), MU_OK);
    free(update->blob);
    update->blob = malloc(file.size_bytes);
    assert_non_null(update->blob);
    memcpy(update->blob, file.data, file.size_bytes);
    update->blob_bytes = file.size_bytes;
    memcpy(update->digest, digest.bytes, 32);
    mu_file_unmap(&file);
    unlink(path);
    free(path);
}

void test_update_make(const test_server *server, test_update *update, uint64_t task, uint64_t count, uint32_t seed)
{
    *update = (test_update){ .task = task, .floats = malloc(count * sizeof(float)), .count = count };
    assert_non_null(update->floats);
    for (uint64_t i = 0; i < count; i++)
        update->floats[i] = (float)((i * 2654435761u + seed) % 65536) / 65536 - 0.5f;
    test_update_encode(server, update);
}

void test_update_release(test_update *update)
{
    free(update->floats);
    free(update->blob);
}

unsigned char *test_update_announcement(const test_update *update, const test_device *device, void (*change)(Muster__UpdateHead *head), size_t *bytes)
{
    Muster__UpdateHead head;
    Muster__SignedUpdate announced;
    muster__update_head__init(&head);
    muster__signed_update__init(&announced);
    unsigned char digest[32], signature[64], *packed, *whole;
    memcpy(digest, update->digest, 32);
    head.task = update->task;
    head.device = device->number;
    head.digest = (ProtobufCBinaryData){ .len = 32, .data = digest };
    head.blob_bytes = update->blob_bytes;
    head.floats = update->count;
    head.num_examples = 50;
    head.steps = 5;
    head.train_loss = 1.5;
    if (change)
        change(&head);
    size_t head_bytes;
    mu_error err;
    assert_int_equal(mu_wire_pack(&head.base, &packed, &head_bytes, &err), MU_OK);
    assert_int_equal(mu_wire_sign(MU_WIRE_UPDATE, packed, head_bytes, device->secret_key, signature, &err), MU_OK);
    announced.head = (ProtobufCBinaryData){ .len = head_bytes, .data = packed };
    announced.signature = (ProtobufCBinaryData){ .len = 64, .data = signature };
    assert_int_equal(mu_wire_pack(&announced.base, &whole, bytes, &err), MU_OK);
    free(packed);
    return whole;
}
