/* Adaptive Federated Dropout: weaker devices train the units that were in use when the loss fell. Bouacida, Hou, Zang and Liu 2020,
 * arXiv:2011.04050, with one score map and one choice for all devices; its compression of what is sent is not here.
 *
 *   what    the first units in the order that was drawn last, as many as the device's width has        width_scores.h
 *   merge   each element is the mean over those who trained it (element_mean.h). The mean of the losses that a round's devices report says whether the
 *           units that were in use are rewarded and the order stays, or another one is drawn. A round is a version. */
#include "base/limits.h"
#include "method/device_width.h"
#include "method/element_mean.h"
#include "method/mean.h"
#include "method/method_registry.h"
#include "method/staleness.h"
#include "method/width_scores.h"

#include <math.h>
#include <string.h>

typedef struct afd_state {
    /* options */
    mu_device_width width;
    double          base;
    int             weight_by;
    mu_staleness    staleness;
    /* over the rounds; what there is for each unit is in a vector */
    bool            drawn;
    double          loss; /* of the last round whose devices said theirs; 0: none */
    /* of this round */
    double          loss_sum;
    uint32_t        losses, updates;
} afd_state;

static const mu_option afd_options[] = {
    MU_DEVICE_WIDTH_ROWS(afd_state, width),
    { "base", MU_OPTION_REAL, offsetof(afd_state, base), 0, 1e9, "0.1", NULL, NULL,
      "what every unit has beside its score when units are drawn; with 0 those that were rewarded are drawn before all others" },
    MU_WEIGHT_BY_ROW(afd_state, weight_by, "examples"),
    MU_STALENESS_ROWS(afd_state, staleness),
};

static mu_status afd_check(const void *self, mu_error *err)
{
    return mu_device_width_check(&((const afd_state *)self)->width, err);
}

/* ---- what is kept in vectors ---- */

enum { UNITS = MU_ELEMENT_VECTORS, VECTORS };

static mu_vectors afd_vectors(const void *self)
{
    (void)self;
    return (mu_vectors){ .server = VECTORS };
}

/* Of each unit. */
typedef struct unit_table {
    float    *scores, *used; /* used: by how many devices of this round */
    uint32_t *order;
} unit_table;

static unit_table table_of(mu_control *control, const afd_state *state)
{
    size_t units = mu_units_count(mu_control_units(control));
    float *floats = mu_control_vector(control, state, UNITS);
    return (unit_table){ floats, floats + units, (uint32_t *)(void *)(floats + 2 * units) };
}

/* A model has more weights than units, many times over. The exceptions are layers of one or two weights a unit. */
static mu_status afd_prepare(void *self, const mu_model *model, const mu_units *units, const char *conf_path, mu_error *err)
{
    (void)self, (void)conf_path;
    size_t needed = 3 * mu_units_count(units), room = mu_model_state_count(model);
    return needed <= room ? MU_OK : mu_error_set(err, MU_E_LIMIT, "afd keeps 3 numbers for each of the %zu units of '%s' in the room of its weights, "
                                                 "which are %zu", mu_units_count(units), mu_model_name(model), room);
}

/* ---- what ---- */

static void draw_order(mu_control *control, afd_state *state, uint32_t version)
{
    unit_table table = table_of(control, state);
    mu_random random = mu_random_stream(mu_control_seed(control), MU_RANDOM_METHOD, version, (uint64_t)1 << 32);
    mu_scores_order(mu_control_units(control), table.scores, state->base, &random, table.order);
    state->drawn = true;
}

static mu_status afd_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    afd_state *state = self;
    uint32_t counts[MU_WIDTH_GROUPS_MAX];
    mu_status status = mu_device_width_counts(control, &state->width, device, plan->ordinal, MU_WIDTH_DOWN, counts, err);
    if (status)
        return status;
    if (!state->drawn)
        draw_order(control, state, mu_control_version(control));
    mu_scores_keep(mu_control_units(control), counts, table_of(control, state).order, kept);
    return MU_OK;
}

/* ---- merge ---- */

static mu_status afd_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    (void)task;
    afd_state *state = self;
    mu_element_fold fold = { .weight = mu_weight_of(state->weight_by, update),
                             .withheld = mu_staleness_withheld(&state->staleness, control, task) };
    mu_status status = mu_element_mean_fold(control, state, update, &fold, err);
    if (status)
        return status;
    float *used = table_of(control, state).used;
    for (size_t u = 0; u < mu_units_count(mu_control_units(control)); u++)
        used[u] += !update->kept || update->kept[u] ? 1.0f : 0.0f;
    state->updates++;
    if (isfinite(update->train_loss)) {
        state->loss_sum += update->train_loss;
        state->losses++;
    }
    return MU_OK;
}

static mu_status afd_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    afd_state *state = self;
    const mu_units *units = mu_control_units(control);
    unit_table table = table_of(control, state);
    mu_element_mean_finish(control, state, model);
    double loss = state->losses ? state->loss_sum / state->losses : NAN;
    for (size_t u = 0; u < mu_units_count(units); u++)
        table.used[u] /= (float)state->updates;
    if (!mu_scores_reward(units, table.used, state->loss, loss, table.scores))
        draw_order(control, state, mu_control_version(control) + 1);
    if (state->losses)
        state->loss = loss;
    state->loss_sum = 0.0;
    state->losses = state->updates = 0;
    memset(table.used, 0, mu_units_count(units) * sizeof *table.used);
    return MU_OK;
}

/* ---- the method ---- */

static mu_status afd_check_setting(const void *self, const mu_setting *setting, mu_error *err)
{
    (void)self;
    if (setting->answers[MU_WHAT] != setting->answers[MU_MERGE])
        return mu_error_set(err, MU_E_CONFIG, "afd has to answer both 'what' and 'merge', not '%s' and '%s': which units are trained follows from "
                            "the losses of the updates that are merged", setting->answers[MU_WHAT]->name, setting->answers[MU_MERGE]->name);
    return MU_OK;
}

const mu_method mu_method_afd = {
    .name = "afd",
    .paper = "Bouacida et al. 2020, arXiv:2011.04050",
    .help = "weaker devices train the units that were in use when the loss fell",
    .state_bytes = sizeof(afd_state),
    .vectors = afd_vectors,
    .options = afd_options,
    .option_count = MU_COUNT(afd_options),
    .check = afd_check,
    .check_setting = afd_check_setting,
    .prepare = afd_prepare,
    .what = &(const mu_what){ .plan = afd_plan, .keeps_parts = true },
    .merge = &(const mu_merge){ .fold = afd_fold, .finish = afd_finish },
};
