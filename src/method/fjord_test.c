/* FjORD: what is drawn, what comes out, whose change counts where; and one step of a device, which is that of the narrow network by itself. */
#include "fl/experiment_support.h"
#include "fl/federation_internal.h"
#include "method/method_registry.h"
#include "method/test_federation.h"
#include "method/test_width.h"

#include <math.h>

static const char *with_options(const char *options)
{
    static char text[512];
    snprintf(text, sizeof text, "what: {method: fjord%s}\nhow: {method: fjord}\nmerge: {method: fjord}\n", options);
    return text;
}

/* An experiment and its federation, of which nothing is run. */
typedef struct fixture {
    mu_experiment   *experiment;
    mu_federation   *federation;
    mu_control      *control;
    const mu_federation_config *config;
    const mu_model  *model;
    const mu_units  *units;
    void            *state;
    size_t           params, count, units_count;
} fixture;

static fixture fixture_create(const char *yaml, const char *options)
{
    char text[2048];
    snprintf(text, sizeof text, "%s%s", yaml, with_options(options));
    fixture f = { .experiment = experiment_from(text) };
    mu_error err = { 0 };
    f.config = mu_experiment_config(f.experiment);
    if (mu_federation_create(f.config, &(mu_carrier){ 0 }, NULL, &f.federation, &err))
        fail_msg("%s", err.message);
    f.control = &f.federation->control;
    f.model = f.config->model;
    f.units = f.config->units;
    f.state = f.config->answers[MU_MERGE].state;
    assert_ptr_equal(f.state, f.config->answers[MU_HOW].state);
    f.params = mu_model_param_count(f.model);
    f.count = mu_model_state_count(f.model);
    f.units_count = mu_units_count(f.units);
    return f;
}

static void fixture_release(fixture *f)
{
    mu_federation_destroy(f->federation);
    mu_experiment_destroy(f->experiment);
}

/* The part with this number; to be freed. */
static mu_usable usable(const fixture *f, uint32_t index)
{
    mu_usable part = { .kept = zeroed(f->units_count, sizeof(bool)) };
    mu_units_keep_all(f->units, part.kept);
    assert_true(mu_method_fjord.what->usable(f->state, f->units, index, &part));
    return part;
}

/* ---- what comes out ---- */

/* Widest first, each with a set of its own, each within the one before; as many as there are widths that differ. */
static void all_widths_come_out(void **unused)
{
    (void)unused;
    fixture f = fixture_create("model: lenet5\ndata: {name: writers, devices: 2}\n", ", widths: [0.2, 0.2, 0.4, 0.7, 0.7, 0.7]");
    static const double   widths[] = { 0.7, 0.4, 0.2 };
    static const uint32_t counts[][4] = { { 5, 12, 84, 59 }, { 3, 7, 48, 34 }, { 2, 4, 24, 17 } }; /* of 6, 16, 120, 84 */
    net n = { .units = (mu_units *)(uintptr_t)f.units };
    assert_int_equal(mu_model_statistic_sets(f.model), 3);
    assert_int_equal(mu_method_fjord.what->statistic_sets(f.state), 3);
    for (uint32_t i = 0; i < 3; i++) {
        mu_usable part = usable(&f, i);
        assert_true(part.width == widths[i] && part.statistics == i);
        for (size_t g = 0; g < 4; g++) {
            const mu_unit_group *group = mu_units_group(f.units, g);
            assert_int_equal(kept_of(&n, g, part.kept), counts[i][g]);
            for (uint32_t u = 0; u < group->count; u++)
                assert_true(part.kept[group->first + u] == (u < counts[i][g]));
        }
        free(part.kept);
    }
    mu_usable none = { .kept = zeroed(f.units_count, sizeof(bool)) };
    assert_false(mu_method_fjord.what->usable(f.state, f.units, 3, &none));
    free(none.kept);
    fixture_release(&f);
}

/* ---- what is drawn ---- */

enum { DRAWS = 6000 };

