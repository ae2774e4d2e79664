/* Coming in: hello, enrolment, sessions, the job, leaving.
 *
 * A challenge is the time at which it was made and a keyed hash of that, so nothing is kept for those who only say hello. A challenge opens one session of a
 * device: it must be later than the last one that did. A session's token is the device's number and 28 random bytes; of the token only its digest is kept. */
#include "net/http_internal.h"

#include "base/clock.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { TIME_BYTES = 8, TAG_BYTES = MU_WIRE_CHALLENGE_BYTES - TIME_BYTES, DIGEST_BYTES = 32 };

typedef struct session {
    bool           is_open;
    unsigned char  token_digest[DIGEST_BYTES];
    unsigned char  public_key[MU_STORE_KEY_BYTES];
    double         until_s;
    uint64_t       challenge_us; /* of the last one that opened a session */
    uint32_t       num_examples;
    mu_http_bucket bucket;
} session;

struct mu_http_sessions {
    pthread_mutex_t lock;
    unsigned char   challenge_key[crypto_auth_KEYBYTES];
    uint32_t        device_count;
    session        *of_device[]; /* NULL: it has never had one */
};

mu_status mu_http_sessions_create(mu_http *http, mu_http_sessions **out, mu_error *err)
{
    uint32_t devices = mu_desk_devices(http->config.desk);
    mu_http_sessions *sessions = calloc(1, sizeof *sessions + devices * sizeof sessions->of_device[0]);
    if (!sessions)
        return mu_error_set(err, MU_E_MEMORY, "no memory for sessions of %u devices", devices);
    sessions->device_count = devices;
    pthread_mutex_init(&sessions->lock, NULL);
    crypto_auth_keygen(sessions->challenge_key);
    *out = sessions;
    return MU_OK;
}

void mu_http_sessions_destroy(mu_http_sessions *sessions)
{
    if (!sessions)
        return;
    for (uint32_t i = 0; i < sessions->device_count; i++)
        free(sessions->of_device[i]);
    sodium_memzero(sessions->challenge_key, sizeof sessions->challenge_key);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

/* ---- challenges ---- */

static void challenge_tag(const mu_http_sessions *sessions, const unsigned char time[TIME_BYTES], unsigned char tag[TAG_BYTES])
{
    unsigned char whole[crypto_auth_BYTES];
    crypto_auth(whole, time, TIME_BYTES, sessions->challenge_key);
    memcpy(tag, whole, TAG_BYTES);
}

static uint64_t now_us(void) { return (uint64_t)(mu_clock_monotonic_s() * 1e6); }

static void make_challenge(const mu_http_sessions *sessions, unsigned char challenge[MU_WIRE_CHALLENGE_BYTES])
{
    uint64_t now = now_us();
    for (int i = 0; i < TIME_BYTES; i++)
        challenge[i] = (unsigned char)(now >> 8 * i);
    challenge_tag(sessions, challenge, challenge + TIME_BYTES);
}

/* False: not one of ours, or too old. */
static bool check_challenge(const mu_http_sessions *sessions, const unsigned char challenge[MU_WIRE_CHALLENGE_BYTES], uint64_t *made_us)
{
    unsigned char tag[TAG_BYTES];
    challenge_tag(sessions, challenge, tag);
    *made_us = 0;
    for (int i = 0; i < TIME_BYTES; i++)
        *made_us |= (uint64_t)challenge[i] << 8 * i;
    return sodium_memcmp(tag, challenge + TIME_BYTES, TAG_BYTES) == 0 && now_us() - *made_us <= MU_HTTP_CHALLENGE_VALID_S * UINT64_C(1000000);
}

void mu_http_hello(mu_http_request *request)
{
    static const char *const capabilities[] = { "ranges", "deflate", "zstd" };
    unsigned char challenge[MU_WIRE_CHALLENGE_BYTES];
    make_challenge(request->http->sessions, challenge);
    Muster__Hello hello;
    muster__hello__init(&hello);
    hello.protocol = hello.oldest_protocol = MU_WIRE_PROTOCOL;
    hello.federation = (char *)(uintptr_t)request->http->config.federation;
    hello.challenge = (ProtobufCBinaryData){ .len = sizeof challenge, .data = challenge };
    hello.challenge_valid_s = MU_HTTP_CHALLENGE_VALID_S;
    hello.capabilities = (char **)(uintptr_t)capabilities;
    hello.n_capabilities = MU_COUNT(capabilities);
    mu_http_answer_message(request, MHD_HTTP_OK, &hello.base);
}

/* ---- enrolment ---- */

static bool check_protocol(mu_http_request *request, uint32_t protocol)
{
    if (protocol < MU_WIRE_PROTOCOL)
        mu_http_refuse(request, MHD_HTTP_UPGRADE_REQUIRED, "protocol-too-old", 0, "protocol %u is not spoken any more; this coordinator speaks %u",
                       protocol, MU_WIRE_PROTOCOL);
    else if (protocol > MU_WIRE_PROTOCOL)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "protocol-unknown", 0, "protocol %u is not known here; this coordinator speaks %u", protocol,
                       MU_WIRE_PROTOCOL);
    return !request->status;
}

