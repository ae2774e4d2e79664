/* Tasks: who can take one, what it costs, how it is sent, and what becomes of it. */
#include "fl/federation_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* After so many unsound updates in a row, or one from every device, nothing good is to be expected. */
#define REFUSED_IN_A_ROW_MAX 50u

static const char *const happening_names[] = {
    [MU_HAPPENED_SENT] = "sent",           [MU_HAPPENED_MERGED] = "merged",   [MU_HAPPENED_LOST] = "lost",
    [MU_HAPPENED_CANCELLED] = "cancelled", [MU_HAPPENED_REFUSED] = "refused",
};

const char *mu_happening_name(mu_happening happening)
{
    return happening_names[happening];
}

mu_status mu_tasks_tell(mu_control *control, mu_happening happening, const mu_task *task, const mu_update *update, const char *reason,
                        mu_error *err)
{
    if (!control->observer.event)
        return MU_OK;
    mu_event_report report = {
        .happening = happening, .at = control->now, .round = control->version_number + 1, .task = task, .reason = reason,
        .train_loss = update ? update->train_loss : NAN,
        .num_examples = update ? update->num_examples : mu_data_num_examples(control->config.data, task->device),
    };
    return control->observer.event(control->observer.self, &report, err);
}

/* ---- pricing ---- */

static size_t rounded(size_t size_bytes)
{
    return (size_bytes + MU_ARENA_ALIGNMENT_BYTES - 1) / MU_ARENA_ALIGNMENT_BYTES * MU_ARENA_ALIGNMENT_BYTES;
}

/* Peak memory: the step, which the last plan priced most likely had too, and the order of the examples. */
static mu_status peak_memory(mu_control *control, const mu_plan *plan, uint32_t num_examples, uint64_t *size_bytes, mu_error *err)
{
    if (!control->priced_step_bytes || memcmp(&control->priced_train, &plan->train, sizeof plan->train) != 0) {
        mu_status status = mu_plan_peak_memory(control->config.model, plan, 0, true, &control->priced_step_bytes, NULL, err);
        if (status)
            return status;
        control->priced_train = plan->train;
    }
    *size_bytes = (uint64_t)control->priced_step_bytes + rounded(num_examples * sizeof(uint32_t));
    return MU_OK;
}

/* The same on a device that must make it fit. The search takes milliseconds, so what was found is kept; where two devices want one place, the
 * later has it. */
static mu_status fit_memory(mu_control *control, uint64_t memory_bytes, uint32_t num_examples, mu_plan *plan, mu_work *work, mu_error *err)
{
    mu_fitted *fitted = &control->fitted[(memory_bytes / 1024 * 31 + num_examples) % MU_FITTED_MAX];
    plan->memory_limit_bytes = memory_bytes;
    if (fitted->memory_bytes != memory_bytes || fitted->num_examples != num_examples ||
        memcmp(&fitted->train, &plan->train, sizeof plan->train) != 0) {
        fitted->memory_bytes = 0;
        mu_status status = mu_plan_peak_memory(control->config.model, plan, num_examples, true, &fitted->peak_bytes, &fitted->extra, err);
        if (status)
            return status;
        fitted->memory_bytes = memory_bytes;
        fitted->num_examples = num_examples;
        fitted->train = plan->train;
    }
    work->peak_memory_bytes = fitted->peak_bytes;
    work->macs[MU_PRECISION_FP32] += fitted->extra.macs;
    work->extra_moved_bytes = fitted->extra.moved_bytes;
    return MU_OK;
}

