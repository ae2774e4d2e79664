/* Where systems keep the certificates of the authorities that they trust. */
#include "net/client_authorities.h"

#include "muster/status.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Arch, Alpine, OpenWrt, Yocto */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* older of these */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
    "/etc/ssl/cert.pem",                                 /* Alpine without the package, the BSDs */
};

void mu_client_authorities_set_up(CURL *curl)
{
    const curl_version_info_data *built = curl_version_info(CURLVERSION_NOW);
    if (built->cainfo || built->capath)
        return;
    const char *file = getenv("SSL_CERT_FILE");
    for (size_t i = 0; (!file || !*file) && i < MU_COUNT(files); i++)
        if (access(files[i], R_OK) == 0)
            file = files[i];
    if (file && *file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, file);
}
