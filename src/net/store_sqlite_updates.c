/* Updates that were acknowledged, and the journal. */
#include "net/store_sqlite.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---- updates ---- */

static mu_status put_update(mu_store *store, void *what, mu_error *err)
{
    const mu_store_update *update = what;
    unsigned long long     task = update->task;
    sqlite3_stmt          *statement = mu_store_prepared(store, MU_SQL_PUT_UPDATE);
    sqlite3_bind_int64(statement, 1, (int64_t)update->task);
    sqlite3_bind_int64(statement, 2, update->device);
    mu_store_bind_bytes(statement, 3, update->head, update->head_bytes);
    mu_status status = mu_store_step(store, statement, NULL, err);
    if (status || sqlite3_changes(store->db))
        return status;

    statement = mu_store_prepared(store, MU_SQL_FIND_UPDATE);
    sqlite3_bind_int64(statement, 1, (int64_t)update->task);
    bool row;
    status = mu_store_step(store, statement, &row, err);
    if (status || !row)
        return status ? status : mu_store_damaged(store, "an update that is there is not found", err);
    size_t head_bytes = (size_t)sqlite3_column_bytes(statement, 2);
    bool   same = sqlite3_column_int64(statement, 1) == update->device && head_bytes == update->head_bytes &&
                (!head_bytes || !memcmp(sqlite3_column_blob(statement, 2), update->head, head_bytes));
    sqlite3_reset(statement);
    return same ? MU_OK : mu_error_set(err, MU_E_STATE, "another update for task %llu has been accepted already", task);
}

mu_status mu_store_put_update(mu_store *store, const mu_store_update *update, mu_error *err)
{
    if (update->task > INT64_MAX || update->head_bytes > MU_LIMIT_STORE_VALUE_BYTES / 2)
        return mu_error_set(err, MU_E_LIMIT, "an update for task %llu, with a head of %zu bytes, cannot be kept", (unsigned long long)update->task,
                            update->head_bytes);
    mu_store_update copy = *update;
    return mu_store_change_as_owner(store, "takes updates", put_update, &copy, err);
}

/* malloc'ed; NULL: no memory. */
static unsigned char *copy_of(sqlite3_stmt *statement, int column, size_t *size_bytes)
{
    const void    *bytes = sqlite3_column_blob(statement, column);
    unsigned char *copy = NULL;
    *size_bytes = (size_t)sqlite3_column_bytes(statement, column);
    if ((bytes || !*size_bytes) && (copy = malloc(*size_bytes + 1)) && *size_bytes)
        memcpy(copy, bytes, *size_bytes);
    return copy;
}

/* The update for this task, or the next one after it; *head is its head, malloc'ed. With the connection held. */
static mu_status look_up(mu_store *store, mu_store_statement which, int64_t task, mu_store_update *out, unsigned char **head, bool *found,
                         mu_error *err)
{
    sqlite3_stmt *statement = mu_store_prepared(store, which);
    sqlite3_bind_int64(statement, 1, task);
    mu_status status = mu_store_step(store, statement, found, err);
    if (status || !*found)
        return status;
    int64_t  number = sqlite3_column_int64(statement, 0), device = sqlite3_column_int64(statement, 1);
    size_t   head_bytes;
    if (number < 0 || device < 0 || device > UINT32_MAX)
        status = mu_store_damaged(store, "an update's task or device is out of range", err);
    else if (!(*head = copy_of(statement, 2, &head_bytes)))
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the head of task %lld's update", (long long)number);
    else
        *out = (mu_store_update){ .task = (uint64_t)number, .device = (uint32_t)device, .head = *head, .head_bytes = head_bytes };
    sqlite3_reset(statement);
    *found = !status;
    return status;
}

mu_status mu_store_find_update(mu_store *store, uint64_t task, mu_store_update *out, bool *found, mu_error *err)
{
    *found = false;
    if (task > INT64_MAX)
        return MU_OK;
    unsigned char *head = NULL;
    mu_store_lock(store);
    mu_status status = look_up(store, MU_SQL_FIND_UPDATE, (int64_t)task, out, &head, found, err);
    mu_store_unlock(store);
    return status;
}

mu_status mu_store_each_update(mu_store *store, mu_status (*take)(void *self, const mu_store_update *update, mu_error *err), void *self,
                               mu_error *err)
{
    for (int64_t last = INT64_MIN;;) {
        mu_store_update update;
        unsigned char  *head = NULL;
        bool            found;
        mu_store_lock(store);
        mu_status status = look_up(store, MU_SQL_NEXT_UPDATE, last, &update, &head, &found, err);
        mu_store_unlock(store);
        if (!status && found)
            status = take(self, &update, err);
        free(head);
        if (status || !found)
            return status;
        last = (int64_t)update.task;
    }
}

