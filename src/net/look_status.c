/* /status.json: how it stands, in one object. docs/serve-watching.md explains the members. */
#include "net/look_internal.h"

#include "muster/version.h"

#include <math.h>

static void put_state(mu_look_json *json, const mu_look *look, const mu_look_now *now)
{
    const mu_look_figures *figures = &now->figures;
    const mu_round_report *last = &figures->last.report;
    cJSON *root = json->root;
    bool failed = figures->has_ended && figures->ended_as == MU_LOOK_FAILED;
    mu_look_put_words(json, root, "version", MU_VERSION);
    mu_look_put_words(json, root, "federation", mu_experiment_name(look->experiment));
    mu_look_put_words(json, root, "recipe", mu_experiment_recipe(look->experiment));
    mu_look_put_words(json, root, "state", mu_look_state_name(now->state));
    mu_look_put_words(json, root, "why", failed ? figures->ended_why : NULL);
    mu_look_put_whole(json, root, "round", last->round);
    mu_look_put_whole(json, root, "rounds", mu_experiment_config(look->experiment)->rounds);
    mu_look_put_real(json, root, "accuracy", figures->accuracy);
    mu_look_put_real(json, root, "loss", figures->loss);
    mu_look_put_real(json, root, "best_accuracy", figures->best_accuracy);
    mu_look_put_whole(json, root, "evaluated_round", figures->evaluated_round);
    mu_look_put_real(json, root, "train_loss", figures->rounds_seen ? last->train_loss : NAN);
    mu_look_put_real(json, root, "train_accuracy", figures->rounds_seen ? last->train_accuracy : NAN);
    mu_look_put_real(json, root, "time_s", mu_time_to_s(figures->time));
    mu_look_put_real(json, root, "uptime_s", now->uptime_s);
    mu_look_put_moment(json, root, "started_at_s", look->started_at_us);
    mu_look_put_real(json, root, "last_round_at_s", figures->rounds_seen ? (double)figures->last.at_us / 1e6 : NAN);
    mu_look_put_bool(json, root, "charts", mu_look_page_has_charts());
}

static void put_devices(mu_look_json *json, const mu_look *look, const mu_look_now *now)
{
    cJSON *devices = mu_look_put_object(json, json->root, "devices");
    mu_look_put_whole(json, devices, "numbers", look->device_count);
    mu_look_put_whole(json, devices, "known", now->desk.known);
    mu_look_put_whole(json, devices, "present", now->desk.present);
    mu_look_put_whole(json, devices, "working", now->desk.working);
    mu_look_put_whole(json, devices, "waiting", now->desk.waiting);
    cJSON *tiers = mu_look_put_array(json, json->root, "tiers");
    for (uint32_t i = 0; i < look->tier_count; i++) {
        cJSON *tier = mu_look_put_object(json, tiers, NULL);
        mu_look_put_words(json, tier, "name", look->tier_names[i]);
        mu_look_put_whole(json, tier, "absent", now->tiers.devices[i][MU_LOOK_ABSENT]);
        mu_look_put_whole(json, tier, "idle", now->tiers.devices[i][MU_LOOK_IDLE]);
        mu_look_put_whole(json, tier, "working", now->tiers.devices[i][MU_LOOK_WORKING]);
        mu_look_put_real(json, tier, "accuracy", i < now->figures.tier_count ? now->figures.tier_accuracy[i] : NAN);
    }
}

