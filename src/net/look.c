/* What people see of a coordinator: the observer that keeps the figures, and which text is asked for. */
#include "net/look_internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rounds: the newest ones, and some of all ---- */

/* The spaced ones are those whose numbers the spacing divides. When they are full, every second one goes. */
static void keep_spaced(mu_look *look, const mu_look_round *round)
{
    if (round->report.round % look->spacing != 0)
        return;
    if (look->spaced_count == MU_LOOK_SPACED_ROUNDS) {
        uint32_t left = 0;
        look->spacing *= 2;
        for (uint32_t i = 0; i < look->spaced_count; i++)
            if (look->spaced[i].report.round % look->spacing == 0)
                look->spaced[left++] = look->spaced[i];
        look->spaced_count = left;
        if (round->report.round % look->spacing != 0)
            return;
    }
    look->spaced[look->spaced_count++] = *round;
}

static void note_evaluation(mu_look_figures *figures, const mu_round_report *report)
{
    if (!report->evaluated)
        return;
    figures->accuracy = report->accuracy;
    figures->loss = report->loss;
    figures->evaluated_round = report->round;
    if (!(figures->best_accuracy >= report->accuracy))
        figures->best_accuracy = report->accuracy;
    figures->tier_count = report->tier_count;
    memcpy(figures->tier_accuracy, report->tier_accuracy, sizeof figures->tier_accuracy);
}

/* What devices tell may have changed their tiers: the fleet may be asked on this thread only, so what it says is kept. */
static void note_tiers(mu_look *look)
{
    const mu_fleet *fleet = mu_experiment_fleet(look->experiment);
    for (uint32_t device = 0; device < look->device_count; device++)
        look->tier_of[device] = (uint8_t)mu_fleet_tier_of(fleet, device);
}

static mu_status see_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    mu_look *look = self;
    mu_look_round round = { .report = *report, .at_us = mu_clock_utc_us() };
    round.report.widths = NULL; /* borrowed */
    round.report.width_count = 0;
    pthread_mutex_lock(&look->lock);
    mu_look_figures *figures = &look->figures;
    look->recent[look->recent_count++ % MU_LOOK_RECENT_ROUNDS] = round;
    keep_spaced(look, &round);
    figures->last = round;
    figures->rounds_seen = true;
    figures->rounds_made += report->round > 0;
    figures->time = report->time;
    figures->device_time_s += report->device_time_s;
    figures->wasted_time_s += report->wasted_time_s;
    figures->energy_j += report->energy_j;
    figures->idle_energy_j += report->idle_energy_j;
    note_evaluation(figures, report);
    note_tiers(look);
    pthread_mutex_unlock(&look->lock);
    return MU_OK;
}

/* ---- happenings ---- */

static void keep_problem(mu_look *look, const mu_event_report *report)
{
    mu_look_problem *problem = &look->problems[look->problem_count++ % MU_LOOK_PROBLEMS];
    *problem = (mu_look_problem){ .happening = report->happening, .at_us = mu_clock_utc_us(), .time = report->at,
                                  .device = report->task->device, .round = report->round };
    snprintf(problem->reason, sizeof problem->reason, "%s", report->reason ? report->reason : "");
}

static mu_status see_event(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    mu_look *look = self;
    const mu_price *price = &report->task->price;
    uint32_t device = report->task->device;
    pthread_mutex_lock(&look->lock);
    mu_look_figures *figures = &look->figures;
    figures->happened[report->happening]++;
    figures->time = report->at;
    switch (report->happening) {
    case MU_HAPPENED_SENT:
        figures->planned_bytes_down += price->bytes_down;
        figures->planned_bytes_up += price->bytes_up;
        if (device < look->device_count)
            look->tier_of[device] = (uint8_t)mu_fleet_tier_of(mu_experiment_fleet(look->experiment), device);
        break;
    case MU_HAPPENED_MERGED:
        if (price->peak_memory_bytes > figures->peak_memory_bytes)
            figures->peak_memory_bytes = price->peak_memory_bytes;
        break;
    case MU_HAPPENED_CANCELLED: break;
    case MU_HAPPENED_LOST:
    case MU_HAPPENED_REFUSED:
    case MU_HAPPENED_DISCARDED: keep_problem(look, report); break;
    }
    pthread_mutex_unlock(&look->lock);
    return MU_OK;
}

/* ---- life ---- */

