/* Whole agents: against a coordinator, stopped at every turn, with the simulator's bits at the end; and against a desk by hand, with what does not happen by itself. */
#include "net/agent.h"
#include "net/test_http.h"

#include "base/clock.h"
#include "base/file.h"
#include "muster/experiment.h"
#include "muster/serve.h"
#include "net/blob.h"
#include "net/job.h"

#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64]; /* a folder for the test */

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/muster-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static mu_experiment *load(const char *recipe, const char *text)
{
    static char path[128]; /* the coordinator asks the experiment for it */
    mu_experiment *experiment;
    mu_error err;
    snprintf(path, sizeof path, "%s/x.yaml", root);
    if (mu_file_write(path, text, strlen(text), &err) || mu_experiment_load(path, recipe, NULL, 0, &experiment, &err))
        fail_msg("%s", err.message);
    return experiment;
}

/* ---- an agent on a thread ---- */

typedef struct device {
    mu_join_config config;
    char           token[65], folder[128], fingerprint[65];
    atomic_bool    stop;
    bool           stops_at_everything; /* the first time that anything happens to it */
    bool           stopped_at[MU_JOIN_FINISHED + 1];
    atomic_uint    happened[MU_JOIN_FINISHED + 1];
    char           said[MU_JOIN_FINISHED + 1][1200]; /* last */
    pthread_t      thread;
    mu_status      status;
    mu_error       err;
} device;

static void note(void *self, const mu_join_event *event)
{
    device *d = self;
    atomic_fetch_add(&d->happened[event->happening], 1);
    snprintf(d->said[event->happening], sizeof d->said[0], "%s", event->text ? event->text : "");
    if (d->stops_at_everything && !d->stopped_at[event->happening] && event->happening != MU_JOIN_FINISHED) {
        d->stopped_at[event->happening] = true;
        atomic_store(&d->stop, true);
    }
}

static void *live(void *self)
{
    device *d = self;
    do {
        atomic_store(&d->stop, false);
        d->status = mu_join(&d->config, &d->err);
        if (d->happened[MU_JOIN_ENROLLED])
            d->config.token_hex = NULL; /* it is needed once */
    } while (d->stops_at_everything && d->status == MU_E_INTERRUPTED);
    return NULL;
}

static device *make_device(uint32_t number, const char *url, const char *token_hex, const char *fingerprint, const mu_data *data)
{
    device *d = calloc(1, sizeof *d);
    assert_non_null(d);
    snprintf(d->token, sizeof d->token, "%s", token_hex);
    snprintf(d->folder, sizeof d->folder, "%s/device-%u", root, number);
    d->config = mu_join_config_default();
    d->config.url = url;
    d->config.token_hex = d->token;
    if (fingerprint) {
        snprintf(d->fingerprint, sizeof d->fingerprint, "%s", fingerprint);
        d->config.fingerprint = d->fingerprint;
    }
    d->config.folder = d->folder;
    d->config.data = data;
    d->config.machine_root = root; /* a machine without batteries */
    d->config.self = d;
    d->config.happened = note;
    d->config.stop = &d->stop;
    return d;
}

static void start(device *d) { assert_int_equal(pthread_create(&d->thread, NULL, live, d), 0); }

static void finish(device *d, mu_status expected)
{
    pthread_join(d->thread, NULL);
    if (d->status != expected)
        fail_msg("%s: %s", mu_status_name(d->status), d->err.message);
}

/* ---- with a coordinator ---- */

enum { DEVICES = 3 };

static mu_status take_token(void *self, uint32_t number, const char *token_hex, mu_error *err)
{
    (void)err;
    assert_true(number < DEVICES);
    strcpy(((char (*)[65])self)[number], token_hex);
    return MU_OK;
}

typedef struct serving {
    mu_coordinator *coordinator;
    mu_status       status;
    mu_error        err;
} serving;

static void *serve(void *self)
{
    serving *s = self;
    s->status = mu_coordinator_run(s->coordinator, 20, &s->err);
    return NULL;
}

