/* The end of a run: devices.csv, the model, the summary and the page. */
#include "report/run_folder_internal.h"

#include "base/digest.h"
#include "base/file.h"
#include "muster/version.h"
#include "report/device_table.h"
#include "report/fairness.h"
#include "report/run_page.h"
#include "report/summary.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)1 << 16)

/* ---- devices.csv: streamed, so that a million devices need no memory ---- */

static mu_status write_rows(FILE *file, const mu_run_folder *folder, const mu_run_result *result, mu_device_sums *tiers, mu_error *err)
{
    const mu_fleet *fleet = folder->subject.fleet;
    uint32_t devices = mu_fleet_device_count(fleet);
    mu_text chunk = { 0 };
    mu_device_table_header(&chunk);
    bool good = true;
    uint32_t looked_at = 0; /* of result->evaluated, which goes up as we do */
    for (uint32_t device = 0; device < devices && good; device++) {
        mu_profile profile = mu_fleet_profile(fleet, device);
        mu_device_row row = { .device = device, .class_name = profile.name, .tier = profile.tier,
                              .num_examples = mu_data_num_examples(folder->subject.data, device),
                              .history = result->history(result->history_self, device), .accuracy = NAN,
                              .idle_energy_j = profile.idle_w * mu_time_to_s(result->idle_time(result->history_self, device)) };
        if (looked_at < result->evaluated_count && result->evaluated[looked_at] == device)
            row.accuracy = mu_accuracy_of(&result->evaluations[looked_at++]);
        mu_device_table_row(&chunk, &row);
        mu_device_sums_add(&tiers[mu_fleet_tier_of(fleet, device)], &row);
        if (chunk.size_bytes < CHUNK_BYTES)
            continue;
        good = !chunk.failed && fwrite(chunk.bytes, 1, chunk.size_bytes, file) == chunk.size_bytes;
        mu_text_clear(&chunk);
    }
    good = good && !chunk.failed && fwrite(chunk.bytes, 1, chunk.size_bytes, file) == chunk.size_bytes;
    good = good && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int problem = errno;
    bool no_memory = chunk.failed;
    mu_text_release(&chunk);
    if (good)
        return MU_OK;
    if (no_memory)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a line");
    return mu_error_set(err, MU_E_IO, "cannot be written: %s", strerror(problem));
}

static mu_status write_devices(const mu_run_folder *folder, const mu_run_result *result, mu_device_sums *tiers, mu_error *err)
{
    char *path = mu_path_join(folder->path, MU_RUN_DEVICES), *part = mu_path_join(folder->path, MU_RUN_DEVICES ".tmp");
    mu_status status = MU_OK;
    FILE *file = path && part ? fopen(part, "wbe") : NULL;
    if (!file)
        status = mu_error_set(err, MU_E_IO, "%s: %s cannot be opened: %s", folder->path, MU_RUN_DEVICES, strerror(errno));
    else if ((status = write_rows(file, folder, result, tiers, err)))
        mu_error_prefix(err, status, "%s: ", path);
    if (file && fclose(file) && !status)
        status = mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (!status && rename(part, path))
        status = mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (status && file)
        unlink(part);
    free(part);
    free(path);
    return status;
}

/* ---- the model ---- */

static mu_status write_model(const mu_run_folder *folder, const mu_run_result *result, char sha256[MU_SHA256_HEX_BYTES], mu_error *err)
{
    const mu_run_subject *subject = &folder->subject;
    char seed[32], rounds[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)subject->seed);
    snprintf(rounds, sizeof rounds, "%u", result->totals->rounds);
    const char *const metadata[] = {
        "format", "pt", "muster_version", MU_VERSION, "name", subject->name, "recipe", subject->recipe,
        "model", mu_model_name(subject->model), "dataset", mu_data_name(subject->data), "seed", seed, "rounds", rounds, NULL,
    };
    char *path = mu_path_join(folder->path, MU_RUN_MODEL);
    if (!path)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory", folder->path);
    mu_status status = mu_model_save(subject->model, result->state, metadata, path, err);
    if (!status)
        status = mu_sha256_file_hex(path, sha256, err);
    free(path);
    return status;
}

/* ---- the summary ---- */

/* How many devices a round wants is an option of the methods that ask for it: whichever section of the configuration says `cohort`. */
static uint64_t find_cohort(const char *resolved)
{
    mu_conf *conf = NULL;
    if (mu_conf_parse(MU_RUN_CONFIG, resolved, strlen(resolved), &conf, NULL))
        return 0;
    uint64_t cohort = 0;
    for (int q = 0; q < MU_QUESTION_COUNT && !cohort; q++) {
        const mu_conf_node *section = mu_conf_get(mu_conf_root(conf), mu_question_name((mu_question)q));
        const char *text = mu_conf_text(mu_conf_get(section, "cohort"));
        cohort = text ? strtoull(text, NULL, 10) : 0;
    }
    mu_conf_destroy(conf);
    return cohort;
}

static uint64_t peak_rss_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}

