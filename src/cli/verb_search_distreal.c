/* muster search distreal: which parts of a network are worth training, found on data of one's own before the federation begins. */
#include "cli/interrupt.h"
#include "cli/search_folder.h"
#include "cli/search_times.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "method/width_rules.h"
#include "muster/experiment.h"
#include "report/number.h"
#include "search/proxy_data.h"
#include "search/streams.h"
#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct search_options {
    const char *experiment, *out;
    cli_texts   settings;
    uint32_t    population, generations, snapshots, seeds, steps, training, validation, held_out, workers;
    int         cost, gain, format;
    bool        quiet;
} search_options;

enum { COST_MACS, COST_TIME };
static const char *const costs[] = { [COST_MACS] = "macs", [COST_TIME] = "time", NULL };
enum { GAIN_LOSS, GAIN_ACCURACY };
static const char *const gains[] = { [GAIN_LOSS] = "loss", [GAIN_ACCURACY] = "accuracy", NULL };

/* Rates are cut here: with 0.9 in two layers that follow each other a weight between them is trained in one of 100 mini-batches. */
static const double most_rate = 0.9;

/* Everything that one search holds. */
typedef struct job {
    search_options   options; /* with what was not said filled in */
    mu_experiment   *experiment;
    char            *resolved, *settings;
    mu_units        *units;
    mu_proxy_data   *data;
    mu_proxy        *proxy;   /* that of the search */
    mu_width_search *search;
    cli_search_points points;
    FILE  *progress;          /* NULL: nothing is said */
    size_t columns;           /* of the terminal; 0: it is none */
    double drawn_at_s, began_s;
    uint32_t began_generation;
    char   doing[96];         /* what the live line says */
} job;

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for the search");
}

/* ---- what is said while it goes on ---- */

#define REDRAW_S 0.5

static void clear(const job *j)
{
    if (j->progress && j->columns)
        fputs("\r\033[K", j->progress);
}

/* The live line: "generation 3/50: 120 of 576 trials, ..." */
static bool watch(void *self, uint32_t done, uint32_t count)
{
    job *j = self;
    const double now_s = mu_clock_monotonic_s();
    if (j->progress && j->columns && now_s - j->drawn_at_s >= REDRAW_S) {
        char line[192];
        const int length = count ? snprintf(line, sizeof line, "%s: %u of %u trials", j->doing, done, count)
                                 : snprintf(line, sizeof line, "%s: training", j->doing);
        clear(j);
        fprintf(j->progress, "%.*s", (int)((size_t)length < j->columns ? (size_t)length : j->columns - 1), line);
        fflush(j->progress);
        j->drawn_at_s = now_s;
    }
    return cli_interrupt_asked();
}

/* A line for each generation that is done. */
static mu_status tell_generation(job *j, mu_error *err)
{
    const uint32_t done = mu_width_search_generation(j->search), all = j->options.generations;
    const double each_s = (mu_clock_monotonic_s() - j->began_s) / (done - j->began_generation);
    char covered[MU_NUMBER_BYTES], left[CLI_NUMBER_BYTES];
    double volume;
    mu_status status = mu_width_search_hypervolume(j->search, &volume, err);
    if (status || !j->progress)
        return status;
    mu_show_fixed(volume, 5, covered);
    clear(j);
    fprintf(j->progress, "generation %u/%u: the front covers %s", done, all, covered);
    if (done < all)
        fprintf(j->progress, ", %s left", cli_format_seconds(each_s * (all - done), left));
    fputc('\n', j->progress);
    fflush(j->progress);
    return MU_OK;
}

/* ---- beginning ---- */

static uint32_t or_else(uint32_t given, uint32_t otherwise)
{
    return given ? given : otherwise;
}

static search_options with_defaults(const search_options *given)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    search_options o = *given;
    o.population = or_else(o.population, 64);
    o.generations = or_else(o.generations, 50);
    o.snapshots = or_else(o.snapshots, 3);
    o.seeds = or_else(o.seeds, 3);
    o.steps = or_else(o.steps, 64);
    o.training = or_else(o.training, 1000);
    o.validation = or_else(o.validation, 1000);
    o.held_out = or_else(o.held_out, 3);
    o.workers = or_else(o.workers, processors > 0 ? (uint32_t)processors : 1);
    return o;
}

