/* The coordinator: store, desk, network and federation, put together; and what is done to its folder from outside. */
#include "muster/serve.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/carrier.h"
#include "net/http.h"
#include "net/job.h"
#include "net/look.h"
#include "net/served_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mu_coordinator {
    mu_experiment       *experiment;
    mu_serve_config      serve;
    mu_observer          outer;   /* the caller's */
    mu_federation_config config;
    char                *store_path, *checkpoint_path, *blobs, *updates, *tls;
    char                *beside;
    const char          *capabilities[4]; /* ended by NULL */
    unsigned char       *job;
    size_t               job_bytes;
    mu_store            *store;
    mu_desk             *desk;
    mu_starts           *starts;
    mu_network          *network;
    mu_look             *look;
    mu_http             *http;
    mu_federation       *federation;
};

/* ---- watching: the page sees everything first, then the caller ---- */

static mu_status watch_round(void *self, const mu_round_report *report, mu_error *err)
{
    mu_coordinator *c = self;
    const mu_observer *page = mu_look_observer(c->look);
    mu_status status = page->round(page->self, report, err);
    return status || !c->outer.round ? status : c->outer.round(c->outer.self, report, err);
}

static mu_status watch_event(void *self, const mu_event_report *report, mu_error *err)
{
    mu_coordinator *c = self;
    const mu_observer *page = mu_look_observer(c->look);
    mu_status status = page->event(page->self, report, err);
    return status || !c->outer.event ? status : c->outer.event(c->outer.self, report, err);
}

static mu_status watch_presence(void *self, mu_time_us at, uint32_t device, bool came, mu_error *err)
{
    mu_coordinator *c = self;
    return c->outer.presence ? c->outer.presence(c->outer.self, at, device, came, err) : MU_OK;
}

static bool stop_asked(void *self)
{
    mu_coordinator *c = self;
    return c->outer.stop && c->outer.stop(c->outer.self);
}

static mu_status save_place(void *self, uint8_t place[256], mu_error *err)
{
    mu_coordinator *c = self;
    return c->outer.save ? c->outer.save(c->outer.self, place, err) : MU_OK;
}

static mu_status restore_place(void *self, const uint8_t place[256], mu_error *err)
{
    mu_coordinator *c = self;
    return c->outer.restore ? c->outer.restore(c->outer.self, place, err) : MU_OK;
}

static void open_doors(void *self)
{
    mu_http_open(((mu_coordinator *)self)->http);
}

/* ---- life ---- */

static mu_status make_folders(mu_coordinator *c, const char *folder, mu_error *err)
{
    c->store_path = mu_path_join(folder, MU_SERVE_STORE);
    c->checkpoint_path = mu_path_join(folder, MU_SERVE_CHECKPOINT);
    c->blobs = mu_path_join(folder, MU_SERVE_BLOBS);
    c->updates = mu_path_join(folder, MU_SERVE_UPDATES);
    c->tls = mu_path_join(folder, MU_SERVE_TLS);
    if (!c->store_path || !c->checkpoint_path || !c->blobs || !c->updates || !c->tls)
        return mu_error_set(err, MU_E_MEMORY, "no memory for paths");
    mu_status status = mu_folder_make(c->blobs, err);
    if (!status)
        status = mu_folder_make(c->updates, err);
    return status ? status : mu_folder_make(c->tls, err);
}

/* The file that relative names are sought beside: that of the first start, since a resumed federation is read from its own folder. */
static mu_status find_beside(mu_coordinator *c, mu_error *err)
{
    void *value;
    size_t size_bytes;
    mu_status status = mu_store_get(c->store, MU_SERVE_BESIDE, &value, &size_bytes, err);
    if (status)
        return status;
    if (value && size_bytes && !((const char *)value)[size_bytes - 1]) {
        c->beside = value;
        return MU_OK;
    }
    free(value);
    const char *path = mu_experiment_path(c->experiment);
    c->beside = realpath(path, NULL);
    if (!c->beside)
        return mu_error_set(err, MU_E_IO, "%s: %s", path, strerror(errno));
    return mu_store_set(c->store, MU_SERVE_BESIDE, c->beside, strlen(c->beside) + 1, err);
}

/* What a device must be able to do to take part, by docs/wire.md's words. */
static void name_capabilities(mu_coordinator *c)
{
    const mu_method *what = c->config.answers[MU_WHAT].method, *how = c->config.answers[MU_HOW].method;
    size_t count = 0;
    if (what->what->keeps_parts)
        c->capabilities[count++] = "parts";
    if (how->how->choose)
        c->capabilities[count++] = "choose";
    if (c->config.train.fit_memory)
        c->capabilities[count++] = "memory-limit";
}

static mu_status open_network(mu_coordinator *c, const char *folder, mu_error *err)
{
    const mu_network_config config = {
        .federation = &c->config, .data = mu_experiment_told_data(c->experiment), .fleet = mu_experiment_told_fleet(c->experiment),
        .serve = &c->serve, .updates_folder = c->updates, .store = c->store, .desk = c->desk, .starts = c->starts, .self = c,
        .live = open_doors, .stop = stop_asked,
    };
    mu_status status = mu_network_create(&config, &c->network, err);
    if (!status)
        status = mu_look_create(c->experiment, c->store, c->desk, &c->look, err);
    name_capabilities(c);
    const mu_http_config http = {
        .serve = &c->serve, .beside = c->beside, .capabilities = c->capabilities, .folder = folder,
        .federation = mu_experiment_name(c->experiment), .job = c->job, .job_bytes = c->job_bytes,
        .store = c->store, .desk = c->desk, .look = mu_look_text, .look_self = c->look,
    };
    if (!status)
        status = mu_http_create(&http, &c->http, err);
    if (!status)
        mu_look_attach(c->look, c->http);
    return status;
}

