/* What people see, played by hand: JSON read back, rings that do not grow. */
#include "net/look_internal.h"
#include "net/look_support.h"

#include "base/clock.h"
#include "base/refuse_memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the network's side, as the test says. Its own file is not linked in: these take its place ---- */

static const mu_http_counts network_counts = { .requests = 70, .refused = 7, .bytes_in = 5000000000, .bytes_out = 12345, .sessions_opened = 3,
                                               .updates_complete = 9, .connections = 4, .held = 2 };
mu_http_counts mu_http_count(mu_http *http)
{
    (void)http;
    return network_counts;
}

size_t mu_http_problems(mu_http *http, mu_http_problem *out, size_t most)
{
    (void)http;
    assert_true(most >= 2);
    out[0] = (mu_http_problem){ .at_us = 1700000002500000, .device = MU_STORE_ANY_DEVICE, .status = 401, .code = "token-unknown" };
    out[1] = (mu_http_problem){ .at_us = 1700000001000000, .device = 5, .status = 409, .code = "task-over" };
    return 2;
}

static int stands_in;
static mu_http *network(void) { return (mu_http *)(void *)&stands_in; }

/* ---- JSON, read back ---- */

static cJSON *json_of(look_stage *stage, const char *path)
{
    char *text = look_stage_text(stage, path);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    return root;
}

/* "updates.lost", "tiers.0.name" */
static const cJSON *at(const cJSON *root, const char *path)
{
    const cJSON *item = root;
    char key[64];
    while (*path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        item = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, atoi(key)) : cJSON_GetObjectItemCaseSensitive(item, key);
        path += length + (path[length] == '.');
    }
    return item;
}

static void assert_number(const cJSON *root, const char *path, double expected)
{
    const cJSON *item = at(root, path);
    if (!cJSON_IsNumber(item) || item->valuedouble != expected)
        fail_msg("%s is %s, not %.17g", path, item ? cJSON_Print(item) : "not there", expected);
}

static void assert_text(const cJSON *root, const char *path, const char *expected)
{
    assert_true(cJSON_IsString(at(root, path)));
    assert_string_equal(cJSON_GetStringValue(at(root, path)), expected);
}

static void assert_unknown(const cJSON *root, const char *path) { assert_true(cJSON_IsNull(at(root, path))); }

static void assert_state(look_stage *stage, const char *expected)
{
    cJSON *status = json_of(stage, "/status.json");
    assert_text(status, "state", expected);
    cJSON_Delete(status);
}

/* ---- status.json ---- */

static void test_status_at_first(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "first", 6);
    cJSON *status = json_of(&stage, "/status.json");
    assert_text(status, "federation", "first");
    assert_text(status, "recipe", "fedavg");
    assert_text(status, "state", "waiting for devices");
    assert_unknown(status, "why");
    assert_number(status, "round", 0);
    assert_number(status, "rounds", 12);
    assert_unknown(status, "accuracy");
    assert_unknown(status, "best_accuracy");
    assert_unknown(status, "train_loss");
    assert_unknown(status, "last_round_at_s");
    assert_number(status, "devices.numbers", 6);
    assert_number(status, "devices.known", 0);
    assert_int_equal(cJSON_GetArraySize(at(status, "problems")), 0);
    assert_int_equal(cJSON_GetArraySize(at(status, "refusals")), 0);
    assert_number(status, "network.requests", 0);
    double absent = 0;
    const cJSON *tier;
    cJSON_ArrayForEach(tier, at(status, "tiers")) absent += at(tier, "absent")->valuedouble;
    assert_true(absent == 6);
    cJSON_Delete(status);
    look_stage_close(&stage);
}

