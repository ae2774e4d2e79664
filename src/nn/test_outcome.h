/* What the tests share that hold submodels against the whole network: what a step has computed, and how far rounding alone may bring two of them
 * apart.
 *
 * Each sum is right within the rounding of its products. What that makes of the results, behind all the layers that follow, is found by causing
 * it: weights are moved by as much, up or down at random. Both networks are off by no more than the most that this did in a few draws, so that
 * twice that may lie between them. */
#ifndef MUSTER_NN_TEST_OUTCOME_H
#define MUSTER_NN_TEST_OUTCOME_H

#include "nn/graph.h"
#include "nn/test_submodel.h"
#include "tensor/winograd_error.h"

enum { OUTCOME_BATCH = 3, OUTCOME_SHAKES = 5 };

typedef enum outcome_part { LOGITS, GRADIENTS, STATISTICS, OUTCOME_PARTS } outcome_part;

static const char *const outcome_part_names[] = { "logits", "gradients", "statistics" };

/* What a step has computed, of that what the submodel keeps. */
typedef struct outcome {
    float *values[OUTCOME_PARTS];
    size_t counts[OUTCOME_PARTS];
} outcome;

/* What is kept of a step of the whole network: its state with new statistics, and its gradients. */
typedef void outcome_take(const subject *s, const float *state, const float *gradients, float *kept_state, float *kept_gradients);

static inline float *floats(size_t count)
{
    float *x = calloc(count + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

/* As they are, where the submodel has them. */
static inline void outcome_gather(const subject *s, const float *state, const float *gradients, float *kept_state, float *kept_gradients)
{
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, state, kept_state);
    mu_submodel_gather(s->submodel, MU_EXTENT_PARAMS, gradients, kept_gradients);
}

/* `model` is the submodel's own or the whole one, of which `take` takes what is kept. */
static inline outcome outcome_of_step(const subject *s, const mu_model *model, const float *weights, bool plain, outcome_take *take)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = OUTCOME_BATCH;
    config.plain_kernels = plain;
    test_step t = test_step_create(model, config, true);
    memcpy(mu_step_state(t.step), weights, mu_model_state_count(model) * sizeof(float));
    test_fill_batch(model, t.step, OUTCOME_BATCH, 3);
    mu_random dropout = mu_random_stream(3, MU_RANDOM_TEST, 0, 0);
    mu_step_gradient(t.step, OUTCOME_BATCH, &dropout);

    const mu_model *small = mu_submodel_model(s->submodel);
    const size_t    params = mu_model_param_count(small), state = mu_model_state_count(small);
    outcome o = { .counts = { (size_t)OUTCOME_BATCH * mu_model_targets(model) * mu_model_classes(model), params, state - params } };
    for (int p = 0; p < OUTCOME_PARTS; p++)
        o.values[p] = floats(o.counts[p]);
    float *kept = floats(state);
    memcpy(o.values[LOGITS], mu_step_logits(t.step), o.counts[LOGITS] * sizeof(float));
    if (model == small) {
        memcpy(kept, mu_step_state(t.step), state * sizeof(float));
        memcpy(o.values[GRADIENTS], mu_step_gradients(t.step), params * sizeof(float));
    } else
        take(s, mu_step_state(t.step), mu_step_gradients(t.step), kept, o.values[GRADIENTS]);
    memcpy(o.values[STATISTICS], kept + params, o.counts[STATISTICS] * sizeof(float));
    free(kept);
    test_step_destroy(&t);
    return o;
}

static inline void outcome_free(outcome *o)
{
    for (int p = 0; p < OUTCOME_PARTS; p++)
        free(o->values[p]);
}

static inline double outcome_distance(const outcome *a, const outcome *b, int p)
{
    double sum = 0.0;
    for (size_t i = 0; i < a->counts[p]; i++) {
        const double difference = (double)a->values[p][i] - (double)b->values[p][i];
        sum += difference * difference;
    }
    return sqrt(sum);
}

/* ---- to the bit ---- */

static inline void outcome_check_equal(const subject *s, const outcome *narrow, const outcome *wide)
{
    for (int p = 0; p < OUTCOME_PARTS; p++)
        for (size_t i = 0; i < narrow->counts[p]; i++)
            if (narrow->values[p][i] != wide->values[p][i])
                fail_msg("%s of %s: the one at %zu is %g, %g in the whole network", outcome_part_names[p], mu_model_name(s->model), i,
                         (double)narrow->values[p][i], (double)wide->values[p][i]);
}

static inline bool by_winograd(const mu_node *node)
{
    if (node->layer != mu_layer_find("conv"))
        return false;
    const mu_conv_config *config = node->config;
    const mu_shape in = node->inputs[0].shape, out = node->output;
    const mu_conv  conv = { .in_height = in.height, .in_width = in.width, .in_channels = in.channels, .out_height = out.height,
                            .out_width = out.width, .out_channels = out.channels, .kernel_h = config->kernel,
                            .kernel_w = config->kernel_width, .stride_h = config->stride, .stride_w = config->stride_width,
                            .pad_h = config->pad_top, .pad_w = config->pad_left, .groups = config->groups };
    return mu_winograd_fits(&conv);
}

