/* Updates coming in: nothing that is not right, nothing twice, and nothing again that has come already. */
#include "net/test_update.h"

#include "base/file.h"
#include "net/blob.h"

#include <math.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_file(const test_pair *f, uint64_t task, const char *ending)
{
    char path[256];
    snprintf(path, sizeof path, "%s/updates/%llu%s", f->server.folder, (unsigned long long)task, ending);
    return mu_file_exists(path);
}

/* What has been told the federation, but for devices that came: so many failed, so many arrived. */
static void count_events(const test_pair *f, int *failed, int *arrived, char reason[200])
{
    mu_desk_event event;
    *failed = *arrived = 0;
    while (mu_desk_take(f->server.desk, 0, 90, &event)) {
        *failed += event.kind == MU_DESK_FAILED;
        *arrived += event.kind == MU_DESK_ARRIVED;
        if (event.kind == MU_DESK_FAILED && reason)
            memcpy(reason, event.reason, 200);
    }
}

static void an_update_is_acknowledged_when_it_is_durable(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update, another;
    test_put_task(&f.server, 7, f.device.number, 200000);
    test_update_make(&f.server, &update, 7, 200000, 1);
    test_update_make(&f.server, &another, 7, 200000, 2);
    bool complete = true;
    int failed, arrived;
    assert_int_equal(test_announce(&f, &update, &complete), 0);
    assert_false(complete);
    assert_true(has_file(&f, 7, ".head"));
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(arrived, 0);
    assert_int_equal(test_send_bytes(&f, &update, 0, update.blob_bytes, &complete), update.blob_bytes);
    assert_true(complete);
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(arrived, 1);
    assert_false(has_file(&f, 7, ".head"));
    assert_false(has_file(&f, 7, ".part"));
    char path[256];
    snprintf(path, sizeof path, "%s/updates/7.blob", f.server.folder);
    mu_blob_digest digest;
    memcpy(digest.bytes, update.digest, 32);
    float *read = malloc(update.count * sizeof *read);
    assert_non_null(read);
    mu_error err;
    assert_int_equal(mu_blob_read_file(path, &digest, read, update.count, &err), MU_OK);
    assert_memory_equal(read, update.floats, update.count * sizeof *read);
    free(read);
    mu_store_update stored;
    bool found;
    assert_int_equal(mu_store_find_update(f.server.store, 7, &stored, &found, &err), MU_OK);
    assert_true(found);
    assert_int_equal(stored.device, f.device.number);
    free((void *)(uintptr_t)stored.head);

    /* The answer was lost: the same again is complete at once, however it is asked, and nobody is told twice. */
    assert_int_equal(test_announce(&f, &update, &complete), update.blob_bytes);
    assert_true(complete);
    assert_int_equal(test_send_bytes(&f, &update, 0, update.blob_bytes, &complete), update.blob_bytes);
    assert_true(complete);
    test_announce_refused(&f, &another, &f.device, &f.device, NULL, 409, "another-update");
    mu_desk_drop_task(f.server.desk, 7); /* it was merged; the row is forgotten with the next checkpoint only */
    assert_int_equal(test_announce(&f, &update, &complete), update.blob_bytes);
    assert_true(complete);
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(failed + arrived, 0);
    assert_int_equal(mu_http_count(f.server.http).updates_complete, 1);
    test_update_release(&update);
    test_update_release(&another);
    test_server_release(&f.server);
}

