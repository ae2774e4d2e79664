/* What people see of a coordinator: the page, status.json, metrics for Prometheus. Watches the federation as an observer, and is read by the network's
 * threads. */
#ifndef MUSTER_NET_LOOK_H
#define MUSTER_NET_LOOK_H

#include "muster/experiment.h"
#include "net/desk.h"
#include "net/http.h"
#include "net/store.h"

typedef struct mu_look mu_look;

/* All borrowed. */
mu_status mu_look_create(const mu_experiment *experiment, mu_store *store, mu_desk *desk, mu_look **out, mu_error *err);
void      mu_look_destroy(mu_look *look); /* NULL is fine */
const mu_observer *mu_look_observer(mu_look *look); /* its round and event; called by the federation's thread */
void      mu_look_attach(mu_look *look, mu_http *http); /* whose counts it shows; NULL: none any more */
void      mu_look_finished(mu_look *look, const char *how); /* "finished", "interrupted", "failed: ..." */
/* mu_http_config.look */
char     *mu_look_text(void *look, const char *path, const char **media_type, size_t *size_bytes);

#endif
