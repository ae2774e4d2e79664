/* `muster help options`: every key of a configuration, from the rows that it is read with. */
#include "cli/files.h"
#include "cli/help.h"
#include "cli/help_rows.h"
#include "cli/text.h"

#include "muster/experiment.h"
#include "muster/schedule.h"
#include "muster/serve.h"

#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 20 };

/* A map of the configuration whose keys are rows. */
typedef struct section {
    const char *name, *help;
    const mu_option *(*rows)(size_t *count);
} section;

static const section sections[] = {
    { "experiment", "keys at the top, beside the sections", mu_experiment_options },
    { "train", "local training, as every method starts from it", mu_train_options },
    { "train.schedule", "how the learning rate changes over the rounds", mu_schedule_options },
    { "fleet", "the devices; also a fleet's or a class's name in place of the section", mu_fleet_options },
    { "fleet.availability", "when devices are there, by a trace", mu_availability_options },
    { "fleet.availability.diurnal", "the same with `generator: diurnal`, by day and night", mu_diurnal_options },
    { "fleet.availability.markov", "the same with `generator: markov`, coming and going", mu_markov_options },
    { "fleet.compute_share", "how much of its speed a device has for a task, over time", mu_compute_share_options },
    { "fleet.bandwidth_variation", "how its bandwidth changes over time", mu_bandwidth_variation_options },
    { "fleet.battery", "batteries that drain and charge; `plugged` beside these is `present`, or as `availability`", mu_battery_options },
    { "fleet.classes.NAME", "a device class of one's own", mu_profile_options },
    { "fleet.classes.NAME.rates", "how fast it does each kind of a training step's work, as muster profile measures it", mu_rates_options },
    { "evaluate", "when the server looks at the model", mu_evaluate_options },
    { "serve", "a coordinator of real devices: muster serve", mu_serve_options },
};

static void know(cli_search *s, const char *name)
{
    if (s->known_count < CLI_NAMES_MAX)
        s->known[s->known_count++] = name;
}

/* "of SGD [0 to 0.9999; default: 0]" */
static void print_row(const mu_option *row, FILE *file)
{
    char range[512], help[1024];
    mu_option_describe_range(row, range, sizeof range);
    const char *fallback = row->fallback ? row->fallback : "";
    snprintf(help, sizeof help, "%s [%s%s%s%s%s]", row->help, range, row->unit ? ", in " : "", row->unit ? row->unit : "",
             *fallback ? "; default: " : row->fallback ? "" : "; must be given", fallback);
    cli_print_entry(file, NAME_WIDTH, row->name, help);
}

/* `name` is the heading or the part of it before a dot or a blank: "train" is "train" and "train.schedule". */
static bool is_within(const char *name, const char *heading)
{
    size_t length = strlen(name);
    return strncmp(name, heading, length) == 0 && (!heading[length] || heading[length] == '.' || heading[length] == ' ');
}

void cli_print_rows(cli_search *s, const char *heading, const char *short_name, const char *help, const mu_option *rows, size_t count)
{
    bool all = !s->name || is_within(s->name, heading) || strcmp(s->name, short_name) == 0, headed = false;
    know(s, short_name);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s.%s", heading, rows[i].name);
        know(s, rows[i].name);
        if (!all && strcmp(s->name, rows[i].name) != 0 && strcmp(s->name, path) != 0)
            continue;
        if (!headed) {
            if (s->found)
                fputc('\n', s->file);
            size_t column = (size_t)fprintf(s->file, "%s: ", heading);
            cli_print_wrapped(s->file, column, 4, CLI_TEXT_WIDTH, help);
        }
        headed = s->found = true;
        print_row(&rows[i], s->file);
    }
}

/* With the questions under which the method may stand. */
static void print_method(cli_search *s, const mu_method *method)
{
    char help[1024];
    size_t used = (size_t)snprintf(help, sizeof help, "options where %s is the method of ", method->name);
    bool first = true;
    for (int q = 0; q < MU_QUESTION_COUNT && used < sizeof help; q++)
        if (mu_method_answers(method, (mu_question)q)) {
            used += (size_t)snprintf(help + used, sizeof help - used, "%s%s:", first ? "" : ", ", mu_question_name((mu_question)q));
            first = false;
        }
    cli_print_rows(s, method->name, method->name, help, method->options, method->option_count);
}

mu_status cli_help_options(const char *name, FILE *file, mu_error *err)
{
    cli_search s = { .name = name, .file = file };
    size_t count;
    for (size_t i = 0; i < MU_COUNT(sections); i++) {
        const mu_option *rows = sections[i].rows(&count);
        cli_print_rows(&s, sections[i].name, sections[i].name, sections[i].help, rows, count);
    }
    cli_print_data_rows(&s);
    size_t method_count;
    const mu_method *const *methods = mu_methods(&method_count);
    for (size_t i = 0; i < method_count; i++)
        print_method(&s, methods[i]);
    if (s.found)
        return MU_OK;
    s.known[s.known_count] = NULL;
    char hint[CLI_HINT_BYTES];
    return mu_error_set(err, MU_E_CONFIG, "help options: there is no section, method or key '%s'%s", name,
                        cli_hint(name, s.known, "muster help options", hint));
}
