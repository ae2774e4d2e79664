/* The agent's parts, each by itself: limits, what the machine says, the folder with everything that may be in it after a kill, the job. */
#include "net/agent.h"
#include "net/agent_machine.h"

#include "base/file.h"
#include "muster/experiment.h"
#include "net/blob.h"
#include "net/job.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64]; /* a folder for the test */

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/muster-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void write_text(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(mu_folder_make(path, NULL), MU_OK);
    *slash = '/';
    assert_int_equal(mu_file_write(path, text, strlen(text), NULL), MU_OK);
}

/* ---- limits ---- */

static void test_hours_are_read_and_kept(void **state)
{
    (void)state;
    mu_agent_hours hours;
    assert_int_equal(mu_agent_hours_read("22:00-06:30", &hours, NULL), MU_OK);
    assert_int_equal(hours.from, 1320);
    assert_int_equal(hours.to, 390);
    assert_true(mu_agent_hours_have(hours, 1320) && mu_agent_hours_have(hours, 1439) && mu_agent_hours_have(hours, 0) && mu_agent_hours_have(hours, 389));
    assert_false(mu_agent_hours_have(hours, 390) || mu_agent_hours_have(hours, 1319) || mu_agent_hours_have(hours, 720));
    assert_int_equal(mu_agent_hours_read("9:05-17:00", &hours, NULL), MU_OK);
    assert_true(mu_agent_hours_have(hours, 545) && mu_agent_hours_have(hours, 1019));
    assert_false(mu_agent_hours_have(hours, 544) || mu_agent_hours_have(hours, 1020));
    assert_int_equal(mu_agent_hours_read("00:00-24:00", &hours, NULL), MU_OK);
    assert_true(mu_agent_hours_have(hours, 0) && mu_agent_hours_have(hours, 1439));
    static const char *const wrong[] = { "", "22-6", "22:00", "22:00-", "22:60-06:00", "25:00-06:00", "24:01-06:00", "22:00-06:30x", "-1:00-06:00" };
    for (size_t i = 0; i < MU_COUNT(wrong); i++)
        if (mu_agent_hours_read(wrong[i], &hours, NULL) != MU_E_CONFIG)
            fail_msg("%s", wrong[i]);
}

static bool metered_now;
static bool is_metered(void *self)
{
    (void)self;
    return metered_now;
}

static bool allows(const mu_agent_limits *limits, mu_agent_need need, uint32_t minute)
{
    char why[256] = "";
    bool good = mu_agent_limits_allow(limits, need, minute, why, sizeof why);
    assert_true(good || *why);
    return good;
}

static void test_limits_stand_in_the_way_of_what_they_are_about(void **state)
{
    (void)state;
    mu_join_config config = mu_join_config_default();
    mu_agent_limits limits;
    config.battery_min_share = 0.4;
    config.hours = "08:00-20:00";
    config.is_metered = is_metered;
    config.machine_root = root;
    assert_int_equal(mu_agent_limits_of(&config, &limits, NULL), MU_OK);
    const uint32_t day = 720, night = 60;
    metered_now = false;
    assert_true(allows(&limits, MU_AGENT_BEGINS, day)); /* a machine without a battery */
    assert_false(allows(&limits, MU_AGENT_BEGINS, night));
    assert_false(allows(&limits, MU_AGENT_TRAINS, night));
    assert_true(allows(&limits, MU_AGENT_SENDS, night));
    write_text("sys/class/power_supply/BAT0/type", "Battery\n");
    write_text("sys/class/power_supply/BAT0/capacity", "39\n");
    write_text("sys/class/power_supply/BAT0/status", "Discharging\n");
    assert_false(allows(&limits, MU_AGENT_TRAINS, day));
    assert_true(allows(&limits, MU_AGENT_SENDS, day));
    write_text("sys/class/power_supply/BAT0/status", "Charging\n");
    assert_true(allows(&limits, MU_AGENT_TRAINS, day));
    write_text("sys/class/power_supply/BAT0/status", "Discharging\n");
    write_text("sys/class/power_supply/BAT0/capacity", "40\n");
    assert_true(allows(&limits, MU_AGENT_TRAINS, day));
    metered_now = true;
    assert_true(allows(&limits, MU_AGENT_TRAINS, day));
    assert_false(allows(&limits, MU_AGENT_SENDS, day));
    assert_false(allows(&limits, MU_AGENT_BEGINS, day));
    limits.metered_ok = true;
    assert_true(allows(&limits, MU_AGENT_SENDS, day));
    config.battery_min_share = 1.5;
    assert_int_equal(mu_agent_limits_of(&config, &limits, NULL), MU_E_RANGE);
}

