/* TLS: the certificate that is made, its fingerprint, and whoever does not speak it. */
#include "net/test_http.h"

#include "base/file.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void begin(test_server *server)
{
    test_server_init(server);
    server->serve.tls = true;
    test_server_listen(server);
}

static size_t pass_over(char *data, size_t size, size_t count, void *self)
{
    (void)data, (void)self;
    return size * count;
}

/* Asks for /v1/hello, trusting only the certificate in that file, by the server's address or name. */
static CURLcode ask(const char *url, const char *authority, long tls_most, long *status)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s/v1/hello", url);
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, whole);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pass_over);
    if (authority)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authority);
    if (tls_most)
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_0 | tls_most);
    CURLcode code = curl_easy_perform(curl);
    *status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(curl);
    return code;
}

static void a_certificate_is_made_once(void **state)
{
    (void)state;
    test_server server;
    begin(&server);
    char fingerprint[65], path[256], key[256], url[256];
    snprintf(path, sizeof path, "%s/tls/certificate.pem", server.folder);
    snprintf(key, sizeof key, "%s/tls/key.pem", server.folder);
    memcpy(fingerprint, mu_http_fingerprint(server.http), sizeof fingerprint);
    struct stat info;
    assert_int_equal(stat(key, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);

    /* What the file says is what the fingerprint is of. */
    mu_file file;
    mu_error err;
    assert_int_equal(mu_file_map(path, &file, &err), MU_OK);
    gnutls_datum_t pem = { .data = (unsigned char *)(uintptr_t)file.data, .size = (unsigned)file.size_bytes };
    gnutls_x509_crt_t certificate;
    gnutls_x509_crt_init(&certificate);
    assert_int_equal(gnutls_x509_crt_import(certificate, &pem, GNUTLS_X509_FMT_PEM), 0);
    unsigned char sha256[32];
    size_t bytes = sizeof sha256;
    assert_int_equal(gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, sha256, &bytes), 0);
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, sha256, sizeof sha256);
    assert_string_equal(hex, fingerprint);
    assert_true(gnutls_x509_crt_check_hostname(certificate, "localhost"));
    assert_true(gnutls_x509_crt_check_hostname(certificate, "127.0.0.1"));
    assert_false(gnutls_x509_crt_check_hostname(certificate, "example.com"));
    assert_true(gnutls_x509_crt_get_expiration_time(certificate) - gnutls_x509_crt_get_activation_time(certificate) > (time_t)3650 * 86400);
    gnutls_x509_crt_deinit(certificate);
    mu_file_unmap(&file);

    long status;
    assert_memory_equal(mu_http_url(server.http), "https://127.0.0.1:", 18);
    assert_int_equal(ask(mu_http_url(server.http), path, 0, &status), CURLE_OK);
    assert_int_equal(status, 200);
    snprintf(url, sizeof url, "https://localhost%s", strrchr(mu_http_url(server.http), ':'));
    assert_int_equal(ask(url, path, 0, &status), CURLE_OK);
    assert_int_equal(status, 200);
    assert_int_equal(ask(url, path, CURL_SSLVERSION_MAX_TLSv1_2, &status), CURLE_OK);
    assert_int_equal(ask(mu_http_url(server.http), NULL, 0, &status), CURLE_PEER_FAILED_VERIFICATION); /* nobody else has signed it */
    assert_int_not_equal(ask(mu_http_url(server.http), path, CURL_SSLVERSION_MAX_TLSv1_1, &status), CURLE_OK);
    assert_int_equal(status, 0);

    test_server_stop(&server);
    test_server_listen(&server);
    assert_string_equal(mu_http_fingerprint(server.http), fingerprint);
    test_server_release(&server);
}

