/* The coordinator's network side, asked by real clients: who is let in, and what each request gets. */
#include "net/test_http.h"

#include "base/clock.h"
#include "base/limits.h"

#include <curl/curl.h>
#include <sodium.h>
#include <unistd.h>

static test_request get(const char *path, const char *session) { return (test_request){ .method = "GET", .path = path, .session = session }; }

static void unknown_requests_are_refused(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    const test_request requests[] = { { .method = "GET", .path = "/" },
                                      { .method = "GET", .path = "/v1/hello/more" },
                                      { .method = "GET", .path = "/v1/hello%00" },
                                      { .method = "POST", .path = "/v1/hello", .body = "x", .bytes = 1 },
                                      { .method = "DELETE", .path = "/v1/job" },
                                      { .method = "POST", .path = "/v1/tasks/x/update" },
                                      { .method = "POST", .path = "/v1/tasks/99999999999999999999/update" },
                                      { .method = "GET", .path = "/v1/blobs/0123" } };
    for (size_t i = 0; i < MU_COUNT(requests); i++)
        assert_true(test_refused(&server, &requests[i], 404, "no-such-request") == 0);
    mu_http_problem problems[100];
    assert_int_equal(mu_http_problems(server.http, problems, 100), MU_COUNT(requests));
    assert_int_equal(problems[0].status, 404);
    assert_string_equal(problems[0].code, "no-such-request");
    assert_int_equal(problems[0].device, MU_STORE_ANY_DEVICE);
    mu_http_counts counts = mu_http_count(server.http);
    assert_int_equal(counts.requests, MU_COUNT(requests));
    assert_int_equal(counts.refused, MU_COUNT(requests));
    test_server_release(&server);
}

/* ---- enrolment ---- */

static void enrol_message(const test_device *device, Muster__Enrol *enrol, unsigned char proof[64])
{
    mu_error err;
    assert_int_equal(mu_wire_sign(MU_WIRE_ENROL, device->token, 32, device->secret_key, proof, &err), MU_OK);
    muster__enrol__init(enrol);
    enrol->protocol = MU_WIRE_PROTOCOL;
    enrol->token = (ProtobufCBinaryData){ .len = 32, .data = (uint8_t *)(uintptr_t)device->token };
    enrol->public_key = (ProtobufCBinaryData){ .len = 32, .data = (uint8_t *)(uintptr_t)device->public_key };
    enrol->proof = (ProtobufCBinaryData){ .len = 64, .data = proof };
}

static void enrol_refused(const test_server *server, const Muster__Enrol *enrol, long status, const char *code)
{
    unsigned char *packed;
    test_request request = test_post("/v1/enrol", NULL, &enrol->base, &packed);
    test_refused(server, &request, status, code);
    free(packed);
}

static void tokens_let_one_key_in(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    test_device device, other;
    test_device_make(&device);
    test_device_make(&other);
    test_device_enrol(&server, &device);
    Muster__Enrol enrol;
    unsigned char proof[64], *packed;
    /* The answer was lost: the same again gets the same. */
    enrol_message(&device, &enrol, proof);
    test_request request = test_post("/v1/enrol", NULL, &enrol.base, &packed);
    ProtobufCMessage *answer = test_ask_message(&server, &request, 200, &muster__enrolled__descriptor);
    assert_int_equal(((Muster__Enrolled *)(void *)answer)->device, device.number);
    mu_wire_free(answer);
    free(packed);
    /* Another key with that token. */
    memcpy(other.token, device.token, 32);
    enrol_message(&other, &enrol, proof);
    enrol_refused(&server, &enrol, 403, "token-used");
    randombytes_buf(other.token, 32);
    enrol_message(&other, &enrol, proof);
    enrol_refused(&server, &enrol, 403, "token-unknown");
    /* A key that he does not have. */
    test_device_give_token(&server, &other);
    enrol_message(&other, &enrol, proof);
    proof[5] ^= 1;
    enrol_refused(&server, &enrol, 403, "bad-signature");
    proof[5] ^= 1;
    enrol.protocol = 0;
    enrol_refused(&server, &enrol, 426, "protocol-too-old");
    enrol.protocol = MU_WIRE_PROTOCOL + 1;
    enrol_refused(&server, &enrol, 400, "protocol-unknown");
    enrol.protocol = MU_WIRE_PROTOCOL;
    enrol.token.len = 31;
    enrol_refused(&server, &enrol, 400, "not-understood");
    test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/enrol", .body = "\xff\xff\xff", .bytes = 3 }, 400, "not-understood");
    test_server_release(&server);
}

