/* Polls: answered at once, or held until something is told, the time is over, or another one comes. */
#include "net/test_http.h"

#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

typedef struct fixture {
    test_server server;
    test_device device, other;
} fixture;

static void begin(fixture *f, uint32_t held_max)
{
    test_server_init(&f->server);
    f->server.serve.held_max = held_max;
    test_server_listen(&f->server);
    test_device_make(&f->device);
    test_device_make(&f->other);
    test_device_enrol(&f->server, &f->device);
    test_device_enrol(&f->server, &f->other);
    test_device_sign_in(&f->server, &f->device);
    test_device_sign_in(&f->server, &f->other);
}

/* A poll, and what came of it. */
typedef struct asking {
    const test_server *server;
    const test_device *device;
    Muster__Poll       poll;
    uint64_t           working_on[2], seen[2];
    pthread_t          thread;
    long               status;
    ProtobufCMessage  *answer;
} asking;

static void asking_init(asking *a, const fixture *f, const test_device *device, uint32_t hold_s)
{
    *a = (asking){ .server = &f->server, .device = device };
    muster__poll__init(&a->poll);
    a->poll.hold_s = hold_s;
    a->poll.battery_share = -1;
    a->poll.working_on = a->working_on;
    a->poll.settled_seen = a->seen;
}

static void *ask(void *argument)
{
    asking *a = argument;
    unsigned char *packed;
    test_request request = test_post("/v1/poll", a->device->session, &a->poll.base, &packed);
    test_reply reply = test_ask(a->server, &request);
    a->status = reply.status;
    if (reply.status == 200)
        mu_wire_unpack(&muster__polled__descriptor, reply.body ? (const void *)reply.body : "", reply.bytes, &a->answer, NULL);
    test_reply_release(&reply);
    free(packed);
    return NULL;
}

static const Muster__Polled *told(asking *a)
{
    assert_int_equal(a->status, 200);
    assert_non_null(a->answer);
    return (const Muster__Polled *)(const void *)a->answer;
}

static void ask_beside(asking *a) { assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0); }
static void wait_for_answer(asking *a) { assert_int_equal(pthread_join(a->thread, NULL), 0); }

static void wait_until_held(const fixture *f, uint32_t count)
{
    for (int tries = 0; tries < 1000 && mu_http_count(f->server.http).held != count; tries++)
        usleep(5000);
    assert_int_equal(mu_http_count(f->server.http).held, count);
}

static void what_there_is_to_tell_is_told_at_once(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 100);
    asking a;
    asking_init(&a, &f, &f.device, 0);
    ask(&a);
    assert_null(told(&a)->task);
    assert_true(told(&a)->again_s >= 0.4 && told(&a)->again_s <= 0.6); /* 0.5, spread */
    assert_false(told(&a)->finished);
    mu_wire_free(a.answer);
    test_put_task(&f.server, 5, f.device.number, 100);
    asking_init(&a, &f, &f.device, 10);
    ask(&a);
    assert_non_null(told(&a)->task);
    assert_int_equal(told(&a)->task->id, 5);
    assert_string_equal(told(&a)->task->start, test_start_digest());
    mu_wire_free(a.answer);
    mu_error err;
    assert_int_equal(mu_desk_settle(f.server.desk, f.device.number, 4, &err), MU_OK);
    asking_init(&a, &f, &f.device, 10);
    a.working_on[0] = 5;
    a.working_on[1] = 3;
    a.poll.n_working_on = 2;
    ask(&a);
    assert_null(told(&a)->task);
    assert_int_equal(told(&a)->n_settled, 1);
    assert_int_equal(told(&a)->settled[0], 4);
    assert_int_equal(told(&a)->n_cancelled, 1);
    assert_int_equal(told(&a)->cancelled[0], 3);
    mu_wire_free(a.answer);
    assert_int_equal(mu_http_count(f.server.http).held, 0);
    test_server_release(&f.server);
}

static void a_held_poll_is_woken_by_a_task(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 100);
    asking a, b;
    asking_init(&a, &f, &f.device, 15);
    asking_init(&b, &f, &f.other, 15);
    ask_beside(&a);
    ask_beside(&b);
    wait_until_held(&f, 2);
    assert_int_equal(mu_desk_count(f.server.desk).waiting, 2);
    test_put_task(&f.server, 6, f.device.number, 100);
    wait_for_answer(&a);
    assert_non_null(told(&a)->task);
    assert_int_equal(told(&a)->task->id, 6);
    wait_until_held(&f, 1); /* the other one is left alone */
    mu_desk_finish(f.server.desk);
    wait_for_answer(&b);
    assert_true(told(&b)->finished);
    assert_null(told(&b)->task);
    mu_wire_free(a.answer);
    mu_wire_free(b.answer);
    test_server_release(&f.server);
}

/* It has something to say to it, and there may be a task by then. */
static void who_is_told_that_an_update_was_merged_may_ask_again_at_once(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 100);
    asking a;
    asking_init(&a, &f, &f.device, 15);
    ask_beside(&a);
    wait_until_held(&f, 1);
    mu_error err;
    assert_int_equal(mu_desk_settle(f.server.desk, f.device.number, 4, &err), MU_OK);
    wait_for_answer(&a);
    assert_int_equal(told(&a)->n_settled, 1);
    assert_true(told(&a)->again_s == 0);
    mu_wire_free(a.answer);
    test_server_release(&f.server);
}

