/* The plain kernels of sequences (LSTM, GRU, embedding, layer norm) against the same formulas in double. */
#include "tensor/kernels_test.h"

static const mu_kernel_table *plain;

static void near(const char *what, size_t i, double expected, float actual, double tolerance)
{
    if (!(fabs(expected - (double)actual) <= tolerance))
        fail_msg("%s, element %zu is %.9g, in double %.12g, allowed %.3g", what, i, (double)actual, expected, tolerance);
}

static void all_near(const char *what, size_t count, const double *expected, const float *actual, double tolerance)
{
    for (size_t i = 0; i < count; i++)
        near(what, i, expected[i], actual[i], tolerance * (1 + fabs(expected[i])));
}

static double *doubles(size_t count)
{
    double *x = calloc(count + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* One recurrent layer in double. Gates are kept before their functions; `state` is LSTM's c or GRU's q, [batch][items][hidden]. */
typedef struct exact {
    mu_recurrence r;
    size_t        n, wide, rows;
    double       *in, *gates, *state, *h, *dh, *d_gates, *d_state, *dw; /* d_state: of GRU's q */
} exact;

static exact exact_create(mu_recurrence r, const float *in)
{
    exact e = { .r = r, .n = r.hidden, .wide = (size_t)r.gates * r.hidden, .rows = (size_t)r.batch * r.items };
    e.in = doubles(e.rows * e.wide);
    e.gates = doubles(e.rows * e.wide);
    e.state = doubles(e.rows * e.n);
    e.h = doubles(e.rows * e.n);
    e.dh = doubles(e.rows * e.n);
    e.d_gates = doubles(e.rows * e.wide);
    e.d_state = doubles(e.rows * e.n);
    e.dw = doubles(e.n * e.wide);
    for (size_t row = 0; row < e.rows; row++)
        for (size_t j = 0; j < e.wide; j++)
            e.in[row * e.wide + j] = in[row * r.gates_stride + j];
    return e;
}

static void exact_destroy(exact *e)
{
    double *all[] = { e->in, e->gates, e->state, e->h, e->dh, e->d_gates, e->d_state, e->dw };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]);
}

static double product(const exact *e, const float *w, const float *bias, size_t row, bool first, size_t j)
{
    double sum = bias[j];
    for (size_t k = 0; !first && k < e->n; k++)
        sum += e->h[(row - 1) * e->n + k] * (double)w[k * e->wide + j];
    return sum;
}

static void exact_forward(exact *e, const float *w, const float *bias)
{
    const size_t n = e->n;
    for (size_t row = 0; row < e->rows; row++) {
        bool    first = row % e->r.items == 0;
        double *gates = e->gates + row * e->wide;
        const double *in = e->in + row * e->wide;
        for (size_t j = 0; j < n; j++) {
            double *state = &e->state[row * n + j], before = first ? 0 : e->r.gates == 4 ? state[-(ptrdiff_t)n] : e->h[(row - 1) * n + j];
            double  sum[4];
            for (size_t g = 0; g < e->r.gates; g++)
                sum[g] = product(e, w, bias, row, first, g * n + j);
            if (e->r.gates == 4) {
                for (size_t g = 0; g < 4; g++)
                    gates[g * n + j] = g == 2 ? tanh(in[g * n + j] + sum[g]) : sigmoid(in[g * n + j] + sum[g]);
                *state = gates[n + j] * before + gates[j] * gates[2 * n + j];
                e->h[row * n + j] = gates[3 * n + j] * tanh(*state);
            } else {
                gates[j] = sigmoid(in[j] + sum[0]);
                gates[n + j] = sigmoid(in[n + j] + sum[1]);
                *state = sum[2];
                gates[2 * n + j] = tanh(in[2 * n + j] + gates[j] * sum[2]);
                e->h[row * n + j] = (1 - gates[n + j]) * gates[2 * n + j] + gates[n + j] * before;
            }
        }
    }
}

/* What one item gives to the one before it, from e->d_gates and, for the GRU's candidate, e->d_state. */
static double from_behind(const exact *e, const float *w, size_t row, size_t k)
{
    double sum = 0;
    for (size_t j = 0; j < e->wide; j++) {
        bool candidate = e->r.gates == 3 && j >= 2 * e->n;
        sum += (double)w[k * e->wide + j] * (candidate ? e->d_state[row * e->n + j - 2 * e->n] : e->d_gates[row * e->wide + j]);
    }
    return sum;
}

