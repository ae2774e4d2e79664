/* Which table is taken: by the processor, by MUSTER_KERNELS, by name. The choice is made once a process, so each is tried in a
 * child. */
#include "tensor/kernels_test.h"

#include <sys/wait.h>
#include <unistd.h>

/* Does a fresh process with this MUSTER_KERNELS (NULL: unset) take the table of this name? */
static void expect_table(const char *environment, const char *name)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (environment)
            setenv("MUSTER_KERNELS", environment, 1);
        else
            unsetenv("MUSTER_KERNELS");
        bool as_expected = strcmp(mu_kernels()->name, name) == 0 && mu_kernels() == mu_kernels();
        setenv("MUSTER_KERNELS", "plain", 1); /* too late */
        _exit(as_expected && strcmp(mu_kernels()->name, name) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("with MUSTER_KERNELS=%s the table is not %s", environment ? environment : "(unset)", name);
}

static void fastest_by_default(void **state)
{
    (void)state;
    const mu_kernel_table *tables[3];
    const char *fastest = test_vector_tables(tables) ? tables[0]->name : "plain";
    expect_table(NULL, fastest);
    expect_table("", fastest);
}

static void as_asked_for(void **state)
{
    (void)state;
    expect_table("plain", "plain");
    const mu_kernel_table *tables[3];
    size_t count = test_vector_tables(tables);
    for (size_t t = 0; t < count; t++)
        expect_table(tables[t]->name, tables[t]->name);
    expect_table("vax", "plain");
}

static void by_name(void **state)
{
    (void)state;
    assert_ptr_equal(mu_kernels_named("plain"), mu_kernels_plain());
    assert_null(mu_kernels_named("vax"));
    assert_null(mu_kernels_named(""));
#if defined(__x86_64__)
    assert_null(mu_kernels_named("neon"));
    assert_int_equal(mu_kernels_named("avx2") != NULL, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
#endif
}

static void check_names_the_tables(void **state)
{
    (void)state;
    mu_error err = { 0 };
    unsetenv("MUSTER_KERNELS");
    assert_int_equal(mu_kernels_check(&err), MU_OK);
    setenv("MUSTER_KERNELS", "plain", 1);
    assert_int_equal(mu_kernels_check(&err), MU_OK);
    setenv("MUSTER_KERNELS", "vax", 1);
    assert_int_equal(mu_kernels_check(&err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "'vax'"));
    assert_non_null(strstr(err.message, "plain"));
    const mu_kernel_table *tables[3];
    size_t count = test_vector_tables(tables);
    for (size_t t = 0; t < count; t++)
        assert_non_null(strstr(err.message, tables[t]->name));
    assert_int_equal(mu_kernels_check(NULL), MU_E_CONFIG);
    unsetenv("MUSTER_KERNELS");
}

/* Every entry of every table is there. */
static void tables_are_complete(void **state)
{
    (void)state;
    const mu_kernel_table *tables[4];
    size_t count = test_vector_tables(tables);
    tables[count++] = mu_kernels_plain();
    for (size_t t = 0; t < count; t++) {
        void *entries[sizeof(mu_kernel_table) / sizeof(void *)];
        memcpy(entries, tables[t], sizeof entries);
        for (size_t i = 0; i < MU_COUNT(entries); i++)
            assert_non_null(entries[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fastest_by_default),     cmocka_unit_test(as_asked_for),        cmocka_unit_test(by_name),
        cmocka_unit_test(check_names_the_tables), cmocka_unit_test(tables_are_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
