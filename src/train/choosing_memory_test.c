/* Memory of mini-batches that train parts: as planned to the byte, the same in a trainer that was used before, and, where it is refused, a clear status. The
 * linker puts the functions below in front of the C library's. */
#include "train/test_choosing.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int   __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int   __wrap_posix_memalign(void **out, size_t alignment, size_t size);

static long left = -1; /* allocations until one is refused; negative: none is */

static bool refused(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size) { return refused() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refused() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return refused() ? NULL : __real_realloc(old, size); }
int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return refused() ? 12 /* ENOMEM */ : __real_posix_memalign(out, alignment, size);
}

/* As whoever prices the task counts it: the widest of the mini-batches' parts; where the method teaches, of the narrower ones. */
static size_t planned_bytes(const trial *t)
{
    uint32_t counts[64];
    bool    *kept = calloc(mu_units_count(t->s.units) + 1, sizeof *kept);
    network  n = network_create(t->s.units);
    size_t   widest_bytes = 0, bytes = 0;
    assert_non_null(kept);
    for (uint32_t step = 0; step < mu_plan_steps(&t->plan, EXAMPLES); step++) {
        mu_choice choice = { .units = t->s.units, .plan = &t->plan, .seed = SEED, .device = DEVICE, .step = step, .afford_macs = INFINITY,
                             .counts = counts, .kept = kept };
        choose(&t->method, &choice);
        assert_int_equal(mu_submodel_form(n.submodel, kept, NULL), MU_OK);
        if (t->method.manner.teaches && is_everything(&choice))
            continue;
        assert_int_equal(mu_plan_step_bytes(mu_submodel_model(n.submodel), &t->plan, false, &bytes, NULL), MU_OK);
        widest_bytes = bytes > widest_bytes ? bytes : widest_bytes;
    }
    assert_int_equal(mu_submodel_form(n.submodel, t->plan.kept, NULL), MU_OK);
    assert_int_equal(mu_plan_peak_memory_choosing(mu_submodel_model(n.submodel), &t->plan, &t->method.manner, EXAMPLES, widest_bytes, false,
                                                  &bytes, NULL),
                     MU_OK);
    mu_arena_block_free(n.memory);
    free(kept);
    return bytes;
}

static void planned_peak_is_the_measured_one(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++) {
        size_t of_rule[3] = { 0 };
        for (int kind = 0; kind < 36; kind++) {
            trial t = make_trial(i);
            t.method = (method){ .rule = (rule)(kind % 3), .manner = { .teaches = kind / 3 % 2, .label_weight = 1, .temperature = 1 } };
            optimise(&t, kind / 12);
            if (kind / 6 % 2)
                keep_a_part(&t);
            outcome o = run(&t, &choosing);
            assert_int_equal(o.peak_bytes, planned_bytes(&t));
            if (kind < 3)
                of_rule[t.method.rule] = o.peak_bytes;
            free(o.delta);
            trial_destroy(&t);
        }
        assert_true(of_rule[FIRST_HALF] < of_rule[EVERYTHING]);
    }
}

/* One trainer goes from task to task, of other parts, plain ones and evaluations among them, as if each were its first. */
static void tasks_do_not_know_each_other(void **unused)
{
    (void)unused;
    trial t = make_trial(SUBJECTS - 1);
    mu_trainer *trainer = trainer_of(&t);
    mu_examples examples = { .self = &t.examples, .count = EXAMPLES, .read = read_book };
    mu_evaluation evaluation;
    size_t peak_bytes = 0;
    for (int n = 0; n < 24; n++) {
        memset(&t.method, 0, sizeof t.method);
        t.method.rule = (rule)(n % 3);
        t.method.manner.teaches = n % 4 == 1;
        t.method.manner.label_weight = t.method.manner.temperature = 1;
        t.method.manner.scaled = n % 8 == 3;
        t.plan.kept = NULL;
        optimise(&t, n / 2 % 3);
        if (n % 5 > 1)
            keep_thirds(&t, 1 + (uint32_t)n % 2);
        const mu_how *how = n % 7 == 4 ? &not_choosing : &choosing;
        outcome again = run_with(trainer, &t, how, (mu_local){ 0 }), fresh = run(&t, how);
        check_same(&t, &again, &fresh, "after other tasks");
        peak_bytes = fresh.peak_bytes > peak_bytes ? fresh.peak_bytes : peak_bytes;
        assert_int_equal(again.peak_bytes, peak_bytes);
        if (n % 6 == 5)
            assert_int_equal(mu_trainer_evaluate(trainer, &examples, 0, EXAMPLES, t.s.whole, &evaluation, NULL), MU_OK);
        free(again.delta);
        free(fresh.delta);
    }
    mu_trainer_destroy(trainer);
    trial_destroy(&t);
}

/* A trainer that was refused memory says so, or did without it, which changes nothing; and the next task finds it in order. */
static void refuse_each(const trial *t)
{
    outcome expected = run(t, &choosing);
    float *delta = floats(mu_model_state_count(t->s.model));
    method m = t->method;
    mu_examples examples = { .self = &t->examples, .count = EXAMPLES, .read = read_book };
    const mu_local local = { .how = &choosing, .state = &m };
    mu_update update;
    bool was_refused = true;
    int failures = 0;
    for (long n = 0; was_refused; n++) {
        mu_trainer *trainer = trainer_of(t);
        mu_error err = { 0 };
        left = n;
        mu_status status = mu_trainer_run(trainer, &t->plan, &examples, t->s.whole, SEED, DEVICE, &local, NULL, delta, &update, &err);
        was_refused = left < 0;
        left = -1;
        failures += status != MU_OK;
        if (status) {
            assert_int_equal(status, MU_E_MEMORY);
            assert_non_null(strstr(err.message, "no memory"));
            outcome again = run_with(trainer, t, &choosing, (mu_local){ 0 });
            check_same(t, &again, &expected, "after a refusal");
            assert_int_equal(again.peak_bytes, expected.peak_bytes);
            free(again.delta);
        } else {
            assert_memory_equal(delta, expected.delta, mu_model_state_count(t->s.model) * sizeof *delta);
        }
        mu_trainer_destroy(trainer);
    }
    assert_true(failures > 3);
    free(delta);
    free(expected.delta);
}

static void every_allocation_may_be_refused(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 4; kind++) {
        trial t = make_trial(SUBJECTS - 1);
        t.method = (method){ .rule = ANYTHING, .manner = { .teaches = kind % 2, .label_weight = 1, .temperature = 1 } };
        optimise(&t, 2);
        if (kind > 1)
            keep_a_part(&t);
        refuse_each(&t);
        trial_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planned_peak_is_the_measured_one),
        cmocka_unit_test(tasks_do_not_know_each_other),
        cmocka_unit_test(every_allocation_may_be_refused),
    };
    return cmocka_run_group_tests_name("memory of parts for every mini-batch", tests, NULL, NULL);
}
