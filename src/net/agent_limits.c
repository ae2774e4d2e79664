/* A device's limits. */
#include "net/agent_limits.h"

#include "net/agent_machine.h"

#include <stdio.h>

enum { DAY_MINUTES = 24 * 60 };

mu_status mu_agent_hours_read(const char *text, mu_agent_hours *out, mu_error *err)
{
    unsigned from_hour, from_minute, to_hour, to_minute;
    int length = 0;
    if (sscanf(text, "%2u:%2u-%2u:%2u%n", &from_hour, &from_minute, &to_hour, &to_minute, &length) != 4 || text[length] || from_hour > 24 ||
        to_hour > 24 || from_minute > 59 || to_minute > 59 || 60 * from_hour + from_minute > DAY_MINUTES || 60 * to_hour + to_minute > DAY_MINUTES)
        return mu_error_set(err, MU_E_CONFIG, "hours '%s': expected two times of day, as in 22:00-06:30", text);
    *out = (mu_agent_hours){ .from = (60 * from_hour + from_minute) % DAY_MINUTES, .to = (60 * to_hour + to_minute) % DAY_MINUTES };
    return MU_OK;
}

bool mu_agent_hours_have(mu_agent_hours hours, uint32_t minute)
{
    if (hours.from == hours.to)
        return true;
    if (hours.from < hours.to)
        return minute >= hours.from && minute < hours.to;
    return minute >= hours.from || minute < hours.to;
}

uint32_t mu_agent_hours_until(mu_agent_hours hours, uint32_t minute)
{
    return mu_agent_hours_have(hours, minute) ? 0 : (hours.from + DAY_MINUTES - minute) % DAY_MINUTES;
}

mu_status mu_agent_limits_of(const mu_join_config *config, mu_agent_limits *out, mu_error *err)
{
    if (!(config->battery_min_share >= 0 && config->battery_min_share <= 1))
        return mu_error_set(err, MU_E_RANGE, "battery_min_share is %g: expected a share, 0 to 1", config->battery_min_share);
    *out = (mu_agent_limits){ .battery_min_share = config->battery_min_share, .metered_ok = config->metered_ok, .has_hours = config->hours,
                              .is_metered = config->is_metered, .self = config->self, .root = config->machine_root ? config->machine_root : "" };
    return config->hours ? mu_agent_hours_read(config->hours, &out->hours, err) : MU_OK;
}

bool mu_agent_limits_allow(const mu_agent_limits *limits, mu_agent_need need, uint32_t minute, char *why, size_t capacity_bytes)
{
    if (need != MU_AGENT_SENDS && limits->has_hours && !mu_agent_hours_have(limits->hours, minute)) {
        snprintf(why, capacity_bytes, "it is %02u:%02u, and it works from %02u:%02u to %02u:%02u", minute / 60, minute % 60,
                 limits->hours.from / 60, limits->hours.from % 60, limits->hours.to / 60, limits->hours.to % 60);
        return false;
    }
    if (need != MU_AGENT_SENDS && limits->battery_min_share > 0) {
        mu_agent_battery battery = mu_agent_battery_read(limits->root);
        if (battery.share >= 0 && battery.share < limits->battery_min_share && battery.is_discharging) {
            snprintf(why, capacity_bytes, "the battery is at %.0f %% and not charging; it works from %.0f %%", 100 * battery.share,
                     100 * limits->battery_min_share);
            return false;
        }
    }
    if (need != MU_AGENT_TRAINS && !limits->metered_ok && limits->is_metered && limits->is_metered(limits->self)) {
        snprintf(why, capacity_bytes, "the network is metered");
        return false;
    }
    return true;
}
