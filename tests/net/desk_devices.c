/* Devices without a network. */
#include "desk_devices.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/blob.h"
#include "net/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What must not go wrong in a test. */
#define MUST(condition) ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

struct desk_devices {
    const mu_federation_config *config;
    mu_store    *store;
    mu_desk     *desk;
    const char  *updates_folder;
    mu_random    random;
    pthread_t    thread;
    atomic_bool  stop;
    mu_trainer  *trainer;
    mu_submodel *part;
    mu_vectors   crossing;
    size_t       state_count;
    uint32_t     count;
    float      **own, **sent; /* [count] of each device: [crossing.own or sent][state_count] */
    uint64_t    *settled;     /* [count] the last task that was */
    uint32_t     looks;       /* tasks that trained nothing */
    uint32_t     cannot_look, does_not_look; /* devices */
    const double *compute_s;  /* [count] that tasks of version 0 take, as they say; NULL: they do not say */
};

static void settle(desk_devices *d, uint32_t device, const mu_desk_answer *answer)
{
    const mu_how *how = d->config->answers[MU_HOW].method->how;
    for (uint32_t i = 0; i < answer->settled_count; i++) {
        if (answer->settled[i] <= d->settled[device])
            continue;
        d->settled[device] = answer->settled[i];
        float *own[MU_VECTORS_MAX];
        const float *sent[MU_VECTORS_MAX];
        for (uint32_t k = 0; k < d->crossing.own; k++)
            own[k] = d->own[device] + k * d->state_count;
        for (uint32_t k = 0; k < d->crossing.sent; k++)
            sent[k] = d->sent[device] + k * d->state_count;
        if (how->settled)
            how->settled(d->config->answers[MU_HOW].state, own, sent, d->state_count);
    }
}

typedef struct source {
    const mu_data *data;
    uint32_t       device;
} source;

static void read_examples(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const source *from = self;
    mu_data_read(from->data, from->device, indices, count, x, labels);
}

static size_t part_count(desk_devices *d, const bool *kept)
{
    if (!kept)
        return d->state_count;
    MUST(mu_submodel_form(d->part, kept, NULL) == MU_OK);
    return mu_model_state_count(mu_submodel_model(d->part));
}

/* The start, laid out as the whole model's vectors: [1 + received][state_count]. NULL: nobody waits for the task any more. */
static float *read_start(desk_devices *d, const mu_wire_task *task)
{
    size_t count = part_count(d, task->plan.kept), vectors = 1 + d->crossing.received;
    float *whole = calloc(vectors * d->state_count, sizeof *whole), *packed = malloc(vectors * count * sizeof *packed);
    mu_blob_digest digest;
    char *path;
    MUST(whole && packed && task->start_floats == vectors * count && mu_blob_digest_from_hex(task->start_digest, &digest));
    mu_status status = mu_desk_find_start(d->desk, task->start_digest, &path) ? mu_blob_read_file(path, &digest, packed, vectors * count, NULL) : MU_E_STATE;
    if (status != MU_E_STATE)
        free(path);
    if (status) {
        MUST(status == MU_E_STATE || status == MU_E_IO); /* its file goes with it */
        free(packed);
        free(whole);
        return NULL;
    }
    for (size_t i = 0; i < vectors; i++)
        if (task->plan.kept)
            mu_submodel_scatter(d->part, MU_EXTENT_STATE, packed + i * count, whole + i * d->state_count);
        else
            memcpy(whole + i * d->state_count, packed + i * count, count * sizeof *packed);
    free(packed);
    return whole;
}

