/* Many look while the federation goes on, the network is attached and taken away, and a device tells of itself. What the thread sanitizer is for; and that no figure is
 * seen by halves. */
#include "net/look_support.h"

#include <cJSON.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { READERS = 3, ROUNDS = 600, TEXTS = 50 };

/* In the place of the network's own, which is not linked in. */
static int stands_in;
mu_http_counts mu_http_count(mu_http *http)
{
    (void)http;
    return (mu_http_counts){ .requests = 1 };
}
size_t mu_http_problems(mu_http *http, mu_http_problem *out, size_t most)
{
    (void)http, (void)out, (void)most;
    return 0;
}

typedef struct readers {
    look_stage  stage;
    atomic_bool stop;
    atomic_uint texts, torn;
} readers;

static double number_in(const cJSON *root, const char *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, object), key)->valuedouble;
}

/* Each task that is sent is lost next: at any moment there is one more of the former, or as many. */
static bool is_whole(const char *text)
{
    cJSON *root = cJSON_Parse(text);
    double under_way = root ? number_in(root, "tasks", "sent") - number_in(root, "updates", "lost") : -1;
    cJSON_Delete(root);
    return under_way == 0 || under_way == 1;
}

static void *read_all(void *self)
{
    readers *r = self;
    static const char *const paths[] = { "/status.json", "/metrics", "/rounds.json?from=100", "/devices.json", "/live.js" };
    for (unsigned i = 0; !atomic_load(&r->stop); i++) {
        char *text = look_stage_text(&r->stage, paths[i % MU_COUNT(paths)]);
        if (i % MU_COUNT(paths) == 0 && !is_whole(text))
            atomic_fetch_add(&r->torn, 1);
        free(text);
        atomic_fetch_add(&r->texts, 1);
    }
    return NULL;
}

static void many_look(void **state)
{
    (void)state;
    readers r = { 0 };
    pthread_t threads[READERS];
    look_stage_open(&r.stage, "threads", 6);
    look_stage_enrol(&r.stage, 2, "a device");
    mu_fleet *fleet = mu_experiment_told_fleet(r.stage.experiment);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &r), 0);
    uint32_t round = 0;
    for (; round <= ROUNDS || atomic_load(&r.texts) < TEXTS; round++) {
        mu_look_attach(r.stage.look, round % 2 ? (mu_http *)(void *)&stands_in : NULL);
        assert_int_equal(mu_fleet_tell(fleet, 2, &(mu_profile){ .name = round % 2 ? "phone-low" : "workstation" }, NULL), MU_OK);
        look_stage_event(&r.stage, MU_HAPPENED_SENT, 2, round, NULL);
        look_stage_event(&r.stage, MU_HAPPENED_LOST, 2, round, "gone");
        look_stage_round(&r.stage, round);
    }
    mu_look_finished(r.stage.look, "finished");
    atomic_store(&r.stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&r.torn), 0);
    char *text = look_stage_text(&r.stage, "/status.json");
    cJSON *status = cJSON_Parse(text);
    assert_true(number_in(status, "updates", "lost") == round);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, "state")), "finished");
    cJSON_Delete(status);
    free(text);
    look_stage_close(&r.stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(many_look) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