static void federate(const char *recipe, const char *text)
{
    mu_experiment *experiment = load(recipe, text), *again = load(recipe, text);
    mu_simulation *simulation;
    mu_serve_config config;
    serving s = { .status = MU_OK };
    char folder[128], tokens[DEVICES][65];
    device *devices[DEVICES];
    pthread_t thread;
    mu_error err;
    assert_int_equal(mu_simulation_create(again, &(mu_simulate_config){ .workers = 1 }, &(mu_observer){ 0 }, &simulation, &err), MU_OK);
    assert_int_equal(mu_simulation_run(simulation, &err), MU_OK);
    snprintf(folder, sizeof folder, "%s/served", root);
    assert_int_equal(mu_folder_make(folder, &err), MU_OK);
    if (mu_serve_config_read(experiment, &config, &err) || mu_coordinator_create(experiment, &config, folder, &(mu_observer){ 0 }, &s.coordinator, &err) ||
        mu_serve_make_tokens(folder, DEVICES, 3600, take_token, tokens, &err))
        fail_msg("%s", err.message);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    for (uint32_t i = 0; i < DEVICES; i++) {
        devices[i] = make_device(i, mu_coordinator_url(s.coordinator), tokens[i], mu_coordinator_fingerprint(s.coordinator), mu_experiment_data(again));
        devices[i]->stops_at_everything = i > 0;
        devices[i]->config.keep_every_s = i == 1 ? 1e-6 : INFINITY;
        start(devices[i]);
    }
    for (uint32_t i = 0; i < DEVICES; i++)
        finish(devices[i], MU_OK);
    pthread_join(thread, NULL);
    if (s.status)
        fail_msg("%s", s.err.message);
    const size_t bytes = mu_model_state_count(mu_experiment_model(again)) * sizeof(float);
    assert_memory_equal(mu_federation_state(mu_coordinator_federation(s.coordinator)), mu_federation_state(mu_simulation_federation(simulation)), bytes);
    for (uint32_t i = 0; i < DEVICES; i++) {
        assert_int_equal(devices[i]->happened[MU_JOIN_ENROLLED], 1);
        assert_int_equal(devices[i]->happened[MU_JOIN_FINISHED], 1);
        free(devices[i]);
    }
    mu_coordinator_destroy(s.coordinator);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    mu_experiment_destroy(again);
}

#define FEDERATION                                                                                                                                  \
    "rounds: 3\nmodel: mlp\ndata: {name: writers, devices: 3, examples_per_device: 40, test_examples: 20}\n"                                        \
    "train: {local_epochs: 2, batch_size: 10}\nwhen: {cohort: 3}\nevaluate: {tier_examples: 0, devices: 0}\n"                                        \
    "serve: {address: '127.0.0.1:0', status_address: '', wait_for_devices: 3, reported_profiles: false}\n"

static void test_agents_end_where_the_simulator_does_though_stopped_at_every_turn(void **state)
{
    (void)state;
    federate("scaffold", FEDERATION); /* devices keep something, and receive and send more than the model */
}

static void test_so_they_do_with_parts_of_the_model(void **state)
{
    (void)state;
    federate("heterofl", FEDERATION);
}

/* ---- with a desk by hand ---- */

typedef struct by_hand {
    test_server    server;
    mu_experiment *experiment;
    unsigned char *job;
    size_t         job_bytes, count; /* of the state */
    float         *start;
    device        *device;
    uint32_t       number;
    char           path[192]; /* of the start's blob */
} by_hand;

static void listen_by_hand(by_hand *h)
{
    mu_error err;
    char path[128];
    snprintf(path, sizeof path, "%s/store.db", h->server.folder);
    if (!h->server.store)
        assert_int_equal(mu_store_open(path, MU_STORE_OWNER, &h->server.store, &err), MU_OK);
    if (!h->server.desk)
        assert_int_equal(mu_desk_create(TEST_DEVICES, &h->server.desk, &err), MU_OK);
    const mu_http_config config = { .serve = &h->server.serve, .folder = h->server.folder, .federation = "test", .job = h->job, .job_bytes = h->job_bytes,
                                    .store = h->server.store, .desk = h->server.desk };
    if (mu_http_create(&config, &h->server.http, &err))
        fail_msg("%s", err.message);
    mu_http_open(h->server.http);
}