static void write_update(desk_devices *d, uint32_t device, const mu_wire_task *task, const float *delta, const mu_update *update)
{
    size_t count = part_count(d, task->plan.kept), vectors = 1 + d->crossing.sent;
    float *packed = malloc(vectors * count * sizeof *packed);
    char path[512];
    snprintf(path, sizeof path, "%s/%llu.blob", d->updates_folder, (unsigned long long)task->id);
    MUST(packed);
    for (size_t i = 0; i < vectors; i++)
        if (task->plan.kept)
            mu_submodel_gather(d->part, MU_EXTENT_STATE, delta + i * d->state_count, packed + i * count);
        else
            memcpy(packed + i * count, delta + i * d->state_count, count * sizeof *packed);
    const mu_blob_part blob = { packed, vectors * count };
    mu_blob_digest digest;
    uint64_t size_bytes;
    mu_blob_encoding encoding = (mu_blob_encoding)mu_random_below(&d->random, MU_BLOB_ENCODING_COUNT);
    MUST(mu_blob_write_file(path, &blob, 1, encoding, &digest, &size_bytes, NULL) == MU_OK);
    unsigned char classes[64];
    size_t class_count = mu_model_classes(d->config->model);
    if (update->classes)
        mu_wire_bits_from_flags(update->classes, class_count, classes);
    Muster__UpdateHead head;
    muster__update_head__init(&head);
    head.task = task->id;
    head.device = device;
    head.digest = (ProtobufCBinaryData){ sizeof digest.bytes, digest.bytes };
    head.blob_bytes = size_bytes;
    head.floats = vectors * count;
    head.num_examples = update->num_examples;
    head.steps = update->steps;
    head.train_loss = update->train_loss;
    head.train_accuracy = update->train_accuracy;
    head.train_squared_loss = update->train_squared_loss;
    Muster__Cost cost = MUSTER__COST__INIT;
    if (d->compute_s) {
        cost.compute_s = d->compute_s[device] * (1 + task->plan.version);
        head.cost = &cost;
    }
    head.classes = (ProtobufCBinaryData){ update->classes ? (class_count + 7) / 8 : 0, classes };
    unsigned char *bytes;
    size_t head_bytes;
    MUST(mu_wire_pack(&head.base, &bytes, &head_bytes, NULL) == MU_OK);
    const mu_store_update record = { .task = task->id, .device = device, .head = bytes, .head_bytes = head_bytes };
    MUST(mu_store_put_update(d->store, &record, NULL) == MU_OK);
    free(bytes);
    free(packed);
}

/* An update that is in is not sent again, though the coordinator that has it may have fallen over since. */
static bool is_in(desk_devices *d, uint64_t task)
{
    mu_store_update record;
    bool found;
    MUST(mu_store_find_update(d->store, task, &record, &found, NULL) == MU_OK);
    if (found)
        free((void *)(uintptr_t)record.head);
    return found;
}

static void work(desk_devices *d, uint32_t device, const mu_wire_task *task)
{
    if (is_in(d, task->id)) {
        mu_desk_arrived(d->desk, task->id);
        return;
    }
    float *start = read_start(d, task);
    if (!start)
        return;
    float *delta = calloc((1 + d->crossing.sent) * d->state_count, sizeof *delta);
    bool classes[512];
    const float *received[MU_VECTORS_MAX], *own[MU_VECTORS_MAX];
    float *sent[MU_VECTORS_MAX];
    MUST(delta && mu_model_classes(d->config->model) <= sizeof classes);
    for (uint32_t i = 0; i < d->crossing.received; i++)
        received[i] = start + (1 + i) * d->state_count;
    for (uint32_t i = 0; i < d->crossing.own; i++)
        own[i] = d->own[device] + i * d->state_count;
    for (uint32_t i = 0; i < d->crossing.sent; i++)
        sent[i] = delta + (1 + i) * d->state_count;
    const source from = { d->config->data, device };
    const mu_examples examples = { .self = &from, .count = mu_data_num_examples(d->config->data, device), .read = read_examples };
    const mu_answer how = d->config->answers[MU_HOW];
    const mu_local local = { .how = how.method->how, .state = how.state, .received = received, .own = own, .sent = sent, .classes = classes };
    mu_update update;
    mu_error err;
    if (mu_trainer_run(d->trainer, &task->plan, &examples, start, d->config->seed, device, &local, NULL, delta, &update, &err)) {
        fprintf(stderr, "device %u: %s\n", device, err.message);
        abort();
    }
    write_update(d, device, task, delta, &update);
    if (d->crossing.sent)
        memcpy(d->sent[device], delta + d->state_count, d->crossing.sent * d->state_count * sizeof *delta);
    mu_desk_arrived(d->desk, task->id);
    free(delta);
    free(start);
}

