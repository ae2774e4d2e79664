/* The kernels behind one narrow table. All of Muster's arithmetic on tensors goes through it.
 *
 * There is a plain-C reference of each, which is the oracle of the tests and what a microcontroller runs, and faster variants
 * of some, compiled from one source for several processors. A table is complete: what a variant does not have, it takes
 * from the one below. The choice is made once, by what the processor can do, or by MUSTER_KERNELS=plain|avx2|avx512|neon.
 *
 * EVERY VARIANT GIVES THE SAME BITS AS THE REFERENCE. So the order of summation is part of each kernel's meaning:
 *   - each output element has one accumulator that starts at +0 and takes its products one after the other by fused
 *     multiply-add, in the order stated below; vectors run across outputs; blocking may store and reload the accumulator;
 *   - what lies in the padding is skipped, not multiplied by zero (except by Winograd's algorithm, see convolution);
 *   - a NaN is a NaN everywhere, but its sign and payload are the processor's;
 *   - a reduction along a contiguous axis uses MU_LANES accumulators, element i going to lane i % MU_LANES; then lanes are
 *     added pairwise: l += 8, l += 4, l += 2, l += 1.
 *
 * Layouts: images are NHWC; `*_stride` is the distance in floats from one pixel (or row) to the next and may exceed the number of
 * channels, so that a width can be padded or be a view into something wider. What lies between is neither read nor written.
 * Convolution weights are [kernel_h][kernel_w][in_channels / groups][out_channels], dense weights [inputs][outputs].
 *
 * Kernels do not fail and do not allocate: shapes are checked when the plan is made, scratch comes in as `work`
 * (mu_*_work_floats floats, aligned to 64 bytes). `accumulate` adds to what is in the output, else it is overwritten:
 * out = old + result, the result being complete before it is added. Nothing is written that is read by the same call, except
 * where an entry allows it. Counts may be zero where they are `rows`, `count` or `batch`, nowhere else. `resume` goes on with a sum over
 * examples: its accumulators start from what is in the output, so that a batch that comes in parts gives the bits of the whole.
 *
 * fma(a, b, c) is the fused a * b + c. ReLU is x < 0 ? 0 : x: NaN and -0 pass, so that a model that has diverged is seen to have. */
#ifndef MUSTER_TENSOR_KERNELS_H
#define MUSTER_TENSOR_KERNELS_H

#include "muster/random.h"
#include "muster/status.h"

#define MU_LANES 16

typedef struct mu_conv {
    uint32_t batch, in_height, in_width, in_channels, out_height, out_width, out_channels;
    uint32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, groups; /* groups == in_channels: depthwise */
    size_t   in_stride, out_stride; /* floats from pixel to pixel */
    bool     resume;                /* of the weight gradient only */
} mu_conv;

/* c[i][j] = sum over k, ascending, of a[i][k] * b[k][j]; transposed means that the array holds the element [k][i] or [j][k]. */
typedef struct mu_gemm {
    uint32_t rows, columns, depth;
    bool     a_transposed, b_transposed;
    size_t   a_stride, b_stride, c_stride; /* floats from one row of the array, as it lies in memory, to the next */
    bool     resume;                       /* not with b transposed, bias, ReLU or accumulate */
} mu_gemm;

typedef struct mu_pool2d {
    uint32_t batch, in_height, in_width, channels, out_height, out_width;
    uint32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    size_t   in_stride, out_stride;
} mu_pool2d;

#define MU_POOL_NOBODY 255

/* What an element becomes; slopes are computed from the output alone. */
typedef enum mu_activation {
    MU_ACTIVATION_NONE,
    MU_ACTIVATION_RELU,
    MU_ACTIVATION_LEAKY_RELU, /* slope 0.01 below zero */
    MU_ACTIVATION_RELU6,
    MU_ACTIVATION_SIGMOID,
    MU_ACTIVATION_TANH,
    MU_ACTIVATION_COUNT
} mu_activation;

/* A matrix view of `rows` pixels by `channels`. */
typedef struct mu_rows {
    size_t   rows;
    uint32_t channels;
    size_t   stride;
} mu_rows;

/* MU_LANES columns of which some are picked. What is picked of a row makes vectors, too, and a block's share of it may begin in the middle of
 * one, and end in the next. */
typedef struct mu_pick_block {
    uint8_t  lanes[MU_LANES]; /* those that are picked, ascending, each where it has its place in a vector; the others any */
    uint16_t marks;           /* the same as bits, in the order of the columns */
    uint8_t  begin, end;      /* the first one's place in its vector, and where the last one ends: beyond MU_LANES in the next vector */
    uint32_t vector;          /* where that vector begins among the picked columns */
} mu_pick_block;

