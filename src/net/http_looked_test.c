/* Answers of devices that looked at a model: what is right is on the desk, once; nothing else comes near it. */
#include "net/test_http.h"

#include "net/blob.h"

#include <math.h>
#include <sodium.h>

enum { STATISTICS = 6 };

typedef struct fixture {
    test_server server;
    test_device device, other;
} fixture;

/* What is said, before it is spoiled and signed. */
typedef struct saying {
    Muster__LookedHead head;
    unsigned char      start[MU_BLOB_DIGEST_BYTES], digest[MU_BLOB_DIGEST_BYTES];
    float              statistics[STATISTICS + 1];
    size_t             statistics_bytes;
    const test_device *signs;
} saying;

static void begin(fixture *f)
{
    test_server_init(&f->server);
    test_server_listen(&f->server);
    test_device_make(&f->device);
    test_device_make(&f->other);
    test_device_enrol(&f->server, &f->device);
    test_device_enrol(&f->server, &f->other);
    test_device_sign_in(&f->server, &f->device);
    test_device_sign_in(&f->server, &f->other);
}

/* Of the first device, on up to 30 of its 100 examples. */
static void put_look(const fixture *f, uint64_t number, uint64_t statistics)
{
    const mu_desk_look look = { .examples_most = 30, .targets = 2, .statistics = statistics };
    mu_error err;
    test_put_task(&f->server, number + 1000, f->device.number, 100); /* another task, whose start it shares */
    const mu_desk_task put = { .id = number, .device = f->device.number, .packed = (const unsigned char *)"", .look = &look,
                               .start_digest_hex = test_start_digest(), .start_path = "there" };
    assert_int_equal(mu_desk_put_task(f->server.desk, &put, &err), MU_OK);
}

static void say_right(const fixture *f, uint64_t number, bool statistics, saying *s)
{
    mu_blob_digest start;
    memset(s, 0, sizeof *s);
    muster__looked_head__init(&s->head);
    assert_true(mu_blob_digest_from_hex(test_start_digest(), &start));
    memcpy(s->start, start.bytes, sizeof s->start);
    s->signs = &f->device;
    s->head.task = number;
    s->head.device = f->device.number;
    s->head.start = (ProtobufCBinaryData){ sizeof s->start, s->start };
    s->head.num_examples = 30;
    if (!statistics) {
        s->head.loss_sum = 12.5;
        s->head.correct = 41;
        s->head.count = 60;
        return;
    }
    for (int i = 0; i < STATISTICS + 1; i++)
        s->statistics[i] = (float)i / 8 - 0.25f;
    s->statistics_bytes = STATISTICS * sizeof(float);
    crypto_generichash(s->digest, sizeof s->digest, (const unsigned char *)s->statistics, s->statistics_bytes, NULL, 0);
    s->head.statistics = (ProtobufCBinaryData){ sizeof s->digest, s->digest };
}

static test_request pack(const saying *s, uint64_t number, const char *session, unsigned char **packed)
{
    static char path[64];
    unsigned char signature[64], *head, bytes[(STATISTICS + 1) * sizeof(float)];
    size_t head_bytes;
    mu_error err;
    Muster__Looked message;
    muster__looked__init(&message);
    assert_int_equal(mu_wire_pack(&s->head.base, &head, &head_bytes, &err), MU_OK);
    assert_int_equal(mu_wire_sign(MU_WIRE_LOOKED, head, head_bytes, s->signs->secret_key, signature, &err), MU_OK);
    memcpy(bytes, s->statistics, s->statistics_bytes); /* little endian is what this test runs on */
    message.head = (ProtobufCBinaryData){ head_bytes, head };
    message.signature = (ProtobufCBinaryData){ sizeof signature, signature };
    message.statistics = (ProtobufCBinaryData){ s->statistics_bytes, bytes };
    snprintf(path, sizeof path, "/v1/tasks/%llu/looked", (unsigned long long)number);
    test_request request = test_post(path, session, &message.base, packed);
    free(head);
    return request;
}

static void granted(const fixture *f, const saying *s)
{
    unsigned char *packed;
    test_request request = pack(s, s->head.task, f->device.session, &packed);
    test_reply reply = test_ask(&f->server, &request);
    assert_int_equal(reply.status, 204);
    test_reply_release(&reply);
    free(packed);
}

static void refused(const fixture *f, const saying *s, uint64_t number, const char *session, long status, const char *code)
{
    unsigned char *packed;
    test_request request = pack(s, number, session, &packed);
    test_refused(&f->server, &request, status, code);
    free(packed);
}

/* How many looks have come to an end since, and whether the last one has an answer. */
static int count_events(const fixture *f, bool *arrived)
{
    mu_desk_event event;
    int count = 0;
    while (mu_desk_take(f->server.desk, 0, 90, &event)) {
        count += event.kind == MU_DESK_ARRIVED || event.kind == MU_DESK_FAILED;
        *arrived = event.kind == MU_DESK_ARRIVED;
    }
    return count;
}

