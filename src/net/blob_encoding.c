/* The encodings of a chunk: plain, deflate, zstd. */
#include "net/blob_encoding.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are taken from memory as they cross: little endian");
_Static_assert(sizeof(float) == 4, "a float crosses as four bytes");

/* Mantissas of weights are noise that no compressor finds anything in; what there is to be had is in the highest plane, and the fastest levels have it. */
enum { DEFLATE_LEVEL = 1, ZSTD_LEVEL = 1 };

/* ---- plain ---- */

static size_t plain_bound(size_t raw_bytes) { return raw_bytes; }

static mu_status plain_pack(const unsigned char *raw, size_t raw_bytes, unsigned char *out, size_t *out_bytes, mu_error *err)
{
    (void)err;
    memcpy(out, raw, raw_bytes);
    *out_bytes = raw_bytes;
    return MU_OK;
}

static mu_status plain_unpack(const unsigned char *bytes, size_t size_bytes, unsigned char *raw, size_t raw_bytes, mu_error *err)
{
    if (size_bytes != raw_bytes)
        return mu_error_set(err, MU_E_PARSE, "it has %zu bytes, expected %zu", size_bytes, raw_bytes);
    memcpy(raw, bytes, raw_bytes);
    return MU_OK;
}

/* ---- deflate ---- */

static size_t deflate_bound(size_t raw_bytes) { return compressBound((uLong)raw_bytes); }

static mu_status deflate_pack(const unsigned char *raw, size_t raw_bytes, unsigned char *out, size_t *out_bytes, mu_error *err)
{
    uLongf made = (uLongf)deflate_bound(raw_bytes);
    if (compress2(out, &made, raw, (uLong)raw_bytes, DEFLATE_LEVEL) != Z_OK)
        return mu_error_set(err, MU_E_MEMORY, "no memory to deflate it");
    *out_bytes = made;
    return MU_OK;
}

static mu_status deflate_unpack(const unsigned char *bytes, size_t size_bytes, unsigned char *raw, size_t raw_bytes, mu_error *err)
{
    uLongf made = (uLongf)raw_bytes;
    uLong read = (uLong)size_bytes;
    int code = uncompress2(raw, &made, bytes, &read);
    if (code == Z_MEM_ERROR)
        return mu_error_set(err, MU_E_MEMORY, "no memory to inflate it");
    if (code != Z_OK || made != raw_bytes || read != size_bytes)
        return mu_error_set(err, MU_E_PARSE, "not a sound zlib stream of %zu bytes", raw_bytes);
    return MU_OK;
}

/* ---- zstd ---- */

static size_t zstd_bound(size_t raw_bytes) { return ZSTD_compressBound(raw_bytes); }

static mu_status zstd_pack(const unsigned char *raw, size_t raw_bytes, unsigned char *out, size_t *out_bytes, mu_error *err)
{
    *out_bytes = ZSTD_compress(out, zstd_bound(raw_bytes), raw, raw_bytes, ZSTD_LEVEL);
    if (ZSTD_isError(*out_bytes))
        return mu_error_set(err, MU_E_MEMORY, "zstd cannot compress it: %s", ZSTD_getErrorName(*out_bytes));
    return MU_OK;
}

static mu_status zstd_unpack(const unsigned char *bytes, size_t size_bytes, unsigned char *raw, size_t raw_bytes, mu_error *err)
{
    /* ZSTD_decompress takes several frames, and passes over skippable ones: bytes that mean nothing. */
    if (ZSTD_findFrameCompressedSize(bytes, size_bytes) != size_bytes)
        return mu_error_set(err, MU_E_PARSE, "not one whole zstd frame");
    size_t made = ZSTD_decompress(raw, raw_bytes, bytes, size_bytes);
    if (ZSTD_isError(made) && ZSTD_getErrorCode(made) == ZSTD_error_memory_allocation)
        return mu_error_set(err, MU_E_MEMORY, "no memory to unpack its zstd frame");
    if (made != raw_bytes)
        return mu_error_set(err, MU_E_PARSE, "not a sound zstd frame of %zu bytes", raw_bytes);
    return MU_OK;
}

const mu_blob_codec mu_blob_codecs[] = {
    [MU_BLOB_PLAIN] = { "plain", false, plain_bound, plain_pack, plain_unpack },
    [MU_BLOB_DEFLATE] = { "deflate", true, deflate_bound, deflate_pack, deflate_unpack },
    [MU_BLOB_ZSTD] = { "zstd", true, zstd_bound, zstd_pack, zstd_unpack },
};

const char *mu_blob_encoding_name(mu_blob_encoding encoding) { return mu_blob_codecs[encoding].name; }

bool mu_blob_encoding_named(const char *name, mu_blob_encoding *out)
{
    for (size_t i = 0; i < MU_BLOB_ENCODING_COUNT; i++)
        if (strcmp(mu_blob_codecs[i].name, name) == 0) {
            *out = (mu_blob_encoding)i;
            return true;
        }
    return false;
}

/* What zlib and zstd say of data that they cannot compress is below this: stored as it is, and a few bytes for every block. */
size_t mu_blob_stored_max(size_t floats)
{
    size_t raw_bytes = 4 * floats;
    return raw_bytes + raw_bytes / 256 + 64;
}

/* ---- byte planes ---- */

static void split(const float *floats, size_t count, unsigned char *planes)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[4];
        memcpy(bytes, &floats[i], sizeof bytes);
        for (size_t plane = 0; plane < 4; plane++)
            planes[plane * count + i] = bytes[plane];
    }
}

static void join(const unsigned char *planes, size_t count, float *floats)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[4];
        for (size_t plane = 0; plane < 4; plane++)
            bytes[plane] = planes[plane * count + i];
        memcpy(&floats[i], bytes, sizeof bytes);
    }
}

mu_status mu_blob_chunk_pack(const mu_blob_codec *codec, const float *floats, size_t count, unsigned char *planes, unsigned char *out,
                             size_t *out_bytes, mu_error *err)
{
    if (!codec->in_planes)
        return codec->pack((const unsigned char *)floats, 4 * count, out, out_bytes, err);
    split(floats, count, planes);
    return codec->pack(planes, 4 * count, out, out_bytes, err);
}

mu_status mu_blob_chunk_unpack(const mu_blob_codec *codec, const unsigned char *bytes, size_t size_bytes, unsigned char *planes, float *floats,
                               size_t count, mu_error *err)
{
    if (!codec->in_planes)
        return codec->unpack(bytes, size_bytes, (unsigned char *)floats, 4 * count, err);
    mu_status status = codec->unpack(bytes, size_bytes, planes, 4 * count, err);
    if (!status)
        join(planes, count, floats);
    return status;
}
