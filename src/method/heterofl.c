/* HeteroFL: a device trains the first units of every hidden layer, as many as its level allows. Diao, Ding and Tarokh 2021, arXiv:2010.01264. What
 * keeps so unequal networks in step while they train is its answer to `how`:
 *
 *     scaler     outputs of hidden layers are divided by the width, in training alone, so that what the next layer adds up has the size that it has in the
 *                whole network
 *     mask       logits of classes that the device has no example of count as 0, and get no gradient
 *     clip_norm  a mini-batch's gradient is no longer than this
 *
 * That rows of the classifier are merged from those alone who hold the class is elementwise's own_classes, and static batch norm is
 * `evaluate: {norm_statistics: devices}`; the recipe sets both. */
#include "method/clip.h"
#include "method/device_width.h"

typedef struct heterofl_state {
    mu_device_width width;
    bool            scaler, mask;
    double          clip_norm;
} heterofl_state;

static const mu_option heterofl_options[] = {
    MU_DEVICE_WIDTH_ROWS(heterofl_state, width),
    { "scaler", MU_OPTION_BOOL, offsetof(heterofl_state, scaler), 0, 0, "true", NULL, NULL,
      "in training, outputs of hidden layers are multiplied by all units over those that the device has" },
    { "mask", MU_OPTION_BOOL, offsetof(heterofl_state, mask), 0, 0, "true", NULL, NULL,
      "classes that a device has no example of are left out of its loss" },
    { "clip_norm", MU_OPTION_REAL, offsetof(heterofl_state, clip_norm), 0, 1e9, "1", NULL, NULL,
      "greatest length of a mini-batch's gradient; 0: any" },
};

static mu_status heterofl_check(const void *self, mu_error *err)
{
    return mu_device_width_check(&((const heterofl_state *)self)->width, err);
}

/* ---- what ---- */

static mu_status heterofl_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    const heterofl_state *state = self;
    uint32_t counts[MU_WIDTH_GROUPS_MAX];
    mu_status status = mu_device_width_counts(control, &state->width, device, plan->ordinal, MU_WIDTH_UP, counts, err);
    if (!status)
        mu_width_ordered(mu_control_units(control), counts, kept);
    return status;
}

static bool heterofl_usable(const void *self, const mu_units *units, uint32_t index, mu_usable *part)
{
    return mu_device_width_usable(&((const heterofl_state *)self)->width, units, index, part);
}

/* ---- how ---- */

static void heterofl_manner(const void *self, mu_manner *manner)
{
    const heterofl_state *state = self;
    manner->scaled = state->scaler;
    manner->masked = state->mask;
}

static void heterofl_gradient(void *self, const mu_step_view *view)
{
    mu_clip_gradient(view, ((const heterofl_state *)self)->clip_norm);
}

const mu_method mu_method_heterofl = {
    .name = "heterofl",
    .paper = "Diao et al. 2021, arXiv:2010.01264",
    .help = "weaker devices train the first units of every hidden layer, by a loss of the classes that they have",
    .state_bytes = sizeof(heterofl_state),
    .options = heterofl_options,
    .option_count = MU_COUNT(heterofl_options),
    .check = heterofl_check,
    .what = &(const mu_what){ .plan = heterofl_plan, .usable = heterofl_usable, .keeps_parts = true },
    .how = &(const mu_how){ .gradient = heterofl_gradient, .manner = heterofl_manner },
};
