/* The search for parts: its data, its trials against a training by hand, and that what comes of it depends on nothing but seed and settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "method/width_rules.h"
#include "search/proxy_data.h"
#include "search/width_search.h"

#include <math.h>

enum { HELD_OUT = 20, STEPS = 3, GROUPS = 4 }; /* lenet5 has four groups */

static void assert_good(mu_status status, const mu_error *err)
{
    if (status)
        print_error("%s: %s\n", mu_status_name(status), err->message);
    assert_int_equal(status, MU_OK);
}

/* What all searches here have in common. */
typedef struct setting {
    mu_data        *data;
    mu_proxy_data  *examples;
    mu_model       *model;
    mu_units       *units;
    mu_train_config train;
} setting;

static setting set_up(void)
{
    static const char text[] = "data: {name: writers, devices: 5, examples_per_device: 16, test_examples: 10}\ntrain: {batch_size: 4, learning_rate: 0.1}\n";
    setting s;
    mu_error err;
    mu_conf *conf;
    assert_good(mu_conf_parse("test", text, strlen(text), &conf, &err), &err);
    assert_good(mu_data_open(mu_conf_get(mu_conf_root(conf), "data"), 1, &s.data, &err), &err);
    assert_good(mu_train_config_read(mu_conf_get(mu_conf_root(conf), "train"), &s.train, &err), &err);
    mu_conf_destroy(conf);
    assert_good(mu_proxy_data_create(s.data, HELD_OUT, 1, &s.examples, &err), &err);
    assert_good(mu_model_create_builtin("lenet5", NULL, mu_data_shape(s.data), 10, &s.model, &err), &err);
    assert_good(mu_units_create(s.model, &s.units, &err), &err);
    assert_int_equal(mu_units_group_count(s.units), GROUPS);
    return s;
}

static void tear_down(setting *s)
{
    mu_units_destroy(s->units);
    mu_model_destroy(s->model);
    mu_proxy_data_destroy(s->examples);
    mu_data_close(s->data);
}

static mu_proxy *make_proxy(const setting *s, uint64_t seed, uint32_t workers, bool (*watch)(void *, uint32_t, uint32_t), void *self)
{
    const mu_proxy_config config = {
        .model = s->model, .units = s->units, .train = &s->train, .training = mu_proxy_data_training(s->examples),
        .validation = mu_proxy_data_validation(s->examples), .draw = mu_width_random, .seed = seed, .snapshots = 3, .training_steps = 20,
        .steps = STEPS, .workers = workers, .watch = watch, .self = self };
    mu_proxy *proxy;
    mu_error err;
    assert_good(mu_proxy_create(&config, &proxy, &err), &err);
    return proxy;
}

static mu_width_search_config config_of(const setting *s)
{
    return (mu_width_search_config){ .units = s->units, .counts_of = mu_width_counts_of_rates, .cost = { 0, 1, 0 }, .seed = 7, .population = 12,
                                     .repeats = 2, .most_rate = 0.9, .by_loss = true };
}

static mu_width_search *make_search(const setting *s)
{
    const mu_width_search_config config = config_of(s);
    mu_width_search *search;
    mu_error err;
    assert_good(mu_width_search_create(&config, &search, &err), &err);
    return search;
}

static void advance(mu_width_search *search, mu_proxy *proxy, int generations)
{
    mu_error err;
    for (int i = 0; i < generations; i++)
        assert_good(mu_width_search_advance(search, proxy, &err), &err);
}

typedef struct bytes {
    unsigned char *data;
    size_t         size_bytes;
} bytes;

static bytes saved(const mu_width_search *search)
{
    bytes out;
    mu_error err;
    assert_good(mu_width_search_encode(search, "settings", &out.data, &out.size_bytes, &err), &err);
    return out;
}

static void assert_same(bytes a, bytes b)
{
    assert_int_equal(a.size_bytes, b.size_bytes);
    assert_memory_equal(a.data, b.data, a.size_bytes);
}

