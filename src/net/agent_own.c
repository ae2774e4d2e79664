/* What a device keeps from task to task, vectors that its method changes when an update of its own was merged, each exactly once.
 *
 *   acknowledged    update.blob is renamed to settle-TASK.blob: what it sent beside the change is in there. So it is when nobody waits for the task any
 *                   more: it may have been acknowledged, and merged, without the device's having heard
 *   merged          own is written anew, changed, with the task among those taken in; then settle-TASK.blob is removed
 *
 * Killed between the two steps of the second, the device sees the blob again but also the task among those taken in. */
#include "net/agent.h"

#include "net/blob.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Updates that wait to be merged; one that was lost at the coordinator waits for ever, so the oldest make place. */
enum { EXPECTED_MAX = 32 };

static void blob_name(uint64_t task, char name[48])
{
    snprintf(name, 48, "settle-%llu.blob", (unsigned long long)task);
}

/* ---- the vectors ---- */

typedef struct own_head {
    char     job[65]; /* that the vectors are of */
    char     unused[7];
    uint64_t takings, settled[MU_AGENT_SETTLED_MAX];
} own_head;

static bool has_own(const mu_agent *agent)
{
    return agent->job.vectors.own > 0 && agent->job.method->how->settled;
}

static mu_status put_own(const mu_agent *agent, mu_error *err)
{
    const mu_agent_own *own = &agent->own;
    own_head head = { .takings = own->takings };
    memcpy(head.job, agent->job_digest, sizeof head.job);
    memcpy(head.settled, own->settled, sizeof head.settled);
    return mu_agent_folder_put(agent->folder, "own", (mu_agent_piece[]){ { &head, sizeof head }, { own->floats, own->count * sizeof *own->floats } }, 2, err);
}

mu_status mu_agent_own_load(mu_agent *agent, mu_error *err)
{
    mu_agent_own *own = &agent->own;
    unsigned char *bytes = NULL;
    size_t size_bytes, count = agent->job.vectors.own * mu_model_state_count(agent->job.model);
    mu_agent_own_release(own);
    if (count == 0)
        return MU_OK;
    own->count = count;
    own->floats = calloc(count, sizeof *own->floats);
    if (!own->floats)
        return mu_error_set(err, MU_E_MEMORY, "no memory for what the device keeps: %zu numbers", count);
    mu_status status = mu_agent_folder_get(agent->folder, "own", sizeof(own_head) + count * sizeof(float), &bytes, &size_bytes, err);
    if (status == MU_E_CHECKSUM)
        return mu_error_prefix(err, status, "what the device keeps from task to task is lost; remove the file to begin with nothing: ");
    own_head head;
    if (!status && bytes && size_bytes == sizeof head + count * sizeof(float)) {
        memcpy(&head, bytes, sizeof head);
        if (memcmp(head.job, agent->job_digest, sizeof head.job) == 0) {
            own->takings = head.takings;
            memcpy(own->settled, head.settled, sizeof own->settled);
            memcpy(own->floats, bytes + sizeof head, count * sizeof(float));
        }
    }
    free(bytes);
    return status;
}

void mu_agent_own_release(mu_agent_own *own)
{
    free(own->floats);
    *own = (mu_agent_own){ 0 };
}

/* ---- updates that may be merged ---- */

bool mu_agent_own_expects(const mu_agent *agent, uint64_t task)
{
    char name[48];
    blob_name(task, name);
    return mu_agent_folder_has(agent->folder, name);
}

/* *oldest: the smallest task number; tasks are numbered as they are sent. */
static size_t count_expected(const mu_agent *agent, uint64_t *oldest)
{
    DIR *dir = opendir(mu_agent_folder_path(agent->folder));
    size_t count = 0;
    unsigned long long task;
    *oldest = UINT64_MAX;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        int length = 0;
        if (sscanf(entry->d_name, "settle-%llu.blob%n", &task, &length) != 1 || length == 0 || entry->d_name[length])
            continue;
        count++;
        if (task < *oldest)
            *oldest = task;
    }
    if (dir)
        closedir(dir);
    return count;
}

