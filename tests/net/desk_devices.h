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
/* From now on each says that its tasks of version 0 took it compute_s[device], those of version 1 twice as long, of version 2 three times. */
void          desk_devices_take(desk_devices *devices, const double *compute_s);

/* They stand at this desk, on a thread of their own, and take turns in an order that `shuffle` makes; until they leave it. */
void desk_devices_attach(desk_devices *devices, mu_store *store, mu_desk *desk);
void desk_devices_detach(desk_devices *devices);
/* One that cannot look at a model, and says so when it comes; and one that says that it can, and then does not. */
void     desk_devices_will_not_look(desk_devices *devices, uint32_t cannot, uint32_t does_not);
uint32_t desk_devices_looks(const desk_devices *devices); /* how many looks they have answered; while they stand at no desk */

#endif