static void a_transfer_goes_on_where_it_was_cut(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    const uint64_t count = 300000;
    test_put_task(&f.server, 8, f.device.number, count);
    test_update_make(&f.server, &update, 8, count, 3);
    bool complete = false;
    uint64_t have_bytes = test_announce(&f, &update, &complete), chunk = 8 + 4 * (uint64_t)MU_BLOB_CHUNK_FLOATS, most = 0;
    uint32_t seed = 12345;
    for (int i = 0; i < 12 && !complete; i++) {
        seed = seed * 1664525 + 1013904223;
        uint64_t left = update.blob_bytes - have_bytes;
        test_request request = test_put(&f, &update, have_bytes, left);
        request.cut_after = 1 + seed % (left < 400000 ? left - 1 : 400000);
        test_reply reply = test_ask(&f.server, &request);
        assert_int_equal(reply.status, 0);
        test_reply_release(&reply);
        if (i % 3 == 2) { /* killed and started again */
            test_server_stop(&f.server);
            test_server_listen(&f.server);
            test_put_task(&f.server, 8, f.device.number, count);
            test_request old = { .method = "GET", .path = "/v1/job", .session = f.device.session };
            test_refused(&f.server, &old, 401, "no-session");
            test_device_sign_in(&f.server, &f.device);
        }
        have_bytes = test_announce(&f, &update, &complete);
        assert_true(have_bytes >= most); /* nothing that was sound is sent again */
        assert_true(have_bytes == 0 || (have_bytes - MU_BLOB_HEAD_BYTES) % chunk == 0);
        most = have_bytes;
    }
    assert_true(most > 0);
    /* In two requests, neither of them cut. */
    assert_false(complete);
    have_bytes = test_send_bytes(&f, &update, have_bytes, (size_t)(update.blob_bytes - have_bytes) / 2, &complete);
    assert_false(complete);
    have_bytes = test_announce(&f, &update, &complete);
    assert_int_equal(test_send_bytes(&f, &update, have_bytes, (size_t)(update.blob_bytes - have_bytes), &complete), update.blob_bytes);
    assert_true(complete);
    test_update_release(&update);
    test_server_release(&f.server);
}

/* Everything had come, and the kill was between the file and the row in the store. */
static void what_is_whole_but_not_acknowledged_is_acknowledged(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_put_task(&f.server, 9, f.device.number, 70000);
    test_update_make(&f.server, &update, 9, 70000, 4);
    bool complete;
    test_announce(&f, &update, &complete);
    char path[256];
    snprintf(path, sizeof path, "%s/updates/9.blob", f.server.folder);
    mu_error err;
    assert_int_equal(mu_file_write(path, update.blob, update.blob_bytes, &err), MU_OK);
    assert_int_equal(test_announce(&f, &update, &complete), update.blob_bytes);
    assert_true(complete);
    int failed, arrived;
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(arrived, 1);
    test_update_release(&update);
    test_server_release(&f.server);
}

/* The head's file is not synced: after a power cut it may hold anything. */
static void a_torn_head_is_announced_again(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_put_task(&f.server, 6, f.device.number, 2000);
    test_update_make(&f.server, &update, 6, 2000, 1);
    bool complete = false;
    test_announce(&f, &update, &complete);
    char path[256];
    snprintf(path, sizeof path, "%s/updates/6.head", f.server.folder);
    assert_int_equal(truncate(path, 20), 0);
    test_request request = test_put(&f, &update, 0, update.blob_bytes);
    test_refused(&f.server, &request, 404, "not-announced");
    assert_int_equal(test_announce(&f, &update, &complete), 0);
    test_send_bytes(&f, &update, 0, update.blob_bytes, &complete);
    assert_true(complete);
    test_update_release(&update);
    test_server_release(&f.server);
}

static void a_damaged_chunk_is_sent_again(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_put_task(&f.server, 10, f.device.number, 200000);
    test_update_make(&f.server, &update, 10, 200000, 5);
    bool complete;
    test_announce(&f, &update, &complete);
    size_t chunk = 8 + 4 * (size_t)MU_BLOB_CHUNK_FLOATS, at = MU_BLOB_HEAD_BYTES + chunk + 1000;
    update.blob[at] ^= 4;
    test_request request = test_put(&f, &update, 0, update.blob_bytes);
    assert_true(test_refused(&f.server, &request, 400, "damaged") > 0);
    update.blob[at] ^= 4;
    uint64_t have_bytes = test_announce(&f, &update, &complete);
    assert_int_equal(have_bytes, MU_BLOB_HEAD_BYTES + chunk);
    test_send_bytes(&f, &update, have_bytes, (size_t)(update.blob_bytes - have_bytes), &complete);
    assert_true(complete);
    test_update_release(&update);
    test_server_release(&f.server);
}

