/* rounds.csv, written and read. */
#include "report/round_table.h"

#include "base/csv.h"
#include "base/limits.h"
#include "report/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum column_kind { COLUMN_U32, COLUMN_U64, COLUMN_TIME, COLUMN_REAL } column_kind;

#define COLUMN(name, kind, member) { name, kind, offsetof(mu_round_report, member), false }
/* One that runs of earlier versions do not have: counts are then 0, and other figures not known. */
#define LATER(name, kind, member) { name, kind, offsetof(mu_round_report, member), true }

static const struct column { const char *name; column_kind kind; size_t offset; bool later; } columns[] = {
    COLUMN("round", COLUMN_U32, round),
    COLUMN("time_s", COLUMN_TIME, time),
    COLUMN("selected", COLUMN_U32, selected),
    COLUMN("merged", COLUMN_U32, merged),
    COLUMN("lost", COLUMN_U32, lost),
    COLUMN("late", COLUMN_U32, late),
    LATER("refused", COLUMN_U32, refused),
    LATER("discarded", COLUMN_U32, discarded),
    LATER("tasks_open", COLUMN_U32, tasks_open),
    COLUMN("train_loss", COLUMN_REAL, train_loss),
    COLUMN("train_accuracy", COLUMN_REAL, train_accuracy),
    COLUMN("loss", COLUMN_REAL, loss),
    COLUMN("accuracy", COLUMN_REAL, accuracy),
    /* accuracy_TIER, one a tier, go here */
    COLUMN("mean_staleness", COLUMN_REAL, mean_staleness),
    LATER("max_staleness", COLUMN_U32, max_staleness),
    COLUMN("bytes_up", COLUMN_U64, bytes_up),
    COLUMN("bytes_down", COLUMN_U64, bytes_down),
    LATER("bytes_peer", COLUMN_U64, bytes_peer),
    COLUMN("macs", COLUMN_U64, macs),
    COLUMN("energy_j", COLUMN_REAL, energy_j),
    LATER("idle_energy_j", COLUMN_REAL, idle_energy_j),
    COLUMN("device_time_s", COLUMN_REAL, device_time_s),
    COLUMN("wasted_time_s", COLUMN_REAL, wasted_time_s),
};

enum { BEFORE_TIERS = 13 };
static const char tier_prefix[] = "accuracy_";

mu_status mu_tier_names_of(const mu_fleet *fleet, mu_tier_names *out, mu_error *err)
{
    *out = (mu_tier_names){ 0 };
    uint32_t count = fleet ? mu_fleet_tier_count(fleet) : 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = mu_fleet_tier_name(fleet, i);
        if (strlen(name) >= MU_TIER_NAME_BYTES)
            return mu_error_set(err, MU_E_LIMIT, "tier '%s': its name is longer than %d bytes", name, MU_TIER_NAME_BYTES - 1);
        if (mu_tier_names_add(out, name) == MU_TIERS_MAX)
            return mu_error_set(err, MU_E_LIMIT, "the fleet has %u tiers; results are broken down by %d at most", count, MU_TIERS_MAX);
    }
    return MU_OK;
}

uint32_t mu_tier_names_add(mu_tier_names *tiers, const char *name)
{
    for (uint32_t i = 0; i < tiers->count; i++)
        if (strcmp(tiers->names[i], name) == 0)
            return i;
    if (tiers->count == MU_TIERS_MAX)
        return MU_TIERS_MAX;
    snprintf(tiers->names[tiers->count], MU_TIER_NAME_BYTES, "%s", name);
    return tiers->count++;
}

/* ---- writing ---- */

void mu_round_table_header(mu_text *text, const mu_tier_names *tiers)
{
    for (size_t i = 0; i < MU_COUNT(columns); i++) {
        if (i == BEFORE_TIERS)
            for (uint32_t t = 0; t < tiers->count; t++) {
                char name[sizeof tier_prefix + MU_TIER_NAME_BYTES];
                snprintf(name, sizeof name, "%s%s", tier_prefix, tiers->names[t]);
                mu_text_put(text, ",");
                mu_text_csv(text, name);
            }
        mu_text_format(text, "%s%s", i ? "," : "", columns[i].name);
    }
    mu_text_put(text, "\n");
}

static void put_field(mu_text *text, const struct column *column, const mu_round_report *report)
{
    const void *member = (const char *)report + column->offset;
    char number[MU_NUMBER_BYTES];
    switch (column->kind) {
    case COLUMN_U32: mu_text_whole(text, *(const uint32_t *)member); return;
    case COLUMN_U64: mu_text_whole(text, *(const uint64_t *)member); return;
    case COLUMN_REAL: mu_text_real(text, *(const double *)member, ""); return;
    case COLUMN_TIME:
        mu_number_time_s(*(const mu_time_us *)member, number);
        mu_text_put(text, number);
        return;
    }
}

