/* /rounds.json and /devices.json: what there is many of, in pieces. docs/serve-watching.md explains the members. */
#include "net/look_internal.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* ---- rounds ---- */

static void put_round(mu_look_json *json, cJSON *list, const mu_look *look, const mu_look_round *kept)
{
    const mu_round_report *report = &kept->report;
    cJSON *round = mu_look_put_object(json, list, NULL);
    mu_look_put_whole(json, round, "round", report->round);
    mu_look_put_moment(json, round, "at_s", kept->at_us);
    mu_look_put_real(json, round, "time_s", mu_time_to_s(report->time));
    mu_look_put_real(json, round, "accuracy", report->evaluated ? report->accuracy : NAN);
    mu_look_put_real(json, round, "loss", report->evaluated ? report->loss : NAN);
    mu_look_put_real(json, round, "train_loss", report->train_loss);
    mu_look_put_real(json, round, "train_accuracy", report->train_accuracy);
    mu_look_put_whole(json, round, "selected", report->selected);
    mu_look_put_whole(json, round, "merged", report->merged);
    mu_look_put_whole(json, round, "lost", report->lost);
    mu_look_put_whole(json, round, "late", report->late);
    mu_look_put_whole(json, round, "refused", report->refused);
    mu_look_put_whole(json, round, "discarded", report->discarded);
    mu_look_put_whole(json, round, "tasks_open", report->tasks_open);
    mu_look_put_real(json, round, "mean_staleness", report->mean_staleness);
    mu_look_put_whole(json, round, "max_staleness", report->max_staleness);
    mu_look_put_whole(json, round, "bytes_down", report->bytes_down);
    mu_look_put_whole(json, round, "bytes_up", report->bytes_up);
    mu_look_put_whole(json, round, "bytes_peer", report->bytes_peer);
    mu_look_put_whole(json, round, "macs", report->macs);
    mu_look_put_real(json, round, "device_time_s", report->device_time_s);
    mu_look_put_real(json, round, "wasted_time_s", report->wasted_time_s);
    mu_look_put_real(json, round, "energy_j", report->energy_j);
    cJSON *tiers = mu_look_put_object(json, round, "tier_accuracy");
    for (uint32_t i = 0; report->evaluated && i < report->tier_count && i < look->tier_count; i++)
        mu_look_put_real(json, tiers, look->tier_names[i], report->tier_accuracy[i]);
}

char *mu_look_rounds_text(mu_look *look, uint32_t from)
{
    mu_look_round *rounds = malloc(MU_LOOK_ROUNDS * sizeof *rounds);
    if (!rounds)
        return NULL;
    size_t count = mu_look_rounds(look, from, rounds);
    mu_look_json json = mu_look_json_begin();
    mu_look_put_moment(&json, json.root, "started_at_s", look->started_at_us);
    cJSON *list = mu_look_put_array(&json, json.root, "rounds");
    for (size_t i = 0; i < count; i++)
        put_round(&json, list, look, &rounds[i]);
    free(rounds);
    return mu_look_json_end(&json);
}

/* ---- devices ---- */

static void put_device(mu_look_json *json, cJSON *list, mu_look *look, const mu_store_device *device, double now_s)
{
    double silent_s;
    const char *state = mu_desk_state_of(look->desk, device->number, now_s, &silent_s);
    uint8_t tier = mu_look_tier_of(look, device->number);
    cJSON *row = mu_look_put_object(json, list, NULL);
    mu_look_put_whole(json, row, "device", device->number);
    mu_look_put_words(json, row, "name", device->name);
    mu_look_put_words(json, row, "tier", tier < look->tier_count ? look->tier_names[tier] : NULL);
    mu_look_put_words(json, row, "state", state);
    mu_look_put_real(json, row, "silent_s", silent_s < 0 ? NAN : silent_s);
    mu_look_put_whole(json, row, "enrolled_at_s", (uint64_t)(device->enrolled_at_s > 0 ? device->enrolled_at_s : 0));
    mu_look_put_bool(json, row, "revoked", device->revoked);
}

/* A number that nobody has yet is left out. */
static mu_status put_devices(mu_look_json *json, cJSON *list, mu_look *look, uint32_t from, uint32_t end)
{
    double now_s = mu_clock_monotonic_s();
    for (uint32_t number = from; number < end; number++) {
        mu_store_device device;
        bool found;
        mu_status status = mu_store_find_device(look->store, number, &device, &found, NULL);
        if (status)
            return status;
        if (found)
            put_device(json, list, look, &device, now_s);
    }
    return MU_OK;
}

char *mu_look_devices_text(mu_look *look, uint32_t from)
{
    from = from < look->device_count ? from : look->device_count;
    uint32_t end = look->device_count - from > MU_LOOK_DEVICES_A_PAGE ? from + MU_LOOK_DEVICES_A_PAGE : look->device_count;
    mu_look_json json = mu_look_json_begin();
    mu_look_put_whole(&json, json.root, "from", from);
    mu_look_put_real(&json, json.root, "next", end < look->device_count ? end : NAN);
    mu_look_put_whole(&json, json.root, "numbers", look->device_count);
    cJSON *list = mu_look_put_array(&json, json.root, "devices");
    json.failed |= put_devices(&json, list, look, from, end) != MU_OK;
    return mu_look_json_end(&json);
}
