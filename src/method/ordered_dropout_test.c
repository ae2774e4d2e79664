/* Ordered dropout, as FjORD draws it: the networks of all widths that come out of one training are the best there are of each width
 * (Horvath et al. 2021, theorem 1), and those of a recurrent network are the recurrent networks that one would write down narrower. */
#include "method/method_registry.h"
#include "method/test_width.h"

#include <math.h>

/* What draws, and the part that is drawn, with its memory. */
typedef struct drawing {
    net                n;
    void              *state;
    mu_submodel       *submodel;
    unsigned char     *memory;
    bool              *kept;
    uint32_t          *counts;
    mu_plan            plan;
} drawing;

static drawing drawing_create(net n, const char *widths)
{
    drawing d = { .n = n, .state = zeroed(1, mu_method_fjord.state_bytes), .kept = zeroed(n.count, sizeof(bool)),
                  .counts = zeroed(n.groups, sizeof(uint32_t)) };
    mu_conf *conf = NULL;
    mu_error err = { 0 };
    if (mu_conf_parse("test.yaml", widths, strlen(widths), &conf, &err) ||
        mu_options_read(mu_method_fjord.options, mu_method_fjord.option_count, mu_conf_root(conf), NULL, "test", d.state, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    mu_arena arena = mu_arena_measuring();
    assert_int_equal(mu_submodel_plan(n.units, &arena, &d.submodel, NULL), MU_OK);
    d.memory = mu_arena_block(arena.used_bytes);
    assert_non_null(d.memory);
    arena = mu_arena_over(d.memory, arena.used_bytes);
    assert_int_equal(mu_submodel_plan(n.units, &arena, &d.submodel, NULL), MU_OK);
    return d;
}

static void drawing_release(drawing *d)
{
    mu_arena_block_free(d->memory);
    free(d->state);
    free(d->kept);
    free(d->counts);
    net_release(&d->n);
}

static uint32_t draw(drawing *d, uint32_t step)
{
    mu_choice choice = { .units = d->n.units, .plan = &d->plan, .seed = 7, .step = step, .afford_macs = INFINITY, .counts = d->counts,
                         .kept = d->kept };
    mu_method_fjord.how->choose(d->state, &choice);
    assert_int_equal(mu_submodel_form(d->submodel, d->kept, NULL), MU_OK);
    return choice.statistics;
}

static const mu_model *use(drawing *d, uint32_t index)
{
    mu_usable part = { .kept = d->kept };
    mu_units_keep_all(d->n.units, d->kept);
    assert_true(mu_method_fjord.what->usable(d->state, d->n.units, index, &part));
    assert_int_equal(mu_submodel_form(d->submodel, d->kept, NULL), MU_OK);
    return mu_submodel_model(d->submodel);
}

/* ---- a linear network of two layers, against the singular value decomposition ---- */

enum { IN = 6, HIDDEN = 4, OUT = 5, STEPS = 12000 };

/* Vectors that are orthogonal to each other, of length 1, and (`centred`) whose elements add up to 0. */
static void draw_orthonormal(mu_random *random, size_t length, bool centred, double (*vectors)[OUT + IN])
{
    for (size_t k = 0; k < HIDDEN; k++) {
        double mean = 0, norm = 0;
        for (size_t i = 0; i < length; i++)
            mean += (vectors[k][i] = mu_random_normal(random)) / (double)length;
        for (size_t i = 0; i < length; i++)
            vectors[k][i] -= centred ? mean : 0;
        for (size_t before = 0; before < k; before++) {
            double along = 0;
            for (size_t i = 0; i < length; i++)
                along += vectors[before][i] * vectors[k][i];
            for (size_t i = 0; i < length; i++)
                vectors[k][i] -= along * vectors[before][i];
        }
        for (size_t i = 0; i < length; i++)
            norm += vectors[k][i] * vectors[k][i];
        for (size_t i = 0; i < length; i++)
            vectors[k][i] /= sqrt(norm);
    }
}

/* A = sum of values[k] * left[k] * right[k]^T, which is its decomposition; the first b terms are the best matrix of rank b (Eckart and Young
 * 1936). */
typedef struct target {
    double left[HIDDEN][OUT + IN], right[HIDDEN][OUT + IN];
} target;
static const double values[HIDDEN] = { 2, 1.4, 0.9, 0.5 };

static double of_rank(const target *t, uint32_t rank, size_t in, size_t out)
{
    double sum = 0;
    for (uint32_t k = 0; k < rank; k++)
        sum += values[k] * t->left[k][out] * t->right[k][in];
    return sum;
}

/* The step's loss is a cross-entropy of classes. Against a teacher at a high temperature T it is, but for terms of z / T, the squared
 * distance of the logits about their mean (Hinton et al. 2015, arXiv:1503.02531, section 2.1): with the weight C * T^2 its gradient in a
 * logit is z - t, where the logits of both add up to 0. So A's columns are centred, and what all logits of the network have in common
 * counts for nothing. Inputs whose covariance is a multiple of the unit matrix, as in the unit ball, lead to the same minimum as the unit
 * vectors: here are those, all in a batch. */
static void train_step(drawing *d, const target *t, mu_step_config config, unsigned char *memory, size_t size_bytes, double rate, float *weights)
{
    enum { TEMPERATURE = 300 };
    float teacher[IN][OUT];
    mu_arena arena = mu_arena_over(memory, size_bytes);
    mu_step *step;
    assert_int_equal(mu_step_plan(mu_submodel_model(d->submodel), &config, &arena, &step, NULL), MU_OK);
    mu_submodel_gather(d->submodel, MU_EXTENT_STATE, weights, mu_step_state(step));
    for (size_t i = 0; i < IN; i++) {
        mu_step_labels(step)[i] = 0;
        for (size_t k = 0; k < IN; k++)
            mu_step_input(step)[i * IN + k] = i == k;
        for (size_t o = 0; o < OUT; o++)
            teacher[i][o] = (float)of_rank(t, HIDDEN, i, o);
    }
    mu_step_manner manner = { .teacher = teacher[0], .teacher_weight = OUT * (double)TEMPERATURE * TEMPERATURE, .temperature = TEMPERATURE };
    mu_step_gradient_as(step, &manner, IN, NULL);
    mu_submodel_add(d->submodel, MU_EXTENT_PARAMS, (float)-rate, mu_step_gradients(step), weights);
}

/* |network - best of its rank|, over |A|. */
static double distance(drawing *d, const target *t, uint32_t rank, const float *weights)
{
    float part[(IN + OUT) * HIDDEN];
    const mu_model *small = use(d, HIDDEN - rank);
    assert_int_equal(mu_model_param_count(small), (IN + OUT) * rank);
    mu_submodel_gather(d->submodel, MU_EXTENT_STATE, weights, part);
    const float *first = part + mu_model_tensor(small, 0)->offset, *second = part + mu_model_tensor(small, 1)->offset; /* [in][out] both */
    double difference = 0, whole = 0;
    for (size_t i = 0; i < IN; i++) {
        double y[OUT] = { 0 }, mean = 0;
        for (size_t o = 0; o < OUT; o++) {
            for (size_t h = 0; h < rank; h++)
                y[o] += (double)first[i * rank + h] * (double)second[h * OUT + o];
            mean += y[o] / OUT;
        }
        for (size_t o = 0; o < OUT; o++) {
            double off = y[o] - mean - of_rank(t, rank, i, o), a = of_rank(t, HIDDEN, i, o);
            difference += off * off;
            whole += a * a;
        }
    }
    return sqrt(difference / whole);
}

/* All steps of a training whose steps have the width that is drawn, or all the greatest. */
static void train(drawing *d, const target *t, bool drawn, float *weights)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = IN;
    mu_arena arena = mu_arena_measuring();
    mu_step *step;
    assert_int_equal(mu_step_plan(d->n.model, &config, &arena, &step, NULL), MU_OK);
    const size_t size_bytes = 2 * arena.used_bytes; /* with room for the planner */
    unsigned char *memory = mu_arena_block(size_bytes);
    assert_non_null(memory);
    mu_model_init(d->n.model, 5, weights);
    for (uint32_t s = 0; s < STEPS; s++) {
        if (drawn)
            draw(d, s);
        else
            use(d, 0);
        train_step(d, t, config, memory, size_bytes, 0.5, weights);
    }
    mu_arena_block_free(memory);
}

/* To 1e-3 of |A| for every width; while the parts of a network that was trained as a whole are nothing of the kind. */
static void every_width_is_the_best_of_its_rank(void **unused)
{
    (void)unused;
    static const char linear[] = "layers:\n  - {dense: a, units: 4, bias: false}\n  - {dense: b, bias: false}\n";
    drawing d = drawing_create(net_written(linear, (mu_shape){ 1, 1, IN }, OUT), "widths: [0.25, 0.5, 0.75, 1]\n");
    target t;
    mu_random random = mu_random_stream(21, MU_RANDOM_TEST, 0, 0);
    draw_orthonormal(&random, OUT, true, t.left);
    draw_orthonormal(&random, IN, false, t.right);
    float weights[(IN + OUT) * HIDDEN];
    train(&d, &t, true, weights);
    for (uint32_t rank = 1; rank <= HIDDEN; rank++)
        assert_float_equal(distance(&d, &t, rank, weights), 0, 1e-3);
    train(&d, &t, false, weights);
    assert_float_equal(distance(&d, &t, HIDDEN, weights), 0, 1e-3);
    for (uint32_t rank = 1; rank < HIDDEN; rank++)
        assert_true(distance(&d, &t, rank, weights) > 0.1);
    drawing_release(&d);
}

/* ---- a recurrent network: the first units of every gate, and the whole embedding ---- */

enum { SYMBOLS = 90, EMBEDDED = 8, UNITS = 128, ITEMS = 7, BATCH = 3 };

static mu_model *letters(uint32_t units)
{
    char text[512];
    snprintf(text, sizeof text, "layers:\n  - {embedding: e, channels: %d, symbols: %d}\n  - {lstm: a, units: %u}\n"
             "  - {lstm: b, units: %u, output: last}\n  - {dense: d}\n", EMBEDDED, SYMBOLS, units, units);
    net n = net_written(text, (mu_shape){ 1, ITEMS, 1 }, SYMBOLS);
    mu_units_destroy(n.units);
    return n.model;
}

/* One tensor: `rows` of the whole one's, and of each of its `blocks` blocks of columns the first `columns`. */
static float *copy_first(const float *from, size_t rows, size_t blocks, size_t block, size_t columns, float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t b = 0; b < blocks; b++)
            for (size_t c = 0; c < columns; c++)
                *to++ = from[(r * blocks + b) * block + c];
    return to;
}

