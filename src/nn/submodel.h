/* What a submodel is inside. */
#ifndef MUSTER_NN_SUBMODEL_H
#define MUSTER_NN_SUBMODEL_H

#include "nn/units.h"

/* The kept places along an axis. */
typedef struct mu_kept_axis {
    uint32_t      *places; /* ascending */
    uint32_t       count;
    mu_pick_block *blocks; /* the same, MU_LANES places of the axis in each */
} mu_kept_axis;

/* What is kept of one tensor, and where it lies in the whole and in the small vector. */
typedef struct mu_slice {
    mu_pick pick;
    size_t  whole_offset, part_offset; /* floats */
    bool    trainable;
} mu_slice;

struct mu_submodel {
    const mu_units *units;
    mu_model        small;  /* nodes and tensors in memory of the submodel's own; everything that does not change with the width is the
                             * whole model's */
    mu_kept_axis   *axes;   /* of each of units->axes */
    mu_slice       *slices; /* of each tensor */
};

#endif
