/* muster price: what one training step costs, by layer, and on which devices it can run. */
#include "cli/files.h"
#include "cli/price_subject.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
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
    mu_cost                  sum, whole_sum; /* whole_sum: of the model that this is a submodel of */
    double                   width;
    size_t                   training_bytes, evaluating_bytes;
    uint64_t                 memory_bytes; /* 0: not asked, nor the rest */
    uint32_t                 largest_batch;
    mu_step_schedule         schedule; /* within that memory; micro_batch 0: there is none, and peak_bytes is what it takes at least */
    bool                    *again;    /* of each layer */
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
    { "runs_again", "again", false }, /* only where a memory is asked about */
};

/* `again` NULL: not asked. */
static void add_layer(cli_table *table, const char *name, const char *kind, const char *output, const mu_cost *cost, const bool *again)
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
    if (again)
        cli_table_bool(table, *again, *again ? "yes" : "");
}

/* `with_sum`: a last row for people; programs add up themselves. */
static cli_table *layer_table(const figures *f, bool with_sum)
{
    const mu_model *model = f->subject->model;
    cli_table *table = cli_table_create(layer_columns, MU_COUNT(layer_columns) - (f->again ? 0 : 1));
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info layer;
        char output[64];
        mu_model_layer(model, i, f->subject->step.batch_size, &layer);
        snprintf(output, sizeof output, "%ux%ux%u", layer.output.height, layer.output.width, layer.output.channels);
        add_layer(table, layer.name, layer.kind, output, &layer.cost, f->again ? &f->again[i] : NULL);
    }
    const bool no_layer = false;
    if (with_sum)
        add_layer(table, "sum", "", "", &f->sum, f->again ? &no_layer : NULL);
    return table;
}

/* ---- devices ---- */

static const cli_column device_columns[] = {
    { "device", "device", false },      { "seconds", "a step takes", true }, { "joules", "energy", true },
    { "memory_bytes", "memory", true }, { "fits", "fits", false },
};

