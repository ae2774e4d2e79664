/* FjORD: ordered dropout. Every device trains the first units of every hidden layer, and for each mini-batch it draws how many, up to what it can
 * afford; so every width of the list comes out of the training as a network that can be used by itself. Horvath, Laskaridis,
 * Almeida, Leontiadis, Venieris and Lane 2021, arXiv:2102.13451. */
#include "base/limits.h"
#include "method/device_width.h"
#include "method/element_mean.h"
#include "method/method_registry.h"
#include "method/staleness.h"

typedef struct fjord_state {
    mu_device_width width;
    bool            distillation;
    mu_staleness    staleness;
} fjord_state;

static const mu_option fjord_options[] = {
    { "widths", MU_OPTION_REALS, offsetof(fjord_state, width.widths), 1e-3, 1, "0.2, 0.4, 0.6, 0.8, 1", NULL, NULL,
      "parts of each hidden layer's units that are trained and come out, narrowest first; one that stands there twice is the most of twice "
      "as many devices" },
    { "width_by", MU_OPTION_CHOICE, offsetof(fjord_state, width.by), 0, 0, "tier", mu_device_width_ways, NULL,
      "how a device comes to the most that it trains: by its tier, weakest first; drawn once for the run; or drawn anew for every task" },
    { "distillation", MU_OPTION_BOOL, offsetof(fjord_state, distillation), 0, 0, "false", NULL, NULL,
      "the widest network that a device can train is trained on every mini-batch, and the narrower one learns from its answers alone" },
    MU_STALENESS_ROWS(fjord_state, staleness),
};

static mu_status fjord_check(const void *self, mu_error *err)
{
    const fjord_state *state = self;
    const mu_reals *widths = &state->width.widths;
    for (uint32_t i = 1; i < widths->count; i++)
        if (widths->values[i] < widths->values[i - 1])
            return mu_error_set(err, MU_E_CONFIG, "widths go from the narrowest to the widest, but %g stands behind %g", widths->values[i],
                                widths->values[i - 1]);
    return mu_device_width_check(&state->width, err);
}

static mu_status fjord_check_setting(const void *self, const mu_setting *setting, mu_error *err)
{
    (void)self;
    const mu_method *what = setting->answers[MU_WHAT], *how = setting->answers[MU_HOW], *merge = setting->answers[MU_MERGE];
    if (what == &mu_method_fjord && how == what && merge == what)
        return MU_OK;
    return mu_error_set(err, MU_E_CONFIG, "fjord draws from the widths that a device has, and merges by them: it has to answer 'what', 'how' and "
                        "'merge', but they are '%s', '%s' and '%s'", what->name, how->name, merge->name);
}

/* ---- widths ---- */

/* Those that differ, widest first: the place of a width in the list is the number of its set of norm statistics. */
static uint32_t widths_of(const fjord_state *state, double widths[MU_OPTION_REALS_MAX])
{
    const mu_reals *listed = &state->width.widths;
    uint32_t count = 0;
    for (uint32_t i = listed->count; i-- > 0;)
        if (count == 0 || listed->values[i] < widths[count - 1])
            widths[count++] = listed->values[i];
    return count;
}

/* An embedding is not dropped: no other weights have its layout. */
static bool is_embedding(const mu_units *units, const mu_unit_group *group)
{
    for (uint32_t i = 0; i < group->use_count; i++)
        if (mu_model_tensor(mu_units_model(units), group->uses[i].tensor)->layout == MU_LAYOUT_ROWS)
            return true;
    return false;
}

static uint32_t units_kept(const mu_units *units, size_t index, double width)
{
    const mu_unit_group *group = mu_units_group(units, index);
    return is_embedding(units, group) ? group->count : mu_units_of_width(units, index, width);
}

static void keep_width(const mu_units *units, double width, bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++)
        mu_units_keep_first(units, g, units_kept(units, g, width), kept);
}

