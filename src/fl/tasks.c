/* Tasks: how they are sent, and what becomes of them. */
#include "device/time.h"
#include "fl/federation_internal.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* After so many unsound updates in a row, or one from every device, nothing good is to be expected. */
#define REFUSED_IN_A_ROW_MAX 50u

static const char *const happening_names[] = {
    [MU_HAPPENED_SENT] = "sent",           [MU_HAPPENED_MERGED] = "merged",   [MU_HAPPENED_LOST] = "lost",
    [MU_HAPPENED_CANCELLED] = "cancelled", [MU_HAPPENED_REFUSED] = "refused", [MU_HAPPENED_DISCARDED] = "discarded",
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
        .staleness = control->version_number - task->plan.version,
        .num_examples = update ? update->num_examples : mu_data_num_examples(control->config.data, task->device),
    };
    return control->observer.event(control->observer.self, &report, err);
}

/* ---- slots: a task's id is its slot and a number that no other task has ---- */

static mu_task_slot *slot_of(mu_control *control, mu_task_id id)
{
    uint32_t index = (uint32_t)id.value;
    MU_ASSERT(index < control->slot_count && control->slots[index].used && control->slots[index].task.id.value == id.value);
    return &control->slots[index];
}

mu_status mu_tasks_take_slot(mu_control *control, mu_task_slot **out, mu_error *err)
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
    *slot = (mu_task_slot){ .used = true };
    control->tasks_open++;
    *out = slot;
    return MU_OK;
}

static void slot_give_back(mu_control *control, mu_task_slot *slot)
{
    mu_version_release(slot->start);
    free(slot->kept);
    *slot = (mu_task_slot){ .next_free = control->first_free };
    control->first_free = (uint32_t)(slot - control->slots);
    control->tasks_open--;
}

/* The units of a task that is over, for as long as it is still spoken of: the caller frees them. */
static bool *take_kept(mu_task_slot *slot)
{
    bool *kept = slot->kept;
    slot->kept = NULL;
    return kept;
}

/* The device of a task that is over has nothing to do. */
static void set_idle(mu_control *control, const mu_task *task)
{
    mu_presence_advance(&control->presence, control->now);
    mu_presence_end_work(&control->presence, task->device, task->sent_at, &task->price);
}

void mu_tasks_release(mu_control *control)
{
    for (uint32_t i = 0; i < control->slot_count; i++)
        if (control->slots[i].used) {
            mu_version_release(control->slots[i].start);
            free(control->slots[i].kept);
        }
    free(control->slots);
    free(control->timers);
}

/* ---- timers: the carrier's label of one is its order ---- */

mu_status mu_tasks_add_timer(mu_control *control, mu_timer timer, mu_error *err)
{
    if (control->timer_count == control->timer_capacity) {
        uint32_t capacity = control->timer_capacity ? 2 * control->timer_capacity : 16;
        mu_timer *timers = realloc(control->timers, capacity * sizeof *timers);
        if (!timers)
            return mu_error_set(err, MU_E_MEMORY, "no memory for %u timers", capacity);
        control->timers = timers;
        control->timer_capacity = capacity;
    }
    mu_status status = control->carrier.set_timer(control->carrier.self, timer.at, timer.order, err);
    if (!status)
        control->timers[control->timer_count++] = timer;
    return status;
}

mu_status mu_control_set_timer(mu_control *control, mu_time_us at, uint64_t label, mu_error *err)
{
    mu_timer timer = { .order = control->orders++, .label = label, .at = at < control->now ? control->now : at };
    return mu_tasks_add_timer(control, timer, err);
}

/* A task that only carries a model is no task in a device's history, nor in who was selected; its time, bytes and energy count. */
static bool trains(const mu_task *task)
{
    return task->plan.train.local_epochs > 0;
}

/* ---- choosing and sending ---- */

mu_status mu_control_select(mu_control *control, const mu_among *among, uint32_t wanted, uint32_t *devices, uint32_t *count, mu_error *err)
{
    mu_answer who = control->config.answers[MU_WHO];
    *count = 0;
    if (mu_control_is_finished(control))
        return MU_OK;
    control->among = among;
    mu_status status = who.method->who->select(control, who.state, wanted, devices, count, err);
    control->among = NULL;
    MU_ASSERT(status || *count <= wanted);
    return status;
}

