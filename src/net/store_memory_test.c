/* Every allocation of the store and of SQLite beneath it refused, one after the other: MU_E_MEMORY, and what was answered with MU_OK is there afterwards. */
#include "base/refuse_memory.h"

#include "net/store.h"

#include <malloc.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* SQLite's memory comes from where ours does. Some of what it asks for it can do without. */
static void *take(int size) { return malloc((size_t)size); }
static void  give_back(void *memory) { free(memory); }
static void *resize(void *memory, int size) { return realloc(memory, (size_t)size); }
static int   size_of(void *memory) { return memory ? (int)malloc_usable_size(memory) : 0; }
static int   round_up(int size) { return (size + 7) & ~7; }
static int   begin(void *data) { return (void)data, SQLITE_OK; }
static void  end(void *data) { (void)data; }
static const sqlite3_mem_methods memory = { take, give_back, resize, size_of, round_up, begin, end, NULL };

/* In place of the C library's, for SQLite too: nobody pulls the plug here, and thousands of stores are made. */
MU_API int fsync(int file) { return (void)file, 0; }
MU_API int fdatasync(int file) { return (void)file, 0; }

static char path[64];

typedef enum step { OPENED, SET, TOKEN, ENROLLED, UPDATE, EVENTS, GOT, FOUND, ALL_UPDATES, ALL_EVENTS, STEPS } step;

static mu_status one_update(void *self, const mu_store_update *update, mu_error *err)
{
    (void)err;
    *(bool *)self = update->head_bytes == 4 && !memcmp(update->head, "head", 4);
    return MU_OK;
}

static mu_status one_event(void *self, const mu_store_event *event, mu_error *err)
{
    (void)err;
    *(size_t *)self += event->extra_bytes;
    return MU_OK;
}

static mu_status do_step(mu_store *store, step which, mu_error *err)
{
    static const unsigned char key[MU_STORE_KEY_BYTES] = { 1 };
    static const mu_store_event events[2] = { { .extra = key, .extra_bytes = 5 }, { .kind = 1 } };
    mu_store_device    device = { .name = "x" };
    mu_store_update    update = { .task = 1, .head = (const unsigned char *)"head", .head_bytes = 4 };
    mu_store_enrolment outcome;
    mu_status          status = MU_OK;
    uint32_t           given;
    void              *value = NULL;
    size_t             bytes = 0;
    bool               found = false;
    switch (which) {
    case SET:
        return mu_store_set(store, "name", "value", 5, err);
    case TOKEN:
        return mu_store_add_token(store, key, MU_STORE_ANY_DEVICE, 4, 0, 10, &given, err);
    case ENROLLED:
        status = mu_store_enrol(store, key, 5, &device, &outcome, err);
        if (!status)
            assert_int_equal(outcome, MU_STORE_ENROLLED);
        return status;
    case UPDATE:
        return mu_store_put_update(store, &update, err);
    case EVENTS:
        mu_store_note_seen(store, 0, 77);
        return mu_store_append_events(store, events, 2, err);
    case GOT:
        status = mu_store_get(store, "name", &value, &bytes, err);
        if (!status)
            assert_memory_equal(value, "value", bytes);
        free(value);
        return status;
    case FOUND:
        status = mu_store_find_device(store, 0, &device, &found, err);
        if (!status)
            assert_true(found);
        return status;
    case ALL_UPDATES:
        status = mu_store_each_update(store, one_update, &found, err);
        if (!status)
            assert_true(found);
        return status;
    case ALL_EVENTS:
        status = mu_store_each_event(store, one_event, &bytes, err);
        if (!status)
            assert_int_equal(bytes, 5);
        return status;
    default:
        return MU_OK;
    }
}

/* As far as it goes. */
static step go(mu_status *status, mu_error *err)
{
    mu_store *store = NULL;
    step      at = OPENED;
    *status = mu_store_open(path, MU_STORE_OWNER, &store, err);
    for (at = SET; !*status && at < STEPS; at++)
        *status = do_step(store, at, err);
    if (*status)
        at--;
    mu_store_close(store);
    return at;
}

/* What was done up to there is in the file, and the next change is not. */
static void check(step reached)
{
    mu_store *store = NULL;
    void     *value;
    size_t    bytes = 0, count = 0;
    bool      found = false;
    mu_store_device device;
    assert_int_equal(mu_store_open(path, MU_STORE_OWNER, &store, NULL), MU_OK);
    assert_int_equal(mu_store_get(store, "name", &value, &bytes, NULL), MU_OK);
    assert_int_equal(value != NULL, reached > SET);
    free(value);
    assert_int_equal(mu_store_find_device(store, 0, &device, &found, NULL), MU_OK);
    assert_int_equal(found, reached > ENROLLED);
    found = false;
    assert_int_equal(mu_store_each_update(store, one_update, &found, NULL), MU_OK);
    assert_int_equal(found, reached > UPDATE);
    assert_int_equal(mu_store_each_event(store, one_event, &count, NULL), MU_OK);
    assert_int_equal(count, reached > EVENTS ? 5 : 0);
    mu_store_close(store);
}

static void test_every_allocation_refused(void **state)
{
    (void)state;
    size_t refusals[STEPS + 1] = { 0 };
    long   count = 0;
    for (bool done = false; !done; count++) {
        mu_error  err = { 0 };
        mu_status status;
        refused = false;
        allocations_left = count;
        step reached = go(&status, &err);
        allocations_left = -1;
        done = !refused;
        assert_true(status == MU_E_MEMORY || status == MU_OK);
        assert_int_equal(err.status, status);
        assert_int_equal(status == MU_OK, reached == STEPS);
        refusals[reached]++;
        check(reached == OPENED ? SET : reached);
        assert_int_equal(unlink(path), 0);
    }
    assert_true(refusals[OPENED] > 20 && refusals[GOT] > 0 && refusals[ALL_UPDATES] > 0 && refusals[ALL_EVENTS] > 0);
}

int main(void)
{
    char folder[] = "/tmp/muster-store-XXXXXX", lock[80];
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) || sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) || !mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/store.db", folder);
    snprintf(lock, sizeof lock, "%s.lock", path);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_allocation_refused) };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    unlink(lock);
    rmdir(folder);
    return result;
}
