/* The plain kernels that are neither convolution, matrix product nor norm: against double, or against numbers worked out by hand. */
#include "tensor/kernels_test.h"

static const mu_kernel_table *plain;

static void near(const char *what, double expected, float actual, double tolerance)
{
    if (!(fabs(expected - (double)actual) <= tolerance))
        fail_msg("%s is %.9g, in double %.12g, allowed %.3g", what, (double)actual, expected, tolerance);
}

static double activation(mu_activation kind, double x)
{
    switch (kind) {
    case MU_ACTIVATION_RELU: return x > 0 ? x : 0;
    case MU_ACTIVATION_LEAKY_RELU: return x > 0 ? x : 0.01 * x;
    case MU_ACTIVATION_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
    case MU_ACTIVATION_SIGMOID: return 1 / (1 + exp(-x));
    case MU_ACTIVATION_TANH: return tanh(x);
    default: return x;
    }
}

static void activations(void **state)
{
    (void)state;
    test_seed(41);
    for (int k = 0; k < MU_ACTIVATION_COUNT; k++) {
        mu_activation kind = (mu_activation)k;
        for (int i = 0; i < 300; i++) {
            float   x = 4.0f * test_value(TEST_ORDINARY), dy = test_value(TEST_ORDINARY), y, dx = 10.0f;
            mu_rows one = { 1, 1, 1 };
            plain->activation_forward(kind, one, &x, 1, &y);
            near("activation", activation(kind, x), y, 4e-7 * fabs(activation(kind, x)));
            double slope = (activation(kind, x + 1e-6) - activation(kind, x - 1e-6)) / 2e-6;
            plain->activation_backward(kind, one, &y, 1, &dy, 1, &dx, false);
            near("slope", slope * (double)dy, dx, 2e-6 * (1 + fabs((double)dy)));
            float more = 10.0f;
            plain->activation_backward(kind, one, &y, 1, &dy, 1, &more, true);
            assert_true(more == 10.0f + dx);
        }
    }
}

static void activations_keep_nan(void **state)
{
    (void)state;
    for (int k = 0; k < MU_ACTIVATION_COUNT; k++) {
        float x = NAN, y = 0;
        plain->activation_forward((mu_activation)k, (mu_rows){ 1, 1, 1 }, &x, 1, &y);
        assert_true(isnan(y));
    }
}

static void pooling_by_hand(void **state)
{
    (void)state;
    /* One image, 2 x 3, kernel 2 x 2, stride 1, padding 1: 3 x 4 windows. */
    mu_pool2d   p = { .batch = 1, .in_height = 2, .in_width = 3, .channels = 1, .out_height = 3, .out_width = 4, .kernel_h = 2,
                      .kernel_w = 2, .stride_h = 1, .stride_w = 1, .pad_h = 1, .pad_w = 1, .in_stride = 1, .out_stride = 1 };
    const float x[6] = { -1, -2, -2, -4, -2, -6 };
    const float most[12] = { -1, -1, -2, -2, -1, -1, -2, -2, -4, -2, -2, -6 };
    const uint8_t tap[12] = { 3, 2, 2, 2, 1, 0, 0, 0, 1, 1, 0, 0 }; /* the padding's 0 is never the largest; the first of equals is */
    const float mean[12] = { -1, -1.5f, -2, -2, -2.5f, -2.25f, -3, -4, -4, -3, -4, -6 };
    float       y[12], dx[6] = { 1, 1, 1, 1, 1, 1 };
    uint8_t     winner[12];
    plain->max_pool_forward(&p, x, false, y, winner);
    assert_memory_equal(y, most, sizeof y);
    assert_memory_equal(winner, tap, sizeof winner);
    plain->average_pool_forward(&p, x, y);
    assert_memory_equal(y, mean, sizeof y);
    const float dy[12] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048 };
    plain->max_pool_backward(&p, dy, winner, dx, true);
    const float sums[6] = { 1 + 1 + 2 + 16 + 32, 1 + 4 + 64, 1 + 8 + 128, 1 + 256, 1 + 512 + 1024, 1 + 2048 };
    assert_memory_equal(dx, sums, sizeof dx);
    plain->average_pool_backward(&p, dy, dx, false);
    const float first = 1.0f + 2.0f / 2 + 16.0f / 2 + 32.0f / 4, fourth = 16.0f / 2 + 32.0f / 4 + 256 + 512.0f / 2;
    assert_true(dx[0] == first && dx[3] == fourth);
}

