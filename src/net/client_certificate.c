/* The pinned certificate. */
#include "net/client_certificate.h"

#include "net/client.h"

#include <ctype.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

mu_status mu_fingerprint_read(const char *text, char hex[MU_FINGERPRINT_HEX_BYTES], mu_error *err)
{
    size_t used = 0;
    const char *at = text;
    for (; *at; at++) {
        if (*at == ':' && used % 2 == 0 && used > 0)
            continue;
        if (!isxdigit((unsigned char)*at) || used + 1 == MU_FINGERPRINT_HEX_BYTES)
            break;
        hex[used++] = (char)tolower((unsigned char)*at);
    }
    hex[used] = '\0';
    if (*at || used + 1 != MU_FINGERPRINT_HEX_BYTES)
        return mu_error_set(err, MU_E_CONFIG, "'%s' is no fingerprint: expected the SHA-256 of a certificate, 64 hexadecimal digits", text);
    return MU_OK;
}

/* libcurl opens a socket: whatever stood before, this one nobody has looked at. */
static int begin_unknown(void *self, curl_socket_t socket, curlsocktype purpose)
{
    (void)socket;
    (void)purpose;
    ((mu_client_pin *)self)->is_known = false;
    return CURL_SOCKOPT_OK;
}

void mu_client_pin_set_up(mu_client_pin *pin, CURL *curl)
{
    if (!*pin->hex)
        return;
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* the pin takes their place */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* a handshake that is cut short may show no certificate */
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, begin_unknown);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, pin);
}

/* "Cert:-----BEGIN CERTIFICATE-----" and so on, as libcurl shows the first one of the chain. */
static const char *first_certificate(CURL *curl)
{
    static const char name[] = "Cert:";
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) || !chain || chain->num_of_certs < 1)
        return NULL;
    for (const struct curl_slist *row = chain->certinfo[0]; row; row = row->next)
        if (strncmp(row->data, name, sizeof name - 1) == 0)
            return row->data + sizeof name - 1;
    return NULL;
}

/* SHA-256 of what the PEM text holds. False: it is none. */
static bool fingerprint_of(const char *pem, char hex[MU_SHA256_HEX_BYTES])
{
    static const char head[] = "-----BEGIN CERTIFICATE-----", foot[] = "-----END CERTIFICATE-----";
    const char *begin = strstr(pem, head), *end = begin ? strstr(begin, foot) : NULL;
    if (!end)
        return false;
    begin += sizeof head - 1;
    size_t capacity_bytes = (size_t)(end - begin), size_bytes = 0;
    unsigned char *der = malloc(capacity_bytes + 1);
    bool good = der && sodium_base642bin(der, capacity_bytes, begin, (size_t)(end - begin), " \r\n\t", &size_bytes, NULL,
                                         sodium_base64_VARIANT_ORIGINAL) == 0;
    if (good)
        mu_sha256_hex(der, size_bytes, hex);
    free(der);
    return good;
}

bool mu_client_pin_holds(mu_client_pin *pin, CURL *curl)
{
    if (!*pin->hex || pin->is_known)
        return true;
    const char *pem = first_certificate(curl);
    pin->seen[0] = '\0';
    pin->is_known = pem && fingerprint_of(pem, pin->seen) && strcmp(pin->seen, pin->hex) == 0;
    return pin->is_known;
}
