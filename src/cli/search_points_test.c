/* What a search found, held against uniform rates: numbers that can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/search_points.h"
#include "cli/search_times.h"

#include "method/width_rules.h"
#include "search/proxy_data.h"

#include <math.h>
#include <string.h>

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * (1 + fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

static cli_search_point point(double share, double first, double second)
{
    return (cli_search_point){ .share = share, .held_out = { first, second } };
}

/* Two proxies. By the first one the search covers (1 - 0.5) * 0.1 + (0.5 - 0.25) * 0.04, uniform rates (1 - 0.5) * 0.06; a budget from 0.5 on, which
 * both have room for, is worth 0.1 and 0.06. */
static void test_verdict(void **state)
{
    (void)state;
    cli_search_point found[] = { point(0.25, 0.04, -0.02), point(0.5, 0.1, 0.08), point(1, 0.2, 0.1) };
    cli_search_point uniform[] = { point(0.5, 0.06, 0.08), point(1, 0.2, 0.1) };
    const cli_search_points points = { .found = found, .uniform = uniform, .found_count = 3, .uniform_count = 2, .held_out = 2 };
    cli_search_verdict verdict;
    mu_error err;
    assert_int_equal(cli_search_verdict_of(&points, &verdict, &err), MU_OK);
    assert_near(verdict.covered_found.values[0], 0.25 * 0.04 + 0.5 * 0.1);
    assert_near(verdict.covered_found.values[1], 0.5 * 0.08); /* what loses covers nothing */
    assert_near(verdict.covered_uniform.values[0], 0.5 * 0.06);
    assert_near(verdict.covered_uniform.values[1], 0.5 * 0.08);
    assert_near(verdict.covered_more.mean, 0.5 * (0.25 * 0.04 + 0.5 * 0.04));
    assert_near(verdict.covered_more.sd, 0.03 / sqrt(2)); /* of 0.03 and 0 */
    assert_near(verdict.gain_found.values[0], 0.1);
    assert_near(verdict.gain_uniform.values[0], 0.06);
    assert_near(verdict.gain_more.values[1], 0);
}

/* Where the cheapest row is dearer than the cheapest uniform vector, budgets begin there. */
static void test_budgets(void **state)
{
    (void)state;
    cli_search_point found[] = { point(0.6, 0.3, 0), point(0.9, 0.5, 0), point(1, 0.6, 0) };
    cli_search_point uniform[] = { point(0.2, 0.1, 0), point(0.7, 0.2, 0), point(1, 0.6, 0) };
    const cli_search_points points = { .found = found, .uniform = uniform, .found_count = 3, .uniform_count = 3, .held_out = 1 };
    cli_search_verdict verdict;
    mu_error err;
    assert_int_equal(cli_search_verdict_of(&points, &verdict, &err), MU_OK);
    assert_near(verdict.gain_found.mean, (0.3 * 0.3 + 0.1 * 0.5) / 0.4);
    assert_near(verdict.gain_uniform.mean, (0.1 * 0.1 + 0.3 * 0.2) / 0.4);
    assert_true(isnan(verdict.gain_more.sd)); /* one proxy has no spread */
    cli_search_point alone[] = { point(1, 0.6, 0) };
    const cli_search_points only_whole = { .found = alone, .uniform = alone, .found_count = 1, .uniform_count = 1, .held_out = 1 };
    assert_int_equal(cli_search_verdict_of(&only_whole, &verdict, &err), MU_OK);
    assert_near(verdict.gain_found.mean, 0.6);
    assert_near(verdict.covered_found.mean, 0);
}

/* ---- points of a search ---- */

static void expect_rising(const cli_search_point *points, uint32_t count, const mu_units *units)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(i == 0 || points[i].work.macs > points[i - 1].work.macs);
        assert_near(points[i].share, (double)points[i].work.macs / (double)points[count - 1].work.macs);
    }
    for (uint32_t g = 0; g < mu_units_group_count(units); g++) /* the last one is the whole network */
        assert_int_equal(points[count - 1].counts[g], mu_units_group(units, g)->count);
}

