/* The agent's life. */
#include "net/agent.h"

#include "base/clock.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double hold_s = 30; /* how long a poll may be held; what is in between takes longer ones for dead */

const char *mu_join_happening_name(mu_join_happening happening)
{
    static const char *const names[] = {
        [MU_JOIN_ENROLLED] = "enrolled",   [MU_JOIN_CONNECTED] = "connected", [MU_JOIN_TASK] = "task",           [MU_JOIN_DOWNLOADED] = "downloaded",
        [MU_JOIN_TRAINED] = "trained",     [MU_JOIN_SENT] = "sent",           [MU_JOIN_CANCELLED] = "cancelled", [MU_JOIN_REFUSED] = "refused",
        [MU_JOIN_LOOKED] = "looked",       [MU_JOIN_WAITING] = "waiting",     [MU_JOIN_FINISHED] = "finished",
    };
    return (size_t)happening < MU_COUNT(names) ? names[happening] : "?";
}

mu_join_config mu_join_config_default(void)
{
    return (mu_join_config){ .part = MU_JOIN_OWN_PART, .keep_every_s = 60 };
}

/* ---- opening ---- */

static mu_status check_config(const mu_join_config *config, mu_error *err)
{
    if (!config->url || !config->folder || !config->data)
        return mu_error_set(err, MU_E_CONFIG, "a device needs the coordinator's url, a folder of its own, and data");
    if (!(config->keep_every_s > 0))
        return mu_error_set(err, MU_E_RANGE, "keep_every_s is %g: expected seconds, more than 0", config->keep_every_s);
    if (config->name && (!*config->name || strlen(config->name) > MU_LIMIT_MESSAGE_TEXT_BYTES))
        return mu_error_set(err, MU_E_RANGE, "a device's name has 1 to %u bytes", MU_LIMIT_MESSAGE_TEXT_BYTES);
    if (mu_data_is_elsewhere(config->data))
        return mu_error_set(err, MU_E_CONFIG, "data '%s' lie elsewhere: a device needs the examples themselves", mu_data_name(config->data));
    return MU_OK;
}

static mu_status open_client(mu_agent *agent, mu_error *err)
{
    mu_agent_identity *identity = &agent->identity;
    mu_client_config client = mu_client_config_default();
    if (agent->config->fingerprint) {
        mu_status status = mu_fingerprint_read(agent->config->fingerprint, identity->fingerprint, err);
        if (status)
            return status;
    }
    if (strlen(agent->config->url) >= sizeof identity->url)
        return mu_error_set(err, MU_E_LIMIT, "the coordinator's url is longer than %zu bytes", sizeof identity->url - 1);
    memcpy(identity->url, agent->config->url, strlen(agent->config->url) + 1);
    client.url = identity->url;
    client.fingerprint = *identity->fingerprint ? identity->fingerprint : NULL;
    client.stop = agent->config->stop;
    return mu_client_create(&client, &agent->client, err);
}

static mu_status check_part(const mu_agent *agent, mu_error *err)
{
    const mu_join_config *config = agent->config;
    uint32_t parts = mu_data_device_count(config->data), part = config->part == MU_JOIN_OWN_PART ? agent->identity.device : config->part;
    if (part >= parts)
        return mu_error_set(err, MU_E_RANGE, "the data '%s' are parted among %u devices, 0 to %u: there is no part %u%s", mu_data_name(config->data), parts,
                            parts - 1, part, config->part == MU_JOIN_OWN_PART ? ", the device's number; say which part is its own" : "");
    return MU_OK;
}

static mu_status open_agent(mu_agent *agent, mu_error *err)
{
    mu_status status = check_config(agent->config, err);
    if (!status)
        status = mu_agent_limits_of(agent->config, &agent->limits, err);
    if (!status)
        status = mu_agent_folder_open(agent->config->folder, &agent->folder, err);
    if (!status)
        status = mu_agent_identity_load(agent->folder, &agent->identity, err);
    return status ? status : open_client(agent, err);
}

