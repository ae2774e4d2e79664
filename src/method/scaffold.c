/* SCAFFOLD: control variates take the drift out of local training. Karimireddy et al. 2020, arXiv:1910.06378, Algorithm 1 with option II.
 *
 *     on a device, K steps from x:  y -= eta (g(y) - c_i + c);  then  dc = -c + (x - y) / (K eta);  c_i += dc once its update is merged
 *     on the server, m updates:     x += eta_g mean(y - x);  c += m/N mean(dc)                       both means uniform
 *
 * c goes down with the model and belongs to its version, c_i stays on the device, dc comes up: twice the traffic both ways. N counts the devices that can
 * ever take part, so that c is at all times the mean of all N c_i, those of devices never chosen included. (x - y) / (K eta) is the mean
 * gradient of plain SGD alone. Option I, the gradient over all of the device's examples at x, would be a second pass over the data. */
#include "method/mean.h"
#include "tensor/kernels.h"

#include <string.h>

typedef struct scaffold_state {
    double   server_learning_rate; /* option */
    mu_mean  change, control_change;
    uint32_t updates;    /* m */
    uint32_t population; /* N; 0: not counted yet */
} scaffold_state;

enum { VECTOR_CHANGE, VECTOR_CONTROL_CHANGE, VECTOR_COUNT };

static const mu_option scaffold_options[] = {
    { "server_learning_rate", MU_OPTION_REAL, offsetof(scaffold_state, server_learning_rate), 1e-12, 1e6, "1", NULL, NULL,
      "share of the mean change that goes into the model" },
};

static mu_vectors scaffold_vectors(const void *self)
{
    (void)self;
    return (mu_vectors){ .server = VECTOR_COUNT, .received = 1, .own = 1, .sent = 1 };
}

static mu_status scaffold_check_setting(const void *self, const mu_setting *setting, mu_error *err)
{
    (void)self;
    if (setting->answers[MU_HOW] != setting->answers[MU_MERGE])
        return mu_error_set(err, MU_E_CONFIG, "scaffold corrects local training by what it merges: it has to answer both 'how' and 'merge', "
                            "but they are '%s' and '%s'", setting->answers[MU_HOW]->name, setting->answers[MU_MERGE]->name);
    if (setting->train->optimizer != MU_OPTIMIZER_SGD || setting->train->momentum != 0.0)
        return mu_error_set(err, MU_E_CONFIG, "scaffold finds a device's mean gradient from how far its weights moved, which only plain SGD "
                            "allows: set train.optimizer to sgd and train.momentum to 0");
    return MU_OK;
}

/* ---- on the device ---- */

static void scaffold_gradient(void *self, const mu_step_view *view)
{
    (void)self;
    const float *c = view->received[0], *c_i = view->own[0];
    for (size_t i = 0; i < view->count; i++)
        view->gradient[i] += c[i] - c_i[i];
}

static void scaffold_end(void *self, const mu_step_view *view)
{
    (void)self;
    const float *c = view->received[0];
    float *dc = view->sent[0], steps_inverse = (float)(1.0 / (view->step * view->plan->learning_rate));
    for (size_t i = 0; i < view->count; i++)
        dc[i] = (view->round_start[i] - view->params[i]) * steps_inverse - c[i];
    memset(dc + view->count, 0, (mu_model_state_count(view->model) - view->count) * sizeof *dc);
}

static void scaffold_settled(void *self, float *const *own, const float *const *sent, size_t count)
{
    (void)self;
    for (size_t i = 0; i < count; i++)
        own[0][i] += sent[0][i];
}

/* ---- on the server ---- */

static mu_status scaffold_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    (void)task, (void)err;
    scaffold_state *state = self;
    mu_mean_add(&state->change, 1.0, update->delta, update->count, mu_control_vector(control, state, VECTOR_CHANGE));
    mu_mean_add(&state->control_change, 1.0, update->sent[0], update->count, mu_control_vector(control, state, VECTOR_CONTROL_CHANGE));
    state->updates++;
    return MU_OK;
}

/* Whoever has examples, the memory for the plan, and comes at all. */
static uint32_t count_population(mu_control *control)
{
    uint32_t population = 0;
    mu_task task;
    for (uint32_t d = 0; d < mu_control_device_count(control); d++)
        if (mu_control_num_examples(control, d) > 0 && mu_fleet_comes_on(mu_control_fleet(control), d, 0) != MU_TIME_NEVER &&
            mu_control_price(control, d, &task, NULL) == MU_OK && task.price.fits)
            population++;
    return population;
}

static mu_status scaffold_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    scaffold_state *state = self;
    if (state->population == 0 || mu_control_presence_is_told(control)) /* it may have grown */
        state->population = count_population(control);
    size_t params = mu_model_param_count(mu_control_model(control)), count = mu_model_state_count(mu_control_model(control));
    float *change = mu_control_vector(control, state, VECTOR_CHANGE);
    float *control_change = mu_control_vector(control, state, VECTOR_CONTROL_CHANGE);
    mu_kernels()->axpy(params, (float)state->server_learning_rate, change, model);
    mu_kernels()->axpy(count - params, 1.0f, change + params, model + params);
    mu_kernels()->axpy(count, (float)((double)state->updates / state->population), control_change, mu_control_received(control, state, 0));
    mu_mean_clear(&state->change, count, change);
    mu_mean_clear(&state->control_change, count, control_change);
    state->updates = 0;
    return MU_OK;
}

const mu_method mu_method_scaffold = {
    .name = "scaffold",
    .paper = "Karimireddy et al. 2020, arXiv:1910.06378",
    .help = "control variates take the drift out of local training: every device's steps are corrected by how it differs from the others",
    .state_bytes = sizeof(scaffold_state),
    .vectors = scaffold_vectors,
    .options = scaffold_options,
    .option_count = MU_COUNT(scaffold_options),
    .check_setting = scaffold_check_setting,
    .how = &(const mu_how){ .gradient = scaffold_gradient, .end = scaffold_end, .settled = scaffold_settled },
    .merge = &(const mu_merge){ .fold = scaffold_fold, .finish = scaffold_finish },
};
