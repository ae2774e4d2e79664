/* Philox against its published answers; the distributions against their moments, within five standard errors. */
#include "muster/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mu_random stream(uint64_t device)
{
    return mu_random_stream(42, MU_RANDOM_TEST, 0, device);
}

static void test_known_answers(void **state)
{
    (void)state;
    static const struct { uint32_t key[2], counter[4], out[4]; } answers[] = {
        { { 0, 0 }, { 0, 0, 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0xa4093822, 0x299f31d0 }, { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < MU_COUNT(answers); i++) {
        uint32_t out[4];
        mu_random_philox(answers[i].key, answers[i].counter, out);
        assert_memory_equal(out, answers[i].out, sizeof out);
    }
}

static void test_a_stream_is_its_name(void **state)
{
    (void)state;
    mu_random a = mu_random_stream(7, MU_RANDOM_BATCH, 3, 1u << 20 | (uint64_t)5 << 32);
    mu_random b = mu_random_stream(7, MU_RANDOM_BATCH, 3, 1u << 20 | (uint64_t)5 << 32);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(mu_random_u32(&a), mu_random_u32(&b));
    mu_random copy = a; /* may be copied at any place */
    mu_random_u32(&a);
    mu_random_u32(&copy);
    assert_int_equal(mu_random_u64(&a), mu_random_u64(&copy));
    /* the counter's words are position, device, device, round: a block is what Philox says of them */
    mu_random c = mu_random_stream(7, MU_RANDOM_BATCH, 3, (uint64_t)9 << 32 | 8);
    uint32_t counter[4] = { 1, 8, 9, 3 }, block[4];
    mu_random_philox(c.key, counter, block);
    for (int i = 0; i < 4; i++)
        mu_random_u32(&c);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mu_random_u32(&c), block[i]);
}

/* Skipping is drawing without looking, from any place in a block to any other, and across the counter's end. */
static void test_skip(void **state)
{
    (void)state;
    for (uint64_t begin = 0; begin < 6; begin++)
        for (uint64_t count = 0; count < 14; count++) {
            mu_random drawn = mu_random_stream(7, MU_RANDOM_TEST, 1, 2);
            drawn.counter[0] = count % 2 ? UINT32_MAX - 1 : 5;
            for (uint64_t i = 0; i < begin; i++)
                mu_random_u32(&drawn);
            mu_random skipped = drawn;
            for (uint64_t i = 0; i < count; i++)
                mu_random_u32(&drawn);
            mu_random_skip(&skipped, count);
            for (int i = 0; i < 9; i++)
                assert_int_equal(mu_random_u32(&skipped), mu_random_u32(&drawn));
        }
    mu_random far = mu_random_stream(7, MU_RANDOM_TEST, 1, 2), same = far;
    mu_random_skip(&far, 4000000001u);
    mu_random_skip(&same, 3999999998u);
    mu_random_u64(&same);
    mu_random_u32(&same);
    assert_int_equal(mu_random_u32(&far), mu_random_u32(&same));
}

/* Share of equal bits and of equal words of two streams. */
static void check_unrelated(mu_random a, mu_random b)
{
    enum { WORDS = 20000 };
    uint64_t equal_bits = 0, equal_words = 0;
    double product = 0;
    for (int i = 0; i < WORDS; i++) {
        uint32_t x = mu_random_u32(&a), y = mu_random_u32(&b);
        equal_words += x == y;
        equal_bits += 32 - (uint64_t)__builtin_popcount(x ^ y);
        product += (x * 0x1p-32 - 0.5) * (y * 0x1p-32 - 0.5);
    }
    double bits = 32.0 * WORDS;
    assert_true(fabs((double)equal_bits - bits / 2) < 5 * sqrt(bits) / 2);
    assert_true(fabs(product / WORDS) < 5.0 / 12 / sqrt(WORDS));
    assert_true(equal_words < 3);
}

static void test_streams_are_independent(void **state)
{
    (void)state;
    mu_random base = mu_random_stream(1, MU_RANDOM_INIT, 0, 0);
    check_unrelated(base, mu_random_stream(2, MU_RANDOM_INIT, 0, 0));
    check_unrelated(base, mu_random_stream(1, MU_RANDOM_SELECT, 0, 0));
    check_unrelated(base, mu_random_stream(1, MU_RANDOM_INIT, 1, 0));
    check_unrelated(base, mu_random_stream(1, MU_RANDOM_INIT, 0, 1));
    check_unrelated(base, mu_random_stream(1, MU_RANDOM_INIT, 0, (uint64_t)1 << 32));
    check_unrelated(base, mu_random_stream((uint64_t)1 << 63 | 1, MU_RANDOM_INIT, 0, 0));
    check_unrelated(mu_random_stream(0, MU_RANDOM_SELECT, 0, 0), mu_random_stream(1, MU_RANDOM_INIT, 0, 0)); /* not seed + purpose */
    check_unrelated(mu_random_stream(1, MU_RANDOM_INIT, 1, 0), mu_random_stream(1, MU_RANDOM_INIT, 0, 1));
    mu_random later = base; /* and of itself, a little further on */
    mu_random_u32(&later);
    check_unrelated(base, later);
}

static void test_below_is_unbiased(void **state)
{
    (void)state;
    enum { DRAWS = 60000, MOST = 7 };
    mu_random random = stream(1);
    for (uint32_t bound = 1; bound <= MOST; bound++) {
        uint32_t counts[MOST] = { 0 };
        for (int i = 0; i < DRAWS; i++) {
            uint32_t x = mu_random_below(&random, bound);
            assert_true(x < bound);
            counts[x]++;
        }
        double chi_square = 0, expected = (double)DRAWS / bound;
        for (uint32_t i = 0; i < bound; i++)
            chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
        assert_true(chi_square < bound - 1 + 5 * sqrt(2.0 * bound));
    }
    /* of 3 * 2^30 values the plain product would draw the first third twice as often */
    uint32_t low = 0, bound = 3u << 30;
    for (int i = 0; i < DRAWS; i++)
        low += mu_random_below(&random, bound) % 3 == 0;
    assert_true(fabs(low - DRAWS / 3.0) < 5 * sqrt(DRAWS * 2.0 / 9.0));
}

/* Mean and variance of `draws` numbers against what they should be; the variance of the variance is from the kurtosis. */
static void check_moments(const double *values, size_t draws, double mean, double variance, double kurtosis)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < draws; i++)
        sum += values[i];
    for (size_t i = 0; i < draws; i++)
        square += (values[i] - mean) * (values[i] - mean);
    assert_true(fabs(sum / (double)draws - mean) <= 5 * sqrt(variance / (double)draws));
    assert_true(fabs(square / (double)draws - variance) <= 5 * variance * sqrt((kurtosis - 1) / (double)draws));
}

