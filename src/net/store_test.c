/* The store: every call, files that are not its own, and what several threads ask for at once. */
#include "net/store_support.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

static void reopen(mu_store **store)
{
    mu_store_close(*store);
    *store = open_store();
}

/* 32 bytes that are like no other number's. */
typedef struct key { unsigned char bytes[MU_STORE_KEY_BYTES]; } key;
static key key_of(uint32_t number)
{
    key made = { { 0 } };
    memcpy(made.bytes, &number, sizeof number);
    made.bytes[31] = 0xA5;
    return made;
}

static mu_status add(mu_store *store, uint32_t token, uint32_t device, uint32_t devices, int64_t now_s, int64_t expires_at_s, uint32_t *given, mu_error *err)
{
    return mu_store_add_token(store, key_of(token).bytes, device, devices, now_s, expires_at_s, given, err);
}

static mu_store_enrolment enrol(mu_store *store, uint32_t token, uint32_t key_number, int64_t now_s, mu_store_device *device)
{
    mu_store_enrolment outcome = MU_STORE_TOKEN_UNKNOWN;
    key                public_key = key_of(key_number);
    *device = (mu_store_device){ .number = 999, .name = "kitchen" };
    memcpy(device->public_key, public_key.bytes, MU_STORE_KEY_BYTES);
    assert_int_equal(mu_store_enrol(store, key_of(token).bytes, now_s, device, &outcome, NULL), MU_OK);
    return outcome;
}

static void test_single_values(void **state)
{
    (void)state;
    mu_store *store = open_store();
    void     *value = store;
    size_t    bytes = 5;
    assert_int_equal(mu_store_get(store, "experiment", &value, &bytes, NULL), MU_OK);
    assert_null(value);
    assert_int_equal(bytes, 0);
    assert_int_equal(mu_store_set(store, "experiment", "a: 1", 4, NULL), MU_OK);
    assert_int_equal(mu_store_set(store, "nothing", NULL, 0, NULL), MU_OK);
    assert_int_equal(mu_store_set(store, "experiment", "b\0c: 2", 6, NULL), MU_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mu_store_get(store, "experiment", &value, &bytes, NULL), MU_OK);
        assert_int_equal(bytes, 6);
        assert_memory_equal(value, "b\0c: 2", 6);
        free(value);
        assert_int_equal(mu_store_get(store, "nothing", &value, &bytes, NULL), MU_OK);
        assert_non_null(value);
        assert_int_equal(bytes, 0);
        free(value);
        reopen(&store);
    }
    mu_store_close(store);
    mu_store_close(NULL);
}

static void test_numbers(void **state)
{
    (void)state;
    mu_store *store = open_store();
    mu_error  err;
    uint32_t  given = 77;
    assert_int_equal(add(store, 1, 1, 4, 100, 200, &given, NULL), MU_OK); /* a number that is spoken for */
    assert_int_equal(given, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(add(store, 2 + i, MU_STORE_ANY_DEVICE, 4, 100, 150, &given, NULL), MU_OK);
        assert_int_equal(given, ((uint32_t[]){ 0, 2, 3 })[i]);
    }
    given = 77;
    assert_int_equal(add(store, 9, MU_STORE_ANY_DEVICE, 4, 149, 999, &given, &err), MU_E_LIMIT);
    assert_non_null(strstr(err.message, "all 4 devices"));
    assert_int_equal(add(store, 9, 2, 4, 149, 999, &given, &err), MU_E_STATE);
    assert_non_null(strstr(err.message, "number 2"));
    assert_int_equal(add(store, 9, 4, 4, 149, 999, &given, &err), MU_E_RANGE);
    assert_int_equal(add(store, 1, MU_STORE_ANY_DEVICE, 9, 149, 999, &given, &err), MU_E_STATE); /* a token that is there */
    assert_int_equal(given, 77);

    assert_int_equal(add(store, 9, MU_STORE_ANY_DEVICE, 4, 150, 999, &given, NULL), MU_OK); /* 0, 2 and 3 have expired */
    assert_int_equal(given, 0);
    mu_store_device device;
    assert_int_equal(enrol(store, 2, 50, 120, &device), MU_STORE_TOKEN_UNKNOWN); /* whose number is another's now */
    assert_int_equal(enrol(store, 1, 51, 160, &device), MU_STORE_ENROLLED);
    assert_int_equal(device.number, 1);
    assert_int_equal(add(store, 10, 1, 4, 150, 999, &given, &err), MU_E_STATE);
    assert_non_null(strstr(err.message, "revoke it first"));
    assert_int_equal(mu_store_revoke(store, 1, true, NULL), MU_OK);
    reopen(&store);
    for (uint32_t i = 2; i <= 3; i++) {
        assert_int_equal(add(store, 10 + i, MU_STORE_ANY_DEVICE, 4, 160, 999, &given, NULL), MU_OK);
        assert_int_equal(given, i);
    }
    assert_int_equal(add(store, 10, MU_STORE_ANY_DEVICE, 4, 160, 999, &given, NULL), MU_E_LIMIT); /* a revoked device's is not anybody's */
    assert_int_equal(add(store, 10, 1, 4, 160, 999, &given, NULL), MU_OK);
    assert_int_equal(enrol(store, 10, 52, 170, &device), MU_STORE_ENROLLED);
    assert_int_equal(device.number, 1);
    assert_false(device.revoked);
    assert_int_equal(enrol(store, 1, 51, 170, &device), MU_STORE_TOKEN_USED); /* who had the number before */
    bool found;
    assert_int_equal(mu_store_find_device(store, 1, &device, &found, NULL), MU_OK);
    assert_true(found);
    assert_memory_equal(device.public_key, key_of(52).bytes, MU_STORE_KEY_BYTES);
    mu_store_close(store);
}

