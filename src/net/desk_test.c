/* The desk by hand, call after call; and with many threads of the network against one of the federation: nothing is lost, nothing is told twice. */
#include "net/desk.h"

#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PRESENCE_S 1000.0 /* longer than any test */

typedef struct bell {
    mu_desk_waiter waiter;
    int            rung;
} bell;
static void ring(mu_desk_waiter *waiter) { ((bell *)(void *)waiter)->rung++; }
static bell bell_make(void) { return (bell){ .waiter.wake = ring }; }

static mu_desk *desk_of(uint32_t devices)
{
    mu_desk *desk = NULL;
    assert_int_equal(mu_desk_create(devices, &desk, NULL), MU_OK);
    assert_int_equal(mu_desk_devices(desk), devices);
    return desk;
}

static mu_status put_from(mu_desk *desk, uint64_t id, uint32_t device, const char *digest, const char *path, mu_error *err)
{
    char packed[32];
    int  bytes = snprintf(packed, sizeof packed, "task %llu", (unsigned long long)id);
    return mu_desk_put_task(desk, &(mu_desk_task){ .id = id, .device = device, .packed = (unsigned char *)packed, .packed_bytes = (size_t)bytes,
                                                   .floats_up = 10 * id, .classes = 7, .start_digest_hex = digest, .start_path = path }, err);
}
static void put(mu_desk *desk, uint64_t id, uint32_t device) { assert_int_equal(put_from(desk, id, device, "aa", "/starts/aa", NULL), MU_OK); }

static void heard_now(mu_desk *desk, uint32_t device) { mu_desk_heard(desk, device, mu_clock_monotonic_s(), NULL); }

static mu_desk_event take(mu_desk *desk)
{
    mu_desk_event event;
    assert_true(mu_desk_take(desk, 0, PRESENCE_S, &event));
    return event;
}
static void assert_nothing_new(mu_desk *desk)
{
    mu_desk_event event;
    assert_false(mu_desk_take(desk, 0, PRESENCE_S, &event));
}
static void assert_event(mu_desk *desk, mu_desk_event_kind kind, uint32_t device, uint64_t task)
{
    mu_desk_event event = take(desk);
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.device, device);
    assert_int_equal(event.task, task);
}

/* Polls that look for one thing. `task` 0: none. */
static void assert_told(mu_desk *desk, uint32_t device, uint64_t working_on, uint64_t task, mu_desk_waiter *waiter)
{
    mu_desk_answer answer;
    char           text[32];
    snprintf(text, sizeof text, "task %llu", (unsigned long long)task);
    assert_int_equal(mu_desk_poll(desk, device, &working_on, working_on ? 1 : 0, NULL, 0, waiter, &answer), task != 0);
    assert_int_equal(answer.task_bytes, task ? strlen(text) : 0);
    if (task)
        assert_memory_equal(answer.task, text, answer.task_bytes);
    else
        assert_null(answer.task);
    assert_int_equal(answer.settled_count + answer.cancelled_count, 0);
    assert_false(answer.finished);
    free(answer.task);
}

