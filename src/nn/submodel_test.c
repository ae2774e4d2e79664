/* Submodels: the network of a choice is the one that would have been written down narrower, computes what the whole one computes without
 * the units left out, and its weights come and go untouched. */
#include "nn/test_step.h"

#include "muster/submodel.h"

#include <math.h>

/* ---- nothing allocates once there is a submodel: the linker puts these in front of the C library's ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t allocation_count;

void *__wrap_malloc(size_t size)
{
    allocation_count++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocation_count++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocation_count++;
    return __real_realloc(old, size);
}

/* ---- models ---- */

/* Strides, a concatenation that is added to a convolution, depthwise, two readers, a flatten. Channels: of a, of b, of dense. */
static const char branches[] = "layers:\n"
                               "  - {conv: a, channels: %u, kernel: 3, padding: same}\n"
                               "  - {relu: ar}\n"
                               "  - {depthwise_conv: w, kernel: 3, padding: 1, multiplier: 2}\n"
                               "  - {batch_norm: n}\n"
                               "  - {relu6: wr}\n"
                               "  - {conv: b, channels: %u, kernel: 1, input: ar}\n"
                               "  - {sigmoid: bs}\n"
                               "  - {concat: [wr, input, bs], name: j}\n"
                               "  - {max_pool: p, size: 2}\n"
                               "  - flatten\n"
                               "  - {dense: f, units: %u}\n"
                               "  - {batch_norm: m}\n"
                               "  - {tanh: ft}\n"
                               "  - {dense: g}\n";

/* An inverted residual. Channels: of the stem and what is added to it, of what is between, of the last convolution. */
static const char inverted[] = "layers:\n"
                               "  - {conv: stem, channels: %u, kernel: 3, stride: 2, padding: 1, bias: false}\n"
                               "  - {batch_norm: n0}\n"
                               "  - {relu6: r0}\n"
                               "  - {conv: expand, channels: %u, kernel: 1, bias: false}\n"
                               "  - {batch_norm: n1}\n"
                               "  - {relu6: r1}\n"
                               "  - {depthwise_conv: w, kernel: 3, padding: 1, bias: false}\n"
                               "  - {batch_norm: n2}\n"
                               "  - {relu6: r2}\n"
                               "  - {conv: project, channels: %u, kernel: 1, bias: false}\n"
                               "  - {batch_norm: n3}\n"
                               "  - {add: [n3, r0], name: s}\n"
                               "  - {conv: last, channels: 11, kernel: 1}\n"
                               "  - global_average_pool\n"
                               "  - {leaky_relu: lr}\n"
                               "  - flatten\n"
                               "  - {dense: d}\n";

/* Groups of channels. Channels: of a, of g. */
static const char blocks[] = "layers:\n"
                             "  - {conv: a, channels: %u, kernel: 3, padding: 1}\n"
                             "  - {group_norm: n, groups: 2}\n"
                             "  - {relu: r}\n"
                             "  - {conv: g, channels: %u, kernel: 3, stride: 2, padding: 1, groups: 2}\n"
                             "  - {tanh: t}\n"
                             "  - {average_pool: p, size: 2, stride: 1}\n"
                             "  - flatten\n"
                             "  - {dense: d}\n";

/* Symbols. Channels: of the embedding, the LSTM, the GRU. */
static const char sequence[] = "layers:\n"
                               "  - {embedding: e, channels: %u}\n"
                               "  - {lstm: l, units: %u}\n"
                               "  - {gru: g, units: %u, output: last}\n"
                               "  - {dense: d}\n";

static mu_model *model_with(const char *format, mu_shape input, uint32_t a, uint32_t b, uint32_t c)
{
    char text[2048];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, a, b, c);
#pragma GCC diagnostic pop
    return test_model_of(text, input, 5);
}

static mu_model *group_norm_model(const char *name, mu_shape input)
{
    mu_model *model = NULL;
    assert_int_equal(mu_model_create_builtin(name, "group", input, 10, &model, NULL), MU_OK);
    return model;
}