static void test_status(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "\"a \\\"quoted\\\" name\"", 6);
    mu_look_attach(stage.look, network());
    for (uint32_t device = 0; device < 3; device++)
        mu_desk_heard(stage.desk, device, mu_clock_monotonic_s(), NULL);
    look_stage_put_task(&stage, 99, 1);
    look_stage_play(&stage);
    cJSON *status = json_of(&stage, "/status.json");
    assert_text(status, "federation", "a \"quoted\" name");
    assert_text(status, "state", "running");
    assert_number(status, "round", 2);
    assert_number(status, "accuracy", 0.502);
    assert_number(status, "best_accuracy", 0.502);
    assert_number(status, "loss", 2 - 2 / 1000.0);
    assert_number(status, "evaluated_round", 2);
    assert_number(status, "train_loss", 1.5 - 2 / 1000.0);
    assert_number(status, "time_s", 30); /* of the event after the last round */
    assert_number(status, "devices.present", 3);
    assert_number(status, "devices.working", 1);
    assert_number(status, "tasks.sent", 8);
    assert_number(status, "tasks.open", 1);
    assert_number(status, "updates.merged", 6);
    assert_number(status, "updates.lost", 2);
    assert_number(status, "updates.late", 1);
    assert_number(status, "updates.refused", 1);
    assert_number(status, "updates.discarded", 1);
    assert_number(status, "planned.bytes_down", 8.0 * LOOK_BYTES_DOWN);
    assert_number(status, "planned.bytes_up", 8.0 * LOOK_BYTES_UP);
    assert_number(status, "network.bytes_down", 12345);
    assert_number(status, "network.bytes_up", 5e9);
    assert_number(status, "network.held", 2);
    assert_number(status, "training.device_time_s", 60);
    assert_number(status, "training.wasted_time_s", 5);
    assert_number(status, "training.energy_j", 200);
    assert_number(status, "training.peak_memory_bytes", 4096 + 2); /* of those that were merged */
    assert_number(status, "tiers.0.accuracy", 0.25);
    assert_number(status, "tiers.1.accuracy", 0.75);
    assert_int_equal(cJSON_GetArraySize(at(status, "problems")), 4);
    assert_text(status, "problems.0.what", "discarded"); /* the newest first */
    assert_text(status, "problems.1.reason", "element 7 is not finite");
    assert_number(status, "problems.1.device", 1);
    assert_number(status, "problems.3.round", 1);
    assert_number(status, "problems.3.time_s", 10);
    assert_unknown(status, "refusals.0.device");
    assert_text(status, "refusals.0.code", "token-unknown");
    assert_number(status, "refusals.0.at_s", 1700000002.5);
    assert_number(status, "refusals.1.device", 5);
    assert_true(at(status, "process.memory_bytes")->valuedouble > 1e6);
    cJSON_Delete(status);
    look_stage_close(&stage);
}

static void test_states(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "states", 6);
    mu_desk_heard(stage.desk, 0, mu_clock_monotonic_s(), NULL);
    assert_state(&stage, "waiting for devices"); /* one is there, but nothing was sent yet */
    look_stage_put_task(&stage, 1, 0);
    assert_state(&stage, "running"); /* so after a resume, where tasks are sent again */
    look_stage_event(&stage, MU_HAPPENED_SENT, 0, 1, NULL);
    mu_desk_drop_task(stage.desk, 1);
    assert_state(&stage, "running"); /* between two rounds */
    mu_desk_left(stage.desk, 0);
    assert_state(&stage, "waiting for devices");
    mu_look_finished(stage.look, "finished");
    assert_state(&stage, "finished");
    mu_look_finished(stage.look, "interrupted");
    assert_state(&stage, "interrupted");
    mu_look_finished(stage.look, "failed: the disk is full");
    cJSON *status = json_of(&stage, "/status.json");
    assert_text(status, "state", "failed");
    assert_text(status, "why", "the disk is full");
    cJSON_Delete(status);
    mu_look_finished(stage.look, "store.db: no room");
    status = json_of(&stage, "/status.json");
    assert_text(status, "why", "store.db: no room");
    cJSON_Delete(status);
    look_stage_close(&stage);
}

/* ---- what devices say stays what it is: text ---- */

static void test_foreign_words(void **state)
{
    (void)state;
    look_stage stage;
    char long_reason[1000];
    look_stage_open(&stage, "foreign", 6);
    look_stage_event(&stage, MU_HAPPENED_LOST, 1, 1, "cut in the middle: \xC3");
    look_stage_event(&stage, MU_HAPPENED_LOST, 1, 1, "\"quotes\" \\ and\nlines \xFF\xC3\xA9");
    memset(long_reason, 'x', sizeof long_reason - 1);
    long_reason[sizeof long_reason - 1] = '\0';
    look_stage_event(&stage, MU_HAPPENED_LOST, 1, 1, long_reason);
    look_stage_event(&stage, MU_HAPPENED_LOST, 1, 1, NULL);
    cJSON *status = json_of(&stage, "/status.json");
    assert_text(status, "problems.0.reason", "");
    assert_int_equal(strlen(cJSON_GetStringValue(at(status, "problems.1.reason"))), MU_LOOK_REASON_BYTES - 1);
    assert_text(status, "problems.2.reason", "\"quotes\" \\ and\nlines \xEF\xBF\xBD\xC3\xA9");
    assert_text(status, "problems.3.reason", "cut in the middle: \xEF\xBF\xBD");
    cJSON_Delete(status);
    look_stage_close(&stage);
}

