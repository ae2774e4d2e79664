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
    uint32_t      events_left; /* until the coordinator falls over; UINT32_MAX: it does not */
    desk_devices *devices;     /* that come in when it opens its doors */
    mu_store     *store;
    mu_desk      *desk;
    bool          is_open;
} crash;

static void open_doors(void *self)
{
    crash *c = self;
    c->is_open = true;
    desk_devices_attach(c->devices, c->store, c->desk);
}

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

enum { ROUNDS = 3, DEVICES = 8 };

/* How long each device's task of each round was planned to compute. */
typedef struct plans {
    double   compute_s[ROUNDS][DEVICES];
    uint32_t sent, different; /* tasks, some of them again; planned otherwise than before */
} plans;

static plans *seen_plans; /* NULL: nobody looks, and what devices' tasks took is not learned from */

enum { TASKS_MAX = 256 };

/* 1 + the device that each task was sent to, by its number; 0: nobody yet. What a device has sent for a task is of no use to another, so a coordinator that was started
 * again sends to the same. NULL: nobody looks. */
static uint32_t *sent_to;

static void see_device(const mu_event_report *report)
{
    const uint64_t number = mu_task_number(report->task->id);
    const uint32_t device = 1 + report->task->device;
    assert_true(number < TASKS_MAX);
    if (sent_to[number])
        assert_int_equal(sent_to[number], device);
    sent_to[number] = device;
}

static mu_status see_plan(void *self, const mu_event_report *report, mu_error *err)
{
    (void)self;
    (void)err;
    if (sent_to && report->happening == MU_HAPPENED_SENT)
        see_device(report);
    if (!seen_plans || report->happening != MU_HAPPENED_SENT)
        return MU_OK;
    double *planned_s = &seen_plans->compute_s[report->round - 1][report->task->device], now_s = report->task->price.compute_s;
    seen_plans->sent++;
    seen_plans->different += *planned_s > 0 && memcmp(planned_s, &now_s, sizeof now_s) != 0;
    *planned_s = now_s;
    return MU_OK;
}

static mu_serve_config serve_config(void)
{
    return (mu_serve_config){ .wait_for_devices = DEVICES, .presence_s = 3600, .lease_s = 3600, .planned_order = true,
                              .reported_profiles = seen_plans != NULL };
}

static void expect(mu_status status, mu_status wanted, const mu_error *err)
{
    if (status != wanted)
        fail_msg("%s", err->message);
}

/* What a federation came to. */
typedef struct ended {
    float         *state; /* NULL: it did not come to its end */
    double         accuracy, loss, tier_accuracy[MU_TIERS_MAX];
    uint32_t      *devices, count; /* that were looked at in the end, and ... */
    mu_evaluation *each;           /* ... on which the last version was this good */
} ended;

static void end_release(ended *e)
{
    free(e->state);
    free(e->devices);
    free(e->each);
}

static ended end_of(mu_federation *federation, const mu_experiment *experiment)
{
    const mu_totals *totals = mu_federation_totals(federation);
    const size_t size_bytes = mu_model_state_count(mu_experiment_model(experiment)) * sizeof(float);
    ended e = { .accuracy = totals->final_accuracy, .loss = totals->final_loss, .state = malloc(size_bytes) };
    memcpy(e.state, mu_federation_state(federation), size_bytes);
    memcpy(e.tier_accuracy, totals->tier_accuracy, sizeof e.tier_accuracy);
    mu_error err = { 0 };
    expect(mu_federation_look_at_devices(federation, &e.devices, &e.each, &e.count, &err), MU_OK, &err);
    return e;
}

