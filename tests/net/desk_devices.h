/* For tests: devices that stand at the desk itself. They take tasks, train, and put updates into the store as the network's side does, without a network. */
#ifndef MUSTER_TESTS_NET_DESK_DEVICES_H
#define MUSTER_TESTS_NET_DESK_DEVICES_H

#include "muster/experiment.h"
#include "net/desk.h"
#include "net/store.h"

typedef struct desk_devices desk_devices;

/* As many as the experiment's data have; each has those examples, and keeps what it keeps while coordinators come and go. */
desk_devices *desk_devices_create(const mu_experiment *experiment, const char *updates_folder, uint64_t shuffle);
void          desk_devices_destroy(desk_devices *devices);

/* They stand at this desk, on a thread of their own, and take turns in an order that `shuffle` makes; until they leave it. */
void desk_devices_attach(desk_devices *devices, mu_store *store, mu_desk *desk);
void desk_devices_detach(desk_devices *devices);

#endif
