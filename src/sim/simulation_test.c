/* The simulator: the same bytes for any number of workers, devices that go away, memory as planned, and resuming. */
#include "fl/experiment_support.h"
#include "muster/federation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SMALL                                                                                      \
    "seed: 5\nrounds: 3\nmodel: lenet5\n"                                                          \
    "data: {name: writers, devices: 12, examples_per_device: 30, test_examples: 200}\n"            \
    "fleet: {mix: {workstation: 0.5, phone-low: 0.5}}\ntrain: {batch_size: 10, learning_rate: 0.1}\n" \
    "evaluate: {tier_examples: 60}\n"

typedef struct outcome {
    float    *state;
    size_t    count;
    mu_totals totals;
    double    accuracy_of_round[16];
    uint32_t  rounds, stop_after;
    size_t    peak_bytes;
    mu_status status;
    mu_error  err;
} outcome;

static mu_status note_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    outcome *o = self;
    o->accuracy_of_round[o->rounds++ % 16] = report->accuracy;
    return MU_OK;
}

static bool note_stop(void *self)
{
    outcome *o = self;
    return o->stop_after && o->rounds > o->stop_after;
}

static outcome simulate(const char *yaml, uint32_t workers, const char *checkpoint_path, bool resume, uint32_t stop_after)
{
    outcome o = { .stop_after = stop_after };
    mu_experiment *experiment = experiment_from(yaml);
    mu_simulate_config config = { .workers = workers, .checkpoint_path = checkpoint_path, .resume = resume };
    mu_observer observer = { .self = &o, .round = note_round, .stop = note_stop };
    mu_simulation *simulation = NULL;
    if (mu_simulation_create(experiment, &config, &observer, &simulation, &o.err))
        fail_msg("%s", o.err.message);
    o.status = mu_simulation_run(simulation, &o.err);
    mu_federation *federation = mu_simulation_federation(simulation);
    o.count = mu_model_state_count(mu_experiment_model(experiment));
    o.state = malloc(o.count * sizeof(float));
    memcpy(o.state, mu_federation_state(federation), o.count * sizeof(float));
    o.totals = *mu_federation_totals(federation);
    o.peak_bytes = mu_simulation_peak_memory_bytes(simulation);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return o;
}

static void same_bytes_for_any_number_of_workers(void **unused)
{
    (void)unused;
    const char *yaml = SMALL "when: {cohort: 5, over_selection: 1.5}\n";
    outcome one = simulate(yaml, 1, NULL, false, 0);
    assert_int_equal(one.status, MU_OK);
    for (uint32_t workers = 2; workers <= 5; workers += 3) {
        outcome more = simulate(yaml, workers, NULL, false, 0);
        assert_memory_equal(one.state, more.state, one.count * sizeof(float));
        assert_memory_equal(&one.totals, &more.totals, sizeof one.totals);
        assert_memory_equal(one.accuracy_of_round, more.accuracy_of_round, sizeof one.accuracy_of_round);
        free(more.state);
    }
    free(one.state);
}

static void another_seed_is_another_run(void **unused)
{
    (void)unused;
    outcome a = simulate(SMALL, 2, NULL, false, 0);
    char other[2048];
    snprintf(other, sizeof other, "%s", SMALL);
    *strchr(other, '5') = '6';
    outcome b = simulate(other, 2, NULL, false, 0);
    assert_memory_not_equal(a.state, b.state, a.count * sizeof(float));
    free(a.state);
    free(b.state);
}

/* What a trainer has held here is what the plan said before; what a device is priced with, on the reference kernels, is never more. */
static void planned_memory_is_measured_memory(void **unused)
{
    (void)unused;
    outcome o = simulate(SMALL "when: {cohort: 12}\n", 2, NULL, false, 0);
    mu_experiment *experiment = experiment_from(SMALL);
    mu_plan plan = { .train = mu_experiment_config(experiment)->train };
    size_t most = 0, most_plain = 0;
    for (uint32_t device = 0; device < 12; device++) {
        uint32_t n = mu_data_num_examples(mu_experiment_data(experiment), device);
        size_t here = 0, plain = 0;
        assert_int_equal(mu_plan_peak_memory(mu_experiment_model(experiment), &plan, n, false, &here, NULL, NULL), MU_OK);
        assert_int_equal(mu_plan_peak_memory(mu_experiment_model(experiment), &plan, n, true, &plain, NULL, NULL), MU_OK);
        most = here > most ? here : most;
        most_plain = plain > most_plain ? plain : most_plain;
    }
    assert_int_equal(o.peak_bytes, most);
    assert_int_equal(o.totals.peak_memory_bytes, most_plain);
    assert_true(most_plain <= most);
    mu_experiment_destroy(experiment);
    free(o.state);
}

