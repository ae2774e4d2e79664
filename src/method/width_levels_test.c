/* HeteroFL's levels: which a device can afford, and which it is given. */
#include "method/test_width.h"

#include "method/width_levels.h"

#include <math.h>

static void levels_within_a_budget(void **state)
{
    (void)state;
    static const double costs[MU_WIDTH_LEVELS] = { 1556.874, 391.37, 98.922, 25.274, 6.594 };
    static const struct { double budget; uint32_t level; } cases[] = { { 1e9, 0 }, { 1556.874, 0 }, { 1556.8, 1 }, { 391.37, 1 }, { 100, 2 },
        { 98.9, 3 }, { 7, 4 }, { 6.594, 4 }, { 1, 4 }, { 0, 4 }, { NAN, 4 } };
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_int_equal(mu_level_within(costs, MU_WIDTH_LEVELS, cases[i].budget), cases[i].level);
    assert_int_equal(mu_level_within(costs, 1, 0), 0);
    static const double widths[MU_WIDTH_LEVELS] = { 1, 0.5, 0.25, 0.125, 0.0625 };
    for (uint32_t level = 0; level < MU_WIDTH_LEVELS; level++)
        assert_true(mu_level_width(level) == widths[level]);
}

/* 0.1 % and 99.9 % quantiles of chi-square with 4 and 1 degrees of freedom */
static void levels_are_drawn_by_their_shares(void **state)
{
    (void)state;
    static const struct { double shares[MU_WIDTH_LEVELS], low, high; } cases[] = {
        { { 1, 1, 1, 1, 1 }, 0.09, 18.47 }, { { 6, 10, 11, 18, 55 }, 0.09, 18.47 }, { { 0.5, 0, 0, 0, 0.5 }, 1e-6, 10.83 } };
    enum { DRAWS = 20000 };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_random random = mu_random_stream(3, MU_RANDOM_TEST, (uint32_t)i, 0);
        uint32_t times[MU_WIDTH_LEVELS] = { 0 };
        double total = 0, chi = 0;
        for (uint32_t l = 0; l < MU_WIDTH_LEVELS; l++)
            total += cases[i].shares[l];
        for (uint32_t draw = 0; draw < DRAWS; draw++)
            times[mu_level_draw(cases[i].shares, MU_WIDTH_LEVELS, &random)]++;
        for (uint32_t l = 0; l < MU_WIDTH_LEVELS; l++) {
            double expected = DRAWS * cases[i].shares[l] / total;
            if (expected > 0)
                chi += pow(times[l] - expected, 2) / expected;
            else
                assert_int_equal(times[l], 0);
        }
        if (chi < cases[i].low || chi > cases[i].high)
            fail_msg("case %zu: chi-square %g", i, chi);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_within_a_budget),
        cmocka_unit_test(levels_are_drawn_by_their_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
