/* The pool: what runs when, what can be taken back, and that every job runs exactly once. Meant for the thread sanitizer too. */
#include "base/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* A job that holds its worker until the gate is opened, and jobs that write down when they ran. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    bool            entered, open;
    int             order[64];
    int             ran;
} gate;

typedef struct task {
    mu_job   job; /* first: a job is its task */
    gate    *gate;
    int      number;
    uint32_t worker, runs;
} task;

static void gate_init(gate *g)
{
    *g = (gate){ 0 };
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
}

static void gate_release(gate *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
}

static void run_blocker(mu_job *job, uint32_t worker)
{
    gate *g = ((task *)(void *)job)->gate;
    (void)worker;
    pthread_mutex_lock(&g->lock);
    g->entered = true;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void run_noting(mu_job *job, uint32_t worker)
{
    task *t = (task *)(void *)job;
    pthread_mutex_lock(&t->gate->lock);
    t->gate->order[t->gate->ran++] = t->number;
    pthread_mutex_unlock(&t->gate->lock);
    t->worker = worker;
    t->runs++;
}

static void wait_until_entered(gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->entered)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void open_gate(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void test_longest_first(void **state)
{
    (void)state;
    static const double costs[] = { 1, 5, 3, 5, 0, 9 };
    static const int expected[] = { 5, 1, 3, 2, 0, 4 }; /* ties by submission */
    enum { TASKS = MU_COUNT(costs) };
    mu_pool *pool;
    gate g;
    gate_init(&g);
    assert_int_equal(mu_pool_create(1, &pool, NULL), MU_OK);
    task blocker = { .job.run = run_blocker, .job.expected_cost = 1, .gate = &g }, tasks[TASKS];
    mu_pool_submit(pool, &blocker.job);
    wait_until_entered(&g);
    for (int i = 0; i < (int)TASKS; i++) {
        tasks[i] = (task){ .job.run = run_noting, .job.expected_cost = costs[i], .gate = &g, .number = i };
        mu_pool_submit(pool, &tasks[i].job);
    }
    open_gate(&g);
    for (int i = 0; i < (int)TASKS; i++)
        mu_pool_wait(pool, &tasks[i].job);
    mu_pool_wait(pool, &blocker.job);
    for (int i = 0; i < (int)TASKS; i++)
        assert_int_equal(g.order[i], expected[i]);
    mu_pool_destroy(pool);
    gate_release(&g);
}

static void test_withdraw(void **state)
{
    (void)state;
    mu_pool *pool;
    gate g;
    gate_init(&g);
    assert_int_equal(mu_pool_create(1, &pool, NULL), MU_OK);
    task blocker = { .job.run = run_blocker, .gate = &g }, tasks[4];
    mu_pool_submit(pool, &blocker.job);
    wait_until_entered(&g);
    for (int i = 0; i < 4; i++) {
        tasks[i] = (task){ .job.run = run_noting, .job.expected_cost = 4 - i, .gate = &g, .number = i };
        mu_pool_submit(pool, &tasks[i].job);
    }
    assert_false(mu_pool_withdraw(pool, &blocker.job)); /* it runs */
    assert_true(mu_pool_withdraw(pool, &tasks[0].job));  /* the first */
    assert_true(mu_pool_withdraw(pool, &tasks[3].job));  /* the last */
    assert_false(mu_pool_withdraw(pool, &tasks[3].job)); /* is not there any more */
    open_gate(&g);
    mu_pool_wait(pool, &tasks[1].job);
    mu_pool_wait(pool, &tasks[2].job);
    assert_false(mu_pool_withdraw(pool, &tasks[1].job)); /* it is done */
    assert_int_equal(g.ran, 2);
    assert_int_equal(g.order[0], 1);
    assert_int_equal(g.order[1], 2);
    mu_pool_submit(pool, &tasks[0].job); /* what was withdrawn may come again */
    mu_pool_wait(pool, &tasks[0].job);
    assert_int_equal(tasks[0].runs, 1);
    assert_int_equal(tasks[3].runs, 0);
    mu_pool_wait(pool, &blocker.job);
    mu_pool_destroy(pool);
    gate_release(&g);
}

static void test_destroy_runs_no_more(void **state)
{
    (void)state;
    mu_pool *pool;
    gate g;
    gate_init(&g);
    assert_int_equal(mu_pool_create(1, &pool, NULL), MU_OK);
    task blocker = { .job.run = run_blocker, .gate = &g }, waiting = { .job.run = run_noting, .gate = &g };
    mu_pool_submit(pool, &blocker.job);
    wait_until_entered(&g);
    mu_pool_submit(pool, &waiting.job);
    assert_true(mu_pool_withdraw(pool, &waiting.job));
    open_gate(&g);
    mu_pool_destroy(pool); /* waits for the one that runs */
    assert_int_equal(blocker.job.state, MU_JOB_DONE);
    assert_int_equal(waiting.runs, 0);
    mu_pool_destroy(NULL);
    gate_release(&g);
}

/* Each worker adds to a number of its own, without a lock: one job at a time on each is what the pool promises. */
enum { WORKERS = 4, JOBS = 2000 };
static uint64_t sums[WORKERS + 1]; /* the last is for a worker that there is not */

static void run_adding(mu_job *job, uint32_t worker)
{
    task *t = (task *)(void *)job;
    sums[worker < WORKERS ? worker : WORKERS] += (uint64_t)t->number;
    t->runs++;
}

static void test_every_job_runs_once(void **state)
{
    (void)state;
    mu_pool *pool;
    task *tasks = calloc(JOBS, sizeof *tasks);
    assert_int_equal(mu_pool_create(WORKERS, &pool, NULL), MU_OK);
    uint64_t sum = 0, expected = 0;
    for (int i = 0; i < JOBS; i++) {
        tasks[i] = (task){ .job.run = run_adding, .job.expected_cost = i * 7 % 13, .number = i };
        expected += (uint64_t)i;
        mu_pool_submit(pool, &tasks[i].job);
        if (i % 3 == 0 && mu_pool_withdraw(pool, &tasks[i / 2].job)) /* sometimes it still waits */
            mu_pool_submit(pool, &tasks[i / 2].job);
    }
    for (int i = JOBS - 1; i >= 0; i--) {
        mu_pool_wait(pool, &tasks[i].job);
        assert_int_equal(tasks[i].runs, 1);
    }
    mu_pool_destroy(pool);
    for (int i = 0; i < WORKERS; i++)
        sum += sums[i];
    assert_true(sum == expected && sums[WORKERS] == 0);
    free(tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_first),
        cmocka_unit_test(test_withdraw),
        cmocka_unit_test(test_destroy_runs_no_more),
        cmocka_unit_test(test_every_job_runs_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
