/* The container of a safetensors file: 8 bytes with the size of a JSON header, the header, the tensors' bytes one behind the other.
 * This reads the header and checks that it describes the bytes behind it without overlap, hole or rest; what the tensors mean is
 * for the caller. */
#ifndef MUSTER_NN_SAFETENSORS_H
#define MUSTER_NN_SAFETENSORS_H

#include "muster/status.h"

#include "base/limits.h"

typedef struct mu_safetensor {
    const char *name, *dtype; /* "F32", "I64", ... */
    uint32_t    rank;
    uint64_t    shape[MU_LIMIT_SAFETENSORS_RANK];
    const unsigned char *data; /* into the bytes that were opened */
    size_t      size_bytes;
} mu_safetensor;

typedef struct mu_safetensors {
    mu_safetensor *tensors; /* sorted by name; no name twice */
    size_t         count;
    struct cJSON  *header;  /* owns the names */
} mu_safetensors;

/* `name` is what messages call the file. `data` is borrowed until the release. */
mu_status mu_safetensors_open(const char *name, const unsigned char *data, size_t size_bytes, mu_safetensors *out, mu_error *err);
void      mu_safetensors_release(mu_safetensors *file);

const mu_safetensor *mu_safetensors_find(const mu_safetensors *file, const char *name); /* or NULL */
/* The text under `key` of the file's metadata, or NULL. Metadata can be walked with index 0, 1, ... until NULL. */
const char *mu_safetensors_metadata(const mu_safetensors *file, const char *key);
const char *mu_safetensors_metadata_key(const mu_safetensors *file, size_t index);

#endif
