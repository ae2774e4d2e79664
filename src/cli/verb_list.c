/* muster list: everything there is, from the registries. */
#include "cli/files.h"
#include "cli/list_recipes.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "muster/experiment.h"
#include "muster/schedule.h"
#include "tensor/kernels.h"

#include <stdio.h>
#include <string.h>

typedef struct list_options {
    const char *what, *question;
    int         format;
} list_options;

/* One thing that can be listed. */
typedef struct listing {
    const char       *name, *help;
    const cli_column *columns;
    size_t            column_count;
    mu_status (*fill)(const list_options *options, cli_table *table, mu_error *err);
} listing;

static const cli_column name_columns[] = { { "name", "name", false }, { "help", "what it is", false } };

/* ---- models, data sets, partitioners: name, help, source ---- */

static const cli_column source_columns[] = { { "name", "name", false }, { "source", NULL, false }, { "help", "what it is", false } };

/* Where it comes from, and what it is; people see both in the last column. */
static void add_source(cli_table *table, const char *source, const char *help)
{
    char seen[1024];
    if (source)
        snprintf(seen, sizeof seen, "%s (%s)", help, source);
    cli_table_text(table, source ? source : "");
    cli_table_words(table, help, source ? seen : help);
}

static mu_status fill_models(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    size_t count;
    const mu_model_builtin *models = mu_model_builtins(&count);
    for (size_t i = 0; i < count; i++) {
        cli_table_text(table, models[i].name);
        add_source(table, models[i].source, models[i].help);
    }
    return MU_OK;
}

static const cli_column dataset_columns[] = {
    { "name", "name", false }, { "made", "from", false }, { "source", NULL, false }, { "help", "what it is", false }
};

static mu_status fill_datasets(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    size_t count;
    const mu_dataset_info *datasets = mu_datasets(&count);
    for (size_t i = 0; i < count; i++) {
        cli_table_text(table, datasets[i].name);
        cli_table_bool(table, datasets[i].made, datasets[i].made ? "itself" : datasets[i].elsewhere ? "devices" : "files");
        add_source(table, datasets[i].source, datasets[i].help);
    }
    return MU_OK;
}

static mu_status fill_partitions(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    for (size_t i = 0; i < mu_partitioner_count(); i++) {
        const mu_partitioner_info *info = mu_partitioner(i);
        cli_table_text(table, info->name);
        add_source(table, info->source, info->help);
    }
    return MU_OK;
}

/* ---- devices ---- */

static const cli_column device_columns[] = {
    { "name", "name", false },
    { "tier", "tier", false },
    { "macs_per_s_fp32", "fp32", true },
    { "macs_per_s_bf16", NULL, true },
    { "macs_per_s_int8", "int8", true },
    { "memory_bytes", "memory", true },
    { "download_bit_per_s", "down", true },
    { "upload_bit_per_s", "up", true },
    { "latency_s", NULL, true },
    { "active_w", "busy", true },
    { "idle_w", NULL, true },
    { "radio_w", "radio", true },
    { "help", "what it is", false },
    { "source", NULL, false },
};

/* Zero means that the device cannot do it. */
static void add_rate(cli_table *table, double value, const char *unit)
{
    char number[CLI_NUMBER_BYTES], text[CLI_NUMBER_BYTES + 8];
    snprintf(text, sizeof text, "%s%s", cli_format_metric(value, number), unit);
    cli_table_real(table, value, value > 0 ? text : "-");
}

static mu_status fill_devices(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    size_t count;
    char text[CLI_NUMBER_BYTES];
    const mu_profile *profiles = mu_profiles(&count);
    for (size_t i = 0; i < count; i++) {
        const mu_profile *p = &profiles[i];
        cli_table_text(table, p->name);
        cli_table_text(table, p->tier);
        add_rate(table, p->macs_per_s[MU_PRECISION_FP32], "MAC/s");
        add_rate(table, p->macs_per_s[MU_PRECISION_BF16], "MAC/s");
        add_rate(table, p->macs_per_s[MU_PRECISION_INT8], "MAC/s");
        cli_table_count(table, p->memory_bytes, cli_format_bytes(p->memory_bytes, text));
        add_rate(table, p->download_bit_per_s, "bit/s");
        add_rate(table, p->upload_bit_per_s, "bit/s");
        cli_table_real(table, p->latency_s, cli_format_seconds(p->latency_s, text));
        add_rate(table, p->active_w, "W");
        add_rate(table, p->idle_w, "W");
        add_rate(table, p->radio_w, "W");
        cli_table_text(table, p->help);
        cli_table_text(table, p->source);
    }
    return MU_OK;
}

static const cli_column fleet_columns[] = { { "name", "name", false }, { "section", NULL, false }, { "help", "what it is", false } };

