/* The trainer: counts by hand, memory as planned, the same bytes again, methods' hooks, and stopping. */
#include "muster/train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- examples by the book: two classes that a linear model can tell apart ---- */

enum { CHANNELS = 6, EXAMPLES = 23 };

static void read_book(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    uint32_t *seen = (uint32_t *)(uintptr_t)self;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(indices[i] < EXAMPLES);
        if (seen)
            seen[indices[i]]++;
        labels[i] = indices[i] % 2;
        for (int c = 0; c < CHANNELS; c++)
            x[i * CHANNELS + c] = (labels[i] ? 1.0f : -1.0f) * (float)(c + 1) / CHANNELS + (float)((indices[i] * 7 + c) % 5) * 0.1f;
    }
}

static mu_model *linear(void)
{
    mu_model *model = NULL;
    mu_error err = { 0 };
    if (mu_model_create_builtin("softmax-regression", NULL, (mu_shape){ 1, 1, CHANNELS }, 2, &model, &err))
        fail_msg("%s", err.message);
    return model;
}

static mu_plan plan_of(uint32_t epochs, uint32_t batch_size, uint32_t max_steps)
{
    mu_plan plan = { .learning_rate = 0.5 };
    assert_int_equal(mu_train_config_read(NULL, &plan.train, NULL), MU_OK);
    plan.train.local_epochs = epochs;
    plan.train.batch_size = batch_size;
    plan.train.max_steps = max_steps;
    return plan;
}

static void counts_by_hand(void **unused)
{
    (void)unused;
    mu_plan plan = plan_of(3, 10, 0);
    assert_int_equal(mu_plan_steps(&plan, 23), 9); /* 10 + 10 + 3, three times */
    assert_int_equal(mu_plan_samples(&plan, 23), 69);
    assert_int_equal(mu_plan_samples(&plan, 0), 0);
    plan.train.max_steps = 4;
    assert_int_equal(mu_plan_steps(&plan, 23), 4);
    assert_int_equal(mu_plan_samples(&plan, 23), 33); /* a whole pass and one batch of ten */
    mu_model *model = linear();
    /* 6 x 2 weights: forward 12, backward only the weights' gradient, 12 */
    assert_int_equal(mu_plan_macs(model, &plan, 23), 33 * 24);
    mu_model_destroy(model);
}

typedef struct run {
    float     start[64], delta[64];
    mu_update update;
    size_t    peak_bytes;
} run;

static run run_once(const mu_model *model, mu_plan plan, uint64_t seed, uint64_t device, const mu_how *how, void *state, uint32_t *seen)
{
    run r = { .peak_bytes = 0 };
    assert_true(mu_model_state_count(model) <= MU_COUNT(r.start));
    mu_model_init(model, 1, r.start);
    mu_trainer *trainer;
    assert_int_equal(mu_trainer_create(model, NULL, &trainer, NULL), MU_OK);
    mu_examples examples = { .self = seen, .count = EXAMPLES, .read = read_book };
    mu_error err = { 0 };
    if (mu_trainer_run(trainer, &plan, &examples, r.start, seed, device, &(mu_local){ .how = how, .state = state }, NULL, r.delta, &r.update, &err))
        fail_msg("%s", err.message);
    r.peak_bytes = mu_trainer_peak_bytes(trainer);
    mu_trainer_destroy(trainer);
    return r;
}

static void every_example_once_a_pass(void **unused)
{
    (void)unused;
    mu_model *model = linear();
    uint32_t seen[EXAMPLES] = { 0 };
    run r = run_once(model, plan_of(3, 4, 0), 1, 0, NULL, NULL, seen);
    for (int i = 0; i < EXAMPLES; i++)
        assert_int_equal(seen[i], 3);
    assert_int_equal(r.update.num_examples, EXAMPLES);
    assert_int_equal(r.update.steps, 18);
    mu_model_destroy(model);
}

