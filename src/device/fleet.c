/* The fleet: which device is of which class, and what is its own. Nothing is kept per device but its class (two bytes); what
 * is its own is drawn again, from its own stream, whenever somebody asks. */
#include "muster/device.h"

#include "base/conf_path.h"
#include "base/file.h"
#include "base/limits.h"
#include "device/fleet_internal.h"
#include "muster/math.h"
#include "muster/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_FLEET "phone-mid"

/* Streams of MU_RANDOM_FLEET, told apart by their round. */
enum { DRAW_DEVICE, DRAW_CLASSES, DRAW_ROWS };

enum { ASSIGN_ORDER, ASSIGN_RANDOM };
enum { TIMING_WORK, TIMING_FEDSCALE };
static const char *const timing_words[] = { "work", "fedscale", NULL };
static const char *const assign_words[] = { "order", "random", NULL };

static const mu_option rows[] = {
    { "speed_spread", MU_OPTION_REAL, offsetof(mu_fleet_config, speed_spread), 0, 3, "0", NULL, NULL,
      "devices of a class differ: sigma of the log-normal factor on their speed, median 1" },
    { "bandwidth_spread", MU_OPTION_REAL, offsetof(mu_fleet_config, bandwidth_spread), 0, 3, "0", NULL, NULL,
      "the same for bandwidth, one factor for both directions" },
    { "csv", MU_OPTION_TEXT, offsetof(mu_fleet_config, csv), 0, 0, NULL, NULL, NULL, "measured devices, instead of a mix" },
    { "like", MU_OPTION_TEXT, offsetof(mu_fleet_config, like), 0, 0, "phone-mid", NULL, NULL, "class that says what the CSV does not" },
    { "timing", MU_OPTION_CHOICE, offsetof(mu_fleet_config, timing), 0, 0, "work", timing_words, NULL,
      "compute_ms is how long some work takes (see reference_ms); or, as in FedScale, an example's way forward, so that a task takes "
      "3 * examples * compute_ms" },
    { "macs_per_example", MU_OPTION_REAL, offsetof(mu_fleet_config, macs_per_example), 0, 1e18, "0", NULL, "MAC",
      "what training on an example counts, for timing: fedscale; an experiment fills in its model's" },
    { "reference_ms", MU_OPTION_REAL, offsetof(mu_fleet_config, reference_ms), 0, 1e12, "0", NULL, "ms",
      "compute_ms of a device with reference_macs_per_s; 0: the median of the CSV" },
    { "reference_macs_per_s", MU_OPTION_REAL, offsetof(mu_fleet_config, reference_macs_per_s), 0, 1e18, "0", NULL, "MAC/s",
      "fp32 speed of a device that takes reference_ms; 0: that of `like`" },
    { "assign", MU_OPTION_CHOICE, offsetof(mu_fleet_config, assign), 0, 0, "order", assign_words, NULL,
      "device i is row i, or a row drawn at random; from the first again when there are more devices" },
};
enum { MIX_ROW_COUNT = 2 }; /* the first of them; the others are of a CSV */

#define TIME_KEYS "availability", "compute_share", "bandwidth_variation", "battery"
static const char *const mix_keys[] = { "name", "mix", "csv", "classes", TIME_KEYS, NULL };
static const char *const csv_keys[] = { "classes", TIME_KEYS, NULL };

const mu_option *mu_fleet_options(size_t *count)
{
    *count = MU_COUNT(rows);
    return rows;
}

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for the fleet");
}

/* ---- what the section says ---- */

static mu_status unknown_fleet(const char *name, const mu_conf_node *node, mu_error *err)
{
    size_t fleet_count, class_count, used = 0;
    const mu_named_fleet *fleets = mu_named_fleets(&fleet_count);
    const mu_profile *classes = mu_profiles(&class_count);
    const char **names = calloc(fleet_count + class_count + 1, sizeof *names);
    if (!names)
        return no_memory(err);
    for (size_t i = 0; i < fleet_count; i++)
        names[used++] = fleets[i].name;
    for (size_t i = 0; i < class_count; i++)
        names[used++] = classes[i].name;
    const char *nearest = mu_nearest_name(name, names);
    mu_status status = nearest ? mu_conf_error(err, MU_E_CONFIG, node, "there is no fleet '%s'; did you mean '%s'?", name, nearest)
                               : mu_conf_error(err, MU_E_CONFIG, node, "there is no fleet '%s'; 'muster list fleets' names them", name);
    free(names);
    return status;
}

