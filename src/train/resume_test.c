/* A task that is interrupted and gone on with, against the same task undisturbed: the same bits, after every mini-batch, for every kind of layer,
 * optimiser and manner. And places that are no good: cut off, damaged, of another task. */
#include "train/test_choosing.h"

/* ---- a keeper in memory ---- */

typedef struct bytes {
    unsigned char *data;
    size_t         count;
} bytes;

typedef struct shelf {
    bytes       places[STEPS + 1]; /* complete ones, by the mini-batches that they were kept after */
    bytes       open;     /* under way */
    size_t      written;
    uint32_t    first, last; /* mini-batches that is_due was first asked after, and last */
    bool        always;   /* due after each */
    uint32_t    stop_after; /* 0: never */
    atomic_bool stop;
    uint32_t    fails_at, calls; /* the how-manieth of begin, put and end fails; 0: none */
    bytes       from;     /* what is gone on from */
    size_t      taken;
} shelf;

static bool is_due(void *self, uint32_t step, uint32_t steps)
{
    shelf *s = self;
    assert_int_equal(steps, STEPS);
    assert_true(s->first ? step == s->last + 1 : step >= 1);
    s->first = s->first ? s->first : step;
    s->last = step;
    if (step == s->stop_after)
        s->stop = true;
    return s->always;
}

static mu_status call(shelf *s, mu_error *err)
{
    return ++s->calls == s->fails_at ? mu_error_set(err, MU_E_IO, "no room after %u calls", s->calls) : MU_OK;
}

static mu_status begin_place(void *self, size_t size_bytes, mu_error *err)
{
    shelf *s = self;
    assert_null(s->open.data);
    s->open = (bytes){ calloc(size_bytes, 1), size_bytes };
    assert_true(s->open.data && size_bytes);
    s->written = 0;
    return call(s, err);
}

static mu_status put(void *self, const void *data, size_t size_bytes, mu_error *err)
{
    shelf *s = self;
    assert_true(s->open.data && size_bytes && size_bytes <= s->open.count - s->written);
    memcpy(s->open.data + s->written, data, size_bytes);
    s->written += size_bytes;
    return call(s, err);
}

static mu_status end_place(void *self, mu_error *err)
{
    shelf *s = self;
    assert_true(s->last <= STEPS && s->written == s->open.count);
    assert_null(s->places[s->last].data);
    s->places[s->last] = s->open;
    s->open = (bytes){ 0 };
    return call(s, err);
}

static bool take(void *self, void *data, size_t size_bytes)
{
    shelf *s = self;
    if (size_bytes > s->from.count - s->taken)
        return false;
    memcpy(data, s->from.data + s->taken, size_bytes);
    s->taken += size_bytes;
    return true;
}

static void clear(shelf *s)
{
    for (size_t i = 0; i <= STEPS; i++)
        free(s->places[i].data);
    free(s->open.data);
    *s = (shelf){ 0 };
}

/* ---- a method that looks at all there is ---- */

/* Begins somewhere else. */
static void begin_elsewhere(void *state, const mu_step_view *view)
{
    (void)state;
    assert_int_equal(view->step, 0);
    for (size_t i = 0; i < view->count; i++)
        view->params[i] += 0.01f * view->own[0][i];
}

/* FedProx's pull, where there is something to be pulled to, and SCAFFOLD's correction. */
static void correct(void *state, const mu_step_view *view)
{
    (void)state;
    for (size_t i = 0; i < view->count; i++)
        view->gradient[i] += view->received[0][i] - view->own[0][i] + (view->round_start ? 0.1f * (view->params[i] - view->round_start[i]) : 0) +
                             0.001f * (float)view->step;
}

static void send_back(void *state, const mu_step_view *view)
{
    (void)state;
    for (size_t i = 0; i < view->count; i++)
        view->sent[0][i] = (view->round_start[i] - view->params[i]) / (float)view->step;
}

static const mu_how correcting = { .begin = begin_elsewhere, .gradient = correct, .end = send_back, .manner = manner_of };
static const mu_how correcting_parts = { .begin = begin_elsewhere, .gradient = correct, .end = send_back, .choose = choose, .manner = manner_of };

/* Of what is done, all of it. */
static double afford(const void *clock, const mu_plan *plan, uint64_t done_macs)
{
    (void)clock, (void)plan;
    return 1000.0 + (double)done_macs;
}

/* ---- a task ---- */

typedef struct task {
    trial         t;
    const mu_how *how;
    float        *vectors[3]; /* received, own, sent */
    uint64_t      seed, device;
    uint32_t      num_examples;
    double        afforded[STEPS];
} task;

