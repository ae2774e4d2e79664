/* Invariant units, their thresholds and who leaves them out; and who the straggler is. */
#include "method/test_width.h"

#include "method/width_elements.h"
#include "method/width_invariant.h"
#include "method/width_rules.h"
#include "method/width_straggler.h"

#include <math.h>

/* In small_net the weights are [2][5], [5], [5][4], [4], [4][3], [3]: 10, 5, 20, 4, 12, 3. */
enum { PARAMS = 54, UNITS = 9, A_BIAS = 10, B_WEIGHT = 15, B_BIAS = 35, C_WEIGHT = 39, C_BIAS = 51 };

typedef struct round_state {
    float    sent[PARAMS], change[PARAMS];
    float    thresholds[UNITS], unit_change[UNITS];
    uint16_t restless[2 * PARAMS];
    bool     invariant[UNITS];
} round_state;

/* All weights 2, all thresholds 0.1. */
static round_state quiet_round(void)
{
    round_state r = { .sent = { 0 } };
    for (size_t i = 0; i < PARAMS; i++)
        r.sent[i] = i % 2 ? -2 : 2;
    for (size_t u = 0; u < UNITS; u++)
        r.thresholds[u] = 0.1f;
    return r;
}

static void note(const net *n, round_state *r)
{
    assert_int_equal(n->params, PARAMS);
    mu_invariant_note(n->units, r->sent, r->change, r->thresholds, r->restless, r->unit_change);
}

static const char *invariant_of(const net *n, round_state *r, uint32_t devices)
{
    mu_invariant_units(n->units, r->restless, devices, 0.75, r->invariant);
    return written(n, r->invariant);
}

/* Each weight unsettles the units that it belongs to, and no others. */
static void restless_weights_by_hand(void **state)
{
    (void)state;
    static const struct { size_t element; const char *invariant; } cases[] = {
        { 0, "01111 1111" },            /* input 0 to a0 */
        { 9, "11110 1111" },            /* input 1 to a4 */
        { A_BIAS + 2, "11011 1111" },   { B_WEIGHT + 4 * 1 + 3, "10111 1110" }, /* a1 to b3 */
        { B_BIAS, "11111 0111" },       { C_WEIGHT + 3 * 2 + 1, "11111 1101" }, /* b2 to class 1 */
        { C_BIAS, "11111 1111" },
    };
    net n = small_net();
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        round_state r = quiet_round();
        r.change[cases[i].element] = -0.5f;
        note(&n, &r);
        assert_string_equal(invariant_of(&n, &r, 1), cases[i].invariant);
        for (uint32_t u = 0; u < UNITS; u++)
            assert_true(r.unit_change[u] == (r.invariant[u] ? 0 : 0.25));
    }
    net_release(&n);
}

/* |dw| = th |w| is within the threshold; a weight of 0 says nothing; a unit goes by its own group's threshold. */
static void thresholds_by_hand(void **state)
{
    (void)state;
    net n = small_net();
    round_state r = quiet_round();
    for (size_t u = 0; u < UNITS; u++)
        r.thresholds[u] = u < 5 ? 0.25f : 0.5f;
    r.change[0] = 0.5f;
    r.change[1] = 0.5625f;
    r.change[B_WEIGHT + 4 * 4 + 0] = 0.75f; /* a4 to b0: more than a's threshold, less than b's */
    r.sent[A_BIAS + 2] = 0;
    r.change[A_BIAS + 2] = 1;
    note(&n, &r);
    assert_string_equal(invariant_of(&n, &r, 1), "10110 1111");
    static const float expected[UNITS] = { 0.25, 0.28125, 0, 0, 0.375, 0.375 };
    assert_memory_equal(r.unit_change, expected, sizeof expected);
    assert_string_equal(invariant_of(&n, &r, 0), "00000 0000");
    net_release(&n);
}

/* Three of four devices suffice, weight by weight: what moves on one device each, another weight on another device, leaves the unit invariant,
 * the same weight on two of them does not. Of one device, and of two, all are needed. */
