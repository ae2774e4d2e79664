/* LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000) and GRU (Cho et al. 2014): one layer over a sequence of
 * 1 x items x channels, with PyTorch's formulas, gates and two biases. Weights are [inputs][gates * units] here.
 *
 * The products of all items' inputs are one matrix product before the walk through time, and so are all gradients of weights after it. */
#include "nn/layers.h"
#include "nn/units.h"
#include "nn/work.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

enum { LSTM = 4, GRU = 3 }; /* gates */
enum { OUTPUT_ALL, OUTPUT_LAST };

static const char *const output_words[] = { "all", "last", NULL };

static const mu_option options[] = {
    { "units", MU_OPTION_COUNT, offsetof(mu_recurrent_config, units), 1, MU_LIMIT_EXAMPLE_VALUES, NULL, NULL, NULL,
      "numbers that are remembered and given out" },
    { "output", MU_OPTION_CHOICE, offsetof(mu_recurrent_config, last), 0, 0, "all", output_words, NULL,
      "of every item, or of the last one" },
};

static uint32_t gates_of(const mu_node *node)
{
    return (uint32_t)node->layer->variant;
}

static bool gives_last(const mu_node *node)
{
    const mu_recurrent_config *config = node->config;
    return config->last == OUTPUT_LAST;
}

/* The parameters of "lstm_l1" are called lstm.weight_ih_l1 and so on: layer 1 of PyTorch's module "lstm". Any other name is that of a
 * module with one layer, number 0. Returns the length of the module's name; *number is the layer's, as text. */
static size_t split_name(const char *name, const char **number)
{
    size_t end = strlen(name), digits = end;
    *number = "0";
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (digits == end || digits < 3 || name[digits - 1] != 'l' || name[digits - 2] != '_')
        return end;
    *number = name + digits;
    return digits - 2;
}

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    const mu_recurrent_config *config = node->config;
    const char *kind = node->layer->kind, *number;
    mu_shape input = node->inputs[0].shape;
    if (input.height != 1)
        return mu_error_set(err, MU_E_SHAPE, "%s '%s': its input is an image of %u x %u pixels; a sequence is 1 x items x channels", kind,
                            node->name, input.height, input.width);
    if (input.width > MU_LIMIT_POSITIONS)
        return mu_error_set(err, MU_E_LIMIT, "%s '%s': its input has %u items, at most %u", kind, node->name, input.width,
                            MU_LIMIT_POSITIONS);
    if (split_name(node->name, &number) < strlen(node->name) && number[0] == '0')
        return mu_error_set(err, MU_E_CONFIG, "%s '%s': layer 0 goes by the name of its module alone; the next is '_l1'", kind, node->name);
    if (config->units > MU_LIMIT_MODEL_PARAMETERS / gates_of(node) / config->units)
        return mu_error_set(err, MU_E_LIMIT, "%s '%s': with %u units it has more than %zu parameters", kind, node->name, config->units,
                            MU_LIMIT_MODEL_PARAMETERS);
    node->output = (mu_shape){ 1, gives_last(node) ? 1 : input.width, config->units };
    return MU_OK;
}

static void declare_one(const mu_node *node, mu_builder *builder, const char *name, uint32_t rank, uint32_t inputs)
{
    const mu_recurrent_config *config = node->config;
    const char *number;
    size_t length = split_name(node->name, &number), bytes = strlen(name), digits = strlen(number) + 1;
    char module_name[MU_LIMIT_NAME_BYTES + 1], tensor_name[MU_LIMIT_NAME_BYTES + 32];
    memcpy(module_name, node->name, length);
    module_name[length] = '\0';
    memcpy(tensor_name, name, bytes);
    memcpy(tensor_name + bytes, number, digits);
    mu_node module = *node;
    module.name = module_name;
    mu_tensor tensor = { .name = tensor_name, .rank = rank, .shape = { gates_of(node) * config->units, inputs },
                         .layout = rank == 2 ? MU_LAYOUT_DENSE : MU_LAYOUT_VECTOR, .trainable = true };
    mu_param param = { .tensor = tensor, .fill = MU_FILL_UNIFORM, .scale = 1 / sqrt((double)config->units) };
    mu_builder_declare(builder, &module, param);
}

static void declare(const mu_node *node, mu_builder *builder)
{
    const mu_recurrent_config *config = node->config;
    declare_one(node, builder, "weight_ih_l", 2, node->inputs[0].shape.channels);
    declare_one(node, builder, "weight_hh_l", 2, config->units);
    declare_one(node, builder, "bias_ih_l", 1, 0);
    declare_one(node, builder, "bias_hh_l", 1, 0);
}

