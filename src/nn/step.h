/* For tests: the step plan with every buffer in bytes of its own. */
#ifndef MUSTER_NN_STEP_H
#define MUSTER_NN_STEP_H

#include "muster/model.h"

/* mu_step_plan, where `share` says whether buffers that never live together may share bytes, and an output may be written over an
 * input. */
mu_status mu_step_plan_sharing(const mu_model *model, const mu_step_config *config, bool share, mu_arena *arena, mu_step **out,
                               mu_error *err);

#endif
