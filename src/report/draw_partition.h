/* What lies where: how a data set is spread over devices, in figures and drawn. */
#ifndef MUSTER_REPORT_DRAW_PARTITION_H
#define MUSTER_REPORT_DRAW_PARTITION_H

#include "muster/data.h"

#define MU_PARTITION_BINS 12

/* A look at a partition. Sizes are of all devices; labels of `looked_at` devices, spread evenly, because counting the labels of a million
 * would take long. */
typedef struct mu_partition_view {
    char       name[128];
    uint32_t   devices, classes;
    char     (*class_names)[32]; /* [classes] */
    uint32_t  *sizes;            /* [devices] examples, sorted from small to large */
    uint64_t   examples;         /* of all devices */
    uint32_t   empty;            /* devices without examples */
    double     mean_size;
    uint32_t   looked_at;
    uint64_t  *totals;           /* [classes] examples, over the devices looked at */
    double     mean_labels;      /* different labels on a device; mean over those looked at that have examples */
    double     mean_distance;    /* total variation distance between a device's labels and all labels: 0 alike, near 1 disjoint */
    uint32_t   shown, counted;   /* the first devices, one by one: in the text, and on the page, where there is room for more */
    uint32_t  *counts;           /* [counted][classes] */
} mu_partition_view;

/* `shown` is cut to the devices there are. */
mu_status mu_partition_look(const mu_data *data, uint32_t shown, mu_partition_view *out, mu_error *err);
void      mu_partition_view_release(mu_partition_view *partition); /* zeroed is fine */

/* Sizes counted in bins of one width: [low, high] holds `count` devices. Returns how many bins there are. */
typedef struct mu_size_bin {
    uint32_t low, high, count;
} mu_size_bin;
uint32_t mu_partition_view_size_bins(const mu_partition_view *partition, mu_size_bin bins[MU_PARTITION_BINS]);

/* malloc'ed texts, the caller's; NULL: no memory. */
/* Drawn with block characters (UTF-8), no wider than `columns`; 0: 80. */
char *mu_partition_view_text(const mu_partition_view *partition, uint32_t columns);
char *mu_partition_view_json(const mu_partition_view *partition);

/* A page with the figures. Where gnuplot is not installed it says so in their place. */
mu_status mu_partition_view_page(const mu_partition_view *partition, const char *path, mu_error *err);

#endif
