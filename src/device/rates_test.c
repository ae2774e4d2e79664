/* Rates by kind of work: what they make of a step, how a class has them, what they price, and that they are found again from times that they explain. */
#include "device/calibrate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mu_model *model_of(const char *layers, mu_shape input, uint32_t classes)
{
    char text[512];
    mu_conf *conf;
    mu_model *model;
    mu_error err = { 0 };
    snprintf(text, sizeof text, "layers: [%s]", layers);
    if (mu_conf_parse("test.yaml", text, strlen(text), &conf, &err) || mu_model_create_layers(mu_conf_root(conf), input, classes, &model, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return model;
}

/* A batch of 5 through 20 inputs, 30 units, 10 classes, in vectors of 8. */
static void test_counted_by_hand(void **state)
{
    (void)state;
    mu_model *model = model_of("{dense: a, units: 30}, relu, {dense: b}", (mu_shape){ 1, 1, 20 }, 10);
    mu_step_work work = mu_model_work(model, 5, 8, 1 << 18, 1 << 20);
    assert_int_equal(work.of[MU_WORK_STEPS], 1);
    assert_int_equal(work.of[MU_WORK_LAYERS], 2); /* the ReLU is done by the first */
    /* the first: forward and its weights' gradient, 30 as 32; the second: 10 as 16, and its input's gradient, 30 as 32 */
    assert_int_equal(work.of[MU_WORK_DENSE], 2 * 5 * 20 * 32 + 2 * 5 * 30 * 16 + 5 * 10 * 32);
    assert_int_equal(work.of[MU_WORK_WEIGHTS], 20 * 30 + 30 + 30 * 10 + 10);
    assert_int_equal(work.of[MU_WORK_LOSS], 5 * 10);
    assert_int_equal(work.of[MU_WORK_MOVED], 2 * 100 + 3 * 150 + 3 * 150 + 3 * 50);
    assert_int_equal(work.of[MU_WORK_PREDICTIONS], 5);
    assert_int_equal(work.of[MU_WORK_NEAR] + work.of[MU_WORK_NEAR_WEIGHTS] + work.of[MU_WORK_FAR] + work.of[MU_WORK_FAR_WEIGHTS], 0); /* all stays */
    mu_model_destroy(model);
}

/* The same network, floats between one use and the next, by hand: 100 of input, then 150 and 50; weights 630 and 310. */
static void test_traffic_by_hand(void **state)
{
    (void)state;
    mu_model *model = model_of("{dense: a, units: 30}, relu, {dense: b}", (mu_shape){ 1, 1, 20 }, 10);
    const mu_step_work none = mu_model_work(model, 5, 8, 0, 1 << 30); /* what is used leaves a cache of nothing */
    const uint64_t forward = 100 + 150 + 150 + 50, back = 100 + 150 + 150 /* the ReLU's output */ + 150 + 50 + 50 + 150;
    assert_int_equal(none.of[MU_WORK_NEAR], forward + back);
    assert_int_equal(none.of[MU_WORK_NEAR_WEIGHTS], 5 * (630 + 310)); /* forward, back, its gradient, and both in the update */
    assert_int_equal(none.of[MU_WORK_FAR] + none.of[MU_WORK_FAR_WEIGHTS], 0);
    /* Of a cache of 1000 floats half is ours. Before `a` is used again forward: both weights in the update, those of b's gradient, the input. */
    const double gone = (940 + 310 + 100) / 1000.0 - 0.5;
    assert_true(gone > 0.8 && gone < 1);
    const mu_step_work some = mu_model_work(model, 5, 8, 1 << 30, 1000 * sizeof(float));
    assert_true(some.of[MU_WORK_FAR_WEIGHTS] > (uint64_t)(630 * gone) && some.of[MU_WORK_FAR_WEIGHTS] < none.of[MU_WORK_NEAR_WEIGHTS]);
    /* The input of a: in backward after all weights, b's gradient, all outputs; forward it comes after nothing but itself. */
    assert_true(some.of[MU_WORK_FAR] > 0 && some.of[MU_WORK_FAR] < none.of[MU_WORK_NEAR] / 2);
    mu_model_destroy(model);
}

static void test_convolutions_by_hand(void **state)
{
    (void)state;
    /* 12 channels into 20 on 8x8 pixels: four tiles of Winograd's; too few for the weights' gradient, which goes by direct sums */
    mu_model *model = model_of("{conv: a, channels: 12, kernel: 1}, {conv: b, channels: 20, padding: 1}, {depthwise_conv: c, kernel: 1}, flatten, {dense: d}",
                               (mu_shape){ 8, 8, 3 }, 10);
    mu_step_work work = mu_model_work(model, 2, 16, 1 << 30, 1 << 30);
    assert_int_equal(work.of[MU_WORK_WINOGRAD], 36 * 2 * 4 * (12 * 32 + 20 * 16));
    assert_int_equal(work.of[MU_WORK_WINOGRAD_FLOATS], 2 * 36 * 2 * 4 * (16 + 32));
    const uint64_t taps = 22 * 22; /* of 3x3 windows inside of 8x8 pixels */
    assert_int_equal(work.of[MU_WORK_CONV], 2 * 2 * 64 * 3 * 16 + 2 * taps * 12 * 32);
    assert_int_equal(work.of[MU_WORK_CONV_READS], 2 * 2 * 64 * 3 + 2 * taps * 12);
    assert_int_equal(work.of[MU_WORK_DEPTHWISE], 3 * 2 * 64 * 32);
    assert_int_equal(work.of[MU_WORK_DEPTHWISE_ROWS], 3 * 2 * 8 * 2);
    assert_int_equal(work.of[MU_WORK_WINOGRAD_WEIGHTS], 36 * (12 * 32 + 20 * 16)); /* few enough to be made once */
    mu_model_destroy(model);
}

static void test_names_and_rows_agree(void **state)
{
    (void)state;
    size_t count;
    const mu_option *rows = mu_rates_options(&count);
    for (int kind = 0; kind < MU_WORK_KIND_COUNT; kind++) {
        char name[64];
        snprintf(name, sizeof name, "%s_per_s", mu_work_kind_name((mu_work_kind)kind));
        assert_string_equal(rows[kind].name, name);
        assert_int_equal(rows[kind].offset, offsetof(mu_rates, per_s) + (size_t)kind * sizeof(double));
    }
}

#define CLASS "macs_per_s: 1e9, memory: 1GiB, download_bit_per_s: 8e6, upload_bit_per_s: 4e6"
static const char fleet_text[] =
    "fleet: {classes: {a: {" CLASS ", rates: {steps_per_s: 4, dense_macs_per_s: 1000, lanes: 8}}, "
    "slow: {extend: a, macs_per_s: 5e8}, plain: {" CLASS "}}, mix: {a: 1, slow: 1, plain: 1}}";

static mu_fleet *fleet_of(const char *text)
{
    mu_conf *conf = NULL;
    mu_fleet *fleet = NULL;
    mu_error err = { 0 };
    if (mu_conf_parse("test.yaml", text, strlen(text), &conf, &err) || mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), 3, 7, &fleet, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return fleet;
}

static void check_fleet(const mu_fleet *fleet)
{
    mu_model *model = model_of("{dense: b}", (mu_shape){ 1, 1, 20 }, 8);
    const double step_s = 0.25 + 2 * 5 * 20 * 8 / 1000.0;
    const mu_work work = { .macs = { 4000000000 }, .rated_s = 10 * step_s }, unrated = { .macs = { 4000000000 } };
    for (uint32_t i = 0; i < mu_fleet_class_count(fleet); i++) {
        const mu_profile *class = mu_fleet_class(fleet, i);
        const double s = mu_price_work(class, &work).compute_s;
        if (strcmp(class->name, "plain") == 0) {
            assert_null(class->rates);
            assert_true(s == 4.0);
            continue;
        }
        const bool is_slow = strcmp(class->name, "slow") == 0; /* its rates are of a device of twice its speed */
        assert_float_equal(mu_rates_step_s(class->rates, model, 5), step_s, 1e-12);
        assert_float_equal(s, 10 * step_s * (is_slow ? 2 : 1), 1e-12);
        assert_float_equal(mu_price_work(class, &unrated).compute_s, is_slow ? 8 : 4, 1e-12);
    }
    mu_model_destroy(model);
}

static void test_class(void **state)
{
    (void)state;
    mu_fleet *fleet = fleet_of(fleet_text);
    check_fleet(fleet);
    mu_conf *conf = NULL;
    assert_int_equal(mu_conf_parse("test.yaml", fleet_text, strlen(fleet_text), &conf, NULL), MU_OK);
    assert_int_equal(mu_fleet_resolve(fleet, conf, mu_conf_make_map(conf, mu_conf_root(conf), "fleet"), NULL), MU_OK);
    char *written = mu_conf_write(mu_conf_root(conf));
    assert_non_null(written);
    mu_conf_destroy(conf);
    mu_fleet_destroy(fleet);
    fleet = fleet_of(written); /* what was resolved says the same */
    check_fleet(fleet);
    mu_fleet_destroy(fleet);
    free(written);
}

static void test_unknown_rate_is_refused(void **state)
{
    (void)state;
    const char *text = "fleet: {classes: {a: {" CLASS ", rates: {dense_per_s: 4}}}, mix: {a: 1}}";
    mu_conf *conf;
    mu_fleet *fleet;
    mu_error err = { 0 };
    assert_int_equal(mu_conf_parse("test.yaml", text, strlen(text), &conf, NULL), MU_OK);
    assert_int_equal(mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), 1, 7, &fleet, &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "dense_per_s"));
    mu_conf_destroy(conf);
}