mu_status mu_look_create(const mu_experiment *experiment, mu_store *store, mu_desk *desk, mu_look **out, mu_error *err)
{
    const mu_fleet *fleet = mu_experiment_fleet(experiment);
    mu_look *look = calloc(1, sizeof *look);
    uint32_t devices = mu_desk_devices(desk);
    uint8_t *tier_of = calloc(devices + (size_t)1, 1);
    if (!look || !tier_of) {
        free(look);
        free(tier_of);
        return mu_error_set(err, MU_E_MEMORY, "no memory for what people see of %u devices", devices);
    }
    *look = (mu_look){ .experiment = experiment, .store = store, .desk = desk, .device_count = devices, .tier_of = tier_of, .spacing = 1,
                       .tiers_counted_s = -1, .started_s = mu_clock_monotonic_s(), .started_at_us = mu_clock_utc_us(),
                       .observer = { .self = look, .round = see_round, .event = see_event },
                       .figures = { .accuracy = NAN, .loss = NAN, .best_accuracy = NAN } };
    for (; look->tier_count < mu_fleet_tier_count(fleet) && look->tier_count < MU_TIERS_MAX; look->tier_count++)
        look->tier_names[look->tier_count] = mu_fleet_tier_name(fleet, look->tier_count);
    note_tiers(look);
    pthread_mutex_init(&look->lock, NULL);
    pthread_mutex_init(&look->tiers_lock, NULL);
    *out = look;
    return MU_OK;
}

void mu_look_destroy(mu_look *look)
{
    if (!look)
        return;
    pthread_mutex_destroy(&look->tiers_lock);
    pthread_mutex_destroy(&look->lock);
    free(look->tier_of);
    free(look);
}

const mu_observer *mu_look_observer(mu_look *look) { return &look->observer; }

void mu_look_attach(mu_look *look, mu_http *http)
{
    pthread_mutex_lock(&look->lock);
    look->http = http;
    pthread_mutex_unlock(&look->lock);
}

void mu_look_finished(mu_look *look, const char *how)
{
    static const char failed[] = "failed: ";
    pthread_mutex_lock(&look->lock);
    mu_look_figures *figures = &look->figures;
    figures->has_ended = true;
    figures->ended_as = MU_LOOK_FAILED;
    if (strcmp(how, mu_look_state_name(MU_LOOK_FINISHED)) == 0)
        figures->ended_as = MU_LOOK_FINISHED;
    else if (strcmp(how, mu_look_state_name(MU_LOOK_INTERRUPTED)) == 0)
        figures->ended_as = MU_LOOK_INTERRUPTED;
    else
        snprintf(figures->ended_why, sizeof figures->ended_why, "%s", strncmp(how, failed, strlen(failed)) == 0 ? how + strlen(failed) : how);
    pthread_mutex_unlock(&look->lock);
}

/* ---- texts ---- */

static const char json[] = "application/json; charset=utf-8";
static const struct {
    const char *path, *media_type;
    char     *(*text)(mu_look *look);
    char     *(*text_from)(mu_look *look, uint32_t from);
} made[] = {
    { "/status.json", json, .text = mu_look_status_text },
    { "/rounds.json", json, .text_from = mu_look_rounds_text },
    { "/devices.json", json, .text_from = mu_look_devices_text },
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", .text = mu_look_metrics_text },
};

/* "from=N" after the question mark; 0 where it does not say so. */
static uint32_t read_from(const char *argument)
{
    uint64_t from = 0;
    if (strncmp(argument, "from=", 5) != 0)
        return 0;
    for (const char *at = argument + 5; *at >= '0' && *at <= '9' && from <= UINT32_MAX; at++)
        from = 10 * from + (uint64_t)(*at - '0');
    return from <= UINT32_MAX ? (uint32_t)from : UINT32_MAX;
}

char *mu_look_text(void *self, const char *path, const char **media_type, size_t *size_bytes)
{
    mu_look *look = self;
    char *text = NULL;
    size_t length = strcspn(path, "?");
    *media_type = NULL;
    *size_bytes = 0;
    for (size_t i = 0; i < MU_COUNT(made); i++)
        if (strlen(made[i].path) == length && strncmp(path, made[i].path, length) == 0) {
            *media_type = made[i].media_type;
            text = made[i].text ? made[i].text(look) : made[i].text_from(look, path[length] ? read_from(path + length + 1) : 0);
        }
    if (!*media_type) {
        const char *file = mu_look_page_file(path, media_type);
        text = file ? strdup(file) : NULL;
    }
    if (text)
        *size_bytes = strlen(text);
    return text;
}