mu_status mu_tasks_price(mu_control *control, uint32_t device, mu_task *task, mu_error *err)
{
    const mu_federation_config *config = &control->config;
    uint32_t num_examples = mu_data_num_examples(config->data, device);
    *task = (mu_task){ .device = device, .sent_at = control->now };
    task->plan = (mu_plan){
        .version = control->version_number,
        .ordinal = control->history[device].tasks_sent,
        .learning_rate = config->train.learning_rate * mu_schedule_factor(&config->train.schedule, control->version_number, config->rounds),
        .train = config->train,
    };
    mu_answer what = config->answers[MU_WHAT], wire = config->answers[MU_WIRE];
    mu_status status = what.method->what->plan(control, what.state, device, &task->plan, err);
    if (status)
        return status;
    task->work.macs[MU_PRECISION_FP32] = mu_plan_samples(&task->plan, num_examples) * control->macs_per_example;
    task->work.bytes_down = wire.method->wire->bytes_down(config->model, wire.state, &task->plan);
    task->work.bytes_up = wire.method->wire->bytes_up(config->model, wire.state, &task->plan);
    status = peak_memory(control, &task->plan, num_examples, &task->work.peak_memory_bytes, err);
    mu_profile profile = mu_fleet_profile(config->fleet, device);
    if (!status && task->plan.train.fit_memory && task->work.peak_memory_bytes > profile.memory_bytes)
        status = fit_memory(control, profile.memory_bytes, num_examples, &task->plan, &task->work, err);
    if (status)
        return status;
    task->price = mu_price_work(&profile, &task->work);
    return MU_OK;
}

bool mu_control_is_ready(mu_control *control, uint32_t device)
{
    if (control->busy[device] || !mu_fleet_is_on(control->config.fleet, device, control->now) ||
        mu_data_num_examples(control->config.data, device) == 0)
        return false;
    mu_task task;
    return mu_tasks_price(control, device, &task, NULL) == MU_OK && task.price.fits;
}

mu_time_us mu_control_next_ready(mu_control *control)
{
    mu_time_us next = MU_TIME_NEVER;
    for (uint32_t device = 0; device < control->device_count; device++) {
        if (mu_data_num_examples(control->config.data, device) == 0)
            continue;
        mu_task task;
        if (mu_tasks_price(control, device, &task, NULL) || !task.price.fits)
            continue;
        mu_time_us at = mu_fleet_comes_on(control->config.fleet, device, control->now);
        if (at == control->now) { /* it is on: its turn comes when it has been away and is back */
            at = mu_fleet_goes_off(control->config.fleet, device, control->now);
            at = at == MU_TIME_NEVER ? at : mu_fleet_comes_on(control->config.fleet, device, at);
        }
        next = at < next ? at : next;
    }
    return next;
}

/* ---- slots: a task's id is its slot and a number that no other task has ---- */

static mu_task_slot *slot_of(mu_control *control, mu_task_id id)
{
    uint32_t index = (uint32_t)id.value;
    MU_ASSERT(index < control->slot_count && control->slots[index].used && control->slots[index].task.id.value == id.value);
    return &control->slots[index];
}

static mu_status slot_take(mu_control *control, mu_task_slot **out, mu_error *err)
{
    if (control->first_free == UINT32_MAX) {
        uint32_t count = control->slot_count ? 2 * control->slot_count : 64;
        mu_task_slot *slots = realloc(control->slots, count * sizeof *slots);
        if (!slots)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %u tasks at once", count);
        for (uint32_t i = count; i-- > control->slot_count;) {
            slots[i] = (mu_task_slot){ .next_free = control->first_free };
            control->first_free = i;
        }
        control->slots = slots;
        control->slot_count = count;
    }
    mu_task_slot *slot = &control->slots[control->first_free];
    control->first_free = slot->next_free;
    slot->used = true;
    control->tasks_open++;
    *out = slot;
    return MU_OK;
}

static void slot_give_back(mu_control *control, mu_task_slot *slot)
{
    control->busy[slot->task.device] = false;
    slot->used = false;
    slot->next_free = control->first_free;
    control->first_free = (uint32_t)(slot - control->slots);
    control->tasks_open--;
}

/* ---- doing ---- */

mu_status mu_control_select(mu_control *control, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    mu_answer who = control->config.answers[MU_WHO];
    *count = 0;
    mu_status status = who.method->who->select(control, who.state, wanted, devices, count, err);
    MU_ASSERT(status || *count <= wanted);
    return status;
}

