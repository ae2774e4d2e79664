/* LSTM and GRU over a sequence: the walk through time, and what happens to each unit. The products with the recurrent weights are those
 * of recurrent.h. */
#include "tensor/recurrent.h"

#include "tensor/elementary.h"

#include <string.h>

/* The scratch of one call: floats from `work`, one piece behind the other. */
typedef struct pieces {
    float *packed; /* the recurrent weights */
    float *wide;   /* [batch][gates * hidden]; forward: sums of products; GRU backward: what is multiplied */
    float *dh;     /* [batch][hidden] gradient of an item's h */
    float *carry;  /* [batch][hidden] what else goes from an item to the one before it */
    float *zeros;  /* [hidden] the state before the first item */
    size_t used;
} pieces;

static float *take(float *work, pieces *p, size_t floats)
{
    float *piece = work ? work + p->used : NULL;
    p->used += (floats + 15) / 16 * 16;
    return piece;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* `work` NULL only counts. */
static pieces cut(const mu_recurrence *r, float *work)
{
    const uint32_t hidden = r->hidden, wide = r->gates * hidden;
    pieces p = { 0 };
    p.packed = take(work, &p, larger(MU_KERNEL(recurrent_matrix_floats)(hidden, wide), MU_KERNEL(recurrent_matrix_floats)(wide, hidden)));
    p.wide = take(work, &p, (size_t)r->batch * wide);
    p.dh = take(work, &p, (size_t)r->batch * hidden);
    p.carry = take(work, &p, (size_t)r->batch * hidden);
    p.zeros = take(work, &p, hidden);
    return p;
}

size_t MU_KERNEL(recurrent_work_floats)(const mu_recurrence *r)
{
    return cut(r, NULL).used;
}

static mu_recurrent_matrix pack(const mu_recurrence *r, const float *w, bool transposed, const pieces *p)
{
    uint32_t wide = r->gates * r->hidden;
    mu_recurrent_matrix m = { .depth = transposed ? wide : r->hidden, .columns = transposed ? r->hidden : wide,
                              .transposed = transposed, .array = w, .packed = p->packed };
    MU_KERNEL(recurrent_matrix_pack)(&m);
    memset(p->zeros, 0, r->hidden * sizeof *p->zeros);
    return m;
}

/* wide = h of the item before, times w, + bias. Before the first item there is nothing to multiply. */
static void multiply_state(const mu_recurrence *r, const mu_recurrent_matrix *m, uint32_t t, const float *bias, const float *h,
                           const pieces *p)
{
    const size_t wide = (size_t)r->gates * r->hidden, next = (size_t)r->items * r->hidden;
    if (t > 0) {
        MU_KERNEL(recurrent_multiply)(m, r->batch, h + (size_t)(t - 1) * r->hidden, next, bias, t % 2, p->wide);
        return;
    }
    for (size_t b = 0; b < r->batch; b++)
        memcpy(p->wide + b * wide, bias, wide * sizeof *bias);
}

/* Where item t of example b lies in an array whose items are `stride` floats apart. */
static size_t at(const mu_recurrence *r, size_t b, size_t t, size_t stride)
{
    return (b * r->items + t) * stride;
}

/* ---- LSTM; gates i, f, g, o ---- */

static void lstm_cell(size_t n, const float *restrict sums, const float *restrict c_before, float *restrict gates, float *restrict c,
                      float *restrict h)
{
    for (size_t j = 0; j < n; j++) {
        float i = mu_sigmoidf_inline(gates[j] + sums[j]);
        float f = mu_sigmoidf_inline(gates[n + j] + sums[n + j]);
        float g = mu_tanhf_inline(gates[2 * n + j] + sums[2 * n + j]);
        float o = mu_sigmoidf_inline(gates[3 * n + j] + sums[3 * n + j]);
        float state = fmaf(f, c_before[j], i * g);
        gates[j] = i;
        gates[n + j] = f;
        gates[2 * n + j] = g;
        gates[3 * n + j] = o;
        c[j] = state;
        h[j] = o * mu_tanhf_inline(state);
    }
}

void MU_KERNEL(lstm_forward)(const mu_recurrence *r, const float *w, const float *bias, float *gates, float *c, float *h, float *work)
{
    const size_t n = r->hidden;
    const pieces p = cut(r, work);
    mu_recurrent_matrix m = pack(r, w, false, &p);
    for (uint32_t t = 0; t < r->items; t++) {
        multiply_state(r, &m, t, bias, h, &p);
        for (size_t b = 0; b < r->batch; b++)
            lstm_cell(n, p.wide + b * 4 * n, t ? c + at(r, b, t - 1, n) : p.zeros, gates + at(r, b, t, r->gates_stride),
                      c + at(r, b, t, n), h + at(r, b, t, n));
    }
}

/* dc comes in from the item behind and goes out to the one before; dh is whole. */
static void lstm_cell_backward(size_t n, const float *restrict dh, const float *restrict c, const float *restrict c_before,
                               float *restrict gates, float *restrict dc)
{
    for (size_t j = 0; j < n; j++) {
        float i = gates[j], f = gates[n + j], g = gates[2 * n + j], o = gates[3 * n + j];
        float u = mu_tanhf_inline(c[j]);
        float state = fmaf(dh[j] * o, 1.0f - u * u, dc[j]);
        gates[j] = state * g * ((1.0f - i) * i);
        gates[n + j] = state * c_before[j] * ((1.0f - f) * f);
        gates[2 * n + j] = state * i * (1.0f - g * g);
        gates[3 * n + j] = dh[j] * u * ((1.0f - o) * o);
        dc[j] = state * f;
    }
}

/* The gradient of h at item t: what comes from behind, by the recurrent weights (dh) and by the state alone (direct, or NULL), and the
 * layer's own. */
static void gather_gradient(const mu_recurrence *r, uint32_t t, bool last, const float *restrict own, const float *restrict direct,
                            float *restrict dh)
{
    const size_t n = r->hidden;
    if (t + 1 == r->items) {
        memcpy(dh, own, n * sizeof *dh);
        return;
    }
    for (size_t j = 0; direct && j < n; j++)
        dh[j] = direct[j] + dh[j];
    for (size_t j = 0; !last && j < n; j++)
        dh[j] = own[j] + dh[j];
}

/* The gradient that the layer is given for item t, or the last one's. */
static const float *own_gradient(const mu_recurrence *r, size_t b, uint32_t t, bool last, const float *dh)
{
    return last ? dh + b * r->hidden : dh + at(r, b, t, r->hidden);
}

void MU_KERNEL(lstm_backward)(const mu_recurrence *r, bool last, const float *w, const float *c, const float *dh, float *gates,
                              float *work)
{
    const size_t n = r->hidden, stride = r->gates_stride;
    const pieces p = cut(r, work);
    mu_recurrent_matrix m = pack(r, w, true, &p);
    memset(p.carry, 0, r->batch * n * sizeof *p.carry);
    for (uint32_t t = r->items; t-- > 0;) {
        for (size_t b = 0; b < r->batch; b++) {
            gather_gradient(r, t, last, own_gradient(r, b, t, last, dh), NULL, p.dh + b * n);
            lstm_cell_backward(n, p.dh + b * n, c + at(r, b, t, n), t ? c + at(r, b, t - 1, n) : p.zeros,
                               gates + at(r, b, t, stride), p.carry + b * n);
        }
        if (t > 0)
            MU_KERNEL(recurrent_multiply)(&m, r->batch, gates + t * stride, r->items * stride, NULL, t % 2, p.dh);
    }
}

/* ---- GRU; gates r, z, n ---- */

static void gru_cell(size_t n, const float *restrict sums, const float *restrict h_before, float *restrict gates,
                     float *restrict candidate, float *restrict h)
{
    for (size_t j = 0; j < n; j++) {
        float reset = mu_sigmoidf_inline(gates[j] + sums[j]);
        float z = mu_sigmoidf_inline(gates[n + j] + sums[n + j]);
        float q = sums[2 * n + j];
        float fresh = mu_tanhf_inline(fmaf(reset, q, gates[2 * n + j]));
        gates[j] = reset;
        gates[n + j] = z;
        gates[2 * n + j] = fresh;
        candidate[j] = q;
        h[j] = fmaf(z, h_before[j] - fresh, fresh);
    }
}

void MU_KERNEL(gru_forward)(const mu_recurrence *r, const float *w, const float *bias, float *gates, float *candidate, float *h,
                            float *work)
{
    const size_t n = r->hidden;
    const pieces p = cut(r, work);
    mu_recurrent_matrix m = pack(r, w, false, &p);
    for (uint32_t t = 0; t < r->items; t++) {
        multiply_state(r, &m, t, bias, h, &p);
        for (size_t b = 0; b < r->batch; b++)
            gru_cell(n, p.wide + b * 3 * n, t ? h + at(r, b, t - 1, n) : p.zeros, gates + at(r, b, t, r->gates_stride),
                     candidate + at(r, b, t, n), h + at(r, b, t, n));
    }
}

/* `products` is what the recurrent weights are multiplied with: the gradients of the gates, with the candidate's in the place of n's. */
static void gru_cell_backward(size_t n, const float *restrict dh, const float *restrict h_before, float *restrict gates,
                              float *restrict candidate, float *restrict direct, float *restrict products)
{
    for (size_t j = 0; j < n; j++) {
        float reset = gates[j], z = gates[n + j], fresh = gates[2 * n + j];
        float d_fresh = dh[j] * (1.0f - z) * (1.0f - fresh * fresh);
        float d_reset = d_fresh * candidate[j] * ((1.0f - reset) * reset);
        float d_z = dh[j] * (h_before[j] - fresh) * ((1.0f - z) * z);
        float d_candidate = d_fresh * reset;
        gates[j] = products[j] = d_reset;
        gates[n + j] = products[n + j] = d_z;
        gates[2 * n + j] = d_fresh;
        candidate[j] = products[2 * n + j] = d_candidate;
        direct[j] = dh[j] * z;
    }
}

void MU_KERNEL(gru_backward)(const mu_recurrence *r, bool last, const float *w, const float *h, const float *dh, float *gates,
                             float *candidate, float *work)
{
    const size_t n = r->hidden;
    const pieces p = cut(r, work);
    mu_recurrent_matrix m = pack(r, w, true, &p);
    for (uint32_t t = r->items; t-- > 0;) {
        for (size_t b = 0; b < r->batch; b++) {
            float *direct = p.carry + b * n;
            gather_gradient(r, t, last, own_gradient(r, b, t, last, dh), direct, p.dh + b * n);
            gru_cell_backward(n, p.dh + b * n, t ? h + at(r, b, t - 1, n) : p.zeros, gates + at(r, b, t, r->gates_stride),
                              candidate + at(r, b, t, n), direct, p.wide + b * 3 * n);
        }
        if (t > 0)
            MU_KERNEL(recurrent_multiply)(&m, r->batch, p.wide, 3 * n, NULL, t % 2, p.dh);
    }
}
