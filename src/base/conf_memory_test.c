/* Every allocation of the configuration refused, one after the other: MU_E_MEMORY, and nothing lost or half done. */
#include "base/refuse_memory.h"

#include "muster/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "a: 1\nb: {c: [x, 'y', {z: w}]}\nlong: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";

/* Parse, change, write; stops at the first failure, as every caller does. */
static mu_status use_a_conf(mu_error *err)
{
    mu_conf *conf = NULL;
    char *written = NULL;
    mu_status status = mu_conf_parse("test.yaml", text, sizeof text - 1, &conf, err);
    if (!status)
        status = mu_conf_set(conf, "b.new.deep=[1, 2]", err);
    if (!status)
        status = mu_conf_put(conf, mu_conf_root(conf), "put", "5", err);
    if (!status)
        status = mu_conf_put_copy(conf, mu_conf_root(conf), "copy", mu_conf_get(mu_conf_root(conf), "b"), err);
    if (!status) {
        mu_conf_node *list = mu_conf_make_list(conf, mu_conf_root(conf), "list");
        status = list ? mu_conf_append(conf, list, "x", err) : mu_error_set(err, MU_E_MEMORY, "no list");
    }
    if (!status && !(written = mu_conf_write(mu_conf_root(conf))))
        status = mu_error_set(err, MU_E_MEMORY, "not written");
    free(written);
    mu_conf_destroy(conf);
    return status;
}

static void test_every_allocation_refused(void **state)
{
    (void)state;
    mu_error err;
    long count = 0;
    for (bool done = false; !done; count++) {
        refused = false;
        allocations_left = count;
        err = (mu_error){ 0 };
        mu_status status = use_a_conf(&err);
        allocations_left = -1;
        done = !refused;
        assert_int_equal(status, refused ? MU_E_MEMORY : MU_OK);
        assert_int_equal(err.status, status);
    }
    assert_true(count > 40);
}

static void test_a_scalar_at_the_top(void **state)
{
    (void)state;
    for (long count = 0; count < 20; count++) { /* where the root exists before its text does */
        mu_conf *conf = NULL;
        refused = false;
        allocations_left = count;
        mu_status status = mu_conf_parse("test.yaml", "hello", 5, &conf, NULL);
        allocations_left = -1;
        assert_int_equal(status, refused ? MU_E_MEMORY : MU_E_CONFIG);
        assert_null(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_refused),
        cmocka_unit_test(test_a_scalar_at_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
