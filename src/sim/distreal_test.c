/* DISTREAL in whole runs: what it is with full resources, what it sends, and how much of a changing device it uses. */
#include "sim/run_support.h"

#include "method/distreal_table.h"
#include "method/width_rules.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MODEL "{layers: [{average_pool: pool, size: 2}, flatten, {dense: fc1, units: 64}, relu, {dense: fc2, units: 64}, relu, {dense: fc3}]}"
#define EXPERIMENT(devices) \
    "seed: 5\nmodel: " MODEL "\ndata: {name: writers, devices: " devices ", examples_per_device: 64, size_spread: 0, test_examples: 20}\n" \
    "evaluate: {every_rounds: 0, tier_examples: 0, devices: 0}\n"

/* How a run went, and the plan and the work of the last task. */
typedef struct outcome {
    run_result result;
    mu_plan    plan;
    mu_work    work;
} outcome;

static mu_status note_task(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    outcome *out = self;
    if (report->happening == MU_HAPPENED_SENT) {
        out->plan = report->task->plan;
        out->work = report->task->work;
    }
    return MU_OK;
}

static outcome run(const char *text, const char *recipe, const char *setting)
{
    outcome out = { 0 };
    char path[64];
    write_text(text, path);
    mu_observer observer = { .self = &out, .event = note_task };
    out.result = run_experiment(&(run_setup){ .path = path, .recipe = recipe, .settings = &setting, .setting_count = setting ? 1 : 0, .workers = 2,
                                              .observer = &observer });
    unlink(path);
    return out;
}

static outcome run_well(const char *text, const char *recipe, const char *setting)
{
    outcome out = run(text, recipe, setting);
    if (out.result.status)
        fail_msg("%s", out.result.err.message);
    return out;
}

/* Devices of one class that nothing disturbs train everything, and then it is FedAvg, to the byte. */
static void with_full_resources_it_is_fedavg(void **unused)
{
    (void)unused;
    static const char text[] = EXPERIMENT("6") "rounds: 3\nfleet: phone-mid\ntrain: {batch_size: 16, local_epochs: 2, momentum: 0.5, weight_decay: 0.001}\n"
                               "when: {cohort: 4}\n";
    outcome distreal = run_well(text, "distreal", NULL), fedavg = run_well(text, "fedavg", NULL);
    assert_memory_equal(distreal.result.state, fedavg.result.state, fedavg.result.state_count * sizeof(float));
    const mu_totals *a = &distreal.result.totals, *b = &fedavg.result.totals;
    assert_true(a->macs == b->macs && a->bytes_up == b->bytes_up && a->bytes_down == b->bytes_down && a->energy_j == b->energy_j);
    assert_true(a->afforded_macs == a->macs && a->macs > 0 && b->afforded_macs == 0);
    assert_true(b->updates_merged == 12 && a->updates_merged == 12);

    outcome half = run_well(text, "distreal", "how.pace=0.5"); /* and with half of the time it is not */
    assert_true(memcmp(half.result.state, fedavg.result.state, fedavg.result.state_count * sizeof(float)) != 0);
    assert_true(half.result.totals.macs < a->macs / 2 && half.result.totals.bytes_up == b->bytes_up && half.result.totals.bytes_down == b->bytes_down);
    free(half.result.state), free(distreal.result.state), free(fedavg.result.state);
}

/* Without training: who is sent what is the same, and what it costs. All mini-batches are full ones: a smaller one has as much time, and so more of it than it can use. */
#define SCHEDULE                                                                                                                          \
    EXPERIMENT("60") "rounds: 100\ntrain: {batch_size: 16, local_epochs: 2, dry: true}\nwhen: {cohort: 20}\n"                              \
                     "fleet: {classes: {slow: {extend: phone-mid, macs_per_s: 1e6}}, mix: {slow: 1}, compute_share: {min: %g, mean_dwell_s: 20}}\n"

/* A table with a row for every rate from 0 in steps of 0.04, as many as the model tells apart. The caller unlinks the path. */
static uint32_t write_table(char path[64])
{
    static mu_distreal_table table;
    mu_experiment *experiment = NULL;
    char text_path[64];
    write_text(EXPERIMENT("2") "rounds: 1\n", text_path);
    assert_int_equal(mu_experiment_load(text_path, NULL, NULL, 0, &experiment, NULL), MU_OK);
    unlink(text_path);
    const mu_units *units = mu_experiment_config(experiment)->units;
    assert_int_equal(mu_distreal_table_init(&table, units, NULL), MU_OK);
    for (int step = 1; step <= 22; step++) {
        uint32_t counts[2];
        mu_width_counts(units, 1 - 0.04 * step, MU_WIDTH_NEAREST, counts);
        assert_int_equal(mu_distreal_table_add(&table, units, counts, (double)NAN, (double)NAN, NULL), MU_OK);
    }
    unsigned char *text = NULL;
    size_t size_bytes = 0;
    assert_int_equal(mu_distreal_table_encode(&table, units, &text, &size_bytes, NULL), MU_OK);
    char *ended = calloc(1, size_bytes + 1);
    memcpy(ended, text, size_bytes);
    write_text(ended, path);
    free(ended);
    free(text);
    mu_experiment_destroy(experiment);
    return table.row_count;
}

