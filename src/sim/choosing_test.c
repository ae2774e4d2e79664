/* A part for every mini-batch: who prices a task and who trains it see the same budget at each step and come to the same parts, and the task takes
 * what these parts take. */
#include "fl/experiment_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { STEPS_MAX = 64, DEVICES = 5 };

/* What was asked of the last task of each device; the test has one worker. */
typedef struct asked {
    double   afford_macs[STEPS_MAX];
    uint32_t widths[STEPS_MAX]; /* in eighths */
    uint32_t steps, ordinal;
} asked;
static asked priced[DEVICES], trained[DEVICES];
static uint32_t compared;
static double whole_macs;

/* Eighths of the width by the share of the whole's MACs that there are to spend. */
static void choose(const void *state, mu_choice *choice)
{
    (void)state;
    double share = choice->afford_macs / whole_macs;
    uint32_t eighths = share >= 1.0 ? 8 : (uint32_t)(8.0 * sqrt(share));
    eighths = eighths ? eighths : 1;
    for (size_t g = 0; g < mu_units_group_count(choice->units); g++) {
        uint32_t all = mu_units_group(choice->units, g)->count, count = all * eighths / 8;
        choice->counts[g] = count ? count : 1;
        if (choice->kept)
            mu_units_keep_first(choice->units, g, choice->counts[g], choice->kept);
    }
    asked *note = choice->kept ? &trained[choice->device] : &priced[choice->device];
    assert_true(choice->step < STEPS_MAX);
    note->afford_macs[choice->step] = choice->afford_macs;
    note->widths[choice->step] = eighths;
    note->steps = choice->step + 1;
    note->ordinal = choice->plan->ordinal;
}

static mu_status plan(mu_control *control, void *state, uint32_t device, mu_plan *out, bool *kept, mu_error *err)
{
    (void)control, (void)state, (void)device, (void)kept, (void)err;
    out->step_time_s = 0.01;
    return MU_OK;
}

static const mu_method paced = {
    .name = "paced",
    .paper = "none",
    .help = "widths by what a device can afford",
    .what = &(const mu_what){ .plan = plan },
    .how = &(const mu_how){ .choose = choose },
};

static mu_status compare(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    const mu_experiment *experiment = self;
    if (report->happening != MU_HAPPENED_MERGED)
        return MU_OK;
    const mu_task *task = report->task;
    const asked *p = &priced[task->device], *t = &trained[task->device];
    assert_int_equal(t->ordinal, task->plan.ordinal);
    assert_true(t->steps > 1 && t->steps == p->steps && p->ordinal == t->ordinal);
    assert_memory_equal(p->afford_macs, t->afford_macs, t->steps * sizeof *t->afford_macs);
    assert_memory_equal(p->widths, t->widths, t->steps * sizeof *t->widths);

    uint64_t macs = 0, afforded = 0;
    const mu_units *units = mu_experiment_config(experiment)->units;
    mu_arena arena = mu_arena_measuring();
    mu_submodel *submodel;
    assert_int_equal(mu_submodel_plan(units, &arena, &submodel, NULL), MU_OK);
    unsigned char *memory = mu_arena_block(arena.used_bytes);
    arena = mu_arena_over(memory, arena.used_bytes);
    assert_int_equal(mu_submodel_plan(units, &arena, &submodel, NULL), MU_OK);
    bool *kept = malloc(mu_units_count(units));
    uint32_t n = mu_data_num_examples(mu_experiment_data(experiment), task->device), batch = task->plan.train.batch_size;
    for (uint32_t step = 0, left = n; step < t->steps; step++) {
        uint32_t count = left < batch ? left : batch;
        left -= count;
        mu_units_keep_all(units, kept);
        for (size_t g = 0; g < mu_units_group_count(units); g++) {
            uint32_t all = mu_units_group(units, g)->count, some = all * t->widths[step] / 8;
            mu_units_keep_first(units, g, some ? some : 1, kept);
        }
        assert_int_equal(mu_submodel_form(submodel, kept, NULL), MU_OK);
        mu_cost one = mu_model_cost(mu_submodel_model(submodel), 1);
        macs += count * (one.macs_forward + one.macs_backward);
        double spendable = t->afford_macs[step] < whole_macs ? t->afford_macs[step] : whole_macs;
        afforded += (uint64_t)(spendable * count);
    }
    assert_true(task->price.macs == macs);
    assert_true(task->work.afforded_macs <= afforded + t->steps && task->work.afforded_macs + t->steps >= afforded);
    assert_true(macs <= task->work.afforded_macs || t->widths[0] == 1); /* the narrowest is trained whether there is enough or not */
    free(kept);
    mu_arena_block_free(memory);
    compared++;
    return MU_OK;
}

static void price_and_training_come_to_the_same(void **unused)
{
    (void)unused;
    char path[] = "/tmp/muster-choosing-XXXXXX";
    const char *text =
        "seed: 3\nrounds: 4\nmodel: lenet5\ndata: {name: writers, devices: 5, examples_per_device: 70, test_examples: 20}\n"
        "fleet: {mix: {phone-mid: 1}, speed_spread: 0.5, compute_share: {min: 0.05, mean_dwell_s: 0.02}, bandwidth_variation: {mean_dwell_s: 0.1}}\n"
        "train: {batch_size: 16, local_epochs: 1}\nwhen: {cohort: 3}\nevaluate: {tier_examples: 0, devices: 0}\nwhat: {method: paced}\n"
        "how: {method: paced}\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    mu_experiment *experiment = NULL;
    mu_error err = { 0 };
    if (mu_experiment_load_with(path, NULL, NULL, 0, (const mu_method *const[]){ &paced }, 1, &experiment, &err))
        fail_msg("%s", err.message);
    unlink(path);
    mu_cost one = mu_model_cost(mu_experiment_model(experiment), 1);
    whole_macs = (double)(one.macs_forward + one.macs_backward);
    mu_simulation *simulation = NULL;
    mu_observer observer = { .self = experiment, .event = compare };
    if (mu_simulation_create(experiment, &(mu_simulate_config){ .workers = 1 }, &observer, &simulation, &err) ||
        mu_simulation_run(simulation, &err))
        fail_msg("%s", err.message);
    assert_int_equal(compared, 4 * 3);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(price_and_training_come_to_the_same) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
