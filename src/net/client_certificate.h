/* Is whoever answers the one whose certificate was pinned? */
#ifndef MUSTER_NET_CLIENT_CERTIFICATE_H
#define MUSTER_NET_CLIENT_CERTIFICATE_H

#include "base/digest.h"

#include <curl/curl.h>

typedef struct mu_client_pin {
    char hex[MU_SHA256_HEX_BYTES]; /* empty: no certificate is pinned, the authorities decide */
    bool is_known;                 /* the connection that stands was looked at and is the right one */
    char seen[MU_SHA256_HEX_BYTES]; /* what came in place of it; empty: nothing did, or nothing that can be read */
} mu_client_pin;

/* Ask that way. A new connection is not known until mu_client_pin_holds has looked at it. `pin` outlives the handle. */
void mu_client_pin_set_up(mu_client_pin *pin, CURL *curl);
/* The connection stands, and nothing of the request was sent yet. */
bool mu_client_pin_holds(mu_client_pin *pin, CURL *curl);

#endif
