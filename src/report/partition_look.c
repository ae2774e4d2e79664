/* A partition, looked at: what draw_partition.c and partition_page.c draw. */
#include "report/draw_partition.h"

#include "report/text.h"

#include <math.h>
#include <stdlib.h>

#define LOOKED_AT_MAX 10000u
#define COUNTED_MIN 100u

static int compare_sizes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void look_at_sizes(const mu_data *data, mu_partition_view *p)
{
    for (uint32_t i = 0; i < p->devices; i++) {
        p->sizes[i] = mu_data_num_examples(data, i);
        p->examples += p->sizes[i];
        p->empty += p->sizes[i] == 0;
    }
    qsort(p->sizes, p->devices, sizeof *p->sizes, compare_sizes);
    p->mean_size = p->devices ? (double)p->examples / p->devices : 0;
}

/* The i-th of those looked at: spread evenly over all. */
static uint32_t nth(const mu_partition_view *p, uint32_t i)
{
    return (uint32_t)((uint64_t)i * p->devices / p->looked_at);
}

/* Total variation distance: half the sum of the differences between two distributions. */
static double distance_of(const mu_partition_view *p, const uint32_t *counts, uint64_t size, uint64_t all)
{
    double sum = 0;
    for (uint32_t k = 0; k < p->classes; k++)
        sum += fabs((double)counts[k] / (double)size - (double)p->totals[k] / (double)all);
    return sum / 2;
}

/* Twice over the devices: what all labels together are is known only after the first time. */
static void look_at_labels(const mu_data *data, mu_partition_view *p, uint32_t *counts)
{
    uint64_t all = 0, labels = 0;
    uint32_t with_examples = 0;
    for (uint32_t i = 0; i < p->looked_at; i++) {
        mu_data_label_counts(data, nth(p, i), counts);
        uint64_t size = 0;
        for (uint32_t k = 0; k < p->classes; k++) {
            size += counts[k];
            labels += counts[k] > 0;
            p->totals[k] += counts[k];
        }
        all += size;
        with_examples += size > 0;
    }
    double distance = 0;
    for (uint32_t i = 0; i < p->looked_at; i++) {
        mu_data_label_counts(data, nth(p, i), counts);
        uint64_t size = 0;
        for (uint32_t k = 0; k < p->classes; k++)
            size += counts[k];
        distance += size ? distance_of(p, counts, size, all) : 0;
    }
    p->mean_labels = with_examples ? (double)labels / with_examples : 0;
    p->mean_distance = with_examples ? distance / with_examples : 0;
}

mu_status mu_partition_look(const mu_data *data, uint32_t shown, mu_partition_view *out, mu_error *err)
{
    mu_partition_view p = { .devices = mu_data_device_count(data), .classes = mu_data_classes(data) };
    p.shown = shown < p.devices ? shown : p.devices;
    p.counted = p.shown > COUNTED_MIN ? p.shown : p.devices < COUNTED_MIN ? p.devices : COUNTED_MIN;
    p.looked_at = p.devices < LOOKED_AT_MAX ? p.devices : LOOKED_AT_MAX;
    mu_text_copy(p.name, sizeof p.name, mu_data_name(data));
    uint32_t *counts = calloc((size_t)p.classes + 1, sizeof *counts);
    p.class_names = calloc((size_t)p.classes + 1, sizeof *p.class_names);
    p.sizes = calloc((size_t)p.devices + 1, sizeof *p.sizes);
    p.totals = calloc((size_t)p.classes + 1, sizeof *p.totals);
    p.counts = calloc((size_t)p.counted * p.classes + 1, sizeof *p.counts);
    if (!counts || !p.class_names || !p.sizes || !p.totals || !p.counts) {
        free(counts);
        mu_partition_view_release(&p);
        return mu_error_set(err, MU_E_MEMORY, "no memory to look at %u devices and %u classes", p.devices, p.classes);
    }
    for (uint32_t k = 0; k < p.classes; k++)
        mu_text_copy(p.class_names[k], sizeof p.class_names[k], mu_data_class_name(data, k));
    look_at_sizes(data, &p);
    look_at_labels(data, &p, counts);
    for (uint32_t i = 0; i < p.counted; i++)
        mu_data_label_counts(data, i, p.counts + (size_t)i * p.classes);
    free(counts);
    *out = p;
    return MU_OK;
}

void mu_partition_view_release(mu_partition_view *partition)
{
    free(partition->class_names);
    free(partition->sizes);
    free(partition->totals);
    free(partition->counts);
    *partition = (mu_partition_view){ 0 };
}

uint32_t mu_partition_view_size_bins(const mu_partition_view *p, mu_size_bin bins[MU_PARTITION_BINS])
{
    if (!p->devices)
        return 0;
    uint32_t least = p->sizes[0], most = p->sizes[p->devices - 1];
    uint64_t width = ((uint64_t)(most - least) + MU_PARTITION_BINS) / MU_PARTITION_BINS; /* whole, and at least 1 */
    uint32_t count = (uint32_t)((most - least) / width + 1);
    for (uint32_t b = 0; b < count; b++) {
        uint64_t low = least + b * width, high = low + width - 1;
        bins[b] = (mu_size_bin){ (uint32_t)low, high < most ? (uint32_t)high : most, 0 };
    }
    for (uint32_t i = 0; i < p->devices; i++)
        bins[(p->sizes[i] - least) / width].count++;
    return count;
}

static void put_wholes(mu_text *text, const char *key, const uint32_t *values, size_t count)
{
    mu_text_format(text, "\"%s\": [", key);
    for (size_t i = 0; i < count; i++)
        mu_text_format(text, "%s%u", i ? ", " : "", values[i]);
    mu_text_put(text, "]");
}

char *mu_partition_view_json(const mu_partition_view *p)
{
    mu_text text = { 0 };
    mu_text_put(&text, "{\n  \"dataset\": ");
    mu_text_json(&text, p->name);
    mu_text_format(&text, ",\n  \"devices\": %u,\n  \"classes\": %u,\n  \"examples\": %llu,\n  \"empty_devices\": %u,\n", p->devices,
                   p->classes, (unsigned long long)p->examples, p->empty);
    uint32_t last = p->devices ? p->devices - 1 : 0;
    mu_text_format(&text, "  \"smallest\": %u,\n  \"median\": %u,\n  \"largest\": %u,\n  \"mean\": ", p->sizes[0], p->sizes[last / 2],
                   p->sizes[last]);
    mu_text_real(&text, p->mean_size, "null");
    mu_text_format(&text, ",\n  \"devices_looked_at\": %u,\n  \"mean_labels\": ", p->looked_at);
    mu_text_real(&text, p->mean_labels, "null");
    mu_text_put(&text, ",\n  \"mean_distance\": ");
    mu_text_real(&text, p->mean_distance, "null");
    mu_text_put(&text, ",\n  \"label_counts\": {");
    for (uint32_t k = 0; k < p->classes; k++) {
        mu_text_put(&text, k ? ", " : "");
        mu_text_json(&text, p->class_names[k]);
        mu_text_format(&text, ": %llu", (unsigned long long)p->totals[k]);
    }
    mu_text_put(&text, "},\n  \"first_devices\": [");
    for (uint32_t i = 0; i < p->shown; i++) {
        mu_text_format(&text, "%s\n    {\"device\": %u, ", i ? "," : "", i);
        put_wholes(&text, "label_counts", p->counts + (size_t)i * p->classes, p->classes);
        mu_text_put(&text, "}");
    }
    mu_text_put(&text, p->shown ? "\n  ]\n}\n" : "]\n}\n");
    return mu_text_take(&text);
}
