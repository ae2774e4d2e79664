/* Devices that are not played here: they come and go by themselves, say what they are and what tasks cost them. Over the scripted carrier, so that rounds
 * and accounts can be worked out by hand. */
#include "method/test_federation.h"

#include "fl/experiment_support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t count_sent(const test_federation *t, uint32_t device, double from_s, double to_s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->event_count; i++) {
        const test_event *e = &t->events[i];
        count += e->happening == MU_HAPPENED_SENT && e->device == device && e->at >= mu_time_from_s(from_s) && e->at <= mu_time_from_s(to_s);
    }
    return count;
}

static void everybody_comes(test_federation *t, double at_s)
{
    for (uint32_t device = 0; device < t->device_count; device++)
        test_federation_come(t, device, at_s);
}

static void make_path(char *path)
{
    strcpy(path, "/tmp/muster-told-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

/* ---- coming and going ---- */

/* The first round waits for three; the others are there for the second. Device d adds 1 + d with 10 (1 + d) examples in 1 + d seconds. */
static void rounds_with_those_who_have_come(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told("when: {cohort: 6}\n", 3, NULL, false);
    static const struct { uint32_t device; double at_s; } coming[] = { { 4, 10 }, { 1, 11 }, { 0, 12 }, { 2, 13 }, { 3, 14 }, { 5, 15 } };
    for (size_t i = 0; i < MU_COUNT(coming); i++)
        test_federation_come(t, coming[i].device, coming[i].at_s);
    test_federation_come(t, 4, 12.5); /* it is there already */
    test_federation_run(t);
    assert_int_equal(t->rounds[0].time, 0);
    assert_int_equal(t->rounds[1].selected, 3);
    assert_int_equal(t->rounds[1].merged, 3);
    assert_int_equal(t->rounds[1].time, 17000000);
    for (int r = 2; r <= 4; r++) {
        assert_int_equal(t->rounds[r].merged, 6);
        assert_int_equal(t->rounds[r].time, (17 + 6 * (r - 1)) * 1000000);
    }
    assert_float_equal(test_federation_weight(t), 300.0 / 80.0 + 3.0 * 91.0 / 21.0, 1e-4);
    /* came at 11, worked from 12 to 14 and 2 s in each of three rounds of 6 s */
    assert_int_equal(mu_federation_idle_time(t->federation, 1), (35 - 11 - 4 * 2) * 1000000);
    assert_int_equal(mu_federation_totals(t->federation)->events, 7 + 3 + 18);
    test_federation_destroy(t);
}

/* Who came first is chance, and changes nothing about who is chosen. */
static void order_of_coming_does_not_matter(void **unused)
{
    (void)unused;
    static const uint32_t orders[2][6] = { { 0, 1, 2, 3, 4, 5 }, { 3, 5, 0, 4, 2, 1 } };
    test_federation *t[2];
    for (int n = 0; n < 2; n++) {
        t[n] = test_federation_create_told("rounds: 20\nwhen: {cohort: 2}\n", 6, NULL, false);
        for (uint32_t i = 0; i < 6; i++)
            test_federation_come(t[n], orders[n][i], 0.5 * i);
        /* somebody comes back */
        test_federation_go(t[n], orders[n][0], 2.6);
        test_federation_come(t[n], orders[n][0], 2.7);
        test_federation_run(t[n]);
    }
    assert_int_equal(t[0]->event_count, t[1]->event_count);
    assert_memory_equal(t[0]->events, t[1]->events, t[0]->event_count * sizeof *t[0]->events);
    assert_memory_equal(mu_federation_state(t[0]->federation), mu_federation_state(t[1]->federation), t[0]->state_count * sizeof(float));
    for (int n = 0; n < 2; n++)
        test_federation_destroy(t[n]);
}

/* A device that goes away goes on with its task, as far as anybody knows; when it is lost, it is not asked until it is back. */
static void busy_devices_go_and_come_back(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told("when: {cohort: 6}\n", 6, NULL, false);
    everybody_comes(t, 0);
    test_federation_go(t, 5, 2);
    test_federation_go(t, 5, 2.5); /* it is not there */
    test_federation_come(t, 5, 3);
    test_federation_go(t, 4, 7); /* in the second round, and back in the third */
    test_federation_come(t, 4, 14);
    test_federation_run(t);
    assert_int_equal(t->presence_told[true], 6 + 2);
    assert_int_equal(t->presence_told[false], 3); /* as it was told, also of the one that was not there */
    for (int r = 1; r <= 2; r++)
        assert_int_equal(t->rounds[r].merged, 6);
    assert_int_equal(t->rounds[3].selected, 5);
    assert_int_equal(t->rounds[4].selected, 6);
    assert_int_equal(t->rounds[4].time, 24000000);
    /* at work all the time but for the two seconds before it went ... */
    assert_int_equal(mu_federation_idle_time(t->federation, 5), 0);
    /* ... idle from 5 to 6, gone from 7 to 14, idle from 14 to 18 and from 23 to 24 */
    assert_int_equal(mu_federation_idle_time(t->federation, 4), (1 + 4 + 1) * 1000000);
    test_federation_destroy(t);
}

static void lose_the_first_two(test_federation *t, const mu_task *task)
{
    t->devices[task->device].goes_away = task->device < 2;
}

/* All are lost, nobody is there: the round waits, looking again every second. */
static void a_round_waits_for_somebody(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told("rounds: 1\nwhen: {cohort: 2}\n", 2, NULL, false);
    t->sending = lose_the_first_two;
    test_federation_come(t, 0, 0);
    test_federation_come(t, 1, 0);
    test_federation_go(t, 0, 0.5);
    test_federation_go(t, 1, 0.5);
    test_federation_come(t, 2, 60);
    test_federation_run(t);
    assert_int_equal(t->rounds[1].lost, 2);
    assert_int_equal(t->rounds[1].merged, 1);
    /* both are lost at 2 s; from then on it looks every second, and so at 60 s, when somebody has just come who takes three */
    assert_int_equal(t->rounds[1].time, 63000000);
    test_federation_destroy(t);
}

/* ---- every schedule, with devices that come one by one ---- */

static void tell_examples(test_federation *t, uint32_t device)
{
    assert_int_equal(mu_data_tell_num_examples(mu_experiment_told_data(t->experiment), device, 10 + device, NULL), MU_OK);
}

static void every_schedule_takes_in_who_comes(void **unused)
{
    (void)unused;
    static const char *const schedules[] = {
        "when: {cohort: 6}\n",
        "when: {cohort: 6, over_selection: 1.5, deadline_s: 20, late: accept}\n",
        "when: {cohort: 6, minimum_reports: 6}\n",
        "when: {method: phases, cohort: 6}\n",
        "when: {method: fedbuff, concurrency: 6, goal: 2}\nmerge: {method: fedbuff}\n",
        "when: {method: fedbuff, concurrency: 6, goal: 4, once_a_buffer: true}\nmerge: {method: fedbuff}\n",
        "when: {method: fedbuff, concurrency: 6, goal: 1}\nmerge: {method: fedasync}\n",
        "when: {method: fedat, tiers: 2, cohort: 6}\nmerge: {method: fedat}\n",
        "recipe: fedhisyn\nwhen: {cohort: 6}\n",
        "recipe: fedlesscan\nwhen: {cohort: 6}\n",
        "recipe: oort\nwhen: {cohort: 6, over_selection: 1}\n",
        "recipe: refl\nwhen: {cohort: 6}\n",
        "recipe: scaffold\nwhen: {cohort: 6}\n",
        "who: {method: tifl, tiers: 2, probabilities: [1, 1]}\nwhen: {cohort: 6}\n",
    };
    for (size_t i = 0; i < MU_COUNT(schedules); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "rounds: 40\ndata: {name: elsewhere, devices: 6, shape: [28, 28, 1], classes: 10}\n%s", schedules[i]);
        test_federation *t = test_federation_create_told(yaml, 0, NULL, false);
        t->coming = tell_examples; /* nothing is known of a device before */
        for (uint32_t device = 0; device < 6; device++)
            test_federation_come(t, device, 5.0 + 3.0 * device);
        mu_error err = { 0 };
        if (mu_federation_run(t->federation, &err))
            fail_msg("%s: %s", schedules[i], err.message);
        for (uint32_t device = 0; device < 6; device++)
            if (!count_sent(t, device, 5.0 + 3.0 * device, 1e9) || count_sent(t, device, 0, 4.9 + 3.0 * device))
                fail_msg("%s: device %u is not asked, or before it has come", schedules[i], device);
        test_federation_destroy(t);
    }
}

static void tell_speed(test_federation *t, uint32_t device)
{
    static const double speeds[] = { 80e6, 70e6, 45e6, 40e6, 30e6, 20e6, 100e6, 1e6 };
    const mu_profile profile = { .macs_per_s = { speeds[device] } };
    assert_int_equal(mu_fleet_tell(mu_experiment_told_fleet(t->experiment), device, &profile, NULL), MU_OK);
    assert_int_equal(mu_data_tell_num_examples(mu_experiment_told_data(t->experiment), device, 1000, NULL), MU_OK);
}

/* Devices 0, 1, 4 and 5 are dealt to two tiers; who comes later joins that of the next faster one. */
static void who_comes_late_joins_a_tier(void **unused)
{
    (void)unused;
    static const uint64_t tiers[] = { 0, 0, 0, 0, 1, 1, 0, 1 };
    test_federation *t = test_federation_create_told("rounds: 30\ndata: {name: elsewhere, devices: 8, shape: [28, 28, 1], classes: 10}\n"
                                                     "when: {method: fedat, tiers: 2, cohort: 8}\nmerge: {method: fedat}\n", 4, NULL, false);
    t->coming = tell_speed;
    static const uint32_t order[] = { 0, 1, 4, 5, 7, 6, 3, 2 };
    for (uint32_t i = 0; i < 8; i++)
        test_federation_come(t, order[i], i);
    test_federation_run(t);
    for (uint32_t device = 0; device < 8; device++)
        assert_true(count_sent(t, device, 0, 1e9) > 0);
    for (uint32_t i = 0; i < t->event_count; i++)
        assert_int_equal(t->events[i].label, tiers[t->events[i].device]);
    test_federation_destroy(t);
}

/* As many as come are at work within a second. */
static void asynchronous_ones_fill_up(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told("rounds: 12\nwhen: {method: fedbuff, concurrency: 4, goal: 2}\nmerge: {method: fedbuff}\n", 0,
                                                     NULL, false);
    for (uint32_t device = 0; device < 6; device++) {
        t->devices[device].takes_s = 100;
        test_federation_come(t, device, 10.25 * (device + 1));
    }
    test_federation_run(t);
    for (uint32_t device = 0; device < 4; device++)
        assert_int_equal(count_sent(t, device, 10.25 * (device + 1), 10.25 * (device + 1) + 1), 1);
    /* four are at work: the next two wait until one of them is done */
    for (uint32_t device = 4; device < 6; device++)
        assert_int_equal(count_sent(t, device, 0, 110), 0);
    test_federation_destroy(t);
}

/* ---- resuming ---- */

static void resume_ends_like_the_undisturbed_run(void **unused)
{
    (void)unused;
    static const char more[] = "when: {cohort: 6}\n";
    char path[64];
    make_path(path);
    test_federation *whole = test_federation_create_told(more, 6, NULL, false), *first = test_federation_create_told(more, 6, path, false);
    everybody_comes(whole, 1);
    everybody_comes(first, 1);
    test_federation_run(whole);
    assert_int_equal(whole->saved, 0);
    first->stop_after_round = 2;
    assert_int_equal(mu_federation_run(first->federation, NULL), MU_E_INTERRUPTED);
    assert_int_equal(first->saved, 3); /* before the first round, and after two */
    test_federation *second = test_federation_create_told(more, 6, path, true);
    everybody_comes(second, 13.5);
    test_federation_run(second);
    assert_memory_equal(mu_federation_state(second->federation), mu_federation_state(whole->federation), whole->state_count * sizeof(float));
    assert_int_equal(second->round_count, 2);
    assert_int_equal(second->rounds[1].time, whole->rounds[4].time);
    const mu_totals *a = mu_federation_totals(second->federation), *b = mu_federation_totals(whole->federation);
    assert_int_equal(a->updates_merged, b->updates_merged);
    assert_true(a->energy_j == b->energy_j);
    assert_int_equal(a->events, b->events + 6);
    /* at work when the first one ended, and when they came again: as idle as in the whole run */
    for (uint32_t device = 0; device < 6; device++)
        assert_int_equal(mu_federation_idle_time(second->federation, device), mu_federation_idle_time(whole->federation, device));
    test_federation_destroy(second);
    test_federation_destroy(first);
    test_federation_destroy(whole);
    unlink(path);
}

/* After a resume nobody is there until he says so: who does not come again is not asked. */
static void nobody_is_there_after_a_resume(void **unused)
{
    (void)unused;
    static const char more[] = "rounds: 12\nwhen: {method: fedbuff, concurrency: 3, goal: 2}\nmerge: {method: fedbuff}\n";
    char path[64];
    make_path(path);
    test_federation *first = test_federation_create_told(more, 6, path, false);
    everybody_comes(first, 1);
    first->stop_after_round = 3;
    assert_int_equal(mu_federation_run(first->federation, NULL), MU_E_INTERRUPTED);
    test_federation *second = test_federation_create_told(more, 6, path, true);
    test_federation_come(second, 0, 50);
    test_federation_come(second, 1, 50);
    test_federation_run(second);
    assert_int_equal(mu_federation_totals(second->federation)->rounds, 12);
    for (uint32_t device = 0; device < 6; device++) {
        assert_int_equal(count_sent(second, device, 0, 49.9), 0);
        assert_true((count_sent(second, device, 50, 1e9) > 0) == (device < 2));
    }
    test_federation_destroy(second);
    test_federation_destroy(first);
    unlink(path);
}

/* ---- what devices tell of themselves ---- */

#define ELSEWHERE "data: {name: elsewhere, devices: 6, shape: [28, 28, 1], classes: 10}\n"

static void tell(test_federation *t, uint32_t device)
{
    mu_profile profile = { .memory_bytes = t->now < 10 * 1000000 && device == 0 ? 1000 : (uint64_t)1 << 30 };
    profile.macs_per_s[MU_PRECISION_FP32] = 1e6 * (1 + device);
    assert_int_equal(mu_fleet_tell(mu_experiment_told_fleet(t->experiment), device, &profile, NULL), MU_OK);
    assert_int_equal(mu_data_tell_num_examples(mu_experiment_told_data(t->experiment), device, device == 1 ? 0 : 40, NULL), MU_OK);
}

/* Device 0 has not enough memory when it comes first, device 1 has no examples. What the others tell is what their tasks cost. */
static void what_devices_tell_counts(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told(ELSEWHERE "when: {cohort: 6}\n", 4, NULL, false);
    t->coming = tell;
    everybody_comes(t, 0);
    test_federation_go(t, 0, 8);
    test_federation_come(t, 0, 11);
    mu_status status = mu_federation_run(t->federation, NULL);
    assert_int_equal(status, MU_OK);
    assert_int_equal(t->rounds[1].selected, 4);
    assert_int_equal(t->rounds[2].selected, 4); /* it began at 6 s */
    assert_int_equal(t->rounds[3].selected, 5);
    const mu_totals *totals = mu_federation_totals(t->federation);
    assert_int_equal(totals->devices_without_memory, 0); /* it has now */
    assert_int_equal(totals->devices_without_examples, 1);
    assert_int_equal(mu_federation_history(t->federation, 1)->tasks_sent, 0);
    for (uint32_t device = 2; device < 6; device++) {
        const mu_history *history = mu_federation_history(t->federation, device), *two = mu_federation_history(t->federation, 2);
        assert_int_equal(history->tasks_done, 4);
        assert_true(history->compute_time > 0);
        /* as fast as it says; to the microsecond of each task */
        assert_true(llabs(history->compute_time * (1 + device) - two->compute_time * 3) <= 4 * (1 + device));
    }
    /* no test set: there is nothing to look at */
    for (int r = 0; r <= 4; r++)
        assert_true(isnan(t->rounds[r].accuracy) && isnan(t->rounds[r].loss) && isnan(t->rounds[r].tier_accuracy[0]));
    assert_true(isnan(totals->final_accuracy));
    test_federation_destroy(t);

    t = test_federation_create_told("data: {name: elsewhere, devices: 6, test: {name: writers, test_examples: 20}}\n", 4, NULL, false);
    t->coming = tell;
    everybody_comes(t, 0);
    test_federation_run(t);
    assert_float_equal(t->rounds[4].accuracy, 0.5, 0); /* as the script has it */
    assert_true(isnan(t->rounds[4].tier_accuracy[0])); /* whose examples are not here */
    assert_int_equal(mu_federation_totals(t->federation)->devices_without_memory, 1);
    test_federation_destroy(t);
}

/* What would take longer than there is time is too long, and no more than that. */
static void tell_absurdities(test_federation *t, uint32_t device)
{
    const mu_profile profile = { .macs_per_s = { 1 }, .memory_bytes = (uint64_t)1 << 40, .download_bit_per_s = 1, .upload_bit_per_s = 1, .latency_s = 3600 };
    assert_int_equal(mu_fleet_tell(mu_experiment_told_fleet(t->experiment), device, &profile, NULL), MU_OK);
    assert_int_equal(mu_data_tell_num_examples(mu_experiment_told_data(t->experiment), device, (uint32_t)1 << 31, NULL), MU_OK);
}

static void absurd_devices_do_no_harm(void **unused)
{
    (void)unused;
    static const char *const schedules[] = { "when: {cohort: 6}\n", "when: {method: fedat, tiers: 2, cohort: 6}\nmerge: {method: fedat}\n",
                                             "recipe: oort\nwhen: {cohort: 6}\n", "recipe: refl\nwhen: {cohort: 6}\n" };
    for (size_t i = 0; i < MU_COUNT(schedules); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "train: {local_epochs: 1000000, batch_size: 65536}\n%s%s", ELSEWHERE, schedules[i]);
        test_federation *t = test_federation_create_told(yaml, 6, NULL, false);
        t->coming = tell_absurdities;
        t->devices[2].goes_away = true;
        everybody_comes(t, 0);
        test_federation_run(t);
        assert_int_equal(mu_federation_history(t->federation, 0)->compute_time, MU_TIME_NEVER);
        test_federation_destroy(t);
    }
}

