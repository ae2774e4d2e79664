/* A run in phases, one after the other: search, then train; or large steps, then fine ones. Each phase has synchronous rounds of its own kind: how
 * many, how large a cohort, how long devices train, how fast they learn. Plans carry the phase's number, so that what is trained, how, and what
 * crosses the wire can differ too, as in FedOBD's two stages (Chen et al. 2023, arXiv:2208.05174). */
#include "base/limits.h"
#include "method/method_registry.h"
#include "method/rounds.h"
#include "muster/method.h"

#include <math.h>

typedef struct phases_state {
    mu_rounds rounds; /* its cohort is that of the round that begins next */
    /* options: a number for each phase, or one for all of them */
    mu_reals phase_rounds, phase_cohort, phase_epochs, phase_rate;
    uint32_t usual_cohort; /* the option cohort */
} phases_state;

static const mu_option phases_options[] = {
    { "phase_rounds", MU_OPTION_REALS, offsetof(phases_state, phase_rounds), 1, MU_LIMIT_ROUNDS, "", NULL, "rounds",
      "of each phase; the last one goes on to the end of the run" },
    { "phase_cohort", MU_OPTION_REALS, offsetof(phases_state, phase_cohort), 1, MU_LIMIT_DEVICES, "", NULL, "devices",
      "updates that make a round of each phase; empty: as cohort says" },
    { "phase_local_epochs", MU_OPTION_REALS, offsetof(phases_state, phase_epochs), 1, 1e6, "", NULL, "passes",
      "over a device's own data in a task of each phase; empty: as the section train says" },
    { "phase_learning_rate", MU_OPTION_REALS, offsetof(phases_state, phase_rate), 1e-9, 1e9, "", NULL, NULL,
      "what the learning rate is multiplied with in each phase; empty: 1" },
    MU_ROUNDS_OPTIONS(phases_state, rounds),
};

static uint32_t phase_count(const phases_state *state)
{
    return state->phase_rounds.count ? state->phase_rounds.count : 1;
}

static uint32_t phase_of(const phases_state *state, uint32_t version)
{
    double end = 0.0;
    for (uint32_t phase = 0; phase + 1 < phase_count(state); phase++) {
        end += state->phase_rounds.values[phase];
        if (version < end)
            return phase;
    }
    return phase_count(state) - 1;
}

static double value_of(const mu_reals *values, uint32_t phase, double otherwise)
{
    return values->count == 0 ? otherwise : values->values[values->count == 1 ? 0 : phase];
}

static mu_status phases_check(const void *self, mu_error *err)
{
    const phases_state *state = self;
    const struct { const char *name; const mu_reals *values; bool whole; } lists[] = {
        { "phase_rounds", &state->phase_rounds, true },
        { "phase_cohort", &state->phase_cohort, true },
        { "phase_local_epochs", &state->phase_epochs, true },
        { "phase_learning_rate", &state->phase_rate, false },
    };
    for (size_t i = 0; i < MU_COUNT(lists); i++) {
        const mu_reals *values = lists[i].values;
        if (values->count > 1 && values->count != phase_count(state))
            return mu_error_set(err, MU_E_CONFIG, "%s has %u numbers, but phase_rounds makes %u phases: give one for each, or one for all",
                                lists[i].name, values->count, phase_count(state));
        for (uint32_t k = 0; k < values->count && lists[i].whole; k++)
            if (values->values[k] != floor(values->values[k]))
                return mu_error_set(err, MU_E_CONFIG, "%s: %g is not a whole number", lists[i].name, values->values[k]);
    }
    return mu_rounds_check(&state->rounds, err);
}

/* ---- when ---- */

/* A round begins within the event that ends the one before it, so its cohort is put there ahead. */
static void foresee(phases_state *state, uint32_t version)
{
    state->rounds.cohort = (uint32_t)value_of(&state->phase_cohort, phase_of(state, version), state->usual_cohort);
}

static mu_status phases_started(mu_control *control, void *self, mu_error *err)
{
    phases_state *state = self;
    state->usual_cohort = state->rounds.cohort;
    foresee(state, 0);
    return mu_rounds_started(control, &state->rounds, err);
}

static mu_status phases_arrived(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    phases_state *state = self;
    foresee(state, mu_control_version(control) + 1);
    return mu_rounds_arrived(control, &state->rounds, task, update, err);
}

static mu_status phases_lost(mu_control *control, void *self, const mu_task *task, mu_error *err)
{
    phases_state *state = self;
    foresee(state, mu_control_version(control) + 1);
    return mu_rounds_lost(control, &state->rounds, task, err);
}

static mu_status phases_timer(mu_control *control, void *self, uint64_t label, mu_error *err)
{
    phases_state *state = self;
    foresee(state, mu_control_version(control) + 1);
    return mu_rounds_timer(control, &state->rounds, label, err);
}

static bool phases_waits_for_all(const void *self)
{
    const phases_state *state = self;
    return mu_rounds_wait_for_all(&state->rounds);
}

static void phases_plan(mu_control *control, void *self, mu_plan *plan)
{
    (void)control;
    const phases_state *state = self;
    plan->phase = phase_of(state, plan->version);
    plan->train.local_epochs = (uint32_t)value_of(&state->phase_epochs, plan->phase, plan->train.local_epochs);
    plan->learning_rate *= value_of(&state->phase_rate, plan->phase, 1.0);
}

const mu_method mu_method_phases = {
    .name = "phases",
    .paper = "two stages as in Chen et al. 2023, arXiv:2208.05174",
    .help = "synchronous rounds in phases, each with its own number of rounds, cohort, local epochs and learning rate",
    .state_bytes = sizeof(phases_state),
    .options = phases_options,
    .option_count = MU_COUNT(phases_options),
    .check = phases_check,
    .when = &(const mu_when){ .started = phases_started, .arrived = phases_arrived, .lost = phases_lost, .timer = phases_timer,
                              .plan = phases_plan, .waits_for_all = phases_waits_for_all },
};
