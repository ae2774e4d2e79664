/* Steps within a memory limit: they fit, to the byte; they compute the same bits as a step without one; and the smallest limit is
 * named. */
#include "nn/test_step.h"

/* Nothing here looks at the whole batch: it may come in parts. Its masks are drawn in the order of the layers all the same. */
static const char parts[] = "layers:\n"
                            "  - {conv: a, channels: 7, kernel: 3, padding: same}\n"
                            "  - {group_norm: n, groups: 7}\n"
                            "  - {layer_norm: m}\n"
                            "  - {tanh: h}\n"
                            "  - {dropout: d0, rate: 0.3}\n"
                            "  - {conv: b, channels: 7, kernel: 3, padding: same, groups: 7, bias: false}\n"
                            "  - {add: [b, h], name: s}\n"
                            "  - {conv: c, channels: 5, kernel: 1}\n"
                            "  - {relu: cr}\n"
                            "  - {concat: [cr, s], name: j}\n"
                            "  - {max_pool: p, size: 2}\n"
                            "  - {flatten: v}\n"
                            "  - {dropout: d1, rate: 0.2}\n"
                            "  - {dense: f, units: 9}\n"
                            "  - {leaky_relu: fr}\n"
                            "  - {dense: last}\n";

/* A prediction at every place of a sequence. */
static const char sequences[] = "layers:\n"
                                "  - {embedding: e, symbols: 11, channels: 5}\n"
                                "  - {lstm: l, units: 7}\n"
                                "  - {gru: g, units: 6}\n"
                                "  - {layer_norm: n}\n"
                                "  - {dense: last, each: true}\n";

typedef struct test_case {
    const char *text; /* NULL: built-in, by name */
    const char *name, *norm;
    mu_shape    input;
    uint32_t    batch;
    bool        splits;
    uint32_t    symbols; /* the input is numbers below; 0: it is values */
} test_case;

static const test_case cases[] = {
    { sequences, "sequences", NULL, { 1, 9, 1 }, 7, true, 11 },
    { test_branches, "branches", NULL, { 9, 8, 2 }, 6, false, 0 },
    { parts, "parts", NULL, { 7, 9, 3 }, 7, true, 0 },
    { NULL, "lenet5", NULL, { 28, 28, 1 }, 5, true, 0 },
    { NULL, "fedavg-cnn", NULL, { 28, 28, 1 }, 3, true, 0 },
    { NULL, "resnet20", NULL, { 8, 8, 3 }, 6, false, 0 },
    { NULL, "resnet20", "group", { 8, 8, 3 }, 8, true, 0 },
};

static mu_model *model_of(const test_case *c)
{
    if (c->text)
        return test_model_of(c->text, c->input, 4);
    mu_model *model = NULL;
    mu_error err = { 0 };
    if (mu_model_create_builtin(c->name, c->norm, c->input, 10, &model, &err))
        fail_msg("%s", err.message);
    return model;
}

static mu_step_config config_of(const test_case *c, bool training)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = c->batch;
    config.momentum = training ? 0.9 : 0;
    config.training = training;
    return config;
}

static mu_step_schedule schedule_of(const mu_model *model, const mu_step_config *config)
{
    mu_step_schedule schedule;
    mu_error err = { 0 };
    if (mu_step_schedule_find(model, config, &schedule, NULL, &err))
        fail_msg("%s", err.message);
    return schedule;
}

static size_t smallest_limit(const mu_model *model, mu_step_config config)
{
    mu_step_schedule schedule;
    config.memory_limit_bytes = 1;
    assert_int_equal(mu_step_schedule_find(model, &config, &schedule, NULL, NULL), MU_E_MEMORY);
    return schedule.peak_bytes;
}

/* ---- the same bits ---- */

static void fill_batch(const test_case *c, const mu_model *model, mu_step *step, uint32_t count, uint32_t seed)
{
    test_fill_batch(model, step, count, seed);
    mu_random random = mu_random_stream(seed, MU_RANDOM_TEST, 1, 0);
    for (size_t i = 0; i < (size_t)count * mu_model_targets(model); i++)
        mu_step_labels(step)[i] = (int32_t)mu_random_below(&random, mu_model_classes(model));
    for (size_t i = 0; c->symbols && i < (size_t)count * c->input.width; i++)
        mu_step_input(step)[i] = (float)mu_random_below(&random, c->symbols);
}

/* All that a caller can see of two steps and an evaluation. */
typedef struct outcome {
    double     loss_sums[3];
    float     *gradients, *state, *logits;
    size_t     gradient_bytes, state_bytes, logit_bytes;
    uint64_t   correct;
    uint32_t   next_draw; /* of the dropout stream */
} outcome;

