/* The carrier over the network: takes the federation's tasks to the desk, and hands it what comes back as events.
 *
 *   send ---> start blob written ---> desk ---> device ... ---> update acknowledged (store, file) ---> desk ---> journal ---> next
 *
 * Every event is in the store's journal before the federation gets it. So a coordinator that was killed goes back to the federation's last checkpoint, hands it
 * the same events again, which make the same tasks with the same numbers, and goes on where it was; what had been acknowledged is merged once.
 *
 * What the federation wants to know of a model on devices' own examples, devices are asked (network_ask.c): tasks that train nothing, whose outcome is in the journal, too.
 *
 * Devices know a task by its NUMBER, the upper half of its id: the lower half is the federation's place for it, which a resume may change. */
#ifndef MUSTER_NET_CARRIER_H
#define MUSTER_NET_CARRIER_H

#include "muster/serve.h"
#include "net/desk.h"
#include "net/starts.h"
#include "net/store.h"

typedef struct mu_network mu_network;

typedef struct mu_network_config {
    const mu_federation_config *federation;
    mu_data    *data;  /* the federation's own, for what devices tell */
    mu_fleet   *fleet;
    const mu_serve_config *serve;
    const char *updates_folder;
    mu_store   *store;
    mu_desk    *desk;
    mu_starts  *starts;
    void       *self;
    void      (*live)(void *self); /* the journal is behind it: from now on devices may come in */
    bool      (*stop)(void *self); /* asked about once a second while it waits */
} mu_network_config;

mu_status  mu_network_create(const mu_network_config *config, mu_network **out, mu_error *err);
void       mu_network_destroy(mu_network *network); /* NULL is fine */
mu_carrier mu_network_carrier(mu_network *network);

static inline uint64_t mu_task_number(mu_task_id id) { return id.value >> 32; }

#endif
