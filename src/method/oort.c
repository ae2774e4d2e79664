/* Oort: ask those whose examples the model still gets wrong and who are fast enough, and keep trying new ones.
 * Lai et al. 2021, OSDI, arXiv:2010.06081; the rules are those of its published selector (SymbioticLab/Oort, oort/oort.py at f5fccf3).
 *
 *     U_i     = |B_i| sqrt(mean over B_i of loss^2)                       what device i's last report promises
 *     score_i = ( (min(U_i, clip) - min) / range + sqrt(0.1 ln R / L_i) ) * (T / t_i)^alpha if t_i > T
 *
 *     R  this round, L_i the round of its last report: who has not been asked for long is known badly
 *     t_i  how long its last task took; T a percentile of that over all devices, raised by the pacer when utility no longer grows
 *
 * Of K places, a share epsilon (it decays by the round) goes to devices that never reported, first those with many examples and speed; the
 * others to known ones: everybody whose score is at least c times the (K + 1)-th best may be drawn, in proportion to score.
 *
 * Scores of all known devices change a little every round. Sorting them every time would cost n log n; here they lie in a tournament (ranking.h),
 * a report changes its own device's score alone, in O(log n), and all are made anew, in O(n), when there was one report for every REFRESH_WORK
 * devices, or for every REFRESH_SHARE known ones. With some thousand devices that is every round. A choice looks at the best `candidates` for
 * each place at most. */
#include "base/limits.h"
#include "method/ranking.h"
#include "method/uniform.h"
#include "muster/math.h"

#include <math.h>
#include <stdlib.h>

#define REFRESH_WORK 512u
#define REFRESH_SHARE 4u

typedef struct oort_state {
    /* options */
    double   exploration, exploration_decay, exploration_min, cut_off, clip, percentile, penalty, pacer_step_percent, explore_window;
    uint32_t pacer_rounds, reports_max, candidates;
    /* norms of the scores, as they were when all were made anew */
    double least, range, clip_value, preferred_s; /* the paper's T */
    /* as it goes */
    bool     begun, refresh_due;
    uint32_t reports_since, explored, unexplored;
    double   percentile_now; /* where the pacer is */
    /* the pacer: utility of known devices that reported */
    uint32_t round, round_reports, rounds;
    double   round_utility, utility_now, utility_before; /* of the rounds since the pacer last looked; of as many before; below 0: none yet */
} oort_state;

/* On the server, for every device. */
typedef struct oort_device {
    float     utility;    /* U_i; of one that never reported, the examples that it would train on */
    float     duration_s; /* t_i, before its first report as the price list has it; 0: it cannot take part */
    uint32_t  last;       /* L_i; 0: it never reported */
    uint32_t  reports;
    mu_ranked known, unknown; /* -INFINITY in the one where it does not belong */
} oort_device;

static const mu_option oort_options[] = {
    { "exploration", MU_OPTION_REAL, offsetof(oort_state, exploration), 0, 1, "0.9", NULL, NULL,
      "share of a round for devices that never reported (the paper's epsilon), at the start" },
    { "exploration_decay", MU_OPTION_REAL, offsetof(oort_state, exploration_decay), 1e-6, 1, "0.98", NULL, NULL,
      "factor on that share, every round" },
    { "exploration_min", MU_OPTION_REAL, offsetof(oort_state, exploration_min), 0, 1, "0.2", NULL, NULL, "its least value" },
    { "explore_window", MU_OPTION_REAL, offsetof(oort_state, explore_window), 1, 1e6, "5", NULL, NULL,
      "of devices that never reported, the best so many times as are wanted may be drawn" },
    { "cut_off", MU_OPTION_REAL, offsetof(oort_state, cut_off), 0, 1, "0.95", NULL, NULL,
      "who has at least this share of the score of the last that is wanted may be drawn too (the paper's c)" },
    { "clip", MU_OPTION_REAL, offsetof(oort_state, clip), 0, 1, "0.95", NULL, NULL,
      "utilities above this quantile count as the quantile: against outliers" },
    { "preferred_percentile", MU_OPTION_REAL, offsetof(oort_state, percentile), 0, 100, "30", NULL, "%",
      "of task durations: slower devices are held back (the paper's T, at the start); 100: none is" },
    { "penalty", MU_OPTION_REAL, offsetof(oort_state, penalty), 0, 100, "2", NULL, NULL,
      "how much slower ones are held back: score times (T / duration)^penalty (the paper's alpha)" },
    { "pacer_rounds", MU_OPTION_COUNT, offsetof(oort_state, pacer_rounds), 1, MU_LIMIT_ROUNDS, "20", NULL, "rounds",
      "that the pacer compares with as many before (the paper's W)" },
    { "pacer_step", MU_OPTION_REAL, offsetof(oort_state, pacer_step_percent), 0, 100, "5", NULL, "%",
      "added to preferred_percentile when utility stays the same (the paper's Delta), taken away when it leaps" },
    { "reports_max", MU_OPTION_COUNT, offsetof(oort_state, reports_max), 0, MU_LIMIT_ROUNDS, "0", NULL, "reports",
      "a device with more is left alone, unless too few others are there; 0: no limit" },
    { "candidates", MU_OPTION_COUNT, offsetof(oort_state, candidates), 1, MU_LIMIT_DEVICES, "100", NULL, "devices",
      "looked at for each one wanted, best first; when that does not fill the places, the rest goes to whoever is ready" },
};

