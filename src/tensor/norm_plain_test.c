/* The plain norms: forward against the formula in double, backward against differences of that formula, so that neither the code
 * nor its algebra is believed. Batch norm over rows is group norm with a channel as group and the batch as one image, but for where
 * the statistics lie, so one formula serves both. */
#include "tensor/kernels_test.h"

#define EPSILON 1e-5

enum { MOST = 2000 };

/* `sets` of elements that are normalised together: set_of(i) for element i = row * channels + channel. */
typedef struct norm {
    uint32_t batch, rows, channels, groups; /* rows of one image; groups 0: batch norm */
    double   x[MOST], y[MOST], scale[MOST], shift[MOST], dy[MOST];
} norm;

static size_t element_count(const norm *n)
{
    return (size_t)n->batch * n->rows * n->channels;
}

static uint32_t set_of(const norm *n, size_t i)
{
    uint32_t channel = (uint32_t)(i % n->channels), image = (uint32_t)(i / n->channels / n->rows);
    return n->groups ? image * n->groups + channel / (n->channels / n->groups) : channel;
}

static void statistics(const norm *n, uint32_t set, double *mean, double *variance)
{
    double count = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < element_count(n); i++)
        if (set_of(n, i) == set) {
            sum += n->x[i];
            count++;
        }
    *mean = sum / count;
    for (size_t i = 0; i < element_count(n); i++)
        if (set_of(n, i) == set)
            squares += (n->x[i] - *mean) * (n->x[i] - *mean);
    *variance = squares / count;
}

static void forward_set(norm *n, uint32_t set)
{
    double mean, variance;
    statistics(n, set, &mean, &variance);
    for (size_t i = 0; i < element_count(n); i++)
        if (set_of(n, i) == set) {
            size_t c = i % n->channels;
            n->y[i] = (n->x[i] - mean) / sqrt(variance + EPSILON) * n->scale[c] + n->shift[c];
        }
}

static double loss_of_set(norm *n, uint32_t set)
{
    double loss = 0;
    forward_set(n, set);
    for (size_t i = 0; i < element_count(n); i++)
        if (set_of(n, i) == set)
            loss += n->y[i] * n->dy[i];
    return loss;
}

/* d loss / d *value by the difference of two losses; only `set` depends on it. */
static double slope(norm *n, double *value, uint32_t set)
{
    const double step = 1e-5, before = *value;
    *value = before + step;
    double up = loss_of_set(n, set);
    *value = before - step;
    double down = loss_of_set(n, set);
    *value = before;
    return (up - down) / (2 * step);
}

static double slope_over_sets(norm *n, double *value)
{
    double   sum = 0;
    uint32_t sets = n->groups ? n->batch * n->groups : n->channels;
    for (uint32_t set = 0; set < sets; set++)
        sum += slope(n, value, set);
    return sum;
}

typedef struct result {
    float y[MOST], dx[MOST], dscale[MOST], dshift[MOST], mean[MOST], inv_std[MOST], running_mean[MOST], running_var[MOST];
} result;

static void run_plain(const norm *n, const float *x, const float *scale, const float *shift, const float *dy, result *r)
{
    const mu_kernel_table *plain = mu_kernels_plain();
    mu_rows rows = { n->groups ? n->rows : (size_t)n->batch * n->rows, n->channels, n->channels };
    if (n->groups) {
        plain->group_norm_forward(n->batch, rows, n->groups, x, scale, shift, (float)EPSILON, r->mean, r->inv_std, n->channels, r->y);
        plain->group_norm_backward(n->batch, rows, n->groups, x, scale, r->mean, r->inv_std, n->channels, dy, r->dscale, r->dshift,
                                   n->channels, r->dx, false, false);
    } else {
        mu_batch_norm bn = { .scale = scale, .shift = shift, .epsilon = (float)EPSILON, .momentum = 0.1f, .running_mean = r->running_mean,
                             .running_var = r->running_var, .saved_mean = r->mean, .saved_inv_std = r->inv_std };
        plain->batch_norm_forward(&bn, rows, x, n->channels, r->y, NULL);
        plain->batch_norm_backward(&bn, rows, x, n->channels, dy, r->dscale, r->dshift, n->channels, r->dx, false, NULL);
    }
}