static void test_the_machine_says_what_it_knows(void **state)
{
    (void)state;
    char name[64];
    assert_true(mu_agent_battery_read(root).share < 0);
    mu_agent_energy nothing = mu_agent_energy_read(root);
    assert_true(nothing.processor_j < 0 && nothing.battery_j < 0);
    assert_true(mu_agent_energy_between_j(nothing, nothing) == 0);
    write_text("sys/class/power_supply/AC/type", "Mains\n");
    write_text("sys/class/power_supply/mouse/type", "Battery\n");
    write_text("sys/class/power_supply/mouse/scope", "Device\n");
    write_text("sys/class/power_supply/mouse/capacity", "3\n");
    write_text("sys/class/power_supply/BAT0/type", "Battery\n");
    write_text("sys/class/power_supply/BAT0/capacity", "20\n");
    write_text("sys/class/power_supply/BAT0/status", "Discharging\n");
    write_text("sys/class/power_supply/BAT0/energy_now", "10000000\n"); /* 10 Wh */
    write_text("sys/class/power_supply/BAT1/type", "Battery\n");
    write_text("sys/class/power_supply/BAT1/capacity", "100\n");
    write_text("sys/class/power_supply/BAT1/status", "Full\n");
    mu_agent_battery battery = mu_agent_battery_read(root);
    assert_true(fabs(battery.share - 0.6) < 1e-12);
    assert_true(battery.is_discharging);
    mu_agent_energy before = mu_agent_energy_read(root);
    assert_true(fabs(before.battery_j - 36000) < 1e-6);
    write_text("sys/class/power_supply/BAT0/energy_now", "9990000\n");
    assert_true(fabs(mu_agent_energy_between_j(before, mu_agent_energy_read(root)) - 36) < 1e-6);
    write_text("sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n");
    write_text("sys/class/powercap/intel-rapl:1/energy_uj", "2000000\n");
    write_text("sys/class/powercap/intel-rapl:0:0/energy_uj", "500000\n"); /* a part of :0 */
    before = mu_agent_energy_read(root);
    assert_true(fabs(before.processor_j - 3) < 1e-12);
    write_text("sys/class/powercap/intel-rapl:1/energy_uj", "4500000\n");
    assert_true(fabs(mu_agent_energy_between_j(before, mu_agent_energy_read(root)) - 2.5) < 1e-12);
    write_text("proc/cpuinfo", "processor\t: 0\nmodel name\t: Quick One 3000\nmodel name\t: other\n");
    mu_agent_processor(root, name, sizeof name);
    assert_string_equal(name, "Quick One 3000");
    assert_true(mu_agent_cores() >= 1);
}

/* ---- the folder ---- */

static mu_agent_folder *open_folder(void)
{
    char path[128];
    mu_agent_folder *folder;
    mu_error err;
    snprintf(path, sizeof path, "%s/device", root);
    if (mu_agent_folder_open(path, &folder, &err))
        fail_msg("%s", err.message);
    return folder;
}

static void test_the_folder_is_private_and_for_one(void **state)
{
    (void)state;
    char path[128];
    struct stat info;
    mu_agent_folder *folder = open_folder(), *other;
    snprintf(path, sizeof path, "%s/device", root);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(mu_agent_folder_open(path, &other, NULL), MU_E_STATE);
    write_text("device/own.tmp", "half");
    mu_agent_folder_close(folder);
    folder = open_folder();
    assert_false(mu_agent_folder_has(folder, "own.tmp"));
    mu_agent_folder_close(folder);
    write_text("somebody/letter", "dear");
    snprintf(path, sizeof path, "%s/somebody", root);
    assert_int_equal(mu_agent_folder_open(path, &other, NULL), MU_E_CONFIG);
}

