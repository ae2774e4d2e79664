/* Parts of the model that are used by themselves: each is evaluated as the small network that it is, the run is judged by the first one, and `small` is
 * FedAvg of that network. */
#include "fl/usable.h"
#include "method/device_width.h"
#include "sim/run_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FEDERATION                                                                                                            \
    "seed: 4\nrounds: 2\ndata: {name: writers, devices: 8, examples_per_device: 20, test_examples: 120}\n"                   \
    "fleet: {mix: {phone-low: 0.5, phone-high: 0.5}}\ntrain: {batch_size: 8, learning_rate: 0.1}\nwhen: {cohort: 4}\n"       \
    "evaluate: {tier_examples: 30, devices: 5}\n"

/* With batch norm, whose statistics have to be those of the part. */
static const char normed[] = "model: {layers: [{conv: a, channels: 6, kernel: 3, stride: 2}, {batch_norm: n}, relu, {conv: b, channels: 8, kernel: 3, "
                             "stride: 2}, {batch_norm: m}, relu, flatten, {dense: f, units: 12}, relu, {dense: g}]}\n";

/* ---- a run, and what it told of its widths ---- */

enum { WIDTHS_MAX = 8 };

typedef struct told {
    mu_round_report last;
    mu_width_report widths[WIDTHS_MAX];
    uint64_t        bytes_down, bytes_up, macs, peak_memory_bytes; /* of a task */
    uint32_t        evaluated;
    mu_evaluation   device; /* the first that was looked at at the end */
    uint32_t        device_number;
} told;

static mu_status on_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    told *t = self;
    t->last = *report;
    t->evaluated += report->evaluated;
    assert_true(report->width_count <= WIDTHS_MAX);
    for (uint32_t i = 0; i < report->width_count; i++)
        t->widths[i] = report->widths[i];
    return MU_OK;
}

static mu_status on_event(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    told *t = self;
    if (report->happening != MU_HAPPENED_SENT)
        return MU_OK;
    t->bytes_down = report->task->work.bytes_down;
    t->bytes_up = report->task->work.bytes_up;
    t->macs = report->task->work.macs[MU_PRECISION_FP32];
    t->peak_memory_bytes = report->task->work.peak_memory_bytes;
    return MU_OK;
}

typedef struct world {
    mu_experiment *experiment;
    mu_simulation *simulation;
    told           told;
} world;

static const mu_federation_config *config_of(const world *w)
{
    return mu_experiment_config(w->experiment);
}

static world run_from(const char *yaml, uint32_t workers)
{
    world w = { 0 };
    mu_error err = { 0 };
    char path[64];
    write_text(yaml, path);
    if (mu_experiment_load(path, NULL, NULL, 0, &w.experiment, &err))
        fail_msg("%s", err.message);
    unlink(path);
    const mu_observer observer = { .self = &w.told, .round = on_round, .event = on_event };
    const mu_simulate_config config = { .workers = workers };
    uint32_t *devices = NULL, count = 0;
    mu_evaluation *each = NULL;
    if (mu_simulation_create(w.experiment, &config, &observer, &w.simulation, &err) || mu_simulation_run(w.simulation, &err) ||
        mu_federation_look_at_devices(mu_simulation_federation(w.simulation), &devices, &each, &count, &err))
        fail_msg("%s", err.message);
    assert_true(count > 0);
    w.told.device = each[0];
    w.told.device_number = devices[0];
    free(each);
    free(devices);
    return w;
}

static world run(const char *more, uint32_t workers)
{
    char yaml[2048];
    snprintf(yaml, sizeof yaml, "%s%s", FEDERATION, more);
    return run_from(yaml, workers);
}

static void world_release(world *w)
{
    mu_simulation_destroy(w->simulation);
    mu_experiment_destroy(w->experiment);
}

/* ---- a part as a network of its own ---- */

typedef struct small_network {
    void        *block;
    mu_extracted extracted;
} small_network;

