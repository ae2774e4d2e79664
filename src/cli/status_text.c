/* A coordinator's status in a few lines. What is missing in it is shown as a dash: another version may have left it out. */
#include "cli/status_text.h"

#include "cli/text.h"

#include <cJSON.h>
#include <string.h>

#define PROBLEMS_SHOWN 3

static void put_words(FILE *file, const cJSON *object, const char *key)
{
    const char *words = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    for (const char *at = words ? words : "-"; *at; at++)
        fputc((unsigned char)*at < 0x20 || *at == 0x7f ? ' ' : *at, file);
}

static bool number_of(const cJSON *object, const char *key, double *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *value = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return cJSON_IsNumber(item);
}

/* Whole numbers up to 2^53, which is what JSON can say. */
static const char *count_of(const cJSON *object, const char *key, char text[CLI_NUMBER_BYTES])
{
    double value;
    if (!number_of(object, key, &value) || !(value >= 0 && value <= 9007199254740992.0))
        return "-";
    return cli_format_count((uint64_t)value, text);
}

static const char *bytes_of(const cJSON *object, const char *key, char text[CLI_NUMBER_BYTES])
{
    double value;
    if (!number_of(object, key, &value) || !(value >= 0 && value <= 9007199254740992.0))
        return "-";
    return cli_format_bytes((uint64_t)value, text);
}

static const char *share_of(const cJSON *object, const char *key, char text[CLI_NUMBER_BYTES])
{
    double value;
    if (!number_of(object, key, &value))
        return "-";
    snprintf(text, CLI_NUMBER_BYTES, "%.4f", value);
    return text;
}

static const char *seconds_of(const cJSON *object, const char *key, char text[CLI_NUMBER_BYTES])
{
    double value;
    return number_of(object, key, &value) && value >= 0 ? cli_format_seconds(value, text) : "-";
}

static void put_head(FILE *file, const cJSON *root)
{
    char round[CLI_NUMBER_BYTES], rounds[CLI_NUMBER_BYTES];
    put_words(file, root, "federation");
    fputs(": ", file);
    put_words(file, root, "state");
    if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(root, "why"))) {
        fputs(" (", file);
        put_words(file, root, "why");
        fputc(')', file);
    }
    fprintf(file, ", round %s of %s, recipe ", count_of(root, "round", round), count_of(root, "rounds", rounds));
    put_words(file, root, "recipe");
    fputc('\n', file);
}

static void put_problems(FILE *file, const cJSON *problems)
{
    char device[CLI_NUMBER_BYTES], round[CLI_NUMBER_BYTES];
    const cJSON *problem;
    int shown = 0;
    cJSON_ArrayForEach(problem, problems) {
        if (shown++ == PROBLEMS_SHOWN)
            break;
        fprintf(file, "%-10s", shown == 1 ? "lately" : "");
        put_words(file, problem, "what");
        fprintf(file, ", device %s, round %s: ", count_of(problem, "device", device), count_of(problem, "round", round));
        put_words(file, problem, "reason");
        fputc('\n', file);
    }
}

static void put_lines(FILE *file, const cJSON *root)
{
    char a[CLI_NUMBER_BYTES], b[CLI_NUMBER_BYTES], c[CLI_NUMBER_BYTES], d[CLI_NUMBER_BYTES], e[CLI_NUMBER_BYTES];
    const cJSON *devices = cJSON_GetObjectItemCaseSensitive(root, "devices"), *tasks = cJSON_GetObjectItemCaseSensitive(root, "tasks");
    const cJSON *updates = cJSON_GetObjectItemCaseSensitive(root, "updates"), *network = cJSON_GetObjectItemCaseSensitive(root, "network");
    put_head(file, root);
    fprintf(file, "accuracy  %s, best %s; loss %s\n", share_of(root, "accuracy", a), share_of(root, "best_accuracy", b), share_of(root, "loss", c));
    fprintf(file, "devices   %s of %s there, %s working\n", count_of(devices, "present", a), count_of(devices, "numbers", b),
            count_of(devices, "working", c));
    fprintf(file, "tasks     %s sent, %s open\n", count_of(tasks, "sent", a), count_of(tasks, "open", b));
    fprintf(file, "updates   %s merged, %s lost, %s late, %s refused, %s discarded\n", count_of(updates, "merged", a), count_of(updates, "lost", b),
            count_of(updates, "late", c), count_of(updates, "refused", d), count_of(updates, "discarded", e));
    fprintf(file, "traffic   %s to devices, %s from devices\n", bytes_of(network, "bytes_down", a), bytes_of(network, "bytes_up", b));
    fprintf(file, "up        %s\n", seconds_of(root, "uptime_s", a));
    put_problems(file, cJSON_GetObjectItemCaseSensitive(root, "problems"));
}

mu_status cli_status_print(FILE *file, cli_format format, const char *text, size_t size_bytes, mu_error *err)
{
    cJSON *root = cJSON_ParseWithLength(text, size_bytes);
    bool is_status = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(root, "federation")) &&
                     cJSON_IsString(cJSON_GetObjectItemCaseSensitive(root, "state"));
    if (is_status && format == CLI_FORMAT_JSON) {
        cli_print_json_compact(file, text, size_bytes);
        fputc('\n', file);
    } else if (is_status)
        put_lines(file, root);
    cJSON_Delete(root);
    return is_status ? MU_OK : mu_error_set(err, MU_E_PARSE, "what it answers is no coordinator's status");
}
