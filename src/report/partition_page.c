/* A partition as a page. */
#include "report/draw_partition.h"

#include "report/figure.h"
#include "report/number.h"
#include "report/page.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 200u /* devices in the heat map: more would be narrower than a pixel is wide */

/* Of the device's examples that have this label. Counts would show the largest device and little else. */
static double share_of(const mu_partition_view *p, uint32_t device, uint32_t label)
{
    const uint32_t *counts = p->counts + (size_t)device * p->classes;
    uint64_t size = 0;
    for (uint32_t k = 0; k < p->classes; k++)
        size += counts[k];
    return size ? (double)counts[label] / (double)size : 0;
}

static void draw_heat(mu_page *page, const mu_partition_view *p)
{
    uint32_t columns = p->counted < COLUMNS_MAX ? p->counted : COLUMNS_MAX;
    if (!columns || !p->classes)
        return;
    double *values = calloc((size_t)columns * p->classes, sizeof *values);
    const char **names = calloc(p->classes, sizeof *names);
    mu_text svg = { 0 };
    mu_error trouble = { 0 };
    mu_status status = values && names ? MU_OK : mu_error_set(&trouble, MU_E_MEMORY, "no memory for %u devices", columns);
    char title[64];
    snprintf(title, sizeof title, "Labels of the first %u devices", columns);
    if (!status) {
        for (uint32_t k = 0; k < p->classes; k++) {
            names[k] = p->class_names[k];
            for (uint32_t i = 0; i < columns; i++)
                values[(size_t)k * columns + i] = share_of(p, i, k);
        }
        const mu_axes axes = { title, "device", "label" };
        const mu_heat heat = { names, p->classes, columns, values, "share of the device's examples" };
        status = mu_figure_heat(&axes, &heat, &svg, &trouble);
    }
    mu_page_figure(page, title, status, &svg, &trouble);
    free(names);
    free(values);
}

static void draw_sizes(mu_page *page, const mu_partition_view *p)
{
    static const mu_axes axes = { "Sizes", "examples on a device", "devices" };
    mu_size_bin bins[MU_PARTITION_BINS];
    char texts[MU_PARTITION_BINS][32];
    const char *names[MU_PARTITION_BINS];
    double values[MU_PARTITION_BINS];
    uint32_t count = mu_partition_view_size_bins(p, bins);
    for (uint32_t b = 0; b < count; b++) {
        if (bins[b].low == bins[b].high)
            snprintf(texts[b], sizeof texts[b], "%u", bins[b].low);
        else
            snprintf(texts[b], sizeof texts[b], "%u-%u", bins[b].low, bins[b].high);
        names[b] = texts[b];
        values[b] = bins[b].count;
    }
    const mu_bars bars = { "devices", values };
    mu_text svg = { 0 };
    mu_error trouble = { 0 };
    mu_status status = mu_figure_bars(&axes, names, count, &bars, 1, &svg, &trouble);
    mu_page_figure(page, axes.title, status, &svg, &trouble);
}

static void draw_labels(mu_page *page, const mu_partition_view *p)
{
    double *values = calloc((size_t)p->classes + 1, sizeof *values);
    const char **names = calloc((size_t)p->classes + 1, sizeof *names);
    mu_text svg = { 0 };
    mu_error trouble = { 0 };
    mu_status status = values && names ? MU_OK : mu_error_set(&trouble, MU_E_MEMORY, "no memory for %u classes", p->classes);
    if (!status) {
        for (uint32_t k = 0; k < p->classes; k++) {
            names[k] = p->class_names[k];
            values[k] = (double)p->totals[k];
        }
        char label[64] = "examples on all devices";
        if (p->looked_at < p->devices)
            snprintf(label, sizeof label, "examples on %u of the devices", p->looked_at);
        const mu_axes axes = { "Labels", "label", label };
        const mu_bars bars = { "examples", values };
        status = mu_figure_bars(&axes, names, p->classes, &bars, 1, &svg, &trouble);
    }
    mu_page_figure(page, "Labels", status, &svg, &trouble);
    free(names);
    free(values);
}

mu_status mu_partition_view_page(const mu_partition_view *p, const char *path, mu_error *err)
{
    mu_page page;
    char title[sizeof p->name + 32], lead[128];
    snprintf(title, sizeof title, "%s on %u devices", p->name, p->devices);
    snprintf(lead, sizeof lead, "%llu examples of %u classes", (unsigned long long)p->examples, p->classes);
    mu_page_begin(&page, title, lead);
    draw_heat(&page, p);
    mu_page_figures_begin(&page);
    draw_sizes(&page, p);
    draw_labels(&page, p);
    mu_page_figures_end(&page);
    char *text = mu_partition_view_text(p, 120);
    if (!text) {
        mu_text_release(&page.text);
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for the page", path);
    }
    mu_page_heading(&page, "The same as text");
    mu_page_preformatted(&page, text);
    free(text);
    return mu_page_end(&page, path, err);
}
