/* Score maps: what a round's loss does to them, and what is drawn from them. */
#include "method/test_width.h"

#include "method/width_scores.h"

#include <math.h>

static mu_random test_stream(uint32_t round)
{
    return mu_random_stream(9, MU_RANDOM_TEST, round, 0);
}

static void rewards_by_hand(void **state)
{
    (void)state;
    net n = small_net();
    float used[9] = { [1] = 1, [4] = 1, [8] = 0.5f };
    float scores[9] = { [1] = 1 };
    assert_true(mu_scores_reward(n.units, used, 2.0, 1.5, scores));
    assert_memory_equal(scores, ((float[9]){ [1] = 1.25f, [4] = 0.25f, [8] = 0.125f }), sizeof scores);
    assert_true(mu_scores_reward(n.units, (float[9]){ [4] = 1 }, 1.5, 0, scores));
    assert_memory_equal(scores, ((float[9]){ [1] = 1.25f, [4] = 1.25f, [8] = 0.125f }), sizeof scores);
    static const double none[][2] = { { 1, 1 }, { 1, 2 }, { INFINITY, 1 }, { NAN, 1 }, { 1, NAN }, { 0, -1 }, { 1, -INFINITY } };
    for (size_t i = 0; i < MU_COUNT(none); i++)
        assert_false(mu_scores_reward(n.units, used, none[i][0], none[i][1], scores));
    assert_memory_equal(scores, ((float[9]){ [1] = 1.25f, [4] = 1.25f, [8] = 0.125f }), sizeof scores);
    net_release(&n);
}

/* Every place of a group is taken once; the front of a width lies within that of a wider one. */
static void an_order_serves_all_widths(void **state)
{
    (void)state;
    net n = small_net();
    mu_random random = test_stream(5);
    for (uint32_t draw = 0; draw < 100; draw++) {
        uint32_t order[9], places[2] = { 0 };
        mu_scores_order(n.units, (float[9]){ [2] = 3, [7] = 1 }, draw % 2, &random, order);
        for (uint32_t u = 0; u < 9; u++)
            places[u < 5 ? 0 : 1] |= 1u << order[u];
        assert_true(places[0] == 31 && places[1] == 15);
        bool narrow[9], wide[9];
        mu_scores_keep(n.units, (uint32_t[]){ 2, 1 }, order, narrow);
        mu_scores_keep(n.units, (uint32_t[]){ 4, 3 }, order, wide);
        assert_true(kept_of(&n, 0, narrow) == 2 && kept_of(&n, 1, narrow) == 1 && kept_of(&n, 0, wide) == 4 && kept_of(&n, 1, wide) == 3);
        for (uint32_t u = 0; u < 9; u++)
            assert_true(wide[u] || !narrow[u]);
    }
    net_release(&n);
}

/* One of five with weights base + score: bounds are the 0.1 % and 99.9 % quantiles of chi-square. */
static void expect_shares(double base, const float *scores, uint32_t cells, double low, double high)
{
    enum { DRAWS = 20000 };
    net n = small_net();
    mu_random random = test_stream(1);
    uint32_t times[5] = { 0 };
    double total = 5 * base, chi = 0;
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        bool kept[9];
        keep_by_scores(n.units, (uint32_t[]){ 1, 4 }, scores, base, &random, kept);
        for (uint32_t u = 0; u < 5; u++)
            times[u] += kept[u];
    }
    for (uint32_t u = 0; u < 5; u++)
        total += scores[u];
    bool even = !(total > 0);
    for (uint32_t u = 0; u < 5; u++) {
        double expected = DRAWS * (even ? 0.2 : (base + scores[u]) / total);
        if (expected > 0) {
            chi += pow(times[u] - expected, 2) / expected;
            cells--;
        } else
            assert_int_equal(times[u], 0);
    }
    assert_int_equal(cells, 0);
    if (chi < low || chi > high)
        fail_msg("chi-square %g", chi);
    net_release(&n);
}

static void draws_follow_the_scores(void **state)
{
    (void)state;
    expect_shares(0, (float[9]){ 3, 0, 1, 0, 4 }, 3, 0.002, 13.82);
    expect_shares(1, (float[9]){ 3, 0, 1, 0, 4 }, 5, 0.09, 18.47);
    expect_shares(0, (float[9]){ 0 }, 5, 0.09, 18.47);
}

