/* The built-in models against PyTorch's figures: names and shapes, logits, loss, gradients and statistics. The figures and their maker
 * are tests/reference/models.json and models.py. */
#include "nn/test_step.h"

#include "base/file.h"
#include "nn/graph.h"
#include "nn/layers.h"
#include "nn/layout.h"

#include <cjson/cJSON.h>
#include <math.h>

#define FIGURES MUSTER_SOURCE_DIR "/tests/reference/models.json"

enum { DIRECTIONS = 2, INPUT_STREAM = 1000, FIRST_DIRECTION_STREAM = 2000 };

/* Number i of a stream, in [-1, 1): `unit` of models.py. */
static double unit(uint32_t stream, size_t i)
{
    uint32_t h = (uint32_t)i * 0x9E3779B1u + (stream + 1) * 0x85EBCA77u;
    h = (h ^ h >> 16) * 0x7FEB352Du;
    h = (h ^ h >> 15) * 0x846CA68Bu;
    h ^= h >> 16;
    return (double)(h >> 8) / 8388608.0 - 1;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!found)
        fail_msg("models.json: no '%s'", name);
    return found;
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *found = member(object, name);
    assert_true(cJSON_IsNumber(found));
    return found->valuedouble;
}

static double number_at(const cJSON *array, size_t i)
{
    const cJSON *found = cJSON_GetArrayItem(array, (int)i);
    assert_true(cJSON_IsNumber(found));
    return found->valuedouble;
}

/* ---- one case ---- */

typedef struct test_case {
    const cJSON *json;
    char         label[64];
    mu_model    *model;
    bool         normalised;     /* it has batch or group norms */
    double       longest, shift; /* length of the longest tensor of figures; what models.py adds to the norms */
} test_case;

/* What single precision may lose, as a share of a vector's length; more where norms divide by small differences of large sums. 2e-5 is
 * what models.py allows PyTorch's own single precision. */
static double bound_of(const test_case *c)
{
    return c->normalised ? 2e-5 : 1e-5;
}

static void expect_logits(const test_case *c, const char *part, const float *logits)
{
    const cJSON *expected = member(c->json, part);
    size_t count = (size_t)cJSON_GetArraySize(expected);
    double error = 0, length = 0;
    assert_int_equal(count, (size_t)number(c->json, "batch") * mu_model_targets(c->model) * mu_model_classes(c->model));
    for (size_t i = 0; i < count; i++) {
        double figure = number_at(expected, i), off = (double)logits[i] - figure;
        error += off * off;
        length += figure * figure;
    }
    if (!(sqrt(error) <= bound_of(c) * sqrt(length)))
        fail_msg("%s, logits (%s): off by %g of their length", c->label, part, sqrt(error / length));
}

/* `values` is laid out as the state or the gradients. */
static void expect_summary(const test_case *c, const mu_tensor *tensor, const cJSON *entry, uint32_t stream, const float *values)
{
    const cJSON *figures = member(entry, "figures");
    double length = 0, sums[DIRECTIONS] = { 0 }, expected_length = number_at(figures, 0);
    unsigned char *bytes = malloc(4 * tensor->count);
    assert_non_null(bytes);
    mu_tensor_write(tensor, values, bytes);
    for (size_t i = 0; i < tensor->count; i++) {
        float value;
        memcpy(&value, bytes + 4 * i, 4); /* safetensors are little-endian, as are the processors that run this test */
        length += (double)value * (double)value;
        for (uint32_t k = 0; k < DIRECTIONS; k++)
            sums[k] += (double)value * unit(FIRST_DIRECTION_STREAM + DIRECTIONS * stream + k, i);
    }
    free(bytes);
    double error = fabs(sqrt(length) - expected_length);
    for (uint32_t k = 0; k < DIRECTIONS; k++)
        error = fmax(error, fabs(sums[k] - number_at(figures, k + 1)));
    if (!(error <= bound_of(c) * fmax(expected_length, c->longest / 100))) /* some are 0 but for rounding: a bias before a norm */
        fail_msg("%s, %s: off by %g of its length %g", c->label, tensor->name, error / expected_length, expected_length);
}

