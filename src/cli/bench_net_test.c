/* The networks that are measured are those of the tables: their parameters, and that their steps train. */
#include "cli/bench_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t      parameters;
    } expected[] = {
        { "fedavg-cnn-b32", 1663370 },     { "cifar-cnn-b10", 1105610 },     { "cifar-cnn-b32", 1105610 }, { "resnet20-b32", 272474 },
        { "resnet18-b32", 11173962 },      { "char-lstm-b10", 819920 },      { "mlp-b16", 9610 },          { "mobilenetv2-32-b32", 2236682 },
        { "mobilenetv2-96-b8", 2236682 },  { "ds-cnn-b32", 23756 },          { "femnist-cnn-b20", 1206590 }, { "pfl-cnn-b10", 1626442 },
    };
    size_t count;
    const cli_bench_case *cases = cli_bench_cases(&count);
    assert_int_equal(count, MU_COUNT(expected));
    for (size_t i = 0; i < count; i++) {
        mu_model *model;
        mu_error err;
        if (mu_model_create_builtin(cases[i].model, NULL, cases[i].input, cases[i].classes, &model, &err))
            fail_msg("%s", err.message);
        assert_string_equal(cases[i].name, expected[i].name);
        assert_string_equal(cli_bench_case_names()[i], expected[i].name);
        assert_int_equal(mu_model_param_count(model), expected[i].parameters);
        mu_model_destroy(model);
    }
    assert_null(cli_bench_case_names()[count]);
}

/* A batch that is seen again and again is learnt. */
static void test_steps_train(void **state)
{
    (void)state;
    mu_model *model;
    cli_bench_net net;
    const mu_step_config config = cli_bench_step_config(16);
    assert_int_equal(mu_model_create_builtin("mlp", NULL, (mu_shape){ 1, 1, 64 }, 10, &model, NULL), MU_OK);
    assert_int_equal(cli_bench_net_create(model, &config, &net, NULL), MU_OK);
    cli_bench_net_fill(&net);
    cli_bench_net_step(&net);
    double first = cli_bench_net_loss(&net);
    assert_true(fabs(first - log(10)) < 0.5);
    for (int i = 0; i < 200; i++)
        cli_bench_net_step(&net);
    assert_true(cli_bench_net_loss(&net) < 0.5 * first);
    cli_bench_net_fill(&net); /* from the beginning: the same weights, the same batch */
    cli_bench_net_step(&net);
    assert_true(cli_bench_net_loss(&net) == first);
    cli_bench_net_release(&net);
    mu_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_parameters), cmocka_unit_test(test_steps_train) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
