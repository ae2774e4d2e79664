/* Tables in three forms. */
#include "cli/table.h"

#include "cli/exit_code.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

const char *const cli_formats_text_json[] = { "text", "json", NULL };
const char *const cli_formats_text_json_csv[] = { "text", "json", "csv", NULL };

typedef struct cell {
    char *seen;  /* for people */
    char *exact; /* for programs */
    bool  is_text; /* in JSON it stands in quotes */
} cell;

struct cli_table {
    const cli_column *columns;
    size_t            column_count;
    cell             *cells;
    size_t            count, capacity;
};

static void *or_end(void *memory)
{
    if (!memory) {
        fputs("muster: no memory for a table\n", stderr);
        exit(cli_exit_code_of(MU_E_MEMORY));
    }
    return memory;
}

cli_table *cli_table_create(const cli_column *columns, size_t column_count)
{
    cli_table *table = or_end(calloc(1, sizeof *table));
    table->columns = columns;
    table->column_count = column_count;
    return table;
}

void cli_table_destroy(cli_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i].seen);
        free(table->cells[i].exact);
    }
    free(table->cells);
    free(table);
}

static void add(cli_table *table, const char *seen, const char *exact, bool is_text)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 64;
        table->cells = or_end(realloc(table->cells, table->capacity * sizeof *table->cells));
    }
    table->cells[table->count++] = (cell){ .seen = or_end(strdup(seen)), .exact = or_end(strdup(exact)), .is_text = is_text };
}

void cli_table_text(cli_table *table, const char *text)
{
    add(table, text, text, true);
}

void cli_table_words(cli_table *table, const char *text, const char *seen)
{
    add(table, seen, text, true);
}

void cli_table_count(cli_table *table, uint64_t count, const char *seen)
{
    char text[CLI_NUMBER_BYTES];
    snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    add(table, seen, text, false);
}

void cli_table_real(cli_table *table, double value, const char *seen)
{
    char text[CLI_NUMBER_BYTES];
    add(table, seen, cli_format_exact(value, text), false);
}

void cli_table_bool(cli_table *table, bool value, const char *seen)
{
    add(table, seen, value ? "true" : "false", false);
}

size_t cli_table_rows(const cli_table *table)
{
    return table->count / table->column_count;
}

static const cell *cell_at(const cli_table *table, size_t row, size_t column)
{
    return &table->cells[row * table->column_count + column];
}

/* Characters, not bytes: names may hold an é. */
static size_t columns_of(const char *text)
{
    size_t columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xC0) != 0x80;
    return columns;
}

static size_t width_of(const cli_table *table, size_t column)
{
    size_t widest = columns_of(table->columns[column].title);
    for (size_t row = 0; row < cli_table_rows(table); row++) {
        size_t width = columns_of(cell_at(table, row, column)->seen);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_line(const cli_table *table, const size_t *widths, size_t last, size_t row, FILE *file)
{
    size_t indent = 0, terminal = cli_terminal_width(file);
    for (size_t column = 0; column <= last; column++) {
        if (!table->columns[column].title)
            continue;
        const char *text = row ? cell_at(table, row - 1, column)->seen : table->columns[column].title;
        int padding = (int)(widths[column] - columns_of(text));
        if (column == last && !table->columns[column].right) {
            /* a column that is too narrow to wrap in is left to the terminal */
            cli_print_wrapped(file, indent, indent, terminal > indent + 20 ? terminal : SIZE_MAX, text);
            return;
        }
        if (table->columns[column].right)
            fprintf(file, "%*s%s", padding, "", text);
        else
            fprintf(file, "%s%*s", text, padding, "");
        fputs(column == last ? "\n" : "  ", file);
        indent += widths[column] + 2;
    }
}

static void print_columns(const cli_table *table, FILE *file)
{
    size_t *widths = or_end(calloc(table->column_count, sizeof *widths)), last = 0;
    for (size_t column = 0; column < table->column_count; column++)
        if (table->columns[column].title) {
            widths[column] = width_of(table, column);
            last = column;
        }
    const char *bold = cli_colours(file) ? "\033[1m" : "", *plain = cli_colours(file) ? "\033[0m" : "";
    fputs(bold, file);
    print_line(table, widths, last, 0, file);
    fputs(plain, file);
    for (size_t row = 0; row < cli_table_rows(table); row++)
        print_line(table, widths, last, row + 1, file);
    free(widths);
}

static void print_json(const cli_table *table, FILE *file)
{
    fputc('[', file);
    for (size_t row = 0; row < cli_table_rows(table); row++) {
        fputs(row ? ",{" : "{", file);
        for (size_t column = 0; column < table->column_count; column++) {
            const cell *value = cell_at(table, row, column);
            fprintf(file, "%s\"%s\":", column ? "," : "", table->columns[column].key);
            if (value->is_text)
                cli_print_json_text(file, value->exact);
            else
                fputs(value->exact, file);
        }
        fputc('}', file);
    }
    fputc(']', file);
}

/* RFC 4180: a text that holds a comma, a quote or a line end stands in quotes, its own quotes doubled. */
static void print_csv_cell(const cell *value, FILE *file)
{
    if (!strpbrk(value->exact, ",\"\n\r")) {
        fputs(!value->is_text && strcmp(value->exact, "null") == 0 ? "" : value->exact, file);
        return;
    }
    fputc('"', file);
    for (const char *c = value->exact; *c; c++)
        fprintf(file, "%s%c", *c == '"' ? "\"" : "", *c);
    fputc('"', file);
}

static void print_csv(const cli_table *table, FILE *file)
{
    for (size_t column = 0; column < table->column_count; column++)
        fprintf(file, "%s%s", column ? "," : "", table->columns[column].key);
    fputc('\n', file);
    for (size_t row = 0; row < cli_table_rows(table); row++)
        for (size_t column = 0; column < table->column_count; column++) {
            fputs(column ? "," : "", file);
            print_csv_cell(cell_at(table, row, column), file);
            if (column + 1 == table->column_count)
                fputc('\n', file);
        }
}

void cli_table_print(const cli_table *table, cli_format format, FILE *file)
{
    static void (*const prints[])(const cli_table *table, FILE *file) = { [CLI_FORMAT_TEXT] = print_columns, [CLI_FORMAT_JSON] = print_json,
                                                                          [CLI_FORMAT_CSV] = print_csv };
    prints[format](table, file);
}