static oort_device *record_of(mu_control *control, const void *state, uint32_t device)
{
    return mu_control_device(control, state, device);
}

static mu_ranking ranking_of(mu_control *control, const void *state, size_t member)
{
    return (mu_ranking){ .first = (unsigned char *)record_of(control, state, 0) + member, .stride = sizeof(oort_device),
                         .count = mu_control_device_count(control), .salt = (uint32_t)mu_control_seed(control) };
}

/* ---- scores ---- */

static double held_back(const oort_state *state, const oort_device *record)
{
    return record->duration_s > state->preferred_s ? mu_pow(state->preferred_s / record->duration_s, state->penalty) : 1.0;
}

/* At least a little, so that it can be drawn. */
static float score_known(const oort_state *state, const oort_device *record, uint32_t round)
{
    double gain = (fmin(record->utility, state->clip_value) - state->least) / state->range;
    double doubt = sqrt(0.1 * mu_log(round) / record->last);
    return (float)fmax((gain + doubt) * held_back(state, record), 1e-6);
}

static void set_keys(const oort_state *state, oort_device *record, uint32_t round, float *known, float *unknown)
{
    *known = *unknown = -INFINITY;
    if (record->last == 0 && record->duration_s > 0.0f)
        *unknown = (float)fmax(record->utility * held_back(state, record), 1e-6);
    else if (record->last && !(state->reports_max && record->reports > state->reports_max))
        *known = score_known(state, record, round);
}

/* The value that would stand at `place` if they were sorted. Moves them about; O(count). */
static float nth_smallest(float *values, size_t count, size_t place)
{
    size_t low = 0, high = count - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i >= j)
                break;
            float swap = values[i];
            values[i++] = values[j];
            values[j--] = swap;
        }
        if (place <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[place];
}

static float quantile(float *values, size_t count, double share)
{
    size_t place = (size_t)((double)count * share);
    return nth_smallest(values, count, place < count ? place : count - 1);
}

static void set_norms(oort_state *state, float *utilities, uint32_t known, float *durations, uint32_t able)
{
    state->preferred_s = state->percentile_now < 100.0 && able ? quantile(durations, able, state->percentile_now / 100.0) : INFINITY;
    float least = INFINITY, most = 0.0f;
    for (uint32_t i = 0; i < known; i++) {
        least = utilities[i] < least ? utilities[i] : least;
        most = utilities[i] > most ? utilities[i] : most;
    }
    state->least = known ? 0.999 * (double)least : 0.0;
    state->range = fmax((double)most - state->least, 1e-4);
    state->clip_value = known ? quantile(utilities, known, state->clip) : INFINITY;
}

/* Norms, preferred duration and all scores. */
static mu_status refresh(mu_control *control, oort_state *state, mu_error *err)
{
    uint32_t devices = mu_control_device_count(control), known = 0, able = 0;
    float *utilities = malloc(2 * (size_t)devices * sizeof *utilities), *durations = utilities + devices;
    if (!utilities)
        return mu_error_set(err, MU_E_MEMORY, "no memory to score %u devices", devices);
    for (uint32_t device = 0; device < devices; device++) {
        const oort_device *record = record_of(control, state, device);
        if (record->last)
            utilities[known++] = record->utility;
        if (record->duration_s > 0.0f)
            durations[able++] = record->duration_s;
    }
    set_norms(state, utilities, known, durations, able);
    free(utilities);
    for (uint32_t device = 0; device < devices; device++) {
        oort_device *record = record_of(control, state, device);
        set_keys(state, record, mu_control_version(control) + 1, &record->known.key, &record->unknown.key);
    }
    mu_ranking known_ones = ranking_of(control, state, offsetof(oort_device, known));
    mu_ranking unknown_ones = ranking_of(control, state, offsetof(oort_device, unknown));
    mu_ranking_build(&known_ones);
    mu_ranking_build(&unknown_ones);
    state->explored = known;
    state->unexplored = able - known;
    state->reports_since = 0;
    state->refresh_due = false;
    return MU_OK;
}

