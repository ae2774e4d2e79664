/* Blobs going out, in every encoding and in ranges. */
#include "net/test_http.h"

#include "base/file.h"
#include "net/blob.h"

#include <pthread.h>
#include <sodium.h>

enum { FLOATS = 100000 };

typedef struct fixture {
    test_server server;
    test_device device;
    char        path[160];
} fixture;

static void begin(fixture *f)
{
    test_server_init(&f->server);
    test_server_listen(&f->server);
    test_device_make(&f->device);
    test_device_enrol(&f->server, &f->device);
    test_device_sign_in(&f->server, &f->device);
    test_put_task(&f->server, 1, f->device.number, 10);
    snprintf(f->path, sizeof f->path, "/v1/blobs/%s", test_start_digest());
}

static test_request get(const fixture *f, const char *path, const char *header)
{
    return (test_request){ .method = "GET", .path = path, .session = f->device.session, .header = header };
}

/* It is a blob of the floats that were announced. */
static void check_blob(const unsigned char *bytes, size_t size_bytes)
{
    mu_blob_reader *reader;
    mu_blob_digest expected, found;
    mu_error err;
    assert_true(mu_blob_digest_from_hex(test_start_digest(), &expected));
    assert_int_equal(mu_blob_reader_create(FLOATS, NULL, NULL, &reader, &err), MU_OK);
    assert_int_equal(mu_blob_reader_push(reader, bytes, size_bytes, &err), MU_OK);
    assert_int_equal(mu_blob_reader_finish(reader, &expected, &found, &err), MU_OK);
    mu_blob_reader_destroy(reader);
}

static void every_encoding_is_served(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    size_t sizes[MU_BLOB_ENCODING_COUNT];
    for (int i = 0; i < MU_BLOB_ENCODING_COUNT; i++) {
        char path[256], tag[96], file[256];
        snprintf(path, sizeof path, "%s?encoding=%s", f.path, mu_blob_encoding_name((mu_blob_encoding)i));
        snprintf(tag, sizeof tag, "\"%s\"", test_start_digest());
        snprintf(file, sizeof file, "%s/blobs/%s.%s", f.server.folder, test_start_digest(), mu_blob_encoding_name((mu_blob_encoding)i));
        for (int again = 0; again < 2; again++) {
            test_request request = get(&f, path, NULL);
            test_reply reply = test_ask(&f.server, &request);
            assert_int_equal(reply.status, 200);
            assert_string_equal(reply.tag, tag);
            check_blob(reply.body, reply.bytes);
            assert_int_equal(reply.body[20], i); /* its head says how it is encoded */
            sizes[i] = reply.bytes;
            test_reply_release(&reply);
            assert_true(mu_file_exists(file));
        }
    }
    assert_true(sizes[MU_BLOB_ZSTD] < sizes[MU_BLOB_PLAIN] / 2);
    assert_true(sizes[MU_BLOB_DEFLATE] < sizes[MU_BLOB_PLAIN] / 2);
    assert_true(mu_http_count(f.server.http).bytes_out > 2 * sizes[MU_BLOB_PLAIN]);
    test_server_release(&f.server);
}

static void ranges_are_served(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    test_request request = get(&f, f.path, NULL);
    test_reply whole = test_ask(&f.server, &request);
    assert_int_equal(whole.status, 200);
    assert_string_equal(whole.range, "");
    const size_t size = whole.bytes;
    const struct { const char *header; long status; size_t from, end; } asks[] = {
        { "Range: bytes=0-", 206, 0, size },         { "Range: bytes=1-", 206, 1, size },       { "Range: bytes=16383-16385", 206, 16383, 16386 },
        { "Range: bytes=300000-", 206, 300000, size }, { "Range: bytes=5-5", 206, 5, 6 },       { "Range: bytes=400000-99999999", 206, 400000, size },
        { "Range: bytes=-5", 200, 0, size },         { "Range: lines=1-", 200, 0, size },       { "Range: bytes=9-3", 200, 0, size },
        { "Range: bytes=1-2,5-6", 200, 0, size },
    };
    for (size_t i = 0; i < MU_COUNT(asks); i++) {
        request = get(&f, f.path, asks[i].header);
        test_reply reply = test_ask(&f.server, &request);
        assert_int_equal(reply.status, asks[i].status);
        assert_int_equal(reply.bytes, asks[i].end - asks[i].from);
        assert_memory_equal(reply.body, whole.body + asks[i].from, reply.bytes);
        char range[96] = "";
        if (asks[i].status == 206)
            snprintf(range, sizeof range, "bytes %zu-%zu/%zu", asks[i].from, asks[i].end - 1, size);
        assert_string_equal(reply.range, range);
        test_reply_release(&reply);
    }
    char header[64], range[64];
    snprintf(header, sizeof header, "Range: bytes=%zu-", size);
    snprintf(range, sizeof range, "bytes */%zu", size);
    request = get(&f, f.path, header);
    test_refused(&f.server, &request, 416, "range");
    test_reply reply = test_ask(&f.server, &request);
    assert_string_equal(reply.range, range);
    test_reply_release(&reply);
    test_reply_release(&whole);
    test_server_release(&f.server);
}

