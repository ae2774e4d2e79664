/* muster devices: who may take part in a served federation. */
#include "cli/table.h"
#include "cli/text.h"
#include "cli/tokens.h"
#include "cli/verb.h"

#include "base/limits.h"
#include "muster/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

typedef struct devices_options {
    const char *folder, *url, *fingerprint;
    uint32_t    add;
    double      valid_days;
    cli_texts   revoke, admit;
    int         format;
} devices_options;

static mu_status parse_device(const char *text, uint32_t *out, mu_error *err)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (end == text || *end || errno || number >= MU_LIMIT_DEVICES || text[0] == '-')
        return mu_error_set(err, MU_E_CONFIG, "devices: expected the number of a device, not '%s'", text);
    *out = (uint32_t)number;
    return MU_OK;
}

static mu_status change(const devices_options *o, const cli_texts *devices, bool revoked, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < devices->count && !status; i++) {
        uint32_t device = 0;
        status = parse_device(devices->items[i], &device, err);
        if (!status)
            status = mu_serve_revoke(o->folder, device, revoked, err);
        if (!status && o->format != CLI_FORMAT_JSON)
            printf("device %u %s\n", device, revoked ? "is shut out from its next request on" : "may come in again");
    }
    return status;
}

static void format_time(int64_t at_s, char text[32])
{
    time_t at = (time_t)at_s;
    struct tm parts;
    if (at_s <= 0 || !gmtime_r(&at, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M:%SZ", &parts))
        snprintf(text, 32, "never");
}

static mu_status print_device(void *self, const mu_served_device *device, mu_error *err)
{
    (void)err;
    const devices_options *o = self;
    char enrolled[32], seen[32];
    format_time(device->enrolled_at_s, enrolled);
    format_time(device->seen_at_s, seen);
    if (o->format == CLI_FORMAT_JSON) {
        printf("{\"device\":%u,\"name\":", device->number);
        cli_print_json_text(stdout, device->name);
        printf(",\"revoked\":%s,\"enrolled_at_s\":%" PRId64 ",\"seen_at_s\":%" PRId64 "}\n", device->revoked ? "true" : "false",
               device->enrolled_at_s, device->seen_at_s);
        return MU_OK;
    }
    printf("device %-6u %-24s enrolled %s, seen %s%s\n", device->number, device->name, enrolled, seen, device->revoked ? ", revoked" : "");
    return MU_OK;
}

static mu_status verb_devices(const void *options, mu_error *err)
{
    const devices_options *o = options;
    const cli_token_sheet sheet = { .out = stdout, .json = o->format == CLI_FORMAT_JSON, .url = o->url, .fingerprint = o->fingerprint };
    mu_status status = change(o, &o->revoke, true, err);
    if (!status)
        status = change(o, &o->admit, false, err);
    if (!status && o->add)
        status = cli_make_tokens(o->folder, o->add, o->valid_days > 0 ? o->valid_days * 24 * 3600 : CLI_TOKEN_VALID_S, &sheet, err);
    if (!status && !o->add && !o->revoke.count && !o->admit.count)
        status = mu_serve_each_device(o->folder, print_device, (void *)(uintptr_t)o, err);
    return status;
}

static const cli_argument words[] = {
    { .name = "DIR", .kind = CLI_TEXT, .offset = offsetof(devices_options, folder), .offer = CLI_OFFER_FOLDERS, .needed = true,
      .help = "the federation's folder, as muster serve named it; whether or not it is being served" },
};

static const cli_argument flags[] = {
    { .name = "add", .letter = 'a', .kind = CLI_COUNT, .offset = offsetof(devices_options, add), .value = "N", .max = MU_LIMIT_DEVICES,
      .help = "make one-time tokens for N further devices" },
    { .name = "valid-days", .kind = CLI_REAL, .offset = offsetof(devices_options, valid_days), .value = "DAYS", .min = 0.0001, .max = 36500,
      .help = "how long they may be used, otherwise 30" },
    { .name = "url", .kind = CLI_TEXT, .offset = offsetof(devices_options, url), .value = "URL", .help = "to be printed in the command with which a device joins" },
    { .name = "fingerprint", .kind = CLI_TEXT, .offset = offsetof(devices_options, fingerprint), .value = "HEX", .help = "likewise" },
    { .name = "revoke", .kind = CLI_TEXTS, .offset = offsetof(devices_options, revoke), .value = "NUMBER",
      .help = "shut a device out, from its next request on; may be given again" },
    { .name = "admit", .kind = CLI_TEXTS, .offset = offsetof(devices_options, admit), .value = "NUMBER", .help = "take that back" },
    CLI_FORMAT_FLAG(devices_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster devices runs/served", "every device that has come in" },
    { "muster devices runs/served --add 10 --url https://fl.example.org:8443", "tokens for ten more" },
    { "muster devices runs/served --revoke 7", "device 7 is lost or not to be trusted" },
};

const cli_verb cli_verb_devices = {
    .name = "devices",
    .summary = "list a served federation's devices, admit further ones, shut some out",
    .about = "A device comes in once, by a token, and is known by its key from then on. Who has the token first is the device: hand it over by a way that "
             "you trust.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(devices_options) },
    .run = verb_devices,
};
