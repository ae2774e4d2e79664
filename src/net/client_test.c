/* The client against a server that says what the test wants: every outcome, cut transfers, and certificates. */
#include "net/client.h"

#include "net/scripted_server_support.h"
#include "net/wire.h"

#include <gnutls/x509.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

typedef struct fixture {
    scripted_server *server;
    mu_client       *client;
    mu_error         err;
    mu_client_answer answer;
} fixture;

static void open_client(fixture *f, const scripted *script, size_t count, const char *scheme, const char *fingerprint, const atomic_bool *stop)
{
    char url[64];
    if (!f->server)
        f->server = calloc(1, sizeof *f->server);
    scripted_start(f->server, script, count);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme, f->server->port);
    mu_client_config config = mu_client_config_default();
    config.url = url;
    config.fingerprint = fingerprint;
    config.stop = stop;
    assert_int_equal(mu_client_create(&config, &f->client, &f->err), MU_OK);
}

static void close_client(fixture *f)
{
    mu_client_answer_release(&f->answer);
    mu_client_destroy(f->client);
    scripted_stop(f->server);
    free(f->server);
}

static mu_client_outcome ask(fixture *f, mu_client_request request)
{
    mu_client_answer_release(&f->answer);
    f->err.message[0] = '\0';
    return mu_client_ask(f->client, &request, &f->answer, &f->err);
}

static void test_messages_go_and_come_over_one_connection(void **state)
{
    (void)state;
    const scripted script[] = { { .head = OK, .body = "abc", .body_bytes = 3 }, { .head = OK, .body = "", .body_bytes = 0 } };
    fixture f = { 0 };
    open_client(&f, script, 2, "http", NULL, NULL);
    assert_int_equal(mu_client_set_session(f.client, "\x01\xab", 2, &f.err), MU_OK);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/poll", .body = "hello", .body_bytes = 5 }), MU_CLIENT_DONE);
    assert_int_equal(f.answer.status, 200);
    assert_int_equal(f.answer.body_bytes, 3);
    assert_memory_equal(f.answer.body, "abc", 3);
    assert_int_equal(f.answer.sent_bytes, 5);
    assert_int_equal(f.answer.received_bytes, 3);
    assert_int_equal(mu_client_set_session(f.client, NULL, 0, &f.err), MU_OK);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/hello" }), MU_CLIENT_DONE);
    assert_int_equal(f.server->connections, 1);
    assert_non_null(strstr(f.server->heads[0], "POST /v1/poll HTTP/1.1\r\n"));
    assert_non_null(strstr(f.server->heads[0], "Authorization: Bearer 01ab\r\n"));
    assert_non_null(strstr(f.server->heads[0], "Content-Type: " MU_WIRE_MEDIA_TYPE "\r\n"));
    assert_memory_equal(f.server->heard, "hello", 5);
    assert_non_null(strstr(f.server->heads[1], "GET /v1/hello HTTP/1.1\r\n"));
    assert_null(strstr(f.server->heads[1], "Authorization"));
    close_client(&f);
}

