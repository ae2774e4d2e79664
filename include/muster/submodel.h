/* Submodels: a network in which some channels are left out, as a small dense network of its own.
 *
 * A channel cannot be left out of one layer alone. What a convolution writes, the next one reads; where a residual connection adds two
 * values, channel 7 of the one goes with channel 7 of the other; a norm has a scale for it, a flatten turns it into height x width
 * inputs of a dense layer. All places that go together are one UNIT, and units that occur in the same layers are a UNIT GROUP.
 * mu_units finds them, once for a model. A CHOICE says of each unit whether it is kept; every choice that keeps at least one unit of
 * each group is allowed. The model's input channels and its classes belong to no group: they are always there.
 *
 * A mu_submodel is the network of one choice: the same graph with narrower shapes, a mu_model like any other for mu_step_plan,
 * mu_model_cost and the rest. It is formed anew, in place, for another choice: neither that nor gathering and scattering allocates,
 * so that a training may draw a new choice for every mini-batch:
 *
 *     mu_submodel_form(submodel, kept, err);
 *     mu_arena arena = mu_arena_over(memory, size_bytes);
 *     mu_step_plan(mu_submodel_model(submodel), &config, &arena, &step, err);
 *     mu_submodel_gather(submodel, MU_EXTENT_STATE, weights, mu_step_state(step));
 *     ... fill in mu_step_input and mu_step_labels ...
 *     mu_step_gradient(step, count, dropout);
 *     mu_step_update(step, learning_rate);
 *     mu_submodel_scatter(submodel, MU_EXTENT_STATE, mu_step_state(step), weights);
 *
 * SGD without momentum and weight decay need not update the small weights, which nobody reads again: in place of the last two
 *
 *     mu_submodel_add(submodel, MU_EXTENT_PARAMS, -learning_rate, mu_step_gradients(step), weights);
 *     mu_submodel_scatter(submodel, MU_EXTENT_STATISTICS, mu_step_state(step), weights);
 *
 * The bytes that a step takes depend on how many units each group keeps, not on which: whoever measures each set of counts that may come
 * knows the memory beforehand. A narrower network takes less but for rare cases in which its buffers fit into each other less
 * well. Momentum belongs to the whole model too: gather it into mu_step_moment, and scatter it back, with MU_EXTENT_PARAMS.
 *
 * Which units a choice keeps (at random, the first ones, a window that rolls) is the business of methods. */
#ifndef MUSTER_SUBMODEL_H
#define MUSTER_SUBMODEL_H

#include "muster/model.h"

/* ---- unit groups ---- */

/* The two axes of a tensor that channels run along. A tensor with one axis has only the output side. */
typedef enum mu_side {
    MU_SIDE_INPUT,  /* dense [in][out] and conv [kh][kw][in / groups][out]: in */
    MU_SIDE_OUTPUT, /* out; the only axis of a bias, a norm's scale, a statistic */
} mu_side;

#define MU_UNIT_NONE UINT32_MAX /* a place along an axis that belongs to no unit: always kept */

/* One tensor's axis that a group takes part in. */
typedef struct mu_unit_use {
    uint32_t tensor;  /* for mu_model_tensor */
    mu_side  side;
    uint32_t first;   /* where along the axis its first unit has its first place; not 0 behind a concatenation */
    uint32_t repeats; /* how many places each of its units has along it: 1, height x width behind a flatten, 4 in the gates of an LSTM */
} mu_unit_use;

typedef struct mu_unit_group {
    const char        *name;  /* of the first layer whose output channels these are: "conv1", "layer2.0.conv2" */
    uint32_t           first; /* its units are first ... first + count - 1 of all units of the model */
    uint32_t           count;
    const mu_unit_use *uses;  /* by tensor, input side first */
    uint32_t           use_count;
} mu_unit_group;

typedef struct mu_units mu_units;

/* `model` must outlive it. Immutable once made, shared by all threads. A model in which nothing can be left out has no group. */
MU_API mu_status mu_units_create(const mu_model *model, mu_units **out, mu_error *err);
MU_API void      mu_units_destroy(mu_units *units); /* NULL is fine */

MU_API const mu_model      *mu_units_model(const mu_units *units);
MU_API size_t               mu_units_count(const mu_units *units); /* units of all groups together */
MU_API size_t               mu_units_group_count(const mu_units *units);
MU_API const mu_unit_group *mu_units_group(const mu_units *units, size_t index); /* in the order of the layers */

/* The unit at each place along an axis of a tensor as it lies in the state vector ([in][out], see mu_layout), or MU_UNIT_NONE. NULL: no
 * group takes part in it. For methods that look at what belongs to a unit (its incoming and outgoing weights). */