/* The narrow network's weights, from the tensors by their names. */
static void cut_by_hand(const mu_model *model, const float *weights, size_t units, float *part)
{
    float *to = part;
    for (size_t t = 0; t < mu_model_tensor_count(model); t++) {
        const mu_tensor *tensor = mu_model_tensor(model, t);
        const float *from = weights + tensor->offset;
        const char *name = tensor->name;
        if (!strcmp(name, "e.weight"))
            to = copy_first(from, SYMBOLS, 1, EMBEDDED, EMBEDDED, to);
        else if (!strcmp(name, "d.weight"))
            to = copy_first(from, units, 1, SYMBOLS, SYMBOLS, to);
        else if (!strcmp(name, "d.bias"))
            to = copy_first(from, 1, 1, SYMBOLS, SYMBOLS, to);
        else {
            size_t rows = strstr(name, "bias") ? 1 : !strcmp(name, "a.weight_ih_l0") ? EMBEDDED : units;
            to = copy_first(from, rows, 4, UNITS, units, to);
        }
    }
}

typedef struct run {
    float logits[BATCH * SYMBOLS];
    float *gradients;
} run;

static run step_of(const mu_model *model, const float *state)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = BATCH;
    mu_arena arena = mu_arena_measuring();
    mu_step *step;
    assert_int_equal(mu_step_plan(model, &config, &arena, &step, NULL), MU_OK);
    unsigned char *memory = mu_arena_block(arena.used_bytes);
    assert_non_null(memory);
    arena = mu_arena_over(memory, arena.used_bytes);
    assert_int_equal(mu_step_plan(model, &config, &arena, &step, NULL), MU_OK);
    memcpy(mu_step_state(step), state, mu_model_state_count(model) * sizeof *state);
    for (int i = 0; i < BATCH * ITEMS; i++)
        mu_step_input(step)[i] = (float)(i * 31 % SYMBOLS);
    for (int i = 0; i < BATCH; i++)
        mu_step_labels(step)[i] = i * 17 % SYMBOLS;
    mu_step_gradient(step, BATCH, NULL);
    run r = { .gradients = malloc(mu_model_param_count(model) * sizeof(float)) };
    assert_non_null(r.gradients);
    memcpy(r.gradients, mu_step_gradients(step), mu_model_param_count(model) * sizeof(float));
    memcpy(r.logits, mu_step_logits(step), sizeof r.logits);
    mu_arena_block_free(memory);
    return r;
}

