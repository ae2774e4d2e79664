/* A run's folder: opened, filled in while the run goes on, and taken up again. run_finish.c writes what comes at the end. */
#include "report/run_folder_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "report/event_line.h"
#include "report/width_table.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every name that a run may have made. */
static const char *const file_names[] = {
    MU_RUN_CONFIG, MU_RUN_ROUNDS, MU_RUN_WIDTHS, MU_RUN_EVENTS, MU_RUN_CHECKPOINT, MU_RUN_DEVICES, MU_RUN_MODEL, MU_RUN_SUMMARY, MU_RUN_REPORT,
};

/* What is kept in the checkpoint, so that rows written after it can be taken back. */
typedef struct place {
    char     magic[8];
    uint64_t rounds_bytes, events_bytes, samples;
    double   wall_time_s;
    uint64_t widths_bytes;
} place;

static const char place_magic[8] = "run v1";
_Static_assert(sizeof(place) <= 256, "the checkpoint has 256 bytes for it");

/* ---- the files that grow ---- */

static mu_status put(mu_grown *file, const mu_text *text, mu_error *err)
{
    if (text->failed)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for a line", file->path);
    if (fwrite(text->bytes, 1, text->size_bytes, file->stream) != text->size_bytes)
        return mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    file->size_bytes += text->size_bytes;
    return MU_OK;
}

static mu_status flush(mu_grown *file, mu_error *err)
{
    if (fflush(file->stream))
        return mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    return MU_OK;
}

static mu_status grown_open(mu_grown *file, const char *folder, const char *name, bool resume, mu_error *err)
{
    file->path = mu_path_join(folder, name);
    if (!file->path)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to open it", folder);
    file->stream = fopen(file->path, resume ? "r+be" : "wbe");
    if (!file->stream)
        return mu_error_set(err, MU_E_IO, "%s: cannot be opened: %s", file->path, strerror(errno));
    return MU_OK;
}

static mu_status cut_back(mu_grown *file, uint64_t size_bytes, mu_error *err)
{
    struct stat info;
    if (fstat(fileno(file->stream), &info))
        return mu_error_set(err, MU_E_IO, "%s: %s", file->path, strerror(errno));
    if ((uint64_t)info.st_size < size_bytes)
        return mu_error_set(err, MU_E_STATE, "%s: has %lld bytes, but the checkpoint was made when it had %llu; it was changed since, or the "
                            "machine went down, so the run cannot be taken up again",
                            file->path, (long long)info.st_size, (unsigned long long)size_bytes);
    if (ftruncate(fileno(file->stream), (off_t)size_bytes) || fseeko(file->stream, (off_t)size_bytes, SEEK_SET))
        return mu_error_set(err, MU_E_IO, "%s: cannot be cut back to %llu bytes: %s", file->path, (unsigned long long)size_bytes,
                            strerror(errno));
    file->size_bytes = size_bytes;
    return MU_OK;
}

/* The files of a run that grow; one that it does not have is not open. */
static size_t grown_files(mu_run_folder *folder, mu_grown *files[3])
{
    size_t count = 0;
    files[count++] = &folder->rounds;
    files[count++] = &folder->events;
    if (folder->subject.has_widths)
        files[count++] = &folder->widths;
    return count;
}

static mu_status flush_all(mu_run_folder *folder, mu_error *err)
{
    mu_grown *files[3];
    size_t count = grown_files(folder, files);
    mu_status status = MU_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = flush(files[i], err);
    return status;
}

static void grown_close(mu_grown *file)
{
    if (file->stream)
        fclose(file->stream);
    free(file->path);
    *file = (mu_grown){ 0 };
}

/* ---- the observer ---- */