static void a_poll_is_held_no_longer_than_asked_and_allowed(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 100);
    mu_http_destroy(f.server.http);
    f.server.serve.hold_s = 1.5;
    f.server.serve.request_s = 1; /* time stands still while it is held */
    test_server_listen(&f.server);
    test_device_sign_in(&f.server, &f.device);
    asking a;
    asking_init(&a, &f, &f.device, 3600);
    double before_s = mu_clock_monotonic_s();
    ask(&a);
    assert_true(mu_clock_monotonic_s() - before_s >= 1.5);
    assert_null(told(&a)->task);
    assert_true(told(&a)->again_s == 0); /* it may ask again at once */
    assert_int_equal(mu_http_count(f.server.http).held, 0);
    assert_int_equal(mu_desk_count(f.server.desk).waiting, 0);
    mu_wire_free(a.answer);
    test_server_release(&f.server);
}

static void a_later_poll_takes_the_place_of_a_device_s_first(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 100);
    asking a, b;
    asking_init(&a, &f, &f.device, 15);
    asking_init(&b, &f, &f.device, 15);
    ask_beside(&a);
    wait_until_held(&f, 1);
    ask_beside(&b);
    wait_for_answer(&a);
    assert_null(told(&a)->task);
    assert_true(told(&a)->again_s > 0);
    wait_until_held(&f, 1);
    test_put_task(&f.server, 9, f.device.number, 100);
    wait_for_answer(&b);
    assert_int_equal(told(&b)->task->id, 9);
    mu_wire_free(a.answer);
    mu_wire_free(b.answer);
    test_server_release(&f.server);
}

static void only_so_many_are_held(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1);
    asking a, b;
    asking_init(&a, &f, &f.device, 15);
    asking_init(&b, &f, &f.other, 15);
    ask_beside(&a);
    wait_until_held(&f, 1);
    ask(&b);
    assert_null(told(&b)->task);
    assert_true(told(&b)->again_s >= 0.4);
    test_put_task(&f.server, 9, f.other.number, 100); /* who is not held is told all the same when he asks */
    mu_wire_free(b.answer);
    asking_init(&b, &f, &f.other, 15);
    ask(&b);
    assert_int_equal(told(&b)->task->id, 9);
    mu_wire_free(b.answer);
    test_put_task(&f.server, 10, f.device.number, 100);
    wait_for_answer(&a);
    mu_wire_free(a.answer);
    test_server_release(&f.server);
}

static void a_server_stops_while_polls_are_held(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 100);
    asking a, b;
    asking_init(&a, &f, &f.device, 15);
    asking_init(&b, &f, &f.other, 15);
    ask_beside(&a);
    ask_beside(&b);
    wait_until_held(&f, 2);
    mu_http_destroy(f.server.http);
    wait_for_answer(&a); /* with an answer, or cut: not after 15 s */
    wait_for_answer(&b);
    assert_int_equal(mu_desk_count(f.server.desk).waiting, 0);
    mu_wire_free(a.answer);
    mu_wire_free(b.answer);
    f.server.http = NULL;
    test_server_release(&f.server);
}

/* Woken, timed out, replaced and left, all at once and many times over. */
static void many_polls_at_once(void **state)
{
    (void)state;
    enum { DEVICES = 16, ROUNDS = 8 };
    fixture f;
    begin(&f, 12);
    mu_http_destroy(f.server.http);
    f.server.serve.hold_s = 0.2;
    test_server_listen(&f.server);
    test_device devices[DEVICES];
    for (int i = 0; i < DEVICES; i++) {
        test_device_make(&devices[i]);
        test_device_enrol(&f.server, &devices[i]);
        test_device_sign_in(&f.server, &devices[i]);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        asking polls[DEVICES];
        for (int i = 0; i < DEVICES; i++) {
            asking_init(&polls[i], &f, &devices[i / 2], 1); /* two for each of half of them */
            ask_beside(&polls[i]);
        }
        for (uint32_t i = 0; i < DEVICES / 2; i++)
            test_put_task(&f.server, 100 * round + i, devices[i].number, 10);
        for (int i = 0; i < DEVICES; i++) {
            wait_for_answer(&polls[i]);
            (void)told(&polls[i]);
            mu_wire_free(polls[i].answer);
        }
        for (uint32_t i = 0; i < DEVICES / 2; i++)
            mu_desk_drop_task(f.server.desk, 100 * round + i);
    }
    assert_int_equal(mu_http_count(f.server.http).held, 0);
    test_server_release(&f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_there_is_to_tell_is_told_at_once),
        cmocka_unit_test(a_held_poll_is_woken_by_a_task),
        cmocka_unit_test(who_is_told_that_an_update_was_merged_may_ask_again_at_once),
        cmocka_unit_test(a_poll_is_held_no_longer_than_asked_and_allowed),
        cmocka_unit_test(a_later_poll_takes_the_place_of_a_device_s_first),
        cmocka_unit_test(only_so_many_are_held),
        cmocka_unit_test(a_server_stops_while_polls_are_held),
        cmocka_unit_test(many_polls_at_once),
    };
    return cmocka_run_group_tests_name("net_http_poll", tests, NULL, NULL);
}
