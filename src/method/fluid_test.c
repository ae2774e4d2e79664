/* FLuID in rounds worked out by hand: who leaves out how many units, which ones, what that does to the mean, and that a resumed run goes on with all of it. */
#include "fl/experiment_support.h"
#include "method/test_federation.h"
#include "method/width_elements.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Two groups of 20 units. Five devices, all of them in every round. */
#define FEDERATION                                                                                                                          \
    "model: {layers: [{average_pool: pool, size: 28}, flatten, {dense: a, units: 20}, relu, {dense: b, units: 20}, {dense: fc}]}\n"    \
    "data: {name: writers, devices: 5}\nrecipe: fluid\n"
#define ALL "when: {cohort: 5}\n"
enum { DEVICES = 5, UNITS = 20 };

/* What was sent, and how long it takes: in proportion to the width. */
typedef struct watcher {
    double   full_s[DEVICES];
    uint32_t slower_from; /* the round from which on device 2 takes 2.5 s; 0: never */
    uint32_t still;       /* nobody changes the weights of so many units of each group, from number 5 on */
    const double (*relative)[2]; /* by version from 1 on: how much, of their size, the weights of all units but those numbered 5 change, and theirs */
    bool     kept[TEST_ROUNDS_MAX][DEVICES][2 * UNITS]; /* by version */
} watcher;

static uint32_t count_kept(const bool *kept)
{
    uint32_t count = 0;
    for (uint32_t u = 0; u < UNITS; u++)
        count += kept[u];
    return count;
}

static bool is_still(const watcher *w, uint32_t unit)
{
    return unit % UNITS >= 5 && unit % UNITS < 5 + w->still;
}

static void sending(test_federation *t, const mu_task *task)
{
    watcher *w = t->context;
    bool *kept = w->kept[task->plan.version][task->device];
    if (w->slower_from && task->plan.version + 1 >= w->slower_from)
        w->full_s[2] = 2.5;
    for (uint32_t u = 0; u < 2 * UNITS; u++)
        kept[u] = !task->plan.kept || task->plan.kept[u];
    assert_int_equal(count_kept(kept), count_kept(kept + UNITS));
    t->devices[task->device].takes_s = w->full_s[task->device] * count_kept(kept) / UNITS;
}

static void arriving(test_federation *t, const mu_task *task, mu_update *update)
{
    const watcher *w = t->context;
    uint32_t version = task->plan.version;
    const bool *kept = w->kept[version][task->device];
    const float *state = mu_federation_state(t->federation);
    (void)update;
    for (mu_unit_rows row = { .units = mu_experiment_config(t->experiment)->units }; mu_unit_rows_next(&row);)
        for (uint32_t i = 0; i < row.count; i++) {
            uint32_t of[2] = { row.input, mu_unit_rows_output(&row, i) };
            float *delta = &t->delivered[row.first + i];
            if (w->relative && version > 0)
                *delta = (float)w->relative[version][of[0] % UNITS == 5 || of[1] % UNITS == 5] * state[row.first + i];
            for (int side = 0; side < 2; side++)
                if (of[side] != MU_UNIT_NONE && (!kept[of[side]] || is_still(w, of[side])))
                    *delta = 0;
        }
}

static test_federation *watched(const char *more, watcher *w, const char *checkpoint_path, bool resume)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, FEDERATION "%s", more);
    test_federation *t = test_federation_create_at(yaml, checkpoint_path, resume);
    t->sending = sending;
    t->arriving = arriving;
    t->context = w;
    return t;
}

static const watcher four_and_a_slow_one = { .full_s = { 1, 1, 1, 1, 1.6 } };

/* Four devices take 1 s, device 4 takes 1.6: 1 / 1.6 = 0.625, so from round 3 on he has 0.65 of the width, and a round takes 1.04 s. From
 * round 6 on device 2 takes 2.5 s, and device 4 is estimated to take 1.04 / 0.65 * 1.15 = 1.84, so from round 7 on it has 0.75 of the width. */
static void the_slowest_device_gets_a_part(void **unused)
{
    (void)unused;
    static watcher w;
    w = four_and_a_slow_one;
    w.slower_from = 6;
    test_federation *t = watched(ALL "rounds: 9\n", &w, NULL, false);
    test_federation_run(t);
    for (uint32_t round = 1; round <= 9; round++) {
        uint32_t part = round < 3 ? DEVICES : round < 7 ? 4 : 2;
        for (uint32_t d = 0; d < DEVICES; d++)
            assert_int_equal(count_kept(w.kept[round - 1][d]), d != part ? 20 : d == 4 ? 13 : 15);
        double expected_s = round < 3 ? 1.6 : round < 6 ? 1.04 : round == 6 ? 2.5 : 2.5 * 0.75;
        assert_float_equal(mu_time_to_s(t->rounds[round].time - t->rounds[round - 1].time), expected_s, 1e-6);
    }
    test_federation_destroy(t);
}

