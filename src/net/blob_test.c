/* Blobs: every encoding at odd sizes and in odd pieces, to the bit; and whatever is not one is refused. */
#include "net/blob.h"

#include "base/limits.h"
#include "base/refuse_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size) { return refuse() ? NULL : __real_aligned_alloc(alignment, size); }

/* ---- floats, and bytes that grow ---- */

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 32;
}

/* Any bits at all, NaNs with payloads among them; `tame`: such as weights are. */
static float *make_floats(size_t count, bool tame)
{
    float *floats = malloc(sizeof *floats * (count + 1));
    assert_non_null(floats);
    uint64_t state = count + 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)next(&state);
        memcpy(&floats[i], &bits, sizeof bits);
        if (tame)
            floats[i] = ((float)bits / 4294967296.0f - 0.5f) * 0.1f;
    }
    return floats;
}

typedef struct bytes {
    unsigned char *data;
    size_t         size_bytes;
    int            calls_left; /* then the sink fails; -1: never */
} bytes;

static mu_status grow(void *self, const void *data, size_t size_bytes, mu_error *err)
{
    bytes *b = self;
    if (b->calls_left == 0)
        return mu_error_set(err, MU_E_IO, "the sink is full");
    b->calls_left -= b->calls_left > 0;
    b->data = __real_realloc(b->data, b->size_bytes + size_bytes);
    assert_non_null(b->data);
    memcpy(b->data + b->size_bytes, data, size_bytes);
    b->size_bytes += size_bytes;
    return MU_OK;
}

/* A blob of these floats, put in three parts. */
static bytes encode(const float *floats, size_t count, mu_blob_encoding encoding, mu_blob_digest *digest)
{
    bytes out = { .calls_left = -1 };
    mu_blob_writer *writer;
    uint64_t size_bytes;
    size_t a = count / 3, b = count / 2;
    assert_int_equal(mu_blob_writer_create(count, encoding, grow, &out, &writer, NULL), MU_OK);
    assert_int_equal(mu_blob_writer_put(writer, floats, a, NULL), MU_OK);
    assert_int_equal(mu_blob_writer_put(writer, floats + a, b - a, NULL), MU_OK);
    assert_int_equal(mu_blob_writer_put(writer, floats + b, count - b, NULL), MU_OK);
    assert_int_equal(mu_blob_writer_finish(writer, digest, &size_bytes, NULL), MU_OK);
    assert_int_equal(size_bytes, out.size_bytes);
    assert_true(size_bytes <= mu_blob_bytes_max(count));
    mu_blob_writer_destroy(writer);
    return out;
}

/* ---- reading back ---- */

typedef struct taken {
    float   *floats;
    uint64_t count;
    int      calls_left;
} taken;

static mu_status keep(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    taken *t = self;
    assert_int_equal(first, t->count); /* each once, in order */
    if (t->calls_left == 0)
        return mu_error_set(err, MU_E_IO, "no room for them");
    t->calls_left -= t->calls_left > 0;
    memcpy(t->floats + first, floats, sizeof *floats * count);
    t->count += count;
    return MU_OK;
}

static mu_status push_pieces(mu_blob_reader *reader, const unsigned char *data, size_t size_bytes, size_t piece_bytes, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t at = 0; at < size_bytes && !status; at += piece_bytes)
        status = mu_blob_reader_push(reader, data + at, size_bytes - at < piece_bytes ? size_bytes - at : piece_bytes, err);
    return status;
}

static void check_reads(const bytes *blob, const float *floats, size_t count, const mu_blob_digest *digest, size_t piece_bytes)
{
    taken t = { .floats = malloc(sizeof *floats * (count + 1)), .calls_left = -1 };
    mu_blob_reader *reader;
    mu_blob_digest found;
    assert_int_equal(mu_blob_reader_create(count, keep, &t, &reader, NULL), MU_OK);
    assert_int_equal(push_pieces(reader, blob->data, blob->size_bytes, piece_bytes, NULL), MU_OK);
    assert_int_equal(mu_blob_reader_finish(reader, digest, &found, NULL), MU_OK);
    assert_memory_equal(found.bytes, digest->bytes, sizeof found.bytes);
    assert_int_equal(t.count, count);
    if (count)
        assert_memory_equal(t.floats, floats, sizeof *floats * count);
    assert_int_equal(mu_blob_reader_bytes(reader), blob->size_bytes);
    assert_int_equal(mu_blob_reader_sound_bytes(reader), blob->size_bytes);
    mu_blob_reader_destroy(reader);
    free(t.floats);
}