/* ---- rounds.json ---- */

static void test_rounds(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "rounds", 6);
    cJSON *rounds = json_of(&stage, "/rounds.json");
    assert_int_equal(cJSON_GetArraySize(at(rounds, "rounds")), 0);
    cJSON_Delete(rounds);
    for (uint32_t round = 0; round <= 4; round++)
        look_stage_round(&stage, round);
    mu_round_report blind = look_stage_report(5);
    blind.evaluated = false;
    blind.accuracy = blind.loss = NAN;
    const mu_observer *observer = mu_look_observer(stage.look);
    assert_int_equal(observer->round(observer->self, &blind, NULL), MU_OK);
    rounds = json_of(&stage, "/rounds.json");
    assert_int_equal(cJSON_GetArraySize(at(rounds, "rounds")), 6);
    assert_unknown(rounds, "rounds.0.train_loss");
    assert_number(rounds, "rounds.3.round", 3);
    assert_number(rounds, "rounds.3.accuracy", 0.503);
    assert_number(rounds, "rounds.3.time_s", 30);
    assert_number(rounds, "rounds.3.merged", 3);
    assert_number(rounds, "rounds.3.bytes_down", 4.0 * LOOK_BYTES_DOWN);
    assert_int_equal(cJSON_GetArraySize(at(rounds, "rounds.3.tier_accuracy")), 2);
    assert_unknown(rounds, "rounds.5.accuracy");
    assert_int_equal(cJSON_GetArraySize(at(rounds, "rounds.5.tier_accuracy")), 0);
    cJSON_Delete(rounds);
    static const struct { const char *path; int count; } asked[] = {
        { "/rounds.json?from=4", 2 }, { "/rounds.json?from=6", 0 }, { "/rounds.json?from=99999999999999999999999", 0 },
        { "/rounds.json?from=-1", 6 }, { "/rounds.json?from=", 6 }, { "/rounds.json?to=4", 6 }, { "/rounds.json?", 6 },
    };
    for (size_t i = 0; i < MU_COUNT(asked); i++) {
        rounds = json_of(&stage, asked[i].path);
        assert_int_equal(cJSON_GetArraySize(at(rounds, "rounds")), asked[i].count);
        cJSON_Delete(rounds);
    }
    cJSON *status = json_of(&stage, "/status.json"); /* what was evaluated last goes on to be shown */
    assert_number(status, "round", 5);
    assert_number(status, "evaluated_round", 4);
    assert_number(status, "accuracy", 0.504);
    cJSON_Delete(status);
    look_stage_close(&stage);
}

static uint32_t round_at(const cJSON *list, int i) { return (uint32_t)at(cJSON_GetArrayItem(list, i), "round")->valuedouble; }

/* The newest are all there; before them the first, and equal distances. */
static void assert_spaced(look_stage *stage, uint32_t last)
{
    cJSON *rounds = json_of(stage, "/rounds.json");
    const cJSON *list = at(rounds, "rounds");
    int count = cJSON_GetArraySize(list), older = count - (int)MU_LOOK_RECENT_ROUNDS;
    assert_in_range(count, MU_LOOK_RECENT_ROUNDS + MU_LOOK_SPACED_ROUNDS / 4, MU_LOOK_ROUNDS);
    assert_int_equal(round_at(list, 0), 0);
    for (int i = 0; i < (int)MU_LOOK_RECENT_ROUNDS; i++)
        assert_int_equal(round_at(list, older + i), last - MU_LOOK_RECENT_ROUNDS + 1 + (uint32_t)i);
    uint32_t spacing = round_at(list, 1);
    for (int i = 1; i < older; i++)
        assert_int_equal(round_at(list, i), (uint32_t)i * spacing);
    assert_true(round_at(list, older) - round_at(list, older - 1) <= spacing); /* and no gap between the two */
    cJSON_Delete(rounds);
}

