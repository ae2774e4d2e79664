/* The task in hand. */
#include "net/agent.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mu_agent_is_in(uint64_t task, const uint64_t *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i] == task)
            return true;
    return false;
}

/* Floats of the plan's part of the state. */
static mu_status count_part(const mu_agent *agent, const mu_plan *plan, size_t *out, mu_error *err)
{
    *out = mu_model_state_count(agent->job.model);
    if (!plan->kept)
        return MU_OK;
    mu_submodel *part;
    mu_status status = mu_submodel_create(agent->job.units, &part, err);
    if (status)
        return status;
    status = mu_submodel_form(part, plan->kept, err);
    if (!status)
        *out = mu_model_state_count(mu_submodel_model(part));
    mu_submodel_destroy(part);
    return status;
}

/* A task that has no place here is an error; it is not taken. */
static mu_status understand(mu_agent *agent, const Muster__Task *message, mu_error *err)
{
    mu_agent_work *work = &agent->work;
    const size_t units = mu_units_count(agent->job.units), whole = mu_model_state_count(agent->job.model);
    if (!work->flags && !(work->flags = calloc(units + 1, sizeof *work->flags)))
        return mu_error_set(err, MU_E_MEMORY, "no memory for a task of %zu units", units);
    work->task.id = message->id; /* so that it can be named when it is refused */
    mu_status status = mu_wire_parse_task(message, units, work->flags, &work->task, err);
    if (!status)
        status = count_part(agent, &work->task.plan, &work->part_count, err);
    if (status)
        return status;
    uint64_t floats = work->part_count + (work->task.looks ? 0 : agent->job.vectors.received * (uint64_t)whole);
    if (work->task.looks && work->task.look.statistic_set >= mu_model_statistic_sets(agent->job.model))
        return mu_error_set(err, MU_E_RANGE, "the model has %u sets of norm statistics, and number %u is asked for", mu_model_statistic_sets(agent->job.model),
                            work->task.look.statistic_set);
    if (!work->task.looks && work->task.plan.kept && (agent->job.vectors.received || agent->job.vectors.own || agent->job.vectors.sent))
        return mu_error_set(err, MU_E_SHAPE, "the plan is of a part of the model, but method %s has vectors of the whole", agent->job.method->name);
    if (work->task.start_floats != floats)
        return mu_error_set(err, MU_E_SHAPE, "the start is said to hold %llu numbers, but the plan's part and vectors are %llu",
                            (unsigned long long)work->task.start_floats, (unsigned long long)floats);
    return MU_OK;
}

mu_status mu_agent_work_take(mu_agent *agent, const Muster__Task *message, mu_error *err)
{
    unsigned char *packed;
    size_t packed_bytes;
    mu_agent_work *work = &agent->work;
    work->cost = (mu_agent_cost){ 0 };
    work->is_there = true;
    work->is_finished = false;
    mu_error why = { .status = MU_OK };
    mu_status status = understand(agent, message, &why);
    if (status == MU_E_MEMORY) {
        *err = why;
        return status;
    }
    mu_agent_tell(agent, MU_JOIN_TASK, NULL);
    if (status)
        return mu_agent_work_fail(agent, why.message, err);
    status = mu_wire_pack(&message->base, &packed, &packed_bytes, err);
    if (status)
        return status;
    status = mu_agent_folder_put(agent->folder, "task", &(mu_agent_piece){ packed, packed_bytes }, 1, err);
    free(packed);
    return status;
}

/* The task's own file first: without it the others are remains. The update's last, for with it there is something to send. */
static const char *const pieces[] = { "task", "cost", "start.part", "start", "place", "update", "update.blob" };

mu_status mu_agent_work_drop(mu_agent *agent, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < MU_COUNT(pieces) && !status; i++)
        status = mu_agent_folder_remove(agent->folder, pieces[i], err);
    agent->work.is_there = agent->work.is_finished = false;
    return status;
}

