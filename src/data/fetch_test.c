/* Downloads from a server of our own on loopback that cuts, lies, redirects, refuses and stalls as each test wants. */
#include "data/fetch.h"

#include "base/digest.h"
#include "data/test_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTENT = 300000, ANSWERS_MAX = 8 };

/* How the server treats one request. */
typedef struct answer {
    int    status;       /* 0: 200, or 206 where a range is asked for */
    bool   ignore_range; /* always the whole, from byte 0 */
    size_t cut_after;    /* hang up after so many bytes of content; 0: send all */
    size_t extra;        /* so many bytes too much, and no Content-Length */
    bool   wrong;        /* another content of the same size */
    bool   stall;        /* send half, then nothing until the client hangs up */
    const char *location; /* of a redirect */
} answer;

static struct server {
    int           socket;
    uint16_t      port;
    pthread_t     thread;
    answer        answers[ANSWERS_MAX]; /* one a request; after them the last again */
    size_t        answer_count;
    atomic_size_t requests;             /* seen */
    size_t        begins[64];           /* where each asked to begin; to be looked at once the server has stopped */
} server;

static unsigned char content[CONTENT];

static void send_all(int client, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t sent = send(client, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        size -= (size_t)sent;
    }
}

static void serve(int client, const answer *a, size_t begin)
{
    char head[512];
    int length;
    if (a->ignore_range)
        begin = 0;
    size_t size = CONTENT - begin;
    if (a->location)
        length = snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", a->location);
    else if (a->status)
        length = snprintf(head, sizeof head, "HTTP/1.1 %d No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope", a->status);
    else if (a->extra)
        length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    else if (begin)
        length = snprintf(head, sizeof head,
                          "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%d/%d\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                          begin, CONTENT - 1, CONTENT, size);
    else
        length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", size);
    send_all(client, head, (size_t)length);
    if (a->location || a->status)
        return;
    size_t send_bytes = a->cut_after && a->cut_after < size ? a->cut_after : a->stall ? size / 2 : size;
    if (a->wrong) {
        unsigned char *other = malloc(send_bytes);
        for (size_t i = 0; other && i < send_bytes; i++)
            other[i] = (unsigned char)~content[begin + i];
        send_all(client, other, other ? send_bytes : 0);
        free(other);
    } else {
        send_all(client, content + begin, send_bytes);
    }
    char byte = 'x';
    for (size_t i = 0; i < a->extra; i++)
        send_all(client, &byte, 1);
    while (a->stall && recv(client, &byte, 1, 0) > 0)
        continue;
}

static void *run_server(void *unused)
{
    (void)unused;
    for (;;) {
        int client = accept(server.socket, NULL, NULL);
        if (client < 0)
            return NULL;
        char request[4096] = "";
        size_t used = 0;
        while (used + 1 < sizeof request && !strstr(request, "\r\n\r\n")) {
            ssize_t got = recv(client, request + used, sizeof request - used - 1, 0);
            if (got <= 0)
                break;
            used += (size_t)got;
            request[used] = '\0';
        }
        const char *range = strstr(request, "Range: bytes=");
        size_t begin = range ? strtoul(range + strlen("Range: bytes="), NULL, 10) : 0;
        size_t number = atomic_fetch_add(&server.requests, 1);
        server.begins[number % MU_COUNT(server.begins)] = begin;
        serve(client, &server.answers[number < server.answer_count ? number : server.answer_count - 1], begin);
        shutdown(client, SHUT_RDWR);
        close(client);
    }
}

static void start_server(const answer *answers, size_t count)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    atomic_store(&server.requests, 0);
    memcpy(server.answers, answers, count * sizeof *answers);
    server.answer_count = count;
    server.socket = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server.socket >= 0);
    assert_int_equal(bind(server.socket, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(server.socket, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(listen(server.socket, 8), 0);
    server.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, run_server, NULL), 0);
}

static void stop_server(void)
{
    shutdown(server.socket, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.socket);
}

/* ---- one download against it ---- */

static char folder[64], final_path[128], part_path[128], url[128], sum[MU_SHA256_HEX_BYTES];

static mu_status fetch(const mu_fetch_config *config, mu_error *err)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%u/data.bin", server.port);
    const mu_fetch_file file = { "data.bin", url, CONTENT, sum };
    return mu_fetch(&file, folder, config, err);
}

