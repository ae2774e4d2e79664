/* The built-in models: their sizes, names, shapes, costs and first weights; and what the builder refuses. */
#include "nn/test_step.h"

#include "nn/builder.h"
#include "nn/layers.h"

#include <math.h>

static const struct {
    const char *name, *norm;
    mu_shape    input;
    uint32_t    classes;
    size_t      params, state;
} sizes[] = {
    { "softmax-regression", NULL, { 28, 28, 1 }, 10, 7850, 7850 },
    { "mlp", NULL, { 28, 28, 1 }, 10, 101770, 101770 },
    { "lenet5", NULL, { 28, 28, 1 }, 10, 61706, 61706 },
    { "lenet5", NULL, { 32, 32, 3 }, 10, 62006, 62006 },
    { "fedavg-cnn", NULL, { 28, 28, 1 }, 10, 1663370, 1663370 },
    { "pfl-cnn", NULL, { 32, 32, 3 }, 10, 1626442, 1626442 },
    { "cifar-cnn", NULL, { 32, 32, 3 }, 10, 1105610, 1105610 },
    { "femnist-cnn", NULL, { 28, 28, 1 }, 62, 1206590, 1206590 },
    { "femnist-cnn", NULL, { 28, 28, 1 }, 10, 1199882, 1199882 },
    { "resnet20", NULL, { 32, 32, 3 }, 10, 272474, 272474 + 2 * 784 }, /* 7 norms of 16, 7 of 32, 7 of 64 channels */
    { "resnet20", "group", { 32, 32, 3 }, 10, 272474, 272474 },
    { "resnet18", "batch", { 32, 32, 3 }, 10, 11173962, 11173962 + 2 * 4800 },
    { "resnet18", "group", { 32, 32, 3 }, 100, 11220132, 11220132 },
    { "mobilenetv2", NULL, { 32, 32, 3 }, 10, 2236682, 2236682 + 2 * 17056 }, /* torchvision's count */
    { "mobilenetv2", "group", { 96, 96, 3 }, 10, 2236682, 2236682 },
    { "mobilenetv2", NULL, { 224, 224, 3 }, 1000, 3504872, 3504872 + 2 * 17056 },
    { "ds-cnn", NULL, { 49, 10, 1 }, 12, 23756, 23756 + 2 * 9 * 64 },
    { "ds-cnn", "group", { 49, 10, 1 }, 12, 23756, 23756 },
    { "motion-cnn", NULL, { 1, 128, 9 }, 6, 411650, 411650 },
    { "char-lstm", NULL, { 1, 1, 80 }, 80, 819920, 819920 },
    { "char-lstm", NULL, { 1, 1, 80 }, 90, 822570, 822570 }, /* PyTorch's with 90 symbols; Keras has one bias, so 820,522 there */
    { "char-lstm-every", NULL, { 1, 20, 1 }, 80, 819920, 819920 },
    { "char-gru", NULL, { 1, 1, 80 }, 80, 620240, 620240 },
    { "char-gru-every", NULL, { 1, 1, 80 }, 80, 620240, 620240 },
};

static void test_parameter_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(sizes); i++) {
        mu_model *model = NULL;
        mu_error err = { 0 };
        if (mu_model_create_builtin(sizes[i].name, sizes[i].norm, sizes[i].input, sizes[i].classes, &model, &err))
            fail_msg("%s", err.message);
        assert_string_equal(mu_model_name(model), sizes[i].name);
        assert_int_equal(mu_model_classes(model), sizes[i].classes);
        assert_int_equal(mu_model_param_count(model), sizes[i].params);
        assert_int_equal(mu_model_state_count(model), sizes[i].state);
        mu_model_destroy(model);
    }
    size_t count;
    const mu_model_builtin *builtins = mu_model_builtins(&count);
    for (size_t i = 0; i < count; i++) { /* every one has a row above */
        size_t row = 0;
        while (row < MU_COUNT(sizes) && strcmp(sizes[row].name, builtins[i].name))
            row++;
        assert_true(row < MU_COUNT(sizes));
    }
}

