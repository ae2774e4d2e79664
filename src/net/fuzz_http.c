/* Any bytes as what a device says on one connection, to the real routes over a real store, without TLS. Whatever was said, the connection comes to an end (or
 * libFuzzer's own limit of time does), what is answered is HTTP, and nothing of the request stays: no connection, no memory for messages.
 *
 * A fuzzer finds no signature and no session by itself, so some words stand for what a device would have:
 *     $S session   $T its task's number   $D the digest that it starts from   $E an Enrol   $O an OpenSession   $A the announced update   $B its blob
 *     $L the length of the body that follows, up to $. or the end
 * Before each input the device is signed in and has an open task. */
#include "net/http_internal.h"
#include "net/test_http.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of the C library's: nobody pulls the plug here. */
MU_API int fsync(int file) { return (void)file, 0; }
MU_API int fdatasync(int file) { return (void)file, 0; }

enum { FLOATS = 1500, SAID_BYTES = 65536 };

static test_server server;
static test_device device;
static test_update update;
static uint64_t    task, sessions;

static const char *file_of_task(const char *ending)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/updates/%llu.%s", server.folder, (unsigned long long)task, ending);
    return path;
}

static void new_task(void)
{
    mu_desk_drop_task(server.desk, task);
    MU_ASSERT(mu_store_checkpoint(server.store, &task, 1, NULL) == MU_OK);
    unlink(file_of_task("head"));
    unlink(file_of_task("part"));
    unlink(file_of_task("blob"));
    update.task = ++task;
    test_put_task(&server, task, device.number, FLOATS);
}

static void clean_up(void) { test_server_release(&server); }

static void begin(void)
{
    test_server_init(&server);
    server.serve.hold_s = 0; /* no poll is held */
    server.serve.requests_per_s = 1e9;
    test_server_listen(&server);
    atexit(clean_up);
    test_device_make(&device);
    test_device_enrol(&server, &device);
    test_update_make(&server, &update, 0, FLOATS, 1);
    sessions = 0;
}

/* As the last input has left it, but for what it has used up. */
static void get_ready(void)
{
    mu_desk_event event;
    if (!server.http)
        begin();
    while (mu_desk_take(server.desk, 0, 1e9, &event)) {}
    if (mu_http_count(server.http).sessions_opened != sessions || mu_desk_count(server.desk).present == 0) {
        test_device_sign_in(&server, &device);
        sessions = mu_http_count(server.http).sessions_opened;
    }
    if (mu_desk_find_task(server.desk, task, NULL) != MU_DESK_TASK_OPEN || access(file_of_task("head"), F_OK) == 0)
        new_task();
}

/* ---- what is said ---- */

typedef struct said {
    char   bytes[SAID_BYTES + 16];
    size_t count;
    size_t length_at; /* where the open body's length is to be put; 0: none is open */
} said;

static void say(said *s, const void *bytes, size_t count)
{
    if (count > SAID_BYTES - s->count)
        count = SAID_BYTES - s->count;
    memcpy(s->bytes + s->count, bytes, count);
    s->count += count;
}

static void say_words(said *s, const char *words) { say(s, words, strlen(words)); }

static void end_body(said *s)
{
    if (!s->length_at)
        return;
    char digits[8];
    size_t body_at = s->length_at;
    while (body_at < s->count && (s->count - body_at < 4 || memcmp(s->bytes + body_at, "\r\n\r\n", 4)))
        body_at++;
    snprintf(digits, sizeof digits, "%07zu", body_at < s->count ? s->count - body_at - 4 : 0);
    memcpy(s->bytes + s->length_at, digits, 7);
    s->length_at = 0;
}

static void say_message(said *s, char which)
{
    unsigned char *packed = NULL;
    size_t bytes = 0;
    if (which == 'E')
        bytes = test_device_enrolment(&device, &packed).bytes;
    else if (which == 'A')
        packed = test_update_announcement(&update, &device, NULL, &bytes);
    else {
        unsigned char challenge[32];
        test_hello(&server, challenge);
        packed = test_device_session_message(&device, challenge, MU_WIRE_PROTOCOL, &bytes);
    }
    say(s, packed, bytes);
    free(packed);
}

static void say_word(said *s, char which)
{
    char number[32];
    switch (which) {
    case 'S': say_words(s, device.session); break;
    case 'D': say_words(s, test_start_digest()); break;
    case 'B': say(s, update.blob, update.blob_bytes); break;
    case 'E':
    case 'A':
    case 'O': say_message(s, which); break;
    case 'T':
        snprintf(number, sizeof number, "%llu", (unsigned long long)task);
        say_words(s, number);
        break;
    case 'L':
        end_body(s);
        s->length_at = s->count;
        say_words(s, "0000000");
        break;
    case '.': end_body(s); break;
    default: say(s, (const char[]){ '$', which }, 2);
    }
}

static void spell_out(said *s, const uint8_t *data, size_t size)
{
    s->count = s->length_at = 0;
    for (size_t i = 0; i < size && s->count < SAID_BYTES; i++) {
        if (data[i] != '$' || i + 1 == size)
            say(s, &data[i], 1);
        else
            say_word(s, (char)data[++i]);
    }
    end_body(s);
}

/* ---- one connection ---- */

/* libFuzzer's clock interrupts what waits. */
static ssize_t send_some(int fd, const char *bytes, size_t count)
{
    ssize_t sent;
    do
        sent = send(fd, bytes, count, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static ssize_t receive_some(int fd, char *bytes, size_t count)
{
    ssize_t got;
    do
        got = recv(fd, bytes, count, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

static void speak(const said *s)
{
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int ends[2];
    MU_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    MU_ASSERT(MHD_add_connection(server.http->devices[0], ends[1], (struct sockaddr *)&from, sizeof from) == MHD_YES);
    for (size_t sent = 0; sent < s->count;) {
        ssize_t now = send_some(ends[0], s->bytes + sent, s->count - sent);
        if (now <= 0)
            break; /* it has hung up */
        sent += (size_t)now;
    }
    shutdown(ends[0], SHUT_WR);
    static char answer[SAID_BYTES];
    size_t have = 0;
    for (ssize_t now; (now = receive_some(ends[0], answer + (have < 16 ? have : 16), sizeof answer - 16)) != 0; have += (size_t)now) {
        if (now < 0 && errno == ECONNRESET)
            break;
        MU_ASSERT(now > 0);
    }
    MU_ASSERT(have < 9 || memcmp(answer, "HTTP/1.1 ", 9) == 0);
    close(ends[0]);
}

/* No connection, none suspended, no memory for a message. */
static bool is_quiet(void)
{
    mu_http *http = server.http;
    pthread_mutex_lock(&http->lock);
    bool suspended = http->suspended > 0;
    pthread_mutex_unlock(&http->lock);
    return !suspended && mu_http_count(http).connections == 0 && atomic_load(&http->bodies_bytes) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static said s;
    get_ready();
    spell_out(&s, data, size);
    if (s.count == 0)
        return 0;
    speak(&s);
    while (!is_quiet()) /* this side is told before the connection is put away */
        usleep(20);
    return 0;
}
