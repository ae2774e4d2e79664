/* The inlined exp and tanh are the library's, bit for bit, for every exponent, sign and a prime step of mantissas; the sigmoid is as
 * near as stated. */
#include "tensor/elementary.h"
#include "tensor/kernels_test.h"

#include "muster/math.h"

static void same_as_library(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 2039) {
        uint32_t word = (uint32_t)bits;
        float    x;
        memcpy(&x, &word, sizeof x);
        if (!test_same_bits(mu_expf(x), mu_expf_inline(x)))
            fail_msg("exp(%a) is %a, the library's is %a", (double)x, (double)mu_expf_inline(x), (double)mu_expf(x));
        if (!test_same_bits(mu_tanhf(x), mu_tanhf_inline(x)))
            fail_msg("tanh(%a) is %a, the library's is %a", (double)x, (double)mu_tanhf_inline(x), (double)mu_tanhf(x));
    }
}

static void same_at_the_limits(void **state)
{
    (void)state;
    static const float limits[] = { 88.72283f, -87.33654f, 9.1f, -9.1f, 0.625f, -0.625f, 0.0f, -0.0f, INFINITY, -INFINITY, NAN };
    for (size_t i = 0; i < MU_COUNT(limits); i++) {
        const float around[] = { limits[i], nextafterf(limits[i], INFINITY), nextafterf(limits[i], -INFINITY) };
        for (size_t k = 0; k < 3; k++) {
            assert_true(test_same_bits(mu_expf(around[k]), mu_expf_inline(around[k])));
            assert_true(test_same_bits(mu_tanhf(around[k]), mu_tanhf_inline(around[k])));
        }
    }
}

static void sigmoid(void **state)
{
    (void)state;
    double worst = 0;
    for (float x = -87.3f; x < 30.0f; x += 0.0003f) {
        double exact = 1 / (1 + exp(-(double)x));
        int    exponent;
        frexp(exact, &exponent);
        worst = fmax(worst, fabs((double)mu_sigmoidf_inline(x) - exact) / ldexp(1, exponent - 24));
    }
    printf("largest error: mu_sigmoidf_inline %.3f ulp\n", worst);
    assert_true(worst <= 2.5);
    assert_true(mu_sigmoidf_inline(0.0f) == 0.5f && mu_sigmoidf_inline(INFINITY) == 1.0f && mu_sigmoidf_inline(-INFINITY) == 0.0f);
    assert_true(isnan(mu_sigmoidf_inline(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_as_library), cmocka_unit_test(same_at_the_limits), cmocka_unit_test(sigmoid) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
