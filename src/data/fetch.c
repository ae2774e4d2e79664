/* Downloads by libcurl, into NAME.part first. */
#include "data/fetch.h"

#include "base/digest.h"
#include "base/file.h"
#include "muster/version.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct download {
    const mu_fetch_file   *file;
    const mu_fetch_config *config;
    char                  *path, *part;
    int                    fd;         /* of part, locked */
    uint64_t               done_bytes; /* in it */
    bool                   too_much;   /* the server sent more than the file has */
    int                    write_error;
    mu_error              *err;
} download;

mu_fetch_config mu_fetch_config_default(void)
{
    return (mu_fetch_config){ .tries = 5, .redirects_max = 5, .connect_timeout_s = 30, .stall_timeout_s = 60 };
}

/* ---- what libcurl calls ---- */

static size_t take_bytes(char *data, size_t one, size_t count, void *context)
{
    download *d = context;
    size_t left = one * count;
    if (left > d->file->size_bytes - d->done_bytes) {
        d->too_much = true;
        return 0;
    }
    while (left) {
        ssize_t written = pwrite(d->fd, data, left, (off_t)d->done_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            d->write_error = errno;
            return 0;
        }
        data += written;
        left -= (size_t)written;
        d->done_bytes += (uint64_t)written;
    }
    return one * count;
}

static int report(void *context, curl_off_t total_down, curl_off_t down, curl_off_t total_up, curl_off_t up)
{
    download *d = context;
    (void)total_down;
    (void)down;
    (void)total_up;
    (void)up;
    return d->config->progress && !d->config->progress(d->config->context, d->file, d->done_bytes);
}

/* ---- one request ---- */

static void set_up(CURL *curl, download *d, char *why)
{
    const mu_fetch_config *config = d->config;
    const char *protocols = config->allow_http ? "http,https" : "https";
    curl_easy_setopt(curl, CURLOPT_URL, d->file->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)config->redirects_max);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" MU_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)config->connect_timeout_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)config->stall_timeout_s);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)d->done_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, d);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
}

static mu_status start_over(download *d)
{
    d->done_bytes = 0;
    if (ftruncate(d->fd, 0))
        return mu_error_set(d->err, MU_E_IO, "%s: cannot be emptied: %s", d->part, strerror(errno));
    return MU_OK;
}

static mu_status explain(const download *d, CURLcode code, long http_status, const char *why)
{
    const char *url = d->file->url;
    if (d->too_much)
        return mu_error_set(d->err, MU_E_CHECKSUM, "%s: the server sends more than the %llu bytes that the file has", url,
                            (unsigned long long)d->file->size_bytes);
    if (d->write_error)
        return mu_error_set(d->err, MU_E_IO, "%s: cannot be written: %s", d->part, strerror(d->write_error));
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return mu_error_set(d->err, MU_E_INTERRUPTED, "%s: stopped after %llu of %llu bytes; the next download goes on from there", d->file->name,
                            (unsigned long long)d->done_bytes, (unsigned long long)d->file->size_bytes);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return mu_error_set(d->err, MU_E_NETWORK, "%s: the server answered %ld", url, http_status);
    if (code == CURLE_UNSUPPORTED_PROTOCOL)
        return mu_error_set(d->err, MU_E_NETWORK, "%s: not by HTTPS (%s)", url, why);
    return mu_error_set(d->err, MU_E_NETWORK, "%s: %s; %llu of %llu bytes are here, and the next download goes on from there", url,
                        why[0] ? why : curl_easy_strerror(code), (unsigned long long)d->done_bytes,
                        (unsigned long long)d->file->size_bytes);
}

/* Ask for what is still missing. *again: nothing is wrong but the connection, or what the server thought of our wish to resume. */
static mu_status request(download *d, bool *again)
{
    CURL *curl = curl_easy_init();
    char why[CURL_ERROR_SIZE] = "";
    long http_status = 0;
    if (!curl)
        return mu_error_set(d->err, MU_E_MEMORY, "no memory for a download");
    uint64_t before = d->done_bytes;
    d->too_much = false;
    set_up(curl, d, why);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status);
    curl_easy_cleanup(curl);
    *again = false;
    if (code == CURLE_OK && d->done_bytes == d->file->size_bytes)
        return MU_OK;
    /* The server cannot continue, or (416, which libcurl takes for "there is nothing more") not from there. */
    if (before > 0 && (code == CURLE_RANGE_ERROR || http_status == 416)) {
        *again = true;
        return start_over(d);
    }
    if (code == CURLE_OK) {
        code = CURLE_PARTIAL_FILE;
        snprintf(why, sizeof why, "it ended too early");
    }
    bool connection = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
                      code == CURLE_OPERATION_TIMEDOUT || code == CURLE_HTTP2_STREAM || code == CURLE_HTTP2;
    *again = connection && d->done_bytes > before;
    return explain(d, code, http_status, why);
}

