/* Federated averaging: what every question is answered with where no other method has an answer.
 * McMahan et al. 2017, arXiv:1602.05629, Algorithm 1; its rounds are those of rounds.h. */
#include "base/limits.h"
#include "method/mean.h"
#include "method/rounds.h"
#include "method/uniform.h"
#include "muster/method.h"
#include "tensor/kernels.h"

#include <math.h>

typedef struct fedavg_state {
    mu_rounds rounds;
    int       weight_by; /* option */
    mu_mean   mean;
} fedavg_state;

static const mu_option fedavg_options[] = {
    MU_ROUNDS_OPTIONS(fedavg_state, rounds),
    MU_WEIGHT_BY_ROW(fedavg_state, weight_by, "examples"),
};

static mu_status fedavg_check(const void *self, mu_error *err)
{
    const fedavg_state *state = self;
    return mu_rounds_check(&state->rounds, err);
}

static mu_vectors fedavg_vectors(const void *self)
{
    (void)self;
    return (mu_vectors){ .server = 1 };
}

/* ---- who: uniformly among the devices that are ready ---- */

static mu_status fedavg_select(mu_control *control, void *self, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    (void)self;
    mu_random random = mu_uniform_stream(control);
    return mu_uniform_select(control, &random, wanted, devices, count, err);
}

/* ---- what, how, wire: everything, plain local training, float32 as it is ---- */

static mu_status fedavg_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    (void)control, (void)self, (void)device, (void)plan, (void)kept, (void)err;
    return MU_OK;
}

static uint64_t fedavg_bytes(const mu_model *model, void *self, const mu_plan *plan)
{
    (void)self, (void)plan;
    return (uint64_t)mu_model_state_count(model) * sizeof(float);
}

/* ---- when: synchronous rounds ---- */

static mu_status fedavg_started(mu_control *control, void *self, mu_error *err)
{
    fedavg_state *state = self;
    return mu_rounds_started(control, &state->rounds, err);
}

static mu_status fedavg_arrived(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    fedavg_state *state = self;
    return mu_rounds_arrived(control, &state->rounds, task, update, err);
}

static mu_status fedavg_lost(mu_control *control, void *self, const mu_task *task, mu_error *err)
{
    fedavg_state *state = self;
    return mu_rounds_lost(control, &state->rounds, task, err);
}

static mu_status fedavg_timer(mu_control *control, void *self, uint64_t label, mu_error *err)
{
    fedavg_state *state = self;
    return mu_rounds_timer(control, &state->rounds, label, err);
}

static bool fedavg_waits_for_all(const void *self)
{
    const fedavg_state *state = self;
    return mu_rounds_wait_for_all(&state->rounds);
}

/* ---- merge: the weighted mean of what devices changed, as a running mean ---- */

static mu_status fedavg_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    (void)task, (void)err;
    fedavg_state *state = self;
    mu_mean_add(&state->mean, mu_weight_of(state->weight_by, update), update->delta, update->count, mu_control_vector(control, state, 0));
    return MU_OK;
}

static mu_status fedavg_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    fedavg_state *state = self;
    float *mean = mu_control_vector(control, state, 0);
    size_t count = mu_model_state_count(mu_control_model(control));
    mu_kernels()->axpy(count, 1.0f, mean, model);
    mu_mean_clear(&state->mean, count, mean);
    return MU_OK;
}

const mu_method mu_method_fedavg = {
    .name = "fedavg",
    .paper = "McMahan et al. 2017, arXiv:1602.05629",
    .help = "synchronous rounds of uniformly chosen devices; the mean of what they changed, weighted by their examples",
    .state_bytes = sizeof(fedavg_state),
    .vectors = fedavg_vectors,
    .options = fedavg_options,
    .option_count = MU_COUNT(fedavg_options),
    .check = fedavg_check,
    .who = &(const mu_who){ .select = fedavg_select },
    .what = &(const mu_what){ .plan = fedavg_plan },
    .how = &(const mu_how){ 0 },
    .wire = &(const mu_wire){ .bytes_down = fedavg_bytes, .bytes_up = fedavg_bytes },
    .when = &(const mu_when){ .started = fedavg_started, .arrived = fedavg_arrived, .lost = fedavg_lost, .timer = fedavg_timer,
                              .waits_for_all = fedavg_waits_for_all },
    .merge = &(const mu_merge){ .fold = fedavg_fold, .finish = fedavg_finish },
};
