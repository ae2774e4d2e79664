/* What may be asked of a step beside the mean cross-entropy: classes left out, a teacher, factors of outputs, and a norm's statistics
 * looked for anew. Their figures are PyTorch's in reference_test.c, their gradients against differences in gradient_test.c. */
#include "nn/test_submodel.h"

#include <math.h>

enum { BATCH = 6 };

static mu_step_config config_of(uint32_t batch_size)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = batch_size;
    return config;
}

typedef struct trial {
    mu_step_result result;
    float         *gradients;
} trial;

/* The same batch with the same masks, whatever is asked; NULL: mu_step_gradient. */
static trial run(const mu_model *model, mu_step *step, const mu_step_manner *manner)
{
    mu_random dropout = mu_random_stream(3, MU_RANDOM_DROPOUT, 0, 0);
    trial t = { .gradients = malloc(mu_model_param_count(model) * sizeof(float)) };
    assert_non_null(t.gradients);
    mu_model_init(model, 4, mu_step_state(step));
    test_fill_batch(model, step, BATCH, 9);
    t.result = manner ? mu_step_gradient_as(step, manner, BATCH, &dropout) : mu_step_gradient(step, BATCH, &dropout);
    memcpy(t.gradients, mu_step_gradients(step), mu_model_param_count(model) * sizeof(float));
    return t;
}

static void expect_same(const mu_model *model, const trial *a, const trial *b)
{
    assert_memory_equal(&a->result.loss_sum, &b->result.loss_sum, sizeof a->result.loss_sum);
    assert_memory_equal(&a->result.squared_loss_sum, &b->result.squared_loss_sum, sizeof a->result.squared_loss_sum);
    assert_int_equal(a->result.correct, b->result.correct);
    assert_memory_equal(a->gradients, b->gradients, mu_model_param_count(model) * sizeof(float));
}

static void fill_ones(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = 1;
}

/* Nothing asked, all classes held, factors of 1: the step as it is, to the bit. */
static void nothing_asked(void **state)
{
    (void)state;
    mu_model *model = test_model_of(test_branches, (mu_shape){ 9, 8, 2 }, 4);
    test_step t = test_step_create(model, config_of(BATCH), true);
    const bool held[4] = { true, true, true, true };
    float factors[64];
    assert_true(mu_model_layer_count(model) <= MU_COUNT(factors));
    fill_ones(factors, MU_COUNT(factors));
    trial plain = run(model, t.step, NULL);
    const mu_step_manner manners[] = { { .held = NULL }, { .held = held }, { .factors = factors } };
    for (size_t i = 0; i < MU_COUNT(manners); i++) {
        trial asked = run(model, t.step, &manners[i]);
        expect_same(model, &plain, &asked);
        free(asked.gradients);
    }
    free(plain.gradients);
    test_step_destroy(&t);
    mu_model_destroy(model);
}

/* The weights and the bias that lead to a class that is not held get no gradient at all, those of others do; the logits are the network's. */
static void absent_classes(void **state)
{
    (void)state;
    mu_model *model = test_model_named("lenet5", (mu_shape){ 28, 28, 1 }, 10);
    test_step t = test_step_create(model, config_of(BATCH), true);
    bool held[10];
    for (size_t k = 0; k < 10; k++)
        held[k] = k % 3 != 1;
    trial plain = run(model, t.step, NULL);
    float logits[BATCH * 10];
    memcpy(logits, mu_step_logits(t.step), sizeof logits);
    trial asked = run(model, t.step, &(mu_step_manner){ .held = held });
    assert_memory_equal(logits, mu_step_logits(t.step), sizeof logits);
    for (size_t back = 1; back <= 2; back++) { /* the last weight is [in][10], its bias [10] */
        const mu_tensor *tensor = mu_model_tensor(model, mu_model_tensor_count(model) - back);
        for (size_t i = 0; i < tensor->count; i++)
            assert_true(held[i % 10] || asked.gradients[tensor->offset + i] == 0.0f);
    }
    for (size_t k = 0; k < 10; k++) { /* and the others' is another than it was: the softmax has other terms */
        size_t at = mu_model_tensor(model, mu_model_tensor_count(model) - 1)->offset + k;
        assert_true(!held[k] || fabsf(asked.gradients[at] - plain.gradients[at]) > 1e-5f);
    }
    free(asked.gradients);
    free(plain.gradients);
    test_step_destroy(&t);
    mu_model_destroy(model);
}