/* Tensors lie one behind the other, the trainable ones first, and none is called like another. */
static void test_tensor_table(void **state)
{
    (void)state;
    mu_model *model = test_model_named("resnet18", (mu_shape){ 32, 32, 3 }, 10);
    size_t next = 0, next_statistic = mu_model_param_count(model), count = mu_model_tensor_count(model);
    for (size_t i = 0; i < count; i++) {
        const mu_tensor *tensor = mu_model_tensor(model, i);
        size_t *at = tensor->trainable ? &next : &next_statistic, product = 1;
        assert_int_equal(tensor->offset, *at);
        *at += tensor->count;
        for (uint32_t axis = 0; axis < tensor->rank; axis++)
            product *= tensor->shape[axis];
        assert_int_equal(product, tensor->count);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(tensor->name, mu_model_tensor(model, k)->name);
    }
    assert_int_equal(next, mu_model_param_count(model));
    assert_int_equal(next_statistic, mu_model_state_count(model));

    /* torchvision's order and names */
    static const char *const names[] = { "conv1.weight",       "bn1.weight",      "bn1.bias",
                                         "bn1.running_mean",   "bn1.running_var", "layer1.0.conv1.weight",
                                         "layer1.0.bn1.weight" };
    for (size_t i = 0; i < MU_COUNT(names); i++)
        assert_string_equal(mu_model_tensor(model, i)->name, names[i]);
    assert_string_equal(mu_model_tensor(model, count - 2)->name, "fc.weight");
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const mu_tensor *tensor = mu_model_tensor(model, i);
        if (strcmp(tensor->name, "layer3.0.downsample.0.weight"))
            continue;
        found = true;
        assert_int_equal(tensor->layout, MU_LAYOUT_CONV);
        assert_int_equal(tensor->shape[0], 256);
        assert_int_equal(tensor->shape[1], 128);
        assert_int_equal(tensor->shape[2], 1);
    }
    assert_true(found);
    mu_model_destroy(model);
}

/* Counted by hand. Padding is not multiplied: of 5 taps over 28 pixels with 2 of padding, 28 * 5 - 2 * (2 + 1) = 134 are inside,
 * over 14 pixels 64. */
static void test_cost(void **state)
{
    (void)state;
    mu_model *model = test_model_named("fedavg-cnn", (mu_shape){ 28, 28, 1 }, 10);
    const uint64_t conv1 = 134 * 134 * 32, conv2 = 64 * 64 * 32 * 64, fc1 = 3136 * 512, fc2 = 512 * 10;
    const uint64_t forward = conv1 + conv2 + fc1 + fc2;
    mu_cost sum = mu_model_cost(model, 10), parts = { 0 };
    assert_int_equal(sum.macs_forward, 10 * forward);
    assert_int_equal(sum.macs_backward, 10 * (2 * forward - conv1)); /* nobody wants the gradient of the pictures */
    assert_int_equal(sum.param_bytes, 4 * 1663370);
    assert_int_equal(mu_model_macs_forward(model, 3), 3 * forward);
    assert_int_equal(mu_model_layer_count(model), 10);
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info info;
        mu_model_layer(model, i, 10, &info);
        parts.macs_forward += info.cost.macs_forward;
        parts.moved_bytes += info.cost.moved_bytes;
        parts.activation_bytes += info.cost.activation_bytes;
    }
    assert_int_equal(parts.macs_forward, sum.macs_forward);
    assert_int_equal(parts.moved_bytes, sum.moved_bytes);
    assert_int_equal(parts.activation_bytes, sum.activation_bytes);

    mu_layer_info info;
    mu_model_layer(model, 2, 10, &info);
    assert_string_equal(info.kind, "max_pool");
    assert_string_equal(info.name, "pool1");
    assert_int_equal(info.output.height, 14);
    assert_int_equal(info.output.channels, 32);
    const uint64_t values = 10 * 14 * 14 * 32;
    assert_int_equal(info.cost.activation_bytes, values * 4 + values);
    /* forward: 4 values in, one out, one byte for the winner; backward: gradient and winner in, 4 gradients out */
    assert_int_equal(info.cost.moved_bytes, values * (4 * 4 + 4 + 1 + 4 + 1 + 4 * 4));
    mu_model_layer(model, 1, 10, &info); /* a ReLU that is done in passing */
    assert_string_equal(info.kind, "relu");
    assert_int_equal(info.cost.moved_bytes, 0);
    mu_model_layer(model, 9, 10, &info);
    assert_int_equal(info.cost.macs_backward, 2 * 10 * fc2);
    const uint64_t weights = 512 * 10 + 10, in = 10 * 512, out = 10 * 10;
    /* forward: in, weights, out; backward: gradient of out, in, weights, gradient of in and of weights; update: three times the
     * weights */
    assert_int_equal(info.cost.moved_bytes, 4 * (in + weights + out + out + in + weights + in + weights + 3 * weights));
    mu_model_destroy(model);
}

