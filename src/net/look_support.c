/* A federation that is played by hand: no devices, no network, only what the observer is told. */
#include "net/look_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(mu_status status, const mu_error *err)
{
    if (!status)
        return;
    fprintf(stderr, "look_support: %s\n", err->message);
    exit(1);
}

static void path_of(const look_stage *stage, const char *name, char path[128]) { snprintf(path, 128, "%s/%s", stage->folder, name); }

void look_stage_open(look_stage *stage, const char *name, uint32_t devices)
{
    mu_error err = { 0 };
    char path[128];
    *stage = (look_stage){ .folder = "/tmp/muster-look-XXXXXX" };
    if (!mkdtemp(stage->folder))
        must(MU_E_IO, &(mu_error){ .message = "no folder" });
    path_of(stage, "played.yaml", path);
    FILE *file = fopen(path, "w");
    if (!file)
        must(MU_E_IO, &(mu_error){ .message = "no file" });
    fprintf(file, "name: %s\nseed: 3\nrounds: 12\nmodel: {layers: [{average_pool: pool, size: 28}, flatten, {dense: fc}]}\n"
                  "data: {name: writers, devices: %u}\nfleet: {mix: {phone-low: 0.5, workstation: 0.5}}\n", name, devices);
    fclose(file);
    must(mu_experiment_load(path, NULL, NULL, 0, &stage->experiment, &err), &err);
    must(mu_desk_create(devices, &stage->desk, &err), &err);
    path_of(stage, "store.db", path);
    must(mu_store_open(path, MU_STORE_OWNER, &stage->store, &err), &err);
    must(mu_look_create(stage->experiment, stage->store, stage->desk, &stage->look, &err), &err);
}

void look_stage_close(look_stage *stage)
{
    char command[128];
    mu_look_destroy(stage->look);
    mu_store_close(stage->store);
    mu_desk_destroy(stage->desk);
    mu_experiment_destroy(stage->experiment);
    snprintf(command, sizeof command, "rm -rf '%s'", stage->folder);
    if (system(command) != 0)
        fprintf(stderr, "look_support: %s is left behind\n", stage->folder);
}

void look_stage_enrol(look_stage *stage, uint32_t number, const char *name)
{
    mu_error err = { 0 };
    uint32_t given;
    mu_store_enrolment outcome;
    unsigned char digest[MU_STORE_KEY_BYTES] = { 0 };
    memcpy(digest, &number, sizeof number);
    must(mu_store_add_token(stage->store, digest, number, mu_desk_devices(stage->desk), 1700000000, 2000000000, &given, &err), &err);
    mu_store_device device = { 0 };
    memcpy(device.public_key, &number, sizeof number);
    snprintf(device.name, sizeof device.name, "%s", name);
    must(mu_store_enrol(stage->store, digest, 1700000000, &device, &outcome, &err), &err);
    if (outcome != MU_STORE_ENROLLED || device.number != number)
        must(MU_E_STATE, &(mu_error){ .message = "the device was not let in" });
}

void look_stage_put_task(look_stage *stage, uint64_t task, uint32_t device)
{
    mu_error err = { 0 };
    unsigned char packed[] = "task";
    mu_desk_task put = { .id = task, .device = device, .packed = packed, .packed_bytes = sizeof packed, .floats_up = 1, .classes = 10,
                         .start_digest_hex = "aa", .start_path = "/starts/aa" };
    must(mu_desk_put_task(stage->desk, &put, &err), &err);
}

void look_stage_event(look_stage *stage, mu_happening happening, uint32_t device, uint32_t round, const char *reason)
{
    const mu_observer *observer = mu_look_observer(stage->look);
    mu_task task = { .device = device, .price = { .bytes_down = LOOK_BYTES_DOWN, .bytes_up = LOOK_BYTES_UP, .peak_memory_bytes = 4096 + device } };
    mu_event_report report = { .happening = happening, .at = mu_time_from_s(10.0 * round), .round = round, .task = &task, .reason = reason,
                               .train_loss = 1, .num_examples = 10 };
    mu_error err = { 0 };
    must(observer->event(observer->self, &report, &err), &err);
}

mu_round_report look_stage_report(uint32_t round)
{
    mu_round_report report = { .round = round, .rounds = 12, .time = mu_time_from_s(10.0 * round), .evaluated = true, .accuracy = 0.5 + round / 1000.0,
                               .loss = 2 - round / 1000.0, .tier_count = 2, .tier_accuracy = { 0.25, 0.75 }, .train_loss = NAN, .train_accuracy = NAN };
    if (round == 0)
        return report;
    report.selected = 4;
    report.merged = 3;
    report.lost = 1;
    report.train_loss = 1.5 - round / 1000.0;
    report.train_accuracy = 0.4;
    report.bytes_down = 4 * LOOK_BYTES_DOWN;
    report.bytes_up = 3 * LOOK_BYTES_UP;
    report.device_time_s = 30;
    report.wasted_time_s = 2.5;
    report.energy_j = 100;
    return report;
}

void look_stage_round(look_stage *stage, uint32_t round)
{
    const mu_observer *observer = mu_look_observer(stage->look);
    mu_round_report report = look_stage_report(round);
    mu_error err = { 0 };
    must(observer->round(observer->self, &report, &err), &err);
}

void look_stage_play(look_stage *stage)
{
    look_stage_round(stage, 0);
    for (uint32_t round = 1; round <= 2; round++) {
        for (uint32_t device = 0; device < 4; device++)
            look_stage_event(stage, MU_HAPPENED_SENT, device, round, NULL);
        for (uint32_t device = 0; device < 3; device++)
            look_stage_event(stage, MU_HAPPENED_MERGED, device, round, NULL);
        look_stage_event(stage, MU_HAPPENED_LOST, 3, round, "the device was not heard of for 60 s");
        look_stage_round(stage, round);
    }
    look_stage_event(stage, MU_HAPPENED_REFUSED, 1, 3, "element 7 is not finite");
    look_stage_event(stage, MU_HAPPENED_DISCARDED, 2, 3, "too old");
    look_stage_event(stage, MU_HAPPENED_CANCELLED, 2, 3, NULL);
}

char *look_stage_text(look_stage *stage, const char *path)
{
    const char *media_type;
    size_t size_bytes;
    char *text = mu_look_text(stage->look, path, &media_type, &size_bytes);
    if (!text || !media_type || strlen(text) != size_bytes)
        must(MU_E_STATE, &(mu_error){ .message = "there is no text, or not of the size that it says" });
    return text;
}
