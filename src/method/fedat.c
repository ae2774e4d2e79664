/* Tiers of devices that are about equally fast: synchronous rounds within a tier, no waiting between tiers.
 * Chai et al. 2021, SC, arXiv:2010.05958. Without its encoding of what crosses the wire.
 *
 *     when   M tiers of equal size, by how long a task is expected to take; tier 1 is the fastest. Each has a cohort of its own at work;
 *            when the last of it has reported, or at the deadline, the tier's round is over and makes the next version, and the
 *            tier begins again with that
 *     merge  w_m <- the mean of the models of the round, by examples;  T_m <- T_m + 1;
 *            x <- sum over m of (T_(M+1-m) / sum of T) w_m:  the slowest tier has the weight of how often the fastest has reported
 *
 * Before tier m has reported w_m is the first model. So the model stands still until some tier's mirror image has reported too. */
#include "base/limits.h"
#include "method/mean.h"
#include "method/speed_tiers.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TIERS_MAX 16u

/* A tier's round. */
typedef struct tier_round {
    uint32_t number, open, reports; /* number: rounds begun; open: at work */
    bool     under_way, deadline_passed;
} tier_round;

typedef struct fedat_state {
    /* options */
    uint32_t tiers, cohort;
    double   deadline_s;
    int      weight_by;
    /* when */
    bool       dealt; /* every device has its tier */
    mu_time_us wakes_at; /* the timer for arrivals that is set; MU_TIME_NEVER: none */
    tier_round rounds[TIERS_MAX];
    /* merge */
    bool     begun; /* the tiers' models are there */
    uint32_t reported[TIERS_MAX];     /* T_m */
    double   total_weight[TIERS_MAX]; /* in the version being made; 0: nobody of the tier has come */
} fedat_state;

/* On the server, for every device. */
typedef struct fedat_device {
    uint32_t tier; /* counted from 1; 0: it was not there to be dealt */
} fedat_device;

static const mu_option fedat_options[] = {
    { "tiers", MU_OPTION_COUNT, offsetof(fedat_state, tiers), 1, TIERS_MAX, "5", NULL, "tiers",
      "of equal size, by how long a task is expected to take" },
    { "cohort", MU_OPTION_COUNT, offsetof(fedat_state, cohort), 1, MU_LIMIT_DEVICES, "10", NULL, "devices",
      "asked in each round of a tier" },
    { "deadline_s", MU_OPTION_REAL, offsetof(fedat_state, deadline_s), 1e-6, INFINITY, "inf", NULL, "s",
      "a tier's round ends this long after it began, if anybody has reported" },
    MU_WEIGHT_BY_ROW(fedat_state, weight_by, "examples"),
};

/* ---- who is in which tier ---- */

static void put_in_tier(mu_control *control, void *state, uint32_t device, uint32_t tier)
{
    ((fedat_device *)mu_control_device(control, state, device))->tier = tier + 1;
}

static mu_status deal(mu_control *control, fedat_state *state, mu_error *err)
{
    if (state->dealt)
        return MU_OK;
    mu_status status = mu_speed_tiers_deal(control, state->tiers, put_in_tier, state, err);
    state->dealt = !status;
    return status;
}

static bool has_tier(mu_control *control, void *state, uint32_t device, uint32_t *tier)
{
    uint32_t dealt = ((const fedat_device *)mu_control_device(control, state, device))->tier;
    *tier = dealt ? dealt - 1 : 0;
    return dealt;
}

static uint32_t tier_of(mu_control *control, const void *state, uint32_t device)
{
    uint32_t dealt = ((const fedat_device *)mu_control_device(control, state, device))->tier;
    return dealt ? dealt - 1 : 0;
}

static mu_status fedat_came(mu_control *control, void *self, uint32_t device, mu_error *err)
{
    fedat_state *state = self;
    uint32_t tier;
    if (!state->dealt || has_tier(control, state, device, &tier))
        return MU_OK;
    mu_status status = mu_speed_tiers_join(control, device, has_tier, state, &tier, err);
    if (!status)
        put_in_tier(control, state, device, tier);
    return status;
}

/* ---- when: a round of each tier. A task's label is its tier. ---- */

typedef struct tier_members {
    const fedat_state *state;
    uint32_t           tier;
} tier_members;

static bool is_member(mu_control *control, const void *self, uint32_t device)
{
    const tier_members *members = self;
    return tier_of(control, members->state, device) == members->tier;
}