/* Whoever lacks what the job needs is told before he is given anything. */
static bool check_capabilities(mu_http_request *request, char *const *offered, size_t count)
{
    for (const char *const *needed = request->http->config.capabilities; needed && *needed; needed++) {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found |= !strcmp(offered[i], *needed);
        if (!found) {
            mu_http_refuse(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "capability", 0, "this job needs '%s', which the device does not name", *needed);
            return false;
        }
    }
    return true;
}

static bool is_sized(mu_http_request *request, const char *field, const ProtobufCBinaryData *data, size_t bytes)
{
    if (data->len != bytes)
        mu_http_refuse(request, MHD_HTTP_BAD_REQUEST, "not-understood", 0, "%s has %zu bytes, not %zu", field, data->len, bytes);
    return data->len == bytes;
}

static void enrol(mu_http_request *request, const Muster__Enrol *message)
{
    mu_http *http = request->http;
    if (!check_protocol(request, message->protocol) || !is_sized(request, "token", &message->token, MU_WIRE_TOKEN_BYTES) ||
        !is_sized(request, "public_key", &message->public_key, MU_STORE_KEY_BYTES) ||
        !is_sized(request, "proof", &message->proof, MU_WIRE_SIGNATURE_BYTES) ||
        !check_capabilities(request, message->capabilities, message->n_capabilities))
        return;
    if (!mu_wire_is_signed(MU_WIRE_ENROL, message->token.data, message->token.len, message->public_key.data, message->proof.data, message->proof.len)) {
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "bad-signature", 0, "the proof is not a signature of the token by that key");
        return;
    }
    mu_store_device device = { 0 };
    memcpy(device.public_key, message->public_key.data, sizeof device.public_key);
    size_t name_bytes = strlen(message->name);
    memcpy(device.name, message->name, name_bytes < sizeof device.name ? name_bytes : sizeof device.name - 1);
    unsigned char digest[DIGEST_BYTES];
    crypto_generichash(digest, sizeof digest, message->token.data, message->token.len, NULL, 0);
    mu_store_enrolment outcome;
    mu_error err;
    if (mu_store_enrol(http->config.store, digest, mu_clock_utc_us() / 1000000, &device, &outcome, &err)) {
        mu_http_refuse_trouble(request, &err);
        return;
    }
    static const struct { const char *code, *message; } refusals[] = {
        [MU_STORE_TOKEN_UNKNOWN] = { "token-unknown", "there is no such token" },
        [MU_STORE_TOKEN_USED] = { "token-used", "the token was used by another key" },
        [MU_STORE_TOKEN_EXPIRED] = { "token-expired", "the token is not valid any more" },
    };
    if (outcome != MU_STORE_ENROLLED && outcome != MU_STORE_ENROLLED_BEFORE) {
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, refusals[outcome].code, 0, "%s", refusals[outcome].message);
        return;
    }
    Muster__Enrolled enrolled;
    muster__enrolled__init(&enrolled);
    enrolled.device = device.number;
    mu_http_answer_message(request, MHD_HTTP_OK, &enrolled.base);
}

void mu_http_enrol(mu_http_request *request)
{
    ProtobufCMessage *message;
    if (!mu_http_unpack_body(request, &muster__enrol__descriptor, &message))
        return;
    enrol(request, (const Muster__Enrol *)(const void *)message);
    mu_wire_free(message);
}

/* ---- sessions ---- */

/* A device that is known and may come in. */
static bool find_device(mu_http_request *request, uint32_t number, mu_store_device *device)
{
    mu_http *http = request->http;
    mu_error err;
    bool found = false;
    if (number < http->sessions->device_count && mu_store_find_device(http->config.store, number, device, &found, &err))
        mu_http_refuse_trouble(request, &err);
    else if (!found)
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "unknown-device", 0, "there is no device %u here", number);
    else if (device->revoked)
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "revoked", 0, "device %u was revoked", number);
    return !request->status;
}

/* What of it is known to be sensible; the rest stays at 0, not known. */
static double sensible(double value) { return value > 0 && isfinite(value) ? value : 0; }