/* One life of the coordinator. What the federation came to is in *out, if it did. */
static bool live_once(const place *p, mu_experiment *experiment, desk_devices *devices, uint32_t events, ended *out)
{
    crash c = { .events_left = events, .devices = devices };
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
    c.store = store;
    c.desk = desk;
    expect(mu_starts_create(config.model, config.units, received, p->blobs, &starts, &err), MU_OK, &err);
    const mu_network_config network_config = {
        .federation = &config, .data = mu_experiment_told_data(experiment), .fleet = mu_experiment_told_fleet(experiment), .serve = &serve,
        .updates_folder = p->updates, .store = store, .desk = desk, .starts = starts, .self = &c, .live = open_doors, .stop = falls_over,
    };
    expect(mu_network_create(&network_config, &network, &err), MU_OK, &err);
    mu_carrier carrier = mu_network_carrier(network);
    falling = (falling_carrier){ .real = carrier, .crash = &c };
    carrier.saved = saved_or_not;
    const mu_observer observer = { .self = &c, .event = see_plan, .stop = falls_over };
    expect(mu_federation_create(&config, &carrier, &observer, &federation, &err), MU_OK, &err);
    mu_status status = mu_federation_run(federation, &err);
    if (status && status != MU_E_INTERRUPTED)
        fail_msg("%s", err.message);
    c.events_left = UINT32_MAX;
    if (status == MU_OK)
        *out = end_of(federation, experiment);
    if (c.is_open)
        desk_devices_detach(devices);
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

static ended simulate(const place *p, const char *recipe, const char *const *settings, size_t count)
{
    mu_experiment *experiment = load(p, recipe, settings, count);
    mu_simulation *simulation = NULL;
    mu_error err = { 0 };
    const mu_simulate_config config = { .workers = 1 };
    expect(mu_simulation_create(experiment, &config, NULL, &simulation, &err), MU_OK, &err);
    expect(mu_simulation_run(simulation, &err), MU_OK, &err);
    ended e = end_of(mu_simulation_federation(simulation), experiment);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return e;
}

static void expect_same(const ended *a, const ended *b, size_t state_count)
{
    assert_memory_equal(a->state, b->state, state_count * sizeof *a->state);
    assert_memory_equal(&a->accuracy, &b->accuracy, sizeof a->accuracy);
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
    assert_memory_equal(a->tier_accuracy, b->tier_accuracy, sizeof a->tier_accuracy);
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->devices[i], b->devices[i]);
        assert_true(a->each[i].count > 0);
        assert_memory_equal(&a->each[i], &b->each[i], sizeof a->each[i]);
    }
}

/* Served, falling over every so many events (0: never), and devices in another order each time. Gives how often devices looked at a model. */
static uint32_t expect_parity(const char *recipe, const char *const *settings, size_t count, uint32_t falls_after, uint64_t shuffle)
{
    place p = make_place();
    ended wanted = simulate(&p, recipe, settings, count), served = { 0 };
    mu_experiment *first = load(&p, recipe, settings, count);
    desk_devices *devices = desk_devices_create(first, p.updates, shuffle);
    mu_random random = mu_random_stream(shuffle, MU_RANDOM_CHOICE, 1, 0);
    for (uint32_t lives = 0; !served.state; lives++) {
        mu_experiment *experiment = load(&p, recipe, settings, count); /* another process knows nothing of what was told to this one */
        uint32_t events = falls_after ? 1 + mu_random_below(&random, 2 * falls_after) : UINT32_MAX;
        live_once(&p, experiment, devices, lives < 60 ? events : UINT32_MAX, &served);
        mu_experiment_destroy(experiment);
    }
    expect_same(&served, &wanted, mu_model_state_count(mu_experiment_model(first)));
    uint32_t looks = desk_devices_looks(devices);
    end_release(&served);
    end_release(&wanted);
    desk_devices_destroy(devices);
    mu_experiment_destroy(first);
    remove_place(&p);
    return looks;
}

static const char *const recipes[] = { "fedavg", "fedprox", "fedadam", "scaffold", "heterofl", "fjord", "fedrolex" };

