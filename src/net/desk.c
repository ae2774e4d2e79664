/* The desk: a slot for each device, the tasks that are under way, the files that they start from, and what is new for the federation, all under one lock that is
 * never held for longer than a few lists take. Nothing that the network tells can fail for want of memory: what is new is a link in the slot or the task that it
 * is about, so there is as much of it as there are devices and tasks, and what a device does twice before anybody looks is one thing.
 *
 * The order in which devices were last heard of is a list: a word moves its device to the end, so whoever is silent for too long is found at the front. */
#include "net/desk.h"

#include "base/clock.h"
#include "net/desk_tasks.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct settled {
    struct settled *next;
    uint64_t        task;
} settled;

typedef struct slot {
    mu_link         heard; /* in the order of the last words, while present */
    mu_desk_news    news;
    double          heard_s;
    mu_desk_waiter *waiter;
    settled        *settled; /* oldest first, at most MU_DESK_LIST_MAX */
    mu_link         tasks;   /* of this device, as they were put; zero: there was never one */
    uint32_t        open_tasks;
    bool            known, present;
    bool            told, changed; /* the federation: that it is present; the report is not the one that it was told */
    mu_desk_report  report;
} slot;

/* A waiter that is being woken, on the stack of whoever wakes it. */
typedef struct waking {
    struct waking        *next;
    const mu_desk_waiter *waiter;
} waking;

struct mu_desk {
    pthread_mutex_t lock;
    pthread_cond_t  came_in, woken;
    uint32_t        device_count;
    mu_desk_tasks   tasks;
    mu_link         heard, news;
    waking         *wakings;
    bool            finished;
    mu_desk_counts  counts;
    slot            slots[];
};

static void tell_federation(mu_desk *desk, mu_desk_news *about)
{
    if (!mu_link_is_listed(&about->link))
        mu_link_append(&desk->news, &about->link);
    pthread_cond_signal(&desk->came_in);
}

static bool contains(const uint64_t *list, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == id)
            return true;
    return false;
}

/* ---- the desk ---- */

mu_status mu_desk_create(uint32_t devices, mu_desk **out, mu_error *err)
{
    mu_desk *desk = calloc(1, sizeof *desk + devices * sizeof desk->slots[0]);
    if (!desk)
        return mu_error_set(err, MU_E_MEMORY, "no memory for what %u devices are to be told", devices);
    desk->device_count = devices;
    mu_status status = mu_desk_tasks_init(&desk->tasks, devices, err);
    if (status) {
        free(desk);
        return status;
    }
    mu_link_list_init(&desk->heard);
    mu_link_list_init(&desk->news);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->came_in, &monotonic);
    pthread_cond_init(&desk->woken, NULL);
    pthread_condattr_destroy(&monotonic);
    *out = desk;
    return MU_OK;
}

void mu_desk_destroy(mu_desk *desk)
{
    if (!desk)
        return;
    for (uint32_t i = 0; i < desk->device_count; i++)
        for (settled *next, *each = desk->slots[i].settled; each; each = next) {
            next = each->next;
            free(each);
        }
    pthread_cond_destroy(&desk->woken);
    pthread_cond_destroy(&desk->came_in);
    pthread_mutex_destroy(&desk->lock);
    mu_desk_tasks_release(&desk->tasks);
    free(desk);
}

uint32_t mu_desk_devices(const mu_desk *desk) { return desk->device_count; }

/* ---- who is there, and who has work: with the counts of both ---- */

static void count_slot(mu_desk *desk, const slot *at, int sign)
{
    desk->counts.known += at->known ? sign : 0;
    desk->counts.present += at->present ? sign : 0;
    desk->counts.working += at->present && at->open_tasks ? sign : 0;
    desk->counts.waiting += at->waiter ? sign : 0;
}

static void set_present(mu_desk *desk, slot *at, bool present)
{
    count_slot(desk, at, -1);
    at->known = true;
    at->present = present;
    count_slot(desk, at, 1);
}

static void set_waiter(mu_desk *desk, slot *at, mu_desk_waiter *waiter)
{
    count_slot(desk, at, -1);
    at->waiter = waiter;
    count_slot(desk, at, 1);
}