/* Is a convolution computed by Winograd's algorithm in one of them and not in the other? */
static inline bool crosses_rule(const mu_model *whole, const mu_model *small)
{
    assert_int_equal(whole->node_count, small->node_count);
    for (uint32_t i = 0; i < whole->node_count; i++)
        if (by_winograd(&whole->nodes[i]) != by_winograd(&small->nodes[i]))
            return true;
    return false;
}

/* ---- to what rounding may do ---- */

/* How far off the sums of a layer may be, by their size; 0: not at all. */
typedef double rounding_of(const mu_node *node);

static inline double rounding_of_winograd(const mu_node *node)
{
    const uint64_t in = node->inputs[0].shape.channels, out = node->output.channels;
    return by_winograd(node) ? mu_winograd_rms_error(in > out ? in : out) : 0;
}

static inline void shake(const mu_model *model, rounding_of *rounding, mu_random *random, float *weights)
{
    for (uint32_t i = 0; i < model->node_count; i++) {
        const mu_node *node = &model->nodes[i];
        const float    error = (float)rounding(node);
        for (size_t k = 0; error > 0 && k < node->param_count; k++)
            weights[node->param_offset + k] *= mu_random_below(random, 2) ? 1.0f + error : 1.0f - error;
    }
}

/* How the whole network is looked at: its weights, what of its step is kept, and where it rounds otherwise than the submodel. */
typedef struct wide_view {
    const float  *weights;
    outcome_take *take;
    rounding_of  *rounding;
    bool          plain;
} wide_view;

static inline outcome outcome_of_wide(const subject *s, const wide_view *view)
{
    return outcome_of_step(s, s->model, view->weights, view->plain, view->take);
}

/* How far the whole network's parts move when its weights are shaken once. */
static inline void find_sway(const subject *s, const wide_view *view, const outcome *wide, mu_random *random, double sway[OUTCOME_PARTS])
{
    const size_t count = mu_model_state_count(s->model);
    float       *shaken = floats(count);
    memcpy(shaken, view->weights, count * sizeof *shaken);
    shake(s->model, view->rounding, random, shaken);
    outcome o = outcome_of_step(s, s->model, shaken, view->plain, view->take);
    for (int p = 0; p < OUTCOME_PARTS; p++)
        sway[p] = outcome_distance(&o, wide, p);
    outcome_free(&o);
    free(shaken);
}

/* Within the most that a few draws find: one alone may happen to cancel out, the more so where few weights are left. */
static inline void outcome_check_near(const subject *s, const wide_view *view, const outcome *narrow, const outcome *wide, mu_random *random)
{
    double sway[OUTCOME_PARTS], most[OUTCOME_PARTS] = { 0 };
    bool   near = false;
    for (int draw = 0; draw < OUTCOME_SHAKES && !near; draw++) {
        find_sway(s, view, wide, random, sway);
        near = true;
        for (int p = 0; p < OUTCOME_PARTS; p++) {
            most[p] = fmax(most[p], sway[p]);
            near &= outcome_distance(narrow, wide, p) <= 2 * most[p];
        }
    }
    for (int p = 0; p < OUTCOME_PARTS && !near; p++)
        if (!(outcome_distance(narrow, wide, p) <= 2 * most[p]))
            fail_msg("%s of %s: %.3g away from the whole network's, allowed %.3g", outcome_part_names[p], mu_model_name(s->model),
                     outcome_distance(narrow, wide, p), 2 * most[p]);
}

/* ---- against the whole network in which the units left out are zero ---- */

/* Whether to the bit, as it is as long as each convolution goes by the same algorithm in both. No norm may run over several channels: it would
 * count the zeros. */
static inline bool check_against_zeros(const subject *s, bool plain, mu_random *random)
{
    const mu_model *small = mu_submodel_model(s->submodel);
    float *kept = floats(mu_model_state_count(small)), *zeroed = floats(mu_model_state_count(s->model));
    mu_submodel_gather(s->submodel, MU_EXTENT_STATE, s->whole, kept);
    mu_submodel_scatter(s->submodel, MU_EXTENT_STATE, kept, zeroed);
    const wide_view view = { zeroed, outcome_gather, rounding_of_winograd, plain };
    outcome         narrow = outcome_of_step(s, small, kept, plain, NULL), wide = outcome_of_wide(s, &view);
    const bool      equal = !crosses_rule(s->model, small);
    if (equal)
        outcome_check_equal(s, &narrow, &wide);
    else
        outcome_check_near(s, &view, &narrow, &wide, random);
    outcome_free(&wide);
    outcome_free(&narrow);
    free(zeroed);
    free(kept);
    return equal;
}

#endif