static void three_quarters_of_devices(void **state)
{
    (void)state;
    net n = small_net();
    round_state r = quiet_round();
    for (size_t device = 0; device < 4; device++) {
        memset(r.change, 0, sizeof r.change);
        r.change[device < 2 ? 0 : 5] = 1;                               /* a0: its weights from both inputs, on two devices each */
        r.change[B_WEIGHT + 4 * 1 + device] = 1;                        /* a1: to another unit on each device */
        r.change[C_WEIGHT + 3 * 2 + 1] = device == 3 ? 1 : 0;           /* b2: on one */
        r.change[C_WEIGHT + 3 * 3 + 1] = device == 2 ? 0.5f : 0.125f;   /* b3: little on the others */
        note(&n, &r);
    }
    assert_string_equal(invariant_of(&n, &r, 4), "01111 1111");
    static const float expected[UNITS] = { 0.5, 0.5, 0, 0, 0, 0.5, 0.5, 0.5, 0.5 };
    assert_memory_equal(r.unit_change, expected, sizeof expected);
    r = quiet_round();
    r.change[0] = 1;
    note(&n, &r);
    r.change[0] = 0;
    note(&n, &r);
    assert_string_equal(invariant_of(&n, &r, 2), "01111 1111");
    assert_string_equal(invariant_of(&n, &r, 3), "01111 1111"); /* 2 of 3 are less than 2.25 */
    assert_string_equal(invariant_of(&n, &r, 4), "11111 1111");
    net_release(&n);
}

/* Every weight of an LSTM, a convolution, a residual sum that belongs to a unit unsettles it, and only those: found by changing what a submodel
 * without it lacks. */
static void a_unit_that_alone_moves(void **state)
{
    (void)state;
    static const char sequence[] = "layers:\n"
                                   "  - {embedding: e, channels: 3}\n"
                                   "  - {lstm: l, units: 4, output: last}\n"
                                   "  - {dense: d}\n";
    net nets[] = { net_written(sequence, (mu_shape){ 1, 1, 6 }, 5), net_named("lenet5", (mu_shape){ 28, 28, 1 }, 10),
                   net_named("resnet20", (mu_shape){ 8, 8, 3 }, 10) };
    for (size_t m = 0; m < MU_COUNT(nets); m++) {
        net n = nets[m];
        float *sent = zeroed(mu_model_state_count(n.model), sizeof *sent), *change = zeroed(n.params, sizeof *change);
        float *thresholds = zeroed(n.count, sizeof *thresholds), *unit_change = zeroed(n.count, sizeof *unit_change);
        uint16_t *restless = zeroed(2 * n.params, sizeof *restless);
        bool *invariant = zeroed(n.count, sizeof *invariant);
        uint32_t still = mu_units_group(n.units, n.groups / 2)->first;
        for (size_t i = 0; i < n.params; i++)
            sent[i] = 1;
        for (size_t u = 0; u < n.count; u++)
            thresholds[u] = 0.5f;
        for (mu_unit_rows row = { .units = n.units }; mu_unit_rows_next(&row);)
            for (uint32_t i = 0; i < row.count; i++)
                change[row.first + i] = row.input == still || mu_unit_rows_output(&row, i) == still ? 0 : -1;
        mu_invariant_note(n.units, sent, change, thresholds, restless, unit_change);
        mu_invariant_units(n.units, restless, 1, 0.75, invariant);
        for (uint32_t u = 0; u < n.count; u++) {
            assert_int_equal(invariant[u], u == still);
            assert_true(unit_change[u] == (u == still ? 0 : 1));
        }
        /* it is left out first, and again in the next round */
        uint32_t *counts = zeroed(n.groups, sizeof *counts);
        bool *kept = zeroed(n.count, sizeof *kept);
        mu_random random = mu_random_stream(5, MU_RANDOM_TEST, (uint32_t)m, 0);
        for (size_t g = 0; g < n.groups; g++)
            counts[g] = mu_units_group(n.units, g)->count - 1;
        mu_invariant_keep(n.units, counts, invariant, NULL, &random, kept);
        assert_false(kept[still]);
        mu_invariant_keep(n.units, counts, invariant, kept, &random, kept);
        assert_false(kept[still]);
        for (size_t g = 0; g < n.groups; g++)
            assert_int_equal(kept_of(&n, g, kept), counts[g]);
        free(sent);
        free(change);
        free(thresholds);
        free(unit_change);
        free(restless);
        free(invariant);
        free(counts);
        free(kept);
        net_release(&n);
    }
}

/* ---- thresholds ---- */

