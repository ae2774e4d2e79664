/* summary.json, written and read. */
#include "report/summary.h"

#include "base/limits.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum member_kind { MEMBER_TEXT, MEMBER_WHOLE, MEMBER_REAL } member_kind;
typedef enum member_need {
    NEEDED,
    LATER,      /* runs of earlier versions lack it: then it is 0, or not known */
    IF_NOT_ZERO /* left out where it is not known */
} member_need;
typedef struct member { const char *name; member_kind kind; size_t offset; member_need need; } member;

#define RUN(name, kind) { #name, kind, offsetof(mu_run_summary, name), NEEDED }
#define RUN_LATER(name, kind) { #name, kind, offsetof(mu_run_summary, name), LATER }
#define WIDTH(name, kind, member) { name, kind, offsetof(mu_width_report, member), NEEDED }
#define TIER(name, kind) { #name, kind, offsetof(mu_tier_summary, name), NEEDED }

static const member run_members[] = {
    RUN(name, MEMBER_TEXT),
    RUN(recipe, MEMBER_TEXT),
    RUN(model, MEMBER_TEXT),
    RUN(dataset, MEMBER_TEXT),
    RUN(seed, MEMBER_WHOLE),
    RUN(rounds, MEMBER_WHOLE),
    RUN(devices, MEMBER_WHOLE),
    { "cohort", MEMBER_WHOLE, offsetof(mu_run_summary, cohort), IF_NOT_ZERO },
    RUN(classes, MEMBER_WHOLE),
    RUN(parameters, MEMBER_WHOLE),
    RUN(test_examples, MEMBER_WHOLE),
    RUN(final_accuracy, MEMBER_REAL),
    RUN(best_accuracy, MEMBER_REAL),
    RUN(final_loss, MEMBER_REAL),
    RUN_LATER(devices_evaluated, MEMBER_WHOLE),
    RUN_LATER(device_accuracy_mean, MEMBER_REAL),
    RUN_LATER(device_accuracy_sd, MEMBER_REAL),
    RUN_LATER(device_accuracy_worst_decile, MEMBER_REAL),
    RUN(virtual_time_s, MEMBER_REAL),
    RUN(wall_time_s, MEMBER_REAL),
    RUN(bytes_up, MEMBER_WHOLE),
    RUN(bytes_down, MEMBER_WHOLE),
    RUN_LATER(bytes_peer, MEMBER_WHOLE),
    RUN(energy_j, MEMBER_REAL),
    RUN_LATER(idle_energy_j, MEMBER_REAL),
    RUN(macs, MEMBER_WHOLE),
    RUN_LATER(budget_used, MEMBER_REAL),
    RUN(device_time_s, MEMBER_REAL),
    RUN(wasted_time_s, MEMBER_REAL),
    RUN(peak_memory_bytes, MEMBER_WHOLE),
    RUN(measured_peak_memory_bytes, MEMBER_WHOLE),
    RUN(peak_rss_bytes, MEMBER_WHOLE),
    RUN(updates_merged, MEMBER_WHOLE),
    RUN(updates_lost, MEMBER_WHOLE),
    RUN(updates_late, MEMBER_WHOLE),
    RUN(updates_refused, MEMBER_WHOLE),
    RUN_LATER(updates_discarded, MEMBER_WHOLE),
    RUN_LATER(mean_staleness, MEMBER_REAL),
    RUN_LATER(max_staleness, MEMBER_WHOLE),
    RUN_LATER(events, MEMBER_WHOLE),
    RUN(updates_per_s, MEMBER_REAL),
    RUN(samples_per_s, MEMBER_REAL),
    RUN(workers, MEMBER_WHOLE),
    RUN(model_sha256, MEMBER_TEXT),
    RUN(muster_version, MEMBER_TEXT),
};

/* `accuracy` is in accuracy_by_tier, where people look for it, and not here again. */
static const member tier_members[] = {
    TIER(devices, MEMBER_WHOLE),
    TIER(devices_trained, MEMBER_WHOLE),
    TIER(num_examples, MEMBER_WHOLE),
    TIER(tasks_sent, MEMBER_WHOLE),
    TIER(tasks_done, MEMBER_WHOLE),
    TIER(tasks_lost, MEMBER_WHOLE),
    TIER(tasks_late, MEMBER_WHOLE),
    TIER(compute_s, MEMBER_REAL),
    TIER(radio_s, MEMBER_REAL),
    TIER(wasted_s, MEMBER_REAL),
    TIER(bytes_up, MEMBER_WHOLE),
    TIER(bytes_down, MEMBER_WHOLE),
    TIER(energy_j, MEMBER_REAL),
    TIER(compute_energy_j, MEMBER_REAL),
};

