/* Runs side by side, as a table, as CSV and as JSON: one list of figures makes all three. */
#include "report/compare.h"

#include "report/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum figure_kind { FIGURE_WHOLE, FIGURE_FRACTION, FIGURE_SECONDS, FIGURE_BYTES, FIGURE_JOULES, FIGURE_HOURS, FIGURE_PLAIN } figure_kind;

typedef struct figure {
    const char *name;  /* in CSV and JSON */
    const char *title; /* in the table */
    figure_kind kind;
    double (*value)(const mu_comparison *c, size_t i); /* NAN: there is none */
} figure;

#define OF_SUMMARY(member) \
    static double of_##member(const mu_comparison *c, size_t i) { return (double)c->runs[i].summary.member; }
OF_SUMMARY(seed)
OF_SUMMARY(rounds)
OF_SUMMARY(devices)
OF_SUMMARY(final_accuracy)
OF_SUMMARY(best_accuracy)
OF_SUMMARY(final_loss)
OF_SUMMARY(virtual_time_s)
OF_SUMMARY(wall_time_s)
OF_SUMMARY(bytes_up)
OF_SUMMARY(bytes_down)
OF_SUMMARY(macs)
OF_SUMMARY(energy_j)
OF_SUMMARY(peak_memory_bytes)
OF_SUMMARY(updates_merged)
OF_SUMMARY(updates_lost)
OF_SUMMARY(updates_late)

static double device_hours(const mu_comparison *c, size_t i) { return c->runs[i].summary.device_time_s / 3600; }
static double wasted_hours(const mu_comparison *c, size_t i) { return c->runs[i].summary.wasted_time_s / 3600; }
static double reach_round(const mu_comparison *c, size_t i) { return c->reach[i].reached ? c->reach[i].round : NAN; }
static double reach_time(const mu_comparison *c, size_t i) { return c->reach[i].reached ? c->reach[i].time_s : NAN; }
static double reach_energy(const mu_comparison *c, size_t i) { return c->reach[i].reached ? c->reach[i].energy_j : NAN; }
static double reach_bytes(const mu_comparison *c, size_t i) { return c->reach[i].reached ? (double)c->reach[i].bytes : NAN; }

static const figure figures[] = {
    { "seed", "seed", FIGURE_WHOLE, of_seed },
    { "devices", "devices", FIGURE_WHOLE, of_devices },
    { "rounds", "rounds", FIGURE_WHOLE, of_rounds },
    { "final_accuracy", "final accuracy", FIGURE_FRACTION, of_final_accuracy },
    { "best_accuracy", "best accuracy", FIGURE_FRACTION, of_best_accuracy },
    { "final_loss", "final loss", FIGURE_FRACTION, of_final_loss },
    /* accuracy by tier goes here */
    { "rounds_to_target", "rounds to target", FIGURE_WHOLE, reach_round },
    { "time_to_target_s", "virtual time to target", FIGURE_SECONDS, reach_time },
    { "energy_to_target_j", "energy to target", FIGURE_JOULES, reach_energy },
    { "bytes_to_target", "traffic to target", FIGURE_BYTES, reach_bytes },
    { "virtual_time_s", "virtual time", FIGURE_SECONDS, of_virtual_time_s },
    { "bytes_up", "sent by devices", FIGURE_BYTES, of_bytes_up },
    { "bytes_down", "sent to devices", FIGURE_BYTES, of_bytes_down },
    { "energy_j", "energy on devices", FIGURE_JOULES, of_energy_j },
    { "macs", "multiply-accumulates", FIGURE_PLAIN, of_macs },
    { "device_hours", "device hours", FIGURE_HOURS, device_hours },
    { "wasted_device_hours", "device hours wasted", FIGURE_HOURS, wasted_hours },
    { "peak_memory_bytes", "peak memory of a device", FIGURE_BYTES, of_peak_memory_bytes },
    { "updates_merged", "updates merged", FIGURE_WHOLE, of_updates_merged },
    { "updates_lost", "updates lost", FIGURE_WHOLE, of_updates_lost },
    { "updates_late", "updates late", FIGURE_WHOLE, of_updates_late },
    { "wall_time_s", "real time", FIGURE_SECONDS, of_wall_time_s },
};
enum { BEFORE_TIERS = 6 };

/* Texts, before all figures. */
static const struct { const char *name; size_t offset; } texts[] = {
    { "recipe", offsetof(mu_run_summary, recipe) },
    { "model", offsetof(mu_run_summary, model) },
    { "dataset", offsetof(mu_run_summary, dataset) },
};

static const char *text_of(const mu_comparison *c, size_t run, size_t index)
{
    return (const char *)&c->runs[run].summary + texts[index].offset;
}

/* ---- the table ---- */

static void show(const figure *f, double value, char text[MU_NUMBER_BYTES])
{
    switch (f->kind) {
    case FIGURE_WHOLE: mu_show_fixed(value, 0, text); return;
    case FIGURE_FRACTION: mu_show_fixed(value, 4, text); return;
    case FIGURE_SECONDS: mu_show_span(value, text); return;
    case FIGURE_BYTES: mu_show_scaled(value, "B", text); return;
    case FIGURE_JOULES: mu_show_scaled(value, "J", text); return;
    case FIGURE_HOURS: mu_show_fixed(value, value < 10 ? 4 : 2, text); return;
    case FIGURE_PLAIN: mu_show_scaled(value, "", text); return;
    }
}