static void release_job(mu_agent *agent)
{
    mu_trainer_destroy(agent->trainer);
    agent->trainer = NULL;
    mu_agent_own_release(&agent->own);
    mu_agent_job_release(&agent->job);
    free(agent->work.flags);
    agent->work = (mu_agent_work){ 0 };
    agent->job_digest[0] = '\0';
}

static void close_agent(mu_agent *agent)
{
    release_job(agent);
    mu_client_destroy(agent->client);
    mu_agent_folder_close(agent->folder);
}

/* ---- the job ---- */

/* *bytes NULL: what the folder has is not the job that is worked on now. */
static mu_status cached_job(mu_agent *agent, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    char digest[65];
    mu_status status = mu_agent_folder_get(agent->folder, "job", MU_LIMIT_JOB_BYTES, bytes, size_bytes, err);
    if (status || !*bytes)
        return status == MU_E_CHECKSUM ? MU_OK : status;
    mu_agent_job_digest(*bytes, *size_bytes, digest);
    if (strcmp(digest, agent->session_job) == 0)
        return MU_OK;
    free(*bytes);
    *bytes = NULL;
    return MU_OK;
}

/* What was begun for another job is of no use to this one; what was finished is sent, for whoever may want it. */
static mu_status fetch_job(mu_agent *agent, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    mu_client_request request = { .path = "/v1/job", .answer_max_bytes = MU_LIMIT_JOB_BYTES };
    mu_client_answer answer;
    char digest[65];
    bool granted;
    mu_status status = mu_agent_folder_has(agent->folder, "update") ? MU_OK : mu_agent_work_drop(agent, err);
    if (!status)
        status = mu_agent_ask(agent, &request, MU_AGENT_SENDS, &answer, &granted, err);
    if (status)
        return status;
    if (!granted) {
        mu_client_answer_release(&answer);
        return err->status;
    }
    mu_agent_job_digest(answer.body ? answer.body : (const unsigned char *)"", answer.body_bytes, digest);
    if (strcmp(digest, agent->session_job) == 0) { /* else another was begun meanwhile, or it is damaged: it is asked for again */
        status = mu_agent_folder_put(agent->folder, "job", &(mu_agent_piece){ answer.body, answer.body_bytes }, 1, err);
        *bytes = answer.body;
        *size_bytes = answer.body_bytes;
        answer.body = NULL;
    } else {
        agent->has_session = false;
        mu_error_set(&agent->trouble, MU_E_CHECKSUM, "the job that came is not the one that was announced");
        status = mu_agent_back_off(agent, 0, err);
    }
    mu_client_answer_release(&answer);
    return status;
}

/* A session, and the job that it is about. */
static mu_status get_ready(mu_agent *agent, mu_error *err)
{
    char folder[MU_AGENT_PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t size_bytes = 0;
    mu_status status = MU_OK;
    release_job(agent);
    while (!status && !bytes) {
        status = mu_agent_open_session(agent, err);
        if (!status)
            status = cached_job(agent, &bytes, &size_bytes, err);
        if (!status && !bytes)
            status = fetch_job(agent, &bytes, &size_bytes, err);
    }
    mu_agent_folder_name(agent->folder, "job.d", folder);
    if (!status)
        status = mu_agent_job_read(bytes, size_bytes, folder, agent->config->data, &agent->job, err);
    free(bytes);
    if (status)
        return status;
    memcpy(agent->job_digest, agent->session_job, sizeof agent->job_digest);
    status = mu_agent_own_load(agent, err);
    return status ? status : mu_agent_work_load(agent, err);
}

/* ---- living ---- */

/* One step with the task in hand. */
static mu_status go_on(mu_agent *agent, mu_error *err)
{
    if (agent->work.is_finished)
        return mu_agent_send(agent, err);
    if (!mu_agent_folder_has(agent->folder, "start"))
        return mu_agent_fetch(agent, err);
    if (agent->work.task.looks)
        return mu_agent_look(agent, err);
    mu_status status = mu_agent_wait_allowed(agent, MU_AGENT_TRAINS, err);
    return status ? status : mu_agent_train(agent, err);
}

static mu_status settle(mu_agent *agent, const Muster__Polled *polled, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < polled->n_settled && !status; i++)
        status = mu_agent_own_settle(agent, polled->settled[i], err);
    return status;
}

