/* How the floats of one chunk become bytes and floats again: a row for each encoding. */
#ifndef MUSTER_NET_BLOB_ENCODING_H
#define MUSTER_NET_BLOB_ENCODING_H

#include "net/blob.h"

typedef struct mu_blob_codec {
    const char *name;
    bool        in_planes; /* works on the chunk's byte planes, and needs memory for them */
    /* At most so many bytes do `raw_bytes` become. */
    size_t (*bound)(size_t raw_bytes);
    /* `out` has room for bound(raw_bytes). */
    mu_status (*pack)(const unsigned char *raw, size_t raw_bytes, unsigned char *out, size_t *out_bytes, mu_error *err);
    /* Exactly raw_bytes must come out of exactly these bytes: MU_E_PARSE otherwise. */
    mu_status (*unpack)(const unsigned char *bytes, size_t size_bytes, unsigned char *raw, size_t raw_bytes, mu_error *err);
} mu_blob_codec;

extern const mu_blob_codec mu_blob_codecs[MU_BLOB_ENCODING_COUNT];

/* The most that a chunk of so many floats may take in any encoding, its eight bytes in front not counted. */
size_t mu_blob_stored_max(size_t floats);

/* `planes` [4 * count], not looked at where the encoding works without. */
mu_status mu_blob_chunk_pack(const mu_blob_codec *codec, const float *floats, size_t count, unsigned char *planes, unsigned char *out,
                             size_t *out_bytes, mu_error *err);
mu_status mu_blob_chunk_unpack(const mu_blob_codec *codec, const unsigned char *bytes, size_t size_bytes, unsigned char *planes, float *floats,
                               size_t count, mu_error *err);

#endif