mu_status mu_agent_work_fail(mu_agent *agent, const char *reason, mu_error *err)
{
    char path[64], cut[200];
    unsigned char *body;
    Muster__Failed failed;
    Muster__Cost cost = MUSTER__COST__INIT;
    mu_client_request request = { .path = path };
    mu_client_answer answer;
    bool granted;
    muster__failed__init(&failed);
    mu_agent_say(agent, MU_JOIN_REFUSED, "%s", reason);
    snprintf(path, sizeof path, "/v1/tasks/%llu/failed", (unsigned long long)agent->work.task.id);
    snprintf(cut, sizeof cut, "%s", reason);
    for (char *at = cut; *at; at++) /* cut anywhere, a letter of several bytes would be half of one */
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    failed.task = agent->work.task.id;
    failed.reason = cut;
    cost.download_s = agent->work.cost.download_s;
    cost.bytes_down = agent->work.cost.bytes_down;
    cost.compute_s = agent->work.cost.compute_s;
    failed.cost = &cost;
    mu_status status = mu_wire_pack(&failed.base, &body, &request.body_bytes, err);
    if (status)
        return status;
    request.body = body;
    status = mu_agent_ask(agent, &request, MU_AGENT_SENDS, &answer, &granted, err);
    mu_client_answer_release(&answer);
    free(body);
    return status ? status : mu_agent_work_drop(agent, err);
}

mu_status mu_agent_work_keep_cost(mu_agent *agent, mu_error *err)
{
    return mu_agent_folder_put(agent->folder, "cost", &(mu_agent_piece){ &agent->work.cost, sizeof agent->work.cost }, 1, err);
}

/* ---- at the start ---- */

/* *bytes NULL: it is not there, or is damaged, which is the same: the coordinator tells the task again. */
static mu_status get_or_nothing(const mu_agent *agent, const char *name, size_t max_bytes, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    mu_status status = mu_agent_folder_get(agent->folder, name, max_bytes, bytes, size_bytes, err);
    return status == MU_E_CHECKSUM ? MU_OK : status;
}

static mu_status load_cost(mu_agent *agent, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    mu_status status = get_or_nothing(agent, "cost", sizeof agent->work.cost, &bytes, &size_bytes, err);
    if (!status && bytes && size_bytes == sizeof agent->work.cost)
        memcpy(&agent->work.cost, bytes, size_bytes);
    free(bytes);
    return status;
}

/* An update is finished when its signed head is there, which comes after the floats. What it says of its task is enough to send it. */
static mu_status load_update(mu_agent *agent, bool *found, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    ProtobufCMessage *message = NULL, *head = NULL;
    *found = false;
    mu_status status = get_or_nothing(agent, "update", MU_LIMIT_MESSAGE_BYTES, &bytes, &size_bytes, err);
    if (status || !bytes)
        return status;
    if (!mu_wire_unpack(&muster__signed_update__descriptor, bytes, size_bytes, &message, NULL)) {
        const Muster__SignedUpdate *update = (const Muster__SignedUpdate *)message;
        if (!mu_wire_unpack(&muster__update_head__descriptor, update->head.data, update->head.len, &head, NULL)) {
            agent->work.task.id = ((const Muster__UpdateHead *)head)->task;
            agent->work.is_there = agent->work.is_finished = *found = true;
        }
    }
    mu_wire_free(head);
    mu_wire_free(message);
    free(bytes);
    return MU_OK;
}

static mu_status load_task(mu_agent *agent, bool *found, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    ProtobufCMessage *message = NULL;
    *found = false;
    mu_status status = get_or_nothing(agent, "task", MU_LIMIT_MESSAGE_BYTES, &bytes, &size_bytes, err);
    if (status || !bytes)
        return status;
    if (!mu_wire_unpack(&muster__task__descriptor, bytes, size_bytes, &message, NULL))
        *found = !understand(agent, (const Muster__Task *)message, err);
    mu_wire_free(message);
    free(bytes);
    return MU_OK;
}

mu_status mu_agent_work_load(mu_agent *agent, mu_error *err)
{
    bool is_finished = false, is_there = false;
    agent->work.is_there = agent->work.is_finished = false;
    mu_status status = load_task(agent, &is_there, err);
    if (!status)
        status = load_update(agent, &is_finished, err);
    if (status)
        return status;
    if (is_finished && !mu_agent_folder_has(agent->folder, "update.blob")) {
        /* Between two steps of mu_agent_acknowledged: the floats are where they wait to be merged. Otherwise they are lost, and it is trained again. */
        if (mu_agent_own_expects(agent, agent->work.task.id))
            return mu_agent_work_drop(agent, err);
        agent->work.is_there = agent->work.is_finished = false;
        status = mu_agent_folder_remove(agent->folder, "update", err);
        is_finished = false;
    }
    if (!is_finished && !is_there)
        return status ? status : mu_agent_work_drop(agent, err); /* remains */
    agent->work.is_there = true;
    return status ? status : load_cost(agent, err);
}