/* Times made from rates: the fit finds rates that give these times, also for a network that it has not seen. */
static void test_fit(void **state)
{
    (void)state;
    mu_rates rates = { .macs_per_s = 1, .lanes = 8, .near_bytes = 256 << 10, .cache_bytes = 4 << 20 }, found;
    for (int kind = 0; kind < MU_WORK_KIND_COUNT; kind++)
        rates.per_s[kind] = kind == MU_WORK_STEPS ? 1e6 : kind == MU_WORK_LAYERS ? 3e6 : kind == MU_WORK_DENSE || kind == MU_WORK_CONV ? 5e10 : 4e9;
    enum { MOST = 128 };
    mu_timed timed[MOST];
    size_t count;
    const mu_probe *probes = mu_probes(&count);
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        mu_error err = { 0 };
        timed[i].batch = probes[i].batch;
        if (mu_probe_model(&probes[i], &timed[i].model, &err))
            fail_msg("%s: %s", probes[i].name, err.message);
        timed[i].step_s = mu_rates_step_s(&rates, timed[i].model, timed[i].batch);
    }
    mu_rates_fit(timed, count, &found);
    assert_int_equal(found.lanes, 8);
    assert_int_equal(found.cache_bytes, 4 << 20);
    assert_int_equal(found.near_bytes, 256 << 10);
    mu_model *other;
    assert_int_equal(mu_model_create_builtin("resnet20", NULL, (mu_shape){ 32, 32, 3 }, 10, &other, NULL), MU_OK);
    assert_float_equal(mu_rates_step_s(&found, other, 16) / mu_rates_step_s(&rates, other, 16), 1.0, 0.02);
    mu_model_destroy(other);
    for (size_t i = 0; i < count; i++)
        mu_model_destroy(timed[i].model);
}

