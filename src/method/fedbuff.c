/* Buffered asynchronous aggregation: every device runs at its own speed, and the model changes once K updates are in.
 * Nguyen et al. 2022, AISTATS, arXiv:2106.06639; example weights and the threshold of staleness as in FLSim.
 *
 *     keep M devices training: whenever one ends, fails or is lost, another starts
 *     each update:  buffer += s(tau) e(n) delta,   tau = versions made while it was trained
 *     K of them:    model <- server step by buffer / K;  buffer <- 0;  whoever is at work keeps what he has
 *
 * The sum is divided by K and not by the sum of weights: a buffer that is stale as a whole shall make a small step. */
#include "base/limits.h"
#include "method/server_step.h"
#include "method/staleness.h"
#include "muster/math.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fedbuff_state {
    /* options: when */
    uint32_t concurrency, goal;
    double   staleness_limit;
    bool     once_a_buffer;
    /* options: merge */
    mu_staleness   staleness;
    int            example_weight;
    double         typical_examples;
    mu_server_step server;
    /* as it goes */
    mu_time_us wakes_at;        /* the timer that is set; MU_TIME_NEVER: none */
    double     weight_of_typical; /* 0: not looked at yet */
    uint32_t   buffered;
} fedbuff_state;

enum { WEIGHT_NONE, WEIGHT_EXAMPLES, WEIGHT_SQRT, WEIGHT_LOG };
static const char *const example_weights[] = {
    [WEIGHT_NONE] = "none", [WEIGHT_EXAMPLES] = "examples", [WEIGHT_SQRT] = "sqrt", [WEIGHT_LOG] = "log", NULL,
};

static const mu_option fedbuff_options[] = {
    { "concurrency", MU_OPTION_COUNT, offsetof(fedbuff_state, concurrency), 1, MU_LIMIT_DEVICES, "100", NULL, "devices",
      "training at any time; whoever ends or is lost is replaced" },
    { "goal", MU_OPTION_COUNT, offsetof(fedbuff_state, goal), 1, MU_LIMIT_DEVICES, "10", NULL, "updates",
      "that make the next version (the paper's K)" },
    { "staleness_limit", MU_OPTION_REAL, offsetof(fedbuff_state, staleness_limit), 0, INFINITY, "inf", NULL, "versions",
      "an update that started longer ago is discarded" },
    { "once_a_buffer", MU_OPTION_BOOL, offsetof(fedbuff_state, once_a_buffer), 0, 0, "false", NULL, NULL,
      "a device whose update is in the buffer is not asked again before the next version" },
    MU_STALENESS_ROWS(fedbuff_state, staleness),
    { "example_weight", MU_OPTION_CHOICE, offsetof(fedbuff_state, example_weight), 0, 0, "none", example_weights, NULL,
      "weight by the device's number of examples n: 1, n, sqrt(n) or log(1 + n), over what it is for typical_examples" },
    { "typical_examples", MU_OPTION_REAL, offsetof(fedbuff_state, typical_examples), 0, MU_LIMIT_EXAMPLES, "0", NULL, "examples",
      "whose weight is 1; 0: the mean over the devices that have any" },
    MU_SERVER_STEP_ROWS(fedbuff_state, server),
};

/* ---- when: as many at work as there shall be ---- */

/* On the server, for every device. */
typedef struct fedbuff_device {
    uint32_t buffer; /* the last one that has an update of it: the version it became */
} fedbuff_device;

static bool is_not_in_buffer(mu_control *control, const void *self, uint32_t device)
{
    const fedbuff_device *record = mu_control_device(control, self, device);
    return record->buffer != mu_control_version(control) + 1;
}

/* Somebody may come while there is nothing to wait for, or fewer at work than there could be: look again then. */
static mu_status wake_for_arrival(mu_control *control, fedbuff_state *state, mu_error *err)
{
    mu_time_us next = mu_control_next_ready(control);
    if (next == MU_TIME_NEVER && mu_control_tasks_open(control) == 0)
        return mu_error_set(err, MU_E_STATE, "version %u cannot be made: no device is there that could take part, now or later; %u of %u "
                            "updates are in. A device takes part when it is present and has examples and the memory that its plan needs%s",
                            mu_control_version(control) + 1, mu_control_folded(control), state->goal,
                            state->once_a_buffer ? ", and has no update in the buffer (once_a_buffer)" : "");
    if (next >= state->wakes_at)
        return MU_OK;
    state->wakes_at = next;
    return mu_control_set_timer(control, next, 0, err);
}

static mu_status fill(mu_control *control, fedbuff_state *state, mu_error *err)
{
    uint32_t devices_in_all = mu_control_device_count(control), open = mu_control_tasks_open(control), count = 0;
    uint32_t most = state->concurrency < devices_in_all ? state->concurrency : devices_in_all;
    if (mu_control_is_finished(control) || open >= most)
        return MU_OK;
    uint32_t wanted = most - open;
    uint32_t *devices = malloc(wanted * sizeof *devices);
    if (!devices)
        return mu_error_set(err, MU_E_MEMORY, "no memory to choose %u devices", wanted);
    mu_among among = { is_not_in_buffer, state };
    mu_status status = mu_control_select(control, state->once_a_buffer ? &among : NULL, wanted, devices, &count, err);
    for (uint32_t i = 0; i < count && !status; i++)
        status = mu_control_send(control, &(mu_sending){ .device = devices[i] }, err);
    free(devices);
    return status || count == wanted ? status : wake_for_arrival(control, state, err);
}