enum { MODELS = 10, MOBILENET = 9 };

static mu_model *make_model(size_t index)
{
    switch (index) {
    case 0: return test_model_named("lenet5", (mu_shape){ 28, 28, 1 }, 10);
    case 1: return test_model_named("resnet20", (mu_shape){ 8, 8, 3 }, 10);
    case 2: return model_with(branches, (mu_shape){ 6, 4, 2 }, 7, 3, 19);
    case 3: return model_with(sequence, (mu_shape){ 1, 1, 6 }, 5, 9, 4);
    case 4: return model_with(inverted, (mu_shape){ 9, 8, 3 }, 6, 15, 6);
    case 5: return model_with(blocks, (mu_shape){ 7, 5, 2 }, 8, 6, 0);
    case 6: return group_norm_model("resnet20", (mu_shape){ 8, 8, 3 });
    case 7: return test_model_named("fedavg-cnn", (mu_shape){ 12, 12, 1 }, 10);
    case 8: return test_model_named("softmax-regression", (mu_shape){ 5, 5, 1 }, 3);
    default: return test_model_named("mobilenetv2", (mu_shape){ 32, 32, 3 }, 10);
    }
}
enum { MODELS_WITHOUT_SUMS_OVER_CHANNELS = 5 }; /* the first ones: their norms look at one channel at a time */

/* ---- a submodel with its memory ---- */

typedef struct subject {
    mu_model    *model; /* owned */
    mu_units    *units;
    mu_submodel *submodel;
    void        *memory;
    size_t       size_bytes;
    bool        *kept;
    float       *whole; /* [state_count] */
} subject;

static subject subject_create(mu_model *model)
{
    subject s = { .model = model };
    mu_error err = { 0 };
    if (mu_units_create(model, &s.units, &err))
        fail_msg("%s", err.message);
    mu_arena arena = mu_arena_measuring();
    assert_int_equal(mu_submodel_plan(s.units, &arena, &s.submodel, &err), MU_OK);
    assert_null(s.submodel);
    s.size_bytes = arena.used_bytes;
    s.memory = mu_arena_block(s.size_bytes);
    assert_non_null(s.memory);
    memset(s.memory, 0xA5, s.size_bytes);
    arena = mu_arena_over(s.memory, s.size_bytes);
    if (mu_submodel_plan(s.units, &arena, &s.submodel, &err))
        fail_msg("%s", err.message);
    assert_non_null(s.submodel);
    assert_int_equal(arena.used_bytes, s.size_bytes);
    s.kept = calloc(mu_units_count(s.units) + 1, sizeof *s.kept);
    s.whole = calloc(mu_model_state_count(model), sizeof *s.whole);
    assert_true(s.kept && s.whole);
    mu_model_init(model, 11, s.whole);
    mu_random random = mu_random_stream(12, MU_RANDOM_TEST, 0, 0);
    for (size_t i = mu_model_param_count(model); i < mu_model_state_count(model); i++)
        s.whole[i] = mu_random_unit_float(&random) + 0.5f;
    return s;
}

static void subject_destroy(subject *s)
{
    free(s->kept);
    free(s->whole);
    mu_arena_block_free(s->memory);
    mu_units_destroy(s->units);
    mu_model_destroy(s->model);
}

static void form(subject *s)
{
    mu_error err = { 0 };
    if (mu_submodel_form(s->submodel, s->kept, &err))
        fail_msg("%s", err.message);
}

/* Any number of units of each group, or one of each. */
static void form_random(subject *s, mu_random *random, bool single)
{
    for (size_t g = 0; g < mu_units_group_count(s->units); g++) {
        const mu_unit_group *group = mu_units_group(s->units, g);
        uint32_t left = single ? 1 : 1 + mu_random_below(random, group->count);
        for (uint32_t u = 0; u < group->count; u++) {
            bool keep = mu_random_below(random, group->count - u) < left;
            s->kept[group->first + u] = keep;
            left -= keep;
        }
    }
    form(s);
}

