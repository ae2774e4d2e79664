/* Unit groups, as text: "name count:" and then its uses, "weight>" for a tensor's output side and ">weight" for its input side, with
 * "*repeats" and "@first" where they say something. */
#include "nn/test_step.h"

#include "nn/units.h"

typedef struct text {
    char   at[16384];
    size_t length;
} text;

static void say(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(text *t, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    t->length += (size_t)vsnprintf(t->at + t->length, sizeof t->at - t->length, format, arguments);
    va_end(arguments);
    assert_true(t->length < sizeof t->at);
}

static void describe(const mu_model *model, const mu_units *units, size_t index, text *t)
{
    const mu_unit_group *group = mu_units_group(units, index);
    say(t, "%s %u:", group->name, group->count);
    for (uint32_t i = 0; i < group->use_count; i++) {
        const mu_unit_use *use = &group->uses[i];
        bool output = use->side == MU_SIDE_OUTPUT;
        say(t, " %s%s%s", output ? "" : ">", mu_model_tensor(model, use->tensor)->name, output ? ">" : "");
        if (use->repeats != 1)
            say(t, "*%u", use->repeats);
        if (use->first != 0)
            say(t, "@%u", use->first);
    }
    say(t, "\n");
}

static mu_units *units_of(const mu_model *model)
{
    mu_units *units = NULL;
    mu_error err = { 0 };
    if (mu_units_create(model, &units, &err))
        fail_msg("%s", err.message);
    return units;
}

/* Takes the model. */
static void expect_groups(mu_model *model, const char *expected)
{
    mu_units *units = units_of(model);
    text t = { .length = 0 };
    uint32_t first = 0;
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        describe(model, units, g, &t);
        assert_int_equal(mu_units_group(units, g)->first, first);
        first += mu_units_group(units, g)->count;
    }
    assert_int_equal(mu_units_count(units), first);
    t.at[t.length] = '\0';
    assert_string_equal(t.at, expected);
    mu_units_destroy(units);
    mu_model_destroy(model);
}

static mu_model *image_model(const char *layers)
{
    return test_model_of(layers, (mu_shape){ 6, 4, 3 }, 5);
}

static void test_chains(void **state)
{
    (void)state;
    expect_groups(test_model_named("lenet5", (mu_shape){ 28, 28, 1 }, 10),
                  "conv1 6: conv1.weight> conv1.bias> >conv2.weight\n"
                  "conv2 16: conv2.weight> conv2.bias> >fc1.weight*25\n"
                  "fc1 120: fc1.weight> fc1.bias> >fc2.weight\n"
                  "fc2 84: fc2.weight> fc2.bias> >fc3.weight\n");
    expect_groups(test_model_named("fedavg-cnn", (mu_shape){ 28, 28, 1 }, 10),
                  "conv1 32: conv1.weight> conv1.bias> >conv2.weight\n"
                  "conv2 64: conv2.weight> conv2.bias> >fc1.weight*49\n"
                  "fc1 512: fc1.weight> fc1.bias> >fc2.weight\n");
    expect_groups(test_model_named("softmax-regression", (mu_shape){ 28, 28, 1 }, 10), "");
}

/* What a stage's blocks give out is one group; what is between the convolutions of a block is its own. */
static void test_residual(void **state)
{
    (void)state;
    mu_model *model = test_model_named("resnet20", (mu_shape){ 32, 32, 3 }, 10);
    mu_units *units = units_of(model);
    static const char *const names[] = { "conv1",          "layer1.0.conv1", "layer1.1.conv1", "layer1.2.conv1",
                                         "layer2.0.conv1", "layer2.0.conv2", "layer2.1.conv1", "layer2.2.conv1",
                                         "layer3.0.conv1", "layer3.0.conv2", "layer3.1.conv1", "layer3.2.conv1" };
    assert_int_equal(mu_units_group_count(units), MU_COUNT(names));
    for (size_t g = 0; g < MU_COUNT(names); g++) {
        assert_string_equal(mu_units_group(units, g)->name, names[g]);
        assert_int_equal(mu_units_group(units, g)->count, 16u << g / 4);
    }
    text t = { .length = 0 };
    describe(model, units, 9, &t);
    assert_string_equal(t.at,
                        "layer3.0.conv2 64: layer3.0.conv2.weight> layer3.0.bn2.weight> layer3.0.bn2.bias> "
                        "layer3.0.bn2.running_mean> layer3.0.bn2.running_var> layer3.0.downsample.0.weight> "
                        "layer3.0.downsample.1.weight> layer3.0.downsample.1.bias> layer3.0.downsample.1.running_mean> "
                        "layer3.0.downsample.1.running_var> >layer3.1.conv1.weight layer3.1.conv2.weight> "
                        "layer3.1.bn2.weight> layer3.1.bn2.bias> layer3.1.bn2.running_mean> layer3.1.bn2.running_var> "
                        ">layer3.2.conv1.weight layer3.2.conv2.weight> layer3.2.bn2.weight> layer3.2.bn2.bias> "
                        "layer3.2.bn2.running_mean> layer3.2.bn2.running_var> >fc.weight\n");
    mu_units_destroy(units);
    mu_model_destroy(model);
}