static void test_presence(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(3);
    double   silent_s, now_s = mu_clock_monotonic_s();
    assert_string_equal(mu_desk_state_of(desk, 1, now_s, &silent_s), "absent");
    assert_true(silent_s < 0);
    assert_nothing_new(desk);

    mu_desk_report report = { .profile = { .name = "phone-mid", .help = "not looked at", .memory_bytes = 5, .latency_s = 0.5 }, .num_examples = 77 };
    mu_desk_heard(desk, 1, now_s, &report);
    heard_now(desk, 1);
    assert_string_equal(mu_desk_state_of(desk, 1, now_s + 3, &silent_s), "idle");
    assert_true(silent_s > 1 && silent_s <= 3);
    mu_desk_event event = take(desk);
    assert_int_equal(event.kind, MU_DESK_CAME);
    assert_int_equal(event.device, 1);
    assert_string_equal(event.report.profile.name, "phone-mid");
    assert_null(event.report.profile.help);
    assert_int_equal(event.report.profile.memory_bytes, 5);
    assert_int_equal(event.report.num_examples, 77);
    assert_nothing_new(desk); /* said twice, come once */

    mu_desk_heard(desk, 1, now_s, &report);
    assert_nothing_new(desk); /* a new session, as it was */
    report.num_examples = 78;
    mu_desk_heard(desk, 1, now_s, &report);
    event = take(desk);
    assert_int_equal(event.kind, MU_DESK_CAME);
    assert_int_equal(event.report.num_examples, 78);
    report.profile.latency_s = 0.25;
    mu_desk_heard(desk, 1, now_s, &report);
    heard_now(desk, 1);
    assert_true(take(desk).report.profile.latency_s == 0.25);
    assert_nothing_new(desk);

    mu_desk_left(desk, 1);
    assert_event(desk, MU_DESK_WENT, 1, 0);
    assert_nothing_new(desk);
    assert_int_equal(mu_desk_count(desk).present, 0);
    assert_int_equal(mu_desk_count(desk).known, 1);
    mu_desk_left(desk, 1);
    assert_nothing_new(desk); /* gone is gone */
    heard_now(desk, 1);
    event = take(desk);
    assert_int_equal(event.kind, MU_DESK_CAME);
    assert_int_equal(event.report.num_examples, 78); /* what it last said */

    mu_desk_left(desk, 1); /* and back before anybody has looked */
    heard_now(desk, 1);
    heard_now(desk, 2);
    mu_desk_left(desk, 2);
    assert_nothing_new(desk);

    mu_desk_heard(desk, 3, now_s, &report); /* there are 0, 1 and 2 */
    mu_desk_left(desk, 3);
    assert_nothing_new(desk);
    assert_string_equal(mu_desk_state_of(desk, 3, now_s, &silent_s), "absent");
    assert_true(silent_s < 0);
    mu_desk_destroy(desk);
}

static void test_silence(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(5);
    double   now_s = mu_clock_monotonic_s();
    for (uint32_t i = 0; i < 5; i++)
        mu_desk_heard(desk, i, now_s - 500 + 100 * i, NULL); /* 500, 400, 300, 200, 100 s ago */
    for (uint32_t i = 0; i < 5; i++)
        assert_event(desk, MU_DESK_CAME, i, 0);
    put(desk, 9, 1);
    heard_now(desk, 0); /* silent for longest, and now for least */
    mu_desk_event event;
    for (uint32_t i = 1; i <= 2; i++) {
        assert_true(mu_desk_take(desk, 0, 250, &event));
        assert_int_equal(event.kind, MU_DESK_WENT);
        assert_int_equal(event.device, i);
    }
    assert_false(mu_desk_take(desk, 0, 250, &event));
    assert_int_equal(mu_desk_count(desk).present, 3);
    assert_int_equal(mu_desk_find_task(desk, 9, NULL), MU_DESK_TASK_OPEN); /* gone with its task, which may still come */
    double silent_s;
    assert_string_equal(mu_desk_state_of(desk, 1, now_s, &silent_s), "absent");
    assert_int_equal(mu_desk_count(desk).working, 0);
    heard_now(desk, 1);
    assert_true(mu_desk_take(desk, 0, 250, &event));
    assert_int_equal(event.kind, MU_DESK_CAME);
    assert_string_equal(mu_desk_state_of(desk, 1, now_s, &silent_s), "working");
    assert_int_equal(mu_desk_count(desk).working, 1);

    /* Whoever waits is told when it happens, in the middle of the wait. */
    mu_desk *one = desk_of(1);
    mu_desk_heard(one, 0, mu_clock_monotonic_s() - 249.98, NULL);
    assert_event(one, MU_DESK_CAME, 0, 0);
    assert_true(mu_desk_take(one, 60, 250, &event));
    assert_int_equal(event.kind, MU_DESK_WENT);
    mu_desk_destroy(one);
    mu_desk_destroy(desk);
}