static void summarize_tiers(const mu_run_folder *folder, const mu_totals *totals, const mu_device_sums *sums, mu_run_summary *out)
{
    out->tiers = folder->tiers;
    for (uint32_t i = 0; i < folder->tiers.count; i++) {
        const mu_device_sums *tier = &sums[i];
        out->by_tier[i] = (mu_tier_summary){
            .accuracy = totals->tier_accuracy[i], .devices = tier->devices, .devices_trained = tier->devices_trained,
            .num_examples = tier->num_examples, .tasks_sent = tier->tasks_sent, .tasks_done = tier->tasks_done,
            .tasks_lost = tier->tasks_lost, .tasks_late = tier->tasks_late, .bytes_up = tier->bytes_up, .bytes_down = tier->bytes_down,
            .compute_s = mu_time_to_s(tier->compute_time), .radio_s = mu_time_to_s(tier->radio_time),
            .wasted_s = mu_time_to_s(tier->wasted_time), .energy_j = tier->energy_j, .compute_energy_j = tier->compute_energy_j,
        };
    }
}

static mu_run_summary summarize(const mu_run_folder *folder, const mu_run_result *result, const mu_device_sums *tiers,
                                const mu_fairness *fairness, const char *sha256)
{
    const mu_run_subject *subject = &folder->subject;
    const mu_totals *totals = result->totals;
    double wall_time_s = mu_run_folder_wall_time_s(folder), per_s = wall_time_s > 0 ? 1.0 / wall_time_s : 0.0;
    mu_run_summary out = {
        .seed = subject->seed, .rounds = totals->rounds, .devices = mu_fleet_device_count(subject->fleet),
        .classes = mu_data_classes(subject->data), .parameters = mu_model_param_count(subject->model),
        .test_examples = mu_data_test_count(subject->data), .cohort = find_cohort(subject->resolved),
        .final_accuracy = totals->final_accuracy, .best_accuracy = totals->best_accuracy, .final_loss = totals->final_loss,
        .virtual_time_s = mu_time_to_s(totals->time), .device_time_s = totals->device_time_s, .wasted_time_s = totals->wasted_time_s,
        .devices_evaluated = fairness->devices, .device_accuracy_mean = fairness->mean, .device_accuracy_sd = fairness->sd,
        .device_accuracy_worst_decile = fairness->worst_decile,
        .energy_j = totals->energy_j, .idle_energy_j = totals->idle_energy_j, .bytes_up = totals->bytes_up,
        .bytes_down = totals->bytes_down, .bytes_peer = totals->bytes_peer, .macs = totals->macs,
        .budget_used = totals->afforded_macs ? (double)totals->macs / (double)totals->afforded_macs : (double)NAN,
        .updates_merged = totals->updates_merged, .updates_lost = totals->updates_lost, .updates_late = totals->updates_late,
        .updates_refused = totals->updates_refused, .updates_discarded = totals->updates_discarded,
        .mean_staleness = totals->updates_merged ? totals->staleness_sum / (double)totals->updates_merged : (double)NAN,
        .max_staleness = totals->max_staleness, .events = totals->events, .peak_memory_bytes = totals->peak_memory_bytes,
        .measured_peak_memory_bytes = result->measured_peak_memory_bytes, .peak_rss_bytes = peak_rss_bytes(),
        .workers = result->workers, .wall_time_s = wall_time_s, .updates_per_s = (double)totals->updates_merged * per_s,
        .samples_per_s = (double)folder->samples * per_s,
    };
    mu_text_copy(out.name, sizeof out.name, subject->name);
    mu_text_copy(out.recipe, sizeof out.recipe, subject->recipe);
    mu_text_copy(out.model, sizeof out.model, mu_model_name(subject->model));
    mu_text_copy(out.dataset, sizeof out.dataset, mu_data_name(subject->data));
    mu_text_copy(out.model_sha256, sizeof out.model_sha256, sha256);
    mu_text_copy(out.muster_version, sizeof out.muster_version, MU_VERSION);
    summarize_tiers(folder, totals, tiers, &out);
    out.width_count = subject->has_widths ? totals->width_count : 0;
    memcpy(out.widths, totals->widths, sizeof out.widths);
    return out;
}

static mu_status write_summary(const mu_run_folder *folder, const mu_run_summary *summary, mu_error *err)
{
    char *path = mu_path_join(folder->path, MU_RUN_SUMMARY), *text = mu_summary_write(summary);
    mu_status status = path && text ? mu_file_write(path, text, strlen(text), err)
                                    : mu_error_set(err, MU_E_MEMORY, "%s: no memory for the summary", folder->path);
    free(text);
    free(path);
    return status;
}

mu_status mu_run_folder_finish(mu_run_folder *folder, const mu_run_result *result, mu_error *err)
{
    mu_device_sums tiers[MU_TIERS_MAX] = { { 0 } };
    char sha256[MU_SHA256_HEX_BYTES] = "";
    mu_fairness fairness;
    mu_status status = mu_run_folder_flush(folder, err);
    if (!status)
        status = mu_fairness_of(result->evaluations, result->evaluated_count, &fairness, err);
    if (!status)
        status = write_devices(folder, result, tiers, err);
    if (!status)
        status = write_model(folder, result, sha256, err);
    if (status)
        return status;
    folder->summary = summarize(folder, result, tiers, &fairness, sha256);
    status = write_summary(folder, &folder->summary, err);
    /* The page's figures are drawn by another program. Killed just as that is started, this process would leave it the lock for a moment, and
     * a resume would find the folder taken; all that is left to write is what anybody may write again. */
    flock(fileno(folder->rounds.stream), LOCK_UN);
    return status ? status : mu_run_page_write(folder->path, err);
}
