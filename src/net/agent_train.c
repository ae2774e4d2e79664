/* Training, as the simulator does it (src/sim/flights.c), with two things beside it. Between mini-batches the agent sees whether it is still to go on: the owner may
 * stop it, a limit may be reached, the coordinator may not want the task any more; and it says that it is there, so that its lease goes on. And it keeps its place. */
#include "net/agent.h"

#include "base/clock.h"
#include "base/file.h"
#include "muster/arena.h"
#include "net/agent_machine.h"
#include "net/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double beat_least_s = 0.2, beat_most_s = 60; /* how often the coordinator hears of it: four times in a lease ... */
static const double beat_unheard_s = 300; /* ... and twice as long after each time that it does not, for each costs the training some seconds */

typedef struct device_examples {
    const mu_data *data;
    uint32_t       part;
} device_examples;

typedef struct training {
    mu_agent       *agent;
    atomic_bool     halt;
    bool            is_cancelled;  /* nobody wants it any more */
    mu_status       failed;        /* what ends the agent */
    mu_error        error;
    double          began_s, before_s; /* now; what it had trained when it was left */
    double          beat_s, beat_at_s, kept_at_s;
    /* its place */
    mu_file_writer  writer;
    bool            is_writing;
    FILE           *place;         /* that is gone on from; NULL: none */
    /* its speed */
    double          speed_from_s;
    uint64_t        speed_from_macs, last_macs;
    bool            is_timed;
    /* vectors */
    size_t          count;         /* of the state */
    float          *block;         /* delta, start, received, sent */
    float          *delta, *start, *sent[MU_VECTORS_MAX];
    const float    *received[MU_VECTORS_MAX], *own[MU_VECTORS_MAX];
    bool           *classes;
} training;

static void read_examples(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const device_examples *source = self;
    mu_data_read(source->data, source->part, indices, count, x, labels);
}

/* ---- between mini-batches ---- */

double mu_agent_beat_every_s(const mu_agent *agent)
{
    double every_s = agent->work.task.lease_s / 4;
    return every_s < beat_least_s ? beat_least_s : every_s > beat_most_s ? beat_most_s : every_s;
}

/* A word to the coordinator, and whatever it says to that. */
static void beat(training *t)
{
    mu_agent *agent = t->agent;
    Muster__Polled *polled = NULL;
    char why[256];
    if (!mu_agent_limits_allow(&agent->limits, MU_AGENT_TRAINS, mu_clock_local_minute(), why, sizeof why)) {
        atomic_store(&t->halt, true);
        return;
    }
    if (!mu_agent_limits_allow(&agent->limits, MU_AGENT_SENDS, mu_clock_local_minute(), why, sizeof why))
        return;
    t->failed = mu_agent_poll(agent, 0, true, &polled, &t->error);
    if (t->failed)
        atomic_store(&t->halt, true);
    t->beat_s = polled ? mu_agent_beat_every_s(agent) : fmin(2 * t->beat_s, beat_unheard_s);
    if (!polled)
        return;
    t->is_cancelled = polled->finished || mu_agent_is_in(agent->work.task.id, polled->cancelled, polled->n_cancelled);
    if (t->is_cancelled)
        atomic_store(&t->halt, true);
    mu_wire_free(&polled->base); /* updates that were settled it is told again: what the device keeps must not change now */
}

static bool place_is_due(void *self, uint32_t step, uint32_t steps)
{
    training *t = self;
    double now_s = mu_clock_monotonic_s();
    if (mu_agent_is_stopped(t->agent))
        atomic_store(&t->halt, true);
    if (now_s >= t->beat_at_s && step < steps) {
        beat(t);
        now_s = mu_clock_monotonic_s();
        t->beat_at_s = now_s + t->beat_s;
    }
    return step < steps && !atomic_load(&t->halt) && now_s - t->kept_at_s >= t->agent->config->keep_every_s;
}

static double trained_s(const training *t) { return t->before_s + mu_clock_monotonic_s() - t->began_s; }

/* ---- its place: seconds trained, then what the trainer puts. A place that cannot be written is done without ---- */