static void begin_by_hand(by_hand *h, const char *recipe)
{
    char folder[128], token_hex[65];
    mu_error err;
    test_device known;
    memset(h, 0, sizeof *h);
    test_server_init(&h->server);
    snprintf(folder, sizeof folder, "%s/updates", h->server.folder);
    assert_int_equal(mu_folder_make(folder, &err), MU_OK);
    h->experiment = load(recipe, FEDERATION);
    assert_int_equal(mu_job_pack(h->experiment, &h->job, &h->job_bytes, &err), MU_OK);
    h->count = mu_model_state_count(mu_experiment_model(h->experiment));
    h->start = malloc(h->count * sizeof *h->start);
    mu_model_init(mu_experiment_model(h->experiment), 5, h->start);
    listen_by_hand(h);
    test_device_make(&known);
    test_device_give_token(&h->server, &known);
    sodium_bin2hex(token_hex, sizeof token_hex, known.token, sizeof known.token);
    h->number = 0;
    h->device = make_device(0, mu_http_url(h->server.http), token_hex, NULL, mu_experiment_data(h->experiment));
    h->device->config.part = 1;
}

static void end_by_hand(by_hand *h)
{
    free(h->device);
    free(h->start);
    free(h->job);
    mu_experiment_destroy(h->experiment);
    test_server_release(&h->server);
}

static mu_plan plan_of(const by_hand *h, uint32_t epochs)
{
    mu_plan plan = { .version = 4, .ordinal = 2, .learning_rate = 0.05, .train = mu_experiment_config(h->experiment)->train };
    plan.train.local_epochs = epochs;
    return plan;
}

/* A vector that goes down with the state is zeros. */
static void put_task(by_hand *h, uint64_t id, const mu_plan *plan, double lease_s)
{
    mu_blob_digest digest;
    mu_answer how = mu_experiment_config(h->experiment)->answers[MU_HOW];
    const mu_vectors crossing = how.method->vectors ? how.method->vectors(how.state) : (mu_vectors){ 0 };
    float *zeros = calloc(h->count, sizeof *zeros);
    mu_blob_part parts[2] = { { h->start, h->count }, { zeros, h->count } };
    assert_true(crossing.received < MU_COUNT(parts));
    mu_wire_task task = { .id = id, .plan = *plan, .start_floats = (1 + crossing.received) * h->count, .lease_s = lease_s };
    unsigned char *packed;
    size_t packed_bytes;
    uint64_t size_bytes;
    mu_error err;
    mu_blob_digest_of(parts, 1 + crossing.received, &digest);
    mu_blob_digest_hex(&digest, task.start_digest);
    snprintf(h->path, sizeof h->path, "%s/blobs/%s.plain", h->server.folder, task.start_digest);
    assert_int_equal(mu_blob_write_file(h->path, parts, 1 + crossing.received, MU_BLOB_PLAIN, &digest, &size_bytes, &err), MU_OK);
    free(zeros);
    assert_int_equal(mu_wire_pack_task(&task, 0, &packed, &packed_bytes, &err), MU_OK);
    const mu_desk_task put = { .id = id, .device = h->number, .packed = packed, .packed_bytes = packed_bytes,
                               .floats_up = (1 + crossing.sent) * h->count,
                               .change_floats = h->count, .classes = 10, .start_digest_hex = task.start_digest, .start_path = h->path };
    assert_int_equal(mu_desk_put_task(h->server.desk, &put, &err), MU_OK);
    free(packed);
}

/* The next event of that kind. */
static mu_desk_event await(by_hand *h, mu_desk_event_kind kind)
{
    mu_desk_event event;
    for (double until_s = mu_clock_monotonic_s() + 300; mu_clock_monotonic_s() < until_s;)
        if (mu_desk_take(h->server.desk, 1, 1000, &event) && event.kind == kind)
            return event;
    fail_msg("no event of kind %d came", (int)kind);
    return event;
}

static void await_happening(const device *d, mu_join_happening happening, unsigned count)
{
    for (int i = 0; i < 6000 && d->happened[happening] < count; i++)
        mu_clock_sleep_s(0.01);
    assert_true(d->happened[happening] >= count);
}

