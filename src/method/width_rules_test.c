/* Rules that pick units: by hand on a small network, and what must hold on every one. */
#include "method/test_width.h"

#include "method/width_elements.h"
#include "method/width_rules.h"
#include "method/width_scores.h"

#include <math.h>

enum { MODELS = 5 };

static net model_at(size_t index)
{
    switch (index) {
    case 0: return net_named("lenet5", (mu_shape){ 28, 28, 1 }, 10);
    case 1: return net_named("cifar-cnn", (mu_shape){ 32, 32, 3 }, 10);
    case 2: return net_named("resnet20", (mu_shape){ 32, 32, 3 }, 10);
    case 3: return net_named("mobilenetv2", (mu_shape){ 32, 32, 3 }, 10);
    default: return net_named("char-lstm", (mu_shape){ 1, 1, 80 }, 80);
    }
}

static mu_random test_stream(uint32_t round)
{
    return mu_random_stream(7, MU_RANDOM_TEST, round, 0);
}

/* ---- how many ---- */

static void expect_counts(double width, mu_width_rounding rounding, uint32_t a, uint32_t b)
{
    net n = small_net();
    uint32_t counts[2];
    mu_width_counts(n.units, width, rounding, counts);
    assert_int_equal(counts[0], a);
    assert_int_equal(counts[1], b);
    net_release(&n);
}

static void counts_by_hand(void **state)
{
    (void)state;
    expect_counts(0.5, MU_WIDTH_UP, 3, 2);
    expect_counts(0.5, MU_WIDTH_DOWN, 2, 2);
    expect_counts(0.5, MU_WIDTH_NEAREST, 3, 2);
    expect_counts(0.6, MU_WIDTH_UP, 3, 3);
    expect_counts(0.6, MU_WIDTH_DOWN, 3, 2);
    expect_counts(0.6, MU_WIDTH_NEAREST, 3, 2);
    expect_counts(0.01, MU_WIDTH_UP, 1, 1);
    expect_counts(0.01, MU_WIDTH_DOWN, 1, 1);
    expect_counts(0.01, MU_WIDTH_NEAREST, 1, 1);
    expect_counts(1, MU_WIDTH_UP, 5, 4);
    expect_counts(1, MU_WIDTH_DOWN, 5, 4);
}

/* 0.29 * 100 is 28.999999999999996 and 0.07 * 100 is 7.000000000000001. */
static void rounding_errors_cost_no_unit(void **state)
{
    (void)state;
    net n = net_written("layers:\n  - {dense: a, units: 100}\n  - {dense: b}\n", (mu_shape){ 1, 1, 2 }, 3);
    for (uint32_t percent = 1; percent <= 100; percent++)
        for (int rounding = MU_WIDTH_UP; rounding <= MU_WIDTH_NEAREST; rounding++) {
            uint32_t count;
            mu_width_counts(n.units, percent / 100.0, (mu_width_rounding)rounding, &count);
            assert_int_equal(count, percent);
        }
    net_release(&n);
}

static void widths_rounded_up_are_those_of_submodels(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        net n = model_at(m);
        uint32_t *counts = zeroed(n.groups, sizeof *counts);
        for (double width = 0.05; width <= 1; width += 0.05) {
            mu_width_counts(n.units, width, MU_WIDTH_UP, counts);
            for (size_t g = 0; g < n.groups; g++)
                assert_int_equal(counts[g], mu_units_of_width(n.units, g, width));
        }
        free(counts);
        net_release(&n);
    }
}

static void counts_of_rates_by_hand(void **state)
{
    (void)state;
    static const struct { double rates[2]; uint32_t counts[2]; } cases[] = {
        { { 0, 0 }, { 5, 4 } }, { { 0.5, 0.25 }, { 3, 3 } }, { { 0.9, 0.9 }, { 1, 1 } }, { { 0.3, 0.6 }, { 4, 2 } }, { { 0.999, 0 }, { 1, 4 } },
    };
    net n = small_net();
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        uint32_t counts[2];
        mu_width_counts_of_rates(n.units, cases[i].rates, counts);
        assert_memory_equal(counts, cases[i].counts, sizeof counts);
    }
    net_release(&n);
}

/* ---- which, by hand ---- */

