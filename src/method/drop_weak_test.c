/* Only the strongest tiers take part, all of their devices, and a federation without them says so. */
#include "method/test_federation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_federation *create(const char *who, uint32_t devices, uint32_t cohort)
{
    char yaml[512];
    snprintf(yaml, sizeof yaml, "rounds: 60\ndata: {name: writers, devices: %u}\nfleet: {mix: {phone-low: 0.5, phone-mid: 0.25, phone-high: 0.25}}\n"
             "who: %s\nwhen: {cohort: %u, minimum_reports: 1}\n", devices, who, cohort);
    return test_federation_create(yaml);
}

/* Which tiers were asked, and that each of their devices was. */
static void expect_asked(const char *who, uint32_t weakest)
{
    test_federation *t = create(who, 16, 2);
    const mu_fleet *fleet = mu_experiment_fleet(t->experiment);
    bool asked[16] = { false };
    test_federation_run(t);
    assert_int_equal(mu_fleet_tier_count(fleet), 3);
    for (uint32_t i = 0; i < t->event_count; i++)
        if (t->events[i].happening == MU_HAPPENED_SENT)
            asked[t->events[i].device] = true;
    uint32_t count = 0;
    for (uint32_t device = 0; device < 16; device++) {
        assert_int_equal(asked[device], mu_fleet_tier_of(fleet, device) >= weakest);
        count += asked[device];
    }
    assert_int_equal(count, weakest == 2 ? 4 : weakest == 1 ? 8 : 16);
    test_federation_destroy(t);
}

static void the_strongest_take_part(void **unused)
{
    (void)unused;
    expect_asked("{method: drop-weak}", 2);
    expect_asked("{method: drop-weak, tiers: 2}", 1);
    expect_asked("{method: drop-weak, tiers: 3}", 0);
}

/* A round of more devices than there are strong ones is made of these. */
static void nobody_fills_up(void **unused)
{
    (void)unused;
    test_federation *t = create("{method: drop-weak}", 16, 10);
    test_federation_run(t);
    for (uint32_t round = 1; round < t->round_count; round++) {
        assert_int_equal(t->rounds[round].selected, 4);
        assert_int_equal(t->rounds[round].merged, 4);
    }
    test_federation_destroy(t);
}

static void cannot_run(test_federation *t, const char *sentence)
{
    mu_error err = { 0 };
    assert_int_equal(mu_federation_run(t->federation, &err), MU_E_CONFIG);
    if (!strstr(err.message, sentence))
        fail_msg("'%s' is not in '%s'", sentence, err.message);
    test_federation_destroy(t);
}

static void nonsense_is_refused(void **unused)
{
    (void)unused;
    cannot_run(create("{method: drop-weak, tiers: 4}", 16, 2), "tiers is 4, and the fleet has 3");
    /* with two devices the shares of the mix leave the last tier empty */
    test_federation *t = create("{method: drop-weak}", 2, 1);
    const mu_fleet *fleet = mu_experiment_fleet(t->experiment);
    for (uint32_t device = 0; device < 2; device++)
        assert_true(mu_fleet_tier_of(fleet, device) < 2);
    cannot_run(t, "none of the 2 devices is of the fleet's strongest 1 of 3 tiers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strongest_take_part),
        cmocka_unit_test(nobody_fills_up),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