static float *copy_of(const float *values, size_t bytes)
{
    float *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, values, bytes);
    return copy;
}

/* A class left out, a teacher, factors: what the caller asks of a step knows nothing of parts and recomputing. */
static mu_step_result train_in_manner(const mu_model *model, mu_step *step, uint32_t count, mu_random *dropout)
{
    bool  held[10];
    float teacher[8 * 9 * 10], factors[80];
    assert_true(mu_model_classes(model) <= MU_COUNT(held) && mu_model_layer_count(model) <= MU_COUNT(factors));
    assert_true(count * mu_model_targets(model) * mu_model_classes(model) <= MU_COUNT(teacher));
    for (size_t k = 0; k < MU_COUNT(held); k++)
        held[k] = k != 1;
    for (size_t i = 0; i < MU_COUNT(teacher); i++)
        teacher[i] = (float)(i * 7 % 23) / 5;
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info info;
        mu_model_layer(model, i, 1, &info);
        factors[i] = strcmp(info.kind, "conv") == 0 || strcmp(info.kind, "dense") == 0 ? 1.1f : 1;
    }
    return mu_step_gradient_as(step, &(mu_step_manner){ .held = held, .teacher = teacher, .label_weight = 0.5, .teacher_weight = 2,
                                                        .temperature = 2, .factors = factors }, count, dropout);
}

static outcome train(const test_case *c, const mu_model *model, mu_step *step, uint32_t batch)
{
    outcome o = { .correct = 0 };
    mu_random dropout = mu_random_stream(11, MU_RANDOM_DROPOUT, 0, 0);
    (void)mu_random_u32(&dropout); /* begins within a block */
    mu_step_reset(step);
    mu_model_init(model, 2, mu_step_state(step));
    for (uint32_t n = 0; n < 2; n++) {
        uint32_t count = n ? batch / 2 + 1 : batch;
        fill_batch(c, model, step, count, n);
        mu_step_result result = n ? train_in_manner(model, step, count, &dropout) : mu_step_gradient(step, count, &dropout);
        o.loss_sums[n] = result.loss_sum;
        o.correct += result.correct;
        mu_step_update(step, 0.05);
    }
    fill_batch(c, model, step, batch, 2);
    o.loss_sums[2] = mu_step_evaluate(step, batch).loss_sum;
    o.next_draw = mu_random_u32(&dropout);
    o.gradient_bytes = mu_model_param_count(model) * sizeof(float);
    o.state_bytes = mu_model_state_count(model) * sizeof(float);
    o.logit_bytes = (size_t)batch * mu_model_targets(model) * mu_model_classes(model) * sizeof(float);
    o.gradients = copy_of(mu_step_gradients(step), o.gradient_bytes);
    o.state = copy_of(mu_step_state(step), o.state_bytes);
    o.logits = copy_of(mu_step_logits(step), o.logit_bytes);
    return o;
}

static void release(outcome *o)
{
    free(o->gradients);
    free(o->state);
    free(o->logits);
}

static void expect_same(const outcome *a, const outcome *b)
{
    assert_memory_equal(a->loss_sums, b->loss_sums, sizeof a->loss_sums);
    assert_int_equal(a->correct, b->correct);
    assert_memory_equal(a->gradients, b->gradients, a->gradient_bytes);
    assert_memory_equal(a->state, b->state, a->state_bytes); /* running statistics too: moved once a step */
    assert_memory_equal(a->logits, b->logits, a->logit_bytes);
    assert_int_equal(a->next_draw, b->next_draw);
}

/* ---- within the limit ---- */

enum { GUARD_BYTES = 4096 };

static void expect_guard(const unsigned char *bytes)
{
    for (size_t i = 0; i < GUARD_BYTES; i++)
        assert_int_equal(bytes[i], 0xA5);
}

/* Plan, in exactly as many bytes as were said, between guards, in memory that is all NaN at first; train; compare. */
static mu_step_schedule check_limit(const test_case *c, const mu_model *model, const mu_step_config *config, const outcome *expected)
{
    mu_step_schedule schedule = schedule_of(model, config);
    assert_in_range(schedule.peak_bytes, 1, config->memory_limit_bytes);
    assert_true(schedule.time_factor >= 1);
    mu_arena arena = mu_arena_measuring();
    mu_step *step = NULL;
    assert_int_equal(mu_step_plan(model, config, &arena, &step, NULL), MU_OK);
    assert_int_equal(arena.used_bytes, schedule.peak_bytes);
    unsigned char *memory = mu_arena_block(schedule.peak_bytes + 2 * GUARD_BYTES);
    assert_non_null(memory);
    memset(memory, 0xA5, schedule.peak_bytes + 2 * GUARD_BYTES);
    memset(memory + GUARD_BYTES, 0xff, schedule.peak_bytes);
    arena = mu_arena_over(memory + GUARD_BYTES, schedule.peak_bytes);
    assert_int_equal(mu_step_plan(model, config, &arena, &step, NULL), MU_OK);
    assert_int_equal(arena.used_bytes, schedule.peak_bytes);
    for (int again = 0; again < 2; again++) { /* the second time in memory full of old values */
        outcome o = train(c, model, step, config->batch_size);
        expect_same(expected, &o);
        release(&o);
    }
    expect_guard(memory);
    expect_guard(memory + GUARD_BYTES + schedule.peak_bytes);
    mu_arena_block_free(memory);
    return schedule;
}