/* A device's open tasks become one more or one less. */
static void add_open(mu_desk *desk, uint32_t device, int more)
{
    slot *at = &desk->slots[device];
    count_slot(desk, at, -1);
    at->open_tasks += more;
    count_slot(desk, at, 1);
    desk->counts.tasks_open += more;
}

/* Wakes without the lock, which is held before and after. */
static void wake(mu_desk *desk, mu_desk_waiter *waiter)
{
    waking self = { .next = desk->wakings, .waiter = waiter };
    desk->wakings = &self;
    pthread_mutex_unlock(&desk->lock);
    waiter->wake(waiter);
    pthread_mutex_lock(&desk->lock);
    waking **at = &desk->wakings;
    while (*at != &self)
        at = &(*at)->next;
    *at = self.next;
    pthread_cond_broadcast(&desk->woken);
}

/* There is something to tell the device. */
static void wake_device(mu_desk *desk, uint32_t device)
{
    mu_desk_waiter *waiter = desk->slots[device].waiter;
    if (!waiter)
        return;
    set_waiter(desk, &desk->slots[device], NULL);
    wake(desk, waiter);
}

/* Names of the catalogue are the same when their addresses are. */
static bool is_same_report(const mu_desk_report *a, const mu_desk_report *b)
{
    return a->num_examples == b->num_examples && a->can_look == b->can_look && !memcmp(&a->profile, &b->profile, sizeof a->profile);
}

void mu_desk_heard(mu_desk *desk, uint32_t device, double now_s, const mu_desk_report *report)
{
    if (device >= desk->device_count)
        return;
    slot *at = &desk->slots[device];
    pthread_mutex_lock(&desk->lock);
    if (report) {
        mu_desk_report said = *report;
        said.profile.help = said.profile.source = said.profile.tier = NULL;
        at->changed |= !is_same_report(&said, &at->report);
        at->report = said;
    }
    if (!at->present || at->changed)
        tell_federation(desk, &at->news);
    set_present(desk, at, true);
    at->heard_s = now_s;
    mu_link_remove(&at->heard);
    mu_link_append(&desk->heard, &at->heard);
    pthread_mutex_unlock(&desk->lock);
}

static void go(mu_desk *desk, slot *at)
{
    set_present(desk, at, false);
    mu_link_remove(&at->heard);
    tell_federation(desk, &at->news);
}

void mu_desk_left(mu_desk *desk, uint32_t device)
{
    if (device >= desk->device_count)
        return;
    pthread_mutex_lock(&desk->lock);
    if (desk->slots[device].present)
        go(desk, &desk->slots[device]);
    wake_device(desk, device);
    pthread_mutex_unlock(&desk->lock);
}

/* ---- tasks and where they start ---- */

static void close_task(mu_desk *desk, mu_desk_entry *at, mu_desk_progress progress)
{
    mu_desk_tasks_close(&desk->tasks, at, progress);
    add_open(desk, at->info.device, -1);
}

mu_desk_task_state mu_desk_find_task(mu_desk *desk, uint64_t task, mu_desk_task_info *info)
{
    static const mu_desk_task_state states[] = { [MU_DESK_IS_OPEN] = MU_DESK_TASK_OPEN, [MU_DESK_HAS_ARRIVED] = MU_DESK_TASK_ARRIVED,
                                                 [MU_DESK_HAS_FAILED] = MU_DESK_TASK_UNKNOWN };
    pthread_mutex_lock(&desk->lock);
    const mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, task);
    mu_desk_task_state   state = at ? states[at->progress] : MU_DESK_TASK_UNKNOWN;
    if (info) {
        *info = state != MU_DESK_TASK_UNKNOWN ? at->info : (mu_desk_task_info){ 0 };
        if (state == MU_DESK_TASK_OPEN)
            snprintf(info->start_digest_hex, sizeof info->start_digest_hex, "%s", at->start->digest_hex);
    }
    pthread_mutex_unlock(&desk->lock);
    return state;
}