static void it_learns_and_repeats(void **unused)
{
    (void)unused;
    mu_model *model = linear();
    run a = run_once(model, plan_of(5, 4, 0), 1, 3, NULL, NULL, NULL), b = run_once(model, plan_of(5, 4, 0), 1, 3, NULL, NULL, NULL);
    assert_memory_equal(a.delta, b.delta, mu_model_state_count(model) * sizeof(float));
    assert_true(a.update.train_accuracy > 0.95);
    double squares = 0;
    for (size_t i = 0; i < a.update.count; i++)
        squares += (double)a.delta[i] * (double)a.delta[i];
    assert_true(squares > 0 && fabs(a.update.squared_norm - squares) <= 1e-13 * squares);
    assert_true(a.update.train_loss < 0.2);
    run other_device = run_once(model, plan_of(5, 4, 0), 1, 4, NULL, NULL, NULL);
    assert_memory_not_equal(a.delta, other_device.delta, mu_model_state_count(model) * sizeof(float));
    mu_model_destroy(model);
}

static void planned_peak_is_the_measured_one(void **unused)
{
    (void)unused;
    mu_model *model = linear();
    for (uint32_t batch_size = 1; batch_size <= 32; batch_size *= 2) {
        mu_plan plan = plan_of(1, batch_size, 0);
        size_t planned = 0;
        assert_int_equal(mu_plan_peak_memory(model, &plan, EXAMPLES, false, &planned, NULL, NULL), MU_OK);
        assert_int_equal(run_once(model, plan, 1, 0, NULL, NULL, NULL).peak_bytes, planned);
    }
    mu_model_destroy(model);
}

/* Every limit from the smallest to none: kept to the byte, and the update has the same bits. Below the smallest it is refused. */
static void a_memory_limit_is_kept(void **unused)
{
    (void)unused;
    enum { FEATURES = 1154 };
    mu_model *model = NULL;
    assert_int_equal(mu_model_create_builtin("mlp", NULL, (mu_shape){ 1, 1, CHANNELS }, 2, &model, NULL), MU_OK);
    assert_int_equal(mu_model_state_count(model), FEATURES);
    static float start[FEATURES], delta[FEATURES], expected[FEATURES];
    mu_model_init(model, 1, start);
    mu_examples examples = { .count = EXAMPLES, .read = read_book };
    mu_plan plan = plan_of(2, 16, 0);
    mu_update update;
    mu_plan_extra extra;
    size_t full, smallest, planned;
    assert_int_equal(mu_plan_peak_memory(model, &plan, EXAMPLES, false, &full, &extra, NULL), MU_OK);
    assert_true(extra.macs == 0 && extra.moved_bytes == 0);
    plan.memory_limit_bytes = 1;
    assert_int_equal(mu_plan_peak_memory(model, &plan, EXAMPLES, true, &smallest, NULL, NULL), MU_OK);
    assert_true(smallest < full);
    for (int i = 0; i <= 6; i++) {
        mu_trainer *trainer;
        assert_int_equal(mu_trainer_create(model, NULL, &trainer, NULL), MU_OK);
        plan.memory_limit_bytes = i == 0 ? 0 : smallest + (full - smallest) * (uint32_t)(i - 1) / 5;
        assert_int_equal(mu_trainer_run(trainer, &plan, &examples, start, 1, 0, NULL, NULL, i ? delta : expected, &update, NULL), MU_OK);
        if (i) {
            assert_memory_equal(delta, expected, sizeof delta);
            assert_in_range(mu_trainer_peak_bytes(trainer), smallest, plan.memory_limit_bytes);
            assert_int_equal(mu_plan_peak_memory(model, &plan, EXAMPLES, true, &planned, &extra, NULL), MU_OK);
            assert_in_range(planned, smallest, plan.memory_limit_bytes);
        }
        if (i == 1) { /* one example at a time: four steps of fifteen further parts each, which read the weights twice (those of the first
                       * layer once), and read and write their gradient; nothing is computed again */
            const uint64_t first = (CHANNELS + 1) * 128, last = 129 * 2;
            assert_int_equal(planned, smallest);
            assert_int_equal(extra.moved_bytes, 4 * 15 * sizeof(float) * (3 * first + 4 * last));
            assert_int_equal(extra.macs, 0);
        }
        mu_trainer_destroy(trainer);
    }
    mu_trainer *trainer;
    mu_error err = { 0 };
    assert_int_equal(mu_trainer_create(model, NULL, &trainer, NULL), MU_OK);
    plan.memory_limit_bytes = smallest - MU_ARENA_ALIGNMENT_BYTES;
    assert_int_equal(mu_trainer_run(trainer, &plan, &examples, start, 1, 0, NULL, NULL, delta, &update, &err), MU_E_MEMORY);
    assert_non_null(strstr(err.message, "needs at least"));
    mu_trainer_destroy(trainer);
    mu_model_destroy(model);
}

