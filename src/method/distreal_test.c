/* DISTREAL's choice for a mini-batch: as much as is affordable, units drawn anew, outputs of the size that they have in the whole network. */
#include "method/test_width.h"

#include "method/method_registry.h"
#include "muster/method.h"

#include <math.h>
#include <unistd.h>

/* Two hidden layers without an activation, so that means go through them. */
static const char linear_layers[] = "layers:\n"
                                    "  - {dense: a, units: 20}\n"
                                    "  - {dense: b, units: 10}\n"
                                    "  - {dense: c}\n";

static net linear_net(void)
{
    return net_written(linear_layers, (mu_shape){ 1, 1, 3 }, 4);
}

static uint64_t macs_of(uint32_t a, uint32_t b)
{
    return 2 * (3 * a) + 3 * (a * b + b * 4);
}

/* The method's state with these options, prepared; the caller frees it. */
static void *state_of(const net *n, const char *options)
{
    mu_conf *conf = NULL;
    mu_error err = { 0 };
    void *state = zeroed(1, mu_method_distreal.state_bytes);
    if (mu_conf_parse("test", options, strlen(options), &conf, &err) ||
        mu_options_read(mu_method_distreal.options, mu_method_distreal.option_count, mu_conf_root(conf), NULL, "test", state, &err) ||
        mu_method_distreal.prepare(state, n->model, n->units, "test.yaml", &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return state;
}

typedef struct chosen {
    mu_choice choice;
    uint32_t  counts[2];
    bool      kept[30];
} chosen;

static chosen choose(const net *n, const void *state, double afford_macs, uint32_t device, uint32_t step)
{
    static const mu_plan plan = { .ordinal = 3 };
    chosen c = { .counts = { 99, 99 } };
    mu_choice choice = { .units = n->units, .plan = &plan, .seed = 7, .device = device, .step = step, .afford_macs = afford_macs,
                         .counts = c.counts, .kept = c.kept };
    memset(c.kept, true, sizeof c.kept);
    mu_method_distreal.how->choose(state, &choice);
    c.choice = choice;
    return c;
}

static void a_mini_batch_trains_what_is_affordable(void **unused)
{
    (void)unused;
    net n = linear_net();
    void *state = state_of(&n, "");
    for (uint32_t tenths = 1; tenths <= 10; tenths++) {
        uint64_t macs = macs_of(2 * tenths, tenths);
        const double afford[] = { (double)macs - 0.5, (double)macs, (double)macs + 0.5 };
        for (size_t i = 0; i < MU_COUNT(afford); i++) {
            chosen c = choose(&n, state, afford[i], 1, 0);
            uint32_t expected = i == 0 && tenths > 1 ? tenths - 1 : tenths; /* the cheapest, where nothing is affordable */
            assert_int_equal(c.counts[0], 2 * expected);
            assert_int_equal(c.counts[1], expected);
            assert_int_equal(kept_of(&n, 0, c.kept), c.counts[0]);
            assert_int_equal(kept_of(&n, 1, c.kept), c.counts[1]);
            uint32_t alone[2];
            mu_choice numbers = c.choice;
            numbers.counts = alone;
            numbers.kept = NULL;
            mu_method_distreal.how->choose(state, &numbers);
            assert_memory_equal(alone, c.counts, sizeof alone);
        }
    }
    chosen all = choose(&n, state, INFINITY, 1, 0);
    assert_null(memchr(all.kept, false, n.count));
    free(state);
    net_release(&n);
}

static void units_are_drawn_anew(void **unused)
{
    (void)unused;
    net n = linear_net();
    void *by_batch = state_of(&n, ""), *by_task = state_of(&n, "redraw: task");
    double half = (double)macs_of(10, 5);
    chosen first = choose(&n, by_batch, half, 1, 0);
    chosen once = choose(&n, by_task, half, 1, 0);
    assert_memory_equal(first.kept, once.kept, sizeof first.kept);
    uint32_t same = 0;
    for (uint32_t step = 0; step < 20; step++) {
        chosen again = choose(&n, by_batch, half, 1, step), other = choose(&n, by_batch, half, 2, step);
        chosen task = choose(&n, by_task, half, 1, step);
        assert_memory_equal(again.kept, choose(&n, by_batch, half, 1, step).kept, sizeof again.kept);
        assert_memory_equal(task.kept, once.kept, sizeof task.kept);
        same += memcmp(again.kept, first.kept, sizeof again.kept) == 0;
        assert_true(memcmp(again.kept, other.kept, sizeof again.kept) != 0); /* by chance: 20 times in 46 million */
    }
    assert_int_equal(same, 1);
    free(by_batch);
    free(by_task);
    net_release(&n);
}

/* A weight between two layers is trained when both of its ends are kept: in a mini-batch with probability p = (K_a / C_a)(K_b / C_b), in E of them at
 * least once with 1 - (1 - p)^E. Devices are independent, so the mean over them has the standard error that they show. */
static void every_weight_comes_to_its_turn(void **unused)
{
    (void)unused;
    enum { TASKS = 400 };
    net n = linear_net();
    void *state = state_of(&n, "");
    static const struct { uint32_t tenths, batches; } cases[] = { { 1, 8 }, { 3, 1 }, { 3, 8 }, { 5, 4 } };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        double p = cases[i].tenths * cases[i].tenths / 100.0, expected = 1 - pow(1 - p, cases[i].batches), sum = 0, squares = 0;
        for (uint32_t task = 0; task < TASKS; task++) {
            bool trained[20][10] = { { false } };
            uint32_t covered = 0;
            for (uint32_t step = 0; step < cases[i].batches; step++) {
                chosen c = choose(&n, state, (double)macs_of(2 * cases[i].tenths, cases[i].tenths), task, step);
                for (uint32_t a = 0; a < 20; a++)
                    for (uint32_t b = 0; b < 10; b++)
                        trained[a][b] |= c.kept[a] && c.kept[20 + b];
            }
            for (uint32_t w = 0; w < 200; w++)
                covered += trained[w / 10][w % 10];
            sum += covered / 200.0;
            squares += covered / 200.0 * (covered / 200.0);
        }
        double mean = sum / TASKS, error = sqrt(fmax(0, squares / TASKS - mean * mean) / TASKS);
        if (fabs(mean - expected) > 4 * error + 1e-12 || error > 0.01)
            fail_msg("rate %g, %u mini-batches: %g of the weights +- %g, expected %g", 1 - cases[i].tenths / 10.0, cases[i].batches, mean,
                     error, expected);
    }
    free(state);
    net_release(&n);
}

/* ---- the scale ---- */

enum { OUTPUTS = 4 };

/* A block with a submodel, or with a step, in it; the caller frees it. */
static unsigned char *submodel_in_block(const net *n, mu_submodel **part)
{
    mu_arena arena = mu_arena_measuring();
    assert_int_equal(mu_submodel_plan(n->units, &arena, part, NULL), MU_OK);
    unsigned char *block = mu_arena_block(arena.used_bytes);
    assert_non_null(block);
    arena = mu_arena_over(block, arena.used_bytes);
    assert_int_equal(mu_submodel_plan(n->units, &arena, part, NULL), MU_OK);
    return block;
}

static void outputs_of(const mu_submodel *part, const float *weights, const float *factors, void *memory, size_t size_bytes, float *out)
{
    const mu_model *model = mu_submodel_model(part);
    mu_step_config config = mu_step_config_default();
    config.batch_size = 1;
    mu_arena arena = mu_arena_over(memory, size_bytes);
    mu_step *step = NULL;
    assert_int_equal(mu_step_plan(model, &config, &arena, &step, NULL), MU_OK);
    mu_submodel_gather(part, MU_EXTENT_STATE, weights, mu_step_state(step));
    memcpy(mu_step_input(step), (float[]){ 1, -0.5f, 0.25f }, 3 * sizeof(float));
    mu_step_labels(step)[0] = 0;
    mu_step_gradient_as(step, &(mu_step_manner){ .factors = factors }, 1, NULL);
    memcpy(out, mu_step_logits(step), OUTPUTS * sizeof *out);
}

/* The mean over many draws of what a part puts out, with the method's scale or without, in standard errors from what the whole network does; the
 * largest of the outputs. */
static double standard_errors_off(const net *n, const void *state, const float *weights, bool scaled)
{
    enum { DRAWS = 4000, MEMORY = 1 << 20 };
    mu_submodel *part = NULL;
    unsigned char *block = submodel_in_block(n, &part), *memory = mu_arena_block(MEMORY);
    float *factors = zeroed(mu_model_layer_count(n->model), sizeof *factors), whole[OUTPUTS], out[OUTPUTS];
    assert_int_equal(mu_submodel_form(part, NULL, NULL), MU_OK);
    outputs_of(part, weights, NULL, memory, MEMORY, whole);
    double sum[OUTPUTS] = { 0 }, squares[OUTPUTS] = { 0 }, most = 0;
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        chosen c = choose(n, state, (double)macs_of(8, 4), 5, draw);
        assert_int_equal(mu_submodel_form(part, c.kept, NULL), MU_OK);
        mu_submodel_factors(part, factors);
        outputs_of(part, weights, scaled ? factors : NULL, memory, MEMORY, out);
        for (int o = 0; o < OUTPUTS; o++) {
            sum[o] += (double)out[o];
            squares[o] += (double)out[o] * (double)out[o];
        }
    }
    for (int o = 0; o < OUTPUTS; o++) {
        double mean = sum[o] / DRAWS, error = sqrt((squares[o] / DRAWS - mean * mean) / DRAWS);
        most = fmax(most, fabs(mean - (double)whole[o]) / error);
    }
    free(factors);
    mu_arena_block_free(memory);
    mu_arena_block_free(block);
    return most;
}