static void test_enrolment(void **state)
{
    (void)state;
    mu_store       *store = open_store();
    mu_store_device device;
    mu_error        err;
    bool            found = true;
    uint32_t        given;
    assert_int_equal(mu_store_find_device(store, 5, &device, &found, NULL), MU_OK);
    assert_false(found);
    assert_int_equal(enrol(store, 1, 100, 1000, &device), MU_STORE_TOKEN_UNKNOWN);
    assert_int_equal(device.number, 999);
    assert_int_equal(add(store, 1, 5, 10, 900, 2000, &given, NULL), MU_OK);
    assert_int_equal(add(store, 2, 6, 10, 900, 1000, &given, NULL), MU_OK);
    assert_int_equal(enrol(store, 2, 100, 1000, &device), MU_STORE_TOKEN_EXPIRED);
    assert_int_equal(enrol(store, 2, 100, 999, &device), MU_STORE_ENROLLED);
    assert_int_equal(enrol(store, 1, 101, 1000, &device), MU_STORE_ENROLLED);
    assert_int_equal(device.number, 5);
    assert_int_equal(device.enrolled_at_s, 1000);
    assert_int_equal(enrol(store, 1, 102, 1001, &device), MU_STORE_TOKEN_USED);
    assert_int_equal(device.number, 999);
    assert_int_equal(enrol(store, 1, 101, 3000, &device), MU_STORE_ENROLLED_BEFORE); /* also when it has expired since */
    assert_int_equal(device.number, 5);
    assert_int_equal(device.enrolled_at_s, 1000);

    mu_store_note_seen(store, 5, 1500);
    mu_store_note_seen(store, 5, 1400);
    mu_store_note_seen(store, 3000000000u, 5); /* out of all bounds: nothing */
    mu_store_note_seen(store, 7, 1);           /* nobody's */
    assert_int_equal(mu_store_revoke(store, 6, true, NULL), MU_OK);
    assert_int_equal(mu_store_revoke(store, 8, true, &err), MU_E_RANGE);
    assert_non_null(strstr(err.message, "no device 8"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mu_store_find_device(store, 5, &device, &found, NULL), MU_OK);
        assert_true(found);
        assert_string_equal(device.name, "kitchen");
        assert_memory_equal(device.public_key, key_of(101).bytes, MU_STORE_KEY_BYTES);
        assert_false(device.revoked);
        assert_int_equal(device.seen_at_s, 1500);
        assert_int_equal(mu_store_find_device(store, 6, &device, &found, NULL), MU_OK);
        assert_true(found && device.revoked);
        reopen(&store);
    }
    assert_int_equal(mu_store_revoke(store, 6, false, NULL), MU_OK);
    assert_int_equal(mu_store_find_device(store, 6, &device, &found, NULL), MU_OK);
    assert_false(device.revoked);
    memset(device.name, 'x', sizeof device.name);
    assert_int_equal(mu_store_enrol(store, key_of(1).bytes, 1000, &device, &(mu_store_enrolment){ 0 }, NULL), MU_E_LIMIT);
    mu_store_close(store);
}

