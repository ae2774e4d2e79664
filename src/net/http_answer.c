/* Answers: messages, refusals, nothing; and the ring of what was refused lately. */
#include "net/http_internal.h"

#include "base/clock.h"

#include <math.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mu_http_answer_with(mu_http_request *request, unsigned status, struct MHD_Response *response)
{
    if (request->response && request->response != request->http->no_memory)
        MHD_destroy_response(request->response);
    request->status = response ? status : MHD_HTTP_SERVICE_UNAVAILABLE;
    request->response = response ? response : request->http->no_memory;
}

void mu_http_answer_message(mu_http_request *request, unsigned status, const ProtobufCMessage *message)
{
    unsigned char *bytes;
    size_t size_bytes;
    if (mu_wire_pack(message, &bytes, &size_bytes, NULL)) {
        mu_http_answer_with(request, 0, NULL);
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(size_bytes, bytes, MHD_RESPMEM_MUST_FREE);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, MU_WIRE_MEDIA_TYPE);
        request->answer_bytes = size_bytes;
        atomic_fetch_add(&request->http->bytes_out, size_bytes);
    } else
        free(bytes);
    mu_http_answer_with(request, status, response);
}

void mu_http_answer_bytes(mu_http_request *request, const void *bytes, size_t size_bytes, const char *media_type)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(size_bytes, (void *)(uintptr_t)bytes, MHD_RESPMEM_PERSISTENT);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, media_type);
        request->answer_bytes = size_bytes;
        atomic_fetch_add(&request->http->bytes_out, size_bytes);
    }
    mu_http_answer_with(request, MHD_HTTP_OK, response);
}

void mu_http_answer_nothing(mu_http_request *request)
{
    mu_http_answer_with(request, MHD_HTTP_NO_CONTENT, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

void mu_http_answer_state(mu_http_request *request, unsigned status, uint64_t have_bytes, bool complete)
{
    Muster__UpdateState state;
    muster__update_state__init(&state);
    state.have_bytes = have_bytes;
    state.complete = complete;
    mu_http_answer_message(request, status, &state.base);
}

void mu_http_refuse(mu_http_request *request, unsigned status, const char *code, double again_s, const char *format, ...)
{
    char message[sizeof((mu_error *)0)->message], code_copy[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    snprintf(code_copy, sizeof code_copy, "%s", code);
    Muster__Refusal refusal;
    muster__refusal__init(&refusal);
    refusal.code = code_copy;
    refusal.message = message;
    refusal.again_s = again_s;
    mu_http_answer_message(request, status, &refusal.base);
    if (again_s > 0 && request->response != request->http->no_memory) {
        char seconds[32];
        snprintf(seconds, sizeof seconds, "%.0f", ceil(again_s));
        MHD_add_response_header(request->response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    atomic_fetch_add(&request->http->refused, 1);
    mu_http_note_problem(request->http, request->device, status, code);
}

void mu_http_refuse_trouble(mu_http_request *request, const mu_error *err)
{
    mu_http_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, err->status == MU_E_MEMORY ? "no-memory" : "storage", mu_http_spread(request->http->serve.again_s),
                   "the coordinator has a trouble of its own (%s); nothing is wrong with the request", mu_status_name(err->status));
}

void mu_http_note_problem(mu_http *http, uint32_t device, unsigned status, const char *code)
{
    mu_http_problem problem = { .at_us = mu_clock_utc_us(), .device = device, .status = status };
    snprintf(problem.code, sizeof problem.code, "%s", code);
    pthread_mutex_lock(&http->lock);
    http->problems[http->problem_count++ % MU_HTTP_PROBLEMS] = problem;
    pthread_mutex_unlock(&http->lock);
}

size_t mu_http_problems(mu_http *http, mu_http_problem *out, size_t most)
{
    size_t count = 0;
    pthread_mutex_lock(&http->lock);
    for (; count < most && count < MU_HTTP_PROBLEMS && count < http->problem_count; count++)
        out[count] = http->problems[(http->problem_count - 1 - count) % MU_HTTP_PROBLEMS];
    pthread_mutex_unlock(&http->lock);
    return count;
}

double mu_http_spread(double seconds)
{
    return seconds * (0.8 + 0.4 * (double)randombytes_random() / (double)UINT32_MAX);
}
