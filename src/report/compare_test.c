/* Runs compared, against figures worked out by hand. */
#include "report/compare.h"

#include "report/run_folder.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char base[64]; /* the folder that holds all runs of a test */

static void write_file(const char *run, const char *name, const char *bytes)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s/%s", base, run, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(bytes, file);
    fclose(file);
}

/* A run with an accuracy every ten seconds; a round sends 100 bytes up, 50 down, and takes 2 J and 36 s of devices. */
static void make_run(const char *folder, const char *name, uint64_t seed, const double *accuracies, size_t count, const char *second_tier)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", base, folder);
    assert_int_equal(mkdir(path, 0755), 0);
    mu_run_summary s = { .recipe = "fedavg", .model = "lenet5", .dataset = "writers", .model_sha256 = "x", .muster_version = "0",
                         .seed = seed, .rounds = count - 1, .devices = 100, .final_accuracy = accuracies[count - 1], .best_accuracy = NAN,
                         .devices_evaluated = 50, .device_accuracy_mean = 0.5, .device_accuracy_sd = 0.0625,
                         .device_accuracy_worst_decile = 0.375, .bytes_peer = 3, .idle_energy_j = 400, .mean_staleness = 1.5,
                         .max_staleness = 4, .updates_refused = 5, .updates_discarded = 6,
                         .final_loss = 0.5, .virtual_time_s = 10.0 * (double)(count - 1), .device_time_s = 7200, .wasted_time_s = 1800,
                         .energy_j = 2.0 * (double)(count - 1), .bytes_up = 100 * (count - 1), .bytes_down = 50 * (count - 1),
                         .macs = 1500000, .budget_used = NAN, .updates_merged = 40, .updates_lost = 2, .updates_late = 1, .peak_memory_bytes = 2048,
                         .wall_time_s = 61 };
    snprintf(s.name, sizeof s.name, "%s", name);
    for (size_t i = 0; i < count; i++)
        s.best_accuracy = fmax(s.best_accuracy, accuracies[i]);
    mu_tier_names_add(&s.tiers, "low");
    mu_tier_names_add(&s.tiers, second_tier);
    s.by_tier[0].accuracy = 0.25;
    s.by_tier[1].accuracy = NAN;
    s.width_count = 2;
    s.widths[0] = (mu_width_report){ .width = 1, .accuracy = 0.875 };
    s.widths[1] = (mu_width_report){ .width = 0.5, .accuracy = 0.75 };
    write_file(folder, MU_RUN_WIDTHS, "round,width,parameters,macs_per_example,loss,accuracy\n");
    char *summary = mu_summary_write(&s);
    write_file(folder, MU_RUN_SUMMARY, summary);
    free(summary);
    char config[128];
    snprintf(config, sizeof config, "name: %s\nrounds: 5\nseed: %u\nfleet:\n  seed: 3\n", name, (unsigned)seed);
    write_file(folder, MU_RUN_CONFIG, config);
    mu_text rounds = { 0 };
    mu_tier_names tiers = { 0 };
    mu_round_table_header(&rounds, &tiers);
    for (size_t i = 0; i < count; i++) {
        mu_round_report r = { .round = (uint32_t)i, .time = (mu_time_us)i * 10000000, .evaluated = !isnan(accuracies[i]),
                              .accuracy = accuracies[i], .loss = 1, .train_loss = NAN, .train_accuracy = NAN, .energy_j = i ? 2 : 0,
                              .device_time_s = i ? 36 : 0,
                              .bytes_up = i ? 100 : 0, .bytes_down = i ? 50 : 0 };
        mu_round_table_row(&rounds, &r, &tiers);
    }
    write_file(folder, MU_RUN_ROUNDS, rounds.bytes);
    mu_text_release(&rounds);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/muster-report-XXXXXX");
    if (!mkdtemp(base))
        return 1;
    static const double slow[] = { 0.1, 0.3, NAN, 0.6, 0.7, 0.874 }, fast[] = { 0.1, 0.8, 0.9 }, unknown[] = { NAN, NAN },
                        slower[] = { 0.2, 0.3, NAN, 0.5, 0.6, 0.774 };
    make_run("slow", "slow", 3, slow, MU_COUNT(slow), "high");
    make_run("fast", "fast, \"really\"", 3, fast, MU_COUNT(fast), "mid");
    make_run("slow-2", "slow", 4, slower, MU_COUNT(slower), "high");
    make_run("unknown", "unknown", 3, unknown, MU_COUNT(unknown), "high");
    write_file("fast", MU_RUN_CONFIG, "name: fast\nrounds: 2\nseed: 3\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const runs[] = { "slow", "fast", "slow-2", "unknown", "." };
    static const char *const files[] = { MU_RUN_SUMMARY, MU_RUN_CONFIG, MU_RUN_ROUNDS, MU_RUN_WIDTHS, "page.html" };
    for (size_t r = 0; r < MU_COUNT(runs); r++) {
        char path[256];
        for (size_t f = 0; f < MU_COUNT(files); f++) {
            snprintf(path, sizeof path, "%s/%s/%s", base, runs[r], files[f]);
            unlink(path);
        }
        snprintf(path, sizeof path, "%s/%s", base, runs[r]);
        rmdir(path);
    }
    return rmdir(base);
}

