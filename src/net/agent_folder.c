/* The device's folder. */
#include "net/agent_folder.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUM_BYTES = 16, NAME_BYTES_MAX = 64 };

struct mu_agent_folder {
    char *path;
    int   lock; /* a file descriptor */
};

/* ---- opening ---- */

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_length = strlen(ending);
    return length > ending_length && strcmp(name + length - ending_length, ending) == 0;
}

/* A folder with files in it but no lock is no device's. */
static mu_status check_ours(const char *path, mu_error *err)
{
    DIR *dir = opendir(path);
    bool is_empty = true, is_ours = false;
    if (!dir)
        return mu_error_set(err, MU_E_IO, "%s: %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir));) {
        is_empty = is_empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
        is_ours = is_ours || strcmp(entry->d_name, "lock") == 0;
    }
    closedir(dir);
    return is_empty || is_ours ? MU_OK : mu_error_set(err, MU_E_CONFIG, "%s: holds something else than a device; expected a new or empty folder", path);
}

static mu_status take_lock(mu_agent_folder *folder, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    mu_agent_folder_name(folder, "lock", path);
    folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (folder->lock < 0)
        return mu_error_set(err, MU_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (flock(folder->lock, LOCK_EX | LOCK_NB))
        return mu_error_set(err, MU_E_STATE, "%s: another agent works in this folder; a device of its own needs one of its own", folder->path);
    return MU_OK;
}

static mu_status remove_half_written(const mu_agent_folder *folder, mu_error *err)
{
    DIR *dir = opendir(folder->path);
    mu_status status = MU_OK;
    if (!dir)
        return mu_error_set(err, MU_E_IO, "%s: %s", folder->path, strerror(errno));
    for (const struct dirent *entry; !status && (entry = readdir(dir));)
        if (ends_in(entry->d_name, ".tmp"))
            status = mu_agent_folder_remove(folder, entry->d_name, err);
    closedir(dir);
    return status;
}

static mu_status open_at(mu_agent_folder *folder, mu_error *err)
{
    bool is_new = !mu_file_exists(folder->path);
    mu_status status = mu_folder_make(folder->path, err);
    if (!status)
        status = check_ours(folder->path, err);
    if (!status && chmod(folder->path, 0700))
        status = mu_error_set(err, MU_E_IO, "%s: %s: %s", folder->path, is_new ? "cannot be made private" : "is not this user's", strerror(errno));
    if (!status)
        status = take_lock(folder, err);
    return status ? status : remove_half_written(folder, err);
}

mu_status mu_agent_folder_open(const char *path, mu_agent_folder **out, mu_error *err)
{
    if (strlen(path) + NAME_BYTES_MAX + 8 > MU_AGENT_PATH_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "the path of a device's folder is longer than %d bytes", MU_AGENT_PATH_BYTES - NAME_BYTES_MAX - 8);
    mu_agent_folder *folder = sodium_init() < 0 ? NULL : calloc(1, sizeof *folder);
    if (!folder)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a device");
    folder->lock = -1;
    folder->path = strdup(path);
    mu_status status = folder->path ? open_at(folder, err) : mu_error_set(err, MU_E_MEMORY, "no memory for a device");
    if (status) {
        mu_agent_folder_close(folder);
        return status;
    }
    *out = folder;
    return MU_OK;
}

void mu_agent_folder_close(mu_agent_folder *folder)
{
    if (!folder)
        return;
    if (folder->lock >= 0)
        close(folder->lock);
    free(folder->path);
    free(folder);
}

const char *mu_agent_folder_path(const mu_agent_folder *folder) { return folder->path; }

/* ---- files ---- */

void mu_agent_folder_name(const mu_agent_folder *folder, const char *name, char path[MU_AGENT_PATH_BYTES])
{
    int length = snprintf(path, MU_AGENT_PATH_BYTES, "%s/%s", folder->path, name);
    MU_ASSERT(length > 0 && length < MU_AGENT_PATH_BYTES);
}

bool mu_agent_folder_has(const mu_agent_folder *folder, const char *name)
{
    char path[MU_AGENT_PATH_BYTES];
    mu_agent_folder_name(folder, name, path);
    return mu_file_exists(path);
}

static mu_status sync_names(const mu_agent_folder *folder, mu_error *err)
{
    int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    int problem = errno;
    if (fd >= 0)
        close(fd);
    return good ? MU_OK : mu_error_set(err, MU_E_IO, "%s: cannot be synced: %s", folder->path, strerror(problem));
}

mu_status mu_agent_folder_remove(const mu_agent_folder *folder, const char *name, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    mu_agent_folder_name(folder, name, path);
    if (unlink(path) && errno != ENOENT)
        return mu_error_set(err, MU_E_IO, "%s: cannot be removed: %s", path, strerror(errno));
    return MU_OK;
}

mu_status mu_agent_folder_rename(const mu_agent_folder *folder, const char *from, const char *to, mu_error *err)
{
    char old_path[MU_AGENT_PATH_BYTES], new_path[MU_AGENT_PATH_BYTES];
    mu_agent_folder_name(folder, from, old_path);
    mu_agent_folder_name(folder, to, new_path);
    if (rename(old_path, new_path))
        return mu_error_set(err, MU_E_IO, "%s: cannot be renamed to %s: %s", old_path, to, strerror(errno));
    return sync_names(folder, err);
}

mu_status mu_agent_folder_put(const mu_agent_folder *folder, const char *name, const mu_agent_piece *pieces, size_t count, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    unsigned char sum[SUM_BYTES];
    crypto_generichash_state state;
    mu_file_writer writer;
    MU_ASSERT(strlen(name) < NAME_BYTES_MAX);
    mu_agent_folder_name(folder, name, path);
    mu_status status = mu_file_begin(path, &writer, err);
    if (status)
        return status;
    if (fchmod(writer.fd, 0600)) /* the key is among them */
        status = mu_error_set(err, MU_E_IO, "%s: cannot be made private: %s", path, strerror(errno));
    crypto_generichash_init(&state, NULL, 0, sizeof sum);
    for (size_t i = 0; i < count && !status; i++) {
        crypto_generichash_update(&state, pieces[i].bytes, pieces[i].size_bytes);
        status = mu_file_put(&writer, pieces[i].bytes, pieces[i].size_bytes, err);
    }
    crypto_generichash_final(&state, sum, sizeof sum);
    if (!status)
        status = mu_file_put(&writer, sum, sizeof sum, err);
    if (!status)
        return mu_file_commit(&writer, err);
    mu_file_discard(&writer);
    return status;
}

mu_status mu_agent_folder_get(const mu_agent_folder *folder, const char *name, size_t max_bytes, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    char path[MU_AGENT_PATH_BYTES];
    unsigned char sum[SUM_BYTES];
    mu_file file;
    *bytes = NULL;
    *size_bytes = 0;
    mu_agent_folder_name(folder, name, path);
    if (!mu_file_exists(path))
        return MU_OK;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    size_t length = file.size_bytes - SUM_BYTES;
    if (file.size_bytes < SUM_BYTES || length > max_bytes)
        status = mu_error_set(err, MU_E_CHECKSUM, "%s: damaged: it has %zu bytes", path, file.size_bytes);
    if (!status) {
        crypto_generichash(sum, sizeof sum, file.data, length, NULL, 0);
        if (memcmp(sum, file.data + length, sizeof sum) != 0)
            status = mu_error_set(err, MU_E_CHECKSUM, "%s: damaged: what it holds is not what was written", path);
    }
    if (!status && !(*bytes = malloc(length + 1)))
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory to read it", path);
    if (!status) {
        memcpy(*bytes, file.data, length);
        (*bytes)[length] = '\0'; /* for texts; not counted */
        *size_bytes = length;
    }
    mu_file_unmap(&file);
    return status;
}