static bool is_refresh_due(const oort_state *state)
{
    uint64_t reports = state->reports_since;
    return state->refresh_due ||
           (reports && (reports * REFRESH_WORK >= state->explored + state->unexplored || reports * REFRESH_SHARE >= state->explored));
}

/* What the price list expects of a device, if it could take part. */
static mu_status expect(mu_control *control, oort_state *state, uint32_t device, mu_error *err)
{
    mu_task task;
    uint32_t examples = mu_control_num_examples(control, device);
    mu_status status = mu_control_price(control, device, &task, err);
    if (status || !task.price.fits)
        return status;
    oort_device *record = record_of(control, state, device);
    uint64_t samples = mu_plan_samples(&task.plan, examples);
    record->utility = samples < examples ? (float)samples : (float)examples;
    record->duration_s = (float)fmax(task.price.download_s + task.price.compute_s + task.price.upload_s, 1e-6);
    return MU_OK;
}

/* One that nothing was known of is taken into the scores with the others, the next time somebody is chosen. */
static mu_status oort_came(mu_control *control, void *self, uint32_t device, mu_error *err)
{
    oort_state *state = self;
    if (!state->begun || record_of(control, state, device)->duration_s > 0.0f)
        return MU_OK;
    state->refresh_due = true;
    return expect(control, state, device, err);
}

/* Who could ever take part. */
static mu_status begin(mu_control *control, oort_state *state, mu_error *err)
{
    mu_status status = MU_OK;
    for (uint32_t device = 0; device < mu_control_device_count(control) && !status; device++)
        if (mu_control_num_examples(control, device) &&
            mu_fleet_comes_on(mu_control_fleet(control), device, mu_control_now(control)) != MU_TIME_NEVER)
            status = expect(control, state, device, err);
    state->begun = state->refresh_due = !status;
    state->utility_before = -1.0;
    state->percentile_now = state->percentile;
    state->round = mu_control_version(control) + 1;
    return status;
}

/* ---- the pacer ---- */

/* When utility of the last W rounds is that of the W before, what is fast is used up: slower devices may come. */
static void pace(oort_state *state, uint32_t round)
{
    if (round == state->round)
        return;
    state->utility_now += state->round_reports ? state->round_utility / state->round_reports : 0.0;
    state->rounds += round - state->round;
    state->round = round;
    state->round_utility = 0.0;
    state->round_reports = 0;
    if (state->rounds < state->pacer_rounds)
        return;
    double before = state->utility_before, change = fabs(state->utility_now - before), was = state->percentile_now;
    if (before >= 0.0 && change <= 0.1 * before)
        state->percentile_now = fmin(100.0, was + state->pacer_step_percent);
    else if (before >= 0.0 && change >= 5.0 * before)
        state->percentile_now = fmax(fmin(state->pacer_step_percent, was), was - state->pacer_step_percent);
    state->refresh_due |= state->percentile_now != was;
    state->utility_before = state->utility_now;
    state->utility_now = 0.0;
    state->rounds = 0;
}

/* ---- drawing ---- */

typedef struct place {
    uint32_t device;
    float    score;
    double   order; /* of the draw */
} place;

typedef struct pool {
    place   *places; /* ready ones, best first; behind them, from the end, devices that were looked at and are not ready */
    uint32_t ready, looked, capacity;
} pool;

static int compare_order(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->device > y->device) - (x->device < y->device);
}

/* Best first: all whose score is at least `cut_off` times that of the one after the first `sure`, and `most` at most. The ranking is as it was. */
static void fill_pool(mu_control *control, const mu_ranking *ranking, uint32_t sure, double cut_off, uint32_t most, pool *p)
{
    p->ready = p->looked = 0;
    while (p->looked < p->capacity && p->ready < most) {
        uint32_t device = mu_ranking_best(ranking);
        if (device == MU_RANKING_NONE)
            break;
        float score = mu_ranking_at(ranking, device)->key;
        if (p->ready > sure && score < cut_off * p->places[sure].score)
            break;
        place *free_place = mu_control_is_ready(control, device) ? &p->places[p->ready++] : &p->places[p->capacity - 1 - (p->looked - p->ready)];
        *free_place = (place){ .device = device, .score = score };
        p->looked++;
        mu_ranking_set(ranking, device, -INFINITY);
    }
    for (uint32_t i = 0; i < p->ready; i++)
        mu_ranking_set(ranking, p->places[i].device, p->places[i].score);
    for (uint32_t i = 0; i < p->looked - p->ready; i++)
        mu_ranking_set(ranking, p->places[p->capacity - 1 - i].device, p->places[p->capacity - 1 - i].score);
}