/* A buffer that wants more devices than there are would never be full, while those who come and go keep time running. */
static mu_status check_once_a_buffer(mu_control *control, const fedbuff_state *state, mu_error *err)
{
    uint32_t able = 0; /* those who never come are counted too: nobody knows that they will not */
    for (uint32_t device = 0; device < mu_control_device_count(control) && able < state->goal; device++) {
        mu_task task;
        able += mu_control_num_examples(control, device) > 0 && !mu_control_price(control, device, &task, NULL) && task.price.fits;
    }
    if (able < state->goal)
        return mu_error_set(err, MU_E_CONFIG, "goal is %u and only %u devices could ever have an update in the buffer: with once_a_buffer it "
                            "would never be full", state->goal, able);
    return MU_OK;
}

static mu_status fedbuff_started(mu_control *control, void *self, mu_error *err)
{
    fedbuff_state *state = self;
    state->wakes_at = MU_TIME_NEVER;
    bool all_are_known = !mu_control_presence_is_told(control);
    mu_status status = state->once_a_buffer && all_are_known ? check_once_a_buffer(control, state, err) : MU_OK;
    return status ? status : fill(control, state, err);
}

static mu_status fedbuff_arrived(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    fedbuff_state *state = self;
    mu_status status;
    if (mu_staleness_of(control, task) > state->staleness_limit) {
        status = mu_control_discard(control, task, "too many versions were made meanwhile", err);
    } else {
        uint32_t before = mu_control_folded(control);
        status = mu_control_fold(control, task, update, err);
        if (mu_control_folded(control) > before) { /* it was sound */
            fedbuff_device *record = mu_control_device(control, state, task->device);
            record->buffer = mu_control_version(control) + 1;
        }
    }
    if (!status && mu_control_folded(control) >= state->goal)
        status = mu_control_commit(control, err);
    return status ? status : fill(control, state, err);
}

static mu_status fedbuff_lost(mu_control *control, void *self, const mu_task *task, mu_error *err)
{
    (void)task;
    return fill(control, self, err);
}

static mu_status fedbuff_timer(mu_control *control, void *self, uint64_t label, mu_error *err)
{
    (void)label;
    fedbuff_state *state = self;
    if (mu_control_now(control) >= state->wakes_at)
        state->wakes_at = MU_TIME_NEVER;
    return fill(control, state, err);
}

/* ---- merge ---- */

static double raw_weight(int kind, double examples)
{
    switch (kind) {
    case WEIGHT_EXAMPLES: return examples;
    case WEIGHT_SQRT: return sqrt(examples);
    case WEIGHT_LOG: return mu_log(1.0 + examples);
    default: return 1.0;
    }
}

static double mean_examples(const mu_control *control)
{
    uint64_t sum = 0, devices = 0;
    for (uint32_t device = 0; device < mu_control_device_count(control); device++) {
        uint32_t examples = mu_control_num_examples(control, device);
        sum += examples;
        devices += examples > 0;
    }
    return devices ? (double)sum / (double)devices : 1.0;
}

static double example_weight(mu_control *control, fedbuff_state *state, uint32_t examples)
{
    if (state->example_weight == WEIGHT_NONE)
        return 1.0;
    if (state->weight_of_typical == 0.0)
        state->weight_of_typical =
            raw_weight(state->example_weight, state->typical_examples > 0 ? state->typical_examples : mean_examples(control));
    return raw_weight(state->example_weight, examples) / state->weight_of_typical;
}

static mu_status fedbuff_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    (void)err;
    fedbuff_state *state = self;
    double fresh = mu_staleness_weight(&state->staleness, mu_staleness_of(control, task));
    size_t params = mu_model_param_count(mu_control_model(control));
    float *buffer = mu_control_vector(control, state, 0);
    mu_kernels()->axpy(params, (float)(fresh * example_weight(control, state, update->num_examples)), update->delta, buffer);
    /* Statistics of norms move towards the update's own, and not by its change of old ones: no variance shall fall below 0. */
    const float *model = mu_control_state(control);
    for (size_t i = params; i < update->count; i++)
        buffer[i] += (float)fresh * (update->start[i] - model[i] + update->delta[i]);
    state->buffered++;
    return MU_OK;
}

static mu_status fedbuff_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    fedbuff_state *state = self;
    size_t count = mu_model_state_count(mu_control_model(control));
    float *buffer = mu_control_vector(control, state, 0), updates = (float)state->buffered;
    for (size_t i = 0; i < count; i++)
        buffer[i] /= updates;
    mu_server_step_take(&state->server, control, state, 1, buffer, model);
    memset(buffer, 0, count * sizeof *buffer);
    state->buffered = 0;
    return MU_OK;
}

static mu_vectors fedbuff_vectors(const void *self)
{
    const fedbuff_state *state = self;
    return (mu_vectors){ .server = 1 + mu_server_step_vectors(&state->server) };
}

const mu_method mu_method_fedbuff = {
    .name = "fedbuff",
    .paper = "Nguyen et al. 2022, arXiv:2106.06639",
    .help = "buffered asynchronous: so many devices always at work, a new version for every few updates, stale ones count less",
    .state_bytes = sizeof(fedbuff_state),
    .device_bytes = sizeof(fedbuff_device),
    .vectors = fedbuff_vectors,
    .options = fedbuff_options,
    .option_count = MU_COUNT(fedbuff_options),
    .when = &(const mu_when){ .started = fedbuff_started, .arrived = fedbuff_arrived, .lost = fedbuff_lost, .timer = fedbuff_timer },
    .merge = &(const mu_merge){ .fold = fedbuff_fold, .finish = fedbuff_finish },
};
