/* Which width a device trains. */
#include "method/device_width.h"

#include "method/width_levels.h"

enum { BY_TIER, FIXED, DYNAMIC };
const char *const mu_device_width_ways[] = { [BY_TIER] = "tier", [FIXED] = "fixed", [DYNAMIC] = "dynamic", NULL };

mu_status mu_device_width_check(const mu_device_width *width, mu_error *err)
{
    const mu_reals *shares = &width->shares;
    if (!width->widths.count)
        return mu_error_set(err, MU_E_CONFIG, "widths is empty: it needs at least one");
    if (!shares->count)
        return MU_OK;
    if (width->by == BY_TIER)
        return mu_error_set(err, MU_E_CONFIG, "shares say how likely a width is drawn, but width_by is tier, which draws none: set it to fixed or "
                            "dynamic");
    if (shares->count != width->widths.count)
        return mu_error_set(err, MU_E_CONFIG, "there are %u shares and %u widths: each width needs its own", shares->count, width->widths.count);
    double total = 0;
    for (uint32_t i = 0; i < shares->count; i++)
        total += shares->values[i];
    return total > 0 ? MU_OK : mu_error_set(err, MU_E_CONFIG, "all shares are 0: no width could be drawn");
}

double mu_device_width_of(mu_control *control, const mu_device_width *width, uint32_t device, uint32_t ordinal)
{
    uint32_t count = width->widths.count;
    if (width->by == BY_TIER) {
        const mu_fleet *fleet = mu_control_fleet(control);
        uint32_t tiers = mu_fleet_tier_count(fleet), tier = mu_fleet_tier_of(fleet, device);
        return width->widths.values[tiers > 1 ? tier * (count - 1) / (tiers - 1) : count - 1];
    }
    uint32_t round = width->by == DYNAMIC ? 1 + ordinal : 0;
    mu_random random = mu_random_stream(mu_control_seed(control), MU_RANDOM_METHOD, round, device);
    return width->widths.values[width->shares.count ? mu_level_draw(width->shares.values, count, &random) : mu_random_below(&random, count)];
}

mu_status mu_device_width_counts(mu_control *control, const mu_device_width *width, uint32_t device, uint32_t ordinal,
                                 mu_width_rounding rounding, uint32_t counts[MU_WIDTH_GROUPS_MAX], mu_error *err)
{
    const mu_units *units = mu_control_units(control);
    if (mu_units_group_count(units) > MU_WIDTH_GROUPS_MAX)
        return mu_error_set(err, MU_E_LIMIT, "the model has %zu unit groups, at most %d can be cut", mu_units_group_count(units),
                            MU_WIDTH_GROUPS_MAX);
    mu_width_counts(units, mu_device_width_of(control, width, device, ordinal), rounding, counts);
    return MU_OK;
}

bool mu_device_width_usable(const mu_device_width *width, const mu_units *units, uint32_t index, mu_usable *part)
{
    double widest = 2;
    for (uint32_t i = 0; i <= index; i++) {
        double narrower = 0;
        for (uint32_t k = 0; k < width->widths.count; k++) {
            bool never = width->shares.count && width->shares.values[k] == 0;
            if (!never && width->widths.values[k] < widest && width->widths.values[k] > narrower)
                narrower = width->widths.values[k];
        }
        if (narrower == 0)
            return false;
        widest = narrower;
    }
    part->width = widest;
    mu_width_prefix(units, widest, part->kept);
    return true;
}