static void test_a_task(void **state)
{
    (void)state;
    mu_desk          *desk = desk_of(2);
    mu_desk_task_info info;
    char             *path;
    mu_error          err;
    assert_int_equal(mu_desk_find_task(desk, 5, &info), MU_DESK_TASK_UNKNOWN);
    assert_int_equal(info.floats_up, 0);
    assert_false(mu_desk_find_start(desk, "aa", &path));

    heard_now(desk, 1);
    assert_event(desk, MU_DESK_CAME, 1, 0);
    assert_told(desk, 1, 0, 0, NULL);
    put(desk, 5, 1);
    assert_int_equal(put_from(desk, 5, 0, "bb", "/starts/bb", &err), MU_E_STATE);
    assert_non_null(strstr(err.message, "task 5 of device 0"));
    assert_false(mu_desk_find_start(desk, "bb", &path));
    assert_int_equal(mu_desk_find_task(desk, 5, &info), MU_DESK_TASK_OPEN);
    assert_int_equal(info.device, 1);
    assert_int_equal(info.floats_up, 50);
    assert_int_equal(info.classes, 7);
    assert_told(desk, 0, 0, 0, NULL); /* the other device's */
    assert_told(desk, 1, 0, 5, NULL);
    assert_told(desk, 1, 0, 5, NULL); /* the answer may be lost: told until it has it */
    assert_told(desk, 1, 5, 0, NULL);
    assert_int_equal(mu_desk_count(desk).tasks_open, 1);
    assert_int_equal(mu_desk_count(desk).working, 1);

    mu_desk_arrived(desk, 5);
    mu_desk_arrived(desk, 5);
    mu_desk_failed(desk, 5, "too late for that");
    assert_int_equal(mu_desk_find_task(desk, 5, &info), MU_DESK_TASK_ARRIVED);
    assert_int_equal(info.floats_up, 50);
    assert_told(desk, 1, 0, 0, NULL);
    assert_told(desk, 1, 5, 0, NULL); /* not cancelled: it sends again, and learns that it is there */
    assert_false(mu_desk_find_start(desk, "aa", &path));
    assert_event(desk, MU_DESK_ARRIVED, 1, 5);
    assert_nothing_new(desk);
    assert_int_equal(mu_desk_count(desk).tasks_open, 0);
    assert_int_equal(mu_desk_count(desk).tasks_arrived, 1);
    assert_int_equal(mu_desk_count(desk).working, 0);

    mu_desk_drop_task(desk, 5);
    mu_desk_drop_task(desk, 5);
    mu_desk_arrived(desk, 5);
    assert_nothing_new(desk);
    assert_int_equal(mu_desk_find_task(desk, 5, NULL), MU_DESK_TASK_UNKNOWN);
    assert_int_equal(mu_desk_count(desk).tasks_arrived, 0);
    put(desk, 5, 0); /* the number may come again */
    assert_told(desk, 0, 0, 5, NULL);
    mu_desk_destroy(desk);
}

static void test_what_fails(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(2);
    char     reason[256];
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = 0;
    memcpy(reason + 198, "\xC3\xA9", 2); /* a character of two bytes, which 199 bytes would cut in two */
    put(desk, 1, 0);
    mu_desk_failed(desk, 1, reason);
    mu_desk_failed(desk, 1, "again");
    mu_desk_arrived(desk, 1);
    assert_int_equal(mu_desk_find_task(desk, 1, NULL), MU_DESK_TASK_UNKNOWN);
    assert_told(desk, 0, 0, 0, NULL); /* not a second time */
    mu_desk_event event = take(desk);
    assert_int_equal(event.kind, MU_DESK_FAILED);
    assert_int_equal(event.task, 1);
    assert_int_equal(event.device, 0);
    assert_int_equal(strlen(event.reason), 198);
    assert_nothing_new(desk);
    mu_desk_drop_task(desk, 1);

    put(desk, 2, 0);
    mu_desk_failed(desk, 2, "no room");
    assert_string_equal(take(desk).reason, "no room");
    put(desk, 3, 1);
    mu_desk_arrived(desk, 3);
    mu_desk_drop_task(desk, 3); /* before its event was taken: it does not come any more */
    assert_nothing_new(desk);
    assert_int_equal(mu_desk_count(desk).tasks_open + mu_desk_count(desk).tasks_arrived, 0);
    mu_desk_destroy(desk);
}

