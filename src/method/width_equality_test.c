/* Whatever rule has chosen it, a part computes what the whole network computes with that part alone, and training it touches nothing else: for every
 * rule, on every built-in network, and on networks that have every kind of layer.
 *
 * What "with that part alone" is depends on the norms. Where each looks at one channel at a time, it is the whole network in which the units left
 * out are zero (nn/test_outcome.h). A group norm or a layer norm would count the zeros. For these it is the whole network in which each unit left out is the
 * copy of a kept one, as many copies of each, whose readers take an equal share of each copy: such a network, too, computes what the kept
 * units alone compute. */
#include "method/width_elements.h"
#include "method/width_invariant.h"
#include "method/width_rules.h"
#include "method/width_scores.h"
#include "muster/train.h"
#include "nn/layers.h"
#include "nn/test_outcome.h"

/* ---- every model ---- */

static const char sequences[] = "layers:\n"
                                "  - {conv1d: c, channels: 8, kernel: 3, padding: 1}\n"
                                "  - {layer_norm: n}\n"
                                "  - {leaky_relu: r}\n"
                                "  - {lstm: l, units: 8}\n"
                                "  - {gru: g, units: 4, output: last}\n"
                                "  - {dense: d}\n";

/* The smallest inputs that the networks take, and that leave something to pool. */
static const struct {
    const char *name;
    mu_shape    input;
} inputs[] = {
    { "softmax-regression", { 6, 6, 1 } }, { "mlp", { 6, 6, 1 } },         { "lenet5", { 28, 28, 1 } },  { "fedavg-cnn", { 12, 12, 1 } },
    { "pfl-cnn", { 12, 12, 3 } },          { "cifar-cnn", { 8, 8, 3 } },   { "femnist-cnn", { 12, 12, 1 } }, { "resnet20", { 8, 8, 3 } },
    { "resnet18", { 8, 8, 3 } },           { "mobilenetv2", { 32, 32, 3 } }, { "ds-cnn", { 49, 10, 1 } }, { "motion-cnn", { 1, 16, 9 } },
    { "char-lstm", { 1, 1, 5 } },          { "char-lstm-every", { 1, 1, 5 } }, { "char-gru", { 1, 1, 5 } }, { "char-gru-every", { 1, 1, 5 } },
};

static mu_shape input_of(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(inputs); i++)
        if (strcmp(inputs[i].name, name) == 0)
            return inputs[i].input;
    fail_msg("the built-in model %s needs an input in this test", name);
    return (mu_shape){ 0 };
}

static mu_model *written_model(size_t index)
{
    switch (index) {
    case 0: return test_model_with(branches, (mu_shape){ 6, 4, 2 }, 7, 3, 19);
    case 1: return test_model_with(inverted, (mu_shape){ 9, 8, 3 }, 6, 15, 6);
    case 2: return test_model_with(sequence, (mu_shape){ 1, 1, 6 }, 5, 9, 4);
    case 3: return test_model_with(blocks, (mu_shape){ 7, 5, 2 }, 8, 8, 0);
    case 4: return test_model_of(sequences, (mu_shape){ 1, 6, 3 }, 5);
    default: return NULL;
    }
}

/* The built-in models with their own norms, then those that have a choice with group norms, then the written ones. NULL: there are no more. Two masks
 * of dropout, over different numbers of channels, have nothing to do with each other, so that nothing is dropped. */
static mu_model *model_at(size_t index)
{
    size_t count;
    const mu_model_builtin *builtins = mu_model_builtins(&count);
    mu_model *model = NULL;
    if (index >= 2 * count)
        model = written_model(index - 2 * count);
    else {
        const char *name = builtins[index % count].name;
        (void)mu_model_create_builtin(name, index < count ? NULL : "group", input_of(name), 10, &model, NULL);
    }
    for (uint32_t i = 0; model && i < model->node_count; i++)
        if (model->nodes[i].layer == &mu_layer_dropout)
            ((mu_dropout_config *)model->nodes[i].config)->rate = 0;
    return model;
}