/* A device that comes with another name is of another class, and idle as one of that. */
static void name_itself(test_federation *t, uint32_t device)
{
    const mu_profile profile = { .name = device == 0 ? "pi-4" : "nothing known" };
    assert_int_equal(mu_fleet_tell(mu_experiment_told_fleet(t->experiment), device, &profile, NULL), MU_OK);
}

static void devices_name_their_class(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told("fleet: {classes: {pi-4: {extend: pi-4, idle_w: 2}, workstation: {extend: workstation, idle_w: 100}}, "
                                                     "mix: {workstation: 1, pi-4: 0.000001}}\nwhen: {cohort: 6}\n", 6, NULL, false);
    t->coming = name_itself;
    everybody_comes(t, 0);
    test_federation_run(t);
    double expected_j = 0.0;
    for (uint32_t device = 0; device < 6; device++)
        expected_j += mu_time_to_s(mu_federation_idle_time(t->federation, device)) * (device ? 100.0 : 2.0);
    assert_int_equal(mu_federation_idle_time(t->federation, 0), 4 * 5 * 1000000);
    assert_float_equal(mu_federation_totals(t->federation)->idle_energy_j, expected_j, 1e-6);
    test_federation_destroy(t);
}

/* ---- what tasks really cost ---- */

static const mu_price really = {
    .download_s = 1, .compute_s = 20, .upload_s = 3, .energy_j = 50, .compute_j = 45, .bytes_down = 1000, .bytes_up = 500, .macs = 7000,
    .peak_memory_bytes = (uint64_t)1 << 33,
};