static void expect_names_and_shapes(const test_case *c)
{
    const cJSON *tensors = member(c->json, "tensors");
    assert_int_equal(mu_model_param_count(c->model), (size_t)number(c->json, "parameters"));
    assert_int_equal(mu_model_tensor_count(c->model), cJSON_GetArraySize(tensors));
    for (size_t i = 0; i < mu_model_tensor_count(c->model); i++) {
        const mu_tensor *tensor = mu_model_tensor(c->model, i);
        const cJSON *entry = cJSON_GetArrayItem(tensors, (int)i), *shape = member(entry, "shape");
        assert_string_equal(tensor->name, member(entry, "name")->valuestring);
        assert_int_equal(tensor->trainable, cJSON_IsTrue(member(entry, "trained")));
        if ((int)tensor->rank != cJSON_GetArraySize(shape))
            fail_msg("%s, %s: rank %u, PyTorch has %d", c->label, tensor->name, tensor->rank, cJSON_GetArraySize(shape));
        for (uint32_t axis = 0; axis < tensor->rank; axis++)
            assert_int_equal(tensor->shape[axis], (uint32_t)number_at(shape, axis));
    }
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* models.py's `first_values`. */
static float first_value(const test_case *c, const mu_tensor *tensor, uint32_t stream, size_t i)
{
    double value = unit(stream, i), fan_in = 1;
    if (tensor->rank > 1) {
        for (uint32_t axis = 1; axis < tensor->rank; axis++)
            fan_in *= tensor->shape[axis];
        return (float)(value * sqrt(6 / fan_in));
    }
    if (ends_with(tensor->name, "running_var"))
        return (float)(1 + value / 2);
    if (ends_with(tensor->name, "weight"))
        return (float)((1 + value / 4) / (c->shift > 0 ? 2 : 1));
    return (float)(c->shift + value / 10);
}

static void fill_state(const test_case *c, float *state)
{
    for (uint32_t t = 0; t < mu_model_tensor_count(c->model); t++) {
        const mu_tensor *tensor = mu_model_tensor(c->model, t);
        float *values = malloc(4 * tensor->count);
        assert_non_null(values);
        for (size_t i = 0; i < tensor->count; i++)
            values[i] = first_value(c, tensor, t, i);
        mu_tensor_read(tensor, (const unsigned char *)values, state);
        free(values);
    }
}

static uint32_t fill_batch(const test_case *c, mu_step *step)
{
    uint32_t batch = (uint32_t)number(c->json, "batch"), stream = INPUT_STREAM + (uint32_t)number(c->json, "draw");
    uint32_t symbols = mu_model_symbols(c->model);
    size_t values = batch * mu_shape_size(mu_model_input(c->model));
    for (size_t i = 0; i < values; i++)
        mu_step_input(step)[i] = (float)(symbols ? floor((unit(stream, i) + 1) / 2 * symbols) : 2 * unit(stream, i));
    for (uint32_t i = 0; i < batch * mu_model_targets(c->model); i++)
        mu_step_labels(step)[i] = (int32_t)(i * 7 % mu_model_classes(c->model));
    return batch;
}

/* The figures know no dropout. */
static void turn_dropout_off(mu_model *model)
{
    for (uint32_t i = 0; i < model->node_count; i++)
        if (model->nodes[i].layer == &mu_layer_dropout)
            ((mu_dropout_config *)model->nodes[i].config)->rate = 0;
}

static void expect_step(const test_case *c)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = (uint32_t)number(c->json, "batch");
    test_step t = test_step_create(c->model, config, true);
    fill_state(c, mu_step_state(t.step));
    uint32_t count = fill_batch(c, t.step);
    mu_step_evaluate(t.step, count);
    expect_logits(c, "infer", mu_step_logits(t.step));

    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    mu_step_result result = mu_step_gradient(t.step, count, &random);
    expect_logits(c, "train", mu_step_logits(t.step));
    double loss = number(c->json, "loss");
    assert_true(fabs(result.loss_sum / (count * mu_model_targets(c->model)) - loss) <= bound_of(c) * loss);
    for (uint32_t i = 0; i < mu_model_tensor_count(c->model); i++) {
        const mu_tensor *tensor = mu_model_tensor(c->model, i);
        const cJSON *entry = cJSON_GetArrayItem(member(c->json, "tensors"), (int)i);
        expect_summary(c, tensor, entry, i, tensor->trainable ? mu_step_gradients(t.step) : mu_step_state(t.step));
    }
    test_step_destroy(&t);
}

static void check_case(const cJSON *json)
{
    const cJSON *input = member(json, "input"), *norm = member(json, "norm");
    test_case c = { .json = json, .normalised = cJSON_IsString(norm), .shift = number(json, "shift") };
    const char *name = member(json, "model")->valuestring;
    mu_shape shape = { (uint32_t)number_at(input, 0), (uint32_t)number_at(input, 1), (uint32_t)number_at(input, 2) };
    snprintf(c.label, sizeof c.label, "%s (%s) on %ux%ux%u", name, c.normalised ? norm->valuestring : "no norm", shape.height, shape.width,
             shape.channels);
    const cJSON *tensor;
    cJSON_ArrayForEach(tensor, member(json, "tensors"))
        c.longest = fmax(c.longest, number_at(member(tensor, "figures"), 0));
    mu_error err = { 0 };
    if (mu_model_create_builtin(name, c.normalised ? norm->valuestring : NULL, shape, (uint32_t)number(json, "classes"), &c.model, &err))
        fail_msg("%s", err.message);
    turn_dropout_off(c.model);
    expect_names_and_shapes(&c);
    expect_step(&c);
    mu_model_destroy(c.model);
}

static void test_every_model(void **state)
{
    (void)state;
    mu_file file;
    mu_error err = { 0 };
    if (mu_file_map(FIGURES, &file, &err))
        fail_msg("%s", err.message);
    cJSON *json = cJSON_ParseWithLength((const char *)file.data, file.size_bytes);
    assert_non_null(json);
    const cJSON *one;
    cJSON_ArrayForEach(one, member(json, "cases"))
        check_case(one);
    assert_int_equal(cJSON_GetArraySize(member(json, "cases")), 21);
    cJSON_Delete(json);
    mu_file_unmap(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_model) };
    return cmocka_run_group_tests_name("nn models reference", tests, NULL, NULL);
}
