/* What a mu_model is inside. Nodes stand in an order in which every input comes before its reader; the last one gives the logits. */
#ifndef MUSTER_NN_GRAPH_H
#define MUSTER_NN_GRAPH_H

#include "nn/layer.h"
#include "nn/store.h"

struct mu_model {
    mu_store  store; /* owns everything below */
    char     *name;
    mu_shape  input;
    uint32_t  classes;
    mu_init   init;      /* first weights of layers that do not say */
    mu_node  *nodes;
    uint32_t  node_count, node_capacity;
    mu_param *params; /* in the order of the nodes, and in each as declared: PyTorch's order; then further sets of statistics */
    uint32_t  param_count, param_capacity;
    size_t    trainable_count, state_count; /* floats */
    uint32_t  statistic_sets; /* behind what is trained; the nodes' own offsets are those in set 0 */
};

/* Floats of one set of norm statistics. */
static inline size_t mu_model_set_floats(const mu_model *model)
{
    return (model->state_count - model->trainable_count) / model->statistic_sets;
}

/* Value 0 is the input, value i + 1 the output of node i. */
static inline uint32_t mu_value_count(const mu_model *model)
{
    return model->node_count + 1;
}

static inline mu_shape mu_value_shape(const mu_model *model, uint32_t value)
{
    return value ? model->nodes[value - 1].output : model->input;
}

static inline mu_input mu_value_as_input(const mu_model *model, uint32_t value)
{
    mu_shape whole = { 0 };
    return (mu_input){ .value = value, .shape = mu_value_shape(model, value),
                       .flattened = value ? model->nodes[value - 1].flattened : whole };
}

/* The shape of a node whose inputs and config are settled. */
static inline mu_status mu_node_infer(mu_node *node, uint32_t classes, mu_error *err)
{
    if (node->layer->flat == MU_FLAT_PASSES)
        node->flattened = node->inputs[0].flattened;
    return node->layer->shape(node, classes, err);
}

static inline bool mu_value_needs_gradient(const mu_model *model, uint32_t value)
{
    return value && model->nodes[value - 1].needs_gradient;
}

#endif