/* Loss and answers when only some classes count, from the logits. */
static void local_accuracy(void **state)
{
    (void)state;
    mu_model *model = test_model_named("softmax-regression", (mu_shape){ 5, 5, 1 }, 4);
    test_step t = test_step_create(model, config_of(BATCH), true);
    const bool held[4] = { false, true, false, true };
    mu_model_init(model, 4, mu_step_state(t.step));
    test_fill_batch(model, t.step, BATCH, 9);
    mu_step_result local = mu_step_evaluate_held(t.step, held, BATCH);
    const float *logits = mu_step_logits(t.step);
    double loss = 0;
    uint64_t correct = 0;
    for (size_t i = 0; i < BATCH; i++) {
        double sum = 0, z[4];
        size_t best = 0;
        for (size_t k = 0; k < 4; k++) {
            z[k] = held[k] ? (double)logits[4 * i + k] : 0;
            sum += exp(z[k]);
            best = z[k] > z[best] ? k : best;
        }
        loss += log(sum) - z[mu_step_labels(t.step)[i]];
        correct += best == (size_t)mu_step_labels(t.step)[i];
    }
    assert_true(fabs(local.loss_sum - loss) < 1e-5);
    assert_int_equal(local.correct, correct);
    mu_step_result all = mu_step_evaluate(t.step, BATCH), none_left_out = mu_step_evaluate_held(t.step, NULL, BATCH);
    assert_memory_equal(&all, &none_left_out, sizeof all);
    assert_true(fabs(all.loss_sum - local.loss_sum) > 1e-3);
    test_step_destroy(&t);
    mu_model_destroy(model);
}

/* Who is its own teacher has nothing to learn from it; a narrower network has, and comes nearer. */
static void teachers(void **state)
{
    (void)state;
    subject s = subject_create(test_model_of("layers:\n  - {dense: a, units: 12}\n  - relu\n  - {dense: b, units: 12}\n  - relu\n  - {dense: c}\n",
                                             (mu_shape){ 1, 1, 8 }, 5));
    test_step wide = test_step_create(s.model, config_of(BATCH), true);
    float own[BATCH * 5];
    trial first = run(s.model, wide.step, NULL);
    memcpy(own, mu_step_logits(wide.step), sizeof own);
    mu_step_manner manner = { .teacher = own, .teacher_weight = 1, .temperature = 1 };
    trial taught = run(s.model, wide.step, &manner);
    for (size_t i = 0; i < mu_model_param_count(s.model); i++)
        assert_true(fabsf(taught.gradients[i]) < 1e-6f);
    assert_int_equal(taught.result.correct, first.result.correct);
    for (int n = 0; n < 100; n++) { /* until it has something to say */
        mu_step_gradient(wide.step, BATCH, NULL);
        mu_step_update(wide.step, 0.3);
    }
    mu_step_evaluate(wide.step, BATCH);
    memcpy(own, mu_step_logits(wide.step), sizeof own);

    for (size_t g = 0; g < mu_units_group_count(s.units); g++)
        mu_units_keep_first(s.units, g, mu_units_of_width(s.units, g, 0.5), s.kept);
    form(&s);
    const mu_model *narrow = mu_submodel_model(s.submodel);
    test_step student = test_step_create(narrow, config_of(BATCH), true);
    mu_submodel_gather(s.submodel, MU_EXTENT_STATE, mu_step_state(wide.step), mu_step_state(student.step));
    memcpy(mu_step_input(student.step), mu_step_input(wide.step), sizeof(float) * BATCH * 8);
    memcpy(mu_step_labels(student.step), mu_step_labels(wide.step), sizeof(int32_t) * BATCH);
    double entropy = 0, before = 0, after = 0;
    for (size_t i = 0; i < BATCH; i++) {
        double sum = 0;
        for (size_t k = 0; k < 5; k++)
            sum += exp((double)own[5 * i + k]);
        for (size_t k = 0; k < 5; k++)
            entropy -= exp((double)own[5 * i + k]) / sum * ((double)own[5 * i + k] - log(sum));
    }
    for (int n = 0; n < 300; n++) {
        after = mu_step_gradient_as(student.step, &manner, BATCH, NULL).loss_sum;
        before = n ? before : after;
        mu_step_update(student.step, 0.5);
    }
    assert_true(before > entropy + 0.1);                        /* the cross-entropy is never below the teacher's entropy ... */
    assert_true(after > entropy - 1e-5 && after - entropy < 0.05 * (before - entropy)); /* ... and comes near to it */
    free(first.gradients);
    free(taught.gradients);
    test_step_destroy(&student);
    test_step_destroy(&wide);
    subject_destroy(&s);
}