static mu_status place_begin(void *self, size_t size_bytes, mu_error *err)
{
    training *t = self;
    char path[MU_AGENT_PATH_BYTES];
    double seconds = trained_s(t);
    (void)size_bytes, (void)err;
    mu_agent_folder_name(t->agent->folder, "place", path);
    t->kept_at_s = mu_clock_monotonic_s();
    t->is_writing = mu_file_begin(path, &t->writer, NULL) == MU_OK;
    if (t->is_writing && mu_file_put(&t->writer, &seconds, sizeof seconds, NULL)) {
        mu_file_discard(&t->writer);
        t->is_writing = false;
    }
    return MU_OK;
}

static mu_status place_put(void *self, const void *bytes, size_t size_bytes, mu_error *err)
{
    training *t = self;
    (void)err;
    if (t->is_writing && mu_file_put(&t->writer, bytes, size_bytes, NULL)) {
        mu_file_discard(&t->writer);
        t->is_writing = false;
    }
    return MU_OK;
}

static mu_status place_end(void *self, mu_error *err)
{
    training *t = self;
    (void)err;
    if (t->is_writing)
        mu_file_commit(&t->writer, NULL); /* if it fails, the one before it is still there */
    t->is_writing = false;
    return MU_OK;
}

static bool place_take(void *self, void *bytes, size_t size_bytes)
{
    training *t = self;
    return t->place && fread(bytes, 1, size_bytes, t->place) == size_bytes;
}

static void open_place(training *t)
{
    char path[MU_AGENT_PATH_BYTES];
    double seconds = 0;
    mu_agent_folder_name(t->agent->folder, "place", path);
    t->place = fopen(path, "rbe");
    if (t->place && fread(&seconds, sizeof seconds, 1, t->place) == 1 && seconds > 0 && isfinite(seconds))
        t->before_s = seconds;
}

/* ---- its speed ---- */

/* The work that is done divided by the time that it took, since the training began here; before there is any, what is known of the device. */
static double afford(const void *clock, const mu_plan *plan, uint64_t done_macs)
{
    training *t = (training *)(uintptr_t)clock;
    const mu_agent *agent = t->agent;
    double now_s = mu_clock_monotonic_s(), known = agent->macs_per_s > 0 ? agent->macs_per_s : agent->config->profile.macs_per_s[MU_PRECISION_FP32];
    if (!t->is_timed) {
        t->is_timed = true;
        t->speed_from_s = now_s;
        t->speed_from_macs = done_macs;
    }
    t->last_macs = done_macs;
    double speed = done_macs > t->speed_from_macs && now_s > t->speed_from_s ? (double)(done_macs - t->speed_from_macs) / (now_s - t->speed_from_s) : known;
    return speed > 0 ? speed * plan->step_time_s : INFINITY;
}

/* ---- memory ---- */

static size_t rounded(size_t size_bytes)
{
    return (size_bytes + MU_ARENA_ALIGNMENT_BYTES - 1) / MU_ARENA_ALIGNMENT_BYTES * MU_ARENA_ALIGNMENT_BYTES;
}

static mu_status peak_of(const mu_agent *agent, const mu_model *held, const mu_plan *plan, uint32_t examples, size_t *size_bytes, mu_error *err)
{
    const mu_how *how = agent->job.method->how;
    mu_manner manner = { 0 };
    size_t step_bytes = 0;
    if (!how->choose || plan->train.local_epochs == 0)
        return mu_plan_peak_memory(held, plan, examples, false, size_bytes, NULL, err);
    if (how->manner)
        how->manner(agent->job.state, &manner);
    mu_status status = mu_plan_step_bytes(held, plan, false, &step_bytes, err); /* no part takes more than all of it */
    return status ? status : mu_plan_peak_memory_choosing(held, plan, &manner, examples, step_bytes, false, size_bytes, err);
}

