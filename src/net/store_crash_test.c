/* What the store does when the disk is full, when the file may not be written, and when its process is killed while it writes: what it was told is done, is. */
#include "net/store_support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- a disk that is full, a file that may not be written ---- */

static int child(int (*work)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(work());
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Files may not become larger than they are. Ends with the line at which something was not as it should be. */
static int fill_up(void)
{
    char     *head = calloc(1, 100000);
    mu_store *store = open_store();
    mu_error  err = { 0 };
    memset(head, 'h', 20000);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = { 200000, 400000 };
    if (setrlimit(RLIMIT_FSIZE, &limit) || put(store, 1, 1, head, &err))
        return 1;
    uint64_t task = 2;
    mu_status status;
    while ((status = put(store, task, 1, head, &err)) == MU_OK && task < 100)
        task++;
    if (status != MU_E_IO || !strstr(err.message, path) || task < 3)
        return 2;
    if (mu_store_append_events(store, (mu_store_event[]){ { .extra = (unsigned char *)head, .extra_bytes = 100000 }, { .kind = 2 } }, 2, &err) != MU_E_IO)
        return 3;
    limit.rlim_cur = 400000;
    if (setrlimit(RLIMIT_FSIZE, &limit))
        return 4;
    size_t count = 0;
    if (mu_store_each_update(store, count_update, &count, &err) || count != task - 1) /* those that were refused are not there */
        return 5;
    if (put(store, task, 1, "now it fits", &err))
        return 6;
    mu_store_close(store);
    free(head);
    return 0;
}

static mu_status keep_last(void *self, const mu_store_update *update, mu_error *err)
{
    (void)err;
    uint64_t *last = self;
    last[0] = update->task;
    last[1] = update->head_bytes;
    return MU_OK;
}

static mu_status count_event(void *self, const mu_store_event *event, mu_error *err)
{
    (void)event, (void)err;
    ++*(size_t *)self;
    return MU_OK;
}

static void test_disk_full(void **state)
{
    (void)state;
    assert_int_equal(child(fill_up), 0);
    mu_store *store = open_store();
    uint64_t  last[2] = { 0 };
    size_t    events = 0;
    assert_int_equal(mu_store_each_update(store, keep_last, last, NULL), MU_OK);
    assert_true(last[0] >= 3);
    assert_int_equal(last[1], strlen("now it fits"));
    assert_int_equal(mu_store_each_event(store, count_event, &events, NULL), MU_OK);
    assert_int_equal(events, 0); /* of two that were refused together, not one is there */
    mu_store_close(store);
}

static int open_read_only(void)
{
    if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
        return 77;
    mu_store *store = NULL;
    mu_error  err = { 0 };
    return mu_store_open(path, MU_STORE_GUEST, &store, &err) == MU_E_IO && strstr(err.message, path) && !store ? 0 : 1;
}

static void test_read_only(void **state)
{
    (void)state;
    mu_store_close(open_store());
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    int result = child(open_read_only);
    assert_int_equal(chmod(folder, 0700), 0);
    if (result == 77)
        print_message("skipped: this user may write everything\n");
    else
        assert_int_equal(result, 0);
}

/* ---- kill -9 ---- */

#define KILLS 30u
#define PUTTERS 4u

typedef struct putter {
    pthread_t thread;
    mu_store *store;
    uint64_t  next; /* tasks from here on, by PUTTERS */
} putter;

/* What has been acknowledged is told: 8 bytes down the pipe. Journals go there as three events, and are told as odd numbers. */
static void *put_for_ever(void *argument)
{
    putter *self = argument;
    for (;; self->next += PUTTERS) {
        char head[32];
        snprintf(head, sizeof head, "head of %llu", (unsigned long long)self->next);
        if (put(self->store, self->next, 1, head, NULL))
            _exit(1);
        uint64_t told = self->next * 2;
        if (write(STDOUT_FILENO, &told, sizeof told) != sizeof told)
            _exit(2);
        if (self->next % 3 == 0) {
            mu_store_event three[3] = { { .label = self->next }, { .label = self->next }, { .label = self->next } };
            if (mu_store_append_events(self->store, three, 3, NULL))
                _exit(3);
            told++;
            if (write(STDOUT_FILENO, &told, sizeof told) != sizeof told)
                _exit(4);
        }
    }
}

static int put_until_killed(const char *file, const char *first)
{
    mu_store *store;
    if (mu_store_open(file, MU_STORE_OWNER, &store, NULL))
        return 5;
    putter putters[PUTTERS];
    for (uint64_t i = 0; i < PUTTERS; i++) {
        putters[i] = (putter){ .store = store, .next = strtoull(first, NULL, 10) + i };
        if (pthread_create(&putters[i].thread, NULL, put_for_ever, &putters[i]))
            return 6;
    }
    pthread_join(putters[0].thread, NULL);
    return 7;
}

#define TASKS_MAX 200000u
typedef struct truth {
    unsigned char told[2 * TASKS_MAX]; /* by what came down the pipe */
    unsigned char events[TASKS_MAX];   /* in the journal, by label */
    uint64_t      highest;
    size_t        updates;
} truth;

/* Starts a process that writes, lets it tell so much, and kills it. */
static void kill_one(truth *all, uint32_t enough, useconds_t then_us)
{
    int  ends[2];
    char first[32];
    snprintf(first, sizeof first, "%llu", (unsigned long long)all->highest + 100); /* beyond what it did and did not tell */
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "net_store_test", "--put", path, first, (char *)NULL);
        _exit(8);
    }
    close(ends[1]);
    uint64_t told;
    for (uint32_t count = 0; read(ends[0], &told, sizeof told) == sizeof told; count++) {
        assert_true(told < 2 * TASKS_MAX);
        all->told[told] = 1;
        if (told / 2 > all->highest)
            all->highest = told / 2;
        if (count == enough) {
            usleep(then_us);
            kill(pid, SIGKILL);
        }
    }
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static mu_status check_update(void *self, const mu_store_update *update, mu_error *err)
{
    (void)err;
    truth *all = self;
    char   head[32];
    snprintf(head, sizeof head, "head of %llu", (unsigned long long)update->task);
    assert_int_equal(update->head_bytes, strlen(head));
    assert_memory_equal(update->head, head, update->head_bytes);
    assert_true(update->task < TASKS_MAX);
    all->updates++;
    all->told[2 * update->task] |= 2;
    return MU_OK;
}

