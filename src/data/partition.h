/* Partitioners: which example of a training set lies on which device. Each is one file, partition_*.c, and one line of the registry. */
#ifndef MUSTER_DATA_PARTITION_H
#define MUSTER_DATA_PARTITION_H

#include "muster/conf.h"
#include "muster/data.h"
#include "muster/option.h"
#include "muster/random.h"

#define MU_PARTITION_NOBODY UINT32_MAX
#define MU_PARTITION_DEVICES_DEFAULT 100

/* What a partitioner looks at. */
typedef struct mu_partition_input {
    uint64_t        seed;
    uint32_t        count, classes, devices; /* devices: what the user asked for; 0 only for one that finds the number itself */
    const int32_t  *labels;                  /* [count], each below classes */
    const uint32_t *ids;                     /* [count], each below id_count: who made the example; NULL: not known */
    uint32_t        id_count;
} mu_partition_input;

/* The examples of device d are items[starts[d] .. starts[d + 1]), in ascending order. */
typedef struct mu_partition {
    uint32_t  devices;
    uint32_t *starts; /* [devices + 1] */
    uint32_t *items;
    uint32_t *device_ids; /* [devices]: the id that a device stands for, where devices are ids; else NULL */
} mu_partition;

typedef struct mu_partition_kind {
    mu_partitioner_info info;
    const mu_option    *options; /* `min_examples` and the like */
    size_t              option_count, config_bytes;
    bool                finds_devices; /* devices: 0 is fine */
    /* Write the device of every example, or MU_PARTITION_NOBODY, into owners [count]. `out->devices` holds the number asked for; one that
     * finds the number sets it, and out->device_ids. */
    mu_status (*assign)(const mu_partition_input *input, const void *config, uint32_t *owners, mu_partition *out, mu_error *err);
} mu_partition_kind;

extern const mu_partition_kind mu_partition_iid, mu_partition_dirichlet, mu_partition_dirichlet_sizes, mu_partition_shards,
    mu_partition_pathological, mu_partition_lognormal, mu_partition_natural;

/* Read `partition:` of the section (a name or a map; nothing: iid, or natural where `ids` are known), write back what was understood, and carry it out. */
mu_status mu_partition_make(const mu_partition_input *input, mu_conf *conf, mu_conf_node *section, mu_partition *out, mu_error *err);
void      mu_partition_release(mu_partition *partition); /* also of a zeroed one */

/* ---- what partitioners share ---- */

/* A stream of the partition's own. Parts 0 and 1 are taken (what is held out for the test, the random order); the others, and `item`, are
 * the partitioner's to choose. */
mu_random mu_partition_stream(const mu_partition_input *input, uint32_t part, uint64_t item);
/* The numbers 0 .. count-1 in the partition's random order, malloc'ed; NULL: no memory. */
uint32_t *mu_partition_shuffled(const mu_partition_input *input);
/* The same, sorted by label, malloc'ed; those of class c stand from begins[c] to begins[c + 1] (begins [classes + 1] is the caller's).
 * NULL: no memory. */
uint32_t *mu_partition_by_label(const mu_partition_input *input, uint32_t *begins);
/* Give every device `min_examples` and a part of the rest in proportion to its share (`shares` have sum 1; NULL: all alike), and deal
 * the examples out in random order. For partitioners that decide about sizes alone. */
mu_status mu_partition_deal(const mu_partition_input *input, const double *shares, uint32_t min_examples, uint32_t *owners, mu_error *err);

#endif