static void an_answer_is_on_the_desk_once(void **state)
{
    (void)state;
    fixture f;
    saying s;
    mu_desk_looked looked;
    bool arrived = false;
    begin(&f);
    put_look(&f, 7, 0);
    say_right(&f, 7, false, &s);
    s.head.loss_sum = NAN; /* of a model that came apart */
    granted(&f, &s);
    granted(&f, &s); /* the answer was lost */
    assert_int_equal(count_events(&f, &arrived), 1);
    assert_true(arrived);
    assert_true(mu_desk_take_looked(f.server.desk, 7, &looked));
    assert_true(isnan(looked.loss_sum));
    assert_int_equal(looked.correct, 41);
    assert_int_equal(looked.count, 60);
    assert_null(looked.statistics);
    assert_false(mu_desk_take_looked(f.server.desk, 7, &looked));
    mu_desk_drop_task(f.server.desk, 7);
    refused(&f, &s, 7, f.device.session, 410, "task-over");

    put_look(&f, 8, STATISTICS);
    say_right(&f, 8, true, &s);
    granted(&f, &s);
    assert_int_equal(count_events(&f, &arrived), 1);
    assert_true(mu_desk_take_looked(f.server.desk, 8, &looked));
    assert_memory_equal(looked.statistics, s.statistics, STATISTICS * sizeof(float));
    assert_int_equal(looked.num_examples, 30);
    free(looked.statistics);
    put_look(&f, 9, STATISTICS); /* an answer that nobody takes is let go with its task */
    say_right(&f, 9, true, &s);
    granted(&f, &s);
    mu_desk_drop_task(f.server.desk, 9);
    test_server_release(&f.server);
}

static void what_is_not_this_device_s_changes_nothing(void **state)
{
    (void)state;
    fixture f;
    saying s;
    bool arrived;
    begin(&f);
    put_look(&f, 7, 0);
    say_right(&f, 7, false, &s);
    s.signs = &f.other; /* forged */
    refused(&f, &s, 7, f.device.session, 403, "bad-signature");
    s.signs = &f.device;
    refused(&f, &s, 7, f.other.session, 403, "not-your-task"); /* another one passes it off as its own */
    s.head.device = f.other.number;
    refused(&f, &s, 7, f.device.session, 403, "not-your-task");
    s.head.device = f.device.number;
    s.head.task = 6; /* an answer of before, once more */
    refused(&f, &s, 7, f.device.session, 400, "not-understood");
    s.head.task = 1007; /* a task that is to be trained */
    refused(&f, &s, 1007, f.device.session, 400, "not-understood");
    s.head.task = 12;
    refused(&f, &s, 12, f.device.session, 410, "task-over");
    assert_int_equal(count_events(&f, &arrived), 0);
    assert_int_equal(mu_desk_find_task(f.server.desk, 7, &(mu_desk_task_info){ 0 }), MU_DESK_TASK_OPEN);
    static unsigned char large[(256 << 10) + 1];
    const test_request too_large = { .method = "POST", .path = "/v1/tasks/7/looked", .session = f.device.session, .body = large, .bytes = sizeof large };
    test_refused(&f.server, &too_large, 413, "too-large");
    const test_request nonsense = { .method = "POST", .path = "/v1/tasks/7/looked", .session = f.device.session, .body = "\x0a\x05nonsense", .bytes = 10 };
    test_refused(&f.server, &nonsense, 400, "not-understood");
    test_server_release(&f.server);
}

/* Understood, and not right: the look has failed, and the device counts as one that has not looked. */
static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    for (int wrong = 0; wrong < 11; wrong++) {
        const uint64_t number = 20 + (uint64_t)wrong;
        const bool statistics = wrong >= 6;
        saying s;
        bool arrived = true;
        mu_desk_looked looked;
        put_look(&f, number, statistics ? STATISTICS : 0);
        say_right(&f, number, statistics, &s);
        switch (wrong) {
        case 0: s.start[3] ^= 1; break;              /* another model */
        case 1: s.head.num_examples = 31; s.head.count = 62; break;
        case 2: s.head.num_examples = 0; s.head.count = s.head.correct = 0; break;
        case 3: s.head.count = 61; break;
        case 4: s.head.correct = 61; break;
        case 5: s.statistics_bytes = 4; break;       /* that nobody has asked for */
        case 6: s.statistics_bytes += 4; break;      /* more than were asked for */
        case 7: s.statistics_bytes = 0; break;
        case 8: s.statistics[2] = 7; break;          /* others than were signed */
        case 9: s.head.count = 60; break;
        default:
            s.statistics[5] = INFINITY;
            crypto_generichash(s.digest, sizeof s.digest, (const unsigned char *)s.statistics, s.statistics_bytes, NULL, 0);
        }
        refused(&f, &s, number, f.device.session, 422, "not-acceptable");
        assert_int_equal(count_events(&f, &arrived), 1);
        assert_false(arrived);
        assert_false(mu_desk_take_looked(f.server.desk, number, &looked));
        refused(&f, &s, number, f.device.session, 410, "task-over");
    }
    test_server_release(&f.server);
}

/* A look has no update, and what is sent as one does not lie in the store. */
static void no_update_comes_for_a_look(void **state)
{
    (void)state;
    fixture f;
    test_update update;
    size_t bytes;
    mu_store_update stored;
    bool found;
    mu_error err;
    begin(&f);
    put_look(&f, 7, 0);
    test_update_make(&f.server, &update, 7, 0, 1);
    unsigned char *packed = test_update_announcement(&update, &f.device, NULL, &bytes);
    const test_request request = { .method = "POST", .path = "/v1/tasks/7/update", .session = f.device.session, .body = packed, .bytes = bytes };
    test_refused(&f.server, &request, 422, "not-acceptable");
    assert_int_equal(mu_store_find_update(f.server.store, 7, &stored, &found, &err), MU_OK);
    assert_false(found);
    free(packed);
    test_update_release(&update);
    test_server_release(&f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_on_the_desk_once),
        cmocka_unit_test(what_is_not_this_device_s_changes_nothing),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(no_update_comes_for_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
