/* Federated averaging: what every question is answered with where no other method has an answer.
 * McMahan et al. 2017, arXiv:1602.05629, Algorithm 1; over-selection, deadline and the minimum of reports as in
 * Bonawitz et al. 2019, arXiv:1902.01046. */
#include "base/limits.h"
#include "muster/method.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fedavg_state {
    /* options */
    uint32_t cohort, minimum_reports;
    double   over_selection, deadline_s;
    int      weight_by;
    /* the round under way */
    bool   deadline_passed;
    double total_weight;
} fedavg_state;

enum { WEIGHT_BY_EXAMPLES, WEIGHT_BY_NOTHING };
static const char *const weightings[] = { [WEIGHT_BY_EXAMPLES] = "examples", [WEIGHT_BY_NOTHING] = "nothing", NULL };

static const mu_option fedavg_options[] = {
    { "cohort", MU_OPTION_COUNT, offsetof(fedavg_state, cohort), 1, MU_LIMIT_DEVICES, "10", NULL, "devices",
      "updates that make a round" },
    { "over_selection", MU_OPTION_REAL, offsetof(fedavg_state, over_selection), 1, 100, "1", NULL, NULL,
      "devices asked for each update wanted; who comes after the cohort is full is not waited for" },
    { "deadline_s", MU_OPTION_REAL, offsetof(fedavg_state, deadline_s), 1e-6, INFINITY, "inf", NULL, "s",
      "a round ends this long after it began, if the minimum of reports is there" },
    { "minimum_reports", MU_OPTION_COUNT, offsetof(fedavg_state, minimum_reports), 1, MU_LIMIT_DEVICES, "1", NULL, "updates",
      "a round does not end with fewer; who is lost is replaced until they are there" },
    { "weight_by", MU_OPTION_CHOICE, offsetof(fedavg_state, weight_by), 0, 0, "examples", weightings, NULL,
      "an update's weight in the mean: the device's number of examples, or the same for all" },
};

static mu_status fedavg_check(const void *self, mu_error *err)
{
    const fedavg_state *state = self;
    if (state->minimum_reports > state->cohort)
        return mu_error_set(err, MU_E_CONFIG, "minimum_reports is %u and cohort %u: a round would never end", state->minimum_reports,
                            state->cohort);
    return MU_OK;
}

/* ---- who: uniformly among the devices that are ready ---- */

static bool can_be_chosen(mu_control *control, uint32_t device)
{
    /* Once a version: who replaces a lost device is somebody who has not reported in this round. */
    const mu_history *history = mu_control_history(control, device);
    bool has_trained_it = history->tasks_done && history->last_version == mu_control_version(control);
    return !has_trained_it && mu_control_is_ready(control, device);
}

