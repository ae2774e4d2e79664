/* A part as a model of its own: its text says the same graph, and what was saved of it and read back computes what the part computes, to the bit. */
#include "nn/test_submodel.h"

#include <unistd.h>

enum { BATCH = 3 };

/* What a step of a model says of a batch: logits in evaluation, then those of training, its gradients and its state after it. */
typedef struct said {
    float  *logits, *training_logits, *gradients, *state;
    size_t  logit_count, param_count, state_count;
    double  loss;
} said;

static float *copy(const float *from, size_t count)
{
    float *to = malloc((count + 1) * sizeof *to);
    assert_non_null(to);
    memcpy(to, from, count * sizeof *to);
    return to;
}

static said ask(const mu_model *model, const float *state, uint32_t set)
{
    said s = { .logit_count = (size_t)BATCH * mu_model_targets(model) * mu_model_classes(model), .param_count = mu_model_param_count(model) };
    s.state_count = mu_model_state_count(model);
    mu_step_config config = mu_step_config_default();
    config.batch_size = BATCH;
    for (int training = 0; training < 2; training++) {
        config.training = training;
        test_step t = test_step_create(model, config, true);
        memcpy(mu_step_state(t.step), state, s.state_count * sizeof(float));
        mu_step_use_statistics(t.step, set);
        test_fill_batch(model, t.step, BATCH, 3);
        mu_random dropout = mu_random_stream(3, MU_RANDOM_TEST, 0, 0);
        s.loss += (training ? mu_step_gradient(t.step, BATCH, &dropout) : mu_step_evaluate(t.step, BATCH)).loss_sum;
        float **logits = training ? &s.training_logits : &s.logits;
        *logits = copy(mu_step_logits(t.step), s.logit_count);
        if (training) {
            s.gradients = copy(mu_step_gradients(t.step), s.param_count);
            s.state = copy(mu_step_state(t.step), s.state_count);
        }
        test_step_destroy(&t);
    }
    return s;
}

static void forget(said *s)
{
    free(s->logits);
    free(s->training_logits);
    free(s->gradients);
    free(s->state);
}

/* Its weights through a file, into a model made of its text. */
static mu_model *save_and_load(const mu_extracted *extracted, float **state)
{
    char path[] = "/tmp/muster-extract-XXXXXX";
    mu_error err = { 0 };
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    if (mu_model_save(extracted->model, extracted->state, NULL, path, &err))
        fail_msg("%s", err.message);
    mu_model *model = test_model_of(extracted->text, mu_model_input(extracted->model), mu_model_classes(extracted->model));
    *state = malloc((mu_model_state_count(model) + 1) * sizeof **state);
    assert_non_null(*state);
    if (mu_model_load(model, path, *state, &err))
        fail_msg("%s: %s", mu_model_name(model), err.message);
    unlink(path);
    return model;
}

static void check_part(const subject *s, uint32_t set)
{
    const mu_model *part = mu_submodel_model(s->submodel);
    mu_extracted extracted;
    mu_error err = { 0 };
    if (mu_submodel_extract(s->submodel, set, s->whole, &extracted, &err))
        fail_msg("%s: %s", mu_model_name(s->model), err.message);
    float *own, *gathered = malloc((mu_model_state_count(part) + 1) * sizeof *gathered);
    assert_non_null(gathered);
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, s->whole, gathered);
    mu_model *model = save_and_load(&extracted, &own);
    assert_int_equal(mu_model_statistic_sets(model), 1);
    said is = ask(model, own, 0), should_be = ask(part, gathered, set);
    const size_t params = should_be.param_count, statistics = is.state_count - params;
    assert_int_equal(is.param_count, params);
    assert_int_equal(statistics * mu_model_statistic_sets(part), should_be.state_count - params);
    assert_memory_equal(is.logits, should_be.logits, is.logit_count * sizeof(float));
    assert_memory_equal(is.training_logits, should_be.training_logits, is.logit_count * sizeof(float));
    assert_memory_equal(is.gradients, should_be.gradients, params * sizeof(float));
    assert_memory_equal(is.state + params, should_be.state + params + set * statistics, statistics * sizeof(float));
    assert_true(is.loss == should_be.loss);
    forget(&should_be);
    forget(&is);
    mu_model_destroy(model);
    free(own);
    free(gathered);
    mu_extracted_release(&extracted);
}

static void parts_compute_what_they_did(void **unused)
{
    (void)unused;
    mu_random random = mu_random_stream(5, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < MODELS; i++) {
        subject s = subject_create(make_model(i));
        check_part(&s, 0); /* the whole */
        for (int draw = 0; draw < (i == MOBILENET ? 1 : 3); draw++) {
            form_random(&s, &random, draw == 2);
            check_part(&s, 0);
        }
        subject_destroy(&s);
    }
}

static void dropout_branches_and_joins(void **unused)
{
    (void)unused;
    mu_random random = mu_random_stream(6, MU_RANDOM_TEST, 0, 0);
    subject s = subject_create(test_model_of(test_branches, (mu_shape){ 8, 8, 3 }, 5));
    check_part(&s, 0);
    form_random(&s, &random, false);
    check_part(&s, 0);
    subject_destroy(&s);
}