/* The status that a reader ends with, and in *sound_bytes how far it was sound. */
static mu_status read_status(const void *data, size_t size_bytes, uint64_t floats, uint64_t *sound_bytes, mu_error *err)
{
    mu_blob_reader *reader;
    assert_int_equal(mu_blob_reader_create(floats, NULL, NULL, &reader, NULL), MU_OK);
    mu_status status = mu_blob_reader_push(reader, data, size_bytes, err);
    if (!status)
        status = mu_blob_reader_finish(reader, NULL, NULL, err);
    else /* nothing more is taken */
        assert_true(mu_blob_reader_push(reader, "", 1, NULL) == status && mu_blob_reader_finish(reader, NULL, NULL, NULL) == status);
    if (sound_bytes)
        *sound_bytes = mu_blob_reader_sound_bytes(reader);
    mu_blob_reader_destroy(reader);
    return status;
}

static void test_round_trips(void **state)
{
    (void)state;
    static const size_t counts[] = { 0, 1, 2, 1023, 65535, 65536, 65537, 200001 };
    for (size_t n = 0; n < MU_COUNT(counts); n++)
        for (int tame = 0; tame < 2; tame++) {
            float *floats = make_floats(counts[n], tame);
            mu_blob_digest whole, digest;
            mu_blob_digest_of(&(mu_blob_part){ floats, counts[n] }, 1, &whole);
            for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
                bytes blob = encode(floats, counts[n], (mu_blob_encoding)e, &digest);
                assert_memory_equal(digest.bytes, whole.bytes, sizeof whole.bytes); /* however it is encoded */
                check_reads(&blob, floats, counts[n], &whole, 1);
                check_reads(&blob, floats, counts[n], &whole, 4099);
                check_reads(&blob, floats, counts[n], &whole, blob.size_bytes);
                if (tame && counts[n] > 60000 && e != MU_BLOB_PLAIN)
                    assert_true(blob.size_bytes < 4 * counts[n] * 95 / 100); /* signs and exponents of weights are not noise */
                free(blob.data);
            }
            free(floats);
        }
}

static void test_payloads_of_nan_cross(void **state)
{
    (void)state;
    static const uint32_t patterns[] = { 0x7f800000, 0xff800000, 0x7fc00000, 0x7fc00001, 0x7f800001, 0xffffffff, 0x80000000, 0, 1, 0x80000001 };
    float floats[MU_COUNT(patterns)];
    memcpy(floats, patterns, sizeof floats);
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        mu_blob_digest digest;
        bytes blob = encode(floats, MU_COUNT(floats), (mu_blob_encoding)e, &digest);
        check_reads(&blob, floats, MU_COUNT(floats), &digest, 3);
        free(blob.data);
    }
}

