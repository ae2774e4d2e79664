/* Text for people and for programs. */
#include "cli/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Columns that the first `bytes` bytes of UTF-8 text take, where every character takes one. */
static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

void cli_print_wrapped(FILE *file, size_t column, size_t indent, size_t width, const char *text)
{
    bool line_begins = true;
    while (*text) {
        if (text[0] == '\n' && text[1] == '\n') {
            fprintf(file, "\n\n%*s", (int)indent, "");
            column = indent;
            line_begins = true;
            text += 2;
            continue;
        }
        if (*text == ' ' || *text == '\n') {
            text++;
            continue;
        }
        size_t bytes = strcspn(text, " \n"), columns = columns_of(text, bytes);
        if (!line_begins && column + 1 + columns > width) {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
            line_begins = true;
        }
        column += columns + !line_begins;
        fprintf(file, "%s%.*s", line_begins ? "" : " ", (int)bytes, text);
        line_begins = false;
        text += bytes;
    }
    fputc('\n', file);
}

void cli_print_entry(FILE *file, size_t name_width, const char *name, const char *help)
{
    size_t indent = name_width + 4;
    size_t columns = columns_of(name, strlen(name));
    fprintf(file, "  %s", name);
    if (columns > name_width)
        fprintf(file, "\n%*s", (int)indent, "");
    else
        fprintf(file, "%*s", (int)(name_width - columns + 2), "");
    cli_print_wrapped(file, indent, indent, CLI_TEXT_WIDTH, help);
}

size_t cli_terminal_width(FILE *file)
{
    struct winsize size;
    if (!isatty(fileno(file)))
        return 0;
    return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : CLI_TEXT_WIDTH;
}

bool cli_colours(FILE *file)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fileno(file)) && !(no_colour && *no_colour) && !(terminal && strcmp(terminal, "dumb") == 0);
}

const char *cli_format_bytes(uint64_t bytes, char text[CLI_NUMBER_BYTES])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < MU_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(text, CLI_NUMBER_BYTES, unit && value < 999.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *cli_format_count(uint64_t count, char text[CLI_NUMBER_BYTES])
{
    char digits[CLI_NUMBER_BYTES];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)count), used = 0;
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *cli_format_metric(double value, char text[CLI_NUMBER_BYTES])
{
    static const char *const prefixes[] = { "", "k", "M", "G", "T", "P", "E" };
    size_t prefix = 0;
    while (value >= 999.5 && prefix + 1 < MU_COUNT(prefixes)) {
        value /= 1000;
        prefix++;
    }
    snprintf(text, CLI_NUMBER_BYTES, "%.3g %s", value, prefixes[prefix]);
    return text;
}

const char *cli_format_seconds(double seconds, char text[CLI_NUMBER_BYTES])
{
    if (!isfinite(seconds))
        snprintf(text, CLI_NUMBER_BYTES, "never");
    else if (seconds < 1e-3)
        snprintf(text, CLI_NUMBER_BYTES, "%.3g us", seconds * 1e6);
    else if (seconds < 1)
        snprintf(text, CLI_NUMBER_BYTES, "%.3g ms", seconds * 1e3);
    else if (seconds < 60)
        snprintf(text, CLI_NUMBER_BYTES, "%.3g s", seconds);
    else if (seconds < 3600)
        snprintf(text, CLI_NUMBER_BYTES, "%.0f min %02.0f s", floor(seconds / 60), floor(fmod(seconds, 60)));
    else
        snprintf(text, CLI_NUMBER_BYTES, "%.0f h %02.0f min", floor(seconds / 3600), floor(fmod(seconds, 3600) / 60));
    return text;
}

void cli_print_json_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", file);
        else if (c < 0x20)
            fprintf(file, "\\u%04x", (unsigned)c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

void cli_print_json_compact(FILE *file, const char *json, size_t size_bytes)
{
    bool in_text = false;
    for (size_t i = 0; i < size_bytes; i++) {
        if (!in_text && (json[i] == ' ' || json[i] == '\n' || json[i] == '\r' || json[i] == '\t'))
            continue;
        fputc(json[i], file);
        if (in_text && json[i] == '\\' && i + 1 < size_bytes)
            fputc(json[++i], file);
        else if (json[i] == '"')
            in_text = !in_text;
    }
}

const char *cli_format_exact(double value, char text[CLI_NUMBER_BYTES])
{
    snprintf(text, CLI_NUMBER_BYTES, "null");
    for (int digits = 6; digits <= 17 && isfinite(value); digits++) {
        snprintf(text, CLI_NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}
