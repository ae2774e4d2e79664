/* What a plan costs a device, counted and priced; and who could take one. */
#include "fl/federation_internal.h"

#include <string.h>

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
    plan->memory_limit_bytes = memory_bytes; /* what the method's vectors leave of the device's */
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
    if (work->macs[MU_PRECISION_FP32])
        work->rated_s *= 1.0 + (double)fitted->extra.macs / (double)work->macs[MU_PRECISION_FP32];
    work->macs[MU_PRECISION_FP32] += fitted->extra.macs;
    work->extra_moved_bytes = fitted->extra.moved_bytes;
    return MU_OK;
}

/* What the method that answers `how` keeps and sends beside the weights, on the device and on the way. */
static uint64_t vectors_bytes(const mu_control *control, uint32_t vectors)
{
    return (uint64_t)vectors * control->state_count * sizeof(float);
}

static uint64_t vectors_memory(const mu_control *control)
{
    uint32_t vectors = control->crossing.received + control->crossing.own + control->crossing.sent;
    return vectors * (uint64_t)rounded(control->state_count * sizeof(float));
}

/* The plan of a device, as `when` and `what` have it. */
static mu_status plan_of(mu_control *control, const mu_sending *sending, mu_task *task, mu_error *err)
{
    const mu_federation_config *config = &control->config;
    task->plan = (mu_plan){
        .version = control->version_number,
        .ordinal = control->history[task->device].tasks_sent,
        .learning_rate = config->train.learning_rate * mu_schedule_factor(&config->train.schedule, control->version_number, config->rounds),
        .train = config->train,
    };
    mu_answer when = config->answers[MU_WHEN], what = config->answers[MU_WHAT];
    if (when.method->when->plan)
        when.method->when->plan(control, when.state, &task->plan);
    size_t unit_count = config->units ? mu_units_count(config->units) : 0;
    if (unit_count)
        memset(control->kept_units, true, unit_count * sizeof *control->kept_units);
    mu_status status = what.method->what->plan(control, what.state, task->device, &task->plan, control->kept_units, err);
    if (unit_count && memchr(control->kept_units, false, unit_count * sizeof *control->kept_units))
        task->plan.kept = control->kept_units;
    if (sending->carry)
        task->plan.train.local_epochs = 0;
    return status;
}

/* Which units a part keeps is said by a bit for each. */
static uint64_t kept_bytes(const mu_control *control, const mu_plan *plan)
{
    return plan->kept ? (mu_units_count(control->config.units) + 7) / 8 : 0;
}

static void count_bytes(mu_control *control, const mu_model *model, mu_task *task)
{
    mu_answer wire = control->config.answers[MU_WIRE];
    if (task->down != MU_LEG_NONE)
        task->work.bytes_down =
            wire.method->wire->bytes_down(model, wire.state, &task->plan) + vectors_bytes(control, control->crossing.received) +
            kept_bytes(control, &task->plan);
    if (task->up != MU_LEG_NONE)
        task->work.bytes_up = wire.method->wire->bytes_up(model, wire.state, &task->plan) + vectors_bytes(control, control->crossing.sent);
}

/* The time of the plan's steps by the rates of the device's class, where it has any. */
static double rated_s(mu_control *control, const mu_model *model, const mu_task *task, uint32_t num_examples)
{
    const mu_fleet *fleet = control->config.fleet;
    const mu_rates *rates = mu_fleet_class(fleet, mu_fleet_class_of(fleet, task->device))->rates;
    if (!rates || num_examples == 0)
        return 0.0;
    const uint32_t most = task->plan.train.batch_size, batch = num_examples < most ? num_examples : most;
    mu_rated *last = &control->rated;
    const bool is_whole = model == control->config.model;
    double step_s = last->step_s;
    if (!is_whole || last->rates != rates || last->batch != batch)
        step_s = mu_rates_step_s(rates, model, batch);
    if (is_whole)
        *last = (mu_rated){ .rates = rates, .batch = batch, .step_s = step_s };
    return (double)mu_plan_samples(&task->plan, num_examples) / batch * step_s;
}