static mu_comparison read_runs(const char *a, const char *b, double target)
{
    char paths[2][128];
    snprintf(paths[0], sizeof paths[0], "%s/%s", base, a);
    snprintf(paths[1], sizeof paths[1], "%s/%s", base, b ? b : "");
    const char *const list[] = { paths[0], paths[1] };
    mu_comparison comparison;
    mu_error err;
    if (mu_comparison_read(list, b ? 2 : 1, target, false, &comparison, &err))
        fail_msg("%s", err.message);
    return comparison;
}

static void target_is_nine_tenths_of_the_best(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "fast", NAN);
    assert_true(c.target == 0.81); /* of 0.9 */
    assert_true(c.reach[0].reached && c.reach[0].round == 5 && c.reach[0].time_s == 50 && c.reach[0].energy_j == 10);
    assert_int_equal(c.reach[0].bytes, 750);
    assert_true(c.reach[1].reached && c.reach[1].round == 2 && c.reach[1].time_s == 20 && c.reach[1].energy_j == 4);
    assert_int_equal(c.reach[1].bytes, 300);
    assert_int_equal(c.tiers.count, 3); /* low, high, mid */
    assert_true(mu_comparison_tier(&c, 0, 0).mean == 0.25);
    assert_true(isnan(mu_comparison_tier(&c, 0, 1).mean) && isnan(mu_comparison_tier(&c, 0, 2).mean));
    mu_comparison_release(&c);
    c = read_runs("slow-2", "fast", NAN); /* who falls short says so */
    assert_true(c.target == 0.81 && !c.reach[0].reached && c.reach[0].evaluated);
    mu_comparison_release(&c);
}

static void target_can_be_chosen(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "fast", 0.6);
    assert_true(c.reach[0].reached && c.reach[0].round == 3 && c.reach[0].time_s == 30 && c.reach[0].energy_j == 6);
    assert_true(c.reach[1].round == 1);
    mu_comparison_release(&c);
    c = read_runs("slow", "fast", 0.88);
    assert_false(c.reach[0].reached);
    assert_true(c.reach[1].reached && c.reach[1].round == 2);
    mu_comparison_release(&c);
}

static void runs_that_were_never_evaluated(void **state)
{
    (void)state;
    mu_comparison c = read_runs("unknown", NULL, NAN);
    assert_true(isnan(c.target));
    assert_false(c.reach[0].reached);
    char *json = mu_comparison_json(&c);
    assert_non_null(strstr(json, "\"target_accuracy\": null"));
    assert_non_null(strstr(json, "\"final_accuracy\": null"));
    free(json);
    mu_comparison_release(&c);
    c = read_runs("unknown", "fast", NAN); /* it does not spoil the others */
    assert_true(c.target == 0.81);
    mu_comparison_release(&c);
}

