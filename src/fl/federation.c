/* The federation: created, run and looked at; and how one version of the model becomes the next. */
#include "fl/federation_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- creating ---- */

static mu_status keep_methods(mu_control *control, mu_error *err)
{
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        mu_answer answer = control->config.answers[q];
        bool known = false;
        for (uint32_t i = 0; i < control->kept_count; i++)
            known |= control->kept[i].state == answer.state;
        if (known)
            continue;
        mu_kept *kept = &control->kept[control->kept_count++];
        *kept = (mu_kept){ .method = answer.method, .state = answer.state };
        if (answer.method->vectors)
            kept->counts = answer.method->vectors(answer.state);
        if (kept->counts.server)
            kept->vectors = calloc(kept->counts.server * control->state_count, sizeof(float));
        if (answer.method->device_bytes)
            kept->devices = calloc(control->device_count, answer.method->device_bytes);
        if ((kept->counts.server && !kept->vectors) || (answer.method->device_bytes && !kept->devices))
            return mu_error_set(err, MU_E_MEMORY, "no memory for what method '%s' keeps", answer.method->name);
    }
    const mu_vectors *crossing = &control->crossing;
    mu_answer how = control->config.answers[MU_HOW];
    if (how.method->vectors)
        control->crossing = how.method->vectors(how.state);
    if (crossing->received > MU_VECTORS_MAX || crossing->own > MU_VECTORS_MAX || crossing->sent > MU_VECTORS_MAX)
        return mu_error_set(err, MU_E_LIMIT, "method '%s' has more than %d vectors in one direction", how.method->name, MU_VECTORS_MAX);
    return MU_OK;
}

/* Who can ever take part: with examples, and with the memory for the plan that it would get at the start. Counted, so that a run with nobody
 * in it explains itself. */
static mu_status can_take_part(void *self, uint32_t device, bool *out, mu_error *err)
{
    mu_control *control = self;
    mu_lacking lacking;
    mu_status status = mu_tasks_lacking(control, device, &lacking, err);
    if (status)
        return status;
    *out = lacking == MU_LACKS_NOTHING;
    control->totals.devices_without_examples += lacking == MU_LACKS_EXAMPLES;
    control->totals.devices_without_memory += lacking == MU_LACKS_MEMORY;
    return MU_OK;
}

/* Where the carrier tells, that is looked at when a device comes. */
static mu_status begin_presence(mu_control *control, mu_error *err)
{
    if (!control->carrier.tells_presence)
        return mu_presence_init(&control->presence, control->config.fleet, can_take_part, control, err);
    control->lacking = calloc(control->device_count, sizeof *control->lacking);
    if (!control->lacking)
        return mu_error_set(err, MU_E_MEMORY, "no memory to keep track of %u devices", control->device_count);
    return mu_presence_init_told(&control->presence, control->config.fleet, err);
}

/* Room for the parts of plans that are made. */
static bool take_choices(mu_control *control)
{
    size_t units = mu_units_count(control->config.units), groups = mu_units_group_count(control->config.units);
    control->kept_units = malloc(units + 1);
    control->chosen_units = malloc(units + 1);
    control->chosen_counts = malloc((groups + 1) * sizeof *control->chosen_counts);
    return control->kept_units && control->chosen_units && control->chosen_counts;
}

static void round_begin(mu_control *control)
{
    control->idle_energy_before_j = control->totals.idle_energy_j;
    control->round = (mu_round_report){ .rounds = control->config.rounds, .tier_count = mu_fleet_tier_count(control->config.fleet) };
    control->round_examples = control->round_loss = control->round_accuracy = control->round_staleness = 0.0;
}

/* The parts that are evaluated, and what they are. */
static mu_status name_parts(mu_control *control, mu_error *err)
{
    mu_answer what = control->config.answers[MU_WHAT];
    mu_usable_parts *usable = &control->usable;
    mu_status status = mu_usable_parts_init(what.method, what.state, control->config.units, usable, err);
    control->totals.width_count = status || !usable->named ? 0 : usable->count;
    for (uint32_t i = 0; i < control->totals.width_count; i++) {
        const mu_submodel *part = mu_control_part(control, usable->parts[i].kept);
        if (!part)
            return mu_error_set(err, MU_E_MEMORY, "no memory for a part of the model");
        const mu_model *model = mu_submodel_model(part);
        control->totals.widths[i] = (mu_width_report){ .width = usable->parts[i].width, .parameters = mu_model_param_count(model),
                                                       .macs = mu_model_macs_forward(model, 1), .loss = NAN, .accuracy = NAN };
    }
    return status;
}

