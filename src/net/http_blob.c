/* Blobs going out: from their file, in ranges, so that nothing whole is in memory.
 *
 * The plain file is there before any task names it. Another encoding is made beside it when a device first asks for it: one worker makes it, and whoever else
 * wants it meanwhile waits, suspended, since thousands ask at the same moment and sending it plain to all but one of them would be the larger cost. Where it
 * cannot be made, the plain one is sent: a blob says in its head how it is encoded. */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One TLS record. */
#define PIECE_BYTES 16384

/* A file that is being made, with those who wait for it. */
typedef struct making {
    mu_job            job;
    mu_link           link; /* in `under_way` or `done` */
    mu_http          *http;
    char             *plain, *path;
    char              digest_hex[MU_BLOB_DIGEST_HEX_BYTES];
    mu_blob_encoding  encoding;
    mu_link           waiting; /* requests */
} making;

struct mu_http_blobs {
    pthread_mutex_t lock;
    mu_link         under_way, done; /* a job that is done is put away when the next one begins: its worker may still be leaving it */
};

mu_status mu_http_blobs_create(mu_http_blobs **out, mu_error *err)
{
    mu_http_blobs *blobs = calloc(1, sizeof *blobs);
    if (!blobs)
        return mu_error_set(err, MU_E_MEMORY, "no memory for blobs");
    pthread_mutex_init(&blobs->lock, NULL);
    mu_link_list_init(&blobs->under_way);
    mu_link_list_init(&blobs->done);
    *out = blobs;
    return MU_OK;
}

static making *making_at(mu_link *at) { return mu_link_around(at, offsetof(making, link)); }

static void making_destroy(making *made)
{
    free(made->plain);
    free(made->path);
    free(made);
}

static void put_away_done(mu_http_blobs *blobs, mu_pool *workers)
{
    while (blobs->done.next != &blobs->done) {
        making *made = making_at(blobs->done.next);
        mu_link_remove(&made->link);
        mu_pool_wait(workers, &made->job);
        making_destroy(made);
    }
}

void mu_http_blobs_destroy(mu_http_blobs *blobs, mu_pool *workers)
{
    if (!blobs)
        return;
    put_away_done(blobs, workers);
    pthread_mutex_destroy(&blobs->lock);
    free(blobs);
}

/* ---- another encoding ---- */

static mu_status write_floats(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    (void)first;
    return mu_blob_writer_put(self, floats, count, err);
}

static mu_status write_bytes(void *self, const void *bytes, size_t size_bytes, mu_error *err) { return mu_file_put(self, bytes, size_bytes, err); }

static mu_status encode_into(const mu_file *plain, mu_blob_encoding encoding, mu_file_writer *file, mu_error *err)
{
    if (plain->size_bytes < MU_BLOB_HEAD_BYTES)
        return mu_error_set(err, MU_E_PARSE, "a blob of %zu bytes has no head", plain->size_bytes);
    uint64_t floats = 0;
    for (int i = 0; i < 8; i++)
        floats |= (uint64_t)plain->data[8 + i] << 8 * i;
    mu_blob_writer *writer = NULL;
    mu_blob_reader *reader = NULL;
    mu_status status = mu_blob_writer_create(floats, encoding, write_bytes, file, &writer, err);
    if (!status)
        status = mu_blob_reader_create(floats, write_floats, writer, &reader, err);
    if (!status)
        status = mu_blob_reader_push(reader, plain->data, plain->size_bytes, err);
    mu_blob_digest digest;
    uint64_t size_bytes;
    if (!status)
        status = mu_blob_reader_finish(reader, NULL, &digest, err);
    if (!status)
        status = mu_blob_writer_finish(writer, &digest, &size_bytes, err);
    mu_blob_reader_destroy(reader);
    mu_blob_writer_destroy(writer);
    return status;
}

static mu_status encode(const making *made, mu_error *err)
{
    mu_file plain;
    mu_status status = mu_file_map(made->plain, &plain, err);
    if (status)
        return status;
    mu_file_writer file;
    status = mu_file_begin(made->path, &file, err);
    if (!status) {
        status = encode_into(&plain, made->encoding, &file, err);
        if (status)
            mu_file_discard(&file);
        else
            status = mu_file_commit(&file, err);
    }
    mu_file_unmap(&plain);
    return status;
}