/* 100,000 rounds and as many losses: whoever watches takes no memory for them, and the answers do not grow. */
static void test_bounded(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "bounded", 6);
    for (uint32_t round = 0; round < 100000; round++) {
        char reason[32];
        snprintf(reason, sizeof reason, "loss %u", round);
        refused = false;
        allocations_left = 0;
        look_stage_event(&stage, MU_HAPPENED_LOST, round % 6, round, reason);
        look_stage_round(&stage, round);
        allocations_left = -1;
        assert_false(refused);
        if (round == 999 || round == 65535 || round == 65536 || round == 99999)
            assert_spaced(&stage, round);
    }
    cJSON *status = json_of(&stage, "/status.json");
    assert_int_equal(cJSON_GetArraySize(at(status, "problems")), MU_LOOK_PROBLEMS);
    assert_text(status, "problems.0.reason", "loss 99999");
    assert_text(status, "problems.63.reason", "loss 99936");
    assert_number(status, "updates.lost", 100000);
    cJSON_Delete(status);
    static const char *const paths[] = { "/status.json", "/rounds.json", "/devices.json", "/metrics" };
    for (size_t i = 0; i < MU_COUNT(paths); i++) {
        char *text = look_stage_text(&stage, paths[i]);
        assert_in_range(strlen(text), 1, 512 << 10);
        free(text);
    }
    look_stage_close(&stage);
}

/* ---- devices.json ---- */

static void test_devices(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "devices", 250);
    look_stage_enrol(&stage, 3, "<img src=x onerror=alert(1)>");
    look_stage_enrol(&stage, 7, "a \"phone\"");
    look_stage_enrol(&stage, 120, "far away");
    look_stage_enrol(&stage, 249, "last");
    assert_int_equal(mu_store_revoke(stage.store, 7, true, NULL), MU_OK);
    mu_desk_heard(stage.desk, 3, mu_clock_monotonic_s() - 5, NULL);
    look_stage_put_task(&stage, 1, 3);
    cJSON *page = json_of(&stage, "/devices.json");
    assert_number(page, "numbers", 250);
    assert_number(page, "next", 100);
    assert_int_equal(cJSON_GetArraySize(at(page, "devices")), 2);
    assert_number(page, "devices.0.device", 3);
    assert_text(page, "devices.0.name", "<img src=x onerror=alert(1)>");
    assert_text(page, "devices.0.state", "working");
    assert_true(at(page, "devices.0.silent_s")->valuedouble >= 5);
    assert_number(page, "devices.0.enrolled_at_s", 1700000000);
    assert_true(cJSON_IsFalse(at(page, "devices.0.revoked")));
    assert_text(page, "devices.1.state", "absent");
    assert_unknown(page, "devices.1.silent_s");
    assert_true(cJSON_IsTrue(at(page, "devices.1.revoked")));
    uint32_t tier = mu_fleet_tier_of(mu_experiment_fleet(stage.experiment), 3);
    assert_text(page, "devices.0.tier", mu_fleet_tier_name(mu_experiment_fleet(stage.experiment), tier));
    cJSON_Delete(page);
    page = json_of(&stage, "/devices.json?from=100");
    assert_int_equal(cJSON_GetArraySize(at(page, "devices")), 1);
    assert_text(page, "devices.0.name", "far away");
    assert_number(page, "next", 200);
    cJSON_Delete(page);
    page = json_of(&stage, "/devices.json?from=200");
    assert_text(page, "devices.0.name", "last");
    assert_unknown(page, "next");
    cJSON_Delete(page);
    page = json_of(&stage, "/devices.json?from=4000000000");
    assert_int_equal(cJSON_GetArraySize(at(page, "devices")), 0);
    assert_unknown(page, "next");
    cJSON_Delete(page);
    look_stage_close(&stage);
}

/* What a device tells may put it into another tier: seen with its next task, and for all with the next round. */
static void test_tiers_are_told(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "told", 6);
    mu_fleet *fleet = mu_experiment_told_fleet(stage.experiment);
    uint32_t device = 0;
    while (strcmp(mu_fleet_tier_name(fleet, mu_fleet_tier_of(fleet, device)), "low") == 0)
        device++;
    uint8_t before = mu_look_tier_of(stage.look, device);
    assert_int_equal(mu_fleet_tell(fleet, device, &(mu_profile){ .name = "phone-low" }, NULL), MU_OK);
    assert_int_equal(mu_look_tier_of(stage.look, device), before);
    look_stage_event(&stage, MU_HAPPENED_SENT, device, 1, NULL);
    assert_int_not_equal(mu_look_tier_of(stage.look, device), before);
    assert_int_equal(mu_fleet_tell(fleet, device, &(mu_profile){ .name = "workstation" }, NULL), MU_OK);
    look_stage_round(&stage, 1);
    assert_int_equal(mu_look_tier_of(stage.look, device), before);
    look_stage_close(&stage);
}

