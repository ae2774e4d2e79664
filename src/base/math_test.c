/* muster/math.h against the C library's long double functions, in units of the last place; and stored bits, because the same
 * bits everywhere are what these functions are for. */
#include "muster/math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double double_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |got - exact| in units of the last of `digits` binary digits of `exact`. */
static double ulps(long double got, long double exact, int digits, int smallest_exponent)
{
    if (got == exact)
        return 0.0;
    int exponent;
    frexpl(exact, &exponent);
    if (exponent < smallest_exponent)
        exponent = smallest_exponent;
    return (double)(fabsl(got - exact) / ldexpl(1.0L, exponent - digits));
}

static double float_ulps(float got, long double exact) { return ulps(got, exact, 24, -125); }
static double double_ulps(double got, long double exact) { return ulps(got, exact, 53, -1021); }

/* valgrind computes long double in double: then only the coarse checks are worth anything. */
static bool long_double_is_longer(void)
{
    volatile long double one = 1.0L, small = 0x1p-60L;
    return one + small != one;
}

static void test_float_functions(void **state)
{
    (void)state;
    double worst_exp = 0, worst_log = 0, worst_tanh = 0;
    for (uint64_t bits = 0; bits < 0x100000000u; bits += 4099) { /* a million floats, of every exponent and sign */
        float x = float_of_bits((uint32_t)bits);
        if (!isfinite(x))
            continue;
        if (x >= -87.33654f && x <= 88.72283f)
            worst_exp = fmax(worst_exp, float_ulps(mu_expf(x), expl(x)));
        if (x > 0.0f)
            worst_log = fmax(worst_log, float_ulps(mu_logf(x), logl(x)));
        worst_tanh = fmax(worst_tanh, float_ulps(mu_tanhf(x), tanhl(x)));
    }
    for (float x = -20.0f; x < 20.0f; x += 0.0001f) { /* where they are used */
        worst_exp = fmax(worst_exp, float_ulps(mu_expf(x), expl(x)));
        worst_tanh = fmax(worst_tanh, float_ulps(mu_tanhf(x), tanhl(x)));
        worst_log = fmax(worst_log, float_ulps(mu_logf(x + 20.0001f), logl(x + 20.0001f)));
    }
    printf("largest errors: mu_expf %.3f, mu_logf %.3f, mu_tanhf %.3f ulp\n", worst_exp, worst_log, worst_tanh);
    assert_true(worst_exp <= 1.1);
    assert_true(worst_log <= 0.51);
    assert_true(worst_tanh <= 1.4);
}

static void test_double_functions(void **state)
{
    (void)state;
    double worst_exp = 0, worst_log = 0, worst_near_1 = 0;
    for (double x = -708.0; x < 709.78; x += 0.00313)
        worst_exp = fmax(worst_exp, double_ulps(mu_exp(x), expl(x)));
    for (double x = -1.0; x < 1.0; x += 0.00000713)
        worst_exp = fmax(worst_exp, double_ulps(mu_exp(x), expl(x)));
    for (uint64_t bits = 1; bits < 0x7FF0000000000000u; bits += 0x1FFF3333777u) /* every exponent, subnormals too */
        worst_log = fmax(worst_log, double_ulps(mu_log(double_of_bits(bits)), logl(double_of_bits(bits))));
    for (double x = 0.5; x < 2.0; x += 0.00000313)
        worst_near_1 = fmax(worst_near_1, double_ulps(mu_log(x), logl(x)));
    printf("largest errors: mu_exp %.3f, mu_log %.3f, near 1 %.3f ulp\n", worst_exp, worst_log, worst_near_1);
    double slack = long_double_is_longer() ? 0.0 : 1.0;
    assert_true(worst_exp <= 1.1 + slack);
    assert_true(worst_log <= 0.9 + slack);
    assert_true(worst_near_1 <= 0.9 + slack);
}

static void test_sine_and_cosine(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = -1e5; x < 1e5; x += 0.1234567) {
        double sine, cosine;
        mu_sincos(x, &sine, &cosine);
        worst = fmax(worst, fmax((double)fabsl(sine - sinl(x)), (double)fabsl(cosine - cosl(x))));
    }
    for (double x = -7.0; x < 7.0; x += 0.0000137) {
        double sine, cosine;
        mu_sincos(x, &sine, &cosine);
        worst = fmax(worst, fmax((double)fabsl(sine - sinl(x)), (double)fabsl(cosine - cosl(x))));
    }
    printf("largest error: mu_sincos %.3g\n", worst);
    assert_true(worst < (long_double_is_longer() ? 1e-15 : 2e-15));
}