static void offsets_and_sizes_are_checked(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_put_task(&f.server, 11, f.device.number, 50000);
    test_update_make(&f.server, &update, 11, 50000, 6);
    test_request request = test_put(&f, &update, 0, update.blob_bytes);
    test_refused(&f.server, &request, 404, "not-announced");
    bool complete;
    test_announce(&f, &update, &complete);
    request = test_put(&f, &update, 24, 100);
    ProtobufCMessage *answer = test_ask_message(&f.server, &request, 409, &muster__update_state__descriptor);
    assert_int_equal(((Muster__UpdateState *)(void *)answer)->have_bytes, 0);
    assert_false(((Muster__UpdateState *)(void *)answer)->complete);
    mu_wire_free(answer);
    request = test_put(&f, &update, 0, update.blob_bytes);
    request.path = test_update_path(11, "update?offset=x");
    test_refused(&f.server, &request, 400, "not-understood");
    unsigned char *longer = calloc(1, update.blob_bytes + 100);
    memcpy(longer, update.blob, update.blob_bytes);
    request = test_put(&f, &update, 0, update.blob_bytes + 100);
    request.body = longer;
    test_refused(&f.server, &request, 413, "too-large");
    request.chunked = true; /* what is not announced is found when it comes */
    test_refused(&f.server, &request, 413, "too-large");
    free(longer);
    uint64_t have_bytes = test_announce(&f, &update, &complete);
    assert_false(complete);
    request = test_put(&f, &update, have_bytes, (size_t)(update.blob_bytes - have_bytes));
    request.chunked = true;
    ProtobufCMessage *answer_to_all = test_ask_message(&f.server, &request, 200, &muster__update_state__descriptor);
    assert_true(((Muster__UpdateState *)(void *)answer_to_all)->complete);
    mu_wire_free(answer_to_all);
    test_update_release(&update);
    test_server_release(&f.server);
}

static void what_must_not_touch_the_model_fails_its_task(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    char reason[200];
    int failed, arrived;
    for (int i = 0; i < 4; i++) {
        test_update update;
        uint64_t task = 20 + (uint64_t)i;
        const uint64_t count = 150000; /* half of it is the change */
        test_put_task(&f.server, task, f.device.number, count);
        test_update_make(&f.server, &update, task, count, 7);
        switch (i) {
        case 0: update.floats[140000] = NAN; break;
        case 1: update.floats[3] = -INFINITY; break;
        case 2: update.floats[74999] = 1001; break;  /* longer than 1000 */
        case 3: update.floats[75000] = 1e6f; break;  /* behind the change: what else is sent may be as long as it is */
        }
        test_update_encode(&f.server, &update);
        bool complete;
        test_announce(&f, &update, &complete);
        if (i < 3) {
            test_request request = test_put(&f, &update, 0, update.blob_bytes);
            test_refused(&f.server, &request, 422, "not-acceptable");
            assert_false(has_file(&f, task, ".part"));
            assert_false(has_file(&f, task, ".head"));
            test_announce_refused(&f, &update, &f.device, &f.device, NULL, 410, "task-over");
            count_events(&f, &failed, &arrived, reason);
            assert_int_equal(failed, 1);
            assert_non_null(strstr(reason, i < 2 ? "finite" : "longer"));
        } else {
            test_send_bytes(&f, &update, 0, update.blob_bytes, &complete);
            assert_true(complete);
        }
        test_update_release(&update);
    }
    mu_http_problem problem;
    assert_int_equal(mu_http_problems(f.server.http, &problem, 1), 1);
    assert_int_equal(problem.device, f.device.number);
    test_server_release(&f.server);
}

/* A head that no blob has: sent again it would be no better. */
static void a_blob_that_is_none_fails_its_task(void **state)
{
    (void)state;
    static const struct { size_t at; unsigned char value; } wrong[] = { { 0, 'm' }, { 8, 1 }, { 18, 255 }, { 20, 77 } }; /* magic, floats, floats of a chunk, encoding */
    test_pair f;
    test_pair_begin(&f);
    int failed, arrived;
    for (size_t i = 0; i < MU_COUNT(wrong); i++) {
        test_update update;
        uint64_t task = 40 + i;
        test_put_task(&f.server, task, f.device.number, 5000);
        test_update_make(&f.server, &update, task, 5000, 11);
        bool complete;
        test_announce(&f, &update, &complete);
        update.blob[wrong[i].at] = wrong[i].value;
        test_request request = test_put(&f, &update, 0, update.blob_bytes);
        test_refused(&f.server, &request, 422, "not-the-blob");
        count_events(&f, &failed, &arrived, NULL);
        assert_int_equal(failed, 1);
        assert_int_equal(arrived, 0);
        test_update_release(&update);
    }
    test_server_release(&f.server);
}