/* A task that trains nothing, straight to the desk: what the HTTPS side would have checked on the way is as it should be. */
static void look(desk_devices *d, uint32_t device, const mu_wire_task *task)
{
    size_t count = part_count(d, task->plan.kept);
    float *state = calloc(d->state_count, sizeof *state), *packed = malloc(count * sizeof *packed), *found = malloc((d->state_count + 1) * sizeof *found);
    uint32_t counts[512];
    bool classes[512];
    mu_blob_digest digest;
    char *path;
    MUST(state && packed && found && task->start_floats == count && mu_blob_digest_from_hex(task->start_digest, &digest));
    MUST(mu_model_classes(d->config->model) <= MU_COUNT(classes));
    MUST(device != d->cannot_look);
    if (device == d->does_not_look) {
        mu_desk_failed(d->desk, task->id, "it is night here");
        goto over;
    }
    if (!mu_desk_find_start(d->desk, task->start_digest, &path))
        goto over; /* nobody waits for it any more */
    MUST(mu_blob_read_file(path, &digest, packed, count, NULL) == MU_OK);
    free(path);
    if (task->plan.kept)
        mu_submodel_scatter(d->part, MU_EXTENT_STATE, packed, state);
    else
        memcpy(state, packed, count * sizeof *state);
    mu_data_label_counts(d->config->data, device, counts);
    for (uint32_t c = 0; c < mu_model_classes(d->config->model); c++)
        classes[c] = counts[c] > 0;
    const source from = { d->config->data, device };
    const mu_examples examples = { .self = &from, .count = mu_data_num_examples(d->config->data, device), .read = read_examples };
    const mu_wire_look *asked = &task->look;
    mu_desk_looked looked = { .num_examples = asked->examples && asked->examples < examples.count ? asked->examples : examples.count };
    if (asked->statistics) {
        const mu_model *model = task->plan.kept ? mu_submodel_model(d->part) : d->config->model;
        const size_t all = mu_model_state_count(model) - mu_model_param_count(model), set = all / mu_model_statistic_sets(model);
        float *own = malloc((all + 1) * sizeof *own);
        MUST(own && (looked.statistics = malloc((set + 1) * sizeof *own)));
        MUST(mu_trainer_statistics(d->trainer, task->plan.kept, asked->statistic_set, &examples, 0, looked.num_examples, MU_STATISTICS_BATCH, state, found, NULL) ==
             MU_OK);
        if (task->plan.kept)
            mu_submodel_gather(d->part, MU_EXTENT_STATISTICS_ALONE, found, own);
        else
            memcpy(own, found, all * sizeof *own);
        memcpy(looked.statistics, own + asked->statistic_set * set, set * sizeof *own);
        free(own);
    } else {
        mu_evaluation evaluation;
        MUST(mu_trainer_evaluate_part(d->trainer, task->plan.kept, asked->statistic_set, asked->own_classes ? classes : NULL, &examples, 0, looked.num_examples,
                                      state, &evaluation, NULL) == MU_OK);
        looked.loss_sum = evaluation.loss_sum;
        looked.correct = evaluation.correct;
        looked.count = evaluation.count;
    }
    d->looks++;
    mu_desk_has_looked(d->desk, task->id, &looked);
over:
    free(found);
    free(packed);
    free(state);
}

