/* summary.json: the figures of a run; docs/results.md explains the members. One table of members writes it and reads it back. */
#ifndef MUSTER_REPORT_SUMMARY_H
#define MUSTER_REPORT_SUMMARY_H

#include "report/round_table.h"

#define MU_SUMMARY_TEXT_BYTES 160

typedef struct mu_tier_summary {
    double   accuracy; /* NAN: not evaluated */
    uint64_t devices, devices_trained, num_examples, tasks_sent, tasks_done, tasks_lost, tasks_late, bytes_up, bytes_down;
    double   compute_s, radio_s, wasted_s, energy_j, compute_energy_j;
} mu_tier_summary;

typedef struct mu_run_summary {
    char     name[MU_SUMMARY_TEXT_BYTES], recipe[MU_SUMMARY_TEXT_BYTES], model[MU_SUMMARY_TEXT_BYTES], dataset[MU_SUMMARY_TEXT_BYTES];
    char     model_sha256[MU_SUMMARY_TEXT_BYTES], muster_version[MU_SUMMARY_TEXT_BYTES];
    uint64_t seed, rounds, devices, classes, parameters, test_examples, cohort; /* cohort 0: not known */
    double   final_accuracy, best_accuracy, final_loss; /* NAN: not evaluated */
    /* of the last version on devices' own examples, over `devices_evaluated` of them; NAN: none was looked at */
    uint64_t devices_evaluated;
    double   device_accuracy_mean, device_accuracy_sd, device_accuracy_worst_decile;
    double   virtual_time_s, device_time_s, wasted_time_s, energy_j, idle_energy_j;
    uint64_t bytes_up, bytes_down, bytes_peer, macs, updates_merged, updates_lost, updates_late, updates_refused, updates_discarded;
    double   budget_used;    /* MACs done / those that devices could afford, where tasks have a pace; NAN: none has */
    double   mean_staleness; /* of merged updates; NAN: none was merged */
    uint64_t max_staleness, events;
    uint64_t peak_memory_bytes, measured_peak_memory_bytes, peak_rss_bytes, workers;
    double   wall_time_s, updates_per_s, samples_per_s; /* of real time */
    mu_tier_names   tiers;
    mu_tier_summary by_tier[MU_TIERS_MAX];
    uint32_t        width_count; /* parts that are used by themselves, widest first; 0: the whole model alone */
    mu_width_report widths[MU_USABLE_MAX];
} mu_run_summary;

/* malloc'ed, the caller's; NULL: no memory. */
char *mu_summary_write(const mu_run_summary *summary);

/* `name` is what messages call it. Members that are not known are passed over (a later version may write more), those that are missing
 * are an error, but for those that runs of earlier versions lack: 0, or NAN. */
mu_status mu_summary_parse(const char *name, const void *data, size_t size_bytes, mu_run_summary *out, mu_error *err);

#endif
