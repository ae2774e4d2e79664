/* The last version on single devices' own examples: which devices, on how many of their examples, and with what result. */
#include "fl/experiment_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char text[] = "rounds: 1\nmodel: softmax-regression\n"
                           "data: {name: writers, devices: 30, examples_per_device: 12, size_spread: 0.8, test_examples: 10}\n"
                           "when: {cohort: 3}\n"
                           "evaluate: {devices: %u, device_examples: 8}\n%s";

typedef struct looked {
    uint32_t      *devices, count;
    mu_evaluation *each;
    uint32_t       examples[30];
} looked;

static looked look(uint32_t devices, const char *more, uint32_t workers)
{
    char yaml[512];
    snprintf(yaml, sizeof yaml, text, devices, more);
    mu_experiment *experiment = experiment_from(yaml);
    mu_simulation *simulation;
    mu_error err;
    const mu_simulate_config config = { .workers = workers };
    looked l = { 0 };
    if (mu_simulation_create(experiment, &config, NULL, &simulation, &err) || mu_simulation_run(simulation, &err) ||
        mu_federation_look_at_devices(mu_simulation_federation(simulation), &l.devices, &l.each, &l.count, &err))
        fail_msg("%s", err.message);
    for (uint32_t i = 0; i < 30; i++)
        l.examples[i] = mu_data_num_examples(mu_experiment_data(experiment), i);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return l;
}

static void looked_release(looked *l)
{
    free(l->devices);
    free(l->each);
}

/* As many as were asked for, each once, up to eight examples of each; and whoever computes it. */
static void some_devices(void **unused)
{
    (void)unused;
    looked one = look(10, "", 1), three = look(10, "", 3);
    assert_int_equal(one.count, 10);
    for (uint32_t i = 0; i < one.count; i++) {
        uint32_t own = one.examples[one.devices[i]];
        assert_true(i == 0 || one.devices[i] > one.devices[i - 1]);
        assert_int_equal(one.each[i].count, own < 8 ? own : 8);
        assert_true(one.each[i].correct <= one.each[i].count && isfinite(one.each[i].loss_sum));
    }
    assert_int_equal(three.count, one.count);
    assert_memory_equal(three.devices, one.devices, one.count * sizeof *one.devices);
    assert_memory_equal(three.each, one.each, one.count * sizeof *one.each);
    looked_release(&one);
    looked_release(&three);
}

/* A device's lot is its own: who is among the first ten is among the first twenty, and with the same result. */
static void more_devices_are_the_same_and_others(void **unused)
{
    (void)unused;
    looked ten = look(10, "", 1), twenty = look(20, "", 1), all = look(100000, "", 1);
    assert_int_equal(twenty.count, 20);
    assert_int_equal(all.count, 30);
    for (uint32_t i = 0, k = 0; i < ten.count; i++) {
        while (k < twenty.count && twenty.devices[k] != ten.devices[i])
            k++;
        assert_true(k < twenty.count);
        assert_memory_equal(&twenty.each[k], &ten.each[i], sizeof ten.each[i]);
        assert_memory_equal(&all.each[ten.devices[i]], &ten.each[i], sizeof ten.each[i]);
    }
    looked_release(&ten);
    looked_release(&twenty);
    looked_release(&all);
}

/* Another seed draws others. */
static void the_draw_is_the_seeds(void **unused)
{
    (void)unused;
    looked first = look(10, "seed: 1\n", 1), second = look(10, "seed: 2\n", 1);
    assert_memory_not_equal(first.devices, second.devices, 10 * sizeof *first.devices);
    looked_release(&first);
    looked_release(&second);
}

static void nobody(void **unused)
{
    (void)unused;
    looked none = look(0, "", 1), dry = look(10, "train: none\n", 1);
    assert_int_equal(none.count, 0);
    assert_int_equal(dry.count, 0);
    looked_release(&none);
    looked_release(&dry);
}

/* Right answers among the first eight examples of a device, by a softmax regression's own sums: a class that it has no example of scores 0. */
static uint64_t right_by_hand(const mu_experiment *experiment, const float *state, uint32_t device)
{
    const mu_data *data = mu_experiment_data(experiment);
    bool has[10] = { false };
    uint32_t own = mu_data_num_examples(data, device);
    uint64_t right = 0;
    float picture[784];
    int32_t label;
    for (uint32_t i = 0; i < own; i++) {
        mu_data_read(data, device, &i, 1, picture, &label);
        has[label] = true;
    }
    for (uint32_t i = 0; i < own && i < 8; i++) {
        mu_data_read(data, device, &i, 1, picture, &label);
        int32_t best = 0;
        double most = -INFINITY;
        for (int32_t c = 0; c < 10; c++) {
            double score = (double)state[7840 + c]; /* the bias is behind the weights [784][10] */
            for (uint32_t p = 0; p < 784; p++)
                score += (double)picture[p] * (double)state[p * 10 + (uint32_t)c];
            score = has[c] ? score : 0.0;
            if (score > most) {
                most = score;
                best = c;
            }
        }
        right += best == label;
    }
    return right;
}

static void by_the_classes_that_a_device_has(void **unused)
{
    (void)unused;
    mu_experiment *experiment = experiment_from("rounds: 2\nmodel: softmax-regression\nwhen: {cohort: 3}\n"
                                                "data: {name: writers, devices: 30, examples_per_device: 12, class_alpha: 0.2, test_examples: 10}\n"
                                                "evaluate: {device_examples: 8, own_classes: true}\n");
    mu_simulation *simulation;
    mu_error err;
    looked l = { 0 };
    if (mu_simulation_create(experiment, &(mu_simulate_config){ .workers = 2 }, NULL, &simulation, &err) ||
        mu_simulation_run(simulation, &err) ||
        mu_federation_look_at_devices(mu_simulation_federation(simulation), &l.devices, &l.each, &l.count, &err))
        fail_msg("%s", err.message);
    const float *state = mu_federation_state(mu_simulation_federation(simulation));
    assert_int_equal(l.count, 30);
    for (uint32_t i = 0; i < l.count; i++)
        assert_int_equal(l.each[i].correct, right_by_hand(experiment, state, l.devices[i]));
    looked_release(&l);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_devices),
        cmocka_unit_test(more_devices_are_the_same_and_others),
        cmocka_unit_test(the_draw_is_the_seeds),
        cmocka_unit_test(nobody),
        cmocka_unit_test(by_the_classes_that_a_device_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