static void test_what_was_put_is_got_or_known_to_be_damaged(void **state)
{
    (void)state;
    mu_agent_folder *folder = open_folder();
    unsigned char *bytes;
    size_t size_bytes;
    char path[MU_AGENT_PATH_BYTES];
    const mu_agent_piece pieces[] = { { "abc", 3 }, { "", 0 }, { "defg", 4 } };
    assert_int_equal(mu_agent_folder_get(folder, "thing", 100, &bytes, &size_bytes, NULL), MU_OK);
    assert_null(bytes);
    assert_int_equal(mu_agent_folder_put(folder, "thing", pieces, 3, NULL), MU_OK);
    assert_int_equal(mu_agent_folder_get(folder, "thing", 100, &bytes, &size_bytes, NULL), MU_OK);
    assert_int_equal(size_bytes, 7);
    assert_string_equal((char *)bytes, "abcdefg");
    free(bytes);
    assert_int_equal(mu_agent_folder_get(folder, "thing", 6, &bytes, &size_bytes, NULL), MU_E_CHECKSUM);
    mu_agent_folder_name(folder, "thing", path);
    mu_file file;
    assert_int_equal(mu_file_map(path, &file, NULL), MU_OK);
    unsigned char copy[64];
    size_t length = file.size_bytes;
    assert_true(length <= sizeof copy);
    memcpy(copy, file.data, length);
    mu_file_unmap(&file);
    for (size_t at = 0; at < length; at++) { /* no byte of it can change unseen */
        copy[at] ^= 1;
        assert_int_equal(mu_file_write(path, copy, length, NULL), MU_OK);
        assert_int_equal(mu_agent_folder_get(folder, "thing", 100, &bytes, &size_bytes, NULL), MU_E_CHECKSUM);
        copy[at] ^= 1;
    }
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_equal(mu_file_write(path, copy, cut, NULL), MU_OK);
        assert_int_equal(mu_agent_folder_get(folder, "thing", 100, &bytes, &size_bytes, NULL), MU_E_CHECKSUM);
    }
    assert_int_equal(mu_agent_folder_remove(folder, "thing", NULL), MU_OK);
    assert_int_equal(mu_agent_folder_remove(folder, "thing", NULL), MU_OK);
    mu_agent_folder_close(folder);
}

