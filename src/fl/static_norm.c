/* Which weights a version is looked at with: its own; or, with `evaluate: {norm_statistics: devices}`, a copy whose batch norms have the
 * statistics of devices' examples under these very weights: HeteroFL's static batch norm (Diao et al. 2021, arXiv:2010.01264). Statistics that
 * were merged from training are those of many unequal networks. */
#include "fl/federation_internal.h"

#include <stdlib.h>
#include <string.h>

bool mu_looks_by_devices(const mu_control *control)
{
    return control->config.norm_statistics == MU_NORM_STATISTICS_DEVICES &&
           mu_model_state_count(control->config.model) > mu_model_param_count(control->config.model);
}

static mu_status find(mu_control *control, const mu_usable *part, mu_error *err)
{
    uint32_t *devices, count;
    mu_status status = mu_look_draw(control, control->config.statistics_devices, &devices, &count, err);
    if (status)
        return status;
    status = control->carrier.statistics(control->carrier.self, part, devices, count, control->config.statistics_examples, control->looked, err);
    free(devices);
    return status;
}

mu_status mu_looked_state(mu_control *control, const mu_usable *part, const float **state, mu_error *err)
{
    *state = control->version->state;
    if (!mu_looks_by_devices(control))
        return MU_OK;
    *state = control->looked;
    if (control->looked_version == control->version_number + 1 && control->looked_part == part)
        return MU_OK;
    if (!control->looked && !(control->looked = malloc(control->state_count * sizeof *control->looked)))
        return mu_error_set(err, MU_E_MEMORY, "no memory for another copy of a model of %zu parameters", control->state_count);
    /* parts of one version share the copy: each has its own set of statistics, or the last one's stay */
    if (control->looked_version != control->version_number + 1)
        memcpy(control->looked, control->version->state, control->state_count * sizeof *control->looked);
    control->looked_version = 0;
    mu_status status = find(control, part, err);
    if (status)
        return status;
    control->looked_version = control->version_number + 1;
    control->looked_part = part;
    *state = control->looked;
    return MU_OK;
}

/* Nobody trains on the last version any more: it is kept as it was looked at. */
static void keep_last(mu_control *control)
{
    size_t params = mu_model_param_count(control->config.model);
    if (mu_control_is_finished(control))
        memcpy(control->version->state + params, control->looked + params, (control->state_count - params) * sizeof *control->looked);
}

mu_status mu_look_at_parts(mu_control *control, mu_evaluation *tests, mu_evaluation *tiers, mu_error *err)
{
    const mu_usable_parts *usable = &control->usable;
    const mu_carrier *carrier = &control->carrier;
    uint32_t tier_examples = tiers ? control->config.tier_examples : 0;
    bool nothing_to_see = !mu_data_test_count(control->config.data) && !tiers;
    if (!mu_looks_by_devices(control) && nothing_to_see)
        return MU_OK;
    if (!mu_looks_by_devices(control))
        return carrier->evaluate(carrier->self, control->version->state, usable->parts, usable->count, tier_examples, tests, tiers, err);
    /* the first one comes last, so that its statistics are those that stay */
    for (uint32_t i = usable->count; i-- > 0;) {
        const float *state;
        mu_status status = mu_looked_state(control, &usable->parts[i], &state, err);
        if (!status)
            status = carrier->evaluate(carrier->self, state, &usable->parts[i], 1, i ? 0 : tier_examples, &tests[i], i ? NULL : tiers, err);
        if (status)
            return status;
    }
    keep_last(control);
    return MU_OK;
}
