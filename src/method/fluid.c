/* FLuID: who holds up the rounds trains a part of the model, without the units that hardly change for anybody else. Wang, Nair and Mahajan 2023,
 * arXiv:2307.02623. What follows from a round, in this order, before the next one begins:
 *
 *   the model      each element is the mean over those who trained it           element_mean.h
 *   invariance     of each unit, by the updates of all but the straggler         width_invariant.h
 *   the straggler  who took longest, by measured times; and his width            width_straggler.h
 *   his part       units that he leaves out: invariant ones first
 *
 * So nobody leaves out anything before the third round. A round is a version, and its devices are those whose updates are merged into it. */
#include "base/limits.h"
#include "method/device_width.h"
#include "method/element_mean.h"
#include "method/mean.h"
#include "method/method_registry.h"
#include "method/staleness.h"
#include "method/width_invariant.h"
#include "method/width_rules.h"
#include "method/width_straggler.h"

#include <string.h>

/* Of all times of a round those that matter to mu_straggler_after: the longest ones, and the straggler's. One more than that while they are sorted
 * out. */
enum { TIMES_MAX = 3 };

typedef struct fluid_state {
    /* options */
    int                      weight_by, drop, calibration;
    double                   stable_share, overhead;
    mu_staleness             staleness;
    mu_invariant_calibration custom;
    /* over the rounds; what there is for each unit, and each weight, is in vectors */
    bool                     begun;
    mu_straggler             straggler;
    /* of this round */
    uint32_t                 watched; /* devices whose changes were noted */
    uint32_t                 time_count, time_device[TIMES_MAX + 1];
    double                   time_s[TIMES_MAX + 1];
} fluid_state;

enum { DROP_INVARIANT, DROP_RANDOM, DROP_ORDERED };
static const char *const drops[] = { [DROP_INVARIANT] = "invariant", [DROP_RANDOM] = "random", [DROP_ORDERED] = "ordered", NULL };
enum { CIFAR, FEMNIST, SHAKESPEARE, CUSTOM };
static const char *const calibrations[] = {
    [CIFAR] = "cifar", [FEMNIST] = "femnist", [SHAKESPEARE] = "shakespeare", [CUSTOM] = "custom", NULL,
};

static const mu_option fluid_options[] = {
    { "drop", MU_OPTION_CHOICE, offsetof(fluid_state, drop), 0, 0, "invariant", drops, NULL,
      "units that the straggler leaves out: those that hardly change for the others; or, to compare with, random ones, or the last of each layer" },
    { "stable_share", MU_OPTION_REAL, offsetof(fluid_state, stable_share), 0, 1, "0.75", NULL, NULL,
      "of the other devices, on which a weight has to stay within its threshold to count as stable" },
    { "overhead", MU_OPTION_REAL, offsetof(fluid_state, overhead), 0.1, 10, "1.15", NULL, NULL,
      "the straggler's time with the whole model is estimated as his time / his width * this" },
    { "calibration", MU_OPTION_CHOICE, offsetof(fluid_state, calibration), 0, 0, "femnist", calibrations, NULL,
      "how thresholds come about: as published for one of three data sets, or by the five numbers that follow" },
    { "start", MU_OPTION_REAL, offsetof(fluid_state, custom.start), 0, 1e9, "0.1", NULL, NULL,
      "custom: threshold of rounds 1 and 2, relative to a weight's size" },
    { "raise", MU_OPTION_REAL, offsetof(fluid_state, custom.raise), 0, 1e9, "0.01", NULL, NULL,
      "custom: what is added while too few units are invariant" },
    { "raise_from", MU_OPTION_COUNT, offsetof(fluid_state, custom.raise_from), 1, 1e9, "126", NULL, "rounds", "custom: first round of raising" },
    { "raise_every", MU_OPTION_COUNT, offsetof(fluid_state, custom.raise_every), 1, 1e9, "10", NULL, "rounds", "custom: between two raises" },
    { "shared", MU_OPTION_BOOL, offsetof(fluid_state, custom.shared), 0, 0, "true", NULL, NULL,
      "custom: one threshold for all layers, not one for each" },
    MU_WEIGHT_BY_ROW(fluid_state, weight_by, "examples"),
    MU_STALENESS_ROWS(fluid_state, staleness),
};

static const mu_invariant_calibration *calibration_of(const fluid_state *state)
{
    const mu_invariant_calibration *const all[] = {
        [CIFAR] = &mu_invariant_cifar, [FEMNIST] = &mu_invariant_femnist, [SHAKESPEARE] = &mu_invariant_shakespeare, [CUSTOM] = &state->custom,
    };
    return all[state->calibration];
}