static void served_as_simulated(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MU_COUNT(recipes); i++) {
        print_message("%s\n", recipes[i]);
        assert_int_equal(expect_parity(recipes[i], NULL, 0, 0, 100 + i), 0);
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

/* Devices are asked to look at the model on their own examples. Asked: how often, undisturbed. */
static const struct { const char *recipe, *settings[5]; size_t count; uint32_t asked; } looks[] = {
    /* 4 versions, in 2 tiers 4 devices each */
    { "tifl", { "who.tiers=2", "who.interval=1", "when.cohort=3", "who.evaluated_devices=4" }, 4, 2 * 8 },
    /* 4 versions, looked at in each of the recipe's widths */
    { "heterofl", { "evaluate.norm_statistics=devices" }, 1, 4 * 3 * 8 },
    { "fjord", { "evaluate.norm_statistics=devices", "evaluate.statistics_examples=7", "evaluate.statistics_devices=5" }, 3, 4 * 5 * 5 },
    { "fedavg", { "evaluate.norm_statistics=devices", "evaluate.devices=6", "evaluate.own_classes=true" }, 3, 4 * 8 + 6 },
    { "fedprox", { "evaluate.tier_examples=1000" }, 1, 4 * 8 },
};

static void devices_look_at_the_model_as_simulated_ones_do(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MU_COUNT(looks); i++) {
        print_message("%s\n", looks[i].recipe);
        assert_int_equal(expect_parity(looks[i].recipe, looks[i].settings, looks[i].count, 0, 300 + i), looks[i].asked);
    }
}

/* They count as devices without examples, and nobody waits for them for long. */
static void who_does_not_look_is_done_without(void **unused)
{
    (void)unused;
    enum { CANNOT = 2, DOES_NOT = 5 };
    static const char *const settings[] = { "evaluate.devices=8", "evaluate.norm_statistics=devices" };
    place p = make_place();
    ended served = { 0 }, all = simulate(&p, "fedavg", settings, MU_COUNT(settings));
    mu_experiment *experiment = load(&p, "fedavg", settings, MU_COUNT(settings));
    const size_t params = mu_model_param_count(mu_experiment_model(experiment));
    desk_devices *devices = desk_devices_create(experiment, p.updates, 500);
    desk_devices_will_not_look(devices, CANNOT, DOES_NOT);
    assert_true(live_once(&p, experiment, devices, UINT32_MAX, &served));
    assert_int_equal(desk_devices_looks(devices), (4 + 1) * 6);
    assert_int_equal(served.count, 8);
    for (uint32_t i = 0; i < served.count; i++)
        assert_int_equal(served.each[i].count > 0, i != CANNOT && i != DOES_NOT);
    assert_memory_equal(served.state, all.state, params * sizeof *all.state);
    assert_true(served.state[params] != all.state[params]); /* the mean of six, not of eight */
    end_release(&served);
    end_release(&all);
    desk_devices_destroy(devices);
    mu_experiment_destroy(experiment);
    remove_place(&p);
}

static void so_they_do_for_one_that_falls_over(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MU_COUNT(looks); i++) {
        print_message("%s\n", looks[i].recipe);
        assert_true(expect_parity(looks[i].recipe, looks[i].settings, looks[i].count, 12, 400 + i) >= looks[i].asked);
    }
}

/* ---- learned speeds ---- */

static const double took_s[DEVICES] = { 0.001, 0.0012, 0.0014, 0.0016, 0.0018, 0.002, 0.0022, 0.0024 };

/* One that falls over every so many events (0: never). Gives how often. */
static uint32_t serve_and_learn(uint32_t falls_after, uint64_t shuffle, plans *out, ended *served)
{
    static const char *const all[] = { "when.cohort=8" };
    place p = make_place();
    mu_experiment *first = load(&p, "fedavg", all, MU_COUNT(all));
    desk_devices *devices = desk_devices_create(first, p.updates, shuffle);
    mu_random random = mu_random_stream(shuffle, MU_RANDOM_CHOICE, 1, 0);
    uint32_t lives = 0;
    desk_devices_take(devices, took_s);
    *out = (plans){ .sent = 0 };
    seen_plans = out;
    for (*served = (ended){ 0 }; !served->state; lives++) {
        mu_experiment *experiment = load(&p, "fedavg", all, MU_COUNT(all));
        const uint32_t events = falls_after ? 1 + mu_random_below(&random, 2 * falls_after) : UINT32_MAX;
        live_once(&p, experiment, devices, lives < 30 ? events : UINT32_MAX, served);
        mu_experiment_destroy(experiment);
    }
    seen_plans = NULL;
    desk_devices_destroy(devices);
    mu_experiment_destroy(first);
    remove_place(&p);
    return lives - 1;
}

