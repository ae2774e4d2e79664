/* What devices' tasks really took goes into what their next ones are planned with. */
#include "net/network_internal.h"

#include "muster/serve.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static mu_fleet *make_fleet(void)
{
    mu_conf *conf = NULL;
    mu_fleet *fleet = NULL;
    const char *text = "fleet: pi-4";
    assert_int_equal(mu_conf_parse("test.yaml", text, strlen(text), &conf, NULL), MU_OK);
    assert_int_equal(mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), 2, 7, &fleet, NULL), MU_OK);
    mu_conf_destroy(conf);
    return fleet;
}

static const mu_work work = { .macs = { 5900000000u } };

/* One task of device 0, which is planned and then takes so long. */
static double planned_and_took(mu_network *network, double took_s)
{
    const mu_price price = mu_fleet_price(network->config.fleet, 0, 0, &work);
    const mu_sent sent = { .device = 0, .planned_compute_s = price.compute_s };
    assert_int_equal(mu_told_learn(network, &sent, took_s, NULL), MU_OK);
    return price.compute_s;
}

/* It says that it is twice as fast as its class, and is as fast as that: half of what it says. */
static void test_half_as_fast_as_it_says(void **state)
{
    (void)state;
    const mu_serve_config serve = { .reported_profiles = true };
    mu_told told[2] = { { .device = 0, .is_known = 1 }, { .device = 1 } };
    mu_network network = { .config = { .fleet = make_fleet(), .serve = &serve }, .told = told };
    const mu_profile says = { .macs_per_s = { 2 * 5.9e9 } };
    assert_int_equal(mu_fleet_tell(network.config.fleet, 0, &says, NULL), MU_OK);
    assert_float_equal(planned_and_took(&network, 1.0), 0.5, 1e-9);
    assert_float_equal(planned_and_took(&network, 1.0), 1.0, 1e-9); /* it learns at once ... */
    planned_and_took(&network, 4.0);                                /* ... one task that was disturbed counts for a quarter ... */
    const double after = planned_and_took(&network, 1.0);
    assert_float_equal(after, 1 / (0.75 + 0.25 / 4), 1e-9);
    for (int i = 0; i < 12; i++)
        planned_and_took(&network, 1.0);
    assert_float_equal(planned_and_took(&network, 1.0), 1.0, 0.01); /* ... and is forgotten */
    assert_float_equal(mu_fleet_price(network.config.fleet, 1, 0, &work).compute_s, 1.0, 1e-9); /* of the other nothing was said */
    mu_fleet_destroy(network.config.fleet);
}

static void test_bounds_and_nonsense(void **state)
{
    (void)state;
    const mu_serve_config serve = { .reported_profiles = true };
    mu_told told[2] = { { .device = 0, .is_known = 1 } };
    mu_network network = { .config = { .fleet = make_fleet(), .serve = &serve }, .told = told };
    const double nonsense[] = { 0.0, -1.0, (double)NAN, (double)INFINITY };
    for (size_t i = 0; i < MU_COUNT(nonsense); i++)
        assert_float_equal(planned_and_took(&network, nonsense[i]), 1.0, 1e-9);
    assert_true(told[0].speed == 0.0);
    planned_and_took(&network, 1e-9);
    assert_float_equal(mu_fleet_price(network.config.fleet, 0, 0, &work).compute_s, 0.01, 1e-9); /* a hundred times and no more */
    mu_fleet_destroy(network.config.fleet);
}

static void test_not_where_devices_are_not_believed(void **state)
{
    (void)state;
    const mu_serve_config serve = { .reported_profiles = false };
    mu_told told[2] = { { .device = 0, .is_known = 1 } };
    mu_network network = { .config = { .fleet = make_fleet(), .serve = &serve }, .told = told };
    planned_and_took(&network, 3.0);
    assert_true(mu_fleet_price(network.config.fleet, 0, 0, &work).compute_s == 1.0 && told[0].speed == 0.0);
    mu_fleet_destroy(network.config.fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_as_fast_as_it_says),
        cmocka_unit_test(test_bounds_and_nonsense),
        cmocka_unit_test(test_not_where_devices_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