static void add_device(cli_table *table, const mu_profile *profile, const figures *f)
{
    const double counted = (double)(f->sum.macs_forward + f->sum.macs_backward);
    char text[CLI_NUMBER_BYTES], energy[CLI_NUMBER_BYTES + 1];
    const bool limited = f->schedule.micro_batch > 0;
    const mu_work work = { .macs[MU_PRECISION_FP32] = f->sum.macs_forward + f->sum.macs_backward + f->schedule.extra_macs,
                           .extra_moved_bytes = f->schedule.extra_moved_bytes,
                           .rated_s = profile->rates ? mu_rates_step_s(profile->rates, f->subject->model, f->subject->step.batch_size) *
                                                           (1.0 + (double)f->schedule.extra_macs / counted) : 0.0,
                           .peak_memory_bytes = limited ? f->schedule.peak_bytes : f->training_bytes };
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

static void print_schedule(const figures *f)
{
    const mu_step_schedule *s = &f->schedule;
    const uint32_t batch = f->subject->step.batch_size;
    char limit[CLI_NUMBER_BYTES], bytes[CLI_NUMBER_BYTES], exact[CLI_NUMBER_BYTES];
    cli_format_bytes(f->memory_bytes, limit);
    cli_format_bytes(s->peak_bytes, bytes);
    cli_format_count(s->peak_bytes, exact);
    if (s->micro_batch == 0) {
        printf("a batch of %u does not fit in %s: it takes at least %s (%s bytes)\n", batch, limit, bytes, exact);
        return;
    }
    printf("within %s: ", limit);
    if (s->micro_batch < batch)
        printf("the batch in %u parts, ", (batch + s->micro_batch - 1) / s->micro_batch);
    if (s->recomputed)
        printf("%u layer%s computed again, ", s->recomputed, s->recomputed == 1 ? "" : "s");
    if (s->micro_batch == batch && !s->recomputed)
        printf("as it is\n");
    else
        printf("%s (%s bytes), about %.2f times the time\n", bytes, exact, s->time_factor);
}

static uint64_t macs_of(const mu_cost *cost)
{
    return cost->macs_forward + cost->macs_backward;
}

static double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

static void print_text(const figures *f, const cli_table *layers, const cli_table *devices)
{
    const mu_model *model = f->subject->model;
    const mu_step_config *step = &f->subject->step;
    mu_shape input = mu_model_input(model);
    char text[CLI_NUMBER_BYTES], exact[CLI_NUMBER_BYTES];
    printf("%s: input %ux%ux%u, %u classes, %s trainable parameters\n", mu_model_name(model), input.height, input.width, input.channels,
           mu_model_classes(model), cli_format_count(mu_model_param_count(model), text));
    if (f->subject->narrow)
        printf("its submodel of width %s: %.1f %% of the parameters, %.1f %% of the multiply-accumulates of a step\n",
               cli_format_exact(f->width, text), percent(mu_model_param_count(model), mu_model_param_count(f->subject->whole)),
               percent(macs_of(&f->sum), macs_of(&f->whole_sum)));
    printf("one training step of batch %u with %s:\n\n", step->batch_size, cli_price_optimizers[step->optimizer]);
    cli_table_print(layers, CLI_FORMAT_TEXT, stdout);
    printf("\npeak memory: %s for training (%s bytes)", cli_format_bytes(f->training_bytes, text),
           cli_format_count(f->training_bytes, exact));
    printf(", %s for evaluating (%s bytes)\n", cli_format_bytes(f->evaluating_bytes, text), cli_format_count(f->evaluating_bytes, exact));
    if (f->memory_bytes)
        print_schedule(f);
    if (f->memory_bytes && f->largest_batch)
        printf("largest batch that fits in %s: %u\n", cli_format_bytes(f->memory_bytes, text), f->largest_batch);
    else if (f->memory_bytes)
        printf("not even a batch of one example fits in %s\n", cli_format_bytes(f->memory_bytes, text));
    putchar('\n');
    cli_table_print(devices, CLI_FORMAT_TEXT, stdout);
}

static void print_schedule_json(const figures *f)
{
    const mu_step_schedule *s = &f->schedule;
    char factor[CLI_NUMBER_BYTES];
    printf(",\"memory_bytes\":%llu,\"largest_batch\":%u", (unsigned long long)f->memory_bytes, f->largest_batch);
    if (s->micro_batch == 0)
        printf(",\"schedule\":null,\"smallest_memory_bytes\":%zu", s->peak_bytes);
    else
        printf(",\"schedule\":{\"micro_batch\":%u,\"layers_again\":%u,\"extra_macs\":%llu,\"extra_moved_bytes\":%llu,\"time_factor\":%s,"
               "\"peak_memory_bytes\":%zu}", s->micro_batch, s->recomputed, (unsigned long long)s->extra_macs,
               (unsigned long long)s->extra_moved_bytes, cli_format_exact(s->time_factor, factor), s->peak_bytes);
}

static void print_json(const figures *f, const cli_table *layers, const cli_table *devices)
{
    const mu_model *model = f->subject->model;
    mu_shape input = mu_model_input(model);
    fputs("{\"model\":", stdout);
    cli_print_json_text(stdout, mu_model_name(model));
    printf(",\"input\":[%u,%u,%u],\"classes\":%u,\"batch_size\":%u,\"optimizer\":\"%s\"", input.height, input.width, input.channels,
           mu_model_classes(model), f->subject->step.batch_size, cli_price_optimizers[f->subject->step.optimizer]);
    char width[CLI_NUMBER_BYTES];
    if (f->subject->narrow)
        printf(",\"width\":%s,\"whole\":{\"parameters\":%zu,\"macs_forward\":%llu,\"macs_backward\":%llu}", cli_format_exact(f->width, width),
               mu_model_param_count(f->subject->whole), (unsigned long long)f->whole_sum.macs_forward,
               (unsigned long long)f->whole_sum.macs_backward);
    printf(",\"parameters\":%zu,\"macs_forward\":%llu,\"macs_backward\":%llu", mu_model_param_count(model),
           (unsigned long long)f->sum.macs_forward, (unsigned long long)f->sum.macs_backward);
    printf(",\"activation_bytes\":%llu,\"moved_bytes\":%llu", (unsigned long long)f->sum.activation_bytes,
           (unsigned long long)f->sum.moved_bytes);
    printf(",\"peak_memory_bytes\":%zu,\"evaluation_memory_bytes\":%zu", f->training_bytes, f->evaluating_bytes);
    if (f->memory_bytes)
        print_schedule_json(f);
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
    f->whole_sum = mu_model_cost(f->subject->whole, f->subject->step.batch_size);
    f->width = o->question.width;
    f->memory_bytes = o->memory_bytes;
    mu_status status = cli_price_peak(model, &f->subject->step, &f->training_bytes, err);
    if (!status)
        status = cli_price_peak(model, &evaluating, &f->evaluating_bytes, err);
    if (status || !f->memory_bytes)
        return status;
    f->again = calloc(mu_model_layer_count(model), sizeof *f->again);
    if (!f->again)
        return mu_error_set(err, MU_E_MEMORY, "price: no memory for the schedule");
    status = cli_price_schedule(model, &f->subject->step, f->memory_bytes, &f->schedule, f->again, err);
    return status ? status : cli_price_largest_batch(model, &f->subject->step, f->memory_bytes, &f->largest_batch, err);
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
    free(f.again);
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
    { .name = "width", .kind = CLI_REAL, .offset = offsetof(price_options, question.width), .value = "W", .min = 0.001, .max = 1,
      .help = "the submodel in which every group of channels keeps its first ones, this share of them" },
    { .name = "device", .letter = 'd', .kind = CLI_TEXT, .offset = offsetof(price_options, device), .value = "CLASS",
      .offer = CLI_OFFER_DEVICES, .help = "only this class of devices" },
    { .name = "memory", .kind = CLI_BYTES, .offset = offsetof(price_options, memory_bytes), .value = "SIZE", .min = 1,
      .help = "say how the step keeps within this much memory, as in --memory 256KiB: which layers are computed again in the backward pass, in "
              "how many parts the batch comes; and the largest batch that fits as it is" },
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
    { "muster price examples/first.yaml --memory 2MiB", "the experiment's model on its own fleet, and how its step keeps within 2 MiB" },
    { "muster price resnet20 --input 32x32x3 --width 0.5", "its submodel with half of the channels" },
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
