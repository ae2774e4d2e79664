/* Medians, turns, and lists of names. */
#include "cli/bench_measure.h"

#include "muster/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static void test_median(void **state)
{
    (void)state;
    double odd[] = { 5, 1, 9 }, even[] = { 4, 1, 3, 2 }, one[] = { 7 };
    assert_true(cli_bench_median(odd, 3) == 5);
    assert_true(cli_bench_median(even, 4) == 2.5);
    assert_true(cli_bench_median(one, 1) == 7);
}

/* Who was called, in their order. */
typedef struct caller {
    char  name;
    char *log;
} caller;

static void call(void *self)
{
    const caller *c = self;
    size_t length = strlen(c->log);
    if (length < 63)
        c->log[length] = c->name;
}

static void test_works_take_turns(void **state)
{
    (void)state;
    char log[64] = { 0 };
    caller a = { 'a', log }, b = { 'b', log };
    cli_bench_work works[] = { { .call = call, .self = &a }, { .call = call, .self = &b } };
    const cli_bench_effort effort = { .repeats = 3, .seconds = 1e-9 };
    assert_int_equal(cli_bench_measure(works, 2, &effort, NULL), MU_OK);
    /* two calls to warm up, and one that is longer than the turn was to be */
    assert_string_equal(log, "aaabbbaaabbbaaabbb");
    for (int i = 0; i < 2; i++)
        assert_true(works[i].best_s > 0 && works[i].best_s <= works[i].median_s && works[i].median_s < 1);
}

static void test_effort(void **state)
{
    (void)state;
    cli_bench_effort nothing = { 0 }, all = { .repeats = 2, .seconds = 0.25 };
    cli_bench_effort usual = cli_bench_effort_or(&nothing, 9, 0.5), asked = cli_bench_effort_or(&all, 9, 0.5);
    assert_true(usual.repeats == 9 && usual.seconds == 0.5);
    assert_true(asked.repeats == 2 && asked.seconds == 0.25);
}

static void test_asked(void **state)
{
    (void)state;
    const char *const names[] = { "mlp", "mlp-b16", "lstm", NULL };
    mu_error err;
    assert_true(cli_bench_is_asked(NULL, "mlp") && cli_bench_is_asked("mlp", "mlp") && cli_bench_is_asked("lstm,mlp", "mlp"));
    assert_false(cli_bench_is_asked("mlp-b16", "mlp") || cli_bench_is_asked("lstm", "mlp") || cli_bench_is_asked("", "mlp"));
    assert_int_equal(cli_bench_check_asked("bench x", "case", NULL, names, &err), MU_OK);
    assert_int_equal(cli_bench_check_asked("bench x", "case", "lstm,mlp", names, &err), MU_OK);
    assert_int_equal(cli_bench_check_asked("bench x", "case", "lstm,mpl", names, &err), MU_E_CONFIG);
    assert_string_equal(err.message, "bench x: there is no case 'mpl'; did you mean 'mlp'?");
    assert_int_equal(cli_bench_check_asked("bench x", "case", "lstm,", names, &err), MU_E_CONFIG);
}

static void test_floats(void **state)
{
    (void)state;
    float *x = cli_bench_floats(1000);
    double sum = 0;
    assert_non_null(x);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(x[i] >= -0.5f && x[i] < 0.5f);
        sum += (double)x[i];
    }
    assert_true(sum > -50 && sum < 50);
    mu_arena_block_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median), cmocka_unit_test(test_works_take_turns), cmocka_unit_test(test_effort),
        cmocka_unit_test(test_asked),  cmocka_unit_test(test_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