/* ---- data ---- */

/* Every example of every device is in one of the two sources, once; none of the test set is. */
static void test_examples(void **state)
{
    (void)state;
    setting s = set_up();
    const mu_examples sources[] = { mu_proxy_data_training(s.examples), mu_proxy_data_validation(s.examples) };
    uint32_t all = 0, found = 0;
    enum { VALUES = 28 * 28 };
    for (uint32_t device = 0; device < mu_data_device_count(s.data); device++)
        all += mu_data_num_examples(s.data, device);
    assert_int_equal(sources[1].count, HELD_OUT);
    assert_int_equal(sources[0].count + sources[1].count, all);
    float *pool = malloc(all * VALUES * sizeof *pool), x[VALUES];
    int32_t *labels = malloc(all * sizeof *labels), label;
    bool *taken = calloc(all, sizeof *taken);
    assert_true(pool && labels && taken);
    for (uint32_t device = 0; device < mu_data_device_count(s.data); device++)
        for (uint32_t i = 0; i < mu_data_num_examples(s.data, device); i++, found++)
            mu_data_read(s.data, device, &i, 1, pool + (size_t)found * VALUES, &labels[found]);
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < sources[k].count; i++) {
            uint32_t at = 0;
            sources[k].read(sources[k].self, &i, 1, x, &label);
            while (at < all && (taken[at] || label != labels[at] || memcmp(x, pool + (size_t)at * VALUES, sizeof x) != 0))
                at++;
            assert_true(at < all);
            taken[at] = true;
        }
    free(taken);
    free(labels);
    free(pool);
    mu_proxy_data *other;
    mu_error err;
    assert_int_equal(mu_proxy_data_create(s.data, all / 2 + 1, 1, &other, &err), MU_E_RANGE);
    assert_int_equal(mu_proxy_data_create(s.data, 0, 1, &other, &err), MU_E_RANGE);
    tear_down(&s);
}

/* ---- trials ---- */

static mu_evaluation judge_by_hand(const setting *s, mu_trainer *trainer, float *weights)
{
    const mu_examples validation = mu_proxy_data_validation(s->examples), training = mu_proxy_data_training(s->examples);
    mu_evaluation worth;
    mu_error err;
    const size_t params = mu_model_param_count(s->model);
    if (mu_model_state_count(s->model) > params)
        assert_good(mu_trainer_statistics(trainer, NULL, 0, &training, 0, training.count, s->train.batch_size, weights, weights + params, &err), &err);
    assert_good(mu_trainer_evaluate(trainer, &validation, 0, validation.count, weights, &worth, &err), &err);
    return worth;
}

static void replace_model(setting *s, const char *text)
{
    mu_conf *conf;
    mu_error err;
    mu_units_destroy(s->units);
    mu_model_destroy(s->model);
    assert_good(mu_conf_parse("model", text, strlen(text), &conf, &err), &err);
    assert_good(mu_model_create_layers(mu_conf_root(conf), mu_data_shape(s->data), 10, &s->model, &err), &err);
    assert_good(mu_units_create(s->model, &s->units, &err), &err);
    mu_conf_destroy(conf);
}

