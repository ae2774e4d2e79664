/* What `run` and `serve` have in common: an experiment, the folder that it is run into, who watches, and what is said in the end. */
#ifndef MUSTER_CLI_EXPERIMENT_RUN_H
#define MUSTER_CLI_EXPERIMENT_RUN_H

#include "cli/arguments.h"

#include "muster/experiment.h"
#include "report/event_file.h"
#include "report/progress.h"
#include "report/run_folder.h"
#include "report/watchers.h"

typedef struct cli_run_options {
    const char *config, *recipe, *out, *resume, *tensorboard;
    cli_texts   settings;
    bool        quiet, replace;
    int         format;
} cli_run_options;

/* Everything that one run holds; released in the opposite order. */
typedef struct cli_run {
    const cli_run_options *options;
    const char    *verb; /* "run" */
    bool           real_time;
    char          *config_path, *folder_path, *checkpoint_path, *rounds_path, *resolved;
    mu_experiment *experiment;
    mu_run_folder *folder;
    mu_progress   *progress;
    mu_tier_names  tiers;
    mu_event_file *events; /* NULL: none is asked for */
    mu_watchers    watchers;
    mu_observer    stopper;
    uint32_t       rounds_done;
    bool           is_resumed; /* there is a checkpoint to go on from */
} cli_run;

/* Loads the experiment, opens its folder, and sets up who watches (run->watchers.observer). From here on Ctrl-C asks it to stop. `real_time`: the federation's time is the
 * clock's, not virtual. `more` (may be NULL) watches too. cli_run_release also after an error. */
mu_status cli_run_open(cli_run *run, const char *verb, const cli_run_options *options, bool real_time, const mu_observer *more, mu_error *err);
/* What the federation ended with: an interruption says how to go on. Then, if it was MU_OK, the files and the words at the end. */
mu_status cli_run_finish(cli_run *run, mu_status status, mu_federation *federation, uint32_t workers, size_t measured_peak_memory_bytes,
                         mu_error *err);
void      cli_run_release(cli_run *run); /* whatever was opened */

/* The flags that both have; `options` is the name of the verb's own options struct, `member` its cli_run_options. */
#define CLI_RUN_FLAGS(options, member) \
    { .name = "recipe", .letter = 'r', .kind = CLI_TEXT, .offset = offsetof(options, member.recipe), .value = "NAME", \
      .offer = CLI_OFFER_RECIPES, .help = "start from this recipe instead of the one that CONFIG.yaml names" }, \
    { .name = "set", .letter = 's', .kind = CLI_TEXTS, .offset = offsetof(options, member.settings), .value = "KEY=VALUE", \
      .help = "change a key, as in --set rounds=50 or --set train.learning_rate=0.1; may be given again" }, \
    { .name = "out", .letter = 'o', .kind = CLI_TEXT, .offset = offsetof(options, member.out), .value = "DIR", .offer = CLI_OFFER_FOLDERS, \
      .help = "folder for the results, which must be new or empty; otherwise runs/NAME, or runs/NAME-2 and so on where that is there" }

#endif