bool mu_desk_find_start(mu_desk *desk, const char *digest_hex, char **path)
{
    pthread_mutex_lock(&desk->lock);
    const mu_desk_start *at = mu_desk_tasks_find_start(&desk->tasks, digest_hex);
    *path = at ? strdup(at->path) : NULL;
    pthread_mutex_unlock(&desk->lock);
    return *path != NULL;
}

void mu_desk_arrived(mu_desk *desk, uint64_t task)
{
    pthread_mutex_lock(&desk->lock);
    mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, task);
    if (at && at->progress == MU_DESK_IS_OPEN) {
        close_task(desk, at, MU_DESK_HAS_ARRIVED);
        desk->counts.tasks_arrived++;
        tell_federation(desk, &at->news);
    }
    pthread_mutex_unlock(&desk->lock);
}

void mu_desk_has_looked(mu_desk *desk, uint64_t task, const mu_desk_looked *looked)
{
    float *unwanted = looked->statistics;
    pthread_mutex_lock(&desk->lock);
    mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, task);
    if (at && at->progress == MU_DESK_IS_OPEN) {
        close_task(desk, at, MU_DESK_HAS_ARRIVED);
        desk->counts.tasks_arrived++;
        at->looked = *looked;
        at->has_looked = true;
        unwanted = NULL;
        tell_federation(desk, &at->news);
    }
    pthread_mutex_unlock(&desk->lock);
    free(unwanted);
}

bool mu_desk_take_looked(mu_desk *desk, uint64_t task, mu_desk_looked *out)
{
    pthread_mutex_lock(&desk->lock);
    mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, task);
    bool           taken = at && at->has_looked;
    if (taken) {
        *out = at->looked;
        at->has_looked = false;
        at->looked.statistics = NULL;
    }
    pthread_mutex_unlock(&desk->lock);
    return taken;
}

/* Cut where it is too long, never within a character. */
static void copy_reason(char *into, size_t size, const char *reason)
{
    size_t bytes = strnlen(reason, size);
    if (bytes == size)
        for (bytes--; bytes && ((unsigned char)reason[bytes] & 0xC0) == 0x80; bytes--) {}
    memcpy(into, reason, bytes);
    into[bytes] = 0;
}

void mu_desk_failed(mu_desk *desk, uint64_t task, const char *reason)
{
    pthread_mutex_lock(&desk->lock);
    mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, task);
    if (at && at->progress == MU_DESK_IS_OPEN) {
        close_task(desk, at, MU_DESK_HAS_FAILED);
        copy_reason(at->reason, sizeof at->reason, reason);
        tell_federation(desk, &at->news);
    }
    pthread_mutex_unlock(&desk->lock);
}

mu_status mu_desk_put_task(mu_desk *desk, const mu_desk_task *task, mu_error *err)
{
    MU_ASSERT(task->device < desk->device_count);
    slot *of = &desk->slots[task->device];
    pthread_mutex_lock(&desk->lock);
    mu_desk_entry *made;
    mu_status      status = mu_desk_tasks_add(&desk->tasks, task, &made, err);
    if (!status) {
        if (!mu_link_is_listed(&of->tasks))
            mu_link_list_init(&of->tasks);
        mu_link_append(&of->tasks, &made->of_device);
        add_open(desk, task->device, 1);
        wake_device(desk, task->device);
    }
    pthread_mutex_unlock(&desk->lock);
    return status;
}

void mu_desk_drop_task(mu_desk *desk, uint64_t task)
{
    pthread_mutex_lock(&desk->lock);
    mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, task);
    if (at) {
        uint32_t device = at->info.device;
        bool     was_open = at->progress == MU_DESK_IS_OPEN;
        if (was_open)
            close_task(desk, at, MU_DESK_HAS_FAILED);
        desk->counts.tasks_arrived -= at->progress == MU_DESK_HAS_ARRIVED;
        mu_desk_tasks_remove(&desk->tasks, at);
        if (was_open)
            wake_device(desk, device); /* it may be working on it */
    }
    pthread_mutex_unlock(&desk->lock);
}

/* ---- what a device is told ---- */

