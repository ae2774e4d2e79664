/* Data that lie elsewhere, with and without a test set here; and numbers of examples that devices tell. */
#include "base/refuse_memory.h"

#include "base/limits.h"
#include "data/test_support.h"

#include <math.h>

static char *resolved(const mu_data *data)
{
    mu_conf *conf = NULL;
    assert_ok(mu_conf_parse("resolved", "data: {}", 8, &conf, NULL), &(mu_error){ 0 });
    assert_ok(mu_data_resolve(data, conf, mu_conf_make_map(conf, mu_conf_root(conf), "data"), NULL), &(mu_error){ 0 });
    char *text = mu_conf_write(mu_conf_root(conf));
    mu_conf_destroy(conf);
    return text;
}

static void assert_resolves(const mu_data *data)
{
    char *first = resolved(data);
    mu_data *copy = open_good(first, 1);
    char *second = resolved(copy);
    assert_string_equal(first, second);
    assert_int_equal(mu_data_test_count(copy), mu_data_test_count(data));
    free(second);
    free(first);
    mu_data_close(copy);
}

static void test_without_a_test_set(void **state)
{
    (void)state;
    mu_data *data = open_good("data: {name: elsewhere, devices: 7, shape: [3, 4, 2], classes: 5, targets: 2, symbols: 9}", 1);
    mu_shape shape = mu_data_shape(data);
    assert_true(mu_data_is_elsewhere(data));
    assert_true(shape.height == 3 && shape.width == 4 && shape.channels == 2);
    assert_int_equal(mu_data_classes(data), 5);
    assert_int_equal(mu_data_targets(data), 2);
    assert_int_equal(mu_data_symbols(data), 9);
    assert_int_equal(mu_data_device_count(data), 7);
    assert_int_equal(mu_data_test_count(data), 0);
    assert_string_equal(mu_data_class_name(data, 4), "4");
    for (uint32_t device = 0; device < 7; device++) {
        uint32_t counts[5] = { 1, 2, 3, 4, 5 };
        assert_int_equal(mu_data_num_examples(data, device), 0);
        assert_null(mu_data_device_name(data, device));
        mu_data_label_counts(data, device, counts);
        for (uint32_t c = 0; c < 5; c++)
            assert_int_equal(counts[c], 0);
    }
    assert_resolves(data);
    mu_data_close(data);

    data = open_good("data: {name: elsewhere, shape: [1, 1, 3], classes: 2}", 1);
    assert_int_equal(mu_data_device_count(data), 100);
    assert_int_equal(mu_data_targets(data), 1);
    assert_int_equal(mu_data_symbols(data), 0);
    assert_resolves(data);
    mu_data_close(data);
}

/* The test set is that of the data named, and says what was not said. */
static void test_with_a_test_set(void **state)
{
    (void)state;
    static const char *const yaml[] = {
        "data: {name: elsewhere, devices: 7, test: {name: writers, devices: 3, test_examples: 20}}",
        "data: {name: elsewhere, devices: 7, shape: [28, 28, 1], classes: 10, targets: 1, test: {name: writers, devices: 3, test_examples: 20}}",
    };
    mu_data *own = open_good("data: {name: writers, devices: 3, test_examples: 20}", 1);
    static float x[20 * 784], y[20 * 784];
    int32_t labels[20], others[20];
    mu_data_read_test(own, 0, 20, x, labels);
    for (size_t i = 0; i < MU_COUNT(yaml); i++) {
        mu_data *data = open_good(yaml[i], 1);
        assert_int_equal(mu_data_shape(data).height, 28);
        assert_int_equal(mu_data_classes(data), 10);
        assert_int_equal(mu_data_device_count(data), 7);
        assert_int_equal(mu_data_test_count(data), 20);
        mu_data_read_test(data, 0, 20, y, others);
        assert_memory_equal(x, y, sizeof x);
        assert_memory_equal(labels, others, sizeof labels);
        assert_int_equal(mu_data_num_examples(data, 2), 0); /* whatever the other data have on their devices */
        assert_resolves(data);
        mu_data_close(data);
    }
    mu_data_close(own);
    mu_data *short_form = open_good("data: {name: elsewhere, test: writers}", 1);
    assert_int_equal(mu_data_test_count(short_form), 2000);
    assert_resolves(short_form);
    mu_data_close(short_form);
    /* texts: symbols, several labels, names of classes */
    mu_data *texts = open_good("data: {name: elsewhere, test: {name: t, format: text, path: " FIXTURES ", files: {train: make_fixtures.py}, window: 5, labels: every}}", 1);
    assert_int_equal(mu_data_targets(texts), 5);
    assert_int_equal(mu_data_symbols(texts), mu_data_classes(texts));
    assert_true(strlen(mu_data_class_name(texts, 1)) > 0);
    assert_resolves(texts);
    mu_data_close(texts);
}