static mu_status put_headers(mu_run_folder *folder, mu_error *err)
{
    mu_text_clear(&folder->line);
    mu_round_table_header(&folder->line, &folder->tiers);
    mu_status status = put(&folder->rounds, &folder->line, err);
    mu_text_clear(&folder->line);
    mu_width_table_header(&folder->line);
    if (!status && folder->subject.has_widths)
        status = put(&folder->widths, &folder->line, err);
    return status ? status : flush_all(folder, err);
}

/* A run that was killed before its first checkpoint begins from the first round when it is taken up again: then nothing is restored
 * before the first thing is told. */
static mu_status make_ready(mu_run_folder *folder, mu_error *err)
{
    if (folder->ready)
        return MU_OK;
    mu_grown *files[3];
    size_t count = grown_files(folder, files);
    mu_status status = MU_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = cut_back(files[i], 0, err);
    if (!status)
        status = put_headers(folder, err);
    folder->ready = !status;
    return status;
}

static mu_status on_round(void *self, const mu_round_report *report, mu_error *err)
{
    mu_run_folder *folder = self;
    mu_status status = make_ready(folder, err);
    if (status)
        return status;
    mu_text_clear(&folder->line);
    mu_round_table_row(&folder->line, report, &folder->tiers);
    status = put(&folder->rounds, &folder->line, err);
    mu_text_clear(&folder->line);
    mu_width_table_rows(&folder->line, report);
    if (!status && folder->subject.has_widths)
        status = put(&folder->widths, &folder->line, err);
    /* whoever looks on with tail -f sees whole rounds */
    return status ? status : flush_all(folder, err);
}

static mu_status on_event(void *self, const mu_event_report *report, mu_error *err)
{
    mu_run_folder *folder = self;
    const mu_fleet *fleet = folder->subject.fleet;
    const mu_profile *class = mu_fleet_class(fleet, mu_fleet_class_of(fleet, report->task->device));
    mu_status status = make_ready(folder, err);
    if (status)
        return status;
    if (report->happening == MU_HAPPENED_MERGED)
        folder->samples += mu_plan_samples(&report->task->plan, report->num_examples);
    mu_text_clear(&folder->line);
    mu_event_line(&folder->line, report, class->name);
    return put(&folder->events, &folder->line, err);
}

static mu_status on_save(void *self, uint8_t kept[256], mu_error *err)
{
    mu_run_folder *folder = self;
    mu_status status = flush_all(folder, err);
    if (status)
        return status;
    place now = { .rounds_bytes = folder->rounds.size_bytes, .events_bytes = folder->events.size_bytes,
                  .samples = folder->samples, .wall_time_s = mu_run_folder_wall_time_s(folder), .widths_bytes = folder->widths.size_bytes };
    memcpy(now.magic, place_magic, sizeof now.magic);
    memset(kept, 0, 256);
    memcpy(kept, &now, sizeof now);
    return MU_OK;
}

static mu_status on_restore(void *self, const uint8_t kept[256], mu_error *err)
{
    mu_run_folder *folder = self;
    place then;
    memcpy(&then, kept, sizeof then);
    if (memcmp(then.magic, place_magic, sizeof then.magic) != 0)
        return mu_error_set(err, MU_E_STATE, "%s: its checkpoint was not made by a run into a folder, or by another version", folder->path);
    mu_status status = cut_back(&folder->rounds, then.rounds_bytes, err);
    if (!status)
        status = cut_back(&folder->events, then.events_bytes, err);
    if (!status && folder->subject.has_widths)
        status = cut_back(&folder->widths, then.widths_bytes, err);
    if (status)
        return status;
    folder->ready = true;
    folder->samples = then.samples;
    folder->wall_time_before_s = then.wall_time_s;
    return MU_OK;
}

/* ---- what is in the folder before ---- */

