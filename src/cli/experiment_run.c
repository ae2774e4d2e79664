/* An experiment on its way: what `run` and `serve` have in common. */
#include "cli/experiment_run.h"

#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "cli/text.h"

#include "base/file.h"
#include "report/number.h"
#include "tensor/kernels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUNS_FOLDER "runs"

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for the run");
}

static mu_status check_options(const cli_run *r, mu_error *err)
{
    const cli_run_options *o = r->options;
    if (!o->config && !o->resume)
        return mu_error_set(err, MU_E_CONFIG, "%s: CONFIG.yaml is missing, as in muster %s examples/first.yaml (or --resume DIR)", r->verb, r->verb);
    if (o->resume && (o->config || o->recipe || o->settings.count || o->out || o->replace))
        return mu_error_set(err, MU_E_CONFIG, "%s: --resume DIR goes on with what DIR/%s says; CONFIG.yaml, --recipe, --set, --out "
                                              "and --replace cannot change it", r->verb, MU_RUN_CONFIG);
    if (o->replace && !o->out)
        return mu_error_set(err, MU_E_CONFIG, "%s: --replace needs --out DIR, the run to replace", r->verb);
    return MU_OK;
}

/* runs/NAME, or the first of runs/NAME-2, runs/NAME-3, ... that is not there. Made here, so that two runs that start at the same time do
 * not take the same one. */
static mu_status make_new_folder(const char *name, char **out, mu_error *err)
{
    mu_status status = mu_folder_make(RUNS_FOLDER, err);
    if (status)
        return status;
    size_t capacity_bytes = sizeof RUNS_FOLDER + strlen(name) + 16;
    char *path = malloc(capacity_bytes);
    if (!path)
        return no_memory(err);
    for (uint32_t number = 1; number < UINT32_MAX; number++) {
        if (number == 1)
            snprintf(path, capacity_bytes, "%s/%s", RUNS_FOLDER, name);
        else
            snprintf(path, capacity_bytes, "%s/%s-%u", RUNS_FOLDER, name, number);
        if (mkdir(path, 0777) == 0) {
            *out = path;
            return MU_OK;
        }
        if (errno != EEXIST)
            break;
    }
    status = mu_error_set(err, MU_E_IO, "%s: the folder cannot be made: %s", path, strerror(errno));
    free(path);
    return status;
}

static mu_status load(cli_run *r, mu_error *err)
{
    const cli_run_options *o = r->options;
    if (o->resume && !mu_run_folder_is_run(o->resume))
        return mu_error_set(err, MU_E_IO, "%s: there is no run in this folder (it would hold a %s)", o->resume, MU_RUN_CONFIG);
    r->config_path = o->resume ? mu_path_join(o->resume, MU_RUN_CONFIG) : strdup(o->config);
    if (!r->config_path)
        return no_memory(err);
    mu_status status = mu_experiment_load(r->config_path, o->recipe, o->settings.items, o->settings.count, &r->experiment, err);
    if (status)
        return status;
    r->resolved = mu_experiment_resolved(r->experiment);
    return r->resolved ? MU_OK : no_memory(err);
}

static mu_status open_folder(cli_run *r, mu_error *err)
{
    const cli_run_options *o = r->options;
    mu_status status = MU_OK;
    if (o->resume || o->out) {
        r->folder_path = strdup(o->resume ? o->resume : o->out);
        status = r->folder_path ? MU_OK : no_memory(err);
    } else {
        status = make_new_folder(mu_experiment_name(r->experiment), &r->folder_path, err);
    }
    if (status)
        return status;
    r->checkpoint_path = mu_path_join(r->folder_path, MU_RUN_CHECKPOINT);
    if (!r->checkpoint_path)
        return no_memory(err);
    mu_run_subject subject = mu_run_subject_of(r->experiment, r->resolved);
    mu_run_open how = o->resume ? MU_RUN_RESUME : o->replace ? MU_RUN_REPLACE : MU_RUN_NEW;
    return cli_as_input(mu_run_folder_open(r->folder_path, how, &subject, &r->folder, err));
}

static mu_status open_events(cli_run *r, mu_error *err)
{
    const cli_run_options *o = r->options;
    if (!o->tensorboard)
        return MU_OK;
    r->rounds_path = mu_path_join(r->folder_path, MU_RUN_ROUNDS);
    if (!r->rounds_path)
        return no_memory(err);
    mu_status status = mu_tier_names_of(mu_experiment_fleet(r->experiment), &r->tiers, err);
    if (!status)
        status = cli_as_input(mu_event_file_open(o->tensorboard, o->resume || o->replace, r->rounds_path, &r->tiers, &r->events, err));
    return status;
}