static void make(mu_job *job, uint32_t worker)
{
    (void)worker;
    making *made = mu_link_around((mu_link *)(void *)job, offsetof(making, job));
    mu_http_blobs *blobs = made->http->blobs;
    mu_error err;
    char *still = NULL;
    if (encode(made, &err))
        mu_http_note_problem(made->http, MU_STORE_ANY_DEVICE, MHD_HTTP_SERVICE_UNAVAILABLE, "encoding");
    else if (!mu_desk_find_start(made->http->config.desk, made->digest_hex, &still))
        unlink(made->path); /* all its tasks have ended meanwhile, and what lay beside it was swept away */
    free(still);
    mu_link waiting;
    mu_link_list_init(&waiting);
    pthread_mutex_lock(&blobs->lock);
    mu_link_remove(&made->link);
    mu_link_append(&blobs->done, &made->link);
    while (made->waiting.next != &made->waiting) {
        mu_link *at = made->waiting.next;
        mu_link_remove(at);
        mu_link_append(&waiting, at);
    }
    pthread_mutex_unlock(&blobs->lock);
    while (waiting.next != &waiting) {
        mu_link *at = waiting.next;
        mu_link_remove(at);
        mu_http_resume(mu_link_around(at, offsetof(mu_http_request, link)));
    }
}

static making *find_making(mu_http_blobs *blobs, const char *digest_hex, mu_blob_encoding encoding)
{
    for (mu_link *at = blobs->under_way.next; at != &blobs->under_way; at = at->next)
        if (making_at(at)->encoding == encoding && !strcmp(making_at(at)->digest_hex, digest_hex))
            return making_at(at);
    return NULL;
}

static making *begin_making(mu_http *http, const char *plain, const char *path, const char *digest_hex, mu_blob_encoding encoding)
{
    put_away_done(http->blobs, http->workers);
    making *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    *made = (making){ .job.run = make, .http = http, .plain = strdup(plain), .path = strdup(path), .encoding = encoding };
    memcpy(made->digest_hex, digest_hex, sizeof made->digest_hex);
    if (!made->plain || !made->path) {
        making_destroy(made);
        return NULL;
    }
    mu_link_list_init(&made->waiting);
    mu_link_append(&http->blobs->under_way, &made->link);
    mu_pool_submit(http->workers, &made->job);
    return made;
}

/* The request waits until the file is made. False: it cannot. */
static bool wait_for(mu_http_request *request, const char *plain, const char *path, mu_blob_encoding encoding)
{
    mu_http_blobs *blobs = request->http->blobs;
    pthread_mutex_lock(&blobs->lock);
    making *under_way = find_making(blobs, request->digest_hex, encoding);
    if (!under_way)
        under_way = begin_making(request->http, plain, path, request->digest_hex, encoding);
    bool waits = under_way && mu_http_suspend(request);
    if (waits)
        mu_link_append(&under_way->waiting, &request->link);
    pthread_mutex_unlock(&blobs->lock);
    return waits;
}

/* ---- sending ---- */

typedef struct sending {
    int      fd;
    uint64_t at;
    mu_http *http;
} sending;

static ssize_t read_piece(void *self, uint64_t position, char *into, size_t most)
{
    const sending *file = self;
    ssize_t got;
    do
        got = pread(file->fd, into, most, (off_t)(file->at + position));
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    atomic_fetch_add(&file->http->bytes_out, (uint64_t)got);
    return got;
}

static void end_sending(void *self)
{
    sending *file = self;
    close(file->fd);
    free(file);
}

