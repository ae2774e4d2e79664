/* A run's folder, read back. */
#include "report/run_reader.h"

#include "base/file.h"
#include "base/limits.h"
#include "report/run_folder.h"

#include <stdlib.h>
#include <string.h>

static mu_status open_file(const char *folder, const char *name, char **path, mu_file *file, mu_error *err)
{
    *path = mu_path_join(folder, name);
    if (!*path)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to read it", folder);
    mu_status status = mu_file_map(*path, file, err);
    if (status) {
        free(*path);
        *path = NULL;
    }
    return status;
}

static void close_file(char *path, mu_file *file)
{
    mu_file_unmap(file);
    free(path);
}

static mu_status read_config(mu_run *run, mu_error *err)
{
    char *path;
    mu_file file;
    mu_status status = open_file(run->path, MU_RUN_CONFIG, &path, &file, err);
    if (status)
        return status;
    if (file.size_bytes > MU_LIMIT_CONF_BYTES)
        status = mu_error_set(err, MU_E_LIMIT, "%s: has %zu bytes, at most %zu are read", path, file.size_bytes, MU_LIMIT_CONF_BYTES);
    else if (memchr(file.data, 0, file.size_bytes))
        status = mu_error_set(err, MU_E_PARSE, "%s: holds a zero byte, so it is no YAML", path);
    else if (!(run->config = malloc(file.size_bytes + 1)))
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory to read it", path);
    else {
        memcpy(run->config, file.data, file.size_bytes);
        run->config[file.size_bytes] = '\0';
    }
    close_file(path, &file);
    return status;
}

static mu_status read_summary(mu_run *run, mu_error *err)
{
    char *path;
    mu_file file;
    mu_status status = open_file(run->path, MU_RUN_SUMMARY, &path, &file, err);
    if (status)
        return status;
    status = mu_summary_parse(path, file.data, file.size_bytes, &run->summary, err);
    close_file(path, &file);
    return status;
}

static mu_status read_rounds(mu_run *run, mu_error *err)
{
    char *path;
    mu_file file;
    mu_status status = open_file(run->path, MU_RUN_ROUNDS, &path, &file, err);
    if (status)
        return status;
    status = mu_round_table_parse(path, file.data, file.size_bytes, &run->tiers, &run->rounds, &run->round_count, err);
    close_file(path, &file);
    return status;
}

static mu_status read_widths(mu_run *run, mu_error *err)
{
    char *path;
    mu_file file;
    if (!run->summary.width_count)
        return MU_OK;
    mu_status status = open_file(run->path, MU_RUN_WIDTHS, &path, &file, err);
    if (status)
        return status;
    status = mu_width_table_parse(path, file.data, file.size_bytes, &run->widths, &run->width_row_count, err);
    close_file(path, &file);
    return status;
}

/* What is wrong with the folder as a whole, said before a missing file is. */
static mu_status check_folder(const char *path, mu_error *err)
{
    if (!mu_file_exists(path))
        return mu_error_set(err, MU_E_IO, "%s: there is no such folder", path);
    if (!mu_run_folder_is_run(path))
        return mu_error_set(err, MU_E_PARSE, "%s: holds no run (no %s, or not one of ours)", path, MU_RUN_ROUNDS);
    char *summary = mu_path_join(path, MU_RUN_SUMMARY);
    if (!summary)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to read it", path);
    bool ended = mu_file_exists(summary);
    free(summary);
    return ended ? MU_OK : mu_error_set(err, MU_E_STATE, "%s: the run has not ended (no %s); muster run --resume %s goes on with it", path,
                                        MU_RUN_SUMMARY, path);
}

mu_status mu_run_read(const char *path, mu_run *out, mu_error *err)
{
    mu_run run = { 0 };
    mu_status status = check_folder(path, err);
    if (!status && !(run.path = strdup(path)))
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory to read it", path);
    if (!status)
        status = read_config(&run, err);
    if (!status)
        status = read_summary(&run, err);
    if (!status)
        status = read_rounds(&run, err);
    if (!status)
        status = read_widths(&run, err);
    if (status) {
        mu_run_release(&run);
        return status;
    }
    *out = run;
    return MU_OK;
}

void mu_run_release(mu_run *run)
{
    free(run->path);
    free(run->config);
    free(run->rounds);
    free(run->widths);
    *run = (mu_run){ 0 };
}
