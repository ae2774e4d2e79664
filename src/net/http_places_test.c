/* Places for updates that come in: the slow, the stalled, and what they leave to the others. */
#include "net/test_update.h"

#include "net/http_limits.h"

#include <sys/socket.h>
#include <unistd.h>

enum { FAST = MU_HTTP_FAST_UPLOADS_MAX };

/* So many devices and one more, each signed in and with an update to send. */
typedef struct crowd {
    test_pair     f;
    test_device devices[FAST + 1];
    test_update updates[FAST + 1];
    int         fds[FAST];
} crowd;

static test_pair *as_device(crowd *c, uint32_t i)
{
    c->f.device = c->devices[i];
    return &c->f;
}

static void gather_crowd(crowd *c, double stalled_s)
{
    test_server_init(&c->f.server);
    c->f.server.stalled_s = stalled_s;
    test_server_listen(&c->f.server);
    for (uint32_t i = 0; i <= FAST; i++) {
        test_device_make(&c->devices[i]);
        test_device_enrol(&c->f.server, &c->devices[i]);
        test_device_sign_in(&c->f.server, &c->devices[i]);
        test_put_task(&c->f.server, 1000 + i, c->devices[i].number, 2000);
        test_update_make(&c->f.server, &c->updates[i], 1000 + i, 2000, i);
    }
}

static void dismiss_crowd(crowd *c)
{
    for (uint32_t i = 0; i < FAST; i++)
        close(c->fds[i]);
    for (uint32_t i = 0; i <= FAST; i++)
        test_update_release(&c->updates[i]);
    test_server_release(&c->f.server);
}

static void so_many_fast_updates_come_at_once(void **state)
{
    (void)state;
    crowd c;
    gather_crowd(&c, 1e6);
    bool complete;
    for (uint32_t i = 0; i < FAST; i++)
        test_announce(as_device(&c, i), &c.updates[i], &complete);
    /* each has a place now, before a byte of its blob has come */
    test_announce_refused(&c.f, &c.updates[FAST], &c.devices[FAST], &c.devices[FAST], NULL, 503, "busy");
    uint64_t before = mu_http_count(c.f.server.http).bytes_in;
    for (uint32_t i = 0; i < FAST; i++)
        c.fds[i] = test_hanging_put(as_device(&c, i), &c.updates[i], 100);
    test_wait_for_bytes(&c.f, before + 100 * FAST);
    test_announce_refused(&c.f, &c.updates[FAST], &c.devices[FAST], &c.devices[FAST], NULL, 503, "busy");
    dismiss_crowd(&c);
}

/* They send next to nothing, and all the others are served; and what they had begun is not lost. */
static void slow_updates_leave_room_for_others(void **state)
{
    (void)state;
    crowd c;
    gather_crowd(&c, 0.05);
    bool complete = false;
    uint64_t before = mu_http_count(c.f.server.http).bytes_in, announced = 0;
    for (uint32_t i = 0; i < FAST; i++) {
        for (long status = 0; status != 200; usleep(10000)) { /* should the machine be slow, and these the fast ones until now */
            unsigned char *packed;
            test_request request = test_announcement(&c.updates[i], &c.devices[i], &c.devices[i], NULL, &packed);
            announced += request.bytes;
            test_reply reply = test_ask(&c.f.server, &request);
            status = reply.status;
            assert_true(status == 200 || status == 503);
            test_reply_release(&reply);
            free(packed);
        }
        c.fds[i] = test_hanging_put(as_device(&c, i), &c.updates[i], 100);
    }
    test_wait_for_bytes(&c.f, before + announced + 100 * FAST);
    long status = 0;
    for (int tries = 0; tries < 1000 && status != 200; tries++) {
        unsigned char *packed;
        test_request request = test_announcement(&c.updates[FAST], &c.devices[FAST], &c.devices[FAST], NULL, &packed);
        test_reply reply = test_ask(&c.f.server, &request);
        status = reply.status;
        test_reply_release(&reply);
        free(packed);
        usleep(10000);
    }
    assert_int_equal(status, 200);
    test_send_bytes(as_device(&c, FAST), &c.updates[FAST], 0, c.updates[FAST].blob_bytes, &complete);
    assert_true(complete);
    test_finish_hanging(c.fds[0], &c.updates[0], 100, "200");
    dismiss_crowd(&c);
}

static void a_device_has_one_update_under_way(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update first, second;
    test_put_task(&f.server, 90, f.device.number, 2000);
    test_put_task(&f.server, 91, f.device.number, 2000);
    test_update_make(&f.server, &first, 90, 2000, 1);
    test_update_make(&f.server, &second, 91, 2000, 2);
    bool complete;
    test_announce(&f, &first, &complete);
    uint64_t before = mu_http_count(f.server.http).bytes_in;
    int fd = test_hanging_put(&f, &first, 100);
    test_wait_for_bytes(&f, before + 100);
    test_announce(&f, &second, &complete);
    test_finish_hanging(fd, &first, 100, "503");
    close(fd);
    test_send_bytes(&f, &second, 0, second.blob_bytes, &complete);
    assert_true(complete);
    test_update_release(&first);
    test_update_release(&second);
    test_server_release(&f.server);
}

/* A byte now and then is not enough; less than everything at once is. */
static void who_sends_too_slowly_is_cut_off(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    mu_http_destroy(f.server.http);
    f.server.serve.request_s = 1;
    test_server_listen(&f.server);
    test_device_sign_in(&f.server, &f.device);
    test_update update;
    test_put_task(&f.server, 92, f.device.number, 100000);
    test_update_make(&f.server, &update, 92, 100000, 1);
    bool complete;
    test_announce(&f, &update, &complete);
    int fd = test_hanging_put(&f, &update, 0);
    bool cut = false;
    for (int i = 0; i < 1000 && !cut; i++) {
        cut = send(fd, update.blob + i, 1, MSG_NOSIGNAL) < 0;
        usleep(20000);
    }
    assert_true(cut);
    close(fd);
    mu_http_problem problem;
    assert_int_equal(mu_http_problems(f.server.http, &problem, 1), 1);
    assert_string_equal(problem.code, "too-slow");

    test_put_task(&f.server, 93, f.device.number, 100000);
    update.task = 93;
    test_announce(&f, &update, &complete);
    fd = test_hanging_put(&f, &update, 40000);
    for (size_t at = 40000; at + 40000 < update.blob_bytes; at += 40000) {
        usleep(200000); /* longer than a request has, all together, but each piece gives it 39 s more */
        assert_int_equal(send(fd, update.blob + at, 40000, MSG_NOSIGNAL), 40000);
    }
    usleep(200000);
    test_finish_hanging(fd, &update, update.blob_bytes - update.blob_bytes % 40000, "200");
    close(fd);
    test_update_release(&update);
    test_server_release(&f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_fast_updates_come_at_once),
        cmocka_unit_test(slow_updates_leave_room_for_others),
        cmocka_unit_test(a_device_has_one_update_under_way),
        cmocka_unit_test(who_sends_too_slowly_is_cut_off),
    };
    return cmocka_run_group_tests_name("net_http_places", tests, NULL, NULL);
}