/* Over all choices of 2 units of 5, what reaches the logits has the mean that the whole network has: there is no ReLU between. */
static void factors_keep_the_mean(void **state)
{
    (void)state;
    subject s = subject_create(test_model_of("layers:\n  - {dense: a, units: 5}\n  - {dense: b}\n", (mu_shape){ 1, 1, 4 }, 3));
    double mean[BATCH * 3] = { 0 };
    uint32_t choices = 0;
    test_step whole = test_step_create(s.model, config_of(BATCH), true);
    memcpy(mu_step_state(whole.step), s.whole, mu_model_state_count(s.model) * sizeof(float));
    test_fill_batch(s.model, whole.step, BATCH, 9);
    mu_step_gradient(whole.step, BATCH, NULL);
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t k = i + 1; k < 5; k++, choices++) {
            float factors[2];
            for (uint32_t u = 0; u < 5; u++)
                s.kept[u] = u == i || u == k;
            form(&s);
            mu_submodel_factors(s.submodel, factors);
            assert_true(factors[0] == 2.5f && factors[1] == 1.0f);
            test_step small = test_step_create(mu_submodel_model(s.submodel), config_of(BATCH), true);
            mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, mu_step_state(small.step));
            test_fill_batch(s.model, small.step, BATCH, 9);
            mu_step_gradient_as(small.step, &(mu_step_manner){ .factors = factors }, BATCH, NULL);
            for (size_t n = 0; n < MU_COUNT(mean); n++)
                mean[n] += (double)mu_step_logits(small.step)[n] / 10;
            test_step_destroy(&small);
        }
    assert_int_equal(choices, 10);
    for (size_t n = 0; n < MU_COUNT(mean); n++)
        assert_true(fabs(mean[n] - (double)mu_step_logits(whole.step)[n]) < 1e-6);
    test_step_destroy(&whole);
    subject_destroy(&s);
}

/* Every dense and convolution layer whose channels are fewer; what hands on channels has none, nor have the classes. */
static void factors_of_layers(void **state)
{
    (void)state;
    subject s = subject_create(make_model(4)); /* an inverted residual */
    for (size_t g = 0; g < mu_units_group_count(s.units); g++)
        mu_units_keep_first(s.units, g, mu_units_of_width(s.units, g, 0.34), s.kept);
    form(&s);
    float factors[32];
    assert_true(mu_model_layer_count(s.model) <= MU_COUNT(factors));
    mu_submodel_factors(s.submodel, factors);
    static const struct {
        const char *name;
        float       factor;
    } expected[] = { { "stem", 6.0f / 3 }, { "expand", 15.0f / 6 }, { "project", 6.0f / 3 }, { "last", 11.0f / 4 } };
    size_t found = 0;
    for (size_t i = 0; i < mu_model_layer_count(s.model); i++) {
        mu_layer_info info;
        mu_model_layer(s.model, i, 1, &info);
        float factor = 1;
        for (size_t k = 0; k < MU_COUNT(expected); k++)
            if (strcmp(info.name, expected[k].name) == 0) {
                factor = expected[k].factor;
                found++;
            }
        if (factors[i] != factor)
            fail_msg("%s: %g, expected %g", info.name, (double)factors[i], (double)factor);
    }
    assert_int_equal(found, MU_COUNT(expected));
    subject_destroy(&s);
}

