/* The carrier over the network against the simulator: the same experiment ends with the same weights, whatever order devices come in and however often the
 * coordinator falls over. */
#include "desk_devices.h"

#include "base/file.h"
#include "muster/experiment.h"
#include "muster/serve.h"
#include "net/carrier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char text[] =
    "name: parity\n"
    "rounds: 3\n"
    "model:\n"
    "  layers:\n"
    "    - {conv: c, channels: 4, kernel: 3}\n"
    "    - {batch_norm: n}\n"
    "    - relu\n"
    "    - {max_pool: p, size: 4}\n"
    "    - flatten\n"
    "    - {dense: h, units: 10}\n"
    "    - relu\n"
    "    - {dense: d}\n"
    "data: {name: writers, devices: 8, examples_per_device: 24, test_examples: 200}\n"
    "fleet: mixed\n"
    "train: {local_epochs: 1, batch_size: 8, learning_rate: 0.1}\n"
    "when: {cohort: 6}\n"
    "evaluate: {tier_examples: 0, devices: 0, norm_statistics: trained}\n";

typedef struct place {
    char folder[64], config[96], store[96], checkpoint[96], blobs[96], updates[96];
} place;

static place make_place(void)
{
    place p = { .folder = "/tmp/muster-carrier-XXXXXX" };
    assert_non_null(mkdtemp(p.folder));
    snprintf(p.config, sizeof p.config, "%s/parity.yaml", p.folder);
    snprintf(p.store, sizeof p.store, "%s/store.db", p.folder);
    snprintf(p.checkpoint, sizeof p.checkpoint, "%s/checkpoint", p.folder);
    snprintf(p.blobs, sizeof p.blobs, "%s/blobs", p.folder);
    snprintf(p.updates, sizeof p.updates, "%s/updates", p.folder);
    assert_int_equal(mu_folder_make(p.blobs, NULL), MU_OK);
    assert_int_equal(mu_folder_make(p.updates, NULL), MU_OK);
    assert_int_equal(mu_file_write(p.config, text, strlen(text), NULL), MU_OK);
    return p;
}

static void remove_place(const place *p)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", p->folder);
    assert_int_equal(system(command), 0);
}

typedef struct crash {
    uint32_t events_left; /* until the coordinator falls over; UINT32_MAX: it does not */
} crash;

static bool falls_over(void *self)
{
    crash *c = self;
    if (c->events_left == UINT32_MAX)
        return false;
    return c->events_left == 0 || --c->events_left == 0;
}

/* The carrier, but the coordinator may fall over when its checkpoint is written and the journal not yet emptied. */
typedef struct falling_carrier {
    mu_carrier real;
    crash     *crash;
} falling_carrier;

static falling_carrier falling;

static mu_status saved_or_not(void *self, mu_error *err)
{
    if (falls_over(falling.crash))
        return mu_error_set(err, MU_E_INTERRUPTED, "fell over");
    return falling.real.saved(self, err);
}

static mu_serve_config serve_config(void)
{
    return (mu_serve_config){ .wait_for_devices = 8, .presence_s = 3600, .lease_s = 3600, .planned_order = true };
}

static void expect(mu_status status, mu_status wanted, const mu_error *err)
{
    if (status != wanted)
        fail_msg("%s", err->message);
}