static mu_status note_number(void *self, const mu_store_device *device, mu_error *err)
{
    uint32_t *numbers = self;
    numbers[++numbers[0]] = device->number;
    return numbers[0] < 3 ? MU_OK : mu_error_set(err, MU_E_INTERRUPTED, "enough");
}

static void test_each_device(void **state)
{
    (void)state;
    mu_store       *store = open_store();
    mu_store_device device;
    uint32_t        given, numbers[4] = { 0 };
    assert_int_equal(mu_store_each_device(store, note_number, numbers, NULL), MU_OK);
    assert_int_equal(numbers[0], 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(add(store, i, 30 - 10 * i, 31, 0, 9, &given, NULL), MU_OK);
        assert_int_equal(enrol(store, i, i, 1, &device), MU_STORE_ENROLLED);
    }
    assert_int_equal(mu_store_each_device(store, note_number, numbers, NULL), MU_E_INTERRUPTED);
    assert_memory_equal(numbers, ((uint32_t[]){ 3, 0, 10, 20 }), sizeof numbers);
    mu_store_close(store);
}

/* ---- updates and the journal ---- */

typedef struct seen {
    uint64_t values[64];
    size_t   count;
} seen;
static mu_status see_update(void *self, const mu_store_update *update, mu_error *err)
{
    (void)err;
    seen *all = self;
    all->values[all->count++] = update->task * 1000 + update->device * 100 + update->head_bytes;
    return MU_OK;
}