/* A round of three: device 4 is found in the second, by the times of whoever is there. */
static void rounds_may_be_of_some_devices(void **unused)
{
    (void)unused;
    static watcher w;
    w = four_and_a_slow_one;
    test_federation *t = watched("rounds: 30\nwhen: {cohort: 3}\n", &w, NULL, false);
    test_federation_run(t);
    uint32_t parts = 0;
    for (uint32_t i = 0; i < 30; i++)
        for (uint32_t d = 0; d < DEVICES; d++) {
            uint32_t count = count_kept(w.kept[i][d]);
            parts += count > 0 && count < UNITS;
            assert_true(count == 0 || count == UNITS || i >= 2);
        }
    assert_true(parts > 5);
    for (uint32_t d = 0; d < DEVICES; d++) /* in the end it is him alone */
        for (uint32_t i = 20; i < 30; i++)
            assert_true(d == 4 || count_kept(w.kept[i][d]) % UNITS == 0);
    test_federation_destroy(t);
}

/* One of 20 units is left out. Of those that nobody changes it is one, and then the same in every round. Where no unit is still, they all change
 * alike, and the one that was left out first goes on. In the other ways it is any, or the last. */
static void still_units_are_left_out_first_and_again(void **unused)
{
    (void)unused;
    static const struct { const char *more; uint32_t still; bool always_still, always_the_same; } cases[] = {
        { ALL "rounds: 12\n", 1, true, true }, { ALL "rounds: 12\n", 4, true, true }, { ALL "rounds: 12\n", 0, false, true },
        { ALL "rounds: 12\nwhat: {drop: random}\n", 4, false, false }, { ALL "rounds: 12\nwhat: {drop: ordered}\n", 4, false, true },
    };
    for (size_t c = 0; c < MU_COUNT(cases); c++) {
        static watcher w;
        w = (watcher){ .full_s = { 1, 1, 1, 1, 1.05 }, .still = cases[c].still };
        test_federation *t = watched(cases[c].more, &w, NULL, false);
        test_federation_run(t);
        uint32_t still = 0, the_same = 0;
        for (uint32_t version = 2; version < 12; version++) {
            const bool *kept = w.kept[version][4];
            assert_int_equal(count_kept(kept), 19);
            for (uint32_t u = 0; u < 2 * UNITS; u++)
                still += !kept[u] && is_still(&w, u);
            the_same += memcmp(kept, w.kept[2][4], sizeof w.kept[2][4]) == 0;
        }
        assert_int_equal(still == 2 * 10, cases[c].always_still);
        assert_int_equal(the_same == 10, cases[c].always_the_same);
        if (strstr(cases[c].more, "ordered"))
            assert_true(!w.kept[2][4][UNITS - 1] && !w.kept[2][4][2 * UNITS - 1]);
        test_federation_destroy(t);
    }
}

/* Three of 20 units are to be left out. In round 2 every unit has a weight that changes by 2 of its size: that is the threshold. In round 3 the units
 * numbered 5 change by 0.5, all others by 3, so one is invariant, which is not enough, and the threshold is (2 + 0.5) / 2. In round 4 all
 * change by 1.6, so none is invariant, and any are left out; in round 5 by 1.2, so all are, and the same are left out from there on. */
static void a_threshold_is_of_its_own_round(void **unused)
{
    (void)unused;
    static const double relative[7][2] = { [1] = { 1, 2 }, { 3, 0.5 }, { 1.6, 1.6 }, { 1.2, 1.2 }, { 1.2, 1.2 }, { 1.2, 1.2 } };
    static watcher w;
    w = (watcher){ .full_s = { 1, 1, 1, 1, 1.2 }, .relative = relative };
    test_federation *t = watched(ALL "rounds: 7\n", &w, NULL, false);
    for (int d = 0; d < DEVICES; d++)
        t->devices[d].adds = 1;
    test_federation_run(t);
    for (uint32_t version = 2; version < 7; version++)
        assert_int_equal(count_kept(w.kept[version][4]), 17);
    assert_true(!w.kept[3][4][5] && !w.kept[3][4][UNITS + 5]);
    for (uint32_t version = 4; version < 7; version++)
        assert_int_equal(memcmp(w.kept[version][4], w.kept[version - 1][4], sizeof w.kept[0][0]) == 0, version > 4);
    test_federation_destroy(t);
}

/* Four devices with 10 examples add 1, the straggler with 20 adds 4. In rounds 1 and 2 the mean is 2; in round 3 it is 1 where an element belongs to one of
 * the last seven units of a layer. */