static void read_examples(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    mu_data_read(self, 1, indices, count, x, labels);
}

/* The update that was acknowledged is that of the trainer. */
static void check_update(by_hand *h, uint64_t task, const mu_plan *plan)
{
    const mu_data *data = mu_experiment_data(h->experiment);
    const mu_examples examples = { .self = data, .count = mu_data_num_examples(data, 1), .read = read_examples };
    mu_trainer *trainer;
    mu_update expected;
    mu_store_update stored;
    ProtobufCMessage *message;
    bool found;
    mu_error err;
    char path[128];
    float *delta = malloc(h->count * sizeof *delta), *came = malloc(h->count * sizeof *came);
    assert_int_equal(mu_trainer_create(mu_experiment_model(h->experiment), NULL, &trainer, &err), MU_OK);
    assert_int_equal(mu_trainer_run(trainer, plan, &examples, h->start, mu_experiment_config(h->experiment)->seed, h->number, NULL, NULL, delta, &expected, &err),
                     MU_OK);
    assert_int_equal(mu_store_find_update(h->server.store, task, &stored, &found, &err), MU_OK);
    assert_true(found);
    assert_int_equal(mu_wire_unpack(&muster__update_head__descriptor, stored.head, stored.head_bytes, &message, &err), MU_OK);
    const Muster__UpdateHead *head = (const Muster__UpdateHead *)message;
    assert_int_equal(head->steps, expected.steps);
    assert_int_equal(head->num_examples, examples.count);
    assert_true(head->train_loss == expected.train_loss);
    assert_true(head->cost->compute_s > 0);
    assert_true(head->cost->bytes_down > 4 * h->count / 2);
    assert_int_equal(head->cost->bytes_up, head->blob_bytes);
    assert_int_equal(head->cost->peak_memory_bytes, mu_trainer_peak_bytes(trainer));
    snprintf(path, sizeof path, "%s/updates/%llu.blob", h->server.folder, (unsigned long long)task);
    assert_int_equal(mu_blob_read_file(path, NULL, came, h->count, &err), MU_OK);
    assert_memory_equal(came, delta, h->count * sizeof *came);
    free((void *)(uintptr_t)stored.head);
    mu_wire_free(message);
    mu_trainer_destroy(trainer);
    free(came);
    free(delta);
}

static void test_a_task_is_trained_as_the_trainer_does(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    mu_plan plan = plan_of(&h, 2);
    put_task(&h, 11, &plan, 100);
    h.device->config.tasks_max = 1;
    start(h.device);
    assert_int_equal(await(&h, MU_DESK_CAME).report.num_examples, mu_data_num_examples(mu_experiment_data(h.experiment), 1));
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 11);
    finish(h.device, MU_OK);
    check_update(&h, 11, &plan);
    end_by_hand(&h);
}

/* Put on the desk, on up to so many examples. */
static void put_look(by_hand *h, uint64_t id, uint32_t examples)
{
    mu_blob_digest digest;
    mu_blob_part part = { h->start, h->count };
    mu_wire_task task = { .id = id, .start_floats = h->count, .lease_s = 100, .looks = true, .look = { .examples = examples } };
    unsigned char *packed;
    size_t packed_bytes;
    uint64_t size_bytes;
    mu_error err;
    mu_blob_digest_of(&part, 1, &digest);
    mu_blob_digest_hex(&digest, task.start_digest);
    snprintf(h->path, sizeof h->path, "%s/blobs/%s.plain", h->server.folder, task.start_digest);
    assert_int_equal(mu_blob_write_file(h->path, &part, 1, MU_BLOB_PLAIN, &digest, &size_bytes, &err), MU_OK);
    assert_int_equal(mu_wire_pack_task(&task, 0, &packed, &packed_bytes, &err), MU_OK);
    const mu_desk_look look = { .examples_most = examples, .targets = 1 };
    const mu_desk_task put = { .id = id, .device = h->number, .packed = packed, .packed_bytes = packed_bytes, .look = &look,
                               .start_digest_hex = task.start_digest, .start_path = h->path };
    assert_int_equal(mu_desk_put_task(h->server.desk, &put, &err), MU_OK);
    free(packed);
}

