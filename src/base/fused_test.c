/* The fused multiply-add in integers against the processor's (or the C library's), bit by bit. */
#include "base/fused.h"

#include "muster/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void check(double a, double b, double c)
{
    double expected = fma(a, b, c), found = mu_fma_in_integers(a, b, c);
    if (memcmp(&expected, &found, sizeof found) != 0 && !(isnan(expected) && isnan(found)))
        fail_msg("fma(%a, %a, %a) is %a, expected %a", a, b, c, found, expected);
}

static void test_known_values(void **state)
{
    (void)state;
    /* (1 + e)(1 - e) - 1 = -e^2, which two roundings lose */
    assert_true(mu_fma_in_integers(1 + 0x1p-30, 1 - 0x1p-30, -1.0) == -0x1p-60);
    assert_true(mu_fma_in_integers(3.0, 5.0, 7.0) == 22.0);
    assert_true(mu_fma_in_integers(0x1p1023, 2.0, -0x1p1023) == 0x1p1023); /* the product alone would be infinite */
    assert_true(mu_fma_in_integers(0x1p-1074, 0.5, 0x1p-1074) == 0x1p-1073); /* halfway, to even */
    double zero = mu_fma_in_integers(2.0, 3.0, -6.0);
    assert_true(zero == 0.0 && !signbit(zero));
    assert_true(signbit(mu_fma_in_integers(-0x1p-1000, 0x1p-1000, 0.0))); /* rounds to its own zero */
}

static void test_edges_with_each_other(void **state)
{
    (void)state;
    const double edges[] = { 0.0, 0x1p-1074, 0x1.8p-1073, 0x0.fffffffffffffp-1022, 0x1p-1022, 0x1.0000000000001p-1022, 0x1p-537,
                             0x1.fffffffffffffp-512, 0x1p-53, 0x1.fffffffffffffp-1, 1.0, 0x1.0000000000001p0, 1.5, 0x1p53,
                             0x1.fffffffffffffp511, 0x1p512, 0x1p1023, 0x1.fffffffffffffp1023, INFINITY, NAN };
    for (size_t i = 0; i < 8 * MU_COUNT(edges) * MU_COUNT(edges) * MU_COUNT(edges); i++) {
        size_t rest = i / 8;
        double a = edges[rest % MU_COUNT(edges)], b = edges[rest / MU_COUNT(edges) % MU_COUNT(edges)];
        double c = edges[rest / MU_COUNT(edges) / MU_COUNT(edges)];
        check(i & 1 ? -a : a, i & 2 ? -b : b, i & 4 ? -c : c);
    }
}

static void test_random_bits(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    for (int i = 0; i < 300000; i++) {
        double a = double_of(mu_random_u64(&random)), b = double_of(mu_random_u64(&random));
        check(a, b, double_of(mu_random_u64(&random)));
    }
}

/* c as large as the product, give or take: bits cancel, and what remains is what one rounding decides. */
static void test_cancellation(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(2, MU_RANDOM_TEST, 0, 0);
    for (int i = 0; i < 300000; i++) {
        double a = ldexp(mu_random_unit(&random) + 0.5, (int)mu_random_below(&random, 1000) - 500);
        double b = ldexp(mu_random_unit(&random) + 0.5, (int)mu_random_below(&random, 1000) - 500);
        double c = -a * b * ldexp(1.0, (int)mu_random_below(&random, 220) - 110);
        if (mu_random_below(&random, 2))
            c = nextafter(-a * b, mu_random_below(&random, 2) ? INFINITY : -INFINITY);
        check(a, b, c);
        check(a, b, -c);
        check(a, 0x1p-1060 * b, ldexp(c, -1000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_edges_with_each_other),
        cmocka_unit_test(test_random_bits),
        cmocka_unit_test(test_cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
