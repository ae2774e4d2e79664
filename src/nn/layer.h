/* What a kind of layer is: its options, its shapes, its parameters, what it asks of the step plan, and its arithmetic. A new kind is
 * one file with one of these at its end, and one line in layer_registry.c. */
#ifndef MUSTER_NN_LAYER_H
#define MUSTER_NN_LAYER_H

#include "muster/build.h"
#include "muster/model.h"
#include "muster/option.h"
#include "muster/random.h"
#include "tensor/kernels.h"

typedef struct mu_unit_walk mu_unit_walk;

#define MU_LAYER_INPUTS_MAX 16

/* One input of a node: which value it is, and that value's shape. Value 0 is the model's input, value i + 1 is node i's output. */
typedef struct mu_input {
    uint32_t value;
    mu_shape shape;
    mu_shape flattened; /* as in mu_tensor */
} mu_input;

/* A layer in its place in a graph. Nothing in it changes once the model is made. */
typedef struct mu_node {
    const mu_layer *layer;
    const char     *name;
    void           *config; /* the layer's own options, resolved by its `shape` */
    mu_input       *inputs;
    uint32_t        input_count;
    mu_shape        output;
    mu_shape        flattened;       /* of the output */
    bool            relu, relu6;     /* the ReLU or ReLU6 that follows (max_pool: comes before) is done here, in the same pass */
    bool            view;            /* the output is the input, at the same address */
    bool            needs_gradient;  /* something trainable is here or before here */
    size_t          param_offset, param_count; /* floats in the state vector: trainable ... */
    size_t          statistic_offset, statistic_count; /* ... and the rest */
    uint32_t        first_tensor, tensor_count; /* in the model's list of tensors */
} mu_node;

/* What a node asks of the plan, beside its output. */
typedef struct mu_layer_needs {
    bool   input_in_backward, output_in_backward; /* they must be kept until then */
    bool   in_place;    /* may write its output over an input of the same shape, and that input's gradient over its output's */
    size_t saved_bytes; /* from its forward to its backward */
    bool   saved_stays; /* a forward that runs again reads it in place of writing it: it is small, or must not be made twice */
    size_t draws;       /* numbers of the dropout stream that it takes for each example */
    size_t forward_work_floats, backward_work_floats; /* during the call only */
} mu_layer_needs;

/* Where a node's things lie, settled by the plan. */
typedef struct mu_layer_input {
    const float *x;
    float       *dx;         /* NULL: nobody wants this gradient */
    bool         accumulate; /* somebody who also reads that value has written to dx already */
} mu_layer_input;

typedef struct mu_layer_call {
    const mu_node    *node;
    const mu_kernel_table *kernels;
    mu_layer_input   *inputs;
    float            *y, *dy;
    float            *params, *gradients, *statistics; /* the node's own, in the order declared */
    void             *saved;
    float            *forward_work, *backward_work;
    size_t            earlier_draws; /* of each example, by the layers before this one */
} mu_layer_call;

/* What is the same for all nodes of one pass. */
typedef struct mu_pass {
    uint32_t   count;    /* examples */
    uint32_t   first, whole; /* the first of them among the examples of the whole batch, and how many these are */
    bool       training; /* batch statistics and dropout */
    float      share;    /* above 0, without training: batch statistics alone, and what share the running ones take of them */
    bool       again;    /* this forward has run before, for the same examples and with the same result */
    const mu_random *dropout; /* the stream as it stood before the batch */
} mu_pass;

/* Weight gradients go on from the sums over the examples before. */
static inline bool mu_pass_resumes(const mu_pass *pass)
{
    return pass->first > 0;
}

/* An input that a flatten has made from an image of several pixels is numbered differently in PyTorch. */
typedef enum mu_flat {
    MU_FLAT_REFUSES, /* it would not compute what PyTorch computes */
    MU_FLAT_PASSES,  /* works on each element (or channel) alone: the output is numbered as the input */
    MU_FLAT_ENDS,    /* its weights are saved in the other order: the output is numbered as everywhere */
} mu_flat;