static void visit(desk_devices *d, uint32_t device, bool *flags)
{
    mu_desk_heard(d->desk, device, mu_clock_monotonic_s(), NULL);
    mu_desk_answer answer;
    uint64_t seen = d->settled[device];
    if (!mu_desk_poll(d->desk, device, NULL, 0, &seen, seen ? 1 : 0, NULL, &answer))
        return;
    settle(d, device, &answer);
    if (!answer.task)
        return;
    ProtobufCMessage *message;
    mu_wire_task task;
    MUST(mu_wire_unpack(&muster__task__descriptor, answer.task, answer.task_bytes, &message, NULL) == MU_OK);
    free(answer.task);
    MUST(mu_wire_parse_task((const Muster__Task *)message, mu_units_count(d->config->units), flags, &task, NULL) == MU_OK);
    mu_wire_free(message);
    if (mu_desk_find_task(d->desk, task.id, &(mu_desk_task_info){ 0 }) == MU_DESK_TASK_OPEN)
        (task.looks ? look : work)(d, device, &task);
}

static void *run(void *self)
{
    desk_devices *d = self;
    bool *flags = malloc(mu_units_count(d->config->units) + 1);
    MUST(flags);
    while (!atomic_load(&d->stop)) {
        visit(d, (uint32_t)mu_random_below(&d->random, d->count), flags);
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    free(flags);
    return NULL;
}

desk_devices *desk_devices_create(const mu_experiment *experiment, const char *updates_folder, uint64_t shuffle)
{
    desk_devices *d = calloc(1, sizeof *d);
    MUST(d);
    d->config = mu_experiment_config(experiment);
    d->updates_folder = updates_folder;
    d->cannot_look = d->does_not_look = UINT32_MAX;
    d->random = mu_random_stream(shuffle, MU_RANDOM_CHOICE, 0, 0);
    d->state_count = mu_model_state_count(d->config->model);
    d->count = mu_data_device_count(d->config->data);
    const mu_answer how = d->config->answers[MU_HOW];
    if (how.method->vectors)
        d->crossing = how.method->vectors(how.state);
    d->own = calloc(d->count, sizeof *d->own);
    d->sent = calloc(d->count, sizeof *d->sent);
    d->settled = calloc(d->count, sizeof *d->settled);
    MUST(d->own && d->sent && d->settled);
    for (uint32_t i = 0; i < d->count; i++) {
        d->own[i] = calloc(d->crossing.own * d->state_count + 1, sizeof(float));
        d->sent[i] = calloc(d->crossing.sent * d->state_count + 1, sizeof(float));
        MUST(d->own[i] && d->sent[i]);
    }
    MUST(mu_trainer_create(d->config->model, d->config->units, &d->trainer, NULL) == MU_OK);
    MUST(mu_submodel_create(d->config->units, &d->part, NULL) == MU_OK);
    return d;
}

void desk_devices_attach(desk_devices *d, mu_store *store, mu_desk *desk)
{
    d->store = store;
    d->desk = desk;
    atomic_store(&d->stop, false);
    for (uint32_t i = 0; i < d->count; i++) {
        const mu_desk_report report = { .num_examples = mu_data_num_examples(d->config->data, i), .can_look = i != d->cannot_look };
        mu_desk_heard(desk, i, mu_clock_monotonic_s(), &report);
    }
    MUST(pthread_create(&d->thread, NULL, run, d) == 0);
}

void desk_devices_detach(desk_devices *d)
{
    atomic_store(&d->stop, true);
    pthread_join(d->thread, NULL);
}

void desk_devices_take(desk_devices *d, const double *compute_s) { d->compute_s = compute_s; }

void desk_devices_will_not_look(desk_devices *d, uint32_t cannot, uint32_t does_not)
{
    d->cannot_look = cannot;
    d->does_not_look = does_not;
}

uint32_t desk_devices_looks(const desk_devices *d) { return d->looks; }

void desk_devices_destroy(desk_devices *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        free(d->own[i]);
        free(d->sent[i]);
    }
    free(d->own);
    free(d->sent);
    free(d->settled);
    mu_submodel_destroy(d->part);
    mu_trainer_destroy(d->trainer);
    free(d);
}