static void test_a_device_stays_who_it_is(void **state)
{
    (void)state;
    mu_agent_folder *folder = open_folder();
    mu_agent_identity first, again;
    struct stat info;
    char path[MU_AGENT_PATH_BYTES];
    unsigned char signature[MU_WIRE_SIGNATURE_BYTES];
    assert_int_equal(mu_agent_identity_load(folder, &first, NULL), MU_OK);
    assert_false(first.is_enrolled);
    mu_agent_folder_name(folder, "key", path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    first.device = 17;
    strcpy(first.url, "https://host:8443");
    strcpy(first.fingerprint, "abcd00000000000000000000000000000000000000000000000000000000000f");
    strcpy(first.federation, "a: \"b\" # c");
    assert_int_equal(mu_agent_identity_enrolled(folder, &first, NULL), MU_OK);
    mu_agent_folder_close(folder);
    folder = open_folder();
    assert_int_equal(mu_agent_identity_load(folder, &again, NULL), MU_OK);
    assert_true(again.is_enrolled);
    assert_int_equal(again.device, 17);
    assert_string_equal(again.url, first.url);
    assert_string_equal(again.fingerprint, first.fingerprint);
    assert_string_equal(again.federation, first.federation);
    assert_memory_equal(again.public_key, first.public_key, sizeof first.public_key);
    assert_int_equal(mu_wire_sign(MU_WIRE_UPDATE, "x", 1, again.secret_key, signature, NULL), MU_OK);
    assert_true(mu_wire_is_signed(MU_WIRE_UPDATE, "x", 1, first.public_key, signature, sizeof signature));
    assert_int_equal(truncate(path, 40), 0);
    mu_error err;
    assert_int_equal(mu_agent_identity_load(folder, &again, &err), MU_E_CHECKSUM);
    assert_non_null(strstr(err.message, "new token"));
    mu_agent_folder_close(folder);
}

/* ---- the job, and what is kept from task to task ---- */

typedef struct subject {
    mu_experiment *experiment;
    unsigned char *job;
    size_t         job_bytes;
    mu_join_config config;
} subject;

static subject make_subject(const char *recipe)
{
    subject s = { .config = mu_join_config_default() };
    char path[128];
    mu_error err;
    write_text("x.yaml", "model: mlp\ndata: {name: writers, devices: 3, examples_per_device: 12, test_examples: 10}\n");
    snprintf(path, sizeof path, "%s/x.yaml", root);
    if (mu_experiment_load(path, recipe, NULL, 0, &s.experiment, &err) || mu_job_pack(s.experiment, &s.job, &s.job_bytes, &err))
        fail_msg("%s", err.message);
    s.config.data = mu_experiment_data(s.experiment);
    s.config.folder = root;
    return s;
}

static void drop_subject(subject *s)
{
    free(s->job);
    mu_experiment_destroy(s->experiment);
}

static mu_agent open_agent(const subject *s)
{
    mu_agent agent = { .config = &s->config, .folder = open_folder() };
    char folder[MU_AGENT_PATH_BYTES];
    mu_error err;
    mu_agent_folder_name(agent.folder, "job.d", folder);
    mu_agent_job_digest(s->job, s->job_bytes, agent.job_digest);
    if (mu_agent_job_read(s->job, s->job_bytes, folder, s->config.data, &agent.job, &err) || mu_agent_identity_load(agent.folder, &agent.identity, &err) ||
        mu_agent_own_load(&agent, &err) || mu_agent_work_load(&agent, &err))
        fail_msg("%s", err.message);
    return agent;
}

static void close_agent(mu_agent *agent)
{
    mu_agent_own_release(&agent->own);
    mu_agent_job_release(&agent->job);
    free(agent->work.flags);
    mu_agent_folder_close(agent->folder);
}

static void test_a_job_says_what_the_experiment_does(void **state)
{
    (void)state;
    subject s = make_subject("scaffold");
    mu_agent agent = open_agent(&s);
    const mu_model *model = mu_experiment_model(s.experiment);
    assert_int_equal(mu_model_state_count(agent.job.model), mu_model_state_count(model));
    assert_int_equal(agent.job.seed, mu_experiment_config(s.experiment)->seed);
    assert_string_equal(agent.job.method->name, "scaffold");
    assert_int_equal(agent.job.vectors.received, 1);
    assert_int_equal(agent.job.vectors.own, 1);
    assert_int_equal(agent.job.vectors.sent, 1);
    close_agent(&agent);
    drop_subject(&s);
}

/* Change one thing of the job; it must be refused with these words. */
static void refuse_job(const subject *s, void (*change)(Muster__Job *job), mu_status expected, const char *words)
{
    ProtobufCMessage *message;
    unsigned char *packed;
    size_t packed_bytes;
    mu_agent_job job = { 0 };
    mu_error err = { .status = MU_OK };
    char folder[128];
    snprintf(folder, sizeof folder, "%s/job.d", root);
    assert_int_equal(mu_wire_unpack(&muster__job__descriptor, s->job, s->job_bytes, &message, NULL), MU_OK);
    change((Muster__Job *)message);
    assert_int_equal(mu_wire_pack(message, &packed, &packed_bytes, NULL), MU_OK);
    mu_wire_free(message);
    assert_int_equal(mu_agent_job_read(packed, packed_bytes, folder, s->config.data, &job, &err), expected);
    if (!strstr(err.message, words))
        fail_msg("%s", err.message);
    free(packed);
}

static void lie_about_count(Muster__Job *job) { job->state_count++; }
static void lie_about_vectors(Muster__Job *job) { job->vectors_own = 0; }
static void rename_tensor(Muster__Job *job) { job->tensors[0]->name[0] ^= 1; }
static void lose_input(Muster__Job *job)
{
    free(job->input);
    job->input = NULL;
}
static void other_input(Muster__Job *job) { job->input->channels = 2; }
static void other_method(Muster__Job *job) { job->how_method[0] ^= 1; }
static void method_without_training(Muster__Job *job)
{
    free(job->how_method);
    job->how_method = strdup("krum");
}
static void climb_out(Muster__Job *job)
{
    job->n_files = 1;
    job->files = malloc(sizeof *job->files);
    job->files[0] = malloc(sizeof **job->files);
    muster__named_file__init(job->files[0]);
    job->files[0]->name = strdup("../key");
}

static void test_a_job_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    subject s = make_subject("scaffold");
    refuse_job(&s, lie_about_count, MU_E_SHAPE, "another version");
    refuse_job(&s, lie_about_vectors, MU_E_SHAPE, "vectors");
    refuse_job(&s, rename_tensor, MU_E_SHAPE, "tensor 0");
    refuse_job(&s, lose_input, MU_E_PARSE, "input");
    refuse_job(&s, other_input, MU_E_SHAPE, "");
    refuse_job(&s, other_method, MU_E_UNSUPPORTED, "does not have");
    refuse_job(&s, method_without_training, MU_E_UNSUPPORTED, "has no training in");
    refuse_job(&s, climb_out, MU_E_PARSE, "../key");
    drop_subject(&s);
}