/* ---- is an element kept? Found anew from the shapes, element by element ---- */

static bool place_kept(const subject *s, size_t tensor, mu_side side, size_t place)
{
    const uint32_t *along = mu_units_along(s->units, tensor, side);
    return !along || along[place] == MU_UNIT_NONE || s->kept[along[place]];
}

static bool element_kept(const subject *s, size_t index, size_t element)
{
    const mu_tensor *tensor = mu_model_tensor(s->model, index);
    size_t in = 1, out = tensor->shape[0];
    if (tensor->layout == MU_LAYOUT_ROWS) {
        in = tensor->shape[0];
        out = tensor->shape[1];
    } else if (tensor->layout != MU_LAYOUT_VECTOR)
        in = tensor->shape[1];
    return place_kept(s, index, MU_SIDE_OUTPUT, element % out) && (in == 1 || place_kept(s, index, MU_SIDE_INPUT, element / out % in));
}

/* Gather takes the kept elements in their order; scatter and add touch them and nothing else; gather then scatter changes nothing. */
static void check_copies(subject *s)
{
    const mu_model *small = mu_submodel_model(s->submodel);
    size_t whole_count = mu_model_state_count(s->model), part_count = mu_model_state_count(small), params = mu_model_param_count(small);
    float *part = malloc(part_count * sizeof *part), *got = malloc(whole_count * sizeof *got), *expected = malloc(whole_count * sizeof *got);
    assert_true(part && got && expected);
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, s->whole, part);
    memcpy(got, s->whole, whole_count * sizeof *got);
    mu_submodel_scatter(s->submodel, MU_EXTENT_STATE, part, got);
    assert_memory_equal(got, s->whole, whole_count * sizeof *got);

    memcpy(expected, s->whole, whole_count * sizeof *got);
    for (size_t t = 0; t < mu_model_tensor_count(s->model); t++) {
        const mu_tensor *tensor = mu_model_tensor(s->model, t), *small_tensor = mu_model_tensor(small, t);
        size_t next = small_tensor->offset;
        for (size_t i = 0; i < tensor->count; i++)
            if (element_kept(s, t, i)) {
                assert_memory_equal(&part[next++], &s->whole[tensor->offset + i], sizeof(float));
                expected[tensor->offset + i] = tensor->trainable ? fmaf(-0.25f, part[next - 1] + 1, 3) : part[next - 1] + 1;
            }
        assert_int_equal(next, small_tensor->offset + small_tensor->count);
    }
    for (size_t i = 0; i < part_count; i++)
        part[i] += 1;
    mu_submodel_scatter(s->submodel, MU_EXTENT_STATE, part, got);
    for (size_t i = params; i < part_count; i++)
        part[i] = NAN; /* not trained, and so not looked at from here on */
    float *threes = malloc(params * sizeof *threes);
    assert_non_null(threes);
    for (size_t i = 0; i < params; i++)
        threes[i] = 3;
    mu_submodel_scatter(s->submodel, MU_EXTENT_PARAMS, threes, got);
    mu_submodel_add(s->submodel, MU_EXTENT_PARAMS, -0.25f, part, got);
    assert_memory_equal(got, expected, whole_count * sizeof *got);
    free(threes);
    free(part);
    free(got);
    free(expected);
}

static void test_copies(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < MODELS; i++) {
        subject s = subject_create(make_model(i));
        mu_units_keep_all(s.units, s.kept);
        check_copies(&s); /* as it begins: the whole model */
        for (int n = 0; n < (i == MOBILENET ? 2 : 12); n++) {
            form_random(&s, &random, n % 4 == 3);
            check_copies(&s);
        }
        subject_destroy(&s);
    }
}

/* ---- the network of a choice is the narrower network ---- */

