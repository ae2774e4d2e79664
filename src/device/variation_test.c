/* Speed and bandwidth over time: nothing varying is the plain price to the bit; else the price is the sum over pieces worked out by hand, and
 * levels are spread as they should be. */
#include "device/poisson.h"
#include "device/variation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND ((mu_time_us)1000000)

static mu_fleet *make(const char *text, uint32_t devices)
{
    mu_conf *conf;
    mu_fleet *fleet = NULL;
    mu_error err;
    assert_int_equal(mu_conf_parse("test", text, strlen(text), &conf, NULL), MU_OK);
    if (mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), devices, 5, &fleet, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return fleet;
}

#define BOARD "classes: {board: {macs_per_s: 1e9, memory: 1GiB, download_bit_per_s: 8e6, upload_bit_per_s: 4e6, latency_s: 0.5, " \
              "active_w: 3, radio_w: 2}}, mix: {board: 1}"

static void check_same_price(const mu_price *a, const mu_price *b)
{
    assert_true(a->download_s == b->download_s && a->compute_s == b->compute_s && a->upload_s == b->upload_s);
    assert_true(a->energy_j == b->energy_j && a->compute_j == b->compute_j && a->macs == b->macs && a->fits == b->fits);
    assert_true(a->bytes_down == b->bytes_down && a->bytes_up == b->bytes_up && a->peak_memory_bytes == b->peak_memory_bytes);
}

static void test_nothing_varies(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: mixed", 50);
    mu_work work = { .macs = { 123456789, 0, 1000 }, .extra_moved_bytes = 77777, .bytes_down = 1234567, .bytes_up = 654321,
                     .peak_memory_bytes = 1 << 20 };
    for (uint32_t device = 0; device < 50; device++) {
        mu_profile profile = mu_fleet_profile(fleet, device), now = mu_fleet_profile_at(fleet, device, 5 * SECOND);
        mu_price plain = mu_price_work(&profile, &work), price = mu_fleet_price(fleet, device, 5 * SECOND, &work);
        check_same_price(&plain, &price);
        assert_true(now.macs_per_s[0] == profile.macs_per_s[0] && now.download_bit_per_s == profile.download_bit_per_s);
    }
    mu_fleet_destroy(fleet);
}

/* What varies is one thing: the other legs are to the bit what they were. */
static void test_only_one_varies(void **state)
{
    (void)state;
    mu_fleet *share = make("fleet: {" BOARD ", compute_share: {mean_dwell_s: 0.5}}", 4);
    mu_fleet *line = make("fleet: {" BOARD ", bandwidth_variation: {mean_dwell_s: 0.5}}", 4);
    mu_work work = { .macs = { 5000000000 }, .bytes_down = 3000000, .bytes_up = 3000000 };
    mu_profile profile = mu_fleet_profile(share, 1);
    mu_price plain = mu_price_work(&profile, &work), slow = mu_fleet_price(share, 1, SECOND, &work), wavy = mu_fleet_price(line, 1, SECOND, &work);
    assert_true(slow.download_s == plain.download_s && slow.upload_s == plain.upload_s && slow.compute_s > plain.compute_s);
    assert_true(slow.energy_j == plain.energy_j); /* the same work, only later */
    assert_true(wavy.compute_s == plain.compute_s && wavy.download_s != plain.download_s && wavy.upload_s != plain.upload_s);
    assert_true(fabs(wavy.energy_j - (3.0 * plain.compute_s + 2.0 * (wavy.download_s + wavy.upload_s))) < 1e-9);
    mu_work nothing = { .bytes_down = 0 };
    mu_price none = mu_fleet_price(line, 1, SECOND, &nothing);
    assert_true(none.download_s == 0.0 && none.compute_s == 0.0 && none.upload_s == 0.0 && none.energy_j == 0.0);
    mu_fleet_destroy(share);
    mu_fleet_destroy(line);
}

/* Walks from change to change as mu_fleet_profile_at shows them, a second time and in the plainest way: microsecond by microsecond is too
 * slow, so by steps that end at every change. */
static double plain_walk_s(const mu_fleet *fleet, uint32_t device, uint8_t what, double mean_us, mu_time_us begin, double work, bool compute)
{
    mu_poisson changes = { .seed = 5, .purpose = MU_RANDOM_FLEET, .device = device, .what = what, .mean_us = mean_us };
    mu_time_us at = begin;
    for (;;) {
        mu_poisson_moment change;
        mu_profile profile = mu_fleet_profile_at(fleet, device, at);
        double rate = compute ? profile.macs_per_s[0] : profile.download_bit_per_s;
        assert_true(mu_poisson_next(&changes, at, &change));
        double possible = rate * mu_time_to_s(change.at - at);
        if (work <= possible)
            return mu_time_to_s(at - begin) + work / rate;
        work -= possible;
        at = change.at;
    }
}

