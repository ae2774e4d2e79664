/* HeteroFL: how often each level is drawn, a round worked out by hand, and which classes a device has in updates that wait and in checkpoints. */
#include "fl/experiment_support.h"
#include "muster/federation.h"
#include "sim/run_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- levels ---- */

enum { DEVICES = 300 };

typedef struct levels {
    const mu_units *units;
    uint32_t        kept[DEVICES], changes, times[7]; /* units of the first group that were kept last; of all tasks */
} levels;

static mu_status note_level(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    levels *l = self;
    if (report->happening != MU_HAPPENED_SENT)
        return MU_OK;
    const mu_unit_group *group = mu_units_group(l->units, 0);
    uint32_t count = 0, *before = &l->kept[report->task->device];
    for (uint32_t i = 0; i < group->count; i++)
        count += !report->task->plan.kept || report->task->plan.kept[i];
    l->changes += *before && *before != count;
    l->times[count]++;
    *before = count;
    return MU_OK;
}

/* Two rounds of everybody, of whom nobody trains. lenet5's first group has six units. */
static levels levels_of(const char *what)
{
    char text[600];
    snprintf(text, sizeof text, "rounds: 2\nrecipe: heterofl\nmodel: lenet5\ndata: {name: writers, devices: %d}\nfleet: mixed\ntrain: none\n"
             "when: {cohort: %d}\nwhat: %s\n", DEVICES, DEVICES, what);
    mu_experiment *experiment = experiment_from(text);
    levels l = { .units = mu_experiment_config(experiment)->units };
    mu_observer observer = { .self = &l, .event = note_level };
    mu_simulation *simulation;
    mu_error err;
    if (mu_simulation_create(experiment, &(mu_simulate_config){ .workers = 1 }, &observer, &simulation, &err) ||
        mu_simulation_run(simulation, &err))
        fail_msg("%s", err.message);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    assert_int_equal(l.times[1] + l.times[2] + l.times[3] + l.times[4] + l.times[5] + l.times[6], 2 * DEVICES);
    return l;
}

/* Bounds of five standard deviations. */
static void levels_come_by_their_shares(void **unused)
{
    (void)unused;
    levels fixed = levels_of("{widths: [0.3, 0.5, 1], width_by: fixed, shares: [3, 0, 1]}");
    assert_int_equal(fixed.changes, 0);
    assert_int_equal(fixed.times[3], 0);
    assert_true(abs((int)fixed.times[2] / 2 - 225) < 38 && fixed.times[2] + fixed.times[6] == 2 * DEVICES);
    levels dynamic = levels_of("{widths: [0.3, 0.5, 1], width_by: dynamic, shares: [1, 2, 7]}");
    assert_true(abs((int)dynamic.times[2] - 60) < 38 && abs((int)dynamic.times[3] - 120) < 50 && abs((int)dynamic.times[6] - 420) < 57);
    assert_true(abs((int)dynamic.changes - 138) < 44); /* 1 - 0.1^2 - 0.2^2 - 0.7^2 */
    levels alike = levels_of("{widths: [0.3, 0.5, 1], width_by: dynamic}");
    assert_true(abs((int)alike.times[2] - 200) < 58 && abs((int)alike.times[6] - 200) < 58);
}

