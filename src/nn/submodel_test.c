/* Submodels as networks and as weights: the network of a choice is the one that would have been written down narrower, and its
 * weights come and go untouched. */
#include "nn/test_submodel.h"

#include <math.h>

/* Gather takes the kept elements in their order; scatter and add touch them and nothing else; gather then scatter changes nothing. */
static void check_copies(subject *s)
{
    const mu_model *small = mu_submodel_model(s->submodel);
    size_t whole_count = mu_model_state_count(s->model), part_count = mu_model_state_count(small), params = mu_model_param_count(small);
    float *part = malloc(part_count * sizeof *part), *got = malloc(whole_count * sizeof *got), *expected = malloc(whole_count * sizeof *got);
    assert_true(part && got && expected);
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, s->whole, part);
    memcpy(got, s->whole, whole_count * sizeof *got);
    mu_submodel_scatter(s->submodel, MU_EXTENT_STATE, part, got);
    assert_memory_equal(got, s->whole, whole_count * sizeof *got);

    memcpy(expected, s->whole, whole_count * sizeof *got);
    for (size_t t = 0; t < mu_model_tensor_count(s->model); t++) {
        const mu_tensor *tensor = mu_model_tensor(s->model, t), *small_tensor = mu_model_tensor(small, t);
        size_t next = small_tensor->offset;
        for (size_t i = 0; i < tensor->count; i++)
            if (element_kept(s, t, i)) {
                assert_memory_equal(&part[next++], &s->whole[tensor->offset + i], sizeof(float));
                expected[tensor->offset + i] = tensor->trainable ? fmaf(-0.25f, part[next - 1] + 1, 3) : part[next - 1] + 1;
            }
        assert_int_equal(next, small_tensor->offset + small_tensor->count);
    }
    for (size_t i = 0; i < part_count; i++)
        part[i] += 1;
    mu_submodel_scatter(s->submodel, MU_EXTENT_STATE, part, got);
    for (size_t i = params; i < part_count; i++)
        part[i] = NAN; /* not trained, and so not looked at from here on */
    float *threes = malloc(params * sizeof *threes);
    assert_non_null(threes);
    for (size_t i = 0; i < params; i++)
        threes[i] = 3;
    mu_submodel_scatter(s->submodel, MU_EXTENT_PARAMS, threes, got);
    mu_submodel_add(s->submodel, MU_EXTENT_PARAMS, -0.25f, part, got);
    assert_memory_equal(got, expected, whole_count * sizeof *got);
    free(threes);
    free(part);
    free(got);
    free(expected);
}

static mu_model *with_sets(mu_model *model, uint32_t sets)
{
    assert_int_equal(mu_model_add_statistics(model, sets, NULL), MU_OK);
    return model;
}

static void test_copies(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < MODELS; i++) {
        subject s = subject_create(with_sets(make_model(i), 1 + i % 3));
        mu_units_keep_all(s.units, s.kept);
        check_copies(&s); /* as it begins: the whole model */
        for (int n = 0; n < (i == MOBILENET ? 2 : 12); n++) {
            form_random(&s, &random, n % 4 == 3);
            check_copies(&s);
        }
        subject_destroy(&s);
    }
}

/* Statistics that lie apart from the weights: through a small state and back, and of the whole state nothing. */
static void test_statistics_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        subject s = subject_create(with_sets(make_model(i), 1 + i % 2));
        mu_random random = mu_random_stream(8, MU_RANDOM_TEST, 0, 0);
        form_random(&s, &random, false);
        const mu_model *small = mu_submodel_model(s.submodel);
        const size_t params = mu_model_param_count(s.model), count = mu_model_state_count(s.model) - params;
        const size_t small_params = mu_model_param_count(small), small_count = mu_model_state_count(small);
        float *other = calloc(count + 1, sizeof *other), *state_of_other = malloc((params + count) * sizeof *other);
        float *part = malloc(small_count * sizeof *part), *expected = malloc(small_count * sizeof *part);
        assert_true(other && state_of_other && part && expected);
        for (size_t k = 0; k < count; k++)
            other[k] = (float)k + 0.5f;
        memcpy(state_of_other, s.whole, params * sizeof *other);
        memcpy(state_of_other + params, other, count * sizeof *other);
        mu_submodel_gather(s.submodel, MU_EXTENT_STATE, state_of_other, expected);
        mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, part);
        mu_submodel_gather(s.submodel, MU_EXTENT_STATISTICS_ALONE, other, part + small_params);
        assert_memory_equal(part, expected, small_count * sizeof *part);

        for (size_t k = 0; k < small_count; k++)
            part[k] += 1000;
        mu_submodel_scatter(s.submodel, MU_EXTENT_STATISTICS, part, state_of_other);
        mu_submodel_scatter(s.submodel, MU_EXTENT_STATISTICS_ALONE, part + small_params, other);
        assert_memory_equal(state_of_other + params, other, count * sizeof *other);
        mu_submodel_add(s.submodel, MU_EXTENT_STATISTICS, 0.5f, part, state_of_other);
        mu_submodel_add(s.submodel, MU_EXTENT_STATISTICS_ALONE, 0.5f, part + small_params, other);
        assert_memory_equal(state_of_other + params, other, count * sizeof *other);
        float *const all[] = { other, state_of_other, part, expected };
        for (size_t k = 0; k < MU_COUNT(all); k++)
            free(all[k]);
        subject_destroy(&s);
    }
}