static bool sums_over_channels(const mu_model *model)
{
    for (uint32_t i = 0; i < model->node_count; i++)
        if (model->nodes[i].layer == &mu_layer_group_norm || model->nodes[i].layer == &mu_layer_layer_norm)
            return true;
    return false;
}

/* ---- every rule ---- */

typedef struct choosing {
    const subject  *subject;
    const uint32_t *counts;
    uint32_t        turn;
    mu_random      *random;
} choosing;

static void choose_ordered(const choosing *c, bool *kept)
{
    mu_width_ordered(c->subject->units, c->counts, kept);
}

static void choose_rolling(const choosing *c, bool *kept)
{
    mu_width_rolling(c->subject->units, c->counts, 5 + 7 * c->turn, kept);
}

static void choose_random(const choosing *c, bool *kept)
{
    mu_width_random(c->subject->units, c->counts, c->random, kept);
}

/* The vector that has these counts. */
static void choose_by_rates(const choosing *c, bool *kept)
{
    const mu_units *units = c->subject->units;
    const size_t    groups = mu_units_group_count(units);
    double   *rates = calloc(groups + 1, sizeof *rates);
    uint32_t *counts = calloc(groups + 1, sizeof *counts);
    assert_true(rates && counts);
    for (size_t g = 0; g < groups; g++)
        rates[g] = 1 - (double)c->counts[g] / mu_units_group(units, g)->count;
    mu_width_counts_of_rates(units, rates, counts);
    assert_memory_equal(counts, c->counts, groups * sizeof *counts);
    mu_width_random(units, counts, c->random, kept);
    free(counts);
    free(rates);
}

static void choose_invariant(const choosing *c, bool *kept)
{
    const mu_units *units = c->subject->units;
    bool *invariant = calloc(mu_units_count(units) + 1, sizeof *invariant);
    assert_non_null(invariant);
    for (size_t u = 0; u < mu_units_count(units); u++)
        invariant[u] = mu_random_below(c->random, 3) == 0;
    mu_width_random(units, c->counts, c->random, kept);
    mu_invariant_keep(units, c->counts, invariant, kept, c->random, kept);
    free(invariant);
}

static void choose_by_scores(const choosing *c, bool *kept)
{
    const mu_units *units = c->subject->units;
    float    *scores = floats(mu_units_count(units));
    uint32_t *order = calloc(mu_units_count(units) + 1, sizeof *order);
    assert_non_null(order);
    for (size_t u = 0; u < mu_units_count(units); u++)
        scores[u] = 0.1f * (float)mu_random_below(c->random, 5);
    mu_scores_order(units, scores, 0.05, c->random, order);
    mu_scores_keep(units, c->counts, order, kept);
    free(order);
    free(scores);
}

static void choose_by_magnitude(const choosing *c, bool *kept)
{
    double *norms = calloc(mu_units_count(c->subject->units) + 1, sizeof *norms);
    assert_non_null(norms);
    mu_unit_norms(c->subject->units, c->subject->whole, norms);
    mu_width_highest(c->subject->units, c->counts, norms, kept);
    free(norms);
}

static const struct {
    const char *name;
    void (*choose)(const choosing *c, bool *kept);
} rules[] = {
    { "ordered", choose_ordered }, { "rolling", choose_rolling },     { "random", choose_random },       { "rates", choose_by_rates },
    { "invariant", choose_invariant }, { "scores", choose_by_scores }, { "magnitude", choose_by_magnitude },
};

/* ---- every rule on every model ---- */

typedef void count_of(uint32_t *counts, const mu_units *units, mu_random *random);

static void any_counts(uint32_t *counts, const mu_units *units, mu_random *random)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++)
        counts[g] = 1 + mu_random_below(random, mu_units_group(units, g)->count);
}

/* A half or a quarter, where that is a whole number. */
static void whole_shares(uint32_t *counts, const mu_units *units, mu_random *random)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const uint32_t count = mu_units_group(units, g)->count, share = 2u << mu_random_below(random, 2);
        counts[g] = count % share ? count % 2 ? count : count / 2 : count / share;
    }
}

