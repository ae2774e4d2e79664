/* What the agent says to the coordinator, and what it does when there is no answer. */
#include "net/agent.h"

#include "base/clock.h"
#include "base/limits.h"
#include "net/agent_machine.h"

#include <math.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double retry_first_s = 1, retry_most_s = 300;
static const double look_again_s = 5;  /* at a limit that stands in the way */
static const double hurry_s = 10;      /* a word in the middle of a training must not take longer */

/* ---- telling and waiting ---- */

void mu_agent_tell(const mu_agent *agent, mu_join_happening happening, const mu_join_event *event)
{
    mu_join_event all = event ? *event : (mu_join_event){ .loss = NAN };
    if (!agent->config->happened)
        return;
    all.happening = happening;
    all.device = agent->identity.device;
    if (agent->work.is_there) {
        all.task = agent->work.task.id;
        all.round = agent->work.task.looks ? 0 : agent->work.task.plan.version + 1;
    }
    agent->config->happened(agent->config->self, &all);
}

void mu_agent_say(const mu_agent *agent, mu_join_happening happening, const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mu_agent_tell(agent, happening, &(mu_join_event){ .loss = NAN, .text = text });
}

bool mu_agent_is_stopped(const mu_agent *agent)
{
    return agent->config->stop && atomic_load_explicit(agent->config->stop, memory_order_relaxed);
}

mu_status mu_agent_wait(const mu_agent *agent, double seconds, mu_error *err)
{
    const double until_s = mu_clock_monotonic_s() + seconds, look_s = 0.1;
    for (double left_s = seconds; left_s > 0; left_s = until_s - mu_clock_monotonic_s()) {
        if (mu_agent_is_stopped(agent))
            return mu_error_set(err, MU_E_INTERRUPTED, "stopped; the folder %s has what is needed to go on", agent->config->folder);
        mu_clock_sleep_s(left_s < look_s ? left_s : look_s);
    }
    return MU_OK;
}

double mu_agent_spread(double seconds)
{
    return seconds * (0.8 + 0.4 * randombytes_uniform(1u << 20) / (double)(1u << 20));
}

mu_status mu_agent_wait_allowed(mu_agent *agent, mu_agent_need need, mu_error *err)
{
    char why[256];
    mu_status status = MU_OK;
    bool was_told = false;
    while (!status && !mu_agent_limits_allow(&agent->limits, need, mu_clock_local_minute(), why, sizeof why)) {
        if (!was_told)
            mu_agent_say(agent, MU_JOIN_WAITING, "%s", why);
        was_told = true;
        status = mu_agent_wait(agent, look_again_s, err);
    }
    return status;
}

mu_status mu_agent_back_off(mu_agent *agent, double again_s, mu_error *err)
{
    double wait_s = agent->retry_s > 0 ? agent->retry_s : retry_first_s;
    agent->retry_s = 2 * wait_s < retry_most_s ? 2 * wait_s : retry_most_s;
    if (again_s > 0)
        wait_s = again_s < retry_most_s ? again_s : retry_most_s;
    wait_s = mu_agent_spread(wait_s);
    mu_agent_say(agent, MU_JOIN_WAITING, "%s; again in %.1f s", agent->trouble.message, wait_s);
    return mu_agent_wait(agent, wait_s, err);
}

/* ---- one request ---- */

/* What the outcomes mean that are not about this request. */
static mu_status understand(mu_agent *agent, mu_client_outcome outcome, mu_agent_reply *reply, mu_error *problem, mu_error *err)
{
    *reply = MU_AGENT_LATER;
    switch (outcome) {
    case MU_CLIENT_DONE:
        agent->retry_s = 0;
        *reply = MU_AGENT_GRANTED;
        return MU_OK;
    case MU_CLIENT_REFUSED:
        *reply = MU_AGENT_REFUSED;
        break;
    case MU_CLIENT_NO_SESSION:
        agent->has_session = false;
        break;
    case MU_CLIENT_STRANGER:
        if (!agent->identity.is_enrolled) /* a wrong address or fingerprint: the user is there to mend it */
            outcome = MU_CLIENT_FAILED;
        break;
    default:
        break;
    }
    *err = *problem;
    agent->trouble = *problem;
    return outcome == MU_CLIENT_OUTDATED || outcome == MU_CLIENT_STOPPED || outcome == MU_CLIENT_FAILED ? problem->status : MU_OK;
}