/* What the bytes of a generation depend on, as a text: the experiment's parts that the search looks at, and options. How many generations there are to be does
 * not matter. */
static mu_status write_settings(job *j, mu_error *err)
{
    static const char *const looked_at[] = { "seed", "model", "data", "train" };
    const search_options *o = &j->options;
    mu_conf *all = NULL, *part = NULL;
    mu_status status = mu_conf_parse("resolved", j->resolved, strlen(j->resolved), &all, err);
    if (!status)
        status = mu_conf_parse("settings", "{}", 2, &part, err);
    for (size_t i = 0; i < MU_COUNT(looked_at) && !status; i++)
        status = mu_conf_put_copy(part, mu_conf_root(part), looked_at[i], mu_conf_get(mu_conf_root(all), looked_at[i]), err);
    char *text = status ? NULL : mu_conf_write(mu_conf_root(part));
    const size_t capacity_bytes = text ? strlen(text) + 512 : 0;
    j->settings = malloc(capacity_bytes + 1);
    if (!status && (!text || !j->settings))
        status = no_memory(err);
    if (!status)
        snprintf(j->settings, capacity_bytes, "%s\npopulation %u snapshots %u seeds %u steps %u training %u validation %u cost %s gain %s\n", text,
                 o->population, o->snapshots, o->seeds, o->steps, o->training, o->validation, costs[o->cost], gains[o->gain]);
    free(text);
    mu_conf_destroy(part);
    mu_conf_destroy(all);
    return status;
}

static mu_status load(job *j, mu_error *err)
{
    const search_options *o = &j->options;
    if (!o->out)
        return mu_error_set(err, MU_E_CONFIG, "search distreal: --out DIR is missing: the folder that gets the table and what it was found by");
    if (o->population % 2)
        return mu_error_set(err, MU_E_CONFIG, "search distreal: --population must be even, because vectors have children in pairs; it is %u", o->population);
    mu_status status = mu_experiment_load(o->experiment, NULL, o->settings.items, o->settings.count, &j->experiment, err);
    if (status)
        return status;
    if (mu_experiment_config(j->experiment)->train.dry)
        return mu_error_set(err, MU_E_CONFIG, "%s: with 'train: none' there is nothing to search by", o->experiment);
    j->resolved = mu_experiment_resolved(j->experiment);
    if (!j->resolved)
        return no_memory(err);
    status = write_settings(j, err);
    if (status)
        return status;
    return mu_units_create(mu_experiment_model(j->experiment), &j->units, err);
}

/* Proxy number 0 is that of the search, those behind it are held out. */
static mu_status make_proxy(job *j, uint32_t number, mu_proxy **out, mu_error *err)
{
    const search_options *o = &j->options;
    const mu_federation_config *config = mu_experiment_config(j->experiment);
    mu_random random = mu_search_stream(config->seed, MU_SEARCH_PROXY, number);
    const mu_proxy_config proxy = {
        .model = mu_experiment_model(j->experiment), .units = j->units, .train = &config->train,
        .training = mu_proxy_data_training(j->data), .validation = mu_proxy_data_validation(j->data),
        .draw = mu_width_random, .seed = mu_random_u64(&random), .snapshots = o->snapshots, .training_steps = o->training, .steps = o->steps,
        .workers = o->workers, .watch = watch, .self = j,
    };
    return mu_proxy_create(&proxy, out, err);
}

