/* The small network: every device trains the same part of the model, which the weakest can train too; the rest is never touched. A reference of
 * methods for mixed fleets, as in Rapp et al. 2022, arXiv:2112.08761: what they add to it is worth their trouble. */
#include "method/width_rules.h"
#include "muster/method.h"

typedef struct small_state {
    double width; /* option */
} small_state;

static const mu_option small_options[] = {
    { "width", MU_OPTION_REAL, offsetof(small_state, width), 1e-3, 1, "0.25", NULL, NULL,
      "part of each hidden layer's units, the first ones, that all devices train" },
};

static mu_status small_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    (void)device, (void)plan, (void)err;
    mu_width_prefix(mu_control_units(control), ((const small_state *)self)->width, kept);
    return MU_OK;
}

static bool small_usable(const void *self, const mu_units *units, uint32_t index, mu_usable *part)
{
    part->width = ((const small_state *)self)->width;
    mu_width_prefix(units, part->width, part->kept);
    return index == 0;
}

const mu_method mu_method_small = {
    .name = "small",
    .paper = "a reference, as in Rapp et al. 2022, arXiv:2112.08761",
    .help = "all devices train the same first units of every hidden layer: one network that fits the weakest",
    .state_bytes = sizeof(small_state),
    .options = small_options,
    .option_count = MU_COUNT(small_options),
    .what = &(const mu_what){ .plan = small_plan, .usable = small_usable, .keeps_parts = true },
};