static void expect_same_network(const mu_model *a, const mu_model *b)
{
    assert_int_equal(mu_model_param_count(a), mu_model_param_count(b));
    assert_int_equal(mu_model_state_count(a), mu_model_state_count(b));
    assert_int_equal(mu_model_tensor_count(a), mu_model_tensor_count(b));
    for (size_t t = 0; t < mu_model_tensor_count(a); t++) {
        const mu_tensor *x = mu_model_tensor(a, t), *y = mu_model_tensor(b, t);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->shape, y->shape, x->rank * sizeof x->shape[0]);
        assert_true(x->layout == y->layout && x->trainable == y->trainable);
        assert_true(x->offset == y->offset && x->count == y->count);
        assert_memory_equal(&x->flattened, &y->flattened, sizeof x->flattened);
    }
    assert_int_equal(mu_model_layer_count(a), mu_model_layer_count(b));
    for (size_t i = 0; i < mu_model_layer_count(a); i++) {
        mu_layer_info x, y;
        mu_model_layer(a, i, 3, &x);
        mu_model_layer(b, i, 3, &y);
        assert_memory_equal(&x.output, &y.output, sizeof x.output);
        assert_memory_equal(&x.cost, &y.cost, sizeof x.cost);
    }
    mu_step_config config = mu_step_config_default();
    mu_arena x = mu_arena_measuring(), y = mu_arena_measuring();
    mu_step *step;
    assert_int_equal(mu_step_plan(a, &config, &x, &step, NULL), MU_OK);
    assert_int_equal(mu_step_plan(b, &config, &y, &step, NULL), MU_OK);
    assert_int_equal(x.used_bytes, y.used_bytes);
}

/* Takes both models. `counts`: kept units of each group. */
static void check_narrower(mu_model *wide, mu_model *narrow, const uint32_t *counts)
{
    subject s = subject_create(wide);
    expect_same_network(mu_submodel_model(s.submodel), wide);
    for (int turn = 0; turn < 2; turn++) { /* what was formed before leaves nothing behind */
        for (size_t g = 0; g < mu_units_group_count(s.units); g++)
            mu_units_keep_first(s.units, g, counts[g], s.kept);
        form(&s);
        expect_same_network(mu_submodel_model(s.submodel), narrow);
        mu_units_keep_all(s.units, s.kept);
        form(&s);
        expect_same_network(mu_submodel_model(s.submodel), wide);
    }
    mu_model_destroy(narrow);
    subject_destroy(&s);
}

static void test_narrower(void **state)
{
    (void)state;
    static const char lenet[] = "name: lenet5\n"
                                "layers:\n"
                                "  - {conv: conv1, channels: %u, kernel: 5, padding: 2}\n"
                                "  - relu\n"
                                "  - {max_pool: pool1, size: 2}\n"
                                "  - {conv: conv2, channels: %u, kernel: 5}\n"
                                "  - relu\n"
                                "  - {max_pool: pool2, size: 2}\n"
                                "  - flatten\n"
                                "  - {dense: fc1, units: %u}\n"
                                "  - relu\n"
                                "  - {dense: fc2}\n";
    mu_shape image = { 28, 28, 1 }, small = { 6, 4, 2 }, odd = { 7, 5, 2 }, symbols = { 1, 1, 6 };
    check_narrower(model_with(lenet, image, 6, 16, 120), model_with(lenet, image, 3, 5, 17), (const uint32_t[]){ 3, 5, 17 });
    check_narrower(model_with(lenet, image, 6, 16, 120), model_with(lenet, image, 1, 1, 1), (const uint32_t[]){ 1, 1, 1 });
    check_narrower(model_with(branches, small, 7, 3, 19), model_with(branches, small, 4, 1, 8), (const uint32_t[]){ 4, 1, 8 });
    check_narrower(model_with(blocks, odd, 8, 6, 0), model_with(blocks, odd, 6, 2, 0), (const uint32_t[]){ 3, 1 });
    check_narrower(model_with(sequence, symbols, 5, 9, 4), model_with(sequence, symbols, 2, 7, 3), (const uint32_t[]){ 2, 7, 3 });
}

/* ---- it computes what the whole model computes where the units left out are zero ---- */

