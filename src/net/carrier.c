/* The carrier over the network: tasks that are sent, and their life until they are over. */
#include "net/network_internal.h"

#include "base/clock.h"
#include "base/limits.h"
#include "device/time.h"
#include "net/served_folder.h"
#include "net/wire.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

mu_time_us mu_network_now(const mu_network *network)
{
    mu_time_us now = network->began_at + mu_time_from_s(mu_clock_monotonic_s() - network->began_monotonic_s);
    return now > network->last_at ? now : network->last_at;
}

/* ---- tasks that are open, by number ---- */

/* Where that number is, or would be. */
static uint32_t place_of(const mu_network *network, uint64_t number)
{
    uint32_t first = 0, end = network->sent_count;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (network->sent[middle]->number < number)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

mu_sent *mu_network_find(const mu_network *network, uint64_t number)
{
    uint32_t place = place_of(network, number);
    return place < network->sent_count && network->sent[place]->number == number ? network->sent[place] : NULL;
}

static mu_status keep(mu_network *network, mu_sent *sent, mu_error *err)
{
    if (network->sent_count == network->sent_capacity) {
        uint32_t capacity = network->sent_capacity ? 2 * network->sent_capacity : 64;
        mu_sent **list = realloc(network->sent, capacity * sizeof *list);
        if (!list)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %u tasks at once", capacity);
        network->sent = list;
        network->sent_capacity = capacity;
    }
    uint32_t place = place_of(network, sent->number);
    memmove(&network->sent[place + 1], &network->sent[place], (network->sent_count - place) * sizeof *network->sent);
    network->sent[place] = sent;
    network->sent_count++;
    return MU_OK;
}

static void sent_free(mu_network *network, mu_sent *sent)
{
    if (sent->start)
        mu_starts_let_go(network->config.starts, sent->start);
    free(sent->kept);
    free(sent);
}

void mu_network_end_task(mu_network *network, mu_sent *sent)
{
    uint32_t place = place_of(network, sent->number);
    MU_ASSERT(place < network->sent_count && network->sent[place] == sent);
    network->sent_count--;
    memmove(&network->sent[place], &network->sent[place + 1], (network->sent_count - place) * sizeof *network->sent);
    mu_desk_drop_task(network->config.desk, sent->number);
    sent_free(network, sent);
}

/* ---- sending ---- */

static mu_status put_on_desk(mu_network *network, const mu_task *task, const mu_sent *sent, mu_error *err)
{
    const mu_federation_config *federation = network->config.federation;
    mu_wire_task message = { .id = sent->number, .plan = task->plan, .start_floats = sent->start->floats, .lease_s = network->config.serve->lease_s };
    memcpy(message.start_digest, sent->start->digest_hex, sizeof message.start_digest);
    const mu_submodel *part;
    size_t part_count, packed_bytes;
    unsigned char *packed;
    mu_status status = mu_starts_part(network->config.starts, sent->kept, &part, &part_count, err);
    if (!status)
        status = mu_wire_pack_task(&message, federation->units ? mu_units_count(federation->units) : 0, &packed, &packed_bytes, err);
    if (status)
        return status;
    const mu_desk_task desk_task = {
        .id = sent->number, .device = sent->device, .packed = packed, .packed_bytes = packed_bytes,
        .floats_up = (1 + (uint64_t)network->crossing.sent) * part_count, .change_floats = part_count, .classes = mu_model_classes(network->model),
        .start_digest_hex = sent->start->digest_hex, .start_path = sent->start->path,
    };
    status = mu_desk_put_task(network->config.desk, &desk_task, err);
    free(packed);
    return status;
}

static mu_status send_task(void *self, const mu_task *task, mu_version *start, mu_error *err)
{
    mu_network *network = self;
    mu_sent *sent = calloc(1, sizeof *sent);
    if (!sent)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a task");
    sent->number = mu_task_number(task->id);
    sent->id = task->id;
    sent->device = task->device;
    sent->sent_at = task->sent_at;
    sent->planned_s = task->price.download_s + task->price.compute_s + task->price.upload_s;
    sent->planned_compute_s = task->price.compute_s;
    sent->planned_end = mu_time_later(task->sent_at, mu_time_from_s(sent->planned_s));
    if (task->plan.kept) {
        size_t units = mu_units_count(network->config.federation->units);
        sent->kept = malloc(units + 1);
        if (sent->kept)
            memcpy(sent->kept, task->plan.kept, units * sizeof *sent->kept);
    }
    mu_status status = task->plan.kept && !sent->kept ? mu_error_set(err, MU_E_MEMORY, "no memory for a task") : MU_OK;
    if (!status)
        status = mu_starts_take(network->config.starts, start, sent->kept, &sent->start, err);
    if (!status)
        status = put_on_desk(network, task, sent, err);
    if (!status && (status = keep(network, sent, err)))
        mu_desk_drop_task(network->config.desk, sent->number);
    if (status)
        sent_free(network, sent);
    return status;
}

static mu_status cancel_task(void *self, const mu_task *task, double *spent_share, mu_error *err)
{
    mu_network *network = self;
    (void)err;
    mu_sent *sent = mu_network_find(network, mu_task_number(task->id));
    MU_ASSERT(sent);
    double spent_s = mu_time_to_s(network->last_at - sent->sent_at);
    *spent_share = sent->planned_s > 0 && spent_s < sent->planned_s ? spent_s / sent->planned_s : 1.0;
    mu_network_end_task(network, sent);
    return MU_OK;
}

static mu_status settle(void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    mu_network *network = self;
    (void)update;
    network->told[task->device].settled = mu_task_number(task->id);
    return mu_desk_settle(network->config.desk, task->device, mu_task_number(task->id), err);
}

static mu_status set_timer(void *self, mu_time_us at, uint64_t label, mu_error *err)
{
    mu_network *network = self;
    if (network->timer_count == network->timer_capacity) {
        uint32_t capacity = network->timer_capacity ? 2 * network->timer_capacity : 16;
        mu_network_timer *timers = realloc(network->timers, capacity * sizeof *timers);
        if (!timers)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %u timers", capacity);
        network->timers = timers;
        network->timer_capacity = capacity;
    }
    network->timers[network->timer_count++] = (mu_network_timer){ at, label };
    return MU_OK;
}

static size_t peak_memory_bytes(void *self)
{
    const mu_network *network = self;
    return (size_t)network->peak_memory_bytes;
}

/* ---- what need not be kept any more ---- */

typedef struct forgotten {
    const mu_network *network;
    uint64_t         *tasks;
    size_t            count, capacity;
} forgotten;

static mu_status gather_forgotten(void *self, const mu_store_update *update, mu_error *err)
{
    forgotten *f = self;
    if (mu_network_find(f->network, update->task))
        return MU_OK;
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 64;
        uint64_t *tasks = realloc(f->tasks, capacity * sizeof *tasks);
        if (!tasks)
            return mu_error_set(err, MU_E_MEMORY, "no memory for a list of %zu updates", capacity);
        f->tasks = tasks;
        f->capacity = capacity;
    }
    f->tasks[f->count++] = update->task;
    return MU_OK;
}