/* Whoever trains the same part all the time can only have the one that is always affordable: of shares between `min` and 1, all as likely, that uses
 * 2 min / (1 + min). By rows DISTREAL uses nearly all, and sends what FedAvg sends. A share holds for many mini-batches here: one that falls in the middle of a
 * mini-batch makes it long, and fewer begin while it is low. */
static void most_of_what_there_is_is_used(void **unused)
{
    (void)unused;
    char table_path[64], setting[96], text[2048];
    assert_true(write_table(table_path) >= 20);
    snprintf(setting, sizeof setting, "how.table=%s", table_path);
    static const double least[] = { 0.1, 0.25 };
    for (size_t i = 0; i < MU_COUNT(least); i++) {
        snprintf(text, sizeof text, SCHEDULE, least[i]);
        outcome distreal = run_well(text, "distreal", setting), fedavg = run_well(text, "fedavg", NULL);
        const mu_totals *a = &distreal.result.totals, *b = &fedavg.result.totals;
        double used = (double)a->macs / (double)a->afforded_macs, whole = (double)b->macs, fixed = least[i] * whole / (double)a->afforded_macs;
        double expected = 2 * least[i] / (1 + least[i]);
        if (used < 0.9 || used > 1 || fabs(fixed / expected - 1) > 0.05)
            fail_msg("shares from %g: %g of it is used; by what is always affordable %g, expected %g", least[i], used, fixed, expected);
        assert_true(a->bytes_up == b->bytes_up && a->bytes_down == b->bytes_down);
        assert_true(distreal.work.bytes_up == 4 * distreal.result.state_count && distreal.work.bytes_down == distreal.work.bytes_up);
        free(distreal.result.state), free(fedavg.result.state);
    }
    unlink(table_path);
}

/* The middle class of three trains the whole model in the time that there is; of two, the faster one. */
static void the_pace_is_that_of_the_middle_class(void **unused)
{
    (void)unused;
    static const struct { const char *fleet; double macs_per_s; } cases[] = {
        { "{classes: {a: {extend: pi-4, macs_per_s: 3e6}, b: {extend: pi-4, macs_per_s: 8e6}, c: {extend: pi-4, macs_per_s: 5e6}}, mix: {a: 1, b: 1, c: 1}}", 5e6 },
        { "{classes: {a: {extend: pi-4, macs_per_s: 3e6}, b: {extend: pi-4, macs_per_s: 8e6}}, mix: {a: 9, b: 1}}", 8e6 },
        { "{classes: {a: {extend: pi-4, macs_per_s: 8e6}, b: {extend: pi-4, macs_per_s: 3e6}, c: {extend: pi-4, macs_per_s: 3e6}}, mix: {a: 1, b: 1, c: 1}}", 3e6 },
        { "{classes: {a: {extend: pi-4, macs_per_s: 4e6}}, mix: {a: 1}, speed_spread: 1}", 4e6 },
    };
    const double macs = 2.0 * 196 * 64 + 3.0 * (64 * 64 + 64 * 10);
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        char text[1024];
        snprintf(text, sizeof text, "%srounds: 1\ntrain: {batch_size: 16, dry: true}\nwhen: {cohort: 2}\nfleet: %s\n", EXPERIMENT("10"), cases[i].fleet);
        static const char *const paces[] = { NULL, "how.pace=2" };
        for (int p = 0; p < 2; p++) {
            outcome out = run_well(text, "distreal", paces[p]);
            double expected = (1 + p) * 16 * macs / cases[i].macs_per_s;
            assert_true(out.plan.step_time_s >= expected && out.plan.step_time_s < expected * (1 + 1e-8));
            free(out.result.state);
        }
    }
}

static void what_and_how_go_together(void **unused)
{
    (void)unused;
    static const char text[] = EXPERIMENT("4") "rounds: 1\n";
    outcome what = run(text, "fedavg", "what.method=distreal"), how = run(text, "fedrolex", "how.method=distreal");
    assert_true(what.result.status == MU_E_CONFIG && how.result.status == MU_E_CONFIG);
    assert_non_null(strstr(what.result.err.message, "here they are 'distreal' and 'fedavg'"));
    assert_non_null(strstr(what.result.err.message, "distreal has to answer both 'what' and 'how'"));
    assert_non_null(strstr(how.result.err.message, "here they are 'fedrolex' and 'distreal'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_full_resources_it_is_fedavg),
        cmocka_unit_test(most_of_what_there_is_is_used),
        cmocka_unit_test(the_pace_is_that_of_the_middle_class),
        cmocka_unit_test(what_and_how_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
