/* A new random submodel in every mini-batch: what forming it, gathering its weights and putting them back takes of the step that it buys. */
#include "cli/bench_savings.h"
#include "cli/text.h"

#include "base/clock.h"
#include "muster/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a mini-batch consists of. The step is the gradient and the small weights' UPDATE, which SCATTER puts back; or the gradient goes into
 * the whole weights by ADD, in place of both: SGD with the same bits. */
typedef enum phase { FORM, GATHER, STEP, UPDATE, SCATTER, ADD, PHASES } phase;

typedef struct batch_times {
    double seconds[PHASES];
} batch_times;

static const double learning_rate = 0.01;

typedef struct training {
    cli_bench_whole *whole;
    mu_submodel     *submodel;
    void            *step_memory;
    size_t           step_bytes; /* enough for the whole network */
    cli_bench_net    net;        /* the step of the submodel there is */
    mu_random        choice, dropout;
} training;

static const double widths[] = { 0.25, 0.5, 0.75 };

static void release(training *t)
{
    mu_submodel_destroy(t->submodel);
    mu_arena_block_free(t->step_memory);
}

static mu_status create(cli_bench_whole *whole, training *t, mu_error *err)
{
    const mu_step_config config = cli_bench_step_config(whole->named->batch);
    mu_arena arena = mu_arena_measuring();
    mu_step *nothing;
    *t = (training){ .whole = whole, .choice = mu_random_stream(1, MU_RANDOM_TEST, 0, 0),
                     .dropout = mu_random_stream(1, MU_RANDOM_DROPOUT, 0, 0) };
    mu_status status = mu_step_plan(whole->model, &config, &arena, &nothing, err);
    if (!status)
        status = mu_submodel_create(whole->units, &t->submodel, err);
    if (status)
        return status;
    t->step_bytes = arena.used_bytes;
    t->step_memory = mu_arena_block(t->step_bytes);
    return t->step_memory ? MU_OK : mu_error_set(err, MU_E_MEMORY, "%s: no memory for a step", whole->named->name);
}

/* `width` of each group, drawn one unit after the other (Knuth's algorithm S). */
static void draw_choice(training *t, double width)
{
    const mu_units *units = t->whole->units;
    for (size_t group = 0; group < mu_units_group_count(units); group++) {
        const mu_unit_group *g = mu_units_group(units, group);
        uint32_t wanted = mu_units_of_width(units, group, width);
        for (uint32_t i = 0; i < g->count; i++) {
            bool keep = mu_random_below(&t->choice, g->count - i) < wanted;
            t->whole->kept[g->first + i] = keep;
            wanted -= keep;
        }
    }
}

/* Another network and its weights. */
static mu_status begin_batch(training *t, double width, batch_times *times, mu_error *err)
{
    const mu_step_config config = cli_bench_step_config(t->whole->named->batch);
    mu_arena arena = mu_arena_over(t->step_memory, t->step_bytes);
    draw_choice(t, width);
    const double begin_s = mu_clock_monotonic_s();
    mu_status status = mu_submodel_form(t->submodel, t->whole->kept, err);
    if (!status)
        status = mu_step_plan(mu_submodel_model(t->submodel), &config, &arena, &t->net.step, err);
    if (status)
        return status;
    const double formed_s = mu_clock_monotonic_s();
    mu_submodel_gather(t->submodel, MU_EXTENT_STATE, t->whole->weights, mu_step_state(t->net.step));
    times->seconds[FORM] = formed_s - begin_s;
    times->seconds[GATHER] = mu_clock_monotonic_s() - formed_s;
    t->net = (cli_bench_net){ .model = mu_submodel_model(t->submodel), .step = t->net.step, .batch = config.batch_size, .dropout = t->dropout };
    cli_bench_net_fill_batch(&t->net);
    return MU_OK;
}

static void end_batch_by_scatter(training *t, batch_times *times)
{
    mu_step *step = t->net.step;
    const double begin_s = mu_clock_monotonic_s();
    mu_step_gradient(step, t->net.batch, &t->dropout);
    const double gradient_s = mu_clock_monotonic_s();
    mu_step_update(step, learning_rate);
    const double updated_s = mu_clock_monotonic_s();
    mu_submodel_scatter(t->submodel, MU_EXTENT_STATE, mu_step_state(step), t->whole->weights);
    times->seconds[STEP] = updated_s - begin_s;
    times->seconds[UPDATE] = updated_s - gradient_s;
    times->seconds[SCATTER] = mu_clock_monotonic_s() - updated_s;
}

