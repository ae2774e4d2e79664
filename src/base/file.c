/* Files: mapping and writing whole. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

mu_status mu_file_map(const char *path, mu_file *out, mu_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nobody may be writing into a pipe of that name */
    if (fd < 0)
        return mu_error_set(err, MU_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat info;
    mu_status status = MU_OK;
    if (fstat(fd, &info))
        status = mu_error_set(err, MU_E_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = mu_error_set(err, MU_E_IO, "%s: not a regular file", path);
    else if (info.st_size == 0)
        *out = (mu_file){ .data = (const unsigned char *)"" };
    else {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = mu_error_set(err, MU_E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
        else
            *out = (mu_file){ .data = data, .size_bytes = (size_t)info.st_size, .mapped = true };
    }
    close(fd);
    return status;
}

void mu_file_unmap(mu_file *file)
{
    if (file->mapped)
        munmap((void *)(uintptr_t)file->data, file->size_bytes);
    *file = (mu_file){ 0 };
}

static bool write_all(int fd, const unsigned char *data, size_t size_bytes)
{
    while (size_bytes) {
        ssize_t written = write(fd, data, size_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        size_bytes -= (size_t)written;
    }
    return true;
}

/* A rename is only safe once the folder that holds the name is on the disk too. */
static bool sync_folder_of(const char *path)
{
    char *folder = strdup(path);
    if (!folder)
        return false;
    char *slash = strrchr(folder, '/');
    if (slash == folder)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0;
    close(fd);
    return good;
}

static mu_status cannot_write(const char *path, int problem, mu_error *err)
{
    return mu_error_set(err, MU_E_IO, "%s: cannot be written: %s", path, strerror(problem));
}

static void release(mu_file_writer *writer)
{
    free(writer->path);
    free(writer->temporary);
    *writer = (mu_file_writer){ .fd = -1 };
}

mu_status mu_file_begin(const char *path, mu_file_writer *writer, mu_error *err)
{
    size_t name_bytes = strlen(path) + sizeof ".tmp";
    *writer = (mu_file_writer){ .path = strdup(path), .temporary = malloc(name_bytes), .fd = -1 };
    if (!writer->path || !writer->temporary) {
        release(writer);
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to write it", path);
    }
    snprintf(writer->temporary, name_bytes, "%s.tmp", path);
    writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (writer->fd >= 0)
        return MU_OK;
    int problem = errno;
    release(writer);
    return cannot_write(path, problem, err);
}

mu_status mu_file_put(mu_file_writer *writer, const void *data, size_t size_bytes, mu_error *err)
{
    return write_all(writer->fd, data, size_bytes) ? MU_OK : cannot_write(writer->path, errno, err);
}

mu_status mu_file_commit(mu_file_writer *writer, mu_error *err)
{
    bool good = fsync(writer->fd) == 0;
    int problem = errno;
    if (close(writer->fd) && good) {
        good = false;
        problem = errno;
    }
    if (good && (rename(writer->temporary, writer->path) || !sync_folder_of(writer->path))) {
        good = false;
        problem = errno;
    }
    mu_status status = good ? MU_OK : cannot_write(writer->path, problem, err);
    if (status)
        unlink(writer->temporary);
    release(writer);
    return status;
}

void mu_file_discard(mu_file_writer *writer)
{
    close(writer->fd);
    unlink(writer->temporary);
    release(writer);
}

mu_status mu_file_write(const char *path, const void *data, size_t size_bytes, mu_error *err)
{
    mu_file_writer writer;
    mu_status status = mu_file_begin(path, &writer, err);
    if (status)
        return status;
    status = mu_file_put(&writer, data, size_bytes, err);
    if (!status)
        return mu_file_commit(&writer, err);
    mu_file_discard(&writer);
    return status;
}

mu_status mu_folder_make(const char *path, mu_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to make the folder", path);
    mu_status status = MU_OK;
    for (char *at = copy; !status && *at; ) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char kept = *at;
        *at = '\0';
        struct stat info;
        if (mkdir(copy, 0755) && !(errno == EEXIST && stat(copy, &info) == 0 && S_ISDIR(info.st_mode)))
            status = mu_error_set(err, MU_E_IO, "%s: the folder cannot be made: %s", copy, strerror(errno));
        *at = kept;
    }
    free(copy);
    return status;
}

bool mu_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

char *mu_path_join(const char *folder, const char *name)
{
    if (name[0] == '/' || !folder[0])
        return strdup(name);
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

char *mu_path_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    if (name[0] == '/' || !slash)
        return strdup(name);
    size_t folder = (size_t)(slash - path) + 1, size = folder + strlen(name) + 1;
    char *joined = malloc(size);
    if (joined) {
        memcpy(joined, path, folder);
        memcpy(joined + folder, name, strlen(name) + 1);
    }
    return joined;
}
