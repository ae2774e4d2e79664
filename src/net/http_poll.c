/* Polls: answered at once, or held until there is something to tell, the time is over, or the server stops.
 *
 * A held poll is a suspended connection in a list. One thread looks through the list when the next one's time is over, but not more often than every tenth of a
 * second: ten thousand polls are looked at in less than a millisecond. */
#include "net/http_internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY_S 0.1
#define WOKEN_AGAIN_S 1 /* after a poll that was woken for nothing */

struct mu_http_polls {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    mu_link         held;
    uint32_t        count; /* held, or about to be */
    double          look_at_s;
    bool            stopping;
    pthread_t       thread;
};

static mu_http_request *held_request(mu_link *at) { return mu_link_around(at, offsetof(mu_http_request, link)); }

/* Those whose time is over, or all when the server stops, move to `over`. Returns when to look again. */
static double collect(mu_http_polls *polls, double now_s, mu_link *over)
{
    double next_s = INFINITY;
    for (mu_link *at = polls->held.next, *next; at != &polls->held; at = next) {
        next = at->next;
        mu_http_request *request = held_request(at);
        if (polls->stopping || request->until_s <= now_s) {
            request->timed_out = true;
            mu_link_remove(at);
            mu_link_append(over, at);
        } else
            next_s = fmin(next_s, request->until_s);
    }
    return fmax(next_s, now_s + LOOK_EVERY_S);
}

static void *look_after(void *argument)
{
    mu_http_polls *polls = argument;
    pthread_mutex_lock(&polls->lock);
    while (!polls->stopping) {
        mu_link over;
        mu_link_list_init(&over);
        polls->look_at_s = collect(polls, mu_clock_monotonic_s(), &over);
        while (over.next != &over) {
            mu_link *at = over.next;
            mu_link_remove(at);
            pthread_mutex_unlock(&polls->lock);
            mu_http_resume(held_request(at));
            pthread_mutex_lock(&polls->lock);
        }
        if (polls->stopping)
            break;
        if (isinf(polls->look_at_s))
            pthread_cond_wait(&polls->changed, &polls->lock);
        else {
            struct timespec at = { .tv_sec = (time_t)polls->look_at_s };
            at.tv_nsec = (long)((polls->look_at_s - (double)at.tv_sec) * 1e9);
            pthread_cond_timedwait(&polls->changed, &polls->lock, &at);
        }
    }
    pthread_mutex_unlock(&polls->lock);
    return NULL;
}

mu_status mu_http_polls_create(mu_http_polls **out, mu_error *err)
{
    mu_http_polls *polls = calloc(1, sizeof *polls);
    if (!polls)
        return mu_error_set(err, MU_E_MEMORY, "no memory for polls");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&polls->lock, NULL);
    pthread_cond_init(&polls->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    mu_link_list_init(&polls->held);
    polls->look_at_s = INFINITY;
    if (pthread_create(&polls->thread, NULL, look_after, polls)) {
        pthread_cond_destroy(&polls->changed);
        pthread_mutex_destroy(&polls->lock);
        free(polls);
        return mu_error_set(err, MU_E_MEMORY, "the thread that looks after polls cannot be started");
    }
    *out = polls;
    return MU_OK;
}

void mu_http_polls_stop(mu_http_polls *polls)
{
    if (!polls)
        return;
    mu_link over;
    mu_link_list_init(&over);
    pthread_mutex_lock(&polls->lock);
    polls->stopping = true;
    collect(polls, 0, &over);
    pthread_cond_signal(&polls->changed);
    pthread_mutex_unlock(&polls->lock);
    while (over.next != &over) {
        mu_link *at = over.next;
        mu_link_remove(at);
        mu_http_resume(held_request(at));
    }
}

void mu_http_polls_destroy(mu_http_polls *polls)
{
    if (!polls)
        return;
    mu_http_polls_stop(polls);
    pthread_join(polls->thread, NULL);
    pthread_cond_destroy(&polls->changed);
    pthread_mutex_destroy(&polls->lock);
    free(polls);
}

uint32_t mu_http_polls_held(mu_http_polls *polls)
{
    pthread_mutex_lock(&polls->lock);
    uint32_t count = polls->count;
    pthread_mutex_unlock(&polls->lock);
    return count;
}

/* ---- the answer ---- */

