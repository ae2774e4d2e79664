/* Who is there, as a list and two heaps of moments (which stay empty where it is told).
 *
 * A moment is when to look at a device again. For a fleet without batteries that is when it comes or goes. A battery falls slowly, so the
 * moment may also be one at which nothing happens but that the next one is found. */
#include "fl/presence.h"

#include "device/time.h"

#include <stdlib.h>
#include <string.h>

enum { ABSENT = UINT32_MAX, NO_CANDIDATE = UINT32_MAX - 1 };

/* How far ahead a battery is looked after: until a device that waits is drained, and until one that is drained is back. One that charges so
 * little that it is not back after that never is. */
#define DAY_US ((mu_time_us)24 * 3600 * 1000000)
#define DRAIN_AHEAD_US DAY_US
#define RESUME_AHEAD_US (400 * DAY_US)

/* ---- idleness ---- */

static double idle_s_of(const mu_presence *p, uint32_t class)
{
    return p->idle_s[class] + p->idle_count[class] * mu_time_to_s(p->now - p->counted_to[class]);
}

/* The number of idle devices of the class is about to change. */
static void count_up_to_now(mu_presence *p, uint32_t class)
{
    p->idle_s[class] = idle_s_of(p, class);
    p->counted_to[class] = p->now;
}

static void begin_idle(mu_presence *p, uint32_t device)
{
    uint32_t class = mu_fleet_class_of(p->fleet, device);
    count_up_to_now(p, class);
    p->idle_count[class]++;
    p->idle_time[device] -= p->now;
}

static void end_idle(mu_presence *p, uint32_t device)
{
    uint32_t class = mu_fleet_class_of(p->fleet, device);
    count_up_to_now(p, class);
    p->idle_count[class]--;
    p->idle_time[device] += p->now;
}

/* ---- coming and going ---- */

static void come(mu_presence *p, uint32_t device)
{
    p->place[device] = p->count;
    p->list[p->count++] = device;
    if (!p->busy[device])
        begin_idle(p, device);
}

static void go(mu_presence *p, uint32_t device)
{
    uint32_t place = p->place[device], last = p->list[--p->count];
    p->list[place] = last;
    p->place[last] = place;
    p->place[device] = ABSENT;
    if (!p->busy[device])
        end_idle(p, device);
}

/* Who came first is chance where it is told. Who is chosen shall not hang on that, so the list is by number. */
void mu_presence_come(mu_presence *p, uint32_t device)
{
    MU_ASSERT(p->told && device < p->device_count);
    if (mu_presence_is_there(p, device))
        return;
    uint32_t place = p->count++;
    for (; place > 0 && p->list[place - 1] > device; place--) {
        p->list[place] = p->list[place - 1];
        p->place[p->list[place]] = place;
    }
    p->list[place] = device;
    p->place[device] = place;
    if (!p->busy[device])
        begin_idle(p, device);
}

void mu_presence_go(mu_presence *p, uint32_t device)
{
    MU_ASSERT(p->told && device < p->device_count);
    if (!mu_presence_is_there(p, device))
        return;
    p->count--;
    for (uint32_t place = p->place[device]; place < p->count; place++) {
        p->list[place] = p->list[place + 1];
        p->place[p->list[place]] = place;
    }
    p->place[device] = ABSENT;
    if (!p->busy[device])
        end_idle(p, device);
}

static double idle_w(const mu_presence *p, uint32_t device)
{
    return mu_fleet_class(p->fleet, mu_fleet_class_of(p->fleet, device))->idle_w;
}

static bool is_drained(const mu_presence *p, uint32_t device)
{
    return p->charge && p->charge[device].drained;
}

/* The battery of a device that is not at work, up to then. */
static void update_charge(mu_presence *p, uint32_t device, mu_time_us to)
{
    if (p->charge && !p->busy[device])
        mu_fleet_pass(p->fleet, device, &p->charge[device], to, mu_presence_is_there(p, device) ? idle_w(p, device) : 0.0);
}

static void schedule_departure(mu_presence *p, uint32_t device)
{
    mu_time_us at = mu_fleet_goes_off(p->fleet, device, p->now);
    if (p->charge && !p->busy[device]) {
        mu_time_us ahead = mu_time_later(p->now, DRAIN_AHEAD_US), until = at < ahead ? at : ahead;
        mu_time_us drained = mu_fleet_charge_changes(p->fleet, device, p->charge[device], until, idle_w(p, device));
        at = drained < until ? drained : until;
    }
    mu_moments_put(&p->departures, at, device);
}

