/* Classes of one's own: option rows over a profile, perhaps on top of a class that is there. */
#include "device/classes.h"
#include "device/rates.h"

#include "base/limits.h"
#include "muster/option.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(member) offsetof(mu_profile, member)

static const mu_option profile_rows[] = {
    { "help", MU_OPTION_TEXT, FIELD(help), 0, 0, "", NULL, NULL, "the hardware it stands for" },
    { "source", MU_OPTION_TEXT, FIELD(source), 0, 0, "given in the configuration", NULL, NULL, "where the figures come from" },
    { "tier", MU_OPTION_TEXT, FIELD(tier), 0, 0, "mid", NULL, NULL,
      "low, mid, high or a name of your own: results are broken down by it" },
    { "macs_per_s", MU_OPTION_REAL, FIELD(macs_per_s[MU_PRECISION_FP32]), 1, 1e18, NULL, NULL, "MAC/s",
      "multiply-accumulates a second in training, fp32" },
    { "bf16_macs_per_s", MU_OPTION_REAL, FIELD(macs_per_s[MU_PRECISION_BF16]), 0, 1e18, "0", NULL, "MAC/s",
      "the same in bf16; 0: not supported, done at the fp32 rate" },
    { "int8_macs_per_s", MU_OPTION_REAL, FIELD(macs_per_s[MU_PRECISION_INT8]), 0, 1e18, "0", NULL, "MAC/s",
      "the same in int8; 0: not supported, done at the fp32 rate" },
    { "memory", MU_OPTION_BYTES, FIELD(memory_bytes), 1, 1e15, NULL, NULL, "bytes", "memory that training may use" },
    { "download_bit_per_s", MU_OPTION_REAL, FIELD(download_bit_per_s), 1, 1e15, NULL, NULL, "bit/s", "bandwidth to the device" },
    { "upload_bit_per_s", MU_OPTION_REAL, FIELD(upload_bit_per_s), 1, 1e15, NULL, NULL, "bit/s", "bandwidth from the device" },
    { "latency_s", MU_OPTION_REAL, FIELD(latency_s), 0, 3600, "0", NULL, "s", "one way, once a transfer" },
    { "active_w", MU_OPTION_REAL, FIELD(active_w), 0, 1e6, "0", NULL, "W", "drawn by computing, above what the device draws anyway" },
    { "idle_w", MU_OPTION_REAL, FIELD(idle_w), 0, 1e6, "0", NULL, "W", "drawn by waiting for work, above the same" },
    { "radio_w", MU_OPTION_REAL, FIELD(radio_w), 0, 1e6, "0", NULL, "W", "drawn by sending and receiving, above the same" },
};
enum { ROW_COUNT = MU_COUNT(profile_rows) };

const mu_option *mu_profile_options(size_t *count)
{
    *count = ROW_COUNT;
    return profile_rows;
}

static const char *const profile_extra_keys[] = { "extend", "rates", NULL };

/* ---- by name ---- */

/* Own classes read so far first, the newest first of all: a class may extend the built-in one that it shadows. */
static const mu_profile *find(const mu_class_list *list, const char *name)
{
    for (size_t i = list->own_count; i-- > 0;)
        if (strcmp(list->own[i].name, name) == 0)
            return &list->own[i];
    size_t count;
    const mu_profile *built_in = mu_profiles(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(built_in[i].name, name) == 0)
            return &built_in[i];
    return NULL;
}

static mu_status unknown_class(const mu_class_list *list, const char *name, const char *where, const mu_conf_node *node,
                               mu_error *err)
{
    size_t count, used = 0;
    const mu_profile *built_in = mu_profiles(&count);
    const char **names = calloc(count + list->own_count + 1, sizeof *names);
    if (!names)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the names of device classes");
    for (size_t i = 0; i < list->own_count; i++)
        names[used++] = list->own[i].name;
    for (size_t i = 0; i < count; i++)
        names[used++] = built_in[i].name;
    const char *nearest = mu_nearest_name(name, names);
    mu_status status;
    if (nearest)
        status = mu_conf_error(err, MU_E_CONFIG, node, "%s has no '%s'; did you mean '%s'?", where, name, nearest);
    else
        status = mu_conf_error(err, MU_E_CONFIG, node, "%s has no '%s'; 'muster list devices' names the classes there are", where, name);
    free(names);
    return status;
}

mu_status mu_class_find(const mu_class_list *list, const char *name, const char *where, const mu_conf_node *node,
                        const mu_profile **out, mu_error *err)
{
    *out = find(list, name);
    return *out ? MU_OK : unknown_class(list, name, where, node, err);
}

