/* What devices tell of themselves: laid over their class, within its bounds, and the rest as it was. */
#include "muster/device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static mu_fleet *make(const char *text, uint32_t devices)
{
    mu_conf *conf = NULL;
    mu_fleet *fleet = NULL;
    mu_error err = { 0 };
    assert_int_equal(mu_conf_parse("test.yaml", text, strlen(text), &conf, NULL), MU_OK);
    if (mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), devices, 7, &fleet, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return fleet;
}

static void tell(mu_fleet *fleet, uint32_t device, mu_profile profile)
{
    mu_error err = { 0 };
    if (mu_fleet_tell(fleet, device, &profile, &err))
        fail_msg("%s", err.message);
}

#define OWN "fleet: {classes: {a: {macs_per_s: 1e9, int8_macs_per_s: 4e9, memory: 1GiB, download_bit_per_s: 8e6, upload_bit_per_s: 4e6, " \
            "latency_s: 0.5, active_w: 3, idle_w: 0.5, radio_w: 2, tier: low}, b: {extend: a, tier: high, active_w: 7}, " \
            "c: {extend: a, tier: mid}}, mix: {a: 1, b: 1, c: 1}}"

static void test_all_of_it(void **state)
{
    (void)state;
    mu_fleet *fleet = make(OWN, 6);
    mu_profile before = mu_fleet_profile(fleet, 1);
    tell(fleet, 0, (mu_profile){ .macs_per_s = { 2e9, 3e9, 5e9 }, .memory_bytes = 1 << 20, .download_bit_per_s = 1e6, .upload_bit_per_s = 5e5,
                                 .latency_s = 0.25, .active_w = 1, .idle_w = 0.25, .radio_w = 4 });
    mu_profile p = mu_fleet_profile(fleet, 0), class = *mu_fleet_class(fleet, mu_fleet_class_of(fleet, 0));
    assert_true(p.macs_per_s[MU_PRECISION_FP32] == 2e9 && p.macs_per_s[MU_PRECISION_BF16] == 3e9 && p.macs_per_s[MU_PRECISION_INT8] == 5e9);
    assert_int_equal(p.memory_bytes, 1 << 20);
    assert_true(p.download_bit_per_s == 1e6 && p.upload_bit_per_s == 5e5 && p.latency_s == 0.25);
    assert_true(p.active_w == 1 && p.idle_w == 0.25 && p.radio_w == 4);
    assert_string_equal(p.name, class.name);
    assert_string_equal(p.tier, class.tier);
    /* its price: 1 MB at 1 Mbit/s, half of that up at half the speed, each after a quarter of a second; 4e9 MACs */
    const mu_work work = { .macs = { 4000000000 }, .bytes_down = 1000000, .bytes_up = 500000, .peak_memory_bytes = (1 << 20) + 1 };
    mu_price price = mu_fleet_price(fleet, 0, 0, &work);
    assert_float_equal(price.download_s, 8.25, 1e-12);
    assert_float_equal(price.upload_s, 8.25, 1e-12);
    assert_float_equal(price.compute_s, 2, 1e-12);
    assert_float_equal(price.energy_j, 2 * 1 + 16.5 * 4, 1e-9);
    assert_false(price.fits);
    mu_profile after = mu_fleet_profile(fleet, 1); /* of the others nothing has changed */
    assert_memory_equal(&before, &after, sizeof before);
    mu_fleet_destroy(fleet);
}

/* Each number on its own, later ones on top of earlier ones, and nonsense not at all. */
static void test_part_of_it(void **state)
{
    (void)state;
    mu_fleet *fleet = make(OWN, 6);
    mu_profile class = mu_fleet_profile(fleet, 0);
    tell(fleet, 0, (mu_profile){ .macs_per_s = { 5e8 } });
    mu_profile p = mu_fleet_profile(fleet, 0);
    assert_true(p.macs_per_s[MU_PRECISION_FP32] == 5e8);
    assert_true(p.macs_per_s[MU_PRECISION_INT8] == 2e9); /* half as fast as its class in this too */
    assert_int_equal(p.memory_bytes, class.memory_bytes);
    tell(fleet, 0, (mu_profile){ .memory_bytes = 4096 });
    p = mu_fleet_profile(fleet, 0);
    assert_true(p.macs_per_s[MU_PRECISION_FP32] == 5e8 && p.memory_bytes == 4096);
    static const double bad[] = { NAN, INFINITY, -INFINITY, -1, 0, 1e300, 5e-324 };
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        tell(fleet, 0, (mu_profile){ .macs_per_s = { bad[i] }, .memory_bytes = UINT64_MAX, .download_bit_per_s = bad[i], .upload_bit_per_s = bad[i],
                                     .latency_s = i < 6 ? bad[i] : 0, .active_w = i < 6 ? bad[i] : 0 });
    mu_profile same = mu_fleet_profile(fleet, 0);
    assert_memory_equal(&p, &same, sizeof p);
    mu_fleet_destroy(fleet);
}