/* A device that holds 0.7 draws 0.7, 0.4 and 0.2 alike and never 1; numbers and flags say the same, and so does asking again. */
static void widths_are_drawn_alike(void **unused)
{
    (void)unused;
    fixture f = fixture_create("model: lenet5\ndata: {name: writers, devices: 2}\n", ", widths: [0.2, 0.4, 0.7, 1]");
    mu_usable parts[4] = { usable(&f, 0), usable(&f, 1), usable(&f, 2), usable(&f, 3) };
    net n = { .units = (mu_units *)(uintptr_t)f.units };
    uint32_t counts[4], again[4], drawn[4] = { 0 }, same_as_other = 0;
    bool *kept = zeroed(f.units_count, sizeof *kept);
    for (uint32_t step = 0; step < DRAWS; step++) {
        mu_plan plan = { .kept = parts[1].kept, .ordinal = step % 7 };
        mu_choice choice = { .units = f.units, .plan = &plan, .seed = 3, .device = 5, .step = step / 7, .afford_macs = INFINITY,
                             .counts = counts, .kept = kept };
        mu_method_fjord.how->choose(f.state, &choice);
        assert_in_range(choice.statistics, 1, 3);
        assert_int_equal(choice.plan_statistics, 1);
        drawn[choice.statistics]++;
        assert_memory_equal(kept, parts[choice.statistics].kept, f.units_count * sizeof *kept);
        for (size_t g = 0; g < 4; g++)
            assert_int_equal(counts[g], kept_of(&n, g, kept));
        mu_choice numbers = choice;
        numbers.kept = NULL;
        numbers.counts = again;
        mu_method_fjord.how->choose(f.state, &numbers);
        assert_memory_equal(again, counts, sizeof counts);
        assert_int_equal(numbers.statistics, choice.statistics);
        numbers.device = 6;
        mu_method_fjord.how->choose(f.state, &numbers);
        same_as_other += numbers.statistics == choice.statistics;
    }
    for (int k = 1; k < 4; k++)
        assert_in_range(drawn[k], DRAWS / 3 - 150, DRAWS / 3 + 150); /* four standard deviations */
    assert_in_range(same_as_other, DRAWS / 3 - 150, DRAWS / 3 + 150); /* devices draw for themselves */
    for (int k = 0; k < 4; k++)
        free(parts[k].kept);
    free(kept);
    fixture_release(&f);
}

/* Multiply-accumulates of a task of many mini-batches, of those that it would have without widths. A mini-batch that draws the widest has nobody to
 * teach: with a teacher, its one pass is counted twice here, as the others' two are. */
static double share_of_work(const char *options, bool teaches)
{
    fixture f = fixture_create("model: resnet18\ndata: {name: writers, devices: 2, examples_per_device: 500, test_examples: 10}\n"
                               "train: {local_epochs: 10, batch_size: 1}\nfleet: {mix: {workstation: 1}}\n", options);
    mu_task task = { 0 };
    mu_error err = { 0 };
    if (mu_control_price(f.control, 0, &task, &err))
        fail_msg("%s", err.message);
    mu_cost cost = mu_model_cost(f.model, 1);
    uint32_t examples = mu_control_num_examples(f.control, 0), steps = mu_plan_steps(&task.plan, examples), counts[256];
    assert_true(steps > 2000 && mu_units_group_count(f.units) < MU_COUNT(counts));
    const double whole_macs = (double)(cost.macs_forward + cost.macs_backward) * (double)mu_plan_samples(&task.plan, examples);
    double share = (double)task.work.macs[MU_PRECISION_FP32] / whole_macs;
    uint32_t whole = 0;
    for (uint32_t step = 0; step < steps; step++) {
        mu_choice choice = { .units = f.units, .plan = &task.plan, .seed = f.config->seed, .step = step, .counts = counts };
        mu_method_fjord.how->choose(f.state, &choice);
        whole += choice.statistics == 0;
    }
    fixture_release(&f);
    return teaches ? share + (double)whole / steps : share;
}

/* Five widths alike: (23.1 + 91.1 + 203.0 + 360.4 + 555.4) / 5 of 555.4 million multiply-accumulates are 44 %; and with a teacher 1 more. */
static void the_work_is_the_mean_over_widths(void **unused)
{
    (void)unused;
    double plain = share_of_work("", false), taught = share_of_work(", distillation: true", true);
    assert_float_equal(plain, 0.444, 0.01);
    assert_float_equal(taught, 1 + plain, 1e-9);
}

/* ---- a step ---- */

typedef struct source {
    const mu_data *data;
    uint32_t       device;
} source;

static void read_device(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const source *from = self;
    mu_data_read(from->data, from->device, indices, count, x, labels);
}

