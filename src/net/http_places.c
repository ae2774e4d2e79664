/* Places for updates that come in. */
#include "net/http_places.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* Slow is who sends less, over all the time that his upload has taken, once that is longer than config.stalled_s. */
#define SLOW_BYTES_PER_S 65536.0
/* A place is free again soon. */
#define BUSY_S 2

/* A device that has announced its update comes back for its place at once: nobody begins to send and is refused then, with megabytes under way. */
typedef struct promise {
    uint32_t device;
    double   until_s; /* over: nobody has it */
} promise;

struct mu_http_transfers {
    pthread_mutex_t lock;
    mu_link         under_way;
    uint32_t        count, most;
    double          stalled_s;
    promise         promises[MU_HTTP_FAST_UPLOADS_MAX]; /* places that are kept, beside those that are taken */
};

mu_status mu_http_transfers_create(const mu_http *http, mu_http_transfers **out, mu_error *err)
{
    mu_http_transfers *transfers = calloc(1, sizeof *transfers);
    if (!transfers)
        return mu_error_set(err, MU_E_MEMORY, "no memory for updates");
    transfers->most = http->uploads_max;
    transfers->stalled_s = http->config.stalled_s > 0 ? http->config.stalled_s : MU_HTTP_STALLED_S;
    pthread_mutex_init(&transfers->lock, NULL);
    mu_link_list_init(&transfers->under_way);
    *out = transfers;
    return MU_OK;
}

void mu_http_transfers_destroy(mu_http_transfers *transfers)
{
    if (!transfers)
        return;
    pthread_mutex_destroy(&transfers->lock);
    free(transfers);
}

static mu_http_upload *upload_at(mu_link *at) { return mu_link_around(at, offsetof(mu_http_upload, link)); }

static bool is_slow(const mu_http_transfers *transfers, const mu_http_upload *upload, double now_s)
{
    double taken_s = now_s - upload->begun_s;
    return now_s - upload->moved_s > transfers->stalled_s || (taken_s > transfers->stalled_s && (double)upload->bytes < taken_s * SLOW_BYTES_PER_S);
}

/* Whose place a new upload takes: that of the device's own last one, or of the task's; where there is no room at all, that of who has stalled for longest. NULL: nobody's. */
static mu_http_upload *find_predecessor(mu_http_transfers *transfers, const mu_http_upload *next)
{
    mu_http_upload *stalled = NULL;
    for (mu_link *at = transfers->under_way.next; at != &transfers->under_way; at = at->next) {
        mu_http_upload *each = upload_at(at);
        if (each->task == next->task || each->device == next->device)
            return each;
        if (next->begun_s - each->moved_s > transfers->stalled_s && (!stalled || each->moved_s < stalled->moved_s))
            stalled = each;
    }
    return transfers->count >= transfers->most ? stalled : NULL;
}

/* Its place, where it was promised one: not promised any more. */
static bool take_promised(mu_http_transfers *transfers, uint32_t device, double now_s)
{
    bool taken = false;
    for (promise *at = transfers->promises; at < transfers->promises + MU_HTTP_FAST_UPLOADS_MAX; at++)
        if (at->device == device && at->until_s > now_s) {
            at->until_s = 0;
            taken = true;
        }
    return taken;
}

static bool is_full(const mu_http_transfers *transfers, double now_s)
{
    uint32_t fast = 0;
    if (transfers->count >= transfers->most)
        return true;
    for (const promise *at = transfers->promises; at < transfers->promises + MU_HTTP_FAST_UPLOADS_MAX; at++)
        fast += at->until_s > now_s;
    for (const mu_link *at = transfers->under_way.next; at != &transfers->under_way; at = at->next)
        fast += !is_slow(transfers, upload_at((mu_link *)(uintptr_t)at), now_s);
    return fast >= MU_HTTP_FAST_UPLOADS_MAX;
}