/* Units that were never rewarded fill up what the others leave, all of them equally often. */
static void units_without_a_score_come_last(void **state)
{
    (void)state;
    enum { DRAWS = 9000 };
    net n = small_net();
    mu_random random = test_stream(2);
    uint32_t times[9] = { 0 };
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        bool kept[9];
        keep_by_scores(n.units, (uint32_t[]){ 3, 1 }, (float[9]){ [1] = 1e-9f, [3] = 5, [6] = 0.1f }, 0, &random, kept);
        assert_true(kept[1] && kept[3] && kept[6]);
        for (uint32_t u = 0; u < 9; u++)
            times[u] += kept[u];
    }
    double chi = 0;
    for (uint32_t u = 0; u < 5; u += 2)
        chi += pow(times[u] - DRAWS / 3.0, 2) / (DRAWS / 3.0);
    assert_true(chi > 0.002 && chi < 13.82);
    net_release(&n);
}

/* The second of two: 1/6 * 3/5 + ... by the formula of draws without replacement. P(both of 1, 2 with weights 1, 2, 3) =
 * 1/6 * 2/5 + 2/6 * 1/4 = 3/20. */
static void draws_are_one_after_the_other(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    net n = net_written("layers:\n  - {dense: a, units: 3}\n  - {dense: b}\n", (mu_shape){ 1, 1, 2 }, 3);
    mu_random random = test_stream(3);
    uint32_t both = 0;
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        bool kept[3];
        keep_by_scores(n.units, (uint32_t[]){ 2 }, (float[]){ 1, 2, 3 }, 0, &random, kept);
        both += kept[0] && kept[1];
    }
    double deviation = (both - DRAWS * 0.15) / sqrt(DRAWS * 0.15 * 0.85);
    assert_true(fabs(deviation) < 3.3);
    net_release(&n);
}

/* ---- the two variants ---- */

typedef struct learner {
    bool   kept[9];
    float  scores[9];
    double loss;
} learner;

/* A round with this loss; true: the next one has the same choice. */
static bool round_with(const net *n, learner *l, double loss, mu_random *random)
{
    float used[9];
    for (uint32_t u = 0; u < 9; u++)
        used[u] = l->kept[u];
    bool stays = mu_scores_reward(n->units, used, l->loss, loss, l->scores);
    l->loss = loss;
    if (!stays)
        keep_by_scores(n->units, (uint32_t[]){ 2, 2 }, l->scores, 0, random, l->kept);
    return stays;
}

/* Three rounds of two devices with losses 4, 2, 3 and 4, 4, 1. Each with a map of its own: the one is rewarded 0.5 in round 2, the other 0.75 in
 * round 3. One map for both, by the mean losses 4, 3, 2: 0.25, and then 1/3 for the same units. */
static void one_map_for_all_or_one_for_each(void **state)
{
    (void)state;
    net n = small_net();
    mu_random random = test_stream(4);
    learner a = { .loss = INFINITY }, b = { .loss = INFINITY }, both = { .loss = INFINITY };
    static const double losses[3][2] = { { 4, 4 }, { 2, 4 }, { 3, 1 } };
    static const bool stays[3][3] = { { false, false, false }, { true, false, true }, { false, true, true } };
    for (uint32_t round = 0; round < 3; round++) {
        const double *loss = losses[round];
        assert_int_equal(round_with(&n, &a, loss[0], &random), stays[round][0]);
        assert_int_equal(round_with(&n, &b, loss[1], &random), stays[round][1]);
        assert_int_equal(round_with(&n, &both, (loss[0] + loss[1]) / 2, &random), stays[round][2]);
    }
    double sum[3] = { 0 };
    for (uint32_t u = 0; u < 9; u++) {
        sum[0] += a.scores[u];
        sum[1] += b.scores[u];
        sum[2] += both.scores[u];
        assert_true(both.scores[u] == (both.kept[u] ? 0.25f + (float)(1.0 / 3) : 0));
    }
    assert_true(sum[0] == 4 * 0.5 && sum[1] == 4 * 0.75);
    /* a was rewarded for exactly as many units as it keeps: with base 0 it draws the same ones again */
    for (uint32_t u = 0; u < 9; u++)
        assert_int_equal(a.kept[u], a.scores[u] > 0);
    net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_by_hand),
        cmocka_unit_test(an_order_serves_all_widths),
        cmocka_unit_test(draws_follow_the_scores),
        cmocka_unit_test(units_without_a_score_come_last),
        cmocka_unit_test(draws_are_one_after_the_other),
        cmocka_unit_test(one_map_for_all_or_one_for_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
