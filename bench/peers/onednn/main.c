/* onednn_step: whole fp32 training steps with oneDNN, on one thread, timed as `muster bench step` and `muster bench widths` time theirs.
 *
 *     onednn_step step CASE direct|auto SECONDS       one turn of one network
 *     onednn_step widths direct|auto SECONDS          one turn of each of the seventeen widths
 *
 * direct: all convolutions are computed as sums of products; auto: by what the library thinks fastest, which may be Winograd's
 * algorithm, whose rounding errors are larger.
 *
 * One JSON object on standard output. A step is forward, loss, backward and SGD; primitives and their memory are made once, before. */
#include "net.h"
#include "nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_CALLS = 4096, WARM_UP_CALLS = 2, SHORT_CALLS = 3 };

typedef struct times {
    double first_step_s, median_s, best_s;
} times;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double timed_run_s(void)
{
    double began_s = now_s();
    tape_run();
    return now_s() - began_s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As muster's: a tenth of the seconds to warm up, then until they are over, three calls at least where they are short. */
static void take_turn(double seconds, times *t)
{
    static double calls[MOST_CALLS];
    double began_s = now_s();
    size_t count = 0;
    for (size_t i = 0; i < WARM_UP_CALLS || now_s() - began_s < 0.1 * seconds; i++)
        tape_run();
    began_s = now_s();
    t->best_s = 1e9;
    for (;;) {
        double took_s = timed_run_s(), spent_s = now_s() - began_s;
        calls[count++ % MOST_CALLS] = took_s;
        t->best_s = took_s < t->best_s ? took_s : t->best_s;
        if (spent_s >= seconds && (count >= SHORT_CALLS || took_s >= seconds))
            break;
    }
    count = count < MOST_CALLS ? count : MOST_CALLS;
    qsort(calls, count, sizeof calls[0], by_value);
    t->median_s = count % 2 ? calls[count / 2] : 0.5 * (calls[count / 2 - 1] + calls[count / 2]);
}

static void print(const char *name, const times *t)
{
    printf("{\"case\":\"%s\",\"parameters\":%zu,\"first_step_s\":%.9g,\"median_s\":%.9g,\"best_s\":%.9g,\"loss\":%.6g}",
           name, net_parameter_count(), t->first_step_s, t->median_s, t->best_s, (double)tape_last_loss());
}

static int step(const char *name, double seconds)
{
    const nets_case *c = nets_cases;
    while (c->name && strcmp(c->name, name) != 0)
        c++;
    if (!c->name) {
        fprintf(stderr, "onednn_step: there is no case '%s'\n", name);
        return 2;
    }
    times t;
    c->build();
    t.first_step_s = timed_run_s();
    take_turn(seconds, &t);
    print(c->name, &t);
    net_clear();
    return 0;
}

static int widths(double seconds)
{
    for (int part = 1; part <= NETS_WIDTHS; part++) {
        char name[16];
        times t;
        nets_build_width(part);
        t.first_step_s = timed_run_s();
        take_turn(seconds, &t);
        snprintf(name, sizeof name, "%d/%d", part, NETS_WIDTHS);
        fputs(part > 1 ? "," : "", stdout);
        print(name, &t);
        net_clear();
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool is_step = argc == 5 && strcmp(argv[1], "step") == 0, is_widths = argc == 4 && strcmp(argv[1], "widths") == 0;
    const char *algorithm = argc > 3 ? argv[argc - 2] : "";
    bool is_auto = strcmp(algorithm, "auto") == 0;
    double seconds = argc > 3 ? atof(argv[argc - 1]) : 0.0;
    if ((!is_step && !is_widths) || (!is_auto && strcmp(algorithm, "direct") != 0) || !(seconds > 0.0)) {
        fputs("usage: onednn_step step CASE direct|auto SECONDS | onednn_step widths direct|auto SECONDS\n", stderr);
        return 2;
    }
    api_begin(is_auto);
    const dnnl_version_t *version = dnnl_version();
    printf("{\"bench\":\"%s\",\"onednn\":\"%d.%d.%d\",\"cases\":[", argv[1], version->major, version->minor, version->patch);
    int code = is_step ? step(argv[2], seconds) : widths(seconds);
    puts("]}");
    return code;
}