/* ---- the journal ---- */

typedef struct entries {
    const mu_store_event *events;
    size_t                count;
} entries;

static mu_status append_events(mu_store *store, void *what, mu_error *err)
{
    const entries *append = what;
    mu_status      status = MU_OK;
    for (size_t i = 0; i < append->count && !status; i++) {
        const mu_store_event *event = &append->events[i];
        sqlite3_stmt         *statement = mu_store_prepared(store, MU_SQL_APPEND_EVENT);
        sqlite3_bind_int64(statement, 1, event->kind);
        sqlite3_bind_int64(statement, 2, event->at);
        sqlite3_bind_int64(statement, 3, (int64_t)event->task);
        sqlite3_bind_int64(statement, 4, (int64_t)event->label);
        sqlite3_bind_int64(statement, 5, event->device);
        if (event->extra)
            mu_store_bind_bytes(statement, 6, event->extra, event->extra_bytes);
        status = mu_store_step(store, statement, NULL, err);
    }
    return status;
}

mu_status mu_store_append_events(mu_store *store, const mu_store_event *events, size_t count, mu_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (events[i].extra_bytes > MU_LIMIT_STORE_VALUE_BYTES / 2)
            return mu_error_set(err, MU_E_LIMIT, "an event of task %llu with %zu bytes cannot be kept", (unsigned long long)events[i].task,
                                events[i].extra_bytes);
    return mu_store_change_as_owner(store, "writes its journal", append_events, &(entries){ events, count }, err);
}

/* The next event after `last`, which becomes its number. With the connection held. */
static mu_status next_event(mu_store *store, int64_t *last, mu_store_event *out, unsigned char **extra, bool *found, mu_error *err)
{
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_NEXT_EVENT);
    sqlite3_bind_int64(statement, 1, *last);
    mu_status status = mu_store_step(store, statement, found, err);
    if (status || !*found)
        return status;
    int64_t kind = sqlite3_column_int64(statement, 1), device = sqlite3_column_int64(statement, 5);
    *last = sqlite3_column_int64(statement, 0);
    *out = (mu_store_event){ .kind = (uint32_t)kind,
                             .at = sqlite3_column_int64(statement, 2),
                             .task = (uint64_t)sqlite3_column_int64(statement, 3),
                             .label = (uint64_t)sqlite3_column_int64(statement, 4),
                             .device = (uint32_t)device };
    if (kind < 0 || kind > UINT32_MAX || device < 0 || device > UINT32_MAX)
        status = mu_store_damaged(store, "an event's kind or device is out of range", err);
    else if (sqlite3_column_type(statement, 6) != SQLITE_NULL && !(*extra = copy_of(statement, 6, &out->extra_bytes)))
        status = mu_error_set(err, MU_E_MEMORY, "no memory for event %lld of the journal", (long long)*last);
    out->extra = *extra;
    sqlite3_reset(statement);
    return status;
}

mu_status mu_store_each_event(mu_store *store, mu_status (*take)(void *self, const mu_store_event *event, mu_error *err), void *self, mu_error *err)
{
    for (int64_t last = INT64_MIN;;) {
        mu_store_event event;
        unsigned char *extra = NULL;
        bool           found;
        mu_store_lock(store);
        mu_status status = next_event(store, &last, &event, &extra, &found, err);
        mu_store_unlock(store);
        if (!status && found)
            status = take(self, &event, err);
        free(extra);
        if (status || !found)
            return status;
    }
}

typedef struct folded {
    const uint64_t *tasks;
    size_t          count;
} folded;

static mu_status forget(mu_store *store, void *what, mu_error *err)
{
    const folded *in_it = what;
    mu_status     status = mu_store_step(store, mu_store_prepared(store, MU_SQL_FORGET_EVENTS), NULL, err);
    for (size_t i = 0; i < in_it->count && !status; i++) {
        sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_FORGET_UPDATE);
        sqlite3_bind_int64(statement, 1, (int64_t)in_it->tasks[i]);
        status = mu_store_step(store, statement, NULL, err);
    }
    return status;
}

mu_status mu_store_checkpoint(mu_store *store, const uint64_t *tasks, size_t count, mu_error *err)
{
    return mu_store_change_as_owner(store, "forgets what it has in a checkpoint", forget, &(folded){ tasks, count }, err);
}