static void assert_updates(mu_store *store, size_t count, const uint64_t *values)
{
    seen all = { .count = 0 };
    assert_int_equal(mu_store_each_update(store, see_update, &all, NULL), MU_OK);
    assert_int_equal(all.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(all.values[i], values[i]);
}

static void test_updates(void **state)
{
    (void)state;
    mu_store       *store = open_store();
    mu_store_update update;
    mu_error        err;
    bool            found;
    assert_int_equal(put(store, 7, 2, "seven", NULL), MU_OK);
    assert_int_equal(put(store, 3, 1, "", NULL), MU_OK);
    assert_int_equal(put(store, 11, 2, "eleven", NULL), MU_OK);
    assert_int_equal(put(store, 7, 2, "seven", NULL), MU_OK); /* once more */
    assert_int_equal(put(store, 7, 2, "sevem", &err), MU_E_STATE);
    assert_non_null(strstr(err.message, "task 7"));
    assert_int_equal(put(store, 7, 2, "sev", NULL), MU_E_STATE);
    assert_int_equal(put(store, 7, 3, "seven", NULL), MU_E_STATE);
    assert_int_equal(put(store, 1ull << 63, 3, "x", NULL), MU_E_LIMIT);
    for (int i = 0; i < 2; i++) {
        assert_updates(store, 3, (uint64_t[]){ 3100, 7205, 11206 });
        assert_int_equal(mu_store_find_update(store, 7, &update, &found, NULL), MU_OK);
        assert_true(found);
        assert_int_equal(update.task, 7);
        assert_int_equal(update.device, 2);
        assert_int_equal(update.head_bytes, 5);
        assert_memory_equal(update.head, "seven", 5);
        free((void *)(uintptr_t)update.head);
        assert_int_equal(mu_store_find_update(store, 8, &update, &found, NULL), MU_OK);
        assert_false(found);
        assert_int_equal(mu_store_find_update(store, UINT64_MAX, &update, &found, NULL), MU_OK);
        assert_false(found);
        reopen(&store);
    }
    mu_store_close(store);
}

static mu_status see_event(void *self, const mu_store_event *event, mu_error *err)
{
    (void)err;
    seen *all = self;
    assert_int_equal(event->label, event->task ? ~event->task : 5);
    assert_int_equal(event->at, -3 * (int64_t)event->task);
    assert_int_equal(event->kind, 4);
    assert_int_equal(event->device, event->task + 1);
    assert_int_equal(event->extra != NULL, event->task > 1);
    if (event->extra)
        assert_memory_equal(event->extra, "extra", event->extra_bytes);
    all->values[all->count++] = event->task * 100 + event->extra_bytes;
    return MU_OK;
}

static void assert_events(mu_store *store, size_t count, const uint64_t *values)
{
    seen all = { .count = 0 };
    assert_int_equal(mu_store_each_event(store, see_event, &all, NULL), MU_OK);
    assert_int_equal(all.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(all.values[i], values[i]);
}

static mu_store_event event_of(uint64_t task)
{
    return (mu_store_event){ .kind = 4, .at = -3 * (int64_t)task, .task = task, .label = task ? ~task : 5, .device = (uint32_t)task + 1,
                             .extra = task > 1 ? (const unsigned char *)"extra" : NULL, .extra_bytes = task > 1 ? (size_t)task - 2 : 0 };
}

static void test_journal(void **state)
{
    (void)state;
    mu_store      *store = open_store();
    mu_store_event events[] = { event_of(5), event_of(0), event_of(7), event_of(2), event_of(1) };
    assert_events(store, 0, NULL);
    assert_int_equal(mu_store_append_events(store, events, 0, NULL), MU_OK);
    assert_int_equal(mu_store_append_events(store, events, 3, NULL), MU_OK);
    assert_int_equal(mu_store_append_events(store, events + 3, 2, NULL), MU_OK);
    for (uint64_t task = 1; task <= 4; task++)
        assert_int_equal(put(store, task, 1, "h", NULL), MU_OK);
    for (int i = 0; i < 2; i++) {
        assert_events(store, 5, (uint64_t[]){ 503, 0, 705, 200, 100 });
        reopen(&store);
    }
    assert_int_equal(mu_store_checkpoint(store, (uint64_t[]){ 3, 1, 77 }, 3, NULL), MU_OK);
    for (int i = 0; i < 2; i++) {
        assert_events(store, 0, NULL);
        assert_updates(store, 2, (uint64_t[]){ 2101, 4101 });
        reopen(&store);
    }
    assert_int_equal(put(store, 3, 1, "another", NULL), MU_OK); /* forgotten is forgotten */
    assert_int_equal(mu_store_append_events(store, events + 2, 1, NULL), MU_OK);
    assert_events(store, 1, (uint64_t[]){ 705 });
    assert_int_equal(mu_store_checkpoint(store, NULL, 0, NULL), MU_OK);
    assert_events(store, 0, NULL);
    assert_updates(store, 3, (uint64_t[]){ 2101, 3107, 4101 });
    mu_store_close(store);
}

/* ---- whose file it is ---- */

static void test_owner_and_guests(void **state)
{
    (void)state;
    mu_store       *store = open_store(), *second = NULL;
    mu_store_device device;
    mu_error        err;
    uint32_t        given;
    bool            found;
    assert_int_equal(mu_store_open(path, MU_STORE_OWNER, &second, &err), MU_E_STATE);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "in use"));
    assert_null(second);
    mu_store *guest = open_as(MU_STORE_GUEST);
    assert_int_equal(add(guest, 1, MU_STORE_ANY_DEVICE, 3, 0, 10, &given, NULL), MU_OK);
    assert_int_equal(enrol(store, 1, 9, 5, &device), MU_STORE_ENROLLED);
    assert_int_equal(add(store, 2, MU_STORE_ANY_DEVICE, 3, 0, 10, &given, NULL), MU_OK);
    assert_int_equal(given, 1);
    assert_int_equal(mu_store_revoke(guest, 0, true, NULL), MU_OK);
    assert_int_equal(mu_store_find_device(store, 0, &device, &found, NULL), MU_OK);
    assert_true(found && device.revoked);
    assert_int_equal(put(guest, 1, 1, "h", &err), MU_E_STATE);
    assert_non_null(strstr(err.message, "guest"));
    assert_int_equal(mu_store_append_events(guest, NULL, 0, NULL), MU_E_STATE);
    assert_int_equal(mu_store_checkpoint(guest, NULL, 0, NULL), MU_E_STATE);
    mu_store_close(store);
    store = open_store(); /* the guest is still there */
    mu_store_close(guest);
    assert_int_equal(put(store, 1, 1, "h", NULL), MU_OK);
    mu_store_close(store);
}