/* A trial of the whole network from the first snapshot is a plain training from the first weights: the part that keeps everything changes nothing. */
static void expect_plain_training(const setting *setting_of)
{
    setting s = *setting_of;
    const size_t count = mu_model_state_count(s.model);
    float *weights = malloc(count * sizeof *weights), *delta = malloc(count * sizeof *delta);
    assert_true(weights && delta);
    const mu_proxy_config config = {
        .model = s.model, .units = s.units, .train = &s.train, .training = mu_proxy_data_training(s.examples),
        .validation = mu_proxy_data_validation(s.examples), .draw = mu_width_random, .seed = 5, .snapshots = 1, .training_steps = 20, .steps = STEPS,
        .workers = 1 };
    mu_proxy *proxy;
    mu_error err;
    assert_good(mu_proxy_create(&config, &proxy, &err), &err);
    uint32_t whole[GROUPS];
    for (uint32_t g = 0; g < mu_units_group_count(s.units); g++)
        whole[g] = mu_units_group(s.units, g)->count;
    mu_gain gain;
    assert_good(mu_proxy_gains(proxy, whole, 1, 4, 1, &gain, &err), &err);

    mu_trainer *trainer;
    assert_good(mu_trainer_create(s.model, s.units, &trainer, &err), &err);
    mu_model_init(s.model, 5, weights);
    const mu_evaluation before = judge_by_hand(&s, trainer, weights);
    mu_plan plan = { .ordinal = 4, .learning_rate = s.train.learning_rate, .train = s.train };
    plan.train.local_epochs = 1;
    plan.train.max_steps = STEPS;
    mu_update update;
    assert_good(mu_trainer_run(trainer, &plan, &config.training, weights, 5, 1, NULL, NULL, delta, &update, &err), &err);
    assert_int_equal(update.steps, STEPS);
    for (size_t i = 0; i < count; i++)
        weights[i] += delta[i];
    const mu_evaluation after = judge_by_hand(&s, trainer, weights);
    const double guessing = log(10), was = before.loss_sum / HELD_OUT < guessing ? before.loss_sum / HELD_OUT : guessing;
    const double is = after.loss_sum / HELD_OUT < guessing ? after.loss_sum / HELD_OUT : guessing;
    assert_true(gain.loss == was - is);
    assert_true(gain.accuracy == (double)after.correct / HELD_OUT - (double)before.correct / HELD_OUT);
    assert_true(mu_proxy_snapshot(proxy, 0).accuracy == (double)before.correct / HELD_OUT);
    mu_trainer_destroy(trainer);
    mu_proxy_destroy(proxy);
    free(delta);
    free(weights);
}

static void test_whole_network_is_plain_training(void **state)
{
    (void)state;
    setting s = set_up();
    expect_plain_training(&s);
    /* and with a batch norm, whose statistics are found anew */
    replace_model(&s, "layers: [{conv: c, channels: 6, kernel: 5, stride: 3}, {batch_norm: n}, relu, flatten, {dense: d}]");
    assert_true(mu_model_state_count(s.model) > mu_model_param_count(s.model));
    expect_plain_training(&s);
    tear_down(&s);
}

/* Another round is another training, and so is another part; who else is tried makes no difference. */
static void test_gains(void **state)
{
    (void)state;
    setting s = set_up();
    mu_proxy *proxy = make_proxy(&s, 5, 2, NULL, NULL);
    const uint32_t counts[3][GROUPS] = { { 3, 8, 60, 42 }, { 1, 2, 12, 8 }, { 3, 8, 60, 42 } };
    mu_gain a[3], b[3], alone;
    mu_error err;
    assert_good(mu_proxy_gains(proxy, counts[0], 3, 0, 2, a, &err), &err);
    assert_good(mu_proxy_gains(proxy, counts[0], 3, 1, 2, b, &err), &err);
    assert_good(mu_proxy_gains(proxy, counts[1], 1, 0, 2, &alone, &err), &err);
    assert_true(alone.loss == a[1].loss && alone.accuracy == a[1].accuracy); /* whoever else is tried */
    assert_true(a[0].loss == a[2].loss);                                    /* the same luck */
    assert_true(a[0].loss != b[0].loss && a[0].loss != a[1].loss);          /* other luck, another part */
    assert_true(mu_proxy_snapshot(proxy, 0).loss != mu_proxy_snapshot(proxy, 2).loss);
    for (uint32_t k = 0; k < 3; k++)
        assert_true(mu_proxy_snapshot(proxy, k).loss <= log(10));
    mu_proxy_destroy(proxy);
    tear_down(&s);
}