/* "bytes=FIRST-" or "bytes=FIRST-LAST"; any other header asks for everything. */
static void read_range(const char *said, uint64_t size_bytes, uint64_t *first, uint64_t *end, bool *is_range)
{
    *first = 0;
    *end = size_bytes;
    *is_range = false;
    if (!said || strncmp(said, "bytes=", 6) || said[6] < '0' || said[6] > '9')
        return;
    char *rest;
    uint64_t from = strtoull(said + 6, &rest, 10);
    if (*rest++ != '-')
        return;
    if (*rest) {
        char *after;
        uint64_t last = strtoull(rest, &after, 10);
        if (*rest < '0' || *rest > '9' || *after || last < from)
            return;
        *end = last < size_bytes ? last + 1 : size_bytes;
    }
    *first = from;
    *is_range = true;
}

static void refuse_range(mu_http_request *request, uint64_t size_bytes)
{
    mu_http_refuse(request, MHD_HTTP_RANGE_NOT_SATISFIABLE, "range", 0, "the blob has %llu bytes", (unsigned long long)size_bytes);
    char range[64];
    snprintf(range, sizeof range, "bytes */%llu", (unsigned long long)size_bytes);
    MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
}

/* `fd` is taken. */
static void send_file(mu_http_request *request, int fd)
{
    struct stat info;
    sending *file = fstat(fd, &info) ? NULL : malloc(sizeof *file);
    if (!file) {
        close(fd);
        mu_http_answer_with(request, 0, NULL);
        return;
    }
    *file = (sending){ .fd = fd, .http = request->http };
    uint64_t size_bytes = (uint64_t)info.st_size, end;
    bool is_range;
    read_range(MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE), size_bytes, &file->at, &end, &is_range);
    if (is_range && file->at >= size_bytes) {
        end_sending(file);
        refuse_range(request, size_bytes);
        return;
    }
    char tag[MU_BLOB_DIGEST_HEX_BYTES + 2], range[96];
    snprintf(tag, sizeof tag, "\"%s\"", request->digest_hex);
    snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)file->at, (unsigned long long)end - 1, (unsigned long long)size_bytes);
    struct MHD_Response *response = MHD_create_response_from_callback(end - file->at, PIECE_BYTES, read_piece, file, end_sending);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, tag);
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
        request->answer_bytes = end - file->at;
        if (is_range)
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    } else
        end_sending(file);
    mu_http_answer_with(request, is_range ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response);
}

/* "blobs/DIGEST.zstd" for "blobs/DIGEST.plain". */
static char *path_in(const char *plain, mu_blob_encoding encoding)
{
    const char *dot = strrchr(plain, '.'), *name = mu_blob_encoding_name(encoding);
    size_t stem = (size_t)(dot - plain) + 1;
    char  *path = malloc(stem + strlen(name) + 1);
    if (path) {
        memcpy(path, plain, stem);
        strcpy(path + stem, name);
    }
    return path;
}

/* `may_wait` false: what is not there is not waited for any more. */
static void send_blob(mu_http_request *request, bool may_wait)
{
    const char *name;
    mu_blob_encoding encoding = MU_BLOB_PLAIN;
    if (mu_http_argument(request, "encoding", &name) && !mu_blob_encoding_named(name, &encoding)) {
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "there is no encoding '%.32s': plain, deflate, zstd", name);
        return;
    }
    char *plain;
    if (!mu_desk_find_start(request->http->config.desk, request->digest_hex, &plain)) {
        mu_http_refuse(request, MHD_HTTP_NOT_FOUND, "no-such-blob", 0, "no open task starts from a blob of that digest");
        return;
    }
    char *path = path_in(plain, encoding);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 && path && errno == ENOENT && encoding != MU_BLOB_PLAIN && may_wait && wait_for(request, plain, path, encoding)) {
        free(path);
        free(plain);
        return;
    }
    if (fd < 0)
        fd = open(plain, O_RDONLY | O_CLOEXEC);
    free(path);
    free(plain);
    if (fd >= 0)
        send_file(request, fd);
    else
        mu_http_refuse_trouble(request, &(mu_error){ .status = errno == ENOMEM ? MU_E_MEMORY : MU_E_IO });
}

void mu_http_blob(mu_http_request *request) { send_blob(request, true); }
void mu_http_blob_resumed(mu_http_request *request) { send_blob(request, false); }
