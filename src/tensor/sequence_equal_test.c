/* LSTM, GRU, embedding and layer norm: every vector table gives the bits of the plain one, and leaves the gaps alone. */
#include "tensor/kernels_test.h"

static const mu_kernel_table *tables[3];
static size_t table_count;

/* What one table makes of one recurrent layer, forward and backward. */
typedef struct run {
    float *gates, *state, *h, *d_gates, *d_state, *dw;
} run;

static run run_of(const mu_kernel_table *table, const mu_recurrence *r, bool last, const float *w, const float *bias, const float *in,
                  const float *dh)
{
    const size_t n = r->hidden, wide = (size_t)r->gates * n, rows = (size_t)r->batch * r->items;
    const size_t count = test_rows_floats(rows, (uint32_t)wide, r->gates_stride);
    float *work = test_work(table->recurrent_work_floats(r));
    run    out = { .gates = test_copy(in, count), .state = test_floats(rows * n), .h = test_floats(rows * n), .dw = test_floats(n * wide) };
    if (r->gates == 4)
        table->lstm_forward(r, w, bias, out.gates, out.state, out.h, work);
    else
        table->gru_forward(r, w, bias, out.gates, out.state, out.h, work);
    out.d_gates = test_copy(out.gates, count);
    out.d_state = test_copy(out.state, rows * n);
    if (r->gates == 4) {
        table->lstm_backward(r, last, w, out.state, dh, out.d_gates, work);
        table->recurrent_grad_weight(r, out.h, (uint32_t)wide, r->gates_stride, out.d_gates, wide, out.dw);
    } else {
        table->gru_backward(r, last, w, out.h, dh, out.d_gates, out.d_state, work);
        table->recurrent_grad_weight(r, out.h, 2 * r->hidden, r->gates_stride, out.d_gates, wide, out.dw);
        table->recurrent_grad_weight(r, out.h, r->hidden, n, out.d_state, wide, out.dw + 2 * n);
    }
    free(work);
    return out;
}

static void run_free(run *r)
{
    float *all[] = { r->gates, r->state, r->h, r->d_gates, r->d_state, r->dw };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]);
}

static void check_recurrence(mu_recurrence r, bool last, test_values values)
{
    const size_t   n = r.hidden, rows = (size_t)r.batch * r.items;
    const uint32_t wide = r.gates * r.hidden;
    float *w = test_filled(n * wide, values), *bias = test_filled(wide, values);
    float *in = test_output(rows, wide, r.gates_stride), *dh = test_filled((last ? r.batch : rows) * n, values);
    for (size_t i = 0; i < n * wide; i++)
        w[i] *= 0.3f;
    run plain = run_of(mu_kernels_plain(), &r, last, w, bias, in, dh);
    for (size_t t = 0; t < table_count; t++) {
        char text[128];
        snprintf(text, sizeof text, "%s, %u gates, %u x %u items, %u units", tables[t]->name, r.gates, r.batch, r.items, r.hidden);
        run mine = run_of(tables[t], &r, last, w, bias, in, dh);
        size_t count = test_rows_floats(rows, wide, r.gates_stride);
        test_equal(text, plain.gates, mine.gates, count);
        test_equal(text, plain.state, mine.state, rows * n);
        test_equal(text, plain.h, mine.h, rows * n);
        test_equal(text, plain.d_gates, mine.d_gates, count);
        test_equal(text, plain.d_state, mine.d_state, rows * n);
        test_equal(text, plain.dw, mine.dw, n * wide);
        test_gaps_untouched(text, mine.d_gates, rows, wide, r.gates_stride);
        run_free(&mine);
    }
    run_free(&plain);
    float *all[] = { w, bias, in, dh };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]);
}

static void recurrences(void **state)
{
    (void)state;
    test_seed(71);
    for (int i = 0; i < 200; i++) {
        mu_recurrence r = { .batch = TEST_PICK(1, 2, 3, 10, 11, 12, 13, 25), .items = 1 + test_below(6), .gates = i % 2 ? 3 : 4,
                            .hidden = TEST_PICK(1, 2, 5, 8, 15, 16, 17, 31, 32, 33, 48, 65) };
        r.gates_stride = (size_t)r.gates * r.hidden + TEST_PICK(0, 1, 16);
        check_recurrence(r, test_coin(), (test_values)(i % TEST_VALUES_COUNT));
    }
    check_recurrence((mu_recurrence){ 2, 3, 400, 4, 1616, false }, false, TEST_ORDINARY); /* a walk in several parts */
    check_recurrence((mu_recurrence){ 200, 2, 9, 3, 27, false }, false, TEST_ORDINARY);   /* several blocks of rows */
}