/* What is added to the model's input stays, and so does everything that is added to that. */
static void test_input_stays(void **state)
{
    (void)state;
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 3, kernel: 3, padding: 1}\n"
                              "  - {add: [a, input], name: s}\n"
                              "  - {conv: b, channels: 4, kernel: 1}\n"
                              "  - {relu: r}\n"
                              "  - {conv: c, channels: 3, kernel: 1}\n"
                              "  - {add: [c, s], name: u}\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "b 4: b.weight> b.bias> >c.weight\n");
}

static void test_concat(void **state)
{
    (void)state;
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 4, kernel: 3, padding: 1}\n"
                              "  - {conv: b, channels: 2, kernel: 1}\n"
                              "  - {concat: [a, b, input], name: j}\n"
                              "  - {batch_norm: n}\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "a 4: a.weight> a.bias> >b.weight n.weight> n.bias> n.running_mean> n.running_var> >d.weight*24\n"
                  "b 2: b.weight> b.bias> n.weight>@4 n.bias>@4 n.running_mean>@4 n.running_var>@4 >d.weight*24@4\n");
    /* What a concatenation is added to falls into the same parts, and one value may be in it twice. */
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 4, kernel: 3, padding: 1}\n"
                              "  - {tanh: t}\n"
                              "  - {conv: b, channels: 2, kernel: 1}\n"
                              "  - {concat: [b, t, a], name: j}\n"
                              "  - {conv: c, channels: 10, kernel: 1}\n"
                              "  - {add: [c, j], name: s}\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "a 4: a.weight> a.bias> >b.weight >c.weight*2@2 c.weight>*2@2 c.bias>*2@2 >d.weight*48@2\n"
                  "b 2: b.weight> b.bias> >c.weight c.weight> c.bias> >d.weight*24\n");
    /* Two concatenations that overlap. */
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 2, kernel: 1}\n"
                              "  - {conv: b, channels: 4, kernel: 1, input: input}\n"
                              "  - {concat: [a, b], name: j}\n"
                              "  - {conv: c, channels: 3, kernel: 1, input: input}\n"
                              "  - {conv: e, channels: 3, kernel: 1, input: input}\n"
                              "  - {concat: [c, e], name: k}\n"
                              "  - {add: [j, k], name: s}\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "a 2: a.weight> a.bias> c.weight> c.bias> >d.weight*24\n"
                  "b 1: b.weight> b.bias> c.weight>@2 c.bias>@2 >d.weight*24@2\n"
                  "b@1 3: b.weight>@1 b.bias>@1 e.weight> e.bias> >d.weight*24@3\n");
}

static void test_depthwise(void **state)
{
    (void)state;
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 4, kernel: 1}\n"
                              "  - {depthwise_conv: w, kernel: 3, padding: 1, multiplier: 2}\n"
                              "  - {batch_norm: n}\n"
                              "  - {relu6: r}\n"
                              "  - {conv: p, channels: 6, kernel: 1}\n"
                              "  - global_average_pool\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "a 4: a.weight> a.bias> w.weight>*2 w.bias>*2 n.weight>*2 n.bias>*2 n.running_mean>*2 n.running_var>*2 >p.weight*2\n"
                  "p 6: p.weight> p.bias> >d.weight\n");
}

/* Groups of a convolution and of a norm stay, with as many channels each: the i-th of all are one unit. */
static void test_blocks(void **state)
{
    (void)state;
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 8, kernel: 1}\n"
                              "  - {conv: g, channels: 6, kernel: 3, padding: 1, groups: 2}\n"
                              "  - {group_norm: n, groups: 3}\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "a 4: a.weight>*2 a.bias>*2 >g.weight\n"
                  "g 1: g.weight>*6 g.bias>*6 n.weight>*6 n.bias>*6 >d.weight*144\n");
    expect_groups(image_model("layers:\n"
                              "  - {conv: a, channels: 12, kernel: 1}\n"
                              "  - {group_norm: n, groups: 3}\n"
                              "  - flatten\n"
                              "  - {dense: d}\n"),
                  "a 4: a.weight>*3 a.bias>*3 n.weight>*3 n.bias>*3 >d.weight*72\n");
}