static mu_status fill_fleets(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    size_t count;
    const mu_named_fleet *fleets = mu_named_fleets(&count);
    for (size_t i = 0; i < count; i++) {
        cli_table_text(table, fleets[i].name);
        cli_table_text(table, fleets[i].section);
        cli_table_text(table, fleets[i].help);
    }
    return MU_OK;
}

/* ---- methods and questions ---- */

static const char *const questions_help[] = {
    [MU_WHO] = "which devices take part now?",
    [MU_WHAT] = "what does this device train?",
    [MU_HOW] = "how does it train?",
    [MU_WIRE] = "what crosses the wire?",
    [MU_WHEN] = "when are results taken?",
    [MU_MERGE] = "what are they merged into, and how?",
};
_Static_assert(MU_COUNT(questions_help) == MU_QUESTION_COUNT, "every question has its line");

static mu_status fill_questions(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        cli_table_text(table, mu_question_name((mu_question)q));
        cli_table_text(table, questions_help[q]);
    }
    return MU_OK;
}

static const char *const question_names[] = { "who", "what", "how", "wire", "when", "merge", NULL };
_Static_assert(MU_COUNT(question_names) == MU_QUESTION_COUNT + 1, "every question has its name");

/* -1: none was named. */
static mu_status find_question(const char *name, int *out, mu_error *err)
{
    *out = -1;
    for (int q = 0; q < MU_QUESTION_COUNT; q++)
        if (name && strcmp(name, mu_question_name((mu_question)q)) == 0)
            *out = q;
    if (!name || *out >= 0)
        return MU_OK;
    char hint[CLI_HINT_BYTES];
    return mu_error_set(err, MU_E_CONFIG, "list: there is no question '%s'%s", name,
                        cli_hint(name, question_names, "muster list questions", hint));
}

static const cli_column method_columns[] = {
    { "name", "name", false }, { "answers", "answers", false }, { "paper", NULL, false }, { "help", "what it is", false }
};

static mu_status fill_methods(const list_options *options, cli_table *table, mu_error *err)
{
    int question;
    mu_status status = find_question(options->question, &question, err);
    if (status)
        return status;
    size_t count;
    const mu_method *const *methods = mu_methods(&count);
    for (size_t i = 0; i < count; i++) {
        char answers[128] = "";
        size_t used = 0;
        if (question >= 0 && !mu_method_answers(methods[i], (mu_question)question))
            continue;
        for (int q = 0; q < MU_QUESTION_COUNT && used < sizeof answers; q++)
            if (mu_method_answers(methods[i], (mu_question)q))
                used += (size_t)snprintf(answers + used, sizeof answers - used, "%s%s", used ? " " : "", mu_question_name((mu_question)q));
        cli_table_text(table, methods[i]->name);
        cli_table_text(table, answers);
        add_source(table, methods[i]->paper, methods[i]->help);
    }
    return MU_OK;
}

static mu_status fill_recipes(const list_options *options, cli_table *table, mu_error *err)
{
    int question;
    mu_status status = find_question(options->question, &question, err);
    return status ? status : list_recipes_fill(question, table, err);
}

/* ---- kernels ---- */

static const cli_column kernel_columns[] = { { "name", "name", false }, { "here", "here", false }, { "in_use", "in use", false } };

static mu_status fill_kernels(const list_options *options, cli_table *table, mu_error *err)
{
    static const char *const names[] = { "plain", "avx2", "avx512", "neon" };
    (void)options;
    mu_status status = mu_kernels_check(err);
    for (size_t i = 0; i < MU_COUNT(names) && !status; i++) {
        bool here = mu_kernels_named(names[i]) != NULL, in_use = strcmp(mu_kernels()->name, names[i]) == 0;
        cli_table_text(table, names[i]);
        cli_table_bool(table, here, here ? "yes" : "no");
        cli_table_bool(table, in_use, in_use ? "yes" : "no");
    }
    return status;
}

/* ---- what a configuration key can be ---- */

static const cli_column choice_columns[] = { { "name", "name", false }, { "key", "configuration", false } };

static void add_choices(cli_table *table, const mu_option *rows, size_t count, const char *key, const char *path)
{
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; strcmp(rows[i].name, key) == 0 && rows[i].choices && rows[i].choices[c]; c++) {
            char text[128];
            snprintf(text, sizeof text, "%s: %s", path, rows[i].choices[c]);
            cli_table_text(table, rows[i].choices[c]);
            cli_table_text(table, text);
        }
}

static mu_status fill_optimizers(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    size_t count;
    const mu_option *rows = mu_train_options(&count);
    add_choices(table, rows, count, "optimizer", "train.optimizer");
    return MU_OK;
}