typedef enum row_kind { ROW_LABEL, ROW_TEXT, ROW_FIGURE, ROW_TIER, ROW_TARGET } row_kind;
typedef struct row { row_kind kind; size_t index; } row;

/* All rows of the table, in their order; returns how many. */
static size_t list_rows(const mu_comparison *c, row rows[1 + MU_COUNT(texts) + MU_COUNT(figures) + MU_TIERS_MAX + 1])
{
    size_t count = 0;
    rows[count++] = (row){ ROW_LABEL, 0 };
    for (size_t i = 0; i < MU_COUNT(texts); i++)
        rows[count++] = (row){ ROW_TEXT, i };
    for (size_t i = 0; i < MU_COUNT(figures); i++) {
        if (i == BEFORE_TIERS) {
            for (size_t t = 0; t < c->tiers.count; t++)
                rows[count++] = (row){ ROW_TIER, t };
            rows[count++] = (row){ ROW_TARGET, 0 };
        }
        rows[count++] = (row){ ROW_FIGURE, i };
    }
    return count;
}

static void put_title(mu_text *out, const mu_comparison *c, row r)
{
    switch (r.kind) {
    case ROW_LABEL: return;
    case ROW_TEXT: mu_text_put(out, texts[r.index].name); return;
    case ROW_FIGURE: mu_text_put(out, figures[r.index].title); return;
    case ROW_TIER: mu_text_format(out, "accuracy, %s", c->tiers.names[r.index]); return;
    case ROW_TARGET: mu_text_put(out, "target accuracy"); return;
    }
}

static void put_cell(mu_text *out, const mu_comparison *c, row r, size_t run)
{
    char number[MU_NUMBER_BYTES];
    switch (r.kind) {
    case ROW_LABEL: mu_text_put(out, c->labels[run]); return;
    case ROW_TEXT: mu_text_put(out, text_of(c, run, r.index)); return;
    case ROW_FIGURE: show(&figures[r.index], figures[r.index].value(c, run), number); break;
    case ROW_TIER: mu_show_fixed(mu_comparison_tier_accuracy(c, run, (uint32_t)r.index), 4, number); break;
    case ROW_TARGET: mu_show_fixed(c->target, 4, number); break;
    }
    mu_text_put(out, number);
}

/* Characters, not bytes. */
static size_t width_of(const mu_text *text)
{
    size_t width = 0;
    for (size_t i = 0; i < text->size_bytes; i++)
        width += ((unsigned char)text->bytes[i] & 0xC0) != 0x80;
    return width;
}

static void put_spaces(mu_text *out, size_t count)
{
    while (count--)
        mu_text_put(out, " ");
}

/* One block: the titles, and the runs first .. end-1. */
static void put_block(mu_text *out, const mu_comparison *c, const row *rows, size_t count, size_t first, size_t end, const size_t *widths,
                      size_t title_width)
{
    mu_text cell = { 0 };
    for (size_t i = 0; i < count; i++) {
        mu_text_clear(&cell);
        put_title(&cell, c, rows[i]);
        mu_text_put(out, cell.bytes ? cell.bytes : "");
        put_spaces(out, title_width - width_of(&cell));
        for (size_t run = first; run < end; run++) {
            mu_text_clear(&cell);
            put_cell(&cell, c, rows[i], run);
            put_spaces(out, 2 + widths[run] - width_of(&cell));
            mu_text_put(out, cell.bytes ? cell.bytes : "");
        }
        mu_text_put(out, "\n");
    }
    out->failed |= cell.failed;
    mu_text_release(&cell);
}

char *mu_comparison_text(const mu_comparison *c, uint32_t columns)
{
    row rows[1 + MU_COUNT(texts) + MU_COUNT(figures) + MU_TIERS_MAX + 1];
    size_t count = list_rows(c, rows), widths[MU_COMPARE_RUNS_MAX] = { 0 }, title_width = 0;
    mu_text out = { 0 }, cell = { 0 };
    for (size_t i = 0; i < count; i++) {
        mu_text_clear(&cell);
        put_title(&cell, c, rows[i]);
        title_width = width_of(&cell) > title_width ? width_of(&cell) : title_width;
        for (size_t run = 0; run < c->count; run++) {
            mu_text_clear(&cell);
            put_cell(&cell, c, rows[i], run);
            widths[run] = width_of(&cell) > widths[run] ? width_of(&cell) : widths[run];
        }
    }
    out.failed |= cell.failed;
    mu_text_release(&cell);
    size_t room = columns ? columns : 80;
    for (size_t first = 0; first < c->count && !out.failed;) {
        size_t end = first + 1, used = title_width + 2 + widths[first];
        while (end < c->count && used + 2 + widths[end] <= room)
            used += 2 + widths[end++];
        mu_text_put(&out, first ? "\n" : "");
        put_block(&out, c, rows, count, first, end, widths, title_width);
        first = end;
    }
    return mu_text_take(&out);
}