static void exact_backward(exact *e, const float *w)
{
    const size_t n = e->n;
    double *carry = doubles(n), *d = doubles(n);
    for (size_t row = e->rows; row-- > 0;) {
        bool is_last = (row + 1) % e->r.items == 0, first = row % e->r.items == 0;
        for (size_t j = 0; j < n; j++) {
            carry[j] = is_last ? 0 : carry[j];
            d[j] = e->dh[row * n + j] + (is_last ? 0 : from_behind(e, w, row + 1, j) + (e->r.gates == 3 ? carry[j] : 0));
        }
        const double *g = e->gates + row * e->wide;
        double *out = e->d_gates + row * e->wide;
        for (size_t j = 0; j < n; j++) {
            if (e->r.gates == 4) {
                double c = e->state[row * n + j], before = first ? 0 : e->state[(row - 1) * n + j], u = tanh(c);
                double i = g[j], f = g[n + j], fresh = g[2 * n + j], o = g[3 * n + j], s = carry[j] + d[j] * o * (1 - u * u);
                out[j] = s * fresh * i * (1 - i);
                out[n + j] = s * before * f * (1 - f);
                out[2 * n + j] = s * i * (1 - fresh * fresh);
                out[3 * n + j] = d[j] * u * o * (1 - o);
                carry[j] = s * f;
            } else {
                double reset = g[j], z = g[n + j], fresh = g[2 * n + j], before = first ? 0 : e->h[(row - 1) * n + j];
                double d_fresh = d[j] * (1 - z) * (1 - fresh * fresh);
                out[j] = d_fresh * e->state[row * n + j] * reset * (1 - reset);
                out[n + j] = d[j] * (before - fresh) * z * (1 - z);
                out[2 * n + j] = d_fresh;
                e->d_state[row * n + j] = d_fresh * reset;
                carry[j] = d[j] * z;
            }
        }
        for (size_t i = 0; !first && i < n; i++)
            for (size_t j = 0; j < e->wide; j++) {
                bool candidate = e->r.gates == 3 && j >= 2 * n;
                e->dw[i * e->wide + j] += e->h[(row - 1) * n + i] * (candidate ? e->d_state[row * n + j - 2 * n] : out[j]);
            }
    }
    free(d);
    free(carry);
}

static void check_forward(const exact *e, const float *gates, const float *state, const float *h)
{
    for (size_t row = 0; row < e->rows; row++)
        all_near("gates", e->wide, e->gates + row * e->wide, gates + row * e->r.gates_stride, 2e-6);
    all_near("state", e->rows * e->n, e->state, state, 4e-6);
    all_near("h", e->rows * e->n, e->h, h, 2e-6);
}

static void check_recurrence(mu_recurrence r, bool last)
{
    const size_t n = r.hidden, wide = (size_t)r.gates * n, rows = (size_t)r.batch * r.items, given = last ? r.batch : rows;
    float *w = test_filled(n * wide, TEST_ORDINARY), *bias = test_filled(wide, TEST_ORDINARY), *dh = test_filled(given * n, TEST_ORDINARY);
    float *gates = test_rows(rows, (uint32_t)wide, r.gates_stride, TEST_ORDINARY), *state = test_floats(rows * n), *h = test_floats(rows * n);
    float *dw = test_floats(n * wide), *work = test_work(plain->recurrent_work_floats(&r));
    for (size_t i = 0; i < n * wide; i++)
        w[i] *= 1.0f / sqrtf((float)n);
    exact e = exact_create(r, gates);
    for (size_t row = 0; row < rows; row++)
        for (size_t j = 0; j < n; j++)
            e.dh[row * n + j] = !last ? dh[row * n + j] : (row + 1) % r.items == 0 ? dh[row / r.items * n + j] : 0;
    exact_forward(&e, w, bias);
    exact_backward(&e, w);
    if (r.gates == 4) {
        plain->lstm_forward(&r, w, bias, gates, state, h, work);
        check_forward(&e, gates, state, h);
        plain->lstm_backward(&r, last, w, state, dh, gates, work);
        plain->recurrent_grad_weight(&r, h, (uint32_t)wide, r.gates_stride, gates, wide, dw);
    } else {
        plain->gru_forward(&r, w, bias, gates, state, h, work);
        check_forward(&e, gates, state, h);
        plain->gru_backward(&r, last, w, h, dh, gates, state, work);
        plain->recurrent_grad_weight(&r, h, 2 * r.hidden, r.gates_stride, gates, wide, dw);
        plain->recurrent_grad_weight(&r, h, r.hidden, n, state, wide, dw + 2 * n);
        all_near("gradient of the candidate", rows * n, e.d_state, state, 1e-5);
    }
    for (size_t row = 0; row < rows; row++)
        all_near("gradient of the gates", wide, e.d_gates + row * wide, gates + row * r.gates_stride, 1e-5);
    all_near("gradient of the weights", n * wide, e.dw, dw, 2e-5);
    exact_destroy(&e);
    float *all[] = { w, bias, dh, gates, state, h, dw, work };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]);
}

