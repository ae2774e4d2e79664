/* TiFL: a round's devices are of one tier of about equally fast ones, so that nobody waits for the slow; which tier is drawn by chance.
 * Chai et al. 2020, HPDC, arXiv:2001.09249.
 *
 *     T tiers of equal size, by how long a task is expected to take; 0 is the fastest
 *     each round: a tier is drawn with probability P, and the round's devices uniformly in it
 *
 * P is fixed (`probabilities`), or adapts: every I rounds the model is tried on devices of every tier, tiers are ranked by that accuracy, the worst
 * first, and P = (T' - rank) / (T' (T' + 1) / 2), rank from 0, among the T' tiers that have credits left. A round costs its tier one
 * credit. That P sums to one, and is what public code does (bacox/fltk). */
#include "base/limits.h"
#include "method/speed_tiers.h"
#include "method/uniform.h"

#define TIERS_MAX 16u
#define EVALUATED_MAX 64u

typedef struct tifl_state {
    /* options */
    uint32_t tiers, interval, credits, evaluated_devices, evaluated_examples;
    bool     only_when_stalled;
    mu_reals probabilities; /* none: adaptive */
    /* as it goes */
    bool     dealt;
    uint32_t tier, chosen_for; /* the tier of version chosen_for, counted from 1 */
    uint32_t ranked_at;        /* the version, counted from 1, that the tiers were last tried with */
    uint32_t credits_left[TIERS_MAX];
    double   probability[TIERS_MAX], accuracy[TIERS_MAX];
} tifl_state;

/* On the server, for every device. */
typedef struct tifl_device {
    uint8_t tier; /* counted from 1; 0: it cannot take part */
} tifl_device;

static const mu_option tifl_options[] = {
    { "tiers", MU_OPTION_COUNT, offsetof(tifl_state, tiers), 1, TIERS_MAX, "5", NULL, "tiers",
      "of equal size, by how long a task is expected to take" },
    { "probabilities", MU_OPTION_REALS, offsetof(tifl_state, probabilities), 0, 1e9, "", NULL, NULL,
      "of each tier, fastest first; only their proportions count. None: they adapt to accuracy" },
    { "interval", MU_OPTION_COUNT, offsetof(tifl_state, interval), 1, MU_LIMIT_ROUNDS, "10", NULL, "rounds",
      "adaptive: tiers are ranked by accuracy every so many rounds (the paper's I)" },
    { "only_when_stalled", MU_OPTION_BOOL, offsetof(tifl_state, only_when_stalled), 0, 0, "false", NULL, NULL,
      "adaptive: probabilities stay as they are while the accuracy of the last round's tier grows" },
    { "credits", MU_OPTION_COUNT, offsetof(tifl_state, credits), 0, MU_LIMIT_ROUNDS, "0", NULL, "rounds",
      "adaptive: how often one tier may be drawn; 0: twice its equal share of the run" },
    { "evaluated_devices", MU_OPTION_COUNT, offsetof(tifl_state, evaluated_devices), 1, EVALUATED_MAX, "10", NULL, "devices",
      "adaptive: of each tier, that the model is tried on" },
    { "evaluated_examples", MU_OPTION_COUNT, offsetof(tifl_state, evaluated_examples), 1, MU_LIMIT_EXAMPLES, "50", NULL, "examples",
      "adaptive: of each of those devices, at most" },
};

static mu_status tifl_check(const void *self, mu_error *err)
{
    const tifl_state *state = self;
    const mu_reals *given = &state->probabilities;
    double sum = 0.0;
    for (uint32_t i = 0; i < given->count; i++)
        sum += given->values[i];
    if (given->count && (given->count != state->tiers || sum <= 0.0))
        return mu_error_set(err, MU_E_CONFIG, "probabilities has %u values with sum %g for %u tiers; it needs one for each, and some above 0",
                            given->count, sum, state->tiers);
    return MU_OK;
}

/* ---- tiers ---- */

static void put(mu_control *control, void *self, uint32_t device, uint32_t tier)
{
    ((tifl_device *)mu_control_device(control, self, device))->tier = (uint8_t)(tier + 1);
}

typedef struct members {
    const tifl_state *state;
    uint32_t          tier;
} members;

static bool is_member(mu_control *control, const void *self, uint32_t device)
{
    const members *m = self;
    return ((const tifl_device *)mu_control_device(control, m->state, device))->tier == m->tier + 1;
}

static bool has_tier(mu_control *control, void *self, uint32_t device, uint32_t *tier)
{
    uint8_t dealt = ((const tifl_device *)mu_control_device(control, self, device))->tier;
    *tier = dealt ? dealt - 1u : 0;
    return dealt;
}

static mu_status tifl_came(mu_control *control, void *self, uint32_t device, mu_error *err)
{
    const tifl_state *state = self;
    uint32_t tier;
    if (!state->dealt || has_tier(control, self, device, &tier))
        return MU_OK;
    mu_status status = mu_speed_tiers_join(control, device, has_tier, self, &tier, err);
    if (!status)
        put(control, self, device, tier);
    return status;
}

static bool adapts(const tifl_state *state)
{
    return state->probabilities.count == 0;
}

static mu_status begin(mu_control *control, tifl_state *state, mu_error *err)
{
    mu_status status = mu_speed_tiers_deal(control, state->tiers, put, state, err);
    uint32_t share = (mu_control_total_rounds(control) + state->tiers - 1) / state->tiers;
    for (uint32_t tier = 0; tier < state->tiers; tier++) {
        state->probability[tier] = adapts(state) ? 1.0 : state->probabilities.values[tier];
        state->credits_left[tier] = !adapts(state) ? UINT32_MAX : state->credits ? state->credits : 2 * share;
    }
    state->dealt = !status;
    return status;
}