enum { MANY = 200000 };

static void test_uniform_and_normal(void **state)
{
    (void)state;
    double *values = malloc(MANY * sizeof *values);
    mu_random random = stream(2);
    for (int i = 0; i < MANY; i++) {
        values[i] = mu_random_unit(&random);
        assert_true(values[i] >= 0.0 && values[i] < 1.0);
    }
    check_moments(values, MANY, 0.5, 1.0 / 12, 1.8);
    for (int i = 0; i < MANY; i++) {
        float x = mu_random_unit_float(&random);
        values[i] = (double)x;
        assert_true(x >= 0.0f && x < 1.0f && ldexpf(x, 24) == floorf(ldexpf(x, 24)));
    }
    check_moments(values, MANY, 0.5, 1.0 / 12, 1.8);
    double fourth = 0, product = 0;
    int beyond = 0;
    for (int i = 0; i < MANY; i++) {
        values[i] = mu_random_normal(&random);
        fourth += values[i] * values[i] * values[i] * values[i];
        product += i ? values[i] * values[i - 1] : 0.0;
        beyond += fabs(values[i]) > 1.959964;
    }
    check_moments(values, MANY, 0.0, 1.0, 3.0);
    assert_true(fabs(fourth / MANY - 3.0) < 5 * sqrt(96.0 / MANY));
    assert_true(fabs(product / MANY) < 5 / sqrt(MANY));
    assert_true(fabs(beyond - 0.05 * MANY) < 5 * sqrt(0.05 * 0.95 * MANY));
    free(values);
}