/* Some rows and columns of matrices of one shape, the same ones of each; nothing has gaps, neither the whole [planes][height][width]
 * nor the part [planes][rows][columns]. */
typedef struct mu_pick {
    uint32_t             planes, height, width;
    uint32_t             rows, columns; /* how many are picked */
    const uint32_t      *row, *column;  /* which ones, ascending; NULL: the first */
    const mu_pick_block *blocks;        /* with `column`: the same, the width in blocks */
} mu_pick;

/* [channels] each. Forward writes the saved and the running statistics, inference reads the running ones, backward the saved ones. */
typedef struct mu_batch_norm {
    const float  *scale, *shift;
    float         epsilon, momentum;
    mu_activation activation; /* NONE, RELU or RELU6 */
    float        *running_mean, *running_var, *saved_mean, *saved_inv_std;
} mu_batch_norm;

/* A recurrent layer over a batch of sequences. Arrays are [batch][items][...]; those of gates have `gates` parts of `hidden` floats side by
 * side, and go on after `gates_stride` floats. The recurrent weights w are [hidden][gates * hidden], their bias [gates * hidden]. Before the
 * first item all states are 0. */
typedef struct mu_recurrence {
    uint32_t batch, items, hidden, gates; /* LSTM: 4 gates, GRU: 3 */
    size_t   gates_stride;
    bool     resume; /* of the weight gradient only */
} mu_recurrence;

typedef struct mu_sgd {
    float learning_rate, momentum, weight_decay, dampening;
    bool  nesterov;
    bool  first_step; /* momentum starts as the gradient itself, as in PyTorch */
} mu_sgd;

typedef struct mu_adam {
    double learning_rate, beta1, beta2, epsilon, weight_decay; /* double: 1 - beta2 in float would be off by 1e-5 */
    bool   decoupled;                                          /* AdamW */
    double correction1, correction2;                           /* 1 - beta^t */
} mu_adam;

/* A softmax cross-entropy and what it is made of. */
typedef struct mu_loss {
    uint32_t     classes;
    size_t       stride; /* of logits, their gradient and the teacher's logits */
    float        gradient_scale;
    const bool  *held;    /* [classes]: those that are not held have the logit 0, whatever the network says; NULL: all are */
    const float *teacher; /* another network's logits, which this one is to come near; NULL: the labels are all */
    float        label_weight, teacher_weight, inverse_temperature; /* with a teacher */
} mu_loss;

