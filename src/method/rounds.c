/* Synchronous rounds. */
#include "method/rounds.h"

#include "base/limits.h"

#include <math.h>
#include <stdlib.h>

const char *const mu_late_words[] = { [MU_LATE_STOP] = "stop", [MU_LATE_ACCEPT] = "accept", NULL };

/* Timers carry the version that they are for: one that a later round finds is out of date. */
enum { TIMER_DEADLINE, TIMER_TRY_AGAIN, TIMER_KINDS };

mu_status mu_rounds_check(const mu_rounds *rounds, mu_error *err)
{
    if (rounds->minimum_reports > rounds->cohort)
        return mu_error_set(err, MU_E_CONFIG, "minimum_reports is %u and cohort %u: a round would never end", rounds->minimum_reports,
                            rounds->cohort);
    return MU_OK;
}

bool mu_rounds_wait_for_all(const mu_rounds *rounds)
{
    return rounds->over_selection <= 1.0 && isinf(rounds->deadline_s);
}

static mu_status set_round_timer(mu_control *control, int kind, mu_time_us at, mu_error *err)
{
    return mu_control_set_timer(control, at, (uint64_t)mu_control_version(control) * TIMER_KINDS + (uint64_t)kind, err);
}

/* Once a version: who replaces a lost device is somebody who has not reported in this round. */
static bool has_not_trained_it(mu_control *control, const void *unused, uint32_t device)
{
    (void)unused;
    const mu_history *history = mu_control_history(control, device);
    return !(history->tasks_done && history->last_version == mu_control_version(control));
}

/* Ask `wanted` devices. When nobody is there, try again at the next moment at which somebody could be. */
static mu_status ask(mu_control *control, mu_rounds *rounds, uint32_t wanted, mu_error *err)
{
    const mu_among among = { .has = has_not_trained_it };
    if (wanted > mu_control_device_count(control))
        wanted = mu_control_device_count(control);
    uint32_t *devices = malloc(wanted * sizeof *devices), count = 0;
    if (!devices)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a cohort of %u", wanted);
    mu_status status = mu_control_select(control, &among, wanted, devices, &count, err);
    for (uint32_t i = 0; i < count && !status; i++) {
        status = mu_control_send(control, &(mu_sending){ .device = devices[i] }, err);
        rounds->open += !status;
    }
    free(devices);
    if (status || count > 0)
        return status;
    mu_time_us next = mu_control_next_ready(control);
    if (next != MU_TIME_NEVER)
        return set_round_timer(control, TIMER_TRY_AGAIN, next, err);
    if (mu_control_tasks_open(control) > 0) /* one that is at work for an earlier round will be free */
        return MU_OK;
    return mu_error_set(err, MU_E_STATE, "round %u cannot go on: no device is there that could take part, now or later; %u updates are "
                        "in. A device takes part when it is present and has examples and the memory that its plan needs",
                        mu_control_version(control) + 1, mu_control_folded(control));
}

static mu_status begin_round(mu_control *control, mu_rounds *rounds, mu_error *err)
{
    rounds->deadline_passed = false;
    rounds->fresh = rounds->open = 0;
    rounds->target = mu_control_target(control, rounds->cohort);
    mu_status status = ask(control, rounds, (uint32_t)ceil(rounds->target * rounds->over_selection), err);
    if (!status && isfinite(rounds->deadline_s))
        status = set_round_timer(control, TIMER_DEADLINE, mu_control_now(control) + mu_time_from_s(rounds->deadline_s), err);
    return status;
}

/* After anything has happened: is the round over, or is somebody to be replaced? */
static mu_status look(mu_control *control, mu_rounds *rounds, mu_error *err)
{
    uint32_t minimum = rounds->minimum_reports < rounds->target ? rounds->minimum_reports : rounds->target;
    bool enough = rounds->fresh >= minimum;
    if (rounds->fresh < rounds->target && !(enough && (rounds->deadline_passed || rounds->open == 0)))
        return rounds->open == 0 ? ask(control, rounds, rounds->target - rounds->fresh, err) : MU_OK;
    mu_status status = rounds->late == MU_LATE_STOP ? mu_control_cancel(control, MU_ANY_LABEL, err) : MU_OK;
    if (!status)
        status = mu_control_commit(control, err);
    if (!status && !mu_control_is_finished(control))
        status = begin_round(control, rounds, err);
    return status;
}

mu_status mu_rounds_started(mu_control *control, mu_rounds *rounds, mu_error *err)
{
    return begin_round(control, rounds, err);
}

mu_status mu_rounds_arrived(mu_control *control, mu_rounds *rounds, const mu_task *task, const mu_update *update, mu_error *err)
{
    uint32_t behind = mu_control_version(control) - task->plan.version, folded = mu_control_folded(control);
    if (behind > 0) {
        mu_status status = behind > rounds->late_versions_max ? mu_control_discard(control, task, "it is for a version too long ago", err)
                                                              : mu_control_fold(control, task, update, err);
        return status || rounds->open > 0 ? status : look(control, rounds, err); /* its device may be wanted */
    }
    rounds->open--;
    mu_status status = mu_control_fold(control, task, update, err);
    rounds->fresh += mu_control_folded(control) - folded; /* unless it was refused */
    return status ? status : look(control, rounds, err);
}

mu_status mu_rounds_lost(mu_control *control, mu_rounds *rounds, const mu_task *task, mu_error *err)
{
    if (task->plan.version == mu_control_version(control))
        rounds->open--;
    return look(control, rounds, err);
}

mu_status mu_rounds_timer(mu_control *control, mu_rounds *rounds, uint64_t label, mu_error *err)
{
    if (label / TIMER_KINDS != mu_control_version(control))
        return MU_OK;
    bool deadline = label % TIMER_KINDS == TIMER_DEADLINE;
    rounds->deadline_passed |= deadline;
    /* with nobody there yet, only the other timer brings anybody */
    if (deadline && rounds->open == 0 && rounds->fresh < rounds->minimum_reports)
        return MU_OK;
    return look(control, rounds, err);
}