void mu_round_table_row(mu_text *text, const mu_round_report *report, const mu_tier_names *tiers)
{
    /* whoever fills in the report may leave these at anything while nothing was evaluated */
    mu_round_report row = *report;
    if (!row.evaluated)
        row.loss = row.accuracy = NAN;
    for (size_t i = 0; i < MU_COUNT(columns); i++) {
        if (i == BEFORE_TIERS)
            for (uint32_t t = 0; t < tiers->count; t++) {
                mu_text_put(text, ",");
                mu_text_real(text, row.evaluated && t < row.tier_count ? row.tier_accuracy[t] : NAN, "");
            }
        mu_text_put(text, i ? "," : "");
        put_field(text, &columns[i], &row);
    }
    mu_text_put(text, "\n");
}

static double value_of(const struct column *column, const mu_round_report *report)
{
    const void *member = (const char *)report + column->offset;
    switch (column->kind) {
    case COLUMN_U32: return *(const uint32_t *)member;
    case COLUMN_U64: return (double)*(const uint64_t *)member;
    case COLUMN_TIME: return mu_time_to_s(*(const mu_time_us *)member);
    case COLUMN_REAL: break;
    }
    return *(const double *)member;
}

void mu_round_table_visit(const mu_round_report *report, const mu_tier_names *tiers, void (*visit)(void *self, const char *name, double value),
                          void *self)
{
    for (size_t i = 1; i < MU_COUNT(columns); i++) {
        double value = value_of(&columns[i], report);
        bool of_model = columns[i].offset == offsetof(mu_round_report, loss) || columns[i].offset == offsetof(mu_round_report, accuracy);
        if (isfinite(value) && (report->evaluated || !of_model))
            visit(self, columns[i].name, value);
    }
    for (uint32_t t = 0; t < tiers->count && t < report->tier_count && report->evaluated; t++) {
        char name[sizeof tier_prefix + MU_TIER_NAME_BYTES];
        snprintf(name, sizeof name, "%s%s", tier_prefix, tiers->names[t]);
        if (isfinite(report->tier_accuracy[t]))
            visit(self, name, report->tier_accuracy[t]);
    }
}

/* ---- reading ---- */

/* Which column of ours each field of a row is. */
typedef struct layout {
    size_t tier_count, field_count;
    size_t column_of[MU_COUNT(columns) + MU_TIERS_MAX]; /* MU_COUNT(columns) + t: accuracy of tier t */
} layout;

static bool is_tier_column(const mu_csv *csv, size_t field)
{
    return field < csv->count && strncmp(csv->fields[field].text, tier_prefix, sizeof tier_prefix - 1) == 0;
}

static mu_status parse_tier_columns(const mu_csv *csv, size_t *field, layout *found, mu_tier_names *tiers, mu_error *err)
{
    for (; is_tier_column(csv, *field); ++*field) {
        const char *name = csv->fields[*field].text + sizeof tier_prefix - 1;
        if (tiers->count == MU_TIERS_MAX || strlen(name) >= MU_TIER_NAME_BYTES)
            return mu_csv_error(csv, *field, err, MU_E_LIMIT, "more than %d tiers, or a tier's name longer than %d bytes", MU_TIERS_MAX,
                                MU_TIER_NAME_BYTES - 1);
        uint32_t tier = tiers->count;
        if (mu_tier_names_add(tiers, name) != tier)
            return mu_csv_error(csv, *field, err, MU_E_PARSE, "column '%s' is there twice", csv->fields[*field].text);
        found->column_of[*field] = MU_COUNT(columns) + tier;
    }
    found->tier_count = tiers->count;
    return MU_OK;
}

static mu_status parse_header(const mu_csv *csv, layout *found, mu_tier_names *tiers, mu_error *err)
{
    size_t field = 0;
    *found = (layout){ .field_count = csv->count };
    for (size_t i = 0; i < MU_COUNT(columns); i++) {
        mu_status status = i == BEFORE_TIERS ? parse_tier_columns(csv, &field, found, tiers, err) : MU_OK;
        if (status)
            return status;
        const char *name = field < csv->count ? csv->fields[field].text : "";
        if (strcmp(name, columns[i].name) == 0)
            found->column_of[field++] = i;
        else if (field == csv->count && !columns[i].later)
            return mu_csv_error(csv, field, err, MU_E_PARSE, "the header ends where column '%s' is expected", columns[i].name);
        else if (!columns[i].later)
            return mu_csv_error(csv, field, err, MU_E_PARSE, "column '%.80s' stands where '%s' is expected", name, columns[i].name);
    }
    if (field < csv->count)
        return mu_csv_error(csv, field, err, MU_E_PARSE, "column '%.80s' is not known here", csv->fields[field].text);
    return MU_OK;
}

