/* The drawn writers: the same bits everywhere and in any order, sizes and class mixes as asked, ink where ink should be. */
#include "base/digest.h"
#include "data/test_support.h"
#include "data/writers_hand.h"
#include "data/writers_pen.h"

#include <math.h>

enum { PIXELS = MU_PEN_SIDE * MU_PEN_SIDE };

/* 40 training digits of 8 writers and 20 of the test, as raw floats: their sum is the same on every machine and for ever, or else old
 * runs could not be repeated. */
static void test_bits(void **state)
{
    (void)state;
    static float x[60 * PIXELS];
    int32_t labels[60];
    mu_data *data = open_good("data: {name: writers, devices: 1000000}", 42);
    static const uint32_t indices[] = { 0, 1, 2, 7, 3 };
    for (uint32_t d = 0; d < 8; d++)
        mu_data_read(data, d * 140001, indices, 5, x + d * 5 * PIXELS, labels + d * 5);
    mu_data_read_test(data, 0, 20, x + 40 * PIXELS, labels + 40);
    char hex[MU_SHA256_HEX_BYTES];
    mu_sha256_hex(x, sizeof x, hex);
    assert_string_equal(hex, "1371c909dfe14da6cca55ac09ab8450c022be9a8c0f6e878eb5f5a12f0070155");
    mu_data_close(data);
}

static void test_random_access(void **state)
{
    (void)state;
    static float together[3 * PIXELS], alone[PIXELS];
    int32_t labels[3], label;
    mu_data *data = open_good("data: writers", 3);
    static const uint32_t indices[] = { 20, 4, 11 };
    mu_data_read(data, 17, indices, 3, together, labels);
    for (uint32_t i = 3; i-- > 0;) {
        mu_data_read(data, 17, &indices[i], 1, alone, &label);
        assert_int_equal(label, labels[i]);
        assert_memory_equal(alone, together + i * PIXELS, sizeof alone);
    }
    mu_data_read_test(data, 8, 3, together, labels); /* across two writers */
    for (uint32_t i = 0; i < 3; i++) {
        mu_data_read_test(data, 8 + i, 1, alone, &label);
        assert_int_equal(label, (8 + i) % 10);
        assert_int_equal(labels[i], label);
        assert_memory_equal(alone, together + i * PIXELS, sizeof alone);
    }
    mu_data_close(data);
}

static void test_sizes(void **state)
{
    (void)state;
    mu_data *data = open_good("data: {name: writers, devices: 20000, examples_per_device: 100, size_spread: 0.8}", 9);
    double sum = 0, sum_log = 0, squares = 0;
    for (uint32_t d = 0; d < 20000; d++) {
        double size = mu_data_num_examples(data, d);
        assert_true(size >= 1);
        sum += size;
        sum_log += log(size);
        squares += log(size) * log(size);
    }
    double mean_log = sum_log / 20000, spread = sqrt(squares / 20000 - mean_log * mean_log);
    assert_true(fabs(sum / 20000 - 100) < 3);
    assert_true(fabs(spread - 0.8) < 0.03);
    mu_data_close(data);

    data = open_good("data: {name: writers, devices: 10, examples_per_device: 70, size_spread: 0}", 9);
    for (uint32_t d = 0; d < 10; d++)
        assert_int_equal(mu_data_num_examples(data, d), 70);
    mu_data_close(data);
}

/* What label_counts says is what reading finds. */
static void test_labels(void **state)
{
    (void)state;
    mu_data *data = open_good("data: {name: writers, examples_per_device: 40}", 5);
    for (uint32_t d = 0; d < 5; d++) {
        uint32_t counts[10], seen[10] = { 0 }, examples = mu_data_num_examples(data, d);
        mu_data_label_counts(data, d, counts);
        for (uint32_t i = 0; i < examples; i++) {
            float x[PIXELS];
            int32_t label;
            mu_data_read(data, d, &i, 1, x, &label);
            seen[label]++;
            assert_int_equal(mu_data_source_index(data, d, i), i);
        }
        assert_memory_equal(counts, seen, sizeof counts);
    }
    mu_data_close(data);
}

/* The share of a device's most frequent class, mean over devices: near 1 for a small alpha, near 0.1 without a mix. */
static void test_class_alpha(void **state)
{
    (void)state;
    static const struct { const char *yaml; double least, most; } cases[] = {
        { "data: {name: writers, devices: 400, class_alpha: 0.1}", 0.55, 0.85 },
        { "data: {name: writers, devices: 400, class_alpha: 5}", 0.17, 0.28 },
        { "data: {name: writers, devices: 400, class_alpha: inf}", 0.1, 0.16 },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_data *data = open_good(cases[i].yaml, 5);
        uint64_t totals[10];
        double sum = 0;
        for (uint32_t d = 0; d < 400; d++) {
            uint32_t counts[10], most = 0;
            mu_data_label_counts(data, d, counts);
            for (size_t c = 0; c < 10; c++)
                most = counts[c] > most ? counts[c] : most;
            sum += (double)most / mu_data_num_examples(data, d);
        }
        assert_true(sum / 400 > cases[i].least && sum / 400 < cases[i].most);
        uint64_t all = count_examples(data, totals);
        for (size_t c = 0; c < 10; c++) /* over all devices the classes are about even */
            assert_in_range(totals[c], all / 15, all / 7);
        mu_data_close(data);
    }
}