static void test_price_over_pieces(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: {" BOARD ", compute_share: {min: 0.1, mean_dwell_s: 2}, bandwidth_variation: {sigma: 1, mean_dwell_s: 0.7}}",
                           40);
    mu_work work = { .macs = { 9000000000 }, .bytes_down = 5000000, .bytes_up = 1000000 };
    for (uint32_t device = 0; device < 40; device++) {
        mu_time_us at = 100 * SECOND + 12345 * device;
        mu_price price = mu_fleet_price(fleet, device, at, &work);
        double down_s = 0.5 + plain_walk_s(fleet, device, MU_DRAWN_BANDWIDTH, 0.7e6, at + SECOND / 2, 40e6, false);
        assert_true(fabs(price.download_s - down_s) < 1e-9);
        mu_time_us there = at + mu_time_from_s(price.download_s);
        double compute_s = plain_walk_s(fleet, device, MU_DRAWN_SHARE, 2e6, there, 9e9, true);
        assert_true(fabs(price.compute_s - compute_s) < 1e-9);
        mu_time_us done = at + mu_time_from_s(price.download_s + price.compute_s);
        /* the line up is half as fast as the line down */
        double up_s = 0.5 + plain_walk_s(fleet, device, MU_DRAWN_BANDWIDTH, 0.7e6, done + SECOND / 2, 2 * 8e6, false);
        assert_true(fabs(price.upload_s - up_s) < 1e-9);
        assert_true(price.compute_j == 27.0);
    }
    mu_fleet_destroy(fleet);
}

/* One boundary, by hand: so much at the first share, the rest at the second. */
static void test_one_boundary_by_hand(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: {" BOARD ", compute_share: {min: 0.1, mean_dwell_s: 100}}", 1);
    mu_poisson changes = { .seed = 5, .purpose = MU_RANDOM_FLEET, .what = MU_DRAWN_SHARE, .mean_us = 100e6 };
    mu_poisson_moment first, second;
    assert_true(mu_poisson_next(&changes, 0, &first) && mu_poisson_next(&changes, first.at, &second));
    mu_time_us begin = first.at - 3 * SECOND; /* three seconds before the first change */
    double before = mu_fleet_profile_at(fleet, 0, first.at - 1).macs_per_s[0] / 1e9;
    double after = mu_fleet_profile_at(fleet, 0, first.at).macs_per_s[0] / 1e9;
    assert_true(before != after && before >= 0.1 && before <= 1.0 && after >= 0.1 && after <= 1.0);
    assert_true(second.at - first.at > 10 * SECOND && first.at > 3 * SECOND);
    mu_work work = { .macs = { 1000000000 } }; /* a second with the whole device */
    mu_price price = mu_fleet_price(fleet, 0, begin, &work);
    double expected = 3.0 * before >= 1.0 ? 1.0 / before : 3.0 + (1.0 - 3.0 * before) / after;
    assert_true(fabs(price.compute_s - expected) < 1e-9);
    work.macs[0] = (uint64_t)(1e9 * (3.0 * before + 2.0 * after)); /* three seconds before, two after */
    price = mu_fleet_price(fleet, 0, begin, &work);
    assert_true(fabs(price.compute_s - 5.0) < 1e-6);
    mu_fleet_destroy(fleet);
}

/* Shares are uniform: at one moment over many devices, and over time on one; factors are log-normal. */
static void test_levels(void **state)
{
    (void)state;
    enum { DEVICES = 20000 };
    mu_fleet *fleet = make("fleet: {" BOARD ", compute_share: {min: 0.2}, bandwidth_variation: {sigma: 0.5}}", DEVICES);
    double sum = 0.0, squares = 0.0, logs = 0.0, log_squares = 0.0, together = 0.0;
    for (uint32_t device = 0; device < DEVICES; device++) {
        mu_profile profile = mu_fleet_profile_at(fleet, device, 777 * SECOND);
        double share = profile.macs_per_s[0] / 1e9, log_factor = log(profile.download_bit_per_s / 8e6);
        assert_true(share >= 0.2 && share <= 1.0);
        assert_true(fabs(profile.upload_bit_per_s / profile.download_bit_per_s - 0.5) < 1e-12);
        sum += share;
        squares += share * share;
        logs += log_factor;
        log_squares += log_factor * log_factor;
        together += (share - 0.6) * log_factor;
    }
    double mean = sum / DEVICES, variance = squares / DEVICES - mean * mean, deviation = 0.8 / sqrt(12.0);
    assert_true(fabs(mean - 0.6) < 4 * deviation / sqrt(DEVICES));
    assert_true(fabs(variance - 0.64 / 12.0) < 4 * (0.64 / 12.0) * sqrt(0.8 / DEVICES)); /* kurtosis 1.8 */
    assert_true(fabs(logs / DEVICES) < 4 * 0.5 / sqrt(DEVICES));
    assert_true(fabs(log_squares / DEVICES - 0.25) < 4 * 0.25 * sqrt(2.0 / DEVICES));
    assert_true(fabs(together / DEVICES) < 4 * deviation * 0.5 / sqrt(DEVICES)); /* one does not know of the other */
    mu_fleet_destroy(fleet);
}