/* ---- the network of a choice is the narrower network ---- */

static void expect_same_network(const mu_model *a, const mu_model *b)
{
    assert_int_equal(mu_model_param_count(a), mu_model_param_count(b));
    assert_int_equal(mu_model_state_count(a), mu_model_state_count(b));
    assert_int_equal(mu_model_tensor_count(a), mu_model_tensor_count(b));
    for (size_t t = 0; t < mu_model_tensor_count(a); t++) {
        const mu_tensor *x = mu_model_tensor(a, t), *y = mu_model_tensor(b, t);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->shape, y->shape, x->rank * sizeof x->shape[0]);
        assert_true(x->layout == y->layout && x->trainable == y->trainable);
        assert_true(x->offset == y->offset && x->count == y->count);
        assert_memory_equal(&x->flattened, &y->flattened, sizeof x->flattened);
    }
    assert_int_equal(mu_model_layer_count(a), mu_model_layer_count(b));
    for (size_t i = 0; i < mu_model_layer_count(a); i++) {
        mu_layer_info x, y;
        mu_model_layer(a, i, 3, &x);
        mu_model_layer(b, i, 3, &y);
        assert_memory_equal(&x.output, &y.output, sizeof x.output);
        assert_memory_equal(&x.cost, &y.cost, sizeof x.cost);
    }
    mu_step_config config = mu_step_config_default();
    mu_arena x = mu_arena_measuring(), y = mu_arena_measuring();
    mu_step *step;
    assert_int_equal(mu_step_plan(a, &config, &x, &step, NULL), MU_OK);
    assert_int_equal(mu_step_plan(b, &config, &y, &step, NULL), MU_OK);
    assert_int_equal(x.used_bytes, y.used_bytes);
}

/* Takes both models. `counts`: kept units of each group. */
static void check_narrower(mu_model *wide, mu_model *narrow, const uint32_t *counts)
{
    subject s = subject_create(wide);
    expect_same_network(mu_submodel_model(s.submodel), wide);
    for (int turn = 0; turn < 2; turn++) { /* what was formed before leaves nothing behind */
        for (size_t g = 0; g < mu_units_group_count(s.units); g++)
            mu_units_keep_first(s.units, g, counts[g], s.kept);
        form(&s);
        expect_same_network(mu_submodel_model(s.submodel), narrow);
        mu_units_keep_all(s.units, s.kept);
        form(&s);
        expect_same_network(mu_submodel_model(s.submodel), wide);
    }
    mu_model_destroy(narrow);
    subject_destroy(&s);
}

static void test_narrower(void **state)
{
    (void)state;
    static const char lenet[] = "name: lenet5\n"
                                "layers:\n"
                                "  - {conv: conv1, channels: %u, kernel: 5, padding: 2}\n"
                                "  - relu\n"
                                "  - {max_pool: pool1, size: 2}\n"
                                "  - {conv: conv2, channels: %u, kernel: 5}\n"
                                "  - relu\n"
                                "  - {max_pool: pool2, size: 2}\n"
                                "  - flatten\n"
                                "  - {dense: fc1, units: %u}\n"
                                "  - relu\n"
                                "  - {dense: fc2}\n";
    mu_shape image = { 28, 28, 1 }, small = { 6, 4, 2 }, odd = { 7, 5, 2 }, symbols = { 1, 1, 6 };
    check_narrower(test_model_with(lenet, image, 6, 16, 120), test_model_with(lenet, image, 3, 5, 17), (const uint32_t[]){ 3, 5, 17 });
    check_narrower(test_model_with(lenet, image, 6, 16, 120), test_model_with(lenet, image, 1, 1, 1), (const uint32_t[]){ 1, 1, 1 });
    check_narrower(test_model_with(branches, small, 7, 3, 19), test_model_with(branches, small, 4, 1, 8), (const uint32_t[]){ 4, 1, 8 });
    check_narrower(with_sets(test_model_with(branches, small, 7, 3, 19), 12), with_sets(test_model_with(branches, small, 2, 3, 8), 12),
                   (const uint32_t[]){ 2, 3, 8 });
    check_narrower(test_model_with(blocks, odd, 8, 6, 0), test_model_with(blocks, odd, 6, 2, 0), (const uint32_t[]){ 3, 1 });
    check_narrower(test_model_with(sequence, symbols, 5, 9, 4), test_model_with(sequence, symbols, 2, 7, 3), (const uint32_t[]){ 2, 7, 3 });
}

