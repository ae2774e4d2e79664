/* Who may come in: tokens for further devices, and devices that are shut out. Done to a federation's folder, whether or not its coordinator is running. */
#include "muster/serve.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/served_folder.h"
#include "net/store.h"
#include "net/wire.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static mu_status open_store(const char *folder, mu_store **out, mu_error *err)
{
    char *path = mu_path_join(folder, MU_SERVE_STORE);
    if (!path)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a path");
    mu_status status = MU_OK;
    if (!mu_file_exists(path))
        status = mu_error_set(err, MU_E_CONFIG, "%s: no federation was ever served from this folder (it would hold a %s)", folder, MU_SERVE_STORE);
    if (!status)
        status = mu_store_open(path, MU_STORE_GUEST, out, err);
    free(path);
    return status;
}

/* How many devices the federation can have: the coordinator has put it there. */
static mu_status device_count(mu_store *store, uint32_t *out, mu_error *err)
{
    void *value;
    size_t size_bytes;
    mu_status status = mu_store_get(store, MU_SERVE_DEVICES, &value, &size_bytes, err);
    if (status)
        return status;
    if (!value || size_bytes != sizeof *out)
        status = mu_error_set(err, MU_E_STATE, "the federation was not yet set up; start muster serve first");
    else
        memcpy(out, value, sizeof *out);
    free(value);
    return status;
}

static mu_status make_token(mu_store *store, uint32_t devices, int64_t now_s, int64_t expires_at_s,
                            mu_status (*take)(void *self, uint32_t device, const char *token_hex, mu_error *err), void *self, mu_error *err)
{
    unsigned char token[MU_WIRE_TOKEN_BYTES], digest[MU_STORE_KEY_BYTES];
    char hex[2 * MU_WIRE_TOKEN_BYTES + 1];
    randombytes_buf(token, sizeof token);
    crypto_generichash(digest, sizeof digest, token, sizeof token, NULL, 0);
    uint32_t device;
    mu_status status = mu_store_add_token(store, digest, MU_STORE_ANY_DEVICE, devices, now_s, expires_at_s, &device, err);
    if (!status) {
        sodium_bin2hex(hex, sizeof hex, token, sizeof token);
        status = take(self, device, hex, err);
    }
    sodium_memzero(token, sizeof token);
    sodium_memzero(hex, sizeof hex);
    return status;
}

mu_status mu_serve_make_tokens(const char *folder, uint32_t count, double valid_s,
                               mu_status (*take)(void *self, uint32_t device, const char *token_hex, mu_error *err), void *self, mu_error *err)
{
    if (sodium_init() < 0)
        return mu_error_set(err, MU_E_STATE, "libsodium cannot be used on this machine");
    mu_store *store = NULL;
    uint32_t devices = 0;
    mu_status status = open_store(folder, &store, err);
    if (!status)
        status = device_count(store, &devices, err);
    const int64_t now_s = mu_clock_utc_us() / 1000000, expires_at_s = now_s + (valid_s < 1e10 ? (int64_t)valid_s : (int64_t)1e10);
    for (uint32_t i = 0; i < count && !status; i++)
        status = make_token(store, devices, now_s, expires_at_s, take, self, err);
    mu_store_close(store);
    return status;
}

mu_status mu_serve_revoke(const char *folder, uint32_t device, bool revoked, mu_error *err)
{
    mu_store *store = NULL;
    mu_status status = open_store(folder, &store, err);
    if (!status)
        status = mu_store_revoke(store, device, revoked, err);
    mu_store_close(store);
    return status;
}

typedef struct teller {
    mu_status (*take)(void *self, const mu_served_device *device, mu_error *err);
    void *self;
} teller;

static mu_status tell(void *self, const mu_store_device *device, mu_error *err)
{
    const teller *t = self;
    const mu_served_device served = { .number = device->number, .name = device->name, .revoked = device->revoked,
                                      .enrolled_at_s = device->enrolled_at_s, .seen_at_s = device->seen_at_s };
    return t->take(t->self, &served, err);
}

mu_status mu_serve_each_device(const char *folder, mu_status (*take)(void *self, const mu_served_device *device, mu_error *err), void *self,
                               mu_error *err)
{
    mu_store *store = NULL;
    teller t = { take, self };
    mu_status status = open_store(folder, &store, err);
    if (!status)
        status = mu_store_each_device(store, tell, &t, err);
    mu_store_close(store);
    return status;
}