typedef struct mu_kernel_table {
    const char *name; /* "plain", "avx2", "avx512", "neon" */

    /* ---- convolution. Groups divide both numbers of channels. Products in the order (kernel row, kernel column, input
     * channel); then `bias` (may be NULL) is added, then ReLU where `relu`.
     *
     * 3x3 convolutions whose shape fits mu_winograd_fits (winograd.h: stride 1, no groups, equal padding, 9 channels or more on both
     * sides) go by Winograd's algorithm F(4x4, 3x3), in the order of winograd_axis.h: tiles of 4x4 results and the 6x6 inputs they see are
     * transformed, columns first, then rows; each of the 36 sums takes its products by fma over the channels that are read, ascending
     * from +0; they are transformed back, then bias, ReLU and `accumulate` as ever. The weight gradient, where mu_winograd_fits_weight:
     * for each image the 36 sums over its tiles, row by row, are transformed back and added to dw, which begins as +0.
     * Two things differ. The padding is computed with, as zeros; and an infinity or a NaN spreads over its tile (in the weight gradient, over all
     * nine taps), as NaN or infinity. The result is not the direct sum's. With n = the number of sums' products + 24 it is within
     * n * 2^-24 * 564 * channels * max|in| * max|w| (weight gradient: n * 2^-24 * 803 * tiles * max|x| * max|dy|), and on normal numbers
     * its relative rms error is at most 2^-23 * sqrt(products + 8): winograd_error.h. That is 1.8 to 2.8 times the direct sum's, behind a
     * ReLU up to 3.3 times; of the weight gradient up to 1.7 times for one image, and less the more images there are. ---- */
    size_t (*conv_work_floats)(const mu_conv *conv); /* enough for each of the three */
    void (*conv_forward)(const mu_conv *conv, const float *x, const float *w, const float *bias, bool relu, float *y, float *work);
    /* dx: for each input element, over (kernel row, kernel column) ascending and output channel ascending. */
    void (*conv_grad_input)(const mu_conv *conv, const float *dy, const float *w, float *dx, bool accumulate, float *work);
    /* dw: for each weight, over (image, output row, output column) ascending. Overwrites. */
    void (*conv_grad_weight)(const mu_conv *conv, const float *x, const float *dy, float *dw, float *work);

    /* ---- matrix product; then bias by column, then ReLU ---- */
    size_t (*gemm_work_floats)(const mu_gemm *gemm);
    void (*gemm)(const mu_gemm *gemm, const float *a, const float *b, const float *bias, bool relu, float *c, bool accumulate,
                 float *work);

    /* sums[channel] = sum over rows, ascending (the gradient of a bias) */
    void (*sum_rows)(mu_rows rows, const float *x, float *sums, bool resume);

    /* ---- pooling. Every window holds a pixel (padding < kernel). Max takes the first largest (row-major), or the last NaN if there
     * is one, and never the padding; average adds the taps inside of the image (row-major, from +0) and divides by their
     * number. Backward adds, for each input from +0, what the windows that hold it give, in their order (output row, column): dy, or
     * dy / taps. Global pooling is a kernel as large as the image. ---- */
    /* winner: tap index, [batch][out_height][out_width][channels] without gaps; kernel_h * kernel_w <= 256. With `relu` (then at most
     * 255 taps) y = relu(max), and where that is <= 0 nobody has won (MU_POOL_NOBODY): ReLU before or after the pooling is the same, and
     * its gradient costs nothing. */
    void (*max_pool_forward)(const mu_pool2d *pool, const float *x, bool relu, float *y, uint8_t *winner);
    void (*max_pool_backward)(const mu_pool2d *pool, const float *dy, const uint8_t *winner, float *dx, bool accumulate);
    void (*average_pool_forward)(const mu_pool2d *pool, const float *x, float *y);
    void (*average_pool_backward)(const mu_pool2d *pool, const float *dy, float *dx, bool accumulate);

    /* ---- norms. All sums over rows are in double, ascending.
     * Batch norm: mean = sum(x) / rows; var = max(0, fma(-mean, sum(x), sum(x^2)) / rows), in double to the end (what cancels there is far
     * below what the floats x hold); inv_std = 1 / sqrt(var + eps); mean and inv_std are kept as float. y = activation(fma(x - mean,
     * inv_std * scale, shift)). running = fma(momentum, now, (1 - momentum) * running) with the mean and the unbiased variance, by
     * rows - 1; 0 for one row. y may be x. work: batch_norm_work_floats(channels). */
    size_t (*batch_norm_work_floats)(uint32_t channels);
    void (*batch_norm_forward)(const mu_batch_norm *norm, mu_rows x_rows, const float *x, size_t y_stride, float *y, float *work);
    void (*batch_norm_infer)(const mu_batch_norm *norm, mu_rows x_rows, const float *x, size_t y_stride, float *y);
    /* What forward has written to y before, once more: from the saved statistics, and nothing else is written. */
    void (*batch_norm_again)(const mu_batch_norm *norm, mu_rows x_rows, const float *x, size_t y_stride, float *y);
    /* dy goes back through the activation, whose output is computed once more from x. dshift = sum(dy); dscale = sum(dy * (x - mean)) *
     * inv_std; with normal = (x - mean) * inv_std and both sums / rows kept as float:
     * dx = fma(normal, -dscale / rows, dy - dshift / rows) * (inv_std * scale). dx may be dy. */
    void (*batch_norm_backward)(const mu_batch_norm *norm, mu_rows x_rows, const float *x, size_t dy_stride, const float *dy, float *dscale,
                                float *dshift, size_t dx_stride, float *dx, bool accumulate, float *work);
    /* Group norm: per image and group of channels, over its pixels: each channel's sum over the pixels, then these sums channel
     * by channel. saved_*: [batch][groups]; y as above; y may be x. `image_rows` is one image, the next follows. */
    void (*group_norm_forward)(uint32_t batch, mu_rows image_rows, uint32_t groups, const float *x, const float *scale,
                               const float *shift, float epsilon, float *saved_mean, float *saved_inv_std, size_t y_stride, float *y);
    /* dscale and dshift: each image's sum, rounded to float, images added in order. With scale inside the sums over a group:
     * dx = fma(normal, -mean(scale * dy * normal), fma(scale, dy, -mean(scale * dy))) * inv_std. dx may be dy. */
    void (*group_norm_backward)(uint32_t batch, mu_rows image_rows, uint32_t groups, const float *x, const float *scale,
                                const float *saved_mean, const float *saved_inv_std, size_t dy_stride, const float *dy,
                                float *dscale, float *dshift, size_t dx_stride, float *dx, bool accumulate, bool resume);

    /* Layer norm: each row over its channels. mean = sum(x) / channels and var = sum((x - mean)^2) / channels, the sums in double by MU_LANES
     * lanes, both kept as batch norm keeps them (saved_*: [rows]); y as there. y may be x. */
    void (*layer_norm_forward)(mu_rows x_rows, const float *x, const float *scale, const float *shift, float epsilon, float *saved_mean,
                               float *saved_inv_std, size_t y_stride, float *y);
    /* dscale = sum(dy * normal) by fma and dshift = sum(dy), over rows, ascending. For each row, with s = scale * dy and both means by lanes
     * in double, rounded to float: dx = fma(normal, -mean(s * normal), s - mean(s)) * inv_std. dx may be dy, or NULL. */
    void (*layer_norm_backward)(mu_rows x_rows, const float *x, const float *scale, const float *saved_mean, const float *saved_inv_std,
                                size_t dy_stride, const float *dy, float *dscale, float *dshift, size_t dx_stride, float *dx,
                                bool accumulate, bool resume);

    /* ---- embedding: y[row] = table[ids[row]]; ids are whole numbers from 0. table and y without gaps. ---- */
    void (*embedding_forward)(size_t rows, uint32_t channels, const float *ids, const float *table, float *y);
    /* dtable [symbols][channels] = for each symbol, from +0, dy of the rows that have it, ascending. */
    void (*embedding_backward)(size_t rows, uint32_t channels, uint32_t symbols, const float *ids, const float *dy, float *dtable,
                               bool resume);

    /* ---- recurrent layers: the walk through time. The products of the inputs with their weights, and their bias, are in `gates`
     * beforehand, by gemm. For each item, with sum[j] = h before * column j of w, over k ascending, + bias[j]:
     * LSTM, gates i f g o: i, f, o = sigmoid(gates + sum), g = tanh(gates + sum), c = fma(f, c before, i * g), h = o * tanh(c).
     * GRU, gates r z n: r, z = sigmoid(gates + sum), q = sum of n, n = tanh(fma(r, q, gates of n)), h = fma(z, h before - n, n).
     * `gates` becomes the gates; c, q (`candidate`) and h are [batch][items][hidden] and written whole. ---- */
    size_t (*recurrent_work_floats)(const mu_recurrence *r); /* enough for each of these four */
    void (*lstm_forward)(const mu_recurrence *r, const float *w, const float *bias, float *gates, float *c, float *h, float *work);
    void (*gru_forward)(const mu_recurrence *r, const float *w, const float *bias, float *gates, float *candidate, float *h, float *work);
    /* `dh` is the gradient of h; `last`: of the last item alone, [batch][hidden], the others' are 0. `gates` becomes the gradient of what
     * was in it before the forward pass, `candidate` that of q. From the last item to the first, where what comes from behind, over the gates
     * ascending, is back = d of the item behind * row of w:
     * LSTM: d = dh + back, s = fma(d * o, 1 - tanh(c)^2, s behind * f behind); di = s * g * ((1 - i) * i),
     *       df = s * c before * ((1 - f) * f), dg = s * i * (1 - g * g), do = d * tanh(c) * ((1 - o) * o).
     * GRU: d = dh + (d behind * z behind + back); dn = d * (1 - z) * (1 - n * n), dr = dn * q * ((1 - r) * r),
     *      dz = d * (h before - n) * ((1 - z) * z), dq = dn * r; back is made of dr, dz, dq. */
    void (*lstm_backward)(const mu_recurrence *r, bool last, const float *w, const float *c, const float *dh, float *gates, float *work);
    void (*gru_backward)(const mu_recurrence *r, bool last, const float *w, const float *h, const float *dh, float *gates,
                         float *candidate, float *work);
    /* dw[i][j] = sum over (example, item from the second on), ascending, of h of the item before [i] * d[j]; i < hidden, j < columns */
    void (*recurrent_grad_weight)(const mu_recurrence *r, const float *h, uint32_t columns, size_t d_stride, const float *d,
                                  size_t dw_stride, float *dw);

    /* ---- elementwise ---- */
    void (*activation_forward)(mu_activation kind, mu_rows rows, const float *x, size_t y_stride, float *y); /* y may be x */
    /* dx = slope(y) of dy; dx may be dy when not accumulating. ReLU: y <= 0 ? 0 : dy; ReLU6 also 0 from 6 on;
     * leaky: y > 0 ? dy : dy * 0.01; sigmoid: dy * (1 - y) * y; tanh: dy * (1 - y * y). */
    void (*activation_backward)(mu_activation kind, mu_rows rows, const float *y, size_t dy_stride, const float *dy, size_t dx_stride,
                                float *dx, bool accumulate);
    /* y = a + b; y may be a or b */
    void (*add)(mu_rows rows, const float *a, size_t b_stride, const float *b, size_t y_stride, float *y);
    void (*copy)(mu_rows rows, const float *x, size_t y_stride, float *y, bool accumulate); /* y = x or y += x */
    void (*multiply)(size_t count, const float *a, const float *b, float *y, bool accumulate); /* dropout by its mask; y may be a */
    /* The stream's next `count` numbers as a mask: 0 for a number below `dropped_below`, else `kept`. */
    void (*dropout_mask)(mu_random *random, uint32_t dropped_below, float kept, size_t count, float *mask);

    /* ---- loss: mean softmax cross-entropy over `rows`. losses[row] is each row's own; dlogits (may be NULL) is
     * (softmax - onehot) * gradient_scale. correct[row] = 1 when the first largest logit is the label's. top = largest logit,
     * e = mu_expf(logit - top), sum = by MU_LANES lanes, softmax = e * (1 / sum), loss = mu_logf(sum) - (logit[label] - top).
     * 0 <= label < classes. A class that is not held has the logit 0 in all of this, the teacher's too, and the gradient 0.
     *
     * With a teacher all of that is by labels, with gradient_scale * label_weight. Then, with u = logit * inverse_temperature and v = the same of
     * the teacher's: target = softmax of v, own = softmax of u, soft = mu_logf(sum of u) - the sum of target * (u - top) by fma and lanes;
     * loss = fma(teacher_weight, soft, label_weight * loss by labels); dlogits = fma(own - target, teacher_weight * inverse_temperature *
     * gradient_scale, dlogits by labels). ---- */
    void (*softmax_cross_entropy)(const mu_loss *loss, size_t rows, const float *logits, const int32_t *labels, float *dlogits,
                                  float *losses, uint8_t *correct);

    /* ---- optimisers, elementwise, PyTorch's formulas.
     * SGD: step = fma(weight_decay, p, g); v = fma(1 - dampening, step, momentum * v), at the first step v = step;
     *      with Nesterov step = fma(momentum, v, step), else step = v; p = fma(-learning_rate, step, p).
     * Adam: AdamW first p *= 1 - learning_rate * weight_decay, else g = fma(weight_decay, p, g);
     *      m = fma(1 - beta1, g, beta1 * m); v = fma((1 - beta2) * g, g, beta2 * v);
     *      p = fma(-learning_rate / correction1, m / (sqrt(v) / sqrt(correction2) + epsilon), p).
     * Adam's scalars (1 - beta1, the step's size, ...) are computed in double, then rounded. ---- */
    void (*sgd)(const mu_sgd *sgd, size_t count, const float *gradient, float *velocity, float *params); /* velocity NULL: momentum 0 */
    void (*adam)(const mu_adam *adam, size_t count, const float *gradient, float *first, float *second, float *params);

    /* ---- flat vectors (merging) ---- */
    void (*scale)(size_t count, float factor, float *x); /* x = factor * x */
    void (*axpy)(size_t count, float alpha, const float *x, float *y);                    /* y = fma(alpha, x, y) */
    void (*mean_step)(size_t count, float share, const float *x, float *mean);            /* mean = fma(share, x - mean, mean) */
    /* MU_LANES lanes, in double: finite exactly when all of x is */
    double (*squared_norm)(size_t count, const float *x);

    /* ---- picking rows and columns (submodels). The last two change only what is picked; what lies between picked columns may be read
     * and written back. ---- */
    void (*gather)(const mu_pick *pick, const float *whole, float *part);
    void (*scatter)(const mu_pick *pick, const float *part, float *whole);
    void (*scatter_add)(const mu_pick *pick, float alpha, const float *part, float *whole); /* whole = fma(alpha, part, whole) */
} mu_kernel_table;

/* The reference; always there. */
const mu_kernel_table *mu_kernels_plain(void);
/* By name, or NULL when this build or this processor does not have it. */
const mu_kernel_table *mu_kernels_named(const char *name);
/* The fastest that this processor runs, or what MUSTER_KERNELS asks for; chosen at the first call. A name that is not there is
 * reported by mu_kernels_check and "plain" is used. Thread-safe. */
const mu_kernel_table *mu_kernels(void);
/* For the program's start: does MUSTER_KERNELS name a table that is there? */
mu_status mu_kernels_check(mu_error *err);

#endif
