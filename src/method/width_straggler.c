#include "method/width_straggler.h"

double mu_straggler_size(double ratio)
{
    static const struct { double from, size; } sizes[] = { { 0.9, 0.95 }, { 0.8, 0.85 }, { 0.7, 0.75 }, { 0.6, 0.65 } };
    for (size_t i = 0; i < MU_COUNT(sizes); i++)
        if (ratio >= sizes[i].from)
            return sizes[i].size;
    return 0.5;
}

static bool slower(const mu_device_time *a, const mu_device_time *b)
{
    return a->time_s != b->time_s ? a->time_s > b->time_s : a->device < b->device;
}

/* The slowest but for the one at `besides`; count: nobody. */
static size_t slowest(const mu_device_time *times, size_t count, size_t besides)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++)
        if (i != besides && (found == count || slower(&times[i], &times[found])))
            found = i;
    return found;
}

/* `target_s` is what a round should take. */
static mu_straggler straggler_of(const mu_device_time *time, double target_s)
{
    return (mu_straggler){ .found = true, .device = time->device, .full_s = time->time_s,
                           .size = mu_straggler_size(time->time_s > 0 ? target_s / time->time_s : 1) };
}

mu_straggler mu_straggler_after(mu_straggler now, uint32_t round, double overhead, const mu_device_time *times, size_t count)
{
    if (count < 2 || round < 2)
        return now;
    size_t first = slowest(times, count, count);
    if (!now.found)
        return straggler_of(&times[first], times[slowest(times, count, first)].time_s);
    if (now.changed || times[first].device == now.device) {
        now.changed = false;
        return now;
    }
    for (size_t i = 0; i < count; i++)
        if (times[i].device == now.device)
            now.full_s = times[i].time_s / now.size * overhead;
    if (times[first].time_s > now.full_s) {
        now = straggler_of(&times[first], now.full_s);
        now.changed = true;
    }
    return now;
}
