/* What a plan says about the training step: shared by the plan's counts and by the trainer. */
#ifndef MUSTER_TRAIN_STEP_CONFIG_H
#define MUSTER_TRAIN_STEP_CONFIG_H

#include "muster/train.h"

mu_step_config mu_plan_step_config(const mu_plan *plan);

#endif