/* ---- what is kept in vectors ---- */

/* UNITS is a table of units; RESTLESS holds two uint16_t for each weight, as mu_invariant_note has them. */
enum { UNITS = MU_ELEMENT_VECTORS, VECTORS, RESTLESS = VECTORS, VECTORS_INVARIANT };

static mu_vectors fluid_vectors(const void *self)
{
    const fluid_state *state = self;
    return (mu_vectors){ .server = state->drop == DROP_INVARIANT ? VECTORS_INVARIANT : VECTORS };
}

typedef struct unit_table {
    float *thresholds, *changes; /* of each unit */
    bool  *invariant, *kept;     /* of each unit */
    bool  *frozen;               /* of each group */
} unit_table;

static unit_table table_of(mu_control *control, const fluid_state *state)
{
    size_t units = mu_units_count(mu_control_units(control));
    float *floats = mu_control_vector(control, state, UNITS);
    bool *flags = (bool *)(floats + 2 * units);
    return (unit_table){ floats, floats + units, flags, flags + units, flags + 2 * units };
}

static uint16_t *restless_of(mu_control *control, const fluid_state *state)
{
    return (uint16_t *)(void *)mu_control_vector(control, state, RESTLESS);
}

/* A model has more weights than units, many times over. The exceptions are layers of one or two weights a unit. */
static mu_status fluid_prepare(void *self, const mu_model *model, const mu_units *units, const char *conf_path, mu_error *err)
{
    (void)self, (void)conf_path;
    size_t count = mu_units_count(units), groups = mu_units_group_count(units), room = mu_model_state_count(model) * sizeof(float);
    if (groups > MU_WIDTH_GROUPS_MAX)
        return mu_error_set(err, MU_E_LIMIT, "the model has %zu unit groups, fluid can cut at most %d", groups, MU_WIDTH_GROUPS_MAX);
    size_t needed = 2 * count * sizeof(float) + (2 * count + groups) * sizeof(bool);
    return needed <= room ? MU_OK : mu_error_set(err, MU_E_LIMIT, "fluid keeps %zu bytes about the %zu units of '%s' in the room of its weights, "
                                                 "which are %zu bytes", needed, count, mu_model_name(model), room);
}

static void begin(mu_control *control, fluid_state *state)
{
    if (state->begun)
        return;
    const mu_units *units = mu_control_units(control);
    unit_table table = table_of(control, state);
    for (size_t u = 0; u < mu_units_count(units); u++)
        table.thresholds[u] = (float)calibration_of(state)->start;
    mu_units_keep_all(units, table.kept);
    state->begun = true;
}

/* ---- what ---- */

static bool is_straggler(const fluid_state *state, uint32_t device)
{
    return state->straggler.found && state->straggler.device == device;
}

static mu_status fluid_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    (void)plan, (void)err;
    const fluid_state *state = self;
    if (is_straggler(state, device))
        memcpy(kept, table_of(control, state).kept, mu_units_count(mu_control_units(control)) * sizeof *kept);
    return MU_OK;
}

/* ---- merge: what comes in ---- */

static void forget_fastest(fluid_state *state)
{
    uint32_t fastest = is_straggler(state, state->time_device[0]) ? 1 : 0;
    for (uint32_t i = fastest + 1; i < state->time_count; i++)
        if (state->time_s[i] < state->time_s[fastest] && !is_straggler(state, state->time_device[i]))
            fastest = i;
    state->time_count--;
    state->time_s[fastest] = state->time_s[state->time_count];
    state->time_device[fastest] = state->time_device[state->time_count];
}

static void note_time(fluid_state *state, uint32_t device, double time_s)
{
    uint32_t i = 0;
    while (i < state->time_count && state->time_device[i] != device)
        i++;
    state->time_device[i] = device;
    state->time_s[i] = time_s;
    state->time_count += i == state->time_count;
    if (state->time_count > TIMES_MAX)
        forget_fastest(state);
}

/* Units that the straggler leaves out would look perfectly stable; and what several devices changed one after the other is of no one. */
static bool is_watched(const fluid_state *state, const mu_task *task, const mu_update *update)
{
    return state->drop == DROP_INVARIANT && !is_straggler(state, task->device) && !update->kept && !task->relayed &&
           state->watched < UINT16_MAX;
}