MU_API const uint32_t *mu_units_along(const mu_units *units, size_t tensor, mu_side side);

/* ---- choices ----
 * One flag for each unit: bool kept[mu_units_count]. So the kept units of a group are in ascending order, whatever chose them. */

MU_API void mu_units_keep_all(const mu_units *units, bool *kept);
/* Of one group the first `count` (1 to all), the others not. */
MU_API void mu_units_keep_first(const mu_units *units, size_t group, uint32_t count, bool *kept);
/* How many units of a group a width in (0, 1] keeps: width * count, rounded up. What is above a whole number by a rounding error only is
 * that number: 0.6 of 5 are 3. */
MU_API uint32_t mu_units_of_width(const mu_units *units, size_t group, double width);

/* ---- submodels ---- */

typedef struct mu_submodel mu_submodel;

/* Room for every choice, all of it from the arena: with a measuring arena *out is NULL and arena->used_bytes is the size; with an arena
 * over memory *out lives in it and needs no destroying. It begins as the whole model. `units` must outlive it. One thread
 * at a time. MU_E_MEMORY when the arena is too small. */
MU_API mu_status mu_submodel_plan(const mu_units *units, mu_arena *arena, mu_submodel **out, mu_error *err);

/* The same in memory of its own. MU_E_MEMORY; *out is then NULL. */
MU_API mu_status mu_submodel_create(const mu_units *units, mu_submodel **out, mu_error *err);
MU_API void      mu_submodel_destroy(mu_submodel *submodel); /* one that was created, not planned; NULL is fine */

/* Become the network of this choice; NULL: the whole model. MU_E_RANGE when a group keeps nothing; the submodel is then as before.
 * Whatever was planned for the network that it was is void. */
MU_API mu_status mu_submodel_form(mu_submodel *submodel, const bool *kept, mu_error *err);

/* The small network, until it is formed again. Its tensors have the names of the whole model's. mu_model_init would draw from the
 * whole model's bounds: weights come by mu_submodel_gather. */
MU_API const mu_model *mu_submodel_model(const mu_submodel *submodel);

/* For mu_step_manner: factors[mu_model_layer_count] = all channels / kept ones behind every dense and convolution layer that makes channels of a group
 * (a depthwise one hands on those of its input), 1 behind all others. So what a layer adds up over its inputs has, on average over
 * random choices, the size that it has in the whole network. Where a method has another factor, such as 1 / width, it takes the place of those that
 * are not 1. */
MU_API void mu_submodel_factors(const mu_submodel *submodel, float *factors);

/* Which part of the state vectors an operation is about. Norms' statistics are those of all sets that the model has; a small model has as
 * many. */
typedef enum mu_extent {
    MU_EXTENT_STATE,      /* all: [mu_model_state_count] of the whole and of the small model, with the norms' statistics */
    MU_EXTENT_PARAMS,     /* [mu_model_param_count]: what is trained, or its gradients or momentum */
    MU_EXTENT_STATISTICS, /* [mu_model_state_count], but only the norms' statistics, which are behind what is trained */
    MU_EXTENT_STATISTICS_ALONE, /* [mu_model_state_count - mu_model_param_count]: the same without what is trained. For statistics that are
                                 * kept apart from the weights; in a small state they lie at mu_model_param_count of the small model. */
} mu_extent;

/* part = what is kept of `whole` */
MU_API void mu_submodel_gather(const mu_submodel *submodel, mu_extent extent, const float *whole, float *part);
/* what is kept of `whole` = part; nothing else is touched */
MU_API void mu_submodel_scatter(const mu_submodel *submodel, mu_extent extent, const float *part, float *whole);
/* what is kept of `whole` = fma(alpha, part, whole); nothing else is touched. A step of SGD with part = its gradient and alpha =
 * -learning rate; the sum of changes, and how often each element was trained, with alpha = a weight. */
MU_API void mu_submodel_add(const mu_submodel *submodel, mu_extent extent, float alpha, const float *part, float *whole);

/* ---- a part as a model of its own ---- */

typedef struct mu_extracted {
    mu_model *model; /* with one set of norm statistics, made of ... */
    char     *text;  /* ... this model file (mu_model_write) */
    float    *state; /* [state_count of it], for mu_model_save */
} mu_extracted;

/* Cut out what the submodel is formed as, with that set of norm statistics. It computes what the part computes, to the bit. */
MU_API mu_status mu_submodel_extract(const mu_submodel *submodel, uint32_t statistics, const float *whole, mu_extracted *out, mu_error *err);
MU_API void      mu_extracted_release(mu_extracted *extracted); /* zeroed is fine */

#endif
