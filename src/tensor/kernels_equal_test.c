/* Everything but convolution and matrix product: every vector table gives the bits of the plain one, and leaves the gaps alone. */
#include "tensor/kernels_test.h"

static const mu_kernel_table *tables[3];
static size_t table_count;

static const char *text_of(const mu_kernel_table *table, const char *entry, size_t rows, uint32_t channels)
{
    static char text[128];
    snprintf(text, sizeof text, "%s %s, %zu rows of %u", table->name, entry, rows, channels);
    return text;
}

/* A matrix that a kernel writes: one copy for the reference, one for the table on trial. */
typedef struct output {
    size_t   rows, stride, count;
    uint32_t channels;
    float   *before, *expected, *actual;
} output;

static output output_of(size_t rows, uint32_t channels, size_t stride)
{
    output o = { .rows = rows, .stride = stride, .channels = channels, .count = test_rows_floats(rows, channels, stride) };
    o.before = test_output(rows, channels, stride);
    o.expected = test_copy(o.before, o.count);
    o.actual = test_copy(o.before, o.count);
    return o;
}

static void output_again(output *o)
{
    memcpy(o->actual, o->before, o->count * sizeof(float));
}

static void output_check(const mu_kernel_table *table, const char *entry, const output *o)
{
    const char *text = text_of(table, entry, o->rows, o->channels);
    test_equal(text, o->expected, o->actual, o->count);
    test_gaps_untouched(text, o->actual, o->rows, o->channels, o->stride);
}

static void output_free(output *o)
{
    free(o->actual);
    free(o->expected);
    free(o->before);
}

static uint32_t any_channels(void)
{
    return TEST_PICK(1, 2, 3, 5, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 130);
}

static size_t any_gap(void)
{
    return TEST_PICK(0, 0, 1, 7, 16);
}

static void elementwise(void **state)
{
    (void)state;
    test_seed(11);
    for (int i = 0; i < 400; i++) {
        mu_activation kind = (mu_activation)(i % MU_ACTIVATION_COUNT);
        test_values   values = (test_values)(i % TEST_VALUES_COUNT);
        mu_rows rows = { .rows = test_below(20), .channels = any_channels() };
        rows.stride = rows.channels + any_gap();
        size_t b_stride = rows.channels + any_gap(), y_stride = rows.channels + any_gap();
        float *a = test_rows(rows.rows, rows.channels, rows.stride, values);
        float *b = test_rows(rows.rows, rows.channels, b_stride, values);
        output o[4];
        bool   accumulate = test_coin();
        for (size_t k = 0; k < 4; k++)
            o[k] = output_of(rows.rows, rows.channels, y_stride);
        for (size_t k = 0; i % 5 == 0 && k < test_rows_floats(rows.rows, rows.channels, rows.stride); k++)
            a[k] *= 40.0f; /* where exp and tanh end */
        mu_kernels_plain()->activation_forward(kind, rows, a, y_stride, o[0].expected);
        mu_kernels_plain()->activation_backward(kind, rows, a, b_stride, b, y_stride, o[1].expected, accumulate);
        mu_kernels_plain()->add(rows, a, b_stride, b, y_stride, o[2].expected);
        mu_kernels_plain()->copy(rows, a, y_stride, o[3].expected, accumulate);
        for (size_t t = 0; t < table_count; t++) {
            for (size_t k = 0; k < 4; k++)
                output_again(&o[k]);
            tables[t]->activation_forward(kind, rows, a, y_stride, o[0].actual);
            tables[t]->activation_backward(kind, rows, a, b_stride, b, y_stride, o[1].actual, accumulate);
            tables[t]->add(rows, a, b_stride, b, y_stride, o[2].actual);
            tables[t]->copy(rows, a, y_stride, o[3].actual, accumulate);
            output_check(tables[t], "activation forward", &o[0]);
            output_check(tables[t], "activation backward", &o[1]);
            output_check(tables[t], "add", &o[2]);
            output_check(tables[t], "copy", &o[3]);
        }
        for (size_t k = 0; k < 4; k++)
            output_free(&o[k]);
        free(b);
        free(a);
    }
}

