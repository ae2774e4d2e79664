/* Numbers as text: exact for files, short for people. */
#include "report/number.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_real(double value, const char *expected)
{
    char text[MU_NUMBER_BYTES];
    mu_number_real(value, text);
    assert_string_equal(text, expected);
}

static void reals_are_short(void **state)
{
    (void)state;
    expect_real(0, "0");
    expect_real(0.1, "0.1");
    expect_real(0.1 + 0.2, "0.30000000000000004");
    expect_real(1.0 / 3, "0.3333333333333333");
    expect_real(-2.5e-7, "-2.5e-07");
    expect_real(123456789, "123456789");
    expect_real(NAN, "");
    expect_real(INFINITY, "");
    expect_real(DBL_MAX, "1.7976931348623157e+308");
}

static void reals_read_back(void **state)
{
    (void)state;
    uint64_t bits = 88172645463325252u; /* xorshift */
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        char text[MU_NUMBER_BYTES];
        mu_number_real(value, text);
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        float small = (float)fmod(value, 1e30), small_back;
        mu_number_float(small, text);
        small_back = strtof(text, NULL);
        assert_memory_equal(&small_back, &small, sizeof small);
    }
}

static void floats_are_shorter(void **state)
{
    (void)state;
    char text[MU_NUMBER_BYTES];
    mu_number_float(0.1f, text);
    assert_string_equal(text, "0.1");
    mu_number_float(NAN, text);
    assert_string_equal(text, "");
    mu_number_float(16777217.0f, text);
    assert_string_equal(text, "16777216");
}

static void expect_time(mu_time_us time, const char *expected)
{
    char text[MU_NUMBER_BYTES];
    mu_number_time_s(time, text);
    assert_string_equal(text, expected);
}

static void times_are_exact(void **state)
{
    (void)state;
    expect_time(0, "0");
    expect_time(1, "0.000001");
    expect_time(1500000, "1.5");
    expect_time(93784250000, "93784.25");
    expect_time(10000000, "10");
    expect_time(-250000, "-0.25");
    expect_time(INT64_MAX, "9223372036854.775807");
}

static void durations(void **state)
{
    (void)state;
    static const struct { double seconds; const char *expected; } cases[] = {
        { 0, "0:00" }, { 45.9, "0:45" }, { 61, "1:01" }, { 3599, "59:59" }, { 7384, "02:03:04" }, { 93784, "1d 02:03:04" },
        { NAN, "-" }, { INFINITY, "-" }, { -1, "-" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        char text[MU_NUMBER_BYTES];
        mu_show_duration(cases[i].seconds, text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void spans(void **state)
{
    (void)state;
    static const struct { double seconds; const char *expected; } cases[] = {
        { 0, "0.00 s" }, { 2.039671, "2.04 s" }, { 59.99, "59.99 s" }, { 59.999, "0:59" }, { 60, "1:00" }, { NAN, "-" }, { -1, "-" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        char text[MU_NUMBER_BYTES];
        mu_show_span(cases[i].seconds, text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void scaled(void **state)
{
    (void)state;
    static const struct { double value; const char *unit, *expected; } cases[] = {
        { 0, "B", "0 B" }, { 7, "B", "7 B" }, { 999, "B", "999 B" }, { 999.6, "B", "1.00 kB" }, { 1234567, "B", "1.23 MB" },
        { 45600, "J", "45.6 kJ" }, { 9.996, "J", "10.0 J" }, { 99.96, "J", "100 J" }, { 0.25, "", "0.25" }, { 231, "", "231" },
        { 2.5e9, "", "2.50 G" }, { NAN, "B", "-" }, { 1e24, "B", "1000000 EB" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        char text[MU_NUMBER_BYTES];
        mu_show_scaled(cases[i].value, cases[i].unit, text);
        assert_string_equal(text, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reals_are_short), cmocka_unit_test(reals_read_back), cmocka_unit_test(floats_are_shorter),
        cmocka_unit_test(times_are_exact), cmocka_unit_test(durations),       cmocka_unit_test(spans),
        cmocka_unit_test(scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