static task task_of(trial t, const mu_how *how)
{
    const size_t count = mu_model_state_count(t.s.model);
    task k = { .t = t, .how = how, .vectors = { floats(count), floats(count), floats(count) }, .seed = SEED, .device = DEVICE,
               .num_examples = EXAMPLES };
    mu_random random = mu_random_stream(31, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < count; i++) {
        k.vectors[0][i] = 0.01f * mu_random_unit_float(&random);
        k.vectors[1][i] = 0.01f * mu_random_unit_float(&random);
    }
    return k;
}

static void task_destroy(task *k)
{
    for (size_t i = 0; i < MU_COUNT(k->vectors); i++)
        free(k->vectors[i]);
    trial_destroy(&k->t);
}

/* With a trainer of its own, as after a start. */
static mu_status try_task(task *k, shelf *s, outcome *o, mu_error *err)
{
    const size_t count = mu_model_state_count(k->t.s.model);
    const mu_keeper keeper = { .self = s, .is_due = is_due, .begin = begin_place, .put = put, .end = end_place, .take = take };
    const mu_examples examples = { .self = &k->t.examples, .count = k->num_examples, .read = read_book };
    method m = k->t.method;
    const float *received = k->vectors[0], *own = k->vectors[1];
    mu_local local = { .how = k->how, .state = &m, .received = &received, .own = &own, .sent = &k->vectors[2], .classes = o->classes,
                       .afford = afford, .keeper = s ? &keeper : NULL };
    memset(k->vectors[2], 0, count * sizeof(float));
    o->delta = floats(count);
    if (m.afforded)
        m.afforded = k->afforded;
    mu_trainer *trainer = trainer_of(&k->t);
    mu_status status = mu_trainer_run(trainer, &k->t.plan, &examples, k->t.s.whole, k->seed, k->device, &local, s ? &s->stop : NULL, o->delta,
                                      &o->update, err);
    o->peak_bytes = mu_trainer_peak_bytes(trainer);
    mu_trainer_destroy(trainer);
    return status;
}

static outcome do_task(task *k, shelf *s)
{
    outcome o = { 0 };
    mu_error err = { 0 };
    if (try_task(k, s, &o, &err))
        fail_msg("%s", err.message);
    return o;
}

static void check_outcome(const task *k, const outcome *o, const outcome *expected, const float *sent, const char *what)
{
    const size_t count = mu_model_state_count(k->t.s.model);
    check_same(&k->t, o, expected, what);
    const bool chooses = k->how && k->how->choose; /* whose widest part may be done */
    assert_true(chooses ? o->peak_bytes <= expected->peak_bytes : o->peak_bytes == expected->peak_bytes);
    assert_memory_equal(k->vectors[2], sent, count * sizeof(float));
    assert_ptr_equal(!o->update.classes, !expected->update.classes);
    assert_memory_equal(o->classes, expected->classes, sizeof o->classes);
    assert_int_equal(o->update.num_examples, expected->update.num_examples);
}

/* The task from this place, which is good for going on after so many mini-batches; 0: it is no good. */
static void check_from(task *k, bytes place, uint32_t step, const outcome *expected, const float *sent, const char *what)
{
    shelf s = { .from = place };
    outcome o = do_task(k, &s);
    assert_int_equal(s.first, step < STEPS ? step + 1 : 0);
    check_outcome(k, &o, expected, sent, what);
    free(o.delta);
    clear(&s);
}

/* Stopped after so many mini-batches. What is then kept is what is kept there on the way. */
static void check_stop(task *k, bytes from, uint32_t step, bytes expected)
{
    shelf s = { .from = from, .stop_after = step };
    outcome o = { 0 };
    assert_int_equal(try_task(k, &s, &o, NULL), MU_E_INTERRUPTED);
    assert_int_equal(s.last, step);
    assert_int_equal(s.places[step].count, expected.count);
    assert_memory_equal(s.places[step].data, expected.data, expected.count);
    free(o.delta);
    clear(&s);
}

static float *copy_of(const float *x, size_t count)
{
    float *copy = floats(count);
    memcpy(copy, x, count * sizeof *x);
    return copy;
}

