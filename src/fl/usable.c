/* Parts that are used by themselves: asked for once. */
#include "fl/usable.h"

#include <stdlib.h>

static bool keeps_all(const bool *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!kept[i])
            return false;
    return true;
}

static mu_status check(const mu_method *what, const mu_usable_parts *parts, mu_error *err)
{
    if (!parts->count)
        return mu_error_set(err, MU_E_STATE, "method '%s' names no part of the model that could be evaluated", what->name);
    for (uint32_t i = 0; i < parts->count; i++) {
        double width = parts->parts[i].width;
        if (!(width > 0 && width <= 1) || (i && width >= parts->parts[i - 1].width))
            return mu_error_set(err, MU_E_STATE, "method '%s': width %g is number %u of its parts; they go from wide to narrow, within 0 and 1",
                                what->name, width, i + 1);
    }
    return MU_OK;
}

mu_status mu_usable_parts_init(const mu_method *what, const void *state, const mu_units *units, mu_usable_parts *out, mu_error *err)
{
    *out = (mu_usable_parts){ .count = 1, .parts = { { .width = 1 } } };
    if (!what->what->usable)
        return MU_OK;
    size_t unit_count = mu_units_count(units);
    out->named = true;
    out->flags = malloc(MU_USABLE_MAX * unit_count + 1);
    if (!out->flags)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the parts of the model");
    for (out->count = 0; out->count < MU_USABLE_MAX; out->count++) {
        mu_usable *part = &out->parts[out->count];
        *part = (mu_usable){ .kept = out->flags + out->count * unit_count };
        mu_units_keep_all(units, part->kept);
        if (!what->what->usable(state, units, out->count, part))
            break;
        if (keeps_all(part->kept, unit_count))
            part->kept = NULL;
    }
    mu_status status = check(what, out, err);
    if (status)
        mu_usable_parts_release(out);
    return status;
}

void mu_usable_parts_release(mu_usable_parts *parts)
{
    free(parts->flags);
    *parts = (mu_usable_parts){ 0 };
}
