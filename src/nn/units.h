/* How a layer says which channels go together (its `units`, in layer.h), and what mu_units has found out in the end.
 *
 * An axis is a row of channels, each of them a place of some unit. The walk over the graph hands every layer the axes of its inputs; the
 * layer makes that of its output, ties what must be kept or left out together, and says along which axes its tensors lie:
 *
 *     static void units(const mu_node *node, mu_unit_walk *walk)                  dense
 *     {
 *         mu_axis in = mu_units_input(walk, 0), out = mu_units_new(walk, node->output.channels, offsetof(mu_dense_config, units));
 *         mu_units_slice(walk, 0, MU_SIDE_INPUT, in);                             tensor 0 is the weight
 *         mu_units_slice(walk, 0, MU_SIDE_OUTPUT, out);
 *         ...
 *         mu_units_output(walk, out);
 *     }
 *
 * Nothing fails on the way: where memory runs out, axes are empty and the walk knows. */
#ifndef MUSTER_NN_UNITS_H
#define MUSTER_NN_UNITS_H

#include "muster/submodel.h"
#include "nn/graph.h"

typedef struct mu_axis {
    uint32_t        count;
    const uint32_t *channels; /* while walking: which channel of the layer that made it; in mu_units: the unit or MU_UNIT_NONE */
} mu_axis;

/* ---- for a layer's `units` ---- */

/* The channels of the node's k-th input. */
mu_axis mu_units_input(const mu_unit_walk *walk, uint32_t k);
/* New channels, each a unit of its own until it is tied. The uint32_t at `config_offset` in the layer's config says how many there are:
 * a submodel writes the kept number there before it asks for the layer's shape. */
mu_axis mu_units_new(mu_unit_walk *walk, uint32_t count, size_t config_offset);
/* The axis `times` times, one behind the other: pixels of a flatten, gates of a recurrent cell. */
mu_axis mu_units_repeat(mu_unit_walk *walk, mu_axis axis, uint32_t times);
/* Each channel `times` times before the next one: outputs of a depthwise convolution. */
mu_axis mu_units_stretch(mu_unit_walk *walk, mu_axis axis, uint32_t times);
/* The node's inputs side by side. */
mu_axis mu_units_join(mu_unit_walk *walk, const mu_node *node);

/* Channel i of the one goes with channel i of the other. They have the same length. */
void mu_units_tie(mu_unit_walk *walk, mu_axis a, mu_axis b);
/* The axis falls into so many blocks of one length, and the i-th channels of all blocks go together: for layers that treat the blocks
 * apart, and need them to stay of one length. */
void mu_units_tie_blocks(mu_unit_walk *walk, mu_axis axis, uint32_t blocks);
/* Nothing of it may be left out. */
void mu_units_keep_whole(mu_unit_walk *walk, mu_axis axis);

/* The node's tensor number `param`, in the order declared, lies along this axis. */
void mu_units_slice(mu_unit_walk *walk, uint32_t param, mu_side side, mu_axis axis);
/* The node's output has these channels. A layer that does not say so has an output that is kept whole. */
void mu_units_output(mu_unit_walk *walk, mu_axis axis);

/* The whole answer of a layer that works on each channel alone: its output's channels are its first input's, and its tensors, if it
 * has any, have one element a channel. */
void mu_units_pass(const mu_node *node, mu_unit_walk *walk);

/* ---- what comes out ---- */

/* Which of a tensor's shape[] a side is. */
static inline uint32_t mu_tensor_axis(const mu_tensor *tensor, mu_side side)
{
    bool rows_first = tensor->layout == MU_LAYOUT_ROWS;
    MU_ASSERT(tensor->rank > 1 || side == MU_SIDE_OUTPUT);
    return tensor->rank == 1 ? 0 : (side == MU_SIDE_OUTPUT) == rows_first ? 1 : 0;
}

/* Places along a side; a tensor with one axis is one row. */
static inline uint32_t mu_tensor_side(const mu_tensor *tensor, mu_side side)
{
    return tensor->rank == 1 && side == MU_SIDE_INPUT ? 1 : tensor->shape[mu_tensor_axis(tensor, side)];
}

#define MU_AXIS_NONE UINT32_MAX

/* A layer that makes channels. */
typedef struct mu_unit_width {
    uint32_t axis;          /* MU_AXIS_NONE: it makes none */
    size_t   config_offset;
} mu_unit_width;

struct mu_units {
    mu_store        store; /* owns the rest */
    const mu_model *model;
    mu_unit_group  *groups;
    uint32_t        group_count, unit_count;
    mu_axis        *axes; /* each of those that differ once */
    uint32_t        axis_count;
    uint32_t      (*tensor_axes)[2]; /* of each tensor, by mu_side; MU_AXIS_NONE: no group takes part */
    mu_unit_width  *widths;          /* of each node */
};

#endif