/* ---- the search ---- */

static void test_workers_and_resuming(void **state)
{
    (void)state;
    setting s = set_up();
    mu_proxy *one = make_proxy(&s, 5, 1, NULL, NULL), *three = make_proxy(&s, 5, 3, NULL, NULL);
    mu_width_search *whole = make_search(&s), *wide = make_search(&s), *broken = make_search(&s), *resumed;
    const mu_width_search_config config = config_of(&s);
    mu_error err;
    advance(whole, one, 4);
    advance(wide, three, 4);
    advance(broken, three, 2);
    bytes middle = saved(broken);
    mu_width_search_destroy(broken);
    assert_good(mu_width_search_decode(&config, "settings", "state", middle.data, middle.size_bytes, &resumed, &err), &err);
    assert_int_equal(mu_width_search_generation(resumed), 2);
    advance(resumed, one, 2);
    bytes a = saved(whole), b = saved(wide), c = saved(resumed);
    assert_same(a, b);
    assert_same(a, c);
    mu_proxy *other = make_proxy(&s, 6, 1, NULL, NULL); /* and another proxy is another search */
    mu_width_search *another = make_search(&s);
    advance(another, other, 4);
    bytes d = saved(another);
    assert_memory_not_equal(a.data, d.data, a.size_bytes);
    free(middle.data);
    free(a.data);
    free(b.data);
    free(c.data);
    free(d.data);
    mu_width_search_destroy(whole);
    mu_width_search_destroy(wide);
    mu_width_search_destroy(resumed);
    mu_width_search_destroy(another);
    mu_proxy_destroy(one);
    mu_proxy_destroy(three);
    mu_proxy_destroy(other);
    tear_down(&s);
}

static void test_survivors(void **state)
{
    (void)state;
    setting s = set_up();
    mu_proxy *proxy = make_proxy(&s, 5, 2, NULL, NULL);
    mu_width_search *search = make_search(&s);
    assert_int_equal(mu_width_search_member_count(search), 0);
    advance(search, proxy, 3);
    assert_int_equal(mu_width_search_member_count(search), 12);
    const double macs = (double)(mu_model_cost(s.model, 1).macs_forward + mu_model_cost(s.model, 1).macs_backward);
    uint32_t most_tries = 0;
    for (uint32_t i = 0; i < 12; i++) {
        const mu_width_member member = mu_width_search_member(search, i);
        assert_true(member.cost == (double)member.work.macs / macs && member.cost <= 1);
        for (uint32_t g = 0; g < GROUPS; g++) {
            assert_true(member.rates[g] >= 0 && member.rates[g] <= 0.9);
            const uint32_t of = mu_units_group(s.units, g)->count;
            const double exact = (1 - member.rates[g]) * of;
            assert_true(member.counts[g] >= 1 && fabs(member.counts[g] - exact) <= (exact < 1 ? 1 : 0.5 + 1e-9));
        }
        assert_true(member.tries >= 1 && member.tries <= 3); /* survivors of a generation are tried again in the next */
        most_tries = member.tries > most_tries ? member.tries : most_tries;
    }
    assert_true(most_tries > 1);

    /* a review adds its tries to those that there were, and leaves the search as it was */
    bytes before = saved(search);
    double gains[12];
    mu_gain again;
    mu_error err;
    assert_good(mu_width_search_review(search, proxy, 2, gains, &err), &err);
    const mu_width_member first = mu_width_search_member(search, 0);
    assert_good(mu_proxy_gains(proxy, first.counts, 1, 3, 4, &again, &err), &err);
    assert_true(fabs(gains[0] - (first.tries * first.gain + 2 * again.loss) / (first.tries + 2)) <= 1e-15);
    bytes after = saved(search);
    assert_same(before, after);
    free(before.data);
    free(after.data);
    mu_width_search_destroy(search);
    mu_proxy_destroy(proxy);
    tear_down(&s);
}