static mu_status check_config(const mu_federation_config *config, mu_error *err)
{
    uint32_t devices = mu_data_device_count(config->data);
    if (mu_fleet_device_count(config->fleet) != devices)
        return mu_error_set(err, MU_E_SHAPE, "the fleet has %u devices and the data lie on %u", mu_fleet_device_count(config->fleet),
                            devices);
    if (mu_fleet_tier_count(config->fleet) > MU_TIERS_MAX)
        return mu_error_set(err, MU_E_LIMIT, "the fleet has %u tiers, at most %d can be reported", mu_fleet_tier_count(config->fleet),
                            MU_TIERS_MAX);
    return mu_data_check_model(config->data, config->model, err);
}

/* What the experiment asks of devices that are not played here. */
static mu_status check_carrier(const mu_federation_config *config, const mu_carrier *carrier, mu_error *err)
{
    const char *varies_by = mu_fleet_varies_by(config->fleet);
    if (carrier->tells_presence && varies_by)
        return mu_error_set(err, MU_E_CONFIG, "the fleet has '%s', but its devices are real: when they are there and how fast they are is theirs to say; "
                            "leave it out of 'fleet:'", varies_by);
    if (!carrier->tells_presence && mu_data_is_elsewhere(config->data))
        return mu_error_set(err, MU_E_CONFIG, "the examples of data 'elsewhere' lie on real devices: nobody can train on them here; name a data set, or let "
                            "devices join");
    if (config->start_devices > mu_data_device_count(config->data))
        return mu_error_set(err, MU_E_CONFIG, "the first round waits for %u devices, and there are only %u", config->start_devices,
                            mu_data_device_count(config->data));
    bool has_statistics = mu_model_state_count(config->model) > mu_model_param_count(config->model);
    if (config->norm_statistics == MU_NORM_STATISTICS_DEVICES && has_statistics && !config->train.dry && !carrier->statistics)
        return mu_error_set(err, MU_E_CONFIG, "'norm_statistics: devices' looks at devices' examples, and they are not here; use "
                            "'norm_statistics: trained'");
    return MU_OK;
}

/* Given; or drawn for the widest part that is used, as for a network of its own: how large they are hangs on how many inputs are added up. What is outside of it
 * nobody looks at. */
static mu_status first_weights(mu_control *control, mu_error *err)
{
    const mu_federation_config *config = &control->config;
    const mu_usable *widest = &control->usable.parts[0];
    float *state = control->version->state;
    if (config->start)
        memcpy(state, config->start, control->state_count * sizeof *state);
    else
        mu_model_init(config->model, config->seed, state);
    if (config->start || !widest->kept)
        return MU_OK;
    const mu_submodel *part = mu_control_part(control, widest->kept);
    if (!part)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a part of the model");
    mu_extracted own;
    mu_status status = mu_submodel_extract(part, 0, state, &own, err);
    if (status)
        return status;
    mu_model_init(own.model, config->seed, own.state);
    mu_submodel_scatter(part, MU_EXTENT_PARAMS, own.state, state);
    mu_extracted_release(&own);
    return MU_OK;
}

mu_status mu_federation_create(const mu_federation_config *config, const mu_carrier *carrier, const mu_observer *observer,
                               mu_federation **out, mu_error *err)
{
    mu_status status = check_config(config, err);
    if (!status)
        status = check_carrier(config, carrier, err);
    if (status)
        return status;
    mu_federation *federation = calloc(1, sizeof *federation);
    if (!federation)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the federation");
    mu_control *control = &federation->control;
    control->config = *config;
    control->carrier = *carrier;
    if (observer)
        control->observer = *observer;
    control->state_count = mu_model_state_count(config->model);
    control->device_count = mu_data_device_count(config->data);
    mu_cost one = mu_model_cost(config->model, 1);
    control->macs_per_example = one.macs_forward + one.macs_backward;
    control->first_free = UINT32_MAX;
    control->totals.best_accuracy = control->totals.final_accuracy = control->totals.final_loss = NAN;
    status = keep_methods(control, err);
    if (!status && config->units && !take_choices(control))
        status = mu_error_set(err, MU_E_MEMORY, "no memory for plans");
    if (!status)
        status = name_parts(control, err);
    if (!status) {
        control->version = mu_version_create(control);
        control->history = calloc(control->device_count, sizeof *control->history);
        if (!control->version || !control->history)
            status = mu_error_set(err, MU_E_MEMORY, "no memory for %u devices and a model of %zu parameters", control->device_count,
                                  control->state_count);
    }
    if (!status)
        status = begin_presence(control, err);
    if (!status) {
        memset(control->version->state, 0, mu_version_bytes(control->version));
        status = first_weights(control, err);
    }
    if (status) {
        mu_federation_destroy(federation);
        return status;
    }
    for (uint32_t i = 0; i < control->device_count; i++)
        control->history[i].last_loss = NAN;
    for (int i = 0; i < MU_TIERS_MAX; i++)
        control->totals.tier_accuracy[i] = NAN;
    round_begin(control);
    *out = federation;
    return MU_OK;
}

