/* Files of /sys and /proc. */
#include "net/agent_machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POWER_FOLDER "/sys/class/power_supply"
#define RAPL_FOLDER "/sys/class/powercap"

/* The first line of root/folder/entry/name without its end. False: there is none. */
static bool read_line(const char *root, const char *folder, const char *entry, const char *name, char *line, int capacity_bytes)
{
    char path[512];
    int length = snprintf(path, sizeof path, "%s%s/%s/%s", root, folder, entry, name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
    bool good = file && fgets(line, capacity_bytes, file);
    if (file)
        fclose(file);
    if (good)
        line[strcspn(line, "\r\n")] = '\0';
    return good;
}

static bool read_number(const char *root, const char *folder, const char *entry, const char *name, double *out)
{
    char line[64], *end;
    if (!read_line(root, folder, entry, name, line, sizeof line))
        return false;
    *out = strtod(line, &end);
    return end != line && *end == '\0' && *out >= 0;
}

/* Call `look` on each entry of a folder. */
static void each_entry(const char *root, const char *folder, void (*look)(void *self, const char *root, const char *entry), void *self)
{
    char path[512];
    int length = snprintf(path, sizeof path, "%s%s", root, folder);
    DIR *dir = length > 0 && (size_t)length < sizeof path ? opendir(path) : NULL;
    if (!dir)
        return;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            look(self, root, entry->d_name);
    closedir(dir);
}

/* ---- batteries ---- */

typedef struct batteries {
    double   share_sum, energy_j;
    uint32_t count, with_energy;
    bool     is_discharging;
} batteries;

/* Microwatt hours, or microampere hours times microvolts. */
static bool read_battery_energy(const char *root, const char *entry, double *energy_j)
{
    double energy, charge, voltage;
    if (read_number(root, POWER_FOLDER, entry, "energy_now", &energy))
        *energy_j = energy * 3600e-6;
    else if (read_number(root, POWER_FOLDER, entry, "charge_now", &charge) && read_number(root, POWER_FOLDER, entry, "voltage_now", &voltage))
        *energy_j = charge * voltage * 3600e-12;
    else
        return false;
    return true;
}

static void look_at_supply(void *self, const char *root, const char *entry)
{
    batteries *all = self;
    char line[64];
    double percent, energy_j;
    if (!read_line(root, POWER_FOLDER, entry, "type", line, sizeof line) || strcmp(line, "Battery") != 0)
        return;
    if (read_line(root, POWER_FOLDER, entry, "scope", line, sizeof line) && strcmp(line, "Device") == 0)
        return; /* a mouse's */
    if (!read_number(root, POWER_FOLDER, entry, "capacity", &percent))
        return;
    all->count++;
    all->share_sum += percent / 100 < 1 ? percent / 100 : 1;
    if (read_line(root, POWER_FOLDER, entry, "status", line, sizeof line) && strcmp(line, "Discharging") == 0)
        all->is_discharging = true;
    if (read_battery_energy(root, entry, &energy_j)) {
        all->with_energy++;
        all->energy_j += energy_j;
    }
}

static batteries look_at_supplies(const char *root)
{
    batteries all = { 0 };
    each_entry(root, POWER_FOLDER, look_at_supply, &all);
    return all;
}

mu_agent_battery mu_agent_battery_read(const char *root)
{
    batteries all = look_at_supplies(root);
    return (mu_agent_battery){ .share = all.count ? all.share_sum / all.count : -1, .is_discharging = all.is_discharging };
}

/* ---- energy ---- */

static void look_at_package(void *self, const char *root, const char *entry)
{
    double *sum_j = self, energy_uj;
    /* "intel-rapl:0", whatever the make; "intel-rapl:0:1" is a part of it */
    const char *colon = strchr(entry, ':');
    if (!colon || strchr(colon + 1, ':') || strncmp(entry, "intel-rapl", strlen("intel-rapl")) != 0 || strncmp(entry, "intel-rapl-", 11) == 0)
        return;
    if (read_number(root, RAPL_FOLDER, entry, "energy_uj", &energy_uj))
        *sum_j = (*sum_j < 0 ? 0 : *sum_j) + 1e-6 * energy_uj;
}

mu_agent_energy mu_agent_energy_read(const char *root)
{
    mu_agent_energy energy = { .processor_j = -1, .battery_j = -1 };
    each_entry(root, RAPL_FOLDER, look_at_package, &energy.processor_j);
    batteries all = look_at_supplies(root);
    if (all.is_discharging && all.with_energy)
        energy.battery_j = all.energy_j;
    return energy;
}

double mu_agent_energy_between_j(mu_agent_energy before, mu_agent_energy after)
{
    if (before.processor_j >= 0 && after.processor_j > before.processor_j)
        return after.processor_j - before.processor_j;
    if (before.battery_j > after.battery_j && after.battery_j >= 0)
        return before.battery_j - after.battery_j;
    return 0;
}

/* ---- the machine ---- */

uint32_t mu_agent_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (uint32_t)cores : 0;
}

void mu_agent_processor(const char *root, char *name, size_t capacity_bytes)
{
    static const char key[] = "model name";
    char path[512], line[512];
    int length = snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
    name[0] = '\0';
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, sizeof key - 1) != 0)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(name, capacity_bytes, "%.*s", (int)strcspn(colon, "\r\n"), colon);
        break;
    }
    if (file)
        fclose(file);
}

void mu_agent_host(char *name, size_t capacity_bytes)
{
    if (gethostname(name, capacity_bytes) || !*name)
        snprintf(name, capacity_bytes, "device");
    name[capacity_bytes - 1] = '\0';
}