static test_step run(const mu_model *model, const float *weights, bool plain, uint32_t batch)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = batch;
    config.plain_kernels = plain;
    test_step t = test_step_create(model, config, true);
    memcpy(mu_step_state(t.step), weights, mu_model_state_count(model) * sizeof(float));
    test_fill_batch(model, t.step, batch, 3);
    mu_step_gradient(t.step, batch, NULL);
    return t;
}

static void check_against_zeros(subject *s, bool plain)
{
    enum { BATCH = 3 };
    const mu_model *small = mu_submodel_model(s->submodel);
    size_t params = mu_model_param_count(small);
    float *part = malloc(mu_model_state_count(small) * sizeof *part), *zeroed = calloc(mu_model_state_count(s->model), sizeof *zeroed);
    float *gradients = malloc(params * sizeof *gradients);
    assert_true(part && zeroed && gradients);
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, s->whole, part);
    mu_submodel_scatter(s->submodel, MU_EXTENT_STATE, part, zeroed);
    test_step narrow = run(small, part, plain, BATCH), wide = run(s->model, zeroed, plain, BATCH);
    size_t logits = (size_t)BATCH * mu_model_targets(small) * mu_model_classes(small);
    for (size_t i = 0; i < logits; i++)
        if (mu_step_logits(narrow.step)[i] != mu_step_logits(wide.step)[i])
            fail_msg("logit %zu of %s is %g, %g in the whole model", i, mu_model_name(small), (double)mu_step_logits(narrow.step)[i],
                     (double)mu_step_logits(wide.step)[i]);
    mu_submodel_gather(s->submodel, MU_EXTENT_PARAMS, mu_step_gradients(wide.step), gradients);
    for (size_t i = 0; i < params; i++)
        if (mu_step_gradients(narrow.step)[i] != gradients[i])
            fail_msg("gradient %zu of %s is %g, %g in the whole model", i, mu_model_name(small), (double)mu_step_gradients(narrow.step)[i],
                     (double)gradients[i]);
    /* the running statistics of what is kept, too */
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, mu_step_state(wide.step), part);
    for (size_t i = params; i < mu_model_state_count(small); i++)
        assert_true(part[i] == mu_step_state(narrow.step)[i]);
    test_step_destroy(&narrow);
    test_step_destroy(&wide);
    free(part);
    free(zeroed);
    free(gradients);
}

static void test_against_zeros(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(2, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < MODELS_WITHOUT_SUMS_OVER_CHANNELS; i++) {
        subject s = subject_create(make_model(i));
        for (int n = 0; n < 6; n++) {
            form_random(&s, &random, n == 5);
            check_against_zeros(&s, n % 2);
        }
        subject_destroy(&s);
    }
}

/* ---- training, a new choice for every mini-batch ---- */

/* All of it in the memory of a step of the whole model, and as much as the planner needs to work in, which a larger model's step has
 * anyway; what was never kept stays as it was. */