/* Within the owner's limit: as it is, or with a plan that keeps within it, which costs time and changes no bit. Otherwise MU_E_MEMORY. */
static mu_status fit_memory(const mu_agent *agent, mu_plan *plan, uint32_t examples, mu_error *err)
{
    const uint64_t limit = agent->config->memory_bytes;
    const mu_vectors *vectors = &agent->job.vectors;
    const uint64_t beside = (uint64_t)(vectors->received + vectors->own + vectors->sent) * rounded(mu_model_state_count(agent->job.model) * sizeof(float));
    mu_submodel *part = NULL;
    size_t peak_bytes = 0;
    if (limit == 0)
        return MU_OK;
    const mu_model *held = agent->job.model;
    mu_status status = plan->kept ? mu_submodel_create(agent->job.units, &part, err) : MU_OK;
    if (!status && part && !(status = mu_submodel_form(part, plan->kept, err)))
        held = mu_submodel_model(part);
    if (!status)
        status = peak_of(agent, held, plan, examples, &peak_bytes, err);
    if (!status && peak_bytes + beside > limit && limit > beside && !agent->job.method->how->choose) {
        plan->memory_limit_bytes = limit - beside;
        status = peak_of(agent, held, plan, examples, &peak_bytes, err);
    }
    mu_submodel_destroy(part);
    if (!status && peak_bytes + beside > limit)
        status = mu_error_set(err, MU_E_MEMORY, "it takes %llu bytes of memory, and the device gives %llu", (unsigned long long)(peak_bytes + beside),
                              (unsigned long long)limit);
    return status;
}

/* ---- vectors ---- */

static mu_status make_vectors(training *t, mu_error *err)
{
    const mu_agent *agent = t->agent;
    const mu_vectors *vectors = &agent->job.vectors;
    const size_t count = t->count = mu_model_state_count(agent->job.model), blob_count = (1 + (size_t)vectors->received) * count;
    t->block = calloc(count + blob_count + vectors->sent * count, sizeof *t->block);
    t->classes = calloc(mu_model_classes(agent->job.model), sizeof *t->classes);
    if (!t->block || !t->classes)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the %zu numbers of the model and what comes with it", count);
    t->delta = t->block;
    t->start = t->block + count;
    for (uint32_t i = 0; i < vectors->received; i++)
        t->received[i] = t->start + (1 + (size_t)i) * count;
    for (uint32_t i = 0; i < vectors->sent; i++)
        t->sent[i] = t->start + blob_count + i * count;
    for (uint32_t i = 0; i < vectors->own; i++)
        t->own[i] = agent->own.floats + i * count;
    return MU_OK;
}

/* The plan's part, into its places in the whole; what the plan leaves out stays 0, and is not looked at. */
static mu_status scatter_start(training *t, const float *part_floats, mu_error *err)
{
    mu_submodel *part;
    mu_status status = mu_submodel_create(t->agent->job.units, &part, err);
    if (status)
        return status;
    status = mu_submodel_form(part, t->agent->work.task.plan.kept, err);
    if (!status)
        mu_submodel_scatter(part, MU_EXTENT_STATE, part_floats, t->start);
    mu_submodel_destroy(part);
    return status;
}

static mu_status read_start(training *t, mu_error *err)
{
    const mu_wire_task *task = &t->agent->work.task;
    char path[MU_AGENT_PATH_BYTES];
    mu_blob_digest digest;
    bool is_digest = mu_blob_digest_from_hex(task->start_digest, &digest);
    MU_ASSERT(is_digest); /* mu_wire_parse_task has looked */
    mu_agent_folder_name(t->agent->folder, "start", path);
    if (!task->plan.kept) /* the vectors received lie behind the state, in the blob and here */
        return mu_blob_read_file(path, &digest, t->start, task->start_floats, err);
    float *part = malloc(task->start_floats * sizeof *part);
    if (!part)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the %llu numbers of the plan's part", (unsigned long long)task->start_floats);
    mu_status status = mu_blob_read_file(path, &digest, part, task->start_floats, err);
    if (!status)
        status = scatter_start(t, part, err);
    free(part);
    return status;
}

/* ---- training ---- */

