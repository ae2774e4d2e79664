/* Group commit. A sync takes as long for one change as for a hundred, so changes queue up while a transaction is being committed, and the next one takes all of
 * them along. Nobody is kept for this: the first who comes while nobody commits leads, and when he is done asks the first of those who have come since. */
#include "net/store_sqlite.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define SEEN_A_TRANSACTION 256u /* so that a change does not wait for ten thousand devices' */

/* On the stack of whoever asks for it. */
typedef struct mu_store_change {
    struct mu_store_change *next;
    mu_store_apply *apply;
    void           *what;
    mu_error       *err;
    mu_status       status;
    bool            done, leads;
    pthread_cond_t  turn; /* done, or leads */
} change;

/* With the connection held. A savepoint around each change: one that fails is undone, and does not undo the others. */
static mu_status apply_one(mu_store *store, change *at)
{
    mu_status status = mu_store_step(store, mu_store_prepared(store, MU_SQL_SAVE), NULL, at->err);
    if (status)
        return status;
    status = at->apply(store, at->what, at->err);
    for (size_t i = MU_SQL_SET_FACT; i < MU_SQL_COUNT; i++)
        sqlite3_reset(store->statements[i]); /* one that stands on a row would be in the commit's way */
    if (status && !sqlite3_get_autocommit(store->db) && mu_store_step(store, mu_store_prepared(store, MU_SQL_UNDO), NULL, NULL))
        mu_store_step(store, mu_store_prepared(store, MU_SQL_ROLLBACK), NULL, NULL); /* rather nobody's change than half of one */
    mu_status kept = sqlite3_get_autocommit(store->db) ? MU_OK : mu_store_step(store, mu_store_prepared(store, MU_SQL_KEEP), NULL, status ? NULL : at->err);
    return status ? status : kept;
}

/* Every change gets its status. What cannot be committed is no change's success: SQLite undoes all of a transaction when the disk is full, say. */
static void commit(mu_store *store, change *batch)
{
    mu_error  error = { 0 };
    mu_status failed = mu_store_step(store, mu_store_prepared(store, MU_SQL_BEGIN), NULL, &error);
    for (change *at = batch; at && !failed; at = at->next) {
        mu_error own = { 0 };
        mu_error *asked = at->err;
        at->err = &own;
        at->status = apply_one(store, at);
        at->err = asked;
        if (at->status && asked)
            *asked = own;
        if (sqlite3_get_autocommit(store->db)) {
            failed = at->status ? at->status : MU_E_IO;
            error = own;
        }
    }
    if (!failed) {
        mu_store_write_seen(store, SEEN_A_TRANSACTION);
        failed = mu_store_step(store, mu_store_prepared(store, MU_SQL_COMMIT), NULL, &error);
    }
    if (!failed)
        return;
    if (!sqlite3_get_autocommit(store->db))
        mu_store_step(store, mu_store_prepared(store, MU_SQL_ROLLBACK), NULL, NULL);
    for (change *at = batch; at; at = at->next)
        if (!at->status)
            at->status = mu_error_set(at->err, failed, "%s", error.message);
}

/* Commits what is there, and hands on. The queue is held before and after. */
static void lead(mu_store *store, change *self)
{
    change *batch = store->first;
    store->first = NULL;
    store->end = &store->first;
    pthread_mutex_unlock(&store->queue);
    mu_store_lock(store);
    commit(store, batch);
    mu_store_unlock(store);
    pthread_mutex_lock(&store->queue);
    while (batch) {
        change *at = batch;
        batch = at->next; /* once it is done its owner may go, as soon as the queue is let go */
        at->done = true;
        if (at != self)
            pthread_cond_signal(&at->turn);
    }
    store->led = store->first != NULL;
    if (store->led) {
        store->first->leads = true;
        pthread_cond_signal(&store->first->turn);
    }
}

mu_status mu_store_change(mu_store *store, mu_store_apply *apply, void *what, mu_error *err)
{
    change self = { .apply = apply, .what = what, .err = err };
    pthread_cond_init(&self.turn, NULL);
    pthread_mutex_lock(&store->queue);
    *store->end = &self;
    store->end = &self.next;
    if (!store->led)
        store->led = self.leads = true;
    while (!self.done && !self.leads)
        pthread_cond_wait(&self.turn, &store->queue);
    if (!self.done)
        lead(store, &self);
    pthread_mutex_unlock(&store->queue);
    pthread_cond_destroy(&self.turn);
    return self.status;
}

mu_status mu_store_change_as_owner(mu_store *store, const char *doing, mu_store_apply *apply, void *what, mu_error *err)
{
    if (store->role != MU_STORE_OWNER)
        return mu_error_set(err, MU_E_STATE, "store '%s' is open as a guest's: only the coordinator that owns it %s", store->path, doing);
    return mu_store_change(store, apply, what, err);
}

/* ---- when devices were last seen ---- */

static bool make_room(mu_store_seen *seen, uint32_t device)
{
    uint32_t capacity = seen->capacity ? seen->capacity : 64;
    while (capacity <= device)
        capacity *= 2;
    int64_t *at_s = calloc(capacity, sizeof *at_s);
    uint32_t *changed = calloc(capacity, sizeof *changed);
    if (!at_s || !changed) {
        free(at_s);
        free(changed);
        return false;
    }
    if (seen->capacity) {
        memcpy(at_s, seen->at_s, seen->capacity * sizeof *at_s);
        memcpy(changed, seen->changed, seen->count * sizeof *changed);
    }
    free(seen->at_s);
    free(seen->changed);
    *seen = (mu_store_seen){ .at_s = at_s, .changed = changed, .capacity = capacity, .count = seen->count };
    return true;
}

void mu_store_note_seen(mu_store *store, uint32_t device, int64_t now_s)
{
    if (device >= MU_LIMIT_DEVICES || now_s <= 0)
        return;
    pthread_mutex_lock(&store->queue);
    mu_store_seen *seen = &store->seen;
    if (device < seen->capacity || make_room(seen, device)) { /* without memory nobody learns of it, and nothing else is lost */
        if (!seen->at_s[device])
            seen->changed[seen->count++] = device;
        if (now_s > seen->at_s[device])
            seen->at_s[device] = now_s;
    }
    pthread_mutex_unlock(&store->queue);
}

void mu_store_write_seen(mu_store *store, uint32_t most)
{
    for (; most; most--) {
        pthread_mutex_lock(&store->queue);
        mu_store_seen *seen = &store->seen;
        uint32_t       device = 0;
        int64_t        at_s = 0;
        if (seen->count) {
            device = seen->changed[--seen->count];
            at_s = seen->at_s[device];
            seen->at_s[device] = 0;
        }
        pthread_mutex_unlock(&store->queue);
        if (!at_s)
            return;
        sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_SEEN);
        sqlite3_bind_int64(statement, 1, device);
        sqlite3_bind_int64(statement, 2, at_s);
        mu_store_step(store, statement, NULL, NULL); /* for people: where this cannot be written, a change will say so */
    }
}

int64_t mu_store_last_seen(mu_store *store, uint32_t device)
{
    pthread_mutex_lock(&store->queue);
    int64_t at_s = device < store->seen.capacity ? store->seen.at_s[device] : 0;
    pthread_mutex_unlock(&store->queue);
    return at_s;
}