/* Files of tasks that are over: NUMBER.blob, .head, .part. */
static void sweep_updates(const mu_network *network)
{
    DIR *folder = opendir(network->config.updates_folder);
    for (struct dirent *file; folder && (file = readdir(folder));) {
        char *end;
        unsigned long long number = strtoull(file->d_name, &end, 10);
        if (end != file->d_name && *end == '.' && !mu_network_find(network, number))
            unlinkat(dirfd(folder), file->d_name, 0); /* one that stays costs room and nothing else */
    }
    if (folder)
        closedir(folder);
}

static mu_status saved(void *self, mu_error *err)
{
    mu_network *network = self;
    forgotten f = { .network = network };
    mu_status status = mu_store_each_update(network->config.store, gather_forgotten, &f, err);
    if (!status)
        status = mu_store_checkpoint(network->config.store, f.tasks, f.count, err);
    free(f.tasks);
    if (!status)
        status = mu_network_begin_epoch(network, err);
    if (status)
        return status;
    sweep_updates(network);
    mu_starts_sweep(network->config.starts);
    return MU_OK;
}

/* ---- life ---- */

/* How long the federation has run: the first start is in the store. */
static mu_status begin_time(mu_network *network, mu_error *err)
{
    void *value;
    size_t size_bytes;
    int64_t now = mu_clock_utc_us(), started = now;
    mu_status status = mu_store_get(network->config.store, MU_SERVE_STARTED, &value, &size_bytes, err);
    if (status)
        return status;
    if (value && size_bytes == sizeof started)
        memcpy(&started, value, sizeof started);
    else
        status = mu_store_set(network->config.store, MU_SERVE_STARTED, &started, sizeof started, err);
    free(value);
    network->began_at = now > started ? now - started : 0;
    network->began_monotonic_s = mu_clock_monotonic_s();
    return status;
}