/* Byte for byte what the header says: 1, -2.5, infinity. Digests and CRC-32: Python's hashlib.blake2b(digest_size=32) and zlib.crc32. */
static void test_format(void **state)
{
    (void)state;
    static const unsigned char expected[] = {
        'M', 'U', 'B', 'L', 'O', 'B', '1', '\n', 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
        12, 0, 0, 0, 0x66, 0xd9, 0xd8, 0x79, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0, 0, 0x80, 0x7f,
    };
    float floats[3] = { 1.0f, -2.5f, 0 };
    memcpy(&floats[2], &(uint32_t){ 0x7f800000 }, 4);
    mu_blob_digest digest, again;
    char hex[MU_BLOB_DIGEST_HEX_BYTES];
    bytes blob = encode(floats, 3, MU_BLOB_PLAIN, &digest);
    assert_int_equal(blob.size_bytes, sizeof expected);
    assert_memory_equal(blob.data, expected, sizeof expected);
    free(blob.data);
    mu_blob_digest_hex(&digest, hex);
    assert_string_equal(hex, "20c51b1c9fc1ed76e1ad6ba679c409bc57a2b111c4382595f5c942cc51612bf2");
    assert_true(mu_blob_digest_from_hex(hex, &again));
    assert_memory_equal(again.bytes, digest.bytes, sizeof digest.bytes);
    mu_blob_digest_of(NULL, 0, &digest);
    mu_blob_digest_hex(&digest, hex);
    assert_string_equal(hex, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    hex[63] = '\0';
    assert_false(mu_blob_digest_from_hex(hex, &again));
    hex[63] = 'g';
    assert_false(mu_blob_digest_from_hex(hex, &again));
    assert_false(mu_blob_digest_from_hex("", &again));
    const mu_blob_part parts[] = { { floats, 1 }, { floats + 1, 0 }, { floats + 1, 2 } };
    mu_blob_digest_of(parts, MU_COUNT(parts), &digest);
    mu_blob_digest_hex(&digest, hex);
    assert_string_equal(hex, "20c51b1c9fc1ed76e1ad6ba679c409bc57a2b111c4382595f5c942cc51612bf2");
}

static void test_names(void **state)
{
    (void)state;
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        mu_blob_encoding found;
        assert_true(mu_blob_encoding_named(mu_blob_encoding_name((mu_blob_encoding)e), &found));
        assert_int_equal(found, e);
    }
    mu_blob_encoding found = MU_BLOB_ZSTD;
    assert_false(mu_blob_encoding_named("gzip", &found));
    assert_int_equal(found, MU_BLOB_ZSTD);
}

/* ---- what is damaged, cut off or made up ---- */

static void test_every_byte_counts(void **state)
{
    (void)state;
    float *floats = make_floats(300, true);
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        mu_blob_digest digest;
        bytes blob = encode(floats, 300, (mu_blob_encoding)e, &digest);
        for (size_t i = 0; i < blob.size_bytes; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                uint64_t sound_bytes;
                blob.data[i] ^= (unsigned char)(1u << bit);
                mu_status status = read_status(blob.data, blob.size_bytes, 300, &sound_bytes, NULL);
                assert_int_not_equal(status, MU_OK);
                if (i >= MU_BLOB_HEAD_BYTES + 4)
                    assert_int_equal(status, MU_E_CHECKSUM);
                if (i < MU_BLOB_HEAD_BYTES - 4) /* another encoding would be a head too */
                    assert_int_equal(sound_bytes, 0);
                if (i >= MU_BLOB_HEAD_BYTES)
                    assert_int_equal(sound_bytes, MU_BLOB_HEAD_BYTES);
                blob.data[i] ^= (unsigned char)(1u << bit);
            }
        assert_int_equal(read_status(blob.data, blob.size_bytes, 300, NULL, NULL), MU_OK);
        free(blob.data);
    }
    free(floats);
}

static void test_every_cut_is_seen(void **state)
{
    (void)state;
    float *floats = make_floats(1500, true);
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        mu_blob_digest digest;
        bytes blob = encode(floats, 1500, (mu_blob_encoding)e, &digest);
        for (size_t n = 0; n < blob.size_bytes; n++) {
            uint64_t sound_bytes;
            assert_int_equal(read_status(blob.data, n, 1500, &sound_bytes, NULL), MU_E_PARSE);
            assert_int_equal(sound_bytes, n < MU_BLOB_HEAD_BYTES ? 0 : MU_BLOB_HEAD_BYTES);
        }
        uint64_t sound_bytes; /* and what comes after the end */
        grow(&blob, "", 1, NULL);
        assert_int_equal(read_status(blob.data, blob.size_bytes, 1500, &sound_bytes, NULL), MU_E_PARSE);
        assert_int_equal(sound_bytes, blob.size_bytes - 1);
        free(blob.data);
    }
    free(floats);
}

/* A head, and chunks that a hostile writer made. */
static bytes begin(uint64_t floats, uint32_t chunk_floats, uint32_t encoding)
{
    bytes out = { .calls_left = -1 };
    grow(&out, "MUBLOB1\n", 8, NULL);
    grow(&out, &floats, 8, NULL);
    grow(&out, &chunk_floats, 4, NULL);
    grow(&out, &encoding, 4, NULL);
    return out;
}

