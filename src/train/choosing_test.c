/* Mini-batches that train parts, against the same training written out by hand with submodels of the whole model and vectors of its length: the
 * same bits, for every optimiser, manner and kind of layer. */
#include "nn/test_submodel.h"

#include "muster/train.h"

#include <math.h>

/* ---- examples ---- */

enum { EXAMPLES = 11, BATCH = 4, EPOCHS = 2, STEPS = 6, SEED = 5, DEVICE = 7 };

/* Of odd classes alone, if `odd`. */
typedef struct book {
    const mu_model *model;
    bool            odd;
} book;

static void read_book(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const book *b = self;
    const mu_shape shape = mu_model_input(b->model);
    const size_t size = (size_t)shape.height * shape.width * shape.channels, targets = mu_model_targets(b->model);
    const uint32_t symbols = mu_model_symbols(b->model), classes = mu_model_classes(b->model);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(indices[i] < EXAMPLES);
        mu_random random = mu_random_stream(indices[i], MU_RANDOM_TEST, 0, 0);
        for (size_t k = 0; k < targets; k++)
            labels[i * targets + k] = (int32_t)(b->odd ? 1 + 2 * mu_random_below(&random, classes / 2) : mu_random_below(&random, classes));
        for (size_t k = 0; k < size; k++)
            x[i * size + k] = symbols ? (float)mu_random_below(&random, symbols) : (float)mu_random_normal(&random);
    }
}