static mu_status create(mu_coordinator *c, const char *folder, mu_error *err)
{
    mu_status status = mu_store_open(c->store_path, MU_STORE_OWNER, &c->store, err);
    const uint32_t devices = mu_data_device_count(c->config.data);
    if (!status)
        status = mu_store_set(c->store, MU_SERVE_DEVICES, &devices, sizeof devices, err);
    if (!status)
        status = find_beside(c, err);
    if (!status)
        status = mu_desk_create(devices, &c->desk, err);
    if (!status)
        status = mu_job_pack(c->experiment, &c->job, &c->job_bytes, err);
    mu_answer how = c->config.answers[MU_HOW];
    uint32_t received = how.method->vectors ? how.method->vectors(how.state).received : 0;
    if (!status)
        status = mu_starts_create(c->config.model, c->config.units, received, c->blobs, &c->starts, err);
    if (!status)
        status = open_network(c, folder, err);
    if (status)
        return status;
    const mu_observer watch = { .self = c, .round = watch_round, .event = watch_event, .presence = watch_presence, .stop = stop_asked, .save = save_place,
                                .restore = restore_place };
    mu_carrier carrier = mu_network_carrier(c->network);
    return mu_federation_create(&c->config, &carrier, &watch, &c->federation, err);
}

mu_status mu_coordinator_create(mu_experiment *experiment, const mu_serve_config *config, const char *folder, const mu_observer *observer,
                                mu_coordinator **out, mu_error *err)
{
    if (mu_experiment_config(experiment)->train.dry)
        return mu_error_set(err, MU_E_CONFIG, "'train: none' is a schedule without training: real devices have nothing to do in it");
    mu_coordinator *c = calloc(1, sizeof *c);
    if (!c)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the coordinator");
    c->experiment = experiment;
    c->serve = *config;
    c->config = *mu_experiment_config(experiment);
    if (observer)
        c->outer = *observer;
    mu_status status = make_folders(c, folder, err);
    if (!config->look_at_devices)
        c->config.tier_examples = c->config.look_devices = 0;
    if (!status) {
        c->config.start_devices = config->wait_for_devices;
        c->config.checkpoint_path = c->checkpoint_path;
        c->config.resume = mu_file_exists(c->checkpoint_path);
        status = create(c, folder, err);
    }
    if (status) {
        mu_coordinator_destroy(c);
        return status;
    }
    *out = c;
    return MU_OK;
}

void mu_coordinator_destroy(mu_coordinator *c)
{
    if (!c)
        return;
    mu_http_destroy(c->http); /* first: its threads use all the others. The look shows its counts to the last */
    mu_federation_destroy(c->federation);
    mu_network_destroy(c->network);
    mu_look_destroy(c->look);
    mu_starts_destroy(c->starts);
    mu_desk_destroy(c->desk);
    mu_store_close(c->store);
    free(c->beside);
    free(c->job);
    free(c->store_path);
    free(c->checkpoint_path);
    free(c->blobs);
    free(c->updates);
    free(c->tls);
    free(c);
}

/* Devices ask now and then: those that are there hear that it is over. */
static void linger(mu_coordinator *c, double linger_s)
{
    mu_desk_finish(c->desk);
    const double end_s = mu_clock_monotonic_s() + linger_s;
    mu_desk_event event;
    while (mu_clock_monotonic_s() < end_s && mu_desk_count(c->desk).present > 0 && !stop_asked(c))
        mu_desk_take(c->desk, 0.2, c->serve.presence_s, &event);
}

/* Its last checkpoint is there. What came before it was forgotten then, unless the coordinator was killed between the two. */
static mu_status forget_rest(mu_coordinator *c, mu_error *err)
{
    mu_carrier carrier = mu_network_carrier(c->network);
    return carrier.saved(carrier.self, err);
}

/* As long as devices are there: one that has heard the end is gone. Whoever writes the results asks the same once more, and the network knows the answer; after a
 * restart, too, as it is the last thing in the journal. */
static mu_status look_at_devices(mu_coordinator *c, mu_error *err)
{
    uint32_t *devices, count;
    mu_evaluation *each;
    mu_status status = mu_federation_look_at_devices(c->federation, &devices, &each, &count, err);
    if (status)
        return status;
    free(devices);
    free(each);
    return MU_OK;
}

mu_status mu_coordinator_run(mu_coordinator *c, double linger_s, mu_error *err)
{
    mu_error why = { 0 };
    mu_status status = mu_federation_run(c->federation, &why);
    if (!status)
        status = forget_rest(c, &why);
    if (!status)
        status = look_at_devices(c, &why);
    if (err)
        *err = why;
    mu_look_finished(c->look, status == MU_OK ? "finished" : status == MU_E_INTERRUPTED ? "interrupted" : why.message);
    if (status == MU_OK) {
        open_doors(c); /* all was done before it could open them */
        linger(c, linger_s);
    }
    return status;
}

mu_federation *mu_coordinator_federation(mu_coordinator *c) { return c->federation; }
size_t mu_coordinator_peak_memory_bytes(mu_coordinator *c)
{
    mu_carrier carrier = mu_network_carrier(c->network);
    return carrier.peak_memory_bytes(carrier.self);
}

const char *mu_coordinator_url(const mu_coordinator *c) { return mu_http_url(c->http); }
const char *mu_coordinator_status_url(const mu_coordinator *c) { return mu_http_status_url(c->http); }
const char *mu_coordinator_fingerprint(const mu_coordinator *c) { return mu_http_fingerprint(c->http); }
uint32_t mu_coordinator_connections_max(const mu_coordinator *c) { return mu_http_connections_max(c->http); }