/* Set after round 2, averaged after round 3, constant until its rise begins, then never lower; final when it is frozen. */
static void threshold_path(void **state)
{
    (void)state;
    const mu_invariant_calibration c = mu_invariant_cifar;
    double th = c.start, expected = 2.0;
    for (uint32_t round = 1; round < 20; round++) {
        th = mu_invariant_threshold(&c, round, th, round == 2 ? 1.0 : round == 3 ? 3.0 : 77, false);
        if (round == 1)
            assert_true(th == 1.5);
        else if (round == 2)
            assert_true(th == 1.0);
        else {
            expected += round + 1 >= 12 && (round + 1) % 2 == 0 ? 0.2 : 0; /* rounds 12, 14, ... */
            assert_true(fabs(th - expected) < 1e-12);
        }
    }
    assert_true(mu_invariant_threshold(&c, 11, 5, 0, true) == 5);
    assert_true(mu_invariant_threshold(&mu_invariant_femnist, 133, 0.5, 0, false) == 0.5);
    assert_true(mu_invariant_threshold(&mu_invariant_femnist, 134, 0.5, 0, false) == 0.51); /* in force in round 135 */
    assert_true(mu_invariant_threshold(&mu_invariant_shakespeare, 21, 30, 0, false) == 30);
    assert_true(mu_invariant_threshold(&mu_invariant_shakespeare, 22, 30, 0, false) == 31);
}

static void expect_thresholds(const float *thresholds, double a, double b)
{
    for (uint32_t u = 0; u < UNITS; u++)
        assert_true(thresholds[u] == (u < 5 ? a : b));
}

static void calibration_by_hand(void **state)
{
    (void)state;
    net n = small_net();
    static const uint32_t counts[2] = { 3, 3 }; /* 2 and 1 to leave out */
    static const float changes[UNITS] = { 4, 2, 8, 3, 9, 7, 6, 12, 10 };
    static const bool none[UNITS] = { false }, one_each[UNITS] = { [1] = true, [6] = true }, enough[UNITS] = { [1] = true, [3] = true, [6] = true };
    mu_invariant_calibration c = { .start = 1, .raise = 0.5, .raise_from = 5, .raise_every = 1 };
    float thresholds[UNITS];
    bool frozen[2] = { false };
    for (uint32_t u = 0; u < UNITS; u++)
        thresholds[u] = (float)c.start;
    mu_invariant_calibrate(n.units, &c, 1, changes, enough, NULL, thresholds, frozen);
    expect_thresholds(thresholds, 1, 1);
    assert_false(frozen[0] || frozen[1]); /* nobody leaves out anything yet */
    mu_invariant_calibrate(n.units, &c, 2, changes, none, NULL, thresholds, frozen);
    expect_thresholds(thresholds, 2, 6);
    mu_invariant_calibrate(n.units, &c, 3, (float[]){ 5, 5, 5, 5, 4, 1, 2, 3, 4 }, none, counts, thresholds, frozen);
    expect_thresholds(thresholds, 3, 3.5);
    mu_invariant_calibrate(n.units, &c, 4, changes, none, counts, thresholds, frozen);
    expect_thresholds(thresholds, 3.5, 4);
    mu_invariant_calibrate(n.units, &c, 5, changes, one_each, counts, thresholds, frozen);
    expect_thresholds(thresholds, 4, 4);
    assert_true(!frozen[0] && frozen[1]);
    mu_invariant_calibrate(n.units, &c, 6, changes, none, counts, thresholds, frozen); /* once final, always final */
    expect_thresholds(thresholds, 4.5, 4);
    mu_invariant_calibrate(n.units, &c, 7, changes, enough, counts, thresholds, frozen);
    expect_thresholds(thresholds, 4.5, 4);
    assert_true(frozen[0] && frozen[1]);

    c.shared = true;
    frozen[0] = frozen[1] = false;
    mu_invariant_calibrate(n.units, &c, 2, changes, none, NULL, thresholds, frozen);
    expect_thresholds(thresholds, 4, 4);
    mu_invariant_calibrate(n.units, &c, 4, changes, one_each, counts, thresholds, frozen);
    expect_thresholds(thresholds, 4.5, 4.5);
    mu_invariant_calibrate(n.units, &c, 5, changes, enough, counts, thresholds, frozen);
    expect_thresholds(thresholds, 4.5, 4.5);
    assert_true(frozen[0] && frozen[1]);
    net_release(&n);
}

/* ---- which units are left out ---- */