static mu_desk_report read_report(const Muster__OpenSession *message)
{
    mu_desk_report report = { .num_examples = message->num_examples };
    for (size_t i = 0; i < message->n_capabilities; i++)
        report.can_look |= strcmp(message->capabilities[i], "look") == 0;
    const Muster__Profile *said = message->profile;
    if (!said)
        return report;
    const mu_profile *class;
    if (said->class_name[0] && !mu_profile_find(said->class_name, &class, NULL))
        report.profile.name = class->name;
    report.profile.macs_per_s[MU_PRECISION_FP32] = sensible(said->macs_per_s);
    report.profile.memory_bytes = said->memory_bytes;
    report.profile.download_bit_per_s = sensible(said->download_bit_per_s);
    report.profile.upload_bit_per_s = sensible(said->upload_bit_per_s);
    report.profile.latency_s = sensible(said->latency_s);
    report.profile.active_w = sensible(said->active_w);
    report.profile.idle_w = sensible(said->idle_w);
    report.profile.radio_w = sensible(said->radio_w);
    return report;
}

/* 0: its number and random bytes are in `token`. Else the status to refuse with. */
static unsigned begin_session(mu_http *http, const mu_store_device *device, uint64_t challenge_us, uint32_t num_examples,
                              unsigned char token[MU_WIRE_TOKEN_BYTES])
{
    mu_http_sessions *sessions = http->sessions;
    randombytes_buf(token, MU_WIRE_TOKEN_BYTES);
    for (int i = 0; i < 4; i++)
        token[i] = (unsigned char)(device->number >> 8 * i);
    unsigned refused = 0;
    pthread_mutex_lock(&sessions->lock);
    session **at = &sessions->of_device[device->number];
    if (!*at)
        *at = calloc(1, sizeof **at);
    if (!*at)
        refused = MHD_HTTP_SERVICE_UNAVAILABLE;
    else if (challenge_us <= (*at)->challenge_us)
        refused = MHD_HTTP_UNAUTHORIZED;
    else {
        session *s = *at;
        s->is_open = true;
        s->until_s = mu_clock_monotonic_s() + http->serve.session_s;
        s->challenge_us = challenge_us;
        s->num_examples = num_examples;
        crypto_generichash(s->token_digest, DIGEST_BYTES, token, MU_WIRE_TOKEN_BYTES, NULL, 0);
        memcpy(s->public_key, device->public_key, sizeof s->public_key);
    }
    pthread_mutex_unlock(&sessions->lock);
    return refused;
}

static void open_session(mu_http_request *request, const Muster__OpenSession *message)
{
    mu_http *http = request->http;
    mu_store_device device;
    uint64_t challenge_us = 0;
    if (!check_protocol(request, message->protocol) || !is_sized(request, "challenge", &message->challenge, MU_WIRE_CHALLENGE_BYTES) ||
        !is_sized(request, "signature", &message->signature, MU_WIRE_SIGNATURE_BYTES))
        return;
    if (!check_challenge(http->sessions, message->challenge.data, &challenge_us)) {
        mu_http_refuse(request, MHD_HTTP_UNAUTHORIZED, "challenge", 0, "the challenge is not valid any more; say hello again");
        return;
    }
    if (!find_device(request, message->device, &device))
        return;
    unsigned char signed_bytes[MU_WIRE_CHALLENGE_BYTES + 4];
    memcpy(signed_bytes, message->challenge.data, MU_WIRE_CHALLENGE_BYTES);
    for (int i = 0; i < 4; i++)
        signed_bytes[MU_WIRE_CHALLENGE_BYTES + i] = (unsigned char)(message->device >> 8 * i);
    if (!mu_wire_is_signed(MU_WIRE_SESSION, signed_bytes, sizeof signed_bytes, device.public_key, message->signature.data, message->signature.len)) {
        mu_http_refuse(request, MHD_HTTP_FORBIDDEN, "bad-signature", 0, "the challenge is not signed by the key of device %u", message->device);
        return;
    }
    request->device = message->device;
    if (!check_capabilities(request, message->capabilities, message->n_capabilities))
        return;
    unsigned char token[MU_WIRE_TOKEN_BYTES];
    unsigned refused = begin_session(http, &device, challenge_us, message->num_examples, token);
    if (refused == MHD_HTTP_UNAUTHORIZED)
        mu_http_refuse(request, refused, "challenge", 0, "this challenge, or a later one, has opened a session already; say hello again");
    else if (refused)
        mu_http_refuse_trouble(request, &(mu_error){ .status = MU_E_MEMORY });
    else {
        mu_desk_report report = read_report(message);
        mu_desk_heard(http->config.desk, message->device, mu_clock_monotonic_s(), &report);
        mu_store_note_seen(http->config.store, message->device, mu_clock_utc_us() / 1000000);
        atomic_fetch_add(&http->sessions_opened, 1);
        Muster__Session opened;
        muster__session__init(&opened);
        opened.token = (ProtobufCBinaryData){ .len = sizeof token, .data = token };
        opened.valid_s = (uint32_t)http->serve.session_s;
        opened.job = http->job_digest;
        mu_http_answer_message(request, MHD_HTTP_OK, &opened.base);
    }
    sodium_memzero(token, sizeof token);
}