/* The front and the whole network; uniform vectors, as many at most; fewer rows where fewer are asked for; gains by a proxy in their places. */
static void expect_points(mu_width_search *search, const mu_units *units, mu_proxy *proxy)
{
    cli_search_asked asked = { search, proxy, units, mu_width_counts_of_rates, 0.9, 64 };
    cli_search_points all, few;
    double gains[12];
    mu_error err;
    assert_int_equal(mu_width_search_review(search, proxy, CLI_SEARCH_REVIEW_TRIES, gains, &err), MU_OK);
    assert_int_equal(cli_search_points_init(&asked, &all, &err), MU_OK);
    assert_true(all.found_count >= 2 && all.found_count <= 13);
    assert_true(all.uniform_count >= 2 && all.uniform_count <= all.found_count);
    expect_rising(all.found, all.found_count, units);
    expect_rising(all.uniform, all.uniform_count, units);
    for (uint32_t i = 0; i + 1 < all.found_count; i++) { /* nobody who survived is cheaper and better */
        assert_true(i == 0 || all.found[i].gain > all.found[i - 1].gain);
        bool known = false;
        for (uint32_t k = 0; k < 12; k++) {
            const mu_width_member member = mu_width_search_member(search, k);
            known |= member.work.macs == all.found[i].work.macs && gains[k] == all.found[i].gain &&
                     member.tries + CLI_SEARCH_REVIEW_TRIES == all.found[i].tries;
            assert_false(member.work.macs < all.found[i].work.macs && gains[k] >= all.found[i].gain);
        }
        assert_true(known);
    }
    asked.most_rows = 3;
    assert_int_equal(cli_search_points_init(&asked, &few, &err), MU_OK);
    assert_int_equal(few.found_count, all.found_count < 3 ? all.found_count : 3);
    expect_rising(few.found, few.found_count, units);
    assert_int_equal(few.found[0].work.macs, all.found[0].work.macs);
    mu_gain gain;
    assert_int_equal(cli_search_points_judge(&all, proxy, 1, true, 0, &err), MU_OK);
    assert_int_equal(all.held_out, 1);
    assert_int_equal(mu_proxy_gains(proxy, all.uniform[1].counts, 1, 0, 1, &gain, &err), MU_OK);
    assert_true(all.uniform[1].held_out[0] == gain.loss);
    assert_true(all.found[all.found_count - 1].held_out[0] == all.uniform[all.uniform_count - 1].held_out[0]);
    cli_search_points_release(&all);
    cli_search_points_release(&few);
}

