/* Which certificate authorities this system trusts. */
#ifndef MUSTER_NET_CLIENT_AUTHORITIES_H
#define MUSTER_NET_CLIENT_AUTHORITIES_H

#include <curl/curl.h>

/* A libcurl that was built for the system it runs on knows; one that was carried here (scripts/build-agent) is told: SSL_CERT_FILE, else the file that one of the
 * common systems has. Where there is none, nobody is trusted but a pinned certificate. */
void mu_client_authorities_set_up(CURL *curl);

#endif
