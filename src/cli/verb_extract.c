/* muster extract: a part of a run's model that can be used by itself, cut out of it. */
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/file.h"
#include "fl/usable.h"
#include "muster/experiment.h"
#include "muster/version.h"
#include "report/run_folder.h"
#include "report/run_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct extract_options {
    const char *run, *out;
    double      width;
    bool        list;
    int         format;
} extract_options;

/* The run, and its model as it was in the end. */
typedef struct subject {
    mu_run          run;
    mu_experiment  *experiment;
    mu_usable_parts parts;
    float          *state;
    mu_submodel    *part;
} subject;

static mu_status no_memory(const char *run, mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "%s: no memory for its model", run);
}

/* ---- opening ---- */

static mu_status open_experiment(const char *folder, subject *s, mu_error *err)
{
    char *path = mu_path_join(folder, MU_RUN_CONFIG);
    mu_status status = path ? mu_experiment_load(path, NULL, NULL, 0, &s->experiment, err) : no_memory(folder, err);
    free(path);
    if (status)
        return status;
    const mu_federation_config *config = mu_experiment_config(s->experiment);
    return mu_usable_parts_init(config->answers[MU_WHAT].method, config->answers[MU_WHAT].state, config->units, &s->parts, err);
}

static mu_status open_model(const char *folder, subject *s, mu_error *err)
{
    const mu_model *model = mu_experiment_model(s->experiment);
    char *path = mu_path_join(folder, MU_RUN_MODEL);
    s->state = malloc((mu_model_state_count(model) + 1) * sizeof *s->state);
    mu_status status = path && s->state ? mu_model_load(model, path, s->state, err) : no_memory(folder, err);
    free(path);
    return status;
}

static void release(subject *s)
{
    mu_submodel_destroy(s->part);
    free(s->state);
    mu_usable_parts_release(&s->parts);
    mu_experiment_destroy(s->experiment);
    mu_run_release(&s->run);
}

/* ---- which there are ---- */

static const cli_column columns[] = {
    { "width", "width", true }, { "parameters", "parameters", true }, { "macs_per_example", "MACs an example", true }, { "accuracy", "accuracy", true },
};

/* As the run found it, on the test set. */
static double accuracy_of(const subject *s, uint32_t index)
{
    const mu_run_summary *summary = &s->run.summary;
    if (!s->parts.named)
        return summary->final_accuracy;
    return index < summary->width_count ? summary->widths[index].accuracy : (double)NAN;
}

static mu_status list(subject *s, cli_format format, mu_error *err)
{
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < s->parts.count && !status; i++) {
        char text[CLI_NUMBER_BYTES];
        status = mu_submodel_form(s->part, s->parts.parts[i].kept, err);
        if (status)
            break;
        const mu_model *model = mu_submodel_model(s->part);
        uint64_t parameters = mu_model_param_count(model), macs = mu_model_macs_forward(model, 1);
        cli_table_real(table, s->parts.parts[i].width, cli_format_exact(s->parts.parts[i].width, text));
        cli_table_count(table, parameters, cli_format_count(parameters, text));
        cli_table_count(table, macs, cli_format_count(macs, text));
        double accuracy = accuracy_of(s, i);
        snprintf(text, sizeof text, "%.4f", accuracy);
        cli_table_real(table, accuracy, isfinite(accuracy) ? text : "-");
    }
    if (!status)
        cli_table_print(table, format, stdout);
    cli_table_destroy(table);
    return status;
}

/* ---- cutting one out ---- */

static mu_status find_width(const extract_options *o, const subject *s, uint32_t *index, mu_error *err)
{
    char widths[512] = "", text[CLI_NUMBER_BYTES];
    size_t used = 0;
    for (uint32_t i = 0; i < s->parts.count; i++) {
        double width = s->parts.parts[i].width;
        if (fabs(width - o->width) < 1e-9) {
            *index = i;
            return MU_OK;
        }
        if (used < sizeof widths)
            used += (size_t)snprintf(widths + used, sizeof widths - used, "%s%s", i ? ", " : "", cli_format_exact(width, text));
    }
    return mu_error_set(err, MU_E_CONFIG, "%s: there is no network of width %g in this run; those that there are: %s", o->run, o->width, widths);
}

/* "small.safetensors" makes "small.yaml"; malloc'ed. */
static char *path_of_model(const char *weights)
{
    static const char ending[] = ".safetensors", yaml[] = ".yaml";
    size_t length = strlen(weights), end = sizeof ending - 1;
    if (length > end && strcmp(weights + length - end, ending) == 0)
        length -= end;
    char *path = malloc(length + sizeof yaml);
    if (path) {
        memcpy(path, weights, length);
        memcpy(path + length, yaml, sizeof yaml);
    }
    return path;
}

static char *path_of_weights(const extract_options *o, const subject *s)
{
    char width[CLI_NUMBER_BYTES];
    if (o->out)
        return strdup(o->out);
    const char *name = mu_experiment_name(s->experiment);
    size_t capacity_bytes = strlen(name) + sizeof width + sizeof "-.safetensors";
    char *path = malloc(capacity_bytes);
    if (path)
        snprintf(path, capacity_bytes, "%s-%s.safetensors", name, cli_format_exact(o->width, width));
    return path;
}

static mu_status write(const extract_options *o, const subject *s, const mu_extracted *extracted, const char *weights, const char *model,
                       mu_error *err)
{
    char width[CLI_NUMBER_BYTES];
    cli_format_exact(o->width, width);
    const char *const metadata[] = {
        "format", "pt", "muster_version", MU_VERSION, "name", mu_experiment_name(s->experiment), "recipe", mu_experiment_recipe(s->experiment),
        "model", mu_model_name(extracted->model), "dataset", mu_data_name(mu_experiment_data(s->experiment)), "width", width, NULL,
    };
    mu_status status = mu_model_save(extracted->model, extracted->state, metadata, weights, err);
    return status ? status : mu_file_write(model, extracted->text, strlen(extracted->text), err);
}