static void add_chunk(bytes *out, const void *stored, uint32_t stored_bytes)
{
    uint32_t sum = (uint32_t)crc32(0, stored, stored_bytes);
    grow(out, &stored_bytes, 4, NULL);
    grow(out, &sum, 4, NULL);
    grow(out, stored, stored_bytes, NULL);
}

static void check_refused(bytes blob, uint64_t floats, mu_status expected, const char *words)
{
    mu_error err;
    assert_int_equal(read_status(blob.data, blob.size_bytes, floats, NULL, &err), expected);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
    free(blob.data);
}

static void test_heads_that_lie(void **state)
{
    (void)state;
    check_refused(begin(5, 65536, 0), 4, MU_E_PARSE, "says 5 floats, expected 4");
    check_refused(begin(UINT64_MAX, 65536, 0), 4, MU_E_PARSE, "expected 4");
    check_refused(begin(4, 65537, 0), 4, MU_E_LIMIT, "65537 floats in a chunk");
    check_refused(begin(4, 1023, 0), 4, MU_E_LIMIT, "1023 floats in a chunk");
    check_refused(begin(4, 0, 0), 4, MU_E_LIMIT, "0 floats in a chunk");
    check_refused(begin(4, UINT32_MAX, 0), 4, MU_E_LIMIT, "floats in a chunk");
    check_refused(begin(4, 65536, 3), 4, MU_E_UNSUPPORTED, "encoding 3");
    mu_blob_reader *reader;
    mu_blob_writer *writer;
    assert_int_equal(mu_blob_reader_create(MU_LIMIT_BLOB_FLOATS + 1, NULL, NULL, &reader, NULL), MU_E_LIMIT);
    assert_int_equal(mu_blob_writer_create(MU_LIMIT_BLOB_FLOATS + 1, MU_BLOB_PLAIN, grow, NULL, &writer, NULL), MU_E_LIMIT);
    assert_true(mu_blob_bytes_max(UINT64_MAX) > 4 * MU_LIMIT_BLOB_FLOATS && mu_blob_bytes_max(UINT64_MAX) < 5 * MU_LIMIT_BLOB_FLOATS);
}

static void test_chunks_that_lie(void **state)
{
    (void)state;
    static const unsigned char zeros[1 << 20];
    unsigned char packed[4096];
    uint32_t claims[] = { 0, 4 * 1024 + 4 * 1024 / 256 + 64 + 1, UINT32_MAX };
    for (size_t i = 0; i < MU_COUNT(claims); i++) {
        bytes blob = begin(1024, 1024, 0);
        grow(&blob, &claims[i], 4, NULL);
        grow(&blob, zeros, 4, NULL);
        check_refused(blob, 1024, MU_E_PARSE, "expected 1 to");
    }
    for (uint32_t off = 4; off <= 8; off += 2) { /* plain, with fewer bytes than 1024 floats; then more */
        bytes fewer = begin(1024, 1024, 0), more = begin(1024, 1024, 0);
        add_chunk(&fewer, zeros, 4096 - off);
        add_chunk(&more, zeros, 4096 + off);
        check_refused(fewer, 1024, MU_E_PARSE, "expected 4096");
        check_refused(more, 1024, MU_E_PARSE, "expected 4096");
    }
    static const uLong raw_bytes[] = { 1 << 20, 4097, 4095, 0 }; /* bombs, and streams with too little in them */
    for (size_t i = 0; i < MU_COUNT(raw_bytes); i++) {
        uLongf made = sizeof packed;
        bytes blob = begin(1024, 1024, MU_BLOB_DEFLATE);
        assert_int_equal(compress2(packed, &made, zeros, raw_bytes[i], 9), Z_OK);
        add_chunk(&blob, packed, (uint32_t)made);
        check_refused(blob, 1024, MU_E_PARSE, "zlib stream of 4096");
        blob = begin(1024, 1024, MU_BLOB_ZSTD);
        size_t size_bytes = ZSTD_compress(packed, sizeof packed, zeros, raw_bytes[i], 3);
        add_chunk(&blob, packed, (uint32_t)size_bytes);
        check_refused(blob, 1024, MU_E_PARSE, "zstd frame of 4096");
    }
}