static mu_status check_event(void *self, const mu_store_event *event, mu_error *err)
{
    (void)err;
    assert_true(event->label < TASKS_MAX);
    ((truth *)self)->events[event->label]++;
    return MU_OK;
}

static void test_kills(void **state)
{
    (void)state;
    truth *all = calloc(1, sizeof *all);
    assert_non_null(all);
    for (uint32_t i = 0; i < KILLS; i++) {
        kill_one(all, i * 37 % 50, i * 997 % 5000);
        mu_store *store = open_store();
        memset(all->events, 0, sizeof all->events);
        all->updates = 0;
        assert_int_equal(mu_store_each_update(store, check_update, all, NULL), MU_OK);
        assert_int_equal(mu_store_each_event(store, check_event, all, NULL), MU_OK);
        mu_store_close(store);
        size_t told = 0;
        for (uint64_t task = 0; task < TASKS_MAX; task++) {
            told += all->told[2 * task] & 1;
            assert_int_not_equal(all->told[2 * task], 1); /* told and not there */
            assert_true(all->events[task] == 3 || (all->events[task] == 0 && !all->told[2 * task + 1]));
        }
        assert_true(told > i && all->updates >= told);
        assert_true(all->updates <= told + (i + 1) * PUTTERS); /* one each that was done and not told any more */
    }
    free(all);
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--put"))
        return put_until_killed(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_disk_full, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_read_only, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_kills, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