uint32_t mu_control_target(mu_control *control, uint32_t cohort)
{
    mu_answer who = control->config.answers[MU_WHO];
    if (!who.method->who->target)
        return cohort;
    uint32_t target = who.method->who->target(control, who.state, cohort);
    return target < 1 ? 1 : target > cohort ? cohort : target;
}

/* What the task starts from: the current version, or what a held update came to. */
static mu_status find_start(mu_control *control, const mu_sending *sending, mu_task_slot *slot, mu_error *err)
{
    const mu_held *from = sending->from.value ? mu_control_held_named(control, sending->from) : NULL;
    MU_ASSERT(from || !sending->from.value);
    slot->carried = sending->carry ? sending->from : (mu_held_id){ 0 };
    if (!from || control->config.train.dry || sending->carry) {
        slot->start = control->version;
        mu_version_retain(slot->start);
        return MU_OK;
    }
    slot->start = mu_version_create(control);
    if (!slot->start)
        return mu_error_set(err, MU_E_MEMORY, "no memory for another version of the model");
    memcpy(slot->start->state, control->version->state, mu_version_bytes(control->version)); /* what goes down with it */
    for (size_t i = 0; i < control->state_count; i++)
        slot->start->state[i] = from->update.start[i] + from->update.delta[i];
    return MU_OK;
}


mu_status mu_control_send(mu_control *control, const mu_sending *sending, mu_error *err)
{
    uint32_t device = sending->device;
    MU_ASSERT(device < control->device_count && !control->presence.busy[device]);
    mu_task_slot *slot = NULL;
    mu_status status = mu_tasks_take_slot(control, &slot, err);
    if (status)
        return status;
    status = mu_tasks_price(control, sending, &slot->task, err);
    uint32_t index = (uint32_t)(slot - control->slots);
    slot->task.id.value = (control->tasks_sent + 1) << 32 | index;
    slot->order = control->orders;
    if (!status && !slot->task.price.fits)
        status = mu_error_set(err, MU_E_MEMORY, "device %u was chosen for a plan that takes %llu bytes, more than it has", device,
                              (unsigned long long)slot->task.work.peak_memory_bytes);
    mu_presence_advance(&control->presence, control->now);
    if (!status)
        slot->task.battery_ends_at = mu_presence_battery_ends(&control->presence, device, &slot->task.price);
    if (!status)
        status = find_start(control, sending, slot, err);
    if (!status && slot->task.plan.kept) {
        slot->task.plan.kept = slot->kept = mu_part_copy(control, slot->task.plan.kept);
        if (!slot->kept)
            status = mu_error_set(err, MU_E_MEMORY, "no memory for a plan");
    }
    if (!status)
        status = control->carrier.send(control->carrier.self, &slot->task, slot->start, err);
    if (status) {
        slot_give_back(control, slot);
        return status;
    }
    mu_presence_begin_work(&control->presence, device, slot->task.sent_at);
    control->orders++;
    control->tasks_sent++;
    control->history[device].tasks_sent += trains(&slot->task);
    control->round.selected += trains(&slot->task);
    if (slot->task.work.peak_memory_bytes > control->totals.peak_memory_bytes)
        control->totals.peak_memory_bytes = slot->task.work.peak_memory_bytes;
    return mu_tasks_tell(control, MU_HAPPENED_SENT, &slot->task, NULL, NULL, err);
}

/* ---- accounts ---- */

static uint64_t share_of(uint64_t whole, double share)
{
    return share >= 1.0 ? whole : (uint64_t)((double)whole * share);
}

static double whole_s(const mu_task *task)
{
    return task->price.download_s + task->price.compute_s + task->price.upload_s;
}

/* What was spent in vain. */
static void waste(mu_control *control, const mu_task *task, double spent_s)
{
    mu_history *history = &control->history[task->device];
    history->wasted_time = mu_time_later(history->wasted_time, mu_time_from_s(spent_s));
    control->round.wasted_time_s += spent_s;
    control->totals.wasted_time_s += spent_s;
}

