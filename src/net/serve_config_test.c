/* The `serve:` section: its defaults, and what is refused. */
#include "muster/serve.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mu_status read_with(const char *setting, mu_experiment **experiment, mu_serve_config *config, mu_error *err)
{
    mu_error loading;
    if (mu_experiment_load(MUSTER_SOURCE_DIR "/examples/first.yaml", NULL, &setting, setting ? 1 : 0, experiment, &loading))
        fail_msg("%s", loading.message);
    return mu_serve_config_read(*experiment, config, err);
}

static void nothing_said_is_the_default(void **state)
{
    (void)state;
    mu_experiment *experiment;
    mu_serve_config config;
    mu_error err;
    assert_int_equal(read_with(NULL, &experiment, &config, &err), MU_OK);
    assert_string_equal(config.address, "0.0.0.0:8443");
    assert_string_equal(config.status_address, "127.0.0.1:8444");
    assert_string_equal(config.certificate, "");
    assert_true(config.tls);
    assert_true(isinf(config.update_norm_max));
    assert_true(config.presence_s > config.hold_s);
    assert_true(config.held_max == 10000 && config.address_share * config.connections_max > config.held_max); /* of all those who wait, all may have one address */
    mu_experiment_destroy(experiment);
}

static void what_is_said_is_read_and_checked(void **state)
{
    (void)state;
    static const struct { const char *setting, *says; } tries[] = {
        { "serve.tls=off", NULL },
        { "serve.adress=x", "address" },
        { "serve.presence_s=25", "presence_s" },
        { "serve={again_s: 80}", "longer" },
        { "serve.requests_per_s=0", "requests_per_s" },
        { "serve.update_norm_max=-1", "update_norm_max" },
    };
    for (size_t i = 0; i < MU_COUNT(tries); i++) {
        mu_experiment *experiment;
        mu_serve_config config;
        mu_error err = { 0 };
        mu_status status = read_with(tries[i].setting, &experiment, &config, &err);
        if (tries[i].says) {
            assert_int_not_equal(status, MU_OK);
            if (!strstr(err.message, tries[i].says))
                fail_msg("%s gives: %s", tries[i].setting, err.message);
        } else {
            assert_int_equal(status, MU_OK);
            assert_false(config.tls);
        }
        mu_experiment_destroy(experiment);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_the_default),
        cmocka_unit_test(what_is_said_is_read_and_checked),
    };
    return cmocka_run_group_tests_name("net_serve_config", tests, NULL, NULL);
}