/* A timer is for one round of one tier, or for whoever comes next. */
#define TIMER_ARRIVAL UINT64_MAX
static uint64_t deadline_label(uint32_t tier, uint32_t round) { return (uint64_t)round * TIERS_MAX + tier; }

/* Nothing begins when nobody of the tier is there. */
static mu_status begin_round(mu_control *control, fedat_state *state, uint32_t tier, mu_error *err)
{
    tier_round *round = &state->rounds[tier];
    if (round->under_way || mu_control_is_finished(control))
        return MU_OK;
    uint32_t wanted = state->cohort < mu_control_device_count(control) ? state->cohort : mu_control_device_count(control), count = 0;
    uint32_t *devices = malloc(wanted * sizeof *devices);
    if (!devices)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a cohort of %u", wanted);
    tier_members members = { state, tier };
    mu_status status = mu_control_select(control, &(mu_among){ is_member, &members }, wanted, devices, &count, err);
    for (uint32_t i = 0; i < count && !status; i++)
        status = mu_control_send(control, &(mu_sending){ .device = devices[i], .label = tier }, err);
    free(devices);
    if (status || count == 0)
        return status;
    *round = (tier_round){ .number = round->number + 1, .open = count, .under_way = true };
    if (isfinite(state->deadline_s))
        status = mu_control_set_timer(control, mu_control_now(control) + mu_time_from_s(state->deadline_s),
                                      deadline_label(tier, round->number), err);
    return status;
}

/* Tiers that have nobody at work begin, or wait for somebody to come. */
static mu_status begin_rounds(mu_control *control, fedat_state *state, mu_error *err)
{
    bool somebody_missing = false;
    for (uint32_t tier = 0; tier < state->tiers; tier++) {
        mu_status status = begin_round(control, state, tier, err);
        if (status)
            return status;
        somebody_missing |= !state->rounds[tier].under_way;
    }
    if (!somebody_missing || mu_control_is_finished(control))
        return MU_OK;
    mu_time_us next = mu_control_next_ready(control);
    if (next == MU_TIME_NEVER && mu_control_tasks_open(control) == 0)
        return mu_error_set(err, MU_E_STATE, "version %u cannot be made: no device of any tier is there that could take part, now or later. A "
                            "device takes part when it is present and has examples and the memory that its plan needs",
                            mu_control_version(control) + 1);
    if (next >= state->wakes_at)
        return MU_OK;
    state->wakes_at = next;
    return mu_control_set_timer(control, next, TIMER_ARRIVAL, err);
}

static mu_status fold_round(mu_control *control, fedat_state *state, uint32_t tier, mu_error *err)
{
    uint32_t held_count = mu_control_held_count(control, state), count = 0;
    mu_held_id *ids = malloc((held_count ? held_count : 1) * sizeof *ids);
    if (!ids)
        return mu_error_set(err, MU_E_MEMORY, "no memory to look through %u updates", held_count);
    for (uint32_t i = 0; i < held_count; i++) {
        const mu_held *held = mu_control_held(control, state, i);
        if (held->task.label == tier)
            ids[count++] = held->id;
    }
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < count && !status; i++) {
        const mu_held *held = mu_control_held_named(control, ids[i]);
        status = mu_control_fold(control, &held->task, &held->update, err);
        mu_control_drop(control, ids[i]);
    }
    free(ids);
    return status;
}

/* After the last version nobody waits for what the other tiers had collected. */
static mu_status discard_rest(mu_control *control, fedat_state *state, mu_error *err)
{
    mu_status status = MU_OK;
    while (!status && mu_control_held_count(control, state) > 0) {
        const mu_held *held = mu_control_held(control, state, 0);
        mu_held_id id = held->id;
        status = mu_control_discard(control, &held->task, "the run was over before its tier's round", err);
        mu_control_drop(control, id);
    }
    return status;
}

static mu_status end_round(mu_control *control, fedat_state *state, uint32_t tier, mu_error *err)
{
    tier_round *round = &state->rounds[tier];
    round->under_way = false;
    mu_status status = round->open ? mu_control_cancel(control, tier, err) : MU_OK;
    round->open = 0;
    if (!status)
        status = fold_round(control, state, tier, err);
    if (!status && mu_control_folded(control) > 0) { /* else all were lost, or none was sound */
        if (mu_control_version(control) + 1 == mu_control_total_rounds(control))
            status = discard_rest(control, state, err);
        if (!status)
            status = mu_control_commit(control, err);
    }
    return status ? status : begin_rounds(control, state, err);
}