static void test_gamma(void **state)
{
    (void)state;
    static const double shapes[] = { 0.1, 0.5, 1.0, 2.5, 30.0 };
    double *values = malloc(MANY * sizeof *values);
    mu_random random = stream(3);
    for (size_t s = 0; s < MU_COUNT(shapes); s++) {
        for (int i = 0; i < MANY; i++) {
            values[i] = mu_random_gamma(&random, shapes[s]);
            assert_true(values[i] >= 0.0 && isfinite(values[i]));
        }
        check_moments(values, MANY, shapes[s], shapes[s], 3.0 + 6.0 / shapes[s]);
    }
    free(values);
}

static void test_dirichlet(void **state)
{
    (void)state;
    enum { DRAWS = 20000, SHARES = 5 };
    static const double alphas[] = { 0.1, 1.0, 10.0 };
    mu_random random = stream(4);
    for (size_t a = 0; a < MU_COUNT(alphas); a++) {
        double square[SHARES] = { 0 }, sum[SHARES] = { 0 };
        for (int i = 0; i < DRAWS; i++) {
            double shares[SHARES], total = 0;
            mu_random_dirichlet(&random, alphas[a], SHARES, shares);
            for (int n = 0; n < SHARES; n++) {
                assert_true(shares[n] >= 0.0 && shares[n] <= 1.0);
                total += shares[n];
                sum[n] += shares[n];
                square[n] += (shares[n] - 0.2) * (shares[n] - 0.2);
            }
            assert_true(fabs(total - 1.0) < 1e-12);
        }
        double variance = 0.2 * 0.8 / (SHARES * alphas[a] + 1.0);
        for (int n = 0; n < SHARES; n++) {
            assert_true(fabs(sum[n] / DRAWS - 0.2) < 5 * sqrt(variance / DRAWS));
            assert_true(fabs(square[n] / DRAWS / variance - 1.0) < 5 * sqrt(10.0 / DRAWS));
        }
    }
    uint32_t winners[SHARES] = { 0 };
    for (int i = 0; i < 1000; i++) { /* all gammas underflow: one takes all, and each of them sometimes */
        double shares[SHARES], total = 0;
        mu_random_dirichlet(&random, 1e-7, SHARES, shares);
        for (int n = 0; n < SHARES; n++) {
            total += shares[n];
            winners[n] += shares[n] > 0.5;
        }
        assert_true(total == 1.0);
    }
    for (int n = 0; n < SHARES; n++)
        assert_in_range(winners[n], 137, 263); /* 200 expected, standard deviation 12.6 */
}

static void test_shuffle(void **state)
{
    (void)state;
    enum { ITEMS = 4, DRAWS = 24000 };
    uint32_t orders[256] = { 0 }, seen = 0;
    mu_random random = stream(5);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t items[ITEMS] = { 0, 1, 2, 3 }, together = 0;
        mu_random_shuffle(&random, items, ITEMS);
        for (int n = 0; n < ITEMS; n++)
            together |= 1u << items[n];
        assert_int_equal(together, 15);
        orders[items[0] << 6 | items[1] << 4 | items[2] << 2 | items[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (orders[i]) {
            seen++;
            assert_true(fabs(orders[i] - 1000.0) < 5 * sqrt(1000.0)); /* all 24 orders alike */
        }
    assert_int_equal(seen, 24);
    uint32_t one = 7;
    mu_random_shuffle(&random, &one, 1);
    mu_random_shuffle(&random, NULL, 0);
    assert_int_equal(one, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),         cmocka_unit_test(test_a_stream_is_its_name),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_streams_are_independent), cmocka_unit_test(test_below_is_unbiased),
        cmocka_unit_test(test_uniform_and_normal),    cmocka_unit_test(test_gamma),
        cmocka_unit_test(test_dirichlet),             cmocka_unit_test(test_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
