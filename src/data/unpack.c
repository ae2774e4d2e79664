/* Unpacking with zlib, liblzma and libzstd: bounded, and strict about the end. */
#include "data/unpack.h"

#include <limits.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* What the liblzma decoder may use: enough for `xz -9`, little enough that a hostile header cannot ask for more. */
#define XZ_MEMORY_BYTES ((uint64_t)256 << 20)

/* One packed stream on its way to one growing block. */
typedef struct unpacking {
    const char          *name, *format;
    const unsigned char *data;
    size_t               size_bytes, limit_bytes;
    unsigned char       *out;
    size_t               used_bytes, capacity_bytes;
    mu_error            *err;
} unpacking;

/* Make sure that there is room for at least one byte more. The limit itself may be filled: one byte beyond it tells that there is more. */
static mu_status make_room(unpacking *u)
{
    if (u->used_bytes < u->capacity_bytes)
        return MU_OK;
    if (u->used_bytes > u->limit_bytes)
        return mu_error_set(u->err, MU_E_LIMIT, "%s: unpacks to more than %zu bytes", u->name, u->limit_bytes);
    size_t capacity = u->capacity_bytes ? 2 * u->capacity_bytes : 65536;
    if (capacity > u->limit_bytes + 1)
        capacity = u->limit_bytes + 1;
    unsigned char *larger = realloc(u->out, capacity);
    if (!larger)
        return mu_error_set(u->err, MU_E_MEMORY, "%s: no memory to unpack it (%zu bytes so far)", u->name, u->used_bytes);
    u->out = larger;
    u->capacity_bytes = capacity;
    return MU_OK;
}

static mu_status bad_stream(unpacking *u, size_t offset, const char *why)
{
    return mu_error_set(u->err, MU_E_PARSE, "%s: not a sound %s stream: %s at byte %zu of %zu", u->name, u->format, why, offset,
                        u->size_bytes);
}

/* zlib counts in unsigned int; feed it pieces. */
static mu_status unpack_gz(unpacking *u)
{
    z_stream z = { 0 };
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return mu_error_set(u->err, MU_E_MEMORY, "%s: no memory to unpack it", u->name);
    size_t at = 0;
    bool member_done = false;
    mu_status status = MU_OK;
    while (!status && !(member_done && at == u->size_bytes)) {
        if (member_done && inflateReset(&z) != Z_OK)
            status = bad_stream(u, at, "another member cannot be begun");
        member_done = false;
        if (!status)
            status = make_room(u);
        if (status)
            break;
        size_t in = u->size_bytes - at, room = u->capacity_bytes - u->used_bytes;
        uInt give = in > UINT_MAX ? UINT_MAX : (uInt)in, take = room > UINT_MAX ? UINT_MAX : (uInt)room;
        z.next_in = (Bytef *)(uintptr_t)(u->data + at);
        z.avail_in = give;
        z.next_out = u->out + u->used_bytes;
        z.avail_out = take;
        int code = inflate(&z, Z_NO_FLUSH);
        at += give - z.avail_in;
        u->used_bytes += take - z.avail_out;
        if (code == Z_STREAM_END)
            member_done = true;
        else if (code == Z_MEM_ERROR)
            status = mu_error_set(u->err, MU_E_MEMORY, "%s: no memory to unpack it", u->name);
        else if (code == Z_BUF_ERROR || (code == Z_OK && at == u->size_bytes && z.avail_out > 0))
            status = bad_stream(u, at, "it ends too early");
        else if (code != Z_OK)
            status = bad_stream(u, at, z.msg ? z.msg : "damaged data");
    }
    inflateEnd(&z);
    return status;
}

static mu_status unpack_xz(unpacking *u)
{
    lzma_stream x = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&x, XZ_MEMORY_BYTES, LZMA_CONCATENATED) != LZMA_OK)
        return mu_error_set(u->err, MU_E_MEMORY, "%s: no memory to unpack it", u->name);
    x.next_in = u->data;
    x.avail_in = u->size_bytes;
    lzma_ret code = LZMA_OK;
    mu_status status = MU_OK;
    while (!status && code == LZMA_OK) {
        status = make_room(u);
        if (status)
            break;
        x.next_out = u->out + u->used_bytes;
        x.avail_out = u->capacity_bytes - u->used_bytes;
        code = lzma_code(&x, LZMA_FINISH);
        u->used_bytes = u->capacity_bytes - x.avail_out;
        size_t at = u->size_bytes - x.avail_in;
        if (code == LZMA_BUF_ERROR)
            status = bad_stream(u, at, "it ends too early");
        else if (code == LZMA_MEM_ERROR)
            status = mu_error_set(u->err, MU_E_MEMORY, "%s: no memory to unpack it", u->name);
        else if (code == LZMA_MEMLIMIT_ERROR)
            status = mu_error_set(u->err, MU_E_LIMIT, "%s: unpacking it takes more than %llu MiB of memory", u->name,
                                  (unsigned long long)(XZ_MEMORY_BYTES >> 20));
        else if (code != LZMA_OK && code != LZMA_STREAM_END)
            status = bad_stream(u, at, "damaged data");
    }
    lzma_end(&x);
    return status;
}