/* The section that a name stands for. The caller destroys it, also after a failure. */
static mu_status open_named(const char *name, const mu_conf_node *node, mu_conf **out, mu_error *err)
{
    size_t count;
    const mu_named_fleet *fleets = mu_named_fleets(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(fleets[i].name, name) == 0)
            return mu_conf_parse("built-in fleet", fleets[i].section, strlen(fleets[i].section), out, err);
    const mu_profile *class;
    if (mu_profile_find(name, &class, NULL))
        return unknown_fleet(name, node, err);
    mu_status status = mu_conf_parse("fleet", "", 0, out, err);
    if (status)
        return status;
    mu_conf_node *mix = mu_conf_make_map(*out, mu_conf_root(*out), "mix");
    return mix ? mu_conf_put(*out, mix, name, "1", err) : no_memory(err);
}

/* Our own copy of the section, with a name replaced by what it stands for. */
static mu_status open_section(const mu_conf_node *section, mu_conf **out, mu_error *err)
{
    const mu_conf_node *name = mu_conf_text(section) ? section : mu_conf_get(section, "name");
    if (section && !mu_conf_text(section) && mu_conf_kind_of(section) != MU_CONF_MAP)
        return mu_conf_error(err, MU_E_CONFIG, section, "fleet: expected a fleet's name, or a map with 'mix' or 'csv'");
    if (name && !mu_conf_text(name))
        return mu_conf_error(err, MU_E_CONFIG, name, "fleet: 'name' is that of a fleet");
    const mu_conf_node *other = mu_conf_get(section, "mix") ? mu_conf_get(section, "mix") : mu_conf_get(section, "csv");
    if (name && other)
        return mu_conf_error(err, MU_E_CONFIG, other, "fleet: either a fleet by 'name', or one of your own by 'mix' or 'csv'");
    mu_conf *conf = NULL;
    mu_status status = name ? open_named(mu_conf_text(name), name, &conf, err)
                            : section ? mu_conf_parse(mu_conf_file(section), "", 0, &conf, err)
                                      : open_named(DEFAULT_FLEET, NULL, &conf, err);
    if (!status && section && !mu_conf_text(section))
        status = mu_conf_overlay(conf, section, err);
    if (status) {
        mu_conf_destroy(conf);
        return status;
    }
    mu_conf_remove(mu_conf_root(conf), "name");
    *out = conf;
    return MU_OK;
}

/* ---- a mix ---- */

/* Whole devices to shares by the largest remainder; equal remainders go to who comes first. The counts add up to `devices`. */
static void apportion(const double *shares, size_t count, uint32_t devices, uint32_t *counts, double *remainders)
{
    double sum = 0.0;
    uint32_t given = 0;
    for (size_t i = 0; i < count; i++)
        sum += shares[i];
    for (size_t i = 0; i < count; i++) {
        double quota = (double)devices * (shares[i] / sum), nearest = round(quota);
        if (fabs(quota - nearest) < 1e-6) /* 0.29 * 100 is not quite 29 */
            quota = nearest;
        counts[i] = (uint32_t)floor(quota);
        remainders[i] = quota - floor(quota);
        given += counts[i];
    }
    for (; given < devices; given++) {
        size_t most = 0;
        for (size_t i = 1; i < count; i++)
            if (remainders[i] > remainders[most] + 1e-6)
                most = i;
        counts[most]++;
        remainders[most] -= 1.0;
    }
}

static mu_status read_shares(mu_fleet *fleet, const mu_conf_node *mix, double *shares, mu_error *err)
{
    for (uint32_t i = 0; i < fleet->class_count; i++) {
        const char *name = mu_conf_key(mix, i);
        const mu_conf_node *node = mu_conf_item(mix, i);
        const mu_profile *class;
        mu_status status = mu_class_find(&fleet->own, name, "fleet: mix", node, &class, err);
        mu_option share = { name, MU_OPTION_REAL, 0, 1e-9, 1e9, NULL, NULL, NULL, "share" };
        if (!status)
            status = mu_option_read(&share, node, "fleet: mix", &shares[i], err);
        if (status)
            return status;
        fleet->classes[i] = *class;
    }
    return MU_OK;
}