static void test_order_of_what_is_new(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(3);
    put(desk, 20, 2);
    put(desk, 10, 1);
    heard_now(desk, 2);
    mu_desk_arrived(desk, 20);
    heard_now(desk, 1);
    mu_desk_failed(desk, 10, "why");
    mu_desk_left(desk, 1); /* undoes its coming */
    heard_now(desk, 0);
    assert_event(desk, MU_DESK_CAME, 2, 0);
    assert_event(desk, MU_DESK_ARRIVED, 2, 20);
    assert_event(desk, MU_DESK_FAILED, 1, 10);
    assert_event(desk, MU_DESK_CAME, 0, 0);
    assert_nothing_new(desk);
    mu_desk_destroy(desk);
}

static void test_starts(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(200);
    char    *path;
    for (uint32_t i = 0; i < 200; i++) { /* more than one in a bucket; two tasks of each */
        char digest[16], file[32];
        snprintf(digest, sizeof digest, "%x", i / 2);
        snprintf(file, sizeof file, "/starts/%x", i / 2);
        assert_int_equal(put_from(desk, i, i, digest, file, NULL), MU_OK);
    }
    for (uint32_t i = 0; i < 200; i++) {
        char digest[16], file[32];
        snprintf(digest, sizeof digest, "%x", i / 2);
        snprintf(file, sizeof file, "/starts/%x", i / 2);
        assert_true(mu_desk_find_start(desk, digest, &path));
        assert_string_equal(path, file);
        free(path);
        if (i % 3 == 0)
            mu_desk_arrived(desk, i);
        else if (i % 3 == 1)
            mu_desk_failed(desk, i, "");
        else
            mu_desk_drop_task(desk, i);
        assert_int_equal(mu_desk_find_start(desk, digest, &path), i % 2 == 0);
        free(path);
    }
    mu_desk_destroy(desk);
}

static void test_cancelled_and_settled(void **state)
{
    (void)state;
    mu_desk       *desk = desk_of(2);
    mu_desk_answer answer;
    put(desk, 1, 0);
    put(desk, 2, 1);
    const uint64_t has[] = { 1, 2, 3 };
    assert_true(mu_desk_poll(desk, 0, has, 3, NULL, 0, NULL, &answer));
    assert_null(answer.task);
    assert_int_equal(answer.cancelled_count, 2); /* another's, and nobody's */
    assert_int_equal(answer.cancelled[0], 2);
    assert_int_equal(answer.cancelled[1], 3);

    mu_desk_arrived(desk, 1);
    mu_desk_drop_task(desk, 1);
    assert_int_equal(mu_desk_settle(desk, 0, 1, NULL), MU_OK);
    assert_int_equal(mu_desk_settle(desk, 0, 1, NULL), MU_OK);
    assert_true(mu_desk_poll(desk, 0, has, 1, NULL, 0, NULL, &answer)); /* merged, and the device has not heard of it */
    assert_int_equal(answer.settled_count, 1);
    assert_int_equal(answer.settled[0], 1);
    assert_int_equal(answer.cancelled_count, 0);
    assert_true(mu_desk_poll(desk, 0, NULL, 0, has + 1, 1, NULL, &answer)); /* told until seen: this was another */
    assert_int_equal(answer.settled_count, 1);
    assert_false(mu_desk_poll(desk, 0, NULL, 0, has, 1, NULL, &answer));
    assert_int_equal(answer.settled_count, 0);
    assert_true(mu_desk_poll(desk, 0, has, 1, NULL, 0, NULL, &answer));
    assert_int_equal(answer.cancelled_count, 1);

    for (uint64_t i = 0; i < MU_DESK_LIST_MAX + 3; i++)
        assert_int_equal(mu_desk_settle(desk, 1, 100 + i, NULL), MU_OK);
    mu_desk_drop_task(desk, 2);
    uint64_t many[MU_DESK_LIST_MAX + 5];
    for (size_t i = 0; i < MU_COUNT(many); i++)
        many[i] = 1000 + i;
    assert_true(mu_desk_poll(desk, 1, many, MU_COUNT(many), NULL, 0, NULL, &answer));
    assert_int_equal(answer.settled_count, MU_DESK_LIST_MAX);
    assert_int_equal(answer.settled[0], 103);
    assert_int_equal(answer.settled[MU_DESK_LIST_MAX - 1], 102 + MU_DESK_LIST_MAX);
    assert_int_equal(answer.cancelled_count, MU_DESK_LIST_MAX);

    assert_false(mu_desk_poll(desk, 2, has, 3, NULL, 0, NULL, &answer)); /* nobody */
    mu_desk_finish(desk);
    assert_true(mu_desk_poll(desk, 0, NULL, 0, NULL, 0, NULL, &answer));
    assert_true(answer.finished);
    mu_desk_destroy(desk);
}