static outcome train_without_limit(const test_case *c, const mu_model *model, const mu_step_config *config)
{
    test_step t = test_step_create(model, *config, true);
    outcome o = train(c, model, t.step, config->batch_size);
    test_step_destroy(&t);
    return o;
}

static void test_every_limit_fits_and_changes_no_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_model *model = model_of(&cases[i]);
        mu_step_config config = config_of(&cases[i], true);
        size_t full = schedule_of(model, &config).peak_bytes, smallest = smallest_limit(model, config);
        outcome expected = train_without_limit(&cases[i], model, &config);
        bool recomputed = false, split = false;
        assert_true(smallest < full);
        const size_t limits = mu_model_layer_count(model) > 30 ? 3 : 8; /* the search in a large network takes its time with sanitizers */
        for (size_t k = 0; k <= limits; k++) {
            config.memory_limit_bytes = smallest + (full - smallest) * k / limits;
            mu_step_schedule schedule = check_limit(&cases[i], model, &config, &expected);
            recomputed |= schedule.recomputed > 0;
            split |= schedule.micro_batch < config.batch_size;
        }
        assert_true(recomputed || split);
        assert_int_equal(split, cases[i].splits);
        release(&expected);
        mu_model_destroy(model);
    }
}

/* Not every schedule is found by asking for limits: any layers recomputed, in any number of parts. */
static void test_any_schedule_changes_no_bit(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(3, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        enum { MOST_LAYERS = 128, SCHEDULES = 10 };
        mu_model *model = model_of(&cases[i]);
        mu_step_config config = config_of(&cases[i], true);
        outcome expected = train_without_limit(&cases[i], model, &config);
        assert_in_range(mu_model_layer_count(model), 1, MOST_LAYERS);
        for (uint32_t k = 0; k < SCHEDULES; k++) {
            bool recompute[MOST_LAYERS];
            for (size_t layer = 0; layer < MOST_LAYERS; layer++)
                recompute[layer] = k == 0 || mu_random_below(&random, SCHEDULES) < k;
            mu_memory_wish wish = { .recompute = recompute, .micro_batch = config.batch_size };
            if (cases[i].splits)
                wish.micro_batch = 1 + mu_random_below(&random, config.batch_size);
            test_step t = test_step_create_as(model, config, &wish);
            assert_int_equal(t.step->micro_batch, wish.micro_batch);
            assert_true(k > 0 || t.step->again_count > 0);
            outcome o = train(&cases[i], model, t.step, config.batch_size);
            expect_same(&expected, &o);
            release(&o);
            test_step_destroy(&t);
        }
        release(&expected);
        mu_model_destroy(model);
    }
}

static void test_no_limit_no_price(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_model *model = model_of(&cases[i]);
        mu_step_config config = config_of(&cases[i], true);
        mu_step_schedule plain = schedule_of(model, &config);
        config.memory_limit_bytes = plain.peak_bytes;
        mu_step_schedule limited = schedule_of(model, &config);
        assert_memory_equal(&plain, &limited, sizeof plain);
        assert_int_equal(plain.micro_batch, config.batch_size);
        assert_int_equal(plain.recomputed, 0);
        assert_int_equal(plain.extra_macs, 0);
        assert_int_equal(plain.extra_moved_bytes, 0);
        assert_true(plain.time_factor == 1.0);
        mu_model_destroy(model);
    }
}