mu_status mu_agent_own_expect(mu_agent *agent, uint64_t task, mu_error *err)
{
    char name[48];
    uint64_t oldest;
    mu_status status = MU_OK;
    if (!has_own(agent))
        return MU_OK;
    while (!status && count_expected(agent, &oldest) >= EXPECTED_MAX) {
        blob_name(oldest, name);
        status = mu_agent_folder_remove(agent->folder, name, err);
    }
    blob_name(task, name);
    return status ? status : mu_agent_folder_rename(agent->folder, "update.blob", name, err);
}

/* ---- merged ---- */

/* What was sent beside the change, out of the update's blob. */
typedef struct sent_part {
    float   *floats;
    uint64_t first, count; /* of them in the blob */
} sent_part;

static mu_status take_sent(void *self, uint64_t first, const float *floats, size_t count, mu_error *err)
{
    sent_part *part = self;
    (void)err;
    for (size_t i = 0; i < count; i++)
        if (first + i >= part->first && first + i < part->first + part->count)
            part->floats[first + i - part->first] = floats[i];
    return MU_OK;
}

static mu_status read_sent(const mu_agent *agent, const char *name, sent_part *part, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    unsigned char bytes[16384];
    mu_blob_reader *reader;
    mu_agent_folder_name(agent->folder, name, path);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return mu_error_set(err, MU_E_IO, "%s: cannot be opened", path);
    mu_status status = mu_blob_reader_create(part->first + part->count, take_sent, part, &reader, err);
    for (size_t got; !status && (got = fread(bytes, 1, sizeof bytes, file)) > 0;)
        status = mu_blob_reader_push(reader, bytes, got, err);
    if (!status)
        status = mu_blob_reader_finish(reader, NULL, NULL, err);
    mu_blob_reader_destroy(reader);
    fclose(file);
    return status;
}

static bool was_taken_in(const mu_agent_own *own, uint64_t task)
{
    return mu_agent_is_in(task, own->settled, own->takings < MU_AGENT_SETTLED_MAX ? own->takings : MU_AGENT_SETTLED_MAX);
}

static mu_status take_in(mu_agent *agent, const char *name, uint64_t task, mu_error *err)
{
    const size_t count = mu_model_state_count(agent->job.model);
    const uint32_t sent_vectors = agent->job.vectors.sent;
    sent_part part = { .first = count, .count = (uint64_t)sent_vectors * count };
    const float *sent[MU_VECTORS_MAX];
    float *own[MU_VECTORS_MAX];
    part.floats = calloc(part.count + 1, sizeof *part.floats);
    if (!part.floats)
        return mu_error_set(err, MU_E_MEMORY, "no memory for what was sent with task %llu", (unsigned long long)task);
    for (uint32_t i = 0; i < sent_vectors; i++)
        sent[i] = part.floats + i * count;
    for (uint32_t i = 0; i < agent->job.vectors.own; i++)
        own[i] = agent->own.floats + i * count;
    mu_status status = read_sent(agent, name, &part, err);
    if (!status) {
        agent->job.method->how->settled(agent->job.state, own, sent, count);
        agent->own.settled[agent->own.takings++ % MU_AGENT_SETTLED_MAX] = task;
        status = put_own(agent, err);
    } else if (status == MU_E_CHECKSUM || status == MU_E_PARSE) {
        mu_agent_say(agent, MU_JOIN_REFUSED, "what the device should keep of task %llu is damaged and passed over: %s", (unsigned long long)task, err->message);
        status = MU_OK;
    }
    free(part.floats);
    return status;
}

mu_status mu_agent_own_settle(mu_agent *agent, uint64_t task, mu_error *err)
{
    char name[48];
    mu_status status = MU_OK;
    if (agent->work.is_finished && agent->work.task.id == task) /* the word that it has arrived was lost */
        status = mu_agent_acknowledged(agent, err);
    blob_name(task, name);
    if (!status && has_own(agent) && mu_agent_folder_has(agent->folder, name) && !was_taken_in(&agent->own, task))
        status = take_in(agent, name, task, err);
    if (!status)
        status = mu_agent_folder_remove(agent->folder, name, err);
    if (!status && agent->settled_seen_count < MU_AGENT_SETTLED_MAX && !mu_agent_is_in(task, agent->settled_seen, agent->settled_seen_count))
        agent->settled_seen[agent->settled_seen_count++] = task;
    return status;
}
