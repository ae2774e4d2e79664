/* A server with two devices, and updates that they send. */
#include "net/test_update.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void test_pair_begin(test_pair *f)
{
    test_server_init(&f->server);
    f->server.serve.update_norm_max = 1000;
    test_server_listen(&f->server);
    test_device_make(&f->device);
    test_device_make(&f->other);
    test_device_enrol(&f->server, &f->device);
    test_device_enrol(&f->server, &f->other);
    test_device_sign_in(&f->server, &f->device);
    test_device_sign_in(&f->server, &f->other);
}

const char *test_update_path(uint64_t task, const char *rest)
{
    static char path[128];
    snprintf(path, sizeof path, "/v1/tasks/%llu/%s", (unsigned long long)task, rest);
    return path;
}

test_request test_announcement(const test_update *update, const test_device *signs, const test_device *asks,
                               void (*change)(Muster__UpdateHead *), unsigned char **packed)
{
    size_t bytes;
    *packed = test_update_announcement(update, signs, change, &bytes);
    return (test_request){ .method = "POST", .path = test_update_path(update->task, "update"), .session = asks->session, .body = *packed, .bytes = bytes };
}

uint64_t test_announce(const test_pair *f, const test_update *update, bool *complete)
{
    unsigned char *packed;
    test_request request = test_announcement(update, &f->device, &f->device, NULL, &packed);
    ProtobufCMessage *answer = test_ask_message(&f->server, &request, 200, &muster__update_state__descriptor);
    const Muster__UpdateState *state = (const Muster__UpdateState *)(const void *)answer;
    uint64_t have_bytes = state->have_bytes;
    *complete = state->complete;
    mu_wire_free(answer);
    free(packed);
    return have_bytes;
}

void test_announce_refused(const test_pair *f, const test_update *update, const test_device *signs, const test_device *asks,
                           void (*change)(Muster__UpdateHead *), long status, const char *code)
{
    unsigned char *packed;
    test_request request = test_announcement(update, signs, asks, change, &packed);
    test_refused(&f->server, &request, status, code);
    free(packed);
}

test_request test_put(const test_pair *f, const test_update *update, uint64_t offset, size_t bytes)
{
    char rest[64];
    snprintf(rest, sizeof rest, "update?offset=%llu", (unsigned long long)offset);
    return (test_request){ .method = "PUT", .path = test_update_path(update->task, rest), .session = f->device.session, .body = update->blob + offset, .bytes = bytes };
}

uint64_t test_send_bytes(const test_pair *f, const test_update *update, uint64_t offset, size_t bytes, bool *complete)
{
    test_request request = test_put(f, update, offset, bytes);
    ProtobufCMessage *answer = test_ask_message(&f->server, &request, 200, &muster__update_state__descriptor);
    uint64_t have_bytes = ((const Muster__UpdateState *)(const void *)answer)->have_bytes;
    *complete = ((const Muster__UpdateState *)(const void *)answer)->complete;
    mu_wire_free(answer);
    return have_bytes;
}

int test_hanging_put(const test_pair *f, const test_update *update, size_t bytes)
{
    const char *port = strrchr(mu_http_url(f->server.http), ':') + 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    char head[512];
    int length = snprintf(head, sizeof head, "PUT %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                          test_update_path(update->task, "update?offset=0"), f->device.session, update->blob_bytes);
    assert_int_equal(send(fd, head, (size_t)length, 0), length);
    for (size_t sent = 0; sent < bytes;) {
        ssize_t now = send(fd, update->blob + sent, bytes - sent, 0);
        assert_true(now > 0);
        sent += (size_t)now;
    }
    return fd;
}

void test_wait_for_bytes(const test_pair *f, uint64_t bytes)
{
    for (int tries = 0; tries < 500 && mu_http_count(f->server.http).bytes_in < bytes; tries++)
        usleep(10000);
    assert_true(mu_http_count(f->server.http).bytes_in >= bytes);
}

void test_finish_hanging(int fd, const test_update *update, size_t sent, const char *status)
{
    while (sent < update->blob_bytes) {
        ssize_t now = send(fd, update->blob + sent, update->blob_bytes - sent, MSG_NOSIGNAL);
        assert_true(now > 0);
        sent += (size_t)now;
    }
    char answer[64] = "";
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 12);
    assert_memory_equal(answer + 9, status, 3);
}
