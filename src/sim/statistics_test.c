/* Static batch norm in a run: what the statistics of the last version are, and that training does not know of them. */
#include "fl/experiment_support.h"
#include "muster/federation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The first norm lies right behind the input, so what it sees can be computed from the data alone. */
#define FEDERATION                                                                                                                          \
    "seed: 6\nrounds: 3\nmodel: {layers: [{average_pool: pool, size: 14}, {batch_norm: first}, {conv: c, channels: 6, kernel: 1}, "        \
    "{batch_norm: n}, relu, flatten, {dense: d}]}\n"                                                                                        \
    "data: {name: writers, devices: 9, examples_per_device: 70, size_spread: 1.2, class_alpha: 0.5, test_examples: 300}\n"                  \
    "train: {batch_size: 10, learning_rate: 0.1, momentum: 0.9}\nwhen: {cohort: 4}\n"

typedef struct ended {
    float    *state;
    size_t    params, count;
    mu_totals totals;
} ended;

static ended run(const char *more, uint32_t workers)
{
    char text[1200];
    snprintf(text, sizeof text, FEDERATION "%s", more);
    mu_experiment *experiment = experiment_from(text);
    mu_simulation *simulation;
    mu_error err = { 0 };
    if (mu_simulation_create(experiment, &(mu_simulate_config){ .workers = workers }, NULL, &simulation, &err) ||
        mu_simulation_run(simulation, &err))
        fail_msg("%s", err.message);
    const mu_model *model = mu_experiment_model(experiment);
    ended e = { .params = mu_model_param_count(model), .count = mu_model_state_count(model),
                .totals = *mu_federation_totals(mu_simulation_federation(simulation)) };
    e.state = malloc(e.count * sizeof *e.state);
    assert_non_null(e.state);
    memcpy(e.state, mu_federation_state(mu_simulation_federation(simulation)), e.count * sizeof *e.state);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return e;
}

/* Mean of batches of 50 of a device's first `most` examples, each batch by its size: mean and unbiased variance of the pooled pictures. */
static void statistics_by_hand(uint32_t most, double *mean, double *variance)
{
    mu_experiment *experiment = experiment_from(FEDERATION);
    const mu_data *data = mu_experiment_data(experiment);
    double examples = 0;
    *mean = *variance = 0;
    for (uint32_t device = 0; device < mu_data_device_count(data); device++) {
        uint32_t own = mu_data_num_examples(data, device);
        own = own < most ? own : most;
        for (uint32_t first = 0, size; first < own; first += size) {
            size = own - first < 50 ? own - first : 50;
            double sum = 0, squares = 0, values = 4.0 * size;
            for (uint32_t i = first; i < first + size; i++) {
                float picture[28 * 28];
                int32_t label;
                mu_data_read(data, device, &i, 1, picture, &label);
                for (uint32_t quarter = 0; quarter < 4; quarter++) {
                    double pooled = 0;
                    for (uint32_t y = 0; y < 14; y++)
                        for (uint32_t x = 0; x < 14; x++)
                            pooled += (double)picture[(quarter / 2 * 14 + y) * 28 + quarter % 2 * 14 + x] / 196;
                    sum += pooled;
                    squares += pooled * pooled;
                }
            }
            *mean += size * sum / values;
            *variance += size * (squares - sum * sum / values) / (values - 1);
            examples += size;
        }
    }
    *mean /= examples;
    *variance /= examples;
    mu_experiment_destroy(experiment);
}

/* In the state's order: the first norm's mean and variance, then those of the six channels of the second. */
static void found_over_the_devices_own_examples(void **unused)
{
    (void)unused;
    static const struct { const char *evaluate; uint32_t most; } cases[] = {
        { "evaluate: {norm_statistics: devices}\n", UINT32_MAX },
        { "evaluate: {norm_statistics: devices, statistics_examples: 13, every_rounds: 0}\n", 13 },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        ended found = run(cases[i].evaluate, 1);
        assert_int_equal(found.count - found.params, 2 + 12);
        double mean, variance;
        statistics_by_hand(cases[i].most, &mean, &variance);
        assert_float_equal(found.state[found.params], mean, 1e-5);
        assert_float_equal(found.state[found.params + 1], variance, 1e-5);
        free(found.state);
    }
}