/* Without any spread all digits of a class are one picture; with it none is. Ink stays off the border but for a few strokes. */
static void test_pictures(void **state)
{
    (void)state;
    mu_writers_config config = { .devices = 10, .examples_per_device = 10, .test_examples = 10, .class_alpha = INFINITY };
    mu_hand a, b;
    float first[PIXELS], second[PIXELS];
    for (uint32_t label = 0; label < MU_GLYPH_CLASSES; label++) {
        mu_hand_make(&a, &config, 1, 0);
        mu_hand_make(&b, &config, 2, 5);
        mu_random x = mu_hand_example_stream(&a, 0), y = mu_hand_example_stream(&b, 3);
        mu_hand_draw(&a, &config, label, &x, first);
        mu_hand_draw(&b, &config, label, &y, second);
        assert_memory_equal(first, second, sizeof first);
        float ink = 0, border = 0;
        for (size_t i = 0; i < PIXELS; i++) {
            assert_true(first[i] >= 0.0f && first[i] <= 1.0f);
            ink += first[i];
            size_t row = i / MU_PEN_SIDE, column = i % MU_PEN_SIDE;
            border += row < 2 || row > 25 || column < 2 || column > 25 ? first[i] : 0.0f;
        }
        assert_true(ink > 30.0f && ink < 200.0f);
        assert_true(border == 0.0f);
    }
    config.hand_spread = 1;
    mu_hand_make(&b, &config, 2, 5);
    mu_random y = mu_hand_example_stream(&b, 3);
    mu_hand_draw(&b, &config, 9, &y, second);
    assert_memory_not_equal(first, second, sizeof first);
}

/* A dot and a line of known places. */
static void test_pen(void **state)
{
    (void)state;
    mu_pen_sheet sheet;
    float image[PIXELS];
    mu_pen_clear(&sheet);
    const mu_pen_point line[] = { { 5, 10 }, { 20, 10 } };
    mu_pen_stroke(&sheet, line, 2, 0.5f, 1.0f, 1.0f);
    mu_pen_coverage(&sheet, image);
    assert_true(image[10 * 28 + 12] == 1.0f);
    assert_true(image[11 * 28 + 12] == 0.5f);
    assert_true(image[12 * 28 + 12] == 0.0f);
    assert_true(image[10 * 28 + 21] == 0.5f);
    assert_true(image[10 * 28 + 22] == 0.0f);
    mu_pen_clear(&sheet);
    const mu_pen_point outside[] = { { -30, -30 }, { -40, 90 } }, dot[] = { { 27, 27 }, { 27, 27 } };
    mu_pen_stroke(&sheet, outside, 2, 0.5f, 2.0f, 2.0f);
    mu_pen_stroke(&sheet, dot, 2, 0.5f, 2.0f, 1.0f);
    mu_pen_coverage(&sheet, image);
    assert_true(image[0] == 0.0f);
    assert_true(image[27 * 28 + 27] == 1.0f);
}

static void test_options(void **state)
{
    (void)state;
    assert_open_fails("data: {name: writers, device: 3}", MU_E_CONFIG, "did you mean 'devices'?");
    assert_open_fails("data: {name: writers, devices: 0}", MU_E_RANGE, "'devices' is 0");
    assert_open_fails("data: {name: writers, partition: iid}", MU_E_CONFIG, "'partition'");
    assert_open_fails("data: {name: writers, normalize: {mean: [1, 2]}}", MU_E_SHAPE, "'mean' has 2 numbers");
    assert_open_fails("data: {name: writers, normalize: {sd: 0}}", MU_E_RANGE, "'sd'");
    mu_data *data = open_good("data: {name: writers, normalize: {mean: 0, sd: 1}, noise: 0}", 1);
    assert_int_equal(mu_data_classes(data), 10);
    assert_int_equal(mu_data_shape(data).height, 28);
    assert_string_equal(mu_data_class_name(data, 7), "7");
    assert_string_equal(mu_data_class_name(data, 70), "?");
    assert_null(mu_data_device_name(data, 0));
    float x[PIXELS];
    int32_t label;
    mu_data_read_test(data, 0, 1, x, &label);
    assert_true(x[0] == 0.0f);
    mu_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),   cmocka_unit_test(test_random_access), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_labels), cmocka_unit_test(test_class_alpha),   cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_pen),    cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