/* Everything of one call: shapes, and where its parameters, or their gradients, and what is kept for the backward pass lie. */
typedef struct parts {
    uint32_t      inputs, wide; /* all gates' units */
    size_t        rows;         /* items of all examples */
    mu_recurrence r;
} parts;

typedef struct weights {
    float *input, *state, *input_bias, *state_bias;
} weights;

typedef struct kept {
    float *gates, *state, *h; /* [batch][items][...]; state: LSTM's c, GRU's candidate; h NULL: it is the output */
} kept;

static parts parts_of(const mu_node *node, uint32_t batch)
{
    const mu_recurrent_config *config = node->config;
    mu_shape input = node->inputs[0].shape;
    parts p = { .inputs = input.channels, .wide = gates_of(node) * config->units, .rows = (size_t)batch * input.width };
    /* Rows that lie a multiple of 512 bytes apart would meet in few sets of the cache. */
    size_t stride = p.wide % 128 ? p.wide : (size_t)p.wide + 16;
    p.r = (mu_recurrence){ .batch = batch, .items = input.width, .hidden = config->units, .gates = gates_of(node), .gates_stride = stride };
    return p;
}

static weights weights_in(const parts *p, float *at)
{
    weights w = { .input = at };
    w.state = w.input + (size_t)p->inputs * p->wide;
    w.input_bias = w.state + (size_t)p->r.hidden * p->wide;
    w.state_bias = w.input_bias + p->wide;
    return w;
}

static kept kept_in(const mu_layer_call *call, const parts *p)
{
    kept k = { .gates = call->saved };
    k.state = k.gates + p->rows * p->r.gates_stride;
    k.h = gives_last(call->node) ? k.state + p->rows * p->r.hidden : call->y;
    return k;
}

static mu_gemm forward_gemm(const parts *p)
{
    return (mu_gemm){ .rows = (uint32_t)p->rows, .columns = p->wide, .depth = p->inputs, .a_stride = p->inputs, .b_stride = p->wide,
                      .c_stride = p->r.gates_stride };
}

static mu_gemm weight_gemm(const parts *p)
{
    return (mu_gemm){ .rows = p->inputs, .columns = p->wide, .depth = (uint32_t)p->rows, .a_transposed = true,
                      .a_stride = p->inputs, .b_stride = p->r.gates_stride, .c_stride = p->wide };
}

static mu_gemm input_gemm(const parts *p)
{
    return (mu_gemm){ .rows = (uint32_t)p->rows, .columns = p->inputs, .depth = p->wide, .b_transposed = true,
                      .a_stride = p->r.gates_stride, .b_stride = p->wide, .c_stride = p->inputs };
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What is kept is written in inference too; without a backward it dies at once. */
static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    parts p = parts_of(node, batch);
    mu_gemm forward = forward_gemm(&p), weight = weight_gemm(&p), input = input_gemm(&p);
    size_t walk_floats = kernels->recurrent_work_floats(&p.r);
    out->saved_bytes = sizeof(float) * p.rows * (p.r.gates_stride + (gives_last(node) ? 2 : 1) * (size_t)p.r.hidden);
    out->forward_work_floats = larger(walk_floats, kernels->gemm_work_floats(&forward));
    if (!training)
        return;
    out->input_in_backward = true;
    out->output_in_backward = !gives_last(node);
    out->backward_work_floats =
        larger(walk_floats, larger(kernels->gemm_work_floats(&weight), kernels->gemm_work_floats(&input)));
}

static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_kernel_table *kernels = call->kernels;
    const parts p = parts_of(call->node, pass->count);
    const weights w = weights_in(&p, call->params);
    const kept k = kept_in(call, &p);
    mu_gemm gemm = forward_gemm(&p);
    kernels->gemm(&gemm, call->inputs[0].x, w.input, w.input_bias, false, k.gates, false, call->forward_work);
    if (p.r.gates == LSTM)
        kernels->lstm_forward(&p.r, w.state, w.state_bias, k.gates, k.state, k.h, call->forward_work);
    else
        kernels->gru_forward(&p.r, w.state, w.state_bias, k.gates, k.state, k.h, call->forward_work);
    if (gives_last(call->node)) {
        const size_t hidden = p.r.hidden, items = p.r.items;
        mu_rows last = { .rows = pass->count, .channels = p.r.hidden, .stride = items * hidden };
        kernels->copy(last, k.h + (items - 1) * hidden, hidden, call->y, false);
    }
}