/* Switched off after every mini-batch, and stopped after every one, from the beginning and from the place before. */
static void check_task(task *k, const char *what)
{
    outcome expected = do_task(k, NULL);
    float *sent = copy_of(k->vectors[2], mu_model_state_count(k->t.s.model));
    assert_true(expected.update.squared_norm > 0 && isfinite(expected.update.squared_norm) && expected.update.steps == STEPS);
    shelf all = { .always = true };
    outcome o = do_task(k, &all);
    assert_int_equal(all.last, STEPS);
    check_outcome(k, &o, &expected, sent, what); /* keeping changes nothing */
    free(o.delta);
    for (uint32_t step = 1; step <= STEPS; step++) {
        check_from(k, all.places[step], step, &expected, sent, what);
        if (step < STEPS)
            check_stop(k, step % 2 ? all.places[step - 1] : (bytes){ 0 }, step, all.places[step]);
    }
    check_from(k, (bytes){ 0 }, 0, &expected, sent, what);
    clear(&all);
    free(sent);
    free(expected.delta);
}

/* ---- going on ---- */

static void a_plan_goes_on(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int kind = 0; kind < 3; kind++) {
            trial t = make_trial(i);
            optimise(&t, kind);
            if (i % 2)
                t.plan.train.max_steps = STEPS; /* as many as there are */
            task k = task_of(t, kind == 1 ? NULL : &not_choosing);
            check_task(&k, "plain");
            task_destroy(&k);
        }
}

static void a_part_goes_on(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++) {
        trial t = make_trial(i);
        t.method.manner = (mu_manner){ .scaled = true, .masked = i % 2 };
        t.examples.odd = i % 2;
        optimise(&t, i % 3);
        keep_a_part(&t);
        task k = task_of(t, &not_choosing);
        check_task(&k, "a part");
        task_destroy(&k);
    }
}

static void parts_for_mini_batches_go_on(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (int kind = 0; kind < 4; kind++) {
            trial t = make_trial(i);
            t.method.rule = ANYTHING;
            t.method.manner = (mu_manner){ .teaches = kind % 2, .label_weight = 0.3, .teacher_weight = 0.7, .temperature = 2, .scaled = kind > 1,
                                           .masked = kind == 2 };
            t.examples.odd = kind == 2;
            optimise(&t, (int)(i + (size_t)kind) % 3);
            if (kind > 1)
                keep_a_part(&t);
            task k = task_of(t, &choosing);
            check_task(&k, "parts for mini-batches");
            task_destroy(&k);
        }
}

static void sets_of_statistics_go_on(void **unused)
{
    (void)unused;
    for (int teaches = 0; teaches < 2; teaches++) {
        mu_model *model = test_model_of(test_branches, (mu_shape){ 8, 8, 3 }, 5);
        assert_int_equal(mu_model_add_statistics(model, 3, NULL), MU_OK);
        trial t = trial_create(model);
        t.method = (method){ .rule = ANYTHING, .sets = true, .manner = { .teaches = teaches, .label_weight = 1, .temperature = 1 } };
        optimise(&t, 0);
        task k = task_of(t, &choosing);
        check_task(&k, "sets of statistics");
        task_destroy(&k);
    }
}

static void methods_go_on(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 8; kind++) {
        trial t = make_trial(kind % 2 ? 1 : SUBJECTS - 1);
        t.method.rule = ANYTHING;
        t.method.manner = (mu_manner){ .teaches = kind == 6, .label_weight = 1, .teacher_weight = 1, .temperature = 1 };
        optimise(&t, kind % 3);
        if (kind > 3)
            keep_a_part(&t);
        task k = task_of(t, kind / 2 % 2 ? &correcting_parts : &correcting);
        check_task(&k, "hooks");
        task_destroy(&k);
    }
}

/* What is done of the task is what it was, so that a clock says the same. */
static void the_pace_goes_on(void **unused)
{
    (void)unused;
    trial t = make_trial(0);
    t.method = (method){ .rule = FIRST_HALF, .afforded = (double[STEPS]){ 0 } };
    t.plan.step_time_s = 2.5;
    task k = task_of(t, &choosing);
    shelf all = { .always = true };
    outcome o = do_task(&k, &all);
    double expected[STEPS];
    memcpy(expected, k.afforded, sizeof expected);
    free(o.delta);
    for (uint32_t step = 1; step <= STEPS; step++) {
        shelf s = { .from = all.places[step] };
        memset(k.afforded, 0, sizeof k.afforded);
        o = do_task(&k, &s);
        for (uint32_t n = 0; n < STEPS; n++)
            assert_true(k.afforded[n] == (n < step ? 0 : expected[n]));
        free(o.delta);
    }
    assert_true(expected[1] > expected[0]);
    clear(&all);
    task_destroy(&k);
}

