/* Tasks of `muster bench budgets`: methods' own plans and mini-batches, found for a budget, counted and carried out. */
#include "cli/bench_budgets.h"

#include "method/width_invariant.h"
#include "method/width_rules.h"
#include "method/width_scores.h"
#include "muster/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rules ---- */

struct cli_budget_rule {
    const char       *name, *method;
    const char       *options;  /* of the method; every %g is the width times the next of `shares` */
    double            shares[5];
    mu_width_rounding rounding;
    mu_status (*choose)(const mu_units *units, const uint32_t *counts, bool *kept, mu_error *err); /* NULL: the first part that the method says is usable */
    bool              whole;    /* the plan has everything: what is trained follows from the budget, or there is no choice */
};

enum { A_ROUND = 5 };

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for a part of the model");
}

static mu_random stream(void)
{
    return mu_random_stream(1, MU_RANDOM_TEST, 1, 0);
}

static mu_status rolling(const mu_units *units, const uint32_t *counts, bool *kept, mu_error *err)
{
    (void)err;
    mu_width_rolling(units, counts, A_ROUND, kept);
    return MU_OK;
}

static mu_status by_chance(const mu_units *units, const uint32_t *counts, bool *kept, mu_error *err)
{
    (void)err;
    mu_random random = stream();
    mu_width_random(units, counts, &random, kept);
    return MU_OK;
}

/* AFD's and FLuID's choices, while nothing is known of units yet, are as scattered as later ones. */
static mu_status by_scores(const mu_units *units, const uint32_t *counts, bool *kept, mu_error *err)
{
    mu_random random = stream();
    float    *scores = calloc(mu_units_count(units) + 1, sizeof *scores);
    uint32_t *order = calloc(mu_units_count(units) + 1, sizeof *order);
    mu_status status = scores && order ? MU_OK : no_memory(err);
    if (!status) {
        mu_scores_order(units, scores, 0.1, &random, order);
        mu_scores_keep(units, counts, order, kept);
    }
    free(order);
    free(scores);
    return status;
}

static mu_status invariant(const mu_units *units, const uint32_t *counts, bool *kept, mu_error *err)
{
    mu_random random = stream();
    bool *stable = calloc(mu_units_count(units) + 1, sizeof *stable);
    if (!stable)
        return no_memory(err);
    mu_invariant_keep(units, counts, stable, NULL, &random, kept);
    free(stable);
    return MU_OK;
}

static const cli_budget_rule rules[] = {
    { .name = "fedavg", .method = "fedavg", .options = "{}", .whole = true },
    { .name = "heterofl", .method = "heterofl", .options = "{widths: [%g]}", .shares = { 1 } },
    { .name = "fedrolex", .method = "fedrolex", .options = "{}", .rounding = MU_WIDTH_DOWN, .choose = rolling },
    { .name = "federated-dropout", .method = "federated-dropout", .options = "{}", .rounding = MU_WIDTH_DOWN, .choose = by_chance },
    { .name = "afd", .method = "afd", .options = "{}", .rounding = MU_WIDTH_DOWN, .choose = by_scores },
    { .name = "fluid", .method = "fluid", .options = "{}", .rounding = MU_WIDTH_DOWN, .choose = invariant },
    { .name = "fjord", .method = "fjord", .options = "{widths: [%g, %g, %g, %g, %g]}", .shares = { 0.2, 0.4, 0.6, 0.8, 1 } },
    { .name = "fjord, distilled", .method = "fjord", .options = "{distillation: true, widths: [%g, %g, %g, %g, %g]}",
      .shares = { 0.2, 0.4, 0.6, 0.8, 1 } },
    { .name = "distreal", .method = "distreal", .options = "{}", .whole = true },
};

const cli_budget_rule *cli_budget_rule_at(size_t index)
{
    return index < MU_COUNT(rules) ? &rules[index] : NULL;
}

const char *cli_budget_rule_name(const cli_budget_rule *rule)
{
    return rule->name;
}

/* ---- the method ---- */

/* Its options with this width in them. */
static mu_status configure(cli_budget_task *t, double width, mu_error *err)
{
    const mu_method *method = mu_method_named(t->rule->method);
    const double    *shares = t->rule->shares;
    char             text[256];
    MU_ASSERT(method);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int length = snprintf(text, sizeof text, t->rule->options, shares[0] * width, shares[1] * width, shares[2] * width, shares[3] * width,
                          shares[4] * width);
#pragma GCC diagnostic pop
    mu_conf_destroy(t->conf);
    t->conf = NULL;
    mu_status status = mu_conf_parse(t->rule->name, text, (size_t)length, &t->conf, err);
    free(t->state);
    t->state = calloc(1, method->state_bytes ? method->state_bytes : 1);
    if (!status && !t->state)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the method %s", method->name);
    if (!status)
        status = mu_options_read(method->options, method->option_count, mu_conf_root(t->conf), NULL, method->name, t->state, err);
    if (!status && t->units && method->prepare)
        status = method->prepare(t->state, t->model, t->units, "", err);
    return status;
}