mu_status mu_profile_find(const char *name, const mu_profile **out, mu_error *err)
{
    return mu_class_find(&(mu_class_list){ 0 }, name, "the catalogue of devices", NULL, out, err);
}

/* ---- from a configuration ---- */

/* What the class that is extended says becomes the default of every row. */
static void take_defaults(const mu_profile *base, mu_option rows[ROW_COUNT], char texts[ROW_COUNT][64])
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].kind == MU_OPTION_TEXT) {
            rows[i].fallback = *(const char *const *)((const char *)base + rows[i].offset);
        } else {
            mu_option_format(&rows[i], base, texts[i], sizeof texts[i]);
            rows[i].fallback = texts[i];
        }
    }
}

static mu_status check_name(const char *what, const char *name, const mu_conf_node *node, mu_error *err)
{
    if (!*name || strlen(name) > MU_LIMIT_NAME_BYTES)
        return mu_conf_error(err, MU_E_CONFIG, node, "fleet: classes: a %s has 1 to %u letters, this has %zu", what,
                             MU_LIMIT_NAME_BYTES, strlen(name));
    return MU_OK;
}

/* `rates`: room for its own. */
static mu_status read_class(const mu_class_list *before, const char *name, const mu_conf_node *node, mu_profile *out, mu_rates *rates, mu_error *err)
{
    char where[MU_LIMIT_NAME_BYTES + 16];
    mu_status status = check_name("class's name", name, node, err);
    if (status)
        return status;
    strcpy(where, "device class ");
    strcat(where, name);
    mu_option rows[ROW_COUNT];
    char texts[ROW_COUNT][64];
    memcpy(rows, profile_rows, sizeof rows);
    const mu_conf_node *extend = mu_conf_get(node, "extend");
    const mu_profile *base = NULL;
    if (extend) {
        if (!mu_conf_text(extend))
            return mu_conf_error(err, MU_E_CONFIG, extend, "%s: 'extend' is the name of a class", where);
        status = mu_class_find(before, mu_conf_text(extend), "extend: the catalogue of devices", extend, &base, err);
        if (status)
            return status;
        take_defaults(base, rows, texts);
    }
    *out = (mu_profile){ .name = name, .rates = base ? base->rates : NULL };
    status = mu_options_read(rows, ROW_COUNT, node, profile_extra_keys, where, out, err);
    if (!status && mu_conf_get(node, "rates")) {
        status = mu_rates_read(mu_conf_get(node, "rates"), out->macs_per_s[MU_PRECISION_FP32], where, rates, err);
        out->rates = rates;
    }
    if (status)
        return status;
    const mu_conf_node *tier = mu_conf_get(node, "tier");
    return check_name("tier's name", out->tier, tier ? tier : node, err);
}

mu_status mu_class_list_read(const mu_conf_node *section, mu_class_list *out, mu_error *err)
{
    *out = (mu_class_list){ 0 };
    if (!section)
        return MU_OK;
    if (mu_conf_kind_of(section) != MU_CONF_MAP)
        return mu_conf_error(err, MU_E_CONFIG, section, "fleet: 'classes' is a map of names to what the class can do");
    size_t count = mu_conf_count(section);
    if (count > MU_LIMIT_CLASSES_OF_DEVICES)
        return mu_conf_error(err, MU_E_LIMIT, section, "fleet: %zu classes, at most %u are taken", count, MU_LIMIT_CLASSES_OF_DEVICES);
    out->own = calloc(count + 1, sizeof *out->own);
    out->rates = calloc(count + 1, sizeof *out->rates);
    mu_status status = out->own && out->rates ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for %zu device classes", count);
    for (size_t i = 0; i < count && !status; i++) {
        status = read_class(out, mu_conf_key(section, i), mu_conf_item(section, i), &out->own[i], &out->rates[i], err);
        if (!status)
            out->own_count++;
    }
    if (status)
        mu_class_list_release(out);
    return status;
}

void mu_class_list_release(mu_class_list *list)
{
    free(list->own);
    free(list->rates);
    *list = (mu_class_list){ 0 };
}

mu_status mu_class_list_write(const mu_class_list *list, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    mu_conf_remove(map, "classes");
    if (list->own_count == 0)
        return MU_OK;
    mu_conf_node *classes = mu_conf_make_map(conf, map, "classes");
    mu_status status = classes ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
    for (size_t i = 0; i < list->own_count && !status; i++) {
        mu_conf_node *one = mu_conf_make_map(conf, classes, list->own[i].name);
        status = one ? mu_options_write(profile_rows, ROW_COUNT, &list->own[i], conf, one, err)
                     : mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
        if (!status && list->own[i].rates)
            status = mu_rates_write(list->own[i].rates, conf, one, err);
    }
    return status;
}