/* The recurrent weights of a GRU see another gradient than those of its input: the candidate's in the place of the third gate's. */
static void state_gradients(const mu_kernel_table *kernels, const parts *p, const kept *k, const weights *d)
{
    const uint32_t hidden = p->r.hidden, same = p->r.gates == LSTM ? p->wide : 2 * hidden;
    mu_rows gates = { p->rows, p->wide, p->r.gates_stride }, own = { p->rows, hidden, hidden };
    kernels->recurrent_grad_weight(&p->r, k->h, same, p->r.gates_stride, k->gates, p->wide, d->state);
    kernels->sum_rows(gates, k->gates, d->input_bias, p->r.resume);
    memcpy(d->state_bias, d->input_bias, same * sizeof(float));
    if (p->r.gates == GRU) {
        kernels->recurrent_grad_weight(&p->r, k->h, hidden, hidden, k->state, p->wide, d->state + same);
        kernels->sum_rows(own, k->state, d->state_bias + same, p->r.resume);
    }
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_kernel_table *kernels = call->kernels;
    const mu_layer_input *input = &call->inputs[0];
    parts p = parts_of(call->node, pass->count);
    p.r.resume = mu_pass_resumes(pass);
    const weights w = weights_in(&p, call->params), d = weights_in(&p, call->gradients);
    const kept k = kept_in(call, &p);
    const bool last = gives_last(call->node);
    if (p.r.gates == LSTM)
        kernels->lstm_backward(&p.r, last, w.state, k.state, call->dy, k.gates, call->backward_work);
    else
        kernels->gru_backward(&p.r, last, w.state, k.h, call->dy, k.gates, k.state, call->backward_work);
    state_gradients(kernels, &p, &k, &d);
    mu_gemm gemm = weight_gemm(&p);
    gemm.resume = p.r.resume;
    kernels->gemm(&gemm, input->x, k.gates, NULL, false, d.input, false, call->backward_work);
    if (input->dx) {
        gemm = input_gemm(&p);
        kernels->gemm(&gemm, k.gates, w.input, NULL, false, input->dx, input->accumulate, call->backward_work);
    }
}

/* Before the first item there is no state to multiply. */
static uint64_t state_macs(const mu_node *node)
{
    const parts p = parts_of(node, 1);
    return (uint64_t)(p.r.items - 1) * p.r.hidden * p.wide;
}

static uint64_t macs(const mu_node *node)
{
    const parts p = parts_of(node, 1);
    return (uint64_t)p.r.items * p.inputs * p.wide + state_macs(node);
}

static void work(const mu_node *node, uint32_t batch, bool input_gradient, mu_step_work *out)
{
    const parts p = parts_of(node, batch);
    out->of[MU_WORK_DENSE] += (input_gradient ? 3 : 2) * p.rows * p.inputs * mu_work_padded(p.wide, out->lanes);
    out->of[MU_WORK_RECURRENT] += 3 * batch * state_macs(node);
    out->of[MU_WORK_GATES] += p.rows * (p.wide + (p.r.gates == LSTM ? p.r.hidden : 0));
}

/* A unit is one number of the state, with its place in each gate. */
static void units(const mu_node *node, mu_unit_walk *walk)
{
    const mu_recurrent_config *config = node->config;
    mu_axis out = mu_units_new(walk, config->units, offsetof(mu_recurrent_config, units));
    mu_axis gates = mu_units_repeat(walk, out, gates_of(node));
    mu_units_slice(walk, 0, MU_SIDE_INPUT, mu_units_input(walk, 0));
    mu_units_slice(walk, 1, MU_SIDE_INPUT, out);
    for (uint32_t tensor = 0; tensor < 4; tensor++)
        mu_units_slice(walk, tensor, MU_SIDE_OUTPUT, gates);
    mu_units_output(walk, out);
}

const mu_layer mu_layer_lstm = {
    .kind = "lstm", .help = "long short-term memory over a sequence", .variant = LSTM,
    .config_bytes = sizeof(mu_recurrent_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_REFUSES, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .macs = macs,
    .state_macs = state_macs, .work = work, .units = units,
};

const mu_layer mu_layer_gru = {
    .kind = "gru", .help = "gated recurrent unit over a sequence", .variant = GRU,
    .config_bytes = sizeof(mu_recurrent_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_REFUSES, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .macs = macs,
    .state_macs = state_macs, .work = work, .units = units,
};