/* ---- for programs ---- */

static void put_value(mu_text *out, const figure *f, double value, const char *otherwise)
{
    /* %g would write a large count with an exponent */
    if ((f->kind == FIGURE_WHOLE || f->kind == FIGURE_BYTES || f->kind == FIGURE_PLAIN) && isfinite(value))
        mu_text_format(out, "%.0f", value);
    else
        mu_text_real(out, value, otherwise);
}

char *mu_comparison_csv(const mu_comparison *c)
{
    mu_text out = { 0 };
    mu_text_put(&out, "run,folder");
    for (size_t i = 0; i < MU_COUNT(texts); i++)
        mu_text_format(&out, ",%s", texts[i].name);
    for (size_t i = 0; i < MU_COUNT(figures); i++) {
        for (uint32_t t = 0; i == BEFORE_TIERS && t < c->tiers.count; t++) {
            char name[MU_TIER_NAME_BYTES + 16];
            snprintf(name, sizeof name, "accuracy_%s", c->tiers.names[t]);
            mu_text_put(&out, ",");
            mu_text_csv(&out, name);
        }
        mu_text_format(&out, "%s,%s", i == BEFORE_TIERS ? ",target_accuracy" : "", figures[i].name);
    }
    mu_text_put(&out, "\n");
    for (size_t run = 0; run < c->count; run++) {
        mu_text_csv(&out, c->labels[run]);
        mu_text_put(&out, ",");
        mu_text_csv(&out, c->runs[run].path);
        for (size_t i = 0; i < MU_COUNT(texts); i++) {
            mu_text_put(&out, ",");
            mu_text_csv(&out, text_of(c, run, i));
        }
        for (size_t i = 0; i < MU_COUNT(figures); i++) {
            for (uint32_t t = 0; i == BEFORE_TIERS && t < c->tiers.count; t++) {
                mu_text_put(&out, ",");
                mu_text_real(&out, mu_comparison_tier_accuracy(c, run, t), "");
            }
            if (i == BEFORE_TIERS) {
                mu_text_put(&out, ",");
                mu_text_real(&out, c->target, "");
            }
            mu_text_put(&out, ",");
            put_value(&out, &figures[i], figures[i].value(c, run), "");
        }
        mu_text_put(&out, "\n");
    }
    return mu_text_take(&out);
}

static void put_json_run(mu_text *out, const mu_comparison *c, size_t run)
{
    mu_text_put(out, "    {\"run\": ");
    mu_text_json(out, c->labels[run]);
    mu_text_put(out, ", \"folder\": ");
    mu_text_json(out, c->runs[run].path);
    for (size_t i = 0; i < MU_COUNT(texts); i++) {
        mu_text_format(out, ", \"%s\": ", texts[i].name);
        mu_text_json(out, text_of(c, run, i));
    }
    for (size_t i = 0; i < MU_COUNT(figures); i++) {
        mu_text_format(out, ", \"%s\": ", figures[i].name);
        put_value(out, &figures[i], figures[i].value(c, run), "null");
    }
    mu_text_put(out, ", \"accuracy_by_tier\": {");
    const mu_run_summary *summary = &c->runs[run].summary;
    for (uint32_t t = 0; t < summary->tiers.count; t++) {
        mu_text_put(out, t ? ", " : "");
        mu_text_json(out, summary->tiers.names[t]);
        mu_text_put(out, ": ");
        mu_text_real(out, summary->by_tier[t].accuracy, "null");
    }
    mu_text_put(out, "}}");
}

char *mu_comparison_json(const mu_comparison *c)
{
    mu_text out = { 0 };
    mu_text_put(&out, "{\n  \"target_accuracy\": ");
    mu_text_real(&out, c->target, "null");
    mu_text_put(&out, ",\n  \"runs\": [\n");
    for (size_t run = 0; run < c->count; run++) {
        mu_text_put(&out, run ? ",\n" : "");
        put_json_run(&out, c, run);
    }
    mu_text_put(&out, "\n  ]\n}\n");
    return mu_text_take(&out);
}

/* ---- for the page, which is a table too ---- */

void mu_comparison_each_row(const mu_comparison *c, void (*visit)(void *self, const char *const *cells, size_t count, bool heading), void *self)
{
    row rows[1 + MU_COUNT(texts) + MU_COUNT(figures) + MU_TIERS_MAX + 1];
    size_t count = list_rows(c, rows);
    for (size_t i = 0; i < count; i++) {
        mu_text cells[1 + MU_COMPARE_RUNS_MAX] = { { 0 } };
        const char *words[1 + MU_COMPARE_RUNS_MAX];
        put_title(&cells[0], c, rows[i]);
        for (size_t run = 0; run < c->count; run++)
            put_cell(&cells[run + 1], c, rows[i], run);
        for (size_t k = 0; k <= c->count; k++)
            words[k] = cells[k].bytes ? cells[k].bytes : "";
        visit(self, words, c->count + 1, i == 0);
        for (size_t k = 0; k <= c->count; k++)
            mu_text_release(&cells[k]);
    }
}