static void only_what_open_tasks_start_from_is_served(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    char path[256];
    snprintf(path, sizeof path, "/v1/blobs/%064d", 0);
    test_request request = get(&f, path, NULL);
    test_refused(&f.server, &request, 404, "no-such-blob");
    snprintf(path, sizeof path, "%s?encoding=lzma", f.path);
    request = get(&f, path, NULL);
    test_refused(&f.server, &request, 400, "not-understood");
    request = get(&f, f.path, NULL);
    request.session = NULL;
    test_refused(&f.server, &request, 401, "no-session");
    mu_desk_drop_task(f.server.desk, 1);
    request = get(&f, f.path, NULL);
    test_refused(&f.server, &request, 404, "no-such-blob");
    test_server_release(&f.server);
}

typedef struct asking {
    const fixture *f;
    const char    *path;
    pthread_t      thread;
    test_reply     reply;
} asking;

static void *ask(void *argument)
{
    asking *a = argument;
    test_request request = get(a->f, a->path, NULL);
    a->reply = test_ask(&a->f->server, &request);
    return NULL;
}

static void many_ask_for_what_is_not_made_yet(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    char paths[2][256];
    snprintf(paths[0], sizeof paths[0], "%s?encoding=zstd", f.path);
    snprintf(paths[1], sizeof paths[1], "%s?encoding=deflate", f.path);
    asking asks[24];
    for (size_t i = 0; i < MU_COUNT(asks); i++) {
        asks[i] = (asking){ .f = &f, .path = paths[i % 2] };
        assert_int_equal(pthread_create(&asks[i].thread, NULL, ask, &asks[i]), 0);
    }
    for (size_t i = 0; i < MU_COUNT(asks); i++) {
        pthread_join(asks[i].thread, NULL);
        assert_int_equal(asks[i].reply.status, 200);
        assert_int_equal(asks[i].reply.body[20], i % 2 ? MU_BLOB_DEFLATE : MU_BLOB_ZSTD); /* nobody gets it plain */
        check_blob(asks[i].reply.body, asks[i].reply.bytes);
        test_reply_release(&asks[i].reply);
    }
    test_server_release(&f.server);
}

static void what_cannot_be_made_is_sent_plain(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    char path[256], folder[256];
    snprintf(folder, sizeof folder, "%s/blobs/%s.zstd.tmp", f.server.folder, test_start_digest());
    mu_error err;
    assert_int_equal(mu_folder_make(folder, &err), MU_OK); /* in the way of the file */
    snprintf(path, sizeof path, "%s?encoding=zstd", f.path);
    test_request request = get(&f, path, NULL);
    test_reply reply = test_ask(&f.server, &request);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body[20], MU_BLOB_PLAIN);
    check_blob(reply.body, reply.bytes);
    test_reply_release(&reply);
    mu_http_problem problem;
    assert_int_equal(mu_http_problems(f.server.http, &problem, 1), 1);
    assert_string_equal(problem.code, "encoding");
    test_server_release(&f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_is_served),
        cmocka_unit_test(ranges_are_served),
        cmocka_unit_test(only_what_open_tasks_start_from_is_served),
        cmocka_unit_test(many_ask_for_what_is_not_made_yet),
        cmocka_unit_test(what_cannot_be_made_is_sent_plain),
    };
    return cmocka_run_group_tests_name("net_http_blob", tests, NULL, NULL);
}