/* Whatever is asked, this device is not let in any more: what says so for good is the next session's refusal. */
static bool is_shut_out(const mu_client_answer *answer)
{
    return strcmp(answer->code, "revoked") == 0 || strcmp(answer->code, "unknown-device") == 0;
}

static mu_status ask_plainly(mu_agent *agent, const mu_client_request *request, mu_client_answer *answer, mu_agent_reply *reply, mu_error *err)
{
    mu_error problem = { .status = MU_OK };
    mu_client_outcome outcome = mu_client_ask(agent->client, request, answer, &problem);
    if (agent->has_session && is_shut_out(answer))
        outcome = MU_CLIENT_NO_SESSION;
    return understand(agent, outcome, reply, &problem, err);
}

/* An answer that is no message of that type does not come from a coordinator: perhaps from something on the way to it. */
static mu_status unpack(mu_agent *agent, const ProtobufCMessageDescriptor *type, const mu_client_answer *answer, ProtobufCMessage **out,
                        mu_agent_reply *reply)
{
    mu_status status = mu_wire_unpack(type, answer->body, answer->body_bytes, out, &agent->trouble);
    if (status)
        *reply = MU_AGENT_LATER;
    return status == MU_E_MEMORY ? status : MU_OK;
}

/* Ask, and unpack what is granted. *out: mu_wire_free's; NULL: it was not granted. */
static mu_status ask_message(mu_agent *agent, const char *path, const ProtobufCMessage *question, double within_s, const ProtobufCMessageDescriptor *type,
                             ProtobufCMessage **out, mu_client_answer *answer, mu_agent_reply *reply, mu_error *err)
{
    unsigned char *body = NULL;
    size_t body_bytes = 0;
    *out = NULL;
    *answer = (mu_client_answer){ 0 };
    mu_status status = question ? mu_wire_pack(question, &body, &body_bytes, err) : MU_OK;
    if (!status)
        status = ask_plainly(agent, &(mu_client_request){ .path = path, .body = body, .body_bytes = body_bytes, .within_s = within_s }, answer, reply, err);
    if (!status && *reply == MU_AGENT_GRANTED)
        status = unpack(agent, type, answer, out, reply);
    if (body)
        sodium_memzero(body, body_bytes); /* a token may have been in it */
    free(body);
    return status;
}

/* ---- sessions ---- */

static const char *const capabilities[] = { "parts", "choose", "memory-limit", "look", "deflate", "zstd" }; /* docs/wire.md */

static mu_status hello(mu_agent *agent, double within_s, Muster__Hello **out, double *again_s, mu_agent_reply *reply, mu_error *err)
{
    ProtobufCMessage *message;
    mu_client_answer answer;
    mu_status status = ask_message(agent, "/v1/hello", NULL, within_s, &muster__hello__descriptor, &message, &answer, reply, err);
    *again_s = answer.again_s;
    mu_client_answer_release(&answer);
    *out = (Muster__Hello *)message;
    if (!*out || (MU_WIRE_PROTOCOL <= (*out)->protocol && MU_WIRE_PROTOCOL >= (*out)->oldest_protocol))
        return status;
    status = mu_error_set(err, MU_E_UNSUPPORTED, "%s speaks versions %u to %u of the protocol, and this build version %u: get another one", agent->config->url,
                          (*out)->oldest_protocol, (*out)->protocol, MU_WIRE_PROTOCOL);
    mu_wire_free(message);
    *out = NULL;
    return status;
}