/* More than one stream, bytes after it, frames to be passed over: the same floats could otherwise be had in many ways. */
static void test_streams_that_go_on(void **state)
{
    (void)state;
    static const unsigned char zeros[4096];
    static const unsigned char skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x' };
    unsigned char packed[4096];
    uLongf made = sizeof packed;
    assert_int_equal(compress2(packed, &made, zeros, sizeof zeros, 9), Z_OK);
    packed[made] = 0;
    bytes blob = begin(1024, 1024, MU_BLOB_DEFLATE);
    add_chunk(&blob, packed, (uint32_t)made + 1);
    check_refused(blob, 1024, MU_E_PARSE, "zlib stream");
    size_t half = ZSTD_compress(packed, sizeof packed, zeros, 2048, 3);
    half += ZSTD_compress(packed + half, sizeof packed - half, zeros, 2048, 3);
    blob = begin(1024, 1024, MU_BLOB_ZSTD);
    add_chunk(&blob, packed, (uint32_t)half);
    check_refused(blob, 1024, MU_E_PARSE, "not one whole zstd frame");
    memcpy(packed, skippable, sizeof skippable);
    size_t all = sizeof skippable + ZSTD_compress(packed + sizeof skippable, sizeof packed - sizeof skippable, zeros, sizeof zeros, 3);
    blob = begin(1024, 1024, MU_BLOB_ZSTD);
    add_chunk(&blob, packed, (uint32_t)all);
    check_refused(blob, 1024, MU_E_PARSE, "not one whole zstd frame");
}

/* ---- going on ---- */

/* Chunks of another writer's size: 2500 floats as 1024, 1024, 452. */
static bytes small_chunks(const float *floats)
{
    bytes out = begin(2500, 1024, MU_BLOB_PLAIN);
    for (size_t at = 0; at < 2500; at += 1024)
        add_chunk(&out, floats + at, (uint32_t)(2500 - at < 1024 ? 2500 - at : 1024) * 4);
    return out;
}

static void test_other_chunks(void **state)
{
    (void)state;
    float *floats = make_floats(2500, false);
    mu_blob_digest digest;
    mu_blob_digest_of(&(mu_blob_part){ floats, 2500 }, 1, &digest);
    bytes blob = small_chunks(floats);
    check_reads(&blob, floats, 2500, &digest, 1);
    check_reads(&blob, floats, 2500, &digest, 5000);
    free(blob.data);
    free(floats);
}

/* A transfer that breaks off at any byte, or is damaged there, goes on from the last sound chunk. */
static void test_cut_and_go_on(void **state)
{
    (void)state;
    float *floats = make_floats(2500, false);
    bytes blob = small_chunks(floats);
    mu_blob_digest digest;
    mu_blob_digest_of(&(mu_blob_part){ floats, 2500 }, 1, &digest);
    taken t = { .floats = malloc(sizeof *floats * 2500), .calls_left = -1 };
    for (size_t at = 0; at < blob.size_bytes; at += 97)
        for (int damaged = 0; damaged < 2; damaged++) {
            mu_blob_reader *reader;
            t.count = 0;
            assert_int_equal(mu_blob_reader_create(2500, keep, &t, &reader, NULL), MU_OK);
            assert_int_equal(mu_blob_reader_push(reader, blob.data, at, NULL), MU_OK);
            if (damaged) {
                blob.data[at] ^= 0x40;
                assert_int_not_equal(mu_blob_reader_push(reader, blob.data + at, blob.size_bytes - at, NULL), MU_OK);
                blob.data[at] ^= 0x40;
            }
            uint64_t sound_bytes = mu_blob_reader_sound_bytes(reader);
            assert_true(sound_bytes <= at && (sound_bytes >= MU_BLOB_HEAD_BYTES || at <= MU_BLOB_HEAD_BYTES));
            mu_blob_reader_cut(reader);
            assert_int_equal(mu_blob_reader_bytes(reader), sound_bytes);
            assert_int_equal(push_pieces(reader, blob.data + sound_bytes, blob.size_bytes - sound_bytes, 1000, NULL), MU_OK);
            assert_int_equal(mu_blob_reader_finish(reader, &digest, NULL, NULL), MU_OK);
            assert_memory_equal(t.floats, floats, sizeof *floats * 2500);
            mu_blob_reader_destroy(reader);
        }
    free(t.floats);
    free(blob.data);
    free(floats);
}