/* What may be done in place gives the same there. */
static void in_place(void **state)
{
    (void)state;
    test_seed(12);
    for (size_t t = 0; t < table_count; t++)
        for (int kind = 0; kind < MU_ACTIVATION_COUNT; kind++) {
            mu_rows rows = { .rows = 3, .channels = 37, .stride = 40 };
            size_t  count = test_rows_floats(3, 37, 40);
            float  *x = test_output(3, 37, 40), *dy = test_output(3, 37, 40);
            float  *apart = test_output(3, 37, 40), *same = test_copy(x, count);
            tables[t]->activation_forward((mu_activation)kind, rows, x, 40, apart);
            tables[t]->activation_forward((mu_activation)kind, rows, same, 40, same);
            test_equal("activation in place", apart, same, count);
            memcpy(same, dy, count * sizeof(float));
            tables[t]->activation_backward((mu_activation)kind, rows, x, 40, dy, 40, apart, false);
            tables[t]->activation_backward((mu_activation)kind, rows, x, 40, same, 40, same, false);
            test_equal("activation backward in place", apart, same, count);
            memcpy(same, dy, count * sizeof(float));
            tables[t]->add(rows, x, 40, dy, 40, apart);
            tables[t]->add(rows, x, 40, same, 40, same);
            test_equal("add in place", apart, same, count);
            free(same);
            free(apart);
            free(dy);
            free(x);
        }
}

/* Norms write over x forward and over dy backward. */
static void norms_in_place(void **state)
{
    (void)state;
    test_seed(18);
    enum { ROWS = 9, WIDTH = 70, COUNT = ROWS * WIDTH };
    mu_rows rows = { ROWS, WIDTH, WIDTH };
    for (size_t t = 0; t <= table_count; t++) {
        const mu_kernel_table *table = t ? tables[t - 1] : mu_kernels_plain();
        float *x = test_filled(COUNT, TEST_ORDINARY), *dy = test_filled(COUNT, TEST_ORDINARY), *scale = test_filled(WIDTH, TEST_ORDINARY);
        float *apart = test_floats(COUNT), *same = test_copy(x, COUNT), *c = test_filled(6 * WIDTH, TEST_ORDINARY);
        float *mean = c, *inv_std = c + WIDTH, *first = c + 2 * WIDTH, *second = c + 3 * WIDTH;
        mu_batch_norm norm = { .scale = scale, .shift = scale, .epsilon = 1e-5f, .momentum = 0.1f, .activation = MU_ACTIVATION_RELU,
                               .running_mean = first, .running_var = second, .saved_mean = mean, .saved_inv_std = inv_std };
        float *work = test_work(table->batch_norm_work_floats(WIDTH));
        table->batch_norm_forward(&norm, rows, x, WIDTH, apart, work);
        table->batch_norm_forward(&norm, rows, same, WIDTH, same, work);
        test_equal("batch norm in place", apart, same, COUNT);
        memcpy(same, dy, COUNT * sizeof(float));
        table->batch_norm_backward(&norm, rows, x, WIDTH, dy, first, second, WIDTH, apart, false, work);
        table->batch_norm_backward(&norm, rows, x, WIDTH, same, first, second, WIDTH, same, false, work);
        test_equal("batch norm backward in place", apart, same, COUNT);
        memcpy(same, x, COUNT * sizeof(float));
        table->group_norm_forward(1, rows, 7, x, scale, scale, 1e-5f, mean, inv_std, WIDTH, apart);
        table->group_norm_forward(1, rows, 7, same, scale, scale, 1e-5f, mean, inv_std, WIDTH, same);
        test_equal("group norm in place", apart, same, COUNT);
        memcpy(same, dy, COUNT * sizeof(float));
        table->group_norm_backward(1, rows, 7, x, scale, mean, inv_std, WIDTH, dy, first, second, WIDTH, apart, false, false);
        table->group_norm_backward(1, rows, 7, x, scale, mean, inv_std, WIDTH, same, first, second, WIDTH, same, false, false);
        test_equal("group norm backward in place", apart, same, COUNT);
        float *all[] = { x, dy, scale, apart, same, c, work };
        for (size_t i = 0; i < MU_COUNT(all); i++)
            free(all[i]);
    }
}