mu_status mu_control_send(mu_control *control, uint32_t device, mu_error *err)
{
    MU_ASSERT(device < control->device_count && !control->busy[device]);
    mu_task_slot *slot = NULL;
    mu_status status = slot_take(control, &slot, err);
    if (status)
        return status;
    status = mu_tasks_price(control, device, &slot->task, err);
    uint32_t index = (uint32_t)(slot - control->slots);
    slot->task.id.value = (control->tasks_sent + 1) << 32 | index;
    if (!status && !slot->task.price.fits)
        status = mu_error_set(err, MU_E_MEMORY, "device %u was chosen for a plan that takes %llu bytes, more than it has", device,
                              (unsigned long long)slot->task.work.peak_memory_bytes);
    if (!status)
        status = control->carrier.send(control->carrier.self, &slot->task, control->version, err);
    if (status) {
        slot_give_back(control, slot);
        return status;
    }
    control->busy[device] = true;
    control->tasks_sent++;
    control->history[device].tasks_sent++;
    control->round.selected++;
    if (slot->task.work.peak_memory_bytes > control->totals.peak_memory_bytes)
        control->totals.peak_memory_bytes = slot->task.work.peak_memory_bytes;
    return mu_tasks_tell(control, MU_HAPPENED_SENT, &slot->task, NULL, NULL, err);
}

mu_status mu_control_set_timer(mu_control *control, mu_time_us at, uint64_t label, mu_error *err)
{
    return control->carrier.set_timer(control->carrier.self, at < control->now ? control->now : at, label, err);
}

/* ---- accounts ---- */

static uint64_t share_of(uint64_t whole, double share)
{
    return share >= 1.0 ? whole : (uint64_t)((double)whole * share);
}

/* What a task cost, up to `share` of its price, in the order in which a device spends it: download, compute, upload. */
static void account(mu_control *control, const mu_task *task, double share, bool wasted)
{
    const mu_price *price = &task->price;
    double total_s = price->download_s + price->compute_s + price->upload_s, left_s = total_s * share;
    double download_s = fmin(left_s, price->download_s);
    double compute_s = fmin(left_s - download_s, price->compute_s);
    double upload_s = share >= 1.0 ? price->upload_s : left_s - download_s - compute_s;
    double down = price->download_s > 0 ? download_s / price->download_s : 1.0;
    double work = price->compute_s > 0 ? compute_s / price->compute_s : down;
    double up = price->upload_s > 0 ? upload_s / price->upload_s : work;
    uint64_t bytes_down = share_of(task->work.bytes_down, down), bytes_up = share_of(task->work.bytes_up, up);
    uint64_t macs = share_of(price->macs, work);
    double spent_s = download_s + compute_s + upload_s;
    mu_profile profile = mu_fleet_profile(control->config.fleet, task->device);
    double joules = profile.active_w * compute_s + profile.radio_w * (download_s + upload_s);

    mu_history *history = &control->history[task->device];
    history->compute_time += mu_time_from_s(compute_s);
    history->radio_time += mu_time_from_s(download_s + upload_s);
    history->bytes_down += bytes_down;
    history->bytes_up += bytes_up;
    history->energy_j += joules;
    if (wasted)
        history->wasted_time += mu_time_from_s(spent_s);

    control->round.bytes_down += bytes_down;
    control->round.bytes_up += bytes_up;
    control->round.macs += macs;
    control->round.energy_j += joules;
    control->round.device_time_s += spent_s;
    control->round.wasted_time_s += wasted ? spent_s : 0.0;
    mu_totals *totals = &control->totals;
    totals->bytes_down += bytes_down;
    totals->bytes_up += bytes_up;
    totals->macs += macs;
    totals->energy_j += joules;
    totals->device_time_s += spent_s;
    totals->wasted_time_s += wasted ? spent_s : 0.0;
}

static mu_status cancel(mu_control *control, mu_task_slot *slot, mu_error *err)
{
    mu_task task = slot->task;
    double spent_share = 0.0;
    mu_status status = control->carrier.cancel(control->carrier.self, &task, &spent_share, err);
    if (status)
        return status;
    account(control, &task, spent_share, true);
    control->history[task.device].tasks_late++;
    control->round.late++;
    control->totals.updates_late++;
    slot_give_back(control, slot);
    return mu_tasks_tell(control, MU_HAPPENED_CANCELLED, &task, NULL, NULL, err);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = ((const mu_task_id *)a)->value, y = ((const mu_task_id *)b)->value;
    return (x > y) - (x < y);
}

