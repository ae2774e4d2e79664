/* Plans that keep a part of the model: what the trainer makes of one, how parts are merged, and that a run with them goes on as if nothing had been. */
#include "fl/experiment_support.h"
#include "muster/federation.h"
#include "sim/run_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define FEDERATION                                                                                                                              \
    "seed: 4\nmodel: lenet5\ndata: {name: writers, devices: 6, examples_per_device: 20, test_examples: 20}\n"                               \
    "fleet: {mix: {phone-low: 0.5, phone-high: 0.5}}\ntrain: {batch_size: 8, learning_rate: 0.1}\nevaluate: {tier_examples: 0, devices: 0}\n"

typedef struct setup {
    mu_experiment   *experiment;
    const mu_model  *model;
    const mu_data   *data;
    const mu_units  *units;
    size_t           state_count;
    float           *start;
} setup;

static setup setup_create(const char *more)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s", FEDERATION, more);
    setup s = { .experiment = experiment_from(text) };
    const mu_federation_config *config = mu_experiment_config(s.experiment);
    s.model = config->model;
    s.data = config->data;
    s.units = config->units;
    s.state_count = mu_model_state_count(s.model);
    s.start = malloc(s.state_count * sizeof *s.start);
    assert_non_null(s.start);
    mu_model_init(s.model, config->seed, s.start);
    return s;
}

static void setup_release(setup *s)
{
    free(s->start);
    mu_experiment_destroy(s->experiment);
}

static void keep_width(const mu_units *units, double width, bool *kept)
{
    mu_units_keep_all(units, kept);
    for (size_t group = 0; group < mu_units_group_count(units); group++)
        mu_units_keep_first(units, group, mu_units_of_width(units, group, width), kept);
}

typedef struct device_source {
    const mu_data *data;
    uint32_t       device;
} device_source;

static void read_device(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const device_source *source = self;
    mu_data_read(source->data, source->device, indices, count, x, labels);
}

static mu_update train(const setup *s, mu_trainer *trainer, const bool *kept, uint32_t device, const float *start, float *delta)
{
    const mu_federation_config *config = mu_experiment_config(s->experiment);
    device_source source = { s->data, device };
    mu_examples examples = { &source, mu_data_num_examples(s->data, device), read_device };
    mu_plan plan = { .learning_rate = config->train.learning_rate, .kept = kept, .train = config->train };
    mu_update update;
    mu_error err = { 0 };
    if (mu_trainer_run(trainer, &plan, &examples, start, config->seed, device, NULL, NULL, delta, &update, &err))
        fail_msg("%s", err.message);
    return update;
}

static mu_submodel *submodel_create(const mu_units *units, unsigned char **memory)
{
    mu_arena arena = mu_arena_measuring();
    mu_submodel *submodel = NULL;
    assert_int_equal(mu_submodel_plan(units, &arena, &submodel, NULL), MU_OK);
    size_t size_bytes = arena.used_bytes;
    *memory = mu_arena_block(size_bytes);
    assert_non_null(*memory);
    arena = mu_arena_over(*memory, size_bytes);
    assert_int_equal(mu_submodel_plan(units, &arena, &submodel, NULL), MU_OK);
    return submodel;
}

/* A plan with a part trains what a trainer of the small model trains, to the bit, and leaves the rest alone; between whole plans too. */
static void a_part_is_trained_as_the_small_model(void **unused)
{
    (void)unused;
    setup s = setup_create("");
    bool *kept = malloc(mu_units_count(s.units));
    keep_width(s.units, 0.4, kept);
    unsigned char *memory;
    mu_submodel *submodel = submodel_create(s.units, &memory);
    assert_int_equal(mu_submodel_form(submodel, kept, NULL), MU_OK);
    const mu_model *small = mu_submodel_model(submodel);
    size_t small_count = mu_model_state_count(small);
    float *small_start = malloc(small_count * sizeof *small_start), *small_delta = malloc(small_count * sizeof *small_delta);
    float *delta = malloc(s.state_count * sizeof *delta), *expected = calloc(s.state_count, sizeof *expected);
    float *whole[2] = { malloc(s.state_count * sizeof(float)), malloc(s.state_count * sizeof(float)) };
    mu_trainer *trainer, *narrow;
    assert_int_equal(mu_trainer_create(s.model, s.units, &trainer, NULL), MU_OK);
    assert_int_equal(mu_trainer_create(small, NULL, &narrow, NULL), MU_OK);

    train(&s, trainer, NULL, 3, s.start, whole[0]);
    mu_update update = train(&s, trainer, kept, 3, s.start, delta);
    train(&s, trainer, NULL, 3, s.start, whole[1]);
    assert_memory_equal(whole[0], whole[1], s.state_count * sizeof(float));

    mu_submodel_gather(submodel, MU_EXTENT_STATE, s.start, small_start);
    mu_update by_small = train(&s, narrow, NULL, 3, small_start, small_delta);
    mu_submodel_scatter(submodel, MU_EXTENT_STATE, small_delta, expected);
    assert_memory_equal(delta, expected, s.state_count * sizeof *delta);
    assert_true(update.count == s.state_count && update.kept == kept && update.start == s.start);
    assert_true(update.train_loss == by_small.train_loss && update.train_loss > 0.0);
    assert_true(small_count < s.state_count / 3);
    mu_trainer_destroy(narrow);
    mu_trainer_destroy(trainer);
    mu_arena_block_free(memory);
    free(whole[0]), free(whole[1]), free(expected), free(delta), free(small_delta), free(small_start), free(kept);
    setup_release(&s);
}