static void test_training(void **state)
{
    (void)state;
    enum { STEPS = 12, BATCH = 4, ROOM_BYTES = 64 << 10 };
    for (size_t i = 0; i < MODELS; i++) {
        if (i == MOBILENET)
            continue; /* nothing new, and slow */
        subject s = subject_create(make_model(i));
        size_t count = mu_model_state_count(s.model), params = mu_model_param_count(s.model), trained = 0;
        mu_step_config config = mu_step_config_default();
        config.batch_size = BATCH;
        mu_step *step = NULL;
        mu_arena arena = mu_arena_measuring();
        assert_int_equal(mu_step_plan(s.model, &config, &arena, &step, NULL), MU_OK);
        size_t size_bytes = arena.used_bytes + ROOM_BYTES;
        void *memory = mu_arena_block(size_bytes);
        assert_non_null(memory);
        bool *touched = calloc(count, sizeof *touched);
        float *before = malloc(count * sizeof *before);
        assert_true(touched && before);
        memcpy(before, s.whole, count * sizeof *before);
        mu_random random = mu_random_stream(3, MU_RANDOM_TEST, 0, 0), dropout = random;
        for (int n = 0; n < STEPS; n++) {
            memset(memory, 0xff, size_bytes);
            arena = mu_arena_over(memory, size_bytes);
            size_t allocations = allocation_count;
            form_random(&s, &random, n == 7);
            assert_int_equal(mu_step_plan(mu_submodel_model(s.submodel), &config, &arena, &step, NULL), MU_OK);
            mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, mu_step_state(step));
            test_fill_batch(s.model, step, BATCH, (uint32_t)n);
            mu_step_result result = mu_step_gradient(step, BATCH, &dropout);
            mu_step_update(step, 0.01);
            mu_submodel_scatter(s.submodel, MU_EXTENT_STATE, mu_step_state(step), s.whole);
            assert_int_equal(allocation_count, allocations);
            assert_true(isfinite(result.loss_sum) && result.loss_sum > 0);
            for (size_t t = 0; t < mu_model_tensor_count(s.model); t++)
                for (size_t k = 0; k < mu_model_tensor(s.model, t)->count; k++)
                    touched[mu_model_tensor(s.model, t)->offset + k] |= element_kept(&s, t, k);
        }
        for (size_t k = 0; k < count; k++) {
            if (!touched[k])
                assert_memory_equal(&s.whole[k], &before[k], sizeof(float));
            trained += k < params && s.whole[k] != before[k];
        }
        assert_true(trained > params / 8);
        free(touched);
        free(before);
        mu_arena_block_free(memory);
        subject_destroy(&s);
    }
}

/* A step of SGD in the whole vector by mu_submodel_add is that of the small model, scattered. */
static void test_add_is_sgd(void **state)
{
    (void)state;
    subject s = subject_create(make_model(0));
    mu_random random = mu_random_stream(4, MU_RANDOM_TEST, 0, 0);
    form_random(&s, &random, false);
    const mu_model *small = mu_submodel_model(s.submodel);
    size_t count = mu_model_state_count(s.model);
    float *part = malloc(mu_model_state_count(small) * sizeof *part), *added = malloc(count * sizeof *added);
    assert_true(part && added);
    memcpy(added, s.whole, count * sizeof *added);
    mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, part);
    test_step t = run(small, part, false, 3);
    mu_submodel_add(s.submodel, MU_EXTENT_PARAMS, -0.1f, mu_step_gradients(t.step), added);
    mu_step_update(t.step, 0.1f);
    mu_submodel_scatter(s.submodel, MU_EXTENT_STATE, mu_step_state(t.step), s.whole);
    assert_memory_equal(added, s.whole, count * sizeof *added);
    free(part);
    free(added);
    test_step_destroy(&t);
    subject_destroy(&s);
}