static void runs_of_one_name_go_by_folder(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "slow-2/", NAN);
    assert_string_equal(c.columns[0].label, "slow");
    assert_string_equal(c.columns[1].label, "slow-2");
    mu_comparison_release(&c);
    c = read_runs("slow", "slow", NAN); /* the same one twice */
    assert_string_equal(c.columns[0].label, "slow #1");
    assert_string_equal(c.columns[1].label, "slow #2");
    mu_comparison_release(&c);
}

static const char expected_table[] = "                            slow  fast, \"really\"\n"
                                     "recipe                    fedavg          fedavg\n"
                                     "model                     lenet5          lenet5\n"
                                     "dataset                  writers         writers\n"
                                     "seed                           3               3\n"
                                     "devices                      100             100\n"
                                     "rounds                         5               2\n"
                                     "final accuracy            0.8740          0.9000\n"
                                     "best accuracy             0.8740          0.9000\n"
                                     "final loss                0.5000          0.5000\n"
                                     "accuracy, narrowest       0.7500          0.7500\n"
                                     "accuracy over devices     0.5000          0.5000\n"
                                     "  its spread              0.0625          0.0625\n"
                                     "  its worst decile        0.3750          0.3750\n"
                                     "accuracy, low             0.2500          0.2500\n"
                                     "accuracy, high                 -               -\n"
                                     "accuracy, mid                  -               -\n"
                                     "target accuracy           0.8800          0.8800\n"
                                     "rounds to target           never               2\n"
                                     "virtual time to target     never         20.00 s\n"
                                     "device hours to target     never          0.0200\n"
                                     "energy to target           never             4 J\n"
                                     "traffic to target          never           300 B\n"
                                     "virtual time             50.00 s         20.00 s\n"
                                     "device hours              2.0000          2.0000\n"
                                     "device hours wasted       0.5000          0.5000\n"
                                     "sent by devices            500 B           200 B\n"
                                     "sent to devices            250 B           100 B\n"
                                     "sent between devices         3 B             3 B\n"
                                     "energy on devices           10 J             4 J\n"
                                     "energy while idle          400 J           400 J\n"
                                     "multiply-accumulates      1.50 M          1.50 M\n"
                                     "used of the budget             -               -\n"
                                     "peak memory of a device  2.05 kB         2.05 kB\n"
                                     "staleness, mean           1.5000          1.5000\n"
                                     "staleness, most                4               4\n"
                                     "updates merged                40              40\n"
                                     "updates lost                   2               2\n"
                                     "updates late                   1               1\n"
                                     "updates refused                5               5\n"
                                     "updates discarded              6               6\n"
                                     "real time                   1:01            1:01\n";

static void table(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "fast", 0.88);
    char *text = mu_comparison_text(&c, 80);
    assert_string_equal(text, expected_table);
    free(text);
    text = mu_comparison_text(&c, 40); /* too narrow for both: one below the other */
    const char *second = strstr(text, "\n\n");
    assert_non_null(second);
    assert_non_null(strstr(second, "fast, \"really\"\n"));
    assert_null(strstr(second, "slow"));
    free(text);
    mu_comparison_release(&c);
}