static void choices_by_hand(void **state)
{
    (void)state;
    net n = small_net();
    bool kept[9];
    mu_width_ordered(n.units, (uint32_t[]){ 2, 3 }, kept);
    assert_string_equal(written(&n, kept), "11000 1110");
    static const char *const rolling[] = { "11000 1110", "01100 0111", "00110 1011", "00011 1101", "10001 1110", "11000 0111" };
    for (uint32_t round = 0; round < MU_COUNT(rolling); round++) {
        mu_width_rolling(n.units, (uint32_t[]){ 2, 3 }, round, kept);
        assert_string_equal(written(&n, kept), rolling[round]);
    }
    mu_width_highest(n.units, (uint32_t[]){ 2, 1 }, (double[]){ 0.5, -3, 7, 0.5, 0.5, -1, -2, -1, -5 }, kept);
    assert_string_equal(written(&n, kept), "10100 1000");
    mu_width_highest(n.units, (uint32_t[]){ 3, 2 }, (double[]){ -0.0, 0, -0.0, 0, 0, INFINITY, -INFINITY, 1e-310, -1e-310 }, kept);
    assert_string_equal(written(&n, kept), "11100 1010");
    mu_width_highest(n.units, (uint32_t[]){ 5, 4 }, (double[9]){ 0 }, kept);
    assert_string_equal(written(&n, kept), "11111 1111");
    net_release(&n);
}

/* Against counting, for each unit, those that go before it. */
static void highest_is_the_order_of_scores(void **state)
{
    (void)state;
    net n = model_at(0);
    mu_random random = test_stream(1);
    double *scores = zeroed(n.count, sizeof *scores);
    bool *kept = zeroed(n.count, sizeof *kept);
    uint32_t counts[8];
    for (uint32_t draw = 0; draw < 50; draw++) {
        for (size_t u = 0; u < n.count; u++)
            scores[u] = draw % 2 ? mu_random_below(&random, 9) - 4.0 : mu_random_normal(&random);
        mu_width_counts(n.units, 0.02 * (draw + 1), MU_WIDTH_NEAREST, counts);
        mu_width_highest(n.units, counts, scores, kept);
        for (size_t g = 0; g < n.groups; g++) {
            const mu_unit_group *group = mu_units_group(n.units, g);
            for (uint32_t u = group->first; u < group->first + group->count; u++) {
                uint32_t before = 0;
                for (uint32_t v = group->first; v < group->first + group->count; v++)
                    before += scores[v] > scores[u] || (scores[v] == scores[u] && v < u);
                assert_int_equal(kept[u], before < counts[g]);
            }
        }
    }
    free(scores);
    free(kept);
    net_release(&n);
}

/* ---- which, on every model ---- */

static void expect_exactly(const net *n, const uint32_t *counts, const bool *kept)
{
    for (size_t g = 0; g < n->groups; g++) {
        assert_true(counts[g] >= 1);
        assert_int_equal(kept_of(n, g, kept), counts[g]);
    }
}

static void every_rule_keeps_the_stated_number(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        net n = model_at(m);
        mu_random random = test_stream((uint32_t)m);
        uint32_t *counts = zeroed(n.groups, sizeof *counts);
        bool *kept = zeroed(n.count, sizeof *kept);
        double *scores = zeroed(n.count, sizeof *scores);
        float *map = zeroed(n.count, sizeof *map);
        for (size_t u = 0; u < n.count; u++)
            scores[u] = map[u] = (float)mu_random_below(&random, 4);
        static const double widths[] = { 0.001, 0.0625, 0.25, 0.6, 0.95, 1 };
        for (size_t w = 0; w < MU_COUNT(widths); w++)
            for (int rounding = MU_WIDTH_UP; rounding <= MU_WIDTH_NEAREST; rounding++) {
                mu_width_counts(n.units, widths[w], (mu_width_rounding)rounding, counts);
                mu_width_ordered(n.units, counts, kept);
                expect_exactly(&n, counts, kept);
                mu_width_random(n.units, counts, &random, kept);
                expect_exactly(&n, counts, kept);
                mu_width_rolling(n.units, counts, mu_random_u32(&random), kept);
                expect_exactly(&n, counts, kept);
                mu_width_highest(n.units, counts, scores, kept);
                expect_exactly(&n, counts, kept);
                keep_by_scores(n.units, counts, map, 0, &random, kept);
                expect_exactly(&n, counts, kept);
            }
        free(counts);
        free(kept);
        free(scores);
        free(map);
        net_release(&n);
    }
}

/* Narrow choices lie within wider ones, and the window of a cycle covers all units equally: of 64 with width 1/4 each is kept in 16 of 64
 * rounds, where HeteroFL's first 16 are kept for ever. */