static mu_status parse_real(const mu_csv *csv, size_t index, double *out, mu_error *err)
{
    *out = NAN;
    return csv->fields[index].length ? mu_csv_real(csv, index, out, err) : MU_OK;
}

/* Whole microseconds, so that what was written is what is read. */
static mu_status parse_time(const mu_csv *csv, size_t index, mu_time_us *out, mu_error *err)
{
    double seconds = 0;
    mu_status status = mu_csv_real(csv, index, &seconds, err);
    if (status)
        return status;
    if (seconds < 0 || seconds > 9e12)
        return mu_csv_error(csv, index, err, MU_E_RANGE, "time is %g s, expected 0 to 9e12", seconds);
    *out = (mu_time_us)llround(seconds * 1e6);
    return MU_OK;
}

static mu_status parse_field(const mu_csv *csv, size_t index, const struct column *column, mu_round_report *report, mu_error *err)
{
    void *member = (char *)report + column->offset;
    uint64_t whole = 0;
    mu_status status;
    switch (column->kind) {
    case COLUMN_U32:
        status = mu_csv_whole(csv, index, UINT32_MAX, &whole, err);
        *(uint32_t *)member = (uint32_t)whole;
        return status;
    case COLUMN_U64: return mu_csv_whole(csv, index, UINT64_MAX, member, err);
    case COLUMN_TIME: return parse_time(csv, index, member, err);
    case COLUMN_REAL: break;
    }
    return parse_real(csv, index, member, err);
}

/* A round of which nothing is known but that there is a row for it. */
static mu_round_report round_unknown(uint32_t tier_count)
{
    mu_round_report report = { .tier_count = tier_count };
    for (size_t i = 0; i < MU_COUNT(columns); i++)
        if (columns[i].kind == COLUMN_REAL)
            *(double *)((char *)&report + columns[i].offset) = NAN;
    return report;
}

static mu_status parse_row(const mu_csv *csv, const layout *found, mu_round_report *report, mu_error *err)
{
    if (csv->count != found->field_count)
        return mu_csv_error(csv, csv->count, err, MU_E_PARSE, "the row has %zu fields, the header %zu", csv->count, found->field_count);
    *report = round_unknown((uint32_t)found->tier_count);
    mu_status status = MU_OK;
    for (size_t i = 0; i < csv->count && !status; i++) {
        size_t column = found->column_of[i];
        if (column < MU_COUNT(columns))
            status = parse_field(csv, i, &columns[column], report, err);
        else
            status = parse_real(csv, i, &report->tier_accuracy[column - MU_COUNT(columns)], err);
    }
    report->evaluated = isfinite(report->accuracy) || isfinite(report->loss);
    return status;
}

static mu_status append(mu_round_report **rounds, size_t *count, size_t *capacity, const mu_csv *csv, const mu_round_report *report,
                        mu_error *err)
{
    if (report->round != *count)
        return mu_csv_error(csv, 0, err, MU_E_PARSE, "round %u stands where round %zu is expected", report->round, *count);
    if (*count > MU_LIMIT_ROUNDS)
        return mu_csv_error(csv, 0, err, MU_E_LIMIT, "more than %u rounds", MU_LIMIT_ROUNDS);
    if (*count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 64;
        mu_round_report *grown = realloc(*rounds, more * sizeof *grown);
        if (!grown)
            return mu_error_set(err, MU_E_MEMORY, "%s: no memory for %zu rounds", csv->name, more);
        *rounds = grown;
        *capacity = more;
    }
    (*rounds)[(*count)++] = *report;
    return MU_OK;
}

mu_status mu_round_table_parse(const char *name, const void *data, size_t size_bytes, mu_tier_names *tiers, mu_round_report **rounds,
                               size_t *count, mu_error *err)
{
    *tiers = (mu_tier_names){ 0 };
    *rounds = NULL;
    *count = 0;
    size_t capacity = 0;
    bool more = false;
    layout found;
    mu_csv csv;
    mu_csv_init(&csv, name, data, size_bytes, ',');
    mu_status status = mu_csv_next(&csv, &more, err);
    if (!status && !more)
        status = mu_error_set(err, MU_E_PARSE, "%s: is empty, expected a header", name);
    if (!status)
        status = parse_header(&csv, &found, tiers, err);
    while (!status && !(status = mu_csv_next(&csv, &more, err)) && more) {
        mu_round_report report;
        status = parse_row(&csv, &found, &report, err);
        if (!status)
            status = append(rounds, count, &capacity, &csv, &report, err);
    }
    mu_csv_release(&csv);
    if (status) {
        free(*rounds);
        *rounds = NULL;
        *count = 0;
    }
    for (size_t i = 0; i < *count; i++)
        (*rounds)[i].rounds = (uint32_t)(*count - 1);
    return status;
}
