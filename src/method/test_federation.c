/* The scripted carrier and a small federation over it. */
#include "method/test_federation.h"

#include "fl/experiment_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- what a device does ---- */

static float *own_of(const test_federation *t, uint32_t device, uint32_t index)
{
    return t->own + ((size_t)device * t->crossing.own + index) * t->state_count;
}

/* Gradient steps on 1/2 |x - optimum|^2, as mu_trainer_run makes them. */
static void descend(test_federation *t, const mu_task *task, mu_version *start, float *const *sent, float *delta)
{
    const test_device *device = &t->devices[task->device];
    const mu_model *model = mu_experiment_model(t->experiment);
    size_t count = mu_model_param_count(model);
    float *params = malloc(3 * count * sizeof *params), *gradient = params + count, *velocity = gradient + count;
    const float *received[MU_VECTORS_MAX], *own[MU_VECTORS_MAX];
    for (uint32_t i = 0; i < t->crossing.received; i++)
        received[i] = mu_version_received(start, i);
    for (uint32_t i = 0; i < t->crossing.own; i++)
        own[i] = own_of(t, task->device, i);
    memcpy(params, mu_version_state(start), count * sizeof *params);
    memset(velocity, 0, count * sizeof *velocity);
    mu_step_view view = { .model = model, .plan = &task->plan, .seed = mu_experiment_config(t->experiment)->seed, .device = task->device,
                          .round_start = mu_version_state(start), .params = params, .count = count,
                          .received = received, .own = own, .sent = sent };
    const mu_how *how = t->how.method->how;
    if (how->begin)
        how->begin(t->how.state, &view);
    float rate = (float)task->plan.learning_rate, momentum = (float)task->plan.train.momentum;
    float decay = (float)task->plan.train.weight_decay;
    for (view.step = 0; view.step < device->steps; view.step++) {
        for (size_t i = 0; i < count; i++)
            gradient[i] = params[i] - (float)device->optimum;
        view.gradient = gradient;
        if (how->gradient)
            how->gradient(t->how.state, &view);
        for (size_t i = 0; i < count; i++) {
            velocity[i] = momentum * velocity[i] + gradient[i] + decay * params[i];
            params[i] -= rate * velocity[i];
        }
    }
    view.gradient = NULL;
    if (how->end)
        how->end(t->how.state, &view);
    for (size_t i = 0; i < count; i++)
        delta[i] = params[i] - mu_version_state(start)[i];
    free(params);
}

static void carry_out(test_federation *t, const mu_task *task, mu_version *start, test_entry *entry)
{
    const test_device *device = &t->devices[task->device];
    entry->update = (mu_update){ .num_examples = device->num_examples, .steps = device->steps, .train_loss = NAN, .train_accuracy = NAN,
                                 .train_squared_loss = NAN };
    if (mu_experiment_config(t->experiment)->train.dry)
        return;
    float *delta = entry->memory = calloc((1 + (size_t)t->crossing.sent) * t->state_count, sizeof *delta);
    float *sent[MU_VECTORS_MAX] = { 0 };
    for (uint32_t i = 0; i < t->crossing.sent; i++)
        entry->update.sent[i] = sent[i] = delta + (1 + (size_t)i) * t->state_count;
    for (size_t i = 0; i < t->state_count; i++)
        delta[i] = (float)(device->adds + device->slope * (double)i);
    if (t->trains)
        descend(t, task, start, sent, delta);
    for (size_t i = 0; i < t->state_count; i++)
        entry->update.squared_norm += (double)delta[i] * (double)delta[i];
    entry->update.delta = delta;
    entry->update.count = t->state_count;
    entry->update.train_loss = device->loss;
    entry->update.train_squared_loss = device->loss * device->loss;
    entry->update.train_accuracy = device->accuracy;
}

/* ---- the carrier ---- */

static test_entry *put(test_federation *t, mu_time_us at)
{
    for (int i = 0; i < TEST_QUEUE_MAX; i++)
        if (!t->queue[i].used) {
            t->queue[i] = (test_entry){ .at = at, .sequence = t->sequence++, .used = true };
            return &t->queue[i];
        }
    fail_msg("the test's queue is full");
    return NULL;
}

static mu_status script_send(void *self, const mu_task *task, mu_version *start, mu_error *err)
{
    (void)err;
    test_federation *t = self;
    if (t->sending)
        t->sending(t, task);
    const test_device *device = &t->devices[task->device];
    test_entry *entry = put(t, task->sent_at + mu_time_from_s(device->takes_s));
    entry->task = *task;
    entry->lost = device->goes_away;
    if (!entry->lost)
        carry_out(t, task, start, entry);
    return MU_OK;
}

static mu_status script_cancel(void *self, const mu_task *task, double *spent_share, mu_error *err)
{
    (void)err;
    test_federation *t = self;
    for (int i = 0; i < TEST_QUEUE_MAX; i++) {
        test_entry *entry = &t->queue[i];
        if (!entry->used || entry->timer || entry->task.id.value != task->id.value)
            continue;
        *spent_share = entry->at > task->sent_at ? (double)(t->now - task->sent_at) / (double)(entry->at - task->sent_at) : 1.0;
        free(entry->memory);
        entry->used = false;
        t->cancelled++;
        return MU_OK;
    }
    fail_msg("a task was cancelled that is not under way");
    return MU_E_STATE;
}