static void tell(mu_http_request *request, mu_desk_answer *answer, double again_s)
{
    Muster__Polled polled;
    muster__polled__init(&polled);
    polled.again_s = answer->task ? 0 : again_s;
    polled.settled = answer->settled;
    polled.n_settled = answer->settled_count;
    polled.cancelled = answer->cancelled;
    polled.n_cancelled = answer->cancelled_count;
    polled.finished = answer->finished;
    Muster__Task *task = NULL;
    if (answer->task && !(task = muster__task__unpack(NULL, answer->task_bytes, answer->task)))
        mu_http_answer_with(request, 0, NULL);
    else {
        polled.task = task;
        mu_http_answer_message(request, MHD_HTTP_OK, &polled.base);
    }
    if (task)
        muster__task__free_unpacked(task, NULL);
    free(answer->task);
}

static bool ask_desk(mu_http_request *request, mu_desk_waiter *waiter, mu_desk_answer *answer)
{
    const Muster__Poll *poll = request->poll;
    return mu_desk_poll(request->http->config.desk, request->device, poll->working_on, (uint32_t)poll->n_working_on, poll->settled_seen,
                        (uint32_t)poll->n_settled_seen, waiter, answer);
}

static void wake(mu_desk_waiter *waiter)
{
    mu_http_request *request = mu_link_around((mu_link *)(void *)waiter, offsetof(mu_http_request, waiter));
    mu_http_polls   *polls = request->http->polls;
    pthread_mutex_lock(&polls->lock);
    request->woken = true;
    bool held = !request->timed_out && mu_link_is_listed(&request->link);
    if (held)
        mu_link_remove(&request->link);
    pthread_mutex_unlock(&polls->lock);
    if (held)
        mu_http_resume(request);
}

static bool reserve(mu_http_polls *polls, uint32_t most)
{
    pthread_mutex_lock(&polls->lock);
    bool room = polls->count < most && !polls->stopping;
    polls->count += room;
    pthread_mutex_unlock(&polls->lock);
    return room;
}

/* False: something has come meanwhile, or the server stops. */
static bool hold(mu_http_request *request, double hold_s)
{
    mu_http_polls *polls = request->http->polls;
    pthread_mutex_lock(&polls->lock);
    bool held = !request->woken && !polls->stopping && mu_http_suspend(request);
    if (held) {
        request->until_s = mu_clock_monotonic_s() + hold_s;
        mu_link_append(&polls->held, &request->link);
        if (request->until_s < polls->look_at_s)
            pthread_cond_signal(&polls->changed);
    }
    pthread_mutex_unlock(&polls->lock);
    return held;
}

void mu_http_poll(mu_http_request *request)
{
    mu_http *http = request->http;
    ProtobufCMessage *message;
    if (!mu_http_unpack_body(request, &muster__poll__descriptor, &message))
        return;
    request->poll = (Muster__Poll *)(void *)message;
    request->waiter.wake = wake;
    double hold_s = fmin(request->poll->hold_s, http->serve.hold_s);
    bool may_hold = hold_s > 0 && reserve(http->polls, http->serve.held_max);
    mu_desk_answer answer;
    if (ask_desk(request, may_hold ? &request->waiter : NULL, &answer)) {
        if (may_hold) {
            pthread_mutex_lock(&http->polls->lock);
            http->polls->count--;
            pthread_mutex_unlock(&http->polls->lock);
        }
        tell(request, &answer, 0);
    } else if (!may_hold)
        tell(request, &answer, mu_http_spread(http->serve.again_s));
    else if (!hold(request, hold_s))
        mu_http_poll_resumed(request);
}

void mu_http_poll_resumed(mu_http_request *request)
{
    mu_http *http = request->http;
    mu_desk_forget(http->config.desk, request->device, &request->waiter);
    pthread_mutex_lock(&http->polls->lock);
    http->polls->count--;
    bool stopping = http->polls->stopping, timed_out = request->timed_out && !stopping;
    pthread_mutex_unlock(&http->polls->lock);
    mu_desk_answer answer;
    bool something = ask_desk(request, NULL, &answer);
    /* Whose time was over may hold the next poll at once, and so may who was told something. Who was woken for nothing has made way for another poll of the same
     * device, and should two ask in its name, they do not chase each other; or what it was woken for was over at once, and the next thing may come soon. */
    double woken_again_s = stopping ? http->serve.again_s : fmin(WOKEN_AGAIN_S, http->serve.again_s);
    tell(request, &answer, timed_out || something ? 0 : mu_http_spread(woken_again_s));
}