void mu_http_open_session(mu_http_request *request)
{
    ProtobufCMessage *message;
    if (!mu_http_unpack_body(request, &muster__open_session__descriptor, &message))
        return;
    open_session(request, (const Muster__OpenSession *)(const void *)message);
    mu_wire_free(message);
}

static void end_session(mu_http_sessions *sessions, uint32_t device)
{
    pthread_mutex_lock(&sessions->lock);
    if (sessions->of_device[device])
        sessions->of_device[device]->is_open = false;
    pthread_mutex_unlock(&sessions->lock);
}

/* ---- whose request it is ---- */

/* False: there is no such session. */
static bool find_session(mu_http_request *request, const unsigned char token[MU_WIRE_TOKEN_BYTES], double *wait_s)
{
    mu_http_sessions *sessions = request->http->sessions;
    uint32_t device = token[0] | (uint32_t)token[1] << 8 | (uint32_t)token[2] << 16 | (uint32_t)token[3] << 24;
    if (device >= sessions->device_count)
        return false;
    unsigned char digest[DIGEST_BYTES];
    crypto_generichash(digest, sizeof digest, token, MU_WIRE_TOKEN_BYTES, NULL, 0);
    double rate = request->http->serve.requests_per_s, now_s = mu_clock_monotonic_s();
    pthread_mutex_lock(&sessions->lock);
    session *s = sessions->of_device[device];
    bool found = s && s->is_open && now_s < s->until_s && sodium_memcmp(digest, s->token_digest, sizeof digest) == 0;
    if (found) {
        request->device = device;
        request->num_examples = s->num_examples;
        memcpy(request->public_key, s->public_key, sizeof request->public_key);
        *wait_s = mu_http_bucket_take(&s->bucket, now_s, rate, fmax(10, 5 * rate));
    }
    pthread_mutex_unlock(&sessions->lock);
    return found;
}

static bool read_bearer(mu_http_request *request, unsigned char token[MU_WIRE_TOKEN_BYTES])
{
    static const char scheme[] = "Bearer ";
    const char *said = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    size_t bytes = 0;
    return said && !strncmp(said, scheme, sizeof scheme - 1) && strlen(said) == sizeof scheme - 1 + 2 * MU_WIRE_TOKEN_BYTES &&
           sodium_hex2bin(token, MU_WIRE_TOKEN_BYTES, said + sizeof scheme - 1, 2 * MU_WIRE_TOKEN_BYTES, NULL, &bytes, NULL) == 0 &&
           bytes == MU_WIRE_TOKEN_BYTES;
}

bool mu_http_authenticate(mu_http_request *request)
{
    mu_http *http = request->http;
    unsigned char token[MU_WIRE_TOKEN_BYTES];
    double wait_s = 0;
    bool found = read_bearer(request, token) && find_session(request, token, &wait_s);
    sodium_memzero(token, sizeof token);
    if (!found)
        return false;
    if (wait_s > 0) {
        mu_http_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS, "too-many", mu_http_spread(wait_s), "device %u asks more often than the coordinator takes",
                       request->device);
        return false;
    }
    mu_store_device device = { 0 }; /* asked each time: it may have been revoked from elsewhere */
    if (!find_device(request, request->device, &device)) {
        if (device.revoked) {
            end_session(http->sessions, request->device);
            mu_desk_left(http->config.desk, request->device);
        }
        return false;
    }
    if (memcmp(device.public_key, request->public_key, sizeof device.public_key)) { /* another device has its number now */
        end_session(http->sessions, request->device);
        request->device = MU_STORE_ANY_DEVICE;
        return false;
    }
    request->heard_s = mu_clock_monotonic_s();
    mu_desk_heard(http->config.desk, request->device, request->heard_s, NULL);
    return true;
}

void mu_http_job(mu_http_request *request)
{
    mu_http_answer_bytes(request, request->http->config.job, request->http->config.job_bytes, MU_WIRE_MEDIA_TYPE);
}

void mu_http_leave(mu_http_request *request)
{
    end_session(request->http->sessions, request->device);
    mu_desk_left(request->http->config.desk, request->device);
    mu_http_answer_nothing(request);
}
