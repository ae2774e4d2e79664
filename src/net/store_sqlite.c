/* The store over SQLite: the file, its schema, and what SQLite's answers mean. The changes' way into the file is in store_sqlite_commit.c.
 *
 * One connection for everything, in WAL mode with a sync at each commit. The owner's lock is flock() on a file beside the store rather than SQLite's exclusive
 * mode, so that guests (`muster token`, `muster revoke`) come in while the coordinator runs; and not on the store itself, because a process that closes a file
 * loses SQLite's locks on it. */
#include "net/store_sqlite.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define APPLICATION_ID 0x4D757374 /* "Must" */
#define SCHEMA_VERSION 1
#define BUSY_MS 20000 /* a guest's transaction takes milliseconds; a disk that is at its end takes longer */

static const char *const schema[] = {
    "PRAGMA application_id = 1299542900", /* APPLICATION_ID */
    "PRAGMA user_version = 1",
    "CREATE TABLE facts(name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE tokens(digest BLOB PRIMARY KEY NOT NULL, device INTEGER NOT NULL, expires_at_s INTEGER NOT NULL, used_by BLOB) WITHOUT ROWID",
    "CREATE INDEX token_devices ON tokens(device)",
    "CREATE TABLE devices(number INTEGER PRIMARY KEY NOT NULL, public_key BLOB NOT NULL, name TEXT NOT NULL, revoked INTEGER NOT NULL,"
    " enrolled_at_s INTEGER NOT NULL, seen_at_s INTEGER NOT NULL, token BLOB NOT NULL REFERENCES tokens(digest))",
    "CREATE TABLE updates(task INTEGER PRIMARY KEY NOT NULL, device INTEGER NOT NULL, head BLOB NOT NULL)",
    "CREATE TABLE events(sequence INTEGER PRIMARY KEY NOT NULL, kind INTEGER NOT NULL, at_us INTEGER NOT NULL, task INTEGER NOT NULL,"
    " label INTEGER NOT NULL, device INTEGER NOT NULL, extra BLOB)",
};

/* Rows are read one by one, each after the one before, so that nobody is kept out while a caller looks at one. */
static const char *const texts[] = {
    [MU_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [MU_SQL_COMMIT] = "COMMIT",
    [MU_SQL_ROLLBACK] = "ROLLBACK",
    [MU_SQL_SAVE] = "SAVEPOINT change",
    [MU_SQL_KEEP] = "RELEASE change",
    [MU_SQL_UNDO] = "ROLLBACK TO change",
    [MU_SQL_SET_FACT] = "INSERT INTO facts VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    [MU_SQL_GET_FACT] = "SELECT value FROM facts WHERE name = ?1",
    [MU_SQL_IS_NUMBER_SPOKEN_FOR] = "SELECT 1 FROM tokens WHERE device = ?1 AND used_by IS NULL AND expires_at_s > ?2",
    [MU_SQL_FORGET_TOKENS] = "DELETE FROM tokens WHERE device = ?1 AND used_by IS NULL",
    [MU_SQL_ADD_TOKEN] = "INSERT INTO tokens VALUES(?1, ?2, ?3, NULL)",
    [MU_SQL_FIND_TOKEN] = "SELECT device, expires_at_s, used_by FROM tokens WHERE digest = ?1",
    [MU_SQL_USE_TOKEN] = "UPDATE tokens SET used_by = ?2 WHERE digest = ?1",
    [MU_SQL_PUT_DEVICE] = "INSERT OR REPLACE INTO devices VALUES(?1, ?2, ?3, 0, ?4, ?4, ?5)",
    [MU_SQL_FIND_DEVICE] = "SELECT number, public_key, name, revoked, enrolled_at_s, seen_at_s FROM devices WHERE number = ?1",
    [MU_SQL_NEXT_DEVICE] = "SELECT number, public_key, name, revoked, enrolled_at_s, seen_at_s FROM devices WHERE number > ?1 ORDER BY number LIMIT 1",
    [MU_SQL_REVOKE] = "UPDATE devices SET revoked = ?2 WHERE number = ?1",
    [MU_SQL_SEEN] = "UPDATE devices SET seen_at_s = max(seen_at_s, ?2) WHERE number = ?1",
    [MU_SQL_PUT_UPDATE] = "INSERT INTO updates VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [MU_SQL_FIND_UPDATE] = "SELECT task, device, head FROM updates WHERE task = ?1",
    [MU_SQL_NEXT_UPDATE] = "SELECT task, device, head FROM updates WHERE task > ?1 ORDER BY task LIMIT 1",
    [MU_SQL_FORGET_UPDATE] = "DELETE FROM updates WHERE task = ?1",
    [MU_SQL_APPEND_EVENT] = "INSERT INTO events(kind, at_us, task, label, device, extra) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [MU_SQL_NEXT_EVENT] = "SELECT sequence, kind, at_us, task, label, device, extra FROM events WHERE sequence > ?1 ORDER BY sequence LIMIT 1",
    [MU_SQL_FORGET_EVENTS] = "DELETE FROM events",
};
_Static_assert(MU_COUNT(texts) == MU_SQL_COUNT, "every statement has its text");

/* ---- what SQLite says ---- */

static mu_status meaning(int code)
{
    switch (code & 0xFF) {
    case SQLITE_NOMEM:
        return MU_E_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
        return MU_E_STATE;
    case SQLITE_TOOBIG:
        return MU_E_LIMIT;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return MU_E_PARSE;
    default:
        return MU_E_IO;
    }
}

mu_status mu_store_failed(const mu_store *store, int code, mu_error *err)
{
    const char *says = store->db && sqlite3_errcode(store->db) == (code & 0xFF) ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);
    return mu_error_set(err, meaning(code), "store '%s': %s", store->path, says);
}