static mu_status create_model(cli_budget_task *t, const cli_bench_case *network, mu_error *err)
{
    const mu_method *method = mu_method_named(t->rule->method);
    mu_status status = configure(t, 1, err);
    if (!status)
        status = mu_model_create_builtin(network->model, NULL, network->input, network->classes, &t->model, err);
    if (!status && method->what && method->what->statistic_sets && method->what->statistic_sets(t->state) > 1)
        status = mu_model_add_statistics(t->model, method->what->statistic_sets(t->state), err);
    return status ? status : mu_units_create(t->model, &t->units, err);
}

/* ---- what a part costs ---- */

static const mu_how *how_of(const cli_budget_task *t)
{
    const mu_how *how = mu_method_named(t->rule->method)->how;
    static const mu_how plain = { 0 };
    return how ? how : &plain;
}

static mu_manner manner_of(const cli_budget_task *t)
{
    mu_manner manner = { 0 };
    if (how_of(t)->manner)
        how_of(t)->manner(t->state, &manner);
    return manner;
}

/* The units of this width. */
static mu_status keep_width(cli_budget_task *t, double width, mu_error *err)
{
    const mu_what *what = mu_method_named(t->rule->method)->what;
    mu_units_keep_all(t->units, t->kept);
    if (t->rule->choose) {
        uint32_t *counts = calloc(mu_units_group_count(t->units) + 1, sizeof *counts);
        if (!counts)
            return no_memory(err);
        mu_width_counts(t->units, width, t->rule->rounding, counts);
        mu_status status = t->rule->choose(t->units, counts, t->kept, err);
        free(counts);
        return status;
    }
    mu_status status = configure(t, width, err);
    bool usable = !status && what->usable(t->state, t->units, 0, &(mu_usable){ .kept = t->kept });
    MU_ASSERT(status || usable);
    return status;
}

/* Over the mini-batches of the task: multiply-accumulates of an example, and the most that the step of any of them takes. `kept` and `counts`
 * are room for a choice. */
static mu_status walk_choices(cli_budget_task *t, mu_submodel *p, uint64_t held_macs, uint32_t *counts, bool *kept, size_t *step_bytes,
                              mu_error *err)
{
    const bool teaches = manner_of(t).teaches;
    t->macs = 0;
    for (uint32_t step = 0; step < CLI_BUDGET_STEPS; step++) {
        mu_choice choice = { .units = t->units, .plan = &t->plan, .step = step, .counts = counts, .kept = kept,
                             .afford_macs = t->afford_macs / CLI_BUDGET_BATCH };
        how_of(t)->choose(t->state, &choice);
        mu_status status = mu_submodel_form(p, kept, err);
        const uint64_t macs = status ? 0 : cli_bench_macs(mu_submodel_model(p), 1);
        const bool     everything = macs == held_macs;
        size_t         bytes = 0;
        if (!status && !(teaches && everything))
            status = mu_plan_step_bytes(mu_submodel_model(p), &t->plan, false, &bytes, err);
        if (status)
            return status;
        t->macs += (double)(teaches && !everything ? held_macs + macs : macs) / CLI_BUDGET_STEPS;
        *step_bytes = bytes > *step_bytes ? bytes : *step_bytes;
    }
    return MU_OK;
}

/* As the federation counts. */
static mu_status count_choices(cli_budget_task *t, mu_submodel *p, mu_error *err)
{
    const mu_manner manner = manner_of(t);
    mu_submodel *held = NULL;
    size_t    step_bytes = 0;
    uint32_t *counts = calloc(mu_units_group_count(t->units) + 1, sizeof *counts);
    bool     *kept = calloc(mu_units_count(t->units) + 1, sizeof *kept);
    mu_status status = counts && kept ? mu_submodel_create(t->units, &held, err) : mu_error_set(err, MU_E_MEMORY, "no memory for choices");
    if (!status)
        status = mu_submodel_form(held, t->plan.kept, err);
    if (!status)
        status = walk_choices(t, p, cli_bench_macs(mu_submodel_model(held), 1), counts, kept, &step_bytes, err);
    if (!status)
        status = mu_plan_peak_memory_choosing(mu_submodel_model(held), &t->plan, &manner, CLI_BUDGET_EXAMPLES, step_bytes, false,
                                              &t->planned_bytes, err);
    free(counts);
    free(kept);
    mu_submodel_destroy(held);
    return status;
}