static bool stop_asked(void *self)
{
    (void)self;
    return cli_interrupt_asked();
}

static mu_status count_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    ((cli_run *)self)->rounds_done = report->round;
    return MU_OK;
}

static mu_status set_up_watchers(cli_run *r, const mu_observer *more, mu_error *err)
{
    const cli_run_options *o = r->options;
    FILE *progress_file = o->quiet ? NULL : o->format == CLI_FORMAT_JSON ? stderr : stdout;
    mu_progress_config progress = { .out = progress_file, .rounds = mu_experiment_config(r->experiment)->rounds, .real_time = r->real_time };
    if (progress_file) {
        progress.columns = (uint32_t)cli_terminal_width(progress_file);
        progress.is_terminal = progress.columns > 0;
    }
    mu_status status = mu_progress_create(&progress, &r->progress, err);
    if (status)
        return status;
    r->stopper = (mu_observer){ .self = r, .round = count_round, .stop = stop_asked };
    const mu_observer *all[5] = { mu_run_folder_observer(r->folder), mu_progress_observer(r->progress), &r->stopper };
    size_t count = 3;
    if (r->events)
        all[count++] = mu_event_file_observer(r->events);
    if (more)
        all[count++] = more;
    mu_watchers_init(&r->watchers, all, count);
    r->is_resumed = o->resume && mu_file_exists(r->checkpoint_path);
    if (o->resume && !r->is_resumed && progress_file)
        fprintf(progress_file, "no round was finished in %s: starting from the first\n", o->resume);
    return MU_OK;
}

/* Options that the file gives for another recipe than it is run by. */
static void print_note(const cli_run *r)
{
    const char *note = mu_experiment_note(r->experiment);
    if (note && !r->options->quiet)
        fprintf(stderr, "muster: passed over, because recipe %s answers these questions by methods without such options: %s\n",
                mu_experiment_recipe(r->experiment), note);
}

mu_status cli_run_open(cli_run *r, const char *verb, const cli_run_options *options, bool real_time, const mu_observer *more, mu_error *err)
{
    *r = (cli_run){ .options = options, .verb = verb, .real_time = real_time };
    mu_status status = check_options(r, err);
    if (!status)
        status = mu_kernels_check(err);
    if (!status)
        status = load(r, err);
    if (!status)
        status = open_folder(r, err);
    if (!status)
        status = open_events(r, err);
    if (status)
        return status;
    cli_interrupt_catch();
    print_note(r);
    return set_up_watchers(r, more, err);
}

/* ---- the end ---- */

/* "low 0.9512, mid 0.9634" */
static void print_tiers(const cli_run *r, const mu_totals *totals)
{
    const mu_fleet *fleet = mu_experiment_fleet(r->experiment);
    char accuracy[MU_NUMBER_BYTES];
    fputs("  by tier       ", stdout);
    for (uint32_t tier = 0; tier < mu_fleet_tier_count(fleet); tier++) {
        mu_show_fixed(totals->tier_accuracy[tier], 4, accuracy);
        printf("%s%s %s", tier ? ", " : "", mu_fleet_tier_name(fleet, tier), accuracy);
    }
    putchar('\n');
}

/* "1 0.9512, 0.5 0.9401" */
static void print_widths(const mu_run_summary *summary)
{
    char width[MU_NUMBER_BYTES], accuracy[MU_NUMBER_BYTES];
    for (uint32_t i = 0; i < summary->width_count; i++) {
        mu_number_real(summary->widths[i].width, width);
        mu_show_fixed(summary->widths[i].accuracy, 4, accuracy);
        printf("%s%s %s", i ? ", " : "  by width      ", width, accuracy);
    }
    if (summary->width_count)
        putchar('\n');
}

static void print_fairness(const mu_run_summary *summary)
{
    if (summary->devices_evaluated)
        printf("  by device     %.4f in the mean of %llu, spread %.4f, worst tenth %.4f\n", summary->device_accuracy_mean,
               (unsigned long long)summary->devices_evaluated, summary->device_accuracy_sd, summary->device_accuracy_worst_decile);
}