/* Uniform vectors and random ones, timed. */
static mu_status calibrate(job *j, mu_width_search *counter, mu_width_cost *cost, mu_error *err)
{
    enum { UNIFORM = 10, SAMPLE = 32 };
    const uint32_t groups = (uint32_t)mu_units_group_count(j->units);
    uint32_t *counts = calloc((size_t)SAMPLE * groups, sizeof *counts);
    double *rates = calloc(groups, sizeof *rates), step_s[SAMPLE], r_squared = (double)NAN;
    mu_width_work works[SAMPLE];
    mu_random random = mu_search_stream(mu_experiment_config(j->experiment)->seed, MU_SEARCH_SAMPLE, 0);
    mu_status status = counts && rates ? MU_OK : no_memory(err);
    for (uint32_t i = 0; i < SAMPLE && !status; i++) {
        for (uint32_t g = 0; g < groups; g++)
            rates[g] = i < UNIFORM ? i / 10.0 : most_rate * mu_random_unit(&random);
        mu_width_counts_of_rates(j->units, rates, counts + (size_t)i * groups);
        status = mu_width_search_work(counter, counts + (size_t)i * groups, &works[i], err);
    }
    if (!status)
        status = cli_search_time(j->proxy, counts, SAMPLE, groups, step_s, err);
    if (!status)
        status = cli_search_fit(works, step_s, SAMPLE, cost, &r_squared, err);
    if (!status && j->progress)
        fprintf(j->progress, "a mini-batch takes %.3g s + %.3g s a MAC + %.3g s a byte of weights, R^2 %.4f over %d vectors\n", cost->base, cost->per_mac,
                cost->per_byte, r_squared, (int)SAMPLE);
    free(counts);
    free(rates);
    return status;
}

/* Where a search is saved in the folder it goes on, with the cost that it began with. */
static mu_status open_search(job *j, mu_error *err)
{
    const search_options *o = &j->options;
    mu_width_search_config config = { .units = j->units, .counts_of = mu_width_counts_of_rates, .cost = { 0, 1, 0 },
                                      .seed = mu_experiment_config(j->experiment)->seed, .population = o->population, .repeats = o->seeds,
                                      .most_rate = most_rate, .by_loss = o->gain == GAIN_LOSS };
    char *path = mu_path_join(o->out, CLI_SEARCH_STATE);
    mu_file file;
    mu_status status = path ? MU_OK : no_memory(err);
    if (!status && mu_file_exists(path)) {
        status = mu_file_map(path, &file, err);
        if (!status) {
            status = mu_width_search_decode(&config, j->settings, path, file.data, file.size_bytes, &j->search, err);
            mu_file_unmap(&file);
        }
        if (!status && j->progress) {
            fprintf(j->progress, "going on after generation %u\n", mu_width_search_generation(j->search));
            fflush(j->progress);
        }
    } else if (!status) {
        status = mu_width_search_create(&config, &j->search, err);
        if (!status && o->cost == COST_TIME) {
            mu_width_search *counter = j->search;
            status = calibrate(j, counter, &config.cost, err);
            j->search = NULL;
            mu_width_search_destroy(counter);
            if (!status)
                status = mu_width_search_create(&config, &j->search, err);
        }
    }
    free(path);
    return status;
}

static mu_status begin(job *j, mu_error *err)
{
    const search_options *o = &j->options;
    mu_status status = mu_proxy_data_create(mu_experiment_data(j->experiment), o->validation, mu_experiment_config(j->experiment)->seed, &j->data, err);
    if (!status)
        status = mu_folder_make(o->out, err);
    snprintf(j->doing, sizeof j->doing, "proxy");
    if (!status)
        status = make_proxy(j, 0, &j->proxy, err);
    if (!status)
        status = open_search(j, err);
    if (status)
        return status;
    if (mu_width_search_generation(j->search) > o->generations)
        return mu_error_set(err, MU_E_CONFIG, "%s: this search has come to generation %u already, further than the %u that are asked for", o->out,
                            mu_width_search_generation(j->search), o->generations);
    return cli_search_write(o->out, CLI_SEARCH_EXPERIMENT, j->resolved, strlen(j->resolved), err);
}

/* ---- searching ---- */

static mu_status save(const job *j, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    mu_status status = mu_width_search_encode(j->search, j->settings, &bytes, &size_bytes, err);
    if (status)
        return status;
    status = cli_search_write(j->options.out, CLI_SEARCH_STATE, bytes, size_bytes, err);
    free(bytes);
    return status;
}

static mu_status search(job *j, mu_error *err)
{
    mu_status status = MU_OK;
    j->began_s = mu_clock_monotonic_s();
    j->began_generation = mu_width_search_generation(j->search);
    while (!status && mu_width_search_generation(j->search) < j->options.generations) {
        snprintf(j->doing, sizeof j->doing, "generation %u/%u", mu_width_search_generation(j->search) + 1, j->options.generations);
        status = mu_width_search_advance(j->search, j->proxy, err);
        if (!status)
            status = save(j, err);
        if (!status)
            status = tell_generation(j, err);
    }
    return status;
}

