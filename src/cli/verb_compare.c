/* muster compare: runs side by side. */
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/verb.h"

#include "report/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct compare_options {
    cli_texts   runs;
    double      target;
    const char *page;
    int         format;
} compare_options;

static mu_status print(const mu_comparison *comparison, cli_format format, mu_error *err)
{
    char *text = format == CLI_FORMAT_JSON  ? mu_comparison_json(comparison)
                 : format == CLI_FORMAT_CSV ? mu_comparison_csv(comparison)
                                            : mu_comparison_text(comparison, (uint32_t)cli_terminal_width(stdout));
    if (!text)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the comparison");
    if (format == CLI_FORMAT_JSON) {
        cli_print_json_compact(stdout, text, strlen(text));
        putchar('\n');
    } else {
        fputs(text, stdout);
    }
    free(text);
    return MU_OK;
}

static mu_status verb_compare(const void *options, mu_error *err)
{
    const compare_options *o = options;
    mu_comparison comparison = { 0 };
    double target = o->target > 0 ? o->target : (double)NAN;
    mu_status status = cli_as_input(mu_comparison_read(o->runs.items, o->runs.count, target, &comparison, err));
    if (!status && o->page)
        status = mu_comparison_page(&comparison, o->page, err);
    if (!status)
        status = print(&comparison, (cli_format)o->format, err);
    if (!status && o->page && o->format == CLI_FORMAT_TEXT)
        printf("page: %s\n", o->page);
    mu_comparison_release(&comparison);
    return status;
}

static const cli_argument words[] = {
    { .name = "RUN", .kind = CLI_TEXTS, .offset = offsetof(compare_options, runs), .needed = true, .offer = CLI_OFFER_FOLDERS,
      .help = "the folder of a finished run" },
};

static const cli_argument flags[] = {
    { .name = "target", .kind = CLI_REAL, .offset = offsetof(compare_options, target), .value = "ACCURACY", .min = 0, .max = 1,
      .help = "accuracy that rounds, time, energy and bytes are counted up to; otherwise the lowest final accuracy of the runs, rounded "
              "down to a whole percent" },
    { .name = "page", .kind = CLI_TEXT, .offset = offsetof(compare_options, page), .value = "FILE.html", .offer = CLI_OFFER_FILES,
      .help = "write a page with figures too" },
    CLI_FORMAT_FLAG(compare_options, format, cli_formats_text_json_csv),
};

static const cli_example examples[] = {
    { "muster compare runs/first runs/first-2", "accuracy, per tier, virtual time, bytes, energy and memory, side by side" },
    { "muster compare runs/* --target 0.9 --page compare.html", "what it took each to reach 0.9, drawn" },
};

const cli_verb cli_verb_compare = {
    .name = "compare",
    .summary = "put runs side by side",
    .about = "Accuracy at the end and at best, per tier, virtual time, traffic, energy and memory of each run, and what it took each to reach "
             "the same accuracy.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), CLI_FLAGS(flags), .options_bytes = sizeof(compare_options) },
    .run = verb_compare,
};