/* ---- first weights ---- */

typedef struct spread {
    double smallest, largest, mean, deviation;
} spread;

static spread spread_of(const mu_model *model, const float *state, const char *name)
{
    spread s = { .smallest = INFINITY, .largest = -INFINITY };
    for (size_t i = 0; i < mu_model_tensor_count(model); i++) {
        const mu_tensor *tensor = mu_model_tensor(model, i);
        if (strcmp(tensor->name, name))
            continue;
        double squares = 0, count = (double)tensor->count;
        for (size_t k = 0; k < tensor->count; k++) {
            double x = (double)state[tensor->offset + k];
            s.smallest = fmin(s.smallest, x);
            s.largest = fmax(s.largest, x);
            s.mean += x / count;
            squares += x * x / count;
        }
        s.deviation = sqrt(squares - s.mean * s.mean);
        return s;
    }
    fail_msg("no tensor %s", name);
    return s;
}

/* Uniform within `bound`, filled nearly to its edges. */
static void expect_uniform(spread s, double bound)
{
    assert_true(s.largest <= bound && s.largest > 0.98 * bound);
    assert_true(s.smallest >= -bound && s.smallest < -0.98 * bound);
    assert_true(fabs(s.mean) < 0.05 * bound);
    assert_true(fabs(s.deviation - bound / sqrt(3)) < 0.05 * bound);
}

static void expect_constant(spread s, double value)
{
    assert_true(s.smallest == value && s.largest == value);
}

static void test_first_weights(void **state)
{
    (void)state;
    mu_model *model = test_model_of("init: he\n"
                                    "layers:\n"
                                    "  - {conv: c, channels: 64, kernel: 5, groups: 2}\n"
                                    "  - {batch_norm: n}\n"
                                    "  - flatten\n"
                                    "  - {dense: g, units: 300, init: glorot}\n"
                                    "  - {dense: d, init: default, units: 400}\n"
                                    "  - {dense: last}\n",
                                    (mu_shape){ 6, 6, 4 }, 10);
    float *weights = calloc(mu_model_state_count(model), sizeof(float)), *again = calloc(mu_model_state_count(model), sizeof(float));
    assert_non_null(weights);
    assert_non_null(again);
    mu_model_init(model, 5, weights);
    spread he = spread_of(model, weights, "c.weight");
    double sd = sqrt(2.0 / (2 * 25));
    assert_true(fabs(he.mean) < 0.1 * sd && fabs(he.deviation - sd) < 0.05 * sd && he.largest > 2.5 * sd);
    expect_constant(spread_of(model, weights, "c.bias"), 0);
    expect_constant(spread_of(model, weights, "n.weight"), 1);
    expect_constant(spread_of(model, weights, "n.bias"), 0);
    expect_constant(spread_of(model, weights, "n.running_mean"), 0);
    expect_constant(spread_of(model, weights, "n.running_var"), 1);
    expect_uniform(spread_of(model, weights, "g.weight"), sqrt(6.0 / (256 + 300)));
    expect_constant(spread_of(model, weights, "g.bias"), 0);
    expect_uniform(spread_of(model, weights, "d.weight"), 1 / sqrt(300));
    expect_uniform(spread_of(model, weights, "d.bias"), 1 / sqrt(300));

    size_t bytes = mu_model_state_count(model) * sizeof(float);
    mu_model_init(model, 5, again);
    assert_memory_equal(weights, again, bytes);
    mu_model_init(model, 6, again);
    assert_true(memcmp(weights, again, bytes) != 0);
    free(weights);
    free(again);
    mu_model_destroy(model);
}