static int compare_devices(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* When few are ready, drawing and looking would go on for long: list those who are and draw from the list. */
static mu_status select_from_list(mu_control *control, mu_random *random, uint32_t wanted, uint32_t *devices, uint32_t *count,
                                  mu_error *err)
{
    uint32_t all = mu_control_device_count(control), ready_count = 0, taken = *count;
    uint32_t *ready = malloc(all * sizeof *ready), *sorted = malloc((taken ? taken : 1) * sizeof *sorted);
    if (!ready || !sorted) {
        free(ready);
        free(sorted);
        return mu_error_set(err, MU_E_MEMORY, "no memory to choose among %u devices", all);
    }
    memcpy(sorted, devices, taken * sizeof *sorted);
    qsort(sorted, taken, sizeof *sorted, compare_devices);
    for (uint32_t device = 0; device < all; device++)
        if (can_be_chosen(control, device) && !bsearch(&device, sorted, taken, sizeof *sorted, compare_devices))
            ready[ready_count++] = device;
    for (uint32_t i = 0; i < ready_count && *count < wanted; i++) {
        uint32_t j = i + mu_random_below(random, ready_count - i), chosen = ready[j];
        ready[j] = ready[i];
        devices[(*count)++] = chosen;
    }
    free(sorted);
    free(ready);
    return MU_OK;
}

/* A set of the devices drawn so far, open addressing; large enough to stay half empty. */
typedef struct drawn_set {
    uint32_t *slots; /* device + 1; 0: empty */
    uint32_t  mask;
} drawn_set;

static bool drawn_set_add(drawn_set *set, uint32_t device)
{
    for (uint32_t i = (device * 2654435761u) & set->mask;; i = (i + 1) & set->mask) {
        if (set->slots[i] == device + 1)
            return false;
        if (set->slots[i] == 0) {
            set->slots[i] = device + 1;
            return true;
        }
    }
}

static mu_status fedavg_select(mu_control *control, void *self, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    (void)self;
    uint32_t all = mu_control_device_count(control), size = 16;
    while (size < 2u * wanted && size < 1u << 30)
        size *= 2;
    drawn_set drawn = { calloc(size, sizeof *drawn.slots), size - 1 };
    if (!drawn.slots)
        return mu_error_set(err, MU_E_MEMORY, "no memory to choose %u devices", wanted);
    /* The stream is named by the tasks given so far, so that choosing twice in one round is choosing differently. */
    mu_random random = mu_random_stream(mu_control_seed(control), MU_RANDOM_SELECT, mu_control_version(control),
                                        mu_control_tasks_sent(control));
    *count = 0;
    uint64_t patience = 20ull * wanted + 100;
    while (*count < wanted && *count < all && patience--) {
        uint32_t device = mu_random_below(&random, all);
        if (can_be_chosen(control, device) && drawn_set_add(&drawn, device))
            devices[(*count)++] = device;
    }
    free(drawn.slots);
    if (*count < wanted && *count < all)
        return select_from_list(control, &random, wanted, devices, count, err);
    return MU_OK;
}

/* ---- what, how, wire: everything, plain local training, float32 as it is ---- */

static mu_status fedavg_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, mu_error *err)
{
    (void)control, (void)self, (void)device, (void)plan, (void)err;
    return MU_OK;
}

static uint64_t fedavg_bytes(const mu_model *model, void *self, const mu_plan *plan)
{
    (void)self, (void)plan;
    return (uint64_t)mu_model_state_count(model) * sizeof(float);
}

/* ---- when: synchronous rounds ---- */

/* Timers carry the version that they are for: one that a later round finds is out of date. */
enum { TIMER_DEADLINE, TIMER_TRY_AGAIN, TIMER_KINDS };

static mu_status set_round_timer(mu_control *control, int kind, mu_time_us at, mu_error *err)
{
    return mu_control_set_timer(control, at, (uint64_t)mu_control_version(control) * TIMER_KINDS + (uint64_t)kind, err);
}

/* Ask `wanted` devices. When nobody is there, try again at the next moment at which somebody could be. */
static mu_status ask(mu_control *control, uint32_t wanted, mu_error *err)
{
    if (wanted > mu_control_device_count(control))
        wanted = mu_control_device_count(control);
    uint32_t *devices = malloc(wanted * sizeof *devices), count = 0;
    if (!devices)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a cohort of %u", wanted);
    mu_status status = mu_control_select(control, wanted, devices, &count, err);
    for (uint32_t i = 0; i < count && !status; i++)
        status = mu_control_send(control, devices[i], err);
    free(devices);
    if (status || count > 0 || mu_control_tasks_open(control) > 0)
        return status;
    mu_time_us next = mu_control_next_ready(control);
    if (next == MU_TIME_NEVER)
        return mu_error_set(err, MU_E_STATE, "round %u cannot go on: no device is there that could take part, now or later; %u updates are "
                            "in. A device takes part when it is present and has examples and the memory that its plan needs",
                            mu_control_version(control) + 1, mu_control_folded(control));
    return set_round_timer(control, TIMER_TRY_AGAIN, next, err);
}