static void test_waiters(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(2);
    bell     first = bell_make(), second = bell_make(), other = bell_make();
    assert_told(desk, 0, 0, 0, &first.waiter);
    assert_told(desk, 1, 0, 0, &other.waiter);
    assert_int_equal(mu_desk_count(desk).waiting, 2);
    assert_told(desk, 0, 0, 0, NULL); /* no waiter takes no place */
    assert_int_equal(first.rung, 0);
    assert_told(desk, 0, 0, 0, &second.waiter);
    assert_int_equal(first.rung, 1);
    put(desk, 1, 0);
    assert_int_equal(second.rung, 1);
    assert_int_equal(first.rung + other.rung, 1);
    assert_int_equal(mu_desk_count(desk).waiting, 1);
    mu_desk_drop_task(desk, 1);
    put(desk, 2, 0);
    assert_int_equal(first.rung + second.rung, 2); /* once */
    assert_told(desk, 0, 0, 2, &first.waiter);     /* there is something: it does not wait */
    assert_int_equal(mu_desk_count(desk).waiting, 1);

    assert_told(desk, 0, 2, 0, &first.waiter);
    mu_desk_drop_task(desk, 2); /* which the device works on */
    assert_int_equal(first.rung, 2);
    assert_told(desk, 0, 0, 0, &first.waiter);
    assert_int_equal(mu_desk_settle(desk, 0, 2, NULL), MU_OK);
    assert_int_equal(first.rung, 3);

    put(desk, 3, 1);
    assert_int_equal(other.rung, 1);
    assert_told(desk, 1, 3, 0, &other.waiter);
    mu_desk_arrived(desk, 3);
    mu_desk_drop_task(desk, 3); /* its update was merged: nothing that the device waits for */
    assert_int_equal(other.rung, 1);
    mu_desk_forget(desk, 1, &first.waiter); /* not the one that waits */
    assert_int_equal(mu_desk_count(desk).waiting, 1);
    mu_desk_forget(desk, 1, &other.waiter);
    assert_int_equal(mu_desk_count(desk).waiting, 0);
    put(desk, 4, 1);
    assert_int_equal(other.rung, 1);

    assert_told(desk, 1, 4, 0, &other.waiter);
    mu_desk_left(desk, 1); /* revoked, say */
    assert_int_equal(other.rung, 2);
    assert_told(desk, 1, 4, 0, &other.waiter);
    mu_desk_finish(desk);
    assert_int_equal(other.rung, 3);
    mu_desk_destroy(desk);
}

/* One whose waking takes long. */
typedef struct slow_bell {
    mu_desk_waiter waiter;
    mu_desk       *desk;
    atomic_bool    rings, rung;
} slow_bell;

static void ring_slowly(mu_desk_waiter *waiter)
{
    slow_bell *at = (slow_bell *)(void *)waiter;
    at->rings = true;
    usleep(50000);
    at->rung = true;
}

static void *put_one(void *argument)
{
    put(((slow_bell *)argument)->desk, 1, 0);
    return NULL;
}

static void test_forget_waits_for_the_waking(void **state)
{
    (void)state;
    mu_desk  *desk = desk_of(1);
    slow_bell slow = { .waiter.wake = ring_slowly, .desk = desk };
    pthread_t thread;
    assert_told(desk, 0, 0, 0, &slow.waiter);
    assert_int_equal(pthread_create(&thread, NULL, put_one, &slow), 0);
    while (!slow.rings)
        usleep(100);
    assert_int_equal(mu_desk_find_task(desk, 1, NULL), MU_DESK_TASK_OPEN); /* the desk is free meanwhile */
    bell other = bell_make();
    mu_desk_forget(desk, 0, &other.waiter); /* and nobody else waits for it */
    mu_desk_forget(desk, 0, &slow.waiter);
    assert_true(slow.rung);
    assert_int_equal(pthread_join(thread, NULL), 0);
    mu_desk_destroy(desk);
}