/* A run is known by the first words of its rounds.csv, which is made first: config.yaml is a name that others use too. */
bool mu_run_folder_is_run(const char *path)
{
    static const char begin[] = "round,time_s,selected,merged,";
    char found[sizeof begin] = "";
    char *name = mu_path_join(path, MU_RUN_ROUNDS);
    FILE *file = name ? fopen(name, "rbe") : NULL;
    bool is_run = file && fread(found, 1, sizeof begin - 1, file) == sizeof begin - 1 && strcmp(found, begin) == 0;
    if (file)
        fclose(file);
    free(name);
    return is_run;
}

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(file_names); i++) {
        size_t length = strlen(file_names[i]);
        /* what mu_file_write leaves behind when it is killed is ours too */
        if (strncmp(name, file_names[i], length) == 0 && (!name[length] || strcmp(name + length, ".tmp") == 0))
            return true;
    }
    return false;
}

/* Nothing that is somebody else's may be in it. */
static mu_status check_contents(const char *path, mu_run_open how, bool *empty, mu_error *err)
{
    *empty = true;
    DIR *listing = opendir(path);
    if (!listing)
        return mu_error_set(err, MU_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    char foreign[256] = "";
    struct dirent *entry;
    while ((entry = readdir(listing))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        *empty = false;
        if (!is_ours(entry->d_name))
            mu_text_copy(foreign, sizeof foreign, entry->d_name);
    }
    closedir(listing);
    if (*empty)
        return MU_OK;
    if (!mu_run_folder_is_run(path))
        return mu_error_set(err, MU_E_STATE, "%s: is not empty and holds no run, so nothing is written there; choose another folder", path);
    if (how == MU_RUN_NEW)
        return mu_error_set(err, MU_E_STATE, "%s: holds a run already; choose another folder, or go on with --resume %s", path, path);
    if (foreign[0])
        return mu_error_set(err, MU_E_STATE, "%s: holds '%s' beside a run, so it is not written over; choose another folder", path, foreign);
    return MU_OK;
}

static mu_status lock(FILE *stream, const char *path, mu_error *err)
{
    /* a file system that cannot lock is no reason not to run on it */
    if (flock(fileno(stream), LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return mu_error_set(err, MU_E_STATE, "%s: another process is writing this run", path);
    return MU_OK;
}

/* Not while it is being written. */
static mu_status check_unlocked(const char *path, mu_error *err)
{
    char *name = mu_path_join(path, MU_RUN_ROUNDS);
    FILE *file = name ? fopen(name, "r+be") : NULL;
    mu_status status = file ? lock(file, path, err) : mu_error_set(err, MU_E_IO, "%s: its %s cannot be opened", path, MU_RUN_ROUNDS);
    if (file)
        fclose(file);
    free(name);
    return status;
}

static mu_status remove_run(const char *path, mu_error *err)
{
    mu_status status = check_unlocked(path, err);
    /* what makes it a run goes last, so that half of a removal can be done again */
    for (size_t i = 0; i < MU_COUNT(file_names) + 1 && !status; i++) {
        bool last = i == MU_COUNT(file_names);
        const char *file = last ? MU_RUN_ROUNDS : file_names[i];
        if (!last && strcmp(file, MU_RUN_ROUNDS) == 0)
            continue;
        char *name = mu_path_join(path, file);
        if (!name)
            return mu_error_set(err, MU_E_MEMORY, "%s: no memory", path);
        if (unlink(name) && errno != ENOENT)
            status = mu_error_set(err, MU_E_IO, "%s: cannot be removed: %s", name, strerror(errno));
        free(name);
    }
    return status;
}

/* The run must be of this configuration, or the checkpoint would not fit and the files would be of two runs. */
static mu_status check_config(const char *path, const char *resolved, mu_error *err)
{
    char *name = mu_path_join(path, MU_RUN_CONFIG);
    if (!name)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory", path);
    mu_file file;
    mu_status status = mu_file_map(name, &file, err);
    if (status) {
        status = mu_error_prefix(err, status, "%s cannot be taken up again: ", path);
    } else {
        size_t size = strlen(resolved), same = 0, line = 1;
        while (same < size && same < file.size_bytes && (unsigned char)resolved[same] == file.data[same])
            line += resolved[same++] == '\n';
        if (same < size || same < file.size_bytes)
            status = mu_error_set(err, MU_E_STATE, "%s:%zu: the run was begun with another configuration than it should go on with; resume it "
                                  "as it was, or begin a new one in another folder", name, line);
        mu_file_unmap(&file);
    }
    free(name);
    return status;
}

static mu_status prepare(const char *path, mu_run_open how, const mu_run_subject *subject, mu_error *err)
{
    if (how == MU_RUN_RESUME) {
        if (!mu_run_folder_is_run(path))
            return mu_error_set(err, MU_E_STATE, "%s: holds no run that could be taken up again (no %s, or not one of ours)", path,
                                MU_RUN_ROUNDS);
        return check_config(path, subject->resolved, err);
    }
    bool empty = true;
    mu_status status = mu_folder_make(path, err);
    if (!status)
        status = check_contents(path, how, &empty, err);
    return status || empty ? status : remove_run(path, err);
}

/* ---- opening ---- */

static mu_status begin(mu_run_folder *folder, mu_error *err)
{
    mu_status status = put_headers(folder, err);
    folder->ready = !status;
    char *name = status ? NULL : mu_path_join(folder->path, MU_RUN_CONFIG);
    if (!status && !name)
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory", folder->path);
    if (!status)
        status = mu_file_write(name, folder->subject.resolved, strlen(folder->subject.resolved), err);
    free(name);
    return status;
}

static mu_status open_files(mu_run_folder *folder, bool resume, mu_error *err)
{
    mu_status status = mu_tier_names_of(folder->subject.fleet, &folder->tiers, err);
    if (!status)
        status = grown_open(&folder->rounds, folder->path, MU_RUN_ROUNDS, resume, err);
    if (!status)
        status = lock(folder->rounds.stream, folder->path, err);
    if (!status)
        status = grown_open(&folder->events, folder->path, MU_RUN_EVENTS, resume, err);
    if (!status && folder->subject.has_widths)
        status = grown_open(&folder->widths, folder->path, MU_RUN_WIDTHS, resume, err);
    if (!status && !resume)
        status = begin(folder, err);
    return status;
}

mu_status mu_run_folder_open(const char *path, mu_run_open how, const mu_run_subject *subject, mu_run_folder **out, mu_error *err)
{
    mu_status status = prepare(path, how, subject, err);
    if (status)
        return status;
    mu_run_folder *folder = calloc(1, sizeof *folder);
    if (!folder || !(folder->path = strdup(path))) {
        free(folder);
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to open it", path);
    }
    folder->subject = *subject;
    folder->opened_at_s = mu_clock_monotonic_s();
    folder->observer = (mu_observer){ .self = folder, .round = on_round, .event = on_event, .save = on_save, .restore = on_restore };
    status = open_files(folder, how == MU_RUN_RESUME, err);
    if (status) {
        mu_run_folder_close(folder);
        return status;
    }
    *out = folder;
    return MU_OK;
}

void mu_run_folder_close(mu_run_folder *folder)
{
    if (!folder)
        return;
    grown_close(&folder->widths);
    grown_close(&folder->events);
    grown_close(&folder->rounds);
    mu_text_release(&folder->line);
    free(folder->path);
    free(folder);
}

const mu_observer *mu_run_folder_observer(mu_run_folder *folder)
{
    return &folder->observer;
}

const mu_run_summary *mu_run_folder_summary(const mu_run_folder *folder)
{
    return &folder->summary;
}

double mu_run_folder_wall_time_s(const mu_run_folder *folder)
{
    return folder->wall_time_before_s + (mu_clock_monotonic_s() - folder->opened_at_s);
}

mu_status mu_run_folder_flush(mu_run_folder *folder, mu_error *err)
{
    return flush_all(folder, err);
}