/* One step of device 1, as this plan has it. */
static void step_once(const fixture *f, const mu_model *model, const mu_units *units, const mu_plan *plan, const mu_local *local,
                      const float *start, float *delta)
{
    source from = { f->config->data, 1 };
    mu_examples examples = { &from, mu_data_num_examples(from.data, 1), read_device };
    mu_trainer *trainer;
    mu_update update;
    mu_error err = { 0 };
    assert_int_equal(mu_trainer_create(model, units, &trainer, NULL), MU_OK);
    if (mu_trainer_run(trainer, plan, &examples, start, f->config->seed, 1, local, NULL, delta, &update, &err))
        fail_msg("%s", err.message);
    assert_int_equal(update.steps, 1);
    mu_trainer_destroy(trainer);
}

/* What a network with the drawn width changes in one step, at its places; its statistics in the set of that width. */
static void step_of_width(fixture *f, const bool *kept, uint32_t set, mu_plan plan, const float *start, float *expected)
{
    const mu_submodel *part = mu_control_part(f->control, kept);
    const mu_model *small = mu_submodel_model(part);
    const size_t params = mu_model_param_count(small), count = mu_model_state_count(small), floats = (count - params) / 3;
    float *small_start = zeroed(count, sizeof *small_start), *delta = zeroed(count, sizeof *delta);
    mu_submodel_gather(part, MU_EXTENT_STATE, start, small_start);
    plan.kept = NULL;
    step_once(f, small, NULL, &plan, NULL, small_start, delta);
    assert_true(floats > 0 && delta[params] != 0);
    memmove(delta + params + set * floats, delta + params, floats * sizeof *delta); /* a plain training's are set 0 */
    if (set)
        memset(delta + params, 0, floats * sizeof *delta);
    memset(expected, 0, f->count * sizeof *expected);
    mu_submodel_scatter(part, MU_EXTENT_STATE, delta, expected);
    free(small_start);
    free(delta);
}

/* A device that holds 0.8: nothing changes but what the drawn width has, and that as if there were nothing else, to the bit. Momentum and
 * weight decay too are of that part alone. */
static void a_step_is_that_of_the_width(void **unused)
{
    (void)unused;
    fixture f = fixture_create("model: {layers: [{conv: a, channels: 9, kernel: 5, stride: 2}, {batch_norm: n}, relu, {max_pool: p, size: 2}, "
                               "flatten, {dense: b, units: 11}, {batch_norm: m}, relu, {dense: c}]}\n"
                               "data: {name: writers, devices: 2, examples_per_device: 20, test_examples: 10}\n"
                               "train: {batch_size: 10, max_steps: 1, learning_rate: 0.1, momentum: 0.5, weight_decay: 0.01}\n",
                               ", widths: [0.4, 0.8, 1]");
    mu_usable held = usable(&f, 1);
    float *start = zeroed(f.count, sizeof *start), *delta = zeroed(f.count, sizeof *delta), *expected = zeroed(f.count, sizeof *expected);
    const mu_local local = { .how = mu_method_fjord.how, .state = f.state };
    uint32_t seen[3] = { 0 };
    mu_model_init(f.model, 3, start);
    for (uint32_t ordinal = 0; ordinal < 6; ordinal++) {
        mu_plan plan = { .kept = held.kept, .ordinal = ordinal, .learning_rate = 0.1, .train = f.config->train };
        uint32_t counts[8];
        mu_choice choice = { .units = f.units, .plan = &plan, .seed = f.config->seed, .device = 1, .counts = counts };
        mu_method_fjord.how->choose(f.state, &choice);
        mu_usable drawn = usable(&f, choice.statistics);
        step_once(&f, f.model, f.units, &plan, &local, start, delta);
        step_of_width(&f, drawn.kept, choice.statistics, plan, start, expected);
        assert_memory_equal(delta, expected, f.count * sizeof *delta);
        seen[choice.statistics]++;
        free(drawn.kept);
    }
    assert_true(seen[0] == 0 && seen[1] > 0 && seen[2] > 0);
    free(held.kept);
    free(start);
    free(delta);
    free(expected);
    fixture_release(&f);
}

/* ---- merge ---- */

static const char normed[] = "model: {layers: [{average_pool: pool, size: 14}, flatten, {dense: a, units: 5}, {batch_norm: n}, relu, {dense: b, "
                             "units: 4}, {dense: c}]}\ndata: {name: writers, devices: 2}\n";