static void everything_goes_over_tls(void **state)
{
    (void)state;
    test_server server;
    begin(&server);
    test_device device;
    test_device_make(&device);
    test_device_enrol(&server, &device);
    test_device_sign_in(&server, &device);
    test_put_task(&server, 1, device.number, 100000);
    char path[256];
    snprintf(path, sizeof path, "/v1/blobs/%s?encoding=zstd", test_start_digest());
    test_reply reply = test_ask(&server, &(test_request){ .method = "GET", .path = path, .session = device.session });
    assert_int_equal(reply.status, 200);
    assert_true(reply.bytes > 24);
    test_reply_release(&reply);
    test_update update;
    test_update_make(&server, &update, 1, 100000, 1);
    size_t bytes;
    unsigned char *packed = test_update_announcement(&update, &device, NULL, &bytes);
    mu_wire_free(test_ask_message(&server, &(test_request){ .method = "POST", .path = "/v1/tasks/1/update", .session = device.session, .body = packed,
                                                            .bytes = bytes }, 200, &muster__update_state__descriptor));
    free(packed);
    ProtobufCMessage *answer = test_ask_message(&server, &(test_request){ .method = "PUT", .path = "/v1/tasks/1/update", .session = device.session,
                                                                          .body = update.blob, .bytes = update.blob_bytes },
                                                200, &muster__update_state__descriptor);
    assert_true(((Muster__UpdateState *)(void *)answer)->complete);
    mu_wire_free(answer);
    test_update_release(&update);
    test_server_release(&server);
}

static void plain_words_at_the_tls_port_get_no_answer(void **state)
{
    (void)state;
    test_server server;
    begin(&server);
    const char *port = strrchr(mu_http_url(server.http), ':') + 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    const char request[] = "GET /v1/hello HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
    char answer[256] = "";
    size_t got = 0;
    for (ssize_t now; got < sizeof answer - 1 && (now = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)now; /* at most a TLS alert, then the end */
    close(fd);
    assert_null(strstr(answer, "HTTP"));
    assert_int_equal(mu_http_count(server.http).requests, 0);
    test_server_release(&server);
}

static void certificates_of_one_s_own_are_checked(void **state)
{
    (void)state;
    test_server server, other;
    begin(&server);
    begin(&other);
    char ours[256], key[256], other_key[256], beside[256];
    snprintf(ours, sizeof ours, "%s/tls/certificate.pem", server.folder);
    snprintf(key, sizeof key, "%s/tls/key.pem", server.folder);
    snprintf(other_key, sizeof other_key, "%s/tls/key.pem", other.folder);
    snprintf(beside, sizeof beside, "%s/federation.yaml", server.folder);
    const struct { const char *certificate, *key, *says; } tries[] = {
        { ours, "", "belong together" },         { "", key, "belong together" }, { ours, other_key, "cannot be used together" },
        { "/nowhere/c.pem", key, "c.pem" },      { key, ours, "no certificate" }, { "tls/certificate.pem", "tls/key.pem", NULL },
    };
    char fingerprint[65];
    memcpy(fingerprint, mu_http_fingerprint(server.http), sizeof fingerprint);
    mu_http_destroy(other.http);
    other.http = NULL;
    for (size_t i = 0; i < MU_COUNT(tries); i++) {
        other.serve.certificate = tries[i].certificate;
        other.serve.key = tries[i].key;
        const mu_http_config config = { .serve = &other.serve, .beside = beside, .folder = other.folder, .federation = "test",
                                        .job = (const unsigned char *)"", .store = other.store, .desk = other.desk };
        mu_error err = { 0 };
        mu_status status = mu_http_create(&config, &other.http, &err);
        if (tries[i].says) {
            assert_int_not_equal(status, MU_OK);
            if (!strstr(err.message, tries[i].says))
                fail_msg("'%s' does not say '%s'", err.message, tries[i].says);
        } else {
            assert_int_equal(status, MU_OK);
            assert_string_equal(mu_http_fingerprint(other.http), fingerprint);
        }
    }
    test_server_release(&other);
    test_server_release(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_made_once),
        cmocka_unit_test(everything_goes_over_tls),
        cmocka_unit_test(plain_words_at_the_tls_port_get_no_answer),
        cmocka_unit_test(certificates_of_one_s_own_are_checked),
    };
    return cmocka_run_group_tests_name("net_http_tls", tests, NULL, NULL);
}
