/* A federation's data in figures. */
#include "muster/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_sizes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Total variation: half of the sum of the differences. */
static double label_distance(const uint32_t *counts, uint32_t size, const uint64_t *totals, uint64_t examples, uint32_t classes)
{
    double sum = 0.0;
    for (uint32_t c = 0; c < classes; c++)
        sum += fabs((double)counts[c] / (double)size - (double)totals[c] / (double)examples);
    return 0.5 * sum;
}

/* Two walks over the devices: the class mix of all has to be known before the distance from it. */
static void measure(const mu_data *data, mu_data_summary *out, uint32_t *sizes, uint32_t *counts, uint64_t *totals)
{
    uint32_t devices = mu_data_device_count(data), classes = mu_data_classes(data);
    uint64_t different = 0;
    for (uint32_t d = 0; d < devices; d++) {
        sizes[d] = mu_data_num_examples(data, d);
        out->examples += sizes[d];
        out->empty_devices += sizes[d] == 0;
        mu_data_label_counts(data, d, counts);
        for (uint32_t c = 0; c < classes; c++) {
            totals[c] += counts[c];
            different += counts[c] > 0;
        }
    }
    if (out->examples == 0)
        return;
    double distance = 0.0;
    for (uint32_t d = 0; d < devices; d++) {
        if (sizes[d] == 0)
            continue;
        mu_data_label_counts(data, d, counts);
        distance += (double)sizes[d] * label_distance(counts, sizes[d], totals, out->examples, classes);
    }
    out->mean_label_distance = distance / (double)out->examples;
    out->mean_classes = (double)different / (double)(devices - out->empty_devices);
}

mu_status mu_data_summarize(const mu_data *data, mu_data_summary *out, uint64_t *class_totals, mu_error *err)
{
    uint32_t devices = mu_data_device_count(data), classes = mu_data_classes(data);
    uint32_t *sizes = malloc(devices * sizeof *sizes), *counts = malloc(classes * sizeof *counts);
    uint64_t *totals = calloc(classes, sizeof *totals);
    *out = (mu_data_summary){ 0 };
    mu_status status = MU_OK;
    if (sizes && counts && totals) {
        measure(data, out, sizes, counts, totals);
        qsort(sizes, devices, sizeof *sizes, compare_sizes);
        out->smallest = sizes[0];
        out->median = sizes[devices / 2];
        out->largest = sizes[devices - 1];
        if (class_totals)
            memcpy(class_totals, totals, classes * sizeof *totals);
    } else {
        status = mu_error_set(err, MU_E_MEMORY, "no memory to look at %u devices", devices);
    }
    free(totals);
    free(counts);
    free(sizes);
    return status;
}