/* A hook that undoes the gradient leaves the weights where they were; `begin` and `end` come once. */
typedef struct counting { int begins, gradients, ends; } counting;
static void count_begin(void *state, const mu_step_view *view) { (void)view; ((counting *)state)->begins++; }
static void count_end(void *state, const mu_step_view *view) { (void)view; ((counting *)state)->ends++; }
static void no_gradient(void *state, const mu_step_view *view)
{
    assert_int_equal(view->step, ((counting *)state)->gradients++);
    memset(view->gradient, 0, view->count * sizeof(float));
}

static void hooks_are_called(void **unused)
{
    (void)unused;
    mu_model *model = linear();
    counting state = { 0 };
    mu_how how = { .begin = count_begin, .gradient = no_gradient, .end = count_end };
    run r = run_once(model, plan_of(2, 10, 0), 1, 0, &how, &state, NULL);
    assert_int_equal(state.begins, 1);
    assert_int_equal(state.gradients, 6);
    assert_int_equal(state.ends, 1);
    for (size_t i = 0; i < mu_model_state_count(model); i++)
        assert_float_equal(r.delta[i], 0.0, 0);
    mu_model_destroy(model);
}

static void a_stopped_training_says_so(void **unused)
{
    (void)unused;
    mu_model *model = linear();
    mu_trainer *trainer;
    assert_int_equal(mu_trainer_create(model, NULL, &trainer, NULL), MU_OK);
    mu_plan plan = plan_of(1, 4, 0);
    mu_examples examples = { .count = EXAMPLES, .read = read_book }, none = { .count = 0, .read = read_book };
    float start[64] = { 0 }, delta[64];
    mu_update update;
    atomic_bool stop = true;
    mu_error err = { 0 };
    assert_int_equal(mu_trainer_run(trainer, &plan, &examples, start, 1, 0, NULL, &stop, delta, &update, &err), MU_E_INTERRUPTED);
    assert_int_equal(mu_trainer_run(trainer, &plan, &none, start, 1, 0, NULL, NULL, delta, &update, &err), MU_E_RANGE);
    mu_trainer_destroy(trainer);
    mu_model_destroy(model);
}