static void the_mean_is_over_those_who_have_the_unit(void **unused)
{
    (void)unused;
    static watcher w;
    w = four_and_a_slow_one;
    test_federation *t = watched(ALL "rounds: 3\nwhat: {drop: ordered}\n", &w, NULL, false);
    for (int d = 0; d < DEVICES; d++) {
        t->devices[d].adds = d == 4 ? 4 : 1;
        t->devices[d].num_examples = d == 4 ? 20 : 10;
    }
    test_federation_run(t);
    const float *state = mu_federation_state(t->federation);
    const mu_units *units = mu_experiment_config(t->experiment)->units;
    uint32_t ones = 0;
    for (mu_unit_rows row = { .units = units }; mu_unit_rows_next(&row);)
        for (uint32_t i = 0; i < row.count; i++) {
            uint32_t output = mu_unit_rows_output(&row, i);
            bool one = (row.input != MU_UNIT_NONE && row.input % UNITS >= 13) || (output != MU_UNIT_NONE && output % UNITS >= 13);
            ones += one;
            assert_float_equal(state[row.first + i], one ? 5 : 6, 1e-5);
        }
    assert_int_equal(ones, (7 + 7) + (400 - 13 * 13) + 7 + 7 * 10);
    test_federation_destroy(t);
}

static void without_a_straggler_it_is_elementwise(void **unused)
{
    (void)unused;
    static const char *const cases[] = { ALL "rounds: 2\n", "rounds: 5\nwhen: {cohort: 1}\n" }; /* too early; nobody to be compared with */
    for (size_t c = 0; c < MU_COUNT(cases); c++) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, FEDERATION "%s", cases[c]);
        test_federation *fluid = test_federation_create(yaml);
        snprintf(yaml, sizeof yaml, FEDERATION "%swhat: {method: fedavg}\nmerge: {method: elementwise}\n", cases[c]);
        test_federation *plain = test_federation_create(yaml);
        test_federation_run(fluid);
        test_federation_run(plain);
        assert_memory_equal(mu_federation_state(fluid->federation), mu_federation_state(plain->federation), plain->state_count * sizeof(float));
        test_federation_destroy(plain);
        test_federation_destroy(fluid);
    }
}

/* Stopped after each of the rounds in which something is being found out. */
static void resume_goes_on_with_the_same_units(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        ALL "rounds: 9\nwhat: {calibration: custom, start: 0.3, raise: 0.05, raise_from: 4, raise_every: 1}\n",
        "rounds: 9\nwhat: {drop: random}\nwhen: {cohort: 4, deadline_s: 1.3, late: accept, late_versions_max: 2}\n",
    };
    char path[] = "/tmp/muster-checkpoint-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t c = 0; c < MU_COUNT(cases); c++) {
        static watcher undisturbed, stopped;
        undisturbed = four_and_a_slow_one;
        undisturbed.slower_from = 6;
        test_federation *whole = watched(cases[c], &undisturbed, NULL, false);
        test_federation_run(whole);
        for (uint32_t stop = 1; stop <= 7; stop++) {
            stopped = four_and_a_slow_one;
            stopped.slower_from = 6;
            test_federation *first = watched(cases[c], &stopped, path, false);
            first->stop_after_round = stop;
            assert_int_equal(mu_federation_run(first->federation, NULL), MU_E_INTERRUPTED);
            test_federation *second = watched(cases[c], &stopped, path, true);
            test_federation_run(second);
            assert_memory_equal(stopped.kept, undisturbed.kept, sizeof stopped.kept);
            assert_memory_equal(mu_federation_state(second->federation), mu_federation_state(whole->federation), whole->state_count * sizeof(float));
            test_federation_destroy(second);
            test_federation_destroy(first);
        }
        test_federation_destroy(whole);
    }
    unlink(path);
}

static void refused_without_its_other_half(void **unused)
{
    (void)unused;
    mu_error err = { 0 };
    assert_int_equal(test_federation_try("what: {method: fluid}\n", &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "fluid has to answer both 'what' and 'merge', not 'fluid' and 'fedavg'"));
    assert_int_equal(test_federation_try("merge: {method: fluid}\n", &err), MU_E_CONFIG);
    /* 36 units in a row, of one weight each and nothing else: 36 * 10 + 36 bytes, and the weights are 45 * 4 */
    char yaml[4096] = "recipe: fluid\nmodel: {layers: [{average_pool: pool, size: 28}, flatten";
    for (int i = 0; i < 36; i++)
        snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml), ", {dense: d%d, units: 1, bias: false}", i);
    strcat(yaml, ", {dense: fc, bias: false}]}\n");
    assert_int_equal(test_federation_try(yaml, &err), MU_E_LIMIT);
    assert_non_null(strstr(err.message, "fluid keeps 396 bytes about the 36 units of '"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_device_gets_a_part),
        cmocka_unit_test(rounds_may_be_of_some_devices),
        cmocka_unit_test(still_units_are_left_out_first_and_again),
        cmocka_unit_test(a_threshold_is_of_its_own_round),
        cmocka_unit_test(the_mean_is_over_those_who_have_the_unit),
        cmocka_unit_test(without_a_straggler_it_is_elementwise),
        cmocka_unit_test(resume_goes_on_with_the_same_units),
        cmocka_unit_test(refused_without_its_other_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