/* ReLU behind the pooling: what is not above 0 has no winner and gets no gradient. */
static void max_pool_with_relu(void **state)
{
    (void)state;
    mu_pool2d p = { .batch = 1, .in_height = 1, .in_width = 6, .channels = 1, .out_height = 1, .out_width = 3, .kernel_h = 1,
                    .kernel_w = 2, .stride_h = 1, .stride_w = 2, .in_stride = 1, .out_stride = 1 };
    const float x[6] = { -1, 3, -2, -4, 0, -6 }, most[3] = { 3, 0, 0 }, dy[3] = { 1, 2, 4 }, gradient[6] = { 0, 1, 0, 0, 0, 0 };
    float       y[3], dx[6];
    uint8_t     winner[3];
    plain->max_pool_forward(&p, x, true, y, winner);
    assert_memory_equal(y, most, sizeof y);
    assert_true(winner[0] == 1 && winner[1] == MU_POOL_NOBODY && winner[2] == MU_POOL_NOBODY);
    plain->max_pool_backward(&p, dy, winner, dx, false);
    assert_memory_equal(dx, gradient, sizeof dx);
}

static void max_pool_takes_nan(void **state)
{
    (void)state;
    mu_pool2d p = { .batch = 1, .in_height = 1, .in_width = 4, .channels = 1, .out_height = 1, .out_width = 1, .kernel_h = 1,
                    .kernel_w = 4, .stride_h = 1, .stride_w = 1, .in_stride = 1, .out_stride = 1 };
    const float x[4] = { 1, NAN, 5, 2 };
    float       y[1];
    uint8_t     winner[1];
    plain->max_pool_forward(&p, x, false, y, winner);
    assert_true(isnan(y[0]) && winner[0] == 1);
}

static void cross_entropy(void **state)
{
    (void)state;
    test_seed(42);
    enum { CLASSES = 37, STRIDE = 40, ROWS = 20 };
    float   *x = test_rows(ROWS, CLASSES, STRIDE, TEST_ORDINARY), *dx = test_output(ROWS, CLASSES, STRIDE), losses[ROWS];
    int32_t  labels[ROWS];
    uint8_t  correct[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
        labels[r] = (int32_t)test_below(CLASSES);
        for (size_t k = 0; k < CLASSES; k++)
            x[r * STRIDE + k] = r % 2 ? 8 * x[r * STRIDE + k] : roundf(x[r * STRIDE + k]);
    }
    const mu_loss loss = { .classes = CLASSES, .stride = STRIDE, .gradient_scale = 0.05f };
    plain->softmax_cross_entropy(&loss, ROWS, x, labels, dx, losses, correct);
    for (size_t r = 0; r < ROWS; r++) {
        const float *row = x + r * STRIDE;
        double sum = 0, top = row[0];
        size_t first = 0;
        for (size_t k = 0; k < CLASSES; k++) {
            sum += exp((double)row[k]);
            if ((double)row[k] > top) {
                top = (double)row[k];
                first = k;
            }
        }
        near("loss", log(sum) - (double)row[labels[r]], losses[r], 1e-6 * (1 + fabs(log(sum) - (double)row[labels[r]])));
        for (size_t k = 0; k < CLASSES; k++)
            near("gradient", (exp((double)row[k]) / sum - (k == (size_t)labels[r])) * 0.05, dx[r * STRIDE + k], 0.05 * 1e-6);
        assert_int_equal(correct[r], first == (size_t)labels[r]);
    }
    test_gaps_untouched("gradient", dx, ROWS, CLASSES, STRIDE);
    free(dx);
    free(x);
}

