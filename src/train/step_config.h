/* What a plan says about the training step: shared by the plan's counts and by the trainer. */
#ifndef MUSTER_TRAIN_STEP_CONFIG_H
#define MUSTER_TRAIN_STEP_CONFIG_H

#include "muster/train.h"

mu_step_config mu_plan_step_config(const mu_plan *plan);
/* The same with what the plan's memory limit leaves for the step, beside whatever else the trainer holds for so many examples. */
mu_step_config mu_plan_step_config_within(const mu_model *model, const mu_plan *plan, uint32_t num_examples);

#endif