static const mu_price *measure(test_federation *t, const mu_task *task)
{
    (void)t, (void)task;
    return &really;
}

static void measured_costs_are_in_the_accounts(void **unused)
{
    (void)unused;
    test_federation *t = test_federation_create_told("when: {cohort: 6}\n", 6, NULL, false);
    t->measured = measure;
    everybody_comes(t, 0);
    test_federation_run(t);
    const mu_totals *totals = mu_federation_totals(t->federation);
    for (uint32_t device = 0; device < 6; device++) {
        const mu_history *history = mu_federation_history(t->federation, device);
        assert_int_equal(history->compute_time, 4 * 20 * 1000000);
        assert_int_equal(history->radio_time, 4 * 4 * 1000000);
        assert_int_equal(history->bytes_down, 4000);
        assert_int_equal(history->bytes_up, 2000);
        assert_float_equal(history->energy_j, 200, 1e-9);
        assert_float_equal(history->compute_energy_j, 180, 1e-9);
        assert_int_equal(history->last_duration, (1 + device) * 1000000); /* by the federation's own time */
    }
    for (int r = 1; r <= 4; r++) {
        assert_int_equal(t->rounds[r].bytes_up, 6 * 500);
        assert_int_equal(t->rounds[r].bytes_down, 6 * 1000);
        assert_int_equal(t->rounds[r].macs, 6 * 7000);
        assert_float_equal(t->rounds[r].energy_j, 300, 1e-9);
        assert_float_equal(t->rounds[r].device_time_s, 6 * 24, 1e-9);
    }
    assert_int_equal(totals->peak_memory_bytes, (uint64_t)1 << 33);
    assert_float_equal(totals->energy_j, 1200, 1e-9);
    test_federation_destroy(t);
}

