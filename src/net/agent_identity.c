/* Who a device is: its key, and what the coordinator has called it. */
#include "net/agent_folder.h"

#include "muster/option.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICE_FILE_BYTES = 8192 };

typedef struct device_file {
    uint32_t    device;
    const char *url, *fingerprint, *federation;
} device_file;

static const mu_option device_rows[] = {
    { "device", MU_OPTION_COUNT, offsetof(device_file, device), 0, UINT32_MAX - 1.0, NULL, NULL, NULL, "its number in the federation" },
    { "url", MU_OPTION_TEXT, offsetof(device_file, url), 0, 0, NULL, NULL, NULL, "of the coordinator" },
    { "fingerprint", MU_OPTION_TEXT, offsetof(device_file, fingerprint), 0, 0, "", NULL, NULL, "of its certificate; empty: authorities vouch for it" },
    { "federation", MU_OPTION_TEXT, offsetof(device_file, federation), 0, 0, "", NULL, NULL, "what it is called" },
};

static mu_status make_key(const mu_agent_folder *folder, mu_agent_identity *identity, mu_error *err)
{
    crypto_sign_keypair(identity->public_key, identity->secret_key);
    return mu_agent_folder_put(folder, "key", &(mu_agent_piece){ identity->secret_key, sizeof identity->secret_key }, 1, err);
}

static mu_status load_key(const mu_agent_folder *folder, mu_agent_identity *identity, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    mu_status status = mu_agent_folder_get(folder, "key", sizeof identity->secret_key, &bytes, &size_bytes, err);
    if (!status && !bytes)
        return make_key(folder, identity, err);
    if (!status && size_bytes == sizeof identity->secret_key) {
        memcpy(identity->secret_key, bytes, size_bytes);
        crypto_sign_ed25519_sk_to_pk(identity->public_key, identity->secret_key);
    } else if (!status) {
        status = mu_error_set(err, MU_E_CHECKSUM, "%s/key: has %zu bytes", mu_agent_folder_path(folder), size_bytes);
    }
    if (bytes)
        sodium_memzero(bytes, size_bytes);
    free(bytes);
    return status == MU_E_CHECKSUM ? mu_error_prefix(err, status, "the device's key is lost, so it must come in anew, by a new token and with another folder: ")
                                   : status;
}

static bool copy_text(char *into, size_t capacity_bytes, const char *text)
{
    int length = snprintf(into, capacity_bytes, "%s", text);
    return length >= 0 && (size_t)length < capacity_bytes;
}

static mu_status read_device(const char *name, const unsigned char *text, size_t size_bytes, mu_agent_identity *identity, mu_error *err)
{
    mu_conf *conf;
    device_file file;
    mu_status status = mu_conf_parse(name, (const char *)text, size_bytes, &conf, err);
    if (status)
        return status;
    status = mu_options_read(device_rows, MU_COUNT(device_rows), mu_conf_root(conf), NULL, "a device", &file, err);
    if (!status && !(copy_text(identity->url, sizeof identity->url, file.url) &&
                     copy_text(identity->fingerprint, sizeof identity->fingerprint, file.fingerprint) &&
                     copy_text(identity->federation, sizeof identity->federation, file.federation)))
        status = mu_error_set(err, MU_E_LIMIT, "%s: a text in it is too long", name);
    if (!status) {
        identity->device = file.device;
        identity->is_enrolled = true;
    }
    mu_conf_destroy(conf);
    return status;
}

mu_status mu_agent_identity_load(const mu_agent_folder *folder, mu_agent_identity *out, mu_error *err)
{
    unsigned char *text = NULL;
    size_t size_bytes;
    char path[MU_AGENT_PATH_BYTES];
    *out = (mu_agent_identity){ 0 };
    mu_status status = load_key(folder, out, err);
    if (!status)
        status = mu_agent_folder_get(folder, "device", DEVICE_FILE_BYTES, &text, &size_bytes, err);
    if (!status && text) {
        mu_agent_folder_name(folder, "device", path);
        status = read_device(path, text, size_bytes, out, err);
    }
    free(text);
    return status;
}

mu_status mu_agent_identity_enrolled(const mu_agent_folder *folder, mu_agent_identity *identity, mu_error *err)
{
    device_file file = { .device = identity->device, .url = identity->url, .fingerprint = identity->fingerprint, .federation = identity->federation };
    mu_conf *conf;
    mu_status status = mu_conf_parse("device", "", 0, &conf, err);
    if (status)
        return status;
    status = mu_options_write(device_rows, MU_COUNT(device_rows), &file, conf, mu_conf_root(conf), err);
    char *text = status ? NULL : mu_conf_write(mu_conf_root(conf));
    mu_conf_destroy(conf);
    if (!status && !text)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the device's file");
    if (!status)
        status = mu_agent_folder_put(folder, "device", &(mu_agent_piece){ text, strlen(text) }, 1, err);
    free(text);
    identity->is_enrolled = !status;
    return status;
}
