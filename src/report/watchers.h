/* Several observers as one: the run's folder, the progress line, and whoever stops the run. */
#ifndef MUSTER_REPORT_WATCHERS_H
#define MUSTER_REPORT_WATCHERS_H

#include "muster/federation.h"

#define MU_WATCHERS_MAX 8

/* Placed by the caller, and must not move while in use. */
typedef struct mu_watchers {
    const mu_observer *all[MU_WATCHERS_MAX];
    size_t             count;
    mu_observer        observer; /* hand this one to the federation */
} mu_watchers;

/* Told in the order of `all`; the first status that is not MU_OK ends the run. Any one that says stop stops it. At most one of them has a
 * place in the checkpoint (`save` and `restore`). */
void mu_watchers_init(mu_watchers *watchers, const mu_observer *const *all, size_t count);

#endif
