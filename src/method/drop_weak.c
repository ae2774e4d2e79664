/* Dropping the weak: only devices of the strongest tiers take part, uniformly, and train the whole model. A reference of methods
 * for mixed fleets, as in the code of Pfeiffer et al. 2023, arXiv:2203.05468 (CoCoFL): what it lacks is what weak devices' data are worth. */
#include "method/uniform.h"

typedef struct drop_weak_state {
    uint32_t tiers;  /* option */
    bool     looked; /* whether there is anybody */
} drop_weak_state;

static const mu_option drop_weak_options[] = {
    { "tiers", MU_OPTION_COUNT, offsetof(drop_weak_state, tiers), 1, 16, "1", NULL, "tiers",
      "of the fleet that take part, from the strongest" },
};

static bool is_strong(mu_control *control, const void *self, uint32_t device)
{
    const mu_fleet *fleet = mu_control_fleet(control);
    return mu_fleet_tier_of(fleet, device) + ((const drop_weak_state *)self)->tiers >= mu_fleet_tier_count(fleet);
}

/* A federation in which nobody may take part would wait for ever. */
static mu_status look(mu_control *control, drop_weak_state *state, mu_error *err)
{
    uint32_t count = mu_fleet_tier_count(mu_control_fleet(control)), devices = mu_control_device_count(control), device = 0;
    if (state->tiers > count)
        return mu_error_set(err, MU_E_CONFIG, "method drop-weak: tiers is %u, and the fleet has %u", state->tiers, count);
    while (device < devices && !is_strong(control, state, device))
        device++;
    if (device == devices)
        return mu_error_set(err, MU_E_CONFIG, "method drop-weak: none of the %u devices is of the fleet's strongest %u of %u tiers; a larger 'tiers', or "
                            "more devices, would do", devices, state->tiers, count);
    state->looked = true;
    return MU_OK;
}

static mu_status drop_weak_select(mu_control *control, void *self, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    drop_weak_state *state = self;
    mu_status status = state->looked ? MU_OK : look(control, state, err);
    if (status)
        return status;
    mu_random random = mu_uniform_stream(control);
    return mu_uniform_select_among(control, &random, &(mu_among){ is_strong, state }, wanted, devices, count, err);
}

const mu_method mu_method_drop_weak = {
    .name = "drop-weak",
    .paper = "a reference, as in Pfeiffer et al. 2023, arXiv:2203.05468",
    .help = "uniform among the devices of the fleet's strongest tiers; the others never take part",
    .state_bytes = sizeof(drop_weak_state),
    .options = drop_weak_options,
    .option_count = MU_COUNT(drop_weak_options),
    .who = &(const mu_who){ .select = drop_weak_select },
};