static bool says_nothing(const Muster__Polled *polled)
{
    return !polled->task && !polled->n_settled && !polled->n_cancelled && !polled->finished;
}

/* Ask what there is to do. Settled updates come first: the next task begins with what the device keeps. */
static mu_status ask(mu_agent *agent, double hold, bool *is_finished, mu_error *err)
{
    const double least_s = 1; /* between two answers that say nothing */
    Muster__Polled *polled;
    double began_s = mu_clock_monotonic_s();
    mu_status status = mu_agent_poll(agent, hold, false, &polled, err);
    if (status)
        return status;
    status = settle(agent, polled, err);
    if (!status && agent->work.is_there && !agent->work.is_finished && mu_agent_is_in(agent->work.task.id, polled->cancelled, polled->n_cancelled)) {
        mu_agent_say(agent, MU_JOIN_CANCELLED, "nobody waits for it any more");
        status = mu_agent_work_drop(agent, err);
    }
    bool is_same_job = strcmp(agent->session_job, agent->job_digest) == 0; /* a new session may have been opened on the way */
    if (!status && polled->task && is_same_job && !agent->work.is_there)
        status = mu_agent_work_take(agent, polled->task, err);
    *is_finished = polled->finished;
    double wait_s = polled->again_s;
    if (wait_s <= 0 && mu_clock_monotonic_s() - began_s < least_s)
        wait_s = least_s;
    bool waits = !status && says_nothing(polled) && hold > 0 && wait_s > 0;
    mu_wire_free(&polled->base);
    return waits ? mu_agent_wait(agent, mu_agent_spread(wait_s), err) : status;
}

static mu_status live(mu_agent *agent, mu_error *err)
{
    bool is_finished = false;
    mu_status status = mu_agent_come_in(agent, err);
    if (!status)
        status = check_part(agent, err);
    if (!status)
        status = get_ready(agent, err);
    if (!status && agent->work.is_there && !agent->work.is_finished)
        status = ask(agent, 0, &is_finished, err); /* is it still wanted? */
    while (!status && !is_finished && (!agent->config->tasks_max || agent->tasks_done < agent->config->tasks_max)) {
        if (mu_agent_is_stopped(agent))
            status = mu_error_set(err, MU_E_INTERRUPTED, "stopped; the folder %s has what is needed to go on", agent->config->folder);
        else if (agent->work.is_there)
            status = go_on(agent, err);
        else if (strcmp(agent->session_job, agent->job_digest) != 0)
            status = get_ready(agent, err);
        else
            status = ask(agent, hold_s, &is_finished, err);
    }
    if (!status && is_finished)
        mu_agent_tell(agent, MU_JOIN_FINISHED, NULL);
    return status;
}

/* So that nobody waits for it until its silence is noticed. Whether that is heard does not matter. */
static void leave(mu_agent *agent)
{
    mu_client_answer answer;
    mu_error ignored;
    if (!agent->has_session || mu_agent_is_stopped(agent))
        return;
    mu_client_ask(agent->client, &(mu_client_request){ .path = "/v1/leave", .body = "", .within_s = 5 }, &answer, &ignored);
    mu_client_answer_release(&answer);
}

mu_status mu_join(const mu_join_config *config, mu_error *err)
{
    mu_agent agent = { .config = config };
    mu_error why = { .status = MU_OK };
    mu_status status = open_agent(&agent, &why);
    if (!status)
        status = live(&agent, &why);
    if (!status)
        leave(&agent);
    close_agent(&agent);
    if (status && err)
        *err = why;
    return status;
}