/* Without replacement in proportion to score: the first to ring of alarms with those rates (Efraimidis and Spirakis 2006). */
static void draw(mu_random *random, pool *p, uint32_t wanted, uint32_t *devices, uint32_t *count)
{
    for (uint32_t i = 0; i < p->ready; i++)
        p->places[i].order = -mu_log(1.0 - mu_random_unit(random)) / p->places[i].score;
    qsort(p->places, p->ready, sizeof *p->places, compare_order);
    for (uint32_t i = 0; i < p->ready && wanted; i++, wanted--)
        devices[(*count)++] = p->places[i].device;
}

/* How many places are for known devices: the fraction by chance, so that it holds for a single place too. */
static uint32_t places_for_known(const oort_state *state, mu_random *random, uint32_t wanted, uint32_t round)
{
    double epsilon = fmax(state->exploration * mu_pow(state->exploration_decay, round), state->exploration_min);
    uint32_t places = (uint32_t)(wanted * (1.0 - epsilon) + mu_random_unit(random));
    return state->unexplored == 0 ? wanted : places < wanted ? places : wanted;
}

static mu_status oort_select(mu_control *control, void *self, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    oort_state *state = self;
    uint32_t round = mu_control_version(control) + 1;
    mu_status status = state->begun ? MU_OK : begin(control, state, err);
    pace(state, round);
    if (!status && is_refresh_due(state))
        status = refresh(control, state, err);
    if (status)
        return status;
    pool p = { .capacity = (uint32_t)fmin((double)wanted * state->candidates, mu_control_device_count(control)) };
    p.places = malloc(p.capacity * sizeof *p.places);
    if (!p.places)
        return mu_error_set(err, MU_E_MEMORY, "no memory to choose among %u devices", p.capacity);
    mu_random random = mu_uniform_stream(control);
    uint32_t known = places_for_known(state, &random, wanted, round);
    mu_ranking ranking = ranking_of(control, state, offsetof(oort_device, known));
    if (known) {
        fill_pool(control, &ranking, known, state->cut_off, p.capacity, &p);
        draw(&random, &p, known, devices, count);
    }
    uint32_t left = wanted - *count;
    if (left && state->unexplored) {
        ranking = ranking_of(control, state, offsetof(oort_device, unknown));
        fill_pool(control, &ranking, left, 0.0, (uint32_t)fmin(ceil(left * state->explore_window), p.capacity), &p);
        draw(&random, &p, left, devices, count);
    }
    free(p.places);
    return *count < wanted ? mu_uniform_select(control, &random, wanted, devices, count, err) : MU_OK;
}

/* ---- learning ---- */

/* Who did not come back takes at least as long as it was waited for. */
static void oort_seen(mu_control *control, void *self, const mu_task *task, const mu_update *update)
{
    oort_state *state = self;
    if (!state->begun)
        return;
    oort_device *record = record_of(control, state, task->device);
    float took_s = (float)fmax(mu_time_to_s(mu_control_now(control) - task->sent_at), 1e-6);
    record->duration_s = update || took_s > record->duration_s ? took_s : record->duration_s;
    if (update) {
        double trained = fmin(update->num_examples, (double)update->steps * task->plan.train.batch_size);
        double utility = mu_control_is_dry(control) ? trained : trained * sqrt(update->train_squared_loss);
        record->utility = isfinite(utility) ? (float)utility : 0.0f;
        if (record->last) {
            state->round_utility += record->utility;
            state->round_reports++;
        } else {
            state->explored++;
            state->unexplored -= state->unexplored > 0;
        }
        record->last = mu_control_version(control) + 1;
        record->reports++;
    }
    state->reports_since++;
    float known = 0.0f, unknown = 0.0f;
    set_keys(state, record, mu_control_version(control) + 1, &known, &unknown);
    mu_ranking ranking = ranking_of(control, state, offsetof(oort_device, known));
    mu_ranking_set(&ranking, task->device, known);
    ranking = ranking_of(control, state, offsetof(oort_device, unknown));
    mu_ranking_set(&ranking, task->device, unknown);
}

const mu_method mu_method_oort = {
    .name = "oort",
    .paper = "Lai et al. 2021, arXiv:2010.06081",
    .help = "devices whose examples the model still gets wrong and that are fast enough, with a share for new ones",
    .state_bytes = sizeof(oort_state),
    .device_bytes = sizeof(oort_device),
    .options = oort_options,
    .option_count = MU_COUNT(oort_options),
    .came = oort_came,
    .who = &(const mu_who){ .select = oort_select, .seen = oort_seen },
};