/* ---- the file ---- */

/* MU_OK: the content at `path` is the file's. */
static mu_status check(const download *d, const char *path)
{
    struct stat info;
    char sum[MU_SHA256_HEX_BYTES];
    if (stat(path, &info) || (uint64_t)info.st_size != d->file->size_bytes)
        return mu_error_set(d->err, MU_E_CHECKSUM, "%s: has not the %llu bytes that it should", path, (unsigned long long)d->file->size_bytes);
    mu_status status = mu_sha256_file_hex(path, sum, d->err);
    if (!status && strcmp(sum, d->file->sha256) != 0)
        status = mu_error_set(d->err, MU_E_CHECKSUM, "%s: what came from %s has SHA-256 %s, expected %s", d->file->name, d->file->url, sum,
                              d->file->sha256);
    return status;
}

static mu_status open_part(download *d)
{
    struct stat info;
    d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (d->fd < 0 || fstat(d->fd, &info))
        return mu_error_set(d->err, MU_E_IO, "%s: cannot be opened: %s", d->part, strerror(errno));
    if (flock(d->fd, LOCK_EX | LOCK_NB))
        return mu_error_set(d->err, MU_E_STATE, "%s: another download is writing it", d->part);
    d->done_bytes = (uint64_t)info.st_size;
    return d->done_bytes > d->file->size_bytes ? start_over(d) : MU_OK;
}

/* Get what is missing, again after a broken connection, and check the whole. */
static mu_status complete(download *d)
{
    mu_status status = MU_OK;
    bool again = true;
    for (uint32_t i = 0; again && d->done_bytes < d->file->size_bytes; i++) {
        status = request(d, &again);
        again = again && i + 1 < d->config->tries;
    }
    if (!status && d->done_bytes < d->file->size_bytes)
        status = mu_error_set(d->err, MU_E_NETWORK, "%s: not complete after %u tries", d->file->url, d->config->tries);
    if (!status && fsync(d->fd))
        status = mu_error_set(d->err, MU_E_IO, "%s: %s", d->part, strerror(errno));
    return status ? status : check(d, d->part);
}

static mu_status fetch_part(download *d)
{
    mu_status status = open_part(d);
    if (status)
        return status;
    bool resumed = d->done_bytes > 0;
    status = complete(d);
    if (status == MU_E_CHECKSUM && resumed) { /* what lay there may have been the begin of something else */
        status = start_over(d);
        if (!status)
            status = complete(d);
    }
    if (status == MU_E_CHECKSUM)
        unlink(d->part);
    if (!status && rename(d->part, d->path))
        status = mu_error_set(d->err, MU_E_IO, "%s: cannot be renamed to %s: %s", d->part, d->path, strerror(errno));
    return status;
}

mu_status mu_fetch(const mu_fetch_file *file, const char *folder, const mu_fetch_config *config, mu_error *err)
{
    mu_status status = mu_folder_make(folder, err);
    if (status)
        return status;
    download d = { .file = file, .config = config, .fd = -1, .err = err };
    d.path = mu_path_join(folder, file->name);
    size_t part_bytes = d.path ? strlen(d.path) + sizeof ".part" : 0;
    d.part = d.path ? malloc(part_bytes) : NULL;
    if (d.part) {
        snprintf(d.part, part_bytes, "%s.part", d.path);
        if (!mu_file_exists(d.path) || check(&d, d.path))
            status = fetch_part(&d);
    } else {
        status = mu_error_set(err, MU_E_MEMORY, "no memory for a download");
    }
    if (d.fd >= 0)
        close(d.fd);
    free(d.part);
    free(d.path);
    return status;
}

mu_status mu_fetch_all(const mu_fetch_set *set, const char *folder, const mu_fetch_config *config, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < set->file_count && !status; i++)
        status = mu_fetch(&set->files[i], folder, config, err);
    return status;
}