/* What a task cost, up to `share` of its price, in the order in which a device spends it: download, compute, upload. */
static void account(mu_control *control, const mu_task *task, double share, bool is_measured)
{
    const mu_price *price = &task->price;
    double left_s = whole_s(task) * share;
    double download_s = fmin(left_s, price->download_s);
    double compute_s = fmin(left_s - download_s, price->compute_s);
    double upload_s = share >= 1.0 ? price->upload_s : left_s - download_s - compute_s;
    double down = price->download_s > 0 ? download_s / price->download_s : 1.0;
    double work = price->compute_s > 0 ? compute_s / price->compute_s : down;
    double up = price->upload_s > 0 ? upload_s / price->upload_s : work;
    uint64_t bytes_down = share_of(price->bytes_down, down), bytes_up = share_of(price->bytes_up, up);
    uint64_t from_peer = task->down == MU_LEG_PEER ? bytes_down : 0, to_peer = task->up == MU_LEG_PEER ? bytes_up : 0;
    uint64_t macs = share_of(price->macs, work);
    double spent_s = download_s + compute_s + upload_s;
    double radio_w = mu_fleet_profile(control->config.fleet, task->device).radio_w;
    double compute_j = price->compute_s > 0 ? price->compute_j * (compute_s / price->compute_s) : 0.0;
    double joules = is_measured ? price->energy_j : compute_j + radio_w * (download_s + upload_s);

    mu_history *history = &control->history[task->device];
    history->compute_time = mu_time_later(history->compute_time, mu_time_from_s(compute_s));
    history->radio_time = mu_time_later(history->radio_time, mu_time_from_s(download_s + upload_s));
    history->bytes_down += bytes_down;
    history->bytes_up += bytes_up;
    history->energy_j += joules;
    history->compute_energy_j += compute_j;

    mu_round_report *round = &control->round;
    round->bytes_down += bytes_down - from_peer;
    round->bytes_up += bytes_up - to_peer;
    round->bytes_peer += to_peer; /* what one sends another receives: counted once */
    round->macs += macs;
    round->energy_j += joules;
    round->device_time_s += spent_s;
    mu_totals *totals = &control->totals;
    totals->bytes_down += bytes_down - from_peer;
    totals->bytes_up += bytes_up - to_peer;
    totals->bytes_peer += to_peer;
    totals->macs += macs;
    totals->afforded_macs += share_of(task->work.afforded_macs, work);
    totals->energy_j += joules;
    totals->device_time_s += spent_s;
}

static void let_who_see(mu_control *control, const mu_task *task, const mu_update *update)
{
    mu_answer who = control->config.answers[MU_WHO];
    if (who.method->who->seen)
        who.method->who->seen(control, who.state, task, update);
}

/* ---- cancelling ---- */

static mu_status cancel(mu_control *control, mu_task_slot *slot, mu_error *err)
{
    mu_task task = slot->task;
    double spent_share = 0.0;
    mu_status status = control->carrier.cancel(control->carrier.self, &task, &spent_share, err);
    if (status)
        return status;
    account(control, &task, spent_share, false);
    waste(control, &task, whole_s(&task) * spent_share);
    control->history[task.device].tasks_late += trains(&task);
    control->round.late++;
    control->totals.updates_late++;
    bool *kept = take_kept(slot);
    slot_give_back(control, slot);
    set_idle(control, &task);
    let_who_see(control, &task, NULL);
    status = mu_tasks_tell(control, MU_HAPPENED_CANCELLED, &task, NULL, NULL, err);
    free(kept);
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = ((const mu_task_id *)a)->value, y = ((const mu_task_id *)b)->value;
    return (x > y) - (x < y);
}

/* In the order in which they were sent: slots are reused, and a resumed run fills them differently. */
mu_status mu_control_cancel(mu_control *control, uint64_t label, mu_error *err)
{
    uint32_t count = 0;
    mu_task_id *ids = malloc((control->tasks_open ? control->tasks_open : 1) * sizeof *ids);
    if (!ids)
        return mu_error_set(err, MU_E_MEMORY, "no memory to cancel %u tasks", control->tasks_open);
    for (uint32_t i = 0; i < control->slot_count; i++)
        if (control->slots[i].used && (label == MU_ANY_LABEL || control->slots[i].task.label == label))
            ids[count++] = control->slots[i].task.id;
    qsort(ids, count, sizeof *ids, compare_ids);
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < count && !status; i++)
        status = cancel(control, slot_of(control, ids[i]), err);
    free(ids);
    return status;
}

uint32_t mu_control_tasks_due(const mu_control *control, mu_time_us by)
{
    uint32_t due = 0;
    for (uint32_t i = 0; i < control->slot_count; i++)
        due += control->slots[i].used && mu_time_later(control->slots[i].task.sent_at, mu_time_from_s(whole_s(&control->slots[i].task))) <= by;
    return due;
}