static mu_status look(mu_control *control, fedat_state *state, uint32_t tier, mu_error *err)
{
    const tier_round *round = &state->rounds[tier];
    bool is_over = round->open == 0 || (round->deadline_passed && round->reports > 0);
    return is_over ? end_round(control, state, tier, err) : MU_OK;
}

static mu_status fedat_started(mu_control *control, void *self, mu_error *err)
{
    fedat_state *state = self;
    state->wakes_at = MU_TIME_NEVER;
    mu_status status = deal(control, state, err);
    return status ? status : begin_rounds(control, state, err);
}

static mu_status fedat_arrived(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    fedat_state *state = self;
    uint32_t tier = (uint32_t)task->label;
    state->rounds[tier].open--;
    state->rounds[tier].reports++;
    mu_status status = mu_control_hold(control, state, task, update, NULL, err);
    return status ? status : look(control, state, tier, err);
}

static mu_status fedat_lost(mu_control *control, void *self, const mu_task *task, mu_error *err)
{
    fedat_state *state = self;
    uint32_t tier = (uint32_t)task->label;
    state->rounds[tier].open--;
    return look(control, state, tier, err);
}

static mu_status fedat_timer(mu_control *control, void *self, uint64_t label, mu_error *err)
{
    fedat_state *state = self;
    if (label == TIMER_ARRIVAL) {
        if (mu_control_now(control) >= state->wakes_at)
            state->wakes_at = MU_TIME_NEVER;
        return begin_rounds(control, state, err);
    }
    uint32_t tier = (uint32_t)(label % TIERS_MAX);
    tier_round *round = &state->rounds[tier];
    if (!round->under_way || deadline_label(tier, round->number) != label)
        return MU_OK; /* of a round that was over before */
    round->deadline_passed = true;
    return look(control, state, tier, err);
}

/* ---- merge: vector m is w_m ---- */

/* A device's tier says whose model its update belongs to, whoever sent it and whenever: so this merges under any schedule. */
static mu_status fedat_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    fedat_state *state = self;
    mu_status status = deal(control, state, err);
    if (status)
        return status;
    if (!state->begun)
        for (uint32_t tier = 0; tier < state->tiers; tier++)
            memcpy(mu_control_vector(control, state, tier), mu_control_state(control), update->count * sizeof(float));
    state->begun = true;
    uint32_t tier = tier_of(control, state, task->device);
    double weight = mu_weight_of(state->weight_by, update);
    state->total_weight[tier] += weight;
    /* the round's first update takes the place of the tier's old model: its share is 1 */
    float share = (float)(weight / state->total_weight[tier]), *mean = mu_control_vector(control, state, tier);
    for (size_t i = 0; i < update->count; i++) {
        float y = update->start[i] + update->delta[i];
        mean[i] = share < 1.0f ? mean[i] + share * (y - mean[i]) : y;
    }
    return MU_OK;
}

static mu_status fedat_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    fedat_state *state = self;
    uint64_t all = 0;
    for (uint32_t tier = 0; tier < state->tiers; tier++) {
        state->reported[tier] += state->total_weight[tier] > 0.0;
        state->total_weight[tier] = 0.0;
        all += state->reported[tier];
    }
    size_t count = mu_model_state_count(mu_control_model(control));
    memset(model, 0, count * sizeof *model);
    for (uint32_t tier = 0; tier < state->tiers; tier++) {
        float weight = (float)((double)state->reported[state->tiers - 1 - tier] / (double)all);
        mu_kernels()->axpy(count, weight, mu_control_vector(control, state, tier), model);
    }
    return MU_OK;
}

static mu_vectors fedat_vectors(const void *self)
{
    const fedat_state *state = self;
    return (mu_vectors){ .server = state->tiers };
}

const mu_method mu_method_fedat = {
    .name = "fedat",
    .paper = "Chai et al. 2021, arXiv:2010.05958",
    .help = "tiers of equally fast devices, each with synchronous rounds of its own; slow tiers count as often as fast ones report",
    .state_bytes = sizeof(fedat_state),
    .device_bytes = sizeof(fedat_device),
    .vectors = fedat_vectors,
    .came = fedat_came,
    .options = fedat_options,
    .option_count = MU_COUNT(fedat_options),
    .when = &(const mu_when){ .started = fedat_started, .arrived = fedat_arrived, .lost = fedat_lost, .timer = fedat_timer },
    .merge = &(const mu_merge){ .fold = fedat_fold, .finish = fedat_finish },
};