static mu_price nonsense;

static const mu_price *make_up(test_federation *t, const mu_task *task)
{
    (void)t, (void)task;
    return &nonsense;
}

static void nonsense_is_passed_over(void **unused)
{
    (void)unused;
    static const double bad[] = { 0.0, -1.0, NAN, INFINITY, -INFINITY, 1e300 };
    static const uint64_t bad_counts[] = { 0, UINT64_MAX, MU_MEASURED_MACS_MAX + 1 };
    test_federation *planned = test_federation_create_told("when: {cohort: 6}\n", 6, NULL, false);
    everybody_comes(planned, 0);
    test_federation_run(planned);
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        uint64_t count = bad_counts[i % MU_COUNT(bad_counts)];
        nonsense = (mu_price){ bad[i], bad[i], bad[i], bad[i], bad[i], count, count, count, count, false };
        test_federation *t = test_federation_create_told("when: {cohort: 6}\n", 6, NULL, false);
        t->measured = make_up;
        everybody_comes(t, 0);
        test_federation_run(t);
        const mu_totals *a = mu_federation_totals(t->federation), *b = mu_federation_totals(planned->federation);
        assert_int_equal(a->bytes_up, b->bytes_up);
        assert_int_equal(a->bytes_down, b->bytes_down);
        assert_int_equal(a->macs, b->macs);
        assert_int_equal(a->peak_memory_bytes, b->peak_memory_bytes);
        assert_float_equal(a->energy_j, b->energy_j, 1e-12 * b->energy_j);
        assert_float_equal(a->device_time_s, b->device_time_s, 1e-12 * b->device_time_s);
        test_federation_destroy(t);
    }
    test_federation_destroy(planned);
    /* what is known goes in, what is not stays; and computing takes no more energy than all */
    nonsense = (mu_price){ .compute_s = 5, .download_s = NAN, .energy_j = 1e-6 };
    test_federation *t = test_federation_create_told("when: {cohort: 6}\n", 6, NULL, false);
    t->measured = make_up;
    everybody_comes(t, 0);
    test_federation_run(t);
    const mu_history *history = mu_federation_history(t->federation, 0);
    assert_int_equal(history->compute_time, 4 * 5 * 1000000);
    assert_true(history->radio_time > 0 && history->radio_time < 1000000);
    assert_float_equal(history->energy_j, 4e-6, 1e-12);
    assert_float_equal(history->compute_energy_j, 4e-6, 1e-12);
    test_federation_destroy(t);
}