/* A memory limit changes no bit, and may be another one when the task goes on. */
static void it_goes_on_within_a_memory_limit(void **unused)
{
    (void)unused;
    trial t = make_trial(7);
    optimise(&t, 0);
    task k = task_of(t, NULL);
    size_t full = 0, smallest = 0;
    mu_plan *plan = &k.t.plan;
    assert_int_equal(mu_plan_peak_memory(t.s.model, plan, EXAMPLES, false, &full, NULL, NULL), MU_OK);
    plan->memory_limit_bytes = 1;
    assert_int_equal(mu_plan_peak_memory(t.s.model, plan, EXAMPLES, true, &smallest, NULL, NULL), MU_OK);
    assert_true(smallest < full);
    plan->memory_limit_bytes = 0;
    outcome expected = do_task(&k, NULL);
    plan->memory_limit_bytes = (smallest + full) / 2;
    check_task(&k, "within a limit");
    shelf all = { .always = true };
    outcome o = do_task(&k, &all);
    check_same(&k.t, &o, &expected, "within a limit");
    free(o.delta);
    for (int i = 0; i < 2; i++) {
        shelf s = { .from = all.places[3] };
        plan->memory_limit_bytes = i ? 0 : smallest;
        o = do_task(&k, &s);
        assert_int_equal(s.first, 4);
        assert_true(i ? o.peak_bytes == full : o.peak_bytes <= smallest);
        check_same(&k.t, &o, &expected, "within another limit");
        free(o.delta);
    }
    free(expected.delta);
    clear(&all);
    task_destroy(&k);
}

/* ---- places that are no good ---- */

/* A small network with something of everything: momentum, masked classes, and parts of it if it chooses. */
static task small_task(int kind)
{
    trial t = trial_create(test_model_with(sequence, (mu_shape){ 1, 1, 6 }, 2, 2, 2));
    t.method.rule = ANYTHING;
    t.method.manner = (mu_manner){ .masked = true, .teaches = kind == 2, .label_weight = 1, .teacher_weight = 1, .temperature = 1 };
    optimise(&t, kind ? 2 : 0);
    return task_of(t, kind ? &choosing : &not_choosing);
}

static void damaged_places_are_refused(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 3; kind++) {
        task k = small_task(kind);
        shelf all = { .always = true };
        outcome expected = do_task(&k, &all);
        float *sent = copy_of(k.vectors[2], mu_model_state_count(k.t.s.model));
        bytes good = all.places[4];
        for (size_t count = 0; count < good.count; count++)
            check_from(&k, (bytes){ good.data, count }, 0, &expected, sent, "cut off");
        for (size_t i = 0; i < good.count; i++) {
            const unsigned char before = good.data[i];
            good.data[i] = (unsigned char)(before ^ 1u << i % 8);
            check_from(&k, good, 0, &expected, sent, "damaged");
            good.data[i] = before;
        }
        check_from(&k, good, 4, &expected, sent, "whole");
        clear(&all);
        free(sent);
        free(expected.delta);
        task_destroy(&k);
    }
}

enum { OTHERS = 17 };

/* One thing about the task is another. */
static void change(task *k, int which)
{
    mu_plan *plan = &k->t.plan;
    switch (which) {
    case 0: plan->version++; break;
    case 1: plan->ordinal++; break;
    case 2: plan->phase++; break;
    case 3: k->seed++; break;
    case 4: k->device++; break;
    case 5: k->num_examples--; break; /* of as many mini-batches */
    case 6: plan->learning_rate *= 2; break;
    case 7: plan->train.momentum = 0.5; break;
    case 8: plan->train.weight_decay = 0; break;
    case 9: plan->train.nesterov = false; break;
    case 10: plan->train.optimizer = MU_OPTIMIZER_ADAM; break;
    case 11: plan->train.max_steps = STEPS; break;
    case 12: k->t.s.whole[3] += 1; break;
    case 13: k->how = &choosing; break;
    case 14: k->t.method.manner.masked = false; break;
    case 15: k->t.method.manner.scaled = true; break;
    default: keep_a_part(&k->t); break;
    }
}

static void places_of_other_tasks_are_refused(void **unused)
{
    (void)unused;
    for (int which = 0; which < OTHERS; which++) {
        task one = small_task(0), other = small_task(0);
        change(&other, which);
        shelf all = { .always = true };
        outcome o = do_task(&one, &all), expected = do_task(&other, NULL);
        float *sent = copy_of(other.vectors[2], mu_model_state_count(other.t.s.model));
        for (uint32_t step = 1; step <= STEPS; step++)
            check_from(&other, all.places[step], 0, &expected, sent, "of another task");
        clear(&all);
        free(sent);
        free(o.delta);
        free(expected.delta);
        task_destroy(&one);
        task_destroy(&other);
    }
}