/* A norm right behind the input: its statistics are those of the input, the mean of three batches' whatever there was before. */
static void statistics(void **state)
{
    (void)state;
    mu_model *model = test_model_of("layers:\n  - {batch_norm: n, momentum: 0.7}\n  - {dropout: d, rate: 0.5}\n  - {dense: a}\n", (mu_shape){ 1, 1, 3 }, 2);
    test_step t = test_step_create(model, config_of(BATCH), true);
    double expected[6] = { 0 };
    mu_model_init(model, 4, mu_step_state(t.step));
    size_t params = mu_model_param_count(model);
    assert_int_equal(mu_model_state_count(model), params + 6);
    float *weights = malloc(params * sizeof(float)), *running = mu_step_state(t.step) + params;
    assert_non_null(weights);
    memcpy(weights, mu_step_state(t.step), params * sizeof(float));
    for (size_t i = 0; i < 6; i++)
        running[i] = 1000;
    for (uint32_t n = 1; n <= 3; n++) {
        uint32_t count = n == 3 ? 4 : BATCH;
        test_fill_batch(model, t.step, count, n);
        for (size_t c = 0; c < 3; c++) {
            double sum = 0, squares = 0;
            for (size_t i = 0; i < count; i++)
                sum += (double)mu_step_input(t.step)[3 * i + c];
            for (size_t i = 0; i < count; i++)
                squares += pow((double)mu_step_input(t.step)[3 * i + c] - sum / count, 2);
            expected[c] += sum / count / 3;
            expected[3 + c] += squares / (count - 1) / 3;
        }
        mu_step_statistics(t.step, count, 1.0 / n);
    }
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs((double)running[i] - expected[i]) < 1e-6);
    assert_memory_equal(weights, mu_step_state(t.step), params * sizeof(float));
    free(weights);
    test_step_destroy(&t);
    mu_model_destroy(model);

    model = test_model_named("lenet5", (mu_shape){ 28, 28, 1 }, 10); /* no norm: nothing to do */
    t = test_step_create(model, config_of(BATCH), true);
    mu_step_statistics(t.step, BATCH, 1);
    test_step_destroy(&t);
    mu_model_destroy(model);
}

/* Static batch norm as a whole: what a batch's own statistics say in training, the running ones say afterwards, where that batch is all. */
static void static_batch_norm(void **state)
{
    (void)state;
    mu_model *model = test_model_named("resnet20", (mu_shape){ 8, 8, 3 }, 10);
    test_step t = test_step_create(model, config_of(24), true);
    float trained[240];
    mu_model_init(model, 4, mu_step_state(t.step));
    test_fill_batch(model, t.step, 24, 9);
    mu_step_gradient(t.step, 24, NULL);
    memcpy(trained, mu_step_logits(t.step), sizeof trained);
    mu_step_evaluate(t.step, 24);
    double apart = 0, near = 0;
    for (size_t i = 0; i < 240; i++)
        apart = fmax(apart, fabs((double)trained[i] - (double)mu_step_logits(t.step)[i]));
    mu_step_statistics(t.step, 24, 1);
    mu_step_evaluate(t.step, 24);
    for (size_t i = 0; i < 240; i++)
        near = fmax(near, fabs((double)trained[i] - (double)mu_step_logits(t.step)[i]));
    /* The running variance is over rows - 1: at 24 x 2 x 2 rows in the last stage a hundredth more. */
    if (!(near < 0.05 * apart))
        fail_msg("running statistics: %g from those of the batch, before %g", near, apart);
    test_step_destroy(&t);
    mu_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked),     cmocka_unit_test(absent_classes), cmocka_unit_test(local_accuracy),
        cmocka_unit_test(teachers),          cmocka_unit_test(factors_keep_the_mean), cmocka_unit_test(factors_of_layers),
        cmocka_unit_test(statistics),        cmocka_unit_test(static_batch_norm),
    };
    return cmocka_run_group_tests_name("nn step manner", tests, NULL, NULL);
}