/* ---- memory ---- */

enum { GUARD_BYTES = 4096 };

/* What it says that it needs is what it uses, and less is refused in a sentence. */
static void test_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        subject s = subject_create(make_model(i));
        unsigned char *memory = mu_arena_block(s.size_bytes + 2 * GUARD_BYTES);
        assert_non_null(memory);
        memset(memory, 0xA5, s.size_bytes + 2 * GUARD_BYTES);
        mu_arena arena = mu_arena_over(memory + GUARD_BYTES, s.size_bytes);
        mu_error err = { 0 };
        mu_submodel *submodel = NULL;
        assert_int_equal(mu_submodel_plan(s.units, &arena, &submodel, &err), MU_OK);
        mu_submodel *kept_submodel = s.submodel;
        s.submodel = submodel;
        mu_random random = mu_random_stream(5, MU_RANDOM_TEST, 0, 0);
        form_random(&s, &random, false);
        check_copies(&s);
        s.submodel = kept_submodel;
        for (size_t k = 0; k < GUARD_BYTES; k++) {
            assert_int_equal(memory[k], 0xA5);
            assert_int_equal(memory[GUARD_BYTES + s.size_bytes + k], 0xA5);
        }
        for (size_t less = MU_ARENA_ALIGNMENT_BYTES; less <= s.size_bytes; less += s.size_bytes / 7) {
            arena = mu_arena_over(memory, s.size_bytes - less);
            submodel = NULL;
            assert_int_equal(mu_submodel_plan(s.units, &arena, &submodel, &err), MU_E_MEMORY);
            assert_null(submodel);
            char number[64];
            snprintf(number, sizeof number, "takes %zu bytes, there are %zu", s.size_bytes, s.size_bytes - less);
            assert_non_null(strstr(err.message, number));
        }
        mu_arena_block_free(memory);
        subject_destroy(&s);
    }
}

/* ---- refusing ---- */

static void test_nothing_kept(void **state)
{
    (void)state;
    subject s = subject_create(make_model(0));
    mu_random random = mu_random_stream(6, MU_RANDOM_TEST, 0, 0);
    form_random(&s, &random, false);
    size_t count = mu_model_state_count(mu_submodel_model(s.submodel));
    bool *wrong = calloc(mu_units_count(s.units), sizeof *wrong);
    assert_non_null(wrong);
    mu_units_keep_all(s.units, wrong);
    for (uint32_t u = 0; u < 16; u++)
        wrong[6 + u] = false;
    mu_error err = { 0 };
    assert_int_equal(mu_submodel_form(s.submodel, wrong, &err), MU_E_RANGE);
    assert_string_equal(err.message, "the choice keeps none of the 16 units of 'conv2' in model 'lenet5'; keep at least one");
    assert_int_equal(mu_model_state_count(mu_submodel_model(s.submodel)), count);
    check_copies(&s);
    free(wrong);
    subject_destroy(&s);
}

/* A submodel's weights go to disk like any model's. */
static void test_file(void **state)
{
    (void)state;
    subject s = subject_create(make_model(2));
    mu_random random = mu_random_stream(7, MU_RANDOM_TEST, 0, 0);
    form_random(&s, &random, false);
    const mu_model *small = mu_submodel_model(s.submodel);
    size_t count = mu_model_state_count(small), size_bytes;
    float *part = malloc(count * sizeof *part), *read = malloc(count * sizeof *read);
    assert_true(part && read);
    mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, part);
    unsigned char *bytes = NULL;
    assert_int_equal(mu_model_encode(small, part, NULL, &bytes, &size_bytes, NULL), MU_OK);
    assert_int_equal(mu_model_decode(small, "small", bytes, size_bytes, read, NULL), MU_OK);
    assert_memory_equal(part, read, count * sizeof *part);
    assert_int_equal(mu_model_decode(s.model, "small", bytes, size_bytes, s.whole, NULL), MU_E_SHAPE);
    free(bytes);
    free(part);
    free(read);
    subject_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_copies), cmocka_unit_test(test_statistics_alone), cmocka_unit_test(test_narrower), cmocka_unit_test(test_exact),
                                        cmocka_unit_test(test_nothing_kept), cmocka_unit_test(test_file) };
    return cmocka_run_group_tests_name("submodel", tests, NULL, NULL);
}