/* Each width's own statistics go with it, under the plain names. */
static void statistics_of_the_set(void **unused)
{
    (void)unused;
    mu_random random = mu_random_stream(7, MU_RANDOM_TEST, 0, 0);
    mu_model *model = make_model(4);
    mu_error err = { 0 };
    assert_int_equal(mu_model_add_statistics(model, 3, &err), MU_OK);
    subject s = subject_create(model);
    form_random(&s, &random, false);
    for (uint32_t set = 0; set < 3; set++) {
        check_part(&s, set);
        mu_extracted extracted;
        assert_int_equal(mu_submodel_extract(s.submodel, set, s.whole, &extracted, &err), MU_OK);
        assert_null(strchr(extracted.text, '@'));
        size_t last = mu_model_tensor_count(extracted.model) - 1;
        while (mu_model_tensor(extracted.model, last)->trainable)
            last--;
        const mu_tensor *tensor = mu_model_tensor(extracted.model, last);
        assert_string_equal(tensor->name, "n3.running_var");
        /* its last channel, found in the whole by hand: n3 has the units of the stem */
        size_t whole_last = 0;
        for (size_t t = 0; t < mu_model_tensor_count(s.model); t++) {
            char name[32];
            if (set)
                snprintf(name, sizeof name, "n3.running_var@%u", set);
            if (strcmp(mu_model_tensor(s.model, t)->name, set ? name : "n3.running_var") == 0)
                whole_last = t;
        }
        const mu_tensor *whole = mu_model_tensor(s.model, whole_last);
        size_t channel = whole->count;
        while (channel > 0 && !place_kept(&s, whole_last, MU_SIDE_OUTPUT, channel - 1))
            channel--;
        assert_true(extracted.state[tensor->offset + tensor->count - 1] == s.whole[whole->offset + channel - 1]);
        mu_extracted_release(&extracted);
    }
    subject_destroy(&s);
}

/* ---- the text ---- */

static void the_text_says_what_is_not_usual(void **unused)
{
    (void)unused;
    static const char text[] = "name: two ways\n"
                               "layers:\n"
                               "- conv: a\n"
                               "  channels: 4\n"
                               "  kernel_width: 3\n"
                               "  stride_width: 1\n"
                               "  padding: same\n"
                               "- relu: ar\n"
                               "- conv: b\n"
                               "  input: input\n"
                               "  channels: 4\n"
                               "  kernel: 1\n"
                               "  kernel_width: 1\n"
                               "  stride_width: 1\n"
                               "  bias: false\n"
                               "  init: he\n"
                               "- add: [ar, b]\n"
                               "  name: s\n"
                               "- flatten: flatten1\n"
                               "- dropout: d\n"
                               "  rate: 0.1\n"
                               "- dense: fc\n"
                               "  units: 3\n";
    mu_model *model = test_model_of(text, (mu_shape){ 4, 4, 1 }, 3);
    char *written = NULL;
    assert_int_equal(mu_model_write(model, &written, NULL), MU_OK);
    assert_string_equal(written, text);
    free(written);
    mu_model_destroy(model);
}

static void same_first_weights(const mu_model *a, const mu_model *b)
{
    float *x = calloc(mu_model_state_count(a), sizeof *x), *y = calloc(mu_model_state_count(a), sizeof *y);
    assert_int_equal(mu_model_state_count(a), mu_model_state_count(b));
    mu_model_init(a, 9, x);
    mu_model_init(b, 9, y);
    assert_memory_equal(x, y, mu_model_state_count(a) * sizeof *x);
    free(x);
    free(y);
}

static void every_model_there_is(void **unused)
{
    (void)unused;
    size_t count;
    const mu_model_builtin *builtins = mu_model_builtins(&count);
    for (size_t i = 0; i < count; i++) {
        static const mu_shape inputs[] = { { 32, 32, 3 }, { 1, 128, 9 }, { 1, 1, 80 } };
        mu_model *model = NULL;
        for (size_t k = 0; k < MU_COUNT(inputs) && !model; k++)
            mu_model_create_builtin(builtins[i].name, NULL, inputs[k], 10, &model, NULL);
        if (!model)
            fail_msg("'%s' fits none of the inputs of this test", builtins[i].name);
        char *once = NULL, *twice = NULL;
        assert_int_equal(mu_model_write(model, &once, NULL), MU_OK);
        mu_model *again = test_model_of(once, mu_model_input(model), 10);
        assert_int_equal(mu_model_write(again, &twice, NULL), MU_OK);
        assert_string_equal(once, twice);
        assert_string_equal(mu_model_name(again), builtins[i].name);
        assert_int_equal(mu_model_tensor_count(again), mu_model_tensor_count(model));
        for (size_t t = 0; t < mu_model_tensor_count(model); t++) {
            const mu_tensor *is = mu_model_tensor(again, t), *should_be = mu_model_tensor(model, t);
            assert_string_equal(is->name, should_be->name);
            assert_int_equal(is->offset, should_be->offset);
            assert_memory_equal(is->shape, should_be->shape, sizeof is->shape);
        }
        same_first_weights(model, again);
        assert_int_equal(mu_model_cost(again, 4).macs_backward, mu_model_cost(model, 4).macs_backward);
        free(twice);
        free(once);
        mu_model_destroy(again);
        mu_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_compute_what_they_did),    cmocka_unit_test(dropout_branches_and_joins),
        cmocka_unit_test(statistics_of_the_set),          cmocka_unit_test(the_text_says_what_is_not_usual),
        cmocka_unit_test(every_model_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