/* ---- what is refused ---- */

static void expect_builtin_refused(const char *name, const char *norm, mu_shape input, uint32_t classes, mu_status expected,
                                   const char *words)
{
    mu_model *model = NULL;
    mu_error err = { 0 };
    assert_int_equal(mu_model_create_builtin(name, norm, input, classes, &model, &err), expected);
    assert_null(model);
    if (!strstr(err.message, words))
        fail_msg("'%s' says nothing of '%s'", err.message, words);
}

static void test_refused(void **state)
{
    (void)state;
    const mu_shape small = { 28, 28, 1 };
    expect_builtin_refused("resnet-20", NULL, small, 10, MU_E_CONFIG, "did you mean 'resnet20'");
    expect_builtin_refused("lenet5", NULL, (mu_shape){ 30, 30, 1 }, 10, MU_E_SHAPE, "28 x 28 or 32 x 32");
    expect_builtin_refused("mlp", "batch", small, 10, MU_E_CONFIG, "no normalisation");
    expect_builtin_refused("resnet20", "layer", small, 10, MU_E_CONFIG, "'batch' or 'group'");
    expect_builtin_refused("mlp", NULL, (mu_shape){ 28, 0, 1 }, 10, MU_E_SHAPE, "28 x 0 x 1");
    expect_builtin_refused("mlp", NULL, (mu_shape){ 4000000000u, 4000000000u, 4000000000u }, 10, MU_E_SHAPE, "expected 1 to");
    expect_builtin_refused("mlp", NULL, small, 1, MU_E_RANGE, "1 classes");
    expect_builtin_refused("pfl-cnn", NULL, (mu_shape){ 4, 4, 1 }, 10, MU_E_SHAPE, "does not fit");
    expect_builtin_refused("mlp", NULL, (mu_shape){ 4096, 4096, 1 }, 10, MU_E_LIMIT, "parameters"); /* 2^24 x 128 */
    assert_int_equal(mu_model_create_builtin("mlp", NULL, small, 1, &(mu_model *){ NULL }, NULL), MU_E_RANGE);
    mu_model_destroy(NULL);
}

/* After the first mistake a builder does nothing more, and says what it said. */
static void test_builder_keeps_the_first_mistake(void **state)
{
    (void)state;
    mu_error err = { 0 };
    mu_builder b = mu_builder_begin("wrong", (mu_shape){ 4, 4, 3 }, 2, &err);
    assert_int_equal(mu_builder_find(&b, "input"), 0);
    assert_int_equal(mu_builder_find(&b, "fc"), MU_VALUE_NONE);
    assert_int_equal(mu_builder_add_next(&b, &mu_layer_dense, "fc", &(mu_dense_config){ .units = 2 }), MU_VALUE_NONE);
    assert_int_equal(b.status, MU_E_SHAPE);
    assert_non_null(strstr(err.message, "put a flatten before it"));
    assert_int_equal(mu_builder_add_next(&b, &mu_layer_flatten, "bad name", NULL), MU_VALUE_NONE);
    mu_model *model = NULL;
    assert_int_equal(mu_builder_finish(&b, &model), MU_E_SHAPE);
    assert_non_null(strstr(err.message, "put a flatten before it"));
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts),
        cmocka_unit_test(test_tensor_table),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_first_weights),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_builder_keeps_the_first_mistake),
    };
    return cmocka_run_group_tests_name("nn model", tests, NULL, NULL);
}