/* The same floats without a digest, and chunks are checked all the same. */
static void test_without_digest(void **state)
{
    (void)state;
    float *floats = make_floats(2500, false);
    bytes blob = small_chunks(floats);
    taken t = { .floats = malloc(sizeof *floats * 2500), .calls_left = -1 };
    for (int damaged = 0; damaged < 2; damaged++) {
        mu_blob_reader *reader;
        t.count = 0;
        assert_int_equal(mu_blob_reader_create(2500, keep, &t, &reader, NULL), MU_OK);
        mu_blob_reader_skip_digest(reader);
        blob.data[blob.size_bytes - 1] ^= (unsigned char)damaged;
        assert_int_equal(mu_blob_reader_push(reader, blob.data, blob.size_bytes, NULL), damaged ? MU_E_CHECKSUM : MU_OK);
        assert_int_equal(mu_blob_reader_finish(reader, NULL, NULL, NULL), damaged ? MU_E_CHECKSUM : MU_OK);
        assert_int_equal(t.count, damaged ? 2048 : 2500);
        assert_memory_equal(t.floats, floats, sizeof *floats * t.count);
        mu_blob_reader_destroy(reader);
    }
    free(t.floats);
    free(blob.data);
    free(floats);
}

static void test_a_taker_that_fails(void **state)
{
    (void)state;
    float *floats = make_floats(2500, false);
    bytes blob = small_chunks(floats);
    taken t = { .floats = malloc(sizeof *floats * 2500), .calls_left = 1 };
    mu_blob_reader *reader;
    mu_error err;
    assert_int_equal(mu_blob_reader_create(2500, keep, &t, &reader, NULL), MU_OK);
    assert_int_equal(mu_blob_reader_push(reader, blob.data, blob.size_bytes, &err), MU_E_IO);
    assert_string_equal(err.message, "no room for them");
    assert_int_equal(t.count, 1024);
    uint64_t sound_bytes = mu_blob_reader_sound_bytes(reader);
    assert_int_equal(sound_bytes, 24 + 8 + 4096);
    mu_blob_reader_cut(reader);
    t.calls_left = -1;
    assert_int_equal(mu_blob_reader_push(reader, blob.data + sound_bytes, blob.size_bytes - sound_bytes, NULL), MU_OK);
    assert_int_equal(mu_blob_reader_finish(reader, NULL, NULL, NULL), MU_OK);
    assert_memory_equal(t.floats, floats, sizeof *floats * 2500);
    mu_blob_reader_destroy(reader);
    free(t.floats);
    free(blob.data);
    free(floats);
}

static void test_writer_keeps_count(void **state)
{
    (void)state;
    float *floats = make_floats(70000, false);
    bytes out = { .calls_left = -1 };
    mu_blob_writer *writer;
    mu_blob_digest digest;
    uint64_t size_bytes;
    assert_int_equal(mu_blob_writer_create(3, MU_BLOB_ZSTD, grow, &out, &writer, NULL), MU_OK);
    assert_int_equal(mu_blob_writer_put(writer, floats, 2, NULL), MU_OK);
    assert_int_equal(mu_blob_writer_finish(writer, &digest, &size_bytes, NULL), MU_E_SHAPE);
    assert_int_equal(mu_blob_writer_put(writer, floats, 2, NULL), MU_E_SHAPE);
    mu_blob_writer_destroy(writer);
    free(out.data);
    for (int calls = 0; calls < 3; calls++) { /* head, chunk, chunk */
        out = (bytes){ .calls_left = calls };
        mu_status status = mu_blob_writer_create(70000, MU_BLOB_PLAIN, grow, &out, &writer, NULL);
        assert_int_equal(status, calls ? MU_OK : MU_E_IO);
        if (!status) {
            assert_int_equal(mu_blob_writer_put(writer, floats, 70000, NULL), MU_E_IO);
            mu_blob_writer_destroy(writer);
        }
        free(out.data);
    }
    free(floats);
}