static unsigned char bits[3];
static void other_floats(Muster__UpdateHead *head) { head->floats++; }
static void blob_too_small(Muster__UpdateHead *head) { head->blob_bytes = 23; }
static void blob_too_large(Muster__UpdateHead *head) { head->blob_bytes = mu_blob_bytes_max(head->floats) + 1; }
static void no_examples(Muster__UpdateHead *head) { head->num_examples = 0; }
static void more_examples(Muster__UpdateHead *head) { head->num_examples = 101; }
static void other_classes(Muster__UpdateHead *head) { head->classes = (ProtobufCBinaryData){ .len = 3, .data = bits }; }
static void class_too_many(Muster__UpdateHead *head)
{
    bits[1] = 4; /* class 10 of 10 */
    head->classes = (ProtobufCBinaryData){ .len = 2, .data = bits };
}
static void all_classes(Muster__UpdateHead *head)
{
    bits[0] = 0xFF;
    bits[1] = 3;
    head->classes = (ProtobufCBinaryData){ .len = 2, .data = bits };
}
static void other_digest(Muster__UpdateHead *head) { head->digest.data[0] ^= 1; }
static void short_digest(Muster__UpdateHead *head) { head->digest.len = 31; }
static void other_task(Muster__UpdateHead *head) { head->task++; }

static void heads_are_checked(void **state)
{
    (void)state;
    static void (*const changes[])(Muster__UpdateHead *) = { other_floats, blob_too_small, blob_too_large, no_examples, more_examples, other_classes, class_too_many };
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_update_make(&f.server, &update, 0, 5000, 8);
    int failed, arrived;
    for (size_t i = 0; i < MU_COUNT(changes); i++) {
        update.task = 30 + i;
        test_put_task(&f.server, update.task, f.device.number, 5000);
        test_announce_refused(&f, &update, &f.device, &f.device, changes[i], 422, "not-acceptable");
        count_events(&f, &failed, &arrived, NULL);
        assert_int_equal(failed, 1);
    }
    update.task = 50;
    test_put_task(&f.server, 50, f.device.number, 5000);
    test_announce_refused(&f, &update, &f.device, &f.device, short_digest, 400, "not-understood");
    test_announce_refused(&f, &update, &f.device, &f.device, other_task, 400, "not-understood");
    test_announce_refused(&f, &update, &f.other, &f.device, NULL, 403, "not-your-task"); /* names another device */
    test_device as_if = f.other;
    as_if.number = f.device.number;
    test_announce_refused(&f, &update, &as_if, &f.device, NULL, 403, "bad-signature");
    test_announce_refused(&f, &update, &f.other, &f.other, NULL, 403, "not-your-task"); /* the task is another device's */
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(failed, 0); /* whoever is not the device cannot make its task fail */
    unsigned char *packed;
    test_request request = test_announcement(&update, &f.device, &f.device, all_classes, &packed);
    mu_wire_free(test_ask_message(&f.server, &request, 200, &muster__update_state__descriptor));
    free(packed);
    request = test_put(&f, &update, 0, update.blob_bytes);
    request.session = f.other.session;
    test_refused(&f.server, &request, 403, "not-your-task");
    request.session = NULL;
    test_refused(&f.server, &request, 401, "no-session");
    /* A blob that is not the one that was signed. */
    request = test_announcement(&update, &f.device, &f.device, other_digest, &packed);
    mu_wire_free(test_ask_message(&f.server, &request, 200, &muster__update_state__descriptor));
    free(packed);
    request = test_put(&f, &update, 0, update.blob_bytes);
    test_refused(&f.server, &request, 422, "not-the-blob");
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(failed, 1);
    assert_int_equal(arrived, 0);
    test_update_release(&update);
    test_server_release(&f.server);
}

static void a_task_that_was_trained_again_starts_afresh(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update first, second;
    test_put_task(&f.server, 60, f.device.number, 200000);
    test_update_make(&f.server, &first, 60, 200000, 9);
    test_update_make(&f.server, &second, 60, 200000, 10);
    bool complete;
    test_announce(&f, &first, &complete);
    assert_int_equal(test_send_bytes(&f, &first, 0, 600000, &complete), 600000);
    assert_true(test_announce(&f, &first, &complete) > 0);
    assert_int_equal(test_announce(&f, &second, &complete), 0);
    test_send_bytes(&f, &second, 0, second.blob_bytes, &complete);
    assert_true(complete);
    test_announce_refused(&f, &first, &f.device, &f.device, NULL, 409, "another-update");
    test_update_release(&first);
    test_update_release(&second);
    test_server_release(&f.server);
}