static void forget_settled(slot *at, const uint64_t *seen, uint32_t count)
{
    for (settled **place = &at->settled; *place;) {
        settled *each = *place;
        if (contains(seen, count, each->task)) {
            *place = each->next;
            free(each);
        } else
            place = &each->next;
    }
}

mu_status mu_desk_settle(mu_desk *desk, uint32_t device, uint64_t id, mu_error *err)
{
    MU_ASSERT(device < desk->device_count);
    settled *made = malloc(sizeof *made);
    if (!made)
        return mu_error_set(err, MU_E_MEMORY, "no memory to tell device %u that task %llu was merged", device, (unsigned long long)id);
    *made = (settled){ .task = id };
    slot *at = &desk->slots[device];
    pthread_mutex_lock(&desk->lock);
    uint32_t count = 0;
    settled **end = &at->settled;
    bool     there = false;
    for (; *end; end = &(*end)->next, count++)
        there |= (*end)->task == id;
    if (!there) {
        *end = made;
        made = NULL;
        if (count == MU_DESK_LIST_MAX) { /* a device that takes work and never says that it has seen this does not listen */
            settled *oldest = at->settled;
            at->settled = oldest->next;
            made = oldest;
        }
        wake_device(desk, device);
    }
    pthread_mutex_unlock(&desk->lock);
    free(made);
    return MU_OK;
}

/* A task that has arrived or is settled is not cancelled, should the answer to its update have been lost: the device asks again, or is told. */
static bool is_cancelled(const mu_desk *desk, uint32_t device, uint64_t id)
{
    for (const settled *each = desk->slots[device].settled; each; each = each->next)
        if (each->task == id)
            return false;
    const mu_desk_entry *at = mu_desk_tasks_find(&desk->tasks, id);
    return !at || at->info.device != device || at->progress == MU_DESK_HAS_FAILED;
}

/* Its first open task that it does not have. */
static const mu_desk_entry *next_task(slot *at, const uint64_t *working_on, uint32_t count)
{
    if (!mu_link_is_listed(&at->tasks))
        return NULL;
    for (mu_link *each = at->tasks.next; each != &at->tasks; each = each->next) {
        const mu_desk_entry *candidate = mu_link_around(each, offsetof(mu_desk_entry, of_device));
        if (candidate->progress == MU_DESK_IS_OPEN && !contains(working_on, count, candidate->id))
            return candidate;
    }
    return NULL;
}

bool mu_desk_poll(mu_desk *desk, uint32_t device, const uint64_t *working_on, uint32_t count, const uint64_t *settled_seen, uint32_t seen_count,
                  mu_desk_waiter *waiter, mu_desk_answer *answer)
{
    *answer = (mu_desk_answer){ 0 };
    if (device >= desk->device_count)
        return false;
    slot *at = &desk->slots[device];
    pthread_mutex_lock(&desk->lock);
    forget_settled(at, settled_seen, seen_count);
    for (const settled *each = at->settled; each; each = each->next)
        answer->settled[answer->settled_count++] = each->task;
    for (uint32_t i = 0; i < count && answer->cancelled_count < MU_DESK_LIST_MAX; i++)
        if (is_cancelled(desk, device, working_on[i]))
            answer->cancelled[answer->cancelled_count++] = working_on[i];
    const mu_desk_entry *next = next_task(at, working_on, count);
    /* Where there is no memory for it, the answer is without it: the device asks again. */
    if (next && (answer->task = malloc(next->packed_bytes + 1))) {
        memcpy(answer->task, next->packed, next->packed_bytes);
        answer->task_bytes = next->packed_bytes;
    }
    answer->finished = desk->finished;
    bool something = next || answer->settled_count || answer->cancelled_count || answer->finished;
    if (waiter) {
        mu_desk_waiter *last = at->waiter;
        set_waiter(desk, at, something ? NULL : waiter);
        if (last && last != waiter)
            wake(desk, last);
    }
    pthread_mutex_unlock(&desk->lock);
    return something;
}