static void units_are_left_out_in_order(void **state)
{
    (void)state;
    net n = small_net();
    mu_random random = mu_random_stream(6, MU_RANDOM_TEST, 0, 0);
    static const bool invariant[UNITS] = { true, true, true, false, false, true, false, false, false };
    static const bool before[UNITS] = { false, true, true, false, true, true, false, true, true };
    bool kept[UNITS];
    mu_invariant_keep(n.units, (uint32_t[]){ 4, 3 }, invariant, before, &random, kept); /* a0 was left out before, and is invariant */
    assert_string_equal(written(&n, kept), "01111 0111");
    mu_invariant_keep(n.units, (uint32_t[]){ 2, 4 }, invariant, before, &random, kept);
    assert_string_equal(written(&n, kept), "00011 1111");
    mu_invariant_keep(n.units, (uint32_t[]){ 5, 4 }, invariant, before, &random, kept); /* size 1: nothing */
    assert_string_equal(written(&n, kept), "11111 1111");

    enum { DRAWS = 9000 };
    uint32_t left_out[UNITS] = { 0 };
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        mu_invariant_keep(n.units, (uint32_t[]){ 3, 2 }, invariant, before, &random, kept);
        for (uint32_t u = 0; u < UNITS; u++)
            left_out[u] += !kept[u];
        assert_int_equal(kept_of(&n, 0, kept), 3);
        assert_int_equal(kept_of(&n, 1, kept), 2);
    }
    assert_int_equal(left_out[0], DRAWS);
    assert_int_equal(left_out[5], DRAWS);
    assert_int_equal(left_out[3] + left_out[4], 0);
    assert_int_equal(left_out[1] + left_out[2], DRAWS);
    assert_true(fabs(left_out[1] - DRAWS / 2.0) < 3.3 * sqrt(DRAWS / 4.0)); /* one of two */
    for (uint32_t u = 6; u < 9; u++)                                        /* one of three */
        assert_true(fabs(left_out[u] - DRAWS / 3.0) < 3.3 * sqrt(DRAWS * 2 / 9.0));
    net_release(&n);
}

/* Merged element by element with numbers of examples: three devices with 10, a straggler with 20 who does not hold unit a1. Its row and columns
 * count 30, all else 50. */
static void elements_are_counted_once(void **state)
{
    (void)state;
    net n = small_net();
    mu_arena arena = mu_arena_measuring();
    mu_submodel *submodel = NULL;
    assert_int_equal(mu_submodel_plan(n.units, &arena, &submodel, NULL), MU_OK);
    size_t size_bytes = arena.used_bytes;
    void *memory = mu_arena_block(size_bytes);
    arena = mu_arena_over(memory, size_bytes);
    assert_int_equal(mu_submodel_plan(n.units, &arena, &submodel, NULL), MU_OK);
    mu_random random = mu_random_stream(6, MU_RANDOM_TEST, 1, 0);
    bool kept[UNITS];
    float count[PARAMS], ones[PARAMS];
    for (size_t i = 0; i < PARAMS; i++) {
        count[i] = 30;
        ones[i] = 1;
    }
    mu_invariant_keep(n.units, (uint32_t[]){ 4, 4 }, (bool[UNITS]){ [1] = true }, NULL, &random, kept);
    assert_int_equal(mu_submodel_form(submodel, kept, NULL), MU_OK);
    mu_submodel_add(submodel, MU_EXTENT_PARAMS, 20, ones, count);
    for (mu_unit_rows row = { .units = n.units }; mu_unit_rows_next(&row);)
        for (uint32_t i = 0; i < row.count; i++)
            assert_true(count[row.first + i] == (row.input == 1 || mu_unit_rows_output(&row, i) == 1 ? 30 : 50));
    mu_arena_block_free(memory);
    net_release(&n);
}

/* ---- stragglers ---- */

static void sizes_by_ratio(void **state)
{
    (void)state;
    static const struct { double ratio, size; } cases[] = { { 2, 0.95 }, { 1, 0.95 }, { 0.9, 0.95 }, { 0.899, 0.85 }, { 0.8, 0.85 },
        { 0.79, 0.75 }, { 0.7, 0.75 }, { 0.69, 0.65 }, { 0.6, 0.65 }, { 0.59, 0.5 }, { 0, 0.5 }, { 0.625, 0.65 } };
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_true(mu_straggler_size(cases[i].ratio) == cases[i].size);
}