/* ---- folding ---- */

/* An update is looked at before it touches anything. NULL: it is sound. */
static const char *what_is_wrong(const mu_control *control, const mu_update *update)
{
    if (control->config.train.dry)
        return NULL;
    if (update->count != control->state_count)
        return "not the model's shape";
    if (update->num_examples == 0)
        return "trained on no examples";
    if (!isfinite(update->squared_norm))
        return "not finite";
    for (uint32_t i = 0; i < control->crossing.sent; i++)
        if (!isfinite(mu_kernels()->squared_norm(control->state_count, update->sent[i])))
            return "not finite in what it sends beside the change";
    return NULL;
}

static mu_status refuse(mu_control *control, const mu_task *task, const mu_update *update, const char *wrong, mu_error *err)
{
    waste(control, task, whole_s(task));
    control->round.refused++;
    control->totals.updates_refused++;
    uint32_t most = control->device_count < REFUSED_IN_A_ROW_MAX ? control->device_count : REFUSED_IN_A_ROW_MAX;
    if (++control->refused_in_a_row >= most)
        return mu_error_set(err, MU_E_RANGE, "the last %u updates were refused, the last one as %s: training has diverged; a smaller "
                            "learning rate may help", control->refused_in_a_row, wrong);
    return mu_tasks_tell(control, MU_HAPPENED_REFUSED, task, update, wrong, err);
}

/* What trained on from another's update changed the current version by the work of both. */
static mu_status rebase(mu_control *control, mu_update *update, mu_error *err)
{
    if (!control->scratch && !(control->scratch = malloc(control->state_count * sizeof(float))))
        return mu_error_set(err, MU_E_MEMORY, "no memory for the change of a model of %zu parameters", control->state_count);
    const float *now = control->version->state;
    update->squared_norm = 0.0;
    for (size_t i = 0; i < control->state_count; i++) {
        control->scratch[i] = update->start[i] + update->delta[i] - now[i];
        update->squared_norm += (double)control->scratch[i] * (double)control->scratch[i];
    }
    update->delta = control->scratch;
    update->start = now;
    update->kept = update->classes = NULL; /* others before it may have trained what it did not: the change can be anywhere */
    return MU_OK;
}

static void note_merged(mu_control *control, const mu_task *task, const mu_update *update)
{
    uint32_t staleness = control->version_number - task->plan.version;
    mu_round_report *round = &control->round;
    round->merged++;
    if (isfinite(update->train_loss)) {
        control->round_examples += update->num_examples;
        control->round_loss += update->train_loss * update->num_examples;
        control->round_accuracy += update->train_accuracy * update->num_examples;
    }
    control->round_staleness += staleness;
    round->max_staleness = staleness > round->max_staleness ? staleness : round->max_staleness;
    mu_totals *totals = &control->totals;
    totals->updates_merged++;
    totals->staleness_sum += staleness;
    totals->max_staleness = staleness > totals->max_staleness ? staleness : totals->max_staleness;
}

/* `merge` may hold the update, which moves those held: what was handed in may be one of them, so it is copied first. */
mu_status mu_control_fold(mu_control *control, const mu_task *task_in, const mu_update *update_in, mu_error *err)
{
    const mu_task own_task = *task_in, *task = &own_task;
    const mu_update own_update = *update_in, *update = &own_update;
    const char *wrong = what_is_wrong(control, update);
    if (wrong)
        return refuse(control, task, update, wrong, err);
    mu_update whole = *update;
    mu_status status = task->relayed && !control->config.train.dry ? rebase(control, &whole, err) : MU_OK;
    if (!status && (wrong = what_is_wrong(control, &whole)))
        return refuse(control, task, update, wrong, err);
    control->refused_in_a_row = 0;
    mu_answer merge = control->config.answers[MU_MERGE];
    if (!status && !control->config.train.dry)
        status = merge.method->merge->fold(control, merge.state, task, &whole, err);
    /* what a device keeps must not change while it trains with it: who holds an update folds it before he sends to its device again */
    MU_ASSERT(!control->crossing.own || !control->presence.busy[task->device]);
    if (!status && control->carrier.settled && control->crossing.own)
        status = control->carrier.settled(control->carrier.self, task, update, err);
    if (status)
        return status;
    note_merged(control, task, update);
    return mu_tasks_tell(control, MU_HAPPENED_MERGED, task, update, NULL, err);
}

