/* Blobs in files. */
#include "net/blob.h"

#include "base/file.h"

#include <string.h>

static mu_status into_file(void *self, const void *bytes, size_t size_bytes, mu_error *err)
{
    return mu_file_put(self, bytes, size_bytes, err);
}

static mu_status write_parts(mu_file_writer *file, const mu_blob_part *parts, size_t part_count, mu_blob_encoding encoding,
                             mu_blob_digest *digest, uint64_t *size_bytes, mu_error *err)
{
    uint64_t floats = 0;
    for (size_t i = 0; i < part_count; i++)
        floats += parts[i].count;
    mu_blob_writer *writer;
    mu_status status = mu_blob_writer_create(floats, encoding, into_file, file, &writer, err);
    if (status)
        return status;
    for (size_t i = 0; i < part_count && !status; i++)
        status = mu_blob_writer_put(writer, parts[i].floats, parts[i].count, err);
    if (!status)
        status = mu_blob_writer_finish(writer, digest, size_bytes, err);
    mu_blob_writer_destroy(writer);
    return status;
}

mu_status mu_blob_write_file(const char *path, const mu_blob_part *parts, size_t part_count, mu_blob_encoding encoding, mu_blob_digest *digest,
                             uint64_t *size_bytes, mu_error *err)
{
    mu_file_writer file;
    mu_status status = mu_file_begin(path, &file, err);
    if (status)
        return status;
    status = write_parts(&file, parts, part_count, encoding, digest, size_bytes, err);
    if (!status)
        return mu_file_commit(&file, err);
    mu_file_discard(&file);
    return status;
}

static mu_status into_vector(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    (void)err;
    memcpy((float *)self + first, floats, sizeof *floats * count);
    return MU_OK;
}

mu_status mu_blob_read_file(const char *path, const mu_blob_digest *expected, float *floats, uint64_t count, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    mu_blob_reader *reader = NULL;
    status = mu_blob_reader_create(count, into_vector, floats, &reader, err);
    if (!status)
        status = mu_blob_reader_push(reader, file.data, file.size_bytes, err);
    if (!status)
        status = mu_blob_reader_finish(reader, expected, NULL, err);
    if (status)
        status = mu_error_prefix(err, status, "%s: ", path);
    mu_blob_reader_destroy(reader);
    mu_file_unmap(&file);
    return status;
}
