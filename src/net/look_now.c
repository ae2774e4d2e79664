/* What the texts are made from: copies, taken from the network's threads, of what the federation's thread keeps; and what the desk, the network and the process
 * say of themselves at this moment. */
#include "net/look_internal.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const state_names[] = {
    [MU_LOOK_WAITING] = "waiting for devices",
    [MU_LOOK_RUNNING] = "running",
    [MU_LOOK_FINISHED] = "finished",
    [MU_LOOK_INTERRUPTED] = "interrupted",
    [MU_LOOK_FAILED] = "failed",
};
_Static_assert(MU_COUNT(state_names) == MU_LOOK_STATE_COUNT, "every state has its name");

const char *mu_look_state_name(mu_look_state state) { return state_names[state]; }

/* Between two rounds nothing is under way for a moment, and that is no waiting. */
static mu_look_state state_of(const mu_look_figures *figures, const mu_desk_counts *desk)
{
    if (figures->has_ended)
        return figures->ended_as;
    bool under_way = desk->tasks_open > 0 || desk->tasks_arrived > 0;
    return under_way || (figures->happened[MU_HAPPENED_SENT] > 0 && desk->present > 0) ? MU_LOOK_RUNNING : MU_LOOK_WAITING;
}

/* ---- devices by tier and state ---- */

static mu_look_presence presence_of(mu_desk *desk, uint32_t device, double now_s)
{
    double silent_s;
    const char *state = mu_desk_state_of(desk, device, now_s, &silent_s);
    return strcmp(state, "working") == 0 ? MU_LOOK_WORKING : strcmp(state, "idle") == 0 ? MU_LOOK_IDLE : MU_LOOK_ABSENT;
}

uint8_t mu_look_tier_of(mu_look *look, uint32_t device)
{
    pthread_mutex_lock(&look->lock);
    uint8_t tier = look->tier_of[device];
    pthread_mutex_unlock(&look->lock);
    return tier;
}

/* Asks the desk for every device, so not each time that somebody looks. */
static mu_look_tiers count_tiers(mu_look *look, double now_s)
{
    pthread_mutex_lock(&look->tiers_lock);
    if (look->tiers_counted_s < 0 || now_s - look->tiers_counted_s >= MU_LOOK_COUNT_EVERY_S) {
        look->tiers = (mu_look_tiers){ 0 };
        for (uint32_t device = 0; device < look->device_count; device++) {
            uint8_t tier = mu_look_tier_of(look, device);
            if (tier < MU_TIERS_MAX)
                look->tiers.devices[tier][presence_of(look->desk, device, now_s)]++;
        }
        look->tiers_counted_s = now_s;
    }
    mu_look_tiers tiers = look->tiers;
    pthread_mutex_unlock(&look->tiers_lock);
    return tiers;
}

/* ---- the process ---- */

static uint64_t resident_bytes(void)
{
    unsigned long long all_pages = 0, resident_pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &all_pages, &resident_pages) != 2)
        resident_pages = 0;
    fclose(file);
    return resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- all of it ---- */

mu_http *mu_look_http(mu_look *look)
{
    pthread_mutex_lock(&look->lock);
    mu_http *http = look->http;
    pthread_mutex_unlock(&look->lock);
    return http;
}

void mu_look_see(mu_look *look, mu_look_now *now)
{
    double now_s = mu_clock_monotonic_s();
    /* whoever takes it away waits for the requests that are under way, and so for us */
    mu_http *http = mu_look_http(look);
    *now = (mu_look_now){ .desk = mu_desk_count(look->desk), .tiers = count_tiers(look, now_s), .has_http = http != NULL,
                          .uptime_s = now_s - look->started_s, .resident_bytes = resident_bytes(), .processor_s = mu_clock_cpu_s() };
    if (http)
        now->http = mu_http_count(http);
    pthread_mutex_lock(&look->lock);
    now->figures = look->figures;
    pthread_mutex_unlock(&look->lock);
    now->state = state_of(&now->figures, &now->desk);
}

size_t mu_look_problems(mu_look *look, mu_look_problem *out)
{
    size_t count = 0;
    pthread_mutex_lock(&look->lock);
    for (; count < MU_LOOK_PROBLEMS && count < look->problem_count; count++)
        out[count] = look->problems[(look->problem_count - 1 - count) % MU_LOOK_PROBLEMS];
    pthread_mutex_unlock(&look->lock);
    return count;
}

size_t mu_look_rounds(mu_look *look, uint32_t from, mu_look_round *out)
{
    size_t count = 0;
    pthread_mutex_lock(&look->lock);
    uint64_t first = look->recent_count > MU_LOOK_RECENT_ROUNDS ? look->recent_count - MU_LOOK_RECENT_ROUNDS : 0;
    uint32_t oldest = look->recent_count ? look->recent[first % MU_LOOK_RECENT_ROUNDS].report.round : 0;
    for (uint32_t i = 0; i < look->spaced_count; i++)
        if (look->spaced[i].report.round < oldest && look->spaced[i].report.round >= from)
            out[count++] = look->spaced[i];
    for (uint64_t i = first; i < look->recent_count; i++)
        if (look->recent[i % MU_LOOK_RECENT_ROUNDS].report.round >= from)
            out[count++] = look->recent[i % MU_LOOK_RECENT_ROUNDS];
    pthread_mutex_unlock(&look->lock);
    return count;
}