static mu_status fill_schedules(const list_options *options, cli_table *table, mu_error *err)
{
    (void)options, (void)err;
    size_t count;
    const mu_option *rows = mu_schedule_options(&count);
    add_choices(table, rows, count, "kind", "train.schedule.kind");
    return MU_OK;
}

/* ---- the verb ---- */

static const listing listings[] = {
    { "recipes", "what an experiment may start from", list_recipes_columns, LIST_RECIPES_COLUMNS, fill_recipes },
    { "models", "built-in networks", source_columns, MU_COUNT(source_columns), fill_models },
    { "datasets", "data sets that are known by name", dataset_columns, MU_COUNT(dataset_columns), fill_datasets },
    { "partitions", "ways to spread a data set over devices", source_columns, MU_COUNT(source_columns), fill_partitions },
    { "devices", "built-in device classes", device_columns, MU_COUNT(device_columns), fill_devices },
    { "fleets", "mixes of device classes that have a name", fleet_columns, MU_COUNT(fleet_columns), fill_fleets },
    { "methods", "what answers the six questions", method_columns, MU_COUNT(method_columns), fill_methods },
    { "questions", "the six questions", name_columns, MU_COUNT(name_columns), fill_questions },
    { "optimizers", "how a device steps", choice_columns, MU_COUNT(choice_columns), fill_optimizers },
    { "schedules", "how the learning rate changes", choice_columns, MU_COUNT(choice_columns), fill_schedules },
    { "kernels", "arithmetic for this and other processors", kernel_columns, MU_COUNT(kernel_columns), fill_kernels },
};

static const char *const list_names[] = { "recipes", "models",    "datasets",   "partitions", "devices", "fleets",
                                          "methods", "questions", "optimizers", "schedules",  "kernels", NULL };
_Static_assert(MU_COUNT(list_names) == MU_COUNT(listings) + 1, "every listing has its name");

static void print_named(const cli_table *table, const char *name, cli_format format)
{
    if (format == CLI_FORMAT_JSON)
        printf("{\"%s\":", name);
    cli_table_print(table, format, stdout);
    if (format == CLI_FORMAT_JSON)
        fputs("}\n", stdout);
}

static void print_all(cli_format format)
{
    cli_table *table = cli_table_create(name_columns, MU_COUNT(name_columns));
    for (size_t i = 0; i < MU_COUNT(listings); i++) {
        cli_table_text(table, listings[i].name);
        cli_table_text(table, listings[i].help);
    }
    print_named(table, "lists", format);
    cli_table_destroy(table);
}

static mu_status print_one(const listing *one, const list_options *options, mu_error *err)
{
    cli_table *table = cli_table_create(one->columns, one->column_count);
    mu_status status = one->fill(options, table, err);
    if (!status)
        print_named(table, one->name, (cli_format)options->format);
    cli_table_destroy(table);
    return status;
}

static mu_status verb_list(const void *options, mu_error *err)
{
    const list_options *o = options;
    if (o->question && !(o->what && (strcmp(o->what, "methods") == 0 || strcmp(o->what, "recipes") == 0)))
        return mu_error_set(err, MU_E_CONFIG, "list: --question picks methods or recipes, as in muster list methods --question %s", o->question);
    if (!o->what) {
        print_all((cli_format)o->format);
        return MU_OK;
    }
    for (size_t i = 0; i < MU_COUNT(listings); i++)
        if (strcmp(listings[i].name, o->what) == 0)
            return print_one(&listings[i], o, err);
    char hint[CLI_HINT_BYTES];
    return mu_error_set(err, MU_E_CONFIG, "list: there is no list of '%s'%s", o->what, cli_hint(o->what, list_names, "muster list", hint));
}

static const cli_argument words[] = {
    { .name = "WHAT", .kind = CLI_TEXT, .offset = offsetof(list_options, what), .choices = list_names,
      .help = "recipes, models, datasets, partitions, devices, fleets, methods, questions, optimizers, schedules or kernels; without it, "
              "what there is to list" },
};

static const cli_argument flags[] = {
    { .name = "question", .kind = CLI_TEXT, .offset = offsetof(list_options, question), .value = "QUESTION",
      .choices = question_names,
      .help = "only methods, or recipes, that answer it: who, what, how, wire, when or merge" },
    CLI_FORMAT_FLAG(list_options, format, cli_formats_text_json_csv),
};

static const cli_example examples[] = {
    { "muster list recipes", "what an experiment may start from: answers, options, papers" },
    { "muster list methods --question when", "the methods that say when results are taken" },
    { "muster list devices --format json", "every figure of every device class, with its source" },
};

const cli_verb cli_verb_list = {
    .name = "list",
    .summary = "list recipes, models, data sets, devices, methods, ...",
    .about = "Everything that a configuration can name, as the program knows it. On a terminal the last column is wrapped; json and csv have "
             "columns that the text leaves out.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(list_options) },
    .run = verb_list,
};
