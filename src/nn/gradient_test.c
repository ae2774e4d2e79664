/* Every layer's gradients against finite differences of the loss. A weight in front of a layer tests the layer's
 * gradient of its input. */
#include "nn/test_step.h"

#include "nn/layer.h"

#include <math.h>

enum { BATCH = 3 };

typedef struct subject {
    mu_model      *model;
    test_step      t;
    mu_step_manner manner;
} subject;

/* The loss in training mode, with the same dropout mask each time. */
static double loss_of(subject *s)
{
    mu_random dropout = mu_random_stream(7, MU_RANDOM_DROPOUT, 0, 0);
    return mu_step_gradient_as(s->t.step, &s->manner, BATCH, &dropout).loss_sum / (BATCH * mu_model_targets(s->model));
}

/* Slopes on both sides of a parameter, over a distance of `step`. */
static void slopes(subject *s, float *param, double here, float step, double *left, double *right)
{
    float kept = *param;
    *param = kept + step;
    *right = (loss_of(s) - here) / ((double)*param - (double)kept);
    *param = kept - step;
    *left = (here - loss_of(s)) / ((double)kept - (double)*param);
    *param = kept;
}

/* A central difference, at two distances. Where the loss is smooth they agree, and the slopes of both sides differ by what is
 * proportional to the distance. Otherwise the step has crossed the corner of a ReLU or a change of the largest, and the difference
 * says nothing: false. */
static bool difference(subject *s, float *param, double *slope)
{
    double here = loss_of(s), left[2], right[2];
    slopes(s, param, here, 8e-3f, &left[0], &right[0]);
    slopes(s, param, here, 4e-3f, &left[1], &right[1]);
    double far = (left[0] + right[0]) / 2, near = (left[1] + right[1]) / 2;
    *slope = near + (near - far) / 3; /* Richardson: the cubic term falls out */
    double corner = 2 * (right[1] - left[1]) - (right[0] - left[0]);
    return fabs(far - near) < 5e-4 + 2e-3 * fabs(near) && fabs(corner) < 2e-3 + 5e-3 * fabs(near);
}

static void check_model_as(const char *text, mu_shape shape, mu_step_manner manner)
{
    subject s = { .model = test_model_of(text, shape, 3), .manner = manner };
    mu_step_config config = mu_step_config_default();
    config.batch_size = BATCH;
    s.t = test_step_create(s.model, config, true);
    mu_model_init(s.model, 3, mu_step_state(s.t.step));
    test_fill_batch(s.model, s.t.step, BATCH, 5);
    loss_of(&s);
    size_t count = mu_model_param_count(s.model), crossed = 0, checked = 0;
    float *gradient = malloc(count * sizeof(float));
    assert_non_null(gradient);
    memcpy(gradient, mu_step_gradients(s.t.step), count * sizeof(float));
    for (size_t i = 0; i < count; i += 1 + count / 120) { /* a part of them, from all tensors: the PyTorch figures have them all */
        double slope;
        checked++;
        if (!difference(&s, mu_step_state(s.t.step) + i, &slope))
            crossed++;
        else if (!(fabs(slope - (double)gradient[i]) < 1e-3 + 2e-3 * fabs(slope)))
            fail_msg("parameter %zu of %zu: gradient %.7g, difference %.7g in\n%s", i, count, (double)gradient[i], slope, text);
    }
    if (crossed > checked / 10)
        fail_msg("%zu of %zu parameters at a corner in\n%s", crossed, checked, text);
    free(gradient);
    test_step_destroy(&s.t);
    mu_model_destroy(s.model);
}

static void check_model(const char *text, mu_shape shape)
{
    check_model_as(text, shape, (mu_step_manner){ 0 });
}

/* One row for each kind, so that a kind without a test shows. Each reads `pre`, an image of 5 x 4 x 4 (dense: as a
 * vector). */
