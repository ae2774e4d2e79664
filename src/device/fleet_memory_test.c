/* Every allocation of a fleet refused, one after the other: MU_E_MEMORY, and nothing lost. */
#include "base/refuse_memory.h"

#include "base/file.h"
#include "muster/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static mu_status make_and_resolve(mu_conf *from, mu_error *err)
{
    mu_fleet *fleet = NULL;
    mu_conf *resolved = NULL;
    mu_status status = mu_fleet_create(mu_conf_get(mu_conf_root(from), "fleet"), 50, 1, &fleet, err);
    if (!status)
        status = mu_conf_parse("resolved", "", 0, &resolved, err);
    if (!status)
        status = mu_fleet_resolve(fleet, resolved, mu_conf_root(resolved), err);
    mu_conf_destroy(resolved);
    if (!status && !mu_fleet_varies_by(fleet)) {
        const mu_profile told = { .name = "pi-4", .memory_bytes = 4096 };
        uint32_t class = mu_fleet_class_of(fleet, 7);
        status = mu_fleet_tell(fleet, 7, &told, err);
        if (status)
            assert_int_equal(mu_fleet_class_of(fleet, 7), class);
        assert_int_equal(mu_fleet_profile(fleet, 7).memory_bytes == 4096, !status);
    }
    mu_fleet_destroy(fleet);
    return status;
}

static void check(const char *text)
{
    mu_conf *conf;
    mu_error err;
    long count = 0;
    assert_int_equal(mu_conf_parse("test", text, strlen(text), &conf, NULL), MU_OK);
    for (bool done = false; !done; count++) {
        refused = false;
        err = (mu_error){ 0 };
        allocations_left = count;
        mu_status status = make_and_resolve(conf, &err);
        allocations_left = -1;
        done = !refused;
        if (status != (refused ? MU_E_MEMORY : MU_OK))
            fail_msg("allocation %ld of '%s': %s", count, text, err.message);
        assert_int_equal(err.status, status);
    }
    assert_true(count > 20);
    mu_conf_destroy(conf);
}

static void test_every_allocation_refused(void **state)
{
    (void)state;
    static const char devices[] = "compute_ms,down_kbps\n100,5000\n200,\n300,7000\n";
    static const char trace[] = "trace_len_s,on_intervals_s\n100,1-2;5-9\n,\n50,0-50\n";
    char csv[128], availability[128], text[512];
    snprintf(csv, sizeof csv, "/tmp/muster-fleet-memory-%ld.csv", (long)getpid());
    snprintf(availability, sizeof availability, "/tmp/muster-fleet-memory-trace-%ld.csv", (long)getpid());
    assert_int_equal(mu_file_write(csv, devices, sizeof devices - 1, NULL), MU_OK);
    assert_int_equal(mu_file_write(availability, trace, sizeof trace - 1, NULL), MU_OK);
    check("fleet: mixed");
    check("fleet: pi-4");
    check("fleet: {classes: {a: {extend: pi-4, tier: own}, b: {extend: a}}, mix: {a: 1, b: 2, laptop: 1}}");
    snprintf(text, sizeof text, "fleet: {csv: %s, assign: random, availability: {trace: %s, assign: random}}", csv, availability);
    check(text);
    check("fleet: {mix: {pi-4: 1}, availability: {generator: markov}, compute_share: {}, bandwidth_variation: {}, battery: {}}");
    check("fleet: {mix: {pi-4: 1}, availability: {generator: diurnal}, battery: {plugged: {generator: markov}}}");
    remove(csv);
    remove(availability);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_allocation_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