static void rolling_covers_all_units_equally(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        net n = model_at(m);
        uint32_t *counts = zeroed(n.groups, sizeof *counts), *wide = zeroed(n.groups, sizeof *wide);
        bool *kept = zeroed(n.count, sizeof *kept), *kept_wide = zeroed(n.count, sizeof *kept_wide);
        mu_width_counts(n.units, 0.25, MU_WIDTH_DOWN, counts);
        mu_width_counts(n.units, 0.5, MU_WIDTH_DOWN, wide);
        for (size_t g = 0; g < n.groups; g++) {
            const mu_unit_group *group = mu_units_group(n.units, g);
            uint32_t *times = zeroed(group->count, sizeof *times);
            for (uint32_t round = 1000; round < 1000 + group->count; round++) {
                mu_width_rolling(n.units, counts, round, kept);
                mu_width_rolling(n.units, wide, round, kept_wide);
                for (uint32_t u = 0; u < group->count; u++) {
                    times[u] += kept[group->first + u];
                    assert_true(kept_wide[group->first + u] || !kept[group->first + u]);
                }
            }
            for (uint32_t u = 0; u < group->count; u++)
                assert_int_equal(times[u], group->count == 64 ? 16 : counts[g]);
            free(times);
        }
        free(counts);
        free(wide);
        free(kept);
        free(kept_wide);
        net_release(&n);
    }
}

/* ---- chance ---- */

static double chi_square(const uint32_t *seen, uint32_t cells, double expected)
{
    double sum = 0;
    for (uint32_t i = 0; i < cells; i++)
        sum += (seen[i] - expected) * (seen[i] - expected) / expected;
    return sum;
}

/* Two of five and two of four: 10 and 6 sets, 60 pairs of sets. The bounds are the 0.1 % and 99.9 % quantiles of chi-square with 9, 5 and 59
 * degrees of freedom. */
static void random_choices_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    net n = small_net();
    mu_random random = test_stream(2);
    uint32_t sets[2][32] = { { 0 } }, pairs[512] = { 0 }, found[3][60], cells[3] = { 0 };
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        bool kept[9];
        mu_width_random(n.units, (uint32_t[]){ 2, 2 }, &random, kept);
        uint32_t all = 0;
        for (uint32_t u = 0; u < 9; u++)
            all |= (uint32_t)kept[u] << u;
        sets[0][all & 31]++;
        sets[1][all >> 5]++;
        pairs[all]++;
    }
    for (uint32_t i = 0; i < 512; i++) {
        if (i < 32 && sets[0][i])
            found[0][cells[0]++] = sets[0][i];
        if (i < 16 && sets[1][i])
            found[1][cells[1]++] = sets[1][i];
        if (pairs[i])
            found[2][cells[2]++] = pairs[i];
    }
    static const struct { uint32_t cells; double low, high; } expected[] = { { 10, 1.15, 27.88 }, { 6, 0.21, 20.52 }, { 60, 30.5, 98.4 } };
    for (size_t i = 0; i < MU_COUNT(expected); i++) {
        assert_int_equal(cells[i], expected[i].cells);
        double chi = chi_square(found[i], cells[i], (double)DRAWS / cells[i]);
        if (chi < expected[i].low || chi > expected[i].high)
            fail_msg("chi-square %g with %u cells", chi, cells[i]);
    }
    net_release(&n);
}

/* Every unit of a large network equally often; each group on its own, and all of their units together. */
static void random_units_are_equally_likely(void **state)
{
    (void)state;
    enum { DRAWS = 4000 };
    net n = model_at(0);
    mu_random random = test_stream(3);
    uint32_t counts[8], *times = zeroed(n.count, sizeof *times);
    bool *kept = zeroed(n.count, sizeof *kept);
    mu_width_counts(n.units, 0.25, MU_WIDTH_DOWN, counts);
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        mu_width_random(n.units, counts, &random, kept);
        for (size_t u = 0; u < n.count; u++)
            times[u] += kept[u];
    }
    for (size_t g = 0; g < n.groups; g++) {
        const mu_unit_group *group = mu_units_group(n.units, g);
        double share = (double)counts[g] / group->count, variance = 0;
        for (uint32_t u = group->first; u < group->first + group->count; u++)
            variance += pow(times[u] - DRAWS * share, 2) / (DRAWS * share * (1 - share));
        /* (N - 1) / N of it is chi-square with N - 1 degrees of freedom: within four standard deviations of its mean */
        double degrees = group->count - 1.0, chi = variance * degrees / group->count;
        if (fabs(chi - degrees) > 4 * sqrt(2 * degrees))
            fail_msg("group %s: chi-square %g with %g degrees of freedom", group->name, chi, degrees);
    }
    free(times);
    free(kept);
    net_release(&n);
}

static void same_stream_same_choice(void **state)
{
    (void)state;
    net n = model_at(2);
    uint32_t *counts = zeroed(n.groups, sizeof *counts);
    bool *a = zeroed(n.count, sizeof *a), *b = zeroed(n.count, sizeof *b);
    mu_width_counts(n.units, 0.5, MU_WIDTH_DOWN, counts);
    mu_random one = test_stream(4), same = test_stream(4), other = test_stream(5);
    mu_width_random(n.units, counts, &one, a);
    mu_width_random(n.units, counts, &same, b);
    assert_memory_equal(a, b, n.count);
    mu_width_random(n.units, counts, &other, b);
    assert_memory_not_equal(a, b, n.count);
    mu_width_random(n.units, counts, &one, b); /* the next mini-batch's */
    assert_memory_not_equal(a, b, n.count);
    free(counts);
    free(a);
    free(b);
    net_release(&n);
}