static const member width_members[] = {
    WIDTH("width", MEMBER_REAL, width),
    WIDTH("parameters", MEMBER_WHOLE, parameters),
    WIDTH("macs_per_example", MEMBER_WHOLE, macs),
    WIDTH("loss", MEMBER_REAL, loss),
    WIDTH("accuracy", MEMBER_REAL, accuracy),
};

/* ---- writing ---- */

static void put_members(mu_text *text, const member *members, size_t count, const void *from, const char *indent)
{
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        const void *value = (const char *)from + members[i].offset;
        if (members[i].need == IF_NOT_ZERO && *(const uint64_t *)value == 0)
            continue;
        mu_text_format(text, "%s%s\"%s\": ", first ? "" : ",\n", indent, members[i].name);
        first = false;
        switch (members[i].kind) {
        case MEMBER_TEXT: mu_text_json(text, value); break;
        case MEMBER_WHOLE: mu_text_whole(text, *(const uint64_t *)value); break;
        case MEMBER_REAL: mu_text_real(text, *(const double *)value, "null"); break;
        }
    }
}

static void put_widths(mu_text *text, const mu_run_summary *summary)
{
    mu_text_put(text, ",\n  \"widths\": [");
    for (uint32_t i = 0; i < summary->width_count; i++) {
        mu_text_put(text, i ? ",\n    {\n" : "\n    {\n");
        put_members(text, width_members, MU_COUNT(width_members), &summary->widths[i], "      ");
        mu_text_put(text, "\n    }");
    }
    mu_text_put(text, "\n  ]");
}

char *mu_summary_write(const mu_run_summary *summary)
{
    mu_text text = { 0 };
    mu_text_put(&text, "{\n");
    put_members(&text, run_members, MU_COUNT(run_members), summary, "  ");
    mu_text_put(&text, ",\n  \"accuracy_by_tier\": {");
    for (uint32_t i = 0; i < summary->tiers.count; i++) {
        mu_text_put(&text, i ? ", " : "");
        mu_text_json(&text, summary->tiers.names[i]);
        mu_text_put(&text, ": ");
        mu_text_real(&text, summary->by_tier[i].accuracy, "null");
    }
    mu_text_put(&text, "},\n  \"tiers\": {");
    for (uint32_t i = 0; i < summary->tiers.count; i++) {
        mu_text_put(&text, i ? ",\n    " : "\n    ");
        mu_text_json(&text, summary->tiers.names[i]);
        mu_text_put(&text, ": {\n");
        put_members(&text, tier_members, MU_COUNT(tier_members), &summary->by_tier[i], "      ");
        mu_text_put(&text, "\n    }");
    }
    mu_text_put(&text, "\n  }");
    if (summary->width_count)
        put_widths(&text, summary);
    mu_text_put(&text, "\n}\n");
    return mu_text_take(&text);
}

/* ---- reading ---- */

static mu_status read_real(const char *name, const char *key, const cJSON *item, double *out, mu_error *err)
{
    if (cJSON_IsNull(item)) {
        *out = NAN;
        return MU_OK;
    }
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        return mu_error_set(err, MU_E_PARSE, "%s: '%s' is no finite number or null", name, key);
    *out = item->valuedouble;
    return MU_OK;
}

static mu_status read_member(const char *name, const member *row, const cJSON *object, void *into, mu_error *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, row->name);
    void *slot = (char *)into + row->offset;
    if (!item && row->need == NEEDED)
        return mu_error_set(err, MU_E_PARSE, "%s: '%s' is missing", name, row->name);
    if (!item && row->kind == MEMBER_REAL)
        *(double *)slot = NAN;
    if (!item)
        return MU_OK;
    if (row->kind == MEMBER_REAL)
        return read_real(name, row->name, item, slot, err);
    if (row->kind == MEMBER_TEXT) {
        if (!cJSON_IsString(item) || strlen(item->valuestring) >= MU_SUMMARY_TEXT_BYTES)
            return mu_error_set(err, MU_E_PARSE, "%s: '%s' is no text of at most %d bytes", name, row->name, MU_SUMMARY_TEXT_BYTES - 1);
        strcpy(slot, item->valuestring);
        return MU_OK;
    }
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(value >= 0 && value <= 18446744073709551616.0) || value != floor(value))
        return mu_error_set(err, MU_E_PARSE, "%s: '%s' is no whole number from 0 to 2^64", name, row->name);
    /* cJSON keeps numbers as doubles: beyond 2^53 they are rounded, and the largest would no longer fit */
    *(uint64_t *)slot = value >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)value;
    return MU_OK;
}