/* A norm right behind the input: the mean of the inputs, and of their variances in batches of 10, 10 and 3. */
static void statistics_of_examples(void **unused)
{
    (void)unused;
    static const char text[] = "layers:\n  - {batch_norm: n}\n  - {dense: d}\n";
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    mu_trainer *trainer = NULL;
    const mu_examples examples = { .count = EXAMPLES, .read = read_book };
    assert_int_equal(mu_conf_parse("net.yaml", text, sizeof text - 1, &conf, NULL), MU_OK);
    assert_int_equal(mu_model_create_layers(mu_conf_root(conf), (mu_shape){ 1, 1, CHANNELS }, 2, &model, NULL), MU_OK);
    assert_int_equal(mu_trainer_create(model, NULL, &trainer, NULL), MU_OK);
    float state[64], before[64], found[2 * CHANNELS], x[EXAMPLES * CHANNELS];
    int32_t labels[EXAMPLES];
    uint32_t all[EXAMPLES];
    size_t params = mu_model_param_count(model), count = mu_model_state_count(model);
    assert_true(count == params + 2 * CHANNELS && count <= 64);
    mu_model_init(model, 3, state);
    state[params] = INFINITY;
    memcpy(before, state, sizeof before);
    for (uint32_t i = 0; i < EXAMPLES; i++)
        all[i] = i;
    read_book(NULL, all, EXAMPLES, x, labels);
    assert_int_equal(mu_trainer_statistics(trainer, NULL, 0, &examples, 0, EXAMPLES, 10, state, found, NULL), MU_OK);
    assert_memory_equal(state, before, count * sizeof before[0]);
    for (size_t c = 0; c < CHANNELS; c++) {
        double total = 0, variance = 0;
        for (uint32_t begin = 0; begin < EXAMPLES; begin += 10) {
            uint32_t end = begin + 10 < EXAMPLES ? begin + 10 : EXAMPLES;
            double sum = 0, squares = 0, size = end - begin;
            for (uint32_t i = begin; i < end; i++)
                sum += (double)x[i * CHANNELS + c];
            for (uint32_t i = begin; i < end; i++)
                squares += pow((double)x[i * CHANNELS + c] - sum / size, 2);
            total += sum;
            variance += squares / (size - 1) * size / EXAMPLES;
        }
        assert_true(fabs((double)found[c] - total / EXAMPLES) < 1e-6);
        assert_true(fabs((double)found[CHANNELS + c] - variance) < 1e-6);
    }
    mu_trainer_destroy(trainer);
    mu_model_destroy(model);
    mu_conf_destroy(conf);
}

/* What a trainer found with another set of statistics is nothing to the task after it. */
static void a_task_begins_with_the_first_statistics(void **unused)
{
    (void)unused;
    static const char text[] = "layers:\n  - {batch_norm: n}\n  - {dense: d}\n";
    const mu_examples examples = { .count = EXAMPLES, .read = read_book };
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    mu_trainer *trainer = NULL;
    assert_int_equal(mu_conf_parse("net.yaml", text, sizeof text - 1, &conf, NULL), MU_OK);
    assert_int_equal(mu_model_create_layers(mu_conf_root(conf), (mu_shape){ 1, 1, CHANNELS }, 2, &model, NULL), MU_OK);
    assert_int_equal(mu_model_add_statistics(model, 2, NULL), MU_OK);
    assert_int_equal(mu_trainer_create(model, NULL, &trainer, NULL), MU_OK);
    float start[64], delta[64], found[4 * CHANNELS];
    mu_update update;
    mu_plan plan = plan_of(1, EXAMPLES, 0); /* one step fits both */
    const size_t params = mu_model_param_count(model);
    assert_true(mu_model_state_count(model) == params + 4 * CHANNELS && mu_model_state_count(model) <= 64);
    mu_model_init(model, 3, start);
    assert_int_equal(mu_trainer_statistics(trainer, NULL, 1, &examples, 0, EXAMPLES, EXAMPLES, start, found, NULL), MU_OK);
    assert_int_equal(mu_trainer_run(trainer, &plan, &examples, start, 1, 0, NULL, NULL, delta, &update, NULL), MU_OK);
    for (size_t i = 0; i < 4 * CHANNELS; i++)
        assert_true((delta[params + i] != 0) == (i < 2 * CHANNELS));
    mu_trainer_destroy(trainer);
    mu_model_destroy(model);
    mu_conf_destroy(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_of_examples),
        cmocka_unit_test(a_task_begins_with_the_first_statistics),
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(every_example_once_a_pass),
        cmocka_unit_test(it_learns_and_repeats),
        cmocka_unit_test(planned_peak_is_the_measured_one),
        cmocka_unit_test(a_memory_limit_is_kept),
        cmocka_unit_test(hooks_are_called),
        cmocka_unit_test(a_stopped_training_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
