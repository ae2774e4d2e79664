/* What the tests of parts for every mini-batch share: examples, a method that chooses, tasks. */
#ifndef MUSTER_TRAIN_TEST_CHOOSING_H
#define MUSTER_TRAIN_TEST_CHOOSING_H

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

static inline void read_book(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
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

static inline float *floats(size_t count)
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

static inline void manner_of(const void *state, mu_manner *manner)
{
    *manner = ((const method *)state)->manner;
}

static inline uint32_t held_units(const mu_choice *choice, const mu_unit_group *group)
{
    uint32_t held = 0;
    for (uint32_t u = group->first; u < group->first + group->count; u++)
        held += !choice->plan->kept || choice->plan->kept[u];
    return held;
}

/* Every third mini-batch has everything, the others any units of any number, or the first half of those that are held. */
static inline void choose(const void *state, mu_choice *choice)
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

static inline bool is_everything(const mu_choice *choice)
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

static inline trial trial_create(mu_model *model)
{
    trial t = { .s = subject_create(model), .examples = { .model = model }, .plan = { .learning_rate = 0.05, .ordinal = 3 } };
    assert_int_equal(mu_train_config_read(NULL, &t.plan.train, NULL), MU_OK);
    t.plan.train.local_epochs = EPOCHS;
    t.plan.train.batch_size = BATCH;
    return t;
}

/* Some of each group: that many thirds. */
static inline void keep_thirds(trial *t, uint32_t thirds)
{
    mu_random random = mu_random_stream(21, MU_RANDOM_TEST, 0, 0);
    for (size_t g = 0; g < mu_units_group_count(t->s.units); g++) {
        const mu_unit_group *group = mu_units_group(t->s.units, g);
        keep_random(&t->s, &random, group, (thirds * group->count + 2) / 3);
    }
    t->plan.kept = t->s.kept;
}

static inline void keep_a_part(trial *t)
{
    keep_thirds(t, 2);
}

static inline void optimise(trial *t, int kind)
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

static inline outcome run_with(mu_trainer *trainer, const trial *t, const mu_how *how, mu_local local)
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

static inline mu_trainer *trainer_of(const trial *t)
{
    mu_trainer *trainer;
    assert_int_equal(mu_trainer_create(t->s.model, t->s.units, &trainer, NULL), MU_OK);
    return trainer;
}

static inline outcome run(const trial *t, const mu_how *how)
{
    mu_trainer *trainer = trainer_of(t);
    outcome o = run_with(trainer, t, how, (mu_local){ 0 });
    mu_trainer_destroy(trainer);
    return o;
}

static inline void check_same(const trial *t, const outcome *a, const outcome *b, const char *what)
{
    for (size_t i = 0; i < mu_model_state_count(t->s.model); i++)
        if (memcmp(&a->delta[i], &b->delta[i], sizeof(float)))
            fail_msg("%s, %s: element %zu of the change is %a, expected %a", mu_model_name(t->s.model), what, i, (double)a->delta[i],
                     (double)b->delta[i]);
    assert_true(a->update.train_loss == b->update.train_loss && a->update.train_accuracy == b->update.train_accuracy);
    assert_true(a->update.train_squared_loss == b->update.train_squared_loss && a->update.squared_norm == b->update.squared_norm);
    assert_int_equal(a->update.steps, b->update.steps);
}

/* A submodel of the whole model, whatever the plan has. */
typedef struct network {
    mu_submodel *submodel;
    void        *memory;
} network;

static inline network network_create(const mu_units *units)
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

enum { SUBJECTS = 8 };

/* All kinds of layers but mobilenetv2's, which are nothing new; and dropout twice. */
static inline trial make_trial(size_t index)
{
    static const size_t models[SUBJECTS - 1] = { 0, 1, 2, 3, 4, 5, 7 };
    if (index == SUBJECTS - 1)
        return trial_create(test_model_of(test_branches, (mu_shape){ 8, 8, 3 }, 5));
    return trial_create(make_model(models[index]));
}

static inline void trial_destroy(trial *t)
{
    subject_destroy(&t->s);
}

#endif