static void schedule_arrival(mu_presence *p, uint32_t device)
{
    mu_time_us from = p->now;
    if (is_drained(p, device))
        from = mu_fleet_charge_changes(p->fleet, device, p->charge[device], mu_time_later(p->now, RESUME_AHEAD_US), 0.0);
    mu_moments_put(&p->arrivals, mu_fleet_comes_on(p->fleet, device, from), device);
}

static void arrive(mu_presence *p, uint32_t device)
{
    update_charge(p, device, p->now);
    if (is_drained(p, device) && !p->busy[device]) { /* it was charged, but not plugged in until it was on */
        schedule_arrival(p, device);
        return;
    }
    come(p, device);
    schedule_departure(p, device);
}

static void depart(mu_presence *p, uint32_t device)
{
    update_charge(p, device, p->now);
    bool stays = p->charge && !p->busy[device] && !is_drained(p, device) && mu_fleet_is_on(p->fleet, device, p->now);
    if (stays) {
        schedule_departure(p, device);
        return;
    }
    go(p, device);
    if (!p->charge || !p->busy[device]) /* else it is not known yet what its task leaves of the battery */
        schedule_arrival(p, device);
}

static bool is_due(const mu_moments *moments, mu_time_us now)
{
    return moments->count && moments->heap[0].at <= now;
}

void mu_presence_advance(mu_presence *p, mu_time_us now)
{
    for (;;) {
        bool comes = is_due(&p->arrivals, now), goes = is_due(&p->departures, now);
        if (comes && goes) {
            comes = mu_moment_is_before(&p->arrivals.heap[0], &p->departures.heap[0]);
            goes = !comes;
        }
        if (!comes && !goes)
            break;
        mu_moment moment = mu_moments_take(comes ? &p->arrivals : &p->departures);
        p->now = moment.at;
        if (comes)
            arrive(p, moment.device);
        else
            depart(p, moment.device);
    }
    if (now > p->now)
        p->now = now;
}

/* ---- work ---- */

void mu_presence_begin_work(mu_presence *p, uint32_t device, mu_time_us sent_at)
{
    MU_ASSERT(!p->busy[device]);
    update_charge(p, device, sent_at);
    if (mu_presence_is_there(p, device))
        end_idle(p, device);
    p->busy[device] = true;
    if (p->charge && mu_presence_is_there(p, device)) { /* what the battery does is looked at when the task ends */
        mu_moments_remove(&p->departures, device);
        schedule_departure(p, device);
    }
}

void mu_presence_end_work(mu_presence *p, uint32_t device, mu_time_us sent_at, const mu_price *price)
{
    MU_ASSERT(p->busy[device]);
    if (p->charge) {
        mu_fleet_pass_task(p->fleet, device, &p->charge[device], sent_at, price, p->now);
        mu_moments_remove(&p->departures, device);
        mu_moments_remove(&p->arrivals, device);
    }
    bool is_there = mu_presence_is_there(p, device);
    if (is_there && is_drained(p, device)) {
        go(p, device);
        is_there = false;
    }
    p->busy[device] = false;
    if (is_there)
        begin_idle(p, device);
    if (!p->charge)
        return;
    if (is_there)
        schedule_departure(p, device);
    else
        schedule_arrival(p, device);
}

mu_time_us mu_presence_battery_ends(const mu_presence *p, uint32_t device, const mu_price *price)
{
    if (!p->charge)
        return 0;
    mu_charge charge = p->charge[device];
    mu_fleet_pass(p->fleet, device, &charge, p->now, mu_presence_is_there(p, device) ? idle_w(p, device) : 0.0);
    mu_time_us at = mu_fleet_task_drains(p->fleet, device, charge, p->now, price);
    return at == MU_TIME_NEVER ? 0 : at > 0 ? at : 1;
}

/* ---- life ---- */

/* Moments of all candidates, from whom `list` says to be there now. */
static void schedule(mu_presence *p)
{
    for (uint32_t device = 0; device < p->device_count; device++)
        if (p->place[device] == ABSENT)
            schedule_arrival(p, device);
        else if (p->place[device] != NO_CANDIDATE)
            schedule_departure(p, device);
}

/* How many devices are not always there: as many moments are ever needed at once. */
static uint32_t count_coming_and_going(const mu_presence *p)
{
    if (p->charge)
        return p->candidate_count;
    uint32_t count = 0;
    for (uint32_t device = 0; device < p->device_count; device++)
        if (p->place[device] != NO_CANDIDATE)
            count += !mu_fleet_is_on(p->fleet, device, 0) || mu_fleet_goes_off(p->fleet, device, 0) != MU_TIME_NEVER;
    return count;
}