/* Momentum that lives in whole vectors goes through steps that are planned anew as it goes through one that stays. */
static void test_moments(void **state)
{
    (void)state;
    enum { STEPS = 4, BATCH = 3 };
    mu_step_config configs[2] = { mu_step_config_default(), mu_step_config_default() };
    configs[0].momentum = 0.9;
    configs[0].dampening = 0.3;
    configs[1].optimizer = MU_OPTIMIZER_ADAM;
    for (size_t c = 0; c < MU_COUNT(configs); c++) {
        configs[c].batch_size = BATCH;
        configs[c].weight_decay = 0.01;
        subject s = subject_create(make_model(0));
        size_t params = mu_model_param_count(s.model);
        float *moments[2] = { calloc(params, sizeof(float)), calloc(params, sizeof(float)) };
        assert_true(moments[0] && moments[1]);
        mu_random random = mu_random_stream(8, MU_RANDOM_TEST, 0, 0);
        form_random(&s, &random, false);
        const mu_model *small = mu_submodel_model(s.submodel);
        float *part = malloc(mu_model_state_count(small) * sizeof *part);
        assert_non_null(part);
        mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, part);
        test_step stays = test_step_create(small, configs[c], true), anew = test_step_create(small, configs[c], true);
        memcpy(mu_step_state(stays.step), part, mu_model_state_count(small) * sizeof *part);
        mu_step_progress progress = mu_step_get_progress(stays.step);
        assert_true(progress.updates == 0 && progress.power1 == 1);
        for (uint32_t n = 0; n < STEPS; n++) {
            memset(anew.memory, 0xff, anew.size_bytes);
            mu_arena arena = mu_arena_over(anew.memory, anew.size_bytes);
            assert_int_equal(mu_step_plan(small, &configs[c], &arena, &anew.step, NULL), MU_OK);
            mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, mu_step_state(anew.step));
            for (uint32_t m = 0; mu_step_moment(anew.step, m); m++)
                mu_submodel_gather(s.submodel, MU_EXTENT_PARAMS, moments[m], mu_step_moment(anew.step, m));
            mu_step_set_progress(anew.step, progress);
            test_fill_batch(small, anew.step, BATCH, n);
            test_fill_batch(small, stays.step, BATCH, n);
            mu_step_gradient(anew.step, BATCH, NULL);
            mu_step_gradient(stays.step, BATCH, NULL);
            mu_step_update(anew.step, 0.02);
            mu_step_update(stays.step, 0.02);
            mu_submodel_scatter(s.submodel, MU_EXTENT_STATE, mu_step_state(anew.step), s.whole);
            for (uint32_t m = 0; mu_step_moment(anew.step, m); m++)
                mu_submodel_scatter(s.submodel, MU_EXTENT_PARAMS, mu_step_moment(anew.step, m), moments[m]);
            progress = mu_step_get_progress(anew.step);
            assert_memory_equal(mu_step_state(anew.step), mu_step_state(stays.step), mu_model_state_count(small) * sizeof *part);
        }
        assert_int_equal(progress.updates, STEPS);
        assert_null(mu_step_moment(anew.step, c + 1));
        free(part);
        free(moments[0]);
        free(moments[1]);
        test_step_destroy(&stays);
        test_step_destroy(&anew);
        subject_destroy(&s);
    }
}

/* ---- memory ---- */

static void test_memory_falls(void **state)
{
    (void)state;
    static const char *const names[] = { "fedavg-cnn", "resnet20" };
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        subject s = subject_create(test_model_named(names[i], i ? (mu_shape){ 32, 32, 3 } : (mu_shape){ 28, 28, 1 }, 10));
        mu_step_config config = mu_step_config_default();
        uint64_t whole_macs = mu_model_cost(s.model, 32).macs_forward;
        size_t last = 0, bytes[5];
        for (int eighths = 1, n = 0; eighths <= 8; eighths += eighths < 2 ? 1 : 2, n++) {
            for (size_t g = 0; g < mu_units_group_count(s.units); g++)
                mu_units_keep_first(s.units, g, mu_units_of_width(s.units, g, eighths / 8.0), s.kept);
            form(&s);
            mu_arena arena = mu_arena_measuring();
            mu_step *step;
            assert_int_equal(mu_step_plan(mu_submodel_model(s.submodel), &config, &arena, &step, NULL), MU_OK);
            assert_true(arena.used_bytes > last);
            bytes[n] = last = arena.used_bytes;
            double share = (double)mu_model_cost(mu_submodel_model(s.submodel), 32).macs_forward / (double)whole_macs;
            double square = eighths * eighths / 64.0, line = eighths / 8.0; /* inner layers; the first and the last one */
            assert_true(share >= square - 1e-12 && share <= 0.85 * square + 0.15 * line);
        }
        /* Activations fall with the width, weights with its square. */
        assert_true(bytes[2] < 0.52 * (double)bytes[4] && bytes[0] < 0.14 * (double)bytes[4]);
        subject_destroy(&s);
    }
}

enum { GUARD_BYTES = 4096 };

