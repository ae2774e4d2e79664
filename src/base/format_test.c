/* The bounded formatter against snprintf, character by character. */
#include "base/format.h"

#include "muster/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static MU_PRINTF(1, 2) void check(const char *format, ...)
{
    char    expected[128], found[128];
    va_list arguments;
    for (size_t capacity = 0; capacity <= sizeof found; capacity += capacity < 12 ? 1 : sizeof found - 12) {
        memset(expected, '#', sizeof expected);
        memset(found, '#', sizeof found);
        va_start(arguments, format);
        int expected_length = vsnprintf(expected, capacity, format, arguments);
        va_end(arguments);
        va_start(arguments, format);
        int length = mu_format(found, capacity, format, arguments);
        va_end(arguments);
        if (length != expected_length || memcmp(expected, found, sizeof found) != 0)
            fail_msg("'%s' with room for %zu: found '%.40s' of length %d, expected '%.40s' of length %d", format, capacity, found, length,
                     expected, expected_length);
    }
}

static void test_whole_numbers(void **state)
{
    (void)state;
    check("plain words");
    check("100%% of %d", 7);
    check("%d %d %d", 0, INT32_MAX, INT32_MIN);
    check("%i|%u|%x", -1, UINT32_MAX, 0xabcdefu);
    check("%ld %lu", -123456789L, 123456789UL);
    check("%lld %llu %llx", -0x7fffffffffffffffLL - 1, ~0ULL, 0x123456789abcdefULL);
    check("%zu of %zu", (size_t)0, SIZE_MAX);
}

static void test_text(void **state)
{
    (void)state;
    check("%s", "");
    check("layer '%s' has %u inputs%s", "fc1", 3u, ", expected 2");
    check("%.3s|%.0s|%.9s|", "abcdef", "abc", "ab");
    check("%.*s|%.*s", 2, "abc", -1, "abc");
    check("%c%c", 'x', '!');
}

static void test_reals(void **state)
{
    (void)state;
    const double values[] = { 0.0, -0.0, 1.0, 0.1, 1e-4, 1e-5, 9.9999949e-5, 9.9999951e-5, 123456.0, 1234565.0, 1234575.0, 999999.5,
                              999998.5, 0.5, 2.5, 0.125, 1e300, 0x1p-1074, 0x1.fffffffffffffp1023, 0x1p-1022, 3.141592653589793,
                              100000.0, 1000000.0, 1e100, 1e6 - 0.25, -17.25, INFINITY, -INFINITY };
    for (size_t i = 0; i < MU_COUNT(values); i++) {
        check("%g", values[i]);
        check("%.3g and %.12g", values[i], -values[i]);
        check("%.17g %.0g %.1g", values[i], values[i], values[i]);
    }
    check("%g", (double)NAN);
}

static void test_random_reals(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = mu_random_u64(&random) & ~((uint64_t)1 << 63);
        double   any;
        memcpy(&any, &bits, sizeof any);
        if (!isnan(any))
            check("%g %.17g", any, any);
        double usual = ldexp(mu_random_unit(&random) - 0.5, (int)mu_random_below(&random, 40) - 20);
        check("%g %.9g", usual, usual);
        check("%.*g", (int)mu_random_below(&random, 18), round(usual * 64) / 64); /* ties */
    }
}

/* What it does not know it says as it stands. */
static MU_PRINTF(2, 3) int format_into(char *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = mu_format(text, 32, format, arguments);
    va_end(arguments);
    return length;
}

static void test_unknown_conversion(void **state)
{
    (void)state;
    char text[32];
    assert_int_equal(format_into(text, "%d%% %p and more", 5, (void *)text), 14);
    assert_string_equal(text, "5% %p and more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers), cmocka_unit_test(test_text), cmocka_unit_test(test_reals),
        cmocka_unit_test(test_random_reals),  cmocka_unit_test(test_unknown_conversion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
