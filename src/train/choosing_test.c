/* Mini-batches that train parts, against the same training written out by hand with submodels of the whole model and vectors of its length: the
 * same bits, for every optimiser, manner and kind of layer. */
#include "train/test_choosing.h"

/* ---- by hand ---- */

typedef struct by_hand {
    const trial     *t;
    network          part, held;
    test_step        teacher;
    float           *state, *moments[2], *gradients, *factors; /* of the whole model */
    mu_step_progress progress;
    mu_random        dropout;
    bool             classes[64];
} by_hand;

static by_hand by_hand_create(const trial *t, mu_step_config config)
{
    const size_t count = mu_model_state_count(t->s.model);
    by_hand h = { .t = t, .part = network_create(t->s.units), .held = network_create(t->s.units), .state = floats(count),
                  .moments = { floats(count), floats(count) }, .gradients = floats(count), .factors = floats(mu_model_layer_count(t->s.model)),
                  .progress = { .power1 = 1, .power2 = 1 }, .dropout = mu_random_stream(SEED, MU_RANDOM_DROPOUT, t->plan.ordinal, DEVICE) };
    memcpy(h.state, t->s.whole, count * sizeof(float));
    for (uint32_t c = 0; c < mu_model_classes(t->s.model); c++)
        h.classes[c] = !t->examples.odd || c % 2;
    assert_int_equal(mu_submodel_form(h.held.submodel, t->plan.kept, NULL), MU_OK);
    h.teacher = test_step_create(mu_submodel_model(h.held.submodel), config, true);
    mu_step_reset(h.teacher.step);
    return h;
}

static void by_hand_destroy(by_hand *h)
{
    test_step_destroy(&h->teacher);
    mu_arena_block_free(h->part.memory);
    mu_arena_block_free(h->held.memory);
    free(h->state);
    free(h->moments[0]);
    free(h->moments[1]);
    free(h->gradients);
    free(h->factors);
}

static mu_step_manner manner_by_hand(by_hand *h, const network *n)
{
    const mu_manner *asked = &h->t->method.manner;
    mu_submodel_factors(n->submodel, h->factors);
    return (mu_step_manner){ .held = asked->masked ? h->classes : NULL, .factors = asked->scaled ? h->factors : NULL };
}

static mu_step_result learn_by_hand(by_hand *h, test_step *part, const mu_choice *choice, const uint32_t *indices, uint32_t count)
{
    const mu_submodel *submodel = h->part.submodel;
    mu_step *step = part->step;
    mu_submodel_gather(submodel, MU_EXTENT_STATE, h->state, mu_step_state(step));
    for (uint32_t m = 0; mu_step_moment(step, m); m++)
        mu_submodel_gather(submodel, MU_EXTENT_PARAMS, h->moments[m], mu_step_moment(step, m));
    mu_step_set_progress(step, h->progress);
    if (h->t->method.sets)
        mu_step_use_statistics(step, choice->statistics);
    read_book(&h->t->examples, indices, count, mu_step_input(step), mu_step_labels(step));
    const mu_step_manner manner = manner_by_hand(h, &h->part);
    mu_step_result result = mu_step_gradient_as(step, &manner, count, &h->dropout);
    mu_step_update(step, h->t->plan.learning_rate);
    h->progress = mu_step_get_progress(step);
    mu_submodel_scatter(submodel, MU_EXTENT_STATE, mu_step_state(step), h->state);
    for (uint32_t m = 0; mu_step_moment(step, m); m++)
        mu_submodel_scatter(submodel, MU_EXTENT_PARAMS, mu_step_moment(step, m), h->moments[m]);
    return result;
}

