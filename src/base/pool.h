/* Worker threads that run jobs, longest first.
 *
 * The pool decides only when a job runs, never what it computes: whoever waits for a job waits for that one, so results do not
 * depend on how many workers there are. */
#ifndef MUSTER_BASE_POOL_H
#define MUSTER_BASE_POOL_H

#include "muster/status.h"

typedef struct mu_pool mu_pool;

/* Placed by the caller, inside of a struct of his; the pool keeps only the pointer, until the job is done or withdrawn. */
typedef struct mu_job {
    void (*run)(struct mu_job *job, uint32_t worker); /* on worker 0 .. workers-1; one at a time each */
    double   expected_cost; /* any unit: the largest waiting job is taken first; ties by submission */
    uint64_t sequence;      /* the pool's own */
    enum { MU_JOB_IDLE, MU_JOB_WAITING, MU_JOB_RUNNING, MU_JOB_DONE } state;
    struct mu_job *next;
} mu_job;

mu_status mu_pool_create(uint32_t workers, mu_pool **out, mu_error *err);
void      mu_pool_destroy(mu_pool *pool); /* waits for running jobs; waiting ones never run. NULL is fine */

void mu_pool_submit(mu_pool *pool, mu_job *job);
void mu_pool_wait(mu_pool *pool, mu_job *job); /* until it is done */
/* Take a job back before it ran. False when it is running or done: then wait for it before its memory goes. */
bool mu_pool_withdraw(mu_pool *pool, mu_job *job);

#endif