static mu_status script_timer(void *self, mu_time_us at, uint64_t label, mu_error *err)
{
    (void)err;
    test_entry *entry = put(self, at);
    entry->timer = true;
    entry->label = label;
    return MU_OK;
}

static mu_status script_next(void *self, mu_event *event, mu_error *err)
{
    test_federation *t = self;
    test_entry *first = NULL;
    for (int i = 0; i < TEST_QUEUE_MAX; i++) {
        test_entry *e = &t->queue[i];
        if (e->used && (!first || e->at < first->at || (e->at == first->at && e->sequence < first->sequence)))
            first = e;
    }
    if (!first)
        return mu_error_set(err, MU_E_STATE, "nothing is under way and nothing will happen any more");
    free(t->delivered);
    t->delivered = first->memory;
    first->used = false;
    t->now = first->at;
    *event = (mu_event){ .at = first->at, .label = first->label, .device = first->device, .kind = MU_EVENT_TIMER };
    if (first->came || first->went)
        event->kind = first->came ? MU_EVENT_CAME : MU_EVENT_WENT;
    if (first->came && t->coming)
        t->coming(t, first->device);
    if (first->timer || first->came || first->went)
        return MU_OK;
    event->task = first->task.id;
    event->kind = first->lost ? MU_EVENT_LOST : MU_EVENT_ARRIVED;
    event->update = first->update;
    if (t->arriving && !first->lost)
        t->arriving(t, &first->task, &event->update);
    event->measured = t->measured && !first->lost ? t->measured(t, &first->task) : NULL;
    event->spent_share = 0.25;
    event->reason = "test";
    return MU_OK;
}

static mu_status script_settled(void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    (void)err;
    test_federation *t = self;
    if (!t->how.method->how->settled)
        return MU_OK;
    float *own[MU_VECTORS_MAX];
    for (uint32_t i = 0; i < t->crossing.own; i++)
        own[i] = own_of(t, task->device, i);
    t->how.method->how->settled(t->how.state, own, update->sent, t->state_count);
    return MU_OK;
}

static mu_status script_evaluate(void *self, const float *state, const mu_usable *parts, uint32_t part_count, uint32_t tier_examples,
                                 mu_evaluation *tests, mu_evaluation *tiers, mu_error *err)
{
    (void)self, (void)parts, (void)tier_examples, (void)err;
    for (uint32_t i = 0; i < part_count; i++)
        tests[i] = (mu_evaluation){ .loss_sum = state[0], .correct = 1, .count = 2 };
    if (tiers)
        tiers[0] = (mu_evaluation){ .correct = 3, .count = 4 };
    return MU_OK;
}

static mu_status script_evaluate_devices(void *self, const float *state, const mu_usable *part, bool own_classes, const uint32_t *devices,
                                         uint32_t count, uint32_t examples_each, mu_evaluation *each, mu_error *err)
{
    (void)state, (void)part, (void)own_classes, (void)err;
    const test_federation *t = self;
    for (uint32_t i = 0; i < count; i++) {
        const test_device *device = &t->devices[devices[i]];
        each[i] = (mu_evaluation){ .loss_sum = device->loss * examples_each, .correct = (uint64_t)(device->accuracy * examples_each),
                                   .count = examples_each };
    }
    return MU_OK;
}

static size_t own_bytes(const test_federation *t)
{
    return (size_t)t->device_count * t->crossing.own * t->state_count * sizeof(float);
}

static size_t script_save(void *self, unsigned char *into)
{
    const test_federation *t = self;
    if (into && own_bytes(t))
        memcpy(into, t->own, own_bytes(t));
    return own_bytes(t);
}

static mu_status script_restore(void *self, const unsigned char *from, size_t size_bytes, mu_error *err)
{
    test_federation *t = self;
    if (size_bytes != own_bytes(t))
        return mu_error_set(err, MU_E_SHAPE, "%zu bytes of what devices keep, not %zu", size_bytes, own_bytes(t));
    if (size_bytes)
        memcpy(t->own, from, size_bytes);
    return MU_OK;
}

static mu_status script_saved(void *self, mu_error *err)
{
    (void)err;
    ((test_federation *)self)->saved++;
    return MU_OK;
}

void test_federation_come(test_federation *t, uint32_t device, double at_s)
{
    test_entry *entry = put(t, mu_time_from_s(at_s));
    entry->came = true;
    entry->device = device;
}

void test_federation_go(test_federation *t, uint32_t device, double at_s)
{
    test_entry *entry = put(t, mu_time_from_s(at_s));
    entry->went = true;
    entry->device = device;
}

/* ---- the observer ---- */

static mu_status note_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    test_federation *t = self;
    assert_true(t->round_count < TEST_ROUNDS_MAX);
    t->rounds[t->round_count++] = *report;
    return MU_OK;
}

