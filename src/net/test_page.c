/* For tests/net/page_test: a coordinator's page over a federation that is played by hand, served by the coordinator's own listener.
 *
 *     net_page_demo [--no-charts]      prints the page's address, and ends when its standard input does
 *
 * One round is made each time that somebody asks how it stands, so whoever looks again sees more. The page gets one more script, which looks at what
 * was drawn: data-ink of each canvas says how many of its pixels are not empty, data-errors of the root element what went wrong. */
#include "net/look_internal.h"
#include "net/look_support.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_AT_FIRST = 20, DEVICES = 12 };

static const char check[] =
    "'use strict';\n"
    "function wrong(what) { var root = document.documentElement; root.dataset.errors = (root.dataset.errors || '') + what + '; '; }\n"
    "addEventListener('error', function (event) { wrong(event.message || 'cannot be loaded: ' + (event.target.src || event.target.href)); }, true);\n"
    "addEventListener('unhandledrejection', function (event) { wrong(String(event.reason)); });\n"
    "addEventListener('securitypolicyviolation', function (event) { wrong('against the policy: ' + event.blockedURI); });\n"
    "console.error = function (what) { wrong(String(what)); };\n"
    "setInterval(function () {\n"
    "  document.querySelectorAll('canvas').forEach(function (canvas) {\n"
    "    if (!canvas.width || !canvas.height) return;\n"
    "    var pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, ink = 0;\n"
    "    for (var i = 3; i < pixels.length; i += 4) ink += pixels[i] > 0;\n"
    "    canvas.dataset.ink = ink;\n"
    "  });\n"
    "}, 1000);\n";

typedef struct demo {
    look_stage      stage;
    bool            no_charts;
    pthread_mutex_t lock;
    uint32_t        round;
} demo;

static void play_round(demo *d)
{
    pthread_mutex_lock(&d->lock);
    uint32_t round = d->round++;
    for (uint32_t device = 0; device < 4; device++)
        look_stage_event(&d->stage, MU_HAPPENED_SENT, device, round, NULL);
    look_stage_event(&d->stage, MU_HAPPENED_MERGED, 1, round, NULL);
    if (round % 5 == 1)
        look_stage_event(&d->stage, MU_HAPPENED_LOST, 3, round, "<script>document.title = 'taken over'</script>");
    look_stage_round(&d->stage, round);
    pthread_mutex_unlock(&d->lock);
}

/* The page, with the script that checks it in front of all others. */
static char *with_check(char *page, size_t *size_bytes)
{
    static const char before[] = "<link rel=\"stylesheet\"", script[] = "<script src=\"check.js\"></script>\n";
    char *at = strstr(page, before), *out = malloc(strlen(page) + sizeof script);
    if (!at || !out) {
        fprintf(stderr, "net_page_demo: the page has no '%s'\n", before);
        exit(1);
    }
    sprintf(out, "%.*s%s%s", (int)(at - page), page, script, at);
    free(page);
    *size_bytes = strlen(out);
    return out;
}

static char *look(void *self, const char *path, const char **media_type, size_t *size_bytes)
{
    demo *d = self;
    const char *own = strcmp(path, "/check.js") == 0 ? check : d->no_charts && strcmp(path, "/chart.js") == 0 ? "/* none */" : NULL;
    if (own) {
        *media_type = "text/javascript";
        *size_bytes = strlen(own);
        return strdup(own);
    }
    if (strcmp(path, "/status.json") == 0)
        play_round(d);
    char *text = mu_look_text(d->stage.look, path, media_type, size_bytes);
    return text && strcmp(path, "/") == 0 ? with_check(text, size_bytes) : text;
}

static mu_http *listen_to_people(demo *d)
{
    mu_error err = { 0 };
    mu_serve_config serve;
    mu_http *http = NULL;
    mu_status status = mu_serve_config_read(d->stage.experiment, &serve, &err);
    serve.address = serve.status_address = "127.0.0.1:0";
    serve.tls = false;
    const mu_http_config config = { .serve = &serve, .folder = d->stage.folder, .federation = "demo", .job = (const unsigned char *)"", .store = d->stage.store,
                                    .desk = d->stage.desk, .look = look, .look_self = d };
    if (!status)
        status = mu_http_create(&config, &http, &err);
    if (status) {
        fprintf(stderr, "net_page_demo: %s\n", err.message);
        exit(1);
    }
    return http;
}

int main(int argc, char **argv)
{
    demo d = { .no_charts = argc > 1 && strcmp(argv[1], "--no-charts") == 0, .lock = PTHREAD_MUTEX_INITIALIZER };
    look_stage_open(&d.stage, "'a <b> federation'", DEVICES);
    look_stage_enrol(&d.stage, 1, "<img src=x onerror=\"document.title='taken over'\">");
    look_stage_enrol(&d.stage, 2, "kitchen");
    mu_desk_heard(d.stage.desk, 1, mu_clock_monotonic_s(), NULL);
    mu_desk_heard(d.stage.desk, 2, mu_clock_monotonic_s(), NULL);
    look_stage_put_task(&d.stage, 1, 2);
    while (d.round < ROUNDS_AT_FIRST)
        play_round(&d);
    mu_http *http = listen_to_people(&d);
    mu_look_attach(d.stage.look, http);
    printf("%s\n", mu_http_status_url(http));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    mu_look_attach(d.stage.look, NULL);
    mu_http_destroy(http);
    look_stage_close(&d.stage);
    return 0;
}