static void test_every_status_has_its_outcome(void **state)
{
    (void)state;
    Muster__Refusal refusal;
    muster__refusal__init(&refusal);
    char code[] = "task-over", message[] = "nobody waits for task 7 any more";
    unsigned char *body, *later_body;
    size_t body_bytes, later_bytes;
    refusal.code = code;
    refusal.message = message;
    assert_int_equal(mu_wire_pack(&refusal.base, &body, &body_bytes, NULL), MU_OK);
    refusal.again_s = 2.5;
    assert_int_equal(mu_wire_pack(&refusal.base, &later_body, &later_bytes, NULL), MU_OK);
    const scripted script[] = {
        { .head = "HTTP/1.1 401 Unauthorized\r\n" },
        { .head = "HTTP/1.1 426 Upgrade Required\r\n" },
        { .head = "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n" },
        { .head = "HTTP/1.1 503 Busy\r\n", .body = later_body, .body_bytes = later_bytes },
        { .head = "HTTP/1.1 410 Gone\r\n", .body = body, .body_bytes = body_bytes },
        { .head = "HTTP/1.1 400 Bad\r\n", .body = later_body, .body_bytes = later_bytes },
        { .head = "HTTP/1.1 404 Not Found\r\n", .body = "<html>", .body_bytes = 6 },
        { .head = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n" },
    };
    static const struct { mu_client_outcome outcome; double again_s; } expected[] = {
        { MU_CLIENT_NO_SESSION, 0 }, { MU_CLIENT_OUTDATED, 0 }, { MU_CLIENT_BUSY, 7 },    { MU_CLIENT_BUSY, 2.5 },
        { MU_CLIENT_REFUSED, 0 },    { MU_CLIENT_BUSY, 2.5 },   { MU_CLIENT_REFUSED, 0 }, { MU_CLIENT_BUSY, 0 },
    };
    fixture f = { 0 };
    open_client(&f, script, MU_COUNT(script), "http", NULL, NULL);
    for (size_t i = 0; i < MU_COUNT(script); i++) {
        assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/poll", .body = "", .body_bytes = 0 }), expected[i].outcome);
        assert_true(f.answer.again_s == expected[i].again_s);
        if (script[i].body == body) {
            assert_string_equal(f.answer.code, "task-over");
            assert_non_null(strstr(f.err.message, "nobody waits for task 7 any more (task-over, HTTP 410)"));
        }
    }
    assert_int_equal(f.server->done, MU_COUNT(script)); /* nobody went elsewhere */
    close_client(&f);
    free(body);
    free(later_body);
}

static void test_nobody_there_and_cut_answers_are_for_later(void **state)
{
    (void)state;
    const scripted script[] = { { .head = NULL }, { .head = OK, .body = "abcdef", .body_bytes = 6, .said_bytes = 2 } };
    fixture f = { 0 };
    open_client(&f, script, 2, "http", NULL, NULL);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/hello" }), MU_CLIENT_UNREACHED);
    assert_int_equal(f.err.status, MU_E_NETWORK);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/hello" }), MU_CLIENT_UNREACHED);
    close_client(&f);
    mu_client *client;
    mu_client_config config = mu_client_config_default();
    config.url = "http://127.0.0.1:1"; /* nothing listens there */
    assert_int_equal(mu_client_create(&config, &client, &f.err), MU_OK);
    assert_int_equal(mu_client_ask(client, &(mu_client_request){ .path = "/v1/hello" }, &f.answer, &f.err), MU_CLIENT_UNREACHED);
    mu_client_answer_release(&f.answer);
    mu_client_destroy(client);
}

static void test_answers_are_bounded(void **state)
{
    (void)state;
    const scripted script[] = { { .head = OK, .body = "0123456789", .body_bytes = 10 } };
    fixture f = { 0 };
    open_client(&f, script, 1, "http", NULL, NULL);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/hello", .answer_max_bytes = 9 }), MU_CLIENT_UNREACHED);
    assert_int_equal(f.err.status, MU_E_LIMIT);
    assert_true(f.answer.body_bytes <= 9);
    close_client(&f);
}

static void test_a_held_answer_that_is_too_slow_and_a_stop_end_it(void **state)
{
    (void)state;
    const scripted script[] = { { .head = OK, .hears_bytes = 100 }, { .head = OK, .hears_bytes = 100 } }; /* waits for more than comes */
    atomic_bool stop = false;
    fixture f = { 0 };
    open_client(&f, script, 2, "http", NULL, &stop);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/poll", .body = "x", .body_bytes = 1, .within_s = 0.3 }), MU_CLIENT_UNREACHED);
    atomic_store(&stop, true);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/poll", .body = "x", .body_bytes = 1 }), MU_CLIENT_STOPPED);
    assert_int_equal(f.err.status, MU_E_INTERRUPTED);
    close_client(&f);
}

/* ---- streams ---- */

typedef struct taken {
    uint64_t  first;
    char      bytes[64];
    size_t    size_bytes;
    mu_status refuses;
} taken;

static mu_status begin_taking(void *self, uint64_t first, mu_error *err)
{
    (void)err;
    taken *t = self;
    t->first = first;
    t->size_bytes = 0;
    return MU_OK;
}

static mu_status take(void *self, const void *bytes, size_t size_bytes, mu_error *err)
{
    taken *t = self;
    if (t->refuses)
        return mu_error_set(err, t->refuses, "not these");
    assert_true(t->size_bytes + size_bytes <= sizeof t->bytes);
    memcpy(t->bytes + t->size_bytes, bytes, size_bytes);
    t->size_bytes += size_bytes;
    return MU_OK;
}

static void test_a_download_goes_on_where_it_was_cut(void **state)
{
    (void)state;
    const scripted script[] = {
        { .head = OK, .body = "0123456789", .body_bytes = 10, .said_bytes = 4 },
        { .head = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 4-9/10\r\n", .body = "456789", .body_bytes = 6 },
        { .head = OK, .body = "0123456789", .body_bytes = 10 }, /* a server that knows no ranges */
        { .head = "HTTP/1.1 404 Not Found\r\n", .body = "no", .body_bytes = 2 },
        { .head = OK, .body = "0123456789", .body_bytes = 10 },
    };
    taken t = { 0 };
    const mu_client_sink sink = { .self = &t, .begin = begin_taking, .take = take };
    fixture f = { 0 };
    open_client(&f, script, MU_COUNT(script), "http", NULL, NULL);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/blobs/a", .sink = &sink }), MU_CLIENT_UNREACHED);
    assert_int_equal(t.size_bytes, 4);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/blobs/a", .sink = &sink, .first = 4 }), MU_CLIENT_DONE);
    assert_non_null(strstr(f.server->heads[1], "Range: bytes=4-\r\n"));
    assert_int_equal(t.first, 4);
    assert_memory_equal(t.bytes, "456789", 6);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/blobs/a", .sink = &sink, .first = 4 }), MU_CLIENT_DONE);
    assert_int_equal(t.first, 0); /* and is told so */
    assert_int_equal(t.size_bytes, 10);
    t = (taken){ 0 };
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/blobs/a", .sink = &sink }), MU_CLIENT_REFUSED);
    assert_int_equal(t.size_bytes, 0); /* a refusal is none of the bytes */
    t.refuses = MU_E_CHECKSUM;
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/blobs/a", .sink = &sink }), MU_CLIENT_FAILED);
    assert_int_equal(f.err.status, MU_E_CHECKSUM);
    close_client(&f);
}

static void test_an_upload_is_sent_from_where_it_is_wanted(void **state)
{
    (void)state;
    const scripted script[] = {
        { .head = OK },
        { .head = "HTTP/1.1 422 No\r\n", .closes = true },
        { .hears_bytes = 3 },
        { .head = OK },
    };
    char path[] = "/tmp/muster-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "0123456789", 10) == 10);
    fixture f = { 0 };
    open_client(&f, script, MU_COUNT(script), "http", NULL, NULL);
    mu_client_request request = { .path = "/v1/tasks/7/update?offset=4", .upload = fd, .upload_first = 4, .upload_bytes = 10 };
    assert_int_equal(ask(&f, request), MU_CLIENT_DONE);
    assert_non_null(strstr(f.server->heads[0], "PUT /v1/tasks/7/update?offset=4 HTTP/1.1\r\n"));
    assert_int_equal(f.server->body_bytes[0], 6);
    assert_memory_equal(f.server->heard, "456789", 6);
    assert_int_equal(f.answer.sent_bytes, 6);
    assert_int_equal(ask(&f, request), MU_CLIENT_REFUSED);
    assert_int_equal(ask(&f, request), MU_CLIENT_UNREACHED);
    assert_int_equal(ftruncate(fd, 6), 0);
    assert_int_equal(ask(&f, request), MU_CLIENT_FAILED); /* it has become shorter than was said */
    close(fd);
    unlink(path);
    close_client(&f);
}

/* ---- who answers ---- */

/* A certificate of its own, as a coordinator makes one; *fingerprint of it. */
static gnutls_certificate_credentials_t own_certificate(char fingerprint[MU_FINGERPRINT_HEX_BYTES])
{
    gnutls_certificate_credentials_t credentials;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    unsigned char der[4096], digest[crypto_hash_sha256_BYTES];
    size_t der_bytes = sizeof der;
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "\x01", 1);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "test", 4);
    gnutls_x509_crt_set_activation_time(certificate, 1);
    gnutls_x509_crt_set_expiration_time(certificate, 4000000000);
    gnutls_x509_crt_set_key(certificate, key);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export(certificate, GNUTLS_X509_FMT_DER, der, &der_bytes), 0);
    crypto_hash_sha256(digest, der, der_bytes);
    sodium_bin2hex(fingerprint, MU_FINGERPRINT_HEX_BYTES, digest, sizeof digest);
    gnutls_certificate_allocate_credentials(&credentials);
    assert_int_equal(gnutls_certificate_set_x509_key(credentials, &certificate, 1, key), 0);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return credentials;
}