static void embedding(void **state)
{
    (void)state;
    test_seed(72);
    for (int i = 0; i < 100; i++) {
        size_t   rows = test_below(50);
        uint32_t channels = 1 + test_below(40), symbols = 1 + test_below(20);
        float   *ids = test_floats(rows), *table = test_filled((size_t)symbols * channels, (test_values)(i % TEST_VALUES_COUNT));
        float   *dy = test_filled(rows * channels, (test_values)(i % TEST_VALUES_COUNT));
        float   *y[2] = { test_floats(rows * channels), test_floats(rows * channels) };
        float   *d[2] = { test_floats((size_t)symbols * channels), test_floats((size_t)symbols * channels) };
        for (size_t k = 0; k < rows; k++)
            ids[k] = (float)test_below(symbols);
        mu_kernels_plain()->embedding_forward(rows, channels, ids, table, y[0]);
        mu_kernels_plain()->embedding_backward(rows, channels, symbols, ids, dy, d[0], false);
        for (size_t t = 0; t < table_count; t++) {
            tables[t]->embedding_forward(rows, channels, ids, table, y[1]);
            tables[t]->embedding_backward(rows, channels, symbols, ids, dy, d[1], false);
            test_equal("embedding", y[0], y[1], rows * channels);
            test_equal("embedding backward", d[0], d[1], (size_t)symbols * channels);
        }
        float *all[] = { ids, table, dy, y[0], y[1], d[0], d[1] };
        for (size_t k = 0; k < MU_COUNT(all); k++)
            free(all[k]);
    }
}

/* A batch that comes in two parts: the gradients of weights have the bits of the whole. */
static void in_parts(void **state)
{
    (void)state;
    test_seed(75);
    for (int i = 0; i < 100; i++) {
        mu_recurrence  r = { .batch = 2 + test_below(20), .items = 1 + test_below(6), .gates = 4, .hidden = 1 + test_below(40) };
        const uint32_t first = 1 + test_below(r.batch - 1), columns = 1 + test_below(70), batch = r.batch;
        const size_t   n = r.hidden, rows = (size_t)batch * r.items, before = (size_t)first * r.items;
        float *h = test_filled(rows * n, TEST_ORDINARY), *d = test_filled(rows * columns, TEST_ORDINARY), *ids = test_floats(rows);
        float *mean = test_filled(rows, TEST_ORDINARY), *whole = test_floats(n * columns), *part = test_floats(n * columns);
        for (size_t k = 0; k < rows; k++)
            ids[k] = (float)test_below(r.hidden);
        for (size_t t = 0; t <= table_count; t++) {
            const mu_kernel_table *table = t ? tables[t - 1] : mu_kernels_plain();
            r.resume = false;
            r.batch = batch;
            table->recurrent_grad_weight(&r, h, columns, columns, d, columns, whole);
            r.batch = first;
            table->recurrent_grad_weight(&r, h, columns, columns, d, columns, part);
            r.resume = true;
            r.batch = batch - first;
            table->recurrent_grad_weight(&r, h + before * n, columns, columns, d + before * columns, columns, part);
            test_equal("recurrent weights in parts", whole, part, n * columns);
            table->embedding_backward(rows, columns, r.hidden, ids, d, whole, false);
            table->embedding_backward(before, columns, r.hidden, ids, d, part, false);
            table->embedding_backward(rows - before, columns, r.hidden, ids + before, d + before * columns, part, true);
            test_equal("embedding in parts", whole, part, n * columns);
            float   scale[2][70], shift[2][70];
            mu_rows all = { rows, columns, columns }, head = { before, columns, columns }, rest = { rows - before, columns, columns };
            table->layer_norm_backward(all, d, d, mean, mean, columns, d, scale[0], shift[0], columns, NULL, false, false);
            table->layer_norm_backward(head, d, d, mean, mean, columns, d, scale[1], shift[1], columns, NULL, false, false);
            table->layer_norm_backward(rest, d + before * columns, d, mean + before, mean + before, columns, d + before * columns, scale[1],
                                       shift[1], columns, NULL, false, true);
            test_equal("layer norm's scale in parts", scale[0], scale[1], columns);
            test_equal("layer norm's shift in parts", shift[0], shift[1], columns);
        }
        float *all[] = { h, d, ids, mean, whole, part };
        for (size_t k = 0; k < MU_COUNT(all); k++)
            free(all[k]);
    }
}

enum { LAYER_NORM_OUTPUTS = 6 };

/* The table's outputs: y, dx, mean, inv_std, dscale, dshift, each a copy of what was there before. */
static void run_layer_norm(const mu_kernel_table *table, mu_rows rows, size_t other, const float *x, const float *dy, const float *scale,
                           bool accumulate, bool resume, float *const out[LAYER_NORM_OUTPUTS])
{
    table->layer_norm_forward(rows, x, scale, scale, 1e-5f, out[2], out[3], other, out[0]);
    table->layer_norm_backward(rows, x, scale, out[2], out[3], other, dy, out[4], out[5], rows.stride, out[1], accumulate, resume);
}

