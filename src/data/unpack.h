/* Files as they lie on disk, packed or not: .gz, .xz and .zst are undone on the way in, recognised by their first bytes. */
#ifndef MUSTER_DATA_UNPACK_H
#define MUSTER_DATA_UNPACK_H

#include "base/file.h"
#include "muster/status.h"

typedef struct mu_bytes {
    const unsigned char *data; /* never NULL once opened */
    size_t               size_bytes;
    mu_file              file;  /* what it lies in when it was not packed ... */
    unsigned char       *owned; /* ... and when it was */
} mu_bytes;

/* Map the file; if it is packed, unpack it. More than `limit_bytes` of content is MU_E_LIMIT. */
mu_status mu_bytes_open(const char *path, size_t limit_bytes, mu_bytes *out, mu_error *err);
void      mu_bytes_close(mu_bytes *bytes); /* also of a zeroed one */

/* True when the data begins like a .gz, .xz or .zst. */
bool mu_is_packed(const unsigned char *data, size_t size_bytes);

/* Undo it into a malloc'ed block. The whole input must be used: a stream that is cut short, damaged or followed by something else
 * is MU_E_PARSE with the offset; several gzip members, xz streams or zstd frames in a row are one content. */
mu_status mu_unpack(const char *name, const unsigned char *data, size_t size_bytes, size_t limit_bytes, unsigned char **out,
                    size_t *out_size_bytes, mu_error *err);

/* A raw deflate stream whose unpacked size is known, as in a .zip. */
mu_status mu_inflate_raw(const char *name, const unsigned char *data, size_t size_bytes, unsigned char *out, size_t out_size_bytes,
                         mu_error *err);

#endif