/* ---- what cannot be ---- */

static void refuse(const char *more, mu_carrier carrier, uint32_t start_devices, mu_status expected, const char *words)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "rounds: 2\n%s", more);
    mu_experiment *experiment = experiment_from(yaml);
    mu_federation_config config = *mu_experiment_config(experiment);
    config.start_devices = start_devices;
    mu_federation *federation = NULL;
    mu_error err = { 0 };
    assert_int_equal(mu_federation_create(&config, &carrier, NULL, &federation, &err), expected);
    if (!strstr(err.message, words))
        fail_msg("'%s' is not in '%s'", words, err.message);
    assert_null(federation);
    mu_experiment_destroy(experiment);
}

#define SMALL "model: mlp\ndata: {name: writers, devices: 6}\n"

static void what_real_devices_cannot_do_is_refused(void **unused)
{
    (void)unused;
    const mu_carrier told = { .tells_presence = true };
    refuse(SMALL "fleet: {mix: {phone-mid: 1}, battery: {plugged: {generator: markov}}}\n", told, 0, MU_E_CONFIG, "'battery'");
    refuse(SMALL "fleet: {mix: {phone-mid: 1}, availability: {generator: markov}}\n", told, 0, MU_E_CONFIG, "'availability'");
    refuse(SMALL "fleet: {mix: {phone-mid: 1}, compute_share: {}}\n", told, 0, MU_E_CONFIG, "'compute_share'");
    refuse(SMALL "fleet: {mix: {phone-mid: 1}, bandwidth_variation: {}}\n", told, 0, MU_E_CONFIG, "'bandwidth_variation'");
    refuse(SMALL, told, 7, MU_E_CONFIG, "waits for 7 devices, and there are only 6");
    refuse("model: mlp\n" ELSEWHERE, (mu_carrier){ 0 }, 0, MU_E_CONFIG, "'elsewhere'");
    refuse("model: {name: resnet20}\ndata: {name: elsewhere, devices: 2, shape: [32, 32, 3], classes: 10}\nevaluate: {norm_statistics: devices}\n", told, 0,
           MU_E_CONFIG, "norm_statistics");

    /* who asks for a look at devices' examples finds out */
    test_federation *t = test_federation_create_told("rounds: 20\nwho: {method: tifl, tiers: 2, interval: 2}\n", 6, NULL, false);
    everybody_comes(t, 0);
    mu_error err = { 0 };
    assert_int_equal(mu_federation_run(t->federation, &err), MU_E_STATE);
    assert_non_null(strstr(err.message, "examples of devices are not here"));
    uint32_t *devices, count;
    mu_evaluation *each;
    assert_int_equal(mu_federation_look_at_devices(t->federation, &devices, &each, &count, NULL), MU_OK);
    assert_int_equal(count, 0);
    assert_null(devices);
    assert_null(each);
    test_federation_destroy(t);
}

