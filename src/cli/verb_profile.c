/* muster profile: measures the device at hand, and says how well the price list then knows it. */
#include "cli/price_subject.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/file.h"
#include "net/agent_machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct profile_options {
    const char *name, *like, *out, *models;
    double      seconds, width;
    uint32_t    batch;
    int         format;
} profile_options;

enum { LOOKS = 3 }; /* at each network */
enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_YAML };
static const char *const formats[] = { "text", "json", "yaml", NULL };

/* The built-in networks on the data that they are usually trained on. */
static const struct {
    const char *model, *input;
    uint32_t    classes;
} networks[] = {
    { "softmax-regression", "28x28x1", 10 }, { "mlp", "28x28x1", 10 }, { "lenet5", "32x32x3", 10 }, { "fedavg-cnn", "28x28x1", 10 },
    { "pfl-cnn", "32x32x3", 10 }, { "cifar-cnn", "32x32x3", 10 }, { "femnist-cnn", "28x28x1", 62 }, { "resnet20", "32x32x3", 10 },
    { "resnet18", "32x32x3", 10 }, { "mobilenetv2", "32x32x3", 10 }, { "ds-cnn", "49x10x1", 12 }, { "motion-cnn", "1x128x9", 6 },
    { "char-lstm", "1x1x80", 80 }, { "char-lstm-every", "1x1x80", 80 }, { "char-gru", "1x1x80", 80 }, { "char-gru-every", "1x1x80", 80 },
};

typedef struct judged {
    const char *model;
    uint32_t    batch;
    double      macs, predicted_s, measured_s;
} judged;

typedef struct profiled {
    mu_calibration calibration;
    char           processor[128];
    uint32_t       cores;
    uint64_t       memory_bytes;
    judged         judged[2 * MU_COUNT(networks)];
    size_t         judged_count;
} profiled;

static double error_of(const judged *j)
{
    return j->predicted_s / j->measured_s - 1.0;
}

/* ---- measuring ---- */

static void show_progress(void *self, uint32_t done, uint32_t count)
{
    (void)self;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < count ? "\rmeasuring: %u of %u " : "\r\033[K", done, count);
}

/* One look of a twentieth of a second, or one step where that is longer. */
static mu_status judge_one(const profile_options *o, size_t network, uint32_t batch, const profiled *p, judged *out, mu_error *err)
{
    const cli_price_question question = { .model = networks[network].model, .input = networks[network].input, .classes = networks[network].classes,
                                          .batch = batch, .width = o->width };
    cli_price_subject subject;
    double step_s = 0;
    mu_status status = cli_price_subject_open(&question, &subject, err);
    if (!status)
        status = mu_step_measure(subject.model, batch, 0.05, 1, &step_s, err);
    if (!status && !out->model) {
        const mu_cost cost = mu_model_cost(subject.model, batch);
        *out = (judged){ .model = networks[network].model, .batch = batch, .macs = (double)(cost.macs_forward + cost.macs_backward), .measured_s = step_s,
                         .predicted_s = mu_rates_step_s(&p->calibration.rates, subject.model, batch) };
    }
    if (!status)
        out->measured_s = fmin(out->measured_s, step_s);
    cli_price_subject_release(&subject);
    return status;
}

static bool is_asked(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strcspn(at, ",") == length && strncmp(at, name, length) == 0)
            return true;
    return !list;
}

/* All of them in turn, and that again: what else the machine does for a second or two then does not hit one network in all of its looks. */
static mu_status judge(const profile_options *o, profiled *p, mu_error *err)
{
    const uint32_t batches[] = { o->batch ? o->batch : 10, 32 };
    const size_t batch_count = o->batch ? 1 : MU_COUNT(batches);
    mu_status status = MU_OK;
    for (int look = 0; look < LOOKS; look++) {
        p->judged_count = 0;
        for (size_t i = 0; i < MU_COUNT(networks) && !status; i++)
            for (size_t b = 0; b < batch_count && !status && is_asked(o->models, networks[i].model); b++)
                status = judge_one(o, i, batches[b], p, &p->judged[p->judged_count++], err);
    }
    return status;
}

static mu_status check_models(const char *list, mu_error *err)
{
    if (!list || strcmp(list, "none") == 0)
        return MU_OK;
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t length = strcspn(at, ",");
        size_t i = 0;
        while (i < MU_COUNT(networks) && !(strlen(networks[i].model) == length && strncmp(networks[i].model, at, length) == 0))
            i++;
        if (i == MU_COUNT(networks))
            return mu_error_set(err, MU_E_CONFIG, "profile: there is no built-in model '%.*s'; 'muster list models' has them", (int)length, at);
    }
    return MU_OK;
}

/* ---- the class ---- */