/* What it says that it needs is what it uses, and less is refused in a sentence. */
static void test_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        subject s = subject_create(make_model(i));
        unsigned char *memory = mu_arena_block(s.size_bytes + 2 * GUARD_BYTES);
        assert_non_null(memory);
        memset(memory, 0xA5, s.size_bytes + 2 * GUARD_BYTES);
        mu_arena arena = mu_arena_over(memory + GUARD_BYTES, s.size_bytes);
        mu_error err = { 0 };
        mu_submodel *submodel = NULL;
        assert_int_equal(mu_submodel_plan(s.units, &arena, &submodel, &err), MU_OK);
        mu_submodel *kept_submodel = s.submodel;
        s.submodel = submodel;
        mu_random random = mu_random_stream(5, MU_RANDOM_TEST, 0, 0);
        form_random(&s, &random, false);
        check_copies(&s);
        s.submodel = kept_submodel;
        for (size_t k = 0; k < GUARD_BYTES; k++) {
            assert_int_equal(memory[k], 0xA5);
            assert_int_equal(memory[GUARD_BYTES + s.size_bytes + k], 0xA5);
        }
        for (size_t less = MU_ARENA_ALIGNMENT_BYTES; less <= s.size_bytes; less += s.size_bytes / 7) {
            arena = mu_arena_over(memory, s.size_bytes - less);
            submodel = NULL;
            assert_int_equal(mu_submodel_plan(s.units, &arena, &submodel, &err), MU_E_MEMORY);
            assert_null(submodel);
            char number[64];
            snprintf(number, sizeof number, "takes %zu bytes, there are %zu", s.size_bytes, s.size_bytes - less);
            assert_non_null(strstr(err.message, number));
        }
        mu_arena_block_free(memory);
        subject_destroy(&s);
    }
}

/* ---- refusing ---- */

static void test_nothing_kept(void **state)
{
    (void)state;
    subject s = subject_create(make_model(0));
    mu_random random = mu_random_stream(6, MU_RANDOM_TEST, 0, 0);
    form_random(&s, &random, false);
    size_t count = mu_model_state_count(mu_submodel_model(s.submodel));
    bool *wrong = calloc(mu_units_count(s.units), sizeof *wrong);
    assert_non_null(wrong);
    mu_units_keep_all(s.units, wrong);
    for (uint32_t u = 0; u < 16; u++)
        wrong[6 + u] = false;
    mu_error err = { 0 };
    assert_int_equal(mu_submodel_form(s.submodel, wrong, &err), MU_E_RANGE);
    assert_string_equal(err.message, "the choice keeps none of the 16 units of 'conv2' in model 'lenet5'; keep at least one");
    assert_int_equal(mu_model_state_count(mu_submodel_model(s.submodel)), count);
    check_copies(&s);
    free(wrong);
    subject_destroy(&s);
}

/* A submodel's weights go to disk like any model's. */
static void test_file(void **state)
{
    (void)state;
    subject s = subject_create(make_model(2));
    mu_random random = mu_random_stream(7, MU_RANDOM_TEST, 0, 0);
    form_random(&s, &random, false);
    const mu_model *small = mu_submodel_model(s.submodel);
    size_t count = mu_model_state_count(small), size_bytes;
    float *part = malloc(count * sizeof *part), *read = malloc(count * sizeof *read);
    assert_true(part && read);
    mu_submodel_gather(s.submodel, MU_EXTENT_STATE, s.whole, part);
    unsigned char *bytes = NULL;
    assert_int_equal(mu_model_encode(small, part, NULL, &bytes, &size_bytes, NULL), MU_OK);
    assert_int_equal(mu_model_decode(small, "small", bytes, size_bytes, read, NULL), MU_OK);
    assert_memory_equal(part, read, count * sizeof *part);
    assert_int_equal(mu_model_decode(s.model, "small", bytes, size_bytes, s.whole, NULL), MU_E_SHAPE);
    free(bytes);
    free(part);
    free(read);
    subject_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),       cmocka_unit_test(test_narrower), cmocka_unit_test(test_against_zeros),
        cmocka_unit_test(test_training),     cmocka_unit_test(test_add_is_sgd), cmocka_unit_test(test_moments),
        cmocka_unit_test(test_memory_falls), cmocka_unit_test(test_exact),        cmocka_unit_test(test_nothing_kept), cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests_name("submodel", tests, NULL, NULL);
}
