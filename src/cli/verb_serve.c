/* muster serve: the federation of an experiment, carried to real devices over HTTPS. */
#include "cli/experiment_run.h"
#include "cli/table.h"
#include "cli/tokens.h"
#include "cli/verb.h"

#include "base/limits.h"
#include "muster/serve.h"
#include "report/log_lines.h"

#include <stdio.h>
#include <sys/resource.h>

#define LINGER_S 30.0

typedef struct serve_options {
    cli_run_options run;
    uint32_t        tokens;
    double          linger_s;
} serve_options;

/* A connection is an open file. What a process may have at first is often far less than what it may ask for. */
static void raise_open_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files); /* where it stays as it is, there is room for fewer devices */
    }
}

/* Where devices come in, and with what. To where progress goes: with --format json standard output is for programs. */
static mu_status announce(const cli_run *run, const serve_options *o, const mu_serve_config *config, const mu_coordinator *coordinator, mu_error *err)
{
    FILE *out = run->options->format == CLI_FORMAT_JSON ? stderr : stdout;
    const char *url = mu_coordinator_url(coordinator), *fingerprint = mu_coordinator_fingerprint(coordinator);
    if (!run->options->quiet) {
        fprintf(out, "serving %s at %s, in %s\n", mu_experiment_name(run->experiment), url, run->folder_path);
        if (fingerprint)
            fprintf(out, "certificate, SHA-256: %s\n", fingerprint);
        if (mu_coordinator_status_url(coordinator))
            fprintf(out, "to watch: %s\n", mu_coordinator_status_url(coordinator));
        if (mu_coordinator_connections_max(coordinator) < config->connections_max)
            fprintf(out, "room for %u connections, not for the %u of serve.connections_max: this process may not open more files; raise the limit (ulimit -n)\n",
                    mu_coordinator_connections_max(coordinator), config->connections_max);
        fprintf(out, "tokens for %sdevices: muster devices %s --add 1\n", o->tokens ? "further " : "", run->folder_path);
        fflush(out);
    }
    const mu_federation_config *federation = mu_experiment_config(run->experiment);
    if (!run->options->quiet && !config->look_at_devices && (federation->tier_examples || federation->look_devices))
        fprintf(out, "no accuracies by tier and by device: serve.look_at_devices is false\n");
    if (!o->tokens || run->is_resumed)
        return MU_OK;
    const cli_token_sheet sheet = { .out = out, .url = url, .fingerprint = fingerprint };
    return cli_make_tokens(run->folder_path, o->tokens, CLI_TOKEN_VALID_S, &sheet, err);
}

static mu_status serve(cli_run *run, const serve_options *o, mu_error *err)
{
    mu_serve_config config;
    mu_coordinator *coordinator = NULL;
    raise_open_files();
    mu_status status = mu_serve_config_read(run->experiment, &config, err);
    if (!status)
        status = mu_coordinator_create(run->experiment, &config, run->folder_path, &run->watchers.observer, &coordinator, err);
    if (!status)
        status = announce(run, o, &config, coordinator, err);
    if (!status) {
        status = mu_coordinator_run(coordinator, o->linger_s > 0 ? o->linger_s : LINGER_S, err);
        mu_federation *federation = mu_coordinator_federation(coordinator);
        status = cli_run_finish(run, status, federation, 0, mu_coordinator_peak_memory_bytes(coordinator), err);
    }
    mu_coordinator_destroy(coordinator);
    return status;
}

static mu_status verb_serve(const void *options, mu_error *err)
{
    const serve_options *o = options;
    cli_run run;
    mu_log_lines log;
    mu_log_lines_init(&log, stdout);
    bool logs = o->run.format == CLI_FORMAT_JSON;
    mu_status status = cli_run_open(&run, "serve", &o->run, true, logs ? &log.observer : NULL, err);
    if (!status)
        status = mu_log_lines_know(&log, mu_experiment_fleet(run.experiment), err);
    if (!status)
        status = serve(&run, o, err);
    cli_run_release(&run);
    return status;
}

static const cli_argument words[] = {
    { .name = "CONFIG.yaml", .kind = CLI_TEXT, .offset = offsetof(serve_options, run.config), .offer = CLI_OFFER_FILES,
      .help = "the experiment, with a section `serve:`; `muster help options` lists what it may say" },
};

static const cli_argument flags[] = {
    CLI_RUN_FLAGS(serve_options, run),
    { .name = "resume", .kind = CLI_TEXT, .offset = offsetof(serve_options, run.resume), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "go on with the federation in DIR, after Ctrl-C, a crash or a power cut; its devices come back by themselves" },
    { .name = "tokens", .letter = 't', .kind = CLI_COUNT, .offset = offsetof(serve_options, tokens), .value = "N", .max = MU_LIMIT_DEVICES,
      .help = "make tokens for N devices and print the command with which each joins" },
    { .name = "linger", .kind = CLI_REAL, .offset = offsetof(serve_options, linger_s), .value = "SECONDS", .min = 0.001,
      .max = 86400, .help = "how long devices are told at the end that it is over, otherwise 30; less when all have heard it" },
    { .name = "tensorboard", .kind = CLI_TEXT, .offset = offsetof(serve_options, run.tensorboard), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "write an event file for TensorBoard too: every column of rounds.csv, round by round; a folder for each run" },
    { .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .offset = offsetof(serve_options, run.quiet), .help = "no progress and no summary" },
    CLI_FORMAT_FLAG(serve_options, run.format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster serve examples/served.yaml --tokens 2", "a coordinator for two devices, and the commands with which they join" },
    { "muster serve --resume runs/served", "go on where Ctrl-C or a crash ended it" },
};

const cli_verb cli_verb_serve = {
    .name = "serve",
    .summary = "run an experiment with real devices, over HTTPS",
    .about = "Takes the experiment's federation to devices that join it (muster join), over HTTPS, and writes the same folder as muster run. Devices ask for work; "
             "they need no open port. What a device has been told was received survives kill -9 and power cuts: --resume goes on, and nothing is merged twice.\n\n"
             "Without a certificate of your own (serve.certificate, serve.key) one is made at the first start; devices are given its SHA-256 with their "
             "token. With --format json each happening is one JSON object on a line of its own, the summary the last. docs/serve.md describes it all.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(serve_options) },
    .run = verb_serve,
};