static void put_work(mu_look_json *json, const mu_look_now *now)
{
    const mu_look_figures *figures = &now->figures;
    cJSON *tasks = mu_look_put_object(json, json->root, "tasks");
    mu_look_put_whole(json, tasks, "sent", figures->happened[MU_HAPPENED_SENT]);
    mu_look_put_whole(json, tasks, "open", now->desk.tasks_open);
    mu_look_put_whole(json, tasks, "arrived", now->desk.tasks_arrived);
    cJSON *updates = mu_look_put_object(json, json->root, "updates");
    mu_look_put_whole(json, updates, "merged", figures->happened[MU_HAPPENED_MERGED]);
    mu_look_put_whole(json, updates, "lost", figures->happened[MU_HAPPENED_LOST]);
    mu_look_put_whole(json, updates, "late", figures->happened[MU_HAPPENED_CANCELLED]);
    mu_look_put_whole(json, updates, "refused", figures->happened[MU_HAPPENED_REFUSED]);
    mu_look_put_whole(json, updates, "discarded", figures->happened[MU_HAPPENED_DISCARDED]);
    cJSON *training = mu_look_put_object(json, json->root, "training");
    mu_look_put_real(json, training, "device_time_s", figures->device_time_s);
    mu_look_put_real(json, training, "wasted_time_s", figures->wasted_time_s);
    mu_look_put_real(json, training, "energy_j", figures->energy_j);
    mu_look_put_real(json, training, "idle_energy_j", figures->idle_energy_j);
    mu_look_put_whole(json, training, "peak_memory_bytes", figures->peak_memory_bytes);
}

static void put_traffic(mu_look_json *json, const mu_look_now *now)
{
    cJSON *planned = mu_look_put_object(json, json->root, "planned");
    mu_look_put_whole(json, planned, "bytes_down", now->figures.planned_bytes_down);
    mu_look_put_whole(json, planned, "bytes_up", now->figures.planned_bytes_up);
    cJSON *network = mu_look_put_object(json, json->root, "network");
    mu_look_put_whole(json, network, "bytes_down", now->http.bytes_out);
    mu_look_put_whole(json, network, "bytes_up", now->http.bytes_in);
    mu_look_put_whole(json, network, "requests", now->http.requests);
    mu_look_put_whole(json, network, "refused", now->http.refused);
    mu_look_put_whole(json, network, "sessions_opened", now->http.sessions_opened);
    mu_look_put_whole(json, network, "updates_complete", now->http.updates_complete);
    mu_look_put_whole(json, network, "connections", now->http.connections);
    mu_look_put_whole(json, network, "held", now->http.held);
    cJSON *process = mu_look_put_object(json, json->root, "process");
    mu_look_put_whole(json, process, "memory_bytes", now->resident_bytes);
    mu_look_put_real(json, process, "processor_s", now->processor_s);
}

static void put_problems(mu_look_json *json, mu_look *look)
{
    mu_look_problem problems[MU_LOOK_PROBLEMS];
    size_t count = mu_look_problems(look, problems);
    cJSON *list = mu_look_put_array(json, json->root, "problems");
    for (size_t i = 0; i < count; i++) {
        cJSON *problem = mu_look_put_object(json, list, NULL);
        mu_look_put_moment(json, problem, "at_s", problems[i].at_us);
        mu_look_put_real(json, problem, "time_s", mu_time_to_s(problems[i].time));
        mu_look_put_words(json, problem, "what", mu_happening_name(problems[i].happening));
        mu_look_put_whole(json, problem, "device", problems[i].device);
        mu_look_put_whole(json, problem, "round", problems[i].round);
        mu_look_put_words(json, problem, "reason", problems[i].reason);
    }
}

static void put_refusals(mu_look_json *json, mu_look *look)
{
    mu_http_problem refusals[MU_LOOK_PROBLEMS];
    mu_http *http = mu_look_http(look);
    size_t count = http ? mu_http_problems(http, refusals, MU_LOOK_PROBLEMS) : 0;
    cJSON *list = mu_look_put_array(json, json->root, "refusals");
    for (size_t i = 0; i < count; i++) {
        cJSON *refusal = mu_look_put_object(json, list, NULL);
        mu_look_put_moment(json, refusal, "at_s", refusals[i].at_us);
        mu_look_put_real(json, refusal, "device", refusals[i].device == MU_STORE_ANY_DEVICE ? NAN : refusals[i].device);
        mu_look_put_whole(json, refusal, "status", refusals[i].status);
        mu_look_put_words(json, refusal, "code", refusals[i].code);
    }
}

char *mu_look_status_text(mu_look *look)
{
    mu_look_now now;
    mu_look_see(look, &now);
    mu_look_json json = mu_look_json_begin();
    put_state(&json, look, &now);
    put_devices(&json, look, &now);
    put_work(&json, &now);
    put_traffic(&json, &now);
    put_problems(&json, look);
    put_refusals(&json, look);
    return mu_look_json_end(&json);
}