static void assert_refused(mu_status expected, const char *word)
{
    mu_store *store = NULL;
    mu_error  err = { 0 };
    assert_int_equal(mu_store_open(path, MU_STORE_OWNER, &store, &err), expected);
    assert_null(store);
    assert_non_null(strstr(err.message, path));
    if (!strstr(err.message, word))
        fail_msg("'%s' is not in: %s", word, err.message);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A change that is made behind the store's back. */
static void tamper(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *says = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &says) != SQLITE_OK)
        fail_msg("%s: %s", sql, says);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_other_files(void **state)
{
    (void)state;
    for (int length = 0; length < 2; length++) {
        write_file(length ? "short" : "not a database at all, but long enough that it could well be one: there are a hundred bytes of header in those, and more");
        assert_refused(MU_E_PARSE, "not a database");
    }
    unlink(path);
    tamper("CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
    assert_refused(MU_E_PARSE, "not a store of Muster's");
    tamper("INSERT INTO theirs VALUES(2)"); /* as it was: not in WAL mode either */
    struct stat about;
    char        wal[80];
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(stat(wal, &about), -1);
    unlink(path);
    tamper("PRAGMA application_id = 7");
    assert_refused(MU_E_PARSE, "not a store of Muster's");
    unlink(path);
    write_file(""); /* nobody's yet */
    mu_store_close(open_store());
    tamper("PRAGMA user_version = 2");
    assert_refused(MU_E_UNSUPPORTED, "version 2");
    tamper("PRAGMA user_version = 1; ALTER TABLE events DROP COLUMN label");
    assert_refused(MU_E_PARSE, "label");
    remove_folder(state);
    assert_refused(MU_E_IO, path);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static mu_status ignore_event(void *self, const mu_store_event *event, mu_error *err)
{
    (void)self, (void)event, (void)err;
    return MU_OK;
}

static mu_status ignore_device(void *self, const mu_store_device *device, mu_error *err)
{
    (void)self, (void)device, (void)err;
    return MU_OK;
}

/* What somebody has written into the file is not believed. */
static void test_damaged_rows(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        bool        device, update, event; /* which of them is damaged then */
    } damages[] = {
        { "UPDATE devices SET public_key = x'0102'", true, false, false },
        { "UPDATE devices SET name = printf('%128s', 'x')", true, false, false },
        { "UPDATE devices SET number = -5", true, false, false },
        { "UPDATE devices SET number = 1 << 40", true, false, false },
        { "UPDATE updates SET device = 1 << 32", false, true, false },
        { "UPDATE updates SET device = -1", false, true, false },
        { "UPDATE events SET kind = -1", false, false, true },
        { "UPDATE events SET device = 1 << 32", false, false, true },
        { "UPDATE tokens SET device = -1", false, false, false },
    };
    for (size_t i = 0; i < MU_COUNT(damages); i++) {
        mu_store       *store = open_store();
        mu_store_device device;
        uint32_t        given;
        assert_int_equal(add(store, 1, 0, 1, 0, 10, &given, NULL), MU_OK);
        if (i + 1 < MU_COUNT(damages))
            assert_int_equal(enrol(store, 1, 1, 1, &device), MU_STORE_ENROLLED);
        assert_int_equal(put(store, 1, 0, "head", NULL), MU_OK);
        assert_int_equal(mu_store_append_events(store, &(mu_store_event){ .kind = 1 }, 1, NULL), MU_OK);
        mu_store_close(store);
        tamper(damages[i].sql);
        store = open_store();
        mu_error err = { 0 };
        assert_int_equal(mu_store_each_device(store, ignore_device, NULL, &err), damages[i].device ? MU_E_PARSE : MU_OK);
        assert_int_equal(mu_store_each_update(store, see_update, &(seen){ .count = 0 }, &err), damages[i].update ? MU_E_PARSE : MU_OK);
        assert_int_equal(mu_store_each_event(store, ignore_event, NULL, &err), damages[i].event ? MU_E_PARSE : MU_OK);
        if (i + 1 == MU_COUNT(damages)) {
            device = (mu_store_device){ 0 };
            assert_int_equal(mu_store_enrol(store, key_of(1).bytes, 1, &device, &(mu_store_enrolment){ 0 }, &err), MU_E_PARSE);
        }
        assert_non_null(strstr(err.message, path));
        mu_store_close(store);
        unlink(path);
    }
}

/* ---- threads ---- */

#define THREADS 8u
#define EACH 40u

typedef struct worker {
    pthread_t          thread;
    mu_store          *store;
    uint32_t           index;
    mu_store_enrolment outcome;
    uint32_t           refused;
} worker;

static void run_threads(mu_store *store, void *(*work)(void *), worker workers[THREADS])
{
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .store = store, .index = i };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void *race_for_token(void *argument)
{
    worker *self = argument;
    mu_store_device device = { .name = "racer" };
    key             public_key = key_of(self->index);
    memcpy(device.public_key, public_key.bytes, MU_STORE_KEY_BYTES);
    if (mu_store_enrol(self->store, key_of(1).bytes, 5, &device, &self->outcome, NULL))
        self->refused = 1;
    return NULL;
}

static void test_race_for_one_token(void **state)
{
    (void)state;
    mu_store       *store = open_store();
    worker          workers[THREADS];
    mu_store_device device;
    uint32_t        given, enrolled = 0;
    bool            found;
    assert_int_equal(add(store, 1, 3, 10, 0, 10, &given, NULL), MU_OK);
    run_threads(store, race_for_token, workers);
    assert_int_equal(mu_store_find_device(store, 3, &device, &found, NULL), MU_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].refused, 0);
        assert_true(workers[i].outcome == MU_STORE_ENROLLED || workers[i].outcome == MU_STORE_TOKEN_USED);
        if (workers[i].outcome == MU_STORE_ENROLLED) {
            enrolled++;
            assert_memory_equal(device.public_key, key_of(i).bytes, MU_STORE_KEY_BYTES);
        }
    }
    assert_int_equal(enrolled, 1);
    mu_store_close(store);
}

