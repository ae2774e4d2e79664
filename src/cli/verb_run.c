/* muster run: an experiment in virtual time, into a folder of its own. */
#include "cli/experiment_run.h"
#include "cli/table.h"
#include "cli/verb.h"

#include "base/limits.h"

typedef struct run_options {
    cli_run_options run;
    uint32_t        workers;
} run_options;

static mu_status simulate(cli_run *run, const run_options *o, mu_error *err)
{
    mu_simulate_config config = { .workers = o->workers, .checkpoint_path = run->checkpoint_path, .resume = run->is_resumed };
    mu_simulation *simulation = NULL;
    mu_status status = mu_simulation_create(run->experiment, &config, &run->watchers.observer, &simulation, err);
    if (status)
        return status;
    status = mu_simulation_run(simulation, err);
    status = cli_run_finish(run, status, mu_simulation_federation(simulation), mu_simulation_workers(simulation),
                            mu_simulation_peak_memory_bytes(simulation), err);
    mu_simulation_destroy(simulation);
    return status;
}

static mu_status verb_run(const void *options, mu_error *err)
{
    const run_options *o = options;
    cli_run run;
    mu_status status = cli_run_open(&run, "run", &o->run, false, NULL, err);
    if (!status)
        status = simulate(&run, o, err);
    cli_run_release(&run);
    return status;
}

static const cli_argument words[] = {
    { .name = "CONFIG.yaml", .kind = CLI_TEXT, .offset = offsetof(run_options, run.config), .offer = CLI_OFFER_FILES,
      .help = "the experiment; `muster help options` lists what it may say" },
};

static const cli_argument flags[] = {
    CLI_RUN_FLAGS(run_options, run),
    { .name = "replace", .kind = CLI_SWITCH, .offset = offsetof(run_options, run.replace),
      .help = "the folder of --out may hold a run, which is removed" },
    { .name = "resume", .kind = CLI_TEXT, .offset = offsetof(run_options, run.resume), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "go on with the interrupted run in DIR; the results are those of a run that was never interrupted" },
    { .name = "workers", .letter = 'w', .kind = CLI_COUNT, .offset = offsetof(run_options, workers), .value = "N", .min = 1,
      .max = MU_LIMIT_WORKERS, .help = "threads to train with, otherwise one a processor; results do not depend on it" },
    { .name = "tensorboard", .kind = CLI_TEXT, .offset = offsetof(run_options, run.tensorboard), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "write an event file for TensorBoard too: every column of rounds.csv, round by round; a folder for each run" },
    { .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .offset = offsetof(run_options, run.quiet), .help = "no progress and no summary" },
    CLI_FORMAT_FLAG(run_options, run.format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster run examples/first.yaml", "progress as it goes, then where the results are: runs/first" },
    { "muster run examples/first.yaml --set rounds=50 --set seed=7 --out runs/long", "the same with two keys changed, into a folder by name" },
    { "muster run --resume runs/first", "go on where Ctrl-C or a crash ended it" },
};

const cli_verb cli_verb_run = {
    .name = "run",
    .summary = "run an experiment in virtual time",
    .about = "Trains the experiment's model across its simulated devices and writes one folder: the resolved configuration, figures by round "
             "and by device, the model, a summary and a page to look at. The same seed gives the same results, byte for byte.\n\n"
             "Ctrl-C stops at the last finished round, Ctrl-C twice at once; either way --resume goes on. With --format json, progress "
             "goes to standard error and one JSON object to standard output.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(run_options) },
    .run = verb_run,
};