struct mu_layer {
    const char      *kind, *help; /* the key in YAML; one line */
    int              variant;     /* for a file with several kinds to tell them apart */
    size_t           config_bytes;
    const mu_option *options;     /* rows of its config; every TEXT is copied into the model */
    size_t           option_count;
    uint32_t         inputs_min, inputs_max;
    mu_flat          flat;
    bool             is_view;     /* the output is the input under another shape: no forward and backward */
    bool             takes_relu, takes_relu6; /* can do them on its output in the same pass */
    bool             takes_factor; /* its output may be multiplied where it lies: of that, the backward pass reads the signs alone */
    bool             splits;      /* with parameters: a batch may come in parts, and mu_pass_resumes is obeyed to the bit */
    /* Look at the inputs, resolve the config, set node->output (and ->flattened where it is not the inputs'). */
    mu_status (*shape)(mu_node *node, uint32_t classes, mu_error *err);
    void (*declare)(const mu_node *node, mu_builder *builder); /* NULL: no parameters */
    /* NULL: nothing. Must not ask for less when the batch is larger. */
    void (*needs)(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *needs);
    void (*forward)(const mu_layer_call *call, const mu_pass *pass);
    void (*backward)(const mu_layer_call *call, const mu_pass *pass);
    uint64_t (*macs)(const mu_node *node); /* multiply-accumulates of one example's forward; NULL: none */
    uint64_t (*state_macs)(const mu_node *node); /* those of them with a state of the layer's own, whose gradient is needed in any case */
    /* Adds a training step's macs by kind (nn/work.h); NULL: it multiplies nothing. What it reads and writes counts as `elementwise`, 0: as moved. */
    void (*work)(const mu_node *node, uint32_t batch, bool input_gradient, mu_step_work *work);
    mu_work_kind elementwise;
    /* Which channels go together, and where they lie in the tensors: nn/units.h. NULL: its inputs and its output are kept whole. */
    void (*units)(const mu_node *node, mu_unit_walk *walk);
};

/* All kinds there are. */
const mu_layer *const *mu_layers(size_t *count);
const mu_layer        *mu_layer_find(const char *kind); /* or NULL */

/* ---- parameters, for `declare` ---- */
extern const char *const mu_init_words[]; /* for an option row */

typedef enum mu_fill { MU_FILL_CONSTANT, MU_FILL_UNIFORM, MU_FILL_NORMAL } mu_fill;

typedef struct mu_param {
    mu_tensor tensor;
    mu_fill   fill;
    double    scale; /* the constant; the bound on both sides of 0; the standard deviation */
    uint32_t  set, original; /* of a statistic in a further set: which, and its tensor in set 0; set 0: declared by a layer */
} mu_param;

/* Add one tensor: `param.tensor` has as name what follows the node's ("weight"), rank, shape, layout, trainable, flattened. */
void mu_builder_declare(mu_builder *builder, const mu_node *node, mu_param param);

/* Add a weight and (if `bias`) a bias of weight.shape[0] with the first values that `init` says. fan_in and fan_out: connections to one
 * output and from one input. */
void mu_builder_declare_weight(mu_builder *builder, const mu_node *node, mu_tensor weight, bool bias, mu_init init, double fan_in,
                               double fan_out);

/* ---- small things that layers share ---- */
static inline size_t mu_shape_size(mu_shape shape)
{
    return (size_t)shape.height * shape.width * shape.channels;
}

static inline bool mu_shape_equal(mu_shape a, mu_shape b)
{
    return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

/* For layers that take a ReLU: turn the gradient of their output, in place, into that before the ReLU. */
void mu_layer_undo_relu(const mu_layer_call *call, uint32_t count);

/* A batch of images as rows of pixels. */
static inline mu_rows mu_pixels(uint32_t count, mu_shape shape)
{
    return (mu_rows){ .rows = (size_t)count * shape.height * shape.width, .channels = shape.channels, .stride = shape.channels };
}

/* Length of one output axis of a window that slides over `size` with `pad` on both sides; 0 when it does not fit. */
static inline uint32_t mu_window_count(uint32_t size, uint32_t window, uint32_t stride, uint32_t pad)
{
    uint32_t padded = size + 2 * pad;
    return padded < window ? 0 : (padded - window) / stride + 1;
}

#endif