static void write_row(FILE *file, const char *indent, const mu_option *row, const void *config)
{
    char value[64];
    mu_option_format(row, config, value, sizeof value);
    fprintf(file, "%s%s: %s\n", indent, row->name, value);
}

static void write_yaml(FILE *file, const profile_options *o, const profiled *p)
{
    size_t count;
    const mu_rates *rates = &p->calibration.rates;
    const mu_option *rows = mu_rates_options(&count);
    fprintf(file, "# %s, one of %u core%s, measured by muster profile. Bandwidth, power and tier are those of %s.\n", *p->processor ? p->processor : "a processor",
            p->cores, p->cores == 1 ? "" : "s", o->like);
    fprintf(file, "fleet:\n  mix: {%s: 1}\n  classes:\n    %s:\n      extend: %s\n      source: measured by muster profile\n", o->name, o->name, o->like);
    fprintf(file, "      macs_per_s: %.6g\n      memory: %llu\n      rates:\n", rates->macs_per_s, (unsigned long long)p->memory_bytes);
    for (size_t i = 0; i < count; i++)
        write_row(file, "        ", &rows[i], rates);
}

static mu_status write_out(const profile_options *o, const profiled *p, mu_error *err)
{
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *file = open_memstream(&text, &size_bytes);
    if (!file)
        return mu_error_set(err, MU_E_MEMORY, "profile: no memory for %s", o->out);
    write_yaml(file, o, p);
    fclose(file);
    mu_status status = mu_file_write(o->out, text, size_bytes, err);
    free(text);
    return status;
}

/* ---- printing ---- */

static const cli_column columns[] = {
    { "model", "model", false },       { "batch", "batch", true },   { "macs_per_s", "MAC/s", true },
    { "measured_s", "a step takes", true }, { "predicted_s", "predicted", true }, { "error", "off by", true },
};

static cli_table *table_of(const profiled *p)
{
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    for (size_t i = 0; i < p->judged_count; i++) {
        const judged *j = &p->judged[i];
        char text[CLI_NUMBER_BYTES];
        cli_table_text(table, j->model);
        cli_table_count(table, j->batch, cli_format_count(j->batch, text));
        cli_table_real(table, j->macs / j->measured_s, cli_format_metric(j->macs / j->measured_s, text));
        cli_table_real(table, j->measured_s, cli_format_seconds(j->measured_s, text));
        cli_table_real(table, j->predicted_s, cli_format_seconds(j->predicted_s, text));
        snprintf(text, sizeof text, "%+.1f %%", 100.0 * error_of(j));
        cli_table_real(table, error_of(j), text);
    }
    return table;
}

static void sum_up(const profiled *p, double *mean, double *worst, const judged **worst_of)
{
    *mean = *worst = 0.0;
    *worst_of = NULL;
    for (size_t i = 0; i < p->judged_count; i++) {
        const double error = fabs(error_of(&p->judged[i]));
        *mean += error / (double)p->judged_count;
        if (error >= *worst) {
            *worst = error;
            *worst_of = &p->judged[i];
        }
    }
}

static void print_text(const profile_options *o, const profiled *p)
{
    const mu_calibration *c = &p->calibration;
    const judged *worst_of;
    double mean, worst;
    char memory[CLI_NUMBER_BYTES], rate[CLI_NUMBER_BYTES];
    printf("%s, %u core%s, %s of memory free\n", *p->processor ? p->processor : "a processor", p->cores, p->cores == 1 ? "" : "s",
           cli_format_bytes(p->memory_bytes, memory));
    printf("one core in training, over all that was measured: %sMAC/s\n", cli_format_metric(c->rates.macs_per_s, rate));
    printf("rates by kind of work explain the steps of %u networks made for this within %.1f %% in the mean, %.1f %% at worst\n", c->probes, 100.0 * c->mean_error,
           100.0 * c->worst_error);
    if (p->judged_count) {
        cli_table *table = table_of(p);
        printf("\nand predict those of networks that they were not found with:\n\n");
        cli_table_print(table, CLI_FORMAT_TEXT, stdout);
        cli_table_destroy(table);
        sum_up(p, &mean, &worst, &worst_of);
        printf("\noff by %.1f %% in the mean, by %.1f %% at worst (%s, batch %u)\n", 100.0 * mean, 100.0 * worst, worst_of->model, worst_of->batch);
    }
    if (o->out)
        printf("the class '%s' is in %s\n", o->name, o->out);
}