/* Forms the part that each rule chooses, and checks it. */
static void for_each_rule(subject *s, count_of *count_units, void (*check)(subject *s, uint32_t turn, mu_random *random))
{
    mu_random random = mu_random_stream(21, MU_RANDOM_TEST, 0, 0);
    uint32_t *counts = calloc(mu_units_group_count(s->units) + 1, sizeof *counts);
    assert_non_null(counts);
    for (uint32_t turn = 0; turn < MU_COUNT(rules); turn++) {
        count_units(counts, s->units, &random);
        rules[turn].choose(&(choosing){ s, counts, turn, &random }, s->kept);
        form(s);
        check(s, turn, &random);
    }
    free(counts);
}

static bool next_model(size_t *index, mu_model **model)
{
    size_t count;
    mu_model_builtins(&count);
    do
        *model = model_at((*index)++);
    while (!*model && *index <= 2 * count);
    return *model;
}

/* ---- as the whole network with zeros ---- */

/* Every other time by the reference kernels, where these do not take too long. */
static bool by_plain_kernels(const subject *s, uint32_t turn)
{
    return turn % 2 && mu_model_param_count(s->model) < 500000;
}

static void check_zeros(subject *s, uint32_t turn, mu_random *random)
{
    check_against_zeros(s, by_plain_kernels(s, turn), random);
}

static void a_part_computes_what_the_whole_does_with_zeros(void **state)
{
    (void)state;
    mu_model *model;
    size_t    checked = 0;
    for (size_t i = 0; next_model(&i, &model);) {
        subject s = subject_create(model);
        if (!sums_over_channels(model)) {
            for_each_rule(&s, any_counts, check_zeros);
            checked++;
        }
        subject_destroy(&s);
    }
    assert_int_equal(checked, MU_COUNT(inputs) + 3);
}

/* ---- as the whole network with copies ---- */

/* For each unit the kept one that it is a copy of; as many copies of each. */
static uint32_t *originals(const subject *s)
{
    uint32_t *original = calloc(mu_units_count(s->units) + 1, sizeof *original);
    assert_non_null(original);
    for (size_t g = 0; g < mu_units_group_count(s->units); g++) {
        const mu_unit_group *group = mu_units_group(s->units, g);
        const uint32_t end = group->first + group->count;
        uint32_t next = end - 1;
        for (uint32_t u = group->first; u < end; u++) {
            original[u] = u;
            if (s->kept[u])
                continue;
            do
                next = next + 1 < end ? next + 1 : group->first;
            while (!s->kept[next]);
            original[u] = next;
        }
    }
    return original;
}

/* Along one side of a tensor: the place of which each is the copy, and by how many copies a weight there is shared. */
typedef struct side {
    size_t    count;
    uint32_t *place;
    float    *shares;
} side;

/* The n-th place of a unit goes with the n-th place of the unit that it is a copy of. */
static side side_of(const subject *s, const uint32_t *original, size_t tensor, mu_side which, size_t count)
{
    const size_t    units = mu_units_count(s->units);
    const uint32_t *along = mu_units_along(s->units, tensor, which);
    side axis = { count, calloc(count, sizeof(uint32_t)), calloc(count, sizeof(float)) };
    uint32_t *seen = calloc(units + 1, sizeof *seen), *copies = calloc(units + 1, sizeof *copies);
    uint32_t *places = calloc(units * count + 1, sizeof *places); /* [unit][n] */
    assert_true(axis.place && axis.shares && seen && copies && places);
    for (size_t u = 0; u < units; u++)
        copies[original[u]]++;
    for (uint32_t i = 0; along && i < count; i++)
        if (along[i] != MU_UNIT_NONE)
            places[along[i] * count + seen[along[i]]++] = i;
    memset(seen, 0, units * sizeof *seen);
    for (uint32_t i = 0; i < count; i++) {
        const bool stays = !along || along[i] == MU_UNIT_NONE;
        axis.place[i] = stays ? i : places[original[along[i]] * count + seen[along[i]]++];
        axis.shares[i] = stays ? 1 : (float)copies[original[along[i]]];
    }
    free(places);
    free(copies);
    free(seen);
    return axis;
}