static mu_status deal_classes(mu_fleet *fleet, const double *shares, mu_error *err)
{
    uint32_t *counts = calloc(fleet->class_count, sizeof *counts);
    double *remainders = calloc(fleet->class_count, sizeof *remainders);
    fleet->class_of = calloc(fleet->devices, sizeof *fleet->class_of);
    mu_status status = MU_OK;
    if (!counts || !remainders || !fleet->class_of) {
        status = no_memory(err);
    } else {
        apportion(shares, fleet->class_count, fleet->devices, counts, remainders);
        size_t device = 0;
        for (uint32_t class = 0; class < fleet->class_count; class++)
            for (uint32_t i = 0; i < counts[class]; i++)
                fleet->class_of[device++] = (uint16_t)class;
        MU_ASSERT(device == fleet->devices);
        mu_random random = mu_random_stream(fleet->seed, MU_RANDOM_FLEET, DRAW_CLASSES, 0);
        for (size_t i = fleet->devices; i > 1; i--) { /* Fisher and Yates, on two bytes an item */
            size_t j = mu_random_below(&random, (uint32_t)i);
            uint16_t class = fleet->class_of[i - 1];
            fleet->class_of[i - 1] = fleet->class_of[j];
            fleet->class_of[j] = class;
        }
    }
    free(counts);
    free(remainders);
    return status;
}

static mu_status make_mix(mu_fleet *fleet, mu_error *err)
{
    const mu_conf_node *mix = mu_conf_get(mu_conf_root(fleet->conf), "mix");
    if (!mix || mu_conf_kind_of(mix) != MU_CONF_MAP || mu_conf_count(mix) == 0)
        return mu_conf_error(err, MU_E_CONFIG, mix ? mix : mu_conf_root(fleet->conf),
                             "fleet: expected 'mix', a map of classes to shares as in {phone-low: 0.7, phone-high: 0.3}; "
                             "or 'csv'; or 'name'");
    if (mu_conf_count(mix) > MU_LIMIT_CLASSES_OF_DEVICES)
        return mu_conf_error(err, MU_E_LIMIT, mix, "fleet: mix has %zu classes, at most %u are taken", mu_conf_count(mix),
                             MU_LIMIT_CLASSES_OF_DEVICES);
    fleet->class_count = (uint32_t)mu_conf_count(mix);
    fleet->classes = calloc(fleet->class_count, sizeof *fleet->classes);
    double *shares = calloc(fleet->class_count, sizeof *shares);
    mu_status status = fleet->classes && shares ? read_shares(fleet, mix, shares, err) : no_memory(err);
    if (!status)
        status = deal_classes(fleet, shares, err);
    free(shares);
    return status;
}

/* ---- a CSV ---- */

/* FedScale's clock, 3 * examples * ms_per_example / 1000 seconds, as a speed: so many examples' MACs in that time. The 3 stands for the way
 * forward and back, which is what our MACs count. */
static mu_status use_fedscale(mu_fleet_config *c, const mu_conf_node *section, mu_error *err)
{
    if (c->macs_per_example <= 0.0)
        return mu_conf_error(err, MU_E_CONFIG, mu_conf_get(section, "timing"), "fleet: 'timing: fedscale' needs 'macs_per_example'");
    double macs_per_s = 1000.0 / 3.0 * c->macs_per_example; /* of a device that takes one millisecond */
    if ((c->reference_ms != 0.0 && c->reference_ms != 1.0) || (c->reference_macs_per_s != 0.0 && c->reference_macs_per_s != macs_per_s))
        return mu_conf_error(err, MU_E_CONFIG, section, "fleet: either 'timing: fedscale' or a reference of your own, not both");
    c->reference_ms = 1.0;
    c->reference_macs_per_s = macs_per_s;
    return MU_OK;
}

