/* The live line, and the lines of a log. */
#include "report/progress.h"

#include "base/clock.h"
#include "report/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REDRAW_S 0.1
#define RATE_WINDOW_S 2.0 /* over which updates per second are counted */

struct mu_progress {
    mu_progress_config config;
    mu_observer        observer;
    bool               drawn; /* a live line is on the screen */
    double             drawn_at_s, began_at_s, window_at_s;
    uint64_t           window_updates;
    double             updates_per_s; /* NAN until the first window is full */
    bool               first_known;
    uint32_t           first_round, round; /* first_round: where this run, or its resumption, began */
    uint64_t           at_work;
    double             accuracy; /* the last that was measured; NAN before */
    mu_time_us         time;
};

/* One after the other, as long as they fit; what does not fit is left out. */
static void add_part(char *line, size_t columns, const char *part)
{
    size_t used = strlen(line), length = strlen(part);
    const char *between = used ? " | " : "";
    if (used + strlen(between) + length > columns)
        return;
    memcpy(line + used, between, strlen(between));
    memcpy(line + used + strlen(between), part, length + 1);
}

static double time_left_s(const mu_progress *progress, double now_s)
{
    uint32_t done = progress->round - progress->first_round;
    if (!done || progress->round >= progress->config.rounds)
        return NAN;
    return (now_s - progress->began_at_s) / done * (progress->config.rounds - progress->round);
}

static void draw(mu_progress *progress, double now_s)
{
    char line[256] = "", part[96], number[MU_NUMBER_BYTES];
    size_t columns = progress->config.columns ? progress->config.columns : 80;
    /* the last column stays empty: a full line would wrap on some terminals, and could not be drawn over */
    columns = columns < sizeof line ? columns - 1 : sizeof line - 1;
    snprintf(part, sizeof part, "round %u/%u", progress->round, progress->config.rounds);
    add_part(line, columns, part);
    if (isfinite(progress->accuracy)) {
        snprintf(part, sizeof part, "accuracy %.4f", progress->accuracy);
        add_part(line, columns, part);
    }
    double left_s = time_left_s(progress, now_s);
    char left[64] = "";
    if (isfinite(left_s)) {
        mu_show_duration(left_s, number);
        snprintf(left, sizeof left, "%s left", number);
        columns -= columns > strlen(left) + 3 ? strlen(left) + 3 : 0; /* stands last, but comes before the rest */
    }
    mu_show_duration(mu_time_to_s(progress->time), number);
    snprintf(part, sizeof part, "%s %s", progress->config.real_time ? "time" : "virtual", number);
    add_part(line, columns, part);
    snprintf(part, sizeof part, "%llu at work", (unsigned long long)progress->at_work);
    add_part(line, columns, part);
    if (isfinite(progress->updates_per_s)) {
        mu_show_scaled(progress->updates_per_s, "", number);
        snprintf(part, sizeof part, "%s updates/s", number);
        add_part(line, columns, part);
    }
    if (left[0])
        add_part(line, columns + strlen(left) + 3, left);
    fprintf(progress->config.out, "\r%s\033[K", line);
    fflush(progress->config.out);
    progress->drawn = true;
    progress->drawn_at_s = now_s;
}

static void count_rate(mu_progress *progress, double now_s)
{
    double elapsed_s = now_s - progress->window_at_s;
    if (elapsed_s < RATE_WINDOW_S && isfinite(progress->updates_per_s))
        return;
    if (elapsed_s < 0.5)
        return;
    progress->updates_per_s = (double)progress->window_updates / elapsed_s;
    progress->window_updates = 0;
    progress->window_at_s = now_s;
}

static void print_round(const mu_progress *progress, const mu_round_report *report)
{
    FILE *out = progress->config.out;
    char number[MU_NUMBER_BYTES];
    fprintf(out, "INFO :      [ROUND %u/%u] ", report->round, report->rounds);
    if (report->evaluated)
        fprintf(out, "accuracy %.4f, loss %.4f, ", report->accuracy, report->loss);
    if (isfinite(report->train_loss))
        fprintf(out, "train_loss %.4f, ", report->train_loss);
    if (report->round > 0)
        fprintf(out, "sampled %u, received %u results and %u failures, ", report->selected, report->merged, report->lost);
    const struct { uint32_t count; const char *word; } others[] = {
        { report->late, "late" }, { report->refused, "refused" }, { report->discarded, "discarded" },
    };
    for (size_t i = 0; i < MU_COUNT(others); i++)
        if (others[i].count)
            fprintf(out, "%u %s, ", others[i].count, others[i].word);
    if (report->mean_staleness > 0)
        fprintf(out, "staleness %.2f, ", report->mean_staleness);
    mu_show_duration(mu_time_to_s(report->time), number);
    fprintf(out, "%stime %s\n", progress->config.real_time ? "" : "virtual ", number);
    fflush(out);
}

static mu_status on_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    mu_progress *progress = self;
    double now_s = mu_clock_monotonic_s();
    if (!progress->first_known) {
        /* round 0 tells the start; a resumed run's first report is the end of a round already */
        progress->first_round = report->round ? report->round - 1 : 0;
        progress->first_known = true;
    }
    progress->round = report->round;
    progress->time = report->time;
    progress->at_work = report->tasks_open; /* counted between rounds, known at their end */
    if (report->evaluated)
        progress->accuracy = report->accuracy;
    if (!progress->config.is_terminal)
        print_round(progress, report);
    else if (now_s - progress->drawn_at_s >= REDRAW_S || report->round == report->rounds)
        draw(progress, now_s);
    return MU_OK;
}

static mu_status on_event(void *self, const mu_event_report *report, mu_error *err)
{
    (void)err;
    mu_progress *progress = self;
    progress->time = report->at;
    if (report->happening == MU_HAPPENED_SENT)
        progress->at_work++;
    else if (progress->at_work)
        progress->at_work--;
    if (report->happening == MU_HAPPENED_MERGED)
        progress->window_updates++;
    if (!progress->config.is_terminal)
        return MU_OK;
    double now_s = mu_clock_monotonic_s();
    if (now_s - progress->drawn_at_s >= REDRAW_S) {
        count_rate(progress, now_s);
        draw(progress, now_s);
    }
    return MU_OK;
}

mu_status mu_progress_create(const mu_progress_config *config, mu_progress **out, mu_error *err)
{
    mu_progress *progress = calloc(1, sizeof *progress);
    if (!progress)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the progress line");
    double now_s = mu_clock_monotonic_s();
    *progress = (mu_progress){
        .config = *config, .observer = { .self = progress }, .accuracy = NAN, .updates_per_s = NAN,
        .began_at_s = now_s, .window_at_s = now_s, .drawn_at_s = now_s - REDRAW_S,
    };
    if (config->out) {
        progress->observer.round = on_round;
        progress->observer.event = on_event;
    }
    *out = progress;
    return MU_OK;
}

void mu_progress_destroy(mu_progress *progress)
{
    if (progress)
        mu_progress_clear(progress);
    free(progress);
}

const mu_observer *mu_progress_observer(mu_progress *progress)
{
    return &progress->observer;
}

void mu_progress_clear(mu_progress *progress)
{
    if (!progress->drawn)
        return;
    fprintf(progress->config.out, "\r\033[K");
    fflush(progress->config.out);
    progress->drawn = false;
}
