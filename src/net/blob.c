/* Blobs: writing and reading them chunk by chunk, and what they are known by. */
#include "net/blob.h"

#include "base/limits.h"
#include "net/blob_encoding.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CHUNK_HEAD_BYTES = 8 };
static const char magic[8] = { 'M', 'U', 'B', 'L', 'O', 'B', '1', '\n' };

static void put_number(unsigned char *at, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

static uint64_t get_number(const unsigned char *at, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number |= (uint64_t)at[i] << 8 * i;
    return number;
}

static uint32_t checksum(const unsigned char *bytes, size_t size_bytes) { return (uint32_t)crc32(0, bytes, (uInt)size_bytes); }

static size_t chunk_floats_at(uint64_t first, uint64_t floats, uint32_t chunk_floats)
{
    return (size_t)(floats - first < chunk_floats ? floats - first : chunk_floats);
}

static mu_status check_floats(uint64_t floats, mu_error *err)
{
    if (floats <= MU_LIMIT_BLOB_FLOATS)
        return MU_OK;
    return mu_error_set(err, MU_E_LIMIT, "blob: %llu floats are more than the %llu allowed", (unsigned long long)floats,
                        (unsigned long long)MU_LIMIT_BLOB_FLOATS);
}

uint64_t mu_blob_bytes_max(uint64_t floats)
{
    if (floats > MU_LIMIT_BLOB_FLOATS)
        floats = MU_LIMIT_BLOB_FLOATS;
    uint64_t chunks = floats / MU_LIMIT_BLOB_CHUNK_FLOATS_MIN + 1;
    return MU_BLOB_HEAD_BYTES + 4 * floats + 4 * floats / 256 + chunks * (CHUNK_HEAD_BYTES + mu_blob_stored_max(0));
}

/* ---- digests ---- */

static void digest_begin(crypto_generichash_state *state)
{
    crypto_generichash_init(state, NULL, 0, MU_BLOB_DIGEST_BYTES);
}

static void digest_add(crypto_generichash_state *state, const float *floats, size_t count)
{
    crypto_generichash_update(state, (const unsigned char *)floats, sizeof *floats * count);
}

static void digest_end(const crypto_generichash_state *state, mu_blob_digest *digest)
{
    crypto_generichash_state last = *state;
    crypto_generichash_final(&last, digest->bytes, sizeof digest->bytes);
}

void mu_blob_digest_of(const mu_blob_part *parts, size_t part_count, mu_blob_digest *digest)
{
    crypto_generichash_state state;
    digest_begin(&state);
    for (size_t i = 0; i < part_count; i++)
        digest_add(&state, parts[i].floats, parts[i].count);
    digest_end(&state, digest);
}

void mu_blob_digest_hex(const mu_blob_digest *digest, char hex[MU_BLOB_DIGEST_HEX_BYTES])
{
    sodium_bin2hex(hex, MU_BLOB_DIGEST_HEX_BYTES, digest->bytes, sizeof digest->bytes);
}

bool mu_blob_digest_from_hex(const char *hex, mu_blob_digest *out)
{
    mu_blob_digest digest;
    size_t length = strlen(hex), made;
    if (length != MU_BLOB_DIGEST_HEX_BYTES - 1 || sodium_hex2bin(digest.bytes, sizeof digest.bytes, hex, length, NULL, &made, NULL) ||
        made != sizeof digest.bytes)
        return false;
    *out = digest;
    return true;
}

/* ---- writing ---- */

struct mu_blob_writer {
    const mu_blob_codec     *codec;
    mu_blob_sink            *sink;
    void                    *self;
    uint64_t                 floats, put, size_bytes;
    float                   *chunk;   /* [MU_BLOB_CHUNK_FLOATS], or as many as there will be */
    size_t                   held;    /* floats in it */
    unsigned char           *planes;  /* NULL: the encoding needs none */
    unsigned char           *out;     /* a chunk as it crosses */
    crypto_generichash_state digest;
};

static mu_status send(mu_blob_writer *writer, const unsigned char *bytes, size_t size_bytes, mu_error *err)
{
    writer->size_bytes += size_bytes;
    return writer->sink(writer->self, bytes, size_bytes, err);
}

static mu_status send_head(mu_blob_writer *writer, mu_blob_encoding encoding, mu_error *err)
{
    unsigned char head[MU_BLOB_HEAD_BYTES];
    memcpy(head, magic, sizeof magic);
    put_number(head + 8, writer->floats, 8);
    put_number(head + 16, MU_BLOB_CHUNK_FLOATS, 4);
    put_number(head + 20, encoding, 4);
    return send(writer, head, sizeof head, err);
}

mu_status mu_blob_writer_create(uint64_t floats, mu_blob_encoding encoding, mu_blob_sink *sink, void *self, mu_blob_writer **out, mu_error *err)
{
    mu_status status = check_floats(floats, err);
    if (status)
        return status;
    mu_blob_writer *writer = aligned_alloc(_Alignof(mu_blob_writer), sizeof *writer); /* libsodium's state asks for it */
    if (!writer)
        return mu_error_set(err, MU_E_MEMORY, "no memory to write a blob");
    *writer = (mu_blob_writer){ .codec = &mu_blob_codecs[encoding], .sink = sink, .self = self, .floats = floats };
    digest_begin(&writer->digest);
    size_t count = chunk_floats_at(0, floats, MU_BLOB_CHUNK_FLOATS);
    if (count) {
        writer->chunk = malloc(sizeof *writer->chunk * count);
        writer->planes = writer->codec->in_planes ? malloc(4 * count) : NULL;
        writer->out = malloc(CHUNK_HEAD_BYTES + writer->codec->bound(4 * count));
        if (!writer->chunk || !writer->out || (writer->codec->in_planes && !writer->planes))
            status = mu_error_set(err, MU_E_MEMORY, "no memory to write a blob of %llu floats", (unsigned long long)floats);
    }
    if (!status)
        status = send_head(writer, encoding, err);
    if (status) {
        mu_blob_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return MU_OK;
}

static mu_status send_chunk(mu_blob_writer *writer, mu_error *err)
{
    size_t stored_bytes;
    mu_status status = mu_blob_chunk_pack(writer->codec, writer->chunk, writer->held, writer->planes, writer->out + CHUNK_HEAD_BYTES,
                                          &stored_bytes, err);
    if (status)
        return mu_error_prefix(err, status, "blob: a chunk of %zu floats: ", writer->held);
    put_number(writer->out, stored_bytes, 4);
    put_number(writer->out + 4, checksum(writer->out + CHUNK_HEAD_BYTES, stored_bytes), 4);
    digest_add(&writer->digest, writer->chunk, writer->held);
    writer->held = 0;
    return send(writer, writer->out, CHUNK_HEAD_BYTES + stored_bytes, err);
}

mu_status mu_blob_writer_put(mu_blob_writer *writer, const float *floats, size_t count, mu_error *err)
{
    if (count > writer->floats - writer->put)
        return mu_error_set(err, MU_E_SHAPE, "blob: %zu floats after %llu, it was to have %llu", count, (unsigned long long)writer->put,
                            (unsigned long long)writer->floats);
    while (count) {
        size_t room = chunk_floats_at(writer->put - writer->held, writer->floats, MU_BLOB_CHUNK_FLOATS) - writer->held;
        size_t now = count < room ? count : room;
        memcpy(writer->chunk + writer->held, floats, sizeof *floats * now);
        writer->held += now;
        writer->put += now;
        floats += now;
        count -= now;
        mu_status status = now == room ? send_chunk(writer, err) : MU_OK;
        if (status)
            return status;
    }
    return MU_OK;
}

mu_status mu_blob_writer_finish(mu_blob_writer *writer, mu_blob_digest *digest, uint64_t *size_bytes, mu_error *err)
{
    if (writer->put != writer->floats)
        return mu_error_set(err, MU_E_SHAPE, "blob: ends after %llu floats, it was to have %llu", (unsigned long long)writer->put,
                            (unsigned long long)writer->floats);
    digest_end(&writer->digest, digest);
    *size_bytes = writer->size_bytes;
    return MU_OK;
}

void mu_blob_writer_destroy(mu_blob_writer *writer)
{
    if (!writer)
        return;
    free(writer->chunk);
    free(writer->planes);
    free(writer->out);
    free(writer);
}

/* ---- reading ---- */

/* What the bytes that are held will be when there are `wanted` of them. */
typedef enum expectation { HEAD, CHUNK_HEAD, CHUNK, NOTHING } expectation;

struct mu_blob_reader {
    uint64_t                 floats;
    mu_blob_floats          *take;
    void                    *self;
    expectation              expected;
    unsigned char            small[MU_BLOB_HEAD_BYTES]; /* heads are held here */
    unsigned char           *stored;                    /* and chunks here, where they come in pieces: made for the first that does */
    size_t                   held, wanted;
    uint64_t                 done, sound_bytes, pushed_bytes; /* floats that are understood; bytes */
    uint32_t                 chunk_floats, chunk_checksum;
    const mu_blob_codec     *codec; /* NULL before the head */
    mu_status                failed;
    bool                     skips_digest;
    crypto_generichash_state digest;
};

mu_status mu_blob_reader_create(uint64_t floats, mu_blob_floats *take, void *self, mu_blob_reader **out, mu_error *err)
{
    mu_status status = check_floats(floats, err);
    if (status)
        return status;
    mu_blob_reader *reader = aligned_alloc(_Alignof(mu_blob_reader), sizeof *reader); /* libsodium's state asks for it */
    if (!reader)
        return mu_error_set(err, MU_E_MEMORY, "no memory to read a blob");
    *reader = (mu_blob_reader){ .floats = floats, .take = take, .self = self, .expected = HEAD, .wanted = MU_BLOB_HEAD_BYTES };
    digest_begin(&reader->digest);
    *out = reader;
    return MU_OK;
}

void mu_blob_reader_skip_digest(mu_blob_reader *reader) { reader->skips_digest = true; }

static void expect(mu_blob_reader *reader, expectation expected, size_t bytes)
{
    reader->expected = expected;
    reader->wanted = bytes;
    reader->held = 0;
}

/* Everything until here is sound. */
static void expect_next_chunk(mu_blob_reader *reader)
{
    bool more = reader->done < reader->floats;
    expect(reader, more ? CHUNK_HEAD : NOTHING, more ? CHUNK_HEAD_BYTES : 0);
    reader->sound_bytes = reader->pushed_bytes;
}

static size_t next_chunk_floats(const mu_blob_reader *reader)
{
    return chunk_floats_at(reader->done, reader->floats, reader->chunk_floats);
}

static mu_status no_memory(const mu_blob_reader *reader, mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory to read a blob of %llu floats", (unsigned long long)reader->floats);
}

static mu_status read_head(mu_blob_reader *reader, const unsigned char *head, mu_error *err)
{
    uint64_t floats = get_number(head + 8, 8);
    uint32_t chunk_floats = (uint32_t)get_number(head + 16, 4), encoding = (uint32_t)get_number(head + 20, 4);
    if (memcmp(head, magic, sizeof magic) != 0)
        return mu_error_set(err, MU_E_PARSE, "blob: does not begin with 'MUBLOB1'");
    if (floats != reader->floats)
        return mu_error_set(err, MU_E_PARSE, "blob: its head says %llu floats, expected %llu", (unsigned long long)floats,
                            (unsigned long long)reader->floats);
    if (chunk_floats < MU_LIMIT_BLOB_CHUNK_FLOATS_MIN || chunk_floats > MU_BLOB_CHUNK_FLOATS)
        return mu_error_set(err, MU_E_LIMIT, "blob: its head says %u floats in a chunk, expected %u to %u", chunk_floats,
                            MU_LIMIT_BLOB_CHUNK_FLOATS_MIN, MU_BLOB_CHUNK_FLOATS);
    if (encoding >= MU_BLOB_ENCODING_COUNT)
        return mu_error_set(err, MU_E_UNSUPPORTED, "blob: encoding %u is not known, expected 0 (plain), 1 (deflate) or 2 (zstd)", encoding);
    reader->chunk_floats = chunk_floats;
    reader->codec = &mu_blob_codecs[encoding];
    expect_next_chunk(reader);
    return MU_OK;
}

static mu_status read_chunk_head(mu_blob_reader *reader, const unsigned char *head, mu_error *err)
{
    uint32_t stored_bytes = (uint32_t)get_number(head, 4);
    size_t most = mu_blob_stored_max(next_chunk_floats(reader));
    if (stored_bytes == 0 || stored_bytes > most)
        return mu_error_set(err, MU_E_PARSE, "blob: the chunk from float %llu on says %u bytes, expected 1 to %zu",
                            (unsigned long long)reader->done, stored_bytes, most);
    reader->chunk_checksum = (uint32_t)get_number(head + 4, 4);
    expect(reader, CHUNK, stored_bytes);
    return MU_OK;
}

/* The chunk's floats are handed on, and taken into the digest. `planes` is room that some encodings need. */
static mu_status unpack_chunk(mu_blob_reader *reader, const unsigned char *stored, float *chunk, unsigned char *planes, size_t count, mu_error *err)
{
    mu_status status = mu_blob_chunk_unpack(reader->codec, stored, reader->wanted, planes, chunk, count, err);
    if (status)
        return mu_error_prefix(err, status, "blob: the chunk from float %llu on (%s): ", (unsigned long long)reader->done, reader->codec->name);
    if (reader->take)
        status = reader->take(reader->self, reader->done, chunk, count, err);
    if (!status && !reader->skips_digest)
        digest_add(&reader->digest, chunk, count);
    return status;
}

/* Memory for floats is there while a chunk is read, and not between chunks: of thousands of readers whose bytes come slowly few read one at the same moment. */
static mu_status read_chunk(mu_blob_reader *reader, const unsigned char *stored, mu_error *err)
{
    if (checksum(stored, reader->wanted) != reader->chunk_checksum)
        return mu_error_set(err, MU_E_CHECKSUM, "blob: the chunk from float %llu on is damaged: its CRC-32 is not what its head says",
                            (unsigned long long)reader->done);
    size_t count = next_chunk_floats(reader);
    float *chunk = malloc(sizeof *chunk * count);
    unsigned char *planes = reader->codec->in_planes ? malloc(4 * count) : NULL;
    mu_status status = chunk && (planes || !reader->codec->in_planes) ? unpack_chunk(reader, stored, chunk, planes, count, err) : no_memory(reader, err);
    free(planes);
    free(chunk);
    if (status)
        return status;
    reader->done += count;
    expect_next_chunk(reader);
    return MU_OK;
}

/* `bytes` are all that were wanted. */
static mu_status read_all(mu_blob_reader *reader, const unsigned char *bytes, mu_error *err)
{
    switch (reader->expected) {
    case HEAD: return read_head(reader, bytes, err);
    case CHUNK_HEAD: return read_chunk_head(reader, bytes, err);
    case CHUNK: return read_chunk(reader, bytes, err);
    case NOTHING: break;
    }
    return mu_error_set(err, MU_E_PARSE, "blob: goes on after its %llu floats", (unsigned long long)reader->floats);
}

/* Where a piece is put until the rest has come; NULL: no memory. */
static unsigned char *piece_room(mu_blob_reader *reader)
{
    if (reader->expected != CHUNK)
        return reader->small;
    if (!reader->stored)
        reader->stored = malloc(mu_blob_stored_max(next_chunk_floats(reader)));
    return reader->stored;
}

mu_status mu_blob_reader_push(mu_blob_reader *reader, const void *bytes, size_t size_bytes, mu_error *err)
{
    const unsigned char *at = bytes;
    if (reader->failed)
        return mu_error_set(err, reader->failed, "blob: more bytes after one that was refused");
    while (size_bytes && !reader->failed) {
        size_t missing = reader->wanted - reader->held, now = size_bytes < missing ? size_bytes : missing;
        const unsigned char *all = at; /* where they come in one piece, they are read where they are */
        if (now < reader->wanted) {
            unsigned char *room = piece_room(reader);
            if (!room)
                return reader->failed = no_memory(reader, err);
            memcpy(room + reader->held, at, now);
            all = room;
        }
        reader->held += now;
        reader->pushed_bytes += now;
        at += now;
        size_bytes -= now;
        if (reader->held == reader->wanted)
            reader->failed = read_all(reader, all, err);
    }
    return reader->failed;
}

mu_status mu_blob_reader_finish(mu_blob_reader *reader, const mu_blob_digest *expected, mu_blob_digest *digest, mu_error *err)
{
    if (reader->failed)
        return mu_error_set(err, reader->failed, "blob: ends with bytes that were refused");
    if (reader->expected != NOTHING)
        return mu_error_set(err, MU_E_PARSE, "blob: ends after %llu bytes, with %llu of %llu floats", (unsigned long long)reader->pushed_bytes,
                            (unsigned long long)reader->done, (unsigned long long)reader->floats);
    MU_ASSERT(!reader->skips_digest || (!expected && !digest));
    if (reader->skips_digest)
        return MU_OK;
    mu_blob_digest found;
    digest_end(&reader->digest, &found);
    if (expected && memcmp(found.bytes, expected->bytes, sizeof found.bytes) != 0) {
        char is[MU_BLOB_DIGEST_HEX_BYTES], was[MU_BLOB_DIGEST_HEX_BYTES];
        mu_blob_digest_hex(&found, is);
        mu_blob_digest_hex(expected, was);
        return mu_error_set(err, MU_E_CHECKSUM, "blob: its digest is %s, expected %s", is, was);
    }
    if (digest)
        *digest = found;
    return MU_OK;
}

uint64_t mu_blob_reader_sound_bytes(const mu_blob_reader *reader) { return reader->sound_bytes; }
uint64_t mu_blob_reader_bytes(const mu_blob_reader *reader) { return reader->pushed_bytes; }
size_t   mu_blob_reader_wants(const mu_blob_reader *reader) { return reader->expected == NOTHING ? 1 : reader->wanted - reader->held; }

void mu_blob_reader_cut(mu_blob_reader *reader)
{
    reader->failed = MU_OK;
    reader->pushed_bytes = reader->sound_bytes;
    if (reader->codec)
        expect_next_chunk(reader);
    else
        expect(reader, HEAD, MU_BLOB_HEAD_BYTES);
}

void mu_blob_reader_destroy(mu_blob_reader *reader)
{
    if (!reader)
        return;
    free(reader->stored);
    free(reader);
}