void mu_http_place_promise(mu_http_request *request)
{
    mu_http_transfers *transfers = request->http->transfers;
    double now_s = mu_clock_monotonic_s();
    pthread_mutex_lock(&transfers->lock);
    promise *at = transfers->promises;
    while (at < transfers->promises + MU_HTTP_FAST_UPLOADS_MAX && at->until_s > now_s)
        at++;
    if (at < transfers->promises + MU_HTTP_FAST_UPLOADS_MAX)
        *at = (promise){ .device = request->device, .until_s = now_s + transfers->stalled_s };
    pthread_mutex_unlock(&transfers->lock);
}

static void let_go(mu_http_transfers *transfers, mu_http_upload *upload)
{
    pthread_mutex_lock(&transfers->lock);
    bool last = --upload->holders == 0;
    pthread_mutex_unlock(&transfers->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&upload->lock);
    free(upload);
}

/* Its transfer ends here; its request finds out when it goes on. Waits for what is just being done with it. */
static void take_over(mu_http_transfers *transfers, mu_http_upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    upload->taken_over = true;
    mu_transfer_close(upload->transfer);
    upload->transfer = NULL;
    pthread_mutex_unlock(&upload->lock);
    let_go(transfers, upload);
}

bool mu_http_place_take(mu_http_request *request)
{
    mu_http *http = request->http;
    mu_http_transfers *transfers = http->transfers;
    mu_http_upload *upload = calloc(1, sizeof *upload);
    if (!upload) {
        mu_http_answer_with(request, 0, NULL);
        return false;
    }
    pthread_mutex_init(&upload->lock, NULL);
    pthread_mutex_lock(&upload->lock); /* before anybody can find it: an upload's lock comes before that of all */
    upload->task = request->task;
    upload->device = request->device;
    upload->holders = 1;
    upload->begun_s = upload->moved_s = mu_clock_monotonic_s();
    pthread_mutex_lock(&transfers->lock);
    bool promised = take_promised(transfers, request->device, upload->begun_s);
    mu_http_upload *before = find_predecessor(transfers, upload);
    bool room = promised || before || !is_full(transfers, upload->begun_s);
    if (before) {
        before->holders++;
        mu_link_remove(&before->link);
        transfers->count--;
    }
    if (room) {
        mu_link_append(&transfers->under_way, &upload->link);
        transfers->count++;
    }
    pthread_mutex_unlock(&transfers->lock);
    if (before)
        take_over(transfers, before);
    if (room) {
        request->upload = upload;
        return true;
    }
    pthread_mutex_unlock(&upload->lock);
    let_go(transfers, upload);
    mu_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", mu_http_spread(fmin(http->serve.again_s, BUSY_S)), "as many updates are being received as can be");
    return false;
}

bool mu_http_place_go_on(mu_http_request *request, size_t bytes)
{
    mu_http_upload *upload = request->upload;
    mu_http_transfers *transfers = request->http->transfers;
    pthread_mutex_lock(&transfers->lock);
    upload->moved_s = mu_clock_monotonic_s();
    upload->bytes += bytes;
    pthread_mutex_unlock(&transfers->lock);
    pthread_mutex_lock(&upload->lock);
    if (!upload->taken_over)
        return true;
    pthread_mutex_unlock(&upload->lock);
    mu_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "taken-over", mu_http_spread(1), "a later request of the device goes on, or this one, of task %llu, has stalled",
                   (unsigned long long)request->task);
    return false;
}

void mu_http_place_put_down(mu_http_request *request) { pthread_mutex_unlock(&request->upload->lock); }

void mu_http_upload_close(mu_http_request *request)
{
    mu_http_upload *upload = request->upload;
    mu_http_transfers *transfers = request->http->transfers;
    if (!upload)
        return;
    request->upload = NULL;
    pthread_mutex_lock(&upload->lock);
    mu_transfer_close(upload->transfer);
    upload->transfer = NULL;
    pthread_mutex_unlock(&upload->lock);
    mu_wire_free(upload->announced ? &upload->announced->base : NULL);
    mu_wire_free(upload->head ? &upload->head->base : NULL);
    pthread_mutex_lock(&transfers->lock);
    transfers->count -= mu_link_is_listed(&upload->link);
    mu_link_remove(&upload->link);
    pthread_mutex_unlock(&transfers->lock);
    let_go(transfers, upload);
}
