/* The start of a task: fetched as it comes, checked chunk by chunk, gone on with where it was cut. */
#include "net/agent.h"

#include "base/clock.h"
#include "net/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So often in a row may what comes be damaged before the task is given back. */
enum { DAMAGED_MAX = 4 };

typedef struct fetching {
    const mu_agent *agent;
    mu_blob_reader *reader;
    char            path[MU_AGENT_PATH_BYTES];
    int             fd;
    bool            is_damaged; /* what came */
} fetching;

static mu_status begin_reader(fetching *f, mu_error *err)
{
    mu_blob_reader_destroy(f->reader);
    f->reader = NULL;
    return mu_blob_reader_create(f->agent->work.task.start_floats, NULL, NULL, &f->reader, err);
}

/* Back to the last chunk that was sound. */
static mu_status cut(fetching *f, mu_error *err)
{
    uint64_t sound_bytes = mu_blob_reader_sound_bytes(f->reader);
    mu_blob_reader_cut(f->reader);
    if (ftruncate(f->fd, (off_t)sound_bytes) || lseek(f->fd, (off_t)sound_bytes, SEEK_SET) < 0)
        return mu_error_set(err, MU_E_IO, "%s: cannot be cut: %s", f->path, strerror(errno));
    return MU_OK;
}

static mu_status begin_again(fetching *f, mu_error *err)
{
    mu_status status = begin_reader(f, err);
    return status ? status : cut(f, err);
}

/* What is there already. */
static mu_status open_part(fetching *f, mu_error *err)
{
    unsigned char bytes[16384];
    mu_agent_folder_name(f->agent->folder, "start.part", f->path);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->fd < 0)
        return mu_error_set(err, MU_E_IO, "%s: cannot be opened: %s", f->path, strerror(errno));
    mu_status status = begin_reader(f, err);
    if (status)
        return status;
    ssize_t got = 0;
    while (!status && ((got = read(f->fd, bytes, sizeof bytes)) > 0 || (got < 0 && errno == EINTR)))
        if (got > 0)
            status = mu_blob_reader_push(f->reader, bytes, (size_t)got, err);
    return status == MU_E_MEMORY ? status : cut(f, err);
}

/* ---- what comes ---- */

static mu_status fetched_from(void *self, uint64_t first, mu_error *err)
{
    fetching *f = self;
    return first == mu_blob_reader_sound_bytes(f->reader) ? MU_OK : begin_again(f, err);
}

static mu_status fetched(void *self, const void *bytes, size_t size_bytes, mu_error *err)
{
    fetching *f = self;
    const unsigned char *at = bytes;
    mu_status status = mu_blob_reader_push(f->reader, bytes, size_bytes, err);
    f->is_damaged = status && status != MU_E_MEMORY;
    for (size_t left = size_bytes; !status && left;) {
        ssize_t written = write(f->fd, at, left);
        if (written < 0 && errno != EINTR)
            status = mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", f->path, strerror(errno));
        if (written > 0) {
            at += written;
            left -= (size_t)written;
        }
    }
    return status;
}

/* ---- one try after the other ---- */

/* *outcome: GRANTED: more of it is here, or all; REFUSED: nobody has it any more. */
static mu_status try_to_fetch(mu_agent *agent, fetching *f, double *again_s, mu_agent_reply *outcome, mu_error *err)
{
    char path[128];
    mu_client_sink sink = { .self = f, .begin = fetched_from, .take = fetched };
    mu_client_request request = { .path = path, .sink = &sink, .first = mu_blob_reader_sound_bytes(f->reader) };
    mu_client_answer answer;
    snprintf(path, sizeof path, "/v1/blobs/%s?encoding=%s", agent->work.task.start_digest, mu_blob_encoding_name(MU_BLOB_ZSTD));
    double began_s = mu_clock_monotonic_s();
    f->is_damaged = false;
    mu_status status = mu_agent_ask_once(agent, &request, &answer, outcome, err);
    agent->work.cost.download_s += mu_clock_monotonic_s() - began_s;
    agent->work.cost.bytes_down += answer.received_bytes;
    *again_s = answer.again_s;
    bool is_cut_wrong = answer.status == 416; /* there is not so much of it: what is here is of something else */
    mu_client_answer_release(&answer);
    if (f->is_damaged) { /* the sink has refused it, which is not the end of the agent */
        *outcome = MU_AGENT_LATER;
        status = MU_OK;
    } else if (!status && is_cut_wrong) {
        *outcome = MU_AGENT_LATER;
        status = begin_again(f, err);
    }
    return status ? status : cut(f, err);
}

static bool is_whole(const fetching *f, mu_status *status)
{
    mu_blob_digest digest;
    if (!mu_blob_digest_from_hex(f->agent->work.task.start_digest, &digest))
        return false;
    *status = mu_blob_reader_finish(f->reader, &digest, NULL, NULL);
    return *status == MU_OK;
}

/* *gone: nobody wants the task done any more. */
static mu_status fetch(mu_agent *agent, fetching *f, bool *gone, mu_error *err)
{
    int damaged = 0;
    mu_status found = MU_OK, status = MU_OK;
    while (!status && !is_whole(f, &found)) {
        mu_agent_reply outcome = MU_AGENT_LATER;
        double again_s = 0;
        if (found == MU_E_CHECKSUM) { /* each chunk is sound, and all together they are something else */
            f->is_damaged = true;
            status = begin_again(f, err);
        }
        damaged += f->is_damaged;
        if (damaged > DAMAGED_MAX)
            return MU_OK;
        if (!status)
            status = mu_agent_wait_allowed(agent, MU_AGENT_SENDS, err);
        if (!status)
            status = try_to_fetch(agent, f, &again_s, &outcome, err);
        *gone = !status && outcome == MU_AGENT_REFUSED;
        if (*gone)
            return MU_OK;
        if (!status && outcome == MU_AGENT_LATER)
            status = mu_agent_back_off(agent, again_s, err);
    }
    return status;
}

mu_status mu_agent_fetch(mu_agent *agent, mu_error *err)
{
    fetching f = { .agent = agent, .fd = -1 };
    bool gone = false;
    mu_status found = MU_OK, status = open_part(&f, err);
    if (!status)
        status = fetch(agent, &f, &gone, err);
    bool whole = !status && !gone && is_whole(&f, &found);
    if (whole && fsync(f.fd))
        status = mu_error_set(err, MU_E_IO, "%s: %s", f.path, strerror(errno));
    if (f.fd >= 0)
        close(f.fd);
    mu_blob_reader_destroy(f.reader);
    if (status)
        return status;
    if (gone) {
        mu_agent_say(agent, MU_JOIN_CANCELLED, "%s", err->message);
        return mu_agent_work_drop(agent, err);
    }
    if (!whole)
        return mu_agent_work_fail(agent, "what the task starts from came damaged again and again", err);
    status = mu_agent_work_keep_cost(agent, err);
    if (!status)
        status = mu_agent_folder_rename(agent->folder, "start.part", "start", err);
    if (!status)
        mu_agent_tell(agent, MU_JOIN_DOWNLOADED, &(mu_join_event){ .loss = NAN, .seconds = agent->work.cost.download_s, .bytes = agent->work.cost.bytes_down });
    return status;
}
