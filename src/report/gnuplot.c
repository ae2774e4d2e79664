/* gnuplot as a child process. */
#include "report/gnuplot.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define COMPLAINT_BYTES_MAX ((size_t)1 << 16)

/* Our ends. `in` is a socket, because writing to a pipe that nobody reads any more would raise a signal in the caller's process. */
typedef struct child {
    pid_t pid;
    int   in, out, complaints;
} child;

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* All ends close on exec; the child gets copies of its three. */
static bool make_ends(int in[2], int out[2], int complaints[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, in) || pipe(out) || pipe(complaints))
        return false;
    for (int i = 0; i < 2; i++)
        if (fcntl(in[i], F_SETFD, FD_CLOEXEC) || fcntl(out[i], F_SETFD, FD_CLOEXEC) || fcntl(complaints[i], F_SETFD, FD_CLOEXEC))
            return false;
    return fcntl(in[0], F_SETFL, O_NONBLOCK) == 0;
}

static int spawn(child *made, char *program, const int in[2], const int out[2], const int complaints[2])
{
    char no_settings[] = "--default-settings";
    char *const arguments[] = { program, no_settings, NULL };
    posix_spawn_file_actions_t actions;
    int problem = posix_spawn_file_actions_init(&actions);
    if (problem)
        return problem;
    problem = posix_spawn_file_actions_adddup2(&actions, in[1], STDIN_FILENO);
    problem = problem ? problem : posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    problem = problem ? problem : posix_spawn_file_actions_adddup2(&actions, complaints[1], STDERR_FILENO);
    problem = problem ? problem : posix_spawn(&made->pid, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return problem;
}

/* The first gnuplot in PATH, malloc'ed. posix_spawnp would look too, but not every system tells the parent when it finds none. */
static char *find_gnuplot(void)
{
    const char *at = getenv("PATH");
    mu_text path = { 0 };
    for (bool more = at != NULL; more; at++) {
        size_t length = strcspn(at, ":");
        mu_text_clear(&path);
        mu_text_put_bytes(&path, at, length);
        mu_text_put(&path, "/gnuplot");
        if (length && !path.failed && access(path.bytes, X_OK) == 0)
            return mu_text_take(&path);
        at += length;
        more = *at == ':';
    }
    mu_text_release(&path);
    return NULL;
}

static mu_status start(child *made, mu_error *err)
{
    char *program = find_gnuplot();
    if (!program)
        return mu_error_set(err, MU_E_UNSUPPORTED, "gnuplot is not installed, or not in PATH");
    int in[2] = { -1, -1 }, out[2] = { -1, -1 }, complaints[2] = { -1, -1 };
    int problem = make_ends(in, out, complaints) ? spawn(made, program, in, out, complaints) : errno;
    free(program);
    shut(&in[1]);
    shut(&out[1]);
    shut(&complaints[1]);
    made->in = in[0];
    made->out = out[0];
    made->complaints = complaints[0];
    if (!problem)
        return MU_OK;
    shut(&made->in);
    shut(&made->out);
    shut(&made->complaints);
    return mu_error_set(err, MU_E_IO, "gnuplot could not be started: %s", strerror(problem));
}

/* One read. Closes the end when there will be no more. */
static bool take(int *fd, mu_text *into, size_t most)
{
    char bytes[16384];
    ssize_t got = read(*fd, bytes, sizeof bytes);
    if (got < 0)
        return errno == EINTR;
    if (got == 0)
        shut(fd);
    mu_text_put_bytes(into, bytes, (size_t)got);
    return !into->failed && into->size_bytes <= most;
}

/* One write. Closes the end when all is written, or nobody reads any more. */
static void give(int *fd, const char *script, size_t size_bytes, size_t *written)
{
    ssize_t sent = send(*fd, script + *written, size_bytes - *written, MSG_NOSIGNAL);
    if (sent > 0)
        *written += (size_t)sent;
    else if (sent < 0 && errno != EINTR && errno != EAGAIN)
        *written = size_bytes;
    if (*written == size_bytes)
        shut(fd);
}

static bool talk(child *with, const char *script, size_t size_bytes, mu_text *svg, size_t most, mu_text *complaints)
{
    size_t written = 0;
    while (with->out >= 0 || with->complaints >= 0) {
        struct pollfd ends[] = { { with->in, POLLOUT, 0 }, { with->out, POLLIN, 0 }, { with->complaints, POLLIN, 0 } };
        if (poll(ends, MU_COUNT(ends), -1) < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        if (ends[0].revents)
            give(&with->in, script, size_bytes, &written);
        if (ends[1].revents && !take(&with->out, svg, most))
            return false;
        if (ends[2].revents && !take(&with->complaints, complaints, COMPLAINT_BYTES_MAX))
            return false;
    }
    return true;
}

/* The line that says something: gnuplot repeats the command and points at it with a ^ before. */
static void tell_complaint(const mu_text *complaints, char line[200])
{
    const char *at = complaints->bytes ? complaints->bytes : "", *found = strstr(at, "line ");
    at = found ? found : at + strspn(at, " \t\n^");
    mu_text_copy(line, 200, *at ? at : "it says nothing");
    line[strcspn(line, "\n")] = '\0';
}

mu_status mu_gnuplot_run(const char *script, size_t size_bytes, mu_text *svg, mu_error *err)
{
    child with = { .in = -1, .out = -1, .complaints = -1 };
    mu_status status = start(&with, err);
    if (status)
        return status;
    mu_text complaints = { 0 };
    size_t most = svg->size_bytes + MU_LIMIT_FIGURE_BYTES;
    bool heard = talk(&with, script, size_bytes, svg, most, &complaints);
    if (!heard)
        kill(with.pid, SIGKILL);
    shut(&with.in);
    shut(&with.out);
    shut(&with.complaints);
    int code = 0;
    while (waitpid(with.pid, &code, 0) < 0 && errno == EINTR)
        ;
    if (svg->failed || complaints.failed)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for what gnuplot draws");
    else if (!heard)
        status = mu_error_set(err, MU_E_LIMIT, "gnuplot writes more than %zu bytes", MU_LIMIT_FIGURE_BYTES);
    else if (!WIFEXITED(code) || WEXITSTATUS(code)) {
        char line[200];
        tell_complaint(&complaints, line);
        status = mu_error_set(err, MU_E_STATE, "gnuplot failed: %s", line);
    }
    mu_text_release(&complaints);
    return status;
}
