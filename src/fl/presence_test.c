/* Who is there: against what the fleet says, batteries and idle energy worked out by hand, and saved in the middle. */
#include "fl/presence.h"

#include "muster/method.h"
#include "muster/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND ((mu_time_us)1000000)
#define HOUR (3600 * SECOND)

static mu_fleet *make_fleet(const char *text, uint32_t devices)
{
    mu_conf *conf;
    mu_fleet *fleet = NULL;
    mu_error err;
    assert_int_equal(mu_conf_parse("test", text, strlen(text), &conf, NULL), MU_OK);
    if (mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), devices, 5, &fleet, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return fleet;
}

static mu_status everybody(void *self, uint32_t device, bool *out, mu_error *err)
{
    (void)self, (void)device, (void)err;
    *out = true;
    return MU_OK;
}

/* Every third device is none to choose. */
static mu_status some(void *self, uint32_t device, bool *out, mu_error *err)
{
    (void)self, (void)err;
    *out = device % 3 != 0;
    return MU_OK;
}

#define BOARD "classes: {board: {macs_per_s: 1e9, memory: 1GiB, download_bit_per_s: 8e6, upload_bit_per_s: 4e6, active_w: 3, radio_w: 2, " \
              "idle_w: 0.5}}, mix: {board: 1}, "

/* ---- moments ---- */

static void test_moments(void **state)
{
    (void)state;
    enum { DEVICES = 200 };
    mu_moment heap[DEVICES];
    uint32_t place[DEVICES] = { 0 };
    mu_moments moments = { .heap = heap, .place = place };
    mu_time_us at[DEVICES];
    mu_random random = mu_random_stream(3, MU_RANDOM_TEST, 0, 0);
    for (uint32_t device = 0; device < DEVICES; device++)
        at[device] = MU_TIME_NEVER;
    for (int i = 0; i < 20000; i++) {
        uint32_t device = mu_random_below(&random, DEVICES);
        if (at[device] != MU_TIME_NEVER || mu_random_below(&random, 3) == 0) {
            mu_moments_remove(&moments, device); /* there or not */
            at[device] = MU_TIME_NEVER;
        } else {
            at[device] = mu_random_below(&random, 50);
            mu_moments_put(&moments, at[device], device);
        }
        uint32_t first = 0, count = 0;
        for (uint32_t d = 0; d < DEVICES; d++) {
            count += at[d] != MU_TIME_NEVER;
            first = at[d] < at[first] ? d : first;
        }
        assert_int_equal(moments.count, count);
        if (count)
            assert_true(heap[0].device == first && heap[0].at == at[first]);
        if (count && i % 5 == 0) {
            assert_int_equal(mu_moments_take(&moments).device, first);
            at[first] = MU_TIME_NEVER;
        }
    }
}

/* ---- without batteries ---- */

/* The list is who is on; idle time is time on, to the microsecond; and the energy is that of the closed form: in the mean a device is on for the
 * stationary share of the time. */
static void test_idle_energy_of_generators(void **state)
{
    (void)state;
    enum { DEVICES = 600 };
    static const struct { const char *text; double share, error; } cases[] = {
        /* of a two-state chain over T: variance of the share 2 p (1 - p) / ((a + b) T), here with (a + b) T = 86400 / 225 */
        { "fleet: {" BOARD "availability: {generator: markov, mean_on_s: 300, mean_off_s: 900}}", 0.25, 0.0312 },
        /* whole nights: only the jitter of two ends, each uniform over an hour, is left */
        { "fleet: {" BOARD "availability: {generator: diurnal, hours: 6, middle_hour: 12, phase_spread_h: 0}}", 0.25, 0.0171 },
        { "fleet: {" BOARD "availability: always}", 1.0, 0.0 },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_fleet *fleet = make_fleet(cases[i].text, DEVICES);
        mu_presence presence;
        mu_random random = mu_random_stream(4, MU_RANDOM_TEST, 0, i);
        assert_int_equal(mu_presence_init(&presence, fleet, some, NULL, NULL), MU_OK);
        for (mu_time_us now = 0; now < 24 * HOUR;) {
            now += mu_random_below(&random, 3600) * SECOND / 2 + mu_random_below(&random, 1000000);
            now = now < 24 * HOUR ? now : 24 * HOUR;
            mu_time_us next = mu_presence_next_arrival(&presence);
            mu_presence_advance(&presence, now);
            assert_true(next == MU_TIME_NEVER || next > now || mu_presence_next_arrival(&presence) != next);
            for (uint32_t device = 0; device < DEVICES; device++)
                assert_int_equal(mu_presence_is_there(&presence, device), device % 3 != 0 && mu_fleet_is_on(fleet, device, now));
        }
        double sum_s = 0.0;
        for (uint32_t device = 0; device < DEVICES; device++) {
            double idle_s = mu_time_to_s(mu_presence_idle_time(&presence, device));
            double on_s = 86400.0 * mu_fleet_on_share(fleet, device, 0, 24 * HOUR);
            assert_true(fabs(idle_s - (device % 3 ? on_s : 0.0)) < 1e-6);
            sum_s += idle_s;
        }
        assert_true(fabs(mu_presence_idle_energy_j(&presence) - 0.5 * sum_s) < 1e-6 * sum_s);
        assert_true(fabs(sum_s / (86400.0 * 400) - cases[i].share) <= 4 * cases[i].error / sqrt(400.0));
        mu_presence_release(&presence);
        mu_fleet_destroy(fleet);
    }
}

