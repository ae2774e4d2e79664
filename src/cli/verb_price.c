/* muster price: what one training step costs, by layer, and on which devices it can run. */
#include "cli/files.h"
#include "cli/price_subject.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

typedef struct price_options {
    cli_price_question question;
    const char        *device;
    uint64_t           memory_bytes;
    int                format;
} price_options;

/* The figures that go with the tables. */
typedef struct figures {
    const cli_price_subject *subject;
    mu_cost                  sum;
    size_t                   training_bytes, evaluating_bytes;
    uint64_t                 memory_bytes; /* 0: not asked */
    uint32_t                 largest_batch;
} figures;

/* ---- layers ---- */

static const cli_column layer_columns[] = {
    { "layer", "layer", false },
    { "kind", "kind", false },
    { "output", "output", true },
    { "parameters", "parameters", true },
    { "macs_forward", "MACs forward", true },
    { "macs_backward", "MACs backward", true },
    { "activation_bytes", "activations", true },
    { "moved_bytes", "moved", true },
};

static void add_layer(cli_table *table, const char *name, const char *kind, const char *output, const mu_cost *cost)
{
    char text[CLI_NUMBER_BYTES];
    uint64_t parameters = cost->param_bytes / sizeof(float);
    cli_table_text(table, name);
    cli_table_text(table, kind);
    cli_table_text(table, output);
    cli_table_count(table, parameters, cli_format_count(parameters, text));
    cli_table_count(table, cost->macs_forward, cli_format_count(cost->macs_forward, text));
    cli_table_count(table, cost->macs_backward, cli_format_count(cost->macs_backward, text));
    cli_table_count(table, cost->activation_bytes, cli_format_bytes(cost->activation_bytes, text));
    cli_table_count(table, cost->moved_bytes, cli_format_bytes(cost->moved_bytes, text));
}

/* `with_sum`: a last row for people; programs add up themselves. */
static cli_table *layer_table(const figures *f, bool with_sum)
{
    const mu_model *model = f->subject->model;
    cli_table *table = cli_table_create(layer_columns, MU_COUNT(layer_columns));
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info layer;
        char output[64];
        mu_model_layer(model, i, f->subject->step.batch_size, &layer);
        snprintf(output, sizeof output, "%ux%ux%u", layer.output.height, layer.output.width, layer.output.channels);
        add_layer(table, layer.name, layer.kind, output, &layer.cost);
    }
    if (with_sum)
        add_layer(table, "sum", "", "", &f->sum);
    return table;
}

/* ---- devices ---- */

static const cli_column device_columns[] = {
    { "device", "device", false },      { "seconds", "a step takes", true }, { "joules", "energy", true },
    { "memory_bytes", "memory", true }, { "fits", "fits", false },
};

static void add_device(cli_table *table, const mu_profile *profile, const figures *f)
{
    char text[CLI_NUMBER_BYTES], energy[CLI_NUMBER_BYTES + 1];
    const mu_work work = { .macs[MU_PRECISION_FP32] = f->sum.macs_forward + f->sum.macs_backward, .peak_memory_bytes = f->training_bytes };
    mu_price price = mu_price_work(profile, &work);
    cli_table_text(table, profile->name);
    cli_table_real(table, price.compute_s, cli_format_seconds(price.compute_s, text));
    snprintf(energy, sizeof energy, "%sJ", cli_format_metric(price.energy_j, text));
    cli_table_real(table, price.energy_j, energy);
    cli_table_count(table, profile->memory_bytes, cli_format_bytes(profile->memory_bytes, text));
    cli_table_bool(table, price.fits, price.fits ? "yes" : "no");
}

/* The classes of the experiment's fleet, or the whole catalogue; one of them when it is named. */
static mu_status device_table(const figures *f, const char *name, cli_table **out, mu_error *err)
{
    enum { MOST = 256 };
    const char *names[MOST + 1];
    size_t catalogue_count;
    const mu_profile *catalogue = mu_profiles(&catalogue_count);
    const mu_fleet *fleet = f->subject->experiment ? mu_experiment_fleet(f->subject->experiment) : NULL;
    size_t count = fleet ? mu_fleet_class_count(fleet) : catalogue_count, named = 0;
    cli_table *table = cli_table_create(device_columns, MU_COUNT(device_columns));
    for (size_t i = 0; i < count; i++) {
        const mu_profile *profile = fleet ? mu_fleet_class(fleet, (uint32_t)i) : &catalogue[i];
        if (named < MOST)
            names[named++] = profile->name;
        if (!name || strcmp(name, profile->name) == 0)
            add_device(table, profile, f);
    }
    names[named] = NULL;
    *out = table;
    if (cli_table_rows(table) || !name)
        return MU_OK;
    char hint[CLI_HINT_BYTES];
    return mu_error_set(err, MU_E_CONFIG, "price: there is no device class '%s'%s", name,
                        cli_hint(name, names, "muster list devices", hint));
}

