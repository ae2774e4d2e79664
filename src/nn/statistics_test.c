/* Several sets of norm statistics: where they lie, what a step does with the one it is told to use, and that the others stay as they are. */
#include "nn/test_step.h"

static size_t refused = SIZE_MAX; /* the allocation that fails */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) { return refused-- ? __real_malloc(size) : NULL; }
void *__wrap_calloc(size_t count, size_t size) { return refused-- ? __real_calloc(count, size) : NULL; }
void *__wrap_realloc(void *old, size_t size) { return refused-- ? __real_realloc(old, size) : NULL; }

static mu_model *resnet(uint32_t sets)
{
    mu_model *model = test_model_named("resnet20", (mu_shape){ 8, 8, 3 }, 10);
    assert_int_equal(mu_model_statistic_sets(model), 1);
    if (sets > 1)
        assert_int_equal(mu_model_add_statistics(model, sets, NULL), MU_OK);
    assert_int_equal(mu_model_statistic_sets(model), sets);
    return model;
}

static size_t set_floats(const mu_model *model)
{
    return (mu_model_state_count(model) - mu_model_param_count(model)) / mu_model_statistic_sets(model);
}

/* Tensors of the layers are as before; then come those of the other sets, in the same order, one behind the other in the state too. */
static void test_tensors(void **state)
{
    (void)state;
    enum { SETS = 12 };
    mu_model *plain = resnet(1), *model = resnet(SETS);
    const size_t declared = mu_model_tensor_count(plain), set = set_floats(plain);
    assert_int_equal(mu_model_param_count(model), mu_model_param_count(plain));
    assert_int_equal(mu_model_state_count(model), mu_model_state_count(plain) + (SETS - 1) * set);
    size_t next = declared, at = mu_model_state_count(plain);
    for (uint32_t k = 0; k < SETS; k++)
        for (size_t t = 0; t < declared; t++) {
            const mu_tensor *first = mu_model_tensor(plain, t);
            if (k && first->trainable)
                continue;
            const mu_tensor *got = mu_model_tensor(model, k ? next : t);
            char name[128];
            snprintf(name, sizeof name, k ? "%s@%u" : "%s", first->name, k);
            assert_string_equal(got->name, name);
            assert_true(got->rank == first->rank && got->shape[0] == first->shape[0] && got->count == first->count);
            assert_true(got->trainable == first->trainable);
            assert_int_equal(got->offset, first->offset + k * set);
            if (k) {
                assert_int_equal(got->offset, at);
                at += got->count;
                next++;
            }
        }
    assert_int_equal(next, mu_model_tensor_count(model));
    assert_int_equal(at, mu_model_state_count(model));
    mu_model_destroy(plain);
    mu_model_destroy(model);
}

static void test_first_values(void **state)
{
    (void)state;
    mu_model *plain = resnet(1), *model = resnet(3);
    const size_t count = mu_model_state_count(plain), params = mu_model_param_count(plain), set = set_floats(plain);
    float *expected = malloc(count * sizeof *expected), *got = malloc(mu_model_state_count(model) * sizeof *got);
    assert_true(expected && got);
    mu_model_init(plain, 5, expected);
    mu_model_init(model, 5, got);
    assert_memory_equal(got, expected, count * sizeof *got);
    for (size_t k = 1; k < 3; k++)
        assert_memory_equal(got + params + k * set, expected + params, set * sizeof *got);
    free(expected);
    free(got);
    mu_model_destroy(plain);
    mu_model_destroy(model);
}

/* A step of a plain model, and one that uses a set: the same logits, gradients and statistics, from and to that set. */
static void check_set(const mu_model *plain, const mu_model *model, mu_step_config config, uint32_t used)
{
    const size_t params = mu_model_param_count(plain), set = set_floats(plain), sets = mu_model_statistic_sets(model);
    test_step a = test_step_create(plain, config, true), b = test_step_create(model, config, true);
    mu_model_init(plain, 5, mu_step_state(a.step));
    mu_model_init(model, 5, mu_step_state(b.step));
    float *before = malloc(sets * set * sizeof *before), *statistics = mu_step_state(b.step) + params;
    assert_non_null(before);
    mu_random random = mu_random_stream(3, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < sets * set; i++)
        before[i] = statistics[i] = 0.02f + 0.2f * mu_random_unit_float(&random); /* of means no larger: nothing dies */
    memcpy(mu_step_state(a.step) + params, before + used * set, set * sizeof *before);
    test_fill_batch(plain, a.step, config.batch_size, 4);
    test_fill_batch(model, b.step, config.batch_size, 4);
    if (used)
        mu_step_use_statistics(b.step, used);
    mu_step_result x = mu_step_gradient(a.step, config.batch_size, NULL), y = mu_step_gradient(b.step, config.batch_size, NULL);
    assert_memory_equal(&x, &y, sizeof x);
    assert_memory_equal(mu_step_gradients(a.step), mu_step_gradients(b.step), params * sizeof(float));
    test_fill_batch(plain, a.step, config.batch_size, 6);
    test_fill_batch(model, b.step, config.batch_size, 6);
    mu_step_statistics(a.step, config.batch_size, 0.25);
    mu_step_statistics(b.step, config.batch_size, 0.25);
    for (size_t k = 0; k < sets; k++)
        assert_memory_equal(statistics + k * set, k == used ? mu_step_state(a.step) + params : before + k * set, set * sizeof *before);
    assert_memory_not_equal(statistics + used * set, before + used * set, set * sizeof *before);
    x = mu_step_evaluate(a.step, config.batch_size);
    y = mu_step_evaluate(b.step, config.batch_size);
    assert_memory_equal(&x, &y, sizeof x);
    mu_step_use_statistics(b.step, (used + 1) % (uint32_t)sets);
    y = mu_step_evaluate(b.step, config.batch_size);
    assert_true(x.loss_sum < y.loss_sum || x.loss_sum > y.loss_sum);
    free(before);
    test_step_destroy(&a);
    test_step_destroy(&b);
}