static mu_status note_event(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    test_federation *t = self;
    assert_true(t->event_count < TEST_EVENTS_MAX);
    t->happened[report->happening]++;
    t->events[t->event_count++] = (test_event){ .happening = report->happening, .device = report->task->device, .round = report->round,
                                                .staleness = report->staleness, .label = report->task->label, .at = report->at };
    return MU_OK;
}

static mu_status note_presence(void *self, mu_time_us at, uint32_t device, bool came, mu_error *err)
{
    (void)err;
    test_federation *t = self;
    assert_true(device < t->device_count && at == t->now);
    t->presence_told[came]++;
    return MU_OK;
}

static bool note_stop(void *self)
{
    const test_federation *t = self;
    return t->stop_after_round && t->round_count > t->stop_after_round;
}

/* ---- a federation over it ---- */

static const struct { const char *key, *value; } usual[] = {
    { "seed", "3" },
    { "rounds", "4" },
    { "model", "{layers: [{average_pool: pool, size: 28}, flatten, {dense: fc}]}" },
    { "data", "{name: writers, devices: 6}" },
    { "fleet", "{mix: {workstation: 1}}" },
    { "train", "{learning_rate: 0.1}" },
};

static bool says(const char *yaml, const char *key)
{
    for (const char *line = yaml; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
            return true;
    return false;
}

static void write_yaml(const char *more, char *yaml, size_t capacity_bytes)
{
    size_t used = (size_t)snprintf(yaml, capacity_bytes, "%s", more);
    for (size_t i = 0; i < MU_COUNT(usual) && used < capacity_bytes; i++)
        if (!says(more, usual[i].key))
            used += (size_t)snprintf(yaml + used, capacity_bytes - used, "%s: %s\n", usual[i].key, usual[i].value);
    assert_true(used < capacity_bytes);
}

enum { YAML_BYTES = 8192 };

mu_status test_federation_try(const char *more, mu_error *err)
{
    char yaml[YAML_BYTES];
    write_yaml(more, yaml, sizeof yaml);
    mu_experiment *experiment = NULL;
    mu_status status = experiment_try(yaml, NULL, &experiment, err);
    mu_experiment_destroy(experiment);
    return status;
}

static void write_scripts(test_federation *t)
{
    for (uint32_t d = 0; d < t->device_count; d++)
        t->devices[d] = (test_device){ .takes_s = 1.0 + d, .adds = 1.0 + d, .loss = d, .accuracy = 0.5, .num_examples = 10 * (1 + d),
                                       .steps = 1 };
}

static test_federation *create(const char *more, bool told, uint32_t start_devices, const char *checkpoint_path, bool resume)
{
    char yaml[YAML_BYTES];
    write_yaml(more, yaml, sizeof yaml);
    test_federation *t = calloc(1, sizeof *t);
    t->experiment = experiment_from(yaml);
    mu_federation_config config = *mu_experiment_config(t->experiment);
    config.checkpoint_path = checkpoint_path;
    config.resume = resume;
    config.start_devices = start_devices;
    t->state_count = mu_model_state_count(config.model);
    t->device_count = mu_data_device_count(config.data);
    assert_true(t->device_count <= TEST_DEVICES_MAX);
    write_scripts(t);
    t->how = config.answers[MU_HOW];
    if (t->how.method->vectors)
        t->crossing = t->how.method->vectors(t->how.state);
    t->own = calloc((size_t)t->device_count * t->crossing.own * t->state_count + 1, sizeof *t->own);
    config.start = t->start = calloc(t->state_count, sizeof *t->start);
    mu_carrier carrier = {
        .self = t, .send = script_send, .settled = script_settled, .cancel = script_cancel, .set_timer = script_timer, .next = script_next,
        .evaluate = script_evaluate, .evaluate_devices = script_evaluate_devices, .save = script_save, .restore = script_restore,
        .saved = script_saved,
    };
    if (told) {
        carrier.tells_presence = true;
        carrier.evaluate_devices = NULL;
    }
    mu_observer observer = { .self = t, .round = note_round, .event = note_event, .presence = note_presence, .stop = note_stop };
    mu_error err = { 0 };
    if (mu_federation_create(&config, &carrier, &observer, &t->federation, &err))
        fail_msg("%s", err.message);
    return t;
}

test_federation *test_federation_create_at(const char *more, const char *checkpoint_path, bool resume)
{
    return create(more, false, 0, checkpoint_path, resume);
}

test_federation *test_federation_create_told(const char *more, uint32_t start_devices, const char *checkpoint_path, bool resume)
{
    return create(more, true, start_devices, checkpoint_path, resume);
}

test_federation *test_federation_create(const char *more)
{
    return test_federation_create_at(more, NULL, false);
}

void test_federation_destroy(test_federation *t)
{
    mu_federation_destroy(t->federation);
    mu_experiment_destroy(t->experiment);
    for (int i = 0; i < TEST_QUEUE_MAX; i++)
        if (t->queue[i].used)
            free(t->queue[i].memory);
    free(t->delivered);
    free(t->start);
    free(t->own);
    free(t);
}

void test_federation_run(test_federation *t)
{
    mu_error err = { 0 };
    if (mu_federation_run(t->federation, &err))
        fail_msg("%s", err.message);
}