void mu_federation_destroy(mu_federation *federation)
{
    if (!federation)
        return;
    mu_control *control = &federation->control;
    for (uint32_t i = 0; i < control->kept_count; i++) {
        free(control->kept[i].vectors);
        free(control->kept[i].devices);
    }
    mu_tasks_release(control);
    mu_held_release(control);
    mu_usable_parts_release(&control->usable);
    mu_version_release(control->version);
    mu_presence_release(&control->presence);
    free(control->lacking);
    free(control->scratch);
    free(control->looked);
    free(control->kept_units);
    free(control->chosen_units);
    free(control->chosen_counts);
    mu_submodel_destroy(control->part);
    free(control->history);
    free(federation);
}

bool mu_federation_waits_for_all(const mu_federation_config *config)
{
    mu_answer when = config->answers[MU_WHEN];
    return when.method->when->waits_for_all && when.method->when->waits_for_all(when.state);
}

/* ---- from one version to the next ---- */

static bool evaluation_due(const mu_control *control)
{
    if (control->config.train.dry)
        return false;
    uint32_t every = control->config.evaluate_every_rounds;
    return control->version_number == control->config.rounds || (every && control->version_number % every == 0);
}

static double accuracy_of(const mu_evaluation *evaluation)
{
    return evaluation->count ? (double)evaluation->correct / (double)evaluation->count : NAN;
}

static double loss_of(const mu_evaluation *evaluation)
{
    return evaluation->count ? evaluation->loss_sum / (double)evaluation->count : NAN;
}

static mu_status evaluate(mu_control *control, mu_error *err)
{
    mu_round_report *round = &control->round;
    mu_totals *totals = &control->totals;
    mu_evaluation tests[MU_USABLE_MAX] = { { 0 } }, tiers[MU_TIERS_MAX] = { { 0 } };
    bool looks_at_tiers = control->config.tier_examples && control->carrier.evaluate_devices;
    mu_status status = mu_look_at_parts(control, tests, looks_at_tiers ? tiers : NULL, err);
    if (status)
        return status;
    round->evaluated = true;
    round->accuracy = accuracy_of(&tests[0]);
    round->loss = loss_of(&tests[0]);
    for (uint32_t i = 0; i < round->tier_count; i++)
        totals->tier_accuracy[i] = round->tier_accuracy[i] = accuracy_of(&tiers[i]);
    for (uint32_t i = 0; i < totals->width_count; i++) {
        totals->widths[i].accuracy = accuracy_of(&tests[i]);
        totals->widths[i].loss = loss_of(&tests[i]);
    }
    round->width_count = totals->width_count;
    round->widths = totals->width_count ? totals->widths : NULL;
    totals->final_accuracy = round->accuracy;
    totals->final_loss = round->loss;
    if (!(totals->best_accuracy >= round->accuracy))
        totals->best_accuracy = round->accuracy;
    return MU_OK;
}