static mu_status fluid_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    fluid_state *state = self;
    mu_element_fold fold = { .weight = mu_weight_of(state->weight_by, update),
                             .withheld = mu_staleness_withheld(&state->staleness, control, task) };
    mu_status status = mu_element_mean_fold(control, state, update, &fold, err);
    if (status)
        return status;
    begin(control, state);
    note_time(state, task->device, mu_time_to_s(mu_control_history(control, task->device)->last_duration));
    if (is_watched(state, task, update)) {
        unit_table table = table_of(control, state);
        mu_invariant_note(mu_control_units(control), update->start, update->delta, table.thresholds, restless_of(control, state), table.changes);
        state->watched++;
    }
    return MU_OK;
}

/* ---- merge: what follows from a round ---- */

/* Where nobody was watched, what is known of units stays as it is. */
static void look_at_units(mu_control *control, fluid_state *state)
{
    if (!state->watched)
        return;
    const mu_units *units = mu_control_units(control);
    unit_table table = table_of(control, state);
    uint16_t *restless = restless_of(control, state);
    uint32_t counts[MU_WIDTH_GROUPS_MAX];
    if (state->straggler.found)
        mu_width_counts(units, state->straggler.size, MU_WIDTH_DOWN, counts);
    mu_invariant_units(units, restless, state->watched, state->stable_share, table.invariant);
    mu_invariant_calibrate(units, calibration_of(state), mu_control_version(control) + 1, table.changes, table.invariant,
                           state->straggler.found ? counts : NULL, table.thresholds, table.frozen);
    memset(restless, 0, 2 * mu_model_param_count(mu_control_model(control)) * sizeof *restless);
    memset(table.changes, 0, mu_units_count(units) * sizeof *table.changes);
    state->watched = 0;
}

static void look_for_straggler(mu_control *control, fluid_state *state)
{
    mu_device_time times[TIMES_MAX];
    for (uint32_t i = 0; i < state->time_count; i++)
        times[i] = (mu_device_time){ .device = state->time_device[i], .time_s = state->time_s[i] };
    mu_straggler next = mu_straggler_after(state->straggler, mu_control_version(control) + 1, state->overhead, times, state->time_count);
    /* one by one: the state is saved byte by byte, and what is between its members stays 0 */
    state->straggler.found = next.found;
    state->straggler.changed = next.changed;
    state->straggler.device = next.device;
    state->straggler.size = next.size;
    state->straggler.full_s = next.full_s;
    state->time_count = 0;
}

static void choose_units(mu_control *control, const fluid_state *state)
{
    if (!state->straggler.found)
        return;
    const mu_units *units = mu_control_units(control);
    unit_table table = table_of(control, state);
    uint32_t counts[MU_WIDTH_GROUPS_MAX];
    mu_width_counts(units, state->straggler.size, MU_WIDTH_DOWN, counts);
    mu_random random = mu_random_stream(mu_control_seed(control), MU_RANDOM_METHOD, mu_control_version(control) + 1, (uint64_t)1 << 32);
    switch (state->drop) {
    case DROP_RANDOM: mu_width_random(units, counts, &random, table.kept); break;
    case DROP_ORDERED: mu_width_ordered(units, counts, table.kept); break;
    default: mu_invariant_keep(units, counts, table.invariant, table.kept, &random, table.kept);
    }
}

static mu_status fluid_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    fluid_state *state = self;
    mu_element_mean_finish(control, state, model);
    look_at_units(control, state);
    look_for_straggler(control, state);
    choose_units(control, state);
    return MU_OK;
}

/* ---- the method ---- */

static mu_status fluid_check_setting(const void *self, const mu_setting *setting, mu_error *err)
{
    (void)self;
    if (setting->answers[MU_WHAT] != setting->answers[MU_MERGE])
        return mu_error_set(err, MU_E_CONFIG, "fluid has to answer both 'what' and 'merge', not '%s' and '%s': what the straggler leaves out "
                            "follows from the updates that are merged", setting->answers[MU_WHAT]->name, setting->answers[MU_MERGE]->name);
    return MU_OK;
}

const mu_method mu_method_fluid = {
    .name = "fluid",
    .paper = "Wang et al. 2023, arXiv:2307.02623",
    .help = "the slowest device leaves out units that hardly change for the others",
    .state_bytes = sizeof(fluid_state),
    .vectors = fluid_vectors,
    .options = fluid_options,
    .option_count = MU_COUNT(fluid_options),
    .check_setting = fluid_check_setting,
    .prepare = fluid_prepare,
    .what = &(const mu_what){ .plan = fluid_plan, .keeps_parts = true },
    .merge = &(const mu_merge){ .fold = fluid_fold, .finish = fluid_finish },
};
