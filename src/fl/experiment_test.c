/* Experiments: what is said, what is not said, what is said wrongly; and that the resolved text repeats them. */
#include "fl/experiment_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SMALL "model: softmax-regression\ndata: {name: writers, devices: 8}\n"

static void says(const char *yaml, const char *setting, mu_status status, const char *words)
{
    mu_experiment *experiment = NULL;
    mu_error err = { 0 };
    assert_int_equal(experiment_try(yaml, setting, &experiment, &err), status);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void mistakes_are_named_with_their_place(void **unused)
{
    (void)unused;
    says(SMALL "roundz: 3\n", NULL, MU_E_CONFIG, ":3:1: the experiment has no 'roundz'; did you mean 'rounds'?");
    says(SMALL "when: {cohrot: 3}\n", NULL, MU_E_CONFIG, "did you mean 'cohort'?");
    says(SMALL "when: {method: fedagv}\n", NULL, MU_E_CONFIG, "did you mean 'fedavg'");
    says(SMALL "recipe: fedagv\n", NULL, MU_E_CONFIG, "did you mean 'fedavg'");
    says(SMALL "train: {learning_rate: -1}\n", NULL, MU_E_RANGE, "'learning_rate' is -1, expected 0 to 1000");
    says(SMALL "train: {local_epochs: 1.5}\n", NULL, MU_E_CONFIG, "expected a whole number");
    says(SMALL "when: {cohort: 3, minimum_reports: 4}\n", NULL, MU_E_CONFIG, "would never end");
    says(SMALL "when: {cohort: 3}\nwho: {cohort: 3}\n", NULL, MU_E_CONFIG, "under two questions");
    says(SMALL "when: 5\n", NULL, MU_E_CONFIG, "when: expected");
    says(SMALL "rounds: [1]\n", NULL, MU_E_CONFIG, "'rounds' is a list");
    says("model: lenet6\ndata: {name: writers, devices: 8}\n", NULL, MU_E_CONFIG, "lenet5");
    says("model: lenet5\ndata: {name: riters, devices: 8}\n", NULL, MU_E_CONFIG, "writers");
    says(SMALL, "rounds", MU_E_CONFIG, "expected key=value");
    says(SMALL, "train.batchsize=3", MU_E_CONFIG, "--set train.batchsize=3: train has no 'batchsize'");
    says(SMALL "name: a/b\n", NULL, MU_E_CONFIG, "cannot be a folder's name");
}

static void settings_go_over_the_file(void **unused)
{
    (void)unused;
    mu_experiment *experiment = NULL;
    assert_int_equal(experiment_try(SMALL "rounds: 7\n", "rounds=9", &experiment, NULL), MU_OK);
    assert_int_equal(mu_experiment_config(experiment)->rounds, 9);
    mu_experiment_destroy(experiment);
}

/* A recipe's options are its own method's; with another one they mean nothing, and with the same one they stay. */
static void options_of_a_replaced_method_go(void **unused)
{
    (void)unused;
    mu_experiment *experiment = experiment_from(SMALL "recipe: fedat\nhow: {method: fedavg}\nwhen: {method: fedat, tiers: 2}\n");
    char *resolved = mu_experiment_resolved(experiment);
    assert_null(strstr(resolved, "proximal_mu"));
    assert_non_null(strstr(resolved, "tiers: 2"));
    assert_non_null(strstr(resolved, "cohort: 10")); /* the recipe's */
    free(resolved);
    mu_experiment_destroy(experiment);
    experiment = NULL;
    assert_int_equal(experiment_try(SMALL "recipe: heterofl\n", "merge.method=median", &experiment, NULL), MU_OK);
    mu_experiment_destroy(experiment);
    says(SMALL "recipe: heterofl\nmerge: {method: median, own_classes: true}\n", NULL, MU_E_CONFIG, "method median has no 'own_classes'");
}

static void resolved_text_is_a_fixed_point(void **unused)
{
    (void)unused;
    mu_experiment *first = experiment_from(SMALL "name: it\nseed: 18446744073709551615\ntrain: {learning_rate: 0.1, schedule: {kind: cosine}}\n"
                                                 "when: {cohort: 3, deadline_s: 1e3}\n");
    char *once = mu_experiment_resolved(first);
    mu_experiment *second = experiment_from(once);
    char *twice = mu_experiment_resolved(second);
    assert_string_equal(once, twice);
    assert_non_null(strstr(once, "cohort: 3"));
    assert_non_null(strstr(once, "minimum_reports: 1"));
    const mu_federation_config *a = mu_experiment_config(first), *b = mu_experiment_config(second);
    assert_int_equal(a->seed, b->seed);
    assert_memory_equal(&a->train, &b->train, sizeof a->train);
    free(once);
    free(twice);
    mu_experiment_destroy(first);
    mu_experiment_destroy(second);
}

static void defaults_are_fedavg(void **unused)
{
    (void)unused;
    mu_experiment *experiment = experiment_from(SMALL);
    const mu_federation_config *config = mu_experiment_config(experiment);
    assert_string_equal(mu_experiment_recipe(experiment), "fedavg");
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        assert_string_equal(config->answers[q].method->name, "fedavg");
        assert_ptr_equal(config->answers[q].state, config->answers[0].state);
    }
    mu_experiment_destroy(experiment);
}

/* `timing: fedscale` has the model's figure: a task takes 3 * examples * compute_ms / 1000 seconds, whatever the model. */
static void fedscale_times_by_the_example(void **unused)
{
    (void)unused;
    static const char csv[] = "compute_ms,down_kbps,up_kbps\n40,5000,5000\n";
    static const char *const models[] = { "softmax-regression", "lenet5" };
    char path[] = "/tmp/muster-fedscale-XXXXXX", yaml[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, csv, sizeof csv - 1) == (ssize_t)sizeof csv - 1 && close(fd) == 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(yaml, sizeof yaml, "model: %s\ndata: {name: writers, devices: 8}\nfleet: {csv: %s, timing: fedscale}\n", models[i], path);
        mu_experiment *experiment = experiment_from(yaml);
        mu_cost one = mu_model_cost(mu_experiment_model(experiment), 1);
        mu_work work = { .macs = { 70 * (one.macs_forward + one.macs_backward) } };
        assert_true(fabs(mu_fleet_price(mu_experiment_fleet(experiment), 3, 0, &work).compute_s - 3 * 70 * 0.040) < 1e-9);
        mu_experiment_destroy(experiment);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fedscale_times_by_the_example),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(settings_go_over_the_file),
        cmocka_unit_test(options_of_a_replaced_method_go),
        cmocka_unit_test(resolved_text_is_a_fixed_point),
        cmocka_unit_test(defaults_are_fedavg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