/* What a class's spread makes of a device is for the numbers that it does not tell. */
static void test_spread(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: {name: pi-4, speed_spread: 1, bandwidth_spread: 1}", 3);
    mu_profile drawn = mu_fleet_profile(fleet, 2);
    tell(fleet, 2, (mu_profile){ .download_bit_per_s = 1e6 });
    mu_profile p = mu_fleet_profile(fleet, 2);
    assert_true(p.download_bit_per_s == 1e6);
    assert_true(p.upload_bit_per_s == drawn.upload_bit_per_s && p.macs_per_s[0] == drawn.macs_per_s[0]);
    mu_fleet_destroy(fleet);
}

static void check_class(const mu_fleet *fleet, uint32_t device, const char *name, const char *tier)
{
    assert_string_equal(mu_fleet_class(fleet, mu_fleet_class_of(fleet, device))->name, name);
    assert_string_equal(mu_fleet_profile(fleet, device).name, name);
    assert_string_equal(mu_fleet_tier_name(fleet, mu_fleet_tier_of(fleet, device)), tier);
}

static void test_names(void **state)
{
    (void)state;
    mu_fleet *fleet = make(OWN, 3);
    for (uint32_t device = 0; device < 3; device++) {
        tell(fleet, device, (mu_profile){ .name = "b" }); /* a class of the fleet */
        check_class(fleet, device, "b", "high");
        assert_true(mu_fleet_profile(fleet, device).active_w == 7);
    }
    const mu_profile *known;
    assert_int_equal(mu_profile_find("pi-4", &known, NULL), MU_OK);
    const char *in_its_tier = strcmp(known->tier, "low") == 0 ? "a" : strcmp(known->tier, "mid") == 0 ? "c" : "b";
    tell(fleet, 0, (mu_profile){ .name = "pi-4" }); /* of the catalogue: the first class in its tier */
    check_class(fleet, 0, in_its_tier, known->tier);
    tell(fleet, 1, (mu_profile){ .name = "toaster" });
    check_class(fleet, 1, "b", "high");
    tell(fleet, 2, (mu_profile){ .name = NULL });
    check_class(fleet, 2, "b", "high");
    mu_fleet_destroy(fleet);
}

static void test_fleets_that_vary(void **state)
{
    (void)state;
    static const struct { const char *text, *key; } cases[] = {
        { "fleet: pi-4", NULL },
        { "fleet: {name: pi-4, availability: {generator: markov}}", "availability" },
        { "fleet: {name: pi-4, compute_share: {}}", "compute_share" },
        { "fleet: {name: pi-4, bandwidth_variation: {}}", "bandwidth_variation" },
        { "fleet: {name: pi-4, battery: {plugged: {generator: markov}}}", "battery" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_fleet *fleet = make(cases[i].text, 2);
        mu_error err = { 0 };
        const char *key = mu_fleet_varies_by(fleet);
        assert_int_equal(key != NULL, cases[i].key != NULL);
        mu_profile before = mu_fleet_profile(fleet, 0);
        assert_int_equal(mu_fleet_tell(fleet, 0, &(mu_profile){ .memory_bytes = 1 }, &err), key ? MU_E_STATE : MU_OK);
        if (key) {
            assert_string_equal(key, cases[i].key);
            assert_non_null(strstr(err.message, key));
            mu_profile after = mu_fleet_profile(fleet, 0);
            assert_memory_equal(&before, &after, sizeof before);
        }
        mu_fleet_destroy(fleet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it), cmocka_unit_test(test_part_of_it),       cmocka_unit_test(test_spread),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_fleets_that_vary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