/* ---- printing ---- */

static void print_text(const figures *f, const cli_table *layers, const cli_table *devices)
{
    const mu_model *model = f->subject->model;
    const mu_step_config *step = &f->subject->step;
    mu_shape input = mu_model_input(model);
    char text[CLI_NUMBER_BYTES], exact[CLI_NUMBER_BYTES];
    printf("%s: input %ux%ux%u, %u classes, %s trainable parameters\n", mu_model_name(model), input.height, input.width, input.channels,
           mu_model_classes(model), cli_format_count(mu_model_param_count(model), text));
    printf("one training step of batch %u with %s:\n\n", step->batch_size, cli_price_optimizers[step->optimizer]);
    cli_table_print(layers, CLI_FORMAT_TEXT, stdout);
    printf("\npeak memory: %s for training (%s bytes)", cli_format_bytes(f->training_bytes, text),
           cli_format_count(f->training_bytes, exact));
    printf(", %s for evaluating (%s bytes)\n", cli_format_bytes(f->evaluating_bytes, text), cli_format_count(f->evaluating_bytes, exact));
    if (f->memory_bytes && f->largest_batch)
        printf("largest batch that fits in %s: %u\n", cli_format_bytes(f->memory_bytes, text), f->largest_batch);
    else if (f->memory_bytes)
        printf("not even a batch of one example fits in %s\n", cli_format_bytes(f->memory_bytes, text));
    putchar('\n');
    cli_table_print(devices, CLI_FORMAT_TEXT, stdout);
}

static void print_json(const figures *f, const cli_table *layers, const cli_table *devices)
{
    const mu_model *model = f->subject->model;
    mu_shape input = mu_model_input(model);
    fputs("{\"model\":", stdout);
    cli_print_json_text(stdout, mu_model_name(model));
    printf(",\"input\":[%u,%u,%u],\"classes\":%u,\"batch_size\":%u,\"optimizer\":\"%s\"", input.height, input.width, input.channels,
           mu_model_classes(model), f->subject->step.batch_size, cli_price_optimizers[f->subject->step.optimizer]);
    printf(",\"parameters\":%zu,\"macs_forward\":%llu,\"macs_backward\":%llu", mu_model_param_count(model),
           (unsigned long long)f->sum.macs_forward, (unsigned long long)f->sum.macs_backward);
    printf(",\"activation_bytes\":%llu,\"moved_bytes\":%llu", (unsigned long long)f->sum.activation_bytes,
           (unsigned long long)f->sum.moved_bytes);
    printf(",\"peak_memory_bytes\":%zu,\"evaluation_memory_bytes\":%zu", f->training_bytes, f->evaluating_bytes);
    if (f->memory_bytes)
        printf(",\"memory_bytes\":%llu,\"largest_batch\":%u", (unsigned long long)f->memory_bytes, f->largest_batch);
    fputs(",\"layers\":", stdout);
    cli_table_print(layers, CLI_FORMAT_JSON, stdout);
    fputs(",\"devices\":", stdout);
    cli_table_print(devices, CLI_FORMAT_JSON, stdout);
    fputs("}\n", stdout);
}

static mu_status measure(const price_options *o, figures *f, mu_error *err)
{
    const mu_model *model = f->subject->model;
    mu_step_config evaluating = f->subject->step;
    evaluating.training = false;
    f->sum = mu_model_cost(model, f->subject->step.batch_size);
    f->memory_bytes = o->memory_bytes;
    mu_status status = cli_price_peak(model, &f->subject->step, &f->training_bytes, err);
    if (!status)
        status = cli_price_peak(model, &evaluating, &f->evaluating_bytes, err);
    if (!status && f->memory_bytes)
        status = cli_price_largest_batch(model, &f->subject->step, f->memory_bytes, &f->largest_batch, err);
    return status;
}