static void test_work_is_not_idle(void **state)
{
    (void)state;
    mu_fleet *fleet = make_fleet("fleet: {" BOARD "availability: always}", 2);
    mu_presence presence;
    mu_price price = { .compute_s = 5 };
    assert_int_equal(mu_presence_init(&presence, fleet, everybody, NULL, NULL), MU_OK);
    mu_presence_advance(&presence, 10 * SECOND);
    assert_true(mu_presence_battery_ends(&presence, 1, &price) == 0); /* there is none */
    mu_presence_begin_work(&presence, 1, 10 * SECOND);
    mu_presence_advance(&presence, 14 * SECOND);
    assert_true(mu_presence_idle_time(&presence, 0) == 14 * SECOND && mu_presence_idle_time(&presence, 1) == 10 * SECOND);
    mu_presence_end_work(&presence, 1, 10 * SECOND, &price);
    mu_presence_advance(&presence, 20 * SECOND);
    assert_true(mu_presence_idle_time(&presence, 1) == 16 * SECOND);
    assert_true(mu_presence_idle_energy_j(&presence) == 0.5 * 36);
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

/* ---- with batteries ---- */

/* Full is 36000 J, drained at 7200 J, back at 14400 J; plugged in from 22:00 to 06:00; the run begins at midnight with 18000 J. */
#define NIGHTLY "battery: {capacity_wh: 10, start_min: 0.5, start_max: 0.5, charge_w: 4, drain_w: 0.25, minimum: 0.2, resume: 0.4, " \
                "plugged: {generator: diurnal, hours: 8, middle_hour: 2, phase_spread_h: 0, jitter_h: 0}}"

static void check_absence(mu_presence *presence, mu_time_us from, mu_time_us to)
{
    mu_presence_advance(presence, from - 1);
    assert_true(mu_presence_is_there(presence, 0));
    mu_presence_advance(presence, from);
    assert_false(mu_presence_is_there(presence, 0));
    assert_true(mu_presence_next_arrival(presence) <= to);
    mu_presence_advance(presence, to - 1);
    assert_false(mu_presence_is_there(presence, 0));
    mu_presence_advance(presence, to);
    assert_true(mu_presence_is_there(presence, 0));
}

static void test_a_battery_by_hand(void **state)
{
    (void)state;
    mu_fleet *fleet = make_fleet("fleet: {" BOARD NIGHTLY "}", 1);
    mu_presence presence;
    assert_int_equal(mu_presence_init(&presence, fleet, everybody, NULL, NULL), MU_OK);
    /* full before 06:00, since 3.5 W for 6 h are more than 18000 J; then 0.75 W, with waiting: 28800 J last for 38400 s, to 16:40. At rest it loses
     * 0.25 W, 4800 J to 22:00, where 2400 J are left; 12000 J at 4 W take 3000 s, to 22:50 */
    check_absence(&presence, 16 * HOUR + 2400 * SECOND, 22 * HOUR + 3000 * SECOND);
    assert_true(mu_presence_idle_time(&presence, 0) == 16 * HOUR + 2400 * SECOND);
    /* work from 07:00 to 08:00 of the next day: full at 06:00, less 0.75 W for an hour; the radio for 100 s, the processor for 3400 s and the
     * radio for 100 s take 2.25, 3.25 and 2.25 W; then 0.75 W again. 7200 J at 0.25 W do not last until 22:00: from empty it takes an hour */
    mu_price price = { .download_s = 100, .compute_s = 3400, .upload_s = 100, .compute_j = 3 * 3400 };
    mu_presence_advance(&presence, 31 * HOUR);
    assert_true(mu_presence_battery_ends(&presence, 0, &price) == 0);
    mu_presence_begin_work(&presence, 0, 31 * HOUR);
    mu_presence_advance(&presence, 32 * HOUR);
    mu_presence_end_work(&presence, 0, 31 * HOUR, &price);
    double left_j = 36000 - 2700 - 450 - 3.25 * 3400;
    assert_true(fabs(presence.charge[0].level_j - left_j) < 1e-6);
    mu_time_us drained = 32 * HOUR + mu_time_from_s((left_j - 7200) / 0.75);
    assert_true(46 * HOUR - drained > 28800 * SECOND);
    check_absence(&presence, drained, 47 * HOUR);
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

static void test_a_battery_runs_out_at_work(void **state)
{
    (void)state;
    mu_fleet *fleet = make_fleet("fleet: {" BOARD NIGHTLY "}", 1);
    mu_presence presence;
    mu_price price = { .compute_s = 40000, .compute_j = 120000 };
    assert_int_equal(mu_presence_init(&presence, fleet, everybody, NULL, NULL), MU_OK);
    mu_presence_advance(&presence, 6 * HOUR);
    mu_time_us ends = mu_presence_battery_ends(&presence, 0, &price); /* 28800 J at 3.25 W */
    assert_true(ends == 6 * HOUR + (mu_time_us)ceil(28800 / 3.25 * 1e6));
    mu_presence_begin_work(&presence, 0, 6 * HOUR);
    mu_presence_advance(&presence, ends);
    assert_true(mu_presence_is_there(&presence, 0)); /* until the task is over */
    mu_presence_end_work(&presence, 0, 6 * HOUR, &price);
    assert_false(mu_presence_is_there(&presence, 0));
    assert_true(mu_presence_idle_time(&presence, 0) == 6 * HOUR);
    assert_true(mu_presence_next_arrival(&presence) == 23 * HOUR); /* it was empty before 22:00 */
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

/* A phone that is plugged in when it is there, and whose charger gives less than waiting takes: it is drained and comes back while it is on. */
static void test_plugged_when_present(void **state)
{
    (void)state;
    mu_fleet *fleet = make_fleet("fleet: {" BOARD "availability: {generator: diurnal, hours: 8, middle_hour: 4, phase_spread_h: 0, jitter_h: 0}, "
                                 "battery: {capacity_wh: 1, start_min: 0.5, start_max: 0.5, charge_w: 0.25, drain_w: 0, resume: 0.5}}", 1);
    mu_presence presence;
    assert_int_equal(mu_presence_init(&presence, fleet, everybody, NULL, NULL), MU_OK);
    /* 1800 J fall by 0.25 W to 720 J in 4320 s; they rise by 0.25 W to 1800 J in as long */
    check_absence(&presence, 4320 * SECOND, 8640 * SECOND);
    check_absence(&presence, 12960 * SECOND, 17280 * SECOND);
    mu_presence_advance(&presence, 12 * HOUR);
    assert_false(mu_presence_is_there(&presence, 0)); /* off from 08:00 */
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

/* Plugged in at night, there in the afternoon: full at 06:00, it is drained at 10:00, before it is on. */
static void test_drained_before_it_is_on(void **state)
{
    (void)state;
    mu_fleet *fleet = make_fleet("fleet: {" BOARD "availability: {generator: diurnal, hours: 8, middle_hour: 16, phase_spread_h: 0, jitter_h: 0}, "
                                 "battery: {capacity_wh: 10, drain_w: 2, plugged: {generator: diurnal, hours: 8, middle_hour: 2, "
                                 "phase_spread_h: 0, jitter_h: 0}}}", 2);
    mu_presence presence;
    assert_int_equal(mu_presence_init(&presence, fleet, everybody, NULL, NULL), MU_OK);
    for (mu_time_us now = 0; now < 100 * HOUR; now += HOUR) {
        mu_presence_advance(&presence, now);
        assert_int_equal(presence.count, 0);
        assert_true(mu_presence_next_arrival(&presence) > now);
    }
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

static void test_never_plugged(void **state)
{
    (void)state;
    mu_fleet *fleet = make_fleet("fleet: {" BOARD "battery: {capacity_wh: 1, start_min: 0.4, start_max: 0.5, plugged: {generator: markov, "
                                 "mean_on_s: 0.001, mean_off_s: 1e9}}}", 3);
    mu_presence presence;
    assert_int_equal(mu_presence_init(&presence, fleet, everybody, NULL, NULL), MU_OK);
    mu_presence_advance(&presence, 2 * HOUR);
    assert_int_equal(presence.count, 0);
    assert_true(mu_presence_next_arrival(&presence) == MU_TIME_NEVER); /* nobody waits for ever for what does not come */
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

/* All that is kept of a device which comes and goes and has a battery: its history, its class, and what is said at the head of presence.h. */
static void test_memory_of_a_device(void **state)
{
    (void)state;
    mu_presence *p = NULL;
    size_t presence_bytes = sizeof *p->list + sizeof *p->place + sizeof *p->busy + sizeof *p->idle_time;
    size_t moments_bytes = sizeof *p->arrivals.heap + sizeof *p->departures.heap;
    size_t battery_bytes = sizeof *p->charge + sizeof *p->arrivals.place;
    assert_int_equal(presence_bytes, 17);
    assert_int_equal(moments_bytes, 32);
    assert_int_equal(battery_bytes, 28);
    assert_true(sizeof(mu_history) + sizeof(uint16_t) + presence_bytes + moments_bytes + battery_bytes < 200);
}

/* ---- saved in the middle ---- */

typedef struct worker { /* what the device is at work on */
    mu_time_us sent_at, ends_at;
    mu_price   price;
} worker;

static void check_same(const mu_presence *a, const mu_presence *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->list, b->list, a->count * sizeof *a->list);
    assert_true(mu_presence_next_arrival(a) == mu_presence_next_arrival(b));
    assert_true(mu_presence_idle_energy_j(a) == mu_presence_idle_energy_j(b));
    for (uint32_t device = 0; device < a->device_count; device++) {
        assert_true(mu_presence_idle_time(a, device) == mu_presence_idle_time(b, device));
        assert_int_equal(a->busy[device], b->busy[device]);
        if (a->charge)
            assert_true(a->charge[device].at == b->charge[device].at && a->charge[device].level_j == b->charge[device].level_j &&
                        a->charge[device].drained == b->charge[device].drained);
    }
}

static void copy_through_bytes(const mu_presence *from, mu_presence *to)
{
    size_t size_bytes = mu_presence_save(from, NULL);
    unsigned char *bytes = malloc(size_bytes);
    assert_non_null(bytes);
    assert_int_equal(mu_presence_save(from, bytes), size_bytes);
    assert_false(mu_presence_restore(to, bytes, size_bytes - 1));
    assert_false(mu_presence_restore(to, bytes, 3));
    assert_true(mu_presence_restore(to, bytes, size_bytes));
    free(bytes);
    assert_memory_equal(to->busy, from->busy, from->device_count * sizeof *from->busy);
    check_same(from, to);
}

static void end_work(mu_presence *presence, uint32_t device, const worker *w)
{
    mu_presence_end_work(presence, device, w->sent_at, &w->price);
}

/* Random work over three days, for half of the devices; every now and then the second presence is thrown away and made from the bytes of the
 * first. */
static void check_saving(const char *text, bool goes_off, bool runs_out)
{
    enum { DEVICES = 60 };
    mu_fleet *fleet = make_fleet(text, DEVICES);
    mu_presence a, b;
    worker workers[DEVICES] = { { 0 } };
    mu_random random = mu_random_stream(8, MU_RANDOM_TEST, 0, 0);
    uint32_t ran_out = 0, went_off = 0;
    assert_int_equal(mu_presence_init(&a, fleet, some, NULL, NULL), MU_OK);
    assert_int_equal(mu_presence_init(&b, fleet, some, NULL, NULL), MU_OK);
    for (mu_time_us now = 0; now < 72 * HOUR;) {
        mu_time_us next = now + mu_random_below(&random, 400) * SECOND + mu_random_below(&random, 1000000);
        uint32_t first = DEVICES; /* the task that is over first, if one is before that */
        for (uint32_t device = 0; device < DEVICES; device++)
            if (a.busy[device] && workers[device].ends_at <= next) {
                next = workers[device].ends_at;
                first = device;
            }
        now = next;
        mu_presence_advance(&a, now);
        mu_presence_advance(&b, now);
        if (first < DEVICES) {
            end_work(&a, first, &workers[first]);
            end_work(&b, first, &workers[first]);
        } else if (a.count) {
            uint32_t device = a.list[mu_random_below(&random, a.count)];
            assert_true(mu_fleet_is_on(fleet, device, now));
            if (!a.busy[device] && device < DEVICES / 2) {
                worker *w = &workers[device];
                double compute_s = 10 + mu_random_below(&random, 3000);
                *w = (worker){ .sent_at = now, .price = { .download_s = 10, .compute_s = compute_s, .upload_s = 20, .compute_j = 3 * compute_s } };
                w->ends_at = now + mu_time_from_s(30 + compute_s);
                mu_time_us ends = mu_presence_battery_ends(&a, device, &w->price), off = mu_fleet_goes_off(fleet, device, now);
                ran_out += ends && ends < off && ends < w->ends_at;
                went_off += off < w->ends_at;
                w->ends_at = off < w->ends_at ? off : w->ends_at;
                w->ends_at = ends && ends < w->ends_at ? ends : w->ends_at;
                mu_presence_begin_work(&a, device, now);
                mu_presence_begin_work(&b, device, now);
            }
        }
        for (uint32_t device = 0; device < DEVICES; device++)
            if (!a.busy[device] && device % 3 && a.charge && a.charge[device].at == now)
                assert_int_equal(mu_presence_is_there(&a, device), mu_fleet_is_on(fleet, device, now) && !a.charge[device].drained);
        check_same(&a, &b);
        if (mu_random_below(&random, 20) == 0) {
            mu_presence_release(&b);
            assert_int_equal(mu_presence_init(&b, fleet, some, NULL, NULL), MU_OK);
            copy_through_bytes(&a, &b);
        }
    }
    assert_int_equal(went_off > 0, goes_off);
    assert_int_equal(ran_out > 0, runs_out);
    mu_presence_release(&a);
    mu_presence_release(&b);
    mu_fleet_destroy(fleet);
}

static void test_saving(void **state)
{
    (void)state;
    check_saving("fleet: {" BOARD "availability: {generator: markov, mean_on_s: 3000, mean_off_s: 3000}}", true, false);
    check_saving("fleet: {" BOARD "availability: {generator: markov, mean_on_s: 3000, mean_off_s: 3000}, "
                 "battery: {capacity_wh: 1, charge_w: 1}}", true, true);
    check_saving("fleet: {" BOARD "availability: {generator: diurnal, hours: 16}, battery: {capacity_wh: 2, plugged: {generator: markov}}}", true,
                 true);
    /* always there, and full enough that an idle device is only looked at once a day */
    check_saving("fleet: {" BOARD "battery: {capacity_wh: 60, plugged: {generator: markov}}}", false, false);
}

/* ---- told ---- */

static void check_list(const mu_presence *presence, const bool *there)
{
    uint32_t count = 0;
    for (uint32_t device = 0; device < presence->device_count; device++) {
        assert_int_equal(mu_presence_is_there(presence, device), there[device]);
        if (there[device])
            assert_int_equal(presence->list[count++], device); /* by number */
    }
    assert_int_equal(presence->count, count);
}

/* Comings, goings and tasks at random, against what is said; saved and restored in the middle, from which nobody is there. */
static void test_told(void **state)
{
    (void)state;
    enum { DEVICES = 40, STEPS = 4000 };
    mu_fleet *fleet = make_fleet("fleet: {" BOARD "availability: always}", DEVICES);
    mu_presence presence, again;
    assert_int_equal(mu_presence_init_told(&presence, fleet, NULL), MU_OK);
    bool there[DEVICES] = { false }, busy[DEVICES] = { false };
    mu_time_us idle[DEVICES] = { 0 }, now = 0, sum = 0;
    mu_random random = mu_random_stream(6, MU_RANDOM_TEST, 0, 0);
    check_list(&presence, there);
    for (int step = 0; step < STEPS; step++) {
        mu_time_us passed = mu_random_below(&random, 3000000);
        for (uint32_t device = 0; device < DEVICES; device++)
            idle[device] += there[device] && !busy[device] ? passed : 0;
        now += passed;
        mu_presence_advance(&presence, now);
        assert_int_equal(mu_presence_next_arrival(&presence), now + SECOND);
        uint32_t device = mu_random_below(&random, DEVICES);
        switch (mu_random_below(&random, 4)) {
        case 0:
            mu_presence_come(&presence, device); /* there or not */
            there[device] = true;
            break;
        case 1:
            mu_presence_go(&presence, device);
            there[device] = false;
            break;
        case 2:
            if (there[device] && !busy[device])
                mu_presence_begin_work(&presence, device, now);
            busy[device] |= there[device];
            break;
        default:
            if (busy[device])
                mu_presence_end_work(&presence, device, now, &(mu_price){ 0 });
            busy[device] = false;
        }
        check_list(&presence, there);
    }
    for (uint32_t device = 0; device < DEVICES; device++) {
        assert_int_equal(mu_presence_idle_time(&presence, device), idle[device]);
        assert_int_equal(presence.busy[device], busy[device]);
        sum += idle[device];
    }
    assert_float_equal(mu_presence_idle_energy_j(&presence), 0.5 * mu_time_to_s(sum), 1e-6);

    size_t size_bytes = mu_presence_save(&presence, NULL);
    unsigned char *saved = malloc(size_bytes);
    mu_presence_save(&presence, saved);
    assert_int_equal(mu_presence_init_told(&again, fleet, NULL), MU_OK);
    assert_false(mu_presence_restore(&again, saved, size_bytes - 1));
    mu_presence_release(&again);
    assert_int_equal(mu_presence_init_told(&again, fleet, NULL), MU_OK);
    assert_true(mu_presence_restore(&again, saved, size_bytes));
    memset(there, 0, sizeof there);
    check_list(&again, there);
    mu_presence_advance(&again, now + 100 * SECOND);
    for (uint32_t device = 0; device < DEVICES; device++) {
        assert_int_equal(mu_presence_idle_time(&again, device), idle[device]);
        assert_int_equal(again.busy[device], busy[device]);
    }
    assert_float_equal(mu_presence_idle_energy_j(&again), 0.5 * mu_time_to_s(sum), 1e-6);
    mu_presence_come(&again, 3);
    assert_true(mu_presence_is_there(&again, 3));
    free(saved);
    mu_presence_release(&again);
    mu_presence_release(&presence);
    mu_fleet_destroy(fleet);
}

/* Device 1 said that it is of class b; the fleet of the process that goes on does not know it yet. */
static void test_told_classes_are_restored(void **state)
{
    (void)state;
    static const char text[] = "fleet: {classes: {a: {extend: pi-4, idle_w: 1}, b: {extend: pi-4, idle_w: 10}}, mix: {a: 1, b: 0.000001}}";
    mu_fleet *fleet = make_fleet(text, 2), *fresh = make_fleet(text, 2);
    mu_presence presence, again;
    assert_int_equal(mu_presence_init_told(&presence, fleet, NULL), MU_OK);
    assert_int_equal(mu_fleet_tell(fleet, 1, &(mu_profile){ .name = "b" }, NULL), MU_OK);
    mu_presence_come(&presence, 0);
    mu_presence_come(&presence, 1);
    mu_presence_advance(&presence, 100 * SECOND);
    assert_float_equal(mu_presence_idle_energy_j(&presence), 1100, 1e-9);
    size_t size_bytes = mu_presence_save(&presence, NULL);
    unsigned char *saved = malloc(size_bytes);
    mu_presence_save(&presence, saved);
    assert_int_equal(mu_presence_init_told(&again, fresh, NULL), MU_OK);
    assert_true(mu_presence_restore(&again, saved, size_bytes));
    mu_presence_advance(&again, 150 * SECOND);
    assert_float_equal(mu_presence_idle_energy_j(&again), 1100, 1e-9);
    assert_int_equal(mu_fleet_tell(fresh, 1, &(mu_profile){ .name = "b" }, NULL), MU_OK);
    mu_presence_come(&again, 1);
    mu_presence_advance(&again, 160 * SECOND);
    assert_float_equal(mu_presence_idle_energy_j(&again), 1200, 1e-9);
    assert_int_equal(mu_presence_idle_time(&again, 0), 100 * SECOND);
    assert_int_equal(mu_presence_idle_time(&again, 1), 110 * SECOND);
    free(saved);
    mu_presence_release(&again);
    mu_presence_release(&presence);
    mu_fleet_destroy(fresh);
    mu_fleet_destroy(fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_idle_energy_of_generators),
        cmocka_unit_test(test_work_is_not_idle),
        cmocka_unit_test(test_a_battery_by_hand),
        cmocka_unit_test(test_a_battery_runs_out_at_work),
        cmocka_unit_test(test_plugged_when_present),
        cmocka_unit_test(test_drained_before_it_is_on),
        cmocka_unit_test(test_never_plugged),
        cmocka_unit_test(test_memory_of_a_device),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_told_classes_are_restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
