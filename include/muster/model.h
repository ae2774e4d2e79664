/* Networks: a graph of layers, its weights as one flat vector, and the plan of a training step.
 *
 * A mu_model is the architecture alone: immutable, shared by all threads. Its state is a flat array of floats, first all trainable
 * parameters, then the statistics of batch norms; a table says which tensor lies where and what PyTorch calls it. A
 * mu_step is what trains it: every byte that it touches comes from one arena, whose size is known before it exists. */
#ifndef MUSTER_MODEL_H
#define MUSTER_MODEL_H

#include "muster/arena.h"
#include "muster/conf.h"
#include "muster/random.h"
#include "muster/status.h"

typedef struct mu_model mu_model;

/* One example, as the data set hands it over: NHWC without the N. A plain vector is 1 x 1 x channels. */
typedef struct mu_shape {
    uint32_t height, width, channels;
} mu_shape;

/* How a tensor lies in the state vector, against the shape that PyTorch gives it. */
typedef enum mu_layout {
    MU_LAYOUT_VECTOR, /* [n] as it is */
    MU_LAYOUT_ROWS,   /* [rows][columns] as it is */
    MU_LAYOUT_DENSE,  /* PyTorch [out][in], here [in][out] */
    MU_LAYOUT_CONV,   /* PyTorch [out][in/groups][kh][kw], here [kh][kw][in/groups][out]; of rank 3 without kh */
} mu_layout;

typedef struct mu_tensor {
    const char *name;     /* PyTorch's: "conv1.weight", "layer1.0.bn1.running_mean" */
    uint32_t    rank;
    uint32_t    shape[4]; /* PyTorch's order */
    mu_layout   layout;
    size_t      offset, count; /* in floats, in the state vector */
    bool        trainable;
    mu_shape    flattened; /* the image that a flatten before this layer made into its inputs: PyTorch numbers those channel by
                            * channel, here they go pixel by pixel. All zero: there was none, or both orders are the same. */
} mu_tensor;

/* ---- making a model ---- */

/* A built-in one by name. `norm`: "batch", "group" or NULL for the model's own. */
typedef struct mu_model_builtin {
    const char *name, *help, *source;
} mu_model_builtin;
MU_API const mu_model_builtin *mu_model_builtins(size_t *count);
MU_API mu_status mu_model_create_builtin(const char *name, const char *norm, mu_shape input, uint32_t classes, mu_model **out,
                                         mu_error *err);

/* From the `model:` section of an experiment: a name, {name: resnet20, norm: group}, {file: my-model.yaml} (sought beside the
 * file that says so), or {layers: [...]} in place. */
MU_API mu_status mu_model_create_conf(const mu_conf_node *node, mu_shape input, uint32_t classes, mu_model **out, mu_error *err);
/* A model file's root. */
MU_API mu_status mu_model_create_layers(const mu_conf_node *root, mu_shape input, uint32_t classes, mu_model **out, mu_error *err);
/* The text of a model file (malloc'ed, the caller's) that says this graph: made of it, for the same input and classes, a model has the same layers and
 * tensors, and draws the same first weights; but for further sets of statistics, which are not in it. */
MU_API mu_status mu_model_write(const mu_model *model, char **out, mu_error *err);
MU_API void      mu_model_destroy(mu_model *model); /* NULL is fine */

/* Further sets of all norms' statistics, behind the first one in the state vector, in the same order: a network of which narrower ones are
 * cut keeps one for each width, because what a norm sees depends on it. A step works with set 0, unless it is told otherwise. Tensors of set k
 * are called "NAME@k", stand behind those of the layers, begin as set 0 does, and belong to the same units. `sets` (1 to
 * MU_STATISTIC_SETS_MAX) counts the first one; a model without running statistics stays as it is. Once, and before anything else is made of
 * the model. MU_E_RANGE, MU_E_LIMIT, MU_E_MEMORY: the model is as before. */
#define MU_STATISTIC_SETS_MAX 64
MU_API mu_status mu_model_add_statistics(mu_model *model, uint32_t sets, mu_error *err);