static void csv(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "fast", 0.88);
    char *text = mu_comparison_csv(&c), expected[4096];
    snprintf(expected, sizeof expected,
             "run,folder,recipe,model,dataset,seed,devices,rounds,final_accuracy,best_accuracy,final_loss,narrowest_accuracy,device_accuracy_mean,"
             "device_accuracy_sd,device_accuracy_worst_decile,accuracy_low,accuracy_high,accuracy_mid,target_accuracy,rounds_to_target,"
             "time_to_target_s,device_hours_to_target,energy_to_target_j,bytes_to_target,virtual_time_s,device_hours,wasted_device_hours,"
             "bytes_up,bytes_down,bytes_peer,energy_j,idle_energy_j,macs,budget_used,peak_memory_bytes,mean_staleness,max_staleness,updates_merged,"
             "updates_lost,updates_late,updates_refused,updates_discarded,wall_time_s\n"
             "slow,%s/slow,fedavg,lenet5,writers,3,100,5,0.874,0.874,0.5,0.75,0.5,0.0625,0.375,0.25,,,0.88,,,,,,50,2,0.5,500,250,3,10,400,1500000,,"
             "2048,1.5,4,40,2,1,5,6,61\n"
             "\"fast, \"\"really\"\"\",%s/fast,fedavg,lenet5,writers,3,100,2,0.9,0.9,0.5,0.75,0.5,0.0625,0.375,0.25,,,0.88,2,20,0.02,4,300,20,2,0.5,"
             "200,100,3,4,400,1500000,,2048,1.5,4,40,2,1,5,6,61\n",
             base, base);
    assert_string_equal(text, expected);
    free(text);
    mu_comparison_release(&c);
}

/* ---- runs that differ only in seed ---- */

static mu_comparison read_groups(double target)
{
    char paths[3][128];
    static const char *const names[] = { "slow", "fast", "slow-2" };
    const char *list[3];
    for (size_t i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", base, names[i]);
        list[i] = paths[i];
    }
    mu_comparison comparison;
    mu_error err;
    if (mu_comparison_read(list, 3, target, true, &comparison, &err))
        fail_msg("%s", err.message);
    return comparison;
}

static bool has_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    return at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void groups(void **state)
{
    (void)state;
    mu_comparison c = read_groups(0.8);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.columns[0].count, 2);
    assert_string_equal(c.columns[0].label, "slow");
    assert_string_equal(c.columns[1].label, "fast, \"really\"");
    assert_int_equal(mu_comparison_run(&c, 0, 1)->summary.seed, 4);
    char *text = mu_comparison_text(&c, 80);
    assert_true(has_line(text, "seeds                                 3 4               3"));
    assert_true(has_line(text, "final accuracy            0.8240 ± 0.0707          0.9000")); /* 0.874 and 0.774 */
    assert_true(has_line(text, "rounds to target               5 (1 of 2)               1"));
    free(text);
    text = mu_comparison_csv(&c);
    assert_non_null(strstr(text, "dataset,seeds,runs,runs_at_target,devices,devices_sd,"));
    assert_non_null(strstr(text, "writers,3 4,2,1,100,0,5,0,0.8240000000000001,0.0707"));
    assert_non_null(strstr(text, "writers,3,1,1,100,,2,,0.9,,"));
    free(text);
    text = mu_comparison_json(&c);
    cJSON *root = cJSON_Parse(text);
    const cJSON *slow = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "runs"), 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(slow, "seeds")), 2);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(slow, "folders")), 2);
    assert_true(cJSON_GetObjectItem(slow, "runs_at_target")->valuedouble == 1);
    assert_true(fabs(cJSON_GetObjectItem(slow, "final_accuracy_sd")->valuedouble - 0.1 / sqrt(2.0)) < 1e-15);
    assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(slow, "accuracy_sd_by_tier"), "low")->valuedouble == 0);
    cJSON_Delete(root);
    free(text);
    mu_comparison_release(&c);
}