/* Calls `visit` with each element of the whole state, the one that it is a copy of, and by how many its weight is shared. */
static void for_each_copy(const subject *s, void (*visit)(void *self, size_t element, size_t original, float shares), void *self)
{
    uint32_t *original = originals(s);
    for (size_t t = 0; t < mu_model_tensor_count(s->model); t++) {
        const mu_tensor *tensor = mu_model_tensor(s->model, t);
        const bool       vector = tensor->layout == MU_LAYOUT_VECTOR, rows = tensor->layout == MU_LAYOUT_ROWS;
        side in = side_of(s, original, t, MU_SIDE_INPUT, vector ? 1 : tensor->shape[!rows]);
        side out = side_of(s, original, t, MU_SIDE_OUTPUT, tensor->shape[!vector && rows]);
        for (size_t e = 0; e < tensor->count; e++) {
            const size_t row = e / out.count, i = row % in.count, base = row - i;
            visit(self, tensor->offset + e, tensor->offset + (base + in.place[i]) * out.count + out.place[e % out.count], in.shares[i]);
        }
        free(in.place);
        free(in.shares);
        free(out.place);
        free(out.shares);
    }
    free(original);
}

typedef struct copying {
    const float *from;
    float       *to;
    double      *sums;
    size_t       count;
} copying;

static void copy_element(void *self, size_t element, size_t original, float shares)
{
    copying *c = self;
    c->to[element] = c->from[original] / shares;
}

static void add_gradient(void *self, size_t element, size_t original, float shares)
{
    copying *c = self;
    if (element < c->count)
        c->sums[original] += (double)c->from[element] / shares;
}

/* The gradient of a weight is the sum of those of its copies. */
static void take_copies(const subject *s, const float *state, const float *gradients, float *kept_state, float *kept_gradients)
{
    const size_t params = mu_model_param_count(s->model);
    float   *whole = floats(params);
    copying  c = { .from = gradients, .sums = calloc(params, sizeof *c.sums), .count = params };
    assert_non_null(c.sums);
    for_each_copy(s, add_gradient, &c);
    for (size_t i = 0; i < params; i++)
        whole[i] = (float)c.sums[i];
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, state, kept_state);
    mu_submodel_gather(s->submodel, MU_EXTENT_PARAMS, whole, kept_gradients);
    free(c.sums);
    free(whole);
}

/* Sums have other terms, in another order, so each may be off by what its longest sum may be: over the inputs of one output or the outputs of one
 * input, over the examples and their pixels, and in a norm over all that it looks at. tensor/winograd_error.h has the size of it; plain sums keep
 * within that too. */
static double rounding_of_any(const mu_node *node)
{
    const uint32_t in = node->inputs[0].shape.channels, out = node->output.channels;
    const uint64_t products = node->param_count / (in < out ? in : out), pixels = OUTCOME_BATCH * mu_shape_size(node->output) / out;
    const bool     norm = node->param_count && (node->layer == &mu_layer_group_norm || node->layer == &mu_layer_layer_norm);
    uint64_t       longest = products > pixels ? products : pixels;
    if (norm && longest < mu_shape_size(node->output))
        longest = mu_shape_size(node->output);
    return mu_winograd_rms_error(longest);
}

static void check_copies(subject *s, uint32_t turn, mu_random *random)
{
    const mu_model *small = mu_submodel_model(s->submodel);
    float  *kept = floats(mu_model_state_count(small)), *copied = floats(mu_model_state_count(s->model));
    copying c = { .from = s->whole, .to = copied };
    for_each_copy(s, copy_element, &c);
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, s->whole, kept);
    const bool      plain = by_plain_kernels(s, turn);
    const wide_view view = { copied, take_copies, rounding_of_any, plain };
    outcome         narrow = outcome_of_step(s, small, kept, plain, NULL), wide = outcome_of_wide(s, &view);
    outcome_check_near(s, &view, &narrow, &wide, random);
    outcome_free(&wide);
    outcome_free(&narrow);
    free(copied);
    free(kept);
}