/* The same units in number, but others. */
static void a_place_of_another_part_is_refused(void **unused)
{
    (void)unused;
    task k = small_task(0);
    const mu_unit_group *group = mu_units_group(k.t.s.units, 0);
    for (size_t u = 0; u < mu_units_count(k.t.s.units); u++)
        k.t.s.kept[u] = u != group->first;
    k.t.plan.kept = k.t.s.kept;
    shelf all = { .always = true };
    outcome o = do_task(&k, &all);
    free(o.delta);
    k.t.s.kept[group->first] = true;
    k.t.s.kept[group->first + 1] = false;
    shelf s = { .from = all.places[2] };
    o = do_task(&k, &s);
    assert_int_equal(s.first, 1);
    free(o.delta);
    clear(&all);
    task_destroy(&k);
}

/* ---- a keeper that fails ---- */

static void what_a_keeper_fails_with_is_said(void **unused)
{
    (void)unused;
    for (int stopped = 0; stopped < 2; stopped++) {
        task k = small_task(0);
        uint32_t fails_at = 0;
        mu_status status;
        do {
            shelf s = { .always = !stopped, .stop_after = stopped ? 2 : 0, .fails_at = ++fails_at };
            outcome o = { 0 };
            mu_error err = { 0 };
            status = try_task(&k, &s, &o, &err);
            if (status == MU_E_IO) {
                assert_non_null(strstr(err.message, "no room"));
                assert_int_equal(s.calls, fails_at); /* nobody is called after that */
            }
            free(o.delta);
            clear(&s);
        } while (status == MU_E_IO);
        assert_int_equal(status, stopped ? MU_E_INTERRUPTED : MU_OK);
        const uint32_t calls = 1 + 5 + 1; /* begin; the numbers, weights, momentum, classes and checksum; end */
        assert_int_equal(fails_at, 1 + calls * (stopped ? 1 : STEPS));
        task_destroy(&k);
    }
}

/* Where nothing was done since, or nothing at all, there is nothing to keep. */
static void a_place_is_kept_once(void **unused)
{
    (void)unused;
    task k = small_task(0);
    for (int i = 0; i < 3; i++) {
        shelf all = { .always = true }, s = { .stop = i != 2, .always = i == 2, .stop_after = 3 };
        outcome o = do_task(&k, &all);
        free(o.delta);
        s.from = i == 1 ? all.places[3] : (bytes){ 0 };
        o = (outcome){ 0 };
        mu_error err = { 0 };
        assert_int_equal(try_task(&k, &s, &o, &err), MU_E_INTERRUPTED);
        assert_string_equal(err.message, i ? "training stopped after 3 of 6 steps" : "training stopped after 0 of 6 steps");
        assert_int_equal(s.calls, i == 2 ? 3 * 7 : 0);
        free(o.delta);
        clear(&all);
        clear(&s);
    }
    task_destroy(&k);
}

/* A model that is only carried has no mini-batches: nobody asks the keeper anything. */
static void what_is_carried_has_no_place(void **unused)
{
    (void)unused;
    task k = small_task(0);
    k.t.plan.train.local_epochs = 0;
    shelf s = { .always = true, .from = { (unsigned char[]){ "none" }, 4 } };
    outcome o = do_task(&k, &s);
    assert_true(s.first == 0 && s.taken == 0 && s.calls == 0 && o.update.steps == 0);
    free(o.delta);
    task_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_goes_on),
        cmocka_unit_test(a_part_goes_on),
        cmocka_unit_test(parts_for_mini_batches_go_on),
        cmocka_unit_test(sets_of_statistics_go_on),
        cmocka_unit_test(methods_go_on),
        cmocka_unit_test(the_pace_goes_on),
        cmocka_unit_test(it_goes_on_within_a_memory_limit),
        cmocka_unit_test(damaged_places_are_refused),
        cmocka_unit_test(places_of_other_tasks_are_refused),
        cmocka_unit_test(a_place_of_another_part_is_refused),
        cmocka_unit_test(what_a_keeper_fails_with_is_said),
        cmocka_unit_test(a_place_is_kept_once),
        cmocka_unit_test(what_is_carried_has_no_place),
    };
    return cmocka_run_group_tests_name("going on", tests, NULL, NULL);
}