static void test_a_pinned_certificate_is_the_only_one(void **state)
{
    (void)state;
    const scripted script[] = { { .head = OK, .body = "abc", .body_bytes = 3 }, { .head = OK, .closes = true }, { .head = OK } };
    char fingerprint[MU_FINGERPRINT_HEX_BYTES];
    fixture f = { .server = calloc(1, sizeof *f.server) };
    f.server->credentials = own_certificate(fingerprint);
    open_client(&f, script, MU_COUNT(script), "https", fingerprint, NULL);
    assert_int_equal(mu_client_set_session(f.client, "\x01\xab", 2, &f.err), MU_OK);
    for (size_t i = 0; i < MU_COUNT(script); i++) /* the first connection, the same again, another one */
        assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/hello" }), MU_CLIENT_DONE);
    assert_int_equal(f.server->connections, 2);
    gnutls_certificate_credentials_t credentials = f.server->credentials;
    close_client(&f);
    gnutls_certificate_free_credentials(credentials);
}

static void test_another_certificate_hears_nothing(void **state)
{
    (void)state;
    const scripted script[] = { { .head = OK }, { .head = OK } };
    char fingerprint[MU_FINGERPRINT_HEX_BYTES], other[MU_FINGERPRINT_HEX_BYTES];
    fixture f = { .server = calloc(1, sizeof *f.server) };
    gnutls_certificate_credentials_t credentials = f.server->credentials = own_certificate(fingerprint);
    memcpy(other, fingerprint, sizeof other);
    other[63] = other[63] == '0' ? '1' : '0';
    open_client(&f, script, MU_COUNT(script), "https", other, NULL);
    assert_int_equal(mu_client_set_session(f.client, "\x01\xab", 2, &f.err), MU_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/enrol", .body = "secret", .body_bytes = 6 }), MU_CLIENT_STRANGER);
        assert_non_null(strstr(f.err.message, fingerprint)); /* what was seen ... */
        assert_non_null(strstr(f.err.message, other));       /* ... and what was expected */
    }
    assert_int_equal(f.server->raw_bytes, 0);
    close_client(&f);
    gnutls_certificate_free_credentials(credentials);
}