/* Between two trainings, of which there is no trace; one that takes too much memory is given back. */
static void test_a_model_is_looked_at_as_the_trainer_does(void **state)
{
    (void)state;
    by_hand h;
    mu_trainer *trainer;
    mu_evaluation expected;
    mu_desk_looked looked;
    mu_error err;
    begin_by_hand(&h, "scaffold"); /* whose trainings start from more than a look does */
    const mu_data *data = mu_experiment_data(h.experiment);
    const mu_examples examples = { .self = data, .count = mu_data_num_examples(data, 1), .read = read_examples };
    put_look(&h, 11, 17);
    start(h.device);
    assert_true(await(&h, MU_DESK_CAME).report.can_look);
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 11);
    assert_true(mu_desk_take_looked(h.server.desk, 11, &looked));
    assert_int_equal(mu_trainer_create(mu_experiment_model(h.experiment), NULL, &trainer, &err), MU_OK);
    assert_int_equal(mu_trainer_evaluate(trainer, &examples, 0, 17, h.start, &expected, &err), MU_OK);
    mu_trainer_destroy(trainer);
    assert_int_equal(looked.num_examples, 17);
    assert_int_equal(looked.count, 17);
    assert_int_equal(looked.correct, expected.correct);
    assert_true(looked.loss_sum == expected.loss_sum);
    await_happening(h.device, MU_JOIN_LOOKED, 1);
    mu_plan plan = plan_of(&h, 1);
    put_task(&h, 12, &plan, 100);
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 12);
    atomic_store(&h.device->stop, true);
    finish(h.device, MU_E_INTERRUPTED);

    h.device->config.memory_bytes = 1000;
    put_look(&h, 13, 17);
    start(h.device);
    mu_desk_event event = await(&h, MU_DESK_FAILED);
    assert_int_equal(event.task, 13);
    assert_non_null(strstr(event.reason, "memory"));
    atomic_store(&h.device->stop, true);
    finish(h.device, MU_E_INTERRUPTED);
    end_by_hand(&h);
}

static void test_a_cancelled_task_stops_in_the_middle(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    mu_plan plan = plan_of(&h, 1000000); /* for days */
    put_task(&h, 11, &plan, 0.8);        /* a word every 0.2 s */
    start(h.device);
    await(&h, MU_DESK_CAME);
    await_happening(h.device, MU_JOIN_DOWNLOADED, 1);
    mu_clock_sleep_s(1); /* it is still there, although it trains */
    assert_string_equal(mu_desk_state_of(h.server.desk, 0, mu_clock_monotonic_s(), &(double){ 0 }), "working");
    mu_desk_drop_task(h.server.desk, 11);
    await_happening(h.device, MU_JOIN_CANCELLED, 1);
    mu_plan next = plan_of(&h, 1);
    put_task(&h, 12, &next, 100); /* and the next one is done */
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 12);
    mu_desk_finish(h.server.desk);
    finish(h.device, MU_OK);
    check_update(&h, 12, &next);
    end_by_hand(&h);
}

static void stop_when_trained(void *self, const mu_join_event *event)
{
    note(self, event);
    if (event->happening == MU_JOIN_TRAINED)
        atomic_store(&((device *)self)->stop, true);
}

static bool is_in_folder(const device *d, const char *name)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", d->folder, name);
    return mu_file_exists(path);
}

/* The answer that an update is in gets lost, it is merged, and nobody waits for it any more when the device asks again: it is told later. */
static void test_a_merged_update_counts_though_the_device_has_not_heard_that_it_came(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "scaffold");
    mu_plan plan = plan_of(&h, 1);
    put_task(&h, 11, &plan, 100);
    h.device->config.happened = stop_when_trained;
    start(h.device);
    finish(h.device, MU_E_INTERRUPTED);
    mu_desk_drop_task(h.server.desk, 11);
    h.device->config.happened = note;
    start(h.device);
    await_happening(h.device, MU_JOIN_CANCELLED, 1);
    assert_int_equal(h.device->happened[MU_JOIN_SENT], 0);
    assert_int_equal(mu_desk_settle(h.server.desk, h.number, 11, NULL), MU_OK);
    mu_desk_finish(h.server.desk);
    finish(h.device, MU_OK);
    assert_true(is_in_folder(h.device, "own")); /* what it keeps has changed */
    assert_false(is_in_folder(h.device, "settle-11.blob"));
    assert_false(is_in_folder(h.device, "update"));
    end_by_hand(&h);
}