/* Gradients of both meet in a vector of the whole model's length. */
static mu_step_result teach_by_hand(by_hand *h, test_step *part, const mu_choice *choice, const uint32_t *indices, uint32_t count)
{
    const mu_manner *asked = &h->t->method.manner;
    mu_step *held = h->teacher.step, *step = part->step;
    mu_submodel_gather(h->held.submodel, MU_EXTENT_STATE, h->state, mu_step_state(held));
    if (h->t->method.sets)
        mu_step_use_statistics(held, choice->plan_statistics);
    read_book(&h->t->examples, indices, count, mu_step_input(held), mu_step_labels(held));
    mu_step_manner manner = manner_by_hand(h, &h->held);
    mu_step_result result = mu_step_gradient_as(held, &manner, count, &h->dropout);
    mu_submodel_scatter(h->held.submodel, MU_EXTENT_STATE, mu_step_state(held), h->state);
    mu_submodel_scatter(h->held.submodel, MU_EXTENT_PARAMS, mu_step_gradients(held), h->gradients);
    if (!is_everything(choice)) {
        mu_submodel_gather(h->part.submodel, MU_EXTENT_STATE, h->state, mu_step_state(step));
        if (h->t->method.sets)
            mu_step_use_statistics(step, choice->statistics);
        read_book(&h->t->examples, indices, count, mu_step_input(step), mu_step_labels(step));
        manner = manner_by_hand(h, &h->part);
        manner.teacher = mu_step_logits(held);
        manner.label_weight = asked->label_weight;
        manner.teacher_weight = asked->teacher_weight;
        manner.temperature = asked->temperature;
        mu_step_gradient_as(step, &manner, count, &h->dropout);
        mu_submodel_add(h->part.submodel, MU_EXTENT_PARAMS, 1.0f, mu_step_gradients(step), h->gradients);
        mu_submodel_scatter(h->part.submodel, MU_EXTENT_STATISTICS, mu_step_state(step), h->state);
    }
    mu_submodel_gather(h->held.submodel, MU_EXTENT_PARAMS, h->gradients, mu_step_gradients(held));
    mu_submodel_gather(h->held.submodel, MU_EXTENT_STATE, h->state, mu_step_state(held));
    mu_step_update(held, h->t->plan.learning_rate);
    mu_submodel_scatter(h->held.submodel, MU_EXTENT_STATE, mu_step_state(held), h->state);
    return result;
}

static mu_step_config config_of(const mu_plan *plan)
{
    const mu_train_config *train = &plan->train;
    return (mu_step_config){ .batch_size = train->batch_size, .training = true, .optimizer = (mu_optimizer)train->optimizer,
                             .momentum = train->momentum, .dampening = train->dampening, .weight_decay = train->weight_decay,
                             .beta1 = train->beta1, .beta2 = train->beta2, .epsilon = train->epsilon, .nesterov = train->nesterov };
}

static outcome run_by_hand(const trial *t)
{
    const mu_step_config config = config_of(&t->plan);
    by_hand h = by_hand_create(t, config);
    uint32_t counts[64], order[EXAMPLES];
    bool *kept = calloc(mu_units_count(t->s.units) + 1, sizeof *kept);
    outcome o = { .delta = floats(mu_model_state_count(t->s.model)) };
    assert_true(kept && mu_units_group_count(t->s.units) <= MU_COUNT(counts));
    mu_random shuffle = mu_random_stream(SEED, MU_RANDOM_BATCH, t->plan.ordinal, DEVICE);
    for (uint32_t i = 0; i < EXAMPLES; i++)
        order[i] = i;
    double loss = 0, squared = 0, correct = 0, seen = EXAMPLES * mu_model_targets(t->s.model);
    for (uint32_t n = 0; n < STEPS; n++) {
        const uint32_t position = n % 3 * BATCH, count = n % 3 == 2 ? EXAMPLES - 2 * BATCH : BATCH;
        if (position == 0) {
            mu_random_shuffle(&shuffle, order, EXAMPLES);
            loss = squared = correct = 0;
        }
        mu_choice choice = { .units = t->s.units, .plan = &t->plan, .seed = SEED, .device = DEVICE, .step = n, .afford_macs = INFINITY,
                             .counts = counts, .kept = kept };
        choose(&t->method, &choice);
        assert_int_equal(mu_submodel_form(h.part.submodel, kept, NULL), MU_OK);
        test_step step = test_step_create(mu_submodel_model(h.part.submodel), config, true);
        mu_step_result result = t->method.manner.teaches ? teach_by_hand(&h, &step, &choice, order + position, count)
                                                         : learn_by_hand(&h, &step, &choice, order + position, count);
        test_step_destroy(&step);
        loss += result.loss_sum;
        squared += result.squared_loss_sum;
        correct += (double)result.correct;
    }
    for (size_t i = 0; i < mu_model_state_count(t->s.model); i++)
        o.delta[i] = h.state[i] - t->s.whole[i];
    o.update.squared_norm = mu_kernels()->squared_norm(mu_model_state_count(t->s.model), o.delta);
    o.update.train_loss = loss / seen;
    o.update.train_squared_loss = squared / seen;
    o.update.train_accuracy = correct / seen;
    o.update.steps = STEPS;
    free(kept);
    by_hand_destroy(&h);
    return o;
}

/* ---- tests ---- */

static void check_by_hand(const trial *t, const char *what)
{
    outcome o = run(t, &choosing), expected = run_by_hand(t);
    check_same(t, &o, &expected, what);
    assert_true(o.update.squared_norm > 0 && isfinite(o.update.squared_norm));
    free(o.delta);
    free(expected.delta);
}

