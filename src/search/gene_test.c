/* Genes: within their bounds always, and spread as the formulas of the two operators say. */
#include "search/gene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DRAWS = 40000 };

static const mu_gene unit = { 0.0, 1.0, false };

static mu_random test_stream(uint32_t which)
{
    return mu_random_stream(1, MU_RANDOM_TEST, which, 0);
}

/* A share that was counted in DRAWS draws, within five standard deviations. */
static void assert_share(uint32_t count, double expected)
{
    double deviation = sqrt(expected * (1.0 - expected) / DRAWS);
    assert_float_equal((double)count / DRAWS, expected, 5.0 * deviation);
}

static void bounds(void **unused)
{
    (void)unused;
    const struct { mu_gene gene; bool valid; } cases[] = {
        { { 0, 1, false }, true },         { { 0.5, 0.5, false }, true },  { { 1, 0, false }, false },    { { NAN, 1, false }, false },
        { { 0, NAN, false }, false },      { { 0, INFINITY, false }, false }, { { -1e100, 1e100, false }, true }, { { 0, 2e100, false }, false },
        { { 0, 3, true }, true },          { { 0.5, 3, true }, false },    { { 0, 2.5, true }, false },   { { -1e9, 1e9, true }, true },
        { { 0, 2e9, true }, false },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_int_equal(mu_gene_is_valid(cases[i].gene), cases[i].valid);
    assert_true(mu_gene_holds((mu_gene){ 0, 3, true }, 3.0));
    assert_false(mu_gene_holds((mu_gene){ 0, 3, true }, 2.5));
    assert_true(mu_gene_holds((mu_gene){ 0, 3, false }, 2.5));
    assert_false(mu_gene_holds(unit, NAN));
    assert_false(mu_gene_holds(unit, 1.0000001));
}

static void draws_are_uniform(void **unused)
{
    (void)unused;
    mu_random random = test_stream(0);
    uint32_t low = 0, counts[4] = { 0 };
    for (int i = 0; i < DRAWS; i++) {
        double value = mu_gene_draw((mu_gene){ -2.0, 6.0, false }, &random);
        assert_true(value >= -2.0 && value <= 6.0);
        low += value < 0.0;
        double whole = mu_gene_draw((mu_gene){ 5, 8, true }, &random);
        assert_true(mu_gene_holds((mu_gene){ 5, 8, true }, whole));
        counts[(int)whole - 5]++;
    }
    assert_share(low, 0.25);
    for (int i = 0; i < 4; i++)
        assert_share(counts[i], 0.25);
}

/* Parents at 0.45 and 0.55: the bounds are so far away that the formula without bounds holds. P(spread <= 0.9) = 0.9^16 / 2, P(spread <= 1) =
 * 1/2, P(spread <= 1.2) = 1 - 1.2^-16 / 2. */
static void crossover_spreads_as_its_formula_says(void **unused)
{
    (void)unused;
    mu_random random = test_stream(1);
    const struct { double spread, share; } marks[] = { { 0.9, 0.0926510 }, { 1.0, 0.5 }, { 1.2, 0.9729560 } };
    uint32_t counts[3] = { 0 }, swapped = 0;
    for (int i = 0; i < DRAWS; i++) {
        double a = 0.45, b = 0.55;
        mu_gene_cross(unit, 15.0, &random, &a, &b);
        assert_float_equal(a + b, 1.0, 1e-9);
        swapped += a > b;
        for (int m = 0; m < 3; m++)
            counts[m] += fabs(b - a) / 0.1 <= marks[m].spread;
    }
    for (int m = 0; m < 3; m++)
        assert_share(counts[m], marks[m].share);
    assert_share(swapped, 0.5);
}

/* Parents at 0 and 0.1 with eta 0: below, the reach is a spread of 1, alpha = 2 - 1 = 1, and the spread is u: the lower child, 0.05 - 0.05 u, is
 * uniform from 0 to 0.05. Above, the reach is 1 + 2 * 0.9 / 0.1 = 19, alpha = 2 - 1 / 19 = 37/19, and P(spread <= 1) = 1 / alpha = 19/37. */
static void crossover_at_a_bound(void **unused)
{
    (void)unused;
    mu_random random = test_stream(2);
    uint32_t low = 0, inside = 0;
    for (int i = 0; i < DRAWS; i++) {
        double a = 0.1, b = 0.0;
        mu_gene_cross(unit, 0.0, &random, &a, &b);
        assert_true(mu_gene_holds(unit, a) && mu_gene_holds(unit, b));
        low += fmin(a, b) < 0.0125;
        inside += fmax(a, b) <= 0.1;
    }
    assert_share(low, 0.25);
    assert_share(inside, 19.0 / 37.0);
}

static void equal_parents_have_equal_children(void **unused)
{
    (void)unused;
    mu_random random = test_stream(3);
    double a = 0.3, b = 0.3;
    mu_gene_cross(unit, 15.0, &random, &a, &b);
    assert_true(a == 0.3 && b == 0.3);
    double c = 7.0, d = 7.0;
    mu_gene_cross((mu_gene){ 7, 7, true }, 15.0, &random, &c, &d);
    assert_true(c == 7.0 && d == 7.0);
    assert_true(mu_gene_mutate((mu_gene){ 7, 7, true }, 20.0, &random, 7.0) == 7.0);
    assert_true(mu_gene_mutate((mu_gene){ 0.7, 0.7, false }, 20.0, &random, 0.7) == 0.7);
}

/* In the middle: P(|d| > 0.05) = 0.95^21. At the lower bound: every u below a half gives rest = 1 and a move of 0. */
static void mutation_moves_as_its_formula_says(void **unused)
{
    (void)unused;
    mu_random random = test_stream(4);
    uint32_t far = 0, up = 0, stuck = 0, far_from_bound = 0;
    for (int i = 0; i < DRAWS; i++) {
        double value = mu_gene_mutate((mu_gene){ 10.0, 30.0, false }, 20.0, &random, 20.0);
        assert_true(value >= 10.0 && value <= 30.0);
        far += fabs(value - 20.0) > 0.05 * 20.0;
        up += value > 20.0;
        double at_bound = mu_gene_mutate(unit, 20.0, &random, 0.0);
        stuck += at_bound == 0.0;
        far_from_bound += at_bound > 0.05;
        assert_true(mu_gene_holds(unit, at_bound));
    }
    assert_share(far, 0.3405616); /* 0.95^21 */
    assert_share(up, 0.5);
    assert_share(stuck, 0.5);
    assert_share(far_from_bound, 0.3405616 / 2);
}

/* A mutation of a whole number changes it, and stays within its bounds; crossover gives whole numbers too. */
static void whole_numbers_stay_whole(void **unused)
{
    (void)unused;
    mu_random random = test_stream(5);
    const mu_gene bit = { 0, 1, true }, some = { -3, 12, true };
    uint32_t up = 0, seen[16] = { 0 };
    for (int i = 0; i < DRAWS; i++) {
        double value = i % 2;
        assert_true(mu_gene_mutate(bit, 20.0, &random, value) == 1.0 - value);
        double moved = mu_gene_mutate(some, 20.0, &random, 4.0);
        assert_true(mu_gene_holds(some, moved) && moved != 4.0);
        up += moved > 4.0;
        double a = 0.0, b = 9.0;
        mu_gene_cross(some, 2.0, &random, &a, &b);
        assert_true(mu_gene_holds(some, a) && mu_gene_holds(some, b));
        seen[(int)a + 3]++;
    }
    assert_share(up, 0.5);
    for (int i = 0; i < 16; i++)
        assert_true(seen[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),
        cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(crossover_spreads_as_its_formula_says),
        cmocka_unit_test(crossover_at_a_bound),
        cmocka_unit_test(equal_parents_have_equal_children),
        cmocka_unit_test(mutation_moves_as_its_formula_says),
        cmocka_unit_test(whole_numbers_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