static void a_token_expires(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    test_device device;
    test_device_make(&device);
    unsigned char digest[32], proof[64];
    randombytes_buf(device.token, 32);
    crypto_generichash(digest, 32, device.token, 32, NULL, 0);
    int64_t now_s = mu_clock_utc_us() / 1000000;
    mu_error err;
    assert_int_equal(mu_store_add_token(server.store, digest, MU_STORE_ANY_DEVICE, TEST_DEVICES, now_s - 10, now_s - 5, &device.number, &err), MU_OK);
    Muster__Enrol enrol;
    enrol_message(&device, &enrol, proof);
    enrol_refused(&server, &enrol, 403, "token-expired");
    test_server_release(&server);
}

/* ---- sessions ---- */

static void sessions_need_the_key_and_a_fresh_challenge(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    test_device device, stranger;
    test_device_make(&device);
    test_device_make(&stranger);
    test_device_enrol(&server, &device);
    unsigned char challenge[32];
    size_t bytes;
    test_hello(&server, challenge);
    unsigned char *packed = test_device_session_message(&device, challenge, MU_WIRE_PROTOCOL, &bytes);
    const test_request request = { .method = "POST", .path = "/v1/session", .body = packed, .bytes = bytes };
    mu_wire_free(test_ask_message(&server, &request, 200, &muster__session__descriptor));
    test_refused(&server, &request, 401, "challenge"); /* once */
    free(packed);

    unsigned char forged[32];
    memcpy(forged, challenge, 32);
    forged[0] ^= 1; /* another time, without the coordinator's hash of it */
    const struct { const unsigned char *challenge; uint32_t protocol; const test_device *signs; uint32_t number; long status; const char *code; } tries[] = {
        { forged, MU_WIRE_PROTOCOL, &device, 0, 401, "challenge" },
        { NULL, MU_WIRE_PROTOCOL, &stranger, 0, 403, "bad-signature" },
        { NULL, MU_WIRE_PROTOCOL, &device, 39, 403, "unknown-device" },
        { NULL, MU_WIRE_PROTOCOL, &device, 4000000000, 403, "unknown-device" },
        { NULL, 0, &device, 0, 426, "protocol-too-old" },
    };
    for (size_t i = 0; i < MU_COUNT(tries); i++) {
        test_device who = *tries[i].signs;
        who.number = tries[i].number ? tries[i].number : device.number;
        test_hello(&server, challenge);
        packed = test_device_session_message(&who, tries[i].challenge ? tries[i].challenge : challenge, tries[i].protocol, &bytes);
        test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/session", .body = packed, .bytes = bytes }, tries[i].status, tries[i].code);
        free(packed);
    }
    mu_desk_event event;
    assert_true(mu_desk_take(server.desk, 1, 90, &event));
    assert_int_equal(event.kind, MU_DESK_CAME);
    assert_int_equal(event.device, device.number);
    assert_int_equal(event.report.num_examples, 100);
    assert_string_equal(event.report.profile.name, "phone-mid");
    assert_true(event.report.profile.macs_per_s[MU_PRECISION_FP32] == 5e9);
    test_server_release(&server);
}

static void a_session_is_the_last_one_and_ends(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    server.serve.session_s = 0.3;
    test_server_listen(&server);
    test_device device;
    test_device_make(&device);
    test_device_enrol(&server, &device);
    test_device_sign_in(&server, &device);
    char first[65];
    memcpy(first, device.session, sizeof first);
    test_device_sign_in(&server, &device);
    test_request with_first = get("/v1/job", first), with_second = get("/v1/job", device.session);
    test_refused(&server, &with_first, 401, "no-session");
    test_reply reply = test_ask(&server, &with_second);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.bytes, 6);
    assert_memory_equal(reply.body, "\x0a\x04test", 6);
    test_reply_release(&reply);
    usleep(400000);
    test_refused(&server, &with_second, 401, "no-session");
    const char *const wrong[] = { NULL, "", "00", "zz", "00000000000000000000000000000000000000000000000000000000000000000" };
    for (size_t i = 0; i < MU_COUNT(wrong); i++) {
        test_request request = get("/v1/job", wrong[i]);
        test_refused(&server, &request, 401, "no-session");
    }
    test_server_release(&server);
}

