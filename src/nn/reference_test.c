/* Layers, losses and optimisers against PyTorch's figures, and weights from PyTorch and back. The figures and their makers are in
 * tests/reference. */
#include "nn/test_step.h"

#include "base/file.h"
#include "nn/graph.h"
#include "nn/layout.h"
#include "nn/safetensors.h"

#include <math.h>

#define FIGURES MUSTER_SOURCE_DIR "/tests/reference/layers.safetensors"
#define LOSSES MUSTER_SOURCE_DIR "/tests/reference/losses.safetensors"
#define EXCHANGE MUSTER_SOURCE_DIR "/tests/reference/exchange.safetensors"

typedef struct figures {
    mu_file        file;
    mu_safetensors tensors;
} figures;

static figures open_figures(const char *path)
{
    figures f;
    mu_error err = { 0 };
    if (mu_file_map(path, &f.file, &err) || mu_safetensors_open(path, f.file.data, f.file.size_bytes, &f.tensors, &err))
        fail_msg("%s", err.message);
    return f;
}

static void close_figures(figures *f)
{
    mu_safetensors_release(&f->tensors);
    mu_file_unmap(&f->file);
}

/* NULL: there is none. */
static const mu_safetensor *find_figure(const figures *f, const char *name, const char *part, const char *tensor)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s%s%s", name, part, tensor ? "/" : "", tensor ? tensor : "");
    return mu_safetensors_find(&f->tensors, full);
}

static const mu_safetensor *figure(const figures *f, const char *name, const char *part, const char *tensor)
{
    const mu_safetensor *found = find_figure(f, name, part, tensor);
    if (!found)
        fail_msg("no figure %s/%s/%s", name, part, tensor ? tensor : "");
    return found;
}

static float *floats_of(const mu_safetensor *tensor)
{
    float *values = malloc(tensor->size_bytes);
    assert_non_null(values);
    memcpy(values, tensor->data, tensor->size_bytes);
    return values;
}

#define LEAST 1e-3

/* Within 1e-5 of the largest figure of the tensor, or of `least`: sums of float products are no more exact than that. */
static void expect_near(const char *name, const char *part, const float *is, const float *expected, size_t count, double least)
{
    double largest = least;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)is[i] - (double)expected[i]) <= 1e-5 * largest))
            fail_msg("%s, %s, element %zu: %.9g, PyTorch has %.9g (largest %g)", name, part, i, (double)is[i], (double)expected[i],
                     largest);
}

static void expect_figure(const figures *f, const char *name, const char *part, const char *tensor, const float *is, size_t count,
                          double least)
{
    const mu_safetensor *found = figure(f, name, part, tensor);
    assert_int_equal(found->size_bytes, count * sizeof(float));
    float *expected = floats_of(found);
    char label[200];
    snprintf(label, sizeof label, "%s %s", part, tensor ? tensor : "");
    expect_near(name, label, is, expected, count, least);
    free(expected);
}

/* The weight of the layer whose bias this is, when a batch norm follows: NULL otherwise. A constant added before a batch norm changes
 * nothing, so the gradient of such a bias is 0, and what is computed is what rounding leaves of numbers that cancel. */
static const mu_tensor *weight_before_batch_norm(const mu_model *model, size_t tensor)
{
    for (uint32_t i = 0; i < model->node_count; i++) {
        const mu_node *norm = &model->nodes[i];
        if (strcmp(norm->layer->kind, "batch_norm") != 0 || norm->inputs[0].value == 0)
            continue;
        const mu_node *node = &model->nodes[norm->inputs[0].value - 1];
        if (node->tensor_count == 2 && node->first_tensor + 1 == tensor)
            return mu_model_tensor(model, node->first_tensor);
    }
    return NULL;
}

static double largest_of(const float *values, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)values[i]));
    return largest;
}

/* `values` is laid out like the state (or the gradients, where only trainable tensors are asked for). */
static void expect_tensors(const figures *f, const char *name, const char *part, const mu_model *model, const float *values,
                           bool trainable)
{
    uint32_t checked = 0;
    for (size_t i = 0; i < mu_model_tensor_count(model); i++) {
        const mu_tensor *tensor = mu_model_tensor(model, i);
        if (tensor->trainable != trainable)
            continue;
        float *in_order = malloc(tensor->count * sizeof(float));
        assert_non_null(in_order);
        mu_tensor_write(tensor, values, (unsigned char *)in_order);
        const mu_tensor *weight = trainable ? weight_before_batch_norm(model, i) : NULL;
        double least = weight ? fmax(LEAST, largest_of(values + weight->offset, weight->count)) : LEAST;
        expect_figure(f, name, part, tensor->name, in_order, tensor->count, least);
        free(in_order);
        checked++;
    }
    assert_true(checked > 0 || !trainable);
}

