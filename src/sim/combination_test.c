/* Every answer with every other. The methods are those in the registry, whatever they are (and `relay`, below), so a new one is tried here without
 * being named:
 *
 *   - any three questions answered by any three methods, the others by fedavg;
 *   - every method with all that it answers, and any one question answered by any other.
 *
 *   - any `who` with any `when` and any `what` in a dry run, which trains nothing.
 *
 * Each combination runs three rounds of a tiny federation whose devices differ in speed, come and go. It ends with finite weights, and what it told
 * meanwhile is sound (watch_support.h); or it is refused when the experiment is read, for the reason that stands in the table below. A
 * refusal that is not in the table is a failure, and so is a row of it that no combination needs. */
#include "sim/watch_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* `method` answers `question`, and who answers `other` is (or is not) `partner`. */
typedef struct refusal {
    const char *method;
    mu_question question, other;
    bool        unless;  /* refused unless the partner answers the other question */
    const char *partner;
    const char *reason;  /* part of the sentence */
    bool        needed;
} refusal;

static refusal refusals[] = {
    { "scaffold", MU_HOW, MU_MERGE, true, "scaffold", "has to answer both 'how' and 'merge'", false },
    { "scaffold", MU_MERGE, MU_HOW, true, "scaffold", "has to answer both 'how' and 'merge'", false },
    { "fednova", MU_MERGE, MU_HOW, false, "fedprox", "fednova has to know the proximal term", false },
    { "fedhisyn", MU_WHEN, MU_HOW, false, "scaffold", "in a ring an update holds the work of several devices", false },
    { "heterofl", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "fedrolex", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "federated-dropout", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "fluid", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "afd", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "fluid", MU_WHAT, MU_MERGE, true, "fluid", "fluid has to answer both 'what' and 'merge'", false },
    { "fluid", MU_MERGE, MU_WHAT, true, "fluid", "fluid has to answer both 'what' and 'merge'", false },
    { "afd", MU_WHAT, MU_MERGE, true, "afd", "afd has to answer both 'what' and 'merge'", false },
    { "afd", MU_MERGE, MU_WHAT, true, "afd", "afd has to answer both 'what' and 'merge'", false },
    { "fjord", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "fjord", MU_WHAT, MU_HOW, true, "fjord", "it has to answer 'what', 'how' and 'merge'", false },
    { "fjord", MU_WHAT, MU_MERGE, true, "fjord", "it has to answer 'what', 'how' and 'merge'", false },
    { "fjord", MU_HOW, MU_WHAT, true, "fjord", "it has to answer 'what', 'how' and 'merge'", false },
    { "fjord", MU_HOW, MU_MERGE, true, "fjord", "it has to answer 'what', 'how' and 'merge'", false },
    { "fjord", MU_MERGE, MU_WHAT, true, "fjord", "it has to answer 'what', 'how' and 'merge'", false },
    { "fjord", MU_MERGE, MU_HOW, true, "fjord", "it has to answer 'what', 'how' and 'merge'", false },
    { "distreal", MU_WHAT, MU_HOW, true, "distreal", "distreal has to answer both 'what' and 'how'", false },
    { "distreal", MU_HOW, MU_WHAT, true, "distreal", "distreal has to answer both 'what' and 'how'", false },
    { "small", MU_WHAT, MU_HOW, false, "scaffold", "keeps and sends beside the weights is of the whole", false },
    { "relay", MU_WHEN, MU_HOW, false, "scaffold", "what devices keep", false },
    { "fedhisyn", MU_WHEN, MU_MERGE, false, "fednova", "in the rings of fedhisyn a change is the work of several devices", false },
};

/* ---- a schedule of the test's own: one device trains, another goes on from what came out, and what it sends is merged. So every merge meets
 * updates that did not start from a version. ---- */

typedef struct relay_state {
    mu_held_id first;
} relay_state;

enum { LABEL_FIRST, LABEL_SECOND };

static mu_status relay_send(mu_control *control, mu_sending sending, uint32_t *count, mu_error *err)
{
    mu_status status = mu_control_select(control, NULL, 1, &sending.device, count, err);
    return status || *count == 0 ? status : mu_control_send(control, &sending, err);
}

static mu_status relay_begin(mu_control *control, void *self, mu_error *err)
{
    (void)self;
    uint32_t count = 0;
    if (mu_control_is_finished(control))
        return MU_OK;
    mu_status status = relay_send(control, (mu_sending){ .label = LABEL_FIRST }, &count, err);
    return status || count ? status : mu_control_set_timer(control, mu_control_next_ready(control), 0, err);
}

static mu_status relay_make_version(mu_control *control, void *self, mu_error *err)
{
    mu_status status = mu_control_folded(control) ? mu_control_commit(control, err) : MU_OK;
    return status ? status : relay_begin(control, self, err);
}

/* The second was lost, or there was none. */
static mu_status relay_end_with_first(mu_control *control, relay_state *state, mu_error *err)
{
    const mu_held *held = mu_control_held_named(control, state->first);
    mu_status status = mu_control_fold(control, &held->task, &held->update, err);
    mu_control_drop(control, state->first);
    return status ? status : relay_make_version(control, state, err);
}

