/* The certificate: the one that is named, or one that is made at the first start and kept in tls/. */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALID_S (INT64_C(3653) * 86400) /* ten years: nobody renews it, and who pins it would have to pin anew */
#define PEM_BYTES_MAX ((size_t)1 << 20)

static mu_status tls_error(mu_error *err, int problem, const char *what)
{
    return mu_error_set(err, problem == GNUTLS_E_MEMORY_ERROR ? MU_E_MEMORY : MU_E_IO, "%s: %s", what, gnutls_strerror(problem));
}

static mu_status read_text(const char *path, char **text, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    if (file.size_bytes > PEM_BYTES_MAX)
        status = mu_error_set(err, MU_E_LIMIT, "%s: %zu bytes is too much for a PEM file; at most %zu", path, file.size_bytes, PEM_BYTES_MAX);
    else if (!(*text = malloc(file.size_bytes + 1)))
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory to read it", path);
    else {
        memcpy(*text, file.data, file.size_bytes);
        (*text)[file.size_bytes] = 0;
    }
    mu_file_unmap(&file);
    return status;
}

/* ---- making one ---- */

/* Nobody else may read a key, not even for the moment before it is renamed. */
static mu_status write_key(const char *path, const gnutls_datum_t *pem, mu_error *err)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, pem->data, pem->size) == (ssize_t)pem->size && fsync(fd) == 0;
    int problem = errno;
    if (fd >= 0)
        close(fd);
    return good ? MU_OK : mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", path, strerror(problem));
}

static int add_name(gnutls_x509_crt_t certificate, const char *name)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, name, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address, 4, GNUTLS_FSAN_APPEND);
    if (inet_pton(AF_INET6, name, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address, 16, GNUTLS_FSAN_APPEND);
    return gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

/* "localhost", the loopback addresses, the machine's name, and the host that it listens on. */
static int add_names(gnutls_x509_crt_t certificate, const char *address)
{
    char host[256] = "", machine[256] = "";
    const char *colon = strrchr(address, ':'), *begin = address[0] == '[' ? address + 1 : address;
    size_t bytes = colon ? (size_t)(colon - begin) - (begin != address) : 0;
    if (bytes < sizeof host)
        memcpy(host, begin, bytes);
    gethostname(machine, sizeof machine - 1);
    const char *const names[] = { "localhost", "127.0.0.1", "::1", machine, host };
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        bool is_new = *names[i] && strcmp(names[i], "0.0.0.0") && strcmp(names[i], "::");
        for (size_t j = 0; j < i; j++)
            is_new = is_new && strcmp(names[i], names[j]);
        int problem = is_new ? add_name(certificate, names[i]) : 0;
        if (problem < 0)
            return problem;
    }
    return 0;
}

static int fill_in(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *address)
{
    unsigned char serial[16];
    randombytes_buf(serial, sizeof serial);
    serial[0] = (serial[0] & 0x7F) | 0x40; /* positive, and of this length */
    time_t now = (time_t)(mu_clock_utc_us() / 1000000);
    static const char name[] = "Muster coordinator";
    int problem;
    if ((problem = gnutls_x509_crt_set_version(certificate, 3)) < 0 || (problem = gnutls_x509_crt_set_serial(certificate, serial, sizeof serial)) < 0 ||
        (problem = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, sizeof name - 1)) < 0 ||
        (problem = gnutls_x509_crt_set_activation_time(certificate, now - 86400)) < 0 || /* a device's clock may be behind */
        (problem = gnutls_x509_crt_set_expiration_time(certificate, now + VALID_S)) < 0 || (problem = add_names(certificate, address)) < 0 ||
        (problem = gnutls_x509_crt_set_basic_constraints(certificate, 0, -1)) < 0 ||
        (problem = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
        (problem = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (problem = gnutls_x509_crt_set_key(certificate, key)) < 0)
        return problem;
    return gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
}

/* The key first: a certificate that is there has its key. */
static mu_status save(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *certificate_path, const char *key_path, mu_error *err)
{
    gnutls_datum_t key_pem = { 0 }, certificate_pem = { 0 };
    mu_status status = MU_OK;
    int problem = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
    if (problem >= 0)
        problem = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &certificate_pem);
    if (problem < 0)
        status = tls_error(err, problem, "the certificate cannot be written as text");
    if (!status)
        status = write_key(key_path, &key_pem, err);
    if (!status)
        status = mu_file_write(certificate_path, certificate_pem.data, certificate_pem.size, err);
    if (key_pem.data)
        gnutls_memset(key_pem.data, 0, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(certificate_pem.data);
    return status;
}

static mu_status make(const char *address, const char *certificate_path, const char *key_path, mu_error *err)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    int problem = gnutls_x509_privkey_init(&key);
    if (problem < 0)
        return tls_error(err, problem, "no key can be made");
    problem = gnutls_x509_crt_init(&certificate);
    if (problem < 0) {
        gnutls_x509_privkey_deinit(key);
        return tls_error(err, problem, "no certificate can be made");
    }
    problem = gnutls_x509_privkey_generate2(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0, NULL, 0);
    if (problem >= 0)
        problem = fill_in(certificate, key, address);
    mu_status status = problem < 0 ? tls_error(err, problem, "no certificate can be made") : save(certificate, key, certificate_path, key_path, err);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return status;
}