/* One life of the coordinator. true: the federation came to its end, and its weights are in *state. */
static bool live_once(const place *p, mu_experiment *experiment, desk_devices *devices, uint32_t events, float **state)
{
    crash c = { events };
    mu_error err = { 0 };
    mu_federation_config config = *mu_experiment_config(experiment);
    config.start_devices = 8;
    config.checkpoint_path = p->checkpoint;
    config.resume = mu_file_exists(p->checkpoint);
    mu_store *store = NULL;
    mu_desk *desk = NULL;
    mu_starts *starts = NULL;
    mu_network *network = NULL;
    mu_federation *federation = NULL;
    const mu_serve_config serve = serve_config();
    mu_answer how = config.answers[MU_HOW];
    uint32_t received = how.method->vectors ? how.method->vectors(how.state).received : 0;
    expect(mu_store_open(p->store, MU_STORE_OWNER, &store, &err), MU_OK, &err);
    expect(mu_desk_create(mu_data_device_count(config.data), &desk, &err), MU_OK, &err);
    expect(mu_starts_create(config.model, config.units, received, p->blobs, &starts, &err), MU_OK, &err);
    const mu_network_config network_config = {
        .federation = &config, .data = mu_experiment_told_data(experiment), .fleet = mu_experiment_told_fleet(experiment), .serve = &serve,
        .updates_folder = p->updates, .store = store, .desk = desk, .starts = starts, .self = &c, .stop = falls_over,
    };
    expect(mu_network_create(&network_config, &network, &err), MU_OK, &err);
    mu_carrier carrier = mu_network_carrier(network);
    falling = (falling_carrier){ .real = carrier, .crash = &c };
    carrier.saved = saved_or_not;
    const mu_observer observer = { .self = &c, .stop = falls_over };
    expect(mu_federation_create(&config, &carrier, &observer, &federation, &err), MU_OK, &err);
    desk_devices_attach(devices, store, desk);
    mu_status status = mu_federation_run(federation, &err);
    desk_devices_detach(devices);
    if (status && status != MU_E_INTERRUPTED)
        fail_msg("%s", err.message);
    if (status == MU_OK) {
        size_t size_bytes = mu_model_state_count(config.model) * sizeof(float);
        *state = malloc(size_bytes);
        memcpy(*state, mu_federation_state(federation), size_bytes);
    }
    mu_federation_destroy(federation);
    mu_network_destroy(network);
    mu_starts_destroy(starts);
    mu_desk_destroy(desk);
    mu_store_close(store);
    return status == MU_OK;
}

static mu_experiment *load(const place *p, const char *recipe, const char *const *settings, size_t count)
{
    mu_experiment *experiment = NULL;
    mu_error err = { 0 };
    expect(mu_experiment_load(p->config, recipe, settings, count, &experiment, &err), MU_OK, &err);
    return experiment;
}

static float *simulate(const place *p, const char *recipe, const char *const *settings, size_t count)
{
    mu_experiment *experiment = load(p, recipe, settings, count);
    mu_simulation *simulation = NULL;
    mu_error err = { 0 };
    const mu_simulate_config config = { .workers = 1 };
    expect(mu_simulation_create(experiment, &config, NULL, &simulation, &err), MU_OK, &err);
    expect(mu_simulation_run(simulation, &err), MU_OK, &err);
    size_t size_bytes = mu_model_state_count(mu_experiment_model(experiment)) * sizeof(float);
    float *state = malloc(size_bytes);
    memcpy(state, mu_federation_state(mu_simulation_federation(simulation)), size_bytes);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return state;
}

/* Served, falling over every so many events (0: never), and devices in another order each time. */
static void expect_parity(const char *recipe, const char *const *settings, size_t count, uint32_t falls_after, uint64_t shuffle)
{
    place p = make_place();
    float *wanted = simulate(&p, recipe, settings, count), *state = NULL;
    mu_experiment *first = load(&p, recipe, settings, count);
    desk_devices *devices = desk_devices_create(first, p.updates, shuffle);
    size_t size_bytes = mu_model_state_count(mu_experiment_model(first)) * sizeof(float);
    mu_random random = mu_random_stream(shuffle, MU_RANDOM_CHOICE, 1, 0);
    for (uint32_t lives = 0; !state; lives++) {
        mu_experiment *experiment = load(&p, recipe, settings, count); /* another process knows nothing of what was told to this one */
        uint32_t events = falls_after ? 1 + mu_random_below(&random, 2 * falls_after) : UINT32_MAX;
        live_once(&p, experiment, devices, lives < 60 ? events : UINT32_MAX, &state);
        mu_experiment_destroy(experiment);
    }
    assert_memory_equal(state, wanted, size_bytes);
    free(state);
    free(wanted);
    desk_devices_destroy(devices);
    mu_experiment_destroy(first);
    remove_place(&p);
}

static const char *const recipes[] = { "fedavg", "fedprox", "fedadam", "scaffold", "heterofl", "fjord", "fedrolex" };

static void served_as_simulated(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MU_COUNT(recipes); i++) {
        print_message("%s\n", recipes[i]);
        expect_parity(recipes[i], NULL, 0, 0, 100 + i);
    }
}

static void served_by_one_that_falls_over(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MU_COUNT(recipes); i++) {
        print_message("%s\n", recipes[i]);
        expect_parity(recipes[i], NULL, 0, 4, 200 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(served_as_simulated),
        cmocka_unit_test(served_by_one_that_falls_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