static bool stop_after(void *self, uint32_t done, uint32_t count)
{
    const uint32_t *most = self;
    (void)count;
    return done > *most;
}

static void test_interrupted(void **state)
{
    (void)state;
    setting s = set_up();
    uint32_t most = UINT32_MAX;
    mu_proxy *proxy = make_proxy(&s, 5, 2, stop_after, &most);
    mu_width_search *search = make_search(&s);
    mu_error err;
    advance(search, proxy, 1);
    bytes before = saved(search);
    most = 10;
    assert_int_equal(mu_width_search_advance(search, proxy, &err), MU_E_INTERRUPTED);
    bytes after = saved(search);
    assert_same(before, after);
    most = UINT32_MAX; /* and goes on as if nothing had been */
    advance(search, proxy, 1);
    mu_width_search *straight = make_search(&s);
    advance(straight, proxy, 2);
    bytes a = saved(search), b = saved(straight);
    assert_same(a, b);
    free(before.data);
    free(after.data);
    free(a.data);
    free(b.data);
    mu_width_search_destroy(search);
    mu_width_search_destroy(straight);
    mu_proxy_destroy(proxy);
    tear_down(&s);
}

static void expect_refused(const mu_width_search_config *config, const char *settings, bytes b, mu_status expected, const char *words)
{
    mu_width_search *search;
    mu_error err;
    assert_int_equal(mu_width_search_decode(config, settings, "state", b.data, b.size_bytes, &search, &err), expected);
    if (!strstr(err.message, words))
        fail_msg("'%s' is not in '%s'", words, err.message);
}

static void test_saved(void **state)
{
    (void)state;
    setting s = set_up();
    mu_width_search *search = make_search(&s), *read;
    mu_width_search_config config = config_of(&s);
    mu_error err;
    bytes b = saved(search);
    expect_refused(&config, "others", b, MU_E_CONFIG, "another experiment or other options");
    config.population = 14;
    expect_refused(&config, "settings", b, MU_E_CHECKSUM, "bytes, expected");
    config.population = 12;
    expect_refused(&config, "settings", (bytes){ b.data, b.size_bytes - 1 }, MU_E_CHECKSUM, "damaged");
    expect_refused(&config, "settings", (bytes){ b.data, 20 }, MU_E_PARSE, "no saved search");
    expect_refused(&config, "settings", (bytes){ b.data, 0 }, MU_E_PARSE, "no saved search");
    b.data[200] ^= 1;
    expect_refused(&config, "settings", b, MU_E_CHECKSUM, "damaged");
    b.data[200] ^= 1;
    config.cost = (mu_width_cost){ 1e-3, 1e-9, 0 }; /* times measured anew: those that were saved count */
    assert_good(mu_width_search_decode(&config, "settings", "state", b.data, b.size_bytes, &read, &err), &err);
    bytes again = saved(read);
    assert_same(b, again);
    free(again.data);
    free(b.data);
    mu_width_search_destroy(read);
    mu_width_search_destroy(search);
    config.cost = (mu_width_cost){ 0, 0, 0 };
    assert_int_equal(mu_width_search_create(&config, &read, &err), MU_E_RANGE);
    mu_model *flat;
    mu_units *none;
    assert_good(mu_model_create_builtin("softmax-regression", NULL, mu_data_shape(s.data), 10, &flat, &err), &err);
    assert_good(mu_units_create(flat, &none, &err), &err);
    config = config_of(&s);
    config.units = none;
    assert_int_equal(mu_width_search_create(&config, &read, &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "nothing of this model can be left out"));
    mu_units_destroy(none);
    mu_model_destroy(flat);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples), cmocka_unit_test(test_whole_network_is_plain_training), cmocka_unit_test(test_gains),
        cmocka_unit_test(test_workers_and_resuming), cmocka_unit_test(test_survivors), cmocka_unit_test(test_interrupted), cmocka_unit_test(test_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