static const struct {
    const char *kind, *lines;
} rows[] = {
    { "dense", "  - {dense: k, units: 7}\n" },
    { "conv", "  - {conv: k, channels: 6, kernel: 3, kernel_width: 2, stride: 2, padding: 1, groups: 2}\n" },
    { "conv1d", "  - {conv1d: k, channels: 6, kernel: 3, stride: 2, padding: 1, groups: 2}\n" },
    { "depthwise_conv", "  - {depthwise_conv: k, kernel: 3, stride: 2, padding: same, multiplier: 2}\n" },
    { "max_pool", "  - {max_pool: k, size: 3, stride: 2, padding: 1}\n" },
    { "average_pool", "  - {average_pool: k, size: 3, stride: 2, padding: 1}\n" },
    { "global_average_pool", "  - global_average_pool\n" },
    { "batch_norm", "  - {batch_norm: k}\n" },
    { "group_norm", "  - {group_norm: k, groups: 2}\n" },
    { "relu", "  - relu\n" },
    { "leaky_relu", "  - leaky_relu\n" },
    { "relu6", "  - relu6\n" },
    { "sigmoid", "  - sigmoid\n" },
    { "tanh", "  - tanh\n" },
    { "flatten", "  - flatten\n  - flatten\n" },
    { "add", "  - {add: [first, pre]}\n" },
    { "concat", "  - {concat: [first, pre]}\n" },
    { "dropout", "  - {dropout: k, rate: 0.3}\n" },
    { "layer_norm", "  - {layer_norm: k}\n" },
    { "embedding", NULL }, /* in test_sequences: it reads the model's input alone */
    { "lstm", "  - {lstm: k, units: 5}\n" },
    { "gru", "  - {gru: k, units: 5}\n" },
};

/* In the first form the layer alone reads its input, and may write the gradient over its output's. In the second its input is read again
 * further on, so in backward the layer adds to a gradient that is there. */
static void check_kind(const char *kind, const char *lines)
{
    static const char head[] = "layers:\n  - {conv: first, channels: 4, kernel: 3, padding: 1, init: he}\n  - {tanh: pre}\n";
    bool reads_vector = strcmp(kind, "dense") == 0, reads_sequence = strcmp(kind, "lstm") == 0 || strcmp(kind, "gru") == 0 || strcmp(kind, "conv1d") == 0;
    mu_shape shape = { reads_sequence ? 1 : 5, 4, 2 };
    const char *flatten = reads_vector ? "  - {flatten: vector}\n" : "", *source = reads_vector ? "vector" : "pre";
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s  - {tanh: post}\n  - {flatten: end}\n  - {dense: last}\n", head, flatten, lines);
    check_model(text, shape);
    snprintf(text, sizeof text,
             "%s%s%s  - {tanh: post}\n  - {flatten: end}\n  - {dense: left}\n  - {flatten: again, input: %s}\n  - {dense: right}\n"
             "  - {add: [left, right], name: out}\n",
             head, flatten, lines, source);
    check_model(text, shape);
}

static void test_each_kind(void **state)
{
    (void)state;
    size_t kinds;
    const mu_layer *const *layers = mu_layers(&kinds);
    for (size_t i = 0; i < kinds; i++) {
        size_t row = 0;
        while (row < MU_COUNT(rows) && strcmp(rows[row].kind, layers[i]->kind))
            row++;
        if (row == MU_COUNT(rows))
            fail_msg("no gradient test for the layer kind %s", layers[i]->kind);
        if (rows[row].lines)
            check_kind(rows[row].kind, rows[row].lines);
    }
}

/* Models of text: symbols, the last item alone, a label at every item, and a state that starts right at the model's input. */
static void test_sequences(void **state)
{
    (void)state;
    check_model("layers:\n"
                "  - {embedding: e, channels: 3, symbols: 7}\n"
                "  - {lstm: r, units: 6}\n"
                "  - {lstm: r_l1, units: 4, output: last}\n"
                "  - {dense: last}\n",
                (mu_shape){ 1, 1, 5 });
    check_model("layers:\n"
                "  - {embedding: e, channels: 3}\n"
                "  - {gru: r, units: 6}\n"
                "  - {layer_norm: n}\n"
                "  - {gru: r_l1, units: 4, output: last}\n"
                "  - {dense: last}\n",
                (mu_shape){ 1, 5, 1 });
    check_model("layers:\n"
                "  - {embedding: e, channels: 3}\n"
                "  - {lstm: left, units: 4}\n"
                "  - {gru: right, units: 5, input: e}\n"
                "  - {concat: [left, right]}\n"
                "  - {dense: each, units: 6, each: true}\n"
                "  - relu\n"
                "  - {dense: last, each: true}\n",
                (mu_shape){ 1, 1, 5 });
    check_model("layers:\n"
                "  - {lstm: r, units: 4}\n"
                "  - {dense: last, each: true}\n",
                (mu_shape){ 1, 6, 3 });
    check_model("layers:\n"
                "  - {gru: r, units: 4, output: last}\n"
                "  - {dense: last}\n",
                (mu_shape){ 1, 1, 3 });
}