/* "8 merged, 0 lost, 0 late": and what is rare only where it was */
static void print_updates(const mu_totals *totals)
{
    printf("  updates       %llu merged, %llu lost, %llu late", (unsigned long long)totals->updates_merged,
           (unsigned long long)totals->updates_lost, (unsigned long long)totals->updates_late);
    if (totals->updates_refused)
        printf(", %llu refused", (unsigned long long)totals->updates_refused);
    if (totals->updates_discarded)
        printf(", %llu discarded", (unsigned long long)totals->updates_discarded);
    if (totals->max_staleness)
        printf("; staleness %.2f in the mean, %u at most", totals->staleness_sum / (double)totals->updates_merged, totals->max_staleness);
    putchar('\n');
}

static void print_summary(const cli_run *r, const mu_federation *federation)
{
    const mu_totals *totals = mu_federation_totals(federation);
    char a[MU_NUMBER_BYTES], b[MU_NUMBER_BYTES], memory[CLI_NUMBER_BYTES], wall[CLI_NUMBER_BYTES], virtual[CLI_NUMBER_BYTES];
    printf("\n%s: %u rounds of %s in %s", mu_experiment_name(r->experiment), totals->rounds, mu_experiment_recipe(r->experiment),
           cli_format_seconds(mu_run_folder_wall_time_s(r->folder), wall));
    if (!r->real_time)
        printf(" (virtual time %s)", cli_format_seconds(mu_time_to_s(totals->time), virtual));
    putchar('\n');
    mu_show_fixed(totals->final_accuracy, 4, a);
    mu_show_fixed(totals->best_accuracy, 4, b);
    printf("  accuracy      %s at the end, %s at best\n", a, b);
    if (mu_experiment_config(r->experiment)->tier_examples)
        print_tiers(r, totals);
    print_widths(mu_run_folder_summary(r->folder));
    print_fairness(mu_run_folder_summary(r->folder));
    mu_show_scaled((double)totals->bytes_up, "B", a);
    mu_show_scaled((double)totals->bytes_down, "B", b);
    printf("  traffic       %s up, %s down", a, b);
    mu_show_scaled((double)totals->bytes_peer, "B", a);
    if (totals->bytes_peer)
        printf(", %s between devices", a);
    putchar('\n');
    mu_show_scaled(totals->energy_j, "J", a);
    printf("  energy        %s on all devices\n", a);
    printf("  peak memory   %s on one device\n", cli_format_bytes(totals->peak_memory_bytes, memory));
    print_updates(totals);
    printf("results: %s (look at %s/%s)\n", r->folder_path, r->folder_path, MU_RUN_REPORT);
}

/* {"folder": ..., "summary": what summary.json holds} */
static mu_status print_json(const cli_run *r, mu_error *err)
{
    char *path = mu_path_join(r->folder_path, MU_RUN_SUMMARY);
    mu_file file;
    if (!path)
        return no_memory(err);
    mu_status status = mu_file_map(path, &file, err);
    free(path);
    if (status)
        return status;
    fputs("{\"folder\":", stdout);
    cli_print_json_text(stdout, r->folder_path);
    fputs(",\"summary\":", stdout);
    cli_print_json_compact(stdout, (const char *)file.data, file.size_bytes);
    fputs("}\n", stdout);
    mu_file_unmap(&file);
    return MU_OK;
}

mu_status cli_run_finish(cli_run *r, mu_status status, mu_federation *federation, uint32_t workers, size_t measured_peak_memory_bytes,
                         mu_error *err)
{
    mu_progress_clear(r->progress);
    if (status == MU_E_INTERRUPTED)
        return mu_error_set(err, status, "stopped after round %u of %u; go on with: muster %s --resume %s", r->rounds_done,
                            mu_experiment_config(r->experiment)->rounds, r->verb, r->folder_path);
    if (status)
        return mu_error_prefix(err, status, "%s: ", r->folder_path);
    status = mu_run_folder_finish_federation(r->folder, federation, workers, measured_peak_memory_bytes, err);
    if (!status && r->events)
        status = mu_event_file_finish(r->events, r->folder_path, err);
    if (status)
        return status;
    if (r->options->format == CLI_FORMAT_JSON)
        return print_json(r, err);
    if (!r->options->quiet)
        print_summary(r, federation);
    return MU_OK;
}

void cli_run_release(cli_run *r)
{
    mu_progress_destroy(r->progress);
    mu_event_file_close(r->events);
    mu_run_folder_close(r->folder);
    mu_experiment_destroy(r->experiment);
    free(r->resolved);
    free(r->rounds_path);
    free(r->checkpoint_path);
    free(r->folder_path);
    free(r->config_path);
}