mu_status mu_store_damaged(const mu_store *store, const char *what, mu_error *err)
{
    return mu_error_set(err, MU_E_PARSE, "store '%s' is damaged: %s", store->path, what);
}

sqlite3_stmt *mu_store_prepared(mu_store *store, mu_store_statement which)
{
    sqlite3_stmt *statement = store->statements[which];
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

void mu_store_bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, size_t size_bytes)
{
    if (size_bytes)
        sqlite3_bind_blob64(statement, index, bytes, size_bytes, SQLITE_STATIC);
    else
        sqlite3_bind_zeroblob(statement, index, 0);
}

mu_status mu_store_step(mu_store *store, sqlite3_stmt *statement, bool *row, mu_error *err)
{
    int code = sqlite3_step(statement);
    if (row && (*row = code == SQLITE_ROW))
        return MU_OK;
    mu_status status = code == SQLITE_DONE ? MU_OK : mu_store_failed(store, code, err);
    sqlite3_reset(statement); /* its answer is the step's own, which has been dealt with */
    return status;
}

void mu_store_lock(mu_store *store) { pthread_mutex_lock(&store->connection); }
void mu_store_unlock(mu_store *store) { pthread_mutex_unlock(&store->connection); }

/* ---- the file ---- */

static mu_status execute(const mu_store *store, const char *text, mu_error *err)
{
    int code = sqlite3_exec(store->db, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? MU_OK : mu_store_failed(store, code, err);
}

/* The one number that a statement answers with. */
static mu_status number(const mu_store *store, const char *text, int64_t *out, mu_error *err)
{
    sqlite3_stmt *statement = NULL;
    int           code = sqlite3_prepare_v2(store->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    mu_status status = code == SQLITE_ROW ? MU_OK : mu_store_failed(store, code, err);
    if (!status)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

/* Is it ours, or nobody's yet? Nothing is changed in a file that is somebody else's. */
static mu_status look_at(const mu_store *store, bool *is_new, mu_error *err)
{
    int64_t   application = 0, version = 0, tables = 0;
    mu_status status = number(store, "PRAGMA application_id", &application, err);
    if (!status)
        status = number(store, "PRAGMA user_version", &version, err);
    if (!status)
        status = number(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status)
        return status;
    *is_new = application == 0 && version == 0 && tables == 0;
    if (*is_new)
        return MU_OK;
    if (application != APPLICATION_ID)
        return mu_error_set(err, MU_E_PARSE, "'%s' is a database, but not a store of Muster's", store->path);
    if (version != SCHEMA_VERSION)
        return mu_error_set(err, MU_E_UNSUPPORTED, "store '%s' is of version %lld, this build knows version %d: it takes a later Muster", store->path,
                            (long long)version, SCHEMA_VERSION);
    return MU_OK;
}

static mu_status make_tables(const mu_store *store, mu_error *err)
{
    mu_status status = execute(store, "BEGIN IMMEDIATE", err);
    if (status)
        return status;
    bool is_new = false;
    status = look_at(store, &is_new, err); /* somebody else may just have made them */
    for (size_t i = 0; is_new && !status && i < MU_COUNT(schema); i++)
        status = execute(store, schema[i], err);
    if (!status)
        status = execute(store, "COMMIT", err);
    if (status)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static mu_status open_file(mu_store *store, mu_error *err)
{
    int made = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* for its owner alone; what SQLite puts beside it follows that. An empty file is a new store */
    if (made >= 0)
        close(made);
    int code = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return mu_store_failed(store, code, err);
    if (sqlite3_db_readonly(store->db, "main"))
        return mu_error_set(err, MU_E_IO, "store '%s' cannot be written: it is read-only", store->path);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, (int)MU_LIMIT_STORE_VALUE_BYTES);
    bool      is_new = false;
    mu_status status = look_at(store, &is_new, err);
    if (!status)
        status = execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF", err);
    if (!status && is_new)
        status = make_tables(store, err);
    for (size_t i = 0; !status && i < MU_SQL_COUNT; i++) {
        code = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
        if (code == SQLITE_ERROR) /* a table that is not what it should be */
            status = mu_store_damaged(store, sqlite3_errmsg(store->db), err);
        else if (code != SQLITE_OK)
            status = mu_store_failed(store, code, err);
    }
    return status;
}

/* Held until the process ends, however it ends. */
static mu_status own(mu_store *store, mu_error *err)
{
    size_t bytes = strlen(store->path) + sizeof ".lock";
    char  *name = malloc(bytes);
    if (!name)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the name of '%s.lock'", store->path);
    strcpy(name, store->path);
    strcat(name, ".lock");
    mu_status status = MU_OK;
    store->owner_file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->owner_file < 0)
        status = mu_error_set(err, MU_E_IO, "'%s' cannot be opened: %s", name, strerror(errno));
    else if (flock(store->owner_file, LOCK_EX | LOCK_NB))
        status = errno == EWOULDBLOCK ? mu_error_set(err, MU_E_STATE, "store '%s' is in use: a coordinator runs on it already", store->path)
                                      : mu_error_set(err, MU_E_IO, "'%s' cannot be locked: %s", name, strerror(errno));
    free(name);
    return status;
}

static void release(mu_store *store)
{
    for (size_t i = 0; i < MU_SQL_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    if (store->owner_file >= 0)
        close(store->owner_file);
    pthread_mutex_destroy(&store->queue);
    pthread_mutex_destroy(&store->connection);
    free(store->seen.at_s);
    free(store->seen.changed);
    free(store->path);
    free(store);
}

mu_status mu_store_open(const char *path, mu_store_role role, mu_store **out, mu_error *err)
{
    mu_store *store = calloc(1, sizeof *store);
    if (!store || !(store->path = strdup(path))) {
        free(store);
        return mu_error_set(err, MU_E_MEMORY, "no memory for the store '%s'", path);
    }
    store->role = role;
    store->owner_file = -1;
    store->end = &store->first;
    pthread_mutex_init(&store->connection, NULL);
    pthread_mutex_init(&store->queue, NULL);
    mu_status status = role == MU_STORE_OWNER ? own(store, err) : MU_OK;
    if (!status)
        status = open_file(store, err);
    if (status)
        release(store);
    else
        *out = store;
    return status;
}

static mu_status nothing(mu_store *store, void *what, mu_error *err)
{
    (void)store, (void)what, (void)err;
    return MU_OK;
}

void mu_store_close(mu_store *store)
{
    if (!store)
        return;
    for (uint32_t before = UINT32_MAX; store->seen.count && store->seen.count < before;) { /* until nothing is left, or it cannot be written */
        before = store->seen.count;
        mu_store_change(store, nothing, NULL, NULL);
    }
    release(store);
}