static void test_points(void **state)
{
    (void)state;
    static const char text[] = "data: {name: writers, devices: 5, examples_per_device: 16, test_examples: 10}\ntrain: {batch_size: 4, learning_rate: 0.1}\n";
    mu_conf *conf;
    mu_data *data;
    mu_proxy_data *examples;
    mu_model *model;
    mu_units *units;
    mu_train_config train;
    mu_proxy *proxy;
    mu_width_search *search;
    assert_int_equal(mu_conf_parse("test", text, strlen(text), &conf, NULL), MU_OK);
    assert_int_equal(mu_data_open(mu_conf_get(mu_conf_root(conf), "data"), 1, &data, NULL), MU_OK);
    assert_int_equal(mu_train_config_read(mu_conf_get(mu_conf_root(conf), "train"), &train, NULL), MU_OK);
    assert_int_equal(mu_proxy_data_create(data, 20, 1, &examples, NULL), MU_OK);
    assert_int_equal(mu_model_create_builtin("lenet5", NULL, mu_data_shape(data), 10, &model, NULL), MU_OK);
    assert_int_equal(mu_units_create(model, &units, NULL), MU_OK);
    const mu_proxy_config proxy_config = { .model = model, .units = units, .train = &train, .training = mu_proxy_data_training(examples),
                                           .validation = mu_proxy_data_validation(examples), .draw = mu_width_random, .seed = 5, .snapshots = 1,
                                           .training_steps = 10, .steps = 4, .workers = 1 };
    assert_int_equal(mu_proxy_create(&proxy_config, &proxy, NULL), MU_OK);
    const mu_width_search_config config = { .units = units, .counts_of = mu_width_counts_of_rates, .cost = { 0, 1, 0 }, .seed = 7, .population = 12,
                                            .repeats = 1, .most_rate = 0.9, .by_loss = true };
    assert_int_equal(mu_width_search_create(&config, &search, NULL), MU_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(mu_width_search_advance(search, proxy, NULL), MU_OK);
    expect_points(search, units, proxy);
    mu_width_search_destroy(search);
    mu_proxy_destroy(proxy);
    mu_units_destroy(units);
    mu_model_destroy(model);
    mu_proxy_data_destroy(examples);
    mu_data_close(data);
    mu_conf_destroy(conf);
}

/* ---- the line through times ---- */

static const mu_width_work works[] = { { 1000000, 40000 }, { 2500000, 90000 }, { 4000000, 250000 }, { 9000000, 260000 }, { 12000000, 600000 } };
enum { WORKS = MU_COUNT(works) };

static void times_of(double base, double per_mac, double per_byte, double *step_s)
{
    for (int i = 0; i < WORKS; i++)
        step_s[i] = base + per_mac * (double)works[i].macs + per_byte * (double)works[i].bytes;
}

static void expect_line(const double *step_s, double base, double per_mac, double per_byte)
{
    mu_width_cost line;
    mu_error err;
    double r_squared;
    assert_int_equal(cli_search_fit(works, step_s, WORKS, &line, &r_squared, &err), MU_OK);
    assert_true(fabs(line.base - base) <= 1e-9 * base);
    assert_true(fabs(line.per_mac - per_mac) <= 1e-9 * per_mac);
    assert_true(fabs(line.per_byte - per_byte) <= 1e-9 * per_byte);
    assert_true(r_squared > 1 - 1e-9);
}

static void test_line(void **state)
{
    (void)state;
    double step_s[WORKS];
    times_of(2e-4, 3e-10, 5e-10, step_s);
    expect_line(step_s, 2e-4, 3e-10, 5e-10);
    times_of(1e-3, 3e-10, 0, step_s);
    mu_width_cost line;
    mu_error err;
    double r_squared;
    assert_int_equal(cli_search_fit(works, step_s, WORKS, &line, &r_squared, &err), MU_OK);
    assert_true(line.per_byte >= 0 && r_squared > 1 - 1e-9);
    times_of(2e-4, 3e-10, -1e-10, step_s); /* bytes that give time back: what is left of the line is without them */
    assert_int_equal(cli_search_fit(works, step_s, WORKS, &line, &r_squared, &err), MU_OK);
    assert_true(line.per_byte == 0 && line.per_mac > 0 && line.base > 0 && r_squared > 0.9);
}

static void test_no_line(void **state)
{
    (void)state;
    double step_s[WORKS], r_squared;
    mu_width_cost line;
    mu_error err;
    times_of(2e-4, 3e-10, 0, step_s);
    assert_int_equal(cli_search_fit(works, step_s, 3, &line, &r_squared, &err), MU_E_RANGE);
    step_s[2] = 0;
    assert_int_equal(cli_search_fit(works, step_s, WORKS, &line, &r_squared, &err), MU_E_RANGE);
    step_s[2] = (double)NAN;
    assert_int_equal(cli_search_fit(works, step_s, WORKS, &line, &r_squared, &err), MU_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_verdict), cmocka_unit_test(test_budgets), cmocka_unit_test(test_points),
                                        cmocka_unit_test(test_line), cmocka_unit_test(test_no_line) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