/* ---- loading ---- */

/* SHA-256 of the first certificate in the text, as it crosses the network. */
static mu_status find_fingerprint(const char *path, const char *pem, char fingerprint[65], mu_error *err)
{
    gnutls_x509_crt_t *certificates;
    unsigned count = 0;
    gnutls_datum_t text = { .data = (unsigned char *)(uintptr_t)pem, .size = (unsigned)strlen(pem) }, der = { 0 };
    int problem = gnutls_x509_crt_list_import2(&certificates, &count, &text, GNUTLS_X509_FMT_PEM, 0);
    if (problem < 0 || count == 0)
        return mu_error_set(err, MU_E_PARSE, "%s: no certificate in it: %s", path, gnutls_strerror(problem));
    problem = gnutls_x509_crt_export2(certificates[0], GNUTLS_X509_FMT_DER, &der);
    if (problem >= 0)
        mu_sha256_hex(der.data, der.size, fingerprint);
    gnutls_free(der.data);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(certificates[i]);
    gnutls_free(certificates);
    return problem < 0 ? tls_error(err, problem, path) : MU_OK;
}

/* Said here, in a sentence with names: libmicrohttpd would only not start. */
static mu_status check_pair(const char *certificate_path, const char *certificate, const char *key_path, const char *key, mu_error *err)
{
    gnutls_certificate_credentials_t credentials;
    int problem = gnutls_certificate_allocate_credentials(&credentials);
    if (problem < 0)
        return tls_error(err, problem, "no memory for a certificate");
    gnutls_datum_t certificate_text = { .data = (unsigned char *)(uintptr_t)certificate, .size = (unsigned)strlen(certificate) };
    gnutls_datum_t key_text = { .data = (unsigned char *)(uintptr_t)key, .size = (unsigned)strlen(key) };
    problem = gnutls_certificate_set_x509_key_mem(credentials, &certificate_text, &key_text, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return problem < 0 ? mu_error_set(err, MU_E_CONFIG, "the certificate %s and the key %s cannot be used together: %s", certificate_path, key_path,
                                      gnutls_strerror(problem)) : MU_OK;
}

static mu_status load(const char *certificate_path, const char *key_path, char **certificate, char **key, char fingerprint[65], mu_error *err)
{
    mu_status status = read_text(certificate_path, certificate, err);
    if (!status)
        status = read_text(key_path, key, err);
    if (!status)
        status = find_fingerprint(certificate_path, *certificate, fingerprint, err);
    if (!status)
        status = check_pair(certificate_path, *certificate, key_path, *key, err);
    return status;
}

/* Files of the user's own, named beside the experiment's. */
static mu_status load_named(const mu_http_config *config, char **certificate, char **key, char fingerprint[65], mu_error *err)
{
    const char *beside = config->beside ? config->beside : "";
    char *certificate_path = mu_path_beside(beside, config->serve->certificate), *key_path = mu_path_beside(beside, config->serve->key);
    mu_status status = certificate_path && key_path ? load(certificate_path, key_path, certificate, key, fingerprint, err)
                                                    : mu_error_set(err, MU_E_MEMORY, "no memory for the certificate's path");
    free(certificate_path);
    free(key_path);
    return status;
}

mu_status mu_http_tls_load(const mu_http_config *config, char **certificate, char **key, char fingerprint[65], mu_error *err)
{
    const mu_serve_config *serve = config->serve;
    *certificate = *key = NULL;
    bool has_certificate = serve->certificate && *serve->certificate, has_key = serve->key && *serve->key;
    if (has_certificate != has_key)
        return mu_error_set(err, MU_E_CONFIG, "serve.certificate and serve.key belong together: give both, or none and one is made");
    if (has_certificate)
        return load_named(config, certificate, key, fingerprint, err);
    char *tls = mu_path_join(config->folder, "tls");
    char *certificate_path = tls ? mu_path_join(tls, "certificate.pem") : NULL, *key_path = tls ? mu_path_join(tls, "key.pem") : NULL;
    mu_status status = certificate_path && key_path ? mu_folder_make(tls, err) : mu_error_set(err, MU_E_MEMORY, "no memory for the certificate's path");
    if (!status && !mu_file_exists(certificate_path))
        status = make(serve->address, certificate_path, key_path, err);
    if (!status)
        status = load(certificate_path, key_path, certificate, key, fingerprint, err);
    free(tls);
    free(certificate_path);
    free(key_path);
    return status;
}