/* In the order in which they were sent: slots are reused, and a resumed run fills them differently. */
mu_status mu_control_cancel_all(mu_control *control, mu_error *err)
{
    uint32_t count = 0;
    mu_task_id *ids = malloc((control->tasks_open ? control->tasks_open : 1) * sizeof *ids);
    if (!ids)
        return mu_error_set(err, MU_E_MEMORY, "no memory to cancel %u tasks", control->tasks_open);
    for (uint32_t i = 0; i < control->slot_count; i++)
        if (control->slots[i].used)
            ids[count++] = control->slots[i].task.id;
    qsort(ids, count, sizeof *ids, compare_ids);
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < count && !status; i++)
        status = cancel(control, slot_of(control, ids[i]), err);
    free(ids);
    return status;
}

/* An update is looked at before it touches anything. NULL: it is sound. */
static const char *what_is_wrong(const mu_control *control, const mu_update *update)
{
    if (update->count != control->state_count)
        return "not the model's shape";
    if (update->num_examples == 0)
        return "trained on no examples";
    if (!isfinite(update->squared_norm))
        return "not finite";
    return NULL;
}

mu_status mu_control_fold(mu_control *control, const mu_task *task, const mu_update *update, mu_error *err)
{
    const char *wrong = what_is_wrong(control, update);
    account(control, task, 1.0, wrong != NULL);
    if (wrong) {
        control->totals.updates_refused++;
        uint32_t most = control->device_count < REFUSED_IN_A_ROW_MAX ? control->device_count : REFUSED_IN_A_ROW_MAX;
        if (++control->refused_in_a_row >= most)
            return mu_error_set(err, MU_E_RANGE, "the last %u updates were refused, the last one as %s: training has diverged; a smaller "
                                "learning rate may help", control->refused_in_a_row, wrong);
        return mu_tasks_tell(control, MU_HAPPENED_REFUSED, task, update, wrong, err);
    }
    control->refused_in_a_row = 0;
    mu_answer merge = control->config.answers[MU_MERGE];
    mu_status status = merge.method->merge->fold(control, merge.state, task, update, err);
    if (status)
        return status;
    control->round.merged++;
    control->round_examples += update->num_examples;
    control->round_loss += update->train_loss * update->num_examples;
    control->round_accuracy += update->train_accuracy * update->num_examples;
    control->round_staleness += control->version_number - task->plan.version;
    control->totals.updates_merged++;
    return mu_tasks_tell(control, MU_HAPPENED_MERGED, task, update, NULL, err);
}

/* ---- events ---- */

static mu_status handle_arrived(mu_control *control, const mu_event *event, mu_error *err)
{
    mu_task_slot *slot = slot_of(control, event->task);
    mu_task task = slot->task;
    mu_history *history = &control->history[task.device];
    history->tasks_done++;
    history->last_version = task.plan.version;
    history->last_loss = (float)event->update.train_loss;
    history->last_duration = control->now - task.sent_at;
    slot_give_back(control, slot);
    mu_answer when = control->config.answers[MU_WHEN];
    return when.method->when->arrived(control, when.state, &task, &event->update, err);
}

static mu_status handle_lost(mu_control *control, const mu_event *event, mu_error *err)
{
    mu_task_slot *slot = slot_of(control, event->task);
    mu_task task = slot->task;
    control->history[task.device].tasks_lost++;
    account(control, &task, event->spent_share, true);
    control->round.lost++;
    control->totals.updates_lost++;
    slot_give_back(control, slot);
    mu_status status = mu_tasks_tell(control, MU_HAPPENED_LOST, &task, NULL, event->reason, err);
    mu_answer when = control->config.answers[MU_WHEN];
    return status ? status : when.method->when->lost(control, when.state, &task, err);
}

mu_status mu_tasks_handle(mu_control *control, const mu_event *event, mu_error *err)
{
    mu_answer when = control->config.answers[MU_WHEN];
    switch (event->kind) {
    case MU_EVENT_ARRIVED: return handle_arrived(control, event, err);
    case MU_EVENT_LOST: return handle_lost(control, event, err);
    case MU_EVENT_TIMER: return when.method->when->timer(control, when.state, event->label, err);
    }
    return MU_OK;
}