/* 1 for elements that the part has. */
static float *marks_of(fixture *f, const bool *kept)
{
    const mu_submodel *part = mu_control_part(f->control, kept);
    size_t count = mu_model_state_count(mu_submodel_model(part));
    float *ones = zeroed(count, sizeof *ones), *marks = zeroed(f->count, sizeof *marks);
    for (size_t i = 0; i < count; i++)
        ones[i] = 1;
    mu_submodel_scatter(part, MU_EXTENT_STATE, ones, marks);
    free(ones);
    return marks;
}

static void fold(fixture *f, const bool *kept, const float *marks, float adds, uint32_t num_examples)
{
    float *delta = zeroed(f->count, sizeof *delta);
    for (size_t i = 0; i < f->count; i++)
        delta[i] = adds * marks[i];
    mu_update update = { .delta = delta, .kept = kept, .count = f->count, .num_examples = num_examples };
    mu_task task = { .plan = { .version = mu_control_version(f->control) } };
    mu_error err = { 0 };
    if (mu_method_fjord.merge->fold(f->control, f->state, &task, &update, &err))
        fail_msg("%s", err.message);
    free(delta);
}

/* P = {0.5, 1}. A trains up to 0.5 on 100 examples and adds 4, B all on 300 and adds 8: what A has becomes (100 * 4 + 300 * 8) / 400 = 7, the ring
 * around it 8. The statistics of width 1 are B's alone, also of channels that A has. Then A alone: the ring, and the statistics of width
 * 1, stay as they are. */
static void rings_are_means_over_those_who_could(void **unused)
{
    (void)unused;
    fixture f = fixture_create(normed, ", widths: [0.5, 1]");
    mu_usable a = usable(&f, 1);
    float *of_a = marks_of(&f, a.kept), *of_b = marks_of(&f, NULL), *model = zeroed(f.count, sizeof *model);
    const size_t set = (f.count - f.params) / 2;
    size_t ring = 0;
    assert_int_equal(set, 2 * 5);
    fold(&f, a.kept, of_a, 4, 100);
    fold(&f, NULL, of_b, 8, 300);
    assert_int_equal(mu_method_fjord.merge->finish(f.control, f.state, model, NULL), MU_OK);
    for (size_t i = 0; i < f.count; i++) {
        bool alone = of_a[i] == 0 || (i >= f.params && i < f.params + set);
        ring += of_a[i] == 0;
        assert_true(model[i] == (alone ? 8 : 7));
    }
    assert_true(ring > 0 && ring < f.count);
    fold(&f, a.kept, of_a, 3, 100);
    assert_int_equal(mu_method_fjord.merge->finish(f.control, f.state, model, NULL), MU_OK);
    for (size_t i = 0; i < f.count; i++) {
        bool stays = of_a[i] == 0 || (i >= f.params && i < f.params + set);
        assert_true(model[i] == (stays ? 8 : 10));
    }
    free(a.kept);
    free(of_a);
    free(of_b);
    free(model);
    fixture_release(&f);
}

/* ---- settings ---- */

static void expect_refused(const char *more, const char *words)
{
    mu_error err = { 0 };
    if (test_federation_try(more, &err) != MU_E_CONFIG || !strstr(err.message, words))
        fail_msg("'%s'; expected '%s'", err.message, words);
}

static void what_does_not_go_together(void **unused)
{
    (void)unused;
    expect_refused("how: {method: fjord}\n", "it has to answer 'what', 'how' and 'merge', but they are 'fedavg', 'fjord' and 'fedavg'");
    expect_refused("what: {method: fjord}\nhow: {method: fjord}\nmerge: {method: elementwise}\n", "but they are 'fjord', 'fjord' and 'elementwise'");
    expect_refused(with_options(", widths: [0.5, 0.25]"), "widths go from the narrowest to the widest, but 0.25 stands behind 0.5");
    expect_refused(with_options(", widths: []"), "widths is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_widths_come_out),
        cmocka_unit_test(widths_are_drawn_alike),
        cmocka_unit_test(the_work_is_the_mean_over_widths),
        cmocka_unit_test(a_step_is_that_of_the_width),
        cmocka_unit_test(rings_are_means_over_those_who_could),
        cmocka_unit_test(what_does_not_go_together),
    };
    return cmocka_run_group_tests_name("fjord", tests, NULL, NULL);
}