static void fill_profile(const mu_agent *agent, Muster__Profile *out, char *processor, size_t capacity_bytes)
{
    const mu_profile *profile = &agent->config->profile;
    mu_agent_processor(agent->limits.root, processor, capacity_bytes);
    *out = (Muster__Profile){
        .base = PROTOBUF_C_MESSAGE_INIT(&muster__profile__descriptor),
        .class_name = (char *)(uintptr_t)(profile->name ? profile->name : ""),
        .macs_per_s = profile->macs_per_s[MU_PRECISION_FP32],
        .memory_bytes = profile->memory_bytes ? profile->memory_bytes : agent->config->memory_bytes,
        .download_bit_per_s = profile->download_bit_per_s,
        .upload_bit_per_s = profile->upload_bit_per_s,
        .latency_s = profile->latency_s,
        .active_w = profile->active_w,
        .idle_w = profile->idle_w,
        .radio_w = profile->radio_w,
        .cores = mu_agent_cores(),
        .processor = processor,
    };
}

static uint32_t num_examples(const mu_agent *agent)
{
    const mu_join_config *config = agent->config;
    return mu_data_num_examples(config->data, config->part == MU_JOIN_OWN_PART ? agent->identity.device : config->part);
}

static mu_status ask_session(mu_agent *agent, const ProtobufCBinaryData *challenge, double within_s, Muster__Session **out, double *again_s,
                             mu_agent_reply *reply, mu_error *err)
{
    unsigned char what[MU_WIRE_CHALLENGE_BYTES + 4], signature[MU_WIRE_SIGNATURE_BYTES];
    uint32_t device = agent->identity.device;
    char processor[128];
    Muster__Profile profile;
    Muster__OpenSession question = MUSTER__OPEN_SESSION__INIT;
    ProtobufCMessage *message = NULL;
    mu_client_answer answer = { 0 };
    memcpy(what, challenge->data, MU_WIRE_CHALLENGE_BYTES);
    for (size_t i = 0; i < 4; i++)
        what[MU_WIRE_CHALLENGE_BYTES + i] = (unsigned char)(device >> 8 * i);
    mu_status status = mu_wire_sign(MU_WIRE_SESSION, what, sizeof what, agent->identity.secret_key, signature, err);
    if (status)
        return status;
    fill_profile(agent, &profile, processor, sizeof processor);
    question.protocol = MU_WIRE_PROTOCOL;
    question.device = device;
    question.challenge = *challenge;
    question.signature = (ProtobufCBinaryData){ sizeof signature, signature };
    question.profile = &profile;
    question.num_examples = num_examples(agent);
    question.n_capabilities = MU_COUNT(capabilities);
    question.capabilities = (char **)(uintptr_t)capabilities;
    status = ask_message(agent, "/v1/session", &question.base, within_s, &muster__session__descriptor, &message, &answer, reply, err);
    *again_s = answer.again_s;
    mu_client_answer_release(&answer);
    *out = (Muster__Session *)message;
    return status;
}

/* One try. Refused: for good. */
static mu_status try_session(mu_agent *agent, double within_s, double *again_s, mu_agent_reply *reply, mu_error *err)
{
    Muster__Hello *greeting = NULL;
    Muster__Session *session = NULL;
    mu_client_set_session(agent->client, NULL, 0, NULL);
    mu_status status = hello(agent, within_s, &greeting, again_s, reply, err);
    if (!status && greeting)
        status = ask_session(agent, &greeting->challenge, within_s, &session, again_s, reply, err);
    mu_wire_free((ProtobufCMessage *)greeting);
    if (!status && session) {
        status = mu_client_set_session(agent->client, session->token.data, session->token.len, err);
        snprintf(agent->session_job, sizeof agent->session_job, "%s", session->job);
        agent->has_session = !status;
    }
    mu_wire_free((ProtobufCMessage *)session);
    if (!status && *reply == MU_AGENT_REFUSED)
        return mu_error_prefix(err, err->status, "device %u is not let in: ", agent->identity.device);
    return status;
}

