/* Worker threads and a list of waiting jobs under one lock. Jobs are local trainings, thousands of times longer than the lock is
 * held, and the list is as short as the simulator's window: a plain list beats anything clever. */
#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct worker {
    pthread_t thread;
    mu_pool  *pool;
    uint32_t  index;
} worker;

struct mu_pool {
    pthread_mutex_t lock;
    pthread_cond_t  work_came, job_done;
    mu_job         *waiting;
    uint64_t        submitted;
    bool            stopping;
    uint32_t        worker_count;
    worker          workers[];
};

/* Longest first, ties by submission. */
static bool goes_before(const mu_job *a, const mu_job *b)
{
    if (a->expected_cost != b->expected_cost)
        return a->expected_cost > b->expected_cost;
    return a->sequence < b->sequence;
}

static void *work(void *argument)
{
    worker *self = argument;
    mu_pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->waiting && !pool->stopping)
            pthread_cond_wait(&pool->work_came, &pool->lock);
        if (pool->stopping)
            break;
        mu_job *job = pool->waiting;
        pool->waiting = job->next;
        job->state = MU_JOB_RUNNING;
        pthread_mutex_unlock(&pool->lock);
        job->run(job, self->index);
        pthread_mutex_lock(&pool->lock);
        job->state = MU_JOB_DONE;
        pthread_cond_broadcast(&pool->job_done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

mu_status mu_pool_create(uint32_t workers, mu_pool **out, mu_error *err)
{
    mu_pool *pool = calloc(1, sizeof *pool + workers * sizeof pool->workers[0]);
    if (!pool)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u workers", workers);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work_came, NULL);
    pthread_cond_init(&pool->job_done, NULL);
    for (uint32_t i = 0; i < workers; i++) {
        pool->workers[i] = (worker){ .pool = pool, .index = i };
        if (pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i])) {
            mu_pool_destroy(pool);
            return mu_error_set(err, MU_E_MEMORY, "worker thread %u of %u cannot be started", i + 1, workers);
        }
        pool->worker_count++;
    }
    *out = pool;
    return MU_OK;
}

void mu_pool_destroy(mu_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work_came);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->worker_count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->job_done);
    pthread_cond_destroy(&pool->work_came);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void mu_pool_submit(mu_pool *pool, mu_job *job)
{
    pthread_mutex_lock(&pool->lock);
    job->sequence = pool->submitted++;
    job->state = MU_JOB_WAITING;
    mu_job **at = &pool->waiting;
    while (*at && !goes_before(job, *at))
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    pthread_cond_signal(&pool->work_came);
    pthread_mutex_unlock(&pool->lock);
}

void mu_pool_wait(mu_pool *pool, mu_job *job)
{
    pthread_mutex_lock(&pool->lock);
    while (job->state != MU_JOB_DONE)
        pthread_cond_wait(&pool->job_done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

bool mu_pool_withdraw(mu_pool *pool, mu_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool was_waiting = job->state == MU_JOB_WAITING;
    if (was_waiting) {
        mu_job **at = &pool->waiting;
        while (*at != job)
            at = &(*at)->next;
        *at = job->next;
        job->state = MU_JOB_IDLE;
    }
    pthread_mutex_unlock(&pool->lock);
    return was_waiting;
}
