/* A run's folder: written while the run goes on, finished when it ends. docs/results.md says what stands in every file.
 *
 *   config.yaml        the experiment, resolved: running it again repeats the run
 *   rounds.csv         one row a round, written as it ends
 *   widths.csv         where parts of the model are used by themselves: a row for each, whenever a round is evaluated
 *   events.jsonl       one line whenever something happens to a task
 *   checkpoint         the federation's own, to resume from
 *   devices.csv        one row a device         \
 *   model.safetensors  the last version           \  at the end
 *   summary.json       the figures of the run     /
 *   report.html        the same to look at       /
 *
 * rounds.csv, widths.csv, events.jsonl, devices.csv, config.yaml and the model hold virtual things only: they are equal byte for byte however many
 * workers ran and however often the run was killed and resumed. Wall time and memory are in summary.json alone. */
#ifndef MUSTER_REPORT_RUN_FOLDER_H
#define MUSTER_REPORT_RUN_FOLDER_H

#include "muster/experiment.h"
#include "report/summary.h"

#define MU_RUN_CONFIG "config.yaml"
#define MU_RUN_ROUNDS "rounds.csv"
#define MU_RUN_WIDTHS "widths.csv"
#define MU_RUN_EVENTS "events.jsonl"
#define MU_RUN_CHECKPOINT "checkpoint"
#define MU_RUN_DEVICES "devices.csv"
#define MU_RUN_MODEL "model.safetensors"
#define MU_RUN_SUMMARY "summary.json"
#define MU_RUN_REPORT "report.html"

typedef struct mu_run_folder mu_run_folder;

typedef enum mu_run_open {
    MU_RUN_NEW,     /* the folder is not there, or is empty */
    MU_RUN_REPLACE, /* or holds a run, whose files are removed; anything else in it is an error, so nobody's work is lost */
    MU_RUN_RESUME,  /* holds a run of this same configuration; its files are cut back when the federation restores its checkpoint */
} mu_run_open;

/* What is run. All borrowed for as long as the folder is open. */
typedef struct mu_run_subject {
    const char     *name, *recipe;
    const char     *resolved; /* the text of config.yaml */
    uint64_t        seed;
    const mu_model *model;
    const mu_data  *data;
    const mu_fleet *fleet;
    bool            has_widths; /* parts of the model are used by themselves, and evaluated */
} mu_run_subject;

/* Of an experiment; `resolved` is what mu_experiment_resolved gave, and stays the caller's. */
mu_run_subject mu_run_subject_of(const mu_experiment *experiment, const char *resolved);

/* The folder stays locked against other processes until it is closed. */
mu_status mu_run_folder_open(const char *path, mu_run_open how, const mu_run_subject *subject, mu_run_folder **out, mu_error *err);
void      mu_run_folder_close(mu_run_folder *folder); /* NULL is fine */

/* Is there a run in this folder, finished or not? */
bool mu_run_folder_is_run(const char *path);

/* What fills it in; belongs to the folder. `stop` is not set: that is for somebody else (see watchers.h). */
const mu_observer *mu_run_folder_observer(mu_run_folder *folder);

/* Seconds of real time that the run has taken, those before a resume included. */
double mu_run_folder_wall_time_s(const mu_run_folder *folder);

/* How the run went: what the folder cannot see for itself. */
typedef struct mu_run_result {
    const mu_totals  *totals;
    const float      *state; /* of the model */
    const mu_history *(*history)(const void *self, uint32_t device);
    mu_time_us (*idle_time)(const void *self, uint32_t device); /* present, with nothing to do */
    const void       *history_self; /* of both */
    uint32_t          workers;
    size_t            measured_peak_memory_bytes; /* the most that one local training held */
    const uint32_t      *evaluated;  /* [evaluated_count] devices on whose own examples the model was tried, ascending */
    const mu_evaluation *evaluations; /* [evaluated_count] what came out */
    uint32_t             evaluated_count;
} mu_run_result;

/* Write devices.csv, the model, the summary and the page. */
mu_status mu_run_folder_finish(mu_run_folder *folder, const mu_run_result *result, mu_error *err);
/* What was written, once the run is finished. */
const mu_run_summary *mu_run_folder_summary(const mu_run_folder *folder);
/* mu_run_folder_finish, everything taken from the federation that ran: with `workers` threads (0: on devices), the most that one local training held. */
mu_status mu_run_folder_finish_federation(mu_run_folder *folder, mu_federation *federation, uint32_t workers, size_t measured_peak_memory_bytes,
                                          mu_error *err);

#endif
