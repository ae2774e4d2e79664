/* Ends a process in the middle of its work on files. Preloaded (LD_PRELOAD) by tests/net/served.py, which compiles it; for Linux with numbers of 64 bits.
 *
 *     CRASH_AT=WORD:N      at the N-th point where it touches a file with WORD in its path, SIGKILL
 *     CRASH_LOG=FILE       gets a line before that: what it was about to do, and to which file
 *
 * The points: before a file is opened to be written, when half of what is written to it is there, before it is synced, cut or removed, and both before and after it is
 * renamed. What is written through a FILE is seen when that is opened and closed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long passed;

/* The function of that name that would have been called. Whatever is called in this file itself must be one of these, or none of those below. */
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static ssize_t really_write(int fd, const void *bytes, size_t size)
{
    ssize_t (*write_it)(int, const void *, size_t) = real("write");
    return write_it(fd, bytes, size);
}

static void end_here(const char *what, const char *path)
{
    int (*open_it)(const char *, int, ...) = real("open");
    const char *log = getenv("CRASH_LOG"), *name = strrchr(path, '/');
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", what, name ? name + 1 : path);
    int fd = log ? open_it(log, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    if (fd >= 0 && length > 0)
        (void)!really_write(fd, line, (size_t)length);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Is this the point? */
static int is_here(const char *path)
{
    const char *at = getenv("CRASH_AT"), *colon = at ? strrchr(at, ':') : NULL;
    char word[4096];
    if (!colon || (size_t)(colon - at) >= sizeof word)
        return 0;
    memcpy(word, at, (size_t)(colon - at));
    word[colon - at] = '\0';
    return strstr(path, word) && atomic_fetch_add(&passed, 1) + 1 == atol(colon + 1);
}

static void point(const char *what, const char *path)
{
    if (is_here(path))
        end_here(what, path);
}

static int path_of(int fd, char path[4096])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    path[length > 0 ? length : 0] = '\0';
    return path[0] == '/';
}

static void point_of(const char *what, int fd)
{
    char path[4096];
    if (path_of(fd, path))
        point(what, path);
}

/* ---- in place of the C library's ---- */

int open(const char *path, int flags, ...)
{
    int (*open_it)(const char *, int, ...) = real("open");
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    if (flags & (O_CREAT | O_TRUNC)) /* what is only read is no point */
        point("open", path);
    return open_it(path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

FILE *fopen(const char *path, const char *mode)
{
    FILE *(*open_it)(const char *, const char *) = real("fopen");
    if (mode[0] != 'r')
        point("open", path);
    return open_it(path, mode);
}
FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));

int fclose(FILE *file)
{
    int (*close_it)(FILE *) = real("fclose");
    if (fileno(file) >= 0 && (fcntl(fileno(file), F_GETFL) & O_ACCMODE) != O_RDONLY)
        point_of("close", fileno(file));
    return close_it(file);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    char path[4096];
    if (path_of(fd, path) && is_here(path)) {
        (void)!really_write(fd, bytes, size / 2);
        end_here("write", path);
    }
    return really_write(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    ssize_t (*write_it)(int, const void *, size_t, off_t) = real("pwrite");
    char path[4096];
    if (path_of(fd, path) && is_here(path)) {
        (void)!write_it(fd, bytes, size / 2, offset);
        end_here("write", path);
    }
    return write_it(fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) __attribute__((alias("pwrite")));

int fsync(int fd)
{
    int (*sync_it)(int) = real("fsync");
    point_of("sync", fd);
    return sync_it(fd);
}

int fdatasync(int fd)
{
    int (*sync_it)(int) = real("fdatasync");
    point_of("sync", fd);
    return sync_it(fd);
}

int ftruncate(int fd, off_t length)
{
    int (*cut_it)(int, off_t) = real("ftruncate");
    point_of("cut", fd);
    return cut_it(fd, length);
}
int ftruncate64(int fd, off_t length) __attribute__((alias("ftruncate")));

int unlink(const char *path)
{
    int (*remove_it)(const char *) = real("unlink");
    point("remove", path);
    return remove_it(path);
}

int rename(const char *from, const char *to)
{
    int (*rename_it)(const char *, const char *) = real("rename");
    point("rename", from);
    int result = rename_it(from, to);
    point("renamed to", to);
    return result;
}
