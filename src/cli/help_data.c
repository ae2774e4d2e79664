/* The keys of `data:` for `muster help options`. */
#include "cli/help_rows.h"

#include "data/format.h"
#include "data/partition.h"
#include "data/set.h"

void cli_print_data_rows(cli_search *s)
{
    enum { MOST_FORMATS = 64 };
    const char *names[MOST_FORMATS];
    char heading[128];
    size_t count;
    const mu_option *rows = mu_writers_options(&count);
    cli_print_rows(s, "data (name writers)", "writers", "the data set that the program makes itself", rows, count);
    rows = mu_elsewhere_options(&count);
    cli_print_rows(s, "data (name elsewhere)", "elsewhere", "for real devices; beside test:, a data section of its own", rows, count);
    rows = mu_files_options(&count);
    cli_print_rows(s, "data (in files)", "files", "beside files:, normalize: and partition:; docs/data.md describes those", rows, count);
    count = mu_format_names(names, MOST_FORMATS);
    for (size_t i = 0; i < count; i++) {
        const mu_format *format = mu_format_find(names[i]);
        snprintf(heading, sizeof heading, "data (format %s)", format->name);
        cli_print_rows(s, heading, format->name, format->help, format->options, format->option_count);
    }
    for (size_t i = 0; i < mu_partitioner_count(); i++) {
        const mu_partition_kind *kind = (const void *)mu_partitioner(i); /* whose first member the info is */
        snprintf(heading, sizeof heading, "data.partition (name %s)", kind->info.name);
        cli_print_rows(s, heading, kind->info.name, kind->info.help, kind->options, kind->option_count);
    }
}
