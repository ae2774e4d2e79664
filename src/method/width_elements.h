/* The weights that belong to a unit: its incoming ones (a column of a dense layer's [in][out], a filter of a convolution, four columns in an
 * LSTM's gates), its bias, scale and shift, and its outgoing ones (rows of what reads it; an LSTM's recurrent weights are both). Every weight
 * between two hidden layers belongs to two units. Statistics of norms are not trained, and are not among them.
 *
 * All trained weights, row by row; a row is what lies side by side along the output side of a tensor:
 *
 *     for (mu_unit_rows row = { .units = units }; mu_unit_rows_next(&row);)
 *         for (uint32_t i = 0; i < row.count; i++)
 *             ... weights[row.first + i] belongs to row.outputs[i] (if there are outputs) and to row.input ... */
#ifndef MUSTER_METHOD_WIDTH_ELEMENTS_H
#define MUSTER_METHOD_WIDTH_ELEMENTS_H

#include "muster/submodel.h"

typedef struct mu_unit_rows {
    const mu_units *units;
    size_t          first;   /* in the state vector */
    uint32_t        count;
    uint32_t        input;   /* MU_UNIT_NONE: it belongs to no unit by its input side */
    const uint32_t *outputs; /* [count], each may be MU_UNIT_NONE; NULL: all of them are */
    size_t          tensor;  /* where the next row is */
    size_t          row;
} mu_unit_rows;

bool mu_unit_rows_next(mu_unit_rows *rows); /* false: that was all */

static inline uint32_t mu_unit_rows_output(const mu_unit_rows *rows, uint32_t i)
{
    return rows->outputs ? rows->outputs[i] : MU_UNIT_NONE;
}

/* norms[mu_units_count]: the square root of the sum of squares of all that belongs to a unit, each weight once, added up in the order in which
 * they lie. `weights`: [mu_model_param_count]. For a choice by magnitude, with mu_width_highest: filters of small norm matter least (Li et al.
 * 2017, arXiv:1608.08710, who take the incoming weights' absolute sum; taking all that belongs to a unit, and squares, is our choice). */
void mu_unit_norms(const mu_units *units, const float *weights, double *norms);

#endif