/* A loss in double, with everything that it may have; its derivative by the logit of class `at`, if that is one, to *slope. */
static double loss_in_double(const mu_loss *l, const float *x, const float *teacher, uint32_t label, uint32_t at, double *slope)
{
    double own[2], sums[3] = { 0, 0, 0 } /* z; z / T; t / T */, cross = 0, cooled = (double)l->inverse_temperature;
    for (uint32_t k = 0; k < l->classes; k++) {
        bool held = !l->held || l->held[k];
        sums[0] += exp(held ? (double)x[k] : 0);
        sums[1] += exp(held ? (double)x[k] * cooled : 0);
        sums[2] += exp(held ? (double)teacher[k] * cooled : 0);
    }
    for (uint32_t k = 0; k < l->classes; k++) {
        bool held = !l->held || l->held[k];
        double u = held ? (double)x[k] * cooled : 0, target = exp(held ? (double)teacher[k] * cooled : 0) / sums[2];
        cross -= target * (u - log(sums[1]));
        if (k == at) {
            own[0] = exp(held ? (double)x[k] : 0) / sums[0] - (k == label);
            own[1] = exp(u) / sums[1] - target;
            *slope = held ? (double)l->label_weight * own[0] + (double)l->teacher_weight * cooled * own[1] : 0;
        }
    }
    double z = !l->held || l->held[label] ? (double)x[label] : 0;
    return (double)l->label_weight * (log(sums[0]) - z) + (double)l->teacher_weight * cross;
}

static void cross_entropy_to_a_teacher(void **state)
{
    (void)state;
    test_seed(43);
    enum { CLASSES = 21, STRIDE = 23, ROWS = 60 };
    float *x = test_rows(ROWS, CLASSES, STRIDE, TEST_ORDINARY), *teacher = test_rows(ROWS, CLASSES, STRIDE, TEST_ORDINARY), dx[STRIDE], loss;
    bool   held[CLASSES];
    for (size_t r = 0; r < ROWS; r++) {
        int32_t label = (int32_t)test_below(CLASSES);
        uint8_t correct;
        for (size_t k = 0; k < CLASSES; k++)
            held[k] = test_coin();
        mu_loss l = { .classes = CLASSES, .stride = STRIDE, .gradient_scale = 0.5f, .held = r % 2 ? held : NULL, .teacher = teacher + r * STRIDE,
                      .label_weight = (float)(r % 3) / 2, .teacher_weight = (float)(r % 5) / 4, .inverse_temperature = r % 4 ? 0.25f : 1.0f };
        plain->softmax_cross_entropy(&l, 1, x + r * STRIDE, &label, dx, &loss, &correct);
        for (uint32_t k = 0; k < CLASSES; k++) {
            double slope = NAN, expected = loss_in_double(&l, x + r * STRIDE, l.teacher, (uint32_t)label, k, &slope);
            near("loss", expected, loss, 1e-6 * (1 + expected));
            near("gradient", 0.5 * slope, dx[k], 1e-6);
            assert_true(!l.held || held[k] || dx[k] == 0.0f);
        }
    }
    free(teacher);
    free(x);
}

/* Without a teacher: logits of classes that are not held are 0, and may be the answer. */
static void cross_entropy_of_classes_held(void **state)
{
    (void)state;
    const float   x[6] = { -1, 9, -2, 3, NAN, 1 };
    const bool    held[3] = { true, false, true };
    const int32_t labels[2] = { 0, 0 };
    const mu_loss loss = { .classes = 3, .stride = 3, .gradient_scale = 1.0f, .held = held };
    float         dx[6], losses[2];
    uint8_t       correct[2];
    plain->softmax_cross_entropy(&loss, 2, x, labels, dx, losses, correct);
    double sum = exp(-1.0) + 1 + exp(-2.0);
    near("loss", log(sum) + 1, losses[0], 1e-6);
    near("gradient of the label", exp(-1.0) / sum - 1, dx[0], 1e-6);
    near("gradient of another", exp(-2.0) / sum, dx[2], 1e-6);
    assert_true(dx[1] == 0.0f && dx[4] == 0.0f);
    assert_memory_equal(correct, ((const uint8_t[]){ 0, 1 }), 2);
    near("loss beside what is not a number", log(exp(3.0) + 1 + exp(1.0)) - 3, losses[1], 1e-6);
}

