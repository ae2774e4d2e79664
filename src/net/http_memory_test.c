/* Every allocation of the network's side refused, one after the other: where it begins to listen, and in each request. A request that finds no memory is told so, or
 * its connection is closed; nothing is lost, and the same request gets its answer once there is memory again.
 *
 * What libmicrohttpd, GnuTLS, SQLite and protobuf-c take by themselves is not refused here, nor is what a held poll needs. */
#include "base/refuse_memory.h"

#include "net/test_update.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* The status, or 0 where the connection was closed without an answer. Takes no memory. */
static int ask(const test_server *server, const test_request *request)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    to.sin_port = htons((uint16_t)atoi(strrchr(mu_http_url(server->http), ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    char head[512], answer[4096] = "";
    int length = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                          request->method, request->path, request->session ? request->session : "", request->bytes);
    bool good = send(fd, head, (size_t)length, MSG_NOSIGNAL) == length;
    for (size_t sent = 0; good && sent < request->bytes;) {
        ssize_t now = send(fd, (const char *)request->body + sent, request->bytes - sent, MSG_NOSIGNAL);
        good = now > 0;
        sent += good ? (size_t)now : 0;
    }
    ssize_t got = recv(fd, answer, 12, MSG_WAITALL);
    int status = got == 12 ? atoi(answer + 9) : 0;
    while (got > 0)
        got = recv(fd, answer, sizeof answer, 0);
    close(fd);
    return status;
}

/* Nobody of the server is at work any more. */
static void wait_until_quiet(const test_server *server)
{
    for (int tries = 0; tries < 2000 && mu_http_count(server->http).connections; tries++)
        usleep(1000);
    assert_int_equal(mu_http_count(server->http).connections, 0);
}

/* With so many allocations, then none. True: that sufficed. */
static bool ask_with(const test_server *server, const test_request *request, long allocations, int expected)
{
    wait_until_quiet(server);
    refused = false;
    allocations_left = allocations;
    int status = ask(server, request);
    wait_until_quiet(server);
    allocations_left = -1;
    if (status != expected && status != 503 && status != 0)
        fail_msg("%s %s with %ld allocations: %d, expected %d, 503 or none", request->method, request->path, allocations, status, expected);
    assert_true(refused || status == expected);
    return !refused;
}

/* Refused at every place; afterwards the same request is answered. */
static void probe(const test_server *server, const test_request *request, int expected)
{
    long count = 0;
    for (; !ask_with(server, request, count, expected); count++)
        assert_int_equal(ask(server, request), expected);
    assert_true(count >= 3); /* of the connection, its address, the request */
}

static void a_server_begins_or_says_that_it_has_no_memory(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server);
    mu_http_destroy(server.http);
    server.http = NULL;
    server.serve.tls = true;
    server.serve.status_address = "127.0.0.1:0";
    const mu_http_config config = { .serve = &server.serve, .folder = server.folder, .federation = "test", .job = (const unsigned char *)"", .store = server.store,
                                    .desk = server.desk };
    long count = 0;
    for (bool done = false; !done; count++) {
        mu_http *http = NULL;
        mu_error err = { 0 };
        refused = false;
        allocations_left = count;
        mu_status status = mu_http_create(&config, &http, &err);
        allocations_left = -1;
        done = !refused;
        if (done ? status != MU_OK : status != MU_E_MEMORY && status != MU_E_IO) /* IO: of a file that could not be written */
            fail_msg("with %ld allocations: %s", count, err.message);
        assert_int_equal(err.status, status);
        mu_http_destroy(http);
    }
    assert_true(count > 15);
    test_server_release(&server);
}

static void requests_get_their_answer_when_there_is_memory(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_put_task(&f.server, 1, f.device.number, 100);
    Muster__Poll poll;
    Muster__Failed failed;
    muster__poll__init(&poll);
    muster__failed__init(&failed);
    char reason[] = "no";
    failed.task = 1;
    failed.reason = reason;
    char blob[128], zstd[160];
    snprintf(blob, sizeof blob, "/v1/blobs/%s", test_start_digest());
    snprintf(zstd, sizeof zstd, "%s?encoding=zstd", blob);
    unsigned char *packed_poll;
    const test_request asks[] = {
        { .method = "GET", .path = "/v1/hello" }, { .method = "GET", .path = "/v1/nothing" }, { .method = "GET", .path = "/v1/job", .session = f.device.session },
        { .method = "GET", .path = "/v1/job" }, { .method = "GET", .path = blob, .session = f.device.session },
        { .method = "GET", .path = zstd, .session = f.device.session }, test_post("/v1/poll", f.device.session, &poll.base, &packed_poll),
    };
    static const int expected[] = { 200, 404, 200, 401, 200, 200, 200 };
    for (size_t i = 0; i < MU_COUNT(asks); i++)
        probe(&f.server, &asks[i], expected[i]);
    free(packed_poll);
    test_server_release(&f.server);
}

/* Its answer may be lost: a device that asks again is enrolled as before. */
static void enrolments_and_sessions_are_made_once_or_again(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_device device;
    test_device_make(&device);
    test_device_give_token(&f.server, &device);
    unsigned char *packed;
    test_request request = test_device_enrolment(&device, &packed);
    probe(&f.server, &request, 200);
    free(packed);
    long count = 0;
    for (bool done = false; !done; count++) { /* a challenge opens one session, so each has its own */
        unsigned char challenge[32];
        size_t bytes;
        test_hello(&f.server, challenge);
        packed = test_device_session_message(&device, challenge, MU_WIRE_PROTOCOL, &bytes);
        request = (test_request){ .method = "POST", .path = "/v1/session", .body = packed, .bytes = bytes };
        done = ask_with(&f.server, &request, count, 200);
        free(packed);
    }
    assert_true(count > 4);
    test_device_sign_in(&f.server, &device);
    test_server_release(&f.server);
}

static void updates_come_in_when_there_is_memory(void **state)
{
    (void)state;
    enum { FLOATS = 70000 }; /* two chunks */
    test_pair f;
    test_pair_begin(&f);
    for (int part = 0; part < 2; part++) {
        long count = 0;
        for (bool done = false; !done; count++) {
            uint64_t task = 1000 * (uint64_t)(part + 1) + (uint64_t)count;
            test_update update;
            unsigned char *packed;
            bool complete = false;
            test_put_task(&f.server, task, f.device.number, FLOATS);
            test_update_make(&f.server, &update, task, FLOATS, 1);
            test_request request = test_announcement(&update, &f.device, &f.device, NULL, &packed);
            if (part == 1) {
                test_announce(&f, &update, &complete);
                request = test_put(&f, &update, 0, update.blob_bytes);
            }
            done = ask_with(&f.server, &request, count, 200);
            uint64_t have_bytes = test_announce(&f, &update, &complete);
            if (!complete)
                test_send_bytes(&f, &update, have_bytes, (size_t)(update.blob_bytes - have_bytes), &complete);
            assert_true(complete);
            mu_desk_drop_task(f.server.desk, task);
            free(packed);
            test_update_release(&update);
        }
        assert_true(count > 5);
    }
    test_server_release(&f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_begins_or_says_that_it_has_no_memory),
        cmocka_unit_test(requests_get_their_answer_when_there_is_memory),
        cmocka_unit_test(enrolments_and_sessions_are_made_once_or_again),
        cmocka_unit_test(updates_come_in_when_there_is_memory),
    };
    return cmocka_run_group_tests_name("net_http_memory", tests, NULL, NULL);
}