static void which_rounds_wait_for_all(void **unused)
{
    (void)unused;
    static const struct { const char *yaml; bool waits; } cases[] = {
        { "when: {cohort: 3}\n", true },
        { "when: {cohort: 3, minimum_reports: 2}\n", true },
        { "when: {cohort: 3, over_selection: 1.1}\n", false },
        { "when: {cohort: 3, deadline_s: 100}\n", false },
        { "when: {method: phases, cohort: 3}\n", true },
        { "when: {method: phases, cohort: 3, deadline_s: 100}\n", false },
        { "when: {method: fedbuff}\nmerge: {method: fedbuff}\n", false },
        { "recipe: fedat\n", false },
        { "recipe: fedhisyn\n", false },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "%s%s", cases[i].yaml, SMALL);
        mu_experiment *experiment = experiment_from(yaml);
        if (mu_federation_waits_for_all(mu_experiment_config(experiment)) != cases[i].waits)
            fail_msg("%s", cases[i].yaml);
        mu_experiment_destroy(experiment);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_with_those_who_have_come),
        cmocka_unit_test(order_of_coming_does_not_matter),
        cmocka_unit_test(busy_devices_go_and_come_back),
        cmocka_unit_test(a_round_waits_for_somebody),
        cmocka_unit_test(every_schedule_takes_in_who_comes),
        cmocka_unit_test(who_comes_late_joins_a_tier),
        cmocka_unit_test(asynchronous_ones_fill_up),
        cmocka_unit_test(resume_ends_like_the_undisturbed_run),
        cmocka_unit_test(nobody_is_there_after_a_resume),
        cmocka_unit_test(what_devices_tell_counts),
        cmocka_unit_test(absurd_devices_do_no_harm),
        cmocka_unit_test(devices_name_their_class),
        cmocka_unit_test(measured_costs_are_in_the_accounts),
        cmocka_unit_test(nonsense_is_passed_over),
        cmocka_unit_test(what_real_devices_cannot_do_is_refused),
        cmocka_unit_test(which_rounds_wait_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