static mu_status find_candidates(mu_presence *p, mu_is_candidate *is_candidate, void *self, mu_error *err)
{
    for (uint32_t device = 0; device < p->device_count; device++) {
        bool can = false;
        mu_status status = is_candidate(self, device, &can, err);
        if (status)
            return status;
        p->candidate_count += can;
        p->place[device] = can ? ABSENT : NO_CANDIDATE;
    }
    return MU_OK;
}

static mu_status take_memory(mu_presence *p, mu_error *err)
{
    uint32_t devices = p->device_count, classes = mu_fleet_class_count(p->fleet);
    p->list = malloc(devices * sizeof *p->list);
    p->place = malloc(devices * sizeof *p->place);
    p->busy = calloc(devices, sizeof *p->busy);
    p->idle_count = calloc(classes, sizeof *p->idle_count);
    p->idle_s = calloc(classes, sizeof *p->idle_s);
    p->counted_to = calloc(classes, sizeof *p->counted_to);
    p->idle_time = calloc(devices, sizeof *p->idle_time);
    bool good = p->list && p->place && p->busy && p->idle_count && p->idle_s && p->counted_to && p->idle_time;
    if (good && mu_fleet_has_batteries(p->fleet)) {
        p->charge = malloc(devices * sizeof *p->charge);
        p->arrivals.place = p->departures.place = calloc(devices, sizeof *p->arrivals.place);
        good = p->charge && p->arrivals.place;
        for (uint32_t device = 0; device < devices && good; device++)
            p->charge[device] = mu_fleet_first_charge(p->fleet, device);
    }
    return good ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory to keep track of %u devices", devices);
}

static mu_status take_moments(mu_presence *p, mu_error *err)
{
    uint32_t moments = count_coming_and_going(p);
    if (moments == 0)
        return MU_OK;
    p->arrivals.heap = malloc(moments * sizeof *p->arrivals.heap);
    p->departures.heap = malloc(moments * sizeof *p->departures.heap);
    if (!p->arrivals.heap || !p->departures.heap)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the comings and goings of %u devices", moments);
    return MU_OK;
}

mu_status mu_presence_init(mu_presence *p, const mu_fleet *fleet, mu_is_candidate *is_candidate, void *self, mu_error *err)
{
    *p = (mu_presence){ .fleet = fleet, .device_count = mu_fleet_device_count(fleet) };
    mu_status status = take_memory(p, err);
    if (!status)
        status = find_candidates(p, is_candidate, self, err);
    if (!status)
        status = take_moments(p, err);
    if (status) {
        mu_presence_release(p);
        return status;
    }
    for (uint32_t device = 0; device < p->device_count; device++)
        if (p->place[device] == ABSENT && mu_fleet_is_on(fleet, device, 0) && !is_drained(p, device))
            come(p, device);
    schedule(p);
    return MU_OK;
}

mu_status mu_presence_init_told(mu_presence *p, const mu_fleet *fleet, mu_error *err)
{
    *p = (mu_presence){ .fleet = fleet, .device_count = mu_fleet_device_count(fleet), .told = true };
    MU_ASSERT(!mu_fleet_has_batteries(fleet));
    mu_status status = take_memory(p, err);
    if (status) {
        mu_presence_release(p);
        return status;
    }
    p->candidate_count = p->device_count;
    for (uint32_t device = 0; device < p->device_count; device++)
        p->place[device] = ABSENT;
    return MU_OK;
}

void mu_presence_release(mu_presence *p)
{
    free(p->list);
    free(p->place);
    free(p->busy);
    free(p->arrivals.heap);
    free(p->departures.heap);
    free(p->arrivals.place);
    free(p->idle_count);
    free(p->idle_s);
    free(p->counted_to);
    free(p->idle_time);
    free(p->charge);
    *p = (mu_presence){ 0 };
}

/* ---- checkpoints ---- */

/* One walk over all parts serves measuring, saving and restoring. */
typedef struct walk {
    unsigned char       *into; /* saving */
    const unsigned char *from; /* restoring */
    size_t               used_bytes, size_bytes;
    bool                 failed;
} walk;

static void part(walk *w, void *memory, size_t size_bytes)
{
    if (w->from && size_bytes > w->size_bytes - w->used_bytes)
        w->failed = true;
    else if (w->from)
        memcpy(memory, w->from + w->used_bytes, size_bytes);
    else if (w->into)
        memcpy(w->into + w->used_bytes, memory, size_bytes);
    w->used_bytes += w->failed ? 0 : size_bytes;
}