/* Devices that are too small for the step take part once they may make it fit; they take longer, and come to the same result. */
static void small_devices_fit(void **unused)
{
    (void)unused;
#define ALIKE(memory, fit)                                                                                                        \
    "seed: 5\nrounds: 2\nmodel: lenet5\n"                                                                                         \
    "data: {name: writers, devices: 6, examples_per_device: 30, test_examples: 50}\n"                                              \
    "fleet: {mix: {board: 1}, classes: {board: {extend: pi-4, memory: " memory "}}}\n"                                             \
    "train: {batch_size: 10, learning_rate: 0.1, fit_memory: " fit "}\nwhen: {cohort: 6}\n"
    outcome large = simulate(ALIKE("1GiB", "false"), 2, NULL, false, 0);
    outcome asked = simulate(ALIKE("1GiB", "true"), 2, NULL, false, 0);
    outcome small = simulate(ALIKE("900KiB", "true"), 2, NULL, false, 0);
    assert_int_equal(large.totals.updates_merged, 12);
    assert_memory_equal(&large.totals, &asked.totals, sizeof large.totals);
    assert_true(large.totals.peak_memory_bytes > 900 << 10);
    assert_int_equal(small.totals.updates_merged, 12);
    assert_in_range(small.totals.peak_memory_bytes, 1, 900 << 10);
    assert_in_range(small.peak_bytes, 1, 900 << 10);
    assert_true(small.totals.device_time_s > large.totals.device_time_s * 1.001);
    assert_memory_equal(small.state, large.state, large.count * sizeof(float));
    outcome refused = simulate(ALIKE("900KiB", "false"), 2, NULL, false, 0);
    assert_true(refused.status != MU_OK || refused.totals.updates_merged == 0);
    outcome *all[] = { &large, &asked, &small, &refused };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]->state);
}

static void resumed_ends_with_the_same_bytes(void **unused)
{
    (void)unused;
    char path[] = "/tmp/muster-checkpoint-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    outcome whole = simulate(SMALL, 2, NULL, false, 0);
    outcome first = simulate(SMALL, 2, path, false, 1);
    assert_int_equal(first.status, MU_E_INTERRUPTED);
    outcome second = simulate(SMALL, 1, path, true, 0);
    assert_int_equal(second.status, MU_OK);
    assert_memory_equal(whole.state, second.state, whole.count * sizeof(float));
    assert_memory_equal(&whole.totals, &second.totals, sizeof whole.totals);
    free(whole.state);
    free(first.state);
    free(second.state);
    unlink(path);
}

/* A text that repeats itself, a label at every character: the federation learns to go on with it, on any number of workers alike. */
static void it_learns_a_text(void **unused)
{
    (void)unused;
    char path[] = "/tmp/muster-text-XXXXXX", yaml[1024];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "fare well, ", 11), 11);
    close(fd);
    static const char form[] =
        "rounds: 4\nmodel: {layers: [{embedding: e, channels: 4}, {gru: g, units: 12}, {dense: d, each: true}]}\n"
        "data: {name: farewell, format: text, path: /tmp, files: {train: %s}, window: 9, step: 2, labels: %s, devices: 6}\n"
        "fleet: {mix: {workstation: 1}}\ntrain: {local_epochs: 3, batch_size: 5, learning_rate: 1}\nwhen: {cohort: 3}\n"
        "evaluate: {tier_examples: 20}\n";
    snprintf(yaml, sizeof yaml, form, path, "every");
    outcome one = simulate(yaml, 1, NULL, false, 0), two = simulate(yaml, 2, NULL, false, 0);
    assert_true(one.accuracy_of_round[4] > 0.85 && one.accuracy_of_round[0] < 0.5);
    assert_true(one.totals.tier_accuracy[0] > 0.85 && one.totals.tier_accuracy[0] <= 1.0);
    assert_true(one.totals.final_loss < 0.7);
    assert_memory_equal(one.state, two.state, one.count * sizeof(float));
    assert_memory_equal(&one.totals, &two.totals, sizeof one.totals);
    free(one.state);
    free(two.state);

    snprintf(yaml, sizeof yaml, form, path, "next"); /* the model wants more labels than there are */
    mu_experiment *experiment = experiment_from(yaml);
    mu_simulation *simulation = NULL;
    mu_simulate_config config = { .workers = 1 };
    mu_error err = { 0 };
    assert_int_equal(mu_simulation_create(experiment, &config, NULL, &simulation, &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "predicts 9 labels of each example, data 'farewell' has 1"));
    assert_null(simulation);
    mu_experiment_destroy(experiment);
    unlink(path);
}

static void it_learns(void **unused)
{
    (void)unused;
    outcome o = simulate("rounds: 4\nmodel: lenet5\ndata: {name: writers, devices: 12, examples_per_device: 100, hand_spread: 0.3, test_examples: 300}\n"
                         "fleet: {mix: {workstation: 1}}\ntrain: {local_epochs: 4, learning_rate: 0.1}\nwhen: {cohort: 12}\n", 2, NULL, false, 0);
    assert_true(o.accuracy_of_round[4] > 0.5);
    free(o.state);
}

/* A microcontroller cannot hold the model: with only such devices there is nobody to ask, and the reason is said. */
static void nobody_who_can_take_part(void **unused)
{
    (void)unused;
    outcome o = simulate("rounds: 2\nmodel: fedavg-cnn\ndata: {name: writers, devices: 4, examples_per_device: 10, test_examples: 50}\n"
                         "fleet: {mix: {mcu-cortex-m4: 1}}\n", 2, NULL, false, 0);
    assert_int_equal(o.status, MU_E_STATE);
    assert_non_null(strstr(o.err.message, "no device"));
    free(o.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_for_any_number_of_workers),
        cmocka_unit_test(another_seed_is_another_run),
        cmocka_unit_test(planned_memory_is_measured_memory),
        cmocka_unit_test(small_devices_fit),
        cmocka_unit_test(resumed_ends_with_the_same_bytes),
        cmocka_unit_test(it_learns), cmocka_unit_test(it_learns_a_text),
        cmocka_unit_test(nobody_who_can_take_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
