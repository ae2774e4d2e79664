/* Two tables of chains. A device has one task or two at a time, so what suffices for all devices is known and nothing has to grow. */
#include "net/desk_tasks.h"

#include <stdlib.h>
#include <string.h>

mu_status mu_desk_tasks_init(mu_desk_tasks *tasks, uint32_t devices, mu_error *err)
{
    *tasks = (mu_desk_tasks){ .bucket_count = 64 };
    while (tasks->bucket_count < devices)
        tasks->bucket_count *= 2;
    tasks->entries = calloc(tasks->bucket_count, sizeof tasks->entries[0]);
    tasks->starts = calloc(tasks->bucket_count, sizeof tasks->starts[0]);
    if (tasks->entries && tasks->starts)
        return MU_OK;
    mu_desk_tasks_release(tasks);
    return mu_error_set(err, MU_E_MEMORY, "no memory for the tasks of %u devices", devices);
}

void mu_desk_tasks_release(mu_desk_tasks *tasks)
{
    for (size_t i = 0; tasks->entries && i < tasks->bucket_count; i++)
        for (mu_desk_entry *next, *each = tasks->entries[i]; each; each = next) {
            next = each->next;
            free(each->looked.statistics);
            free(each);
        }
    for (size_t i = 0; tasks->starts && i < tasks->bucket_count; i++)
        for (mu_desk_start *next, *each = tasks->starts[i]; each; each = next) {
            next = each->next;
            free(each);
        }
    free(tasks->entries);
    free(tasks->starts);
    *tasks = (mu_desk_tasks){ 0 };
}

static size_t bucket_of(const mu_desk_tasks *tasks, uint64_t id)
{
    return (id * 0x9E3779B97F4A7C15u >> 32) & (tasks->bucket_count - 1); /* Fibonacci hashing: ids count up */
}

static size_t bucket_of_digest(const mu_desk_tasks *tasks, const char *digest_hex)
{
    uint64_t hash = 0xCBF29CE484222325u; /* FNV-1a */
    for (; *digest_hex; digest_hex++)
        hash = (hash ^ (unsigned char)*digest_hex) * 0x100000001B3u;
    return (hash >> 32) & (tasks->bucket_count - 1);
}

mu_desk_entry *mu_desk_tasks_find(const mu_desk_tasks *tasks, uint64_t id)
{
    mu_desk_entry *at = tasks->entries[bucket_of(tasks, id)];
    while (at && at->id != id)
        at = at->next;
    return at;
}

static mu_desk_start *find_start(const mu_desk_tasks *tasks, const char *digest_hex)
{
    mu_desk_start *at = tasks->starts[bucket_of_digest(tasks, digest_hex)];
    while (at && strcmp(at->digest_hex, digest_hex))
        at = at->next;
    return at;
}

const mu_desk_start *mu_desk_tasks_find_start(const mu_desk_tasks *tasks, const char *digest_hex) { return find_start(tasks, digest_hex); }

static mu_desk_start *find_or_add_start(mu_desk_tasks *tasks, const char *digest_hex, const char *path)
{
    mu_desk_start *at = find_start(tasks, digest_hex);
    if (at)
        return at;
    size_t digest_bytes = strlen(digest_hex) + 1, path_bytes = strlen(path) + 1;
    at = malloc(sizeof *at + digest_bytes + path_bytes);
    if (!at)
        return NULL;
    size_t bucket = bucket_of_digest(tasks, digest_hex);
    *at = (mu_desk_start){ .next = tasks->starts[bucket], .bucket = bucket, .digest_hex = at->text, .path = at->text + digest_bytes };
    memcpy(at->text, digest_hex, digest_bytes);
    memcpy(at->text + digest_bytes, path, path_bytes);
    return tasks->starts[bucket] = at;
}

mu_status mu_desk_tasks_add(mu_desk_tasks *tasks, const mu_desk_task *task, mu_desk_entry **out, mu_error *err)
{
    unsigned long long id = task->id;
    if (mu_desk_tasks_find(tasks, task->id))
        return mu_error_set(err, MU_E_STATE, "task %llu of device %u is under way already", id, task->device);
    mu_desk_entry *made = calloc(1, sizeof *made + task->packed_bytes);
    mu_desk_start *start = made ? find_or_add_start(tasks, task->start_digest_hex, task->start_path) : NULL;
    if (!start) {
        free(made);
        return mu_error_set(err, MU_E_MEMORY, "no memory for task %llu of device %u", id, task->device);
    }
    start->tasks++;
    made->start = start;
    made->news.of_task = true;
    made->id = task->id;
    made->info = (mu_desk_task_info){ .device = task->device, .floats_up = task->floats_up, .change_floats = task->change_floats, .classes = task->classes };
    if (task->look) {
        made->info.looks = true;
        made->info.look = *task->look;
    }
    made->packed_bytes = task->packed_bytes;
    memcpy(made->packed, task->packed, task->packed_bytes);
    mu_desk_entry **bucket = &tasks->entries[bucket_of(tasks, task->id)];
    made->next = *bucket;
    *out = *bucket = made;
    return MU_OK;
}

void mu_desk_tasks_close(mu_desk_tasks *tasks, mu_desk_entry *entry, mu_desk_progress progress)
{
    mu_desk_start *start = entry->start;
    entry->progress = progress;
    entry->start = NULL;
    if (--start->tasks)
        return;
    mu_desk_start **at = &tasks->starts[start->bucket];
    while (*at != start)
        at = &(*at)->next;
    *at = start->next;
    free(start);
}

void mu_desk_tasks_remove(mu_desk_tasks *tasks, mu_desk_entry *entry)
{
    mu_desk_entry **at = &tasks->entries[bucket_of(tasks, entry->id)];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    mu_link_remove(&entry->of_device);
    mu_link_remove(&entry->news.link);
    free(entry->looked.statistics);
    free(entry);
}