static void layer_norms(void **state)
{
    (void)state;
    test_seed(73);
    for (int i = 0; i < 200; i++) {
        mu_rows rows = { .rows = test_below(12), .channels = TEST_PICK(1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 64, 100, 130) };
        rows.stride = rows.channels + TEST_PICK(0, 0, 1, 16);
        size_t other = rows.channels + TEST_PICK(0, 3);
        bool   accumulate = test_coin(), resume = test_coin();
        float *x = test_rows(rows.rows, rows.channels, rows.stride, (test_values)(i % TEST_VALUES_COUNT));
        float *dy = test_rows(rows.rows, rows.channels, other, (test_values)(i % TEST_VALUES_COUNT));
        float *scale = test_filled(rows.channels, TEST_ORDINARY), *before[LAYER_NORM_OUTPUTS];
        const struct { size_t rows, stride; uint32_t channels; } shapes[] = {
            { rows.rows, other, rows.channels }, { rows.rows, rows.stride, rows.channels }, { rows.rows, 1, 1 }, { rows.rows, 1, 1 },
            { 1, rows.channels, rows.channels }, { 1, rows.channels, rows.channels },
        };
        float *expected[LAYER_NORM_OUTPUTS], *actual[LAYER_NORM_OUTPUTS];
        for (size_t k = 0; k < LAYER_NORM_OUTPUTS; k++) {
            before[k] = test_output(shapes[k].rows, shapes[k].channels, shapes[k].stride);
            expected[k] = test_copy(before[k], test_rows_floats(shapes[k].rows, shapes[k].channels, shapes[k].stride));
        }
        run_layer_norm(mu_kernels_plain(), rows, other, x, dy, scale, accumulate, resume, expected);
        for (size_t t = 0; t < table_count; t++) {
            for (size_t k = 0; k < LAYER_NORM_OUTPUTS; k++)
                actual[k] = test_copy(before[k], test_rows_floats(shapes[k].rows, shapes[k].channels, shapes[k].stride));
            run_layer_norm(tables[t], rows, other, x, dy, scale, accumulate, resume, actual);
            for (size_t k = 0; k < LAYER_NORM_OUTPUTS; k++) {
                test_equal("layer norm", expected[k], actual[k], test_rows_floats(shapes[k].rows, shapes[k].channels, shapes[k].stride));
                test_gaps_untouched("layer norm", actual[k], shapes[k].rows, shapes[k].channels, shapes[k].stride);
                free(actual[k]);
            }
        }
        for (size_t k = 0; k < LAYER_NORM_OUTPUTS; k++) {
            free(expected[k]);
            free(before[k]);
        }
        free(scale);
        free(dy);
        free(x);
    }
}

/* y may be x, and dx may be dy. */
static void layer_norm_in_place(void **state)
{
    (void)state;
    test_seed(74);
    enum { ROWS = 5, WIDTH = 70, COUNT = ROWS * WIDTH };
    mu_rows rows = { ROWS, WIDTH, WIDTH };
    for (size_t t = 0; t <= table_count; t++) {
        const mu_kernel_table *table = t ? tables[t - 1] : mu_kernels_plain();
        float *x = test_filled(COUNT, TEST_ORDINARY), *dy = test_filled(COUNT, TEST_ORDINARY), *scale = test_filled(WIDTH, TEST_ORDINARY);
        float *apart = test_floats(COUNT), *same = test_copy(x, COUNT), mean[ROWS], inv_std[ROWS], first[WIDTH], second[WIDTH];
        table->layer_norm_forward(rows, x, scale, scale, 1e-5f, mean, inv_std, WIDTH, apart);
        table->layer_norm_forward(rows, same, scale, scale, 1e-5f, mean, inv_std, WIDTH, same);
        test_equal("layer norm in place", apart, same, COUNT);
        memcpy(same, dy, COUNT * sizeof(float));
        table->layer_norm_backward(rows, x, scale, mean, inv_std, WIDTH, dy, first, second, WIDTH, apart, false, false);
        table->layer_norm_backward(rows, x, scale, mean, inv_std, WIDTH, same, first, second, WIDTH, same, false, false);
        test_equal("layer norm backward in place", apart, same, COUNT);
        float *all[] = { x, dy, scale, apart, same };
        for (size_t i = 0; i < MU_COUNT(all); i++)
            free(all[i]);
    }
}

int main(void)
{
    table_count = test_vector_tables(tables);
    if (table_count == 0) {
        printf("skipped: no vector table for this processor\n");
        return 0;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(recurrences), cmocka_unit_test(embedding), cmocka_unit_test(layer_norms),
                                        cmocka_unit_test(layer_norm_in_place), cmocka_unit_test(in_parts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
