/* What the files of the fleet share: its struct. */
#ifndef MUSTER_DEVICE_FLEET_INTERNAL_H
#define MUSTER_DEVICE_FLEET_INTERNAL_H

#include "device/availability.h"
#include "device/battery.h"
#include "device/classes.h"
#include "device/measured.h"
#include "device/variation.h"

typedef struct mu_fleet_config {
    double      speed_spread, bandwidth_spread;
    const char *csv, *like;
    int         timing;
    double      macs_per_example, reference_ms, reference_macs_per_s;
    int         assign;
} mu_fleet_config;

struct mu_fleet {
    mu_conf         *conf; /* the section with a name filled in: owns the texts of own classes and tiers */
    mu_fleet_config  config;
    uint32_t         devices;
    uint64_t         seed;
    mu_class_list    own;
    mu_profile      *classes;       /* [class_count] */
    uint32_t        *tier_of_class; /* [class_count] */
    const char     **tiers;         /* [tier_count] */
    uint32_t         class_count, tier_count;
    uint16_t        *class_of; /* a mix: [devices] */
    mu_measured      measured; /* a CSV */
    uint32_t        *order;    /* a CSV assigned at random: of its rows */
    char            *path;     /* a CSV's */
    mu_availability *availability;
    mu_variation     variation;
    mu_battery      *battery; /* NULL: none */
    mu_profile      *told;       /* [devices] what devices told of themselves, 0 where they said nothing; NULL: nobody has told anything */
    double          *speed_seen; /* [devices] mu_fleet_correct_speed, 0: nothing; NULL: of nobody */
    uint16_t        *told_class; /* [devices] with it: the class of each */
};

/* A CSV's row of the device; in a mix, its number. */
uint32_t mu_fleet_row_of(const mu_fleet *fleet, uint32_t device);

/* fleet_told.c: what the device told, laid over its profile. Only where somebody has told. */
void mu_fleet_told_profile(const mu_fleet *fleet, uint32_t device, mu_profile *profile);

/* fleet_time.c: the sections about what changes over time. */
mu_status mu_fleet_read_time(mu_fleet *fleet, const mu_conf_node *section, mu_error *err);
mu_status mu_fleet_write_time(const mu_fleet *fleet, mu_conf *conf, mu_conf_node *map, mu_error *err);
void      mu_fleet_release_time(mu_fleet *fleet);

#endif