static mu_status verb_price(const void *options, mu_error *err)
{
    const price_options *o = options;
    cli_price_subject subject;
    figures f = { .subject = &subject };
    cli_table *layers = NULL, *devices = NULL;
    mu_status status = cli_price_subject_open(&o->question, &subject, err);
    if (!status)
        status = measure(o, &f, err);
    if (!status)
        status = device_table(&f, o->device, &devices, err);
    if (!status) {
        layers = layer_table(&f, o->format == CLI_FORMAT_TEXT);
        if (o->format == CLI_FORMAT_TEXT)
            print_text(&f, layers, devices);
        else if (o->format == CLI_FORMAT_JSON)
            print_json(&f, layers, devices);
        else
            cli_table_print(layers, CLI_FORMAT_CSV, stdout);
    }
    cli_table_destroy(layers);
    cli_table_destroy(devices);
    cli_price_subject_release(&subject);
    return status;
}

static const cli_argument words[] = {
    { .name = "MODEL", .kind = CLI_TEXT, .offset = offsetof(price_options, question.model), .needed = true, .offer = CLI_OFFER_MODELS,
      .help = "a built-in model (muster list models), a model file, or an experiment, whose model, batch size, optimiser and fleet are taken" },
};

static const cli_argument flags[] = {
    { .name = "batch", .letter = 'b', .kind = CLI_COUNT, .offset = offsetof(price_options, question.batch), .value = "N", .min = 1,
      .max = MU_LIMIT_BATCH, .help = "examples in a step; otherwise the experiment's, or 32" },
    { .name = "device", .letter = 'd', .kind = CLI_TEXT, .offset = offsetof(price_options, device), .value = "CLASS",
      .offer = CLI_OFFER_DEVICES, .help = "only this class of devices" },
    { .name = "memory", .kind = CLI_BYTES, .offset = offsetof(price_options, memory_bytes), .value = "SIZE", .min = 1,
      .help = "say the largest batch that can be trained with in this much memory, as in --memory 256KiB" },
    { .name = "input", .kind = CLI_TEXT, .offset = offsetof(price_options, question.input), .value = "HxWxC",
      .help = "what one example is, for a model by itself; otherwise 28x28x1" },
    { .name = "classes", .kind = CLI_COUNT, .offset = offsetof(price_options, question.classes), .value = "N", .min = 2,
      .max = MU_LIMIT_CLASSES, .help = "classes, for a model by itself; otherwise 10" },
    { .name = "optimizer", .kind = CLI_CHOICE, .offset = offsetof(price_options, question.optimizer), .choices = cli_price_optimizers,
      .help = "for a model by itself; sgd is the default" },
    { .name = "momentum", .kind = CLI_REAL, .offset = offsetof(price_options, question.momentum), .value = "M", .min = 0, .max = 1,
      .help = "of sgd, for a model by itself; it takes memory where it is not 0" },
    { .name = "set", .letter = 's', .kind = CLI_TEXTS, .offset = offsetof(price_options, question.settings), .value = "KEY=VALUE",
      .help = "change a key of the experiment; may be given again" },
    CLI_FORMAT_FLAG(price_options, format, cli_formats_text_json_csv),
};

static const cli_example examples[] = {
    { "muster price lenet5 --batch 10", "multiply-accumulates, parameters and memory of each layer, and what a step costs each class of device" },
    { "muster price resnet20 --input 32x32x3 --device phone-mid", "one class only" },
    { "muster price examples/first.yaml --memory 2MiB", "the experiment's model on its own fleet, and the largest batch that fits in 2 MiB" },
    { "muster price lenet5 --format csv > layers.csv", "the table of layers alone, for a spreadsheet" },
};

const cli_verb cli_verb_price = {
    .name = "price",
    .summary = "say what a training step of a model costs",
    .about = "For each layer: multiply-accumulates forward and backward, parameters, the bytes kept from forward to backward and the bytes "
             "moved. For the step: its exact peak memory with the reference kernels, which is the same on every processor; a task of a run "
             "holds the weights that it began with and the order of its examples besides. For each class of devices: the time and energy of "
             "the step, and whether it fits.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(price_options) },
    .run = verb_price,
};