static mu_status unpack_zst(unpacking *u)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    if (!z)
        return mu_error_set(u->err, MU_E_MEMORY, "%s: no memory to unpack it", u->name);
    ZSTD_inBuffer in = { .src = u->data, .size = u->size_bytes };
    size_t expected = 1; /* 0 between two frames */
    mu_status status = MU_OK;
    while (!status && !(expected == 0 && in.pos == in.size)) {
        status = make_room(u);
        if (status)
            break;
        ZSTD_outBuffer out = { .dst = u->out, .size = u->capacity_bytes, .pos = u->used_bytes };
        expected = ZSTD_decompressStream(z, &out, &in);
        u->used_bytes = out.pos;
        if (ZSTD_isError(expected))
            status = bad_stream(u, in.pos, ZSTD_getErrorName(expected));
        else if (expected != 0 && in.pos == in.size && out.pos < out.size)
            status = bad_stream(u, in.pos, "it ends too early");
    }
    ZSTD_freeDStream(z);
    return status;
}

static const struct packing {
    const char   *format;
    size_t        magic_bytes;
    unsigned char magic[6];
    mu_status (*unpack)(unpacking *u);
} packings[] = {
    { "gzip", 2, { 0x1f, 0x8b }, unpack_gz },
    { "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, unpack_xz },
    { "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd }, unpack_zst },
};

static const struct packing *packing_of(const unsigned char *data, size_t size_bytes)
{
    for (size_t i = 0; i < MU_COUNT(packings); i++)
        if (size_bytes >= packings[i].magic_bytes && memcmp(data, packings[i].magic, packings[i].magic_bytes) == 0)
            return &packings[i];
    return NULL;
}

bool mu_is_packed(const unsigned char *data, size_t size_bytes)
{
    return packing_of(data, size_bytes) != NULL;
}

mu_status mu_unpack(const char *name, const unsigned char *data, size_t size_bytes, size_t limit_bytes, unsigned char **out,
                    size_t *out_size_bytes, mu_error *err)
{
    const struct packing *packing = packing_of(data, size_bytes);
    if (!packing)
        return mu_error_set(err, MU_E_PARSE, "%s: neither gzip nor xz nor zstd", name);
    unpacking u = { .name = name, .format = packing->format, .data = data, .size_bytes = size_bytes, .limit_bytes = limit_bytes,
                    .err = err };
    mu_status status = packing->unpack(&u);
    if (!status && u.used_bytes > limit_bytes)
        status = mu_error_set(err, MU_E_LIMIT, "%s: unpacks to more than %zu bytes", name, limit_bytes);
    if (!status && !u.out)
        status = make_room(&u); /* an empty content is a content too */
    if (status) {
        free(u.out);
        return status;
    }
    *out = u.out;
    *out_size_bytes = u.used_bytes;
    return MU_OK;
}

mu_status mu_inflate_raw(const char *name, const unsigned char *data, size_t size_bytes, unsigned char *out, size_t out_size_bytes,
                         mu_error *err)
{
    if (size_bytes > UINT_MAX || out_size_bytes > UINT_MAX)
        return mu_error_set(err, MU_E_LIMIT, "%s: more than 4 GiB in one member", name);
    z_stream z = { 0 };
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to unpack it", name);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size_bytes;
    z.next_out = out;
    z.avail_out = (uInt)out_size_bytes;
    int code = inflate(&z, Z_FINISH);
    bool whole = code == Z_STREAM_END && z.avail_out == 0;
    size_t made = out_size_bytes - z.avail_out;
    inflateEnd(&z);
    if (whole)
        return MU_OK;
    return mu_error_set(err, MU_E_PARSE, "%s: not a sound deflate stream: %zu of %zu bytes came out of it", name, made, out_size_bytes);
}

mu_status mu_bytes_open(const char *path, size_t limit_bytes, mu_bytes *out, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    *out = (mu_bytes){ 0 };
    if (mu_is_packed(file.data, file.size_bytes)) {
        status = mu_unpack(path, file.data, file.size_bytes, limit_bytes, &out->owned, &out->size_bytes, err);
        out->data = out->owned;
        mu_file_unmap(&file);
        return status;
    }
    if (file.size_bytes > limit_bytes) {
        status = mu_error_set(err, MU_E_LIMIT, "%s: has %zu bytes, more than the %zu allowed", path, file.size_bytes, limit_bytes);
        mu_file_unmap(&file);
        return status;
    }
    out->file = file;
    out->data = file.data;
    out->size_bytes = file.size_bytes;
    return MU_OK;
}

void mu_bytes_close(mu_bytes *bytes)
{
    if (bytes->file.data)
        mu_file_unmap(&bytes->file);
    free(bytes->owned);
    *bytes = (mu_bytes){ 0 };
}