static void test_step_uses_set(void **state)
{
    (void)state;
    mu_model *plain = resnet(1), *model = resnet(3);
    mu_step_config config = mu_step_config_default();
    config.batch_size = 5;
    for (uint32_t used = 0; used < 3; used++)
        check_set(plain, model, config, used);
    mu_step_schedule schedule;
    config.memory_limit_bytes = 1;
    assert_int_equal(mu_step_schedule_find(model, &config, &schedule, NULL, NULL), MU_E_MEMORY);
    config.memory_limit_bytes = schedule.peak_bytes; /* layers are computed twice, statistics move once */
    assert_int_equal(mu_step_schedule_find(model, &config, &schedule, NULL, NULL), MU_OK);
    assert_true(schedule.recomputed > 0);
    check_set(plain, model, config, 2);
    mu_model_destroy(plain);
    mu_model_destroy(model);
}

/* Group norms have no running statistics: the sets are empty. */
static void test_nothing_to_add(void **state)
{
    (void)state;
    mu_model *plain = NULL, *model = NULL;
    assert_int_equal(mu_model_create_builtin("resnet20", "group", (mu_shape){ 8, 8, 3 }, 10, &plain, NULL), MU_OK);
    assert_int_equal(mu_model_create_builtin("resnet20", "group", (mu_shape){ 8, 8, 3 }, 10, &model, NULL), MU_OK);
    assert_int_equal(mu_model_add_statistics(model, 5, NULL), MU_OK);
    assert_int_equal(mu_model_tensor_count(model), mu_model_tensor_count(plain));
    assert_int_equal(mu_model_state_count(model), mu_model_state_count(plain));
    mu_step_config config = mu_step_config_default();
    config.batch_size = 2;
    test_step t = test_step_create(model, config, true);
    mu_model_init(model, 1, mu_step_state(t.step));
    test_fill_batch(model, t.step, 2, 1);
    mu_step_result first = mu_step_evaluate(t.step, 2);
    test_fill_batch(model, t.step, 2, 1);
    mu_step_use_statistics(t.step, 4);
    mu_step_result last = mu_step_evaluate(t.step, 2);
    assert_memory_equal(&first, &last, sizeof first);
    test_step_destroy(&t);
    mu_model_destroy(plain);
    mu_model_destroy(model);
}

/* To disk and back with all sets. Files of a model with one set are not of this one, and the sentence says what is missing. */
static void test_file(void **state)
{
    (void)state;
    mu_model *plain = resnet(1), *model = resnet(2);
    const size_t count = mu_model_state_count(model);
    float *written = malloc(count * sizeof *written), *read = calloc(count, sizeof *read);
    assert_true(written && read);
    for (size_t i = 0; i < count; i++)
        written[i] = (float)i + 0.5f;
    unsigned char *bytes = NULL;
    size_t size_bytes;
    mu_error err = { 0 };
    assert_int_equal(mu_model_encode(model, written, NULL, &bytes, &size_bytes, &err), MU_OK);
    assert_int_equal(mu_model_decode(model, "two", bytes, size_bytes, read, &err), MU_OK);
    assert_memory_equal(written, read, count * sizeof *read);
    assert_int_equal(mu_model_decode(plain, "two", bytes, size_bytes, read, &err), MU_E_SHAPE);
    assert_non_null(strstr(err.message, "@1'"));
    free(bytes);
    assert_int_equal(mu_model_encode(plain, written, NULL, &bytes, &size_bytes, &err), MU_OK);
    assert_int_equal(mu_model_decode(model, "one", bytes, size_bytes, read, &err), MU_E_SHAPE);
    assert_non_null(strstr(err.message, "there is no tensor 'bn1.running_mean@1'"));
    free(bytes);
    free(written);
    free(read);
    mu_model_destroy(plain);
    mu_model_destroy(model);
}

static void expect_plain(const mu_model *model, const mu_model *plain)
{
    assert_int_equal(mu_model_statistic_sets(model), 1);
    assert_int_equal(mu_model_state_count(model), mu_model_state_count(plain));
    assert_int_equal(mu_model_tensor_count(model), mu_model_tensor_count(plain));
}

static void test_refused(void **state)
{
    (void)state;
    mu_model *plain = resnet(1), *model = resnet(1);
    mu_error err = { 0 };
    assert_int_equal(mu_model_add_statistics(model, 0, &err), MU_E_RANGE);
    assert_int_equal(mu_model_add_statistics(model, MU_STATISTIC_SETS_MAX + 1, &err), MU_E_RANGE);
    assert_string_equal(err.message, "65 sets of norm statistics, expected 1 to 64");
    expect_plain(model, plain);
    size_t allowed = 0;
    for (mu_status status = MU_E_MEMORY; status; allowed++) { /* the n-th allocation fails, for every n */
        refused = allowed;
        status = mu_model_add_statistics(model, MU_STATISTIC_SETS_MAX, &err);
        refused = SIZE_MAX;
        assert_true(status == MU_OK || status == MU_E_MEMORY);
        if (status)
            expect_plain(model, plain);
    }
    assert_true(allowed > 2);
    assert_int_equal(mu_model_statistic_sets(model), MU_STATISTIC_SETS_MAX);
    mu_model_destroy(plain);
    mu_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tensors),        cmocka_unit_test(test_first_values),
                                        cmocka_unit_test(test_step_uses_set),  cmocka_unit_test(test_nothing_to_add),
                                        cmocka_unit_test(test_file),           cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