/* ---- looking at it ---- */
MU_API const char      *mu_model_name(const mu_model *model);
MU_API mu_shape         mu_model_input(const mu_model *model);
MU_API uint32_t         mu_model_classes(const mu_model *model);
/* The input's values are numbers of symbols, whole and below this (those with a row in every embedding); 0: they are quantities. */
MU_API uint32_t         mu_model_symbols(const mu_model *model);
/* Labels of one example: how many positions (height * width of the last layer) the model predicts a class at. 1, where it ends in a vector. */
MU_API uint32_t         mu_model_targets(const mu_model *model);
MU_API size_t           mu_model_param_count(const mu_model *model); /* trainable floats */
MU_API size_t           mu_model_state_count(const mu_model *model); /* with statistics */
MU_API uint32_t         mu_model_statistic_sets(const mu_model *model); /* 1 where nothing was added */
MU_API size_t           mu_model_tensor_count(const mu_model *model);
MU_API const mu_tensor *mu_model_tensor(const mu_model *model, size_t index); /* in PyTorch's state_dict order; then further sets' */

/* First weights: PyTorch's defaults (uniform within 1/sqrt(fan_in)) or what the layer says (Glorot, He). */
MU_API void mu_model_init(const mu_model *model, uint64_t seed, float *state);

/* ---- what a step costs ---- */
typedef struct mu_cost {
    uint64_t macs_forward, macs_backward; /* multiply-accumulates; taps in the padding are not counted */
    uint64_t param_bytes;                 /* weights of the layer, and the one set of statistics that a step uses */
    uint64_t activation_bytes;            /* output, kept from forward to backward */
    uint64_t moved_bytes;                 /* read and written to memory in a step, each tensor counted once a use */
} mu_cost;

typedef struct mu_layer_info {
    const char *name, *kind;
    mu_shape    output;
    mu_cost     cost; /* of one training step at the batch size asked for */
} mu_layer_info;

MU_API size_t  mu_model_layer_count(const mu_model *model);
MU_API void    mu_model_layer(const mu_model *model, size_t index, uint32_t batch_size, mu_layer_info *out);
MU_API mu_cost mu_model_cost(const mu_model *model, uint32_t batch_size); /* the sum */
/* MACs of evaluating one batch */
MU_API uint64_t mu_model_macs_forward(const mu_model *model, uint32_t batch_size);

/* A training step by kinds of work, each of which a processor does at a rate of its own: what a device's rates price (muster/device.h). Macs and floats as
 * the kernels do them: where channels do not fill a vector of `lanes`, the vector counts; where a convolution goes by Winograd's algorithm, its products. */
typedef enum mu_work_kind {
    MU_WORK_STEPS,           /* 1 */
    MU_WORK_LAYERS,          /* that compute something */
    MU_WORK_DENSE,           /* macs of matrix products; a recurrent layer's with its inputs */
    MU_WORK_CONV,            /* macs of convolutions by direct sums */
    MU_WORK_CONV_READS,      /* values that these read, one for every four vectors of channels that it is multiplied with */
    MU_WORK_WINOGRAD,        /* macs of Winograd's products */
    MU_WORK_WINOGRAD_FLOATS, /* values that are transformed there and back */
    MU_WORK_WINOGRAD_WEIGHTS, /* transformed weights, as often as they are made */
    MU_WORK_DEPTHWISE,       /* macs of depthwise convolutions */
    MU_WORK_DEPTHWISE_ROWS,  /* rows of pixels that these go along, for each vector of channels */
    MU_WORK_RECURRENT,       /* macs of recurrent layers with their own state */
    MU_WORK_GATES,           /* of recurrent units, item by item; an LSTM's state is one more */
    MU_WORK_NORM, MU_WORK_POOL, MU_WORK_DROPOUT, /* values */
    MU_WORK_LOSS,            /* logits */
    MU_WORK_PREDICTIONS,     /* rows of them */
    MU_WORK_MOVED,           /* values that other layers read and write */
    MU_WORK_WEIGHTS,         /* trained parameters */
    MU_WORK_NEAR,            /* values that are read or written anew after so much else that they have left the near cache */
    MU_WORK_NEAR_WEIGHTS,    /* weights and their gradients, likewise */
    MU_WORK_FAR, MU_WORK_FAR_WEIGHTS, /* those that have left the last cache, too */
    MU_WORK_KIND_COUNT
} mu_work_kind;
typedef struct mu_step_work {
    uint32_t lanes;
    uint64_t of[MU_WORK_KIND_COUNT];
} mu_step_work;
MU_API const char  *mu_work_kind_name(mu_work_kind kind); /* "dense_macs" */
MU_API mu_step_work mu_model_work(const mu_model *model, uint32_t batch_size, uint32_t lanes, uint64_t near_bytes, uint64_t cache_bytes);

