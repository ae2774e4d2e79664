/* A .zip as an .npz is one: members stored or deflated, found through the central directory. No encryption, no ZIP64, no pieces. */
#ifndef MUSTER_DATA_ZIP_H
#define MUSTER_DATA_ZIP_H

#include "muster/status.h"

typedef struct mu_zip {
    const char          *name; /* of the file; borrowed */
    const unsigned char *data; /* borrowed */
    size_t               size_bytes, directory, directory_end;
    uint32_t             count;
} mu_zip;

/* A member's content: in the archive itself when it was stored, else in `owned`, which the caller frees. */
typedef struct mu_zip_content {
    const unsigned char *data;
    size_t               size_bytes;
    unsigned char       *owned;
} mu_zip_content;

/* Find the central directory, and check that every member of it lies within the file. */
mu_status mu_zip_open(const char *name, const unsigned char *data, size_t size_bytes, mu_zip *out, mu_error *err);
bool      mu_zip_has(const mu_zip *zip, const char *member);
/* Take out one member of at most `limit_bytes`; its CRC-32 is checked. */
mu_status mu_zip_read(const mu_zip *zip, const char *member, size_t limit_bytes, mu_zip_content *out, mu_error *err);

#endif