/* A choice of everything, in the whole model or in a part of it, is plain training. */
static void everything_is_plain_training(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int kind = 0; kind < 6; kind++) {
            trial t = make_trial(i);
            t.method.rule = EVERYTHING;
            t.method.manner.scaled = kind % 2;
            optimise(&t, kind % 3);
            if (kind > 2)
                keep_a_part(&t);
            outcome chosen = run(&t, &choosing), plain = run(&t, &not_choosing);
            check_same(&t, &chosen, &plain, "everything");
            t.method.manner.teaches = true; /* and there is nobody to teach */
            outcome teaching = run(&t, &choosing);
            check_same(&t, &teaching, &plain, "everything, teaching");
            free(chosen.delta);
            free(plain.delta);
            free(teaching.delta);
            trial_destroy(&t);
        }
}

static void any_choice_is_training_by_hand(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int kind = 0; kind < 6; kind++) {
            trial t = make_trial(i);
            t.method.rule = ANYTHING;
            t.method.manner = (mu_manner){ .scaled = kind % 2, .masked = kind % 3 == 1 };
            t.examples.odd = t.method.manner.masked;
            optimise(&t, kind % 3);
            if (kind > 2)
                keep_a_part(&t);
            check_by_hand(&t, "any choice");
            trial_destroy(&t);
        }
}

static void teaching_is_training_by_hand(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int kind = 0; kind < 6; kind++) {
            trial t = make_trial(i);
            t.method.rule = ANYTHING;
            t.method.manner = (mu_manner){ .teaches = true, .label_weight = 0.3, .teacher_weight = 0.7, .temperature = kind < 3 ? 1 : 2,
                                           .scaled = kind % 2, .masked = kind % 3 == 2 };
            t.examples.odd = t.method.manner.masked;
            optimise(&t, kind % 3);
            if (kind > 2)
                keep_a_part(&t);
            check_by_hand(&t, "teaching");
            trial_destroy(&t);
        }
}

/* Narrow choices update set 1, everything set 2, set 0 stays. */
static void statistics_go_to_their_set(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 4; kind++) {
        mu_model *model = test_model_of(test_branches, (mu_shape){ 8, 8, 3 }, 5);
        assert_int_equal(mu_model_add_statistics(model, 3, NULL), MU_OK);
        trial t = trial_create(model);
        t.method = (method){ .rule = ANYTHING, .sets = true, .manner = { .teaches = kind % 2, .label_weight = 1, .temperature = 1 } };
        optimise(&t, 0);
        if (kind > 1)
            keep_a_part(&t);
        check_by_hand(&t, "sets of statistics");
        outcome o = run(&t, &choosing);
        const size_t params = mu_model_param_count(model), set = (mu_model_state_count(model) - params) / 3;
        double moved[3] = { 0 };
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < set; i++)
                moved[k] += fabs((double)o.delta[params + k * set + i]);
        assert_true(moved[0] == 0 && moved[1] > 0 && moved[2] > 0);
        free(o.delta);
        trial_destroy(&t);
    }
}

/* A single narrow step: inside it is the step of the small network made by itself, outside nothing changes, whatever the optimiser remembers. */
static void one_step_touches_the_part_alone(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 3; kind++) {
        trial t = make_trial(1);
        t.method.rule = FIRST_HALF;
        optimise(&t, kind);
        t.plan.train.max_steps = 1;
        outcome o = run(&t, &choosing);
        for (size_t g = 0; g < mu_units_group_count(t.s.units); g++)
            mu_units_keep_first(t.s.units, g, (mu_units_group(t.s.units, g)->count + 1) / 2, t.s.kept);
        t.plan.kept = t.s.kept;
        outcome small = run(&t, &not_choosing);
        check_same(&t, &o, &small, "one step");
        size_t inside = 0, outside = 0;
        for (size_t k = 0; k < mu_model_tensor_count(t.s.model); k++) {
            const mu_tensor *tensor = mu_model_tensor(t.s.model, k);
            for (size_t e = 0; e < tensor->count; e++) {
                bool changed = o.delta[tensor->offset + e] != 0, kept = element_kept(&t.s, k, e);
                assert_true(kept || !changed);
                inside += kept && changed;
                outside += !kept;
            }
        }
        assert_true(inside > 1000 && outside > 1000);
        free(o.delta);
        free(small.delta);
        trial_destroy(&t);
    }
}

/* ---- manner without choosing ---- */

/* softmax-regression: a row for each class. Those of absent classes have no gradient; the update says which there are. */
static void absent_classes_are_left_out(void **unused)
{
    (void)unused;
    for (int chooses = 0; chooses < 2; chooses++) {
        trial t = trial_create(test_model_named("softmax-regression", (mu_shape){ 5, 5, 1 }, 6));
        t.method = (method){ .rule = EVERYTHING, .manner = { .masked = true } };
        t.examples.odd = true;
        outcome o = run(&t, chooses ? &choosing : &not_choosing);
        for (size_t c = 0; c < 6; c++) {
            assert_int_equal(o.classes[c], c % 2);
            for (size_t row = 0; row <= 25; row++) /* and the bias */
                assert_int_equal(o.delta[row * 6 + c] != 0, c % 2);
        }
        t.method.manner.masked = false;
        outcome all = run(&t, chooses ? &choosing : &not_choosing);
        assert_true(all.delta[0] != 0);
        free(o.delta);
        free(all.delta);
        trial_destroy(&t);
    }
}