/* One byte less than the smallest limit is refused, in a sentence that names it. */
static void test_smallest_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_model *model = model_of(&cases[i]);
        for (int training = 0; training < 2; training++) {
            mu_step_config config = config_of(&cases[i], training);
            mu_step_schedule schedule;
            mu_error err = { 0 };
            char number[64];
            size_t smallest = smallest_limit(model, config);
            config.memory_limit_bytes = smallest;
            assert_int_equal(schedule_of(model, &config).peak_bytes, smallest);
            config.memory_limit_bytes = smallest - 1;
            assert_int_equal(mu_step_schedule_find(model, &config, &schedule, NULL, &err), MU_E_MEMORY);
            assert_int_equal(schedule.peak_bytes, smallest);
            snprintf(number, sizeof number, "needs at least %zu bytes, the limit is %zu", smallest, smallest - 1);
            assert_non_null(strstr(err.message, number));
            assert_int_equal(strstr(err.message, "must see the whole batch") != NULL, training && !cases[i].splits);

            mu_arena arena = mu_arena_measuring();
            mu_step *step = NULL;
            assert_int_equal(mu_step_plan(model, &config, &arena, &step, NULL), MU_E_MEMORY);
        }
        mu_model_destroy(model);
    }
}

/* A chain whose costs can be told by hand: of the convolutions, whose outputs are alike, the cheapest runs again. */
static void test_what_is_recomputed(void **state)
{
    (void)state;
    static const char chain[] = "layers:\n"
                                "  - {conv: dear, channels: 8, kernel: 5, padding: same}\n"
                                "  - {relu: dr}\n"
                                "  - {conv: cheap, channels: 8, kernel: 1}\n"
                                "  - {relu: cr}\n"
                                "  - {conv: b, channels: 8, kernel: 3, padding: same}\n"
                                "  - {relu: br}\n"
                                "  - {conv: c, channels: 8, kernel: 3, padding: same}\n"
                                "  - {relu: cr2}\n"
                                "  - {conv: d, channels: 8, kernel: 3, padding: same}\n"
                                "  - {relu: dr2}\n"
                                "  - {global_average_pool: g}\n"
                                "  - {batch_norm: n}\n"
                                "  - flatten\n"
                                "  - {dense: last}\n";
    mu_model *model = test_model_of(chain, (mu_shape){ 8, 8, 8 }, 4);
    mu_step_config config = mu_step_config_default();
    config.batch_size = 4;
    config.plain_kernels = true; /* no scratch */
    mu_step_schedule schedule = schedule_of(model, &config);
    const size_t value_bytes = 4 * 8 * 8 * 8 * sizeof(float);
    bool recomputed[16] = { false };
    assert_in_range(mu_model_layer_count(model), 5, 16);
    config.memory_limit_bytes = schedule.peak_bytes - value_bytes / 2;
    assert_int_equal(mu_step_schedule_find(model, &config, &schedule, recomputed, NULL), MU_OK);
    assert_int_equal(schedule.recomputed, 1);
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info layer;
        mu_model_layer(model, i, 4, &layer);
        assert_int_equal(recomputed[i], strcmp(layer.name, "cheap") == 0);
    }
    assert_int_equal(schedule.extra_macs, 4 * 8 * 8 * 8 * 8);                            /* pixels x in x out */
    assert_int_equal(schedule.extra_moved_bytes, 2 * value_bytes + (8 * 8 + 8) * sizeof(float)); /* in, out, weights and bias */
    mu_model_destroy(model);
}

/* The evaluation of a large batch can come in parts whatever the layers are. */
static void test_evaluation(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_model *model = model_of(&cases[i]);
        mu_step_config config = config_of(&cases[i], false);
        test_step whole = test_step_create(model, config, true);
        config.memory_limit_bytes = smallest_limit(model, config);
        assert_int_equal(schedule_of(model, &config).micro_batch, 1);
        test_step part = test_step_create(model, config, true);
        assert_int_equal(part.size_bytes, config.memory_limit_bytes);
        test_step *const both[] = { &whole, &part };
        double losses[2];
        for (int k = 0; k < 2; k++) {
            mu_model_init(model, 3, mu_step_state(both[k]->step));
            fill_batch(&cases[i], model, both[k]->step, config.batch_size, 5);
            losses[k] = mu_step_evaluate(both[k]->step, config.batch_size).loss_sum;
        }
        assert_memory_equal(&losses[0], &losses[1], sizeof losses[0]);
        assert_memory_equal(mu_step_logits(whole.step), mu_step_logits(part.step),
                            (size_t)config.batch_size * mu_model_targets(model) * mu_model_classes(model) * sizeof(float));
        test_step_destroy(&whole);
        test_step_destroy(&part);
        mu_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_limit_fits_and_changes_no_bit),
        cmocka_unit_test(test_any_schedule_changes_no_bit),
        cmocka_unit_test(test_no_limit_no_price),
        cmocka_unit_test(test_smallest_limit),
        cmocka_unit_test(test_what_is_recomputed),
        cmocka_unit_test(test_evaluation),
    };
    return cmocka_run_group_tests_name("memory schedule", tests, NULL, NULL);
}