/* ---- what came of it ---- */

static mu_status judge(job *j, mu_error *err)
{
    const search_options *o = &j->options;
    const cli_search_asked asked = { j->search, j->proxy, j->units, mu_width_counts_of_rates, most_rate, MU_LIMIT_DISTREAL_ROWS };
    snprintf(j->doing, sizeof j->doing, "review");
    mu_status status = cli_search_points_init(&asked, &j->points, err);
    if (!status) /* what is wanted most is there as soon as it is known; it is written again once its rows were timed */
        status = cli_search_write_table(o->out, &(cli_search_results){ .units = j->units, .points = &j->points }, err);
    for (uint32_t number = 0; number < o->held_out && !status; number++) {
        mu_proxy *proxy = NULL;
        snprintf(j->doing, sizeof j->doing, "held-out proxy %u/%u", number + 1, o->held_out);
        status = make_proxy(j, number + 1, &proxy, err);
        if (!status)
            status = cli_search_points_judge(&j->points, proxy, o->seeds, o->gain == GAIN_LOSS, number, err);
        mu_proxy_destroy(proxy);
    }
    return status;
}

/* Times of the rows, and the line through them where there are enough. */
static mu_status time_rows(job *j, cli_search_results *r, mu_error *err)
{
    cli_search_points *p = &j->points;
    double *step_s = calloc(p->found_count, sizeof *step_s);
    mu_width_work *works = calloc(p->found_count, sizeof *works);
    mu_status status = step_s && works ? MU_OK : no_memory(err);
    if (!status)
        status = cli_search_time(j->proxy, p->counts, p->found_count, p->groups, step_s, err);
    for (uint32_t i = 0; i < p->found_count && !status; i++) {
        p->found[i].step_s = step_s[i] > 0 ? step_s[i] : (double)NAN;
        works[i] = p->found[i].work;
    }
    if (!status && cli_search_fit(works, step_s, p->found_count, &r->line, &r->r_squared, NULL))
        r->r_squared = (double)NAN; /* too few rows, or the machine was too busy: the rows' own times stand for themselves */
    free(step_s);
    free(works);
    return status;
}

enum { FIGURE_BYTES = 2 * MU_NUMBER_BYTES + 8 };

static const char *show_figure(const cli_search_figure *figure, char text[FIGURE_BYTES])
{
    char mean[MU_NUMBER_BYTES], sd[MU_NUMBER_BYTES];
    mu_show_fixed(figure->mean, 5, mean);
    mu_show_fixed(figure->sd, 5, sd);
    snprintf(text, FIGURE_BYTES, "%s ± %s", mean, sd);
    return text;
}

static void print_text(const job *j, const cli_search_results *r)
{
    char found[FIGURE_BYTES], uniform[FIGURE_BYTES], more[FIGURE_BYTES];
    const cli_search_points *p = r->points;
    printf("\n%s: %u generations of %u vectors\n", r->name, r->generations, r->population);
    printf("  table         %u rows, from %.1f %% of the whole network's multiply-accumulates\n", p->found_count, 100 * p->found[0].share);
    printf("  front covers  %s, uniform rates %s: %s more\n", show_figure(&r->verdict->covered_found, found),
           show_figure(&r->verdict->covered_uniform, uniform), show_figure(&r->verdict->covered_more, more));
    printf("  gain          %s over all budgets, uniform rates %s: %s more\n", show_figure(&r->verdict->gain_found, found),
           show_figure(&r->verdict->gain_uniform, uniform), show_figure(&r->verdict->gain_more, more));
    printf("                (means and spread over %u proxies that the search has not seen)\n", p->held_out);
    if (!isnan(r->r_squared))
        printf("  step time     %.3g s + %.3g s a MAC + %.3g s a byte of weights, R^2 %.4f\n", r->line.base, r->line.per_mac, r->line.per_byte, r->r_squared);
    printf("table: %s/%s\n", j->options.out, CLI_SEARCH_TABLE);
}