static void near(const char *what, double expected, float actual, double tolerance)
{
    if (!(fabs(expected - (double)actual) <= tolerance))
        fail_msg("%s is %.9g, in double %.12g, allowed %.3g", what, (double)actual, expected, tolerance);
}

static void fill(double *to, float *as_float, size_t count, double offset)
{
    for (size_t i = 0; i < count; i++) {
        as_float[i] = test_value(TEST_ORDINARY) + (float)offset;
        to[i] = as_float[i];
    }
}

static void check_norm(uint32_t batch, uint32_t rows, uint32_t channels, uint32_t groups)
{
    static norm   n;
    static result r;
    static float  x[MOST], scale[MOST], shift[MOST], dy[MOST];
    n = (norm){ .batch = batch, .rows = rows, .channels = channels, .groups = groups };
    assert_true(element_count(&n) <= MOST);
    fill(n.x, x, element_count(&n), 3.0);
    fill(n.dy, dy, element_count(&n), 0.0);
    fill(n.scale, scale, channels, 0.0);
    fill(n.shift, shift, channels, 0.0);
    for (uint32_t c = 0; c < channels; c++) {
        r.running_mean[c] = 5.0f;
        r.running_var[c] = 7.0f;
    }
    run_plain(&n, x, scale, shift, dy, &r);
    uint32_t sets = groups ? batch * groups : channels;
    double   count = (double)element_count(&n) / sets;
    for (uint32_t set = 0; set < sets; set++) {
        double mean, variance;
        statistics(&n, set, &mean, &variance);
        near("mean", mean, r.mean[set], 1e-6 * 3);
        near("1 / deviation", 1 / sqrt(variance + EPSILON), r.inv_std[set], 1e-6 / sqrt(variance + EPSILON));
        if (groups == 0) {
            near("running mean", 0.9 * 5.0 + 0.1 * mean, r.running_mean[set], 1e-5);
            near("running variance", 0.9 * 7.0 + 0.1 * variance * count / (count - 1), r.running_var[set], 1e-5);
        }
        forward_set(&n, set);
    }
    /* The mean, about 3, is rounded to float, and x - mean is exact or nearly: an error of 3 * 2^-24 / deviation, and a few
     * roundings. */
    for (size_t i = 0; i < element_count(&n); i++) {
        double size = (double)r.inv_std[set_of(&n, i)] * fabs(n.scale[i % channels]);
        near("y", n.y[i], r.y[i], 1e-6 * (size + fabs(n.y[i])) + 1e-6);
    }
    for (size_t i = 0; i < element_count(&n); i += 1 + element_count(&n) / 60)
        near("dx", slope(&n, &n.x[i], set_of(&n, i)), r.dx[i], 1e-5 * (1 + (double)r.inv_std[set_of(&n, i)]));
    for (uint32_t c = 0; c < channels; c += 1 + channels / 10) {
        near("dscale", slope_over_sets(&n, &n.scale[c]), r.dscale[c], 1e-5 * batch * rows);
        near("dshift", slope_over_sets(&n, &n.shift[c]), r.dshift[c], 1e-5 * batch * rows);
    }
}

static void batch_norm(void **state)
{
    (void)state;
    test_seed(31);
    check_norm(1, 2, 3, 0);
    check_norm(4, 9, 5, 0);
    check_norm(2, 7, 70, 0);
    check_norm(3, 4, 130, 0);
}

static void group_norm(void **state)
{
    (void)state;
    test_seed(32);
    check_norm(1, 4, 1, 1);
    check_norm(3, 5, 6, 2);
    check_norm(2, 3, 12, 12);
    check_norm(2, 3, 130, 1);
    check_norm(1, 3, 140, 2);
    check_norm(2, 2, 150, 75);
}

