/* How much an update counts that started from an older version of the model. */
#include "method/staleness.h"

#include "muster/math.h"

const char *const mu_staleness_rule_names[] = {
    [MU_STALENESS_POLYNOMIAL] = "polynomial", [MU_STALENESS_CONSTANT] = "constant", [MU_STALENESS_THRESHOLD] = "threshold",
    [MU_STALENESS_HINGE] = "hinge", NULL,
};

double mu_staleness_weight(const mu_staleness *staleness, uint32_t tau)
{
    switch ((mu_staleness_rule)staleness->rule) {
    case MU_STALENESS_POLYNOMIAL: return tau ? mu_pow(1.0 + tau, -staleness->exponent) : 1.0;
    case MU_STALENESS_CONSTANT: return 1.0;
    case MU_STALENESS_THRESHOLD: return tau <= staleness->cutoff ? 1.0 : staleness->stale_weight;
    case MU_STALENESS_HINGE: return tau <= staleness->cutoff ? 1.0 : 1.0 / (1.0 + staleness->slope * (tau - staleness->cutoff));
    }
    return 1.0;
}

uint32_t mu_staleness_of(const mu_control *control, const mu_task *task)
{
    return mu_control_version(control) - task->plan.version;
}

double mu_staleness_withheld(const mu_staleness *staleness, const mu_control *control, const mu_task *task)
{
    return 1.0 - mu_staleness_weight(staleness, mu_staleness_of(control, task));
}