/* ---- many threads ---- */

#define THREADS 8u
#define DEVICES_EACH 8u
#define TASKS 2000u

typedef struct sleeper {
    mu_desk_waiter  waiter;
    pthread_mutex_t lock;
    pthread_cond_t  rung;
    bool            awake;
} sleeper;

static void wake_sleeper(mu_desk_waiter *waiter)
{
    sleeper *at = (sleeper *)(void *)waiter;
    pthread_mutex_lock(&at->lock);
    at->awake = true;
    pthread_cond_signal(&at->rung);
    pthread_mutex_unlock(&at->lock);
}

typedef struct network {
    mu_desk    *desk;
    pthread_t   thread;
    uint32_t    device; /* one thread plays one device that holds its polls for as long as it takes */
    atomic_uint done, settled;
} network;

/* A device's life; every poll that finds nothing waits until it is woken, without a limit: a lost wake-up ends in the test's time-out. Each waiter is of its own
 * memory and freed as soon as it is forgotten. */
static void *live(void *argument)
{
    network *self = argument;
    uint64_t seen[MU_DESK_LIST_MAX];
    uint32_t seen_count = 0;
    for (bool finished = false; !finished;) {
        heard_now(self->desk, self->device);
        mu_desk_answer answer;
        sleeper       *at = calloc(1, sizeof *at);
        *at = (sleeper){ .waiter.wake = wake_sleeper };
        pthread_mutex_init(&at->lock, NULL);
        pthread_cond_init(&at->rung, NULL);
        if (!mu_desk_poll(self->desk, self->device, NULL, 0, seen, seen_count, &at->waiter, &answer)) {
            pthread_mutex_lock(&at->lock);
            while (!at->awake)
                pthread_cond_wait(&at->rung, &at->lock);
            pthread_mutex_unlock(&at->lock);
        }
        mu_desk_forget(self->desk, self->device, &at->waiter);
        pthread_cond_destroy(&at->rung);
        pthread_mutex_destroy(&at->lock);
        free(at);
        seen_count = answer.settled_count;
        memcpy(seen, answer.settled, sizeof seen);
        self->settled += seen_count;
        if (answer.task) {
            char               text[32] = { 0 };
            unsigned long long id = 0;
            memcpy(text, answer.task, answer.task_bytes < sizeof text ? answer.task_bytes : 0);
            MU_ASSERT(sscanf(text, "task %llu", &id) == 1);
            if (id % 10 == 3)
                mu_desk_failed(self->desk, id, "three");
            else
                mu_desk_arrived(self->desk, id);
            self->done++;
        }
        free(answer.task);
        finished = answer.finished;
    }
    return NULL;
}

/* The federation: a task for whoever is there and has none, until there were enough of them. */
static void test_threads(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(THREADS);
    network  networks[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        networks[i] = (network){ .desk = desk, .device = i };
        assert_int_equal(pthread_create(&networks[i].thread, NULL, live, &networks[i]), 0);
    }
    uint32_t sent = 0, arrived = 0, failed = 0, came = 0;
    while (arrived + failed < TASKS || came < THREADS) { /* some threads are late */
        mu_desk_event event;
        assert_true(mu_desk_take(desk, INFINITY, PRESENCE_S, &event));
        came += event.kind == MU_DESK_CAME;
        if (event.kind == MU_DESK_ARRIVED || event.kind == MU_DESK_FAILED) {
            assert_int_equal(event.kind == MU_DESK_FAILED, event.task % 10 == 3);
            arrived += event.kind == MU_DESK_ARRIVED;
            failed += event.kind == MU_DESK_FAILED;
            mu_desk_drop_task(desk, event.task);
            assert_int_equal(mu_desk_settle(desk, event.device, event.task, NULL), MU_OK);
        }
        if (sent < TASKS)
            put(desk, ++sent, event.device);
    }
    mu_desk_finish(desk);
    uint32_t done = 0, settled = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(networks[i].thread, NULL), 0);
        done += networks[i].done;
        settled += networks[i].settled;
    }
    assert_int_equal(came, THREADS);
    assert_int_equal(done, TASKS);
    assert_int_equal(failed, TASKS / 10);
    assert_true(settled >= TASKS - THREADS); /* but for what was not polled for after the end */
    assert_int_equal(mu_desk_count(desk).waiting, 0);
    assert_int_equal(mu_desk_count(desk).tasks_open + mu_desk_count(desk).tasks_arrived, 0);
    assert_int_equal(mu_desk_count(desk).present, THREADS);
    mu_desk_destroy(desk);
}

