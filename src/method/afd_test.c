/* AFD in rounds worked out by hand: when the choice stays and when another one is drawn, who is rewarded, and that a resumed run goes on with all of it. */
#include "fl/experiment_support.h"
#include "method/test_federation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Two groups of 20 units; the weak half of the devices and the strong one. */
#define FEDERATION                                                                                                                          \
    "model: {layers: [{average_pool: pool, size: 28}, flatten, {dense: a, units: 20}, relu, {dense: b, units: 20}, {dense: fc}]}\n"    \
    "data: {name: writers, devices: 4}\nrecipe: afd\nwhen: {cohort: 4}\nfleet: {mix: {phone-low: 0.5, workstation: 0.5}}\n"
enum { DEVICES = 4, UNITS = 40 };

typedef struct watcher {
    double loss[TEST_ROUNDS_MAX];                   /* that the devices report in the mean, by version */
    bool   kept[TEST_ROUNDS_MAX][DEVICES][UNITS]; /* what was sent */
} watcher;

static void sending(test_federation *t, const mu_task *task)
{
    watcher *w = t->context;
    uint32_t version = task->plan.version;
    for (uint32_t u = 0; u < UNITS; u++)
        w->kept[version][task->device][u] = !task->plan.kept || task->plan.kept[u];
    t->devices[task->device].loss = w->loss[version] + (task->device % 2 ? 0.25 : -0.25);
}

static test_federation *watched(const char *more, watcher *w, const char *checkpoint_path, bool resume)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, FEDERATION "%s", more);
    test_federation *t = test_federation_create_at(yaml, checkpoint_path, resume);
    t->sending = sending;
    t->context = w;
    return t;
}

static uint32_t count_kept(const bool *kept)
{
    uint32_t count = 0;
    for (uint32_t u = 0; u < UNITS; u++)
        count += kept[u];
    return count;
}

static bool all_the_same(const watcher *w, uint32_t version, uint32_t before)
{
    return memcmp(w->kept[version], w->kept[before], sizeof w->kept[0]) == 0;
}

/* After versions 0 to 6 have been trained on; those with a lower loss than before are 1, 2, 4 and 6. */
static const watcher seven_losses = { .loss = { 4, 3, 1.5, 2, 1, 1, 0.5, 0.75, 0.5, 0.25 } };

static void the_choice_stays_while_the_loss_falls(void **unused)
{
    (void)unused;
    static watcher w;
    w = seven_losses;
    test_federation *t = watched("rounds: 8\nwhat: {widths: [0.5], base: 1}\n", &w, NULL, false);
    test_federation_run(t);
    static const bool stays[8] = { [2] = true, [3] = true, [5] = true, [7] = true };
    for (uint32_t version = 0; version < 8; version++) {
        assert_int_equal(count_kept(w.kept[version][0]), 20);
        for (uint32_t d = 1; d < DEVICES; d++) /* one choice for all */
            assert_memory_equal(w.kept[version][d], w.kept[version][0], sizeof w.kept[0][0]);
        if (version)
            assert_int_equal(all_the_same(&w, version, version - 1), stays[version]);
    }
    test_federation_destroy(t);
}

/* With base 0 units that were rewarded come before all others: of devices of one width it is the first that were ever rewarded, for good. */
static void rewarded_units_come_again(void **unused)
{
    (void)unused;
    static watcher w;
    w = seven_losses;
    test_federation *t = watched("rounds: 8\nwhat: {widths: [0.5], base: 0}\n", &w, NULL, false);
    test_federation_run(t);
    assert_false(all_the_same(&w, 1, 0));
    for (uint32_t version = 2; version < 8; version++)
        assert_true(all_the_same(&w, version, 1));
    test_federation_destroy(t);
}

/* Weak devices have 1/4 of the width, strong ones 3/4, and the narrow choice lies within the wide one. With base 0 the wide one stays from its first
 * reward on. */
static void devices_of_several_widths_share_a_choice(void **unused)
{
    (void)unused;
    static watcher w;
    w = seven_losses;
    test_federation *t = watched("rounds: 8\nwhat: {widths: [0.25, 0.75], base: 0}\n", &w, NULL, false);
    const mu_fleet *fleet = mu_experiment_fleet(t->experiment);
    test_federation_run(t);
    for (uint32_t version = 1; version < 8; version++) {
        uint32_t of_width[2] = { DEVICES, DEVICES }; /* a device */
        for (uint32_t d = 0; d < DEVICES; d++) {
            bool strong = mu_fleet_tier_of(fleet, d) != 0;
            assert_int_equal(count_kept(w.kept[version][d]), strong ? 30 : 10);
            if (of_width[strong] < DEVICES)
                assert_memory_equal(w.kept[version][d], w.kept[version][of_width[strong]], sizeof w.kept[0][0]);
            of_width[strong] = d;
        }
        for (uint32_t u = 0; u < UNITS; u++)
            assert_true(w.kept[version][of_width[1]][u] || !w.kept[version][of_width[0]][u]);
        assert_memory_equal(w.kept[version][of_width[1]], w.kept[1][of_width[1]], sizeof w.kept[0][0]);
    }
    test_federation_destroy(t);
}

static void with_the_whole_width_it_is_elementwise(void **unused)
{
    (void)unused;
    test_federation *afd = test_federation_create(FEDERATION "rounds: 3\nwhat: {widths: [1]}\n");
    test_federation *plain = test_federation_create(FEDERATION "rounds: 3\nwhat: {method: fedavg}\nmerge: {method: elementwise}\n");
    test_federation_run(afd);
    test_federation_run(plain);
    assert_memory_equal(mu_federation_state(afd->federation), mu_federation_state(plain->federation), plain->state_count * sizeof(float));
    test_federation_destroy(plain);
    test_federation_destroy(afd);
}

static void resume_goes_on_with_the_same_choice(void **unused)
{
    (void)unused;
    const char *more = "rounds: 10\nwhat: {widths: [0.25, 0.75]}\n";
    char path[] = "/tmp/muster-checkpoint-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    static watcher undisturbed, stopped;
    undisturbed = seven_losses;
    test_federation *whole = watched(more, &undisturbed, NULL, false);
    test_federation_run(whole);
    for (uint32_t stop = 1; stop <= 8; stop++) {
        stopped = seven_losses;
        test_federation *first = watched(more, &stopped, path, false);
        first->stop_after_round = stop;
        assert_int_equal(mu_federation_run(first->federation, NULL), MU_E_INTERRUPTED);
        test_federation *second = watched(more, &stopped, path, true);
        test_federation_run(second);
        assert_memory_equal(stopped.kept, undisturbed.kept, sizeof stopped.kept);
        assert_memory_equal(mu_federation_state(second->federation), mu_federation_state(whole->federation), whole->state_count * sizeof(float));
        test_federation_destroy(second);
        test_federation_destroy(first);
    }
    test_federation_destroy(whole);
    unlink(path);
}

static void refused_without_its_other_half(void **unused)
{
    (void)unused;
    mu_error err = { 0 };
    assert_int_equal(test_federation_try("what: {method: afd}\n", &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "afd has to answer both 'what' and 'merge', not 'afd' and 'fedavg'"));
    assert_int_equal(test_federation_try("merge: {method: afd}\n", &err), MU_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_choice_stays_while_the_loss_falls),
        cmocka_unit_test(rewarded_units_come_again),
        cmocka_unit_test(devices_of_several_widths_share_a_choice),
        cmocka_unit_test(with_the_whole_width_it_is_elementwise),
        cmocka_unit_test(resume_goes_on_with_the_same_choice),
        cmocka_unit_test(refused_without_its_other_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