static void load_state(const figures *f, const char *name, const mu_model *model, float *state)
{
    for (size_t i = 0; i < mu_model_tensor_count(model); i++) {
        const mu_tensor *tensor = mu_model_tensor(model, i);
        const mu_safetensor *values = figure(f, name, "state", tensor->name);
        assert_int_equal(values->size_bytes, tensor->count * sizeof(float));
        mu_tensor_read(tensor, values->data, state);
    }
}

static uint32_t load_batch(const figures *f, const char *name, mu_step *step)
{
    const mu_safetensor *input = figure(f, name, "input", NULL), *labels = figure(f, name, "labels", NULL);
    float *label = floats_of(labels);
    memcpy(mu_step_input(step), input->data, input->size_bytes);
    for (uint64_t i = 0; i < labels->size_bytes / sizeof(float); i++)
        mu_step_labels(step)[i] = (int32_t)label[i];
    free(label);
    return (uint32_t)labels->shape[0];
}

static const struct {
    const char    *name;
    double         learning_rate;
    mu_step_config config;
} optimisers[] = {
    { "sgd", 0.1, { .optimizer = MU_OPTIMIZER_SGD } },
    { "sgd_decay", 0.1, { .optimizer = MU_OPTIMIZER_SGD, .weight_decay = 0.05 } },
    { "momentum", 0.1, { .optimizer = MU_OPTIMIZER_SGD, .momentum = 0.9, .dampening = 0.2, .weight_decay = 0.05 } },
    { "nesterov", 0.1, { .optimizer = MU_OPTIMIZER_SGD, .momentum = 0.9, .nesterov = true } },
    { "adam", 0.02, { .optimizer = MU_OPTIMIZER_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8 } },
    { "adam_decay", 0.02, { .optimizer = MU_OPTIMIZER_ADAM, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.05 } },
    { "adamw", 0.02, { .optimizer = MU_OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.05 } },
};

/* Those of the first `count` optimisers. Twice from the same start, the second time after a reset: nothing of the first run may be
 * left. */
static void check_optimisers(const figures *f, const char *name, const mu_model *model, size_t optimiser_count)
{
    for (size_t i = 0; i < optimiser_count; i++) {
        mu_step_config config = optimisers[i].config;
        config.training = true;
        config.batch_size = 4;
        test_step t = test_step_create(model, config, true);
        for (int run = 0; run < 2; run++) {
            load_state(f, name, model, mu_step_state(t.step));
            mu_step_reset(t.step);
            uint32_t count = load_batch(f, name, t.step);
            for (int n = 0; n < 3; n++) {
                mu_step_gradient(t.step, count, NULL);
                mu_step_update(t.step, optimisers[i].learning_rate);
            }
            expect_tensors(f, name, optimisers[i].name, model, mu_step_state(t.step), true);
        }
        test_step_destroy(&t);
    }
}

static mu_model *model_of_case(const figures *f, const char *name)
{
    const mu_safetensor *input = figure(f, name, "input", NULL), *logits = figure(f, name, "train", NULL);
    mu_shape shape = { (uint32_t)input->shape[1], (uint32_t)input->shape[2], (uint32_t)input->shape[3] };
    return test_model_of(mu_safetensors_metadata(&f->tensors, name), shape, (uint32_t)logits->shape[logits->rank - 1]);
}

/* The cases that come with three steps of SGD. */
static bool is_sequence(const mu_model *model)
{
    for (uint32_t i = 0; i < model->node_count; i++) {
        const char *kind = model->nodes[i].layer->kind;
        if (strcmp(kind, "lstm") == 0 || strcmp(kind, "gru") == 0 || strcmp(kind, "layer_norm") == 0)
            return true;
    }
    return false;
}