static void note_cost(training *t, mu_agent_energy before, const mu_update *update)
{
    mu_agent *agent = t->agent;
    mu_agent_cost *cost = &agent->work.cost;
    const double here_s = mu_clock_monotonic_s() - t->began_s;
    cost->compute_s = t->before_s + here_s;
    cost->energy_j += mu_agent_energy_between_j(before, mu_agent_energy_read(agent->limits.root));
    cost->peak_memory_bytes = mu_trainer_peak_bytes(agent->trainer);
    uint64_t macs = t->last_macs - t->speed_from_macs;
    if (update && t->before_s == 0 && !agent->work.task.plan.kept && !agent->job.method->how->choose)
        macs = mu_plan_macs(agent->job.model, &agent->work.task.plan, update->num_examples);
    if (macs > 0 && here_s > 0)
        agent->macs_per_s = (double)macs / here_s;
}

static mu_status run(training *t, mu_update *update, mu_error *err)
{
    mu_agent *agent = t->agent;
    const mu_join_config *config = agent->config;
    const device_examples source = { config->data, config->part == MU_JOIN_OWN_PART ? agent->identity.device : config->part };
    const mu_examples examples = { .self = &source, .count = mu_data_num_examples(config->data, source.part), .read = read_examples };
    const mu_keeper keeper = { .self = t, .is_due = place_is_due, .begin = place_begin, .put = place_put, .end = place_end, .take = place_take };
    const mu_local local = { .how = agent->job.method->how, .state = agent->job.state, .received = t->received, .own = t->own, .sent = t->sent,
                             .classes = t->classes, .afford = afford, .clock = t, .keeper = &keeper };
    mu_plan plan = agent->work.task.plan;
    mu_status status = fit_memory(agent, &plan, examples.count, err);
    if (status)
        return status;
    open_place(t);
    t->began_s = t->kept_at_s = mu_clock_monotonic_s();
    t->beat_s = mu_agent_beat_every_s(agent);
    t->beat_at_s = t->began_s + t->beat_s;
    mu_agent_energy before = mu_agent_energy_read(agent->limits.root);
    status = mu_trainer_run(agent->trainer, &plan, &examples, t->start, agent->job.seed, agent->identity.device, &local, &t->halt, t->delta, update, err);
    if (t->is_writing)
        mu_file_discard(&t->writer);
    note_cost(t, before, status ? NULL : update);
    return status;
}

/* What the training ended with, if not with an update. */
static mu_status not_trained(training *t, mu_status status, mu_error *err)
{
    mu_agent *agent = t->agent;
    if (t->failed) {
        *err = t->error;
        return t->failed;
    }
    if (t->is_cancelled) {
        mu_agent_say(agent, MU_JOIN_CANCELLED, "nobody waits for it any more");
        return mu_agent_work_drop(agent, err);
    }
    if (status != MU_E_INTERRUPTED) { /* too much for this device */
        char reason[sizeof err->message];
        memcpy(reason, err->message, sizeof reason);
        return mu_agent_work_fail(agent, reason, err);
    }
    if (mu_agent_is_stopped(agent))
        return mu_error_set(err, MU_E_INTERRUPTED, "stopped in the middle of a training; the folder %s has its place", agent->config->folder);
    return mu_agent_work_keep_cost(agent, err); /* a limit: it goes on when that is gone */
}

static mu_status train(training *t, mu_error *err)
{
    mu_agent *agent = t->agent;
    mu_update update;
    mu_status status = make_vectors(t, err);
    if (!status) {
        status = read_start(t, err);
        if (status == MU_E_CHECKSUM || status == MU_E_PARSE)
            return mu_agent_folder_remove(agent->folder, "start", err); /* it is fetched again */
    }
    if (!status && !agent->trainer)
        status = mu_trainer_create(agent->job.model, agent->job.units, &agent->trainer, err);
    if (status == MU_E_IO)
        return status;
    if (!status)
        status = run(t, &update, err);
    if (status)
        return not_trained(t, status, err);
    mu_agent_tell(agent, MU_JOIN_TRAINED, &(mu_join_event){ .loss = update.train_loss, .seconds = agent->work.cost.compute_s, .steps = update.steps });
    return mu_agent_write_update(agent, &update, t->sent, err);
}

mu_status mu_agent_train(mu_agent *agent, mu_error *err)
{
    training t = { .agent = agent };
    mu_status status = train(&t, err);
    if (t.place)
        fclose(t.place);
    free(t.classes);
    free(t.block);
    return status;
}
