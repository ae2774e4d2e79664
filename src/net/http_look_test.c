/* The listener for people. */
#include "net/test_http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static void people_may_only_look(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    server.serve.status_address = "127.0.0.1:0";
    test_server_listen(&server);
    char url[256];
    snprintf(url, sizeof url, "%s", mu_http_status_url(server.http));
    CURL *curl = curl_easy_init();
    const struct { const char *method, *path; long status; } asks[] = { { "GET", "/status.json", 200 }, { "GET", "/nothing", 404 }, { "POST", "/status.json", 405 },
                                                                        { "DELETE", "/status.json", 405 }, { "HEAD", "/status.json", 200 } };
    for (size_t i = 0; i < MU_COUNT(asks); i++) {
        char whole[512];
        long status = 0;
        snprintf(whole, sizeof whole, "%s%s", url, asks[i].path);
        curl_easy_setopt(curl, CURLOPT_URL, whole);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, asks[i].method);
        curl_easy_setopt(curl, CURLOPT_NOBODY, (long)!strcmp(asks[i].method, "HEAD"));
        FILE *none = fopen("/dev/null", "w");
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, none);
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        fclose(none);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        assert_int_equal(status, asks[i].status);
    }
    curl_easy_cleanup(curl);
    test_server_release(&server);
}

/* A page of somebody whose name is said to be 127.0.0.1 has that name in its requests. */
static void people_ask_by_a_name_of_this_machine(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    server.serve.status_address = "127.0.0.1:0";
    test_server_listen(&server);
    char machine[300], url[300];
    gethostname(machine, sizeof machine - 20);
    strcat(machine, ":1234");
    const struct { const char *host; long status; } tries[] = {
        { "127.0.0.1", 200 }, { "127.0.0.1:8444", 200 }, { "localhost:8444", 200 }, { "LOCALHOST", 200 }, { "[::1]:8444", 200 }, { "10.1.2.3", 200 }, { machine, 200 },
        { "evil.example", 421 }, { "evil.example:8444", 421 }, { "127.0.0.1.evil.example", 421 }, { "localhost.evil.example", 421 }, { "[evil.example]:1", 421 },
        { "[::1", 200 }, { "[]", 421 }, { ":80", 421 },
    };
    snprintf(url, sizeof url, "%s/status.json", mu_http_status_url(server.http));
    CURL *curl = curl_easy_init();
    for (size_t i = 0; i < MU_COUNT(tries); i++) {
        char header[400];
        long status = 0;
        snprintf(header, sizeof header, "Host: %s", tries[i].host);
        struct curl_slist *headers = curl_slist_append(NULL, header);
        FILE *none = fopen("/dev/null", "w");
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, none);
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (status != tries[i].status)
            fail_msg("%s: %ld, expected %ld", header, status, tries[i].status);
        fclose(none);
        curl_slist_free_all(headers);
    }
    curl_easy_cleanup(curl);
    test_server_release(&server);
}

/* Someone who looks all the time, also while the server stops. */
typedef struct looking {
    mu_http      *http;
    char          url[300];
    atomic_uint   looks;
    atomic_bool   saw_less; /* than what had been asked before */
} looking;

static char *look_at_counts(void *self, const char *path, const char **media_type, size_t *size_bytes)
{
    (void)path;
    looking *l = self;
    if (mu_http_count(l->http).requests < 3)
        atomic_store(&l->saw_less, true);
    atomic_fetch_add(&l->looks, 1);
    *media_type = "text/plain";
    *size_bytes = 0;
    return strdup("");
}

static void *look_on(void *self)
{
    looking *l = self;
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, l->url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    while (curl_easy_perform(curl) == CURLE_OK) {}
    curl_easy_cleanup(curl);
    return NULL;
}

static void people_see_the_counts_to_the_last(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    test_server_listen(&server); /* for its store and desk */
    mu_http_destroy(server.http);
    server.serve.status_address = "127.0.0.1:0";
    looking l = { .looks = 0 };
    const mu_http_config config = { .serve = &server.serve, .folder = server.folder, .federation = "test", .job = (const unsigned char *)"", .store = server.store,
                                    .desk = server.desk, .look = look_at_counts, .look_self = &l };
    mu_error err;
    assert_int_equal(mu_http_create(&config, &server.http, &err), MU_OK);
    mu_http_open(server.http);
    l.http = server.http;
    snprintf(l.url, sizeof l.url, "%s/status.json", mu_http_status_url(server.http));
    const test_request request = { .method = "GET", .path = "/v1/hello" };
    for (int i = 0; i < 3; i++)
        mu_wire_free(test_ask_message(&server, &request, 200, &muster__hello__descriptor));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_on, &l), 0);
    for (int tries = 0; tries < 1000 && atomic_load(&l.looks) < 3; tries++)
        usleep(5000);
    mu_http_destroy(server.http);
    server.http = NULL;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&l.looks) >= 3);
    assert_false(atomic_load(&l.saw_less));
    test_server_release(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_may_only_look),
        cmocka_unit_test(people_ask_by_a_name_of_this_machine),
        cmocka_unit_test(people_see_the_counts_to_the_last),
    };
    return cmocka_run_group_tests_name("net_http_look", tests, NULL, NULL);
}