static void say(const extract_options *o, const subject *s, const char *weights, const char *model)
{
    const mu_model *part = mu_submodel_model(s->part), *whole = mu_experiment_model(s->experiment);
    uint64_t parameters = mu_model_param_count(part), macs = mu_model_macs_forward(part, 1);
    char width[CLI_NUMBER_BYTES], text[CLI_NUMBER_BYTES], more[CLI_NUMBER_BYTES];
    cli_format_exact(o->width, width);
    if (o->format == CLI_FORMAT_JSON) {
        printf("{\"width\":%s,\"parameters\":%llu,\"macs_per_example\":%llu,\"weights\":", width, (unsigned long long)parameters,
               (unsigned long long)macs);
        cli_print_json_text(stdout, weights);
        fputs(",\"model\":", stdout);
        cli_print_json_text(stdout, model);
        fputs("}\n", stdout);
        return;
    }
    printf("width %s: %s parameters (%.1f %%), %s multiply-accumulates an example (%.1f %%)\n", width, cli_format_count(parameters, text),
           100.0 * (double)parameters / (double)mu_model_param_count(whole), cli_format_count(macs, more),
           100.0 * (double)macs / (double)mu_model_macs_forward(whole, 1));
    printf("weights: %s\nnetwork: %s\n", weights, model);
}

static mu_status cut_out(const extract_options *o, subject *s, mu_error *err)
{
    uint32_t index = 0;
    mu_extracted extracted = { 0 };
    mu_status status = find_width(o, s, &index, err);
    if (!status)
        status = mu_submodel_form(s->part, s->parts.parts[index].kept, err);
    if (!status)
        status = mu_submodel_extract(s->part, s->parts.parts[index].statistics, s->state, &extracted, err);
    if (status)
        return status;
    char *weights = path_of_weights(o, s), *model = weights ? path_of_model(weights) : NULL;
    status = model ? write(o, s, &extracted, weights, model, err) : no_memory(o->run, err);
    if (!status)
        say(o, s, weights, model);
    free(model);
    free(weights);
    mu_extracted_release(&extracted);
    return status;
}

static mu_status verb_extract(const void *options, mu_error *err)
{
    const extract_options *o = options;
    if (o->list == (o->width > 0))
        return mu_error_set(err, MU_E_CONFIG, "extract: say --width W, or --list to see which there are");
    if (o->list && o->out)
        return mu_error_set(err, MU_E_CONFIG, "extract: --list writes no file, so --out says nothing");
    if (!o->list && o->format == CLI_FORMAT_CSV)
        return mu_error_set(err, MU_E_CONFIG, "extract: --format csv is for the table of --list");
    subject s = { 0 };
    mu_status status = cli_as_input(mu_run_read(o->run, &s.run, err));
    if (!status)
        status = open_experiment(o->run, &s, err);
    if (!status)
        status = mu_submodel_create(mu_experiment_config(s.experiment)->units, &s.part, err);
    if (!status && o->list)
        status = list(&s, (cli_format)o->format, err);
    if (!status && !o->list)
        status = open_model(o->run, &s, err);
    if (!status && !o->list)
        status = cut_out(o, &s, err);
    release(&s);
    return status;
}

static const cli_argument words[] = {
    { .name = "RUN", .kind = CLI_TEXT, .offset = offsetof(extract_options, run), .needed = true, .offer = CLI_OFFER_FOLDERS,
      .help = "the folder of a finished run" },
};

static const cli_argument flags[] = {
    { .name = "width", .kind = CLI_REAL, .offset = offsetof(extract_options, width), .value = "W", .min = 1e-6, .max = 1,
      .help = "which network: one of the widths that --list shows" },
    { .name = "out", .letter = 'o', .kind = CLI_TEXT, .offset = offsetof(extract_options, out), .value = "FILE", .offer = CLI_OFFER_FILES,
      .help = "where its weights go, otherwise NAME-W.safetensors here; the network goes beside them, into a file that ends in .yaml" },
    { .name = "list", .kind = CLI_SWITCH, .offset = offsetof(extract_options, list),
      .help = "show the widths that there are, with what they cost and how good they are" },
    CLI_FORMAT_FLAG(extract_options, format, cli_formats_text_json_csv),
};

static const cli_example examples[] = {
    { "muster extract runs/first --list", "which networks came out of the run, from wide to narrow" },
    { "muster extract runs/first --width 0.5", "writes first-0.5.safetensors and first-0.5.yaml" },
    { "muster extract runs/first --width 0.25 -o phone.safetensors", "phone.safetensors, and phone.yaml for `model: {file: phone.yaml}`" },
};

const cli_verb cli_verb_extract = {
    .name = "extract",
    .summary = "cut a narrower network out of a run's model",
    .about = "Where devices train the first units of every layer (recipes fjord, heterofl, small), narrower networks lie within the wide one and can be "
             "used by themselves: on a smaller device, or where an answer may cost less. This writes one of them as a network of its own: its "
             "weights, with the names that PyTorch gives them and the norms' statistics that the run kept for its width (fjord; other recipes keep those of the widest alone), and its layers as a model file, which "
             "another experiment can name. Where the method makes no such parts there is one network, of width 1: the whole model.\n\n"
             "The run's data must be there, because they say what goes in and how many classes come out.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(extract_options) },
    .run = verb_extract,
};