static void check_case(const figures *f, const char *name)
{
    mu_model *model = model_of_case(f, name);
    mu_step_config config = mu_step_config_default();
    config.batch_size = 5; /* more than are run */
    test_step t = test_step_create(model, config, true);
    load_state(f, name, model, mu_step_state(t.step));
    uint32_t count = load_batch(f, name, t.step);
    size_t predictions = (size_t)count * mu_model_targets(model), logit_count = predictions * mu_model_classes(model);
    mu_step_evaluate(t.step, count);
    expect_figure(f, name, "infer", NULL, mu_step_logits(t.step), logit_count, LEAST);
    mu_step_result result = mu_step_gradient(t.step, count, NULL);
    expect_figure(f, name, "train", NULL, mu_step_logits(t.step), logit_count, LEAST);
    float loss = (float)(result.loss_sum / (double)predictions);
    expect_figure(f, name, "loss", NULL, &loss, 1, LEAST);
    expect_tensors(f, name, "gradient", model, mu_step_gradients(t.step), true);
    expect_tensors(f, name, "after", model, mu_step_state(t.step), false);
    test_step_destroy(&t);

    config.training = false; /* the same in a step that can only evaluate */
    t = test_step_create(model, config, true);
    load_state(f, name, model, mu_step_state(t.step));
    load_batch(f, name, t.step);
    mu_step_evaluate(t.step, count);
    expect_figure(f, name, "infer", NULL, mu_step_logits(t.step), logit_count, LEAST);
    test_step_destroy(&t);
    if (strcmp(name, "optimisers") == 0)
        check_optimisers(f, name, model, MU_COUNT(optimisers));
    else if (is_sequence(model))
        check_optimisers(f, name, model, 1);
    mu_model_destroy(model);
}

static void test_every_case(void **state)
{
    (void)state;
    figures f = open_figures(FIGURES);
    uint32_t cases = 0;
    const char *name;
    for (size_t i = 0; (name = mu_safetensors_metadata_key(&f.tensors, i)); i++)
        if (strcmp(name, "torch")) {
            check_case(&f, name);
            cases++;
        }
    assert_int_equal(cases, 17);
    close_figures(&f);
}

/* ---- classes left out, teachers, factors ---- */

/* What a case asks for, in memory of the test's: the flags in held[], the rest to be freed. */
static mu_step_manner manner_of(const figures *f, const char *name, const mu_model *model, bool *held)
{
    mu_step_manner manner = { 0 };
    const mu_safetensor *flags = find_figure(f, name, "held", NULL), *weights = find_figure(f, name, "weights", NULL);
    if (flags) {
        float *values = floats_of(flags);
        for (uint32_t k = 0; k < mu_model_classes(model); k++)
            held[k] = values[k] > 0;
        free(values);
        manner.held = held;
    }
    if (weights) {
        float *values = floats_of(weights);
        manner.label_weight = (double)values[0];
        manner.teacher_weight = (double)values[1];
        manner.temperature = (double)values[2];
        manner.teacher = floats_of(figure(f, name, "teacher", NULL));
        free(values);
    }
    float *factors = malloc(mu_model_layer_count(model) * sizeof(float));
    assert_non_null(factors);
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info info;
        mu_model_layer(model, i, 1, &info);
        const mu_safetensor *factor = find_figure(f, name, "factor", info.name);
        factors[i] = 1;
        if (factor)
            memcpy(&factors[i], factor->data, sizeof(float));
    }
    manner.factors = factors;
    return manner;
}

static void check_manner(const figures *f, const char *name)
{
    enum { CLASSES_MOST = 16 };
    bool held[CLASSES_MOST];
    mu_model *model = model_of_case(f, name);
    assert_true(mu_model_classes(model) <= CLASSES_MOST);
    test_step t = test_step_create(model, mu_step_config_default(), true);
    load_state(f, name, model, mu_step_state(t.step));
    uint32_t count = load_batch(f, name, t.step);
    size_t predictions = (size_t)count * mu_model_targets(model);
    mu_step_manner manner = manner_of(f, name, model, held);
    mu_step_result result = mu_step_gradient_as(t.step, &manner, count, NULL);
    expect_figure(f, name, "train", NULL, mu_step_logits(t.step), predictions * mu_model_classes(model), LEAST);
    float loss = (float)(result.loss_sum / (double)predictions);
    expect_figure(f, name, "loss", NULL, &loss, 1, LEAST);
    expect_tensors(f, name, "gradient", model, mu_step_gradients(t.step), true);
    expect_tensors(f, name, "after", model, mu_step_state(t.step), false);
    free((void *)(uintptr_t)manner.teacher);
    free((void *)(uintptr_t)manner.factors);
    test_step_destroy(&t);
    mu_model_destroy(model);
}