static void outputs_keep_their_size(void **unused)
{
    (void)unused;
    net n = linear_net();
    void *state = state_of(&n, "");
    float *weights = zeroed(mu_model_state_count(n.model), sizeof *weights);
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < mu_model_state_count(n.model); i++)
        weights[i] = (float)(0.2 + mu_random_unit(&random));
    mu_manner manner = { 0 };
    mu_method_distreal.how->manner(state, &manner);
    assert_true(manner.scaled && !manner.masked && !manner.teaches);
    double off = standard_errors_off(&n, state, weights, manner.scaled);
    if (off > 4)
        fail_msg("%g standard errors from the whole network's output", off);
    assert_true(standard_errors_off(&n, state, weights, false) > 50); /* without the scale it would show */
    free(weights);
    free(state);
    net_release(&n);
}

/* ---- the table's file ---- */

static void a_table_is_sought_beside_the_experiment(void **unused)
{
    (void)unused;
    net n = linear_net();
    char folder[] = "/tmp/muster-distreal-XXXXXX", path[128], conf_path[128], text[160];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/table.csv", folder);
    snprintf(conf_path, sizeof conf_path, "%s/experiment.yaml", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "macs,gain,step_us,a,b\n%d,,,0.5,0\n%d,,,0,0\n", (int)macs_of(10, 10), (int)macs_of(20, 10));
    fclose(file);
    mu_conf *conf = NULL;
    mu_error err = { 0 };
    void *state = zeroed(1, mu_method_distreal.state_bytes);
    static const char options[] = "table: table.csv";
    assert_int_equal(mu_conf_parse("test", options, strlen(options), &conf, NULL), MU_OK);
    assert_int_equal(mu_options_read(mu_method_distreal.options, mu_method_distreal.option_count, mu_conf_root(conf), NULL, "test", state, NULL), MU_OK);
    assert_int_equal(mu_method_distreal.prepare(state, n.model, n.units, conf_path, &err), MU_OK);
    chosen c = choose(&n, state, (double)macs_of(10, 10), 0, 0);
    assert_true(c.counts[0] == 10 && c.counts[1] == 10);
    for (size_t i = 0; i < mu_method_distreal.option_count; i++)
        if (strcmp(mu_method_distreal.options[i].name, "table") == 0)
            mu_option_format(&mu_method_distreal.options[i], state, text, sizeof text);
    assert_string_equal(text, path); /* from the root: a run's folder has no table beside its configuration */

    net other = net_written(linear_layers, (mu_shape){ 1, 1, 2 }, 4);
    assert_int_equal(mu_method_distreal.prepare(state, other.model, other.units, conf_path, &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "table.csv:2:1: 480 MACs, but with these rates this model has 460"));
    net_release(&other);
    unlink(path);
    assert_int_equal(mu_method_distreal.prepare(state, n.model, n.units, conf_path, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "table.csv: No such file"));
    rmdir(folder);
    mu_conf_destroy(conf);
    free(state);
    net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mini_batch_trains_what_is_affordable),
        cmocka_unit_test(units_are_drawn_anew),
        cmocka_unit_test(every_weight_comes_to_its_turn),
        cmocka_unit_test(outputs_keep_their_size),
        cmocka_unit_test(a_table_is_sought_beside_the_experiment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