static void a_part_computes_what_the_whole_does_with_copies(void **state)
{
    (void)state;
    mu_model *model;
    size_t    checked = 0;
    for (size_t i = 0; next_model(&i, &model);) {
        subject s = subject_create(model);
        if (sums_over_channels(model)) {
            for_each_rule(&s, whole_shares, check_copies);
            checked++;
        }
        subject_destroy(&s);
    }
    assert_int_equal(checked, 4 + 2); /* four of the built-in ones may have group norms */
}

/* ---- what is left out stays ---- */

enum { EXAMPLES = 4 };

static void read_example(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const mu_model *model = self;
    const mu_shape  shape = mu_model_input(model);
    const size_t    size = (size_t)shape.height * shape.width * shape.channels;
    const uint32_t  targets = mu_model_targets(model), symbols = mu_model_symbols(model);
    for (uint32_t i = 0; i < count; i++) {
        mu_random random = mu_random_stream(22, MU_RANDOM_TEST, 0, indices[i]);
        for (size_t k = 0; k < size; k++)
            x[i * size + k] = symbols ? (float)mu_random_below(&random, symbols) : (float)mu_random_normal(&random);
        for (uint32_t k = 0; k < targets; k++)
            labels[i * targets + k] = (int32_t)mu_random_below(&random, mu_model_classes(model));
    }
}

/* Trained as on a device, with all that may move a weight whose gradient is 0. */
static void check_outside(subject *s, uint32_t turn, mu_random *random)
{
    (void)random;
    const mu_examples examples = { s->model, EXAMPLES, read_example };
    mu_plan plan = { .learning_rate = 0.01, .kept = s->kept, 
                     .train = { .local_epochs = 1, .batch_size = EXAMPLES / 2, .optimizer = MU_OPTIMIZER_SGD, .momentum = 0.9,
                                .weight_decay = 0.1 } };
    float  *delta = floats(mu_model_state_count(s->model));
    mu_trainer *trainer = NULL;
    mu_update   update = { 0 };
    assert_int_equal(mu_trainer_create(s->model, s->units, &trainer, NULL), MU_OK);
    assert_int_equal(mu_trainer_run(trainer, &plan, &examples, s->whole, 23, turn, NULL, NULL, delta, &update, NULL), MU_OK);
    size_t changed = 0, kept = 0;
    for (size_t t = 0; t < mu_model_tensor_count(s->model); t++) {
        const mu_tensor *tensor = mu_model_tensor(s->model, t);
        for (size_t e = 0; e < tensor->count; e++) {
            const bool inside = element_kept(s, t, e);
            kept += inside;
            changed += inside && delta[tensor->offset + e] != 0;
            if (!inside && delta[tensor->offset + e] != 0)
                fail_msg("%s, %s: %s[%zu] was left out and has changed", mu_model_name(s->model), rules[turn].name, tensor->name, e);
        }
    }
    assert_true(update.steps == 2 && changed > kept / 2);
    mu_trainer_destroy(trainer);
    free(delta);
}

static void what_is_left_out_stays(void **state)
{
    (void)state;
    mu_model *model;
    for (size_t i = 0; next_model(&i, &model);) {
        subject s = subject_create(model);
        for_each_rule(&s, any_counts, check_outside);
        subject_destroy(&s);
    }
}

/* ---- every kind of layer was there ---- */

static void the_models_have_every_kind_of_layer(void **state)
{
    (void)state;
    size_t count;
    const mu_layer *const *layers = mu_layers(&count);
    bool *seen = calloc(count, sizeof *seen);
    assert_non_null(seen);
    mu_model *model;
    for (size_t i = 0; next_model(&i, &model); mu_model_destroy(model))
        for (uint32_t n = 0; n < model->node_count; n++)
            for (size_t k = 0; k < count; k++)
                seen[k] |= model->nodes[n].layer == layers[k];
    for (size_t k = 0; k < count; k++)
        if (!seen[k])
            fail_msg("no model of this test has a layer of kind %s", layers[k]->kind);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_computes_what_the_whole_does_with_zeros),
        cmocka_unit_test(a_part_computes_what_the_whole_does_with_copies),
        cmocka_unit_test(what_is_left_out_stays),
        cmocka_unit_test(the_models_have_every_kind_of_layer),
    };
    return cmocka_run_group_tests_name("width equality", tests, NULL, NULL);
}