/* One round of all six devices, weak ones with 0.4 of the width: every element is the mean over those who trained it. */
static void parts_are_merged_by_element(void **unused)
{
    (void)unused;
    setup s = setup_create("rounds: 1\nrecipe: heterofl\nwhat: {widths: [0.4, 1]}\nhow: {method: fedavg}\nwhen: {cohort: 6}\n");
    mu_simulation *simulation = NULL;
    assert_int_equal(mu_simulation_create(s.experiment, &(mu_simulate_config){ .workers = 2 }, NULL, &simulation, NULL), MU_OK);
    assert_int_equal(mu_simulation_run(simulation, NULL), MU_OK);
    const float *state = mu_federation_state(mu_simulation_federation(simulation));

    const mu_fleet *fleet = mu_experiment_fleet(s.experiment);
    bool *kept = malloc(mu_units_count(s.units));
    keep_width(s.units, 0.4, kept);
    unsigned char *memory;
    mu_submodel *submodel = submodel_create(s.units, &memory);
    assert_int_equal(mu_submodel_form(submodel, kept, NULL), MU_OK);
    float *sum = calloc(s.state_count, sizeof *sum), *weights = calloc(s.state_count, sizeof *weights);
    float *delta = malloc(s.state_count * sizeof *delta), *ones = malloc(s.state_count * sizeof *ones);
    mu_trainer *trainer;
    assert_int_equal(mu_trainer_create(s.model, s.units, &trainer, NULL), MU_OK);
    uint32_t weak = 0;
    for (uint32_t device = 0; device < 6; device++) {
        bool is_weak = mu_fleet_tier_of(fleet, device) == 0;
        mu_update update = train(&s, trainer, is_weak ? kept : NULL, device, s.start, delta);
        for (size_t i = 0; i < s.state_count; i++) {
            sum[i] += (float)update.num_examples * delta[i];
            ones[i] = 1.0f;
        }
        if (is_weak)
            mu_submodel_add(submodel, MU_EXTENT_STATE, (float)update.num_examples, ones, weights);
        else
            for (size_t i = 0; i < s.state_count; i++)
                weights[i] += (float)update.num_examples;
        weak += is_weak;
    }
    assert_int_equal(weak, 3);
    for (size_t i = 0; i < s.state_count; i++)
        assert_float_equal(state[i], s.start[i] + sum[i] / weights[i], 1e-6);
    mu_trainer_destroy(trainer);
    mu_arena_block_free(memory);
    free(ones), free(delta), free(weights), free(sum), free(kept);
    mu_simulation_destroy(simulation);
    setup_release(&s);
}

/* ---- which units a plan keeps, as each method says ---- */

typedef struct looker {
    const setup *setup;
    const char  *recipe;
    uint32_t     seen, weak;
} looker;