/* ---- what belongs to a unit ---- */

/* With all weights 1: 2 inputs, 1 bias, 4 outputs; 5 inputs, 1 bias, 3 outputs. */
static void norms_by_hand(void **state)
{
    (void)state;
    net n = small_net();
    float weights[64];
    double norms[9];
    for (size_t i = 0; i < n.params; i++)
        weights[i] = 1;
    mu_unit_norms(n.units, weights, norms);
    for (uint32_t u = 0; u < 9; u++)
        assert_true(norms[u] == (u < 5 ? sqrt(7) : 3));
    for (size_t i = 0; i < n.params; i++) /* [2][5], [5], [5][4], [4], [4][3], [3]: 0, 1, 2, ... */
        weights[i] = (float)i;
    mu_unit_norms(n.units, weights, norms);
    assert_true(norms[0] == sqrt(0 + 25 + 100 + 15 * 15 + 16 * 16 + 17 * 17 + 18 * 18));
    assert_true(norms[8] == sqrt(18 * 18 + 22 * 22 + 26 * 26 + 30 * 30 + 34 * 34 + 38 * 38 + 48 * 48 + 49 * 49 + 50 * 50));
    bool kept[9];
    mu_width_highest(n.units, (uint32_t[]){ 2, 2 }, norms, kept);
    assert_string_equal(written(&n, kept), "00011 0011");
    net_release(&n);
}

/* What a network without the unit lacks. */
static double lost(const net *n, mu_submodel *submodel, const float *weights, float *part, uint32_t unit)
{
    bool *kept = zeroed(n->count, sizeof *kept);
    double whole = 0, rest = 0;
    for (size_t u = 0; u < n->count; u++)
        kept[u] = u != unit;
    assert_int_equal(mu_submodel_form(submodel, kept, NULL), MU_OK);
    mu_submodel_gather(submodel, MU_EXTENT_PARAMS, weights, part);
    for (size_t i = 0; i < n->params; i++)
        whole += (double)weights[i] * weights[i];
    for (size_t i = 0; i < mu_model_param_count(mu_submodel_model(submodel)); i++)
        rest += (double)part[i] * part[i];
    free(kept);
    return sqrt(whole - rest);
}

static void norms_are_of_what_a_submodel_lacks(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        net n = model_at(m);
        mu_arena arena = mu_arena_measuring();
        mu_submodel *submodel = NULL;
        assert_int_equal(mu_submodel_plan(n.units, &arena, &submodel, NULL), MU_OK);
        size_t size_bytes = arena.used_bytes;
        void *memory = mu_arena_block(size_bytes);
        arena = mu_arena_over(memory, size_bytes);
        assert_int_equal(mu_submodel_plan(n.units, &arena, &submodel, NULL), MU_OK);
        float *weights = zeroed(mu_model_state_count(n.model), sizeof *weights), *part = zeroed(n.params, sizeof *part);
        double *norms = zeroed(n.count, sizeof *norms);
        mu_model_init(n.model, 3, weights);
        mu_unit_norms(n.units, weights, norms);
        for (size_t g = 0; g < n.groups; g++) {
            const mu_unit_group *group = mu_units_group(n.units, g);
            uint32_t unit = group->first + (uint32_t)g * 5 % group->count;
            double expected = lost(&n, submodel, weights, part, unit);
            if (fabs(norms[unit] - expected) > 1e-8 * expected)
                fail_msg("%s, unit %u of %s: %.12g, expected %.12g", mu_model_name(n.model), unit - group->first, group->name, norms[unit],
                         expected);
        }
        free(weights);
        free(part);
        free(norms);
        mu_arena_block_free(memory);
        net_release(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(rounding_errors_cost_no_unit),
        cmocka_unit_test(widths_rounded_up_are_those_of_submodels),
        cmocka_unit_test(counts_of_rates_by_hand),
        cmocka_unit_test(choices_by_hand),
        cmocka_unit_test(highest_is_the_order_of_scores),
        cmocka_unit_test(every_rule_keeps_the_stated_number),
        cmocka_unit_test(rolling_covers_all_units_equally),
        cmocka_unit_test(random_choices_are_uniform),
        cmocka_unit_test(random_units_are_equally_likely),
        cmocka_unit_test(same_stream_same_choice),
        cmocka_unit_test(norms_by_hand),
        cmocka_unit_test(norms_are_of_what_a_submodel_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