static void who_leaves_or_is_revoked_is_out(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    test_device leaves, revoked;
    test_device_make(&leaves);
    test_device_make(&revoked);
    test_device_enrol(&server, &leaves);
    test_device_enrol(&server, &revoked);
    test_device_sign_in(&server, &leaves);
    test_device_sign_in(&server, &revoked);
    assert_int_equal(mu_desk_count(server.desk).present, 2);
    test_reply reply = test_ask(&server, &(test_request){ .method = "POST", .path = "/v1/leave", .session = leaves.session });
    assert_int_equal(reply.status, 204);
    assert_int_equal(reply.bytes, 0);
    assert_int_equal(mu_desk_count(server.desk).present, 1);
    test_request request = get("/v1/job", leaves.session);
    test_refused(&server, &request, 401, "no-session");
    mu_error err;
    assert_int_equal(mu_store_revoke(server.store, revoked.number, true, &err), MU_OK);
    request = get("/v1/job", revoked.session);
    test_refused(&server, &request, 403, "revoked");
    assert_int_equal(mu_desk_count(server.desk).present, 0);
    test_refused(&server, &request, 401, "no-session");
    unsigned char challenge[32];
    size_t bytes;
    test_hello(&server, challenge);
    unsigned char *packed = test_device_session_message(&revoked, challenge, MU_WIRE_PROTOCOL, &bytes);
    test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/session", .body = packed, .bytes = bytes }, 403, "revoked");
    free(packed);
    test_server_release(&server);
}

static void a_capability_that_lacks_is_named(void **state)
{
    (void)state;
    static const char *const needed[] = { "how.fjord", NULL };
    test_server server;
    test_server_init(&server);
    server.capabilities = needed;
    test_server_listen(&server);
    test_device device;
    test_device_make(&device);
    test_device_give_token(&server, &device);
    Muster__Enrol enrol;
    unsigned char proof[64];
    enrol_message(&device, &enrol, proof);
    enrol_refused(&server, &enrol, 422, "capability");
    char name[] = "how.fjord", *names[] = { name };
    enrol.capabilities = names;
    enrol.n_capabilities = 1;
    unsigned char *packed;
    test_request request = test_post("/v1/enrol", NULL, &enrol.base, &packed);
    mu_wire_free(test_ask_message(&server, &request, 200, &muster__enrolled__descriptor));
    free(packed);
    test_server_release(&server);
}

/* ---- bounds ---- */

static void bodies_are_bounded(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    const size_t most = MU_LIMIT_MESSAGE_BYTES;
    char *large = calloc(1, 20 * most);
    assert_non_null(large);
    const size_t sizes[] = { most + 1, 20 * most };
    for (size_t i = 0; i < MU_COUNT(sizes); i++) {
        test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/session", .body = large, .bytes = sizes[i], .header = "Expect: 100-continue" },
                     413, "too-large");
        test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/session", .body = large, .bytes = sizes[i], .chunked = true }, 413,
                     "too-large");
    }
    /* What is just as large as it may be is read. */
    test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/session", .body = large, .bytes = most }, 400, "not-understood");
    test_refused(&server, &(test_request){ .method = "POST", .path = "/v1/session", .body = large, .bytes = most, .chunked = true }, 400, "not-understood");
    free(large);
    test_server_release(&server);
}