/* Evaluate and tell. What comes next is saved when the event is dealt with. */
static mu_status close_round(mu_control *control, mu_error *err)
{
    mu_round_report *round = &control->round;
    mu_presence_advance(&control->presence, control->now);
    control->totals.idle_energy_j = mu_presence_idle_energy_j(&control->presence);
    round->idle_energy_j = control->totals.idle_energy_j - control->idle_energy_before_j;
    round->tasks_open = control->tasks_open;
    round->round = control->version_number;
    round->time = control->totals.time = control->now;
    control->totals.rounds = control->version_number;
    round->train_loss = control->round_examples > 0 ? control->round_loss / control->round_examples : NAN;
    round->train_accuracy = control->round_examples > 0 ? control->round_accuracy / control->round_examples : NAN;
    round->mean_staleness = round->merged ? control->round_staleness / round->merged : 0.0;
    round->loss = round->accuracy = NAN;
    for (uint32_t i = 0; i < MU_TIERS_MAX; i++)
        round->tier_accuracy[i] = NAN;
    mu_status status = MU_OK;
    if (evaluation_due(control))
        status = evaluate(control, err);
    if (!status && control->observer.round)
        status = control->observer.round(control->observer.self, round, err);
    round_begin(control);
    uint32_t every = control->config.checkpoint_every_rounds;
    control->checkpoint_due |= mu_control_is_finished(control) || every <= 1 || control->version_number % every == 0;
    return status;
}

/* Tasks in flight and held updates keep the version that they started from; with none, it is changed in place. */
static mu_status begin_version(mu_control *control, mu_error *err)
{
    if (control->version->references == 1)
        return MU_OK;
    mu_version *next = mu_version_create(control);
    if (!next)
        return mu_error_set(err, MU_E_MEMORY, "no memory for another version of the model");
    memcpy(next->state, control->version->state, mu_version_bytes(next));
    mu_version_release(control->version);
    control->version = next;
    return MU_OK;
}

mu_status mu_control_commit(mu_control *control, mu_error *err)
{
    MU_ASSERT(!mu_control_is_finished(control) && control->round.merged > 0);
    bool last = control->version_number + 1 == control->config.rounds;
    mu_status status = last ? mu_control_cancel(control, MU_ANY_LABEL, err) : MU_OK;
    if (!status && !control->config.train.dry) {
        mu_answer merge = control->config.answers[MU_MERGE];
        status = begin_version(control, err);
        if (!status)
            status = merge.method->merge->finish(control, merge.state, control->version->state, err);
    }
    if (status)
        return status;
    control->version_number++;
    return close_round(control, err);
}

/* ---- running ---- */

static mu_status save_if_due(mu_control *control, mu_error *err)
{
    if (!control->is_started || !control->checkpoint_due || !control->config.checkpoint_path)
        return MU_OK;
    control->checkpoint_due = false;
    mu_status status = mu_checkpoint_save(control, err);
    return status || !control->carrier.saved ? status : control->carrier.saved(control->carrier.self, err);
}

/* The model before any training is looked at with the others' eyes once they are there. */
static bool first_waits(const mu_control *control)
{
    bool by_devices = mu_looks_by_devices(control) || (control->config.tier_examples && control->carrier.evaluate_devices);
    return control->carrier.tells_presence && by_devices && evaluation_due(control) && !mu_control_is_finished(control);
}

/* Devices that are simulated are there or will be; the others come by themselves, and the first round waits for enough of them. */
static mu_status start_when_enough(mu_control *control, mu_error *err)
{
    uint32_t wanted = control->config.start_devices ? control->config.start_devices : 1;
    bool enough = !control->carrier.tells_presence || control->presence.count >= wanted;
    if (control->is_started || !enough)
        return MU_OK;
    control->is_started = true;
    mu_status status = first_waits(control) ? close_round(control, err) : MU_OK;
    mu_answer when = control->config.answers[MU_WHEN];
    return status ? status : when.method->when->started(control, when.state, err);
}

/* What devices that came had lacked is looked at again when they come again. */
static mu_status resume(mu_control *control, mu_error *err)
{
    mu_status status = mu_checkpoint_load(control, err);
    if (!status && control->carrier.tells_presence)
        control->totals.devices_without_examples = control->totals.devices_without_memory = 0;
    return status;
}

static mu_status begin(mu_control *control, mu_error *err)
{
    control->is_started = control->config.resume || mu_control_is_finished(control);
    if (control->config.resume)
        return resume(control, err);
    mu_status status = first_waits(control) ? MU_OK : close_round(control, err);
    if (!status)
        status = start_when_enough(control, err);
    return status ? status : save_if_due(control, err);
}

