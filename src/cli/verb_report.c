/* muster report: a run's page, written anew. */
#include "cli/exit_code.h"
#include "cli/verb.h"

#include "report/run_folder.h"
#include "report/run_page.h"

#include <stdio.h>

typedef struct report_options {
    const char *run;
} report_options;

static mu_status verb_report(const void *options, mu_error *err)
{
    const report_options *o = options;
    mu_status status = cli_as_input(mu_run_page_write(o->run, err));
    if (!status)
        printf("%s/%s\n", o->run, MU_RUN_REPORT);
    return status;
}

static const cli_argument words[] = {
    { .name = "RUN", .kind = CLI_TEXT, .offset = offsetof(report_options, run), .needed = true, .offer = CLI_OFFER_FOLDERS,
      .help = "the folder of a finished run" },
};

static const cli_example examples[] = {
    { "muster report runs/first", "writes runs/first/report.html and prints its path" },
};

const cli_verb cli_verb_report = {
    .name = "report",
    .summary = "write a run's report.html anew",
    .about = "The page is made from the other files of the folder alone, so an older run gets today's page, and a run that was made where "
             "gnuplot is missing gets its figures where it is not.",
    CLI_EXAMPLES(examples),
    .arguments = { CLI_WORDS(words), .options_bytes = sizeof(report_options) },
    .run = verb_report,
};