static void refused(const char *what, const char *words)
{
    char text[300];
    mu_error err = { 0 };
    mu_experiment *experiment = NULL;
    snprintf(text, sizeof text, "recipe: heterofl\ndata: {name: writers}\nwhat: %s\n", what);
    assert_int_equal(experiment_try(text, NULL, &experiment, &err), MU_E_CONFIG);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void shares_that_fit_nothing_are_refused(void **unused)
{
    (void)unused;
    refused("{widths: [0.5, 1], shares: [1, 1]}", "width_by is tier");
    refused("{widths: [0.5, 1], width_by: fixed, shares: [1]}", "1 shares and 2 widths");
    refused("{widths: [0.5, 1], width_by: fixed, shares: [0, 0]}", "all shares are 0");
}

/* ---- clipping ---- */

static void gradients_are_clipped(void **unused)
{
    (void)unused;
    mu_experiment *experiment = experiment_from("recipe: heterofl\nmodel: lenet5\ndata: {name: writers}\nhow: {clip_norm: 2}\n");
    mu_answer how = mu_experiment_config(experiment)->answers[MU_HOW];
    float longer[3] = { 3, 0, -4 }, shorter[3] = { 1, 0.5f, -1 };
    const float as_it_was[3] = { 1, 0.5f, -1 };
    how.method->how->gradient(how.state, &(mu_step_view){ .gradient = longer, .count = 3 });
    how.method->how->gradient(how.state, &(mu_step_view){ .gradient = shorter, .count = 3 });
    assert_float_equal(longer[0], 1.2, 1e-6);
    assert_float_equal(longer[1], 0.0, 0.0);
    assert_float_equal(longer[2], -1.6, 1e-6);
    assert_memory_equal(shorter, as_it_was, sizeof shorter);
    mu_experiment_destroy(experiment);

    experiment = experiment_from("recipe: heterofl\nmodel: lenet5\ndata: {name: writers}\n"); /* the recipe's 0: none */
    how = mu_experiment_config(experiment)->answers[MU_HOW];
    float any[2] = { 300, 400 };
    how.method->how->gradient(how.state, &(mu_step_view){ .gradient = any, .count = 2 });
    assert_true(any[0] == 300.0f && any[1] == 400.0f);
    mu_experiment_destroy(experiment);
}

/* ---- a round ---- */

#define FEDERATION                                                                                                                        \
    "seed: 4\nmodel: {layers: [{conv: c, channels: 8, kernel: 5, stride: 3}, {batch_norm: n}, relu, flatten, {dense: fc}]}\n"            \
    "data: {name: writers, devices: 6, examples_per_device: 20, class_alpha: 0.3, test_examples: 20}\n"                                   \
    "fleet: {mix: {phone-low: 0.5, phone-high: 0.5}}\ntrain: {batch_size: 8, learning_rate: 0.1}\n"                                                  \
    "recipe: heterofl\n"

typedef struct device_source {
    const mu_data *data;
    uint32_t       device;
} device_source;

static void read_device(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const device_source *source = self;
    mu_data_read(source->data, source->device, indices, count, x, labels);
}

/* Sums over devices for each element, with rows of the classifier from those alone who have the class. */
static void one_round_by_hand(void **unused)
{
    (void)unused;
    mu_experiment *experiment = experiment_from(FEDERATION "rounds: 1\nwhat: {widths: [0.5, 1]}\nhow: {scaler: true, clip_norm: 1}\n"
                                                           "when: {cohort: 6}\nevaluate: {norm_statistics: trained}\n");
    const mu_federation_config *config = mu_experiment_config(experiment);
    size_t count = mu_model_state_count(config->model);
    float *start = malloc(count * sizeof *start), *delta = malloc(count * sizeof *delta), *sum = calloc(count, sizeof *sum);
    float *weights = calloc(count, sizeof *weights);
    bool *kept = malloc(mu_units_count(config->units));
    mu_trainer *trainer;
    mu_model_init(config->model, config->seed, start);
    assert_int_equal(mu_trainer_create(config->model, config->units, &trainer, NULL), MU_OK);
    uint32_t weak = 0, lacking = 0;
    for (uint32_t device = 0; device < 6; device++) {
        bool is_weak = mu_fleet_tier_of(config->fleet, device) == 0, has[10] = { false }, said[10];
        device_source source = { config->data, device };
        mu_examples examples = { &source, mu_data_num_examples(config->data, device), read_device };
        for (uint32_t i = 0; i < examples.count; i++) {
            float picture[28 * 28];
            int32_t label;
            mu_data_read(config->data, device, &i, 1, picture, &label);
            has[label] = true;
        }
        mu_units_keep_all(config->units, kept);
        for (uint32_t unit = 4; unit < 8; unit++)
            kept[unit] = !is_weak;
        mu_plan plan = { .learning_rate = 0.1, .kept = is_weak ? kept : NULL, .train = config->train };
        mu_local local = { .how = config->answers[MU_HOW].method->how, .state = config->answers[MU_HOW].state, .classes = said };
        mu_update update;
        assert_int_equal(mu_trainer_run(trainer, &plan, &examples, start, config->seed, device, &local, NULL, delta, &update, NULL), MU_OK);
        assert_memory_equal(update.classes, has, sizeof has);
        for (size_t t = 0; t < mu_model_tensor_count(config->model); t++) {
            const mu_tensor *tensor = mu_model_tensor(config->model, t);
            bool last = strncmp(tensor->name, "fc.", 3) == 0, rows_are_units = strcmp(tensor->name, "fc.weight") == 0;
            uint32_t columns = last ? 10 : 8;
            for (size_t i = 0; i < tensor->count; i++) {
                size_t unit = last ? i / 10 % 8 : i % columns; /* flattened, a pixel's channels lie side by side */
                bool trained = !is_weak || (last && !rows_are_units) || unit < 4;
                if (!trained || (last && !has[i % 10]))
                    continue;
                sum[tensor->offset + i] += (float)update.num_examples * delta[tensor->offset + i];
                weights[tensor->offset + i] += (float)update.num_examples;
            }
        }
        weak += is_weak;
        for (uint32_t c = 0; c < 10; c++)
            lacking += !has[c];
    }
    assert_true(weak == 3 && lacking > 5);

    mu_simulation *simulation;
    assert_int_equal(mu_simulation_create(experiment, &(mu_simulate_config){ .workers = 2 }, NULL, &simulation, NULL), MU_OK);
    assert_int_equal(mu_simulation_run(simulation, NULL), MU_OK);
    const float *state = mu_federation_state(mu_simulation_federation(simulation));
    for (size_t i = 0; i < count; i++)
        assert_float_equal(state[i], start[i] + (weights[i] > 0 ? sum[i] / weights[i] : 0), 1e-6);
    mu_simulation_destroy(simulation);
    mu_trainer_destroy(trainer);
    free(kept), free(weights), free(sum), free(delta), free(start);
    mu_experiment_destroy(experiment);
}

/* ---- updates that wait ---- */

static float *run(const char *more, const char *setting, const char *checkpoint_path, bool resume, uint32_t stop_after, size_t *count)
{
    char text[1200];
    snprintf(text, sizeof text, FEDERATION "evaluate: {tier_examples: 0, devices: 0}\n%s", more);
    mu_experiment *experiment = NULL;
    mu_error err = { 0 };
    if (experiment_try(text, setting, &experiment, &err))
        fail_msg("%s", err.message);
    float *state = run_in_pieces(experiment, checkpoint_path, resume, stop_after);
    *count = mu_model_state_count(mu_experiment_model(experiment));
    mu_experiment_destroy(experiment);
    return state;
}

/* Whether they are folded as they come or wait for others, and whether the run goes on in one piece; and the classes do matter. */
static void classes_survive_waiting_and_a_checkpoint(void **unused)
{
    (void)unused;
    static const char *const schedules[] = {
        "rounds: 6\nwhat: {widths: [0.3, 1], width_by: dynamic}\nwhen: {method: fedbuff, concurrency: 5, goal: 2}\n",
        "rounds: 6\nwhat: {widths: [0.3, 1], width_by: dynamic}\nwhen: {method: fedat, tiers: 2, cohort: 2}\n",
        "rounds: 4\nwhat: {widths: [0.3, 1], width_by: dynamic}\nwhen: {method: fedhisyn, cohort: 4, trainings_max: 1}\n",
    };
    char path[] = "/tmp/muster-heterofl-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < MU_COUNT(schedules); i++) {
        size_t count;
        float *undisturbed = run(schedules[i], NULL, NULL, false, 0, &count);
        float *all_classes = run(schedules[i], "merge.own_classes=no", NULL, false, 0, &count);
        assert_memory_not_equal(all_classes, undisturbed, count * sizeof *undisturbed);
        free(all_classes);
        for (uint32_t stop_after = 1; stop_after <= 3; stop_after++) {
            free(run(schedules[i], NULL, path, false, stop_after, &count));
            float *resumed = run(schedules[i], NULL, path, true, 0, &count);
            assert_memory_equal(resumed, undisturbed, count * sizeof *resumed);
            free(resumed);
        }
        free(undisturbed);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_come_by_their_shares),
        cmocka_unit_test(shares_that_fit_nothing_are_refused),
        cmocka_unit_test(gradients_are_clipped),
        cmocka_unit_test(one_round_by_hand),
        cmocka_unit_test(classes_survive_waiting_and_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
