/* Finding the model, and measuring its step. */
#include "cli/price_subject.h"

#include "cli/files.h"

#include "base/limits.h"
#include "train/step_config.h"

#include <stdlib.h>
#include <string.h>

const char *const cli_price_optimizers[] = { [MU_OPTIMIZER_SGD] = "sgd", [MU_OPTIMIZER_ADAM] = "adam", [MU_OPTIMIZER_ADAMW] = "adamw", NULL };

static mu_status read_input(const char *text, mu_shape *out, mu_error *err)
{
    uint32_t *const sides[] = { &out->height, &out->width, &out->channels };
    const char *rest = text;
    for (size_t i = 0; i < MU_COUNT(sides); i++) {
        char *end;
        unsigned long side = *rest >= '0' && *rest <= '9' ? strtoul(rest, &end, 10) : 0;
        if (side == 0 || side > MU_LIMIT_EXAMPLE_VALUES || *end != (i + 1 < MU_COUNT(sides) ? 'x' : '\0'))
            return mu_error_set(err, MU_E_CONFIG, "price: --input '%s' is not HEIGHTxWIDTHxCHANNELS, as in --input 32x32x3", text);
        *sides[i] = (uint32_t)side;
        rest = end + 1;
    }
    return MU_OK;
}

static mu_status open_model(const cli_price_question *question, const mu_conf_node *layers, cli_price_subject *out, mu_error *err)
{
    mu_shape input = { 28, 28, 1 };
    uint32_t classes = question->classes ? question->classes : 10;
    mu_status status = question->input ? read_input(question->input, &input, err) : MU_OK;
    if (!status)
        status = layers ? mu_model_create_layers(layers, input, classes, &out->own, err)
                        : mu_model_create_builtin(question->model, NULL, input, classes, &out->own, err);
    out->model = out->own;
    out->step = mu_step_config_default();
    out->step.optimizer = (mu_optimizer)question->optimizer;
    out->step.momentum = question->momentum;
    return status;
}

static mu_status open_experiment(const cli_price_question *question, cli_price_subject *out, mu_error *err)
{
    if (question->input || question->classes || question->optimizer || question->momentum > 0)
        return mu_error_set(err, MU_E_CONFIG, "price: %s is an experiment: its own sections say the input, the classes and the optimiser; "
                                              "change them with --set, as in --set train.optimizer=adam", question->model);
    mu_status status = mu_experiment_load(question->model, NULL, question->settings.items, question->settings.count, &out->experiment, err);
    if (status)
        return status;
    const mu_plan plan = { .train = mu_experiment_config(out->experiment)->train };
    out->model = mu_experiment_model(out->experiment);
    out->step = mu_plan_step_config(&plan);
    return MU_OK;
}

static mu_status open_file(const cli_price_question *question, cli_price_subject *out, mu_error *err)
{
    mu_conf *conf;
    mu_status status = mu_conf_load(question->model, &conf, err);
    if (status)
        return status;
    const mu_conf_node *root = mu_conf_root(conf);
    bool is_model = mu_conf_get(root, "layers") != NULL;
    if (is_model && question->settings.count)
        status = mu_error_set(err, MU_E_CONFIG, "price: --set changes an experiment, and %s is a model", question->model);
    else if (is_model)
        status = open_model(question, root, out, err);
    mu_conf_destroy(conf);
    return is_model || status ? status : open_experiment(question, out, err);
}

/* The first units of every group: the submodel of this width. */
static mu_status narrow(double width, cli_price_subject *out, mu_error *err)
{
    mu_status status = mu_units_create(out->model, &out->units, err);
    if (!status)
        status = mu_submodel_create(out->units, &out->narrow, err);
    if (status)
        return status;
    bool *kept = calloc(mu_units_count(out->units) + 1, sizeof *kept);
    if (!kept)
        return mu_error_set(err, MU_E_MEMORY, "price: no memory for a submodel");
    for (size_t g = 0; g < mu_units_group_count(out->units); g++)
        mu_units_keep_first(out->units, g, mu_units_of_width(out->units, g, width), kept);
    status = mu_submodel_form(out->narrow, kept, err);
    if (!status)
        out->model = mu_submodel_model(out->narrow);
    free(kept);
    return status;
}

mu_status cli_price_subject_open(const cli_price_question *question, cli_price_subject *out, mu_error *err)
{
    bool is_file;
    *out = (cli_price_subject){ 0 };
    mu_status status = cli_is_file(question->model, &is_file, err);
    if (!status && is_file)
        status = open_file(question, out, err);
    else if (!status && question->settings.count)
        status = mu_error_set(err, MU_E_CONFIG, "price: --set changes an experiment, and %s is a model", question->model);
    else if (!status)
        status = open_model(question, NULL, out, err);
    if (!status && question->batch)
        out->step.batch_size = question->batch;
    out->whole = out->model;
    if (!status && question->width > 0)
        status = narrow(question->width, out, err);
    return status;
}

void cli_price_subject_release(cli_price_subject *subject)
{
    mu_submodel_destroy(subject->narrow);
    mu_units_destroy(subject->units);
    mu_model_destroy(subject->own);
    mu_experiment_destroy(subject->experiment);
    *subject = (cli_price_subject){ 0 };
}

mu_status cli_price_schedule(const mu_model *model, const mu_step_config *config, uint64_t memory_bytes, mu_step_schedule *out, bool *again,
                             mu_error *err)
{
    mu_step_config priced = *config;
    priced.plain_kernels = true;
    priced.memory_limit_bytes = memory_bytes < SIZE_MAX ? (size_t)memory_bytes : SIZE_MAX;
    mu_status status = mu_step_schedule_find(model, &priced, out, again, err);
    return status == MU_E_MEMORY && out->peak_bytes ? MU_OK : status;
}

mu_status cli_price_peak(const mu_model *model, const mu_step_config *config, size_t *size_bytes, mu_error *err)
{
    /* As a device is priced, so that the figure is the same on every processor. */
    mu_step_config priced = *config;
    priced.plain_kernels = true;
    mu_arena arena = mu_arena_measuring();
    mu_step *step;
    mu_status status = mu_step_plan(model, &priced, &arena, &step, err);
    *size_bytes = arena.used_bytes;
    return status;
}

mu_status cli_price_largest_batch(const mu_model *model, const mu_step_config *config, uint64_t memory_bytes, uint32_t *batch, mu_error *err)
{
    uint32_t fits = 0, too_large = MU_LIMIT_BATCH + 1; /* memory grows with the batch */
    while (too_large - fits > 1) {
        mu_step_config tried = *config;
        size_t size_bytes;
        tried.batch_size = fits + (too_large - fits) / 2;
        mu_status status = cli_price_peak(model, &tried, &size_bytes, err);
        if (status)
            return status;
        if (size_bytes <= memory_bytes)
            fits = tried.batch_size;
        else
            too_large = tried.batch_size;
    }
    *batch = fits;
    return MU_OK;
}