static void test_a_task_that_needs_too_much_memory_is_refused_or_made_to_fit(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    mu_plan plan = plan_of(&h, 2);
    plan.train.batch_size = 20;
    size_t peak_bytes, least_bytes;
    mu_error err;
    const mu_model *model = mu_experiment_model(h.experiment);
    const uint32_t examples = mu_data_num_examples(mu_experiment_data(h.experiment), 1);
    assert_int_equal(mu_plan_peak_memory(model, &plan, examples, false, &peak_bytes, NULL, &err), MU_OK);
    mu_plan least = plan;
    least.memory_limit_bytes = 1;
    assert_int_equal(mu_plan_peak_memory(model, &least, examples, false, &least_bytes, NULL, &err), MU_OK);
    assert_true(least_bytes < peak_bytes);
    h.device->config.memory_bytes = least_bytes - 1;
    h.device->config.tasks_max = 1;
    put_task(&h, 11, &plan, 100);
    start(h.device);
    mu_desk_event event = await(&h, MU_DESK_FAILED);
    assert_int_equal(event.task, 11);
    assert_non_null(strstr(event.reason, "memory"));
    atomic_store(&h.device->stop, true);
    finish(h.device, MU_E_INTERRUPTED);
    mu_desk_drop_task(h.server.desk, 11);
    h.device->config.memory_bytes = least_bytes;
    put_task(&h, 12, &plan, 100);
    start(h.device);
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 12);
    finish(h.device, MU_OK);
    plan.memory_limit_bytes = least_bytes;
    check_update(&h, 12, &plan);
    end_by_hand(&h);
}

static void set_battery(const char *percent)
{
    char folder[128], path[160];
    static const char *const files[][2] = { { "type", "Battery\n" }, { "status", "Discharging\n" } };
    snprintf(folder, sizeof folder, "%s/sys/class/power_supply/BAT0", root);
    assert_int_equal(mu_folder_make(folder, NULL), MU_OK);
    for (size_t i = 0; i < MU_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        assert_int_equal(mu_file_write(path, files[i][1], strlen(files[i][1]), NULL), MU_OK);
    }
    snprintf(path, sizeof path, "%s/capacity", folder);
    assert_int_equal(mu_file_write(path, percent, strlen(percent), NULL), MU_OK);
}

static void test_a_limit_in_the_middle_is_waited_for_and_changes_no_bit(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    mu_plan plan = plan_of(&h, 3000); /* longer than the time between two words */
    set_battery("90\n");
    h.device->config.battery_min_share = 0.5;
    h.device->config.tasks_max = 1;
    put_task(&h, 11, &plan, 0.8); /* limits are looked at when it says that it is there */
    start(h.device);
    await_happening(h.device, MU_JOIN_DOWNLOADED, 1);
    set_battery("10\n");
    await_happening(h.device, MU_JOIN_WAITING, 1);
    assert_non_null(strstr(h.device->said[MU_JOIN_WAITING], "battery"));
    assert_int_equal(h.device->happened[MU_JOIN_TRAINED], 0);
    char path[160];
    snprintf(path, sizeof path, "%s/place", h.device->folder);
    assert_true(mu_file_exists(path));
    set_battery("90\n");
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 11);
    finish(h.device, MU_OK);
    check_update(&h, 11, &plan);
    end_by_hand(&h);
}

static void test_a_start_that_is_not_what_was_announced_is_given_back(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    mu_plan plan = plan_of(&h, 1);
    mu_blob_part part = { h.start, h.count };
    mu_blob_digest digest;
    uint64_t size_bytes;
    put_task(&h, 11, &plan, 100);
    h.start[7] += 1; /* each chunk is sound, and all together they are something else */
    assert_int_equal(mu_blob_write_file(h.path, &part, 1, MU_BLOB_PLAIN, &digest, &size_bytes, NULL), MU_OK);
    start(h.device);
    mu_desk_event event = await(&h, MU_DESK_FAILED);
    assert_non_null(strstr(event.reason, "damaged"));
    assert_int_equal(h.device->happened[MU_JOIN_TRAINED], 0);
    atomic_store(&h.device->stop, true);
    finish(h.device, MU_E_INTERRUPTED);
    end_by_hand(&h);
}