static void tasks_that_are_over_are_gone(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_update_make(&f.server, &update, 70, 5000, 11);
    test_announce_refused(&f, &update, &f.device, &f.device, NULL, 410, "task-over");
    test_put_task(&f.server, 70, f.device.number, 5000);
    bool complete;
    test_announce(&f, &update, &complete);
    mu_desk_drop_task(f.server.desk, 70);
    test_request request = test_put(&f, &update, 0, update.blob_bytes);
    test_refused(&f.server, &request, 410, "task-over");
    assert_false(has_file(&f, 70, ".head"));

    Muster__Failed failed;
    muster__failed__init(&failed);
    char reason[] = "out of memory";
    failed.task = 71;
    failed.reason = reason;
    unsigned char *packed;
    request = test_post("/v1/tasks/71/failed", f.device.session, &failed.base, &packed);
    test_refused(&f.server, &request, 410, "task-over");
    test_put_task(&f.server, 71, f.device.number, 5000);
    request.session = f.other.session;
    test_refused(&f.server, &request, 403, "not-your-task");
    request.session = f.device.session;
    request.path = "/v1/tasks/72/failed";
    test_refused(&f.server, &request, 400, "not-understood");
    request.path = "/v1/tasks/71/failed";
    test_reply reply = test_ask(&f.server, &request);
    assert_int_equal(reply.status, 204);
    test_reply_release(&reply);
    free(packed);
    int failures, arrived;
    char said[200];
    count_events(&f, &failures, &arrived, said);
    assert_int_equal(failures, 1);
    assert_string_equal(said, "out of memory");
    test_update_release(&update);
    test_server_release(&f.server);
}

static void the_later_request_takes_an_update_over(void **state)
{
    (void)state;
    test_pair f;
    test_pair_begin(&f);
    test_update update;
    test_put_task(&f.server, 80, f.device.number, 200000);
    test_update_make(&f.server, &update, 80, 200000, 12);
    bool complete;
    test_announce(&f, &update, &complete);
    uint64_t before = mu_http_count(f.server.http).bytes_in, sound = MU_BLOB_HEAD_BYTES + 8 + 4 * (uint64_t)MU_BLOB_CHUNK_FLOATS;
    int fd = test_hanging_put(&f, &update, 400000);
    test_wait_for_bytes(&f, before + 400000);
    test_request request = test_put(&f, &update, sound, (size_t)(update.blob_bytes - sound));
    request.session = f.other.session;
    test_refused(&f.server, &request, 403, "not-your-task");
    assert_int_equal(test_announce(&f, &update, &complete), sound);
    assert_int_equal(test_send_bytes(&f, &update, sound, (size_t)(update.blob_bytes - sound), &complete), update.blob_bytes);
    assert_true(complete);
    test_finish_hanging(fd, &update, 400000, "503"); /* the first one wakes up, and is told so */
    close(fd);
    int failed, arrived;
    count_events(&f, &failed, &arrived, NULL);
    assert_int_equal(arrived, 1);
    assert_int_equal(failed, 0);
    test_update_release(&update);
    test_server_release(&f.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_is_acknowledged_when_it_is_durable),
        cmocka_unit_test(a_transfer_goes_on_where_it_was_cut),
        cmocka_unit_test(what_is_whole_but_not_acknowledged_is_acknowledged),
        cmocka_unit_test(a_torn_head_is_announced_again),
        cmocka_unit_test(a_damaged_chunk_is_sent_again),
        cmocka_unit_test(offsets_and_sizes_are_checked),
        cmocka_unit_test(what_must_not_touch_the_model_fails_its_task),
        cmocka_unit_test(a_blob_that_is_none_fails_its_task),
        cmocka_unit_test(heads_are_checked),
        cmocka_unit_test(a_task_that_was_trained_again_starts_afresh),
        cmocka_unit_test(tasks_that_are_over_are_gone),
        cmocka_unit_test(the_later_request_takes_an_update_over),
    };
    return cmocka_run_group_tests_name("net_http_update", tests, NULL, NULL);
}
