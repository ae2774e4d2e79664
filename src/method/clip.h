/* Gradients that are kept short: for a method's `gradient`. */
#ifndef MUSTER_METHOD_CLIP_H
#define MUSTER_METHOD_CLIP_H

#include "muster/train.h"

/* A mini-batch's gradient that is longer than `norm` (in the sense of Euclid) becomes as long as that; 0: any length will do. One that is not finite stays so. */
void mu_clip_gradient(const mu_step_view *view, double norm);

#endif