static mu_status begin_round(mu_control *control, fedavg_state *state, mu_error *err)
{
    state->deadline_passed = false;
    mu_status status = ask(control, (uint32_t)ceil(state->cohort * state->over_selection), err);
    if (!status && isfinite(state->deadline_s))
        status = set_round_timer(control, TIMER_DEADLINE, mu_control_now(control) + mu_time_from_s(state->deadline_s), err);
    return status;
}

/* After anything has happened: is the round over, or is somebody to be replaced? */
static mu_status look(mu_control *control, fedavg_state *state, mu_error *err)
{
    uint32_t reports = mu_control_folded(control), open = mu_control_tasks_open(control);
    bool enough = reports >= state->minimum_reports;
    if (reports < state->cohort && !(enough && (state->deadline_passed || open == 0)))
        return open == 0 ? ask(control, state->cohort - reports, err) : MU_OK;
    mu_status status = mu_control_cancel_all(control, err);
    if (!status)
        status = mu_control_commit(control, err);
    if (!status && mu_control_version(control) < mu_control_total_rounds(control))
        status = begin_round(control, state, err);
    return status;
}

static mu_status fedavg_started(mu_control *control, void *self, mu_error *err)
{
    return begin_round(control, self, err);
}

static mu_status fedavg_arrived(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    mu_status status = mu_control_fold(control, task, update, err);
    return status ? status : look(control, self, err);
}

static mu_status fedavg_lost(mu_control *control, void *self, const mu_task *task, mu_error *err)
{
    (void)task;
    return look(control, self, err);
}

static mu_status fedavg_timer(mu_control *control, void *self, uint64_t label, mu_error *err)
{
    fedavg_state *state = self;
    if (label / TIMER_KINDS != mu_control_version(control))
        return MU_OK;
    if (label % TIMER_KINDS == TIMER_DEADLINE)
        state->deadline_passed = true;
    /* with nobody there yet, only the other timer brings anybody */
    if (label % TIMER_KINDS == TIMER_DEADLINE && mu_control_tasks_open(control) == 0 && mu_control_folded(control) < state->minimum_reports)
        return MU_OK;
    return look(control, state, err);
}

/* ---- merge: the weighted mean of what devices changed, as a running mean ---- */

/* total += weight;  mean += (weight / total) * (delta - mean): one vector of memory however many report. */
static mu_status fedavg_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    (void)task, (void)err;
    fedavg_state *state = self;
    double weight = state->weight_by == WEIGHT_BY_EXAMPLES ? update->num_examples : 1.0;
    state->total_weight += weight;
    mu_kernels()->mean_step(update->count, (float)(weight / state->total_weight), update->delta, mu_control_vector(control, state, 0));
    return MU_OK;
}

static mu_status fedavg_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    fedavg_state *state = self;
    float *mean = mu_control_vector(control, state, 0);
    size_t count = mu_model_state_count(mu_control_model(control));
    mu_kernels()->axpy(count, 1.0f, mean, model);
    memset(mean, 0, count * sizeof *mean);
    state->total_weight = 0.0;
    return MU_OK;
}

const mu_method mu_method_fedavg = {
    .name = "fedavg",
    .paper = "McMahan et al. 2017, arXiv:1602.05629",
    .help = "synchronous rounds of uniformly chosen devices; the mean of what they changed, weighted by their examples",
    .state_bytes = sizeof(fedavg_state),
    .server_vectors = 1,
    .options = fedavg_options,
    .option_count = MU_COUNT(fedavg_options),
    .check = fedavg_check,
    .who = &(const mu_who){ .select = fedavg_select },
    .what = &(const mu_what){ .plan = fedavg_plan },
    .how = &(const mu_how){ 0 },
    .wire = &(const mu_wire){ .bytes_down = fedavg_bytes, .bytes_up = fedavg_bytes },
    .when = &(const mu_when){ .started = fedavg_started, .arrived = fedavg_arrived, .lost = fedavg_lost, .timer = fedavg_timer },
    .merge = &(const mu_merge){ .fold = fedavg_fold, .finish = fedavg_finish },
};
