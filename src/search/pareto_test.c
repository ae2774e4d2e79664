/* Fronts, crowding and hypervolume: worked by hand, and against pymoo. */
#include "search/pareto.h"

#include "../../tests/search/pareto_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*  6  H
 *  5  A . . . F        A B G C are nowhere beaten (B and G are equal); then
 *  4  . . D            H (by A), D (by B) and E (by C); then F
 *  3  . BG
 *  2  . . . . E
 *  1  . . . C
 *     1 2 3 4 5  */
enum { A, B, C, D, E, F, G, H, LETTERS };
static const double letters[] = { 1, 5, 2, 3, 4, 1, 3, 4, 5, 2, 5, 5, 2, 3, 1, 6 };

static void one_dominates_another(void **unused)
{
    (void)unused;
    assert_true(mu_pareto_dominates((double[]){ 1, 2 }, (double[]){ 1, 3 }, 2));
    assert_false(mu_pareto_dominates((double[]){ 1, 3 }, (double[]){ 1, 2 }, 2));
    assert_false(mu_pareto_dominates((double[]){ 1, 2 }, (double[]){ 1, 2 }, 2));
    assert_false(mu_pareto_dominates((double[]){ 0, 3 }, (double[]){ 1, 2 }, 2));
    assert_true(mu_pareto_dominates((double[]){ 0, 0, 0 }, (double[]){ 0, 0, 1 }, 3));
}

static void letters_are_in_three_fronts(void **unused)
{
    (void)unused;
    uint32_t ranks[LETTERS], scratch[2 * LETTERS];
    mu_pareto_rank((mu_points){ letters, LETTERS, 2 }, ranks, scratch);
    assert_memory_equal(ranks, ((uint32_t[LETTERS]){ 0, 0, 0, 1, 1, 2, 0, 1 }), sizeof ranks);
    uint32_t front[LETTERS], count;
    mu_pareto_front((mu_points){ letters, LETTERS, 2 }, front, &count);
    assert_int_equal(count, 3);
    assert_memory_equal(front, ((uint32_t[]){ A, B, C }), 3 * sizeof *front); /* G is B once more */
    mu_pareto_front((mu_points){ letters, 0, 2 }, front, &count);
    assert_int_equal(count, 0);
}

/* By the first objective A(1) B(2) G(2) C(4), range 3; by the second C(1) B(3) G(3) A(5), range 4.
 *     B: (2 - 1) / 3 + (3 - 1) / 4      G: (4 - 2) / 3 + (5 - 3) / 4 */
static void letters_are_crowded(void **unused)
{
    (void)unused;
    uint32_t members[] = { G, C, B, A };
    double distances[LETTERS] = { [D] = -1.0 };
    mu_pareto_crowding((mu_points){ letters, LETTERS, 2 }, members, 4, distances);
    assert_true(isinf(distances[A]) && isinf(distances[C]));
    assert_float_equal(distances[B], 1.0 / 3 + 0.5, 1e-15);
    assert_float_equal(distances[G], 2.0 / 3 + 0.5, 1e-15);
    assert_true(distances[D] == -1.0); /* not of this front */
    /* the second objective is the same for all: nobody is its lowest or highest */
    const double level[] = { 1, 5, 3, 5, 0, 5 };
    uint32_t three[] = { 0, 1, 2 };
    mu_pareto_crowding((mu_points){ level, 3, 2 }, three, 3, distances);
    assert_true(isinf(distances[1]) && isinf(distances[2]) && distances[0] == 1.0);
}

static double volume_of(const double *values, uint32_t count, uint32_t dimensions, double reference)
{
    const double below[] = { reference, reference, reference };
    double volume = -1.0;
    assert_int_equal(mu_pareto_hypervolume((mu_points){ values, count, dimensions }, below, &volume, NULL), MU_OK);
    return volume;
}

static void volumes_by_hand(void **unused)
{
    (void)unused;
    /* A: (6 - 1)(6 - 5), B: (6 - 2)(5 - 3), C: (6 - 4)(3 - 1); whoever is dominated, on the edge or beyond it adds nothing */
    assert_float_equal(volume_of(letters, LETTERS, 2, 6), 5 + 8 + 4, 0);
    assert_float_equal(volume_of(letters, LETTERS, 2, 4), (4 - 2) * (4 - 3), 0);
    assert_float_equal(volume_of(letters, LETTERS, 2, 1), 0, 0);
    assert_float_equal(volume_of(letters, 0, 2, 6), 0, 0);
    /* three slabs of 4 in a cube of 2: 3 * 4 - 3 * 2 + 1 */
    const double slabs[] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 };
    assert_float_equal(volume_of(slabs, 3, 3, 2), 7, 0);
    assert_float_equal(volume_of(slabs, 1, 3, 2), 4, 0);
    assert_float_equal(volume_of(slabs, 3, 3, 1), 0, 0);
    double volume = -1.0;
    mu_error err = { 0 };
    assert_int_equal(mu_pareto_hypervolume((mu_points){ letters, 4, 4 }, letters, &volume, &err), MU_E_UNSUPPORTED);
    assert_string_equal(err.message, "the hypervolume is computed for 2 and 3 objectives, not for 4");
    assert_true(volume == -1.0);
}

static void fronts_and_volumes_are_pymoos(void **unused)
{
    (void)unused;
    const struct { uint32_t dimensions; const double *points; const uint32_t *ranks; double all, some; const double *sphere; double of_sphere; }
        cases[] = {
            { 2, points_2d, points_2d_ranks, points_2d_volume_all, points_2d_volume_some, sphere_2d, sphere_2d_volume },
            { 3, points_3d, points_3d_ranks, points_3d_volume_all, points_3d_volume_some, sphere_3d, sphere_3d_volume },
        };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        uint32_t ranks[REFERENCE_POINTS], scratch[2 * REFERENCE_POINTS];
        mu_pareto_rank((mu_points){ cases[i].points, REFERENCE_POINTS, cases[i].dimensions }, ranks, scratch);
        assert_memory_equal(ranks, cases[i].ranks, sizeof ranks);
        assert_float_equal(volume_of(cases[i].points, REFERENCE_POINTS, cases[i].dimensions, 1.0), cases[i].all, 1e-13);
        assert_float_equal(volume_of(cases[i].points, REFERENCE_POINTS, cases[i].dimensions, 0.6), cases[i].some, 1e-13);
        assert_float_equal(volume_of(cases[i].sphere, REFERENCE_POINTS, cases[i].dimensions, 1.1), cases[i].of_sphere, 1e-13);
    }
}

/* With two objectives a front is a table: the first rises, the second falls, strictly; and it has the volume of all. */
static void a_front_is_a_table(void **unused)
{
    (void)unused;
    uint32_t front[REFERENCE_POINTS], count;
    double values[2 * REFERENCE_POINTS];
    mu_pareto_front((mu_points){ points_2d, REFERENCE_POINTS, 2 }, front, &count);
    assert_true(count >= 3);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(points_2d_ranks[front[i]], 0);
        memcpy(values + 2 * i, points_2d + 2 * front[i], 2 * sizeof *values);
        if (i > 0)
            assert_true(values[2 * i] > values[2 * i - 2] && values[2 * i + 1] < values[2 * i - 1]);
    }
    assert_float_equal(volume_of(values, count, 2, 1.0), points_2d_volume_all, 1e-13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_dominates_another),
        cmocka_unit_test(letters_are_in_three_fronts),
        cmocka_unit_test(letters_are_crowded),
        cmocka_unit_test(volumes_by_hand),
        cmocka_unit_test(fronts_and_volumes_are_pymoos),
        cmocka_unit_test(a_front_is_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
