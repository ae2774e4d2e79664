/* Masks of dropout, in every table there is, against the stream drawn number by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tensor/kernels.h"

#include <string.h>

enum { MOST = 700 };

static void check(const mu_kernel_table *table, mu_random start, uint32_t dropped_below, size_t count)
{
    mu_random one_by_one = start, at_once = start;
    float expected[MOST], mask[MOST + 1];
    for (size_t i = 0; i < count; i++)
        expected[i] = mu_random_u32(&one_by_one) < dropped_below ? 0.0f : 1.25f;
    mask[count] = 7;
    table->dropout_mask(&at_once, dropped_below, 1.25f, count, mask);
    assert_memory_equal(mask, expected, count * sizeof *mask);
    assert_true(mask[count] == 7);
    for (int i = 0; i < 9; i++) /* and the stream goes on where it would */
        assert_int_equal(mu_random_u32(&at_once), mu_random_u32(&one_by_one));
}

static void test_every_table(void **state)
{
    (void)state;
    static const char *const names[] = { "plain", "avx2", "avx512", "neon" };
    static const size_t counts[] = { 0, 1, 3, 4, 5, 127, 128, 129, 131, 256, 511, 640, 699 };
    for (size_t t = 0; t < MU_COUNT(names); t++) {
        const mu_kernel_table *table = mu_kernels_named(names[t]);
        for (size_t c = 0; table && c < MU_COUNT(counts); c++)
            for (uint32_t before = 0; before < 5; before++) {
                mu_random random = mu_random_stream(3, MU_RANDOM_TEST, 1, 5);
                for (uint32_t i = 0; i < before; i++)
                    mu_random_u32(&random);
                check(table, random, 1u << 31, counts[c]);
                check(table, random, 0, counts[c]);
                check(table, random, UINT32_MAX, counts[c]);
            }
    }
    mu_random random = mu_random_stream(3, MU_RANDOM_TEST, 1, 5);
    random.counter[0] = UINT32_MAX - 20; /* the position starts again */
    check(mu_kernels(), random, 1u << 31, MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_table) };
    return cmocka_run_group_tests_name("dropout mask", tests, NULL, NULL);
}