static void test_errors(void **state)
{
    (void)state;
    assert_open_fails("data: elsewere", MU_E_CONFIG, "did you mean 'elsewhere'?");
    assert_open_fails("data: elsewhere", MU_E_CONFIG, "'shape' is missing");
    assert_open_fails("data: {name: elsewhere, shape: [2, 2, 1]}", MU_E_CONFIG, "'classes' is missing");
    assert_open_fails("data: {name: elsewhere, shape: [2, 2], classes: 3}", MU_E_CONFIG, "test.yaml:1:32: data: 'shape' is three whole numbers");
    assert_open_fails("data: {name: elsewhere, shape: [2, 2.5, 1], classes: 3}", MU_E_CONFIG, "'shape' is three whole numbers");
    assert_open_fails("data: {name: elsewhere, shape: [16777216, 16777216, 1], classes: 3}", MU_E_LIMIT, "at most");
    assert_open_fails("data: {name: elsewhere, shape: [0, 2, 1], classes: 3}", MU_E_RANGE, "'shape' is 0");
    assert_open_fails("data: {name: elsewhere, shape: [2, 2, 1], clases: 3}", MU_E_CONFIG, "did you mean 'classes'?");
    assert_open_fails("data: {name: elsewhere, shape: [2, 2, 1], classes: 3, partition: iid}", MU_E_CONFIG, "'partition'");
    assert_open_fails("data: {name: elsewhere, test: writer}", MU_E_CONFIG, "did you mean 'writers'?");
    assert_open_fails("data: {name: elsewhere, test: {name: elsewhere, shape: [2, 2, 1], classes: 3}}", MU_E_CONFIG, "has no test set");
    assert_open_fails("data: {name: elsewhere, shape: [28, 27, 1], test: writers}", MU_E_CONFIG, "28 x 27 x 1, but the examples of the test set are 28 x 28 x 1");
    assert_open_fails("data: {name: elsewhere, classes: 9, test: writers}", MU_E_CONFIG, "'classes' is 9, but that of the test set is 10");
    assert_open_fails("data: {name: elsewhere, targets: 3, test: writers}", MU_E_CONFIG, "'targets' is 3");
}

/* Of any data set: what is told is what counts, and nothing else changes. */
static void test_told_numbers(void **state)
{
    (void)state;
    static const char *const yaml[] = { "data: {name: elsewhere, devices: 3, shape: [28, 28, 1], classes: 10}", "data: {name: writers, devices: 3}" };
    for (size_t i = 0; i < MU_COUNT(yaml); i++) {
        mu_data *data = open_good(yaml[i], 1);
        uint32_t before = mu_data_num_examples(data, 2), counts[10], sum = 0;
        assert_int_equal(mu_data_tell_num_examples(data, 0, 5000, NULL), MU_OK);
        assert_int_equal(mu_data_tell_num_examples(data, 1, 0, NULL), MU_OK);
        assert_int_equal(mu_data_num_examples(data, 0), 5000);
        assert_int_equal(mu_data_num_examples(data, 1), 0);
        assert_int_equal(mu_data_num_examples(data, 2), before);
        assert_int_equal(mu_data_tell_num_examples(data, 0, 6, NULL), MU_OK);
        assert_int_equal(mu_data_num_examples(data, 0), 6);
        mu_error err;
        assert_error(mu_data_tell_num_examples(data, 0, UINT32_MAX, &err), MU_E_RANGE, &err, "device 0 says that it has 4294967295 examples");
        assert_int_equal(mu_data_num_examples(data, 0), 6);
        mu_data_label_counts(data, 1, counts); /* of those that are here */
        for (uint32_t c = 0; c < 10; c++)
            sum += counts[c];
        assert_int_equal(sum > 0, !mu_data_is_elsewhere(data));
        mu_data_close(data);
    }
}

static void test_every_allocation_refused(void **state)
{
    (void)state;
    static const char yaml[] = "data: {name: elsewhere, devices: 3, test: {name: writers, devices: 3}}";
    mu_conf *conf;
    long count = 0;
    assert_int_equal(mu_conf_parse("test.yaml", yaml, sizeof yaml - 1, &conf, NULL), MU_OK);
    for (bool done = false; !done; count++) {
        mu_data *data = NULL;
        refused = false;
        allocations_left = count;
        mu_status status = mu_data_open(mu_conf_get(mu_conf_root(conf), "data"), 1, &data, NULL);
        if (!status)
            status = mu_data_tell_num_examples(data, 1, 3, NULL);
        allocations_left = -1;
        done = !refused;
        assert_int_equal(status, refused ? MU_E_MEMORY : MU_OK);
        if (data)
            assert_int_equal(mu_data_num_examples(data, 1), refused ? 0 : 3);
        mu_data_close(data);
    }
    assert_true(count > 20);
    mu_conf_destroy(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_test_set), cmocka_unit_test(test_with_a_test_set), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_told_numbers),       cmocka_unit_test(test_every_allocation_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
