/* Which request goes where. */
#include "net/http_internal.h"

#include "base/limits.h"

#include <string.h>

static const mu_http_route routes[] = {
    { "GET", "/v1/hello", .without_session = true, .answer = mu_http_hello },
    { "POST", "/v1/enrol", .without_session = true, .enrols = true, .on_worker = true, .body_bytes_max = MU_LIMIT_MESSAGE_BYTES, .answer = mu_http_enrol },
    { "POST", "/v1/session", .without_session = true, .on_worker = true, .body_bytes_max = MU_LIMIT_MESSAGE_BYTES, .answer = mu_http_open_session },
    { "GET", "/v1/job", .answer = mu_http_job },
    { "POST", "/v1/poll", .body_bytes_max = MU_LIMIT_MESSAGE_BYTES, .answer = mu_http_poll, .resumed = mu_http_poll_resumed },
    { "GET", "/v1/blobs/$", .answer = mu_http_blob, .resumed = mu_http_blob_resumed },
    { "POST", "/v1/tasks/#/update", .on_worker = true, .body_bytes_max = MU_LIMIT_MESSAGE_BYTES, .answer = mu_http_update_announced },
    { "PUT", "/v1/tasks/#/update", .on_worker = true, .begin = mu_http_upload_begin, .take = mu_http_upload_take, .answer = mu_http_upload_end },
    { "POST", "/v1/tasks/#/looked", .on_worker = true, .body_bytes_max = MU_LIMIT_MESSAGE_BYTES, .answer = mu_http_task_looked },
    { "POST", "/v1/tasks/#/failed", .body_bytes_max = MU_LIMIT_MESSAGE_BYTES, .answer = mu_http_task_failed },
    { "POST", "/v1/leave", .answer = mu_http_leave },
};

/* A number as it is written without anything beside it. */
static const char *parse_task(const char *at, uint64_t *task)
{
    uint64_t value = 0;
    const char *begin = at;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return NULL;
        value = 10 * value + digit;
    }
    *task = value;
    return at == begin ? NULL : at;
}

static const char *parse_digest(const char *at, char digest_hex[MU_BLOB_DIGEST_HEX_BYTES])
{
    if (strspn(at, "0123456789abcdef") != MU_BLOB_DIGEST_HEX_BYTES - 1)
        return NULL;
    memcpy(digest_hex, at, MU_BLOB_DIGEST_HEX_BYTES - 1);
    digest_hex[MU_BLOB_DIGEST_HEX_BYTES - 1] = 0;
    return at + MU_BLOB_DIGEST_HEX_BYTES - 1;
}

static bool is_path(const char *pattern, const char *path, uint64_t *task, char *digest_hex)
{
    while (path && *pattern) {
        char wanted = *pattern++;
        if (wanted == '#')
            path = parse_task(path, task);
        else if (wanted == '$')
            path = parse_digest(path, digest_hex);
        else if (*path++ != wanted)
            return false;
    }
    return path && !*path;
}

const mu_http_route *mu_http_find_route(const char *method, const char *path, uint64_t *task, char digest_hex[MU_BLOB_DIGEST_HEX_BYTES])
{
    for (size_t i = 0; i < MU_COUNT(routes); i++)
        if (!strcmp(routes[i].method, method) && is_path(routes[i].path, path, task, digest_hex))
            return &routes[i];
    return NULL;
}