static void test_a_coordinator_that_was_away_finds_it_again(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    mu_plan plan = plan_of(&h, 1);
    char url[64];
    snprintf(url, sizeof url, "%s", mu_http_url(h.server.http));
    h.device->config.url = url;
    h.device->config.tasks_max = 1;
    start(h.device);
    await(&h, MU_DESK_CAME);
    h.server.serve.address = strstr(url, "127."); /* the same again, with other sessions */
    mu_http_destroy(h.server.http);
    await_happening(h.device, MU_JOIN_WAITING, 1);
    listen_by_hand(&h);
    put_task(&h, 11, &plan, 100);
    assert_int_equal(await(&h, MU_DESK_ARRIVED).task, 11);
    finish(h.device, MU_OK);
    check_update(&h, 11, &plan);
    end_by_hand(&h);
}

static void test_whoever_is_shut_out_ends(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    start(h.device);
    await(&h, MU_DESK_CAME);
    assert_int_equal(mu_store_revoke(h.server.store, 0, true, NULL), MU_OK);
    mu_plan plan = plan_of(&h, 1);
    put_task(&h, 11, &plan, 100); /* wakes the poll that is held */
    finish(h.device, MU_E_STATE);
    assert_non_null(strstr(h.device->err.message, "not let in"));
    assert_int_equal(h.device->happened[MU_JOIN_SENT], 0);
    end_by_hand(&h);
}

static void test_who_cannot_come_in_is_told_why(void **state)
{
    (void)state;
    by_hand h;
    begin_by_hand(&h, "fedavg");
    char token[65];
    memcpy(token, h.device->token, sizeof token);
    h.device->config.token_hex = NULL;
    start(h.device);
    finish(h.device, MU_E_CONFIG);
    assert_non_null(strstr(h.device->err.message, "token"));
    h.device->config.token_hex = "abc";
    start(h.device);
    finish(h.device, MU_E_CONFIG);
    token[0] = token[0] == '0' ? '1' : '0';
    h.device->config.token_hex = token;
    start(h.device);
    finish(h.device, MU_E_STATE);
    assert_non_null(strstr(h.device->err.message, "token-unknown"));
    h.device->config.token_hex = h.device->token;
    h.device->config.part = 3;
    start(h.device);
    finish(h.device, MU_E_RANGE);
    assert_non_null(strstr(h.device->err.message, "no part 3"));
    h.device->config.keep_every_s = 0;
    start(h.device);
    finish(h.device, MU_E_RANGE);
    end_by_hand(&h);
}

static void test_happenings_have_names(void **state)
{
    (void)state;
    for (int i = 0; i <= MU_JOIN_FINISHED; i++)
        assert_string_not_equal(mu_join_happening_name((mu_join_happening)i), "?");
    assert_string_equal(mu_join_happening_name((mu_join_happening)99), "?");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_task_is_trained_as_the_trainer_does),
        TEST(test_a_model_is_looked_at_as_the_trainer_does),
        TEST(test_a_cancelled_task_stops_in_the_middle),
        TEST(test_a_merged_update_counts_though_the_device_has_not_heard_that_it_came),
        TEST(test_a_task_that_needs_too_much_memory_is_refused_or_made_to_fit),
        TEST(test_a_limit_in_the_middle_is_waited_for_and_changes_no_bit),
        TEST(test_a_start_that_is_not_what_was_announced_is_given_back),
        TEST(test_a_coordinator_that_was_away_finds_it_again),
        TEST(test_whoever_is_shut_out_ends),
        TEST(test_who_cannot_come_in_is_told_why),
        TEST(test_agents_end_where_the_simulator_does_though_stopped_at_every_turn),
        TEST(test_so_they_do_with_parts_of_the_model),
        TEST(test_happenings_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