/* Large logits do not overflow; the first of equals counts as the answer; what is not a number shows in the loss. */
static void cross_entropy_corners(void **state)
{
    (void)state;
    const float   x[8] = { 1000, 0, 3, 3, -1000, 0, NAN, 0 };
    const int32_t labels[4] = { 0, 1, 0, 1 };
    float         dx[8], losses[4];
    uint8_t       correct[4];
    const mu_loss loss = { .classes = 2, .stride = 2, .gradient_scale = 1.0f };
    plain->softmax_cross_entropy(&loss, 4, x, labels, dx, losses, correct);
    assert_true(losses[0] == 0.0f && losses[2] == 1000.0f && isnan(losses[3]));
    near("two equal logits", log(2.0), losses[1], 1e-7);
    assert_memory_equal(correct, ((const uint8_t[]){ 1, 0, 0, 1 }), 4);
    assert_true(dx[2] == 0.5f && dx[3] == -0.5f && isnan(dx[6]));
}

typedef struct sgd_case {
    mu_sgd sgd;
    bool   has_velocity;
} sgd_case;

static void sgd_steps(void **state)
{
    (void)state;
    static const sgd_case cases[] = {
        { { .learning_rate = 0.1f }, false },
        { { .learning_rate = 0.1f, .weight_decay = 0.05f }, false },
        { { .learning_rate = 0.1f, .momentum = 0.9f }, true },
        { { .learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 0.05f, .dampening = 0.3f }, true },
        { { .learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = 0.05f, .nesterov = true }, true },
    };
    test_seed(43);
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_sgd s = cases[i].sgd;
        float  param = 1.5f, velocity = NAN; /* what is there before the first step does not matter */
        double p = 1.5, v = 0;
        for (int t = 0; t < 10; t++) {
            float  gradient = test_value(TEST_ORDINARY);
            double step = (double)gradient + (double)s.weight_decay * p;
            s.first_step = t == 0;
            if (cases[i].has_velocity) {
                v = t == 0 ? step : (double)s.momentum * v + (1 - (double)s.dampening) * step;
                step = s.nesterov ? step + (double)s.momentum * v : v;
            }
            p -= (double)s.learning_rate * step;
            plain->sgd(&s, 1, &gradient, cases[i].has_velocity ? &velocity : NULL, &param);
            near("parameter after SGD", p, param, 1e-6 * (t + 1) * (1 + fabs(p)));
        }
    }
}

static void adam_steps(void **state)
{
    (void)state;
    test_seed(44);
    for (int decoupled = 0; decoupled < 2; decoupled++) {
        mu_adam a = { .learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.1,
                      .decoupled = decoupled };
        float   param = 0.7f, first = 0, second = 0;
        double  p = 0.7, m = 0, v = 0;
        for (int t = 1; t <= 20; t++) {
            float  gradient = test_value(TEST_ORDINARY);
            double g = (double)gradient + (decoupled ? 0 : a.weight_decay * p);
            if (decoupled)
                p *= 1 - a.learning_rate * a.weight_decay;
            m = a.beta1 * m + (1 - a.beta1) * g;
            v = a.beta2 * v + (1 - a.beta2) * g * g;
            a.correction1 = 1 - pow(a.beta1, t);
            a.correction2 = 1 - pow(a.beta2, t);
            p -= a.learning_rate * (m / a.correction1) / (sqrt(v / a.correction2) + a.epsilon);
            plain->adam(&a, 1, &gradient, &first, &second, &param);
            near("parameter after Adam", p, param, 1e-6 * t);
            near("first moment", m, first, 1e-6);
            near("second moment", v, second, 1e-6);
        }
    }
}