static mu_status print_json(const job *j, mu_error *err)
{
    char *path = mu_path_join(j->options.out, CLI_SEARCH_SUMMARY);
    mu_file file;
    mu_status status = path ? mu_file_map(path, &file, err) : no_memory(err);
    free(path);
    if (status)
        return status;
    fputs("{\"folder\":", stdout);
    cli_print_json_text(stdout, j->options.out);
    fputs(",\"summary\":", stdout);
    cli_print_json_compact(stdout, (const char *)file.data, file.size_bytes);
    fputs("}\n", stdout);
    mu_file_unmap(&file);
    return MU_OK;
}

static mu_status write_results(const job *j, const cli_search_results *results, mu_error *err)
{
    mu_status status = cli_search_write_table(j->options.out, results, err);
    if (!status)
        status = cli_search_write_points(j->options.out, results, err);
    if (!status)
        status = cli_search_write_summary(j->options.out, results, err);
    if (!status)
        status = cli_search_write_figure(j->options.out, results, err);
    if (status == MU_E_UNSUPPORTED) { /* without gnuplot there is no figure */
        status = MU_OK;
        if (j->progress)
            fprintf(j->progress, "no %s: gnuplot is not installed\n", CLI_SEARCH_FIGURE);
    }
    return status;
}

static mu_status report(job *j, mu_error *err)
{
    const search_options *o = &j->options;
    cli_search_verdict verdict;
    cli_search_results results = {
        .name = mu_experiment_name(j->experiment), .units = j->units, .points = &j->points, .verdict = &verdict,
        .seed = mu_experiment_config(j->experiment)->seed, .population = o->population, .generations = o->generations, .snapshots = o->snapshots,
        .repeats = o->seeds, .steps = o->steps, .training = o->training, .validation = o->validation, .cost = costs[o->cost], .gain = gains[o->gain],
        .r_squared = (double)NAN,
    };
    mu_status status = judge(j, err);
    if (!status)
        status = cli_search_verdict_of(&j->points, &verdict, err);
    if (!status)
        status = time_rows(j, &results, err);
    clear(j);
    if (!status)
        status = write_results(j, &results, err);
    if (!status && o->format == CLI_FORMAT_JSON)
        status = print_json(j, err);
    else if (!status && !o->quiet)
        print_text(j, &results);
    return status;
}

static void release(job *j)
{
    cli_search_points_release(&j->points);
    mu_width_search_destroy(j->search);
    mu_proxy_destroy(j->proxy);
    mu_proxy_data_destroy(j->data);
    mu_units_destroy(j->units);
    mu_experiment_destroy(j->experiment);
    free(j->settings);
    free(j->resolved);
}

static mu_status verb_search_distreal(const void *options, mu_error *err)
{
    job j = { .options = with_defaults(options) };
    j.progress = j.options.quiet ? NULL : j.options.format == CLI_FORMAT_JSON ? stderr : stdout;
    j.columns = j.progress ? cli_terminal_width(j.progress) : 0;
    mu_status status = mu_kernels_check(err);
    if (!status)
        status = load(&j, err);
    if (!status) {
        cli_interrupt_catch();
        status = begin(&j, err);
    }
    if (!status)
        status = search(&j, err);
    if (!status)
        status = report(&j, err);
    clear(&j);
    if (status == MU_E_INTERRUPTED)
        status = mu_error_set(err, status, "stopped after generation %u of %u; the same command goes on",
                              j.search ? mu_width_search_generation(j.search) : 0, j.options.generations);
    release(&j);
    return status;
}

static const cli_argument words[] = {
    { .name = "EXPERIMENT.yaml", .kind = CLI_TEXT, .offset = offsetof(search_options, experiment), .needed = true, .offer = CLI_OFFER_FILES,
      .help = "the network, how it is trained, and data to search with: not those of the devices that the table is for" },
};