static mu_status read_members(const char *name, const member *rows, size_t count, const cJSON *object, void *into, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = read_member(name, &rows[i], object, into, err);
    return status;
}

static mu_status read_tiers(const char *name, const cJSON *root, mu_run_summary *out, mu_error *err)
{
    const cJSON *accuracies = cJSON_GetObjectItemCaseSensitive(root, "accuracy_by_tier");
    const cJSON *tiers = cJSON_GetObjectItemCaseSensitive(root, "tiers");
    if (!cJSON_IsObject(accuracies) || !cJSON_IsObject(tiers))
        return mu_error_set(err, MU_E_PARSE, "%s: 'accuracy_by_tier' and 'tiers' are not both objects", name);
    mu_status status = MU_OK;
    for (const cJSON *item = accuracies->child; item && !status; item = item->next) {
        if (out->tiers.count == MU_TIERS_MAX || strlen(item->string) >= MU_TIER_NAME_BYTES)
            return mu_error_set(err, MU_E_LIMIT, "%s: more than %d tiers, or a tier's name longer than %d bytes", name, MU_TIERS_MAX,
                                MU_TIER_NAME_BYTES - 1);
        uint32_t tier = out->tiers.count;
        if (mu_tier_names_add(&out->tiers, item->string) != tier)
            return mu_error_set(err, MU_E_PARSE, "%s: tier '%s' is there twice", name, item->string);
        const cJSON *object = cJSON_GetObjectItemCaseSensitive(tiers, item->string);
        if (!cJSON_IsObject(object))
            return mu_error_set(err, MU_E_PARSE, "%s: 'tiers' has no object '%s'", name, item->string);
        status = read_real(name, item->string, item, &out->by_tier[tier].accuracy, err);
        if (!status)
            status = read_members(name, tier_members, MU_COUNT(tier_members), object, &out->by_tier[tier], err);
    }
    return status;
}

/* Not there where the whole model alone is used. */
static mu_status read_widths(const char *name, const cJSON *root, mu_run_summary *out, mu_error *err)
{
    const cJSON *widths = cJSON_GetObjectItemCaseSensitive(root, "widths");
    if (widths && !cJSON_IsArray(widths))
        return mu_error_set(err, MU_E_PARSE, "%s: 'widths' is no array", name);
    mu_status status = MU_OK;
    for (const cJSON *item = widths ? widths->child : NULL; item && !status; item = item->next) {
        if (out->width_count == MU_USABLE_MAX)
            return mu_error_set(err, MU_E_LIMIT, "%s: more than %d widths", name, MU_USABLE_MAX);
        status = read_members(name, width_members, MU_COUNT(width_members), item, &out->widths[out->width_count++], err);
    }
    return status;
}

mu_status mu_summary_parse(const char *name, const void *data, size_t size_bytes, mu_run_summary *out, mu_error *err)
{
    *out = (mu_run_summary){ 0 };
    if (size_bytes > MU_LIMIT_SUMMARY_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "%s: has %zu bytes, at most %zu are read", name, size_bytes, MU_LIMIT_SUMMARY_BYTES);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(data, size_bytes, &end, false);
    if (!root)
        return mu_error_set(err, MU_E_PARSE, "%s: is no JSON at byte %zu", name, end ? (size_t)(end - (const char *)data) : 0);
    mu_status status = MU_OK;
    if (!cJSON_IsObject(root))
        status = mu_error_set(err, MU_E_PARSE, "%s: is no JSON object", name);
    if (!status)
        status = read_members(name, run_members, MU_COUNT(run_members), root, out, err);
    if (!status)
        status = read_tiers(name, root, out, err);
    if (!status)
        status = read_widths(name, root, out, err);
    cJSON_Delete(root);
    return status;
}
