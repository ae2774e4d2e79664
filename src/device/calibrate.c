/* Timing steps, and rates from them. */
#include "device/calibrate.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

enum { TURNS = 6, STEPS_MAX = 1024, PERIOD = 1021 };

#define MACS_THAT_COUNT 1e6 /* a step with fewer is not made of them */

/* ---- one network ---- */

typedef struct timed_step {
    mu_step  *step;
    void     *memory;
    uint32_t  batch;
    mu_random dropout;
} timed_step;

/* Over and over the same, because to draw eleven million numbers takes longer than a step with them. */
static void fill_small(mu_random *random, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = i < PERIOD ? 0.1f * mu_random_unit_float(random) - 0.05f : to[i - PERIOD];
}

/* What the numbers are does not matter to the time, as long as none is next to nothing. */
static void fill(const mu_model *model, timed_step *t)
{
    const uint32_t symbols = mu_model_symbols(model);
    const mu_shape shape = mu_model_input(model);
    const size_t inputs = (size_t)t->batch * shape.height * shape.width * shape.channels, labels = (size_t)t->batch * mu_model_targets(model);
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    fill_small(&random, mu_model_state_count(model), mu_step_state(t->step));
    fill_small(&random, inputs, mu_step_input(t->step));
    for (size_t i = 0; i < inputs && symbols; i++)
        mu_step_input(t->step)[i] = (float)mu_random_below(&random, symbols);
    for (size_t i = 0; i < labels; i++)
        mu_step_labels(t->step)[i] = (int32_t)mu_random_below(&random, mu_model_classes(model));
}

static mu_status plan(const mu_model *model, uint32_t batch, timed_step *out, size_t *size_bytes, mu_error *err)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = batch;
    mu_arena arena = mu_arena_measuring();
    mu_status status = mu_step_plan(model, &config, &arena, &out->step, err);
    *size_bytes = arena.used_bytes;
    if (status || !out->memory)
        return status;
    arena = mu_arena_over(out->memory, *size_bytes);
    return mu_step_plan(model, &config, &arena, &out->step, err);
}