static small_network extract(const world *w, double width, uint32_t statistics, const float *state)
{
    const mu_units *units = config_of(w)->units;
    small_network s = { 0 };
    mu_submodel *part;
    mu_error err = { 0 };
    mu_arena arena = mu_arena_measuring();
    assert_int_equal(mu_submodel_plan(units, &arena, &part, &err), MU_OK);
    s.block = mu_arena_block(arena.used_bytes);
    arena = mu_arena_over(s.block, arena.used_bytes);
    assert_int_equal(mu_submodel_plan(units, &arena, &part, &err), MU_OK);
    bool *kept = calloc(mu_units_count(units) + 1, sizeof *kept);
    mu_units_keep_all(units, kept);
    mu_width_prefix(units, width, kept);
    assert_int_equal(mu_submodel_form(part, kept, &err), MU_OK);
    if (mu_submodel_extract(part, statistics, state, &s.extracted, &err))
        fail_msg("%s", err.message);
    free(kept);
    return s;
}

static void small_release(small_network *s)
{
    mu_extracted_release(&s->extracted);
    mu_arena_block_free(s->block);
}

static void read_test(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    mu_data_read_test(self, indices[0], count, x, labels);
}

typedef struct own_examples {
    const mu_data *data;
    uint32_t       device;
} own_examples;

static void read_own(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const own_examples *own = self;
    mu_data_read(own->data, own->device, indices, count, x, labels);
}

static mu_evaluation evaluate(const small_network *s, mu_examples examples, uint32_t count)
{
    mu_trainer *trainer;
    mu_evaluation result;
    mu_error err = { 0 };
    if (mu_trainer_create(s->extracted.model, NULL, &trainer, &err) ||
        mu_trainer_evaluate(trainer, &examples, 0, count, s->extracted.state, &result, &err))
        fail_msg("%s", err.message);
    mu_trainer_destroy(trainer);
    return result;
}

static void check_width(const world *w, const mu_width_report *report, uint32_t statistics)
{
    small_network s = extract(w, report->width, statistics, mu_federation_state(mu_simulation_federation(w->simulation)));
    const mu_data *data = mu_experiment_data(w->experiment);
    mu_evaluation own = evaluate(&s, (mu_examples){ .self = data, .count = 120, .read = read_test }, 120);
    assert_int_equal(own.count, 120);
    assert_true(report->accuracy == (double)own.correct / 120);
    assert_true(report->loss == own.loss_sum / 120);
    assert_int_equal(report->parameters, mu_model_param_count(s.extracted.model));
    assert_int_equal(report->macs, mu_model_macs_forward(s.extracted.model, 1));
    small_release(&s);
}

/* ---- the tests ---- */

static void each_width_is_the_network_that_it_is(void **unused)
{
    (void)unused;
    char more[512];
    snprintf(more, sizeof more, "%swhat: {method: heterofl, widths: [0.3, 0.5, 1]}\nmerge: {method: elementwise}\n", normed);
    world w = run(more, 1), three = run(more, 3);
    assert_int_equal(w.told.evaluated, 3);
    assert_int_equal(w.told.last.width_count, 3);
    static const double widths[] = { 1, 0.5, 0.3 };
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(w.told.widths[i].width == widths[i]);
        check_width(&w, &w.told.widths[i], 0);
        assert_memory_equal(&w.told.widths[i], &three.told.widths[i], sizeof three.told.widths[i]);
    }
    assert_true(w.told.widths[0].loss != w.told.widths[1].loss && w.told.widths[1].loss != w.told.widths[2].loss);
    assert_true(w.told.last.accuracy == w.told.widths[0].accuracy && w.told.last.loss == w.told.widths[0].loss);
    const mu_totals *totals = mu_federation_totals(mu_simulation_federation(w.simulation));
    assert_int_equal(totals->width_count, 3);
    assert_true(totals->widths[2].accuracy == w.told.widths[2].accuracy);
    world_release(&three);
    world_release(&w);
}