static mu_status relay_arrived(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    relay_state *state = self;
    uint32_t count = 0;
    if (task->label == LABEL_SECOND) {
        mu_control_drop(control, state->first);
        mu_status status = mu_control_fold(control, task, update, err);
        return status ? status : relay_make_version(control, state, err);
    }
    mu_status status = mu_control_hold(control, state, task, update, &state->first, err);
    if (!status)
        status = relay_send(control, (mu_sending){ .down = MU_LEG_PEER, .label = LABEL_SECOND, .from = state->first }, &count, err);
    return status || count ? status : relay_end_with_first(control, state, err);
}

static mu_status relay_lost(mu_control *control, void *self, const mu_task *task, mu_error *err)
{
    return task->label == LABEL_FIRST ? relay_begin(control, self, err) : relay_end_with_first(control, self, err);
}

static mu_status relay_timer(mu_control *control, void *self, uint64_t label, mu_error *err)
{
    (void)label;
    return relay_begin(control, self, err);
}

static mu_status relay_check_setting(const void *self, const mu_setting *setting, mu_error *err)
{
    (void)self;
    const mu_method *how = setting->answers[MU_HOW];
    mu_vectors vectors = how->vectors ? how->vectors(setting->states[MU_HOW]) : (mu_vectors){ 0 };
    return vectors.own || vectors.sent ? mu_error_set(err, MU_E_CONFIG, "a relay cannot go with what devices keep") : MU_OK;
}

static const mu_method relay = {
    .name = "relay", .paper = "none: a test", .help = "each version made by two devices, one after the other",
    .state_bytes = sizeof(relay_state), .check_setting = relay_check_setting,
    .when = &(const mu_when){ .started = relay_begin, .arrived = relay_arrived, .lost = relay_lost, .timer = relay_timer },
};

/* ---- a tiny federation ---- */

static const char experiment_text[] =
    "seed: 3\nrounds: 3\n"
    "model: {layers: [{average_pool: pool, size: 7}, flatten, {dense: hidden, units: 6}, relu, {dense: fc}]}\n"
    "data: {name: writers, devices: 8, examples_per_device: 6, test_examples: 5}\n"
    "train: {local_epochs: 2, batch_size: 4, learning_rate: 0.05}\n"
    "evaluate: {every_rounds: 0, tier_examples: 0}\n"
    "fleet:\n"
    "  mix: {slow: 0.4, medium: 0.3, fast: 0.3}\n"
    "  speed_spread: 0.5\n"
    "  classes:\n"
    "    slow: {extend: phone-low, macs_per_s: 30000}\n"
    "    medium: {extend: phone-mid, macs_per_s: 100000}\n"
    "    fast: {extend: phone-high, macs_per_s: 300000}\n"
    "  availability: {trace: %s}\n";

/* With classes so slow, tasks for so small a model take some tenths of a second. */
static const char trace_text[] =
    "trace_len_s,on_intervals_s\n"
    "2,0-2\n"
    "2,0-0.9;1-2\n"
    "2,0-0.35;0.6-2\n"
    "2,0.5-1.6\n"
    "2,0-2\n"
    "2,0-0.15;0.2-0.3;0.4-2\n"
    "2,1-1.5\n"
    "2,0-2\n";

typedef struct world {
    char     trace_path[64], path[64];
    uint32_t runs, refused, failures;
    uint64_t happened[MU_HAPPENED_DISCARDED + 1];
    watch    watch;
} world;

typedef struct combination {
    const mu_method *answers[MU_QUESTION_COUNT];
    bool             dry;
} combination;

static const mu_method *fedavg(void)
{
    return mu_method_named("fedavg");
}

static combination all_by_fedavg(void)
{
    combination c = { 0 };
    for (int q = 0; q < MU_QUESTION_COUNT; q++)
        c.answers[q] = fedavg();
    return c;
}

static void describe(const combination *c, char *text, size_t capacity_bytes)
{
    size_t used = 0;
    *text = '\0';
    for (int q = 0; q < MU_QUESTION_COUNT && used < capacity_bytes; q++)
        if (c->answers[q] != fedavg())
            used += (size_t)snprintf(text + used, capacity_bytes - used, "%s=%s ", mu_question_name((mu_question)q), c->answers[q]->name);
    if (used < capacity_bytes)
        snprintf(text + used, capacity_bytes - used, "%s", c->dry ? "dry" : "");
}

static bool is_refused_by(const refusal *r, const combination *c)
{
    bool together = strcmp(c->answers[r->other]->name, r->partner) == 0;
    return strcmp(c->answers[r->question]->name, r->method) == 0 && together != r->unless;
}

static void complain(world *w, const combination *c, const char *what, const char *message)
{
    char text[256];
    describe(c, text, sizeof text);
    if (w->failures++ < 20)
        print_error("%s: %s%s%s\n", text, what, *message ? ": " : "", message);
}