/* ---- adaptive probabilities ---- */

/* The model on ready devices of each tier; a tier that has none keeps what it had. */
static mu_status try_tiers(mu_control *control, tifl_state *state, mu_error *err)
{
    mu_random random = mu_random_stream(mu_control_seed(control), MU_RANDOM_METHOD, mu_control_version(control), 0);
    mu_status status = MU_OK;
    for (uint32_t tier = 0; tier < state->tiers && !status; tier++) {
        uint32_t devices[EVALUATED_MAX], count = 0;
        mu_evaluation each[EVALUATED_MAX];
        members of_tier = { state, tier };
        status = mu_uniform_select_among(control, &random, &(mu_among){ is_member, &of_tier }, state->evaluated_devices, devices, &count, err);
        if (!status && count)
            status = mu_control_evaluate(control, devices, count, state->evaluated_examples, each, err);
        uint64_t correct = 0, seen = 0;
        for (uint32_t i = 0; i < count && !status; i++) {
            correct += each[i].correct;
            seen += each[i].count;
        }
        if (seen)
            state->accuracy[tier] = (double)correct / (double)seen;
    }
    return status;
}

static void set_probabilities(tifl_state *state)
{
    uint32_t with_credits = 0;
    for (uint32_t tier = 0; tier < state->tiers; tier++)
        with_credits += state->credits_left[tier] > 0;
    for (uint32_t tier = 0; tier < state->tiers; tier++) {
        uint32_t rank = 0; /* how many tiers are worse; of equal ones the faster */
        for (uint32_t other = 0; other < state->tiers; other++)
            rank += state->credits_left[other] > 0 && (state->accuracy[other] < state->accuracy[tier] ||
                                                       (state->accuracy[other] == state->accuracy[tier] && other < tier));
        double sum = with_credits * (with_credits + 1.0) / 2.0;
        state->probability[tier] = state->credits_left[tier] ? (with_credits - rank) / sum : 0.0;
    }
}

static mu_status adapt(mu_control *control, tifl_state *state, mu_error *err)
{
    uint32_t version = mu_control_version(control);
    if (!adapts(state) || mu_control_is_dry(control) || version == 0 || version % state->interval || state->ranked_at == version + 1)
        return MU_OK;
    state->ranked_at = version + 1;
    double before = state->accuracy[state->tier];
    mu_status status = try_tiers(control, state, err);
    if (!status && !(state->only_when_stalled && state->accuracy[state->tier] > before))
        set_probabilities(state);
    return status;
}

/* ---- who ---- */

/* One of the tiers that were not passed over. When none of them has a credit left, all are equal. */
static uint32_t draw_tier(const tifl_state *state, mu_random *random, const bool *passed_over)
{
    double weights[TIERS_MAX], sum = 0.0;
    for (uint32_t tier = 0; tier < state->tiers; tier++)
        sum += weights[tier] = passed_over[tier] || !state->credits_left[tier] ? 0.0 : state->probability[tier];
    for (uint32_t tier = 0; tier < state->tiers && sum == 0.0; tier++)
        weights[tier] = !passed_over[tier];
    double all = 0.0;
    for (uint32_t tier = 0; tier < state->tiers; tier++)
        all += weights[tier];
    double left = mu_random_unit(random) * all;
    uint32_t last = 0;
    for (uint32_t tier = 0; tier < state->tiers; tier++) {
        if (weights[tier] == 0.0)
            continue;
        last = tier;
        if (left < weights[tier])
            break;
        left -= weights[tier];
    }
    return last;
}

/* All choices for one version are of one tier, as long as it has somebody. One that has nobody is passed over and keeps its credit. */
static mu_status tifl_select(mu_control *control, void *self, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    tifl_state *state = self;
    mu_status status = state->dealt ? MU_OK : begin(control, state, err);
    if (!status)
        status = adapt(control, state, err);
    mu_random random = mu_uniform_stream(control);
    uint32_t round = mu_control_version(control) + 1;
    bool passed_over[TIERS_MAX] = { false };
    for (uint32_t tried = 0; tried < state->tiers && !status && *count == 0; tried++) {
        bool again = tried == 0 && state->chosen_for == round;
        uint32_t tier = again ? state->tier : draw_tier(state, &random, passed_over);
        members of_tier = { state, tier };
        status = mu_uniform_select_among(control, &random, &(mu_among){ is_member, &of_tier }, wanted, devices, count, err);
        passed_over[tier] = true;
        if (*count == 0 || again)
            continue;
        state->tier = tier;
        state->chosen_for = round;
        if (adapts(state) && state->credits_left[tier])
            state->credits_left[tier]--;
    }
    return status;
}

const mu_method mu_method_tifl = {
    .name = "tifl",
    .paper = "Chai et al. 2020, arXiv:2001.09249",
    .help = "each round's devices come from one tier of about equally fast ones; tiers with low accuracy are drawn more often",
    .state_bytes = sizeof(tifl_state),
    .device_bytes = sizeof(tifl_device),
    .options = tifl_options,
    .option_count = MU_COUNT(tifl_options),
    .check = tifl_check,
    .came = tifl_came,
    .who = &(const mu_who){ .select = tifl_select },
};
