/* /metrics: the same for Prometheus, in its text format 0.0.4. Labels are the experiment's own (tiers, states, outcomes): there are few of them. */
#include "net/look_internal.h"

#include "muster/version.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void begin(FILE *out, const char *name, const char *type, const char *help) { fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type); }

/* A label's value: backslash, quote and end of line are escaped. */
static void put_label(FILE *out, const char *label, const char *value)
{
    fprintf(out, "%s=\"", label);
    for (; *value; value++)
        if (*value == '\n')
            fputs("\\n", out);
        else
            fprintf(out, *value == '\\' || *value == '"' ? "\\%c" : "%c", *value);
    fputc('"', out);
}

static void put_whole(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    begin(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* No sample, where it is not known. */
static void put_real(FILE *out, const char *name, const char *type, const char *help, double value)
{
    begin(out, name, type, help);
    if (isfinite(value))
        fprintf(out, "%s %.17g\n", name, value);
}

static void put_labelled(FILE *out, const char *name, const char *label, const char *value, uint64_t count)
{
    fprintf(out, "%s{", name);
    put_label(out, label, value);
    fprintf(out, "} %" PRIu64 "\n", count);
}

static void put_run(FILE *out, const mu_look *look, const mu_look_now *now)
{
    const mu_look_figures *figures = &now->figures;
    const mu_round_report *last = &figures->last.report;
    begin(out, "muster_info", "gauge", "Which federation this is.");
    fputs("muster_info{", out);
    put_label(out, "version", MU_VERSION);
    fputc(',', out);
    put_label(out, "federation", mu_experiment_name(look->experiment));
    fputc(',', out);
    put_label(out, "recipe", mu_experiment_recipe(look->experiment));
    fputs("} 1\n", out);
    begin(out, "muster_state", "gauge", "1 for the state that the federation is in.");
    for (int i = 0; i < MU_LOOK_STATE_COUNT; i++)
        put_labelled(out, "muster_state", "state", mu_look_state_name((mu_look_state)i), now->state == (mu_look_state)i);
    put_whole(out, "muster_round", "gauge", "The last round that was finished.", last->round);
    put_whole(out, "muster_rounds", "gauge", "Rounds that are to be made.", mu_experiment_config(look->experiment)->rounds);
    put_real(out, "muster_run_time_seconds", "gauge", "Time of the federation when the last thing happened.", mu_time_to_s(figures->time));
    put_real(out, "muster_last_round_timestamp_seconds", "gauge", "When the last round was finished, UTC.",
             figures->rounds_seen ? (double)figures->last.at_us / 1e6 : NAN);
    put_real(out, "muster_accuracy_ratio", "gauge", "Accuracy on the test set, as last evaluated.", figures->accuracy);
    put_real(out, "muster_loss", "gauge", "Loss on the test set, as last evaluated.", figures->loss);
    put_real(out, "muster_train_loss", "gauge", "Mean training loss of the last round's merged updates.", figures->rounds_seen ? last->train_loss : NAN);
    begin(out, "muster_tier_accuracy_ratio", "gauge", "Accuracy on the devices' own examples by tier, as last evaluated.");
    for (uint32_t i = 0; i < figures->tier_count && i < look->tier_count; i++)
        if (isfinite(figures->tier_accuracy[i])) {
            fputs("muster_tier_accuracy_ratio{", out);
            put_label(out, "tier", look->tier_names[i]);
            fprintf(out, "} %.17g\n", figures->tier_accuracy[i]);
        }
}

static void put_devices(FILE *out, const mu_look *look, const mu_look_now *now)
{
    static const char *const states[] = { [MU_LOOK_ABSENT] = "absent", [MU_LOOK_IDLE] = "idle", [MU_LOOK_WORKING] = "working" };
    _Static_assert(MU_COUNT(states) == MU_LOOK_PRESENCE_COUNT, "every state of a device has its name");
    begin(out, "muster_devices", "gauge", "Devices by tier and state, those that never came among the absent.");
    for (uint32_t tier = 0; tier < look->tier_count; tier++)
        for (int state = 0; state < MU_LOOK_PRESENCE_COUNT; state++) {
            fputs("muster_devices{", out);
            put_label(out, "tier", look->tier_names[tier]);
            fputc(',', out);
            put_label(out, "state", states[state]);
            fprintf(out, "} %" PRIu32 "\n", now->tiers.devices[tier][state]);
        }
    put_whole(out, "muster_devices_known", "gauge", "Devices that have come since this process began.", now->desk.known);
    put_whole(out, "muster_devices_present", "gauge", "Devices that are there.", now->desk.present);
    put_whole(out, "muster_devices_working", "gauge", "Devices that are there and have a task.", now->desk.working);
    put_whole(out, "muster_devices_waiting", "gauge", "Devices whose poll is held.", now->desk.waiting);
}

static void put_work(FILE *out, const mu_look_now *now)
{
    static const struct { mu_happening happening; const char *name; } outcomes[] = {
        { MU_HAPPENED_MERGED, "merged" }, { MU_HAPPENED_LOST, "lost" }, { MU_HAPPENED_CANCELLED, "late" },
        { MU_HAPPENED_REFUSED, "refused" }, { MU_HAPPENED_DISCARDED, "discarded" },
    };
    const mu_look_figures *figures = &now->figures;
    put_whole(out, "muster_rounds_made_total", "counter", "Rounds that this process has made.", figures->rounds_made);
    put_whole(out, "muster_tasks_sent_total", "counter", "Tasks given to devices.", figures->happened[MU_HAPPENED_SENT]);
    put_whole(out, "muster_tasks_open", "gauge", "Tasks that devices have or are to fetch.", now->desk.tasks_open);
    put_whole(out, "muster_tasks_arrived", "gauge", "Tasks whose update is in, and not yet looked at.", now->desk.tasks_arrived);
    begin(out, "muster_updates_total", "counter", "Tasks that are over, by what became of them.");
    for (size_t i = 0; i < MU_COUNT(outcomes); i++)
        put_labelled(out, "muster_updates_total", "outcome", outcomes[i].name, figures->happened[outcomes[i].happening]);
    put_real(out, "muster_device_seconds_total", "counter", "Time that devices worked, of finished rounds.", figures->device_time_s);
    put_real(out, "muster_device_wasted_seconds_total", "counter", "Time that devices worked in vain, of finished rounds.", figures->wasted_time_s);
    put_real(out, "muster_device_energy_joules_total", "counter", "Energy that devices worked with, of finished rounds.", figures->energy_j);
    put_whole(out, "muster_training_peak_memory_bytes", "gauge", "The most memory that one merged training took.", figures->peak_memory_bytes);
}

static void put_traffic(FILE *out, const mu_look_now *now)
{
    begin(out, "muster_planned_bytes_total", "counter", "Bytes that the tasks sent were priced with, by direction as devices see it.");
    put_labelled(out, "muster_planned_bytes_total", "direction", "down", now->figures.planned_bytes_down);
    put_labelled(out, "muster_planned_bytes_total", "direction", "up", now->figures.planned_bytes_up);
    if (now->has_http) {
        const mu_http_counts *http = &now->http;
        begin(out, "muster_http_body_bytes_total", "counter", "Bytes of bodies that crossed, by direction as devices see it.");
        put_labelled(out, "muster_http_body_bytes_total", "direction", "down", http->bytes_out);
        put_labelled(out, "muster_http_body_bytes_total", "direction", "up", http->bytes_in);
        put_whole(out, "muster_http_requests_total", "counter", "Requests of devices.", http->requests);
        put_whole(out, "muster_http_requests_refused_total", "counter", "Requests of devices that were refused.", http->refused);
        put_whole(out, "muster_http_sessions_opened_total", "counter", "Sessions that devices have opened.", http->sessions_opened);
        put_whole(out, "muster_http_updates_complete_total", "counter", "Updates that came whole and were acknowledged.", http->updates_complete);
        put_whole(out, "muster_http_connections", "gauge", "Connections that are open.", http->connections);
        put_whole(out, "muster_http_polls_held", "gauge", "Polls that are held.", http->held);
    }
}

static void put_process(FILE *out, const mu_look *look, const mu_look_now *now)
{
    put_real(out, "process_cpu_seconds_total", "counter", "Processor time, all threads together.", now->processor_s);
    if (now->resident_bytes)
        put_whole(out, "process_resident_memory_bytes", "gauge", "Memory in use.", now->resident_bytes);
    put_real(out, "process_start_time_seconds", "gauge", "When the process began, UTC.", (double)look->started_at_us / 1e6);
}

char *mu_look_metrics_text(mu_look *look)
{
    mu_look_now now;
    char *text = NULL;
    size_t size_bytes;
    FILE *out = open_memstream(&text, &size_bytes);
    if (!out)
        return NULL;
    mu_look_see(look, &now);
    put_run(out, look, &now);
    put_devices(out, look, &now);
    put_work(out, &now);
    put_traffic(out, &now);
    put_process(out, look, &now);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