/* Everything at once: values with several readers, joins of joins, ReLUs done in passing and not, strides, groups, both norms. */
static void test_composed(void **state)
{
    (void)state;
    check_model("init: he\n"
                "layers:\n"
                "  - {conv: stem, channels: 4, kernel: 3, padding: same}\n"
                "  - {relu: stem_relu}\n"
                "  - {conv: c1, channels: 4, kernel: 3, padding: 1, groups: 2}\n"
                "  - {batch_norm: n1}\n"
                "  - {add: [n1, stem_relu], name: s1}\n"
                "  - {tanh: t1}\n"
                "  - {depthwise_conv: c2, kernel: 3, stride: 2, padding: 1, input: s1}\n"
                "  - {group_norm: n2, groups: 2}\n"
                "  - {conv: c3, channels: 2, kernel: 1, stride: 2, input: t1}\n"
                "  - {concat: [c3, n2], name: j}\n"
                "  - {sigmoid: g}\n"
                "  - {dropout: d, rate: 0.2}\n"
                "  - {flatten: v}\n"
                "  - {dense: f1, units: 6}\n"
                "  - {leaky_relu: r1}\n"
                "  - {dense: f2, units: 6, input: v}\n"
                "  - {add: [f2, r1], name: s2}\n"
                "  - {dense: last}\n",
                (mu_shape){ 6, 5, 2 });
}

/* Classes left out, a teacher, factors of outputs: alone and together, behind layers that read their own output in the backward pass too. */
static void test_manners(void **state)
{
    (void)state;
    static const char image[] = "layers:\n"
                                "  - {conv: c1, channels: 4, kernel: 3, padding: 1}\n"
                                "  - {batch_norm: n1}\n"
                                "  - {relu: r1}\n"
                                "  - {conv: c2, channels: 4, kernel: 3, padding: 1}\n"
                                "  - {relu: r2}\n"
                                "  - {add: [r2, r1], name: s}\n"
                                "  - {flatten: v}\n"
                                "  - {dense: f1, units: 6}\n"
                                "  - {tanh: t1}\n"
                                "  - {dense: last}\n";
    static const char text[] = "layers:\n"
                               "  - {embedding: e, channels: 3}\n"
                               "  - {lstm: r, units: 3}\n"; /* the LSTM's own output is the logits */
    static const bool held[3] = { true, false, true };
    float teacher[BATCH * 5 * 3], factors[16];
    for (size_t i = 0; i < MU_COUNT(teacher); i++)
        teacher[i] = (float)(i * 7 % 11) / 3 - 1.5f;
    for (size_t i = 0; i < MU_COUNT(factors); i++)
        factors[i] = 1;
    mu_model *model = test_model_of(image, (mu_shape){ 5, 4, 2 }, 3);
    assert_in_range(mu_model_layer_count(model), 1, MU_COUNT(factors));
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info info;
        mu_model_layer(model, i, 1, &info);
        factors[i] = strcmp(info.name, "c1") == 0 ? 2.5f : strcmp(info.name, "c2") == 0 ? 1.5f : strcmp(info.name, "f1") == 0 ? 0.5f : 1;
    }
    mu_model_destroy(model);
    for (uint32_t which = 1; which < 8; which++) {
        mu_step_manner manner = { .held = which & 1 ? held : NULL, .teacher = which & 2 ? teacher : NULL, .label_weight = 0.4,
                                  .teacher_weight = 1.6, .temperature = 2, .factors = which & 4 ? factors : NULL };
        check_model_as(image, (mu_shape){ 5, 4, 2 }, manner);
        manner.factors = NULL;
        check_model_as(text, (mu_shape){ 1, 5, 1 }, manner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_kind), cmocka_unit_test(test_sequences), cmocka_unit_test(test_composed),
                                         cmocka_unit_test(test_manners) };
    return cmocka_run_group_tests_name("nn gradient", tests, NULL, NULL);
}