static void tasks_are_planned_with_what_was_measured(void **unused)
{
    (void)unused;
    plans undisturbed, fallen;
    ended a, b;
    assert_int_equal(serve_and_learn(0, 500, &undisturbed, &a), 0);
    assert_int_equal(undisturbed.sent, ROUNDS * DEVICES);
    for (uint32_t i = 0; i < DEVICES; i++) {
        assert_true(undisturbed.compute_s[0][i] != undisturbed.compute_s[1][i]); /* by its class, and by what it took */
        assert_float_equal(undisturbed.compute_s[1][i], took_s[i], 1e-9 * took_s[i]);
        assert_float_equal(undisturbed.compute_s[2][i], took_s[i] / (0.75 + 0.25 / 2), 1e-9 * took_s[i]); /* the second took twice what was planned */
    }
    assert_true(serve_and_learn(30, 501, &fallen, &b) > 1);
    assert_int_equal(fallen.different, 0);
    assert_memory_equal(fallen.compute_s, undisturbed.compute_s, sizeof fallen.compute_s);
    assert_memory_equal(a.state, b.state, sizeof *a.state); /* the first of the weights, which all of the order of merging is in */
    end_release(&a);
    end_release(&b);
}

/* ---- an asynchronous one: what it makes of an event depends on those before it ---- */

static void falling_over_it_sends_tasks_to_the_same_devices(void **unused)
{
    (void)unused;
    static const char *const settings[] = { "rounds=10", "checkpoint_every_rounds=2" };
    for (uint64_t shuffle = 600; shuffle < 612; shuffle++) {
        place p = make_place();
        static uint32_t numbers[TASKS_MAX];
        char asynchronous[sizeof text + 64];
        const char *when = strstr(text, "when:");
        snprintf(asynchronous, sizeof asynchronous, "%.*swhen: {concurrency: 8, goal: 4}%s", (int)(when - text), text, strchr(when, '\n'));
        assert_int_equal(mu_file_write(p.config, asynchronous, strlen(asynchronous), NULL), MU_OK);
        mu_experiment *first = load(&p, "fedbuff", settings, MU_COUNT(settings));
        desk_devices *devices = desk_devices_create(first, p.updates, shuffle);
        mu_random random = mu_random_stream(shuffle, MU_RANDOM_CHOICE, 1, 0);
        ended served = { 0 };
        memset(numbers, 0, sizeof numbers);
        sent_to = numbers;
        for (uint32_t lives = 0; !served.state; lives++) {
            mu_experiment *experiment = load(&p, "fedbuff", settings, MU_COUNT(settings));
            live_once(&p, experiment, devices, lives < 60 ? 1 + mu_random_below(&random, 24) : UINT32_MAX, &served);
            mu_experiment_destroy(experiment);
        }
        sent_to = NULL;
        assert_true(numbers[40]); /* ten versions of four updates */
        end_release(&served);
        desk_devices_destroy(devices);
        mu_experiment_destroy(first);
        remove_place(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(served_as_simulated),
        cmocka_unit_test(served_by_one_that_falls_over),
        cmocka_unit_test(falling_over_it_sends_tasks_to_the_same_devices),
        cmocka_unit_test(devices_look_at_the_model_as_simulated_ones_do),
        cmocka_unit_test(so_they_do_for_one_that_falls_over),
        cmocka_unit_test(who_does_not_look_is_done_without),
        cmocka_unit_test(tasks_are_planned_with_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
