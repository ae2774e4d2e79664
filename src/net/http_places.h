/* Places for updates that come in. A device has one upload at a time. Few are fast at the same moment, so that what is under way to the disk is bounded and each of
 * them comes to an end soon. Whoever is slow, or has stalled, takes hardly more than his connection and an open file; such a one does not count among the fast, and
 * there may be many. */
#ifndef MUSTER_NET_HTTP_PLACES_H
#define MUSTER_NET_HTTP_PLACES_H

#include "net/http_internal.h"
#include "net/http_transfer.h"

/* A device that has lost its network comes back by another connection long before the old one is known to be dead, so the later request takes the task's files over. */
struct mu_http_upload {
    pthread_mutex_t      lock;    /* while anything is done with it */
    mu_link              link;    /* in `under_way`; in none: it was taken over */
    uint32_t             holders; /* its request, and whoever is taking it over; under the lock of all */
    uint64_t             task;
    uint32_t             device;
    double               begun_s, moved_s; /* when something came last; these and bytes under the lock of all */
    uint64_t             bytes;
    bool                 taken_over;
    mu_transfer         *transfer;
    Muster__SignedUpdate *announced;
    Muster__UpdateHead   *head;
};


/* request->upload, locked; false: it was refused. Of this device or task, an earlier upload ends here, and its request finds out when it goes on. */
bool mu_http_place_take(mu_http_request *request);
/* request->upload, locked, after so many bytes more; false: it was taken over, and is refused. */
bool mu_http_place_go_on(mu_http_request *request, size_t bytes);
void mu_http_place_put_down(mu_http_request *request); /* not locked any more */
/* For the device, which has a place now and will want it again in a moment. */
void mu_http_place_promise(mu_http_request *request);

#endif