static void check_pool(const mu_pool2d *p, test_values values, bool relu, bool accumulate)
{
    size_t   in_pixels = (size_t)p->batch * p->in_height * p->in_width;
    size_t   out_pixels = (size_t)p->batch * p->out_height * p->out_width, winners = out_pixels * p->channels;
    float   *x = test_rows(in_pixels, p->channels, p->in_stride, values);
    float   *dy = test_rows(out_pixels, p->channels, p->out_stride, values);
    uint8_t *expected = test_alloc(winners), *actual = test_alloc(winners);
    output   o[4];
    for (size_t k = 0; k < 4; k++)
        o[k] = k < 2 ? output_of(out_pixels, p->channels, p->out_stride) : output_of(in_pixels, p->channels, p->in_stride);
    const mu_kernel_table *plain = mu_kernels_plain();
    plain->max_pool_forward(p, x, relu, o[0].expected, expected);
    plain->average_pool_forward(p, x, o[1].expected);
    plain->max_pool_backward(p, dy, expected, o[2].expected, accumulate);
    plain->average_pool_backward(p, dy, o[3].expected, accumulate);
    for (size_t t = 0; t < table_count; t++) {
        for (size_t k = 0; k < 4; k++)
            output_again(&o[k]);
        tables[t]->max_pool_forward(p, x, relu, o[0].actual, actual);
        assert_memory_equal(expected, actual, winners);
        tables[t]->average_pool_forward(p, x, o[1].actual);
        tables[t]->max_pool_backward(p, dy, actual, o[2].actual, accumulate);
        tables[t]->average_pool_backward(p, dy, o[3].actual, accumulate);
        output_check(tables[t], "max pool forward", &o[0]);
        output_check(tables[t], "average pool forward", &o[1]);
        output_check(tables[t], "max pool backward", &o[2]);
        output_check(tables[t], "average pool backward", &o[3]);
    }
    for (size_t k = 0; k < 4; k++)
        output_free(&o[k]);
    free(actual);
    free(expected);
    free(dy);
    free(x);
}