/* Four devices at 1.0, device 4 at 1.6; then device 2 slows down to 2.5. */
static void a_straggler_is_found_and_replaced(void **state)
{
    (void)state;
    double speed_s[5] = { 1, 1, 1, 1, 1.6 };
    mu_straggler s = { .found = false };
    for (uint32_t round = 1; round <= 12; round++) {
        mu_device_time times[5];
        double longest_s = 0;
        if (round == 6)
            speed_s[2] = 2.5;
        for (uint32_t d = 0; d < 5; d++) {
            times[d] = (mu_device_time){ .device = d, .time_s = speed_s[d] * (s.found && s.device == d ? s.size : 1) };
            longest_s = fmax(longest_s, times[d].time_s);
        }
        s = mu_straggler_after(s, round, MU_STRAGGLER_OVERHEAD, times, 5);
        if (round == 1)
            assert_false(s.found);
        else if (round < 6) { /* 1 / 1.6 = 0.625 */
            assert_true(s.found && !s.changed && s.device == 4 && s.size == 0.65 && s.full_s == 1.6);
            assert_true(round == 2 || longest_s == 1.6 * 0.65);
        } else { /* 1.04 / 0.65 * 1.15 = 1.84 in place of 2.5: 0.736 */
            assert_true(s.found && s.changed == (round == 6) && s.device == 2 && s.size == 0.75 && s.full_s == 2.5);
            assert_true(round == 6 || longest_s == 2.5 * 0.75);
        }
    }
}

static void stragglers_by_hand(void **state)
{
    (void)state;
    const mu_straggler five = { .found = true, .device = 5, .size = 0.5, .full_s = 10 };
    /* the slowest is slower than he is, but not than he would be */
    mu_straggler s = mu_straggler_after(five, 9, 1, (mu_device_time[]){ { 5, 4 }, { 6, 7 }, { 7, 3 } }, 3);
    assert_true(s.device == 5 && s.size == 0.5 && s.full_s == 8 && !s.changed);
    s = mu_straggler_after(five, 9, 1, (mu_device_time[]){ { 5, 4 }, { 6, 9 }, { 7, 3 } }, 3);
    assert_true(s.device == 6 && s.size == 0.85 && s.full_s == 9 && s.changed); /* 8 / 9 */
    mu_straggler after = mu_straggler_after(s, 10, 1, (mu_device_time[]){ { 5, 50 }, { 6, 9 } }, 2);
    assert_true(after.device == 6 && !after.changed); /* not right after a change */
    after = mu_straggler_after(after, 11, 1, (mu_device_time[]){ { 5, 50 }, { 6, 8.5 } }, 2);
    assert_true(after.device == 5 && after.size == 0.5 && after.changed);
    /* he is not there: his last estimate counts */
    s = mu_straggler_after(five, 9, 1, (mu_device_time[]){ { 1, 9 }, { 2, 3 } }, 2);
    assert_true(s.device == 5 && s.full_s == 10);
    s = mu_straggler_after(five, 9, 1, (mu_device_time[]){ { 1, 16 }, { 2, 3 } }, 2);
    assert_true(s.device == 1 && s.size == 0.65 && s.changed);
    /* equally slow: the lower number; nothing to compare with; no time at all */
    s = mu_straggler_after((mu_straggler){ .found = false }, 2, 1, (mu_device_time[]){ { 3, 1 }, { 2, 2 }, { 1, 2 } }, 3);
    assert_true(s.device == 1 && s.size == 0.95);
    s = mu_straggler_after((mu_straggler){ .found = false }, 2, 1, (mu_device_time[]){ { 3, 1 } }, 1);
    assert_false(s.found);
    s = mu_straggler_after((mu_straggler){ .found = false }, 2, 1, (mu_device_time[]){ { 3, 0 }, { 4, 0 } }, 2);
    assert_true(s.found && s.size == 0.95);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restless_weights_by_hand),
        cmocka_unit_test(thresholds_by_hand),
        cmocka_unit_test(three_quarters_of_devices),
        cmocka_unit_test(a_unit_that_alone_moves),
        cmocka_unit_test(threshold_path),
        cmocka_unit_test(calibration_by_hand),
        cmocka_unit_test(units_are_left_out_in_order),
        cmocka_unit_test(elements_are_counted_once),
        cmocka_unit_test(sizes_by_ratio),
        cmocka_unit_test(a_straggler_is_found_and_replaced),
        cmocka_unit_test(stragglers_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