static double one_step_s(timed_step *t)
{
    const double began_s = mu_clock_monotonic_s();
    mu_step_gradient(t->step, t->batch, &t->dropout);
    mu_step_update(t->step, 0.01);
    return mu_clock_monotonic_s() - began_s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is touched for the first time is slow. */
static void warm_up(timed_step *t, double seconds)
{
    const double began_s = mu_clock_monotonic_s();
    do {
        one_step_s(t);
    } while (mu_clock_monotonic_s() - began_s < seconds);
}

/* The median of the steps that fit into the time. */
static double turn_s(timed_step *t, double seconds)
{
    double times[STEPS_MAX];
    size_t count = 0;
    const double began_s = mu_clock_monotonic_s();
    do {
        times[count++] = one_step_s(t);
    } while (count < STEPS_MAX && mu_clock_monotonic_s() - began_s < seconds);
    qsort(times, count, sizeof *times, by_value);
    return times[count / 2];
}

mu_status mu_step_measure(const mu_model *model, uint32_t batch_size, double seconds, uint32_t turns, double *step_s, mu_error *err)
{
    timed_step t = { .batch = batch_size, .dropout = mu_random_stream(1, MU_RANDOM_DROPOUT, 0, 0) };
    size_t size_bytes;
    mu_status status = plan(model, batch_size, &t, &size_bytes, err);
    if (status)
        return status;
    t.memory = mu_arena_block(size_bytes);
    if (!t.memory)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for a training step of %zu bytes", mu_model_name(model), size_bytes);
    status = plan(model, batch_size, &t, &size_bytes, err);
    if (!status) {
        fill(model, &t);
        warm_up(&t, 0.2 * seconds);
        *step_s = INFINITY;
        for (uint32_t turn = 0; turn < turns; turn++)
            *step_s = fmin(*step_s, turn_s(&t, seconds));
    }
    mu_arena_block_free(t.memory);
    return status;
}

/* ---- all of them ---- */

static double macs_of(const mu_timed *timed)
{
    const mu_cost cost = mu_model_cost(timed->model, timed->batch);
    return (double)(cost.macs_forward + cost.macs_backward);
}

typedef struct probing {
    const mu_calibration_config *config;
    mu_timed *timed;
    size_t    count;
    double    slowest_macs_per_s; /* so far */
} probing;

/* A device with little memory does not try what it cannot hold; nor does a slow one wait for what takes it too long, while enough others are left: what looked slow may
 * only have been disturbed. */
static bool is_too_much(const probing *p, const mu_timed *timed, size_t left, double turn_s)
{
    timed_step t = { .batch = timed->batch };
    size_t size_bytes = 0;
    mu_status status = plan(timed->model, timed->batch, &t, &size_bytes, NULL);
    bool is_long = p->slowest_macs_per_s > 0 && macs_of(timed) / p->slowest_macs_per_s > 40 * turn_s;
    return status || (is_long && left >= MU_WORK_KIND_COUNT) || (p->config->memory_bytes && size_bytes > p->config->memory_bytes);
}

static mu_status take_turn(probing *p, uint32_t turn, mu_error *err)
{
    size_t probe_count;
    mu_probes(&probe_count);
    const double seconds = p->config->seconds / (1.2 * TURNS * (double)probe_count);
    size_t kept = 0;
    mu_status status = MU_OK;
    for (size_t i = 0; i < p->count && !status; i++) {
        mu_timed timed = p->timed[i];
        double step_s = 0;
        if (turn == 0 && is_too_much(p, &timed, kept + p->count - i - 1, seconds)) {
            mu_model_destroy(timed.model);
            p->timed[i].model = NULL;
            continue;
        }
        status = mu_step_measure(timed.model, timed.batch, seconds, 1, &step_s, err);
        timed.step_s = turn == 0 || step_s < timed.step_s ? step_s : timed.step_s;
        p->timed[i].model = NULL;
        p->timed[kept++] = timed;
        const double macs = macs_of(&timed), macs_per_s = macs / timed.step_s;
        if (macs >= MACS_THAT_COUNT && (p->slowest_macs_per_s <= 0 || macs_per_s < p->slowest_macs_per_s))
            p->slowest_macs_per_s = macs_per_s;
        if (p->config->progress)
            p->config->progress(p->config->self, (uint32_t)(turn * p->count + i + 1), (uint32_t)(TURNS * p->count));
    }
    if (!status)
        p->count = kept;
    return status;
}

static mu_status make_models(probing *p, mu_error *err)
{
    size_t count;
    const mu_probe *probes = mu_probes(&count);
    p->timed = calloc(count, sizeof *p->timed);
    if (!p->timed)
        return mu_error_set(err, MU_E_MEMORY, "no memory to measure %zu networks", count);
    mu_status status = MU_OK;
    for (; p->count < count && !status; p->count += !status) {
        p->timed[p->count].batch = probes[p->count].batch;
        status = mu_probe_model(&probes[p->count], &p->timed[p->count].model, err);
    }
    return status;
}

static void judge(const probing *p, mu_calibration *out)
{
    out->probes = (uint32_t)p->count;
    for (size_t i = 0; i < p->count; i++) {
        const double error = fabs(mu_rates_step_s(&out->rates, p->timed[i].model, p->timed[i].batch) / p->timed[i].step_s - 1.0);
        out->mean_error += error / (double)p->count;
        out->worst_error = fmax(out->worst_error, error);
    }
}

mu_calibration_config mu_calibration_config_default(void)
{
    return (mu_calibration_config){ .seconds = 10.0 };
}

mu_status mu_calibrate(const mu_calibration_config *config, mu_calibration *out, mu_error *err)
{
    probing p = { .config = config };
    size_t probe_count;
    mu_probes(&probe_count);
    mu_status status = make_models(&p, err);
    for (uint32_t turn = 0; turn < TURNS && !status; turn++)
        status = take_turn(&p, turn, err);
    if (!status && p.count < MU_WORK_KIND_COUNT)
        status = mu_error_set(err, MU_E_RANGE, "only %zu of %zu networks could be measured, and %d are needed; more memory would let it measure more", p.count,
                              probe_count, (int)MU_WORK_KIND_COUNT);
    if (!status) {
        *out = (mu_calibration){ .probes = 0 };
        mu_rates_fit(p.timed, p.count, &out->rates);
        judge(&p, out);
    }
    for (size_t i = 0; p.timed && i < probe_count; i++)
        mu_model_destroy(p.timed[i].model);
    free(p.timed);
    return status;
}