static void recurrences(void **state)
{
    (void)state;
    test_seed(61);
    for (int i = 0; i < 60; i++) {
        mu_recurrence r = { .batch = 1 + test_below(4), .items = 1 + test_below(9), .hidden = 1 + test_below(20), .gates = i % 2 ? 3 : 4 };
        r.gates_stride = (size_t)r.gates * r.hidden + TEST_PICK(0, 1, 16);
        check_recurrence(r, test_coin());
    }
}

static void embedding_by_hand(void **state)
{
    (void)state;
    const float ids[4] = { 2, 0, 2, 1 }, table[6] = { 1, 2, 3, 4, 5, 6 }, dy[8] = { 1, 10, 2, 20, 4, 40, 8, 80 };
    float       y[8], dtable[8];
    plain->embedding_forward(4, 2, ids, table, y);
    assert_memory_equal(y, ((const float[]){ 5, 6, 1, 2, 5, 6, 3, 4 }), sizeof y);
    plain->embedding_backward(4, 2, 4, ids, dy, dtable, false);
    assert_memory_equal(dtable, ((const float[]){ 2, 20, 8, 80, 5, 50, 0, 0 }), sizeof dtable);
}

static void check_layer_norm(mu_rows rows)
{
    const size_t n = rows.channels;
    float *x = test_rows(rows.rows, rows.channels, rows.stride, TEST_ORDINARY), *dy = test_filled(rows.rows * n, TEST_ORDINARY);
    float *scale = test_filled(n, TEST_ORDINARY), *shift = test_filled(n, TEST_ORDINARY), *mean = test_floats(rows.rows);
    float *inv_std = test_floats(rows.rows), *y = test_floats(rows.rows * n), *dx = test_floats(rows.rows * n);
    float *dscale = test_floats(n), *dshift = test_floats(n);
    double *sum_scale = doubles(n), *sum_shift = doubles(n);
    plain->layer_norm_forward(rows, x, scale, shift, 1e-3f, mean, inv_std, n, y);
    plain->layer_norm_backward(rows, x, scale, mean, inv_std, n, dy, dscale, dshift, n, dx, false, false);
    for (size_t row = 0; row < rows.rows; row++) {
        const float *from = x + row * rows.stride;
        double sum = 0, squares = 0, plain_mean = 0, with_normal = 0;
        for (size_t c = 0; c < n; c++)
            sum += (double)from[c] / (double)n;
        for (size_t c = 0; c < n; c++)
            squares += ((double)from[c] - sum) * ((double)from[c] - sum) / (double)n;
        double inverse = 1 / sqrt(squares + (double)1e-3f);
        for (size_t c = 0; c < n; c++) {
            double normal = ((double)from[c] - sum) * inverse, slope = (double)dy[row * n + c];
            near("layer norm", c, normal * (double)scale[c] + (double)shift[c], y[row * n + c], 4e-6);
            plain_mean += slope * (double)scale[c] / (double)n;
            with_normal += slope * (double)scale[c] * normal / (double)n;
            sum_scale[c] += slope * normal;
            sum_shift[c] += slope;
        }
        for (size_t c = 0; c < n; c++) {
            double normal = ((double)from[c] - sum) * inverse;
            double slope = ((double)dy[row * n + c] * (double)scale[c] - plain_mean - normal * with_normal) * inverse;
            near("layer norm backward", c, slope, dx[row * n + c], 1e-5 * (1 + inverse));
        }
    }
    all_near("gradient of the scale", n, sum_scale, dscale, 1e-5);
    all_near("gradient of the shift", n, sum_shift, dshift, 1e-6);
    float *all[] = { x, dy, scale, shift, mean, inv_std, y, dx, dscale, dshift };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        free(all[i]);
    free(sum_shift);
    free(sum_scale);
}

static void layer_norms(void **state)
{
    (void)state;
    test_seed(62);
    for (int i = 0; i < 60; i++) {
        mu_rows rows = { .rows = 1 + test_below(12), .channels = 1 + TEST_PICK(0, 1, 4, 15, 16, 17, 63, 99) };
        rows.stride = rows.channels + TEST_PICK(0, 3);
        check_layer_norm(rows);
    }
}

int main(void)
{
    plain = mu_kernels_plain();
    const struct CMUnitTest tests[] = { cmocka_unit_test(recurrences), cmocka_unit_test(embedding_by_hand), cmocka_unit_test(layer_norms) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