/* Does the part have all that this width keeps? Parts are first units, so a look at the last one of each group is enough. */
static bool has_width(const mu_units *units, const bool *part, double width)
{
    for (size_t g = 0; part && g < mu_units_group_count(units); g++)
        if (!part[mu_units_group(units, g)->first + units_kept(units, g, width) - 1])
            return false;
    return true;
}

/* The widest width that a part has: its place in `widths`. Widths that come to the same network all count as the widest of them. */
static uint32_t widest_of(const mu_units *units, const bool *part, const double *widths, uint32_t count)
{
    uint32_t widest = 0;
    while (widest + 1 < count && !has_width(units, part, widths[widest]))
        widest++;
    return widest;
}

/* ---- what and how ---- */

static mu_status fjord_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    (void)err;
    const fjord_state *state = self;
    keep_width(mu_control_units(control), mu_device_width_of(control, &state->width, device, plan->ordinal), kept);
    return MU_OK;
}

static bool fjord_usable(const void *self, const mu_units *units, uint32_t index, mu_usable *part)
{
    double widths[MU_OPTION_REALS_MAX];
    if (index >= widths_of(self, widths))
        return false;
    part->width = widths[index];
    part->statistics = index;
    keep_width(units, part->width, part->kept);
    return true;
}

static uint32_t fjord_statistic_sets(const void *self)
{
    double widths[MU_OPTION_REALS_MAX];
    return widths_of(self, widths);
}

/* Every width that the device can train is as likely as every other. */
static void fjord_choose(const void *self, mu_choice *choice)
{
    double widths[MU_OPTION_REALS_MAX];
    uint32_t count = widths_of(self, widths), widest = widest_of(choice->units, choice->plan->kept, widths, count);
    mu_random random = mu_choice_random(choice);
    uint32_t drawn = widest + mu_random_below(&random, count - widest);
    for (size_t g = 0; g < mu_units_group_count(choice->units); g++)
        choice->counts[g] = units_kept(choice->units, g, widths[drawn]);
    if (choice->kept)
        keep_width(choice->units, widths[drawn], choice->kept);
    choice->statistics = drawn;
    choice->plan_statistics = widest;
}

/* alpha = T = 1: the narrower network sees the teacher's answers, and no labels. */
static void fjord_manner(const void *self, mu_manner *manner)
{
    const fjord_state *state = self;
    if (state->distillation)
        *manner = (mu_manner){ .teaches = true, .label_weight = 0, .teacher_weight = 1, .temperature = 1 };
}

/* ---- merge: an element is the mean over those who could train it, whatever they drew ---- */

static mu_vectors fjord_vectors(const void *self)
{
    (void)self;
    return (mu_vectors){ .server = MU_ELEMENT_VECTORS };
}

static mu_status fjord_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    const fjord_state *state = self;
    double widths[MU_OPTION_REALS_MAX];
    uint32_t count = widths_of(state, widths);
    const mu_element_fold fold = {
        .weight = update->num_examples, .withheld = mu_staleness_withheld(&state->staleness, control, task),
        .first_statistics = widest_of(mu_control_units(control), update->kept, widths, count),
    };
    return mu_element_mean_fold(control, self, update, &fold, err);
}

static mu_status fjord_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    mu_element_mean_finish(control, self, model);
    return MU_OK;
}

const mu_method mu_method_fjord = {
    .name = "fjord",
    .paper = "Horvath et al. 2021, arXiv:2102.13451",
    .help = "each mini-batch trains the first units of every hidden layer, a width drawn among those that the device can train; all widths come out",
    .state_bytes = sizeof(fjord_state),
    .vectors = fjord_vectors,
    .options = fjord_options,
    .option_count = MU_COUNT(fjord_options),
    .check = fjord_check,
    .check_setting = fjord_check_setting,
    .what = &(const mu_what){ .plan = fjord_plan, .usable = fjord_usable, .statistic_sets = fjord_statistic_sets, .keeps_parts = true },
    .how = &(const mu_how){ .choose = fjord_choose, .manner = fjord_manner },
    .merge = &(const mu_merge){ .fold = fjord_fold, .finish = fjord_finish },
};
