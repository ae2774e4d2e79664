/* An update's blob on its way into its file. What has come of a chunk lies there and not in memory, so that thousands of slow transfers take little; once all of it has
 * come it is read and looked at. */
#include "net/http_transfer.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mu_transfer {
    mu_transfer_config config;
    mu_blob_reader    *reader;
    int                fd;
    uint64_t           have_bytes;     /* written; the reader has those that it could understand something of */
    double             squared_norm;   /* of the change, as far as it is there */
    mu_status          failed;         /* nothing more is taken */
};

char *mu_transfer_path(const char *folder, uint64_t task, const char *ending)
{
    char name[64];
    snprintf(name, sizeof name, "updates/%llu%s", (unsigned long long)task, ending);
    return mu_path_join(folder, name);
}

void mu_transfer_remove(const char *folder, uint64_t task, const char *ending)
{
    char *path = mu_transfer_path(folder, task, ending);
    if (path)
        unlink(path);
    free(path);
}

/* In eight sums, which the processor adds to side by side. */
static double sum_of_squares(const float *floats, size_t count)
{
    double sums[8] = { 0 };
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sums[lane] += (double)floats[i + lane] * (double)floats[i + lane];
    for (; i < count; i++)
        sums[0] += (double)floats[i] * (double)floats[i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

static mu_status not_finite(uint64_t first, const float *floats, mu_error *err)
{
    size_t i = 0;
    while (isfinite(floats[i]))
        i++;
    return mu_error_set(err, MU_E_RANGE, "float %llu of the update is not finite", (unsigned long long)(first + i));
}

/* Each chunk that is sound: are these numbers that may touch the model? In double precision no square of a float is too large, so a sum that is not finite has a
 * part that is not. */
static mu_status look_at(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    mu_transfer *transfer = self;
    uint64_t change_floats = transfer->config.change_floats;
    size_t of_change = first >= change_floats ? 0 : change_floats - first < count ? (size_t)(change_floats - first) : count;
    double change = sum_of_squares(floats, of_change);
    if (!isfinite(change) || !isfinite(sum_of_squares(floats + of_change, count - of_change)))
        return not_finite(first, floats, err);
    transfer->squared_norm += change;
    if (sqrt(transfer->squared_norm) > transfer->config.norm_max)
        return mu_error_set(err, MU_E_RANGE, "the change is longer than %g, which is the most that is taken", transfer->config.norm_max);
    return MU_OK;
}

static mu_status write_all(int fd, const unsigned char *bytes, size_t size_bytes, uint64_t at)
{
    while (size_bytes) {
        ssize_t written = pwrite(fd, bytes, size_bytes, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return MU_E_IO;
        bytes += written;
        at += (uint64_t)written;
        size_bytes -= (size_t)written;
    }
    return MU_OK;
}

static mu_status read_all(int fd, unsigned char *bytes, size_t size_bytes, uint64_t at)
{
    while (size_bytes) {
        ssize_t got = pread(fd, bytes, size_bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return MU_E_IO;
        bytes += got;
        at += (uint64_t)got;
        size_bytes -= (size_t)got;
    }
    return MU_OK;
}

/* A head, or a chunk: all that the reader wants next, which is there. */
static mu_status push_next(mu_transfer *transfer, size_t size_bytes, mu_error *err)
{
    unsigned char head[64], *bytes = size_bytes <= sizeof head ? head : malloc(size_bytes);
    mu_status status;
    if (!bytes)
        status = mu_error_set(err, MU_E_MEMORY, "no memory to read what has come of an update");
    else if (read_all(transfer->fd, bytes, size_bytes, mu_blob_reader_bytes(transfer->reader)))
        status = mu_error_set(err, MU_E_IO, "what has come of the update of task %llu cannot be read: %s", (unsigned long long)transfer->config.task,
                              strerror(errno));
    else
        status = mu_blob_reader_push(transfer->reader, bytes, size_bytes, err);
    if (bytes != head)
        free(bytes);
    return status;
}

static mu_status look_at_what_came(mu_transfer *transfer, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t wants; !status && (wants = mu_blob_reader_wants(transfer->reader)) <= transfer->have_bytes - mu_blob_reader_bytes(transfer->reader);)
        status = push_next(transfer, wants, err);
    return status;
}

/* Only what is sound stays, in the file as in the reader. */
static mu_status cut(mu_transfer *transfer, mu_error *err)
{
    mu_blob_reader_cut(transfer->reader);
    transfer->have_bytes = mu_blob_reader_sound_bytes(transfer->reader);
    if (ftruncate(transfer->fd, (off_t)transfer->have_bytes))
        return mu_error_set(err, MU_E_IO, "what has come of the update of task %llu cannot be cut: %s", (unsigned long long)transfer->config.task,
                            strerror(errno));
    return MU_OK;
}

static mu_status check_again(mu_transfer *transfer, mu_error *err)
{
    struct stat info;
    if (fstat(transfer->fd, &info))
        return mu_error_set(err, MU_E_IO, "what has come of the update of task %llu cannot be read: %s", (unsigned long long)transfer->config.task,
                            strerror(errno));
    uint64_t there = (uint64_t)info.st_size, most = transfer->config.blob_bytes;
    transfer->have_bytes = there < most ? there : most;
    mu_status status = look_at_what_came(transfer, err);
    return status == MU_E_MEMORY || status == MU_E_IO ? status : cut(transfer, err);
}

/* Was the blob renamed, but its row not written before a kill, it is a part again, and all of it is there. */
static mu_status open_file(mu_transfer *transfer, mu_error *err)
{
    const mu_transfer_config *config = &transfer->config;
    char *part = mu_transfer_path(config->folder, config->task, ".part"), *blob = mu_transfer_path(config->folder, config->task, ".blob");
    mu_status status = MU_OK;
    if (!part || !blob)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the names of an update's files");
    else {
        rename(blob, part); /* there is none, as a rule */
        transfer->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (transfer->fd < 0)
            status = mu_error_set(err, MU_E_IO, "%s: cannot be opened: %s", part, strerror(errno));
    }
    free(part);
    free(blob);
    return status;
}

mu_status mu_transfer_open(const mu_transfer_config *config, mu_transfer **out, mu_error *err)
{
    mu_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return mu_error_set(err, MU_E_MEMORY, "no memory to receive an update");
    transfer->config = *config;
    transfer->fd = -1;
    mu_status status = mu_blob_reader_create(config->floats, look_at, transfer, &transfer->reader, err);
    if (!status)
        status = open_file(transfer, err);
    if (!status)
        status = check_again(transfer, err);
    if (status) {
        if (transfer->fd >= 0)
            close(transfer->fd);
        mu_blob_reader_destroy(transfer->reader);
        free(transfer);
        return status;
    }
    *out = transfer;
    return MU_OK;
}

void mu_transfer_close(mu_transfer *transfer)
{
    if (!transfer)
        return;
    if (transfer->fd >= 0) {
        if (!mu_transfer_is_whole(transfer))
            cut(transfer, NULL); /* where it fails, the next one to open it does it again */
        close(transfer->fd);
    }
    mu_blob_reader_destroy(transfer->reader);
    free(transfer);
}

uint64_t mu_transfer_have_bytes(const mu_transfer *transfer) { return transfer->have_bytes; }

bool mu_transfer_is_whole(const mu_transfer *transfer)
{
    return !transfer->failed && transfer->have_bytes == transfer->config.blob_bytes;
}

mu_status mu_transfer_push(mu_transfer *transfer, const void *bytes, size_t size_bytes, mu_error *err)
{
    if (transfer->failed)
        return mu_error_set(err, transfer->failed, "the transfer has failed before");
    mu_status status = MU_OK;
    if (size_bytes > transfer->config.blob_bytes - transfer->have_bytes)
        status = mu_error_set(err, MU_E_LIMIT, "more bytes came than the %llu that were announced", (unsigned long long)transfer->config.blob_bytes);
    else if (write_all(transfer->fd, bytes, size_bytes, transfer->have_bytes))
        status = mu_error_set(err, MU_E_IO, "the update of task %llu cannot be written: %s", (unsigned long long)transfer->config.task, strerror(errno));
    else {
        transfer->have_bytes += size_bytes;
        status = look_at_what_came(transfer, err);
        if (status == MU_E_LIMIT || status == MU_E_UNSUPPORTED) /* a head that no blob has: sent again it would be no better */
            status = mu_error_prefix(err, MU_E_PARSE, "the update of task %llu: ", (unsigned long long)transfer->config.task);
    }
    if (status) {
        cut(transfer, NULL);
        transfer->failed = status;
    }
    return status;
}

mu_status mu_transfer_finish(mu_transfer *transfer, mu_error *err)
{
    mu_blob_digest digest;
    mu_status status = mu_blob_reader_finish(transfer->reader, &transfer->config.digest, &digest, err);
    if (status)
        return mu_error_prefix(err, status == MU_E_CHECKSUM ? MU_E_PARSE : status, "the update of task %llu: ", (unsigned long long)transfer->config.task);
    if (fsync(transfer->fd))
        return mu_error_set(err, MU_E_IO, "the update of task %llu cannot be synced: %s", (unsigned long long)transfer->config.task, strerror(errno));
    close(transfer->fd);
    transfer->fd = -1;
    char *part = mu_transfer_path(transfer->config.folder, transfer->config.task, ".part");
    char *blob = mu_transfer_path(transfer->config.folder, transfer->config.task, ".blob");
    char *folder = mu_path_join(transfer->config.folder, "updates");
    int at = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!part || !blob || at < 0 || rename(part, blob) || fsync(at))
        status = mu_error_set(err, MU_E_IO, "the update of task %llu cannot be named: %s", (unsigned long long)transfer->config.task, strerror(errno));
    if (at >= 0)
        close(at);
    free(part);
    free(blob);
    free(folder);
    return status;
}