mu_status mu_agent_open_session(mu_agent *agent, mu_error *err)
{
    mu_agent_reply reply = MU_AGENT_LATER;
    double again_s = 0;
    mu_status status = MU_OK;
    while (!status && !agent->has_session) {
        status = mu_agent_wait_allowed(agent, MU_AGENT_SENDS, err);
        if (!status)
            status = try_session(agent, 0, &again_s, &reply, err);
        if (!status && !agent->has_session)
            status = mu_agent_back_off(agent, again_s, err);
    }
    if (!status)
        mu_agent_tell(agent, MU_JOIN_CONNECTED, NULL);
    return status;
}

mu_status mu_agent_ask_once(mu_agent *agent, const mu_client_request *request, mu_client_answer *answer, mu_agent_reply *reply, mu_error *err)
{
    *answer = (mu_client_answer){ 0 };
    *reply = MU_AGENT_LATER;
    for (int tries = 0; tries < 2; tries++) { /* the session may just be over */
        mu_status status = MU_OK;
        if (!agent->has_session)
            status = try_session(agent, request->within_s, &answer->again_s, reply, err);
        if (status || !agent->has_session)
            return status;
        status = ask_plainly(agent, request, answer, reply, err);
        if (status || agent->has_session)
            return status;
        mu_client_answer_release(answer);
    }
    return MU_OK;
}

mu_status mu_agent_ask(mu_agent *agent, const mu_client_request *request, mu_agent_need need, mu_client_answer *answer, bool *granted, mu_error *err)
{
    mu_agent_reply reply = MU_AGENT_LATER;
    *answer = (mu_client_answer){ 0 };
    mu_status status = mu_agent_wait_allowed(agent, need, err);
    while (!status) {
        status = mu_agent_ask_once(agent, request, answer, &reply, err);
        if (status || reply != MU_AGENT_LATER)
            break;
        double again_s = answer->again_s;
        mu_client_answer_release(answer);
        status = mu_agent_back_off(agent, again_s, err);
        if (!status)
            status = mu_agent_wait_allowed(agent, need, err);
    }
    *granted = !status && reply == MU_AGENT_GRANTED;
    return status;
}

/* ---- coming in ---- */

static mu_status try_enrol(mu_agent *agent, unsigned char token[MU_WIRE_TOKEN_BYTES], double *again_s, mu_agent_reply *reply, mu_error *err)
{
    unsigned char proof[MU_WIRE_SIGNATURE_BYTES];
    char host[64];
    Muster__Hello *greeting = NULL;
    Muster__Enrol question;
    ProtobufCMessage *message = NULL;
    mu_client_answer answer = { 0 };
    mu_agent_identity *identity = &agent->identity;
    muster__enrol__init(&question);
    mu_status status = hello(agent, 0, &greeting, again_s, reply, err);
    if (status || !greeting)
        return status;
    snprintf(identity->federation, sizeof identity->federation, "%s", greeting->federation);
    mu_wire_free(&greeting->base);
    status = mu_wire_sign(MU_WIRE_ENROL, token, MU_WIRE_TOKEN_BYTES, identity->secret_key, proof, err);
    if (status)
        return status;
    mu_agent_host(host, sizeof host);
    question.protocol = MU_WIRE_PROTOCOL;
    question.token = (ProtobufCBinaryData){ MU_WIRE_TOKEN_BYTES, token };
    question.public_key = (ProtobufCBinaryData){ sizeof identity->public_key, identity->public_key };
    question.proof = (ProtobufCBinaryData){ sizeof proof, proof };
    question.name = (char *)(uintptr_t)(agent->config->name ? agent->config->name : host);
    question.n_capabilities = MU_COUNT(capabilities);
    question.capabilities = (char **)(uintptr_t)capabilities;
    status = ask_message(agent, "/v1/enrol", &question.base, 0, &muster__enrolled__descriptor, &message, &answer, reply, err);
    *again_s = answer.again_s;
    mu_client_answer_release(&answer);
    if (!status && message) {
        identity->device = ((Muster__Enrolled *)message)->device;
        status = mu_agent_identity_enrolled(agent->folder, identity, err);
    }
    mu_wire_free(message);
    return status;
}