static mu_status count(cli_budget_task *t, mu_submodel *p, mu_error *err)
{
    const mu_model *model = mu_submodel_model(p);
    mu_status status = mu_submodel_form(p, t->plan.kept, err);
    if (status)
        return status;
    t->bytes_up = mu_model_state_count(model) * sizeof(float);
    t->bytes_down = t->bytes_up + (t->plan.kept ? (mu_units_count(t->units) + 7) / 8 : 0);
    if (how_of(t)->choose)
        return count_choices(t, p, err);
    t->macs = (double)cli_bench_macs(model, 1);
    return mu_plan_peak_memory(model, &t->plan, CLI_BUDGET_EXAMPLES, false, &t->planned_bytes, NULL, err);
}

/* ---- finding it ---- */

/* The most that a mini-batch of the plan computes: with a teacher, both. The next narrower width is 0.8 of it, and so is, at most, what it computes. */
static mu_status most_macs(cli_budget_task *t, mu_submodel *p, double *macs, mu_error *err)
{
    mu_status status = mu_submodel_form(p, t->kept, err);
    if (!status)
        *macs = (double)cli_bench_macs(mu_submodel_model(p), 1) * (manner_of(t).teaches ? 1.8 : 1);
    return status;
}

/* Halving, until widths differ by less than one unit of the widest layers. */
static mu_status fit(cli_budget_task *t, mu_submodel *p, double most, mu_error *err)
{
    enum { HALVINGS = 12 };
    double fits = 1e-3, too_wide = 2, macs;
    for (int i = 0; i < HALVINGS; i++) {
        const double width = i == 0 ? 1 : 0.5 * (fits + too_wide);
        mu_status status = keep_width(t, width, err);
        if (!status)
            status = most_macs(t, p, &macs, err);
        if (status)
            return status;
        if (macs <= most)
            fits = width;
        else
            too_wide = width;
        if (fits == 1)
            break;
    }
    return keep_width(t, fits, err);
}

static double afford(const void *clock, const mu_plan *plan, uint64_t done_macs)
{
    (void)plan, (void)done_macs;
    return ((const cli_budget_task *)clock)->afford_macs;
}

static mu_status set_up(cli_budget_task *t, double budget, mu_error *err)
{
    mu_submodel *p = NULL;
    mu_status status = mu_submodel_create(t->units, &p, err);
    const double most = budget * (1 + 1e-9) * (double)cli_bench_macs(t->model, 1); /* a rounding error costs no unit */
    t->afford_macs = most * CLI_BUDGET_BATCH;
    t->plan = (mu_plan){ .learning_rate = 0.01, .step_time_s = 1,
                         .train = { .local_epochs = 1, .batch_size = CLI_BUDGET_BATCH, .learning_rate = 0.01 } };
    if (!status && !t->rule->whole) {
        status = fit(t, p, most, err);
        t->plan.kept = memchr(t->kept, false, mu_units_count(t->units)) ? t->kept : NULL;
    }
    if (!status)
        status = count(t, p, err);
    mu_submodel_destroy(p);
    return status;
}

mu_status cli_budget_task_create(const cli_budget_rule *rule, const cli_bench_case *network, double budget, mu_examples examples,
                                 cli_budget_task *out, mu_error *err)
{
    *out = (cli_budget_task){ .rule = rule, .examples = examples };
    mu_status status = create_model(out, network, err);
    if (status)
        return status;
    out->kept = calloc(mu_units_count(out->units) + 1, sizeof *out->kept);
    out->start = mu_arena_block(mu_model_state_count(out->model) * sizeof(float));
    out->delta = mu_arena_block(mu_model_state_count(out->model) * sizeof(float));
    bool *classes = out->local.classes = calloc(mu_model_classes(out->model), sizeof *classes);
    if (!out->kept || !out->start || !out->delta || !classes)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the weights of %s", network->model);
    status = configure(out, 1, err);
    if (!status)
        status = set_up(out, budget, err);
    if (!status)
        status = mu_trainer_create(out->model, out->units, &out->trainer, err);
    if (status)
        return status;
    mu_model_init(out->model, 1, out->start);
    out->local.how = how_of(out);
    out->local.state = out->state;
    out->local.afford = afford;
    out->local.clock = out;
    return MU_OK;
}

void cli_budget_task_release(cli_budget_task *task)
{
    mu_trainer_destroy(task->trainer);
    free(task->local.classes);
    mu_arena_block_free(task->delta);
    mu_arena_block_free(task->start);
    free(task->kept);
    free(task->state);
    mu_conf_destroy(task->conf);
    mu_units_destroy(task->units);
    mu_model_destroy(task->model);
    *task = (cli_budget_task){ 0 };
}

void cli_budget_task_run(void *task)
{
    cli_budget_task *t = task;
    mu_update update;
    t->status = mu_trainer_run(t->trainer, &t->plan, &t->examples, t->start, 0, 0, &t->local, NULL, t->delta, &update, NULL);
}