/* What devices are to find must fit into a message. */
static mu_status check_statistics(const mu_federation_config *config, mu_error *err)
{
    const mu_model *model = config->model;
    const size_t set = (mu_model_state_count(model) - mu_model_param_count(model)) / mu_model_statistic_sets(model);
    if (config->norm_statistics != MU_NORM_STATISTICS_DEVICES || set <= MU_LIMIT_LOOKED_FLOATS)
        return MU_OK;
    return mu_error_set(err, MU_E_LIMIT, "'norm_statistics: devices' would have devices send %zu statistics of norms, more than the %zu that a message holds; use "
                        "'norm_statistics: trained'", set, MU_LIMIT_LOOKED_FLOATS);
}

mu_status mu_network_create(const mu_network_config *config, mu_network **out, mu_error *err)
{
    mu_status status = check_statistics(config->federation, err);
    if (status)
        return status;
    mu_network *network = calloc(1, sizeof *network);
    if (!network)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the network");
    network->config = *config;
    network->model = config->federation->model;
    mu_answer how = config->federation->answers[MU_HOW];
    if (how.method->vectors)
        network->crossing = how.method->vectors(how.state);
    network->planned_order = config->serve->planned_order && mu_federation_waits_for_all(config->federation);
    network->told = calloc(mu_desk_devices(config->desk), sizeof *network->told);
    status = network->told ? begin_time(network, err) : mu_error_set(err, MU_E_MEMORY, "no memory for the network");
    if (!status)
        status = mu_network_load_journal(network, err);
    if (status) {
        mu_network_destroy(network);
        return status;
    }
    *out = network;
    return MU_OK;
}

void mu_network_destroy(mu_network *network)
{
    if (!network)
        return;
    for (uint32_t i = 0; i < network->sent_count; i++)
        sent_free(network, network->sent[i]);
    mu_network_release_events(network);
    mu_trainer_destroy(network->evaluator);
    mu_arena_block_free(network->delta);
    free(network->classes);
    free(network->looked);
    free(network->sent);
    free(network->timers);
    free(network->told);
    free(network);
}

mu_carrier mu_network_carrier(mu_network *network)
{
    return (mu_carrier){
        .self = network, .tells_presence = true, .send = send_task, .settled = settle, .cancel = cancel_task, .set_timer = set_timer,
        .next = mu_network_next, .evaluate = mu_network_evaluate, .evaluate_devices = mu_network_evaluate_devices, .statistics = mu_network_statistics,
        .peak_memory_bytes = peak_memory_bytes, .save = mu_network_save,
        .restore = mu_network_restore, .saved = saved,
    };
}
