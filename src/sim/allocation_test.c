/* The n-th allocation refused, for every n, from reading an experiment to the end of its run: always a clear status, never a crash, and,
 * under the sanitizers and valgrind, nothing lost. The linker puts the functions below in front of the C library's. */
#include "fl/experiment_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int   __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int   __wrap_posix_memalign(void **out, size_t alignment, size_t size);

static atomic_long left; /* allocations until one is refused; negative: none is */

static bool refused(void)
{
    return atomic_load(&left) >= 0 && atomic_fetch_sub(&left, 1) == 0;
}

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return refused() ? NULL : __real_realloc(old, size); }
int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return refused() ? 12 /* ENOMEM */ : __real_posix_memalign(out, alignment, size);
}

static const char yaml[] = "rounds: 1\nmodel: softmax-regression\ndata: {name: writers, devices: 3, examples_per_device: 5, test_examples: 10}\n"
                           "fleet: {mix: {workstation: 1}}\ntrain: {batch_size: 4}\nwhen: {cohort: 3}\nevaluate: {tier_examples: 5}\n";

static mu_status load_and_run(mu_error *err)
{
    mu_experiment *experiment = NULL;
    mu_simulation *simulation = NULL;
    mu_simulate_config config = { .workers = 2 };
    mu_status status = experiment_try(yaml, NULL, &experiment, err);
    if (!status)
        status = mu_simulation_create(experiment, &config, NULL, &simulation, err);
    if (!status)
        status = mu_simulation_run(simulation, err);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return status;
}

static void every_allocation_may_be_refused(void **unused)
{
    (void)unused;
    long n = 0;
    for (bool done = false; !done; n++) {
        mu_error err = { 0 };
        atomic_store(&left, n);
        mu_status status = load_and_run(&err);
        done = atomic_exchange(&left, -1) >= 0; /* it was not used up: there were not so many */
        if (done)
            assert_int_equal(status, MU_OK);
        else if (status != MU_E_MEMORY)
            fail_msg("allocation %ld refused: status '%s', \"%s\"", n, mu_status_name(status), err.message);
    }
    assert_true(n > 100);
}

int main(void)
{
    atomic_store(&left, -1);
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_be_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