/* A task in hand whose training came to `change` everywhere, and sent `sent` beside it. */
static void finish_task(mu_agent *agent, uint64_t id, float change, float sent)
{
    const size_t count = mu_model_state_count(agent->job.model);
    float *vectors = malloc(2 * count * sizeof *vectors), *beside = vectors + count;
    mu_error err;
    for (size_t i = 0; i < count; i++) {
        vectors[i] = change;
        beside[i] = sent;
    }
    agent->work.is_there = true;
    agent->work.task = (mu_wire_task){ .id = id };
    agent->work.part_count = count;
    mu_update update = { .delta = vectors, .count = count, .num_examples = 5, .steps = 2, .train_loss = NAN, .train_accuracy = NAN };
    if (mu_agent_write_update(agent, &update, (float *const[]){ beside }, &err))
        fail_msg("%s", err.message);
    free(vectors);
}

static void copy_state(const char *from, const char *to)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf %s/%s && cp -a %s/%s %s/%s", root, to, root, from, root, to);
    assert_int_equal(system(command), 0);
}

/* Whatever was reached when it was killed: started again, told once or more that the update was merged, it has taken it in once. */
static void go_on_from(const subject *s, const char *state, uint64_t task, float own)
{
    copy_state(state, "device");
    for (int life = 0; life < 2; life++) {
        mu_agent agent = open_agent(s);
        mu_error err;
        for (int told = 0; told < 2; told++)
            if (mu_agent_own_settle(&agent, task, &err))
                fail_msg("%s", err.message);
        assert_int_equal(agent.settled_seen_count, 1);
        assert_int_equal(agent.settled_seen[0], task);
        assert_false(agent.work.is_there);
        assert_false(mu_agent_own_expects(&agent, task));
        assert_false(mu_agent_folder_has(agent.folder, "update"));
        for (size_t i = 0; i < agent.own.count; i++)
            assert_true(agent.own.floats[i] == own);
        close_agent(&agent);
    }
}