mu_status mu_federation_run(mu_federation *federation, mu_error *err)
{
    mu_control *control = &federation->control;
    mu_status status = begin(control, err);
    while (!status && !mu_control_is_finished(control)) {
        if (control->observer.stop && control->observer.stop(control->observer.self))
            return mu_error_set(err, MU_E_INTERRUPTED, "stopped after round %u of %u", control->version_number, control->config.rounds);
        mu_event event = { 0 };
        status = control->carrier.next(control->carrier.self, &event, err);
        if (status)
            break;
        MU_ASSERT(event.at >= control->now);
        control->now = event.at;
        status = mu_tasks_handle(control, &event, err);
        if (!status)
            status = start_when_enough(control, err);
        if (!status)
            status = save_if_due(control, err);
    }
    return status;
}

/* ---- looking ---- */

const mu_totals *mu_federation_totals(const mu_federation *federation) { return &federation->control.totals; }
const float *mu_federation_state(const mu_federation *federation) { return federation->control.version->state; }

const mu_history *mu_federation_history(const mu_federation *federation, uint32_t device)
{
    return &federation->control.history[device];
}

mu_time_us mu_federation_idle_time(const mu_federation *federation, uint32_t device)
{
    return mu_presence_idle_time(&federation->control.presence, device);
}

mu_time_us mu_control_now(const mu_control *control) { return control->now; }
uint64_t mu_control_seed(const mu_control *control) { return control->config.seed; }
uint32_t mu_control_version(const mu_control *control) { return control->version_number; }
uint32_t mu_control_total_rounds(const mu_control *control) { return control->config.rounds; }
bool mu_control_is_finished(const mu_control *control) { return control->version_number >= control->config.rounds; }
bool mu_control_is_dry(const mu_control *control) { return control->config.train.dry; }
uint32_t mu_control_device_count(const mu_control *control) { return control->device_count; }
const mu_model *mu_control_model(const mu_control *control) { return control->config.model; }
const mu_units *mu_control_units(const mu_control *control) { return control->config.units; }
const mu_fleet *mu_control_fleet(const mu_control *control) { return control->config.fleet; }
const mu_history *mu_control_history(const mu_control *control, uint32_t device) { return &control->history[device]; }
const float *mu_control_state(const mu_control *control) { return control->version->state; }
bool mu_control_presence_is_told(const mu_control *control) { return control->carrier.tells_presence; }
uint32_t mu_control_tasks_open(const mu_control *control) { return control->tasks_open; }
uint64_t mu_control_tasks_sent(const mu_control *control) { return control->tasks_sent; }
uint32_t mu_control_folded(const mu_control *control) { return control->round.merged; }

uint32_t mu_control_num_examples(const mu_control *control, uint32_t device)
{
    return mu_data_num_examples(control->config.data, device);
}

mu_status mu_control_evaluate(mu_control *control, const uint32_t *devices, uint32_t count, uint32_t examples_each, mu_evaluation *each,
                              mu_error *err)
{
    MU_ASSERT(!control->config.train.dry);
    if (!control->carrier.evaluate_devices)
        return mu_error_set(err, MU_E_STATE, "the examples of devices are not here: a model cannot be looked at on them; choose methods that do not "
                            "ask for it");
    const float *state;
    mu_status status = mu_looked_state(control, &control->usable.parts[0], &state, err);
    return status ? status : control->carrier.evaluate_devices(control->carrier.self, state, &control->usable.parts[0], false, devices,
                                                               count, examples_each, each, err);
}

/* ---- what methods keep ---- */

static const mu_kept *kept_of(const mu_control *control, const void *state)
{
    for (uint32_t i = 0; i < control->kept_count; i++)
        if (control->kept[i].state == state)
            return &control->kept[i];
    MU_ASSERT(!"the state of a method that answers nothing");
    return NULL;
}

float *mu_control_vector(mu_control *control, const void *state, uint32_t index)
{
    const mu_kept *kept = kept_of(control, state);
    MU_ASSERT(index < kept->counts.server);
    return kept->vectors + index * control->state_count;
}

float *mu_control_received(mu_control *control, const void *state, uint32_t index)
{
    MU_ASSERT(state == control->config.answers[MU_HOW].state && index < control->crossing.received);
    return control->version->state + (1 + (size_t)index) * control->state_count;
}

void *mu_control_device(mu_control *control, const void *state, uint32_t device)
{
    const mu_kept *kept = kept_of(control, state);
    MU_ASSERT(kept->devices && device < control->device_count);
    return kept->devices + device * kept->method->device_bytes;
}