void mu_desk_forget(mu_desk *desk, uint32_t device, mu_desk_waiter *waiter)
{
    pthread_mutex_lock(&desk->lock);
    if (device < desk->device_count && desk->slots[device].waiter == waiter)
        set_waiter(desk, &desk->slots[device], NULL);
    for (const waking *each = desk->wakings; each;) {
        if (each->waiter == waiter) {
            pthread_cond_wait(&desk->woken, &desk->lock);
            each = desk->wakings;
        } else
            each = each->next;
    }
    pthread_mutex_unlock(&desk->lock);
}

void mu_desk_finish(mu_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->finished = true;
    for (uint32_t i = 0; i < desk->device_count; i++)
        wake_device(desk, i);
    pthread_mutex_unlock(&desk->lock);
}

/* ---- what the federation is told ---- */

/* False: what happened has been undone since. */
static bool event_of_device(const mu_desk *desk, slot *at, mu_desk_event *event)
{
    bool came = at->present && (!at->told || at->changed), went = !at->present && at->told;
    at->told = at->present;
    if (!came && !went)
        return false;
    *event = (mu_desk_event){ .kind = came ? MU_DESK_CAME : MU_DESK_WENT, .device = (uint32_t)(at - desk->slots) };
    if (came) {
        event->report = at->report;
        at->changed = false;
    }
    return true;
}

static bool next_event(mu_desk *desk, mu_desk_event *event)
{
    while (desk->news.next != &desk->news) {
        mu_desk_news *about = mu_link_around(desk->news.next, offsetof(mu_desk_news, link));
        mu_link_remove(&about->link);
        if (about->of_task) {
            const mu_desk_entry *at = mu_link_around(&about->link, offsetof(mu_desk_entry, news));
            *event = (mu_desk_event){ .kind = at->progress == MU_DESK_HAS_ARRIVED ? MU_DESK_ARRIVED : MU_DESK_FAILED,
                                      .device = at->info.device,
                                      .task = at->id };
            memcpy(event->reason, at->reason, sizeof event->reason);
            return true;
        }
        if (event_of_device(desk, mu_link_around(&about->link, offsetof(slot, news)), event))
            return true;
    }
    return false;
}

/* Who is silent for too long goes. Returns when the next one would; INFINITY: nobody is there. */
static double let_silent_go(mu_desk *desk, double now_s, double presence_s)
{
    while (desk->heard.next != &desk->heard) {
        slot *first = mu_link_around(desk->heard.next, offsetof(slot, heard));
        if (now_s - first->heard_s < presence_s)
            return first->heard_s + presence_s;
        go(desk, first);
    }
    return INFINITY;
}

bool mu_desk_take(mu_desk *desk, double wait_s, double presence_s, mu_desk_event *event)
{
    bool taken = false;
    pthread_mutex_lock(&desk->lock);
    double now_s = mu_clock_monotonic_s(), until_s = now_s + wait_s;
    for (;; now_s = mu_clock_monotonic_s()) {
        double next_goes_s = let_silent_go(desk, now_s, presence_s);
        if ((taken = next_event(desk, event)) || now_s >= until_s)
            break;
        double look_again_s = fmin(fmin(until_s, next_goes_s), now_s + 3600); /* what struct timespec holds for sure */
        struct timespec at = { .tv_sec = (time_t)look_again_s };
        at.tv_nsec = (long)((look_again_s - (double)at.tv_sec) * 1e9);
        pthread_cond_timedwait(&desk->came_in, &desk->lock, &at);
    }
    pthread_mutex_unlock(&desk->lock);
    return taken;
}

/* ---- for people ---- */

mu_desk_counts mu_desk_count(mu_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    mu_desk_counts counts = desk->counts;
    pthread_mutex_unlock(&desk->lock);
    return counts;
}

const char *mu_desk_state_of(mu_desk *desk, uint32_t device, double now_s, double *silent_s)
{
    if (device >= desk->device_count) {
        *silent_s = -1;
        return "absent";
    }
    pthread_mutex_lock(&desk->lock);
    const slot *at = &desk->slots[device];
    *silent_s = at->known ? fmax(now_s - at->heard_s, 0) : -1;
    const char *state = !at->present ? "absent" : at->open_tasks ? "working" : "idle";
    pthread_mutex_unlock(&desk->lock);
    return state;
}