static void test_recurrent(void **state)
{
    (void)state;
    expect_groups(test_model_of("layers:\n"
                                "  - {embedding: e, channels: 4}\n"
                                "  - {lstm: l, units: 6}\n"
                                "  - {layer_norm: n}\n"
                                "  - {gru: g, units: 3, output: last}\n"
                                "  - {dense: d}\n",
                                (mu_shape){ 1, 1, 7 }, 9),
                  "e 4: e.weight> >l.weight_ih_l0\n"
                  "l 6: l.weight_ih_l0>*4 >l.weight_hh_l0 l.weight_hh_l0>*4 l.bias_ih_l0>*4 l.bias_hh_l0>*4 n.weight> n.bias> "
                  ">g.weight_ih_l0\n"
                  "g 3: g.weight_ih_l0>*3 >g.weight_hh_l0 g.weight_hh_l0>*3 g.bias_ih_l0>*3 g.bias_hh_l0>*3 >d.weight\n");
}

static void test_along(void **state)
{
    (void)state;
    mu_model *model = image_model("layers:\n"
                                  "  - {conv: a, channels: 2, kernel: 3, padding: 1}\n"
                                  "  - {concat: [a, input], name: j}\n"
                                  "  - {conv: b, channels: 3, kernel: 1}\n"
                                  "  - flatten\n"
                                  "  - {dense: d}\n");
    mu_units *units = units_of(model);
    static const uint32_t into_b[] = { 0, 1, MU_UNIT_NONE, MU_UNIT_NONE, MU_UNIT_NONE };
    assert_memory_equal(mu_units_along(units, 2, MU_SIDE_INPUT), into_b, sizeof into_b);
    const uint32_t *into_d = mu_units_along(units, 4, MU_SIDE_INPUT);
    for (uint32_t i = 0; i < 6 * 4 * 3; i++)
        assert_int_equal(into_d[i], 2 + i % 3);
    assert_null(mu_units_along(units, 0, MU_SIDE_INPUT));  /* the image's channels */
    assert_null(mu_units_along(units, 4, MU_SIDE_OUTPUT)); /* the classes */
    assert_null(mu_units_along(units, 5, MU_SIDE_OUTPUT));
    mu_units_destroy(units);
    mu_model_destroy(model);
}

static void test_choices(void **state)
{
    (void)state;
    mu_model *model = test_model_named("lenet5", (mu_shape){ 28, 28, 1 }, 10);
    mu_units *units = units_of(model);
    bool kept[6 + 16 + 120 + 84];
    mu_units_keep_all(units, kept);
    mu_units_keep_first(units, 1, 5, kept);
    for (size_t u = 0; u < sizeof kept; u++)
        assert_int_equal(kept[u], u < 6 + 5 || u >= 6 + 16);
    assert_int_equal(mu_units_of_width(units, 0, 0.5), 3);
    assert_int_equal(mu_units_of_width(units, 0, 0.51), 4);
    assert_int_equal(mu_units_of_width(units, 0, 0.001), 1);
    assert_int_equal(mu_units_of_width(units, 0, 1), 6);
    for (uint32_t i = 1; i <= 120; i++) /* i / 120 * 120 is not always i in floating point */
        assert_int_equal(mu_units_of_width(units, 2, i / 120.0), i);
    assert_int_equal(mu_units_of_width(units, 2, 0.1 + 0.2), 36);
    mu_units_destroy(units);
    mu_model_destroy(model);
}

/* Every kind of layer says what becomes of its channels: one that says nothing would keep them all. */
static void test_every_kind(void **state)
{
    (void)state;
    size_t kinds;
    const mu_layer *const *layers = mu_layers(&kinds);
    for (size_t i = 0; i < kinds; i++)
        if (!layers[i]->units)
            fail_msg("the layer kind %s says nothing about units", layers[i]->kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),    cmocka_unit_test(test_residual), cmocka_unit_test(test_input_stays), cmocka_unit_test(test_concat),
        cmocka_unit_test(test_depthwise), cmocka_unit_test(test_blocks),   cmocka_unit_test(test_recurrent),   cmocka_unit_test(test_along),
        cmocka_unit_test(test_choices),   cmocka_unit_test(test_every_kind),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