/* An activation in the same pass gives what it gives behind the norm, forward and backward. */
static void batch_norm_with_activation(void **state)
{
    (void)state;
    enum { ROWS = 40, WIDTH = 5, COUNT = ROWS * WIDTH };
    static const mu_activation kinds[] = { MU_ACTIVATION_RELU, MU_ACTIVATION_RELU6 };
    const mu_kernel_table *plain = mu_kernels_plain();
    const mu_rows rows = { ROWS, WIDTH, WIDTH };
    const float scale[WIDTH] = { 1, -2, 9, 0.5f, -7 }, shift[WIDTH] = { 0, 3, 1, -1, 6 };
    test_seed(33);
    for (size_t k = 0; k < MU_COUNT(kinds); k++) {
        float *x = test_filled(COUNT, TEST_ORDINARY), *dy = test_filled(COUNT, TEST_ORDINARY), *c = test_filled(6 * WIDTH, TEST_ORDINARY);
        float  y[COUNT], expected[COUNT], dx[COUNT], sums[2][2 * WIDTH];
        mu_batch_norm bn = { .scale = scale, .shift = shift, .epsilon = 1e-5f, .momentum = 0.1f, .running_mean = c,
                             .running_var = c + WIDTH, .saved_mean = c + 2 * WIDTH, .saved_inv_std = c + 3 * WIDTH };
        plain->batch_norm_forward(&bn, rows, x, WIDTH, expected, NULL);
        plain->activation_forward(kinds[k], rows, expected, WIDTH, expected);
        bn.activation = kinds[k];
        plain->batch_norm_forward(&bn, rows, x, WIDTH, y, NULL);
        test_equal("y", expected, y, COUNT);
        plain->batch_norm_backward(&bn, rows, x, WIDTH, dy, sums[0], sums[0] + WIDTH, WIDTH, dx, false, NULL);
        plain->activation_backward(kinds[k], rows, y, WIDTH, dy, WIDTH, dy, false);
        bn.activation = MU_ACTIVATION_NONE;
        plain->batch_norm_backward(&bn, rows, x, WIDTH, dy, sums[1], sums[1] + WIDTH, WIDTH, expected, false, NULL);
        test_equal("dx", expected, dx, COUNT);
        test_equal("dscale and dshift", sums[1], sums[0], 2 * WIDTH);
        free(c);
        free(dy);
        free(x);
    }
}

/* Inference takes the running statistics; one row has no unbiased variance. */
static void inference_and_one_row(void **state)
{
    (void)state;
    const mu_kernel_table *plain = mu_kernels_plain();
    const float x[2] = { 5, 9 }, scale[1] = { 2 }, shift[1] = { 1 };
    float       y[2], mean[1] = { 3 }, variance[1] = { 4 };
    mu_batch_norm infer = { .scale = scale, .shift = shift, .running_mean = mean, .running_var = variance };
    plain->batch_norm_infer(&infer, (mu_rows){ 2, 1, 1 }, x, 1, y);
    assert_memory_equal(y, ((const float[]){ 3, 7 }), sizeof y);
    float running_mean[1] = { 1 }, running_var[1] = { 1 }, saved_mean[1], saved_inv_std[1];
    mu_batch_norm train = { .scale = scale, .shift = shift, .epsilon = 0.25f, .momentum = 0.5f, .running_mean = running_mean,
                            .running_var = running_var, .saved_mean = saved_mean, .saved_inv_std = saved_inv_std };
    plain->batch_norm_forward(&train, (mu_rows){ 1, 1, 1 }, x, 1, y, NULL);
    assert_float_equal(y[0], 1.0f, 0.0f);
    assert_float_equal(saved_inv_std[0], 2.0f, 0.0f);
    assert_float_equal(running_mean[0], 3.0f, 0.0f);
    assert_float_equal(running_var[0], 0.5f, 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(batch_norm), cmocka_unit_test(group_norm),
                                        cmocka_unit_test(batch_norm_with_activation), cmocka_unit_test(inference_and_one_row) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
