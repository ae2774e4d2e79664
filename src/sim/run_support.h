/* For tests: an experiment run in virtual time, and everything that was told while it ran. */
#ifndef MUSTER_SIM_RUN_SUPPORT_H
#define MUSTER_SIM_RUN_SUPPORT_H

#include "muster/experiment.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A text in a file of its own below /tmp; the path goes into `path`. The caller unlinks it. */
static inline void write_text(const char *text, char path[64])
{
    snprintf(path, 64, "/tmp/muster-test-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd)) {
        perror(path);
        abort();
    }
}

/* How a run ended. */
typedef struct run_result {
    mu_status status; /* of loading too */
    bool      loaded;
    mu_error  err;
    size_t    state_count;
    float    *state; /* the caller frees it; NULL where it was not loaded */
    mu_totals totals;
} run_result;

typedef struct run_setup {
    const char             *path, *recipe; /* of the experiment; recipe may be NULL */
    const char *const      *settings;
    size_t                  setting_count;
    const mu_method *const *methods; /* beside those that are built in */
    size_t                  method_count;
    uint32_t                workers;
    const mu_observer      *observer; /* may be NULL */
    void (*created)(void *self, const mu_experiment *experiment, mu_simulation *simulation); /* may be NULL: before it runs */
    void                   *self;
    void (*version_made)(void *self, uint32_t version); /* for watch_support.h; may be NULL */
} run_setup;

static inline run_result run_experiment(const run_setup *setup)
{
    run_result result = { 0 };
    mu_experiment *experiment = NULL;
    mu_simulation *simulation = NULL;
    const mu_simulate_config config = { .workers = setup->workers };
    result.status = mu_experiment_load_with(setup->path, setup->recipe, setup->settings, setup->setting_count, setup->methods,
                                            setup->method_count, &experiment, &result.err);
    result.loaded = result.status == MU_OK;
    if (!result.status)
        result.status = mu_simulation_create(experiment, &config, setup->observer, &simulation, &result.err);
    if (!result.status && setup->created)
        setup->created(setup->self, experiment, simulation);
    if (!result.status)
        result.status = mu_simulation_run(simulation, &result.err);
    if (simulation) {
        const mu_federation *federation = mu_simulation_federation(simulation);
        result.state_count = mu_model_state_count(mu_experiment_model(experiment));
        result.state = malloc(result.state_count * sizeof *result.state);
        memcpy(result.state, mu_federation_state(federation), result.state_count * sizeof *result.state);
        result.totals = *mu_federation_totals(federation);
    }
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return result;
}

/* Counts the rounds that it is told of, and stops a run. */
typedef struct stopper {
    uint32_t rounds, stop_after; /* rounds beside round 0; 0: never */
} stopper;

static inline mu_status stopper_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)report, (void)err;
    ((stopper *)self)->rounds++;
    return MU_OK;
}

static inline bool stopper_stop(void *self)
{
    const stopper *s = self;
    return s->stop_after && s->rounds > s->stop_after;
}

/* The weights that a run comes to on two workers, which the caller frees. With stop_after it is interrupted there, and the checkpoint has what it was; with
 * `resume` it goes on from the checkpoint. */
static inline float *run_in_pieces(const mu_experiment *experiment, const char *checkpoint_path, bool resume, uint32_t stop_after)
{
    stopper stop = { .stop_after = stop_after };
    mu_observer observer = { .self = &stop, .round = stopper_round, .stop = stopper_stop };
    mu_simulate_config config = { .workers = 2, .checkpoint_path = checkpoint_path, .resume = resume };
    mu_simulation *simulation = NULL;
    mu_error err = { 0 };
    mu_status status = mu_simulation_create(experiment, &config, &observer, &simulation, &err);
    if (!status)
        status = mu_simulation_run(simulation, &err);
    if (status != (stop_after ? MU_E_INTERRUPTED : MU_OK)) {
        fprintf(stderr, "%s: %s\n", mu_status_name(status), err.message);
        abort();
    }
    size_t size_bytes = mu_model_state_count(mu_experiment_model(experiment)) * sizeof(float);
    float *state = malloc(size_bytes);
    memcpy(state, mu_federation_state(mu_simulation_federation(simulation)), size_bytes);
    mu_simulation_destroy(simulation);
    return state;
}

static inline bool is_finite(const run_result *result)
{
    for (size_t i = 0; i < result->state_count; i++)
        if (!isfinite(result->state[i]))
            return false;
    return true;
}

#endif
