/* muster status: how a coordinator stands, asked from the address that people look at. */
#include "cli/status_text.h"
#include "cli/table.h"
#include "cli/verb.h"

#include "base/limits.h"
#include "muster/version.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "http://127.0.0.1:8444"
#define CONNECT_WITHIN_S 5L
#define ANSWER_WITHIN_S 20L

typedef struct status_options {
    const char *url;
    int         format;
} status_options;

/* ---- asking ---- */

typedef struct answer {
    char  *bytes; /* [MU_LIMIT_STATUS_BYTES] */
    size_t size_bytes;
    bool   too_much;
} answer;

static size_t take_bytes(char *data, size_t one, size_t count, void *context)
{
    answer *a = context;
    a->too_much = one * count > MU_LIMIT_STATUS_BYTES - a->size_bytes;
    if (a->too_much)
        return 0;
    memcpy(a->bytes + a->size_bytes, data, one * count);
    a->size_bytes += one * count;
    return one * count;
}

static mu_status explain(const char *url, CURLcode code, long http_status, const answer *a, const char *why, mu_error *err)
{
    if (a->too_much)
        return mu_error_set(err, MU_E_LIMIT, "%s: answers with more than %zu bytes, as no coordinator does", url, MU_LIMIT_STATUS_BYTES);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return mu_error_set(err, MU_E_NETWORK, "%s: the answer was %ld; a coordinator says how it stands at its serve.status_address, not where devices come in", url,
                            http_status);
    if (code != CURLE_OK)
        return mu_error_set(err, MU_E_NETWORK, "%s: %s; is there a coordinator, and is this its serve.status_address?", url, why[0] ? why : curl_easy_strerror(code));
    return MU_OK;
}

static mu_status ask(const char *url, answer *a, mu_error *err)
{
    CURL *curl = curl_easy_init();
    char why[CURL_ERROR_SIZE] = "";
    long http_status = 0;
    if (!curl)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a request");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" MU_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_WITHIN_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_WITHIN_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status);
    curl_easy_cleanup(curl);
    return explain(url, code, http_status, a, why, err);
}

/* ---- the verb ---- */

/* URL/status.json, with one slash between them. */
static char *address_of(const char *url)
{
    static const char name[] = "/status.json";
    size_t length = strlen(url);
    while (length && url[length - 1] == '/')
        length--;
    char *address = malloc(length + sizeof name);
    if (address) {
        memcpy(address, url, length);
        memcpy(address + length, name, sizeof name);
    }
    return address;
}

static mu_status show(const char *address, const answer *a, cli_format format, mu_error *err)
{
    mu_error why = { 0 };
    mu_status status = cli_status_print(stdout, format, a->bytes, a->size_bytes, &why);
    return status ? mu_error_set(err, status, "%s: %s", address, why.message) : MU_OK;
}

static mu_status verb_status(const void *options, mu_error *err)
{
    const status_options *o = options;
    char *address = address_of(o->url ? o->url : DEFAULT_URL);
    answer a = { .bytes = malloc(MU_LIMIT_STATUS_BYTES) };
    mu_status status = address && a.bytes ? ask(address, &a, err) : mu_error_set(err, MU_E_MEMORY, "no memory for a coordinator's answer");
    if (!status)
        status = show(address, &a, (cli_format)o->format, err);
    free(a.bytes);
    free(address);
    return status;
}

static const cli_argument words[] = {
    { .name = "URL", .kind = CLI_TEXT, .offset = offsetof(status_options, url),
      .help = "where the coordinator shows its page; " DEFAULT_URL " when not given" },
};

static const cli_argument flags[] = { CLI_FORMAT_FLAG(status_options, format, cli_formats_text_json) };

static const cli_example examples[] = {
    { "muster status", "how the coordinator on this machine stands" },
    { "muster status http://127.0.0.1:9444 --format json", "everything that it says of itself, for a script" },
};

const cli_verb cli_verb_status = {
    .name = "status",
    .summary = "say how a coordinator stands",
    .about = "Asks a coordinator (muster serve) at the address that people look at, its serve.status_address: round, accuracy, devices, updates, and what "
             "went wrong lately. The exit code is 5 when it cannot be reached.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(status_options) },
    .run = verb_status,
};