static void walk_all(walk *w, const mu_presence *p, mu_time_us *now, uint32_t *count)
{
    part(w, now, sizeof *now);
    part(w, count, sizeof *count);
    if (w->failed || *count > p->candidate_count) {
        w->failed = true;
        return;
    }
    part(w, p->list, *count * sizeof *p->list);
    part(w, p->idle_s, mu_fleet_class_count(p->fleet) * sizeof *p->idle_s);
    part(w, p->counted_to, mu_fleet_class_count(p->fleet) * sizeof *p->counted_to);
    part(w, p->idle_count, mu_fleet_class_count(p->fleet) * sizeof *p->idle_count);
    part(w, p->idle_time, p->device_count * sizeof *p->idle_time);
    part(w, p->busy, p->device_count * sizeof *p->busy);
    if (p->charge)
        part(w, p->charge, p->device_count * sizeof *p->charge);
}

/* A battery was brought up to date when it was looked at, and what that gives depends on when that was, to the last bit. So the moments at which
 * it will be are kept too. */
static mu_time_us moment_of(const mu_presence *p, uint32_t device)
{
    const mu_moments *both[] = { &p->arrivals, &p->departures };
    uint32_t i = p->arrivals.place[device];
    for (size_t n = 0; n < MU_COUNT(both); n++)
        if (i < both[n]->count && both[n]->heap[i].device == device)
            return both[n]->heap[i].at;
    return MU_TIME_NEVER;
}

size_t mu_presence_save(const mu_presence *p, unsigned char *into)
{
    walk w = { .into = into };
    mu_time_us now = p->now;
    uint32_t count = p->count;
    walk_all(&w, p, &now, &count);
    for (uint32_t device = 0; p->charge && device < p->device_count; device++) {
        mu_time_us moment = moment_of(p, device);
        part(&w, &moment, sizeof moment);
    }
    return w.used_bytes;
}

static bool restore_list(mu_presence *p, uint32_t count)
{
    for (uint32_t device = 0; device < p->device_count; device++)
        if (p->place[device] != NO_CANDIDATE)
            p->place[device] = ABSENT;
    p->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t device = p->list[i];
        if (device >= p->device_count || p->place[device] != ABSENT)
            return false;
        p->place[device] = i;
    }
    return true;
}

/* Told: as if all had gone at the moment that was saved. By classes, not by devices, which have yet to tell again of which class they are. */
static void send_all_away(mu_presence *p)
{
    for (uint32_t class = 0; class < mu_fleet_class_count(p->fleet); class++) {
        count_up_to_now(p, class);
        p->idle_count[class] = 0;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        p->place[p->list[i]] = ABSENT;
        p->idle_time[p->list[i]] += p->busy[p->list[i]] ? 0 : p->now;
    }
    p->count = 0;
}

bool mu_presence_restore(mu_presence *p, const unsigned char *from, size_t size_bytes)
{
    walk w = { .from = from, .size_bytes = size_bytes };
    uint32_t count;
    walk_all(&w, p, &p->now, &count);
    size_t moments_bytes = p->charge ? p->device_count * sizeof(mu_time_us) : 0, place = w.used_bytes;
    if (w.failed || w.size_bytes - place != moments_bytes || !restore_list(p, count))
        return false;
    if (p->told) {
        send_all_away(p);
        return true;
    }
    p->arrivals.count = p->departures.count = 0;
    if (!p->charge) {
        schedule(p);
        return true;
    }
    for (uint32_t device = 0; device < p->device_count; device++) {
        mu_time_us moment;
        memcpy(&moment, from + place + device * sizeof moment, sizeof moment);
        if (p->place[device] != NO_CANDIDATE)
            mu_moments_put(p->place[device] == ABSENT ? &p->arrivals : &p->departures, moment, device);
    }
    return true;
}

/* ---- looking ---- */

bool mu_presence_is_there(const mu_presence *p, uint32_t device)
{
    return p->place[device] < NO_CANDIDATE;
}

mu_time_us mu_presence_next_arrival(const mu_presence *p)
{
    if (p->told)
        return mu_time_later(p->now, MU_PRESENCE_LOOK_AGAIN_US);
    if (p->arrivals.count)
        return p->arrivals.heap[0].at;
    /* everybody is there; whoever goes may come back */
    return p->departures.count ? p->departures.heap[0].at : MU_TIME_NEVER;
}

double mu_presence_idle_energy_j(const mu_presence *p)
{
    double joules = 0.0;
    for (uint32_t class = 0; class < mu_fleet_class_count(p->fleet); class++)
        joules += idle_s_of(p, class) * mu_fleet_class(p->fleet, class)->idle_w;
    return joules;
}

mu_time_us mu_presence_idle_time(const mu_presence *p, uint32_t device)
{
    bool is_idle = mu_presence_is_there(p, device) && !p->busy[device];
    return p->idle_time[device] + (is_idle ? p->now : 0);
}
