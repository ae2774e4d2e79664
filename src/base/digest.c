/* SHA-256, by libsodium. */
#include "base/digest.h"

#include "base/file.h"

#include <sodium.h>

void mu_sha256_hex(const void *data, size_t size_bytes, char hex[MU_SHA256_HEX_BYTES])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, data, size_bytes);
    sodium_bin2hex(hex, MU_SHA256_HEX_BYTES, digest, sizeof digest);
}

mu_status mu_sha256_file_hex(const char *path, char hex[MU_SHA256_HEX_BYTES], mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    mu_sha256_hex(file.data, file.size_bytes, hex);
    mu_file_unmap(&file);
    return MU_OK;
}