static void end_batch_by_add(training *t, batch_times *times)
{
    mu_step *step = t->net.step;
    mu_step_gradient(step, t->net.batch, &t->dropout);
    const double gradient_s = mu_clock_monotonic_s();
    mu_submodel_add(t->submodel, MU_EXTENT_PARAMS, (float)-learning_rate, mu_step_gradients(step), t->whole->weights);
    mu_submodel_scatter(t->submodel, MU_EXTENT_STATISTICS, mu_step_state(step), t->whole->weights);
    times->seconds[ADD] = mu_clock_monotonic_s() - gradient_s;
}

/* Two mini-batches, one of each kind; what both have is taken from the second. */
static mu_status two_mini_batches(training *t, double width, batch_times *times, mu_error *err)
{
    mu_status status = begin_batch(t, width, times, err);
    if (!status)
        end_batch_by_scatter(t, times);
    if (!status)
        status = begin_batch(t, width, times, err);
    if (!status)
        end_batch_by_add(t, times);
    return status;
}

const cli_column cli_savings_submodel_columns[CLI_SAVINGS_SUBMODEL_COLUMNS] = {
    { "case", "case", false },
    { "width", "width", true },
    { "mini_batches", "mini-batches", true },
    { "form_s", "form and plan", true },
    { "gather_s", "gather", true },
    { "step_s", "step", true },
    { "update_s", "its update", true },
    { "scatter_s", "scatter", true },
    { "add_s", "add", true },
    { "copy_share", "gather + scatter by step", true },
    { "overhead_share", "and form", true },
    { "add_share", "gather + add - update by step", true },
};

static void add_row(const training *t, double width, size_t count, const double *medians_s, cli_table *table)
{
    char text[CLI_NUMBER_BYTES];
    double copies_s = medians_s[GATHER] + medians_s[SCATTER];
    double added_s = medians_s[GATHER] + medians_s[ADD] - medians_s[UPDATE];
    const double shares[] = { copies_s / medians_s[STEP], (copies_s + medians_s[FORM]) / medians_s[STEP], added_s / medians_s[STEP] };
    cli_table_text(table, t->whole->named->name);
    snprintf(text, sizeof text, "%.2f", width);
    cli_table_real(table, width, text);
    cli_table_count(table, count, cli_format_count(count, text));
    for (int i = 0; i < PHASES; i++)
        cli_table_real(table, medians_s[i], cli_format_seconds(medians_s[i], text));
    for (size_t i = 0; i < MU_COUNT(shares); i++) {
        snprintf(text, sizeof text, "%.1f %%", 100.0 * shares[i]);
        cli_table_real(table, shares[i], text);
    }
}

/* Mini-batches until the turns' seconds are over; the median of each phase. */
static mu_status measure(training *t, double width, const cli_bench_effort *effort, cli_table *table, mu_error *err)
{
    enum { MOST = 4096, WARM_UP = 2, FEWEST = 5 };
    double *seconds = calloc((size_t)PHASES * MOST, sizeof *seconds), medians_s[PHASES]; /* [phase][two mini-batches] */
    size_t count = 0;
    batch_times last;
    mu_status status = seconds ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for times");
    for (int i = 0; i < WARM_UP && !status; i++)
        status = two_mini_batches(t, width, &last, err);
    double until_s = mu_clock_monotonic_s() + effort->repeats * effort->seconds;
    while (!status && count < MOST && (count < FEWEST || mu_clock_monotonic_s() < until_s)) {
        status = two_mini_batches(t, width, &last, err);
        for (int i = 0; i < PHASES && !status; i++)
            seconds[i * MOST + count] = last.seconds[i];
        count++;
    }
    for (int i = 0; i < PHASES && !status; i++)
        medians_s[i] = cli_bench_median(seconds + i * MOST, count);
    if (!status)
        add_row(t, width, 2 * count, medians_s, table);
    free(seconds);
    return status;
}

mu_status cli_savings_submodels(cli_bench_whole *whole, const cli_bench_effort *effort, cli_table *table, mu_error *err)
{
    training t;
    mu_status status = create(whole, &t, err);
    for (size_t i = 0; i < MU_COUNT(widths) && !status; i++)
        status = measure(&t, widths[i], effort, table, err);
    release(&t);
    return status;
}