static mu_status make_measured(mu_fleet *fleet, mu_error *err)
{
    mu_fleet_config *c = &fleet->config;
    const mu_conf_node *section = mu_conf_root(fleet->conf), *like_node = mu_conf_get(section, "like");
    const mu_profile *like;
    mu_status status = mu_class_find(&fleet->own, c->like, "fleet: like", like_node, &like, err);
    if (!status && c->timing == TIMING_FEDSCALE)
        status = use_fedscale(c, section, err);
    else if (!status && c->macs_per_example > 0.0)
        status = mu_conf_error(err, MU_E_CONFIG, mu_conf_get(section, "macs_per_example"), "fleet: 'macs_per_example' is for 'timing: fedscale'");
    if (!status && c->reference_macs_per_s == 0.0)
        c->reference_macs_per_s = like->macs_per_s[MU_PRECISION_FP32];
    mu_file file;
    if (!status)
        status = mu_conf_path(mu_conf_get(section, "csv"), &fleet->path, err);
    if (!status)
        status = mu_file_map(fleet->path, &file, err);
    if (status)
        return status;
    c->csv = fleet->path;
    status = mu_measured_parse(fleet->path, file.data, file.size_bytes, like, c->reference_macs_per_s, &c->reference_ms,
                               &fleet->measured, err);
    mu_file_unmap(&file);
    if (status)
        return status;
    fleet->class_count = MU_MEASURED_TIERS;
    fleet->classes = malloc(sizeof fleet->measured.classes);
    if (!fleet->classes)
        return no_memory(err);
    memcpy(fleet->classes, fleet->measured.classes, sizeof fleet->measured.classes);
    if (c->assign == ASSIGN_ORDER)
        return MU_OK;
    fleet->order = malloc(fleet->measured.count * sizeof *fleet->order);
    if (!fleet->order)
        return no_memory(err);
    for (size_t i = 0; i < fleet->measured.count; i++)
        fleet->order[i] = (uint32_t)i;
    mu_random random = mu_random_stream(fleet->seed, MU_RANDOM_FLEET, DRAW_ROWS, 0);
    mu_random_shuffle(&random, fleet->order, fleet->measured.count);
    return MU_OK;
}

/* ---- making it ---- */

static uint32_t find_tier(const mu_fleet *fleet, const char *name)
{
    uint32_t tier = 0;
    while (tier < fleet->tier_count && strcmp(fleet->tiers[tier], name) != 0)
        tier++;
    return tier;
}

/* Tiers that some class has: low, mid and high in this order, others behind them as they come. */
static mu_status make_tiers(mu_fleet *fleet, mu_error *err)
{
    static const char *const usual[] = { "low", "mid", "high" };
    fleet->tiers = calloc(fleet->class_count, sizeof *fleet->tiers);
    fleet->tier_of_class = calloc(fleet->class_count, sizeof *fleet->tier_of_class);
    if (!fleet->tiers || !fleet->tier_of_class)
        return no_memory(err);
    for (size_t u = 0; u < MU_COUNT(usual); u++)
        for (uint32_t i = 0; i < fleet->class_count; i++)
            if (strcmp(fleet->classes[i].tier, usual[u]) == 0) {
                fleet->tiers[fleet->tier_count++] = usual[u];
                break;
            }
    for (uint32_t i = 0; i < fleet->class_count; i++) {
        uint32_t tier = find_tier(fleet, fleet->classes[i].tier);
        if (tier == fleet->tier_count)
            fleet->tiers[fleet->tier_count++] = fleet->classes[i].tier;
        fleet->tier_of_class[i] = tier;
    }
    return MU_OK;
}

static mu_status make_fleet(mu_fleet *fleet, const mu_conf_node *section, mu_error *err)
{
    mu_status status = open_section(section, &fleet->conf, err);
    if (status)
        return status;
    const mu_conf_node *root = mu_conf_root(fleet->conf), *csv = mu_conf_get(root, "csv");
    if (csv && mu_conf_get(root, "mix"))
        return mu_conf_error(err, MU_E_CONFIG, csv, "fleet: either 'mix' or 'csv', not both");
    status = mu_options_read(rows, csv ? MU_COUNT(rows) : (size_t)MIX_ROW_COUNT, root, csv ? csv_keys : mix_keys, "fleet",
                             &fleet->config, err);
    if (!status)
        status = mu_class_list_read(mu_conf_get(root, "classes"), &fleet->own, err);
    if (!status)
        status = csv ? make_measured(fleet, err) : make_mix(fleet, err);
    if (!status)
        status = make_tiers(fleet, err);
    if (!status)
        status = mu_fleet_read_time(fleet, root, err);
    return status;
}

mu_status mu_fleet_create(const mu_conf_node *section, uint32_t devices, uint64_t seed, mu_fleet **out, mu_error *err)
{
    if (devices == 0 || devices > MU_LIMIT_DEVICES)
        return mu_conf_error(err, MU_E_RANGE, section, "a fleet of %u devices, expected 1 to %u", devices, MU_LIMIT_DEVICES);
    mu_fleet *fleet = calloc(1, sizeof *fleet);
    if (!fleet)
        return no_memory(err);
    fleet->devices = devices;
    fleet->seed = seed;
    mu_status status = make_fleet(fleet, section, err);
    if (status)
        mu_fleet_destroy(fleet);
    else
        *out = fleet;
    return status;
}

