/* Prices worked by hand, and virtual time at its edges. */
#include "muster/device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const mu_profile board = {
    .name = "board", .tier = "mid", .macs_per_s = { 2e9, 4e9, 0 }, .memory_bytes = 1000,
    .download_bit_per_s = 8e6, .upload_bit_per_s = 2e6, .latency_s = 0.25, .active_w = 3.0, .idle_w = 100.0, .radio_w = 0.5,
};

static void test_by_hand(void **state)
{
    (void)state;
    /* down: 0.25 + 8 * 3e6 / 8e6 = 3.25; compute: 6e9 / 2e9 + 8e9 / 4e9 = 5; up: 0.25 + 8 * 1e6 / 2e6 = 4.25;
     * energy: 3 * 5 + 0.5 * (3.25 + 4.25) = 18.75. Waiting is not in the price. */
    mu_work work = { .macs = { 6000000000u, 8000000000u, 0 }, .bytes_down = 3000000, .bytes_up = 1000000, .peak_memory_bytes = 1000 };
    mu_price price = mu_price_work(&board, &work);
    assert_true(price.download_s == 3.25);
    assert_true(price.compute_s == 5.0);
    assert_true(price.upload_s == 4.25);
    assert_true(price.energy_j == 18.75);
    assert_true(price.macs == 14000000000u);
    assert_true(price.bytes_down == 3000000 && price.bytes_up == 1000000 && price.peak_memory_bytes == 1000);
    assert_true(price.fits);
    work.peak_memory_bytes = 1001;
    assert_false(mu_price_work(&board, &work).fits);
    work.extra_moved_bytes = (uint64_t)(board.macs_per_s[MU_PRECISION_FP32] / 2); /* two multiply-accumulates each: one second more */
    assert_true(mu_price_work(&board, &work).compute_s == 6.0);
}

static void test_unsupported_precision_runs_at_fp32_rate(void **state)
{
    (void)state;
    mu_work work = { .macs = { 0, 0, 1000000000u } };
    assert_true(mu_price_work(&board, &work).compute_s == 0.5);
    mu_profile with_int8 = board;
    with_int8.macs_per_s[MU_PRECISION_INT8] = 8e9;
    assert_true(mu_price_work(&with_int8, &work).compute_s == 0.125);
}

static void test_nothing_costs_nothing(void **state)
{
    (void)state;
    mu_price price = mu_price_work(&board, &(mu_work){ 0 });
    assert_true(price.download_s == 0.0 && price.compute_s == 0.0 && price.upload_s == 0.0 && price.energy_j == 0.0);
    assert_true(price.fits && price.macs == 0);
    mu_profile nothing = { 0 };
    price = mu_price_work(&nothing, &(mu_work){ 0 });
    assert_true(price.compute_s == 0.0 && price.energy_j == 0.0);
}

static void test_macs_do_not_wrap(void **state)
{
    (void)state;
    mu_work work = { .macs = { UINT64_MAX, UINT64_MAX, 5 } };
    mu_price price = mu_price_work(&board, &work);
    assert_true(price.macs == UINT64_MAX);
    assert_true(price.compute_s > 1e10 && isfinite(price.compute_s));
}

static void test_time(void **state)
{
    (void)state;
    assert_true(mu_time_from_s(0.0) == 0);
    assert_true(mu_time_from_s(-3.0) == 0);
    assert_true(mu_time_from_s(-INFINITY) == 0);
    assert_true(mu_time_from_s(1.5) == 1500000);
    assert_true(mu_time_from_s(0.0000004) == 0);
    assert_true(mu_time_from_s(0.0000005) == 1);
    assert_true(mu_time_from_s(0.0000006) == 1);
    assert_true(mu_time_from_s(9e12) == 9000000000000000000);
    assert_true(mu_time_from_s(9.3e12) == MU_TIME_NEVER);
    assert_true(mu_time_from_s(INFINITY) == MU_TIME_NEVER);
    assert_true(mu_time_from_s(NAN) == MU_TIME_NEVER);
    assert_true(mu_time_to_s(1500000) == 1.5);
    assert_true(mu_time_to_s(MU_TIME_NEVER) == INFINITY);
    for (mu_time_us time = 0; time < 2000000; time += 997)
        assert_true(mu_time_from_s(mu_time_to_s(time)) == time);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),          cmocka_unit_test(test_unsupported_precision_runs_at_fp32_rate),
        cmocka_unit_test(test_nothing_costs_nothing), cmocka_unit_test(test_macs_do_not_wrap),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
