/* Blobs: vectors of float32 as they cross the network and lie in files. They are written and read in chunks, each with a checksum, so that neither side
 * ever holds one whole beside the floats themselves, and a transfer that was cut goes on where it stopped.
 *
 *   head     "MUBLOB1\n"  floats (8 bytes)  floats of a chunk (4)  encoding (4)                                    24 bytes
 *   chunk    stored bytes (4)  CRC-32 of them, as zlib computes it (4)  the bytes                                 again and again
 *
 * Numbers are little endian. Every chunk but the last holds as many floats as the head says. Encodings: plain (float32, little endian); deflate and zstd: the
 * chunk's four byte planes one after another (all lowest bytes, then the next ...), compressed as one zlib stream or zstd frame.
 * A writer here makes chunks of MU_BLOB_CHUNK_FLOATS; a reader takes chunks of MU_LIMIT_BLOB_CHUNK_FLOATS_MIN to that many.
 *
 * A blob is known by its DIGEST: BLAKE2b-256 over its floats as plain bytes, however they are encoded. */
#ifndef MUSTER_NET_BLOB_H
#define MUSTER_NET_BLOB_H

#include "muster/status.h"

#define MU_BLOB_DIGEST_BYTES 32
#define MU_BLOB_DIGEST_HEX_BYTES 65 /* with the zero at the end */
#define MU_BLOB_HEAD_BYTES 24
#define MU_BLOB_CHUNK_FLOATS 65536u

typedef enum mu_blob_encoding { MU_BLOB_PLAIN, MU_BLOB_DEFLATE, MU_BLOB_ZSTD, MU_BLOB_ENCODING_COUNT } mu_blob_encoding;
const char *mu_blob_encoding_name(mu_blob_encoding encoding); /* "plain", "deflate", "zstd" */
bool        mu_blob_encoding_named(const char *name, mu_blob_encoding *out);

typedef struct mu_blob_digest { unsigned char bytes[MU_BLOB_DIGEST_BYTES]; } mu_blob_digest;
void mu_blob_digest_hex(const mu_blob_digest *digest, char hex[MU_BLOB_DIGEST_HEX_BYTES]);
bool mu_blob_digest_from_hex(const char *hex, mu_blob_digest *out); /* false: not 64 hexadecimal digits */

/* Where bytes of a blob go as they are made. */
typedef mu_status mu_blob_sink(void *self, const void *bytes, size_t size_bytes, mu_error *err);
/* Where floats of a blob go as they are understood; a chunk that is damaged is never handed on. */
typedef mu_status mu_blob_floats(void *self, uint64_t first, const float *floats, size_t count, mu_error *err);

/* ---- writing ---- */
typedef struct mu_blob_writer mu_blob_writer;
/* `floats` is how many there will be. The head goes to `sink` at once. After an error there is nothing left but to destroy the writer. */
mu_status mu_blob_writer_create(uint64_t floats, mu_blob_encoding encoding, mu_blob_sink *sink, void *self, mu_blob_writer **out, mu_error *err);
mu_status mu_blob_writer_put(mu_blob_writer *writer, const float *floats, size_t count, mu_error *err);
mu_status mu_blob_writer_finish(mu_blob_writer *writer, mu_blob_digest *digest, uint64_t *size_bytes, mu_error *err); /* all floats were put */
void      mu_blob_writer_destroy(mu_blob_writer *writer); /* NULL is fine */

/* ---- reading, as the bytes come: in pieces of any size ---- */
typedef struct mu_blob_reader mu_blob_reader;
/* `floats`: how many there must be; a head that says otherwise is refused. `take` may be NULL: only checked. */
mu_status mu_blob_reader_create(uint64_t floats, mu_blob_floats *take, void *self, mu_blob_reader **out, mu_error *err);
/* Before the first byte: the digest is not computed, which is most of the work of reading plain floats; chunks are checked all the same. For a file whose digest was
 * compared when it was written. Of mu_blob_reader_finish, `expected` and `digest` are NULL then. */
void      mu_blob_reader_skip_digest(mu_blob_reader *reader);
/* MU_E_CHECKSUM: a chunk was damaged on its way. MU_E_PARSE: what was sent is no blob of that many floats, and sending it again would not help. After an
 * error the reader takes nothing more, until mu_blob_reader_cut. */
mu_status mu_blob_reader_push(mu_blob_reader *reader, const void *bytes, size_t size_bytes, mu_error *err);
/* Everything is there: MU_E_PARSE when it is not; MU_E_CHECKSUM when the digest is not `expected` (NULL: any). */
mu_status mu_blob_reader_finish(mu_blob_reader *reader, const mu_blob_digest *expected, mu_blob_digest *digest, mu_error *err);
/* Bytes up to the end of the last chunk that was whole and sound, or of the head; 0 before that. */
uint64_t  mu_blob_reader_sound_bytes(const mu_blob_reader *reader);
/* Forget what came after them, be it damaged or merely not whole: the next byte that is pushed is the one at sound_bytes. So a transfer that broke off goes
 * on: a file is pushed into a new reader as far as it is sound, cut there, and the rest follows. */
void      mu_blob_reader_cut(mu_blob_reader *reader);
uint64_t  mu_blob_reader_bytes(const mu_blob_reader *reader); /* pushed until now */
/* So many bytes more, and something more is understood. Whoever pushes no fewer (from a file, say) leaves nothing that the reader would have to hold. */
size_t    mu_blob_reader_wants(const mu_blob_reader *reader);
void      mu_blob_reader_destroy(mu_blob_reader *reader); /* NULL is fine */

/* ---- files ---- */
/* Whole, synced, renamed into place, by way of PATH.tmp: one writer of a path at a time. `parts` vectors of floats, one after the other. */
typedef struct mu_blob_part { const float *floats; size_t count; } mu_blob_part;
mu_status mu_blob_write_file(const char *path, const mu_blob_part *parts, size_t part_count, mu_blob_encoding encoding, mu_blob_digest *digest,
                             uint64_t *size_bytes, mu_error *err);
/* All of it, into `floats` [count]. */
mu_status mu_blob_read_file(const char *path, const mu_blob_digest *expected, float *floats, uint64_t count, mu_error *err);
void      mu_blob_digest_of(const mu_blob_part *parts, size_t part_count, mu_blob_digest *digest);
/* At most so many bytes can a blob of that many floats take, whatever its encoding and content. */
uint64_t  mu_blob_bytes_max(uint64_t floats);

#endif
