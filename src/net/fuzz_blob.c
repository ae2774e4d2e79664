/* Any bytes as a blob, pushed in pieces whose sizes they give themselves. It must end as it does in one piece; what is sound is encoded again, and read
 * again it has the same digest. Checksums would keep a fuzzer out, so a second reading puts right ones in. */
#include "net/blob.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLOATS_MAX = 4096 };

typedef struct taken {
    float    floats[FLOATS_MAX];
    uint64_t count;
} taken;

static mu_status keep(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    (void)err;
    taken *t = self;
    MU_ASSERT(first == t->count && count <= FLOATS_MAX - first);
    memcpy(t->floats + first, floats, count * sizeof *floats);
    t->count += count;
    return MU_OK;
}

typedef struct bytes {
    unsigned char *data;
    size_t         size_bytes;
} bytes;

static mu_status grow(void *self, const void *data, size_t size_bytes, mu_error *err)
{
    (void)err;
    bytes *b = self;
    b->data = realloc(b->data, b->size_bytes + size_bytes);
    MU_ASSERT(b->data);
    memcpy(b->data + b->size_bytes, data, size_bytes);
    b->size_bytes += size_bytes;
    return MU_OK;
}

/* Pieces of 1 + (the byte at their place) bytes; `whole`: one piece. */
static mu_status read_blob(const uint8_t *data, size_t size, uint64_t floats, bool whole, taken *t, mu_blob_digest *digest, uint64_t *sound_bytes)
{
    mu_blob_reader *reader;
    mu_status status = MU_OK;
    t->count = 0;
    MU_ASSERT(mu_blob_reader_create(floats, keep, t, &reader, NULL) == MU_OK);
    for (size_t at = 0, piece; at < size && !status; at += piece) {
        piece = whole ? size : 1u + data[at];
        piece = piece < size - at ? piece : size - at;
        status = mu_blob_reader_push(reader, data + at, piece, NULL);
    }
    if (!status)
        status = mu_blob_reader_finish(reader, NULL, digest, NULL);
    *sound_bytes = mu_blob_reader_sound_bytes(reader);
    MU_ASSERT(*sound_bytes <= size && (status || *sound_bytes == size));
    mu_blob_reader_destroy(reader);
    return status;
}

static void encode_again(const taken *t, const mu_blob_digest *digest)
{
    static taken back;
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        bytes out = { 0 };
        mu_blob_writer *writer;
        mu_blob_digest made, found;
        uint64_t size_bytes, sound_bytes;
        MU_ASSERT(mu_blob_writer_create(t->count, (mu_blob_encoding)e, grow, &out, &writer, NULL) == MU_OK);
        MU_ASSERT(mu_blob_writer_put(writer, t->floats, (size_t)t->count, NULL) == MU_OK);
        MU_ASSERT(mu_blob_writer_finish(writer, &made, &size_bytes, NULL) == MU_OK);
        MU_ASSERT(size_bytes == out.size_bytes && size_bytes <= mu_blob_bytes_max(t->count));
        MU_ASSERT(read_blob(out.data, out.size_bytes, t->count, false, &back, &found, &sound_bytes) == MU_OK);
        MU_ASSERT(memcmp(&made, digest, sizeof made) == 0 && memcmp(&found, digest, sizeof found) == 0);
        mu_blob_writer_destroy(writer);
        free(out.data);
    }
}

/* The chunks' checksums as they would have to be. */
static void put_checksums_right(uint8_t *data, size_t size)
{
    for (size_t at = MU_BLOB_HEAD_BYTES; size >= 8 && at <= size - 8; ) {
        uint32_t stored_bytes;
        memcpy(&stored_bytes, data + at, 4);
        if (stored_bytes > size - at - 8)
            return;
        uint32_t sum = (uint32_t)crc32(0, data + at + 8, stored_bytes);
        memcpy(data + at + 4, &sum, 4);
        at += 8 + stored_bytes;
    }
}

static void read_both_ways(const uint8_t *data, size_t size)
{
    static taken pieces, whole;
    mu_blob_digest digest, digest_whole;
    uint64_t floats = 0, sound_bytes, sound_bytes_whole;
    if (size >= 16)
        memcpy(&floats, data + 8, 8);
    if (floats > FLOATS_MAX)
        return;
    mu_status status = read_blob(data, size, floats, false, &pieces, &digest, &sound_bytes);
    MU_ASSERT(read_blob(data, size, floats, true, &whole, &digest_whole, &sound_bytes_whole) == status && sound_bytes == sound_bytes_whole);
    MU_ASSERT(pieces.count == whole.count && memcmp(pieces.floats, whole.floats, (size_t)whole.count * sizeof *whole.floats) == 0);
    if (!status)
        encode_again(&pieces, &digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_both_ways(data, size);
    uint8_t *right = malloc(size + 1);
    MU_ASSERT(right);
    if (size)
        memcpy(right, data, size);
    put_checksums_right(right, size);
    read_both_ways(right, size);
    free(right);
    return 0;
}