static void who_asks_too_often_waits(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    server.serve.requests_per_s = 0.5;
    test_server_listen(&server);
    test_device device;
    test_device_make(&device);
    test_device_enrol(&server, &device); /* one of ten */
    test_device_sign_in(&server, &device); /* two more */
    test_request hello = get("/v1/hello", NULL), ask_job = get("/v1/job", device.session);
    for (int i = 0; i < 7; i++)
        mu_wire_free(test_ask_message(&server, &hello, 200, &muster__hello__descriptor));
    double again_s = test_refused(&server, &hello, 429, "too-many");
    assert_true(again_s > 0.5 && again_s < 3);
    for (int i = 0; i < 10; i++) { /* the device has a bucket of its own */
        test_reply reply = test_ask(&server, &ask_job);
        assert_int_equal(reply.status, 200);
        test_reply_release(&reply);
    }
    test_refused(&server, &ask_job, 429, "too-many");
    test_server_release(&server);
}

static void connections_live_on(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    CURL *curl = curl_easy_init();
    long opened = 0, total = 0;
    test_request request = get("/v1/hello", NULL);
    request.curl = curl;
    request.connections = &opened;
    for (int i = 0; i < 5; i++) {
        mu_wire_free(test_ask_message(&server, &request, 200, &muster__hello__descriptor));
        total += opened;
        test_request refused = { .method = "POST", .path = "/v1/poll", .body = "abc", .bytes = 3, .curl = curl, .connections = &opened };
        test_refused(&server, &refused, 401, "no-session"); /* with its body: it is read, and the connection stays */
        total += opened;
    }
    assert_int_equal(total, 1);
    assert_int_equal(mu_http_count(server.http).connections, 1);
    curl_easy_cleanup(curl);
    test_server_release(&server);
}

/* ---- starting, and for people ---- */

static void nothing_is_answered_before_it_is_open(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    mu_http_destroy(server.http);
    server.serve.again_s = 10;
    const mu_http_config config = { .serve = &server.serve, .folder = server.folder, .federation = "test", .job = (const unsigned char *)"", .store = server.store,
                                    .desk = server.desk };
    mu_error err;
    assert_int_equal(mu_http_create(&config, &server.http, &err), MU_OK);
    test_request request = get("/v1/hello", NULL);
    double again_s = test_refused(&server, &request, 503, "not-open");
    assert_true(again_s >= 0.8 * 1.5 && again_s <= 10); /* soon: it has just begun; should the machine be slow, later */
    for (int i = 0; i < 3; i++)
        assert_true(test_refused(&server, &request, 503, "not-open") != again_s);
    mu_http_open(server.http);
    mu_wire_free(test_ask_message(&server, &request, 200, &muster__hello__descriptor));
    test_server_release(&server);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    const struct { const char *address, *says; } wrong[] = {
        { "nonsense", "host:port" }, { ":1", "host:port" }, { "127.0.0.1:99999", "host:port" }, { "127.0.0.1:1x", "host:port" },
        { "0.0.0.0:0", "loopback" }, { "[::]:0", "loopback" }, { strstr(mu_http_url(server.http), "127."), "cannot listen" },
    };
    for (size_t i = 0; i < MU_COUNT(wrong); i++) {
        mu_serve_config serve = server.serve;
        serve.address = wrong[i].address;
        const mu_http_config config = { .serve = &serve, .folder = server.folder, .federation = "test", .job = (const unsigned char *)"",
                                        .store = server.store, .desk = server.desk };
        mu_http *http = NULL;
        mu_error err;
        assert_int_not_equal(mu_http_create(&config, &http, &err), MU_OK);
        if (!strstr(err.message, wrong[i].says))
            fail_msg("'%s' gives: %s", wrong[i].address, err.message);
    }
    test_server_release(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_requests_are_refused),
        cmocka_unit_test(tokens_let_one_key_in),
        cmocka_unit_test(a_token_expires),
        cmocka_unit_test(sessions_need_the_key_and_a_fresh_challenge),
        cmocka_unit_test(a_session_is_the_last_one_and_ends),
        cmocka_unit_test(who_leaves_or_is_revoked_is_out),
        cmocka_unit_test(a_capability_that_lacks_is_named),
        cmocka_unit_test(bodies_are_bounded),
        cmocka_unit_test(who_asks_too_often_waits),
        cmocka_unit_test(connections_live_on),
        cmocka_unit_test(nothing_is_answered_before_it_is_open),
        cmocka_unit_test(addresses_are_checked),
    };
    return cmocka_run_group_tests_name("net_http", tests, NULL, NULL);
}
