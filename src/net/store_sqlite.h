/* The store over SQLite, inside: one connection, its prepared statements, and how changes that come together are committed together. Only for store_sqlite*.c. */
#ifndef MUSTER_NET_STORE_SQLITE_H
#define MUSTER_NET_STORE_SQLITE_H

#include "net/store.h"

#include <pthread.h>
#include <sqlite3.h>

typedef enum mu_store_statement {
    MU_SQL_BEGIN,
    MU_SQL_COMMIT,
    MU_SQL_ROLLBACK,
    MU_SQL_SAVE,
    MU_SQL_KEEP,
    MU_SQL_UNDO,
    MU_SQL_SET_FACT,
    MU_SQL_GET_FACT,
    MU_SQL_IS_NUMBER_SPOKEN_FOR,
    MU_SQL_FORGET_TOKENS,
    MU_SQL_ADD_TOKEN,
    MU_SQL_FIND_TOKEN,
    MU_SQL_USE_TOKEN,
    MU_SQL_PUT_DEVICE,
    MU_SQL_FIND_DEVICE,
    MU_SQL_NEXT_DEVICE,
    MU_SQL_REVOKE,
    MU_SQL_SEEN,
    MU_SQL_PUT_UPDATE,
    MU_SQL_FIND_UPDATE,
    MU_SQL_NEXT_UPDATE,
    MU_SQL_FORGET_UPDATE,
    MU_SQL_APPEND_EVENT,
    MU_SQL_NEXT_EVENT,
    MU_SQL_FORGET_EVENTS,
    MU_SQL_COUNT,
} mu_store_statement;

/* When devices were last seen, until a transaction takes it along. */
typedef struct mu_store_seen {
    int64_t  *at_s;    /* [capacity] by number; 0: nothing new */
    uint32_t *changed; /* [capacity] the numbers that have something new, `count` of them */
    uint32_t  capacity, count;
} mu_store_seen;

struct mu_store {
    char            *path;
    mu_store_role    role;
    int              owner_file; /* locked by the owner; -1: a guest's */
    pthread_mutex_t  connection; /* db, statements, next_number: taken before `queue` where both are */
    sqlite3         *db;
    sqlite3_stmt    *statements[MU_SQL_COUNT];
    uint32_t         next_number; /* where the search for a free one begins */
    pthread_mutex_t  queue;       /* all below */
    struct mu_store_change *first, **end;
    bool             led; /* somebody commits, or has been asked to */
    mu_store_seen    seen;
};

/* What SQLite says, with the file's name. Of the connection's last call, or of `code`. */
mu_status mu_store_failed(const mu_store *store, int code, mu_error *err);
mu_status mu_store_damaged(const mu_store *store, const char *what, mu_error *err);

/* ---- statements, with the connection held ---- */
/* Reset, nothing bound. */
sqlite3_stmt *mu_store_prepared(mu_store *store, mu_store_statement which);
void          mu_store_bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, size_t size_bytes); /* that outlive the step; NULL is no bytes */
/* *row (NULL: none is expected): there is one, and the statement stays on it until it is reset. Otherwise it has been. */
mu_status     mu_store_step(mu_store *store, sqlite3_stmt *statement, bool *row, mu_error *err);

/* ---- reading: what is committed ---- */
void mu_store_lock(mu_store *store);
void mu_store_unlock(mu_store *store);

/* ---- changing ---- */
/* Runs `apply(store, what)` in a transaction, on whichever thread, together with changes that others ask for meanwhile. MU_OK: it is committed and synced. Otherwise
 * nothing of it is there, whatever has become of the others. */
typedef mu_status mu_store_apply(mu_store *store, void *what, mu_error *err);
mu_status mu_store_change(mu_store *store, mu_store_apply *apply, void *what, mu_error *err);
/* The same for what only the owner may do: `doing` for the sentence. */
mu_status mu_store_change_as_owner(mu_store *store, const char *doing, mu_store_apply *apply, void *what, mu_error *err);
/* What was seen goes into the transaction that is open: at most `most` devices. */
void      mu_store_write_seen(mu_store *store, uint32_t most);
int64_t   mu_store_last_seen(mu_store *store, uint32_t device); /* 0: nothing that is not in the file */

#endif