static mu_status read_token(const char *hex, unsigned char token[MU_WIRE_TOKEN_BYTES], mu_error *err)
{
    size_t size_bytes = 0;
    const char *end = NULL;
    if (!hex)
        return mu_error_set(err, MU_E_CONFIG, "this device is not in the federation yet: it needs the one-time token that the coordinator gave for it");
    if (sodium_hex2bin(token, MU_WIRE_TOKEN_BYTES, hex, strlen(hex), NULL, &size_bytes, &end) || *end || size_bytes != MU_WIRE_TOKEN_BYTES)
        return mu_error_set(err, MU_E_CONFIG, "the token has not the %d hexadecimal digits that one has", 2 * MU_WIRE_TOKEN_BYTES);
    return MU_OK;
}

mu_status mu_agent_come_in(mu_agent *agent, mu_error *err)
{
    unsigned char token[MU_WIRE_TOKEN_BYTES];
    mu_agent_reply reply = MU_AGENT_LATER;
    double again_s = 0;
    if (agent->identity.is_enrolled)
        return MU_OK;
    mu_status status = read_token(agent->config->token_hex, token, err);
    while (!status && !agent->identity.is_enrolled) {
        status = try_enrol(agent, token, &again_s, &reply, err);
        if (!status && reply == MU_AGENT_REFUSED)
            status = mu_error_prefix(err, err->status, "the device is not let in: ");
        else if (!status && !agent->identity.is_enrolled)
            status = mu_agent_back_off(agent, again_s, err);
    }
    sodium_memzero(token, sizeof token);
    if (!status)
        mu_agent_say(agent, MU_JOIN_ENROLLED, "%s", agent->identity.federation);
    return status;
}

/* ---- asking for work ---- */

mu_status mu_agent_poll(mu_agent *agent, double hold_s, bool once, Muster__Polled **polled, mu_error *err)
{
    Muster__Poll question = MUSTER__POLL__INIT;
    unsigned char *body = NULL;
    mu_client_request request = { .path = "/v1/poll", .hold_s = hold_s, .within_s = once ? hurry_s : 0 };
    mu_client_answer answer = { 0 };
    mu_agent_reply reply = MU_AGENT_LATER;
    *polled = NULL;
    question.hold_s = (uint32_t)hold_s;
    question.n_working_on = agent->work.is_there;
    question.working_on = &agent->work.task.id;
    question.battery_share = mu_agent_battery_read(agent->limits.root).share;
    question.metered = agent->limits.is_metered && agent->limits.is_metered(agent->limits.self);
    question.n_settled_seen = agent->settled_seen_count < MU_LIMIT_MESSAGE_LIST ? agent->settled_seen_count : MU_LIMIT_MESSAGE_LIST;
    question.settled_seen = agent->settled_seen;
    mu_status status = mu_wire_pack(&question.base, &body, &request.body_bytes, err);
    request.body = body;
    while (!status && !*polled) {
        bool granted = false;
        if (once)
            status = mu_agent_ask_once(agent, &request, &answer, &reply, err);
        else
            status = mu_agent_ask(agent, &request, MU_AGENT_BEGINS, &answer, &granted, err);
        if (!status && !once)
            reply = granted ? MU_AGENT_GRANTED : MU_AGENT_REFUSED;
        if (!status && reply == MU_AGENT_GRANTED)
            status = unpack(agent, &muster__polled__descriptor, &answer, (ProtobufCMessage **)polled, &reply);
        mu_client_answer_release(&answer);
        if (!status && !once && reply == MU_AGENT_REFUSED)
            status = err->status; /* there is nothing else that it could ask */
        if (once || status)
            break;
        if (!*polled)
            status = mu_agent_back_off(agent, 0, err);
    }
    free(body);
    if (!status && *polled) {
        agent->settled_seen_count -= question.n_settled_seen;
        memmove(agent->settled_seen, agent->settled_seen + question.n_settled_seen, agent->settled_seen_count * sizeof *agent->settled_seen);
    }
    return status;
}