/* Refused: is there a row for it, with this reason? */
static void look_at_refusal(world *w, const combination *c, const char *message)
{
    bool known = false;
    w->refused++;
    for (size_t i = 0; i < MU_COUNT(refusals); i++)
        if (is_refused_by(&refusals[i], c) && strstr(message, refusals[i].reason))
            known = refusals[i].needed = true;
    if (!known)
        complain(w, c, "refused, and not for a reason in the table", message);
}

static void look_at_end(world *w, const combination *c, const run_result *result)
{
    for (size_t i = 0; i < MU_COUNT(refusals); i++)
        if (is_refused_by(&refusals[i], c))
            complain(w, c, "accepted, and in the table of refusals", refusals[i].reason);
    if (result->status)
        complain(w, c, "failed", result->err.message);
    else if (result->totals.rounds != 3 || result->totals.updates_merged == 0)
        complain(w, c, "ended without three rounds, or without an update", "");
    else if (!is_finite(result))
        complain(w, c, "ended with weights that are not finite", "");
    else if (*w->watch.complaint)
        complain(w, c, "told what cannot be", w->watch.complaint);
    for (size_t i = 0; i < MU_COUNT(w->happened); i++)
        w->happened[i] += w->watch.totals[i];
}

static void try_out(world *w, const combination *c)
{
    char texts[MU_QUESTION_COUNT][64];
    const char *settings[MU_QUESTION_COUNT + 1];
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        snprintf(texts[q], sizeof texts[q], "%s={method: %s}", mu_question_name((mu_question)q), c->answers[q]->name);
        settings[q] = texts[q];
    }
    settings[MU_QUESTION_COUNT] = "train=none";
    const mu_observer observer = watch_observer(&w->watch);
    const mu_method *const own[] = { &relay };
    const run_setup setup = { .path = w->path, .settings = settings, .setting_count = MU_QUESTION_COUNT + c->dry, .workers = 1,
                              .observer = &observer, .methods = own, .method_count = MU_COUNT(own) };
    run_result result = run_experiment(&setup);
    w->runs++;
    if (result.loaded)
        look_at_end(w, c, &result);
    else
        look_at_refusal(w, c, result.err.message);
    free(result.state);
}

/* ---- all of them ---- */

static void any_three(world *w, const mu_method *const *methods, size_t count, mu_question a, mu_question b, mu_question c, bool dry)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            for (size_t k = 0; k < count; k++)
                if (mu_method_answers(methods[i], a) && mu_method_answers(methods[j], b) && mu_method_answers(methods[k], c)) {
                    combination one = all_by_fedavg();
                    one.dry = dry;
                    one.answers[a] = methods[i];
                    one.answers[b] = methods[j];
                    one.answers[c] = methods[k];
                    try_out(w, &one);
                }
}

static void its_own_and_one_other(world *w, const mu_method *const *methods, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        combination own = all_by_fedavg();
        for (int q = 0; q < MU_QUESTION_COUNT; q++)
            if (mu_method_answers(methods[i], (mu_question)q))
                own.answers[q] = methods[i];
        for (int q = 0; q < MU_QUESTION_COUNT; q++)
            for (size_t j = 0; j < count; j++)
                if (mu_method_answers(methods[j], (mu_question)q)) {
                    combination one = own;
                    one.answers[q] = methods[j];
                    try_out(w, &one);
                }
    }
}

static void every_combination_runs_or_is_refused_with_the_reason(void **unused)
{
    (void)unused;
    world w = { 0 };
    char text[1024];
    write_text(trace_text, w.trace_path);
    snprintf(text, sizeof text, experiment_text, w.trace_path);
    write_text(text, w.path);
    size_t count;
    const mu_method *const *registered = mu_methods(&count);
    const mu_method **methods = malloc((count + 1) * sizeof *methods);
    memcpy(methods, registered, count * sizeof *methods);
    methods[count++] = &relay;
    for (int a = 0; a < MU_QUESTION_COUNT; a++)
        for (int b = a + 1; b < MU_QUESTION_COUNT; b++)
            for (int c = b + 1; c < MU_QUESTION_COUNT; c++)
                any_three(&w, methods, count, (mu_question)a, (mu_question)b, (mu_question)c, false);
    its_own_and_one_other(&w, methods, count);
    any_three(&w, methods, count, MU_WHO, MU_WHAT, MU_WHEN, true);
    print_message("%u combinations, %u of them refused; tasks:", w.runs, w.refused);
    for (int i = 0; i <= MU_HAPPENED_DISCARDED; i++)
        print_message(" %llu %s", (unsigned long long)w.happened[i], mu_happening_name((mu_happening)i));
    print_message("\n");
    assert_true(w.happened[MU_HAPPENED_LOST] > 100 && w.happened[MU_HAPPENED_CANCELLED] > 100); /* so devices do come and go */
    for (size_t i = 0; i < MU_COUNT(refusals); i++)
        if (!refusals[i].needed) {
            print_error("no combination was refused by the row of '%s': %s\n", refusals[i].method, refusals[i].reason);
            w.failures++;
        }
    free(methods);
    unlink(w.path);
    unlink(w.trace_path);
    assert_int_equal(w.failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_combination_runs_or_is_refused_with_the_reason) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