mu_status mu_control_discard(mu_control *control, const mu_task *task, const char *reason, mu_error *err)
{
    waste(control, task, whole_s(task));
    control->round.discarded++;
    control->totals.updates_discarded++;
    return mu_tasks_tell(control, MU_HAPPENED_DISCARDED, task, NULL, reason, err);
}

/* ---- events ---- */

/* A task that trained nothing brings what its device had trained before. */
static void unpack_carried(const mu_control *control, const mu_task_slot *slot, mu_task *task, mu_update *update)
{
    const mu_held *carried = slot->carried.value ? mu_control_held_named(control, slot->carried) : NULL;
    MU_ASSERT(carried || !slot->carried.value);
    if (!carried)
        return;
    *update = carried->update;
    task->plan.version = carried->task.plan.version;
    task->plan.kept = carried->task.plan.kept;
    task->relayed = carried->task.relayed;
}

static mu_status handle_arrived(mu_control *control, const mu_event *event, mu_error *err)
{
    mu_task_slot *slot = slot_of(control, event->task);
    mu_task task = slot->task;
    mu_update update = event->update;
    update.start = slot->start->state;
    update.kept = task.plan.kept;
    unpack_carried(control, slot, &task, &update);
    if (event->measured)
        mu_told_measured(control, &task, event->measured);
    account(control, &task, 1.0, event->measured);
    if (trains(&task)) {
        mu_history *history = &control->history[task.device];
        history->tasks_done++;
        history->last_version = task.plan.version;
        history->last_loss = (float)update.train_loss;
        history->last_duration = control->now - task.sent_at;
    }
    control->handled = slot->start;
    mu_version_retain(control->handled);
    bool *kept = take_kept(slot);
    slot_give_back(control, slot);
    set_idle(control, &task);
    let_who_see(control, &task, &update);
    mu_answer when = control->config.answers[MU_WHEN];
    mu_status status = when.method->when->arrived(control, when.state, &task, &update, err);
    mu_version_release(control->handled);
    control->handled = NULL;
    free(kept);
    return status;
}

static mu_status handle_lost(mu_control *control, const mu_event *event, mu_error *err)
{
    mu_task_slot *slot = slot_of(control, event->task);
    mu_task task = slot->task;
    control->history[task.device].tasks_lost += trains(&task);
    account(control, &task, event->spent_share, false);
    waste(control, &task, whole_s(&task) * event->spent_share);
    control->round.lost++;
    control->totals.updates_lost++;
    bool *kept = take_kept(slot);
    slot_give_back(control, slot);
    set_idle(control, &task);
    let_who_see(control, &task, NULL);
    mu_status status = mu_tasks_tell(control, MU_HAPPENED_LOST, &task, NULL, event->reason, err);
    mu_answer when = control->config.answers[MU_WHEN];
    if (!status)
        status = when.method->when->lost(control, when.state, &task, err);
    free(kept);
    return status;
}

static mu_status handle_timer(mu_control *control, const mu_event *event, mu_error *err)
{
    uint32_t i = 0;
    while (i < control->timer_count && control->timers[i].order != event->label)
        i++;
    MU_ASSERT(i < control->timer_count);
    uint64_t label = control->timers[i].label;
    memmove(&control->timers[i], &control->timers[i + 1], (control->timer_count - i - 1) * sizeof *control->timers);
    control->timer_count--;
    mu_answer when = control->config.answers[MU_WHEN];
    return when.method->when->timer(control, when.state, label, err);
}

static mu_status tell_presence(const mu_control *control, const mu_event *event, mu_error *err)
{
    const mu_observer *observer = &control->observer;
    return observer->presence ? observer->presence(observer->self, control->now, event->device, event->kind == MU_EVENT_CAME, err) : MU_OK;
}

mu_status mu_tasks_handle(mu_control *control, const mu_event *event, mu_error *err)
{
    control->totals.events++;
    switch (event->kind) {
    case MU_EVENT_ARRIVED: return handle_arrived(control, event, err);
    case MU_EVENT_LOST: return handle_lost(control, event, err);
    case MU_EVENT_TIMER: return handle_timer(control, event, err);
    case MU_EVENT_CAME: {
        mu_status status = mu_told_came(control, event->device, err);
        return status ? status : tell_presence(control, event, err);
    }
    case MU_EVENT_WENT: mu_told_went(control, event->device); return tell_presence(control, event, err);
    }
    return MU_OK;
}