static void test_manners(void **state)
{
    (void)state;
    figures f = open_figures(LOSSES);
    uint32_t cases = 0;
    const char *name;
    for (size_t i = 0; (name = mu_safetensors_metadata_key(&f.tensors, i)); i++)
        if (strcmp(name, "torch")) {
            check_manner(&f, name);
            cases++;
        }
    assert_int_equal(cases, 8);
    close_figures(&f);
}

/* ---- weights from PyTorch, and back ---- */

static void evaluate_exchange(const mu_model *model, const float *weights, float logits[3])
{
    mu_step_config config = mu_step_config_default();
    config.training = false;
    config.batch_size = 1;
    test_step t = test_step_create(model, config, true);
    memcpy(mu_step_state(t.step), weights, mu_model_state_count(model) * sizeof(float));
    for (int i = 0; i < 40; i++) /* in PyTorch's order channel by channel, but numbered pixel by pixel there as here */
        mu_step_input(t.step)[i] = (float)(i * 37 % 101) / 50 - 1;
    mu_step_labels(t.step)[0] = 0;
    mu_step_evaluate(t.step, 1);
    memcpy(logits, mu_step_logits(t.step), 3 * sizeof(float));
    test_step_destroy(&t);
}

/* Where MUSTER_EXCHANGE_OUT says, for `layers.py --check`. */
static void save_for_pytorch(const mu_model *model, const float *weights, const float logits[3])
{
    const char *path = getenv("MUSTER_EXCHANGE_OUT");
    char text[64];
    snprintf(text, sizeof text, "%.9g %.9g %.9g", (double)logits[0], (double)logits[1], (double)logits[2]);
    mu_error err = { 0 };
    if (path && mu_model_save(model, weights, (const char *const[]){ "logits", text, NULL }, path, &err))
        fail_msg("%s", err.message);
}

static void test_exchange(void **state)
{
    (void)state;
    figures f = open_figures(EXCHANGE);
    mu_model *model = test_model_of(mu_safetensors_metadata(&f.tensors, "model"), (mu_shape){ 4, 5, 2 }, 3);
    float *weights = calloc(mu_model_state_count(model), sizeof(float));
    assert_non_null(weights);
    mu_error err = { 0 };
    if (mu_model_load(model, EXCHANGE, weights, &err))
        fail_msg("%s", err.message);

    float logits[3], expected[3];
    evaluate_exchange(model, weights, logits);
    assert_int_equal(
        sscanf(mu_safetensors_metadata(&f.tensors, "logits"), "[%f, %f, %f]", &expected[0], &expected[1], &expected[2]), 3);
    expect_near("exchange", "logits", logits, expected, 3, LEAST);
    save_for_pytorch(model, weights, logits);

    /* What Muster writes is, tensor by tensor, what PyTorch wrote. */
    unsigned char *bytes;
    size_t size_bytes;
    assert_int_equal(mu_model_encode(model, weights, NULL, &bytes, &size_bytes, &err), MU_OK);
    mu_safetensors ours;
    assert_int_equal(mu_safetensors_open("ours", bytes, size_bytes, &ours, &err), MU_OK);
    assert_int_equal(ours.count, mu_model_tensor_count(model));
    assert_int_equal(f.tensors.count, ours.count + 1); /* with the counter of the batch norm */
    for (size_t i = 0; i < ours.count; i++) {
        const mu_safetensor *theirs = mu_safetensors_find(&f.tensors, ours.tensors[i].name);
        assert_non_null(theirs);
        assert_int_equal(theirs->size_bytes, ours.tensors[i].size_bytes);
        assert_memory_equal(theirs->data, ours.tensors[i].data, theirs->size_bytes);
    }
    mu_safetensors_release(&ours);
    free(bytes);
    free(weights);
    mu_model_destroy(model);
    close_figures(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_case), cmocka_unit_test(test_manners), cmocka_unit_test(test_exchange) };
    return cmocka_run_group_tests_name("nn reference", tests, NULL, NULL);
}