/* Where nothing is as wide as the model, the widest that is there counts: units that nobody trains are not part of it. */
static void the_run_is_judged_by_the_first_part(void **unused)
{
    (void)unused;
    char more[512];
    snprintf(more, sizeof more, "%swhat: {method: heterofl, widths: [0.25, 0.5]}\nmerge: {method: elementwise}\n", normed);
    world w = run(more, 2);
    assert_int_equal(w.told.last.width_count, 2);
    check_width(&w, &w.told.widths[0], 0);
    assert_true(w.told.widths[0].width == 0.5 && w.told.last.loss == w.told.widths[0].loss);
    /* a device's own examples too */
    small_network s = extract(&w, 0.5, 0, mu_federation_state(mu_simulation_federation(w.simulation)));
    own_examples own = { mu_experiment_data(w.experiment), w.told.device_number };
    uint32_t count = mu_data_num_examples(own.data, own.device) < 20 ? mu_data_num_examples(own.data, own.device) : 20;
    mu_evaluation alone = evaluate(&s, (mu_examples){ .self = &own, .count = count, .read = read_own }, count);
    assert_int_equal(w.told.device.count, alone.count);
    assert_int_equal(w.told.device.correct, alone.correct);
    assert_true(w.told.device.loss_sum == alone.loss_sum);
    small_release(&s);
    world_release(&w);
}

/* Each width has norm statistics of its own, and is looked at with these. */
static void each_width_has_its_statistics(void **unused)
{
    (void)unused;
    char more[512];
    snprintf(more, sizeof more, "%swhat: {method: fjord, widths: [0.25, 0.5, 1]}\nhow: {method: fjord}\nmerge: {method: fjord}\n", normed);
    world w = run(more, 2);
    assert_int_equal(mu_model_statistic_sets(config_of(&w)->model), 3);
    mu_usable_parts parts;
    const mu_answer what = config_of(&w)->answers[MU_WHAT];
    assert_int_equal(mu_usable_parts_init(what.method, what.state, config_of(&w)->units, &parts, NULL), MU_OK);
    assert_int_equal(parts.count, 3);
    for (uint32_t i = 0; i < parts.count; i++) {
        assert_true(w.told.widths[i].width == parts.parts[i].width);
        assert_true(i == 0 || parts.parts[i].statistics != parts.parts[i - 1].statistics);
        check_width(&w, &w.told.widths[i], parts.parts[i].statistics);
    }
    mu_usable_parts_release(&parts);
    world_release(&w);
}

static void methods_that_name_no_parts_tell_of_none(void **unused)
{
    (void)unused;
    world w = run("model: softmax-regression\n", 1);
    assert_int_equal(w.told.last.width_count, 0);
    assert_null(w.told.last.widths);
    assert_int_equal(mu_federation_totals(mu_simulation_federation(w.simulation))->width_count, 0);
    world_release(&w);
}

/* The rest of the model is never touched, tasks cost what the small network costs, and what comes out of it is FedAvg of the small network, first weights
 * and all: to the bit. */
static void small_is_fedavg_of_the_small_network(void **unused)
{
    (void)unused;
    char more[512], path[64], yaml[1024];
    snprintf(more, sizeof more, "%swhat: {method: small, width: 0.4}\n", normed);
    world w = run(more, 2);
    const size_t count = mu_model_state_count(config_of(&w)->model);
    float *first = malloc(count * sizeof *first);
    mu_model_init(config_of(&w)->model, 4, first);
    const float *state = mu_federation_state(mu_simulation_federation(w.simulation));
    small_network small = extract(&w, 0.4, 0, state);
    check_width(&w, &w.told.widths[0], 0);
    assert_int_equal(w.told.last.width_count, 1);

    write_text(small.extracted.text, path);
    snprintf(yaml, sizeof yaml, "%smodel: {file: %s}\n", FEDERATION, path);
    world alone = run_from(yaml, 1);
    unlink(path);
    const size_t small_count = mu_model_state_count(small.extracted.model);
    assert_int_equal(mu_model_state_count(config_of(&alone)->model), small_count);
    assert_memory_equal(small.extracted.state, mu_federation_state(mu_simulation_federation(alone.simulation)), small_count * sizeof(float));
    assert_true(w.told.last.accuracy == alone.told.last.accuracy && w.told.last.loss == alone.told.last.loss);
    for (uint32_t tier = 0; tier < 2; tier++)
        assert_true(w.told.last.tier_accuracy[tier] == alone.told.last.tier_accuracy[tier]);
    /* a bit a unit says which there are; they take some microseconds */
    assert_int_equal(w.told.bytes_down, alone.told.bytes_down + (mu_units_count(config_of(&w)->units) + 7) / 8);
    assert_in_range(w.told.last.time - alone.told.last.time, 0, 100);
    assert_int_equal(w.told.bytes_up, alone.told.bytes_up);
    assert_int_equal(w.told.macs, alone.told.macs);
    assert_int_equal(w.told.peak_memory_bytes, alone.told.peak_memory_bytes);

    size_t touched = 0;
    for (size_t i = 0; i < count; i++)
        touched += memcmp(&state[i], &first[i], sizeof *state) != 0;
    assert_in_range(touched, 1, small_count);
    world_release(&alone);
    small_release(&small);
    free(first);
    world_release(&w);
}