static void print_json(const profile_options *o, const profiled *p)
{
    size_t count;
    const mu_option *rows = mu_rates_options(&count);
    const mu_calibration *c = &p->calibration;
    char text[64];
    fputs("{\"name\":", stdout);
    cli_print_json_text(stdout, o->name);
    fputs(",\"processor\":", stdout);
    cli_print_json_text(stdout, p->processor);
    printf(",\"cores\":%u,\"memory_bytes\":%llu,\"probes\":%u,\"probes_mean_error\":%.6g,\"probes_worst_error\":%.6g,\"rates\":{", p->cores,
           (unsigned long long)p->memory_bytes, c->probes, c->mean_error, c->worst_error);
    for (size_t i = 0; i < count; i++) {
        mu_option_format(&rows[i], &c->rates, text, sizeof text);
        printf("%s\"%s\":", i ? "," : "", rows[i].name);
        if (rows[i].kind == MU_OPTION_BYTES)
            printf("%llu", (unsigned long long)*(const uint64_t *)(const void *)((const char *)&c->rates + rows[i].offset));
        else
            fputs(text, stdout);
    }
    cli_table *table = table_of(p);
    fputs("},\"networks\":", stdout);
    cli_table_print(table, CLI_FORMAT_JSON, stdout);
    fputs("}\n", stdout);
    cli_table_destroy(table);
}

static mu_status verb_profile(const void *options, mu_error *err)
{
    profile_options o = *(const profile_options *)options;
    const mu_profile *like;
    profiled p = { .cores = mu_agent_cores() };
    o.name = o.name ? o.name : "this-device";
    o.like = o.like ? o.like : "desktop";
    mu_status status = mu_profile_find(o.like, &like, err);
    if (!status)
        status = check_models(o.models, err);
    if (status)
        return status;
    mu_agent_processor("", p.processor, sizeof p.processor);
    p.memory_bytes = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    mu_calibration_config config = mu_calibration_config_default();
    config.seconds = o.seconds > 0 ? o.seconds : config.seconds;
    config.memory_bytes = p.memory_bytes;
    config.progress = show_progress;
    status = mu_calibrate(&config, &p.calibration, err);
    if (!status)
        status = judge(&o, &p, err);
    if (!status && o.out)
        status = write_out(&o, &p, err);
    if (status)
        return status;
    switch (o.format) {
    case FORMAT_TEXT: print_text(&o, &p); break;
    case FORMAT_JSON: print_json(&o, &p); break;
    case FORMAT_YAML: write_yaml(stdout, &o, &p); break;
    }
    return MU_OK;
}

static const cli_argument flags[] = {
    { .name = "out", .letter = 'o', .kind = CLI_TEXT, .offset = offsetof(profile_options, out), .value = "FILE",
      .help = "write the class, as a fleet: section, into this file" },
    { .name = "name", .kind = CLI_TEXT, .offset = offsetof(profile_options, name), .value = "NAME", .help = "of the class; otherwise this-device" },
    { .name = "like", .kind = CLI_TEXT, .offset = offsetof(profile_options, like), .value = "CLASS", .offer = CLI_OFFER_DEVICES,
      .help = "the class that says what is not measured: bandwidth, power, tier; otherwise desktop" },
    { .name = "models", .kind = CLI_TEXT, .offset = offsetof(profile_options, models), .value = "A,B",
      .help = "predict and measure these built-in models; none: measure the device and no model; otherwise all" },
    { .name = "batch", .letter = 'b', .kind = CLI_COUNT, .offset = offsetof(profile_options, batch), .value = "N", .min = 1, .max = 4096,
      .help = "examples in their steps; otherwise 10, and 32" },
    { .name = "width", .kind = CLI_REAL, .offset = offsetof(profile_options, width), .value = "W", .min = 0.001, .max = 1,
      .help = "their submodels of this width" },
    { .name = "seconds", .kind = CLI_REAL, .offset = offsetof(profile_options, seconds), .value = "S", .min = 0.1, .max = 3600,
      .help = "how long the device is measured; otherwise 10" },
    { .name = "format", .kind = CLI_CHOICE, .offset = offsetof(profile_options, format), .choices = formats,
      .help = "how results are written to standard output; yaml: the class alone" },
};

static const cli_example examples[] = {
    { "muster profile", "this device's rates, and how well they predict the built-in models" },
    { "muster profile --models none --format yaml > my-board.yaml", "the class alone, in a quarter of a minute" },
    { "muster profile --models lenet5,resnet20 --width 0.5", "how well they predict narrower models" },
};

const cli_verb cli_verb_profile = {
    .name = "profile",
    .summary = "measure this device, as a class that can be simulated",
    .about = "Times training steps of some sixty small networks on one core, and finds how fast the device does each kind of a step's work: products of dense "
             "layers, of convolutions and recurrent ones, norms, memory. What comes out is a class for fleet: classes: in an experiment.\n\n"
             "Then it predicts and measures the built-in models, which were not among those. docs/profile.md has what to expect.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_FLAGS(flags), .options_bytes = sizeof(profile_options) },
    .run = verb_profile,
};