/* ---- the step ---- */
typedef enum mu_optimizer { MU_OPTIMIZER_SGD, MU_OPTIMIZER_ADAM, MU_OPTIMIZER_ADAMW } mu_optimizer;

typedef struct mu_step_config {
    uint32_t     batch_size; /* the largest batch; a smaller one may be run */
    bool         training;   /* false: forward only, and no memory for gradients */
    mu_optimizer optimizer;
    double       momentum, dampening, weight_decay, beta1, beta2, epsilon;
    bool         nesterov;
    bool         plain_kernels; /* the reference kernels, which need the least scratch, in place of this processor's fastest */
    size_t       memory_limit_bytes; /* what the step may take from its arena; 0: no limit. Costs time, and changes no bit of a gradient */
} mu_step_config;
MU_API mu_step_config mu_step_config_default(void); /* SGD, batch 32, training */

typedef struct mu_step mu_step;

/* One walk over the graph. With a measuring arena: *out is NULL and arena->used_bytes is the exact peak. With an arena over memory:
 * *out is the step, which lives in it and needs no destroying. MU_E_MEMORY when the arena is too small. */
MU_API mu_status mu_step_plan(const mu_model *model, const mu_step_config *config, mu_arena *arena, mu_step **out, mu_error *err);

/* How a step keeps within config->memory_limit_bytes: the fastest way that fits of those that the planner knows (docs/memory.md). Whatever
 * it is, the step computes the same bits. */
typedef struct mu_step_schedule {
    uint32_t micro_batch;       /* examples that pass through the network at a time; batch_size where the batch is not split */
    uint32_t recomputed;        /* layers whose output is not kept from forward to backward but computed once more */
    uint64_t extra_macs, extra_moved_bytes; /* of a whole batch, over the step without a limit */
    double   time_factor;       /* estimated time over that of the step without a limit: 1 and more */
    size_t   peak_bytes;        /* what mu_step_plan takes from the arena ... */
    size_t   activation_bytes;  /* ... of it for outputs, their gradients and scratch: what a limit can make smaller */
} mu_step_schedule;

/* The schedule that mu_step_plan settles on. `recomputed` (may be NULL): [mu_model_layer_count] flags. MU_E_MEMORY when no schedule
 * fits; the sentence names the smallest limit that would do, and out->peak_bytes is that. */
MU_API mu_status mu_step_schedule_find(const mu_model *model, const mu_step_config *config, mu_step_schedule *out, bool *recomputed,
                                       mu_error *err);

MU_API float   *mu_step_state(mu_step *step);     /* [state_count]: the caller fills in the weights */
MU_API float   *mu_step_gradients(mu_step *step); /* [param_count]; NULL when not training */
MU_API float   *mu_step_input(mu_step *step);     /* [batch][h][w][c]: the caller fills in the batch; a step that cannot train uses it up */
MU_API int32_t *mu_step_labels(mu_step *step);    /* [batch][targets] */
MU_API const float *mu_step_logits(const mu_step *step); /* [batch][targets][classes], after a forward */

/* The set of norm statistics that the step reads and updates from here on, 0 at first. Below mu_model_statistic_sets. */
MU_API void mu_step_use_statistics(mu_step *step, uint32_t set);

/* Forget momentum and the step count: a new local training begins. */
MU_API void mu_step_reset(mu_step *step);

/* What the optimiser remembers beside that: 0 is SGD's velocity or Adam's first moment, 1 Adam's second, [param_count] each; NULL where
 * it keeps none. Together with the progress they are all that a step planned anew, for another submodel, needs to go on. */
MU_API float *mu_step_moment(mu_step *step, uint32_t index);
typedef struct mu_step_progress {
    uint64_t updates;        /* since the last reset */
    double   power1, power2; /* Adam's beta1 and beta2 to the number of updates */
} mu_step_progress;
MU_API mu_step_progress mu_step_get_progress(const mu_step *step);
MU_API void             mu_step_set_progress(mu_step *step, mu_step_progress progress);

/* Sums over all predictions, mu_model_targets of each example: divided by count * targets they are the mean loss and the accuracy. */
typedef struct mu_step_result {
    double   loss_sum, squared_loss_sum; /* in the order of the examples, and in each of its positions */
    uint64_t correct;
} mu_step_result;