static mu_fetch_config config_for_tests(void)
{
    mu_fetch_config config = mu_fetch_config_default();
    config.allow_http = true;
    return config;
}

static int set_up(void **state)
{
    (void)state;
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    for (size_t i = 0; i < CONTENT; i++)
        content[i] = (unsigned char)(i * i / 7 + i);
    mu_sha256_hex(content, CONTENT, sum);
    snprintf(folder, sizeof folder, "/tmp/muster-fetch-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(final_path, sizeof final_path, "%s/data.bin", folder);
    snprintf(part_path, sizeof part_path, "%s/data.bin.part", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(final_path);
    unlink(part_path);
    return rmdir(folder);
}

static void assert_complete(void)
{
    mu_file file;
    mu_error err;
    assert_ok(mu_file_map(final_path, &file, &err), &err);
    assert_int_equal(file.size_bytes, CONTENT);
    assert_memory_equal(file.data, content, CONTENT);
    mu_file_unmap(&file);
    assert_false(mu_file_exists(part_path));
}

static size_t part_size(void)
{
    struct stat info;
    return stat(part_path, &info) ? 0 : (size_t)info.st_size;
}

static void write_part(const unsigned char *data, size_t size)
{
    mu_error err;
    assert_ok(mu_file_write(part_path, data, size, &err), &err);
}

static void test_whole(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    start_server(&(answer){ 0 }, 1);
    assert_ok(fetch(&config, &err), &err);
    assert_complete();
    assert_int_equal(server.requests, 1);
    assert_ok(fetch(&config, &err), &err); /* it is there: nothing is asked */
    assert_int_equal(server.requests, 1);
    assert_ok(mu_file_write(final_path, "something else", 14, &err), &err);
    assert_ok(fetch(&config, &err), &err); /* it is not what it should be: fetched again */
    assert_complete();
    stop_server();
}

/* The connection breaks twice; each time it goes on where it ended. */
static void test_cut_and_resumed(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    start_server((const answer[]){ { .cut_after = 100000 }, { .cut_after = 50000 }, { 0 } }, 3);
    assert_ok(fetch(&config, &err), &err);
    stop_server();
    assert_complete();
    assert_int_equal(server.requests, 3);
    assert_int_equal(server.begins[1], 100000);
    assert_int_equal(server.begins[2], 150000);
}

/* With one try the failure is reported, the part stays, no file has the final name, and the next call resumes. */
static void test_cut_then_next_time(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    config.tries = 1;
    start_server((const answer[]){ { .cut_after = 123456 }, { 0 } }, 2);
    assert_error(fetch(&config, &err), MU_E_NETWORK, &err, "123456 of 300000 bytes are here");
    assert_false(mu_file_exists(final_path));
    assert_int_equal(part_size(), 123456);
    assert_ok(fetch(&config, &err), &err);
    stop_server();
    assert_complete();
    assert_int_equal(server.begins[1], 123456);
}

static void test_no_ranges(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    write_part(content, 5000);
    start_server(&(answer){ .ignore_range = true }, 1);
    assert_ok(fetch(&config, &err), &err);
    stop_server();
    assert_complete();
    assert_int_equal(server.begins[0], 5000);
    assert_int_equal(server.begins[1], 0);
}

static void test_range_refused(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    write_part(content, 5000);
    start_server((const answer[]){ { .status = 416 }, { 0 } }, 2);
    assert_ok(fetch(&config, &err), &err);
    stop_server();
    assert_complete();
}

/* A part that is the begin of something else is found out by the sum, and the whole is fetched anew. */
static void test_foreign_part(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    write_part(content + 1, 5000);
    start_server(&(answer){ 0 }, 1);
    assert_ok(fetch(&config, &err), &err);
    assert_complete();
    assert_int_equal(server.requests, 2);
    unlink(final_path);
    static unsigned char larger[CONTENT + 10];
    write_part(larger, sizeof larger);
    assert_ok(fetch(&config, &err), &err);
    assert_complete();
    unlink(final_path);
    write_part(content, CONTENT); /* complete, only not renamed: nothing is asked */
    size_t before = server.requests;
    assert_ok(fetch(&config, &err), &err);
    assert_complete();
    assert_int_equal(server.requests, before);
    stop_server();
}

static void test_wrong_content(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    start_server(&(answer){ .wrong = true }, 1);
    assert_error(fetch(&config, &err), MU_E_CHECKSUM, &err, "expected ");
    assert_non_null(strstr(err.message, sum));
    assert_false(mu_file_exists(final_path));
    assert_false(mu_file_exists(part_path));
    stop_server();
}

static void test_too_much(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    start_server(&(answer){ .extra = 100 }, 1);
    assert_error(fetch(&config, &err), MU_E_CHECKSUM, &err, "sends more than the 300000 bytes");
    assert_false(mu_file_exists(final_path));
    assert_false(mu_file_exists(part_path));
    stop_server();
}

static void test_refused(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    static const int statuses[] = { 404, 500, 403 };
    for (size_t i = 0; i < MU_COUNT(statuses); i++) {
        char words[64];
        snprintf(words, sizeof words, "the server answered %d", statuses[i]);
        start_server(&(answer){ .status = statuses[i] }, 1);
        assert_error(fetch(&config, &err), MU_E_NETWORK, &err, words);
        stop_server();
        assert_int_equal(server.requests, 1);
        assert_false(mu_file_exists(final_path));
        assert_int_equal(part_size(), 0);
    }
    assert_int_equal(fetch(&config, &err), MU_E_NETWORK); /* nobody listens any more */
}

static void test_https_only(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = mu_fetch_config_default();
    start_server(&(answer){ 0 }, 1);
    assert_error(fetch(&config, &err), MU_E_NETWORK, &err, "not by HTTPS");
    stop_server();
    assert_int_equal(server.requests, 0);
}

static void test_redirects(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    start_server((const answer[]){ { .location = "/elsewhere" }, { 0 } }, 2);
    assert_ok(fetch(&config, &err), &err);
    assert_complete();
    stop_server();
    unlink(final_path);
    start_server(&(answer){ .location = "/round" }, 1);
    assert_int_equal(fetch(&config, &err), MU_E_NETWORK);
    stop_server();
    assert_int_equal(server.requests, config.redirects_max + 1);
    start_server(&(answer){ .location = "file:///etc/hostname" }, 1);
    assert_error(fetch(&config, &err), MU_E_NETWORK, &err, "not by HTTPS");
    stop_server();
}

static bool stop_at_half(void *context, const mu_fetch_file *file, uint64_t done_bytes)
{
    uint64_t *most = context;
    assert_string_equal(file->name, "data.bin");
    assert_true(done_bytes >= *most);
    *most = done_bytes;
    return done_bytes < file->size_bytes / 2;
}

static void test_stopped(void **state)
{
    (void)state;
    mu_error err;
    uint64_t most = 0;
    mu_fetch_config config = config_for_tests();
    config.progress = stop_at_half;
    config.context = &most;
    start_server(&(answer){ .stall = true }, 1);
    assert_error(fetch(&config, &err), MU_E_INTERRUPTED, &err, "goes on from there");
    stop_server();
    assert_int_equal(most, CONTENT / 2);
    assert_int_equal(part_size(), CONTENT / 2);
    assert_false(mu_file_exists(final_path));
}

static void test_stalled(void **state)
{
    (void)state;
    mu_error err;
    mu_fetch_config config = config_for_tests();
    config.stall_timeout_s = 1;
    start_server((const answer[]){ { .stall = true }, { 0 } }, 2);
    assert_ok(fetch(&config, &err), &err);
    stop_server();
    assert_complete();
    assert_int_equal(server.begins[1], CONTENT / 2);
}

/* The table: names, sizes and sums have the form that they must have. */
static void test_sets(void **state)
{
    (void)state;
    size_t count, known_count;
    const mu_fetch_set *sets = mu_fetch_sets(&count);
    const mu_dataset_info *infos = mu_datasets(&known_count);
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < known_count; k++)
            known |= strcmp(infos[k].name, sets[i].name) == 0;
        assert_true(known);
        assert_ptr_equal(mu_fetch_find(sets[i].name), &sets[i]);
        for (size_t f = 0; f < sets[i].file_count; f++) {
            const mu_fetch_file *file = &sets[i].files[f];
            assert_memory_equal(file->url, "https://", 8);
            assert_int_equal(strspn(file->sha256, "0123456789abcdef"), 64);
            assert_int_equal(strlen(file->sha256), 64);
            assert_true(file->size_bytes > 0);
            assert_null(strchr(file->name, '/'));
        }
    }
    assert_null(mu_fetch_find("femnist"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_and_resumed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_then_next_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_range_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_https_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_redirects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stalled, set_up, tear_down),
        cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
