/* Happenings as JSON lines. */
#include "report/log_lines.h"

#include "report/event_line.h"
#include "report/number.h"

/* Taken whether or not it could be written: a log that nobody reads must not end a federation. */
static mu_status write_line(const mu_log_lines *log, mu_text *line, mu_error *err)
{
    mu_status status = line->failed ? mu_error_set(err, MU_E_MEMORY, "no memory for a line of the log") : MU_OK;
    if (!status) {
        fwrite(line->bytes, 1, line->size_bytes, log->out);
        fflush(log->out);
    }
    mu_text_release(line);
    return status;
}

static const char *class_of(const mu_log_lines *log, uint32_t device)
{
    return log->fleet ? mu_fleet_class(log->fleet, mu_fleet_class_of(log->fleet, device))->name : NULL;
}

static mu_status log_event(void *self, const mu_event_report *report, mu_error *err)
{
    const mu_log_lines *log = self;
    mu_text line = { 0 };
    mu_event_line(&line, report, class_of(log, report->task->device));
    return write_line(log, &line, err);
}

static void put_figure(void *self, const char *name, double value)
{
    mu_text *line = self;
    mu_text_put(line, ",");
    mu_text_json(line, name);
    mu_text_put(line, ":");
    mu_text_real(line, value, "null");
}

static mu_status log_round(void *self, const mu_round_report *report, mu_error *err)
{
    const mu_log_lines *log = self;
    mu_text line = { 0 };
    mu_text_format(&line, "{\"event\":\"round\",\"round\":%u", report->round);
    mu_round_table_visit(report, &log->tiers, put_figure, &line);
    mu_text_put(&line, "}\n");
    return write_line(log, &line, err);
}

static mu_status log_presence(void *self, mu_time_us at, uint32_t device, bool came, mu_error *err)
{
    const mu_log_lines *log = self;
    const char *class_name = class_of(log, device);
    char time[MU_NUMBER_BYTES];
    mu_text line = { 0 };
    mu_number_time_s(at, time);
    mu_text_format(&line, "{\"event\":\"%s\",\"time_s\":%s,\"device\":%u", came ? "came" : "went", time, device);
    if (class_name) {
        mu_text_put(&line, ",\"class\":");
        mu_text_json(&line, class_name);
    }
    mu_text_put(&line, "}\n");
    return write_line(log, &line, err);
}

void mu_log_lines_init(mu_log_lines *log, FILE *out)
{
    *log = (mu_log_lines){ .out = out, .observer = { .self = log, .round = log_round, .event = log_event, .presence = log_presence } };
}

mu_status mu_log_lines_know(mu_log_lines *log, const mu_fleet *fleet, mu_error *err)
{
    mu_status status = mu_tier_names_of(fleet, &log->tiers, err);
    if (!status)
        log->fleet = fleet;
    return status;
}