/* What was seen of a device's speed scales what its next tasks are planned with, and of the others nothing. */
static void test_corrected_speed(void **state)
{
    (void)state;
    mu_fleet *fleet = fleet_of(fleet_text);
    const mu_work work = { .macs = { 4000000000 }, .rated_s = 3 };
    const mu_price before[] = { mu_fleet_price(fleet, 0, 0, &work), mu_fleet_price(fleet, 1, 0, &work) };
    assert_int_equal(mu_fleet_correct_speed(fleet, 0, 0.5, NULL), MU_OK);
    assert_float_equal(mu_fleet_price(fleet, 0, 0, &work).compute_s, 2 * before[0].compute_s, 1e-12);
    assert_true(mu_fleet_price(fleet, 1, 0, &work).compute_s == before[1].compute_s);
    mu_fleet_destroy(fleet);
    fleet = fleet_of("fleet: {name: mixed, compute_share: {}}");
    assert_int_equal(mu_fleet_correct_speed(fleet, 0, 0.5, NULL), MU_E_STATE);
    mu_fleet_destroy(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted_by_hand),     cmocka_unit_test(test_traffic_by_hand), cmocka_unit_test(test_convolutions_by_hand), cmocka_unit_test(test_names_and_rows_agree),
        cmocka_unit_test(test_class),               cmocka_unit_test(test_unknown_rate_is_refused), cmocka_unit_test(test_fit),
        cmocka_unit_test(test_corrected_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