/* A seed further in is part of the experiment, not of the run. */
static void other_experiments_are_no_group(void **state)
{
    (void)state;
    write_file("slow-2", MU_RUN_CONFIG, "name: slow\nrounds: 5\nseed: 4\nfleet:\n  seed: 4\n");
    mu_comparison c = read_groups(NAN);
    assert_int_equal(c.count, 3);
    mu_comparison_release(&c);
    write_file("slow-2", MU_RUN_CONFIG, "name: slow\nrounds: 5\nseed: 4\nfleet:\n  seed: 3\nmore: 1\n");
    c = read_groups(NAN);
    assert_int_equal(c.count, 3);
    mu_comparison_release(&c);
    write_file("slow-2", MU_RUN_CONFIG, "seed: 4\nname: slow\nrounds: 5\nfleet:\n  seed: 3\n");
    c = read_groups(NAN);
    assert_int_equal(c.count, 2);
    mu_comparison_release(&c);
}

static void json(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "fast", 0.88);
    char *text = mu_comparison_json(&c);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    const cJSON *runs = cJSON_GetObjectItem(root, "runs"), *fast = cJSON_GetArrayItem(runs, 1);
    assert_int_equal(cJSON_GetArraySize(runs), 2);
    assert_string_equal(cJSON_GetObjectItem(fast, "run")->valuestring, "fast, \"really\"");
    assert_true(cJSON_GetObjectItem(fast, "time_to_target_s")->valuedouble == 20);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(runs, 0), "time_to_target_s")));
    const cJSON *tiers = cJSON_GetObjectItem(fast, "accuracy_by_tier");
    assert_true(cJSON_GetObjectItem(tiers, "low")->valuedouble == 0.25);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(tiers, "mid")));
    cJSON_Delete(root);
    free(text);
    mu_comparison_release(&c);
}

static void page(void **state)
{
    (void)state;
    mu_comparison c = read_runs("slow", "fast", NAN);
    char path[128];
    snprintf(path, sizeof path, "%s/page.html", base);
    mu_error err;
    assert_int_equal(mu_comparison_page(&c, path, &err), MU_OK);
    static char bytes[1 << 19];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    bytes[fread(bytes, 1, sizeof bytes - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(bytes, "<th>fast, &quot;really&quot;</th>"));
    assert_non_null(strstr(bytes, "<th>traffic to target</th><td>750 B</td><td>300 B</td>"));
    if (!strstr(bytes, "gnuplot is not installed")) {
        static const char *const drawn[] = { "Accuracy over energy", "Accuracy over device time", "Accuracy over the devices, at the end",
                                             "Traffic", "Energy", "Staleness of merged updates" };
        for (size_t i = 0; i < MU_COUNT(drawn); i++) {
            char caption[96];
            snprintf(caption, sizeof caption, "<figcaption>%s</figcaption>", drawn[i]);
            if (!strstr(bytes, caption))
                fail_msg("there is no figure '%s'", drawn[i]);
        }
    }
    mu_comparison_release(&c);
}

static void errors(void **state)
{
    (void)state;
    mu_comparison c;
    mu_error err;
    assert_int_equal(mu_comparison_read(NULL, 0, NAN, false, &c, &err), MU_E_LIMIT);
    char good[128], bad[128];
    snprintf(good, sizeof good, "%s/slow", base);
    snprintf(bad, sizeof bad, "%s/missing", base);
    const char *const list[] = { good, bad };
    assert_int_equal(mu_comparison_read(list, 2, NAN, false, &c, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "/missing: there is no such folder"));
    write_file("slow", MU_RUN_ROUNDS, "round,time_s,selected,merged,lost\n");
    assert_int_equal(mu_comparison_read(list, 1, NAN, false, &c, &err), MU_E_PARSE);
    assert_non_null(strstr(err.message, ": the header ends where column 'late' is expected"));
}

int main(void)
{
#define WITH_RUNS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_RUNS(target_is_nine_tenths_of_the_best), WITH_RUNS(target_can_be_chosen), WITH_RUNS(runs_that_were_never_evaluated),
        WITH_RUNS(runs_of_one_name_go_by_folder),       WITH_RUNS(table),                WITH_RUNS(csv),
        WITH_RUNS(json),                                WITH_RUNS(page),                 WITH_RUNS(errors),
        WITH_RUNS(groups),                              WITH_RUNS(other_experiments_are_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