/* ---- files ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/muster-blob-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something */
}

static void test_files(void **state)
{
    (void)state;
    char path[96], nowhere[96];
    snprintf(path, sizeof path, "%s/a.blob", folder);
    snprintf(nowhere, sizeof nowhere, "%s/none/a.blob", folder);
    float *floats = make_floats(70001, true), *back = malloc(sizeof *back * 70001);
    const mu_blob_part parts[] = { { floats, 5 }, { floats + 5, 65536 }, { NULL, 0 }, { floats + 65541, 4460 } };
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        mu_blob_digest digest, whole, other = { { 0 } };
        uint64_t size_bytes;
        mu_error err;
        mu_blob_digest_of(&(mu_blob_part){ floats, 70001 }, 1, &whole);
        assert_int_equal(mu_blob_write_file(path, parts, MU_COUNT(parts), (mu_blob_encoding)e, &digest, &size_bytes, &err), MU_OK);
        assert_memory_equal(digest.bytes, whole.bytes, sizeof whole.bytes);
        memset(back, 0, sizeof *back * 70001);
        assert_int_equal(mu_blob_read_file(path, &digest, back, 70001, &err), MU_OK);
        assert_memory_equal(back, floats, sizeof *back * 70001);
        assert_int_equal(mu_blob_read_file(path, &other, back, 70001, &err), MU_E_CHECKSUM);
        assert_non_null(strstr(err.message, path));
        assert_int_equal(mu_blob_read_file(path, NULL, back, 70000, &err), MU_E_PARSE);
        assert_int_equal(truncate(path, (off_t)size_bytes - 1), 0);
        assert_int_equal(mu_blob_read_file(path, NULL, back, 70001, &err), MU_E_PARSE);
        assert_int_equal(mu_blob_write_file(nowhere, parts, 1, (mu_blob_encoding)e, &digest, &size_bytes, &err), MU_E_IO);
        assert_non_null(strstr(err.message, nowhere));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mu_blob_read_file(path, NULL, back, 70001, NULL), MU_E_IO);
    free(back);
    free(floats);
}

/* ---- memory ---- */

static void test_every_allocation_refused(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof path, "%s/a.blob", folder);
    float *floats = make_floats(2000, false), *back = malloc(sizeof *back * 2000);
    for (int e = 0; e < MU_BLOB_ENCODING_COUNT; e++) {
        bool done = false;
        for (long n = 0; !done; n++) {
            assert_true(n < 100);
            mu_blob_digest digest;
            uint64_t size_bytes;
            mu_error err;
            unlink(path);
            refused = false;
            allocations_left = n;
            mu_status status = mu_blob_write_file(path, &(mu_blob_part){ floats, 2000 }, 1, (mu_blob_encoding)e, &digest, &size_bytes, &err);
            if (!status)
                status = mu_blob_read_file(path, &digest, back, 2000, &err);
            allocations_left = -1;
            done = !refused;
            if (done)
                assert_memory_equal(back, floats, sizeof *back * 2000);
            else if (status != MU_OK) /* the folder is synced after the rename: by then the name may be there */
                assert_true(status == MU_E_MEMORY || status == MU_E_IO);
            assert_int_equal(status == MU_OK, done);
        }
    }
    unlink(path);
    free(back);
    free(floats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_payloads_of_nan_cross),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_every_cut_is_seen),
        cmocka_unit_test(test_heads_that_lie),
        cmocka_unit_test(test_chunks_that_lie),
        cmocka_unit_test(test_streams_that_go_on),
        cmocka_unit_test(test_other_chunks),
        cmocka_unit_test(test_cut_and_go_on),
        cmocka_unit_test(test_without_digest),
        cmocka_unit_test(test_a_taker_that_fails),
        cmocka_unit_test(test_writer_keeps_count),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_every_allocation_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