mu_status mu_tasks_price(mu_control *control, const mu_sending *sending, mu_task *task, mu_error *err)
{
    const mu_federation_config *config = &control->config;
    uint32_t device = sending->device, num_examples = mu_data_num_examples(config->data, device);
    *task = (mu_task){
        .device = device, .down = sending->down, .up = sending->up, .label = sending->label, .sent_at = control->now,
        .relayed = sending->from.value != 0,
    };
    mu_status status = plan_of(control, sending, task, err);
    if (status)
        return status;
    const mu_model *model = config->model;
    uint64_t macs_per_example = control->macs_per_example;
    size_t step_bytes = 0;
    if (task->plan.kept && (status = mu_part_price(control, &task->plan, &model, &macs_per_example, &step_bytes, err)))
        return status;
    bool chooses = config->answers[MU_HOW].method->how->choose && !sending->carry && config->units;
    count_bytes(control, model, task);
    if (chooses)
        status = mu_part_price_choices(control, task, num_examples, macs_per_example, &step_bytes, err);
    else
        task->work.macs[MU_PRECISION_FP32] = mu_plan_samples(&task->plan, num_examples) * macs_per_example;
    if (!chooses)
        task->work.rated_s = rated_s(control, model, task, num_examples);
    if (status)
        return status;
    mu_profile profile = mu_fleet_profile(config->fleet, device);
    if (sending->carry) {
        task->work.peak_memory_bytes = rounded(control->state_count * sizeof(float));
        task->price = mu_fleet_price(config->fleet, device, control->now, &task->work);
        return MU_OK;
    }
    if (task->plan.kept || chooses)
        task->work.peak_memory_bytes = (uint64_t)step_bytes + rounded(num_examples * sizeof(uint32_t));
    else
        status = peak_memory(control, &task->plan, num_examples, &task->work.peak_memory_bytes, err);
    if (status)
        return status;
    uint64_t beside = vectors_memory(control);
    if (!task->plan.kept && !chooses && task->plan.train.fit_memory && task->work.peak_memory_bytes + beside > profile.memory_bytes && profile.memory_bytes > beside)
        status = fit_memory(control, profile.memory_bytes - beside, num_examples, &task->plan, &task->work, err);
    task->work.peak_memory_bytes += beside;
    task->price = mu_fleet_price(config->fleet, device, control->now, &task->work);
    return status;
}

mu_status mu_control_price(mu_control *control, uint32_t device, mu_task *task, mu_error *err)
{
    return mu_tasks_price(control, &(mu_sending){ .device = device }, task, err);
}

/* ---- who could take one ---- */

mu_status mu_tasks_lacking(mu_control *control, uint32_t device, mu_lacking *out, mu_error *err)
{
    *out = MU_LACKS_EXAMPLES;
    if (mu_data_num_examples(control->config.data, device) == 0)
        return MU_OK;
    mu_task task;
    mu_status status = mu_control_price(control, device, &task, err);
    *out = !status && task.price.fits ? MU_LACKS_NOTHING : MU_LACKS_MEMORY;
    return status;
}

bool mu_control_is_ready(mu_control *control, uint32_t device)
{
    mu_presence_advance(&control->presence, control->now);
    if (control->presence.busy[device] || !mu_presence_is_there(&control->presence, device))
        return false;
    if (control->among && !control->among->has(control, control->among->self, device))
        return false;
    mu_task task;
    return mu_control_price(control, device, &task, NULL) == MU_OK && task.price.fits;
}

uint32_t mu_control_present_count(mu_control *control)
{
    mu_presence_advance(&control->presence, control->now);
    return control->presence.count;
}

uint32_t mu_control_present(mu_control *control, uint32_t index)
{
    MU_ASSERT(index < control->presence.count);
    return control->presence.list[index];
}

mu_time_us mu_control_next_ready(mu_control *control)
{
    mu_presence_advance(&control->presence, control->now);
    return mu_presence_next_arrival(&control->presence);
}