/* Forward and backward over the first `count` examples; gradients are of the mean loss of all predictions. `dropout` is the stream of masks;
 * NULL is fine for a model without dropout. */
MU_API mu_step_result mu_step_gradient(mu_step *step, uint32_t count, mu_random *dropout);

/* How the gradient of a step differs from that of the mean cross-entropy against the labels. All zero: in nothing. Whatever it points
 * to is borrowed for the call.
 *
 * `held` leaves classes out of the loss, as HeteroFL does (Diao et al. 2021, arXiv:2010.01264) on a device that has no example of them: the
 * logit of a class that is not held counts as 0, whatever the network says, so that it still has its exp(0) = 1 in the softmax's sum and
 * may be the answer, and no gradient comes back through it. mu_step_logits are what the network says.
 *
 * `teacher` is what another network, most often a wider one, says of the same examples: the mu_step_logits of its step after
 * mu_step_gradient or mu_step_evaluate. No gradient goes to it. With z the logits of this step, t the teacher's, T the temperature,
 *     loss = label_weight * cross_entropy(softmax(z), label) + teacher_weight * cross_entropy(softmax(z / T), softmax(t / T)).
 * That is 1 - a and a, and T = 1, in FjORD (Horvath et al. 2021, arXiv:2102.13451), whose divergence of the two softmaxes differs from the
 * cross-entropy by the teacher's entropy, which has no gradient; and 1 - a and a * T^2 in Hinton et al. 2015, arXiv:1503.02531. With `held`
 * the teacher's logits of classes that are not held are 0 too. `correct` is by the labels.
 *
 * `factors` multiply the outputs of layers, with the ReLU that follows and in training alone: 1 / width behind every hidden layer in HeteroFL, all channels
 * over those kept in DISTREAL; see mu_submodel_factors. */
typedef struct mu_step_manner {
    const bool  *held;    /* [classes]; NULL: all */
    const float *teacher; /* [count][targets][classes]; NULL: none */
    double       label_weight, teacher_weight, temperature; /* with a teacher: 0 and more, the temperature above 0 */
    const float *factors; /* [mu_model_layer_count], above 0, and 1 but behind dense and convolution layers; NULL: all 1 */
} mu_step_manner;
MU_API mu_step_result mu_step_gradient_as(mu_step *step, const mu_step_manner *manner, uint32_t count, mu_random *dropout);

/* Batch norms' running statistics for the weights that are there, over examples batch by batch: HeteroFL's static batch norm, which trains with those of each
 * batch and looks for the others once, in the end. Of the first `count` examples: running = (1 - share) * running + share * the batch's.
 * With share = 1/k for the k-th batch they become the mean over all batches (PyTorch's momentum=None), whatever they were before, if that
 * was finite. Otherwise as mu_step_evaluate, without a loss; no weight changes. The step must be one that trains. */
MU_API void mu_step_statistics(mu_step *step, uint32_t count, double share);

/* One optimiser step with the gradients there are. */
MU_API void mu_step_update(mu_step *step, double learning_rate);
/* Forward only, as for inference: running statistics, no dropout. */
MU_API mu_step_result mu_step_evaluate(mu_step *step, uint32_t count);
/* With classes left out of the loss and of the answers: what HeteroFL calls local accuracy. NULL: none. */
MU_API mu_step_result mu_step_evaluate_held(mu_step *step, const bool *held, uint32_t count);

/* ---- weights on disk: safetensors, float32, PyTorch's names and shapes ---- */
/* `metadata`: pairs key, value, ended by NULL; may be NULL. Written whole or not at all; the same state gives the same bytes. */
MU_API mu_status mu_model_save(const mu_model *model, const float *state, const char *const *metadata, const char *path, mu_error *err);
/* Every tensor of the model must be there, with its shape; a tensor that the model does not know is an error. */
MU_API mu_status mu_model_load(const mu_model *model, const char *path, float *state, mu_error *err);
/* The same bytes in memory (malloc'ed, the caller's). */
MU_API mu_status mu_model_encode(const mu_model *model, const float *state, const char *const *metadata, unsigned char **out,
                                 size_t *size_bytes, mu_error *err);
MU_API mu_status mu_model_decode(const mu_model *model, const char *name, const unsigned char *data, size_t size_bytes, float *state,
                                 mu_error *err);

#endif