/* Work over thousands of pieces goes at the mean rate, and past MU_VARIATION_PIECES_MAX of them exactly so; no walk is endless. */
static void test_long_work(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: {" BOARD ", compute_share: {min: 0.2, mean_dwell_s: 1}, bandwidth_variation: {sigma: 0.5, mean_dwell_s: 1}}", 1);
    mu_work work = { .macs = { (uint64_t)5000 * 1000000000 } };
    mu_price price = mu_fleet_price(fleet, 0, 0, &work);
    double error = sqrt(2.0 * 0.64 / 12.0 / 5000.0) / 0.6; /* of a mean share over so many dwell times; their spread doubles the variance */
    assert_true(fabs(price.compute_s / (5000.0 / 0.6) - 1.0) < 4 * error);
    work.macs[0] = (uint64_t)1000000000 * 1000000000;
    work.bytes_down = (uint64_t)1 << 60;
    price = mu_fleet_price(fleet, 0, 0, &work);
    assert_true(fabs(price.compute_s / (1e9 / 0.6) - 1.0) < 1e-4);
    assert_true(fabs(price.download_s / (8.0 * 0x1p60 / 8e6 / exp(0.125)) - 1.0) < 1e-4);
    mu_fleet_destroy(fleet);
}

static void test_determinism_and_resolving(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: {" BOARD ", compute_share: {}, bandwidth_variation: {sigma: 0.25, mean_dwell_s: 7}}", 8), *again;
    mu_conf *conf;
    mu_error err;
    assert_int_equal(mu_conf_parse("resolved", "", 0, &conf, NULL), MU_OK);
    assert_int_equal(mu_fleet_resolve(fleet, conf, mu_conf_root(conf), &err), MU_OK);
    assert_string_equal(mu_conf_text(mu_conf_get(mu_conf_get(mu_conf_root(conf), "compute_share"), "min")), "0.25");
    assert_string_equal(mu_conf_text(mu_conf_get(mu_conf_get(mu_conf_root(conf), "bandwidth_variation"), "mean_dwell_s")), "7");
    assert_int_equal(mu_fleet_create(mu_conf_root(conf), 8, 5, &again, &err), MU_OK);
    mu_work work = { .macs = { 9000000000 }, .bytes_down = 5000000, .bytes_up = 1000000 };
    for (uint32_t device = 0; device < 8; device++) {
        mu_price a = mu_fleet_price(fleet, device, 9 * SECOND, &work), b = mu_fleet_price(again, device, 9 * SECOND, &work);
        mu_price other = mu_fleet_price(fleet, (device + 1) % 8, 9 * SECOND, &work);
        check_same_price(&a, &b);
        assert_true(a.download_s != other.download_s);
    }
    mu_conf_destroy(conf);
    mu_fleet_destroy(fleet);
    mu_fleet_destroy(again);
}

/* What can be afforded is the speed at the moment that the work has come to, times the time; and at a speed that does not change it takes just that time. */
static void test_afford(void **state)
{
    (void)state;
    mu_fleet *fleet = make("fleet: {" BOARD ", compute_share: {min: 0.1, mean_dwell_s: 2}}", 10), *steady = make("fleet: {" BOARD "}", 1);
    bool differs = false;
    for (uint32_t device = 0; device < 10; device++)
        for (uint64_t macs = 0; macs < 8000000000; macs += 1000000000) {
            mu_work done = { .macs = { macs }, .bytes_down = 1000000 };
            mu_price price = mu_fleet_price(fleet, device, 7 * SECOND, &done);
            mu_time_us now = 7 * SECOND + mu_time_from_s(price.download_s + price.compute_s);
            double rate = mu_fleet_profile_at(fleet, device, now).macs_per_s[0];
            assert_true(mu_fleet_afford(fleet, device, 7 * SECOND, &done, 0.25) == 0.25 * rate);
            differs |= rate != mu_fleet_profile_at(fleet, device, 7 * SECOND).macs_per_s[0];
        }
    assert_true(differs);
    mu_work none = { .bytes_down = 77 };
    assert_true(mu_fleet_afford(steady, 0, 0, &none, 0.5) == 0.5e9);
    mu_fleet_destroy(fleet);
    mu_fleet_destroy(steady);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_varies),       cmocka_unit_test(test_only_one_varies), cmocka_unit_test(test_price_over_pieces),
        cmocka_unit_test(test_one_boundary_by_hand), cmocka_unit_test(test_levels),          cmocka_unit_test(test_long_work),
        cmocka_unit_test(test_determinism_and_resolving), cmocka_unit_test(test_afford),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