static void test_without_a_pin_the_authorities_decide(void **state)
{
    (void)state;
    const scripted script[] = { { .head = OK } };
    char fingerprint[MU_FINGERPRINT_HEX_BYTES];
    fixture f = { .server = calloc(1, sizeof *f.server) };
    gnutls_certificate_credentials_t credentials = f.server->credentials = own_certificate(fingerprint);
    open_client(&f, script, 1, "https", NULL, NULL);
    assert_int_equal(ask(&f, (mu_client_request){ .path = "/v1/enrol", .body = "secret", .body_bytes = 6 }), MU_CLIENT_STRANGER);
    assert_non_null(strstr(f.err.message, "fingerprint"));
    assert_int_equal(f.server->raw_bytes, 0);
    close_client(&f);
    gnutls_certificate_free_credentials(credentials);
}

/* ---- what is given ---- */

static void test_addresses_and_fingerprints_are_checked(void **state)
{
    (void)state;
    static const struct { const char *url, *fingerprint; mu_status status; } rows[] = {
        { "https://host:8443", NULL, MU_OK },
        { "https://host:8443/", NULL, MU_OK },
        { "http://127.0.0.1:1", NULL, MU_OK },
        { "http://localhost:1", NULL, MU_OK },
        { "http://[::1]:1", NULL, MU_OK },
        { "http://host:8443", NULL, MU_E_CONFIG },
        { "http://localhost.example.org", NULL, MU_E_CONFIG },
        { "https://host/v1", NULL, MU_E_CONFIG },
        { "https://", NULL, MU_E_CONFIG },
        { "https://user:word@host", NULL, MU_E_CONFIG },
        { "ftp://host", NULL, MU_E_CONFIG },
        { "host:8443", NULL, MU_E_CONFIG },
        { "https://host", "abc", MU_E_CONFIG },
        { "http://127.0.0.1:1", "0000000000000000000000000000000000000000000000000000000000000000", MU_E_CONFIG },
    };
    for (size_t i = 0; i < MU_COUNT(rows); i++) {
        mu_client *client = NULL;
        mu_error err;
        mu_client_config config = mu_client_config_default();
        config.url = rows[i].url;
        config.fingerprint = rows[i].fingerprint;
        if (mu_client_create(&config, &client, &err) != rows[i].status)
            fail_msg("%s", rows[i].url);
        mu_client_destroy(client);
    }
    char hex[MU_FINGERPRINT_HEX_BYTES];
    static const char colons[] = "AB:CD:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:0F";
    assert_int_equal(mu_fingerprint_read(colons, hex, NULL), MU_OK);
    assert_string_equal(hex, "abcd00000000000000000000000000000000000000000000000000000000000f");
    assert_int_equal(mu_fingerprint_read(":ab", hex, NULL), MU_E_CONFIG);
    assert_int_equal(mu_fingerprint_read("abcd00000000000000000000000000000000000000000000000000000000000f0", hex, NULL), MU_E_CONFIG);
    assert_int_equal(mu_fingerprint_read("zbcd00000000000000000000000000000000000000000000000000000000000f", hex, NULL), MU_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_go_and_come_over_one_connection),
        cmocka_unit_test(test_every_status_has_its_outcome),
        cmocka_unit_test(test_nobody_there_and_cut_answers_are_for_later),
        cmocka_unit_test(test_answers_are_bounded),
        cmocka_unit_test(test_a_held_answer_that_is_too_slow_and_a_stop_end_it),
        cmocka_unit_test(test_a_download_goes_on_where_it_was_cut),
        cmocka_unit_test(test_an_upload_is_sent_from_where_it_is_wanted),
        cmocka_unit_test(test_a_pinned_certificate_is_the_only_one),
        cmocka_unit_test(test_another_certificate_hears_nothing),
        cmocka_unit_test(test_without_a_pin_the_authorities_decide),
        cmocka_unit_test(test_addresses_and_fingerprints_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
