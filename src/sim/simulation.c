/* A simulation: the simulator with its workers, and the federation over it. */
#include "sim/simulator.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mu_simulation {
    mu_simulator   simulator;
    mu_federation *federation;
};

static uint32_t processor_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count : 1;
}

static mu_status start_workers(mu_simulator *sim, mu_error *err)
{
    sim->trainers = calloc(sim->workers, sizeof *sim->trainers);
    sim->evaluators = calloc(sim->workers, sizeof *sim->evaluators);
    if (!sim->trainers || !sim->evaluators)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u workers", sim->workers);
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < sim->workers && !status; i++) {
        status = mu_trainer_create(sim->model, sim->units, &sim->trainers[i], err);
        if (!status)
            status = mu_trainer_create(sim->model, sim->units, &sim->evaluators[i], err);
    }
    return status ? status : mu_pool_create(sim->workers, &sim->pool, err);
}

mu_status mu_simulation_create(const mu_experiment *experiment, const mu_simulate_config *config, const mu_observer *observer,
                               mu_simulation **out, mu_error *err)
{
    mu_simulation *simulation = calloc(1, sizeof *simulation);
    if (!simulation)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the simulation");
    mu_federation_config federation = *mu_experiment_config(experiment);
    federation.checkpoint_path = config->checkpoint_path;
    federation.resume = config->resume;
    mu_simulator *sim = &simulation->simulator;
    sim->model = federation.model;
    sim->units = federation.units;
    sim->data = federation.data;
    sim->fleet = federation.fleet;
    sim->seed = federation.seed;
    sim->dry = federation.train.dry;
    sim->how = federation.answers[MU_HOW];
    if (sim->how.method->vectors)
        sim->crossing = sim->how.method->vectors(sim->how.state);
    sim->workers = config->workers ? config->workers : processor_count();
    sim->window = 4 * sim->workers;
    mu_status status = start_workers(sim, err);
    if (!status)
        status = mu_simulator_create_own(sim, err);
    mu_carrier carrier = mu_simulator_carrier(sim);
    if (!status)
        status = mu_federation_create(&federation, &carrier, observer, &simulation->federation, err);
    if (status) {
        mu_simulation_destroy(simulation);
        return status;
    }
    *out = simulation;
    return MU_OK;
}

void mu_simulation_destroy(mu_simulation *simulation)
{
    if (!simulation)
        return;
    mu_simulator *sim = &simulation->simulator;
    mu_simulator_release_flights(sim);
    mu_simulator_release_tiers(sim);
    mu_simulator_release_own(sim);
    mu_federation_destroy(simulation->federation);
    mu_pool_destroy(sim->pool);
    for (uint32_t i = 0; i < sim->workers; i++) {
        if (sim->trainers)
            mu_trainer_destroy(sim->trainers[i]);
        if (sim->evaluators)
            mu_trainer_destroy(sim->evaluators[i]);
    }
    free(sim->trainers);
    free(sim->evaluators);
    free(simulation);
}

mu_status mu_simulation_run(mu_simulation *simulation, mu_error *err)
{
    return mu_federation_run(simulation->federation, err);
}

mu_federation *mu_simulation_federation(mu_simulation *simulation) { return simulation->federation; }
uint32_t mu_simulation_workers(const mu_simulation *simulation) { return simulation->simulator.workers; }

size_t mu_simulation_peak_memory_bytes(const mu_simulation *simulation)
{
    mu_carrier carrier = mu_simulator_carrier((mu_simulator *)(uintptr_t)&simulation->simulator);
    return carrier.peak_memory_bytes(carrier.self);
}