/* ---- which parts there are ---- */

static void widths_that_devices_train(void **unused)
{
    (void)unused;
    world w = run("model: lenet5\nwhat: {method: small}\n", 1);
    const mu_units *units = config_of(&w)->units;
    bool *kept = calloc(mu_units_count(units), sizeof *kept);
    mu_usable part = { .kept = kept };
    const mu_device_width width = { .widths = { .count = 4, .values = { 0.5, 0.25, 1, 0.5 } } };
    static const double expected[] = { 1, 0.5, 0.25 };
    for (uint32_t i = 0; i < 3; i++) {
        mu_units_keep_all(units, kept);
        assert_true(mu_device_width_usable(&width, units, i, &part));
        assert_true(part.width == expected[i]);
        size_t count = 0;
        for (size_t u = 0; u < mu_units_count(units); u++)
            count += kept[u];
        assert_int_equal(count, i == 0 ? 6 + 16 + 120 + 84 : i == 1 ? 3 + 8 + 60 + 42 : 2 + 4 + 30 + 21);
    }
    assert_false(mu_device_width_usable(&width, units, 3, &part));
    const mu_device_width drawn = { .widths = { .count = 2, .values = { 0.5, 1 } }, .shares = { .count = 2, .values = { 1, 0 } } };
    assert_true(mu_device_width_usable(&drawn, units, 0, &part) && part.width == 0.5); /* 1 is never drawn */
    free(kept);
    world_release(&w);
}

static bool odd_parts(const void *self, const mu_units *units, uint32_t index, mu_usable *part)
{
    (void)units;
    part->width = ((const double *)self)[index];
    return part->width > 0;
}

static void parts_go_from_wide_to_narrow(void **unused)
{
    (void)unused;
    world w = run("model: lenet5\nwhat: {method: small}\n", 1);
    const mu_method odd = { .name = "odd", .what = &(const mu_what){ .usable = odd_parts } };
    static const struct { double widths[3]; const char *sentence; } cases[] = {
        { { 0.5, 0.5, 0 }, "width 0.5 is number 2 of its parts" }, { { 1.5, 0, 0 }, "width 1.5 is number 1" }, { { 0, 0, 0 }, "names no part" },
    };
    mu_usable_parts parts;
    mu_error err;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        assert_int_equal(mu_usable_parts_init(&odd, cases[i].widths, config_of(&w)->units, &parts, &err), MU_E_STATE);
        if (!strstr(err.message, cases[i].sentence))
            fail_msg("'%s' is not in '%s'", cases[i].sentence, err.message);
        assert_null(parts.flags);
    }
    static const double good[] = { 0.75, 0.5, 0 };
    assert_int_equal(mu_usable_parts_init(&odd, good, config_of(&w)->units, &parts, &err), MU_OK);
    assert_int_equal(parts.count, 2);
    assert_true(parts.named && parts.parts[1].width == 0.5);
    assert_null(parts.parts[0].kept); /* all units are the whole */
    mu_usable_parts_release(&parts);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_width_is_the_network_that_it_is),
        cmocka_unit_test(the_run_is_judged_by_the_first_part),
        cmocka_unit_test(each_width_has_its_statistics),
        cmocka_unit_test(methods_that_name_no_parts_tell_of_none),
        cmocka_unit_test(small_is_fedavg_of_the_small_network),
        cmocka_unit_test(widths_that_devices_train),
        cmocka_unit_test(parts_go_from_wide_to_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