/* Parameters of the network that the published figures of 12, 40, 82, 142 and 214 thousand fit best. */
static void a_recurrent_network_is_cut_gate_by_gate(void **unused)
{
    (void)unused;
    static const uint32_t units[] = { 128, 103, 77, 52, 26 };
    static const size_t   params[] = { 215082, 142332, 82584, 40434, 12510 };
    drawing d = drawing_create(net_of(letters(UNITS)), "{}\n");
    float *weights = zeroed(d.n.params, sizeof *weights), *part = zeroed(d.n.params, sizeof *part), *expected = zeroed(d.n.params, sizeof *part);
    mu_model_init(d.n.model, 9, weights);
    for (uint32_t i = 0; i < MU_COUNT(units); i++) {
        const mu_model *small = use(&d, i);
        mu_model *narrow = letters(units[i]);
        const size_t count = mu_model_param_count(small);
        assert_int_equal(count, params[i]);
        assert_int_equal(mu_model_param_count(narrow), count);
        mu_submodel_gather(d.submodel, MU_EXTENT_PARAMS, weights, part);
        cut_by_hand(d.n.model, weights, units[i], expected);
        assert_memory_equal(part, expected, count * sizeof *part);
        run by_part = step_of(small, part), by_narrow = step_of(narrow, expected);
        assert_memory_equal(by_part.logits, by_narrow.logits, sizeof by_part.logits);
        assert_memory_equal(by_part.gradients, by_narrow.gradients, count * sizeof(float));
        free(by_part.gradients);
        free(by_narrow.gradients);
        mu_model_destroy(narrow);
    }
    free(weights);
    free(part);
    free(expected);
    drawing_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_is_the_best_of_its_rank),
        cmocka_unit_test(a_recurrent_network_is_cut_gate_by_gate),
    };
    return cmocka_run_group_tests_name("ordered dropout", tests, NULL, NULL);
}
