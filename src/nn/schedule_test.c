/* Learning-rate schedules: values worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "muster/schedule.h"

#include <math.h>
#include <string.h>

static void expect(mu_schedule schedule, uint32_t round, uint32_t rounds, double expected)
{
    double is = mu_schedule_factor(&schedule, round, rounds);
    if (!(fabs(is - expected) < 1e-12))
        fail_msg("round %u of %u: %.17g, expected %.17g", round, rounds, is, expected);
}

static void test_kinds(void **state)
{
    (void)state;
    mu_schedule constant = mu_schedule_default();
    expect(constant, 0, 10, 1);
    expect(constant, 9, 10, 1);
    mu_schedule step = { .kind = MU_SCHEDULE_STEP, .step_rounds = 3, .decay = 0.5 };
    expect(step, 0, 10, 1);
    expect(step, 2, 10, 1);
    expect(step, 3, 10, 0.5);
    expect(step, 8, 10, 0.25);
    mu_schedule exponential = { .kind = MU_SCHEDULE_EXPONENTIAL, .decay = 0.9 };
    expect(exponential, 0, 10, 1);
    expect(exponential, 4, 10, 0.9 * 0.9 * 0.9 * 0.9);
    exponential.decay = 1;
    expect(exponential, 1000, 2000, 1);
    mu_schedule cosine = { .kind = MU_SCHEDULE_COSINE, .final_fraction = 0.2 };
    expect(cosine, 0, 8, 1);
    expect(cosine, 4, 8, 0.6);
    expect(cosine, 2, 8, 0.2 + 0.4 * (1 + sqrt(0.5)));
    expect(cosine, 100, 8, 0.2 + 0.4 * (1 + cos(3.141592653589793 * 7 / 8))); /* after the last round: as in the last */
}

static void test_warm_up(void **state)
{
    (void)state;
    mu_schedule cosine = { .kind = MU_SCHEDULE_COSINE, .warmup_rounds = 4 };
    expect(cosine, 0, 14, 0.25);
    expect(cosine, 3, 14, 1);
    expect(cosine, 4, 14, 1); /* here the schedule itself begins */
    expect(cosine, 9, 14, 0.5);
    mu_schedule step = { .kind = MU_SCHEDULE_STEP, .warmup_rounds = 2, .step_rounds = 5, .decay = 0.1 };
    expect(step, 6, 100, 1);
    expect(step, 7, 100, 0.1);
    mu_schedule longer = { .kind = MU_SCHEDULE_CONSTANT, .warmup_rounds = 100 };
    expect(longer, 9, 10, 0.1);
}

/* The rows read what the defaults function says. */
static void test_options(void **state)
{
    (void)state;
    size_t count;
    const mu_option *rows = mu_schedule_options(&count);
    mu_schedule read, expected = mu_schedule_default();
    memset(&read, 0x55, sizeof read);
    mu_error err;
    assert_int_equal(mu_options_read(rows, count, NULL, NULL, "schedule", &read, &err), MU_OK);
    assert_int_equal(read.kind, expected.kind);
    assert_int_equal(read.warmup_rounds, expected.warmup_rounds);
    assert_int_equal(read.step_rounds, expected.step_rounds);
    assert_true(read.decay == expected.decay && read.final_fraction == expected.final_fraction);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds), cmocka_unit_test(test_warm_up), cmocka_unit_test(test_options) };
    return cmocka_run_group_tests_name("nn schedule", tests, NULL, NULL);
}