void mu_fleet_destroy(mu_fleet *fleet)
{
    if (!fleet)
        return;
    mu_fleet_release_time(fleet);
    mu_measured_release(&fleet->measured);
    mu_class_list_release(&fleet->own);
    free(fleet->classes);
    free(fleet->tier_of_class);
    free(fleet->tiers);
    free(fleet->class_of);
    free(fleet->told);
    free(fleet->told_class);
    free(fleet->speed_seen);
    free(fleet->order);
    free(fleet->path);
    mu_conf_destroy(fleet->conf);
    free(fleet);
}

mu_status mu_fleet_resolve(const mu_fleet *fleet, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    const mu_conf_node *mix = mu_conf_get(mu_conf_root(fleet->conf), "mix");
    /* what is put anew comes in one order, whatever the map was before: the same fleet gives the same text */
    mu_conf_remove(map, "name");
    mu_conf_remove(map, "availability");
    mu_status status = mix ? mu_conf_put_copy(conf, map, "mix", mix, err) : MU_OK;
    if (!status)
        status = mu_options_write(rows, mix ? (size_t)MIX_ROW_COUNT : MU_COUNT(rows), &fleet->config, conf, map, err);
    if (!status)
        status = mu_class_list_write(&fleet->own, conf, map, err);
    return status ? status : mu_fleet_write_time(fleet, conf, map, err);
}

/* ---- looking ---- */

uint32_t mu_fleet_device_count(const mu_fleet *fleet) { return fleet->devices; }
uint32_t mu_fleet_class_count(const mu_fleet *fleet) { return fleet->class_count; }
uint32_t mu_fleet_tier_count(const mu_fleet *fleet) { return fleet->tier_count; }

const mu_profile *mu_fleet_class(const mu_fleet *fleet, uint32_t index)
{
    MU_ASSERT(index < fleet->class_count);
    return &fleet->classes[index];
}

const char *mu_fleet_tier_name(const mu_fleet *fleet, uint32_t tier)
{
    MU_ASSERT(tier < fleet->tier_count);
    return fleet->tiers[tier];
}

uint32_t mu_fleet_row_of(const mu_fleet *fleet, uint32_t device)
{
    MU_ASSERT(device < fleet->devices);
    if (!fleet->measured.rows)
        return device;
    uint32_t row = (uint32_t)(device % fleet->measured.count);
    return fleet->order ? fleet->order[row] : row;
}

uint32_t mu_fleet_class_of(const mu_fleet *fleet, uint32_t device)
{
    uint32_t row = mu_fleet_row_of(fleet, device);
    if (fleet->told_class)
        return fleet->told_class[device];
    return fleet->measured.rows ? fleet->measured.rows[row].tier : fleet->class_of[row];
}

uint32_t mu_fleet_tier_of(const mu_fleet *fleet, uint32_t device)
{
    return fleet->tier_of_class[mu_fleet_class_of(fleet, device)];
}

static void scale_speed(mu_profile *profile, double factor)
{
    for (int precision = 0; precision < MU_PRECISION_COUNT; precision++)
        profile->macs_per_s[precision] *= factor;
}

mu_profile mu_fleet_profile(const mu_fleet *fleet, uint32_t device)
{
    mu_profile profile = fleet->classes[mu_fleet_class_of(fleet, device)];
    if (fleet->measured.rows) {
        const mu_measured_row *row = &fleet->measured.rows[mu_fleet_row_of(fleet, device)];
        scale_speed(&profile, row->macs_per_s / profile.macs_per_s[MU_PRECISION_FP32]);
        profile.macs_per_s[MU_PRECISION_FP32] = row->macs_per_s;
        profile.download_bit_per_s = row->download_bit_per_s;
        profile.upload_bit_per_s = row->upload_bit_per_s;
    }
    if (fleet->config.speed_spread > 0.0 || fleet->config.bandwidth_spread > 0.0) {
        mu_random random = mu_random_stream(fleet->seed, MU_RANDOM_FLEET, DRAW_DEVICE, device);
        double speed = mu_random_normal(&random), bandwidth = mu_random_normal(&random);
        scale_speed(&profile, mu_exp(fleet->config.speed_spread * speed));
        profile.download_bit_per_s *= mu_exp(fleet->config.bandwidth_spread * bandwidth);
        profile.upload_bit_per_s *= mu_exp(fleet->config.bandwidth_spread * bandwidth);
    }
    if (fleet->told)
        mu_fleet_told_profile(fleet, device, &profile);
    if (fleet->speed_seen && fleet->speed_seen[device] > 0.0)
        scale_speed(&profile, fleet->speed_seen[device]);
    return profile;
}