static void pooling(void **state)
{
    (void)state;
    test_seed(13);
    for (int i = 0; i < 300; i++) {
        mu_pool2d p = { .batch = TEST_PICK(1, 2, 3), .in_height = 1 + test_below(17), .in_width = 1 + test_below(17),
                        .channels = any_channels(), .stride_h = TEST_PICK(1, 2, 3), .stride_w = TEST_PICK(1, 2, 3) };
        p.kernel_h = 1 + test_below(p.in_height < 5 ? p.in_height : 5);
        p.kernel_w = i % 10 == 0 && p.in_width * p.kernel_h <= 256 ? p.in_width : 1 + test_below(p.in_width < 5 ? p.in_width : 5);
        if (i % 3 == 0) { /* side by side */
            p.stride_h = p.kernel_h;
            p.stride_w = p.kernel_w;
        } else {
            p.pad_h = test_below(p.kernel_h);
            p.pad_w = test_below(p.kernel_w);
        }
        p.out_height = (p.in_height + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1;
        p.out_width = (p.in_width + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1;
        p.in_stride = p.channels + any_gap();
        p.out_stride = p.channels + any_gap();
        check_pool(&p, (test_values)(i % TEST_VALUES_COUNT), p.kernel_h * p.kernel_w < 256 && test_coin(), test_coin());
    }
}

enum { PER_CHANNEL = 6 };

static void check_batch_norm(mu_rows rows, size_t other, mu_activation activation, test_values values, bool accumulate)
{
    float *x = test_rows(rows.rows, rows.channels, rows.stride, values);
    float *dy = test_rows(rows.rows, rows.channels, other, values);
    float *scale = test_filled(rows.channels, TEST_ORDINARY), *shift = test_filled(rows.channels, TEST_ORDINARY);
    output y = output_of(rows.rows, rows.channels, other), z = output_of(rows.rows, rows.channels, other);
    output dx = output_of(rows.rows, rows.channels, rows.stride);
    output c[PER_CHANNEL]; /* running mean and variance, saved mean and inv_std, dscale, dshift */
    for (size_t k = 0; k < PER_CHANNEL; k++)
        c[k] = output_of(1, rows.channels, rows.channels);
    for (uint32_t i = 0; i < rows.channels; i++)
        c[1].before[i] = c[1].expected[i] = fabsf(c[1].before[i]);
    for (size_t t = 0; t <= table_count; t++) {
        const mu_kernel_table *table = t ? tables[t - 1] : mu_kernels_plain();
        float *work = test_work(table->batch_norm_work_floats(rows.channels));
        output *all[] = { &y, &z, &dx, &c[0], &c[1], &c[2], &c[3], &c[4], &c[5] };
        float  *to[9];
        for (size_t k = 0; k < 9; k++) {
            output_again(all[k]);
            to[k] = t ? all[k]->actual : all[k]->expected;
        }
        mu_batch_norm norm = { .scale = scale, .shift = shift, .epsilon = 1e-5f, .momentum = 0.1f, .activation = activation,
                               .running_mean = to[3], .running_var = to[4], .saved_mean = to[5], .saved_inv_std = to[6] };
        table->batch_norm_forward(&norm, rows, x, other, to[0], work);
        table->batch_norm_infer(&norm, rows, x, other, to[1]);
        table->batch_norm_backward(&norm, rows, x, other, dy, to[7], to[8], rows.stride, to[2], accumulate, work);
        free(work);
        for (size_t k = 0; t && k < 9; k++)
            output_check(table, "batch norm", all[k]);
    }
    for (size_t k = 0; k < PER_CHANNEL; k++)
        output_free(&c[k]);
    output_free(&dx);
    output_free(&z);
    output_free(&y);
    free(shift);
    free(scale);
    free(dy);
    free(x);
}

static void check_group_norm(uint32_t batch, uint32_t groups, mu_rows rows, size_t other, bool accumulate)
{
    size_t all_rows = batch * rows.rows;
    float *x = test_rows(all_rows, rows.channels, rows.stride, TEST_ORDINARY);
    float *dy = test_rows(all_rows, rows.channels, other, TEST_ORDINARY);
    float *scale = test_filled(rows.channels, TEST_ORDINARY), *shift = test_filled(rows.channels, TEST_ORDINARY);
    output o[6] = { output_of(all_rows, rows.channels, other), output_of(all_rows, rows.channels, rows.stride),
                    output_of(batch, groups, groups), output_of(batch, groups, groups), output_of(1, rows.channels, rows.channels),
                    output_of(1, rows.channels, rows.channels) };
    for (size_t t = 0; t <= table_count; t++) {
        const mu_kernel_table *table = t ? tables[t - 1] : mu_kernels_plain();
        float *to[6];
        for (size_t k = 0; k < 6; k++) {
            output_again(&o[k]);
            to[k] = t ? o[k].actual : o[k].expected;
        }
        table->group_norm_forward(batch, rows, groups, x, scale, shift, 1e-5f, to[2], to[3], other, to[0]);
        table->group_norm_backward(batch, rows, groups, x, scale, to[2], to[3], other, dy, to[4], to[5], rows.stride, to[1],
                                   accumulate, false);
        for (size_t k = 0; t && k < 6; k++)
            output_check(table, "group norm", &o[k]);
    }
    for (size_t k = 0; k < 6; k++)
        output_free(&o[k]);
    free(shift);
    free(scale);
    free(dy);
    free(x);
}

static void norms(void **state)
{
    (void)state;
    test_seed(14);
    for (int i = 0; i < 150; i++) {
        mu_rows rows = { .rows = 1 + test_below(40), .channels = any_channels() };
        rows.stride = rows.channels + any_gap();
        static const mu_activation activations[] = { MU_ACTIVATION_NONE, MU_ACTIVATION_RELU, MU_ACTIVATION_RELU6 };
        if (i % 10 == 9)
            rows.rows += 500; /* more than one block of them */
        check_batch_norm(rows, rows.channels + any_gap(), activations[i % 3], (test_values)(i / 3 % TEST_VALUES_COUNT), test_coin());
        rows.rows = 1 + test_below(40);
        uint32_t groups = TEST_PICK(1, 2, 3, 8, 32, 70);
        rows.channels = groups * TEST_PICK(1, 2, 3, 7, 16, 65);
        rows.stride = rows.channels + any_gap();
        check_group_norm(TEST_PICK(1, 2, 3), groups, rows, rows.channels + any_gap(), test_coin());
    }
}

/* All that a loss may have, or nothing of it. */
static void check_loss(mu_loss loss, size_t rows, test_values values, bool round)
{
    const uint32_t classes = loss.classes;
    float   *x = test_rows(rows, classes, loss.stride, values), *teacher = test_rows(rows, classes, loss.stride, values);
    bool    *held = test_alloc(classes);
    int32_t *labels = test_alloc(rows * sizeof *labels);
    uint8_t *correct[2] = { test_alloc(rows), test_alloc(rows) };
    output   dx = output_of(rows, classes, loss.stride), losses = output_of(rows, 1, 1);
    for (uint32_t k = 0; k < classes; k++)
        held[k] = test_coin();
    for (size_t r = 0; r < rows; r++) {
        labels[r] = (int32_t)test_below(classes);
        for (uint32_t k = 0; round && k < classes; k++) /* ties, and exponents out of range */
            x[r * loss.stride + k] = roundf(x[r * loss.stride + k] * (test_coin() ? 1.0f : 50.0f));
    }
    loss.held = test_coin() ? held : NULL;
    loss.teacher = test_coin() ? teacher : NULL;
    mu_kernels_plain()->softmax_cross_entropy(&loss, rows, x, labels, dx.expected, losses.expected, correct[0]);
    for (size_t t = 0; t < table_count; t++) {
        output_again(&dx);
        tables[t]->softmax_cross_entropy(&loss, rows, x, labels, dx.actual, losses.actual, correct[1]);
        output_check(tables[t], "logits' gradient", &dx);
        output_check(tables[t], "losses", &losses);
        assert_memory_equal(correct[0], correct[1], rows);
        output_again(&losses);
        tables[t]->softmax_cross_entropy(&loss, rows, x, labels, NULL, losses.actual, correct[1]);
        output_check(tables[t], "losses alone", &losses);
    }
    output_free(&losses);
    output_free(&dx);
    void *const all[] = { correct[1], correct[0], labels, held, teacher, x };
    for (size_t k = 0; k < MU_COUNT(all); k++)
        free(all[k]);
}

static void loss(void **state)
{
    (void)state;
    test_seed(15);
    for (int i = 0; i < 400; i++) {
        mu_loss l = { .classes = 1 + TEST_PICK(0, 1, 9, 15, 16, 17, 61, 99, 999), .gradient_scale = 0.1f };
        l.stride = l.classes + any_gap();
        l.label_weight = (float)TEST_PICK(0, 1, 2) / 2;
        l.teacher_weight = (float)TEST_PICK(0, 1, 3) / 3;
        l.inverse_temperature = 1 / (float)TEST_PICK(1, 1, 3, 20);
        check_loss(l, test_below(12), (test_values)(i % TEST_VALUES_COUNT), i % 2);
    }
}

static void run_flat(const mu_kernel_table *table, size_t count, int variant, const float *x, const float *y, float *const to[9],
                     double *norm)
{
    mu_sgd sgd = { .learning_rate = 0.1f, .momentum = 0.9f, .weight_decay = variant & 1 ? 0.01f : 0.0f,
                   .dampening = variant & 2 ? 0.1f : 0.0f, .nesterov = variant & 4, .first_step = variant & 8 };
    mu_adam adam = { .learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = variant & 1 ? 0.01 : 0.0,
                     .decoupled = variant & 2, .correction1 = 0.19, .correction2 = 0.001999 };
    table->sgd(&sgd, count, x, variant & 16 ? NULL : to[0], to[1]);
    for (size_t i = 0; i < count; i++)
        to[3][i] = fabsf(y[i]);
    table->adam(&adam, count, x, to[2], to[3], to[4]);
    table->axpy(count, 0.3f, x, to[5]);
    table->mean_step(count, 0.3f, x, to[6]);
    table->multiply(count, x, y, to[7], variant & 1);
    table->scale(count, 0.3f, to[8]);
    *norm = table->squared_norm(count, x);
}

static void flat_vectors(void **state)
{
    (void)state;
    test_seed(16);
    for (int i = 0; i < 300; i++) {
        size_t count = i % 30 == 0 ? 10000 + test_below(20) : test_below(200);
        float *x = test_filled(count, (test_values)(i % TEST_VALUES_COUNT)), *y = test_filled(count, TEST_ORDINARY);
        output o[9];
        for (size_t k = 0; k < 9; k++)
            o[k] = output_of(1, (uint32_t)count, count ? count : 1);
        double norm[2] = { 0 };
        for (size_t t = 0; t <= table_count; t++) {
            const mu_kernel_table *table = t ? tables[t - 1] : mu_kernels_plain();
            float *to[9];
            for (size_t k = 0; k < 9; k++) {
                output_again(&o[k]);
                to[k] = t ? o[k].actual : o[k].expected;
            }
            run_flat(table, count, i, x, y, to, &norm[t != 0]);
            for (size_t k = 0; t && k < 9; k++)
                output_check(table, "flat vectors", &o[k]);
            assert_true(t == 0 || memcmp(&norm[0], &norm[1], sizeof norm[0]) == 0 || (isnan(norm[0]) && isnan(norm[1])));
        }
        for (size_t k = 0; k < 9; k++)
            output_free(&o[k]);
        free(y);
        free(x);
    }
}

static void sums_of_rows(void **state)
{
    (void)state;
    test_seed(17);
    for (int i = 0; i < 200; i++) {
        mu_rows rows = { .rows = test_below(50), .channels = any_channels() };
        rows.stride = rows.channels + any_gap();
        float *x = test_rows(rows.rows, rows.channels, rows.stride, (test_values)(i % TEST_VALUES_COUNT));
        output sums = output_of(1, rows.channels, rows.channels);
        mu_kernels_plain()->sum_rows(rows, x, sums.expected, false);
        for (size_t t = 0; t < table_count; t++) {
            output_again(&sums);
            tables[t]->sum_rows(rows, x, sums.actual, false);
            output_check(tables[t], "sum of rows", &sums);
        }
        output_free(&sums);
        free(x);
    }
}

int main(void)
{
    table_count = test_vector_tables(tables);
    if (table_count == 0) {
        printf("skipped: no vector table for this processor\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise), cmocka_unit_test(in_place),     cmocka_unit_test(pooling),      cmocka_unit_test(norms),
        cmocka_unit_test(norms_in_place), cmocka_unit_test(loss),  cmocka_unit_test(sums_of_rows), cmocka_unit_test(flat_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