static void flat_vectors(void **state)
{
    (void)state;
    test_seed(45);
    enum { COUNT = 1000 };
    float *x = test_filled(COUNT, TEST_ORDINARY), *y = test_filled(COUNT, TEST_ORDINARY);
    float *axpy = test_copy(y, COUNT), *mean = test_copy(y, COUNT), *product = test_copy(y, COUNT);
    double squares = 0;
    plain->axpy(COUNT, 0.3f, x, axpy);
    plain->mean_step(COUNT, 0.3f, x, mean);
    plain->multiply(COUNT, x, x, product, true);
    float *scaled = test_copy(x, COUNT);
    plain->scale(COUNT, 0.3f, scaled);
    for (size_t i = 0; i < COUNT; i++) {
        double xi = x[i], yi = y[i], share = (double)0.3f;
        near("axpy", yi + share * xi, axpy[i], 0x1p-23 * fabs(yi + share * xi));
        near("mean step", yi + share * (xi - yi), mean[i], 0x1p-22 * (fabs(xi) + fabs(yi)));
        assert_true(scaled[i] == 0.3f * x[i]);
        near("product added", yi + xi * xi, product[i], 0x1p-22 * (fabs(yi) + xi * xi));
        squares += xi * xi;
    }
    assert_true(fabs(plain->squared_norm(COUNT, x) - squares) <= 1e-13 * squares);
    static const float not_finite[] = { NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < 60; i++) {
        float *at = &x[(i * 997) % COUNT], before = *at;
        *at = not_finite[i % 3];
        assert_false(isfinite(plain->squared_norm(COUNT, x)));
        *at = before;
    }
    assert_true(plain->squared_norm(0, x) == 0.0);
    free(scaled);
    free(product);
    free(mean);
    free(axpy);
    free(y);
    free(x);
}

static void rows_of_a_matrix(void **state)
{
    (void)state;
    const float x[6] = { 1, 2, NAN, 4, 8, NAN }, b[4] = { 10, 20, 30, 40 };
    float       y[5] = { 0, 0, TEST_UNTOUCHED, 0, 0 }, sums[2];
    mu_rows     rows = { 2, 2, 3 };
    plain->sum_rows(rows, x, sums, false);
    assert_memory_equal(sums, ((const float[]){ 5, 10 }), sizeof sums);
    plain->sum_rows(rows, x, sums, true);
    assert_memory_equal(sums, ((const float[]){ 10, 20 }), sizeof sums);
    plain->add(rows, x, 2, b, 3, y);
    assert_memory_equal(y, ((const float[]){ 11, 22, TEST_UNTOUCHED, 34, 48 }), sizeof y);
    plain->copy(rows, x, 3, y, true);
    assert_memory_equal(y, ((const float[]){ 12, 24, TEST_UNTOUCHED, 38, 56 }), sizeof y);
    plain->copy(rows, x, 3, y, false);
    assert_memory_equal(y, ((const float[]){ 1, 2, TEST_UNTOUCHED, 4, 8 }), sizeof y);
}

int main(void)
{
    plain = mu_kernels_plain();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations),   cmocka_unit_test(activations_keep_nan),  cmocka_unit_test(pooling_by_hand),
        cmocka_unit_test(max_pool_takes_nan), cmocka_unit_test(max_pool_with_relu), cmocka_unit_test(cross_entropy),    cmocka_unit_test(cross_entropy_corners),
        cmocka_unit_test(cross_entropy_to_a_teacher), cmocka_unit_test(cross_entropy_of_classes_held),
        cmocka_unit_test(sgd_steps),     cmocka_unit_test(adam_steps),            cmocka_unit_test(flat_vectors),
        cmocka_unit_test(rows_of_a_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