/* Everything at once on the same few devices, in no order: for the sanitizers. What must hold at the end is that every count is back at nothing. */
static void *make_noise(void *argument)
{
    network *self = argument;
    bell     waiter = bell_make();
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t       device = i % DEVICES_EACH;
        uint64_t       task = i % 64;
        mu_desk_answer answer;
        mu_desk_heard(self->desk, device, mu_clock_monotonic_s(), &(mu_desk_report){ .num_examples = i % 3 });
        mu_desk_poll(self->desk, device, &task, 1, &task, 1, &waiter.waiter, &answer);
        free(answer.task);
        mu_desk_forget(self->desk, device, &waiter.waiter);
        if (i % 7 == 0)
            mu_desk_left(self->desk, device);
        if (i % 5 == 0)
            mu_desk_failed(self->desk, task, "noise");
        else
            mu_desk_arrived(self->desk, task);
        char *path;
        mu_desk_find_start(self->desk, "aa", &path);
        free(path);
    }
    self->done = 1;
    return NULL;
}

static void test_noise(void **state)
{
    (void)state;
    mu_desk *desk = desk_of(DEVICES_EACH);
    network  networks[4];
    for (uint32_t i = 0; i < 4; i++) {
        networks[i] = (network){ .desk = desk };
        assert_int_equal(pthread_create(&networks[i].thread, NULL, make_noise, &networks[i]), 0);
    }
    bool present[DEVICES_EACH] = { 0 };
    for (uint32_t done = 0, sent = 0; done < 4; sent++) {
        mu_desk_event event;
        if (mu_desk_find_task(desk, sent % 64, NULL) != MU_DESK_TASK_OPEN) {
            mu_desk_drop_task(desk, sent % 64);
            put(desk, sent % 64, sent % DEVICES_EACH);
            assert_int_equal(mu_desk_settle(desk, sent % DEVICES_EACH, sent % 64, NULL), MU_OK);
        }
        if (mu_desk_take(desk, 0.001, PRESENCE_S, &event)) {
            if (event.kind == MU_DESK_WENT)
                assert_true(present[event.device]); /* whoever goes was there */
            if (event.kind == MU_DESK_CAME || event.kind == MU_DESK_WENT)
                present[event.device] = event.kind == MU_DESK_CAME;
        }
        done = 0;
        for (uint32_t i = 0; i < 4; i++)
            done += networks[i].done;
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(networks[i].thread, NULL), 0);
    for (uint32_t i = 0; i < DEVICES_EACH; i++)
        mu_desk_left(desk, i);
    for (uint64_t i = 0; i < 64; i++)
        mu_desk_drop_task(desk, i);
    mu_desk_event event;
    while (mu_desk_take(desk, 0, PRESENCE_S, &event))
        assert_true(event.kind == MU_DESK_WENT);
    mu_desk_counts counts = mu_desk_count(desk);
    assert_int_equal(counts.known, DEVICES_EACH);
    assert_int_equal(counts.present + counts.working + counts.waiting + counts.tasks_open + counts.tasks_arrived, 0);
    mu_desk_destroy(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presence),   cmocka_unit_test(test_silence),
        cmocka_unit_test(test_a_task),     cmocka_unit_test(test_what_fails),
        cmocka_unit_test(test_starts),     cmocka_unit_test(test_order_of_what_is_new),
        cmocka_unit_test(test_waiters),    cmocka_unit_test(test_cancelled_and_settled),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_noise),
        cmocka_unit_test(test_forget_waits_for_the_waking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
