/* Connections: how many there may be, and how slow. */
#include "net/test_http.h"

#include "net/http_limits.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* From 127.0.0.N. */
static int connect_from(const test_server *server, uint32_t n)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from = { .sin_family = AF_INET };
    to.sin_port = htons((uint16_t)atoi(strrchr(mu_http_url(server->http), ':') + 1));
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + n);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static bool says_hello(int fd)
{
    static const char hello[] = "GET /v1/hello HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[16] = "";
    return send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) == sizeof hello - 1 && recv(fd, answer, 12, MSG_WAITALL) == 12 && !strcmp(answer, "HTTP/1.1 200");
}

static void wait_for_connections(const test_server *server, uint32_t count)
{
    for (int tries = 0; tries < 1000 && mu_http_count(server->http).connections != count; tries++)
        usleep(5000);
    assert_int_equal(mu_http_count(server->http).connections, count);
}

static void an_address_has_its_share_of_connections(void **state)
{
    (void)state;
    enum { SHARE = 5, MOST = 8 };
    test_server server;
    test_server_init(&server);
    server.serve.connections_max = MOST;
    server.serve.address_share = 0.6;
    test_server_listen(&server);
    assert_int_equal(mu_http_connections_max(server.http), MOST);
    int fds[MOST], further;
    for (uint32_t i = 0; i < MOST; i++) {
        fds[i] = connect_from(&server, i < SHARE ? 1 : 2);
        assert_true(says_hello(fds[i]));
        if (i != SHARE - 1)
            continue;
        further = connect_from(&server, 1);
        assert_false(says_hello(further));
        close(further);
    }
    further = connect_from(&server, 3); /* all places are taken */
    assert_false(says_hello(further));
    close(further);
    close(fds[0]);
    wait_for_connections(&server, MOST - 1);
    fds[0] = connect_from(&server, 1);
    assert_true(says_hello(fds[0]));
    for (uint32_t i = 0; i < MOST; i++)
        close(fds[i]);
    test_server_release(&server);
}

static void neighbours_are_counted(void **state)
{
    (void)state;
    mu_http_addresses *addresses;
    mu_error err;
    assert_int_equal(mu_http_addresses_create(&addresses, &err), MU_OK);
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    const struct sockaddr *from4 = (const struct sockaddr *)&v4, *from6 = (const struct sockaddr *)&v6;
    mu_http_neighbours *of4[3000], *of6[2];
    for (uint32_t i = 0; i < 3000; i++) { /* more than there are chains */
        v4.sin_addr.s_addr = htonl(i / 2);
        assert_non_null(of4[i] = mu_http_addresses_connect(addresses, from4));
        assert_int_equal(mu_http_addresses_connections(addresses, from4), 1 + i % 2);
    }
    v6.sin6_addr.s6_addr[0] = 0x20;
    v6.sin6_addr.s6_addr[15] = 1;
    of6[0] = mu_http_addresses_connect(addresses, from6);
    v6.sin6_addr.s6_addr[15] = 2; /* the same network */
    of6[1] = mu_http_addresses_connect(addresses, from6);
    assert_ptr_equal(of6[0], of6[1]);
    assert_int_equal(mu_http_addresses_connections(addresses, from6), 2);
    v6.sin6_addr.s6_addr[7] = 1; /* another one */
    assert_int_equal(mu_http_addresses_connections(addresses, from6), 0);
    mu_http_addresses_disconnect(addresses, of6[0]);
    mu_http_addresses_disconnect(addresses, of6[1]);
    for (uint32_t i = 0; i < 3000; i++)
        mu_http_addresses_disconnect(addresses, of4[i]);
    assert_int_equal(mu_http_addresses_connections(addresses, from4), 0);
    mu_http_addresses_destroy(addresses);
}

static void there_are_no_more_connections_than_descriptors(void **state)
{
    (void)state;
    static const struct { rlim_t files; uint32_t wanted, connections; } tries[] = { { 400, 12000, 150 }, { 1280, 12000, 768 }, { 1280, 300, 300 } };
    struct rlimit before, files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < MU_COUNT(tries); i++) {
        test_server server;
        test_server_init(&server);
        server.serve.connections_max = tries[i].wanted;
        files = (struct rlimit){ .rlim_cur = tries[i].files, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
        test_server_listen(&server);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(mu_http_connections_max(server.http), tries[i].connections);
        test_server_release(&server);
    }
}

/* A byte now and then keeps nobody's connection. */
static void who_says_half_a_request_is_cut_off(void **state)
{
    (void)state;
    static const char *const halves[] = { "GET /v1/hello HTTP/1.1\r\nHost: x\r\nX: ", "POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n" };
    test_server server;
    test_server_init(&server);
    server.serve.request_s = 0.5;
    test_server_listen(&server);
    for (size_t i = 0; i < MU_COUNT(halves); i++) {
        int fd = connect_from(&server, 1);
        bool is_open = send(fd, halves[i], strlen(halves[i]), MSG_NOSIGNAL) > 0;
        assert_true(is_open);
        for (int bytes = 0; bytes < 1500 && is_open; bytes++) {
            usleep(20000);
            is_open = send(fd, "a", 1, MSG_NOSIGNAL) == 1;
        }
        assert_false(is_open);
        close(fd);
        mu_http_problem problem;
        assert_int_equal(mu_http_problems(server.http, &problem, 1), 1);
        assert_int_equal(problem.status, 408);
        assert_string_equal(problem.code, "too-slow");
    }
    wait_for_connections(&server, 0);
    test_server_release(&server);
}

static double processor_s(void)
{
    struct rusage used;
    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* Whoever begins a handshake and says no more costs a connection, and not a core. */
static void a_handshake_that_waits_takes_no_processor(void **state)
{
    (void)state;
    test_server server;
    test_server_init(&server);
    server.serve.tls = true;
    test_server_listen(&server);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    address.sin_port = htons((uint16_t)atoi(strrchr(mu_http_url(server.http), ':') + 1));
    static const unsigned char half_a_hello[] = { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, half_a_hello, sizeof half_a_hello, 0), sizeof half_a_hello);
    double before_s = processor_s();
    usleep(500000);
    assert_true(processor_s() - before_s < 0.1);
    close(fd);
    test_server_release(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_share_of_connections),
        cmocka_unit_test(neighbours_are_counted),
        cmocka_unit_test(there_are_no_more_connections_than_descriptors),
        cmocka_unit_test(who_says_half_a_request_is_cut_off),
        cmocka_unit_test(a_handshake_that_waits_takes_no_processor),
    };
    return cmocka_run_group_tests_name("net_http_connections", tests, NULL, NULL);
}