static void test_a_merged_update_is_taken_in_once_wherever_it_was_killed(void **state)
{
    (void)state;
    subject s = make_subject("scaffold");
    mu_agent agent = open_agent(&s);
    finish_task(&agent, 7, 1.0f, 0.25f);
    copy_state("device", "a-finished");
    assert_int_equal(mu_agent_own_expect(&agent, 7, NULL), MU_OK);
    copy_state("device", "b-acknowledged"); /* the floats wait to be merged, and the head is still there */
    assert_int_equal(mu_agent_work_drop(&agent, NULL), MU_OK);
    copy_state("device", "c-dropped");
    assert_true(mu_agent_own_expects(&agent, 7));
    assert_int_equal(mu_agent_own_settle(&agent, 7, NULL), MU_OK);
    assert_true(agent.own.floats[3] == 0.25f);
    copy_state("device", "e-settled");
    char command[512]; /* what was changed is written, and the blob is still there */
    snprintf(command, sizeof command, "cp -a %s/e-settled %s/d-changed && cp -a %s/c-dropped/settle-7.blob %s/d-changed/", root, root, root, root);
    assert_int_equal(system(command), 0);
    close_agent(&agent);
    static const char *const states[] = { "a-finished", "b-acknowledged", "c-dropped", "d-changed", "e-settled" };
    for (size_t i = 0; i < MU_COUNT(states); i++)
        go_on_from(&s, states[i], 7, 0.25f);
    agent = open_agent(&s); /* and the next one comes on top */
    finish_task(&agent, 9, 1.0f, 0.5f);
    assert_int_equal(mu_agent_acknowledged(&agent, NULL), MU_OK);
    assert_int_equal(mu_agent_own_settle(&agent, 9, NULL), MU_OK);
    assert_true(agent.own.floats[0] == 0.75f);
    assert_int_equal(mu_agent_own_settle(&agent, 8, NULL), MU_OK); /* one that it knows nothing of is dealt with too */
    assert_true(agent.own.floats[0] == 0.75f);
    assert_int_equal(agent.settled_seen_count, 2);
    close_agent(&agent);
    /* another job: what was kept is of no use to it */
    agent = open_agent(&s);
    memset(agent.job_digest, 'f', 64);
    assert_int_equal(mu_agent_own_load(&agent, NULL), MU_OK);
    assert_true(agent.own.floats[0] == 0.0f);
    close_agent(&agent);
    drop_subject(&s);
}

static void test_updates_that_are_never_merged_do_not_pile_up(void **state)
{
    (void)state;
    subject s = make_subject("scaffold");
    mu_agent agent = open_agent(&s);
    for (uint64_t task = 1; task <= 40; task++) {
        finish_task(&agent, task, 1.0f, 1.0f);
        assert_int_equal(mu_agent_acknowledged(&agent, NULL), MU_OK);
    }
    for (uint64_t task = 1; task <= 40; task++)
        assert_int_equal(mu_agent_own_expects(&agent, task), task > 8);
    close_agent(&agent);
    drop_subject(&s);
}

static void test_remains_and_damage_lead_to_doing_it_again(void **state)
{
    (void)state;
    subject s = make_subject("fedavg");
    mu_agent agent = open_agent(&s);
    finish_task(&agent, 7, 1.0f, 0.0f);
    close_agent(&agent);
    agent = open_agent(&s);
    assert_true(agent.work.is_there && agent.work.is_finished);
    assert_int_equal(agent.work.task.id, 7);
    close_agent(&agent);
    write_text("device/update", "what is this");
    agent = open_agent(&s);
    assert_false(agent.work.is_there); /* and there is no task from which to begin: it is asked for again */
    assert_false(mu_agent_folder_has(agent.folder, "update.blob"));
    finish_task(&agent, 7, 1.0f, 0.0f);
    assert_int_equal(mu_agent_folder_remove(agent.folder, "update.blob", NULL), MU_OK);
    close_agent(&agent);
    write_text("device/place", "remains");
    write_text("device/start.part", "remains");
    agent = open_agent(&s);
    assert_false(agent.work.is_there);
    assert_false(mu_agent_folder_has(agent.folder, "update") || mu_agent_folder_has(agent.folder, "place") || mu_agent_folder_has(agent.folder, "start.part"));
    close_agent(&agent);
    drop_subject(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hours_are_read_and_kept),
        TEST(test_limits_stand_in_the_way_of_what_they_are_about),
        TEST(test_the_machine_says_what_it_knows),
        TEST(test_the_folder_is_private_and_for_one),
        TEST(test_what_was_put_is_got_or_known_to_be_damaged),
        TEST(test_a_device_stays_who_it_is),
        TEST(test_a_job_says_what_the_experiment_does),
        TEST(test_a_job_that_does_not_fit_is_refused),
        TEST(test_a_merged_update_is_taken_in_once_wherever_it_was_killed),
        TEST(test_updates_that_are_never_merged_do_not_pile_up),
        TEST(test_remains_and_damage_lead_to_doing_it_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