/* By the same submodel's factors in a step made by hand; and without the scaling it is something else. */
static void a_part_is_scaled(void **unused)
{
    (void)unused;
    trial t = make_trial(0);
    keep_a_part(&t);
    t.method.manner.scaled = true;
    outcome scaled = run(&t, &not_choosing);
    t.method.rule = EVERYTHING;
    outcome expected = run_by_hand(&t);
    check_same(&t, &scaled, &expected, "scaled");
    t.method.manner.scaled = false;
    outcome plain = run(&t, &not_choosing);
    assert_true(memcmp(plain.delta, scaled.delta, mu_model_state_count(t.s.model) * sizeof(float)));
    t.method.manner.scaled = true;
    t.plan.kept = NULL;
    outcome whole = run(&t, &not_choosing);
    t.method.manner.scaled = false;
    outcome whole_plain = run(&t, &not_choosing);
    check_same(&t, &whole, &whole_plain, "scaled by 1");
    free(scaled.delta);
    free(expected.delta);
    free(plain.delta);
    free(whole.delta);
    free(whole_plain.delta);
    trial_destroy(&t);
}

/* ---- pace ---- */

typedef struct pace {
    uint64_t done[STEPS];
    uint32_t asked;
} pace;

static double afford(const void *clock, const mu_plan *plan, uint64_t done_macs)
{
    pace *p = (pace *)(uintptr_t)clock;
    assert_true(plan->step_time_s == 2.5 && p->asked < STEPS);
    p->done[p->asked++] = done_macs;
    return 1000.0 + (double)done_macs;
}

static void the_clock_is_asked_with_what_is_done(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 4; kind++) {
        trial t = make_trial(0);
        double afforded[STEPS] = { 0 };
        pace p = { 0 };
        t.method = (method){ .rule = FIRST_HALF, .afforded = afforded, .manner = { .teaches = kind % 2, .temperature = 1 } };
        if (kind > 1)
            keep_a_part(&t);
        mu_trainer *trainer = trainer_of(&t);
        outcome o = run_with(trainer, &t, &choosing, (mu_local){ .afford = afford, .clock = &p });
        assert_int_equal(p.asked, 0);
        for (int n = 0; n < STEPS; n++)
            assert_true(afforded[n] == INFINITY);
        free(o.delta);

        t.plan.step_time_s = 2.5;
        o = run_with(trainer, &t, &choosing, (mu_local){ .afford = afford, .clock = &p });
        assert_int_equal(p.asked, STEPS);
        bool *kept = calloc(mu_units_count(t.s.units), sizeof *kept);
        uint32_t counts[64];
        assert_non_null(kept);
        mu_choice choice = { .units = t.s.units, .plan = &t.plan, .counts = counts, .kept = kept };
        t.method.afforded = NULL;
        choose(&t.method, &choice);
        network held = network_create(t.s.units), part = network_create(t.s.units);
        assert_int_equal(mu_submodel_form(held.submodel, t.plan.kept, NULL) | mu_submodel_form(part.submodel, kept, NULL), MU_OK);
        mu_cost of_held = mu_model_cost(mu_submodel_model(held.submodel), 1), of_part = mu_model_cost(mu_submodel_model(part.submodel), 1);
        uint64_t macs = of_part.macs_forward + of_part.macs_backward, done = 0;
        macs += kind % 2 ? of_held.macs_forward + of_held.macs_backward : 0;
        assert_true(of_part.macs_forward < of_held.macs_forward);
        for (int n = 0; n < STEPS; n++) {
            const uint32_t count = n % 3 == 2 ? EXAMPLES - 2 * BATCH : BATCH;
            assert_int_equal(p.done[n], done);
            assert_true(afforded[n] == (1000.0 + (double)done) / count);
            done += count * macs;
        }
        mu_arena_block_free(held.memory);
        mu_arena_block_free(part.memory);
        free(kept);
        free(o.delta);
        mu_trainer_destroy(trainer);
        trial_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_plain_training),
        cmocka_unit_test(any_choice_is_training_by_hand),
        cmocka_unit_test(teaching_is_training_by_hand),
        cmocka_unit_test(statistics_go_to_their_set),
        cmocka_unit_test(one_step_touches_the_part_alone),
        cmocka_unit_test(absent_classes_are_left_out),
        cmocka_unit_test(a_part_is_scaled),
        cmocka_unit_test(the_clock_is_asked_with_what_is_done),
    };
    return cmocka_run_group_tests_name("parts for every mini-batch", tests, NULL, NULL);
}