static const cli_argument flags[] = {
    { .name = "out", .letter = 'o', .kind = CLI_TEXT, .offset = offsetof(search_options, out), .value = "DIR", .offer = CLI_OFFER_FOLDERS,
      .help = "folder that gets " CLI_SEARCH_TABLE " and what it was found by; must be given" },
    { .name = "population", .letter = 'p', .kind = CLI_COUNT, .offset = offsetof(search_options, population), .value = "N", .min = 2,
      .max = MU_LIMIT_POPULATION, .help = "vectors in a generation, an even number; otherwise 64" },
    { .name = "generations", .letter = 'g', .kind = CLI_COUNT, .offset = offsetof(search_options, generations), .value = "N", .min = 1,
      .max = MU_LIMIT_GENERATIONS, .help = "otherwise 50; the same command with more goes on from where it ended" },
    { .name = "snapshots", .kind = CLI_COUNT, .offset = offsetof(search_options, snapshots), .value = "N", .min = 1, .max = 32,
      .help = "points along a training that trials begin at, otherwise 3: after 0, 10 and 40 % of it" },
    { .name = "seeds", .kind = CLI_COUNT, .offset = offsetof(search_options, seeds), .value = "N", .min = 1, .max = 1000,
      .help = "trials from each snapshot, for each vector in a generation; otherwise 3" },
    { .name = "steps", .kind = CLI_COUNT, .offset = offsetof(search_options, steps), .value = "N", .min = 1, .max = 1000000,
      .help = "mini-batches of a trial, otherwise 64" },
    { .name = "training", .kind = CLI_COUNT, .offset = offsetof(search_options, training), .value = "N", .min = 1, .max = 1000000000,
      .help = "mini-batches of the training that snapshots are taken of, otherwise 1000" },
    { .name = "validation", .kind = CLI_COUNT, .offset = offsetof(search_options, validation), .value = "N", .min = 1, .max = MU_LIMIT_EXAMPLES / 2,
      .help = "training examples that are held out to judge by, otherwise 1000" },
    { .name = "gain", .kind = CLI_CHOICE, .offset = offsetof(search_options, gain), .choices = gains,
      .help = "what a trial is judged by: loss removed, which tells vectors apart with less noise, or accuracy added" },
    { .name = "cost", .kind = CLI_CHOICE, .offset = offsetof(search_options, cost), .choices = costs,
      .help = "what a mini-batch costs: multiply-accumulates as they are counted, or time by a line through what a sample takes here" },
    { .name = "held-out", .kind = CLI_COUNT, .offset = offsetof(search_options, held_out), .value = "N", .min = 1, .max = CLI_SEARCH_MOST_HELD_OUT,
      .help = "proxies with seeds of their own that the front is held against uniform rates by, otherwise 3" },
    { .name = "set", .letter = 's', .kind = CLI_TEXTS, .offset = offsetof(search_options, settings), .value = "KEY=VALUE",
      .help = "change a key of the experiment, as in --set train.learning_rate=0.1; may be given again" },
    { .name = "workers", .letter = 'w', .kind = CLI_COUNT, .offset = offsetof(search_options, workers), .value = "N", .min = 1,
      .max = MU_LIMIT_WORKERS, .help = "threads to train with, otherwise one a processor; the table's rates do not depend on it" },
    { .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .offset = offsetof(search_options, quiet), .help = "no progress and no summary" },
    CLI_FORMAT_FLAG(search_options, format, cli_formats_text_json),
};

static const cli_example examples[] = {
    { "muster search distreal examples/search-first.yaml --out searches/first", "a table for the network of examples/first.yaml" },
    { "muster run first.yaml -r distreal --set how.table=searches/first/table.csv", "a federation that uses a table" },
};

const cli_verb cli_verb_search_distreal = {
    .name = "search distreal",
    .summary = "find which parts of a network are worth training",
    .about = "Looks for DISTREAL's table (Rapp et al. 2022): how many channels of each layer to leave out, for any budget. NSGA-II over one dropout rate "
             "for each unit group, from 0 to 0.9, with two objectives: what a mini-batch costs, and what a short training gains. It trains on the data "
             "of EXPERIMENT.yaml, all its devices' training examples together, and judges by a part of them that is held out; the test set is not "
             "looked at. The data must be there before the federation, and must not be its devices': give it an experiment with data of its own.\n\n"
             "Survivors are tried again in each generation, with other mini-batches, so that luck wears off. At the end the front is held against vectors "
             "with one rate for all layers, by proxies that the search has not seen, and each row is timed.\n\n"
             "The same command again goes on after the last generation that was finished, after Ctrl-C and after kill -9, and comes to the same bytes, "
             "times apart.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(search_options) },
    .run = verb_search_distreal,
};
