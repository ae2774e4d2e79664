/* A partition drawn with characters. */
#include "report/draw_partition.h"

#include "report/number.h"
#include "report/text.h"

#include <stdio.h>
#include <string.h>

/* Eighths of a character, from the left. */
static void put_bar(mu_text *text, double value, double most, uint32_t width)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    uint32_t length = most > 0 ? (uint32_t)(value / most * width * 8 + 0.5) : 0;
    if (value > 0 && length == 0)
        length = 1; /* a little is not nothing */
    for (uint32_t i = 0; i < length / 8; i++)
        mu_text_put(text, "█");
    mu_text_put(text, eighths[length % 8]);
    mu_text_put(text, "\n");
}

static void put_sizes(mu_text *text, const mu_partition_view *p, uint32_t columns)
{
    mu_size_bin bins[MU_PARTITION_BINS];
    uint32_t count = mu_partition_view_size_bins(p, bins), most = 0;
    for (uint32_t b = 0; b < count; b++)
        most = bins[b].count > most ? bins[b].count : most;
    mu_text_format(text, "\n%24s %12s\n", "examples on a device", "devices");
    for (uint32_t b = 0; b < count; b++) {
        char range[40];
        if (bins[b].low == bins[b].high)
            snprintf(range, sizeof range, "%u", bins[b].low);
        else
            snprintf(range, sizeof range, "%u to %u", bins[b].low, bins[b].high);
        mu_text_format(text, "%24s %12u  ", range, bins[b].count);
        put_bar(text, bins[b].count, most, columns > 49 ? columns - 39 : 10);
    }
}

/* How wide a name is, in characters; cut to `most` of them. */
static void put_name(mu_text *text, const char *name, size_t most)
{
    size_t width = 0;
    const char *at = name;
    while (*at && (width < most || ((unsigned char)*at & 0xC0) == 0x80)) {
        width += ((unsigned char)*at & 0xC0) != 0x80;
        at++;
    }
    mu_text_put_bytes(text, name, (size_t)(at - name));
    for (; width < most; width++)
        mu_text_put(text, " ");
}

static void put_labels(mu_text *text, const mu_partition_view *p, uint32_t columns)
{
    enum { LINES_MAX = 100, NAME_WIDTH = 16 };
    uint64_t most = 0;
    for (uint32_t k = 0; k < p->classes; k++)
        most = p->totals[k] > most ? p->totals[k] : most;
    if (p->looked_at < p->devices)
        mu_text_format(text, "\n%-22s %14s  on %u of the devices\n", "label", "examples", p->looked_at);
    else
        mu_text_format(text, "\n%-22s %14s\n", "label", "examples");
    for (uint32_t k = 0; k < p->classes && k < LINES_MAX; k++) {
        char number[16];
        snprintf(number, sizeof number, "%u", k);
        mu_text_format(text, "%5s ", number);
        put_name(text, strcmp(p->class_names[k], number) == 0 ? "" : p->class_names[k], NAME_WIDTH);
        mu_text_format(text, " %14llu  ", (unsigned long long)p->totals[k]);
        put_bar(text, (double)p->totals[k], (double)most, columns > 49 ? columns - 39 : 10);
    }
    if (p->classes > LINES_MAX)
        mu_text_format(text, "      and %u more\n", p->classes - LINES_MAX);
}

/* Labels side by side in one cell, where there are more than fit. */
static uint32_t labels_per_cell(const mu_partition_view *p, uint32_t room)
{
    return room ? (p->classes + room - 1) / room : p->classes;
}

/* " ", "░", "▒", "▓", "█": none, and quarters of the device's most frequent cell. */
static void put_device(mu_text *text, const uint32_t *counts, uint32_t classes, uint32_t per_cell, uint32_t cell_width)
{
    static const char *const shades[] = { " ", "░", "▒", "▓", "█" };
    uint64_t most = 0, sum = 0;
    for (uint32_t k = 0; k < classes; k++) {
        sum = (k % per_cell ? sum : 0) + counts[k];
        most = sum > most ? sum : most;
    }
    for (uint32_t k = 0; k < classes; k += per_cell) {
        sum = 0;
        for (uint32_t i = k; i < k + per_cell && i < classes; i++)
            sum += counts[i];
        uint64_t shade = most ? (sum * 4 + most - 1) / most : 0;
        for (uint32_t i = 0; i < cell_width; i++)
            mu_text_put(text, shades[shade]);
    }
    mu_text_put(text, "│\n");
}

static void put_devices(mu_text *text, const mu_partition_view *p, uint32_t columns)
{
    if (!p->shown || !p->classes)
        return;
    uint32_t room = columns > 32 ? columns - 22 : 10, per_cell = labels_per_cell(p, room);
    uint32_t cells = (p->classes + per_cell - 1) / per_cell;
    uint32_t cell_width = cells * 3 <= room ? 3 : cells * 2 <= room ? 2 : 1;
    mu_text_format(text, "\nlabels of the first %u devices, against the most frequent one of each", p->shown);
    if (per_cell > 1)
        mu_text_format(text, " (%u labels a cell)", per_cell);
    mu_text_put(text, "\n  device   examples  ");
    for (uint32_t c = 0; c < cells; c++) {
        char number[16];
        snprintf(number, sizeof number, "%u", c * per_cell);
        /* under narrow cells only every tenth is numbered */
        if (strlen(number) < cell_width || cells <= 10)
            mu_text_format(text, "%-*s", (int)cell_width, number);
        else if (c % 10 == 0) {
            mu_text_format(text, "%-*s", (int)cell_width * 10, number);
            c += 9;
        }
    }
    mu_text_put(text, "\n");
    for (uint32_t i = 0; i < p->shown; i++) {
        const uint32_t *counts = p->counts + (size_t)i * p->classes;
        uint64_t size = 0;
        for (uint32_t k = 0; k < p->classes; k++)
            size += counts[k];
        mu_text_format(text, "%8u %10llu │", i, (unsigned long long)size);
        put_device(text, counts, p->classes, per_cell, cell_width);
    }
}

char *mu_partition_view_text(const mu_partition_view *p, uint32_t columns)
{
    mu_text text = { 0 };
    uint32_t room = columns ? columns : 80, last = p->devices ? p->devices - 1 : 0;
    mu_text_format(&text, "%s: %llu examples of %u classes on %u devices", p->name, (unsigned long long)p->examples, p->classes, p->devices);
    if (p->empty)
        mu_text_format(&text, ", %u of them empty", p->empty);
    mu_text_format(&text, "\nexamples on a device: %u at least, %u median, %.1f mean, %u at most\n", p->sizes[0], p->sizes[last / 2],
                   p->mean_size, p->sizes[last]);
    mu_text_format(&text, "labels on a device: %.1f of %u different ones\ndistance from all labels together: %.3f (0 alike, near 1 disjoint)\n",
                   p->mean_labels, p->classes, p->mean_distance);
    put_devices(&text, p, room);
    put_sizes(&text, p, room);
    put_labels(&text, p, room);
    return mu_text_take(&text);
}