/* Devices by tier and state add up to all. They are counted once a second at most. */
static void test_devices_are_counted(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "counted", 6);
    mu_desk_heard(stage.desk, 0, mu_clock_monotonic_s(), NULL);
    mu_desk_heard(stage.desk, 1, mu_clock_monotonic_s(), NULL);
    look_stage_put_task(&stage, 1, 1);
    mu_look_now now;
    mu_look_see(stage.look, &now);
    uint32_t sums[MU_LOOK_PRESENCE_COUNT] = { 0 };
    for (uint32_t tier = 0; tier < MU_TIERS_MAX; tier++)
        for (int i = 0; i < MU_LOOK_PRESENCE_COUNT; i++)
            sums[i] += now.tiers.devices[tier][i];
    assert_int_equal(sums[MU_LOOK_ABSENT], 4);
    assert_int_equal(sums[MU_LOOK_IDLE], 1);
    assert_int_equal(sums[MU_LOOK_WORKING], 1);
    assert_int_equal(now.tiers.devices[mu_look_tier_of(stage.look, 1)][MU_LOOK_WORKING], 1);
    look_stage_close(&stage);
}

/* ---- the page ---- */

static void test_page(void **state)
{
    (void)state;
    look_stage stage;
    const char *media_type;
    size_t size_bytes;
    look_stage_open(&stage, "page", 6);
    char *page = mu_look_text(stage.look, "/", &media_type, &size_bytes);
    assert_string_equal(media_type, "text/html; charset=utf-8");
    assert_int_equal(size_bytes, strlen(page));
    assert_non_null(strstr(page, "Content-Security-Policy"));
    assert_non_null(strstr(page, "default-src 'none'"));
    assert_null(strstr(page, "://")); /* nothing from elsewhere */
    free(page);
    char *script = mu_look_text(stage.look, "/live.js", &media_type, &size_bytes);
    assert_string_equal(media_type, "text/javascript; charset=utf-8");
    assert_null(strstr(script, "innerHTML"));
    assert_null(strstr(script, "://"));
    free(script);
    char *style = mu_look_text(stage.look, "/style.css", &media_type, &size_bytes);
    assert_string_equal(media_type, "text/css; charset=utf-8");
    assert_non_null(strstr(style, "prefers-color-scheme"));
    free(style);
    char *charts = mu_look_text(stage.look, "/chart.js", &media_type, &size_bytes);
    assert_non_null(charts);
    assert_int_equal(strstr(charts, "Chart.js v3") != NULL, mu_look_page_has_charts()); /* of whichever 3 */
    free(charts);
    static const char *const strange[] = { "", "/status", "/status.jsonx", "/metrics/", "/../store.db", "//", "/page", "status.json" };
    for (size_t i = 0; i < MU_COUNT(strange); i++) {
        assert_null(mu_look_text(stage.look, strange[i], &media_type, &size_bytes));
        assert_null(media_type);
    }
    look_stage_close(&stage);
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
    (void)state;
    look_stage stage;
    look_stage_open(&stage, "memory", 6);
    look_stage_enrol(&stage, 1, "a name");
    look_stage_play(&stage);
    static const char *const paths[] = { "/status.json", "/rounds.json", "/devices.json", "/" };
    for (size_t i = 0; i < MU_COUNT(paths); i++) {
        const char *media_type;
        size_t size_bytes;
        char *text = NULL;
        long n = 0;
        for (; !text; n++) {
            allocations_left = n;
            text = mu_look_text(stage.look, paths[i], &media_type, &size_bytes);
            allocations_left = -1;
            assert_non_null(media_type); /* it is there, but there is no memory for it */
            assert_true(n < 1000);
        }
        assert_true(n > 1);
        free(text);
    }
    mu_look *look = NULL;
    for (long n = 0; n < 2; n++) {
        mu_error err = { 0 };
        allocations_left = n;
        assert_int_equal(mu_look_create(stage.experiment, stage.store, stage.desk, &look, &err), MU_E_MEMORY);
        allocations_left = -1;
        assert_null(look);
    }
    look_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_at_first), cmocka_unit_test(test_status),         cmocka_unit_test(test_states),
        cmocka_unit_test(test_foreign_words),   cmocka_unit_test(test_rounds),         cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_devices),         cmocka_unit_test(test_tiers_are_told), cmocka_unit_test(test_page),
        cmocka_unit_test(test_devices_are_counted), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