static void the_same_whoever_computes_it(void **unused)
{
    (void)unused;
    ended one = run("evaluate: {norm_statistics: devices}\n", 1), five = run("evaluate: {norm_statistics: devices}\n", 5);
    assert_memory_equal(one.state, five.state, one.count * sizeof *one.state);
    assert_true(one.totals.final_loss == five.totals.final_loss);
    free(one.state);
    free(five.state);
}

/* Weights are those of a run without, but for the last version's statistics; that version is what was evaluated. */
static void training_is_not_disturbed(void **unused)
{
    (void)unused;
    ended merged = run("evaluate: {norm_statistics: trained}\n", 2), found = run("evaluate: {norm_statistics: devices}\n", 2);
    ended few = run("evaluate: {norm_statistics: devices, statistics_devices: 2}\n", 2);
    assert_memory_equal(found.state, merged.state, found.params * sizeof *found.state);
    for (size_t i = found.params; i < found.count; i++)
        assert_true(found.state[i] != merged.state[i]);
    assert_true(few.state[few.params] != found.state[found.params]);
    assert_true(found.totals.final_loss != merged.totals.final_loss);

    mu_experiment *experiment = experiment_from(FEDERATION);
    const mu_data *data = mu_experiment_data(experiment);
    const mu_model *model = mu_experiment_model(experiment);
    uint32_t count = mu_data_test_count(data);
    mu_arena arena = mu_arena_measuring();
    mu_step_config config = mu_step_config_default();
    mu_step *step;
    config.training = false;
    config.batch_size = count;
    assert_int_equal(mu_step_plan(model, &config, &arena, &step, NULL), MU_OK);
    size_t size_bytes = arena.used_bytes;
    void *memory = mu_arena_block(size_bytes);
    arena = mu_arena_over(memory, size_bytes);
    assert_int_equal(mu_step_plan(model, &config, &arena, &step, NULL), MU_OK);
    memcpy(mu_step_state(step), found.state, found.count * sizeof *found.state);
    mu_data_read_test(data, 0, count, mu_step_input(step), mu_step_labels(step));
    mu_step_result result = mu_step_evaluate(step, count);
    assert_true((double)result.correct / count == found.totals.final_accuracy);
    assert_float_equal(result.loss_sum / count, found.totals.final_loss, 1e-5);
    mu_arena_block_free(memory);
    mu_experiment_destroy(experiment);
    free(few.state);
    free(found.state);
    free(merged.state);
}

/* Each of the parts that are used by themselves is looked at with statistics of its own; what stays are the widest one's. */
static void parts_have_their_own(void **unused)
{
    (void)unused;
    static const char text[] = "recipe: heterofl\nwhat: {widths: [%s]}\n";
    char more[120];
    snprintf(more, sizeof more, text, "0.5, 1");
    ended both = run(more, 2);
    assert_int_equal(both.totals.width_count, 2);
    assert_true(both.totals.widths[0].loss == both.totals.final_loss && both.totals.widths[1].loss != both.totals.final_loss);
    double mean, variance;
    statistics_by_hand(UINT32_MAX, &mean, &variance);
    assert_float_equal(both.state[both.params], mean, 1e-5);
    for (size_t i = both.params; i < both.count; i++)
        assert_true(isfinite(both.state[i]));
    free(both.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_over_the_devices_own_examples),
        cmocka_unit_test(the_same_whoever_computes_it),
        cmocka_unit_test(training_is_not_disturbed),
        cmocka_unit_test(parts_have_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
