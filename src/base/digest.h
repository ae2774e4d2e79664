/* SHA-256, by libsodium: what a file is, in 64 characters. */
#ifndef MUSTER_BASE_DIGEST_H
#define MUSTER_BASE_DIGEST_H

#include "muster/status.h"

#define MU_SHA256_HEX_BYTES 65 /* with the zero at the end */

void      mu_sha256_hex(const void *data, size_t size_bytes, char hex[MU_SHA256_HEX_BYTES]);
mu_status mu_sha256_file_hex(const char *path, char hex[MU_SHA256_HEX_BYTES], mu_error *err);

#endif
