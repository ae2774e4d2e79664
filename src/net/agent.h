/* The agent's parts, as they know each other.
 *
 *   agent.c        its life: come in, ask for work, do it, until the federation is over
 *   agent_talk.c   requests to the coordinator: sessions, trying again, waiting
 *   agent_work.c   the task in hand: taking, dropping, failing it
 *   agent_fetch.c  what it starts from
 *   agent_train.c  training, with its place kept and the lease renewed
 *   agent_look.c   a task that trains nothing and looks at a model
 *   agent_send.c   the update: writing and sending it
 *   agent_own.c    what the device keeps from task to task
 *
 * Everything that must survive is in the folder before the next thing begins, so each part looks there and not into memory for what is still to be done. */
#ifndef MUSTER_NET_AGENT_H
#define MUSTER_NET_AGENT_H

#include "muster/join.h"
#include "net/agent_folder.h"
#include "net/agent_job.h"
#include "net/agent_limits.h"
#include "net/client.h"
#include "net/wire.h"

#define MU_AGENT_SETTLED_MAX 64

/* What the task in hand has cost so far; kept with it. */
typedef struct mu_agent_cost {
    double   download_s, compute_s, energy_j;
    uint64_t bytes_down, peak_memory_bytes;
} mu_agent_cost;

typedef struct mu_agent_work {
    bool          is_there;
    bool          is_finished; /* its update lies in the folder */
    mu_wire_task  task;        /* plan.kept points to `flags` */
    bool         *flags;       /* [units] */
    size_t        part_count;  /* floats of the plan's part of the state */
    mu_agent_cost cost;
} mu_agent_work;

typedef struct mu_agent_own {
    size_t   count;  /* floats of all its vectors together */
    float   *floats; /* NULL: there are none */
    uint64_t settled[MU_AGENT_SETTLED_MAX]; /* the tasks whose updates were taken in last, at (number of the taking) % MU_AGENT_SETTLED_MAX */
    uint64_t takings;
} mu_agent_own;

typedef struct mu_agent {
    const mu_join_config *config;
    mu_agent_limits   limits;
    mu_agent_folder  *folder;
    mu_agent_identity identity;
    mu_client        *client;
    bool              has_session;
    double            retry_s; /* how long the next wait for the coordinator is */
    mu_error          trouble; /* why it was not reached */
    char              session_job[65]; /* digest of the job that is worked on now, by the coordinator's last word */
    char              job_digest[65];  /* of the one that was read; empty: none was */
    mu_agent_job      job;
    mu_trainer       *trainer;
    mu_agent_own      own;
    mu_agent_work     work;
    uint64_t          settled_seen[MU_AGENT_SETTLED_MAX]; /* dealt with, but the coordinator does not know it yet */
    size_t            settled_seen_count;
    double            macs_per_s; /* measured in the last task; 0: in none yet */
    uint32_t          tasks_done;
} mu_agent;

/* ---- telling and waiting (agent_talk.c) ---- */

/* `event`: NULL: nothing but that it happened. Device, task and round are filled in. */
void      mu_agent_tell(const mu_agent *agent, mu_join_happening happening, const mu_join_event *event);
void      mu_agent_say(const mu_agent *agent, mu_join_happening happening, const char *format, ...) MU_PRINTF(3, 4);
bool      mu_agent_is_stopped(const mu_agent *agent);
mu_status mu_agent_wait(const mu_agent *agent, double seconds, mu_error *err); /* MU_E_INTERRUPTED: it is stopped */
/* Until no limit stands in the way of that any more. */
mu_status mu_agent_wait_allowed(mu_agent *agent, mu_agent_need need, mu_error *err);
double    mu_agent_spread(double seconds); /* by up to a fifth to either side */

/* ---- requests (agent_talk.c): a status other than MU_OK ends the agent ---- */

typedef enum mu_agent_reply {
    MU_AGENT_GRANTED,
    MU_AGENT_REFUSED, /* for good; why is in `err` */
    MU_AGENT_LATER,   /* not now; why is in agent->trouble */
} mu_agent_reply;
/* Within a session, which is opened first if need be. */
mu_status mu_agent_ask_once(mu_agent *agent, const mu_client_request *request, mu_client_answer *answer, mu_agent_reply *reply, mu_error *err);
/* It was LATER: wait, as long as the answer says or longer every time. */
mu_status mu_agent_back_off(mu_agent *agent, double again_s, mu_error *err);
/* As often as it takes, until it is granted or refused; not while a limit stands in the way of `need`. */
mu_status mu_agent_ask(mu_agent *agent, const mu_client_request *request, mu_agent_need need, mu_client_answer *answer, bool *granted, mu_error *err);

mu_status mu_agent_come_in(mu_agent *agent, mu_error *err); /* by the token, when it is not in yet */
mu_status mu_agent_open_session(mu_agent *agent, mu_error *err);
/* As `once` says, or as often as it takes. *polled NULL: the coordinator was not reached; else mu_wire_free's. */
mu_status mu_agent_poll(mu_agent *agent, double hold_s, bool once, Muster__Polled **polled, mu_error *err);

/* ---- the task in hand ---- */

mu_status mu_agent_work_load(mu_agent *agent, mu_error *err); /* what the folder has; what is damaged is done again */
mu_status mu_agent_work_take(mu_agent *agent, const Muster__Task *message, mu_error *err);
mu_status mu_agent_work_drop(mu_agent *agent, mu_error *err);
mu_status mu_agent_work_fail(mu_agent *agent, const char *reason, mu_error *err); /* tell the coordinator that it cannot be done, and drop it */
mu_status mu_agent_work_keep_cost(mu_agent *agent, mu_error *err);
bool      mu_agent_is_in(uint64_t task, const uint64_t *tasks, size_t count);

/* Its start into the folder. It may be dropped on the way: work.is_there says so. */
mu_status mu_agent_fetch(mu_agent *agent, mu_error *err);
/* From the start to the update in the folder; or dropped, or stopped by a limit: then it is neither finished nor gone. */
mu_status mu_agent_train(mu_agent *agent, mu_error *err);
double    mu_agent_beat_every_s(const mu_agent *agent); /* how often the coordinator is to hear of it while it works on its task */
/* A task that only looks, from its start on: answered, or given back, where a limit stands in its way. */
mu_status mu_agent_look(mu_agent *agent, mu_error *err);
/* What a training came to. `sent` [vectors.sent] */
mu_status mu_agent_write_update(mu_agent *agent, const mu_update *update, float *const *sent, mu_error *err);
mu_status mu_agent_send(mu_agent *agent, mu_error *err); /* until it is acknowledged or nobody wants it */
mu_status mu_agent_acknowledged(mu_agent *agent, mu_error *err); /* the coordinator has it for good */

/* ---- what the device keeps ---- */

/* As the folder has it, if it is of this job; else zeros. */
mu_status mu_agent_own_load(mu_agent *agent, mu_error *err);
void      mu_agent_own_release(mu_agent_own *own);
/* The update of that task was merged: take it in, once, however often this is called. */
mu_status mu_agent_own_settle(mu_agent *agent, uint64_t task, mu_error *err);
/* Its update was acknowledged, as far as the device knows or without its knowing, and may be merged: keep its blob until then. */
mu_status mu_agent_own_expect(mu_agent *agent, uint64_t task, mu_error *err);
bool      mu_agent_own_expects(const mu_agent *agent, uint64_t task);

#endif