/* Many changes fail: another update for a task that has one, two events of which one is refused. They must not take their neighbours in the transaction with them, nor be taken along. */
static void *put_some(void *argument)
{
    worker *self = argument;
    for (uint32_t i = 0; i < EACH; i++) {
        mu_error err;
        char     head[32];
        bool     bad = i % 4 == 3;
        uint64_t task = bad ? 1000000 : 1 + self->index * EACH + i;
        snprintf(head, sizeof head, "%u %u", self->index, i);
        mu_status status = put(self->store, task, self->index, head, &err);
        self->refused += status == MU_E_STATE && bad && strstr(err.message, "task 1000000");
        if (!bad && status)
            self->refused += 1000;
        mu_store_update found_update;
        bool            found = false;
        mu_store_note_seen(self->store, self->index, i + 1);
        if (mu_store_find_update(self->store, task, &found_update, &found, NULL) || !found)
            self->refused += 1000;
        free(found ? (void *)(uintptr_t)found_update.head : NULL);
        if (i % 8 == 0 && mu_store_append_events(self->store, &(mu_store_event){ .kind = self->index, .label = i }, 1, NULL))
            self->refused += 1000;
        mu_store_event half[2] = { { .kind = self->index, .label = 5000 }, { .kind = 99 } }; /* the first could be appended, the second cannot */
        if (i % 8 == 4 && mu_store_append_events(self->store, half, 2, NULL) != MU_E_STATE)
            self->refused += 1000;
    }
    return NULL;
}

static mu_status count_events(void *self, const mu_store_event *event, mu_error *err)
{
    (void)err;
    uint64_t *next = self; /* each thread's own in their order */
    assert_true(event->kind < THREADS);
    assert_int_equal(event->label, next[event->kind]);
    next[event->kind] += 8;
    return MU_OK;
}

static void test_failures_are_ones_own(void **state)
{
    (void)state;
    mu_store_close(open_store());
    tamper("CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.kind = 99 BEGIN SELECT RAISE(ABORT, 'not this one'); END");
    mu_store *store = open_store();
    worker    workers[THREADS];
    uint32_t  given;
    for (uint32_t i = 0; i < THREADS; i++) {
        mu_store_device device;
        assert_int_equal(add(store, i, i, THREADS, 0, 10, &given, NULL), MU_OK);
        assert_int_equal(enrol(store, i, i, 1, &device), MU_STORE_ENROLLED);
    }
    assert_int_equal(put(store, 1000000, 0, "the one", NULL), MU_OK);
    run_threads(store, put_some, workers);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].refused, EACH / 4);
    reopen(&store);
    size_t count = 0;
    assert_int_equal(mu_store_each_update(store, count_update, &count, NULL), MU_OK);
    assert_int_equal(count, 1 + THREADS * EACH * 3 / 4);
    uint64_t next[THREADS] = { 0 };
    assert_int_equal(mu_store_each_event(store, count_events, next, NULL), MU_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        mu_store_device device;
        bool            found;
        assert_int_equal(next[i], EACH);
        assert_int_equal(mu_store_find_device(store, i, &device, &found, NULL), MU_OK);
        assert_int_equal(device.seen_at_s, EACH);
    }
    mu_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_single_values, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_numbers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_enrolment, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_each_device, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_updates, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_journal, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_owner_and_guests, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_other_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damaged_rows, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_race_for_one_token, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failures_are_ones_own, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