static float *floats(size_t count)
{
    float *x = calloc(count + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

/* ---- choosing ---- */

typedef enum rule { EVERYTHING, ANYTHING, FIRST_HALF } rule;

typedef struct method {
    rule      rule;
    bool      sets; /* of norm statistics: 1 for narrow choices, 2 for everything */
    mu_manner manner;
    double   *afforded; /* [STEPS], or NULL */
} method;

static void manner_of(const void *state, mu_manner *manner)
{
    *manner = ((const method *)state)->manner;
}

static uint32_t held_units(const mu_choice *choice, const mu_unit_group *group)
{
    uint32_t held = 0;
    for (uint32_t u = group->first; u < group->first + group->count; u++)
        held += !choice->plan->kept || choice->plan->kept[u];
    return held;
}

/* Every third mini-batch has everything, the others any units of any number, or the first half of those that are held. */
static void choose(const void *state, mu_choice *choice)
{
    const method *m = state;
    const bool everything = m->rule == EVERYTHING || (m->rule == ANYTHING && choice->step % 3 == 2);
    mu_random random = mu_choice_random(choice);
    if (m->afforded)
        m->afforded[choice->step] = choice->afford_macs;
    for (size_t g = 0; g < mu_units_group_count(choice->units); g++) {
        const mu_unit_group *group = mu_units_group(choice->units, g);
        uint32_t held = held_units(choice, group), left = m->rule == ANYTHING ? 1 + mu_random_below(&random, held) : (held + 1) / 2;
        choice->counts[g] = left = everything ? held : left;
        for (uint32_t u = group->first; u < group->first + group->count; u++) {
            bool is_held = !choice->plan->kept || choice->plan->kept[u];
            bool keep = is_held && (m->rule == ANYTHING ? mu_random_below(&random, held) < left : left > 0);
            choice->kept[u] = keep;
            held -= is_held;
            left -= keep;
        }
    }
    if (m->sets) {
        choice->statistics = everything ? 2 : 1;
        choice->plan_statistics = 2;
    }
}

static bool is_everything(const mu_choice *choice)
{
    bool everything = true;
    for (size_t g = 0; g < mu_units_group_count(choice->units); g++)
        everything &= choice->counts[g] == held_units(choice, mu_units_group(choice->units, g));
    return everything;
}

static const mu_how choosing = { .choose = choose, .manner = manner_of }, not_choosing = { .manner = manner_of };

/* ---- a subject: a model, its units, a plan ---- */

typedef struct trial {
    subject s; /* s.whole: the weights it begins with; s.kept: those of the plan */
    mu_plan plan;
    book    examples;
    method  method;
} trial;

static trial trial_create(mu_model *model)
{
    trial t = { .s = subject_create(model), .examples = { .model = model }, .plan = { .learning_rate = 0.05, .ordinal = 3 } };
    assert_int_equal(mu_train_config_read(NULL, &t.plan.train, NULL), MU_OK);
    t.plan.train.local_epochs = EPOCHS;
    t.plan.train.batch_size = BATCH;
    return t;
}

static void keep_a_part(trial *t)
{
    mu_random random = mu_random_stream(21, MU_RANDOM_TEST, 0, 0);
    for (size_t g = 0; g < mu_units_group_count(t->s.units); g++) {
        const mu_unit_group *group = mu_units_group(t->s.units, g);
        keep_random(&t->s, &random, group, (2 * group->count + 2) / 3);
    }
    t->plan.kept = t->s.kept;
}

static void optimise(trial *t, int kind)
{
    mu_train_config *train = &t->plan.train;
    train->weight_decay = 0.01;
    train->momentum = kind == 0 ? 0.9 : 0;
    train->nesterov = kind == 0;
    train->optimizer = kind == 2 ? MU_OPTIMIZER_ADAM : MU_OPTIMIZER_SGD;
    t->plan.learning_rate = kind == 2 ? 0.003 : 0.05;
}

typedef struct outcome {
    float    *delta;
    bool      classes[64];
    mu_update update;
    size_t    peak_bytes;
} outcome;

static outcome run_with(mu_trainer *trainer, const trial *t, const mu_how *how, mu_local local)
{
    outcome o = { .delta = floats(mu_model_state_count(t->s.model)) };
    mu_error err = { 0 };
    method m = t->method;
    mu_examples examples = { .self = &t->examples, .count = EXAMPLES, .read = read_book };
    local.how = how;
    local.state = &m;
    local.classes = o.classes;
    if (mu_trainer_run(trainer, &t->plan, &examples, t->s.whole, SEED, DEVICE, &local, NULL, o.delta, &o.update, &err))
        fail_msg("%s", err.message);
    assert_ptr_equal(o.update.classes, m.manner.masked ? o.classes : NULL);
    o.peak_bytes = mu_trainer_peak_bytes(trainer);
    return o;
}

static mu_trainer *trainer_of(const trial *t)
{
    mu_trainer *trainer;
    assert_int_equal(mu_trainer_create(t->s.model, t->s.units, &trainer, NULL), MU_OK);
    return trainer;
}

static outcome run(const trial *t, const mu_how *how)
{
    mu_trainer *trainer = trainer_of(t);
    outcome o = run_with(trainer, t, how, (mu_local){ 0 });
    mu_trainer_destroy(trainer);
    return o;
}

static void check_same(const trial *t, const outcome *a, const outcome *b, const char *what)
{
    for (size_t i = 0; i < mu_model_state_count(t->s.model); i++)
        if (memcmp(&a->delta[i], &b->delta[i], sizeof(float)))
            fail_msg("%s, %s: element %zu of the change is %a, expected %a", mu_model_name(t->s.model), what, i, (double)a->delta[i],
                     (double)b->delta[i]);
    assert_true(a->update.train_loss == b->update.train_loss && a->update.train_accuracy == b->update.train_accuracy);
    assert_true(a->update.train_squared_loss == b->update.train_squared_loss && a->update.squared_norm == b->update.squared_norm);
    assert_int_equal(a->update.steps, b->update.steps);
}

/* ---- by hand ---- */

/* A submodel of the whole model, whatever the plan has. */
typedef struct network {
    mu_submodel *submodel;
    void        *memory;
} network;

static network network_create(const mu_units *units)
{
    network n = { 0 };
    mu_arena arena = mu_arena_measuring();
    assert_int_equal(mu_submodel_plan(units, &arena, &n.submodel, NULL), MU_OK);
    size_t size_bytes = arena.used_bytes;
    n.memory = mu_arena_block(size_bytes);
    assert_non_null(n.memory);
    arena = mu_arena_over(n.memory, size_bytes);
    assert_int_equal(mu_submodel_plan(units, &arena, &n.submodel, NULL), MU_OK);
    return n;
}

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

enum { SUBJECTS = 8 };

/* All kinds of layers but mobilenetv2's, which are nothing new; and dropout twice. */
static trial make_trial(size_t index)
{
    static const size_t models[SUBJECTS - 1] = { 0, 1, 2, 3, 4, 5, 7 };
    if (index == SUBJECTS - 1)
        return trial_create(test_model_of(test_branches, (mu_shape){ 8, 8, 3 }, 5));
    return trial_create(make_model(models[index]));
}

static void trial_destroy(trial *t)
{
    subject_destroy(&t->s);
}

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

/* ---- memory ---- */

/* As whoever prices the task counts it: the widest of the mini-batches' parts; where the method teaches, of the narrower ones. */
static size_t planned_bytes(const trial *t)
{
    uint32_t counts[64];
    bool    *kept = calloc(mu_units_count(t->s.units) + 1, sizeof *kept);
    network  n = network_create(t->s.units);
    size_t   widest_bytes = 0, bytes = 0;
    assert_non_null(kept);
    for (uint32_t step = 0; step < mu_plan_steps(&t->plan, EXAMPLES); step++) {
        mu_choice choice = { .units = t->s.units, .plan = &t->plan, .seed = SEED, .device = DEVICE, .step = step, .afford_macs = INFINITY,
                             .counts = counts, .kept = kept };
        choose(&t->method, &choice);
        assert_int_equal(mu_submodel_form(n.submodel, kept, NULL), MU_OK);
        if (t->method.manner.teaches && is_everything(&choice))
            continue;
        assert_int_equal(mu_plan_step_bytes(mu_submodel_model(n.submodel), &t->plan, false, &bytes, NULL), MU_OK);
        widest_bytes = bytes > widest_bytes ? bytes : widest_bytes;
    }
    assert_int_equal(mu_submodel_form(n.submodel, t->plan.kept, NULL), MU_OK);
    assert_int_equal(mu_plan_peak_memory_choosing(mu_submodel_model(n.submodel), &t->plan, &t->method.manner, EXAMPLES, widest_bytes, false,
                                                  &bytes, NULL),
                     MU_OK);
    mu_arena_block_free(n.memory);
    free(kept);
    return bytes;
}

static void planned_peak_is_the_measured_one(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++) {
        size_t of_rule[3] = { 0 };
        for (int kind = 0; kind < 36; kind++) {
            trial t = make_trial(i);
            t.method = (method){ .rule = (rule)(kind % 3), .manner = { .teaches = kind / 3 % 2, .label_weight = 1, .temperature = 1 } };
            optimise(&t, kind / 12);
            if (kind / 6 % 2)
                keep_a_part(&t);
            outcome o = run(&t, &choosing);
            assert_int_equal(o.peak_bytes, planned_bytes(&t));
            if (kind < 3)
                of_rule[t.method.rule] = o.peak_bytes;
            free(o.delta);
            trial_destroy(&t);
        }
        assert_true(of_rule[FIRST_HALF] < of_rule[EVERYTHING]);
    }
}

/* One trainer goes from task to task, of other parts, plain ones and evaluations among them, as if each were its first. */
static void tasks_do_not_know_each_other(void **unused)
{
    (void)unused;
    trial t = make_trial(SUBJECTS - 1);
    mu_trainer *trainer = trainer_of(&t);
    mu_examples examples = { .self = &t.examples, .count = EXAMPLES, .read = read_book };
    mu_evaluation evaluation;
    size_t peak_bytes = 0;
    for (int n = 0; n < 24; n++) {
        memset(&t.method, 0, sizeof t.method);
        t.method.rule = (rule)(n % 3);
        t.method.manner.teaches = n % 4 == 1;
        t.method.manner.label_weight = t.method.manner.temperature = 1;
        t.method.manner.scaled = n % 8 == 3;
        t.plan.kept = NULL;
        optimise(&t, n / 2 % 3);
        if (n % 5 > 1)
            keep_a_part(&t);
        const mu_how *how = n % 7 == 4 ? &not_choosing : &choosing;
        outcome again = run_with(trainer, &t, how, (mu_local){ 0 }), fresh = run(&t, how);
        check_same(&t, &again, &fresh, "after other tasks");
        peak_bytes = fresh.peak_bytes > peak_bytes ? fresh.peak_bytes : peak_bytes;
        assert_int_equal(again.peak_bytes, peak_bytes);
        if (n % 6 == 5)
            assert_int_equal(mu_trainer_evaluate(trainer, &examples, 0, EXAMPLES, t.s.whole, &evaluation, NULL), MU_OK);
        free(again.delta);
        free(fresh.delta);
    }
    mu_trainer_destroy(trainer);
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
        cmocka_unit_test(planned_peak_is_the_measured_one),
        cmocka_unit_test(tasks_do_not_know_each_other),
        cmocka_unit_test(the_clock_is_asked_with_what_is_done),
    };
    return cmocka_run_group_tests_name("parts for every mini-batch", tests, NULL, NULL);
}