static void test_pow(void **state)
{
    (void)state;
    assert_true(mu_pow(3.0, 0.0) == 1.0 && mu_pow(1.0, 123.0) == 1.0);
    if (!long_double_is_longer()) { /* then powl is no better than what it should judge */
        printf("skipped: long double is no longer than double here\n");
        return;
    }
    for (double x = 0.01; x < 50.0; x *= 1.37)
        for (double y = -30.0; y < 30.0; y += 0.37) {
            /* the error of the logarithm, times how often it is taken */
            double allowed = 4.0 + 2.0 * fabs(y * log(x));
            assert_true(double_ulps(mu_pow(x, y), powl(x, y)) <= allowed);
        }
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(mu_expf(0.0f) == 1.0f && mu_exp(0.0) == 1.0);
    assert_true(mu_expf(88.72283f) < INFINITY && mu_expf(88.8f) == INFINITY && mu_expf(INFINITY) == INFINITY);
    assert_true(mu_expf(-87.33654f) >= 0x1p-126f && mu_expf(-87.4f) == 0.0f && mu_expf(-INFINITY) == 0.0f);
    assert_true(isnan(mu_expf(NAN)) && isnan(mu_exp(NAN)) && isnan(mu_logf(NAN)) && isnan(mu_log(NAN)) && isnan(mu_tanhf(NAN)));
    assert_true(mu_exp(709.782712893384) < INFINITY && mu_exp(709.79) == INFINITY && mu_exp(-709.0) == 0.0);
    assert_true(mu_exp(INFINITY) == INFINITY && mu_exp(-INFINITY) == 0.0);
    assert_true(mu_log(1.0) == 0.0 && mu_log(0.0) == -INFINITY && mu_log(INFINITY) == INFINITY && isnan(mu_log(-1.0)));
    assert_true(mu_logf(1.0f) == 0.0f && mu_logf(0.0f) == -INFINITY && isnan(mu_logf(-1e-30f)));
    assert_true(mu_tanhf(0.0f) == 0.0f && !signbit(mu_tanhf(0.0f)) && signbit(mu_tanhf(-0.0f)));
    assert_true(mu_tanhf(20.0f) == 1.0f && mu_tanhf(-20.0f) == -1.0f && mu_tanhf(INFINITY) == 1.0f && mu_tanhf(-INFINITY) == -1.0f);
    for (float x = 0.0f; x < 10.0f; x += 0.01f)
        assert_true(mu_tanhf(-x) == -mu_tanhf(x));
    float before = -1.0f;
    for (float x = -1.0f; x < 1.0f; x += 0.0003f) { /* rises */
        assert_true(mu_tanhf(x) >= before);
        before = mu_tanhf(x);
    }
    for (float x = 0.6249f; x < 0.6251f; x = nextafterf(x, 1.0f)) { /* where the series ends, too */
        assert_true(mu_tanhf(x) >= before || x == 0.6249f);
        before = mu_tanhf(x);
    }
}

/* All results of a walk over each function, mixed into 64 bits: another compiler, flag or processor that gives another
 * bit anywhere is found here. */
static uint64_t mix(uint64_t hash, const void *value, size_t size_bytes)
{
    const unsigned char *bytes = value;
    for (size_t i = 0; i < size_bytes; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash;
}

static void test_same_bits_everywhere(void **state)
{
    (void)state;
    uint64_t hash = 0xCBF29CE484222325u;
    for (int i = -20000; i < 20000; i++) {
        float x = (float)i * 0x1p-8f, results[3] = { mu_expf(x), mu_logf(x + 80.0f), mu_tanhf(x) };
        double y = (double)i * 0x1p-5, doubles[4] = { mu_exp(y), mu_log(y + 700.0) };
        mu_sincos(y, &doubles[2], &doubles[3]);
        if (x + 80.0f > 0.0f)
            hash = mix(hash, results, sizeof results);
        if (y + 700.0 > 0.0) /* a NAN's bits are nobody's promise */
            hash = mix(hash, doubles, sizeof doubles);
    }
    if (hash != 0xbbf87bdf1854f217u)
        fail_msg("other bits somewhere: the hash is 0x%llx", (unsigned long long)hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float_functions), cmocka_unit_test(test_double_functions), cmocka_unit_test(test_sine_and_cosine),
        cmocka_unit_test(test_pow),             cmocka_unit_test(test_edges),            cmocka_unit_test(test_same_bits_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