static mu_status look_at_plan(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    looker *l = self;
    const mu_plan *plan = &report->task->plan;
    if (report->happening != MU_HAPPENED_SENT)
        return MU_OK;
    l->seen++;
    if (mu_fleet_tier_of(mu_experiment_fleet(l->setup->experiment), report->task->device) != 0) {
        assert_null(plan->kept); /* the strong ones train everything */
        return MU_OK;
    }
    l->weak++;
    assert_non_null(plan->kept);
    for (size_t g = 0; g < mu_units_group_count(l->setup->units); g++) {
        const mu_unit_group *group = mu_units_group(l->setup->units, g);
        bool up = strcmp(l->recipe, "heterofl") == 0, rolls = strcmp(l->recipe, "fedrolex") == 0;
        uint32_t half = (group->count + (up ? 1 : 0)) / 2, count = 0;
        for (uint32_t i = 0; i < group->count; i++) {
            count += plan->kept[group->first + i];
            uint32_t from_window = (i + group->count - (rolls ? plan->version % group->count : 0)) % group->count;
            if (up || rolls)
                assert_int_equal(plan->kept[group->first + i], from_window < half);
        }
        assert_int_equal(count, half);
    }
    return MU_OK;
}

static void plans_keep_what_their_method_says(void **unused)
{
    (void)unused;
    static const char *const recipes[] = { "heterofl", "fedrolex", "federated-dropout" };
    for (size_t i = 0; i < MU_COUNT(recipes); i++) {
        char more[200];
        snprintf(more, sizeof more, "rounds: 9\nrecipe: %s\nwhat: {widths: [0.5, 1]}\nwhen: {cohort: 4}\n", recipes[i]);
        setup s = setup_create(more);
        looker l = { &s, recipes[i], 0, 0 };
        mu_observer observer = { .self = &l, .event = look_at_plan };
        mu_simulation *simulation = NULL;
        assert_int_equal(mu_simulation_create(s.experiment, &(mu_simulate_config){ .workers = 2 }, &observer, &simulation, NULL), MU_OK);
        assert_int_equal(mu_simulation_run(simulation, NULL), MU_OK);
        assert_true(l.weak > 5 && l.seen > l.weak);
        mu_simulation_destroy(simulation);
        setup_release(&s);
    }
}

static float *run(const char *more, const char *checkpoint_path, bool resume, uint32_t stop_after)
{
    setup s = setup_create(more);
    float *state = run_in_pieces(s.experiment, checkpoint_path, resume, stop_after);
    setup_release(&s);
    return state;
}

/* In rings of two trainings and more every update holds the work of several parts: each counts everywhere, as in the plain mean. */
static void work_of_several_parts_counts_everywhere(void **unused)
{
    (void)unused;
#define RINGS "rounds: 1\nrecipe: heterofl\nwhat: {widths: [0.3, 1]}\nwhen: {method: fedhisyn, cohort: 4, interval: 2, trainings_max: 3}\n"
    float *by_element = run(RINGS "merge: {method: elementwise, weight_by: nothing}\n", NULL, false, 0);
    float *plain = run(RINGS "merge: {method: fedavg, weight_by: nothing}\n", NULL, false, 0);
    for (size_t i = 0; i < 61706; i++)
        assert_float_equal(by_element[i], plain[i], 1e-6);
    free(plain);
    free(by_element);
}

/* Parts under way and parts that are held come back from a checkpoint. */
static void parts_survive_a_checkpoint(void **unused)
{
    (void)unused;
    static const char *const schedules[] = {
        "rounds: 6\nrecipe: heterofl\nwhat: {widths: [0.3, 0.6], width_by: dynamic}\nwhen: {method: fedbuff, concurrency: 5, goal: 2}\n",
        "rounds: 6\nrecipe: heterofl\nwhat: {widths: [0.3, 0.6], width_by: dynamic}\nwhen: {method: fedat, tiers: 2, cohort: 2}\n",
        "rounds: 4\nrecipe: heterofl\nwhat: {widths: [0.3, 0.6], width_by: dynamic}\nwhen: {method: fedhisyn, cohort: 4, trainings_max: 3}\n",
    };
    char path[] = "/tmp/muster-parts-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < MU_COUNT(schedules); i++) {
        float *undisturbed = run(schedules[i], NULL, false, 0);
        for (uint32_t stop_after = 1; stop_after <= 3; stop_after++) {
            free(run(schedules[i], path, false, stop_after));
            float *resumed = run(schedules[i], path, true, 0);
            size_t count = 61706;
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
        cmocka_unit_test(a_part_is_trained_as_the_small_model),
        cmocka_unit_test(parts_are_merged_by_element),
        cmocka_unit_test(plans_keep_what_their_method_says),
        cmocka_unit_test(work_of_several_parts_counts_everywhere),
        cmocka_unit_test(parts_survive_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
